"""Charts of an evaluation: SVG files that are the same bytes every time, each readable without colour and
offline.

Plain values in, bytes out. Where nothing is defined, a chart says so.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from radiotrace.drawing.figures import STYLE, svg
from radiotrace.statistics import agreement, calibration, uncertainty

# orange and blue are told apart by colour-blind readers; marked points are squares as well
MARKED, PLAIN, GREY = "#d95f02", "#1b6ca8", "0.55"
DOT, SQUARE = {"color": PLAIN, "marker": "o"}, {"color": MARKED, "marker": "s"}
NAMED = 5  # worst cases
DRAWN_POINTS = 300  # more than so many become pixels, to keep the file small


@dataclass(frozen=True)
class Layout:
    """The room that a chart has.

    Attributes:
        width: inches; letters: of small text on a line.
        is_narrow: panels stand below each other, and what stands beside a chart below it.
    """

    width: float
    letters: int
    is_narrow: bool


WIDE = Layout(8, 100, is_narrow=False)  # a page, on a screen or of paper
NARROW = Layout(4.2, 52, is_narrow=True)  # a telephone


@dataclass(frozen=True)
class Bar:
    """A bin of a reliability diagram.

    Attributes:
        confidence: mean probability; share_right: of the voxels. Both None where the bin is empty.
    """

    voxels: float
    confidence: float | None
    share_right: float | None


@dataclass(frozen=True)
class Spread:
    """A mean with its 95 % interval; None where undefined."""

    n_cases: int
    n_subjects: int
    mean: float | None
    ci95_low: float | None
    ci95_high: float | None


@dataclass(frozen=True)
class Group(Spread):
    """A group of an attribute, and its gap to the other cases; subgroups.compare says what each is.

    Attributes:
        also: other names of the same group.
    """

    attribute: str
    group: str
    insufficient_n: bool
    gap: float | None
    gap_simultaneous95_low: float | None
    gap_simultaneous95_high: float | None
    gap_no_interval: str | None
    also: tuple[str, ...]


def reliability(
    before: Sequence[Bar], after: Sequence[Bar], temperature: float | None = None, layout: Layout = WIDE
) -> bytes:
    """Reliability diagrams before and after temperature scaling, with the voxels of each bin below.

    Args:
        before, after: of `bins`, over the same range from 0 to 1 in bins of equal width.
        temperature: for the title.
    """
    with matplotlib.rc_context(STYLE):
        grid = _panels(layout)
        figure = grid[0, 0].figure
        most = max((row.voxels for row in (*before, *after)), default=0) or 10
        scaled = "after temperature scaling" + ("" if temperature is None else f", T = {temperature:.3g}")
        for (diagram, counts), rows, title in zip(
            grid.T, (before, after), ("before temperature scaling", scaled), strict=True
        ):
            total, filled = sum(row.voxels for row in rows), [row for row in rows if row.voxels]
            columns = [(row.voxels, row.confidence, row.share_right) for row in filled]
            voxels, confidence, share_right = np.array(columns, float).reshape(-1, 3).T
            diagram.plot((0, 1), (0, 1), color=GREY, ls="--", lw=1, label="calibrated")
            if filled:
                error = sum((voxels * np.abs(confidence - share_right)).tolist()) / total
                diagram.plot(
                    confidence,
                    share_right,
                    color=PLAIN,
                    marker="o",
                    ms=4,
                    label=f"expected calibration error {error:.4f}",
                )
            diagram.set(
                title=f"{title}\n" + (f"n = {total:,.0f} voxels" if total else "no voxel"),
                xlim=(0, 1),
                ylim=(0, 1),
            )
            diagram.legend(loc="upper left", fontsize=8)
            diagram.grid(alpha=0.3)
            for number, row in enumerate(rows):
                if row.voxels:
                    counts.bar((number + 0.5) / len(rows), row.voxels, 0.9 / len(rows), color=PLAIN)
            counts.set(xlabel="probability of the label that wins", ylim=(0.5, 2 * most))
            counts.set_yscale("log")
        grid[0, 0].set_ylabel("share of voxels that are right")
        grid[1, 0].set_ylabel("voxels")
        return svg(figure)


def _panels(layout: Layout) -> np.ndarray:
    """Axes of two reliability diagrams, each with its counts below, as columns of an array."""
    if not layout.is_narrow:
        figure = Figure(figsize=(layout.width, 5.4), layout="constrained")
        return figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=(3, 1))
    figure = Figure(figsize=(layout.width, 9.6), layout="constrained")
    return figure.subplots(4, 1, sharex=True, height_ratios=(3, 1, 3, 1)).reshape(2, 2).T


def bins(tally: calibration.Tally, row: int = 0) -> list[Bar]:
    """What `reliability` draws.

    Args:
        row: of the tally: 0 for the label that wins, 1 + k for label k.
    """
    return [
        Bar(
            voxels=float(voxels),
            confidence=float(confidence / voxels) if voxels else None,
            share_right=float(hits / voxels) if voxels else None,
        )
        for voxels, confidence, hits in zip(
            tally.voxels[row], tally.confidence[row], tally.hits[row], strict=True
        )
    ]


def bland_altman(volumes_mm3: dict[str, dict[str, tuple[float, float]]], layout: Layout = WIDE) -> bytes:
    """Difference of two volumes against their mean: bias, limits of agreement, the line that fits, and the
    names of the cases furthest off.

    Args:
        volumes_mm3: label -> case -> (reference, prediction).

    Source: Bland and Altman 1999, doi:10.1177/096228029900800204.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(layout.width, 3.6 * len(volumes_mm3)), layout="constrained")
        for axes, (label, of_case) in zip(
            figure.subplots(len(volumes_mm3), squeeze=False)[:, 0], volumes_mm3.items(), strict=True
        ):
            reference, prediction = np.array(list(of_case.values()), float).reshape(-1, 2).T
            limits = agreement.bland_altman(reference, prediction)
            mean, difference = (reference + prediction) / 2, prediction - reference
            worst = _first(np.abs(difference - (limits["bias"] or 0)))[:3]
            _points(axes, mean, difference, worst)
            _numbered(axes, mean, difference, worst)
            for key, name, dashes in (
                ("bias", "bias", "-"),
                ("limit_high", "bias + 1.96 SD", "--"),
                ("limit_low", "bias − 1.96 SD", "--"),
            ):
                value = limits[key]
                if value is not None:
                    digits = 0 if abs(value) >= 10 else 2
                    axes.axhline(value, color="black", lw=1, ls=dashes)
                    axes.text(1.01, value, _minus(f"{name}\n{value:+,.{digits}f} mm³"), **_beside(axes))
            _fitted(axes, reference, prediction)
            axes.axhline(0, color=GREY, lw=0.8, ls=":")
            axes.margins(y=0.15)
            if not of_case:
                axes.set(xlim=(0, 1), ylim=(-1, 1))
            axes.set(title=_titled(label, len(of_case)), ylabel="prediction − reference, mm³")
            _name(axes, "mean of reference and prediction, mm³", "furthest off", list(of_case), worst, layout)
        return svg(figure)


