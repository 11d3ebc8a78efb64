"""predict, of a model that tells classes: from files of pictures to classes, probabilities and a page."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
import SimpleITK as sitk
from onnx import TensorProto, helper
from PIL import Image as Picture

from radiotrace import records
from radiotrace.__main__ import main
from tests.projects import ROOT

EDGE = 16
HASH = "0" * 64
# A network whose logit of "shadow" is what the brightest pixel is above LIMIT standard deviations.
LIMIT = 3.0
THRESHOLD, REVIEW_ABOVE = 0.4, 0.9


def network(n_channels: int = 1, run_id: str = HASH) -> bytes:
    """A graph as export writes it."""
    shape = ["n", n_channels, EDGE, EDGE]
    nodes = [
        helper.make_node("ReduceMax", ["image", "axes"], ["brightest"], keepdims=0),
        helper.make_node("Sub", ["brightest", "limit"], ["odds"]),
        helper.make_node("Unsqueeze", ["odds", "last"], ["column"]),
        helper.make_node("Mul", ["column", "nought"], ["others"]),
        helper.make_node("Concat", ["others", "column"], ["logits"], axis=1),
        helper.make_node("Sigmoid", ["column"], ["probabilities"]),
    ]
    constants = [
        helper.make_tensor("axes", TensorProto.INT64, [3], [1, 2, 3]),
        helper.make_tensor("last", TensorProto.INT64, [1], [1]),
        helper.make_tensor("limit", TensorProto.FLOAT, [], [LIMIT]),
        helper.make_tensor("nought", TensorProto.FLOAT, [], [0.0]),
    ]
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 1]),
        ],
        constants,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(made, {"run_id": run_id, "weights_sha256": HASH})
    onnx.checker.check_model(made)
    return made.SerializeToString()


def write_model(folder: Path, **changes) -> Path:
    """A released folder."""
    records.write_bytes(folder / "model.onnx", network())
    point = {
        "threshold": THRESHOLD,
        "rule": "Youden",
        "sensitivity": 1.0,
        "specificity": 1.0,
        "n_positive": 9,
        "n_negative": 9,
    }
    shape = ["n", 1, EDGE, EDGE]
    record = {
        "run_id": HASH,
        "notice": "Research software; not for diagnosis.",
        "file": "model.onnx",
        "sha256": records.sha256(folder / "model.onnx"),
        "weights_sha256": HASH,
        "network": {
            "name": "resnet",
            "widths": [8],
            "blocks": 1,
            "enlarge": 1,
            "dropout": 0.0,
            "image_channels": 1,
            "outputs": 2,
        },
        "target": {"column": "class", "kind": "class"},
        "labels": {"0": "clear", "1": "shadow"},
        "modality": "X-ray",
        "licence": None,
        "steps": ["clip, normalise, resize"],
        "preprocessing": {
            "orientation": "LPS",
            "spacing_mm": None,
            "channels": [{"name": None, "modality": "X-ray", "clip_percentiles": [0, 100]}],
            "input_pixels": [EDGE, EDGE],
        },
        "input": {"name": "image", "type": "float32", "axes": ["n", "channel", "y", "x"], "shape": shape},
        "output": {
            "name": "probabilities",
            "type": "float32",
            "axes": ["n", "label"],
            "meaning": "calibrated",
        },
        "logits": {"name": "logits", "type": "float32", "axes": ["n", "label"], "meaning": "of each label"},
        "temperature": None,
        "lines": {},
        "operating_points": {"shadow": point},
        "review_above": REVIEW_ABOVE,
        "edges_pixels": {"shorter_min": 16, "shorter_max": 16, "longer_min": 16, "longer_max": 24},
        "data": {
            "name": "phantoms",
            "licence": None,
            "root_sha256": HASH,
            "train_cases": 9,
            "validation_cases": 9,
            "subjects_unknown": True,
        },
        "parity": {
            "cases": ["a"],
            "worst_case": "a",
            "logit_difference_max": 0.0,
            "probability_difference_max": 0.0,
            "called_otherwise": 0,
            "tolerance": 0.001,
        },
    }
    records.write(folder / "model.json", record | changes, "released_classifier")
    return folder


def pixels(brightest: float, size_yx: tuple[int, int] = (EDGE, EDGE)) -> np.ndarray:
    """Grey values, unequal along each axis, of which one is brighter than the others."""
    y, x = np.mgrid[: size_yx[0], : size_yx[1]]
    values = 40 + 3 * x + 2 * y
    values[2, 5] = brightest
    return values.astype(np.uint8)


def expected(values: np.ndarray) -> float:
    """The probability by the model's steps, done by hand."""
    normal = (values - values.mean()) / values.std()
    return float(1 / (1 + np.exp(LIMIT - normal.max())))


