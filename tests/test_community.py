"""What a repository says to those who cite it, report a fault or contribute: true, and in the form that
readers and programs expect."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
# of evidence/, or of a data set, where they are named without their folder
RECORDS = {"metrics.json", "model.json", "cases.json", "dataset.json", "result.json", "train.json"} | {
    "variants.json",
    "MODEL_CARD.md",
}
TEXTS = ("CONTRIBUTING.md", "SECURITY.md", ".github/pull_request_template.md", "docs/use.md")


def test_the_citation_has_what_the_format_requires():  # Citation File Format 1.2.0, "Valid keys"
    assert CITATION["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= CITATION.keys()
    assert CITATION["authors"] == [{"name": "The Radiotrace developers"}]
    assert CITATION["type"] == "software"
    for reference in CITATION["references"]:
        assert {"type", "title", "authors"} <= reference.keys()


def test_the_citation_is_of_this_version_and_licence():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert CITATION["version"] == project["version"]
    assert (ROOT / "LICENSE").read_text("utf-8").startswith(f"{CITATION['license']} License")


@pytest.mark.parametrize("name", TEXTS)
def test_what_a_text_names_is_there(name):
    text = (ROOT / name).read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)) <= targets
    quoted = {word for code in re.findall(r"`([^`\n]+)`", text) for word in code.split()}
    paths = {
        word for word in quoted if re.fullmatch(r"[\w.-]+(/[\w.-]+)*(/|\.(md|py|ya?ml|json|jsonl|txt))", word)
    }
    made = ("build/", "data/", "studies/", "execution/", "dvc_plots/")
    assert {path for path in paths if not path.startswith(made) and not (ROOT / path).exists()} <= RECORDS


def test_no_address_is_invented():
    for name in ("SECURITY.md", "CONTRIBUTING.md", "CITATION.cff"):
        assert "@" not in (ROOT / name).read_text("utf-8")
