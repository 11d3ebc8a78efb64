"""Standards: what the bundle shows of each clause, as counts and as rows.

It never says that a product meets a standard.
"""

from radiotrace.evidence.design.compliance import FOLDER, STATUSES
from radiotrace.evidence.pages.parts import Page, Records, Row, Section, Span, facts, news, table


def page(records: Records) -> Page:
    """The document."""
    names = sorted(name.removesuffix(".json") for name in records.bundle if name.startswith("compliance_"))
    return Page(
        "compliance",
        "Standards, clause by clause",
        "What this bundle shows of each clause. evidenced and partial: by the values that the row "
        "points at; manual: only people of an "
        "organisation can do it; gap: it could be shown and is not. Whether a standard is met is not "
        "said here.",
        [
            Section("overview", "Overview", (_overview(records, names),)),
            *(
                Section(
                    name, records[name]["title"], (_about(records, name), _rows(records, name)), new_page=True
                )
                for name in names
            ),
        ],
        landscape=True,
    )


def _overview(records: Records, names: list[str]):
    rows = [
        (
            Span(records[name]["title"], f"{name}.json#/title"),
            records.show(name, "edition"),
            records.show(name, "numbering"),
            *(records.show(name, "counts", status) for status in STATUSES),
            records.show(name, "n_rows"),
        )
        for name in names
    ]
    return table(
        "Clauses by status.", ("standard", "edition", "numbering", *STATUSES, "rows"), rows, wide=(0,)
    )


def _about(records: Records, name: str):
    shown = {
        "edition": "edition",
        "status of the document": "status",
        "as of": "as_of",
        "numbering of clauses": "numbering",
        "about": "about",
        "note": "note",
    }
    return facts(*((what, records.show(name, key)) for what, key in shown.items()))


def _rows(records: Records, name: str):
    named = {clause for one in records["requirements"]["requirements"] for clause in one["clauses"]}
    rows = []
    for number, one in enumerate(records[name]["rows"]):
        status = [news(one["status"])] + (
            [f"claimed {one['claimed']}"] if one["claimed"] != one["status"] else []
        )
        rows.append(
            Row(
                (
                    records.tell(one["clause"], name, "rows", number),
                    one["summary"],
                    status,
                    one["note"] or "",
                    _evidence(one),
                ),
                one["id"] if one["id"] in named else "",
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
            one["says"] + ": ",
            Span(
                one["found"],
                f"{one['file'].removeprefix(FOLDER)}#{one['pointer']}",
                "" if one["held"] else "bad",
            ),
        )
        for one in row["evidence"]
    ] or "nothing"
