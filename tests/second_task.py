"""The second task (tests/second/) in tests: its phantoms, and a copy of the repository that has it."""

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from radiotrace import records
from radiotrace.evidence.design import baseline
from radiotrace.evidence.verify import workflow
from radiotrace.pipeline import randomness, tasks
from radiotrace.pipeline.tasks import Task
from tests import projects

NAME, PLACE = "second_task", "studies/pictures"
LAID = Path(__file__).with_name("second")
LAID_FOLDERS = ("radiotrace", "schemas", "stages")
CLASSES = ("disc", "ring")
EDGE = 16  # of a picture, in pixels
NOISE, SHIFT = 11, 2  # purpose that randomness is drawn for; farthest that a figure lies from the middle
KEPT_TESTS = ("__init__.py", "requirement_plugin.py")


def figure(case_id: str) -> tuple[np.ndarray, np.ndarray]:
    """The phantom of a case, such as "ring_3": off the middle, of two unequal radii, in noise.

    Returns:
        intensities (y, x) float32; where the figure is (y, x), bool.
    """
    rng = randomness.generator(0, NOISE, case_id)
    centre_y, centre_x = EDGE / 2 + rng.uniform(-SHIFT, SHIFT, 2)
    y, x = np.mgrid[:EDGE, :EDGE]
    distance = np.hypot((y - centre_y) / 5, (x - centre_x) / 4)
    is_disc = case_id.split("_")[0] == "disc"
    inside = distance < 1 if is_disc else (distance < 1) & (distance > 0.6)
    pixels = inside + rng.normal(0, 0.1, inside.shape)
    return pixels.astype(np.float32), inside


def pictures(case_ids: Sequence[str], cache_mb: float = 1):
    """Phantoms as training takes them, in memory."""
    import torch  # here, because who lays the task into a repository needs no torch

    from radiotrace.learning.cases import Cases
    from tests.second.radiotrace.second_task.learner import Picture

    def read(index: int) -> Picture:
        name = case_ids[index].split("_")[0]
        pixels, _ = figure(case_ids[index])
        return Picture(torch.from_numpy(pixels)[None], CLASSES.index(name))

    return Cases(case_ids, read, cache_mb)


def write_dataset(folder: Path, count: int) -> None:
    """So many pictures of each class, each a volume of one slice of a person of its own; every voxel of the
    figure has the value of its class."""
    ids = [f"{name}_{number}" for number in range(count) for name in CLASSES]
    for kind in ("imagesTr", "labelsTr"):
        (folder / kind).mkdir(parents=True)
    for case_id in ids:
        pixels, inside = figure(case_id)
        value = 1 + CLASSES.index(case_id.split("_")[0])
        for kind, array in (("imagesTr", pixels), ("labelsTr", (inside * value).astype(np.uint8))):
            volume = sitk.GetImageFromArray(array[None])
            volume.SetSpacing((0.9, 1.1, 1.7))
            sitk.WriteImage(volume, str(folder / kind / f"{case_id}.nii.gz"))
    described = {
        "name": "pictures",
        "release": "1.0",
        "licence": "CC0",
        "reference": "made by code",
        "modality": {"0": "MRI"},
        "labels": {"0": "background", "1": "disc", "2": "ring"},
        "training": [
            {"image": f"./imagesTr/{one}.nii.gz", "label": f"./labelsTr/{one}.nii.gz"} for one in ids
        ],
    }
    (folder / "dataset.json").write_text(json.dumps(described))
    with open(folder / "cases.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["case_id", "subject_id"])
        writer.writerows((one, one) for one in ids)


def lay(repository: Path) -> None:
    """Puts what the task brings into a copy of the repository, at its places, and does what 'make deps'
    does."""
    for name in LAID_FOLDERS:
        for path in sorted((LAID / name).rglob("*")):
            target = repository / path.relative_to(LAID)
            if path.is_file() and "__pycache__" not in path.parts and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
    projects.run(repository, "python", "-m", "radiotrace.commands.metric_names")
    projects.run(repository, "python", "-m", "radiotrace.evidence.verify.workflow")


def repository(folder: Path) -> Path:
    """A copy of ours with a first study that has not run, without the past of its design, and without the
    second task."""
    projects.create(folder, cases=2)
    for name in ("signatures", "studies"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for path in sorted((folder / "tests").iterdir()):
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in KEPT_TESTS:
            path.unlink()
    # in the first commit no ledger has a line, so that nothing before it can be missed
    for design in ("design", "software/design"):
        (folder / design / "reviews.jsonl").write_text("")
        (folder / design / baseline.FILE).unlink()
    shutil.rmtree(folder / ".git")
    projects.run(folder, "git", "init", "-q", "-b", "main")
    projects.commit(folder, "the first study")
    return folder


def study(folder: Path, count: int) -> None:
    """A study of the second task in a repository that has it: made by `new`, its data accepted, committed."""
    write_dataset(folder.parent / "own", count)
    command(folder, "new", "pictures", "--task", NAME, "--data", folder.parent / "own", place=".")
    command(folder, "manifest")
    dvc(folder, "add", "-q", "data")
    projects.commit(folder, "a study of the second task")


def command(folder: Path, *words, place: str = PLACE, check: bool = True):
    """Our command line, of the study."""
    return projects.run(folder, "python", "-m", "radiotrace", "--study", place, *words, check=check)


def dvc(folder: Path, *words, check: bool = True):
    """DVC in the folder of the study."""
    state = projects.environment(folder)["DVC_SITE_CACHE_DIR"]
    return projects.run(folder / PLACE, "dvc", *words, DVC_SITE_CACHE_DIR=state, check=check)


def declare(folder: Path, monkeypatch) -> Task:
    """Makes the current folder that of a study of the second task, as far as commands ask for its
    declaration and its schemas.

    Args:
        folder: to write to; the current one.
    """
    schemas = shutil.copytree(records.SCHEMAS, folder / "schemas", dirs_exist_ok=True)
    shutil.copytree(LAID / "schemas", schemas, dirs_exist_ok=True)
    monkeypatch.setattr(records, "SCHEMAS", schemas)
    task = tasks.read(LAID / "stages" / NAME / tasks.FILE)
    monkeypatch.setattr(workflow, "task_of", lambda study: task)
    (folder / "params.yaml").write_text(f"task: {NAME}\n")
    return task
