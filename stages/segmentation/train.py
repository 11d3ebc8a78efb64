"""train: fits the network to the train part and follows it on the validation part.

Reads   build/ingest/dataset.json, build/ingest/volumes/, build/split/split.json
Writes  build/train/: weights.safetensors, train.json, live/ (dvclive), provenance.json
State   .checkpoints/<key>/: the state after each epoch, for a run that is killed; removed when the run ends
        execution/tensorboard/<run_id>/: event files, which hold clock times and so are no output
Params  seed, train.*
Stops   when a loss or a gradient is not finite, when gradients explode, when the validation Dice stays 0
"""

import argparse
import copy
import math
import os
import sys
from pathlib import Path

import dvclive
import torch
from safetensors.torch import save

from radiotrace import errors, records
from radiotrace.errors import StageError
from radiotrace.imaging import volumes
from radiotrace.inference import windows
from radiotrace.learning import architecture, checkpoints, devices, dropout, numerics
from radiotrace.learning.progress import Progress
from radiotrace.learning.watch import Watch
from radiotrace.pipeline import params, runs, stage
from radiotrace.segmentation import balance, dataset, losses, metrics


def learning_rate(step: int, steps: int, peak: float, warm_up: float, end: float) -> float:
    """Linear warm-up over a share of the steps, then half a cosine down to a share `end` of the peak,
    after the last."""
    rising = max(1, round(warm_up * steps))
    if step < rising:
        return peak * (step + 1) / rising
    return peak * (end + (1 - end) * 0.5 * (1 + math.cos(math.pi * (step - rising) / (steps - rising))))


@torch.no_grad()
def update_average(ema: torch.nn.Module, network: torch.nn.Module, done: int, share: float) -> None:
    """Moves the averaged weights towards the current ones, after `done` steps, so that the average reaches
    back over a share of them.

    An average whose reach grows needs no tuning to the number of steps, and forgets the first ones.
    """
    averaged, current = list(ema.parameters()), list(network.parameters())
    torch._foreach_lerp_(averaged, current, 1 / (1 + share * done))


def shape_faults(p: dict, step: int) -> list[str]:
    """What a network that halves every axis cannot take: patch and window must be multiples of `step`.

    Two voxels must be left at the lowest level, or instance norm has nothing to normalise; three in training,
    because oneDNN's bf16 weight gradient of a convolution over two is wrong (torch 2.13, measured in
    tests/test_numerics.py).
    """
    return [
        f"train.{name}: found {p[name]}, expected multiples of {step} from {least * step} on for "
        f"{p['network']} with {len(p['features'])} levels"
        for name, least in (("patch_voxels", 3), ("window_voxels", 2))
        if any(edge % step or edge < least * step for edge in p[name])
    ]


def validation_dice(fabric, ema, cases: dataset.Cases, labels: dict, spec: dict) -> dict[str, float | None]:
    """Mean Dice over the validation cases of each label, on the canonical grid; {} when the part is empty.

    Each process predicts its share of the cases.
    """
    ema.eval()
    found = {}
    for index in range(fabric.global_rank, len(cases), fabric.world_size):
        sample = cases[index]
        with fabric.autocast():
            logits = windows.predict(sample.image_zyx, ema, spec, fabric.device)
        found[index] = metrics.dice_per_label(sample.label_zyx.numpy(), logits.argmax(0).numpy(), labels)
    rows = devices.merged(fabric, found)
    return {
        name: metrics.mean_defined(rows[index][name] for index in sorted(rows))
        for name in labels.values()
        if rows and name != labels["0"]
    }


