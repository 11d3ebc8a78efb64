"""Shift: by how much two samples differ, of numbers and of vectors."""

import numpy as np
from scipy import stats
from scipy.spatial.distance import pdist, squareform


def deciles(values: list[float]) -> list[float]:
    """The nine values at or below which 10 %, 20 %, … of the values lie, each one of them; [] for no
    values."""
    return np.quantile(values, np.arange(1, 10) / 10, method="inverted_cdf").tolist() if values else []


def psi(reference: np.ndarray, new: np.ndarray, deciles: list[float]) -> tuple[float, float]:
    """Population stability index, and its mean where nothing has shifted.

    Args:
        reference, new: (n,), (m,), one value each at least.
        deciles: of the reference.

    Returns:
        The sum over bins of (p - q) ln(p / q), 0 at least. A bin has the values above the limit before it, up
        to its own; a value that stands twice among the deciles has a bin of its own, so that a new value just
        below it is seen. Shares are (count + 1/2) / (n + bins / 2), over the bins that either side fills: an
        empty one would make it infinite. Then (bins - 1)(1/n + 1/m): PSI / (1/n + 1/m) is about chi-square
        with bins - 1 degrees of freedom. Below some 5 expected values a bin the correction keeps PSI lower
        than that.

    Source: Siddiqi 2006, Credit Risk Scorecards, Wiley; Yurdakul and Naranjo 2020,
    doi:10.21314/JRMV.2020.227.
    """
    limits, times = np.unique(deciles, return_counts=True)
    limits = np.sort(np.concatenate([limits, np.nextafter(limits[times > 1], -np.inf)]))
    counts = np.stack(
        [
            np.bincount(np.searchsorted(limits, values), minlength=len(limits) + 1)
            for values in (reference, new)
        ]
    )
    counts = counts[:, counts.any(0)] + 0.5
    p, q = counts / counts.sum(1, keepdims=True)
    return float(((p - q) * np.log(p / q)).sum()), (len(p) - 1) * (1 / len(reference) + 1 / len(new))


def mmd(
    reference: np.ndarray, new: np.ndarray, permutations: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Squared maximum mean discrepancy of two samples of vectors, and how often chance makes it as large.

    Args:
        reference, new: (n, channels), (m, channels), two rows each at least.
        permutations: all of them are tried where there are no more.

    Returns:
        Mean kernel of two rows of the reference, plus that of two new rows, minus twice that of a row of
        each: unbiased, 0 on average where nothing has shifted. The kernel is exp(-d² / 2w²), d between rows
        whose channels have been brought to SD 1, w the median of all d that are not 0. SD and w are of all
        rows together: they do not know which are new, and so the permutation test is exact. Then its p,
        one-sided.

    monai.metrics.MMDMetric has a linear kernel only, which compares no more than means, and wants samples of
    one size.

    Source: Gretton et al. 2012, JMLR 13:723, lemma 6.
    """
    n, m = len(reference), len(new)
    rows = np.concatenate([reference, new])
    deviation = rows.std(0)
    squared = pdist(rows / np.where(deviation > 0, deviation, 1), "sqeuclidean")
    if not squared.any():
        return 0.0, 1.0
    # 0 on the diagonal: no row is compared with itself
    kernel = squareform(np.exp(-squared / (2 * np.median(squared[squared > 0]))))
    total = kernel.sum()

    def statistic(_, drawn, axis):
        is_new = np.zeros((*drawn.shape[:-1], n + m))
        np.put_along_axis(is_new, drawn.astype(int), 1, -1)
        sums = is_new @ kernel
        of_new = (sums * is_new).sum(-1)
        across = sums.sum(-1) - of_new
        return (total - of_new - 2 * across) / (n * (n - 1)) + of_new / (m * (m - 1)) - 2 * across / (n * m)

    test = stats.permutation_test(
        (np.arange(n), np.arange(n, n + m)),
        statistic,
        permutation_type="independent",
        vectorized=True,
        n_resamples=permutations,
        batch=500,
        alternative="greater",
        rng=rng,
    )
    return float(test.statistic), float(test.pvalue)
