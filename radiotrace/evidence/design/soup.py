"""Software of unknown provenance: software/design/soup.yaml, and the record of it with versions and hashes
from the bills of materials."""

from collections import Counter

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.evidence.formats import sbom
from radiotrace.pipeline import params


def load(path, pins: dict[str, dict[str, str]]) -> dict:
    """The list that people wrote.

    Args:
        pins: file of pins -> name -> version.

    Raises:
        StageError: the file breaks its schema, a name stands twice, or an entry names a pin or another entry
            that there is not; names every fault.
    """
    soup = params.load_yaml(path)
    if broken := records.faults(soup, "soup") or faults(soup, pins):
        raise StageError(
            f"{path} does not hold", broken, f"Correct {path}; what each key means is explained there."
        )
    return soup


def faults(soup: dict, pins: dict[str, dict[str, str]]) -> list[str]:
    """Where the list contradicts itself or the pins; [] when it does not."""
    times = Counter(entry["name"] for entry in soup["soup"])
    broken = [f"{name} stands twice" for name in sorted(times) if times[name] > 1]
    broken += [
        f"{entry['name']}: not in {entry['pins']}"
        for entry in soup["soup"]
        if entry["pins"] and entry["name"] not in pins[entry["pins"]]
    ]
    return broken + [
        f"{entry['name']}: loaded by {entry['loaded_by']}, which is not in the list"
        for entry in soup["soup"]
        if entry["loaded_by"] is not None and entry["loaded_by"] not in times
    ]


def record(soup: dict, runtime: dict, build: dict) -> dict:
    """The record 'soup_list': each entry with the version and the SHA-256 that the bills state, and how
    complete the bills are.

    Args:
        runtime, build: of sbom.runtime and sbom.build. Version and sha256 are None where they are not known.
    """
    components = {component["name"]: component for component in build["components"] + runtime["components"]}
    rows = []
    for entry in soup["soup"]:
        component = components[entry["name"]]
        version = component.get("version") if entry["pins"] else None
        hashes = [row["content"] for row in component.get("hashes", ())]
        rows.append(entry | {"version": version, "sha256": hashes[0] if hashes else None})
    return {
        "author": soup["author"],
        "soup_sha256": records.digest(soup),
        "soup": rows,
        "anomaly_lists": {
            "n": len(soup["soup"]),
            "n_read": sum(entry["anomaly_list_read"] is not None for entry in soup["soup"]),
        },
        "completeness": {"runtime": sbom.completeness(runtime), "build": sbom.completeness(build)},
    }
