"""NRRD and MetaImage: a header of text and the voxels behind it.

Both can point to other files, and here neither may.

The header is read here, checked, and written again from the fields that are known, above voxels that are no
longer compressed; what else it says is kept as text that is searched for identity. ITK reads the new one, so
that no field which it might understand otherwise reaches it.

Sources: teem.sourceforge.net/nrrd/format.html; MetaIO, itk.org/Wiki/MetaIO/Documentation.
"""

import math
import re

import numpy as np

from radiotrace.imaging.content import Checked, Inflater, Plain, VolumeError, check_size, refusal, voxels_of

HEADER_BYTES_MAX = 2**20
VALUES_MAX = 2**27  # of a volume that is written as text
ONE_FILE = "Write the volume as one file, with its voxels behind its header, or as .nii.gz"

NRRD_TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": (
        "longlong",
        "long long",
        "long long int",
        "signed long long",
        "signed long long int",
        "int64",
        "int64_t",
    ),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
NRRD_GEOMETRY = ("space origin", "space directions", "spacings")
NRRD_KEPT = (
    *NRRD_GEOMETRY,
    "type",
    "dimension",
    "space",
    "space dimension",
    "sizes",
    "kinds",
    "endian",
    "centers",
    "centerings",
    "measurement frame",
    "thicknesses",
    "axis mins",
    "axis maxs",
)
NRRD_TEXT = ("content", "labels", "units", "space units", "sample units")  # for people; left out
NRRD_LEFT_OUT = (
    "encoding",
    "number",
    "min",
    "max",
    "old min",
    "old max",
    "oldmin",
    "oldmax",
    "axismins",
    "axismaxs",
    "block size",
    "blocksize",
)
NRRD_POINTS = ("data file", "datafile")
NRRD_SKIPS = ("line skip", "lineskip", "byte skip", "byteskip")
# Spaces that say where left is.
NRRD_WORLDS = re.compile(r"(left|right)-(anterior|posterior)-superior|[LR][AP]S", re.IGNORECASE)

META_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
META_SPACING, META_ORIGIN = ("ElementSpacing", "ElementSize"), ("Offset", "Position", "Origin")
META_MATRIX, META_CENTRE = ("TransformMatrix", "Rotation", "Orientation"), ("CenterOfRotation",)
META_KEPT = (
    *META_SPACING,
    *META_ORIGIN,
    *META_MATRIX,
    *META_CENTRE,
    "ObjectType",
    "NDims",
    "DimSize",
    "ElementType",
    "ElementNumberOfChannels",
    "ElementByteOrderMSB",
    "BinaryDataByteOrderMSB",
    "AnatomicalOrientation",
)
META_LEFT_OUT = (
    "CompressedData",
    "CompressedDataSize",
    "CompressionLevel",
    "HeaderSize",
    "BinaryData",
    "ObjectSubType",
    "ElementMin",
    "ElementMax",
    "DistanceUnits",
    "TransformType",
    "Color",
    "Modality",
    "ElementToIntensityFunctionSlope",
    "ElementToIntensityFunctionOffset",
)


def check_nrrd(data: bytes) -> Checked:
    """One whole NRRD volume.

    Raises:
        VolumeError: it is no NRRD; its header points to another file or contradicts itself; there are fewer
            bytes than it declares, or more.
    """
    if not re.match(rb"NRRD000[1-5]\r?\n", data):
        raise refusal(data)
    end = re.search(rb"\r?\n\r?\n", data[:HEADER_BYTES_MAX])
    lines = _lines(data[: end.start()] if end else data[:HEADER_BYTES_MAX])[1:]
    comments, keys, written = [], {}, []
    for line in lines:
        if line.startswith("#"):
            comments.append(line)
        elif re.match(r"[^:]*:=", line):
            key, _, value = line.partition(":=")
            keys[key.strip()] = value
        elif line.strip():
            written.append(line)
    fields = _fields(written, ":", str.lower)
    if pointing := [name for name in NRRD_POINTS if name in fields]:
        raise VolumeError(
            f"the header points to another file ({pointing[0]}: {fields[pointing[0]]}). {ONE_FILE}"
        )
    if end is None:
        raise VolumeError("cut: the header has no end")
    _check_nrrd_fields(fields)
    dtype = next((code for code, names in NRRD_TYPES.items() if fields["type"].lower() in names), None)
    if dtype is None:
        raise VolumeError(f"values of type {fields['type']!r}, which is not read")
    n_values = math.prod(_whole(fields["sizes"].split(), "sizes"))
    encoding, body = fields["encoding"].lower(), data[end.end() :]
    voxels = _nrrd_voxels(body, encoding, n_values, np.dtype(dtype))
    as_text = encoding in ("text", "txt", "ascii")
    kept = [f"{name}: {fields[name]}" for name in fields if name in NRRD_KEPT] + [
        f"encoding: {'text' if as_text else 'raw'}"
    ]
    header = "\n".join([data[:8].decode(), *kept, "", ""]).encode("utf-8", "surrogateescape")
    text = {**keys, "comment": "\n".join(comments), "content": fields.get("content", "")}
    world = fields.get("space", "")
    warnings = (
        ()
        if NRRD_WORLDS.fullmatch(world)
        else (
            f"space is {world or 'not there'!r}: which side is left is not known, the axes are read as left, "
            f"back and head",
        )
    )
    return Checked(".nrrd", header + voxels, 0, text, warnings)


