"""The workflow as the code has it: dvc.yaml may say nothing else, for DVC runs whatever stands there.

The stages of a study are those of every study, which stand here, and those that its task declares
(radiotrace/pipeline/tasks.py); its params.yaml names the task. A command is the stage's module and the
options that its parser requires, each with the path that was declared for it. What a stage depends on
follows: the files that it imports, the schemas that it reads and writes, and the paths of its options.

'make deps' writes dvc.yaml from this; verify compares the two (level 3), and so do tests/test_workflow.py
and, with reasoning of its own, tests/test_pipeline.py. Whoever adds a stage or an option adds it to the
declaration of the task, or here where every study has it. Declarations are those of the code that runs, so
that a clone is held against what its verifier has.
"""

import ast
import json
import re
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.evidence.trace import pin_files
from radiotrace.evidence.verify.levels import Check
from radiotrace.pipeline import dvcfile, params, pins, tasks
from radiotrace.pipeline.closure import code_closure, foreign
from radiotrace.pipeline.dvcfile import PARAMS, WORKFLOW
from radiotrace.pipeline.study import PATHS, Study, every
from radiotrace.pipeline.tasks import DeclaredStage, Task

[(NETWORKS, NETWORK)] = dvcfile.CHOICES.items()
# What an option names, in every stage that does not say otherwise: paths of the study, and of the repository.
SHARED = {
    "software": "software",
    "tests": "tests",
    "tools": " ".join(pin_files.TOOLS),
}
# Neither dep nor out: state that no result depends on, and dvc.yaml itself, which DVC takes for no dep.
STATE = ("checkpoints", "failed", "tensorboard", "workflow")
# Of the repository itself: what people and programs start in it, and settings. The bundle vouches for each
# that is there.
MACHINERY = (
    ".ci/*",
    ".dvc/.gitignore",
    ".dvc/config",
    ".dvc/plots.html",
    ".dvcignore",
    ".gitattributes",
    ".github/workflows/*",
    ".gitignore",
    "Makefile",
    "requirements/*.in",
)
KEYS = ("stages", "plots", "artifacts")  # of dvc.yaml
# What shows the pictures of cases, and is not pushed where the data are not to be handed on.
LOCAL = ("build/ingest", "build/report")
PINS = re.compile(
    r"(\.\./\.\./)?requirements(/[a-z]+)?\.txt"
)  # a word of a command that names a file of pins
REFUSING = frozenset({"params", "metric_names"})  # schemas that are no dep of a stage that reads them
MACHINES = "MACHINERY"  # stands for them in an option
# The shared records of the bundle, in the order in which the stage evidence is told of them.
BEFORE_TRAINING = ("dataset", "findings", "accepted", "split")
RECORDS_OF = {"metrics": "metrics=metrics/metrics.json"}  # where a folder has the name of the record


@dataclass(frozen=True)
class Stage:
    """A stage of dvc.yaml, as far as it does not follow from the code.

    Attributes:
        name: of the stage.
        declared: what it takes and writes.
        paths: name of an option -> path in the study.
        requirements: files of pins that it depends on beside those that its imports reach.
        task: whose folder of stages/ has its script; none where every task shares it.
    """

    name: str
    declared: DeclaredStage
    paths: Mapping[str, str] = field(default_factory=lambda: PATHS)
    requirements: tuple[str, ...] = ()
    task: str = ""

    @property
    def module(self) -> str:
        """Of its script."""
        return ".".join(word for word in ("stages", self.task, self.name) if word)

    @property
    def script(self) -> str:
        """Path of its script."""
        return f"{self.module.replace('.', '/')}.py"

    def values(self, study: Study) -> dict[str, list[str]]:
        """Option -> the words that it gets."""
        pairs = (option.partition("=") for option in self.declared.options)
        return {name: self._words(name, value, study) for name, _, value in pairs}

    def _words(self, option: str, value: str, study: Study) -> list[str]:
        if not value and option in self.paths:
            return [self.paths[option]]
        words = (value.replace("+", " ") or SHARED[option]).split()
        if MACHINES in words:
            words = [*(word for word in words if word != MACHINES), *machinery(study.repository)]
        return [study.seen(word) for word in words]

    def command(self, study: Study, pinned: bool = True) -> list[str]:
        """The words of its command, an option and its values together.

        Args:
            pinned: whether files of pins are named, for which imports are followed.
        """
        start = f"python -m {self.module}"
        if study.up:
            start = f"cd {study.up.rstrip('/')} && {start} --study {study.place}"
        pin_words = self.pin_files(study) if pinned else []
        groups = [f"{start} --params {PARAMS}", " ".join(["--requirements", *pin_words])]
        groups += [f"--{option} {' '.join(words)}" for option, words in self.values(study).items()]
        return groups if pinned else [_without_pins(group) for group in groups]

    def code(self, study: Study) -> list[str]:
        """The files that its script imports, however indirectly, and itself."""
        choices = chosen(study, has_members="members" in self.values(study))
        return code_closure([self.script], root=study.repository, choices=choices)

    def pin_files(self, study: Study) -> list[str]:
        """The files of pins that it depends on: those that its imports reach, and those it is told."""
        root = study.repository
        reached = pin_files.reached(foreign(self.code(study), root), root)
        return pins.files([*reached, *self.requirements], root)

    def writes(self) -> set[str]:
        """Every out."""
        return {*self.declared.outs, *self.declared.kept, *self.declared.metrics}


