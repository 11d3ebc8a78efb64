"""predict: new images and a released model, from the command line to labels, results, picture and page."""

import gzip
import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import SimpleITK as sitk

from radiotrace import records
from radiotrace.__main__ import main
from radiotrace.commands import predict
from radiotrace.imaging import volumes
from radiotrace.inference import released_model
from radiotrace.learning import quantising
from tests import dicoms, phantoms, predicting, released, stranger
from tests.projects import ROOT

model, run = predicting.model, predicting.run  # fixtures
GOLDEN = [
    {
        "case_id": "p",
        "images": ["golden/p/p.nii.gz"],
        "label_map": "golden/p/label_map.nii.gz",
        "voxels": {"0": 1},
        "expected_dice_loss": 0.5,
    }
]


def phantom(number: int, degrees: float = 10) -> sitk.Image:
    return phantoms.pair(number, phantoms.rotation(degrees))[0]


def write(folder, *names, **settings) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        sitk.WriteImage(phantom(number, **settings), str(folder / name))


def result(run, case_id: str) -> dict:
    return records.read(run.folder / "out" / case_id / "result.json", "predicted_image")


def test_an_image_gets_labels_that_a_stranger_gets_too(run, model):
    write(run.folder / "new", "a.nii.gz")
    status, out, _ = run("new/a.nii.gz")
    assert status == 0
    assert out == "out/index.html: predictions: 1 new, 0 from before\n1 flagged for review\n  a\n"
    made = sitk.ReadImage(str(run.folder / "out/a/label_map.nii.gz"))
    theirs = stranger.predicted(model, run.folder / "new/a.nii.gz")
    assert made.GetPixelID() == sitk.sitkUInt8
    assert (volumes.array_zyx(made) != volumes.array_zyx(theirs)).mean() <= 2e-4
    assert made.GetOrigin() == pytest.approx(phantom(0).GetOrigin(), abs=1e-4)


def test_the_result_says_what_was_predicted_of_what_by_what(run, model):
    write(run.folder / "new", "a.nii.gz")
    run("new/a.nii.gz", "--modality", "MRI")
    found = result(run, "a")
    labels = volumes.array_zyx(sitk.ReadImage(str(run.folder / "out/a/label_map.nii.gz")))
    for row in found["labels"]:
        assert row["voxels"] == (labels == row["value"]).sum() > 0
        assert row["volume_mm3"] == pytest.approx(row["voxels"] * phantoms.VOXEL_MM3, rel=1e-6)
    assert [row["name"] for row in found["labels"]] == ["anterior", "posterior"]
    assert found["inputs"] == [
        {"channel": None, "files": 1, "sha256": records.sha256(run.folder / "new/a.nii.gz")}
    ]
    assert found["model"]["sha256"] == records.sha256(model / "model.onnx")
    assert found["model"]["record_sha256"] == records.sha256(model / "model.json")
    assert found["contract"] == {"faults": [], "is_forced": False, "not_known": []}
    for key in ("label_map", "overview"):
        assert found[key]["sha256"] == records.sha256(run.folder / "out/a" / found[key]["file"])
    assert found["review"]["is_flagged"] is (found["review"]["expected_dice_loss"] > found["review"]["above"])


def contents(folder) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_nothing_of_a_path_or_a_clock_is_in_the_outputs_and_they_come_out_the_same(run):
    write(run.folder / "new", "a.nii.gz", "b.nrrd")
    run("new")
    first = {
        path.name: path.read_bytes() for path in sorted((run.folder / "out").rglob("*")) if path.is_file()
    }
    (run.folder / "out").rename(run.folder / "before")
    run("new")
    then = {
        path.name: path.read_bytes() for path in sorted((run.folder / "out").rglob("*")) if path.is_file()
    }
    assert first == then
    assert len(first) == 4  # by name; of two cases
    assert [name for name, content in first.items() if str(run.folder).encode() in content] == []


