"""Subgroups: how a metric does in each group of each attribute, and how far it is from that of all others."""
import numpy as np
from scipy import stats

from radiotrace.evaluation import statistics


def compare(values: dict[str, float | None], groups: dict[str, dict[str, str]], subject_of: dict[str, str], n_min: int) -> list[dict]:
    """One row a group of an attribute, sorted by attribute and group; too small ones stay, and say so.

    Args:
        values: case -> metric; None where undefined, which is counted and left out.
        groups: attribute -> case -> group. A case that an attribute does not name belongs to none of its groups.
        subject_of: case -> subject.
        n_min: subjects on either side below which neither gap nor p is given.

    Returns:
        attribute, group; insufficient_n: whether it or the rest has fewer than n_min subjects; n_cases, n_subjects,
        n_undefined, mean, ci95_low, ci95_high as statistics.summary; gap: mean of the group minus mean of the other cases that
        have a group, with its interval over subjects, gap_ci95_low and gap_ci95_high; p: of a Mann-Whitney test of the means of
        subjects, two-sided; p_adjusted: for all rows together, so that of the rows below a level no more than that share is
        expected to be chance. A subject with cases in both counts on both sides.

    Source: Benjamini and Yekutieli 2001, doi:10.1214/aos/1013699998, which holds for tests that depend on each other.
    """
    rows = []
    for attribute, group_of in sorted(groups.items()):
        for group in sorted(set(group_of.values())):
            sides = [{case: value for case, value in values.items() if case in group_of and (group_of[case] == group) == inside}
                     for inside in (True, False)]
            about = statistics.summary(sides[0], subject_of, statistics.SHARE)
            kept = ("n_cases", "n_subjects", "n_undefined", "mean", "ci95_low", "ci95_high", "no_interval")
            row = {"attribute": attribute, "group": group, **{key: about[key] for key in kept}}
            rows.append(row | _gap(*sides, subject_of, n_min))
    tested = [row for row in rows if row["p"] is not None]
    if tested:
        for row, adjusted in zip(tested, stats.false_discovery_control([row["p"] for row in tested], method="by"), strict=True):
            row["p_adjusted"] = float(adjusted)
    return rows


def _gap(inside: dict, outside: dict, subject_of: dict, n_min: int) -> dict:
    """The part of a row that compares the group with the rest."""
    inside, outside = ({case: value for case, value in side.items() if value is not None} for side in (inside, outside))
    n_subjects = min(len({subject_of[case] for case in side}) for side in (inside, outside))
    row = {"insufficient_n": n_subjects < n_min,
           "gap": None, "gap_ci95_low": None, "gap_ci95_high": None, "p": None, "p_adjusted": None}
    if row["insufficient_n"]:
        return row
    sums = statistics.by_subject({**{case: (value, 1, 0, 0) for case, value in inside.items()},
                                  **{case: (0, 0, value, 1) for case, value in outside.items()}}, subject_of)

    def gap(totals):
        with np.errstate(invalid="ignore", divide="ignore"):
            return totals[0] / totals[1] - totals[2] / totals[3]

    sides = (sums[1] > 0) + 2 * (sums[3] > 0)  # subjects of the group, of the rest, of both
    low, high = statistics.interval(sums, gap, statistics.MEAN, sides, n_subjects).bounds
    means = [[totals[0] / totals[1] for totals in statistics.by_subject({case: (value, 1) for case, value in side.items()}, subject_of).T]
             for side in (inside, outside)]
    return row | {"gap": float(gap(sums.sum(1))), "gap_ci95_low": low, "gap_ci95_high": high,
                  "p": float(stats.mannwhitneyu(*means, alternative="two-sided").pvalue)}


def groups(names: dict[str, dict[str, str]], numbers: dict[str, dict[str, float]]) -> dict[str, dict[str, str]]:
    """Attribute -> case -> group, as `compare` takes it.

    Args:
        names: attribute -> case -> text; a text of nothing is unknown. An attribute with more than six values that are all
            numbers, such as an age, counts as a number.
        numbers: attribute -> case -> number; cut into terciles.
    """
    found = {}
    for attribute, texts in names.items():
        known = {case: text for case, text in texts.items() if text.strip()}
        values = {case: _number(text) for case, text in known.items()}
        as_numbers = len(set(known.values())) > 6 and None not in values.values()
        found[attribute] = terciles(values) if as_numbers else known
    return found | {attribute: terciles(values) for attribute, values in numbers.items() if values}


def _number(text: str) -> float | None:
    try:
        return float(text) if np.isfinite(float(text)) else None
    except ValueError:
        return None


def magnitude(value: float) -> str:
    """Power of ten that a number lies in, such as "10^2 to 10^3" for 255; "0 or less" where it has none."""
    if value <= 0:
        return "0 or less"
    power = int(np.floor(np.log10(value)))
    return f"10^{power} to 10^{power + 1}"


def terciles(values: dict[str, float]) -> dict[str, str]:
    """Case -> "low", "middle" or "high" third of a number; cases of one value stand in one third."""
    limits = np.quantile(list(values.values()), (1 / 3, 2 / 3))
    return {case: ("low", "middle", "high")[int(np.searchsorted(limits, value, "left"))] for case, value in values.items()}
