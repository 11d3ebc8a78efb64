"""sliding: in NumPy what windows does with torch and MONAI, and what a stranger does by the record alone."""

import dataclasses
import tracemalloc

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from radiotrace.errors import StageError
from radiotrace.imaging import channels, turning, volumes
from radiotrace.imaging.image import Grid, Image
from radiotrace.inference import onnx_network, released_model, sliding, windows
from radiotrace.inference.recipe import Recipe
from radiotrace.segmentation import features
from radiotrace.statistics import uncertainty
from tests import phantoms, released, stranger

pytestmark = pytest.mark.usefixtures("one_thread")

RECIPE = Recipe(
    orientation="LPS",
    spacing_mm=None,
    channels=phantoms.channels(),
    patch_voxels=(16, 24, 20),
    window_voxels=(32, 32, 32),
    multiple=8,
    logit_offsets=(0.0, 0.3, -0.2),
)


def network(patch: np.ndarray) -> np.ndarray:
    """What it gives depends on the place in the window, so that no window may lie elsewhere."""
    along = np.cumsum(patch, -1) * 0.1 + np.arange(patch.shape[-1]) * 0.01
    down = np.cumsum(patch, 2) * 0.1
    return np.concatenate([along, down - 0.3, -along * down], 1).astype(np.float32)


def in_torch(patch: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(network(patch.numpy()))


def noise(*shape) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32)


@pytest.mark.parametrize(
    "shape",
    [(71, 93, 65), (37, 51, 35), (33, 129, 40), (5, 200, 3), (16, 24, 20), (8, 8, 8), (31, 32, 33)],
    ids=lambda shape: "x".join(map(str, shape)),
)
def test_logits_are_those_of_windows(shape):
    image = noise(*shape)
    expected = windows.predict(torch.from_numpy(image), in_torch, RECIPE).numpy()
    found = sliding.logits_of(image, network, RECIPE)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 1e-5


@pytest.mark.parametrize("patch", [(16, 24, 1), (8, 8, 8), (40, 40, 40)])
def test_windows_have_the_same_edges(patch):
    recipe = dataclasses.replace(RECIPE, patch_voxels=patch, multiple=(8, 4, 2))
    for shape in ((5, 200, 3), (37, 51, 35), (64, 9, 31)):
        assert list(sliding.window(shape, recipe)) == windows.window(shape, recipe)


def test_rows_that_nobody_copies_are_overwritten_and_logits_of_copies_them():
    image = noise(70, 33, 31)
    copies = [logits.copy() for logits in sliding.slabs(image, network, RECIPE)]
    assert np.array_equal(np.concatenate(copies, axis=1), sliding.logits_of(image, network, RECIPE))


def test_an_expected_loss_takes_less_memory_than_the_logits_of_which_it_is():
    logits = np.random.default_rng(0).normal(size=(8, 32, 64, 64)).astype(np.float32)
    tracemalloc.start()
    try:
        labels = sliding._ExpectedLoss().add(logits)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < logits.nbytes  # float64 of all rows would be twice as many bytes, and needed several times
    assert labels.dtype == np.uint8
    assert np.array_equal(labels, logits.argmax(0))


def test_slabs_hold_no_more_rows_than_windows_leave():
    image = noise(100, 40, 33)
    rows = [logits.shape[1] for logits in sliding.slabs(image, network, RECIPE)]
    assert sum(rows) == 100
    assert max(rows) == 32  # an edge of the window
    assert rows[:-1] == [16] * (len(rows) - 2) + [100 - 32 - 16 * (len(rows) - 2)]


GEOMETRIES = pytest.mark.parametrize(
    ("orientation", "degrees"), [("LPS", 0), ("RAS", 10), ("PIR", -25), ("SAL", 40)]
)
SPACINGS = pytest.mark.parametrize("spacing_mm", [None, (1.0, 1.0, 1.0), (0.5, 2.0, 1.7)])


def turned(orientation: str, degrees: float) -> sitk.Image:
    array = phantoms.image_array(phantoms.label_array(), 3)
    return sitk.DICOMOrient(phantoms.volume(array, direction=phantoms.rotation(degrees)), orientation)


