"""Tiny repositories with a function, its requirements and tests, for the tests of pytest's plugin and of
negative controls."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from radiotrace import records

ROOT = Path(__file__).resolve().parent.parent
COPIED = (
    "pyproject.toml",
    "tests/__init__.py",
    "tests/requirement_plugin.py",
    "schemas/tests.schema.json",
    "radiotrace/__init__.py",
    "radiotrace/errors.py",
    "radiotrace/pipeline/__init__.py",
    "radiotrace/pipeline/closure.py",
    "radiotrace/pipeline/params.py",
    "radiotrace/pipeline/pins.py",
    "radiotrace/records/__init__.py",
    "radiotrace/records/merkle.py",
    "radiotrace/evidence/__init__.py",
    "radiotrace/evidence/trace/__init__.py",
    "radiotrace/evidence/trace/pin_files.py",
    "radiotrace/evidence/trace/tests.py",
)
SUMS = "def double(value):\n    return 2 * value\n"
HEAD = "import pytest\n\nfrom radiotrace import sums\n\n\n"


def write(folder: Path, **sources: str) -> Path:
    """A repository in which SRS-UI-1 and SRS-UI-2 are required; file of tests -> its source, without the
    imports."""
    for name in COPIED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    (folder / "radiotrace/sums.py").write_text(SUMS)
    (folder / "software/design").mkdir(parents=True)
    (folder / "software/design/requirements.yaml").write_text(
        json.dumps({"requirements": [{"id": "SRS-UI-1"}, {"id": "SRS-UI-2"}]})
    )
    for name, source in sources.items():
        (folder / f"tests/{name}.py").write_text(HEAD + source)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder


def marked(
    name: str,
    body: str = "assert sums.double(2) == 4",
    ids: str = '"SRS-UI-1"',
    above: str = "",
    arguments: str = "",
) -> str:
    """The source of a test that verifies something."""
    return f"{above}@pytest.mark.requirement({ids})\ndef {name}({arguments}):\n    {body}\n\n\n"


def pytest(folder: Path, *words: str):
    """pytest in a repository, as a program of its own: exit status, what it printed, and the record that
    it wrote."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "PYTEST_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--record", "record.json", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    path = folder / "record.json"
    return done.returncode, done.stdout + done.stderr, records.read(path, "tests") if path.exists() else None
