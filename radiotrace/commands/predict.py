"""predict: label maps, volumes and how sure they are, of new images, by a released model. Needs no torch.

Which task a model is of, its own folder says: one that tells classes goes to predict_classes.py.

Exit status: 0 there is a prediction of every image; 1 there is not, and why was said; 2 the command line.
"""

import argparse
import dataclasses
import importlib.metadata
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from radiotrace import records
from radiotrace.commands import failures
from radiotrace.errors import StageError, listed, log, shown_short
from radiotrace.pipeline import parallel, pins
from radiotrace.pipeline.followed import followed
from radiotrace.records.prediction import (
    Contract,
    DicomObject,
    Input,
    OfDicom,
    PredictedBy,
    PredictedLabel,
    PredictedVariant,
    Prediction,
    Review,
    Written,
)

if TYPE_CHECKING:
    from radiotrace.imaging.dicom.incoming import JoinedSeries, Series
    from radiotrace.imaging.image import Image
    from radiotrace.imaging.new_images import NewCase
    from radiotrace.inference.released_model import Released

DICOM_ENDINGS = (".dcm", ".dicom", ".ima")  # of files that lack the mark
NOTICE = "Research software; not for diagnosis."
RESULT, LABEL_MAP, OVERVIEW, PAGE = "result.json", "label_map.nii.gz", "overview.png", "index.html"
SOFTWARE = ("numpy", "onnxruntime", "simpleitk")
OF_DICOM = ("highdicom", "pydicom")
FORCE = "--force predicts images that the model was not made for all the same, and says so in the result."


@dataclass(frozen=True)
class FromDicom:
    """Which series of DICOM are predicted, and how those of several channels come together.

    Attributes:
        modality: of the model, that series have; None takes any.
        channels: that the model takes.
        series: name of a channel -> SeriesInstanceUID, of those that a person named.
        grid: the channel onto whose grid the others are brought; None where nobody said.
    """

    modality: str | None
    channels: tuple
    series: Mapping[str, str]
    grid: str | None


@dataclass(frozen=True)
class Job:
    """What is asked of each case.

    Attributes:
        modality: that a person named; None where nobody did.
        version: of this software.
    """

    model: "Released"
    out: Path
    channels: tuple
    modality: str | None
    is_forced: bool
    version: str


@dataclass(frozen=True)
class Outcome:
    """What became of a case: a prediction, or why there is none.

    Attributes:
        is_refused: the model was not made for it.
    """

    case_id: str
    faults: tuple[str, ...] = ()
    is_new: bool = False
    is_refused: bool = False


def predict(args) -> int:
    """Label maps and volumes of new images or series of DICOM, or classes of new pictures, and how sure they
    are, by a released model."""
    # here, because the other commands need neither images nor numpy
    from radiotrace.classification import released_classifier
    from radiotrace.commands import predict_classes
    from radiotrace.commands.monitor import declared_channels
    from radiotrace.imaging import channels, new_images
    from radiotrace.inference import released_model, released_variant, self_test

    _check_environment("imaging", "inference")
    if released_classifier.is_there(Path(args.model)):
        return predict_classes.predict(args, _unpacked)
    model = released_model.opened(Path(args.model))
    if args.self_test and args.variant is not None:
        raise StageError("--self-test tries the released network, and no variant of it")
    if args.self_test:
        self_test.tried(model)
        return 0
    if args.variant is not None:
        variants = Path(args.variants) if args.variants else model.folder.parent / "optimize"
        variant = released_variant.opened(
            variants, args.variant, model.folder, model.record.run_id, model.record.sha256
        )
        model = dataclasses.replace(model, variant=variant)
    expected = model.recipe.channels
    has_files = not args.inputs or not all(_holds_only_dicom(Path(name)) for name in args.inputs)
    if args.channels is None and (len(expected) == 1 or not has_files):
        declared = [channels.named(channel.name) for channel in expected]
    else:
        declared = declared_channels(args.channels, expected)
    if not args.inputs or args.out is None:
        raise StageError(
            "nothing was predicted",
            [
                said
                for said, missing in (("INPUT: none", not args.inputs), ("--out: none", args.out is None))
                if missing
            ],
            "Name images and a folder for what is made of them; or try the model with --self-test.",
        )
    spread = _spread(args.workers, model.record.params.threads)
    out = Path(args.out)
    faults = [f"--out: {out} is a file"] if out.exists() and not out.is_dir() else []
    faults += [
        f"--out: {out} lies in {name}, whose images are predicted"
        for name in args.inputs
        if Path(name).is_dir() and out.resolve().is_relative_to(Path(name).resolve())
    ]
    from_dicom = FromDicom(
        modality=None if args.force else model.record.modality,
        channels=expected,
        series=_named_series(args, expected, faults),
        grid=args.grid,
    )
    if out.resolve().is_relative_to(model.folder.resolve()):
        faults.append(f"--out: {out} lies in the folder of the model")
    with ExitStack() as stack:
        named = [_unpacked(Path(name), stack, faults) for name in args.inputs]
        paths = [path for path in named if path]
        cases, without, notes = _listed(paths, from_dicom, faults)
        if faults:
            raise StageError("nothing was predicted", faults, "Correct this, or leave it out.")
        for note in notes:
            log(f"predict: {note}")
        version = _version()
        modality = new_images.modality_of_dicom(args.modality)
        job = Job(model, out, tuple(declared), modality, args.force, version)
        with parallel.pool(spread, model.record.params.threads) as each:
            work = followed(each(predicted, cases, job=job), len(cases), "predict")
            outcomes = list(work)
    return _told(job, outcomes, without)


