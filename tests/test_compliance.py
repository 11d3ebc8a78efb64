"""Checklists: rows are held against the bundle, and a claim that the bundle does not bear out is a gap."""

import json
from collections import Counter
from pathlib import Path

import pytest

from radiotrace import records
from radiotrace.evidence.design import compliance
from radiotrace.pipeline import params
from tests import submitted

ROOT = Path(__file__).resolve().parent.parent
STANDARDS = {
    path.stem: params.load_yaml(path) for path in sorted((ROOT / "software/design/compliance").glob("*.yaml"))
}
BUNDLE = {
    path.name: json.loads(path.read_text("utf-8"))
    for path in sorted((submitted.folder() / "evidence").glob("*.json"))
}
DIGESTS = {name: records.sha256(submitted.folder() / "evidence" / name) for name in BUNDLE}
# Stand in the record of acceptance from the next run of the stage on.
COMING = ("/prespecified", "/multiplicity")
# RFC 6901, section 5
RFC = {
    "foo": ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
}


def reference(pointer="/leakage/0/shared_subjects", holds=None, file="evidence/split.json"):
    return {
        "file": file,
        "pointer": pointer,
        "holds": holds or {"equals": []},
        "says": "parts share no subject",
    }


def row(clause="5.1", status="evidenced", **more):
    return {
        "clause": clause,
        "id": f"example@2020:{clause}",
        "summary": "Parts share no subject",
        "status": status,
        **more,
    }


def standard(*rows):
    return {
        "id": "example",
        "prefix": "example@2020",
        "title": "An example",
        "edition": "2020",
        "status": "in force",
        "as_of": "2026-11-22",
        "numbering": "confirmed",
        "about": "A product.",
        "note": "A note.",
        "rows": list(rows),
    }


def judged(status="evidenced", subjects=(), **more):
    """The first row of a report on one reference, with what the split says of shared subjects."""
    bundle = {"split.json": {"leakage": [{"shared_subjects": list(subjects)}]}}
    return compliance.report(
        standard(row(status=status, evidence=[reference(**more)])), bundle, {"split.json": "a" * 64}
    )["rows"][0]


def keys(value):
    if isinstance(value, dict):
        return set(value) | {key for item in value.values() for key in keys(item)}
    return {key for item in value for key in keys(item)} if isinstance(value, list) else set()


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", RFC),
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/c%d", 2),
        ("/e^f", 3),
        ("/g|h", 4),
        ("/i\\j", 5),
        ('/k"l', 6),
        ("/ ", 7),
        ("/m~0n", 8),
    ],
)
def test_pointer_finds_what_the_rfc_says(pointer, value):
    assert compliance.resolve(RFC, pointer) == value


@pytest.mark.parametrize(
    "pointer", ["/foo/2", "/foo/-", "/foo/00", "/foo/-1", "/foo/٠", "/foo/0/0", "/bar", "/a/b"]
)
def test_pointer_to_nothing_is_refused(pointer):
    with pytest.raises(LookupError):
        compliance.resolve(RFC, pointer)


@pytest.mark.parametrize("pointer", ["foo", "/m~n", "/m~2n", "#/foo"])
def test_what_is_no_pointer_is_refused(pointer):
    with pytest.raises(ValueError, match="no JSON Pointer"):
        compliance.resolve(RFC, pointer)


@pytest.mark.parametrize(
    ("predicate", "yes", "no"),
    [
        ({"exists": True}, [0, False, "", []], [None]),
        ({"equals": False}, [False], [0, None, True]),
        ({"equals": 1}, [1, 1.0], [True, "1"]),
        ({"equals": []}, [[]], [["x"], {}, None]),
        ({"at_least": 2}, [2, 2.5], [1.9, True, "3", None]),
        ({"non_empty": True}, [[0], {"a": 1}, "x"], [[], {}, "", 1, None]),
        (
            {"each": {"a": True}},
            [[{"a": True}], {"x": {"a": True, "b": 1}}],
            [[], {}, None, "a", [{"a": True}, {"a": 1}], {"x": {"b": True}}, [1]],
        ),
    ],
)
def test_predicate_holds_of_these_values_and_not_of_those(predicate, yes, no):
    assert [compliance.holds(predicate, value) for value in yes] == [True] * len(yes)
    assert [compliance.holds(predicate, value) for value in no] == [False] * len(no)


def test_an_unknown_predicate_is_refused():
    with pytest.raises(ValueError, match="unknown predicate"):
        compliance.holds({"at_most": 2}, 1)


def test_a_row_whose_reference_holds_is_evidenced_with_the_hash_of_its_file():
    found = judged()
    assert (found["status"], found["reason"]) == ("evidenced", None)
    assert found["evidence"] == [{**reference(), "held": True, "found": "0 entries", "sha256": "a" * 64}]


