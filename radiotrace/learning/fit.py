"""Fit: the training loop of every task.

A stage's script hands in a Learner, which is all that is known here of a task: what a sample, a target or a
score is must stay out of this file.

Same inputs, same bytes: a sample is drawn by a generator of its own, of (seed, epoch, case, number), so that
neither the number of processes nor of micro-batches, nor a kill and a restart, changes what is learnt from.
"""

import copy
import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn

from radiotrace import errors, records
from radiotrace.learning import checkpoints, devices, dropout
from radiotrace.learning.curves import Curves
from radiotrace.learning.order import Order
from radiotrace.learning.progress import Progress
from radiotrace.learning.watch import Watch

BETAS = (0.9, 0.99)  # of AdamW; the usual 0.999 remembers more steps than a short run has


@dataclass(frozen=True)
class Batch:
    """Samples that go through the network together.

    Attributes:
        inputs: (n, channels, …) float32, as the network takes them.
        targets: what the loss compares with: a tensor (n, …), or a dict or list of such.
    """

    inputs: torch.Tensor
    targets: Any


class Learner(Protocol):
    """A task, as the training loop sees it.

    Attributes:
        network: freshly initialised.
        case_ids: of the train part; a case is its position here.
        validation_ids: of the validation part, likewise; may be empty.
        measure: what `scores` gives, such as "dice"; larger is better. The history calls it
            "validation_<measure>".
    """

    @property
    def network(self) -> nn.Module: ...

    @property
    def case_ids(self) -> Sequence[str]: ...

    @property
    def validation_ids(self) -> Sequence[str]: ...

    @property
    def measure(self) -> str: ...

    def batch(self, cases: Sequence[int], rngs: Sequence[np.random.Generator]) -> Batch:
        """One sample of each case, drawn by its own generator and by nothing else."""
        raise NotImplementedError

    def loss(self, output: Any, batch: Batch) -> torch.Tensor:
        """Of each sample on its own, (n,) float32: what the network gave in training mode, and the batch.

        A mean over the batch in here would make a sample's gradient depend on how a step is cut up.
        """
        raise NotImplementedError

    def validate(self, network: nn.Module, cases: Sequence[int]) -> list:
        """A row for each of these cases of the validation part: what `scores` needs of it, picklable.

        The network is in evaluation mode; gradients are for the learner to switch off.
        """
        raise NotImplementedError

    def scores(self, rows: list) -> dict[str, float | None]:
        """The measure of each thing that is scored, such as a label, from the rows of the whole part.

        None where it is undefined, {} without rows. Their mean is what patience follows.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Settings:
    """How a run learns. Of the section train of params.yaml, where each is explained."""

    seed: int
    epochs: int
    patience_epochs: int | None
    zero_epochs: int
    batch_size: int
    accumulate: int
    samples_per_case: int
    learning_rate: float
    learning_rate_end: float
    warm_up: float
    weight_decay: float
    gradient_clip: float
    gradient_limit: float
    ema_share: float


def fit(
    learner: Learner,
    settings: Settings,
    fabric: Fabric,
    folder: Path,
    tensorboard: Path | None = None,
    live: Path | None = None,
) -> tuple[nn.Module, list[dict]]:
    """Trains the network, from the start or from where an earlier process was stopped.

    Args:
        fabric: of devices.launch; its processes run this side by side and share each step's samples.
        folder: of this run's checkpoints, and of no other's.
        tensorboard: folder of event files; None for none.
        live: folder of the curves of the run, made anew with its first epoch; None for none.

    Returns:
        The network with its averaged weights, in evaluation mode, and the history: a dict for each epoch.

    Raises:
        StageError: a number went wrong; see Watch.
    """
    network = devices.placed(learner.network, fabric.device)
    ema = copy.deepcopy(network)
    optimizer = optimizer_of(network, settings)
    precision = fabric.strategy.precision
    scaled = getattr(precision, "scaler", None) is not None  # fp16 keeps its loss scale there
    history = checkpoints.resume(folder, network, ema, optimizer, precision)
    if history and fabric.is_global_zero:
        errors.log(f"train: going on after epoch {len(history)}")

    order = Order(settings.batch_size, fabric.world_size, settings.accumulate, settings.samples_per_case)
    steps = order.steps(len(learner.case_ids))
    scored = f"validation_{learner.measure}"
    speaks = fabric.is_global_zero
    curves = Curves(live, history, learner.measure) if live and speaks else None
    progress = Progress(settings.epochs, steps, len(history), tensorboard, speaks, curves)
    shared, shared_optimizer = fabric.setup(network, optimizer)

    while len(history) < settings.epochs and not out_of_patience(
        [mean_defined(row[scored]) for row in history], settings.patience_epochs
    ):
        epoch = len(history) + 1
        watch = Watch(epoch, steps, settings.gradient_limit, scaled, folder / checkpoints.HISTORY)
        network.train()
        losses: list[float] = []
        drawn = micro_batches(learner, order, fabric.global_rank, settings.seed, epoch)
        for step, of_step in enumerate(devices.ahead(drawn, fabric.device), 1):
            done = (epoch - 1) * steps + step - 1
            rate = learning_rate(done, settings.epochs * steps, settings)
            for group in optimizer.param_groups:
                group["lr"] = rate

            optimizer.zero_grad()
            for number, micro_batch in enumerate(of_step, 1):
                dropout.draw(network, micro_batch.rngs)
                batch = moved(micro_batch.batch, fabric)
                # Gradients of the processes are summed once a step, with the last micro-batch.
                with fabric.no_backward_sync(shared, enabled=number < len(of_step)):
                    loss_n = learner.loss(shared(batch.inputs), batch)
                    of_all_processes = devices.gathered(fabric, loss_n)
                    watch.loss(of_all_processes, micro_batch.case_ids, step)
                    losses += of_all_processes
                    fabric.backward(loss_n.mean() / len(of_step))

            # Every process has the same gradient by now, and so takes the same step. The norm is None only
            # where values are clipped in its place.
            norm = fabric.clip_gradients(
                shared, shared_optimizer, max_norm=settings.gradient_clip, error_if_nonfinite=False
            )
            watch.gradient(
                cast(torch.Tensor, norm).item(),
                [case_id for micro_batch in of_step for case_id in micro_batch.case_ids],
                step,
            )
            shared_optimizer.step()
            update_average(ema, network, done, settings.ema_share)
            progress.step(epoch, step, sum(losses) / len(losses))

        row = {
            "epoch": epoch,
            "learning_rate": rate,
            "train_loss": sum(losses) / len(losses),
            scored: validation(learner, ema, fabric),
            **watch.summary(settings.gradient_clip),
        }
        # As a file has it: a run that goes on from there then computes with the same numbers.
        history.append(records.canonical(row))
        if fabric.is_global_zero:
            history[-1]["checkpoint_sha256"] = checkpoints.save_epoch(
                folder, epoch, network, ema, optimizer, precision, history
            )
        progress.epoch(history[-1], learner.measure)
        means = [mean_defined(row[scored]) for row in history]
        watch.validation(learner.measure, means, settings.zero_epochs, learner.validation_ids)
    return ema.eval(), history


def optimizer_of(network: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """AdamW over all weights."""
    return torch.optim.AdamW(
        network.parameters(),
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        betas=BETAS,
        foreach=True,
    )


def learning_rate(step: int, steps: int, settings: Settings) -> float:
    """Linear warm-up over a share of the steps, then half a cosine, which falls to a share of the peak after
    the last."""
    rising = max(1, round(settings.warm_up * steps))
    if step < rising:
        return settings.learning_rate * (step + 1) / rising
    end = settings.learning_rate_end
    cosine = 0.5 * (1 + math.cos(math.pi * (step - rising) / (steps - rising)))
    return settings.learning_rate * (end + (1 - end) * cosine)


@torch.no_grad()
def update_average(ema: nn.Module, network: nn.Module, done: int, share: float) -> None:
    """Moves the averaged weights towards the current ones, after `done` steps, so that the average reaches
    back over a share of them.

    An average whose reach grows needs no tuning to the number of steps, and forgets the first ones.
    """
    averaged: list[torch.Tensor] = list(ema.parameters())
    current: list[torch.Tensor] = list(network.parameters())
    weight = 1 / (1 + share * done)
    torch._foreach_lerp_(averaged, current, weight)  # pyright: ignore[reportPrivateImportUsage]


@dataclass(frozen=True)
class MicroBatch:
    """What a process computes in one go.

    Attributes:
        case_ids: of the samples of all processes, one process after the other.
        batch: of this process alone.
        rngs: of its samples, for what else is random about them.
    """

    case_ids: list[str]
    batch: Batch
    rngs: list[np.random.Generator]


def micro_batches(
    learner: Learner, order: Order, process: int, seed: int, epoch: int
) -> Iterator[list[MicroBatch]]:
    """For each step of an epoch, its micro-batches on one process."""
    for draws in order.epoch(len(learner.case_ids), seed, epoch):
        of_step = []
        for number in range(order.accumulate):
            shares = order.shares(draws, number)
            own = shares[process]
            rngs = [draw.generator(seed, epoch, learner.case_ids[draw.case]) for draw in own]
            batch = learner.batch([draw.case for draw in own], rngs)
            case_ids = [learner.case_ids[draw.case] for share in shares for draw in share]
            of_step.append(MicroBatch(case_ids, batch, rngs))
        yield of_step


def moved(batch: Batch, fabric: Fabric) -> Batch:
    """The batch on the device, its inputs laid out as `devices.placed` lays out the weights."""
    inputs = devices.laid_out(batch.inputs, fabric.device)
    return dataclasses.replace(batch, inputs=inputs, targets=fabric.to_device(batch.targets))


def validation(learner: Learner, network: nn.Module, fabric: Fabric) -> dict[str, float | None]:
    """The scores over the validation part; {} when it is empty. Each process takes its share of the cases."""
    network.eval()
    own = range(fabric.global_rank, len(learner.validation_ids), fabric.world_size)
    with fabric.autocast():
        rows = learner.validate(network, own)
    of_all = devices.merged(fabric, dict(zip(own, rows, strict=True)))
    return learner.scores([of_all[case] for case in sorted(of_all)])


def mean_defined(scores: Mapping[str, float | None]) -> float | None:
    """Mean of the scores that are defined; None when there is none."""
    defined = [score for score in scores.values() if score is not None]
    return float(np.mean(defined)) if defined else None


def out_of_patience(means: Sequence[float | None], patience_epochs: int | None) -> bool:
    """Whether the mean score has had no new best in the last so many epochs; undefined counts as 0."""
    if patience_epochs is None or len(means) <= patience_epochs:
        return False
    known = [mean or 0.0 for mean in means]
    return max(known[-patience_epochs:]) <= max(known[:-patience_epochs])


def faults(settings: Settings, hardware: devices.Hardware, train: int, validation: int) -> list[str]:
    """What does not fit together, by the names of params.yaml, for so many cases of the two parts."""
    faults = []
    shares = hardware.devices * hardware.nodes * settings.accumulate
    if settings.batch_size % shares:
        faults.append(
            f"train.batch_size: found {settings.batch_size}, expected a multiple of {shares} (devices x "
            "nodes x accumulate)"
        )
    if settings.patience_epochs is not None and not validation:
        faults.append(
            f"train.patience_epochs: found {settings.patience_epochs}, expected null where no case is for "
            "validation"
        )
    samples = train * settings.samples_per_case
    if samples < shares:
        faults.append(
            f"train.accumulate: {samples} samples an epoch, expected at least {shares} (devices x nodes x "
            "accumulate)"
        )
    return faults
