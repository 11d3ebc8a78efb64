"""robustness: summaries by hand; the stage on phantoms, with a network that is right."""

import copy
import json

import numpy as np
import pytest
from ruamel.yaml import YAML
from safetensors.torch import save_file

from radiotrace import records
from radiotrace.imaging import volumes
from radiotrace.inference import windows
from radiotrace.inference.recipe import Recipe
from radiotrace.learning import architecture, state, trained
from radiotrace.pipeline import openings, stage
from radiotrace.records.network import NetworkSpec
from radiotrace.segmentation import robustness as summaries
from stages.segmentation import robustness
from tests import phantoms, projects
from tests.test_inference import phantom, thresholds

pytestmark = pytest.mark.usefixtures("deterministic")

LABELS = {"0": "background", "1": "anterior", "2": "posterior"}
RECIPE = Recipe(
    orientation="LPS",
    spacing_mm=None,
    channels=phantoms.channels(0, 100),
    patch_voxels=(8, 8, 8),
    window_voxels=(32, 32, 32),
    multiple=4,
)
NETWORK = NetworkSpec("dynunet", (4, 8, 8), 3)
OWN = {case: case for case in "abcdefghijkl"}


# Numbers


def degradation(clean, corrupted, subject_of=OWN):
    return summaries.relative_degradation(clean, corrupted, subject_of)


def test_relative_degradation_is_that_of_the_sums():  # (0.8 + 0.4) - (0.6 + 0.3) = 0.3 of 1.2
    assert degradation({"a": 0.8, "b": 0.4}, {"a": 0.6, "b": 0.3})["value"] == pytest.approx(25)


def test_relative_degradation_is_negative_where_a_corruption_helps():
    assert degradation({"a": 0.5, "b": 0.5}, {"a": 0.6, "b": 0.5})["value"] == pytest.approx(-10)


def test_relative_degradation_counts_cases_where_both_are_defined():
    found = degradation({"a": 0.8, "b": None, "c": 0.5, "d": 0.5}, {"a": 0.6, "b": 0.3, "c": None, "d": 0.5})
    assert (found["n_cases"], found["n_undefined"], found["value"]) == (
        2,
        2,
        pytest.approx(100 * (1 - 1.1 / 1.3)),
    )


def test_relative_degradation_of_nothing_is_undefined():
    assert degradation({"a": 0.0, "b": 0.0}, {"a": 0.0, "b": 0.5}) == {
        "n_cases": 2,
        "n_subjects": 2,
        "n_undefined": 0,
        "value": None,
        "ci95_low": None,
        "ci95_high": None,
        "no_interval": "undefined",
    }


# every case falls by a quarter of its own: there is nothing to be unsure of
def test_the_interval_of_a_degradation_is_paired():
    clean = {case: 0.4 + 0.05 * number for number, case in enumerate(OWN)}
    found = degradation(clean, {case: 0.75 * value for case, value in clean.items()})
    assert (found["value"], found["ci95_low"], found["no_interval"]) == (
        pytest.approx(25),
        None,
        "no variance",
    )


@pytest.mark.parametrize("count", [4, 8])
def test_four_and_eight_subjects_are_points_without_an_interval(count):
    clean = dict.fromkeys(list(OWN)[:count], 0.8)
    found = degradation(clean, {case: 0.5 + 0.02 * number for number, case in enumerate(clean)})
    assert (found["ci95_low"], found["no_interval"], found["n_subjects"]) == (
        None,
        "fewer than 10 subjects",
        count,
    )


def test_pooled_deviation_is_the_root_mean_square():  # √((9 + 16) / 2)
    found = summaries.root_mean_square({"a": 3.0, "b": 4.0, "c": None}, OWN)
    assert (found["value"], found["n_cases"], found["n_undefined"]) == (pytest.approx(12.5**0.5), 2, 1)


def test_the_interval_of_a_pooled_deviation_holds_it():
    found = summaries.root_mean_square({case: 3 + 0.1 * number for number, case in enumerate(OWN)}, OWN)
    assert 3 < found["ci95_low"] < found["value"] < found["ci95_high"] < 4.1


@pytest.mark.requirement("SRS-ROB-2")
# 1, 2, 3: SD 1, half of the mean; 0.5, 0.75, 1: SD 0.25
def test_repeatability_of_a_case():
    shifts = [
        {"volume_mm3": dice(volume, 0.0), "dice": dice(value, None if volume == 2 else 0.0)}
        for volume, value in ((1.0, 0.5), (2.0, 0.75), (3.0, 1.0))
    ]
    assert summaries.repeatability(shifts) == {
        "volume_cv_percent": dice(50.0, None),
        "dice_sd": dice(0.25, None),
    }


