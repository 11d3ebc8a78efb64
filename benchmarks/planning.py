"""Parameters that were planned, those that every study begins with, and nnU-Net's own plan, each for the same
time on the same split.

    python -m benchmarks.planning run studies/NAME --minutes 20                 # the three arms in turn
    python -m benchmarks.planning run studies/NAME --minutes 20 --arm planned   # one: planned, fixed, nnunet
    python -m benchmarks.planning table                                         # the rows, as Markdown

Takes a study as 'python -m radiotrace new' lays it out, after 'make manifest' and 'dvc repro split' in its
folder, with the params.yaml of 'new'. Its files stay as they are; an arm works in build/planning/ of the
study. Writes a row for each arm into benchmarks/planning.csv, and one for each test case into
benchmarks/planning_cases.csv.

planned  what 'python -m radiotrace --study studies/NAME plan --minutes N' plans
fixed    params.yaml as 'new' wrote it: those of the hippocampus
nnunet   nnU-Net's own plan (3d_fullres; of pictures 2d), in the environment of benchmarks.nnunet; it sees the
         train part alone, and its learning rate falls to 0 within the time

Minutes are those of the whole stage 'train' for the first two: start, passes, validation after each, balance
of volumes. A calibrating run of two passes, not counted, says how many passes fit. 'fixed' makes as many;
'planned' as many as were planned, or fewer where they do not fit. For nnU-Net they are those of its training
steps; start, plan and preprocessing are not counted. No arm stops early, none mirrors at test time.

An arm whose row has the same inputs is not run again. A training of the first two that was killed goes on
after its last pass, and nnU-Net's starts anew.
"""

import argparse
import csv
import json
import math
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ruamel.yaml import YAML

from benchmarks import crossval, nnunet
from radiotrace import records
from radiotrace.errors import StageError, log
from radiotrace.evidence.verify import workflow
from radiotrace.imaging import channels, parts
from radiotrace.pipeline import params
from radiotrace.pipeline import study as studies
from radiotrace.pipeline.study import Study
from radiotrace.planning import fingerprint, rules, written
from radiotrace.records.dataset import Dataset
from radiotrace.records.split import Split
from radiotrace.statistics import intervals

ARMS = ("planned", "fixed", "nnunet")
ROWS, CASES = Path("benchmarks/planning.csv"), Path("benchmarks/planning_cases.csv")
DATASET, SPLIT, VOLUMES = "build/ingest/dataset.json", "build/split/split.json", "build/ingest/volumes"
RAW = "Dataset001_Study"
PASS = re.compile(r"train: epoch \d+/\d+  loss ")  # the line after a pass
CALIBRATING = 2  # passes: the first also reads the cases


@dataclass(frozen=True)
class Job:
    """An arm on a study.

    Attributes:
        gflops: that the plan reckons with; None for the planner's own figure.
    """

    study: Study
    arm: str
    minutes: float
    gflops: float | None

    @property
    def dataset(self) -> Dataset:
        return Dataset.of(records.read(self.study.folder / DATASET, "dataset"))

    @property
    def split(self) -> Split:
        return Split.of(records.read(self.study.folder / SPLIT, "split"))

    def of_part(self, part: str) -> list:
        """The cases of a part of the split, as the record of the data set has them."""
        cases = self.split.cases
        return [
            case for case in self.dataset.cases if case.case_id in cases and cases[case.case_id].part == part
        ]

    @property
    def digest(self) -> str:
        """SHA-256 of what decides the arm, but for the machine and the code of training."""
        values = params.read(self.study.path("params"))
        decides = {
            "arm": self.arm,
            "minutes": self.minutes,
            "data": self.dataset.dataset.root_sha256,
            "split": records.sha256(self.study.folder / SPLIT),
        }
        if self.arm == "nnunet":
            decides |= {"version": nnunet.VERSION, "threads": values["train"]["threads"]}
        else:
            decides["params"] = {name: values[name] for name in ("seed", "ingest", "train", "evaluate")}
        if self.arm == "planned":
            folder = Path(rules.__file__).parent
            decides["gflops"] = self.gflops
            decides["code"] = {path.name: records.sha256(path) for path in sorted(folder.glob("*.py"))}
        return records.digest(decides)

    @property
    def place(self) -> str:
        """The arm's folder, from that of the study."""
        return f"build/planning/{self.arm}-{self.digest[:12]}"

    @property
    def folder(self) -> Path:
        folder = self.study.folder / self.place
        folder.mkdir(parents=True, exist_ok=True)
        return folder


