"""train: admits a model that was made elsewhere, in the place of one that is trained.

Reads   data/ (images of a few cases), build/ingest/dataset.json, build/split/split.json, imported/:
        model.onnx, contract.yaml, source.json, as 'python -m radiotrace import-model' wrote them
Writes  build/train/: weights.safetensors (the network as ONNX, in the form of this project), train.json,
        provenance.json
Params  train.*
Stops   when the file is not what its contract or source.json says, when the contract does not fit the study,
        or when the form of this project gives other probabilities than the file

It opens no test part: of test cases images are read where there is no validation part, and no label map.
"""

import argparse
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

from radiotrace.pipeline import stage

if __name__ == "__main__":
    stage.check_parameters(sys.argv)  # before torch, whose import takes seconds

import numpy as np
from safetensors.torch import save

from radiotrace import errors, records
from radiotrace.errors import StageError
from radiotrace.imaging import parts
from radiotrace.inference import adapted, contracted, foreign_onnx, windows
from radiotrace.inference.recipe import Recipe
from radiotrace.learning import admission, grown, numerics
from radiotrace.learning.networks import imported
from radiotrace.pipeline import params, runs
from radiotrace.records.contract import ModelContract
from radiotrace.records.dataset import Dataset
from radiotrace.records.imported_run import FileSeen, ImportedParams, ImportedRun, Source, TriedCases
from radiotrace.records.split import Split

MODEL, CONTRACT, SOURCE = "model.onnx", "contract.yaml", "source.json"
COMPARED_CASES = 3
WAY_OUT = "Run 'python -m radiotrace import-model' again with the file and a contract that is right."


def contract_of(path: Path) -> ModelContract:
    """A contract, as people write it.

    Raises:
        StageError: it is missing or breaks its schema; names every fault.
    """
    values = params.load_yaml(path)
    if broken := records.faults(values, "model_contract"):
        raise StageError(f"{path} breaks schemas/model_contract.schema.json", broken, WAY_OUT)
    return ModelContract.of(values)


def brought(folder: Path) -> tuple[bytes, ModelContract, Source]:
    """What import-model laid down: the file, its contract and where both come from.

    Raises:
        StageError: a file was changed since.
    """
    source = Source.of(records.read(folder / SOURCE, "import_source"))
    content, told = (folder / MODEL).read_bytes(), (folder / CONTRACT).read_bytes()
    wrong = [
        f"{folder / name}: SHA-256 found {found}, expected {expected}"
        for name, found, expected in (
            (MODEL, hashlib.sha256(content).hexdigest(), source.onnx_sha256),
            (CONTRACT, hashlib.sha256(told).hexdigest(), source.contract_sha256),
        )
        if found != expected
    ]
    if wrong:
        raise StageError(f"{folder} was changed after import-model", wrong, WAY_OUT)
    return content, contract_of(folder / CONTRACT), source


def patches(dataset: Dataset, case_ids: list[str], raw: Path, recipe: Recipe) -> Iterator[np.ndarray]:
    """Windows (1, channel, z, y, x): of noise, and the middle one of a few cases."""
    shape = (1, len(recipe.channels), *recipe.patch_voxels[::-1])
    yield np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)
    described = {case.case_id: case for case in dataset.cases}
    for case_id in case_ids:
        case = {"channels": parts.described_channels(dataset, described[case_id])}
        _, image_czyx = windows.prepare(parts.image(case, raw), recipe)
        middle = [edge / 2 for edge in image_czyx.shape[1:]]
        patch, _, _ = windows.one_pass(image_czyx, recipe, middle)
        yield patch[None].numpy()


def main(args):
    settings = ImportedParams.of(params.load(args.params, "train"))
    folder = Path(args.imported)
    content, contract, source = brought(folder)
    dataset = Dataset.of(records.read(args.dataset, "dataset"))
    split = Split.of(records.read(args.split, "split"))
    labels = dict(split.labels)
    of_part = {
        part: sorted(case_id for case_id, row in split.cases.items() if row.part == part)
        for part in ("validation", "test")
    }
    if wrong := contracted.misfits(contract, dataset, labels, of_part["test"]):
        raise StageError("the contract of the model does not fit this study", wrong, WAY_OUT)
    looked = foreign_onnx.admitted(content, contract)
    numerics.configure(settings.numerics, settings.threads)
    own = adapted.adapted(content, contract, labels)
    recipe = contracted.recipe(contract)
    levels, network = admission.levels(admission.with_graph(own), recipe, contract)
    chosen = parts.spread(of_part["validation"] or of_part["test"], COMPARED_CASES)
    windows_of = patches(dataset, chosen, Path(args.data), recipe)
    parity = admission.parity(content, own, contract, labels, windows_of, settings.threads)
    errors.log(
        f"train: {parity.windows} windows, largest difference of a probability from the file "
        f"{parity.max_probability_difference:.2g}, {parity.labels_different} of {parity.voxels} voxels "
        "labelled otherwise"
    )
    if wrong := admission.unequal(parity):
        raise StageError(
            "the form of this project gives something else than the file that was brought",
            wrong,
            "Look at its contract: layout, axes, activation and what it gives.",
        )
    provenance = runs.provenance(
        __file__,
        settings.record(),
        args.requirements,
        [args.dataset, args.split, *(f"{args.imported}/{name}" for name in (CONTRACT, MODEL, SOURCE))],
        {"radiotrace.learning.networks": [grown.NAME]},
    )
    weights = save(imported.tensors_of(own, levels))
    run = ImportedRun(
        run_id=runs.run_id(provenance),
        network=network,
        weights=looked.weights,
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        preprocessing=recipe.preprocessing(),
        labels=labels,
        params=settings,
        contract=contract,
        source=source,
        file=FileSeen(looked.producer, looked.opset, looked.nodes, looked.operators),
        parity=parity,
        unknown=tuple(contracted.unknown(contract)),
        not_possible=admission.not_possible(own, contract, levels),
        selection="made elsewhere and admitted as it was brought",
        tried=TriedCases(tuple(of_part["validation"]), tuple(of_part["test"])),
        excluded=split.excluded,
    )
    for sentence in (*run.unknown, *run.not_possible.values()):
        errors.log(f"train: {sentence}")
    with stage.output_folder(args.out) as out:
        records.write_bytes(out / "weights.safetensors", weights)
        records.write(out / "train.json", run.record(), "imported_run")
        records.write(out / "provenance.json", provenance, "provenance")
    errors.log(f"train: admitted {contract.name}, run {run.run_id[:12]}; wrote {args.out}/")


parser = argparse.ArgumentParser(
    prog="train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--data", required=True, help="folder of raw data")
parser.add_argument("--dataset", required=True, help="record of the data set")
parser.add_argument("--split", required=True, help="record of the split")
parser.add_argument("--imported", required=True, help="folder that import-model wrote")
parser.add_argument("--out", required=True, help="folder to write")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
