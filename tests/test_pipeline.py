"""dvc.yaml tells the truth: deps, params and paths are those of the code."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from radiotrace.evidence.verify import workflow
from radiotrace.pipeline import dvcfile, params, tasks
from radiotrace.pipeline.closure import code_closure

ROOT = Path(__file__).resolve().parent.parent
STAGES = dvcfile.load(ROOT)["stages"]
NETWORK = {"radiotrace.learning.networks": ["dynunet"]}  # of params.yaml
NAMES = [
    "ingest",
    "validate",
    "split",
    "train",
    "evaluate",
    "robustness",
    "explain",
    "export",
    "distil",
    "optimize",
    "report",
    "evidence",
]
# Neither dep nor out: no result depends on them.
STATE = {
    "--checkpoints": ".checkpoints",
    "--failed": "execution/findings.html",
    "--tensorboard": "execution/tensorboard",
    "--openings": "design/test_openings.jsonl",
    # the last is read, but DVC takes no dvc.yaml as a dep; tests/test_submitted.py sees that it is the
    # one
    "--workflow": "dvc.yaml",
}
READERS_OF_THE_LEDGER = ("report",)  # the stages that open the test part add to it


def module(name: str) -> str:
    return STAGES[name]["cmd"].split()[2]


def script(name: str) -> str:
    return f"{module(name).replace('.', '/')}.py"


def outs(stage: dict) -> set[str]:
    return {
        one if isinstance(one, str) else next(iter(one))
        for kind in ("outs", "metrics", "plots")
        for one in stage.get(kind, [])
    }


def parents(paths: set[str]) -> set[str]:
    return {Path(path).parent.as_posix() for path in paths}


def options(stage: dict) -> list[tuple[str, str]]:
    """(option, value) of the command; an option with several values yields each."""
    found, option = [], None
    for word in stage["cmd"].split()[3:]:
        if word.startswith("--"):
            option = word
        else:
            found.append((option, word))
    return found


def schemas_named(closure: list[str]) -> set[str]:
    """Schemas that code reads or writes by name, anywhere in a closure."""
    names = {path.name.removesuffix(".schema.json") for path in (ROOT / "schemas").glob("*.schema.json")}
    literals = {
        node.value
        for path in closure
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return literals & names


def schemas_used(name: str) -> set[str]:
    """Schemas of a stage's own calls of records and ledgers, and of the modules it imports."""
    closure = code_closure([script(name)], choices=NETWORK)
    found = set()
    for path in closure:
        tree = ast.parse((ROOT / path).read_text())
        calls = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and ast.unparse(node.func)
            in (
                "records.read",
                "records.write",
                "records.faults",
                "records.schema",
                "ledgers.read",
                "ledgers.add",
            )
        ]
        for call in calls:
            last = call.args[-1]
            if isinstance(last, ast.Constant):
                found.add(last.value)
            elif path.startswith("stages/"):  # the schema is looked up in a table of that file
                found |= schemas_named([path])
        # a schema that is read itself, for what it says
        found |= {
            node.value.removesuffix(".schema.json")
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and re.fullmatch(r"\w+\.schema\.json", node.value)
        }
    # params.schema.json and metric_names.schema.json can only refuse, never change a result; as deps they
    # would retrain for an evaluate parameter, and for a new measure.
    return found - {"params", "metric_names"}