def _without_pins(text: str) -> str:
    """Words without those that name files of pins."""
    return " ".join(word for word in text.split(" ") if not PINS.fullmatch(word))


def machinery(root: Path) -> list[str]:
    """The files of MACHINERY that are there in a repository, sorted."""
    files = (path for pattern in MACHINERY for path in root.glob(pattern) if path.is_file())
    return sorted(path.relative_to(root).as_posix() for path in files)


def _joined(*texts: str) -> str:
    return "+".join(" ".join(texts).split())


def _shared(desc: str, options: str, outs: str, params: str) -> DeclaredStage:
    """A stage that every study has before its task's."""
    return DeclaredStage(desc, tuple(options.split()), outs=(outs,), params=tuple(params.split()))


FIRST = {
    "ingest": _shared(
        "Bring raw images and label maps to one orientation; describe and hash every file",
        "data manifest out=build/ingest",
        outs="build/ingest",
        params="ingest",
    ),
    "validate": _shared(
        "Check every case and the set they form; stop on any error, with all of them",
        "dataset volumes failed out=build/validate",
        outs="build/validate",
        params="validate",
    ),
    "split": _shared(
        "Give every subject to train, validation or test, and prove that the parts share nothing",
        "accepted design=design/requirements.yaml out=build/split",
        outs="build/split",
        params="seed split task",
    ),
}
LAST = "evidence"


def stages(task: Task) -> dict[str, Stage]:
    """The stages of a study of a task, in their order: those of every study, with those of the task between
    them."""
    paths = {**PATHS, **task.paths}
    found = {
        name: Stage(name, task.first[name], paths, task=task.first[name].of or task.name)
        if name in task.first
        else Stage(name, declared)
        for name, declared in FIRST.items()
    }
    found |= {name: Stage(name, one, paths, task=one.of or task.name) for name, one in task.stages.items()}
    gathering = Stage(LAST, _evidence(task, list(found)), paths, requirements=(pin_files.ALL,))
    return found | {LAST: gathering}


def _evidence(task: Task, before: list[str]) -> DeclaredStage:
    """The stage evidence, which reads what all others left.

    Args:
        before: names of these others, in their order.
    """
    code = _joined("radiotrace stages schemas pyproject.toml", *pin_files.RUNTIME)
    options = [
        f"task={tasks.place(task.name)}",
        "tools",
        "manifest",
        *BEFORE_TRAINING,
        "train",
        "weights",
        *(RECORDS_OF.get(name, name) for name in task.bundled),
        "onnx",
        *("design", "software", "members", "verification", "tests"),
        f"code={code}",
        *("workflow", "readme"),
        *(f"{name}-provenance" for name in before),
        f"further={_joined(*task.vouched, *task.plots, MACHINES)}",
        "gates",
        "out=evidence",
    ]
    return DeclaredStage(
        "Gather the records, find that they agree, trace the requirements to tests and numbers, hash it all",
        tuple(options),
        kept=("evidence",),
        metrics=(PATHS["gates"],),
    )


