"""evaluate: what it decides on which part, which groups and cases it shows, and what it refuses."""

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from radiotrace import records
from radiotrace.imaging import volumes
from radiotrace.inference.recipe import Recipe
from radiotrace.learning.trained import TrainedModel
from radiotrace.records.network import NetworkSpec
from radiotrace.records.sections.segmentation.evaluate import EvaluateParams
from radiotrace.segmentation import methods
from stages.segmentation import evaluate
from tests import entries, phantoms, projects
from tests.test_results import CASES

SETTINGS = EvaluateParams(
    surface_tolerance_mm=1,
    empty_reference="undefined",
    object_overlap_min=0.5,
    calibration_margin_voxels=1,
    dropout_passes=30,
    augmentation_passes=0,
    poor_dice=0.8,
    flag_share=0.25,
    subgroup_subjects_min=5,
    threads=1,
    seed=0,
)


def observed(score: float, case_id: str = "a") -> dict:
    """A validation case: two voxels, one of them wrong, of a network that gives the winner odds of 9 to 1."""
    scores = {
        "dropout": {"score": score},
        "prediction": {"score": 2 * score},
        "ensemble": {"score": 3 * score},
    }
    entry = {"case_id": case_id, "subject_id": f"of_{case_id}", "uncertainty": scores}
    return {"entry": entry, "logits": np.log([[0.9, 0.9], [0.1, 0.1]]), "truth": np.array([0, 1])}


@pytest.mark.requirement("SRS-CAL-1")
# half of the voxels are right, so that no odds are the best
def test_the_temperature_is_of_the_validation_part():
    decided = evaluate.decide([observed(0.1), observed(0.2)], SETTINGS)
    assert (decided["part"], decided["n_cases"]) == ("validation", 2)
    assert decided["temperature"] > 10


@pytest.mark.requirement("SRS-CAL-1")
# the highest of three, so that of new ones 1 in 4 lies above
def test_the_threshold_is_of_the_subjects_of_the_validation_part():
    found = evaluate.decide(
        [observed(score, name) for score, name in ((0.4, "a"), (0.1, "b"), (0.3, "c"))], SETTINGS
    )
    assert found["flag_above"] == {"dropout": 0.4, "prediction": 0.8}
    assert (
        found["flag_share"],
        found["flag_rule"]["dropout"]["n_subjects"],
        found["flag_rule"]["dropout"]["share_expected"],
    ) == (0.25, 3, 0.25)


@pytest.mark.requirement("SRS-CAL-1")
def test_too_few_subjects_of_the_validation_part_set_no_threshold():  # a quarter takes three
    found = evaluate.decide([observed(0.4, "a"), observed(0.1, "b")], SETTINGS)
    assert found["flag_above"] == {"dropout": None, "prediction": None}
    assert (found["flag_rule"]["dropout"]["needed"], found["flag_rule"]["dropout"]["share_expected"]) == (
        3,
        None,
    )


def test_without_a_validation_part_nothing_is_decided():
    found = evaluate.decide([], SETTINGS)
    assert (found["n_cases"], found["n_cases_ensemble"], found["temperature"]) == (0, None, None)
    assert found["flag_above"] == {"dropout": None, "prediction": None}


@pytest.mark.parametrize(
    ("unseen", "limit"),
    [({"a", "b", "c"}, 0.9), ({"a", "c", "d"}, 1.2), ({"a", "b"}, None), ({"b", "elsewhere"}, None)],
)
def test_the_threshold_of_an_ensemble_is_of_cases_that_no_member_has_learnt_from(unseen, limit):
    found = evaluate.decide(
        [observed(0.2, "a"), observed(0.1, "b"), observed(0.3, "c"), observed(0.4, "d")], SETTINGS, unseen
    )
    assert found["flag_above"]["ensemble"] == (None if limit is None else pytest.approx(limit))
    assert found["flag_above"]["dropout"] == 0.4
    assert (found["n_cases"], found["n_cases_ensemble"]) == (4, len(unseen & set("abcd")))


