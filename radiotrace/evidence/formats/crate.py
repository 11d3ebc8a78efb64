"""The run as an RO-Crate: which script of which stage made which file from which files, each by SHA-256.

Profile: Provenance Run Crate 0.5 on RO-Crate 1.1 (with Workflow Run Crate, Process Run Crate and Workflow
RO-Crate 1.0, which it extends). The root of the crate is the folder of the bundle; what lies outside of it,
such as dvc.yaml, is named '../dvc.yaml' and found in a clone. No action has a time, a host or an agent: the
document is the same for every run of the same inputs.
"""

import json
import re
from pathlib import PurePosixPath
from urllib.parse import quote

from radiotrace.evidence.formats import provenance

CONTEXT = ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"]
SPECIFICATION = "https://w3id.org/ro/crate/1.1"
WORKFLOW_CRATE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/ro/wfrun/provenance/0.5": "Provenance Run Crate",
    WORKFLOW_CRATE: "Workflow RO-Crate",
}
DVC = "https://dvc.org/"
MEDIA_TYPES = {
    "json": "application/json",
    "jsonl": "application/jsonl",
    "yaml": "application/yaml",
    "py": "text/x-python",
    "svg": "image/svg+xml",
    "html": "text/html",
    "txt": "text/plain",
    "sha256": "text/plain",
}
BUNDLE, DATA_FOLDER, RUN, DESCRIPTOR = "evidence", "data", "#run", "ro-crate-metadata.json"


LICENCE_URL = "https://spdx.org/licenses/MIT"  # of code and bundle; the licence of the data is the card's


def crate(run: dict, workflow: dict, files: list[dict], card: dict, date_published: str) -> dict:
    """The content of ro-crate-metadata.json.

    Args:
        run: the record 'run'.
        workflow: dvc.yaml, parsed.
        files: {path, sha256, bytes} of the workflow, of every file of the bundle except
            ro-crate-metadata.json, and of whatever else is vouched for; other keys are ignored. sha256 and
            bytes are null where the file lists the crate, so that the crate cannot hold its hash.
        card: the record 'dataset_card'.
        date_published: day of the release, YYYY-MM-DD: a decision of people, not the clock.

    Raises:
        ValueError: a file that a stage read is listed with another hash, the workflow is not listed or the
            crate itself is, or the date is no day.
    """
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", date_published):
        raise ValueError(f"date_published is {date_published!r}, expected YYYY-MM-DD")
    rows = _rows(run, files)
    made = provenance.outputs(workflow)
    stages = [stage["stage"] for stage in run["stages"]]
    results = {name: _results(name, rows, made) for name in stages}
    scripts = {_script(stage): sorted(stage["code"].keys() - {_script(stage)}) for stage in run["stages"]}
    code = {path for stage in run["stages"] for path in stage["code"]}
    entities = [_file(row, code, scripts) for row in rows.values() if row["path"] != provenance.WORKFLOW]
    entities += [_unlisted(path) for name in stages for path in results[name] if path not in rows]
    entities += [_workflow(rows[provenance.WORKFLOW], run["stages"]), _data(run, card)]
    parts = sorted(entity["@id"] for entity in entities)
    for position, stage in enumerate(run["stages"]):
        entities += _stage(stage, position, workflow["stages"][stage["stage"]], results[stage["stage"]])
    entities += [_whole(run, made, results), *_context(card)]
    head = _head(run["run_id"], parts, stages, date_published)
    return {"@context": CONTEXT, "@graph": [*head, *sorted(entities, key=lambda entity: entity["@id"])]}


