"""compare of networks: what is counted, what is estimated, the page and the chart; and a study of phantoms
whose networks are trained."""

import copy
import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from radiotrace import records
from radiotrace.__main__ import main
from radiotrace.commands import networks, timed
from radiotrace.drawing import networks as drawing
from radiotrace.learning import multiplications
from radiotrace.records import ledgers
from radiotrace.records.network_comparison import NetworkComparison, NetworkTiming
from radiotrace.segmentation import measures
from radiotrace.statistics import reliability
from tests import phantoms, pipelines, projects

SUBJECTS = 14


def weights(*shape: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.ones(shape, np.float32), f"w{'x'.join(map(str, shape))}")


def graph(nodes: list[onnx.NodeProto], stored: list[onnx.TensorProto], shape: list, out: str) -> bytes:
    entry = helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)
    last = helper.make_empty_tensor_value_info(out)
    made = helper.make_graph(nodes, "g", [entry], [last], stored)
    opset = [helper.make_opsetid("", 20)]
    return helper.make_model(made, opset_imports=opset, ir_version=10).SerializeToString()


def of_channels(channels: int) -> bytes:
    """A network of one convolution with a kernel of 3 x 3 x 3 and one of 1."""
    nodes = [
        helper.make_node("Conv", ["image", f"w{channels}x1x3x3x3"], ["a"], pads=[1] * 6),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", f"w3x{channels}x1x1x1"], ["logits"]),
    ]
    stored = [weights(channels, 1, 3, 3, 3), weights(3, channels, 1, 1, 1)]
    return graph(nodes, stored, ["n", 1, "z", "y", "x"], "logits")


# 4 x 5 x 6 voxels; each has 8 x 27 and 3 x 8 products
def test_products_of_convolutions_are_counted_by_hand():
    assert multiplications.input_shape(of_channels(8), (4, 5, 6)) == (1, 1, 4, 5, 6)
    assert multiplications.of_pass(of_channels(8), (1, 1, 4, 5, 6)) == 120 * (8 * 27 + 3 * 8)


# stride 2 leaves 2 x 3 x 3; each of its voxels is spread to 2 x 2 x 2 of each of 5 channels
def test_a_transposed_convolution_counts_by_its_input_and_a_strided_one_by_its_output():
    nodes = [
        helper.make_node("Conv", ["image", "w4x1x2x2x2"], ["a"], strides=[2, 2, 2]),
        helper.make_node("ConvTranspose", ["a", "w4x5x2x2x2"], ["b"], strides=[2, 2, 2]),
    ]
    content = graph(nodes, [weights(4, 1, 2, 2, 2), weights(4, 5, 2, 2, 2)], [1, 1, 4, 6, 6], "b")
    assert multiplications.input_shape(content, ()) == (1, 1, 4, 6, 6)
    assert multiplications.of_pass(content, (1, 1, 4, 6, 6)) == 18 * 4 * 8 + 18 * 4 * 5 * 8


# 2 groups: each output channel sees half of the 4 input channels
def test_groups_and_matrices():
    nodes = [
        helper.make_node("Conv", ["image", "w6x2x3x3"], ["a"], group=2, pads=[1] * 4),
        helper.make_node("GlobalAveragePool", ["a"], ["b"]),
        helper.make_node("Flatten", ["b"], ["c"]),
        helper.make_node("Gemm", ["c", "w6x5"], ["d"]),
        helper.make_node("MatMul", ["d", "w5x2"], ["e"]),
    ]
    content = graph(nodes, [weights(6, 2, 3, 3), weights(6, 5), weights(5, 2)], [1, 4, 7, 8], "e")
    assert multiplications.of_pass(content, (1, 4, 7, 8)) == 56 * 6 * 2 * 9 + 6 * 5 + 5 * 2


def test_a_graph_without_products_is_refused():
    content = graph([helper.make_node("Relu", ["image"], ["a"])], [], [1, 1, 4, 4], "a")
    with pytest.raises(ValueError, match="found none of Conv"):
        multiplications.of_pass(content, (1, 1, 4, 4))


def of_classes(told: list[tuple[bool, bool]]) -> list[dict]:
    """Cases that have a class and were called so."""
    return [
        {
            "case_id": f"case_{number:02d}",
            "subject_id": f"subject_{number:02d}",
            "labels": {
                "ill": {"positive": positive, "called": called, "accuracy": float(positive == called)}
            },
        }
        for number, (positive, called) in enumerate(told)
    ]