def test_a_bad_case_stops_no_other_and_the_status_tells(run):
    write(run.folder / "new", "a.nii.gz", "c.nii.gz")
    (run.folder / "new/b.nii.gz").write_bytes(gzip.compress(b"nothing of the kind"))
    status, out, err = run("new")
    assert status == 1
    assert "predictions: 2 new" in out
    assert "radiotrace: cases without a prediction: 1\n  new/b.nii.gz: damaged or of an unknown format" in err
    page = (run.folder / "out/index.html").read_text("utf-8")
    assert "Predictions: 2; cases without one: 1" in page
    assert "damaged or of an unknown format" in page


def test_a_second_run_skips_what_is_done_and_does_what_has_changed(run):
    write(run.folder / "new", "a.nii.gz", "b.nii.gz")
    run("new")
    before = (run.folder / "out/a/result.json").stat().st_mtime_ns
    sitk.WriteImage(phantom(7), str(run.folder / "new/b.nii.gz"))
    write(run.folder / "new/more", "d.nii.gz")
    _, out, _ = run("new")
    assert "predictions: 2 new, 1 from before" in out
    assert (run.folder / "out/a/result.json").stat().st_mtime_ns == before
    assert (run.folder / "out/more/d/result.json").is_file()


@pytest.mark.parametrize("damaged", ["label_map.nii.gz", "overview.png", "result.json"])
def test_a_result_that_was_changed_is_not_done(run, damaged):
    write(run.folder / "new", "a.nii.gz")
    run("new")
    kept = (run.folder / "out/a" / damaged).read_bytes()
    (run.folder / "out/a" / damaged).write_bytes(kept[:-2])
    _, out, _ = run("new")
    assert "1 new, 0 from before" in out
    assert (run.folder / "out/a" / damaged).read_bytes() == kept


def test_a_refused_run_leaves_an_earlier_prediction_of_the_same_files(run):
    write(run.folder / "new", "a.nii.gz")
    run("new")
    before = {path.name: path.read_bytes() for path in (run.folder / "out/a").iterdir()}
    status, _, err = run("new", "--modality", "CT")
    assert status == 1
    assert err.endswith(
        "--force predicts images that the model was not made for all the same, and says so in the result.\n"
    )
    assert {path.name: path.read_bytes() for path in (run.folder / "out/a").iterdir()} == before


def test_the_page_has_all_that_the_model_predicted_into_the_folder(run, tmp_path):
    write(run.folder / "new", "a.nii.gz", "b.nii.gz")
    run("new/a.nii.gz")
    _, out, _ = run("new/b.nii.gz")
    assert out.startswith("out/index.html: predictions: 1 new, 0 from before; 1 of other images\n1 flagged")
    page = (run.folder / "out/index.html").read_text("utf-8")
    assert 'id="case-a"' in page
    assert 'id="case-b"' in page
    other = released.write(tmp_path / "other", run_id="e" * 64)
    run("new/b.nii.gz", of=other)
    assert 'id="case-a"' not in (run.folder / "out/index.html").read_text("utf-8")


def test_label_maps_of_a_data_set_are_no_images(run):
    write(run.folder / "data/imagesTr", "a.nii.gz")
    write(run.folder / "data/labelsTr", "a.nii.gz")
    status, _, err = run("data")
    assert status == 0
    assert err == "data: 1 files passed over: label maps of a data set\n"
    assert [path.parent.name for path in (run.folder / "out").rglob("result.json")] == ["a"]


def test_a_modality_may_be_called_as_dicom_calls_it(run):
    write(run.folder / "new", "a.nii.gz")
    assert run("new", "--modality", "MR")[0] == 0
    assert result(run, "a")["modality"] == "MRI"


def test_files_of_others_stay(run):
    write(run.folder / "new", "a.nii.gz")
    (run.folder / "out/a").mkdir(parents=True)
    (run.folder / "out/a/notes.txt").write_text("seen")
    run("new")
    sitk.WriteImage(phantom(7), str(run.folder / "new/a.nii.gz"))
    run("new")
    assert (run.folder / "out/a/notes.txt").read_text() == "seen"


