"""pytest and the requirements: a test says what it verifies, and what came of it becomes evidence.

`@pytest.mark.requirement("SRS-…")` ties a test to requirements of the software. An id that it does not have,
and a test that asserts nothing, are errors of collection. Each id becomes a JUnit property 'verifies'.

--requirement ID   only the tests of these requirements
--record FILE      writes the record 'tests'
--failures FILE    writes how each test failed: 'assertion', 'expectation' or the name of an error
"""

import ast
import inspect
import json
import textwrap
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

from radiotrace import records
from radiotrace.evidence.trace import tests
from radiotrace.pipeline import params

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = "software/design/requirements.yaml"
UNSEEN = (
    'evidence would not know of it: write @pytest.mark.requirement("SRS-…") above a function '
    "that stands at the top of its file"
)
TRIVIAL = (ImportError, SyntaxError, NameError, AttributeError, TypeError)
ASSERTING = ("pytest.raises", "pytest.warns", "pytest.fail")


def pytest_addoption(parser):
    group = parser.getgroup("requirements")
    group.addoption(
        "--requirement",
        action="append",
        default=[],
        metavar="ID",
        help="only the tests that verify this requirement",
    )
    group.addoption("--failures", metavar="FILE", help="write how each test failed")
    group.addoption("--record", metavar="FILE", help="write what came of the tests that verify a requirement")


def pytest_configure(config):
    config.addinivalue_line("markers", f"requirement(*ids): verifies these requirements of {REQUIREMENTS}")
    if config.getoption("record") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(config))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.excinfo is not None and report.failed and (path := item.config.getoption("failures")):
        kinds = json.loads(Path(path).read_text("utf-8")) if Path(path).exists() else {}
        Path(path).write_text(json.dumps({item.nodeid.split("[")[0]: how(call), **kinds}), "utf-8")
    return report


def how(call) -> str:
    """How a test failed: 'assertion' of its own or of a helper of tests; 'expectation', any other error that
    a line of them raised, such as one that takes a list of one apart; else the name of the error.

    Code could assert and raise what it likes, and what is missing or cannot be imported fails each test:
    neither says that the test looked.
    """
    error, raised_in = call.excinfo.value, call.excinfo.traceback[-1].path
    if isinstance(error, pytest.fail.Exception):
        return "assertion"
    if _is_code(raised_in) or isinstance(error, TRIVIAL):
        return type(error).__name__
    return "assertion" if isinstance(error, AssertionError) else "expectation"


def _is_code(path) -> bool:
    """Whether a file is of this repository and no test."""
    try:
        return Path(path).resolve().relative_to(ROOT).parts[0] != "tests"
    except ValueError:
        return False


@cache
def known_ids() -> frozenset[str]:
    """Ids of the requirements of the software, of this copy of the repository. Those of a study have
    criteria, which no test decides."""
    return frozenset({one["id"] for one in params.load_yaml(ROOT / REQUIREMENTS)["requirements"]})


@cache
def declared_in(path) -> dict[str, dict]:
    """What evidence reads from the source of a file of tests."""
    return tests.declared_in(Path(path).read_text("utf-8"))


def unseen(ids: list, path, name: str) -> bool:
    """Whether evidence, which reads the source, does not see that a test verifies these."""
    return name not in declared_in(path) or not set(ids) <= set(declared_in(path)[name]["verifies"])


def faults(ids: list, function, path) -> list[str]:
    """What is wrong with a test that verifies something."""
    found = [] if ids else ["it names no requirement"]
    found += [f"{one!r} is not in {REQUIREMENTS}" for one in ids if one not in known_ids()]
    if not found and unseen(ids, path, function.__qualname__):  # its failure would count for nothing
        found.append(UNSEEN)
    if not asserts(function):
        found.append("it asserts nothing")
    return found


