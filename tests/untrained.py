"""What a run leaves, of a network that was never trained, and images for it: for the tests of commands that
write the released model in the form of another project."""

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import safetensors.torch
import SimpleITK as sitk
import torch
from torch import nn

from radiotrace import records
from radiotrace.imaging import volumes
from radiotrace.imaging.image import Image
from radiotrace.inference import sliding
from radiotrace.inference.recipe import Recipe
from radiotrace.learning import architecture, state
from radiotrace.records.network import NetworkSpec
from radiotrace.records.train import TrainingRun
from tests import phantoms, released
from tests.projects import ROOT

RUN = ROOT / "tests/schema_cases/train/valid/one_epoch.json"
DATASET = ROOT / "tests/schema_cases/dataset/valid/one_case.json"
SMALL = {"features": [8, 8, 16], "dropout": 0.2, "deep_supervision": 1}
RECIPE = {"patch_voxels": [8, 16, 8], "window_voxels": [16, 16, 24], "multiple": 4}


@dataclasses.dataclass(frozen=True)
class Model:
    """A network that was never trained, and the arguments that name what a run of it left."""

    network: nn.Module
    recipe: Recipe
    arguments: list[str]


def model(folder: Path, network: dict | None = None, **preprocessing) -> Model:
    """Writes what a run leaves.

    Args:
        network, preprocessing: changes of the records.
    """
    record = json.loads(RUN.read_text("utf-8"))
    record["network"] |= SMALL | (network or {})
    record["preprocessing"] |= RECIPE | preprocessing
    if preprocessing.get("channels"):
        del record["preprocessing"]["clip_percentiles"]
    spec = NetworkSpec.of(record["network"])
    built = architecture.build(spec, seed=1)
    content = safetensors.torch.save({name: value.contiguous() for name, value in state.of(built).items()})
    record["weights_sha256"] = hashlib.sha256(content).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "weights.safetensors").write_bytes(content)
    records.write(folder / "train.json", record, "train")
    dataset = json.loads(DATASET.read_text("utf-8"))
    records.write(folder / "dataset.json", dataset, "dataset")
    example = json.loads(released.EXAMPLE.read_text("utf-8"))
    offsets = record["preprocessing"].get("logit_offsets")
    absent = dict.fromkeys(example["preprocessing"].keys() - record["preprocessing"].keys())
    released.write(
        folder / "export",
        channels=record["network"].get("image_channels", 1),
        run_id=record["run_id"],
        weights_sha256=record["weights_sha256"],
        labels=record["labels"],
        preprocessing=absent | record["preprocessing"] | {"logit_offsets": None},
        logit_offsets_in_file=offsets,
        learnt_from=example["learnt_from"] | {"data_root_sha256": dataset["dataset"]["root_sha256"]},
    )
    files = {"train": "train.json", "weights": "weights.safetensors", "dataset": "dataset.json"}
    arguments = ["--export", str(folder / "export")]
    for option, name in files.items():
        arguments += [f"--{option}", str(folder / name)]
    arguments += ["--intended-use", str(ROOT / "design/intended_use.yaml")]
    arguments += ["--licence", str(ROOT / "LICENSE")]
    return Model(built.eval(), Recipe.of(TrainingRun.of(record).preprocessing), arguments)


def expected(of: Model, *paths: Path) -> sitk.Image:
    """The label map of the model itself."""

    def network(patch: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return of.network(torch.from_numpy(patch)).numpy()

    image = Image.of([volumes.read(path) for path in paths], of.recipe.channels)
    return sliding.label(image, network, of.recipe).label_map


def turned(orientation: str, degrees: float, seed: int = 3) -> sitk.Image:
    array = phantoms.image_array(phantoms.label_array(), seed)
    return sitk.DICOMOrient(phantoms.volume(array, direction=phantoms.rotation(degrees)), orientation)


def write_case(folder: Path, *volumes_of_channels: sitk.Image, name: str = "case") -> list[Path]:
    """The files of a case, as a bundle takes them."""
    folder.mkdir(exist_ok=True)
    count = len(volumes_of_channels)
    endings = [""] if count == 1 else [f"_{number:04d}" for number in range(count)]
    paths = [folder / f"{name}{ending}.nii.gz" for ending in endings]
    for volume, path in zip(volumes_of_channels, paths, strict=True):
        sitk.WriteImage(volume, str(path))
    return paths


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)