LARGE = {"size_mm": {"low": [100.0, 100.0, 100.0], "high": [200.0, 200.0, 200.0]}}
COARSE = {"spacing_mm": {"low": [5.0, 5.0, 5.0], "high": [6.0, 6.0, 6.0]}}


@pytest.mark.requirement("SRS-PRED-2")
@pytest.mark.parametrize(
    ("learnt_from", "said"),
    [
        (LARGE, "a: size along x: found 16.2 mm, expected 50 to 400 mm; it has learnt from 100 to 200 mm"),
        (COARSE, "a: spacing along z: found 1.7 mm, expected 3.333 to 9 mm; it has learnt from 5 to 6 mm"),
    ],
    ids=["size", "spacing"],
)
def test_an_image_out_of_contract_is_refused_and_forced_on_demand(run, tmp_path, learnt_from, said):
    other = released.write(tmp_path / "other", learnt_from=learnt_from)
    write(run.folder / "new", "a.nii.gz")
    status, out, err = run("new", of=other)
    assert status == 1
    assert "predictions: 0 new" in out
    assert said in err
    assert "--force predicts images that the model was not made for all the same" in err
    assert not (run.folder / "out/a/result.json").exists()
    status, _, err = run("new", "--force", of=other)
    assert (status, err) == (0, "")
    contract = result(run, "a")["contract"]
    assert contract["is_forced"] is True
    assert said.removeprefix("a: ") in contract["faults"]
    assert "1 were predicted though the model was not made for them" in (
        run.folder / "out/index.html"
    ).read_text("utf-8")


def test_an_earlier_result_goes_where_the_image_that_took_its_place_is_refused(run):
    write(run.folder / "new", "a.nii.gz")
    run("new")
    constant = phantom(0) * 0
    sitk.WriteImage(constant, str(run.folder / "new/a.nii.gz"))
    status, _, err = run("new")
    assert status == 1
    assert "a: intensity of the image: every voxel is 0, expected an image" in err
    assert list((run.folder / "out/a").iterdir()) == []


@pytest.mark.requirement("SRS-PRED-2")
def test_another_modality_than_the_models_is_refused(run):
    write(run.folder / "new", "a.nii.gz")
    status, _, err = run("new", "--modality", "CT")
    assert status == 1
    assert "a: modality: found CT, expected MRI" in err


@pytest.mark.requirement("SRS-PRED-2")
@pytest.mark.parametrize(
    ("low", "high", "is_fit"), [(-50.0, 150.0, True), (500.0, 600.0, False), (-400.0, -300.0, False)]
)
def test_intensities_count_where_their_scale_means_something(low, high, is_fit):
    record = json.loads(released.EXAMPLE.read_text("utf-8"))
    record["preprocessing"]["intensities"] = {"low": 0.0, "high": 100.0, "mean": 50.0, "sd": 20.0}
    record["learnt_from"] |= {
        "size_mm": released.SIZE_MM,
        "spacing_mm": released.SPACING_MM,
        "intensity": [{"low": low, "high": high}],
    }
    image = phantoms.image(sitk.DICOMOrient(phantom(0), "LPS"))
    faults, _ = released_model.misfits(image, "MRI", released_model.ReleasedModel.of(record))
    assert (faults == []) is is_fit
    record["preprocessing"].pop("intensities")
    assert released_model.misfits(image, "MRI", released_model.ReleasedModel.of(record))[0] == []


def test_channels_are_taken_by_their_numbers(run, tmp_path):
    of_channels = [{"name": name, "modality": "MRI", "clip_percentiles": [0, 100]} for name in ("T2", "ADC")]
    other = released.write(
        tmp_path / "other",
        channels=2,
        preprocessing={"channels": of_channels, "clip_percentiles": None},
        network={"image_channels": 2},
        learnt_from={"intensity": [{"low": 0.0, "high": 9.0}] * 2},
    )
    first = phantom(0)
    for name in ("a_0000.nii.gz", "a_0001.nii.gz"):
        (run.folder / "new").mkdir(exist_ok=True)
        sitk.WriteImage(first, str(run.folder / "new" / name))
    status, _, err = run("new", of=other)
    assert status == 1
    assert "--channels T2,ADC" in err
    status, _, _ = run("new", "--channels", "T2,ADC", of=other)
    assert status == 0
    assert [row["channel"] for row in result(run, "a")["inputs"]] == ["T2", "ADC"]


