"""Charts of survival: SVG files that are the same bytes every time, each readable without colour and offline.
Records in, bytes out."""

from collections.abc import Callable
from itertools import cycle

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from radiotrace.drawing.figures import STYLE, svg
from radiotrace.records.segmentation_survival.survival import Curve, Survival

# told apart by colour-blind readers, and by their dashes
LOOKS = (("#1b6ca8", "-"), ("#d95f02", "--"), ("#1b9e77", "-."), ("#7570b3", ":"))
MARKS = "osvD"
GREY = "0.6"
SHOWN_AT_RISK = 5  # times under the curves


def drawn(survival: Survival) -> dict[str, bytes]:
    """All charts by the names of their files."""
    return {
        "survival_groups": figure(lambda page: groups(page, survival), (8, 4.6)),
        "survival_calibration": figure(lambda page: calibration(page, survival), (8, 3.4)),
        "survival_aurocs": figure(lambda page: areas(page, survival), (8, 3.4)),
    }


def figure(make: Callable[[Figure], None], size: tuple[float, float]) -> bytes:
    """A figure in the style of all others."""
    with matplotlib.rc_context(STYLE):
        page = Figure(figsize=size, layout="constrained")
        make(page)
        return svg(page)


def named(number: int, of: int) -> str:
    """A risk group in words."""
    if number == 0:
        return "lowest risk"
    return "highest risk" if number == of - 1 else f"risk group {number + 1}"


def steps(curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    """Times and shares of a Kaplan-Meier curve, from 1 at time 0."""
    return np.append(0.0, curve.time), np.append(1.0, curve.survival)


def at_risk(curve: Curve, time: float) -> int:
    """How many of a group are still followed at a time."""
    later = [number for moment, number in zip(curve.time, curve.at_risk, strict=True) if moment >= time]
    return later[0] if later else 0


def groups(page: Figure, survival: Survival) -> None:
    """Kaplan-Meier by risk group, with who is still followed below."""
    above, below = page.subplots(2, 1, height_ratios=(4, 1), sharex=True)
    curves, unit = survival.risk_groups.curves, survival.unit
    end = max((curve.time[-1] for curve in curves if curve.time), default=1.0)
    moments = np.linspace(0, end, SHOWN_AT_RISK)
    for number, (curve, (colour, dash)) in enumerate(zip(curves, cycle(LOOKS), strict=False)):
        name = named(number, len(curves))
        times, shares = steps(curve)
        above.step(
            times,
            shares,
            where="post",
            color=colour,
            ls=dash,
            label=f"{name}: {curve.n_events} events of {curve.n}",
        )
        place = len(curves) - 1 - number
        for moment in moments:
            below.text(moment, place, str(at_risk(curve, moment)), ha="center", va="center", fontsize=8)
    p = survival.risk_groups.log_rank.p
    told = "no event tells the groups apart" if p is None else f"log-rank p = {p:.2g}"
    above.set(title=f"Share without the event, by predicted risk ({told})", ylim=(0, 1.02))
    above.legend(loc="lower left", fontsize=8)
    above.grid(alpha=0.3)
    below.set(
        ylim=(-0.6, len(curves) - 0.4),
        xlabel=f"time ({unit})" if unit else "time",
        yticks=range(len(curves)),
        yticklabels=[named(number, len(curves)) for number in reversed(range(len(curves)))],
    )
    below.set_title("still followed", fontsize=9)
    below.tick_params(labelsize=8)


def calibration(page: Figure, survival: Survival) -> None:
    """Predicted against observed risk at each horizon, in groups of similar risk."""
    at = survival.network.calibration
    each = np.ravel(page.subplots(1, len(at), sharey=True))
    for axes, here in zip(each, at, strict=True):
        axes.plot((0, 1), (0, 1), color=GREY, ls="--", lw=1)
        for row in here.rows:
            if row.observed is None:
                continue
            if row.ci95_low is not None and row.ci95_high is not None:
                axes.plot((row.predicted,) * 2, (row.ci95_low, row.ci95_high), color=LOOKS[0][0], lw=1)
            axes.plot(row.predicted, row.observed, color=LOOKS[0][0], marker="o", ms=5)
        slope = "no slope" if here.slope is None else f"slope {here.slope:.2f}"
        axes.set(
            title=f"by {here.horizon:g} {survival.unit}".strip() + f"\n{slope}",
            xlim=(0, 1),
            ylim=(0, 1),
            xlabel="predicted risk",
        )
        axes.grid(alpha=0.3)
    each[0].set_ylabel("observed, 1 - Kaplan-Meier")


def areas(page: Figure, survival: Survival) -> None:
    """Area at each horizon, and the C-index with its interval, of each way to tell survival."""
    left, right = page.subplots(1, 2, width_ratios=(3, 2))
    ways = {
        "network": survival.network,
        "volume": survival.others.volume,
        "features": survival.others.features,
        "alone": survival.others.alone,
    }
    there = {name: way for name, way in ways.items() if way is not None}
    looks = cycle(zip(LOOKS, MARKS, strict=True))
    for (name, way), ((colour, dash), mark) in zip(there.items(), looks, strict=False):
        values = [np.nan if area is None else area for area in way.auroc]
        left.plot(survival.horizons, values, color=colour, ls=dash, marker=mark, ms=4, label=name)
    left.set(title="AUROC of events by each horizon", xlabel=f"time ({survival.unit})", ylim=(0.4, 1))
    left.legend(loc="lower right", fontsize=8)
    for place, (name, way) in enumerate(reversed(there.items())):
        index = way.c_index.harrell
        if index.value is None:
            continue
        colour, mark = LOOKS[list(there).index(name)][0], MARKS[list(there).index(name)]
        if index.ci95_low is not None and index.ci95_high is not None:
            right.plot((index.ci95_low, index.ci95_high), (place, place), color=colour, lw=1.5)
        right.plot(index.value, place, color=colour, marker=mark, ms=6)
    right.axvline(0.5, color=GREY, ls="--", lw=1)
    right.set(title="Harrell's C-index", yticks=range(len(there)), yticklabels=list(reversed(there)))
    right.set_xlim(0.4, 1)
    for axes in (left, right):
        axes.grid(alpha=0.3)
