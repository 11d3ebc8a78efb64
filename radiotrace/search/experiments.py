"""Experiments: each trial as one of DVC's, run up to train in a temporary folder, so that the work tree stays
as it is.

DVC itself is never killed: it moves the work tree aside for a moment while it lays an experiment down. To end
a trial, its stage is ended, and DVC then cleans up. A search that was killed leaves DVC running; the next one
waits for it and takes what comes of it.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from dvc.utils.hydra import apply_overrides
from ruamel.yaml import YAML

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.pipeline import dvcfile
from radiotrace.pipeline.study import PATHS, Study
from radiotrace.search import space as spaces

HISTORY = "history.json"  # of radiotrace/learning/checkpoints.py, written after each epoch
LOOK_S = 0.2
CHANGED = (dvcfile.PARAMS, PATHS["lock"])  # the files of git that a trial may change
REASON_MAX = 300  # letters
OF_STAGE = re.compile(r"[a-z]+: ")  # how a line of a stage begins
# what DVC says of a stage that ended otherwise; its command stands between
OF_DVC = re.compile(r"(failed to reproduce '[^']*'): failed to run: .*, (exited with -?\d+)")


@dataclass(frozen=True)
class Trained:
    """What came of a trial.

    Attributes:
        measure: of the validation part; None where no epoch ended.
        curve: its mean after each epoch.
        run_id, weights_sha256: None where it failed or was ended.
        fault: why it failed; None where it did not.
    """

    measure: str | None
    curve: tuple[float | None, ...]
    run_id: str | None
    weights_sha256: str | None
    fault: str | None


@dataclass(frozen=True)
class Experiments:
    """The experiments of a search.

    Attributes:
        search: its name.
        ledger: of its trials, relative to the study.
        read: (experiment, path of a file in it) -> its content, whether git or DVC keeps it.
    """

    study: Study
    search: str
    ledger: str
    read: Callable[[str, str], bytes]

    def name(self, number: int) -> str:
        """Of a trial."""
        return f"{self.search}-{number:04d}"

    def refuse_a_changed_tree(self) -> None:
        """Nothing that git keeps may be changed: a trial would take it along, and no commit would say so.

        Raises:
            StageError: names every file.
        """
        listed = self._git("status", "--porcelain", "--untracked-files=no", "-z").split("\0")
        top = self.study.in_repository(self.ledger)
        changed = sorted(line[3:] for line in listed if line and line[3:] != top)
        if changed:
            raise StageError(
                f"{len(changed)} files differ from the commit that trials would start from",
                changed,
                "Commit them, or 'git stash' them; then search again.",
            )

    def train(
        self, number: int, values: Mapping[str, Any], is_over: Callable[[Sequence[float | None]], bool]
    ) -> Trained:
        """Trains with these parameters, from the start or from where a search that was killed left it.

        Args:
            values: path -> value.
            is_over: whether a curve says that the trial is to be ended.

        Raises:
            StageError: an experiment of this name is there that is not of this search; or the trial looked at
                more than it may.
        """
        name, state = self.name(number), self._state(number)
        process = _alive(state / "dvc.json")
        if process is None:
            if self._commit(name) and not (state / "dvc.json").is_file():
                raise StageError(
                    f"the experiment {name} is there, and {self.ledger} does not have it",
                    way_out=f"'dvc exp remove {name}' takes it away; or give the space another name.",
                )
            if not self._commit(name):
                process = self._begin(name, values, state)
        if process is not None:
            self._wait(process, state, is_over)
        if self._commit(name):
            self._refuse_more_than_training(name)
            return self._result(name)
        measure, curve = _curve(state)
        return Trained(measure, curve, None, None, _last_words(self._log(name)))

    def keep(self, number: int, values: Mapping[str, Any], why: str) -> None:
        """Keeps the parameters of a trial of which no experiment came as one, so that DVC lists it.

        Its metrics are those of the commit, as of every experiment that stopped before evaluate.
        """
        name, head = self.name(number), self._git("rev-parse", "HEAD").strip()
        if self._commit(name):
            return
        path = self.study.in_repository(dvcfile.PARAMS)
        with tempfile.TemporaryDirectory() as folder:
            changed = Path(folder, dvcfile.PARAMS)
            changed.write_text(self._git("show", f"HEAD:{path}"), "utf-8")
            apply_overrides(changed, _overrides(values))  # as --set-param does it
            index = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
            blob = self._git("hash-object", "-w", str(changed)).strip()
            self._git("read-tree", "HEAD", **index)
            self._git("update-index", "--cacheinfo", f"100644,{blob},{path}", **index)
            tree = self._git("write-tree", **index).strip()
        commit = self._git("commit-tree", tree, "-p", head, "-m", f"{name}: {why}").strip()
        self._git("update-ref", f"refs/exps/{head[:2]}/{head[2:]}/{name}", commit)

    def forget(self, number: int) -> None:
        """Removes what a trial that stands in the ledger needed to go on."""
        shutil.rmtree(self._state(number), ignore_errors=True)

    def _begin(self, name: str, values: Mapping[str, Any], state: Path) -> psutil.Process:
        sets = [word for text in _overrides(values) for word in ("--set-param", text)]
        command = [sys.executable, "-m", "dvc", "exp", "run", "--temp", "--name", name, *sets, spaces.TRAIN]
        state.mkdir(parents=True, exist_ok=True)
        log = self._log(name)
        log.parent.mkdir(parents=True, exist_ok=True)
        checkpoints = str((state / "checkpoints").resolve())
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        with open(log, "wb") as out:
            started = subprocess.Popen(
                command,
                cwd=self.study.folder,
                env={**os.environ, "RADIOTRACE_CHECKPOINTS": checkpoints, "PATH": path},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        process = psutil.Process(started.pid)
        about = {"pid": started.pid, "created": process.create_time()}
        records.write_bytes(state / "dvc.json", json.dumps(about).encode())
        return process

    def _wait(
        self, process: psutil.Process, state: Path, is_over: Callable[[Sequence[float | None]], bool]
    ) -> None:
        """Until DVC has ended; ends the stage where the curve says so, or where this process is stopped."""
        is_ended, looked_at = False, 0
        try:
            while _is_running(process):
                time.sleep(LOOK_S)
                curve = _curve(state)[1]
                if len(curve) > looked_at:
                    looked_at, is_ended = len(curve), is_over(curve)
                if is_ended:
                    _end_stages(process)
        except BaseException:
            while _is_running(process):
                _end_stages(process)
                time.sleep(LOOK_S)
            raise

    def _result(self, name: str) -> Trained:
        run = json.loads(self.read(name, PATHS["train"]))
        measure, curve = _of_history(run["history"])
        if not curve or curve[-1] is None:
            return Trained(
                measure, curve, None, None, f"the validation {measure} of its last epoch is undefined"
            )
        return Trained(measure, curve, run["run_id"], run["weights_sha256"], None)

    def _refuse_more_than_training(self, name: str) -> None:
        """An experiment may change parameters and lock, so not the ledger of the test part, and run nothing
        behind train.

        Raises:
            StageError: names all that it did.
        """
        made = str(self._commit(name))
        start = self._git("merge-base", "HEAD", made).strip()  # it may be that HEAD has moved on
        changed = self._git("diff", "--name-only", "-z", start, made).split("\0")
        allowed = {self.study.in_repository(path) for path in (*CHANGED, self.ledger)}
        faults = [f"it changed {path}" for path in changed if path and path not in allowed]
        lock = self.study.in_repository(PATHS["lock"])
        before, after = (self._locked(f"{commit}:{lock}") for commit in (start, made))
        ran = sorted(stage for stage in after if after[stage] != before.get(stage))
        may = spaces.stages_of_a_trial(self.study.folder)
        faults += [f"it ran stage {stage}" for stage in ran if stage not in may]
        if faults:
            raise StageError(
                f"the trial {name} did more than train",
                faults,
                "A search chooses on validation alone. 'dvc exp remove' takes the experiment away; what it "
                "looked at belongs into the ledger of the test part.",
            )

    def _locked(self, place: str) -> dict[str, Any]:
        try:
            return (YAML(typ="safe", pure=True).load(self._git("show", place)) or {}).get("stages", {})
        except StageError:  # a study that has not run
            return {}

    def _commit(self, name: str) -> str | None:
        """Of the experiment of this name, whichever commit it started from; None where there is none.

        Raises:
            StageError: several commits have one.
        """
        listed = self._git("for-each-ref", "--format=%(objectname) %(refname)", f"refs/exps/*/*/{name}")
        rows = [line.split() for line in listed.splitlines()]
        if len(rows) > 1:
            raise StageError(
                f"{len(rows)} experiments are named {name}",
                [ref for _, ref in rows],
                "'dvc exp remove' takes those away that are not of this search; or give the space another "
                "name.",
            )
        return rows[0][0] if rows else None

    def _state(self, number: int) -> Path:
        return self.study.path("checkpoints") / "search" / self.name(number)

    def _log(self, name: str) -> Path:
        return self.study.folder / "execution" / "search" / f"{name}.log"

    def _git(self, *words: str, **variables: str) -> str:
        """What git prints, in the root of the repository.

        Raises:
            StageError: it fails.
        """
        who = {
            f"GIT_{role}_{key}": value
            for role in ("AUTHOR", "COMMITTER")
            for key, value in (("NAME", "radiotrace"), ("EMAIL", "radiotrace@localhost"))
        }
        done = subprocess.run(
            ["git", *words],
            cwd=self.study.repository,
            env={**who, **os.environ, **variables},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise StageError(f"git {words[0]} failed", done.stderr.splitlines())
        return done.stdout


def _overrides(values: Mapping[str, Any]) -> list[str]:
    """Values by path as '--set-param' takes them."""
    return [f"{path}={_as_hydra(value)}" for path, value in sorted(values.items())]


def _as_hydra(value: Any) -> str:
    """A value as '--set-param' takes it, which is nearly JSON: keys stand without quotation marks."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_as_hydra(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_as_hydra, value)) + "]"
    return json.dumps(value)


