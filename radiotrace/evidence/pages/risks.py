"""The summary of risks: what is not acceptable first, then every hazard and every control, and how risk is
judged."""

from radiotrace.evidence.pages.elements import (
    Page,
    Records,
    Row,
    Section,
    Span,
    count_of,
    facts,
    separated,
    status_span,
    table,
    text,
)


def page(records: Records) -> Page:
    """The document."""
    about = (
        "Hazards with their risk before and after control, whether the controls are effective, "
        "and what is missing."
    )
    return Page(
        "risks",
        "Summary of risks",
        about,
        [
            Section("sum", "In short", _sum(records)),
            Section("hazards", "Hazards, those that are not acceptable first", (_hazards(records),)),
            Section("matrix", "Where the hazards lie", (_matrix(records),)),
            Section("controls", "Risk controls", (_controls(records),), new_page=True),
            Section("gaps", "Gaps", (_gaps(records),), new_page=True),
            Section("scales", "How risk is judged", _scales(records)),
        ],
        landscape=True,
    )


def _sum(records: Records) -> tuple:
    def count(key):
        return records.show("risks", "completeness", key)

    n_hazards, n_controls = count("n_hazards"), count("n_controls")
    return (
        facts(
            ("hazards that are acceptable", (count("n_hazards_acceptable"), " of ", n_hazards)),
            ("hazards with controls", (count("n_hazards_with_controls"), " of ", n_hazards)),
            (
                "hazards whose controls are all effective",
                (count("n_hazards_controls_effective"), " of ", n_hazards),
            ),
            ("controls that are effective", (count("n_controls_effective"), " of ", n_controls)),
            ("new risks from controls", count("n_new_risks")),
            (
                "overall residual risk",
                [
                    (
                        records.show("risks", "overall_residual_risk", "text_status"),
                        ", ",
                        records.show("risks", "overall_residual_risk", "status"),
                        ": a person decides",
                    ),
                    records.show("risks", "overall_residual_risk", "judgement"),
                ],
            ),
        ),
    )


def _order(item) -> tuple:
    """Hazards that are not acceptable first, then by the number of the id."""
    name, hazard = item
    return (hazard["acceptable"], int(name.rpartition("-")[2]))


def _order_of_control(item) -> tuple:
    """Controls that are not effective first, then by the number of the id."""
    name, control = item
    return (control["effective"], int(name.rpartition("-")[2]))


def _hazards(records: Records):
    rows = []
    for name, hazard in sorted(records["risks"]["hazards"].items(), key=_order):
        acceptable = records.tell(
            "acceptable" if hazard["acceptable"] else "not acceptable",
            "risks",
            "hazards",
            name,
            "acceptable",
            look="good" if hazard["acceptable"] else "bad",
        )
        new = [
            (
                "new: ",
                risk["control"],
                " may lead to ",
                risk["hazard"] or "a hazard that is not listed",
                f": {risk['text']}",
            )
            for risk in hazard["new_risks"]
        ]
        situation = [
            Span(hazard["title"], "", "strong"),
            hazard["situation"],
            ("Harm: ", hazard["harm"]),
            *new,
        ]
        verdict = [acceptable, *hazard["reasons"]]
        if hazard["residual_reason"]:
            verdict.append(hazard["residual_reason"])
        rows.append(
            Row(
                (
                    records.tell(name, "risks", "hazards", name),
                    situation,
                    _level(records, name, "before"),
                    _level(records, name, "residual"),
                    _level(records, name, "after_if_effective"),
                    separated(hazard["controls"]),
                    verdict,
                ),
                name,
            )
        )
    return table(
        "Probability and severity, and the level that they make. As things are, a control that is "
        "not shown effective takes nothing away; "
        "the column beside it says what would be left if all were.",
        (
            "hazard",
            "situation and harm",
            "before",
            "as things are",
            "with all controls effective",
            "controls",
            "verdict and why",
        ),
        rows,
        wide=(1, 6),
    )


def _level(records: Records, name: str, when: str):
    if records["risks"]["hazards"][name][when] is None:
        return "unknown"
    return [
        records.show("risks", "hazards", name, when, "level"),
        (
            records.show("risks", "hazards", name, when, "probability"),
            " ",
            records.show("risks", "hazards", name, when, "severity"),
        ),
    ]


def _matrix(records: Records):
    levels, hazards = records["risks"]["acceptability"], records["risks"]["hazards"]
    severities = [hazard["id"] for hazard in records["risks"]["scales"]["severity"]]
    hazards_by_place: dict[tuple, list[str]] = {}
    for name, hazard in sorted(hazards.items(), key=_order):
        if residual := hazard["residual"]:
            hazards_by_place.setdefault((residual["probability"], residual["severity"]), []).append(name)
    rows = []
    for probability in sorted(levels, reverse=True):
        cells = []
        for severity in severities:
            cell: list = [records.show("risks", "acceptability", probability, severity)]
            if names := hazards_by_place.get((probability, severity)):
                cell.append(separated(names))
            cells.append(cell)
        rows.append((probability, *cells))
    return table(
        "Level of each pair of probability and severity, and the hazards that lie there as things are.",
        ("probability", *severities),
        rows,
    )


def _controls(records: Records):
    rows = []
    for name, control in sorted(records["risks"]["controls"].items(), key=_order_of_control):
        informed = [
            (
                f"{passage['file']}: “{passage['phrase']}” ",
                status_span("found" if passage["found"] else "not found"),
            )
            for passage in control["informed_by"]
        ]
        verdict = records.tell(
            "effective" if control["effective"] else "not shown effective",
            "risks",
            "controls",
            name,
            "effective",
            look="good" if control["effective"] else "bad",
        )
        requirements = [
            (requirement, ": ", records.verdict("traceability", "requirements", requirement, "status"))
            for requirement in control["requirements"]
        ]
        rows.append(
            Row(
                (
                    records.tell(name, "risks", "controls", name),
                    [Span(control["title"], "", "strong"), control["type"]],
                    separated(control["hazards"]),
                    [*requirements, *informed] or "none",
                    verdict,
                ),
                name,
            )
        )
    return table(
        "A control is effective when every requirement behind it is verified, and users are told "
        "what they must know.",
        ("control", "what it is", "against", "stands on", "verdict"),
        rows,
        wide=(1, 3),
    )


def _gaps(records: Records):
    if not records["risks"]["gaps"]:
        return text(("No gap: ", records.tell("the list is empty", "risks", "gaps"), "."))
    return table(
        f"{count_of(len(records['risks']['gaps']), 'gap')}.",
        ("item", "what is missing"),
        [
            (row["item"], records.show("risks", "gaps", number, "gap"))
            for number, row in enumerate(records["risks"]["gaps"])
        ],
        wide=(1,),
    )


def _scales(records: Records) -> tuple:
    levels = table(
        "Levels.",
        ("level", "acceptable", "meaning"),
        [
            (
                level,
                records.show("risks", "levels", level, "acceptable"),
                records.show("risks", "levels", level, "meaning"),
            )
            for level in sorted(records["risks"]["levels"])
        ],
        wide=(2,),
    )
    return (
        text(records.show("risks", "scales", "perspective")),
        _scale(records, "probability"),
        _scale(records, "severity"),
        levels,
    )


def _scale(records: Records, kind: str):
    rows = [
        (
            records.show("risks", "scales", kind, number, "id"),
            records.show("risks", "scales", kind, number, "title"),
            records.show("risks", "scales", kind, number, "meaning"),
        )
        for number in range(len(records["risks"]["scales"][kind]))
    ]
    return table(f"{kind.capitalize()}.", ("", "name", "meaning"), rows, wide=(2,))
