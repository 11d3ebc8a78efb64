"""Kinds: what a file is, by its first bytes and its name. Needs no image library.

First bytes count for more than the name: DICOM files often have none of its endings, or any other.
"""

import re
from pathlib import PurePosixPath

HEAD_BYTES = 4096
DICOM, NIFTI, NRRD, META, MGH, ANALYZE = "DICOM", "NIfTI", "NRRD", "MetaImage", "MGH", "Analyze pair"
PNG, JPEG, TIFF, BMP, GIF = "PNG", "JPEG", "TIFF", "BMP", "GIF"
NPZ, NPY, HDF5, ZIP, TABLE, JSON, TEXT = "npz", "npy", "HDF5", "ZIP", "table", "JSON", "text"
EMPTY, POINTER, PAGE, OTHER = "empty", "Git LFS pointer", "web page", "other"

VOLUMES = (NIFTI, NRRD, META)
PICTURES = (PNG, JPEG, TIFF, BMP, GIF)
ARRAYS = (NPZ, NPY, HDF5)
UNREAD = (MGH, ANALYZE)  # volumes whose headers are not read
IMAGES = (DICOM, *VOLUMES, *UNREAD, *PICTURES, *ARRAYS)

BY_BYTES = (
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"II*\0", TIFF),
    (b"MM\0*", TIFF),
    (b"II+\0", TIFF),
    (b"GIF8", GIF),
    (b"NRRD000", NRRD),
    (b"\x93NUMPY", NPY),
    (b"\x89HDF\r\n", HDF5),
    (b"version https://git-lfs", POINTER),
    (b"<!DOCTYPE", PAGE),
    (b"<html", PAGE),
)
BY_ENDING = {
    ".mgz": MGH,
    ".mgh": MGH,
    ".hdr": ANALYZE,
    ".img": ANALYZE,
    ".bmp": BMP,
    ".npz": NPZ,
    ".h5": HDF5,
    ".hdf5": HDF5,
    ".csv": TABLE,
    ".tsv": TABLE,
    ".xlsx": TABLE,
    ".json": JSON,
    ".txt": TEXT,
    ".md": TEXT,
    ".xml": TEXT,
    ".html": TEXT,
    ".yaml": TEXT,
    ".yml": TEXT,
    ".bval": TEXT,
    ".bvec": TEXT,
}
PICTURE_ENDINGS = {".png": PNG, ".jpg": JPEG, ".jpeg": JPEG, ".tif": TIFF, ".tiff": TIFF}
VOLUME_ENDINGS = re.compile(r"\.(nii|nii\.gz|nrrd|nhdr|mha|mhd)$", re.IGNORECASE)
OF_VOLUME = {"nii": NIFTI, "nii.gz": NIFTI, "nrrd": NRRD, "nhdr": NRRD, "mha": META, "mhd": META}
DICOM_ENDINGS = (".dcm", ".dicom", ".ima")
# Of DICOM without the prefix: the first group of a data set, little or big endian.
DICOM_GROUPS = (b"\x08\0", b"\x02\0", b"\0\x08", b"\0\x02")
PREFIX, PREFIX_AT = b"DICM", 128
NIFTI_SIZES = (b"\x5c\1\0\0", b"\0\0\1\x5c", b"\x1c\2\0\0", b"\0\0\2\x1c")  # 348 and 540, as 4 bytes


def kind_of(name: str, head: bytes) -> str:
    """What a file is.

    Args:
        name: of the file, or its path.
        head: its first HEAD_BYTES bytes, fewer where it has no more.
    """
    ending = PurePosixPath(name).suffix.lower()
    if not head:
        return EMPTY
    if head[PREFIX_AT : PREFIX_AT + len(PREFIX)] == PREFIX:
        return DICOM
    if by_bytes := next((kind for first, kind in BY_BYTES if head.startswith(first)), None):
        return by_bytes
    if head.startswith(b"PK\3\4"):
        return {".npz": NPZ, ".xlsx": TABLE}.get(ending, ZIP)
    if volume := VOLUME_ENDINGS.search(name):
        return OF_VOLUME[volume[1].lower()]
    if ending in DICOM_ENDINGS or (not ending and head[:2] in DICOM_GROUPS):
        return DICOM
    if head.startswith(NIFTI_SIZES) and head[344:347] in (b"n+1", b"ni1"):
        return ANALYZE if ending == ".hdr" else NIFTI
    return BY_ENDING.get(ending) or PICTURE_ENDINGS.get(ending) or OTHER


def stem(path: str) -> str:
    """A file's name without its folder and ending, ".nii.gz" as a whole."""
    name = PurePosixPath(path).name
    bare = VOLUME_ENDINGS.sub("", name)
    return bare if bare != name else PurePosixPath(name).stem