def test_the_stages_stand_in_order():
    assert list(STAGES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_stage_says_what_it_does(name):
    assert len(STAGES[name]["desc"]) > 20


@pytest.mark.parametrize("name", NAMES)
def test_deps_are_the_import_closure_the_schemas_the_pins_and_the_input_paths(name):
    stage = STAGES[name]
    code = set(code_closure([script(name)], choices=NETWORK))
    of_task = tasks.schemas("segmentation")
    of_others = {schema for task in tasks.known() for schema in tasks.schemas(task)} - of_task
    used = schemas_used(name) | (of_task if name == workflow.LAST else set())
    schemas = {f"schemas/{schema}.schema.json" for schema in used - of_others}
    state = {} if name in READERS_OF_THE_LEDGER else STATE
    paths = (
        {value for option, value in options(stage) if option not in ("--params", "--out", *state)}
        - parents(outs(stage))
        - outs(stage)
    )
    assert set(stage["deps"]) == code | schemas | paths


@pytest.mark.parametrize("name", NAMES)
def test_deps_are_sorted_and_stand_once(name):
    deps = params.load_yaml(ROOT / "dvc.yaml")["stages"][name]["deps"]
    assert deps == sorted(set(deps))


@pytest.mark.parametrize("name", NAMES)
def test_params_are_the_section_read_and_the_seed_where_it_is_used(name):
    loads = re.findall(
        r'params\.load\(args\.params, "(\w+)"(, '
        r"seed=True)?\)",
        (code := (ROOT / script(name)).read_text()),
    )
    whole = {"seed": any(seed for _, seed in loads), "task": "params.task(args.params)" in code}
    assert set(STAGES[name].get("params", [])) == {section for section, _ in loads} | {
        key for key, is_read in whole.items() if is_read
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_path_of_the_command_is_a_dep_or_an_out(name):
    stage = STAGES[name]
    for option, value in options(stage):
        if option == "--params":
            assert value == "params.yaml"
        elif option in STATE and name not in READERS_OF_THE_LEDGER:
            assert value == STATE[option]
        # a folder that others may write to as well: each file in it is an out
        elif value in parents(outs(stage)):
            assert option in ("--metrics", "--metrics-folder")
        elif option in ("--out", "--gates", "--live", "--provenance"):
            assert value in outs(stage)
        else:
            assert value in stage["deps"]


@pytest.mark.parametrize("name", NAMES)
def test_the_command_gives_what_the_parser_requires_and_nothing_else(name):
    parser = importlib.import_module(module(name)).parser
    required = {action.option_strings[-1] for action in parser._actions if action.required}
    assert len(required) > 1
    if name == "evidence":  # whose parser leaves the options of the task to its declaration
        declared = params.load_yaml(ROOT / "stages/segmentation/workflow.yaml")
        required |= {f"--{record}" for record in declared["records"] if record not in ("train", "epochs")}
        required |= {f"--{stage}-provenance" for stage in declared["stages"]}
    assert {option for option, _ in options(STAGES[name])} == required | {"--params", "--requirements"}


# Each wing of radiotrace/, and those that it may import. Tasks, which stand on all others, never import each
# other, but for one that is another with more to tell.
WINGS = {
    "errors": "",
    "records": "errors",
    "pipeline": "errors records",
    "statistics": "errors records",
    "imaging": "errors records pipeline",
    "inference": "errors records imaging",
    "drawing": "statistics",
    "inspection": "errors records imaging drawing",
    "clinic": "errors records imaging drawing",
    "download": "errors records imaging",
    "synthetic": "records imaging",
    "learning": "errors records pipeline imaging statistics inference",
    "planning": "errors records pipeline imaging learning",
    "search": "errors records pipeline",
    "evidence": "errors records pipeline",
    "site": "errors records pipeline statistics drawing evidence",
    "segmentation": "errors records pipeline imaging statistics inference drawing learning evidence",
    "classification": "errors records pipeline imaging statistics inference drawing learning evidence",
    "tabular": "errors records pipeline imaging statistics drawing evidence",
    "detection": "errors records pipeline imaging statistics inference drawing learning evidence",
    "segmentation_survival": "errors records pipeline imaging statistics inference drawing learning evidence "
    "segmentation",
}


def test_imports_go_one_way():
    allowed = {
        "tests": {"tests", "stages", "radiotrace"},
        "stages": {"radiotrace"},
        "radiotrace": {"radiotrace"},
    }
    wings = {name: set(below.split()) for name, below in WINGS.items()}
    watched = {*wings, "commands"}  # on which nothing stands
    wrong = []
    for package, may in allowed.items():
        for path in sorted((ROOT / package).rglob("*.py")):
            imported = imports(path)
            wrong += [
                f"{path.relative_to(ROOT)}: {name}"
                for name in imported
                if (name.split(".")[0] in allowed and name.split(".")[0] not in may)
                or (package == "stages" and name.startswith("radiotrace.commands"))
            ]
            wing = path.relative_to(ROOT).parts[1].removesuffix(".py") if package == "radiotrace" else None
            if wing in wings:
                others = {name.split(".")[1] for name in imported if name.startswith("radiotrace.")} & watched
                wrong += [
                    f"{path.relative_to(ROOT)}: radiotrace.{other}" for other in others - wings[wing] - {wing}
                ]
    assert wrong == []


def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def test_every_wing_has_its_place_in_the_order():
    there = {
        path.name.removesuffix(".py")
        for path in (ROOT / "radiotrace").iterdir()
        if path.name not in ("__init__.py", "__main__.py", "__pycache__")
    }
    assert there == {*WINGS, "commands"}


def test_only_evaluate_and_what_probes_the_model_read_the_reference_of_the_test_part():
    readers = [name for name in NAMES if "data" in STAGES[name]["deps"]]
    assert readers == ["ingest", "evaluate", "robustness", "explain", "export", "optimize", "report"]
    assert [
        name
        for name in ("explain", "export")
        if re.search("[\"']label_map[\"']", (ROOT / script(name)).read_text())
    ] == []


@pytest.mark.parametrize("name", NAMES)
def test_importing_a_stage_does_nothing(name):
    tree = ast.parse((ROOT / script(name)).read_text())
    for node in tree.body:
        docstring = node is tree.body[0] and ast.get_docstring(tree)
        quiet = docstring or isinstance(
            node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
        )
        parsing = "parser.add_argument" in ast.unparse(node)
        guarded = isinstance(node, ast.If) and "__main__" in ast.unparse(node.test)
        assert quiet or parsing or guarded, ast.unparse(node)[:80]


def test_the_network_of_params_yaml_is_a_dep_and_no_other_is():
    text = (ROOT / "dvc.yaml").read_text()
    listed = re.findall(r"- radiotrace/learning/networks/(.*)\.py", text)
    assert set(listed) == {"${train.network}", "__init__", "layers"}


def test_dvc_overlooks_nothing_that_git_keeps():
    kept = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True).stdout
    overlooked = subprocess.run(
        [sys.executable, "-m", "dvc", "check-ignore", "--stdin"],
        input=kept,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert {path.split("/")[0] for path in overlooked} == {".dvc", "datastore"}
