"""The table of software components: what runs, whose it is, under which licence, and what nobody knows of
it."""

from radiotrace.evidence.pages.parts import Page, Records, Section, Span, listed, table, text

END, SUPPORT = "cdx:lifecycle:milestone:endOfSupport", "radiotrace:support_level"
KINDS = ("direct", "platform", "transitive")


def page(records: Records) -> Page:
    """The document."""
    bill = records["sbom.runtime.cdx"]
    sections = [
        Section("completeness", "How complete the bills are", _completeness(records)),
        Section("vulnerabilities", "Vulnerabilities", (_vulnerabilities(records),)),
    ]
    for kind in KINDS:
        rows = [
            _row(records, number, one)
            for number, one in enumerate(bill["components"])
            if _property(one, "radiotrace:kind") == kind
        ]
        sections.append(
            Section(
                kind,
                f"Components: {kind}",
                (
                    table(
                        f"{len(rows)} components. The name leads to the component in the bill; unknown is "
                        f"said, not left "
                        f"out. Hashes are of the file that was "
                        "installed "
                        "(SHA-256).",
                        ("name", "version", "licence", "supplier", "support", "end of support", "SHA-256"),
                        rows,
                        wide=(2, 3, 6),
                        left_out=(6,),
                    ),
                ),
            )
        )
    return Page(
        "sbom",
        "Software bill of materials",
        "The components that run, from sbom.runtime.cdx.json (CycloneDX 1.6).",
        [
            *sections,
            Section(
                "anomalies", "Anomalies of components that were met", (_anomalies(records),), new_page=True
            ),
        ],
        landscape=True,
    )


def _property(component: dict, name: str) -> str | None:
    return next((one["value"] for one in component.get("properties", []) if one["name"] == name), None)


def _row(records: Records, number: int, one: dict) -> tuple:
    digest = next((entry["content"] for entry in one.get("hashes", []) if entry["alg"] == "SHA-256"), None)
    cells = (
        one.get("version"),
        _licence(one),
        one.get("supplier", {}).get("name"),
        _property(one, SUPPORT),
        _property(one, END),
    )
    return (
        records.tell(one["name"], "sbom.runtime.cdx", "components", number),
        *(_known(cell) for cell in cells),
        _known(digest, "code"),
    )


def _known(value: str | None, look: str = "") -> Span:
    return Span("unknown", "", "soft") if value in (None, "unknown") else Span(value, "", look)


def _licence(component: dict) -> str | None:
    found = [
        one.get("expression") or one["license"].get("id") or one["license"].get("name")
        for one in component.get("licenses", [])
    ]
    return "; ".join(found) or None


def _completeness(records: Records) -> tuple:
    tables = []
    for bill, of in records["soup"]["completeness"].items():
        kinds = list(of["components"])
        attributes = sorted({name for kind in kinds for name in of["components"][kind]})
        tables.append(
            table(
                f"{bill.capitalize()}: of how many components each attribute is known.",
                ("attribute", *kinds),
                [
                    (
                        attribute.replace("_", " "),
                        *(
                            (
                                records.show(
                                    "soup", "completeness", bill, "components", kind, attribute, "n_known"
                                ),
                                " of ",
                                records.show(
                                    "soup", "completeness", bill, "components", kind, attribute, "n"
                                ),
                            )
                            for kind in kinds
                        ),
                    )
                    for attribute in attributes
                ],
            )
        )
    left_out = [
        (f"{bill}, {name}: ", records.show("soup", "completeness", bill, "left_out", name))
        for bill, of in records["soup"]["completeness"].items()
        for name in of["left_out"]
    ]
    metadata = records["sbom.runtime.cdx"]["metadata"]
    missing = [
        ("not listed: ", records.show("sbom.runtime.cdx", "metadata", "properties", number, "value"))
        for number, one in enumerate(metadata.get("properties", []))
        if one["name"] == "radiotrace:not_listed"
    ]
    return (*tables, listed([*left_out, *missing]))


def vulnerability_status(records: Records) -> Span:
    """Whether anybody looked vulnerabilities up."""
    number = next(
        place
        for place, one in enumerate(records["vex"]["metadata"]["properties"])
        if one["name"] == "radiotrace:vulnerability_status"
    )
    return records.show("vex", "metadata", "properties", number, "value")


def _vulnerabilities(records: Records):
    status = vulnerability_status(records)
    about = (
        " Nothing was looked up, so that this list says nothing of what is known elsewhere."
        if status.text == "not-assessed"
        else ""
    )
    return text(
        (
            "Status: ",
            status,
            ". Entries: ",
            records.tell(str(len(records["vex"]["vulnerabilities"])), "vex", "vulnerabilities"),
            f".{about}",
        )
    )


def _anomalies(records: Records):
    rows = [
        (
            records.tell(one["name"], "soup", "soup", number),
            records.show("soup", "soup", number, "anomalies", place, "anomaly"),
            records.show("soup", "soup", number, "anomalies", place, "measure"),
            records.show("soup", "soup", number, "anomalies", place, "source"),
        )
        for number, one in enumerate(records["soup"]["soup"])
        for place in range(len(one["anomalies"]))
    ]
    return table(
        "What is known to go wrong, and what stands against it.",
        ("component", "anomaly", "measure", "source"),
        rows,
        wide=(1, 2),
    )