def _named_series(args, expected: Sequence, faults: list[str]) -> dict[str, str]:
    """Name of a channel -> SeriesInstanceUID, as --series has them; with a fault for each option of channels
    that does not fit the model."""
    names = [channel.name for channel in expected]
    if (args.series or args.grid) and len(expected) == 1:
        faults.append(
            "--series, --grid: the model takes one channel, expected several; name the folder of its series"
        )
        return {}
    if args.grid is not None and args.grid not in names:
        faults.append(f"--grid: found {shown_short(args.grid)}, expected one of {', '.join(map(str, names))}")
    of_channel: dict[str, str] = {}
    for text in args.series:
        name, _, uid = text.partition("=")
        if name not in names or not re.fullmatch(r"[0-9][0-9.]{0,63}", uid):
            faults.append(
                f"--series: found {shown_short(text)}, expected CHANNEL=UID with a channel of "
                f"{', '.join(map(str, names))}"
            )
        elif name in of_channel or uid in of_channel.values():
            faults.append(f"--series: {shown_short(text)}: the channel or the series stands twice")
        else:
            of_channel[name] = uid
    return of_channel


def _holds_only_dicom(path: Path) -> bool:
    """Whether something that was named is DICOM, and has no other images beside; archives are not looked
    into."""
    from radiotrace.imaging import new_images

    if not path.is_dir():
        return _is_dicom(path)
    files = [one for one in path.rglob("*") if one.is_file()]
    return any(map(_is_dicom, files)) and not any(new_images.FORMATS.search(one.name) for one in files)


def _spread(workers: str | None, threads: int) -> argparse.Namespace:
    """How the cases are spread, as parallel.pool takes it, with no more workers than there are cores.

    Args:
        workers: that a person asked for, or else RADIOTRACE_WORKERS.
        threads: that one case keeps busy.

    Raises:
        StageError: as parallel.settings, before any image is read.
    """
    cores = str(len(os.sched_getaffinity(0)))
    asked = workers if workers is not None else os.environ.get("RADIOTRACE_WORKERS") or ""
    # by its length first: Python does not read a number of thousands of digits
    is_more = len(asked) > len(cores) or (len(asked) == len(cores) and asked > cores)
    if re.fullmatch("[1-9][0-9]*", asked) and is_more:
        log(f"predict: workers: found {asked[:20]}, taken {cores}: there are no more cores")
        workers = cores
    # threads: the runtime and the image library compute without Python, and each has a child that decodes
    spread = argparse.Namespace(workers=workers, backend="threading", scheduler=None)
    parallel.settings(spread, threads)
    return spread


def _check_environment(*wings: str) -> None:
    """Stops where an installed version differs from its pin. Unlike stage.check_environment it looks at these
    files alone, and not at all that they stand on: predicting needs less than the stages do.

    Raises:
        StageError: names every package that is missing or of another version.
    """
    drift = []
    for wing in wings:
        file = pins.home() / f"requirements/{wing}.txt"
        for pin in pins.of(file) if file.is_file() else []:  # a wheel has none of them
            try:
                found = importlib.metadata.version(pin.name)
            except importlib.metadata.PackageNotFoundError:
                found = "nothing"
            if found == "nothing" or not pin.specifier.contains(found, prereleases=True):
                drift.append(f"{pin.name}: found {found}, pinned {pin.specifier} in {file.name}")
    if drift:
        raise StageError(
            f"{len(drift)} packages differ from their pins",
            drift,
            "pip install -r requirements/predict.in brings what predicting needs; 'make install' brings all.",
        )


