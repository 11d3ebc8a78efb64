"""verify, levels 4 to 6, on a phantom project: they hold where nobody touched it, and name what somebody
did."""

import json
import re

import pytest
import SimpleITK as sitk

from radiotrace import records
from radiotrace.commands import verify
from radiotrace.evidence.verify.levels import Clone
from radiotrace.segmentation.verification import balanced, checks
from tests import projects, tampering
from tests.tampering import edit


@pytest.fixture
def clone(reproduced, tmp_path):
    """A clone with every output pulled."""
    folder = projects.clone(reproduced, tmp_path / "clone")
    projects.run(folder, "dvc", "pull", "-q")
    return folder


def found(folder, level: int) -> dict[int, list[str]]:
    """Level -> faults, of levels 4 and up."""
    projects.run(
        folder,
        "python",
        "-m",
        "radiotrace",
        "verify",
        "--level",
        level,
        "--json",
        folder / "execution/found.json",
        check=False,
    )
    checks = json.loads((folder / "execution/found.json").read_text())
    assert sorted({check["level"] for check in checks if check["level"] >= 4 and check["looked"]}) == list(
        range(4, level + 1)
    )
    return {
        at: [fault for check in checks if check["level"] == at for fault in check["faults"]]
        for at in range(4, 7)
    }


def place(folder) -> Clone:
    return Clone(folder, *(folder / name for name in ("evidence", "signatures", "keys")))


def test_numbers_predictions_and_a_second_clone_agree_and_one_that_differs_is_named(clone, monkeypatch):
    # else the tests ran on other code than is there, and nothing runs that nobody vouches for
    tampering.recorded(clone)
    # with all other variables of ours, level 6 clears it
    monkeypatch.setenv("RADIOTRACE_CHECKPOINTS", str(clone / "nowhere"))
    # of the evidence, the only file that the second clone will make otherwise
    (clone / "evidence/vex.json").write_text("{}")
    faults = found(clone, 6)
    assert (faults[4], faults[5]) == ([], [])
    assert [fault.split(":")[0] for fault in faults[6]] == ["evidence/vex.json"]


# it was resumed from, and gave the forged bytes
def test_level_6_runs_nothing_where_a_checkpoint_lies_in_git(clone):
    tampering.recorded(clone)
    forged = clone / ".checkpoints/0/epoch_0002.safetensors"
    forged.parent.mkdir(parents=True)
    forged.write_bytes(b"forged")
    projects.run(clone, "git", "add", "-f", ".checkpoints")
    projects.commit(clone, "forged")
    assert verify.reproduce(place(clone)).faults == [
        "nothing was run, because:",
        f"{forged.relative_to(clone)}: tracked by git, though it is of what runs leave behind",
    ]


def test_numbers_that_do_not_follow_are_named(clone):
    edit("metrics/cases.json", "/cases/0/labels/anterior/dice", 0.99)(clone)
    edit("metrics/metrics.json", "/dice/posterior/ci95_low", 0.01)(clone)
    faults = found(clone, 4)[4]
    case_id = json.loads((clone / "metrics/cases.json").read_text())["cases"][0]["case_id"]
    assert any(
        re.match(rf"metrics/cases\.json: {case_id} at /labels/anterior/dice states 0\.99, found ", fault)
        for fault in faults
    )
    assert any(
        fault.startswith("metrics/metrics.json: dice at /posterior/ci95_low states 0.01, found ")
        for fault in faults
    )


def test_a_prediction_that_the_model_does_not_make_is_named(clone):
    case = json.loads((clone / "metrics/cases.json").read_text())["cases"][0]
    path = clone / "build/evaluate/results/predictions" / case["prediction"]
    prediction = sitk.ReadImage(str(path))
    prediction[0, 0, 0] = 1 - prediction[0, 0, 0]
    path.unlink()  # it may be a link into the cache
    sitk.WriteImage(prediction, str(path), useCompression=True)
    edit("metrics/cases.json", "/cases/0/prediction_sha256", records.sha256(path))(clone)
    size = prediction.GetNumberOfPixels()
    assert checks.predict_again(place(clone)) == [f"{case['prediction']}: 1 voxels of {size} differ"]


@pytest.mark.requirement("SRS-EVI-5")
# all that stands on train.json may have been made anew from it
def test_offsets_of_the_logits_that_no_validation_part_gives_are_named(clone):
    path = clone / "build/train/train.json"
    offsets = json.loads(path.read_text())["preprocessing"]["logit_offsets"]
    assert balanced.check(place(clone)).faults == []
    content = records.read(path, "train")
    path.unlink()  # it may be a link into the cache
    content["preprocessing"]["logit_offsets"] = [0.0, offsets[1] + 0.2, *offsets[2:]]
    path.write_text(records.dumps(content))
    assert [fault.split(" state ")[0] for fault in balanced.check(place(clone)).faults] == [
        "train.json: logit_offsets of label 1"
    ]