def test_an_archive_is_unpacked_and_its_images_predicted(run):
    write(run.folder / "new", "a.nii.gz", "b.nii.gz")
    with zipfile.ZipFile(run.folder / "images.zip", "w") as archive:
        for name in ("a.nii.gz", "b.nii.gz"):
            archive.write(run.folder / "new" / name, f"folder/{name}")
    status, _, _ = run("images.zip")
    assert status == 0
    assert sorted(path.parent.name for path in (run.folder / "out").rglob("result.json")) == ["a", "b"]


def test_every_fault_of_the_command_line_is_said_at_once(run):
    write(run.folder / "new", "a.nii.gz")
    (run.folder / "b.txt").write_text("")
    (run.folder / "c.zip").write_bytes(b"no archive")
    status, _, err = run("nowhere.nii.gz", "b.txt", "c.zip", "new", ".")
    assert status == 1
    for line in (
        "--out: out lies in ., whose images are predicted",
        "nowhere.nii.gz: no such file",
        "b.txt: not .nii.gz, .nii, .nrrd or .mha",
        "c.zip: no ZIP archive that can be read (BadZipFile)",
    ):
        assert f"  {line}\n" in err
    assert not (run.folder / "out").exists()


def test_a_folder_without_images_says_so(run):
    (run.folder / "new").mkdir()
    assert run("new")[2].splitlines()[1] == "  new: 0 images"


@pytest.mark.requirement("SRS-PRED-1")
@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda folder: (folder / "model.json").unlink(), "is no released model: model.json is not in it"),
        (lambda folder: (folder / "model.onnx").unlink(), "model.onnx is missing"),
        (lambda folder: flip(folder / "model.onnx"), "is not the file that model.json describes"),
        (
            lambda folder: (folder / "model.json").write_text("{}"),
            "breaks schemas/released_model.schema.json",
        ),
    ],
    ids=["no record", "no file", "another file", "another record"],
)
def test_a_model_that_is_not_whole_is_refused(run, tmp_path, harm, said):
    other = released.write(tmp_path / "other")
    harm(other)
    write(run.folder / "new", "a.nii.gz")
    status, out, err = run("new", of=other)
    assert (status, out) == (1, "")
    assert said in err


def flip(path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.requirement("SRS-PRED-1")
@pytest.mark.parametrize(
    "change",
    [
        {"labels": {"0": "background", "1": "posterior", "2": "anterior"}},
        {"review_above": 0.9},
        {"run_id": "d" * 64},
        {"licence": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_record_that_is_not_of_its_network_is_refused(run, tmp_path, change):
    other = released.write(tmp_path / "other")
    record = json.loads((other / "model.json").read_text("utf-8"))
    records.write(other / "model.json", record | change, "released_model")
    write(run.folder / "new", "a.nii.gz")
    status, _, err = run("new", of=other)
    assert status == 1
    assert "the network is not of this model.json" in err
    assert "contract_sha256: the network says " in err
    assert not (run.folder / "out/a/result.json").exists()


@pytest.mark.requirement("SRS-PRED-1")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"labels": {"0": "background", "1": "a", "3": "b"}}, "labels: found ['0', '1', '3'], expected"),
        ({"label_details": {}}, "label_details: "),
        ({"inference": {"window_overlap": 0.9}}, "inference.window_overlap: found 0.9, expected 0.5"),
        ({"inference": {"padding_value": 5.0}}, "inference.padding_value: found 5.0, expected 0.0"),
        ({"network": {"labels": 77}}, "network.labels: found 77, expected 3"),
        ({"input": {"name": "nope"}}, "input: found "),
        ({"golden": GOLDEN}, "files: has no golden/p/p.nii.gz, which golden names"),
    ],
    ids=["labels", "details", "overlap", "padding", "network", "input", "files"],
)
def test_a_record_that_contradicts_itself_or_asks_for_what_is_not_done_is_refused(
    run, tmp_path, change, said
):
    other = released.write(tmp_path / "other")
    record = json.loads((other / "model.json").read_text("utf-8"))
    for key, value in change.items():
        record[key] = {**record[key], **value} if key in ("inference", "network", "input") else value
    if not record["label_details"]:
        record["label_details"] = {"7": {"code": None, "modifier": None, "colour": "#000000"}}
    released.seal(other, record)
    write(run.folder / "new", "a.nii.gz")
    status, _, err = run("new", of=other)
    assert status == 1
    assert said in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda array: array * 1e300, "holds a value of "),
        (lambda array: array * 1e-250, "intensities cannot be normalised"),
    ],
    ids=["large", "small"],
)
def test_an_image_of_which_no_number_comes_gets_no_prediction(run, harm, said):
    (run.folder / "new").mkdir()
    array = harm(volumes.array_zyx(phantom(0)).astype(np.float64))
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(phantom(0))
    sitk.WriteImage(image, str(run.folder / "new/a.nii.gz"))
    status, _, err = run("new")
    assert status == 1
    assert said in err
    assert "Warning" not in err
    assert not (run.folder / "out/a/result.json").exists()


