"""augmentation: where every voxel of a patch comes from, and what may happen to its intensity."""

import numpy as np
import pytest
import torch

from radiotrace.learning import order
from radiotrace.pipeline import randomness
from radiotrace.segmentation import augmentation, dataset
from radiotrace.segmentation.augmentation import Settings
from tests import phantoms

pytestmark = pytest.mark.usefixtures("one_thread")

STILL = {
    "affine_share": 0,
    "rotation_degrees": 20,
    "scale_min": 0.8,
    "scale_max": 1.3,
    "shift_voxels": 0,
    "foreground_share": 0,
    "intensity": 0,
    "mirror_axes": [],
}
WILD = STILL | {
    "affine_share": 1,
    "rotation_degrees": 180,
    "shift_voxels": 4,
    "foreground_share": 0.5,
    "intensity": 3,
}
SPACING_ZYX = phantoms.SPACING_XYZ[::-1]


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def phantom() -> tuple[torch.Tensor, torch.Tensor]:
    label = phantoms.label_array()
    return torch.from_numpy(phantoms.image_array(label, seed=3, scale=1.0)), torch.from_numpy(label)


def sample(image, label, spacing_zyx=SPACING_ZYX) -> dataset.Sample:
    return dataset.Sample("phantom", image[None], label, dataset.foreground(label, "phantom"), spacing_zyx)


def shares(image, label, patch_zyx, rng, spacing_zyx=SPACING_ZYX, **settings):
    """A patch and the share of each of three labels in its voxels."""
    return augmentation.draw_patch(
        sample(image, label, spacing_zyx), patch_zyx, 3, Settings(**STILL | settings), rng
    )


def draw(*args, **settings):
    """A patch and the label that has most of each voxel."""
    image, target = shares(*args, **settings)
    return image, target.argmax(0, keepdim=True).to(torch.uint8)


def box(shape_zyx, *edges) -> torch.Tensor:
    """A box of ones, uint8, between (start, stop) along z, y, x."""
    found = torch.zeros(shape_zyx, dtype=torch.uint8)
    found[tuple(slice(*edge) for edge in edges)] = 1
    return found


class Far:
    """A generator that puts the centre at the far corner, and shifts it by the largest shift along each
    axis."""

    def random(self):
        return 0.5

    def uniform(self, low, high, size=None):
        return 30 * np.ones(3) if size == 3 else high


class Turned:
    """A generator that turns by the largest angle about one axis, or about none, and draws the lowest of
    everything else."""

    def __init__(self, axis):
        self.axis = axis

    def random(self):
        return 0.0

    def uniform(self, low, high, size=None):
        return np.eye(3)[self.axis] if size == 3 else low


def test_without_augmentation_a_patch_of_the_image_size_is_the_image(rng):
    image, label = phantom()
    assert torch.allclose(draw(image, label, tuple(image.shape), rng)[0][0], image, rtol=0, atol=1e-5)


def test_without_augmentation_a_patch_of_the_image_size_is_the_label_map(rng):
    image, label = phantom()
    assert torch.equal(draw(image, label, tuple(image.shape), rng)[1][0], label)


# an image of ones: a 0 would come from outside
def test_a_small_patch_lies_inside_the_image(rng):
    ones = torch.ones(9, 14, 11)
    assert all(draw(ones, ones.to(torch.uint8), (8, 6, 5), rng)[1].min() == 1 for _ in range(50))


def test_a_patch_larger_than_the_image_has_it_in_the_middle(rng):
    # 14 x 22 x 18 in 20 x 24 x 26: 3, 1 and 4 voxels on each side
    image, label = phantom()
    patch = draw(image, label, (20, 24, 26), rng)[0][0]
    assert torch.allclose(patch[3:17, 1:23, 4:22], image, rtol=0, atol=1e-5)


def test_a_patch_larger_than_the_image_is_0_outside(rng):
    image, label = phantom()
    patch = draw(image + 5, label, (20, 24, 26), rng)[0][0]
    patch[3:17, 1:23, 4:22] = 0
    # float32 rounding of positions on the border, times 5
    assert patch.abs().max() < 1e-4


