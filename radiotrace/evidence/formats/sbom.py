"""Bills of materials of software, as CycloneDX 1.6: what runs the product, what builds and tests it, and how
much of that is known.

Sources: CycloneDX 1.6 (ECMA-424). The attributes that are counted are the minimum elements of NTIA 2021 and
CISA 2024, and FDA's level of support and end of support (premarket cybersecurity, 2023).
"""

import uuid

from packaging.utils import canonicalize_name

from radiotrace import records
from radiotrace.evidence.formats import components

LEFT_OUT = {
    "timestamp": "left out on purpose: the same inputs give the same bytes; the commit and the "
    "signature say when"
}
NOT_LISTED = (
    "native libraries inside the distributions, such as oneDNN in torch: no list of them was looked at",
    "version of the interpreter beyond its series, of Git and of the operating system: they differ "
    "by machine",
    "distributions that a build of torch for CUDA adds",
)


def runtime(pins: dict, installed: dict, soup: dict, wheels: dict, product: dict) -> dict:
    """The bill of what the product runs on.

    Args:
        pins: file of pins -> name -> version: together the whole closure. What is installed beside it never
            enters.
        installed: distributions.installed() of all of them.
        soup: software/design/soup.yaml, as soup.load gives it.
        wheels: software/design/wheels.json.
        product: its name and version.
    """
    entries = {entry["name"]: entry for entry in soup["soup"] if entry["pins"] in (*pins, None)}
    listed = []
    for file, versions in pins.items():
        for name, version in versions.items():
            entry = entries.get(name)
            pin = components.Pin(
                name, version, file, kind="direct" if entry else "transitive", scope="required"
            )
            listed.append(components.of_distribution(pin, installed.get(name), entry, wheels))
    listed += [components.of_platform(entry) for entry in entries.values() if entry["pins"] is None]
    return _document(listed, _dependencies(listed, installed, entries, product["name"]), soup, product)


def _dependencies(listed: list[dict], installed: dict, entries: dict[str, dict], product: str) -> list[dict]:
    """A row for the product and for each component that is installed or loads another: what it needs.

    Args:
        listed: the components of the bill.
        entries: name -> entry of soup.yaml; one without loaded_by is what the product itself imports.
    """
    refs = {component["name"]: component["bom-ref"] for component in listed}
    refs_by_canonical_name = {canonicalize_name(name): ref for name, ref in refs.items()}
    edges = {}
    for name, row in installed.items():
        if name in refs:
            needs = refs_by_canonical_name.keys() & row["requires"]
            edges[refs[name]] = {refs_by_canonical_name[need] for need in needs}
    edges[product] = {refs[name] for name, entry in entries.items() if entry["loaded_by"] is None}
    for name, entry in entries.items():
        if entry["loaded_by"] is not None:
            edges[refs[entry["loaded_by"]]].add(refs[name])
    return [{"ref": ref, "dependsOn": sorted(needs)} for ref, needs in sorted(edges.items())]


def build(pins: dict, soup: dict, wheels: dict, product: dict) -> dict:
    """The bill of the tools that build and test the product, and of what it can run on in a cluster.

    Of tools only what pins, soup.yaml and wheels.json say, because they need not be installed where evidence
    is made.

    Args:
        pins: file of pins -> name -> version.
        soup, wheels, product: as runtime.
    """
    entries = {(entry["pins"], entry["name"]): entry for entry in soup["soup"]}
    listed = []
    for file, versions in pins.items():
        scope = components.SCOPES.get(file, "excluded")
        for name, version in versions.items():
            entry = entries.get((file, name))
            pin = components.Pin(name, version, file, kind="direct" if entry else "tool", scope=scope)
            listed.append(components.of_distribution(pin, None, entry, wheels))
    return _document(listed, [], soup, product)


def _document(listed: list[dict], dependencies: list[dict], soup: dict, product: dict) -> dict:
    """The document of these components. Its serial number is made of its content.

    A component has a property for each attribute that is unknown of it.
    """
    listed = sorted(listed, key=lambda component: component["bom-ref"])
    related = {row["ref"] for row in dependencies}
    for component in listed:
        known = components.known(component, related)
        component["properties"] += components.properties_of(
            ("radiotrace:unknown", attribute) for attribute, is_known in known.items() if not is_known
        )
    about = {
        "authors": [{"name": soup["author"]}],
        "lifecycles": [{"phase": "pre-build"}],
        "component": {
            "type": "application",
            "bom-ref": product["name"],
            "name": product["name"],
            "version": product["version"],
        },
        "tools": {"components": [{"type": "application", "name": __name__}]},
        "properties": components.properties_of(
            [
                *(("radiotrace:not_listed", text) for text in NOT_LISTED),
                *((f"radiotrace:{name}", why) for name, why in LEFT_OUT.items()),
            ]
        ),
    }
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": about,
        "components": listed,
        "dependencies": dependencies,
        "compositions": [
            {"aggregate": "unknown", "assemblies": [component["bom-ref"] for component in listed]}
        ],
    }
    return document | {"serialNumber": serial(document)}


def serial(document: dict) -> str:
    """A serial number that is the same for the same content."""
    return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, records.digest(document))}"


def link(document: dict) -> str:
    """How another document refers to this one (CycloneDX BOM-Link)."""
    return f"{document['serialNumber'].replace('urn:uuid:', 'urn:cdx:')}/{document['version']}"


def completeness(sbom: dict) -> dict:
    """How much a bill says: counts only, no grade.

    Returns:
        components: kind -> attribute -> n, how many there are, and n_known; document: the same of the bill
            itself; left_out: what is not counted, and why.
    """
    related = {row["ref"] for row in sbom["dependencies"]}
    counts = {}
    for component in sbom["components"]:
        kind = next(row["value"] for row in component["properties"] if row["name"] == components.KIND)
        for attribute, is_known in components.known(component, related).items():
            count = counts.setdefault(kind, {}).setdefault(attribute, {"n": 0, "n_known": 0})
            count["n"] += 1
            count["n_known"] += is_known
    return {
        "components": counts,
        "document": {"author": {"n": 1, "n_known": int(bool(sbom["metadata"].get("authors")))}},
        "left_out": LEFT_OUT,
    }


def drift(sbom: dict, present: dict) -> list[str]:
    """Where a bill and an environment differ; [] when they agree.

    Args:
        present: distributions.installed() of all pins; or name -> version alone, under "version", to compare
            with pins.
    """
    listed = {
        component["name"]: component["version"] for component in sbom["components"] if "purl" in component
    }
    canonical = {canonicalize_name(name) for name in listed}
    faults = [
        f"{name}: the bill says {version}, found {present[name]['version'] if name in present else 'nothing'}"
        for name, version in listed.items()
        if name not in present or not components.same_version(version, present[name]["version"])
    ]
    faults += [
        f"{name}: found {row['version']}, the bill lacks it"
        for name, row in present.items()
        if name not in listed
    ]
    faults += [
        f"{need}: {name} needs it, the bill lacks it"
        for name, row in present.items()
        for need in row.get("requires", ())
        if need not in canonical
    ]
    return sorted(faults)