@pytest.mark.requirement("SRS-PRED-1")
@pytest.mark.parametrize(
    ("network", "said"),
    [
        (lambda: released.network(labels=5), "the network gives other labels than its record names"),
        (lambda: released.network(spoilt=True), "the network gives logits that are no numbers"),
    ],
    ids=["labels", "numbers"],
)
def test_a_network_of_which_no_label_map_comes_gives_no_prediction(run, tmp_path, network, said):
    other = released.write(tmp_path / "other")
    record = json.loads((other / "model.json").read_text("utf-8"))
    released.seal(other, record, network())
    write(run.folder / "new", "a.nii.gz")
    status, _, err = run("new", of=other)
    assert status == 1
    assert said in err
    assert not (run.folder / "out/a/result.json").exists()


@pytest.mark.parametrize("place", ["out", "out/a", "out/a/label_map.nii.gz", "out/index.html"])
def test_what_the_system_refuses_is_a_line_and_no_traceback(run, place):
    write(run.folder / "new", "a.nii.gz")
    path = run.folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    if place in ("out", "out/a"):
        path.write_text("in the way")
    else:
        path.mkdir()
    status, _, err = run("new")
    assert status == 1
    assert "Traceback" not in err
    assert err.startswith("radiotrace: ")


@pytest.fixture
def tried(tmp_path, capsys):
    """A model with a case to try it with, and the command: folder -> (exit status, stdout, stderr)."""
    folder = released.write(tmp_path / "tried")
    path = folder / "golden/p/p.nii.gz"
    write(path.parent, path.name)
    expected = stranger.predicted(folder, path)
    sitk.WriteImage(expected, str(path.parent / "label_map.nii.gz"))
    counts = np.bincount(volumes.array_zyx(expected).ravel())
    main(["predict", str(folder), str(path), "--out", str(tmp_path / "out")])
    loss = json.loads((tmp_path / "out/p/result.json").read_text("utf-8"))["review"]["expected_dice_loss"]
    record = json.loads((folder / "model.json").read_text("utf-8"))
    files = ["golden/p/p.nii.gz", "golden/p/label_map.nii.gz"]
    record["files"] = {name: records.sha256(folder / name) for name in files}
    record["golden"] = [
        {
            "case_id": "p",
            "images": files[:1],
            "label_map": files[1],
            "voxels": {str(value): int(count) for value, count in enumerate(counts)},
            "expected_dice_loss": loss,
        }
    ]
    released.seal(folder, record)
    capsys.readouterr()

    def command():
        return main(["predict", str(folder), "--self-test"]), *capsys.readouterr()

    command.folder, command.record = folder, record
    return command


