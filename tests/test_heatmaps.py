"""heatmaps: the same bytes every time, the right way round, and nothing in them that should not travel."""

import re
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from radiotrace.drawing import heatmaps
from tests import phantoms
from tests.projects import ROOT

SPACING_ZYX = phantoms.SPACING_XYZ[::-1]


def row(title="worst of 3 test cases: phantom_00", **changes) -> dict:
    labels = phantoms.label_array()
    image = phantoms.image_array(labels, 0)
    return {
        "title": title,
        "image_zyx": image,
        "map_zyx": np.clip(image / 100, 0, 1),
        "mask_zyx": labels == 1,
        "spacing_zyx": SPACING_ZYX,
        "centre_zyx": (5, 6, 7),
    } | changes


def draw(*rows) -> bytes:
    return heatmaps.overlays(list(rows) or [row()], "what it is\nand what it is not", "0: nothing, 1: much")


def comments(content: bytes) -> str:
    return " ".join(re.findall(r"<!-- (.*?) -->", content.decode(), re.DOTALL))


def panels(**changes):
    """The three axes of one row."""
    axes = Figure().subplots(1, 3)
    heatmaps._row(axes, row(**changes))
    return axes


@pytest.fixture(scope="module")
def drawn() -> bytes:
    return draw()


def test_a_figure_is_svg(drawn):
    assert ElementTree.fromstring(drawn).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - written a line above


def test_a_figure_is_the_same_bytes_twice(drawn):
    assert draw() == drawn


def test_a_figure_has_no_date_and_no_absolute_path(drawn):
    assert re.findall(rb"\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d|dc:date", drawn) == []
    assert [path for path in (str(ROOT), sys.prefix, "file://", "/home/") if path.encode() in drawn] == []


def test_a_figure_loads_nothing(drawn):  # pictures are inside, as data:
    assert {link.split(b":")[0] for link in re.findall(rb'xlink:href="([^#"]+)"', drawn)} <= {b"data"}


def test_a_figure_says_what_it_is_and_what_its_colours_mean():
    told = comments(draw(row("first"), row("second")))
    assert all(
        text in told
        for text in (
            "what it is",
            "and what it is not",
            "0: nothing, 1: much",
            "first",
            "second",
            "outline of the prediction",
        )
    )


def test_a_row_without_a_map_has_its_title_alone():
    told = comments(draw(row("it is predicted nowhere", map_zyx=None)))
    assert "it is predicted nowhere" in told
    assert "axial" not in told


def test_planes_go_through_the_centre():
    assert [axes.get_xlabel() for axes in panels()] == [
        "axial, slice 5",
        "coronal, slice 6",
        "sagittal, slice 7",
    ]


def test_pixels_have_the_proportions_of_the_voxels():  # height over width in mm: y/x, z/x, z/y
    assert [axes.get_aspect() for axes in panels()] == pytest.approx([1.1 / 0.9, 1.7 / 0.9, 1.7 / 1.1])


# LPS: x grows to the patient's left, y to the back, z to the head. Low indices stand on the left and, where y
# goes down, on top.
@pytest.mark.parametrize(
    ("plane", "letters", "down"), [(0, ["R", "A"], True), (1, ["R", "S"], False), (2, ["A", "S"], False)]
)
def test_letters_say_what_is_on_the_left_and_on_top(plane, letters, down):
    axes = panels()[plane]
    assert [text.get_text() for text in axes.texts[:2]] == letters
    assert (axes.xaxis_inverted(), axes.yaxis_inverted()) == (False, down)


# The phantom is 16.2 mm wide and high 24.2 and 23.8 mm: a third is 5.4, 5.4 and 8.1 mm.
def test_a_scale_is_round_and_no_longer_than_a_third():
    assert [axes.texts[2].get_text() for axes in panels()] == ["5 mm", "5 mm", "5 mm"]


def test_a_scale_has_its_length():
    for axes, width_mm in zip(panels(), (16.2, 16.2, 24.2), strict=True):
        left, right = axes.lines[0].get_xdata()
        assert (right - left) * width_mm == pytest.approx(5)


# 60 mm at 0.9, 1.1 and 1.7 mm: 66, 54 and 35 voxels
def test_of_a_large_image_the_surroundings_of_the_centre_are_shown():
    labels = np.zeros((100, 200, 300), bool)
    labels[50:52, 20:22, 290:292] = True
    axes = panels(image_zyx=labels * 1.0, map_zyx=labels * 1.0, mask_zyx=labels, centre_zyx=(50, 20, 290))[1]
    assert axes.get_xlim() == (290 - 66 - 0.5, 299.5)
    assert axes.get_ylim() == (50 - 35 - 0.5, 50 + 35 + 0.5)


def test_a_large_image_does_not_make_a_large_file():
    rng = np.random.default_rng(0)
    large, mask = rng.random((60, 400, 400)), np.zeros((60, 400, 400), bool)
    mask[20:40, 190:210, 180:220] = True
    # voxels of noise: 600 kB
    assert len(draw(row(image_zyx=large, map_zyx=large, mask_zyx=mask, centre_zyx=(30, 200, 200)))) < 400e3


def test_a_map_is_transparent_where_it_is_0_and_more_opaque_where_it_is_higher():
    assert heatmaps._heat(np.array([0.0, 0.5, 1.0]))[:, 3].tolist() == [
        0,
        heatmaps.OPAQUE / 2,
        heatmaps.OPAQUE,
    ]


def test_the_image_and_the_heat_are_those_of_the_slice():
    image, heat = panels()[1].images
    assert np.array_equal(image.get_array(), row()["image_zyx"][:, 6])
    assert np.array_equal(heat.get_array(), heatmaps._heat(row()["map_zyx"][:, 6]))
