"""search: proposals by the number of a trial, the ledger, and what of a study a trial may touch."""

import dataclasses
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from dvc.utils.hydra import apply_overrides
from ruamel.yaml import YAML

from radiotrace import records
from radiotrace.__main__ import main
from radiotrace.errors import StageError
from radiotrace.pipeline.study import Study
from radiotrace.records import ledgers
from radiotrace.records.search import Fixed, Parameter, Pruning, SearchSpace
from radiotrace.search import experiments, proposals, trials
from radiotrace.search import space as spaces
from tests import clones, projects
from tests.analytic_trials import BASE, EPOCHS, FAILING, Analytic

COUNT = 18
SPACE = SearchSpace(
    name="analytic",
    seed=3,
    trials_random=4,
    parameters=(
        Parameter("train.learning_rate", "float", "how far a step goes", 1e-4, 1e-1, True),
        Parameter("train.features", "choice", "how wide", values=([4, 8, 8], [8, 8, 8], [16, 32, 64])),
        Parameter("train.batch_size", "int", "how many patches", 1, 4),
    ),
    pruning=Pruning("median", trials_before=3, epochs_before=1),
)


def written(folder: Path, space: SearchSpace = SPACE) -> Path:
    path = folder / "search.yaml"
    path.write_text(json.dumps(space.record()), "utf-8")  # JSON is YAML
    return path


def silent(_: str) -> None:
    """Says nothing."""


def searched(path: Path, count: int = COUNT, trainer: Analytic | None = None, space: SearchSpace = SPACE):
    return trials.run(space, path, BASE, count, trainer or Analytic(), silent)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "trials.jsonl"
    searched(path)
    return path


@pytest.fixture
def study(tmp_path) -> Path:
    """What a search reads of a study."""
    return clones.sources(tmp_path / "study")


