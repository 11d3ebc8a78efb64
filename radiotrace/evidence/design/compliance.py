"""Checklists of standards: what people claim in compliance/*.yaml of the software or of a study, held
against the files of the bundle.

A row says which clause of a standard is shown by which value of which record. It never says that a product
meets a standard.
"""

from collections import Counter
from collections.abc import Iterable

STATUSES = ("evidenced", "partial", "manual", "not-applicable", "gap")
FOLDER = "evidence/"
# What a row may point at: the files that are complete before the checklists are judged. manifest.json,
# index.json, the provenance and the crate hash the checklists themselves, so none of these can stand behind a
# row.
FILES = frozenset(
    FOLDER + name
    for name in (
        "acceptance.json",
        "accepted.json",
        "anomalies.json",
        "cases.json",
        "checkpoints.json",
        "dataset.croissant.json",
        "dataset.json",
        "epochs.json",
        "explain.json",
        "findings.json",
        "headline.json",
        "hyperparameters.json",
        "intended_use.json",
        "metrics.json",
        "mlbom.cdx.json",
        "model.json",
        "model_card.json",
        "negative_controls.json",
        "openings.json",
        "pccp.json",
        "requirements.json",
        "risks.json",
        "robustness.json",
        "run.json",
        "sbom.build.cdx.json",
        "sbom.runtime.cdx.json",
        "soup.json",
        "split.json",
        "statistical_plan.json",
        "tests.json",
        "traceability.json",
        "vex.json",
    )
)
SHORT = 64  # characters of a value that are shown as they are: a SHA-256 is


def resolve(document, pointer: str):
    """The value that a JSON Pointer names in a document.

    Strict: no leading zeros in an index, no index '-', no escape but ~0 and ~1, no walk into a number or a
    text.

    Raises:
        LookupError: nothing stands there.
        ValueError: this is no JSON Pointer.

    Source: RFC 6901.
    """
    if pointer and not pointer.startswith("/"):
        raise ValueError(f"{pointer!r} is no JSON Pointer: it does not start with /")
    for token in pointer.split("/")[1:]:
        if "~" in token.replace("~0", "").replace("~1", ""):
            raise ValueError(f"{pointer!r} is no JSON Pointer: ~ stands without 0 or 1")
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict) and key in document:
            document = document[key]
        elif (
            isinstance(document, list)
            and key.isascii()
            and key.isdigit()
            and str(int(key)) == key
            and int(key) < len(document)
        ):
            document = document[int(key)]
        else:
            raise LookupError(f"nothing at {pointer}")
    return document


def holds(predicate: dict, value) -> bool:
    """Whether a value is what a row says of it. null exists nowhere; true is not 1; a number is at least
    another only if it is a number.

    Args:
        predicate: one of {"exists": True}, {"equals": scalar or []}, {"at_least": number}, {"non_empty":
            True}, {"each": {key: scalar}}: the value has entries, and each of them has these values.
    """
    ((kind, expected),) = predicate.items()
    if kind == "exists":
        return value is not None
    if kind == "equals":
        return isinstance(value, bool) == isinstance(expected, bool) and value == expected
    if kind == "at_least":
        return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= expected
    if kind == "non_empty":
        return isinstance(value, (dict, list, str)) and len(value) > 0
    if kind == "each":
        return isinstance(value, (dict, list)) and len(value) > 0 and not _exceptions(expected, value)
    raise ValueError(f"unknown predicate {kind}")


def _exceptions(expected: dict, entries_of: dict | list) -> list[str]:
    """Which entries of a list or mapping lack a value that each should have: keys, or places from 0."""
    entries = dict(enumerate(entries_of)) if isinstance(entries_of, list) else entries_of
    return [str(name) for name, entry in entries.items() if not _has_all(expected, entry)]


def _has_all(expected: dict, entry) -> bool:
    if not isinstance(entry, dict):
        return False
    return all(holds({"equals": wanted}, entry.get(key)) for key, wanted in expected.items())


def _finding(predicate: dict, value) -> str:
    """What stands behind a reference, in words: the value, or which entries are the exceptions."""
    expected = predicate.get("each")
    if expected is None or not isinstance(value, (dict, list)):
        return _short(value)
    exceptions = _exceptions(expected, value)
    return f"{_short(value)}; not of {', '.join(exceptions)}" if exceptions else _short(value)


