"""The same stages on a real Dask cluster of three processes, one of which is killed on the way: nothing
lost, same bytes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import distributed
import pytest

from radiotrace.evidence.verify import workflow
from radiotrace.pipeline.study import Study
from tests import phantoms, projects

pytestmark = pytest.mark.slow
CASES, WORKERS = 32, 3
COMMON = ["--params", "params.yaml", "--requirements", "requirements.txt"]
STAGES = {  # inputs are those of the run in one process, because provenance.json names them
    "ingest": ["--data", "data", "--manifest", "data.sha256", "--out", "{out}/ingest"],
    "validate": [
        "--dataset",
        "one/ingest/dataset.json",
        "--volumes",
        "one/ingest/volumes",
        "--out",
        "{out}/validate",
    ],
    "split": [
        "--accepted",
        "one/validate/accepted.json",
        "--design",
        "requirements.yaml",
        "--out",
        "{out}/split",
    ],
    "train": [
        "--dataset",
        "one/ingest/dataset.json",
        "--volumes",
        "one/ingest/volumes",
        "--split",
        "one/split/split.json",
        "--checkpoints",
        ".checkpoints",
        "--tensorboard",
        "{out}/tensorboard",
        "--live",
        "{out}/live",
        "--out",
        "{out}/train",
    ],
    "evaluate": [
        "--data",
        "data",
        "--dataset",
        "one/ingest/dataset.json",
        "--split",
        "one/split/split.json",
        "--train",
        "one/train/train.json",
        "--weights",
        "one/train/weights.safetensors",
        "--members",
        "members",
        "--openings",
        "{out}/openings.jsonl",
        "--out",
        "{out}/evaluate",
        "--metrics",
        "{out}/metrics",
    ],
}
PER_CASE = ["ingest", "validate", "evaluate"]
ONE_AFTER_ANOTHER = """
import copy, importlib, json, sys
from radiotrace.pipeline import stage
for name, *arguments in json.loads(sys.argv[1]):
    module = importlib.import_module(name)
    if stage.run(module.main, copy.deepcopy(module.parser), arguments):
        sys.exit(1)
