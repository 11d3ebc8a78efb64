"""Remade: every stage but train and evidence, run again on what the clone has of the stages before, gives the
same files.

So each record is made from the data and from the weights, and not believed; level 6 makes the weights, too.
"""

import json
import shutil
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.evidence.signing import dsse
from radiotrace.evidence.verify import differences, workflow
from radiotrace.evidence.verify.levels import Check, Clone, misled, started
from radiotrace.pipeline import dvcfile, params
from radiotrace.pipeline.study import Study

WHAT = "every stage but train, run again, gives the same records"
NOT_REMADE = ("train", "evidence")  # which level 6 and level 3 make again
# options that name a folder to write, where its value is no record to read
FOLDERS = ("--out", "--metrics", "--metrics-folder")
LEDGER = "--openings"
SHOWN = 5  # faults of one file


@dataclass(frozen=True)
class Plan:
    """How a stage is run again.

    Attributes:
        start: the folder in which it starts, as the study sees it.
        words: of its command, without 'python', with all outputs in a temporary folder.
        outputs: path in the clone -> path of what is made again.
    """

    start: str
    words: list[str]
    outputs: dict[str, Path]


def remade(study: Study) -> dict[str, workflow.Stage]:
    """The stages of a study that are run again, by name."""
    return {name: stage for name, stage in workflow.of(study).items() if name not in NOT_REMADE}


def plan(stage: workflow.Stage, described: dict, root: Path, folder: Path) -> Plan:
    """The command of a stage, writing below a folder.

    Args:
        stage: as its task declares it.
        described: its entry in dvc.yaml.

    Raises:
        StageError: the command is not that of the stage, or names an output nowhere, so that it would write
            into the clone.
    """
    start, words = dvcfile.command(described)
    if words[:3] != ["python", "-m", stage.module]:
        raise StageError(
            f"dvc.yaml: the stage {stage.name} is '{' '.join(words[:3])} …', expected 'python -m "
            f"{stage.module} …'"
        )
    # of several words of an option the first; those that are outputs have one
    options = {word: value for word, value in pairwise(words[3:]) if word.startswith("--")}
    outputs = {}
    made = [
        next(iter(out)) if isinstance(out, dict) else out
        for out in (*described.get("outs", []), *described.get("metrics", []))
    ]
    replaced = []
    for option, value in options.items():
        mine = [out for out in made if out == value or out.startswith(f"{value}/")]
        if mine and option in (*FOLDERS, "--provenance"):
            replaced += [option, str(folder / value)]
            outputs |= {out: folder / out for out in mine}
        elif option == LEDGER and stage.declared.adds:
            ledger = folder / value
            ledger.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / value, ledger)
            replaced += [option, str(ledger)]
    if unnamed := sorted(set(made) - set(outputs)):
        raise StageError(f"dvc.yaml: no option of the stage {stage.name} names {', '.join(unnamed)}")
    for path in outputs.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    return Plan(start, [*words[1:], *replaced], outputs)


def check(clone: Clone, run=started, names: Collection[str] | None = None) -> Check:
    """Level 5: each stage on its own, so that a fault names the stage whose outputs do not follow from what
    it read.

    Args:
        run: how a stage is run: (root, words) -> status and stderr.
        names: of the stages; None for all.
    """
    result, described = Check(5, WHAT), params.load_yaml(clone.root / "dvc.yaml")["stages"]
    stages = remade(clone.study)
    for name in stages if names is None else names:
        with tempfile.TemporaryDirectory() as folder:
            made = plan(stages[name], described[name], clone.root, Path(folder))
            if fault := misled(made.start, made.words, clone.study):
                result.faults.append(f"dvc.yaml: the stage {name} {fault}")
                continue
            status, said = run(clone.root / made.start, made.words)
            if status:
                last = said.strip().splitlines()[-1:] or ["without a word"]
                result.faults.append(f"{name}: stops: {last[0]}")
                continue
            for output, again in made.outputs.items():
                result.faults += unlike(clone.root / output, again, output)
            if (ledger := Path(folder) / "design/test_openings.jsonl").exists() and ledger.read_bytes() != (
                clone.root / "design/test_openings.jsonl"
            ).read_bytes():
                result.faults.append(f"{name}: the ledger of the test part has no line of this model")
    return result


def unlike(stated: Path, made: Path, name: str) -> list[str]:
    """Where an output, a file or a folder, is not what was made again."""
    if not made.is_dir():
        return _file(stated, made, name)
    ours, theirs = (
        {path.relative_to(top).as_posix() for path in top.rglob("*") if path.is_file()}
        if top.is_dir()
        else set()
        for top in (stated, made)
    )
    faults = [
        f"{name}/{path}: {'nothing makes it' if path in ours else 'missing'}"
        for path in sorted(ours ^ theirs)
    ]
    return faults + [
        line for path in sorted(ours & theirs) for line in _file(stated / path, made / path, f"{name}/{path}")
    ]


def _file(stated: Path, made: Path, name: str) -> list[str]:
    if not stated.is_file():
        return [f"{name}: missing"]
    if records.sha256(stated) == records.sha256(made):
        return []
    if stated.suffix != ".json":
        return [f"{name}: other bytes"]
    try:
        faults = differences.compared(name, dsse.parse(stated.read_bytes()), json.loads(made.read_bytes()))
    except dsse.Refused as refused:
        return [f"{name}: {'; '.join(refused.faults)}"]
    return faults[:SHOWN] + ([f"{name}: and {len(faults) - SHOWN} more"] if len(faults) > SHOWN else [])
