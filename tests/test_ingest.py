"""Ingest: what is written is what was read, in one orientation, described in mm, and the same bytes every
time."""

import argparse
import copy
import gzip
import json
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.imaging import identity, volumes
from radiotrace.pipeline import stage
from radiotrace.records.dataset import ImageFile, LabelMapFile
from radiotrace.records.sections.ingest import IngestParams
from stages import ingest
from tests import phantoms, projects

SETTINGS = IngestParams(orientation="LPS", spacing_mm=None, missing_words=(), bands={})


# One array


# 0..200 in steps of 1: percentile p is 2p, variance (201² - 1)/12 = 3366.67
def test_intensities_of_0_to_200():
    found = ingest.describe_image(np.arange(201.0).reshape(1, 3, 67)).record()
    assert found == pytest.approx(
        {
            "min": 0,
            "p0_5": 1,
            "median": 100,
            "p99_5": 199,
            "max": 200,
            "mean": 100,
            "sd": np.sqrt((201**2 - 1) / 12),
        },
        abs=1e-9,
    )


def test_intensities_leave_out_voxels_that_are_not_finite():
    array = np.array([[[1, np.nan, 3, np.inf, -np.inf, 5]]], np.float32)
    assert ingest.describe_image(array) == ingest.describe_image(np.array([[[1, 3, 5]]]))


def test_intensities_without_a_finite_voxel_are_null():
    assert set(ingest.describe_image(np.full((2, 3, 4), np.nan)).record().values()) == {None}


def test_intensities_do_not_depend_on_the_pixel_type():
    array = np.arange(120).reshape(4, 5, 6)
    assert ingest.describe_image(array.astype(np.uint8)) == ingest.describe_image(array.astype(np.float64))


# 5 and 3 voxels of 0.5 · 2 · 3 = 3 mm³; background is no label
def test_label_volumes_are_voxels_times_their_size():
    array = np.array([[[0] * 4 + [1] * 5 + [7] * 3]], np.uint8)
    assert ingest.describe_label_map(array, (0.5, 2.0, 3.0)) == {"1": 15.0, "7": 9.0}


def test_label_volumes_of_the_phantom():
    found = ingest.describe_label_map(phantoms.label_array(), phantoms.SPACING_XYZ)
    assert found == pytest.approx({str(value): volume for value, volume in phantoms.VOLUMES_MM3.items()})


def test_labels_that_are_no_small_integers_keep_their_value():
    found = ingest.describe_label_map(np.array([[[0, 0.5, -1, 300, np.nan]]]), (1, 1, 1))
    assert found == {"-1": 1.0, "0.5": 1.0, "300": 1.0}


# as an interpolation leaves it; it must not pass for a known label
def test_a_label_that_is_almost_1_is_not_1():
    array = np.array([[[0, 1, 1, np.nextafter(np.float32(1), np.float32(2))]]], np.float32)
    found = ingest.describe_label_map(array, (1, 1, 1))
    assert (found["1"], len(found)) == (2.0, 2)


def compacted(array) -> sitk.Image:
    return ingest.compact(phantoms.volume(array), array)


@pytest.mark.parametrize("pixel_type", [np.uint8, np.int16, np.float32, np.float64])
def test_small_integers_of_any_type_become_uint8(pixel_type):
    array = phantoms.label_array().astype(pixel_type)
    found = compacted(array)
    assert found.GetPixelID() == sitk.sitkUInt8
    assert np.array_equal(volumes.array_zyx(found), array)


@pytest.mark.parametrize("value", [256, -1, 0.5, np.nan, np.inf, 1e20])
def test_labels_that_are_no_small_integers_stay_for_validate_to_see(value):
    array = phantoms.label_array().astype(np.float64)
    array[3, 5, 7] = value
    assert np.array_equal(volumes.array_zyx(compacted(array)), array, equal_nan=True)


def test_compact_keeps_the_grid():
    volume = phantoms.volume(phantoms.label_array().astype(np.int16))
    assert volumes.grid(ingest.compact(volume, volumes.array_zyx(volume))) == volumes.grid(volume)


# One file


def bring_in(folder: Path, name: str, is_label_map=False, settings=SETTINGS) -> dict:
    kind = LabelMapFile if is_label_map else ImageFile
    file = ingest.opened(folder, name, kind)
    return ingest.bring_in(file, kind, settings, folder / "out", "volume.nii.gz").record()


