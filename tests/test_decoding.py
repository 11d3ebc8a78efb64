"""Decoding: only the bytes that are handed in count; what a header points to, hides or declares too much
of is refused, with the reason."""

import gzip
import io
import struct
import time
import tracemalloc
import zlib

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from radiotrace import records
from radiotrace.imaging import content, decoding, headers, volumes
from radiotrace.imaging.content import VolumeError
from tests import phantoms

ENDINGS = ["nii.gz", "nii", "nrrd", "mha"]
LEFT_BACK_HEAD = np.diag([-1.0, -1.0, 1.0, 1.0])  # RAS affine of a grid along L, P, S, with 1 mm


@pytest.fixture(scope="module")
def image() -> sitk.Image:
    return phantoms.pair(1, phantoms.rotation(10))[0]


def written(volume: sitk.Image, folder, ending: str, **options) -> bytes:
    path = folder / f"written.{ending}"
    sitk.WriteImage(volume, str(path), **options)
    return path.read_bytes()


def reason(data: bytes, name: str = "volume.nii") -> str:
    with pytest.raises(VolumeError) as refusal:
        decoding.decode(data, name)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def nifti(qform=None, sform=None, codes=(1, 1), array=None, kind=nibabel.Nifti1Image) -> bytes:
    """A NIfTI file of 18 x 22 x 14 voxels with these forms."""
    made = kind(
        np.arange(18 * 22 * 14, dtype=np.float32).reshape(18, 22, 14) if array is None else array, None
    )
    made.header["pixdim"][1:4] = 1
    for set_form, form, code in ((made.set_qform, qform, codes[0]), (made.set_sform, sform, codes[1])):
        set_form(form, 0 if form is None else code)
    return made.to_bytes()


def patched(data: bytes, offset: int, layout: str, *values) -> bytes:
    changed = bytearray(data)
    struct.pack_into(layout, changed, offset, *values)
    return bytes(changed)


# What is read


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("ending", ENDINGS)
def test_every_format_decodes_to_what_itk_reads_of_the_same_file(tmp_path, image, ending, compressed):
    data = written(image, tmp_path, ending, useCompression=compressed)
    expected = sitk.ReadImage(str(tmp_path / f"written.{ending}"))
    decoded = decoding.decode(data, f"a.{ending}")
    assert volumes.grid(decoded.volume) == volumes.grid(expected)
    assert np.array_equal(volumes.array_zyx(decoded.volume), volumes.array_zyx(expected))
    assert (decoded.n_non_finite, decoded.warnings) == (0, ())


@pytest.mark.parametrize(
    "pixel_type",
    [
        sitk.sitkUInt8,
        sitk.sitkInt8,
        sitk.sitkUInt16,
        sitk.sitkInt16,
        sitk.sitkUInt32,
        sitk.sitkInt32,
        sitk.sitkUInt64,
        sitk.sitkInt64,
        sitk.sitkFloat32,
        sitk.sitkFloat64,
    ],
)
@pytest.mark.parametrize("ending", ENDINGS)
def test_every_pixel_type_of_every_format_is_read(tmp_path, image, ending, pixel_type):
    volume = sitk.Cast(image, pixel_type)
    decoded = decoding.decode(written(volume, tmp_path, ending), f"a.{ending}")
    assert decoded.volume.GetPixelID() == pixel_type
    assert np.array_equal(volumes.array_zyx(decoded.volume), volumes.array_zyx(volume))


@pytest.mark.parametrize("name", ["x.NII", "x.NII.GZ", "x.Nii.Gz", "x.NRRD", "x.MHA"])
@pytest.mark.requirement("SRS-DATA-2")
def test_endings_in_capitals_are_read_and_checked_alike(tmp_path, image, name):
    data = written(image, tmp_path, name.lower().removeprefix("x."))
    assert decoding.decode(data, name).volume.GetSize() == (18, 22, 14)
    assert reason(data[:-1], name).startswith("cut")


@pytest.mark.requirement("SRS-DATA-2")
def test_nan_in_a_file_whose_ending_is_in_capitals_is_counted(tmp_path):
    array = phantoms.image_array(phantoms.label_array(), 1)
    array[3, 5, 7:9] = np.nan
    sitk.WriteImage(phantoms.volume(array), str(tmp_path / "a.nii"))
    assert decoding.decode((tmp_path / "a.nii").read_bytes(), "A.NII").n_non_finite == 2


