"""Checks: each is broken by one case made for it, and a clean case gives nothing."""

import copy
from dataclasses import replace

import numpy as np
import pytest

from radiotrace.imaging import checks
from radiotrace.imaging.channels import Channel
from radiotrace.records.dataset import Case
from radiotrace.records.sections.validate import ValidateParams
from tests import phantoms

LABELS = {"0": "background", "1": "anterior", "2": "posterior"}
LIMITS = ValidateParams(
    size_voxels_min=8,
    size_voxels_max=1024,
    spacing_mm_min=0.1,
    spacing_mm_max=10,
    grid_tolerance_mm=0.001,
    grid_tolerance_direction=0.0001,
    every_label=True,
    label_components_max=1,
    outlier_mad=5,
    exclude=(),
)
GRID = {
    "size_voxels": [18, 22, 14],
    "spacing_mm": [0.9, 1.1, 1.7],
    "origin_mm": [-31.5, 12.25, 77.0],
    "direction": list(phantoms.rotation(10)),
}
INTENSITY = {"min": 1.0, "p0_5": 2.0, "median": 5.0, "p99_5": 9.0, "max": 10.0, "mean": 5.0, "sd": 2.0}


def clean(number: int = 0) -> dict:
    """An entry of the record 'dataset' that passes every check."""
    source = {
        "path": f"{number}.nii.gz",
        "fault": None,
        "pixel_type": "32-bit float",
        "volume": f"{number}.nii.gz",
        "volume_sha256": f"{number:064x}",
        "grid": copy.deepcopy(GRID),
        "non_finite_voxels": 0,
        "identifying_text": [],
    }
    return {
        "case_id": f"case_{number:02d}",
        "subject_id": f"S{number}",
        "attributes": {},
        "image": copy.deepcopy(source)
        | {"intensity": dict(INTENSITY), "voxels_sha256": f"{number:064x}", "sha256": f"{number:064x}"},
        "label_map": copy.deepcopy(source)
        | {
            "label_volumes_mm3": {"1": 200.0, "2": 300.0},
            "voxels_sha256": f"{number + 1000:064x}",
            "sha256": f"{number + 1000:064x}",
        },
    }


def broken(kind: str, **changes) -> dict:
    """A clean case with changes to its image or label map; a dict is merged."""
    case = clean()
    for key, value in changes.items():
        case[kind][key] = (
            case[kind][key] | value if isinstance(value, dict) and key != "label_volumes_mm3" else value
        )
    return case


def names(findings) -> list[tuple[str, str]]:
    return [(finding.check, finding.severity) for finding in findings]


def of_case(case: dict, **limits):
    return checks.case_findings(Case.of(case), LABELS, replace(LIMITS, **limits))


# One case


def test_a_clean_case_gives_nothing():
    assert of_case(clean()) == []


@pytest.mark.parametrize(
    ("kind", "changes", "check"),
    [
        ("image", {"fault": "no such file"}, "readable"),
        ("label_map", {"fault": "no such file"}, "readable"),
        ("image", {"identifying_text": ["descrip: a date"]}, "header"),
        ("label_map", {"identifying_text": ["descrip: a date"]}, "header"),
        ("image", {"non_finite_voxels": 37}, "finite"),
        ("label_map", {"non_finite_voxels": 1}, "finite"),
        ("image", {"intensity": {"min": 3.0, "max": 3.0}}, "not_constant"),
        ("image", {"intensity": {"max": 1e200}}, "range"),
        ("image", {"intensity": {"min": -4e38}}, "range"),
        ("label_map", {"sha256": f"{0:064x}"}, "label_map_is_image"),
        ("label_map", {"voxels_sha256": f"{0:064x}"}, "label_map_is_image"),
        ("label_map", {"label_volumes_mm3": {"1": 1.0, "2": 1.0, "3": 1.0}}, "labels_known"),
        ("label_map", {"label_volumes_mm3": {"1": 1.0, "2": 1.0, "1.5": 1.0}}, "labels_known"),
        ("label_map", {"label_volumes_mm3": {"1": 1.0, "2": 1.0, "-1": 1.0}}, "labels_known"),
        ("label_map", {"label_volumes_mm3": {"1": 1.0}}, "labels_present"),
        ("label_map", {"grid": {"size_voxels": [18, 22, 13]}}, "grid_size_voxels"),
        ("label_map", {"grid": {"spacing_mm": [0.9, 1.1, 1.8]}}, "grid_spacing_mm"),
        ("label_map", {"grid": {"origin_mm": [-31.5, 12.25, 78.0]}}, "grid_origin_mm"),
        ("label_map", {"grid": {"direction": list(phantoms.rotation(11))}}, "grid_direction"),
    ],
)
def test_each_check_is_broken_by_its_case_alone(kind, changes, check):
    assert names(of_case(broken(kind, **changes))) == [(check, "error")]


