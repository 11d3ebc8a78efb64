"""Causes: where hundreds of faults of verify have one cause, it is named once, with what to do.

Called by the command verify. A check that fails still fails.
"""

from collections.abc import Mapping
from pathlib import Path

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.evidence.verify.levels import Check

FEW = 3  # faults that are listed whatever caused them
PLACES = {
    "data set": ("dataset", "build/ingest/dataset.json", ("dataset", "root_sha256")),
    "run": ("metrics", "metrics/metrics.json", ("run_id",)),
}


def another(evidence, root, schema_of: Mapping[str, str]) -> str | None:
    """What the evidence is of that this clone is not; None where both are of one run, or where that cannot be
    read.

    Args:
        evidence: folder of the bundle.
        root: of the clone.
        schema_of: record of the task -> its schema.
    """
    for kind, (name, place, keys) in PLACES.items():
        try:
            schema = schema_of.get(name, name)
            of_clone = records.read(Path(root) / place, schema)
            of_evidence = records.read(Path(evidence) / f"{name}.json", schema)
        except StageError:
            continue
        for key in keys:
            of_clone, of_evidence = of_clone[key], of_evidence[key]
        if of_clone != of_evidence:
            return (
                f"the evidence is of another {kind} than this clone: evidence/{name}.json has "
                f"{of_evidence[:12]}…, {place} has {of_clone[:12]}…. "
                "For evidence of what is here: 'dvc repro evidence'. For the committed run: 'git stash', "
                "then 'dvc checkout'"
            )
    return None


def explain(checks: list[Check], cause: str | None) -> None:
    """Puts a cause in the place of many faults of level 3 that follow from it. The first fault stays, and how
    many there are.

    Args:
        checks: are changed in place.
        cause: of another(); None changes nothing.
    """
    for check in checks:
        if cause and check.level == 3 and len(check.faults) > FEW:
            check.faults = [
                f"{cause}. {len(check.faults)} differences follow from it, such as:",
                check.faults[0],
            ]
