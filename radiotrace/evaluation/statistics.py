"""Statistics over cases that are grouped in subjects."""
import warnings
from collections import defaultdict

import numpy as np
from scipy import stats


def summary(values: dict[str, float | None], subject_of: dict[str, str], resamples: int, seed: int) -> dict:
    """Mean with its confidence interval, median, SD, extremes and worst case.

    Args:
        values: case -> value; None where undefined, which is counted and left out.
        subject_of: case -> subject.
        resamples, seed: of the bootstrap.

    Returns:
        A flat dict. Everything but the counts is None when no value is defined; sd is None for one case, the interval
        for one subject.
    """
    defined = {case: value for case, value in values.items() if value is not None}
    array = np.array(list(defined.values()), float)
    low, high = mean_interval(defined, subject_of, resamples, seed)
    found = {
        "n_cases": len(defined), "n_subjects": len({subject_of[case] for case in defined}), "n_undefined": len(values) - len(defined),
        "mean": None, "ci95_low": low, "ci95_high": high, "median": None, "sd": None, "min": None, "max": None}
    if defined:
        found |= {"mean": array.mean(), "median": np.median(array), "min": array.min(), "max": array.max(),
                  "sd": array.std(ddof=1) if len(array) > 1 else None}
    return {key: float(value) if isinstance(value, np.floating) else value for key, value in found.items()}


def mean_interval(values: dict[str, float], subject_of: dict[str, str], resamples: int, seed: int) -> tuple[float | None, float | None]:
    """95 % confidence interval of the mean over cases; see `interval`.

    Args:
        values: case -> value.
        subject_of: case -> subject.
    """
    sums = by_subject({case: (value, 1.0) for case, value in values.items()}, subject_of)
    return interval(sums, lambda total: total[0] / total[1], resamples, seed)


def by_subject(rows: dict[str, tuple], subject_of: dict[str, str]) -> np.ndarray:
    """What the cases of each subject add up to, (k, subjects), subjects sorted.

    Args:
        rows: case -> k numbers.
    """
    sums = defaultdict(lambda: 0.0)
    for case, row in rows.items():
        sums[subject_of[case]] = sums[subject_of[case]] + np.asarray(row, float)
    return np.stack([sums[subject] for subject in sorted(sums)], 1) if sums else np.empty((0, 0))


def interval(sums: np.ndarray, statistic, resamples: int, seed: int, strata=None,
             level: float = 0.95) -> tuple[float | None, float | None]:
    """Confidence interval by resampling subjects: both sides of a head are not independent. BCa bootstrap.

    Args:
        sums: (k, subjects), what each subject adds to k totals.
        statistic: totals (k, …) -> values (…).
        resamples, seed: of the bootstrap.
        strata: (subjects,), the stratum of each: every resample has as many subjects of a stratum as there are. None: one for
            all. A subject that is alone in its stratum goes to the largest.
        level: of confidence.

    Returns:
        (low, high); (None, None) for fewer than two subjects, and where the statistic is not defined for a resample; its
        value twice where it does not depend on who is left out.

    Source: Efron 1987, doi:10.1080/01621459.1987.10478410; Field & Welsh 2007, doi:10.1111/j.1467-9868.2007.00593.x.
    """
    if sums.size == 0 or sums.shape[1] < 2:
        return None, None
    if np.ptp(statistic(sums.sum(1, keepdims=True) - sums)) < 1e-12:  # BCa would divide 0 by 0
        value = float(statistic(sums.sum(1)))
        return value, value
    strata = np.zeros(sums.shape[1]) if strata is None else np.asarray(strata)
    names, sizes = np.unique(strata, return_counts=True)
    strata = np.where(np.isin(strata, names[sizes == 1]), names[sizes.argmax()], strata)

    def of_subjects(*drawn, axis=-1):
        return statistic(sum(sums[:, one.astype(int)].sum(axis) for one in drawn))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # said by None
        result = stats.bootstrap([np.flatnonzero(strata == stratum) for stratum in np.unique(strata)], of_subjects, vectorized=True,
                                 confidence_level=level, n_resamples=resamples, method="BCa", rng=np.random.default_rng(seed))
    low, high = float(result.confidence_interval.low), float(result.confidence_interval.high)
    return (low, high) if np.isfinite([low, high]).all() else (None, None)


def estimate(rows: dict[str, tuple], statistic, subject_of: dict[str, str], resamples: int, seed: int, n_undefined: int = 0,
             stratum_of: dict[str, str] | None = None) -> dict:
    """A number that is made of all cases together, with its interval over subjects.

    Args:
        rows: case -> k numbers, of which the totals decide the statistic.
        statistic: totals (k, …) -> values (…), NaN where undefined.
        n_undefined: cases that could not be counted.
        stratum_of: subject -> stratum, as `interval` takes it.

    Returns:
        n_cases, n_subjects, n_undefined, value, ci95_low, ci95_high; None where undefined.
    """
    sums = by_subject(rows, subject_of)
    value = float(statistic(sums.sum(1))) if rows else np.nan
    strata = [stratum_of[subject] for subject in sorted({subject_of[case] for case in rows})] if stratum_of else None
    low, high = interval(sums, statistic, resamples, seed, strata) if np.isfinite(value) else (None, None)
    return {"n_cases": len(rows), "n_subjects": len({subject_of[case] for case in rows}), "n_undefined": n_undefined,
            "value": value if np.isfinite(value) else None, "ci95_low": low, "ci95_high": high}


def of_rows(statistic):
    """A statistic of rows, for `estimate`, where it is no function of totals, such as a rank correlation.

    Args:
        statistic: indices of rows, some of them several times or not at all -> float, NaN where undefined.

    Returns:
        counts (n, …) of how often each row is drawn -> values (…); give `estimate` the unit vectors as rows.
    """
    def of_counts(counts):
        columns = np.rint(counts).astype(int).reshape(len(counts), -1).T
        return np.array([statistic(np.repeat(np.arange(len(counts)), column)) for column in columns]).reshape(np.shape(counts)[1:])

    return of_counts


def median(values: np.ndarray) -> dict[str, float | None]:
    """Median of independent values with its exact 95 % interval, which lies between two of them.

    Returns:
        median; ci95_low, ci95_high. None where undefined: all for no values, the interval for fewer than six.

    Source: Thompson 1936, doi:10.1214/aoms/1177732502, as scipy.stats.quantile_test has it.
    """
    if not len(values):
        return {"median": None, "ci95_low": None, "ci95_high": None}
    interval = stats.quantile_test(values).confidence_interval(0.95)
    low, high = (None if np.isnan(value) else float(value) for value in (interval.low, interval.high))
    return {"median": float(np.median(values)), "ci95_low": low, "ci95_high": high}