def _curve(state: Path) -> tuple[str | None, tuple[float | None, ...]]:
    """The measure and its means so far, of the training that is under way."""
    histories = sorted((state / "checkpoints").glob(f"*/{HISTORY}"))
    for path in histories:
        # which is removed when training ends
        with contextlib.suppress(FileNotFoundError, ValueError):
            return _of_history(json.loads(path.read_text("utf-8")))
    return None, ()


def _of_history(history: Sequence[Mapping[str, Any]]) -> tuple[str | None, tuple[float | None, ...]]:
    """The measure of the validation part, and its mean over what is scored after each epoch, as patience
    follows it (radiotrace/learning/fit.py)."""
    scored = sorted({key for row in history for key in row if key.startswith("validation_")})
    if len(scored) != 1:
        return None, ()
    means = []
    for row in history:
        defined = [score for score in row[scored[0]].values() if score is not None]
        means.append(records.canonical(sum(defined) / len(defined)) if defined else None)
    return scored[0].removeprefix("validation_"), tuple(means)


def _alive(path: Path) -> psutil.Process | None:
    """The process that a file names, where it is still that one."""
    try:
        about = json.loads(path.read_text("utf-8"))
        process = psutil.Process(about["pid"])
        return process if process.create_time() == about["created"] and _is_running(process) else None
    except (FileNotFoundError, ValueError, KeyError, psutil.NoSuchProcess):
        return None


