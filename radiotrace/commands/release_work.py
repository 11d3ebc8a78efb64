"""What a release has programs do: run, push, tests, negative controls, evidence, signature, fresh clone.

Called by release.py. Everything is looked at in the current folder, the root of the repository.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from radiotrace import records
from radiotrace.commands import baseline as baselines
from radiotrace.commands import programs, release_people
from radiotrace.commands.steps import State
from radiotrace.errors import StageError
from radiotrace.evidence.design import baseline, controls, negative_controls
from radiotrace.evidence.signing import keys, signatures
from radiotrace.evidence.trace import scope, tests
from radiotrace.evidence.verify import levels, workflow
from radiotrace.pipeline import dvcfile, isolated, params
from radiotrace.pipeline.study import Study

EVIDENCE, MANIFEST = "evidence", Path("evidence/manifest.json")
SOFTWARE, DESIGN = "software", "software/design"
VERIFICATION = ("software/verification", "verification")
OURS = (*programs.PYTHON, "radiotrace")
RECORDED = "software/verification/tests.json"
SEEDED = ("software/verification/negative_controls.json", "verification/negative_controls.json")
# What a run writes into git, beside dvc.lock and the evidence, which later steps change once more.
OF_A_RUN = ("metrics", "datastore", *release_people.BASELINES, "design/test_openings.jsonl")
GATES = "metrics/gates.json"
VERIFIED = Path("execution/verified.txt")


def signed_for() -> State:
    """That the baselines of software and study have the requirements of each as they stand."""
    wanted = baselines.by_folder(release_people.design(), tests.declared("tests"))
    if all(baseline.read(folder) == record for folder, record in wanted.items()):
        return State(True, "the baselines have the requirements as they stand")
    changed = release_people.open_changes()
    if changed:
        return State(False, f"{len(changed)} requirements ask for less than was signed for", tuple(changed))
    return State(False, "the baselines have other requirements or tests")


def sign_for() -> None:
    """Writes the baseline where nothing was softened; else that is for a person to sign for."""
    changed = release_people.open_changes()
    if changed:
        raise StageError(
            f"{len(changed)} requirements ask for less than was signed for",
            changed,
            "Whoever answers for them takes that back, or signs for it: 'python -m radiotrace baseline'.",
        )
    programs.run([*OURS, "baseline"], "baseline", "Mend what it says.")


def ran() -> State:
    """That every stage has run on what lies here; evidence may wait for what tests and faults come to."""
    stale = programs.stale_stages()
    for name, words in stale.items():
        paths = programs.changed_paths(words)
        if name != EVIDENCE or not _waits_for_outcomes(paths):
            path, word = next(iter(paths.items()), ("", "changed"))
            return State(False, f"{len(stale)} stages or data are stale; {name}: {path} {word}")
    return State(True, "DVC finds every stage as it was run")


def _waits_for_outcomes(paths: dict[str, str]) -> bool:
    """Whether evidence cannot be made yet, or is stale by nothing else than these.

    Args:
        paths: what DVC finds changed for evidence.
    """
    if not _has_outcomes():
        return True
    further = [path for path in paths if path not in (SOFTWARE, *VERIFICATION)]
    if not paths or further:
        return False
    return SOFTWARE not in paths or _has_design_of_evidence()


def _has_outcomes() -> bool:
    return all(Path(path).exists() for path in (RECORDED, *SEEDED))


def _has_design_of_evidence() -> bool:
    """Whether software/design/ is as the evidence has it: DVC tells no part of software/ from another."""
    if not MANIFEST.exists():
        return False
    files = records.read(MANIFEST, "manifest")["files"]
    then = {row["path"]: row["sha256"] for row in files if release_people.is_own(row["path"], (DESIGN,))}
    return then == {path.as_posix(): records.sha256(path) for path in controls.files(DESIGN)}


def run_stages() -> None:
    """Brings what is locked and not here, then runs what is stale; evidence only where it can be made."""
    pull = [*programs.DVC, "pull", "--quiet", "--allow-missing", *programs.of_study()]
    # What it says stands above; whatever it could not bring, the stages make or miss.
    subprocess.run(pull, env=programs.environment(Path()), stdout=sys.stderr, check=False)
    stages = [name for name in dvcfile.load(".")["stages"] if name != EVIDENCE]
    words = [*programs.DVC, "repro", *([] if _has_outcomes() else stages)]
    programs.run(words, "dvc repro", "Mend what the stage says above; DVC keeps the stages that ended.")


def pushed() -> State:
    """That the remote has everything that is locked."""
    to_push, nowhere = programs.unpushed()
    if nowhere:
        return State(False, f"{len(nowhere)} locked files are neither here nor in the remote", tuple(nowhere))
    if to_push:
        return State(False, f"the remote lacks {len(to_push)} locked files, such as {to_push[0]}")
    return State(True, "the remote has all that is locked")


def push() -> None:
    """Pushes to DVC's remote, which here lies in git: so this comes before the commit."""
    programs.run(
        [*programs.DVC, "push", *programs.of_study()],
        "dvc push",
        "Mend the remote ('dvc remote list'); 'dvc repro' makes what is nowhere.",
    )


