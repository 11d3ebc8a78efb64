"""A chart of networks: how good each is against what it costs."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from radiotrace.drawing.charts import DOT, GREY, SQUARE, WIDE, Layout
from radiotrace.drawing.figures import STYLE, svg

REFERENCE = {"color": "black", "marker": "D"}


@dataclass(frozen=True)
class Point:
    """A network.

    Attributes:
        cost: on the axis of the chart; None where it is not known.
        mean: of its accuracy; low, high: its 95 % interval. None where undefined.
        is_shown: whether it was shown to be as good as the reference; None of the reference itself.
    """

    name: str
    cost: float | None
    mean: float | None
    low: float | None
    high: float | None
    is_shown: bool | None


def accuracy_by_cost(points: Sequence[Point], accuracy: str, cost: str, layout: Layout = WIDE) -> bytes:
    """Accuracy against cost, with intervals.

    Points are numbered in their order and named below, so that names do not cover each other. What has no
    cost or no accuracy is named as not drawn.

    Args:
        accuracy, cost: what the axes show, with units.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(layout.width, 4.6 if layout.is_narrow else 3.8), layout="constrained")
        axes = figure.subplots()
        named, missing = [], []
        for number, point in enumerate(points, 1):
            if point.cost is None or point.mean is None:
                missing.append(point.name)
                continue
            named.append(f"{number} {point.name}")
            look = REFERENCE if point.is_shown is None else DOT if point.is_shown else SQUARE
            if point.low is not None and point.high is not None:
                axes.plot([point.cost] * 2, [point.low, point.high], color=look["color"], lw=1.5)
            axes.plot([point.cost], [point.mean], ls="", ms=5, color=look["color"], marker=look["marker"])
            axes.annotate(
                str(number), (point.cost, point.mean), (5, 3), textcoords="offset points", fontsize=8
            )
        costs = [point.cost for point in points if point.cost is not None and point.mean is not None]
        if costs:
            axes.set_xlim(0, 1.08 * float(np.max(costs)))
        else:
            axes.text(
                0.5, 0.5, "of no network both are known", transform=axes.transAxes, ha="center", color=GREY
            )
        label = (
            f"{cost}. Bars: 95 % intervals over subjects; diamond: the reference; circles: shown to be as "
            "good; squares: not shown"
        )
        texts = [label, "; ".join(named), f"not drawn: {', '.join(missing)}" if missing else ""]
        lines = [line for text in texts if text for line in textwrap.wrap(text, layout.letters)]
        axes.set_xlabel("\n".join(lines), loc="left", fontsize=8)
        axes.set_ylabel(accuracy, fontsize=8)
        axes.grid(alpha=0.3)
        return svg(figure)
