"""predict on DICOM by a model of several channels: each channel's series is found, or it is said why not;
results refer to the series on whose grid the labels are."""

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from radiotrace import records
from radiotrace.imaging import volumes
from radiotrace.imaging.channels import Channel
from radiotrace.imaging.image import Image
from radiotrace.inference import onnx_network, released_model, sliding
from tests import dicoms, predicting, released
from tests.test_predict_dicom import by_dcmqi, in_world

run, model = predicting.run, predicting.model  # fixtures
T2, ADC = 1, 2  # numbers of series


@pytest.fixture
def two(tmp_path):
    """A model of two channels."""

    def made(*names: str, modality: str = "MRI"):
        rows = [{"name": name, "modality": {"CT": "CT", "PET": "other"}.get(name, "MRI")} for name in names]
        return released.write(
            tmp_path / "two",
            channels=2,
            modality=modality,
            preprocessing={
                "channels": [row | {"clip_percentiles": [0, 100]} for row in rows],
                "clip_percentiles": None,
            },
            network={"image_channels": 2},
            learnt_from={"intensity": [{"low": -1e4, "high": 1e4}] * 2},
        )

    return made


def noisy(seed: int) -> np.ndarray:
    shape = dicoms.SIZE_XYZ[::-1]
    return np.random.default_rng(seed).integers(0, 900, shape).astype(np.int16)


def series(number: int, description: str, modality: str = "MR", study: int = 1, **of_slices) -> list:
    files = dicoms.slices(noisy(number), series=number, modality=modality, study=study, **of_slices)
    for data in files:
        data.SeriesDescription, data.ReferringPhysicianName = description, "Secret^Name"
    return files


def shifted(files: list) -> list:
    """On a grid that begins half a voxel further along the columns."""
    step = dicoms.world(0.5, 0, 0) - dicoms.world(0, 0, 0)
    for data in files:
        place = np.array(data.ImagePositionPatient, float) + step
        data.ImagePositionPatient = [f"{value:.10g}" for value in place]
    return files


def write(folder, *of_channels):
    for number, files in enumerate(of_channels):
        dicoms.write(folder / f"new/{number}", files)


def only(run) -> tuple[str, dict]:
    [path] = (run.folder / "out").rglob("result.json")
    return path.parent.name, records.read(path, "predicted_image")


def expected(folder, *channels: np.ndarray) -> np.ndarray:
    """Labels of channels on the grid of the phantom, (z, y, x)."""
    of = released_model.opened(folder)
    images = []
    for array in channels:
        image = sitk.GetImageFromArray(array.astype(np.float32))
        image.SetSpacing(dicoms.SPACING_XYZ)
        image.SetOrigin(dicoms.ORIGIN.tolist())
        image.SetDirection(dicoms.directions().ravel().tolist())
        images.append(image)
    network = onnx_network.of(folder / "model.onnx", 1)
    named = [Channel(channel.name, channel.modality) for channel in of.recipe.channels]
    return volumes.array_zyx(sliding.label(Image.of(images, named), network, of.recipe).label_map)


@pytest.mark.parametrize("turned_around", [False, True])
def test_channels_of_one_modality_are_found_by_their_names(run, two, turned_around):
    folder = two("T2", "ADC")
    both = [series(T2, "t2w_tse_tra"), series(ADC, "ep2d_diff_ADC")]
    write(run.folder, *(both[::-1] if turned_around else both), series(5, "scout of nothing"))
    status, _, err = run("new", of=folder)
    assert status == 0, err
    name, found = only(run)
    assert [row["channel"] for row in found["inputs"]] == ["T2", "ADC"]
    assert found["modality"] == "MRI"
    assert found["warnings"] == []
    made = sitk.ReadImage(str(run.folder / "out" / name / "label_map.nii.gz"))
    labels = expected(folder, noisy(T2), noisy(ADC))
    assert len(np.unique(labels)) == 3
    assert (volumes.array_zyx(made) == labels).all()
    assert not (labels == expected(folder, noisy(ADC), noisy(T2))).all()  # the order matters
    assert "6 files passed over: of series that are no channel" in err


