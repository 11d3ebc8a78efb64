"""Reading: what one file holds, as channels on a grid of three axes. One file at a time is in memory.

A volume is decoded as ingest decodes it (imaging/decoding.py), a picture by pictures.py, an array image by
image; each in another process (imaging/child.py), under limits of memory and time. What begins with an
underscore and reads runs there.
"""

import functools
import itertools
import math
import struct
import tokenize
import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from radiotrace import records
from radiotrace.imaging import child, content, headers, image, volumes
from radiotrace.imaging.channels import COLOURS
from radiotrace.imaging.child import Limits, Refused
from radiotrace.imaging.content import VolumeError
from radiotrace.imaging.image import Grid
from radiotrace.imaging.layouts import names

ARRAY_BYTES_MAX = 2**31
ARRAYS_MAX = 64
# What zipfile and zlib raise of a damaged file, and what NumPy does.
OF_ARCHIVES = (zipfile.BadZipFile, zlib.error, EOFError)
DAMAGE = (
    *OF_ARCHIVES,
    ValueError,
    KeyError,
    SyntaxError,
    TypeError,
    NotImplementedError,
    RuntimeError,
    struct.error,
)
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
SLICE_MM = 1.0
# A volume of DECODED_BYTES_MAX is in memory three times while it is decoded and handed on.
OF_VOLUMES = Limits(memory_bytes=16 * 2**30, seconds=600)
OF_PICTURES = Limits(memory_bytes=4 * 2**30, seconds=60)
AHEAD, AHEAD_BYTES = 64, 2**22  # pictures that are read at once, while they are small
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


@dataclass(frozen=True)
class Folder:
    """A folder whose files are read, and how.

    Attributes:
        is_grey: whether images of colour are brought to grey.
        number: of the one who asks, so that nothing that was kept of another one is taken.
    """

    root: Path
    pixel_mm: tuple[float, float] | None
    is_grey: bool
    number: int


@dataclass(frozen=True)
class Request:
    """A file, or one image of a file of arrays, that is to be read.

    Attributes:
        sha256: that the bytes must have; None takes any.
        is_image: no label map: of colour, grey where that is asked for.
    """

    path: str
    sha256: str | None = None
    is_image: bool = True

    @property
    def limits(self) -> Limits:
        return OF_PICTURES if is_array(self.path) or names.is_picture(self.path) else OF_VOLUMES


# Channels as they travel between processes: (z, y, x), and where they lie.
Channels = list[tuple[np.ndarray, Grid]]
# A file without its channels, and these; or why it cannot be read.
Sent = tuple[Read, Channels] | str

_NUMBERS = itertools.count()


class Reader:
    """Reads the files of a folder, in another process, and ahead of those who ask.

    Args:
        pixel_mm: of pictures, along x and y; None takes what their tags say.
        is_grey: whether images of colour are brought to grey; label maps never are.
        planned: what will be asked for, in this order; some of it may be left out.
    """

    def __init__(
        self,
        root: Path,
        pixel_mm: tuple[float, float] | None,
        is_grey: bool = False,
        planned: Iterable[Request] = (),
    ):
        self._folder = Folder(root, pixel_mm, is_grey, next(_NUMBERS))
        self._planned = deque(planned)
        self._under_way: list[Request] = []
        self._read: deque[tuple[Request, Sent]] = deque()
        self._n_alone = 0  # of what is planned, asked for one by one, as one of them broke a limit

    def read(self, request: Request) -> Read:
        """A file, or one image of a file of arrays.

        Raises:
            VolumeError: it cannot be read, or not under the limits; one line, without the path.
        """
        sent = self._sent(request)
        if isinstance(sent, str):
            raise VolumeError(sent)
        read, channels = sent
        return replace(read, channels=tuple(image.on(values, grid) for values, grid in channels))

    def _sent(self, request: Request) -> Sent:
        while True:
            while self._read:
                done, sent = self._read.popleft()
                if done == request:
                    return sent
            if self._under_way:
                self._collect()
                continue
            while self._planned and self._planned[0] != request:  # left out, after all
                self._planned.popleft()
            if not self._planned:
                self._planned.append(request)
            self._ask()

    def _ask(self) -> None:
        """Lets the next few be read."""
        if not self._planned:
            return
        limits = self._planned[0].limits
        n_most = 1 if self._n_alone or limits == OF_VOLUMES else AHEAD
        while self._planned and len(self._under_way) < n_most and self._planned[0].limits == limits:
            self._under_way.append(self._planned.popleft())
        started(limits).ask(_several, self._folder, self._under_way)

    def _collect(self) -> None:
        """Takes what was read; of what was not, the first one is asked for by itself."""
        asked, self._under_way = self._under_way, []
        self._n_alone = max(0, self._n_alone - 1)
        try:
            answers = started(asked[0].limits).answer()
        except Refused as refused:
            if len(asked) == 1:
                answers = [str(refused)]
            else:
                answers, self._n_alone = [], len(asked)
        self._read.extend(zip(asked, answers, strict=False))
        self._planned.extendleft(reversed(asked[len(answers) :]))
        self._ask()


