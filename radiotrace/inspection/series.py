"""Series: what the images of one SeriesInstanceUID come to, by the rules that from-dicom stacks by.

Runs in a process of its own, as a hostile series may have any number of kinds of planes.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from radiotrace.imaging.dicom import pixels, stacks
from radiotrace.imaging.dicom.headers import Instance

KINDS_OF_PLANES_MAX = 300  # of orientation, type and echo in one series; a rotating device has one a plane


@dataclass(frozen=True)
class SeriesSeen:
    """What is known of a series.

    Attributes:
        series, study: UIDs.
        modality: as the header has it.
        text_letters: how long its description is.
        files, planes: how many, copies left out.
        size: columns, rows and slices of its first volume; of one plane where there is no volume.
        spacing_mm: of its first volume; () where there is none.
        volumes: that could be made of it.
        localisers: planes that are left out.
        faults: why from-dicom would refuse it.
        path: of its first file, for the place where it lies.
        shown: the file and the frame in the middle of its first volume; None where no pixels can be decoded.
    """

    series: str
    study: str
    modality: str
    text_letters: int
    files: int
    planes: int
    size: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    volumes: int
    localisers: int
    faults: tuple[str, ...]
    path: str
    shown: tuple[Instance, int] | None


def described(instances: Sequence[Instance]) -> SeriesSeen:
    """What a series comes to.

    Args:
        instances: its images, sorted by path; a SOPInstanceUID may be there more than once.
    """
    once = list({instance.sop_instance: instance for instance in reversed(instances)}.values())[::-1]
    planes = [plane for instance in once for plane in instance.planes]
    kinds_of_planes = {(plane.orientation, plane.image_type, plane.echo) for plane in planes}
    if len(kinds_of_planes) > KINDS_OF_PLANES_MAX:
        fault = f"{len(planes)} planes have {len(kinds_of_planes)} directions, types or echo times: no volume"
        found = stacks.Found((), (fault,))
    else:
        found = stacks.of_series(once)
    faults = list(found.faults)
    of_pixels = Counter(fault for fault in map(pixels.fault, once) if fault is not None)
    faults += [f"{count} of {len(once)} files: {fault}" for fault, count in sorted(of_pixels.items())]
    first = once[0]
    size, spacing = (first.columns, first.rows), ()
    chosen = (once[len(once) // 2], 0)
    if found.stacks:
        stack = found.stacks[0]
        size, spacing = stack.grid.size_voxels, stack.grid.spacing_mm
        middle = stack.planes[len(stack.planes) // 2]
        chosen = next(one for one in once if one.path == middle.path), middle.frame
    return replace(
        _of_headers(once, tuple(faults)),
        size=tuple(size),
        spacing_mm=tuple(spacing),
        volumes=len(found.stacks),
        localisers=found.localisers,
        shown=chosen if pixels.fault(chosen[0]) is None else None,
    )


def unknown(instances: Sequence[Instance], reason: str) -> SeriesSeen:
    """Of a series that no process could describe."""
    return _of_headers(instances, (reason,))


def _of_headers(instances: Sequence[Instance], faults: tuple[str, ...]) -> SeriesSeen:
    """What headers say without a look at how planes lie: no volume."""
    first = instances[0]
    return SeriesSeen(
        series=first.series,
        study=first.study,
        modality=first.modality,
        text_letters=len(first.description),
        files=len(instances),
        planes=sum(len(instance.planes) for instance in instances),
        size=(first.columns, first.rows),
        spacing_mm=(),
        volumes=0,
        localisers=0,
        faults=faults,
        path=first.path,
        shown=None,
    )
