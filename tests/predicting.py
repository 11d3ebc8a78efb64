"""The command predict in a temporary folder, with a model made by code: fixtures of several test files."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from radiotrace.__main__ import main
from tests import released


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return released.write(tmp_path_factory.mktemp("model") / "export")


@dataclass(frozen=True)
class Command:
    """Runs predict in a folder: words -> (exit status, stdout, stderr)."""

    folder: Path
    model: Path
    capsys: pytest.CaptureFixture

    def __call__(self, *words, of: Path | None = None) -> tuple[int, str, str]:
        status = main(["predict", str(of or self.model), *map(str, words), "--out", "out"])
        return status, *self.capsys.readouterr()


@pytest.fixture
def run(model, tmp_path, monkeypatch, capsys) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(tmp_path, model, capsys)