def run_kept() -> State:
    """That HEAD has this run: tests look at the run that is committed."""
    uncommitted = programs.uncommitted()
    changed = [path for path in uncommitted if release_people.is_own(path, OF_A_RUN) and path != GATES]
    if "dvc.lock" in uncommitted and _locked_but_evidence(None) != _locked_but_evidence("HEAD"):
        changed.append("dvc.lock")
    has_outcomes = any(release_people.is_own(path, VERIFICATION) for path in uncommitted)
    if not has_outcomes:  # else evidence was made again from them, and is kept after that
        changed += [path for path in uncommitted if release_people.is_own(path, (EVIDENCE,))]
    if changed:
        return State(
            False,
            f"{len(changed)} files of the run are not committed: {release_people.some(tuple(changed))}",
            tuple(changed),
        )
    return State(True, "HEAD has this run")


def _locked_but_evidence(commit: str | None) -> dict:
    """The stages of dvc.lock, of a commit or as it lies here, without evidence."""
    path = Path("dvc.lock")
    if commit is None:
        lock = params.load_yaml(path)
    else:
        known = programs.read(
            ["git", "ls-tree", "--name-only", commit, "--", str(path)], "Mend what git says."
        )
        if not known:
            return {}
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "dvc.lock"
            copy.write_text(
                programs.read(["git", "show", f"{commit}:{path}"], "Mend what git says."), "utf-8"
            )
            lock = params.load_yaml(copy)
    return {name: stage for name, stage in lock["stages"].items() if name != EVIDENCE}


def tested() -> State:
    """That the tests of all requirements ran on this code, and passed."""
    if not Path(RECORDED).exists():
        return State(False, f"there is no {RECORDED}")
    record, known = records.read(RECORDED, "tests"), tests.declared("tests")
    required = release_people.design().requirements["requirements"]
    if not record["whole"]:
        return State(False, "they ran in part only")
    stale = scope.stale(record, tests.tree(".", (*tests.CODE, *tests.TESTS)), ".", known)
    if stale:
        changed = sorted({line for lines in stale.values() for line in lines})
        return State(
            False,
            f"{len(stale)} files of tests are stale: {release_people.some(tuple(changed))}",
            tuple(changed),
        )
    faults = [
        f"{requirement['id']}: {line}"
        for requirement in required
        if "test" in requirement["verification"]["methods"]
        for line in tests.problems(requirement, record, known)
    ]
    if faults:
        return State(False, f"{len(faults)} of them speak against a requirement", tuple(faults))
    return State(True, f"{len(record['tests'])} tests of requirements passed on this code")


def test() -> None:
    """Runs them; the record is written at the end, and stays as it was where they are stopped."""
    words = [*programs.PYTHON, "pytest", "-m", "requirement", "--record", RECORDED]
    try:
        programs.run(
            [*words, "--junitxml", "execution/tests.junit.xml"],
            "the tests of requirements",
            "Mend the code or the tests, and commit that.",
        )
    except StageError as error:
        raise StageError(error.headline, tested().findings, error.way_out) from None


def seeded() -> State:
    """That every seeded fault was noticed, with this code, these tests and this run."""
    written, known = release_people.design(), tests.declared("tests")
    required, code = written.requirements, tests.tree(".", (*tests.CODE, *tests.TESTS))
    task = workflow.task_of(Study(Path()))
    run_id = records.read("metrics/metrics.json", task.records["metrics"])["run_id"]
    outcomes = controls.outcomes(written, *(_outcomes(path) for path in SEEDED))
    faults, n_controls = [], 0
    for name, control in written.negative_controls.items():
        of_run = run_id if written.owner(name) == controls.STUDY else ""
        seen = negative_controls.seen_sha256(control, required, code, known, of_run)
        for requirement in negative_controls.users(name, required):
            n_controls += 1
            verdict = negative_controls.verdict(control, requirement["id"], outcomes, seen)
            if verdict != "red":
                faults.append(f"{name}: {requirement['id']} is {verdict}, expected red")
    if faults:
        return State(
            False, f"{len(faults)} of {n_controls} outcomes are missing, stale or not red", tuple(faults)
        )
    return State(True, f"all {n_controls} outcomes are red, with this code and these tests")


