"""Charts of a study of a table: SVG files that are the same bytes every time, each readable without colour
and offline. Records in, bytes out."""

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from radiotrace.drawing.figures import STYLE, svg
from radiotrace.records.estimates import Estimate
from radiotrace.records.tabular.explain import Explain
from radiotrace.records.tabular.feature import Feature
from radiotrace.records.tabular.metrics import Calibration, Metrics
from radiotrace.records.tabular.robustness import Robustness
from radiotrace.statistics import discrimination, survival
from radiotrace.tabular import results

# told apart by colour-blind readers, and by their dashes
LOOKS = (("#1b6ca8", "-"), ("#d95f02", "--"), ("#1b9e77", "-."), ("#7570b3", ":"))
GREY = "0.6"
SHOWN = 12  # features of a chart
TITLES = {
    "noise": "noise, SD of the train part",
    "missing": "share of cells not known",
    "mistaken": "share of cells of somebody else",
}


def drawn(make: Callable[[Figure], None], size: tuple[float, float]) -> bytes:
    """A figure in the style of all others."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        make(figure)
        return svg(figure)


def discrimination_chart(metrics: Metrics, cases: Sequence[Mapping[str, Any]]) -> bytes:
    """Of a binary outcome ROC curves; of an event in time Kaplan-Meier curves of thirds of risk."""
    name = metrics.outcome.name
    of = results.judged(cases, name, metrics.horizon)
    return _kaplan_meier(metrics, of) if of.time is not None else _roc(metrics, of)


def _roc(metrics: Metrics, of: results.Judged) -> bytes:
    def make(figure: Figure) -> None:
        axes = figure.subplots()
        curves = {"released, calibrated": of.risk} | {
            name: risk for name, risk in of.by_model.items() if name != metrics.model
        }
        for (name, risk), (colour, dash) in zip(curves.items(), cycle(LOOKS), strict=False):
            curve, value = discrimination.roc_curve(risk, of.positive), None
            if curve is not None:
                value = discrimination.auroc(risk, of.positive)
                axes.plot(curve.x, curve.y, color=colour, ls=dash, label=f"{name}: {value:.3f}")
        point = metrics.operating_points[metrics.outcome.name]
        if point.specificity.value is not None and point.sensitivity.value is not None:
            axes.plot(1 - point.specificity.value, point.sensitivity.value, "s", color="black")
        axes.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls=":")
        axes.set(
            title=f"{metrics.outcome.name}: ROC (square: the threshold)",
            xlabel="1 - specificity",
            ylabel="sensitivity",
            aspect="equal",
            xlim=(-0.01, 1.01),
            ylim=(-0.01, 1.01),
        )
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right", title="area")

    return drawn(make, (5, 4.6))


def _kaplan_meier(metrics: Metrics, of: results.Judged) -> bytes:
    def make(figure: Figure) -> None:
        axes = figure.subplots()
        if of.time is None:
            raise ValueError("cases without a time")
        third = np.searchsorted(np.quantile(of.risk, (1 / 3, 2 / 3)), of.risk, "left")
        for number, (words, (colour, dash)) in enumerate(
            zip(("low", "middle", "high"), LOOKS[:3], strict=True)
        ):
            inside = third == number
            found = survival.kaplan_meier(of.time[inside], of.event[inside])
            x, y = np.append(0, found.time), np.append(1, found.survival)
            axes.step(x, y, where="post", color=colour, ls=dash, label=f"{words} risk ({inside.sum()})")
            band = np.append(1, found.low), np.append(1, found.high)
            axes.fill_between(x, *band, step="post", color=colour, alpha=0.12, lw=0)
        axes.axvline(metrics.horizon or 0, color=GREY, ls=":")
        axes.set(
            title=f"{metrics.outcome.without}, by thirds of risk (dotted: the horizon)",
            xlabel=f"time, {metrics.outcome.unit}",
            ylabel="share",
            ylim=(0, 1.02),
            xlim=(0, None),
        )
        axes.grid(alpha=0.3)
        axes.legend(loc="lower left")

    return drawn(make, (6, 3.8))


def reliability(metrics: Metrics) -> bytes:
    """Share that has the event against the risk, before and after calibration, with the smooth curve."""
    both = metrics.calibration[metrics.outcome.name]

    def make(figure: Figure) -> None:
        panels = figure.subplots(1, 2, sharex=True, sharey=True)
        for axes, (when, of) in zip(panels, (("before", both.before), ("after", both.after)), strict=True):
            _reliability(axes, when, of)

    return drawn(make, (8, 3.9))


def _reliability(axes, when: str, of: Calibration) -> None:
    axes.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls=":")
    axes.plot([row.risk for row in of.curve], [row.observed for row in of.curve], color=LOOKS[1][0], ls="--")
    shown = [row for row in of.reliability if row.share_positive is not None]
    x = [row.mean_probability for row in shown]
    y = np.array([row.share_positive for row in shown], float)
    low = y - np.array([0 if row.ci95_low is None else row.ci95_low for row in shown], float)
    high = np.array([1 if row.ci95_high is None else row.ci95_high for row in shown], float) - y
    axes.errorbar(
        x, y, np.maximum([low, high], 0), color=LOOKS[0][0], marker="o", ms=4, ls="", elinewidth=0.8
    )
    slope, error = of.slope.value, of.expected_error.value
    axes.set(
        title=f"{when}: slope {_said(slope)}, mean gap {_said(error, 3)}",
        xlabel="risk",
        ylabel="share with the event",
        xlim=(-0.02, 1.02),
        ylim=(-0.02, 1.02),
    )
    axes.grid(alpha=0.3)


def decision_curve(metrics: Metrics) -> bytes:
    """Net benefit of acting on a risk, on all cases and on none."""
    points = metrics.decision_curve[metrics.outcome.name]

    def make(figure: Figure) -> None:
        axes = figure.subplots()
        x = [point.threshold for point in points]
        axes.plot(x, [point.model for point in points], color=LOOKS[0][0], label="the model")
        band = [(point.over_none_low, point.over_none_high) for point in points]
        if all(low is not None and high is not None for low, high in band):
            ends = np.array(band, float)
            axes.fill_between(x, ends[:, 0], ends[:, 1], color=LOOKS[0][0], alpha=0.15, lw=0)
        axes.plot(x, [point.treat_all for point in points], color=LOOKS[1][0], ls="--", label="all")
        axes.axhline(0, color=GREY, ls=":", label="none")
        low = min([-0.05, *(point.model for point in points)])
        axes.set(
            title="Acting on …",
            xlabel="threshold of the risk",
            ylabel="net benefit, true positives a case",
            ylim=(low, None),
        )
        axes.grid(alpha=0.3)
        axes.legend(loc="upper right")

    return drawn(make, (6, 3.6))


def envelope(found: Robustness) -> bytes:
    """Concordance as rows become noisy, incomplete and mistaken."""

    def make(figure: Figure) -> None:
        panels = figure.subplots(1, len(found.changes), sharey=True, squeeze=False)[0]
        for axes, (name, rows) in zip(panels, sorted(found.changes.items()), strict=True):
            x = [0.0, *(row.amount for row in rows)]
            y = [found.clean.value, *(row.concordance_mean for row in rows)]
            axes.plot(
                x, [np.nan if value is None else value for value in y], color=LOOKS[0][0], marker="o", ms=4
            )
            _bars(axes, x, [found.clean, *(row.concordance for row in rows)])
            axes.axhline(found.criterion, color=LOOKS[1][0], ls="--", lw=0.8)
            axes.set(
                xlabel=TITLES.get(name, name), title=f"{name}: {found.envelope[name]} of {len(rows)} hold"
            )
            axes.grid(alpha=0.3)
        panels[0].set_ylabel("concordance")

    return drawn(make, (8, 2.9))


def _bars(axes, x: Sequence[float], rows: Sequence[Estimate]) -> None:
    for place, row in zip(x, rows, strict=True):
        if row.ci95_low is not None and row.ci95_high is not None:
            axes.plot([place, place], [row.ci95_low, row.ci95_high], color=LOOKS[0][0], lw=0.8)


def explanations(found: Explain, features: Sequence[Feature]) -> bytes:
    """What features are worth, by both measures, the most important first; and how the risk depends on four
    of them."""
    by_worth = sorted(found.importance, key=lambda name: (-(found.importance[name].shapley.value or 0), name))
    shown, unit_of = by_worth[:SHOWN], {feature.name: feature.unit for feature in features}
    first = by_worth[:4]

    def make(figure: Figure) -> None:
        halves: Any = figure.subfigures(2, 1, height_ratios=(0.34 * len(shown) + 1, 2.6))
        above, below = halves
        panels = above.subplots(1, 2, sharey=True)
        names = [name.replace("_", " ") for name in shown]
        for axes, key, title in (
            (panels[0], "shapley", "mean |Shapley value|, link"),
            (panels[1], "permutation", "concordance lost by shuffling"),
        ):
            rows = [getattr(found.importance[name], key) for name in shown]
            places = np.arange(len(rows))[::-1]
            axes.plot([row.value or 0 for row in rows], places, "o", color=LOOKS[0][0], ms=4)
            for place, row in zip(places, rows, strict=True):
                if row.ci95_low is not None and row.ci95_high is not None:
                    axes.plot([row.ci95_low, row.ci95_high], [place, place], color=LOOKS[0][0], lw=0.9)
            axes.axvline(0, color=GREY, lw=0.8, ls=":")
            axes.set_yticks(places, names)
            axes.set_title(title)
            axes.grid(alpha=0.3, axis="x")
        for axes, name in zip(
            below.subplots(1, len(first), sharey=True, squeeze=False)[0], first, strict=True
        ):
            _dependence(axes, found, name, unit_of[name])

    return drawn(make, (8, 0.34 * len(shown) + 3.6))


def _dependence(axes, found: Explain, name: str, unit: str) -> None:
    of = found.dependence[name]
    is_number = all(not isinstance(value, str) for value in of.values)
    x = list(of.values) if is_number else list(range(len(of.values)))
    if is_number:
        axes.plot(x, of.risk, color=LOOKS[0][0])
        axes.fill_between(x, of.low, of.high, color=LOOKS[0][0], alpha=0.15, lw=0)
    else:
        ends = np.array([np.subtract(of.risk, of.low), np.subtract(of.high, of.risk)])
        axes.errorbar(x, of.risk, np.maximum(ends, 0), color=LOOKS[0][0], marker="o", ms=4, ls="")
        axes.set_xticks(x, [str(value) for value in of.values])
    axes.set(xlabel=name.replace("_", " ") + (f", {unit}" if unit else ""), ylabel="", ylim=(0, 1))
    axes.grid(alpha=0.3)


def _said(value: float | None, digits: int = 2) -> str:
    return "undefined" if value is None else f"{value:.{digits}f}"
