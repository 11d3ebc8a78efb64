"""train: fits the network to the train part and follows it on the validation part.

Reads   build/ingest/dataset.json, build/ingest/volumes/, build/split/split.json
Writes  build/train/: weights.safetensors, train.json, live/ (dvclive), provenance.json
State   .checkpoints/<key>/: the state after each epoch, for a run that is killed; removed when the run ends
Params  seed, train.*
Stops   when the loss is not finite: at once, with epoch, step and cases
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

from radiotrace import params, records, runs, stage
from radiotrace.evaluation import metrics
from radiotrace.images import volumes
from radiotrace.learning import checkpoints, dataset, inference, losses, networks, numerics
from radiotrace.stage import StageError


def learning_rate(step: int, steps: int, peak: float, warm_up: float) -> float:
    """Linear warm-up over a share of the steps, then half a cosine down to 0 after the last."""
    rising = max(1, round(warm_up * steps))
    if step < rising:
        return peak * (step + 1) / rising
    return peak * 0.5 * (1 + math.cos(math.pi * (step - rising) / (steps - rising)))


@torch.no_grad()
def update_average(ema: torch.nn.Module, network: torch.nn.Module, decay: float) -> None:
    """Moves the averaged weights towards the current ones."""
    averaged, current = list(ema.parameters()), list(network.parameters())
    torch._foreach_lerp_(averaged, current, 1 - decay)


def shape_faults(p: dict, step: int) -> list[str]:
    """What a network that halves every axis cannot take: patch and window must be multiples of `step`.

    Two voxels must be left at the lowest level, or instance norm has nothing to normalise; three in training, because
    oneDNN's bf16 weight gradient of a convolution over two is wrong (torch 2.13, measured in tests/test_numerics.py).
    """
    return [f"train.{name}: found {p[name]}, expected multiples of {step} from {least * step} on for {len(p['features'])} levels"
            for name, least in (("patch_voxels", 3), ("window_voxels", 2)) if any(edge % step or edge < least * step for edge in p[name])]


def validation_dice(ema, samples: list[dataset.Sample], labels: dict, p: dict, spec: dict) -> dict[str, float | None]:
    """Mean Dice over the validation cases of each label, on the canonical grid; {} when the part is empty."""
    ema.eval()
    with numerics.autocast(p["numerics"]):
        found = [metrics.dice_per_label(sample.label_zyx.numpy(), inference.predict(sample.image_zyx, ema, spec).argmax(0).numpy(), labels)
                 for sample in samples]
    return {name: metrics.mean_defined(row[name] for row in found) for name in labels.values() if found and name != labels["0"]}


def train(network, samples: dict, labels: dict, p: dict, spec: dict, folder: Path):
    """The training loop.

    Args:
        network: freshly initialised.
        samples: "train" and "validation" -> list of dataset.Sample.
        p: the section train of params.yaml, and the seed.
        spec: preprocessing, as inference takes it.
        folder: of this run's checkpoints.

    Returns:
        The network with its averaged weights, and the history: a dict for each epoch.

    Raises:
        StageError: the loss is not finite.
    """
    network = network.to(memory_format=torch.channels_last_3d)
    ema = copy.deepcopy(network)
    optimizer = torch.optim.AdamW(network.parameters(), lr=p["learning_rate"], weight_decay=p["weight_decay"], betas=(0.9, 0.99), foreach=True)
    loss_of = losses.DeepSupervised()
    per_epoch = dataset.steps_per_epoch(samples["train"], p["batch_size"])
    history = checkpoints.resume(folder, network, ema, optimizer)
    if history:
        stage.log(f"train: going on after epoch {len(history)}")

    for epoch in range(len(history) + 1, p["epochs"] + 1):
        network.train()
        total = 0.0
        batches = dataset.batches(samples["train"], p["batch_size"], volumes.to_zyx(p["patch_voxels"]), p["augmentation"], p["seed"], epoch)
        for index, (case_ids, images, references) in enumerate(batches):
            step = (epoch - 1) * per_epoch + index
            rate = learning_rate(step, p["epochs"] * per_epoch, p["learning_rate"], p["warm_up"])
            for group in optimizer.param_groups:
                group["lr"] = rate
            with numerics.autocast(p["numerics"]):
                heads = network(images.to(memory_format=torch.channels_last_3d))
            loss = loss_of(heads, references)
            if not math.isfinite(loss.item()):
                raise StageError(f"loss is {loss.item()} in epoch {epoch}, step {index + 1} of {per_epoch}", [f"cases {', '.join(case_ids)}"],
                                 "Look at these cases; or lower train.learning_rate in params.yaml, then run 'dvc repro'.")
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), p["gradient_clip"])
            optimizer.step()
            update_average(ema, network, min(p["ema_decay"], (1 + step) / (10 + step)))
            total += loss.item()
        dice = validation_dice(ema, samples["validation"], labels, p, spec)
        history.append(records.canonical({"epoch": epoch, "learning_rate": rate, "train_loss": total / per_epoch, "validation_dice": dice}))
        checkpoint_sha256 = checkpoints.save_epoch(folder, epoch, network, ema, optimizer, history)
        history[-1]["checkpoint_sha256"] = checkpoint_sha256
        stage.log(f"train: epoch {epoch}/{p['epochs']}  loss {total / per_epoch:.3f}"
                  + "".join(f"  validation dice {name} {value:.3f}" for name, value in dice.items() if value is not None))
    return ema.eval(), history


def write_live(folder: Path, history: list[dict]) -> None:
    """The history as dvclive writes it, for `dvc plots` and the editors that read it."""
    with dvclive.Live(str(folder), save_dvc_exp=False, dvcyaml=None, report=None, monitor_system=False) as live:
        for row in history:
            live.step = row["epoch"]
            live.log_metric("train_loss", row["train_loss"])
            live.log_metric("learning_rate", row["learning_rate"])
            for name, value in row["validation_dice"].items():
                if value is not None:
                    live.log_metric(f"validation_dice/{name}", value)


def main(args):
    p = params.load(args.params, "train", seed=True)
    instructions = numerics.configure(p["numerics"], p["threads"])
    described = records.read(args.dataset, "dataset")
    split = records.read(args.split, "split")
    provenance = runs.provenance(__file__, p, args.requirements, [args.dataset, args.split])
    run_id = runs.run_id(provenance)
    labels = split["labels"]
    network_spec = {"name": p["network"], "features": p["features"], "labels": len(labels)}
    if broken := shape_faults(p, networks.multiple(network_spec)):
        raise StageError("the patch does not fit the network", broken, "Correct params.yaml.")
    spec = described["canonical"] | {"clip_percentiles": p["clip_percentiles"], "window_voxels": p["window_voxels"],
                                     "multiple": networks.multiple(network_spec)}
    entries = {part: [case for case in described["cases"] if split["cases"].get(case["case_id"], {}).get("part") == part]
               for part in ("train", "validation")}
    samples = {part: dataset.load(args.volumes, entries[part], p["clip_percentiles"]) for part in entries}
    network = networks.build(network_spec, p["seed"])
    parameters = sum(parameter.numel() for parameter in network.parameters())
    stage.log(f"train: run {run_id[:12]}, {len(samples['train'])} cases, {len(samples['validation'])} for validation, "
              f"{parameters:,} weights, {p['threads']} threads, {instructions}")

    if p["numerics"] == "native" and not numerics.uses_bf16("native"):
        stage.log("train: this processor has no bf16; training in fp32 takes two to three times as long and gives other bytes")
    # A key holds the instruction set too: another processor rounds differently.
    key = records.digest({"run_id": run_id, "instructions": instructions})
    folder = Path(os.environ.get("RADIOTRACE_CHECKPOINTS") or args.checkpoints) / key
    ema, history = train(network, samples, labels, p, spec, folder)
    with stage.output_folder(args.out) as out:
        weights = {name: value.contiguous() for name, value in networks.state(ema).items()}
        records.write_bytes(out / "weights.safetensors", save(weights))
        write_live(out / "live", history)
        records.write(out / "train.json", {
            "run_id": run_id, "network": network_spec, "weights": parameters, "weights_sha256": records.sha256(out / "weights.safetensors"),
            "preprocessing": spec, "labels": labels, "params": p, "history": history,
            "selection": "the averaged weights after the last epoch", "excluded": split["excluded"],
            "cases": {part: [sample.case_id for sample in samples[part]] for part in samples}}, "train")
        records.write(out / "provenance.json", provenance, "provenance")
    checkpoints.forget(folder)
    stage.log(f"train: wrote {args.out}/")


parser = argparse.ArgumentParser(prog="train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--dataset", required=True, help="record of the data set")
parser.add_argument("--volumes", required=True, help="folder of canonical volumes")
parser.add_argument("--split", required=True, help="record of the split")
parser.add_argument("--checkpoints", required=True, help="folder of resumable states; RADIOTRACE_CHECKPOINTS overrides it")
parser.add_argument("--out", required=True, help="folder to write")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
