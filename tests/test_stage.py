"""How a stage runs: exit statuses, messages, pins, and output folders that appear whole or not at all."""

import argparse
import errno
import importlib.metadata
import os
import pickle

import pytest

from radiotrace import errors
from radiotrace.errors import StageError
from radiotrace.pipeline import pins, stage


@pytest.fixture
def run(tmp_path):
    """Runs a stage 'split' with a given main, under the given pins; returns its exit status."""

    def start(main, pins=""):
        (tmp_path / "requirements.txt").write_text(pins)
        return stage.run(
            main,
            argparse.ArgumentParser(prog="split"),
            ["--params", "params.yaml", "--requirements", str(tmp_path / "requirements.txt")],
        )

    return start


def raising(error):
    def main(_):
        raise error

    return main


def forbidden(_):
    raise AssertionError("main ran")


@pytest.fixture
def installed(monkeypatch):
    """Lets packages be installed in given versions."""

    def pretend(**versions):
        def version(name):
            if name not in versions:
                raise importlib.metadata.PackageNotFoundError(name)
            return versions[name]

        monkeypatch.setattr(stage.importlib.metadata, "version", version)

    return pretend


def test_stage_that_ends_exits_0(run):
    assert run(lambda args: None) == 0


def test_main_gets_the_arguments(run):
    seen = []
    run(lambda args: seen.append(args.params))
    assert seen == ["params.yaml"]


def test_params_must_be_named(capsys):
    with pytest.raises(SystemExit, match="2"):
        stage.run(forbidden, argparse.ArgumentParser(prog="split"), ["--requirements", "requirements.txt"])
    assert "--params" in capsys.readouterr().err


@pytest.mark.requirement("SRS-UI-1")
def test_fault_that_a_user_can_mend_exits_1_with_its_message_only(run, capsys):
    assert (
        run(
            raising(
                StageError("parts are not independent", ["train and test share s_01"], "Correct cases.csv.")
            )
        )
        == 1
    )
    assert capsys.readouterr() == (
        "",
        "split: parts are not independent\n  train and test share s_01\nCorrect cases.csv.\n",
    )


@pytest.mark.requirement("SRS-UI-1")
@pytest.mark.parametrize("number", stage.MENDABLE)
def test_file_that_cannot_be_written_exits_1_and_is_named(run, capsys, number):
    assert run(raising(OSError(number, os.strerror(number), "build/split.partial"))) == 1
    assert capsys.readouterr().err.startswith(
        f"split: {os.strerror(number)} while writing build/split.partial\n"
    )


def test_full_disk_without_a_file_name_exits_1(run, capsys):  # as write() reports it
    assert run(raising(OSError(errno.ENOSPC, "No space left on device"))) == 1
    assert "No space left on device while writing an output" in capsys.readouterr().err


def test_file_in_place_of_the_folder_of_outputs_exits_1(run, capsys, tmp_path):
    (tmp_path / "build").write_text("")

    def main(_args):
        with stage.output_folder(tmp_path / "build/split"):
            pass

    assert run(main) == 1
    assert capsys.readouterr().err.startswith("split: Not a directory while writing ")


def test_interrupt_exits_1(run, capsys):
    assert run(raising(KeyboardInterrupt())) == 1
    said = capsys.readouterr().err
    assert said.startswith(
        "split: interrupted. 'dvc repro' runs this stage again; training goes on after the last "
    )
    assert "begins anew where there is none" in said
    assert "nothing was changed" not in said  # DVC has taken earlier outputs away
    assert "come back with 'dvc checkout'" in said


@pytest.mark.parametrize(
    "error",
    [ValueError("shapes differ"), OSError(errno.EIO, "Input/output error"), FileNotFoundError("volume")],
)
def test_fault_of_the_program_shows_its_traceback(run, error):
    with pytest.raises(type(error)) as caught:
        run(raising(error))
    assert caught.value is error


@pytest.mark.requirement("SRS-SEC-3")
def test_wrong_pin_stops_the_stage_and_is_named_with_both_versions(run, capsys, installed):
    installed(numpy="2.3.1")
    assert run(forbidden, "numpy==2.4.0\n") == 1
    assert "  numpy: found 2.3.1, pinned ==2.4.0\n" in capsys.readouterr().err


@pytest.mark.requirement("SRS-SEC-3")
def test_pinned_package_that_is_missing_is_named(run, capsys, installed):
    installed()
    assert run(forbidden, "numpy==2.4.0\n") == 1
    assert "  numpy: found nothing, pinned ==2.4.0\n" in capsys.readouterr().err


@pytest.mark.requirement("SRS-SEC-3")
def test_all_wrong_pins_are_named_at_once(run, capsys, installed):
    installed(numpy="2.3.1", scipy="1.16.0", dvc="3.67.1")
    run(forbidden, "numpy==2.4.0\nscipy==1.17.0\ndvc==3.67.1\n")
    assert capsys.readouterr().err.startswith("split: 2 packages differ")


def test_local_version_satisfies_its_pin(run, installed):
    installed(torch="2.9.1+cpu")
    assert run(lambda args: None, "torch==2.9.1\n") == 0


def test_local_version_of_another_release_does_not(run, installed):
    installed(torch="2.9.0+cpu")
    assert run(forbidden, "torch==2.9.1\n") == 1


def test_prerelease_satisfies_its_pin(run, installed):
    installed(monai="1.6.0rc1")
    assert run(lambda args: None, "monai==1.6.0rc1\n") == 0


def test_options_comments_and_pins_of_other_platforms_are_no_pins(tmp_path):
    (tmp_path / "requirements.txt").write_text(
        "# runtime\n\n--extra-index-url https://download.pytorch.org/whl/cpu\nnumpy==2.4.0  # arrays\n"
        "pywin32==311 ; sys_platform == 'none'\nscipy==1.17.0 ; sys_platform != 'none'\n"
    )
    assert [pin.name for pin in pins.of(tmp_path / "requirements.txt")] == ["numpy", "scipy"]