# 12 of 16 ill are found, 3 of 24 well are called ill. Wilson 1927, with n cases:
# (p + z²/2n ± z √(p (1 - p) / n + z²/4n²)) / (1 + z²/n)
def test_rates_of_classes_are_shares_of_cases_with_wilson_s_interval():
    told = [(True, True)] * 12 + [(True, False)] * 4 + [(False, True)] * 3 + [(False, False)] * 21
    of = reliability.of_labels(of_classes(told))["ill"]
    assert (of.sensitivity.value, of.false_negative_rate.value) == (0.75, 0.25)
    assert (of.specificity.value, of.false_positive_rate.value) == (0.875, 0.125)
    z = 1.959963984540054
    centre, half = 0.75 + z**2 / 32, z * np.sqrt(0.75 * 0.25 / 16 + z**2 / 4 / 16**2)
    low, high = ((centre + way * half) / (1 + z**2 / 16) for way in (-1, 1))
    assert of.sensitivity.ci95_low == pytest.approx(low)
    assert of.false_negative_rate.ci95_low == pytest.approx(1 - high)
    assert (of.sensitivity.n_cases, of.specificity.n_cases) == (16, 24)


def test_rates_of_label_maps_are_means_over_cases_and_need_subjects():
    cases = [
        {
            "case_id": f"case_{number}",
            "subject_id": f"subject_{number}",
            "labels": {
                "organ": {"sensitivity": None if number == 0 else 0.8 + 0.01 * number, "specificity": 0.99}
            },
        }
        for number in range(5)
    ]
    of = reliability.of_labels(cases)["organ"]
    assert of.sensitivity.value == pytest.approx(0.825)
    assert of.sensitivity.n_cases == 4
    assert of.sensitivity.ci95_low is None
    assert "fewer than 10 subjects" in str(of.sensitivity.no_interval)
    assert reliability.kind(cases) == "segmentation"


def test_rates_of_other_measures_are_refused():
    with pytest.raises(ValueError, match="found dice, expected called"):
        reliability.of_labels([{"case_id": "a", "subject_id": "a", "labels": {"organ": {"dice": 1.0}}}])


def case(number: int, by: float) -> dict:
    """A case that is better by so much, give or take a thousandth."""
    dice = 0.8 + 0.01 * (number % 3) + by + (0.001 if by else 0) * (-1) ** number
    row = {
        "dice": dice,
        "sensitivity": dice - 0.01,
        "specificity": 0.99 - 0.001 * (number % 4),
        "reference_mm3": 9.0,
    }
    return {"case_id": f"case_{number:02d}", "subject_id": f"subject_{number:02d}", "labels": {"organ": row}}


