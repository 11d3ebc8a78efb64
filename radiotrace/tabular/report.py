"""The report: what a person reads of an evaluation, from its records. Plain values in, text out."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from radiotrace.records.tabular.explain import Explain
from radiotrace.records.tabular.metrics import Metrics
from radiotrace.records.tabular.robustness import Robustness
from radiotrace.records.tabular.train import TabularRun
from radiotrace.tabular.model_card import said

POINTS = (
    ("called", "called"),
    ("sensitivity", "sensitivity"),
    ("specificity", "specificity"),
    ("ppv", "PPV"),
    ("npv", "NPV"),
)
CALIBRATION = (
    ("brier", "Brier score"),
    ("scaled_brier", "Brier score, scaled"),
    ("ratio", "observed over predicted"),
    ("in_the_large", "in the large"),
    ("slope", "slope"),
    ("expected_error", "mean gap (ICI)"),
)
FAIRNESS = (
    ("demographic_parity", "share called"),
    ("equal_opportunity", "sensitivity"),
    ("equalised_odds", "equalised odds"),
    ("calibration", "log observed over predicted"),
    ("concordance", "concordance"),
)
CHANGES = {
    "noise": "numbers off by so many SD of the train part",
    "missing": "so large a share of cells not known",
    "mistaken": "so large a share of cells with the value of somebody else",
}
EVENTS_PER_PARAMETER = 10  # below which a model is known to be unstable (Riley et al. 2019)
TOP = 4  # contributions that are told of a case


def state(acceptance: Mapping[str, Any]) -> tuple[str, bool]:
    """What stands above everything else, and whether all criteria are met."""
    rows = acceptance["results"]
    open_ones = [row["requirement"] for row in rows if row["verdict"] != "met"]
    if not rows:
        return "There is no criterion: nobody has said what this model must reach.", False
    if open_ones:
        return f"{len(open_ones)} of {len(rows)} criteria are not met: {', '.join(open_ones)}.", False
    return f"All {len(rows)} criteria are met.", True


def findings(
    metrics: Metrics, run: TabularRun, robustness: Robustness, explain: Explain, n_models: int
) -> list[str]:
    """How good, where it fails, and what is to be doubted."""
    event = metrics.outcome.name
    found_of, of = metrics.discrimination[event], metrics.calibration[event].after
    by = "" if metrics.horizon is None else f" within {metrics.horizon:g} {metrics.outcome.unit}"
    found = [
        f"Risk of {event}{by}: concordance {said(found_of.concordance)}; slope of calibration "
        f"{said(of.slope, 2)}, observed over predicted {said(of.ratio, 2)}, mean gap to what happens "
        f"{said(of.expected_error)}.",
        *_calibration(metrics),
        *_comparison(metrics),
        *_benefit(metrics),
    ]
    if run.events_per_parameter < EVENTS_PER_PARAMETER:
        found.append(
            f"The train part has {run.events_per_parameter:.1f} events a candidate parameter, fewer than "
            f"{EVENTS_PER_PARAMETER}: risks of another sample would differ."
        )
    worth = sorted(explain.importance.items(), key=lambda row: (-(row[1].shapley.value or 0), row[0]))
    found.append(f"Risks come most from {', '.join(_words(name) for name, _ in worth[:3])}.")
    found += _apart(metrics)
    weak = sorted(name for name, strongest in robustness.envelope.items() if strongest < 2)
    if weak:
        found.append(
            f"Concordance falls below {robustness.criterion:g} under the mildest or second severity of "
            f"{', '.join(weak)}."
        )
    if robustness.beyond:
        named = ", ".join(_words(name) for name in sorted(robustness.beyond))
        found.append(f"Some test cases are further out than any of the train part, in {named}.")
    if n_models > 1:
        found.append(f"The test part was shown to {n_models} models, of which this is the last.")
    return found


def _calibration(metrics: Metrics) -> list[str]:
    of = metrics.calibration[metrics.outcome.name].after
    found = []
    if of.slope.ci95_high is not None and of.slope.ci95_high < 1:
        found.append(f"Risks are too extreme on the test part: slope {said(of.slope, 2)}.")
    if of.ratio.ci95_low is not None and of.ratio.ci95_low > 1:
        found.append(f"Risks are too low on the test part: observed over predicted {said(of.ratio, 2)}.")
    if of.ratio.ci95_high is not None and of.ratio.ci95_high < 1:
        found.append(f"Risks are too high on the test part: observed over predicted {said(of.ratio, 2)}.")
    return found


def _comparison(metrics: Metrics) -> list[str]:
    found = []
    for name, row in metrics.comparison[metrics.outcome.name].items():
        low, high = row.gap.ci95_low, row.gap.ci95_high
        verdict = "which may be chance"
        if low is not None and high is not None and (low > 0 or high < 0):
            verdict = "more than chance"
        found.append(
            f"{name}, fitted beside {metrics.model}: concordance {said(row.concordance)}, by "
            f"{said(row.gap)} more, {verdict}."
        )
    return found


def _benefit(metrics: Metrics) -> list[str]:
    points = metrics.decision_curve[metrics.outcome.name]
    better = [
        point.threshold
        for point in points
        if (point.over_all_low or 0) > 0 and (point.over_none_low or 0) > 0
    ]
    if not better:
        return [
            "At no threshold has acting on the risk been shown to do more good than acting on all or none."
        ]
    return [
        "Acting on the risk has been shown to do more good than acting on all or none at thresholds of "
        f"{', '.join(f'{value:g}' for value in better)}."
    ]


def _apart(metrics: Metrics) -> list[str]:
    found = []
    for attribute, groups in metrics.subgroups.items():
        for group, row in groups.items():
            low, high = row.gap_simultaneous95_low, row.gap_simultaneous95_high
            if low is not None and high is not None and (low > 0 or high < 0):
                found.append(
                    f"{_words(attribute)} {group}: risks are {'further' if low > 0 else 'less far'} from "
                    f"what happens than in the others, by {row.gap:+.3f} of squared error, more than chance."
                )
    return found


def left_out(metrics: Metrics) -> list[str]:
    """Reasons, each with the cases that were left out for it."""
    of_reason: dict[str, list[str]] = defaultdict(list)
    for row in metrics.excluded:
        of_reason[row.reason].append(row.case_id)
    return [f"{reason}: {', '.join(sorted(cases))}" for reason, cases in sorted(of_reason.items())]


def worst_text(case: Mapping[str, Any], contributions: Mapping[str, float], metrics: Metrics) -> str:
    """What was told of a worst case, what happened, and what its risk comes from."""
    [row] = case["labels"].values()
    happened = {True: "had it", False: "did not have it", None: "is not known"}[row["positive"]]
    when = "" if row["time"] is None else f" (followed {row['time']:g} {metrics.outcome.unit})"
    largest = sorted(contributions.items(), key=lambda item: (-abs(item[1]), item[0]))[:TOP]
    named = ", ".join(f"{_words(name)} {value:+.2f}" for name, value in largest)
    return f"risk {row['probability']:.3f}; {happened}{when}; from {named}"


def train_words(run: TabularRun) -> str:
    """How it was chosen."""
    counts = ", ".join(f"{count} {name}" for name, count in sorted(run.class_counts.items()))
    return (
        f"{run.network.family}, {run.weights} numbers, of {len(run.cases.train)} cases ({counts}); "
        f"{run.events_per_parameter:.1f} events a candidate parameter. {run.selection[0].upper()}"
        f"{run.selection[1:]}."
    )


def _words(name: str) -> str:
    return name.replace("_", " ")
