"""Members of a deep ensemble: which runs may be one, which cases they have not learnt from, and the way
from a run to its evaluation."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from radiotrace import records
from radiotrace.__main__ import main
from radiotrace.errors import StageError
from radiotrace.evidence.verify import workflow
from radiotrace.learning import members
from tests import projects, second_task

TRAIN = json.loads((Path(__file__).resolve().parent / "schema_cases/train/valid/one_epoch.json").read_text())
# Case a and its twin are of one subject; the test part is t and u.
PARTS = {
    "a": ("A", "train"),
    "twin": ("A", "train"),
    "b": ("B", "train"),
    "v": ("V", "validation"),
    "w": ("W", "validation"),
    "t": ("T", "test"),
    "u": ("T", "test"),
}
SPLIT = {
    "cases": {case_id: {"subject_id": subject, "part": part} for case_id, (subject, part) in PARTS.items()}
}


def write(folder, name: str, train=("a",), validation=("v",), preprocessing=None, **changed) -> dict:
    """A member's folder, with three bytes of weights; its record."""
    weights = folder / name / "weights.safetensors"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(name.encode())
    record = (
        TRAIN
        | {
            "cases": {"train": list(train), "validation": list(validation)},
            "weights_sha256": records.sha256(weights),
            "preprocessing": TRAIN["preprocessing"] | (preprocessing or {}),
        }
        | changed
    )
    records.write(folder / name / "train.json", record, "train")
    return record


def faults(folder, train=TRAIN) -> str:
    with pytest.raises(StageError) as refused:
        members.read(folder, train, SPLIT)
    return str(refused.value)


def test_a_folder_without_a_member_has_none(tmp_path):
    (tmp_path / "README.md").write_text("none yet")
    assert members.read(tmp_path, TRAIN, SPLIT) == {}


def test_members_are_sorted_by_name(tmp_path):
    two, one = write(tmp_path, "two"), write(tmp_path, "one")
    assert list(members.read(tmp_path, TRAIN, SPLIT).items()) == [("one", one), ("two", two)]


@pytest.mark.requirement("SRS-UNC-1")
@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            {"labels": {"0": "background", "1": "posterior", "2": "anterior"}},
            "one: labels: found {'0': 'background', '1': 'posterior'",
        ),
        (
            {"preprocessing": {"spacing_mm": [2, 2, 2]}},
            "one: spacing_mm: found [2, 2, 2], expected [1.0, 1.0, 1.2]",
        ),
        ({"preprocessing": {"orientation": "RAS"}}, "one: orientation: found RAS, expected LPS"),
        ({"train": ["a", "t"]}, "one: of the test part's subjects it saw 1 cases, expected none: t"),
        ({"validation": ["u"]}, "one: of the test part's subjects it saw 1 cases, expected none: u"),
        (
            {"train": ["a", "x1", "x2", "x3", "x4"]},
            "one: of cases that are unknown here it saw 4 cases, expected none: x1, x2, x3, …",
        ),
        ({"weights_sha256": "0" * 64}, "one: SHA-256 of weights.safetensors: found "),
    ],
)
def test_a_run_that_cannot_be_a_member_is_refused(tmp_path, changed, expected):
    write(tmp_path, "one", **changed)
    assert expected in faults(tmp_path)


def test_a_twin_of_a_test_case_is_of_its_subject(tmp_path):
    write(tmp_path, "one", train=["t2"])
    split = {"cases": SPLIT["cases"] | {"t2": {"subject_id": "T", "part": "train"}}}
    with pytest.raises(StageError, match="expected none: t2"):
        members.read(tmp_path, TRAIN, split)


def test_the_model_is_not_a_member_of_itself(tmp_path):
    assert "one: the same weights as the model itself" in faults(
        tmp_path, TRAIN | {"weights_sha256": write(tmp_path, "one")["weights_sha256"]}
    )


def test_a_member_stands_once(tmp_path):
    sha256 = write(tmp_path, "one")["weights_sha256"]
    write(tmp_path, "two", weights_sha256=sha256)
    (tmp_path / "two/weights.safetensors").write_bytes(b"one")
    assert "two: the same weights as one" in faults(tmp_path)


def test_all_faults_are_named_at_once(tmp_path):
    write(tmp_path, "one", train=["t"])
    write(tmp_path, "two", train=["u"], preprocessing={"orientation": "RAS"})
    found = faults(tmp_path)
    assert all(text in found for text in ("expected none: t", "expected none: u", "two: orientation"))


@pytest.mark.parametrize("file", ["train.json", "weights.safetensors"])
def test_a_member_lacks_no_file(tmp_path, file):
    write(tmp_path, "one")
    (tmp_path / "one" / file).unlink()
    assert f"one: {file} is missing" in faults(tmp_path)


def test_a_member_that_was_not_pulled_is_missed(tmp_path):
    (tmp_path / "one.dvc").write_text("outs: []")
    assert "one: weights.safetensors is missing\nRun 'dvc pull'" in faults(tmp_path)


@pytest.mark.parametrize(("train", "expected"), [(["b"], {"v", "w"}), (["v"], {"w"}), (["v", "w"], set())])
def test_strangers_are_cases_whose_subject_no_member_has_learnt_from(train, expected):
    found = {
        "one": {"cases": {"train": ["a"], "validation": ["w"]}},
        "two": {"cases": {"train": train, "validation": []}},
    }
    assert members.strangers(found, SPLIT, "validation") == expected


def test_a_twin_of_what_a_member_learnt_is_no_stranger():
    assert members.strangers({"one": {"cases": {"train": ["a"], "validation": []}}}, SPLIT, "train") == {"b"}


# The command

