"""Pictures: images of one slice, from their checks to the surfaces of what is found in them."""

import dataclasses

import numpy as np
import pytest
import torch

from radiotrace.imaging import checks, corruptions, volumes
from radiotrace.imaging.channels import named
from radiotrace.inference import windows
from radiotrace.inference.recipe import Recipe
from radiotrace.learning import architecture, grown, numerics, onnx_model
from radiotrace.records.dataset import Case
from radiotrace.records.network import NetworkSpec
from radiotrace.records.sections.validate import ValidateParams
from radiotrace.segmentation import augmentation, dataset, features, robustness, sampling, surfaces
from radiotrace.segmentation.augmentation import Settings
from stages.segmentation import train
from tests import entries, phantoms
from tests.test_train import SETTINGS

pytestmark = pytest.mark.usefixtures("deterministic")

RECIPE = Recipe("LPS", None, phantoms.channels(0, 100), (16, 20, 1), (32, 32, 1), multiple=4)
SPEC = NetworkSpec("dynunet", (8, 16, 32), 3, one_slice=True)
TAKE_ONE_SLICE = ["attention_unet", "deeplabv3plus", "densenet", "dynunet", "unet"]
WILD = Settings(
    affine_share=1,
    rotation_degrees=180,
    scale_min=0.8,
    scale_max=1.2,
    shift_voxels=3,
    foreground_share=0.5,
    intensity=3,
    mirror_axes=("x", "y", "z"),
)


def picture(seed=0):
    """Image and labels (1, y, x) of one slice."""
    labels = phantoms.label_array()[6:7]
    return phantoms.image(phantoms.volume(phantoms.image_array(labels, seed))), labels


def noise(*shape) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


# Networks


@pytest.mark.parametrize("name", TAKE_ONE_SLICE)
def test_a_network_takes_a_slice_at_a_time(name):
    network = architecture.build(dataclasses.replace(SPEC, name=name), seed=0).eval()
    image = noise(3, 1, 1, 16, 24)
    with torch.no_grad():
        logits = network(image)
    assert logits.shape == (3, 3, 1, 16, 24)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("name", TAKE_ONE_SLICE)
def test_slices_know_nothing_of_each_other(name):  # neither pools nor looks along z
    network = architecture.build(dataclasses.replace(SPEC, name=name, norm="instance"), seed=0)
    assert {
        module.kernel_size[0]
        for module in network.modules()
        if isinstance(module, (torch.nn.Conv3d, torch.nn.ConvTranspose3d))
    } == {1}


@pytest.mark.parametrize("name", sorted({*grown.described(architecture.NAMES)} - {*TAKE_ONE_SLICE}))
def test_a_network_that_cannot_take_one_slice_says_which_can(name):
    (fault,) = architecture.faults(dataclasses.replace(SPEC, name=name))
    assert fault == (
        f"train.network: found {name}, expected one of {', '.join(TAKE_ONE_SLICE)} for patches of one slice "
        "(train.patch_voxels)"
    )


def test_pixelshuffle_is_refused_for_one_slice():
    (fault,) = architecture.faults(dataclasses.replace(SPEC, upsampling="pixelshuffle"))
    assert fault.startswith("train.upsampling: found pixelshuffle, expected transposed")


# as tests/test_numerics.py, where z is 2 and oneDNN is wrong; 2^-9 = 0.002 in each factor
@pytest.mark.parametrize("shape", [(1, 3, 3), (1, 20, 16)])
@pytest.mark.parametrize("kind", ["convolution", "pooling", "upsampling"])
def test_one_slice_has_the_same_gradient_in_bf16(shape, kind):
    layers = {
        "convolution": lambda: torch.nn.Conv3d(32, 32, (1, 3, 3), padding=(0, 1, 1)),
        "pooling": lambda: torch.nn.Conv3d(32, 32, (1, 3, 3), (1, 2, 2), (0, 1, 1)),
        "upsampling": lambda: torch.nn.ConvTranspose3d(32, 32, (1, 2, 2), (1, 2, 2)),
    }
    torch.manual_seed(0)
    layer = layers[kind]().to(memory_format=torch.channels_last_3d)
    image = noise(2, 32, *shape).to(memory_format=torch.channels_last_3d)
    gradients = []
    for enabled in (False, numerics.processor_has_bf16()):
        layer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            found = layer(image)
        (found.float() * noise(*found.shape)).sum().backward()
        gradients.append(layer.weight.grad.clone())
    expected, native = gradients
    assert (native - expected).norm() <= 0.01 * expected.norm()