def _fitted(axes, reference: np.ndarray, prediction: np.ndarray) -> None:
    """The line whose slope is the proportional bias, where it is defined."""
    if not len(reference):
        return
    mean, difference = (reference + prediction) / 2, prediction - reference
    slope = float(agreement.slope(agreement.slope_sums(reference, prediction, mean.mean())))
    if np.isfinite(slope):
        ends = np.array([mean.min(), mean.max()])
        axes.plot(
            ends,
            difference.mean() + slope * (ends - mean.mean()),
            color=MARKED,
            lw=1.2,
            label=_minus(f"slope {slope:+.2f}"),
        )
        axes.legend(loc="upper right", fontsize=8, frameon=False)


def forest(rows: Sequence[Group], measure: str, overall: Spread, layout: Layout = WIDE) -> bytes:
    """Mean of a measure in each group of each attribute with its 95 % interval, beside that of all cases, and
    the gap to the other cases.

    Args:
        rows: those of one attribute beside each other.
        measure: name and unit, for the axis.
        overall: over all cases.
    """
    with matplotlib.rc_context(STYLE):
        places, ticks = _places(rows), {}
        height = 1.3 + (0.42 if layout.is_narrow else 0.27) * (max(places, default=0) + 1)
        figure = Figure(figsize=(layout.width, height), layout="constrained")
        axes = figure.subplots()
        if overall.mean is not None:
            axes.axvline(overall.mean, color="black", lw=1, ls="--")
        if overall.ci95_low is not None and overall.ci95_high is not None:
            axes.axvspan(overall.ci95_low, overall.ci95_high, color="0.9", zorder=0)
        for place, row in zip(places, rows, strict=True):
            if place - 1 not in places:
                ticks[place - 1] = f"{row.attribute}:", "black"
            colour = GREY if row.insufficient_n else "black"
            also = "".join(f"\n= {name}" for name in row.also)
            ticks[place] = f"{row.group}    {row.n_cases} / {row.n_subjects}{also}", colour
            axes.text(*_gap_at(place, layout), _gap_text(row, layout), color=colour, **_beside(axes))
            _interval(axes, place, row, colour)
        heading = "gap to the others (all at once)" if rows else "no groups"
        axes.text(*_gap_at(0, layout), heading, **_beside(axes))
        axes.set_yticks(list(ticks), [text for text, _ in ticks.values()])
        for tick, (_, colour) in zip(axes.get_yticklabels(), ticks.values(), strict=True):
            tick.set(color=colour, fontsize=8)
        axes.set_ylim(max(places, default=0) + 0.6, -0.6)
        label = f"{measure}, 95 % intervals, cases / subjects; dashed: all, {_mean_text(overall)}"
        axes.set_xlabel("\n".join(textwrap.wrap(label, layout.letters + 30)), fontsize=8)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", alpha=0.3)
        return svg(figure)


