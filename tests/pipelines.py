"""Pipelines: every stage up to the report, one after the other in this process, on a data set made by code.

Faster than `dvc repro` in a project: torch is imported once. What DVC adds, tests/test_pipeline.py looks at.
"""

import copy
import shutil
from pathlib import Path

import pytest

from radiotrace.imaging import identity
from radiotrace.learning import trained
from radiotrace.pipeline import params, stage
from stages import ingest, split, validate
from stages.segmentation import distil, evaluate, explain, export, optimize, report, robustness, train
from tests import projects

STAGES = {
    "ingest": ingest,
    "validate": validate,
    "split": split,
    "train": train,
    "evaluate": evaluate,
    "robustness": robustness,
    "explain": explain,
    "export": export,
    "distil": distil,
    "optimize": optimize,
    "report": report,
}
TEMPLATES = "stages/segmentation"


def lay_out(folder: Path, **sections) -> Path:
    """What the stages read beside data/, with small parameters; `sections` change them."""
    shutil.copytree(projects.ROOT / "design", folder / "design")
    (folder / "design/test_openings.jsonl").write_text("")
    (folder / "members").mkdir()
    (folder / TEMPLATES).mkdir(parents=True)
    for name in ("report.html", "case.html", "report.css", "case.js"):
        shutil.copy(projects.ROOT / TEMPLATES / name, folder / TEMPLATES / name)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(projects.ROOT / name, folder / name)
    projects.set_params(folder, **projects.TINY)
    projects.set_params(folder, validate={"exclude": []}, **sections)
    accept(folder)
    return folder


def accept(folder: Path) -> None:
    """What `make manifest` does, without DVC."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("data.sha256").write_text(identity.manifest("data"))


def run(folder: Path, *names: str) -> list[int]:
    """Exit status of each of these stages, as dvc.yaml calls them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("RADIOTRACE_WORKERS", "1")
        trained.load.cache_clear()
        described = params.load_yaml(folder / "dvc.yaml")["stages"]
        return [_status(name, described[name]["cmd"].split()[3:]) for name in names]


def _status(name: str, words: list[str]) -> int:
    return stage.run(STAGES[name].main, copy.deepcopy(STAGES[name].parser), words)