@dataclass(frozen=True)
class Trained:
    """What a training came to.

    Attributes:
        seconds: as the file's first lines count them.
        passes: over the cases, each seen as often as its patches are drawn; whole ones but for nnU-Net.
        passes_planned: None but for the arm 'planned'.
        peak_mb: resident memory of the process that trains.
    """

    seconds: float
    passes: float
    passes_planned: int | None
    patches: int
    peak_mb: float


@dataclass(frozen=True)
class Calibration:
    """A training of two passes.

    Attributes:
        all_s: from its start to its end.
        pass_s: the second pass, with the validation after it.
    """

    all_s: float
    pass_s: float

    def passes_within(self, seconds: float) -> int:
        """How many a training may make that is to take so long; one at least."""
        return max(1, CALIBRATING + math.floor((seconds - self.all_s) / self.pass_s))


def watched(command: Sequence[str], after_pass: Callable[[float], None]) -> tuple[float, float]:
    """Runs a stage; its seconds and the peak of its resident memory in 10^6 bytes.

    Args:
        after_pass: called with the seconds since the start, at each line that ends a pass.
    """
    start = time.monotonic()
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    if process.stderr is None:
        raise ValueError("a pipe was asked for")
    for line in process.stderr:
        print(line, end="", file=sys.stderr, flush=True)
        if PASS.match(line):
            after_pass(time.monotonic() - start)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return time.monotonic() - start, usage.ru_maxrss * 1024 / 1e6


def stage_command(job: Job, name: str, params_path: str, **options: str) -> list[str]:
    """The command of a stage of the study, with the parameters of an arm; paths are from its folder."""
    module = workflow.of(job.study)[name].module
    command = [sys.executable, "-m", module, "--study", job.study.place, "--params", params_path]
    command += ["--requirements", "requirements.txt"]
    for option, value in options.items():
        command += [f"--{option}", value]
    return command


def planned_text(job: Job) -> tuple[str, int | None]:
    """The text of the arm's params.yaml, and the passes that were planned."""
    text = job.study.path("params").read_text("utf-8")
    if job.arm == "fixed":
        return text, None
    found = fingerprint.measured(job.dataset, job.split, job.study.folder / VOLUMES)
    planned = rules.plan(found, rules.Budget(job.minutes, 8, job.gflops or rules.GFLOPS["cpu"]))
    return written.written(text, planned.choices), planned.value("train", "epochs")


def write_params(job: Job, text: str, name: str, passes: int) -> str:
    """A params.yaml of the arm, with so many passes; its path from the study's folder."""
    values = YAML().load(text)
    values["train"]["epochs"] = values["train"]["zero_epochs"] = passes
    values["train"]["patience_epochs"] = None
    values["train"]["accelerator"], values["train"]["tensorboard"] = "cpu", False
    for parameter, value in crossval.PLAIN.items():
        section, key = parameter.split(".")
        values[section][key] = value
    with open(job.folder / name, "w", encoding="utf-8") as file:
        YAML().dump(values, file)
    return f"{job.place}/{name}"


def ingested(job: Job, params_path: str) -> str:
    """The folder with the data set as the arm's parameters bring it to a grid, from the study's."""
    own, usual = (
        params.load(path, "ingest") for path in (job.study.folder / params_path, job.study.path("params"))
    )
    if own == usual:
        return "build/ingest"
    out = f"{job.place}/ingest"
    if not (job.study.folder / out).exists():
        command = stage_command(job, "ingest", params_path, data="data", manifest="data.sha256", out=out)
        subprocess.run(command, check=True)
    return out


def train_command(job: Job, ingest: str, params_path: str, out: str) -> list[str]:
    """That of the stage 'train'; what it writes beside its result stands beside it, too."""
    return stage_command(
        job,
        "train",
        params_path,
        dataset=f"{ingest}/dataset.json",
        volumes=f"{ingest}/volumes",
        split=SPLIT,
        checkpoints=f"{out}.checkpoints",
        tensorboard=f"{out}.tensorboard",
        live=f"{out}.live",
        out=out,
    )