def _version() -> str:
    """Of this software, as the command line says it."""
    from radiotrace.__main__ import version

    return version()


def _unpacked(path: Path, stack: ExitStack, faults: list[str]) -> Path | None:
    """A path that was named; of an archive, the folder that it was unpacked to for as long as this runs."""
    from radiotrace.imaging import archives

    if not path.is_file() or not archives.is_archive(path):
        return path
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="radiotrace-"))) / path.stem
    try:
        archives.unpack(path, folder)
    except archives.Refused as refused:
        faults.append(f"{path}: {refused}")
        return None
    return folder


def _listed(
    named: Sequence[Path], from_dicom: FromDicom, faults: list[str]
) -> tuple[list["NewCase | Series | JoinedSeries"], dict[str, list[str]], list[str]]:
    """What is to be predicted, sorted; cases that cannot be, with their faults; and what was passed over.

    Args:
        faults: of the command line are added to it.
    """
    from radiotrace.imaging import new_images

    trees: dict[Path, list[str] | None] = {}  # folder -> names of files in it; None: all that is below
    for path in named:
        if path.is_dir() and any(_is_dicom(one) for one in path.rglob("*")):
            trees[path] = None
        elif _is_dicom(path):
            names = trees.setdefault(path.parent, [])
            if names is not None:
                names.append(path.name)
    # a folder may hold both
    others = [str(path) for path in named if path.is_dir() or not _is_dicom(path)]
    images, wrong = new_images.listed(others, len(from_dicom.channels), _is_dicom)
    faults += wrong
    cases: list[NewCase | Series | JoinedSeries] = list(images)
    without: dict[str, list[str]] = {}
    notes: list[str] = []
    if trees and not faults:
        series, without, notes = _series(trees, from_dicom)
        cases += series
    if not cases and not without and not faults:
        faults.append("INPUT: 0 images")
    return sorted(cases, key=lambda case: case.case_id), without, notes


def _is_dicom(path: Path) -> bool:
    """Whether a file is one of DICOM, as far as its first bytes or its name say so."""
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        beginning = file.read(132)
    return beginning[128:] == b"DICM" or path.suffix.lower() in DICOM_ENDINGS


def _series(
    trees: Mapping[Path, list[str] | None], from_dicom: FromDicom
) -> tuple[list, dict[str, list[str]], list[str]]:
    """Series of DICOM, as incoming.series_below has them; of several channels, as joined_below."""
    from radiotrace.imaging.child import Child, Limits
    from radiotrace.imaging.dicom import incoming

    _check_environment("dicom")
    series, without, notes = [], {}, []
    limits = Limits()
    with Child(limits, incoming.ready) as child:
        for tree, names in trees.items():
            if len(from_dicom.channels) > 1:
                rules = incoming.rules_of(from_dicom.channels, from_dicom.series)
                below = incoming.joined_below(tree, names, rules, from_dicom.grid, child, limits)
            else:
                below = incoming.series_below(tree, names, from_dicom.modality, child, limits)
            series += [*below.series, *below.joined]
            without |= below.faults
            notes += [f"{tree}: {note}" for note in below.notes]
            notes += [
                f"{one.case_id}: {one.tree.name}/{one.paths[0]} and {len(one.paths) - 1} files more"
                for one in below.series
            ]
            notes += [
                f"{case.case_id}: {channel.name} of {one.tree.name}/{one.paths[0]} and {len(one.paths) - 1} "
                "files more"
                for case in below.joined
                for channel, one in zip(from_dicom.channels, case.series, strict=True)
            ]
            if not below.series and not below.joined and not below.faults:
                without[str(tree)] = [f"{tree}: 0 series of images that the model takes"]
    return series, without, notes


def predicted(case: "NewCase | Series | JoinedSeries", job: Job) -> Outcome:
    """Predicts a case, or says why not; runs in a thread of its own where there are several cases."""
    from radiotrace.imaging.child import Refused
    from radiotrace.imaging.content import VolumeError
    from radiotrace.imaging.new_images import NewCase, Unfit

    try:
        result = _of_image(case, job) if isinstance(case, NewCase) else _of_dicom(case, job)
    except Unfit as unfit:
        return Outcome(case.case_id, tuple(unfit.findings))
    except StageError as error:
        return Outcome(case.case_id, (error.headline, *error.findings))
    except (Refused, VolumeError, ValueError) as error:
        return Outcome(case.case_id, (f"{case.case_id}: {shown_short(str(error))}",))
    except MemoryError:
        return Outcome(case.case_id, (f"{case.case_id}: takes more memory than there is",))
    except OSError as error:
        return Outcome(case.case_id, (f"{case.case_id}: {failures.of_files(error)}",))
    return result


