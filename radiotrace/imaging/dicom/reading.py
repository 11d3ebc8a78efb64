"""Reading: headers of all files of a tree, and the pixels of a stack, by a process of its own.

What a series is taken for, conversion and incoming decide.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radiotrace.errors import log
from radiotrace.imaging import content
from radiotrace.imaging.child import Child, Limits, Refused
from radiotrace.imaging.dicom import headers, pixels
from radiotrace.imaging.dicom.headers import Instance
from radiotrace.imaging.dicom.stacks import Stack

PROGRESS = 500  # files


@dataclass(frozen=True)
class Headers:
    """What lies in a tree.

    Attributes:
        instances: sorted by what they hold, each SOPInstanceUID as often as it is there.
        n_files: of all kinds; not_dicom: of them.
        faults: (path, why it cannot be read).
    """

    instances: tuple[Instance, ...]
    n_files: int
    not_dicom: int
    faults: tuple[tuple[str, str], ...]


def headers_of(
    tree: Path, child: Child, limits: Limits, who: str, names: Sequence[str] | None = None
) -> Headers:
    """Headers of all DICOM files.

    Args:
        who: reads, for the log.
        names: of files in it; None reads all that is below.
    """
    paths, wrong = headers.files_below(tree) if names is None else (sorted(names), [])
    faults = [(fault.split(": ", 1)[0], fault.split(": ", 1)[-1]) for fault in wrong]
    instances, not_dicom = [], 0
    for number, path in enumerate(paths, 1):
        try:
            instance = child.call(headers.read, str(tree), path, limits)
        except Refused as refused:
            faults.append((path, str(refused)))
            continue
        if instance is None:
            not_dicom += 1
        else:
            instances.append(instance)
        if number % PROGRESS == 0:
            log(f"{who}: {number}/{len(paths)} headers")
    instances.sort(key=lambda one: (one.series, one.sop_instance, one.bytes_sha256))
    return Headers(tuple(instances), len(paths), not_dicom, tuple(faults))


def once(members: Sequence[Instance]) -> tuple[list[Instance], int, list[str]]:
    """Each SOPInstanceUID once, how many files were copies, and faults where copies differ."""
    of_uid: dict[str, list[Instance]] = defaultdict(list)
    for one in members:
        of_uid[one.sop_instance].append(one)
    differing = sum(len({one.bytes_sha256 for one in same}) > 1 for same in of_uid.values())
    faults = []
    if differing:
        faults.append(
            f"{differing} SOPInstanceUIDs stand in several files that differ; expected one file for each. "
            f"Take away all but one"
        )
    first = [min(same, key=lambda one: one.path) for same in of_uid.values()]
    return first, len(members) - len(first), faults


@dataclass(frozen=True)
class Pixels:
    """The pixels of a stack.

    Attributes:
        owners: the file of each plane.
        frames: stored values of each plane, (row, column).
        values_zyx: as pixels.values_zyx has them.
        decoders: sorted.
    """

    owners: tuple[Instance, ...]
    frames: tuple[np.ndarray, ...]
    values_zyx: np.ndarray
    decoders: tuple[str, ...]


def pixels_of(
    stack: Stack, instances: Sequence[Instance], tree: Path, child: Child, limits: Limits
) -> Pixels:
    """The pixels of a stack.

    Args:
        instances: of its series.

    Raises:
        Refused, ValueError: they cannot be decoded, or are more than is ever read; with a finding.
    """
    content_bytes = float(np.prod(stack.grid.size_voxels)) * 4
    if content_bytes > content.DECODED_BYTES_MAX:
        raise ValueError(
            f"{' x '.join(map(str, stack.grid.size_voxels))} voxels, {content_bytes:.0f} bytes; expected at "
            f"most {content.DECODED_BYTES_MAX}"
        )
    of_path = {one.path: one for one in instances}
    owners = [of_path[plane.path] for plane in stack.planes]
    stored: dict[str, np.ndarray] = {}
    decoders = set()
    for one in owners:
        if one.path not in stored:
            try:
                stored[one.path], decoder = child.call(pixels.stored, str(tree), one, limits)
            except Refused as refused:
                raise Refused(f"a file of it {refused}") from None
            decoders.add(decoder)
    frames = [stored[plane.path][plane.frame] for plane in stack.planes]
    values_zyx = pixels.values_zyx(frames, stack.planes, owners)
    return Pixels(tuple(owners), tuple(frames), values_zyx, tuple(sorted(decoders)))
