"""Components: one distribution, or what else the product stands on, as CycloneDX 1.6 writes it.

Names of properties that begin with cdx: are of CycloneDX's property taxonomy.
"""

from typing import Any

from packaging.specifiers import SpecifierSet

from radiotrace.evidence.formats import distributions

KIND, SUPPORT, END = "radiotrace:kind", "radiotrace:support_level", "cdx:lifecycle:milestone:endOfSupport"
# Of files that requirements.txt does not name; any other is excluded from the product.
SCOPES = {"requirements/cluster.txt": "optional"}


def of_distribution(
    name: str,
    version: str,
    kind: str,
    file: str,
    said: dict | None,
    entry: dict | None,
    wheels: dict,
    scope: str,
) -> dict:
    """A distribution; people's words in soup.yaml go before those of its own metadata.

    Args:
        kind: direct, transitive or tool.
        file: of its pin.
        said: its row of distributions.installed, if any.
        entry: of soup.yaml, if any.
        wheels: software/design/wheels.json.
        scope: required, optional or excluded.
    """
    said, wheel = said or {}, wheels["wheels"].get(name)
    purl = f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"
    supplier, licence = (
        (entry["supplier"], entry["licence"]) if entry else (said.get("author"), said.get("licence"))
    )
    made: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "scope": scope,
    }
    properties = {KIND: kind, "radiotrace:pins": file}
    if supplier:
        made["supplier"] = {"name": supplier}
        properties["radiotrace:supplier_from"] = (
            "software/design/soup.yaml"
            if entry
            else "author or maintainer in the metadata of the distribution"
        )
    if licence:
        made["licenses"] = [spelt(licence, "concluded" if entry else "declared")]
    if said.get("summary"):
        made["description"] = said["summary"]
    if wheel and same_version(version, wheel["version"]):
        made["hashes"] = [{"alg": "SHA-256", "content": wheel["sha256"]}]
        properties["radiotrace:distribution_file"] = wheel["file"]
    return _with(made, properties, said.get("homepage"), entry)


def of_platform(entry: dict) -> dict:
    """What is not a distribution: interpreter, Git, operating system."""
    made = {
        "type": "operating-system" if entry["name"] == "operating system" else "platform",
        "bom-ref": f"platform:{entry['name']}",
        "name": entry["name"],
        "scope": "required",
        **({"version": entry["series"]} if entry["series"] else {}),
        **({"supplier": {"name": entry["supplier"]}} if entry["supplier"] else {}),
        **({"licenses": [spelt(entry["licence"], "concluded")]} if entry["licence"] else {}),
    }
    return _with(made, {KIND: "platform"}, None, entry)


def _with(made: dict, properties: dict, homepage: str | None, entry: dict | None) -> dict:
    """The component with its properties and links, and what soup.yaml says of its support."""
    links = [{"type": "website", "url": homepage}] if homepage else []
    if entry:
        made["description"] = entry["purpose"]
        properties |= {
            SUPPORT: entry["support_level"],
            "radiotrace:end_of_support_note": entry["end_of_support_note"],
            **({END: entry["end_of_support"]} if entry["end_of_support"] else {}),
        }
        links += [{"type": "issue-tracker", "url": entry["anomaly_list"]}] if entry["anomaly_list"] else []
    return (
        made
        | {"properties": properties_of(properties.items())}
        | ({"externalReferences": links} if links else {})
    )


def spelt(text: str, acknowledgement: str) -> dict:
    """A licence: an id or an expression where it is SPDX, else the name that somebody gave it.

    Args:
        acknowledgement: declared by its supplier, or concluded by who wrote soup.yaml.
    """
    spdx = distributions.expression(text)
    if spdx is None:
        return {"license": {"name": text, "acknowledgement": acknowledgement}}
    if " " in spdx or spdx.startswith("LicenseRef-"):
        return {"expression": spdx, "acknowledgement": acknowledgement}
    return {"license": {"id": spdx, "acknowledgement": acknowledgement}}


def properties_of(pairs) -> list[dict]:
    """(name, value) pairs as CycloneDX writes them."""
    return [{"name": name, "value": value} for name, value in pairs]


def known(component: dict, related: set[str]) -> dict[str, bool]:
    """Attribute -> whether the bill says it of a component."""
    properties = {one["name"]: one["value"] for one in component["properties"]}
    return {
        "supplier": "supplier" in component,
        "name": "name" in component,
        "version": "version" in component,
        "purl": "purl" in component,
        "licence": "licenses" in component,
        "hash": "hashes" in component,
        "dependency_relation": component["bom-ref"] in related,
        "support_level": properties.get(SUPPORT, "unknown") != "unknown",
        "end_of_support": END in properties,
    }


def same_version(pin: str, version: str) -> bool:
    """Whether a version is the pinned one; a local label such as +cpu makes no other version."""
    return SpecifierSet(f"=={pin}").contains(version, prereleases=True)
