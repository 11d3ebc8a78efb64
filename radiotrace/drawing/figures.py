"""Figures: SVG files that are the same bytes every time, each readable without colour and offline."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import RcKeyType

# told apart by colour-blind readers; the prediction is dashed as well
PREDICTION, REFERENCE = "#d95f02", "#1b9e77"
STYLE: dict[RcKeyType, Any] = {
    "svg.hashsalt": "radiotrace",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 9,
}


def svg(figure: Figure) -> bytes:
    """The figure as SVG without a date."""
    with matplotlib.rc_context(STYLE):
        buffer = io.BytesIO()
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": None})
    return b"\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + b"\n"


def training_curve(losses: Sequence[float], dice_by_label: Mapping[str, Sequence[float | None]]) -> bytes:
    """Loss and, where it was measured, validation Dice of each label against the epoch.

    Args:
        losses: of each epoch, from the first one on.
        dice_by_label: the same of each label; None where it is undefined.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 3), layout="constrained")
        loss, dice = figure.subplots(1, 2)
        epochs = list(range(1, len(losses) + 1))
        loss.plot(epochs, losses, color="black", marker=".")
        loss.set(title="Training loss", xlabel="epoch", xlim=(0.5, len(epochs) + 0.5))
        for (name, marker), colour in zip(
            zip(dice_by_label, "osvD^p" * 9, strict=False), _colours(), strict=False
        ):
            dice.plot(
                epochs,
                [np.nan if value is None else value for value in dice_by_label[name]],
                marker=marker,
                ms=3,
                color=colour,
                label=name,
            )
        dice.set(title="Validation Dice (averaged weights)", xlabel="epoch", xlim=(0.5, len(epochs) + 0.5))
        if dice_by_label:
            dice.legend(loc="lower right")
        for axes in (loss, dice):
            axes.grid(alpha=0.3)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        return svg(figure)


def note(text: str) -> bytes:
    """A sentence in the place of a figure that cannot be drawn."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 1), layout="constrained")
        figure.text(0.5, 0.5, text, ha="center", va="center")
        return svg(figure)


def _colours():
    return ["#1b9e77", "#d95f02", "#7570b3", "#e7298a", "#66a61e", "#e6ab02"] * 9


def outlines(rows: list[dict], labels: dict[str, str]) -> bytes:
    """Cases in three planes each, with reference (solid) and prediction (dashed) outlined for each label.

    Args:
        rows: {"title", "image_zyx", "reference_zyx", "prediction_zyx", "spacing_zyx"}, on the canonical LPS
            grid.
        labels: value -> name.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 2.75 * len(rows) + 0.4), layout="constrained")
        grid = figure.subplots(len(rows), 3, squeeze=False)
        for axes_of_row, row in zip(grid, rows, strict=True):
            _outline_row(axes_of_row, row, labels)
        lines = [
            Line2D([], [], color=REFERENCE, lw=1.8, label="reference"),
            Line2D([], [], color=PREDICTION, lw=1.4, ls=(0, (2.5, 1.2)), label="prediction"),
        ]
        figure.legend(handles=lines, loc="outside lower center", ncols=2, frameon=False)
        return svg(figure)


def _outline_row(axes_of_row, row: dict, labels: dict[str, str]) -> None:
    spacing = row["spacing_zyx"]
    low, high = np.percentile(row["image_zyx"], (1, 99.5))
    foreground = (row["reference_zyx"] > 0) | (row["prediction_zyx"] > 0)
    # z grows towards the head: coronal and sagittal slices are drawn from below, so that the head is up.
    for axis, (axes, plane, head_up) in enumerate(
        zip(axes_of_row, ("axial", "coronal", "sagittal"), (False, True, True), strict=True)
    ):
        across = tuple(dimension for dimension in range(3) if dimension != axis)
        index = int(np.argmax(foreground.sum(across)))
        height, width = (spacing[dimension] for dimension in across)
        slices = {
            name: np.take(row[name], index, axis) for name in ("image_zyx", "reference_zyx", "prediction_zyx")
        }
        axes.imshow(
            slices["image_zyx"],
            cmap="gray",
            vmin=low,
            vmax=high,
            aspect=height / width,
            origin="lower" if head_up else "upper",
            interpolation="nearest",
        )
        for value in labels:
            for name, colour, width_pt, dashes in (
                ("reference_zyx", REFERENCE, 1.8, "-"),
                ("prediction_zyx", PREDICTION, 1.4, (0, (2.5, 1.2))),
            ):
                mask = slices[name] == int(value)
                # of a picture, planes across it are a line of voxels, which has no outline
                if value != "0" and mask.any() and min(mask.shape) > 1:
                    axes.contour(mask, [0.5], colors=colour, linewidths=width_pt, linestyles=[dashes])
        axes.set(xticks=[], yticks=[], xlabel=f"{plane}, slice {index}")
    title = axes_of_row[0].set_title(row["title"], loc="left")
    title.set_in_layout(False)  # it may run over the next columns
