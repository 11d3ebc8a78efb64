"""Statistics over cases that are grouped in subjects."""
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
    """95 % confidence interval of the mean over cases, by resampling subjects: both sides of a head are not independent.

    BCa bootstrap over subjects; a resample's mean is the sum over its cases by their number.

    Returns:
        (low, high); (None, None) for fewer than two subjects; their mean twice when the means of all subjects are
        equal.

    Source: Efron 1987, doi:10.1080/01621459.1987.10478410; Field & Welsh 2007, doi:10.1111/j.1467-9868.2007.00593.x.
    """
    sums, counts = defaultdict(float), defaultdict(int)
    for case, value in values.items():
        sums[subject_of[case]] += value
        counts[subject_of[case]] += 1
    subjects = sorted(sums)
    if len(subjects) < 2:
        return None, None
    means = [sums[subject] / counts[subject] for subject in subjects]
    if max(means) - min(means) < 1e-12:  # every resample has this mean; BCa would divide 0 by 0
        return means[0], means[0]

    def mean(total, number, axis=-1):
        return total.sum(axis) / number.sum(axis)

    result = stats.bootstrap(
        ([sums[subject] for subject in subjects], [counts[subject] for subject in subjects]), mean, paired=True,
        vectorized=True, confidence_level=0.95, n_resamples=resamples, method="BCa", rng=np.random.default_rng(seed))
    return float(result.confidence_interval.low), float(result.confidence_interval.high)
