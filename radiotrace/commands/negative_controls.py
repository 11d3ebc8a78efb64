"""negative-controls: applies each seeded fault of the design controls, and sees whether the tests and
criteria of its requirements notice."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from radiotrace import records
from radiotrace.commands import of_task, tables
from radiotrace.commands.of_study import Shared
from radiotrace.errors import StageError, log
from radiotrace.evidence.design import controls, negative_controls, requirements
from radiotrace.evidence.design.controls import SOFTWARE, STUDY, Design
from radiotrace.evidence.trace import tests
from radiotrace.evidence.verify import workflow
from radiotrace.evidence.verify.judged import Judged

LEFT_OUT = ("datastore/",)  # tests of requirements read no more of it than a phantom's
RECORD, OUTCOMES = "negative_control_outcomes", "negative_controls"
TIMEOUT_S = 600


def run(args) -> None:
    """Seeds every fault that was not yet seen with this code and these tests; a fault that nobody notices
    ends with status 1.

    Faults of code are the software's, whatever study is here, and need no run. Those of predictions are the
    study's and need its run. What came of them is written beside the software and beside the study.
    """
    design = controls.load(args.design, args.software)
    evaluated = None if args.of == SOFTWARE else Evaluated(args)
    idle = idle_faults(design, evaluated, args.controls) if evaluated else {}
    stop_at(args.controls, design.negative_controls, args.study.repository, idle)
    outcomes = {}
    if args.of != STUDY:
        record = controls.verification_of(args.software) / f"{OUTCOMES}.json"
        outcomes |= Faults(record, design, SOFTWARE, args).seed()
    if args.of != SOFTWARE:
        outcomes |= Faults(Path(args.out), design, STUDY, args, evaluated).seed()
    rows, missed = [("fault", "requirement", "verdict", "noticed by")], []
    for name, entry in sorted(outcomes.items()):
        for requirement_id, outcome in entry["requirements"].items():
            noticed_by = outcome["red"][0] if outcome["red"] else ""
            rows.append((name, requirement_id, outcome["verdict"], noticed_by))
            if outcome["verdict"] != "red":
                missed.append(f"{name}: {requirement_id} stays {outcome['verdict']}")
    print(tables.aligned(rows))
    if missed:
        raise StageError(
            f"{len(missed)} faults were not noticed",
            missed,
            "Write a test that fails under the fault, or correct the fault.",
        )


class Faults:
    """The faults of the software, or of a study, and the record of what came of them.

    Args:
        path: of the record.
        whose: controls.SOFTWARE or controls.STUDY.
        args: of the command: which faults, whether those that were seen count, how many at a time.
        evaluated: the run, of a study.
    """

    def __init__(self, path: Path, design: Design, whose: str, args, evaluated: "Evaluated | None" = None):
        self.path, self.required, self.args = path, design.requirements, args
        self.known = tests.declared(args.study.repository / "tests")
        self.faults = {
            name: fault for name, fault in design.negative_controls.items() if design.owner(name) == whose
        }
        self.evaluated = evaluated
        self.before = records.read(path, RECORD)["controls"] if path.exists() else {}
        self.entries, self.outcomes = {}, {}

    def seed(self) -> dict[str, dict]:
        """Seeds what was not yet seen; gives the outcomes, as the record has them."""
        run_id = self.evaluated.run_id if self.evaluated else ""
        code = tests.tree(self.args.study.repository, (*tests.CODE, *tests.TESTS))
        for name, fault in self.faults.items():
            seen = negative_controls.seen_sha256(fault, self.required, code, self.known, run_id)
            self.entries[name] = {"control_sha256": records.digest(fault), "seen_sha256": seen}
        todo = []
        for name in self.faults:
            if self._was_noticed(name):
                self.outcomes[name] = self.before[name]
            elif (not self.args.controls or name in self.args.controls) and self._users(name):
                todo.append(name)
        log(f"negative-controls: {len(todo)} faults to seed, {len(self.outcomes)} seen before")
        for name, verdicts in self._verdicts(todo):  # written one by one: nothing is lost by an interrupt
            self.outcomes[name] = self.entries[name] | {"requirements": verdicts}
            records.write(self.path, {"controls": self.outcomes}, RECORD)
        records.write(self.path, {"controls": self.outcomes}, RECORD)
        return self.outcomes

    def _users(self, name: str) -> list[str]:
        return [requirement["id"] for requirement in negative_controls.users(name, self.required)]

    def _was_noticed(self, name: str) -> bool:
        """Whether every requirement of a fault noticed it, as all of it stands now."""
        if self.args.all or name not in self.before:
            return False
        entry, verdicts = self.entries[name], self.before[name]["requirements"]
        if not verdicts or set(verdicts) != set(self._users(name)):
            return False
        same = entry == {key: self.before[name][key] for key in entry}
        return same and all(outcome["verdict"] == "red" for outcome in verdicts.values())

    def _verdicts(self, names: list[str]) -> Iterator[tuple[str, dict]]:
        """Name and verdicts of each fault, as they come."""
        # here, because it imports numpy, which the other commands need not wait for
        from joblib import Parallel, delayed

        with tempfile.TemporaryDirectory() as folder:
            jobs = []
            for name in names:
                fault = self.faults[name]
                if "file" in fault:
                    files_of = {user: self._files(user) for user in self._users(name)}
                    copy_of_repository = Path(folder) / name
                    repository = self.args.study.repository
                    jobs.append(delayed(of_code)(fault, files_of, repository, copy_of_repository))
            done: Any = Parallel(self.args.jobs, return_as="generator_unordered")(jobs)
            yield from done
        for name in names:
            if "predictions" in self.faults[name]:
                if self.evaluated is None:
                    raise ValueError(f"{name} is a fault of predictions, which needs a run")
                yield name, self.evaluated.under(self.faults[name], self._users(name), self.required)

    def _files(self, requirement_id: str) -> list[str]:
        """The files in which tests of a requirement stand."""
        return sorted(
            {test.split("::")[0] for test, entry in self.known.items() if requirement_id in entry["verifies"]}
        )


def idle_faults(design: Design, evaluated: "Evaluated", asked: list[str]) -> dict[str, str]:
    """The faults of predictions that leave those of a run as they are, and why.

    Args:
        asked: ids of faults to seed; [] for all. Faults that no requirement names are not seeded.
    """
    idle = {}
    for name, control in design.negative_controls.items():
        is_asked = not asked or name in asked
        is_used = is_asked and negative_controls.users(name, design.requirements)
        if is_used and (why := evaluated.idle(control)):
            idle[name] = why
    return idle


def stop_at(named: list[str], known: dict[str, dict], repository: Path, idle: dict[str, str]) -> None:
    """Stops, before an hour of work, at a control that is not there, that does not fit the code, or that
    changes nothing of the run.

    Args:
        repository: in which the files of the faults lie.
        idle: of idle_faults.
    """
    broken = [f"{name}: not in negative_controls.yaml" for name in named if name not in known]
    broken += [
        f"{name}: changes nothing, so that no criterion can notice it: {why}" for name, why in idle.items()
    ]
    for control in (control for control in known.values() if "file" in control):
        try:
            text = (repository / control["file"]).read_text("utf-8")
            negative_controls.apply(control, text)
        except StageError as error:
            broken.append(f"{control['id']}: {control['file']}: {error.findings[0]}")
        except OSError as error:
            broken.append(f"{control['id']}: {error}")
        else:
            if why := negative_controls.breaks(control, text):
                broken.append(f"{control['id']}: is trivially red: {why}")
    if broken:
        raise StageError(
            f"{len(broken)} negative controls cannot be applied",
            broken,
            "Correct negative_controls.yaml; one that changes nothing goes, from the requirements, too.",
        )


def of_code(
    control: dict, files_of: dict[str, list[str]], repository: Path, folder: Path
) -> tuple[str, dict]:
    """What a fault does to the tests of its requirements, in a copy of the repository.

    Args:
        files_of: requirement -> files in which its tests stand.
        repository: to copy.
        folder: of the copy.

    Returns:
        id of the fault; requirement -> verdict, the test that noticed, and how: one of
        negative_controls.NOTICED. A test counts as having noticed only if it fails by what it asserts, while
        the faulted module can be imported, and passes once the fault is taken out again.
    """
    copy(repository, folder)
    faulted = folder / control["file"]
    text = faulted.read_text("utf-8")
    verdicts = {}
    put(faulted, negative_controls.apply(control, text))
    stands = importable(folder, control["file"])
    for requirement_id in files_of:
        put(faulted, negative_controls.apply(control, text))
        status, red = outcomes(
            folder, "-m", "not slow", "--requirement", requirement_id, *files_of[requirement_id]
        )
        if not red:  # only then the slow ones: most faults are noticed within seconds
            status, red = outcomes(folder, "--requirement", requirement_id, *files_of[requirement_id])
        put(faulted, text)
        if status == 1 and red:
            test, kind = next(iter(red.items()))
            status, still = outcomes(folder, test)
            noticed = stands and kind in negative_controls.NOTICED and status == 0 and not still
            verdict, red_tests = ("red", [test]) if noticed else ("broken", [])
            verdicts[requirement_id] = {"verdict": verdict, "red": red_tests, "kind": kind}
        else:
            verdicts[requirement_id] = {
                "verdict": "green" if status == 0 else "broken",
                "red": [],
                "kind": None,
            }
        log(f"negative-controls: {control['id']}: {requirement_id} is {verdicts[requirement_id]['verdict']}")
    shutil.rmtree(folder)
    return control["id"], verdicts


def put(file: Path, text: str) -> None:
    """Writes a file of code, and takes away what Python compiled of it before.

    Python takes that for the file's own where the size is the same and so is the second in which it was
    written.
    """
    file.write_text(text, "utf-8")
    for compiled in file.parent.glob(f"__pycache__/{file.stem}.*.pyc"):
        compiled.unlink()


def importable(folder: Path, file: str) -> bool:
    """Whether a module of the copy can be imported; True of what is no module.

    A stage that cannot be fails each test that runs it.
    """
    if not file.endswith(".py"):
        return True
    module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    words = [sys.executable, "-c", f"import {module}"]
    try:
        done = subprocess.run(
            words, cwd=folder, env=plain(), capture_output=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def plain() -> dict[str, str]:
    """The environment, without what is said to git, DVC and pytest."""
    return {
        key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "DVC_", "PYTEST_"))
    }


def outcomes(folder: Path, *words_for_pytest: str) -> tuple[int, dict[str, str]]:
    """pytest's exit status, and the tests that failed, up to the first, each with how it did.

    Status 1: some failed; 0: none.
    """
    record, kinds = folder / "outcomes.json", folder / "failures.json"
    for path in (record, kinds):
        path.unlink(missing_ok=True)
    words = [
        "-m",
        "pytest",
        "-n",
        "0",
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "--record",
        str(record),
        "--failures",
        str(kinds),
        *words_for_pytest,
    ]
    try:
        done = subprocess.run(
            [sys.executable, *words],
            cwd=folder,
            env=plain(),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 124, {}  # as timeout(1) says it
    entries = records.read(record, "tests")["tests"] if record.exists() else {}
    failed = json.loads(kinds.read_text("utf-8")) if kinds.exists() else {}
    return done.returncode, {
        test: failed.get(test, "unknown") for test, entry in sorted(entries.items()) if entry["failed"]
    }


def copy(repository: Path, folder: Path) -> None:
    """The files of a repository that tests need, as a repository of its own."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    for name in listed:
        if name and not name.startswith(LEFT_OUT) and (repository / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(repository / name, folder / name)
    identity = [
        "-c",
        "user.name=negative controls",
        "-c",
        "user.email=none@example.org",
        "-c",
        "commit.gpgSign=false",
        "-c",
        "core.hooksPath=/dev/null",
    ]
    # tests of the submitted run read what is committed
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-q", "-m", "copy"]):
        subprocess.run(["git", *command], cwd=folder, check=True)


class Evaluated:
    """The run that stands in this clone, and the criteria under faults of its predictions."""

    def __init__(self, args):
        self.task = workflow.task_of(args.study)
        self.run = Judged(
            dataset=records.read(args.dataset, "dataset"),
            split=records.read(args.split, "split"),
            metrics=records.read(args.metrics, self.task.records["metrics"])
            | {
                name: records.read(self.task.paths[name], self.task.records[name])
                for name in self.task.measured
            },
            cases=records.read(args.cases, self.task.records["cases"])["cases"],
            params=records.read(args.provenance, "provenance")["params"],
            data=Path(args.data),
            predictions=Path(args.predictions),
        )
        self.run_id = self.run.metrics["run_id"]

    def idle(self, control: dict) -> str | None:
        """Why a fault of predictions leaves them as they are; None where it does not, and for faults of
        code."""
        fault = control.get("predictions")
        labels = [name for value, name in self.run.split["labels"].items() if int(value)]
        if fault == "swap labels" and len(labels) < 2:
            return f"there is one label, {labels[0]}, and none to swap it with"
        if fault == "shuffle cases" and len(self.run.cases) < 2:
            return f"there is one test case, {self.run.cases[0]['case_id']}, and no prediction of another"
        return None

    def under(self, control: dict, requirement_ids: list[str], required: dict) -> dict:
        """What a fault of the predictions does to the criteria of its requirements: requirement ->
        verdict."""
        faulted = of_task.verification(self.task).under(self.run, control["predictions"])
        by_id = {requirement["id"]: requirement for requirement in required["requirements"]}
        outcomes_by_id = {}
        for name in requirement_ids:
            without = requirements.judge(by_id[name], self.run.metrics, True)
            under = requirements.judge(by_id[name], faulted, True)
            log(f"negative-controls: {control['id']}: {name} {under['verdict']}: {under['reason']}")
            if negative_controls.noticed(without, under):
                outcome = {"verdict": "red", "red": [under["reason"]], "kind": "criterion"}
            else:
                outcome = {"verdict": "green", "red": [], "kind": None}
            outcomes_by_id[name] = outcome
        return outcomes_by_id


def options(parser) -> None:
    """The command's arguments."""
    parser.add_argument("controls", metavar="ID", nargs="*", help="of negative_controls.yaml; default: all")
    parser.add_argument("--all", action="store_true", help="seed again what was seen before, too")
    parser.add_argument(
        "--of",
        choices=(SOFTWARE, STUDY),
        help="faults of code, which need no run, or of the run's predictions alone; default: both",
    )
    parser.add_argument("--jobs", type=int, default=2, help="faults at a time; default: 2")
    for name, default, what in (
        ("design", "design", "design controls of the study"),
        ("software", Shared("software"), "folder of the software; faults of code are recorded there"),
        ("out", "verification/negative_controls.json", "record of faults of predictions, to write"),
        ("metrics", "metrics/metrics.json", "record of metrics"),
        ("cases", "metrics/cases.json", "record of test cases"),
        ("dataset", "build/ingest/dataset.json", "record of the data set"),
        ("split", "build/split/split.json", "record of the split"),
        ("data", "data", "folder of raw data"),
        ("predictions", "build/evaluate/results/predictions", "folder of predictions"),
        ("provenance", "build/evaluate/results/provenance.json", "what decided the outputs of evaluate"),
    ):
        parser.add_argument(f"--{name}", default=default, help=f"{what}; default: {default}")