def test_a_scale_of_2_doubles_a_box(rng):
    # 4 x 6 x 2 voxels in the middle become 8 x 12 x 4
    label = box((16, 20, 12), (6, 10), (7, 13), (5, 7))
    patch = draw(
        label.float(), label, (16, 20, 12), rng, affine_share=1, rotation_degrees=0, scale_min=2, scale_max=2
    )[1][0]
    expected = box((16, 20, 12), (4, 12), (4, 16), (4, 8))
    # at a corner its share is 0.75^3 = 0.42, and the background has more
    expected[4:12:7, 4:16:11, 4:8:3] = 0
    assert torch.equal(patch, expected)


# Spacing z 2.0, y 0.5, x 1.0 mm; a quarter turn maps a patch offset to an image offset, in mm:
# about z: (y, x) of the image = (-x, y) of the patch; about y: (z, x) = (-x, z); about x: (z, y) = (-y, z).
@pytest.mark.parametrize(
    ("axis", "image_offset", "patch_offset"),
    [
        (0, (0, 4, 0), (0, 0, -2)),  # 4 x 0.5 mm along y are 2 x 1 mm along -x
        (0, (0, 0, 2), (0, 4, 0)),  # 2 x 1 mm along x are 4 x 0.5 mm along y
        (1, (1, 0, 0), (0, 0, -2)),  # 1 x 2 mm along z are 2 x 1 mm along -x
        (1, (0, 0, 2), (1, 0, 0)),
        (2, (1, 0, 0), (0, -4, 0)),  # 1 x 2 mm along z are 4 x 0.5 mm along -y
        (2, (0, 4, 0), (1, 0, 0)),
    ],
    ids=["z from y", "z from x", "y from z", "y from x", "x from z", "x from y"],
)
def test_a_quarter_turn_is_a_quarter_turn_in_mm(axis, image_offset, patch_offset):
    image = torch.zeros(7, 11, 9)
    image[tuple(np.add((3, 5, 4), image_offset))] = 1
    patch = draw(
        image,
        image.to(torch.uint8),
        (7, 11, 9),
        Turned(axis),
        (2.0, 0.5, 1.0),
        affine_share=1,
        rotation_degrees=90,
        scale_min=1,
        scale_max=1,
    )[0][0]
    assert np.unravel_index(patch.argmax().item(), patch.shape) == tuple(np.add((3, 5, 4), patch_offset))


def test_nothing_is_ever_mirrored(rng):
    assert all(
        np.linalg.det(augmentation._matrix(Settings(**WILD), SPACING_ZYX, (8, 8, 8), rng)) > 0
        for _ in range(200)
    )


def test_volumes_change_by_the_scale_alone(rng):  # a rotation keeps volumes; 1.25^-3 = 0.512
    settings = WILD | {"scale_min": 1.25, "scale_max": 1.25}
    assert np.linalg.det(
        augmentation._matrix(Settings(**settings), SPACING_ZYX, (8, 8, 8), rng)
    ) == pytest.approx(0.512)


# every voxel value is another; no interpolated one is among them
def test_an_affine_share_of_0_cuts_at_whole_voxels(rng):
    image = torch.arange(12 * 16 * 14, dtype=torch.float32).reshape(12, 16, 14)
    patch = draw(image, torch.zeros(12, 16, 14, dtype=torch.uint8), (8, 6, 10), rng, shift_voxels=1.7)[0]
    start = np.unravel_index(int(patch[0, 4, 3, 5]), image.shape) - np.array([4, 3, 5])
    seen = tuple(slice(max(0, edge), edge + size) for edge, size in zip(start, (8, 6, 10), strict=True))
    assert torch.equal(patch[patch != 0], image[seen][image[seen] != 0])


def test_a_patch_far_outside_is_0_and_background(rng):
    image, target = shares(
        torch.ones(8, 9, 7), torch.ones(8, 9, 7, dtype=torch.uint8), (4, 4, 4), Far(), shift_voxels=1
    )
    assert (image.abs().max(), target[0].min()) == (0, 1)


