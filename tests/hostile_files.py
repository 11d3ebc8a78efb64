"""Hostile files: what a damaged or malicious data set may hold, made by code and small on disk.

    python -m tests.hostile_files COMMANDS    (what the tests start: runs commands, prints what came of each)

Every table has a name for each input, in words, and its bytes. A door is the program's own command.
"""

import contextlib
import gzip
import io
import json
import multiprocessing
import os
import re
import resource
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from radiotrace.imaging.layouts import reading
from tests import dicoms, phantoms

GOOD = ("good_1", "good_2")
MIB = 2**20
ZEROS = bytes(MIB)
SHAPE = phantoms.SIZE_XYZ


# Volumes, in the place of an image of a case


def nifti(data: bytes | None = None, **changed) -> bytes:
    """A sound float32 volume, with other values in its header, by (offset, layout)."""
    header = bytearray(352)
    fields: dict[tuple[int, str], tuple] = {
        (0, "<i"): (348,),
        (40, "<8h"): (3, *SHAPE, 1, 1, 1, 1),
        (70, "<2h"): (16, 32),
        (76, "<8f"): (1, *phantoms.SPACING_XYZ, 1, 1, 1, 1),
        (108, "<f"): (352,),
        (112, "<2f"): (1, 0),
        (254, "<h"): (1,),
        (280, "<12f"): (0.9, 0, 0, 1, 0, 1.1, 0, 2, 0, 0, 1.7, 3),
        (344, "4s"): (b"n+1\0",),
    }
    named = {
        "dim": (40, "<8h"),
        "type": (70, "<2h"),
        "pixdim": (76, "<8f"),
        "offset": (108, "<f"),
        "slope": (112, "<2f"),
        "sform": (280, "<12f"),
        "magic": (344, "4s"),
        "extension": (348, "4s"),
    }
    for name, values in changed.items():
        fields[named[name]] = values if isinstance(values, tuple) else (values,)
    for (at, layout), values in fields.items():
        struct.pack_into(layout, header, at, *values)
    voxels = phantoms.image_array(phantoms.label_array(), 1).tobytes() if data is None else data
    return bytes(header) + voxels


def nrrd(body: bytes | None = None, **changed: str | None) -> bytes:
    fields = {
        "type": "float",
        "dimension": "3",
        "sizes": " ".join(map(str, SHAPE)),
        "space": "left-posterior-superior",
        "space directions": "(0.9,0,0) (0,1.1,0) (0,0,1.7)",
        "space origin": "(1,2,3)",
        "endian": "little",
        "encoding": "raw",
    } | {name.replace("_", " "): value for name, value in changed.items()}
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    voxels = phantoms.image_array(phantoms.label_array(), 1).tobytes() if body is None else body
    return "\n".join(("NRRD0004", *lines, "", "")).encode() + voxels


def metaimage(body: bytes | None = None, **changed: str) -> bytes:
    fields = {
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "CompressedData": "False",
        "TransformMatrix": "1 0 0 0 1 0 0 0 1",
        "Offset": "1 2 3",
        "ElementSpacing": "0.9 1.1 1.7",
        "DimSize": " ".join(map(str, SHAPE)),
        "ElementType": "MET_FLOAT",
    } | changed
    end = fields.pop("ElementDataFile", "LOCAL")
    lines = [f"{name} = {value}\n" for name, value in (fields | {"ElementDataFile": end}).items()]
    voxels = phantoms.image_array(phantoms.label_array(), 1).tobytes() if body is None else body
    return "".join(lines).encode() + voxels


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def deflated_zeros(n_mib: int) -> bytes:
    """So many MiB of zeros as blocks of deflate that follow each other, without an end: one is made, and
    stands there many times, which takes no time."""
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (engine.compress(bytes(MIB)) + engine.flush(zlib.Z_FULL_FLUSH)) * n_mib


