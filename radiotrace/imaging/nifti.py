"""NIfTI: what a file declares is checked against what it holds; NIfTI-2 becomes NIfTI-1, which is what ITK
reads.

Sources: NIfTI-1 (nifti1.h, 2003/2012), NIfTI-2 (nifti2.h, 2011).
"""

import math
from typing import Literal, cast

import nibabel
import numpy as np
from nibabel import nifti1, nifti2
from nibabel.spatialimages import HeaderDataError

from radiotrace.imaging.content import (
    Checked,
    Inflater,
    Plain,
    VolumeError,
    check_size,
    gzip_text,
    refusal,
    voxels_of,
)

DTYPES = {
    348: nifti1.header_dtype,
    540: nifti2.header_dtype,
}  # by the size of the header, which is its first number
ByteOrder = Literal["<", ">"]
UNITS = {1: "metres", 3: "microns"}  # of xyzt_units; 0 is unknown, 2 is mm
# Quaternions in float32 place the corner of a 200 mm volume up to 0.06 mm off.
CORNER_TOLERANCE_MM = 0.1
TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])  # from the LPS world of ITK
TEXT_BYTES_MAX = 2**20  # of extensions, searched for identifying text


def check(data: bytes, compressed: bool) -> Checked:
    """One whole NIfTI volume.

    Args:
        data: of the file.
        compressed: whether its name ends in .gz.

    Raises:
        VolumeError: it is no single-file NIfTI; its header contradicts itself; there are fewer bytes than it
            declares, or more.
    """
    if compressed and not data.startswith(b"\x1f\x8b"):
        raise (
            VolumeError("not compressed, though its name ends in .gz. Let it end in .nii")
            if _size_of_header(data)
            else refusal(data)
        )
    stream = Inflater(data) if compressed else Plain(data)
    head = stream.take(348)
    if (about := _size_of_header(head)) is None:
        if compressed and head.startswith(b"\x1f\x8b"):
            raise VolumeError("compressed twice with gzip. Unpack it once")
        raise refusal(head + stream.take(512) if compressed else data)
    size, order = about
    head += stream.take(size - len(head))
    if len(head) < size:
        raise VolumeError(f"cut: {len(head)} bytes, a NIfTI header has {size}")
    header = np.frombuffer(head, DTYPES[size].newbyteorder(order))[0]
    _check_single_file(bytes(header["magic"]))
    n_values, dtype = _declared(header)
    dtype = dtype.newbyteorder(order)
    n_bytes, start = check_size(n_values, dtype.itemsize), _start(header, size)
    extensions = stream.take(start - size)
    voxels = voxels_of(stream, n_bytes)
    text = {
        "extension": extensions[4:TEXT_BYTES_MAX].decode("latin-1").strip("\0"),
        "gzip": gzip_text(data) if compressed else "",
    }
    if header["sform_code"] > 0 >= header["qform_code"]:
        check_right_angles(np.array([header[f"srow_{axis}"][:3] for axis in "xyz"], float))
    if size == 540:
        head, extensions = _as_version_1(header, order), b"\0" * 4
    return Checked(".nii", head + extensions + voxels, _non_finite(voxels, dtype), text)


def _size_of_header(raw: bytes) -> tuple[int, ByteOrder] | None:
    """Size of the header and byte order, or None where it is none of NIfTI."""
    orders: tuple[ByteOrder, ...] = ("<", ">")
    for order in orders:
        size = int(np.frombuffer(raw[:4].ljust(4, b"\0"), f"{order}i4")[0])
        if size in DTYPES:
            return size, order
    return None


def _check_single_file(magic: bytes) -> None:
    if magic.startswith(b"ni"):
        raise VolumeError(
            "the header of a pair .hdr and .img, whose voxels stand in another file. Write it as one file, "
            ".nii.gz"
        )
    if not magic.startswith(b"n+"):
        raise VolumeError(
            "an Analyze 7.5 header, which does not say where left is. Write it as NIfTI, .nii.gz"
        )


