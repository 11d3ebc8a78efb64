"""Devices: one process or many, on processors or GPUs, as Lightning Fabric starts and joins them."""

import contextlib
import io
import logging
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import torch
from lightning_fabric import Fabric

from radiotrace.learning import numerics

# number of axes -> memory format; (n, channel, y, x) and (n, channel, z, y, x)
NumberFormat = Literal["bf16", "fp16", "fp32"]
PRECISIONS: dict[NumberFormat, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    "fp32": "32-true",
    "bf16": "bf16-mixed",
    "fp16": "16-mixed",
}
LAYOUTS = {4: torch.channels_last, 5: torch.channels_last_3d}


@dataclass(frozen=True)
class Hardware:
    """Where and in what numbers to train. Of the section train of params.yaml, where each is explained."""

    accelerator: str
    devices: int
    nodes: int
    strategy: str
    numerics: str
    precision: NumberFormat
    threads: int


def launch(hardware: Hardware) -> Fabric:
    """Starts the processes that train shares its batches among; returns in each of them.

    With one device on one node nothing is started. With several, this process starts the others of its node
    by running its own command again; under torchrun or SLURM they are there already.
    """
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    # of 1 x 1 x 1 convolutions, whose strides say nothing
    warnings.filterwarnings("ignore", "Grad strides do not match")
    fabric = Fabric(
        accelerator=hardware.accelerator,
        devices=hardware.devices,
        num_nodes=hardware.nodes,
        strategy=hardware.strategy,
        precision=PRECISIONS[number_format(hardware)],
    )
    with contextlib.redirect_stderr(io.StringIO()):  # a banner
        fabric.launch()
    return fabric


def on_gpu(hardware: Hardware) -> bool:
    """Whether training goes to a GPU: where one is asked for, or where one is and none is forbidden."""
    return hardware.accelerator in ("cuda", "gpu") or (
        hardware.accelerator == "auto" and torch.cuda.is_available()
    )


def name(device: torch.device) -> str:
    """What computes there, as far as bytes depend on it: "cpu", whose instructions numerics.configure
    tells, or the name of the GPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def number_format(hardware: Hardware) -> NumberFormat:
    """What the network multiplies in, "bf16", "fp16" or "fp32": what was asked for, or fp32 where the
    device has not got it."""
    if hardware.numerics == "portable":
        return "fp32"
    if hardware.precision == "bf16" and not (
        torch.cuda.is_bf16_supported() if on_gpu(hardware) else numerics.processor_has_bf16()
    ):
        return "fp32"
    return hardware.precision


def faults(hardware: Hardware) -> list[str]:
    """What of it this machine cannot do, by the names of params.yaml."""
    faults = []
    if hardware.precision == "fp16" and not on_gpu(hardware) and hardware.numerics == "native":
        faults.append("train.precision: found fp16 on a processor, expected bf16 or fp32; fp16 is for GPUs")
    if hardware.accelerator == "cuda" and not torch.cuda.is_available():
        faults.append("train.accelerator: found cuda, expected auto or cpu; torch sees no GPU")
    return faults


def laid_out(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The values on a device, with channels last in memory where they have two or three axes of space:
    convolutions are faster so."""
    return values.to(device, memory_format=LAYOUTS.get(values.dim(), torch.preserve_format))


def placed(network: torch.nn.Module, device: torch.device) -> torch.nn.Module:
    """The network on a device, its weights laid out as `laid_out` does; in place."""
    network.to(device)
    for weight in network.parameters():
        weight.data = laid_out(weight.data, device)
    return network


def gathered(fabric: Fabric, values: torch.Tensor) -> list[float]:
    """The values (n,) of all processes, one process after the other, on each of them."""
    parts = [values.detach()]
    if fabric.world_size > 1:
        parts = [torch.empty_like(values) for _ in range(fabric.world_size)]
        torch.distributed.all_gather(parts, values.detach())
    return torch.cat(parts).tolist()


def merged(fabric: Fabric, rows: dict) -> dict:
    """The rows of all processes in one dict, on each of them."""
    if fabric.world_size == 1:
        return rows
    rows_of_processes: list[Any] = [None] * fabric.world_size
    torch.distributed.all_gather_object(rows_of_processes, rows)
    return {key: row for of_process in rows_of_processes for key, row in of_process.items()}


def ahead(steps, device):
    """The same steps; where a GPU computes, the next one is drawn meanwhile.

    On a processor that would only get in the way.
    """
    if device.type == "cpu":
        yield from steps
        return
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, steps, None)
        while (step := coming.result()) is not None:
            coming = pool.submit(next, steps, None)
            yield step