def calibrated(job: Job, text: str, ingest: str) -> Calibration:
    """How long passes take with these parameters on this machine; measured once."""
    path = job.folder / "calibration.json"
    if not path.exists():
        params_path = write_params(job, text, "calibrating.yaml", CALIBRATING)
        out = f"{job.place}/calibrating"
        for folder in (job.study.folder / f"{out}{end}" for end in ("", ".checkpoints")):
            shutil.rmtree(folder, ignore_errors=True)
        ends: list[float] = []
        seconds, _ = watched(train_command(job, ingest, params_path, out), ends.append)
        path.write_text(json.dumps({"all_s": seconds, "pass_s": ends[1] - ends[0]}))
    return Calibration(**json.loads(path.read_text()))


def timed(job: Job, command: Sequence[str]) -> tuple[float, float]:
    """Trains; the seconds of all attempts up to their last pass, and of the last up to its end, and the peak
    of memory."""
    path = job.folder / "spent_s.json"
    before = json.loads(path.read_text()) if path.exists() else 0.0

    def note(seconds: float) -> None:
        path.write_text(json.dumps(before + seconds))

    seconds, peak_mb = watched(command, note)
    return before + seconds, peak_mb


def patches_of_pass(job: Job) -> int:
    """How many the arm draws in a pass; what does not fill a step is left out."""
    settings = params.load(job.folder / "params.yaml", "train")
    drawn = len(job.of_part("train")) * settings["patches_per_case"]
    return drawn // settings["batch_size"] * settings["batch_size"]


def run_ours(job: Job) -> tuple[Trained, Path]:
    """The arms 'planned' and 'fixed': the training, and the folder of the predictions of the test part."""
    text, passes_planned = planned_text(job)
    ingest = ingested(job, write_params(job, text, "asked.yaml", CALIBRATING))
    passes = calibrated(job, text, ingest).passes_within(60 * job.minutes)
    if passes_planned is not None:
        passes = min(passes, passes_planned)
    log(f"planning: {job.arm}: {passes} passes")
    params_path = write_params(job, text, "params.yaml", passes)
    out, done = job.folder / "train", job.folder / "trained.json"
    if not done.exists():
        if out.exists():  # it ended, and nobody wrote down how long it had taken
            shutil.rmtree(out)
            (job.folder / "spent_s.json").unlink(missing_ok=True)
        seconds, peak_mb = timed(job, train_command(job, ingest, params_path, f"{job.place}/train"))
        patches = passes * patches_of_pass(job)
        trained = Trained(seconds, passes, passes_planned, patches, peak_mb)
        done.write_text(json.dumps(asdict(trained)))
    command = stage_command(
        job,
        "evaluate",
        params_path,
        data="data",
        dataset=f"{ingest}/dataset.json",
        split=SPLIT,
        train=f"{job.place}/train/train.json",
        weights=f"{job.place}/train/weights.safetensors",
        members="members",
        openings=f"{job.place}/openings.jsonl",
        out=f"{job.place}/evaluate",
        metrics=f"{job.place}/metrics",
    )
    subprocess.run(command, check=True)
    return Trained(**json.loads(done.read_text())), job.folder / "evaluate/predictions"


def ending(paths: Sequence[str]) -> str:
    """That of the names of all files, as nnU-Net wants one.

    Raises:
        StageError: they have several.
    """
    endings = {".nii.gz" if path.endswith(".nii.gz") else Path(path).suffix for path in paths}
    if len(endings) != 1:
        raise StageError("nnU-Net takes files of one ending", [f"found {', '.join(sorted(endings))}"])
    return endings.pop()


def link(target: Path, source: Path) -> str:
    """A link to a file, made anew; its path."""
    target.unlink(missing_ok=True)
    target.symlink_to(source.absolute())
    return str(target.absolute())