def task_of(study: Study) -> Task:
    """What the task of a study declares, in the code that runs; params.yaml of the study names it.

    Raises:
        StageError: there is no such task.
    """
    return tasks.declared(tasks.named(dvcfile.parameters(study.folder)))


def of(study: Study) -> dict[str, Stage]:
    """The stages of a study, by name, in their order."""
    return stages(task_of(study))


def expected(study: Study) -> dict[str, dict]:
    """What dvc.yaml should say of each stage, beside its description, with the code that lies in a clone."""
    return {name: _entry(stage, study) for name, stage in of(study).items()}


def _entry(stage: Stage, study: Study) -> dict:
    declared = stage.declared
    entry = {"cmd": " ".join(stage.command(study)), "deps": _deps(stage, study)}
    if declared.params:
        entry["params"] = list(declared.params)
    local = LOCAL if stays_local(study) else ()
    outs: list = [{path: {"cache": False}} if path in local else path for path in declared.outs]
    outs += [{path: {"cache": False}} for path in declared.kept]
    entry["outs"] = sorted(outs, key=_path)
    if declared.metrics:
        entry["metrics"] = [{path: {"cache": False}} for path in declared.metrics]
    return entry


def stays_local(study: Study) -> bool:
    """Whether data.dvc says, by 'cache: false', that the data are not to be handed on: DVC keeps no copy that
    it could push, and 'dvc pull' does not ask for one."""
    path = study.folder / "data.dvc"
    said = params.load_yaml(path) if path.is_file() else None
    outs = said.get("outs") if isinstance(said, dict) else None
    listed = outs if isinstance(outs, list) else []
    return any(isinstance(out, dict) and out.get("cache") is False for out in listed)


def _path(out) -> str:
    return out if isinstance(out, str) else next(iter(out))


def _deps(stage: Stage, study: Study) -> list[str]:
    values, closure = stage.values(study), stage.code(study)
    code = set(closure) | {f"schemas/{schema}.schema.json" for schema in _schemas(stage, closure, study)}
    network = _network(study)
    code = {_as_written(path, network) for path in code.union(stage.pin_files(study))}
    left_out = {*STATE, "out", *(("openings",) if stage.declared.adds else ())}
    paths = {word for option, words in values.items() if option not in left_out for word in words}
    written = stage.writes() | {Path(path).parent.as_posix() for path in stage.writes()}
    return sorted({study.seen(path) for path in code} | (paths - written))


def chosen(study: Study, has_members: bool) -> dict[str, list[str]]:
    """Package -> modules of it that a stage takes by a name that is a value: the network of params.yaml.

    Args:
        has_members: whether the stage takes the members of an ensemble, too, whose networks may be others.
            Those of
            members that are not here are taken from dvc.yaml: a dep too many starts nothing.

    Returns:
        Nothing where params.yaml names no network, so that code which takes one cannot be followed.
    """
    network = _network(study)
    if network is None:
        return {}
    names = {network}
    for folder in sorted(study.folder.glob("members/*.dvc")) if has_members else ():
        record = folder.with_suffix("") / "train.json"
        if record.is_file():
            names.add(json.loads(record.read_text("utf-8"))["network"]["name"])
        else:
            names |= _told(study)
    return {NETWORKS: sorted(names)}


def _network(study: Study) -> str | None:
    """The network that params.yaml names; None where its task does not choose one by name."""
    section, _, key = NETWORK.partition(".")
    found = dvcfile.parameters(study.folder).get(section)
    return str(found[key]) if isinstance(found, dict) and key in found else None


def _told(study: Study) -> set[str]:
    """Networks that dvc.yaml has among its deps."""
    text = (study.folder / WORKFLOW).read_text("utf-8")
    return set(re.findall(rf"{NETWORKS.replace('.', '/')}/([a-z]\w*)\.py", text)) - {"layers"}