def balanced(ema, cases: dataset.Cases, labels: dict, spec: dict, device, say) -> dict:
    """The spec, with offsets of the logits that make the predicted volumes of the validation part right in
    sum; without such a part, as it is."""
    if not len(cases):
        return spec
    offsets, excess = balance.offsets(
        (windows.predict(sample.image_zyx, ema, spec, device), sample.label_zyx) for sample in cases
    )
    for value, name in labels.items():
        if value != "0" and excess[int(value)] is not None:
            say(
                f"train: validation volume of {name} {excess[int(value)]:+.1%} in sum; its logits shifted by "
                f"{offsets[int(value)]:+.3f}"
            )
            if balance.is_at_limit(offsets[int(value)]):
                say(
                    f"train: warning: that is as far as logits of {name} may be shifted, and its volume is "
                    f"not "
                    "balanced: the validation part is too small for it, or the network has not learnt it"
                )
    return spec | {"logit_offsets": offsets}


def out_of_patience(history: list[dict], patience_epochs: int | None) -> bool:
    """Whether the mean validation Dice has had no new best in the last so many epochs."""
    means = [mean_dice(row) or 0.0 for row in history]
    return (
        patience_epochs is not None
        and len(means) > patience_epochs
        and max(means[-patience_epochs:]) <= max(means[:-patience_epochs])
    )


def mean_dice(row: dict) -> float | None:
    """Mean over labels of an epoch's validation Dice; None where there is none."""
    return metrics.mean_defined(row["validation_dice"].values())


def train(
    fabric,
    network,
    cases: dict[str, dataset.Cases],
    labels: dict,
    p: dict,
    spec: dict,
    folder: Path,
    tensorboard: Path | None = None,
):
    """The training loop.

    Args:
        fabric: of devices.launch; its processes run this side by side and share each step's patches.
        network: freshly initialised.
        cases: "train" and "validation".
        p: the section train of params.yaml, and the seed.
        spec: preprocessing, as inference takes it.
        folder: of this run's checkpoints.
        tensorboard: folder of event files; None for none.

    Returns:
        The network with its averaged weights, and the history: a dict for each epoch.

    Raises:
        StageError: a number went wrong; see Watch.
    """
    network = network.to(fabric.device, memory_format=torch.channels_last_3d)
    ema = copy.deepcopy(network)
    optimizer = torch.optim.AdamW(
        network.parameters(),
        lr=p["learning_rate"],
        weight_decay=p["weight_decay"],
        betas=(0.9, 0.99),
        foreach=True,
    )
    loss_of = losses.build(loss_settings(p), len(labels)).to(fabric.device)
    history = checkpoints.resume(folder, network, ema, optimizer, fabric.strategy.precision)
    if history and fabric.is_global_zero:
        errors.log(f"train: going on after epoch {len(history)}")
    plan = dataset.Plan(p["batch_size"], fabric.world_size, p["accumulate"], p["patches_per_case"])
    per_epoch = plan.steps(len(cases["train"]))
    progress = Progress(p["epochs"], per_epoch, len(history), tensorboard, shown=fabric.is_global_zero)
    shared, optimizer_of_all = fabric.setup(network, optimizer)

    while len(history) < p["epochs"] and not out_of_patience(history, p["patience_epochs"]):
        epoch = len(history) + 1
        watch = Watch(
            epoch, per_epoch, p["gradient_limit"], p["precision"] == "fp16", folder / checkpoints.HISTORY
        )
        network.train()
        values = []
        drawn = dataset.epoch(
            cases["train"],
            plan,
            fabric.global_rank,
            volumes.to_zyx(p["patch_voxels"]),
            len(labels),
            p["augmentation"],
            p["seed"],
            epoch,
        )
        for step, micro_batches in enumerate(devices.ahead(drawn, fabric.device), 1):
            done = (epoch - 1) * per_epoch + step - 1
            rate = learning_rate(
                done, p["epochs"] * per_epoch, p["learning_rate"], p["warm_up"], p["learning_rate_end"]
            )
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad()
            for part, (case_ids, images, targets, rngs) in enumerate(micro_batches, 1):
                dropout.draw(network, rngs)
                with fabric.no_backward_sync(shared, enabled=part < len(micro_batches)):
                    heads = shared(images.to(fabric.device, memory_format=torch.channels_last_3d))
                    loss_n = loss_of(heads, targets.to(fabric.device))
                    values += devices.gathered(fabric, loss_n)
                    watch.loss(values[-len(case_ids) :], case_ids, step)
                    fabric.backward(loss_n.mean() / len(micro_batches))
            norm = fabric.clip_gradients(
                shared, optimizer_of_all, max_norm=p["gradient_clip"], error_if_nonfinite=False
            ).item()
            watch.gradient(norm, [case_id for case_ids, *_ in micro_batches for case_id in case_ids], step)
            optimizer_of_all.step()
            update_average(ema, network, done, p["ema_share"])
            progress.step(epoch, step, sum(values) / len(values))

        dice = validation_dice(fabric, ema, cases["validation"], labels, spec)
        history.append(
            records.canonical(
                {
                    "epoch": epoch,
                    "learning_rate": rate,
                    "train_loss": sum(values) / len(values),
                    "validation_dice": dice,
                    **watch.summary(p["gradient_clip"]),
                }
            )
        )
        if fabric.is_global_zero:
            history[-1]["checkpoint_sha256"] = checkpoints.save_epoch(
                folder, epoch, network, ema, optimizer, fabric.strategy.precision, history
            )
        progress.epoch(history[-1])
        watch.validation([mean_dice(row) for row in history], p["zero_epochs"], cases["validation"].case_ids)
    return ema.eval(), history