def _declared(header) -> tuple[int, np.dtype]:
    """How many values the header declares, and of which type."""
    n_dims = int(header["dim"][0])
    sizes = [int(size) for size in header["dim"][1 : n_dims + 1]] if 1 <= n_dims <= 7 else []
    if not sizes or min(sizes) < 1:
        raise VolumeError(
            f"the header declares sizes {' '.join(map(str, header['dim']))} (number of axes, then each)"
        )
    code = int(header["datatype"])
    dtypes = cast("dict[int, np.dtype]", nifti1.data_type_codes.dtype)
    dtype = dtypes[code] if code in dtypes else np.dtype("V")
    if not dtype.itemsize:
        raise VolumeError(f"the header declares values of type {code}, which is not read")
    if int(header["bitpix"]) != 8 * dtype.itemsize:
        raise VolumeError(
            f"the header declares {int(header['bitpix'])} bits a voxel for values of type {code}, which has "
            f"{8 * dtype.itemsize}"
        )
    if unit := UNITS.get(int(header["xyzt_units"]) & 7):
        raise VolumeError(f"lengths in {unit}. Write the header in mm")
    numbers = {
        "pixdim": header["pixdim"][1 : min(n_dims, 3) + 1],
        "scl_slope, scl_inter": (header["scl_slope"], header["scl_inter"]),
    }
    if header["qform_code"] > 0:
        numbers["qform"] = [
            header[key]
            for key in ("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z")
        ]
    if header["sform_code"] > 0:
        numbers["sform"] = np.concatenate([header[key] for key in ("srow_x", "srow_y", "srow_z")])
    for name, values in numbers.items():
        if not all(math.isfinite(value) for value in values):
            raise VolumeError(f"the header holds a number that is not finite: {name} {_text(values)}")
    if not all(value > 0 for value in numbers["pixdim"]):
        raise VolumeError(
            f"the header declares a spacing of {_text(numbers['pixdim'])} mm; each must be above 0"
        )
    return math.prod(sizes), dtype


def _start(header, size: int) -> int:
    """Where the voxels start, behind a header of that size and its extensions."""
    offset, least = float(header["vox_offset"]), size + 4
    if not math.isfinite(offset) or offset != int(offset) or not least <= offset <= 2**28:
        raise VolumeError(f"the header places the voxels at byte {offset:g}; the first place is {least}")
    return int(offset)


def _non_finite(voxels: bytes, dtype: np.dtype) -> int:
    """Values that are NaN or infinite; ITK reads them as 0."""
    if dtype.names is not None or dtype.kind not in "fc":  # colours and integers are finite
        return 0
    values = np.frombuffer(voxels, dtype)
    return int(values.size - np.isfinite(values).sum())


def _as_version_1(header, order: ByteOrder) -> bytes:
    """The NIfTI-1 header of the same volume.

    Raises:
        VolumeError: an edge is longer than NIfTI-1 can say.
    """
    if header["dim"].max() > np.iinfo(np.int16).max:
        raise VolumeError(
            f"sizes {_text(header['dim'][1:])}: at most {np.iinfo(np.int16).max} voxels along an axis are "
            f"read"
        )
    converted = np.zeros((), nifti1.header_dtype.newbyteorder(order))
    both = set(nifti1.header_dtype.names or ()) & set(nifti2.header_dtype.names or ())
    for name in both - {"sizeof_hdr", "magic", "vox_offset"}:
        converted[name] = header[name]
    converted["sizeof_hdr"], converted["magic"], converted["vox_offset"] = 348, b"n+1", 352
    return converted.tobytes()


