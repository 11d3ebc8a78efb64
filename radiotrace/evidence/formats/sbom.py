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


def runtime(pins: dict, found: dict, soup: dict, wheels: dict, product: dict) -> dict:
    """The bill of what the product runs on.

    Args:
        pins: file of pins -> name -> version: together the whole closure. What is installed beside it never
            enters.
        found: distributions.installed() of all of them.
        soup: software/design/soup.yaml, as soup.load gives it.
        wheels: software/design/wheels.json.
        product: its name and version.
    """
    entries = {entry["name"]: entry for entry in soup["soup"] if entry["pins"] in (*pins, None)}
    versions = {name: version for of_file in pins.values() for name, version in of_file.items()}
    named = {canonicalize_name(name): name for name in versions}
    parts = [
        components.of_distribution(
            name,
            version,
            "direct" if name in entries else "transitive",
            file,
            found.get(name),
            entries.get(name),
            wheels,
            "required",
        )
        for file, of_file in pins.items()
        for name, version in of_file.items()
    ]
    parts += [components.of_platform(entry) for entry in entries.values() if entry["pins"] is None]
    refs = {one["name"]: one["bom-ref"] for one in parts}
    edges = {
        refs[name]: {refs[named[need]] for need in found[name]["requires"] if need in named}
        for name in versions
        if name in found
    }
    edges[product["name"]] = {refs[name] for name, entry in entries.items() if entry["loaded_by"] is None}
    for name, entry in entries.items():
        if entry["loaded_by"] is not None:
            edges[refs[entry["loaded_by"]]].add(refs[name])
    return _document(
        parts, [{"ref": ref, "dependsOn": sorted(to)} for ref, to in sorted(edges.items())], soup, product
    )


def build(pins: dict, soup: dict, wheels: dict, product: dict) -> dict:
    """The bill of the tools that build and test the product, and of what it can run on in a cluster.

    Of tools only what pins, soup.yaml and wheels.json say, because they need not be installed where evidence
    is made.

    Args:
        pins: file of pins -> name -> version.
        soup, wheels, product: as runtime.
    """
    entries = {(entry["pins"], entry["name"]): entry for entry in soup["soup"]}
    parts = [
        components.of_distribution(
            name,
            version,
            "direct" if (file, name) in entries else "tool",
            file,
            None,
            entries.get((file, name)),
            wheels,
            components.SCOPES.get(file, "excluded"),
        )
        for file, versions in pins.items()
        for name, version in versions.items()
    ]
    return _document(parts, [], soup, product)


def _document(parts: list[dict], dependencies: list[dict], soup: dict, product: dict) -> dict:
    """The document; its serial number is made of its content.

    What is unknown of a component stands on it, one property each.
    """
    parts = sorted(parts, key=lambda one: one["bom-ref"])
    related = {one["ref"] for one in dependencies}
    for one in parts:
        unknown = [attribute for attribute, known in components.known(one, related).items() if not known]
        one["properties"] += components.properties_of(
            ("radiotrace:unknown", attribute) for attribute in unknown
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
                *(("radiotrace:not_listed", what) for what in NOT_LISTED),
                *((f"radiotrace:{name}", why) for name, why in LEFT_OUT.items()),
            ]
        ),
    }
    made = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": about,
        "components": parts,
        "dependencies": dependencies,
        "compositions": [{"aggregate": "unknown", "assemblies": [one["bom-ref"] for one in parts]}],
    }
    return made | {"serialNumber": serial(made)}


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
    related = {one["ref"] for one in sbom["dependencies"]}
    counts = {}
    for one in sbom["components"]:
        kind = next(row["value"] for row in one["properties"] if row["name"] == components.KIND)
        for attribute, known in components.known(one, related).items():
            row = counts.setdefault(kind, {}).setdefault(attribute, {"n": 0, "n_known": 0})
            row["n"] += 1
            row["n_known"] += known
    return {
        "components": counts,
        "document": {"author": {"n": 1, "n_known": int(bool(sbom["metadata"].get("authors")))}},
        "left_out": LEFT_OUT,
    }


def drift(sbom: dict, found: dict) -> list[str]:
    """Where a bill and an environment differ; [] when they agree.

    Args:
        found: distributions.installed() of all pins; or name -> version alone, under "version", to compare
            with pins.
    """
    listed = {one["name"]: one["version"] for one in sbom["components"] if "purl" in one}
    canonical = {canonicalize_name(name) for name in listed}
    faults = [
        f"{name}: the bill says {version}, found {found[name]['version'] if name in found else 'nothing'}"
        for name, version in listed.items()
        if name not in found or not components.same_version(version, found[name]["version"])
    ]
    faults += [
        f"{name}: found {row['version']}, the bill lacks it"
        for name, row in found.items()
        if name not in listed
    ]
    faults += [
        f"{need}: {name} needs it, the bill lacks it"
        for name, row in found.items()
        for need in row.get("requires", ())
        if need not in canonical
    ]
    return sorted(faults)