def test_shares_of_a_voxel_sum_to_1(rng):
    image, label = phantom()
    assert all(
        torch.allclose(
            shares(image, label, (12, 20, 16), rng, **WILD)[1].sum(0), torch.tensor(1.0), atol=1e-5
        )
        for _ in range(20)
    )


# one voxel, twice as large: its centre lies 1/4 voxel from the 8 nearest, 0.75^3
def test_a_label_share_is_interpolated(rng):
    label = box((9, 9, 9), (4, 5), (4, 5), (4, 5))
    target = shares(
        label.float(), label, (10, 10, 10), rng, affine_share=1, rotation_degrees=0, scale_min=2, scale_max=2
    )[1]
    assert target[1].max().item() == pytest.approx(0.75**3, abs=1e-5)


def test_only_the_box_that_is_reached_is_sampled_and_nothing_is_lost(rng):
    image, label = phantom()
    for _ in range(20):
        centre, matrix = (
            rng.uniform(4, 12, 3),
            augmentation._matrix(Settings(**WILD), SPACING_ZYX, (8, 8, 8), rng),
        )
        found, _ = augmentation._resampled(sample(image, label), (7, 9, 8), 3, centre, matrix)
        whole = augmentation._sampling_grid(centre, matrix, (7, 9, 8), image.shape)
        expected = torch.nn.functional.grid_sample(
            image[None, None], whole, "bilinear", "zeros", align_corners=True
        )[0]
        assert torch.allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize(("axis", "dimension"), [("x", 3), ("y", 2), ("z", 1)])
def test_a_mirrored_patch_is_the_patch_flipped_along_that_axis(axis, dimension):
    image, label = phantom()
    rng = [np.random.default_rng(seed) for seed in range(12)]
    plain = [shares(image, label, (12, 20, 16), np.random.default_rng(seed)) for seed in range(12)]
    found = [shares(image, label, (12, 20, 16), one, mirror_axes=[axis]) for one in rng]
    flipped = [
        all(torch.equal(one, other.flip(dimension)) for one, other in zip(*pair, strict=True))
        for pair in zip(found, plain, strict=True)
    ]
    assert 0 < sum(flipped) < 12


def test_image_and_label_map_move_together(rng):  # the image is the label map
    label = box((20, 26, 22), (6, 15), (5, 19), (7, 17))
    settings = WILD | {"intensity": 0, "shift_voxels": 2}
    for _ in range(10):
        image, moved = draw(label.float(), label, (20, 24, 20), rng, **settings)
        inside, outside = image > 0.95, image < 0.05
        assert inside.sum() > 500
        assert moved[inside].min() == 1
        assert moved[outside].max() == 0


def test_a_foreground_share_of_1_centres_on_a_labelled_voxel(rng):
    label = box((40, 50, 44), (20, 22), (30, 33), (25, 26))  # 6 of 88 000 voxels
    settings = WILD | {"foreground_share": 1, "shift_voxels": 0}
    assert all(draw(label.float(), label, (9, 11, 7), rng, **settings)[1][0, 4, 5, 3] == 1 for _ in range(20))


# 1 voxel of label 2, 1 000 of label 1; half of 200, SD 7
def test_rare_labels_are_centred_on_as_often_as_common_ones(rng):
    label = box((30, 32, 34), (5, 15), (5, 15), (5, 15))
    label[25, 26, 27] = 2
    centres = [
        augmentation._centre(
            sample(label.float(), label),
            (4, 4, 4),
            Settings(**STILL | {"foreground_share": 1}),
            rng,
        )
        for _ in range(200)
    ]
    assert 70 < sum(np.array_equal(centre, (25, 26, 27)) for centre in centres) < 130


def test_a_case_without_labels_still_gives_a_patch(rng):
    image = torch.rand(12, 16, 14)
    assert draw(image, torch.zeros(12, 16, 14, dtype=torch.uint8), (8, 6, 10), rng, foreground_share=1)[
        0
    ].shape == (1, 8, 6, 10)


