"""Losses of survival, one value for each sample: Cox's partial likelihood and a discrete hazard."""

import numpy as np
import torch
from torch.nn import functional as F

NAMES = ("cox", "discrete")


def cox(log_hazard: torch.Tensor, time: torch.Tensor, event: torch.Tensor) -> torch.Tensor:
    """The negative terms of the partial likelihood, over the samples at hand: log Σ exp(lp) over those whose
    time is no earlier, minus lp, of who has the event; 0 of who is censored. Ties after Breslow.

    A term compares a sample with the others of its batch, so that its mean does depend on how a step is cut
    up: a step that learns by it must go through in one piece. Without an event all are 0.

    Args:
        log_hazard, time: (n,) float32. event: (n,), 1 where the event was seen, else 0.

    Returns:
        (n,) float32.

    Source: Cox 1972; of batches: Kvamme, Borgan & Scheel 2019, JMLR 20:129.
    """
    at_risk = time[None, :] >= time[:, None]
    of_others = log_hazard[None, :].expand_as(at_risk).masked_fill(~at_risk, -torch.inf)
    return event * (torch.logsumexp(of_others, 1) - log_hazard)


def discrete(
    log_hazard: torch.Tensor,
    offsets: torch.Tensor,
    time: torch.Tensor,
    event: torch.Tensor,
    edges: torch.Tensor,
) -> torch.Tensor:
    """Negative log-likelihood of a hazard that is constant in each interval: logit h = offset + lp.

    Who is censored within an interval has survived those before it. Times beyond the last edge count as
    censored there.

    Args:
        log_hazard, time, event: as of `cox`.
        offsets: (k,), of the intervals.
        edges: (k,), the end of each, rising; in the unit of time.

    Returns:
        (n,) float32.

    Source: Gensheimer & Narasimhan 2019, doi:10.7717/peerj.6257, with one hazard ratio for all intervals.
    """
    ended = time[:, None] <= edges[None, :]
    begins = F.pad(edges, (1, 0))[:-1]
    here = ended & (time[:, None] > begins[None, :])
    here[:, 0] |= time <= edges[0]
    outcome = here * event[:, None]
    survived = (~ended).float() + outcome  # intervals in which it is known what came of them
    logits = offsets[None, :] + log_hazard[:, None]
    return (survived * F.binary_cross_entropy_with_logits(logits, outcome, reduction="none")).sum(1)


def edges(time: np.ndarray, event: np.ndarray, intervals: int) -> np.ndarray:
    """Ends of the intervals, (k,): quantiles of the times of events, the last one the last event.

    Args:
        time, event: (n,), of the train part alone.

    Raises:
        ValueError: fewer distinct times of events than intervals.
    """
    seen = np.unique(np.asarray(time, float)[np.asarray(event, bool)])
    if len(seen) < intervals:
        raise ValueError(f"{len(seen)} distinct times of events, expected {intervals} at least")
    return np.quantile(seen, np.arange(1, intervals + 1) / intervals)