def _places(rows: Sequence[Group]) -> list[int]:
    """A line for each row, with one left free above each attribute."""
    places, last, attribute = [], -1, None
    for row in rows:
        last += 1 if row.attribute == attribute else 2
        attribute = row.attribute
        places.append(last)
    return places


def _interval(axes, place: int, row: Group, colour: str) -> None:
    if row.mean is None:
        _undefined(axes, place)
        return
    if row.ci95_low is not None:
        axes.plot((row.ci95_low, row.ci95_high), (place, place), color=colour, lw=1.5)
    marker, inside = ("o", "white") if row.insufficient_n else ("s", colour)
    axes.plot(row.mean, place, color=colour, marker=marker, ms=5, mfc=inside)


def _beside(axes) -> dict:
    return {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": 8}


def _gap_at(place: int, layout: Layout) -> tuple[float, float]:
    """Where the gap of a row stands: beside it, or below its interval."""
    return (0.02, place + 0.42) if layout.is_narrow else (1.02, place)


def _gap_text(row: Group, layout: Layout = WIDE) -> str:
    if row.insufficient_n:
        return "too few subjects"
    low, high = row.gap_simultaneous95_low, row.gap_simultaneous95_high
    if low is not None:
        interval = f"{low:+.3f} to {high:+.3f}"
    else:
        interval = "no interval" if layout.is_narrow else f"no interval: {row.gap_no_interval}"
    return _minus(f"{row.gap:+.3f} ({interval})")


def _mean_text(summary: Spread) -> str:
    """Mean, interval and numbers."""
    if summary.mean is None:
        return "undefined"
    interval = "no interval"
    if summary.ci95_low is not None:
        interval = f"{summary.ci95_low:.3f} to {summary.ci95_high:.3f}"
    return f"{summary.mean:.3f} ({interval}), n = {summary.n_cases} / {summary.n_subjects}"


@dataclass(frozen=True)
class Sized:
    """Another form of a network.

    Attributes:
        size_bytes: of its files.
        difference: of its Dice from that of the network; low, high: its 95 % interval. None where undefined.
    """

    name: str
    size_bytes: int
    difference: float | None
    low: float | None
    high: float | None
    is_released: bool


@dataclass(frozen=True)
class Timed:
    """A form of a network that was timed.

    Attributes:
        case_ms: of a case.
        difference: of its Dice from that of the reference; low, high: its 95 % interval. None where
            undefined.
        is_reference: whether it is the network that the others are held against.
    """

    name: str
    case_ms: float
    difference: float | None
    low: float | None
    high: float | None
    is_released: bool
    is_reference: bool = False


def variants_by_time(rows: Sequence[Timed], margin: float, layout: Layout = WIDE) -> bytes:
    """By how much the Dice of each form of a network differs, against the time of a case.

    Points are numbered from the fastest on, and named below. Bars are intervals; the diamond is the
    reference.

    Args:
        margin: by how much it may be worse.
    """
    drawn = sorted(
        (row for row in rows if row.difference is not None), key=lambda row: (row.case_ms, row.name)
    )
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(layout.width, 3.6 if not layout.is_narrow else 4.6), layout="constrained")
        axes = figure.subplots()
        axes.axhline(0, color="black", lw=1)
        axes.axhline(-margin, color=MARKED, lw=1, ls="--")
        for number, row in enumerate(drawn, 1):
            look = DOT if row.is_released else SQUARE
            if row.is_reference:
                look = {"color": "black", "marker": "D"}
            if row.low is not None and row.high is not None:
                axes.plot([row.case_ms] * 2, [row.low, row.high], color=look["color"], lw=1.5)
            _dots(axes, np.array([row.case_ms]), np.array([row.difference]), look)
            axes.annotate(
                str(number),
                (row.case_ms, row.difference or 0),
                (4, 3),
                textcoords="offset points",
                fontsize=8,
            )
        if not drawn:
            axes.text(0.5, 0.5, "no form was timed", transform=axes.transAxes, ha="center", color=GREY)
        axes.set_xlim(0, None)
        names = "; ".join(f"{number} {row.name}" for number, row in enumerate(drawn, 1))
        label = (
            "time of a case, ms. Dashed: how much worse a form may be; circles: released; squares: not; "
            "diamond: the reference"
        )
        lines = [*textwrap.wrap(label, layout.letters), *textwrap.wrap(names, layout.letters)]
        axes.set_xlabel("\n".join(lines), loc="left", fontsize=8)
        axes.set_ylabel("Dice minus that of the\nreleased network", fontsize=8)
        axes.grid(alpha=0.3)
        return svg(figure)