def test_a_shift_is_at_most_shift_voxels_along_each_axis(rng):
    empty = sample(torch.zeros(10, 12, 14), torch.zeros(10, 12, 14, dtype=torch.uint8))
    centres = [
        augmentation._centre(empty, (10, 12, 14), Settings(**STILL | {"shift_voxels": 3}), rng)
        for _ in range(200)
    ]
    assert 2.5 < np.abs(np.subtract(centres, (4.5, 5.5, 6.5))).max() <= 3


def test_one_generator_seed_gives_one_patch():
    image, label = phantom()
    first, second = (
        draw(image, label, (12, 20, 16), randomness.generator(0, order.SAMPLE, 1, "a"), **WILD)
        for _ in range(2)
    )
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


def test_another_epoch_gives_another_patch():
    image, label = phantom()
    first, second = (
        draw(image, label, (12, 20, 16), randomness.generator(0, order.SAMPLE, epoch, "a"), **WILD)
        for epoch in (1, 2)
    )
    assert not torch.equal(first[0], second[0])


def test_patches_and_shares_are_float32(rng):
    image, label = phantom()
    assert [part.dtype for part in shares(image, label, (8, 8, 8), rng, **WILD)] == [
        torch.float32,
        torch.float32,
    ]


def test_everything_at_once_stays_finite(rng):
    image, label = phantom()
    assert all(draw(image, label, (16, 20, 12), rng, **WILD)[0].isfinite().all() for _ in range(30))


def test_a_constant_image_stays_finite(rng):
    image, label = torch.zeros(14, 22, 18), phantom()[1]
    assert all(draw(image, label, (12, 20, 16), rng, **WILD)[0].isfinite().all() for _ in range(30))


def test_intensity_0_leaves_the_image_untouched(rng):
    image = phantom()[0][None]
    assert all(torch.equal(augmentation.vary_intensity(image, 0, rng), image) for _ in range(20))


def test_intensity_does_not_write_into_its_input(rng):
    image, _ = phantom()
    before = image.clone()
    for _ in range(20):
        augmentation.vary_intensity(image[None], 3, rng)
    assert torch.equal(image, before)


def test_gamma_keeps_mean_and_sd():
    image = phantom()[0][None]
    bent = augmentation._gamma(image, 1.5)
    assert (bent.mean().item(), bent.std().item()) == pytest.approx(
        (image.mean().item(), image.std().item()), rel=1e-4
    )


def test_gamma_keeps_the_order_of_intensities():
    image = torch.linspace(-2, 3, 60).reshape(1, 3, 4, 5)
    assert (augmentation._gamma(image, 0.7).flatten().diff() > 0).all()


def test_blur_keeps_a_constant_image():
    assert torch.allclose(
        augmentation._blur(torch.full((1, 8, 9, 10), 3.0), 1.0), torch.tensor(3.0), atol=1e-5
    )


@pytest.fixture
def blurred_impulse():
    image = torch.zeros(1, 9, 11, 13)  # the kernel of 7 voxels stays inside
    image[0, 4, 5, 6] = 1
    return augmentation._blur(image, 0.8)[0]


def test_blur_keeps_the_sum_of_an_impulse(blurred_impulse):
    assert blurred_impulse.sum().item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("neighbour", [(5, 5, 6), (4, 6, 6), (4, 5, 7)], ids=["z", "y", "x"])
# one voxel off: exp(-1 / (2·0.8²)) = 0.457833
def test_blur_is_gaussian_along_each_axis(blurred_impulse, neighbour):
    assert (blurred_impulse[neighbour] / blurred_impulse[4, 5, 6]).item() == pytest.approx(0.457833, abs=1e-5)


def test_low_resolution_keeps_the_size():
    assert augmentation._low_resolution(torch.rand(1, 7, 9, 12), 0.5).shape == (1, 7, 9, 12)


def test_low_resolution_keeps_a_constant_image():
    assert torch.allclose(
        augmentation._low_resolution(torch.full((1, 7, 9, 12), 3.0), 0.6), torch.tensor(3.0)
    )