def is_array(path: str) -> bool:
    """Whether a path is that of one image of a file of arrays: FILE:NAME:NUMBER."""
    return ":" in path


def array_of(path: str) -> str:
    """FILE:NAME of one image of a file of arrays; another path as it is."""
    return path.rpartition(":")[0] if is_array(path) else path


def size_of_volume(path: Path) -> tuple[int, ...]:
    """The lengths of the axes of a volume.

    Raises:
        VolumeError: it cannot be read, or not under the limits.
    """
    return _asked(OF_VOLUMES, _size, path)


def without_text(path: Path) -> bool:
    """Writes a volume anew without the free text of its header; whether there was some that may say who
    somebody is.

    Raises:
        VolumeError: it cannot be read, not under the limits, or still has such a text.
    """
    return _asked(OF_VOLUMES, _cleaned, path)


def _asked(limits: Limits, function: Callable, *args: Any) -> Any:
    """What a function returns in the process that reads.

    Raises:
        VolumeError: it did there, or broke a limit.
    """
    try:
        return started(limits).call(_answered, function, *args)
    except Refused as refused:
        raise VolumeError(str(refused)) from None


def started(limits: Limits) -> child.Child:
    """The process that reads under these limits; it lasts, for folders that are read later."""
    return child.lasting(limits, _ready)


def _ready() -> None:
    """Imports what decodes pictures; this module has the rest."""
    import radiotrace.imaging.layouts.pictures  # noqa: F401


def _answered(function: Callable, *args: Any) -> Any:
    try:
        return function(*args)
    except VolumeError as error:
        raise Refused(str(error)) from None


def _several(folder: Folder, requests: Sequence[Request]) -> list[Sent]:
    """The first of several files, and as many of those that follow as are small together and can be read."""
    several: list[Sent] = []
    n_bytes = 0
    for request in requests:
        try:
            sent = _sent(folder, request)
            n_bytes += sum(values.nbytes for values, _ in sent[1])
        except VolumeError as error:
            sent = str(error)
        except Exception:
            if several:  # it is asked for again, by itself
                return several
            raise
        several.append(sent)
        if n_bytes > AHEAD_BYTES:
            break
    return several


def _sent(folder: Folder, request: Request) -> tuple[Read, Channels]:
    read, channels = _of_file(folder, request.path, request.sha256)
    if request.is_image and folder.is_grey and read.colours == COLOURS:
        return _as_grey(read, channels)
    return read, channels


def _of_file(folder: Folder, path: str, sha256: str | None) -> tuple[Read, Channels]:
    if is_array(path):
        return _of_arrays(folder, *path.rsplit(":", 2))
    if not names.is_picture(path):
        read, volumes_of_channels = _of_volume(folder.root / path, sha256)
        return read, [(volumes.array_zyx(volume), Grid.of(volume)) for volume in volumes_of_channels]
    from radiotrace.imaging.layouts import pictures  # here, because most folders have none

    read = content.read(folder.root / path)
    if sha256 is not None and read.sha256 != sha256:
        raise VolumeError("it was changed while it was read")
    return _of_picture(pictures.decoded(read.data, path), read.sha256, folder.pixel_mm)


def _as_grey(read: Read, channels: Channels) -> tuple[Read, Channels]:
    from radiotrace.imaging.layouts import pictures  # here, because most folders have none

    values = pictures.grey(tuple(values for values, _ in channels))
    done = (*read.done, "colours brought to grey")
    return replace(read, colours=("grey",), done=done), [(values, channels[0][1])]


def _size(path: Path) -> tuple[int, ...]:
    return volumes.read(path).GetSize()


def _cleaned(path: Path) -> bool:
    decoded, _ = volumes.open_file(path)
    volumes.write(decoded.volume, path)
    again, _ = volumes.open_file(path)
    if still := headers.identifying_text(again.volume, again.free_text):
        raise VolumeError(f"{', '.join(still)} is there after cleaning")
    return bool(headers.identifying_text(decoded.volume, decoded.free_text))