def test_a_doubt_about_the_place_is_a_warning_with_its_text():
    (finding,) = of_case(broken("label_map", warnings=["qform and sform place a corner 10 mm apart"]))
    assert finding == (
        "case_00",
        "placement",
        "label map: qform and sform place a corner 10 mm apart",
        "one place and side in the world",
        "warning",
    )


def cut(voxels_outside: int | None) -> dict:
    """A clean case that was cut to a box, outside of which so many labelled voxels lie."""
    box = {"begin_voxels": [1, 2, 0], "size_voxels": [16, 18, 14], "kept_share": 0.727}
    return clean() | {"cut_to": box | {"labelled_voxels_outside": voxels_outside}}


@pytest.mark.requirement("SRS-DATA-14")
@pytest.mark.parametrize("voxels", [1, 700])
def test_a_label_outside_of_the_box_to_which_a_case_was_cut_is_an_error(voxels):
    (finding,) = of_case(cut(voxels))
    assert (finding.check, finding.severity) == ("label_outside_crop", "error")
    assert finding.found.startswith(f"{voxels} labelled voxels lie outside")


@pytest.mark.requirement("SRS-DATA-14")
@pytest.mark.parametrize("voxels", [0, None])  # None: of another size, an error of its own
def test_a_case_that_lost_no_label_in_its_cut_gives_nothing(voxels):
    assert of_case(cut(voxels)) == []


@pytest.mark.parametrize(("size", "ok"), [(7, False), (8, True), (1024, True), (1025, False)])
def test_limits_of_size_belong_to_what_is_allowed(size, ok):
    case = clean()
    for kind in ("image", "label_map"):
        case[kind]["grid"]["size_voxels"] = [18, 22, size]
    assert names(of_case(case)) == ([] if ok else [("size", "error")])


@pytest.mark.parametrize(("spacing", "ok"), [(0.09, False), (0.1, True), (10, True), (10.1, False)])
def test_limits_of_spacing_belong_to_what_is_allowed(spacing, ok):
    case = clean()
    for kind in ("image", "label_map"):
        case[kind]["grid"]["spacing_mm"] = [spacing, 1.1, 1.7]
    assert names(of_case(case)) == ([] if ok else [("spacing", "error")])


@pytest.mark.requirement("SRS-DATA-3")
# 77.25 - 77 is exact in binary
@pytest.mark.parametrize(("difference", "ok"), [(0.25, True), (0.2501, False)])
def test_the_grid_tolerance_belongs_to_what_is_allowed(difference, ok):
    case = broken("label_map", grid={"origin_mm": [-31.5, 12.25, 77.0 + difference]})
    assert (of_case(case, grid_tolerance_mm=0.25) == []) == ok


def test_a_finding_gives_case_both_values_and_order():
    (finding,) = of_case(broken("label_map", grid={"spacing_mm": [0.9, 1.1, 1.8]}))
    assert finding == ("case_00", "grid_spacing_mm", "label map 0.9 1.1 1.8", "image 0.9 1.1 1.7", "error")


@pytest.mark.requirement("SRS-DATA-4")
def test_unknown_labels_are_listed_by_value():  # as text, 10 would come before 9
    (finding,) = of_case(broken("label_map", label_volumes_mm3={"1": 1.0, "2": 1.0, "10": 1.0, "9": 1.0}))
    assert finding.found == "label map has 9, 10"