RUNS = {"one": "1" * 64, "two": "2" * 64}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A git repository without a member and, under two tags, two runs whose outputs are in git."""
    monkeypatch.chdir(tmp_path)
    projects.run(tmp_path, "git", "init", "-q", "-b", "main")
    (tmp_path / "members").mkdir()
    (tmp_path / "members/README.md").write_text("about members")
    (tmp_path / "build").mkdir()
    for name, run_id in RUNS.items():
        write(tmp_path, name, run_id=run_id)
        (tmp_path / name).rename(tmp_path / "build/train")
        projects.commit(tmp_path, name)
        projects.run(tmp_path, "git", "tag", name)
        shutil.rmtree(tmp_path / "build/train")
    return tmp_path


def test_runs_become_members(project, capsys):
    assert main(["members", "two", "one"]) == 0
    assert {name: one["run_id"] for name, one in members.read("members", TRAIN, SPLIT).items()} == {
        run_id[:12]: run_id for run_id in RUNS.values()
    }
    assert (project / "members/222222222222/weights.safetensors").read_bytes() == b"two"
    assert (
        capsys.readouterr().out.splitlines()[-1]
        == "Next: dvc add members/222222222222 members/111111111111 && dvc repro"
    )


def test_other_members_go_and_other_files_stay(project):
    main(["members", "one"])
    (project / "members/111111111111.dvc").write_text("outs: []")
    (project / "members/.gitignore").write_text("/111111111111")
    main(["members", "two"])
    assert sorted(path.name for path in (project / "members").iterdir()) == ["222222222222", "README.md"]


def test_without_a_run_the_ensemble_is_left_out(project, capsys):
    main(["members", "one"])
    assert main(["members"]) == 0
    assert [path.name for path in (project / "members").iterdir()] == ["README.md"]
    assert capsys.readouterr().out.splitlines()[-1] == "members/ has no member; next: dvc repro"


def test_a_run_that_cannot_be_taken_changes_nothing_and_is_named_with_all_others(project, capsys):
    main(["members", "one"])
    (project / "build/train").mkdir()
    (project / "build/train/train.json").write_text("{}")
    (project / "build/train/weights.safetensors").write_bytes(b"")
    projects.commit(project, "broken")
    assert main(["members", "two", "HEAD", "nobody"]) == 1
    error = capsys.readouterr().err
    assert "2 of 3 runs cannot be taken; members stays as it was" in error
    assert "HEAD: train.json breaks schemas/train.schema.json" in error
    assert "nobody is no run" in error
    assert [path.name for path in sorted((project / "members").iterdir())] == ["111111111111", "README.md"]


def test_weights_of_another_run_are_not_taken(project, capsys):
    (project / "build/train").mkdir()
    (project / "build/train/train.json").write_text(records.dumps(TRAIN))
    (project / "build/train/weights.safetensors").write_bytes(b"other")
    projects.commit(project, "mixed")
    assert main(["members", "HEAD"]) == 1
    assert "HEAD: weights.safetensors is of another run" in capsys.readouterr().err


def test_a_task_without_ensembles_takes_no_members(project, monkeypatch, capsys):
    second_task.declare(project, monkeypatch)
    assert main(["members", "one"]) == 1
    said = "members knows no study of task second_task yet: none of its stages takes an ensemble"
    assert capsys.readouterr().err == f"radiotrace: {said}\n"
    assert [path.name for path in (project / "members").iterdir()] == ["README.md"]


def test_members_of_another_task_are_read_by_its_schema(project, monkeypatch, capsys):
    task = second_task.declare(project, monkeypatch)
    evaluate = task.stages["evaluate"]
    takes = dataclasses.replace(evaluate, options=(*evaluate.options, "members"))
    changed = dataclasses.replace(task, stages={**task.stages, "evaluate": takes})
    monkeypatch.setattr(workflow, "task_of", lambda study: changed)
    assert main(["members", "one"]) == 1  # the run is one of segmentation
    assert "one: train.json breaks schemas/train_second_task.schema.json" in capsys.readouterr().err


@pytest.mark.slow
def test_from_two_seeds_to_an_ensemble_in_the_evidence(reproduced, tmp_path):
    folder = projects.clone(reproduced, tmp_path / "project")
    projects.run(folder, "dvc", "pull", "-q")
    projects.set_params(folder, seed=1, split={"parts_seed": 0})
    projects.run(folder, "dvc", "repro", "train")
    projects.run(folder, "git", "switch", "-qc", "seed-1")
    projects.commit(folder, "seed 1")
    projects.run(folder, "git", "switch", "-q", "main")
    projects.run(folder, "dvc", "checkout", "-q")
    said = projects.run(folder, "python", "-m", "radiotrace", "members", "seed-1").stdout.splitlines()[-1]
    projects.run(folder, *said.removeprefix("Next: ").removesuffix(" && dvc repro").split())
    projects.run(folder, "dvc", "repro")
    metrics = json.loads((folder / "metrics/metrics.json").read_text())
    [member] = metrics["members"]
    assert metrics["decisions"]["n_cases_ensemble"] == metrics["decisions"]["n_cases"] > 0
    assert metrics["uncertainty"]["ensemble"]["score"]["value"] > 0
    # below 9 subjects of the validation part there is no threshold
    assert metrics["uncertainty"]["ensemble"]["flag_above"] is None
    # the model is still the one
    assert metrics["dice"] == json.loads((reproduced / "metrics/metrics.json").read_text())["dice"]
    vouched = {
        row["path"]: row["sha256"]
        for row in json.loads((folder / "evidence/manifest.json").read_text())["files"]
    }
    assert vouched[f"members/{member['run_id'][:12]}/weights.safetensors"] == member["weights_sha256"]
    assert "Deep ensemble" in (folder / "build/report/index.html").read_text().replace("deep", "Deep")
