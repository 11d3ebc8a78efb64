"""Parts: which cases a stage gets, and their volumes as handed in."""

from pathlib import Path

import numpy as np
import pytest

from radiotrace import records
from radiotrace.imaging import parts, volumes
from tests import entries, phantoms

DATASET = entries.dataset(
    *(
        entries.case(
            case_id,
            attributes={"site": "north"},
            image={"path": f"imagesTr/{case_id}.nii.gz", "sha256": "1" * 64},
            label_map={"path": f"labelsTr/{case_id}.nii.gz", "sha256": "2" * 64},
        )
        for case_id in "cab"
    ),
    modality="T1",
)
TEN = list("abcdefghij")
SPLIT = {
    "cases": {
        case_id: {"part": part, "subject_id": f"head of {case_id}"}
        for case_id, part in (("c", "test"), ("a", "train"), ("b", "test"))
    }
}


def test_a_part_has_its_cases_alone_and_sorted():
    assert list(parts.cases(DATASET, SPLIT, "test")) == ["b", "c"]


def test_a_case_has_what_leads_to_its_files():
    assert parts.cases(DATASET, SPLIT, "train")["a"] == {
        "case_id": "a",
        "subject_id": "head of a",
        "attributes": {"site": "north"},
        "channels": [{"name": "T1", "modality": "MRI", "path": "imagesTr/a.nii.gz", "sha256": "1" * 64}],
        "label_map": {"path": "labelsTr/a.nii.gz", "sha256": "2" * 64},
    }


def test_a_part_without_cases_is_empty():
    assert parts.cases(DATASET, SPLIT, "validation") == {}


def stored(volume, path: Path) -> dict:
    volumes.write(volume, path)
    return {"path": path.name, "sha256": records.sha256(path)}


def test_a_label_map_has_the_voxels_of_its_file(tmp_path):
    volume = phantoms.pair(3)[1]
    case = {"label_map": stored(volume, tmp_path / "one.nii.gz")}
    assert np.array_equal(volumes.array_zyx(parts.label_map(case, tmp_path)), volumes.array_zyx(volume))


def test_an_image_has_the_voxels_of_each_file_in_the_order_of_its_channels(tmp_path):
    of_channels = {"T2": phantoms.pair(3)[0], "CT": phantoms.pair(4)[0]}
    case = {
        "channels": [
            {"name": name, "modality": "other", **stored(volume, tmp_path / f"{name}.nii.gz")}
            for name, volume in of_channels.items()
        ]
    }
    image = parts.image(case, tmp_path)
    assert [channel.name for channel in image.channels] == ["T2", "CT"]
    for values_zyx, volume in zip(image.values_czyx, of_channels.values(), strict=True):
        assert np.array_equal(values_zyx, volumes.array_zyx(volume))
    assert image.grid.record() == volumes.grid(volumes.read(tmp_path / "T2.nii.gz"))


@pytest.mark.parametrize(("sizes", "expected"), [("11", True), ("19", False)])
def test_pictures_are_data_sets_whose_images_all_have_one_slice(sizes, expected):
    grids = [entries.GRID | {"size_voxels": [20, 30, int(edge)]} for edge in sizes]
    cases = (entries.case(image={"grid": grid}) for grid in grids)
    assert parts.are_pictures(entries.dataset(*cases)) == expected


@pytest.mark.parametrize(
    ("count", "expected"), [(1, "a"), (2, "aj"), (4, "adgj"), (10, "abcdefghij"), (99, "abcdefghij")]
)
def test_cases_are_spread_evenly(count, expected):  # 4 of positions 0 … 9: 0, 3, 6, 9
    assert parts.spread(TEN, count) == list(expected)


def test_spread_cases_do_not_depend_on_the_order():
    assert parts.spread(TEN[::-1], 4) == parts.spread(TEN, 4)


@pytest.mark.parametrize("cases", range(1, 20))
def test_as_many_cases_as_asked_for(cases):  # rounding positions makes no two equal
    names = [f"{number:02d}" for number in range(cases)]
    assert [len(parts.spread(names, count)) for count in range(1, cases + 1)] == list(range(1, cases + 1))