def write_raw(job: Job) -> dict[str, list[str]]:
    """The raw data of the train part, as nnU-Net wants them; the files of each test case, by channel."""
    raw, data = job.folder / "raw" / RAW, job.study.path("data")
    for name in ("imagesTr", "labelsTr", "imagesTs"):
        (raw / name).mkdir(parents=True, exist_ok=True)
    dataset = job.dataset
    suffix = ending([source.path for case in dataset.cases for source in case.sources])
    images: dict[str, list[str]] = {}
    for part, folder in (("train", "imagesTr"), ("test", "imagesTs")):
        for case in job.of_part(part):
            links = [
                link(raw / folder / f"{case.case_id}_{number:04d}{suffix}", data / source.path)
                for number, source in enumerate(case.images)
            ]
            if part == "test":
                images[case.case_id] = links
            else:
                link(raw / "labelsTr" / f"{case.case_id}{suffix}", data / case.label_map.path)
    declared = channels.of_dataset(dataset.dataset)
    names = [channel.name or dataset.dataset.modality or "image" for channel in declared]
    description = {
        "channel_names": {str(number): name for number, name in enumerate(names)},
        "labels": {name: int(value) for value, name in dataset.dataset.labels.items()},
        "numTraining": len(job.of_part("train")),
        "file_ending": suffix,
    }
    (raw / "dataset.json").write_text(json.dumps(description))
    return images


def run_nnunet(job: Job) -> tuple[Trained, Path]:
    """The arm 'nnunet': the training, and the folder of the predictions of the test part."""
    python = nnunet.install()
    images = write_raw(job)
    configuration = "2d" if parts.are_pictures(job.dataset) else "3d_fullres"
    for name in ("preprocessed", "results"):
        shutil.rmtree(job.folder / name, ignore_errors=True)
    nnunet.plan_and_preprocess(job.folder, RAW, configuration)
    settings = {
        "dataset": RAW,
        "configuration": configuration,
        "fold": "all",  # of the raw data, which are the train part
        "seed": 0,
        "seconds": 60 * job.minutes,
        "threads": params.load(job.study.path("params"), "train")["threads"],
        "images": images,
    }
    report, predictions = nnunet.train_nnunet(python, job.folder, settings)
    passes = report["patches"] / len(job.of_part("train"))
    return Trained(report["seconds"], passes, None, report["patches"], report["peak_mb"]), predictions


def machine() -> str:
    """Processor, cores that this process may use, and whether they have bf16."""
    text = Path("/proc/cpuinfo").read_text()
    name = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    bf16 = "with" if re.search(r"\b(avx512_bf16|amx_bf16)\b", text) else "without"
    cores = len(os.sched_getaffinity(0))
    return f"{name[1] if name else 'unknown'} {bf16} bf16, {cores} cores"


def case_rows(job: Job, predictions: Path) -> list[dict]:
    """Mean Dice of each test case over the labels.

    Raises:
        StageError: a case has no prediction.
    """
    entries = [case.record() for case in job.of_part("test")]
    labels = dict(job.dataset.dataset.labels)
    found = nnunet.rows_of(entries, predictions, labels, job.arm, job.study.path("data"))
    missing = {entry["case_id"] for entry in entries} - {row["case_id"] for row in found}
    if missing:
        raise StageError(f"planning: {job.arm}: {len(missing)} cases have no prediction", sorted(missing))
    return [
        {
            "study": job.study.folder.resolve().name,
            "arm": job.arm,
            "case_id": row["case_id"],
            "subject_id": row["subject_id"],
            "dice_mean": crossval.of_case(row, "dice"),
        }
        for row in found
    ]


def arm_row(job: Job, trained: Trained, cases: list[dict]) -> dict:
    """The arm, with its mean Dice over test cases and labels and the interval over subjects."""
    summary = intervals.summary(
        {row["case_id"]: row["dice_mean"] for row in cases},
        {row["case_id"]: row["subject_id"] for row in cases},
    )
    return {
        "study": job.study.folder.resolve().name,
        "arm": job.arm,
        "minutes_asked": job.minutes,
        "minutes": round(trained.seconds / 60, 2),
        "passes": round(trained.passes, 1),
        "passes_planned": trained.passes_planned,
        "patches": trained.patches,
        "peak_mb": round(trained.peak_mb),
        "cases": summary["n_cases"],
        "subjects": summary["n_subjects"],
        "dice": summary["mean"],
        "ci95_low": summary["ci95_low"],
        "ci95_high": summary["ci95_high"],
        "machine": machine(),
        "inputs_sha256": job.digest,
    }


