"""The rule of tests/conftest.py: a test that opens what a run makes in this clone is told from one that
does not."""

import contextlib
import os

import pytest

from tests import submitted


@pytest.fixture
def opened(request) -> list[str]:
    """What the rule has noted, which is forgotten behind the test: it was meant."""
    plugin = next(
        one
        for one in request.config.pluginmanager.get_plugins()
        if hasattr(one, "nothing_of_a_run_is_opened")
    )
    yield plugin.OPENED
    plugin.OPENED.clear()


@pytest.mark.parametrize(
    "name", ["metrics/metrics.json", "evidence/run.json", "dvc.lock", "build/train/train.json"]
)
def test_a_file_that_a_run_makes_is_noted_whether_it_is_there_or_not(opened, name):
    with contextlib.suppress(FileNotFoundError):
        (submitted.ROOT / name).read_bytes()
    assert opened == [str(submitted.ROOT / name)]


def test_a_relative_name_is_noted(opened, monkeypatch):
    monkeypatch.chdir(submitted.ROOT)
    with open("dvc.lock") as file:
        file.read(1)
    assert opened == ["dvc.lock"]


def test_what_a_run_leaves_alone_and_what_is_committed_is_not_noted(opened):
    (submitted.ROOT / "dvc.yaml").read_bytes()
    (submitted.folder() / "dvc.lock").read_bytes()
    assert opened == []


def test_a_folder_of_like_name_elsewhere_is_not_noted(opened, tmp_path):
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics/metrics.json").write_text("{}")
    assert os.listdir(tmp_path / "metrics") == ["metrics.json"]  # noqa: PTH208 - the call that is meant
    assert opened == []
