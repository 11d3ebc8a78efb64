"""preparation: an image is cut to its foreground and freed of its bias field, alike in training and in
prediction, and what is predicted comes back on the whole image."""

import copy
import dataclasses

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.imaging import bias_field, foreground, volumes
from radiotrace.imaging.channels import Channel
from radiotrace.imaging.image import Image
from radiotrace.inference import (
    intensity,
    model_record,
    onnx_network,
    preparation,
    released_model,
    sliding,
    windows,
)
from radiotrace.inference.recipe import Recipe
from radiotrace.records.preprocessing import BiasField, Crop, Preprocessing
from tests import phantoms, released, stranger

pytestmark = pytest.mark.usefixtures("one_thread")

SIZE_XYZ, SPACING_XYZ = (40, 30, 12), (1.0, 1.3, 3.1)
BEGIN_XYZ, END_XYZ = (7, 3, 2), (33, 24, 9)  # of what is not 0
FIELD = BiasField("n4", "nonzero", 3.0, (4, 4))
RECIPE = Recipe(
    orientation="LPS",
    spacing_mm=None,
    channels=(Channel("T2", "MRI", (0.0, 100.0)),),
    patch_voxels=(8, 8, 8),
    window_voxels=(64, 64, 64),
    multiple=8,
)
CUT = dataclasses.replace(RECIPE, crop=Crop("nonzero", 1))
RAS = dataclasses.replace(CUT, orientation="RAS")


def head(direction=None) -> sitk.Image:
    """An anisotropic volume that lies obliquely: a bright box in a darker one, with noise, and 0 around."""
    rng = np.random.default_rng(3)
    array = np.zeros(SIZE_XYZ[::-1], np.float32)
    part = tuple(slice(begin, end) for begin, end in zip(BEGIN_XYZ[::-1], END_XYZ[::-1], strict=True))
    array[part] = 100 + rng.normal(0, 5, array[part].shape)
    array[4:7, 8:17, 12:25] += 120
    return phantoms.volume(array, SPACING_XYZ, direction=direction or phantoms.rotation(25))


def shaded(strength: float) -> sitk.Image:
    """The same, brighter towards one side."""
    volume = head()
    array = volumes.array_zyx(volume)
    along = np.linspace(-1, 1, array.shape[2])
    return volumes.from_array((array * np.exp(strength * along)).astype(np.float32), volume)


def image_of(volume: sitk.Image) -> Image:
    return Image.of([volume], [Channel("T2", "MRI")])


def bright(patch: np.ndarray) -> np.ndarray:
    """A network that labels what is more than two SD above the mean."""
    return np.concatenate([2 - patch, patch - 2], 1) * 20


