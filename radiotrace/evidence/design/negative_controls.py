"""Negative controls: seeded faults, under each of which the tests or the criteria of its requirements must
fail.

A test that passes says little until it has been seen to fail. 'make negative-controls' sees to that, and
writes the record 'negative_control_outcomes'; an outcome is believed only while fault, faulted file and tests
are those that it was seen with.
"""

import ast
import json
import re
from collections import Counter

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.pipeline import params

# How a fault is noticed: a test asserts otherwise, or cannot take apart what it got, or a criterion is not
# met. An error of any other kind, such as one of import, or one that the faulted code raises, would come
# whatever the test asserts.
SCHEMA = "radiotrace-negative-controls/1.0"
NOTICED = ("assertion", "expectation", "criterion")
SHARED = re.compile(r"tests/(?!(?:.*/)?test_)[a-z0-9_/]+\.py")  # fixtures and helpers of tests


def load(path) -> dict[str, dict]:
    """The seeded faults of a negative_controls.yaml, by id.

    Raises:
        StageError: the file breaks its schema, or an id stands twice; names every fault.
    """
    record = params.load_yaml(path)
    broken = records.faults(record, "negative_controls")
    if not broken:
        times = Counter(control["id"] for control in record["negative_controls"])
        broken = [f"{name} stands twice" for name in sorted(times) if times[name] > 1]
    if broken:
        raise StageError(f"{path} breaks schemas/negative_controls.schema.json", broken, f"Correct {path}.")
    return {control["id"]: control for control in record["negative_controls"]}


def record(controls: dict[str, dict]) -> dict:
    """The record 'negative_controls' of faults, in their order."""
    return {"schema": SCHEMA, "negative_controls": list(controls.values())}


def apply(control: dict, text: str) -> str:
    """A file's text with the fault in it.

    Raises:
        StageError: the text that the fault replaces does not stand there exactly once, or the fault changes
            nothing.
    """
    count, reason = text.count(control["old"]), None
    if count != 1:
        reason = f"the text under 'old' stands there {count} times, expected 1"
    elif control["new"] == control["old"]:
        reason = "'new' is the same as 'old'"
    if reason:
        raise StageError(
            f"{control['id']} cannot be applied to {control['file']}",
            [reason],
            "Correct negative_controls.yaml.",
        )
    return text.replace(control["old"], control["new"])


def breaks(control: dict, text: str) -> str | None:
    """Why a file would not even be read with the fault in it, so that every test of it fails, whatever it
    tests; None where it would.

    Args:
        control: a fault of code.
        text: of the file, without the fault; a fault that does not fit it is none of this function's.

    Returns:
        The error, in words.
    """
    if text.count(control["old"]) != 1:
        return None
    faulted = text.replace(control["old"], control["new"])
    try:
        if control["file"].endswith(".py"):
            ast.parse(faulted)
        elif control["file"].endswith(".json"):
            json.loads(faulted)
        elif control["file"].endswith((".yaml", ".yml")):
            params.YAML(typ="safe", pure=True).load(faulted)
    except SyntaxError as error:
        return f"{control['file']}, line {error.lineno}: {error.msg}"
    except (ValueError, params.YAMLError) as error:
        return f"{control['file']}: {str(error).splitlines()[0]}"
    return None


def users(control_id: str, requirements: dict) -> list[dict]:
    """The requirements that name a control."""
    return [
        requirement
        for requirement in requirements["requirements"]
        if control_id in requirement["verification"]["negative_controls"]
    ]


def seen_sha256(
    control: dict, requirements: dict, files: dict[str, str], known_tests: dict[str, dict], run_id: str
) -> str:
    """Digest of what an outcome depends on: for a fault of code the faulted file, the tests with their files,
    and what tests share; for a fault of predictions the run and the criteria.

    Args:
        files: path -> SHA-256 of code and tests.
        known_tests: of tests.declared().
    """
    named_by = users(control["id"], requirements)
    if "file" not in control:
        criteria = {row["id"]: row["acceptance"] for row in named_by if "acceptance" in row}
        return records.digest({"run_id": run_id, "criteria": criteria})
    ids = {requirement["id"] for requirement in named_by}
    tests = [test for test, entry in known_tests.items() if ids & set(entry["verifies"])]
    # helpers as well: one of them may be what asserts
    test_files = {test.split("::")[0] for test in tests} | {path for path in files if SHARED.fullmatch(path)}
    return records.digest(
        {
            "file": files.get(control["file"]),
            "tests": sorted(tests),
            "files": {path: files.get(path) for path in test_files},
        }
    )


def noticed(without: dict, under: dict) -> bool:
    """Whether a criterion noticed a fault of the predictions: it is not met under it, and is worse than
    without it.

    A criterion that is missed anyway notices nothing by being missed under a fault as well. One that has no
    bound, with the fault or without it, says so: it is never met, so that it vouches for nothing.

    Args:
        without, under: of requirements.judge, without the fault and under it.
    """
    if under["verdict"] == "met":
        return False
    if without["verdict"] == "met" or None in (without["observed"], under["observed"]):
        return True
    worse = under["observed"] - without["observed"]
    return worse < 0 if under["op"] == ">=" else worse > 0


def verdict(control: dict, requirement_id: str, outcomes: dict, seen: str) -> str:
    """'red' (a test noticed the fault by what it asserts), 'green' (none did), 'broken' (no test could run),
    'not run' or 'stale'.

    An outcome from before the kind of failure was kept is stale: it may have been an error of import.

    Args:
        outcomes: the record 'negative_control_outcomes'.
        seen: seen_sha256 as it is now.
    """
    entry = outcomes["controls"].get(control["id"])
    if entry is None or requirement_id not in entry["requirements"]:
        return "not run"
    if (entry["control_sha256"], entry["seen_sha256"]) != (records.digest(control), seen):
        return "stale"
    outcome = entry["requirements"][requirement_id]
    if outcome["verdict"] == "red" and "kind" not in outcome:
        return "stale"
    return outcome["verdict"] if outcome.get("kind") in (None, *NOTICED) else "broken"
