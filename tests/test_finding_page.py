"""The page of findings: errors first, each where it lies, and a real browser opens it at any width."""

import re

import numpy as np
import pytest

from radiotrace.drawing import finding_page, slices
from radiotrace.drawing.finding_page import About, Shown
from radiotrace.imaging import finding_places
from radiotrace.imaging.finding import Finding
from tests import browser, phantoms

SPACING_ZYX = (2.0, 1.0, 1.5)
ABOUT = About("Phantoms", ("anterior", "posterior"), 16, (("phantom_99", "cut off"),), "Correct them.", {})


def view(place=None) -> slices.View:
    labels = phantoms.label_array()
    image = phantoms.image_array(labels, 0)
    return slices.view(image, (labels, (1, 2)), SPACING_ZYX, place)


def rows() -> list[Shown]:
    return [
        Shown("phantom_02", "label_border", "anterior: 3 voxels", "none", False, view((5, 7, 9))),
        Shown("phantom_01", "finite", "image: 1 voxels are NaN", "finite values", True, view((3, 5, 7))),
        Shown("phantom_07", "readable", "image: <cut>", "a readable volume", True, None, "no picture: x"),
        Shown("", "published_cases", "train: 3 cases", "4", False, None),
        Shown("phantom_03", "label_border", "anterior: 9 voxels", "none", False, view()),
    ]


# The slice that is shown


def test_without_a_place_the_slice_has_the_most_of_the_labels():
    assert view().number == 6  # boxes in z of 4 to 7 and 5 to 8: both from 5 on
    assert view().place is None
    assert all(view().outlines)


def test_a_place_is_in_its_slice_in_the_middle_of_its_voxel():
    shown = view((3, 5, 7))
    assert (shown.number, shown.slices, shown.plane.name) == (4, 14, "axial")
    assert shown.place == (7.5, 5.5)


def test_across_other_planes_rows_grow_towards_the_feet():
    image = np.zeros((14, 6, 18))
    shown = slices.view(image, None, (1.0, 5.0, 1.0), (2, 4, 7))
    assert (shown.plane.name, shown.number) == ("coronal", 5)
    assert shown.place == (7.5, 14 - 1 - 2 + 0.5)


def test_values_that_are_not_finite_and_images_of_one_value_are_drawn():
    image = np.full((4, 5, 6), np.nan)
    assert slices.view(image, None, (1, 1, 1)).png == slices.view(np.zeros((4, 5, 6)), None, (1, 1, 1)).png


# Where it lies

LABELS = {"0": "background", "1": "anterior", "2": "posterior"}


def place(check: str, image, labels, said: str = "posterior: so") -> tuple | None:
    finding = Finding("phantom_01", check, said, "", "warning")
    return finding_places.place(finding, image, labels, LABELS)


def test_a_ring_is_drawn_around_the_smaller_piece_of_the_label_that_is_meant():
    labels = phantoms.label_array()
    labels[2, 3, 4], labels[1, 1, 1] = 2, 1
    image = phantoms.image_array(phantoms.label_array(), 0)
    assert place("label_components", image, labels) == (2, 3, 4)
    assert place("label_components", image, labels, "anterior: so") == (1, 1, 1)


def test_labels_on_the_border_and_voxels_that_are_not_finite_are_found():
    labels, image = np.zeros((4, 5, 6), int), np.zeros((4, 5, 6))
    labels[2, 0, 3], labels[1, 2, 3], labels[0, 0, 0], image[1, 4, 2] = 2, 2, 1, np.inf
    assert place("label_border", image, labels) == (2, 0, 3)
    assert place("finite", image, labels) == (1, 4, 2)
    assert place("finite", image, None) == (1, 4, 2)


def test_an_empty_slice_between_others_is_found():
    image = np.random.default_rng(0).normal(size=(6, 5, 8))
    image[3] = 7
    assert place("empty_slices", image, None) == (3, 2, 4)


@pytest.mark.parametrize("check", ["label_volume", "mirrored", "label_components", "label_border", "finite"])
def test_what_is_of_the_case_or_not_there_has_no_place(check):
    labels = np.zeros((4, 5, 6), int)
    labels[1, 2, 3] = 2
    assert place(check, np.zeros((4, 5, 6)), labels) is None


# The page


def test_errors_come_first_and_findings_are_grouped_by_check():
    assert [(group.title, group.is_error, len(group.findings)) for group in finding_page.groups(rows())] == [
        ("Finite", True, 1),
        ("Readable", True, 1),
        ("Label border", False, 2),
        ("Published cases", False, 1),
    ]


def test_the_same_findings_give_the_same_page():
    assert finding_page.page(ABOUT, rows()) == finding_page.page(ABOUT, rows())


def test_text_of_data_is_no_markup():
    assert "image: &lt;cut&gt;" in finding_page.page(ABOUT, rows())


def test_a_page_says_what_comes_of_it():
    assert "2 errors, which stop the run" in finding_page.page(ABOUT, rows())
    assert "<b>No error, 3 warnings</b>" in finding_page.page(ABOUT, [r for r in rows() if not r.is_error])
    assert "Nothing was found." in finding_page.page(ABOUT, [])


def test_outlines_have_the_colour_of_their_label():
    page = finding_page.page(ABOUT, rows()[:1])
    assert re.search(r'<path d="M[^"]+" class="label-1"/>', page)
    assert '<span class="label-2"></span>posterior' in page
    assert ".label-1 { stroke: #e69f00;" in page


def test_a_browser_opens_it_at_any_width_and_on_paper_and_axe_finds_nothing(tmp_path):
    (tmp_path / "findings.html").write_text(finding_page.page(ABOUT, rows() * 4), "utf-8")
    with browser.opened(tmp_path / "findings.html") as shown:
        assert all(request.startswith(("file:", "data:")) for request in shown.requests)
        assert shown.errors == []
        assert shown.misfits() == []
        assert shown.overflow(390) <= 0
        assert shown.overflow(1280) <= 0
        paper = shown.on_paper(browser.PORTRAIT, "nav, .skip")
    assert paper.cut_off == []
    assert paper.not_hidden == []
