"""Corruptions: each does what its unit says, in mm whatever the spacing, and more at each severity."""

import json
from itertools import pairwise

import numpy as np
import pytest

from radiotrace import records
from radiotrace.imaging import corruptions, volumes
from radiotrace.imaging.channels import named
from tests import phantoms

SPACING_ZYX = volumes.to_zyx(phantoms.SPACING_XYZ)  # 1.7, 1.1, 0.9
EVERY = pytest.mark.parametrize("name", list(corruptions.TABLE))
MOVING = ("rotation", "shift")


def image() -> np.ndarray:
    return phantoms.image_array(phantoms.label_array(), 0)


def rng(seed=0):
    return np.random.default_rng(seed)


def apply(name, severity, image_zyx=None, spacing_zyx=SPACING_ZYX, seed=0):
    return corruptions.apply(
        name, severity, image() if image_zyx is None else image_zyx, spacing_zyx, rng(seed)
    )


def ramp(edge=40) -> np.ndarray:
    """0 to 1 in even steps, so that the range of the table is 0.99."""
    return np.linspace(0, 1, edge**3, dtype=np.float32).reshape(edge, edge, edge)


# All of them


@EVERY
def test_severity_0_leaves_the_image_as_it_is(name):
    found, movement = apply(name, 0)
    assert np.array_equal(found, image())
    assert movement is None


@EVERY
@pytest.mark.parametrize("pixel_type", [np.float32, np.int16])
def test_the_result_is_a_finite_float32_image_of_the_same_shape(name, pixel_type):
    found, _ = apply(name, 5, image().astype(pixel_type))
    assert (found.dtype, found.shape, bool(np.isfinite(found).all())) == (np.float32, image().shape, True)


@EVERY
def test_the_image_that_is_handed_in_stays_as_it_is(name):
    given = image()
    apply(name, 5, given)
    assert np.array_equal(given, image())


@EVERY
def test_one_state_of_the_generator_gives_one_result(name):
    assert np.array_equal(apply(name, 3, seed=7)[0], apply(name, 3, seed=7)[0])


@EVERY
# the same numbers are drawn: the generators end in one state
def test_another_severity_changes_the_strength_alone(name):
    states = []
    for severity in (1, 5):
        generator = rng()
        corruptions.apply(name, severity, image(), SPACING_ZYX, generator)
        states.append(generator.bit_generator.state)
    assert states[0] == states[1]


def change(name: str, severity: int) -> float:
    """Mean absolute difference of voxels; or mean way of voxels, because images that were moved far differ
    alike."""
    found, movement = apply(name, severity)
    if movement is None:
        return float(np.abs(found - image()).mean())
    voxels = np.indices(image().shape).reshape(3, -1)
    return float(np.abs(movement[0] @ voxels + movement[1][:, None] - voxels).mean())


@pytest.mark.requirement("SRS-ROB-1")
@EVERY
# 14 slices: severities 1 and 2 both miss one
def test_each_severity_changes_the_image_more_than_the_one_before(name):
    changes = [0, *(change(name, severity) for severity in corruptions.SEVERITIES)]
    assert all(one < other or (name == "missing_slices" and one == other) for one, other in pairwise(changes))


@EVERY
def test_a_constant_image_gives_a_finite_one(name):
    assert np.isfinite(apply(name, 5, np.full((8, 9, 10), 3.0))[0]).all()


@EVERY
def test_strengths_are_five_and_grow(name):
    strengths = corruptions.TABLE[name].strengths
    assert len(strengths) == 5
    assert list(strengths) == sorted(set(strengths))


@EVERY
def test_only_rotation_and_shift_move_the_content(name):
    assert (apply(name, 1)[1] is not None) == (name in MOVING)


def test_an_unknown_name_or_severity_is_refused():
    for name, severity in (("bluer", 1), ("blur", 6), ("blur", -1), ("blur", 1.5)):
        with pytest.raises(ValueError, match="no corruption"):
            apply(name, severity)


# Which modality meets what


@pytest.mark.parametrize(
    ("modality", "some", "none"),
    [
        ("MRI", {"rician_noise", "motion", "blur"}, {"rings", "gaussian_noise"}),
        ("T1w", {"gibbs", "shift"}, {"quantum_noise"}),
        ("FLAIR", {"spike"}, {"hounsfield_offset"}),
        ("CT", {"rings", "quantum_noise", "rotation"}, {"rician_noise", "gamma"}),
        (None, {"gaussian_noise", "blur", "missing_slices"}, {"rician_noise", "rings"}),
        ("PET", {"low_resolution", "gamma"}, {"motion", "rings"}),
    ],
)
def test_a_modality_meets_its_own_corruptions(modality, some, none):
    found = set(corruptions.names([named(modality)]))
    assert some <= found
    assert not none & found


