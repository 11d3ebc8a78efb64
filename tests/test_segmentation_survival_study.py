"""A study of outlines and survival goes from a folder of images through every stage to evidence that
verifies."""

import json
from pathlib import Path

import numpy as np
import pytest

from radiotrace.pipeline import params
from tests import lesion_phantoms, projects, second_task

pytestmark = pytest.mark.slow
PLACE = "studies/lesions"
TINY = {
    "split": {"fractions": {"train": 0.5, "validation": 0.15, "test": 0.35}},
    "train": {
        "features": [4, 8, 8],
        "patch_voxels": [20, 16, 16],
        "window_voxels": [20, 16, 16],
        "epochs": 6,
        "batch_size": 6,
        "zero_epochs": 6,
        "learning_rate": 0.01,
        "threads": 1,
        "precision": "fp32",
    },
    "hazard": {"time": "days", "event": "relapse"},
    "evaluate": {"threads": 1, "dropout_passes": 2, "subgroup_subjects_min": 3},
    "survival": {"horizons": [120, 300], "threads": 1, "subgroup_subjects_min": 3},
    "robustness": {
        "cases": 2,
        "corruptions": ["blur"],
        "adversarial": {"cases": 1, "eps_sd": [0.1], "steps": 1},
        "threads": 1,
    },
    "explain": {"level": 1, "repetitions": 1, "threads": 1},
    "export": {"parity_cases": 2, "threads": 1},
    "release": {"threads": 1},
}


def command(folder: Path, *words, check: bool = True):
    return projects.run(folder, "python", "-m", "radiotrace", "--study", PLACE, *words, check=check)


def dvc(folder: Path, *words, check: bool = True):
    state = projects.environment(folder)["DVC_SITE_CACHE_DIR"]
    return projects.run(folder / PLACE, "dvc", *words, DVC_SITE_CACHE_DIR=state, check=check)


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> Path:
    """A repository with a study that `new` made, run."""
    folder = second_task.repository(tmp_path_factory.mktemp("lesions") / "repository")
    own = lesion_phantoms.write(folder.parent / "own", 60)
    words = ("lesions", "--task", "segmentation_survival", "--data", own)
    projects.run(folder, "python", "-m", "radiotrace", "new", *words)
    command(folder, "manifest")
    dvc(folder, "add", "-q", "data")
    projects.set_params(folder / PLACE, **TINY)
    projects.commit(folder, "a study of lesions")
    dvc(folder, "repro", "-q")
    projects.commit(folder, "its run")
    return folder


@pytest.fixture
def record(ran):
    return lambda path: json.loads((ran / PLACE / path).read_text("utf-8"))


def test_larger_lesions_are_told_to_have_the_event_earlier(record):
    survival = record("metrics/survival.json")
    volumes = [sum(case["reference"]["volume_ml"].values()) for case in survival["cases"]]
    risks = [case["told"]["log_hazard"] for case in survival["cases"]]
    assert np.corrcoef(volumes, risks)[0, 1] > 0.5
    assert survival["network"]["c_index"]["harrell"]["value"] > 0.6
    assert survival["n_cases"] == len(survival["cases"]) == record("metrics/metrics.json")["n_cases"]


def test_survival_stands_beside_what_others_tell_of_the_same_lesions(record):
    survival = record("metrics/survival.json")
    for name in ("volume", "features", "alone"):
        value = survival["others"][name]["c_index"]["harrell"]["value"]
        gap = survival["comparisons"][name]["c_index"]["value"]
        assert gap == pytest.approx(survival["network"]["c_index"]["harrell"]["value"] - value)
    assert set(survival["sharing"]["dice"]) == {"primary", "node", "mean_of_labels"}


def test_every_stage_left_its_record(record, ran):
    assert {row["stage"] for row in record("evidence/run.json")["stages"]} == set(
        params.load_yaml(ran / PLACE / "dvc.yaml")["stages"]
    )
    bundled = {
        entry["path"].removeprefix("evidence/")
        for entry in record("evidence/manifest.json")["files"]
        if entry["in_bundle"]
    }
    assert {"metrics.json", "hazard.json", "survival.json", "prognosis.json", "model.json"} <= bundled


