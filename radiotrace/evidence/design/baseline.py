"""The baseline of requirements: what was required when it was last signed for, so that nothing goes or is
softened without a word.

released_requirements.json beside the requirements, of the software and of the study, which 'python -m
radiotrace baseline' writes once everything is reviewed. Both are part of the evidence, and so of what is
signed; and git keeps every version of them. A requirement that is given up stands under 'retired' in the
requirements.yaml that had it.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

from radiotrace import records
from radiotrace.evidence.design import reviews

FILE, SCHEMA = "released_requirements.json", "requirements_baseline"
LOOSER = {">=": lambda then, now: now < then, "<=": lambda then, now: now > then}
LISTS = {
    "negative_controls": "negative controls",
    "risk_controls": "risk controls",
    "user_needs": "user needs",
}


@dataclass(frozen=True)
class Change:
    """What became of a requirement since a baseline.

    Attributes:
        kind: 'gone', 'softened', 'reworded', 'retired' or 'new'; the first three are gaps.
        what: then and now, in words.
    """

    requirement: str
    kind: str
    what: str


OPEN = ("gone", "softened", "reworded")


def record(required: dict, known_tests: dict[str, dict]) -> dict:
    """The record 'requirements_baseline' of the requirements as they are.

    Args:
        required: the record 'requirements'.
        known_tests: of tests.declared().
    """
    return {"requirements": {row["id"]: _row(row, known_tests) for row in required["requirements"]}}


def _row(row: dict, known_tests: dict[str, dict]) -> dict:
    criterion = {key: row["acceptance"][key] for key in reviews.DECIDES} if "acceptance" in row else None
    return {
        "statement": row["statement"],
        "status": row["status"],
        "criterion": criterion,
        "min_tests": row["verification"]["min_tests"],
        "tests": sorted(name for name, test in known_tests.items() if row["id"] in test["verifies"]),
        "negative_controls": sorted(row["verification"]["negative_controls"]),
        "risk_controls": sorted(row["risk_controls"]),
        "user_needs": sorted(row["parents"]),
        "sha256": records.digest(row),
    }


def read(*folders) -> dict | None:
    """The baseline of folders of design controls, as one; None where nothing was signed for yet.

    Args:
        folders: where two have a requirement of one id, that of the first counts.

    Raises:
        StageError: a file breaks its schema.
    """
    paths = [Path(folder) / FILE for folder in folders]
    baselines = [records.read(path, "requirements_baseline") for path in paths if path.exists()]
    rows = {}
    for baseline in reversed(baselines):
        rows |= baseline["requirements"]
    return {"requirements": rows} if baselines else None


def since(before: dict, required: dict, known_tests: dict[str, dict]) -> list[Change]:
    """What became of each requirement since a baseline, in the order of their ids. Those that are as they
    were have no change.

    Args:
        before: the record 'requirements_baseline'.
        required, known_tests: as `record` takes them.
    """
    then, now = before["requirements"], record(required, known_tests)["requirements"]
    retired = {row["id"]: row["reason"] for row in required.get("retired", ())}
    changes = []
    for name in sorted(then.keys() | now.keys()):
        if name in then and name in now:
            changes += _softened(name, then[name], now[name])
        elif name in now:
            changes.append(Change(name, "new", now[name]["statement"]))
        elif name in retired:
            changes.append(Change(name, "retired", retired[name]))
        else:
            changes.append(Change(name, "gone", f"was: {then[name]['statement']}"))
    return changes


def _softened(name: str, then: dict, now: dict) -> list[Change]:
    reasons = _criterion(then["criterion"], now["criterion"]) + _fewer(then, now)
    if then["status"] == "approved" != now["status"]:
        reasons.append(f"was approved, is {now['status']}")
    changes = [Change(name, "softened", reason) for reason in reasons]
    if then["statement"] != now["statement"]:
        changes.append(Change(name, "reworded", f"was: {then['statement']} Is: {now['statement']}"))
    return changes


def _criterion(then: dict | None, now: dict | None) -> list[str]:
    """Where a criterion asks for less, or for something else."""
    if then is None:
        return []
    if now is None:
        return ["its criterion is gone"]
    differences = [
        f"{key}: was {then[key]}, is {now[key]}"
        for key in ("metric", "part", "bound", "op")
        if then[key] != now[key]
    ]
    if not differences and LOOSER[then["op"]](then["threshold"], now["threshold"]):
        differences.append(f"threshold: was {then['op']} {then['threshold']:g}, is {now['threshold']:g}")
    if now["min_subjects"] < then["min_subjects"]:
        differences.append(f"subjects needed: were {then['min_subjects']}, are {now['min_subjects']}")
    return differences


def _fewer(then: dict, now: dict) -> list[str]:
    """Where fewer tests, or controls, stand behind a requirement. A test may get another name, but not go."""
    losses = []
    if now["min_tests"] < then["min_tests"]:
        losses.append(f"tests needed: were {then['min_tests']}, are {now['min_tests']}")
    if len(now["tests"]) < len(then["tests"]):
        losses.append(f"tests: were {len(then['tests'])}, are {len(now['tests'])}")
    gone = {key: sorted(set(then[key]) - set(now[key])) for key in LISTS}
    if len(now["negative_controls"]) < len(then["negative_controls"]):
        losses.append(f"negative controls: lacks {', '.join(gone['negative_controls'])}")
    for key in ("risk_controls", "user_needs"):
        if gone[key]:
            losses.append(f"{LISTS[key]}: lacks {', '.join(gone[key])}")
    return losses


def summary(before: dict | None, required: dict, known_tests: dict[str, dict]) -> dict | None:
    """What traceability says of the baseline: how much is gone, softened and reworded, and every change;
    None without one."""
    if before is None:
        return None
    changes = since(before, required, known_tests)
    counts = {}
    for kind in (*OPEN, "retired", "new"):
        counts[f"n_{kind}"] = len({change.requirement for change in changes if change.kind == kind})
    return {
        "sha256": records.digest(before),
        "n_requirements": len(before["requirements"]),
        **counts,
        "changes": [asdict(change) for change in changes],
    }


def gaps(since_baseline: dict | None, required: dict, reviewed: list[dict]) -> list[dict]:
    """What of the baseline speaks against a release; and requirements that were reviewed once and are no
    more, whether a baseline knows them or not.

    Args:
        since_baseline: of `summary`.
        required: the record 'requirements'.
        reviewed: lines of the ledgers of reviews.
    """
    changes = since_baseline["changes"] if since_baseline else ()
    rows = [
        {"item": change["requirement"], "gap": f"{change['kind']} since the baseline: {change['what']}"}
        for change in changes
        if change["kind"] in OPEN
    ]
    known = {row["id"] for row in (*required["requirements"], *required.get("retired", ()))}
    known |= {row["item"] for row in rows}
    gone = sorted({row["item"] for row in reviewed if row["item"].startswith("SRS-")} - known)
    return rows + [
        {"item": name, "gap": "was reviewed as a requirement, and is neither one nor retired"}
        for name in gone
    ]
