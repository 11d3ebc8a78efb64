"""Per-case work: the order of the cases, errors as they were raised, and the options with their faults."""

import argparse
import errno
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from radiotrace.errors import StageError
from radiotrace.pipeline import cluster, parallel, stage

BACKENDS = [("1", "loky"), ("2", "loky"), ("2", "threading")]
IN_EACH = pytest.mark.parametrize(("workers", "backend"), BACKENDS, ids=["in process", "loky", "threading"])
NEVER = "tcp://127.0.0.1:9"  # nothing listens there


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in ("WORKERS", "BACKEND", "SCHEDULER"):
        monkeypatch.delenv(f"RADIOTRACE_{name}", raising=False)


def arguments(**options) -> argparse.Namespace:
    return argparse.Namespace(
        **{
            "workers": None,
            "backend": None,
            "scheduler": None,
            "requirements": ["requirements.txt"],
        }
        | options
    )


def run(function, cases, common=None, **options) -> list:
    with parallel.pool(arguments(**options)) as each:
        return list(each(function, cases, **(common or {})))


# Functions of a case, at the top of their module, as workers need them


def later_is_faster(case: int) -> int:
    time.sleep(0.3 if case == 0 else 0)
    return case


def plus(case: int, summand: int) -> int:
    return case + summand


def refuse(case: int, faulty: list) -> int:
    time.sleep(0.2 if case == faulty[0] else 0)
    if case in faulty:
        raise StageError(f"case {case} is damaged", ["voxel 7"], "Mend it.")
    return case


def full_disk(case: str):
    raise OSError(errno.ENOSPC, "No space left on device", case)


def mistake(case: int):
    raise ValueError(f"shape of {case}")


def die(case: int):
    os.kill(os.getpid(), signal.SIGKILL)


def mark_and_refuse(case: int, folder: Path):
    (folder / str(case)).touch()
    time.sleep(0.01)
    raise StageError(f"case {case}")


def mark_twice(case: int, folder: Path) -> int:
    (folder / f"begun_{case}").touch()
    time.sleep(0.2)
    (folder / f"ended_{case}").touch()
    if case == 0:
        raise StageError("case 0")
    return case


def process(case: int) -> int:
    return os.getpid()


# Results


@IN_EACH
def test_results_come_in_the_order_of_the_cases(workers, backend):
    assert run(later_is_faster, range(20), workers=workers, backend=backend) == list(range(20))


@IN_EACH
def test_what_is_common_to_all_cases_is_handed_on(workers, backend):
    assert run(plus, [1, 2], {"summand": 40}, workers=workers, backend=backend) == [41, 42]


@IN_EACH
def test_no_case_gives_no_result(workers, backend):
    assert run(plus, [], {"summand": 1}, workers=workers, backend=backend) == []


def test_results_come_while_later_cases_are_at_work():
    with parallel.pool(arguments(workers="2", backend="threading")) as each:
        assert next(each(later_is_faster, range(1, 1000))) == 1


def test_two_workers_are_two_processes():
    pids = run(process, range(40), workers="2", backend="loky")
    assert os.getpid() not in pids


def test_a_small_set_is_worked_through_in_this_process():
    assert set(run(process, range(40))) == {os.getpid()}


def test_a_large_set_goes_to_other_processes_after_the_first_case(monkeypatch):
    monkeypatch.setattr(parallel, "SECONDS_IN_PROCESS", 0)
    monkeypatch.setattr(parallel, "_cores", lambda: 2)
    pids = run(process, range(40))
    assert pids[0] == os.getpid()
    assert os.getpid() not in pids[1:]


# Errors


@IN_EACH
def test_the_error_of_a_case_arrives_in_all_its_parts(workers, backend):
    with pytest.raises(StageError) as caught:
        run(refuse, range(9), {"faulty": [4]}, workers=workers, backend=backend)
    assert (caught.value.headline, caught.value.findings, caught.value.way_out) == (
        "case 4 is damaged",
        ["voxel 7"],
        "Mend it.",
    )


@IN_EACH
def test_of_two_errors_the_one_of_the_earlier_case_arrives(workers, backend):  # though it is raised later
    with pytest.raises(StageError, match="case 4 is damaged"):
        run(refuse, range(9), {"faulty": [4, 5]}, workers=workers, backend=backend)


@IN_EACH
def test_a_full_disk_keeps_its_number_and_the_file(workers, backend):
    with pytest.raises(OSError, match="No space") as caught:
        run(full_disk, ["image.nii.gz"], workers=workers, backend=backend)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, "image.nii.gz")


@IN_EACH
def test_a_mistake_of_the_program_arrives_as_it_is(workers, backend):
    with pytest.raises(ValueError, match="shape of 3"):
        run(mistake, [3], workers=workers, backend=backend)


def test_a_mistake_in_another_process_tells_its_line():
    with pytest.raises(ValueError, match="shape of 3") as caught:
        run(mistake, [3], workers="2", backend="loky")
    assert "in mistake" in str(caught.value.__cause__)


@IN_EACH
def test_after_an_error_the_rest_is_left(tmp_path, workers, backend):
    with pytest.raises(StageError):
        run(mark_and_refuse, range(1000), {"folder": tmp_path}, workers=workers, backend=backend)
    assert len(list(tmp_path.iterdir())) < 1000


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_cases_under_way_end_before_an_error_arrives(tmp_path, backend):
    with pytest.raises(StageError):
        run(mark_twice, range(4), {"folder": tmp_path}, workers="2", backend=backend)
    names = [path.name.split("_") for path in tmp_path.iterdir()]
    assert sorted(case for what, case in names if what == "begun") == sorted(
        case for what, case in names if what == "ended"
    )


