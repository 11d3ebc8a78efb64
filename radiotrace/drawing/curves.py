"""Learning curves of one run, or of several on the same axes: SVG that is the same bytes every time.

A module of its own, so that what only the site draws makes no stage stale.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from radiotrace.drawing.figures import STYLE, svg

# Runs differ in colour and in stroke, labels in their markers, so that nothing is told by colour alone.
LOOKS = (("#1b6ca8", "-"), ("#b34700", "--"), ("#3d3d3d", ":"))
MARKERS = "osvD^pXP"
NAME_LENGTH = 32  # characters of a name in a legend
LABELS = 24  # that a legend names


@dataclass(frozen=True)
class Curve:
    """What a run says of each of its epochs.

    Attributes:
        name: of the run, for the legend.
        epochs: their numbers; losses: of each; None where it is undefined.
        scores: label -> score on the validation part, of each epoch; None where it was not measured.
    """

    name: str
    epochs: Sequence[int]
    losses: Sequence[float | None]
    scores: Mapping[str, Sequence[float | None]]


def learning(curves: Sequence[Curve], measure: str) -> bytes:
    """Loss, and the score of each label on the validation part, against the epoch.

    Args:
        curves: at most as many as LOOKS has.
        measure: what the scores are, for the title.

    Raises:
        ValueError: there are more curves than can be told apart.
    """
    if len(curves) > len(LOOKS):
        raise ValueError(f"{len(curves)} curves, at most {len(LOOKS)} can be told apart")
    labels = sorted({label for curve in curves for label in curve.scores})
    with matplotlib.rc_context({**STYLE, "text.parse_math": False}):
        figure = Figure(figsize=(9, 4.2), layout="constrained")
        loss, score = figure.subplots(1, 2)
        for curve, (colour, stroke) in zip(curves, LOOKS, strict=False):
            look = {"color": colour, "ls": stroke, "lw": 1.4, "ms": 3.5}
            loss.plot(curve.epochs, _numbers(curve.losses), marker=".", label=_short(curve.name), **look)
            for number, label in enumerate(labels):
                if label in curve.scores:
                    name = label if len(curves) == 1 else f"{label}, {curve.name}"
                    marker = MARKERS[number % len(MARKERS)]
                    score.plot(
                        curve.epochs,
                        _numbers(curve.scores[label]),
                        marker=marker,
                        label=_short(name) if number < LABELS else None,
                        **look,
                    )
        loss.set(title="Training loss", xlabel="epoch")
        score.set(title=f"Validation: {_short(measure)}", xlabel="epoch")
        for axes in (loss, score):
            axes.grid(alpha=0.3)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            if axes.get_legend_handles_labels()[0]:
                axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), fontsize=8, frameon=False)
        return svg(figure)


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [np.nan if value is None else value for value in values]


def _short(name: str) -> str:
    """A name that a legend has room for; a leading underscore would hide it there."""
    shown = name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 1]}…"
    return f" {shown}" if shown.startswith("_") else shown
