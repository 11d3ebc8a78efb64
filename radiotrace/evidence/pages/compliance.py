"""Standards: what the bundle shows of each clause, as counts and as rows.

It never says that a product meets a standard.
"""

from radiotrace.evidence.design.compliance import FOLDER, STATUSES
from radiotrace.evidence.pages.elements import Page, Records, Row, Section, Span, facts, status_span, table


def page(records: Records) -> Page:
    """The document."""
    names = sorted(name.removesuffix(".json") for name in records.bundle if name.startswith("compliance_"))
    sections = [Section("overview", "Overview", (_overview(records, names),))]
    for name in names:
        blocks = (_about(records, name), _rows(records, name))
        sections.append(Section(name, records[name]["title"], blocks, new_page=True))
    return Page(
        "compliance",
        "Standards, clause by clause",
        "What this bundle shows of each clause. evidenced and partial: by the values that the row "
        "points at; manual: only people of an "
        "organisation can do it; gap: it could be shown and is not. Whether a standard is met is not "
        "said here.",
        sections,
        landscape=True,
    )


def _overview(records: Records, names: list[str]):
    rows = []
    for name in names:
        title = Span(records[name]["title"], f"{name}.json#/title")
        edition, numbering = records.show(name, "edition"), records.show(name, "numbering")
        counts = [records.show(name, "counts", status) for status in STATUSES]
        rows.append((title, edition, numbering, *counts, records.show(name, "n_rows")))
    return table(
        "Clauses by status.", ("standard", "edition", "numbering", *STATUSES, "rows"), rows, wide=(0,)
    )


def _about(records: Records, name: str):
    return facts(
        ("edition", records.show(name, "edition")),
        ("status of the document", records.show(name, "status")),
        ("as of", records.show(name, "as_of")),
        ("numbering of clauses", records.show(name, "numbering")),
        ("about", records.show(name, "about")),
        ("note", records.show(name, "note")),
    )


def _rows(records: Records, name: str):
    named = {clause for row in records["requirements"]["requirements"] for clause in row["clauses"]}
    rows = []
    for number, row in enumerate(records[name]["rows"]):
        status = [status_span(row["status"])] + (
            [f"claimed {row['claimed']}"] if row["claimed"] != row["status"] else []
        )
        rows.append(
            Row(
                (
                    records.tell(row["clause"], name, "rows", number),
                    row["summary"],
                    status,
                    row["note"] or "",
                    _evidence(row),
                ),
                row["id"] if row["id"] in named else "",
            )
        )
    return table(
        "",
        ("clause", "in our words", "status", "note", "what the bundle shows"),
        rows,
        wide=(3, 4),
        left_out=(4,),
    )


def _evidence(row: dict):
    """What stands behind a row: each value by its place, whether it held, and what it says."""
    return [
        (
            entry["says"] + ": ",
            Span(
                entry["found"],
                f"{entry['file'].removeprefix(FOLDER)}#{entry['pointer']}",
                "" if entry["held"] else "bad",
            ),
        )
        for entry in row["evidence"]
    ] or "nothing"
