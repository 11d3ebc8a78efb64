"""What becomes stale when something is added: stages by their deps, requirements by their tests."""

import shutil
from pathlib import Path

import pytest

from radiotrace.evidence.trace import scope, tests
from radiotrace.evidence.verify import workflow
from radiotrace.pipeline.study import Study

ROOT = Path(__file__).resolve().parent.parent
NETWORKS = "learning/networks"
SECOND = ROOT / "tests/second"
MEASURES = "radiotrace/segmentation/measures.py"
ENTRY = """Measure(
        name="volume_ratio",
        title="Volume ratio",
        digits=3,
        better=None,
        kind="amount",
        definition="prediction over reference; undefined without reference",
        of=lambda pair: pair.prediction_mm3 / pair.reference_mm3 if pair.reference_mm3 else None,
    ),"""
FILES = ("dvc.yaml", "params.yaml", "pyproject.toml", "requirements.txt")


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A copy of code and tests."""
    folder = tmp_path_factory.mktemp("stale")
    for name in ("radiotrace", "stages", "schemas", "tests", "benchmarks", "requirements"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (*FILES, *workflow.machinery(ROOT)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def before(clone):
    """Deps of the stages, and the digests of code and tests."""
    return workflow.expected(Study(clone)), tests.tree(clone, (*tests.CODE, *tests.TESTS))


@pytest.fixture
def added(clone):
    """Adds a file for one test."""
    paths = []

    def add(folder: str, text: str) -> None:
        paths.append(clone / f"radiotrace/{folder}/novel.py")
        paths[0].write_text(text)

    yield add
    for path in paths:
        path.unlink()


def stale(clone, then: dict[str, str]) -> dict[str, list[str]]:
    """Files of tests of requirements, and why they are stale."""
    known = tests.declared(clone / "tests")
    code, own = (
        {path: digest for path, digest in then.items() if path.startswith("tests/") is wanted}
        for wanted in (False, True)
    )
    found = {
        "files": then,
        "tests": {},
        "code_tree_sha256": tests.merkle.root(code),
        "test_tree_sha256": tests.merkle.root(own),
    }
    return scope.stale(found, tests.tree(clone, (*tests.CODE, *tests.TESTS)), clone, known)


def test_nothing_is_stale_where_nothing_changed(clone, before):
    assert stale(clone, before[1]) == {}


@pytest.mark.requirement("SRS-EVI-6")
def test_a_package_of_another_wing_makes_no_stage_and_no_requirement_stale(clone, before):
    path = clone / "requirements/serving.txt"
    path.write_text("# stands on: core.txt\nstarlette==1.0.0\n")
    try:
        assert workflow.expected(Study(clone)) == before[0]
        assert stale(clone, before[1]) == {}
    finally:
        path.unlink()


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        (
            "learning",
            {"train", "evaluate", "robustness", "explain", "export", "distil", "optimize", "evidence"},
        ),
        ("drawing", {"evaluate", "robustness", "explain", "optimize", "report", "evidence"}),
        ("optimize", {"optimize", "evidence"}),
        ("dvc", {"evidence"}),
        ("dev", {"evidence"}),
    ],
)
def test_a_pin_concerns_the_stages_that_can_reach_it(before, file, stages):
    path = f"requirements/{file}.txt"
    assert {name for name, entry in before[0].items() if path in entry["deps"]} == stages


def test_a_pin_concerns_the_requirements_whose_tests_can_reach_it(clone, before):
    path = clone / "requirements/drawing.txt"
    text = path.read_text()
    path.write_text(text.replace("matplotlib==", "matplotlib==0."))
    try:
        found = stale(clone, before[1])
    finally:
        path.write_text(text)
    files = {test.split("::")[0] for test in tests.declared(clone / "tests")}
    assert {line for lines in found.values() for line in lines} == {
        "requirements/drawing.txt: changed since the tests ran"
    }
    assert 0 < len(found) < len(files)


@pytest.mark.parametrize(
    ("folder", "text"),
    [
        ("segmentation", '"""Nothing yet."""\n'),
        ("evidence/formats", "A = 1\n"),
        (NETWORKS, (ROOT / "radiotrace/learning/networks/unet.py").read_text()),
    ],
    ids=["module of a task", "module of evidence", "network"],
)
@pytest.mark.requirement("SRS-EVI-6")
def test_what_nothing_imports_makes_no_stage_and_no_requirement_stale(clone, before, added, folder, text):
    added(folder, text)
    assert workflow.expected(Study(clone)) == before[0]
    assert stale(clone, before[1]) == {}


def test_a_network_that_params_yaml_names_is_a_dep_of_the_stages_that_use_it(clone, before, added):
    text = (clone / "params.yaml").read_text()
    added(NETWORKS, "from radiotrace.learning.networks import unet\n")
    try:
        (clone / "params.yaml").write_text(text.replace("network: dynunet", "network: novel"))
        found = workflow.expected(Study(clone))
    finally:
        (clone / "params.yaml").write_text(text)
    more = {name: set(found[name]["deps"]) - set(before[0][name]["deps"]) for name in found}
    unet = {"radiotrace/learning/networks/unet.py"}
    users = {"train", "evaluate", "robustness", "explain", "export", "distil"}
    assert more == {name: unet if name in users else set() for name in found}
    assert "radiotrace/learning/networks/${train.network}.py" in found["train"]["deps"]


def test_a_change_of_statistics_leaves_training_and_tests_of_files_standing(clone, before):
    path = clone / "radiotrace/statistics/intervals.py"
    text = path.read_text()
    try:
        path.write_text(f"{text}\n# edited\n")
        found = stale(clone, before[1])
    finally:
        path.write_text(text)
    assert "radiotrace/statistics/intervals.py" not in before[0]["train"]["deps"]
    assert "tests/test_statistics.py" in found
    assert not {"tests/test_decoding.py", "tests/test_checkpoints.py", "tests/test_stage.py"} & found.keys()


@pytest.fixture
def measure_added(clone):
    """One entry more in the table of measures, and what 'make deps' writes then; the paths that changed."""
    names = clone / "schemas/metric_names.schema.json"
    paths = (clone / MEASURES, names)
    texts = [path.read_text() for path in paths]
    table, last = texts[0].rsplit(")\n", 1)
    paths[0].write_text(f"{table}    {ENTRY}\n)\n{last}")
    paths[1].write_text(texts[1].replace('"iou.*"', '"iou.*", "volume_ratio.*"'))
    yield {path.relative_to(clone).as_posix() for path in paths}
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)


def with_those_after(stages: dict[str, dict], changed: set[str]) -> set[str]:
    """The stages that depend on a path that changed, and those on what these write, and so on."""
    found, paths = set(), set(changed)
    for _ in stages:  # no chain is longer
        found = {name for name, stage in stages.items() if _reaches(stage["deps"], paths)}
        paths |= {path for name in found for path in _outs(stages[name])}
    return found


def _reaches(deps: list[str], paths: set[str]) -> bool:
    """Whether a dep is one of the paths, lies in one, or has one in it."""
    pairs = [(f"{dep}/", f"{path}/") for dep in deps for path in paths]
    return any(dep.startswith(path) or path.startswith(dep) for dep, path in pairs)


def _outs(stage: dict) -> list[str]:
    outs = [*stage["outs"], *stage.get("metrics", [])]
    return [out if isinstance(out, str) else next(iter(out)) for out in outs]


def test_a_new_measure_runs_evaluate_and_what_comes_after_and_trains_nothing(clone, before, measure_added):
    stages = workflow.expected(Study(clone))
    assert stages == before[0]
    found = with_those_after(stages, measure_added)
    assert found == {"evaluate", "explain", "report", "export", "optimize", "evidence"}


def test_a_new_measure_leaves_requirements_standing_whose_tests_do_not_reach_it(clone, before, measure_added):
    found = stale(clone, before[1])
    assert {"tests/test_results.py", "tests/test_split.py"} <= found.keys()
    assert all(any(path in line for path in measure_added for line in lines) for lines in found.values())
    apart = {"decoding", "checkpoints", "stage", "losses", "networks", "surfaces", "overlap", "statistics"}
    assert not {f"tests/test_{name}.py" for name in apart} & found.keys()


@pytest.fixture
def task_added(clone):
    """The second task of the tests, at its places."""
    found = (path for name in ("radiotrace", "schemas", "stages") for path in (SECOND / name).rglob("*"))
    laid = sorted(path for path in found if path.suffix in (".json", ".py", ".yaml"))
    made = [clone / path.relative_to(SECOND) for path in laid]
    pairs = [(path, target) for path, target in zip(laid, made, strict=True) if not target.exists()]
    for path, target in pairs:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    yield
    for _, target in pairs:
        target.unlink()


def test_a_new_task_changes_no_stage_and_no_requirement_that_cannot_reach_it(clone, before, task_added):
    assert workflow.expected(Study(clone)) == before[0]
    found = stale(clone, before[1])
    assert all("second_task" in line for lines in found.values() for line in lines)
    apart = {"decoding", "losses", "networks", "surfaces", "overlap", "statistics"}
    assert not {f"tests/test_{name}.py" for name in apart} & found.keys()
