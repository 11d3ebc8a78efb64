"""comparison: a table by hand, held against scipy, and runs that may not be compared."""

import numpy as np
import pytest
from scipy import stats

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.statistics import comparison, intervals
from radiotrace.statistics.comparison import Aim

# B - A of twelve subjects, in thousandths; subject_01 has a second case.
THOUSANDTHS = {
    "case_01l": 10,
    "case_01r": -4,
    "case_02": -7,
    "case_03": 12,
    "case_04": 1,
    "case_05": -2,
    "case_06": 20,
    "case_07": 9,
    "case_08": -15,
    "case_09": 6,
    "case_10": 14,
    "case_11": -8,
    "case_12": 25,
}
OF_SUBJECTS = np.array([3, -7, 12, 1, -2, 20, 9, -15, 6, 14, -8, 25]) / 1000


def run(values: dict, metric="dice", labels=("organ",), **changes) -> dict:
    """A run of one value a case, or one for each label."""

    def rows(value):
        several = value if isinstance(value, tuple) else (value,) * len(labels)
        return {
            label: {metric: one, "reference_mm3": 100.0} for label, one in zip(labels, several, strict=True)
        }

    cases = [
        {"case_id": case_id, "subject_id": f"subject_{case_id[5:7]}", "labels": rows(value)}
        for case_id, value in values.items()
    ]
    return {"run_id": "a" * 64, "part": "test", "cases": cases} | changes


A = run(dict.fromkeys(THOUSANDTHS, 0.8))
B = run({case_id: 0.8 + by / 1000 for case_id, by in THOUSANDTHS.items()})


AIMS = {"dice": Aim("larger"), "hausdorff95_mm": Aim("smaller")}


def compare(a=A, b=B, metric="dice", margin=0.01, row="organ") -> dict:
    return comparison.compare(a, b, metric, margin, AIMS.get(metric, Aim(None))).record()["rows"][row]


def shifted(by: float, metric="dice", wrong=()) -> dict:
    """Sixteen cases around 0.8 + by that scatter by 0.001, other ones up than for by 0; None for some of
    them."""
    return run(
        {
            f"case_{number:02d}": None
            if number in wrong
            else 0.8 + by + 0.001 * (-1) ** (number // (2 if by else 1))
            for number in range(16)
        },
        metric,
    )


def refused(a, b, metric="dice") -> StageError:
    with pytest.raises(StageError) as caught:
        comparison.compare(a, b, metric, 0.01, Aim("larger"))
    return caught.value


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("n_cases", 13),
        ("n_subjects", 12),
        ("n_zero", 0),
        ("mean_a", 0.8),
        ("mean_b", 0.8 + 0.061 / 13),
        ("difference", 0.061 / 13),
        # of the subjects: between 3 and 6 thousandths
        ("median_difference", 0.0045),
    ],
)
def test_a_table_by_hand(key, expected):
    assert compare()[key] == pytest.approx(expected, abs=1e-12)


# ranks of the negative ones: 2 5 6 10 of 12: 23, exact
def test_wilcoxon_is_scipy_s_of_the_subjects():
    found = compare()["wilcoxon_p"]
    assert found == pytest.approx(stats.wilcoxon(OF_SUBJECTS, method="exact").pvalue)
    assert stats.wilcoxon(OF_SUBJECTS).statistic == 23


def test_the_interval_is_that_of_the_mean_difference_over_subjects():
    differences = {case_id: by / 1000 for case_id, by in THOUSANDTHS.items()}
    expected = intervals.mean_interval(differences, {case_id: case_id[5:7] for case_id in differences})
    found = compare()
    assert (found["difference_ci95_low"], found["difference_ci95_high"]) == pytest.approx(expected.bounds)


# 12 of them: 3rd and 10th hold it with 96.1 %, 4th and 9th with 85.4 %
def test_the_median_s_interval_lies_between_neighbouring_subjects():
    found, ordered = compare(), np.sort(OF_SUBJECTS)
    assert ordered[2] < found["median_difference_ci95_low"] < ordered[3]
    assert ordered[8] < found["median_difference_ci95_high"] < ordered[9]


def test_a_run_against_itself_has_no_difference_no_p_and_no_verdict():
    found = compare(A, A)
    assert [
        found[key]
        for key in ("difference", "difference_ci95_low", "difference_ci95_high", "n_zero", "wilcoxon_p")
    ] == [0, None, None, 12, None]
    assert (found["verdict"], found["no_verdict"]) == (None, "no interval: no variance")


