"""planning: what is measured of the train part, which parameters follow, and how they are written."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from radiotrace.imaging import channels
from radiotrace.learning import architecture
from radiotrace.pipeline import params
from radiotrace.planning import cost, fingerprint, rules, written
from radiotrace.planning.fingerprint import CaseFingerprint, Fingerprint, LabelOfCase
from radiotrace.records.dataset import FileGrid
from radiotrace.records.network import NetworkSpec
from tests import phantoms, projects

BUDGET = rules.Budget(minutes=10, memory_gb=8, gflops=113)
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
ORGAN = {"organ": ((0.5, 0.5, 0.5), (30.0, 40.0, 50.0), 15.0)}


def fingerprint_of(
    sizes, spacings, labels, modality="MRI", minimum=0.0, labelled=0.05, jitter=0.1, nonzero=1.0
):
    """A set of cases like this.

    Args:
        sizes, spacings: of each case, along x, y, z.
        labels: name -> centre as shares of the image, edges in mm, thickness in mm.
        jitter: SD of the centres.
    """
    rng, cases = np.random.default_rng(0), []
    for number, (size, spacing) in enumerate(zip(sizes, spacings, strict=True)):
        extent = np.multiply(size, spacing)
        found = {}
        for name, (centre, edges, thickness) in labels.items():
            moved = np.add(centre, rng.normal(0, jitter, 3))
            low, high = moved * extent - np.divide(edges, 2), moved * extent + np.divide(edges, 2)
            found[name] = LabelOfCase(1000, tuple(low), tuple(high), tuple(moved), thickness, 1)
        cases.append(
            CaseFingerprint(
                f"case_{number}",
                f"s{number}",
                size,
                spacing,
                found,
                (minimum,),
                (minimum + 2000,),
                labelled,
                nonzero,
            )
        )
    return Fingerprint((channels.named(modality),), tuple(labels), tuple(cases), None)


def isotropic(cases=40, labels=ORGAN, **about) -> Fingerprint:
    return fingerprint_of([(40, 56, 36)] * cases, [(1.0, 1.0, 1.0)] * cases, labels, **about)


def thick(cases=40) -> Fingerprint:
    return fingerprint_of(
        [(216, 256, 6 + number % 12) for number in range(cases)], [(1.5, 1.5, 10.0)] * cases, ORGAN
    )


def pictures(cases=40, **about) -> Fingerprint:
    labels = {"cell": ((0.5, 0.5, 0.5), (20.0, 20.0, 1.0), 12.0)}
    return fingerprint_of([(320, 256, 1)] * cases, [(1.0, 1.0, 1.0)] * cases, labels, **about)


def values(found: Fingerprint, budget: rules.Budget = BUDGET) -> dict:
    return {choice.name: choice.value for choice in rules.plan(found, budget).choices}


# Cost


@pytest.mark.parametrize(
    "spec",
    [
        NetworkSpec("dynunet", (16, 32, 64, 128), 3),
        NetworkSpec("dynunet", (8, 16, 32), 2, image_channels=3, one_slice=True),
        NetworkSpec(
            "dynunet",
            (8, 16, 32),
            3,
            strides=((2, 2, 1), (2, 2, 2)),
            kernels=((3, 3, 1), (3, 3, 1), (3, 3, 3)),
        ),
    ],
    ids=["cubes", "slices", "thick"],
)
def test_the_cost_is_what_torch_counts(spec):
    # as its file builds it: the counter does not know our own convolutions
    network = architecture.named(spec.name).build(dataclasses.replace(spec, deep_supervision=0)).eval()
    edges = [3 * step for step in architecture.multiple(spec)]
    counter = FlopCounterMode(display=False)
    with counter, torch.inference_mode():
        network(torch.zeros(1, spec.image_channels, *edges))
    counted = counter.get_total_flops() / math.prod(edges)
    assert cost.inference_flop(spec) == pytest.approx(counted, rel=0.02)


# Spacing


def test_the_spacing_is_the_median():
    spacings = [(1.0, 1.0, 1.0)] * 3 + [(1.2, 1.2, 1.2)] * 2
    found = fingerprint_of([(40, 56, 36)] * 5, spacings, ORGAN)
    assert rules.target(found).spacing_mm == (1.0, 1.0, 1.0)


def test_a_coarse_axis_takes_its_tenth_percentile_so_that_fine_slices_stay():
    thickness = [5.0] * 3 + [10.0] * 17
    found = fingerprint_of([(216, 256, 12)] * 20, [(1.5, 1.5, slice_mm) for slice_mm in thickness], ORGAN)
    assert rules.target(found).spacing_mm == (1.5, 1.5, 5.0)
    assert "10th percentile" in rules.target(found).why


def test_volumes_of_one_spacing_are_not_resampled():
    assert values(isotropic())["spacing_mm"] is None


def test_a_large_body_is_made_coarser_until_the_labels_fit_a_patch():
    labels = {
        "left": ((0.4, 0.5, 0.5), (60.0, 60.0, 60.0), 40.0),
        "right": ((0.6, 0.5, 0.5), (60.0, 60.0, 60.0), 40.0),
    }
    found = fingerprint_of([(256, 256, 256)] * 20, [(1.0, 1.0, 1.0)] * 20, labels, jitter=0.001)
    spacing = values(found)["spacing_mm"]
    assert 1 < spacing[0] <= rules.COARSER_MAX
    assert spacing[0] == spacing[1] == spacing[2]


def test_never_so_coarse_that_the_thinnest_label_is_lost():
    labels = {"vessel": ((0.5, 0.5, 0.5), (200.0, 200.0, 200.0), 4.0)}
    found = fingerprint_of([(256, 256, 256)] * 20, [(1.0, 1.0, 1.0)] * 20, labels)
    assert values(found)["spacing_mm"][0] == pytest.approx(4 / rules.THIN_VOXELS, abs=0.01)


# Network


def test_cubes_halve_every_axis():
    planned = values(isotropic())
    assert (planned["strides"], planned["kernels"]) == (None, None)


def test_across_thick_slices_is_neither_halved_nor_looked_until_the_others_are_as_coarse():
    planned = values(thick())
    assert planned["strides"] == [[2, 2, 1], [2, 2, 1], [2, 2, 2]]
    assert planned["kernels"] == [[3, 3, 1], [3, 3, 1], [3, 3, 3], [3, 3, 3]]


def test_pictures_are_taken_a_slice_at_a_time():
    planned = values(pictures())
    assert (planned["patch_voxels"][2], planned["window_voxels"][2]) == (1, 1)
    assert (planned["strides"], planned["kernels"]) == (None, None)


@pytest.mark.parametrize("found", [isotropic(), thick(), pictures()], ids=["cubes", "thick", "pictures"])
def test_the_planned_network_takes_the_planned_patch(found):
    planned = rules.plan(found, rules.Budget(minutes=0.5, memory_gb=4, gflops=113))
    spec = rules.spec_of(found, planned)
    assert architecture.faults(spec) == []
    patch_zyx = planned.value("train", "patch_voxels")[::-1]
    network = architecture.build(spec, seed=0).eval()
    assert network(torch.zeros(1, 1, *patch_zyx)).shape == (1, 2, *patch_zyx)


# Time


def test_the_patches_cost_what_the_budget_allows():
    for minutes in (2, 10, 60):
        planned = rules.plan(thick(), dataclasses.replace(BUDGET, minutes=minutes))
        assert 0.5 * minutes * 60 < planned.seconds <= 1.05 * minutes * 60


def test_more_time_gives_more_passes_and_less_a_smaller_patch():
    short, usual, long = (
        values(isotropic(), dataclasses.replace(BUDGET, minutes=minutes)) for minutes in (1, 10, 60)
    )
    assert math.prod(short["patch_voxels"]) < math.prod(usual["patch_voxels"])
    assert usual["epochs"] < long["epochs"]


def test_where_neither_patch_nor_grid_may_shrink_the_network_is_narrower():
    labels = {"vessel": ((0.5, 0.5, 0.5), (200.0, 200.0, 200.0), 1.0)}
    found = fingerprint_of([(256, 256, 256)] * 20, [(1.0, 1.0, 1.0)] * 20, labels)
    assert values(found, dataclasses.replace(BUDGET, minutes=0.5))["features"][0] == 8


def test_few_steps_are_small_ones():
    assert (values(isotropic())["batch_size"], values(isotropic())["learning_rate"]) == (1, 0.001)
    long = values(isotropic(), dataclasses.replace(BUDGET, minutes=30))
    assert (long["batch_size"], long["learning_rate"]) == (2, 0.0015)


def test_a_patch_never_exceeds_the_memory():
    found = fingerprint_of([(512, 512, 400)] * 10, [(1.0, 1.0, 1.0)] * 10, ORGAN)
    planned = rules.plan(found, rules.Budget(minutes=1000, memory_gb=2, gflops=10_000))
    patch = planned.value("train", "patch_voxels")
    bytes_of_step = 2 * math.prod(patch) * cost.training_bytes(rules.spec_of(found, planned))
    assert bytes_of_step < 2e9


# Intensities


def test_ct_is_normalised_by_the_labelled_voxels_and_mri_by_each_image():
    assert values(isotropic(modality="CT", minimum=-1000.0))["normalise_by"] == "labels"
    assert values(isotropic(modality="MRI"))["normalise_by"] == "image"


def test_what_nobody_says_is_a_guess_by_the_air_around_the_body():
    planned = rules.plan(isotropic(modality=None, minimum=-1000.0), BUDGET)
    assert planned.value("train", "normalise_by") == "labels"
    assert planned.guesses == (
        "channel 1 is taken for CT: nobody says what it is, and images begin at -1000",
    )
    unknown = rules.plan(isotropic(modality=None), BUDGET)
    assert unknown.value("train", "normalise_by") == "image"
    assert len(unknown.guesses) == 1


# Augmentation


def test_pictures_without_a_side_are_mirrored_and_turned():
    planned = values(pictures(jitter=0.2))
    assert planned["augmentation.mirror_axes"] == ["x", "y"]
    assert planned["augmentation.rotation_degrees"] == 180


def test_pictures_whose_label_has_a_side_are_not_mirrored_along_it():
    labels = {"heart": ((0.6, 0.5, 0.5), (90.0, 90.0, 1.0), 60.0)}
    found = fingerprint_of([(320, 256, 1)] * 40, [(1.0, 1.0, 1.0)] * 40, labels, jitter=0.02)
    assert "x" not in values(found)["augmentation.mirror_axes"]
    assert values(found)["augmentation.rotation_degrees"] == 15


def test_bodies_are_never_mirrored():
    assert values(isotropic())["augmentation.mirror_axes"] == []


def test_thick_slices_are_turned_in_their_plane_alone():
    assert values(thick())["augmentation.rotation_degrees"] == [0, 0, 20]


@pytest.mark.parametrize(("labelled", "share"), [(0.3, 0), (0.05, 0.33), (0.001, 0.5)])
def test_the_rarer_the_labels_the_more_patches_are_centred_on_them(labelled, share):
    assert values(isotropic(labelled=labelled))["augmentation.foreground_share"] == share


# Written


@pytest.mark.requirement("SRS-SPLIT-4")
def test_the_same_fingerprint_gives_the_same_plan():
    assert rules.plan(thick(), BUDGET) == rules.plan(thick(), BUDGET)


@pytest.mark.parametrize("found", [isotropic(), thick(), pictures()], ids=["cubes", "thick", "pictures"])
def test_a_plan_holds_the_schemas_and_changes_no_other_line(found):
    before = (projects.ROOT / "params.yaml").read_text("utf-8")
    choices = rules.plan(found, BUDGET).choices
    after = written.written(before, choices)
    parsed = written.parsed(after)
    assert params.faults(parsed) == []
    for choice in choices:
        section = parsed[choice.section]
        for key in choice.name.split("."):
            section = section[key]
        assert section == choice.value
        assert f"# plan: {choice.reason}" in after
    comments = [line for line in before.splitlines() if line.lstrip().startswith("#")]
    assert [line for line in after.splitlines() if line.lstrip().startswith("#")] == comments


@pytest.mark.parametrize(
    ("modality", "minimum", "nonzero", "crop", "within"),
    [
        ("MRI", 0.0, 1.0, None, "image"),
        ("MRI", 0.0, 0.96, None, "image"),
        ("MRI", 0.0, 0.8, {"foreground": "nonzero", "margin_voxels": 0}, "image"),
        ("MRI", 0.0, 0.6, {"foreground": "nonzero", "margin_voxels": 0}, "foreground"),
        ("CT", -1000.0, 0.6, {"foreground": "nonzero", "margin_voxels": 0}, "image"),
    ],
)
def test_a_cut_and_statistics_within_it_are_planned_as_nnunet_does(modality, minimum, nonzero, crop, within):
    planned = values(isotropic(modality=modality, minimum=minimum, nonzero=nonzero))
    assert planned["crop"] == crop
    assert planned["normalise_within"] == within


def test_the_reason_of_a_cut_is_said_beside_it():
    choices = rules.plan(isotropic(nonzero=0.6), BUDGET).choices
    reasons = {choice.name: choice.reason for choice in choices}
    assert reasons["crop"] == "the box of voxels that are not 0 has 60% of the median image; nnU-Net's"
    assert reasons["normalise_within"].startswith("a cut to what is not 0 leaves 60%, less than 75%")


def test_a_picture_stays_whole():
    assert values(pictures())["crop"] is None
    assert values(pictures())["normalise_within"] == "image"


def test_a_name_that_params_leave_out_becomes_the_last_of_its_section():
    before = "ingest:\n  orientation: LPS\n  bands: {}\n\nvalidate:\n  every_label: true\n"
    after = written.written(before, [rules.Choice("ingest", "crop", {"margin_voxels": 0}, "so")])
    assert after == before.replace("bands: {}\n", 'bands: {}\n  crop: {"margin_voxels": 0}  # plan: so\n')


def test_a_plan_that_stands_there_already_changes_nothing():
    before = (projects.ROOT / "params.yaml").read_text("utf-8")
    choices = rules.plan(thick(), BUDGET).choices
    once = written.written(before, choices)
    assert written.written(once, choices) == once


# Measured


def test_axes_of_a_file_are_those_of_its_turned_volume():
    # the file's x points to the head, its y to the left, its z to the back
    direction = (0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0)
    grid = FileGrid((10, 20, 30), (1.0, 2.0, 3.0), (0.0, 0.0, 0.0), direction)
    assert fingerprint.in_orientation(grid, "LPS") == ((20, 30, 10), (2.0, 3.0, 1.0))
    assert fingerprint.in_orientation(dataclasses.replace(grid, direction=IDENTITY), "RAI") == (
        (10, 20, 30),
        (1.0, 2.0, 3.0),
    )


def test_a_label_is_measured_in_mm():
    mask_zyx = phantoms.label_array() == 1  # a box of 6 x 5 x 4 voxels
    label = fingerprint.of_label(mask_zyx, phantoms.SPACING_XYZ)
    (x, y, z), spacing = phantoms.BOXES_XYZ[1], phantoms.SPACING_XYZ
    assert label.voxels == 120
    assert label.low_mm == pytest.approx(
        [edges[0] * mm for edges, mm in zip((x, y, z), spacing, strict=True)]
    )
    assert label.high_mm == pytest.approx(
        [edges[1] * mm for edges, mm in zip((x, y, z), spacing, strict=True)]
    )
    assert label.centre[0] == pytest.approx(8 / phantoms.SIZE_XYZ[0])
    assert label.pieces == 1
    assert 4 < label.thickness_mm < 6.8  # between the shortest edges, 6 x .9 and 5 x 1.1, and a voxel more


def test_a_picture_has_circles():
    mask_zyx = np.zeros((1, 40, 40), bool)
    mask_zyx[0, 10:20, 5:35] = True
    label = fingerprint.of_label(mask_zyx, (1.0, 1.0, 5.0))
    assert label.thickness_mm == pytest.approx(10, abs=1.5)
