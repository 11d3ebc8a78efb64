"""predict on DICOM: a series becomes an image on its own grid, and results that strangers read in the same
place.

Independent readers: dcmqi for segmentations and reports, dciodvfy of dicom3tools for what the standard asks.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from radiotrace import records
from radiotrace.imaging import volumes
from tests import dicoms, predicting

model, run = predicting.model, predicting.run  # fixtures
BIN = Path(sys.executable).parent
# Of a capture of three planes, of which nobody knows whether the body part is paired; and of a study that
# has no number.
ALLOWED = (
    "</Laterality(0020,0060)> - is only permitted to be empty when actually unknown",
    "</StudyID(0020,0010)> - Missing attribute or value that would be needed to build DICOMDIR",
)


def results(run) -> dict[str, dict]:
    """Folder of a case -> its record."""
    found = sorted((run.folder / "out").rglob("result.json"))
    return {path.parent.name: records.read(path, "predicted_image") for path in found}


def noisy() -> np.ndarray:
    """Values of which the network finds every label."""
    shape = dicoms.SIZE_XYZ[::-1]
    return np.random.default_rng(3).integers(0, 900, shape).astype(np.int16)


def in_world(label_map: sitk.Image) -> dict[int, set]:
    """Label -> places of its voxels, mm, LPS, to a hundredth."""
    array = volumes.array_zyx(label_map)
    return {
        int(value): {
            tuple(
                round(mm, 2) + 0.0 for mm in label_map.TransformIndexToPhysicalPoint(tuple(map(int, index)))
            )
            for index in np.argwhere(array == value)[:, ::-1]
        }
        for value in np.unique(array[array > 0])
    }


def by_dcmqi(segmentation: Path, folder: Path) -> dict[int, set]:
    """As in_world, of a segmentation, by another reader."""
    folder.mkdir()
    subprocess.run(
        [
            BIN / "segimage2itkimage",
            "--inputDICOM",
            segmentation,
            "--outputDirectory",
            folder,
            "--outputType",
            "nrrd",
        ],
        check=True,
        capture_output=True,
    )
    found: dict[int, set] = {}
    for path in sorted(folder.glob("*.nrrd")):
        for value, places in in_world(sitk.ReadImage(str(path))).items():
            found.setdefault(value, set()).update(places)
    return found


def reversed_slices():
    made = dicoms.slices(noisy(), modality="MR")
    for number, data in enumerate(made):
        data.InstanceNumber = number + 1
    return made[::-1]


def flipped():
    """Columns run to the other side, and rows too."""
    made = dicoms.slices(noisy()[:, ::-1, ::-1].copy(), modality="MR")
    for z, data in enumerate(made):
        corner = dicoms.world(dicoms.SIZE_XYZ[0] - 1, dicoms.SIZE_XYZ[1] - 1, z)
        data.ImagePositionPatient = [f"{value:.10g}" for value in corner]
        data.ImageOrientationPatient = [f"{-value:.10g}" for value in dicoms.directions().T[:2].ravel()]
    return made


def multi_frame():
    """One file of an enhanced object, its frames in an order that is not that of their places."""
    import highdicom as hd

    sources = dicoms.slices(noisy(), modality="MR")
    for data in sources:
        data.ImageType = ["ORIGINAL", "PRIMARY", "M", "NONE"]
        data.ContentDate, data.ContentTime = "20240305", "101112"
    order = [3, 0, 5, 1, 4, 2]
    with dicoms.quiet():
        made = hd.legacy.LegacyConvertedEnhancedMRImage(
            legacy_datasets=[sources[number] for number in order],
            series_instance_uid=dicoms.uid(8, 1, 77),
            series_number=77,
            sop_instance_uid=dicoms.uid(6, 1, 77, 1),
            instance_number=1,
        )
    return [made]


SOURCES = {
    "oblique and anisotropic": lambda: dicoms.slices(noisy(), modality="MR"),
    "slices in reverse": reversed_slices,
    "rows and columns in reverse": flipped,
    "one file of many frames": multi_frame,
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_labels_lie_in_the_world_where_another_reader_finds_them(run, source):
    dicoms.write(run.folder / "new", source())
    status, _, err = run("new")
    assert status == 0
    assert all(line.startswith("predict: series_") for line in err.splitlines())
    [name] = results(run)
    folder = run.folder / "out" / name
    ours = in_world(sitk.ReadImage(str(folder / "label_map.nii.gz")))
    assert sorted(ours) == [1, 2]
    theirs = by_dcmqi(folder / "segmentation.dcm", run.folder / "read")
    assert {value: len(places) for value, places in theirs.items()} == {
        value: len(places) for value, places in ours.items()
    }
    assert theirs == ours
    # and the image is where the phantom is: its voxels have other values at each place
    voxels = {place for places in ours.values() for place in places}
    every = {
        tuple(round(mm, 2) + 0.0 for mm in dicoms.world(x, y, z))
        for z, y, x in np.ndindex(*dicoms.SIZE_XYZ[::-1])
    }
    assert voxels < every


def test_orders_and_directions_of_a_series_change_no_label(run):
    found = []
    for number, source in enumerate(
        ("oblique and anisotropic", "slices in reverse", "one file of many frames")
    ):
        folder = dicoms.write(run.folder / f"new_{number}", SOURCES[source]())
        shutil.rmtree(run.folder / "out", ignore_errors=True)
        run(folder)
        [name] = results(run)
        found.append(in_world(sitk.ReadImage(str(run.folder / "out" / name / "label_map.nii.gz"))))
    assert found[0] == found[1] == found[2]


def checked(path: Path) -> list[str]:
    """What dciodvfy says of a file, but for the name of its class and what is allowed."""
    done = subprocess.run([BIN / "dciodvfy", "-new", path], capture_output=True, text=True)
    said = [line for line in done.stderr.splitlines() if line.startswith(("Error", "Warning"))]
    return [line for line in said if not any(words in line for words in ALLOWED)]


def clean(files):
    """Phantoms have texts that no scanner writes."""
    for data in files:
        data.ReferringPhysicianName = "Secret^Name"
    return files


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_results_are_what_the_standard_asks_for(run, source):
    dicoms.write(run.folder / "new", clean(source()))
    run("new")
    [name] = results(run)
    for kind in ("segmentation", "report", "capture"):
        assert checked(run.folder / "out" / name / f"{kind}.dcm") == [], kind


def test_a_series_that_lacks_what_the_standard_asks_for_gets_it_and_it_is_recorded(run):
    files = clean(dicoms.slices(noisy(), modality="MR"))
    for data in files:
        for key in ("PatientSex", "AccessionNumber", "FrameOfReferenceUID", "SliceThickness", "StudyID"):
            delattr(data, key)
        with dicoms.quiet():
            data.PatientAge = "0Y"
    with dicoms.quiet():
        dicoms.write(run.folder / "new", files)
    status, _, err = run("new")
    assert status == 0
    assert all(line.startswith("predict: series_") for line in err.splitlines())
    [(name, found)] = results(run).items()
    supplied = found["dicom"]["supplied"]
    assert supplied["PatientSex"] == supplied["AccessionNumber"] == supplied["StudyID"] == "empty"
    assert supplied["SliceThickness"] == "1.7, the distance of slices"
    assert supplied["PatientAge"] == "left out, as its value is not allowed"
    assert supplied["FrameOfReferenceUID"].startswith("2.25.")
    for kind in ("segmentation", "report", "capture"):
        assert checked(run.folder / "out" / name / f"{kind}.dcm") == [], kind


def test_a_segment_has_the_code_and_the_colour_of_its_label(run, model):
    dicoms.write(run.folder / "new", dicoms.slices(noisy(), modality="MR"))
    run("new")
    [name] = results(run)
    details = json.loads((model / "model.json").read_text("utf-8"))["label_details"]
    segments = pydicom.dcmread(run.folder / "out" / name / "segmentation.dcm").SegmentSequence
    said = details["1"]
    [of_type] = segments[0].SegmentedPropertyTypeCodeSequence
    assert (of_type.CodingSchemeDesignator, of_type.CodeValue) == ("SCT", said["code"]["value"])
    [modifier] = of_type.SegmentedPropertyTypeModifierCodeSequence
    assert (modifier.CodeValue, modifier.CodeMeaning) == (said["modifier"]["value"], "Anterior")
    [of_type] = segments[1].SegmentedPropertyTypeCodeSequence
    assert (of_type.CodeMeaning, "SegmentedPropertyTypeModifierCodeSequence" in of_type) == (
        "Body structure",
        False,
    )
    for segment, value in zip(segments, ("1", "2"), strict=True):
        shown = highdicom.color.CIELabColor.from_dicom_value(segment.RecommendedDisplayCIELabValue).to_rgb()
        wanted = [int(details[value]["colour"][place : place + 2], 16) for place in (1, 3, 5)]
        assert shown == pytest.approx(wanted, abs=2)


def test_the_report_has_the_volume_of_each_label(run):
    dicoms.write(run.folder / "new", dicoms.slices(noisy(), modality="MR"))
    run("new")
    [(name, found)] = results(run).items()
    out = run.folder / "out" / name
    subprocess.run(
        [
            BIN / "tid1500reader",
            "--inputDICOM",
            out / "report.dcm",
            "--outputMetadata",
            run.folder / "report.json",
        ],
        check=True,
        capture_output=True,
    )
    read = json.loads((run.folder / "report.json").read_text())
    volumes_mm3 = {
        group["TrackingIdentifier"]: float(group["measurementItems"][0]["value"])
        for group in read["Measurements"]
    }
    findings = {
        group["TrackingIdentifier"]: group["Finding"]["CodeMeaning"] for group in read["Measurements"]
    }
    assert findings == {"anterior": "Hippocampus", "posterior": "Body structure"}
    assert volumes_mm3 == {row["name"]: pytest.approx(row["volume_mm3"], rel=1e-6) for row in found["labels"]}
    segmentation = pydicom.dcmread(out / "segmentation.dcm")
    assert {group["segmentationSOPInstanceUID"] for group in read["Measurements"]} == {
        segmentation.SOPInstanceUID
    }


def test_results_are_of_the_patient_and_the_study_and_name_the_model(run):
    source = dicoms.slices(noisy(), modality="MR")
    dicoms.write(run.folder / "new", source)
    run("new")
    [(name, found)] = results(run).items()
    assert found["dicom"]["series_uid"] == source[0].SeriesInstanceUID
    assert found["inputs"][0]["files"] == len(source)
    assert found["modality"] == "MRI"
    for made in found["dicom"]["objects"]:
        data = pydicom.dcmread(run.folder / "out" / name / made["file"])
        assert data.SOPInstanceUID == made["sop_instance_uid"]
        for key in ("PatientID", "PatientName", "StudyInstanceUID", "AccessionNumber"):
            assert data[key].value == source[0][key].value
    segmentation = pydicom.dcmread(run.folder / "out" / name / "segmentation.dcm")
    assert [segment.SegmentLabel for segment in segmentation.SegmentSequence] == ["anterior", "posterior"]
    assert {
        item.ReferencedSOPInstanceUID
        for item in segmentation.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    } <= {data.SOPInstanceUID for data in source}


def test_a_forced_and_a_flagged_result_say_so_in_every_object(run, tmp_path):
    dicoms.write(run.folder / "new", dicoms.slices(noisy(), modality="CT"))
    assert run("new")[0] == 1  # passed over, since the model takes MRI
    status, _, err = run("new", "--force")
    assert status == 0, err
    [(name, found)] = results(run).items()
    assert found["contract"]["is_forced"]
    assert found["review"]["is_flagged"]
    for kind in ("segmentation", "report", "capture"):
        described = pydicom.dcmread(run.folder / "out" / name / f"{kind}.dcm").SeriesDescription
        assert described.endswith("; FORCED; FLAGGED FOR REVIEW")
        assert len(described) <= 64
    segmentation = pydicom.dcmread(run.folder / "out" / name / "segmentation.dcm")
    assert segmentation.ContentDescription.startswith("FORCED; FLAGGED FOR REVIEW; Research software")


def test_sent_twice_it_is_stored_once(run):
    """The same bytes at another time, whatever the files are called."""
    source = dicoms.slices(noisy(), modality="MR")
    dicoms.write(run.folder / "new", source)
    dicoms.write(run.folder / "other", source, [f"x/{number}" for number in range(len(source))])
    run("new")
    [name] = results(run)
    first = {path.name: path.read_bytes() for path in (run.folder / "out" / name).iterdir()}
    shutil.rmtree(run.folder / "out")
    run("other")
    assert {path.name: path.read_bytes() for path in (run.folder / "out" / name).iterdir()} == first
    assert "1 from before" in run("other")[1]


def test_another_prediction_of_the_series_is_another_object(run, tmp_path):
    dicoms.write(run.folder / "new", dicoms.slices(noisy(), modality="MR"))
    run("new")
    [first] = results(run).values()
    changed = noisy()
    changed[2] = changed[2][::-1]
    dicoms.write(run.folder / "changed", dicoms.slices(changed, modality="MR"))
    run("changed")
    [second] = results(run).values()
    uids = [{one["sop_instance_uid"] for one in found["dicom"]["objects"]} for found in (first, second)]
    assert uids[0].isdisjoint(uids[1])


def test_series_of_other_modalities_and_localisers_are_passed_over_and_said(run):
    dicoms.write(run.folder / "new/mr", dicoms.slices(noisy(), modality="MR"))
    dicoms.write(run.folder / "new/ct", dicoms.slices(noisy(), series=2, modality="CT"))
    localiser = dicoms.slices(noisy(), series=3, modality="MR")
    for data in localiser:
        data.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    dicoms.write(run.folder / "new/localiser", localiser)
    status, out, err = run("new")
    assert status == 0
    assert "predictions: 1 new" in out
    assert "6 files passed over: localisers" in err
    assert "6 files passed over: of modality CT, expected MR" in err


def test_a_series_that_is_no_volume_stops_no_other(run):
    dicoms.write(run.folder / "new/good", dicoms.slices(noisy(), modality="MR"))
    gap = dicoms.slices(noisy(), series=2, modality="MR")
    dicoms.write(run.folder / "new/gap", [*gap[:2], *gap[3:]])
    status, out, err = run("new")
    assert status == 1
    assert "predictions: 1 new" in out
    assert "1 planes are missing" in err
    assert str(Path("new/gap")) in err


def test_files_that_are_named_one_by_one_are_one_series(run):
    folder = dicoms.write(run.folder / "new", dicoms.slices(noisy(), modality="MR"))
    status, out, _ = run(*sorted(folder.iterdir()))
    assert status == 0
    assert "predictions: 1 new" in out


def test_a_tree_without_a_series_of_the_model_says_so(run):
    dicoms.write(run.folder / "new", dicoms.slices(noisy(), modality="CT"))
    status, _, err = run("new")
    assert status == 1
    assert "0 series of images that the model takes" in err


def test_nothing_of_a_header_but_its_uids_is_in_the_record_and_on_the_page(run):
    dicoms.write(run.folder / "new", dicoms.slices(noisy(), modality="MR"))
    run("new")
    for path in (run.folder / "out").rglob("*"):
        if path.suffix in (".json", ".html", ".gz", ".png"):
            assert b"Secret" not in path.read_bytes()
