"""charts: what they say, for many cases, one and none; and the same bytes every time."""

import functools
import re
import sys
from dataclasses import fields, replace
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from radiotrace.drawing import charts
from radiotrace.statistics import calibration, intervals, subgroups, uncertainty
from tests.projects import ROOT

NAMES = [f"case_{number:02d}" for number in range(40)]
SUBJECT_OF = {name: f"subject_{number // 2}" for number, name in enumerate(NAMES)}
DICE = dict(zip(NAMES, np.random.default_rng(0).uniform(0.7, 0.95, len(NAMES)).tolist(), strict=True))
SCORES = 1 - np.array(list(DICE.values())) + np.random.default_rng(1).normal(0, 0.03, len(NAMES))


def rows(*bins) -> list[charts.Bar]:
    """(voxels, confidence, share right) of each bin."""
    return [charts.Bar(*one) for one in bins]


def compared(values=DICE, n_min=5) -> list[charts.Group]:
    groups = {
        "site": {name: "north" if number % 3 else "south" for number, name in enumerate(NAMES)},
        "scanner": {name: "old" if number < 4 else "new" for number, name in enumerate(NAMES)},
    }
    names = [field.name for field in fields(charts.Group)]
    found = subgroups.compare(values, groups, SUBJECT_OF, n_min)
    return [charts.Group(**{name: row[name] for name in names}) for row in found]


def summary(values=DICE) -> charts.Spread:
    found = intervals.summary(values, SUBJECT_OF)
    return charts.Spread(**{field.name: found[field.name] for field in fields(charts.Spread)})


def curve(scores, dice) -> np.ndarray:
    return uncertainty.risk_coverage(np.asarray(scores), 1 - np.asarray(dice))