def test_a_constant_difference_is_never_non_inferior():  # it was, with an interval of no width
    found = compare(A, run(dict.fromkeys(THOUSANDTHS, 0.81)))
    assert (found["difference"], found["verdict"], found["no_interval"]) == (
        pytest.approx(0.01),
        None,
        "no variance",
    )


@pytest.mark.parametrize(
    ("a", "b", "reason"), [(A, 0, "2 cases are in run A only"), (0, A, "2 cases are in run B only")]
)
def test_a_run_that_lacks_cases_gets_no_verdict(a, b, reason):
    fewer = run({case_id: 0.9 + by / 1000 for case_id, by in list(THOUSANDTHS.items())[:-2]})
    found = compare(a or fewer, b or fewer)
    assert (found["verdict"], found["no_verdict"]) == (None, reason)
    assert found["difference_ci95_low"] is not None


# 0.3 - 0.2 is less than 0.2 - 0.1 in floats
def test_differences_that_are_equal_but_for_rounding_are_one_rank():
    values = {f"case_{number:02d}": number / 10 for number in range(10)}
    found = compare(run(values), run({case_id: (number + 1) / 10 for number, case_id in enumerate(values)}))
    assert found["wilcoxon_p"] == pytest.approx(2 / 2**10)


# Pratt: 0 0 1 2 3, ranks 3 4 5, all positive: 2 of 2³ ways
def test_zeros_are_ranked_and_left_out():
    a = {f"case_{number:02d}": 0.5 for number in range(5)}
    found = compare(
        run(a), run({case_id: 0.5 + by for case_id, by in zip(a, (0, 0, 0.1, 0.2, 0.3), strict=True)})
    )
    assert (found["n_zero"], found["wilcoxon_p"]) == (2, pytest.approx(0.25))


@pytest.mark.parametrize(
    ("by", "metric", "margin", "expected"),
    [
        (-0.005, "dice", 0.01, "non-inferior"),
        (-0.005, "dice", 0.005, "not shown"),
        (0.05, "dice", 0.01, "non-inferior"),
        (-0.05, "dice", 0.01, "not shown"),
        (0.05, "hausdorff95_mm", 0.01, "not shown"),
        (0.05, "hausdorff95_mm", 0.1, "non-inferior"),
        (-0.05, "hausdorff95_mm", 0.01, "non-inferior"),
        (0.0, "prediction_mm3", 0.01, None),
    ],
)
def test_verdict(by, metric, margin, expected):
    assert compare(shifted(0, metric), shifted(by, metric), metric, margin)["verdict"] == expected


def test_a_margin_of_0_asks_for_better():
    scattered = run({f"case_{number:02d}": 0.8 + 0.001 * number for number in range(16)})
    assert compare(shifted(0), scattered, margin=0)["verdict"] == "non-inferior"
    assert compare(scattered, shifted(0), margin=0)["verdict"] == "not shown"


def test_few_subjects_get_no_verdict():
    few = dict.fromkeys(list(THOUSANDTHS)[:10], 0.8)  # of nine subjects
    found = compare(run(few), run({case_id: 0.8 + number / 100 for number, case_id in enumerate(few)}))
    assert (found["verdict"], found["no_verdict"]) == (None, "no interval: fewer than 10 subjects")


def test_what_only_b_leaves_undefined_is_counted_and_stands_against_it():
    found = compare(
        shifted(0, "hausdorff95_mm"), shifted(-0.5, "hausdorff95_mm", wrong=[3]), "hausdorff95_mm"
    )
    assert (
        found["n_cases"],
        found["n_undefined_a"],
        found["n_undefined_b"],
        found["n_undefined_b_only"],
    ) == (15, 0, 1, 1)
    assert found["verdict"] == "not shown"


def test_what_a_leaves_undefined_too_is_counted():
    found = compare(shifted(0, wrong=[3, 4]), shifted(0.1, wrong=[3]))
    assert (
        found["n_cases"],
        found["n_undefined_a"],
        found["n_undefined_b"],
        found["n_undefined_b_only"],
    ) == (14, 2, 1, 0)
    assert found["verdict"] == "non-inferior"


def test_nothing_defined_is_null():
    nothing = run(dict.fromkeys(THOUSANDTHS))
    found = compare(nothing, nothing)
    assert (
        found["n_cases"],
        found["n_undefined_a"],
        found["mean_a"],
        found["difference"],
        found["wilcoxon_p"],
    ) == (0, 13, None, None, None)