def _of_arrays(folder: Folder, file: str, name: str, number: str) -> tuple[Read, Channels]:
    digest, values = _array(folder, file, name)[int(number)]
    is_colour = values.ndim >= 3 and values.shape[-1] in (3, 4)
    of_channels = [values[..., at] for at in range(3)] if is_colour else [values]
    done = ("alpha dropped",) if is_colour and values.shape[-1] == 4 else ()
    colours = COLOURS if is_colour else ("grey",)
    origin = ASKED if folder.pixel_mm else UNKNOWN
    channels = [
        _flat(np.ascontiguousarray(channel), folder.pixel_mm or (1.0, 1.0)) for channel in of_channels
    ]
    return Read((), digest, colours, done=done, spacing_from=origin), channels


@functools.lru_cache(maxsize=2)  # images and label maps of one part
def _array(folder: Folder, file: str, name: str) -> "Array":
    return Array(folder.root / file, name)


def _of_volume(path: Path, sha256: str | None) -> tuple[Read, tuple[sitk.Image, ...]]:
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
        return Read((), digest, is_as_it_was=True, warnings=decoded.warnings), (volume,)
    if n_axes == 4:
        channels = _along_the_last_axis(volume)
        done = f"{len(channels)} along the 4th axis became files of their own"
        if len(channels) == 1:
            done = "the 4th axis, of length 1, was left out"
        return Read((), digest, done=(done,), warnings=decoded.warnings), channels
    channels = tuple(sitk.VectorIndexSelectionCast(volume, number) for number in range(n_values))
    done = f"{n_values} values a voxel became files of their own"
    return Read((), digest, done=(done,), warnings=decoded.warnings), channels


def _along_the_last_axis(volume: sitk.Image) -> tuple[sitk.Image, ...]:
    """The volumes of three axes that one of four has."""
    *size, n_channels = volume.GetSize()
    direction = np.reshape(volume.GetDirection(), (4, 4))[:3, :3]
    grid = Grid(
        tuple(size), volume.GetSpacing()[:3], volume.GetOrigin()[:3], tuple(direction.ravel().tolist())
    )
    values = sitk.GetArrayViewFromImage(volume)
    return tuple(image.on(np.ascontiguousarray(values[number]), grid) for number in range(n_channels))


def _of_picture(picture, digest: str, pixel_mm: tuple[float, float] | None) -> tuple[Read, Channels]:
    spacing, origin = (1.0, 1.0), UNKNOWN
    if pixel_mm is not None:
        spacing, origin = pixel_mm, ASKED
    elif picture.pixel_mm is not None:
        spacing, origin = picture.pixel_mm, OF_TAGS
    channels = [_flat(values, spacing) for values in picture.channels_yx]
    colours = COLOURS if len(channels) == 3 else ("grey",)
    return Read((), digest, colours, done=picture.done, spacing_from=origin), channels


def _flat(values: np.ndarray, pixel_mm: tuple[float, float]) -> tuple[np.ndarray, Grid]:
    """A picture (y, x) as a volume of one slice; a volume (z, y, x) as it is."""
    if values.dtype == bool:
        values = values.astype(np.uint8)
    zyx = values[None] if values.ndim == 2 else values
    if zyx.ndim != 3:
        raise VolumeError(f"{values.ndim} axes; expected 2 of a picture, or 3 of a volume")
    spacing = (*pixel_mm, SLICE_MM)
    return zyx, Grid(zyx.shape[::-1], spacing, (0.0, 0.0, 0.0), IDENTITY)


