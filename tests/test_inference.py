"""inference: a network that is right gives the phantom's own boxes, in every geometry."""

import dataclasses

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from radiotrace.imaging import volumes
from radiotrace.inference import windows
from radiotrace.inference.recipe import Recipe
from radiotrace.learning import architecture
from radiotrace.records.network import NetworkSpec
from radiotrace.segmentation import metrics
from tests import phantoms

pytestmark = pytest.mark.usefixtures("one_thread")

RECIPE = Recipe(
    orientation="LPS",
    spacing_mm=None,
    channels=phantoms.channels(0, 100),
    patch_voxels=(8, 8, 8),
    window_voxels=(32, 32, 32),
    multiple=4,
)
NETWORK = NetworkSpec("dynunet", (4, 8, 8), 3)


def phantom(orientation: str, degrees: float = 10, labels=None) -> tuple[sitk.Image, sitk.Image]:
    """An image without noise, of intensities 0.2, 1.0 and 0.7 for labels 0, 1 and 2, and its label map."""
    labels = phantoms.label_array() if labels is None else labels
    image = np.choose(labels, [0.2, 1.0, 0.7]).astype(np.float32)
    return tuple(
        sitk.DICOMOrient(phantoms.volume(array, direction=phantoms.rotation(degrees)), orientation)
        for array in (image, labels)
    )


def thresholds(image: sitk.Image):
    """A network that undoes the normalisation and tells the labels of `phantom` apart by their intensity."""
    values = volumes.array_zyx(image).astype(float)
    mean, deviation = values.mean(), values.std()

    def network(patch):
        intensity = patch[:, 0] * deviation + mean
        label = torch.where(intensity > 0.85, 1, torch.where(intensity > 0.45, 2, 0))
        return 20 * torch.nn.functional.one_hot(label, 3).movedim(-1, 1).float()

    return network


def pointwise(patch):
    return torch.cat([patch, patch**2 - 1, 2 - 3 * patch], 1)


def noise(*shape_zyx) -> torch.Tensor:
    return torch.randn((1, *shape_zyx), generator=torch.Generator().manual_seed(0))


GEOMETRIES = pytest.mark.parametrize(
    ("orientation", "degrees"), [("LPS", 0), ("RAS", 10), ("PIR", -25), ("SAL", 40)]
)


@GEOMETRIES
def test_segment_finds_the_boxes_in_any_geometry(orientation, degrees):
    image, label_map = phantom(orientation, degrees)
    assert np.array_equal(
        volumes.array_zyx(windows.segment(phantoms.image(image), thresholds(image), RECIPE)[0]),
        volumes.array_zyx(label_map),
    )


@GEOMETRIES
def test_segment_answers_on_the_grid_of_the_volume(orientation, degrees):
    image, _ = phantom(orientation, degrees)
    assert volumes.grid(windows.segment(phantoms.image(image), thresholds(image), RECIPE)[0]) == volumes.grid(
        image
    )


def test_segment_gives_uint8():
    image, _ = phantom("LPS")
    assert windows.segment(phantoms.image(image), thresholds(image), RECIPE)[0].GetPixelID() == sitk.sitkUInt8


def test_segment_gives_logits_on_the_canonical_grid():  # PIR stores (y, z, x) of LPS
    image, _ = phantom("PIR")
    assert windows.segment(phantoms.image(image), thresholds(image), RECIPE)[1].shape == (
        3,
        *phantoms.SIZE_XYZ[::-1],
    )


def test_segment_takes_integers():
    image, label_map = phantom("RAS")
    scaled = sitk.Cast(image * 1000, sitk.sitkInt16)
    assert np.array_equal(
        volumes.array_zyx(windows.segment(phantoms.image(scaled), thresholds(image), RECIPE)[0]),
        volumes.array_zyx(label_map),
    )


