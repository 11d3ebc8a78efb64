"""Software of unknown provenance: software/design/soup.yaml, and the record of it with versions and hashes
from the bills of materials."""

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
    found = params.load_yaml(path)
    if broken := records.faults(found, "soup") or faults(found, pins):
        raise StageError(
            f"{path} does not hold", broken, f"Correct {path}; what each key means is explained there."
        )
    return found


def faults(soup: dict, pins: dict[str, dict[str, str]]) -> list[str]:
    """Where the list contradicts itself or the pins; [] when it does not."""
    names = [entry["name"] for entry in soup["soup"]]
    found = [f"{name} stands twice" for name in sorted({name for name in names if names.count(name) > 1})]
    found += [
        f"{entry['name']}: not in {entry['pins']}"
        for entry in soup["soup"]
        if entry["pins"] and entry["name"] not in pins[entry["pins"]]
    ]
    return found + [
        f"{entry['name']}: loaded by {entry['loaded_by']}, which is not in the list"
        for entry in soup["soup"]
        if entry["loaded_by"] is not None and entry["loaded_by"] not in names
    ]


def record(soup: dict, runtime: dict, build: dict) -> dict:
    """The record 'soup_list': each entry with the version and the SHA-256 that the bills state, and how
    complete the bills are.

    Args:
        runtime, build: of sbom.runtime and sbom.build. Version and sha256 are None where they are not known.
    """
    listed = {one["name"]: one for bill in (build, runtime) for one in bill["components"]}
    return {
        "author": soup["author"],
        "soup_sha256": records.digest(soup),
        "soup": [
            entry
            | {
                "version": listed[entry["name"]].get("version") if entry["pins"] else None,
                "sha256": next((one["content"] for one in listed[entry["name"]].get("hashes", ())), None),
            }
            for entry in soup["soup"]
        ],
        "anomaly_lists": {
            "n": len(soup["soup"]),
            "n_read": sum(entry["anomaly_list_read"] is not None for entry in soup["soup"]),
        },
        "completeness": {"runtime": sbom.completeness(runtime), "build": sbom.completeness(build)},
    }