@pytest.mark.requirement("SRS-ROB-1")
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.9, 0.86, 0.84, 0.87, 0.8, 0.1], 2),  # the first, although 3 is above again
        ([0.84, 0.9, 0.9, 0.9, 0.9, 0.9], 0),  # the clean images break it already
        ([0.9, 0.85, 0.85, 0.85, 0.85, 0.85], None),  # on the criterion is not below it
        ([0.9, None, 0.8, 0.9, 0.9, 0.9], 2),
    ],
)
def test_the_severity_at_which_a_criterion_breaks(values, expected):
    assert summaries.breaks_at(values, 0.85) == expected


def dice(anterior, posterior) -> dict:
    return {"anterior": anterior, "posterior": posterior}


def entry(case_id, clean, blur, adversarial=None, subject_id=None) -> dict:
    """A case; its Dice of both labels at the five severities of blur, and volumes of 90, 100 and 110 mm³
    under shifts."""
    shifts = [
        {"shift_voxels": (0, 0, 0), "dice": dice(value, value), "volume_mm3": dice(volume, 2 * volume)}
        for value, volume in ((0.8, 90.0), (0.9, 100.0), (1.0, 110.0))
    ]
    return {
        "case_id": case_id,
        "subject_id": subject_id or case_id,
        "clean": dice(*clean),
        "corruptions": {"blur": [dice(*one) for one in blur]},
        "shifts": shifts,
        "repeatability": summaries.repeatability(shifts),
        "adversarial": adversarial,
    }


def attacks(clean, *under) -> dict:
    return {
        "clean": dice(*clean),
        "attacks": {
            name: [{"eps_sd": eps, "dice": dice(*one)} for eps, one in zip((0.1, 0.2), under, strict=True)]
            for name in ("noise", "fgsm", "pgd", "segpgd")
        },
    }


CASES = [  # means of labels: a 0.8; 0.8, 0.7, 0.6, 0.5, 0.4; b undefined; undefined, undefined, 0.35, 0.3, 0
    entry(
        "a",
        (0.9, 0.7),
        [(0.9, 0.7), (0.8, 0.6), (0.7, 0.5), (0.6, 0.4), (0.5, 0.3)],
        attacks((0.9, 0.7), (0.8, 0.6), (0.4, 0.2)),
    ),
    entry("b", (0.8, None), [(0.8, None), (0.8, None), (0.7, 0.0), (0.6, 0.0), (0.0, 0.0)]),
]


@pytest.fixture(scope="module")
def summary():
    return summaries.summarise(CASES, 0.75)


@pytest.mark.parametrize(
    ("label", "mean", "n_undefined"),
    [("anterior", 0.85, 0), ("posterior", 0.7, 1), ("mean_of_labels", 0.8, 1)],
)
def test_the_clean_dice_of_a_label(summary, label, mean, n_undefined):
    assert (summary["clean"][label]["mean"], summary["clean"][label]["n_undefined"]) == (
        pytest.approx(mean),
        n_undefined,
    )


@pytest.mark.parametrize(
    ("severity", "anterior", "posterior", "mean_of_labels"),
    [(1, 0.85, 0.7, 0.8), (3, 0.7, 0.25, (0.6 + 0.35) / 2), (5, 0.25, 0.15, (0.4 + 0) / 2)],
)
def test_the_dice_at_a_severity(summary, severity, anterior, posterior, mean_of_labels):
    found = summary["corruptions"]["blur"]["severities"][severity - 1]["dice"]
    assert [found[label]["mean"] for label in ("anterior", "posterior", "mean_of_labels")] == pytest.approx(
        [anterior, posterior, mean_of_labels]
    )


# of 0.8, 0.6 is left in a; b is undefined when clean
def test_the_degradation_at_a_severity(summary):
    found = summary["corruptions"]["blur"]["severities"][2]["relative_degradation_percent"]
    assert (found["value"], found["n_undefined"]) == (pytest.approx(25), 1)


# a: mean of 0.8, 0.7, 0.6, 0.5, 0.4 = 0.6, of 0.8
def test_the_mean_degradation_over_severities(summary):
    assert summary["corruptions"]["blur"]["mean_relative_degradation_percent"]["value"] == pytest.approx(25)


@pytest.mark.requirement("SRS-ROB-1")
def test_where_the_criterion_breaks(summary):
    # Means: anterior 0.85; 0.85, 0.8, 0.7 …; posterior 0.7, below 0.75 when clean; both 0.8; 0.8, 0.7 of a …
    assert summary["corruptions"]["blur"]["breaks_at"] == {"anterior": 3, "posterior": 0, "mean_of_labels": 2}


