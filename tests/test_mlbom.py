"""The bill of the model: what it says of file, data and measurements is what the records say, and
CycloneDX's own validator takes it."""

import copy
import json

import pytest

from radiotrace import records
from radiotrace.evidence.formats import mlbom
from radiotrace.pipeline import tasks
from radiotrace.records import measure_table
from tests import bills, submitted

CASES = bills.ROOT / "tests/schema_cases"
REAL = {
    name: submitted.json_of(f"evidence/{name}.json")
    for name in ("model", "dataset", "metrics", "split", "intended_use")
} | {"approach": tasks.declared("segmentation").approach}


def bill(runtime, intended_use, approach, **run):
    return mlbom.mlbom(mlbom.RunRecords(**run), runtime, intended_use, approach)


def example(**changes):
    """Of the examples of the schemas, where values are few, and some are undefined."""
    metrics = json.loads((CASES / "metrics/valid/dice_undefined.json").read_text("utf-8"))
    return bill(bills.phantom(), **REAL | {"metrics": metrics} | changes)


def card(document):
    return document["metadata"]["component"]["modelCard"]


def rows(document):
    return card(document)["quantitativeAnalysis"]["performanceMetrics"]


@pytest.fixture(scope="module")
def real():
    return bill(bills.runtime(), **REAL)


def test_bill_of_the_submitted_model_is_strict_cyclonedx_1_6(real):
    assert bills.refusal(real) == ""


def test_bill_with_undefined_values_is_strict_cyclonedx_1_6():
    assert bills.refusal(example()) == ""


def test_the_validator_refuses_a_key_in_the_model_card(real):  # the check itself
    broken = copy.deepcopy(real)
    card(broken)["bogus"] = 1
    assert "bogus" in bills.refusal(broken)


def test_model_file_and_data_set_stand_with_their_hashes(real):
    assert real["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": REAL["model"]["sha256"]}]
    data = real["components"][0]
    assert bills.values(data, "radiotrace:root_sha256") == [REAL["dataset"]["dataset"]["root_sha256"]]
    assert card(real)["modelParameters"]["datasets"] == [{"ref": data["bom-ref"]}]
    assert "hashes" not in data  # a root over many files is no hash of a file


def test_parts_are_counted(real):
    counts = {row["name"]: row["value"] for row in real["components"][0]["data"][0]["contents"]["properties"]}
    assert counts["radiotrace:subjects_test"] == str(REAL["split"]["counts"]["test"]["subjects"])


def test_dice_of_a_label_stands_with_its_interval_and_counts(real):
    summary = REAL["metrics"]["dice"]["anterior"]
    row = next(row for row in rows(real) if row["type"] == "mean dice" and "label anterior" in row["slice"])
    assert float(row["value"]) == summary["mean"]
    assert {bound: float(text) for bound, text in row["confidenceInterval"].items()} == {
        "lowerBound": summary["ci95_low"],
        "upperBound": summary["ci95_high"],
    }
    assert (
        row["slice"]
        == f"test part, label anterior; {summary['n_cases']} cases of {summary['n_subjects']} subjects, "
        f"undefined in 0"
    )


def test_every_group_stands_and_small_ones_say_so(real):
    groups = {
        (attribute, group): row
        for attribute, found in REAL["metrics"]["subgroups"].items()
        for group, row in found.items()
    }
    for (attribute, group), summary in groups.items():
        row = next(row for row in rows(real) if f"{attribute} is {group}, mean of labels" in row["slice"])
        assert row["value"] == f"{summary['mean']:.9g}"
        assert ("too few to judge" in row["slice"]) is summary["insufficient_n"]
    assert any(row["insufficient_n"] for row in groups.values())


def test_undefined_is_a_word_and_not_left_out():
    found = example()
    metrics = json.loads((CASES / "metrics/valid/dice_undefined.json").read_text("utf-8"))
    summaries = [row for name in measure_table.read(metrics) for row in metrics[name].values()]
    undefined = sum(row["mean"] is None for row in summaries)
    assert undefined
    assert (
        sum(
            row["value"] == "undefined"
            for row in rows(found)
            if row["type"].startswith("mean") and " is " not in row["slice"]
        )
        == undefined
    )
    assert metrics["calibration"]["after"] is None
    assert [row["value"] for row in rows(found) if "after temperature scaling" in row["slice"]] == [
        "undefined",
        "undefined",
    ]


def test_it_says_which_bill_of_software_it_stands_on(real):
    assert (
        real["externalReferences"][0]["url"]
        == f"urn:cdx:{bills.runtime()['serialNumber'].removeprefix('urn:uuid:')}/1"
    )


def test_what_people_wrote_stands_before_what_the_records_say():
    written = REAL["intended_use"] | {
        "users": [{"who": "Reader", "does": "Looks.", "must_know": "How."}],
        "must_not_be_used": ["On children."],
        "limits": ["One hospital."],
    }
    found = card(example(intended_use=written))
    assert found["considerations"]["users"] == ["Reader: Looks."]
    assert found["considerations"]["technicalLimitations"][:3] == [
        "On children.",
        "One hospital.",
        REAL["model"]["notice"],
    ]
    assert {"name": "radiotrace:status_of_considerations", "value": "draft"} in found["properties"]


@pytest.mark.parametrize(
    ("written", "spelt"),
    [
        ("CC-BY-SA 4.0", {"id": "CC-BY-SA-4.0"}),
        ("our own terms", {"name": "our own terms"}),
        (None, {"name": "unknown"}),
    ],
)
def test_licence_of_the_data_is_spdx_or_as_written_or_unknown(written, spelt):
    dataset = {"dataset": REAL["dataset"]["dataset"] | {"licence": written}}
    assert example(dataset=dataset)["components"][0]["licenses"] == [
        {"license": spelt | {"acknowledgement": "declared"}}
    ]


def test_two_bills_of_one_run_are_the_same_bytes_whatever_the_order_of_keys():
    backwards = {
        name: json.loads(json.dumps(record), object_pairs_hook=lambda pairs: dict(pairs[::-1]))
        for name, record in REAL.items()
    }
    assert records.dumps(bill(bills.phantom(), **backwards)) == records.dumps(bill(bills.phantom(), **REAL))
