"""distil: makes smaller networks of the trained one, and teaches them what it knows.

Reads   build/ingest/dataset.json, build/ingest/volumes/, build/split/split.json, build/train/train.json and
        weights.safetensors
Writes  build/distil/: distilled.json, NAME/model.onnx for each network, provenance.json
Params  seed, distil.*; all else of training is that of the run
Stops   when training comes apart, as train does
The test part is not touched: optimize says what of this is as good as the released network.
"""

import argparse
import dataclasses
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from radiotrace.pipeline import stage

if __name__ == "__main__":
    stage.check_parameters(sys.argv)  # before torch, whose import takes seconds

from lightning_fabric import Fabric
from torch import nn

from radiotrace import errors, records
from radiotrace.inference import model_record, windows
from radiotrace.inference.recipe import Recipe
from radiotrace.learning import architecture, devices, fit, numerics, onnx_model, pruning, trained
from radiotrace.learning.cases import Cases
from radiotrace.pipeline import params, runs
from radiotrace.records import model_run
from radiotrace.records.dataset import Case, Dataset
from radiotrace.records.distilled import Distilled, Form, Start
from radiotrace.records.imported_run import ImportedRun
from radiotrace.records.network import NetworkSpec
from radiotrace.records.sections.segmentation.distil import DistilParams, FormName, Lesson
from radiotrace.records.split import Split
from radiotrace.records.train import Epoch, InEffect, LearntCases, TrainingRun
from radiotrace.records.typed import picked
from radiotrace.segmentation import augmentation, balance, dataset, learner, losses
from radiotrace.segmentation.learner import SegmentationLearner
from radiotrace.segmentation.taught import TaughtLearner

RECORD = "distilled.json"
STARTS: dict[FormName, Start] = {
    "pruned": "channels of the trained network",
    "sparse": "weights of the trained network",
    "distilled": "random weights",
    "narrow": "random weights",
}
TAUGHT: tuple[FormName, ...] = ("pruned", "distilled")
MADE_ELSEWHERE = "the model was made elsewhere, and how it learnt is not known here"


@dataclass(frozen=True)
class School:
    """What all forms share.

    Attributes:
        teacher: the trained network, in evaluation mode, on the device.
        recipe: of the run, without its offsets.
        cases: of the parts train and validation.
    """

    run: TrainingRun
    settings: DistilParams
    fabric: Fabric
    teacher: nn.Module
    recipe: Recipe
    cases: dict[str, Cases[dataset.Sample]]
    in_bf16: bool


@dataclass(frozen=True)
class Made:
    """A smaller network, and how it came about."""

    network: nn.Module
    spec: NetworkSpec
    history: list[dict]
    offsets: tuple[float, ...] | None


def lesson_of(name: FormName, settings: DistilParams) -> Lesson | None:
    """How a form learns; None where it does not."""
    return {"pruned": settings.pruned, "sparse": None}.get(name, settings.narrow)


def spec_of(name: FormName, school: School) -> NetworkSpec:
    """The network of a form."""
    spec, lesson = school.run.network, lesson_of(name, school.settings)
    if lesson is None:
        return spec
    features = pruning.narrower(spec.features, lesson.width)
    if name == "pruned":  # without channels of full resolution it finds no label, and hardly learns again
        features = (spec.features[0], *features[1:])
    return dataclasses.replace(spec, features=features)


def refused(name: FormName, school: School) -> str | None:
    """Why the trained network has no such form; None where it has."""
    spec = school.run.network
    broken = pruning.faults(spec) if name == "pruned" else []
    if lesson_of(name, school.settings) and spec_of(name, school).features == spec.features:
        broken = [*broken, f"a network with features {list(spec.features)} gets no narrower"]
    return "; ".join(broken or architecture.faults(spec_of(name, school))) or None


