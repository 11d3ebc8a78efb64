"""The trained network, as the stages after train take it up: in their own process and in those of workers."""

import hashlib
import json
from functools import lru_cache
from pathlib import Path

import safetensors.torch

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.learning import architecture, numerics, state


def facts(train: dict) -> dict:
    """What a worker must know of the record 'train': network, weights_sha256, preprocessing, labels,
    numerics, precision."""
    return {key: train[key] for key in ("network", "weights_sha256", "preprocessing", "labels")} | {
        key: train["params"][key] for key in ("numerics", "precision")
    }


def in_bf16(facts: dict) -> bool:
    """Whether this processor multiplies in bfloat16 where the run that is described does not ask for more."""
    return facts["numerics"] == "native" and facts["precision"] != "fp32" and numerics.processor_has_bf16()


def ready(facts: dict, weights: str, threads: int, instructions: str):
    """The network, in a process that computes as the stage does.

    Args:
        facts: of the training run.
        weights: path of the weights.
        threads: of this process.
        instructions: what numerics.configure says on the machine that runs the stage.

    Raises:
        StageError: as configure and load.
    """
    configure(facts["numerics"], threads, instructions)
    return network(facts, weights)


def network(facts: dict, weights: str):
    """The network, in a process that computes already as it should.

    Args:
        facts, weights: as ready takes them.

    Raises:
        StageError: as load.
    """
    return load(records.dumps(facts["network"]), weights, facts["weights_sha256"])


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
def load(spec_json: str, weights: str, sha256: str):
    """The network in evaluation mode.

    Args:
        spec_json: canonical text of what networks.build takes.
        weights, sha256: its weights, and their hash by the record of the training run.

    Raises:
        StageError: the weights are of another run.
    """
    content = Path(weights).read_bytes()  # once: what is loaded is what was hashed
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise StageError(
            f"{weights} was changed after training",
            [f"SHA-256 found {found}, expected {sha256}"],
            "Run 'dvc checkout' to restore it, or 'dvc repro' to make it again.",
        )
    built = architecture.build(json.loads(spec_json), seed=0)
    state.load(built, safetensors.torch.load(content))
    return built.eval()
