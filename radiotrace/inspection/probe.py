"""Probe: reads headers of files, in a process of its own (imaging/child.py), under its limits.

Whatever a file does to a library becomes a line of problems, or ends the process; neither stops the rest.
"""

import hashlib
import os
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from radiotrace.imaging.child import Limits, Refused
from radiotrace.inspection import kinds, volume_headers
from radiotrace.inspection.seen import Batch, Seen, Shape
from radiotrace.inspection.tree import Entry

SAMPLE_BYTES = 4096
TEXT_HEADER_BYTES = 2**18  # of NRRD and MetaImage
COMPRESSED_HEADER_BYTES = 2**16
ARRAYS_MAX = 64  # of one npz
LARGEST_EDGE, PIXELS_MAX = (
    2**20,
    2**27,
)  # the latter as layouts/pictures.py has it, which takes long to import
PNG_END, JPEG_END = b"IEND\xaeB`\x82", b"\xff\xd9"
MODES = {"1": "1 bit", "L": "grey", "P": "palette", "I;16": "grey, 16 bit", "I;16B": "grey, 16 bit"}
# DICOM's own attributes that say who is shown, or when; a path may repeat them.
IDENTIFYING = (
    0x00100020,  # PatientID
    0x00100010,  # PatientName
    0x00100030,  # PatientBirthDate
    0x00080050,  # AccessionNumber
    0x00200010,  # StudyID
    0x00080020,  # StudyDate
    0x00080021,  # SeriesDate
    0x00080022,  # AcquisitionDate
    0x00080023,  # ContentDate
    0x00080090,  # ReferringPhysicianName
)


def read(root: str, entries: Sequence[Entry], limits: Limits, with_dicom: bool) -> Batch:
    """What the headers of files say.

    Args:
        entries: of the tree below `root`.
        with_dicom: whether DICOM headers are read, which needs pydicom.
    """
    identities: set[str] = set()
    seen = [_one(root, entry, limits, with_dicom, identities) for entry in entries]
    return Batch(tuple(seen), frozenset(identities))


def _one(root: str, entry: Entry, limits: Limits, with_dicom: bool, identities: set[str]) -> Seen:
    place = Path(root, entry.path)
    try:
        head, middle, tail = pieces(place, entry.size)
    except PermissionError:
        return Seen(entry.path, entry.size, kinds.OTHER, problems=("cannot be read by this user",))
    except OSError as error:
        return Seen(entry.path, entry.size, kinds.OTHER, problems=(f"cannot be read ({error.strerror})",))
    kind = kinds.kind_of(entry.path, head[: kinds.HEAD_BYTES])
    sample = hashlib.sha256(b"\0".join((head[:SAMPLE_BYTES], middle, tail))).digest()[:16]
    problems: list[str] = []
    shapes: tuple[Shape, ...] = ()
    instance = None
    try:
        if kind == kinds.DICOM:
            if with_dicom:
                is_deflated = DEFLATED in head[: kinds.HEAD_BYTES]
                instance = _dicom(place, entry, limits, is_deflated, identities, problems)
        elif kind in kinds.VOLUMES:
            shape, problems = _volume(place, kind, head, tail, entry.size)
            shapes = (shape,) if shape else ()
        elif kind in kinds.PICTURES:
            shapes = (_picture(place, kind, tail, problems),)
        elif kind in (kinds.NPZ, kinds.NPY):
            shapes = _arrays(place, kind)
    except Refused as refused:
        problems.append(str(refused))
    except MemoryError:
        problems.append("needs more memory than a file may take")
    except RecursionError:
        problems.append("is nested too deeply")
    except Exception as error:  # noqa: BLE001 - whatever a damaged file makes a library raise
        problems.append(f"its header cannot be read ({type(error).__name__})")
    if kind == kinds.EMPTY:
        problems.append("is empty")
    elif kind == kinds.POINTER:
        problems.append("is a pointer of Git LFS, not the file itself; run 'git lfs pull'")
    elif kind == kinds.PAGE and not entry.path.lower().endswith((".html", ".htm")):
        problems.append("is a web page; download the file again")
    return Seen(entry.path, entry.size, kind, sample, tuple(problems), shapes, instance)