FOUR_D = sitk.JoinSeries([phantoms.pair(0)[0]] * 3)
COLOUR = sitk.Compose([phantoms.pair(0)[0]] * 3)
FLAT = phantoms.pair(0)[0][:, :, 3]


@pytest.mark.parametrize(
    ("volume", "fault"),
    [(FOUR_D, "4-D (18 x 22 x 14 x 3), 1"), (COLOUR, "3-D (18 x 22 x 14), 3"), (FLAT, "2-D (18 x 22), 1")],
    ids=["4-D", "vectors", "2-D"],
)
@pytest.mark.parametrize("ending", ["nrrd", "nii.gz"])
def test_a_volume_of_another_kind_is_a_fault_with_its_size_and_its_values_a_voxel(
    tmp_path, volume, fault, ending
):
    sitk.WriteImage(volume, str(tmp_path / f"raw.{ending}"))
    assert bring_in(tmp_path, f"raw.{ending}")["fault"].startswith(fault)


def test_a_nifti_of_colours_is_a_fault(tmp_path):  # datatype 128: three bytes a voxel
    colours = np.zeros((18, 22, 14), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.Nifti1Image(colours, np.eye(4)).to_filename(tmp_path / "raw.nii.gz")
    assert bring_in(tmp_path, "raw.nii.gz")["fault"].startswith("3-D (18 x 22 x 14), 3")


@pytest.mark.requirement("SRS-DATA-2")
def test_a_cut_file_is_a_fault(tmp_path):
    sitk.WriteImage(phantoms.pair(0)[0], str(tmp_path / "raw.nii.gz"))
    whole = (tmp_path / "raw.nii.gz").read_bytes()
    (tmp_path / "raw.nii.gz").write_bytes(whole[: len(whole) // 2])
    assert bring_in(tmp_path, "raw.nii.gz")["fault"].startswith("cut: ")


def test_a_volume_of_complex_numbers_is_a_fault(tmp_path):  # raw MRI; it has one component a voxel
    sitk.WriteImage(sitk.Cast(phantoms.pair(0)[0], sitk.sitkComplexFloat32), str(tmp_path / "raw.nii.gz"))
    assert "complex" in bring_in(tmp_path, "raw.nii.gz")["fault"]


@pytest.mark.parametrize("is_label_map", [False, True])
def test_a_damaged_file_is_a_fault_and_all_else_unknown(tmp_path, is_label_map):
    (tmp_path / "raw.nii.gz").write_bytes(b"garbage" * 100)
    found = bring_in(tmp_path, "raw.nii.gz", is_label_map)
    assert found.pop("fault") == "damaged or of an unknown format (700 bytes)"
    assert {key for key, value in found.items() if value} == {"path", "sha256"}


def test_a_damaged_file_leaves_no_volume(tmp_path):
    (tmp_path / "raw.nii.gz").write_bytes(b"garbage" * 100)
    bring_in(tmp_path, "raw.nii.gz")
    assert not (tmp_path / "out").exists()


@pytest.mark.requirement("SRS-DATA-2")
@pytest.mark.parametrize("ending", ["nii.gz", "nii", "nrrd", "mha"])
def test_a_voxel_that_is_not_finite_is_counted(tmp_path, ending):
    array = phantoms.image_array(phantoms.label_array(), 0)
    array[3, 5, 7], array[3, 5, 8] = np.nan, np.inf
    sitk.WriteImage(phantoms.volume(array), str(tmp_path / f"raw.{ending}"))
    assert bring_in(tmp_path, f"raw.{ending}")["non_finite_voxels"] == 2


@pytest.mark.requirement("SRS-DATA-6")
@pytest.mark.parametrize("orientation", ["LPS", "RAS"])
def test_text_of_the_header_is_recorded_by_kind(tmp_path, orientation):
    volume = phantoms.pair(0)[0]
    volume.SetMetaData("aux_file", "DOE^JANE")
    sitk.WriteImage(volume, str(tmp_path / "raw.nii.gz"))
    assert bring_in(tmp_path, "raw.nii.gz", settings=replace(SETTINGS, orientation=orientation))[
        "identifying_text"
    ] == ["aux_file: a person's name"]


@pytest.mark.requirement("SRS-DATA-6")
def test_text_of_the_header_does_not_travel_on(tmp_path):
    volume = phantoms.pair(0)[0]
    volume.SetMetaData("aux_file", "DOE^JANE")
    sitk.WriteImage(volume, str(tmp_path / "raw.nii.gz"))
    bring_in(tmp_path, "raw.nii.gz")
    assert b"DOE" not in gzip.decompress((tmp_path / "out/volumes/volume.nii.gz").read_bytes())


def test_grid_and_pixel_type_are_those_of_the_raw_file(tmp_path):  # for validate to compare
    volume = sitk.DICOMOrient(sitk.Cast(phantoms.pair(0)[1], sitk.sitkInt16), "RAS")
    sitk.WriteImage(volume, str(tmp_path / "raw.nrrd"))
    found = bring_in(tmp_path, "raw.nrrd", is_label_map=True)
    assert volumes.grid_faults(found["grid"], volumes.grid(volume), 1e-9, 1e-9) == []
    assert found["pixel_type"] == "16-bit signed integer"


def test_the_digest_of_voxels_is_that_of_the_canonical_volume(tmp_path):
    one = phantoms.pair(0)[0]
    sitk.WriteImage(one, str(tmp_path / "lps.nrrd"))
    sitk.WriteImage(sitk.DICOMOrient(one, "RAS"), str(tmp_path / "ras.nrrd"))
    assert bring_in(tmp_path, "lps.nrrd")["voxels_sha256"] == bring_in(tmp_path, "ras.nrrd")["voxels_sha256"]


# The stage

ARGUMENTS = [
    "--data",
    "data",
    "--manifest",
    "data.sha256",
    "--out",
    "ingest",
    "--params",
    "params.yaml",
    "--requirements",
    "requirements.txt",
]


def run() -> int:
    """The stage in the current folder, as its command line runs it."""
    return stage.run(ingest.main, copy.deepcopy(ingest.parser), ARGUMENTS)


def create(folder: Path, cases: int) -> None:
    phantoms.write_dataset(folder / "data", cases)
    (folder / "params.yaml").write_bytes((projects.ROOT / "params.yaml").read_bytes())


def make_manifest() -> None:
    Path("data.sha256").write_text(identity.manifest("data"))


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A folder in which 16 phantoms were brought in. No test changes it."""
    folder = tmp_path_factory.mktemp("ingest")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        create(folder, 16)
        make_manifest()
        assert run() == 0
    return folder


@pytest.fixture
def small(tmp_path, monkeypatch):
    """The current folder, with two phantoms."""
    monkeypatch.chdir(tmp_path)
    create(tmp_path, 2)
    make_manifest()
    return tmp_path


def record(folder: Path) -> dict:
    return records.read(folder / "ingest/dataset.json", "dataset")


def test_every_case_is_recorded_without_fault(done):
    found = [
        (case["case_id"], case["image"]["fault"], case["label_map"]["fault"])
        for case in record(done)["cases"]
    ]
    assert found == [(f"phantom_{number:02d}", None, None) for number in range(16)]


def test_label_volumes_of_every_case_are_those_of_its_boxes(done):  # to the float32 of a NIfTI header
    expected = {str(value): volume for value, volume in phantoms.VOLUMES_MM3.items()}
    assert all(
        case["label_map"]["label_volumes_mm3"] == pytest.approx(expected, rel=1e-6)
        for case in record(done)["cases"]
    )


@pytest.mark.parametrize("kind", ["image", "label_map"])
# turned by 45 degrees at most: cosines of 0.707 and more
def test_every_volume_points_to_left_posterior_superior(done, kind):
    for case in record(done)["cases"]:
        direction = np.reshape(
            volumes.read(done / "ingest/volumes" / case[kind]["volume"]).GetDirection(), (3, 3)
        )
        assert (np.diag(direction) > 0.7).all()


def centre_of_label(path, value: int) -> np.ndarray:
    volume = volumes.read(path)
    indices = np.argwhere(volumes.array_zyx(volume) == value)[:, ::-1].mean(axis=0)
    return np.array(volume.TransformContinuousIndexToPhysicalPoint(indices.tolist()))


@pytest.mark.requirement("SRS-DATA-7")
@pytest.mark.parametrize("value", phantoms.BOXES_XYZ)
def test_the_boxes_of_every_case_stay_where_they_are_in_the_world(done, value):
    for case in record(done)["cases"]:
        before = centre_of_label(done / "data" / case["label_map"]["path"], value)
        after = centre_of_label(done / "ingest/volumes" / case["label_map"]["volume"], value)
        assert np.allclose(after, before, rtol=0, atol=1e-4)


# what is under the boxes, sorted, is the same before and after
def test_images_keep_their_values_under_their_labels(done):
    for case in record(done)["cases"]:
        raw, out = (
            [volumes.array_zyx(volumes.read(path)) for path in paths]
            for paths in (
                (done / "data" / case["image"]["path"], done / "data" / case["label_map"]["path"]),
                (
                    done / "ingest/volumes" / case["image"]["volume"],
                    done / "ingest/volumes" / case["label_map"]["volume"],
                ),
            )
        )
        assert np.array_equal(np.sort(raw[0][raw[1] == 2]), np.sort(out[0][out[1] == 2]))


def test_every_digest_of_a_volume_is_that_of_its_file(done):
    for case in record(done)["cases"]:
        for kind in ("image", "label_map"):
            assert (
                records.sha256(done / "ingest/volumes" / case[kind]["volume"]) == case[kind]["volume_sha256"]
            )


def test_subjects_are_counted_once(done):  # every fourth of 16 cases is a twin: 12 subjects
    found = record(done)["dataset"]
    assert (found["cases"], found["subjects"]) == (16, 12)


def test_attributes_of_cases_csv_are_recorded(done):
    assert [case["attributes"] for case in record(done)["cases"]][:2] == [
        {"site": "south"},
        {"site": "north"},
    ]


def test_nothing_but_volumes_and_records_is_written(done):
    names = {f"phantom_{number:02d}.nii.gz" for number in range(16)}
    assert set(contents(done / "ingest")) == {"dataset.json", "provenance.json"} | {
        f"volumes/{kind}/{name}" for kind in ("images", "label_maps") for name in names
    }


def test_no_record_holds_a_path_of_this_machine(done):
    assert (
        str(done)
        not in (done / "ingest/dataset.json").read_text() + (done / "ingest/provenance.json").read_text()
    )


def test_running_twice_gives_the_same_bytes(small):
    run()
    before = contents(small / "ingest")
    run()
    assert contents(small / "ingest") == before


def test_another_folder_gives_the_same_bytes(small, done):
    run()
    name = "volumes/images/phantom_01.nii.gz"
    assert contents(small / "ingest")[name] == contents(done / "ingest")[name]


def test_one_other_byte_of_a_file_is_another_root(small):
    run()
    before = record(small)["dataset"]["root_sha256"]
    sitk.WriteImage(phantoms.pair(9)[0], "data/imagesTr/phantom_00.nii.gz")
    make_manifest()
    run()
    assert record(small)["dataset"]["root_sha256"] != before


def test_a_spacing_that_is_asked_for_is_that_of_every_volume(small):
    projects.set_params(small, ingest={"spacing_mm": [1.0, 1.2, 1.5]})
    run()
    for path in sorted((small / "ingest/volumes").rglob("*.nii.gz")):
        assert volumes.read(path).GetSpacing() == pytest.approx((1.0, 1.2, 1.5), abs=1e-6)


# R, A, S are -1, -1, +1 in the LPS world
def test_an_orientation_that_is_asked_for_is_that_of_every_volume(small):
    projects.set_params(small, ingest={"orientation": "RAS"})
    run()
    for path in sorted((small / "ingest/volumes").rglob("*.nii.gz")):
        assert np.sign(np.reshape(volumes.read(path).GetDirection(), (3, 3)).diagonal()).tolist() == [
            -1,
            -1,
            1,
        ]


FIELD = {"method": "n4", "mask": "nonzero", "shrink_mm": 4.0, "iterations": [2]}


@pytest.mark.requirement("SRS-DATA-15")
@pytest.mark.parametrize(("modality", "reason"), [("CT", "CT has no coils"), ("PET", "nobody says")])
def test_a_bias_field_of_what_is_no_mri_stops_it_before_anything_is_written(small, capsys, modality, reason):
    declared = json.loads(Path("data/dataset.json").read_text())
    Path("data/dataset.json").write_text(json.dumps(declared | {"modality": {"0": modality}}))
    make_manifest()
    projects.set_params(small, ingest={"bias_field": FIELD})
    assert run() == 1
    assert reason in capsys.readouterr().err
    assert not (small / "ingest").exists()


@pytest.mark.requirement("SRS-DATA-15")
def test_a_bias_field_of_an_mri_is_divided_out_of_images_and_of_no_label_map(small):
    run()
    before = record(small)["cases"]
    projects.set_params(small, ingest={"bias_field": FIELD})
    assert run() == 0
    for case, whole in zip(record(small)["cases"], before, strict=True):
        assert case["image"]["bias_field"]["least"] < case["image"]["bias_field"]["most"]
        assert case["image"]["voxels_sha256"] != whole["image"]["voxels_sha256"]
        assert case["label_map"] == whole["label_map"]


def test_a_damaged_image_is_recorded_and_does_not_stop_it(small):
    Path("data/imagesTr/phantom_00.nii.gz").write_bytes(b"garbage" * 100)
    make_manifest()
    assert run() == 0
    assert [case["image"]["fault"] for case in record(small)["cases"]] == [
        "damaged or of an unknown format (700 bytes)",
        None,
    ]


@pytest.mark.parametrize(
    "fill", [np.nan, 1e200, 3.4e38], ids=["NaN", "a square beyond float64", "the end of float32"]
)
def test_an_image_of_extreme_values_is_recorded(small, fill):
    sitk.WriteImage(phantoms.volume(np.full((14, 22, 18), fill)), "data/imagesTr/phantom_00.nii.gz")
    make_manifest()
    assert run() == 0


@pytest.mark.requirement("SRS-DATA-1")
def test_data_that_differ_from_the_manifest_stop_it(small, capsys):
    Path("data/imagesTr/phantom_00.nii.gz").write_bytes(b"")
    Path("data/labelsTr/phantom_01.nii.gz").unlink()
    assert run() == 1
    message = capsys.readouterr().err
    assert "ingest: 2 files of data/ differ from data.sha256" in message
    assert "data/imagesTr/phantom_00.nii.gz: changed" in message
    assert "data/labelsTr/phantom_01.nii.gz: missing" in message


@pytest.mark.requirement("SRS-UI-1")
@pytest.mark.parametrize("damage", ["manifest", "tables"])
def test_a_run_that_stops_leaves_the_earlier_one(small, damage):
    run()
    before = contents(small / "ingest")
    Path("data/cases.csv").write_text("case_id\n")
    if damage == "tables":
        make_manifest()
    assert run() == 1
    assert contents(small / "ingest") == before
    assert not list(small.glob("*.partial"))


def test_an_empty_data_folder_stops_it(small, capsys):
    for path in [path for path in Path("data").rglob("*") if path.is_file()]:
        path.unlink()
    assert run() == 1
    assert capsys.readouterr().err.startswith("ingest: 0 files in data/\n")


@pytest.mark.requirement("SRS-SEC-1")
def test_a_path_that_leaves_the_data_folder_stops_it(small, capsys):
    sitk.WriteImage(phantoms.pair(0)[0], "outside.nii.gz")
    declared = json.loads(Path("data/dataset.json").read_text())
    declared["training"][0]["image"] = "../outside.nii.gz"
    Path("data/dataset.json").write_text(json.dumps(declared))
    make_manifest()
    assert run() == 1
    assert "../outside.nii.gz leaves the data folder" in capsys.readouterr().err


def test_main_raises_what_the_command_prints(small):
    Path("data.sha256").unlink()
    args = argparse.Namespace(
        data="data",
        manifest="data.sha256",
        out="ingest",
        params="params.yaml",
        requirements=["requirements.txt"],
    )
    with pytest.raises(StageError, match=r"^data.sha256 is not a manifest"):
        ingest.main(args)


# What strangers handed in: each file gets through, or is a fault of its own case beside which the others
# stand


def sheared() -> bytes:
    made = nibabel.Nifti1Image(np.zeros((18, 22, 14), np.float32), None)
    made.set_sform([[-1, 0.2, 0, 0], [0, -1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], 1)
    return made.to_bytes()


def with_nan_in_its_origin() -> bytes:
    made = bytearray(nibabel.Nifti1Image(np.zeros((18, 22, 14), np.float32), np.eye(4)).to_bytes())
    made[292:296] = np.float32(np.nan).tobytes()  # the last number of srow_x
    return bytes(made)


@pytest.mark.parametrize(
    ("make", "words"), [(sheared, "not at right angles"), (with_nan_in_its_origin, "not finite: sform")]
)
def test_a_geometry_of_no_use_is_a_fault_of_its_case_and_the_other_stays(small, make, words):
    Path("data/imagesTr/phantom_00.nii.gz").write_bytes(gzip.compress(make()))
    make_manifest()
    assert run() == 0
    first, second = record(small)["cases"]
    assert words in first["image"]["fault"]
    assert second["image"]["fault"] is None


def add_case(image_name: str, image: bytes, label_name: str, label_map: bytes) -> None:
    """One more case, of a subject of its own."""
    Path("data/imagesTr", image_name).write_bytes(image)
    Path("data/labelsTr", label_name).write_bytes(label_map)
    declared = json.loads(Path("data/dataset.json").read_text())
    declared["training"].append({"image": f"imagesTr/{image_name}", "label": f"labelsTr/{label_name}"})
    Path("data/dataset.json").write_text(json.dumps(declared))
    case_id = image_name.removesuffix(".gz").removesuffix(".nii").removesuffix(".mha")
    Path("data/cases.csv").write_text(Path("data/cases.csv").read_text() + f"{case_id},{case_id},north\n")
    make_manifest()


@pytest.mark.requirement("SRS-SEC-1")
def test_a_metaimage_that_points_to_a_file_of_the_machine_is_a_fault_and_no_volume(small):
    header = (
        b"ObjectType = Image\nNDims = 3\nBinaryData = True\nElementSpacing = 1 1 1\nDimSize = 8 8 "
        b"8\nElementType = MET_UCHAR\n"
        b"ElementDataFile = /etc/services\n"
    )
    add_case("z.mha", header, "z.nii.gz", Path("data/labelsTr/phantom_00.nii.gz").read_bytes())
    assert run() == 0
    case = record(small)["cases"][-1]
    assert "points to another file (ElementDataFile = /etc/services)" in case["image"]["fault"]
    assert not (small / "ingest/volumes/images/z.nii.gz").exists()


@pytest.mark.parametrize("case_id", ["x.nii", "a.img", "a.hdr"])
def test_a_case_id_that_looks_like_an_ending_is_brought_in(small, case_id):
    add_case(
        f"{case_id}.nii.gz",
        Path("data/imagesTr/phantom_01.nii.gz").read_bytes(),
        f"{case_id}.nii.gz",
        Path("data/labelsTr/phantom_01.nii.gz").read_bytes(),
    )
    assert run() == 0
    case = next(case for case in record(small)["cases"] if case["case_id"] == case_id)
    assert case["image"]["fault"] is None
    assert records.sha256(small / f"ingest/volumes/images/{case_id}.nii.gz") == case["image"]["volume_sha256"]


def test_a_doubt_about_the_place_travels_in_the_record(small):
    made = nibabel.Nifti1Image(np.random.default_rng(0).normal(size=(18, 22, 14)).astype(np.float32), None)
    made.set_qform(np.diag([-1, -1, 1, 1]), 1)
    made.set_sform([[-1, 0, 0, 10], [0, -1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], 1)
    Path("data/imagesTr/phantom_00.nii.gz").write_bytes(gzip.compress(made.to_bytes()))
    make_manifest()
    assert run() == 0
    assert "10 mm apart" in record(small)["cases"][0]["image"]["warnings"][0]
    assert "warnings" not in record(small)["cases"][1]["image"]


def test_text_of_a_header_that_steers_a_terminal_is_shown_in_the_record(small):
    header = b"ObjectType = Image\nElementDataFile = /a\x1b[2J\n"
    add_case("z.mha", header, "z.nii.gz", Path("data/labelsTr/phantom_00.nii.gz").read_bytes())
    assert run() == 0
    assert r"/a\x1b[2J" in record(small)["cases"][-1]["image"]["fault"]


@pytest.mark.requirement("SRS-DATA-1")
def test_a_file_that_changes_after_the_manifest_was_checked_stops_it(small, capsys, monkeypatch):
    def check_then_change(*paths):
        checked(*paths)
        Path("data/imagesTr/phantom_00.nii.gz").write_bytes(
            Path("data/imagesTr/phantom_01.nii.gz").read_bytes()
        )

    checked = identity.check_manifest
    monkeypatch.setattr(identity, "check_manifest", check_then_change)
    assert run() == 1
    assert "1 files of data/ changed while they were read" in capsys.readouterr().err


def test_ages_become_bands_and_missing_words_nothing(small):
    projects.set_params(small, ingest={"bands": {"age": [40, 65]}})
    Path("data/cases.csv").write_text("case_id,subject_id,age\nphantom_00,s0,71\nphantom_01,s1,N/A\n")
    make_manifest()
    assert run() == 0
    assert [case["attributes"] for case in record(small)["cases"]] == [{"age": "3: 65 or more"}, {}]


def test_values_at_the_end_of_float64_are_recorded(small):
    array = np.full((14, 22, 18), 1.7e308)
    array[::2] = -1.7e308
    sitk.WriteImage(phantoms.volume(array), "data/imagesTr/phantom_00.nii.gz")
    make_manifest()
    assert run() == 0
