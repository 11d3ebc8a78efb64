"""Components: one distribution, or what else the product stands on, as CycloneDX 1.6 writes it.

Names of properties that begin with cdx: are of CycloneDX's property taxonomy.
"""

from dataclasses import dataclass
from typing import Any

from packaging.specifiers import SpecifierSet

from radiotrace.evidence.formats import distributions

KIND, SUPPORT, END = "radiotrace:kind", "radiotrace:support_level", "cdx:lifecycle:milestone:endOfSupport"
# Of files that requirements.txt does not name; any other is excluded from the product.
SCOPES = {"requirements/cluster.txt": "optional"}


@dataclass(frozen=True)
class Pin:
    """A distribution as a file of pins names it, and what the product has to do with it."""

    name: str
    version: str
    file: str
    kind: str  # direct, transitive or tool
    scope: str  # required, optional or excluded


def of_distribution(pin: Pin, metadata: dict | None, entry: dict | None, wheels: dict) -> dict:
    """A distribution. What people wrote in soup.yaml goes before its own metadata.

    Args:
        metadata: its row of distributions.installed, if any.
        entry: of soup.yaml, if any.
        wheels: software/design/wheels.json.
    """
    metadata, wheel = metadata or {}, wheels["wheels"].get(pin.name)
    purl = f"pkg:pypi/{pin.name.lower().replace('_', '-')}@{pin.version}"
    if entry:
        supplier, licence = entry["supplier"], entry["licence"]
    else:
        supplier, licence = metadata.get("author"), metadata.get("licence")
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": pin.name,
        "version": pin.version,
        "purl": purl,
        "scope": pin.scope,
    }
    properties = {KIND: pin.kind, "radiotrace:pins": pin.file}
    if supplier:
        component["supplier"] = {"name": supplier}
        properties["radiotrace:supplier_from"] = (
            "software/design/soup.yaml"
            if entry
            else "author or maintainer in the metadata of the distribution"
        )
    if licence:
        component["licenses"] = [licence_entry(licence, "concluded" if entry else "declared")]
    if metadata.get("summary"):
        component["description"] = metadata["summary"]
    if wheel and same_version(pin.version, wheel["version"]):
        component["hashes"] = [{"alg": "SHA-256", "content": wheel["sha256"]}]
        properties["radiotrace:distribution_file"] = wheel["file"]
    return _with(component, properties, metadata.get("homepage"), entry)


def of_platform(entry: dict) -> dict:
    """What is not a distribution: interpreter, Git, operating system."""
    component: dict[str, Any] = {
        "type": "operating-system" if entry["name"] == "operating system" else "platform",
        "bom-ref": f"platform:{entry['name']}",
        "name": entry["name"],
        "scope": "required",
    }
    if entry["series"]:
        component["version"] = entry["series"]
    if entry["supplier"]:
        component["supplier"] = {"name": entry["supplier"]}
    if entry["licence"]:
        component["licenses"] = [licence_entry(entry["licence"], "concluded")]
    return _with(component, {KIND: "platform"}, None, entry)


def _with(component: dict, properties: dict, homepage: str | None, entry: dict | None) -> dict:
    """The component with its properties and links, and what soup.yaml says of its support."""
    links = [{"type": "website", "url": homepage}] if homepage else []
    if entry:
        component["description"] = entry["purpose"]
        properties[SUPPORT] = entry["support_level"]
        properties["radiotrace:end_of_support_note"] = entry["end_of_support_note"]
        if entry["end_of_support"]:
            properties[END] = entry["end_of_support"]
        if entry["anomaly_list"]:
            links.append({"type": "issue-tracker", "url": entry["anomaly_list"]})
    component["properties"] = properties_of(properties.items())
    if links:
        component["externalReferences"] = links
    return component


def licence_entry(text: str, acknowledgement: str) -> dict:
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
    """Attribute -> whether the bill says it of a component.

    Args:
        related: bom-ref of every component for which the bill has a row of dependencies.
    """
    properties = {row["name"]: row["value"] for row in component["properties"]}
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
    """Whether a version is the pinned one. A local label such as +cpu makes no difference."""
    return SpecifierSet(f"=={pin}").contains(version, prereleases=True)
