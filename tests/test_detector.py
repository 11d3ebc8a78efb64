"""The detector: targets, losses, networks, decoding, variation, preparation and learner, in two and three
dimensions."""

from typing import Any

import numpy as np
import pytest
import torch

from radiotrace.detection import (
    augmentation,
    decoding,
    learner,
    losses,
    networks,
    preparation,
    released,
    targets,
)
from radiotrace.detection.decoding import Selection
from radiotrace.detection.examples import Example
from radiotrace.detection.losses import Criterion
from radiotrace.detection.networks import Found
from radiotrace.detection.preparation import ImageRecipe
from radiotrace.imaging.channels import Channel
from radiotrace.imaging.image import Grid, Image
from radiotrace.learning.cases import Cases
from radiotrace.records.detection.network import DetectorSpec

SHAPES = {2: (48, 64), 3: (24, 32, 40)}
BOXES = {
    2: np.array([[4, 8, 20, 40], [30, 40, 38, 50.0]]),
    3: np.array([[2, 4, 8, 14, 20, 32], [14, 22, 4, 22, 30, 16.0]]),
}
LABELS = np.array([1, 0])
ALL = Selection(score_min=0.5, boxes_max=10, suppress_overlap=1.0)
STILL = augmentation.Settings(scale=0, stretch=0, mirror=(), turn=False, intensity=0, colour=0)


def spec(axes: int, **others: Any) -> DetectorSpec:
    values: dict[str, Any] = {
        "axes": axes,
        "widths": (8, 16, 16),
        "blocks": 1,
        "head_width": 16,
        "cell_voxels": 4,
        "usual_cells": 3.0,
        "image_channels": 2,
        "classes": 2,
    }
    return DetectorSpec(**{**values, **others})


def rng(number: int = 0) -> np.random.Generator:
    return np.random.default_rng(number)


# Targets and decoding


@pytest.mark.parametrize("axes", [2, 3])
def test_targets_decode_to_the_boxes_that_they_were_made_of(axes):
    made = targets.of_boxes(BOXES[axes], LABELS, 2, SHAPES[axes], 4)
    sides = np.where(made.weight > 0, made.sides, 1)
    found = decoding.decoded(made.heat, decoding.corners_of(sides, 4), 4, Selection(0.999, 10, 1.0))
    order = np.argsort(found.labels)[::-1]
    assert found.labels[order].tolist() == [1, 0]
    assert np.allclose(found.corners[order], BOXES[axes], atol=1e-4)


@pytest.mark.parametrize("axes", [2, 3])
def test_every_box_weighs_as_much_as_any_other(axes):
    made = targets.of_boxes(BOXES[axes], LABELS, 2, SHAPES[axes], 4)
    assert made.weight.sum() == pytest.approx(2)
    assert (made.heat == 1).sum() == 2
    assert made.heat.max() == 1


def test_of_two_boxes_a_cell_learns_the_smaller():
    boxes = np.array([[0, 0, 40, 40], [12, 12, 28, 28.0]])
    made = targets.of_boxes(boxes, np.array([0, 0]), 1, (40, 40), 4)
    middle = made.sides[:, 5, 5] * 4  # the cell from 20 to 24, whose middle is 22
    assert np.allclose(middle, [10, 10, 6, 6])


def test_a_box_whose_middle_is_outside_has_no_cell():
    made = targets.of_boxes(np.array([[-30, 0, 10, 8.0]]), np.array([0]), 1, (16, 16), 4)
    assert made.weight.sum() == 0
    assert made.heat.max() == 0


def test_no_box_gives_no_target():
    made = targets.of_boxes(np.zeros((0, 4)), np.zeros(0, int), 2, (16, 16), 4)
    assert made.heat.sum() == made.weight.sum() == 0


def test_a_peak_is_the_highest_of_its_neighbours():
    heat = np.zeros((1, 5, 6))
    heat[0, 2, 2], heat[0, 2, 3], heat[0, 4, 5] = 0.9, 0.8, 0.3
    found = decoding.peaks(heat)
    assert np.argwhere(found[0]).tolist() == [[2, 2], [4, 5]]


def test_boxes_are_clipped_kept_by_score_and_suppressed():
    heat = np.zeros((1, 4, 8))
    heat[0, 1, 1], heat[0, 1, 4], heat[0, 3, 7] = 0.9, 0.7, 0.6
    sides = np.full((4, 4, 8), 3.0)
    corners = decoding.corners_of(sides, 2)
    every = decoding.decoded(heat, corners, 2, ALL)
    assert every.scores.tolist() == [0.9, 0.7, 0.6]
    assert every.corners[0].tolist() == [0, 0, 8, 9]  # 3 - 6 is outside; 3 + 6 along x
    fewer = decoding.decoded(heat, corners, 2, Selection(0.5, 10, 0.2))
    assert fewer.scores.tolist() == [0.9, 0.6]
    assert len(decoding.decoded(heat, corners, 2, Selection(0.5, 1, 1.0)).scores) == 1
    assert len(decoding.decoded(heat, corners, 2, Selection(0.95, 9, 1.0)).scores) == 0


