"""Volume headers: shape and spacing of NIfTI, NRRD and MetaImage, from the first bytes of a file alone.

Says what looks wrong, and refuses nothing: whether a volume can be used, decoding says, which reads it whole.
"""

import math
import re
import zlib

import numpy as np

from radiotrace.imaging import nifti, text_headers
from radiotrace.imaging.content import DECODED_BYTES_MAX
from radiotrace.inspection.seen import Shape

SPACING_MM_MIN, SPACING_MM_MAX = 0.001, 50.0  # of what is no absurd voxel, microscopes included
INFLATED_BYTES = 2**16
# Codes of NIfTI, from nifti1.h.
NIFTI_TYPES = {
    2: "uint8",
    4: "int16",
    8: "int32",
    16: "float32",
    32: "complex64",
    64: "float64",
    128: "RGB",
    256: "int8",
    512: "uint16",
    768: "uint32",
    1024: "int64",
    1280: "uint64",
    2304: "RGBA",
}
GZIP = b"\x1f\x8b"
DATA_FILES = {"nrrd": ("data file", "datafile"), "meta": ("ElementDataFile",)}

Found = tuple[Shape | None, list[str]]


def of_nifti(head: bytes, tail: bytes, size: int) -> Found:
    """Of a NIfTI file.

    Args:
        head, tail: its first bytes, and its last four.
        size: of the file, in bytes.
    """
    is_compressed = head.startswith(GZIP)
    raw = _inflated(head) if is_compressed else head
    if raw is None:
        return None, ["damaged: the compressed data do not hold"]
    about = _nifti_size(raw)
    if about is None:
        return None, ["its name says NIfTI, and it is none"]
    header_bytes, order = about
    if len(raw) < header_bytes:
        return None, [f"cut: {len(raw)} bytes, a NIfTI header has {header_bytes}"]
    header = np.frombuffer(raw[:header_bytes], nifti.DTYPES[header_bytes].newbyteorder(order))[0]
    n_axes = int(header["dim"][0])
    if not 1 <= n_axes <= 7:
        return None, [f"the header declares {n_axes} axes, expected 1 to 7"]
    sizes = [int(count) for count in header["dim"][1 : n_axes + 1]]
    while len(sizes) > 3 and sizes[-1] == 1:
        sizes.pop()
    spacing = tuple(abs(float(length)) for length in header["pixdim"][1 : min(len(sizes), 3) + 1])
    code = int(header["datatype"])
    problems = _sizes_and_spacing(sizes, spacing)
    if code not in NIFTI_TYPES:
        problems.append(f"values of type {code}, which NIfTI does not know")
    unit = int(header["xyzt_units"]) & 7
    if unit in nifti.UNITS:
        problems.append(f"lengths in {nifti.UNITS[unit]}, expected mm")
    if max(int(header["qform_code"]), int(header["sform_code"])) <= 0 and len(sizes) > 2:
        problems.append("neither qform nor sform: side and place are not known")
    if bytes(header["magic"]).startswith(b"ni"):
        problems.append("the header of a pair .hdr and .img, whose voxels stand in another file")
    elif min(sizes) > 0:
        offset = float(header["vox_offset"])
        start = int(offset) if math.isfinite(offset) else 0
        n_bytes = start + math.prod(sizes) * max(int(header["bitpix"]), 0) // 8
        problems += _length(n_bytes, tail, size, is_compressed)
    return Shape(tuple(sizes), spacing, NIFTI_TYPES.get(code, "")), problems


def _inflated(head: bytes) -> bytes | None:
    try:
        return zlib.decompressobj(47).decompress(head, INFLATED_BYTES)
    except zlib.error:
        return None


def _nifti_size(raw: bytes) -> tuple[int, nifti.ByteOrder] | None:
    orders: tuple[nifti.ByteOrder, ...] = ("<", ">")
    for order in orders:
        number = int(np.frombuffer(raw[:4].ljust(4, b"\0"), f"{order}i4")[0])
        if number in nifti.DTYPES:
            return number, order
    return None


def _length(n_bytes: int, tail: bytes, size: int, is_compressed: bool) -> list[str]:
    """Whether a file is as long as its header declares.

    A compressed one is not inflated: its last four bytes are the length of what was compressed, modulo 2^32
    (RFC 1952, section 2.3.1), which whatever cuts a file takes away.
    """
    if n_bytes > DECODED_BYTES_MAX:
        return []  # which is a problem of its own
    if is_compressed:
        length = int.from_bytes(tail, "little")
        if length == n_bytes % 2**32:
            return []
        return [f"cut or damaged: the header declares {n_bytes} bytes, the end of the file says {length}"]
    if size < n_bytes:
        return [f"cut: {size} bytes, the header declares {n_bytes}"]
    return []


