"""Headers: what free text of an image header looks like somebody's identity, and lengths in another unit
than mm. The text is never kept."""

import re

import SimpleITK as sitk

from radiotrace.imaging.content import VolumeError

# Keys of free text, by format: NIfTI, NRRD/MetaImage comments, DICOM-derived dictionaries.
FREE_TEXT = re.compile(
    r"descrip"
    r"|aux_file|intent_name|db_name|ITK_FileNotes|comment|name|id|birth|date|\d{4}\|\d{4}",
    re.IGNORECASE,
)
TECHNICAL = re.compile(
    r"(qform"
    r"|sform)_code(_name)?|ITK_original_\w+|ITK_InputFilterName|xyzt_units|nifti_type|dim(_info|\[\d\])"
)
# Texts of software that look like numbers of persons: FSL's version with its commit, dcm2niix's time of
# acquisition.
SOFTWARE = re.compile(r"\b\d{1,9}(\.\d{1,9}){2,5}:[0-9a-f]{8}\b|\bTime=\d{1,9}\.\d+")

# Every repetition is bounded or begins at a word, so that a megabyte of one letter takes no longer than other
# text.
IDENTIFYING = {
    "a person's name": re.compile(
        r"[A-Za-z]{2}\^[A-Za-z]|\b(name|patient)\b *[:=_-] *[A-Za-z]{2,}|\b(?-i:Mr|Mrs|Ms|Dr)\b[. "
        r"]+[A-Za-z]{2,}",
        re.IGNORECASE,
    ),
    "a date": re.compile(
        r"\b(19"
        r"|20)\d{2}[-/.]?(0[1-9]"
        r"|1[0-2])[-/.]?(0[1-9]|[12]\d|3[01])\b|\b\d{1,2}[-/.]\d{1,2}[-/.](19|20)\d{2}\b"
    ),
    "a number of six digits or more": re.compile(r"\d{6,}"),
    "a mark of identity (DOB, MRN, SSN)": re.compile(r"\b(dob|mrn|ssn|date of birth|birth)\b", re.IGNORECASE),
}


# Programs write numbers, dates and ids of their own into extensions of NIfTI, and file names have them: only
# a name or a mark is a sign there.
ALWAYS_TEXT = ("content", "extension", "gzip")
IN_EXTENSIONS = ("a person's name", "a mark of identity (DOB, MRN, SSN)")

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
        kinds = IN_EXTENSIONS if place in ("extension", "gzip") else IDENTIFYING
        bare = SOFTWARE.sub("", text)
        identified |= {f"{place}: {kind}" for kind in kinds if IDENTIFYING[kind].search(bare)}
    return sorted(identified)