def begun(name: FormName, school: School) -> nn.Module:
    """The network of a form before it learns."""
    spec, start = spec_of(name, school), STARTS[name]
    if start == "channels of the trained network":
        return pruning.narrowed(school.teacher, school.run.network, spec.features)
    if start == "weights of the trained network":
        return pruning.sparse(school.teacher, school.settings.sparsity)
    return architecture.build(spec, school.settings.seed)


def learner_of(name: FormName, network: nn.Module, school: School) -> SegmentationLearner:
    """What learning.fit trains a form with."""
    run, labels = school.run.params, dict(school.run.labels)
    shared = {
        "network": network,
        "criterion": losses.build(picked(losses.Settings, run), len(labels)).to(school.fabric.device),
        "training": school.cases["train"],
        "validation": school.cases["validation"],
        "labels": labels,
        "variation": picked(augmentation.Settings, run.augmentation),
        "recipe": school.recipe,
        "device": school.fabric.device,
    }
    if name not in TAUGHT:
        return SegmentationLearner(**shared)
    return TaughtLearner(
        **shared,
        teacher=school.teacher,
        in_bf16=school.in_bf16,
        temperature=school.settings.temperature,
        teacher_weight=school.settings.teacher_weight,
    )


def made(name: FormName, school: School) -> Made:
    """A form, trained where it is, with offsets of its own.

    Raises:
        StageError: a number went wrong in training.
    """
    network, lesson, history = begun(name, school), lesson_of(name, school.settings), []
    if lesson is not None:
        settings = picked(
            fit.Settings,
            school.run.params,
            seed=school.settings.seed,
            epochs=lesson.epochs,
            patience_epochs=None,
            learning_rate=lesson.learning_rate,
            accumulate=1,
            samples_per_case=school.run.params.patches_per_case,
        )
        with tempfile.TemporaryDirectory() as folder:
            network, history = fit.fit(
                learner_of(name, network, school), settings, school.fabric, Path(folder)
            )
    network.eval()
    return Made(network, spec_of(name, school), history, offsets_of(network, school))


def offsets_of(network: nn.Module, school: School) -> tuple[float, ...] | None:
    """Offsets of the logits that balance volumes of this network, as train finds them for its own."""
    if not school.run.params.balance_volumes:
        return None
    found, _ = balance.offsets(
        (windows.predict(sample.image_czyx, network, school.recipe, school.fabric.device), sample.label_zyx)
        for sample in balance.among(school.cases["validation"], school.cases["train"])
    )
    return tuple(found)


def entries_of(dataset: Dataset, split: Split, part: str) -> list[Case]:
    """The entries of the record 'dataset' whose case is in a part of the split."""
    of_part = {case_id for case_id, entry in split.cases.items() if entry.part == part}
    return [case for case in dataset.cases if case.case_id in of_part]


def written(name: FormName, form: Made, school: School, out: Path) -> Form:
    """The form's file, below the folder of the stage, and its entry in the record."""
    given = onnx_model.with_offsets(form.network.cpu(), form.offsets)
    content = onnx_model.saying(
        onnx_model.export(
            given,
            school.recipe.multiple_zyx,
            school.settings.opset,
            form.spec.image_channels,
            form.spec.one_slice,
        ),
        {"form": name, "run_id": school.run.run_id},
    )
    path = out / name / model_record.FILE
    records.write_bytes(path, content)
    return Form(
        start=STARTS[name],
        teacher=name in TAUGHT,
        network=form.spec,
        weights=sum(parameter.numel() for parameter in form.network.parameters()),
        zeros=pruning.zeros(form.network),
        logit_offsets=form.offsets,
        history=tuple(Epoch.of(row) for row in form.history),
        file=path.relative_to(out).as_posix(),
        sha256=records.sha256(path),
        bytes=len(content),
    )


