"""Subgroups: how a metric does in each group of each attribute, and how far it is from that of all others."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from radiotrace.statistics import intervals

SUMMARISED = ("n_cases", "n_subjects", "n_undefined", "mean", "ci95_low", "ci95_high", "no_interval")
NOT_COMPARED = {
    "gap": None,
    "gap_simultaneous95_low": None,
    "gap_simultaneous95_high": None,
    "gap_no_interval": "too few subjects to compare",
    "p": None,
    "p_adjusted": None,
}


@dataclass(frozen=True)
class Group:
    """Cases that stand together under an attribute, against the others that have a group of it.

    Attributes:
        attribute, name: of the group; also: "attribute: name" of the same comparison under other names.
        inside, outside: ids of the cases.
    """

    attribute: str
    name: str
    also: tuple[str, ...]
    inside: frozenset[str]
    outside: frozenset[str]

    @property
    def comparison(self) -> frozenset:
        """What is compared: of two groups that are all there is, both compare the same."""
        return frozenset({self.inside, self.outside})


def compare(
    values: dict[str, float | None], groups: dict[str, dict[str, str]], subject_of: dict[str, str], n_min: int
) -> list[dict]:
    """One row a group of an attribute, sorted by attribute and group; too small ones stay, and say so.

    Args:
        values: case -> metric in 0..1; None where undefined, which is counted and left out.
        groups: attribute -> case -> group. A case that an attribute does not name belongs to none of its
            groups.
        subject_of: case -> subject.
        n_min: subjects on either side below which neither gap nor p is given.

    Returns:
        attribute, group; also: other names of the same group against the same others, which has no row of its
        own;
        insufficient_n: whether it or the rest has fewer than n_min subjects; n_cases, n_subjects,
            n_undefined, mean and its interval as statistics.summary, of this group by itself; gap: mean of
            the group minus mean of the other cases that have a group, with an interval over subjects that is
            simultaneous with those of all other gaps (gap_simultaneous95_low and _high, or
        gap_no_interval): all of them hold at once in 95 % of samples at least; p: of a Mann-Whitney test of
            the means of subjects, two-sided; p_adjusted: over all comparisons, so that of those below a level
            no more than that share is expected to be chance. Two groups that are all there is are one
            comparison. A subject with cases in both counts on both sides.

    Source: Bonferroni for the intervals (Dunn 1961, doi:10.1080/01621459.1961.10482090); Benjamini and
    Yekutieli 2001, doi:10.1214/aos/1013699998, for p: both hold for comparisons that depend on each other.
    """
    compared_groups = named_once(groups)
    sides = {
        group: _Sides(_defined(values, group.inside), _defined(values, group.outside), subject_of)
        for group in compared_groups
    }
    compared = sorted(
        {group.comparison for group in compared_groups if sides[group].n_subjects >= n_min}, key=_order
    )
    level = 1 - 0.05 / max(len(compared), 1)
    p_of = {group.comparison: sides[group].p() for group in compared_groups if group.comparison in compared}
    adjusted = (
        stats.false_discovery_control([p_of[comparison] for comparison in compared], method="by")
        if compared
        else []
    )
    adjusted_of = dict(zip(compared, map(float, adjusted), strict=True))
    rows = []
    for group in compared_groups:
        about = intervals.summary(
            {case: values[case] for case in values if case in group.inside}, subject_of, intervals.SHARE
        )
        row = {
            "attribute": group.attribute,
            "group": group.name,
            "also": list(group.also),
            **{key: about[key] for key in SUMMARISED},
            "insufficient_n": group.comparison not in compared,
            **NOT_COMPARED,
        }
        if not row["insufficient_n"]:
            row |= sides[group].gap(level) | {
                "p": p_of[group.comparison],
                "p_adjusted": adjusted_of[group.comparison],
            }
        rows.append(row)
    return rows


def named_once(groups: dict[str, dict[str, str]]) -> list[Group]:
    """The groups, sorted by attribute and name; one that stands under several names is there once, with all
    of them.

    Names that the data set gives come before those that are derived from images.
    """
    names = defaultdict(list)
    for attribute, group_of in groups.items():
        for name in sorted(set(group_of.values())):
            inside = frozenset(case for case, group in group_of.items() if group == name)
            names[inside, frozenset(group_of) - inside].append(
                (attribute.startswith("derived_"), attribute, name)
            )
    named = []
    for (inside, outside), aliases in names.items():
        (_, attribute, name), *others = sorted(aliases)
        named.append(
            Group(
                attribute,
                name,
                tuple(f"{other_attribute}: {group}" for _, other_attribute, group in others),
                inside,
                outside,
            )
        )
    return sorted(named, key=lambda group: (group.attribute, group.name))


def _order(comparison: frozenset) -> list[list[str]]:
    """Sorts comparisons the same way every time."""
    return sorted(sorted(side) for side in comparison)


def _defined(values: dict[str, float | None], cases: frozenset[str]) -> dict[str, float]:
    return {case: value for case, value in values.items() if case in cases and value is not None}


@dataclass(frozen=True)
class _Sides:
    """The values of a group and of the others, case -> value."""

    inside: dict[str, float]
    outside: dict[str, float]
    subject_of: dict[str, str]

    @property
    def n_subjects(self) -> int:
        """Of the smaller side."""
        return min(len({self.subject_of[case] for case in side}) for side in (self.inside, self.outside))

    def p(self) -> float:
        """Of a Mann-Whitney test of the means of subjects."""
        means = []
        for side in (self.inside, self.outside):
            sums = intervals.by_subject({case: (value, 1) for case, value in side.items()}, self.subject_of)
            means.append(sums[0] / sums[1])
        return float(stats.mannwhitneyu(*means, alternative="two-sided").pvalue)

    def gap(self, level: float) -> dict:
        """Mean of the group minus that of the others, with its interval."""
        sums = intervals.by_subject(
            {
                **{case: (value, 1, 0, 0) for case, value in self.inside.items()},
                **{case: (0, 0, value, 1) for case, value in self.outside.items()},
            },
            self.subject_of,
        )
        strata = (sums[1] > 0) + 2 * (sums[3] > 0)  # subjects of the group, of the rest, of both
        rule = intervals.Rule(level=level, lowest=-1, highest=1)  # values are shares
        interval = intervals.interval(sums, _gap, rule, strata, self.n_subjects)
        return {
            "gap": float(_gap(sums.sum(1))),
            "gap_simultaneous95_low": interval.low,
            "gap_simultaneous95_high": interval.high,
            "gap_no_interval": interval.no_interval,
        }


def _gap(totals: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return totals[0] / totals[1] - totals[2] / totals[3]


def groups(
    names: dict[str, dict[str, str]], numbers: Mapping[str, Mapping[str, float]]
) -> dict[str, dict[str, str]]:
    """Attribute -> case -> group, as `compare` takes it.

    Args:
        names: attribute -> case -> text; a text of nothing is unknown. An attribute with more than six values
            that are all numbers, such as an age, counts as a number.
        numbers: attribute -> case -> number; cut into terciles.
    """
    groups_of = {}
    for attribute, texts in names.items():
        known = {case: text for case, text in texts.items() if text.strip()}
        values = {case: value for case, text in known.items() if (value := _number(text)) is not None}
        as_numbers = len(set(known.values())) > 6 and len(values) == len(known)
        groups_of[attribute] = terciles(values) if as_numbers else known
    return groups_of | {attribute: terciles(values) for attribute, values in numbers.items() if values}


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


def terciles(values: Mapping[str, float]) -> dict[str, str]:
    """Case -> "low", "middle" or "high" third of a number; cases of one value stand in one third."""
    limits = np.quantile(list(values.values()), (1 / 3, 2 / 3))
    return {
        case: ("low", "middle", "high")[int(np.searchsorted(limits, value, "left"))]
        for case, value in values.items()
    }
