"""The workflow as the code has it: dvc.yaml may say nothing else, for DVC runs whatever stands there.

A command is the stage's module and the options that its parser requires, each with the path that STAGES gives
it. What a stage depends on follows: the files that it imports, the schemas that it reads and writes, and the
paths of its options.

'make deps' writes dvc.yaml from this; verify compares the two (level 3), and so do tests/test_workflow.py
and, with reasoning of its own, tests/test_pipeline.py. Whoever adds a stage or an option adds it here.
"""

import ast
import json
import re
import sys
import textwrap
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.evidence.verify.levels import Check
from radiotrace.pipeline import dvcfile, params
from radiotrace.pipeline.closure import code_closure
from radiotrace.pipeline.dvcfile import PARAMS, WORKFLOW

[(NETWORKS, NETWORK)] = dvcfile.CHOICES.items()
# What an option names, in every stage that does not say otherwise.
PATHS = {
    "accepted": "build/validate/accepted.json",
    "cases": "metrics/cases.json",
    "checkpoints": ".checkpoints",
    "data": "data",
    "dataset": "build/ingest/dataset.json",
    "design": "design",
    "envelope": "metrics/envelope.svg",
    "evaluate-provenance": "build/evaluate/results/provenance.json",
    "explain": "build/explain/explain.json",
    "explain-provenance": "build/explain/provenance.json",
    "explanations": "metrics/explanations.svg",
    "export-provenance": "build/export/provenance.json",
    "findings": "build/validate/findings.json",
    "gates": "metrics/gates.json",
    "headline": "metrics/headline.json",
    "ingest-provenance": "build/ingest/provenance.json",
    "manifest": "data.sha256",
    "members": "members",
    "metrics": "metrics",
    "metrics-folder": "metrics",
    "model": "build/export/model.json",
    "onnx": "build/export/model.onnx",
    "openings": "design/test_openings.jsonl",
    "predictions": "build/evaluate/results/predictions",
    "readme": "README.md",
    "report-provenance": "build/report/provenance.json",
    "reviews": "design/reviews.jsonl",
    "robustness": "metrics/robustness.json",
    "robustness-provenance": "build/robustness/provenance.json",
    "runtime": "requirements.txt",
    "split": "build/split/split.json",
    "software": "software",
    "split-provenance": "build/split/provenance.json",
    "template": "stages/report.html",
    "tensorboard": "execution/tensorboard",
    "tests": "tests",
    "tools": "requirements-cluster.txt requirements-dev.txt",
    "train": "build/train/train.json",
    "train-provenance": "build/train/provenance.json",
    "training": "metrics/training.svg",
    "validate-provenance": "build/validate/provenance.json",
    "verification": "verification",
    "volumes": "build/ingest/volumes",
    "weights": "build/train/weights.safetensors",
    "workflow": WORKFLOW,
}
# Neither dep nor out: state that no result depends on, and dvc.yaml itself, which DVC takes for no dep.
STATE = ("checkpoints", "tensorboard", "workflow")
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
)
MACHINES = "MACHINERY"  # stands for them in an option
PAGES = "build/evaluate/report.html stages/report.html build/evaluate/results/reference.json"
PICTURES = (
    "metrics/bland_altman.svg metrics/calibration.svg metrics/distribution.svg metrics/envelope.svg "
    "metrics/explanations.svg "
    "metrics/risk_coverage.svg metrics/subgroups.svg metrics/test_cases.svg metrics/training.svg "
    "metrics/uncertainty.svg"
)


@dataclass(frozen=True)
class Stage:
    """A stage of dvc.yaml, as far as it does not follow from the code.

    Attributes:
        options: of its command in their order: a name of PATHS, or name=value; words of a value are divided
            by +.
        outs: what DVC keeps; kept: what git keeps; metrics: what git keeps and `dvc metrics` shows.
        params: sections of params.yaml.
        adds: whether it adds to the ledger of openings, which then is no dep.
        requirements: its pins.
        task: whose folder of stages/ has its script; none where every task shares it.
    """

    options: str
    outs: str = ""
    kept: str = ""
    metrics: str = ""
    params: str = ""
    adds: bool = True
    requirements: str = "requirements.txt"
    task: str = ""

    def module(self, name: str) -> str:
        """Of its script."""
        return ".".join(word for word in ("stages", self.task, name) if word)

    def script(self, name: str) -> str:
        """Path of its script."""
        return f"{self.module(name).replace('.', '/')}.py"

    def values(self, root: Path) -> dict[str, list[str]]:
        """Option -> the words that it gets."""
        pairs = (option.partition("=") for option in self.options.split())
        machines = " ".join(machinery(root)) if MACHINES in self.options else ""
        return {
            name: (value.replace("+", " ").replace(MACHINES, machines) or PATHS[name]).split()
            for name, _, value in pairs
        }

    def command(self, name: str, root: Path) -> list[str]:
        """The words of its command, an option and its values together."""
        groups = [f"python -m {self.module(name)} --params {PARAMS} --requirements {self.requirements}"]
        return groups + [f"--{option} {' '.join(words)}" for option, words in self.values(root).items()]

    def writes(self) -> set[str]:
        """Every out."""
        return {*self.outs.split(), *self.kept.split(), *self.metrics.split()}


