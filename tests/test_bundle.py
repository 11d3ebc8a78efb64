"""The bundle: records that contradict each other are found, and what is made from them agrees with them."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest

from radiotrace import records
from radiotrace.evidence.bundle import contents
from radiotrace.pipeline import runs, tasks
from radiotrace.records import merkle

ROOT = Path(__file__).resolve().parent.parent
CASES = Path(__file__).resolve().parent / "schema_cases"
A, B, C, D, E = ("abcde"[number] * 64 for number in range(5))
OTHER = "0" * 64
STAGES = (
    "ingest",
    "validate",
    "split",
    "train",
    "evaluate",
    "robustness",
    "explain",
    "report",
    "export",
    "distil",
    "optimize",
)
WEIGHTS, ONNX, SPLIT = "build/train/weights.safetensors", "build/export/model.onnx", "build/split/split.json"
PINS = "requirements/core.txt"

DICE = {
    "name": "dice",
    "title": "Dice",
    "unit": "",
    "digits": 3,
    "better": "larger",
    "source": "",
    "kind": "share",
    "can_be_undefined": True,
    "headline": True,
}


def agreeing() -> dict:
    """The least that contradictions() reads, of one run with one case in each part."""
    raw = {"imagesTr/p_01.nii.gz": A, "labelsTr/p_01.nii.gz": B}
    image, label_map = ({"path": path, "sha256": digest} for path, digest in raw.items())
    provenance = [
        {
            "stage": name,
            "code": {f"stages/{name}.py": A},
            "params": {"seed": 0},
            "requirements_sha256": {PINS: C},
            "inputs": {SPLIT: D},
        }
        for name in STAGES
    ]
    run_id = runs.run_id(provenance[STAGES.index("train")])
    return {
        "provenance": provenance,
        "files": {WEIGHTS: B, ONNX: C, SPLIT: D, PINS: C},
        "of_task": tasks.declared("segmentation").records,
        "sources": {
            "dataset": {
                "dataset": {"root_sha256": merkle.root(raw)},
                "cases": [{"image": image, "label_map": label_map}],
            },
            "split": {
                "cases": {"p_01": {"part": "train"}, "p_02": {"part": "validation"}, "p_03": {"part": "test"}}
            },
            "train": {
                "run_id": run_id,
                "weights_sha256": B,
                "cases": {"train": ["p_01"], "validation": ["p_02"]},
                "params": {"epochs": 1, "patience_epochs": None},
                "history": [{"epoch": 1, "validation_dice": {"head": 0.8}}],
            },
            "metrics": {
                "run_id": run_id,
                "measures": [dict(DICE)],
                "dice": {"head": {"mean": 0.8}, "tail": {"mean": None}, "mean_of_labels": {"mean": 0.8}},
            },
            "cases": {
                "run_id": run_id,
                "cases": [{"case_id": "p_03", "labels": {"head": {"dice": 0.8}, "tail": {"dice": None}}}],
            },
            "headline": {"run_id": run_id, "dice": {}},
            **{name: {"run_id": run_id} for name in ("robustness", "explain")},
            "model": {"run_id": run_id, "weights_sha256": B, "sha256": C},
            "openings": contents.openings(run_id, [opening(run_id)]),
        },
    }


def opening(run_id: str, cases_sha256: str = A) -> dict:
    """A line of the ledger."""
    return {"run_id": run_id, "cases_sha256": cases_sha256}


def test_records_that_agree_contradict_nothing():
    assert contents.contradictions(**agreeing()) == []


@pytest.mark.requirement("SRS-EVI-1")
@pytest.mark.parametrize(
    ("way", "value", "expected"),
    [
        (("sources", "metrics", "run_id"), OTHER, "run_id of metrics.json"),
        (("sources", "cases", "run_id"), OTHER, "run_id of cases.json"),
        (("sources", "headline", "run_id"), OTHER, "run_id of headline.json"),
        (("sources", "model", "run_id"), OTHER, "run_id of model.json"),
        (("sources", "openings", "openings"), [], "openings of the test part"),
        (("sources", "train", "params", "epochs"), 2, "epoch that became the model"),
        (("sources", "train", "history", 0, "epoch"), 2, "epochs of build/train/train.json"),
        (("files", WEIGHTS), OTHER, "SHA-256 of weights.safetensors"),
        (("sources", "model", "weights_sha256"), OTHER, "weights behind model.onnx"),
        (("files", ONNX), OTHER, "SHA-256 of model.onnx"),
        (("sources", "model", "sha256"), OTHER, "SHA-256 of model.onnx"),
        (("sources", "dataset", "dataset", "root_sha256"), OTHER, "root of the data set"),
        (("sources", "dataset", "cases", 0, "label_map", "sha256"), OTHER, "root of the data set"),
        (("sources", "cases", "cases"), [], "cases that were evaluated"),
        (
            ("sources", "cases", "cases"),
            [{"case_id": "p_03"}, {"case_id": "p_03"}],
            "cases that were evaluated",
        ),
        (("sources", "train", "cases", "train"), ["p_01", "p_03"], "test cases that training saw"),
        (("sources", "train", "cases", "validation"), ["p_03"], "test cases that training saw"),
        (("sources", "metrics", "dice", "head", "mean"), 0.9, "mean Dice of head"),
        (("sources", "metrics", "dice", "tail", "mean"), 0.9, "mean Dice of tail"),
        (("provenance", 4, "inputs", SPLIT), OTHER, f"{SPLIT}, read by evaluate"),
        (("provenance", 4, "inputs", "build/other.json"), D, "build/other.json, read by evaluate"),
        (("provenance", 8, "requirements_sha256", PINS), OTHER, f"{PINS}, pins of export"),
        (("provenance", 8, "requirements_sha256", "other.txt"), C, "other.txt, pins of export"),
    ],
)
def test_contradiction_is_found(way, value, expected):
    run = agreeing()
    place = run
    for key in way[:-1]:
        place = place[key]
    place[way[-1]] = value
    assert [line.split(":")[0] for line in contents.contradictions(**run)] == [expected]


@pytest.mark.requirement("SRS-EVI-1")
def test_measures_that_the_table_has_not_and_those_that_it_has_are_told_of_cases_and_headline():
    run = agreeing()
    sources = run["sources"]
    sources["metrics"]["measures"].append(DICE | {"name": "iou", "headline": False})
    sources["cases"]["cases"][0]["labels"]["head"] |= {"iou": 0.5, "dcie": 0.8}
    sources["headline"]["dcie"] = {}
    assert contents.contradictions(**run) == [
        "cases.json: p_03: head: dcie is no measure of the table",
        "cases.json: p_03: tail: iou is missing",
        "headline.json: dcie is no measure of the table",
    ]


@pytest.mark.requirement("SRS-EVI-1")
@pytest.mark.parametrize("key", ["code", "params"])
def test_run_id_that_is_not_of_the_provenance_is_found(key):  # someone trained with other code or parameters
    run = agreeing()
    run["provenance"][STAGES.index("train")][key] = {"changed": A}
    assert [line.split(":")[0] for line in contents.contradictions(**run)] == [
        "run_id of build/train/train.json"
    ]


@pytest.mark.requirement("SRS-EVI-1")
def test_changed_record_is_found_by_every_stage_that_read_it():
    run = agreeing()
    run["files"][SPLIT] = OTHER
    assert [line.split(":")[0] for line in contents.contradictions(**run)] == [
        f"{SPLIT}, read by {name}" for name in STAGES
    ]


def test_contradiction_gives_both_values():
    run = agreeing()
    run["files"][ONNX] = OTHER
    assert contents.contradictions(**run) == [f"SHA-256 of model.onnx: found {OTHER}, expected {C}"]


@pytest.mark.requirement("SRS-SPLIT-3")
def test_test_cases_that_training_saw_are_named():
    run = agreeing()
    run["sources"]["train"]["cases"]["train"] = ["p_03", "p_01"]
    assert contents.contradictions(**run) == ["test cases that training saw: p_03"]


def example(schema, name):
    return json.loads((CASES / schema / "valid" / f"{name}.json").read_text("utf-8"))


@pytest.fixture
def made():
    """Records of a run as the stages write them: train, dataset, provenance."""
    return (
        example("train", "one_epoch"),
        example("dataset", "one_case"),
        [example("provenance", "split") | {"stage": name} for name in STAGES],
    )


def test_run_record_satisfies_its_schema(made):
    assert records.faults(contents.run_record(*made), "run") == []


def test_run_record_hashes_what_decided_each_stage(made):
    _, _, provenance = made
    assert [stage["sha256"] for stage in contents.run_record(*made)["stages"]] == [
        records.digest(record) for record in provenance
    ]


def test_hyperparameters_satisfy_their_schema(made):
    train, _, provenance = made
    assert records.faults(contents.hyperparameters(train["run_id"], provenance), "hyperparameters") == []


def test_hyperparameters_are_those_that_the_stages_recorded(made):
    train, _, provenance = copy.deepcopy(made)
    provenance[3]["params"] = {"epochs": 2}
    assert contents.hyperparameters(train["run_id"], provenance)["stages"]["train"] == {"epochs": 2}


@pytest.fixture
def folder(tmp_path):
    """A bundle under its temporary name, and a file outside it.

    Contents and hashes: FIPS 180-2, appendix B.1, and nothing.
    """
    (tmp_path / "evidence.partial").mkdir()
    (tmp_path / "evidence.partial/run.json").write_bytes(b"abc")
    (tmp_path / "evidence.partial/acceptance.json").write_bytes(b"")
    (tmp_path / "model.onnx").write_bytes(b"abc")
    return tmp_path / "evidence.partial"


ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def manifest(folder):
    return contents.manifest(
        A,
        folder,
        "evidence",
        {"run.json": "run", "acceptance.json": "acceptance"},
        {ONNX: folder.parent / "model.onnx"},
    )


@pytest.mark.requirement("SRS-EVI-4")
def test_manifest_lists_files_by_the_path_they_will_have(folder):
    assert manifest(folder)["files"] == [
        {"path": ONNX, "sha256": ABC, "bytes": 3, "schema": None, "in_bundle": False},
        {
            "path": "evidence/acceptance.json",
            "sha256": NOTHING,
            "bytes": 0,
            "schema": "acceptance",
            "in_bundle": True,
        },
        {"path": "evidence/run.json", "sha256": ABC, "bytes": 3, "schema": "run", "in_bundle": True},
    ]


def test_manifest_satisfies_its_schema(folder):
    assert records.faults(manifest(folder), "manifest") == []


@pytest.mark.requirement("SRS-EVI-4")
def test_checksums_are_sorted_by_name(folder):
    assert contents.checksums(folder) == f"{NOTHING}  acceptance.json\n{ABC}  run.json\n"


def test_evidence_needs_neither_torch_nor_images():
    paths = (ROOT / "radiotrace/evidence").rglob("[a-z]*.py")
    modules = sorted(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths)
    assert "radiotrace.evidence.verify.levels" in modules
    heavy = "{'torch', 'SimpleITK', 'matplotlib'}"
    code = f"import sys, {', '.join(modules)}; print(sorted({heavy} & sys.modules.keys()))"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        == "[]\n"
    )


@pytest.mark.requirement("SRS-EVI-3")
# two models on this part, one of them twice, one on another fold
def test_openings_of_other_test_parts_do_not_count():
    found = contents.openings(A, [opening(B), opening(B), opening(C, cases_sha256=E), opening(A)])
    assert (found["n_models"], [line["run_id"] for line in found["openings"]]) == (2, [B, B, A])