# while the sampler still draws at random, at the trial after, and when it has learnt
@pytest.mark.parametrize("dies_in", [2, 5, 13])
def test_a_search_that_was_killed_and_goes_on_is_the_uninterrupted_one(whole, tmp_path, dies_in):
    path, space = tmp_path / "trials.jsonl", written(tmp_path)
    command = [sys.executable, "-m", "tests.analytic_trials", space, path, str(COUNT)]
    killed = subprocess.run([*command, str(dies_in)], cwd=projects.ROOT, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert len(path.read_bytes().splitlines()) == dies_in
    searched(path)
    assert path.read_bytes() == whole.read_bytes()


def test_a_search_that_is_done_trains_nothing(whole, tmp_path):
    path = Path(shutil.copy(whole, tmp_path))
    searched(path, trainer=Analytic(dies_in=COUNT))
    assert path.read_bytes() == whole.read_bytes()


def test_a_longer_search_begins_as_a_shorter_one(whole, tmp_path):
    shorter = searched(tmp_path / "trials.jsonl", count=7)
    assert [trial.record() for trial in shorter] == ledgers.read(whole, trials.SCHEMA)[:7]


def test_another_seed_draws_others(whole, tmp_path):
    other = searched(tmp_path / "trials.jsonl", 1, space=dataclasses.replace(SPACE, seed=4))
    assert other[0].parameters != ledgers.read(whole, trials.SCHEMA)[0]["parameters"]


def test_it_has_trials_of_every_state_and_learns(whole):
    lines = ledgers.read(whole, trials.SCHEMA)
    assert {line["state"] for line in lines} == {"complete", "pruned", "failed"}
    of_rates = [line["parameters"]["train.learning_rate"] for line in lines]
    near = [5e-4 < rate < 2e-2 for rate in of_rates]  # within a factor of 6 of the best, 0.003
    assert sum(near[SPACE.trials_random :]) > len(near[SPACE.trials_random :]) / 2


def test_what_is_drawn_lies_in_its_range(whole):
    for line in ledgers.read(whole, trials.SCHEMA):
        drawn = line["parameters"]
        assert 1e-4 <= drawn["train.learning_rate"] <= 1e-1
        assert drawn["train.features"] in [[4, 8, 8], [8, 8, 8], [16, 32, 64]]
        assert drawn["train.batch_size"] in (1, 2, 3, 4)


# a machine that is slower, or looks less often, sees the curve later
def test_what_is_written_does_not_depend_on_when_the_curve_is_looked_at(whole, tmp_path):
    path = tmp_path / "trials.jsonl"
    searched(path, trainer=Analytic(is_late=True))
    assert path.read_bytes() == whole.read_bytes()


def test_a_trial_is_ended_where_its_best_lies_below_the_median():
    def complete(number: int, curve: tuple) -> trials.Trial:
        parameters = {"train.learning_rate": 0.01, "train.features": [8, 8, 8], "train.batch_size": 2}
        return trials._decided(  # as a search writes it
            dataclasses.replace(SPACE, pruning=Pruning("none", 1, 0)),
            [None] * number,  # pyright: ignore[reportArgumentType] - of which only the number counts
            parameters,
            experiments.Trained("dice", curve, "a" * 64, "c" * 64, None),
            BASE,
            f"analytic-{number:04d}",
        )

    space = dataclasses.replace(SPACE, pruning=Pruning("median", 3, 1))
    before = [complete(number, (0.1, level, level)) for number, level in enumerate((0.4, 0.5, 0.6))]
    assert proposals.ends_after(space, before, (0.0, 0.49)) == 2  # the median is 0.5
    assert proposals.ends_after(space, before, (0.0, 0.5, 0.51)) is None
    assert proposals.ends_after(space, before, (0.0,)) is None  # each gets one epoch
    assert proposals.ends_after(space, before, (0.0, None)) == 2  # undefined counts as 0
    assert proposals.ends_after(space, before[:2], (0.0, 0.1)) is None  # too few before
    never = dataclasses.replace(space, pruning=Pruning("none", 3, 1))
    assert proposals.ends_after(never, before, (0.0, 0.1)) is None


def test_trials_that_failed_or_were_ended_are_kept_with_their_reason(whole, tmp_path):
    trainer = Analytic()
    searched(tmp_path / "trials.jsonl", trainer=trainer)
    lines = ledgers.read(whole, trials.SCHEMA)
    stated = [(line["number"], f"{line['state']}: {line['reason']}") for line in lines if line["reason"]]
    assert trainer.kept == stated
    assert (4, f"failed: {FAILING[4]}") in stated
    assert any("after epoch" in reason and "below the median" in reason for _, reason in stated)


def test_a_trial_that_was_written_but_not_kept_is_kept_by_the_next_search(whole, tmp_path):
    path, trainer = tmp_path / "trials.jsonl", Analytic()
    path.write_bytes(b"".join(whole.read_bytes().splitlines(keepends=True)[:5]))
    searched(path, 5, trainer)
    assert trainer.kept == [(4, f"failed: {FAILING[4]}")]


@pytest.mark.requirement("SRS-TRAIN-4")
def test_the_best_is_that_of_the_highest_validation_and_of_equals_the_first(whole):
    done = trials.read(whole, SPACE, BASE)
    best = trials.best(done)
    assert best is not None
    assert best.value == max(trial.value for trial in done if trial.value is not None)
    assert best.curve[-1] == best.value
    assert len(best.curve) == EPOCHS
    assert trials.best([dataclasses.replace(best, number=best.number + 1), best]) == best
    assert trials.best([trial for trial in done if trial.state != "complete"]) is None


def test_a_search_whose_last_trials_all_failed_stops_and_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.analytic_trials.FAILING", dict.fromkeys(range(9), "no space left"))
    with pytest.raises(StageError, match="the last 3 trials failed") as error:
        searched(tmp_path / "trials.jsonl")
    assert error.value.findings == [f"trial {number}: no space left" for number in range(3)]
    assert len(ledgers.read(tmp_path / "trials.jsonl", trials.SCHEMA)) == 3


def test_a_ledger_of_another_search_is_refused_with_all_that_differs(whole, tmp_path):
    other = dataclasses.replace(SPACE, seed=4)
    with pytest.raises(StageError, match="is of another search") as error:
        trials.read(whole, other, "d" * 64)
    assert [finding.split(":")[0] for finding in error.value.findings] == [
        "seed",
        "space_sha256",
        "base_sha256",
    ]
    assert "found 3 in trial 0, expected 4" in error.value.findings[0]


def test_a_ledger_with_a_trial_missing_is_refused(whole, tmp_path):
    lines = whole.read_bytes().splitlines(keepends=True)
    (tmp_path / "trials.jsonl").write_bytes(b"".join([*lines[:2], *lines[3:]]))
    with pytest.raises(StageError) as error:
        trials.read(tmp_path / "trials.jsonl", SPACE, BASE)
    assert "line 3: number is 3, expected 2" in error.value.findings


def test_a_space_comes_back_as_it_was_written(tmp_path):
    assert spaces.read(written(tmp_path)).record() == records.canonical(SPACE.record())


def test_the_hash_of_a_space_does_not_depend_on_how_its_file_is_laid_out(tmp_path):
    text = yaml.safe_dump(records.canonical(SPACE.record()))
    (tmp_path / "other.yaml").write_text(text)
    assert spaces.sha256(spaces.read(tmp_path / "other.yaml")) == spaces.sha256(SPACE)


def test_a_space_that_fits_has_no_faults(study):
    assert spaces.faults(SPACE, study) == []


@pytest.mark.requirement("SRS-TRAIN-4")
def test_all_that_does_not_fit_is_said_at_once(study):
    space = dataclasses.replace(
        SPACE,
        parameters=(
            Parameter("train.learning_rate", "float", "r", 0.1, 0.01),
            Parameter("train.dropout", "float", "r", 0.0, 0.5, True),
            Parameter("train.batch_size", "int", "r", 1.5, 4),
            Parameter("train.loss", "choice", "r", values=("dice_ce", "dice_ce")),
            Parameter("train.lerning_rate", "float", "r", 0.1, 0.2),
            Parameter("split.fold", "int", "r", 0, 4),
            Parameter("evaluate.threads", "int", "r", 1, 2),
        ),
        fixed=(Fixed("train.loss", "dice_ce", "r"), Fixed("train.seed", 1, "r")),
    )
    faults = "\n".join(spaces.faults(space, study))
    for part in (
        "train.loss: stands twice",
        "train.learning_rate: found low 0.1 and high 0.01, expected low below high",
        "train.dropout: found low 0, expected more than 0 where log is true",
        "train.batch_size: found 1.5 to 4, expected whole numbers",
        'train.loss: "dice_ce" stands twice among its values',
        "train.lerning_rate: params.yaml has no such value",
        "split.fold: found a parameter of split, expected one of train",
        "evaluate.threads: found a parameter of evaluate, expected one of train",
        "train.seed: params.yaml has no such value",
    ):
        assert part in faults


def test_values_that_params_yaml_would_refuse_are_refused_before_anything_trains(study):
    space = dataclasses.replace(
        SPACE,
        parameters=(
            Parameter("train.dropout", "float", "r", 0.5, 1.0),
            Parameter("train.network", "choice", "r", values=("dynunet", "no_such_network")),
        ),
        fixed=(Fixed("train.epochs", 0, "r"),),
    )
    faults = "\n".join(spaces.faults(space, study))
    assert "fixed: train.epochs: 0 is less than the minimum of 1" in faults
    assert "train.dropout 1.0: train.dropout:" in faults
    assert 'train.network "no_such_network": train.network:' in faults


@pytest.mark.requirement("SRS-TRAIN-4")
def test_a_trial_runs_train_and_what_it_needs(study):
    assert spaces.stages_of_a_trial(study) == ["ingest", "split", "train", "validate"]


@pytest.mark.requirement("SRS-TRAIN-4")
def test_a_pipeline_that_would_open_the_test_part_before_training_is_refused(study):
    path = study / "dvc.yaml"
    text = path.read_text("utf-8")
    assert "      --out build/split\n" in text
    path.write_text(
        text.replace(
            "      --out build/split\n",
            "      --openings design/test_openings.jsonl\n      --out build/split\n",
        ),
        "utf-8",
    )
    with pytest.raises(StageError, match="a search would open the test part") as error:
        spaces.stages_of_a_trial(study)
    assert error.value.findings == ["dvc.yaml: stage split has the option --openings and runs up to train"]


def test_the_base_changes_with_code_and_parameters_and_not_with_what_is_searched_or_comes_later(study):
    (study / "data.sha256").write_text("0" * 64 + "  one\n")
    base = spaces.base_sha256(SPACE, study)
    projects.set_params(study, train={"learning_rate": 0.5, "features": [8, 8, 8]}, evaluate={"threads": 2})
    assert spaces.base_sha256(SPACE, study) == base
    projects.set_params(study, train={"epochs": 3})
    changed = spaces.base_sha256(SPACE, study)
    (study / "data.sha256").write_text("1" * 64 + "  one\n")
    other_data = spaces.base_sha256(SPACE, study)
    with open(study / "radiotrace/learning/fit.py", "a") as file:
        file.write("\n# another\n")
    assert len({base, changed, other_data, spaces.base_sha256(SPACE, study)}) == 4


@pytest.mark.parametrize(
    "value",
    [1e-05, 0.0015, 3.0, 12, True, None, "dice_ce", [4, 8, 8], [[2, 2, 1], [2, 2, 2]], {"T2": [0.5, 99.5]}],
)
def test_dvc_sets_a_value_as_it_was_drawn(tmp_path, value):
    path = tmp_path / "params.yaml"
    path.write_text("train:\n  one:\n")
    apply_overrides(path, [f"train.one={experiments._as_hydra(value)}"])
    assert YAML(typ="safe", pure=True).load(path.read_text()) == {"train": {"one": value}}


@pytest.fixture
def repository(study) -> experiments.Experiments:
    """A study in git, with a lock of one stage."""
    (study / "dvc.lock").write_text("stages:\n  train: {cmd: a}\n  evaluate: {cmd: b}\n")
    projects.run(study, "git", "init", "-q", "-b", "main")
    projects.commit(study, "start")

    def read(run: str, path: str) -> bytes:
        raise AssertionError(f"{path} of {run} is read")

    return experiments.Experiments(Study(study), "analytic", "design/search_trials.jsonl", read)


def experiment(kept: experiments.Experiments, number: int) -> str:
    commit = kept._commit(kept.name(number))
    assert commit
    return commit


def test_a_kept_trial_is_an_experiment_of_its_parameters_and_leaves_the_tree_alone(repository):
    folder = repository.study.folder
    repository.keep(7, {"train.learning_rate": 0.25, "train.features": [4, 8, 8]}, "failed: loss is nan")
    changed = projects.run(folder, "git", "diff", "--name-only", "HEAD", experiment(repository, 7)).stdout
    assert changed.split() == ["params.yaml"]
    text = projects.run(folder, "git", "show", f"{experiment(repository, 7)}:params.yaml").stdout
    values = YAML(typ="safe", pure=True).load(text)
    assert values["train"]["learning_rate"] == 0.25
    assert values["train"]["features"] == [4, 8, 8]
    assert "  # AdamW: peak learning rate" in text  # comments stay, as --set-param keeps them
    message = projects.run(folder, "git", "log", "-1", "--format=%s", experiment(repository, 7)).stdout
    assert message.strip() == "analytic-0007: failed: loss is nan"
    assert projects.run(folder, "git", "status", "--porcelain").stdout == ""


def test_keeping_again_changes_nothing(repository):
    repository.keep(7, {"train.learning_rate": 0.25}, "failed: a")
    before = experiment(repository, 7)
    repository.keep(7, {"train.learning_rate": 0.5}, "failed: b")
    assert experiment(repository, 7) == before


@pytest.mark.requirement("SRS-TRAIN-4")
@pytest.mark.parametrize(
    ("path", "text", "fault"),
    [
        ("design/test_openings.jsonl", "{}\n", "it changed design/test_openings.jsonl"),
        ("metrics/headline.json", "{}\n", "it changed metrics/headline.json"),
        ("dvc.lock", "stages:\n  train: {cmd: c}\n  evaluate: {cmd: d}\n", "it ran stage evaluate"),
    ],
)
def test_an_experiment_that_did_more_than_train_is_refused(repository, path, text, fault):
    folder, name = repository.study.folder, repository.name(0)
    head = projects.run(folder, "git", "rev-parse", "HEAD").stdout.strip()
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).write_text(text)
    projects.commit(folder, "experiment")
    projects.run(folder, "git", "update-ref", f"refs/exps/{head[:2]}/{head[2:]}/{name}", "HEAD")
    projects.run(folder, "git", "reset", "-q", "--hard", head)
    with pytest.raises(StageError, match="did more than train") as error:
        repository._refuse_more_than_training(name)
    assert error.value.findings == [fault]


