"""History: what git knows of the ledgers and the criteria, and what nobody can therefore say otherwise."""
import os
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from radiotrace import params
from radiotrace.evidence import reviews
from radiotrace.evidence.verify import Check
from radiotrace.stage import StageError

OPENINGS, REQUIREMENTS = "design/test_openings.jsonl", "design/requirements.yaml"
LEDGERS = (OPENINGS, "design/reviews.jsonl")
FEW = 3  # faults of a ledger that are listed one by one


def check(root) -> Check:
    """Level 3: in git, both ledgers only grew, and each criterion stands as when the test part was first opened."""
    what = "ledgers only grew, and criteria stand as before the test part was opened"
    shallow = _git(root, "rev-parse", "--is-shallow-repository").strip()
    if shallow != "false":
        reason = "the history is not here: 'git fetch --unshallow'" if shallow == "true" else "git knows no history of this folder"
        return Check(3, what, skipped=[reason], looked=False)
    faults, first = [], None
    for ledger in LEDGERS:
        now, lost = _lines(Path(root) / ledger), []
        main_line = set(_commits(root, ledger, "--first-parent"))
        for commit in _commits(root, ledger):
            then = _git(root, "cat-file", "blob", f"{commit}:./{ledger}").splitlines()
            if ledger == OPENINGS and then:
                first = commit
            lost += _lost(ledger, commit, then, now, commit in main_line)
        faults += _together(ledger, lost)
    return Check(3, what, faults + (_criteria(root, first) if first else []))


def _commits(root, path: str, *options) -> list[str]:
    """The commits that changed a file, the newest first."""
    return _git(root, "rev-list", *options, "HEAD", "--", path).split()


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8", "replace").splitlines() if path.is_file() else []


def _lost(ledger: str, commit: str, then: list[str], now: list[str], begins: bool) -> list[str]:
    """What a ledger lacks of an earlier state: lines, or their order, on which it depends what came first.

    Args:
        begins: whether the earlier state must be the beginning of what stands now. That of a branch that was merged need not be.
    """
    if gone := [line for line in then if line not in now]:
        return [f"{ledger}: lacks a line that commit {commit[:12]} has: {line[:80]}" for line in gone]
    rest = iter(now)
    if (begins and now[:len(then)] != then) or not all(line in rest for line in then):
        return [f"{ledger}: its lines are in another order than in commit {commit[:12]}, or some were put between them"]
    return []


def _together(ledger: str, lost: list[str]) -> list[str]:
    """What a ledger lacks: line by line where these are few, else once, with what to do."""
    if len(lost) <= FEW:
        return lost
    of_commit = Counter(fault.partition(" has: ")[0] for fault in lost)  # a ledger grows: the commit that lacks most has them all
    return [f"{ledger}: lacks {max(of_commit.values())} lines that earlier commits have. Restore it: 'git checkout HEAD -- {ledger}'. Of a study of "
            "its own it is another ledger, which belongs into a repository without this history: copy the files there, then 'git init'", lost[0]]


def _criteria(root, commit: str) -> list[str]:
    """Where a criterion is not what it was in a commit, or is there no more."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "requirements.yaml"
        path.write_text(_git(root, "cat-file", "blob", f"{commit}:./{REQUIREMENTS}"), "utf-8", "surrogateescape")
        then, now = _digests(path), _digests(Path(root) / REQUIREMENTS)
    if then is None or now is None:
        return [f"{REQUIREMENTS}: cannot be read {'as it stands now' if now is None else f'in commit {commit[:12]}'}"]
    return [f"{name}: its criterion is not that of commit {commit[:12]}, when the test part was first opened"
            for name in sorted(then.keys() | now.keys()) if then.get(name) != now.get(name)]


def _digests(path: Path) -> dict[str, str] | None:
    """Digest of each requirement's criterion, by id; those without one are left out. None where the file is no list of requirements."""
    try:
        found = {one["id"]: reviews.criterion_sha256(one) for one in params.load_yaml(path)["requirements"]}
    except (StageError, LookupError, TypeError, ValueError):
        return None
    return {name: digest for name, digest in found.items() if digest}


def _git(root, *words) -> str:
    """What git prints; nothing where it fails. Only plumbing, which starts no program that a repository names in its settings."""
    plain = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, encoding="utf-8", errors="surrogateescape", check=False,
                              env=plain)
    except OSError:
        return ""
    return done.stdout if done.returncode == 0 else ""