@pytest.mark.requirement("SRS-ROB-1")
# null for each label would say that it holds
def test_without_intervals_nothing_is_said_of_where_a_lower_bound_breaks(summary):
    assert summary["corruptions"]["blur"]["breaks_at_ci95_low"] is None


@pytest.mark.requirement("SRS-ROB-1")
# from 0.8 by 0.1 each: the mean breaks 0.75 at 1, the bound of the clean images does
def test_where_the_lower_bound_breaks_the_criterion():
    level = [0.8, 0.7, 0.6, 0.5, 0.4, 0.3]
    rows = [
        entry(
            case,
            (0.72 + 0.02 * number, 0.9 + 0.005 * number),
            [(value + 0.02 * number - 0.1, 0.8 + 0.01 * number) for value in level[1:]],
            attacks((0.8, 0.8), (0.8, 0.6), (0.4, 0.2)),
        )
        for number, case in enumerate("abcdefghijkl")
    ]
    found = summaries.summarise(rows, 0.8)["corruptions"]["blur"]
    assert found["breaks_at"]["anterior"] == 1
    assert found["breaks_at_ci95_low"] == {"anterior": 0, "posterior": None, "mean_of_labels": 1}


@pytest.mark.requirement("SRS-ROB-2")
# 90, 100, 110: SD 10; 0.8, 0.9, 1: SD 0.1; the same in both cases
def test_repeatability_of_volumes_and_dice(summary):
    found = summary["repeatability"]
    assert found["n_predictions"] == 3
    assert [
        found["volume_cv_percent"][label]["value"] for label in ("anterior", "posterior")
    ] == pytest.approx([10, 10])
    assert found["dice_sd"]["posterior"]["value"] == pytest.approx(0.1)


# a alone: 0.8, then 0.7 and 0.3
def test_attacks_are_compared_with_the_cases_that_were_attacked(summary):
    found = summary["adversarial"]
    assert (found["n_cases"], found["clean"]["mean_of_labels"]["mean"]) == (1, pytest.approx(0.8))
    assert [level["eps_sd"] for level in found["attacks"]["pgd"]] == [0.1, 0.2]
    assert [
        level["relative_degradation_percent"]["value"] for level in found["attacks"]["pgd"]
    ] == pytest.approx([12.5, 62.5])


@pytest.mark.requirement("SRS-ROB-2")
def test_the_shifts_are_halves_and_wholes_along_each_axis():
    for axis in range(3):
        along = [shift[axis] for shift in summaries.SHIFTS_VOXELS if shift[axis]]
        assert any(abs(one) == 0.5 for one in along)
        assert any(abs(one) == 1 for one in along)
    assert all(sum(map(bool, shift)) == 1 for shift in summaries.SHIFTS_VOXELS)


# Predictions


@pytest.mark.parametrize("orientation", ["LPS", "RAS", "PIR"])
def test_a_prediction_that_was_shifted_comes_back_in_any_orientation(orientation):
    image, label_map = phantom(orientation)
    movement = (np.eye(3), np.array([1.0, -2, 1]))
    shifted = robustness.corruptions.moved(volumes.array_zyx(image), movement)
    changed = phantoms.image(image).with_values(shifted[None])
    found = robustness.predict(changed, movement, thresholds(image), RECIPE)
    reference = volumes.array_zyx(label_map)
    assert np.array_equal(found["label_zyx"][found["known"]], reference[found["known"]])
    assert not np.array_equal(found["moved_zyx"], reference)
    assert not found["known"].all()


def test_a_prediction_that_was_not_moved_is_that_of_segment():
    image, label_map = phantom("RAS")
    found = robustness.predict(phantoms.image(image), None, thresholds(image), RECIPE)
    assert np.array_equal(found["label_zyx"], volumes.array_zyx(label_map))
    assert found["moved_zyx"] is found["label_zyx"]
    assert found["known"].all()


# The stage