def test_an_experiment_that_trained_is_taken(repository):
    folder, name = repository.study.folder, repository.name(0)
    head = projects.run(folder, "git", "rev-parse", "HEAD").stdout.strip()
    (folder / "dvc.lock").write_text("stages:\n  train: {cmd: c}\n  evaluate: {cmd: b}\n")
    projects.commit(folder, "experiment")
    projects.run(folder, "git", "update-ref", f"refs/exps/{head[:2]}/{head[2:]}/{name}", "HEAD")
    projects.run(folder, "git", "reset", "-q", "--hard", head)
    repository._refuse_more_than_training(name)


def test_an_experiment_is_found_when_head_has_moved_on(repository):
    folder, name = repository.study.folder, repository.name(0)
    repository.keep(0, {"train.learning_rate": 0.25}, "failed: a")
    (folder / "notes.md").write_text("more")
    projects.commit(folder, "more")
    assert repository._commit(name)
    repository._refuse_more_than_training(name)
    head = projects.run(folder, "git", "rev-parse", "HEAD").stdout.strip()
    projects.run(folder, "git", "update-ref", f"refs/exps/{head[:2]}/{head[2:]}/{name}", "HEAD")
    with pytest.raises(StageError, match="2 experiments are named analytic-0000"):
        repository._commit(name)


