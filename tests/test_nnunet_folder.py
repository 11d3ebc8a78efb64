"""The results folder of nnU-Net of a released model: nnU-Net's own predictor loads it, computes the same
logits and labels as the model does, but for steps that it has not. It runs in an environment of its own."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from radiotrace import records
from radiotrace.__main__ import main
from radiotrace.commands import nnunet_folder, nnunet_network
from radiotrace.imaging import volumes
from radiotrace.learning import architecture, onnx_model
from radiotrace.records.network import NetworkSpec
from tests import phantoms, released, untrained
from tests.projects import ROOT

PYTHON = ROOT / ".venv/with-nnunet/bin/python"
# One window for the phantom, and nothing clipped, as nnU-Net has it.
ALIKE = {
    "spacing_mm": None,
    "patch_voxels": [20, 24, 16],
    "window_voxels": [20, 24, 16],
    "clip_percentiles": [0, 100],
}
DIFFERENT_MAX = 0.002  # share of voxels: nnU-Net sums in float16
RESAMPLED_MAX = 0.05
LOGITS = """\
import sys
from pathlib import Path

import numpy as np
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

for folder in map(Path, sys.argv[1:]):
    predictor = nnUNetPredictor(device=torch.device("cpu"))
    predictor.initialize_from_trained_model_folder(str(folder), (0,))
    assert type(predictor.network).__name__ == "PlainConvUNet"
    assert predictor.allowed_mirroring_axes is None
    with torch.inference_mode():
        patch = torch.from_numpy(np.load(folder / "patch.npy"))
        np.save(folder / "logits.npy", predictor.network.eval()(patch).numpy())
