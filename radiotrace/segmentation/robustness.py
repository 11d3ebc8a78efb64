"""Robustness: how much accuracy is left under corruption and attack, and how repeatable a prediction is."""

from collections.abc import Sequence

import numpy as np

from radiotrace.segmentation import ranking
from radiotrace.statistics import intervals

# Shifts of the content that should change no volume: half a voxel along each of x, y, z, and a voxel the
# other way.
SHIFTS_VOXELS = ((0.5, 0, 0), (0, 0.5, 0), (0, 0, 0.5), (-1, 0, 0), (0, -1, 0), (0, 0, -1))


def shifts_of(size_voxels: Sequence[int]) -> list[tuple[float, float, float]]:
    """The shifts of an image of so many voxels along x, y, z: a picture is not shifted across its slice."""
    return [
        shift
        for shift in SHIFTS_VOXELS
        if all(edge > 1 or by == 0 for by, edge in zip(shift, size_voxels, strict=True))
    ]


def summarise(cases: list[dict], criterion_dice: float) -> dict:
    """What the cases say together.

    Args:
        cases: entries of the record 'robustness_cases'; where none was attacked, adversarial is None.
        criterion_dice: mean Dice below which a severity breaks the criterion.

    Returns:
        The record 'robustness', but for where it comes from. breaks_at_ci95_low is None, not a label's, where
        some severity has no interval to break the criterion by.
    """
    about = {"subject_of": {case["case_id"]: case["subject_id"] for case in cases}}
    attacked = [case for case in cases if case["adversarial"]]
    clean = _by_label({case["case_id"]: case["clean"] for case in cases})
    dice_clean = _dice(clean, about)

    def corruption(name):
        rows = {case["case_id"]: case["corruptions"][name] for case in cases}
        severities = [
            _by_label({case: levels[number] for case, levels in rows.items()})
            for number in range(len(cases[0]["corruptions"][name]))
        ]
        curves = _corruption(clean, severities, about)
        curve = [dice_clean, *(level["dice"] for level in curves["severities"])]
        breaks = {
            bound: {
                label: breaks_at([dice[label][bound] for dice in curve], criterion_dice) for label in clean
            }
            for bound in ("mean", "ci95_low")
        }
        bounded = all(dice[label]["no_interval"] is None for dice in curve for label in clean)
        return curves | {
            "breaks_at": breaks["mean"],
            "breaks_at_ci95_low": breaks["ci95_low"] if bounded else None,
        }

    def pooled(key):
        return {
            label: root_mean_square(
                {case["case_id"]: case["repeatability"][key][label] for case in cases}, **about
            )
            for label in cases[0]["clean"]
        }

    return {
        **_counts(cases),
        "criterion_dice": criterion_dice,
        "clean": dice_clean,
        "corruptions": {name: corruption(name) for name in cases[0]["corruptions"]},
        "repeatability": {
            "n_predictions": len(cases[0]["shifts"]),
            **{key: pooled(key) for key in cases[0]["repeatability"]},
        },
        "adversarial": _adversarial(attacked, about) if attacked else None,
    }


def _corruption(clean: dict, severities: list[dict], about: dict) -> dict:
    """Dice at each severity, and what it loses on average over them.

    Args:
        clean: label -> case -> Dice.
        severities: five of these.
    """
    levels = [_level(clean, values, about) for values in severities]
    over_severities = {
        case: ranking.mean_of_all([values["mean_of_labels"][case] for values in severities])
        for case in clean["mean_of_labels"]
    }
    return {
        "severities": levels,
        "mean_relative_degradation_percent": relative_degradation(
            clean["mean_of_labels"], over_severities, **about
        ),
    }


def _adversarial(cases: list[dict], about: dict) -> dict:
    clean = _by_label({case["case_id"]: case["adversarial"]["clean"] for case in cases})

    def level(name, number):
        rows = {case["case_id"]: case["adversarial"]["attacks"][name][number] for case in cases}
        return {
            "eps_sd": next(iter(rows.values()))["eps_sd"],
            **_level(clean, _by_label({case: row["dice"] for case, row in rows.items()}), about),
        }

    return {
        **_counts(cases),
        "clean": _dice(clean, about),
        "attacks": {
            name: [level(name, number) for number in range(len(rows))]
            for name, rows in cases[0]["adversarial"]["attacks"].items()
        },
    }