def _of_image(case: "NewCase", job: Job) -> Outcome:
    from radiotrace.imaging import new_images

    read = new_images.read(case, job.channels)
    inputs = tuple(
        Input(channel.name, sha256, 1) for channel, sha256 in zip(job.channels, read.sha256, strict=True)
    )
    if _is_done(case.case_id, inputs, job):
        return Outcome(case.case_id)
    return _write(case.case_id, read.image, inputs, job.modality, read.warnings, None, job)


def _of_dicom(case: "Series | JoinedSeries", job: Job) -> Outcome:
    from radiotrace.imaging import new_images
    from radiotrace.imaging.child import lasting
    from radiotrace.imaging.dicom import incoming

    of_channels = case.series if isinstance(case, incoming.JoinedSeries) else (case,)
    inputs = tuple(
        Input(channel.name, one.sha256, len(one.instances))
        for channel, one in zip(job.channels, of_channels, strict=True)
    )
    of_grid = case.of_grid if isinstance(case, incoming.JoinedSeries) else case
    if _is_done(case.case_id, inputs, job, of_grid.instances[0].series):
        return Outcome(case.case_id)
    limits = new_images.LIMITS
    child = lasting(limits, incoming.ready)
    if isinstance(case, incoming.JoinedSeries):
        image, warnings = incoming.joined_image(case, job.channels, child, limits)
        wrong = incoming.misfits(case, job.model.recipe.channels)
        # of the channels that the model takes, its record has one word for all
        modality = ", ".join(wrong) if wrong else job.model.record.modality
    else:
        image, warnings = incoming.image(case, job.channels[0], child, limits), []
        modality = new_images.modality_of_dicom(case.instances[0].modality)
    return _write(case.case_id, image, inputs, modality, warnings, case, job)


def _by(model: "Released") -> PredictedBy:
    variant = model.variant and PredictedVariant(
        model.variant.name, model.variant.files_sha256, model.variant.record_sha256
    )
    return PredictedBy(model.record.run_id, model.record.sha256, model.record_sha256, variant)


def _is_done(case_id: str, inputs: tuple[Input, ...], job: Job, series: str | None = None) -> bool:
    """Whether the prediction of these very files, by this very model, is there and whole.

    Args:
        series: UID of the one on whose grid it is; None of files.
    """
    folder = job.out / case_id
    if not (folder / RESULT).is_file():
        return False
    try:
        made = _result(folder)
        whole = all(records.sha256(folder / one.file) == one.sha256 for one in _files(made))
    except (StageError, OSError):
        return False
    of_dicom = SOFTWARE + (OF_DICOM if made.dicom else ())
    return (
        whole
        and made.inputs == inputs
        and made.model == _by(job.model)
        and (made.dicom.series_uid if made.dicom else None) == series
        and (job.modality is None or made.modality == job.modality)
        and (job.is_forced or not made.contract.faults)
        and dict(made.software) == _software(job, of_dicom)
    )


def _is_of(folder: Path, inputs: tuple[Input, ...], job: Job) -> bool:
    """Whether a folder has a result of these files by this model, whatever was asked for then."""
    try:
        made = _result(folder)
    except (StageError, OSError):
        return False
    return made.inputs == inputs and made.model == _by(job.model)


def _result(folder: Path) -> Prediction:
    """The record of a case.

    Raises:
        StageError: as records.read.
    """
    return Prediction.of(records.read(folder / RESULT, "predicted_image"))


def _files(made: Prediction) -> list:
    return [made.label_map, made.overview, *(made.dicom.objects if made.dicom else ())]


def _software(job: Job, names: Sequence[str]) -> dict[str, str]:
    variant = job.model.variant
    if variant is not None and variant.record.runtime == "OpenVINO":
        names = [*names, "openvino"]
    return {"radiotrace": job.version} | {name: importlib.metadata.version(name) for name in names}