def _as_written(path: str, network: str | None) -> str:
    """A dep as dvc.yaml has it: the file of the network follows params.yaml, also in an experiment."""
    folder = NETWORKS.replace(".", "/")
    return f"{folder}/${{{NETWORK}}}.py" if path == f"{folder}/{network}.py" else path


def _schemas(stage: Stage, closure: list[str], study: Study) -> set[str]:
    """Schemas of a stage's own calls of records and ledgers, and of the modules that it imports; of the last
    stage, of all records of the task, too, which it looks up in the task's declaration.

    Not those of records that other tasks alone have: a study has none of them. Nor those that can only refuse
    and never change a result: that of params.yaml, with which a parameter of one stage would run all again,
    and the names of measures that a criterion may have, with which a new measure would split again.
    """
    root, of_task = study.repository, set(task_of(study).records.values())
    known = {path.name.removesuffix(".schema.json") for path in (root / "schemas").glob("*.schema.json")}
    of_others = {schema for task in tasks.known(root) for schema in tasks.schemas(task, root)}
    used = set(of_task) if stage.name == LAST else set()
    for path in closure:
        named, literals, has_table = _schemas_in((root / path).read_text("utf-8"))
        used |= named | (literals & known if has_table and path.startswith("stages/") else set())
    return used - REFUSING - (of_others - of_task)


@cache
def _schemas_in(text: str) -> tuple[frozenset[str], frozenset[str], bool]:
    """Schemas that a source names in calls or reads as files, all its texts, and whether a call looks its
    schema up."""
    named, literals, has_table = set(), set(), False
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            literals.add(node.value)
            if re.fullmatch(r"\w+\.schema\.json", node.value):
                named.add(node.value.removesuffix(".schema.json"))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in _CALLS:
            last = node.args[-1]
            named |= {last.value} if isinstance(last, ast.Constant) else set()
            has_table = has_table or not isinstance(last, ast.Constant)
    return frozenset(named), frozenset(literals), has_table


_CALLS = (
    "records.read",
    "records.write",
    "records.faults",
    "records.schema",
    "ledgers.read",
    "ledgers.add",
)


def plots(task: Task) -> list:
    """What 'dvc plots' shows: the charts, and the curves over steps."""
    return [*task.plots, *([{task.curves: {"x": "step"}}] if task.curves else [])]


def check(study: Study) -> Check:
    """Level 3: dvc.yaml says what the code would write."""
    what = "dvc.yaml runs the stages as the code has them, and nothing else"
    try:
        said, task = params.load_yaml(study.folder / WORKFLOW), task_of(study)
        wanted = expected(study)
    except (StageError, OSError, SyntaxError, UnicodeDecodeError) as error:
        return Check(3, what, [f"{WORKFLOW}: cannot be compared: {str(error).splitlines()[0]}"])
    if not isinstance(said, dict) or not isinstance(said.get("stages"), dict):
        return Check(3, what, [f"{WORKFLOW}: found no stages"])
    faults = [f"{WORKFLOW}: {key}: the code has no such key" for key in map(str, said) if key not in KEYS]
    if said.get("plots", []) != plots(task):
        faults.append(
            f"{WORKFLOW}: plots: found {str(said.get('plots'))[:80]}, expected the charts of metrics/ and "
            "the curves of training"
        )
    if said.keys() & {"stages"} and list(said["stages"]) != list(wanted):
        faults.append(
            f"{WORKFLOW}: stages: found {', '.join(map(str, said['stages']))}; expected {', '.join(wanted)}"
        )
    faults += [
        f"{WORKFLOW}: {name}: {fault}"
        for name, entry in wanted.items()
        for fault in _unlike(said["stages"].get(name), entry)
    ]
    return Check(3, what, faults)


