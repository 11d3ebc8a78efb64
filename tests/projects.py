"""Projects: copies of this repository in a temporary folder, with a phantom data set and a tiny network."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

from tests import phantoms

ROOT = Path(__file__).resolve().parent.parent
LEFT_OUT = (
    "datastore/",
    "data.dvc",
    "data.sha256",
    "dvc.lock",
    "metrics/",
    "evidence/",
    "studies/",
    "signatures/",
    "keys/",
)
TINY = {
    "train": {
        "features": [4, 8, 8],
        "patch_voxels": [16, 20, 12],
        "window_voxels": [32, 32, 32],
        "epochs": 2,
        "threads": 1,
    },
    "split": {"fractions": {"train": 0.5, "validation": 0.2, "test": 0.3}},
    "evaluate": {"threads": 1, "dropout_passes": 2, "augmentation_passes": 1, "subgroup_subjects_min": 1},
    "robustness": {
        "cases": 2,
        "corruptions": ["blur", "shift"],
        "adversarial": {"cases": 1, "eps_sd": [0.1], "steps": 2},
        "threads": 1,
    },
    "explain": {"level": 1, "repetitions": 1, "threads": 1},
    "export": {"labels": {}, "golden_cases": 1, "parity_cases": 2, "threads": 1},
    "distil": {
        "pruned": {"width": 0.7, "epochs": 1, "learning_rate": 0.001},
        "narrow": {"width": 0.5, "epochs": 1, "learning_rate": 0.001},
        "threads": 1,
    },
    "optimize": {"variants": ["onnx_fp16", "openvino"], "calibration_cases": 2, "threads": 1},
}


def run(folder, *command, check=True, **variables) -> subprocess.CompletedProcess:
    """A command in a project; its failure fails the test and shows what it printed."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**environment(folder), **variables},
        capture_output=True,
        text=True,
        timeout=900,  # against hanging alone: a slow machine takes six minutes for two queued experiments
    )
    if check and done.returncode:
        raise AssertionError(
            f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
    return done


def environment(folder) -> dict[str, str]:
    """This interpreter's tools on the path, DVC's state inside the project, nothing of an outer git or
    DVC; no memo, so that a stage that runs twice does its work twice."""
    inherited = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("GIT_", "DVC_", "RADIOTRACE_", "PYTEST_"))
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {
        **inherited,
        "PATH": path,
        "DVC_SITE_CACHE_DIR": str(Path(folder) / ".dvc/tmp/site"),
        "RADIOTRACE_MEMO": "none",
    }


def commit(folder, message: str) -> None:
    run(folder, "git", "add", "-A")
    run(folder, "git", "-c", "user.name=test", "-c", "user.email=test@example.org", "commit", "-qm", message)


def set_params(folder, **sections) -> None:
    """Changes values of params.yaml, as `dvc exp run --set-param` writes them; nested dicts are merged."""
    yaml, path = YAML(), Path(folder) / "params.yaml"
    values = yaml.load(path.read_text())
    for section, changes in sections.items():
        if isinstance(changes, dict):
            values[section].update(changes)
        else:
            values[section] = changes
    with open(path, "w") as file:
        yaml.dump(values, file)


def create(folder: Path, cases: int = 16) -> Path:
    """A project that is ready for `dvc repro`: committed, its data added and in its datastore."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.split("\0"):
        if name and not name.startswith(LEFT_OUT) and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    (folder / "design/test_openings.jsonl").write_text("")  # nobody was shown the phantoms yet
    phantoms.write_dataset(folder / "data", cases)
    set_params(folder, **TINY)
    run(folder, "git", "init", "-q", "-b", "main")
    accept_data(folder)
    run(folder, "dvc", "push", "-q")
    commit(folder, "phantoms")
    return folder


def accept_data(folder) -> None:
    """What `make manifest` does."""
    run(folder, "python", "-m", "radiotrace", "manifest")
    run(folder, "dvc", "add", "-q", "data")


def failing(verified: subprocess.CompletedProcess) -> list[str]:
    """The checks that 'verify' found broken, by their words."""
    return re.findall(r"^level \d  FAILS  (.+)$", verified.stdout, re.MULTILINE)


def clone(project: Path, folder: Path) -> Path:
    """A git clone with its data pulled."""
    run(project, "git", "clone", "-q", project, folder)
    run(folder, "dvc", "pull", "-q", "data.dvc")
    return folder
