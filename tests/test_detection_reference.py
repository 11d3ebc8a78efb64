"""Boxes of the reference: what is read and refused, and where they lie in the canonical volume; out of label
maps, too."""

import numpy as np
import pytest
import SimpleITK as sitk

from radiotrace.detection import reference
from radiotrace.detection.reference import Place, Row
from radiotrace.imaging import volumes
from radiotrace.imaging.image import Grid
from radiotrace.records.detection.boxes import Box, LeftOut

HEADER = "case_id,label,x_low,y_low,z_low,x_high,y_high,z_high\n"
NAMES = ("cell", "speck")


def grid(*size: int) -> Grid:
    return Grid(size, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))


PLACES = {"a": Place(grid(20, 10, 6), grid(20, 10, 6)), "b": Place(grid(20, 10, 1), grid(20, 10, 1))}


def read(text: str) -> tuple[list[Row], list[str]]:
    faults: list[str] = []
    return reference.read(text.encode(), faults), faults


def faults_of(*rows: Row, left_out: tuple[LeftOut, ...] = (), beyond: float = 1) -> list[str]:
    return reference.faults_of(rows, PLACES, NAMES, left_out, beyond)


def row(low: tuple, high: tuple, case_id: str = "a", number: int = 1, label: str = "cell") -> Row:
    return Row(case_id, number, label, low, high)


def test_boxes_are_numbered_in_their_case():
    rows, faults = read(HEADER + "a,cell,1,2,0,3,4,1\nb,cell,1,2,0,3,4,1\na,speck,1.5,2,0,3,4e0,1\n")
    assert faults == []
    assert [(one.case_id, one.number, one.label) for one in rows] == [
        ("a", 1, "cell"),
        ("b", 1, "cell"),
        ("a", 2, "speck"),
    ]
    assert rows[2].low == (1.5, 2, 0)
    assert rows[2].high == (3, 4, 1)


def test_of_pictures_z_may_be_left_out():
    rows, faults = read("case_id,label,x_low,y_low,x_high,y_high\nb,cell,1,2,3,4\n")
    assert faults == []
    assert (rows[0].low, rows[0].high) == ((1, 2, 0), (3, 4, 1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "found the columns nothing"),
        ("case,label\n", "found the columns case, label"),
        (HEADER + "a,cell,1\n", "line 2: 3 cells, expected 8"),
        (HEADER + "a,cell,one,2,0,3,4,1\n", "a: box 1: x_low 'one', expected numbers"),
        (HEADER + "a,cell,1e999,2,0,3,4,1\n", "expected numbers"),
        (HEADER + 'a,"cell,1,2,0,3,4,1\n', "expected a table"),
    ],
)
def test_a_broken_table_is_told(text, expected):
    _, faults = read(text)
    assert expected in "\n".join(faults)


def test_all_faults_are_named_at_once():
    faults = faults_of(
        row((1, 1, 0), (5, 1, 2), number=1),
        row((-3, 1, 0), (5, 5, 2), number=2),
        row((1, 1, 0), (5, 5, 2), number=3, label="organ"),
        row((1, 1, 0), (5, 5, 2), case_id="c"),
        row((2, 2, 0), (5, 5, 2), number=4),
        row((2, 2, 0), (5, 5, 2), number=5),
        row((30, 2, 0), (35, 5, 2), number=6),
        left_out=(LeftOut("a", 9, "why"),),
    )
    assert [fault.partition(" (")[0] for fault in faults] == [
        "boxes.left_out: a: there is no box 9",
        "a: box 1",
        "a: box 2",
        "a: box 3",
        "c: box 1",
        "a: box 5",
        "a: box 6",
    ]
    text = "\n".join(faults)
    for expected in (
        "no size along y",
        "beyond the image, x -3 to 5 of 0 to 20",
        "label 'organ', expected one of cell, speck",
        "the data set has no such case",
        "stands twice, as box 4 already",
    ):
        assert expected in text


def test_what_people_left_out_is_no_fault():
    flat = row((1, 1, 0), (1, 1, 1), case_id="b")
    assert faults_of(flat)
    assert faults_of(flat, left_out=(LeftOut("b", 1, "no size"),)) == []


def test_a_side_a_little_outside_is_clipped():
    near = row((-0.5, 1, 0), (20.9, 5, 1), case_id="b")
    assert faults_of(near) == []
    assert faults_of(near, beyond=0.25)
    assert reference.canonical(near, PLACES["b"]) == Box("cell", (0, 1, 0), (20, 5, 1))


@pytest.mark.parametrize("orientation", ["LPS", "RAI", "PIR"])
@pytest.mark.parametrize("spacing", [None, (0.5, 2.0, 1.0)])
def test_a_box_lies_on_the_same_voxels_in_the_canonical_volume(orientation, spacing):
    """Against a label map that ingest's own code turned and resampled."""
    inside = np.zeros((12, 16, 20), np.uint8)
    inside[2:8, 4:12, 6:18] = 1
    volume = sitk.GetImageFromArray(inside)
    volume.SetSpacing((1.0, 1.0, 2.0))
    volume.SetOrigin((-7.0, 3.0, 11.0))
    volume.SetDirection((-1, 0, 0, 0, 0, 1, 0, 1, 0))
    turned = volumes.canonical(volume, orientation, spacing, is_label_map=True)
    place = Place(Grid.of(volume), Grid.of(turned))
    found = reference.canonical(row((6, 4, 2), (18, 12, 8)), place)
    [expected] = reference.of_parts(volumes.array_zyx(turned), {1: "cell"}, 1)
    assert np.allclose(found.low_voxels, expected.low_voxels, atol=1e-5)
    assert np.allclose(found.high_voxels, expected.high_voxels, atol=1e-5)


def test_label_maps_give_a_box_around_each_part():
    label_map = np.zeros((6, 10, 20), np.uint8)
    label_map[1:3, 2:5, 3:9] = 1
    label_map[3, 5, 9] = 1  # touches at a corner
    label_map[5, 9, 19] = 1
    label_map[0, 0, :4] = 2
    found = reference.of_parts(label_map, {1: "cell", 2: "speck"}, 1)
    assert found == [
        Box("cell", (3, 2, 1), (10, 6, 4)),
        Box("cell", (19, 9, 5), (20, 10, 6)),
        Box("speck", (0, 0, 0), (4, 1, 1)),
    ]
    assert reference.of_parts(label_map, {1: "cell"}, 2) == found[:1]


def test_pairs_that_may_be_one_thing_are_counted():
    one, near, other = (Box("cell", (x, 0, 0), (x + 10, 10, 1)) for x in (0.0, 0.5, 6.0))
    assert reference.overlapping([one, near, other]) == 1
    assert reference.overlapping([one, Box("speck", near.low_voxels, near.high_voxels)]) == 0
