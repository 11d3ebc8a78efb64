"""Beside the bundle: files whose hashes stand in its records or in DVC's lock, although the manifest does
not list them."""

import hashlib
import json
from functools import cache
from pathlib import Path, PurePosixPath

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.evidence.trace import tests
from radiotrace.evidence.verify import workflow
from radiotrace.evidence.verify.levels import Check, leads_out
from radiotrace.pipeline import dvcfile, params
from radiotrace.pipeline.study import Study, is_shared
from radiotrace.records import raw_files

PREDICTIONS, RAW = "build/evaluate/results/predictions", "data"


def named(evidence, study: Study) -> Check:
    """Level 3: predictions, raw files, code and tests are those that the records of the bundle name.

    Code and tests are the repository's, with the dvc.yaml of the first study: on these the tests ran.
    """
    check = Check(3, "predictions, raw data, code and tests are those that its records name")
    try:
        schema_of = {"cases": workflow.task_of(study).records["cases"]}
        cases, dataset, code = (
            records.read(Path(evidence) / f"{name}.json", schema_of.get(name, name))
            for name in ("cases", "dataset", "code")
        )
    except StageError as error:
        return Check(3, check.what, [error.headline, *error.findings])
    root = study.folder
    kinds = {
        PREDICTIONS: {case["prediction"]: case["prediction_sha256"] for case in cases["cases"]},
        RAW: raw_files.hashes(dataset["cases"]),
    }
    for folder, files in kinds.items():
        if not (root / folder).is_dir():
            check.skipped.append(f"{len(files)} files of {folder}/, which is not there: run 'make pull'")
            continue
        check.faults += [f"{folder}/{fault}" for fault in _faults(root / folder, files)]
    check.faults += _faults(study.repository, code["files"])
    tops = [name for name in (*tests.CODE, *tests.TESTS) if (study.repository / name).exists()]
    now = tests.tree(study.repository, tops)
    unlisted = sorted(now.keys() - code["files"].keys())
    check.faults += [f"{name}: new since the evidence was made" for name in unlisted]
    return check


def _faults(folder: Path, files: dict[str, str]) -> list[str]:
    """The files of a folder that are not there, or not as expected: path -> SHA-256."""
    fault_by_name = ((name, _fault(folder, name, expected)) for name, expected in sorted(files.items()))
    return [f"{name}: {fault}" for name, fault in fault_by_name if fault]


def _fault(folder: Path, name: str, expected: str) -> str | None:
    if leads_out(name):
        return "leads out of the clone"
    if not (folder / name).is_file():
        return "missing"
    digest = records.sha256(folder / name)
    return None if digest == expected else f"SHA-256 found {digest[:12]}…, expected {expected[:12]}…"


def locked(study: Study) -> Check:
    """Level 3: DVC's lock has every stage of dvc.yaml, and what it says of files, folders and parameters is
    so.

    A signature cannot cover the lock, since DVC writes it last.
    """
    root = study.folder
    check = Check(3, "dvc.lock has every stage, and is of the files and parameters that are here")
    try:
        lock, described = params.load_yaml(root / "dvc.lock"), dvcfile.load(root)
        check.faults = _unlocked(lock, described["stages"])
        stages = lock["stages"]
        entries, values = {}, []
        for name, stage in stages.items():
            listed = [*stage.get("deps", []), *stage.get("outs", [])]
            entries |= {(name, entry["path"]): entry["md5"] for entry in listed}
            for file, chosen in stage.get("params", {}).items():
                values += [(name, file, key, value) for key, value in chosen.items()]
        files = {file for _, file, _, _ in values}
        inside = [file for file in files if PurePosixPath(file).parts[:1] != ("..",)]
        now = {file: params.load_yaml(root / file) for file in inside}
    except (StageError, LookupError, TypeError, AttributeError) as error:
        return Check(3, check.what, [f"dvc.lock: cannot be read: {str(error).splitlines()[0]}"])
    hashes = cache(_md5)  # several stages read the same file
    for (name, path), expected in sorted(entries.items()):
        if fault := _strays(path, study):
            check.faults.append(f"dvc.lock: {name}: {path} {fault}")
        elif (root / path).exists() and hashes(root / path) != expected:
            check.faults.append(f"{path}: not what dvc.lock has for the stage {name}")
    check.faults += [
        f"{file}: {key} is not what dvc.lock has for the stage {name}"
        for name, file, key, value in values
        if _value(now.get(file), key) != value
    ]
    return check