VOLUMES = {
    "anterior": {
        name: (1500.0 + 10 * number, 1520.0 + 10 * number + 40 * np.sin(number))
        for number, name in enumerate(NAMES)
    }
}
SIZED = [
    charts.Sized("ONNX, 8 bits", 1_470_000, -0.0004, -0.0008, 0.0001, is_released=True),
    charts.Sized("the released file, run by OpenVINO", 5_620_000, 0.0, None, None, is_released=False),
    charts.Sized("OpenVINO, 8 bits", 1_680_000, None, None, None, is_released=False),
]
TIMED = [
    charts.Timed("ONNX, 8 bits", 140.0, -0.0004, -0.0008, 0.0001, is_released=True),
    charts.Timed("fewer channels, trained further", 120.0, -0.006, -0.009, -0.002, is_released=False),
    charts.Timed("OpenVINO, 8 bits", 70.0, None, None, None, is_released=False),
    charts.Timed("the released file", 160.0, 0.0, None, None, is_released=True, is_reference=True),
]
DRAWN = {
    "reliability": lambda: charts.reliability(
        rows((0, None, None), (30, 0.6, 0.5), (1e6, 0.98, 0.9)), rows((0, None, None), (5, 0.7, 0.8)), 1.3
    ),
    "bland_altman": lambda: charts.bland_altman(VOLUMES),
    "forest": lambda: charts.forest(compared(), "Dice", summary()),
    "risk_coverage": lambda: charts.risk_coverage(
        curve(SCORES, list(DICE.values())), curve(SCORES, list(DICE.values())), 0.17, 0.9
    ),
    "uncertainty_scatter": lambda: charts.uncertainty_scatter(
        SCORES, np.array(list(DICE.values())), 0.25, 0.75, NAMES
    ),
    "distribution": lambda: charts.distribution(
        {"anterior": DICE, "posterior": DICE | {"case_03": None}}, "Dice", True
    ),
    "variants": lambda: charts.variants(SIZED, 0.005),
    "variants_by_time": lambda: charts.variants_by_time(TIMED, 0.005),
}
NOTHING = {
    "reliability": lambda: charts.reliability([], rows((0, None, None))),
    "bland_altman": lambda: charts.bland_altman({"anterior": {}}),
    "forest": lambda: charts.forest([], "Dice", summary({})),
    "risk_coverage": lambda: charts.risk_coverage(np.empty(0), np.empty(0), None, None),
    "uncertainty_scatter": lambda: charts.uncertainty_scatter(np.empty(0), np.empty(0), None, 0.8, []),
    "distribution": lambda: charts.distribution({"anterior": dict.fromkeys(NAMES)}, "Dice", True),
    "variants": lambda: charts.variants([], 0.005),
    "variants_by_time": lambda: charts.variants_by_time([], 0.005),
}
ONE = {
    "reliability": lambda: charts.reliability(rows((1, 0.6, 1.0)), rows((1, 0.6, 1.0))),
    "bland_altman": lambda: charts.bland_altman({"anterior": {"case_00": (10.0, 12.5)}}),
    "forest": lambda: charts.forest(compared({"case_00": 0.5}), "Dice", summary({"case_00": 0.5})),
    "risk_coverage": lambda: charts.risk_coverage(np.array([0.25]), np.array([0.25]), 0.25, 1.0),
    "uncertainty_scatter": lambda: charts.uncertainty_scatter(
        np.array([0.5]), np.array([0.75]), 0.25, 0.8, ["case_00"]
    ),
    "distribution": lambda: charts.distribution({"anterior": {"case_00": 0.5}}, "Dice", True),
    "variants": lambda: charts.variants(SIZED[:1], 0.005),
    "variants_by_time": lambda: charts.variants_by_time(TIMED[:1], 0.005),
}
NARROWED = {
    "reliability": lambda: charts.reliability(
        rows((0, None, None), (30, 0.6, 0.5)), rows((0, None, None), (5, 0.7, 0.8)), layout=charts.NARROW
    ),
    "bland_altman": lambda: charts.bland_altman(VOLUMES, charts.NARROW),
    "forest": lambda: charts.forest(compared(), "Dice", summary(), charts.NARROW),
    "risk_coverage": lambda: charts.risk_coverage(SCORES, SCORES, 0.17, 0.9, charts.NARROW),
    "uncertainty_scatter": lambda: charts.uncertainty_scatter(
        SCORES, np.array(list(DICE.values())), 0.25, 0.75, NAMES, charts.NARROW
    ),
    "distribution": lambda: charts.distribution({"anterior": DICE}, "Dice", True, charts.NARROW),
    "variants": lambda: charts.variants(SIZED, 0.005, charts.NARROW),
    "variants_by_time": lambda: charts.variants_by_time(TIMED, 0.005, charts.NARROW),
}
KINDS = {"many": DRAWN, "none": NOTHING, "one": ONE, "narrow": NARROWED}


@functools.cache
def drawn(kind: str, name: str) -> bytes:
    return KINDS[kind][name]()


every_chart = pytest.mark.parametrize("name", DRAWN)


def told(content: bytes) -> str:
    """The texts of a figure: matplotlib draws them as shapes and repeats each in a comment."""
    return "\n".join(re.findall(r"<!-- (.*?) -->", content.decode(), re.DOTALL))


@every_chart
@pytest.mark.parametrize("kind", KINDS)
def test_a_chart_is_svg(name, kind):
    assert ElementTree.fromstring(drawn(kind, name)).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - written a line above


@every_chart
def test_a_chart_is_the_same_bytes_twice_and_small(name):
    content = drawn("many", name)
    assert content == DRAWN[name]()
    assert len(content) < 80_000


@every_chart
def test_a_narrow_chart_fits_a_telephone(name):
    width = float(ElementTree.fromstring(drawn("narrow", name)).get("width").removesuffix("pt"))  # noqa: S314 - as above
    assert width <= 4.2 * 72  # inches in points


def test_diagrams_stand_below_each_other_where_a_chart_is_narrow():
    wide, narrow = (ElementTree.fromstring(drawn(kind, "reliability")) for kind in ("many", "narrow"))  # noqa: S314
    heights = [float(one.get("height").removesuffix("pt")) for one in (wide, narrow)]
    assert heights[1] > 1.5 * heights[0]


