"""Vulnerabilities, as CycloneDX 1.6 (VEX): what is known of them in the components of a bill, which may be
nothing."""

from radiotrace.evidence.formats import components, sbom

STATUS, NOT_ASSESSED = "radiotrace:vulnerability_status", "not-assessed"


def vex(bill: dict, assessed: dict | None = None) -> dict:
    """What is known of vulnerabilities in the components of a bill.

    A component that nobody looked up is not-assessed, which is neither 'none' nor 'not affected'. One without
    a finding was looked up on a day in a source, which is no more than that.

    Args:
        bill: of sbom.runtime or sbom.build.
        assessed: date; source; components, the names that were looked up; found, a list of id, component,
            state (of CycloneDX's impact analysis) and detail. None: nobody looked anything up.

    Raises:
        ValueError: a component that was looked up is not in the bill, or a finding is of one that was not
            looked up.
    """
    refs = {one["name"]: one["bom-ref"] for one in bill["components"]}
    looked_up, found = (set(assessed["components"]), assessed["found"]) if assessed else (set(), [])
    if strangers := sorted((looked_up - set(refs)) | ({row["component"] for row in found} - looked_up)):
        raise ValueError(f"not in the bill, or not looked up: {', '.join(strangers)}")
    source = assessed["source"] if assessed else None  # where there are findings, there is one
    status = f"assessed {assessed['date']} in {assessed['source']}" if assessed else NOT_ASSESSED
    vulnerabilities = [
        {
            "bom-ref": f"{row['id']} {row['component']}",
            "id": row["id"],
            "source": {"name": source},
            "analysis": {"state": row["state"], "detail": row["detail"]},
            "affects": [{"ref": refs[row["component"]]}],
        }
        for row in sorted(found, key=lambda row: (row["id"], row["component"]))
    ]
    about = {key: bill["metadata"][key] for key in ("authors", "component")} | {
        "properties": components.properties_of([(STATUS, status)])
    }
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": about,
        "vulnerabilities": vulnerabilities,
        "components": [
            _component(one, status if one["name"] in looked_up else NOT_ASSESSED)
            for one in bill["components"]
        ],
        # so says CycloneDX that nobody claims the list to be whole
        "compositions": [
            {"aggregate": "unknown", "vulnerabilities": [one["bom-ref"] for one in vulnerabilities]}
        ],
        "externalReferences": [
            {"type": "bom", "url": sbom.link(bill), "comment": "the bill that this is about"}
        ],
    }
    return document | {"serialNumber": sbom.serial(document)}


def _component(one: dict, status: str) -> dict:
    """What names a component, its kind, and whether it was looked up."""
    kind = [row for row in one["properties"] if row["name"] == components.KIND]
    return {key: one[key] for key in ("type", "bom-ref", "name", "version", "purl") if key in one} | {
        "properties": kind + components.properties_of([(STATUS, status)])
    }