def test_an_error_keeps_its_parts_on_the_way_between_processes():
    before = StageError("1 case fails", ["a: NaN"], "Correct it.")
    error = pickle.loads(pickle.dumps(before))  # noqa: S301 - made here
    assert (str(error), error.findings, error.way_out) == (
        "1 case fails\n  a: NaN\nCorrect it.",
        ["a: NaN"],
        "Correct it.",
    )


def fill(folder, **texts):
    for name, text in texts.items():
        (folder / name).write_text(text)


def fill_and_fail(path):
    with stage.output_folder(path) as out:
        fill(out, new="1")
        raise StageError("parts are not independent")


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()
    }


def test_output_folder_appears_when_the_block_ends(tmp_path):
    with stage.output_folder(tmp_path / "build/split") as out:
        fill(out, new="1")
        assert not (tmp_path / "build/split").exists()
    assert tree(tmp_path) == {"build/split/new": "1"}


def test_output_folder_replaces_the_earlier_one_whole(tmp_path):
    (tmp_path / "split").mkdir()
    fill(tmp_path / "split", old="0", both="0")
    with stage.output_folder(tmp_path / "split") as out:
        fill(out, new="1", both="1")
    assert tree(tmp_path) == {"split/new": "1", "split/both": "1"}


@pytest.mark.requirement("SRS-UI-1")
def test_failing_block_keeps_the_earlier_folder_and_nothing_else(tmp_path):
    (tmp_path / "split").mkdir()
    fill(tmp_path / "split", old="0")
    with pytest.raises(StageError):
        fill_and_fail(tmp_path / "split")
    assert tree(tmp_path) == {"split/old": "0"}
    assert [path.name for path in tmp_path.iterdir()] == ["split"]


def test_failing_block_without_an_earlier_folder_leaves_nothing(tmp_path):
    with pytest.raises(StageError):
        fill_and_fail(tmp_path / "split")
    assert list(tmp_path.iterdir()) == []


def test_remains_of_a_killed_process_do_not_get_in(tmp_path):
    (tmp_path / "split.partial").mkdir()
    fill(tmp_path / "split.partial", stale="0")
    with stage.output_folder(tmp_path / "split") as out:
        fill(out, new="1")
    assert tree(tmp_path) == {"split/new": "1"}


def test_what_a_killed_worker_left_does_not_get_in(tmp_path):
    with stage.output_folder(tmp_path / "split") as out:
        (out / "volumes/tmp1.partial").mkdir(parents=True)
        fill(out / "volumes", **{"a": "1", "b.partial": "0", "tmp1.partial/b": "0"})
    assert tree(tmp_path) == {"split/volumes/a": "1"}
    assert [path.name for path in (tmp_path / "split/volumes").iterdir()] == ["a"]


def test_earlier_folder_survives_when_the_new_one_cannot_be_renamed(tmp_path, monkeypatch):
    def rename(source, target):
        if str(source).endswith("split.partial"):
            raise PermissionError(errno.EACCES, "Permission denied", str(source))
        return real(source, target)

    real = os.rename
    (tmp_path / "split").mkdir()
    fill(tmp_path / "split", old="0")
    monkeypatch.setattr(stage.os, "rename", rename)
    with pytest.raises(PermissionError), stage.output_folder(tmp_path / "split") as out:
        fill(out, new="1")
    assert tree(tmp_path) == {"split/old": "0"}


@pytest.mark.parametrize("suffix", [".partial", ".previous.partial"])
def test_planted_link_under_a_temporary_name_of_an_output_folder_is_not_followed(tmp_path, suffix):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/kept").touch()
    (tmp_path / f"split{suffix}").symlink_to(tmp_path / "mine")
    (tmp_path / "split").mkdir()
    with stage.output_folder(tmp_path / "split") as out:
        (out / "split.json").write_text("{}")
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == [
        "mine",
        "mine/kept",
        "split",
        "split/split.json",
    ]


# What comes from outside is shown, not obeyed


def test_what_steers_a_terminal_is_shown_in_a_finding():
    text = str(
        errors.StageError(
            "a\x1b[2Jb", ["case \x1b]0;owned\x07", "two\nlines", "right\u202eleft"], "Run\x08 it."
        )
    )
    assert text.splitlines() == [
        r"a\x1b[2Jb",
        r"  case \x1b]0;owned\x07",
        r"  "
        r"two\nlines",
        r"  right\u202eleft",
        r"Run\x08 it.",
    ]


def test_what_steers_a_terminal_is_shown_in_the_log(capsys):
    errors.log("case \x1b[31mred\x1b[0m\nsecond line")
    assert capsys.readouterr().err == "case \\x1b[31mred\\x1b[0m\nsecond line\n"


def test_letters_of_every_script_stay_as_they_are():
    assert errors.shown("Größe 1.5 µm, 患者 ≤ 3 …") == "Größe 1.5 µm, 患者 ≤ 3 …"


@pytest.mark.parametrize(("count", "lines"), [(100, 101), (101, 102), (100_000, 102)])
def test_a_list_of_more_than_a_hundred_ends_in_how_many_more(count, lines):
    error = errors.StageError("headline", map(str, range(count)))
    assert len(error.findings) == count
    assert len(str(error).splitlines()) == lines
    if count > 100:
        assert str(error).splitlines()[-1] == f"  and {count - 100} more"


def test_a_finding_of_a_megabyte_is_shortened():
    line = str(errors.StageError("headline", ["x" * 10**6])).splitlines()[1]
    assert line == f"  {'x' * 1000}… (999000 more characters)"