def machinery(root: Path) -> list[str]:
    """The files of MACHINERY that are there, sorted."""
    files = (path for pattern in MACHINERY for path in root.glob(pattern) if path.is_file())
    return sorted(path.relative_to(root).as_posix() for path in files)


def _joined(*texts: str) -> str:
    return "+".join(" ".join(texts).split())


STAGES = {
    "ingest": Stage("data manifest out=build/ingest", outs="build/ingest", params="ingest"),
    "validate": Stage("dataset volumes out=build/validate", outs="build/validate", params="validate"),
    "split": Stage(
        "accepted design=design/requirements.yaml out=build/split", outs="build/split", params="seed split"
    ),
    "train": Stage(
        "dataset volumes split checkpoints tensorboard out=build/train",
        outs="build/train",
        params="seed train",
        task="segmentation",
    ),
    "evaluate": Stage(
        "data dataset split train weights members openings out=build/evaluate/results metrics",
        outs="build/evaluate/results",
        kept="metrics/cases.json metrics/metrics.json metrics/test_cases.svg metrics/training.svg",
        metrics="metrics/headline.json",
        params="seed evaluate",
        task="segmentation",
    ),
    "robustness": Stage(
        "data dataset split train weights openings out=build/robustness metrics",
        outs="build/robustness",
        kept="metrics/envelope.svg metrics/robustness.json",
        params="seed robustness",
        task="segmentation",
    ),
    "explain": Stage(
        "data dataset train weights predictions cases openings out=build/explain metrics",
        outs="build/explain",
        kept="metrics/explanations.svg",
        params="seed explain",
        task="segmentation",
    ),
    "report": Stage(
        "data dataset split train metrics=metrics/metrics.json cases robustness explain predictions "
        "evaluate-provenance envelope "
        "explanations training design=design/requirements.yaml reviews openings template "
        "provenance=build/report/provenance.json "
        "out=build/evaluate/report.html metrics-folder",
        outs="build/evaluate/report.html build/report/provenance.json",
        kept="metrics/bland_altman.svg metrics/calibration.svg metrics/distribution.svg "
        "metrics/risk_coverage.svg "
        "metrics/subgroups.svg metrics/uncertainty.svg",
        params="report",
        adds=False,
    ),
    "export": Stage(
        "data dataset train weights predictions cases out=build/export",
        outs="build/export",
        params="export",
        task="segmentation",
    ),
    "evidence": Stage(
        "runtime tools manifest dataset findings accepted split train weights metrics=metrics/metrics.json "
        "headline cases robustness "
        "explain model onnx design software members verification tests "
        "code=radiotrace+stages+schemas+pyproject.toml+requirements.txt+requirements-evidence.txt workflow "
        "readme "
        "ingest-provenance validate-provenance split-provenance train-provenance evaluate-provenance "
        "robustness-provenance "
        "explain-provenance report-provenance export-provenance "
        f"further={_joined(PAGES, PICTURES, MACHINES)} "
        "gates out=evidence",
        kept="evidence",
        metrics="metrics/gates.json",
        requirements="requirements-evidence.txt",
    ),
}


def expected(root) -> dict[str, dict]:
    """What dvc.yaml should say of each stage, beside its description, with the code that lies in a clone."""
    return {name: _entry(name, stage, Path(root)) for name, stage in STAGES.items()}


def _entry(name: str, stage: Stage, root: Path) -> dict:
    entry = {"cmd": " ".join(stage.command(name, root)), "deps": _deps(name, stage, root)}
    if stage.params:
        entry["params"] = stage.params.split()
    outs = [*stage.outs.split(), *({path: {"cache": False}} for path in stage.kept.split())]
    entry["outs"] = sorted(outs, key=_path)
    if stage.metrics:
        entry["metrics"] = [{path: {"cache": False}} for path in stage.metrics.split()]
    return entry


def _path(out) -> str:
    return out if isinstance(out, str) else next(iter(out))


def _deps(name: str, stage: Stage, root: Path) -> list[str]:
    choices = chosen(root, has_members="members" in stage.values(root))
    closure = code_closure([stage.script(name)], root=root, choices=choices)
    code = set(closure) | {f"schemas/{schema}.schema.json" for schema in _schemas(closure, root)}
    code = {_as_written(path, root) for path in code}
    left_out = {*STATE, "out", *(("openings",) if stage.adds else ())}
    paths = {word for option, words in stage.values(root).items() if option not in left_out for word in words}
    written = stage.writes() | {Path(path).parent.as_posix() for path in stage.writes()}
    return sorted(code | {stage.requirements} | (paths - written))


