"""recompute: measures made again from label maps are those that were measured; every seeded fault does
what it says."""

import numpy as np
import pytest
import SimpleITK as sitk

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.records.sections.segmentation.evaluate import EvaluateParams
from radiotrace.segmentation import recompute, results
from tests import entries, phantoms

LABELS = {"0": "background", "1": "anterior", "2": "posterior"}
SETTINGS = EvaluateParams(
    surface_tolerance_mm=1,
    empty_reference="undefined",
    object_overlap_min=0.1,
    calibration_margin_voxels=1,
    dropout_passes=0,
    augmentation_passes=0,
    poor_dice=0.85,
    flag_share=0.25,
    subgroup_subjects_min=5,
    threads=1,
    seed=0,
)
# of the prediction against the reference, in voxels x, y, z
SHIFTS = {"p_01": (0, 0, 0), "p_02": (1, 0, 0), "p_03": (0, 0, 0)}


@pytest.fixture
def part(tmp_path):
    """Three test cases and one of training, of which each prediction is the reference, shifted."""
    described, cases = [], []
    for number, (case_id, shift) in enumerate({**SHIFTS, "p_04": (0, 0, 0)}.items()):
        reference, prediction = (
            phantoms.label_array((number - 1, 0, 0)),
            phantoms.label_array(np.add((number - 1, 0, 0), shift)),
        )
        for folder, array in (("raw", reference), ("predictions", prediction)):
            (tmp_path / folder).mkdir(exist_ok=True)
            sitk.WriteImage(phantoms.volume(array), str(tmp_path / folder / f"{case_id}.nii.gz"))
        file = {
            "path": f"{case_id}.nii.gz",
            "sha256": records.sha256(tmp_path / "raw" / f"{case_id}.nii.gz"),
        }
        described.append(entries.case(case_id, image=file, label_map=file))
        if case_id in SHIFTS:
            cases.append(
                {
                    "case_id": case_id,
                    "subject_id": f"s_{case_id}",
                    "prediction": f"{case_id}.nii.gz",
                    "labels": "as stated",
                    "uncertainty": {},
                    "prediction_sha256": records.sha256(tmp_path / "predictions" / f"{case_id}.nii.gz"),
                }
            )
    split = {
        "cases": {
            case.case_id: {
                "part": "test" if case.case_id in SHIFTS else "train",
                "subject_id": f"s_{case.case_id}",
            }
            for case in described
        }
    }
    return {
        "cases": cases,
        "dataset": entries.dataset(*described),
        "split": split,
        "labels": LABELS,
        "raw": tmp_path / "raw",
        "predictions": tmp_path / "predictions",
        "settings": SETTINGS,
    }


def dice(part, fault=None) -> list[float]:
    return [round(entry["labels"]["anterior"]["dice"], 6) for entry in recompute.entries(**part, fault=fault)]


def test_dice_is_that_of_the_label_maps(part):  # a box 6 wide, shifted by 1: 2·5 / (6 + 6)
    assert dice(part) == [1.0, round(10 / 12, 6), 1.0]


def test_entries_are_those_of_the_evaluation_itself(part):
    read = [sitk.ReadImage(str(part[kind] / "p_02.nii.gz")) for kind in ("raw", "predictions")]
    expected = results.compare(*map(sitk.GetArrayFromImage, read), LABELS, read[0].GetSpacing()[::-1], 1, 0.1)
    assert list(recompute.entries(**part))[1] == part["cases"][1] | {"labels": expected}


def test_volumes_are_in_cubic_millimetres(part):
    entry = next(recompute.entries(**part))
    assert entry["labels"]["anterior"]["reference_mm3"] == pytest.approx(phantoms.VOLUMES_MM3[1])


def test_prediction_that_was_changed_is_refused(part):
    (part["predictions"] / "p_02.nii.gz").write_bytes((part["predictions"] / "p_01.nii.gz").read_bytes())
    with pytest.raises(StageError, match=r"p_02\.nii\.gz was changed"):
        list(recompute.entries(**part))


def test_raw_file_that_is_missing_is_named(part):
    (part["raw"] / "p_03.nii.gz").unlink()
    with pytest.raises(StageError, match=r"p_03\.nii\.gz is missing"):
        list(recompute.entries(**part))


