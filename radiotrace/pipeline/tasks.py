"""What a task declares: its stages, where their records lie, and which of them go into the bundle.

stages/<task>/workflow.yaml says it, and no other file. It is read as data, without any code of the task, so
that no task is in the closure of another. evidence/verify/workflow.py makes dvc.yaml of it, the stage
evidence its options and its bundle, and the commands look here which task a study is of.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.pipeline import params
from radiotrace.pipeline.closure import ROOT
from radiotrace.pipeline.study import PATHS

FILE = "workflow.yaml"
SCHEMA = "task"
OF_EVERY_STUDY = ("ingest", "validate", "split", "evidence")
# Those of them that a task may bring scripts of its own for, where its cases are no images; what they write
# is as of every study.
REPLACED = ("ingest", "validate")
WORDS = ("options", "outs", "kept", "metrics", "params")
TRAIN, EPOCHS = "train", "epochs"  # the records of a task that do not go into the bundle as they are
# Analyses that shared code knows to be missing where a task does not declare their record.
OPTIONAL = {
    "robustness": "how results hold under corrupted, shifted and attacked images",
    "explain": "what the network looks at",
}


@dataclass(frozen=True)
class DeclaredStage:
    """A stage of a task, as the task declares it.

    Attributes:
        desc: what it does, in a line, for dvc.yaml.
        options: of its command in their order: a name of a path, or name=value; words of a value are divided
            by +.
        outs: what DVC keeps; kept: what git keeps; metrics: what git keeps and `dvc metrics` shows.
        params: sections of params.yaml.
        adds: whether it may add to the ledger of openings, which then is no dep.
        of: the task whose folder below stages/ has its script; empty where that is the one that declares it.
    """

    desc: str
    options: tuple[str, ...]
    outs: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    adds: bool = True
    of: str = ""


@dataclass(frozen=True)
class Criterion:
    """A criterion as 'new' drafts it.

    Attributes:
        measure: that it is on; title: of the measure.
        verb: of "the software shall segment anterior".
        nothing_predicted: what counts then, in a sentence.
        key: of a label's row that has several numbers, the one that is meant; empty of a measure.
    """

    measure: str
    title: str
    verb: str
    nothing_predicted: str
    key: str = ""

    def metric(self, label: str) -> str:
        """The metric of a label, as a criterion names it."""
        return ".".join(word for word in (self.measure, label, self.key) if word)


@dataclass(frozen=True)
class Texts:
    """Sentences of a study's design/ that are of its task, as 'new' drafts them.

    Attributes:
        predicts: of "what the model outlines"; proposes: of "the software proposes an outline".
        outputs: what a result has, rows of name, what and unit.
        look: what a person does with a result before it is used.
        reference: who is to be asked how the reference came about.
        chosen: what is chosen on the validation part.
        subgroups: attributes by which cases are parted.
    """

    predicts: str
    proposes: str
    outputs: Sequence[Mapping[str, str | None]]
    look: str
    reference: str
    chosen: Sequence[str]
    subgroups: str


@dataclass(frozen=True)
class Task:
    """What stages/<task>/workflow.yaml says.

    Attributes:
        name: of the task, of its folder below stages/ and of that below radiotrace/.
        stages: of the task, in their order; those that every study has stand before and behind them.
        first: those of REPLACED that the task brings itself, in the place of what every study has.
        paths: name of an option -> path in the study; those of every study are study.PATHS.
        records: record of a stage of the task -> its schema. All but 'train' go into the bundle as they are.
        vouched: further files of which the bundle states the hash.
        curves: folder of tables over steps, which `dvc plots` draws; None for none.
        plots: charts that `dvc plots` shows, and that the bundle vouches for, too.
        approach: what the bill of the model says that it does.
        criterion: what 'new' drafts for each label; texts: and of design/ besides.
        like: the task whose code in radiotrace/ it shares; empty where it has its own.
        target: what is told of a case: "label_map", a file beside its image, or "class", in cases.csv; "row":
            in cases.csv too, where the case is a row of that table and has no image.
        intervals: pattern of metrics -> words, the ways in which their intervals may be made; the first that
            fits counts, and of what none fits criteria.USUAL.
        measured: records beside 'metrics' on which a criterion may be, by their name and a point.
    """

    name: str
    stages: Mapping[str, DeclaredStage]
    paths: Mapping[str, str]
    records: Mapping[str, str]
    vouched: tuple[str, ...]
    curves: str | None
    plots: tuple[str, ...]
    approach: str
    criterion: Criterion
    texts: Texts
    target: str
    like: str = ""
    first: Mapping[str, DeclaredStage] = field(default_factory=dict)
    measured: tuple[str, ...] = ()
    intervals: Mapping[str, str] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """The folder below radiotrace/ that has its code."""
        return self.like or self.name

    @property
    def bundled(self) -> tuple[str, ...]:
        """The records of its stages that go into the bundle as they are."""
        return tuple(name for name in self.records if name not in (TRAIN, EPOCHS))

    @property
    def not_part(self) -> dict[str, str]:
        """The analyses of OPTIONAL that are not part of this task."""
        return {name: analysis for name, analysis in OPTIONAL.items() if name not in self.records}


def place(task: str) -> str:
    """The path of the declaration of a task, from the root of the repository."""
    return f"stages/{task}/{FILE}"


def known(root: Path = ROOT) -> list[str]:
    """The tasks that declare their stages, sorted."""
    return sorted(path.parent.name for path in Path(root).glob(place("*")))


def named(values, root: Path = ROOT) -> str:
    """The task of a parsed params.yaml.

    Raises:
        StageError: it names none that there is.
    """
    task, tasks = values.get("task") if isinstance(values, dict) else None, known(root)
    if task not in tasks:
        found = "nothing" if task is None else repr(task)
        raise StageError(
            f"params.yaml: task: found {found}, expected one of {', '.join(tasks)}",
            way_out=f"Name a task that there is; {place('TASK')} is what makes one.",
        )
    return task


def declared(task: str, root: Path = ROOT) -> Task:
    """What a task declares, in the code that runs.

    Raises:
        StageError: its declaration is missing or breaks its schema.
    """
    return read(Path(root) / place(task))


def read(path: Path) -> Task:
    """A declaration, as declared(). The task has the name of its folder.

    Raises:
        StageError: the file is missing or does not hold; names every fault.
    """
    path = Path(path)
    values = _whole(params.load_yaml(path), path)
    if broken := records.faults(values, SCHEMA) or _misfits(values):
        raise StageError(
            f"{path} breaks schemas/{SCHEMA}.schema.json",
            broken,
            "docs/architecture.md says what a task brings.",
        )
    stages = {name: _stage(entry) for name, entry in values["stages"].items()}
    return Task(
        name=path.resolve().parent.name,
        stages={name: one for name, one in stages.items() if name not in REPLACED},
        first={name: one for name, one in stages.items() if name in REPLACED},
        paths=values["paths"],
        records=values["records"],
        vouched=tuple(values["vouched"].split()),
        curves=values.get("curves"),
        plots=tuple(values["plots"].split()),
        approach=values["approach"],
        criterion=Criterion(**values["criterion"]),
        texts=Texts(**values["texts"]),
        like=values.get("like", ""),
        target=values.get("target", "label_map"),
        measured=tuple(values.get("measured", "").split()),
        intervals=values.get("intervals", {}),
    )


def schemas(task: str, root: Path = ROOT) -> set[str]:
    """Of the records that a task declares, unchecked: of one whose schemas are not written yet, too."""
    path = Path(root) / place(task)
    return set(_whole(params.load_yaml(path), path)["records"].values())


def _whole(values: Any, path: Path) -> Any:
    """A declaration that says it is like that of another task, with what it does not say itself: mappings are
    put together key by key, words of vouched and plots are added, and null takes away. Scripts of stages that
    it does not declare are the other's."""
    if not isinstance(values, dict) or not isinstance(values.get("like"), str):
        return values
    other = params.load_yaml(path.resolve().parent.parent / values["like"] / FILE)
    if not isinstance(other, dict) or "like" in other or not isinstance(other.get("stages"), dict):
        raise StageError(f"{path}: like: {values['like']} is no task of its own")
    other["stages"] = {name: {**entry, "of": values["like"]} for name, entry in other["stages"].items()}
    merged = dict(other)
    for key, value in values.items():
        if isinstance(value, dict) and isinstance(other.get(key), dict):
            merged[key] = {**other[key], **value}
        elif key in ("vouched", "plots"):
            merged[key] = f"{other.get(key, '')} {value}".strip()
        else:
            merged[key] = value
    return {key: value for key, value in merged.items() if value is not None}


