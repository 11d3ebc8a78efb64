"""channels: what a channel is, from the names in dataset.json to what a network is given; and that each
fault says which channel is at fault."""

import copy
import dataclasses

import numpy as np
import pytest
import torch

from radiotrace.errors import StageError
from radiotrace.imaging import channels, checks, corruptions, volumes
from radiotrace.imaging.channels import Channel, named
from radiotrace.imaging.image import Image
from radiotrace.inference import intensity, windows
from radiotrace.inference.recipe import Recipe
from radiotrace.learning import architecture, grown, members
from radiotrace.records import accepted, raw_files
from radiotrace.records.dataset import Case, file_hashes
from radiotrace.records.network import NetworkSpec
from radiotrace.records.sections.validate import ValidateParams
from radiotrace.segmentation import augmentation, dataset, features, losses, metrics
from radiotrace.segmentation.augmentation import Settings
from tests import phantoms

pytestmark = pytest.mark.usefixtures("deterministic")

T2, ADC = named("T2"), named("ADC")
TWO = channels.normalised((T2, ADC), {"T2": [0, 100], "ADC": [1, 99]})
RECIPE = Recipe("LPS", None, TWO, (16, 20, 12), (32, 32, 32), multiple=4)
SPEC = NetworkSpec("dynunet", (8, 16, 32), 3, image_channels=2)
SETTINGS = Settings(
    affine_share=1,
    rotation_degrees=20,
    scale_min=0.8,
    scale_max=1.2,
    shift_voxels=2,
    foreground_share=0.5,
    intensity=0,
    mirror_axes=("x",),
)


def two_channels(seed=0, declared=(T2, ADC)) -> Image:
    """The phantom whose labels show in the difference of its channels alone."""
    arrays = phantoms.channel_arrays(phantoms.label_array(), seed)
    return Image.of([phantoms.volume(array) for array in arrays], declared)


# What a channel is


@pytest.mark.parametrize(
    ("name", "modality"),
    [("T2", "MRI"), ("t1w", "MRI"), ("ADC", "MRI"), ("MRI", "MRI"), ("CT", "CT"), ("PET", "other")],
)
def test_the_modality_follows_from_the_name(name, modality):
    assert named(name).modality == modality


def test_a_channel_without_a_name_is_of_no_known_modality():
    assert named(None) == Channel(None, "other")


@pytest.mark.requirement("SRS-DATA-8")
@pytest.mark.parametrize(
    ("found", "expected", "same"),
    [
        ((T2, ADC), (T2, ADC), True),
        ((ADC, T2), (T2, ADC), False),
        ((T2,), (T2, ADC), False),
        ((named(None),), (T2,), True),  # nobody knows: the number alone counts
        ((ADC,), (T2,), False),
    ],
)
def test_channels_are_compared_by_name_and_order(found, expected, same):
    assert (channels.unlike(found, expected) == []) == same


def test_one_pair_of_percentiles_holds_for_all_channels():
    assert [one.clip_percentiles for one in channels.normalised((T2, ADC), [0.5, 99.5])] == [(0.5, 99.5)] * 2


def test_percentiles_by_name_must_name_the_channels():
    parameter, alike = "train.clip_percentiles", "two numbers"
    assert channels.faults_of_names((T2, ADC), parameter, {"ADC": [0, 100], "T2": [0, 100]}, alike) == []
    (fault,) = channels.faults_of_names((T2, ADC), parameter, {"T2": [0, 100], "DWI": [0, 100]}, alike)
    assert fault.startswith(
        "train.clip_percentiles: found T2, DWI, expected the channels of the data set, T2, ADC"
    )


def test_a_recipe_has_its_channels_in_their_order_in_the_record():
    record = RECIPE.preprocessing().record()
    assert [row["name"] for row in record["channels"]] == ["T2", "ADC"]
    assert "clip_percentiles" not in record
    assert Recipe.of(RECIPE.preprocessing()) == RECIPE


def test_the_record_of_one_channel_says_as_before_how_it_is_normalised():
    record = dataclasses.replace(RECIPE, channels=phantoms.channels()).preprocessing().record()
    assert record["clip_percentiles"] == [0.5, 99.5]
    assert "channels" not in record


# Images


def test_an_image_refuses_channels_of_another_size():
    small = phantoms.volume(np.zeros((4, 5, 6), np.float32))
    with pytest.raises(volumes.VolumeError, match="channel ADC has 6 5 4 voxels, T2 18 22 14"):
        Image.of([phantoms.pair(0)[0], small], (T2, ADC))


