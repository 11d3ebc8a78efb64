"""The report: what a person reads of an evaluation, from its records. Plain values in, text out."""

from collections.abc import Mapping, Sequence

from radiotrace.records.estimates import Estimate, Mean
from radiotrace.records.measure_table import Described
from radiotrace.records.metric_parts import FlagRule, Summary
from radiotrace.records.metrics import (
    Calibration,
    Decisions,
    Flagging,
    Metrics,
    Subgroup,
    Uncertainty,
    UncertaintyKind,
)
from radiotrace.records.robustness import Robustness
from radiotrace.records.timing import RELEASED, Timing, files_sha256
from radiotrace.records.variants import Variant, Variants
from radiotrace.segmentation import ranking
from radiotrace.statistics import agreement

MACRO = "mean_of_labels"
RARE = 0.05  # a chance below this is no explanation

VARIANTS = {
    "onnx_fp16": "ONNX, weights in half the room",
    "onnx_int8": "ONNX, 8 bits",
    "openvino": "the released file, run by OpenVINO",
    "openvino_fp16": "OpenVINO, weights in half the room",
    "openvino_int8": "OpenVINO, 8 bits",
    "pruned": "fewer channels, trained further",
    "sparse": "some of its weights 0",
    "distilled": "a narrower network, taught by the released one",
    "narrow": "the same narrower network, without a teacher",
}
ATTACKS = {"noise": "random signs", "fgsm": "FGSM", "pgd": "PGD", "segpgd": "SegPGD"}
KINDS = {
    "dropout": "Monte-Carlo dropout",
    "augmentation": "test-time augmentation",
    "ensemble": "deep ensemble",
    "prediction": "one prediction",
}


def number(value: float | None, digits: int = 3) -> str:
    """A number for people, with a true minus; "undefined" for None."""
    return "undefined" if value is None else f"{value:.{digits}f}".replace("-", "−")


def interval(row: Mean | Estimate, digits: int = 3, key: str = "mean") -> str:
    """A mean, or another number of a row, with its 95 % interval, or with the reason why it has none."""
    value = number(getattr(row, key), digits)
    if row.ci95_low is None:
        return f"{value} (no interval{f': {row.no_interval}' if row.no_interval else ''})"
    return f"{value} ({number(row.ci95_low, digits)} to {number(row.ci95_high, digits)})"


def percent(share: float | None, digits: int = 0) -> str:
    """A share for people."""
    return "undefined" if share is None else f"{number(100 * share, digits)} %"


def measures(metrics: Metrics) -> list[dict]:
    """Rows of the table of all measures: key in the record, name, and for each label and their mean the cells
    of one summary."""
    return [
        {
            "key": name,
            "name": measure.heading,
            "cells": _cells(metrics.of_measure[name], measure.digits),
        }
        for name, measure in metrics.table().items()
    ]


def _cells(summaries: Mapping[str, Summary], digits: int) -> list[dict]:
    """Of each label, and of their mean behind them."""
    return [
        {
            "label": label,
            "mean": interval(row, digits),
            "median": number(row.median, digits),
            "sd": number(row.sd, digits),
            "range": f"{number(row.min, digits)} to {number(row.max, digits)}",
            "n": row.n_cases,
            "n_undefined": row.n_undefined,
        }
        for label, row in sorted(summaries.items(), key=lambda item: item[0] == MACRO)
    ]


def columns(metrics: Metrics) -> list[Described]:
    """The measures that the table of cases shows."""
    return [measure for measure in metrics.table().values() if measure.headline]


def cases(
    rows: list[dict], columns: list[Described], flag_by: str, thumbnails: dict[str, bytes]
) -> list[dict]:
    """Rows of the table of cases, lowest mean Dice first.

    Args:
        rows: entries of the record 'cases'.
        columns: measures that are shown.
        flag_by: kind of uncertainty that is shown.
        thumbnails: case -> PNG.
    """
    return [
        {
            "case_id": case["case_id"],
            "subject_id": case["subject_id"],
            "thumbnail": thumbnails[case["case_id"]],
            "dice": number(ranking.macro(case, "dice")),
            "uncertainty": number(case["uncertainty"][flag_by]["score"]),
            "flagged": {True: "yes", False: "", None: "no limit"}[case["flagged"][flag_by]],
            "cells": [_cell(case["labels"], measure) for measure in columns],
        }
        for case in ranking.ranked(rows)
    ]