"""
SPECS = [
    {"dropout": 0.0, "deep_supervision": 0},
    {"features": [8, 8, 16, 8], "deep_supervision": 2, "image_channels": 2},
    {"features": [8, 8, 8], "strides": [[2, 2, 1], [2, 2, 2]], "kernels": [[3, 3, 1], [3, 3, 3], [3, 3, 3]]},
    {"features": [8, 8, 8], "one_slice": True},
]


def nnunet(code: str, folder: Path, *words: Path) -> None:
    assert PYTHON.exists(), "make .venv/nnunet"
    done = subprocess.run([PYTHON, "-I", "-c", code, *words], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def written(of: untrained.Model, folder: Path, *words: str) -> Path:
    """The folder of a model."""
    assert main(["nnunet-folder", *of.arguments, "--out", str(folder), *words]) == 0
    return folder


@pytest.mark.slow
def test_the_network_that_nnunet_loads_computes_as_ours(tmp_path):
    expected = {}
    for number, changes in enumerate(SPECS):
        spec = NetworkSpec.of({"name": "dynunet", "labels": 3, **untrained.SMALL, **changes})
        of = untrained.model(
            tmp_path / f"run_{number}",
            {"image_channels": 2, **changes} if spec.image_channels > 1 else changes,
            logit_offsets=[0.0, 0.25, -0.125],
            **channels_of(spec),
            **(ONE_SLICE if spec.one_slice else {}),
        )
        folder = written(of, tmp_path / f"folder_{number}")
        patch = untrained.noise(1, spec.image_channels, 1 if spec.one_slice else 8, 16, 8)
        np.save(folder / "patch.npy", patch)
        with torch.inference_mode():
            expected[folder] = of.network(torch.from_numpy(patch)).numpy()
        expected[folder] += np.array([0.0, 0.25, -0.125], np.float32).reshape(3, 1, 1, 1)
    nnunet(LOGITS, tmp_path, *expected)
    for folder, logits in expected.items():
        assert np.abs(np.load(folder / "logits.npy") - logits).max() < 1e-4
        assert np.abs(logits).max() > 0.1


def channels_of(spec: NetworkSpec) -> dict:
    """The recipe of as many channels."""
    if spec.image_channels == 1:
        return {}
    row = {"name": "T2", "modality": "MRI", "clip_percentiles": [0, 100]}
    return {"channels": [row, row | {"name": "ADC"}]}


ONE_SLICE = {"patch_voxels": [8, 16, 1], "window_voxels": [16, 16, 1], "spacing_mm": None}
WIDE = {"low": -1000.0, "high": 1000.0, "mean": 40.0, "sd": 20.0}
CT = {"low": 10.0, "high": 110.0, "mean": 40.0, "sd": 20.0}
PREDICTED = {
    "one channel, its own spacing": ({}, {"logit_offsets": [0.0, 0.25, -0.125]}, "LPS"),
    # normalised by numbers of the run: that gives the same before and after it is resampled; and a spacing of
    # which whole voxels fill the phantom, 20 x 20 x 16
    "another spacing": ({}, {"spacing_mm": [0.81, 1.21, 1.4875], "intensities": WIDE}, "LPS"),
    "two channels, one by numbers of the run": (
        {"image_channels": 2},
        {
            "channels": [
                {"name": "T2", "modality": "MRI", "clip_percentiles": [0, 100]},
                {"name": "CT", "modality": "CT", "clip_percentiles": [0.5, 99.5], "intensities": CT},
            ]
        },
        "LPS",
    ),
    "turned by nnU-Net": ({}, {"orientation": "RAS"}, "PIR"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("network", "preprocessing", "orientation"), PREDICTED.values(), ids=PREDICTED)
def test_nnunet_labels_a_phantom_as_the_model(tmp_path, network, preprocessing, orientation):
    of = untrained.model(tmp_path / "run", network, **(ALIKE | preprocessing))
    folder = written(of, tmp_path / "folder")
    channels = network.get("image_channels", 1)
    images = [untrained.turned(orientation, 10, seed=3 + number) for number in range(channels)]
    (folder / "IMAGES").mkdir()
    paths = [folder / "IMAGES" / f"p_{number:04d}.nii.gz" for number in range(channels)]
    for image, path in zip(images, paths, strict=True):
        sitk.WriteImage(image, str(path))
    nnunet(nnunet_folder.CODE, folder)
    found = sitk.ReadImage(str(folder / "PREDICTIONS/p.nii.gz"))
    expected = untrained.expected(of, *paths)
    assert volumes.grid_faults(volumes.grid(found), volumes.grid(expected), 1e-3, 1e-4) == []
    values_zyx = volumes.array_zyx(found)
    assert len(np.unique(values_zyx)) == 3
    # of a network that was never trained, whose labels are noise: where logits are interpolated, and not
    # probabilities, some are others
    most = RESAMPLED_MAX if preprocessing.get("spacing_mm") else DIFFERENT_MAX
    assert (values_zyx != volumes.array_zyx(expected)).mean() <= most


def measurable(tmp_path: Path) -> tuple[untrained.Model, Path]:
    """A model whose model.onnx is its network, and a folder with an image for it."""
    of = untrained.model(tmp_path / "run", **ALIKE)
    export = tmp_path / "run/export"
    record = json.loads((export / "model.json").read_text("utf-8"))
    released.seal(export, record, onnx_model.export(of.network, (4, 4, 4), 20))
    sitk.WriteImage(untrained.turned("RAS", 10), str(tmp_path / "p.nii.gz"))
    return of, tmp_path / "p.nii.gz"


@pytest.mark.slow
def test_the_readme_says_what_was_measured(tmp_path, capsys):
    of, image = measurable(tmp_path)
    folder = written(of, tmp_path / "folder", "--measure", str(PYTHON), "--cases", str(image))
    readme = (folder / "README.md").read_text("utf-8")
    [row] = [line for line in readme.splitlines() if line.startswith("| p |")]
    otherwise, voxels, labelled = (int(cell) for cell in row.strip("| ").split("|")[1:])
    assert voxels == np.prod(phantoms.SIZE_XYZ)
    assert otherwise <= DIFFERENT_MAX * voxels
    assert labelled > 0
    said = f"nnU-Net labels {otherwise} of {voxels} voxels otherwise in 1 cases"
    assert said in readme
    assert said in capsys.readouterr().out


@pytest.mark.slow
def test_a_python_without_nnunet_is_said(tmp_path, capsys):
    of, image = measurable(tmp_path)
    words = ["--measure", sys.executable, "--cases", str(image)]
    assert main(["nnunet-folder", *of.arguments, "--out", str(tmp_path / "folder"), *words]) == 1
    said = capsys.readouterr().err
    assert "nnU-Net did not predict" in said
    assert "No module named 'nnunetv2'" in said
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize(
    ("changes", "preprocessing", "fault"),
    [
        ({"name": "segresnet", "features": [8, 16]}, {}, "network: found segresnet, expected dynunet"),
        ({"norm": "group", "dropout": 0.0}, {}, "norm: found group, expected instance"),
        ({"upsampling": "pixelshuffle"}, {}, "upsampling: found pixelshuffle, expected transposed"),
        (
            {"one_slice": True},
            ONE_SLICE | {"spacing_mm": [1.0, 1.0, 1.0]},
            "spacing: found one of a model that takes a slice at a time",
        ),
    ],
)
def test_what_nnunet_cannot_be_told_is_refused_with_the_reason(
    tmp_path, capsys, changes, preprocessing, fault
):
    of = untrained.model(tmp_path / "run", changes | {"deep_supervision": 0}, **preprocessing)
    assert main(["nnunet-folder", *of.arguments, "--out", str(tmp_path / "folder")]) == 1
    said = capsys.readouterr().err
    assert "nnU-Net cannot be told this model" in said
    assert fault in said
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize(
    ("labels", "fault"),
    [
        ({"0": "background", "1": "ignore"}, "one called ignore"),
        ({"0": "air", "1": "background"}, "background for another value than 0"),
        ({"0": "background", "1": "a", "2": "a"}, "a name twice"),
    ],
)
def test_names_of_labels_that_nnunet_understands_otherwise_are_refused(tmp_path, labels, fault):
    of = untrained.model(tmp_path / "run")
    assert [fault in said for said in nnunet_folder.inexpressible(of.recipe, labels)] == [True]


def test_what_nnunet_does_otherwise_stands_in_the_readme(tmp_path):
    of = untrained.model(tmp_path / "run", spacing_mm=[1.0, 1.0, 1.0], clip_percentiles=[2, 98])
    readme = (written(of, tmp_path / "folder") / "README.md").read_text("utf-8")
    for part in (
        "is a pickle: it runs code",
        "images must come in the orientation LPS",
        "not clipped to its percentiles 2 and 98",
        "Windows have 8 x 16 x 8 voxels (x y z)",
        "normalised before they are resampled",
        "float16",
        "Not measured",
    ):
        assert part in readme


def test_two_folders_of_a_model_have_the_same_bytes_and_their_pickle_holds_plain_values(tmp_path):
    of = untrained.model(tmp_path / "run")
    first, second = written(of, tmp_path / "first"), written(of, tmp_path / "elsewhere" / "of another name")
    names = sorted(path.relative_to(first).as_posix() for path in first.rglob("*") if path.is_file())
    assert names == ["LICENSE", "README.md", "dataset.json", "fold_0/checkpoint_final.pth", "plans.json"]
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names)
    checkpoint = torch.load(first / "fold_0/checkpoint_final.pth", weights_only=True)
    assert checkpoint["inference_allowed_mirroring_axes"] is None


def test_a_value_without_a_place_is_refused():
    spec = NetworkSpec.of({"name": "dynunet", "labels": 3, **untrained.SMALL})
    network = architecture.build(spec, seed=1)
    architecture.body(network).register_parameter("further", torch.nn.Parameter(torch.zeros(1)))
    with pytest.raises(ValueError, match="without a place in PlainConvUNet: further"):
        nnunet_network.weights(network, spec, None)


def test_a_folder_that_is_none_of_nnunet_is_not_replaced(tmp_path, capsys):
    of = untrained.model(tmp_path / "run")
    assert main(["nnunet-folder", *of.arguments, "--out", str(tmp_path / "run")]) == 1
    assert "is there and is no folder of nnU-Net" in capsys.readouterr().err
    assert (tmp_path / "run/train.json").is_file()


def test_records_of_different_runs_are_refused(tmp_path, capsys):
    of = untrained.model(tmp_path / "run")
    record = json.loads((tmp_path / "run/train.json").read_text("utf-8"))
    records.write(tmp_path / "run/train.json", record | {"run_id": "0" * 64}, "train")
    assert main(["nnunet-folder", *of.arguments, "--out", str(tmp_path / "folder")]) == 1
    assert f"found {'0' * 64}, expected {record['run_id']}" in capsys.readouterr().err
