"""optimize: makes the released network smaller in several ways, and releases those that are as good.

Reads   data/ (images of train cases, which ranges of INT8 are measured on; test images and label maps),
        build/ingest/dataset.json, build/split/split.json, build/export/model.json and model.onnx,
        build/distil/: distilled.json and the networks that it names
Writes  build/optimize/: variants.json, a folder for each variant that is released, provenance.json
State   design/test_openings.jsonl: one line for each model that was shown the test part
Params  optimize.*
Stops   when a runtime does not make, load or run a variant
Nothing is timed here: how fast a machine is decides no byte of an output.
"""

import argparse
import shutil
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radiotrace import errors, records
from radiotrace.errors import StageError
from radiotrace.imaging import parts, volumes
from radiotrace.inference import (
    model_record,
    onnx_network,
    openvino_network,
    released_model,
    sliding,
    watched,
)
from radiotrace.inference.released_model import Released
from radiotrace.inference.sliding import Network
from radiotrace.learning import quantising
from radiotrace.pipeline import openings, params, runs, stage
from radiotrace.records.dataset import Dataset
from radiotrace.records.distilled import Distilled, Form
from radiotrace.records.sections.segmentation.optimize import OptimizeParams
from radiotrace.records.variants import CalibratedOn, Name, StoredFile, Variant, Variants
from radiotrace.segmentation import equivalence
from radiotrace.segmentation.equivalence import NOT_OWN, CaseResult
from radiotrace.statistics import comparison

WINDOWS = 8  # of a case at most: as many are kept in memory
DISTILLED = "distilled.json"
LEAVE_OUT = (
    "Look at the versions in requirements/optimize.txt; or take it out of optimize.variants in params.yaml."
)


def calibration(cases: Sequence[dict], raw: Path, model: Released) -> list[np.ndarray]:
    """Windows of cases, (1, c, z, y, x) float32, as the network is given them where it predicts.

    Args:
        cases: of parts.cases.
        raw: folder of raw data.
    """
    patches = []
    for case in cases:
        spread = watched.Spread(WINDOWS)
        network = watched.inputs(len(model.record.labels), spread)
        sliding.label(parts.image(case, raw), network, model.recipe)
        patches += spread.kept.values()
    return patches


def made(name: str, content: bytes, patches: Sequence[np.ndarray], out: Path) -> list[StoredFile]:
    """The files of a variant, written into a folder of its name.

    Raises:
        StageError: they could not be made.
    """
    try:
        files = quantising.made(name, content, patches)
    except quantising.NotMade as error:
        raise StageError(f"the variant {name} cannot be made", [str(error)], LEAVE_OUT) from None
    for file, stored in files.items():
        records.write_bytes(out / name / file, stored)
    return [_stored(out, out / name / file) for file in files]


def students(folder: Path, run_id: str) -> Distilled:
    """What the stage distil made of a run.

    Args:
        folder: that it wrote.

    Raises:
        StageError: it is of another run, or a file was changed.
    """
    record = Distilled.of(records.read(folder / DISTILLED, "distilled"))
    faults = [
        f"{form.file}: SHA-256 found {found}, expected {form.sha256}"
        for form in record.forms.values()
        if (found := records.sha256(folder / form.file)) != form.sha256
    ]
    if record.run_id != run_id:
        faults.append(f"{DISTILLED}: run_id found {record.run_id}, expected {run_id}")
    if faults:
        raise StageError(f"{folder} is not what distil made of this run", faults, "Run 'dvc repro'.")
    return record


def deflated_bytes(paths: Sequence[Path]) -> int:
    """Of files together, each deflated: what they take where they are packed, on their way to a user."""
    return sum(len(zlib.compress(path.read_bytes(), zlib.Z_BEST_COMPRESSION)) for path in paths)


def _stored(folder: Path, path: Path) -> StoredFile:
    return StoredFile(path.relative_to(folder).as_posix(), records.sha256(path), path.stat().st_size)


