"""Tests as evidence: which tests say that they verify a requirement, what came of them, and on which code.

The record 'tests' is written by pytest (tests/requirement_plugin.py) from a run of the whole suite. What it
says of a test is believed only while every file in the scope of that test (scope.py) is the one that it
names.
"""

import ast
import hashlib
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
    found = {}
    for name in names:
        top = Path(root) / name
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                found[path.relative_to(root).as_posix()] = records.sha256(path)
    return found


def declared(folder) -> dict[str, dict]:
    """The tests that say that they verify a requirement: test -> SHA-256 of its source, and the ids.

    Read from the source, so that a test which was skipped, deselected or never run is known to be missing.

    Args:
        folder: of the tests.
    """
    found = {}
    for path in sorted(Path(folder).rglob("test_*.py")):
        for name, entry in declared_in(path.read_text("utf-8")).items():
            found[f"{path.relative_to(Path(folder).parent).as_posix()}::{name}"] = entry
    return found


def declared_in(text: str) -> dict[str, dict]:
    """As declared, of the source of one file: functions that stand at its top, and ids that are written out.

    The plugin refuses others.
    """
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and (ids := _verifies(node)):
            source = "\n".join(
                text.splitlines()[min(one.lineno for one in node.decorator_list) - 1 : node.end_lineno]
            )
            found[node.name] = {"source_sha256": hashlib.sha256(source.encode()).hexdigest(), "verifies": ids}
    return found


def _verifies(node: ast.FunctionDef) -> list[str]:
    named = [
        argument
        for one in node.decorator_list
        if isinstance(one, ast.Call) and ast.unparse(one.func) == MARKER
        for argument in one.args
    ]
    return sorted(
        {one.value for one in named if isinstance(one, ast.Constant) and isinstance(one.value, str)}
    )


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


def contradictions(found: dict) -> list[str]:
    """Where the record 'tests' is not what pytest wrote: the roots are not those of the files that it
    lists."""
    code, tests = (
        {path: digest for path, digest in found["files"].items() if path.startswith("tests/") is wanted}
        for wanted in (False, True)
    )
    return [
        f"{name}: found {found[name]}, expected {merkle.root(files)} of the files listed"
        for name, files in (("code_tree_sha256", code), ("test_tree_sha256", tests))
        if merkle.root(files) != found[name]
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


def problems(requirement: dict, found: dict, known: dict[str, dict]) -> list[str]:
    """Why the tests do not verify a requirement; [] when they do.

    Args:
        requirement: an entry of the record 'requirements'.
        found: the record 'tests'.
        known: of declared().
    """
    mine = [test for test, entry in known.items() if requirement["id"] in entry["verifies"]]
    needed, lines = requirement["verification"]["min_tests"], []
    if len(mine) < needed:
        lines.append(f"{len(mine)} tests, {needed} needed")
    for test in mine:
        entry = found["tests"].get(test)
        if outcome(entry) == "not run":
            lines.append(f"{test} was not run")
        elif outcome(entry) == "not passed":
            lines.append(
                f"{test}: {entry['passed']} of {entry['cases']} cases passed, {entry['failed']} "
                f"failed, {entry['skipped']} were skipped"
            )
        elif (entry["source_sha256"], entry["verifies"]) != (
            known[test]["source_sha256"],
            known[test]["verifies"],
        ):
            lines.append(f"{test} was edited since it ran")
    return lines