@pytest.mark.parametrize("name", ["x.nii.nii.gz", "a.img.nii.gz", "a.hdr.nii.gz", "a.img.nii", "a.nrrd.mha"])
def test_names_that_look_like_another_format_do_not_mislead(tmp_path, image, name):
    volumes.write(image, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert volumes.read(tmp_path / name).GetSize() == (18, 22, 14)


@pytest.mark.requirement("SRS-SEC-1")
def test_of_a_nii_beside_its_nii_gz_the_named_one_is_read(tmp_path, image):
    volumes.write(image, tmp_path / "A.nii")
    volumes.write(image * 0 + 5, tmp_path / "A.nii.gz")
    assert volumes.array_zyx(volumes.read(tmp_path / "A.nii.gz")).min() == 5
    assert np.array_equal(volumes.array_zyx(volumes.read(tmp_path / "A.nii")), volumes.array_zyx(image))


@pytest.mark.requirement("SRS-SEC-1")
def test_of_a_nii_gz_beside_its_nii_that_is_damaged_nothing_is_read(tmp_path, image):
    volumes.write(image, tmp_path / "A.nii")
    (tmp_path / "A.nii.gz").write_bytes(b"garbage")
    with pytest.raises(VolumeError, match="unknown format"):
        volumes.read(tmp_path / "A.nii.gz")


@pytest.mark.requirement("SRS-SEC-1")
def test_the_hash_is_that_of_the_bytes_that_are_decoded(
    tmp_path, image
):  # a file that changes as it is opened
    volumes.write(image, tmp_path / "a.nii.gz")
    recorded = records.sha256(tmp_path / "a.nii.gz")
    assert volumes.open_file(tmp_path / "a.nii.gz")[1] == recorded
    volumes.write(image * 2, tmp_path / "a.nii.gz")
    with pytest.raises(VolumeError, match=f"expected {recorded}"):
        volumes.open_file(tmp_path / "a.nii.gz", recorded)


def test_nifti_2_is_read_as_nifti_1_is():
    turned = LEFT_BACK_HEAD @ nibabel.affines.from_matvec(
        np.array(phantoms.rotation(20)).reshape(3, 3), [3, -7, 11]
    )
    one, two = (
        decoding.decode(nifti(turned, turned, kind=kind), "a.nii").volume
        for kind in (nibabel.Nifti1Image, nibabel.Nifti2Image)
    )
    assert volumes.grid_faults(volumes.grid(one), volumes.grid(two), 1e-5, 1e-6) == []
    assert np.array_equal(volumes.array_zyx(one), volumes.array_zyx(two))


def test_nifti_2_compressed_is_read():
    assert decoding.decode(
        gzip.compress(nifti(LEFT_BACK_HEAD, kind=nibabel.Nifti2Image)), "a.nii.gz"
    ).volume.GetSize() == (18, 22, 14)


def test_a_file_of_the_other_byte_order_is_read(image):
    made = nibabel.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4)).to_bytes()
    header = nibabel.Nifti1Header(made[:348])
    swapped = (
        header.as_byteswapped(">").binaryblock
        + b"\0" * 4
        + np.frombuffer(made[352:], "<i2").astype(">i2").tobytes()
    )
    assert np.array_equal(
        volumes.array_zyx(decoding.decode(swapped, "a.nii").volume).T, np.arange(24).reshape(2, 3, 4)
    )


# Headers that point elsewhere

META = (
    "ObjectType = Image\nNDims = 3\nBinaryData = True\nTransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 0 0 "
    "0\nElementSpacing = 1 1 1\n"
    "DimSize = 2 3 4\nElementType = MET_UCHAR\n"
)
NRRD = (
    "NRRD0004\ntype: uchar\ndimension: 3\nspace: left-posterior-superior\nsizes: 2 3 4\nspace directions: "
    "(1,0,0) (0,1,0) (0,0,1)\n"
    "space origin: (0,0,0)\nencoding: raw\n"
)


