"""features: known noise, known boxes, in awkward geometry."""

import numpy as np
import pytest
import SimpleITK as sitk

from radiotrace.segmentation import features
from tests import phantoms

LABELS = {"0": "background", "1": "anterior", "2": "posterior"}
SPACING_ZYX = phantoms.SPACING_XYZ[::-1]
SURE = np.array([0.0, -50.0, -50.0])


def white(sd: float, seed=0, shape=(24, 30, 36)) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, sd, shape)


def logits_of(label_zyx: np.ndarray, height=50.0) -> np.ndarray:
    """Logits of a network that is as sure of these labels as the height says."""
    return np.stack([height * (label_zyx == value) for value in range(3)]).astype(np.float32)


@pytest.mark.parametrize("sd", [0.01, 1.0, 250.0])
# 21 000 values, 27 of which share voxels: about 3 % at most
def test_the_sd_of_white_noise_is_found(sd):
    assert features.noise(white(sd)) == pytest.approx(sd, rel=0.03)


@pytest.mark.parametrize("seed", range(3))
# straight along at least one axis everywhere
def test_ramps_and_products_of_two_ramps_are_no_noise(seed):
    z, y, x = np.mgrid[:24, :30, :36]
    structure = 3.0 * x + 40 * y - 7 * z + 0.3 * x * y + x**2 * z + np.sin(y)
    assert features.noise(structure + white(1, seed)) == pytest.approx(1, rel=0.04)


def test_borders_of_organs_are_no_noise():
    array = np.zeros((24, 30, 36))
    array[4:16, 6:20, 8:30] = 100
    array[10:20, 12:26, 4:18] = 60
    assert features.noise(array + white(1)) == pytest.approx(1, rel=0.04)


def test_padding_with_one_value_is_no_part_of_the_noise():
    padded = np.full((60, 60, 60), -1000.0)
    padded[20:44, 15:45, 12:48] = white(5)
    assert features.noise(padded) == pytest.approx(5, rel=0.04)


# rounding adds an SD of 1/√12: √(2² + 1/12) = 2.02
def test_whole_numbers_hide_little_noise():
    assert features.noise(np.round(white(2))) == pytest.approx(2.02, rel=0.04)


@pytest.mark.parametrize(
    "array", [np.zeros((2, 30, 30)), np.full((8, 8, 8), 3.0)], ids=["two slices", "one value"]
)
def test_where_there_is_nothing_to_look_at_the_noise_is_undefined(array):
    assert features.noise(array) is None


def test_input_by_hand():
    # 0 … 119: mean 59.5, percentiles 0.05 · 119 = 5.95, 59.5, 113.05
    image = np.arange(4 * 5 * 6).reshape(4, 5, 6)
    found = features.of_channel(image, image >= 100) | features.of_grid(image.shape, (2.0, 0.5, 1.0))
    assert found == {
        "intensity_mean": 59.5,
        "intensity_sd": pytest.approx(((120**2 - 1) / 12) ** 0.5),
        "noise_sd": 0,
        "snr": None,
        "intensity_p05": pytest.approx(5.95),
        "intensity_p50": 59.5,
        "intensity_p95": pytest.approx(113.05),
        "size_x_mm": 6,
        "size_y_mm": 2.5,
        "size_z_mm": 8,
        "spacing_x_mm": 1,
        "spacing_y_mm": 0.5,
        "spacing_z_mm": 2,
    }


def test_snr_is_the_foreground_over_the_noise():  # a box of 200 in noise of 4: 50
    image, foreground = white(4), np.zeros((24, 30, 36), bool)
    foreground[6:18, 8:22, 8:28] = True
    image[foreground] += 200
    assert features.of_channel(image, foreground)["snr"] == pytest.approx(50, rel=0.04)


def test_without_a_foreground_there_is_no_snr():
    assert features.of_channel(white(1), np.zeros((24, 30, 36), bool))["snr"] is None


def test_output_of_two_boxes():
    labels = phantoms.label_array()
    found = features.of_output(labels, SPACING_ZYX, logits_of(labels), LABELS)
    assert found == {
        "volume_mm3.anterior": pytest.approx(phantoms.VOLUMES_MM3[1]),
        "volume_mm3.posterior": pytest.approx(phantoms.VOLUMES_MM3[2]),
        "components.anterior": 1,
        "components.posterior": 1,
        "expected_dice_loss": pytest.approx(0, abs=1e-9),
    }


def test_components_are_counted():
    labels = phantoms.label_array()
    labels[0, 0, 0] = labels[0, 0, 17] = 1
    assert features.of_output(labels, SPACING_ZYX, logits_of(labels), LABELS)["components.anterior"] == 3


# a voxel that wins by nothing but float32: of Dice 2 * 1/3 / (1/3 + 1) is expected
def test_the_expected_dice_loss_is_of_the_labels_that_win():
    logits = np.tile(SURE[:, None, None, None], (1, 9, 9, 9)).astype(np.float32)
    logits[:, 4, 4, 4] = 0, 1e-6, 0
    found = features.of_output(logits.argmax(0), (1, 1, 1), logits, LABELS)
    assert found["expected_dice_loss"] == pytest.approx(0.5, abs=1e-6)


def test_nothing_found_is_volume_0_and_nothing_to_be_unsure_of():
    nothing = np.zeros((8, 8, 8), np.uint8)
    found = features.of_output(nothing, (1, 1, 1), logits_of(nothing), LABELS)
    assert set(found.values()) == {0}


# the same case, stored with its axes in another order
def test_axes_are_those_of_the_orientation_asked_for():
    labels = phantoms.label_array()
    image, label_map = phantoms.volume(phantoms.image_array(labels, 0)), phantoms.volume(labels)
    straight = features.describe(phantoms.image(image), label_map, logits_of(labels), LABELS, "LPS")
    stored = [sitk.DICOMOrient(one, "SRA") for one in (image, label_map)]
    turned = features.describe(phantoms.image(stored[0]), stored[1], logits_of(labels), LABELS, "LPS")
    assert straight["input"]["size_x_mm"] == pytest.approx(18 * 0.9)
    assert {kind: pytest.approx(values) for kind, values in straight.items()} == turned


def test_a_spacing_that_a_format_has_rounded_is_the_same_spacing():
    labels = phantoms.label_array()
    found = [
        features.describe(
            phantoms.image(phantoms.volume(phantoms.image_array(labels, 0), spacing)),
            phantoms.volume(labels, spacing),
            logits_of(labels),
            LABELS,
            "LPS",
        )
        for spacing in (phantoms.SPACING_XYZ, np.float32(phantoms.SPACING_XYZ).tolist())
    ]
    assert found[0] == found[1]