def lay_out(folder: Path, channels: int, by: float, run_id: str) -> None:
    """What a run leaves, of a network of one hidden layer."""
    for place in ("metrics", "build/train", "build/export"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    cases = [case(number, by) for number in range(SUBJECTS)]
    values = [one["labels"]["organ"]["dice"] for one in cases]
    mean = {
        "mean": float(np.mean(values)),
        "ci95_low": min(values),
        "ci95_high": max(values),
        "no_interval": None,
    }
    mean |= {"n_cases": SUBJECTS, "n_subjects": SUBJECTS}
    metrics = {
        "measures": [measures.TABLE[0].record()],
        "dice": {"organ": mean, "mean_of_labels": mean},
    }
    train = {"network": {"name": "unet"}, "weights": channels, "params": {"patch_voxels": [6, 5, 4]}}
    (folder / "metrics/cases.json").write_text(
        json.dumps({"run_id": run_id * 64, "part": "test", "cases": cases})
    )
    (folder / "metrics/metrics.json").write_text(json.dumps(metrics))
    (folder / "build/train/train.json").write_text(json.dumps(train))
    (folder / "build/export/model.onnx").write_bytes(of_channels(channels))
    (folder / "build/export/model.json").write_text("{}")


def commit(folder: Path, tag: str) -> None:
    projects.run(folder, "git", "add", "-A", "-f")
    projects.run(folder, "git", "-c", "user.name=t", "-c", "user.email=t@e", "commit", "-qm", tag)
    projects.run(folder, "git", "tag", tag)


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """Three runs, of which the second is better and larger and the third worse."""
    monkeypatch.chdir(tmp_path)
    projects.run(tmp_path, "git", "init", "-q", "-b", "main")
    for tag, channels, by, run_id in (
        ("small", 4, 0, "a"),
        ("large", 32, 0.02, "b"),
        ("poor", 8, -0.05, "c"),
    ):
        lay_out(tmp_path, channels, by, run_id)
        commit(tmp_path, tag)
    return tmp_path


def timing(channels: int, median_ms: float, **changes) -> dict:
    digest = hashlib.sha256(of_channels(channels)).hexdigest()
    line = NetworkTiming(
        "a" * 64, digest, "1.31.1", 1, 8, 3, median_ms, 2 * median_ms, 1.5 * median_ms, "a machine"
    )
    return line.record() | changes


def test_networks_are_held_against_the_first(project, capsys):
    assert main(["compare", "small", "large", "poor", "--page", "page"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in rows[:4]] == ["run", "small", "large", "poor"]
    assert "the reference" in rows[1]
    assert "non-inferior" in rows[2]
    assert "not shown" in rows[3]
    record = NetworkComparison.of(records.read("page/networks.json", "network_comparison"))
    small, large, _ = record.networks
    assert small.against is None
    assert large.against is not None
    assert large.against["organ"].difference == pytest.approx(0.02)
    assert large.cost.multiplications == 120 * (32 * 27 + 3 * 32)
    assert large.cost.file_bytes == len(of_channels(32))
    assert large.cost.pass_shape == (1, 1, 4, 5, 6)
    assert large.dimensions == 3
    assert record.watts is None
    assert {network.energy_j for network in record.networks} == {None}


def test_the_page_needs_no_network_and_says_what_is_an_estimate(project):
    ledgers.add("times.jsonl", [timing(4, 10), timing(32, 40)], networks.LEDGER)
    words = ["small", "large", "poor", "--page", "page", "--timings", "times.jsonl", "--watts", "8"]
    assert main(["compare", *words]) == 0
    page = Path("page/index.html").read_text()
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert "An estimate, not a measurement" in page
    assert "8 W a core" in page
    assert "not timed" in page  # the third
    record = records.read("page/networks.json", "network_comparison")
    energies = [network["energy_j"] for network in record["networks"]]
    assert energies == [0.015 * 8, 0.06 * 8, None]  # 1.5 times 10 and 40 ms of processor time
    for name in ("Sensitivity", "False negatives", "Specificity", "False positives"):
        assert name in page


def test_the_same_runs_give_the_same_bytes(project):
    for folder in ("one", "other"):
        assert main(["compare", "small", "large", "--page", folder]) == 0
    for name in ("index.html", "networks.json", "networks.svg"):
        assert Path("one", name).read_bytes() == Path("other", name).read_bytes()


def test_the_time_of_another_file_or_of_other_threads_is_not_taken(project):
    other = timing(5, 10)
    ledgers.add("times.jsonl", [other, timing(4, 20, threads=2)], networks.LEDGER)
    assert main(["compare", "small", "large", "--page", "page", "--timings", "times.jsonl"]) == 0
    record = records.read("page/networks.json", "network_comparison")
    assert [network["timing"] for network in record["networks"]] == [None, None]


def test_two_runs_without_a_page_are_compared_as_before(project, capsys):
    assert main(["compare", "small", "large"]) == 0
    assert "mean_of_labels" in capsys.readouterr().out


def test_all_that_is_missing_is_said_at_once(project, capsys):
    shutil.rmtree("build/export")
    commit(project, "without")
    Path("build/train/train.json").unlink()
    assert main(["compare", "small", "without", "workspace", "--page", "page"]) == 1
    said = capsys.readouterr().err
    assert "run without has no build/export/model.onnx" in said
    assert "run without has no build/export/model.json" in said
    assert "build/train/train.json is missing in the workspace" in said
    assert not Path("page").exists()


def test_a_run_that_was_not_trained_here_or_lacks_the_measure_is_named(project, capsys):
    Path("build/train/train.json").write_text("{}")
    metrics = json.loads(Path("metrics/metrics.json").read_text())
    Path("metrics/metrics.json").write_text(json.dumps({"measures": metrics["measures"]}))
    commit(project, "foreign")
    assert main(["compare", "small", "foreign", "--page", "page"]) == 1
    said = capsys.readouterr().err
    assert "run foreign has no dice in metrics/metrics.json" in said
    assert "run foreign was not trained here: its build/train/train.json says no network" in said


def test_a_file_of_cases_has_no_network(project, capsys):
    assert main(["compare", "small", "metrics/cases.json", "--page", "page"]) == 1
    assert "cases.json is a file of cases, expected a run with its model" in capsys.readouterr().err


def test_all_that_the_options_get_wrong_is_said_at_once(project, capsys):
    words = ["--watts", "0", "--time", "-1", "--repeats", "0", "--threads", "0", "--margin", "nan"]
    assert main(["compare", "small", "large", *words]) == 1
    said = capsys.readouterr().err
    for name in ("--watts", "--time", "--repeats", "--threads", "--margin"):
        assert f"{name}: found" in said


def test_runs_of_classes_are_compared_by_whether_a_case_has_them(project, capsys):
    told = [(number % 2 == 0, number % 5 != 0) for number in range(20)]
    for name, turned in (("a.json", 0), ("b.json", 3)):
        cases = of_classes([(has, called != (place < turned)) for place, (has, called) in enumerate(told)])
        Path(name).write_text(json.dumps({"run_id": name[0] * 64, "part": "test", "cases": cases}))
    assert main(["compare", "a.json", "b.json", "--metric", "accuracy"]) == 0
    assert "ill" in capsys.readouterr().out


def test_a_chart_names_what_it_does_not_draw_and_is_the_same_each_time():
    points = [
        drawing.Point("one", 10.0, 0.9, 0.88, 0.92, None),
        drawing.Point("two", 5.0, 0.89, None, None, True),
        drawing.Point("three", None, 0.8, 0.7, 0.9, False),
    ]
    chart = drawing.accuracy_by_cost(points, "Dice", "ms")
    assert chart == drawing.accuracy_by_cost(copy.copy(points), "Dice", "ms")
    assert chart.startswith(b"<?xml")
    assert chart != drawing.accuracy_by_cost(points[:2], "Dice", "ms")
    assert drawing.accuracy_by_cost([points[2]], "Dice", "ms").startswith(b"<?xml")


NETWORKS = {
    "dynunet": {},
    "densenet": {},
    "flat": {"network": "deeplabv3plus", "patch_voxels": [16, 20, 1], "window_voxels": [32, 32, 1]},
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A study of phantoms in git, with a tag for each network."""
    folder = tmp_path_factory.mktemp("trained")
    phantoms.write_dataset(folder / "data", 14)
    pipelines.lay_out(folder, train={"epochs": 1}, evaluate={"dropout_passes": 0, "augmentation_passes": 0})
    projects.run(folder, "git", "init", "-q", "-b", "main")
    assert pipelines.run(folder, "ingest", "validate", "split") == [0] * 3
    for tag, changes in NETWORKS.items():
        projects.set_params(folder, train={"network": tag} | changes)
        assert pipelines.run(folder, "train", "evaluate", "export") == [0] * 3
        commit(folder, tag)
    return folder


@pytest.mark.slow
def test_networks_of_a_study_are_compared_and_timed(trained, monkeypatch, capsys):
    monkeypatch.chdir(trained)
    words = ["--page", "build/compare", "--time", "2", "--repeats", "1", "--watts", "7"]
    assert main(["compare", *NETWORKS, *words]) == 0
    record = NetworkComparison.of(records.read("build/compare/networks.json", "network_comparison"))
    assert [network.network for network in record.networks] == ["dynunet", "densenet", "deeplabv3plus"]
    assert [network.dimensions for network in record.networks] == [3, 3, 2]
    for network in record.networks:
        assert network.timing is not None
        assert network.timing.cases == 2
        assert network.energy_j == pytest.approx(network.timing.processor_ms / 1000 * 7, rel=1e-6)
        assert network.cost.multiplications > network.cost.weights
        assert set(network.reliability) == {"anterior", "posterior"}
    assert len(ledgers.read("design/network_timings.jsonl", networks.LEDGER)) == 3
    # from the ledger, without timing anew
    assert main(["compare", *NETWORKS, "--page", "build/again", "--watts", "7"]) == 0
    assert Path("build/again/index.html").read_bytes() == Path("build/compare/index.html").read_bytes()


@pytest.mark.slow
def test_a_model_that_cannot_be_timed_says_so(trained, monkeypatch, tmp_path):
    monkeypatch.chdir(trained)
    (tmp_path / "model.onnx").write_bytes(b"no network")
    (tmp_path / "model.json").write_text("{}")
    images = timed.images_of(timed.Study(trained), 1)
    with pytest.raises(timed.StageError, match="could not be timed"):
        timed.of_models([tmp_path], ["a" * 64], images, 1, 1)