def placement(data: bytes, read_ras: np.ndarray) -> list[str]:
    """What is to be said about where a NIfTI header places its volume.

    Args:
        data: of `check`.
        read_ras: (4, 4), from voxel indices x, y, z to mm in the RAS world, as ITK reads it.

    Returns:
        Warnings: qform and sform place the volume apart, or neither is there.

    Raises:
        VolumeError: the axes of a form are not at right angles, the forms disagree on which side is left, or
            the spacing of the form is not that of pixdim.
    """
    header = nibabel.Nifti1Header(data[:348], check=False)
    if header["pixdim"][0] == 0:  # means 1, as in nifti1.h
        header["pixdim"][0] = 1
    try:
        coded = {"qform": header.get_qform(coded=True)[0], "sform": header.get_sform(coded=True)[0]}
    except (ValueError, HeaderDataError) as error:
        raise VolumeError(f"the qform is no rotation: {error}") from None
    forms = {name: affine for name, affine in coded.items() if affine is not None}
    if not forms:
        return [
            "neither qform nor sform is there: place and side are not known, the axes are read as left, back "
            "and head"
        ]
    size = header["dim"][1:4].astype(int)
    apart = {name: corner_distance(affine, read_ras, size) for name, affine in forms.items()}
    used = min(apart, key=apart.__getitem__)
    if "sform" in forms and (used == "sform" or apart[used] > CORNER_TOLERANCE_MM):
        check_right_angles(forms["sform"][:3, :3])
    if apart[used] > CORNER_TOLERANCE_MM:
        raise VolumeError(
            f"{used} and pixdim disagree: {_lengths(forms[used])} mm a voxel by {used}, "
            f"{_text(header['pixdim'][1:4])} mm by pixdim"
        )
    if (
        len(forms) < 2
        or (between := corner_distance(forms["qform"], forms["sform"], size)) <= CORNER_TOLERANCE_MM
    ):
        return []
    both = "; ".join(
        f"{name} (code {int(header[f'{name}_code'])}) {_rows(affine)}" for name, affine in forms.items()
    )
    if (
        np.linalg.det(forms["qform"][:3, :3]) * np.linalg.det(forms["sform"][:3, :3]) <= 0
        or forms["qform"][0, :3] @ forms["sform"][0, :3] <= 0
    ):
        raise VolumeError(
            f"qform and sform disagree on which side is left: {both}. Find out which is true, and write both "
            f"so"
        )
    return [f"qform and sform place a corner {between:.3g} mm apart: {both}; {used} is used"]


def corner_distance(one_ras: np.ndarray, other_ras: np.ndarray, size_xyz) -> float:
    """The longest way in mm between the places that two affines give to one corner of a volume."""
    corners = np.array(
        [
            [x, y, z, 1]
            for x in (0, size_xyz[0] - 1)
            for y in (0, size_xyz[1] - 1)
            for z in (0, size_xyz[2] - 1)
        ]
    )
    return float(np.linalg.norm(((one_ras - other_ras) @ corners.T)[:3], axis=0).max())


def check_right_angles(axes: np.ndarray) -> None:
    """Refuses a grid whose axes are not at right angles: nothing here can resample one, and ITK would
    straighten it silently.

    Args:
        axes: (3, 3), an axis a column, of any length.

    Raises:
        VolumeError: two axes are more than 0.1 degrees from a right angle, or an axis has no length; names
            the angle.
    """
    lengths = np.linalg.norm(axes, axis=0)
    if not lengths.all():
        raise VolumeError("an axis has no length")
    cosines = (axes / lengths).T @ (axes / lengths)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        angle = math.degrees(math.acos(np.clip(cosines[first, second], -1, 1)))
        if abs(angle - 90) > 0.1:
            raise VolumeError(
                f"axes {'xyz'[first]} and {'xyz'[second]} stand at {angle:.4g} degrees, not at right angles "
                "(a sheared grid). "
                "Resample the volume, and its label map by nearest neighbour, onto a grid with right angles"
            )


def _text(values) -> str:
    return " ".join(f"{float(value):g}" for value in values)


def _lengths(affine: np.ndarray) -> str:
    return _text(np.linalg.norm(affine[:3, :3], axis=0))


def _rows(affine: np.ndarray) -> str:
    return "[" + ", ".join(_text(row) for row in affine[:3]) + "]"