def _cell(labels: dict[str, dict], measure: Described) -> list[dict]:
    """A measure of each label of a case."""
    return [
        {"name": name, "value": number(row[measure.name], measure.digits)} for name, row in labels.items()
    ]


def times(record: Variants, ledger: Sequence[Timing]) -> dict[str, Timing]:
    """The last time of each form that was measured of these very files, with as many threads as the form was
    compared with; "released" is the released file.

    Args:
        ledger: its lines, of any runs.
    """
    files = {RELEASED: files_sha256([record.reference])}
    files |= {name: files_sha256(variant.files) for name, variant in record.variants.items()}
    return {
        line.form: line
        for line in ledger
        if line.run_id == record.run_id
        and line.threads == record.params.threads
        and files.get(line.form) == line.files_sha256
    }


def best(record: Variants, timed: Mapping[str, Timing]) -> str:
    """Which form a reader should take, in a sentence: of those that are released, or are as good and need no
    file of their own, the fastest of those that were timed; else the smallest.

    Args:
        timed: as `times` gives it.
    """
    usable = {
        name: variant
        for name, variant in record.variants.items()
        if variant.released or (variant.non_inferior and not variant.is_own_file)
    }
    if not usable:
        return "No other form is as good."
    fast = {name: timed[name].median_ms for name in usable if name in timed}
    if RELEASED in timed and fast:
        fastest = min(fast, key=lambda name: (fast[name], name))
        variant = usable[fastest]
        return (
            f"The fastest form that is as good is {fastest} ({VARIANTS[fastest]}): {fast[fastest]:.0f} ms a "
            f"case in place of {timed[RELEASED].median_ms:.0f}, {_size_and_dice(variant, record)}."
        )
    smallest = min(usable, key=lambda name: (usable[name].bytes, name))
    return (
        f"The smallest form that is as good is {smallest} ({VARIANTS[smallest]}): "
        f"{_size_and_dice(usable[smallest], record)}."
    )


def _size_and_dice(variant: Variant, record: Variants) -> str:
    row = variant.dice[MACRO]
    return (
        f"{number(variant.bytes / 1e6, 2)} MB in place of {number(record.reference.bytes / 1e6, 2)}, Dice "
        f"{_difference(row.difference, row.difference_ci95_low, row.difference_ci95_high)}"
    )


def teacher(record: Variants) -> str:
    """What the teacher is worth to the narrower network, in a sentence; "" where nobody was taught."""
    if record.teacher is None:
        return ""
    row = record.teacher[MACRO]
    return (
        "The narrower network that the released one taught, minus the same one that learnt from labels "
        f"alone: Dice {_difference(row.difference, row.difference_ci95_low, row.difference_ci95_high)}."
    )


def variants(record: Variants, timed: Mapping[str, Timing]) -> list[dict]:
    """Rows of the table of smaller variants, in the words of a reader, smallest file first.

    Args:
        timed: as `times` gives it.
    """
    rows = []
    for name, variant in sorted(record.variants.items(), key=lambda item: (item[1].bytes, item[0])):
        row, worst = variant.dice[MACRO], variant.worst
        rows.append(
            {
                "key": name,
                "name": VARIANTS[name],
                "runtime": variant.runtime,
                "megabytes": number(variant.bytes / 1e6, 2),
                "share": percent(variant.bytes / record.reference.bytes),
                "deflated": number(variant.deflated_bytes / 1e6, 2),
                "time": number(timed[name].median_ms, 0) if name in timed else "not timed",
                "memory": number(timed[name].peak_mb, 0) if name in timed else "",
                "difference": _difference(row.difference, row.difference_ci95_low, row.difference_ci95_high),
                "worst": "none" if worst is None else f"{worst.case_id}, {signed(worst.dice_difference, 4)}",
                "otherwise": f"{variant.voxels_different:,} of {record.voxels_compared:,}",
                "flags": "no threshold" if variant.flags_changed is None else str(variant.flags_changed),
                "verdict": _judgement(variant),
                "is_released": variant.released,
            }
        )
    return rows


def signed(value: float | None, digits: int) -> str:
    """A difference for people, with its sign; none where it rounds to 0."""
    if value is None:
        return number(value)
    rounded = round(value, digits)
    return f"{'+' if rounded > 0 else ''}{number(rounded + 0.0, digits)}"


