"""The table of software components: what runs, whose it is, under which licence, and what nobody knows of
it."""

from radiotrace.evidence.pages.elements import Page, Records, Section, Span, bullets, table, text

END, SUPPORT = "cdx:lifecycle:milestone:endOfSupport", "radiotrace:support_level"
KINDS = ("direct", "platform", "transitive")


def page(records: Records) -> Page:
    """The document."""
    sections = [
        Section("completeness", "How complete the bills are", _completeness(records)),
        Section("vulnerabilities", "Vulnerabilities", (_vulnerabilities(records),)),
        *(Section(kind, f"Components: {kind}", (_components(records, kind),)) for kind in KINDS),
        Section("anomalies", "Anomalies of components that were met", (_anomalies(records),), new_page=True),
    ]
    return Page(
        "sbom",
        "Software bill of materials",
        "The components that run, from sbom.runtime.cdx.json (CycloneDX 1.6).",
        sections,
        landscape=True,
    )


def _components(records: Records, kind: str):
    rows = [
        _row(records, number, component)
        for number, component in enumerate(records["sbom.runtime.cdx"]["components"])
        if _property(component, "radiotrace:kind") == kind
    ]
    return table(
        f"{len(rows)} components. The name leads to the component in the bill; unknown is said, not left "
        "out. Hashes are of the file that was installed (SHA-256).",
        ("name", "version", "licence", "supplier", "support", "end of support", "SHA-256"),
        rows,
        wide=(2, 3, 6),
        left_out=(6,),
    )


def _property(component: dict, name: str) -> str | None:
    return next((entry["value"] for entry in component.get("properties", []) if entry["name"] == name), None)


def _row(records: Records, number: int, component: dict) -> tuple:
    digest = next(
        (entry["content"] for entry in component.get("hashes", []) if entry["alg"] == "SHA-256"), None
    )
    cells = (
        component.get("version"),
        _licence(component),
        component.get("supplier", {}).get("name"),
        _property(component, SUPPORT),
        _property(component, END),
    )
    return (
        records.tell(component["name"], "sbom.runtime.cdx", "components", number),
        *(_known(cell) for cell in cells),
        _known(digest, "code"),
    )


def _known(value: str | None, look: str = "") -> Span:
    return Span("unknown", "", "soft") if value in (None, "unknown") else Span(value, "", look)


def _licence(component: dict) -> str | None:
    names = [
        licence.get("expression") or licence["license"].get("id") or licence["license"].get("name")
        for licence in component.get("licenses", [])
    ]
    return "; ".join(names) or None


def _completeness(records: Records) -> tuple:
    tables, notes = [], []
    for bill, counts in records["soup"]["completeness"].items():
        tables.append(_counts(records, bill, counts["components"]))
        notes += [
            (f"{bill}, {name}: ", records.show("soup", "completeness", bill, "left_out", name))
            for name in counts["left_out"]
        ]
    metadata = records["sbom.runtime.cdx"]["metadata"]
    notes += [
        ("not listed: ", records.show("sbom.runtime.cdx", "metadata", "properties", number, "value"))
        for number, entry in enumerate(metadata.get("properties", []))
        if entry["name"] == "radiotrace:not_listed"
    ]
    return (*tables, bullets(notes))


def _counts(records: Records, bill: str, kinds: dict[str, dict]):
    """A row for each attribute: of how many components of each kind it is known."""

    def show(*path):
        return records.show("soup", "completeness", bill, "components", *path)

    rows = []
    for attribute in sorted(set().union(*kinds.values())):
        counts = [(show(kind, attribute, "n_known"), " of ", show(kind, attribute, "n")) for kind in kinds]
        rows.append((attribute.replace("_", " "), *counts))
    caption = f"{bill.capitalize()}: of how many components each attribute is known."
    return table(caption, ("attribute", *kinds), rows)


def vulnerability_status(records: Records) -> Span:
    """Whether anybody looked vulnerabilities up."""
    number = next(
        place
        for place, entry in enumerate(records["vex"]["metadata"]["properties"])
        if entry["name"] == "radiotrace:vulnerability_status"
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
    rows = []
    for number, component in enumerate(records["soup"]["soup"]):
        for place in range(len(component["anomalies"])):

            def show(key, path=("soup", number, "anomalies", place)):
                return records.show("soup", *path, key)

            name = records.tell(component["name"], "soup", "soup", number)
            rows.append((name, show("anomaly"), show("measure"), show("source")))
    return table(
        "What is known to go wrong, and what stands against it.",
        ("component", "anomaly", "measure", "source"),
        rows,
        wide=(1, 2),
    )
