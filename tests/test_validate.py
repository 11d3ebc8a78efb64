"""Validate: all faults in one message, and what was there before stays."""

import copy
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.imaging import checks, identity
from radiotrace.pipeline import stage
from radiotrace.records.dataset import Case
from radiotrace.records.sections.validate import ValidateParams
from stages import ingest, validate
from tests import phantoms, projects

COMMON = ["--params", "params.yaml", "--requirements", "requirements.txt"]
ARGUMENTS = [
    "--dataset",
    "build/ingest/dataset.json",
    "--volumes",
    "build/ingest/volumes",
    "--failed",
    "execution/findings.html",
    "--out",
    "build/validate",
    *COMMON,
]


def bring_in(folder: Path) -> None:
    """Manifest and ingest in the current folder."""
    (folder / "data.sha256").write_text(identity.manifest("data"))
    assert (
        stage.run(
            ingest.main,
            copy.deepcopy(ingest.parser),
            ["--data", "data", "--manifest", "data.sha256", "--out", "build/ingest", *COMMON],
        )
        == 0
    )


def run() -> int:
    """The stage in the current folder, as its command line runs it."""
    return stage.run(validate.main, copy.deepcopy(validate.parser), ARGUMENTS)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def spoil(folder: Path) -> None:
    """Seven cases of a data set that fail, each in its own way."""
    image, label_map = folder / "imagesTr", folder / "labelsTr"
    array = phantoms.image_array(phantoms.label_array(), 1)
    array[3, 5, 7] = np.nan
    sitk.WriteImage(phantoms.volume(array), str(image / "phantom_01.nii.gz"))
    sitk.WriteImage(phantoms.volume(phantoms.label_array()), str(label_map / "phantom_01.nii.gz"))
    sitk.WriteImage(
        phantoms.volume(phantoms.label_array(), origin=(0, 0, 0)), str(label_map / "phantom_02.nii.gz")
    )
    labels = sitk.ReadImage(str(label_map / "phantom_03.nii.gz"))
    labels[0, 0, 0] = 3
    sitk.WriteImage(labels, str(label_map / "phantom_03.nii.gz"))
    for kind in (image, label_map):
        shutil.copyfile(kind / "phantom_04.nii.gz", kind / "phantom_05.nii.gz")
    sitk.WriteImage(
        sitk.ReadImage(str(image / "phantom_06.nii.gz")) * 0 + 4, str(image / "phantom_06.nii.gz")
    )
    (image / "phantom_07.nii.gz").write_bytes(b"garbage" * 100)
    text = (folder / "cases.csv").read_text()
    (folder / "cases.csv").write_text(text.replace("phantom_09,subject_08", "phantom_09,Subject-8"))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Two folders ready for validate: 'clean' and 'spoilt'. Tests copy them."""
    root = tmp_path_factory.mktemp("validate")
    for name in ("clean", "spoilt"):
        (root / name).mkdir()
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(root / name)
            phantoms.write_dataset(root / name / "data", 16)
            if name == "spoilt":
                spoil(root / name / "data")
            shutil.copyfile(projects.ROOT / "params.yaml", "params.yaml")
            bring_in(root / name)
    return root


@pytest.fixture
def clean(prepared, tmp_path, monkeypatch):
    """The current folder, with 16 good cases brought in."""
    shutil.copytree(prepared / "clean", tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture
def spoilt(prepared, tmp_path, monkeypatch):
    """The current folder, with 16 cases brought in of which 8 fail, and the record of an earlier run."""
    shutil.copytree(prepared / "spoilt", tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    (tmp_path / "project/build/validate").mkdir()
    (tmp_path / "project/build/validate/accepted.json").write_text("from an earlier run")
    return tmp_path / "project"


def exclude(folder: Path, *case_ids: str) -> list[dict]:
    entries = [{"case_id": case_id, "reason": f"reason of {case_id}"} for case_id in case_ids]
    projects.set_params(folder, validate={"exclude": entries})
    return entries


def accepted(folder: Path) -> dict:
    return records.read(folder / "build/validate/accepted.json", "accepted")


def findings(folder: Path) -> dict:
    return records.read(folder / "build/validate/findings.json", "findings")


# Good data


def test_good_cases_are_all_accepted(clean):
    assert run() == 0
    assert [case["case_id"] for case in accepted(clean)["cases"]] == [
        f"phantom_{number:02d}" for number in range(16)
    ]


def test_good_cases_have_no_error(clean):
    run()
    assert (findings(clean)["cases_checked"], findings(clean)["errors"]) == (16, 0)


def test_accepted_cases_keep_subject_and_digest(clean):
    run()
    dataset = records.read(clean / "build/ingest/dataset.json", "dataset")
    assert accepted(clean)["cases"] == [
        {
            "case_id": case["case_id"],
            "subject_id": case["subject_id"],
            "voxels_sha256": case["image"]["voxels_sha256"],
        }
        for case in dataset["cases"]
    ]


def test_running_twice_gives_the_same_bytes(clean):
    run()
    before = contents(clean / "build/validate")
    run()
    assert contents(clean / "build/validate") == before


# the second piece of label 2, as in test_checks
def test_a_warning_does_not_stop_it_and_is_recorded(clean):
    path = clean / "data/labelsTr/phantom_02.nii.gz"
    labels = sitk.ReadImage(str(path))
    labels[2, 2, 2] = 2
    sitk.WriteImage(labels, str(path))
    bring_in(clean)
    assert run() == 0
    found = findings(clean)
    assert found["warnings"] == len(found["findings"])
    assert {
        "case_id": "phantom_02",
        "check": "label_components",
        "found": "posterior: 2 components",
        "expected": "at most 1",
        "severity": "warning",
    } in found["findings"]


def test_findings_stand_on_a_page_beside_a_picture_of_their_case(clean):
    path = clean / "data/labelsTr/phantom_02.nii.gz"
    labels = sitk.ReadImage(str(path))
    labels[2, 2, 2] = 2
    sitk.WriteImage(labels, str(path))
    bring_in(clean)
    (clean / "execution").mkdir(exist_ok=True)
    (clean / "execution/findings.html").write_text("from an earlier run")
    assert run() == 0
    page = (clean / "build/validate/findings.html").read_text("utf-8")
    assert "phantom_02, axial slice" in page
    assert "with its labels outlined, and a ring where it was found" in page
    assert "<p>posterior: 2 components</p>" in page
    assert not (clean / "execution/findings.html").exists()  # nothing stops it any more


# Bad data

FAILED = {  # case -> check; what spoil() did
    "phantom_01": "finite",
    "phantom_02": "grid_origin_mm",
    "phantom_03": "labels_known",
    "phantom_04": "duplicate_image",
    "phantom_05": "duplicate_image",
    "phantom_06": "not_constant",
    "phantom_07": "readable",
    "phantom_08": "subject_spelling",
    "phantom_09": "subject_spelling",
}


def test_bad_cases_stop_it_with_their_number(spoilt, capsys):
    assert run() == 1
    assert f"\nvalidate: {len(FAILED)} of 16 cases fail\n" in "\n" + capsys.readouterr().err


@pytest.mark.parametrize(("case_id", "check"), FAILED.items())
def test_every_bad_case_is_listed_with_its_check(spoilt, capsys, case_id, check):
    run()
    listed = [
        line.split()[1:3] for line in capsys.readouterr().err.splitlines() if line.startswith("  error")
    ]
    assert [case_id, check] in listed


def test_no_good_case_is_listed_as_an_error(spoilt, capsys):
    run()
    listed = {line.split()[1] for line in capsys.readouterr().err.splitlines() if line.startswith("  error")}
    assert listed == set(FAILED)


def test_a_line_gives_found_and_expected(spoilt, capsys):
    run()
    line = next(
        line for line in capsys.readouterr().err.splitlines() if "phantom_01" in line and "finite" in line
    )
    assert line.endswith("image: 1 voxels are NaN or infinite; expected finite values")


def test_the_message_ends_with_the_way_out(spoilt, capsys):
    run()
    *_, way_out, page = capsys.readouterr().err.splitlines()
    assert way_out.removeprefix("The others: ") == validate.WAY_OUT
    assert page == "Each beside a picture of its case: execution/findings.html."


def of_checks(*names):
    return [
        checks.Finding("a", name, "label 1 (lesion) has no voxel", "every label", "error") for name in names
    ]


def test_a_healthy_case_is_not_advised_to_be_left_out():
    said = validate.way_out(of_checks("labels_present", "labels_present"))
    assert "validate.every_label: false" in said
    assert "exclude" not in said


def test_among_other_errors_an_absent_label_has_its_own_way_out_first():
    said = validate.way_out(of_checks("labels_present", "grid_spacing_mm")).splitlines()
    assert "validate.every_label: false" in said[0]
    assert said[1] == f"The others: {validate.WAY_OUT}"


def test_a_label_whose_absence_is_a_warning_changes_no_way_out():
    warning = checks.Finding("a", "labels_present", "label 1 (lesion) has no voxel", "every label", "warning")
    assert validate.way_out([warning, *of_checks("size")]) == validate.WAY_OUT


def test_where_it_stops_the_page_is_no_output_and_the_message_names_it(spoilt, capsys):
    run()
    assert "Each beside a picture of its case: execution/findings.html." in capsys.readouterr().err
    page = (spoilt / "execution/findings.html").read_text("utf-8")
    for case_id in FAILED:
        assert f"<b>{case_id}</b>" in page
    assert page.index("Error:") < page.index("Warning:") if "Warning:" in page else True
    assert "phantom_07</b>: image: " in page  # garbage: no picture, and why
    assert "(no picture: a file of it cannot be read)" in page
    assert "phantom_01, axial slice" in page  # NaN


def test_the_page_has_no_id_of_a_subject(spoilt):
    run()
    page = (spoilt / "execution/findings.html").read_text("utf-8").casefold()
    assert "subject-8" not in page
    assert "subject_08" not in page


def test_the_page_of_a_run_that_stops_is_the_same_each_time(spoilt):
    run()
    before = (spoilt / "execution/findings.html").read_bytes()
    run()
    assert (spoilt / "execution/findings.html").read_bytes() == before


def test_cases_beyond_a_bound_are_listed_without_a_picture(spoilt, monkeypatch):
    monkeypatch.setattr(validate, "CASES_PICTURED", 2)
    monkeypatch.setenv("RADIOTRACE_WORKERS", "1")
    run()
    page = (spoilt / "execution/findings.html").read_text("utf-8")
    assert set(re.findall(r'aria-label="(phantom_\d+), ', page)) == {"phantom_01", "phantom_02"}
    assert "(no picture: more than" in page
    for case_id in FAILED:
        assert case_id in page


def test_bad_cases_leave_the_earlier_run_as_it_was(spoilt):
    run()
    assert contents(spoilt / "build/validate") == {"accepted.json": b"from an earlier run"}


def test_bad_cases_leave_nothing_half_written(spoilt):
    run()
    assert {path.name for path in (spoilt / "build").iterdir()} == {"ingest", "validate"}


def test_the_command_ends_with_status_1_and_without_traceback(spoilt):
    absolute = [
        str(spoilt / value) if value.startswith(("build/", "execution/")) or value == "params.yaml" else value
        for value in ARGUMENTS
    ]
    done = projects.run(
        projects.ROOT, "python", "-m", "stages.validate", *absolute, "--memo", "none", check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"validate: {len(FAILED)} of 16 cases fail\n")
    assert "Traceback" not in done.stderr


def test_an_image_of_nothing_but_nan_is_listed(clean, capsys):
    sitk.WriteImage(
        phantoms.volume(np.full((14, 22, 18), np.nan, np.float32)), "data/imagesTr/phantom_00.nii.gz"
    )
    sitk.WriteImage(phantoms.volume(phantoms.label_array()), "data/labelsTr/phantom_00.nii.gz")
    bring_in(clean)
    assert run() == 1
    assert "image: 5544 voxels are NaN or infinite" in capsys.readouterr().err  # 18 · 22 · 14


def test_a_label_map_that_was_changed_after_ingest_stops_it(clean, capsys):
    shutil.copyfile(
        "build/ingest/volumes/label_maps/phantom_01.nii.gz",
        "build/ingest/volumes/label_maps/phantom_00.nii.gz",
    )
    assert run() == 1
    assert "label_maps/phantom_00.nii.gz was changed after ingest" in capsys.readouterr().err


# Exclusion


def test_excluding_every_bad_case_lets_it_pass(spoilt):
    exclude(spoilt, *FAILED)
    assert run() == 0
    assert len(accepted(spoilt)["cases"]) == 16 - len(FAILED)


def test_excluding_one_of_a_pair_lets_the_other_pass(spoilt):
    exclude(spoilt, *(FAILED.keys() - {"phantom_04", "phantom_09"}))
    assert run() == 0
    assert {"phantom_04", "phantom_09"} <= {case["case_id"] for case in accepted(spoilt)["cases"]}


@pytest.mark.parametrize("name", ["findings", "accepted"])
def test_what_is_excluded_is_recorded_with_its_reason(clean, name):
    entries = exclude(clean, "phantom_03", "phantom_01")
    run()
    assert records.read(clean / f"build/validate/{name}.json", name)["excluded"] == entries[::-1]


def test_what_is_excluded_is_not_accepted(clean):
    exclude(clean, "phantom_03")
    run()
    assert "phantom_03" not in {case["case_id"] for case in accepted(clean)["cases"]}


def test_excluding_a_case_that_there_is_not_stops_it(clean, capsys):
    exclude(clean, "phantom_03", "phantom_3", "phantom_99")
    assert run() == 1
    assert capsys.readouterr().err == (
        "validate: 2 excluded cases are not in the data set\n  phantom_3\n  "
        "phantom_99\n"
        "Correct validate.exclude in params.yaml.\n"
    )


def test_excluding_every_case_stops_it(clean, capsys):
    exclude(clean, *(f"phantom_{number:02d}" for number in range(16)))
    assert run() == 1
    assert capsys.readouterr().err.startswith("validate: 0 cases to check: 16 in the data set, 16 excluded\n")


# Parts

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


def check_case(prepared, number: int, folder="nowhere") -> list[checks.Finding]:
    case = records.read(prepared / "spoilt/build/ingest/dataset.json", "dataset")["cases"][number]
    findings, _ = validate.check_case(Case.of(case), LABELS, LIMITS, Path(folder), checks.ONE_CHANNEL)
    return findings


@pytest.mark.parametrize("number", [1, 2, 3, 6, 7])
def test_the_label_map_of_a_case_in_error_is_not_read(prepared, number):  # a damaged one could not be
    assert "error" in {finding.severity for finding in check_case(prepared, number)}


def test_the_label_map_of_a_case_without_error_is_read(prepared):
    with pytest.raises(StageError, match=r"phantom_08\.nii\.gz is missing"):
        check_case(prepared, 8)


def test_errors_come_before_warnings_and_each_by_case():
    order = [
        ("error", "a", "size"),
        ("error", "b", "finite"),
        ("error", "b", "size"),
        ("warning", "a", "finite"),
        ("warning", "c", "size"),
    ]
    findings = [checks.Finding(case_id, check, "1", "0", severity) for severity, case_id, check in order]
    assert validate.in_order(findings[::-1]) == findings


def test_the_table_has_columns():
    assert validate.table(
        [
            checks.Finding("a", "finite", "1", "0", "error"),
            checks.Finding("phantom", "size", "7", "8", "warning"),
        ]
    ) == ["error    a        finite  1; expected 0", "warning  phantom  size    7; expected 8"]
