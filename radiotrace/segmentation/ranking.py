"""Ranking: cases by their Dice, and which of them to show."""

import numpy as np

MACRO = "mean_of_labels"


def mean_of_all(values: list[float | None]) -> float | None:
    """Mean of values; None where any is None, or none is there.

    A mean of those that are defined would gain by what is missed: of two labels, the distance of the better
    one stays.
    """
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined and len(defined) == len(values) else None


def macro(case: dict, measure: str) -> float | None:
    """Mean of a measure over the labels of a case; None where it is undefined for any of them.

    Args:
        case: entry of the record 'cases'.
    """
    return mean_of_all([row[measure] for row in case["labels"].values()])


def ranked(cases: list[dict]) -> list[dict]:
    """The cases from the lowest mean Dice of labels to the highest; equals are sorted by name.

    A label that is neither there nor predicted, of which the Dice is undefined, is right and counts as 1.
    """

    def key(case):
        dice = [row["dice"] for row in case["labels"].values()]
        return np.mean([1.0 if value is None else value for value in dice]), case["case_id"]

    return sorted(cases, key=key)


def worst_median_best(cases: list[dict]) -> dict[str, str]:
    """Which cases to show: those of lowest, median and highest mean Dice over labels.

    Returns:
        "worst", "median" and "best" -> case_id.
    """
    ids = [case["case_id"] for case in ranked(cases)]
    return {"worst": ids[0], "median": ids[len(ids) // 2], "best": ids[-1]}


def dice_text(rows: dict) -> str:
    """Dice of each label of one case, for a title."""
    return ", ".join(
        f"{name} " + ("undefined" if row["dice"] is None else f"{row['dice']:.2f}")
        for name, row in rows.items()
    )