def _counts(cases: list[dict]) -> dict:
    return {"n_cases": len(cases), "n_subjects": len({case["subject_id"] for case in cases})}


def _by_label(dice_of: dict[str, dict]) -> dict[str, dict]:
    """Label -> case -> Dice, and mean_of_labels, a case's mean over its labels, undefined where any of them
    is.

    Args:
        dice_of: case -> label -> Dice.
    """
    values = {
        label: {case: dice[label] for case, dice in dice_of.items()} for label in next(iter(dice_of.values()))
    }
    return values | {
        "mean_of_labels": {case: ranking.mean_of_all(list(dice.values())) for case, dice in dice_of.items()}
    }


def _level(clean: dict, values: dict, about: dict) -> dict:
    """Dice of each label, and what the mean of labels loses."""
    return {
        "dice": _dice(values, about),
        "relative_degradation_percent": relative_degradation(
            clean["mean_of_labels"], values["mean_of_labels"], **about
        ),
    }


def _dice(values: dict, about: dict) -> dict:
    left_out = ("median", "sd", "min", "max")
    summaries = {
        label: intervals.summary(dice_of_case, rule=intervals.SHARE, **about)
        for label, dice_of_case in values.items()
    }
    return {
        label: {key: value for key, value in row.items() if key not in left_out}
        for label, row in summaries.items()
    }


def relative_degradation(clean: dict, corrupted: dict, subject_of: dict) -> dict:
    """By how many percent of the clean Dice that of the same cases falls: 100 (1 - Σ corrupted / Σ clean).

    Args:
        clean, corrupted: case -> Dice; None where undefined. A case counts where both are defined.
        subject_of: case -> subject.

    Returns:
        As `estimate`; negative where corruption helps; None where the clean Dice are all 0.

    Source: as relative corruption error in Hendrycks and Dietterich 2019, arXiv:1903.12261, with Dice for 1 -
    error.
    """
    rows = {
        case: None if None in (value, corrupted[case]) else (value, corrupted[case])
        for case, value in clean.items()
    }
    return estimate(
        rows, lambda totals: 100 * (1 - totals[1] / totals[0]), subject_of, intervals.Rule(highest=100)
    )


def root_mean_square(values: dict, subject_of: dict) -> dict:
    """Pooled SD (or coefficient of variation) of cases: the root of the mean of their squares.

    Source: Bland and Altman 1996, doi:10.1136/bmj.313.7059.744.
    """
    rows = {case: None if value is None else (value**2, 1) for case, value in values.items()}
    return estimate(
        rows, lambda totals: np.sqrt(totals[0] / totals[1]), subject_of, intervals.Rule(intervals.LOG)
    )


def estimate(
    rows: dict[str, tuple | None], statistic, subject_of: dict[str, str], rule: intervals.Rule
) -> dict:
    """statistics.estimate of the rows that are defined; the others are counted."""
    defined = {case: row for case, row in rows.items() if row is not None}
    with np.errstate(invalid="ignore", divide="ignore"):
        return intervals.estimate(defined, statistic, subject_of, len(rows) - len(defined), rule)


def repeatability(shifts: list[dict]) -> dict:
    """How far the predictions of one case scatter.

    Args:
        shifts: two or more, each with volume_mm3 and dice of each label.

    Returns:
        volume_cv_percent of each label: SD of the volume in percent of its mean, None where that is 0;
            dice_sd of each label: SD of the Dice, None where one is undefined. SD with n - 1.
    """

    def of_each(key, spread):
        return {label: spread(np.array([shift[key][label] for shift in shifts])) for label in shifts[0][key]}

    return {
        "volume_cv_percent": of_each(
            "volume_mm3",
            lambda volumes: 100 * float(volumes.std(ddof=1) / volumes.mean()) if volumes.any() else None,
        ),
        "dice_sd": of_each(
            "dice", lambda dice: None if None in dice else float(dice.astype(float).std(ddof=1))
        ),
    }


def breaks_at(values: list[float | None], criterion: float) -> int | None:
    """The first severity, 0 the clean image, at which a value is below the criterion; None where none is.

    An undefined value breaks nothing.
    """
    return next(
        (severity for severity, value in enumerate(values) if value is not None and value < criterion), None
    )
