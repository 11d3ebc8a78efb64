"""Ranking: cases by their Dice, and which of them to show."""
from radiotrace.evaluation import metrics


def macro(case: dict, measure: str) -> float | None:
    """Mean of a measure over the labels of a case that define it.

    Args:
        case: entry of the record 'cases'.
    """
    return metrics.mean_defined(row[measure] for row in case["labels"].values())


def ranked(cases: list[dict]) -> list[dict]:
    """The cases from the lowest mean Dice of labels to the highest; undefined counts as lowest, equals are sorted by name."""
    def key(case):
        value = macro(case, "dice")
        return (-1.0 if value is None else value, case["case_id"])

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
    return ", ".join(f"{name} " + ("undefined" if row["dice"] is None else f"{row['dice']:.2f}") for name, row in rows.items())
