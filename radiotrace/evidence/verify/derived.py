"""Derived: each record of the bundle that follows from other records is made from them again.

Whoever edits a record and makes everything behind it anew leaves it in contradiction to what it stands on.
Here is what every study has, whatever its task, and how a task's own derivations are run: those are
radiotrace/<task>/verification/checks.py. Needs neither torch nor images.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.evidence.formats import distributions
from radiotrace.evidence.formats import wheels as locked_wheels
from radiotrace.evidence.trace import pin_files
from radiotrace.evidence.verify import differences
from radiotrace.evidence.verify.levels import Check, Clone
from radiotrace.pipeline import pins, splits
from radiotrace.pipeline.tasks import Task
from radiotrace.records import accepted, findings, ledgers
from radiotrace.records.accepted import Accepted
from radiotrace.records.dataset import Dataset
from radiotrace.records.sections.split import SplitParams
from radiotrace.records.sections.validate import ValidateParams

TRAIN = "build/train/train.json"
BUNDLED = (
    "dataset",
    "findings",
    "accepted",
    "split",
    "hyperparameters",
    "checkpoints",
    "openings",
)


@dataclass(frozen=True)
class Sources:
    """The records of a clone: those in its bundle, and those beside it that the bundle vouches for."""

    clone: Clone
    task: Task

    def __getitem__(self, name: str) -> dict:
        """A record of the bundle."""
        return self._bundle[name]

    @cached_property
    def _bundle(self) -> dict[str, dict]:
        schema_of = {**{name: name for name in BUNDLED}, **self.task.records}
        names = sorted(schema_of.keys() - {"train"})
        return {name: records.read(self.clone.evidence / f"{name}.json", schema_of[name]) for name in names}

    @cached_property
    def train(self) -> dict:
        """The record of the training run."""
        return records.read(self.clone.root / TRAIN, self.task.records["train"])

    def params(self, name: str) -> dict:
        """Parameters of a stage, as the bundle states them."""
        return self["hyperparameters"]["stages"][name]

    def part(self, name: str) -> list[str]:
        """The cases of a part of the split, sorted."""
        return sorted(case_id for case_id, row in self["split"]["cases"].items() if row["part"] == name)


Derivation = Callable[[Sources], list[str]]


def accepted_cases(sources: Sources, checks) -> list[str]:
    """Accepted cases and what was found of them, from the record of the data set; findings that need
    voxels are left to level 5.

    Args:
        checks: radiotrace.imaging.checks, handed in, because nothing of evidence/ imports images.
    """
    limits = ValidateParams.of(sources.params("validate"))
    dataset, found = Dataset.of(sources["dataset"]), sources["findings"]
    kept = accepted.cases(dataset, limits.exclude)
    faults = differences.compared(
        "accepted.json", sources["accepted"], accepted.of_dataset(dataset, limits.exclude).record()
    )
    made = [
        finding._asdict() | {"case_id": finding.case_id or None}
        for finding in checks.of_records(dataset.dataset, kept, limits)
    ]
    keys = [records.dumps(row) for row in found["findings"] if row["check"] not in findings.OF_VOXELS]
    faults += [
        f"findings.json: {row['case_id']}: {row['check']} is missing: {row['found']}"
        for row in made
        if records.dumps(row) not in keys
    ]
    known = {records.dumps(row) for row in made}
    faults += [
        f"findings.json: nothing makes {json.loads(key)['check']} of {json.loads(key)['case_id']}"
        for key in keys
        if key not in known
    ]
    counts = {
        "cases_checked": len(kept),
        "errors": 0,
        "warnings": len(found["findings"]),
        "excluded": [entry.record() for entry in accepted.excluded(limits.exclude)],
    }
    return faults + differences.compared("findings.json", {key: found[key] for key in counts}, counts)


def split(sources: Sources) -> list[str]:
    """The part of each subject, from seed, rule and accepted cases."""
    of = Accepted.of(sources["accepted"])
    made = splits.of_accepted(of, SplitParams.of(sources.params("split")))
    return differences.compared("split.json", sources["split"], made.record())


def packages(sources: Sources) -> list[str]:
    """The locked files of packages are of the pinned versions, all of them and no other."""
    root = sources.clone.study.repository
    pinned = distributions.pinned([pin for file in pin_files.every(root) for pin in pins.of(root / file)])
    return [
        f"{locked_wheels.PATH}: {fault}"
        for fault in locked_wheels.faults(records.read(root / locked_wheels.PATH, "wheels"), pinned)
    ]


def again(sources: Sources, opened: Mapping[str, str]) -> list[str]:
    """Records of the test part that are not those that the ledger counted when this model was first shown it.

    A model may be judged again, with other code or other parameters; who reads should know that there was an
    earlier answer.

    Args:
        opened: stage -> path of the record that it counted when it opened the test part.
    """
    root, model = sources.clone.root, (sources.train["run_id"], sources.train["weights_sha256"])
    counted = [line for line in sources["openings"]["openings"] if ledgers.model(line) == model]
    # The files of the stages: those of the bundle write 1 where the stage counted 1.0.
    there = {name: root / path for name, path in opened.items() if (root / path).is_file()}
    made = {name: _digest(path, sources.task) for name, path in there.items()}
    other = [
        line["stage"]
        for line in counted
        if line["metrics_sha256"] != made.get(line["stage"], line["metrics_sha256"])
    ]
    return [
        f"{Path(opened[name]).name} is not what came out when the test part was first opened for this "
        f"model: the stage {name} has run again "
        "since, with other code or parameters; git may have the earlier record"
        for name in other
    ]


def _digest(path: Path, task: Task) -> str | None:
    """Of a record as it was counted; None where there is no such record, which is then not what was
    counted."""
    try:
        return records.digest(records.read(path, task.records[path.stem]))
    except StageError:
        return None


AGAIN = "what the ledger counted for this model is what stands here (a warning)"


def told(sources: Sources, opened: Mapping[str, str]) -> Check:
    """What `again` finds, as a warning."""
    found = checked(AGAIN, partial(again, opened=opened), sources)
    if found.looked:
        found.skipped += [
            f"{path} is not here: run 'make pull'"
            for path in opened.values()
            if not (sources.clone.root / path).is_file()
        ]
    return (
        found
        if not found.faults or not found.looked
        else Check(3, AGAIN, skipped=found.skipped, warned=found.faults)
    )


def of_every_study(checks) -> dict[str, Derivation]:
    """What a check says -> what finds its faults, of every study.

    Args:
        checks: radiotrace.imaging.checks.
    """
    return {
        "accepted cases follow from the data set": partial(accepted_cases, checks=checks),
        "the split follows from seed, rule and subjects": split,
        "locked packages are the pinned ones": packages,
    }


def checks(sources: Sources, functions: Mapping[str, Derivation], opened: Mapping[str, str]) -> list[Check]:
    """Level 3: each derived record, made again from those that it stands on.

    Args:
        functions: what a check says -> what finds its faults; those of every study and those of its task.
        opened: as `again` takes it.
    """
    found = [checked(what, function, sources) for what, function in functions.items()]
    return [*found, told(sources, opened)]


def checked(what: str, function: Derivation, sources: Sources) -> Check:
    """What a function finds, as a check; one that cannot go on has failed."""
    try:
        return Check(3, what, function(sources))
    except StageError as error:
        build = Path(sources.clone.root) / "build"
        if f"{build.name}/" in error.headline and not build.exists():
            return Check(3, what, skipped=["there is no build/: run 'make pull'"], looked=False)
        return Check(3, what, [error.headline, *error.findings])
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        return Check(3, what, [f"cannot be looked at: {type(error).__name__}: {error}"])