def _outcomes(path: str) -> dict:
    """What was seen so far; one of the two records is there alone where seeding was stopped between them."""
    return records.read(path, "negative_control_outcomes") if Path(path).exists() else {"controls": {}}


def seed() -> None:
    """Seeds what was not yet seen; outcomes are written one by one."""
    way_out = "Write a test that fails under the fault, or correct the fault; commit that."
    programs.run([*OURS, "negative-controls"], "negative-controls", way_out)


def proven() -> State:
    """That the evidence is of everything that lies here."""
    stale = programs.stale_stages()
    if stale:
        name, words = next(iter(stale.items()))
        path, word = next(iter(programs.changed_paths(words).items()), ("", "changed"))
        return State(False, f"{name} is stale: {path} {word}")
    return State(True, "DVC finds the evidence as it was made")


def prove() -> None:
    """Makes the evidence."""
    programs.run([*programs.DVC, "repro", EVIDENCE], "dvc repro", "Mend what the stage says above.")


def signed(is_test: bool) -> State:
    """That the key which the environment names has signed this evidence."""
    named = keys.fingerprint(keys.private(os.environ.get(keys.VARIABLE)).public_key())
    findings = signatures.verify("signatures", EVIDENCE, keys.known("keys"), ".")
    ours = [finding for finding in findings if finding["kind"] in ("oms", "provenance")]
    faults = [f"{finding['file']}: {fault}" for finding in ours for fault in finding["faults"]]
    for finding in ours:
        if finding["fingerprint"] not in (None, named):
            other_key = finding["fingerprint"][: keys.SHORT]
            faults.append(f"{finding['file']}: signed with key {other_key}, expected {named[: keys.SHORT]}")
    if is_test:
        unmarked = [finding["file"] for finding in ours if finding["trust"] != "test"]
        faults += [f"{file}: its key has no mark of tests" for file in unmarked]
    if faults:
        return State(False, faults[0].splitlines()[0], tuple(faults))
    return State(True, f"{len(ours)} signatures of key {named[: keys.SHORT]} hold")


def sign(is_test: bool) -> None:
    """Signs the evidence."""
    words = [*OURS, "sign", *(["--test-key"] if is_test else [])]
    programs.run(words, "sign", "Mend what it says.")


def verified(level: int) -> State:
    """That a fresh clone of HEAD was verified up to a level."""
    wanted = _verified_line(level)
    lines = VERIFIED.read_text("utf-8").splitlines() if VERIFIED.exists() else []
    if lines[:1] == [wanted]:
        return State(True, wanted)
    return State(False, f"HEAD, {programs.head()[:12]}, was not yet verified up to level {level}")


def _verified_line(level: int) -> str:
    return f"a fresh clone of {programs.head()} was verified up to level {level}"


def verify(level: int, although_blocked: bool) -> None:
    """Verifies a clone of HEAD in a temporary folder, by this repository's verifier.

    Raises:
        StageError: something does not hold, but for a release that is blocked where that is wanted.
    """
    line = _verified_line(level)
    named = keys.fingerprint(keys.private(os.environ.get(keys.VARIABLE)).public_key())
    with tempfile.TemporaryDirectory() as folder:
        clone, listed, report = (Path(folder) / name for name in ("clone", "fingerprints", "checks.json"))
        programs.read(["git", "clone", "-q", "--no-hardlinks", ".", str(clone)], "Mend what git says.")
        pull = [*programs.DVC, "pull", "-q", *programs.of_study(clone)]
        programs.read(pull, "HEAD locks what its remote does not have: 'dvc push', then commit.", clone)
        listed.write_text(f"{named} the key that signed this release\n", "utf-8")
        words = ("verify", "--clone", str(clone), "--fingerprints", str(listed))
        words = isolated.command("radiotrace", *words, "--level", str(level), "--json", str(report))
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)
        checks = json.loads(report.read_text("utf-8")) if report.exists() else None
    if checks is None:
        raise StageError(f"verify ended with status {done.returncode}", done.stdout.splitlines())
    is_wanted = levels.release(EVIDENCE).what if although_blocked else None
    faults = [
        f"{check['what']}: {fault}"
        for check in checks
        if check["what"] != is_wanted
        for fault in check["faults"]
    ]
    if faults:
        raise StageError(
            f"a fresh clone of HEAD does not verify: {len(faults)} faults",
            faults,
            "Mend what they name. Nothing was published.",
        )
    records.write_bytes(VERIFIED, f"{line}\n\n{done.stdout}".encode())