def _strays(path: str, study: Study) -> str | None:
    """Why a path of a lock is none of the study's or of what studies share; None where it is."""
    if leads_out(path, study.up):
        return "leads out of the clone"
    is_above = study.up and path.startswith(study.up)
    if is_above and not is_shared(path.removeprefix(study.up)):
        return "is of another study"
    return None


def parameters(evidence, root) -> Check:
    """Level 3: params.yaml says what the stages recorded that they took; the lock says it too, but may be
    written to fit."""
    check = Check(3, "params.yaml is what the stages took")
    try:
        recorded = records.read(Path(evidence) / "hyperparameters.json", "hyperparameters")["stages"]
        values = json.loads(records.dumps(params.read(Path(root) / "params.yaml")))
    except StageError as error:
        return Check(3, check.what, [error.headline, *error.findings])
    for stage, taken in recorded.items():
        now = values.get(stage, {}) | ({"seed": values["seed"]} if "seed" in taken else {})
        # a stage that takes a further section has it under its name
        further = (name for name in taken.keys() - now.keys() if isinstance(values.get(name), dict))
        now |= {name: values[name] for name in further}
        names = sorted(key for key in taken.keys() | now.keys() if taken.get(key) != now.get(key))
        check.faults += [
            f"params.yaml: {stage}.{key}: found {json.dumps(now.get(key))[:60]}, the stage took "
            f"{json.dumps(taken.get(key))[:60]}"
            for key in names
        ]
    return check


def _unlocked(lock: dict, described: dict) -> list[str]:
    """Where the lock leaves out, or has beside, what dvc.yaml says of a stage: DVC would run it again, or
    believe what nobody ran."""
    faults = [
        f"dvc.lock: {key}: found a key that DVC's lock does not have"
        for key in lock.keys() - {"schema", "stages"}
    ]
    for name in sorted(described.keys() | lock["stages"].keys(), key=str):
        stage, locked_stage = described.get(name), lock["stages"].get(name)
        if stage is None or locked_stage is None:
            fault = "not locked" if locked_stage is None else "dvc.yaml has no such stage"
            faults.append(f"dvc.lock: {name}: {fault}")
            continue
        params_of_stage = {"params.yaml": sorted(stage["params"])} if stage.get("params") else {}
        locked_params = {file: sorted(keys) for file, keys in locked_stage.get("params", {}).items()}
        pairs = {
            "cmd": (stage["cmd"], locked_stage["cmd"]),
            "deps": (_paths(stage, "deps"), _paths(locked_stage, "deps")),
            "outs": (_paths(stage, "outs", "metrics", "plots"), _paths(locked_stage, "outs")),
            "params": (params_of_stage, locked_params),
        }
        for kind, (expected, stated) in pairs.items():
            if expected != stated:
                faults.append(f"dvc.lock: {name}: {kind}: not those of dvc.yaml")
    return faults


def _paths(stage: dict, *kinds: str) -> list[str]:
    entries = [entry for kind in kinds for entry in stage.get(kind, [])]
    return sorted(
        entry if isinstance(entry, str) else entry.get("path") or next(iter(entry)) for entry in entries
    )


def _md5(path: Path) -> str:
    """MD5 as DVC has it: of a folder, that of a list of its files.

    What Python caches is left out, as .dvcignore has it.
    """
    if path.is_dir():
        files = sorted(
            file
            for file in path.rglob("*")
            if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".pyc"
        )
        rows = [{"md5": _md5(file), "relpath": file.relative_to(path).as_posix()} for file in files]
        text = json.dumps(sorted(rows, key=lambda row: row["relpath"]), sort_keys=True)
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() + ".dir"
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _value(parameters, key: str):
    """What stands under a key such as 'train.epochs'; None where nothing does."""
    for name in key.split("."):
        parameters = parameters.get(name) if isinstance(parameters, dict) else None
    return parameters
