"""The MONAI bundle of a released model: it runs with MONAI alone, and labels as the model does."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.bundle import ConfigParser
from monai.data import decollate_batch

from radiotrace import records
from radiotrace.__main__ import main
from radiotrace.commands import monai_network
from radiotrace.imaging import volumes
from radiotrace.learning import architecture
from radiotrace.records.network import NetworkSpec
from tests.untrained import RUN, SMALL, Model, expected, model, noise, turned, write_case

DIFFERENT_MAX = 1e-4  # share of voxels: logits differ in their last digits, and two may be alike

# MONAI's LoadImage tries every reader that it knows, whichever is asked for
pytestmark = pytest.mark.filterwarnings("ignore:NvImgCodecPydicomReader")


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
    network = config.get_parsed_content("network").eval()
    network.load_state_dict(config.get_parsed_content("checkpoint"))
    inferer = config.get_parsed_content("inferer")
    postprocessing = config.get_parsed_content("postprocessing")
    with torch.no_grad():
        for batch in config.get_parsed_content("dataloader"):
            batch["pred"] = inferer(batch["image"], network)
            for case in decollate_batch(batch):
                postprocessing(case)
    return sorted(predictions.glob("*.nii.gz"))


def share_different(found: Path, expected: sitk.Image) -> float:
    """Of the voxels of two label maps on one grid."""
    label_map = sitk.ReadImage(str(found))
    assert label_map.GetPixelID() == sitk.sitkUInt8
    assert volumes.grid_faults(volumes.grid(label_map), volumes.grid(expected), 1e-3, 1e-4) == []
    values_zyx = volumes.array_zyx(label_map)
    assert len(np.unique(values_zyx)) == 3
    return float((values_zyx != volumes.array_zyx(expected)).mean())


def shares_different(of: Model, tmp_path: Path, cases: list[list[Path]]) -> list[float]:
    """What a bundle labels otherwise than the model, of each case in tmp_path/images."""
    found = predicted(written(of, tmp_path / "bundle"), tmp_path / "images", tmp_path / "predictions")
    assert len(found) == len(cases)
    return [share_different(path, expected(of, *paths)) for path, paths in zip(found, cases, strict=True)]


@pytest.mark.parametrize("spacing_mm", [None, (1.0, 1.0, 1.0), (0.5, 2.0, 1.7)])
def test_a_bundle_labels_as_the_model_in_any_geometry(tmp_path, spacing_mm):
    of = model(tmp_path / "run", spacing_mm=spacing_mm, logit_offsets=[0.0, 0.25, -0.125])
    geometries = [("LPS", 0), ("RAS", 10), ("PIR", -25), ("SAL", 40)]
    cases = [
        write_case(tmp_path / "images", turned(orientation, degrees), name=f"case_{number}")
        for number, (orientation, degrees) in enumerate(geometries)
    ]
    assert max(shares_different(of, tmp_path, cases)) <= DIFFERENT_MAX


@pytest.mark.parametrize("spacing_mm", [None, (1.0, 1.0, 1.7)])
def test_channels_are_each_normalised_as_the_run_says(tmp_path, spacing_mm):
    intensities = {"low": 10.0, "high": 110.0, "mean": 40.0, "sd": 20.0}
    channels = [
        {"name": "T2", "modality": "MRI", "clip_percentiles": [0, 98]},
        {"name": "CT", "modality": "CT", "clip_percentiles": [0.5, 99.5], "intensities": intensities},
    ]
    of = model(tmp_path / "run", {"image_channels": 2}, channels=channels, spacing_mm=spacing_mm)
    case = write_case(tmp_path / "images", turned("RAS", 10), turned("RAS", 10, seed=4))
    assert max(shares_different(of, tmp_path, [case])) <= DIFFERENT_MAX


@pytest.mark.parametrize("spacing_mm", [None, (1.0, 1.0, 1.0)])
def test_a_picture_is_labelled_as_by_the_model(tmp_path, spacing_mm):
    of = model(
        tmp_path / "run",
        {"one_slice": True},
        patch_voxels=[8, 16, 1],
        window_voxels=[16, 16, 1],
        multiple=[4, 4, 1],
        spacing_mm=spacing_mm,
    )
    case = write_case(tmp_path / "images", turned("LPS", 0)[:, :, 6:7])
    found = predicted(written(of, tmp_path / "bundle"), tmp_path / "images", tmp_path / "predictions")
    values_yx = sitk.GetArrayFromImage(sitk.ReadImage(str(found[0])))  # MONAI leaves the last axis out
    different = values_yx != volumes.array_zyx(expected(of, *case))[0]
    assert len(np.unique(values_yx)) == 3
    assert different.mean() <= DIFFERENT_MAX


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "segresnet", "features": [8, 16, 32], "deep_supervision": 0},
        {"name": "segresnet", "features": [8, 16], "deep_supervision": 0, "norm": "group"},
        {"name": "unet", "deep_supervision": 0},
        {"norm": "group", "dropout": 0.0},
        {"features": [8, 8, 8, 8], "deep_supervision": 2, "image_channels": 2},
        {"features": [8, 8, 8], "strides": [[2, 2, 1], [2, 2, 2]]},
        {"features": [8, 8, 8], "one_slice": True},
    ],
)
def test_the_network_of_monai_computes_as_ours(changes):
    spec = NetworkSpec.of({"name": "dynunet", "labels": 3, **SMALL, **changes})
    ours = architecture.build(spec, seed=1).eval()
    theirs = monai_network.weighted(ours, spec)
    patch = torch.from_numpy(noise(1, spec.image_channels, 1 if spec.one_slice else 8, 16, 8))
    with torch.no_grad():
        assert torch.allclose(ours(patch), theirs(patch), atol=1e-4)
    assert {type(module).__module__.split(".")[0] for module in theirs.modules()} == {"monai", "torch"}
    assert not any("super" in name for name in theirs.state_dict())


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"name": "attention_unet"}, "found attention_unet, expected one of dynunet, segresnet, unet"),
        ({"name": "deeplabv3plus"}, "network: found deeplabv3plus"),
        ({"upsampling": "pixelshuffle"}, "upsampling: found pixelshuffle, expected transposed"),
        ({"kernels": [[3, 3, 1], [3, 3, 3], [3, 3, 3]]}, "kernels: found 2 of different edges"),
        ({"name": "unet", "norm": "group"}, "norm: found group, expected instance for unet"),
    ],
)
def test_a_network_that_no_class_of_monai_is_is_refused(tmp_path, capsys, changes, fault):
    of = model(tmp_path / "run", changes | {"deep_supervision": 0})
    assert main(["monai-bundle", *of.arguments, "--out", str(tmp_path / "bundle")]) == 1
    said = capsys.readouterr().err
    assert "the network is none of MONAI's" in said
    assert fault in said
    assert "dynunet, segresnet and unet can be written" in said
    assert not (tmp_path / "bundle").exists()


def test_two_bundles_of_a_model_have_the_same_bytes(tmp_path):
    of = model(tmp_path / "run")
    first = written(of, tmp_path / "first")
    second = written(of, tmp_path / "elsewhere" / "of another name")
    names = sorted(path.relative_to(first).as_posix() for path in first.rglob("*") if path.is_file())
    assert names == [
        "LICENSE",
        "configs/inference.json",
        "configs/metadata.json",
        "docs/README.md",
        "models/model.pt",
    ]
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names)


def test_metadata_say_what_goes_in_and_out_and_hash_the_files(tmp_path):
    bundle = written(model(tmp_path / "run"), tmp_path / "bundle")
    metadata = json.loads((bundle / "configs/metadata.json").read_text("utf-8"))
    # what MONAI's specification of a bundle demands
    demanded = {"version", "monai_version", "pytorch_version", "numpy_version", "required_packages_version"}
    demanded |= {"task", "description", "authors", "copyright", "network_data_format"}
    assert demanded <= metadata.keys()
    assert metadata["intended_use"] == "Research software; not for diagnosis."
    assert metadata["run_id"] == json.loads(RUN.read_text("utf-8"))["run_id"]
    output = metadata["network_data_format"]["outputs"]["pred"]
    assert output["channel_def"] == {"0": "background", "1": "anterior", "2": "posterior"}
    assert metadata["network_data_format"]["inputs"]["image"]["channel_def"] == {"0": "image"}
    of_tensor = {"type", "format", "num_channels", "spatial_shape", "dtype", "value_range", "is_patch_data"}
    assert of_tensor <= output.keys()
    assert {"configs/inference.json", "models/model.pt"} < metadata["sha256"].keys()
    for name, sha256 in metadata["sha256"].items():
        assert hashlib.sha256((bundle / name).read_bytes()).hexdigest() == sha256


@pytest.mark.filterwarnings("ignore:parsing config_file", "ignore:Default logging")
def test_monai_loads_the_network_by_the_name_of_the_bundle(tmp_path):
    import monai.bundle

    of = model(tmp_path / "run")
    written(of, tmp_path / "bundle")
    loaded = monai.bundle.load(
        "bundle", bundle_dir=str(tmp_path), workflow_type="inference", source="github", device="cpu"
    )
    patch = torch.from_numpy(noise(1, 1, 8, 16, 8))
    with torch.no_grad():
        assert torch.allclose(loaded.eval()(patch), of.network(patch), atol=1e-4)


def test_a_folder_without_images_is_said(tmp_path):
    bundle = written(model(tmp_path / "run"), tmp_path / "bundle")
    (tmp_path / "images").mkdir()
    with pytest.raises(SystemExit, match="0 images in"):
        predicted(bundle, tmp_path / "images", tmp_path / "predictions")


@pytest.mark.slow
def test_the_readme_alone_leads_to_the_same_labels_without_our_code(tmp_path):
    of = model(tmp_path / "run")
    bundle = written(of, tmp_path / "bundle")
    case = write_case(bundle / "IMAGES", turned("PIR", -25))
    readme = (bundle / "docs/README.md").read_text("utf-8")
    lines = readme.partition("From Python")[2].partition("A config of MONAI")[0].splitlines()[1:]
    code = "\n".join(line.removeprefix("    ") for line in lines)
    code += "\nimport sys\nassert not any(name.startswith('radiotrace') for name in sys.modules)"
    subprocess.run([sys.executable, "-I", "-c", code], cwd=bundle, check=True, capture_output=True)
    assert share_different(bundle / "PREDICTIONS/case_label_map.nii.gz", expected(of, *case)) <= DIFFERENT_MAX


def test_records_of_different_runs_are_refused(tmp_path, capsys):
    of = model(tmp_path / "run")
    record = json.loads((tmp_path / "run/train.json").read_text("utf-8"))
    records.write(tmp_path / "run/train.json", record | {"run_id": "0" * 64}, "train")
    assert main(["monai-bundle", *of.arguments, "--out", str(tmp_path / "bundle")]) == 1
    assert f"found {'0' * 64}, expected {record['run_id']}" in capsys.readouterr().err


def test_weights_of_another_run_are_refused(tmp_path, capsys):
    of = model(tmp_path / "run")
    with open(tmp_path / "run/weights.safetensors", "ab") as file:
        file.write(b" ")
    assert main(["monai-bundle", *of.arguments, "--out", str(tmp_path / "bundle")]) == 1
    assert "was changed after training" in capsys.readouterr().err


def test_a_folder_that_is_no_bundle_is_not_replaced(tmp_path, capsys):
    of = model(tmp_path / "run")
    assert main(["monai-bundle", *of.arguments, "--out", str(tmp_path / "run")]) == 1
    assert "is there and is no MONAI bundle" in capsys.readouterr().err
    assert (tmp_path / "run/train.json").is_file()