def test_the_released_file_tells_without_our_network(ran, record):
    """By prognosis.json and prognosis.onnx alone: the steps done by hand."""
    import onnxruntime
    import SimpleITK as sitk

    folder = ran / PLACE / "build/release"
    model = json.loads((folder / "prognosis.json").read_text())
    running = onnxruntime.InferenceSession(folder / model["file"], providers=["CPUExecutionProvider"])
    case = record("metrics/survival.json")["cases"][0]
    window = np.zeros(model["window_voxels"][::-1], np.float32)
    channels = []
    for number, channel in enumerate(model["preprocessing"]["channels"]):
        path = ran / PLACE / f"data/imagesTr/{case['case_id']}_{number:04d}.nii.gz"
        image = sitk.DICOMOrient(sitk.ReadImage(str(path)), model["preprocessing"]["orientation"])
        of = channel["intensities"]
        values = np.clip(sitk.GetArrayFromImage(image).astype(np.float64), of["low"], of["high"])
        values = (values - of["mean"]) / of["sd"]
        first = [(edge - size) // 2 for edge, size in zip(window.shape, values.shape, strict=True)]
        there = window.copy()
        there[tuple(slice(a, a + n) for a, n in zip(first, values.shape, strict=True))] = values
        channels.append(there)
    _, [log_hazard] = running.run(["logits", "log_hazard"], {"image": np.stack(channels)[None]})
    assert log_hazard == pytest.approx(case["told"]["log_hazard"], abs=2e-3)


def test_the_page_has_what_the_records_say(ran, record):
    page = (ran / PLACE / "build/report/index.html").read_text("utf-8")
    index = record("metrics/survival.json")["network"]["c_index"]["harrell"]["value"]
    assert f"{index:.3f}" in page
    assert page.count("data:image/svg+xml") == 9


def test_a_criterion_on_survival_is_judged(ran, record):
    paths = [ran / PLACE / f"design/{name}.yaml" for name in ("requirements", "statistical_plan")]
    for path in paths:
        text = path.read_text()
        assert 'metric: "dice.node"' in text
        before, node, criterion = text.partition('metric: "dice.node"')
        criterion = criterion.replace("jackknife-student-hall", "jackknife-logit", 1)
        path.write_text(before + node.replace("dice.node", "survival.network.c_index.harrell") + criterion)
    try:
        dvc(ran, "repro", "-q", "evidence")
        row = next(
            row for row in record("evidence/acceptance.json")["results"] if "survival" in row["metric"]
        )
        expected = record("metrics/survival.json")["network"]["c_index"]["harrell"]
        assert (row["mean"], row["observed"]) == (expected["value"], expected["ci95_low"])
    finally:
        projects.run(ran, "git", "checkout", "-q", ".")
        dvc(ran, "checkout", "-q", "dvc.yaml")


def test_evidence_verifies_up_to_level_5(ran):
    done = command(ran, "verify", "--level", "5", check=False)
    failed = projects.failing(done)
    # what people have not decided blocks a release; all else holds
    assert failed == ["nothing blocks the release"], done.stdout
    assert "the released file tells the log-hazards that were measured" in done.stdout


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("metrics/survival.json", '"risk_group": 0', '"risk_group": 1'),
        ("evidence/hazard.json", '"n_events":', '"n_events":1'),
    ],
)
def test_a_changed_record_is_found(ran, path, old, new):
    file = ran / PLACE / path
    kept = file.read_bytes()
    file.write_bytes(kept.replace(old.encode(), new.encode(), 1))
    assert file.read_bytes() != kept
    try:
        done = command(ran, "verify", "--level", "3", check=False)
    finally:
        file.write_bytes(kept)
    assert done.returncode
    assert Path(path).name in done.stdout


def test_studies_of_segmentation_do_not_reach_the_task(ran):
    first = params.load_yaml(ran / "dvc.yaml")["stages"]
    deps = [dep for name, stage in first.items() if name != "evidence" for dep in stage["deps"]]
    assert [dep for dep in deps if "segmentation_survival" in dep] == []
