"""Baselines: what became of every requirement that was ever signed for, as git knows it."""

from dataclasses import dataclass

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.evidence.design import baseline
from radiotrace.evidence.trace import tests
from radiotrace.evidence.verify import history
from radiotrace.evidence.verify.levels import Check
from radiotrace.pipeline import params
from radiotrace.pipeline.study import Study

WHAT = "no requirement is gone or softened since a baseline without a word"


@dataclass(frozen=True)
class Earlier:
    """A baseline that a commit has, of the software, of the study, or of both before they were parted."""

    commit: str
    record: dict


def folders(study: Study) -> tuple[str, str]:
    """Those of design controls, in the repository: of the software and of the study.

    The second of the first study once had what is the software's now; that none of it was lost is for the
    first study to show.
    """
    return history.SOFTWARE, study.in_repository(history.STUDY)


def paths(study: Study) -> list[str]:
    """Where baselines are, in the repository."""
    return [f"{folder}/{baseline.FILE}" for folder in folders(study)]


def check(study: Study) -> Check:
    """Level 3: of every requirement that a baseline in git ever had, what became of it.

    One that is gone is a fault, one that was retired is told. One that is softened or reworded is a fault
    until a new baseline has it so; then it is told. One that went from a baseline although it is still
    required is a fault: nothing would tell how it changes. It does not matter which of the two folders has a
    requirement, or had it.
    """
    root = study.repository
    past, result = history.History(root), Check(3, WHAT)
    if past.missing:
        return Check(3, WHAT, skipped=[past.missing], looked=False)
    states = [state for path in paths(study) for state in _states(past, path)]
    now = baseline.read(*(root / folder for folder in folders(study)))
    absent = [path for path in paths(study) if not (root / path).is_file()]
    for path in absent:
        commits = [commit for commit, _ in past.states(path)]
        if commits:
            result.faults.append(f"{path}: is no more; commit {commits[-1][:12]} has one")
        else:
            result.skipped.append(f"there is no {path}: nobody signed for these requirements yet")
    if now is None:
        result.looked = bool(result.faults)
        return result
    required, known = _required(study), tests.declared(root / "tests")
    changes = baseline.since(now, required, known)
    result.faults += [
        f"{change.requirement}: {change.kind}: {change.what}"
        for change in changes
        if change.kind in baseline.OPEN
    ]
    result.warned = [
        f"{change.requirement}: retired since the baseline: {change.what}"
        for change in changes
        if change.kind == "retired"
    ]
    for earlier in states:
        result.warned += _changed(earlier, now, required, known)
        result.faults += _gone(earlier, now, required, known)
    result.warned = list(dict.fromkeys(result.warned))
    result.faults = list(dict.fromkeys(result.faults))
    return result


def _required(study: Study) -> dict:
    """The requirements of both folders, as they stand.

    Raises:
        StageError: a file breaks its schema, or there is none.
    """
    names = [f"{folder}/requirements.yaml" for folder in folders(study)]
    rows, retired = [], []
    for name in [name for name in names if (study.repository / name).is_file()] or names:
        record = params.load_yaml(study.repository / name)
        if broken := records.faults(record, "requirements"):
            raise StageError(f"{name} breaks its schema", broken, f"Correct {name}.")
        rows += record["requirements"]
        retired += record.get("retired", [])
    return {"requirements": rows, "retired": retired}


def _states(past: history.History, path: str) -> list[Earlier]:
    """Every baseline that ever stood under a path, the oldest first; what is none is left out."""
    baselines = []
    for commit, text in past.states(path):
        try:
            record = records.parse(text)
        except ValueError:
            continue
        if not records.faults(record, baseline.SCHEMA):
            baselines.append(Earlier(commit, record))
    return baselines


def _gone(earlier: Earlier, now: dict, required: dict, known: dict) -> list[str]:
    """What an earlier baseline had that is required no more, or that no baseline has now."""
    faults = [
        f"{change.requirement}: gone since the baseline of commit {earlier.commit[:12]}: {change.what}"
        for change in baseline.since(earlier.record, required, known)
        if change.kind == "gone"
    ]
    ids = {row["id"] for row in required["requirements"]}
    return faults + [
        f"{name}: the baseline of commit {earlier.commit[:12]} has it, and none that is here"
        for name in sorted(earlier.record["requirements"].keys() & ids - now["requirements"].keys())
    ]


def _changed(earlier: Earlier, now: dict, required: dict, known: dict) -> list[str]:
    """What an earlier baseline had otherwise."""
    if all(now["requirements"].get(name) == row for name, row in earlier.record["requirements"].items()):
        return []
    then = f"since the baseline of commit {earlier.commit[:12]}"
    return [
        f"{change.requirement}: {change.kind} {then}: {change.what}"
        for change in baseline.since(earlier.record, required, known)
        if change.kind in ("softened", "reworded", "retired")
    ]