@pytest.mark.parametrize("status", ["evidenced", "partial"])
def test_a_false_predicate_makes_a_gap_that_says_what_was_found(status):
    found = judged(status, subjects=["s1", "s2"])
    assert (found["claimed"], found["status"]) == (status, "gap")
    assert (
        found["reason"]
        == f"claimed {status}; evidence/split.json#/leakage/0/shared_subjects: found 2 entries, expected "
        f"equals 0 entries"
    )


def test_entries_that_are_not_as_each_should_be_are_named():
    row_of_all = row(evidence=[reference(pointer="/needs", holds={"each": {"status": "verified"}})])
    needs = {"UN-1": {"status": "verified"}, "UN-2": {"status": "stale"}, "UN-3": {}}
    found = compliance.report(
        standard(row_of_all), {"split.json": {"needs": needs}}, {"split.json": "a" * 64}
    )
    assert found["rows"][0]["reason"] == (
        "claimed evidenced; evidence/split.json#/needs: found 3 keys; not of UN-2, UN-3, expected of each "
        "entry status verified"
    )


def test_a_missing_file_makes_a_gap_without_a_hash():
    found = judged(file="evidence/risks.json", pointer="/hazards", holds={"non_empty": True})
    assert (found["status"], found["evidence"][0]["sha256"]) == ("gap", None)
    assert (
        found["reason"]
        == "claimed evidenced; evidence/risks.json#/hazards: found no such file in the bundle, expected "
        "something in it"
    )


def test_a_pointer_to_nothing_makes_a_gap():
    assert judged(pointer="/leakage/1")["reason"].startswith(
        "claimed evidenced; evidence/split.json#/leakage/1: found nothing at this pointer"
    )


def test_one_reference_that_does_not_hold_outweighs_those_that_do():
    rows = row(evidence=[reference(), reference(pointer="/seed", holds={"at_least": 1})])
    found = compliance.report(
        standard(rows),
        {"split.json": {"leakage": [{"shared_subjects": []}], "seed": 0}},
        {"split.json": "a" * 64},
    )
    assert found["counts"]["gap"] == 1
    assert [one["held"] for one in found["rows"][0]["evidence"]] == [True, False]


def test_what_people_must_see_to_stays_as_they_said():
    rows = [
        row(str(number), status, note="Somebody must.")
        for number, status in enumerate(["manual", "not-applicable", "gap"])
    ]
    assert [found["status"] for found in compliance.report(standard(*rows), {}, {})["rows"]] == [
        "manual",
        "not-applicable",
        "gap",
    ]


def test_a_long_value_is_named_by_its_length():
    split = {"leakage": [{"shared_subjects": "x" * 65}]}
    found = compliance.report(
        standard(row(evidence=[reference()])), {"split.json": split}, {"split.json": "a" * 64}
    )
    assert found["rows"][0]["evidence"][0]["found"] == "text of 65 characters"


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([row(status="manual", note="x"), row(status="gap", note="x")], "5.1: stands 2 times, expected once"),
        (
            [row(status="gap", note="x") | {"id": "example@2019:5.1"}],
            "5.1: found id example@2019:5.1, expected example@2020:5.1",
        ),
        ([row()], "5.1: evidenced without evidence"),
        (
            [row(evidence=[reference(file="evidence/manifest.json")])],
            "5.1: evidence/manifest.json is no file that a row may point at",
        ),
        (
            [row(evidence=[reference(), reference(holds={"exists": True})])],
            "5.1: evidence/split.json#/leakage/0/shared_subjects stands twice",
        ),
    ],
)
def test_a_fault_of_a_checklist_is_named(rows, fault):
    assert compliance.faults(standard(*rows)) == [fault]


def test_a_prefix_of_another_edition_is_a_fault():
    assert compliance.faults(standard(row(status="gap", note="x")) | {"edition": "2021"}) == [
        "prefix: found edition 2020, expected 2021"
    ]


@pytest.mark.parametrize("name", STANDARDS)
def test_checklist_has_no_fault(name):
    assert records.faults(STANDARDS[name], "compliance") + compliance.faults(STANDARDS[name]) == []
    assert STANDARDS[name]["id"] == name


@pytest.mark.parametrize("name", STANDARDS)
def test_every_pointer_into_a_file_of_the_bundle_leads_somewhere(name):
    lost = []
    for one in (
        one
        for row in STANDARDS[name]["rows"]
        for one in row.get("evidence", [])
        if not one["pointer"].endswith(COMING)
    ):
        document = BUNDLE.get(one["file"].removeprefix("evidence/"))
        try:
            compliance.resolve(document, one["pointer"])
        except LookupError:
            lost += [f"{one['file']}#{one['pointer']}"] * (document is not None)
    assert lost == []