def _is_running(process: psutil.Process) -> bool:
    """Whether a process works; one that has ended and that nobody has asked for yet does not."""
    try:
        if process.status() != psutil.STATUS_ZOMBIE:
            return True
        process.wait(0)
    except (psutil.NoSuchProcess, psutil.TimeoutExpired):
        pass
    return False


def _end_stages(process: psutil.Process) -> None:
    """Ends what DVC has started as a stage, and not DVC."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in process.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                words = child.cmdline()
                if any(word.startswith("stages.") for word in words) and "dvc" not in words:
                    child.terminate()


def _last_words(log: Path) -> str:
    """Why a trial failed, in a line: the fault that its stage names, an exception, or what DVC says of it.

    Without findings that name a place, which is another one for each clone.
    """
    lines = log.read_text("utf-8", errors="replace").splitlines() if log.is_file() else []
    lines = [line for line in lines if line.strip()]
    first = next((place for place, line in enumerate(lines) if line.startswith("ERROR: ")), len(lines))
    said = lines[:first]
    of_stage = [place for place, line in enumerate(said) if OF_STAGE.match(line)]
    behind = said[of_stage[-1] + 1 :] if of_stage else []
    if any(line.startswith("Traceback") for line in behind):
        return behind[-1][:REASON_MAX]
    if behind:  # findings and the way out stand behind a headline, and nothing behind what tells of progress
        findings = [line.strip() for line in behind if line.startswith("  ") and "/" not in line]
        return "; ".join([said[of_stage[-1]], *findings])[:REASON_MAX]
    if first == len(lines):
        return (lines or ["it said nothing"])[-1][:REASON_MAX]
    return OF_DVC.sub(r"\1: \2", lines[first].removeprefix("ERROR: "))[:REASON_MAX]
