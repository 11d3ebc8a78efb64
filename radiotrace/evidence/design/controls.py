"""Design controls: everything that people wrote in design/, read, checked against the schemas and across
files."""

from pathlib import Path

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.evidence.design import (
    compliance,
    criteria,
    negative_controls,
    pccp,
    requirements,
    reviews,
    risks,
)
from radiotrace.evidence.formats import croissant
from radiotrace.pipeline import params

# files of one record each, named for their schemas
WHOLE = ("intended_use", "statistical_plan", "risks", "pccp", "anomalies", "dataset_card")

# lists whose entries are reviewed one by one
APART_OF_RISKS, APART_OF_PCCP = ("hazards", "controls"), ("modifications",)
REVIEWED_APART = (APART_OF_RISKS, APART_OF_PCCP)


def load(folder) -> dict:
    """What stands in design/.

    Returns:
        folder; requirements, the record; negative_controls: id -> fault; reviews: lines of reviews.jsonl; the
        records of WHOLE;
        compliance: the checklists, by name.

    Raises:
        StageError: a file breaks its schema, or names what is not there; names every fault.
    """
    folder = Path(folder)
    found = {
        "folder": folder,
        "requirements": requirements.load(folder / "requirements.yaml"),
        "negative_controls": negative_controls.load(folder / "negative_controls.yaml"),
        "reviews": reviews.read(folder / "reviews.jsonl"),
    }
    found |= {name: _checked(folder / f"{name}.yaml", name) for name in WHOLE}
    found["compliance"] = [
        _checked(path, "compliance") for path in sorted((folder / "compliance").glob("*.yaml"))
    ]
    if broken := contradictions(found):
        raise StageError(
            f"files of {folder}/ do not fit together",
            broken,
            "Correct the file that names what is not there.",
        )
    return found


def _checked(path: Path, schema: str) -> dict:
    found = params.load_yaml(path)
    if broken := records.faults(found, schema):
        raise StageError(f"{path} breaks schemas/{schema}.schema.json", broken, f"Correct {path}.")
    return found


def files(folder) -> list[Path]:
    """Every file of design/, sorted."""
    return sorted(path for path in Path(folder).rglob("*") if path.is_file())


def contradictions(design: dict) -> list[str]:
    """Every name in one file that another file does not know, and what contradicts itself; [] when all
    fit."""
    needs = {need["id"] for need in design["requirements"]["user_needs"]}
    broken = []
    for one in design["requirements"]["requirements"]:
        broken += [
            f"{one['id']}: parent {name} is no user need" for name in one["parents"] if name not in needs
        ]
        for name in one["verification"]["negative_controls"]:
            control = design["negative_controls"].get(name)
            if control is None:
                broken.append(f"{one['id']}: {name} is not in negative_controls.yaml")
            elif ("predictions" in control) != ("acceptance" in one):
                broken.append(
                    f"{one['id']}: {name} is a fault of "
                    f"{'predictions' if 'predictions' in control else 'code'}, which cannot move it"
                )
    clauses = {row["id"] for standard in design["compliance"] for row in standard["rows"]}
    broken += [
        f"{one['id']}: clause {name} is in no checklist"
        for one in design["requirements"]["requirements"]
        for name in one["clauses"]
        if name not in clauses
    ]
    controls_of = {one["id"]: one["risk_controls"] for one in design["requirements"]["requirements"]}
    hazards, controls = ({one["id"] for one in design["risks"][key]} for key in ("hazards", "controls"))
    broken += risks.faults(design["risks"], controls_of)
    broken += risks.unknown(
        design["anomalies"]["anomalies"], {"requirements": set(controls_of), "hazards": hazards}
    )
    broken += pccp.faults(design["pccp"], set(controls_of), hazards, controls)
    broken += criteria.unknown(
        design["requirements"], design["dataset_card"].get("dataset", {}).get("labels")
    )
    broken += croissant.card_faults(design["dataset_card"])
    return broken + [
        f"{standard['id']}: {fault}"
        for standard in design["compliance"]
        for fault in compliance.faults(standard)
    ]


def items(design: dict) -> dict[str, dict]:
    """Everything that is reviewed, by id: entries of the lists, and the texts that are reviewed as one."""
    entries = (
        *design["requirements"]["user_needs"],
        *design["requirements"]["requirements"],
        *design["negative_controls"].values(),
        *design["risks"]["hazards"],
        *design["risks"]["controls"],
        *design["anomalies"]["anomalies"],
        *design["pccp"]["modifications"],
    )
    texts = {name: design[name] for name in ("intended_use", "statistical_plan", "dataset_card")}
    texts |= {
        "risk_policy": _without(design["risks"], *APART_OF_RISKS),
        "pccp": _without(design["pccp"], *APART_OF_PCCP),
    }
    return (
        {one["id"]: one for one in entries}
        | texts
        | {f"compliance_{standard['id']}": standard for standard in design["compliance"]}
    )


def _without(record: dict, *keys: str) -> dict:
    """What a record says beside the entries that are reviewed one by one."""
    return {key: value for key, value in record.items() if key not in keys}