def loss_settings(p: dict) -> dict:
    """What losses.build takes, out of the section train."""
    return {"name": p["loss"]} | {
        name: p[name]
        for name in ("class_weights", "tversky_alpha", "tversky_beta", "focal_tversky_gamma", "focal_gamma")
    }


def network_spec(p: dict, labels: int) -> dict:
    """What networks.build takes, out of the section train."""
    spec = {"name": p["network"], "labels": labels} | {
        name: p[name] for name in ("features", "norm", "upsampling", "dropout")
    }
    return spec if p["deep_supervision"] is None else spec | {"deep_supervision": p["deep_supervision"]}


def faults(p: dict, labels: int, cases: dict[str, int]) -> list[str]:
    """What of the section train does not fit together, the labels, this machine, or the numbers of cases
    of the parts."""
    spec = network_spec(p, labels)
    found = architecture.faults(spec) + losses.faults(loss_settings(p), labels) + devices.faults(p)
    if not architecture.faults(spec):
        found += shape_faults(p, architecture.multiple(spec))
    if p["patience_epochs"] is not None and not cases["validation"]:
        found.append(
            f"train.patience_epochs: found {p['patience_epochs']}, expected null where no case is "
            f"for validation"
        )
    if (patches := cases["train"] * p["patches_per_case"]) < (
        shares := p["devices"] * p["nodes"] * p["accumulate"]
    ):
        found.append(
            f"train.accumulate: {patches} patches an epoch, expected at least {shares} (devices x "
            f"nodes x accumulate)"
        )
    return found


def write_live(folder: Path, history: list[dict]) -> None:
    """The history as dvclive writes it, for `dvc plots` and the editors that read it."""
    with dvclive.Live(
        str(folder), save_dvc_exp=False, dvcyaml=None, report=None, monitor_system=False
    ) as live:
        for row in history:
            live.step = row["epoch"]
            live.log_metric("train_loss", row["train_loss"])
            live.log_metric("learning_rate", row["learning_rate"])
            for name, value in row["validation_dice"].items():
                if value is not None:
                    live.log_metric(f"validation_dice/{name}", value)


def write(out: Path, ema, history: list[dict], record: dict) -> None:
    """The stage's outputs, into a new folder."""
    weights = {name: value.contiguous().cpu() for name, value in architecture.state(ema).items()}
    records.write_bytes(out / "weights.safetensors", save(weights))
    write_live(out / "live", history)
    epochs = record["params"]["epochs"]
    records.write(
        out / "train.json",
        record
        | {
            "weights": sum(parameter.numel() for parameter in ema.parameters()),
            "weights_sha256": records.sha256(out / "weights.safetensors"),
            "history": history,
            "selection": "the averaged weights after the last epoch",
            "stopped_early": len(history) < epochs,
        },
        "train",
    )