def _head(run_id: str, parts: list[str], stages: list[str], date_published: str) -> list[dict]:
    """The descriptor of the crate and its root."""
    actions = [RUN, *(f"#{name}" for name in stages), *(f"#{name}-control" for name in stages)]
    return [
        {
            "@id": DESCRIPTOR,
            "@type": "CreativeWork",
            "about": _ref("./"),
            "license": _ref(LICENCE_URL),
            "conformsTo": _refs([SPECIFICATION, WORKFLOW_CRATE]),
        },
        {
            "@id": "./",
            "@type": "Dataset",
            "name": f"Run {run_id[:12]} of {provenance.WORKFLOW}",
            "identifier": run_id,
            "description": "Evidence of a run: its records, and the actions that made them. dvc.lock has "
            "the rest of what they made, by MD5.",
            "datePublished": date_published,
            "license": _ref(LICENCE_URL),
            "conformsTo": _refs(PROFILES),
            "mainEntity": _ref(_id(provenance.WORKFLOW)),
            "hasPart": _refs(parts),
            "mentions": _refs(actions),
        },
    ]


def _rows(run: dict, files: list[dict]) -> dict[str, dict]:
    """Path -> row of every known file: those that are listed, those that stages read, code and pins."""
    rows = {}
    for row in files:
        rows[row["path"]] = {"path": row["path"], "sha256": row["sha256"], "bytes": row["bytes"]}
    if provenance.WORKFLOW not in rows:
        raise ValueError(f"{provenance.WORKFLOW} is not among the files")
    if f"{BUNDLE}/{DESCRIPTOR}" in rows:
        raise ValueError(f"{BUNDLE}/{DESCRIPTOR} is among the files: it cannot hold its own hash")
    changed = []
    for path, digest in provenance.hashes(run, "code", "inputs", provenance.PINS).items():
        row = rows.setdefault(path, {"path": path, "sha256": digest, "bytes": None})
        if row["sha256"] != digest:
            changed.append(path)
    if changed:
        raise ValueError(f"listed with another hash than a stage saw: {', '.join(sorted(changed))}")
    return rows


def _script(stage: dict) -> str:
    """Path of a stage's script: of its code, the one file below stages/ that has its name."""
    return next(
        path
        for path in sorted(stage["code"])
        if path.startswith("stages/") and path.endswith(f"/{stage['stage']}.py")
    )


def _id(path: str) -> str:
    """Reference of a file, relative to the folder of the bundle."""
    inside = path.startswith(f"{BUNDLE}/")
    return quote(path.removeprefix(f"{BUNDLE}/") if inside else f"../{path}")


def _ref(identifier: str) -> dict:
    return {"@id": identifier}


def _refs(identifiers) -> list[dict]:
    return [_ref(identifier) for identifier in identifiers]


def _results(stage: str, rows: dict[str, dict], made: dict[str, list[str]]) -> list[str]:
    """Known files that a stage made, sorted. An output without a known file stands for itself, a folder with
    a slash."""
    results = []
    for out in made[stage]:
        known = [path for path in rows if provenance.is_made(path, {stage: [out]})]
        results += known or [out if PurePosixPath(out).suffix else f"{out}/"]
    return sorted(set(results))


def _unlisted(path: str) -> dict:
    is_folder = path.endswith("/")
    return {
        "@id": _id(path),
        "@type": "Dataset" if is_folder else "File",
        "name": path,
        "description": f"This bundle does not list {'its files' if is_folder else 'it'} by SHA-256; "
        "dvc.lock has its MD5.",
    }


def _file(row: dict, code: set[str], scripts: dict[str, list[str]]) -> dict:
    """A file; a script also says what it imports."""
    path = row["path"]
    entity = {
        "@id": _id(path),
        "@type": ["File", "SoftwareSourceCode"] if path in code else "File",
        "name": path,
        "encodingFormat": MEDIA_TYPES.get(path.rpartition(".")[2], "application/octet-stream"),
    }
    if row["sha256"] is None:
        entity["description"] = "It lists this crate, so that its hash cannot stand here."
    else:
        entity["sha256"] = row["sha256"]
    if row["bytes"] is not None:
        entity["contentSize"] = str(row["bytes"])
    if path in scripts:
        entity["hasPart"] = _refs(_id(imported) for imported in scripts[path])
    return entity


