"""Calibration: whether a voxel that the network calls 80 % likely is right in 80 % of the cases.

Everything is a sum over voxels first, so that cases and subjects can be put together, resampled and compared
without their probability maps.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage, optimize, special

BINS = 15  # of equal width, as in Guo et al. 2017
TEMPERATURES = (0.05, 20.0)  # where the fitted one is looked for


@dataclass(frozen=True)
class Tally:
    """Sums over voxels. Row 0 is the label that wins in each voxel, row 1 + k is label k against all others.

    Attributes:
        voxels, confidence, hits: (1 + labels, bins) float64: how many voxels a bin has, the sum of their
            probabilities, and how many of them are right.
        brier, nll: sum over the voxels of Σ (p - t)² over the labels, and of -log p of the true label.
    """

    voxels: np.ndarray
    confidence: np.ndarray
    hits: np.ndarray
    brier: float
    nll: float

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(own + added for own, added in zip(self.sums(), other.sums(), strict=True)))

    def sums(self) -> tuple:
        return self.voxels, self.confidence, self.hits, self.brier, self.nll


def tally(
    logits: np.ndarray, reference: np.ndarray, region: np.ndarray, temperature: float = 1.0, bins: int = BINS
) -> Tally:
    """Sums of one case.

    Args:
        logits: (labels, z, y, x).
        reference: (z, y, x), integer.
        region: (z, y, x) bool, the voxels that count.
        temperature: what logits are divided by.
    """
    log_p = special.log_softmax(logits[:, region].astype(np.float64) / temperature, axis=0)
    true, p = reference[region], np.exp(log_p)
    one_hot = true == np.arange(len(p))[:, None]
    winner = p.argmax(0)
    rows = [(p.max(0), winner == true), *zip(p, one_hot, strict=True)]
    # bincount adds in float64; MONAI's calibration_binning counts in float32, which stands still at 16.8
    # million voxels.
    indices = [np.minimum((confidence * bins).astype(int), bins - 1) for confidence, _ in rows]
    counted, summed, hit = (
        np.stack([np.bincount(index, weights(row), bins) for index, row in zip(indices, rows, strict=True)])
        for weights in (lambda row: None, lambda row: row[0], lambda row: row[1])
    )
    return Tally(
        counted.astype(float),
        summed,
        hit,
        float(((p - one_hot) ** 2).sum()),
        float(-np.take_along_axis(log_p, true[None].astype(int), 0).sum()),
    )


def region(reference: np.ndarray, prediction: np.ndarray, margin: int) -> np.ndarray:
    """Voxels that either label map gives to a label, and those within so many voxels of them.

    Far from every organ all is background and sure; counting it makes any network look calibrated.
    """
    either = (reference > 0) | (prediction > 0)
    return ndimage.binary_dilation(either, np.ones((3,) * either.ndim), margin) if margin else either


def expected_error(tally: Tally) -> np.ndarray:
    """Expected calibration error, (1 + labels,): mean over voxels of |mean probability - share that is right|
    of their bin; NaN without voxels.

    Source: Naeini et al. 2015, doi:10.1609/aaai.v29i1.9602; per label, Kull et al. 2019, arXiv:1910.12656.
    """
    with np.errstate(invalid="ignore"):
        return np.abs(tally.confidence - tally.hits).sum(-1) / tally.voxels.sum(-1)


def fit_temperature(cases: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """The temperature of least negative log-likelihood.

    Args:
        cases: (logits (labels, n), true labels (n,)) of the voxels of each case, of a part that is not the
            test part.

    Returns:
        A number within TEMPERATURES, above 1 where the network was too sure; a limit of them where the best
        lies there or outside, as where every voxel is right and none could be too sure; 1 where the
        temperature changes nothing.

    Source: Guo et al. 2017, arXiv:1706.04599.
    """
    logits = np.concatenate([case_logits for case_logits, _ in cases], 1).astype(np.float64)
    true = np.concatenate([case_labels for _, case_labels in cases]).astype(int)

    def loss(log_temperature):
        scaled = logits / np.exp(log_temperature)
        return float((special.logsumexp(scaled, 0) - np.take_along_axis(scaled, true[None], 0)[0]).mean())

    limits = np.log(TEMPERATURES)
    minimum: Any = optimize.minimize_scalar(loss, bounds=limits, method="bounded", options={"xatol": 1e-6})
    within = float(minimum.x)
    if len({loss(log_temperature) for log_temperature in (*limits, 0.0)}) == 1:
        return 1.0
    # The search stops where the loss is flat, short of a limit that is as good: of equals the first is taken.
    return float(np.exp(min((*limits, within), key=loss)))
