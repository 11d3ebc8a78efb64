"""Charts of a classification: SVG files that are the same bytes every time, each readable without colour and
offline. Records in, bytes out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from radiotrace.drawing.figures import STYLE, svg
from radiotrace.records.classification.metrics import BothCalibrations, Metrics
from radiotrace.records.classification.robustness import Robustness
from radiotrace.records.classification.train import Epoch
from radiotrace.statistics import discrimination

# told apart by colour-blind readers, and by their dashes
LOOKS = (("#1b6ca8", "-"), ("#d95f02", "--"), ("#1b9e77", "-."), ("#7570b3", ":"))
GREY = "0.6"
NARROW_WIDTH = 4.2


@dataclass(frozen=True)
class Told:
    """What was told of a label in all cases: (n,) probabilities and whether they have it."""

    probability: np.ndarray
    positive: np.ndarray


def drawn(make: Callable[[Figure], None], size: tuple[float, float]) -> bytes:
    """A figure in the style of all others."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        make(figure)
        return svg(figure)


def training(history: Sequence[Epoch]) -> bytes:
    """Loss of the train part and area of the validation part after each epoch."""

    def make(figure: Figure) -> None:
        loss, area = figure.subplots(1, 2)
        epochs = list(range(1, len(history) + 1))
        loss.plot(epochs, [row.train_loss for row in history], color="black", marker=".")
        loss.set(title="Training loss", xlabel="epoch")
        for name, (colour, dash) in zip(history[0].validation_auroc, cycle(LOOKS), strict=False):
            values = [row.validation_auroc[name] for row in history]
            area.plot(
                epochs,
                [np.nan if value is None else value for value in values],
                color=colour,
                ls=dash,
                marker=".",
                label=name,
            )
        area.set(title="Validation AUROC (averaged weights)", xlabel="epoch")
        if history[0].validation_auroc:
            area.legend(loc="lower right")
        for axes in (loss, area):
            axes.grid(alpha=0.3)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))

    return drawn(make, (8, 3))


def areas(metrics: Metrics, told: Mapping[str, Told]) -> bytes:
    """ROC and precision-recall curves of each label, with the points at its threshold and at a half."""

    def make(figure: Figure) -> None:
        roc, precision = figure.subplots(1, 2)
        for (name, of), (colour, dash) in zip(told.items(), cycle(LOOKS), strict=False):
            found, points = metrics.discrimination[name], metrics.operating_points[name]
            half = metrics.at_half[name]
            curve = discrimination.roc_curve(of.probability, of.positive)
            if curve is not None:
                value = found.auroc.value
                roc.plot(curve.x, curve.y, color=colour, ls=dash, label=f"{name}: {value:.3f}")
                for point, marker in ((points, "s"), (half, "o")):
                    if point.specificity.value is not None and point.sensitivity.value is not None:
                        roc.plot(1 - point.specificity.value, point.sensitivity.value, marker, color=colour)
            curve = discrimination.precision_recall_curve(of.probability, of.positive)
            if curve is not None:
                precision.plot(
                    curve.x, curve.y, color=colour, ls=dash, label=f"{name}: {found.auprc.value:.3f}"
                )
                precision.axhline(found.prevalence, color=GREY, lw=0.8, ls=":")
        roc.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls=":")
        roc.set(title="ROC", xlabel="1 - specificity", ylabel="sensitivity", aspect="equal")
        precision.set(title="Precision and recall (dotted: prevalence)", xlabel="recall", ylabel="precision")
        for axes in (roc, precision):
            axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
            axes.grid(alpha=0.3)
            axes.legend(loc="lower right", title="area")
        figure.supxlabel(
            "square: at the threshold of the validation part; circle: at a probability of a half", fontsize=8
        )

    return drawn(make, (8, 4.3))


def reliability(calibration: Mapping[str, BothCalibrations]) -> bytes:
    """Share of cases with a label against its probability, before and after calibration, a row a label."""

    def make(figure: Figure) -> None:
        rows = figure.subplots(len(calibration), 2, squeeze=False, sharex=True, sharey=True)
        for axes_of_row, (name, both) in zip(rows, calibration.items(), strict=True):
            for axes, (when, of) in zip(
                axes_of_row, (("before", both.before), ("after", both.after)), strict=True
            ):
                axes.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls=":")
                x = [row.mean_probability for row in of.reliability]
                y = np.array([row.share_positive for row in of.reliability])
                low = y - np.array([row.ci95_low or 0 for row in of.reliability])
                high = np.array([row.ci95_high or 1 for row in of.reliability]) - y
                ends = np.maximum([low, high], 0)
                axes.errorbar(x, y, ends, color=LOOKS[0][0], marker="o", ms=4, lw=1, elinewidth=0.8)
                slope = of.slope.value
                said = "slope undefined" if slope is None else f"slope {slope:.2f}"
                axes.set(
                    title=f"{name}, {when}: {said}, error {of.expected_error.value:.3f}",
                    xlabel="probability",
                    ylabel="share of cases",
                    xlim=(-0.02, 1.02),
                    ylim=(-0.02, 1.02),
                )
                axes.grid(alpha=0.3)

    return drawn(make, (8, 3.6 * len(calibration)))


