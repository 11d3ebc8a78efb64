"""Baselines: what became of every requirement that was ever signed for, as git knows it."""

from pathlib import Path

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.evidence.design import baseline
from radiotrace.evidence.trace import tests
from radiotrace.evidence.verify import history
from radiotrace.evidence.verify.levels import Check
from radiotrace.pipeline import params

WHAT = "no requirement is gone or softened since a baseline without a word"


def check(root) -> Check:
    """Level 3: of every requirement that a baseline in git ever had, what became of it.

    One that is gone is a fault, one that was retired is told. One that is softened or reworded is a fault
    until a new baseline has it so; then it is told.
    """
    past, result = history.History(root), Check(3, WHAT)
    if past.missing:
        return Check(3, WHAT, skipped=[past.missing], looked=False)
    states = past.states(baseline.PATH)
    now = baseline.read(Path(root) / "design")
    if now is None:
        if states:
            return Check(3, WHAT, [f"{baseline.PATH}: is no more; commit {states[-1][0][:12]} has one"])
        return Check(
            3,
            WHAT,
            skipped=[f"there is no {baseline.PATH}: nobody signed for these requirements yet"],
            looked=False,
        )
    required = params.load_yaml(Path(root) / "design/requirements.yaml")
    if broken := records.faults(required, "requirements"):
        raise StageError(
            "design/requirements.yaml breaks its schema", broken, "Correct design/requirements.yaml."
        )
    known = tests.declared(Path(root) / "tests")
    changes = baseline.since(now, required, known)
    result.faults = [
        f"{change.requirement}: {change.kind}: {change.what}"
        for change in changes
        if change.kind in baseline.OPEN
    ]
    result.warned = [
        f"{change.requirement}: retired since the baseline: {change.what}"
        for change in changes
        if change.kind == "retired"
    ]
    for commit, text in states:
        result.warned += _told(commit, text, now, required, known)
        result.faults += _gone(commit, text, required, known)
    result.warned = list(dict.fromkeys(result.warned))
    result.faults = list(dict.fromkeys(result.faults))
    return result


def _earlier(text: str) -> dict | None:
    try:
        found = records.parse(text)
    except ValueError:
        return None
    return None if records.faults(found, baseline.SCHEMA) else found


def _gone(commit: str, text: str, required: dict, known: dict) -> list[str]:
    before = _earlier(text)
    changes = baseline.since(before, required, known) if before else []
    return [
        f"{change.requirement}: gone since the baseline of commit {commit[:12]}: {change.what}"
        for change in changes
        if change.kind == "gone"
    ]


def _told(commit: str, text: str, now: dict, required: dict, known: dict) -> list[str]:
    """What an earlier baseline had otherwise."""
    before = _earlier(text)
    if before is None or before == now:
        return []
    return [
        f"{change.requirement}: {change.kind} since the baseline of commit {commit[:12]}: {change.what}"
        for change in baseline.since(before, required, known)
        if change.kind in ("softened", "reworded", "retired")
    ]
