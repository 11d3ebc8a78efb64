"""A study of DICOM goes from a tree of mixed files to its evidence by the commands that the screen says: 20
subjects of two sites with two scanners and grids, outlined as SEG at one and as RTSTRUCT at the other, five
of them broken in ways that are known."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import FileDataset

from radiotrace import __main__ as command_line
from radiotrace import records
from tests import dicoms, phantoms, projects, second_task

pytestmark = pytest.mark.slow
PLACE = "studies/dicom"
SUBJECTS = 20
SPACINGS = {"north": (0.9, 1.1, 1.7), "south": (1.0, 1.2, 2.0)}
# Number of a subject -> what is found of it. Even ones are of the north, and have a SEG.
BROKEN = {
    3: "1 planes are missing: found gaps of 4 mm",  # 2 x 2.0 mm
    6: "1 SOPInstanceUIDs stand in several files that differ",
    9: "differ from the rest by orientation",
    12: "voxels beside the grid of the image",
    15: "contours reach out of the image",
}


def site(number: int) -> str:
    return "south" if number % 2 else "north"


def contours(labels_zyx: np.ndarray, value: int) -> list[np.ndarray]:
    """Those of a box, in each slice: half a voxel outside the centres of its outermost voxels."""
    z, y, x = np.nonzero(labels_zyx == value)
    low_x, high_x, low_y, high_y = x.min() - 0.5, x.max() + 0.5, y.min() - 0.5, y.max() + 0.5
    corners = [(low_x, low_y), (high_x, low_y), (high_x, high_y), (low_x, high_y)]
    return [dicoms.polygon(int(slice_z), corners) for slice_z in sorted(set(z))]


def subject(number: int) -> list[FileDataset]:
    """All files of a subject, as they are before anything is broken."""
    place = site(number)
    labels = phantoms.label_array(np.random.default_rng(number).integers(-2, 3, 3))
    values = np.rint(phantoms.image_array(labels, number)).astype(np.int16)
    files = dicoms.slices(
        values, SPACINGS[place], study=number + 1, patient=f"{dicoms.PATIENT}{number}", modality="MR"
    )
    for data in files:
        data.Manufacturer = f"Scanner of the {place}"
    names = {1: "Ant, part", 2: "POST"}
    if place == "north":
        return [*files, dicoms.segmentation(files, {name: labels == value for value, name in names.items()})]
    regions = {name: contours(labels, value) for value, name in names.items()}
    return [*files, dicoms.structures(files, regions, SPACINGS[place])]


def broken(number: int, files: list[FileDataset]) -> list[FileDataset]:
    """The files of a subject with what is wrong with them."""
    if number == 3:
        del files[6]
    elif number == 6:
        twin = subject(number)[5]
        twin.PixelData = files[4].PixelData
        files.append(twin)
    elif number == 9:
        files[7].ImageOrientationPatient = [0, 1, 0, 0, 0, 1]
    elif number == 12:
        for frame in files[-1].PerFrameFunctionalGroupsSequence:
            position = frame.PlanePositionSequence[0].ImagePositionPatient
            frame.PlanePositionSequence[0].ImagePositionPatient = [
                f"{float(value) + 0.5:.6g}" for value in position
            ]
    elif number == 15:
        drawn = files[-1].ROIContourSequence[0].ContourSequence[0]
        drawn.ContourData = [
            f"{v:.10g}" for v in np.ravel([dicoms.world(*p, SPACINGS["south"]) for p in OUT])
        ]
    return files


OUT = dicoms.polygon(5, [(4, 4), (40, 4), (40, 9), (4, 9)])


def tree(folder: Path) -> Path:
    """The whole study: with a localiser, a series of another modality, a copy of a file, and a text."""
    for number in range(SUBJECTS):
        files = broken(number, subject(number))
        names = [f"{site(number)}/{number:02}/{(n * 7) % len(files)}_{n}" for n in range(len(files))]
        dicoms.write(folder, files, names)
    localiser = dicoms.slices(dicoms.values_zyx()[:1], series=2, study=1, patient=f"{dicoms.PATIENT}0")
    localiser[0].ImageType, localiser[0].Modality = ["ORIGINAL", "PRIMARY", "LOCALIZER"], "MR"
    dicoms.write(folder / "north/00/scout", localiser)
    other = dicoms.slices(series=3, study=2, patient=f"{dicoms.PATIENT}1")
    dicoms.write(folder / "south/01/ct", other)
    shutil.copyfile(folder / "north/02/0_0", folder / "north/02/again")
    (folder / "south/README.txt").write_text("from the archive")
    return folder


@pytest.fixture(scope="module")
def converted(tmp_path_factory) -> tuple[Path, list[str]]:
    """The folder that from-dicom wrote, and what it said before, without --skip-faulty."""
    folder = tmp_path_factory.mktemp("dicom")
    options = ["--out", str(folder / "own"), "--name", "Two sites", "--modality", "MR"]
    options += ["--label", 'anterior="Ant, part"', "--label", "posterior=POST"]
    words = ["from-dicom", str(tree(folder / "tree")), *options]
    with pytest.MonkeyPatch.context() as patch:
        lines: list[str] = []
        patch.setattr("sys.stderr.write", lines.append, raising=False)
        assert command_line.main(words) == 1
    assert not (folder / "own").exists()
    assert command_line.main([*words, "--skip-faulty"]) == 0
    return folder / "own", "".join(lines).splitlines()


@pytest.fixture(scope="module")
def ran(converted, tmp_path_factory) -> Path:
    """A repository in which a study of the folder was made, planned, and run from ingest to evidence."""
    own, _ = converted
    folder = second_task.repository(tmp_path_factory.mktemp("study") / "repository")
    with_sites(own)
    command(folder, "new", "dicom", "--data", own, place=".")
    command(folder, "manifest")
    dvc(folder, "add", "-q", "data")
    projects.commit(folder, "a study of DICOM")
    dvc(folder, "repro", "-q", "split")
    command(folder, "plan", "--minutes", "1", "--write")
    projects.set_params(folder / PLACE, **projects.TINY)
    dvc(folder, "repro", "-q")
    projects.commit(folder, "its run")
    return folder


def with_sites(own: Path) -> None:
    """Adds which site each case is of, to be told by its grid in conversion.json."""
    of_case = {case["case_id"]: case for case in records.read(own / "conversion.json", "conversion")["cases"]}
    rows = list(csv.DictReader((own / "cases.csv").read_text().splitlines()))
    for row in rows:
        spacing = of_case[row["case_id"]]["grid"]["spacing_mm"]
        row["site"] = next(name for name, mm in SPACINGS.items() if np.allclose(mm, spacing, atol=1e-3))
    with open(own / "cases.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def command(folder: Path, *words, place: str = PLACE):
    return projects.run(folder, "python", "-m", "radiotrace", "--study", place, *words)


def dvc(folder: Path, *words):
    state = projects.environment(folder)["DVC_SITE_CACHE_DIR"]
    return projects.run(folder / PLACE, "dvc", *words, DVC_SITE_CACHE_DIR=state)


def test_each_broken_series_is_named_and_no_other(converted):
    _, said = converted
    faults = [line for line in said if line.startswith("  series")]
    assert len({line.split()[1] for line in faults}) == len(BROKEN)
    for number, fault in BROKEN.items():
        assert fault in "\n".join(line for line in faults if f"{site(number)}/{number:02}/" in line)


def test_what_is_sound_is_converted_and_what_is_not_is_listed(converted):
    made = records.read(converted[0] / "conversion.json", "conversion")
    assert len(made["cases"]) == SUBJECTS - len(BROKEN)
    reasons = sorted(entry["reason"] for entry in made["left_out"])
    assert reasons == ["faulty"] * len(BROKEN) + ["localiser", "other modality"]
    assert sum(channel["copies"] for case in made["cases"] for channel in case["channels"]) == 1
    assert made["not_dicom"] == 1
    kinds = {label["kind"] for case in made["cases"] for label in case["labels"]}
    assert kinds == {"SEG", "RTSTRUCT"}


def test_labels_have_the_volumes_that_were_outlined(converted):
    """120 voxels each: boxes of 6 x 5 x 4 and 5 x 6 x 4."""
    made = records.read(converted[0] / "conversion.json", "conversion")
    assert {label["voxels"] for case in made["cases"] for label in case["labels"]} == {120}


def test_nobody_is_named_in_what_was_written(converted):
    assert b"Secret" not in dicoms.strings(converted[0])


def test_the_study_ends_in_evidence_and_tells_the_sites_apart(ran):
    bundle = ran / PLACE / "evidence"
    assert list(bundle.glob("*.json"))
    dataset = json.loads((ran / PLACE / "build/ingest/dataset.json").read_text())
    assert len(dataset["cases"]) == SUBJECTS - len(BROKEN)
    assert {case["attributes"]["site"] for case in dataset["cases"]} == set(SPACINGS)
    metrics = json.loads((ran / PLACE / "metrics/metrics.json").read_text())
    assert "site" in json.dumps(metrics["subgroups"])