def chosen(root: Path, has_members: bool) -> dict[str, list[str]]:
    """Package -> modules of it that a stage takes by a name that is a value: the network of params.yaml.

    Args:
        has_members: whether the stage takes the members of an ensemble, too, whose networks may be others.
            Those of
            members that are not here are taken from dvc.yaml: a dep too many starts nothing.
    """
    names = {_network(root)}
    for folder in sorted(root.glob("members/*.dvc")) if has_members else ():
        record = folder.with_suffix("") / "train.json"
        names |= (
            {json.loads(record.read_text("utf-8"))["network"]["name"]} if record.is_file() else _told(root)
        )
    return {NETWORKS: sorted(names)}


def _network(root: Path) -> str:
    return str(dvcfile.value(dvcfile.parameters(root), NETWORK))


def _told(root: Path) -> set[str]:
    """Networks that dvc.yaml has among its deps."""
    text = (root / WORKFLOW).read_text("utf-8")
    return set(re.findall(rf"{NETWORKS.replace('.', '/')}/([a-z]\w*)\.py", text)) - {"layers"}


def _as_written(path: str, root: Path) -> str:
    """A dep as dvc.yaml has it: the file of the network follows params.yaml, also in an experiment."""
    folder = NETWORKS.replace(".", "/")
    return f"{folder}/${{{NETWORK}}}.py" if path == f"{folder}/{_network(root)}.py" else path


def _schemas(closure: list[str], root: Path) -> set[str]:
    """Schemas of a stage's own calls of records and ledgers, and of the modules that it imports.

    Not that of params.yaml, which can only refuse and never change a result: a parameter of one stage would
    run all again.
    """
    known = {path.name.removesuffix(".schema.json") for path in (root / "schemas").glob("*.schema.json")}
    used = set()
    for path in closure:
        named, literals, has_table = _schemas_in((root / path).read_text("utf-8"))
        used |= named | (literals & known if has_table and path.startswith("stages/") else set())
    return used - {"params"}


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


_CALLS = ("records.read", "records.write", "records.faults", "ledgers.read", "ledgers.add")


def check(root) -> Check:
    """Level 3: dvc.yaml says what the code would write."""
    what, root = "dvc.yaml runs the stages as the code has them, and nothing else", Path(root)
    try:
        said, wanted = params.load_yaml(root / WORKFLOW), expected(root)
    except (StageError, OSError, SyntaxError, UnicodeDecodeError) as error:
        return Check(3, what, [f"{WORKFLOW}: cannot be compared: {str(error).splitlines()[0]}"])
    if not isinstance(said, dict) or not isinstance(said.get("stages"), dict):
        return Check(3, what, [f"{WORKFLOW}: found no stages"])
    faults = [
        f"{WORKFLOW}: {key}: the code has no such key"
        for key in map(str, said)
        if key not in ("stages", "plots", "artifacts")
    ]
    if said.get("plots") != PICTURES.split():
        faults.append(
            f"{WORKFLOW}: plots: found {str(said.get('plots'))[:80]}, expected the charts of metrics/"
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


def written(root) -> str:
    """dvc.yaml as the code has it. Comments above the stages, descriptions and artifacts stay as they are."""
    text = (Path(root) / WORKFLOW).read_text("utf-8")
    head, tail = (
        text[: text.index("stages:\n")],
        text[text.index("artifacts:\n") :] if "artifacts:\n" in text else "",
    )
    described = params.load_yaml(Path(root) / WORKFLOW)["stages"]
    lines = ["stages:"]
    for name, entry in expected(root).items():
        lines += [f"  {name}:", f"    desc: {described[name]['desc']}", "    cmd: >-"]
        lines += [
            f"      {line}"
            for group in STAGES[name].command(name, Path(root))
            for line in textwrap.wrap(group, 130, break_on_hyphens=False)
        ]
        for key in ("deps", "params", "outs", "metrics"):
            if key in entry:
                lines += [f"    {key}:", *(line for item in entry[key] for line in _item(item))]
    return head + "\n".join([*lines, "", "plots:", *(f"- {path}" for path in PICTURES.split()), "", tail])


def _item(item) -> list[str]:
    if isinstance(item, str):
        return [f"    - {item}"]
    return [f"    - {_path(item)}:", "        cache: false"]


def main() -> int:
    """Writes dvc.yaml."""
    text = written(".")
    if re.search(r"[^\x20-\x7e\n]", text):
        raise StageError(
            f"{WORKFLOW}: found characters beyond ASCII", way_out="Describe the stages without them."
        )
    records.write_bytes(WORKFLOW, text.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
