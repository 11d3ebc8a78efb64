"""compare: runs that git, DVC or a file holds, and what is printed of them."""

import hashlib
import json
import os

import pytest

from radiotrace import records
from radiotrace.__main__ import main
from radiotrace.commands import revisions
from radiotrace.segmentation import measures
from tests import projects
from tests.second.radiotrace.second_task import measures as picture_measures

BASE = {f"case_{number:02d}": 0.8 + 0.01 * (number % 3) for number in range(16)}


def cases(by=0.0, run_id="a", left_out=(), **changes) -> str:
    """A cases.json whose Dice is that of BASE and so much more, give or take 0.001, with fields that
    nobody knows yet."""
    rows = [
        {
            "case_id": case_id,
            "subject_id": f"subject_{case_id[5:]}",
            "novel": 1,
            "labels": {
                "organ": {"dice": dice + by + scatter(number, by), "reference_mm3": 100.0, "novel_mm": None}
            },
        }
        for number, (case_id, dice) in enumerate(BASE.items())
        if case_id not in left_out
    ]
    return json.dumps({"run_id": run_id * 64, "part": "test", "cases": rows} | changes)


def scatter(number: int, by: float) -> float:
    """0.001 up or down, otherwise for runs that are better than for those that are worse: a constant
    difference has no interval."""
    return 0.0 if by == 0 else 0.001 * (-1) ** (number // (2 if by > 0 else 4))


def table(better: str = "larger") -> str:
    """A metrics.json, of which only the table of measures is read."""
    row = measures.TABLE[0].record() | {"better": better, "novel": 1}
    return json.dumps({"measures": [row], "novel": 1})


def commit(folder, text: str, message: str) -> str:
    (folder / "metrics").mkdir(exist_ok=True)
    (folder / "metrics/cases.json").write_text(text)
    (folder / "metrics/metrics.json").write_text(table())
    projects.commit(folder, message)
    return projects.run(folder, "git", "rev-parse", "HEAD").stdout.strip()


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A git repository: tag first, then branch main, better by 0.02; the workspace, worse by 0.05 than
    first."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    projects.run(tmp_path, "git", "init", "-q", "-b", "main")
    commit(tmp_path, cases(), "one")
    projects.run(tmp_path, "git", "tag", "first")
    commit(tmp_path, cases(0.02, "b"), "two")
    (tmp_path / "metrics/cases.json").write_text(cases(-0.05, "c"))
    return tmp_path


def experiment(project, name: str, baseline: str, text: str) -> str:
    """What DVC leaves in git of an experiment."""
    mine = (project / "metrics/cases.json").read_text()
    head = projects.run(project, "git", "rev-parse", "HEAD").stdout.strip()
    made = commit(project, text, name)
    projects.run(project, "git", "update-ref", f"refs/exps/{baseline[:2]}/{baseline[2:]}/{name}", made)
    projects.run(project, "git", "reset", "-q", "--hard", head)
    (project / "metrics/cases.json").write_text(mine)
    return made


def row(capsys, *words) -> list[str]:
    """The table's row of the mean of labels."""
    assert main(["compare", *words]) == 0
    [found] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("mean_of_labels")]
    return found.split()


@pytest.mark.parametrize(
    ("a", "b", "difference", "verdict"),
    [
        ("first", "main", "0.02", "non-inferior"),
        ("main", "first", "-0.02", "not shown"),
        ("HEAD", "workspace", "-0.07", "not shown"),
        ("first", "first", "0", "none"),
        ("metrics/cases.json", "HEAD~1", "0.05", "non-inferior"),
    ],
)
def test_runs_of_git_the_workspace_and_files(project, capsys, a, b, difference, verdict):
    found = row(capsys, a, b)
    assert found[3] == difference
    assert " ".join(found).endswith(verdict)


def test_an_experiment_is_found_by_its_name(project, capsys):
    made = experiment(
        project,
        "wide-net",
        projects.run(project, "git", "rev-parse", "HEAD").stdout.strip(),
        cases(0.03, "d"),
    )
    assert revisions.resolve("wide-net") == made
    assert row(capsys, "main", "wide-net")[3] == "0.01"


def test_of_experiments_of_one_name_that_of_head_is_meant(project):
    head, first = (projects.run(project, "git", "rev-parse", one).stdout.strip() for one in ("HEAD", "first"))
    experiment(project, "net", first, cases(0.03, "d"))
    made = experiment(project, "net", head, cases(0.04, "e"))
    assert revisions.resolve("net") == made


