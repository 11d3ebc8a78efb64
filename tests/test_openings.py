"""openings: lines are added, never for the same run twice, and a broken ledger is refused."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.evidence.verify import derived
from radiotrace.pipeline import openings, tasks
from radiotrace.records import ledgers
from radiotrace.segmentation.verification.rederive import OPENED

CASES = Path(__file__).resolve().parent / "schema_cases"

A, B, C = "a" * 64, "b" * 64, "c" * 64


@pytest.fixture
def ledger(tmp_path):
    return tmp_path / "openings.jsonl"


def add(ledger, run_id=A, weights_sha256=C, stage="evaluate", case_ids=("p_02", "p_01"), metrics_sha256=B):
    return openings.add(ledger, run_id, weights_sha256, stage, list(case_ids), metrics_sha256, "accuracy")


def test_without_a_file_nothing_was_opened(ledger):
    assert openings.read(ledger) == []


def test_an_opening_is_a_line(ledger):
    assert add(ledger)
    assert {
        key: openings.read(ledger)[0][key]
        for key in ("run_id", "stage", "n_cases", "metrics_sha256", "what_for")
    } == {"run_id": A, "stage": "evaluate", "n_cases": 2, "metrics_sha256": B, "what_for": "accuracy"}


@pytest.mark.requirement("SRS-EVI-3")
def test_a_run_that_is_repeated_adds_nothing(ledger):
    add(ledger)
    before = ledger.read_bytes()
    assert not add(ledger, metrics_sha256=A)
    assert ledger.read_bytes() == before


@pytest.mark.requirement("SRS-EVI-3")
@pytest.mark.parametrize(
    "other",
    [{"run_id": B}, {"stage": "robustness"}, {"weights_sha256": A}],
    ids=["another run", "another stage", "other weights of the run"],
)
def test_another_opening_is_added_behind(ledger, other):
    add(ledger)
    before = ledger.read_text()
    assert add(ledger, **other)
    assert ledger.read_text().startswith(before)
    assert len(openings.read(ledger)) == 2


@pytest.mark.requirement("SRS-EVI-3")
def test_a_run_that_gave_other_weights_is_another_model(ledger):
    """On a processor without bf16 the same run_id has other weights."""
    add(ledger)
    add(ledger, stage="robustness")
    add(ledger, weights_sha256=A)
    assert ledgers.n_models(openings.read(ledger)) == 2


def test_a_line_from_before_weights_were_kept_vouches_for_no_weights(ledger):
    add(ledger)
    line = json.loads(ledger.read_text())
    line.pop("weights_sha256")
    ledger.write_text(json.dumps(line) + "\n")
    assert add(ledger)


def test_the_cases_are_known_in_any_order(ledger):
    add(ledger)
    add(ledger, run_id=B, case_ids=("p_01", "p_02"))
    add(ledger, run_id="c" * 64, case_ids=("p_01", "p_03"))
    one, same, other = (line["cases_sha256"] for line in openings.read(ledger))
    assert one == same != other


@pytest.mark.requirement("SRS-EVI-3")
def test_every_broken_line_is_named(ledger):
    add(ledger)
    line = json.loads(ledger.read_text())
    ledger.write_text(
        "\n".join([json.dumps(line), "{", json.dumps(line | {"n_cases": 0}), json.dumps(line)]) + "\n"
    )
    with pytest.raises(StageError) as caught:
        openings.read(ledger)
    assert [fault.split(":")[0] for fault in caught.value.findings] == ["line 2", "line 3"]


def test_nothing_is_added_to_a_broken_ledger(ledger):
    ledger.write_text("{\n")
    with pytest.raises(StageError, match="is broken"):
        add(ledger)
    assert ledger.read_text() == "{\n"


def test_what_is_no_opening_is_refused(ledger):
    with pytest.raises(ValueError, match="metrics_sha256"):
        add(ledger, metrics_sha256="unknown")
    assert not ledger.exists()


class Sources(dict):
    """What the check on the ledger takes of a clone."""

    def __init__(self, root: Path, **records_by_name):
        super().__init__(records_by_name)
        self.clone, self.train = SimpleNamespace(root=root), {"run_id": "a" * 64, "weights_sha256": "b" * 64}
        self.task = tasks.declared("segmentation")


@pytest.mark.parametrize(("mean", "expected"), [(1.0, 0), (0.5, 1)])
# a bundle writes 1 for 1.0
def test_a_record_with_whole_numbers_is_the_one_that_was_counted(tmp_path, mean, expected):
    record = json.loads((CASES / "metrics/valid/all_defined.json").read_text("utf-8"))
    record["dice"]["mean_of_labels"]["mean"] = 1.0
    line = {
        "stage": "evaluate",
        "run_id": "a" * 64,
        "weights_sha256": "b" * 64,
        "metrics_sha256": records.digest(record),
    }
    record["dice"]["mean_of_labels"]["mean"] = mean
    (tmp_path / "metrics").mkdir()
    records.write(tmp_path / "metrics/metrics.json", record, "metrics")
    record["dice"]["mean_of_labels"]["mean"] = 1
    told = derived.again(Sources(tmp_path, openings={"openings": [line]}, metrics=record), OPENED)
    assert [text.split(" is not")[0] for text in told] == ["metrics.json"] * expected


def test_a_record_that_is_not_here_was_not_looked_at_and_that_is_said(tmp_path):
    found = derived.told(Sources(tmp_path, openings={"openings": []}), OPENED)
    assert [text.split(" is not")[0] for text in found.skipped] == list(OPENED.values())


def test_a_record_that_cannot_be_read_hides_no_other(tmp_path):
    (tmp_path / "metrics").mkdir()
    for name in ("metrics", "robustness"):
        (tmp_path / f"metrics/{name}.json").write_text("{")
    lines = [
        {"stage": stage, "run_id": "a" * 64, "weights_sha256": "b" * 64, "metrics_sha256": C}
        for stage in ("evaluate", "robustness")
    ]
    told = derived.again(Sources(tmp_path, openings={"openings": lines}), OPENED)
    assert [text.split(" is not")[0] for text in told] == ["metrics.json", "robustness.json"]