def test_channels_of_several_modalities_are_found_by_these(run, two):
    folder = two("CT", "PET", modality="CT, PET")
    write(run.folder, series(1, "whatever", "CT"), series(2, "whatever", "PT"))
    status, _, err = run("new", of=folder)
    assert status == 0, err
    name, found = only(run)
    assert found["contract"] == {"faults": [], "is_forced": False, "not_known": []}
    assert found["dicom"]["channels"] == {"CT": dicoms.uid(8, 1, 1), "PET": dicoms.uid(8, 1, 2)}
    made = sitk.ReadImage(str(run.folder / "out" / name / "label_map.nii.gz"))
    assert (volumes.array_zyx(made) == expected(folder, noisy(1), noisy(2))).all()


@pytest.mark.parametrize(("grid", "number"), [("T2", T2), ("ADC", ADC)])
def test_results_refer_to_the_series_on_whose_grid_they_are(run, two, grid, number):
    write(run.folder, series(T2, "T2"), shifted(series(ADC, "ADC")))
    status, _, err = run("new", "--grid", grid, of=two("T2", "ADC"))
    assert status == 0, err
    name, found = only(run)
    out = run.folder / "out" / name
    assert found["dicom"]["series_uid"] == dicoms.uid(8, 1, number)
    segmentation = pydicom.dcmread(out / "segmentation.dcm")
    [referred] = segmentation.ReferencedSeriesSequence
    assert referred.SeriesInstanceUID == dicoms.uid(8, 1, number)
    report = pydicom.dcmread(out / "report.dcm")
    named = {
        row.SeriesInstanceUID
        for key in ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence")
        for study in report.get(key, [])
        for row in study.ReferencedSeriesSequence
    }
    assert {dicoms.uid(8, 1, T2), dicoms.uid(8, 1, ADC), segmentation.SeriesInstanceUID} == named
    ours = in_world(sitk.ReadImage(str(out / "label_map.nii.gz")))
    assert by_dcmqi(out / "segmentation.dcm", run.folder / "read") == ours
    other = {"T2": "ADC", "ADC": "T2"}[grid]
    [warning] = found["warnings"]
    assert warning.startswith(f"channel {other}: interpolated linearly onto the grid of {grid}; ")


def test_another_grid_is_another_result(run, two):
    folder = two("T2", "ADC")
    write(run.folder, series(T2, "T2"), shifted(series(ADC, "ADC")))
    assert run("new", "--grid", "T2", of=folder)[0] == 0
    assert "1 from before" in run("new", "--grid", "T2", of=folder)[1]
    assert "1 new" in run("new", "--grid", "ADC", of=folder)[1]
    assert only(run)[1]["dicom"]["series_uid"] == dicoms.uid(8, 1, ADC)


def test_grids_that_differ_ask_for_the_one_to_take(run, two):
    write(run.folder, series(T2, "T2"), shifted(series(ADC, "ADC")))
    status, _, err = run("new", of=two("T2", "ADC"))
    assert status == 1
    assert "the channels T2, ADC lie on different grids" in err
    assert "--grid CHANNEL" in err


def test_series_that_cannot_be_told_apart_are_named_and_a_person_says_which(run, two):
    folder = two("T2", "ADC")
    write(run.folder, series(T2, "T2 tra"), series(ADC, "ADC"), series(3, "T2 sag"))
    status, _, err = run("new", of=folder)
    assert status == 1
    assert (
        "channel T2: 2 series of the study are T2=modality:MR,'T2' in SeriesDescription; expected one" in err
    )
    assert "Say which with --series CHANNEL=UID" in err
    for number in (T2, 3):
        assert f"T2={dicoms.uid(8, 1, number)}, 6 files" in err
    status, _, err = run("new", "--series", f"T2={dicoms.uid(8, 1, 3)}", of=folder)
    assert status == 0, err
    name, found = only(run)
    assert found["dicom"]["channels"] == {"T2": dicoms.uid(8, 1, 3), "ADC": dicoms.uid(8, 1, ADC)}
    made = sitk.ReadImage(str(run.folder / "out" / name / "label_map.nii.gz"))
    assert (volumes.array_zyx(made) == expected(folder, noisy(3), noisy(ADC))).all()


