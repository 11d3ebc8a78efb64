"""Vulnerabilities: what nobody looked up is not-assessed, and nothing becomes 'not affected' by silence."""

import json

import pytest

from radiotrace import records
from radiotrace.evidence.formats import vex
from tests import bills

ASSESSED = {
    "date": "2026-11-20",
    "source": "a database",
    "components": ["one"],
    "found": [
        {"id": "CVE-2026-0001", "component": "one", "state": "in_triage", "detail": "Not looked into yet."}
    ],
}


def statuses(document):
    return {one["name"]: bills.values(one, vex.STATUS)[0] for one in document["components"]}


@pytest.mark.parametrize("bill", [bills.runtime, bills.build], ids=["runtime", "build"])
def test_without_a_look_up_every_component_stands_as_not_assessed(bill):
    found = vex.vex(bill())
    assert statuses(found) == {one["name"]: "not-assessed" for one in bill()["components"]}
    assert bills.values(found["metadata"], vex.STATUS) == ["not-assessed"]
    assert found["vulnerabilities"] == []
    assert bills.refusal(found) == ""


def test_without_a_look_up_no_word_says_that_there_is_nothing():
    text = json.dumps(vex.vex(bills.runtime()))
    assert not [word for word in ("not_affected", "false_positive", "resolved", "none found") if word in text]
    assert vex.vex(bills.runtime())["compositions"] == [{"aggregate": "unknown", "vulnerabilities": []}]


def test_it_says_which_bill_it_is_about():
    bill = bills.phantom()
    assert (
        vex.vex(bill)["externalReferences"][0]["url"]
        == f"urn:cdx:{bill['serialNumber'].removeprefix('urn:uuid:')}/1"
    )


def test_a_look_up_says_day_and_source_and_leaves_the_others_not_assessed():
    found = vex.vex(bills.phantom(), ASSESSED)
    assert statuses(found) == {"one": "assessed 2026-11-20 in a database", "two": "not-assessed"}
    assert found["vulnerabilities"][0]["affects"] == [{"ref": "pkg:pypi/one@1.0"}]
    assert bills.refusal(found) == ""


def test_a_state_that_cyclonedx_does_not_know_is_refused_by_its_validator():
    assert bills.refusal(
        vex.vex(bills.phantom(), ASSESSED | {"found": [ASSESSED["found"][0] | {"state": "fine"}]})
    )


@pytest.mark.parametrize(
    "changes",
    [{"components": ["one", "three"]}, {"components": ["two"]}],
    ids=["not in the bill", "not looked up"],
)
def test_a_look_up_of_something_else_is_refused(changes):
    with pytest.raises(ValueError, match="not in the bill, or not looked up"):
        vex.vex(bills.phantom(), ASSESSED | changes)


def test_order_of_findings_changes_no_byte():
    second = ASSESSED["found"][0] | {"id": "CVE-2025-0001"}
    one, other = (
        vex.vex(bills.phantom(), ASSESSED | {"found": rows})
        for rows in ([ASSESSED["found"][0], second], [second, ASSESSED["found"][0]])
    )
    assert records.dumps(one) == records.dumps(other)
