"""results: what is measured of a case, and summaries of cases, by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from radiotrace import records
from radiotrace.evidence.design import requirements
from radiotrace.imaging import volumes
from radiotrace.records.metrics import Metrics
from radiotrace.segmentation import measures, results
from radiotrace.statistics import calibration, uncertainty
from tests import phantoms

LABELS = {"0": "background", "1": "anterior", "2": "posterior"}
EXAMPLE = Path(__file__).parent / "schema_cases/metrics/valid/all_defined.json"
ISOTROPIC = (1.0, 1.0, 1.0)
SPACING_ZYX = volumes.to_zyx(phantoms.SPACING_XYZ)


def row(dice, reference_mm3, prediction_mm3) -> dict:
    """What is measured of a label; all that is not given follows from the Dice: HD95 is 10 times 1 - Dice."""
    error = prediction_mm3 - reference_mm3
    percent = 100 * error / reference_mm3 if reference_mm3 else None
    distance = None if dice is None else 10 * (1 - dice)
    return {
        **dict.fromkeys((one.name for one in measures.TABLE if one.kind == "share"), dice),
        "hausdorff95_mm": distance,
        "average_surface_distance_mm": distance,
        "reference_mm3": reference_mm3,
        "prediction_mm3": prediction_mm3,
        "volume_error_mm3": error,
        "volume_error_absolute_mm3": abs(error),
        "volume_error_percent": percent,
        "volume_error_absolute_percent": None if percent is None else abs(percent),
        "reference_components": int(reference_mm3 > 0),
        "prediction_components": int(prediction_mm3 > 0),
        "objects_found": int(bool(dice)),
        "objects_false_positive": int(prediction_mm3 > 0 and not dice),
    }


def case(case_id: str, anterior, posterior, subject_id=None, score=0.1) -> dict:
    """A case; each label is (Dice, reference mm³, prediction mm³)."""
    return {
        "case_id": case_id,
        "subject_id": subject_id or case_id,
        "labels": {"anterior": row(*anterior), "posterior": row(*posterior)},
        "uncertainty": {"dropout": {"score": score, "entropy": score / 2, "mutual_information": score / 10}},
        "flagged": {"dropout": score > 0.15},
        "prediction": f"{case_id}.nii.gz",
        "prediction_sha256": "b" * 64,
    }


# c has no anterior in the reference, and none predicted.
CASES = [
    case("a", (0.5, 100, 150), (0.75, 200, 100), "one", 0.1),
    case("b", (0.75, 200, 100), (0.5, 100, 110), "one", 0.2),
    case("c", (None, 0, 0), (0.5, 400, 400), "two", 0.3),
]


@pytest.fixture(scope="module")
def summary():
    return results.Summary(CASES)


# A case


@pytest.fixture(scope="module")
def shifted() -> dict:
    """Boxes shifted by one voxel along x: of 6 and of 5 columns, 5 and 4 remain."""
    return results.compare(phantoms.label_array(), phantoms.label_array((1, 0, 0)), LABELS, ISOTROPIC, 1, 0.5)


@pytest.mark.parametrize(
    ("measure", "anterior", "posterior"),
    [
        ("dice", 5 / 6, 4 / 5),
        ("iou", 5 / 7, 4 / 6),
        ("sensitivity", 5 / 6, 4 / 5),
        ("ppv", 5 / 6, 4 / 5),
        ("hausdorff95_mm", 1, 1),
        ("volume_error_mm3", 0, 0),
        ("volume_error_percent", 0, 0),
        ("reference_components", 1, 1),
        ("objects_found", 1, 1),
        ("objects_false_positive", 0, 0),
        ("specificity", 1 - 20 / (18 * 22 * 14 - 120), 1 - 24 / (18 * 22 * 14 - 120)),
    ],
)
def test_of_shifted_boxes_each_label_has(shifted, measure, anterior, posterior):
    assert [shifted[name][measure] for name in ("anterior", "posterior")] == pytest.approx(
        [anterior, posterior]
    )


def test_every_measure_is_there_and_goes_into_a_record(shifted):
    assert all({one.name for one in measures.TABLE} <= set(found) for found in shifted.values())
    assert records.dumps(shifted)


def test_the_background_is_left_out(shifted):
    assert set(shifted) == {"anterior", "posterior"}


@pytest.mark.parametrize(("label", "name"), [(1, "anterior"), (2, "posterior")])
def test_volumes_are_in_mm3(label, name):
    found = results.compare(
        phantoms.label_array(), np.zeros_like(phantoms.label_array()), LABELS, SPACING_ZYX, 1, 0.5
    )[name]
    assert [
        found[key] for key in ("reference_mm3", "prediction_mm3", "volume_error_mm3", "volume_error_percent")
    ] == pytest.approx([phantoms.VOLUMES_MM3[label], 0, -phantoms.VOLUMES_MM3[label], -100])


def test_of_nothing_there_is_no_percentage():
    empty = np.zeros_like(phantoms.label_array())
    assert (
        results.compare(empty, phantoms.label_array(), LABELS, ISOTROPIC, 1, 0.5)["anterior"][
            "volume_error_percent"
        ]
        is None
    )


@pytest.mark.parametrize(
    ("measure", "sign"),
    [
        ("dice", 1),
        ("iou", 1),
        ("surface_dice", 1),
        ("boundary_f1", 1),
        ("sensitivity", 1),
        ("average_surface_distance_mm", -1),
    ],
)
def test_a_voxel_more_in_the_right_place_moves_the_right_way(measure, sign):
    reference, poor = phantoms.label_array(), phantoms.label_array()
    poor[4:8, 4:9, 5:7] = 0  # two columns of the anterior box are missing
    better = poor.copy()
    better[4, 4, 6] = 1
    before, after = (
        results.compare(reference, one, LABELS, ISOTROPIC, 0.5, 0.5)["anterior"][measure]
        for one in (poor, better)
    )
    assert sign * (after - before) > 0


@pytest.mark.parametrize("measure", ["dice", "iou", "ppv", "specificity"])
def test_a_voxel_more_in_a_wrong_place_lowers(measure):
    right, wrong = phantoms.label_array(), phantoms.label_array()
    wrong[0, 0, 0] = 1
    before, after = (
        results.compare(right, one, LABELS, ISOTROPIC, 1, 0.5)["anterior"][measure] for one in (right, wrong)
    )
    assert after < before == 1


@pytest.mark.parametrize(
    "measure", ["dice", "iou", "surface_dice", "boundary_f1", "hausdorff95_mm", "average_surface_distance_mm"]
)
def test_symmetric_measures_stay_when_reference_and_prediction_are_swapped(measure):
    one, other = phantoms.label_array(), phantoms.label_array((1, 2, 0))
    found = [
        results.compare(*pair, LABELS, SPACING_ZYX, 1, 0.5)["posterior"][measure]
        for pair in ((one, other), (other, one))
    ]
    assert found[0] == pytest.approx(found[1], abs=1e-6)


def test_sensitivity_and_ppv_change_places_when_swapped():
    one, other = phantoms.label_array(), np.where(phantoms.label_array((2, 0, 0)) == 1, 1, 0)
    there, back = (
        results.compare(*pair, LABELS, ISOTROPIC, 1, 0.5)["anterior"] for pair in ((one, other), (other, one))
    )
    assert (there["sensitivity"], there["ppv"]) == (back["ppv"], back["sensitivity"])


def test_an_object_that_is_hardly_covered_is_missed():  # 5 of 6 columns
    found = results.compare(
        phantoms.label_array(), phantoms.label_array((1, 0, 0)), LABELS, ISOTROPIC, 1, 0.9
    )["anterior"]
    assert (found["objects_found"], found["objects_false_positive"]) == (0, 1)


# Summaries


@pytest.mark.parametrize(
    ("measure", "label", "expected"),
    [
        ("dice", "anterior", (0.5 + 0.75) / 2),  # c is undefined
        ("dice", "posterior", (0.75 + 0.5 + 0.5) / 3),
        ("dice", "mean_of_labels", (0.625 + 0.625) / 2),  # c is undefined: one of its labels is
        ("hausdorff95_mm", "posterior", (2.5 + 5 + 5) / 3),
        ("hausdorff95_mm", "mean_of_labels", (3.75 + 3.75) / 2),
        ("volume_error_mm3", "anterior", (50 - 100 + 0) / 3),
        ("volume_error_mm3", "posterior", (-100 + 10 + 0) / 3),
        ("volume_error_mm3", "mean_of_labels", (-25 - 45 + 0) / 3),
        ("volume_error_percent", "anterior", (50 - 50) / 2),  # of nothing there is no percentage
        ("volume_error_percent", "posterior", (-50 + 10 + 0) / 3),
        ("volume_error_percent", "mean_of_labels", (0 - 20) / 2),
        ("volume_error_absolute_mm3", "posterior", (100 + 10 + 0) / 3),
        ("volume_error_absolute_percent", "anterior", (50 + 50) / 2),
        ("prediction_components", "anterior", 2 / 3),
    ],
)
def test_the_mean_of(summary, measure, label, expected):
    assert summary.measures()[measure][label]["mean"] == pytest.approx(expected)


@pytest.mark.parametrize("measure", ["dice", "surface_dice", "hausdorff95_mm", "volume_error_percent"])
def test_what_is_undefined_is_counted(summary, measure):
    assert [
        summary.measures()[measure][label]["n_undefined"]
        for label in ("anterior", "posterior", "mean_of_labels")
    ] == [1, 0, 1]


def test_two_subjects_have_no_interval_and_the_reason(summary):
    found = summary.measures()["dice"]["posterior"]
    assert (found["ci95_low"], found["no_interval"]) == (None, "fewer than 10 subjects")


def test_cases_without_any_defined_dice():
    found = results.Summary([case("a", (None, 0, 0), (None, 0, 0)), case("b", (None, 0, 0), (None, 0, 0))])
    assert found.measures()["dice"]["mean_of_labels"]["mean"] is None
    assert found.uncertainty("dropout", 0.5, None)["aurc"] == {
        "n_cases": 0,
        "n_subjects": 0,
        "n_undefined": 2,
        "value": None,
        "ci95_low": None,
        "ci95_high": None,
        "no_interval": "undefined",
    }


# squares of 10^9 have no digit left for them
def test_concordance_of_volumes_near_a_milliard_is_that_of_their_differences():
    small, large = (
        [
            case(f"{number:02d}", (0.9, base + 5 * number, base + 5 * number + number % 3), (0.9, 1, 1))
            for number in range(12)
        ]
        for base in (100, 1e9)
    )
    found = [results.Summary(cases).volume_agreement()["anterior"]["concordance"] for cases in (small, large)]
    for key in ("value", "ci95_low", "ci95_high"):
        assert found[1][key] == pytest.approx(found[0][key], abs=1e-6), key


def test_concordance_of_one_case_is_undefined():  # it was 0
    found = results.Summary([case("a", (0.9, 100, 110), (0.9, 1, 1))]).volume_agreement()["anterior"][
        "concordance"
    ]
    assert (found["value"], found["no_interval"]) == (None, "undefined")


def missing(number: int) -> list[dict]:
    """49 cases of 35 subjects, in the first so many of which the anterior part was missed."""
    return [
        case(
            f"{index:02d}",
            (0.0, 100, 0) if index < number else (0.9, 100, 100),
            (0.87 + 0.002 * (index % 10), 200, 200),
            f"{index % 35}",
        )
        for index in range(49)
    ]


def without_distances(cases: list[dict]) -> list[dict]:
    """As surfaces.compare has it of a mask that is empty."""
    for one in cases:
        if one["labels"]["anterior"]["prediction_mm3"] == 0:
            one["labels"]["anterior"] |= {"hausdorff95_mm": None, "average_surface_distance_mm": None}
    return cases


@pytest.mark.requirement("SRS-MET-1")
# counted with their better label, they made it fall
def test_ten_missed_structures_are_ten_undefined_cases_of_the_mean_of_labels():
    whole, missed = (
        results.Summary(without_distances(missing(number))).measures()["hausdorff95_mm"]["mean_of_labels"]
        for number in (0, 10)
    )
    assert (whole["n_undefined"], missed["n_undefined"], missed["n_cases"]) == (0, 10, 39)
    # HD95 is 10 times 1 - Dice, so 1 of the anterior part and 1.3 to 1.12 of the posterior one.
    assert missed["mean"] == pytest.approx(
        np.mean([(1 + 1.3 - 0.02 * (index % 10)) / 2 for index in range(10, 49)])
    )


# A set of lesions of which every other case has none


def lesion(predicted_in_empty: bool, predicted_in_full: bool = True) -> list[dict]:
    """40 cases of as many subjects, every other without a lesion."""
    box, nothing = phantoms.label_array(), np.zeros_like(phantoms.label_array())
    cases = []
    for number in range(40):
        reference = box if number % 2 else nothing
        shown = phantoms.label_array((number % 3 % 2, 0, 0))
        shown[4, 4 : 4 + number % 5, 5] = 0  # volumes differ too
        prediction = shown if (predicted_in_full if number % 2 else predicted_in_empty) else nothing
        cases.append(
            {
                "case_id": f"{number:02d}",
                "subject_id": f"{number:02d}",
                "labels": results.compare(
                    reference,
                    prediction,
                    {"0": "background", "1": "lesion"},
                    SPACING_ZYX,
                    1,
                    0.5,
                    results.SCORE,
                ),
            }
        )
    return cases


@pytest.mark.parametrize(
    ("predicted", "dice", "surface_dice", "specificity"), [(False, 1, 1, 1), (True, 0, 0, 0)]
)
def test_an_empty_reference_is_scored_where_the_study_declares_it(predicted, dice, surface_dice, specificity):
    row = lesion(predicted)[0]["labels"]["lesion"]
    assert (row["dice"], row["surface_dice"]) == (dice, surface_dice)
    assert (
        results.Summary(lesion(predicted), results.SCORE).detection()["lesion"]["case_specificity"]["value"]
        == specificity
    )


def test_an_empty_reference_is_undefined_where_the_study_does_not_declare_it():
    nothing = np.zeros_like(phantoms.label_array())
    assert results.compare(nothing, nothing, LABELS, ISOTROPIC, 1, 0.5)["anterior"]["dice"] is None


@pytest.mark.requirement("SRS-MET-1")
def test_correctly_empty_cases_can_be_judged():  # they were "cannot say"
    found = results.Summary(lesion(False), results.SCORE).measures()
    assert (found["dice"]["lesion"]["n_undefined"], found["dice"]["lesion"]["n_cases"]) == (0, 40)
    assert (
        found["hausdorff95_mm"]["lesion"]["n_not_applicable"],
        found["hausdorff95_mm"]["lesion"]["n_undefined"],
    ) == (20, 0)
    assert found["volume_error_percent"]["mean_of_labels"]["n_not_applicable"] == 20


@pytest.mark.requirement("SRS-MET-1")
def test_false_positives_in_empty_cases_count_against():  # they were "met"
    right, wrong = (results.Summary(lesion(predicted), results.SCORE) for predicted in (False, True))
    assert wrong.measures()["dice"]["lesion"]["mean"] < 0.5 < right.measures()["dice"]["lesion"]["mean"]
    assert (
        wrong.measures()["volume_error_absolute_mm3"]["lesion"]["mean"]
        > right.measures()["volume_error_absolute_mm3"]["lesion"]["mean"]
    )
    found = wrong.detection()["lesion"]
    assert (found["false_positives_per_case"]["value"], found["case_specificity"]["ci95_high"] < 0.2) == (
        0.5,
        True,
    )


def test_missed_lesions_are_undefined_and_not_left_aside():
    found = results.Summary(lesion(False, predicted_in_full=False), results.SCORE)
    assert found.measures()["hausdorff95_mm"]["lesion"]["n_undefined"] == 20
    assert found.detection()["lesion"]["case_sensitivity"]["value"] == 0


@pytest.mark.parametrize(("count", "no_interval"), [(28, "fewer than 30 subjects"), (40, None)])
def test_false_positives_a_case_have_an_interval_from_thirty_subjects_on(count, no_interval):
    found = results.Summary(lesion(True)[:count], results.SCORE).detection()["lesion"][
        "false_positives_per_case"
    ]
    assert found["no_interval"] == no_interval


# 20 of 20: Wilson's, 20 / (20 + 1.96²)
def test_a_set_of_lesions_has_sensitivity_and_specificity_of_cases_with_intervals():
    found = results.Summary(lesion(False), results.SCORE).detection()["lesion"]
    assert (found["n_cases_with"], found["n_cases_without"], found["n_objects"]) == (20, 20, 20)
    for name in ("sensitivity", "case_sensitivity", "case_specificity"):
        assert (found[name]["n_subjects"], found[name]["value"], found[name]["ci95_low"]) == (
            20,
            1,
            pytest.approx(0.8389, abs=1e-4),
        ), name


def test_agreement_of_volumes(summary):  # differences -100, 10, 0
    found = summary.volume_agreement()["posterior"]
    assert found["bland_altman_mm3"]["bias"] == pytest.approx(-30)
    x, y = np.array([200, 100, 400]), np.array([100, 110, 400])
    lin = 2 * np.cov(x, y, bias=True)[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)
    assert found["concordance"]["value"] == pytest.approx(lin)


# small ones 20 % too large, large ones 20 % too small, as the sizes go
def test_the_slope_of_volumes_has_its_interval():
    rng = np.random.default_rng(0)
    sizes = rng.uniform(100, 200, 30)
    cases = [
        case(
            f"{number:02d}",
            (0.9, size, 150 + 0.5 * (size - 150) + rng.normal()),
            (0.9, size, size + rng.normal()),
        )
        for number, size in enumerate(sizes)
    ]
    found = results.Summary(cases).volume_agreement()
    shrunk, kept = (found[name]["slope"] for name in ("anterior", "posterior"))
    assert shrunk["value"] == pytest.approx(-0.5 / 0.75, abs=0.02)
    assert shrunk["ci95_low"] < shrunk["value"] < shrunk["ci95_high"] < -0.5
    assert kept["ci95_low"] < 0 < kept["ci95_high"]


# their mean would say that nothing is wrong
def test_opposite_biases_of_two_labels_are_seen_label_by_label(summary):
    cases = [
        case(f"{number:02d}", (0.9, 100, 90 + number % 3), (0.9, 100, 110 - number % 3))
        for number in range(12)
    ]
    found = results.Summary(cases).measures()["volume_error_percent"]
    assert found["mean_of_labels"]["mean"] == 0
    assert found["anterior"]["ci95_high"] < -5
    assert found["posterior"]["ci95_low"] > 5


# three posterior ones, all found; two anterior ones
def test_objects_are_counted_over_cases(summary):
    assert {
        name: (found["n_objects"], found["n_found"], found["n_false_positive"])
        for name, found in summary.detection().items()
    } == {"anterior": (2, 2, 0), "posterior": (3, 3, 0)}


def test_objects_that_are_made_up():  # one in two cases
    found = results.Summary(
        [case("a", (0, 0, 50), (1, 1, 1)), case("b", (None, 0, 0), (1, 1, 1))]
    ).detection()["anterior"]
    assert (found["sensitivity"]["value"], found["false_positives_per_case"]["value"]) == (None, 0.5)


@pytest.fixture(scope="module")
def calibrated(summary):
    """Three cases of the same four voxels, each 0.8 of background; three of them are background."""
    logits = np.log(np.array([0.8, 0.15, 0.05]))[:, None, None, None] * np.ones((1, 1, 1, 4))
    one = calibration.tally(logits, np.array([[[0, 0, 0, 1]]]), np.ones((1, 1, 4), bool))
    return summary.calibration(dict.fromkeys("abc", one), dict.fromkeys("abc", one), LABELS)


# |0.8 - 0.75|; 3 of 4: .04 + .0225 + .0025, 1 of 4: .64 + .7225 + .0025
def test_calibration_by_hand(calibrated):
    assert calibrated["n_voxels"] == 12
    assert calibrated["expected_error"]["value"] == pytest.approx(0.05)
    assert calibrated["brier"]["value"] == pytest.approx((3 * 0.065 + 1.365) / 4)
    assert calibrated["negative_log_likelihood_nats"]["value"] == pytest.approx(
        -(3 * np.log(0.8) + np.log(0.15)) / 4
    )


def half_right(probability: float, right: int, n: int) -> calibration.Tally:
    """n voxels of so sure a background, so many of which are right."""
    logits = np.log(np.array([probability, 1 - probability - 1e-9, 1e-9]))[:, None, None, None] * np.ones(
        (1, 1, 1, n)
    )
    return calibration.tally(
        logits, (np.arange(n) >= right).astype(int)[None, None], np.ones((1, 1, n), bool)
    )


@pytest.mark.requirement("SRS-CAL-2")
# of 0.75, all or half are right: off by 0.25 each
def test_cases_that_err_to_both_sides_are_calibrated_only_when_pooled(summary):
    tallies = {"a": half_right(0.75, 8, 8), "b": half_right(0.75, 4, 8), "c": half_right(0.75, 6, 8)}
    found = summary.calibration(tallies, {case: half_right(0.75, 2, 4) for case in "abc"}, LABELS)
    assert found["expected_error"]["value"] == pytest.approx(0, abs=1e-6)
    assert found["expected_error_of_case"]["value"] == pytest.approx((0.25 + 0.25 + 0) / 3, abs=1e-6)
    assert found["expected_error_inside"]["value"] == pytest.approx(0.25, abs=1e-6)
    assert (found["n_voxels"], found["n_voxels_inside"]) == (24, 12)


def test_a_case_without_a_voxel_has_no_calibration_and_is_counted(summary):
    nothing = calibration.tally(np.zeros((3, 1, 1, 1)), np.zeros((1, 1, 1), int), np.zeros((1, 1, 1), bool))
    found = summary.calibration(
        {"a": half_right(0.75, 6, 8), "b": nothing}, {"a": nothing, "b": nothing}, LABELS
    )
    assert (found["expected_error_of_case"]["n_cases"], found["expected_error_of_case"]["n_undefined"]) == (
        1,
        1,
    )
    assert found["expected_error_inside"]["value"] is None


# probability .8 .15 .05 against shares 3/4 1/4 0
def test_calibration_of_each_label(calibrated):
    assert {
        name: found["value"] for name, found in calibrated["expected_error_of_label"].items()
    } == pytest.approx({"background": 0.05, "anterior": 0.1, "posterior": 0.05})


def test_the_reliability_diagram_has_its_bin(calibrated):  # .8 is in the thirteenth of fifteen
    filled = [found for found in calibrated["reliability"] if found["n_voxels"]]
    assert [(found["n_voxels"], found["mean_probability"], found["share_right"]) for found in filled] == [
        (12, pytest.approx(0.8), 0.75)
    ]
    assert filled[0]["from"] <= 0.8 <= filled[0]["to"]


# it is above 0 in every sample, and so covers no truth of 0
def test_a_pooled_calibration_error_has_no_interval():
    rows = [case(f"{number:02d}", (0.9, 1, 1), (0.9, 1, 1)) for number in range(40)]
    one = calibration.tally(np.zeros((3, 1, 1, 1)), np.zeros((1, 1, 1), int), np.ones((1, 1, 1), bool))
    tallies = {row["case_id"]: one for row in rows}
    found = results.Summary(rows).calibration(tallies, tallies, LABELS)["expected_error"]
    assert (found["ci95_low"], found["no_interval"]) == (None, "not shown to cover")


# scores .1 .2 .3 and mean Dice .625 .625 .5: the worst has the highest
def test_a_score_that_misleads():
    limit = uncertainty.Threshold(0.25, 9, 9, 0.1, 0.0, 0.3)
    defined = [*CASES[:2], case("c", (0.5, 1, 1), (0.5, 400, 400), "two", 0.3)]
    found = results.Summary(defined).uncertainty("dropout", 0.6, limit)
    assert found["auroc"]["value"] == 1
    assert found["risk_coverage"] == pytest.approx([0.375, 0.375, 1.25 / 3])
    assert found["aurc"]["value"] == found["aurc_best"]["value"] < found["aurc_random"]["value"]
    flagging = found["flagging"]
    assert {key: flagging[key] for key in ("flagged", "poor", "caught", "mean_dice_kept")} == {
        "flagged": 1,
        "poor": 1,
        "caught": 1,
        "mean_dice_kept": 0.625,
    }
    assert (flagging["flagged_share"]["value"], flagging["caught_share"]["value"]) == (
        pytest.approx(1 / 3),
        1,
    )
    assert (flagging["flagged_subjects"], flagging["n_subjects"], flagging["surprise"]) == (
        1,
        2,
        uncertainty.surprise(1, 2, limit),
    )


# scores .1 .2 .3, half of it as entropy, and a tenth of which they disagree about
def test_passes_that_agree_are_told_by_their_mutual_information(summary):
    found = summary.uncertainty("dropout", 0.6, None)
    names = ("score", "entropy_nats", "mutual_information_nats")
    assert [found[name]["value"] for name in names] == pytest.approx([0.2, 0.1, 0.02])


def test_one_prediction_has_nothing_to_disagree_with():
    cases = [
        one | {"uncertainty": {"prediction": {"score": 0.1, "entropy": 0.1, "mutual_information": None}}}
        for one in CASES
    ]
    assert results.Summary(cases).uncertainty("prediction", 0.6, None)["mutual_information_nats"] is None


def test_a_case_without_a_dice_may_be_flagged():
    cases = [case("a", (None, 0, 0), (None, 0, 0), score=0.9), case("b", (0.9, 1, 1), (0.9, 1, 1))]
    flagging = results.Summary(cases).uncertainty(
        "dropout", 0.6, uncertainty.Threshold(0.5, 9, 9, 0.1, 0.0, 0.3)
    )["flagging"]
    assert (flagging["flagged"], flagging["flagged_share"]["value"], flagging["caught_share"]["value"]) == (
        1,
        0.5,
        None,
    )


@pytest.mark.parametrize(
    ("n_poor", "n", "no_interval"),
    [
        (9, 40, "fewer than 10 subjects in a group that is compared"),
        (12, 29, "fewer than 30 subjects"),
        (10, 40, None),
    ],
)
def test_an_interval_of_an_auroc_takes_ten_subjects_with_a_poor_case_and_thirty_in_all(
    n_poor, n, no_interval
):
    rng = np.random.default_rng(0)
    cases = [
        case(
            f"{number:02d}",
            (0.5 if number < n_poor else 0.9, 1, 1),
            (0.9, 1, 1),
            score=float(rng.uniform() + 0.6 * (number < n_poor)),
        )
        for number in range(n)
    ]
    found = results.Summary(cases).uncertainty("dropout", 0.8, None)["auroc"]
    assert found["no_interval"] == no_interval
    assert no_interval or 0.5 < found["ci95_low"] < found["value"] < found["ci95_high"] < 1


def test_the_interval_of_a_rank_statistic_holds_its_value():
    rng = np.random.default_rng(0)
    quality = rng.uniform(0.5, 1, 40)
    cases = [
        case(f"{number:02d}", (one, 1, 1), (one, 1, 1), score=1 - one + 0.1 * rng.standard_normal())
        for number, one in enumerate(quality)
    ]
    found = results.Summary(cases).uncertainty("dropout", 0.7, None)["spearman"]
    scores, dice = np.array([one["uncertainty"]["dropout"]["score"] for one in cases]), quality
    assert found["value"] == pytest.approx(uncertainty.spearman(scores, dice))
    assert -1 <= found["ci95_low"] < found["value"] < found["ci95_high"] < -0.4


def test_subgroups_are_of_the_mean_dice(summary):
    found = summary.subgroups({"site": {"a": "north", "b": "north", "c": "south"}}, n_min=1)
    assert found["site"]["north"]["mean"] == 0.625
    assert found["site"]["south"]["n_undefined"] == 1


def test_the_headline_has_the_gaps_and_the_means(summary):
    metrics = json.loads(EXAMPLE.read_text("utf-8")) | {
        "run_id": "a" * 64,
        "n_cases": 3,
        "n_subjects": 2,
        "measures": [one.record() for one in measures.TABLE],
        **summary.measures(),
        "volume_agreement": summary.volume_agreement(),
        "calibration": {
            "before": summary.calibration(
                {
                    "a": calibration.tally(
                        np.zeros((3, 1, 1, 1)), np.zeros((1, 1, 1), int), np.ones((1, 1, 1), bool)
                    )
                },
                {"a": half_right(0.9, 1, 1)},
                LABELS,
            ),
            "after": None,
        },
        "uncertainty": {"dropout": summary.uncertainty("dropout", 0.6, None)},
        "subgroups": summary.subgroups({"site": {"a": "north", "b": "north", "c": "south"}}, n_min=1),
    }
    found = results.headline(Metrics.of(metrics)).record()
    assert found["subgroup_gap_dice"]["site"] == {"north": None, "south": None}
    assert found["hausdorff95_mm"]["mean_of_labels"]["n_undefined"] == 1
    assert found["dice"]["posterior"]["mean"] == metrics["dice"]["posterior"]["mean"]
    assert records.faults(records.canonical(found), "headline") == []


# Gates on the set of lesions


def verdict(cases: list[dict], metric: str, threshold: float, op: str = ">=") -> str:
    summary = results.Summary(cases, results.SCORE)
    metrics = {
        "run_id": "a" * 64,
        "part": "test",
        "excluded": [],
        **summary.measures(),
        "detection": summary.detection(),
    }
    criterion = {
        "metric": metric,
        "part": "test",
        "bound": "lower" if op == ">=" else "upper",
        "op": op,
        "threshold": threshold,
        "min_subjects": 20,
        "ci": {},
        "multiplicity": {},
    }
    return requirements.judge(
        {"id": "SRS-SEG-9", "title": "Lesions", "acceptance": criterion}, metrics, True
    )["verdict"]


@pytest.mark.requirement("SRS-MET-1")
@pytest.mark.parametrize(
    ("metric", "threshold", "op"),
    [
        ("dice.lesion", 0.85, ">="),
        ("detection.lesion.case_specificity", 0.8, ">="),
        ("volume_error_absolute_mm3.lesion", 20, "<="),
    ],
)
def test_gates_reward_correctly_empty_cases_and_not_false_positives(metric, threshold, op):
    assert (verdict(lesion(False), metric, threshold, op), verdict(lesion(True), metric, threshold, op)) == (
        "met",
        "not met",
    )


def test_a_gate_on_what_never_varies_cannot_say():  # 40 times Dice 1
    perfect = [
        case | {"labels": {"lesion": case["labels"]["lesion"] | {"dice": 1.0}}} for case in lesion(False)
    ]
    assert verdict(perfect, "dice.lesion", 0.85) == "cannot say"
