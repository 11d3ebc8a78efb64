"""Attestations: checklists as CycloneDX 1.6, which CycloneDX's own validator accepts."""

import json
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from radiotrace import records
from radiotrace.evidence.design import compliance
from radiotrace.evidence.formats import attestations
from radiotrace.pipeline import params
from tests import submitted

ROOT = Path(__file__).resolve().parent.parent
STATUSES = {
    "1": "evidenced",
    "2": "partial",
    "3": "manual",
    "4": "not-applicable",
    "5": "gap",
    "6": "evidenced",
}


def report(prefix="example@2020"):
    """Rows of each status; row 6 claims what is not so, and is a gap."""
    rows = [
        {
            "clause": clause,
            "id": f"{prefix}:{clause}",
            "summary": f"Clause number {clause}",
            "status": status,
            "note": "A reason.",
            **(
                {
                    "evidence": [
                        {
                            "file": "evidence/split.json",
                            "pointer": "/a~1b",
                            "holds": {"at_least": int(clause)},
                            "says": "a number",
                        }
                    ]
                }
                if status in ("evidenced", "partial")
                else {}
            ),
        }
        for clause, status in STATUSES.items()
    ]
    found = {
        "id": "example",
        "prefix": prefix,
        "title": "An example",
        "edition": "2020",
        "status": "in force",
        "as_of": "2026-11-22",
        "numbering": "confirmed",
        "about": "A product.",
        "note": "A note.",
        "rows": rows,
    }
    return compliance.report(found, {"split.json": {"a/b": 2}}, {"split.json": "b" * 64})


def document(*reports):
    return attestations.document(list(reports) or [report()], run_id="c" * 64, model_sha256="d" * 64)


def mapped(clause):
    rows = document()["declarations"]["attestations"][0]["map"]
    return next(row for row in rows if row["requirement"] == f"example@2020:{clause}")


def faults(found):
    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(found))


@pytest.fixture(scope="module")
def everything():
    """The attestations of all real checklists on the committed bundle."""
    paths = sorted((submitted.folder() / "evidence").glob("*.json"))
    bundle, digests = (
        {path.name: json.loads(path.read_text("utf-8")) for path in paths},
        {path.name: records.sha256(path) for path in paths},
    )
    found = [params.load_yaml(path) for path in sorted((ROOT / "software/design/compliance").glob("*.yaml"))]
    return document(*(compliance.report(one, bundle, digests) for one in found))


def test_cyclonedx_accepts_the_attestations_of_all_checklists(everything):
    assert faults(everything) is None


def test_cyclonedx_refuses_a_key_that_it_does_not_know():  # so that its consent above means something
    found = document()
    found["declarations"]["attestations"][0]["map"][0]["conformance"]["compliant"] = True
    assert faults(found) is not None


@pytest.mark.parametrize(("clause", "score"), [("1", 1.0), ("2", 0.5), ("3", 0.0), ("5", 0.0), ("6", 0.0)])
def test_score_is_that_of_the_computed_status(clause, score):
    assert mapped(clause)["conformance"]["score"] == score


def test_what_does_not_apply_has_a_reason_and_no_score():
    assert mapped("4")["conformance"] == {"rationale": "Does not apply. A reason."}


def test_a_claim_that_does_not_hold_stands_against_its_clause():
    row = mapped("6")
    claim = next(
        one for one in document()["declarations"]["claims"] if one["bom-ref"] == "claim:example@2020:6"
    )
    assert row["counterClaims"] == ["claim:example@2020:6"]
    assert "claims" not in row
    assert "evidence" not in claim
    assert claim["counterEvidence"] == ["evidence:evidence/split.json#/a~1b?at_least=6"]


def test_a_claim_names_its_file_by_hash():
    claim = document()["declarations"]["claims"][0]
    assert claim["externalReferences"] == [
        {
            "type": "evidence",
            "url": "evidence/split.json",
            "hashes": [{"alg": "SHA-256", "content": "b" * 64}],
        }
    ]


def test_every_name_is_defined_once_and_every_reference_leads_to_one(everything):
    declared, standards = everything["declarations"], everything["definitions"]["standards"]
    parts = [
        declared["assessors"],
        declared["claims"],
        declared["evidence"],
        declared["targets"]["components"],
        standards,
    ]
    defined = [
        one["bom-ref"] for part in (*parts, *(one["requirements"] for one in standards)) for one in part
    ]
    rows = [row for one in declared["attestations"] for row in one["map"]]
    used = {row["requirement"] for row in rows} | {
        name for row in rows for side in ("claims", "counterClaims") for name in row.get(side, [])
    }
    used |= {
        name
        for one in declared["claims"]
        for side in ("evidence", "counterEvidence")
        for name in one.get(side, [])
    }
    used |= {one["target"] for one in declared["claims"]} | {
        one["assessor"] for one in declared["attestations"]
    }
    assert len(defined) == len(set(defined))
    assert used <= set(defined)


def test_two_reports_of_one_standard_are_refused():
    with pytest.raises(ValueError, match="stand twice"):
        document(report(), report())


def test_the_same_reports_give_the_same_document_without_serial_number_and_time():
    assert document() == document()
    assert not {"serialNumber", "metadata"} & set(document())