def runs_otherwise(study: Study) -> list[str]:
    """Where dvc.yaml would run what the code would not; that deps and outs are the code's is left to check,
    which has to follow all imports.

    Which files of pins a command names is left to it, too: a stage can only refuse because of them.
    """
    try:
        said, known = params.load_yaml(study.folder / WORKFLOW), of(study)
        described = said["stages"]
        faults = [f"{WORKFLOW}: {key}: the code has no such key" for key in map(str, said) if key not in KEYS]
        faults += [
            f"{WORKFLOW}: {name}: the code has no such stage" for name in described.keys() - known.keys()
        ]
        for name in (name for name in known if name in described):
            more = described[name].keys() - {"cmd", "deps", "desc", "metrics", "outs", "params"}
            faults += [
                f"{WORKFLOW}: {name}: {key}: the code has no such key" for key in sorted(map(str, more))
            ]
            wanted = " ".join(known[name].command(study, pinned=False))
            found = _without_pins(str(described[name].get("cmd")))
            if found != wanted:
                faults.append(f"{WORKFLOW}: {name}: cmd: {_first_word(found, wanted)}")
    except (StageError, OSError, LookupError, TypeError, AttributeError, ValueError) as error:
        return [f"{WORKFLOW}: cannot be compared: {str(error).splitlines()[0]}"]
    return faults


def _unlike(found, wanted: dict) -> list[str]:
    """Where a stage is not as the code has it."""
    if not isinstance(found, dict):
        return ["found nothing, expected a stage"]
    faults = [f"{key}: the code has no such key" for key in found.keys() - wanted.keys() - {"desc"}]
    for key, value in wanted.items():
        if key == "cmd" and found.get(key) != value:
            faults.append(f"cmd: {_first_word(str(found.get(key)), value)}")
        elif key != "cmd" and found.get(key) != value:
            faults.append(f"{key}: {_difference(found.get(key), value)}")
    return faults


def _first_word(found: str, wanted: str) -> str:
    """The first word at which two commands differ."""
    words, expected_words = found.split(" "), wanted.split(" ")
    pairs = zip([*words, "nothing more"], [*expected_words, "nothing more"], strict=False)
    return next(
        (f"found {word!r}, expected {other!r}" for word, other in pairs if word != other), "other white space"
    )


def _difference(found, wanted: list) -> str:
    if not isinstance(found, list):
        return f"found {str(found)[:80]}, expected a list"
    lacks, more = (
        [str(entry) for entry in one if entry not in other]
        for one, other in ((wanted, found), (found, wanted))
    )
    parts = [
        f"{word} {', '.join(entries[:5])}"
        for word, entries in (("lacks", lacks), ("has also", more))
        if entries
    ]
    return "; ".join(parts) or "other order, or an entry twice"


def written(study: Study) -> str:
    """dvc.yaml as the code has it. Comments above the stages, descriptions and artifacts stay as they are; a
    stage that is new is described as it is declared."""
    text = (study.folder / WORKFLOW).read_text("utf-8")
    head, tail = (
        text[: text.index("stages:\n")],
        text[text.index("artifacts:\n") :] if "artifacts:\n" in text else "",
    )
    described = params.load_yaml(study.folder / WORKFLOW)["stages"] or {}
    lines, known, task = ["stages:"], of(study), task_of(study)
    for name, entry in expected(study).items():
        desc = described.get(name, {}).get("desc", known[name].declared.desc)
        lines += [f"  {name}:", f"    desc: {desc}", "    cmd: >-"]
        lines += [
            f"      {line}"
            for group in known[name].command(study)
            for line in textwrap.wrap(group, 130, break_on_hyphens=False)
        ]
        for key in ("deps", "params", "outs", "metrics"):
            if key in entry:
                lines += [f"    {key}:", *(line for item in entry[key] for line in _item(item))]
    if task.plots or task.curves:
        lines += ["", "plots:", *(f"- {path}" for path in task.plots)]
    if task.curves:
        lines += [f"- {task.curves}:", "    x: step"]
    return head + "\n".join([*lines, "", tail])


def _item(item) -> list[str]:
    if isinstance(item, str):
        return [f"    - {item}"]
    return [
        f"    - {_path(item)}:",
        *(f"        {key}: {str(value).lower()}" for key, value in item[_path(item)].items()),
    ]


def main() -> int:
    """Writes dvc.yaml of every study."""
    for study in every("."):
        text = written(study)
        if re.search(r"[^\x20-\x7e\n]", text):
            raise StageError(
                f"{study.path('workflow')}: found characters beyond ASCII",
                way_out="Describe the stages without them.",
            )
        records.write_bytes(study.path("workflow"), text.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
