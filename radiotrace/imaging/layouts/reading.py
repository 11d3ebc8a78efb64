"""Reading: what one file holds, as channels on a grid of three axes. One file at a time is in memory.

A volume is decoded as ingest decodes it (imaging/decoding.py), under the same limits; a picture by
pictures.py.
"""

import struct
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from radiotrace.imaging import content, image, volumes
from radiotrace.imaging.channels import COLOURS
from radiotrace.imaging.content import VolumeError
from radiotrace.imaging.image import Grid
from radiotrace.imaging.layouts import names

ARRAY_BYTES_MAX = 2**31
ARRAYS_MAX = 64
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
SLICE_MM = 1.0
UNKNOWN, OF_TAGS, ASKED = "unknown", "tags", "asked"  # where the size of a pixel comes from


@dataclass(frozen=True, eq=False)  # volumes have no equality of their own
class Read:
    """What a file holds.

    Attributes:
        channels: of three axes, one value a voxel.
        sha256: of the file.
        colours: names of the channels of a picture: grey, or red, green and blue; () of a volume.
        is_as_it_was: whether the file itself is what ingest reads.
        done: what was changed, for people.
        warnings: about where the header places a volume.
        spacing_from: where the size of a picture's pixel comes from.
    """

    channels: tuple[sitk.Image, ...]
    sha256: str
    colours: tuple[str, ...] = ()
    is_as_it_was: bool = False
    done: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    spacing_from: str = ""

    @property
    def n_channels(self) -> int:
        return len(self.channels)

    @property
    def first(self) -> sitk.Image:
        """The first channel; the label map, where the file is one."""
        return self.channels[0]


class Reader:
    """Reads the files of a folder.

    Args:
        pixel_mm: of pictures, along x and y; None takes what their tags say.
        is_grey: whether images of colour are brought to grey; label maps never are.
    """

    def __init__(self, root: Path, pixel_mm: tuple[float, float] | None, is_grey: bool = False):
        self._root, self._pixel_mm, self._is_grey = root, pixel_mm, is_grey
        self._arrays: dict[str, np.ndarray] = {}
        self._sha256: dict[str, str] = {}

    def image(self, path: str, sha256: str | None = None) -> Read:
        """As `read`; of colour, grey where that is asked for."""
        read = self.read(path, sha256)
        if not self._is_grey or read.colours != COLOURS:
            return read
        from radiotrace.imaging.layouts import pictures  # here, because most folders have none

        values = pictures.grey(tuple(volumes.array_zyx(channel) for channel in read.channels))
        channel = image.on(values, Grid.of(read.channels[0]))
        done = (*read.done, "colours brought to grey")
        return replace(read, channels=(channel,), colours=("grey",), done=done)

    def read(self, path: str, sha256: str | None = None) -> Read:
        """A file, or one image of a file of arrays.

        Args:
            sha256: that the bytes must have; None takes any.

        Raises:
            VolumeError: it cannot be read; one line, without the path.
        """
        if ":" in path:
            return self._of_arrays(*path.split(":"))
        if not names.is_picture(path):
            return _of_volume(self._root / path, sha256)
        from radiotrace.imaging.layouts import pictures  # here, because most folders have none

        read = content.read(self._root / path)
        if sha256 is not None and read.sha256 != sha256:
            raise VolumeError("it was changed while it was read")
        return _of_picture(pictures.decoded(read.data, path), read.sha256, self._pixel_mm)

    def _of_arrays(self, file: str, name: str, number: str) -> Read:
        if name not in self._arrays:
            if len(self._arrays) > 1:  # images and label maps of one part at a time
                self._arrays.clear()
            self._arrays[name] = loaded(self._root / file, name)
        if file not in self._sha256:
            self._sha256[file] = content.read(self._root / file).sha256
        values = self._arrays[name][int(number)]
        is_colour = values.ndim >= 3 and values.shape[-1] in (3, 4)
        channels = [values[..., at] for at in range(3)] if is_colour else [values]
        spacing = self._pixel_mm or (1.0, 1.0)
        done = ("alpha dropped",) if is_colour and values.shape[-1] == 4 else ()
        of_channels = tuple(_flat(np.ascontiguousarray(channel), spacing) for channel in channels)
        colours = COLOURS if is_colour else ("grey",)
        origin = ASKED if self._pixel_mm else UNKNOWN
        return Read(of_channels, self._sha256[file], colours, done=done, spacing_from=origin)