def _check_nrrd_fields(fields: dict[str, str]) -> None:
    known = (*NRRD_KEPT, *NRRD_TEXT, *NRRD_LEFT_OUT, *NRRD_SKIPS)
    if unknown := [name for name in fields if name not in known]:
        raise VolumeError(f"the header has a field that NRRD does not know: {unknown[0]!r}")
    if missing := [name for name in ("type", "dimension", "sizes", "encoding") if name not in fields]:
        raise VolumeError(f"the header has no {', '.join(missing)}")
    if skips := [f"{name}: {fields[name]}" for name in NRRD_SKIPS if fields.get(name, "0") != "0"]:
        raise VolumeError(f"the header leaves out part of the file ({skips[0]}). {ONE_FILE}")
    for name in NRRD_GEOMETRY:
        if re.search(r"nan|inf", fields.get(name, ""), re.IGNORECASE):
            raise VolumeError(f"the header holds a number that is not finite: {name} {fields[name]}")
    if not {"space directions", "spacings"} & fields.keys():
        raise VolumeError(
            "the header has neither space directions nor spacings, so that no volume in mm is known"
        )


def _nrrd_voxels(body: bytes, encoding: str, n_values: int, dtype: np.dtype) -> bytes:
    n_bytes = check_size(n_values, dtype.itemsize)
    if encoding == "raw":
        return voxels_of(Plain(body), n_bytes)
    if encoding in ("gzip", "gz"):
        return voxels_of(Inflater(body), n_bytes)
    if encoding in ("text", "txt", "ascii"):
        return _check_text(body, n_values)
    raise VolumeError(f"voxels in encoding {encoding!r}, which is not read. Write them as raw or gzip")


def check_metaimage(data: bytes) -> Checked:
    """One whole MetaImage volume.

    Raises:
        VolumeError: it is no MetaImage; its header points to another file or contradicts itself; there are
            fewer bytes than it declares, or more.
    """
    if not re.match(rb"\s*[A-Za-z]+ *= *", data[:100]):
        raise refusal(data)
    end = re.search(
        rb"^[ \t]*ElementDataFile[ \t]*[=:][ \t]*([^\r\n]*)\r?\n?",
        data[:HEADER_BYTES_MAX],
        re.MULTILINE | re.IGNORECASE,
    )
    if end is None:
        raise VolumeError("cut: the header has no ElementDataFile, with which it ends")
    source = end[1].decode("utf-8", "replace").strip()
    if source.upper() != "LOCAL":
        raise VolumeError(f"the header points to another file (ElementDataFile = {source}). {ONE_FILE}")
    fields = _fields(_lines(data[: end.start()]), "=", str)
    if fields.get("ObjectType", "Image") != "Image":
        raise VolumeError(f"an object of type {fields['ObjectType']!r}, expected Image")
    if missing := [name for name in ("NDims", "DimSize", "ElementType") if name not in fields]:
        raise VolumeError(f"the header has no {', '.join(missing)}")
    if fields.get("HeaderSize", "0") != "0":
        raise VolumeError(
            f"the header leaves out part of the file (HeaderSize = {fields['HeaderSize']}). {ONE_FILE}"
        )
    if (dtype := META_TYPES.get(fields["ElementType"])) is None:
        raise VolumeError(f"values of type {fields['ElementType']!r}, which is not read")
    sizes = _whole(fields["DimSize"].split(), "DimSize")
    if [len(sizes)] != _whole([fields["NDims"]], "NDims") or len(sizes) > 7:
        raise VolumeError(f"NDims = {fields['NDims']}, but DimSize has {len(sizes)} numbers")
    _check_meta_geometry(fields, len(sizes))
    n_values = math.prod(sizes) * math.prod(
        _whole([fields.get("ElementNumberOfChannels", "1")], "ElementNumberOfChannels")
    )
    n_bytes, body = check_size(n_values, np.dtype(dtype).itemsize), data[end.end() :]
    as_text = fields.get("BinaryData", "False").lower() not in ("true", "1")
    if as_text:
        voxels = _check_text(body, n_values)
    else:
        compressed = fields.get("CompressedData", "False").lower() in ("true", "1")
        voxels = voxels_of(Inflater(body) if compressed else Plain(body), n_bytes)
    kept = [f"{name} = {fields[name]}" for name in fields if name in META_KEPT]
    text = {name: value for name, value in fields.items() if name not in (*META_KEPT, *META_LEFT_OUT)}
    header = "\n".join(
        [*kept, f"BinaryData = {not as_text}", "CompressedData = False", "ElementDataFile = LOCAL", ""]
    )
    warnings = (
        ()
        if set(META_MATRIX) & fields.keys()
        else (
            "no TransformMatrix: which side is left is not known, the axes are read as left, back and head",
        )
    )
    return Checked(".mha", header.encode("utf-8", "surrogateescape") + voxels, 0, text, warnings)


