"""The MONAI bundle of a released model: it runs with MONAI alone, and labels as the model does."""

import dataclasses
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import SimpleITK as sitk
import torch
from monai.bundle import ConfigParser
from monai.data import decollate_batch
from torch import nn

from radiotrace import records
from radiotrace.__main__ import main
from radiotrace.commands import monai_network
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
DIFFERENT_MAX = 1e-4  # share of voxels: logits differ in their last digits, and two may be alike

# MONAI's LoadImage tries every reader that it knows, whichever is asked for
pytestmark = pytest.mark.filterwarnings("ignore:NvImgCodecPydicomReader")


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
    released.write(
        folder / "export",
        run_id=record["run_id"],
        weights_sha256=record["weights_sha256"],
        learnt_from=example["learnt_from"] | {"data_root_sha256": dataset["dataset"]["root_sha256"]},
    )
    files = {"train": "train.json", "weights": "weights.safetensors", "dataset": "dataset.json"}
    arguments = ["--export", str(folder / "export")]
    for option, name in files.items():
        arguments += [f"--{option}", str(folder / name)]
    arguments += ["--intended-use", str(ROOT / "design/intended_use.yaml"), "--licence", str(ROOT / "LICENSE")]
    return Model(built.eval(), Recipe.of(TrainingRun.of(record).preprocessing), arguments)


def written(of: Model, folder: Path) -> Path:
    """The bundle of a model."""
    assert main(["monai-bundle", *of.arguments, "--out", str(folder)]) == 0
    return folder


def predicted(bundle: Path, images: Path, predictions: Path) -> list[Path]:
    """What the README of a bundle says, in Python."""
    config = ConfigParser()
    config.read_config(str(bundle / "configs/inference.json"))
    config.update({"bundle_root": str(bundle), "dataset_dir": str(images), "output_dir": str(predictions)})
    config["device"] = "$torch.device('cpu')"
    config.get_parsed_content("initialize")
    network = config.get_parsed_content("network").eval()
    inferer = config.get_parsed_content("inferer")
    postprocessing = config.get_parsed_content("postprocessing")
    with torch.no_grad():
        for batch in config.get_parsed_content("dataloader"):
            batch["pred"] = inferer(batch["image"], network)
            for case in decollate_batch(batch):
                postprocessing(case)
    return sorted(predictions.glob("*.nii.gz"))


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


def share_different(found: Path, expected: sitk.Image) -> float:
    """Of the voxels of two label maps on one grid."""
    label_map = sitk.ReadImage(str(found))
    assert label_map.GetPixelID() == sitk.sitkUInt8
    assert volumes.grid_faults(volumes.grid(label_map), volumes.grid(expected), 1e-3, 1e-4) == []
    values_zyx = volumes.array_zyx(label_map)
    assert len(np.unique(values_zyx)) == 3
    return float((values_zyx != volumes.array_zyx(expected)).mean())


@pytest.mark.parametrize("spacing_mm", [None, (1.0, 1.0, 1.0), (0.5, 2.0, 1.7)])
def test_a_bundle_labels_as_the_model_in_any_geometry(tmp_path, spacing_mm):
    of = model(tmp_path / "run", spacing_mm=spacing_mm, logit_offsets=[0.0, 0.25, -0.125])
    geometries = [("LPS", 0), ("RAS", 10), ("PIR", -25), ("SAL", 40)]
    for number, (orientation, degrees) in enumerate(geometries):
        path = tmp_path / f"images/case_{number}.nii.gz"
        path.parent.mkdir(exist_ok=True)
        sitk.WriteImage(turned(orientation, degrees), str(path))
    found = predicted(written(of, tmp_path / "bundle"), tmp_path / "images", tmp_path / "predictions")
    assert [path.name for path in found] == [f"case_{number}_label_map.nii.gz" for number in range(4)]
    for number, path in enumerate(found):
        image = tmp_path / f"images/case_{number}.nii.gz"
        print(geometries[number], share_different(path, expected(of, image)))
        assert share_different(path, expected(of, image)) <= DIFFERENT_MAX