def meta(*lines: str, source: str = "LOCAL", voxels: bytes = bytes(range(24))) -> bytes:
    return (
        "".join([META, *(f"{line}\n" for line in lines), f"ElementDataFile = {source}\n"]).encode() + voxels
    )


def nrrd(*lines: str, voxels: bytes = bytes(range(24))) -> bytes:
    return "".join([NRRD, *(f"{line}\n" for line in lines), "\n"]).encode() + voxels


def test_the_plain_headers_of_these_tests_are_read():
    for data, name in ((meta(), "a.mha"), (meta(), "a.mhd"), (nrrd(), "a.nrrd"), (nrrd(), "a.nhdr")):
        assert volumes.array_zyx(decoding.decode(data, name).volume).ravel().tolist() == list(range(24))


@pytest.mark.requirement("SRS-SEC-1")
@pytest.mark.parametrize(
    "source", ["/etc/services", "../other.raw", "other.raw", "LIST", "slice%03d.raw 1 4 1"]
)
@pytest.mark.parametrize("ending", ["mha", "mhd"])
def test_a_metaimage_whose_voxels_are_elsewhere_is_refused_though_the_file_is_there(tmp_path, source, ending):
    (tmp_path / "other.raw").write_bytes(bytes(24))
    (tmp_path / f"a.{ending}").write_bytes(meta(source=source, voxels=b""))
    with pytest.raises(VolumeError, match="the header points to another file"):
        volumes.read(tmp_path / f"a.{ending}")


@pytest.mark.requirement("SRS-SEC-1")
@pytest.mark.parametrize(
    "line",
    [
        "data file: /etc/services",
        "datafile: ../other.raw",
        "Data File: other.raw",
        "data file: LIST\nother.raw",
        "data file: slice%03d.raw 1 4 1",
    ],
)
@pytest.mark.parametrize("ending", ["nrrd", "nhdr"])
def test_an_nrrd_whose_voxels_are_elsewhere_is_refused_though_the_file_is_there(tmp_path, line, ending):
    (tmp_path / "other.raw").write_bytes(bytes(24))
    (tmp_path / f"a.{ending}").write_bytes(nrrd(line, voxels=b""))
    with pytest.raises(VolumeError, match=r"the header (points to another file|has a line that is no field)"):
        volumes.read(tmp_path / f"a.{ending}")


@pytest.mark.requirement("SRS-SEC-1")
def test_a_second_place_of_the_voxels_in_one_header_is_refused():
    assert "twice" in reason(nrrd("data file: a", "data file: b"), "a.nrrd")
    assert "points to another file" in reason(b"ElementDataFile = /etc/services\n" + meta(), "a.mha")
    assert "points to another file" in reason(
        META.encode() + b"elementdatafile = /etc/services\n" + meta(), "a.mha"
    )


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (meta("HeaderSize = 8"), "a.mha"),
        (meta("HeaderSize = -1"), "a.mha"),
        (nrrd("byte skip: 8"), "a.nrrd"),
        (nrrd("line skip: 1"), "a.nrrd"),
        (nrrd("byte skip: -1"), "a.nrrd"),
    ],
)
def test_a_header_that_leaves_out_part_of_its_file_is_refused(data, name):
    assert "leaves out part of the file" in reason(data, name)


@pytest.mark.parametrize(
    ("magic", "words"),
    [(b"ni1\0", "the header of a pair .hdr and .img"), (b"\0\0\0\0", "an Analyze 7.5 header")],
)
def test_a_nifti_header_whose_voxels_are_in_another_file_is_refused(magic, words):
    assert reason(patched(nifti(LEFT_BACK_HEAD), 344, "4s", magic)).startswith(words)


# What follows the voxels


@pytest.mark.requirement("SRS-DATA-2")
@pytest.mark.parametrize("surplus", [b"\0", b"DOE^JANE 19700131"], ids=["a zero", "a name and a date"])
@pytest.mark.parametrize("ending", ["nii", "nii.gz", "nrrd", "mha"])
def test_what_follows_the_voxels_is_refused(tmp_path, image, ending, surplus):
    data = written(image, tmp_path, ending)
    assert "follow" in reason(data + surplus, f"a.{ending}")
    if ending == "nii.gz":
        assert "follow the voxels" in reason(gzip.compress(gzip.decompress(data) + surplus), "a.nii.gz")
        assert "second gzip member" in reason(data + gzip.compress(surplus), "a.nii.gz")