@pytest.mark.parametrize("name", TAKE_ONE_SLICE)
def test_the_released_file_of_one_slice_computes_what_torch_computes(name):
    spec = dataclasses.replace(SPEC, name=name, image_channels=2)
    network = architecture.build(spec, seed=0).eval()
    content = onnx_model.export(network, (1, 4, 4), 20, channels=2, one_slice=True)
    image = noise(2, 2, 1, 20, 24)
    with torch.no_grad():
        assert torch.allclose(onnx_model.network(content, 1)(image), network(image), atol=1e-4)


# Training and inference


def test_a_window_of_one_slice_stays_one():
    assert windows.window((1, 21, 17), RECIPE) == [1, 24, 20]


def test_a_picture_is_predicted_in_one_pass():
    network, image = architecture.build(SPEC, seed=0).eval(), noise(1, 1, 20, 16)
    with torch.no_grad():
        assert torch.allclose(
            windows.predict(image, network, RECIPE), network(image[None])[0], rtol=0, atol=1e-5
        )


def test_a_volume_may_be_predicted_a_slice_at_a_time():
    network, image = architecture.build(SPEC, seed=0).eval(), noise(1, 3, 20, 16)
    found = windows.predict(image, network, RECIPE)
    for number in range(3):
        alone = windows.predict(image[:, number : number + 1], network, RECIPE)
        assert torch.allclose(found[:, number : number + 1], alone, rtol=0, atol=1e-5)


def test_a_picture_keeps_its_one_slice_when_it_is_resampled():
    image, _ = picture()
    turned = image.canonical("LPS", (0.45, 0.55, 1.0))
    assert turned.grid.size_voxels == (36, 44, 1)
    assert turned.grid.spacing_mm == (0.45, 0.55, 1.7)


def test_a_patch_of_one_slice_never_leaves_it():
    labels = picture()[1]
    label = torch.from_numpy(labels)
    values = torch.ones(1, *labels.shape)
    sample = dataset.Sample("a", values, label, dataset.foreground(label, "a"), phantoms.SPACING_XYZ[::-1])
    still = dataclasses.replace(WILD, intensity=0)
    for seed in range(20):
        patch, target = augmentation.draw_patch(sample, (1, 6, 6), 3, still, np.random.default_rng(seed))
        assert patch.shape == (1, 1, 6, 6)
        assert patch.max() == pytest.approx(1, abs=1e-4)
        assert target.sum(0).allclose(torch.ones(1, 6, 6), atol=1e-4)


def test_a_varied_picture_stays_finite():
    image = noise(1, 1, 20, 16)
    for seed in range(20):
        varied = augmentation.vary_intensity(image, 3, np.random.default_rng(seed))
        assert varied.shape == image.shape
        assert torch.isfinite(varied).all()


def test_no_slice_is_added_around_a_picture_at_test_time():
    shown = []

    def network(patch):
        shown.append(patch.shape[2])
        return torch.cat([patch, -patch], 1)

    generators = sampling.generators(0, "augmentation", "a", 3)
    for found in sampling.with_augmentation(noise(1, 1, 21, 17), network, RECIPE, generators, False):
        assert found.shape == (2, 1, 21, 17)
    assert set(shown) == {1}


@pytest.mark.parametrize(
    ("patch", "window", "names"),
    [
        ((16, 20, 1), (32, 32, 1), []),
        ((16, 20, 1), (32, 32, 32), ["train.window_voxels"]),
        ((1, 20, 16), (32, 32, 32), ["train.patch_voxels"]),
        ((16, 20, 12), (32, 32, 1), ["train.window_voxels"]),
    ],
)
def test_one_slice_is_along_z_in_patch_and_window(patch, window, names):
    settings = dataclasses.replace(SETTINGS, patch_voxels=patch, window_voxels=window)
    assert [fault.split(":")[0] for fault in train.shape_faults(settings, (4, 4, 4))] == names


def test_pictures_need_a_patch_of_one_slice():
    described = entries.dataset(entries.case(image={"grid": entries.GRID | {"size_voxels": [18, 22, 1]}}))
    (fault,) = train.slice_faults(dataclasses.replace(SETTINGS, patch_voxels=(16, 20, 12)), described)
    assert fault.endswith("the images have one slice")
    assert train.slice_faults(dataclasses.replace(SETTINGS, patch_voxels=(16, 20, 1)), described) == []


# Checks


LABELS = {"0": "background", "1": "anterior", "2": "posterior"}
LIMITS = ValidateParams(
    size_voxels_min=8,
    size_voxels_max=64,
    spacing_mm_min=0.1,
    spacing_mm_max=10,
    grid_tolerance_mm=0.001,
    grid_tolerance_direction=0.0001,
    every_label=True,
    label_components_max=1,
    outlier_mad=5,
    exclude=(),
)