@every_chart
def test_a_chart_has_no_date_and_no_absolute_path_and_loads_nothing(name):
    content = drawn("many", name)
    assert re.findall(rb"\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d|dc:date", content) == []
    assert [path for path in (str(ROOT), sys.prefix, "file://", "/home/") if path.encode() in content] == []
    assert re.findall(rb'xlink:href="(?!#|data:)[^"]+"', content) == []


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        (
            "reliability",
            [
                "before temperature scaling",
                "after temperature scaling, T = 1.3",
                "n = 1,000,030 voxels",
                "n = 5 voxels",
                "voxels",
            ],
        ),
        (
            "bland_altman",
            [
                "anterior, n = 40 cases",
                "bias + 1.96 SD",
                "bias − 1.96 SD",
                "mean of reference and prediction, mm³",
                "1 case_",
            ],
        ),
        (
            "forest",
            [
                "site:",
                "scanner:",
                "north",
                "old    4 / 2",
                "gap to the others (all at once)",
                "too few subjects",
                "n = 40 / 20",
            ],
        ),
        (
            "risk_coverage",
            [
                "n = 40 cases",
                "the threshold keeps 90 %",
                "scores that know nothing: AURC 0.170",
                "share of cases kept",
            ],
        ),
        (
            "uncertainty_scatter",
            ["n = 40 cases", "threshold 0.25", "poor below 0.75", "not flagged", "worst: 1 case_"],
        ),
        ("distribution", ["anterior", "n = 40", "n = 39", "1 undefined", "Dice", "worst: case_"]),
    ],
)
def test_a_chart_says(name, texts):
    found = told(drawn("many", name))
    assert [text for text in texts if text not in found] == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("reliability", "no voxel"),
        ("bland_altman", "anterior: no case"),
        ("forest", "no groups"),
        ("risk_coverage", "risk against coverage: no case"),
        ("uncertainty_scatter", "uncertainty and error: no case"),
        ("distribution", "undefined in every case"),
    ],
)
def test_a_chart_of_nothing_says_so(name, text):
    assert text in told(drawn("none", name))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("bland_altman", "bias\n+2.50 mm³"),
        ("forest", "0.500 (no interval), n = 1 / 1"),
        ("risk_coverage", "n = 1 case"),
        ("uncertainty_scatter", "poor below 0.8: 1, 1 flagged"),
        ("distribution", "n = 1"),
    ],
)
def test_a_chart_of_one_case_says(name, text):
    assert text.split("\n")[-1] in told(drawn("one", name))


# half of the distance from 150 is kept: -0.5 / 0.75
def test_bland_altman_has_the_line_of_its_slope():
    of_case = {str(size): (size, 150 + (size - 150) / 2) for size in (100.0, 150.0, 200.0)}
    assert "slope −0.67" in told(charts.bland_altman({"anterior": of_case}))
    assert "slope" not in told(charts.bland_altman({"anterior": {"a": (10.0, 12.0), "b": (10.0, 12.0)}}))


def test_bland_altman_of_one_case_has_no_limits():
    assert "1.96" not in told(drawn("one", "bland_altman"))


# 0.1 · |0.6 - 0.5| + 0.9 · |0.98 - 0.9| = 0.01 + 0.072
def test_reliability_gives_the_expected_calibration_error():
    found = told(
        charts.reliability(rows((0, None, None), (100, 0.6, 0.5), (900, 0.98, 0.9)), rows((10, 0.5, 0.5)))
    )
    assert "expected calibration error 0.0820" in found
    assert "expected calibration error 0.0000" in found


# two voxels of 0.6, one right, one of 0.9, right
def test_bins_of_a_tally():
    logits = np.log(np.array([[0.6, 0.6, 0.9], [0.4, 0.4, 0.1]]))[:, None, None]
    found = charts.bins(calibration.tally(logits, np.array([[[0, 1, 0]]]), np.ones((1, 1, 3), bool), bins=2))
    assert found == [
        charts.Bar(0, None, None),
        charts.Bar(3, pytest.approx(0.7), pytest.approx(2 / 3)),
    ]


