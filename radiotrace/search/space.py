"""The space of a search: read from a study's design, and held against its params.yaml and its pipeline.

A search chooses on the validation part of the training of each trial. So it may turn what the stage train
takes and nothing before it, which would change the very cases that are compared; and no stage up to train may
open the test part.
"""

import copy
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.pipeline import dvcfile, params
from radiotrace.pipeline.study import PATHS
from radiotrace.records.search import Parameter, SearchSpace

TRAIN = "train"
OPENS_TEST = "--openings"  # the option by which a stage is given the ledger of looks at the test part
KEPT = ("seed", "split.")  # what decides which cases are compared


def read(path: str | Path) -> SearchSpace:
    """The space in a file.

    Raises:
        StageError: the file is missing, is no YAML, or breaks its schema.
    """
    content = params.load_yaml(path)
    if broken := records.faults(content, "search_space"):
        raise StageError(
            f"{path} breaks schemas/search_space.schema.json", broken, "docs/search.md says what it may have."
        )
    return SearchSpace.of(content)


def sha256(space: SearchSpace) -> str:
    """Of a space, however its file is laid out."""
    return records.digest(space.record())


def faults(space: SearchSpace, folder: Path) -> list[str]:
    """What does not fit together in a space, or does not fit the study in a folder.

    Each end of a range and each choice is put into params.yaml and held against its schemas, so that no trial
    fails of a value that could be told before.
    """
    values = params.read(folder / dvcfile.PARAMS)
    sections = set(_stages(folder)[TRAIN].get("params", [])) - {"seed"}
    paths = [entry.path for entry in (*space.parameters, *space.fixed)]
    twice = sorted({path for path in paths if paths.count(path) > 1})
    faults = [f"{path}: stands twice" for path in twice]
    for parameter in space.parameters:
        faults += _range_faults(parameter)
    for path in dict.fromkeys(paths):
        section = path.split(".")[0]
        if section not in sections:
            faults.append(
                f"{path}: found a parameter of {section}, expected one of {', '.join(sorted(sections))}: "
                "what lies before training decides which cases are compared"
            )
        elif not _is_there(values, path):
            faults.append(f"{path}: params.yaml has no such value")
    if faults:
        return faults
    values = with_values(values, {fixed.path: fixed.value for fixed in space.fixed})
    faults = [f"fixed: {fault}" for fault in params.faults(values)]
    for parameter in space.parameters:
        for value in _ends(parameter):
            broken = params.faults(with_values(values, {parameter.path: value}))
            faults += [f"{parameter.path} {json.dumps(value)}: {fault}" for fault in broken]
    return list(dict.fromkeys(faults))


def _range_faults(parameter: Parameter) -> list[str]:
    path, low, high = parameter.path, parameter.low, parameter.high
    if parameter.values is not None:
        texts = [json.dumps(value, sort_keys=True) for value in parameter.values]
        return [
            f"{path}: {text} stands twice among its values"
            for text in sorted(set(texts))
            if texts.count(text) > 1
        ]
    if low is None or high is None:  # which the schema has refused
        return []
    faults = []
    if not low < high:
        faults.append(f"{path}: found low {low:g} and high {high:g}, expected low below high")
    if parameter.log and low <= 0:
        faults.append(f"{path}: found low {low:g}, expected more than 0 where log is true")
    if parameter.kind == "int" and (low != int(low) or high != int(high)):
        faults.append(f"{path}: found {low:g} to {high:g}, expected whole numbers for an int")
    return faults


def _ends(parameter: Parameter) -> tuple[Any, ...]:
    if parameter.values is not None:
        return parameter.values
    if parameter.kind == "int":
        return int(parameter.low or 0), int(parameter.high or 0)
    return parameter.low, parameter.high


def _is_there(values: Mapping[str, Any], path: str) -> bool:
    for key in path.split("."):
        if not isinstance(values, Mapping) or key not in values:
            return False
        values = values[key]
    return True


def with_values(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the values of params.yaml with others in some places.

    Args:
        changes: path -> value.
    """
    changed = copy.deepcopy(dict(values))
    for path, value in changes.items():
        *outer, name = path.split(".")
        section = changed
        for key in outer:
            section = section[key]
        section[name] = value
    return changed


def without(values: Mapping[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """A copy of the values of params.yaml with null in some places."""
    return with_values(values, dict.fromkeys(paths))


def stages_of_a_trial(folder: Path) -> list[str]:
    """The stages that a trial runs: train and those whose outputs it needs, however indirectly, sorted.

    Raises:
        StageError: one of them is given the ledger of the test part.
    """
    stages = _stages(folder)
    maker = {out: name for name, stage in stages.items() for out in _outs(stage)}
    needed, waiting = set(), [TRAIN]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += [maker[made] for dep in stages[name]["deps"] if (made := _made(dep, maker))]
    opening = sorted(name for name in needed if OPENS_TEST in dvcfile.command(stages[name])[1])
    if opening:
        raise StageError(
            "a search would open the test part",
            [
                f"{dvcfile.WORKFLOW}: stage {name} has the option {OPENS_TEST} and runs up to {TRAIN}"
                for name in opening
            ],
            "'make deps' writes dvc.yaml as the task declares it; a search chooses on validation alone.",
        )
    return sorted(needed)


def base_sha256(space: SearchSpace, folder: Path) -> str:
    """Over all that decides a trial but what the space sets: files that its stages read, their parameters.

    Of a dep whose name a parameter decides, such as the code of a network, the value in params.yaml counts,
    or nothing where that is searched.
    """
    values, stages = dvcfile.parameters(folder), _stages(folder)
    named = [entry.path for entry in (*space.parameters, *space.fixed)]
    rest = without(values, named)
    maker = {out: name for name, stage in stages.items() for out in _outs(stage)}
    hashes, sections = {}, {}
    for name in stages_of_a_trial(folder):
        for dep in stages[name]["deps"]:
            # data/ is held against its manifest, which is a dep as well
            if dep == PATHS["data"] or _made(dep, maker):
                continue
            path = str(dvcfile.put_in(dep, rest))
            hashes[dep] = records.sha256(folder / path) if (folder / path).is_file() else None
        sections |= {section: rest[section] for section in stages[name].get("params", [])}
    return records.digest({"files": hashes, "params": sections})


def _stages(folder: Path) -> dict[str, Any]:
    """Of dvc.yaml as it stands, so that a name that a parameter decides is not put in."""
    return params.load_yaml(folder / dvcfile.WORKFLOW)["stages"]


def _outs(stage: Mapping[str, Any]) -> list[str]:
    kinds = ("outs", "metrics", "plots")
    return [out if isinstance(out, str) else next(iter(out)) for kind in kinds for out in stage.get(kind, [])]


def _made(dep: str, maker: Mapping[str, str]) -> str | None:
    """The out that a dep is, or lies in."""
    return next((out for out in maker if dep == out or dep.startswith(f"{out}/")), None)