def variants(rows: Sequence[Sized], margin: float, layout: Layout = WIDE) -> bytes:
    """By how much the Dice of each form of a network differs, against its size.

    Args:
        margin: by how much it may be worse.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(
            figsize=(layout.width, 1 + (0.45 if layout.is_narrow else 0.32) * max(len(rows), 1)),
            layout="constrained",
        )
        axes = figure.subplots()
        axes.axvline(0, color="black", lw=1)
        axes.axvline(-margin, color=MARKED, lw=1, ls="--")
        for place, row in enumerate(rows):
            look = DOT if row.is_released else SQUARE
            if row.difference is None:
                _undefined(axes, place)
                continue
            if row.low is not None and row.high is not None:
                axes.plot([row.low, row.high], [place, place], color=look["color"], lw=1.5)
            _dots(axes, np.array([row.difference]), np.array([place]), look)
        letters = 24 if layout.is_narrow else layout.letters
        named = [f"{row.name}, {row.size_bytes / 1e6:.2f} MB" for row in rows]
        names = ["\n".join(textwrap.wrap(name, letters)) for name in named]
        axes.set_yticks(range(len(rows)), names, fontsize=8)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        label = (
            "Dice, mean of labels, minus that of the released network, 95 % intervals; dashed: how much "
            "worse it may be; squares: not released"
        )
        figure.supxlabel("\n".join(textwrap.wrap(label, layout.letters)), fontsize=8)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", alpha=0.3)
        return svg(figure)


def risk_coverage(
    curve: np.ndarray,
    best: np.ndarray,
    random: float | None,
    kept: float | None,
    layout: Layout = WIDE,
) -> bytes:
    """Mean risk of the cases that are kept against their share, when the most uncertain are set aside; its
    mean is the AURC.

    Args:
        curve, best: (n,), of uncertainty.risk_coverage with risk 1 - Dice: of the scores, and of scores that
            know the Dice.
        random: mean risk of all cases, what scores that know nothing would keep.
        kept: share of the cases that the threshold keeps; None: there is no threshold.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(layout.width, 3.6), layout="constrained")
        axes = figure.subplots()
        share = np.arange(1, len(curve) + 1) / max(len(curve), 1)
        if random is not None:
            axes.axhline(random, color=GREY, ls=":", label=f"scores that know nothing: AURC {random:.3f}")
        plain: dict[str, Any] = {"color": PLAIN, "marker": "." if len(curve) < 60 else ""}
        dashed: dict[str, Any] = {"color": "black", "ls": "--", "lw": 1}
        for values, name, look in (
            (curve, "uncertainty", plain),
            (best, "scores that know the Dice", dashed),
        ):
            axes.plot(
                share, values, label=f"{name}: AURC {np.mean(values):.3f}" if len(values) else name, **look
            )
        if kept is not None:
            axes.axvline(kept, color=MARKED, ls="-.", label=f"the threshold keeps {100 * kept:.0f} %")
        axes.set(
            xlim=(0, 1.02),
            ylim=(0, None),
            title=_titled("risk against coverage", len(curve)),
            xlabel="share of cases kept, the surest first",
            ylabel="mean of 1 − Dice of the cases kept",
        )
        _legend(axes, layout)
        axes.grid(alpha=0.3)
        return svg(figure)