def test_mri_meets_all_eleven_of_the_envelope():
    assert set(corruptions.names([named("MRI")])) == {
        "rician_noise",
        "bias_field",
        "motion",
        "spike",
        "gibbs",
        "blur",
        "low_resolution",
        "gamma",
        "rotation",
        "shift",
        "missing_slices",
    }


def test_params_and_records_know_every_name():
    schemas = {
        name: json.loads((records.SCHEMAS / f"{name}.schema.json").read_text())["properties"]
        for name in ("params_segmentation", "robustness")
    }
    assert schemas["params_segmentation"]["robustness"]["properties"]["corruptions"]["anyOf"][0]["items"][
        "enum"
    ] == list(corruptions.TABLE)
    assert schemas["robustness"]["corruptions"]["propertyNames"]["enum"] == list(corruptions.TABLE)


# Intensities


@pytest.mark.parametrize(
    ("name", "severity", "deviation"), [("gaussian_noise", 2, 0.05 * 0.99), ("quantum_noise", 2, 20)]
)
# 64 000 voxels: an SD is right to 0.3 %
def test_noise_has_the_sd_that_is_asked_for(name, severity, deviation):
    difference = apply(name, severity, ramp())[0] - ramp()
    assert difference.std() == pytest.approx(deviation, rel=0.01)
    assert difference.mean() == pytest.approx(0, abs=deviation / 60)


# half air, half 1: the range is 1, sigma 0.1; mean of a Rayleigh sigma·√(π/2)
def test_rician_noise_lifts_air_to_its_mean():
    halves = np.repeat(np.float32([0, 1]), 32000).reshape(40, 40, 40)
    found, _ = apply("rician_noise", 3, halves)
    assert found[halves == 0].mean() == pytest.approx(0.1 * np.sqrt(np.pi / 2), rel=0.01)
    # √(A² + σ²) to first order
    assert found[halves == 1].mean() == pytest.approx(1 + 0.1**2 / 2, abs=0.002)
    assert found.min() >= 0


# an image that was normalised has no air at 0
def test_rician_noise_of_a_shifted_image_is_that_of_the_image_shifted():
    assert apply("rician_noise", 3, ramp() - 1)[0] == pytest.approx(
        apply("rician_noise", 3, ramp())[0] - 1, abs=1e-6
    )


@pytest.mark.parametrize(("severity", "factor"), [(1, 1.1), (5, 4)])
def test_a_bias_field_reaches_its_factor_or_the_inverse(severity, factor):
    ratio = np.log(apply("bias_field", severity)[0] / image())
    assert np.abs(ratio).max() == pytest.approx(np.log(factor), rel=1e-4)


# a polynomial of degree 3: its fourth differences vanish along each axis
def test_a_bias_field_is_smooth():
    field = np.log(apply("bias_field", 5)[0].astype(float) / image())
    assert all(np.abs(np.diff(field, 4, axis)).max() < 1e-4 * np.ptp(field) for axis in range(3))


# severity 3: 100 · 0.5 ** 2 or 100 · 0.5 ** (1 / 2), by chance
def test_gamma_bends_the_middle_and_keeps_the_ends():
    found = [apply("gamma", 3, np.float32([[[0, 50, 100]]]), seed=seed)[0][0, 0] for seed in range(8)]
    assert {round(float(middle), 2) for _, middle, _ in found} == {25.0, 70.71}
    assert all((low, high) == pytest.approx((0, 100), abs=1e-3) for low, _, high in found)


def test_a_hounsfield_offset_goes_up_or_down():
    assert {
        float(np.round((apply("hounsfield_offset", 3, seed=seed)[0] - image()).mean(), 3))
        for seed in range(8)
    } == {25.0, -25.0}


def test_rings_are_circles_in_mm_around_the_middle_of_each_slice():
    # z is the widest. Voxels of 1.1 x 0.9 mm (y x), middle at (5, 5): (5 ± 9, 5) and (5, 5 ± 11) are both 9.9
    # mm away.
    error = corruptions._rings(np.zeros((2, 31, 31)), 20, np.array(SPACING_ZYX), rng())
    assert error[:, 15 + 9, 15] == pytest.approx(error[:, 15, 15 + 11])
    assert error[:, 15 - 9, 15] == pytest.approx(error[:, 15, 15 - 11])
    assert error[:, 15 + 9, 15] != pytest.approx(error[:, 15, 15 + 9], abs=1e-6)
    assert error[0, 15, 15] != error[1, 15, 15]