def network_of(name: str, folder: Path, threads: int) -> Network:
    """A variant in its runtime.

    Args:
        folder: of its files.

    Raises:
        StageError: its runtime does not load it.
    """
    try:
        if equivalence.RUNTIMES[name] == "ONNX Runtime":
            return onnx_network.of(folder / model_record.FILE, threads)
        file = model_record.FILE if name == NOT_OWN else "model.xml"
        return openvino_network.of(folder / file, threads)
    except StageError as error:
        raise StageError(f"{name}: {error.headline}", list(error.findings), LEAVE_OUT) from None


@dataclass(frozen=True)
class Ready:
    """A test case with its reference.

    Attributes:
        case: of parts.cases.
    """

    case: dict
    raw: Path
    model: Released

    def labelled(self, network: Network) -> sliding.Labelled:
        return sliding.label(parts.image(self.case, self.raw), network, self.model.recipe)

    def result(self, labelled: sliding.Labelled, **differences) -> CaseResult:
        """What a network made of the case.

        Args:
            differences: from the released network, as CaseResult has them.
        """
        reference = parts.label_map(self.case, self.raw)
        reference_zyx, labels = volumes.array_zyx(reference), self.model.record.labels
        voxel_mm3 = float(np.prod(reference.GetSpacing()))
        return CaseResult(
            self.case["case_id"],
            self.case["subject_id"],
            equivalence.dice(reference_zyx, volumes.array_zyx(labelled.label_map), labels),
            {
                name: float((reference_zyx == int(value)).sum() * voxel_mm3)
                for value, name in labels.items()
                if value != "0"
            },
            labelled.expected_dice_loss,
            **differences,
        )


@dataclass(frozen=True)
class Measured:
    """All test cases under the released network and under each variant.

    Attributes:
        reference: of the released network.
        variants: name -> of a variant.
        voxels: of all cases.
    """

    reference: list[CaseResult]
    variants: dict[Name, list[CaseResult]]
    voxels: int


def measured(cases: Sequence[Ready], reference: Network, networks: Mapping[Name, Network]) -> Measured:
    """Every case under every network, one case after the other.

    Raises:
        StageError: a variant gives logits that are no numbers.
    """
    found = Measured([], {name: [] for name in networks}, 0)
    voxels = 0
    for ready in cases:
        logits = watched.Spread(WINDOWS)
        labelled = ready.labelled(watched.outputs(reference, logits))
        labels_zyx = volumes.array_zyx(labelled.label_map)
        voxels += labels_zyx.size
        found.reference.append(ready.result(labelled))
        for name, network in networks.items():
            difference = watched.Difference()
            other = ready.labelled(difference.of(network, logits))
            if not np.isfinite(difference.largest):
                case_id = ready.case["case_id"]
                raise StageError(f"the variant {name} gives logits that are no numbers", [case_id], LEAVE_OUT)
            different = int((volumes.array_zyx(other.label_map) != labels_zyx).sum())
            result = ready.result(other, voxels_different=different, max_logit_difference=difference.largest)
            found.variants[name].append(result)
    return Measured(found.reference, found.variants, voxels)