def test_experiments_of_one_name_elsewhere_are_refused(project, capsys):
    for baseline in ("1" * 40, "2" * 40):
        experiment(project, "net", baseline, cases(0.03, baseline[0]))
    assert main(["compare", "main", "net"]) == 1
    assert "2 experiments are named net\n  refs/exps/11/" in capsys.readouterr().err


def test_from_a_subfolder_paths_are_those_of_the_subfolder(project, capsys, monkeypatch):
    (project / "study").mkdir()
    commit(project / "study", cases(0.01, "d"), "study")
    monkeypatch.chdir(project / "study")
    assert row(capsys, "HEAD", "workspace")[3] == "0"


def test_what_dvc_keeps_is_read_from_its_cache(project, capsys):
    text = cases(0.04, "d").encode()
    digest = hashlib.md5(text).hexdigest()  # noqa: S324 (DVC's index)
    cached = project / ".dvc/cache/files/md5" / digest[:2] / digest[2:]
    cached.parent.mkdir(parents=True)
    cached.write_bytes(text)
    (project / ".dvc/config").write_text("[core]\n    analytics = false\n")
    (project / ".dvc/.gitignore").write_text("/cache\n/tmp\n")
    (project / "kept").mkdir()
    (project / "kept/cases.json.dvc").write_text(
        f"outs:\n- md5: {digest}\n  size: {len(text)}\n  hash: md5\n  path: cases.json\n"
    )
    (project / "kept/.gitignore").write_text("/cases.json\n")
    projects.commit(project, "kept by DVC")
    (project / "kept/cases.json").write_text(cases())
    done = projects.run(
        project,
        "python",
        "-m",
        "radiotrace",
        "compare",
        "workspace",
        "HEAD",
        "--metrics",
        "kept",
        PYTHONPATH=str(projects.ROOT),
    )
    assert "mean_of_labels  0.8094  0.8494  0.04" in done.stdout


def test_the_record_names_both_runs(project, capsys):
    assert main(["compare", "first", "workspace", "--margin", "0.1", "--out", "compared.json"]) == 0
    found = records.read("compared.json", "comparison")
    assert found["run_a"] == {
        "name": "first",
        "commit": projects.run(project, "git", "rev-parse", "first").stdout.strip(),
        "run_id": "a" * 64,
        "part": "test",
        "cases_sha256": hashlib.sha256(cases().encode()).hexdigest(),
    }
    assert (found["run_b"]["name"], found["run_b"]["commit"], found["margin"]) == ("workspace", None, 0.1)
    assert found["rows"]["organ"]["verdict"] == "non-inferior"


def test_a_record_names_no_folder_of_this_machine(project, capsys):
    assert main(["compare", str(project / "metrics/cases.json"), "main", "--out", "compared.json"]) == 0
    assert str(project) not in (project / "compared.json").read_text()


def test_the_same_command_gives_the_same_bytes(project, capsys):
    for name in ("one.json", "two.json"):
        assert main(["compare", "first", "main", "--out", name]) == 0
    assert (project / "one.json").read_bytes() == (project / "two.json").read_bytes()


def test_what_does_not_count_is_said(project, capsys):
    (project / "b.json").write_text(cases(left_out=["case_03", "case_11"]))
    assert main(["compare", "first", "b.json"]) == 0
    assert (
        "no verdict on organ, mean_of_labels: 2 cases are in run A only\n2 cases are in run A only and do "
        "not count: case_03, case_11\n"
        "Both are one run.\n" in capsys.readouterr().out
    )


def test_title_and_direction_are_those_of_the_table(project, capsys):
    assert main(["compare", "first", "main"]) == 0
    assert capsys.readouterr().out.startswith("Dice (dice), larger is better; margin 0.01\n")


def test_where_smaller_is_better_the_same_difference_stands_against_it(project, capsys):
    for run in ("a", "b"):
        (project / run).mkdir()
        (project / run / "metrics.json").write_text(table("smaller"))
    (project / "a/cases.json").write_text(cases())
    (project / "b/cases.json").write_text(cases(0.02, "b"))
    assert " ".join(row(capsys, "a/cases.json", "b/cases.json")).endswith("not shown")


