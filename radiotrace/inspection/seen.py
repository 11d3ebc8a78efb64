"""Seen: what the header of one file says; travels from the process that read it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from radiotrace.imaging.dicom.headers import Instance


@dataclass(frozen=True)
class Shape:
    """Of a volume, a picture or an array.

    Attributes:
        size: voxels along x, y, z and further axes; of an array as NumPy has it.
        spacing_mm: along x, y and z, as far as there are axes; () where the header has none.
        values: of what type they are, such as int16, or the mode of a picture.
        channels: values a voxel.
    """

    size: tuple[int, ...]
    spacing_mm: tuple[float, ...] = ()
    values: str = ""
    channels: int = 1


@dataclass(frozen=True)
class Seen:
    """What is known of one file.

    Attributes:
        kind: one of kinds.
        sample: a hash of its beginning, middle and end; files that differ there are no copies.
        problems: what is wrong with it, so far as its header and its length tell.
        shapes: of a volume or a picture one, of a file of arrays one for each.
        instance: of a DICOM file whose header was read.
    """

    path: str
    size: int
    kind: str
    sample: bytes = b""
    problems: tuple[str, ...] = ()
    shapes: tuple[Shape, ...] = ()
    instance: "Instance | None" = None


@dataclass(frozen=True)
class Batch:
    """Of several files.

    Attributes:
        identities: values of headers that say who is shown, or when; never printed, but looked for in paths.
    """

    seen: tuple[Seen, ...] = ()
    identities: frozenset[str] = field(default=frozenset(), repr=False)