"""


def command(name: str, out: str, *options: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        workflow.of(Study(projects.ROOT))[name].module,
        *COMMON,
        *(word.format(out=out) for word in STAGES[name]),
        *options,
    ]


def environment(folder: Path) -> dict[str, str]:
    return projects.environment(folder) | {
        "PYTHONPATH": str(projects.ROOT),
        "DASK_CONFIG": str(folder / "dask"),
    }


def until(condition, what: str, seconds: float = 120):
    """Waits for a condition, and returns its value."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.01)
    return value


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A folder with phantoms in which one process has run the stages, alone into one/ and with two workers
    into two/."""
    folder = tmp_path_factory.mktemp("cluster")
    phantoms.write_dataset(folder / "data", CASES)
    (folder / "members").mkdir()
    (folder / "params.yaml").write_bytes((projects.ROOT / "params.yaml").read_bytes())
    (folder / "requirements.yaml").write_bytes((projects.ROOT / "design/requirements.yaml").read_bytes())
    projects.set_params(folder, **projects.TINY | {"train": projects.TINY["train"] | {"epochs": 1}})
    projects.run(folder, "python", "-m", "radiotrace", "manifest", PYTHONPATH=str(projects.ROOT))
    commands = [
        command(name, "one", *(["--workers", "1"] if name in PER_CASE else []))[2:] for name in STAGES
    ]
    commands += [command(name, "two", "--workers", "2")[2:] for name in ("ingest", "validate")]
    projects.run(
        folder, sys.executable, "-c", ONE_AFTER_ANOTHER, json.dumps(commands), PYTHONPATH=str(projects.ROOT)
    )
    return folder


class Cluster:
    """A scheduler and its workers, each a process of its own, on the loopback interface."""

    def __init__(self, folder: Path):
        self.folder, self.processes = folder, {}
        self.start("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", "scheduler.json")
        self.address = json.loads(until(self.scheduler_file, "scheduler"))["address"]
        for number in range(WORKERS):
            self.start(
                "worker",
                self.address,
                "--nthreads",
                "1",
                "--no-nanny",
                "--name",
                str(number),
                "--local-directory",
                str(folder / "dask"),
            )
        self.client = distributed.Client(self.address, set_as_default=False)
        self.client.wait_for_workers(WORKERS, timeout=120)
        self.pids = self.client.run(os.getpid)

    def start(self, what: str, *options: str) -> None:
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", what, *options, "--no-dashboard"],
            cwd=self.folder,
            env=environment(self.folder),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.processes[process.pid] = process

    def scheduler_file(self) -> str:
        path = self.folder / "scheduler.json"
        text = path.read_text() if path.exists() else ""
        return text if text.endswith("}") else ""

    def run(self, name: str) -> subprocess.Popen:
        return subprocess.Popen(
            command(name, "many", "--backend", "dask", "--scheduler", self.address),
            cwd=self.folder,
            env=environment(self.folder),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def freeze_one_at_work(self) -> str | None:
        """Address of a worker that is stopped in the middle of a case; None when none is at one."""
        for address in [address for address, tasks in self.client.processing().items() if tasks]:
            os.kill(self.pids[address], signal.SIGSTOP)
            time.sleep(0.2)  # for what it said last to arrive
            if self.client.processing()[address]:
                return address
            os.kill(self.pids[address], signal.SIGCONT)
        return None

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        self.processes.pop(pid).wait()

    def close(self) -> None:
        self.client.close()
        for pid in list(self.processes):
            self.kill(pid)


@pytest.fixture(scope="module")
def cluster(project):
    running = Cluster(project)
    yield running
    running.close()


@pytest.fixture(scope="module")
def done(project, cluster) -> dict:
    """What was seen when the stages ran on the cluster, into many/: exit statuses, and how things stood
    when a worker was killed in ingest."""
    ingest, written = cluster.run("ingest"), project / "many/ingest.partial/volumes/label_maps"
    victim = until(cluster.freeze_one_at_work, "a worker at work")
    until(lambda: len(list(written.glob("*.nii.gz"))) >= 3, "three cases by the others")
    seen = {
        "running": ingest.poll() is None,
        "lost": len(cluster.client.processing()[victim]),
        "written": len(list(written.glob("*.nii.gz"))),
    }
    cluster.kill(cluster.pids[victim])
    seen["errors"] = {"ingest": ingest.communicate(timeout=240)[1]}
    seen["status"] = {"ingest": ingest.returncode}
    for name in ("validate", "evaluate"):
        process = cluster.run(name)
        seen["errors"][name], seen["status"][name] = process.communicate(timeout=240)[1], process.returncode
    return seen


def test_a_worker_was_killed_in_the_middle_of_its_cases(done, cluster):
    assert done["running"]
    assert done["lost"] >= 1
    assert 3 <= done["written"] < CASES
    assert len(cluster.client.run(os.getpid)) == WORKERS - 1


@pytest.mark.parametrize("name", PER_CASE)
def test_each_stage_ends_well(done, name):
    assert done["status"][name] == 0, done["errors"][name]


@pytest.mark.parametrize("name", [*PER_CASE, "metrics"])
def test_every_byte_is_that_of_one_process(done, project, name):
    assert contents(project / "many" / name) == contents(project / "one" / name)


def test_there_are_as_many_volumes_as_cases(done, project):
    assert len(list((project / "many/ingest/volumes/images").iterdir())) == CASES


def test_nothing_unfinished_is_left(done, project):
    assert list(project.rglob("*.partial")) == []


def test_the_log_says_how_many_cases_there_are_and_shows_no_traceback(done):
    assert f"ingest: wrote many/ingest/ with {CASES} cases\n" in done["errors"]["ingest"]
    assert "Traceback" not in "".join(done["errors"].values())


@pytest.mark.parametrize("name", ["ingest", "validate"])
def test_two_processes_of_this_machine_give_the_same_bytes_too(project, name):
    assert contents(project / "two" / name) == contents(project / "one" / name)