def entropy(p: float) -> float:
    """As a share of that of a coin."""
    return float(-(p * np.log(p) + (1 - p) * np.log(1 - p)) / np.log(2))


@dataclass(frozen=True)
class Command:
    """Runs predict in a folder: words -> (exit status, stdout, stderr)."""

    folder: Path
    capsys: pytest.CaptureFixture

    def __call__(self, *words) -> tuple[int, str, str]:
        status = main(["predict", "model", *map(str, words), "--out", "out"])
        return status, *self.capsys.readouterr()

    @property
    def record(self) -> dict:
        return records.read(self.folder / "out/predictions.json", "predicted_classes")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys) -> Command:
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "model")
    (tmp_path / "new/more").mkdir(parents=True)
    return Command(tmp_path, capsys)


def test_a_picture_gets_its_class_probability_and_uncertainty_by_the_steps_of_the_model(run):
    bright, dim = pixels(250), pixels(100)
    Picture.fromarray(bright).save("new/bright.png")
    Picture.fromarray(dim).save("new/more/dim.png")
    status, out, _ = run("new")
    assert status == 0
    assert out.splitlines()[0] == "out/index.html: 2 pictures"
    rows = {row["case_id"]: row for row in run.record["cases"]}
    assert list(rows) == ["bright", "more/dim"]
    for case_id, values, told in (("bright", bright, "shadow"), ("more/dim", dim, "clear")):
        p = expected(values)
        assert rows[case_id]["told"] == [told]
        assert rows[case_id]["probabilities"]["shadow"] == pytest.approx(p, abs=1e-5)
        assert rows[case_id]["uncertainty"] == pytest.approx(entropy(p), abs=1e-4)
        assert rows[case_id]["is_flagged"] is (entropy(p) > REVIEW_ABOVE)
        assert rows[case_id]["contract"]["not_known"] == ["modality: nobody says what it is, expected X-ray"]
    assert rows["bright"]["image"]["sha256"] == records.sha256("new/bright.png")


def test_a_volume_of_one_slice_is_told_as_the_picture_of_its_pixels_however_its_axes_lie(run):
    values = pixels(180, (16, 24))
    Picture.fromarray(values).save("new/picture.png")
    volume = sitk.GetImageFromArray(values[None])
    sitk.WriteImage(volume, "new/volume.nii.gz")
    turned = sitk.DICOMOrient(volume, "PIR")
    turned.SetOrigin((7.0, -3.0, 11.0))
    sitk.WriteImage(turned, "new/turned.mha")
    assert run("new")[0] == 0
    by_file = {row["case_id"]: row["probabilities"]["shadow"] for row in run.record["cases"]}
    assert by_file["volume"] == pytest.approx(by_file["picture"], abs=1e-6)
    assert by_file["turned"] == pytest.approx(by_file["picture"], abs=1e-6)


