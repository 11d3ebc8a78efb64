"""monitor: whether new cases look like those that the model was evaluated on."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from radiotrace import records
from radiotrace.commands import of_task, tables
from radiotrace.errors import StageError, listed, log
from radiotrace.imaging import channels
from radiotrace.imaging.channels import Channel
from radiotrace.records import model_run

if TYPE_CHECKING:
    from radiotrace.imaging.image import Image
    from radiotrace.imaging.new_images import NewCase

TASK = "segmentation"  # whose features of images and label maps are compared
CLASSES = "classification"  # of which those of pictures are, and of what is told of them (monitor_classes.py)
SEED = 0
# 1 and 2 are faults of input and of the command line
STATUS = {"ok": 0, "watch": 0, "alarm": 3, "insufficient_n": 4}
ACTIONS = {
    "ok": "No shift was found among so many subjects. A smaller one may be there.",
    "watch": "Something has shifted, or chance has. Look at the rows above, and report again when there are "
    "more cases.",
    "alarm": "These cases differ from those that the model was evaluated on: its figures need not hold here. "
    "Find out why (scanner, protocol, "
    "patients, a conversion on the way) and check predictions against label maps drawn by hand "
    "before they are used.",
    "insufficient_n": "Too few subjects for any test. Report again when there are more cases.",
}


def monitor(args) -> int:
    """Compares new cases with the model's reference.

    Exit status: 0 ok or watch, 3 alarm, 4 too few cases; 1 and 2 faults.
    """
    task = of_task.of_study(args.study)
    if task is not None and task.code not in (TASK, CLASSES):
        raise of_task.unknown("monitor", task, f"it compares what {TASK} sees in images and in label maps")
    # here, because the other commands need neither scipy nor torch
    from radiotrace.commands import monitor_classes
    from radiotrace.statistics import monitoring

    reference = records.read(args.reference, "reference")
    if task is not None and task.code == CLASSES:
        cases, hashes = monitor_classes.observed(args, reference["weights_sha256"], _subjects)
    else:
        cases, hashes = _observed(args, reference)
    report = monitoring.report(reference, cases, hashes, SEED)
    print(text(report))
    if reference["flagging"]:
        feature, limit = reference["flagging"]["feature"], reference["flagging"]["above"]
        flagged = [
            case["case_id"]
            for case in cases
            if (records.canonical(case["features"]["output"][feature]) or 0) > limit
        ]
        print(
            f"{len(flagged)} of {len(cases)} cases go to an expert ({feature} above {limit:.4g})"
            + "".join(f"\n  {case_id}" for case_id in listed(flagged))
        )
    if args.out:
        records.write(args.out, report, "monitoring")
    return STATUS[report["level"]]


def _observed(args, reference: dict) -> tuple[list[dict], list[str]]:
    """Each new image, as monitoring.report takes it, and the SHA-256 of their files.

    Raises:
        StageError: the reference is of another model, or images are no good.
    """
    from radiotrace.inference import windows
    from radiotrace.learning import embedding, numerics, trained
    from radiotrace.segmentation import features

    train = model_run.read(args.train)
    if reference["weights_sha256"] != train.weights_sha256:
        raise StageError(
            f"{args.reference} is not of the model of {args.train}",
            [f"SHA-256 of the weights: found {reference['weights_sha256']}, expected {train.weights_sha256}"],
            "Name the reference that was written with this model.",
        )
    if not Path(args.weights).is_file():
        raise StageError(
            f"{args.weights} is missing",
            way_out="Run 'dvc pull' for the submitted run, or name the weights by --weights.",
        )
    threads = train.params.threads
    model = trained.TrainedModel.of(train, args.weights)
    declared = declared_channels(args.channels, model.recipe.channels)
    listed_cases, subject_of, hash_of = inputs(args.new_cases, args.subjects, declared)
    network = trained.ready(model, threads, numerics.configure(model.numerics, threads))
    cases = []
    for number, case in enumerate(listed_cases, 1):
        image = _unchanged(case, declared, hash_of)
        with embedding.watch(network, model.network) as embedded:
            label_map, logits = windows.segment(image, network, model.recipe)
        cases.append(
            {
                "case_id": case.case_id,
                "subject_id": subject_of.get(case.case_id),
                "embedding": embedded(),
                "features": features.describe(
                    image, label_map, logits, model.labels, model.recipe.orientation
                ),
            }
        )
        if number % 10 == 0 or number == len(listed_cases):
            log(f"monitor: {number}/{len(listed_cases)} cases")
    return cases, sorted(hash_of.values())


def declared_channels(said: str | None, expected: Sequence[Channel]) -> list[Channel]:
    """The channels of new cases: those that were named, of the model's own where it has one.

    Names of files say a channel's number alone, so that a model of several asks what each of them is.

    Raises:
        StageError: they are not the model's, in its order.
    """
    if said is None and len(expected) == 1:
        return [channels.named(None)]
    found = [channels.named(name.strip()) for name in (said or "").split(",") if name.strip()]
    if wrong := channels.unlike(found, expected):
        raise StageError(
            "the new cases have other channels than the model takes",
            wrong,
            "Name what the files _0000, _0001, … of each case are, in the model's order: --channels "
            + ",".join(channel.name or "NAME" for channel in expected),
        )
    return found


def options(parser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "new_cases",
        metavar="NEW_CASES",
        nargs="+",
        help="images, or folders of images: .nii.gz, .nii, .nrrd, .mha; CASE_0000, CASE_0001, … where the "
        "model takes several channels; of a study of classes also pictures (.png, .jpg, .tif)",
    )
    parser.add_argument(
        "--channels",
        metavar="NAMES",
        help="what _0000, _0001, … are, such as T2,ADC; asked for where the model takes several channels",
    )
    parser.add_argument("--reference", required=True, help="record that was written with the model")
    parser.add_argument(
        "--train", default="build/train/train.json", help="record of the training run; default: %(default)s"
    )
    parser.add_argument(
        "--weights", default="build/train/weights.safetensors", help="trained weights; default: %(default)s"
    )
    parser.add_argument(
        "--metrics",
        default="metrics/metrics.json",
        help="record of metrics, which has the calibration of a classifier; default: %(default)s",
    )
    parser.add_argument(
        "--subjects",
        help="CSV file with case_id (the name without ending) and subject_id; else each case is a subject",
    )
    parser.add_argument("--out", help="file to write the record 'monitoring' to; it names no case")


def inputs(
    named: list[str], table: str | None, declared: Sequence[Channel]
) -> tuple[list["NewCase"], dict[str, str], dict[Path, str]]:
    """What the command was given, after a look at all of it.

    Args:
        named: images and folders of images.
        table: CSV file such as data/cases.csv, or None.
        declared: the channels of each case.

    Returns:
        The cases, sorted by name; case_id -> subject_id, {} without a table; path -> SHA-256 of the file.

    Raises:
        StageError: a path or an image is no good, or the table is not, or it lacks a case; every fault.
    """
    from radiotrace.imaging import new_images

    cases, faults = new_images.listed(named, len(declared))
    subject_of = _subjects(table, [case.case_id for case in cases], faults) if table else {}
    hash_of: dict[Path, str] = {}
    first_with: dict[str, Path] = {}
    for case in cases:
        if len(case.paths) != len(declared):
            continue  # which is a fault already
        try:
            read = new_images.read(case, declared)
        except new_images.Unfit as unfit:
            faults += unfit.findings
            continue
        for warning in read.warnings:
            log(f"monitor: {warning}")
        for path, sha256 in zip(case.paths, read.sha256, strict=True):
            hash_of[path] = sha256
            if (first := first_with.setdefault(sha256, path)) != path:
                faults.append(f"{path}: the same bytes as {first}")
    if faults:
        raise StageError(f"{len(faults)} faults in NEW_CASES", faults, "Correct them, or leave them out.")
    return cases, subject_of, hash_of


def _unchanged(case: "NewCase", declared: Sequence[Channel], hash_of: dict[Path, str]) -> "Image":
    """The image of a case that was looked at before.

    Raises:
        StageError: a file of it has changed since.
    """
    from radiotrace.imaging import new_images

    try:
        read = new_images.read(case, declared)
        changed = [
            f"{path}: SHA-256 found {found}, expected {hash_of[path]}"
            for path, found in zip(case.paths, read.sha256, strict=True)
            if found != hash_of[path]
        ]
    except new_images.Unfit as unfit:
        changed = unfit.findings
    if changed:
        raise StageError("files changed while they were read", changed, "Run it again.")
    return read.image


def _subjects(name: str, case_ids: Sequence[str], faults: list[str]) -> dict[str, str]:
    from radiotrace.imaging import checks, tables

    try:
        table = tables.read(Path(name).read_bytes(), name, faults)
    except OSError as error:
        faults.append(f"{name}: {error.strerror}")
        return {}
    if table is None:
        return {}
    faults += [
        f"{name}: no subject_id of {case_id}" for case_id in case_ids if case_id not in table.subject_of
    ]
    spellings: dict[tuple, set[str]] = {}
    for case_id in case_ids:
        if subject_id := table.subject_of.get(case_id):
            spellings.setdefault(checks.subject_key(subject_id), set()).add(subject_id)
    faults += [
        f"{name}: one subject in {len(several)} spellings: {', '.join(map(repr, sorted(several)))}"
        for several in spellings.values()
        if len(several) > 1
    ]
    return table.subject_of


def text(report: dict) -> str:
    """A report for people."""
    rows: list[tuple[str, ...]] = [
        (
            "feature",
            "reference",
            "n",
            "new",
            "95 % interval",
            "n",
            "PSI",
            "by chance",
            "KS",
            "p adjusted",
            "level",
        )
    ]
    notes = []
    for name, row in [*report["input"].items(), *report["output"].items()]:
        old, new = row["reference"], row["new"]
        rows.append(
            (
                name,
                tables.number(old["median"]),
                str(old["n"]),
                tables.number(new["median"]),
                _interval(new),
                str(new["n"]),
                *(tables.number(row[key], 3) for key in ("psi", "psi_expected", "ks")),
                tables.number(row["p_adjusted"], 2),
                row["level"],
            )
        )
        if new["n_undefined"]:
            notes.append(
                f"{name} is undefined in {new['n_undefined']} subjects; in the reference, in "
                f"{old['n_undefined']}"
            )
    if report["subjects_known"]:
        subjects, unless = f"{report['n_subjects']} subjects", ""
    else:
        subjects = "as many subjects, for all that is known"
        unless = ", unless a subject has several cases: then name it by --subjects"
    rates = {level: _percent(limit["rate"]) for level, limit in report["limits"].items()}
    run = report["run_id"][:12]
    return "\n".join(
        [
            f"{report['n_cases']} cases of {subjects}, held against the medians of run {run}",
            "",
            tables.aligned(rows),
            "",
            tables.aligned(_wholes(report)),
            *notes,
            "",
            textwrap.fill(f"{report['level']}: {ACTIONS[report['level']]}", 120),
            f"Where nothing has shifted, at most {rates['alarm']} of reports end in alarm, "
            f"{rates['watch']} in watch or alarm{unless}.",
        ]
    )


def _wholes(report: dict) -> list[tuple[str, str, str, str]]:
    """Rows of the embedding and, where there is a limit, of the flagged share: neither is a feature."""
    row = report["embedding"]
    rows = [
        (
            "embedding",
            f"MMD² {tables.number(row['mmd2'], 3)}, {row['n_new']} against {row['n_reference']}",
            f"p adjusted {tables.number(row['p_adjusted'], 2)}",
            row["level"],
        )
    ]
    if row := report["flagged"]:
        sides = [
            f"{side['flagged']} of {side['n']} ({_percent(side['share'])}, {_percent(side['ci95_low'])} "
            f"to {_percent(side['ci95_high'])})"
            for side in (row["new"], row["reference"])
        ]
        rows.append(
            (
                "flagged",
                " against ".join(sides),
                f"p adjusted {tables.number(row['p_adjusted'], 2)}",
                row["level"],
            )
        )
    return rows


def _interval(middle: dict) -> str:
    if middle["ci95_low"] is None:
        return "undefined"
    return f"{middle['ci95_low']:.4g} to {middle['ci95_high']:.4g}"


def _percent(share: float | None) -> str:
    return "undefined" if share is None else f"{100 * share:.3g} %"
