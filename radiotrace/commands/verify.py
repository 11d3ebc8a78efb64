"""verify: what holds of the evidence in this clone, and what was not checked, up to a level.

level 0  coreutils and openssl, by hand  (it prints the commands)
level 1  the bundle is whole          level 4  metrics and intervals follow from the predictions
level 2  signatures                   level 5  the predictions follow from the model
level 3  it follows from this clone   level 6  everything follows from the data: 'dvc repro' in another clone

At level 5 every stage but train runs again, the released file is run with its recipe, and a rule warns where
the network knows its test cases better than strangers. The last lines name what was believed
(radiotrace/evidence/verify/believed.py).
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from radiotrace import records
from radiotrace.commands import of_task
from radiotrace.commands.of_study import with_study
from radiotrace.errors import StageError, log
from radiotrace.evidence.signing import keys, signatures
from radiotrace.evidence.verify import (
    baselines,
    believed,
    beside,
    causes,
    closed_world,
    derived,
    history,
    levels,
    remade,
    verifier,
    workflow,
)
from radiotrace.evidence.verify.levels import Check, Clone
from radiotrace.pipeline import isolated, study
from radiotrace.pipeline.tasks import Task

NAMES = {
    1: "the bundle is whole",
    2: "signatures",
    3: "it follows from this clone",
    4: "numbers follow from predictions",
    5: "predictions follow from the model",
    6: "everything follows from the data",
}
SHOWN = 12  # faults of one check
WIDTH = 400  # characters of one line
# What records of any shape make of code that reads them; RecursionError is a RuntimeError.
OF_STRANGERS = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
)
BY_HAND = Path(levels.__file__).with_name("by_hand.sh")


def run(args) -> int:
    """Checks the evidence up to a level, and prints what holds, what does not, and what was not checked."""
    if args.level == 0:
        print(
            f"# Level 0 is yours to run, in this folder, without any of our code. Nothing was checked "
            f"yet.\n{BY_HAND.read_text('utf-8')}",
            end="",
        )
        return 0
    clone, checks, on_signatures, signers = the_clone(args), [], [], []
    for level in range(1, args.level + 1):
        if level in ANNOUNCED:
            log(f"verify: {ANNOUNCED[level]}")
        if level == 2:
            checks += attempt(
                2,
                "every signature fits its key and what it is over",
                signatures_of,
                args,
                clone,
                on_signatures,
                signers,
            )
        for claim, function in of_level(level, clone):
            checks += attempt(level, claim, function, clone)
    task = task_of(clone)
    cause = causes.another(clone.evidence, clone.root, task.records) if task else None
    causes.explain(checks, cause)
    checks += [
        Check(level, NAMES[level], skipped=["not asked for"], looked=False)
        for level in range(args.level + 1, 7)
    ]
    if not signers:
        signers = [f"signed by: {'nobody' if args.level >= 2 else 'not looked at before level 2'}"]
    output = [
        *signers,
        verifier.line(clone),
        "",
        *lines(checks),
        *on_signatures,
        *belief_lines(checks, args.level, task),
    ]
    print("\n".join(with_study(printable(line), clone.study.place) for line in output))
    if args.json:
        records.write_bytes(
            args.json, (json.dumps([vars(check) for check in checks], indent=2) + "\n").encode()
        )
    return int(any(check.faults for check in checks))


def of_level(level: int, clone: Clone) -> list[tuple]:
    """The checks of a level: what one says where it cannot go on, and a function of the clone; those of every
    study, then those of its task. A study of a task that this verifier does not have fails."""
    checks = list(CHECKS.get(level, ()))
    if level in OF_TASK:
        try:
            checks += of_task.verification(workflow.task_of(clone.study)).LEVELS.get(level, ())
        except (StageError, *OF_STRANGERS) as error:
            fault = (str(error).splitlines() or [type(error).__name__])[0]
            checks.append((OF_TASK[level], lambda _: [fault]))
    return checks + list(LAST.get(level, ()))


def derived_checks(clone: Clone) -> list[Check]:
    """Level 3: the records that follow from others, those of every study and those of its task."""
    from radiotrace.imaging import checks  # here, because it reads images elsewhere

    task = workflow.task_of(clone.study)
    own = of_task.verification(task)
    functions = {**derived.of_every_study(checks), **own.DERIVED}
    return derived.checks(derived.Sources(clone, task), functions, own.OPENED)


def parts_of_task(clone: Clone) -> Check:
    """Level 3: which analyses are not part of the task of this study, so that no check of them is missed."""
    task = workflow.task_of(clone.study)
    absent = [f"not part of the task {task.name}: {what}" for what in task.not_part.values()]
    return Check(3, "its task is one that this verifier has", skipped=absent)


def the_clone(args) -> Clone:
    """Where everything lies that is looked at."""
    place = study.at(args.study, args.project).place
    root = Path(args.project) / place
    return Clone(root, root / args.evidence, root / args.signatures, root / args.keys, place)


def task_of(clone: Clone) -> Task | None:
    """What the task of the study declares.

    None where this verifier has no such task, which a check of level 3 says.
    """
    try:
        return workflow.task_of(clone.study)
    except (StageError, *OF_STRANGERS):
        return None


def belief_lines(checks: list[Check], level: int, task: Task | None) -> list[str]:
    """The last lines: what was taken as it stands, around the pipeline and in its records."""
    of_records = believed.lines(
        level,
        task.not_part if task else (),
        is_imported=task is not None and bool(task.like),
        has_boxes=task is not None and "boxes" in task.records,
    )
    rows = dict.fromkeys([line for check in checks for line in check.believed] + of_records)
    return ["", "believed, not made again:", *(f"  {line}" for line in rows)]


def printable(line: str) -> str:
    """A line as it may go to a terminal: names in a bundle could hold line breaks, which would forge a
    line of ours, or commands to the terminal."""
    text = "".join(character if character.isprintable() else ascii(character)[1:-1] for character in line)
    return text if len(text) <= WIDTH else f"{text[:WIDTH]} …"


def lines(checks: list[Check]) -> list[str]:
    """A line for each check, its faults and what was left out below it; then the sum."""
    text = []
    for check in checks:
        word = "FAILS" if check.faults else "holds" if check.looked else "-----"
        text.append(f"level {check.level}  {word}  {check.what}")
        text += [f"                {fault}" for fault in check.faults[:SHOWN]]
        if len(check.faults) > SHOWN:
            text.append(f"                … and {len(check.faults) - SHOWN} more")
        text += [f"                warning: {warning}" for warning in check.warned[:SHOWN]]
        if len(check.warned) > SHOWN:
            text.append(f"                … and {len(check.warned) - SHOWN} more")
        text += [f"                not checked: {reason}" for reason in check.skipped]
    n_failed = sum(bool(check.faults) for check in checks)
    if n_failed:
        return [*text, "", f"{n_failed} of {len(checks)} checks fail"]
    return [*text, "", "nothing that was checked fails; see what was not checked"]


def signatures_of(args, clone: Clone, on_signatures: list[str], signers: list[str]) -> Check:
    """Level 2.

    Without a signature there is nothing to check, unless the reader brought a key and so expects one.

    Args:
        on_signatures: gets a line for each signature.
        signers: gets the first lines, on whose key it is.
    """
    check = Check(2, "every signature fits its key and what it is over")
    brought = [*(args.pubkey or ()), *([args.fingerprints] if args.fingerprints else [])]
    keys.demand_outside(brought, clone.study.repository)
    if not clone.signatures.is_dir() and not brought:
        return Check(2, check.what, skipped=[f"there is no {args.signatures}/"], looked=False)
    fingerprints = keys.fingerprints(args.fingerprints) if args.fingerprints else None
    known_keys = keys.known(clone.keys, args.pubkey or (), fingerprints)
    findings = signatures.verify(clone.signatures, clone.evidence, known_keys, clone.root)
    signers += signatures.signers(findings)
    check.faults = [f"{finding['file']}: {fault}" for finding in findings for fault in finding["faults"]]
    check.skipped = [f"{finding['file']}: {note}" for finding in findings for note in finding["notes"]]
    on_signatures += ["", *signatures.lines(findings)]
    if any(finding["key_source"] == "clone" for finding in findings):
        check.skipped.append(
            "whose key it is: a key from this clone shows integrity, not identity; give "
            "yours with --pubkey or --fingerprints"
        )
    return check


def attempt(level: int, claim: str, function, *places) -> list[Check]:
    """The checks that a function gives, or one with the list of faults that it gives.

    Its inputs come from strangers and may be missing or of any shape. Where it cannot go on, the check has
    failed, and the others go on.
    """
    try:
        answer: Any = function(*places)
    except StageError as error:
        answer = [error.headline, *error.findings]
    except OF_STRANGERS as error:
        answer = [f"cannot be looked at: {type(error).__name__}: {error}"]
    answer = answer if isinstance(answer, list) else [answer]
    if answer and all(isinstance(check, Check) for check in answer):
        return answer
    return [Check(level, claim, answer)]


def reproduce(clone: Clone) -> Check:
    """Level 6: the commit of this clone, run from the data in a temporary clone, from nothing: no checkpoint,
    no cache, no setting of ours.

    It runs what the clone has, so it begins only where that was found to be what the verifier has.
    """
    claim, repository = "another clone ends in the same bytes", clone.study.repository.resolve()
    dvc = [sys.executable, "-I", "-B", "-m", "dvc"]
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder) / "clone"
        again = top / clone.place
        environment = isolated.environment(DVC_SITE_CACHE_DIR=f"{folder}/site", DVC_NO_ANALYTICS="1")
        members = (f"members/{path.name}" for path in sorted((clone.root / "members").glob("*.dvc")))
        if fault := _run(
            folder, ["git", "clone", "-q", "--no-hardlinks", str(repository), str(top)], environment
        ):
            return Check(6, claim, [fault])
        fresh = Clone(
            again,
            again / clone.evidence.name,
            again / clone.signatures.name,
            again / clone.keys.name,
            clone.place,
        )
        fit = [verifier.check(fresh), closed_world.check(fresh), workflow.check(fresh.study)]
        if faults := [fault for check in fit for fault in check.faults]:
            return Check(6, claim, ["nothing was run, because:", *faults])
        for words in (
            [*dvc, "pull", "-q", "data.dvc", *members],
            [*dvc, "repro", "-q", "-f", "--no-run-cache"],
        ):
            if fault := _run(again, words, environment):
                return Check(6, claim, [fault])
        before, after = _digests(clone.root / clone.evidence.name), _digests(again / clone.evidence.name)
    faults = [
        f"evidence/{name}: SHA-256 found {after.get(name, 'nothing')[:12]}, expected "
        f"{before.get(name, 'nothing')[:12]}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
    return Check(6, claim, faults)


def _digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each file in a folder, by name."""
    return {path.name: records.sha256(path) for path in folder.glob("*") if path.is_file()}