def _of_volume(path: Path, sha256: str | None) -> Read:
    decoded, digest = volumes.open_file(path, sha256)
    volume = decoded.volume
    if decoded.n_non_finite:
        raise VolumeError(f"{decoded.n_non_finite} voxels are not finite")
    n_axes, n_values = volume.GetDimension(), volume.GetNumberOfComponentsPerPixel()
    if n_axes not in (3, 4):
        raise VolumeError(f"{n_axes} axes; expected 3, or 4 where the last one counts channels")
    if n_axes == 4 and n_values > 1:
        raise VolumeError(f"4 axes and {n_values} values a voxel; expected one of both")
    if n_axes == 3 and n_values == 1:
        return Read((volume,), digest, is_as_it_was=True, warnings=decoded.warnings)
    if n_axes == 4:
        channels = _along_the_last_axis(volume)
        done = f"{len(channels)} along the 4th axis became files of their own"
        if len(channels) == 1:
            done = "the 4th axis, of length 1, was left out"
        return Read(channels, digest, done=(done,), warnings=decoded.warnings)
    channels = tuple(sitk.VectorIndexSelectionCast(volume, number) for number in range(n_values))
    done = f"{n_values} values a voxel became files of their own"
    return Read(channels, digest, done=(done,), warnings=decoded.warnings)


def _along_the_last_axis(volume: sitk.Image) -> tuple[sitk.Image, ...]:
    """The volumes of three axes that one of four has."""
    *size, n_channels = volume.GetSize()
    direction = np.reshape(volume.GetDirection(), (4, 4))[:3, :3]
    grid = Grid(
        tuple(size), volume.GetSpacing()[:3], volume.GetOrigin()[:3], tuple(direction.ravel().tolist())
    )
    values = sitk.GetArrayViewFromImage(volume)
    return tuple(image.on(np.ascontiguousarray(values[number]), grid) for number in range(n_channels))


def _of_picture(picture, digest: str, pixel_mm: tuple[float, float] | None) -> Read:
    spacing, origin = (1.0, 1.0), UNKNOWN
    if pixel_mm is not None:
        spacing, origin = pixel_mm, ASKED
    elif picture.pixel_mm is not None:
        spacing, origin = picture.pixel_mm, OF_TAGS
    channels = tuple(_flat(values, spacing) for values in picture.channels_yx)
    colours = COLOURS if len(channels) == 3 else ("grey",)
    return Read(channels, digest, colours, done=picture.done, spacing_from=origin)


def _flat(values: np.ndarray, pixel_mm: tuple[float, float]) -> sitk.Image:
    """A picture (y, x) as a volume of one slice; a volume (z, y, x) as it is."""
    if values.dtype == bool:
        values = values.astype(np.uint8)
    zyx = values[None] if values.ndim == 2 else values
    if zyx.ndim != 3:
        raise VolumeError(f"{values.ndim} axes; expected 2 of a picture, or 3 of a volume")
    spacing = (*pixel_mm, SLICE_MM)
    return image.on(zyx, Grid(zyx.shape[::-1], spacing, (0.0, 0.0, 0.0), IDENTITY))


def shapes_of_arrays(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of the arrays of a file; none is read.

    Raises:
        VolumeError: it is no such file, or holds pickled objects.
    """
    return {name: shape for name, (shape, _) in _headers(path).items()}


def loaded(path: Path, name: str) -> np.ndarray:
    """One array of a file; nothing is unpickled.

    Raises:
        VolumeError: it cannot be read, or takes too much memory.
    """
    shape, dtype = _headers(path)[name]
    n_bytes = int(np.prod([float(length) for length in shape])) * dtype.itemsize
    if n_bytes > ARRAY_BYTES_MAX:
        raise VolumeError(f"{name} takes {n_bytes} bytes; at most {ARRAY_BYTES_MAX} are read")
    if dtype.kind not in "buif":
        raise VolumeError(f"{name} is of type {dtype.name}; expected numbers")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return arrays[name]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, struct.error) as error:
        raise VolumeError(f"{name} cannot be read ({error})") from None


def _headers(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    headers = {}
    try:
        with zipfile.ZipFile(path) as archive:
            items = archive.infolist()
            if len(items) > ARRAYS_MAX:
                raise VolumeError(f"{len(items)} arrays; at most {ARRAYS_MAX} are read")
            for item in items:
                with archive.open(item) as file:
                    headers[item.filename.removesuffix(".npy")] = _header(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise VolumeError(f"no file of arrays can be read ({error})") from None
    return headers


def _header(file) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.hasobject:
        raise VolumeError("holds pickled objects, which nobody should open unlooked")
    return tuple(shape), dtype