def interrupted(folder):
    with parallel.pool(arguments(workers="2", backend="threading")) as each:
        next(each(mark_twice, range(1, 100), folder=folder))
        raise KeyboardInterrupt


def test_threads_under_way_end_before_an_interrupt_arrives(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path)
    begun = len(list(tmp_path.glob("begun_*")))
    assert len(list(tmp_path.glob("ended_*"))) == begun < 99


def test_a_worker_that_dies_is_told_with_the_way_out():
    with pytest.raises(StageError, match="a worker process died") as caught:
        run(die, range(3), workers="2", backend="loky")
    assert "fewer --workers" in caught.value.way_out


# Options


def settings(threads=1, **options) -> parallel.Settings:
    return parallel.settings(arguments(**options), threads)


@pytest.mark.parametrize(
    ("cores", "threads", "workers"), [(8, 1, 8), (8, 2, 4), (7, 2, 3), (2, 4, 1), (1, 1, 1)]
)
def test_by_default_the_threads_of_all_workers_fit_the_cores(monkeypatch, cores, threads, workers):
    monkeypatch.setattr(parallel, "_cores", lambda: cores)
    assert settings(threads) == (workers, "loky", None, False)


def test_the_environment_decides_where_no_option_is_given(monkeypatch):
    for name, value in (("WORKERS", "3"), ("BACKEND", "dask"), ("SCHEDULER", NEVER)):
        monkeypatch.setenv(f"RADIOTRACE_{name}", value)
    assert settings() == (3, "dask", NEVER, True)


def test_an_option_goes_before_the_environment(monkeypatch):
    monkeypatch.setenv("RADIOTRACE_WORKERS", "3")
    assert settings(workers="5").workers == 5


def test_an_empty_variable_is_none(monkeypatch):
    monkeypatch.setenv("RADIOTRACE_WORKERS", "")
    assert not settings().named


def test_a_stage_that_gives_no_options_takes_the_defaults():
    assert parallel.settings(argparse.Namespace()).backend == "loky"


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", ""])
def test_workers_that_are_no_number_are_named(value):
    with pytest.raises(StageError) as caught:
        settings(workers=value)
    assert caught.value.findings == [f"--workers: found {value!r}, expected a whole number of 1 or more"]


def test_a_wrong_variable_is_named_as_such(monkeypatch):
    monkeypatch.setenv("RADIOTRACE_WORKERS", "abc")
    with pytest.raises(StageError, match="RADIOTRACE_WORKERS: found 'abc', expected a whole number"):
        settings()


def test_all_wrong_options_are_named_at_once():
    with pytest.raises(StageError) as caught:
        settings(workers="0", backend="ray", scheduler="localhost")
    assert [finding.split(":")[0] for finding in caught.value.findings] == [
        "--workers",
        "--backend",
        "--scheduler",
    ]


def test_dask_needs_a_scheduler():
    with pytest.raises(StageError, match="--scheduler: found nothing"):
        settings(backend="dask")


@pytest.fixture
def exit_status():
    """Runs a stage of two cases with given options, as its command line does."""

    def start(*options) -> int:
        def main(args):
            with parallel.pool(args) as each:
                list(each(plus, [1, 2], summand=1))

        parser = argparse.ArgumentParser(prog="split", parents=[parallel.options()])
        return stage.run(
            main,
            parser,
            ["--params", "params.yaml", "--requirements", "requirements.txt", *options],
        )

    return start


def test_a_wrong_option_exits_1_with_its_message_only(exit_status, capsys):
    assert exit_status("--workers", "none") == 1
    assert capsys.readouterr().err.startswith("split: 1 options are wrong\n  --workers: found 'none'")


def test_a_scheduler_that_is_not_there_exits_1_with_its_address(exit_status, capsys, monkeypatch):
    monkeypatch.setattr(cluster, "SECONDS_TO_CONNECT", 1)
    assert exit_status("--backend", "dask", "--scheduler", NEVER) == 1
    assert capsys.readouterr().err.startswith(f"split: no Dask scheduler at {NEVER}\n")


def test_dask_that_is_not_installed_exits_1_with_the_command_that_installs_it(
    exit_status, capsys, monkeypatch
):
    monkeypatch.setattr(cluster.importlib.util, "find_spec", lambda name: None)
    assert exit_status("--backend", "dask", "--scheduler", NEVER) == 1
    assert "pip install -r requirements/cluster.txt" in capsys.readouterr().err


# What a worker of a cluster must have in common with the stage


@pytest.fixture
def origin(tmp_path, monkeypatch) -> cluster.Origin:
    """Of a stage in the current folder."""
    cluster.check_worker.cache_clear()
    monkeypatch.chdir(tmp_path)
    Path("token").touch()
    Path("pins.txt").write_text("")
    return cluster.Origin("token", cluster.code_sha256(), (str(tmp_path / "pins.txt"),))


def test_a_worker_with_the_same_files_code_and_versions_may_work(origin):
    assert cluster.check_worker(origin) is None


def test_a_worker_that_does_not_see_the_files_may_not(origin):
    assert "where the files of the stage are not" in cluster.check_worker(origin._replace(token="other"))  # noqa: S106 - a file


def test_a_worker_with_other_code_may_not(origin):
    assert "has other code in memory" in cluster.check_worker(origin._replace(code="0" * 64))


def test_a_worker_with_other_versions_may_not(origin):
    Path("pins.txt").write_text("numpy==0.1\n")
    assert "numpy: found" in cluster.check_worker(origin)


def test_no_thread_is_left():
    run(plus, range(5), {"summand": 1}, workers="2", backend="threading")
    assert not [thread for thread in threading.enumerate() if "ThreadPool" in thread.name]