def _sizes_and_spacing(sizes: list[int], spacing: tuple[float, ...]) -> list[str]:
    problems = []
    if min(sizes) < 1:
        problems.append(f"the header declares a size of {_x(sizes)}")
    elif math.prod(sizes) > DECODED_BYTES_MAX:
        problems.append(f"the header declares {_x(sizes)} voxels, more than is ever read")
    if not all(math.isfinite(length) and length > 0 for length in spacing):
        problems.append(f"the header declares a spacing of {_x(spacing)} mm; each must be above 0")
    elif spacing and not SPACING_MM_MIN <= min(spacing) <= max(spacing) <= SPACING_MM_MAX:
        problems.append(f"the header declares a spacing of {_x(spacing)} mm, which is hardly true")
    return problems


def _x(numbers) -> str:
    return " x ".join(f"{number:g}" for number in numbers)


def of_nrrd(head: bytes, size: int) -> Found:
    """Of a NRRD file; arguments as of_nifti has them."""
    end = re.search(rb"\r?\n\r?\n", head)
    if end is None and len(head) < size:
        return None, [f"its header has no end in its first {len(head)} bytes"]
    lines = head[: end.start()] if end else head
    fields = {
        name.strip().lower(): value.strip()
        for name, separator, value in (line.partition(":") for line in _lines(lines)[1:])
        if separator and not name.startswith("#") and not value.startswith("=")
    }
    sizes = _whole(fields.get("sizes", ""))
    if sizes is None:
        return None, ["its header has no sizes"]
    is_colour = fields.get("space directions", "").startswith("none") and len(sizes) > 1
    channels = sizes.pop(0) if is_colour else 1  # an axis without a direction
    spacing = _nrrd_spacing(fields)
    code = next(
        (code for code, names in text_headers.NRRD_TYPES.items() if fields.get("type", "").lower() in names),
        "",
    )
    problems = _sizes_and_spacing(sizes, spacing)
    if not spacing:
        problems.append("neither space directions nor spacings: no volume in mm is known")
    if "space" not in fields:
        problems.append("no space: side and place are not known")
    if any(name in fields for name in DATA_FILES["nrrd"]):
        problems.append("its header points to another file")
    elif end and code and fields.get("encoding", "").lower() == "raw":
        n_bytes = end.end() + math.prod(sizes) * channels * np.dtype(code).itemsize
        problems += _length(n_bytes, b"", size, is_compressed=False)
    return Shape(tuple(sizes), spacing, _type_name(code), channels), problems


def _lines(header: bytes) -> list[str]:
    return header.decode("utf-8", "replace").splitlines()


def _whole(text: str) -> list[int] | None:
    words = text.split()
    if not 1 <= len(words) <= 16 or not all(re.fullmatch(r"[0-9]{1,9}", word) for word in words):
        return None
    return [int(word) for word in words]


def _numbers(text: str) -> list[float]:
    numbers = []
    for word in text.split():
        try:
            numbers.append(float(word))
        except ValueError:
            numbers.append(math.nan)
    return numbers


def _directions(fields: dict[str, str]) -> list[list[float]]:
    """Vectors of the axes that have one."""
    vectors = re.findall(r"\(([^()]*)\)", fields.get("space directions", ""))
    return [_numbers(vector.replace(",", " ")) for vector in vectors]


def _nrrd_spacing(fields: dict[str, str]) -> tuple[float, ...]:
    if directions := _directions(fields):
        return tuple(math.hypot(*vector) for vector in directions[:3])
    return tuple(number for number in _numbers(fields.get("spacings", "")) if not math.isnan(number))[:3]


def _type_name(code: str) -> str:
    return np.dtype(code).name if code else ""


def of_metaimage(head: bytes, size: int) -> Found:
    """Of a MetaImage file; arguments as of_nifti has them."""
    end = re.search(rb"^[ \t]*ElementDataFile[ \t]*=[ \t]*([^\r\n]*)\r?\n?", head, re.MULTILINE)
    fields = {
        name.strip(): value.strip()
        for name, separator, value in (
            line.partition("=") for line in _lines(head[: end.start()] if end else head)
        )
        if separator
    }
    sizes = _whole(fields.get("DimSize", ""))
    if sizes is None or end is None:
        return None, ["its name says MetaImage, and its header has no DimSize or no ElementDataFile"]
    spacing = next(
        (tuple(_numbers(fields[name]))[:3] for name in text_headers.META_SPACING if name in fields), ()
    )
    channels = (_whole(fields.get("ElementNumberOfChannels", "1")) or [1])[0]
    code = text_headers.META_TYPES.get(fields.get("ElementType", ""), "")
    problems = _sizes_and_spacing(sizes, spacing)
    if not spacing:
        problems.append("no ElementSpacing: no volume in mm is known")
    if not set(text_headers.META_MATRIX) & fields.keys():
        problems.append("no TransformMatrix: side and place are not known")
    is_raw = fields.get("BinaryData", "").lower() in ("true", "1")
    is_raw &= fields.get("CompressedData", "False").lower() not in ("true", "1")
    if end[1].strip().upper() != b"LOCAL":
        problems.append("its header points to another file")
    elif code and is_raw:
        n_bytes = end.end() + math.prod(sizes) * channels * np.dtype(code).itemsize
        problems += _length(n_bytes, b"", size, is_compressed=False)
    return Shape(tuple(sizes), spacing, _type_name(code), channels), problems
