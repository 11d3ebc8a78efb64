"""Charts of a detection: SVG files that are the same bytes every time, each readable without colour and
offline. Records in, bytes out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from radiotrace.drawing.figures import STYLE, svg
from radiotrace.records.detection.metrics import BothCalibrations, Metrics
from radiotrace.records.detection.robustness import Robustness
from radiotrace.records.detection.train import Epoch
from radiotrace.statistics import detection_scores
from radiotrace.statistics.detection_scores import Image

# told apart by colour-blind readers, and by their dashes
LOOKS = (("#1b6ca8", "-"), ("#d95f02", "--"), ("#1b9e77", "-."), ("#7570b3", ":"))
GREY = "0.6"
COLUMNS = 4  # of the figure of explanations


def drawn(make: Callable[[Figure], None], size: tuple[float, float]) -> bytes:
    """A figure in the style of all others."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        make(figure)
        return svg(figure)


def training(history: Sequence[Epoch]) -> bytes:
    """Loss of the train part and average precision of the validation part after each epoch."""

    def make(figure: Figure) -> None:
        loss, precision = figure.subplots(1, 2)
        epochs = list(range(1, len(history) + 1))
        loss.plot(epochs, [row.train_loss for row in history], color="black")
        loss.set(title="Training loss", xlabel="epoch", yscale="log")
        for name, (colour, dash) in zip(history[0].validation_ap50, cycle(LOOKS), strict=False):
            values = [row.validation_ap50[name] for row in history]
            shown = [np.nan if value is None else value for value in values]
            precision.plot(epochs, shown, color=colour, ls=dash, label=name)
        precision.set(title="Validation AP at .50 (averaged weights)", xlabel="epoch", ylim=(0, 1.01))
        if history[0].validation_ap50:
            precision.legend(loc="lower right")
        for axes in (loss, precision):
            axes.grid(alpha=0.3)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))

    return drawn(make, (8, 3))


def precision(metrics: Metrics, images: Sequence[Image], overlap: float) -> bytes:
    """Precision against recall of each label at an overlap, with the point of the validation part."""

    def make(figure: Figure) -> None:
        axes = figure.subplots()
        rows = zip(metrics.average_precision.items(), cycle(LOOKS), strict=False)
        for label, ((name, found), (colour, dash)) in enumerate(rows):
            matches = detection_scores.matched(images, label, np.array([overlap]))
            hits = np.cumsum(matches.hit[0])
            shares = hits / np.arange(1, len(hits) + 1)
            value = "undefined" if found.ap50.value is None else f"{found.ap50.value:.3f}"
            if matches.truth.sum():
                recall = hits / matches.truth.sum()
                axes.plot(recall, shares, color=colour, ls=dash, label=f"{name}: {value}")
            point = metrics.operating_points[name]
            if point.sensitivity.value is not None and point.precision.value is not None:
                axes.plot(point.sensitivity.value, point.precision.value, "s", color=colour)
        axes.set(
            title=f"Precision and recall at an overlap of {overlap:g}",
            xlabel="recall (square: at the score of the validation part)",
            ylabel="precision",
            xlim=(-0.01, 1.01),
            ylim=(-0.01, 1.01),
        )
        axes.grid(alpha=0.3)
        axes.legend(loc="lower left", title="average precision at .50")

    return drawn(make, (5.4, 4.2))


def froc(metrics: Metrics) -> bytes:
    """Sensitivity at each number of false positives an image, with intervals."""

    def make(figure: Figure) -> None:
        axes = figure.subplots()
        rows = zip(metrics.froc.items(), cycle(LOOKS), strict=False)
        for number, ((name, found), (colour, dash)) in enumerate(rows):
            points = [point for point in found.points if point.sensitivity.value is not None]
            x = np.array([point.false_positives for point in points]) * (1 + 0.02 * number)
            y = np.array([point.sensitivity.value for point in points], float)
            ends = np.array([_ends(point.sensitivity) for point in points], float).reshape(-1, 2)
            reach = np.maximum([y - ends[:, 0], ends[:, 1] - y], 0)
            mean = found.mean_sensitivity.value
            said = "undefined" if mean is None else f"{mean:.3f}"
            axes.errorbar(
                x, y, reach, color=colour, ls=dash, marker="o", ms=3, elinewidth=0.8, label=f"{name}: {said}"
            )
        overlap = next(iter(metrics.froc.values())).overlap
        axes.set(
            title=f"FROC, a hit at an overlap of {overlap:g}",
            xlabel="false positives an image",
            ylabel="sensitivity",
            xscale="log",
            ylim=(-0.01, 1.01),
        )
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right", title="mean sensitivity")

    return drawn(make, (5.4, 4.2))