@pytest.mark.requirement("SRS-DATA-2")
@pytest.mark.parametrize("where", ["in the stream", "in a second member"])
def test_two_gigabytes_of_zeros_after_the_voxels_are_refused_without_inflating_them(where):
    engine = zlib.compressobj(1, wbits=31)
    zeros = (
        b"".join(engine.compress(bytes(2**20)) for _ in range(64)) + engine.flush()
    )  # 64 MiB are enough to see it
    raw = nifti(LEFT_BACK_HEAD)
    if where == "in the stream":
        engine = zlib.compressobj(1, wbits=31)
        data = (
            engine.compress(raw) + b"".join(engine.compress(bytes(2**20)) for _ in range(64)) + engine.flush()
        )
    else:
        data = gzip.compress(raw) + zeros
    tracemalloc.start()
    begin = time.perf_counter()
    assert "follow" in reason(data, "a.nii.gz")
    seconds, (_, peak) = time.perf_counter() - begin, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * 2**20
    assert seconds < 5


@pytest.mark.parametrize("ending", ["nrrd", "mha"])
def test_more_data_in_a_compressed_stream_of_text_headers_are_refused(tmp_path, image, ending):
    data = written(image, tmp_path, ending, useCompression=True)
    split = data.index(b"\n\n") + 2 if ending == "nrrd" else data.index(b"LOCAL\n") + 6
    wbits = 31 if ending == "nrrd" else 15
    engine = zlib.compressobj(wbits=wbits)
    more = engine.compress(zlib.decompress(data[split:], wbits=wbits) + bytes(100)) + engine.flush()
    assert "more data follow the voxels" in reason(data[:split] + more, f"a.{ending}")


# What a header declares


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_nifti_header_that_declares_a_terabyte_is_refused_before_anything_is_allocated(name):
    data = patched(nifti(LEFT_BACK_HEAD), 40, "<8h", 3, 16384, 16384, 1024, 1, 1, 1, 1)
    assert "at most 4294967296 are read" in reason(gzip.compress(data) if name.endswith("gz") else data, name)


def test_text_headers_that_declare_a_terabyte_are_refused():
    assert "at most" in reason(meta().replace(b"DimSize = 2 3 4", b"DimSize = 16384 16384 4096"), "a.mha")
    assert "at most" in reason(nrrd().replace(b"sizes: 2 3 4", b"sizes: 16384 16384 4096"), "a.nrrd")


@pytest.mark.parametrize(
    ("offset", "layout", "values", "words"),
    [
        (40, "<h", (0,), "declares sizes"),
        (40, "<h", (9,), "declares sizes"),
        (42, "<h", (-3,), "declares sizes"),
        (70, "<h", (77,), "values of type 77"),
        (72, "<h", (8,), "8 bits a voxel"),
        (108, "<f", (0.0,), "places the voxels at byte 0"),
        (108, "<f", (float("nan"),), "places the voxels at byte nan"),
        (80, "<f", (0.0,), "a spacing of 0 1 1 mm"),
        (80, "<f", (-1.0,), "a spacing of -1"),
        (84, "<f", (float("nan"),), "not finite: pixdim"),
        (112, "<f", (float("inf"),), "not finite: scl_slope"),
        (268, "<f", (float("nan"),), "not finite: qform"),
        (292, "<f", (float("nan"),), "not finite: sform"),
        (123, "<b", (3,), "lengths in microns"),
    ],
)
def test_a_nifti_header_that_contradicts_itself_is_refused_with_what_it_says(offset, layout, values, words):
    assert words in reason(patched(nifti(LEFT_BACK_HEAD, LEFT_BACK_HEAD), offset, layout, *values))


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        (meta().replace(b"Offset = 0 0 0", b"Offset = nan 0 0"), "a.mha", "not finite: Offset"),
        (
            meta().replace(b"ElementSpacing = 1 1 1", b"ElementSpacing = 1 inf 1"),
            "a.mha",
            "not finite: ElementSpacing",
        ),
        (
            meta().replace(b"TransformMatrix = 1", b"TransformMatrix = nan"),
            "a.mha",
            "not finite: TransformMatrix",
        ),
        (nrrd().replace(b"origin: (0,0,0)", b"origin: (nan,0,0)"), "a.nrrd", "not finite: space origin"),
        (
            nrrd().replace(b"directions: (1,0,0)", b"directions: (NaN,0,0)"),
            "a.nrrd",
            "not finite: space directions",
        ),
    ],
)
def test_nan_in_the_geometry_of_text_headers_is_refused(data, name, words):
    assert words in reason(data, name)


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        (meta("DimSize = 2 3 4"), "a.mha", "twice"),
        (meta("one word"), "a.mha", "no field"),
        (meta().replace(b"NDims = 3", b"NDims = 4"), "a.mha", "NDims"),
        (meta().replace(b"MET_UCHAR", b"MET_STRING"), "a.mha", "values of type"),
        (meta().replace(b"= Image", b"= Scene"), "a.mha", "object of type"),
        (nrrd("sizes: 2 3 4"), "a.nrrd", "twice"),
        (nrrd("colour: red"), "a.nrrd", "does not know"),
        (nrrd().replace(b"raw", b"zstd"), "a.nrrd", "encoding"),
        (nrrd().replace(b"uchar", b"block"), "a.nrrd", "values of type"),
        (nrrd().replace(b"sizes: 2 3 4", b"sizes: 2 -3 4"), "a.nrrd", "sizes"),
        (NRRD.encode(), "a.nrrd", "no end"),
        (META.encode(), "a.mha", "no ElementDataFile"),
    ],
)
def test_text_headers_that_contradict_themselves_are_refused(data, name, words):
    assert words in reason(data, name)