def test_each_channel_is_turned_as_a_volume_is():
    image = two_channels()
    turned = image.canonical("RAS", None)
    for number in range(2):
        expected = volumes.canonical(image.volume(number), "RAS", None, is_label_map=False)
        assert np.array_equal(turned.values_czyx[number], volumes.array_zyx(expected))
        assert volumes.grid(turned.volume(number)) == volumes.grid(expected)


def test_each_channel_is_normalised_by_itself():
    image = two_channels()
    _, prepared = windows.prepare(image, RECIPE)
    for number, channel in enumerate(TWO):
        expected = intensity.normalise(image.values_czyx[number], channel.clip_percentiles)
        assert np.array_equal(prepared[number].numpy(), expected)


@pytest.mark.requirement("SRS-DATA-8")
@pytest.mark.parametrize("declared", [(ADC, T2), (T2, named("DWI"))], ids=["swapped", "another"])
def test_a_model_refuses_an_image_of_other_channels(declared):
    with pytest.raises(StageError) as caught:
        windows.prepare(two_channels(declared=declared), RECIPE)
    (finding,) = caught.value.findings
    assert finding == f"channels: found 2 ({', '.join(one.name for one in declared)}), expected 2 (T2, ADC)"


@pytest.mark.requirement("SRS-DATA-8")
def test_a_model_of_two_channels_refuses_an_image_of_one():
    with pytest.raises(StageError, match="other channels"):
        windows.prepare(phantoms.image(phantoms.pair(0)[0]), RECIPE)