def _write(
    case_id: str,
    image: "Image",
    inputs: tuple[Input, ...],
    modality: str | None,
    warnings: Sequence[str],
    series: "Series | JoinedSeries | None",
    job: Job,
) -> Outcome:
    """Predicts an image and writes all files of its case, the result last: without it a case is not done.

    Files of others in the folder stay.
    """
    import numpy as np

    from radiotrace.clinic import overview
    from radiotrace.imaging import volumes
    from radiotrace.inference import released_model, sliding
    from radiotrace.records.dataset import FileGrid

    model, folder = job.model.record, job.out / case_id
    faults, not_known = released_model.misfits(
        image.canonical(model.preprocessing.orientation, None), modality, model
    )
    if faults and not job.is_forced:
        if not _is_of(folder, inputs, job):
            _clear(folder)  # the result of an image that another one took the place of
        return Outcome(case_id, tuple(f"{case_id}: {fault}" for fault in faults), is_refused=True)
    _clear(folder)
    network = released_model.network(job.model)
    made = sliding.label(image, network, job.model.recipe)
    labels_zyx = volumes.array_zyx(made.label_map)
    voxel_mm3 = float(np.prod(image.grid.spacing_mm))
    counts = np.bincount(labels_zyx.ravel(), minlength=max(job.model.names) + 1)
    labels = tuple(
        PredictedLabel(value, name, int(counts[value]), float(counts[value] * voxel_mm3))
        for value, name in job.model.names.items()
    )
    above, loss = model.review_above, records.canonical(made.expected_dice_loss)
    review = Review(loss, above, None if above is None else loss > above)
    contract = Contract(tuple(faults), bool(faults), tuple(not_known))
    picture = overview.picture(
        image,
        labels_zyx,
        [
            overview.Row(
                label.value, label.name, label.volume_mm3, model.label_details[str(label.value)].colour
            )
            for label in labels
        ],
        _lines(case_id, job, review, contract),
    )
    volumes.write(made.label_map, folder / LABEL_MAP)
    records.write_bytes(folder / OVERVIEW, overview.png(picture))
    remarks = ["FORCED"] * contract.is_forced + ["FLAGGED FOR REVIEW"] * bool(review.is_flagged)
    of_dicom = None if series is None else _dicom(series, labels, labels_zyx, picture, remarks, job)
    result = Prediction(
        notice=NOTICE,
        case_id=case_id,
        model=_by(job.model),
        inputs=inputs,
        modality=modality,
        grid=FileGrid.of(image.grid.record()),
        contract=contract,
        labels=labels,
        review=review,
        label_map=Written(LABEL_MAP, records.sha256(folder / LABEL_MAP)),
        overview=Written(OVERVIEW, records.sha256(folder / OVERVIEW)),
        warnings=tuple(warnings),
        software=_software(job, SOFTWARE if series is None else SOFTWARE + OF_DICOM),
        dicom=of_dicom,
    )
    records.write(folder / RESULT, result.record(), "predicted_image")
    return Outcome(case_id, is_new=True)


def _clear(folder: Path) -> None:
    """Takes an earlier result away, first that which says that it is whole; what is not ours stays."""
    if not (folder / RESULT).is_file():
        return
    try:
        made = _result(folder)
        ours = [one.file for one in _files(made)]
    except StageError:
        ours = []
    for name in (RESULT, *ours):
        (folder / name).unlink(missing_ok=True)


def _lines(case_id: str, job: Job, review: Review, contract: Contract) -> list[str]:
    """What stands under the picture."""
    variant = f", {job.model.variant.name}" if job.model.variant else ""
    lines = [f"{case_id}, run {job.model.record.run_id[:12]}{variant}", f"!{NOTICE}"]
    if review.is_flagged:
        lines.append(f"!Flagged for review: expected Dice loss {review.expected_dice_loss:.3f}")
    if contract.is_forced:
        lines.append("!Forced: the model was not made for this image")
    return lines


