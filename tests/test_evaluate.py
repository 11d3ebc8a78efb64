"""evaluate: comparison, summary and choice of cases, by hand."""
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from safetensors.torch import save_file

from radiotrace import records
from radiotrace.images import volumes
from radiotrace.learning import networks, numerics
from radiotrace.stage import StageError
from stages import evaluate
from tests import phantoms

LABELS = {"0": "background", "1": "anterior", "2": "posterior"}
ISOTROPIC = (1.0, 1.0, 1.0)


def case(case_id: str, anterior, posterior, subject_id=None) -> dict:
    """A case; each label is (Dice, reference mm³, prediction mm³); its surface Dice is as its Dice, its HD95 is 10 times 1 - Dice."""
    rows = {name: dict(zip(("dice", "reference_mm3", "prediction_mm3"), row, strict=True))
                  | {"surface_dice": row[0], "hausdorff95_mm": None if row[0] is None else 10 * (1 - row[0])}
            for name, row in (("anterior", anterior), ("posterior", posterior))}
    return {"case_id": case_id, "subject_id": subject_id or case_id, "labels": rows}


def ranked(**dice) -> list[dict]:
    """Cases with the Dice of both labels."""
    return [case(case_id, (one, 1, 1), (other, 1, 1)) for case_id, (one, other) in dice.items()]


# c has no anterior in the reference, and none predicted.
CASES = [case("a", (0.5, 100, 150), (0.75, 200, 100), "one"), case("b", (0.75, 200, 100), (0.5, 100, 110), "one"),
         case("c", (None, 0, 0), (0.5, 400, 400), "two")]


@pytest.fixture(scope="module")
def summary():
    return evaluate.summarise(CASES, resamples=200, seed=0)


def test_compare_of_shifted_boxes_gives_dice_of_each_label():  # shifted by one voxel along x: 5 of 6 and 4 of 5 columns remain
    found = evaluate.compare(phantoms.label_array(), phantoms.label_array((1, 0, 0)), LABELS, ISOTROPIC, 1)
    assert {name: row["dice"] for name, row in found.items()} == pytest.approx({"anterior": 5 / 6, "posterior": 4 / 5})


@pytest.mark.parametrize(("label", "name"), [(1, "anterior"), (2, "posterior")])
def test_compare_gives_volumes_in_mm3(label, name):
    found = evaluate.compare(phantoms.label_array(), np.zeros_like(phantoms.label_array()), LABELS, volumes.to_zyx(phantoms.SPACING_XYZ), 1)
    assert (found[name]["reference_mm3"], found[name]["prediction_mm3"]) == pytest.approx((phantoms.VOLUMES_MM3[label], 0))


def test_compare_leaves_out_the_background():
    assert set(evaluate.compare(phantoms.label_array(), phantoms.label_array(), LABELS, ISOTROPIC, 1)) == {"anterior", "posterior"}


def test_compare_gives_what_a_record_takes():
    found = evaluate.compare(phantoms.label_array(), phantoms.label_array(), LABELS, volumes.to_zyx(phantoms.SPACING_XYZ), 1)
    assert records.dumps(found)


def test_summary_counts_cases_and_subjects(summary):
    assert (summary["n_cases"], summary["n_subjects"]) == (3, 2)


@pytest.mark.parametrize(("measure", "label", "expected"), [
    ("dice", "anterior", (0.5 + 0.75) / 2),                    # c is undefined
    ("dice", "posterior", (0.75 + 0.5 + 0.5) / 3),
    ("dice", "mean_of_labels", (0.625 + 0.625 + 0.5) / 3),     # c counts with its posterior alone
    ("surface_dice", "anterior", (0.5 + 0.75) / 2),
    ("hausdorff95_mm", "posterior", (2.5 + 5 + 5) / 3),
    ("hausdorff95_mm", "mean_of_labels", (3.75 + 3.75 + 5) / 3),
    ("volume_error_mm3", "anterior", (50 - 100 + 0) / 3),
    ("volume_error_mm3", "posterior", (-100 + 10 + 0) / 3),
    ("volume_error_mm3", "mean_of_labels", (-25 - 45 + 0) / 3),
    ("volume_error_percent", "anterior", (50 - 50) / 2),       # of nothing there is no percentage
    ("volume_error_percent", "posterior", (-50 + 10 + 0) / 3),
    ("volume_error_percent", "mean_of_labels", (0 - 20 + 0) / 3),
])
def test_summary_has_the_mean_of(summary, measure, label, expected):
    assert summary[measure][label]["mean"] == pytest.approx(expected)