# k-space


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_content_displaced_by_a_voxel_all_the_time_is_moved_by_a_voxel(axis):
    found = corruptions._displaced_while_read(image(), SPACING_ZYX[axis], axis, SPACING_ZYX)
    assert found == pytest.approx(np.abs(np.roll(image(), 1, axis)), abs=1e-3)


def test_motion_while_half_of_the_lines_are_read_moves_what_they_hold():
    # 1 + cos(2πx/8) + cos(2π3x/8) on 8 voxels: lines 0, ±1 and ±3. Those of ±3 saw it displaced by 2 mm, four
    # voxels of 0.5: cos changes its sign.
    x = np.arange(8)
    wave = (3 + np.cos(2 * np.pi * x / 8) + np.cos(2 * np.pi * 3 * x / 8))[None, None, :]
    lines = np.arange(8) - 4
    found = corruptions._displaced_while_read(wave, np.where(np.abs(lines) == 3, 2.0, 0.0), 2, (1, 1, 0.5))
    assert found[0, 0] == pytest.approx(3 + np.cos(2 * np.pi * x / 8) - np.cos(2 * np.pi * 3 * x / 8))


# the middle line of k-space knows no position
def test_motion_keeps_the_sum_of_signals_where_nothing_becomes_negative():
    smooth = 10 + np.sin(np.arange(24) / 24 * 2 * np.pi).astype(np.float32)[:, None, None] * np.ones(
        (24, 8, 8), np.float32
    )
    assert apply("motion", 3, smooth)[0].mean() == pytest.approx(10, rel=1e-5)


# noise has next to nothing at the frequency that the spike overwrites
def test_a_spike_adds_stripes_of_its_height():
    noise = rng(1).uniform(0, 100, (24, 24, 24)).astype(np.float32)
    added = apply("spike", 4, noise)[0] - noise
    assert np.abs(added).max() == pytest.approx(0.4 * 99, rel=0.03)
    spectrum = np.abs(np.fft.fftn(added))
    assert (spectrum > 0.05 * spectrum.max()).sum() == 2  # the frequency and its mirror


# of 16 voxels, with 0.5 cut off: 2 and 4 cycles stay, 6 go
def test_gibbs_takes_the_high_frequencies_alone():
    x = np.arange(16)[None, None, :] * np.ones((16, 16, 1))
    wave = {cycles: np.cos(2 * np.pi * cycles * x / 16) for cycles in (2, 4, 6)}
    assert apply("gibbs", 3, 5 + wave[2] + wave[4] + wave[6])[0] == pytest.approx(
        5 + wave[2] + wave[4], abs=1e-5
    )


# a truncated Fourier series overshoots by 9 % of the step
def test_gibbs_rings_beside_an_edge():
    step = np.zeros((4, 4, 256), np.float32)
    step[..., 64:192] = 1
    assert apply("gibbs", 5, step)[0].max() == pytest.approx(1.09, abs=0.01)


# Resolution


def test_blur_is_a_gaussian_of_its_sd_in_mm_along_each_axis():
    point = np.zeros((41, 41, 41), np.float32)
    point[20, 20, 20] = 1
    blurred = apply("blur", 5, point)[0]
    for axis, spacing in enumerate(SPACING_ZYX):
        profile = blurred.sum(tuple(other for other in range(3) if other != axis))
        assert np.sqrt((profile * ((np.arange(41) - 20) * spacing) ** 2).sum()) == pytest.approx(
            2.5, rel=0.01
        )


def test_low_resolution_averages_and_interpolates():
    # Twice the voxel: (0 + 2) / 2 = 1 and (4 + 6) / 2 = 5, a quarter and three quarters of the way: 1, 1 +
    # 4/4, 1 + 4·3/4, 5.
    row = np.float32([0, 2, 4, 6])
    for axis in range(3):
        given = np.moveaxis(row[:, None, None] * np.ones((4, 2, 2), np.float32), 0, axis)
        found = corruptions._low_resolution(given, 2, None, None)
        assert np.moveaxis(found, axis, 0)[:, 0, 0] == pytest.approx([1, 2, 4, 5])


def test_low_resolution_by_a_fraction_takes_shares_of_voxels():  # 5 voxels to 3 of 5/3
    # (1·0 + 2/3·3) / (5/3) = 6/5, (1/3·3 + 6 + 1/3·9) / (5/3) = 6, (2/3·9 + 1·12) / (5/3) = 54/5
    found = corruptions._low_resolution(np.float32([[[0, 3, 6, 9, 12]]]), 1.5, None, None)
    assert found[0, 0, [0, 2, 4]] == pytest.approx([6 / 5, 6, 54 / 5])