def _check_meta_geometry(fields: dict[str, str], n_axes: int) -> None:
    for names, count in (
        (META_SPACING, n_axes),
        (META_ORIGIN, n_axes),
        (META_MATRIX, n_axes**2),
        (META_CENTRE, n_axes),
    ):
        for name in names:
            words = fields[name].split() if name in fields else []
            if not all(_finite(word) for word in words):
                raise VolumeError(f"the header holds a number that is not finite: {name} {fields[name]}")
            if name in fields and len(words) != count:
                raise VolumeError(f"{name} has {len(words)} numbers, expected {count}")
            if names == META_SPACING and not all(float(word) > 0 for word in words):
                raise VolumeError(f"the header declares a spacing of {fields[name]} mm; each must be above 0")
    if not set(META_SPACING) & fields.keys():
        raise VolumeError("the header has no ElementSpacing, so that no volume in mm is known")
    matrix = next((fields[name].split() for name in META_MATRIX if name in fields), None)
    if (
        matrix is not None
        and abs(np.linalg.det(np.reshape([float(word) for word in matrix], (n_axes, n_axes)))) < 1e-6
    ):
        raise VolumeError("the axes of the header span no space")


def _lines(header: bytes) -> list[str]:
    return header.decode("utf-8", "surrogateescape").splitlines()


def _fields(lines: list[str], sign: str, name_of) -> dict[str, str]:
    """Name -> value, of lines "name SIGN value".

    Raises:
        VolumeError: a line is no field, or a field stands twice.
    """
    fields: dict[str, str] = {}
    folded: set[str] = set()
    for line in lines:
        written, separator, value = line.partition(sign)
        name = name_of(written.strip())
        if not separator or not name or set(name) & set(":="):
            raise VolumeError(f"the header has a line that is no field: {line[:60]!r}")
        if name.casefold() in folded:
            raise VolumeError(f"the header says {name[:60]!r} twice")
        folded.add(name.casefold())
        fields[name] = value.strip()
    return fields


def _whole(words: list[str], name: str) -> list[int]:
    if not words or not all(re.fullmatch(r"[1-9][0-9]{0,8}", word) for word in words):
        raise VolumeError(f"the header declares {name} {' '.join(words)!r}, expected whole numbers above 0")
    return [int(word) for word in words]


def _check_text(body: bytes, n_values: int) -> bytes:
    """Voxels that are written as text, once they are as many as the header declares."""
    if n_values > VALUES_MAX:
        raise VolumeError(
            f"the header declares {n_values} voxels as text; at most {VALUES_MAX} are read. Write them as "
            f"raw or gzip"
        )
    if (n_words := len(body.split())) != n_values:
        raise VolumeError(f"{n_words} numbers are there, the header declares {n_values}")
    return body


def _finite(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False
