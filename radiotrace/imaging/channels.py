"""Channels: what an image has of every voxel, such as a T2 weighted and an ADC value.

The one place that says what a channel is. Whoever reads data declares channels (imaging.formats), whoever
trains says how each is normalised (inference.recipe), whoever predicts compares both. Needs no image library.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from radiotrace.records.dataset import Identity
from radiotrace.records.preprocessing import Intensities, Within

# what data sets call MRI, and what such names begin with
MRI_NAMES = ("MR", "T1", "T2", "FLAIR", "PD", "DWI", "ADC")
# the channels of a picture of colour; all three are equal where it shows nothing but grey
COLOURS = ("red", "green", "blue")


@dataclass(frozen=True)
class Channel:
    """One of the quantities that an image has of every voxel.

    Attributes:
        name: as dataset.json calls it. None where nobody says: a data set, or the record of a run, of one
            channel without a name.
        modality: "MRI", "CT" or "other".
        clip_percentiles: how it is normalised: lower and upper, in 0..100, that its intensities are clipped
            to, before they are brought to mean 0 and SD 1. None where no run has said so yet.
        intensities: those of the labelled voxels that a run has learnt from, by which every image is
            normalised; None where each is by its own.
        within: whose voxels percentiles, mean and SD of each image are taken over; None: over all.
    """

    name: str | None
    modality: str
    clip_percentiles: tuple[float, float] | None = None
    intensities: Intensities | None = None
    within: Within | None = None

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Channel":
        """Of an entry of "channels" in a record."""
        clip, found = record.get("clip_percentiles"), record.get("intensities")
        return cls(
            record["name"],
            record["modality"],
            None if clip is None else tuple(clip),
            None if found is None else Intensities.of(found),
            record.get("within"),
        )

    @property
    def percentiles(self) -> tuple[float, float]:
        """As clip_percentiles, of a channel of which a run has said how it is normalised."""
        if self.clip_percentiles is None:
            raise ValueError(f"channel {self.name}: no clip_percentiles")
        return self.clip_percentiles

    def record(self) -> dict[str, Any]:
        """As records have it."""
        values: dict[str, Any] = {"name": self.name, "modality": self.modality}
        if self.clip_percentiles is not None:
            values["clip_percentiles"] = list(self.clip_percentiles)
        if self.intensities is not None:
            values["intensities"] = self.intensities.record()
        if self.within is not None:
            values["within"] = self.within
        return values


def named(name: str | None) -> Channel:
    """The channel of a name, whose modality follows from it."""
    upper = (name or "").upper()
    if upper == "CT":
        return Channel(name, "CT")
    return Channel(name, "MRI" if upper.startswith(MRI_NAMES) else "other")


def of_dataset(about: Identity) -> tuple[Channel, ...]:
    """The channels of a data set, in their order.

    Args:
        about: the part 'dataset' of the record 'dataset', which lists channels where there are several.
    """
    if about.channels is None:
        return (named(about.modality),)
    return tuple(Channel(row.name, row.modality) for row in about.channels)


def faults_of_names(channels: Sequence[Channel], parameter: str, asked, alike: str) -> list[str]:
    """Where a parameter that may say something of each channel does not fit the channels.

    Args:
        asked: a value for all of them, or name -> value.
        alike: what a value for all of them is.
    """
    names = [channel.name for channel in channels]
    if not isinstance(asked, Mapping) or sorted(asked) == sorted(map(str, names)):
        return []
    return [
        f"{parameter}: found {', '.join(asked)}, expected the channels of the data set, "
        f"{', '.join(map(str, names))}; or {alike} for all of them"
    ]


def of_each(channels: Sequence[Channel], asked) -> list[Any]:
    """What a parameter asks of each channel; see `faults_of_names`."""
    return [asked[channel.name] if isinstance(asked, Mapping) else asked for channel in channels]


def normalised(
    channels: Sequence[Channel],
    percentiles,
    intensities: Sequence[Intensities | None] | None = None,
    within: Within | None = None,
) -> tuple[Channel, ...]:
    """The channels, with how each is normalised.

    Args:
        percentiles: train.clip_percentiles.
        intensities: of each channel; None where all are normalised by each image's own.
        within: of those that are normalised by each image's own.
    """
    found = intensities or [None] * len(channels)
    return tuple(
        replace(
            channel,
            clip_percentiles=tuple(clip),
            intensities=of_labels,
            within=within if of_labels is None else None,
        )
        for channel, clip, of_labels in zip(channels, of_each(channels, percentiles), found, strict=True)
    )


def within(normalise_within: str) -> Within | None:
    """As a channel has it, of train.normalise_within."""
    return "foreground" if normalise_within == "foreground" else None


def unlike(found: Sequence[Channel], expected: Sequence[Channel]) -> list[str]:
    """Where channels are not those that are expected, in their order; names count where both are known."""
    same = len(found) == len(expected) and all(
        None in (channel.name, other.name) or channel.name == other.name
        for channel, other in zip(found, expected, strict=True)
    )
    return [] if same else [f"channels: found {listed(found)}, expected {listed(expected)}"]


def listed(channels: Sequence[Channel]) -> str:
    """Names for people."""
    return f"{len(channels)} (" + ", ".join(channel.name or "without a name" for channel in channels) + ")"