def _workflow(row: dict, stages: list[dict]) -> dict:
    return _file(row, set(), {}) | {
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
        "programmingLanguage": _ref(DVC),
        "hasPart": _refs(_id(_script(stage)) for stage in stages),
        "step": _refs(f"#{stage['stage']}-step" for stage in stages),
    }


def _data(run: dict, card: dict) -> dict:
    return {
        "@id": _id(f"{DATA_FOLDER}/"),
        "@type": "Dataset",
        "name": card["name"],
        "url": card["url"],
        "license": _ref(card["licence_url"]),
        "description": f"Raw images and label maps. Root over all files: SHA-256 "
        f"{run['dataset_root_sha256']}.",
    }


def _stage(stage: dict, position: int, declared: dict, results: list[str]) -> list[dict]:
    """The step, its execution, what was executed, and the parameters that went in."""
    name = stage["stage"]
    params = [
        {
            "@id": f"#{name}-param-{quote(key)}",
            "@type": "PropertyValue",
            "name": f"{name}.{key}",
            "value": _value(value),
        }
        for key, value in sorted(stage["params"].items())
    ]
    paths = [f"{DATA_FOLDER}/"] if DATA_FOLDER in declared["deps"] else []
    paths += sorted({*stage["inputs"], *stage["requirements_sha256"]})
    objects = [_id(path) for path in paths] + [param["@id"] for param in params]
    return [
        {
            "@id": f"#{name}-step",
            "@type": "HowToStep",
            "name": name,
            "position": position,
            "workExample": _ref(_id(_script(stage))),
        },
        {
            "@id": f"#{name}-control",
            "@type": "ControlAction",
            "name": f"Orchestrate {name}",
            "instrument": _ref(f"#{name}-step"),
            "object": _ref(f"#{name}"),
        },
        {
            "@id": f"#{name}",
            "@type": "CreateAction",
            "name": declared.get("desc", name),
            "description": " ".join(declared["cmd"].split()),
            "instrument": _ref(_id(_script(stage))),
            "object": _refs(objects),
            "result": _refs(_id(path) for path in results),
        },
        *params,
    ]


def _value(value):
    """A number, text or truth value as it is; anything else as JSON text."""
    return value if isinstance(value, (str, int, float, bool)) else json.dumps(value, sort_keys=True)


def _whole(run: dict, made: dict[str, list[str]], results: dict[str, list[str]]) -> dict:
    """The execution of the workflow. Its objects are what no stage made, its results what stages made."""
    read = [*provenance.hashes(run, "inputs", provenance.PINS), f"{DATA_FOLDER}/"]
    made_by_none = [path for path in sorted(read) if not provenance.is_made(path, made)]
    return {
        "@id": RUN,
        "@type": "CreateAction",
        "name": f"Run {run['run_id'][:12]}",
        "description": "dvc repro",
        "instrument": _ref(_id(provenance.WORKFLOW)),
        "object": _refs(map(_id, made_by_none)),
        "result": _refs(map(_id, sorted(set().union(*results.values())))),
    }


def _context(card: dict) -> list[dict]:
    """Entities that are no files and that others refer to: licences, profiles, the language."""
    licences = [
        {"@id": url, "@type": "CreativeWork", "name": f"Licence of the {licensed}"}
        for url, licensed in {card["licence_url"]: "data", LICENCE_URL: "code and the bundle"}.items()
    ]
    profiles = [
        {"@id": url, "@type": "CreativeWork", "name": name, "version": url.rpartition("/")[2]}
        for url, name in PROFILES.items()
    ]
    return [
        *licences,
        *profiles,
        {
            "@id": DVC,
            "@type": "ComputerLanguage",
            "name": "DVC pipeline",
            "identifier": _ref(DVC),
            "url": _ref(DVC),
        },
    ]
