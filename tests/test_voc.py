"""Pascal VOC as a layout: what is read, what is refused, and what comes of it."""

import csv
import json
from pathlib import Path

import pytest

from radiotrace.imaging.layouts import checking, listing, voc, which, writing
from radiotrace.imaging.layouts.listing import Asked
from tests import box_pictures

ONE = [("cell", 10, 12, 26, 24)]
ASKED = Asked("phantoms", pixel_mm=(1.0, 1.0), has_classes=True)


def read(text: str | bytes) -> tuple[voc.Annotation | None, list[str]]:
    faults: list[str] = []
    data = text.encode() if isinstance(text, str) else text
    return voc.read(data, "a.xml", faults), faults


def listed(root: Path, asked: Asked = ASKED):
    paths = which.below(root, lambda folder, names: set())
    layout = which.of(root, paths)
    assert layout.kind == which.BOXES
    return listing.of(root, paths, layout, asked)


@pytest.fixture
def own(tmp_path) -> Path:
    return box_pictures.write(tmp_path / "own", {"train": 3, "val": 1, "test": 2})


# A file of boxes


def test_boxes_are_read_as_they_stand():
    found, faults = read(box_pictures.annotation("a", [*ONE, ("speck", 5, 5, 5, 9)]))
    assert faults == []
    assert found is not None
    assert found.size == (72, 56)
    assert [(box.name, box.low, box.high) for box in found.boxes] == [
        ("cell", (10, 12), (26, 24)),
        ("speck", (5, 5), (5, 9)),  # without a width: the stage 'boxes' says so
    ]


ENTITIES = "".join(f'<!ENTITY e{n} "&e{n - 1};&e{n - 1};">' for n in range(1, 40))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f'<!DOCTYPE a [<!ENTITY e0 "lol">{ENTITIES}]><annotation>&e39;</annotation>', "document type"),
        (
            '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hosts">]><annotation>&x;</annotation>',
            "document type",
        ),
        ('<!DOCTYPE a SYSTEM "http://example.org/a.dtd"><annotation/>', "document type"),
        ("<annotation>" + "<a>" * 100 + "</a>" * 100 + "</annotation>", "inside each other"),
        ("<annotation>" + "<a/>" * (voc.ELEMENTS_MAX + 1) + "</annotation>", "elements"),
        ("<annotation><object>", "no XML"),
        ("", "no XML"),
        (b"\xff\xfe\x00", "no XML"),
        ("<plist/>", "expected annotation"),
        ("<annotation>" + " " * voc.BYTES_MAX + "</annotation>", "at most"),
    ],
)
def test_hostile_and_broken_xml_is_refused_in_a_line(text, expected):
    found, faults = read(text)
    assert found is None
    assert len(faults) == 1
    assert expected in faults[0]
    assert "\n" not in faults[0]


def test_every_fault_of_a_file_is_named():
    text = box_pictures.annotation("a", [("cell", 1, 2, 3, 4), ("\x7f", 1, 2, 3, 4), ("none", 1, 2, 3, 4)])
    found, faults = read(text.replace("<xmin>1</xmin>", "<xmin>left</xmin>", 1))
    assert found is None
    assert [fault.split(":")[1].strip() for fault in faults] == ["box 1", "box 2", "box 3"]
    assert "xmin 'left'" in faults[0]


# A folder of them


def test_a_folder_is_told_by_its_names(own):
    made = listed(own)
    assert made.faults == []
    assert [source.case_id for source in made.sources] == [
        "test_000",
        "test_001",
        "train_000",
        "train_001",
        "train_002",
        "val_000",
    ]
    assert {source.case_id: source.part for source in made.sources}["val_000"] == "validation"
    assert made.class_names == {0: "none", 1: "cell", 2: "speck"}


def test_a_segmentation_is_told_that_these_are_boxes(own):
    [fault] = listed(own, Asked("phantoms")).faults[:1]
    assert "--task detection" in fault


def test_all_faults_of_a_folder_are_named_at_once(own):
    root = own / "cells"
    (root / "Annotations/val_000.xml").unlink()
    (root / "JPEGImages/train_000.png").unlink()
    (root / "Annotations/train_001.xml").write_text("<annotation")
    with open(root / "ImageSets/Main/test.txt", "a") as file:
        file.write("train_002\nnobody\n")
    text = "\n".join(listed(own).faults)
    assert "JPEGImages/val_000.png: no file in Annotations has its name" in text
    assert "Annotations/train_000.xml: 0 pictures have its name" in text
    assert "Annotations/train_001.xml: no XML" in text
    assert "train_002 stands in another part, too" in text
    assert "nobody: stands in a list of ImageSets/Main" in text


def test_boxes_of_another_copy_of_the_picture_are_refused(own):
    path = own / "cells/Annotations/train_001.xml"
    path.write_text(box_pictures.annotation("train_001", ONE, (640, 480)))
    [fault] = checking.of(own, listed(own), ASKED).faults
    assert fault.startswith("train_001:")
    assert "72 x 56 pixels; the file of its boxes says 640 x 480" in fault


def test_what_is_written_has_every_box(own, tmp_path):
    made = listed(own)
    writing.write(own, tmp_path / "out", made, checking.of(own, made, ASKED), ASKED)
    declared = json.loads((tmp_path / "out/dataset.json").read_text())
    assert declared["labels"] == {"none": 0, "cell": 1, "speck": 2}
    assert declared["columns"] == {
        "boxes": {"role": "target", "kind": "number", "unit": "boxes", "minimum": 0},
        "part": {"role": "part", "kind": "category"},
    }
    rows = list(csv.reader((tmp_path / "out/boxes.csv").read_text().splitlines()))
    assert rows[0] == ["case_id", "label", "x_low", "y_low", "x_high", "y_high"]
    _, boxes = box_pictures.picture("train", 2)
    assert [row[1:] for row in rows if row[0] == "train_002"] == [
        [name, *map(str, corners)] for name, *corners in boxes
    ]
    table = (tmp_path / "out/cases.csv").read_text().splitlines()
    cases = {row["case_id"]: row for row in csv.DictReader(table)}
    assert cases["train_002"]["boxes"] == str(len(boxes))
    assert cases["train_002"]["part"] == "train"