def decision_curve(metrics: Metrics) -> bytes:
    """Net benefit of acting on a probability, on all cases and on none, a panel a label."""

    def make(figure: Figure) -> None:
        panels = figure.subplots(1, len(metrics.decision_curve), squeeze=False)[0]
        for axes, (name, points) in zip(panels, metrics.decision_curve.items(), strict=True):
            x = [point.threshold for point in points]
            axes.plot(x, [point.model for point in points], color=LOOKS[0][0], label="the model")
            axes.plot(x, [point.treat_all for point in points], color=LOOKS[1][0], ls="--", label="all")
            axes.axhline(0, color=GREY, ls=":", label="none")
            low = min(-0.05, *(point.model for point in points))
            axes.set(
                title=f"{name}: acting on …",
                xlabel="threshold of the probability",
                ylabel="net benefit, true positives a case",
                ylim=(low, None),
            )
            axes.grid(alpha=0.3)
            axes.legend(loc="lower left")

    return drawn(make, (max(5.0, 4 * len(metrics.decision_curve)), 3.4))


def envelope(found: Robustness) -> bytes:
    """Area under the ROC curve at each severity of each corruption: the smallest of the labels."""

    def make(figure: Figure) -> None:
        axes = figure.subplots()
        names = list(found.corruptions)
        table = np.array(
            [
                [
                    min(np.nan if one.value is None else one.value for one in row.auroc.values())
                    for row in found.corruptions[name]
                ]
                for name in names
            ]
        )
        axes.imshow(table, vmin=0.5, vmax=1, cmap="cividis", aspect="auto")
        for row, name in enumerate(names):
            for column, severity in enumerate(found.corruptions[name]):
                value = table[row, column]
                colour = "black" if value > 0.8 else "white"
                mark = "" if severity.holds else " x"
                axes.text(column, row, f"{value:.3f}{mark}", ha="center", va="center", color=colour)
        axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
        axes.set_xticks(range(table.shape[1]), [str(number + 1) for number in range(table.shape[1])])
        clean = min(one.value or 0 for one in found.clean.values())
        axes.set(
            title=f"AUROC by severity; without: {clean:.3f}; x: below {found.criterion_auroc:g}",
            xlabel="severity",
        )

    return drawn(make, (7, 0.34 * len(found.corruptions) + 1.1))


def risk_coverage(metrics: Metrics) -> bytes:
    """Share that is told wrongly of the cases that are kept, the surest first; of each uncertainty."""

    def make(figure: Figure) -> None:
        axes = figure.subplots()
        for (kind, of), (colour, dash) in zip(metrics.uncertainty.items(), cycle(LOOKS), strict=False):
            n = len(of.risk_coverage)
            area = "undefined" if of.auroc.value is None else f"{of.auroc.value:.2f}"
            axes.plot(
                np.arange(1, n + 1) / n, of.risk_coverage, color=colour, ls=dash, label=f"{kind}: {area}"
            )
        axes.set(
            title="Wrong among those kept, the surest first",
            xlabel="share of cases that are kept",
            ylabel="share told wrongly",
            xlim=(0, 1.01),
            ylim=(0, None),
        )
        axes.grid(alpha=0.3)
        axes.legend(loc="upper left", title="AUROC of wrong cases")

    return drawn(make, (6, 3.4))


def explanations(rows: Sequence[tuple[str, np.ndarray, np.ndarray]], with_pictures: bool) -> bytes:
    """Pictures, and where the score of a label comes from; or the maps alone.

    Args:
        rows: title, picture (y, x) and map (y, x) from 0 to 1.
    """

    def make(figure: Figure) -> None:
        n_columns = 4
        grid = figure.subplots(n_rows, n_columns, squeeze=False)
        for axes in grid.ravel():
            axes.set_axis_off()
        if not with_pictures:
            for axes, (title, _, heat) in zip(grid.ravel(), rows, strict=False):
                axes.imshow(heat, cmap="inferno", vmin=0, vmax=1)
                axes.set_title(title, fontsize=6, loc="left")
            return
        for number, (title, pixels, heat) in enumerate(rows):
            row, start = number // 2, 2 * (number % 2)
            grid[row, start].imshow(pixels, cmap="gray")
            grid[row, start].set_title(title, fontsize=7, loc="left")
            grid[row, start + 1].imshow(pixels, cmap="gray")
            grid[row, start + 1].imshow(heat, cmap="inferno", alpha=0.55, vmin=0, vmax=1)

    n_rows = -(-len(rows) // (2 if with_pictures else 4))
    return drawn(make, (8, 2.2 * n_rows))
