"""Vulnerabilities, as CycloneDX 1.6 (VEX): what is known of them in the components of a bill, which may be
nothing."""

from radiotrace.evidence.formats import components, sbom

STATUS, NOT_ASSESSED = "radiotrace:vulnerability_status", "not-assessed"


def vex(bill: dict, assessed: dict | None = None) -> dict:
    """What is known of vulnerabilities in the components of a bill.

    A component that nobody looked up is 'not-assessed', which is neither 'none' nor 'not affected'. One that
    was looked up and has no finding was absent from that source on that day, and no more is claimed.

    Args:
        bill: of sbom.runtime or sbom.build.
        assessed: date; source; components, the names that were looked up; found, a list of id, component,
            state (of CycloneDX's impact analysis) and detail. None: nobody looked anything up.

    Raises:
        ValueError: a component that was looked up is not in the bill, or a finding is of one that was not
            looked up.
    """
    refs = {component["name"]: component["bom-ref"] for component in bill["components"]}
    looked_up, findings, source, status = set(), [], None, NOT_ASSESSED
    if assessed:
        looked_up, findings, source = set(assessed["components"]), assessed["found"], assessed["source"]
        status = f"assessed {assessed['date']} in {source}"
    concerned = {finding["component"] for finding in findings}
    if strangers := sorted((looked_up - refs.keys()) | (concerned - looked_up)):
        raise ValueError(f"not in the bill, or not looked up: {', '.join(strangers)}")
    vulnerabilities = [
        {
            "bom-ref": f"{row['id']} {row['component']}",
            "id": row["id"],
            "source": {"name": source},
            "analysis": {"state": row["state"], "detail": row["detail"]},
            "affects": [{"ref": refs[row["component"]]}],
        }
        for row in sorted(findings, key=lambda row: (row["id"], row["component"]))
    ]
    about = {
        "authors": bill["metadata"]["authors"],
        "component": bill["metadata"]["component"],
        "properties": components.properties_of([(STATUS, status)]),
    }
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": about,
        "vulnerabilities": vulnerabilities,
        "components": [
            _component(component, status if component["name"] in looked_up else NOT_ASSESSED)
            for component in bill["components"]
        ],
        # so says CycloneDX that nobody claims the list to be whole
        "compositions": [
            {
                "aggregate": "unknown",
                "vulnerabilities": [component["bom-ref"] for component in vulnerabilities],
            }
        ],
        "externalReferences": [
            {"type": "bom", "url": sbom.link(bill), "comment": "the bill that this is about"}
        ],
    }
    return document | {"serialNumber": sbom.serial(document)}


def _component(component: dict, status: str) -> dict:
    """What names a component, its kind, and whether it was looked up."""
    kind = [row for row in component["properties"] if row["name"] == components.KIND]
    return {
        key: component[key] for key in ("type", "bom-ref", "name", "version", "purl") if key in component
    } | {"properties": kind + components.properties_of([(STATUS, status)])}