@pytest.mark.parametrize(
    ("spacing_zyx", "axis"), [((1.7, 1.1, 0.9), 0), ((1, 3, 1), 1), ((1, 1, 1), 0), ((1, 2, 2), 1)]
)
def test_slices_are_missing_across_the_widest_spacing(spacing_zyx, axis):  # a quarter of 20
    missing = apply("missing_slices", 4, 1 + ramp(20), spacing_zyx)[0] == 1
    lost = np.flatnonzero(missing.all(tuple(other for other in range(3) if other != axis)))
    assert len(lost) == 5
    # the darkest voxel of the ramp may stand in another slice
    assert missing.sum() - 5 * 400 in (0, 1)


def test_slices_that_are_missing_stay_missing_at_higher_severities():
    lost = [
        set(np.flatnonzero((apply("missing_slices", severity, 1 + ramp(20))[0] == 1).all((1, 2))))
        for severity in corruptions.SEVERITIES
    ]
    assert all(one <= other for one, other in pairwise(lost))


# half of one slice rounds to none, one at least would be all
def test_one_slice_is_left_at_least():
    assert np.array_equal(
        apply("missing_slices", 5, np.float32([[[1, 2]]]), (2, 1, 1))[0], np.float32([[[1, 2]]])
    )


# Movement


@pytest.mark.parametrize("name", MOVING)
def test_a_movement_keeps_lengths_in_mm(name):
    (matrix, offset), spacing = apply(name, 4)[1], np.array(SPACING_ZYX)
    in_mm = np.diag(spacing) @ matrix @ np.diag(1 / spacing)
    assert in_mm @ in_mm.T == pytest.approx(np.eye(3), abs=1e-12)
    if name == "shift":
        assert np.linalg.norm(spacing * offset) == pytest.approx(6)
    else:
        assert np.degrees(np.arccos((np.trace(in_mm) - 1) / 2)) == pytest.approx(20)


def test_a_rotation_is_about_the_middle():
    matrix, offset = apply("rotation", 5)[1]
    centre = (np.array(image().shape) - 1) / 2
    assert matrix @ centre + offset == pytest.approx(centre)


def test_a_quarter_turn_is_numpys():
    cube = rng(1).uniform(size=(6, 6, 6)).astype(np.float32)
    found = [
        corruptions.moved(cube, corruptions._rotation(cube, 90, np.ones(3), rng(seed))) for seed in range(40)
    ]
    turns = [np.rot90(cube, turn, axes) for axes in ((0, 1), (0, 2), (1, 2)) for turn in (1, 3)]
    hits = {
        next(number for number, turned in enumerate(turns) if np.allclose(one, turned, atol=1e-4))
        for one in found
    }
    assert hits == set(range(6))  # every axis, either way


def test_content_moves_by_whole_voxels_unchanged():  # voxel o shows what was at o + offset
    found = corruptions.moved(image(), (np.eye(3), np.array([0, -2, 1])))
    assert found[:, 2:, :-1] == pytest.approx(image()[:, :-2, 1:], abs=1e-3)


def test_what_comes_in_is_the_nearest_voxel():
    found = corruptions.moved(image(), (np.eye(3), np.array([0, -2, 0])))
    assert found[:, 0] == pytest.approx(image()[:, 0], abs=1e-3)


def test_content_that_was_moved_comes_back_where_it_was():
    shares = np.stack([phantoms.label_array() == label for label in (0, 1, 2)]).astype(np.float32)
    movement = (np.eye(3), np.array([0.0, -2, 1]))
    back, known = corruptions.moved_back(
        np.stack([corruptions.moved(channel, movement) for channel in shares]), movement
    )
    assert back[:, known] == pytest.approx(shares[:, known], abs=1e-4)
    assert not known[:, -2:].any()  # pushed out by the shift towards higher y
    assert not known[:, :, 0].any()
    assert known[:, :-2, 1:].all()


# 1, 1, 0, 0 taken half a voxel on: 1, 0.5, 0; the last is the nearest
def test_half_a_voxel_back_shares_a_border_between_two():
    back, known = corruptions.moved_back(np.float32([[[[1, 1, 0, 0]]]]), (np.eye(3), np.array([0, 0, -0.5])))
    assert back[0, 0, 0] == pytest.approx([1, 0.5, 0, 0])
    assert known.shape == (1, 1, 4)


def test_a_rotation_there_and_back_keeps_the_boxes():  # what is lost is at edges and corners
    shares = np.stack([phantoms.label_array() == label for label in (0, 1, 2)]).astype(np.float32)
    movement = apply("rotation", 3)[1]
    back, known = corruptions.moved_back(
        np.stack([corruptions.moved(channel, movement) for channel in shares]), movement
    )
    assert (np.argmax(back, 0) == phantoms.label_array())[known].mean() > 0.99