def test_a_model_is_tried_with_its_own_cases(tried):
    status, out, err = tried()
    assert (status, err) == (0, "")
    assert out.startswith("p: ")
    assert " voxels labelled otherwise, expected Dice loss 0." in out


@pytest.mark.requirement("SRS-PRED-1")
def test_a_network_that_does_otherwise_than_where_it_was_made_is_found(tried):
    released.seal(tried.folder, tried.record, released.network(seed=1))
    status, out, err = tried()
    assert status == 1
    assert out.startswith("p: ")
    assert "the model does not do here what it did where it was made" in err
    assert " voxels labelled otherwise, at most 0.0001 of them" in err
    assert "expected Dice loss" in err


def test_a_case_of_the_folder_that_was_changed_or_is_gone_is_found(tried):
    (tried.folder / "golden/p/label_map.nii.gz").unlink()
    flip(tried.folder / "golden/p/p.nii.gz")
    status, out, err = tried()
    assert (status, out) == (1, "")
    assert "  golden/p/label_map.nii.gz: missing\n" in err
    assert "  golden/p/p.nii.gz: SHA-256 found " in err


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda path: path.write_bytes(b"no volume"), "p: golden/p/label_map.nii.gz: "),
        (lambda path: shifted(path), "p: golden/p/label_map.nii.gz: origin_mm: found"),
        (lambda path: emptied(path), "p: golden/p/label_map.nii.gz: voxels found {'0': "),
    ],
    ids=["text", "another grid", "other labels"],
)
def test_an_expected_label_map_that_is_none_or_another_is_found(tried, harm, said):
    path = tried.folder / "golden/p/label_map.nii.gz"
    harm(path)
    tried.record["files"]["golden/p/label_map.nii.gz"] = records.sha256(path)
    released.seal(tried.folder, tried.record)
    status, _, err = tried()
    assert status == 1
    assert said in err
    assert "Traceback" not in err


def shifted(path) -> None:
    image = sitk.ReadImage(str(path))
    image.SetOrigin((500, 0, 0))
    sitk.WriteImage(image, str(path))


def emptied(path) -> None:
    sitk.WriteImage(sitk.ReadImage(str(path)) * 0, str(path))


def test_a_model_without_a_case_cannot_be_tried_and_says_so(model, capsys):
    record = json.loads((model / "model.json").read_text("utf-8"))
    assert record["golden"] == []
    assert main(["predict", str(model), "--self-test"]) == 1
    assert "the model has no case to try it with" in capsys.readouterr().err


def test_without_images_or_a_folder_for_them_nothing_is_predicted(model, capsys):
    assert main(["predict", str(model)]) == 1
    err = capsys.readouterr().err
    assert "  INPUT: none\n" in err
    assert "  --out: none\n" in err


def test_a_file_that_onnx_runtime_does_not_load_is_said(run, tmp_path):
    other = released.write(tmp_path / "other")
    (other / "model.onnx").write_bytes(b"no network")
    record = json.loads((other / "model.json").read_text())
    records.write(
        other / "model.json", record | {"sha256": records.sha256(other / "model.onnx")}, "released_model"
    )
    write(run.folder / "new", "a.nii.gz")
    status, _, err = run("new", of=other)
    assert status == 1
    assert "ONNX Runtime does not load" in err
    assert "Traceback" not in err


def test_names_from_outside_are_text_on_the_page(run):
    write(run.folder / "new", "<img src=x onerror=alert(1)>.nii.gz")
    run("new")
    page = (run.folder / "out/index.html").read_text("utf-8")
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page


def test_a_killed_run_leaves_no_case_that_looks_done(run, monkeypatch):
    write(run.folder / "new", "a.nii.gz")
    written = records.write

    def full(path, record, schema):
        if schema == "predicted_image":
            raise KeyboardInterrupt
        written(path, record, schema)

    monkeypatch.setattr(records, "write", full)
    with pytest.raises(KeyboardInterrupt):
        run("new")
    assert not (run.folder / "out/a/result.json").exists()
    monkeypatch.undo()
    monkeypatch.chdir(run.folder)
    assert "1 new" in run("new")[1]


