"""The one table of measures of the second task."""

from radiotrace.statistics import intervals
from radiotrace.statistics.measure import Measure, table

MACRO = "mean_of_labels"
TABLE = table(
    Measure(
        name="recall",
        title="Recall",
        digits=3,
        better="larger",
        kind="share",
        headline=True,
        definition="share of the pictures of a class that are told to be of it",
        of=lambda pair: float(pair[0] == pair[1]),
    ),
)


def row(reference: str, told: str, classes: list[str]) -> dict[str, dict]:
    """Class -> measures of one picture; null for the class that it is not of."""
    return {
        name: {one.name: one.of((reference, told)) if name == reference else None for one in TABLE}
        for name in classes
    }


def summaries(cases: list[dict]) -> dict[str, dict]:
    """Measure -> class, and all classes together -> summary.

    Args:
        cases: entries of the record 'cases'.
    """
    subject_of = {case["case_id"]: case["subject_id"] for case in cases}
    classes, found = list(cases[0]["labels"]), {}
    for measure in TABLE:
        values = {name: _of_class(cases, name, measure.name) for name in classes}
        values[MACRO] = {case_id: value for name in classes for case_id, value in values[name].items()}
        found[measure.name] = {
            name: intervals.summary(rows, subject_of, measure.rule) for name, rows in values.items()
        }
    return found


def _of_class(cases: list[dict], name: str, measure: str) -> dict[str, float]:
    """Case -> value, of the pictures that are of a class."""
    rows = {case["case_id"]: case["labels"][name][measure] for case in cases}
    return {case_id: value for case_id, value in rows.items() if value is not None}


def headline(metrics: dict) -> dict:
    """The few numbers that people compare."""
    keys = ("mean", "ci95_low", "ci95_high")
    brief = {
        one.name: {name: {key: summary[key] for key in keys} for name, summary in metrics[one.name].items()}
        for one in TABLE
        if one.headline
    }
    return {**{key: metrics[key] for key in ("run_id", "n_cases", "n_subjects")}, **brief}