def test_colours_are_brought_to_grey_and_that_is_said(run):
    values = pixels(250)
    Picture.fromarray(values).save("new/grey.png")
    Picture.fromarray(np.stack([values] * 3, -1)).save("new/equal.png")
    Picture.fromarray(np.stack([values, values // 2, values // 4], -1)).save("new/colour.png")
    assert run("new")[0] == 0
    colour, equal, grey = run.record["cases"]
    assert [row["image"]["done"] for row in (colour, equal, grey)] == [
        ["colours brought to grey"],
        ["three equal colours are one grey"],
        [],
    ]
    assert equal["probabilities"] == grey["probabilities"]
    # the colours are shares of one grey, but for what division to whole numbers loses
    assert colour["probabilities"]["shadow"] == pytest.approx(grey["probabilities"]["shadow"], abs=0.05)


def test_what_the_model_was_not_made_for_is_refused_unless_it_is_forced(run):
    Picture.fromarray(pixels(250)).save("new/good.png")
    Picture.fromarray(np.full((EDGE, EDGE), 7, np.uint8)).save("new/flat.png")
    Picture.fromarray(pixels(250, (40, 60))).save("new/large.png")
    status, _, err = run("new")
    assert status == 1
    assert "radiotrace: pictures without a class: 2" in err
    assert "flat: the picture: every pixel is 7, expected a picture" in err
    assert "large: shorter edge: found 40 pixels, expected 8 to 32; it has learnt from 16 to 16" in err
    assert "large: longer edge: found 60 pixels, expected 8 to 48" in err
    assert "--force tells classes" in err
    assert [row["case_id"] for row in run.record["cases"]] == ["good"]
    assert sorted(run.record["without"]) == ["flat", "large"]
    assert run("new", "--force")[0] == 0
    forced = {row["case_id"]: row["contract"]["is_forced"] for row in run.record["cases"]}
    assert forced == {"flat": True, "good": False, "large": True}
    assert "2 were told though the model was not made for them" in Path("out/index.html").read_text("utf-8")


def test_another_modality_is_refused(run):
    Picture.fromarray(pixels(250)).save("new/a.png")
    assert "a: modality: found CT, expected X-ray" in run("new", "--modality", "CT")[2]
    assert run("new", "--modality", "x-ray")[0] == 0


def test_what_cannot_be_read_stops_no_other(run):
    Picture.fromarray(pixels(250)).save("new/a.png")
    Path("new/b.png").write_bytes(b"nothing of the kind")
    sitk.WriteImage(sitk.GetImageFromArray(np.ones((3, EDGE, EDGE), np.uint8)), "new/c.nii.gz")
    status, out, err = run("new")
    assert status == 1
    assert "out/index.html: 1 pictures" in out
    assert "  b: " in err
    assert "c: found 16 x 16 x 3 voxels, expected one slice" in err
    assert "Traceback" not in err
    assert "Correct them, or leave them out." in err


def test_all_faults_of_the_command_are_said_at_once(run):
    Picture.fromarray(pixels(250)).save("new/a.png")
    Picture.fromarray(pixels(250)).save("new/a.jpg")
    Path("new/b.dcm").write_bytes(b"")
    status, _, err = run("new", "nowhere.png", "--variant", "int8", "--grid", "T2")
    assert status == 1
    for fault in (
        "--variant: the model tells classes of whole pictures, and takes no such option",
        "--grid: the model tells classes",
        "nowhere.png: no such file",
        "new/a.png: has the name of new/a.jpg",
        "new: 1 images are of a format that is not read, such as new/b.dcm",
    ):
        assert fault in err
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [(network()[:-3], "is not the file that model.json describes"), (None, "model.onnx is missing")],
)
def test_a_network_that_was_changed_is_refused(run, content, said):
    Picture.fromarray(pixels(250)).save("new/a.png")
    Path("model/model.onnx").unlink()
    if content is not None:
        Path("model/model.onnx").write_bytes(content)
    status, _, err = run("new")
    assert status == 1
    assert said in err


def test_a_network_of_another_run_is_refused(run):
    Picture.fromarray(pixels(250)).save("new/a.png")
    other = network(run_id="1" * 64)
    Path("model/model.onnx").write_bytes(other)
    write = json.loads(Path("model/model.json").read_text())
    records.write(
        "model/model.json", write | {"sha256": records.sha256("model/model.onnx")}, "released_classifier"
    )
    assert f"run_id: the network says {'1' * 64}, the record {HASH}" in run("new")[2]


def test_a_record_that_contradicts_itself_is_refused(run):
    write_model(Path("model"), labels={"0": "clear", "1": "shadow", "2": "fracture"})
    Picture.fromarray(pixels(250)).save("new/a.png")
    _, _, err = run("new")
    assert "model/model.json contradicts itself" in err
    assert "operating_points: found ['shadow'], expected ['fracture', 'shadow']" in err
    assert "network.outputs: found 2, expected 3" in err


def test_the_page_shows_each_picture_and_what_was_told_and_runs_nothing(run):
    Picture.fromarray(pixels(250)).save("new/<b>.png")
    run("new")
    page = Path("out/index.html").read_text("utf-8")
    assert page.count("data:image/png;base64,") == 1
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert "<script" not in page
    assert "1 shadow" in page


def test_the_same_pictures_give_the_same_bytes_and_no_path_is_in_them(run):
    Picture.fromarray(pixels(250)).save("new/a.png")
    run("new")
    first = {path.name: path.read_bytes() for path in Path("out").iterdir()}
    Path("out").rename("before")
    run("new")
    assert {path.name: path.read_bytes() for path in Path("out").iterdir()} == first
    assert not any(str(run.folder).encode() in content for content in first.values())


def test_no_torch_is_needed(run):
    Picture.fromarray(pixels(250)).save("new/a.png")
    code = (
        "import sys; from radiotrace.__main__ import main; "
        "status = main(['predict', 'model', 'new', '--out', 'out']); "
        "assert 'torch' not in sys.modules and 'monai' not in sys.modules; sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=run.folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