def gzip_of_zeros(n_mib: int, data: bytes = b"") -> bytes:
    """Data and so many MiB of zeros as a gzip stream that has no end."""
    engine = zlib.compressobj(9, zlib.DEFLATED, 31)
    return engine.compress(data) + engine.flush(zlib.Z_FULL_FLUSH) + deflated_zeros(n_mib)


def zlib_of_zeros(n_mib: int) -> bytes:
    return b"\x78\xda" + deflated_zeros(n_mib)


def volumes() -> dict[str, tuple[str, bytes]]:
    """Ending and bytes of each, by what it is."""
    sound = nifti()
    packed = gzip.compress(sound, mtime=0)
    nan = np.full(SHAPE[::-1], np.nan, np.float32).tobytes()
    return {
        "NIfTI, cut in the gzip stream": (".nii.gz", packed[: len(packed) // 2]),
        "NIfTI, gzip without its last 8 bytes": (".nii.gz", packed[:-8]),
        "NIfTI, checksum of gzip changed": (".nii.gz", flipped(packed, len(packed) - 6)),
        "NIfTI, a byte of the gzip stream changed": (".nii.gz", flipped(packed, len(packed) // 2)),
        "NIfTI, 1 GiB of zeros behind the voxels, in the stream": (
            ".nii.gz",
            gzip_of_zeros(1024, sound),
        ),
        "NIfTI, a second gzip member": (".nii.gz", packed + gzip_of_zeros(64)),
        "NIfTI, compressed twice": (".nii.gz", gzip.compress(packed, mtime=0)),
        "NIfTI, header of 10^12 voxels": (".nii", nifti(dim=(3, 10000, 10000, 10000, 1, 1, 1, 1))),
        "NIfTI, header of 10^12 voxels, gzip": (
            ".nii.gz",
            gzip.compress(nifti(dim=(3, 10000, 10000, 10000, 1, 1, 1, 1)), mtime=0),
        ),
        "NIfTI, header of 3 GB of voxels, 22 KB there": (".nii", nifti(dim=(3, 900, 900, 900, 1, 1, 1, 1))),
        "NIfTI, an axis of length 0": (".nii", nifti(dim=(3, 0, 22, 14, 1, 1, 1, 1))),
        "NIfTI, an axis of length -1": (".nii", nifti(dim=(3, -1, 22, 14, 1, 1, 1, 1))),
        "NIfTI, 255 axes": (".nii", nifti(dim=(255, *SHAPE, 1, 1, 1, 1))),
        "NIfTI, spacing NaN": (".nii", nifti(pixdim=(1, np.nan, 1, 1, 1, 1, 1, 1))),
        "NIfTI, sform with infinity": (".nii", nifti(sform=(np.inf, *[0] * 11))),
        "NIfTI, sform of zeros": (".nii", nifti(sform=(0,) * 12)),
        "NIfTI, sheared": (".nii", nifti(sform=(0.9, 0.5, 0, 1, 0, 1.1, 0, 2, 0, 0, 1.7, 3))),
        "NIfTI, voxels at byte 10^30": (".nii", nifti(offset=1e30)),
        "NIfTI, voxels in the header": (".nii", nifti(offset=0.0)),
        "NIfTI, a type that there is not": (".nii", nifti(type=(12345, 32))),
        "NIfTI, 1 bit a voxel of 32": (".nii", nifti(type=(16, 1))),
        "NIfTI, 128-bit floating point": (".nii", nifti(type=(1536, 128))),
        "NIfTI, scaled by 10^38": (".nii", nifti(slope=(3e38, 0))),
        "NIfTI, header of a pair": (".nii", nifti(magic=b"ni1\0")),
        "NIfTI, all voxels NaN": (".nii", nifti(nan)),
        "empty file": (".nii.gz", b""),
        "one byte": (".nii", b"\x5c"),
        "random bytes": (".nii", np.random.default_rng(0).bytes(4096)),
        "PNG of the name .nii.gz": (".nii.gz", png(grey())),
        "NRRD, voxels in another file": (".nrrd", nrrd(data_file="/etc/passwd")),
        "NRRD, header of 10^18 voxels": (".nrrd", nrrd(sizes="1000000 1000000 1000000")),
        "NRRD, a size of 400 digits": (".nrrd", nrrd(sizes=f"{'9' * 400} 22 14")),
        "NRRD, gzip cut": (".nrrd", nrrd(packed[:200], encoding="gzip")),
        "NRRD, 512 MiB of zeros for 22 KB": (".nrrd", nrrd(gzip_of_zeros(512), encoding="gzip")),
        "NRRD, encoding bzip2": (".nrrd", nrrd(b"BZh9", encoding="bzip2")),
        "NRRD, header of 2 MB without an end": (".nrrd", b"NRRD0004\n" + b"# x\n" * 2**19),
        "NRRD, of blocks": (".nrrd", nrrd(type="block")),
        "NRRD, spacing NaN": (".nrrd", nrrd(space_directions="(nan,0,0) (0,1,0) (0,0,1)")),
        "MetaImage, voxels in another file": (".mha", metaimage(ElementDataFile="/etc/passwd")),
        "MetaImage, a list of 10^9 files": (".mha", metaimage(ElementDataFile="%d.raw 1 1000000000 1")),
        "MetaImage, header of 10^17 voxels": (".mha", metaimage(DimSize="999999999 999999999 1")),
        "MetaImage, 8 axes": (".mha", metaimage(NDims="8", DimSize="1 1 1 1 1 1 1 1")),
        "MetaImage, 10^9 values a voxel": (".mha", metaimage(ElementNumberOfChannels="999999999")),
        "MetaImage, text of another length": (".mha", metaimage(b"1 2 3", BinaryData="False")),
        "MetaImage, compressed data cut": (".mha", metaimage(zlib.compress(nan)[:9], CompressedData="True")),
    }


# Pictures, in the place of an image of a case


def grey(size_yx=(18, 22)) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, size_yx).astype(np.uint8)


def encoded(values: np.ndarray, kind: str, mode: str | None = None, **options) -> bytes:
    buffer = io.BytesIO()
    picture = Image.fromarray(values)
    (picture.convert(mode) if mode else picture).save(buffer, kind, **options)
    return buffer.getvalue()


def png(values: np.ndarray) -> bytes:
    return encoded(values, "png")


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_of(width: int, height: int, pixels: bytes, *further: bytes, bits: int = 8, colour: int = 0) -> bytes:
    """A PNG whose header says what it likes."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(further) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def tiff(tags: dict[int, tuple[int, int, int]], body: bytes = b"", following: int = 0) -> bytes:
    """A TIFF of one directory, at byte 8; tags have type, count and value."""
    entries = [struct.pack("<HHII", tag, *tags[tag]) for tag in sorted(tags)]
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + struct.pack("<I", following)
    return b"II*\0" + struct.pack("<I", 8) + directory + body


def tags(**changed) -> dict[int, tuple[int, int, int]]:
    named = {"width": 256, "height": 257, "bits": 258, "compression": 259, "offsets": 273, "counts": 279}
    sound = {
        256: (4, 1, 22),
        257: (4, 1, 18),
        258: (3, 1, 8),
        259: (3, 1, 1),
        262: (3, 1, 1),
        273: (4, 1, 122),
        277: (3, 1, 1),
        278: (4, 1, 18),
        279: (4, 1, 396),
    }
    return sound | {named[name]: value for name, value in changed.items()}


def pictures() -> dict[str, tuple[str, bytes]]:
    sound = png(grey())
    jpeg = encoded(grey(), "jpeg")
    size = jpeg.index(b"\xff\xc0") + 5
    deep = np.random.default_rng(2).integers(0, 65535, (18, 22 * 3)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in deep)
    bomb = zlib_of_zeros(200)
    text = chunk(b"zTXt", b"Comment\0\0" + zlib_of_zeros(200))
    return {
        "PNG, header of 60,000 x 60,000": (".png", png_of(60000, 60000, zlib.compress(bytes(1000)))),
        "PNG, header of 2^31 x 2^31": (".png", png_of(2**31 - 1, 2**31 - 1, zlib.compress(b""))),
        "PNG, header of 11,000 x 11,000, few pixels": (".png", png_of(11000, 11000, zlib.compress(bytes(9)))),
        "PNG, 200 MiB of zeros for 22 x 18": (".png", png_of(22, 18, bomb)),
        "PNG, text of 200 MiB": (".png", png_of(22, 18, zlib.compress(bytes(18 * 23)), text)),
        "PNG, width 0": (".png", png_of(0, 18, zlib.compress(b""))),
        "PNG, 3 bits": (".png", png_of(22, 18, zlib.compress(bytes(400)), bits=3)),
        "PNG, cut": (".png", sound[: len(sound) // 2]),
        "PNG, checksum changed": (".png", flipped(sound, len(sound) - 14)),
        "PNG, pixels changed": (".png", flipped(sound, 60)),
        "PNG, colours of 16 bits, cut": (
            ".png",
            png_of(22, 18, zlib.compress(rows[:900]), bits=16, colour=2),
        ),
        "PNG, a palette": (".png", encoded(grey(), "png", "P")),
        "JPEG, header of 65,500 x 65,500": (
            ".jpg",
            jpeg[:size] + struct.pack(">HH", 65500, 65500) + jpeg[size + 4 :],
        ),
        "JPEG, height 0": (".jpg", jpeg[:size] + struct.pack(">HH", 0, 22) + jpeg[size + 4 :]),
        "JPEG, cut": (".jpg", jpeg[: len(jpeg) - 200]),
        "JPEG, CMYK": (".jpg", encoded(np.stack([grey()] * 3, -1), "jpeg", "CMYK")),
        "JPEG, first two bytes alone": (".jpg", b"\xff\xd8"),
        "TIFF, header of 2^32 x 2^32": (
            ".tif",
            tiff(tags(width=(4, 1, 2**32 - 1), height=(4, 1, 2**32 - 1)), bytes(396)),
        ),
        "TIFF, a directory that leads to itself": (".tif", tiff(tags(), bytes(396), following=8)),
        "TIFF, a tag of 2^32 values": (".tif", tiff(tags(bits=(3, 2**32 - 1, 8)), bytes(396))),
        "TIFF, pixels behind the end": (".tif", tiff(tags(offsets=(4, 1, 2**31)), bytes(396))),
        "TIFF, 200 MiB of zeros for 22 x 18": (
            ".tif",
            tiff(tags(compression=(3, 1, 8), counts=(4, 1, len(bomb))), bomb),
        ),
        "TIFF, LZW of random bytes": (
            ".tif",
            tiff(tags(compression=(3, 1, 5)), np.random.default_rng(3).bytes(256)),
        ),
        "TIFF, values with a point": (".tif", encoded(grey().astype(np.float32), "tiff")),
        "GIF of the name .png": (".png", encoded(grey(), "gif")),
        "empty picture": (".png", b""),
        "text of the name .png": (".png", b"<?xml version='1.0'?><!DOCTYPE lolz [<!ENTITY lol 'lol'>]>"),
    }


# Files of arrays, each a data set


def npy(header: str, body: bytes = b"", version: bytes = b"\1\0") -> bytes:
    text = header.encode() + b"\n"
    size = struct.pack("<H" if version == b"\1\0" else "<I", len(text))
    return b"\x93NUMPY" + version + size + text + body


def described(shape: str, kind: str = "|u1", by_columns: bool = False) -> str:
    return f"{{'descr': '{kind}', 'fortran_order': {by_columns}, 'shape': {shape}, }}"


def zipped(n_mib: int = 0, **arrays: bytes) -> bytes:
    """A ZIP archive of arrays, with so many MiB of zeros behind each, written by hand: zipfile would
    compress them, which takes long."""
    files, directory = b"", b""
    for name, data in arrays.items():
        stored = b"".join(
            struct.pack("<BHH", 0, len(data[at : at + 65535]), len(data[at : at + 65535]) ^ 0xFFFF)
            + data[at : at + 65535]
            for at in range(0, len(data), 65535)
        )
        packed = stored + (deflated_zeros(n_mib) if n_mib else b"") + b"\3\0"
        checksum = zlib.crc32(data)
        for _ in range(min(n_mib, 128)):  # of more, nobody comes to the end
            checksum = zlib.crc32(ZEROS, checksum)
        file = f"{name}.npy".encode()
        about = struct.pack(
            "<5H3L2H", 20, 0, 8, 0, 33, checksum, len(packed), len(data) + n_mib * MIB, len(file), 0
        )
        directory += b"PK\1\2" + struct.pack("<H", 20) + about
        directory += struct.pack("<3H2L", 0, 0, 0, 0, len(files)) + file
        files += b"PK\3\4" + about + file + packed
    end = struct.pack("<4H2LH", 0, 0, len(arrays), len(arrays), len(directory), len(files), 0)
    return files + directory + b"PK\5\6" + end


def pair_of(header: str, body: bytes = b"", n_mib: int = 0) -> bytes:
    return zipped(n_mib, train_images=npy(header, body), train_masks=npy(header, body))


class Opened:
    """Makes a file where somebody unpickles it."""

    def __reduce__(self):
        return os.mkdir, ("unpickled",)


def pickled() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, train_images=np.array([Opened()], dtype=object))
    return buffer.getvalue()


def arrays() -> dict[str, bytes]:
    few = described("(4, 8, 8)")
    sound = pair_of(few, bytes(range(256)))
    return {
        "npz, pickled objects": pickled(),
        "npz, header of 10^12 values": pair_of(described("(10, 1000000, 100000)")),
        "npz, 128 MiB of zeros as 4 images": pair_of(described("(4, 4096, 8192)"), n_mib=128),
        "npz, 256 values, and 1 GiB of zeros behind them": pair_of(few, bytes(range(256)), n_mib=1024),
        "npz, fewer values than its header declares": pair_of(few, bytes(100)),
        "npz, a byte of the stream changed": flipped(sound, 140),
        "npz, cut": sound[: len(sound) // 2],
        "npz, no archive": b"PK\3\4" + bytes(100),
        "npz, 10,000 arrays": zipped(0, **{f"a{number}": b"" for number in range(10_000)}),
        "npz, header of 10,000 brackets": pair_of("(" * 9_990),
        "npz, header of 16 MiB": zipped(train_images=npy("x" * 2**24, version=b"\2\0")),
        "npz, header that would be computed": pair_of("__import__('os').mkdir('computed')"),
        "npz, shape of negative length": pair_of(described("(-4, 8, 8)"), bytes(256)),
        "npz, shape of a thousand axes": pair_of(described(f"({'1,' * 1000})"), bytes(256)),
        "npz, column by column": pair_of(described("(4, 8, 8)", by_columns=True), bytes(256)),
        "npz, complex values": pair_of(described("(4, 8, 8)", "<c16"), bytes(4096)),
        "npy of the name .npz": npy(few, bytes(256)),
    }


# Tables and declarations, each a data set of two sound cases


def declarations() -> dict[str, tuple[str, bytes]]:
    """The file, and its bytes, by what it is."""
    listed = phantoms.listed(list(GOOD))
    far = [{"image": "../../../etc/passwd", "label": "/etc/passwd"}]
    return {
        "dataset.json, 100,000 brackets": ("dataset.json", b"[" * 100_000),
        "dataset.json, 100,000 objects in each other": ("dataset.json", b'{"training":' * 100_000),
        "dataset.json, no UTF-8": ("dataset.json", b'{"training": "\xff\xfe"}'),
        "dataset.json, a number of 10,000 digits": (
            "dataset.json",
            json.dumps({"labels": {"0": "background"}, "training": listed}).encode()[:-1]
            + b', "release": '
            + b"9" * 10_000
            + b"}",
        ),
        "dataset.json, paths that lead out": (
            "dataset.json",
            json.dumps({"name": "x", "labels": {"0": "background", "1": "a"}, "training": far}).encode(),
        ),
        "dataset.json, a list": ("dataset.json", b"[]"),
        "dataset.json, empty": ("dataset.json", b""),
        "cases.csv, a zero byte": ("cases.csv", b"case_id,subject_id\ngood_1,a\0b\ngood_2,c\n"),
        "cases.csv, a cell of 1 MiB": ("cases.csv", b"case_id,subject_id\ngood_1," + b"x" * MIB + b"\n"),
        "cases.csv, a quote without an end": ("cases.csv", b'case_id,subject_id\ngood_1,"a\ngood_2,c\n'),
        "cases.csv, 100,000 columns": (
            "cases.csv",
            b"case_id,subject_id" + b"".join(b",c%d" % one for one in range(100_000)) + b"\n",
        ),
        "cases.csv, no UTF-8": ("cases.csv", b"case_id,subject_id\ngood_1,\xff\xfe\ngood_2,c\n"),
    }


# DICOM, each a file beside a sound series


def dicom(change: Callable | None = None, number: int = 1) -> bytes:
    """The first slice of a series of its own, changed."""
    [data] = dicoms.slices(dicoms.values_zyx()[:1], series=number)
    if change is not None:
        change(data)
    buffer = io.BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def element(group: int, number: int, vr: bytes, length: int, value: bytes) -> bytes:
    long = vr in (b"OB", b"OW", b"SQ", b"UN", b"UT")
    size = b"\0\0" + struct.pack("<I", length) if long else struct.pack("<H", length)
    return struct.pack("<HH", group, number) + vr + size + value


def nested(depth: int) -> bytes:
    """Sequences in each other, of undefined length, at the end of a file."""
    begin = element(0x0040, 0x0275, b"SQ", 0xFFFFFFFF, b"") + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    return begin * depth


def without_pixels(number: int) -> bytes:
    def change(data):
        del data.PixelData

    return dicom(change, number)


def in_syntax(uid: str, fragment: bytes, rows: int = 5, columns: int = 7) -> Callable:
    def change(data):
        from pydicom.encaps import encapsulate

        data.file_meta.TransferSyntaxUID = uid
        data.Rows, data.Columns = rows, columns
        data.PixelData = encapsulate([fragment])
        data["PixelData"].VR = "OB"

    return change


def deflated(number: int, n_mib: int) -> bytes:
    """A deflated data set with so many MiB of zeros in a private element."""
    plain = dicom(number=number)
    meta_end = 132 + 12 + struct.unpack_from("<I", plain, 140)[0]
    meta = plain[:meta_end].replace(
        element(2, 0x10, b"UI", 20, b"1.2.840.10008.1.2.1\0"),
        element(2, 0x10, b"UI", 22, b"1.2.840.10008.1.2.1.99"),
    )
    meta = meta[:140] + struct.pack("<I", struct.unpack_from("<I", meta, 140)[0] + 2) + meta[144:]
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = element(0x0009, 0x0010, b"LO", 4, b"x   ")
    head += element(0x0009, 0x1010, b"OB", n_mib * MIB, b"")
    return meta + engine.compress(head) + engine.flush(zlib.Z_FULL_FLUSH) + deflated_zeros(n_mib)


def dicom_files() -> dict[str, bytes]:
    pixels = struct.pack("<HH", 0x7FE0, 0x0010) + b"OW\0\0"

    def huge(data):
        data.Rows = data.Columns = 65535

    def frames(data):
        data.NumberOfFrames = 2**31 - 1

    def no_position(data):
        del data.ImagePositionPatient

    j2k = struct.pack(">HHH", 0xFF4F, 0xFF51, 41) + struct.pack(
        ">H8IH3B", 0, 20000, 20000, 0, 0, 20000, 20000, 0, 0, 1, 15, 1, 1
    )
    items = struct.pack("<HHI", 0xFFFE, 0xE000, 0)
    private = element(0x7FE1, 0x0010, b"LO", 4, b"x   ")
    sequence = element(0x0040, 0x0275, b"SQ", 0xFFFFFFFF, b"")
    return {
        "DICOM, PixelData of 4 GB, 1 KB there": without_pixels(2)
        + pixels
        + struct.pack("<I", 2**32 - 2)
        + bytes(1000),
        "DICOM, PixelData of a tenth": without_pixels(3) + pixels + struct.pack("<I", 6) + bytes(6),
        "DICOM, a private element of 4 GB": without_pixels(4)[: -0 or None]
        + private
        + element(0x7FE1, 0x1010, b"OB", 2**32 - 2, bytes(100)),
        "DICOM, 5,000 sequences in each other": without_pixels(5) + nested(5_000),
        "DICOM, 400,000 empty items": without_pixels(6) + sequence + items * 400_000,
        "DICOM, deflated, 3 GiB of zeros": deflated(7, 3072),
        "DICOM, 65,535 x 65,535 pixels": dicom(huge, 8),
        "DICOM, 2^31 frames": dicom(frames, 9),
        "DICOM, RLE of random bytes": dicom(
            in_syntax("1.2.840.10008.1.2.5", np.random.default_rng(4).bytes(100)), 10
        ),
        "DICOM, JPEG 2000 of 20,000 x 20,000 in 60 bytes": dicom(
            in_syntax("1.2.840.10008.1.2.4.90", j2k), 11
        ),
        "DICOM, JPEG-LS of random bytes": dicom(
            in_syntax("1.2.840.10008.1.2.4.80", np.random.default_rng(5).bytes(100)), 12
        ),
        "DICOM, JPEG of random bytes": dicom(
            in_syntax("1.2.840.10008.1.2.4.70", np.random.default_rng(6).bytes(100)), 13
        ),
        "DICOM, cut in its header": dicom(number=14)[:400],
        "DICOM, prefix alone": bytes(128) + b"DICM",
        "DICOM, a syntax that there is not": dicom(
            lambda data: setattr(data.file_meta, "TransferSyntaxUID", "1.2.3.4"), 15
        ),
        "DICOM, an image without a place": dicom(no_position, 16),
    }


# Doors, in a process of their own: what they say, and what memory they took


def main(words: list[str]) -> None:
    """Runs commands that stand in a JSON file, and prints what came of each, and the memory of all."""
    from radiotrace import __main__ as command

    commands = json.loads(Path(words[0]).read_text())
    made = []
    for one in commands:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = started(command, one)
        made.append({"status": status, "out": out.getvalue(), "err": err.getvalue()})
    for process in multiprocessing.active_children():  # so that their memory is known
        process.kill()
        process.join()
    # of this process since it began: ru_maxrss would have what the process took that started this one
    own = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)[1]
    peaks = [int(own) * 1024, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024]
    json.dump({"commands": made, "peak_bytes": max(peaks)}, sys.stdout)


def started(command, one: list[str]) -> int:
    """A command of the program, a stage as dvc.yaml calls it, or what `inspect` finds wrong with files."""
    if one[0] == "look":
        from radiotrace.inspection import look

        print(json.dumps({seen.path: seen.problems for seen in look.at(Path(one[1])).seen}))
        return 0
    if not one[0].startswith("stages."):
        return command.main(one)
    import importlib

    from radiotrace.pipeline import stage

    script = importlib.import_module(one[0])
    return stage.run(script.main, script.parser, one[1:])


SEVERAL = reading._several


def several_that_crash(folder, requests):
    """In the place of reading._several: a decoder that crashes on one of the files."""
    if any("crash" in request.path for request in requests):
        os.abort()
    return SEVERAL(folder, requests)


def plain(text: str, *places: str | Path) -> str:
    """What was said, in one line, without the places of this machine."""
    for place in places:
        text = text.replace(f"{place}/", "").replace(str(place), "")
    return re.sub(r"\s+", " ", text).strip().replace("|", "\\|")


if __name__ == "__main__":
    main(sys.argv[1:])