def _ends(found) -> tuple[float, float]:
    """Of an interval; the value itself where there is none."""
    low = found.value if found.ci95_low is None else found.ci95_low
    high = found.value if found.ci95_high is None else found.ci95_high
    return low, high


def reliability(calibration: Mapping[str, BothCalibrations]) -> bytes:
    """Share of boxes that are hits against their score, before and after calibration, a row a label."""

    def make(figure: Figure) -> None:
        rows = figure.subplots(len(calibration), 2, squeeze=False, sharex=True, sharey=True)
        for axes_of_row, (name, both) in zip(rows, calibration.items(), strict=True):
            sides = (("before", both.before), ("after", both.after))
            for axes, (when, of) in zip(axes_of_row, sides, strict=True):
                axes.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls=":")
                x = [row.mean_probability for row in of.reliability]
                y = [row.share_hits for row in of.reliability]
                axes.plot(x, y, color=LOOKS[0][0], marker="o", ms=4, lw=1)
                error = "undefined" if of.expected_error.value is None else f"{of.expected_error.value:.3f}"
                axes.set(
                    title=f"{name}, {when}: error {error}",
                    xlabel="score",
                    ylabel="share of hits",
                    xlim=(-0.02, 1.02),
                    ylim=(-0.02, 1.02),
                )
                axes.grid(alpha=0.3)

    return drawn(make, (8, 3.2 * len(calibration)))


def envelope(found: Robustness) -> bytes:
    """Mean average precision at each severity of each corruption."""

    def make(figure: Figure) -> None:
        axes = figure.subplots()
        names = list(found.corruptions)
        values = [[row.map50.value for row in found.corruptions[name]] for name in names]
        table = np.array([[np.nan if value is None else value for value in row] for row in values], float)
        axes.imshow(table, vmin=0, vmax=1, cmap="cividis", aspect="auto")
        for row, name in enumerate(names):
            for column, severity in enumerate(found.corruptions[name]):
                value = table[row, column]
                mark = "" if severity.holds else " x"
                colour = "black" if value > 0.6 else "white"
                axes.text(column, row, f"{value:.3f}{mark}", ha="center", va="center", color=colour)
        axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
        axes.set_xticks(range(table.shape[1]), [str(number + 1) for number in range(table.shape[1])])
        clean = found.clean.map50.value or 0.0
        axes.set(
            title=f"Mean AP at .50 by severity; without: {clean:.3f}; x: below {found.criterion_ap50:g}",
            xlabel="severity",
        )

    return drawn(make, (7, 0.34 * len(found.corruptions) + 1.1))


@dataclass(frozen=True, eq=False)
class Explained:
    """A box and what sways its score.

    Attributes:
        inside: share of the sway in the box.
        values: (c, …), the prepared image. sway: (…).
        corners: (2 * axes,), in voxels of the input.
    """

    case_id: str
    label: str
    inside: float
    values: np.ndarray
    sway: np.ndarray
    corners: np.ndarray


def explanations(rows: Sequence[Explained], with_pictures: bool) -> bytes:
    """Boxes in their images, and what sways their scores, or the latter alone; of a volume the slice through
    the middle."""
    width = 2 if with_pictures else 1  # panels of a box

    def make(figure: Figure) -> None:
        grid = figure.subplots(-(-len(rows) * width // COLUMNS), COLUMNS, squeeze=False).ravel()
        for axes in grid:
            axes.set_axis_off()
        for number, row in enumerate(rows):
            sway = flat(row.sway, row.corners)
            limit = np.quantile(sway, 0.999) or 1.0
            panels = list(grid[number * width : (number + 1) * width])
            panels[0].set_title(
                f"{row.case_id}: {row.label}, {row.inside:.2f} inside", fontsize=6, loc="left"
            )
            panels[-1].imshow(np.clip(sway / limit, 0, 1) ** 0.5, cmap="inferno", vmin=0, vmax=1)
            _outline(panels[-1], row.corners, "white")
            if with_pictures:
                panels[0].imshow(flat(row.values.mean(0), row.corners), cmap="gray")
                _outline(panels[0], row.corners, LOOKS[1][0])

    return drawn(make, (8, 1.9 * -(-len(rows) * width // COLUMNS)))


def _outline(axes: Axes, corners: np.ndarray, colour: str) -> None:
    """A box along the last two axes of the array."""
    half = len(corners) // 2
    left, top, right, bottom = corners[half - 1], corners[half - 2], corners[-1], corners[-2]
    x = np.array([left, right, right, left, left]) - 0.5
    y = np.array([top, top, bottom, bottom, top]) - 0.5
    axes.plot(x, y, color=colour, lw=1)


def flat(values: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """(y, x): of a volume the slice through the middle of a box."""
    if values.ndim == 2:
        return values
    middle = int((corners[0] + corners[len(corners) // 2]) / 2)
    return values[min(max(middle, 0), len(values) - 1)]
