"""The trained network: the right weights, in a process that computes as the stage does."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.inference.recipe import Recipe
from radiotrace.learning import architecture, numerics, state, trained
from radiotrace.records.network import NetworkSpec
from radiotrace.records.preprocessing import Preprocessing
from radiotrace.records.train import TrainingRun

SPEC = NetworkSpec("dynunet", (4, 8, 8), 3)


TRAIN = {
    "network": {
        "name": "dynunet",
        "features": [4, 8, 8],
        "labels": 3,
        "norm": "group",
        "upsampling": "pixelshuffle",
        "dropout": 0.3,
    },
    "preprocessing": {
        "orientation": "LPS",
        "spacing_mm": [1.0, 1.0, 1.2],
        "clip_percentiles": [0.5, 99.5],
        "patch_voxels": [16, 20, 12],
        "window_voxels": [32, 24, 32],
        "multiple": 4,
    },
    "labels": {"0": "background", "1": "anterior", "2": "posterior"},
    "weights_sha256": "0" * 64,
    "params": {"numerics": "portable", "precision": "bf16"},
}


def run() -> TrainingRun:
    """The example of a run, as TRAIN has it."""
    example = Path(__file__).resolve().parent / "schema_cases/train/valid/one_epoch.json"
    record = json.loads(example.read_text("utf-8"))
    return TrainingRun.of(record | TRAIN | {"params": record["params"] | TRAIN["params"]})


def test_a_model_has_what_the_record_of_its_run_says():
    model = trained.TrainedModel.of(run(), "weights.safetensors")
    assert model.network.record() == TRAIN["network"]
    assert model.recipe.preprocessing().record() == TRAIN["preprocessing"]
    assert (model.weights_sha256, model.labels) == (TRAIN["weights_sha256"], TRAIN["labels"])
    assert (model.numerics, model.precision) == ("portable", "bf16")


def test_heads_that_were_asked_for_are_in_the_record():
    record = TRAIN["network"] | {"deep_supervision": 0}
    assert NetworkSpec.of(record).record() == record


def test_offsets_of_the_logits_are_in_the_record_where_there_are_any():
    record = TRAIN["preprocessing"] | {"logit_offsets": [0.0, -0.25]}
    recipe = Recipe.of(Preprocessing.of(record))
    assert recipe.logit_offsets == (0.0, -0.25)
    assert recipe.preprocessing().record() == record
    del record["logit_offsets"]
    assert Recipe.of(Preprocessing.of(record)).preprocessing().record() == record


def test_a_network_of_an_older_record_has_what_was_usual_then():
    network = {"name": "dynunet", "features": [4, 8, 8], "labels": 3}
    assert records.faults(run().record() | {"network": network}, "train") == []
    assert NetworkSpec.of(network) == SPEC
    assert (SPEC.norm, SPEC.upsampling, SPEC.dropout) == ("instance", "transposed", 0)


def test_preprocessing_with_an_unknown_key_is_refused():
    with pytest.raises(TypeError, match="mirrored"):
        Preprocessing.of(TRAIN["preprocessing"] | {"mirrored": True})


@pytest.fixture
def weights(tmp_path, one_thread):
    """Path of untrained weights."""
    save_file(state.of(architecture.build(SPEC, seed=1)), tmp_path / "weights.safetensors")
    trained.load.cache_clear()
    return str(tmp_path / "weights.safetensors")


def test_the_network_is_loaded_once_per_process(weights):
    first, again = (trained.load(SPEC, weights, records.sha256(weights)) for _ in range(2))
    assert first is again


def test_the_network_has_the_weights_of_the_file(weights):
    network = trained.load(SPEC, weights, records.sha256(weights))
    assert all(
        value.equal(state.of(architecture.build(SPEC, seed=1))[name])
        for name, value in state.of(network).items()
    )


def test_weights_of_another_run_are_refused(weights):
    with pytest.raises(StageError, match="was changed after training"):
        trained.load(SPEC, weights, "0" * 64)


def test_a_process_with_the_same_instruction_set_may_predict(deterministic):
    trained.configure("native", 1, numerics.configure("native", 1))  # raises where it may not
    assert torch.are_deterministic_algorithms_enabled()


def test_a_process_with_another_instruction_set_is_refused(deterministic):
    with pytest.raises(StageError, match="expected an abacus"):
        trained.configure("native", 1, "an abacus")


def test_a_process_that_cannot_take_up_the_numerics_is_refused(deterministic, monkeypatch):
    def fail(name, threads):
        raise RuntimeError("portable numerics need AVX2, torch uses AVX512")

    monkeypatch.setattr(numerics, "configure", fail)
    with pytest.raises(StageError, match="portable numerics need AVX2"):
        trained.configure("portable", 1, "AVX2, fp32")
