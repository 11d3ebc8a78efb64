"""Believed: every field of every record of the bundle is either made again by a check of verify, or named
as believed."""

import json
import re
from pathlib import Path

import pytest

from radiotrace.commands import verify as command
from radiotrace.evidence.verify import believed, derived
from radiotrace.segmentation.verification import checks as checks_of_task
from stages import evidence as stage
from tests import submitted

ROOT = Path(__file__).resolve().parent.parent


def bundle() -> dict[str, set[str] | None]:
    """The files of the bundle with their keys: of the committed one, and of what the stage evidence makes
    by now."""
    folder = submitted.folder() / "evidence"
    files = {
        path.name: set(json.loads(path.read_text("utf-8"))) if path.suffix == ".json" else None
        for path in folder.iterdir()
    }
    for name in files:
        stem = name.removesuffix(".json")
        schema = ROOT / f"schemas/{stage.SCHEMA_OF.get(stem, stem)}.schema.json"
        if schema.exists():
            files[name] |= set(json.loads(schema.read_text("utf-8")).get("properties", {}))
    return files


@pytest.mark.requirement("SRS-EVI-5")
def test_every_field_of_every_record_is_checked_or_named_as_believed():
    assert len(bundle()) > 60
    assert believed.uncovered(bundle()) == []


@pytest.mark.requirement("SRS-EVI-5")
def test_a_record_or_a_field_that_the_table_forgot_is_named():
    found = {"verdict.json": {"run_id"}, "negative_controls.json": {"controls", "trusted"}}
    assert believed.uncovered(found) == [
        "negative_controls.json: the table says nothing of trusted",
        "verdict.json: the table says nothing of it",
    ]


def test_no_row_is_of_a_record_that_is_no_more():
    names = bundle()
    assert [row.record for row in believed.TABLE if not any(row in believed.of(name) for name in names)] == []


def test_every_check_that_the_table_names_is_one_that_verify_makes():
    """By their words: those of the command's table, of the functions behind it, and of the derived
    records."""
    files = [
        path
        for folder in ("commands", "evidence", "segmentation/verification")
        for path in sorted((ROOT / "radiotrace" / folder).rglob("*.py"))
    ]
    sources = "".join(path.read_text("utf-8") for path in files if path.name != "believed.py")
    of_all = (*command.CHECKS.values(), *command.LAST.values(), *checks_of_task.LEVELS.values())
    known = {what for checks in of_all for what, _ in checks}
    known |= {*derived.of_every_study(None), *checks_of_task.DERIVED}
    for row in believed.TABLE:
        if row.level is not None:
            assert (
                row.how in known
                or f'"{row.how}"' in sources
                or row.how.replace("evidence/", "{evidence.name}/") in sources
            ), row


def test_what_is_believed_is_in_the_last_lines_with_its_reason():
    said = believed.lines(6)
    assert any(
        line.startswith("tests.json (files, tests, whole): on which files the tests ran") for line in said
    )
    assert not any("was not asked for" in line for line in said)
    assert any(
        re.match(
            r"epochs\.json, .*: made again at level 6, which was not asked "
            r"for",
            line,
        )
        for line in believed.lines(5)
    )
    assert any("explain.json" in line and "level 5" in line for line in believed.lines(4))


def test_what_is_not_part_of_a_task_is_not_told_as_believed():
    told = believed.lines(4, left_out=("robustness", "explain"))
    assert [line for line in told if "explain.json" in line or "robustness.json" in line] == []
    assert any("cases.json" in line for line in told)


def test_the_page_has_the_table():
    text = (ROOT / "docs/verify.md").read_text("utf-8")
    assert believed.table(6) in text, f"write this into docs/verify.md:\n{believed.table(6)}"