def test_where_no_run_says_what_is_better_there_is_no_verdict_and_the_reason(project, capsys):
    (project / "old").mkdir()
    for name, by in (("a", 0.0), ("b", 0.02)):
        (project / f"old/{name}.json").write_text(cases(by, name))
    assert main(["compare", "old/a.json", "old/b.json"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("dice, neither larger nor smaller is better")
    assert "no verdict on organ, mean_of_labels: neither run has a metrics.json whose table" in out


def test_the_table_of_one_run_is_enough(project, capsys):  # the other is of before there was one
    (project / "old").mkdir()
    (project / "old/cases.json").write_text(cases(-0.05, "c"))
    (project / "old/metrics.json").write_text('{"dice": {}}')
    assert " ".join(row(capsys, "old/cases.json", "main")).endswith("non-inferior")


def test_runs_that_do_not_agree_on_what_is_better_are_refused(project, capsys):
    (project / "metrics/metrics.json").write_text(table("smaller"))
    assert main(["compare", "main", "workspace"]) == 1
    assert capsys.readouterr().err.startswith(
        "radiotrace: the runs do not agree on whether more of dice is better\n"
        "  run A: larger\n  run B: smaller\n"
    )


def test_undefined_values_are_said(project, capsys):
    assert main(["compare", "first", "main", "--metric", "novel_mm"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("novel_mm, neither larger nor smaller is better")
    assert "organ: undefined in 16 cases of A and 16 of B, 0 of B only" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["main", "nosuch"], "radiotrace: nosuch is no run\n  found neither"),
        (
            ["nosuch", "none"],
            "radiotrace: neither run can be read\n  nosuch is no run\n  found neither a git "
            "revision nor an experiment nor a file "
            "of the name nosuch\n  none is no run\n",
        ),
        (
            ["main", "first", "--metric", "iou"],
            "radiotrace: no metric 'iou' in both runs\n  there are dice, novel_mm\n",
        ),
        (["main", "first", "--margin", "-1"], "radiotrace: --margin: found -1, expected 0 or more\n"),
        (["main", "first", "--margin", "nan"], "radiotrace: --margin: found nan, expected 0 or more\n"),
        (["main", "broken.json"], "radiotrace: run broken.json: its cases.json is no record of cases\n"),
        (["main", "list.json"], "radiotrace: run list.json: its cases.json is no record of cases\n"),
        (
            ["main", "part.json"],
            "radiotrace: the runs cannot be compared\n  run A is of part test, run B of part validation\n",
        ),
    ],
    ids=["run", "both runs", "metric", "margin", "no margin", "no JSON", "no record", "another part"],
)
def test_faults(project, capsys, words, message):
    (project / "broken.json").write_text("{")
    (project / "list.json").write_text("[1]")
    (project / "part.json").write_text(cases(part="validation"))
    assert main(["compare", *words]) == 1
    assert capsys.readouterr().err.startswith(message)


def test_a_workspace_without_results_says_what_to_do(project, capsys):
    (project / "metrics/cases.json").unlink()
    assert main(["compare", "main", "workspace"]) == 1
    assert capsys.readouterr().err.startswith(
        "radiotrace: metrics/cases.json is missing in the workspace\nRun 'dvc repro'"
    )


def test_a_commit_without_results_says_so(project):
    projects.run(project, "git", "rm", "-q", "--cached", "metrics/cases.json")
    projects.run(
        project, "git", "-c", "user.name=test", "-c", "user.email=test@example.org", "commit", "-qm", "none"
    )
    done = projects.run(
        project,
        "python",
        "-m",
        "radiotrace",
        "compare",
        "HEAD",
        "first",
        check=False,
        PYTHONPATH=str(projects.ROOT),
    )
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert done.stderr.startswith("radiotrace: run HEAD has no metrics/cases.json\n")


def test_runs_of_another_task_are_compared_on_the_measure_that_stands_first_in_their_list(project, capsys):
    row = picture_measures.TABLE[0].record()
    for name, by in (("a", 0.0), ("b", 0.02)):
        folder = project / name
        folder.mkdir()
        (folder / "cases.json").write_text(cases(by, name).replace('"dice"', '"recall"'))
        (folder / "metrics.json").write_text(json.dumps({"measures": [row]}))
    assert main(["compare", "a/cases.json", "b/cases.json"]) == 0
    assert capsys.readouterr().out.startswith("Recall (recall), larger is better")