def uncertainty_scatter(
    scores: np.ndarray,
    dice: np.ndarray,
    limit: float | None,
    poor_below: float,
    names: list[str],
    layout: Layout = WIDE,
) -> bytes:
    """Dice against the uncertainty of a case, with the cases that go to an expert marked, and the worst
    named.

    Args:
        scores, dice: (n,).
        limit: score above which a case is flagged; None: there is none.
        poor_below: Dice below which a case is poor.
        names: (n,), of the cases.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(layout.width, 4.2), layout="constrained")
        axes = figure.subplots()
        scores, dice = np.asarray(scores, float), np.asarray(dice, float)
        flagged, worst = scores > (np.inf if limit is None else limit), _first(-dice)
        for chosen, look, name in ((~flagged, DOT, "not flagged"), (flagged, SQUARE, "flagged")):
            label, is_rasterized = f"{name}, n = {chosen.sum()}", len(scores) > DRAWN_POINTS
            _dots(axes, scores[chosen], dice[chosen], look | {"label": label, "rasterized": is_rasterized})
        _numbered(axes, scores, dice, worst)
        counts = uncertainty.flagging(scores, dice, np.inf if limit is None else limit, poor_below)
        axes.axhline(
            poor_below,
            color="black",
            lw=1,
            ls="--",
            label=f"poor below {poor_below:g}: {counts['poor']}, {counts['caught']} flagged",
        )
        if limit is not None:
            axes.axvline(limit, color=MARKED, lw=1, ls="-.", label=f"threshold {limit:.3g}")
        axes.set(title=_titled("uncertainty and error", len(scores)), ylabel="mean Dice of the labels")
        _name(axes, "uncertainty of the case", "worst", names, worst, layout)
        _legend(axes, layout)
        axes.grid(alpha=0.3)
        return svg(figure)


def distribution(
    values: dict[str, dict[str, float | None]],
    measure: str,
    lower_is_worse: bool,
    layout: Layout = WIDE,
) -> bytes:
    """All cases of each label as points over a box from quartile to quartile, with the worst named.

    Args:
        values: label -> case -> value; None where undefined.
        measure: name and unit, for the axis.
        lower_is_worse: as of Dice; else higher ones are, as of distances.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(
            figsize=(layout.width, 0.9 + (1.1 if layout.is_narrow else 0.75) * len(values)),
            layout="constrained",
        )
        axes = figure.subplots()
        for place, of_case in enumerate(values.values()):
            _strip(axes, place, of_case, lower_is_worse, layout)
        axes.set_yticks(range(len(values)), [_counts_of(label, of_case) for label, of_case in values.items()])
        axes.set(xlabel=measure, ylim=(len(values) - 0.4, -0.45))
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", alpha=0.3)
        return svg(figure)


