"""The figure of the stage robustness."""

import matplotlib
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from radiotrace.drawing import figures

COLUMNS = 4
ATTACKS = {
    "noise": ("random signs", "#666666", "o", ":"),
    "fgsm": ("FGSM", "#1b9e77", "s", "--"),
    "pgd": ("PGD", "#d95f02", "v", "-"),
    "segpgd": ("SegPGD", "#7570b3", "D", "-."),
}


def envelope(summary: dict) -> bytes:
    """Mean Dice over labels against severity, a panel a corruption, and against eps of each attack.

    Args:
        summary: the record 'robustness'.
    """
    with matplotlib.rc_context(figures.STYLE):
        attacked = summary["adversarial"] is not None
        panels = len(summary["corruptions"]) + attacked
        rows = -(-panels // COLUMNS)
        figure = Figure(figsize=(10, 2.2 * rows + 0.4), layout="constrained")
        grid = figure.subplots(rows, COLUMNS, sharey=True, squeeze=False)
        for axes, (name, row) in zip(grid.flat, summary["corruptions"].items(), strict=False):
            _corruption(axes, name, row, summary["clean"]["mean_of_labels"])
        if attacked:
            _attacks(grid.flat[panels - 1], summary["adversarial"])
        for axes in grid.flat[:panels]:
            axes.axhline(summary["criterion_dice"], color="black", lw=0.8, ls=(0, (4, 2)))
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(bottom=False, left=False, labelsize=8)
        for axes in grid.flat[panels:]:
            axes.set_visible(False)
        for axes in grid[:, 0]:
            axes.set(ylabel="Dice", ylim=(0, 1), yticks=(0, 0.5, 1))
        figure.legend(
            handles=[
                Line2D([], [], color=figures.PREDICTION, label=f"mean Dice, {_number(summary)}"),
                _band(summary["clean"]["mean_of_labels"]),
                Line2D(
                    [],
                    [],
                    color="black",
                    lw=0.8,
                    ls=(0, (4, 2)),
                    label=f"criterion, Dice {summary['criterion_dice']:g}",
                ),
            ],
            loc="outside lower center",
            ncols=3,
            frameon=False,
            title="Dice against the strengths of severities 1 to 5; left end: the image as it is",
        )
        return figures.svg(figure)


def _number(counts: dict) -> str:
    return f"{counts['n_cases']} test cases of {counts['n_subjects']} subjects"


def _band(clean: dict):
    """The entry of the legend for intervals, or for why there is none."""
    if clean["no_interval"] is not None:
        return Line2D([], [], ls="", label=f"no interval: {clean['no_interval']}")
    return Patch(color=figures.PREDICTION, alpha=0.25, label="95 % interval over subjects")


def _corruption(axes, name: str, row: dict, clean: dict) -> None:
    _curve(
        axes,
        range(len(row["severities"]) + 1),
        [clean, *(level["dice"]["mean_of_labels"] for level in row["severities"])],
        color=figures.PREDICTION,
        marker="o",
        ms=3,
    )
    axes.set(title=name.replace("_", " "), xlabel=row["unit"])
    axes.set_xticks(range(1, len(row["strengths"]) + 1), [f"{strength:g}" for strength in row["strengths"]])


def _attacks(axes, adversarial: dict) -> None:
    for name, levels in adversarial["attacks"].items():
        label, colour, marker, dashes = ATTACKS[name]
        _curve(
            axes,
            [0, *(level["eps_sd"] for level in levels)],
            [adversarial["clean"]["mean_of_labels"], *(level["dice"]["mean_of_labels"] for level in levels)],
            color=colour,
            marker=marker,
            ms=3,
            ls=dashes,
            label=label,
        )
    axes.set(
        title=f"attacks, {adversarial['n_cases']} of the cases",
        xlabel="eps, SD of the image",
        xticks=[level["eps_sd"] for level in levels],
    )
    axes.legend(loc="lower left", fontsize=7)


def _curve(axes, x, rows: list[dict], **line) -> None:
    """Means, and their intervals where both bounds are defined."""
    low, high = (
        [float("nan") if row[bound] is None else row[bound] for row in rows]
        for bound in ("ci95_low", "ci95_high")
    )
    axes.fill_between(list(x), low, high, color=line["color"], alpha=0.25, lw=0)
    axes.plot(list(x), [float("nan") if row["mean"] is None else row["mean"] for row in rows], **line)
