"""What a release waits for people to do: it says who must do what, and does none of it for them.

Called by release.py. Everything is looked at in the current folder, the root of the repository.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from radiotrace.commands import programs
from radiotrace.commands.steps import State
from radiotrace.errors import StageError
from radiotrace.evidence.design import baseline, controls, reviews
from radiotrace.evidence.signing import keys, signatures
from radiotrace.evidence.trace import tests
from radiotrace.evidence.verify import levels

DESIGN, SOFTWARE = "design", "software"
BASELINES = tuple(f"{folder}/{baseline.FILE}" for folder in ("software/design", DESIGN))
# What a release writes; everything else that git knows is a source, which people commit.
OWN = (
    "dvc.lock",
    "metrics",
    "evidence",
    "software/verification",
    "verification",
    "signatures",
    "keys",
    "datastore",
    *BASELINES,
    "design/test_openings.jsonl",
)


def is_own(path: str, own: tuple[str, ...] = OWN) -> bool:
    """Whether a path is one of these, or lies in one."""
    return any(path == name or path.startswith(f"{name}/") for name in own)


def some(names: Sequence[str]) -> str:
    """The first name, and how many more there are."""
    return f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else names[0]


def design() -> controls.Design:
    """The design controls of the software and of the first study."""
    return controls.load(DESIGN, SOFTWARE)


def baseline_here() -> dict | None:
    """What was signed for last, of both."""
    return baseline.read(controls.design_of(SOFTWARE), DESIGN)


def key(is_test: bool) -> State:
    """The signing key that the environment names."""
    named = keys.fingerprint(keys.private(os.environ.get(keys.VARIABLE)).public_key())
    known = keys.known("keys").get(named)
    if is_test and known is not None and known.trust == "release":
        return State(
            False, f"key {named[: keys.SHORT]} is marked as a release key in keys/, not as one of tests"
        )
    return State(True, f"key {named[: keys.SHORT]}")


def ask_for_key(is_test: bool) -> None:
    """Raises what is wrong with it."""
    keys.private(os.environ.get(keys.VARIABLE))
    raise StageError(key(is_test).why, way_out="Leave out --test-key, or use another key for tests.")


def sources() -> State:
    """That what people write is committed: the evidence is of a commit."""
    changed = tuple(path for path in programs.uncommitted() if not is_own(path))
    if changed:
        return State(False, f"{len(changed)} files are not committed: {some(changed)}", changed)
    return State(True, "nothing that people write differs from HEAD")


def ask_for_sources() -> None:
    """Raises the files."""
    changed = sources().findings
    raise StageError(
        f"{len(changed)} files are not committed",
        changed,
        "Whoever wrote them commits what belongs to the release, and takes away or ignores the rest.",
    )


def reviewed() -> State:
    """That every item of software/design/ and design/ was reviewed as it stands."""
    written = design()
    items = controls.items(written)
    states = {name: reviews.status(name, content, written.reviews) for name, content in items.items()}
    waiting = tuple(f"{name}: {state}" for name, state in states.items() if state != "reviewed")
    if waiting:
        return State(False, f"{len(waiting)} of {len(items)} items wait for review", waiting)
    return State(True, f"all {len(items)} items are reviewed")


def ask_for_reviews() -> None:
    """Raises the items."""
    state = reviewed()
    raise StageError(
        state.why,
        state.findings,
        "Whoever answers for them reads the page that 'make review' writes, signs what it showed with\n"
        "'python -m radiotrace review --all --as NAME --shown DIGEST', and commits the ledgers of reviews.\n"
        "A release never reviews for people.",
    )


def open_changes() -> list[str]:
    """What of the last baseline is gone, softened or reworded: nobody but people signs for that."""
    before, known = baseline_here(), tests.declared("tests")
    required = design().requirements
    changes = baseline.since(before, required, known) if before else []
    return [
        f"{change.requirement}: {change.kind}: {change.what}"
        for change in changes
        if change.kind in baseline.OPEN
    ]


def unblocked(although_blocked: bool) -> State:
    """That nothing blocks the release, or that it is wanted all the same, with evidence that says so."""
    reasons = tuple(levels.release("evidence").faults)
    if reasons and although_blocked:
        return State(True, f"blocked by {len(reasons)} gaps, which its evidence says; wanted all the same")
    if reasons:
        return State(False, f"the release is blocked by {len(reasons)} gaps", reasons)
    return State(True, "nothing blocks the release")


def ask_for_what_blocks() -> None:
    """Raises the gaps."""
    state = unblocked(although_blocked=False)
    raise StageError(
        state.why,
        state.findings,
        "Whoever owns these items closes the gaps. To sign and keep evidence that says that the release is\n"
        "blocked, give --although-blocked.",
    )


def signed_reviews() -> State:
    """That the reviews which people signed are of this evidence, and that nothing else lies beside them."""
    findings = signatures.verify("signatures", "evidence", keys.known("keys"), ".")
    reviews_signed = [finding for finding in findings if finding["kind"] not in ("oms", "provenance")]
    wrong = tuple(f"{finding['file']}: {fault}" for finding in reviews_signed for fault in finding["faults"])
    if wrong:
        return State(False, f"{len(wrong)} files of signatures/ are not of this evidence", wrong)
    return State(
        True,
        f"{len(reviews_signed)} reviews are signed"
        if reviews_signed
        else "no review is signed, none is outdated",
    )


def ask_for_signed_reviews() -> None:
    """Raises the files."""
    state = signed_reviews()
    raise StageError(
        state.why,
        state.findings,
        "Each of these people signs again, with their own key, what they stand for:\n"
        "'python -m radiotrace sign --review --name NAME --meaning MEANING'; or take the file away.\n"
        "A release never signs for people.",
    )


def kept(own: tuple[str, ...] = OWN) -> State:
    """That what a release wrote is committed."""
    changed = tuple(path for path in programs.uncommitted() if is_own(path, own))
    if changed:
        return State(False, f"{len(changed)} files are not committed: {some(changed)}", changed)
    return State(True, f"as HEAD has it, {programs.head()[:12]}")


def _holds_any(name: str, paths: tuple[str, ...]) -> bool:
    return any(is_own(path, (name,)) for path in paths)


def keep(message: str, commits: bool) -> None:
    """Commits what the release wrote, where it was asked to; else says how.

    Raises:
        StageError: nobody asked for it, or git fails.
    """
    changed = kept().findings
    tops = [name for name in OWN if _holds_any(name, changed)]
    if not commits:
        raise StageError(
            f"{len(changed)} files are not committed",
            tops,
            f"Look at them, then: git add -A -- {' '.join(tops)} && git commit -m '{message}'\n"
            f"With --commit the release does so by itself.",
        )
    way_out = "Mend what git says."
    programs.run(["git", "add", "-A", "--", *tops], "git add", way_out, Path())
    programs.run(["git", "commit", "-q", "-m", message], "git commit", way_out, Path())
