"""The trained network, as the stages after train take it up: in their own process and in those of workers."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import safetensors.torch
import torch
from torch import nn

from radiotrace.errors import StageError
from radiotrace.inference.recipe import Recipe
from radiotrace.learning import architecture, grown, numerics, state
from radiotrace.learning.grown import Grown
from radiotrace.records.model_run import ModelRun
from radiotrace.records.network import NetworkSpec


@dataclass(frozen=True)
class TrainedModel:
    """What a run left, as far as whoever predicts must know it; handed to workers as it is.

    Attributes:
        labels: value -> name; "0" is the background.
        weights: path of the file.
        weights_sha256: of this file, by the record of the run.
        numerics, precision: what was asked for in training.
    """

    network: NetworkSpec
    recipe: Recipe
    labels: dict[str, str]
    weights: str
    weights_sha256: str
    numerics: str
    precision: str

    @classmethod
    def of(cls, train: ModelRun, weights: str | Path) -> "TrainedModel":
        """Of the record 'train' or 'imported_run', and the path of the weights."""
        return cls(
            network=train.network,
            recipe=Recipe.of(train.preprocessing),
            labels=dict(train.labels),
            weights=str(weights),
            weights_sha256=train.weights_sha256,
            numerics=train.params.numerics,
            precision=train.params.precision,
        )


def in_bf16(model: TrainedModel) -> bool:
    """Whether this processor multiplies in bfloat16 where the run did not ask for more."""
    return model.numerics == "native" and model.precision != "fp32" and numerics.processor_has_bf16()


def ready(model: TrainedModel, threads: int, instructions: str) -> nn.Module:
    """The network, in a process that computes as the stage does.

    Args:
        threads: of this process.
        instructions: what numerics.configure says on the machine that runs the stage.

    Raises:
        StageError: as configure and load.
    """
    configure(model.numerics, threads, instructions)
    return network(model)


def network(model: TrainedModel) -> nn.Module:
    """The network, in a process that computes already as it should.

    Raises:
        StageError: as load.
    """
    return load(model.network, model.weights, model.weights_sha256)


def configure(name: str, threads: int, expected: str) -> None:
    """numerics.configure, in a process that may stand elsewhere and may have computed before.

    Raises:
        StageError: it does not use the expected instruction set, and so would give other bytes.
    """
    try:
        found = numerics.configure(name, threads)
    except RuntimeError as error:
        found = str(error)
    if found != expected:
        raise StageError(
            "a worker computes in another way than the machine of the stage",
            [f"found {found}, expected {expected}"],
            "Use machines of one kind; restart workers that have run with other numerics.",
        )


# once per process, each member of an ensemble; the hash, because a worker of a cluster outlives the file
@lru_cache(maxsize=16)
def load(spec: NetworkSpec, weights: str, sha256: str) -> nn.Module:
    """The network in evaluation mode.

    Args:
        weights, sha256: its weights, and their hash by the record of the training run.

    Raises:
        StageError: the weights are of another run.
    """
    content = Path(weights).read_bytes()  # once: what is loaded is what was hashed
    if (digest := hashlib.sha256(content).hexdigest()) != sha256:
        raise StageError(
            f"{weights} was changed after training",
            [f"SHA-256 found {digest}, expected {sha256}"],
            "Run 'dvc checkout' to restore it, or 'dvc repro' to make it again.",
        )
    return built(spec, safetensors.torch.load(content))


def built(spec: NetworkSpec, tensors: dict[str, torch.Tensor]) -> nn.Module:
    """The network in evaluation mode, with its weights; one that was made elsewhere has its graph among
    them."""
    if spec.name == grown.NAME:
        network = _empty(spec)
        network.grow(tensors)
        return network.eval()
    network = architecture.build(spec, seed=0)
    state.load(network, tensors)
    return network.eval()


def at_random(spec: NetworkSpec, seed: int, weights: str | Path) -> nn.Module:
    """The same network with random weights, in evaluation mode: freshly initialised; of one that was made
    elsewhere, whose initial weights nobody knows, its own in another order."""
    if spec.name == grown.NAME:
        network = _empty(spec)
        network.grow(safetensors.torch.load(Path(weights).read_bytes()))
        network.scramble(seed)
        return network.eval()
    return architecture.build(spec, seed).eval()


def _empty(spec: NetworkSpec) -> Grown:
    """Not by architecture.build, which is for networks that a spec describes."""
    network = architecture.named(spec.name).build(spec)
    if not isinstance(network, Grown):
        raise TypeError(f"{spec.name} does not come with its graph")
    return network
