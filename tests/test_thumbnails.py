"""thumbnails: the right slices, outlines where masks end, the same bytes."""

import io

import numpy as np
import pytest
from PIL import Image

from radiotrace.drawing import thumbnails
from tests import phantoms

LABELS = phantoms.label_array()
IMAGE = phantoms.image_array(LABELS, 0)
SPACING_ZYX = phantoms.SPACING_XYZ[::-1]


def picture(outlines=((LABELS == 1, LABELS == 1),), scale=4.0) -> Image.Image:
    return Image.open(io.BytesIO(thumbnails.planes(IMAGE, list(outlines), SPACING_ZYX, scale))).convert("RGB")


def colours(image: Image.Image) -> set:
    return {colour for _, colour in image.getcolors(1 << 24)}


def near(image: Image.Image, colour: str) -> int:
    """Pixels of about a colour."""
    wanted = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)])
    return int((np.abs(np.asarray(image, int) - wanted).sum(-1) < 60).sum())


# x 18 · 0.9 and y 22 · 1.1 mm and z 14 · 1.7 mm, by 4
def test_three_planes_stand_side_by_side_to_scale():
    x, y, z = 65, 97, 95
    assert picture().size == (x + x + y + 2 * thumbnails.GAP, max(y, z))


def test_outlines_have_their_colours():
    assert near(picture(((LABELS == 1, np.zeros_like(LABELS, bool)),)), thumbnails.REFERENCE) > 50
    assert near(picture(((LABELS == 1, np.zeros_like(LABELS, bool)),)), thumbnails.PREDICTION) == 0
    assert near(picture(((np.zeros_like(LABELS, bool), LABELS == 1),)), thumbnails.PREDICTION) > 50


def test_a_case_without_outlines_is_grey():
    assert all(max(colour) - min(colour) == 0 for colour in colours(picture(())))


def test_an_image_that_is_constant_can_be_shown():
    assert thumbnails.planes(np.ones((4, 5, 6)), [], (1, 1, 1), 2)


def test_the_same_bytes_twice():
    one, other = (thumbnails.planes(IMAGE, [(LABELS == 1, LABELS == 2)], SPACING_ZYX, 2) for _ in range(2))
    assert one == other


@pytest.mark.parametrize(("mask", "edges"), [([[1]], 4), ([[1, 1]], 6), ([[1, 0], [0, 1]], 8), ([[0]], 0)])
def test_borders_are_the_edges_between_voxels(mask, edges):
    assert len(thumbnails.borders(np.array(mask, bool))) == edges


def test_the_border_of_one_voxel_goes_around_it():
    mask = np.zeros((3, 4), bool)
    mask[1, 2] = True
    assert {frozenset(line) for line in thumbnails.borders(mask)} == {
        frozenset(((1, 2), (1, 3))),
        frozenset(((2, 2), (2, 3))),
        frozenset(((1, 2), (2, 2))),
        frozenset(((1, 3), (2, 3))),
    }
