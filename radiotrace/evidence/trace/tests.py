"""Tests as evidence: which tests say that they verify a requirement, what came of them, and on which code.

The record 'tests' is written by pytest (tests/requirement_plugin.py) from a run of the whole suite. What it
says of a test is believed only while every file in the scope of that test (scope.py) is the one that it
names.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

from radiotrace import records
from radiotrace.evidence.trace import pin_files
from radiotrace.records import merkle

CODE = (
    "radiotrace",
    "stages",
    "schemas",
    "dvc.yaml",
    "pyproject.toml",
    *pin_files.RUNTIME,
)
TESTS = ("tests",)
MARKER = "pytest.mark.requirement"


def tree(root, names) -> dict[str, str]:
    """SHA-256 of each file that stands under these files and folders, by its path; what Python caches is
    left out."""
    digests = {}
    for name in names:
        top = Path(root) / name
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digests[path.relative_to(root).as_posix()] = records.sha256(path)
    return digests


def declared(folder) -> dict[str, dict]:
    """The tests that say that they verify a requirement: test -> SHA-256 of its source, and the ids.

    Read from the source, so that a test which was skipped, deselected or never run is known to be missing.

    Args:
        folder: of the tests.
    """
    declarations = {}
    for path in sorted(Path(folder).rglob("test_*.py")):
        for name, entry in declared_in(path.read_text("utf-8")).items():
            declarations[f"{path.relative_to(Path(folder).parent).as_posix()}::{name}"] = entry
    return declarations


@cache
def declared_in(text: str) -> dict[str, dict]:
    """As declared, of the source of one file: functions that stand at its top, and ids that are written out.

    The plugin refuses others.
    """
    declarations = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and (ids := _verifies(node)):
            first = min(decorator.lineno for decorator in node.decorator_list)
            source = "\n".join(text.splitlines()[first - 1 : node.end_lineno])
            digest = hashlib.sha256(source.encode()).hexdigest()
            declarations[node.name] = {"source_sha256": digest, "verifies": ids}
    return declarations


def _verifies(node: ast.FunctionDef) -> list[str]:
    """The ids in the markers of a function, sorted."""
    ids = set()
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == MARKER:
            constants = [argument.value for argument in decorator.args if isinstance(argument, ast.Constant)]
            ids |= {value for value in constants if isinstance(value, str)}
    return sorted(ids)


def record(root, outcomes: dict[str, dict[str, int]], whole: bool) -> dict:
    """The record 'tests'.

    Args:
        outcomes: test -> how many of its cases there are, passed, failed and were skipped.
        whole: whether the run left no test out.
    """
    code, tests = tree(root, CODE), tree(root, TESTS)
    return {
        "whole": whole,
        "code_tree_sha256": merkle.root(code),
        "test_tree_sha256": merkle.root(tests),
        "files": code | tests,
        "tests": {
            test: known | outcomes[test]
            for test, known in declared(Path(root) / TESTS[0]).items()
            if test in outcomes
        },
    }


def contradictions(tested: dict) -> list[str]:
    """Where the record 'tests' is not what pytest wrote: the roots are not those of the files that it
    lists."""
    tests = {path: digest for path, digest in tested["files"].items() if path.startswith("tests/")}
    code = {path: digest for path, digest in tested["files"].items() if path not in tests}
    return [
        f"{name}: found {tested[name]}, expected {merkle.root(files)} of the files listed"
        for name, files in (("code_tree_sha256", code), ("test_tree_sha256", tests))
        if merkle.root(files) != tested[name]
    ]


def outcome(entry: dict | None) -> str:
    """'passed' when every case of a test passed; 'not run' when there is no entry."""
    if entry is None:
        return "not run"
    return (
        "passed"
        if entry["passed"] == entry["cases"] and not entry["failed"] and not entry["skipped"]
        else "not passed"
    )


def problems(requirement: dict, tested: dict, known: dict[str, dict]) -> list[str]:
    """Why the tests do not verify a requirement; [] when they do.

    Args:
        requirement: an entry of the record 'requirements'.
        tested: the record 'tests'.
        known: of declared().
    """
    names = [test for test, declaration in known.items() if requirement["id"] in declaration["verifies"]]
    needed, lines = requirement["verification"]["min_tests"], []
    if len(names) < needed:
        lines.append(f"{len(names)} tests, {needed} needed")
    for test in names:
        entry, declaration = tested["tests"].get(test), known[test]
        if outcome(entry) == "not run":
            lines.append(f"{test} was not run")
        elif outcome(entry) == "not passed":
            lines.append(
                f"{test}: {entry['passed']} of {entry['cases']} cases passed, {entry['failed']} "
                f"failed, {entry['skipped']} were skipped"
            )
        elif any(entry[key] != declaration[key] for key in ("source_sha256", "verifies")):
            lines.append(f"{test} was edited since it ran")
    return lines
