"""plan: parameters of a study out of its train part and a budget, each with its reason.

Without --write it shows what would change in params.yaml, and changes nothing.
"""

import difflib
import sys

from radiotrace import errors, records
from radiotrace.errors import StageError
from radiotrace.pipeline import params
from radiotrace.records.dataset import Dataset
from radiotrace.records.split import Split

DATASET, SPLIT, VOLUMES = "build/ingest/dataset.json", "build/split/split.json", "build/ingest/volumes"
DEVICES = ("cpu", "cpu-bf16", "cuda")


def plan(args) -> None:
    """Parameters of a study out of its train part and a budget, each with its reason."""
    study = args.study
    path = study.folder / "params.yaml"
    values = params.read(path)
    faults = refused(args, values)
    missing = [name for name in (DATASET, SPLIT) if not (study.folder / name).is_file()]
    faults += [f"{name} is missing" for name in missing]
    if faults:
        way_out = "Correct this, and run it again."
        if missing:
            way_out = (
                "Run 'dvc repro split' in the folder of the study; it reads the images and shares them out."
            )
        raise StageError("nothing was planned", faults, way_out)
    from radiotrace.planning import fingerprint, rules, written  # here, because they read images

    dataset = Dataset.of(records.read(study.folder / DATASET, "dataset"))
    split = Split.of(records.read(study.folder / SPLIT, "split"))
    found = fingerprint.measured(dataset, split, study.folder / VOLUMES)
    if not found.cases:
        raise StageError("nothing was planned", [f"{SPLIT} has no case in the train part"])
    if not any(case.labels for case in found.cases):
        raise StageError("nothing was planned", ["no case of the train part has a labelled voxel"])
    budget = rules.Budget(
        args.minutes, args.memory_gb, args.gflops or rules.GFLOPS[args.device], args.device == "cuda"
    )
    planned = rules.plan(found, budget)
    before = path.read_text("utf-8")
    after = written.written(before, planned.choices)
    if broken := params.faults(written.parsed(after)):
        raise ValueError(f"the plan breaks the schemas: {'; '.join(broken)}")
    print("\n".join(said(found, budget, planned)))
    if args.probe:
        probe(found, planned, args.device)
    print_difference(before, after, study.place)
    if after == before:
        print("params.yaml has all of it already")
    elif args.write:
        records.write_bytes(path, after.encode())
        print("params.yaml is written. Next: dvc repro")
    else:
        print("Nothing was written; --write writes it")


def refused(args, values: dict) -> list[str]:
    """What of the command line does not do."""
    faults = [
        f"--{name.replace('_', '-')}: found {found:g}, expected more than 0"
        for name in ("minutes", "memory_gb", "gflops")
        if (found := getattr(args, name)) is not None and not 0 < found < float("inf")
    ]
    if values["task"] != "segmentation":
        faults.append(f"task: found {values['task']}, expected segmentation, the one that is planned")
    return faults


def said(found, budget, planned) -> list[str]:
    """What was found and planned, for a terminal."""
    channels = ", ".join(channel.name or "without a name" for channel in found.channels)
    return [
        f"train part: {len(found.cases)} cases of {found.subjects} subjects; "
        f"labels {', '.join(found.labels)}; channels {channels}",
        f"budget: {budget.minutes:g} minutes at {budget.gflops:g} GFLOP/s, {budget.memory_gb:g} GB",
        f"training sees {planned.patches:,} patches in some {planned.seconds / 60:.1f} minutes",
        *(f"guess: {guess}" for guess in planned.guesses),
        "",
    ]


def probe(found, planned, device: str) -> None:
    """Measures how fast this machine trains the planned network, and says what to plan with."""
    from radiotrace.planning import probe as measuring  # here, because torch takes seconds
    from radiotrace.planning.rules import spec_of

    spec = spec_of(found, planned)
    speed = measuring.gflops(
        spec,
        planned.value("train", "patch_voxels"),
        planned.value("train", "batch_size"),
        2,
        "bf16" if device == "cpu-bf16" else "fp32",
    )
    errors.log(f"plan: this machine reaches {speed:.0f} GFLOP/s on the planned network: --gflops {speed:.0f}")


def print_difference(before: str, after: str, place: str) -> None:
    """Of params.yaml, line by line."""
    lines = difflib.unified_diff(
        before.splitlines(),
        after.splitlines(),
        f"{place}/params.yaml",
        f"{place}/params.yaml",
        "now",
        "planned",
        0,
        "",
    )
    sys.stdout.writelines(f"{line}\n" for line in lines)


def options(parser) -> None:
    """The command's arguments."""
    parser.add_argument("--minutes", type=float, default=10, help="of training; default: %(default)g")
    parser.add_argument(
        "--memory-gb", type=float, default=8, help="of the machine or the GPU; default: %(default)g"
    )
    parser.add_argument(
        "--device",
        choices=DEVICES,
        default="cpu",
        help="what trains: two cores, in float32 or bf16, or a GPU; default: cpu",
    )
    parser.add_argument(
        "--gflops", type=float, help="speed of another machine, as --probe says; default: that of the device"
    )
    parser.add_argument(
        "--probe", action="store_true", help="measure this machine's speed on the planned network, too"
    )
    parser.add_argument(
        "--write", action="store_true", help="write params.yaml; without it, show what would change"
    )
