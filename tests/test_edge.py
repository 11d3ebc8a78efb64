"""benchmarks.edge: formats are tried by their own runtimes, and what refuses is told with its message."""

import sys

import numpy as np
import pytest

from benchmarks import edge
from tests import released


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A small network in the place of the released one, for steps in this process."""
    path = tmp_path / "model.onnx"
    path.write_bytes(released.network())
    monkeypatch.setattr(edge, "MODEL", path)
    monkeypatch.setattr(edge, "SHAPE", (1, 1, 16, 20, 12))

    def here(python, name, what, place):
        try:
            edge.step(name, what, place)
        except (KeyError, OSError, ValueError) as error:
            raise edge.Refused(str(error)) from None

    monkeypatch.setattr(edge, "in_a_process", here)
    return path


# ONNX Runtime's converter leaves a file open
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_a_file_of_ort_predicts_what_the_released_one_does(small):
    found = edge.attempted("ORT", sys.executable, "1", edge.run_ort(small))
    assert (found.step, found.message) == ("run", None)
    assert found.difference is not None
    assert found.difference < 1e-4
    assert found.megabytes is not None
    assert "predicts; logits within" in edge.row("ORT", found)


@pytest.mark.parametrize(("step", "size"), [("convert", None), ("run", 1e-6)])
def test_what_a_step_says_stands_in_the_table(small, monkeypatch, step, size):
    def refuses(place):
        raise ValueError("no op for 5-D")

    convert = refuses if step == "convert" else (lambda place: place.write_bytes(b"x") and None)
    monkeypatch.setitem(edge.FORMATS, "ORT", ("ort", convert, refuses))
    found = edge.attempted("ORT", sys.executable, "1", np.zeros(1))
    assert (found.step, found.message, found.megabytes, found.difference) == (
        step,
        "no op for 5-D",
        size,
        None,
    )
    assert f"refused in step {step}: `no op for 5-D`" in edge.row("ORT", found)


def test_a_runtime_that_ends_its_process_is_told_with_its_last_words(tmp_path):
    with pytest.raises(edge.Refused, match="nosuch"):
        edge.in_a_process(sys.executable, "nosuch", "convert", tmp_path / "one.ort")


def test_the_line_that_names_the_error_is_the_message():
    said = "Traceback\n  File x\nRuntimeError: Expect input tensor to be 3-D or 4-D, but got 5\n"
    assert edge.message(said) == "RuntimeError: Expect input tensor to be 3-D or 4-D, but got 5"
    assert edge.message("a\nDidn't find op for builtin\nlast") == "Didn't find op for builtin … last"
    assert edge.message("") == ""


def test_a_format_whose_packages_are_not_there_is_said_not_to_be_tried(monkeypatch, capsys, small):
    monkeypatch.setattr(edge, "version_of", lambda name, python: None)
    monkeypatch.setattr(sys, "argv", ["edge"])
    edge.main()
    told = capsys.readouterr().out
    assert told.count("not tried: not installed") == len(edge.FORMATS)