def _stage(entry: dict) -> DeclaredStage:
    values: dict[str, Any] = {
        key: tuple(value.split()) if key in WORDS else value for key, value in entry.items()
    }
    return DeclaredStage(**values)


def _misfits(values: dict) -> list[str]:
    """What the schema of a declaration cannot see; [] when all holds."""
    paths = {**PATHS, **values["paths"]}
    faults = [
        f"paths: {name} is a path of every study" for name in sorted(values["paths"].keys() & PATHS.keys())
    ]
    for name, entry in values["stages"].items():
        if name in OF_EVERY_STUDY and name not in REPLACED:
            faults.append(f"stages: {name} is a stage of every study")
        if f"{name}-provenance" not in paths:
            faults.append(f"paths: {name}-provenance is missing, the record of what decided that stage")
        for option in entry["options"].split():
            if "=" not in option and option not in paths:
                faults.append(f"stages: {name}: {option} is no name of a path, and has no value")
    known = {path.name.removesuffix(".schema.json") for path in records.SCHEMAS.glob("*.schema.json")}
    for name in values.get("measured", "").split():
        if name not in values["records"]:
            faults.append(f"measured: {name} is no record of the task")
    for name, schema in values["records"].items():
        if schema not in known:
            faults.append(f"records: {name}: there is no schemas/{schema}.schema.json")
        if name not in paths and name != EPOCHS:
            faults.append(f"records: {name} has no path")
    return faults