@pytest.mark.parametrize(
    ("logits", "entropy", "mutual_information"),
    [
        ([(30, 0), (0, 30)], np.log(2), np.log(2)),  # each is sure, of the opposite
        ([(0, 0), (0, 0)], np.log(2), 0),  # each is unsure, of the same
        ([(30, 0), (30, 0)], 0, 0),
    ],
)
def test_networks_that_disagree_are_uncertain(monkeypatch, logits, entropy, mutual_information):
    def constant(model):
        values = torch.tensor(logits[int(model.weights)], dtype=torch.float32).view(1, 2, 1, 1, 1)
        return lambda patch: values.repeat(1, 1, *patch.shape[2:])

    monkeypatch.setattr(evaluate.trained, "network", constant)
    recipe = Recipe("LPS", None, phantoms.channels(0, 100), (16, 24, 16), (32, 32, 32), multiple=8)
    spec = NetworkSpec("dynunet", (4, 8, 8), 2)
    networks = [
        TrainedModel(spec, recipe, {"0": "background", "1": "organ"}, str(number), "0" * 64, "native", "fp32")
        for number in range(len(logits))
    ]
    image, _ = phantoms.pair(1)
    found = evaluate.passes_of_networks(phantoms.image(image), networks)
    assert found.entropy.shape == phantoms.SIZE_XYZ[::-1]
    assert found.entropy == pytest.approx(entropy, abs=1e-6)
    assert found.mutual_information == pytest.approx(mutual_information, abs=1e-6)


def test_groups_are_the_attributes_and_what_every_image_has():
    test = {
        case_id: {"attributes": {"site": site}}
        for case_id, site in (("a", "north"), ("b", ""), ("c", "south"))
    }
    dataset = entries.dataset(
        *(
            entries.case(
                case_id, image={"pixel_type": "float", "intensity": entries.INTENSITY | {"p99_5": scale}}
            )
            for case_id, scale in (("a", 255.0), ("b", 99.0), ("c", 1e5), ("d", 1.0))
        )
    )
    observed = [
        {"entry": one, "monitored": {"features": {"input": {"snr": snr}}}}
        for one, snr in zip(CASES, (20, None, 10), strict=True)
    ]
    # both volumes of the references: 300, 300, 400
    assert evaluate.groups_of(test, dataset, observed) == {
        "site": {"a": "north", "c": "south"},
        "derived_pixel_type": dict.fromkeys("abc", "float"),
        "derived_intensity_scale": {"a": "10^2 to 10^3", "b": "10^1 to 10^2", "c": "10^5 to 10^6"},
        "derived_reference_volume": {"a": "low", "b": "low", "c": "high"},
        "derived_snr": {"a": "high", "c": "low"},
    }


@pytest.fixture
def turned_row():
    """A figure row of a case that is stored as RAS."""
    image, label_map = (sitk.DICOMOrient(one, "RAS") for one in phantoms.pair(3))
    return evaluate.figure_row("a case", phantoms.image(image), label_map, label_map)


@pytest.mark.parametrize(("name", "index"), [("image_zyx", 0), ("reference_zyx", 1), ("prediction_zyx", 1)])
def test_a_figure_shows_lps(turned_row, name, index):  # phantoms are made as LPS
    assert np.array_equal(turned_row[name], volumes.array_zyx(phantoms.pair(3)[index]))


def test_a_figure_has_its_spacing_in_array_order(turned_row):
    assert turned_row["spacing_zyx"] == pytest.approx((1.7, 1.1, 0.9))


# The stage, on phantoms

INPUTS = [
    "--dataset",
    "build/ingest/dataset.json",
    "--split",
    "build/split/split.json",
    "--train",
    "build/train/train.json",
    "--weights",
    "build/train/weights.safetensors",
    "--data",
    "data",
    "--members",
    "members",
    "--params",
    "params.yaml",
    "--requirements",
    "requirements.txt",
]


@pytest.fixture(scope="module")
def project(reproduced, tmp_path_factory):
    """A copy of a project that has run."""
    return shutil.copytree(reproduced, tmp_path_factory.mktemp("evaluate") / "project", symlinks=True)


def run(project, **changed):
    """The stage's records metrics and cases, with other inputs or outputs."""
    options = {
        "openings": "again/openings.jsonl",
        "out": "again/evaluate",
        "metrics": "again/metrics",
    } | changed
    projects.run(
        project,
        "python",
        "-m",
        "stages.segmentation.evaluate",
        *INPUTS,
        *(word for name, value in options.items() for word in (f"--{name}", value)),
    )
    return [
        json.loads((project / options["metrics"] / f"{name}.json").read_text())
        for name in ("metrics", "cases")
    ]