def large_box() -> np.ndarray:
    labels = np.zeros(phantoms.SIZE_XYZ[::-1], np.uint8)
    # 8 x 12 x 10 voxels of 1.7, 1.1, 0.9 mm; its threshold is half-way
    labels[3:11, 5:17, 4:14] = 2
    return labels


@pytest.fixture(scope="module")
def resampled():
    """A large box in RAS, oblique, segmented at 1 mm; the label map and what is found."""
    image, label_map = phantom("RAS", labels=large_box())
    return label_map, windows.segment(
        phantoms.image(image), thresholds(image), dataclasses.replace(RECIPE, spacing_mm=(1.0, 1.0, 1.0))
    )


def test_segment_at_another_spacing_answers_on_the_grid_of_the_volume(resampled):
    assert volumes.grid(resampled[1][0]) == volumes.grid(resampled[0])


# 18 x 0.9 = 16.2, 22 x 1.1 = 24.2, 14 x 1.7 = 23.8 mm
def test_segment_at_another_spacing_works_on_that_spacing(resampled):
    assert resampled[1][1].shape[1:] == (24, 24, 16)


def test_segment_at_another_spacing_finds_the_box(resampled):
    # Off by at most half a voxel of 1 mm on all sides of 9 x 13.2 x 13.6 mm: (8 x 12.2 x 12.6) / mean with (9
    # x 13.2 x 13.6) = 0.86.
    reference, found = (volumes.array_zyx(one) == 2 for one in (resampled[0], resampled[1][0]))
    assert metrics.dice(reference, found) > 0.86


def test_segment_of_odd_sizes_answers_on_the_grid_of_the_volume():
    image = phantoms.volume(noise(13, 17, 11)[0].numpy())
    label_map, _ = windows.segment(phantoms.image(image), architecture.build(NETWORK, 0).eval(), RECIPE)
    assert volumes.grid(label_map) == volumes.grid(image)


def test_predict_in_one_pass_is_the_network():
    image, network = noise(16, 20, 12), architecture.build(NETWORK, 0).eval()
    with torch.no_grad():
        assert torch.allclose(
            windows.predict(image, network, RECIPE), network(image[None])[0], rtol=0, atol=1e-5
        )


def test_predict_in_windows_is_one_pass_for_a_pointwise_network():
    image = noise(21, 26, 18)
    windowed = windows.predict(image, pointwise, dataclasses.replace(RECIPE, window_voxels=(8, 16, 12)))
    assert torch.allclose(windowed, pointwise(image[None])[0], rtol=0, atol=1e-5)


def seen(image, spec) -> list[torch.Tensor]:
    """What goes through the network."""
    found = []

    def network(patch):
        found.append(patch.clone())
        return patch

    windows.predict(image, network, spec)
    return found


# z: 10 -> 12 of 32; y: 17 -> 20 of 24; x: 30 -> 16, in windows
def test_predict_shrinks_the_window_to_the_image():
    patches = seen(noise(10, 17, 30), dataclasses.replace(RECIPE, window_voxels=(16, 24, 32)))
    assert {tuple(patch.shape) for patch in patches} == {(1, 1, 12, 20, 16)}


def test_predict_does_not_shrink_the_window_below_a_patch_and_centres_the_image():
    # x: 13 -> 16; y: 17 -> 20; z: 10 -> 12
    (patch,) = seen(torch.ones(1, 10, 17, 13), dataclasses.replace(RECIPE, patch_voxels=(16, 20, 12)))
    assert patch[0, 0, 1:11, 1:18, 1:14].sum() == patch.sum() == 10 * 17 * 13
    assert patch.shape == (1, 1, 12, 20, 16)


def test_predict_goes_through_no_less_than_a_patch_where_the_window_is_smaller():
    patches = seen(
        noise(40, 40, 40), dataclasses.replace(RECIPE, patch_voxels=(16, 24, 20), window_voxels=(8, 8, 8))
    )
    assert {tuple(patch.shape) for patch in patches} == {(1, 1, 20, 24, 16)}