def example(schema: str, name: str) -> dict:
    return json.loads((projects.ROOT / f"tests/schema_cases/{schema}/valid/{name}.json").read_text())


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder in which the stage has run on five phantoms of the test part, with an untrained network."""
    folder = tmp_path_factory.mktemp("project")
    ids = phantoms.write_dataset(folder / "data", 5)
    described = example("dataset", "one_case")
    one = described["cases"][0]
    described["cases"] = [
        one
        | {"case_id": case_id, "subject_id": case_id}
        | {
            kind: one[kind]
            | {
                "path": f"{where}/{case_id}.nii.gz",
                "sha256": records.sha256(folder / f"data/{where}/{case_id}.nii.gz"),
            }
            for kind, where in (("image", "imagesTr"), ("label_map", "labelsTr"))
        }
        for case_id in ids
    ]
    split = example("split", "hash")
    split["cases"] = {case_id: {"fold": None, "part": "test", "subject_id": case_id} for case_id in ids}
    save_file(state.of(architecture.build(NETWORK, seed=1)), folder / "weights.safetensors")
    train = example("train", "one_epoch") | {
        "network": NETWORK.record(),
        "preprocessing": RECIPE.preprocessing().record(),
        "weights_sha256": records.sha256(folder / "weights.safetensors"),
    }
    for name, record in (("dataset", described), ("split", split), ("train", train)):
        records.write(folder / f"{name}.json", record, name)
    values = YAML(typ="safe").load((projects.ROOT / "params.yaml").read_text())
    values["robustness"] |= projects.TINY["robustness"] | {"cases": 3}
    YAML().dump(values, folder / "params.yaml")
    run(folder, "build", "metrics")
    return folder


def run(folder, out: str, metrics: str, *options: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        trained.load.cache_clear()
        assert (
            stage.run(
                robustness.main,
                copy.deepcopy(robustness.parser),
                [
                    "--params",
                    "params.yaml",
                    "--requirements",
                    "requirements.txt",
                    "--data",
                    "data",
                    "--dataset",
                    "dataset.json",
                    "--split",
                    "split.json",
                    "--train",
                    "train.json",
                    "--weights",
                    "weights.safetensors",
                    "--openings",
                    f"{metrics}.jsonl",
                    "--out",
                    out,
                    "--metrics",
                    metrics,
                    *options,
                ],
            )
            == 0
        )


def test_the_stage_takes_cases_spread_over_the_test_part(project):  # 3 of 5
    found = records.read(project / "build/cases.json", "robustness_cases")
    assert [case["case_id"] for case in found["cases"]] == ["phantom_00", "phantom_02", "phantom_04"]
    assert [case["adversarial"] is not None for case in found["cases"]] == [True, False, False]


def test_the_stage_writes_a_summary_of_its_cases(project):
    found = records.read(project / "metrics/robustness.json", "robustness")
    assert (
        found["n_cases"],
        found["part"],
        found["adversarial"]["n_cases"],
        found["adversarial"]["steps"],
    ) == (3, "test", 1, 2)
    assert {name: row["strengths"] for name, row in found["corruptions"].items()} == {
        name: list(robustness.corruptions.TABLE[name].strengths) for name in ("blur", "shift")
    }


def test_the_clean_dice_is_that_of_the_prediction(project):
    case = records.read(project / "build/cases.json", "robustness_cases")["cases"][1]
    image, label_map = (
        volumes.read(project / f"data/{where}/phantom_02.nii.gz") for where in ("imagesTr", "labelsTr")
    )
    network = architecture.build(NETWORK, seed=1).eval()
    prediction = volumes.array_zyx(windows.segment(phantoms.image(image), network, RECIPE)[0])
    expected = robustness.metrics.dice_per_label(volumes.array_zyx(label_map), prediction, LABELS)
    assert case["clean"] == pytest.approx(expected)
    assert case["shifts"][0]["dice"] == case["clean"]
    assert case["shifts"][0]["volume_mm3"] == pytest.approx(
        {
            name: float((prediction == int(value)).sum()) * phantoms.VOXEL_MM3
            for value, name in LABELS.items()
            if value != "0"
        }
    )


def test_the_stage_records_what_decided_it(project):
    found = records.read(project / "build/provenance.json", "provenance")
    assert (found["stage"], found["params"]["cases"], set(found["inputs"])) == (
        "robustness",
        3,
        {"dataset.json", "split.json", "train.json", "weights.safetensors"},
    )


def test_the_opening_is_counted_with_the_hash_of_what_came_out(project):
    found = openings.read(project / "metrics.jsonl")
    assert [(line["stage"], line["n_cases"], line["metrics_sha256"]) for line in found] == [
        ("robustness", 5, records.sha256(project / "metrics/robustness.json"))
    ]


def test_two_workers_give_the_same_bytes(project):
    run(project, "again", "metrics_again", "--workers", "2", "--backend", "threading")
    for first, second in (("build", "again"), ("metrics", "metrics_again")):
        files = sorted((project / first).iterdir())
        assert len(files) == 2
        assert [file.read_bytes() for file in files] == [
            (project / second / file.name).read_bytes() for file in files
        ]