def shapes_of_arrays(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of the arrays of a file; none is read.

    Raises:
        VolumeError: it is no such file, or holds pickled objects.
    """
    return {name: header.shape for name, header in _asked(OF_PICTURES, _headers, path).items()}


def classes_of_arrays(path: Path, name: str) -> list[tuple[int, ...]]:
    """The numbers that an array of a file has of each case: one, its class, or a 0 or 1 for each class.

    Raises:
        VolumeError: it cannot be read, or holds other than whole numbers.
    """
    return _asked(OF_PICTURES, _classes, path, name)


def _classes(path: Path, name: str) -> list[tuple[int, ...]]:
    header, array = _headers(path)[name], Array(path, name)
    rows = []
    for number in range(header.shape[0]):
        values = np.atleast_1d(array[number][1]).ravel()
        if values.dtype.kind == "f" and not np.array_equal(values, np.rint(values)):
            raise VolumeError(
                f"{name} holds {values[values != np.rint(values)][0]:g}; expected whole numbers"
            )
        rows.append(tuple(int(value) for value in values))
    return rows


@dataclass(frozen=True)
class Header:
    """What a file says of an array.

    Attributes:
        is_by_columns: whether it is stored column by column (Fortran's order).
        n_stored: bytes of values that follow, as the archive says.
    """

    shape: tuple[int, ...]
    is_by_columns: bool
    dtype: np.dtype
    n_stored: int

    @property
    def n_bytes(self) -> int:
        """Of the values that are declared."""
        return math.prod(self.shape) * self.dtype.itemsize


class Array:
    """An array of a file, image by image along its first axis, inflated as far as the one that is asked for:
    one image of it is in memory, for as long as they are asked for in their order. Nothing is unpickled.

    Raises:
        VolumeError: it cannot be read, or is larger than any that is read.
    """

    def __init__(self, path: Path, name: str):
        self._path, self._name = path, name
        there = _headers(path)
        if name not in there:
            raise VolumeError(f"{name} is not there any more")
        header = there[name]
        if header.n_bytes > ARRAY_BYTES_MAX:
            raise VolumeError(f"{name} takes {header.n_bytes} bytes; at most {ARRAY_BYTES_MAX} are read")
        if header.n_stored != header.n_bytes:
            raise VolumeError(
                f"{name} has {header.n_stored} bytes of values; its header declares {header.n_bytes}"
            )
        if header.dtype.kind not in "buif":
            raise VolumeError(f"{name} is of type {header.dtype.name}; expected numbers")
        if header.is_by_columns and len(header.shape) > 1:
            raise VolumeError(
                f"{name} is stored column by column (Fortran's order), so that no image of it can be read "
                "without all others. Save it by numpy.ascontiguousarray"
            )
        self._shape, self._dtype = header.shape, header.dtype
        self._sha256 = records.sha256(path)
        self._member: Any = None
        self._next = 0

    def __getitem__(self, number: int) -> tuple[str, np.ndarray]:
        """SHA-256 of the file, and an image."""
        try:
            if self._member is None or number < self._next:
                self._begin()
            n_bytes = math.prod(self._shape[1:]) * self._dtype.itemsize
            for _ in range(number - self._next):
                self._take(n_bytes)
            data = self._take(n_bytes)
        except VolumeError:
            raise
        except (OSError, *DAMAGE) as error:
            raise VolumeError(f"{self._name} cannot be read ({error})") from None
        self._next = number + 1
        return self._sha256, np.frombuffer(data, self._dtype).reshape(self._shape[1:])

    def _begin(self) -> None:
        if self._member is not None:
            self._member.close()
        with zipfile.ZipFile(self._path) as archive:
            self._member = archive.open(f"{self._name}.npy")  # reads on after the archive is closed
        _header(self._member)
        self._next = 0

    def _take(self, n_bytes: int) -> bytes:
        data = self._member.read(n_bytes)
        if len(data) < n_bytes:
            raise VolumeError(f"{self._name} is cut: it has fewer values than its header declares")
        return data


def _headers(path: Path) -> dict[str, Header]:
    found = {}
    try:
        with zipfile.ZipFile(path) as archive:
            items = archive.infolist()
            if len(items) > ARRAYS_MAX:
                raise VolumeError(f"{len(items)} arrays; at most {ARRAYS_MAX} are read")
            for item in items:
                with archive.open(item) as file:
                    name = item.filename.removesuffix(".npy")
                    found[name] = Header(*_header(file), item.file_size - file.tell())
    except VolumeError:
        raise
    except (OSError, *DAMAGE) as error:
        raise VolumeError(f"no file of arrays can be read ({error})") from None
    return found


def _header(file) -> tuple[tuple[int, ...], bool, np.dtype]:
    try:
        version = np.lib.format.read_magic(file)
        is_first = version == (1, 0)
        read = np.lib.format.read_array_header_1_0 if is_first else np.lib.format.read_array_header_2_0
        shape, is_by_columns, dtype = read(file)
    except (*DAMAGE, tokenize.TokenError) as error:
        if isinstance(error, OF_ARCHIVES):
            raise
        raise VolumeError("holds an array whose header is none that NumPy writes") from None
    if dtype.hasobject:
        raise VolumeError("holds pickled objects, which nobody should open unlooked")
    if any(length < 0 for length in shape):
        raise VolumeError(f"holds an array of lengths {' x '.join(map(str, shape))}; expected 0 or more")
    return tuple(shape), is_by_columns, dtype
