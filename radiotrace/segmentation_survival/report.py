"""The report: what a person reads of outlines and survival, from records. Plain values in, text out."""

from collections.abc import Mapping
from typing import Any

from radiotrace.records.metrics import Metrics
from radiotrace.records.segmentation_survival.survival import Against, Survival
from radiotrace.segmentation.report import interval, number

WAYS = {
    "network": "the network",
    "volume": "Cox model on the volume of its outlines",
    "features": "Cox model on several measures of its outlines",
    "alone": "Cox model on the outlines of a network that learnt them alone",
}
MACRO = "mean_of_labels"


def estimate(row: Any, digits: int = 3) -> str:
    """A number with its interval, or the reason why it has none."""
    return interval(row, digits, "value")


def state(acceptance: Mapping[str, Any]) -> tuple[str, bool]:
    """What stands above everything else, and whether all criteria are met."""
    rows = acceptance["results"]
    open_ones = [row["requirement"] for row in rows if row["verdict"] != "met"]
    if not rows:
        return "There is no criterion: nobody has said what this model must reach.", False
    if open_ones:
        return f"{len(open_ones)} of {len(rows)} criteria are not met: {', '.join(open_ones)}.", False
    return f"All {len(rows)} criteria are met.", True


def ways(survival: Survival) -> list[tuple[str, Any]]:
    """Each way to tell survival by its name for people."""
    others = survival.others
    there = {"network": survival.network, **vars(others)}
    return [(WAYS[name], way) for name, way in there.items() if way is not None]


def comparisons(survival: Survival) -> list[tuple[str, Against]]:
    """Each other way by its name for people, with how far the network is from it."""
    return [(WAYS[name], row) for name, row in vars(survival.comparisons).items() if row is not None]


def findings(metrics: Metrics, survival: Survival, n_models: int) -> list[str]:
    """How good, against what, and what is to be doubted."""
    dice = metrics.of_measure["dice"]
    of_labels = "; ".join(f"{name} {interval(row)}" for name, row in dice.items() if name != MACRO)
    index = survival.network.c_index
    told = [
        f"Mean Dice: {of_labels}.",
        f"Survival: C-index {estimate(index.harrell)} by Harrell, {estimate(index.uno)} by Uno, of "
        f"{survival.n_events} events in {survival.n_cases} cases.",
    ]
    told += [_compared(name, row) for name, row in comparisons(survival)]
    if survival.sharing is not None:
        row = survival.sharing.dice[MACRO]
        told.append(
            f"Learning survival beside the outlines changes the mean Dice by {estimate(row, 4)}: "
            f"{_direction(row.ci95_low, row.ci95_high)}."
        )
    brier, without = survival.network.integrated_brier.value, survival.brier_without
    if brier is not None and without is not None and brier >= without:
        told.append(
            f"The integrated Brier score, {number(brier)}, is no better than that of the curve of all "
            f"subjects, {number(without)}."
        )
    told += _extreme(survival)
    if n_models > 1:
        told.append(f"The test part was shown to {n_models} models, of which this is the last.")
    return told


def _compared(name: str, row: Against) -> str:
    index = row.c_index
    return (
        f"Its C-index minus that of a {name}: {estimate(index)}; "
        f"{_direction(index.ci95_low, index.ci95_high)}."
    )


def _direction(low: float | None, high: float | None) -> str:
    """What an interval of a difference shows."""
    if low is None or high is None:
        return "nothing can be said"
    if low > 0:
        return "a gain is shown"
    return "a loss is shown" if high < 0 else "no difference is shown"


def _extreme(survival: Survival) -> list[str]:
    """Horizons at which predicted risks are too extreme, or wrong on the whole."""
    told = []
    for at in survival.network.calibration:
        ratio, how = at.ratio, None
        if ratio.ci95_low is not None and ratio.ci95_low > 1:
            how = "low"
        if ratio.ci95_high is not None and ratio.ci95_high < 1:
            how = "high"
        if how is not None:
            told.append(
                f"Risks by {at.horizon:g} {survival.unit} are too {how}: observed over predicted "
                f"{estimate(ratio)}."
            )
    return told
