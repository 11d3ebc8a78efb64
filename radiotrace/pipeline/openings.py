"""The ledger of the test part: which models it was shown to.

The more it has seen, the less its figures are worth.

A file of one JSON object a line, in git, to which lines are only ever added.
"""

from radiotrace import records
from radiotrace.records import ledgers


def read(path) -> list[dict]:
    """The openings so far, as ledgers.read gives them."""
    return ledgers.read(path, "opening")


def add(
    path,
    run_id: str,
    weights_sha256: str,
    stage: str,
    case_ids: list[str],
    metrics_sha256: str,
    what_for: str,
) -> bool:
    """Adds an opening, unless this stage has opened the part for this model before: to reproduce a run is not
    to open it again.

    A model is a run with its weights: a processor that rounds otherwise, or lacks a number format, gives
    other weights to the same run_id.

    Args:
        path: the ledger.
        run_id, weights_sha256: of the model.
        case_ids: that were opened. Their digest tells openings of one test part from those of another fold or
            split.
        metrics_sha256: of the record that came out.

    Returns:
        Whether a line was added.
    """
    if any((*ledgers.model(line), line["stage"]) == (run_id, weights_sha256, stage) for line in read(path)):
        return False
    line = {
        "run_id": run_id,
        "weights_sha256": weights_sha256,
        "stage": stage,
        "n_cases": len(case_ids),
        "cases_sha256": records.digest(sorted(case_ids)),
        "metrics_sha256": metrics_sha256,
        "what_for": what_for,
    }
    ledgers.add(path, [line], "opening")
    return True
