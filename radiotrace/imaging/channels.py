"""Channels: what an image has of every voxel, such as a T2 weighted and an ADC value.

The one place that says what a channel is. Whoever reads data declares channels (imaging.formats), whoever
trains says how each is normalised (inference.recipe), whoever predicts compares both. Needs no image library.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from radiotrace.records.dataset import Identity

# what data sets call MRI, and what such names begin with
MRI_NAMES = ("MR", "T1", "T2", "FLAIR", "PD", "DWI", "ADC")


@dataclass(frozen=True)
class Channel:
    """One of the quantities that an image has of every voxel.

    Attributes:
        name: as dataset.json calls it. None where nobody says: a data set, or the record of a run, of one
            channel without a name.
        modality: "MRI", "CT" or "other".
        clip_percentiles: how it is normalised: lower and upper, in 0..100, that its intensities are clipped
            to, before they are brought to mean 0 and SD 1. None where no run has said so yet.
    """

    name: str | None
    modality: str
    clip_percentiles: tuple[float, float] | None = None

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Channel":
        """Of an entry of "channels" in a record."""
        clip = record.get("clip_percentiles")
        return cls(record["name"], record["modality"], None if clip is None else tuple(clip))

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


def percentile_faults(channels: Sequence[Channel], asked) -> list[str]:
    """Where train.clip_percentiles does not fit the channels.

    Args:
        asked: a pair for all of them, or name -> pair.
    """
    names = [channel.name for channel in channels]
    if not isinstance(asked, Mapping) or sorted(asked) == sorted(map(str, names)):
        return []
    return [
        f"train.clip_percentiles: found {', '.join(asked)}, expected the channels of the data set, "
        f"{', '.join(map(str, names))}; or two numbers for all of them"
    ]


def normalised(channels: Sequence[Channel], asked) -> tuple[Channel, ...]:
    """The channels with the percentiles that train.clip_percentiles asks for; see `percentile_faults`."""
    if not isinstance(asked, Mapping):
        return tuple(replace(channel, clip_percentiles=tuple(asked)) for channel in channels)
    return tuple(replace(channel, clip_percentiles=tuple(asked[channel.name])) for channel in channels)


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
