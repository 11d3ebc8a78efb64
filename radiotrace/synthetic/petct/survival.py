"""Survival: times whose hazard depends on lesions by a stated formula, so that the best possible is known.

The log-hazard of a subject is
    visible = VOLUME * ln((1 + V) / (1 + 25)) + SUVMAX * ln((1 + S) / (1 + 10))
    hidden  = HIDDEN * h,   h ~ N(0, 1), which no image and no column shows
with V the volume of all lesions in mL by the label map, and S the highest SUVmax of PET without noise; both
are 0 without lesion. Times are Weibull with proportional hazards: Bender et al. 2005, doi:10.1002/sim.2059,
    T = SCALE * (-ln U / exp(visible + hidden))^(1 / SHAPE).

VOLUME gives a ratio of hazards of about 2.1 between the quartiles of V of who has lesions: 1.9 to 2.1 were
published for the interquartile difference of MTV (La et al. 2009, PMC2752334; Tang et al. 2012, PMC3337958).
SUVMAX gives about 1.4 between subjects above and below its median (1.39, not significant, in the 91 patients
of lesions.py). Events are more frequent than published (2-year disease-free survival 69.5 %, La et al.), so
that about 35 % are censored; age, sex and site have no effect. Without lesion the hazard is about a fiftieth
of that in the middle, so that such a subject hardly ever has an event.
"""

import math
from dataclasses import dataclass

import numpy as np

VOLUME = 0.8
SUVMAX = 0.5
HIDDEN = 0.5
MIDDLE_ML, MIDDLE_SUV = 25.0, 10.0
SHAPE = 1.2
SCALE_DAYS = 950.0
FOLLOW_UP_DAYS = (730.0, 2190.0)  # administrative end, uniform: who came first was followed longest
DROPOUT_PER_YEAR = 0.04
DAYS_PER_YEAR = 365.25


@dataclass(frozen=True)
class Course:
    """What happens to a subject, and what is seen of it.

    Attributes:
        visible, hidden: parts of the log-hazard.
        event_time_days: that nobody knows of who is censored.
        time_days: that is seen, whole days, 1 or more.
        event: whether it ended with the event.
    """

    visible: float
    hidden: float
    event_time_days: float
    time_days: int
    event: bool


def visible(volume_ml: float, suvmax: float) -> float:
    """The part of the log-hazard that follows from the image."""
    return VOLUME * math.log((1 + volume_ml) / (1 + MIDDLE_ML)) + SUVMAX * math.log(
        (1 + suvmax) / (1 + MIDDLE_SUV)
    )


def drawn(rng: np.random.Generator, volume_ml: float, suvmax: float) -> Course:
    """The course of a subject with these lesions."""
    seen = visible(volume_ml, suvmax)
    hidden = HIDDEN * float(rng.standard_normal())
    # 1 - random() lies in (0, 1], where the logarithm is finite
    waited = -math.log(1 - rng.random())
    event_time = SCALE_DAYS * (waited / math.exp(seen + hidden)) ** (1 / SHAPE)
    end = rng.uniform(*FOLLOW_UP_DAYS)
    dropout = rng.exponential(DAYS_PER_YEAR / DROPOUT_PER_YEAR)
    last = min(end, dropout)
    return Course(
        visible=seen,
        hidden=hidden,
        event_time_days=event_time,
        time_days=max(1, math.ceil(min(event_time, last))),
        event=event_time <= last,
    )


def best_concordance(log_hazard: np.ndarray, score: np.ndarray) -> float | None:
    """The concordance that a score is expected to have with times that nobody censors.

    Under proportional hazards the one of two subjects with log-hazards a and b has the event first with
    probability 1 / (1 + exp(b - a)), whatever the baseline. Summed over the pairs of a cohort that the score
    tells apart, this is its expected C-index; no distribution of log-hazards is assumed. With score =
    log_hazard it is the best possible one.

    Args:
        log_hazard, score: (n,), of the same subjects; a higher score says an earlier event.

    Returns:
        None where the score tells no pair apart.
    """
    first, second = np.triu_indices(len(score), 1)
    sign = np.sign(score[first] - score[second])
    differing = sign != 0
    difference = (sign * (log_hazard[first] - log_hazard[second]))[differing]
    return float(np.mean(1 / (1 + np.exp(-difference)))) if difference.size else None


def concordance(time: np.ndarray, event: np.ndarray, score: np.ndarray) -> float | None:
    """Harrell's C-index: the share of comparable pairs in which who had the event first has the higher score.

    A pair is comparable where the shorter time ends with an event; ties of the score count half. None where
    no pair is.

    Source: Harrell et al. 1982, doi:10.1001/jama.1982.03320430047030.
    """
    earlier = (time[:, None] < time[None, :]) & event[:, None]
    higher = np.sign(score[:, None] - score[None, :])[earlier]
    return float(np.mean((higher + 1) / 2)) if higher.size else None