# Losses


def found_of(made: targets.CellTargets, logit: float) -> Found:
    heat = torch.from_numpy(np.where(made.heat == 1, logit, -logit).astype(np.float32))[None]
    sides = torch.from_numpy(np.where(made.weight > 0, made.sides, 1).astype(np.float32))[None]
    return Found(heat, sides)


def stacked(*made: targets.CellTargets) -> dict[str, torch.Tensor]:
    return {
        name: torch.from_numpy(np.stack([getattr(one, name) for one in made]))
        for name in ("heat", "sides", "weight")
    }


@pytest.mark.parametrize("axes", [2, 3])
def test_what_is_right_and_sure_costs_nothing(axes):
    made = targets.of_boxes(BOXES[axes], LABELS, 2, SHAPES[axes], 4)
    assert Criterion(2.0)(found_of(made, 20.0), stacked(made)).item() == pytest.approx(0, abs=1e-4)
    assert Criterion(2.0)(found_of(made, -20.0), stacked(made)).item() > 10


def test_the_loss_of_boxes_is_one_minus_generalised_iou():
    # boxes of 2 x 2 and 4 x 2 about one point: overlap 4 of 8, hull 8
    sides = torch.tensor([1.0, 1.0, 1.0, 1.0]).reshape(1, 4, 1, 1)
    truth = torch.tensor([1.0, 2.0, 1.0, 2.0]).reshape(1, 4, 1, 1)
    weight = torch.ones(1, 1, 1)
    assert losses.box_loss(sides, truth, weight).item() == pytest.approx(0.5)


def test_the_loss_of_an_image_does_not_depend_on_those_beside_it():
    one = targets.of_boxes(BOXES[2], LABELS, 2, SHAPES[2], 4)
    none = targets.of_boxes(np.zeros((0, 4)), np.zeros(0, int), 2, SHAPES[2], 4)
    both = Found(*(torch.cat(pair) for pair in zip(found_of(one, 1.0), found_of(none, 1.0), strict=True)))
    together = Criterion(2.0)(both, stacked(one, none))
    alone = [Criterion(2.0)(found_of(made, 1.0), stacked(made)) for made in (one, none)]
    assert torch.allclose(together, torch.cat(alone))
    assert torch.isfinite(together).all()


# Networks