def main(args):
    settings = OptimizeParams.of(params.load(args.params, "optimize"))
    openings.read(args.openings)  # a broken ledger stops the stage before the part is opened
    model = released_model.opened(Path(args.model).parent)
    dataset, split = Dataset.of(records.read(args.dataset, "dataset")), records.read(args.split, "split")
    raw, content = Path(args.data), Path(args.onnx).read_bytes()
    taught = students(Path(args.students), model.record.run_id)
    forms: dict[str, Form] = {**taught.forms}
    train = parts.cases(dataset, split, "train")
    calibrated = parts.spread(list(train), settings.calibration_cases)
    patches = calibration([train[case_id] for case_id in calibrated], raw, model)
    errors.log(
        f"optimize: {len(patches)} windows of {len(calibrated)} training cases give the ranges of INT8"
    )
    ready = [Ready(case, raw, model) for case in parts.cases(dataset, split, "test").values()]
    with stage.output_folder(args.out) as out:
        files: dict[Name, list[StoredFile]] = {}
        networks: dict[Name, Network] = {}
        deflated: dict[Name, int] = {}
        for name in sorted((*settings.variants, *taught.forms)):
            folder = Path(args.onnx).parent if name == NOT_OWN else out / name
            if name == NOT_OWN:
                files[name] = [_stored(folder, Path(args.onnx))]
            elif name in forms:
                student = Path(args.students) / forms[name].file
                records.write_bytes(folder / model_record.FILE, student.read_bytes())
                files[name] = [_stored(out, folder / model_record.FILE)]
            else:
                files[name] = made(name, content, patches, out)
            place = folder if name == NOT_OWN else out
            deflated[name] = deflated_bytes([place / stored.file for stored in files[name]])
            networks[name] = network_of(name, folder, settings.threads)
            errors.log(f"optimize: {name}, {sum(file.bytes for file in files[name]) / 1e6:.2f} MB")
        found = measured(ready, onnx_network.of(content, settings.threads), networks)
        variants: dict[Name, Variant] = {
            name: equivalence.judged(
                name,
                files[name],
                found.reference,
                results,
                settings,
                model.record.review_above,
                len(content),
                deflated[name],
            )
            for name, results in found.variants.items()
        }
        teacher = equivalence.worth_of_teacher(found.variants, settings.margin_dice)
        for name, variant in variants.items():
            if variant.is_own_file and not variant.released:
                shutil.rmtree(out / name)
        record = Variants(
            run_id=model.record.run_id,
            part="test",
            excluded=model.record.excluded,
            n_cases=len(ready),
            n_subjects=len({result.subject_id for result in found.reference}),
            reference=_stored(Path(args.onnx).parent, Path(args.onnx)),
            calibration=CalibratedOn(tuple(calibrated), len(patches), WINDOWS),
            voxels_compared=found.voxels,
            windows_compared=WINDOWS,
            variants=variants,
            not_made=taught.not_made,
            teacher=teacher,
            how=comparison.HOW,
            params=settings,
        ).record()
        records.write(out / "variants.json", record, "released_variants")
        records.write(
            out / "provenance.json",
            runs.provenance(
                __file__,
                settings.record(),
                args.requirements,
                [args.dataset, args.split, args.model, args.onnx, f"{args.students}/{DISTILLED}"],
            ),
            "provenance",
        )
        # Counted before a number can be seen.
        openings.add(
            args.openings,
            model.record.run_id,
            model.record.weights_sha256,
            "optimize",
            [result.case_id for result in found.reference],
            records.digest(record),
            "whether smaller variants of the network are as good",
        )
    for name, variant in variants.items():
        change = variant.dice[equivalence.MACRO].difference
        outcome = "released" if variant.released else "not released"
        errors.log(
            f"optimize: {name}, {variant.bytes / 1e6:.2f} MB, Dice {change or 0:+.5f}, "
            f"{variant.voxels_different} voxels otherwise, {outcome}"
        )
    errors.log(f"optimize: wrote {args.out}/variants.json")


parser = argparse.ArgumentParser(
    prog="optimize", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--data", required=True, help="folder of raw data")
parser.add_argument("--dataset", required=True, help="record of the data set")
parser.add_argument("--split", required=True, help="record of the split")
parser.add_argument("--model", required=True, help="record of the released model")
parser.add_argument("--onnx", required=True, help="file of the released network, beside its record")
parser.add_argument("--students", required=True, help="folder of smaller networks that were trained")
parser.add_argument("--openings", required=True, help="ledger of what the test part was shown to")
parser.add_argument("--out", required=True, help="folder to write")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
