"""Software of unknown provenance: the list that people wrote against the imports of the code, the pins and
what packages say of themselves."""

import ast
import importlib.metadata
import json
import sys
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.evidence.design import soup
from radiotrace.evidence.formats import distributions
from tests import bills

PINS = {"requirements/core.txt": {"one": "1.0", "two": "2.0"}, "requirements/cluster.txt": {}}
OURS = {"radiotrace", "stages", "serving"}


def imported(root: Path, folders=("radiotrace", "stages")) -> set[str]:
    """Top names that the code of folders imports from elsewhere, inside functions too."""
    trees = [
        ast.parse(path.read_text("utf-8"))
        for folder in folders
        for path in sorted((root / folder).rglob("*.py"))
    ]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - OURS


def test_the_walk_finds_imports_inside_functions_and_leaves_out_our_own(tmp_path):
    (tmp_path / "radiotrace").mkdir()
    code = "import os\nfrom . import b\nfrom radiotrace import c\n"
    code += "def f():\n    from x.y import z\n    import w.v"
    (tmp_path / "radiotrace/a.py").write_text(code, "utf-8")
    assert imported(tmp_path, ["radiotrace"]) == {"x", "w"}


def test_soup_lists_what_the_code_imports_and_nothing_else():
    assert {name for entry in bills.listed()["soup"] for name in entry["imports"]} == imported(bills.ROOT)


def test_every_pin_that_no_other_pin_asks_for_is_in_the_soup():
    asked = {need for row in bills.installed().values() for need in row["requires"]}
    roots = {
        name for file in bills.RUNTIME for name in bills.pins()[file] if canonicalize_name(name) not in asked
    }
    assert roots <= {entry["name"] for entry in bills.listed()["soup"]}


@pytest.mark.parametrize(
    "entry", [entry for entry in bills.listed()["soup"] if entry["imports"]], ids=lambda entry: entry["name"]
)
def test_a_module_is_of_the_distribution_that_the_soup_says(entry):
    provided = {path.parts[0].removesuffix(".py") for path in importlib.metadata.files(entry["name"])}
    assert set(entry["imports"]) <= provided


def test_a_licence_in_the_soup_is_the_one_that_the_distribution_declares_where_that_is_spdx():
    declared = {name: row["licence"] for name, row in bills.installed().items() if row["spdx"]}
    listed = {
        entry["name"]: entry["licence"] for entry in bills.listed()["soup"] if entry["name"] in declared
    }
    assert listed
    assert listed == {name: declared[name] for name in listed}


def test_every_licence_in_the_soup_is_spdx():
    assert [
        entry["name"]
        for entry in bills.listed()["soup"]
        if entry["licence"] and distributions.expression(entry["licence"]) is None
    ] == []


def load(tmp_path, *entries):
    (tmp_path / "soup.yaml").write_text(
        json.dumps({"schema": "radiotrace-soup/1.0", "author": "The team", "soup": list(entries)}), "utf-8"
    )
    return soup.load(tmp_path / "soup.yaml", PINS)


def test_a_list_that_holds_is_taken_as_it_is(tmp_path):
    entries = [bills.entry("one"), bills.entry("two", imports=[], loaded_by="one")]
    assert load(tmp_path, *entries)["soup"] == entries


@pytest.mark.parametrize(
    ("entries", "finding"),
    [
        ([bills.entry("one"), bills.entry("one")], "one stands twice"),
        ([bills.entry("three")], "three: not in requirements/core.txt"),
        ([bills.entry("one", pins="requirements/cluster.txt")], "one: not in requirements/cluster.txt"),
        ([bills.entry("two", imports=[], loaded_by="one")], "two: loaded by one, which is not in the list"),
    ],
)
def test_a_list_that_contradicts_itself_or_the_pins_is_refused(tmp_path, entries, finding):
    with pytest.raises(StageError) as caught:
        load(tmp_path, *entries)
    assert caught.value.findings == [finding]


def test_a_list_that_breaks_its_schema_is_refused(tmp_path):
    with pytest.raises(StageError, match=r"soup\[0\].support_level"):
        load(tmp_path, bills.entry("one", support_level="fine"))


def test_the_record_adds_version_and_hash_and_satisfies_its_schema():
    found = soup.record(bills.listed(), bills.runtime(), bills.build())
    assert records.faults(found, "soup_list") == []
    rows = {row["name"]: row for row in found["soup"]}
    assert rows["monai"]["version"] == bills.pins()["requirements/learning.txt"]["monai"]
    assert rows["monai"]["sha256"] == bills.wheels()["wheels"]["monai"]["sha256"]
    assert (rows["Git"]["version"], rows["Git"]["sha256"]) == (None, None)
    assert found["anomaly_lists"]["n"] == len(bills.listed()["soup"])