@pytest.mark.parametrize("measure", ["dice", "surface_dice", "hausdorff95_mm", "volume_error_percent"])
def test_summary_counts_what_is_undefined(summary, measure):
    assert [summary[measure][label]["n_undefined"] for label in ("anterior", "posterior", "mean_of_labels")] == [1, 0, 0]


def test_summary_of_one_label_resamples_subjects(summary):     # anterior is defined for one subject alone
    assert summary["dice"]["anterior"]["ci95_low"] is None


def test_summary_of_cases_without_any_defined_dice():
    found = evaluate.summarise([case("a", (None, 0, 0), (None, 0, 0)), case("b", (None, 0, 0), (None, 0, 0))], 200, 0)
    assert found["dice"]["mean_of_labels"]["mean"] is None


def test_worst_median_and_best_are_ranked_by_mean_dice():      # means 0.7, 0.2, 0.9, 0.5, 0.6
    cases = ranked(a=(0.6, 0.8), b=(0.1, 0.3), c=(0.9, 0.9), d=(0.0, 1.0), e=(0.5, 0.7))
    assert evaluate.worst_median_best(cases) == {"worst": "b", "median": "e", "best": "c"}


def test_an_undefined_label_is_left_out_of_a_rank():
    assert evaluate.worst_median_best(ranked(a=(0.5, 0.5), b=(None, 0.9), c=(0.6, 0.6)))["best"] == "b"


def test_a_case_without_any_dice_is_the_worst():
    assert evaluate.worst_median_best(ranked(a=(0.0, 0.0), b=(None, None), c=(0.6, 0.6)))["worst"] == "b"


def test_equal_cases_are_ranked_by_name():
    assert evaluate.worst_median_best(ranked(c=(0.5, 0.5), a=(0.5, 0.5), b=(0.5, 0.5))) == {"worst": "a", "median": "b", "best": "c"}


def test_one_case_is_worst_median_and_best():
    assert set(evaluate.worst_median_best(ranked(a=(0.5, 0.5))).values()) == {"a"}


def test_a_title_says_which_dice_is_undefined():
    assert evaluate.dice_text(CASES[2]["labels"]) == "anterior undefined, posterior 0.50"


@pytest.fixture
def turned_row():
    """A figure row of a case that is stored as RAS."""
    image, label_map = (sitk.DICOMOrient(one, "RAS") for one in phantoms.pair(3))
    return evaluate.figure_row("a case", image, label_map, label_map)


@pytest.mark.parametrize(("name", "index"), [("image_zyx", 0), ("reference_zyx", 1), ("prediction_zyx", 1)])
def test_a_figure_shows_lps(turned_row, name, index):          # phantoms are made as LPS
    assert np.array_equal(turned_row[name], volumes.array_zyx(phantoms.pair(3)[index]))


def test_a_figure_has_its_spacing_in_array_order(turned_row):
    assert turned_row["spacing_zyx"] == pytest.approx((1.7, 1.1, 0.9))


# A process that predicts

SPEC = {"name": "dynunet", "features": [4, 8, 8], "labels": 3}


@pytest.fixture
def weights(tmp_path, one_thread):
    """Path of untrained weights."""
    save_file(networks.state(networks.build(SPEC, seed=1)), tmp_path / "weights.safetensors")
    evaluate.load_network.cache_clear()
    return str(tmp_path / "weights.safetensors")


def test_the_network_is_loaded_once_per_process(weights):
    first, again = (evaluate.load_network(records.dumps(SPEC), weights, records.sha256(weights)) for _ in range(2))
    assert first is again


def test_the_network_has_the_weights_of_the_file(weights):
    network = evaluate.load_network(records.dumps(SPEC), weights, records.sha256(weights))
    assert all(value.equal(networks.state(networks.build(SPEC, seed=1))[name]) for name, value in networks.state(network).items())


def test_weights_of_another_run_are_refused(weights):
    with pytest.raises(StageError, match="was changed after training"):
        evaluate.load_network(records.dumps(SPEC), weights, "0" * 64)


def test_a_process_with_the_same_instruction_set_may_predict(deterministic):
    evaluate.configure("native", 1, numerics.configure("native", 1))  # raises where it may not
    assert torch.are_deterministic_algorithms_enabled()


def test_a_process_with_another_instruction_set_is_refused(deterministic):
    with pytest.raises(StageError, match="expected an abacus"):
        evaluate.configure("native", 1, "an abacus")


def test_a_process_that_cannot_take_up_the_numerics_is_refused(deterministic, monkeypatch):
    def fail(name, threads):
        raise RuntimeError("portable numerics need AVX2, torch uses AVX512")

    monkeypatch.setattr(numerics, "configure", fail)
    with pytest.raises(StageError, match="portable numerics need AVX2"):
        evaluate.configure("portable", 1, "AVX2, fp32")
