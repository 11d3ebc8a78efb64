"""New pictures: files of one picture each that a person names, or volumes of one slice, for commands that
tell their classes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from radiotrace.errors import shown_short

if TYPE_CHECKING:
    from radiotrace.imaging.channels import Channel
    from radiotrace.imaging.image import Image
    from radiotrace.imaging.layouts.reading import Read, Reader


@dataclass(frozen=True)
class NewPicture:
    """A picture that was named.

    Attributes:
        case_id: its path below the folder that was named, without its ending.
        root: that folder; of a file that was named itself, the one that it lies in.
        path: below it.
    """

    case_id: str
    root: Path
    path: str


class Unfit(Exception):
    """A picture of which nothing is told; `findings` has every reason."""

    def __init__(self, findings: Sequence[str], is_refused: bool = False):
        self.findings, self.is_refused = tuple(findings), is_refused
        super().__init__("; ".join(findings))


def listed(named: Sequence[Path], faults: list[str]) -> list[NewPicture]:
    """The pictures of files and folders that were named, sorted by name.

    Args:
        faults: what is not there, holds no picture, is of a format that is not read or has a name twice is
            added to it.
    """
    from radiotrace.imaging import new_images
    from radiotrace.imaging.layouts import names

    found: dict[str, NewPicture] = {}
    for place in named:
        files = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
        root = place if place.is_dir() else place.parent
        taken = [
            path for path in files if new_images.FORMATS.search(path.name) or names.PICTURES.search(path.name)
        ]
        unread = [path for path in files if path not in taken and new_images.UNREAD.search(path.name)]
        if not place.exists():
            faults.append(f"{place}: no such file")
            continue
        if unread:
            faults.append(
                f"{place}: {len(unread)} images are of a format that is not read, such as {unread[0]}"
            )
        elif not taken:
            faults.append(f"{place}: 0 pictures, expected .png, .jpg, .tif, .nii.gz, .nii, .nrrd or .mha")
        for path in taken:
            below = path.relative_to(root).as_posix()
            case_id = names.PICTURES.sub("", new_images.FORMATS.sub("", below))
            other = found.setdefault(case_id, NewPicture(case_id, root, below))
            if (other.root / other.path).resolve() != path.resolve():
                faults.append(f"{path}: has the name of {other.root / other.path}")
            if ":" in below:  # which would be taken for an image of a file of arrays
                faults.append(f"{path}: ':' in a name is not read")
    return [found[name] for name in sorted(found)]


@dataclass(frozen=True)
class Pictures:
    """Reads new pictures as a model takes them.

    Args:
        channels: of the model; colours are brought to grey for one.
    """

    channels: "tuple[Channel, ...]"
    _readers: "dict[Path, Reader]" = field(default_factory=dict)

    def read(self, one: NewPicture) -> "tuple[Image, Read]":
        """A picture as it came, of one slice, and what was found in its file.

        Raises:
            Unfit: it cannot be read, has other channels, or several slices.
        """
        from radiotrace.imaging.content import VolumeError
        from radiotrace.imaging.image import Image
        from radiotrace.imaging.layouts import reading

        if one.root not in self._readers:  # the process that reads stays in the folder where it began
            is_grey = len(self.channels) == 1
            self._readers[one.root] = reading.Reader(one.root.absolute(), None, is_grey=is_grey)
        try:
            read = self._readers[one.root].read(reading.Request(one.path))
            if read.n_channels != len(self.channels):
                raise VolumeError(f"found {read.n_channels} channels, expected {len(self.channels)}")
            image = Image.of(read.channels, self.channels)
        except VolumeError as error:
            raise Unfit([shown_short(str(error))]) from None
        if 1 not in image.grid.size_voxels:
            found = " x ".join(map(str, image.grid.size_voxels))
            raise Unfit([f"found {found} voxels, expected one slice"])
        return image, read


def turned(image: "Image", orientation: str, spacing_mm) -> "Image":
    """A picture as the model's recipe has it.

    Raises:
        Unfit: its slice lies across another axis.
    """
    canonical = image.canonical(orientation, spacing_mm)
    if canonical.values_czyx.shape[1] != 1:
        raise Unfit(["its slice lies across another axis than those that the model has learnt from"])
    return canonical