def _run(where, words: list[str], environment: dict[str, str]) -> str:
    """The last line of a command that failed; '' where it did not."""
    done = subprocess.run(
        words, cwd=where, env=environment, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode == 0:
        return ""
    last_line = (done.stderr.strip().splitlines() or [""])[-1]
    return f"{' '.join(words[-3:])}: exit {done.returncode}: {last_line}"


ANNOUNCED = {
    3: "making the evidence again from this clone",
    4: "measuring the predictions again",
    5: "predicting again, with the trained network and with the released file; then every stage but "
    "train runs again; this takes minutes",
    6: "running everything again in another clone; this takes as long as 'make run'",
}
# Level -> its checks, of every study: what one says where it cannot go on, and a function of the clone, which
# gives a Check, several, or a list of faults. Level 2 is `signatures_of`, which also takes the reader's keys.
CHECKS = {
    1: (("the bundle is whole", lambda clone: levels.whole(clone.evidence)),),
    3: (
        ("its code is that of the verifier", verifier.check),
        ("every file of the clone is listed", closed_world.check),
        ("its task is one that this verifier has", parts_of_task),
        ("dvc.yaml runs the stages as the code has them", lambda clone: workflow.check(clone.study)),
        (
            "every file that it vouches for has its SHA-256",
            lambda clone: levels.vouched(clone.evidence, clone.study),
        ),
        (
            "made again from this clone it has the same bytes",
            lambda clone: levels.derived(clone.evidence, clone.study),
        ),
        ("what its records name is here", lambda clone: beside.named(clone.evidence, clone.study)),
        ("dvc.lock fits", lambda clone: beside.locked(clone.study)),
        ("params.yaml is what the stages took", lambda clone: beside.parameters(clone.evidence, clone.root)),
        ("ledgers only grew", lambda clone: history.check(clone.study)),
        ("no file of a package changed under its name", lambda clone: history.wheels(clone.study)),
        (history.UNCHANGED, lambda clone: history.raw_files(clone.study)),
        ("requirements are those that were signed for", lambda clone: baselines.check(clone.study)),
        ("derived records follow from those they stand on", derived_checks),
        ("nothing blocks the release", lambda clone: levels.release(clone.evidence)),
    ),
    6: (("another clone ends in the same bytes", reproduce),),
}
# Levels at which the task has checks, and what is said where they cannot be found.
OF_TASK = {4: "numbers follow from predictions", 5: "predictions follow from the model"}
LAST = {5: ((remade.WHAT, remade.check),)}


def options(parser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "--level",
        type=int,
        choices=range(7),
        default=4,
        help="how far to go, 0 to 6; 0 prints commands; default: 4",
    )
    parser.add_argument(
        "--pubkey",
        action="append",
        metavar="FILE",
        help="public key that came to you by another way; may be given several times",
    )
    parser.add_argument(
        "--fingerprints",
        metavar="FILE",
        help="lines of fingerprint and name, of keys that you know by another way than the clone",
    )
    parser.add_argument(
        "--clone",
        "--project",
        dest="project",
        metavar="FOLDER",
        default=".",
        help="the clone, not trusted in anything; default: .",
    )
    parser.add_argument("--json", metavar="FILE", help="write what was found as JSON, too")
    for name, default, what in (
        ("evidence", "evidence", "the bundle"),
        ("signatures", "signatures", "the signatures"),
        ("keys", "keys", "public keys of the clone"),
    ):
        parser.add_argument(f"--{name}", default=default, help=f"{what}; default: {default}")
