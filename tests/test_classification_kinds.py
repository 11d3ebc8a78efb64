"""Studies of three classes, and of several classes a picture, go from a file of arrays to a released model
that tells new pictures the same."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from radiotrace.pipeline import params
from tests import class_pictures, projects, second_task
from tests.test_classification_study import TINY

pytestmark = pytest.mark.slow
LABELS = {
    "class": ("clear", "shadow", "fracture"),
    "classes": ("nothing", "shadow", "fracture"),
}
COUNTS = {"train": 48, "val": 32, "test": 32}


@dataclass(frozen=True)
class Ran:
    """A study that has run up to report.

    Attributes:
        kind: whether a picture has one class, or some of several.
        arrays: what it was made of.
    """

    kind: str
    folder: Path
    repository: Path
    arrays: dict

    def record(self, path: str) -> dict:
        return json.loads((self.folder / path).read_text("utf-8"))


@pytest.fixture(scope="module", params=sorted(LABELS))
def ran(request, tmp_path_factory) -> Ran:
    """A study of three labels, whose last stage is report."""
    kind, place = request.param, "studies/kinds"
    repository = second_task.repository(tmp_path_factory.mktemp(kind) / "repository")
    options = {"kinds": 3, "several": kind == "classes", "counts": COUNTS}
    own = class_pictures.write(repository.parent / "own", **options)
    labels = [f"--label={name}={value}" for value, name in enumerate(LABELS[kind])]
    words = ("new", "kinds", "--task", "classification", "--data", own, "--pixel-mm", "1", *labels)
    projects.run(repository, "python", "-m", "radiotrace", *words)
    projects.run(repository, "python", "-m", "radiotrace", "--study", place, "manifest")
    state = projects.environment(repository)["DVC_SITE_CACHE_DIR"]
    folder = repository / place
    projects.run(folder, "dvc", "add", "-q", "data", DVC_SITE_CACHE_DIR=state)
    projects.set_params(folder, **TINY)
    projects.commit(repository, "a study of three labels")
    for stage in ("export", "report"):
        projects.run(folder, "dvc", "repro", "-q", stage, DVC_SITE_CACHE_DIR=state)
    return Ran(kind, folder, repository, class_pictures.arrays(**options))


def test_each_label_is_told_from_all_else(ran):
    metrics = ran.record("metrics/metrics.json")
    assert list(metrics["discrimination"]) == sorted(LABELS[ran.kind][1:])
    for name, row in metrics["discrimination"].items():
        place = LABELS[ran.kind].index(name)
        has = ran.arrays["test_labels"]
        n_positive = has[:, place - 1].sum() if ran.kind == "classes" else (has == place).sum()
        assert row["n_positive"] == n_positive
        assert row["n_negative"] == COUNTS["test"] - n_positive
        assert row["auroc"]["value"] > 0.8
        assert row["auroc"]["ci95_low"] <= row["auroc"]["value"] <= row["auroc"]["ci95_high"]


def test_a_case_has_one_class_or_any_number_of_several(ran):
    metrics = ran.record("metrics/metrics.json")
    cases = ran.record("metrics/cases.json")["cases"]
    numbers = {len(case["reference"]) for case in cases}
    if ran.kind == "class":
        assert numbers == {len(case["told"]) for case in cases} == {1}
        assert sum(sum(row.values()) for row in metrics["confusion"].values()) == COUNTS["test"]
        assert all(sum(row["probability"] for row in case["labels"].values()) <= 1 + 1e-6 for case in cases)
        assert metrics["decisions"]["temperature"] > 0  # which keeps their sum
    else:
        assert numbers == {0, 1, 2}
        assert metrics["confusion"] == {}
        assert sorted(metrics["decisions"]["lines"]) == sorted(LABELS[ran.kind][1:])


def test_the_released_model_tells_new_pictures_what_was_measured(ran, tmp_path):
    chosen = range(6)
    (tmp_path / "new").mkdir()
    for number in chosen:
        Picture.fromarray(ran.arrays["test_images"][number]).save(tmp_path / f"new/test_{number:05d}.png")
    words = ("predict", ran.folder / "build/export", tmp_path / "new", "--out", tmp_path / "out")
    projects.run(ran.repository, "python", "-m", "radiotrace", *words)
    predicted = json.loads((tmp_path / "out/predictions.json").read_text("utf-8"))["cases"]
    measured = {case["case_id"]: case for case in ran.record("metrics/cases.json")["cases"]}
    assert len(predicted) == len(chosen)
    for row in predicted:
        case = measured[row["case_id"]]
        assert row["told"] == case["told"]
        of_label = {name: one["probability"] for name, one in case["labels"].items()}
        assert row["probabilities"] == pytest.approx(of_label, abs=1e-4)
        assert row["uncertainty"] == pytest.approx(case["uncertainty"]["prediction"]["score"], abs=1e-3)
        assert row["is_flagged"] is case["flagged"]["prediction"]


def test_new_pictures_of_the_same_kind_raise_no_alarm_and_brighter_ones_do(ran, tmp_path):
    new = class_pictures.arrays(kinds=3, several=ran.kind == "classes", counts={"later": 30})["later_images"]
    found = {}
    for name, values in (("same", new), ("brighter", np.clip(new.astype(int) + 70, 0, 255).astype(np.uint8))):
        (tmp_path / name).mkdir()
        for number, one in enumerate(values):
            Picture.fromarray(one).save(tmp_path / name / f"{number}.png")
        words = ("monitor", tmp_path / name, "--out", tmp_path / f"{name}.json")
        reference = ("--reference", "build/evaluate/results/reference.json")
        place = ("--study", "studies/kinds")
        done = projects.run(
            ran.repository, "python", "-m", "radiotrace", *place, *words, *reference, check=False
        )
        found[name] = (done.returncode, json.loads((tmp_path / f"{name}.json").read_text("utf-8")))
    assert found["same"][0] == 0
    status, report = found["brighter"]
    assert status == 3
    assert report["input"]["intensity_mean"]["level"] == "alarm"
    assert set(report["output"]) == {"uncertainty", "probability.shadow", "probability.fracture"}


def test_page_and_card_name_every_label(ran):
    page = (ran.folder / "build/report/index.html").read_text("utf-8")
    card = (ran.folder / "build/export/MODEL_CARD.md").read_text("utf-8")
    for name in LABELS[ran.kind][1:]:
        assert name in page
        assert name in card


def test_rare_classes_are_drawn_more_often(ran):
    run = ran.record("build/train/train.json")
    assert params.load_yaml(ran.folder / "params.yaml")["train"]["sampling_power"] > 0
    assert len(run["cases"]["train"]) == COUNTS["train"]
    assert np.isfinite([row["loss"] for row in run["history"]]).all()
