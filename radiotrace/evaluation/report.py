"""The report: what a person reads of an evaluation, from its records. Plain values in, text out."""
from radiotrace.evaluation import ranking

MACRO = "mean_of_labels"

MEASURES = {  # measure -> name for people, unit, digits
    "dice": ("Dice", "", 3), "iou": ("IoU", "", 3), "surface_dice": ("Surface Dice", "", 3), "boundary_f1": ("Boundary F1", "", 3),
    "hausdorff95_mm": ("HD95", "mm", 2), "average_surface_distance_mm": ("Average surface distance", "mm", 3),
    "sensitivity": ("Sensitivity", "", 3), "specificity": ("Specificity", "", 4), "ppv": ("PPV", "", 3), "npv": ("NPV", "", 4),
    "volume_error_mm3": ("Volume error", "mm³", 0), "volume_error_percent": ("Volume error", "%", 1),
    "volume_error_absolute_mm3": ("Volume error, absolute", "mm³", 0),
    "volume_error_absolute_percent": ("Volume error, absolute", "%", 1), "prediction_components": ("Components predicted", "", 2)}
ATTACKS = {"noise": "random signs", "fgsm": "FGSM", "pgd": "PGD", "segpgd": "SegPGD"}
KINDS = {"dropout": "Monte-Carlo dropout", "augmentation": "test-time augmentation", "ensemble": "deep ensemble", "prediction": "one prediction"}


def number(value: float | None, digits: int = 3) -> str:
    """A number for people, with a true minus; "undefined" for None."""
    return "undefined" if value is None else f"{value:.{digits}f}".replace("-", "−")


def interval(row: dict, digits: int = 3, of: str = "mean") -> str:
    """A mean, or another number of a row, with its 95 % interval."""
    if row["ci95_low"] is None:
        return f"{number(row[of], digits)} (no interval)"
    return f"{number(row[of], digits)} ({number(row['ci95_low'], digits)} to {number(row['ci95_high'], digits)})"


def measures(metrics: dict) -> list[dict]:
    """Rows of the table of all measures: name, and for each label and their mean the cells of one summary."""
    return [{"name": f"{name}, {unit}" if unit else name, "cells": [
        {"label": label, "mean": interval(row, digits), "median": number(row["median"], digits), "sd": number(row["sd"], digits),
         "range": f"{number(row['min'], digits)} to {number(row['max'], digits)}", "n": row["n_cases"], "n_undefined": row["n_undefined"]}
        for label, row in sorted(metrics[measure].items(), key=lambda item: item[0] == MACRO)]} for measure, (name, unit, digits) in MEASURES.items()]


def cases(rows: list[dict], flag_by: str, thumbnails: dict[str, bytes]) -> list[dict]:
    """Rows of the table of cases, lowest mean Dice first.

    Args:
        rows: entries of the record 'cases'.
        flag_by: kind of uncertainty that is shown.
        thumbnails: case -> PNG.
    """
    return [{"case_id": case["case_id"], "subject_id": case["subject_id"], "thumbnail": thumbnails[case["case_id"]],
             "dice": number(ranking.macro(case, "dice")), "uncertainty": number(case["uncertainty"][flag_by]["score"]),
             "flagged": {True: "yes", False: "", None: "no limit"}[case["flagged"][flag_by]],
             "labels": [{"name": name, "dice": number(row["dice"]), "surface_dice": number(row["surface_dice"]),
                        "hausdorff95_mm": number(row["hausdorff95_mm"], 2), "volume_error_percent": number(row["volume_error_percent"], 1)}
                       for name, row in case["labels"].items()]}
            for case in ranking.ranked(rows)]


def findings(metrics: dict, acceptance: dict, robustness: dict, n_models: int) -> list[str]:
    """What a reader should know first, a sentence or two on each subject.

    Args:
        metrics, acceptance, robustness: the records.
        n_models: that were shown this test part so far.
    """
    return [*_requirements(acceptance), *_accuracy(metrics), *_volumes(metrics), *_calibration(metrics), *_uncertainty(metrics),
            *_subgroups(metrics), *_robustness(robustness), _openings(n_models)]


def _requirements(acceptance: dict) -> list[str]:
    missed = [result for result in acceptance["results"] if result["verdict"] != "met"]
    if not missed:
        return [f"All {len(acceptance['results'])} performance requirements are met, each by the bound of its interval."]
    return [f"{len(missed)} of {len(acceptance['results'])} performance requirements are not met, and the release is blocked: "
            + "; ".join(f"{result['requirement']} ({result['reason']})" for result in missed) + "."]


def _accuracy(metrics: dict) -> list[str]:
    worst = metrics["worst_cases"][0]
    labels = ", ".join(f"{name} {interval(row)}" for name, row in metrics["dice"].items() if name != MACRO)
    return [f"Mean Dice over labels is {interval(metrics['dice'][MACRO])}, over {metrics['n_cases']} cases of {metrics['n_subjects']} subjects: "
            f"{labels}. The worst case is {worst['case_id']} with {number(worst['dice'])}.",
            f"Surface Dice within {metrics['surface_tolerance_mm']:g} mm is {interval(metrics['surface_dice'][MACRO])}, "
            f"HD95 {interval(metrics['hausdorff95_mm'][MACRO], 2)} mm."]