def bright_in_torch(patch: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(bright(patch.numpy()))


def truth(volume: sitk.Image) -> np.ndarray:
    return volumes.array_zyx(volume) > 160


# The box


@pytest.mark.requirement("SRS-DATA-14")
def test_the_box_is_that_of_voxels_that_are_not_0_with_a_margin():
    found = foreground.box([volumes.array_zyx(head())], 2)
    assert found is not None
    assert found.begin_voxels == (5, 1, 0)
    assert found.size_voxels == (30, 25, 11)
    assert found.of_voxels == SIZE_XYZ
    assert found.share == pytest.approx(30 * 25 * 11 / (40 * 30 * 12))


@pytest.mark.requirement("SRS-DATA-14")
def test_the_box_is_over_all_channels_and_negative_values_belong_to_it():
    one, other = np.zeros((5, 6, 7)), np.zeros((5, 6, 7))
    one[1, 2, 3], other[3, 2, 5] = 8, -1
    found = foreground.box([one, other], 0)
    assert (found.begin_voxels, found.size_voxels) == ((3, 2, 1), (3, 1, 3))


def test_an_image_of_nothing_but_0_stays_whole():
    assert foreground.box([np.zeros((4, 4, 4))], 3) is None
    image = image_of(sitk.Image([4, 4, 4], sitk.sitkFloat32))
    assert foreground.cut(image, Crop("nonzero", 0)) == (image, None)


@pytest.mark.requirement("SRS-DATA-14")
def test_a_cut_moves_no_voxel_in_the_world():
    volume = head()
    part, found = foreground.cut(image_of(volume), Crop("nonzero", 0))
    assert part.volume().GetOrigin() == pytest.approx(volume.TransformIndexToPhysicalPoint(BEGIN_XYZ))
    assert part.grid == foreground.own_grid(image_of(volume).grid, found)
    assert np.array_equal(found.spread(part.values_czyx[0], 0), volumes.array_zyx(volume))


def test_holes_belong_to_the_foreground_and_bays_do_not():
    there = np.zeros((5, 7, 7))
    there[1:4, 1:6, 1:6] = 1
    there[2, 3, 3] = 0  # a hole
    there[2, 3, 5] = 0  # open to one side
    filled = foreground.filled([there])
    assert filled[2, 3, 3]
    assert not filled[2, 3, 5]


def test_a_hole_of_a_picture_is_one_in_its_plane():
    there = np.zeros((1, 7, 7))
    there[0, 1:6, 1:6] = 1
    there[0, 3, 3] = 0
    assert foreground.filled([there])[0, 3, 3]


# The way there and back


@pytest.mark.requirement("SRS-DATA-14")
@pytest.mark.parametrize("recipe", [CUT, RAS, RECIPE], ids=["cut", "cut, RAS", "whole"])
@pytest.mark.parametrize("direction", [None, (0, 0, -1, 1, 0, 0, 0, -1, 0)], ids=["oblique", "sagittal"])
def test_labels_come_back_on_the_grid_of_the_image(recipe, direction):
    volume = head(direction)
    image = image_of(volume)
    made = sliding.label(image, bright, recipe).label_map
    assert volumes.grid(made) == volumes.grid(volume)
    assert np.array_equal(volumes.array_zyx(made), truth(volume))
    in_torch, _ = windows.segment(image, bright_in_torch, recipe)
    assert volumes.grid(in_torch) == volumes.grid(volume)
    assert np.array_equal(volumes.array_zyx(in_torch), volumes.array_zyx(made))


@pytest.mark.requirement("SRS-DATA-14")
@pytest.mark.parametrize("margin", [0, 3])
def test_labels_of_a_resampled_image_come_back_and_none_lie_outside_of_the_box(margin):
    recipe = dataclasses.replace(RAS, crop=Crop("nonzero", margin), spacing_mm=(1.7, 1.1, 2.0))
    volume = head()

    def everywhere(patch):
        return np.concatenate([np.full_like(patch, -9), np.full_like(patch, 9)], 1)

    inside = foreground.box([volumes.array_zyx(volume)], margin)
    expected = inside.spread(np.ones(inside.size_voxels[::-1], np.uint8), 0)
    assert np.array_equal(
        volumes.array_zyx(sliding.label(image_of(volume), everywhere, recipe).label_map), expected
    )
    labelled = volumes.array_zyx(sliding.label(image_of(volume), bright, recipe).label_map)
    in_torch, _ = windows.segment(image_of(volume), bright_in_torch, recipe)
    assert np.array_equal(volumes.array_zyx(in_torch), labelled)
    overlap = 2 * (labelled * truth(volume)).sum() / (labelled.sum() + truth(volume).sum())
    assert overlap > 0.85  # voxels of 2 mm


def test_a_label_map_is_brought_onto_what_the_network_sees():
    volume = head()
    label_map = volumes.from_array(truth(volume).astype(np.uint8), volume)
    recipe = dataclasses.replace(RAS, spacing_mm=(1.7, 1.1, 2.0))
    brought = preparation.of_label_map(label_map, image_of(volume), recipe)
    assert volumes.grid(brought) == preparation.seen(image_of(volume), recipe).image.grid.record()


def test_without_a_crop_and_a_field_an_image_is_as_it_was_before_there_were_any():
    recipe = dataclasses.replace(RECIPE, orientation="RAS", spacing_mm=(1.7, 1.1, 2.0))
    expected = image_of(head()).canonical("RAS", (1.7, 1.1, 2.0))
    found = preparation.seen(image_of(head()), recipe)
    assert found.image.grid == expected.grid
    assert np.array_equal(found.image.values_czyx, expected.values_czyx)
    assert found.image.values_czyx.dtype == expected.values_czyx.dtype


# Within the foreground


def test_within_the_foreground_mean_and_sd_are_of_it_and_all_else_is_0():
    values = volumes.array_zyx(head())
    within = Channel("T2", "MRI", (0.0, 100.0), within="foreground")
    (found,) = intensity.normalise_channels(values[None], [within])
    assert (found[values == 0] == 0).all()
    assert found[values != 0].mean(dtype=np.float64) == pytest.approx(0, abs=1e-6)
    assert found[values != 0].std(dtype=np.float64) == pytest.approx(1, abs=1e-6)


def test_within_a_foreground_that_is_empty_everything_is_0():
    within = Channel("T2", "MRI", (0.5, 99.5), within="foreground")
    assert not intensity.normalise_channels(np.zeros((1, 3, 4, 5)), [within]).any()


def test_channels_that_are_normalised_by_labels_are_not_within_anything():
    from radiotrace.imaging import channels
    from radiotrace.records.preprocessing import Intensities

    two = [Channel("CT", "CT"), Channel("T2", "MRI")]
    made = channels.normalised(two, (0.5, 99.5), [Intensities(0, 1, 0.5, 0.1), None], "foreground")
    assert [channel.within for channel in made] == [None, "foreground"]


# The bias field


def variation(volume: sitk.Image) -> float:
    """Coefficient of variation of the darker box, which would have 0.05 without a field."""
    array, plain = volumes.array_zyx(volume), volumes.array_zyx(head())
    values = array[(plain > 60) & (plain < 140)].astype(np.float64)
    return values.std() / values.mean()


@pytest.mark.requirement("SRS-DATA-15")
def test_a_field_that_was_laid_over_is_mostly_divided_out():
    before = variation(shaded(0.4))
    found = bias_field.corrected(shaded(0.4), BiasField("n4", "nonzero", 1.0, (10, 10)))
    assert before > 0.15
    assert variation(found.volume) < 0.6 * before
    assert found.every == (1, 1, 1)
    assert found.mask_voxels == 26 * 21 * 7
    assert found.least < 1 < found.most
    assert found.volume.GetPixelID() == sitk.sitkFloat32
    assert volumes.grid(found.volume) == volumes.grid(shaded(0.4))


@pytest.mark.parametrize("mask", ["otsu", "nonzero"])
def test_whatever_the_number_of_threads_the_bytes_are_the_same(mask):
    settings = dataclasses.replace(FIELD, mask=mask)
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    made = []
    try:
        for threads in (1, 5, 2, 5):
            sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
            made.append(volumes.array_zyx(bias_field.corrected(shaded(0.4), settings).volume).tobytes())
            assert sitk.ProcessObject.GetGlobalDefaultNumberOfThreads() == threads
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
    assert len(set(made)) == 1


def test_a_picture_of_one_slice_has_its_field_in_its_plane():
    slice_of = shaded(0.4)[:, :, 5:6]
    found = bias_field.corrected(slice_of, FIELD)
    assert found.volume.GetSize() == (40, 30, 1)
    assert found.every == (3, 2, 1)


def test_axes_keep_eight_voxels():
    assert bias_field.taken_of(head(), 100.0) == (5, 3, 1)
    assert bias_field.taken_of(head(), 0.1) == (1, 1, 1)


@pytest.mark.requirement("SRS-DATA-15")
def test_nothing_to_estimate_it_on_is_a_fault_with_a_number():
    with pytest.raises(volumes.VolumeError, match="estimated on 0 voxels, expected 32 at least"):
        bias_field.corrected(sitk.Image([12, 12, 12], sitk.sitkInt16), FIELD)
    image = image_of(sitk.Image([12, 12, 12], sitk.sitkInt16))
    with pytest.raises(StageError, match="T2: its bias field would be estimated on 0 voxels"):
        preparation.seen(image, dataclasses.replace(RECIPE, bias_field=FIELD))


@pytest.mark.requirement("SRS-DATA-15")
@pytest.mark.parametrize(
    ("channel", "reason"),
    [
        (Channel("CT", "CT"), "CT has no coils"),
        (Channel("PET", "other"), "nobody says that it is an MRI"),
        (Channel("ADC", "MRI"), "its values have a unit"),
        (Channel("T1_map", "MRI"), "its values have a unit"),
        (Channel(None, "other"), "nobody says that it is an MRI"),
    ],
)
def test_channels_without_such_a_field_are_refused_with_the_reason(channel, reason):
    (fault,) = bias_field.faults(FIELD, [Channel("T2", "MRI"), channel])
    assert reason in fault


@pytest.mark.requirement("SRS-DATA-15")
def test_channels_that_are_left_out_are_not_refused_and_unknown_ones_are():
    declared = [Channel("T2", "MRI"), Channel("ADC", "MRI")]
    assert not bias_field.faults(dataclasses.replace(FIELD, channels=("T2",)), declared)
    (fault,) = bias_field.faults(dataclasses.replace(FIELD, channels=("T1",)), declared)
    assert "found T1, expected some of T2, ADC" in fault
    assert not bias_field.faults(None, declared)


# What the released record says of it


def of_record(**changes) -> Preprocessing:
    return Recipe(**{**vars(RECIPE), **changes}).preprocessing()


def test_a_recipe_comes_back_as_it_was():
    within = (dataclasses.replace(RECIPE.channels[0], within="foreground"),)
    recipe = dataclasses.replace(CUT, bias_field=FIELD, channels=within)
    again = Recipe.of(Preprocessing.of(recipe.preprocessing().record()))
    assert (again.crop, again.bias_field) == (recipe.crop, recipe.bias_field)
    assert again.channels[0].within == "foreground"


def test_steps_of_what_a_recipe_does_not_ask_for_are_not_in_the_record():
    assert model_record.inference(of_record()) == model_record.INFERENCE


def test_steps_stand_where_they_are_done():
    said = model_record.inference(of_record(crop=CUT.crop, bias_field=FIELD)).steps
    names = [step.partition(":")[0] for step in said]
    assert names[1:6] == ["values", "crop", "orientation", "bias field", "spacing"]
    assert said[-2].endswith("Outside of the box that the step crop has left, the label is 0.")


CHANGES = {
    "crop": {"crop": {"foreground": "nonzero", "margin_voxels": 1}},
    "bias field": {"bias_field": FIELD.record()},
    "within": {"within": "foreground"},
    "all": {
        "crop": {"foreground": "nonzero", "margin_voxels": 0},
        "bias_field": dataclasses.replace(FIELD, mask="otsu").record(),
        "within": "foreground",
    },
}


@pytest.mark.parametrize("spacing", [None, [1.7, 1.1, 2.0]], ids=["own", "resampled"])
@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_a_stranger_predicts_the_same_from_the_record_alone(tmp_path, changes, spacing):
    # what is 0 without a crop, and no plain 0 any more where it is resampled
    folder = released.write(tmp_path / "model", preprocessing={**changes, "spacing_mm": spacing})
    volume = shaded(0.4)
    sitk.WriteImage(volume, str(tmp_path / "image.nrrd"))
    theirs = stranger.predicted(folder, tmp_path / "image.nrrd")
    model = released_model.opened(folder)
    ours = sliding.label(image_of(volume), onnx_network.of(folder / "model.onnx", 1), model.recipe).label_map
    assert volumes.grid(ours)["size_voxels"] == list(SIZE_XYZ)
    assert (volumes.array_zyx(theirs) != volumes.array_zyx(ours)).mean() <= 2e-4
    assert len(np.unique(volumes.array_zyx(ours))) == 3


def test_ranges_of_intensity_are_held_against_the_box():
    record = copy.deepcopy(records.read(released.EXAMPLE, "released_model"))
    record["preprocessing"]["crop"] = {"foreground": "nonzero", "margin_voxels": 0}
    record["preprocessing"]["intensities"] = {"low": 0, "high": 300, "mean": 100, "sd": 50}
    record["learnt_from"] |= {
        "size_mm": {"low": [1, 1, 1], "high": [99, 99, 99]},
        "spacing_mm": {"low": [0.5, 0.5, 0.5], "high": [5, 5, 5]},
        "intensity": [{"low": 80, "high": 120}],
    }
    model = released_model.ReleasedModel.of(record)
    image = Image.of([head()], Recipe.of(model.preprocessing).channels)
    faults, _ = released_model.misfits(image, record["modality"], model)
    (fault,) = faults
    assert "found 8" in fault  # of what is not 0; of the whole image the lowest is 0


# Boxes in ingest's record


def cut_of(label_zyx: np.ndarray):
    """What the record of a case says, of a label map on the head's grid."""
    from radiotrace.imaging.decoding import Decoded
    from stages import ingest

    found = foreground.box([volumes.array_zyx(head())], 0)
    volume = volumes.from_array(label_zyx.astype(np.uint8), head())
    decoded = Decoded(volume, 0, {}, ())
    return ingest.cut_to(found, ingest.OpenedFile("x.nii.gz", "0" * 64, decoded, {}))


@pytest.mark.requirement("SRS-DATA-14")
def test_labels_outside_of_the_box_are_counted():
    label_zyx = np.zeros(SIZE_XYZ[::-1])
    label_zyx[5, 10, 15] = 1
    assert cut_of(label_zyx).labelled_voxels_outside == 0
    label_zyx[0, 0, :3] = 1
    assert cut_of(label_zyx).labelled_voxels_outside == 3
    assert cut_of(label_zyx).begin_voxels == BEGIN_XYZ
