"""figures: the same bytes every time, and nothing in them that should not travel."""

import re
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from radiotrace.drawing import figures
from tests import phantoms
from tests.projects import ROOT

LABELS = {"0": "background", "1": "anterior", "2": "posterior"}
SPACING_ZYX = phantoms.SPACING_XYZ[::-1]


LOSSES = [1.5, 0.75]


def row(title="median of 3 test cases: phantom_00", prediction=None) -> dict:
    labels = phantoms.label_array()
    return {
        "title": title,
        "image_zyx": phantoms.image_array(labels, 0),
        "reference_zyx": labels,
        "prediction_zyx": phantoms.label_array((1, 0, 1)) if prediction is None else prediction,
        "spacing_zyx": SPACING_ZYX,
    }


CURVE, OUTLINES = (
    (lambda: figures.training_curve(LOSSES, {"anterior": (0.5, 0.8), "posterior": (None, 0.7)})),
    (lambda: figures.outlines([row()], LABELS)),
)
BOTH = pytest.mark.parametrize("draw", [CURVE, OUTLINES], ids=["training_curve", "outlines"])


def comments(content: bytes) -> str:
    """The texts of a figure: matplotlib draws them as shapes and repeats each in a comment."""
    return " ".join(re.findall(r"<!-- (.*?) -->", content.decode()))


def panels(**changes):
    """The three axes of one case."""
    axes = Figure().subplots(1, 3)
    figures._outline_row(axes, row() | changes, LABELS)
    return axes


@BOTH
def test_a_figure_is_svg(draw):
    assert ElementTree.fromstring(draw()).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - written a line above


@BOTH
def test_a_figure_is_the_same_bytes_twice(draw):
    assert draw() == draw()


@BOTH
def test_a_figure_has_no_date(draw):
    assert re.findall(rb"\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d|dc:date", draw()) == []


@BOTH
@pytest.mark.parametrize(
    "path", [str(ROOT), sys.prefix, "file://", "/home/"], ids=["repository", "environment", "url", "home"]
)
def test_a_figure_has_no_absolute_path(draw, path):
    assert path.encode() not in draw()


@BOTH
def test_a_figure_loads_nothing(draw):  # pictures are inside, as data:
    assert {link.split(b":")[0] for link in re.findall(rb'xlink:href="([^#"]+)"', draw())} <= {b"data"}


@BOTH
def test_no_line_ends_in_a_blank(draw):
    assert all(line == line.rstrip() for line in draw().split(b"\n"))


def test_the_training_curve_names_the_labels():
    assert {"anterior", "posterior"} <= set(comments(CURVE()).split())


def test_the_training_curve_works_with_an_empty_validation_part():
    assert "Training loss" in comments(figures.training_curve(LOSSES, {}))


def test_the_training_curve_works_when_no_dice_is_defined():
    assert "anterior" in comments(figures.training_curve(LOSSES, {"anterior": (None, None)}))


def test_the_training_curve_works_for_one_epoch():
    assert "Training loss" in comments(figures.training_curve(LOSSES[:1], {"anterior": (0.5,)}))


def test_outlines_tell_reference_and_prediction_apart():
    assert {"reference", "prediction"} <= set(comments(OUTLINES()).split())


def test_outlines_show_every_title():
    assert all(
        title in comments(figures.outlines([row("first case"), row("second case")], LABELS))
        for title in ("first case", "second case")
    )


@pytest.mark.parametrize("title", ["case--1 -> & <b>", "Fälle"])
def test_outlines_take_titles_that_xml_must_escape(title):
    picture = ElementTree.fromstring(figures.outlines([row(title)], LABELS))  # noqa: S314 - raises where it is not XML
    assert picture.tag.endswith("svg")


def test_outlines_work_with_an_empty_prediction():
    assert "axial" in comments(
        figures.outlines([row(prediction=np.zeros_like(phantoms.label_array()))], LABELS)
    )


def test_outlines_work_without_any_foreground():
    nothing = np.zeros_like(phantoms.label_array())
    assert "slice 0" in comments(
        figures.outlines([row(prediction=nothing) | {"reference_zyx": nothing}], LABELS)
    )


def test_pixels_have_the_proportions_of_the_voxels():  # height over width in mm: y/x, z/x, z/y
    assert [axes.get_aspect() for axes in panels()] == pytest.approx([1.1 / 0.9, 1.7 / 0.9, 1.7 / 1.1])


def test_coronal_and_sagittal_slices_are_head_up():  # row 0, the lowest z, is at the bottom
    assert [axes.yaxis_inverted() for axes in panels()] == [True, False, False]


def test_the_slice_with_most_foreground_is_shown():
    # Labels: x 5-10 and 5-9, y 4-8 and 10-15, z 4-7 and 5-8; both are in z 5-7, 6 · 5 · 4 voxels fill y with
    # 24, 5 · 6 · 4 with 20.
    prediction = phantoms.label_array()
    assert [axes.get_xlabel() for axes in panels(prediction_zyx=prediction)] == [
        "axial, slice 5",
        "coronal, slice 4",
        "sagittal, slice 5",
    ]


def test_each_label_is_outlined_twice():  # axial slice 5 has both labels in both maps
    assert len(panels()[0].collections) == 4