def _difference(value: float | None, low: float | None, high: float | None) -> str:
    interval = "no interval" if low is None else f"{signed(low, 5)} to {signed(high, 5)}"
    return f"{signed(value, 5)} ({interval})"


def _judgement(variant: Variant) -> str:
    """Whether a variant is released, or why not."""
    if variant.released:
        return "released"
    if variant.non_inferior:
        return "as good, not smaller"
    return f"not shown to be as good{f': {variant.no_verdict}' if variant.no_verdict else ''}"


def findings(metrics: Metrics, acceptance: dict, robustness: Robustness, n_models: int) -> list[str]:
    """What a reader should know first, a sentence or two on each subject.

    Args:
        metrics, acceptance, robustness: the records.
        n_models: that were shown this test part so far.
    """
    return [
        *_requirements(acceptance),
        *_accuracy(metrics),
        *_volumes(metrics),
        *_calibration(metrics),
        *_uncertainty(metrics),
        *_subgroups(metrics),
        *_robustness(robustness),
        _openings(n_models),
    ]


def _requirements(acceptance: dict) -> list[str]:
    results = acceptance["results"]
    late = [result["requirement"] for result in results if result["verdict"] == "post-hoc"]
    missed = [result for result in results if result["verdict"] not in ("met", "post-hoc")]
    if not missed and not late:
        return [f"All {len(results)} performance requirements are met, each by the bound of its interval."]
    met = len(results) - len(missed) - len(late)
    text = f"Of {len(results)} performance requirements, {met} are met, and the release is blocked"
    if missed:
        text += f": {len(missed)} are missed or undecided, " + "; ".join(
            f"{result['requirement']} ({result['reason']})" for result in missed
        )
    if late:
        text += (
            f"; {len(late)} are met only after the fact (post-hoc: set, or cases chosen, after the test part "
            f"was opened), {', '.join(late)}"
        )
    return [f"{text}."]


def _accuracy(metrics: Metrics) -> list[str]:
    worst = metrics.worst_cases[0]
    of_measure = metrics.of_measure
    labels = ", ".join(f"{name} {interval(row)}" for name, row in of_measure["dice"].items() if name != MACRO)
    return [
        f"Mean Dice over labels is {interval(of_measure['dice'][MACRO])}, over {metrics.n_cases} cases "
        f"of {metrics.n_subjects} subjects: "
        f"{labels}. The worst case is {worst.case_id} with {number(worst.dice)}.",
        f"Surface Dice within {metrics.surface_tolerance_mm:g} mm is "
        f"{interval(of_measure['surface_dice'][MACRO])}, "
        f"HD95 {interval(of_measure['hausdorff95_mm'][MACRO], 2)} mm.",
    ]


def _volumes(metrics: Metrics) -> list[str]:
    """A sentence on each label: a bias of one makes up for that of another in their mean."""
    return [
        f"Volume of {name} against the reference's: error "
        f"{interval(metrics.of_measure['volume_error_percent'][name], 1)} %, absolute error "
        f"{interval(metrics.of_measure['volume_error_absolute_percent'][name], 1)} %, on average; "
        f"{_proportional(row.slope)}."
        for name, row in metrics.volume_agreement.items()
    ]


def _proportional(slope: Estimate) -> str:
    """What a slope of the error against the size means for who compares groups."""
    text = f"slope of the error against the size {interval(slope, 2, 'value')}"
    if slope.value is None or slope.ci95_low is None or slope.ci95_high is None:
        return text
    if slope.ci95_low <= 0 <= slope.ci95_high:
        return text
    small, large = ("large", "small") if slope.value < 0 else ("small", "large")
    shown = (
        f"; of a difference between groups it shows about {percent(agreement.kept(slope.value))}"
        if abs(slope.value) < 2
        else ""
    )
    return f"{text}: small ones come out too {small} and large ones too {large}{shown}"


def _calibration(metrics: Metrics) -> list[str]:
    before, after, temperature = (
        metrics.calibration.before,
        metrics.calibration.after,
        metrics.decisions.temperature,
    )
    if after is None or temperature is None:
        return [
            f"Expected calibration error: {_errors(before)}; there was no validation part to fit a "
            f"temperature on."
        ]
    judgement = "too sure" if temperature > 1 else "not sure enough"
    return [
        f"Expected calibration error: {_errors(before)}: the network is {judgement}. With the "
        f"temperature {number(temperature, 2)}, fitted on "
        f"the validation part: {_errors(after)}. The first is small because most voxels around an organ "
        f"are surely background."
    ]


