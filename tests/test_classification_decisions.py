"""What a classifier decides: calibration, thresholds and flags are of the validation part, whatever the test
part holds."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from radiotrace import records
from radiotrace.records.dataset import Column
from stages.classification import evaluate
from tests import entries

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = Path(__file__).with_name("schema_cases")
LABELS = ("clear", "shadow")
PARTS = {"train": 4, "validation": 30, "test": 40}


def params() -> dict:
    """Those with which a study of the task begins, without passes that only a network can make."""
    values = YAML(typ="safe").load((ROOT / "stages/classification/params.yaml").read_text("utf-8"))
    values["evaluate"] |= {"dropout_passes": 0, "augmentation_passes": 0, "resamples": 100}
    return values


def case_ids(part: str) -> list[str]:
    return [f"{part}_{number:02d}" for number in range(PARTS[part])]


def told(part: str, slope: float = 2.0, shift: float = 0.0) -> dict[str, list[float]]:
    """Logits of each case of a part: of shadows higher by the slope, of all higher by the shift."""
    rng = np.random.default_rng(7)
    return {
        case_id: [0.0, float(slope * (number % 2) + rng.normal(0, 1) + shift)]
        for number, case_id in enumerate(case_ids(part))
    }


def write_records(folder: Path) -> None:
    """All that evaluate reads, but for pictures and weights."""
    cases, parts = [], {}
    for part in PARTS:
        for number, case_id in enumerate(case_ids(part)):
            cases.append(entries.case(case_id, values={"class": LABELS[number % 2]}))
            parts[case_id] = {"subject_id": f"head of {case_id}", "part": part, "fold": None}
    found = entries.dataset(*cases, modality="X-ray").record()
    found["dataset"]["labels"] = {str(value): name for value, name in enumerate(LABELS)}
    found["dataset"]["columns"] = {"class": Column("target", "class").record()}
    records.write(folder / "dataset.json", found, "dataset")
    split = json.loads((EXAMPLES / "split/valid/hash.json").read_text("utf-8"))
    records.write(folder / "split.json", split | {"cases": parts}, "split")
    run = json.loads((EXAMPLES / "train_classification/valid/three_labels.json").read_text("utf-8"))
    records.write(folder / "train.json", run, "train_classification")
    (folder / "params.yaml").write_text(json.dumps(params()), "utf-8")  # JSON is YAML
    (folder / "weights").write_bytes(b"of a network that is not asked")
    (folder / "members").mkdir()


class Told:
    """Stands for a trained network, of which the logits are known."""

    labels, names = LABELS, LABELS[1:]


@pytest.fixture
def evaluated(tmp_path, monkeypatch):
    """Logits of the cases of each part -> the record of metrics, and that of cases."""
    monkeypatch.chdir(tmp_path)
    write_records(tmp_path)

    def of(validation: dict, test: dict) -> tuple[dict, list[dict]]:
        logits = validation | test

        def predicted(cases, folder, model, others, settings):
            passes = {"dropout": [], "augmentation": [], "ensemble": []}
            return [{"logits": logits[case.case_id], **passes} for case in cases]

        def monitored(cases, rows, folder, model, subjects_unknown):
            alike = {"embedding": [0.0], "features": {"input": {"mean": 1.0}, "output": {"mean": 1.0}}}
            return [{"case_id": case.case_id, "subject_id": None, **alike} for case in cases]

        monkeypatch.setattr(evaluate.TrainedClassifier, "of", lambda run, weights: Told())
        monkeypatch.setattr(evaluate.numerics, "configure", lambda numerics, threads: None)
        monkeypatch.setattr(evaluate, "predicted", predicted)
        monkeypatch.setattr(evaluate, "monitored", monitored)
        evaluate.main(arguments())
        metrics = records.read("metrics/metrics.json", "metrics_classification")
        return metrics, records.read("metrics/cases.json", "cases_classification")["cases"]

    return of


def arguments() -> argparse.Namespace:
    words = {
        "--dataset": "dataset.json",
        "--volumes": "volumes",
        "--split": "split.json",
        "--train": "train.json",
        "--weights": "weights",
        "--members": "members",
        "--openings": "openings.jsonl",
        "--out": "out",
        "--metrics": "metrics",
    }
    found = evaluate.parser.parse_args([word for pair in words.items() for word in pair])
    found.params, found.requirements = "params.yaml", ["requirements.txt"]
    return found


@pytest.mark.requirement("SRS-CLS-1")
def test_whatever_the_test_part_holds_what_is_decided_is_that_of_the_validation_part(evaluated):
    validation = told("validation")
    found, _ = evaluated(validation, told("test"))
    other, _ = evaluated(validation, told("test", slope=-3, shift=5))
    decided = found["decisions"]
    assert (decided["part"], decided["n_cases"]) == ("validation", PARTS["validation"])
    assert other["decisions"] == decided
    assert other["discrimination"] != found["discrimination"]


@pytest.mark.requirement("SRS-CLS-1")
def test_cases_of_the_test_part_are_told_by_the_threshold_of_the_validation_part(evaluated):
    found, cases = evaluated(told("validation", shift=-4), told("test"))
    chosen = found["decisions"]["operating_points"]["shadow"]
    assert chosen["n_positive"] + chosen["n_negative"] == PARTS["validation"]
    assert found["operating_points"]["shadow"]["threshold"] == chosen["threshold"]
    rows = [case["labels"]["shadow"] for case in cases]
    assert [row["called"] for row in rows] == [row["probability"] >= chosen["threshold"] for row in rows]
    # of a network that says so much less on the validation part, most of the test part is called
    assert np.mean([row["called"] for row in rows]) > 0.9