def test_predicting_imports_neither_torch_nor_scipy_nor_what_trains(model, tmp_path):
    write(tmp_path / "new", "a.nii.gz")
    hidden = ("torch", "monai", "scipy", "matplotlib", "onnx", "dvc")
    code = (
        "import sys\n"
        f"for name in {hidden}: sys.modules[name] = None\n"
        f"sys.argv[1:] = ['predict', {str(model)!r}, 'new', '--out', 'out', '--workers', '1']\n"
        "import runpy; runpy.run_module('radiotrace', run_name='__main__', alter_sys=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "predictions: 1 new" in done.stdout


@pytest.mark.slow
def test_an_environment_without_torch_predicts_the_same_of_files_and_of_dicom(run, model):
    python = ROOT / ".venv/without-torch/bin/python"
    assert python.exists(), "make .venv/predict"
    assert subprocess.run([python, "-c", "import torch"], capture_output=True).returncode == 1
    write(run.folder / "new", "a.nii.gz", "b.mha")
    dicoms.write(run.folder / "new/series", dicoms.slices(modality="MR"))
    command = ["-m", "radiotrace", "predict", model, "new", "--out"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([python, *command, "theirs"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(line.startswith("predict: series_") for line in done.stderr.splitlines())
    assert run("new")[0] == 0
    assert contents(run.folder / "theirs") == contents(run.folder / "out")
    assert len(contents(run.folder / "out")) == 3 * 3 + 3 + 1


def test_predictions_of_several_threads_are_those_of_one(run):
    write(run.folder / "new", *(f"{number}.nii.gz" for number in range(4)))
    run("new", "--workers", "2")
    several = {path.parent.name: path.read_bytes() for path in (run.folder / "out").rglob("result.json")}
    (run.folder / "out").rename(run.folder / "before")
    run("new", "--workers", "1")
    assert several == {
        path.parent.name: path.read_bytes() for path in (run.folder / "out").rglob("result.json")
    }
    assert len(several) == 4


@pytest.mark.parametrize("asked", ["99999", "9" * 5000])
def test_more_workers_than_cores_are_bounded_with_a_word(run, asked):
    write(run.folder / "new", "a.nii.gz", "b.nii.gz")
    status, _, err = run("new", "--workers", asked)
    cores = len(os.sched_getaffinity(0))
    assert status == 0
    assert f"predict: workers: found {asked[:20]}, taken {cores}: there are no more cores" in err
    assert len(list((run.folder / "out").rglob("result.json"))) == 2


@pytest.mark.parametrize("asked", ["0", "-1", "two", "1.5"])
def test_workers_that_are_no_number_of_them_are_refused_before_anything_is_read(run, asked):
    status, _, err = run("is_not_there.nii.gz", "--workers", asked)
    assert status == 1
    assert f"--workers: found '{asked}', expected a whole number of 1 or more" in err
    assert "is_not_there" not in err


def test_a_large_image_is_shown_by_the_slices_with_most_of_its_labels():
    from radiotrace.clinic import overview

    image = phantoms.image(phantom(0))
    labels = phantoms.label_array()
    rows = [overview.Row(value, str(value), 1.0, f"#{value:02x}b4e9") for value in range(1, 20)]
    picture = overview.picture(image, labels, rows, ["a line", f"!{'long ' * 60}"])
    assert picture.dtype == np.uint8
    for value in (1, 2):  # outlines in each plane, beside the legend
        shown = (picture == (value, 0xB4, 0xE9)).all(2)
        assert shown[: overview.PANEL].sum() > 100
    assert (picture == overview.WARNING).all(2).sum() > 100
    assert predict.OVERVIEW.endswith(".png")
    assert overview.png(picture) == overview.png(picture.copy())


@pytest.fixture
def variants(tmp_path):
    """A model with variants of it beside it, of which one was not released: their folder and their record."""
    folder = released.write(tmp_path / "build/export")
    record = json.loads(
        (ROOT / "tests/schema_cases/released_variants/valid/hippocampus.json").read_text("utf-8")
    )
    network = (folder / "model.onnx").read_bytes()
    stored = quantising.stored_as_half(network)
    path = tmp_path / "build/optimize/onnx_fp16/model.onnx"
    path.parent.mkdir(parents=True)
    path.write_bytes(stored)
    file = {"file": "onnx_fp16/model.onnx", "sha256": records.sha256(path), "bytes": len(stored)}
    variant = record["variants"]["onnx_fp16"] | {"files": [file], "bytes": len(stored)}
    own = {"file": "model.onnx", "sha256": records.sha256(folder / "model.onnx"), "bytes": len(network)}
    as_it_is = {"files": [own], "is_own_file": False, "runtime": "OpenVINO", "released": False}
    record |= {
        "run_id": json.loads((folder / "model.json").read_text("utf-8"))["run_id"],
        "reference": own,
        "variants": {
            "onnx_fp16": variant | {"released": True, "non_inferior": True},
            "onnx_int8": variant | {"released": False, "non_inferior": False},
            "openvino": variant | as_it_is | {"non_inferior": True},
        },
    }
    records.write(path.parents[1] / "variants.json", record, "released_variants")
    return path.parents[1], record


@pytest.mark.parametrize("name", ["onnx_fp16", "openvino"])
def test_a_variant_predicts_in_place_of_the_network_and_is_named(run, variants, name):
    folder, _ = variants
    write(run.folder / "new", "a.nii.gz")
    assert run("new", of=folder.parent / "export")[0] == 0
    before = volumes.array_zyx(sitk.ReadImage(str(run.folder / "out/a/label_map.nii.gz")))
    assert "variant" not in result(run, "a")["model"]
    status, out, _ = run("new", "--variant", name, of=folder.parent / "export")
    assert status == 0
    assert "1 new" in out  # what another network predicted is not what is asked for
    found = result(run, "a")
    assert found["model"]["variant"]["name"] == name
    assert found["model"]["variant"]["record_sha256"] == records.sha256(folder / "variants.json")
    assert ("openvino" in found["software"]) is (name == "openvino")
    after = volumes.array_zyx(sitk.ReadImage(str(run.folder / "out/a/label_map.nii.gz")))
    assert (before != after).mean() < 0.01
    assert "0 new" in run("new", "--variant", name, of=folder.parent / "export")[1]


@pytest.mark.requirement("SRS-PRED-1")
@pytest.mark.parametrize(
    ("harm", "name", "said"),
    [
        ({}, "onnx_int8", "onnx_int8 was not released"),
        ({}, "int4", "has no variant int4"),
        ({"run_id": "e" * 64}, "onnx_fp16", "has variants of another model"),
        ("file", "onnx_fp16", "onnx_fp16/model.onnx: SHA-256 found "),
        ("labels", "onnx_fp16", "the network is not of this model.json"),
    ],
    ids=["worse", "unknown", "another run", "another file", "another record"],
)
def test_a_variant_that_was_not_released_with_the_model_predicts_nothing(run, variants, harm, name, said):
    folder, record = variants
    model = folder.parent / "export"
    if harm == "file":
        flip(folder / "onnx_fp16/model.onnx")
    elif harm == "labels":
        changed = json.loads((model / "model.json").read_text("utf-8"))
        changed["labels"] = {"0": "background", "1": "posterior", "2": "anterior"}
        records.write(model / "model.json", changed, "released_model")
    else:
        records.write(folder / "variants.json", record | harm, "released_variants")
    write(run.folder / "new", "a.nii.gz")
    status, _, err = run("new", "--variant", name, of=model)
    assert status == 1
    assert said in err
    assert not (run.folder / "out/a/result.json").exists()


def test_variants_that_are_not_there_are_said(run, model):
    write(run.folder / "new", "a.nii.gz")
    status, _, err = run("new", "--variant", "onnx_fp16", "--variants", "nowhere")
    assert status == 1
    assert "nowhere has no variants of a model: variants.json is not in it" in err
