"""Headers: what free text of an image header looks like somebody's identity, and lengths in another unit
than mm. The text is never kept."""

import re
import zlib

import SimpleITK as sitk

from radiotrace.imaging import identifying
from radiotrace.imaging.content import VolumeError

# Keys of free text, by format: NIfTI, NRRD/MetaImage comments, DICOM-derived dictionaries.
FREE_TEXT = re.compile(
    r"descrip"
    r"|aux_file|intent_name|db_name|data_type|ITK_FileNotes|comment|name|id|birth|date|\d{4}\|\d{4}",
    re.IGNORECASE,
)
TECHNICAL = re.compile(
    r"(qform"
    r"|sform)_code(_name)?|ITK_original_\w+|ITK_InputFilterName|xyzt_units|nifti_type|dim(_info|\[\d\])"
)
# Texts of software that look like numbers of persons: FSL's version with its commit, dcm2niix's time of
# acquisition.
SOFTWARE = re.compile(r"\b\d{1,9}(\.\d{1,9}){2,5}:[0-9a-f]{8}\b|\bTime=\d{1,9}\.\d+")

# Programs write numbers, dates and ids of their own into extensions of NIfTI, and file names have them: only
# a name or a mark is a sign there.
ALWAYS_TEXT = ("content", "extension", "gzip")
IN_EXTENSIONS = (identifying.NAME, identifying.MARK)

# NRRD and MetaImage name the unit of their lengths; no reader of ours or ITK's converts it.
HEADER_BYTES_MAX = 2**20
NRRD_UNITS = re.compile(rb"^(?:space )?units:(.*)$", re.IGNORECASE | re.MULTILINE)
META_UNIT = re.compile(rb"^ {0,16}DistanceUnits {0,16}=(.*)$", re.IGNORECASE | re.MULTILINE)
IN_MM = ("mm", "millimeter", "millimeters", "millimetre", "millimetres", "", "?", "???")


def check_unit(data: bytes) -> None:
    """That the lengths of a NRRD or MetaImage file are in mm, or in no unit that it names.

    Other formats pass.

    Args:
        data: the file.

    Raises:
        VolumeError: they are in another unit.
    """
    if data.startswith(b"NRRD"):
        header = re.split(rb"\r?\n\r?\n", data[:HEADER_BYTES_MAX], maxsplit=1)[0]
        declared_units = [
            unit for line in NRRD_UNITS.findall(header) for unit in re.findall(rb'"([^"]*)"', line)
        ]
    else:
        header, end, _ = data[:HEADER_BYTES_MAX].partition(b"ElementDataFile")
        declared_units = META_UNIT.findall(header) if end else []
    units = [unit.decode("utf-8", "replace").strip() for unit in declared_units]
    if foreign := [unit for unit in units if unit.lower() not in IN_MM]:
        raise VolumeError(
            f"lengths in {', '.join(dict.fromkeys(foreign))[:60]}, expected mm: convert the header"
        )


# Texts of ANALYZE that NIfTI-1 kept, and no reader reports: from byte, to byte of a header of this size.
ANALYZE_TEXT = {"data_type": (4, 14), "db_name": (14, 32)}
NIFTI_1_BYTES = (348).to_bytes(4, "little"), (348).to_bytes(4, "big")


def analyze_text(data: bytes) -> dict[str, str]:
    """Texts in the header of a NIfTI-1 file, compressed or not, that decoding does not give; {} of others."""
    if data.startswith(b"\x1f\x8b"):
        try:
            data = zlib.decompressobj(47).decompress(data, 348)
        except zlib.error:
            return {}
    if data[:4] not in NIFTI_1_BYTES:
        return {}
    texts = {name: data[begin:end].split(b"\0")[0] for name, (begin, end) in ANALYZE_TEXT.items()}
    return {name: text.decode("utf-8", "replace") for name, text in texts.items() if text}


def identifying_text(volume: sitk.Image, free_text: dict[str, str] | None = None) -> list[str]:
    """What in a volume's header may identify somebody, such as "descrip: a date"; sorted; [] when nothing
    does.

    Says where and of what kind, not what: the answer goes into records that are published. A pattern search
    finds what it was told to look for; it is no proof that a header is clean.

    Args:
        free_text: by place, what ITK does not report: comments and extensions, as decoding gives them.
    """
    texts = {**{key: volume.GetMetaData(key) for key in volume.GetMetaDataKeys()}, **(free_text or {})}
    identified = set()
    for place, text in texts.items():
        if place not in ALWAYS_TEXT and (TECHNICAL.fullmatch(place) or not FREE_TEXT.search(place)):
            continue
        kinds = IN_EXTENSIONS if place in ("extension", "gzip") else identifying.PATTERNS
        bare = SOFTWARE.sub("", text)
        identified |= {f"{place}: {kind}" for kind in kinds if identifying.PATTERNS[kind].search(bare)}
    return sorted(identified)
