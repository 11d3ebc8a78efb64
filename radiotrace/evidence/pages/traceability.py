"""The traceability matrix: from each need to the verdicts on its requirements, and back from tests,
controls and clauses. Gaps are rows."""

from radiotrace.evidence.pages.parts import (
    Page,
    Records,
    Row,
    Section,
    Span,
    apart,
    counted,
    news,
    table,
    text,
)


def page(records: Records) -> Page:
    """The document."""
    return Page(
        "traceability",
        "Traceability matrix",
        "From needs to requirements, risk controls, tests, negative controls and criteria, and back; of the "
        "software, and of this study. What is missing is a row.",
        [
            Section("needs", "User needs", (_needs(records),)),
            Section("matrix", "From requirements to verdicts", (_matrix(records),)),
            Section("gaps", "Gaps", _gaps(records)),
            Section("baseline", "Since the baseline", _baseline(records)),
            Section("tests", "From tests to requirements", (_tests(records),), new_page=True),
            Section(
                "clauses", "From clauses of standards to requirements", (_clauses(records),), new_page=True
            ),
        ],
        landscape=True,
    )


def _needs(records: Records):
    rows = [
        Row(
            (
                records.tell(need["id"], "requirements", "user_needs", number),
                records.show("requirements", "user_needs", number, "text"),
                records.show("traceability", "user_needs", need["id"], "owner"),
                apart(records["traceability"]["user_needs"][need["id"]]["requirements"]),
                records.verdict("traceability", "user_needs", need["id"], "status"),
            ),
            need["id"],
        )
        for number, need in enumerate(records["requirements"]["user_needs"])
    ]
    return table(
        "A need is verified when all its requirements are.",
        ("need", "what it is", "whose", "requirements", "status"),
        rows,
        wide=(1, 3),
    )


def _matrix(records: Records):
    judged = {row["requirement"]: number for number, row in enumerate(records["acceptance"]["results"])}
    rows, outcomes = [], records["traceability"]["tests"]
    for one in records["requirements"]["requirements"]:
        name, found = one["id"], records["traceability"]["requirements"][one["id"]]
        tests = [
            (Span(test.removeprefix("tests/"), "", "plain"), ": ", news(outcomes[test]["outcome"]))
            for test in found["tests"]
        ]
        controls = [(control, ": ", news(verdict)) for control, verdict in found["negative_controls"].items()]
        rows.append(
            (
                apart(found["user_needs"]),
                [name, Span(found["title"], "", "strong")],
                records.show("traceability", "requirements", name, "owner"),
                apart(found["risk_controls"]),
                tests or "none",
                controls or "none",
                _criterion(records, judged.get(name)),
                [records.verdict("traceability", "requirements", name, "status"), *_why(found)],
            )
        )
    return table(
        "Risk controls lead to the summary of risks, requirements and negative controls to the "
        "report on verification. red: the tests or "
        "the criterion noticed the seeded fault, as they must.",
        (
            "needs",
            "requirement",
            "whose",
            "risk controls",
            "tests",
            "negative controls",
            "criterion",
            "status",
        ),
        rows,
        wide=(4,),
    )


def _why(found: dict) -> list[str]:
    return [counted(len(found["reasons"]), "reason")] if found["reasons"] else []


def _criterion(records: Records, number: int | None):
    if number is None:
        return "none: the tests decide"
    row = records["acceptance"]["results"][number]
    return [
        (
            f"{row['bound']} bound ",
            records.show("acceptance", "results", number, "observed"),
            f" {'≥' if row['op'] == '>=' else '≤'} ",
            records.show("acceptance", "results", number, "threshold"),
        ),
        records.verdict("acceptance", "results", number, "verdict"),
    ]


def _gaps(records: Records):
    gaps = records["traceability"]["gaps"]
    if not gaps:
        return (text(("No gap: ", records.tell("the list is empty", "traceability", "gaps"), ".")),)
    rows = []
    for number, gap in enumerate(gaps):
        reasons = records["traceability"]["requirements"].get(gap["item"], {"reasons": []})["reasons"]
        # the report on verification lists them, each for itself
        whole = gap["gap"] == f"not verified: {'; '.join(reasons)}"
        rows.append(
            (
                gap["item"],
                records.tell(
                    f"not verified, for {counted(len(reasons), 'reason')}", "traceability", "gaps", number
                )
                if whole
                else records.show("traceability", "gaps", number, "gap"),
            )
        )
    return (
        table(
            f"{counted(len(gaps), 'gap')}. The summary of risks has all gaps of risks, the checklists "
            f"those of standards.",
            ("item", "what is missing"),
            rows,
            wide=(1,),
        ),
    )


def _baseline(records: Records):
    """What became of each requirement since somebody signed for it."""
    found = records["traceability"].get("baseline")
    if found is None:
        return (
            text(
                (
                    Span("Nobody has signed for these requirements yet", "", "bad"),
                    ": what goes, or is softened, cannot be counted.",
                )
            ),
        )
    counts = []
    for kind in ("gone", "softened", "reworded", "retired", "new"):
        counts += [", " if counts else "", records.show("traceability", "baseline", f"n_{kind}"), f" {kind}"]
    told = text(
        (
            "Of ",
            records.show("traceability", "baseline", "n_requirements"),
            " requirements that were signed for: ",
            *counts,
            ".",
        )
    )
    rows = [
        (
            records.show("traceability", "baseline", "changes", number, "requirement"),
            change["kind"],
            records.show("traceability", "baseline", "changes", number, "what"),
        )
        for number, change in enumerate(found["changes"])
    ]
    return (
        (
            told,
            table(
                "Gone, softened and reworded requirements block a release until they are signed for again.",
                ("requirement", "since then", "what"),
                rows,
                wide=(2,),
            ),
        )
        if rows
        else (told,)
    )


def _tests(records: Records):
    run = records["tests"]["tests"]
    rows = []
    for test, found in records["traceability"]["tests"].items():
        cases = records.show("tests", "tests", test, "cases") if test in run else "unknown"
        source = (
            records.show("tests", "tests", test, "source_sha256", look="code") if test in run else "unknown"
        )
        rows.append(
            Row(
                (
                    records.tell(test, "traceability", "tests", test, look="code"),
                    records.verdict("traceability", "tests", test, "outcome"),
                    cases,
                    apart(found["verifies"]),
                    source,
                ),
                test,
            )
        )
    return table(
        f"{len(rows)} tests say that they verify a requirement. The hash is of the test's source "
        f"when it ran.",
        ("test", "outcome", "cases", "requirements", "SHA-256"),
        rows,
        wide=(0, 4),
        left_out=(4,),
    )


def _clauses(records: Records):
    named: dict[str, list[str]] = {}
    for one in records["requirements"]["requirements"]:
        for clause in one["clauses"]:
            named.setdefault(clause, []).append(one["id"])
    known = {
        row["id"]
        for name, content in records.bundle.items()
        if name.startswith("compliance_")
        for row in content["rows"]
    }
    rows = [
        (
            clause,
            apart(ids),
            "a row of a checklist" if clause in known else "no row of any checklist has this id",
        )
        for clause, ids in sorted(named.items())
    ]
    return table(
        "Clauses that requirements name. What the bundle shows of each clause stands in the checklists.",
        ("clause", "requirements", "checklist"),
        rows,
        wide=(1,),
    )