def pieces(place: Path, size: int) -> tuple[bytes, bytes, bytes]:
    """The beginning, the middle and the end of a plain file; never waits for a pipe, follows no link."""
    handle = without_waiting(place, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(0, "not a plain file")
        head = os.pread(handle, COMPRESSED_HEADER_BYTES if _is_volume(place) else SAMPLE_BYTES, 0)
        if size <= len(head):
            return head, b"", head[-SAMPLE_BYTES:]
        middle = os.pread(handle, SAMPLE_BYTES, size // 2) if size > 2 * SAMPLE_BYTES else b""
        return head, middle, os.pread(handle, SAMPLE_BYTES, max(size - SAMPLE_BYTES, 0))
    finally:
        os.close(handle)


def without_waiting(path, flags: int) -> int:
    """Opens a file, and neither waits for a pipe nor follows a link."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW)


def _is_volume(place: Path) -> bool:
    return bool(kinds.VOLUME_ENDINGS.search(place.name))


def _volume(place: Path, kind: str, head: bytes, tail: bytes, size: int) -> volume_headers.Found:
    if kind == kinds.NIFTI:
        return volume_headers.of_nifti(head, tail[-4:], size)
    with open(place, "rb") as file:
        text = file.read(TEXT_HEADER_BYTES)
    reader = volume_headers.of_nrrd if kind == kinds.NRRD else volume_headers.of_metaimage
    return reader(text, size)


def _picture(place: Path, kind: str, tail: bytes, problems: list[str]) -> Shape:
    from PIL import Image  # here, because most folders have no pictures

    Image.MAX_IMAGE_PIXELS = None  # pixels are not decoded
    with Image.open(place, formats=(kind,)) as picture:
        width, height = picture.size
        mode = picture.mode
        pages = int(getattr(picture, "n_frames", 1)) if kind in (kinds.TIFF, kinds.GIF) else 1
    if max(width, height) > LARGEST_EDGE or width * height > PIXELS_MAX:
        problems.append(f"its header declares {width} x {height} pixels")
    if kind == kinds.PNG and not tail.endswith(PNG_END) and PNG_END not in tail:
        problems.append("cut: it has no end")
    if kind == kinds.JPEG and JPEG_END not in tail:
        problems.append("cut: it has no end")
    size = (width, height) if pages == 1 else (width, height, pages)
    return Shape(size, values=MODES.get(mode, mode))


def _arrays(place: Path, kind: str) -> tuple[Shape, ...]:
    """Shapes of the arrays of a .npy or .npz file; none is read, and nothing is unpickled."""
    if kind == kinds.NPY:
        with open(place, "rb") as file:
            return (_array(file),)
    shapes = []
    with zipfile.ZipFile(place) as archive:
        for item in archive.infolist()[:ARRAYS_MAX]:
            with archive.open(item) as file:
                shapes.append(_array(file))
    return tuple(shapes)


def _array(file) -> Shape:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    if dtype.hasobject:
        raise Refused("holds pickled objects, which nobody should open unlooked")
    return Shape(tuple(shape), values=dtype.name)


def _dicom(
    place: Path, entry: Entry, limits: Limits, is_deflated: bool, identities: set[str], problems: list[str]
):
    import pydicom  # here, because it need not be there
    from pydicom import config

    from radiotrace.imaging.dicom import headers

    config.settings.reading_validation_mode = config.IGNORE  # it takes half of the time, and only warns
    header = None
    if not is_deflated:
        header = pydicom.dcmread(place, stop_before_pixels=True, force=True)
    if header is None or "TransferSyntaxUID" not in header.file_meta:
        header = headers.dataset(place, limits, with_pixels=False)
    start = _end_of_header(header)
    for tag in IDENTIFYING:
        if value := _text(header, tag):
            identities.add(value)
    if "SOPClassUID" not in header:
        return None  # a DICOMDIR
    instance = headers.described(header, entry.path, "", limits)
    if instance.kind in ("image", "segmentation") and instance.syntax in UNCOMPRESSED and header.filename:
        n_frames = max(len(instance.planes), 1)
        n_bits = instance.rows * instance.columns * instance.samples * n_frames * instance.bits_allocated
        if entry.size < start + n_bits // 8:
            found, expected = max(entry.size - start, 0), n_bits // 8
            problems.append(f"cut: {found} bytes of pixels, the header declares {expected}")
    return instance


def _end_of_header(header) -> int:
    """Where the last element before the pixels ends; 0 where that is not known."""
    tags = list(header.keys())
    last = header.get_item(tags[-1]) if tags else None
    where, length = getattr(last, "value_tell", 0), getattr(last, "length", 0)
    is_known = isinstance(where, int) and isinstance(length, int) and length < UNDEFINED
    return where + length if is_known else 0


def _text(header, tag: int) -> str:
    """A value as text, converted no further than need be."""
    if tag not in header:
        return ""
    value = header.get_item(tag).value
    if isinstance(value, bytes) and value.isascii():
        return value.decode("ascii").strip(" \0")
    return str(header[tag].value or "")


UNDEFINED = 0xFFFFFFFF  # a length
DEFLATED = b"1.2.840.10008.1.2.1.99"
UNCOMPRESSED = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