@pytest.mark.parametrize("name", grown.described(architecture.NAMES))
def test_every_network_takes_several_channels_and_uses_each(name):
    spec = dataclasses.replace(SPEC, name=name)
    network = architecture.build(spec, seed=0).eval()
    image = torch.randn(1, 2, 16, 24, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = network(image)
        for number in range(2):
            without = image.clone()
            without[:, number] = 0
            assert not torch.equal(network(without), logits)
    assert logits.shape == (1, 3, 16, 24, 32)


def test_the_spec_of_one_channel_has_the_record_that_it_had():
    assert NetworkSpec("dynunet", (8, 16, 32), 3).record().keys() == {
        "name",
        "features",
        "labels",
        "norm",
        "upsampling",
        "dropout",
    }
    assert NetworkSpec.of(SPEC.record()) == SPEC


def shown(seed: int, taken: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Some channels of a phantom of its own, and its labels, in edges that a network halves twice."""
    labels = phantoms.label_array(np.random.default_rng(seed).integers(-2, 3, 3))
    arrays = phantoms.channel_arrays(labels, seed)
    image = Image.of([phantoms.volume(array) for array in arrays], (T2, ADC))
    _, prepared = windows.prepare(image, RECIPE)
    around = (1, 1, 1, 1, 1, 1)
    patch = torch.nn.functional.pad(prepared[taken], around)[None]
    return patch, torch.nn.functional.pad(torch.from_numpy(labels).long(), around)


def learnt(taken: list[int]) -> float:
    """Mean Dice of the labels in phantoms that a network has not seen, from some channels."""
    network = architecture.build(dataclasses.replace(SPEC, image_channels=len(taken)), seed=0)
    loss = losses.build(losses.Settings("dice_ce", None, 0.3, 0.7, 0.75, 2), 3)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
    for step in range(40):
        patch, labels = shown(step, taken)
        target = torch.nn.functional.one_hot(labels, 3).movedim(-1, 0)[None].float()
        optimizer.zero_grad()
        loss(network.train()(patch), target).mean().backward()
        optimizer.step()
    values = []
    for seed in (100, 101):
        patch, labels = shown(seed, taken)
        with torch.no_grad():
            found = network.eval()(patch)[0].argmax(0)
        values += [metrics.dice((labels == label).numpy(), (found == label).numpy()) for label in (1, 2)]
    return float(np.mean(values))


def test_two_channels_are_learnt_from_where_one_does_not_show_the_label():
    assert learnt([0, 1]) > 0.7
    assert max(learnt([0]), learnt([1])) < 0.5


# Augmentation, corruption, features


def sample(image_czyx: torch.Tensor) -> dataset.Sample:
    label = torch.from_numpy(phantoms.label_array())
    foreground = dataset.foreground(label, "a")
    return dataset.Sample("a", image_czyx, label, foreground, phantoms.SPACING_XYZ[::-1])


def test_channels_are_moved_alike():
    image = torch.randn(1, *phantoms.SIZE_XYZ[::-1], generator=torch.Generator().manual_seed(0))
    for seed in range(5):
        rng = np.random.default_rng(seed)
        patch, target = augmentation.draw_patch(
            sample(image.expand(2, -1, -1, -1)), (12, 20, 16), 3, SETTINGS, rng
        )
        assert torch.equal(patch[0], patch[1])
        alone, of_alone = augmentation.draw_patch(
            sample(image), (12, 20, 16), 3, SETTINGS, np.random.default_rng(seed)
        )
        assert torch.equal(patch[:1], alone)
        assert torch.equal(target, of_alone)


def test_intensities_of_channels_vary_by_draws_of_their_own():
    image = torch.randn(1, 12, 20, 16, generator=torch.Generator().manual_seed(0)).expand(2, -1, -1, -1)
    varied = [augmentation.vary_intensity(image, 3, np.random.default_rng(seed)) for seed in range(10)]
    assert not any(torch.equal(*one) for one in varied)


def test_the_first_channel_varies_as_it_does_alone():
    image = torch.randn(2, 12, 20, 16, generator=torch.Generator().manual_seed(0))
    both = augmentation.vary_intensity(image, 3, np.random.default_rng(0))
    alone = augmentation.vary_intensity(image[:1], 3, np.random.default_rng(0))
    assert torch.equal(both[:1], alone)


@pytest.mark.parametrize("name", ["shift", "rotation"])
def test_a_movement_of_the_patient_is_the_same_in_every_channel(name):
    image = two_channels()
    changed, movement = corruptions.apply_to_channels(name, 3, image, np.random.default_rng(0))
    for found, values in zip(changed.values_czyx, image.values_czyx, strict=True):
        assert np.array_equal(found, corruptions.moved(values, movement))


def test_noise_befalls_each_channel_by_draws_of_its_own():
    array = phantoms.image_array(phantoms.label_array(), 0)
    image = Image.of([phantoms.volume(array)] * 2, (T2, ADC))
    changed, movement = corruptions.apply_to_channels("rician_noise", 3, image, np.random.default_rng(0))
    assert movement is None
    assert not np.array_equal(*changed.values_czyx)


def test_a_corruption_befalls_the_channels_whose_modality_may_meet_it():
    array = phantoms.image_array(phantoms.label_array(), 0)
    image = Image.of([phantoms.volume(array)] * 2, (named("CT"), named("PET")))
    changed, _ = corruptions.apply_to_channels("quantum_noise", 3, image, np.random.default_rng(0))
    assert not np.array_equal(changed.values_czyx[0], array)
    assert np.array_equal(changed.values_czyx[1], array)


def test_an_image_may_meet_what_any_of_its_channels_may():
    found = corruptions.names((named("CT"), named("PET")))
    assert set(found) == {*corruptions.names([named("CT")]), *corruptions.names([named("PET")])}


def test_features_of_several_channels_end_in_their_names():
    image, labels = two_channels(), phantoms.label_array()
    logits = np.zeros((3, *labels.shape), np.float32)
    found = features.describe(image, phantoms.volume(labels), logits, {"0": "background", "1": "a"}, "LPS")
    assert {name.split(".")[1] for name in found["input"] if name.startswith("intensity")} == {"T2", "ADC"}
    assert found["input"]["intensity_mean.ADC"] == pytest.approx(image.values_czyx[1].mean())
    assert found["input"]["size_x_mm"] == pytest.approx(18 * 0.9)


# Findings


GRID = {
    "size_voxels": [18, 22, 14],
    "spacing_mm": [0.9, 1.1, 1.7],
    "origin_mm": [0.0, 0.0, 0.0],
    "direction": [1.0, 0, 0, 0, 1, 0, 0, 0, 1],
}
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
LABELS = {"0": "background", "1": "a"}


def source(number: int) -> dict:
    return {
        "path": f"{number}.nii.gz",
        "sha256": f"{number:064x}",
        "voxels_sha256": f"{number:064x}",
        "fault": None,
        "pixel_type": "32-bit float",
        "volume": f"{number}.nii.gz",
        "volume_sha256": f"{number:064x}",
        "grid": copy.deepcopy(GRID),
        "non_finite_voxels": 0,
        "identifying_text": [],
        "intensity": dict.fromkeys(("p0_5", "median", "p99_5", "mean", "sd"), 2.0) | {"min": 0.0, "max": 9.0},
    }


def case(number: int = 0, **of_second) -> Case:
    """An entry of two channels, with changes to the second."""
    return case_of(number, source(10 * number + 1), source(10 * number + 2) | of_second)


def case_of(number: int, *images: dict) -> Case:
    """An entry of a channel for each image."""
    label_map = source(10 * number + 3) | {"label_volumes_mm3": {"1": 5.0}}
    del label_map["intensity"]
    return Case.of(
        {
            "case_id": f"case_{number}",
            "subject_id": f"S{number}",
            "attributes": {},
            raw_files.IMAGE: images[0],
            raw_files.FURTHER: list(images[1:]),
            raw_files.LABEL_MAP: label_map,
        }
    )


def findings(of_case: Case) -> list[checks.Finding]:
    return checks.case_findings(of_case, LABELS, LIMITS, (T2, ADC))


def test_two_good_channels_give_nothing():
    assert findings(case()) == []


@pytest.mark.requirement("SRS-DATA-8")
@pytest.mark.parametrize(
    ("change", "check", "found"),
    [
        ({"fault": "cut"}, "readable", "channel ADC: cut"),
        ({"non_finite_voxels": 3}, "finite", "channel ADC: 3 voxels are NaN or infinite"),
        ({"identifying_text": ["descrip: a name"]}, "header", "channel ADC descrip: a name"),
        (
            {"intensity": source(0)["intensity"] | {"max": 0.0}},
            "not_constant",
            "channel ADC: every voxel is 0",
        ),
        (
            {"intensity": source(0)["intensity"] | {"max": 1e39}},
            "range",
            "channel ADC: values as large as 1e+39",
        ),
        ({"voxels_sha256": f"{3:064x}"}, "label_map_is_image", "channel ADC and label map are the same"),
        ({"voxels_sha256": f"{1:064x}"}, "channel_twice", "channel ADC has the voxels of channel T2"),
        (
            {"grid": GRID | {"spacing_mm": [0.9, 1.1, 1.8]}},
            "channel_grid_spacing_mm",
            "channel ADC 0.9 1.1 1.8",
        ),
        ({"grid": GRID | {"size_voxels": [18, 22, 15]}}, "channel_grid_size_voxels", "channel ADC 18 22 15"),
    ],
)
def test_a_finding_says_which_channel_is_at_fault(change, check, found):
    rows = [(finding.check, finding.found, finding.severity) for finding in findings(case(**change))]
    assert rows == [(check, found, "error")]


@pytest.mark.requirement("SRS-DATA-8")
@pytest.mark.parametrize(
    ("names", "hashes", "n_findings"),
    [
        (("red", "green", "blue"), "111", 0),
        (("red", "green", "blue"), "112", 1),
        (("T1", "T2", "ADC"), "111", 2),
        (("blue", "green", "red"), "111", 2),
    ],
)
def test_three_equal_channels_are_a_grey_picture_where_they_are_its_colours(names, hashes, n_findings):
    of_channels = [Channel(name, "other") for name in names]
    images = [source(number) | {"voxels_sha256": digit * 64} for number, digit in enumerate(hashes)]
    found = checks.case_findings(case_of(9, *images), LABELS, LIMITS, of_channels)
    assert [one.check for one in found] == ["channel_twice"] * n_findings


@pytest.mark.requirement("SRS-DATA-8")
def test_a_channel_on_another_grid_has_a_way_out():
    found = findings(case(grid=GRID | {"origin_mm": [0.0, 0.0, 1.0]}))
    expected = ["channel T2 0 0 0. Resample the channel onto that grid"]
    assert [finding.expected for finding in found] == expected


def test_two_cases_that_share_any_channel_are_duplicates():
    shared = case(1, voxels_sha256=f"{2:064x}")
    found = checks.set_findings([case(0), shared], LABELS, LIMITS, (T2, ADC))
    assert [(one.case_id, one.check) for one in found] == [
        ("case_0", "duplicate_image"),
        ("case_1", "duplicate_image"),
    ]


def test_the_digest_of_an_image_is_of_all_its_channels():
    one, other = case(), case(voxels_sha256=f"{7:064x}")
    assert accepted.voxels_sha256(one) != accepted.voxels_sha256(other)
    assert accepted.voxels_sha256(dataclasses.replace(one, further_channels=None)) == f"{1:064x}"


def test_every_file_of_a_case_is_among_its_raw_files():
    files = ["1.nii.gz", "2.nii.gz", "3.nii.gz"]
    assert list(raw_files.hashes([case().record()])) == list(file_hashes([case()])) == files


def test_members_take_the_same_channels_however_they_normalise_them():
    record = {"labels": {}, "preprocessing": RECIPE.preprocessing().record()}
    other = dataclasses.replace(RECIPE, channels=channels.normalised((T2, ADC), [0, 100]))
    assert members._unlike(record | {"preprocessing": other.preprocessing().record()}, record) == []
    swapped = dataclasses.replace(RECIPE, channels=TWO[::-1])
    (fault,) = members._unlike(record | {"preprocessing": swapped.preprocessing().record()}, record)
    assert fault == "channels: found ['ADC', 'T2'], expected ['T2', 'ADC']"