def test_a_missing_label_is_a_warning_where_not_every_case_has_all():
    assert names(of_case(broken("label_map", label_volumes_mm3={"1": 1.0}), every_label=False)) == [
        ("labels_present", "warning")
    ]


@pytest.mark.requirement("SRS-DATA-4")
def test_an_empty_label_map_misses_every_label():
    assert names(of_case(broken("label_map", label_volumes_mm3={}))) == [("labels_present", "error")] * 2


def test_two_damaged_files_of_a_case_are_both_named():
    case = broken("image", fault="a")
    case["label_map"]["fault"] = "b"
    assert [finding.found for finding in of_case(case)] == ["image: a", "label map: b"]


def test_a_damaged_image_does_not_hide_the_text_in_the_header_of_its_label_map():
    case = broken("image", fault="no such file")
    case["label_map"]["identifying_text"] = ["descrip: a date"]
    assert names(of_case(case)) == [("readable", "error"), ("header", "error")]


@pytest.mark.requirement("SRS-DATA-2")
@pytest.mark.requirement("SRS-DATA-13")
@pytest.mark.parametrize(
    ("modality", "low", "expected"),
    [("CT", -1000.0, []), ("CT", 0.0, ["modality"]), ("MRI", 0.0, []), ("MRI", -1000.0, ["modality"])],
)
def test_values_of_a_ct_among_mri_and_the_other_way_round(modality, low, expected):
    case = clean()
    case["image"]["intensity"] |= {"min": low, "p0_5": low}
    found = checks.case_findings(Case.of(case), LABELS, LIMITS, (Channel(None, modality),))
    assert names(found) == [(check, "warning") for check in expected]


def test_an_image_of_nothing_but_nan_is_a_finding():  # its range is null
    case = broken("image", non_finite_voxels=18 * 22 * 14, intensity=dict.fromkeys(INTENSITY))
    assert ("finite", "error") in names(of_case(case))


def test_all_faults_of_a_case_come_together():
    case = broken("image", non_finite_voxels=1, intensity={"min": 3.0, "max": 3.0})
    case["label_map"] |= {"label_volumes_mm3": {"3": 1.0}, "identifying_text": ["descrip: a date"]}
    case["label_map"]["grid"]["origin_mm"] = [0, 0, 0]
    assert sorted({check for check, _ in names(of_case(case))}) == [
        "finite",
        "grid_origin_mm",
        "header",
        "labels_known",
        "labels_present",
        "not_constant",
    ]


# One label map


def shape_findings(array, **limits):
    return checks.label_map_findings("case_00", array, LABELS, replace(LIMITS, **limits))


def test_two_boxes_give_nothing():
    assert shape_findings(phantoms.label_array()) == []


@pytest.mark.parametrize(
    ("shift_xyz", "voxels"),
    [((-5, 0, 0), 5 * 4), ((7, 0, 0), 5 * 4), ((0, -4, 0), 6 * 4), ((0, 0, -4), 6 * 5)],
)
# one face of 6 x 5 x 4 voxels
def test_a_box_on_the_border_is_counted_by_its_voxels_there(shift_xyz, voxels):
    array = np.where(phantoms.label_array() == 1, 1, 0)
    (finding,) = shape_findings(np.roll(array, shift_xyz[::-1], (0, 1, 2)))
    assert (finding.check, finding.found, finding.severity) == (
        "label_border",
        f"anterior: {voxels} voxels on the image border",
        "warning",
    )


def test_a_voxel_beside_the_border_is_inside():
    array = np.zeros((5, 6, 7), np.uint8)
    array[1:-1, 1:-1, 1:-1] = 1
    assert shape_findings(array) == []


def test_a_second_piece_is_a_warning():
    array = phantoms.label_array()
    array[11, 19, 15] = 2
    (finding,) = shape_findings(array)
    assert finding == ("case_00", "label_components", "posterior: 2 components", "at most 1", "warning")