def write_none(args, run: ImportedRun, settings: DistilParams) -> None:
    """The record where the model was made elsewhere: none of the forms that were asked for."""
    split = Split.of(records.read(args.split, "split"))
    described = Dataset.of(records.read(args.dataset, "dataset"))
    train, validation = (
        tuple(case.case_id for case in entries_of(described, split, part)) for part in ("train", "validation")
    )
    instructions = numerics.configure(run.params.numerics, settings.threads)
    record = Distilled(
        run_id=run.run_id,
        weights_sha256=run.weights_sha256,
        excluded=run.excluded,
        cases=LearntCases(train, validation),
        in_effect=InEffect("cpu", instructions, run.params.precision),
        forms={},
        not_made=dict.fromkeys(settings.forms, MADE_ELSEWHERE),
        params=settings,
    )
    inputs, choice = [args.dataset, args.split, args.train, args.weights], architecture.choice(run.network)
    provenance = runs.provenance(__file__, settings.record(), args.requirements, inputs, choice)
    with stage.output_folder(args.out) as out:
        records.write(out / RECORD, record.record(), "distilled")
        records.write(out / "provenance.json", provenance, "provenance")
    errors.log(f"distil: wrote {args.out}/ without a network: {MADE_ELSEWHERE}")


def main(args):
    settings = DistilParams.of(params.load(args.params, "distil", seed=True))
    run = model_run.read(args.train)
    if isinstance(run, ImportedRun):
        write_none(args, run, settings)
        return
    described = Dataset.of(records.read(args.dataset, "dataset"))
    split = Split.of(records.read(args.split, "split"))
    instructions = numerics.configure(run.params.numerics, settings.threads)
    # a student is small: one device, whatever the run had
    hardware = picked(devices.Hardware, run.params, devices=1, nodes=1, threads=settings.threads)
    fabric, number_format = devices.launch(hardware), devices.number_format(hardware)
    teacher = trained.network(trained.TrainedModel.of(run, args.weights))
    recipe = dataclasses.replace(Recipe.of(run.preprocessing), logit_offsets=None)
    entries = {part: entries_of(described, split, part) for part in ("train", "validation")}
    school = School(
        run=run,
        settings=settings,
        fabric=fabric,
        teacher=devices.placed(teacher, fabric.device).eval(),
        recipe=recipe,
        cases={
            part: learner.cases(args.volumes, entries[part], recipe.channels, run.params.cache_mb)
            for part in entries
        },
        in_bf16=number_format == "bf16",
    )
    provenance = runs.provenance(
        __file__,
        settings.record(),
        args.requirements,
        [args.dataset, args.split, args.train, args.weights],
        architecture.choice(run.network),
    )
    forms: dict[FormName, Form] = {}
    not_made: dict[FormName, str] = {}
    with stage.output_folder(args.out) as out:
        for name in settings.forms:
            if reason := refused(name, school):
                errors.log(f"distil: {name} is not made: {reason}")
                not_made[name] = reason
                continue
            features = list(spec_of(name, school).features)
            errors.log(f"distil: {name}, from {STARTS[name]}, features {features}")
            forms[name] = form = written(name, made(name, school), school, out)
            errors.log(f"distil: {name}, {form.weights:,} weights, {form.bytes / 1e6:.2f} MB")
        record = Distilled(
            run_id=run.run_id,
            weights_sha256=run.weights_sha256,
            excluded=run.excluded,
            cases=LearntCases(
                tuple(school.cases["train"].case_ids), tuple(school.cases["validation"].case_ids)
            ),
            in_effect=InEffect(devices.name(fabric.device), instructions, number_format),
            forms=forms,
            not_made=not_made,
            params=settings,
        )
        records.write(out / RECORD, record.record(), "distilled")
        records.write(out / "provenance.json", provenance, "provenance")
    errors.log(f"distil: wrote {args.out}/")


parser = argparse.ArgumentParser(
    prog="distil", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--dataset", required=True, help="record of the data set")
parser.add_argument("--volumes", required=True, help="folder of canonical volumes")
parser.add_argument("--split", required=True, help="record of the split")
parser.add_argument("--train", required=True, help="record of the training run")
parser.add_argument("--weights", required=True, help="trained weights")
parser.add_argument("--out", required=True, help="folder to write")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
