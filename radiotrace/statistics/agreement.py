"""Agreement of two measurements of one thing, such as the volumes of a reference and of a prediction."""

import numpy as np


def bland_altman(reference: np.ndarray, prediction: np.ndarray) -> dict[str, float | None]:
    """Bias and limits of agreement of prediction minus reference, in their unit.

    Args:
        reference, prediction: (n,) of one unit.

    Returns:
        bias: mean difference. sd: of the differences. limit_low, limit_high: bias ∓ 1.96 SD, between which 95
            % of differences lie where they are normal and do not depend on the size (`slope`). None where
            undefined: all for n = 0; all but the bias for n = 1.

    Source: Bland and Altman 1999, doi:10.1177/096228029900800204.
    """
    difference = prediction - reference
    bias = float(difference.mean()) if len(difference) else None
    if bias is None or len(difference) == 1:
        return {"bias": bias, "sd": None, "limit_low": None, "limit_high": None}
    sd = float(difference.std(ddof=1))
    return {"bias": bias, "sd": sd, "limit_low": bias - 1.96 * sd, "limit_high": bias + 1.96 * sd}


def slope_sums(reference: np.ndarray, prediction: np.ndarray, origin: float) -> np.ndarray:
    """Sums that the slope is a function of, (5,): n, Σm, Σd, Σm², Σmd. Sums of groups of one origin add up.

    Args:
        reference, prediction: (n,) of one unit.
        origin: a size amid those of all groups, from which m, the mean of both, is counted: squares of large
            numbers that hardly differ would cancel.
    """
    mean, difference = (reference + prediction) / 2 - origin, prediction - reference
    return np.array([len(mean), mean.sum(), difference.sum(), (mean**2).sum(), (mean * difference).sum()])


def slope(sums: np.ndarray) -> np.ndarray:
    """Proportional bias: the slope of the difference against the mean of both; 0 where the bias does not
    depend on the size.

    Args:
        sums: (5, …), as `slope_sums` gives them.

    Returns:
        (…): below 0 where small things come out too large and large ones too small; NaN where all sizes are
        one.

    Source: Bland and Altman 1999, doi:10.1177/096228029900800204, section 3.2. It is 0 where both
    measurements vary alike, so that scatter of either moves it: Bland and Altman 1995,
    doi:10.1016/S0140-6736(95)91748-9.
    """
    n, mean, difference, mean_squared, product = sums
    spread = n * mean_squared - mean**2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(spread > 1e-9 * n * mean_squared, (n * product - mean * difference) / spread, np.nan)


def kept(slope: float) -> float:
    """What share of a difference between two sizes is measured, where the bias has such a slope; for -2 <
    slope < 2.

    Of d = a + s m follows prediction = (reference (2 + s) + 2 a) / (2 - s).
    """
    return (2 + slope) / (2 - slope)


def moments(reference: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Sums that concordance is a function of, (6,): n, Σx, Σy, Σx², Σy², Σxy. Sums of groups add up."""
    return np.array(
        [
            len(reference),
            reference.sum(),
            prediction.sum(),
            (reference**2).sum(),
            (prediction**2).sum(),
            (reference * prediction).sum(),
        ]
    )


def concordance(moments: np.ndarray) -> np.ndarray:
    """Lin's concordance correlation coefficient, 2 s_xy / (s_x² + s_y² + (x̄ - ȳ)²), with moments over n.

    Args:
        moments: (6, …), as `moments` gives them, of values from which one number was taken that lies among
            them: squares of values far from 0 cancel.

    Returns:
        (…): 1 where both agree in every case, less where they scatter, differ in scale or are biased; NaN for
        fewer than two pairs and where both are one and the same constant.

    Source: Lin 1989, doi:10.2307/2532051.
    """
    n, x, y, xx, yy, xy = moments
    x, y = x / n, y / n
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(n < 2, np.nan, 2 * (xy / n - x * y) / (xx / n - x**2 + yy / n - y**2 + (x - y) ** 2))
