"""Slices of a case: outlines as paths, the plane and its sides, pictures of the same bytes every time."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from radiotrace.drawing import slices


def mask(*rows: str) -> np.ndarray:
    return np.array([[letter == "#" for letter in row] for row in rows])


def box(shape_zyx=(5, 7, 9)) -> np.ndarray:
    made = np.zeros(shape_zyx, bool)
    made[2, 1:3, 4:8] = True
    return made


def drawn(spacing_zyx=(1, 1, 1), shape_zyx=(5, 7, 9)) -> slices.Stack:
    image = np.arange(np.prod(shape_zyx), dtype=float).reshape(shape_zyx)
    reference = box(shape_zyx) if min(shape_zyx) > 2 else np.ones(shape_zyx, bool)
    return slices.stack(image, [(reference, np.roll(reference, 1, 2))], spacing_zyx)


@pytest.mark.parametrize(
    ("rows", "path"),
    [
        (("...", "..."), ""),
        (("...", ".#."), "M1 1h1v1h-1z"),
        (("##", "##"), "M0 0h2v2h-2z"),
        (("#.", ".#"), "M0 0h1v1h-1zM1 1h1v1h-1z"),  # two objects, that meet at a corner
        (("###", "#.#", "###"), "M0 0h3v3h-3zM1 1v1h1v-1z"),  # the hole the other way round
    ],
)
def test_an_outline_goes_along_the_edges_of_voxels(rows, path):
    assert slices.outline(mask(*rows)) == path


def area(path: str) -> int:
    """Of closed paths, by the shoelace formula; holes count against it."""
    total = 0
    for loop in filter(None, path.split("z")):
        x, y = map(int, re.match(r"M(\d+) (\d+)", loop).groups())
        corners = [(x, y)]
        for step, length in re.findall(r"([hv])(-?\d+)", loop):
            x, y = (x + int(length), y) if step == "h" else (x, y + int(length))
            corners.append((x, y))
        total += sum(
            a[0] * b[1] - b[0] * a[1] for a, b in zip(corners, corners[1:] + corners[:1], strict=True)
        )
    return total // 2


def test_an_outline_encloses_as_many_voxels_as_the_mask_has():
    rng = np.random.default_rng(0)
    for _ in range(20):
        made = rng.random((11, 17)) < 0.6
        assert area(slices.outline(made)) == made.sum()


def test_every_slice_is_there_and_the_outlined_one_is_opened():
    stack = drawn()
    assert [one.number for one in stack.slices] == [1, 2, 3, 4, 5]
    assert stack.opens_at == 2
    assert [bool(one.reference[0]) for one in stack.slices] == [False, False, True, False, False]
    assert stack.slices[2].reference == ("M4 1h4v2h-4z",)
    assert stack.slices[2].prediction == ("M5 1h4v2h-4z",)


@pytest.mark.parametrize(
    ("spacing_zyx", "name", "sides"),
    [
        ((1, 1, 1), "axial", "RLAP IS"),
        ((1, 1.05, 1), "axial", "RLAP IS"),  # no coarser than a header's digits may say
        ((3, 1, 1), "axial", "RLAP IS"),
        ((1, 3, 1), "coronal", "RLSI AP"),
        ((1, 1, 3), "sagittal", "APSI RL"),
    ],
)
def test_slices_are_shown_as_they_were_scanned_with_the_sides_of_the_body(spacing_zyx, name, sides):
    plane = drawn(spacing_zyx).plane
    found = f"{plane.left}{plane.right}{plane.top}{plane.bottom} {plane.first}{plane.last}"
    assert (plane.name, found) == (name, sides)


def test_the_head_is_up_in_a_coronal_slice():
    image = np.zeros((4, 3, 5))
    image[3] = 1  # the slice nearest to the head
    reference = image > 0
    stack = slices.stack(image, [(reference, reference)], (1, 3, 1))
    assert stack.slices[0].reference == ("M0 0h5v1h-5z",)
    picture = np.asarray(Image.open(io.BytesIO(stack.slices[0].png)))
    assert (picture[0].min(), picture[1:].max()) == (255, 0)


@pytest.mark.parametrize(("shape_zyx", "name"), [((1, 7, 9), "axial"), ((7, 9, 1), "sagittal")])
def test_a_picture_has_one_slice(shape_zyx, name):
    stack = drawn((9, 1, 1), shape_zyx)
    assert (len(stack.slices), stack.plane.name, stack.opens_at) == (1, name, 0)
    assert stack.slices[0].on_sheet


def test_edges_of_a_voxel_are_those_of_the_plane():
    stack = drawn((1, 3, 0.5))  # z, y, x in mm
    assert (stack.row_mm, stack.column_mm, stack.slice_mm) == (1, 0.5, 3)
    assert (stack.height_mm, stack.width_mm) == (5, 4.5)


def test_the_sheet_is_spread_over_outlined_slices_and_over_all_where_none_is():
    assert slices.on_sheet(np.array([0, 0, 1, 1, 1, 0])) == {2, 3, 4}
    assert slices.on_sheet(np.zeros(11)) == {0, 2, 4, 6, 8, 10}


@pytest.mark.parametrize(("width_mm", "bar_mm"), [(35, 10), (300, 100), (29, 5), (0.7, 0.2), (6, 2)])
def test_the_scale_bar_is_a_nice_length_of_a_third_at_most(width_mm, bar_mm):
    assert slices.scale_bar(width_mm) == pytest.approx(bar_mm)


def test_a_large_slice_is_drawn_smaller_in_its_proportions():
    stack = slices.stack(np.random.default_rng(0).random((2, 300, 600)), [], (1, 1, 1))
    assert Image.open(io.BytesIO(stack.slices[0].png)).size == (256, 128)
    assert (stack.rows, stack.columns) == (300, 600)


def test_a_constant_image_is_drawn():
    assert slices.stack(np.full((2, 3, 4), 7.0), [], (1, 1, 1)).window == (7, 7)


def test_the_same_case_gives_the_same_bytes():
    assert drawn() == drawn()