def test_an_experiment_that_the_ledger_does_not_have_is_refused(repository):
    repository.keep(0, {"train.learning_rate": 0.25}, "of somebody else")
    with pytest.raises(StageError, match="analytic-0000 is there, and design/search_trials"):
        repository.train(0, {"train.learning_rate": 0.25}, lambda curve: False)


def test_a_changed_tree_is_refused_with_every_file(repository):
    folder = repository.study.folder
    for name in ("params.yaml", "radiotrace/errors.py"):
        with open(folder / name, "a") as file:
            file.write("\n")
    (folder / "untracked").write_text("")
    with pytest.raises(StageError, match="2 files differ") as error:
        repository.refuse_a_changed_tree()
    assert error.value.findings == ["params.yaml", "radiotrace/errors.py"]


def test_a_ledger_that_grows_is_no_changed_tree(repository):
    folder = repository.study.folder
    (folder / repository.ledger).write_text("")
    projects.commit(folder, "ledger")
    (folder / repository.ledger).write_text("{}\n")
    repository.refuse_a_changed_tree()


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (
            "Running stage 'train':\n> python -m stages.segmentation.train\ntrain: epoch 1/2  loss 0.4\n"
            "train: loss is nan in epoch 2, step 1 of 3\n  cases case_01\n"
            "  the epochs before are in /a/history.json\nLower train.learning_rate.\n"
            "ERROR: failed to reproduce 'train': failed to run: x, exited with 1\n",
            "train: loss is nan in epoch 2, step 1 of 3; cases case_01",
        ),
        (
            "train: epoch 1/2  loss 0.4\nTraceback (most recent call last):\n  File a\nRuntimeError: b\n"
            "ERROR: failed to reproduce 'train': failed to run: x, exited with 1\n",
            "RuntimeError: b",
        ),
        (
            "train: epoch 1/2  loss 0.4\n"
            "ERROR: failed to reproduce 'train': failed to run: python -m a --b c, exited with -9\n",
            "failed to reproduce 'train': exited with -9",
        ),
        ("ERROR: unexpected error - no space left\n", "unexpected error - no space left"),
        ("", "it said nothing"),
    ],
)
def test_a_failure_says_the_last_words_of_its_stage(tmp_path, log, reason):
    (tmp_path / "a.log").write_text(log)
    assert experiments._last_words(tmp_path / "a.log") == reason