@pytest.mark.parametrize(("make", "name"), [(meta, "a.mha"), (nrrd, "a.nrrd")])
def test_a_megabyte_of_spaces_in_a_header_is_refused_in_a_second(make, name):
    begin = time.process_time()
    assert "no field" in reason(make("a" + " " * 9 * 10**5 + "b"), name)
    assert time.process_time() - begin < 1


@pytest.mark.parametrize(("make", "line", "name"), [(meta, "k{} = 1", "a.mha"), (nrrd, "k{}:=1", "a.nrrd")])
def test_a_header_of_many_fields_is_read_in_a_second(make, line, name):
    begin = time.process_time()
    assert decoding.decode(
        make(*(line.format(number) for number in range(90_000))), name
    ).volume.GetSize() == (2, 3, 4)
    assert time.process_time() - begin < 1


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        (
            meta().replace(b"1 0 0 0 1 0 0 0 1", b"1 0 0"),
            "a.mha",
            "TransformMatrix has 3 numbers, expected 9",
        ),
        (meta().replace(b"1 0 0 0 1 0 0 0 1", b"1 0 0 0 1 0 0 0 0"), "a.mha", "span no space"),
        (
            meta().replace(b"ElementSpacing = 1 1 1", b"ElementSpacing = -1 1 1"),
            "a.mha",
            "a spacing of -1 1 1 mm",
        ),
        (meta().replace(b"ElementSpacing = 1 1 1\n", b""), "a.mha", "no ElementSpacing"),
        (
            nrrd().replace(b"space directions: (1,0,0) (0,1,0) (0,0,1)\n", b""),
            "a.nrrd",
            "neither space directions nor spacings",
        ),
        (
            nrrd().replace(b"space origin: (0,0,0)", b"space origin: (1e30,0,0)"),
            "a.nrrd",
            "places the volume at 1e+30",
        ),
    ],
)
def test_a_grid_that_is_none_or_that_nobody_states_is_refused(data, name, words):
    assert words in reason(data, name)


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_text_headers_of_either_line_ending_are_read(newline):
    for data, name, end in ((meta(), "a.mha", b"LOCAL\n"), (nrrd(), "a.nrrd", b"\n\n")):
        split = data.index(end) + len(end)
        changed = data[:split].replace(b"\n", newline) + data[split:]
        assert volumes.array_zyx(decoding.decode(changed, name).volume).ravel().tolist() == list(range(24))


@pytest.mark.parametrize("count", [23, 25])
def test_voxels_as_text_are_counted(count):
    text = " ".join(map(str, range(count))).encode()
    assert "the header declares 24" in reason(nrrd(voxels=text).replace(b"raw", b"text"), "a.nrrd")
    assert "the header declares 24" in reason(
        meta(voxels=text).replace(b"BinaryData = True", b"BinaryData = False"), "a.mha"
    )