def _errors(row: Calibration) -> str:
    """The three calibration errors, each by name."""
    return ", ".join(
        f"{interval(getattr(row, key), 3, 'value')} {name}"
        for key, name in (
            ("expected_error", "pooled over voxels"),
            ("expected_error_of_case", "in a case"),
            ("expected_error_inside", "inside the organ"),
        )
    )


def _uncertainty(metrics: Metrics) -> list[str]:
    return [
        f"The uncertainty by {KINDS[kind]} {worth(row)}; {aim(metrics.decisions, kind, row, brief=True)}."
        for kind, row in metrics.uncertainty.items()
        if row.auroc.value is not None
    ]


def worth(row: Uncertainty) -> str:
    """Whether an uncertainty finds poor cases; the bound of an interval decides.

    Args:
        row: of one kind, in the record 'metrics'.
    """
    low = row.auroc.ci95_low
    tells = (
        "tells poor cases from others"
        if low is not None and low > 0.5
        else "has not been shown to tell poor cases from others"
    )
    auroc, spearman = (interval(getattr(row, name), 2, "value") for name in ("auroc", "spearman"))
    return f"{tells}: AUROC {auroc}, rank correlation with Dice {spearman}"


def aim(decisions: Decisions, kind: UncertaintyKind, row: Uncertainty, brief: bool = False) -> str:
    """What the threshold was meant to flag, what it flags, and why not what was meant.

    Args:
        decisions, row: of the record 'metrics'; row of one kind of uncertainty.
        brief: without the reason.
    """
    rule, flagging, meant = decisions.flag_rule[kind], row.flagging, percent(decisions.flag_share)
    if flagging is None:
        return (
            f"no threshold: {rule.n_subjects} validation subjects, {rule.needed} needed "
            f"to flag {meant} of subjects at most"
        )
    share = flagging.flagged_subjects / flagging.n_subjects
    text = (
        f"meant to flag at most {meant} of subjects, its threshold flags {flagging.flagged_subjects} "
        f"of {flagging.n_subjects} "
        f"({percent(share)}), {flagging.flagged} cases, and catches {flagging.caught} of the "
        f"{flagging.poor} with a Dice below "
        f"{row.poor_below_dice:g}"
    )
    if share <= decisions.flag_share:
        return text
    return f"{text}: the aim failed" if brief else f"{text}. The aim failed: {_why(rule, flagging)}"


def _why(rule: FlagRule, flagging: Flagging) -> str:
    """Why a threshold flags more than it was meant to, as far as the numbers say."""
    spread = (
        f"{rule.n_subjects} validation subjects fix the share no closer than "
        f"{percent(rule.share_ci95_low, 1)} to "
        f"{percent(rule.share_ci95_high, 1)} (95 % of such parts)"
    )
    if flagging.surprise is not None and flagging.surprise >= RARE:
        return f"{spread}, and so many flags are within chance (p = {number(flagging.surprise, 2)})"
    return (
        f"{spread}, and even so many more are flagged than chance allows (p = "
        f"{number(flagging.surprise, 4)}): scores of the test part are "
        "higher or spread wider than those of the validation part, which therefore cannot set this "
        "threshold"
    )


def shares(row: Uncertainty) -> str:
    """The shares of cases that a threshold flags and of poor ones that it catches, with their intervals;
    "" without a threshold."""
    if row.flagging is None:
        return ""
    flagged, caught = (
        interval(getattr(row.flagging, key), 2, "value") for key in ("flagged_share", "caught_share")
    )
    return f"Of all cases a share of {flagged} is flagged, of poor ones {caught}"


def disagreement(row: Uncertainty) -> str:
    """How much of an uncertainty is that several predictions differ; "" of one prediction."""
    if row.mutual_information_nats is None:
        return ""
    return f"{number(row.mutual_information_nats.value, 4)} of {number(row.entropy_nats.value, 3)}"