def _volumes(metrics: dict) -> list[str]:
    found = []
    for name, row in metrics["volume_agreement"].items():
        limits = row["bland_altman_mm3"]
        if limits["limit_low"] is not None:
            found.append(f"{name}: bias {number(limits['bias'], 0)} mm³, 95 % of differences between {number(limits['limit_low'], 0)} and "
                         f"{number(limits['limit_high'], 0)} mm³, concordance {interval(row['concordance'], 2, 'value')}")
    return [f"Volumes against the reference's, {'; '.join(found)}."] if found else []


def _calibration(metrics: dict) -> list[str]:
    before, after, temperature = metrics["calibration"]["before"], metrics["calibration"]["after"], metrics["decisions"]["temperature"]
    text = f"Probabilities are off by {interval(before['expected_error'], 3, 'value')} on average (expected calibration error)"
    if after is None:
        return [f"{text}; there was no validation part to fit a temperature on."]
    judgement = "too sure" if temperature > 1 else "not sure enough"
    return [f"{text}: the network is {judgement}. With the temperature {number(temperature, 2)}, fitted on the validation part, it is "
            f"{interval(after['expected_error'], 3, 'value')}."]


def _uncertainty(metrics: dict) -> list[str]:
    found = []
    for kind, row in metrics["uncertainty"].items():
        spearman = row["spearman"]
        if spearman["value"] is None or spearman["ci95_high"] is None:
            continue
        tells = "tells bad cases from good ones" if spearman["ci95_high"] < 0 else "has not been shown to tell bad cases from good ones"
        text = f"The uncertainty by {KINDS[kind]} {tells}: rank correlation with Dice {interval(spearman, 2, 'value')}"
        if flagging := row["flagging"]:
            text += (f"; its threshold would send {flagging['flagged']} of {row['aurc']['n_cases']} cases to an expert and catch "
                     f"{flagging['caught']} of the {flagging['poor']} with a Dice below {row['poor_below_dice']:g}")
        found.append(f"{text}.")
    return found


def _subgroups(metrics: dict) -> list[str]:
    rows = [(attribute, group, row) for attribute, groups in metrics["subgroups"].items() for group, row in groups.items()]
    tested = [one for one in rows if one[2]["gap"] is not None]
    small = sum(row["insufficient_n"] for _, _, row in rows)
    given = sorted(attribute for attribute in metrics["subgroups"] if not attribute.startswith("derived_"))
    known = f"Attributes of the data set: {', '.join(given)}." if given else (
        "The data set says nothing of sex, age, site or scanner; groups are derived from images and references alone.")
    if not tested:
        return [f"{known} No subgroup is large enough to be compared."]
    attribute, group, row = min(tested, key=lambda one: one[2]["gap"])
    found = [one for one in tested if one[2]["p_adjusted"] < 0.05]
    verdict = (f"{len(found)} of {len(tested)} gaps stand after correction for so many comparisons" if found else
               f"none of {len(tested)} gaps stands after correction for so many comparisons")
    return [f"{known} The group that is furthest below the rest is {group} of {readable(attribute)}, by {number(-row['gap'])} of Dice "
            f"({number(row['gap_ci95_low'])} to {number(row['gap_ci95_high'])}); {verdict}, and {small} of {len(rows)} groups are too small."]


def readable(name: str) -> str:
    """The name of an attribute for people."""
    return name.removeprefix("derived_").replace("_", " ")


def _robustness(robustness: dict) -> list[str]:
    breaks = {name: rows["breaks_at"][MACRO] for name, rows in robustness["corruptions"].items()}
    broken = sorted((severity, name) for name, severity in breaks.items() if severity is not None)
    kept = sorted(readable(name) for name, severity in breaks.items() if severity is None)
    text = "; ".join(f"{readable(name)} from severity {severity}" for severity, name in broken) or "none does"
    lines = [f"Corruption of {robustness['n_cases']} test cases at five severities takes mean Dice below {robustness['criterion_dice']:g}: {text}."
             + (f" It holds under {', '.join(kept)}." if kept else "")]
    attacks = robustness["adversarial"]["attacks"]
    strongest = {name: rows[-1] for name, rows in attacks.items()}
    eps = next(iter(strongest.values()))["eps_sd"]
    drops = ", ".join(f"{ATTACKS[name]} {number(strongest[name]['dice'][MACRO]['mean'])}" for name in ATTACKS if name in strongest)
    return [*lines, f"Under attack that changes voxels by at most {eps:g} SD, Dice of {robustness['adversarial']['n_cases']} cases goes from "
                    f"{number(robustness['adversarial']['clean'][MACRO]['mean'])} to: {drops}. That is no statement of safety."]


def _openings(n_models: int) -> str:
    return (f"{n_models} model{'s were' if n_models != 1 else ' was'} shown this test part so far (design/test_openings.jsonl); each that was seen "
            "before a decision makes the figures a little too good.")
