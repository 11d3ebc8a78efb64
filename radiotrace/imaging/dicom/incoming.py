"""Incoming: series of DICOM that a model shall answer, each as an image on the grid on which it was scanned.

Nothing is written, and nothing is left out unsaid: what is no image of the wanted modality is counted, what
cannot be an image is a fault of its series.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radiotrace.imaging.channels import Channel
from radiotrace.imaging.child import Child, Limits
from radiotrace.imaging.dicom import pixels, reading, stacks
from radiotrace.imaging.dicom.headers import Instance
from radiotrace.imaging.dicom.stacks import Stack
from radiotrace.imaging.image import Image
from radiotrace.imaging.new_images import MODALITY_IN_DICOM

NAME_DIGITS = 12


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
class Incoming:
    """What a tree has.

    Attributes:
        faults: of series that cannot be answered: case_id -> findings, each with a path.
        notes: what was passed over, in words.
    """

    series: tuple[Series, ...]
    faults: dict[str, list[str]]
    notes: tuple[str, ...]


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
        case_id = f"series_{hashlib.sha256(uid.encode()).hexdigest()[:NAME_DIGITS]}"
        made, wrong = _series(case_id, place, members)
        if made is None:
            first = tree / min(one.path for one in members)
            faults[case_id] = [f"{first}: {fault}" for fault in wrong]
        else:
            series.append(made)
    notes = tuple(f"{count} files passed over: {what}" for what, count in sorted(passed_over.items()))
    return Incoming(tuple(series), faults, notes)


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