def hardly(row: Uncertainty) -> bool:
    """Whether the predictions hardly differ: a twentieth of the uncertainty or less is that they do."""
    differing, whole = row.mutual_information_nats, row.entropy_nats.value
    if differing is None or differing.value is None or whole is None:
        return False
    return differing.value <= 0.05 * whole


def _subgroups(metrics: Metrics) -> list[str]:
    rows = [
        (attribute, group, row)
        for attribute, groups in metrics.subgroups.items()
        for group, row in groups.items()
    ]
    tested = [entry for entry in rows if entry[2].gap is not None]
    small = sum(row.insufficient_n for _, _, row in rows)
    # one that coincides with another
    named = set(metrics.subgroups) | {name.split(": ")[0] for _, _, row in rows for name in row.also}
    given = sorted(attribute for attribute in named if not attribute.startswith("derived_"))
    known = (
        f"Attributes of the data set: {', '.join(given)}."
        if given
        else (
            "The data set says nothing of sex, age, site or scanner; groups are derived from images and "
            "references alone."
        )
    )
    if not tested:
        return [f"{known} No subgroup is large enough to be compared."]
    significant = [
        entry for entry in tested if entry[2].p_adjusted is not None and entry[2].p_adjusted < 0.05
    ]
    verdict = (
        f"{len(significant)} of {len(tested)} gaps stand after correction for so many comparisons"
        if significant
        else f"none of {len(tested)} gaps stands after correction for so many comparisons"
    )
    return [
        f"{known}{_furthest(tested)} {verdict[0].upper()}{verdict[1:]}, and {small} of {len(rows)} "
        f"groups are too small."
    ]


def _furthest(tested: list[tuple[str, str, Subgroup]]) -> str:
    """The group furthest below the rest, by the upper end of its interval, which holds together with those
    of all others; "" without one."""
    with_interval = [
        (row.gap, attribute, group, row)
        for attribute, group, row in tested
        if row.gap is not None and row.gap_simultaneous95_high is not None
    ]
    if not with_interval:
        return " No gap has enough subjects on both sides for an interval."
    gap, attribute, group, row = min(with_interval, key=lambda compared: compared[0])
    if gap >= 0:
        return ""
    also = f" (also {', '.join(map(readable, row.also))})" if row.also else ""
    return (
        f" Furthest below the rest is {group} of {readable(attribute)}{also}, by {number(-gap)} "
        f"of Dice; its interval, which holds "
        f"together with those of all gaps, goes from {number(row.gap_simultaneous95_low)} to "
        f"{number(row.gap_simultaneous95_high)}."
    )


def readable(name: str) -> str:
    """The name of an attribute for people."""
    return name.removeprefix("derived_").replace("_", " ")


def _robustness(robustness: Robustness) -> list[str]:
    breaks = {name: rows.breaks_at[MACRO] for name, rows in robustness.corruptions.items()}
    broken = sorted((severity, name) for name, severity in breaks.items() if severity is not None)
    kept = sorted(readable(name) for name, severity in breaks.items() if severity is None)
    text = "; ".join(f"{readable(name)} {_from(severity)}" for severity, name in broken) or "none does"
    lines = [
        f"Corruption of {robustness.n_cases} test cases at five severities takes mean Dice below "
        f"{robustness.criterion_dice:g}: {text}." + (f" It holds under {', '.join(kept)}." if kept else "")
    ]
    attacked = robustness.adversarial
    if attacked is None:
        return [*lines, f"No image was attacked. {robustness.no_attack_because}"]
    strongest = {name: getattr(attacked.attacks, name)[-1] for name in ATTACKS}
    eps = strongest["noise"].eps_sd
    drops = ", ".join(
        f"{title} {number(strongest[name].dice[MACRO].mean)}" for name, title in ATTACKS.items()
    )
    return [
        *lines,
        f"Under attack that changes voxels by at most {eps:g} SD, Dice of "
        f"{attacked.n_cases} cases goes from "
        f"{number(attacked.clean[MACRO].mean)} to: {drops}. That is no "
        f"statement of safety.",
    ]


def _from(severity: int) -> str:
    return f"from severity {severity}" if severity else "(it is below without corruption)"


def _openings(n_models: int) -> str:
    return (
        f"{n_models} model{'s were' if n_models != 1 else ' was'} shown this test part so far "
        f"(design/test_openings.jsonl); each that was seen "
        "before a decision makes the figures a little too good."
    )