# 0.1 and 0.3; the second case counts no more, for its better label alone
def test_the_mean_of_labels_is_of_cases_in_which_both_define_all():
    labels = ("anterior", "posterior")
    a, b = (
        run({"case_01": (0.5, 0.5), "case_02": (0.2, 0.9)}, labels=labels),
        run({"case_01": (0.6, 0.8), "case_02": (0.7, None)}, labels=labels),
    )
    found = compare(a, b, row="mean_of_labels")
    assert (found["difference"], found["n_undefined_b"], found["n_undefined_b_only"]) == (
        pytest.approx(0.2),
        1,
        1,
    )


def test_cases_of_one_run_only_are_named():
    a, b = run({"case_01": 0.8, "case_02": 0.8}), run({"case_02": 0.8, "case_03": 0.8})
    found = comparison.compare(a, b, "dice", 0.01, Aim("larger"))
    assert (found.n_cases, found.only_a, found.only_b) == (1, ("case_01",), ("case_03",))


# not text, not a truth value, not what one has, not the reference
def test_any_number_that_both_have_can_be_compared():
    a, b = run({"case_01": 0.8}), run({"case_01": 0.8})
    a["cases"][0]["labels"]["organ"] |= {
        "ppv": 0.5,
        "novel": None,
        "found": True,
        "note": "none",
        "only_a": 1.0,
    }
    b["cases"][0]["labels"]["organ"] |= {"ppv": 0.6, "novel": 3, "found": True, "note": "none"}
    assert comparison.metrics(a, b) == ["dice", "novel", "ppv"]


def test_another_metric_is_refused_and_the_others_named():
    assert str(refused(A, B, "iou")) == "no metric 'iou' in both runs\n  there are dice"


def test_every_fault_is_named():
    a = run({"case_01": 0.8, "case_02": 0.8, "case_03": 0.8}, part="validation")
    b = run({"case_01": 0.8, "case_02": 0.8, "case_03": 0.8})
    b["cases"][0]["subject_id"] = "subject_99"
    b["cases"][1]["labels"]["organ"]["reference_mm3"] = 101.5
    b["cases"][2]["labels"] = {"tumour": b["cases"][2]["labels"]["organ"]}
    assert refused(a, b).findings == [
        "run A is of part validation, run B of part test",
        "case_01: subject subject_01 in run A, subject_99 in run B",
        "case_02: reference of organ 100.0 mm3 in run A, 101.5 mm3 in run B",
        "case_03: labels organ in run A, tumour in run B",
    ]


@pytest.mark.parametrize("fewer", [0, 5])
def test_a_case_of_other_labels_than_the_first_is_refused(fewer):  # a traceback, or a label left out
    a, b = (run({f"case_{number:02d}": 0.8 for number in range(12)}, labels=("one", "two")) for _ in "ab")
    for either in (a, b):
        del either["cases"][fewer]["labels"]["two"]
    found = refused(a, b).findings
    others = (11, "case_01: labels one, two in both runs, but one in case_00")
    itself = (1, "case_05: labels one in both runs, but one, two in case_00")
    assert (len(found), found[0]) == (others if fewer == 0 else itself)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_refused_by_its_case(value):  # as some write what is undefined
    b = run({case_id: value if case_id == "case_03" else 0.8 for case_id in THOUSANDTHS})
    assert refused(A, b).findings == [f"run B: case_03: dice of organ is {value}; what is undefined is null"]


def test_runs_without_a_common_case_are_refused():
    assert refused(run({"case_01": 0.8}), run({"case_02": 0.8})).findings == [
        "no case in common: 1 in run A, 1 in run B"
    ]


def test_a_case_that_stands_twice_is_refused():
    twice = run({"case_01": 0.8})
    twice["cases"] *= 2
    assert refused(twice, twice).findings == ["run A: case_01 stands twice", "run B: case_01 stands twice"]


def test_references_that_differ_by_the_rounding_of_a_record_are_the_same():
    other = run({"case_01": 0.8})
    other["cases"][0]["labels"]["organ"]["reference_mm3"] = 100.0000001
    assert comparison.faults(run({"case_01": 0.8}), other) == []


def test_the_order_of_cases_changes_no_byte():
    found = [
        comparison.compare(a, b, "dice", 0.01, Aim("larger")).record()
        for a, b in ((A, B), [{**one, "cases": one["cases"][::-1]} for one in (A, B)])
    ]
    assert records.dumps(found[0]) == records.dumps(found[1])
