"""The summary of risks: what is not acceptable first, then every hazard and every control, and how risk is
judged."""

from radiotrace.evidence.pages.parts import (
    Page,
    Records,
    Row,
    Section,
    Span,
    apart,
    counted,
    facts,
    news,
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
    def count(*keys):
        return tuple(
            part
            for key in keys
            for part in (key if key.startswith(" ") else records.show("risks", "completeness", key),)
        )

    return (
        facts(
            ("hazards that are acceptable", count("n_hazards_acceptable", " of ", "n_hazards")),
            ("hazards with controls", count("n_hazards_with_controls", " of ", "n_hazards")),
            (
                "hazards whose controls are all effective",
                count("n_hazards_controls_effective", " of ", "n_hazards"),
            ),
            ("controls that are effective", count("n_controls_effective", " of ", "n_controls")),
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
    """What is not acceptable first, then by number of the id."""
    name, hazard = item
    return (hazard["acceptable"], int(name.rpartition("-")[2]))


def _hazards(records: Records):
    rows = []
    for name, one in sorted(records["risks"]["hazards"].items(), key=_order):
        acceptable = records.tell(
            "acceptable" if one["acceptable"] else "not acceptable",
            "risks",
            "hazards",
            name,
            "acceptable",
            look="good" if one["acceptable"] else "bad",
        )
        new = [
            (
                "new: ",
                risk["control"],
                " may lead to ",
                risk["hazard"] or "a hazard that is not listed",
                f": {risk['text']}",
            )
            for risk in one["new_risks"]
        ]
        what = [Span(one["title"], "", "strong"), one["situation"], ("Harm: ", one["harm"]), *new]
        rows.append(
            Row(
                (
                    records.tell(name, "risks", "hazards", name),
                    what,
                    *(_level(records, name, when) for when in ("before", "residual", "after_if_effective")),
                    apart(one["controls"]),
                    [
                        acceptable,
                        *one["reasons"],
                        *([one["residual_reason"]] if one["residual_reason"] else []),
                    ],
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
    severities = [one["id"] for one in records["risks"]["scales"]["severity"]]
    rows = []
    for probability in sorted(levels, reverse=True):
        cells = []
        for severity in severities:
            mine = [
                name
                for name, one in sorted(hazards.items(), key=_order)
                if one["residual"]
                and (one["residual"]["probability"], one["residual"]["severity"]) == (probability, severity)
            ]
            cells.append(
                [
                    records.show("risks", "acceptability", probability, severity),
                    *([apart(mine)] if mine else []),
                ]
            )
        rows.append((probability, *cells))
    return table(
        "Level of each pair of probability and severity, and the hazards that lie there as things are.",
        ("probability", *severities),
        rows,
    )


def _controls(records: Records):
    rows = []
    for name, one in sorted(
        records["risks"]["controls"].items(),
        key=lambda item: (item[1]["effective"], int(item[0].rpartition("-")[2])),
    ):
        told = [
            (f"{found['file']}: “{found['phrase']}” ", news("found" if found["found"] else "not found"))
            for found in one["informed_by"]
        ]
        verdict = records.tell(
            "effective" if one["effective"] else "not shown effective",
            "risks",
            "controls",
            name,
            "effective",
            look="good" if one["effective"] else "bad",
        )
        unmet = [
            (requirement, ": ", records.verdict("traceability", "requirements", requirement, "status"))
            for requirement in one["requirements"]
        ]
        what = [Span(one["title"], "", "strong"), one["type"]]
        rows.append(
            Row(
                (
                    records.tell(name, "risks", "controls", name),
                    what,
                    apart(one["hazards"]),
                    [*unmet, *told] or "none",
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
        f"{counted(len(records['risks']['gaps']), 'gap')}.",
        ("item", "what is missing"),
        [
            (one["item"], records.show("risks", "gaps", number, "gap"))
            for number, one in enumerate(records["risks"]["gaps"])
        ],
        wide=(1,),
    )


def _scales(records: Records) -> tuple:
    scales, levels = records["risks"]["scales"], records["risks"]["levels"]
    tables = [
        table(
            f"{kind.capitalize()}.",
            ("", "name", "meaning"),
            [
                (
                    records.show("risks", "scales", kind, number, "id"),
                    records.show("risks", "scales", kind, number, "title"),
                    records.show("risks", "scales", kind, number, "meaning"),
                )
                for number in range(len(scales[kind]))
            ],
            wide=(2,),
        )
        for kind in ("probability", "severity")
    ]
    return (
        text(records.show("risks", "scales", "perspective")),
        *tables,
        table(
            "Levels.",
            ("level", "acceptable", "meaning"),
            [
                (
                    level,
                    records.show("risks", "levels", level, "acceptable"),
                    records.show("risks", "levels", level, "meaning"),
                )
                for level in sorted(levels)
            ],
            wide=(2,),
        ),
    )