def read(path: Path) -> list[dict]:
    """Rows of a file, as texts but for Dice; [] where it is not there yet."""
    if not path.exists():
        return []
    with open(path, newline="") as file:
        rows: list[dict] = list(csv.DictReader(file))
    for row in rows:
        if "dice_mean" in row:
            row["dice_mean"] = float(row["dice_mean"]) if row["dice_mean"] else None
    return rows


def replaced(rows: list[dict], new: list[dict]) -> list[dict]:
    """Rows with those of an arm of a study in the place of the ones that were there of it."""
    [(study, arm)] = {(row["study"], row["arm"]) for row in new}
    kept = [row for row in rows if (row["study"], row["arm"]) != (study, arm)]
    return sorted(
        [*kept, *new], key=lambda row: (row["study"], ARMS.index(row["arm"]), row.get("case_id", ""))
    )


def faults(study: Study) -> list[str]:
    """Why a study cannot be compared."""
    path = study.path("params")
    missing = [name for name in (DATASET, SPLIT) if not (study.folder / name).is_file()]
    said = [f"{study.place}/{name} is missing; run 'dvc repro split' there" for name in missing]
    if written.MARK in path.read_text("utf-8"):
        said.append(f"{study.place}/params.yaml was planned; expected that of 'new'")
    return said


def run(args) -> None:
    """Runs the arms that have no row of these inputs yet."""
    study = studies.at(args.study.rstrip("/"))
    if said := faults(study):
        raise StageError("planning: nothing was run", said)
    for arm in args.arm or ARMS:
        job = Job(study, arm, args.minutes, args.gflops)
        if any(row["inputs_sha256"] == job.digest for row in read(ROWS)):
            log(f"planning: {study.place}: {arm}: its row is there")
            continue
        trained, predictions = run_nnunet(job) if arm == "nnunet" else run_ours(job)
        cases = case_rows(job, predictions)
        row = arm_row(job, trained, cases)
        crossval.write(CASES, replaced(read(CASES), cases))
        crossval.write(ROWS, replaced(read(ROWS), [row]))  # last: it says that the arm is done
        log(f"planning: {study.place}: {arm}: {row['minutes']} minutes, mean Dice {row['dice']:.4f}")


def table(rows: list[dict], cases: list[dict]) -> str:
    """Every arm, and what 'planned' is above it case by case, as Markdown."""
    lines = [
        "| study | parameters | minutes | passes | patches | peak memory, MB | cases | Dice, mean | "
        "planned minus it |",
        "|---" * 9 + "|",
    ]
    by_arm: dict[tuple[str, str], list[dict]] = {}
    for row in cases:
        by_arm.setdefault((row["study"], row["arm"]), []).append(row)
    for row in rows:
        own, planned = by_arm[row["study"], row["arm"]], by_arm.get((row["study"], "planned"))
        of_case = {case["case_id"]: case["dice_mean"] for case in own}
        dice = crossval.interval(of_case, {case["case_id"]: case["subject_id"] for case in own})
        above = crossval.difference(own, planned) if planned and row["arm"] != "planned" else ""
        passes = row["passes"]
        if row["passes_planned"]:
            passes += f" of {row['passes_planned']}"
        lines.append(
            f"| {row['study']} | {row['arm']} | {float(row['minutes']):.1f} | {passes} | "
            f"{int(row['patches']):,} | {row['peak_mb']} | {row['cases']} | {dice} | {above} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.planning", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("run", help=run.__doc__)
    command.add_argument("study", help="its folder, studies/NAME")
    command.add_argument("--minutes", type=float, default=20, help="of training; default: %(default)g")
    command.add_argument(
        "--arm", action="append", choices=ARMS, help="an arm; again for another; default: all"
    )
    command.add_argument("--gflops", type=float, help="that the plan reckons with, as 'plan --gflops'")
    command.set_defaults(function=run)
    command = commands.add_parser("table", help=table.__doc__)
    command.set_defaults(function=lambda args: print(table(read(ROWS), read(CASES))))
    args = parser.parse_args()
    try:
        args.function(args)
    except StageError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    sys.exit(main())