def in_another_frame(files: list) -> list:
    for data in files:
        data.FrameOfReferenceUID = dicoms.uid(7, 99)
    return files


FAULTS = {
    "a channel is missing": (
        lambda: [series(T2, "T2")],
        "channel ADC: the study has no series of ADC=modality:MR",
    ),
    "another study": (
        lambda: [series(T2, "T2"), series(ADC, "ADC", study=2)],
        "channel ADC: the study has no series of ADC=modality:MR",
    ),
    "another frame of reference": (
        lambda: [series(T2, "T2"), in_another_frame(series(ADC, "ADC"))],
        "lie in 2 frames of reference, expected one",
    ),
    "one series is both": (
        lambda: [series(T2, "T2 and ADC")],
        "a series is of the channels T2 and ADC; expected one of them. Say which with --series",
    ),
    "nothing is a channel": (
        lambda: [series(T2, "T2", "CT")],
        "0 series of images that the model takes",
    ),
    "a gap": (
        lambda: [series(T2, "T2"), series(ADC, "ADC")[1:3] + series(ADC, "ADC")[4:]],
        "1 planes are missing",
    ),
}


@pytest.mark.parametrize(("files", "fault"), FAULTS.values(), ids=FAULTS)
def test_what_is_no_case_for_certain_is_refused_with_the_reason(run, two, files, fault):
    write(run.folder, *files())
    status, _, err = run("new", of=two("T2", "ADC"))
    assert status == 1
    assert fault in err
    assert not list((run.folder / "out").rglob("*.dcm"))


def test_two_studies_are_two_cases_and_one_that_is_no_case_stops_no_other(run, two):
    write(
        run.folder,
        *(series(number, name, study=study) for study in (1, 2) for number, name in ((1, "T2"), (2, "ADC"))),
        series(1, "T2", study=3),
    )
    status, out, err = run("new", of=two("T2", "ADC"))
    assert status == 1
    assert "predictions: 2 new" in out
    assert "channel ADC: the study has no series" in err


def test_a_series_of_another_modality_that_a_person_names_is_refused_unless_forced(run, two):
    folder = two("T2", "ADC")
    write(run.folder, series(T2, "T2"), series(ADC, "x", "CT"))
    words = ["new", "--series", f"ADC={dicoms.uid(8, 1, ADC)}"]
    status, _, err = run(*words, of=folder)
    assert status == 1
    assert "modality: found CT, expected MRI" in err
    assert run(*words, "--force", of=folder)[0] == 0
    assert only(run)[1]["contract"]["is_forced"]


def test_all_that_is_wrong_with_the_options_is_said_at_once(run, two):
    write(run.folder, series(T2, "T2"))
    words = ["--series", "T3=1.2", "--series", "T2=x", "--series", "T2=1.2", "--series", "ADC=1.2"]
    status, _, err = run("new", *words, "--grid", "T3", of=two("T2", "ADC"))
    assert status == 1
    for part in (
        "--grid: found T3, expected one of T2, ADC",
        "--series: found T3=1.2, expected CHANNEL=UID",
        "--series: found T2=x, expected CHANNEL=UID",
        "--series: ADC=1.2: the channel or the series stands twice",
    ):
        assert part in err


def test_a_series_that_is_not_there_is_said(run, two):
    write(run.folder, series(T2, "T2"), series(ADC, "ADC"))
    status, _, err = run("new", "--series", "T2=1.2.3", of=two("T2", "ADC"))
    assert status == 1
    assert "has no series 1.2.3 of images" in err


def test_a_model_of_one_channel_takes_none_of_these_options(run):
    write(run.folder, series(T2, "T2"))
    status, _, err = run("new", "--series", "T2=1.2.3")
    assert status == 1
    assert "--series, --grid: the model takes one channel" in err
