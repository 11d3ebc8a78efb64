"""Attestations: the checklists as CycloneDX 1.6 attestations (CDXA), a form that other tools read.

A plain dict: the library that validates such documents cannot write them.

Source: CycloneDX 1.6 (ECMA-424), definitions.standards and declarations.
"""

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
    names = [report["prefix"] for report in reports]
    if len(set(names)) != len(names):
        raise ValueError(
            f"standards stand twice: {sorted({name for name in names if names.count(name) > 1})}"
        )
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
            "attestations": [
                {
                    "summary": SUMMARY.format(**report),
                    "assessor": ASSESSOR,
                    "map": [_mapped(row) for row in report["rows"]],
                }
                for report in reports
            ],
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


def _mapped(row: dict) -> dict:
    """A row of an attestation. The rationale holds why, in the words of the checklist."""
    why = " ".join(
        filter(None, [RATIONALES.get(row["status"], "Does not apply."), row["reason"], row["note"]])
    )
    mapped = {"requirement": row["id"], "conformance": {"rationale": why}}
    if row["status"] in SCORES:
        mapped["conformance"]["score"] = SCORES[row["status"]]
    if row["evidence"]:
        mapped["claims" if row["status"] in ("evidenced", "partial") else "counterClaims"] = [
            f"claim:{row['id']}"
        ]
    return mapped


def _reference(one: dict) -> str:
    """A URI reference into the bundle: file and JSON Pointer as fragment."""
    return f"{one['file']}#{quote(one['pointer'], safe='/~')}"


def _name(one: dict) -> str:
    ((kind, value),) = one["holds"].items()
    return f"evidence:{_reference(one)}?{kind}={quote(str(value), safe='')}"


def _claim(row: dict) -> dict:
    """What a row says of the run; references that hold stand behind it, those that do not stand against
    it."""
    sides = {
        side: sorted({_name(one) for one in row["evidence"] if one["held"] is held})
        for side, held in (("evidence", True), ("counterEvidence", False))
    }
    hashes = {one["file"]: one["sha256"] for one in row["evidence"] if one["sha256"]}
    return {
        "bom-ref": f"claim:{row['id']}",
        "target": TARGET,
        "predicate": row["summary"],
        "reasoning": "; ".join(dict.fromkeys(one["says"] for one in row["evidence"])),
        **{side: names for side, names in sides.items() if names},
        "externalReferences": [
            {"type": "evidence", "url": file, "hashes": [{"alg": "SHA-256", "content": digest}]}
            for file, digest in sorted(hashes.items())
        ],
    }


def _evidence(rows: list[dict]) -> list[dict]:
    """Each value that a row points at, once, sorted by name."""
    found = {_name(one): one for row in rows for one in row["evidence"]}
    return [
        {
            "bom-ref": name,
            "description": f"Found: {one['found']}. The claim {'holds' if one['held'] else 'does not hold'}.",
            "data": [{"name": f"{one['file']}#{one['pointer']}", "contents": {"url": _reference(one)}}],
        }
        for name, one in sorted(found.items())
    ]
