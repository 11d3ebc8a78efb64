"""The traceability matrix: from each need to the verdicts on its requirements, and back from tests,
controls and clauses. Gaps are rows of a table of their own."""

from radiotrace.evidence.pages.elements import (
    Page,
    Records,
    Row,
    Section,
    Span,
    count_of,
    separated,
    status_span,
    table,
    text,
)


def page(records: Records) -> Page:
    """The document."""
    return Page(
        "traceability",
        "Traceability matrix",
        "From needs to requirements, risk controls, tests, negative controls and criteria, and back; of the "
        "software, and of this study. What is missing is listed under Gaps.",
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
                separated(records["traceability"]["user_needs"][need["id"]]["requirements"]),
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
    for requirement in records["requirements"]["requirements"]:
        name = requirement["id"]
        links = records["traceability"]["requirements"][name]
        tests = [
            (Span(test.removeprefix("tests/"), "", "plain"), ": ", status_span(outcomes[test]["outcome"]))
            for test in links["tests"]
        ]
        controls = [
            (control, ": ", status_span(verdict)) for control, verdict in links["negative_controls"].items()
        ]
        status = [records.verdict("traceability", "requirements", name, "status")]
        if links["reasons"]:
            status = [*status, count_of(len(links["reasons"]), "reason")]
        rows.append(
            (
                separated(links["user_needs"]),
                [name, Span(links["title"], "", "strong")],
                records.show("traceability", "requirements", name, "owner"),
                separated(links["risk_controls"]),
                tests or "none",
                controls or "none",
                _criterion(records, judged.get(name)),
                status,
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
        if gap["gap"] == f"not verified: {'; '.join(reasons)}":
            # the report on verification lists each reason
            words = f"not verified, for {count_of(len(reasons), 'reason')}"
            missing = records.tell(words, "traceability", "gaps", number)
        else:
            missing = records.show("traceability", "gaps", number, "gap")
        rows.append((gap["item"], missing))
    return (
        table(
            f"{count_of(len(gaps), 'gap')}. The summary of risks has all gaps of risks, the checklists "
            f"those of standards.",
            ("item", "what is missing"),
            rows,
            wide=(1,),
        ),
    )


def _baseline(records: Records):
    """What became of each requirement since somebody signed for it."""
    baseline = records["traceability"].get("baseline")
    if baseline is None:
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
    summary = text(
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
        for number, change in enumerate(baseline["changes"])
    ]
    if not rows:
        return (summary,)
    changes = table(
        "Gone, softened and reworded requirements block a release until they are signed for again.",
        ("requirement", "since then", "what"),
        rows,
        wide=(2,),
    )
    return (summary, changes)


def _tests(records: Records):
    run = records["tests"]["tests"]
    rows = []
    for test, test_links in records["traceability"]["tests"].items():
        cases = source = "unknown"
        if test in run:
            cases = records.show("tests", "tests", test, "cases")
            source = records.show("tests", "tests", test, "source_sha256", look="code")
        rows.append(
            Row(
                (
                    records.tell(test, "traceability", "tests", test, look="code"),
                    records.verdict("traceability", "tests", test, "outcome"),
                    cases,
                    separated(test_links["verifies"]),
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
    requirements_by_clause: dict[str, list[str]] = {}
    for requirement in records["requirements"]["requirements"]:
        for clause in requirement["clauses"]:
            requirements_by_clause.setdefault(clause, []).append(requirement["id"])
    checklists = [content for name, content in records.bundle.items() if name.startswith("compliance_")]
    known = {row["id"] for checklist in checklists for row in checklist["rows"]}
    rows = []
    for clause, ids in sorted(requirements_by_clause.items()):
        place = "a row of a checklist" if clause in known else "no row of any checklist has this id"
        rows.append((clause, separated(ids), place))
    return table(
        "Clauses that requirements name. What the bundle shows of each clause stands in the checklists.",
        ("clause", "requirements", "checklist"),
        rows,
        wide=(1,),
    )