@pytest.mark.parametrize("axes", [2, 3])
def test_what_is_found_in_an_image_does_not_depend_on_those_beside_it(axes):
    network = networks.build(spec(axes), 0).eval()
    images = torch.from_numpy(rng().normal(size=(2, 2, *SHAPES[axes])).astype(np.float32))
    with torch.inference_mode():
        together, alone = network(images), network(images[:1])
    assert together.heat.shape == (2, 2, *(edge // 4 for edge in SHAPES[axes]))
    assert together.sides.shape == (2, 2 * axes, *(edge // 4 for edge in SHAPES[axes]))
    assert torch.allclose(together.heat[:1], alone.heat, atol=1e-5)
    assert (together.sides > 0).all()


@pytest.mark.parametrize("axes", [2, 3])
def test_every_weight_learns(axes):
    network = networks.build(spec(axes), 0)
    made = targets.of_boxes(BOXES[axes], LABELS, 2, SHAPES[axes], 4)
    images = torch.from_numpy(rng().normal(size=(1, 2, *SHAPES[axes])).astype(np.float32))
    Criterion(2.0)(network(images), stacked(made)).sum().backward()
    assert [name for name, value in network.named_parameters() if value.grad is None] == []
    assert not [m for m in network.modules() if "BatchNorm" in type(m).__name__]


def test_a_seed_decides_the_initial_weights():
    one, same, other = (networks.build(spec(2), seed) for seed in (1, 1, 2))
    pairs = zip(one.state_dict().values(), same.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(one.heat[0][0].weight, other.heat[0][0].weight)


def test_fewer_stages_than_cells_need_are_refused():
    with pytest.raises(ValueError, match="expected 3"):
        networks.build(spec(2, widths=(8, 16), cell_voxels=8), 0)


@pytest.mark.parametrize("axes", [2, 3])
def test_the_graph_finds_what_the_network_finds(axes):
    network = networks.build(spec(axes), 3).eval()
    content = released.graph(network, 2, axes, networks.shrinks(spec(axes)), 4, 20)
    values = rng(4).normal(size=(2, *SHAPES[axes])).astype(np.float32)
    scores, corners = released.session(content, 1)(values)
    with torch.inference_mode():
        found = network(torch.from_numpy(values)[None])
    heat = torch.sigmoid(found.heat[0]).numpy()
    assert np.allclose(scores, decoding.peaks(heat), atol=1e-5)
    assert np.allclose(corners, decoding.corners_of(found.sides[0].numpy(), 4), atol=1e-3)
    assert content == released.graph(network, 2, axes, networks.shrinks(spec(axes)), 4, 20)


# Variation


def test_a_window_that_is_not_varied_is_the_image():
    values = torch.from_numpy(rng().normal(size=(2, 24, 32)).astype(np.float32))
    window = augmentation.drawn((24, 32), (24, 32), STILL, rng(1))
    assert torch.allclose(window.of_image(values), values, atol=1e-5)
    corners, labels = window.of_boxes(BOXES[2][:1], LABELS[:1])
    assert np.allclose(corners, [[4, 8, 20, 32]])  # cut at the edge of the window
    assert labels.tolist() == [1]


VARIED = augmentation.Settings(0.3, 0.1, mirror=("x", "y", "z"), turn=True, intensity=1, colour=1)


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("number", range(6))
def test_boxes_go_where_the_image_goes(axes, number):
    """A bright block is where its box says, in every window."""
    shape, size = SHAPES[axes], (24, 32, 32)[-axes:]
    block = np.array([[6, 10, 14, 18, 22, 28.0]]) if axes == 3 else np.array([[10, 14, 30, 42.0]])
    values = np.zeros((1, *shape), np.float32)
    values[(0, *(slice(int(a), int(b)) for a, b in zip(block[0, :axes], block[0, axes:], strict=True)))] = 1
    window = augmentation.drawn(shape, size, VARIED, rng(number))
    seen = window.of_image(torch.from_numpy(values))[0].numpy()
    corners, _ = window.of_boxes(block, np.array([0]))
    if not len(corners):
        assert (seen > 0.5).mean() < 0.2
        return
    bright = np.argwhere(seen > 0.5)
    assert np.allclose(bright.min(0), corners[0, :axes], atol=1.01)
    assert np.allclose(bright.max(0) + 1, corners[0, axes:], atol=1.01)


def test_variation_follows_from_its_generator():
    values = torch.from_numpy(rng().normal(size=(3, 24, 32)).astype(np.float32))
    one, same, other = (augmentation.shaded(values, VARIED, rng(number)) for number in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(augmentation.shaded(values, STILL, rng(1)), values)


# Preparation


def image_of(values_czyx: np.ndarray) -> Image:
    channels = tuple(Channel(None, "other", (0, 100)) for _ in values_czyx)
    grid = Grid(values_czyx.shape[:0:-1], (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    return Image(values_czyx, channels, grid)


def test_a_picture_is_normalised_shrunk_and_continued():
    values = rng().normal(size=(3, 1, 10, 22))
    channels = image_of(values).channels
    recipe = ImageRecipe("LPS", None, channels, (1, 2, 3), 8, 2)
    found = preparation.prepared(image_of(values), recipe)
    assert found.shape == (3, 8, 8)  # 10 / 2 and 24 / 3, then multiples of 8
    normal = (values[0, 0] - values[0, 0].mean()) / values[0, 0].std()
    assert found[0, 0, 0] == pytest.approx(normal[:2, :3].mean(), abs=1e-5)
    assert np.array_equal(found[:, 5:], np.repeat(found[:, 4:5], 3, 1))


def test_corners_come_back_to_the_canonical_volume():
    recipe = ImageRecipe("LPS", None, (), (2, 1, 4), 8, 3)
    low, high = np.array([[4.0, 3, 2]]), np.array([[20.0, 9, 10]])  # x y z
    boxes = preparation.to_input(low, high, recipe)
    assert boxes.tolist() == [[1, 3, 1, 5, 9, 5]]  # z y x
    back = preparation.to_canonical(boxes, (18, 30, 30), recipe)
    assert [ends.tolist() for ends in back] == [[[4, 3, 2]], [[18, 9, 10]]]  # clipped along x
    of_picture = ImageRecipe("LPS", None, (), (1, 2, 2), 8, 2)
    flat = preparation.to_canonical(np.array([[1, 2, 3, 4.0]]), (90, 90, 1), of_picture)
    assert [ends.tolist() for ends in flat] == [[[4, 2, 0]], [[8, 6, 1]]]


# Learner


def test_a_learner_follows_average_precision():
    names = ("cell", "speck")
    one = Example(rng().normal(size=(2, *SHAPES[2])).astype(np.float32), BOXES[2], LABELS)
    cases = Cases(["a", "b"], lambda _: one, 10)
    network = networks.build(spec(2), 0)
    of = learner.DetectionLearner(
        network, Criterion(2.0), cases, cases, names, (32, 32), 4, VARIED, torch.device("cpu")
    )
    batch = of.batch([0, 1], [rng(1), rng(2)])
    again = of.batch([0, 1], [rng(1), rng(2)])
    assert torch.equal(batch.inputs, again.inputs)
    assert batch.inputs.shape == (2, 2, 32, 32)
    assert batch.targets["heat"].shape == (2, 2, 8, 8)
    assert of.loss(network(batch.inputs), batch).shape == (2,)
    scores = of.scores(of.validate(network.eval(), [0, 1]))
    assert set(scores) == set(names)
    assert of.scores([]) == {}