def test_the_command_names_all_that_is_wrong_with_a_space(study, monkeypatch, capsys):
    monkeypatch.chdir(study)
    space = SPACE.record() | {
        "seed": -1,
        "pruning": {"rule": "halving", "trials_before": 1, "epochs_before": 0},
    }
    (study / "design/search.yaml").write_text(json.dumps(space))
    assert main(["search"]) == 1
    said = capsys.readouterr().err
    assert "seed: -1 is less than the minimum of 0" in said
    assert "pruning.rule:" in said
    assert "Traceback" not in said


def test_without_optuna_the_command_says_what_to_install(monkeypatch, capsys, study):
    monkeypatch.chdir(study)
    written(study / "design")
    for name in [name for name in sys.modules if name.startswith(("optuna", "radiotrace.search"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("radiotrace.search.trials", raising=False)
    monkeypatch.delattr("radiotrace.search.proposals", raising=False)
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert main(["search"]) == 1
    assert "Run 'pip install -r requirements/search.txt'" in capsys.readouterr().err


def test_a_study_that_is_named_is_the_one_that_is_searched(study, monkeypatch, capsys):
    monkeypatch.chdir(study)
    assert main(["search", "studies/none"]) == 1
    assert "there is no studies/none/" in capsys.readouterr().err