@GEOMETRIES
@SPACINGS
def test_label_maps_are_those_of_windows_in_any_geometry(orientation, degrees, spacing_mm):
    volume = turned(orientation, degrees)
    recipe = dataclasses.replace(RECIPE, spacing_mm=spacing_mm)
    image = phantoms.image(volume)
    expected, logits = windows.segment(image, in_torch, recipe)
    found = sliding.label(image, network, recipe)
    assert volumes.grid(found.label_map) == volumes.grid(volume)
    assert found.label_map.GetPixelID() == sitk.sitkUInt8
    different = volumes.array_zyx(found.label_map) != volumes.array_zyx(expected)
    assert different.mean() <= 1e-4
    of_output = features.of_output(
        logits.argmax(0), (1, 1, 1), logits, {"0": "background", "1": "a", "2": "b"}
    )
    assert found.expected_dice_loss == pytest.approx(of_output[uncertainty.SCORE], abs=1e-5)


def test_a_case_of_which_no_label_wins_expects_no_loss():
    nothing = sliding.label(
        phantoms.image(turned("LPS", 0)),
        lambda patch: np.stack([np.full(patch.shape[2:], value, np.float32) for value in (9, 0, 0)])[None],
        RECIPE,
    )
    assert nothing.expected_dice_loss == 0
    assert volumes.array_zyx(nothing.label_map).max() == 0


def test_an_image_of_other_channels_is_refused():
    volume = turned("LPS", 0)
    image = Image.of([volume, volume], [channels.named("T2"), channels.named("ADC")])
    with pytest.raises(StageError, match="other channels than the model takes"):
        sliding.label(image, network, RECIPE)


@GEOMETRIES
def test_axes_of_a_grid_are_found_as_they_are_turned(orientation, degrees):
    volume = turned(orientation, degrees)
    for asked in ("LPS", "RAS", "SPL"):
        grid = Grid.of(sitk.DICOMOrient(volume, asked))
        assert turning.along(volume.GetSpacing(), volume.GetDirection(), asked) == grid.spacing_mm
        assert turning.along(volume.GetSize(), volume.GetDirection(), asked) == grid.size_voxels


def test_turning_back_moves_nothing():
    volume = turned("PIR", -25)
    marks = sitk.Cast(volume > 50, sitk.sitkUInt8)
    there = turning.back(sitk.DICOMOrient(marks, "RAS"), Grid.of(volume))
    assert np.array_equal(volumes.array_zyx(there), volumes.array_zyx(marks))
    assert volumes.grid(there) == volumes.grid(volume)


@GEOMETRIES
@SPACINGS
def test_a_stranger_with_the_record_alone_gets_the_same_labels(tmp_path, orientation, degrees, spacing_mm):
    folder = released.write(
        tmp_path / "model",
        preprocessing={"spacing_mm": spacing_mm, "patch_voxels": [8, 16, 8], "window_voxels": [16, 16, 24]},
    )
    volume = turned(orientation, degrees)
    sitk.WriteImage(volume, str(tmp_path / "image.nii.gz"))
    theirs = stranger.predicted(folder, tmp_path / "image.nii.gz")
    model = released_model.opened(folder)
    ours = sliding.label(
        phantoms.image(volume), onnx_network.of(folder / "model.onnx", 1), model.recipe
    ).label_map
    assert (volumes.array_zyx(theirs) != volumes.array_zyx(ours)).mean() <= 2e-4
    assert len(np.unique(volumes.array_zyx(ours))) == 3


def test_a_stranger_takes_channels_and_intensities_of_a_run_as_the_record_says(tmp_path):
    intensities = {"low": 10.0, "high": 110.0, "mean": 40.0, "sd": 20.0}
    of_channels = [
        {"name": "T2", "modality": "MRI", "clip_percentiles": [0, 100]},
        {"name": "CT", "modality": "CT", "clip_percentiles": [0.5, 99.5], "intensities": intensities},
    ]
    folder = released.write(tmp_path / "model", channels=2)
    record = folder / "model.json"
    text = record.read_text("utf-8")
    changed = stranger.json.loads(text)
    changed["preprocessing"] |= {"channels": of_channels}
    del changed["preprocessing"]["clip_percentiles"]
    changed["network"]["image_channels"] = 2
    changed["learnt_from"]["intensity"] *= 2
    record.write_text(stranger.json.dumps(changed), "utf-8")
    of_files = [turned("RAS", 10), turned("RAS", 10) * 2]
    paths = [tmp_path / f"image_{number}.nii.gz" for number in range(2)]
    for volume, path in zip(of_files, paths, strict=True):
        sitk.WriteImage(volume, str(path))
    model = released_model.opened(folder)
    image = Image.of(of_files, model.recipe.channels)
    ours = sliding.label(image, onnx_network.of(folder / "model.onnx", 1), model.recipe).label_map
    theirs = stranger.predicted(folder, *paths)
    assert (volumes.array_zyx(theirs) != volumes.array_zyx(ours)).mean() <= 2e-4
