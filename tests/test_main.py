"""The command line: `python -m radiotrace COMMAND`."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from radiotrace.__main__ import main
from tests import submitted

ROOT = Path(__file__).resolve().parent.parent
CASES = Path(__file__).resolve().parent / "schema_cases"
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def results(here, capsys, name, **traced):
    (here / "evidence").mkdir()
    shutil.copy(CASES / f"acceptance/valid/{name}.json", here / "evidence/acceptance.json")
    found = submitted.json_of("evidence/traceability.json")
    (here / "evidence/traceability.json").write_text(json.dumps(found | traced))
    assert main(["results"]) == 0
    return capsys.readouterr().out


def test_results_show_mean_bound_and_verdict(here, capsys):
    row = results(here, capsys, "met").splitlines()[1]
    assert re.split(" {2,}", row) == [
        "SRS-SEG-1",
        "dice.anterior",
        "0.883",
        "0.874 (lower)",
        ">= 0.85",
        "60 subjects",
        "met",
    ]


def test_results_of_a_run_that_meets_everything(here, capsys):
    said = results(here, capsys, "met", release_blocked=False)
    assert f"run {'a' * 12}, all criteria met\nNothing blocks the release: " in said
    assert "Whether to release is for people to decide.\nbuild/" in said


def test_results_of_a_run_that_does_not(here, capsys):
    gaps = [
        {"item": f"SRS-X-{number}", "gap": "not verified: nobody ran it; nobody wrote it"}
        for number in range(7)
    ]
    said = results(here, capsys, "cannot_say", release_blocked=True, gaps=gaps)
    assert f"run {'a' * 12}, not all criteria met\nThe release is blocked: " in said
    assert ".\n  SRS-X-0: not verified: nobody ran it\n" in said
    assert "  … and 2 more in evidence/traceability.html, under Gaps\n" in said


@pytest.mark.parametrize("run_id", ["b" * 64, "a" * 64])
def test_results_of_another_model_than_the_one_that_lies_there_are_warned_of(here, capsys, run_id):
    (here / "build/export").mkdir(parents=True)
    (here / "build/export/model.json").write_text(json.dumps({"run_id": run_id}))
    said = results(here, capsys, "met")
    warning = f"Warning: evidence/ is of another model than build/export: run {'a' * 12} against {'b' * 12}. "
    assert (warning in said) is (run_id != "a" * 64)
    assert ("Warning" in said) is (run_id != "a" * 64)


def test_results_beside_a_model_that_cannot_be_read_say_so(here, capsys):
    (here / "build/export").mkdir(parents=True)
    (here / "build/export/model.json").write_text("[]")
    assert "Warning: build/export/model.json cannot be read" in results(here, capsys, "met")


def test_results_call_undefined_what_is_undefined(here, capsys):
    assert "undefined (lower)" in results(here, capsys, "cannot_say")


def test_results_before_the_first_run_say_what_to_do(here, capsys):
    (here / "dvc.yaml").touch()
    assert main(["results"]) == 1
    assert capsys.readouterr() == (
        "",
        "radiotrace: evidence/acceptance.json is missing\nRun 'dvc repro', or "
        "'dvc pull' for the submitted run.\n",
    )


@pytest.mark.parametrize("words", [["results"], ["members"], ["trace", "x"], ["verify"]], ids=" ".join)
def test_where_there_is_no_repository_one_line_says_so(here, capsys, words):
    assert main(words) == 1
    line = f"radiotrace: {words[0]} is about a repository, and there is none in {here}\n"
    assert capsys.readouterr() == ("", line)
    assert list(here.iterdir()) == []


def test_manifest_lists_every_file_as_sha256sum_does(here, capsys):
    (here / "data/imagesTr").mkdir(parents=True)
    (here / "data/imagesTr/p_01.nii.gz").write_bytes(b"abc")
    (here / "data/dataset.json").write_bytes(b"{}")
    assert main(["manifest"]) == 0
    assert (
        (here / "data.sha256").read_text()
        == f"{hashlib.sha256(b'{}').hexdigest()}  data/dataset.json\n{ABC}  data/imagesTr/p_01.nii.gz\n"
    )
    assert capsys.readouterr().out == "data.sha256: 2 files of data/\n"


def test_manifest_of_no_files_is_not_written(here, capsys):
    (here / "data.sha256").write_text("old\n")
    assert main(["manifest"]) == 1
    assert capsys.readouterr().err.startswith("radiotrace: 0 files in data/\n")
    assert (here / "data.sha256").read_text() == "old\n"


def test_datastore_that_is_whole_gives_both_counts(here, capsys):
    digest = "900150983cd24fb0d6963f7d28e17f72"  # MD5 of abc: RFC 1321, appendix A.5
    (here / "datastore/files/md5/90").mkdir(parents=True)
    (here / "datastore/files/md5/90" / digest[2:]).write_bytes(b"abc")
    (here / "data.dvc").write_text(f"outs: [{{path: data, md5: '{digest}'}}]\n")
    assert main(["datastore"]) == 0
    assert capsys.readouterr().out == "datastore/: 1 objects hashed, 1 locked files found\n"


def test_datastore_without_a_lock_fails(here, capsys):
    (here / "dvc.yaml").touch()
    assert main(["datastore"]) == 1
    assert "nothing is locked" in capsys.readouterr().err


def test_alone_it_lists_the_commands_each_with_what_it_does(capsys):
    assert main([]) == 2
    listed = capsys.readouterr().err
    assert "COMMAND" in listed
    for name in ("results", "compare", "new", "trace", "verify"):
        assert re.search(rf"^    {name} +\S", listed, re.MULTILINE), name


@pytest.mark.parametrize(("typed", "meant"), [("verfy", "verify"), ("mebers", "members"), ("Trace", "trace")])
def test_a_misspelt_command_gets_those_that_resemble_it(capsys, typed, meant):
    with pytest.raises(SystemExit, match="2"):
        main([typed])
    said = f"radiotrace: there is no {typed}; is it {meant}?\n"
    way_out = "'python -m radiotrace --help' lists what there is.\n"
    assert capsys.readouterr() == ("", said + way_out)


def test_what_resembles_no_command_is_refused_without_a_guess(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["xyzzy"])
    assert capsys.readouterr().err.startswith("radiotrace: there is no xyzzy\n")


def test_letters_that_a_terminal_lacks_end_no_command(tmp_path):
    place = tmp_path / "Müller"
    place.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "radiotrace", "datastore", "--project", place],
        cwd=ROOT,
        capture_output=True,
        env={"PYTHONIOENCODING": "ascii", "PATH": os.environ["PATH"]},
    )
    assert done.returncode == 1
    assert r"M\xfcller" in done.stderr.decode("ascii")
    done = subprocess.run(
        [sys.executable, "-m", "radiotrace", "--help"],
        cwd=ROOT,
        capture_output=True,
        env={"PYTHONIOENCODING": "iso-8859-1", "PATH": os.environ["PATH"]},
    )
    assert done.returncode == 0
    line = "print('\u2026 \u03b1')"
    done = subprocess.run(
        [sys.executable, "-c", f"from radiotrace import errors; errors.for_any_terminal(); {line}"],
        cwd=ROOT,
        capture_output=True,
        env={"PYTHONIOENCODING": "iso-8859-1", "PATH": os.environ["PATH"]},
    )
    assert done.stdout == b"\\u2026 \\u03b1\n"


def test_a_reader_that_has_seen_enough_gets_no_traceback():
    command = f"'{sys.executable}' -m radiotrace trace RC-1 | true"
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True)  # noqa: S602
    assert "Traceback" not in done.stderr


@pytest.mark.requirement("SRS-UI-1")
def test_exit_status_reaches_the_shell_without_a_traceback(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "radiotrace", "datastore", "--project", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (1, "", False)