def test_as_many_pieces_as_allowed_are_none_too_many():
    array = phantoms.label_array()
    array[11, 19, 15] = 2
    assert shape_findings(array, label_components_max=2) == []


def test_voxels_that_touch_at_a_corner_are_one_piece():
    array = np.zeros((5, 6, 7), np.uint8)
    array[2, 2, 2] = array[3, 3, 3] = 1
    assert shape_findings(array) == []


def test_pieces_of_different_labels_are_counted_apart():
    array = np.zeros((5, 6, 7), np.uint8)
    array[2, 2, 2:5] = 1, 2, 1
    assert [finding.found for finding in shape_findings(array)] == ["anterior: 2 components"]


def test_a_label_map_one_voxel_thin_lies_on_its_border():
    assert names(shape_findings(np.ones((1, 6, 7), np.uint8))) == [("label_border", "warning")]


# The set


def cases(count: int = 12) -> list[dict]:
    """Clean cases whose label volumes and intensities differ a little: log-steps of 1 %."""
    made = [clean(number) for number in range(count)]
    for number, case in enumerate(made):
        factor = 1.01**number
        case["label_map"]["label_volumes_mm3"] = {"1": 200 * factor, "2": 300 * factor}
        case["image"]["intensity"] |= {"sd": 2 * factor}
    return made


def of_set(made, **limits):
    return checks.set_findings([Case.of(case) for case in made], LABELS, replace(LIMITS, **limits))


def test_a_clean_set_gives_nothing():
    assert of_set(cases()) == []


def test_one_case_is_a_set():
    assert of_set(cases(1)) == []


@pytest.mark.requirement("SRS-DATA-5")
def test_an_image_under_two_ids_is_an_error_of_both():
    made = cases()
    made[7]["image"]["voxels_sha256"] = made[3]["image"]["voxels_sha256"]
    assert of_set(made) == [
        ("case_03", "duplicate_image", "same voxels as case_07", "one id for an image", "error"),
        ("case_07", "duplicate_image", "same voxels as case_03", "one id for an image", "error"),
    ]


@pytest.mark.requirement("SRS-DATA-5")
def test_an_image_under_three_ids_names_the_two_others():
    made = cases()
    for number in (3, 5, 7):
        made[number]["image"]["voxels_sha256"] = "f" * 64
    assert [finding.found for finding in of_set(made)] == [
        "same voxels as case_05, case_07",
        "same voxels as case_03, case_07",
        "same voxels as case_03, case_05",
    ]


def test_equal_label_maps_are_no_duplicates():
    made = cases()
    made[7]["label_map"]["voxels_sha256"] = made[3]["label_map"]["voxels_sha256"]
    assert of_set(made) == []


def test_damaged_cases_are_no_duplicates_of_each_other():
    made = cases()
    for number in (3, 7):
        made[number]["image"] |= {"fault": "damaged", "voxels_sha256": None, "intensity": None}
    assert of_set(made) == []


@pytest.mark.requirement("SRS-DATA-5")
def test_a_subject_spelled_two_ways_is_an_error_of_every_case_of_it():
    made = cases()
    made[3]["subject_id"], made[7]["subject_id"] = "Sub-007", "sub_7"
    assert of_set(made) == [
        (
            "case_03",
            "subject_spelling",
            "subject 'Sub-007', elsewhere 'sub_7'",
            "one spelling for a subject",
            "error",
        ),
        (
            "case_07",
            "subject_spelling",
            "subject 'sub_7', elsewhere 'Sub-007'",
            "one spelling for a subject",
            "error",
        ),
    ]


def test_a_subject_of_two_cases_spelled_one_way_is_no_finding():
    made = cases()
    made[3]["subject_id"] = made[7]["subject_id"]
    assert of_set(made) == []


@pytest.mark.parametrize("spelling", ["sub_7", "SUB7", "sub 07", "sub-0007", "Sub.7", "sub/007"])
def test_one_subject_has_one_key(spelling):
    assert checks.subject_key(spelling) == checks.subject_key("Sub-007")