def test_predict_adds_zeros():
    (patch,) = seen(torch.ones(1, 10, 17, 13), RECIPE)
    assert patch.sum() == 10 * 17 * 13


def test_predict_adds_the_offsets_of_balanced_volumes():
    plain, shifted = (
        windows.predict(torch.ones(1, 8, 8, 8), lambda image: torch.cat([image, -image], 1), spec)
        for spec in (RECIPE, dataclasses.replace(RECIPE, logit_offsets=(0.0, -0.25)))
    )
    assert torch.equal(shifted - plain, torch.tensor([0, -0.25]).view(2, 1, 1, 1).expand(2, 8, 8, 8))


def test_predict_gives_float32():
    assert windows.predict(noise(8, 8, 8), lambda patch: patch.bfloat16(), RECIPE).dtype == torch.float32


# 4 -> 2 -> 1: instance norm takes no single voxel
def test_predict_takes_an_image_that_the_network_halves_to_one_voxel():
    network = architecture.build(NETWORK, 0).eval()
    assert windows.predict(noise(4, 4, 4), network, RECIPE).shape == (3, 4, 4, 4)


@pytest.mark.parametrize(
    "changes",
    [{}, {"patch_voxels": (16, 20, 12)}, {"patch_voxels": (14, 25, 17)}],
    ids=["rounded", "patch", "odd"],
)
def test_one_pass_is_what_predict_hands_to_the_network(changes):
    image, spec = noise(10, 17, 13), dataclasses.replace(RECIPE, **changes)
    (expected,) = seen(image, spec)
    assert torch.equal(windows.one_pass(image, spec, (0, 0, 0))[0], expected[0])


def test_one_pass_of_an_image_that_fits_has_all_of_it():
    image = noise(10, 17, 13)
    patch, part, inside = windows.one_pass(
        image, dataclasses.replace(RECIPE, patch_voxels=(16, 20, 12)), (9, 0, 4)
    )
    assert torch.equal(image[0][part], image[0])
    assert torch.equal(patch[0][inside], image[0])


# z: 10 becomes 12, 1 before and 1 behind; y: 40 > 24, around 30 18 … 42 is moved back to 16 … 40; x: 30 > 16,
# 8 … 24 around 16.
def test_one_pass_of_a_larger_image_is_the_window_around_a_place():
    image = noise(10, 40, 30)
    patch, part, inside = windows.one_pass(
        image, dataclasses.replace(RECIPE, window_voxels=(16, 24, 32)), (5, 30, 16)
    )
    assert part == (slice(0, 10), slice(16, 40), slice(8, 24))
    assert inside == (slice(1, 11), slice(0, 24), slice(0, 16))
    assert patch.shape == (1, 12, 24, 16)
    assert torch.equal(patch[0][inside], image[0][part])


def test_one_pass_does_not_leave_the_image():
    _, part, _ = windows.one_pass(
        noise(40, 40, 40), dataclasses.replace(RECIPE, window_voxels=(16, 16, 16)), (0, 39, 20)
    )
    assert part == (slice(0, 16), slice(24, 40), slice(12, 28))


@pytest.mark.parametrize(
    "shape",
    [(14, 22, 18), (20, 40, 37), (5, 6, 7)],
    ids=["one window", "several windows", "smaller than a patch"],
)
def test_with_a_gradient_the_logits_are_the_same(shape):
    network, image = (
        architecture.build(NETWORK, seed=1).eval(),
        torch.randn((1, *shape), generator=torch.Generator().manual_seed(0)),
    )
    spec = dataclasses.replace(RECIPE, logit_offsets=(0.5, 0, -1))
    image.requires_grad_()
    found = windows.differentiable(image, network, spec)
    assert found.detach().equal(windows.predict(image.detach(), network, spec))
    found.sum().backward()
    assert image.grad.abs().max() > 0
