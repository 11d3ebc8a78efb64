"""Attestations: the checklists as CycloneDX 1.6 attestations (CDXA), a form that other tools read.

A plain dict: the library that validates such documents cannot write them.

Source: CycloneDX 1.6 (ECMA-424), definitions.standards and declarations.
"""

from collections import Counter
from urllib.parse import quote

ASSESSOR, TARGET = "assessor:project", "target:model"
# From the status that was computed, never from the one that was claimed.
SCORES = {"evidenced": 1.0, "partial": 0.5, "manual": 0.0, "gap": 0.0}
RATIONALES = {
    "evidenced": "Every reference holds.",
    "partial": "Every reference holds; they show a part of the clause.",
    "manual": "Only people of an organisation can do it; nothing is known of it here.",
    "gap": "It is not shown.",
}
SUMMARY = (
    "How much of {title}, edition {edition}, the evidence of this run shows. Scores say what a "
    "program found; nobody assessed "
    "a product, and no score is a statement of conformity."
)


def document(reports: list[dict], *, run_id: str, model_sha256: str) -> dict:
    """A CycloneDX 1.6 document that attests to each row of each checklist.

    The score of conformance comes from the computed status of a row: evidenced 1, partial 0.5, manual and gap
    0. A row that does not apply has a rationale and no score. Confidence is left out: it would be a person's.
    There is no serial number and no time, so that the same records give the same bytes.

    Args:
        reports: records 'compliance_report', each of another standard.
        run_id: of the run that the evidence is of.
        model_sha256: of the exported model.

    Raises:
        ValueError: two reports are of one standard.
    """
    prefixes = Counter(report["prefix"] for report in reports)
    if repeated := sorted(prefix for prefix, count in prefixes.items() if count > 1):
        raise ValueError(f"standards stand twice: {repeated}")
    rows = [row for report in reports for row in report["rows"]]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "definitions": {"standards": [_standard(report) for report in reports]},
        "declarations": {
            "assessors": [
                {
                    "bom-ref": ASSESSOR,
                    "thirdParty": False,
                    "organization": {"name": "Radiotrace, by its own program"},
                }
            ],
            "attestations": [_attestation(report) for report in reports],
            "claims": [_claim(row) for row in rows if row["evidence"]],
            "evidence": _evidence(rows),
            "targets": {
                "components": [
                    {
                        "type": "machine-learning-model",
                        "bom-ref": TARGET,
                        "name": "model.onnx",
                        "version": run_id,
                        "hashes": [{"alg": "SHA-256", "content": model_sha256}],
                    }
                ]
            },
        },
    }


def _standard(report: dict) -> dict:
    """The clauses with our own titles: no text of a standard is in it."""
    return {
        "bom-ref": report["prefix"],
        "name": report["title"],
        "version": report["edition"],
        "description": f"Status: {report['status']}, as of {report['as_of']}. {report['note']}",
        "requirements": [
            {"bom-ref": row["id"], "identifier": row["clause"], "title": row["summary"]}
            for row in report["rows"]
        ],
    }


def _attestation(report: dict) -> dict:
    return {
        "summary": SUMMARY.format(**report),
        "assessor": ASSESSOR,
        "map": [_mapping(row) for row in report["rows"]],
    }


def _mapping(row: dict) -> dict:
    """A row of an attestation. Its rationale is in the words of the checklist."""
    reasons = [RATIONALES.get(row["status"], "Does not apply."), row["reason"], row["note"]]
    mapping: dict = {"requirement": row["id"], "conformance": {"rationale": " ".join(filter(None, reasons))}}
    if row["status"] in SCORES:
        mapping["conformance"]["score"] = SCORES[row["status"]]
    if row["evidence"]:
        side = "claims" if row["status"] in ("evidenced", "partial") else "counterClaims"
        mapping[side] = [f"claim:{row['id']}"]
    return mapping


def _reference(entry: dict) -> str:
    """A URI reference into the bundle: file and JSON Pointer as fragment."""
    return f"{entry['file']}#{quote(entry['pointer'], safe='/~')}"


def _name(entry: dict) -> str:
    """A reference with the value that it should have, such as 'evidence:metrics.json#/n?equals=3'."""
    ((kind, value),) = entry["holds"].items()
    return f"evidence:{_reference(entry)}?{kind}={quote(str(value), safe='')}"


def _claim(row: dict) -> dict:
    """What a row claims of the run. References that hold speak for it, those that do not speak against it."""
    claim: dict = {
        "bom-ref": f"claim:{row['id']}",
        "target": TARGET,
        "predicate": row["summary"],
        "reasoning": "; ".join(dict.fromkeys(entry["says"] for entry in row["evidence"])),
    }
    for side, held in (("evidence", True), ("counterEvidence", False)):
        if names := {_name(entry) for entry in row["evidence"] if entry["held"] is held}:
            claim[side] = sorted(names)
    hashes = {entry["file"]: entry["sha256"] for entry in row["evidence"] if entry["sha256"]}
    claim["externalReferences"] = [
        {"type": "evidence", "url": file, "hashes": [{"alg": "SHA-256", "content": digest}]}
        for file, digest in sorted(hashes.items())
    ]
    return claim


def _evidence(rows: list[dict]) -> list[dict]:
    """Each value that a row points at, once, sorted by name."""
    entries = {_name(entry): entry for row in rows for entry in row["evidence"]}
    return [_evidence_item(name, entry) for name, entry in sorted(entries.items())]


def _evidence_item(name: str, entry: dict) -> dict:
    claim = "holds" if entry["held"] else "does not hold"
    return {
        "bom-ref": name,
        "description": f"Found: {entry['found']}. The claim {claim}.",
        "data": [{"name": f"{entry['file']}#{entry['pointer']}", "contents": {"url": _reference(entry)}}],
    }