@pytest.mark.requirement("SRS-CAL-1")
@pytest.mark.slow
def test_other_labels_of_the_test_part_change_no_decision(project):
    split, dataset = (
        json.loads((project / path).read_text())
        for path in ("build/split/split.json", "build/ingest/dataset.json")
    )
    before, cases = run(project)
    shutil.copytree(project / "data", project / "other/data")
    for case in dataset["cases"]:
        if split["cases"][case["case_id"]]["part"] == "test":
            path = project / "other/data" / case["label_map"]["path"]
            volume = sitk.ReadImage(str(path))
            volumes.write(volumes.from_array(np.roll(volumes.array_zyx(volume), 3, axis=2), volume), path)
            case["label_map"]["sha256"] = records.sha256(path)
    (project / "other.json").write_text(json.dumps(dataset))
    after, others = run(
        project, data="other/data", dataset="other.json", out="other/evaluate", metrics="other/metrics"
    )
    assert after["decisions"] == before["decisions"]
    assert [case["flagged"] for case in others["cases"]] == [case["flagged"] for case in cases["cases"]]
    assert [case["prediction_sha256"] for case in others["cases"]] == [
        case["prediction_sha256"] for case in cases["cases"]
    ]
    assert after["dice"] != before["dice"]


def test_each_kind_of_uncertainty_has_its_maps(reproduced):
    cases = json.loads((reproduced / "metrics/cases.json").read_text())["cases"]
    names = {path.name for path in (reproduced / "build/evaluate/results/uncertainty").iterdir()}
    assert names == {
        f"{case['case_id']}.{kind}.{name}.nii.gz"
        for case in cases
        for kind in ("dropout", "augmentation")
        for name in ("entropy", "mutual_information")
    }


def test_a_map_of_entropy_is_in_nats_on_the_canonical_grid(reproduced):  # two decimals
    cases = json.loads((reproduced / "metrics/cases.json").read_text())["cases"]
    found = volumes.array_zyx(
        sitk.ReadImage(
            str(
                reproduced
                / f"build/evaluate/results/uncertainty/{cases[0]['case_id']}.dropout.entropy.nii.gz"
            )
        )
    )
    assert found.shape == phantoms.SIZE_XYZ[::-1]
    assert 0 < found.max() < np.log(3) + 0.005


@pytest.mark.requirement("SRS-EVI-3")
def test_each_opening_is_counted_once(reproduced, project):
    path = "design/test_openings.jsonl"
    lines = [json.loads(line) for line in (reproduced / path).read_text().splitlines()]
    run_id = json.loads((reproduced / "build/train/train.json").read_text())["run_id"]
    digests = {line["stage"]: line["metrics_sha256"] for line in lines if line["run_id"] == run_id}
    assert digests == {
        "evaluate": records.sha256(reproduced / "metrics/metrics.json"),
        "robustness": records.sha256(reproduced / "metrics/robustness.json"),
        "explain": records.sha256(reproduced / "build/explain/explain.json"),
        "optimize": records.sha256(reproduced / "build/optimize/variants.json"),
    }
    run(project, openings=path)
    assert (project / path).read_bytes() == (reproduced / path).read_bytes()


@pytest.mark.requirement("SRS-SUB-1")
def test_a_site_of_cases_csv_is_a_subgroup(reproduced):
    with open(reproduced / "data/cases.csv", newline="") as file:
        sites = {row["site"] for row in csv.DictReader(file)}
    assert set(json.loads((reproduced / "metrics/metrics.json").read_text())["subgroups"]["site"]) == sites


def test_the_reference_for_monitoring_is_of_the_held_out_cases(reproduced):
    found = json.loads((reproduced / "build/evaluate/results/reference.json").read_text())
    split = json.loads((reproduced / "build/split/split.json").read_text())["cases"].values()
    held_out = [row["subject_id"] for row in split if row["part"] != "train"]
    assert (found["parts"], found["n_cases"], found["n_subjects"]) == (
        ["test", "validation"],
        len(held_out),
        len(set(held_out)),
    )
    decided = json.loads((reproduced / "metrics/metrics.json").read_text())["decisions"]
    # too few subjects here for a threshold
    assert (found["flagging"], decided["flag_above"]["prediction"]) == (None, None)


def test_every_measure_says_how_it_was_made(reproduced):
    metrics = json.loads((reproduced / "metrics/metrics.json").read_text())
    counts_and_names = {
        "run_id",
        "part",
        "excluded",
        "n_cases",
        "n_subjects",
        "members",
        "measures",
        "methods",
        "surface_tolerance_mm",
        "worst_cases",
    }
    assert set(metrics) - counts_and_names <= set(metrics["methods"])


def test_methods_state_the_parameters_that_were_used():
    settings = replace(SETTINGS, seed=3, surface_tolerance_mm=2.5, dropout_passes=17)
    found = methods.texts(settings)
    assert "an exception" in found["empty_reference"]
    assert (
        "a case like any other"
        in methods.texts(replace(settings, empty_reference="score"))["empty_reference"]
    )
    assert "within 2.5 mm" in found["surface_dice"]
    assert "17 passes" in found["uncertainty"]
