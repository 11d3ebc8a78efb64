"""The ledger of the test part: which models it was shown to. The more it has seen, the less its figures are worth.

A file of one JSON object a line, in git, to which lines are only ever added.
"""
import json
from pathlib import Path

from radiotrace import records
from radiotrace.stage import StageError


def read(path) -> list[dict]:
    """The openings so far, each of schema 'opening'; [] where there is no file yet.

    Raises:
        StageError: names every line that is no opening.
    """
    if not Path(path).exists():
        return []
    found, broken = [], []
    for number, line in enumerate(Path(path).read_text("utf-8").splitlines(), 1):
        try:
            found.append(json.loads(line))
        except ValueError:
            broken.append(f"line {number}: no JSON")
            continue
        broken += [f"line {number}: {fault}" for fault in records.faults(found[-1], "opening")]
    if broken:
        raise StageError(f"{path} is broken", broken, f"Restore it with 'git checkout {path}'; lines are only ever added.")
    return found


def add(path, run_id: str, stage: str, case_ids: list[str], metrics_sha256: str, what_for: str) -> bool:
    """Adds an opening, unless this stage has opened the part for this run before: to reproduce a run is not to open it again.

    Args:
        path: the ledger.
        run_id: of the model.
        case_ids: that were opened. Their digest tells openings of one test part from those of another fold or split.
        metrics_sha256: of the record that came out.

    Returns:
        Whether a line was added.
    """
    before = read(path)
    if any((line["run_id"], line["stage"]) == (run_id, stage) for line in before):
        return False
    line = {"run_id": run_id, "stage": stage, "n_cases": len(case_ids), "cases_sha256": records.digest(sorted(case_ids)),
            "metrics_sha256": metrics_sha256, "what_for": what_for}
    if broken := records.faults(line, "opening"):
        raise ValueError(f"not an opening: {broken}")
    text = "".join(json.dumps(one, sort_keys=True, ensure_ascii=False) + "\n" for one in (*before, line))
    records.write_bytes(path, text.encode())
    return True