# The place in the world

SHEARED = LEFT_BACK_HEAD.copy()
SHEARED[0, 1] = 0.2
FLIPPED, MOVED = np.diag([1.0, -1.0, 1.0, 1.0]), LEFT_BACK_HEAD.copy()
MOVED[0, 3] = 10


# x along -1 0, y along 0.2 -1: arccos(-0.2 / sqrt(1.04)) = 101.3 degrees
def test_a_sheared_grid_is_refused_by_its_angle():
    assert "axes x and y stand at 101.3 degrees" in reason(nifti(sform=SHEARED))


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (meta().replace(b"TransformMatrix = 1 0 0 0 1 0", b"TransformMatrix = 1 0 0 0.2 1 0"), "a.mha"),
        (nrrd().replace(b"(1,0,0) (0,1,0)", b"(1,0,0) (0.2,1,0)"), "a.nrrd"),
    ],
)
def test_a_sheared_grid_of_another_format_is_refused_too(data, name):
    assert "not at right angles" in reason(data, name)


@pytest.mark.parametrize("codes", [(1, 1), (1, 2), (2, 1)])
def test_forms_that_place_a_volume_10_mm_apart_are_a_warning_with_both(codes):
    (warning,) = decoding.decode(nifti(LEFT_BACK_HEAD, MOVED, codes), "a.nii").warnings
    assert "10 mm apart" in warning
    assert "[-1 0 0 0, 0 -1 0 0, 0 0 1 0]" in warning
    assert "[-1 0 0 10, 0 -1 0 0, 0 0 1 0]" in warning


@pytest.mark.parametrize("codes", [(1, 1), (1, 2), (2, 1), (1, 4)])
@pytest.mark.parametrize(
    "other", [FLIPPED, np.diag([1.0, 1.0, 1.0, 1.0])], ids=["mirrored", "turned about the head"]
)
def test_forms_that_disagree_on_side_are_refused_with_both(codes, other):
    text = reason(nifti(LEFT_BACK_HEAD, other, codes))
    assert "disagree on which side is left" in text
    assert "qform" in text
    assert "sform" in text


@pytest.mark.parametrize(
    "forms",
    [(LEFT_BACK_HEAD, LEFT_BACK_HEAD), (LEFT_BACK_HEAD, None), (None, LEFT_BACK_HEAD), (FLIPPED, FLIPPED)],
)
def test_forms_that_agree_or_stand_alone_are_no_warning(forms):
    assert decoding.decode(nifti(*forms), "a.nii").warnings == ()


def test_a_volume_with_neither_form_is_a_warning():
    (warning,) = decoding.decode(nifti(), "a.nii").warnings
    assert warning.startswith("neither qform nor sform is there")


# ITK takes pixdim, others the sform: another volume in mm³
def test_a_spacing_that_is_not_that_of_the_sform_is_refused():
    coarse = np.diag([-1.0, -1.0, 3.0, 1.0])
    data = patched(nifti(sform=coarse), 88, "<f", 1.0)
    assert "sform and pixdim disagree: 1 1 3 mm a voxel by sform, 1 1 1 mm by pixdim" in reason(data)


def test_text_headers_that_do_not_say_where_left_is_are_a_warning():
    assert (
        len(
            decoding.decode(
                nrrd().replace(b"space: left-posterior-superior\n", b"space dimension: 3\n"), "a.nrrd"
            ).warnings
        )
        == 1
    )
    assert (
        len(decoding.decode(meta().replace(b"TransformMatrix = 1 0 0 0 1 0 0 0 1\n", b""), "a.mha").warnings)
        == 1
    )


# What it is instead


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(200), "a PNG picture"),
        (bytes(128) + b"DICM" + bytes(100), "a DICOM file"),
        (b"PK\3\4" + bytes(200), "a ZIP archive"),
        (b"version https://git-lfs.github.com/spec/v1\n" + bytes(100), "git lfs pull"),
        (b"<!DOCTYPE html><html>" + bytes(200), "a web page"),
        (b"\x89HDF\r\n" + bytes(200), "MINC 2"),
        (nrrd(), "Let its name end in .nrrd"),
        (meta(), "Let its name end in .mha"),
        (gzip.compress(bytes(500), mtime=0), "compressed with gzip"),
    ],
)
def test_another_format_under_the_name_of_nifti_is_named_with_what_to_do(data, words):
    assert words in reason(data, "a.nii")