@pytest.mark.parametrize("name", STANDARDS)
def test_report_of_the_bundle_keeps_its_schema_and_counts_every_row(name):
    report = compliance.report(STANDARDS[name], BUNDLE, DIGESTS)
    assert records.faults(json.loads(records.dumps(report)), "compliance_report") == []
    assert (
        sum(report["counts"].values())
        == sum(report["claimed"].values())
        == report["n_rows"]
        == len(STANDARDS[name]["rows"])
    )
    assert Counter(row["status"] for row in report["rows"]) == {
        status: n for status, n in report["counts"].items() if n
    }


@pytest.mark.parametrize("name", STANDARDS)
def test_an_empty_bundle_evidences_nothing(name):
    counts = compliance.report(STANDARDS[name], {}, {})["counts"]
    assert (counts["evidenced"], counts["partial"]) == (0, 0)


def test_no_file_has_a_flag_that_says_compliant():
    schemas = [
        json.loads((records.SCHEMAS / f"{name}.schema.json").read_text("utf-8"))
        for name in ("compliance", "compliance_report")
    ]
    reports = [compliance.report(found, BUNDLE, DIGESTS) for found in STANDARDS.values()]
    assert not [
        key
        for key in keys([*STANDARDS.values(), *schemas, *reports])
        if "compliant" in key.lower() or "conform" in key.lower()
    ]


@pytest.mark.parametrize("name", STANDARDS)
def test_wording_is_ours_and_short(name):  # a clause of a standard has more words
    texts = [row["summary"] for row in STANDARDS[name]["rows"]] + [
        one["says"] for row in STANDARDS[name]["rows"] for one in row.get("evidence", [])
    ]
    assert [text for text in texts if len(text.split()) > 15] == []


@pytest.mark.parametrize(
    ("name", "starts"),
    [  # how many clauses the document has under each heading
        (
            "iec62304",
            {
                "5.1.": 12,
                "5.2.": 6,
                "5.3.": 6,
                "5.4.": 4,
                "5.5.": 5,
                "5.6.": 8,
                "5.7.": 5,
                "5.8.": 8,
                "6.2.1.": 3,
                "7.1.": 4,
                "7.2.": 2,
                "7.3.": 2,
                "7.4.": 3,
                "8.1.": 3,
                "8.2.": 4,
                "9.": 8,
            },
        ),
        ("iso14971", {"4.": 5, "5.": 5, "7.": 6, "10.": 4}),
        ("iso13485_7_3", {"7.3.2(": 6, "7.3.3(": 5, "7.3.4(": 4}),
        ("iec81001_5_1", {"4.1.": 9, "5.7.": 5, "5.8.": 7, "9.": 5}),
        ("eu_mdr_gspr17", {"17.": 4}),
        ("eu_ai_act_annex_iv", {"1(": 8, "2(": 8, "": 23}),
        ("cfr21_part11", {"11.10(": 11, "11.50(": 4, "11.100(": 3, "11.200(": 4, "11.300(": 5}),
        ("gmlp", {"": 10}),
        ("claim2024", {"": 44}),
        ("tripod_ai", {"": 52, "12": 7, "18": 6}),
        (
            "future_ai",
            {
                "Fairness": 3,
                "Universality": 4,
                "Traceability": 6,
                "Usability": 5,
                "Robustness": 3,
                "Explainability": 2,
                "General": 7,
            },
        ),
    ],
)
def test_checklist_has_as_many_rows_as_the_document_has_clauses(name, starts):
    clauses = [row["clause"] for row in STANDARDS[name]["rows"]]
    assert {start: sum(clause.startswith(start) for clause in clauses) for start in starts} == starts


def test_every_section_of_the_fda_draft_from_v_on_has_rows():  # items in a section have no numbers there
    sections = {row["clause"].partition("/")[0] for row in STANDARDS["fda_aidsf"]["rows"]}
    assert sections == {
        "IV.A",
        "V",
        "VI.A",
        "VI.B",
        "VII",
        "VIII",
        "IX",
        "X.A",
        "XI",
        "XII",
        "XIII",
        "App.C",
        "App.D",
        "App.E",
    }


def test_there_is_a_checklist_of_each_of_twelve_documents():
    assert len(STANDARDS) == 12


@pytest.mark.parametrize(
    ("name", "clauses"),
    [
        ("claim2024", ["1", "2", "3", "40", "41", "44"]),
        ("tripod_ai", ["1", "2", "3a", "17", "18a", "25"]),
        ("iso14971", ["4.1", "7.4", "8", "9"]),
        ("iso13485_7_3", ["7.3.1", "7.3.5", "7.3.7"]),
    ],
)
def test_what_only_people_can_do_is_left_to_them(name, clauses):
    assert {row["status"] for row in STANDARDS[name]["rows"] if row["clause"] in clauses} == {"manual"}