@pytest.mark.parametrize(
    ("one", "other"),
    [("S_11", "S_1_1"), ("S_1", "S_10"), ("S_0", "S"), ("A1", "B1"), ("1a", "a1"), ("MÜLLER", "MULLER")],
)
def test_two_subjects_have_two_keys(one, other):
    assert checks.subject_key(one) != checks.subject_key(other)


def test_a_subject_0_is_as_good_as_any():
    assert checks.subject_key("S000") == checks.subject_key("s0")


@pytest.mark.requirement("SRS-DATA-5")
@pytest.mark.parametrize(
    "other",
    ["Mu\u0308ller1", "\uff2d\u00fcller1", "M\u00fcller\u200b1", "M\u00fcller\uff11", "M\u00fcller-01"],
)
def test_a_subject_in_another_form_of_unicode_is_the_same_subject(other):
    assert checks.subject_key(other) == checks.subject_key("M\u00fcller1")


@pytest.mark.parametrize("factor", [100, 0.01])
def test_a_label_a_hundred_times_as_large_or_small_is_a_warning(factor):
    made = cases()
    made[5]["label_map"]["label_volumes_mm3"]["1"] *= factor
    assert [(finding.case_id, finding.check, finding.severity) for finding in of_set(made)] == [
        ("case_05", "label_volume", "warning")
    ]


# logs 0..9 and 30: median 5, deviations 5 4 3 2 1 0 1 2 3 4 25, their median 3
def test_an_outlier_shows_its_value_and_the_range():
    values = {f"case_{number:02d}": float(np.exp(log)) for number, log in enumerate([*range(10), 30])}
    low, high = np.exp(5 - 2 * 1.4826 * 3), np.exp(5 + 2 * 1.4826 * 3)
    assert checks._outliers(values, "label_volume", 2) == [
        ("case_10", "label_volume", f"{np.exp(30):.4g}", f"{low:.4g} to {high:.4g}")
    ]


@pytest.mark.parametrize(("limit", "found"), [(5.62, 1), (5.63, 0)])  # 25 / (1.4826 · 3) = 5.6207
def test_an_outlier_begins_beyond_the_limit(limit, found):
    values = {f"case_{number:02d}": float(np.exp(log)) for number, log in enumerate([*range(10), 30])}
    assert len(checks._outliers(values, "label_volume", limit)) == found


@pytest.mark.parametrize(("count", "found"), [(9, 0), (10, 1)])
def test_fewer_than_ten_cases_give_no_verdict(count, found):
    made = cases(count)
    made[5]["label_map"]["label_volumes_mm3"]["1"] *= 100
    assert len(of_set(made)) == found


def test_cases_without_the_label_do_not_count_towards_ten():
    made = cases(10)
    made[5]["label_map"]["label_volumes_mm3"]["1"] *= 100
    del made[6]["label_map"]["label_volumes_mm3"]["1"]
    assert of_set(made) == []


@pytest.mark.parametrize(
    ("changes", "check"),
    [({"sd": 200.0, "p99_5": 702.0}, "intensity_variation"), ({"p99_5": 900.0}, "intensity_spread")],
)
# SD / mean; (p99.5 - p0.5) / SD, which stays 3.5 where only the SD grows
def test_odd_intensities_are_a_warning(changes, check):
    made = cases()
    made[5]["image"]["intensity"] |= changes
    assert names(of_set(made)) == [(check, "warning")]


def test_a_scanner_that_stores_thousandfold_values_is_no_outlier():
    made = cases()
    made[5]["image"]["intensity"] = {
        name: value * 1000 for name, value in made[5]["image"]["intensity"].items()
    }
    assert of_set(made) == []


def test_a_wider_limit_accepts_the_outlier():
    made = cases()
    made[5]["label_map"]["label_volumes_mm3"]["1"] *= 1.5
    assert (len(of_set(made, outlier_mad=5)), len(of_set(made, outlier_mad=50))) == (1, 0)


def test_intensities_of_nothing_but_nan_take_no_part():
    made = cases()
    made[5]["image"]["intensity"] = dict.fromkeys(INTENSITY)
    assert of_set(made) == []