def test_nifti_that_is_not_compressed_though_its_name_says_so_is_named():
    assert (
        reason(nifti(LEFT_BACK_HEAD), "a.nii.gz")
        == "not compressed, though its name ends in .gz. Let it end in .nii"
    )


def test_nifti_that_is_compressed_twice_is_named():
    assert (
        reason(gzip.compress(gzip.compress(nifti(LEFT_BACK_HEAD))), "a.nii.gz")
        == "compressed twice with gzip. Unpack it once"
    )


def test_a_png_in_gzip_is_named():
    assert "a PNG picture" in reason(gzip.compress(b"\x89PNG" + bytes(600)), "a.nii.gz")


def test_a_name_of_no_format_is_refused():
    assert reason(b"", "a.xyz") == "its name does not end in one of .nii.gz, .nii, .nrrd, .mha"


def test_a_folder_a_pipe_and_nothing_are_no_file(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe.nii")
    for path, words in (
        (tmp_path, "a folder"),
        (tmp_path / "pipe.nii", "not a plain file"),
        (tmp_path / "none.nii", "no such file"),
    ):
        with pytest.raises(VolumeError, match=words):
            content.read(path)


# Identity


@pytest.mark.requirement("SRS-DATA-6")
def test_a_name_in_an_extension_of_nifti_is_found():
    made = nibabel.Nifti1Image(np.zeros((2, 3, 4), np.int16), np.eye(4))
    made.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"patient: DOE^JANE"))
    decoded = decoding.decode(made.to_bytes(), "a.nii")
    assert headers.identifying_text(decoded.volume, decoded.free_text) == ["extension: a person's name"]


def test_numbers_in_an_extension_of_nifti_are_no_alarm():  # AFNI writes ids and dates of its own
    made = nibabel.Nifti1Image(np.zeros((2, 3, 4), np.int16), np.eye(4))
    made.header.extensions.append(
        nibabel.nifti1.Nifti1Extension(
            "afni", b'<AFNI_attributes self_idcode="AFN_123456" HISTORY="2019-01-31">'
        )
    )
    decoded = decoding.decode(made.to_bytes(), "a.nii")
    assert headers.identifying_text(decoded.volume, decoded.free_text) == []


@pytest.mark.requirement("SRS-DATA-6")
@pytest.mark.parametrize("line", ["# Patient: Doe Jane", "content: DOE^JANE", "PatientName:=DOE^JANE"])
def test_a_name_in_a_comment_of_nrrd_is_found(line):
    decoded = decoding.decode(nrrd(line), "a.nrrd")
    assert len(headers.identifying_text(decoded.volume, decoded.free_text)) == 1


def test_keys_of_3d_slicer_are_no_alarm():
    decoded = decoding.decode(
        nrrd("Segment0_Color:=0.501961 0.682353 0.501961", "Segment0_ID:=Segment_1", "Segment0_Name:=liver"),
        "a.nrrd",
    )
    assert headers.identifying_text(decoded.volume, decoded.free_text) == []


@pytest.mark.requirement("SRS-DATA-6")
@pytest.mark.parametrize("line", ["Name = DOE^JANE", "Comment = DOE^JANE", "AcquisitionDate = 1970-01-31"])
def test_a_name_in_a_field_of_metaimage_is_found(line):
    decoded = decoding.decode(meta(line), "a.mha")
    assert len(headers.identifying_text(decoded.volume, decoded.free_text)) == 1


@pytest.mark.requirement("SRS-DATA-6")
def test_a_name_in_the_header_of_gzip_is_found():
    packed = io.BytesIO()
    with gzip.GzipFile("DOE^JANE.nii", "wb", fileobj=packed) as file:
        file.write(nifti(LEFT_BACK_HEAD))
    decoded = decoding.decode(packed.getvalue(), "a.nii.gz")
    assert headers.identifying_text(decoded.volume, decoded.free_text) == ["gzip: a person's name"]