def _dicom(
    case: "Series | JoinedSeries",
    labels: Sequence[PredictedLabel],
    labels_zyx,
    picture,
    remarks: list[str],
    job: Job,
) -> OfDicom:
    """Writes what is sent back to an archive, and says what it is."""
    from radiotrace.clinic import results
    from radiotrace.imaging import new_images
    from radiotrace.imaging.child import lasting
    from radiotrace.imaging.dicom.incoming import JoinedSeries

    is_joined = isinstance(case, JoinedSeries)
    series = case.of_grid if is_joined else case
    order = results.Order(
        series=series,
        segments=tuple(
            results.Segment(
                number,
                label.value,
                label.name,
                label.volume_mm3,
                job.model.record.label_details[str(label.value)],
            )
            for number, label in enumerate(labels, 1)
        ),
        labels_zyx=labels_zyx,
        picture=picture,
        run_id=job.model.record.run_id,
        model_sha256=job.model.network_sha256,
        version=job.version,
        remarks=tuple(remarks),
        further=case.further if is_joined else (),
    )
    made = lasting(new_images.LIMITS, results.ready).call(results.made, order)
    objects = []
    for one in made.objects:
        file = f"{one.kind}.dcm"
        records.write_bytes(job.out / case.case_id / file, one.content)
        sha256 = records.sha256(job.out / case.case_id / file)
        objects.append(DicomObject(one.kind, file, sha256, one.sop_instance_uid))
    first = series.instances[0]
    of_channels = None
    if is_joined:
        of_channels = {
            str(channel.name): one.instances[0].series
            for channel, one in zip(job.channels, case.series, strict=True)
        }
    return OfDicom(first.study, first.series, tuple(objects), made.supplied, of_channels)


def _told(job: Job, outcomes: Sequence[Outcome], without: dict[str, list[str]]) -> int:
    """Writes the page, says what came of it all, and gives the exit status."""
    from radiotrace.clinic import page

    faults = without | {one.case_id: list(one.faults) for one in outcomes if one.faults}
    done = sorted(one.case_id for one in outcomes if not one.faults)
    predictions = _all_predictions(job)
    text = page.html(job.model.record, predictions, dict(sorted(faults.items())))
    records.write_bytes(job.out / PAGE, text.encode())
    new = sum(one.is_new for one in outcomes)
    flagged = [one.case_id for one in predictions if one.review.is_flagged and one.case_id in done]
    further = len(predictions) - len(done)
    print(
        f"{job.out / PAGE}: predictions: {new} new, {len(done) - new} from before"
        + (f"; {further} of other images" if further else "")
    )
    print(f"{len(flagged)} flagged for review" + "".join(f"\n  {name}" for name in listed(flagged)))
    if not faults:
        return 0
    ways_out = [FORCE] if any(one.is_refused for one in outcomes) else []
    if any(one.faults and not one.is_refused for one in outcomes) or without:
        ways_out.append("Correct them and run it again: what is done is not done again.")
    raise StageError(
        f"cases without a prediction: {len(faults)}",
        [line for lines in faults.values() for line in lines],
        " ".join(ways_out),
    )


def _all_predictions(job: Job) -> list[Prediction]:
    """What this model, in this variant, predicted into the folder, now or before."""
    found = []
    for path in sorted(job.out.rglob(RESULT)):
        try:
            made = _result(path.parent)
        except StageError:
            continue  # somebody else's
        if made.model == _by(job.model) and path.parent == job.out / made.case_id:
            found.append(made)
    return found


def options(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "model", metavar="MODEL", help="folder that the stage export wrote, such as build/export"
    )
    parser.add_argument(
        "inputs",
        metavar="INPUT",
        nargs="*",
        help="images (.nii.gz, .nii, .nrrd, .mha), DICOM files, folders of either, or a .zip of them; "
        "CASE_0000, CASE_0001, … where the model takes several channels; for a model that tells classes also "
        "pictures (.png, .jpg, .tif)",
    )
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        help="a folder for each case, or predictions.json of classes; and index.html",
    )
    parser.add_argument(
        "--self-test",
        action="store_true",
        help="predict nothing, but try whether the model labels the cases that came with it as it did before",
    )
    parser.add_argument(
        "--variant",
        metavar="NAME",
        help="another form of the network, of build/optimize, that predicts in its place",
    )
    parser.add_argument(
        "--variants", metavar="FOLDER", help="that the stage optimize wrote; default: optimize beside MODEL"
    )
    parser.add_argument(
        "--modality", metavar="NAME", help="what the images are, such as MRI; DICOM says it itself"
    )
    parser.add_argument("--channels", metavar="NAMES", help="what _0000, _0001, … are, such as T2,ADC")
    parser.add_argument(
        "--series",
        action="append",
        default=[],
        metavar="CHANNEL=UID",
        help="which series of DICOM is a channel, where modality and name do not say; once for each",
    )
    parser.add_argument(
        "--grid",
        metavar="CHANNEL",
        help="of DICOM, the channel onto whose grid the others are brought; asked for where grids differ",
    )
    parser.add_argument(
        "--force", action="store_true", help="predict images that the model was not made for, too, and say so"
    )
    parser.add_argument(
        "--workers",
        help="cases at a time, at most as many as there are cores; by default as many as these allow",
    )