def main(args):
    p = params.load(args.params, "train", seed=True)
    instructions = numerics.configure(p["numerics"], p["threads"])
    described = records.read(args.dataset, "dataset")
    split = records.read(args.split, "split")
    labels = split["labels"]
    entries = {
        part: [
            case for case in described["cases"] if split["cases"].get(case["case_id"], {}).get("part") == part
        ]
        for part in ("train", "validation")
    }
    if broken := faults(p, len(labels), {part: len(entries[part]) for part in entries}):
        raise StageError("training cannot run as params.yaml says", broken, "Correct params.yaml.")
    number_format = devices.number_format(p)
    fabric = devices.launch(p)
    say = errors.log if fabric.is_global_zero else (lambda line: None)

    network_of = network_spec(p, len(labels))
    inputs, choice = [args.dataset, args.split], architecture.choice(network_of)
    provenance = runs.provenance(__file__, p, args.requirements, inputs, choice)
    run_id = runs.run_id(provenance)
    network = architecture.build(network_of, p["seed"])
    spec = (
        described["canonical"]
        | {name: p[name] for name in ("clip_percentiles", "patch_voxels", "window_voxels")}
        | {"multiple": architecture.multiple(network_of)}
    )
    cases = {
        part: dataset.Cases(args.volumes, entries[part], p["clip_percentiles"], p["cache_mb"])
        for part in entries
    }
    say(
        f"train: run {run_id[:12]}, {len(cases['train'])} cases, {len(cases['validation'])} for validation, "
        f"{sum(parameter.numel() for parameter in network.parameters()):,} weights, "
        f"{fabric.world_size} x {devices.name(fabric.device)} with {p['threads']} threads, {instructions}, "
        f"{number_format}"
    )
    if number_format != p["precision"] and p["numerics"] == "native":
        say(
            f"train: this machine has no {p['precision']}; training in {number_format} takes two to three "
            f"times as long and gives other bytes"
        )

    # Another processor or GPU rounds differently, and may lack a number format: the same run_id then has
    # other weights.
    in_effect = {
        "device": devices.name(fabric.device),
        "instructions": instructions,
        "number_format": number_format,
    }
    key = records.digest({"run_id": run_id, **in_effect})
    folder = Path(os.environ.get("RADIOTRACE_CHECKPOINTS") or args.checkpoints) / key
    tensorboard = Path(args.tensorboard) / run_id[:12] if p["tensorboard"] else None
    try:
        ema, history = train(fabric, network, cases, labels, p, spec, folder, tensorboard)
    except StageError:
        if fabric.is_global_zero:
            raise
        sys.exit(1)  # every process sees every fault; one of them tells it
    if not fabric.is_global_zero:
        return
    if p["balance_volumes"]:
        spec = balanced(ema, cases["validation"], labels, spec, fabric.device, say)
    with stage.output_folder(args.out) as out:
        write(
            out,
            ema,
            history,
            {
                "run_id": run_id,
                "network": network_of,
                "preprocessing": spec,
                "labels": labels,
                "params": p,
                "excluded": split["excluded"],
                "cases": {part: cases[part].case_ids for part in cases},
                "in_effect": in_effect,
            },
        )
        records.write(out / "provenance.json", provenance, "provenance")
    checkpoints.forget(folder)
    say(f"train: wrote {args.out}/")


parser = argparse.ArgumentParser(
    prog="train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--dataset", required=True, help="record of the data set")
parser.add_argument("--volumes", required=True, help="folder of canonical volumes")
parser.add_argument("--split", required=True, help="record of the split")
parser.add_argument(
    "--checkpoints", required=True, help="folder of resumable states; RADIOTRACE_CHECKPOINTS overrides it"
)
parser.add_argument("--tensorboard", required=True, help="folder of TensorBoard's event files")
parser.add_argument("--out", required=True, help="folder to write")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
