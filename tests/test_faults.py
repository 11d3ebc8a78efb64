"""Bad input, from the outside: one message with every fault and the way out, exit status 1, no traceback,
nothing lost."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import yaml

from tests import phantoms, projects
from tests.test_reproducible import STAGES, contents

pytestmark = pytest.mark.slow


@pytest.fixture
def project(reproduced, tmp_path) -> Path:
    """A clone with everything pulled, to be spoilt."""
    folder = projects.clone(reproduced, tmp_path / "clone")
    projects.run(folder, "dvc", "pull", "-q")
    return folder


def run_stage(project: Path, name: str):
    command = yaml.safe_load((project / "dvc.yaml").read_text())["stages"][name]["cmd"].split()
    return projects.run(project, *command, check=False)


def refused(project: Path, name: str, *words: str) -> None:
    """Runs a stage that must refuse: status 1, every word in its message, no traceback, every output as it
    was."""
    before = contents(project)
    done = run_stage(project, name)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert [word for word in words if word not in done.stderr] == [], done.stderr
    assert contents(project) == before
    assert list(project.rglob("*.partial")) == []


def spoil(project: Path, case_id: str, change, kind: str = "imagesTr") -> None:
    """Rewrites one raw file as change(volume), or removes it where change gives None."""
    path = project / "data" / kind / f"{case_id}.nii.gz"
    sitk.WriteImage(change(sitk.ReadImage(str(path))), str(path))


def with_voxel(value):
    def change(volume):
        volume[3, 4, 5] = value
        return volume

    return change


def moved(volume):
    volume.SetOrigin([one + 0.5 for one in volume.GetOrigin()])
    return volume


@pytest.mark.requirement("SRS-UI-1")
def test_all_faults_of_the_data_come_in_one_message(project):
    spoil(project, "phantom_01", with_voxel(float("nan")))
    spoil(project, "phantom_02", moved, "labelsTr")
    spoil(project, "phantom_03", with_voxel(7), "labelsTr")
    shutil.copyfile(project / "data/imagesTr/phantom_04.nii.gz", project / "data/imagesTr/phantom_05.nii.gz")
    damaged = project / "data/imagesTr/phantom_06.nii.gz"
    damaged.write_bytes(damaged.read_bytes()[:200])
    spoil(project, "phantom_07", lambda volume: volume * 0 + 1)
    four = sitk.JoinSeries([phantoms.pair(8)[0]] * 2)
    sitk.WriteImage(four, str(project / "data/imagesTr/phantom_08.nii.gz"))
    projects.run(project, "python", "-m", "radiotrace", "manifest")
    assert run_stage(project, "ingest").returncode == 0
    refused(
        project,
        "validate",
        "phantom_01",
        "1 voxels are NaN",
        "phantom_02",
        "grid_origin",
        "phantom_03",
        "label map has 7",
        "phantom_04",
        "same voxels as phantom_05",
        "phantom_06",
        "cut: ",
        "phantom_07",
        "every voxel is 1",
        "phantom_08",
        "4-D",
        "8 of 16 cases fail",
        "validate.exclude",
    )
    # The way out that the message names is one.
    projects.set_params(
        project,
        validate={
            "exclude": [{"case_id": f"phantom_0{number}", "reason": "spoilt"} for number in range(1, 9)]
        },
    )
    assert run_stage(project, "validate").returncode == 0
    assert len(json.loads((project / "build/validate/accepted.json").read_text())["excluded"]) == 8


@pytest.mark.requirement("SRS-SPLIT-1")
def test_an_identical_image_under_two_subjects_cannot_stand_in_two_parts(project):
    path = project / "build/validate/accepted.json"
    record = json.loads(path.read_text())
    for case in record["cases"]:
        case["voxels_sha256"] = "0" * 64
    path.write_text(json.dumps(record))
    refused(project, "split", "parts are not independent", "train and test share images")


def test_an_empty_data_folder_is_refused(project):
    shutil.rmtree(project / "data")
    (project / "data").mkdir()
    refused(project, "ingest", "0 files in data/")


def test_a_path_that_leaves_the_data_folder_is_refused(project):
    path = project / "data/dataset.json"
    path.write_text(path.read_text().replace("./imagesTr/phantom_03", "../elsewhere/phantom_03"))
    projects.run(project, "python", "-m", "radiotrace", "manifest")
    refused(project, "ingest", "phantom_03", "leaves the data folder")


@pytest.mark.parametrize("name", STAGES)
def test_a_misspelt_and_a_mistyped_parameter_are_named_by_every_stage(project, name):
    path = project / "params.yaml"
    path.write_text(path.read_text().replace("  epochs: 2", "  epoch: 2").replace("seed: 0", "seed: zero"))
    refused(project, name, "epoch", "'zero' is not of type 'integer'", "params*.schema.json")


def test_params_that_are_not_yaml_are_refused(project):
    (project / "params.yaml").write_text("seed: 0\nseed: 1\n")
    refused(project, "split", "params.yaml is not YAML", "duplicate key")


def test_another_version_of_a_package_is_refused(project):
    path = project / "requirements/core.txt"
    path.write_text(path.read_text().replace("PyYAML==", "PyYAML==0.1 # "))
    refused(project, "split", "PyYAML: found", "pinned ==0.1")


def test_a_loss_that_is_not_finite_stops_with_epoch_step_and_cases(project):
    projects.set_params(project, train={"learning_rate": 1e30, "gradient_clip": 1e30})
    refused(project, "train", "loss is nan in epoch 1, step 2 of 3", "cases phantom_")


def test_a_patch_that_the_network_cannot_halve_is_refused(project):
    projects.set_params(project, train={"patch_voxels": [15, 20, 12]})
    refused(project, "train", "train.patch_voxels: found [15, 20, 12], expected multiples of 4")


@pytest.mark.requirement("SRS-EVI-1")
def test_records_of_two_runs_are_not_bundled(project):
    path = project / "metrics/metrics.json"
    path.write_text(
        path.read_text().replace('"run_id": "', '"run_id": "0000')[:-1].replace("0000", "0000", 1) + "\n"
    )
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"run_id": record["run_id"][:64]}))
    refused(project, "evidence", "run_id of metrics.json")


@pytest.mark.requirement("SRS-EVI-1")
def test_weights_changed_by_one_bit_are_not_bundled(project):
    path = project / "build/train/weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    refused(project, "evidence", "SHA-256 of weights.safetensors")


FULL_DISK = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.argv = sys.argv[2:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


@pytest.mark.requirement("SRS-UI-1")
@pytest.mark.parametrize(
    ("name", "bytes_left"),
    [
        ("ingest", 1000),
        ("ingest", 20000),
        ("split", 1000),
        ("train", 10000),
        ("evaluate", 500),
        ("robustness", 500),
        ("export", 10000),
    ],
)
def test_a_disk_without_room_leaves_everything_as_it_was(project, name, bytes_left):
    before = contents(project)
    command = yaml.safe_load((project / "dvc.yaml").read_text())["stages"][name]["cmd"].split()[2:]
    done = projects.run(project, "python", "-B", "-c", FULL_DISK, str(bytes_left), *command, check=False)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "File too large" in done.stderr
    assert contents(project) == before


def test_phantoms_are_spoilt_where_the_tests_say():
    volume = with_voxel(9.0)(phantoms.pair(1)[0])
    assert np.argwhere(sitk.GetArrayFromImage(volume) == 9.0).tolist() == [[5, 4, 3]]