def sized(number: int, *size_voxels) -> Case:
    """A case of an image of its own, of this size."""
    grid = entries.GRID | {"size_voxels": list(size_voxels)}
    return entries.case(f"case_{number}", image={"grid": grid, "voxels_sha256": f"{number:064x}"})


def test_a_picture_among_volumes_is_an_error():
    cases = [sized(0, 20, 30, 1), sized(1, 20, 30, 40)]
    (finding,) = checks.set_findings(cases, LABELS, LIMITS)
    assert (finding.case_id, finding.check, finding.found) == ("case_0", "size", "20 30 1 voxels")


def test_pictures_alone_are_none():
    assert checks.set_findings([sized(0, 20, 30, 1), sized(1, 22, 30, 1)], LABELS, LIMITS) == []


def test_the_border_of_a_picture_is_in_its_plane():
    assert checks.label_map_findings("a", phantoms.label_array()[6:7], LABELS, LIMITS) == []


def test_a_slice_across_another_axis_has_a_way_out():
    (finding,) = checks.label_map_findings(
        "a", phantoms.label_array()[:, :, 7:8], {"0": "background"}, LIMITS
    )
    assert (finding.check, finding.severity) == ("slice_axis", "error")
    assert finding.found == "one voxel along x, as ingest.orientation turns it"


# Surfaces, features, corruptions


def square(shift_yx=(0, 0)) -> np.ndarray:
    mask = np.zeros((1, 20, 24), bool)
    mask[0, 5 + shift_yx[0] : 11 + shift_yx[0], 6 + shift_yx[1] : 16 + shift_yx[1]] = True
    return mask


def test_the_surface_of_a_picture_is_its_contour():
    """Of 6 x 10 voxels, one two voxels of 0.5 mm to the right: its far edge, 6 of the 28 voxels of the
    contour, is 1 mm from the other, so that the 95th percentile is."""
    found = surfaces.compare(square(), square((0, 2)), (5.0, 2.0, 0.5), 0.1)
    assert found.hausdorff95_mm == pytest.approx(1.0)
    assert 0 < found.boundary_f1 < 1


def test_equal_pictures_have_equal_surfaces():
    found = surfaces.compare(square(), square(), (5.0, 1.0, 1.0), 0.1)
    assert dataclasses.astuple(found) == (0.0, 0.0, 1.0, pytest.approx(1.0))


def test_noise_of_a_picture_is_that_of_its_plane():
    white = np.random.default_rng(0).normal(0, 3, (1, 80, 90))
    assert features.noise(white) == pytest.approx(3, rel=0.05)


def test_no_corruption_needs_slices_that_a_picture_has_not():
    assert set(corruptions.names([named("MRI")])) - set(
        corruptions.names([named("MRI")], one_slice=True)
    ) == {"missing_slices"}


@pytest.mark.parametrize("name", corruptions.names([named("MRI"), named("CT"), named("PET")], one_slice=True))
@pytest.mark.parametrize("stored", ["LPS", "PSL"])  # the slice along z, and along another axis of the file
def test_every_corruption_keeps_a_picture_one(name, stored):
    image, _ = picture()
    volume = phantoms.sitk.DICOMOrient(image.volume(), stored)
    shown = phantoms.image(volume)
    differs = []
    for seed in range(4):
        changed, movement = corruptions.apply_to_channels(name, 5, shown, np.random.default_rng(seed))
        assert changed.values_czyx.shape == shown.values_czyx.shape
        assert np.isfinite(changed.values_czyx).all()
        differs.append(not np.allclose(changed.values_czyx, shown.values_czyx))
        if movement is not None:
            axis = shown.values_czyx[0].shape.index(1)
            matrix, offset = movement
            assert matrix[axis] == pytest.approx(np.eye(3)[axis])
            assert offset[axis] == pytest.approx(0)
    assert any(differs)


def test_a_picture_is_not_shifted_across_its_slice():
    assert robustness.shifts_of((18, 22, 1)) == [(0.5, 0, 0), (0, 0.5, 0), (-1, 0, 0), (0, -1, 0)]
    assert robustness.shifts_of((18, 22, 14)) == list(robustness.SHIFTS_VOXELS)


def test_a_picture_stored_across_x_comes_back_on_its_grid():
    image = picture()[0]
    stored = phantoms.image(phantoms.sitk.DICOMOrient(image.volume(), "SLP"))
    label_map, _ = windows.segment(stored, lambda patch: torch.cat([-patch, patch], 1), RECIPE)
    straight, _ = windows.segment(image, lambda patch: torch.cat([-patch, patch], 1), RECIPE)
    assert volumes.grid(label_map) == volumes.grid(stored.volume())
    back = volumes.canonical(label_map, "LPS", None, is_label_map=True)
    assert np.array_equal(volumes.array_zyx(back), volumes.array_zyx(straight))