def asserts(function, above=()) -> bool:
    """Whether a test has an assert, a pytest.raises, or a call of a function beside it that has."""
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
        if isinstance(node, ast.Assert) or (
            isinstance(node, ast.Call) and ast.unparse(node.func) in ASSERTING
        ):
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            helper = function.__globals__.get(node.func.id)
            if (
                inspect.isfunction(helper)
                and helper.__module__ == function.__module__
                and helper not in (*above, function)
                and asserts(helper, (*above, function))
            ):
                return True
    return False


def ids_of(node) -> list:
    return [one for marker in node.iter_markers("requirement") for one in marker.args]


def of_parameters(definition) -> list:
    """Ids that single parameters of a test name: pytest.param(…, marks=…)."""
    values = [
        value
        for marker in definition.iter_markers("parametrize")
        if len(marker.args) > 1 and isinstance(marker.args[1], list | tuple)
        for value in marker.args[1]
    ]
    return [
        one
        for value in values
        for mark in getattr(value, "marks", ())
        if mark.name == "requirement"
        for one in mark.args
    ]


# while a file is collected: what is raised here is an error of collection
def pytest_generate_tests(metafunc):
    test, extra = metafunc.definition, of_parameters(metafunc.definition)
    if (extra or next(test.iter_markers("requirement"), None)) and (
        wrong := faults(ids_of(test) + extra, metafunc.function, test.path)
    ):
        raise pytest.Collector.CollectError(f"{test.nodeid}: {'; '.join(wrong)}")


def pytest_collection_modifyitems(config, items):
    for item in items:
        item.user_properties += [("verifies", one) for one in ids_of(item)]
        # a mark that came from elsewhere
        if ids_of(item) and unseen(ids_of(item), item.path, item.originalname):
            raise pytest.UsageError(f"{item.nodeid}: {UNSEEN}")
    if wanted := set(config.getoption("requirement")):
        rest = [item for item in items if not wanted & set(ids_of(item))]
        items[:] = [item for item in items if wanted & set(ids_of(item))]
        config.hook.pytest_deselected(items=rest)


class Recorder:
    """What came of each test, in the process that all reports reach."""

    def __init__(self, config):
        self.path, self.whole = Path(config.getoption("record")).resolve(), _is_whole(config)
        self.collected, self.reports, self.refused = set(), defaultdict(list), False

    def pytest_collection_finish(self, session):
        self.collected |= {item.nodeid for item in session.items}

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids):
        self.collected |= set(ids)

    def pytest_collectreport(self, report):
        self.refused |= report.failed

    def pytest_runtest_logreport(self, report):
        self.reports[report.nodeid].append(report)

    def pytest_sessionfinish(self, exitstatus):
        # several processes end with the latter then
        if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) and not self.refused:
            records.write(self.path, tests.record(ROOT, self.outcomes(), self.whole), "tests")

    def outcomes(self) -> dict[str, dict[str, int]]:
        """Test -> how many of its cases there are, passed, failed and were skipped; a case that ended
        otherwise is in the first count alone."""
        found = defaultdict(lambda: {"cases": 0, "passed": 0, "failed": 0, "skipped": 0})
        for nodeid in self.collected:
            entry, reports = found[nodeid.split("[")[0]], self.reports[nodeid]
            entry["cases"] += 1
            if any(report.failed for report in reports):
                entry["failed"] += 1
            elif any(report.skipped for report in reports):  # an expected failure is one
                entry["skipped"] += 1
            elif any(
                report.when == "call" and report.passed and not hasattr(report, "wasxfail")
                for report in reports
            ):
                entry["passed"] += 1
        return dict(found)


def _is_whole(config) -> bool:
    """Whether nothing narrows the run to some of the tests that verify requirements."""
    option = config.option
    narrowed = [
        option.keyword,
        option.deselect,
        option.ignore,
        option.ignore_glob,
        option.requirement,
        option.maxfail,
        getattr(option, "lf", False),
        getattr(option, "stepwise", False),
        option.markexpr not in ("", "requirement"),
    ]
    return config.args_source is not pytest.Config.ArgsSource.ARGS and not any(narrowed)