def test_reliability_and_calibration_agree_on_the_error():
    rng = np.random.default_rng(0)
    tally = calibration.tally(
        rng.normal(0, 2, (3, 8, 9, 10)), rng.integers(0, 3, (8, 9, 10)), np.ones((8, 9, 10), bool)
    )
    assert f"expected calibration error {calibration.expected_error(tally)[0]:.4f}" in told(
        charts.reliability(charts.bins(tally), [])
    )


# Differences 1, -1, 1, -1 and 5: bias 1; the one of 5 is 4 off, those of -1 are 2 off.
def test_bland_altman_names_the_cases_furthest_from_the_bias():
    of_case = {
        name: (100.0 + number, 100.0 + number + by)
        for number, (name, by) in enumerate(zip("abcde", (1, -1, 1, -1, 5), strict=True))
    }
    assert "furthest off: 1 e, 2 b, 3 d" in told(charts.bland_altman({"anterior": of_case}))


def test_a_forest_has_its_groups_by_attribute_with_a_line_between():
    found = [replace(compared()[0], attribute=attribute) for attribute in ("a", "a", "b", "c", "c")]
    assert charts._places(found) == [1, 2, 4, 6, 7]


def test_a_forest_gives_the_gap_of_groups_that_are_large_enough_alone():
    found = compared()
    # scanner: new, old; site: north, south
    assert [row.insufficient_n for row in found] == [True, True, False, False]
    texts = told(charts.forest(found, "Dice", summary()))
    assert texts.count("too few subjects") == 2
    assert all(f"{row.gap:+.3f} (".replace("-", "−") in texts for row in found[2:])


def test_a_forest_keeps_a_group_without_any_value():
    [row, *_] = compared()
    undefined = replace(row, n_cases=0, n_subjects=0, mean=None, ci95_low=None, ci95_high=None)
    assert "undefined in every case" in told(charts.forest([undefined], "Dice", summary()))


# Scores 1, 2, 3, 4 with the limit 2: two are flagged; poor are 0.2 and 0.3, of which 0.2 is flagged.
def test_the_scatter_counts_what_flagging_catches():
    found = told(
        charts.uncertainty_scatter(
            np.array([1, 2, 3, 4.0]), np.array([0.9, 0.3, 0.8, 0.2]), 2, 0.5, list("abcd")
        )
    )
    assert {"not flagged, n = 2", "flagged, n = 2", "poor below 0.5: 2, 1 flagged"} <= set(found.split("\n"))
    assert "worst: 1 d, 2 b, 3 c, 4 a" in found


@pytest.mark.parametrize(
    ("lower_is_worse", "expected"), [(True, "worst: a, b, c, d, e"), (False, "worst: g, f, e, d, c")]
)
def test_a_distribution_names_the_five_worst(lower_is_worse, expected):
    values = {name: number / 10 for number, name in enumerate("abcdefg")} | {"h": None}
    assert expected in told(charts.distribution({"anterior": values}, "mm", lower_is_worse))


def test_names_that_are_long_take_two_lines_at_most():
    axes = Figure().subplots()
    charts._strip(axes, 0, {str(number) * 60: float(number) for number in range(5)}, True, charts.WIDE)
    [text] = axes.texts
    lines = text.get_text().split("\n")
    assert len(lines) == 2
    assert max(map(len, lines)) <= charts.WIDE.letters
    assert lines[-1].endswith("…")


def test_many_cases_do_not_make_a_large_file():
    values = dict(enumerate(np.random.default_rng(0).random(5000).tolist()))
    assert (
        len(
            charts.distribution(
                {"anterior": {f"case_{name}": value for name, value in values.items()}}, "Dice", True
            )
        )
        < 100_000
    )
