"""The trained network: the right weights, in a process that computes as the stage does."""

import pytest
import torch
from safetensors.torch import save_file

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.learning import architecture, numerics, state, trained
from radiotrace.learning.networks.layers import NetworkSpec

SPEC = NetworkSpec("dynunet", (4, 8, 8), 3)


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