def test_prediction_of_another_shape_is_named(part):
    path = part["predictions"] / "p_02.nii.gz"
    sitk.WriteImage(phantoms.volume(phantoms.label_array()[:-1]), str(path))
    part["cases"][1]["prediction_sha256"] = records.sha256(path)
    with pytest.raises(StageError, match=r"p_02\.nii\.gz has another shape"):
        list(recompute.entries(**part))


@pytest.mark.parametrize(
    "change",
    [
        lambda cases: cases.pop(),
        lambda cases: cases.append(cases[0]),
        lambda cases: cases[0].update(case_id="p_04"),
    ],
    ids=["one is missing", "one twice", "one of training"],
)
def test_cases_that_are_not_the_test_part_are_refused(part, change):
    change(part["cases"])
    with pytest.raises(StageError, match="the cases are not those of the test part"):
        list(recompute.entries(**part))


def test_summaries_are_those_of_the_cases(part):
    found = recompute.summaries(list(recompute.entries(**part)), {"flag_above": {}}, SETTINGS)
    assert found["dice"]["anterior"]["mean"] == pytest.approx((1 + 10 / 12 + 1) / 3)
    assert found["dice"]["anterior"]["n_subjects"] == 3


def test_worst_cases_stand_first(part):
    found = recompute.summaries(list(recompute.entries(**part)), {"flag_above": {}}, SETTINGS)
    assert found["worst_cases"][0]["case_id"] == "p_02"


def fault(name, prediction_zyx, shape=None):
    return recompute.FAULTS[name](
        np.array(prediction_zyx, np.uint8), shape or np.shape(prediction_zyx), [1, 2]
    )


def test_swapped_labels_are_the_other_way_round():
    assert fault("swap labels", [[[0, 1, 2, 1]]]).tolist() == [[[0, 2, 1, 2]]]


def test_label_is_swapped_where_the_other_was_not_predicted():
    assert fault("swap labels", [[[0, 1, 1]]]).tolist() == [[[0, 2, 2]]]


def test_three_labels_are_turned_round_and_the_middle_stays():
    assert recompute.FAULTS["swap labels"](np.array([0, 1, 2, 3], np.uint8), (4,), [1, 2, 3]).tolist() == [
        0,
        3,
        2,
        1,
    ]


def test_highest_value_of_a_byte_is_swapped():
    assert recompute.FAULTS["swap labels"](np.array([0, 7, 255], np.uint8), (3,), [7, 255]).tolist() == [
        0,
        255,
        7,
    ]


def test_prediction_of_another_case_is_cut_and_filled_to_the_shape():
    assert fault("shuffle cases", [[[1, 2, 1], [2, 2, 2]]], shape=(1, 1, 4)).tolist() == [[[1, 2, 1, 0]]]


def test_eroded_prediction_keeps_what_has_neighbours_on_all_sides():
    assert np.argwhere(fault("erode", np.ones((3, 3, 3)))).tolist() == [[1, 1, 1]]


def test_border_between_two_labels_is_not_eroded():
    array = np.zeros((5, 5, 6), np.uint8)
    array[1:4, 1:4, 1:3], array[1:4, 1:4, 3:5] = 1, 2
    assert fault("erode", array)[2, 2].tolist() == [0, 0, 1, 2, 0, 0]


def test_dilated_prediction_gains_one_voxel_along_each_axis():
    array = np.zeros((3, 3, 3), np.uint8)
    array[1, 1, 1] = 2
    assert np.count_nonzero(fault("dilate", array) == 2) == 7


def test_dilation_moves_no_border_between_labels():
    assert fault("dilate", [[[0, 1, 2, 0]]]).tolist() == [[[1, 1, 2, 2]]]


@pytest.mark.parametrize("name", sorted(recompute.FAULTS))
def test_fault_lowers_dice(part, name):  # shuffled: the boxes of the next case lie elsewhere
    assert np.mean(dice(part, name)) < np.mean(dice(part))


@pytest.mark.parametrize("name", sorted(recompute.FAULTS))
def test_fault_leaves_the_prediction_itself_alone(name):
    before = np.array([[[0, 1, 2], [1, 2, 0]]], np.uint8)
    given = before.copy()
    recompute.FAULTS[name](given, given.shape, [1, 2])
    assert (given == before).all()