def _strip(axes, place: int, of_case: dict[str, float | None], lower_is_worse: bool, layout: Layout) -> None:
    """The points of one label, its box, and the names of its worst cases below."""
    defined = {name: value for name, value in of_case.items() if value is not None}
    if not defined:
        _undefined(axes, place)
        return
    values = np.array(list(defined.values()), float)
    worst = _first(-values if lower_is_worse else values)
    axes.boxplot(
        values,
        positions=[place],
        orientation="horizontal",
        widths=0.5,
        showfliers=False,
        manage_ticks=False,
        medianprops={"color": "black"},
        boxprops={"color": GREY},
        whiskerprops={"color": GREY},
        capprops={"color": GREY},
    )
    # spread evenly, and the same every time
    _points(axes, values, place + 0.4 * ((np.arange(len(values)) * 0.618) % 1 - 0.5), worst)
    text = f"worst: {', '.join(list(defined)[index] for index in worst)}"
    lines = textwrap.wrap(text, layout.letters, max_lines=2, placeholder=" …")
    axes.text(
        0.005, place + 0.3, "\n".join(lines), transform=axes.get_yaxis_transform(), fontsize=7, va="top"
    )


def _counts_of(label: str, of_case: dict[str, float | None]) -> str:
    undefined = sum(value is None for value in of_case.values())
    return f"{label}\nn = {len(of_case) - undefined}" + (f"\n{undefined} undefined" if undefined else "")


def _points(axes, x: np.ndarray, y: np.ndarray, marked: list[int]) -> None:
    """Points, those that are marked as squares of another colour."""
    unmarked = np.setdiff1d(np.arange(len(x)), marked)
    _dots(axes, x[unmarked], y[unmarked], DOT | {"rasterized": len(x) > DRAWN_POINTS})
    _dots(axes, x[marked], y[marked], SQUARE | {"rasterized": False})


def _dots(axes, x: np.ndarray, y: np.ndarray, look: dict) -> None:
    axes.plot(x, y, ls="", ms=3.5, mew=0, **look)


def _numbered(axes, x: np.ndarray, y: np.ndarray, marked: list[int]) -> None:
    for number, index in enumerate(marked, 1):
        axes.annotate(str(number), (x[index], y[index]), (4, 3), textcoords="offset points", fontsize=7)


def _first(badness: np.ndarray) -> list[int]:
    """Indices of the NAMED worst, the worst first."""
    return np.argsort(-badness, kind="stable")[:NAMED].tolist()


def _name(axes, label: str, heading: str, names: list[str], worst: list[int], layout: Layout = WIDE) -> None:
    """The label of the x axis, and below it the names of the numbered points."""
    names_text = f"{heading}: " + ", ".join(
        f"{number} {names[index]}" for number, index in enumerate(worst, 1)
    )
    axes.set_xlabel(
        "\n".join([label, *(textwrap.wrap(names_text, layout.letters) if worst else [])]),
        loc="left",
        fontsize=8,
    )


def _minus(text: str) -> str:
    """The sign of the axes' own numbers."""
    return text.replace("-", "−")


def _undefined(axes, place: int) -> None:
    axes.text(
        0.5,
        place,
        "undefined in every case",
        transform=axes.get_yaxis_transform(),
        ha="center",
        va="center",
        fontsize=8,
        color=GREY,
        bbox={"facecolor": "white", "linewidth": 0, "pad": 1},
    )


def _titled(title: str, n: int) -> str:
    return f"{title}, n = {n} {'case' if n == 1 else 'cases'}" if n else f"{title}: no case"


def _legend(axes, layout: Layout = WIDE) -> None:
    if layout.is_narrow:
        axes.figure.legend(loc="outside lower left", fontsize=8, frameon=False)
        return
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=8, frameon=False, borderaxespad=0)
