"""Several channels of a case from DICOM: phantoms whose value is a linear function of the place in the world,
on two grids that are turned against each other. Linear interpolation gives such a function back exactly."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset

from radiotrace import __main__, records
from radiotrace.errors import StageError
from radiotrace.imaging import formats
from radiotrace.imaging.child import Child, Limits
from radiotrace.imaging.dicom import conversion
from radiotrace.imaging.dicom.channel_rules import ChannelRule
from radiotrace.imaging.dicom.conversion import Request
from radiotrace.imaging.dicom.label_names import Label
from tests import dicoms

READER: list[Child] = []
SPACING = np.array([1.3, 1.6, 2.1])  # of the other grid, whose axes are those of the world
SLOPE = 0.01
RULES = (ChannelRule("CT", "CT"), ChannelRule("PET", "PT"))


@pytest.fixture(scope="module", autouse=True)
def reader():
    with Child(Limits()) as started:
        READER[:] = [started]
        yield


def value(places) -> np.ndarray:
    """Of a place in the world: grows by another amount along each axis."""
    return np.asarray(places) @ [0.5, -1.0, 2.0]


def other(low, high, series=2, study=1, modality="PT", **of_series) -> list:
    """A series along the axes of the world from one corner to another, with `value` at each voxel."""
    size = np.ceil((np.array(high) - low) / SPACING).astype(int) + 1
    z, y, x = np.indices(size[::-1])
    places = np.array(low) + np.stack([x, y, z], axis=-1) * SPACING
    stored = np.rint(value(places) / SLOPE).astype(np.int16)
    files = dicoms.slices(stored, series=series, study=study, modality=modality, **of_series)
    for number, data in enumerate(files):
        data.ImagePositionPatient = [f"{v:.10g}" for v in np.add(low, (0, 0, number * SPACING[2]))]
        data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        data.PixelSpacing = [SPACING[1], SPACING[0]]
        data.SliceThickness, data.RescaleSlope = SPACING[2], SLOPE
    return files


def box(margin: float) -> tuple[np.ndarray, np.ndarray]:
    """Corners in the world around the whole phantom."""
    last = np.array(dicoms.SIZE_XYZ) - 1
    corners = [dicoms.world(x, y, z) for x in (0, last[0]) for y in (0, last[1]) for z in (0, last[2])]
    return np.min(corners, axis=0) - margin, np.max(corners, axis=0) + margin


def outlined(files) -> list:
    """With a SEG of a box."""
    mask = np.zeros(dicoms.SIZE_XYZ[::-1], bool)
    mask[1:4, 1:3, 2:6] = True
    return [*files, dicoms.segmentation(files, {"one": mask})]


def convert(files, tmp_path, **others):
    request = Request(
        **({"name": "phantom", "labels": (Label("a", ("one",)),), "channels": RULES, "grid": "CT"} | others)
    )
    (tmp_path / "out").mkdir(parents=True, exist_ok=True)
    tree = dicoms.write(tmp_path / "tree", files, [f"{number}.dcm" for number in range(len(files))])
    return conversion.convert(tree, tmp_path / "out", request, READER[0])


def refused(files, tmp_path, **others) -> str:
    with pytest.raises(StageError) as caught:
        convert(files, tmp_path, **others)
    return str(caught.value)


@pytest.mark.requirement("SRS-DATA-9")
def test_a_channel_of_another_grid_has_each_value_at_its_place_in_the_world(tmp_path):
    made = convert([*outlined(dicoms.slices()), *other(*box(3))], tmp_path)
    (case,) = made.cases
    pet = case.channels[1]
    first, second = (sitk.ReadImage(str(tmp_path / "out" / one.image)) for one in case.channels)
    assert second.GetSize() == dicoms.SIZE_XYZ
    assert (first.GetOrigin(), first.GetDirection()) == (second.GetOrigin(), second.GetDirection())
    for x, y, z in ((0, 0, 0), (6, 0, 0), (0, 4, 0), (0, 0, 5), (3, 2, 4)):
        assert first.GetPixel(x, y, z) == x + 10 * y + 100 * z
        assert second.GetPixel(x, y, z) == pytest.approx(value(dicoms.world(x, y, z)), abs=0.02)
    assert case.channels[0].resampled is None
    assert pet.resampled is not None
    assert pet.resampled.outside_share == 0
    assert pet.resampled.grid.spacing_mm == pytest.approx(SPACING)
    assert made.choices.grid == "CT"


def test_what_lies_outside_a_channel_gets_its_smallest_value_and_is_counted(tmp_path):
    low, high = box(3)
    made = convert([*outlined(dicoms.slices()), *other(low, (low + high) / 2)], tmp_path)
    pet = made.cases[0].channels[1]
    voxels = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out" / pet.image)))
    assert pet.resampled is not None
    outside = np.isclose(voxels, pet.resampled.outside_value)
    assert outside.mean() == pytest.approx(pet.resampled.outside_share)
    assert 0.5 < pet.resampled.outside_share < 1


def test_channels_of_one_grid_are_not_resampled(tmp_path):
    second = dicoms.slices(series=2, modality="PT")
    made = convert([*outlined(dicoms.slices()), *second], tmp_path)
    assert made.cases[0].channels[1].resampled is None
    images = [tmp_path / "out" / f"imagesTr/{made.cases[0].case_id}_000{n}.nii.gz" for n in (0, 1)]
    assert images[0].read_bytes() == images[1].read_bytes()


@pytest.mark.requirement("SRS-DATA-11")
def test_suv_is_of_the_channel_that_is_pet(tmp_path):
    pet = dicoms.slices(series=2, modality="PT")
    for data in pet:
        data.Units, data.DecayCorrection, data.CorrectedImage = "BQML", "START", ["DECY", "ATTN"]
        data.SeriesTime, data.AcquisitionTime, data.PatientWeight = "120000", "120500", 70
        given = Dataset()
        given.RadionuclideTotalDose, given.RadionuclideHalfLife = 350e6, 7200
        given.RadiopharmaceuticalStartTime = "100000"
        data.RadiopharmaceuticalInformationSequence = [given]
    (case,) = convert([*outlined(dicoms.slices()), *pet], tmp_path, suv="bw").cases
    assert case.channels[0].suv is None
    assert case.channels[1].suv is not None
    voxels = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out" / case.channels[1].image)))
    assert voxels[4, 2, 3] == pytest.approx(423 * 4e-4, rel=1e-6)  # 70 kg, half of 350 MBq


def in_another_frame():
    files = other(*box(3))
    for data in files:
        data.FrameOfReferenceUID = dicoms.uid(7, 99)
    return files


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (lambda: other(*box(3), study=2), "channel PET: the study has no series of PET=modality:PT"),
        (
            lambda: [*other(*box(3)), *other(*box(4), series=3)],
            "channel PET: 2 series of the study are PET=modality:PT; expected one",
        ),
        (in_another_frame, "lie in 2 frames of reference, expected one"),
        (
            lambda: other(np.array([900, 900, 900]), np.array([910, 910, 910])),
            "channel PET: no voxel of the grid lies in its volume",
        ),
    ],
    ids=["missing", "several", "another frame", "elsewhere"],
)
def test_what_is_no_channel_for_certain_is_refused(files, reason, tmp_path):
    assert reason in refused([*outlined(dicoms.slices()), *files()], tmp_path)


def test_labels_that_were_drawn_on_another_channel_are_refused_with_the_grid_to_choose(tmp_path):
    files = [*outlined(dicoms.slices()), *other(*box(3))]
    said = refused(files, tmp_path, grid="PET")
    assert "labels were drawn on channel CT, expected on PET" in said
    assert "Choose --grid CT" in said


def test_labels_of_another_channel_are_not_left_out_unsaid_where_the_grid_has_some(tmp_path):
    pet = other(*box(3))
    mask = np.zeros((len(pet), pet[0].Rows, pet[0].Columns), bool)
    mask[1:3, 1:3, 1:3] = True
    both = [*outlined(dicoms.slices()), *pet, dicoms.segmentation(pet, {"one": mask})]
    said = refused(both, tmp_path)
    assert "labels were drawn on channel PET, expected on CT" in said
    assert "Take these out of the tree" in said


def test_a_channel_that_nothing_is_says_what_there_is(tmp_path):
    rules = (ChannelRule("CT", "CT"), ChannelRule("T2", "MR"))
    said = refused([*outlined(dicoms.slices()), *other(*box(3))], tmp_path, channels=rules)
    assert "no series of the tree is T2=modality:MR" in said
    assert "found 1 series of modality PT" in said


def test_a_series_of_no_channel_is_left_out_and_listed(tmp_path):
    files = [*outlined(dicoms.slices()), *other(*box(3)), *dicoms.slices(series=4, modality="MR")]
    assert [one.reason for one in convert(files, tmp_path).left_out] == ["of no channel"]


@pytest.mark.requirement("SRS-DATA-10")
def test_the_command_writes_channels_as_new_takes_them(tmp_path, capsys):
    files = [*outlined(dicoms.slices()), *other(*box(3))]
    for data in files:
        data.SeriesDescription = "words of series" if data.Modality != "PT" else "uptake, late"
    tree = dicoms.write(tmp_path / "tree", files, [f"{number}.dcm" for number in range(len(files))])
    out = tmp_path / "out"
    options = ["--out", str(out), "--name", "phantom", "--label", "a=one", "--grid", "CT"]
    channels = ["--channel", "CT=modality:CT", "--channel", "PET=modality:PT,description:uptake, late"]
    assert __main__.main(["from-dicom", str(tree), *options, *channels]) == 0
    said = capsys.readouterr().out
    assert (
        "1 images of 1 subjects, 1 with a label map, each of the channels CT, PET on the grid of CT" in said
    )
    assert "Too few: 1 subject." in said
    dataset = formats.read_dataset(out)
    assert [(channel.name, channel.modality) for channel in dataset.channels] == [
        ("CT", "CT"),
        ("PET", "other"),
    ]
    assert dataset.labels == {"0": "background", "1": "a"}
    assert [len(case.images) for case in dataset.cases] == [2]
    record = records.read(out / "conversion.json", "conversion")
    assert record["choices"]["channels"][1]["is_chosen_by_description"]
    assert "uptake" not in json.dumps(record)


def test_all_that_is_wrong_with_channels_is_said_at_once(tmp_path, capsys):
    (tmp_path / "tree").mkdir()
    options = [str(tmp_path / "tree"), "--out", str(tmp_path / "out"), "--name", "x", "--modality", "CT"]
    options += ["--channel", "CT=modality:CT", "--channel", "ct=description:(", "--channel", "$=CT"]
    assert __main__.main(["from-dicom", *options, "--several", "each", "--unlabelled", "keep"]) == 1
    said = capsys.readouterr().err
    for part in (
        "--channel: found the name '$'",
        "--channel: found '$=CT', expected NAME=modality:MODALITY",
        "--channel: a name stands twice",
        "unterminated subpattern",
        "--grid: found nothing, expected the channel",
        "--modality, --description: each --channel says that",
        "--several each",
    ):
        assert part in said
