"""selection: the epoch that became the model is the one that the rule gives, and weights are known by
their tensors."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from radiotrace import records
from radiotrace.evidence.bundle import selection
from radiotrace.learning import fit

TRAIN = json.loads(
    (Path(__file__).resolve().parent / "schema_cases/train/valid/one_epoch.json").read_text("utf-8")
)
WEIGHTS = save({"b": np.arange(3, dtype="<f4"), "a": np.ones((1, 2), dtype="<f4")})


def history(*means):
    return [
        {"epoch": epoch, "validation_dice": {"head": mean, "tail": mean}, "checkpoint_sha256": f"{epoch:064}"}
        for epoch, mean in enumerate(means, 1)
    ]


def trained(*means, planned=3, patience_epochs=None):
    return TRAIN | {
        "history": history(*means),
        "params": TRAIN["params"] | {"epochs": planned, "patience_epochs": patience_epochs},
    }


@pytest.mark.parametrize(
    ("means", "patience_epochs", "expected"),
    [
        ((0.1, 0.2, 0.3), None, 3),
        ((0.1, 0.2), None, None),
        ((0.3, 0.2, 0.1), None, 3),
        ((0.3, 0.2, 0.1), 2, 3),
        ((0.3, 0.3), 1, 2),
        ((0.1, 0.2), 1, None),
        ((None, None), 1, 2),
        ((0.2, 0.1), 2, None),
    ],
)
def test_training_ends_by_its_rule(means, patience_epochs, expected):
    assert selection.last_epoch(history(*means), 3, patience_epochs) == expected


@pytest.mark.parametrize("seed", range(20))
def test_the_rule_is_that_of_training(seed):
    rng = np.random.default_rng(seed)
    rows, planned, patience_epochs = (
        history(*rng.integers(0, 5, 12) / 5),
        int(rng.integers(3, 13)),
        int(rng.integers(1, 5)),
    )
    means = [fit.mean_defined(row["validation_dice"]) for row in rows]
    n = next(n for n in range(1, 13) if n == planned or fit.out_of_patience(means[:n], patience_epochs))
    assert selection.last_epoch(rows, planned, patience_epochs) == n


@pytest.mark.requirement("SRS-EVI-1")
@pytest.mark.parametrize(
    ("train", "expected"),
    [
        (trained(0.1, 0.2, 0.3), []),
        (trained(0.3, 0.2, planned=9, patience_epochs=1), []),
        (trained(0.1, 0.2), ["epoch that became the model: found 2, expected a later one by its rule"]),
        (
            trained(0.3, 0.2, 0.1, planned=9, patience_epochs=1),
            ["epoch that became the model: found 3, expected 2 by its rule"],
        ),
        (trained(0.1, 0.2, 0.3, 0.4), ["epoch that became the model: found 4, expected 3 by its rule"]),
        (
            trained(0.1, 0.2, 0.3) | {"history": history(0.1, 0.2, 0.3)[1:]},
            ["epochs of build/train/train.json: found 2, 3; expected 1, 2, 3 and so on"],
        ),
    ],
    ids=["planned", "patience", "cut short", "went on", "more than planned", "epoch removed"],
)
def test_a_history_that_its_rule_does_not_allow_is_found(train, expected):
    assert selection.faults(train) == expected


@pytest.mark.parametrize(
    ("train", "ended_by"),
    [(trained(0.1, 0.2, 0.3), "planned epochs"), (trained(0.3, 0.2, patience_epochs=1), "patience")],
)
def test_the_record_says_what_ended_training(train, ended_by):
    found = selection.record(train, WEIGHTS)
    n_epochs = len(train["history"])
    assert (found["selected_epoch"], found["rule"]["ended_by"], len(found["checkpoints"])) == (
        n_epochs,
        ended_by,
        n_epochs,
    )
    assert records.faults(found, "checkpoints") == []


def test_tensors_are_hashed_by_name_type_shape_and_numbers():
    one, other = (
        hashlib.sha256(np.array(values, dtype="<f4").tobytes()).hexdigest() for values in ([1, 1], [0, 1, 2])
    )
    assert selection.tensors(WEIGHTS) == {
        "n": 2,
        "sha256": records.digest([["a", "F32", [1, 2], one], ["b", "F32", [3], other]]),
    }


def test_tensors_do_not_depend_on_the_file_they_stand_in():
    values = {"a": np.ones((1, 2), dtype="<f4"), "b": np.arange(3, dtype="<f4")}
    again = save(values, metadata={"note": "other bytes"})
    assert again != WEIGHTS
    assert selection.tensors(again) == selection.tensors(WEIGHTS)


@pytest.mark.parametrize(
    "values",
    [
        {"a": np.ones((2, 1), dtype="<f4"), "b": np.arange(3, dtype="<f4")},
        {"a": np.ones((1, 2), dtype="<f4"), "c": np.arange(3, dtype="<f4")},
        {"a": np.ones((1, 2), dtype="<f4"), "b": np.arange(3, dtype="<i4")},
        {"a": np.ones((1, 2), dtype="<f4")},
    ],
    ids=["shape", "name", "type", "one less"],
)
def test_other_tensors_have_another_digest(values):
    assert selection.tensors(save(values))["sha256"] != selection.tensors(WEIGHTS)["sha256"]