def _short(value) -> str:
    """A value in at most 64 characters: itself, or its kind and size."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return f"{len(value)} {'keys' if isinstance(value, dict) else 'entries'}"
    text = str(value)
    return text if len(text) <= SHORT else f"text of {len(text)} characters"


def _judged(reference: dict, bundle: dict, digests: dict) -> dict:
    """A reference with what stands behind it, and the SHA-256 of its file (null where that is missing)."""
    name = reference["file"].removeprefix(FOLDER)
    held, finding = False, "no such file in the bundle"
    if name in bundle:
        try:
            value = resolve(bundle[name], reference["pointer"])
            held, finding = holds(reference["holds"], value), _finding(reference["holds"], value)
        except LookupError:
            finding = "nothing at this pointer"
    return {**reference, "held": held, "found": finding, "sha256": digests[name] if name in bundle else None}


def _expected(predicate: dict) -> str:
    """What a reference should lead to, in words."""
    ((kind, value),) = predicate.items()
    if kind == "each":
        return "of each entry " + ", ".join(f"{key} {_short(wanted)}" for key, wanted in value.items())
    if kind == "exists":
        return "a value"
    if kind == "non_empty":
        return "something in it"
    return f"{kind.replace('_', ' ')} {_short(value)}"


def _row(row: dict, bundle: dict, digests: dict) -> dict:
    """A row of the checklist, judged.

    A single reference that does not hold makes it a gap, whatever the others show.
    """
    evidence = [_judged(reference, bundle, digests) for reference in row.get("evidence", [])]
    broken = []
    for judged in evidence:
        if not judged["held"]:
            place, expected = f"{judged['file']}#{judged['pointer']}", _expected(judged["holds"])
            broken.append(f"{place}: found {judged['found']}, expected {expected}")
    return {
        **{key: row[key] for key in ("clause", "id", "summary")},
        "claimed": row["status"],
        "status": "gap" if broken else row["status"],
        "reason": f"claimed {row['status']}; " + "; ".join(broken) if broken else None,
        "note": row.get("note"),
        "evidence": evidence,
    }


def report(standard: dict, bundle: dict[str, dict], digests: dict[str, str]) -> dict:
    """The record 'compliance_report': each row of a checklist with what the bundle shows of it, and how many
    rows have which status.

    A row claimed 'evidenced' or 'partial' becomes 'gap' where a file is missing, a pointer leads nowhere or a
    value is another. Rows that people must see to ('manual', 'gap', 'not-applicable') stay as they are, with
    their note.

    Args:
        standard: a checklist as in compliance/*.yaml, without faults.
        bundle: file name, without folder -> parsed JSON.
        digests: file name, without folder -> SHA-256; of every file in the bundle.
    """
    rows = [_row(row, bundle, digests) for row in standard["rows"]]
    return {
        **{key: standard[key] for key in standard if key != "rows"},
        "n_rows": len(rows),
        "rows": rows,
        "counts": _counts(row["status"] for row in rows),
        "claimed": _counts(row["claimed"] for row in rows),
    }


def _counts(statuses: Iterable[str]) -> dict[str, int]:
    times = Counter(statuses)
    return {status: times[status] for status in STATUSES}


def faults(standard: dict) -> list[str]:
    """What the schema of a checklist cannot see; [] when all is well.

    Duplicate clauses, ids of another clause or edition, references that are missing, to unknown files, or
    twice in a row.
    """
    times = Counter(row["clause"] for row in standard["rows"])
    broken = [f"{clause}: stands {n} times, expected once" for clause, n in sorted(times.items()) if n > 1]
    if (edition := standard["prefix"].rpartition("@")[2]) != standard["edition"]:
        broken.append(f"prefix: found edition {edition}, expected {standard['edition']}")
    for row in standard["rows"]:
        broken += [f"{row['clause']}: {fault}" for fault in _faults_of_row(row, standard["prefix"])]
    return broken


def _faults_of_row(row: dict, prefix: str) -> list[str]:
    broken, evidence = [], row.get("evidence", [])
    if row["id"] != (expected := f"{prefix}:{row['clause']}"):
        broken.append(f"found id {row['id']}, expected {expected}")
    if row["status"] in ("evidenced", "partial") and not evidence:
        broken.append(f"{row['status']} without evidence")
    files = [reference["file"] for reference in evidence]
    broken += [f"{file} is no file that a row may point at" for file in files if file not in FILES]
    places = Counter((reference["file"], reference["pointer"]) for reference in evidence)
    twice = sorted(place for place, times in places.items() if times > 1)
    return broken + [f"{file}#{pointer} stands twice" for file, pointer in twice]
