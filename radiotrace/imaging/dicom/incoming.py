"""Incoming: series of DICOM that a model shall answer, each as an image on the grid on which it was scanned.

Nothing is written, and nothing is left out unsaid: what is no image of the wanted modality is counted, what
cannot be an image is a fault of its series.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radiotrace.imaging.channels import Channel
from radiotrace.imaging.child import Child, Limits
from radiotrace.imaging.dicom import channel_rules, pixels, reading, stacks
from radiotrace.imaging.dicom.channel_rules import ChannelRule
from radiotrace.imaging.dicom.headers import Instance
from radiotrace.imaging.dicom.stacks import Stack
from radiotrace.imaging.image import Image
from radiotrace.imaging.new_images import MODALITY_IN_DICOM

NAME_DIGITS = 12
BY_SERIES = "Say which with --series CHANNEL=UID"


@dataclass(frozen=True)
class Series:
    """A series with one volume.

    Attributes:
        case_id: follows from SeriesInstanceUID.
        tree: folder that paths are relative to, absolute.
        instances: each SOPInstanceUID once.
        sha256: over the hashes of its files, sorted.
    """

    case_id: str
    tree: Path
    instances: tuple[Instance, ...]
    stack: Stack
    sha256: str

    @property
    def paths(self) -> tuple[str, ...]:
        """Of the file of each plane, each once, in the order of the planes."""
        return tuple(dict.fromkeys(plane.path for plane in self.stack.planes))


@dataclass(frozen=True)
class JoinedSeries:
    """Series of one study and one frame of reference, one for each channel that a model takes.

    Attributes:
        case_id: follows from their SeriesInstanceUIDs.
        series: of each channel, in the order of the channels.
        grid_number: of the channel onto whose grid the others are brought, and to which results refer.
    """

    case_id: str
    series: tuple[Series, ...]
    grid_number: int

    @property
    def of_grid(self) -> Series:
        return self.series[self.grid_number]

    @property
    def further(self) -> tuple[Series, ...]:
        """Those of the other channels."""
        return (*self.series[: self.grid_number], *self.series[self.grid_number + 1 :])


@dataclass(frozen=True)
class Incoming:
    """What a tree has.

    Attributes:
        joined: of a model of several channels, in place of series.
        faults: of series that cannot be answered: case_id -> findings, each with a path.
        notes: what was passed over, in words.
    """

    series: tuple[Series, ...]
    faults: dict[str, list[str]]
    notes: tuple[str, ...]
    joined: tuple[JoinedSeries, ...] = ()


def ready() -> None:
    """In the child, which imports this module, and with it all that reads, to find this."""


def series_below(
    tree: Path, names: Sequence[str] | None, modality: str | None, child: Child, limits: Limits
) -> Incoming:
    """The series of a tree.

    Args:
        names: of files in it; None takes all that is below.
        modality: as a data set calls it; None takes images of any.
    """
    place = tree.absolute()  # the child may have begun in another folder
    read = reading.headers_of(place, child, limits, "predict", names)
    faults = {path: [f"{tree / path}: {fault}"] for path, fault in read.faults}
    wanted = None if modality is None else MODALITY_IN_DICOM.get(modality, modality)
    of_series: dict[str, list[Instance]] = defaultdict(list)
    passed_over: Counter[str] = Counter()
    for one in read.instances:
        if one.kind != "image":
            passed_over[one.class_name] += 1
        elif wanted is not None and one.modality != wanted:
            passed_over[f"of modality {one.modality or 'none'}, expected {wanted}"] += 1
        else:
            of_series[one.series].append(one)
    series = []
    for uid, members in sorted(of_series.items()):
        if all(stacks.LOCALISER in plane.image_type for one in members for plane in one.planes):
            passed_over["localisers"] += len(members)
            continue
        case_id = _named(uid)
        made, wrong = _series(case_id, place, members)
        if made is None:
            first = tree / min(one.path for one in members)
            faults[case_id] = [f"{first}: {fault}" for fault in wrong]
        else:
            series.append(made)
    notes = tuple(f"{count} files passed over: {what}" for what, count in sorted(passed_over.items()))
    return Incoming(tuple(series), faults, notes)


def _named(*uids: str) -> str:
    """The case of these series."""
    digest = hashlib.sha256("\n".join(uids).encode()).hexdigest()
    return f"series_{digest[:NAME_DIGITS]}"


def rules_of(channels: Sequence[Channel], of_person: Mapping[str, str]) -> tuple[ChannelRule, ...]:
    """Which series is each channel of a model: by its modality; where several channels have one, or its
    modality is not known, by its name, too, which stands in the description of the series.

    Args:
        of_person: name of a channel -> SeriesInstanceUID, of those that a person named.
    """
    modalities = [_in_dicom(channel) for channel in channels]
    rules = []
    for channel, modality in zip(channels, modalities, strict=True):
        name = channel.name or ""
        if name in of_person:
            rules.append(ChannelRule(name, series=of_person[name]))
            continue
        if modality is not None and modalities.count(modality) == 1:
            rules.append(ChannelRule(name, modality))
            continue
        # a word, or the beginning of one, as "T2" of "t2w_tra", and not of "PT20"
        pattern = re.compile(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![0-9])", re.IGNORECASE)
        rules.append(ChannelRule(name, modality, pattern, word=name))
    return tuple(rules)


def _in_dicom(channel: Channel) -> str | None:
    """The modality of a channel, as DICOM calls it; None where nobody knows it."""
    if channel.modality in MODALITY_IN_DICOM:
        return MODALITY_IN_DICOM[channel.modality]
    upper = (channel.name or "").upper()
    return MODALITY_IN_DICOM["PET"] if upper in ("PET", "PT") else None


def misfits(joined: JoinedSeries, channels: Sequence[Channel]) -> list[str]:
    """Where a series that a person named has another modality than its channel; what was found."""
    found = [series.instances[0].modality for series in joined.series]
    return [
        modality
        for modality, channel in zip(found, channels, strict=True)
        if _in_dicom(channel) not in (None, modality)
    ]


def joined_below(
    tree: Path,
    names: Sequence[str] | None,
    rules: Sequence[ChannelRule],
    grid: str | None,
    child: Child,
    limits: Limits,
) -> Incoming:
    """The cases of a tree, each of a series for each channel.

    Args:
        names: of files in it; None takes all that is below.
        grid: the channel onto whose grid the others are brought; None where nobody said, which is enough
            where all lie on one.
    """
    place = tree.absolute()  # the child may have begun in another folder
    read = reading.headers_of(place, child, limits, "predict", names)
    faults = {path: [f"{tree / path}: {fault}"] for path, fault in read.faults}
    of_series: dict[str, list[Instance]] = defaultdict(list)
    passed_over: Counter[str] = Counter()
    for one in read.instances:
        if one.kind != "image":
            passed_over[one.class_name] += 1
        else:
            of_series[one.series].append(one)
    for uid, members in list(of_series.items()):
        if all(stacks.LOCALISER in plane.image_type for one in members for plane in one.planes):
            passed_over["localisers"] += len(members)
            del of_series[uid]
    named = {rule.series for rule in rules if rule.series is not None}
    groups = channel_rules.grouped(of_series, rules, BY_SERIES)
    if named:  # the study is that of the series that a person named
        groups = [group for group in groups if named & set(group.series)]
    used = {uid for group in groups for uid in group.series}
    for uid, members in of_series.items():
        if uid not in used:
            passed_over["of series that are no channel"] += len(members)
    for missing in sorted(named - used):
        faults[missing] = [f"{tree}: has no series {missing} of images"]
    joined = []
    for group in groups:
        case_id = _named(*group.series)
        made, wrong = _joined(case_id, group, of_series, rules, grid, tree)
        if made is None:
            faults[case_id] = wrong
        else:
            joined.append(made)
    notes = tuple(f"{count} files passed over: {what}" for what, count in sorted(passed_over.items()))
    return Incoming((), faults, notes, tuple(joined))


def _joined(
    case_id: str,
    group: channel_rules.Grouped,
    of_series: Mapping[str, Sequence[Instance]],
    rules: Sequence[ChannelRule],
    grid: str | None,
    tree: Path,
) -> tuple[JoinedSeries | None, list[str]]:
    """A case, or why it is none."""
    first = {uid: min(one.path for one in of_series[uid]) for uid in group.series}
    where = tree / min(first.values())
    faults = [f"{where}: {fault}" for fault in group.faults]
    for rule, uids in zip(rules, group.of_channel, strict=True):
        if len(uids) > 1:
            faults += [f"{tree / first[uid]}: {rule.name}={uid}, {len(of_series[uid])} files" for uid in uids]
    if faults:
        return None, faults
    made = []
    for (uid,) in group.of_channel:
        series, wrong = _series(_named(uid), tree.absolute(), of_series[uid])
        faults += [f"{tree / first[uid]}: {fault}" for fault in wrong]
        made.append(series)
    if faults:
        return None, faults
    names = [rule.name for rule in rules]
    grids = [series.stack.grid for series in made]
    if grid is None and not all(channel_rules.is_same(one, grids[0]) for one in grids):
        return None, [
            f"{where}: the channels {', '.join(names)} lie on different grids, and nobody says on which the "
            "model has learnt; say onto whose grid the others are brought with --grid CHANNEL"
        ]
    return JoinedSeries(case_id, tuple(made), names.index(grid) if grid else 0), []


def _series(case_id: str, tree: Path, members: Sequence[Instance]) -> tuple[Series | None, list[str]]:
    once, _, faults = reading.once(members)
    faults += [fault for fault in sorted({pixels.fault(one) or "" for one in once}) if fault]
    of_series = stacks.of_series(once)
    faults += of_series.faults
    if len(of_series.stacks) > 1:
        names = sorted({name for stack in of_series.stacks for name in stack.told_apart_by})
        faults.append(f"{len(of_series.stacks)} volumes, told apart by {', '.join(names)}; expected one")
    elif not of_series.stacks and not faults:
        faults.append("0 planes that are no localiser")
    stack = next(iter(of_series.stacks), None)
    if faults or stack is None:
        return None, faults
    hashes = sorted(one.bytes_sha256 for one in once)
    digest = hashlib.sha256("".join(f"{one}\n" for one in hashes).encode()).hexdigest()
    return Series(case_id, tree, tuple(once), stack, digest), []


def image(series: Series, channel: Channel, child: Child, limits: Limits) -> Image:
    """The image of a series.

    Raises:
        Refused, ValueError: its pixels cannot be decoded; with a finding.
    """
    read = reading.pixels_of(series.stack, series.instances, series.tree, child, limits)
    if not np.isfinite(read.values_zyx).all():
        raise ValueError("values are not finite once slope and intercept are applied")
    return Image(read.values_zyx[None], (channel,), series.stack.grid)


def joined_image(
    joined: JoinedSeries, channels: Sequence[Channel], child: Child, limits: Limits
) -> tuple[Image, list[str]]:
    """The image of a case on the grid of one of its channels, and what whoever sees the result must know of
    the others.

    Raises:
        Refused, ValueError: pixels cannot be decoded, or a channel lies elsewhere; with a finding.
    """
    grid, values, warnings = joined.of_grid.stack.grid, [], []
    for series, channel in zip(joined.series, channels, strict=True):
        own = image(series, channel, child, limits)
        try:
            on_grid_zyx, resampled = channel_rules.onto(own.values_czyx[0], own.grid, grid)
        except ValueError as error:
            raise ValueError(f"channel {channel.name}: {error}") from None
        values.append(on_grid_zyx)
        if resampled is not None:
            warnings.append(
                f"channel {channel.name}: interpolated linearly onto the grid of "
                f"{channels[joined.grid_number].name}; {resampled.outside_share:.1%} of its voxels lie "
                "outside of it, and have its smallest value"
            )
    return Image(np.stack(values).astype(np.float32), tuple(channels), grid), warnings
