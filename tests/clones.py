"""Clones: what commands read of a repository, without a run and without git."""

import shutil
from pathlib import Path

from radiotrace.evidence.verify import workflow

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("radiotrace", "stages", "schemas", "design", "requirements", "software")
FILES = ("dvc.yaml", "params.yaml", "requirements.txt", "members/README.md")


def sources(folder: Path) -> Path:
    """Copies them to a folder."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (*FILES, *workflow.machinery(ROOT)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder
