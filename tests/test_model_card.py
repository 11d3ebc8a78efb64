"""The model card: every number is a reference into the bundle, every prose says what it is worth."""

import copy
import hashlib
from pathlib import Path

import pytest

from radiotrace import records
from radiotrace.evidence.design import compliance
from radiotrace.evidence.formats import model_card
from radiotrace.records import jcs
from tests import submitted

ROOT = Path(__file__).resolve().parent.parent
FILES = (
    "metrics.json",
    "split.json",
    "model.json",
    "dataset.json",
    "openings.json",
    "acceptance.json",
    "risks.json",
    "anomalies.json",
    "traceability.json",
    "checkpoints.json",
)
PROSE = ("device/about", "intended_use", "limits", "notice", "run_id")


@pytest.fixture(scope="module")
def bundle():
    """Files of the submitted bundle that the card is made from."""
    return {name: submitted.json_of(f"evidence/{name}") for name in FILES}


@pytest.fixture(scope="module")
def intended_use():
    return submitted.json_of("evidence/intended_use.json")


def made(intended_use, bundle):
    return model_card.card(
        intended_use,
        bundle,
        {name: hashlib.sha256(jcs.dumps(content)).hexdigest() for name, content in bundle.items()},
    )


def leaves(record, place=""):
    """Every value that is not inside a reference or prose, and every reference, with its place."""
    if isinstance(record, dict) and not {"file", "pointer"} <= record.keys():
        for key, value in record.items():
            yield from leaves(value, f"{place}/{key}".lstrip("/"))
    else:
        yield place, record


def test_the_card_satisfies_its_schema(intended_use, bundle):
    assert records.faults(made(intended_use, bundle), "model_card") == []


def test_everything_but_prose_is_a_reference_to_what_stands_there(intended_use, bundle):
    found = {
        place: value for place, value in leaves(made(intended_use, bundle)) if not place.startswith(PROSE)
    }
    assert len(found) > 30
    for place, reference in found.items():
        assert isinstance(reference, dict), place
        assert reference["value"] == compliance.resolve(bundle[reference["file"]], reference["pointer"]), (
            place
        )
        assert reference["sha256"] == hashlib.sha256(jcs.dumps(bundle[reference["file"]])).hexdigest(), place


def test_a_number_of_the_metrics_moves_the_card(intended_use, bundle):
    changed = copy.deepcopy(bundle)
    changed["metrics.json"]["dice"]["anterior"]["ci95_low"] = 0.5
    before, after = (
        made(intended_use, one)["performance"]["measures"]["dice"]["anterior"]["ci95_low"]
        for one in (bundle, changed)
    )
    assert (after["value"], before["value"] == after["value"], before["sha256"] == after["sha256"]) == (
        0.5,
        False,
        False,
    )


def test_every_label_has_its_interval_and_its_number_of_subjects(intended_use, bundle):
    measures = made(intended_use, bundle)["performance"]["measures"]
    table = bundle["metrics.json"]["measures"]
    assert list(measures) == [row["name"] for row in table if row["headline"]]
    assert {tuple(row) for measure in measures.values() for row in measure.values()} == {
        ("mean", "ci95_low", "ci95_high", "n_subjects")
    }
    assert set(measures["dice"]) == set(bundle["metrics.json"]["dice"])


@pytest.mark.parametrize("status", ["draft", "approved"])
def test_prose_has_the_status_that_people_gave_it(intended_use, bundle, status):
    card = made(intended_use | {"status": status}, bundle)
    assert {card["intended_use"]["status"], card["limits"]["status"], card["device"]["about"]["status"]} == {
        status
    }
    assert card["limits"]["text"]["limits"] == intended_use["limits"]


def test_what_was_not_calibrated_is_left_out_and_not_made_up(intended_use, bundle):
    changed = copy.deepcopy(bundle)
    changed["metrics.json"]["calibration"]["after"] = None
    card = made(intended_use, changed)
    assert list(card["performance"]["calibration_error"]) == ["before"]
    assert records.faults(card, "model_card") == []


def test_each_criterion_says_whether_it_was_prespecified(intended_use, bundle):
    card = made(intended_use, bundle)["requirements"]
    assert {name: row["prespecified"]["value"] for name, row in card.items()} == {
        row["requirement"]: row["prespecified"] for row in bundle["acceptance.json"]["results"]
    }


def test_a_blocked_release_and_its_open_risks_are_on_the_card(intended_use, bundle):
    changed = copy.deepcopy(bundle)
    changed["traceability.json"]["release_blocked"] = True
    changed["risks.json"]["gaps"] = [{"item": "HAZ-1", "gap": "no control"}]
    card = made(intended_use, changed)
    assert card["release_blocked"]["value"] is True
    assert card["risks"]["unacceptable_or_open"]["value"] == [{"item": "HAZ-1", "gap": "no control"}]


def test_a_value_that_is_gone_stops_the_card(intended_use, bundle):
    changed = copy.deepcopy(bundle)
    del changed["model.json"]["weights_sha256"]
    with pytest.raises(LookupError, match="weights_sha256"):
        made(intended_use, changed)
