"""Checkpoints: the whole state of a training run after an epoch, in one safetensors file, found again by key.

A key is a hash of everything that decides the run, so that a run never goes on from another's state. Nothing
here is pickled. A file appears whole or not at all; one that is damaged later is passed over.
"""

import hashlib
import json
import shutil
from pathlib import Path

import safetensors
import torch
from safetensors.torch import save

from radiotrace import records
from radiotrace.errors import log
from radiotrace.learning import state

HISTORY = "history.json"  # of the epochs so far, for a reader; resuming does not need it
KEPT = 2  # the newest, and the one before in case the newest is damaged


def save_epoch(folder, epoch: int, network, ema, optimizer, precision, history: list[dict]) -> str:
    """Writes the state after `epoch` and removes older checkpoints but one.

    Args:
        precision: anything with state_dict() and load_state_dict() of plain numbers: fp16 keeps its loss
            scale there.

    Returns:
        SHA-256 of the file, which is the same in every run of one key.
    """
    tensors = {f"network.{name}": value for name, value in state.of(network).items()}
    tensors |= {f"ema.{name}": value for name, value in state.of(ema).items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in moments.items()}
    path = _path(folder, epoch)
    contiguous = {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in sorted(tensors.items())
    }
    rest = {"history": history, "precision": precision.state_dict()}
    about = json.dumps(rest | {"sha256": _digest(contiguous, rest)}, sort_keys=True)
    # one key: safetensors writes several in any order
    records.write_bytes(path, save(contiguous, {"about": about}))
    records.write_bytes(path.with_name(HISTORY), records.dumps(history).encode())
    for old in _newest_first(folder)[KEPT:]:
        old.unlink()
    return records.sha256(path)


def resume(folder, network, ema, optimizer, precision) -> list[dict]:
    """Loads the newest whole checkpoint into the four, in place.

    Returns:
        The history up to its epoch; [] when there is none, and then nothing was loaded.
    """
    for path in _newest_first(folder):
        try:
            with safetensors.safe_open(path, "pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                about = json.loads(file.metadata()["about"])
                history = about["history"]
                if _digest(tensors, {"history": history, "precision": about["precision"]}) != about["sha256"]:
                    raise ValueError("its contents differ from their hash")
        except (safetensors.SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            log(f"train: checkpoint {path.name} is damaged ({error}); going on from the one before")
            continue
        state.load(network, _below("network.", tensors))
        state.load(ema, _below("ema.", tensors))
        parameters = optimizer.param_groups[0]["params"]
        moments: dict[int, dict] = {}
        for name, value in _below("optimizer.", tensors).items():
            index, _, field = name.partition(".")
            if value.shape == parameters[int(index)].shape:  # moments lie in memory as their parameter does
                value = torch.empty_like(parameters[int(index)]).copy_(value)
            moments.setdefault(int(index), {})[field] = value
        optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
        precision.load_state_dict(about["precision"])
        history[-1]["checkpoint_sha256"] = records.sha256(path)  # a file cannot hold its own hash
        return history
    return []


def forget(folder) -> None:
    """Removes a finished run's checkpoints, so that a forced rerun trains again instead of finding its
    end."""
    shutil.rmtree(folder, ignore_errors=True)


def _digest(tensors: dict, rest: dict) -> str:
    """SHA-256 over all that is stored: safetensors itself notices a file that is cut, not one that is
    changed."""
    digest = hashlib.sha256(records.dumps(rest).encode())
    for name, value in sorted(tensors.items()):
        digest.update(name.encode() + b"\0" + value.numpy().tobytes())
    return digest.hexdigest()


def _path(folder, epoch: int) -> Path:
    return Path(folder) / f"epoch_{epoch:05d}.safetensors"


def _newest_first(folder) -> list[Path]:
    return sorted(Path(folder).glob("epoch_*.safetensors"), reverse=True)


def _below(prefix: str, tensors: dict) -> dict:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
