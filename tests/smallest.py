"""The smallest project that a release can be made of: phantoms and a tiny network, two requirements, two
seeded faults, two tests. All stages, schemas and checks are those of this repository.
"""

import json
import shutil
from pathlib import Path

from radiotrace.evidence.design import controls, reviews
from radiotrace.pipeline import params
from tests import projects

# One that tests verify, by a fault of code; one that a criterion judges, by a fault of predictions.
TESTED, JUDGED = "SRS-UI-1", "SRS-SEG-1"
FAULT = {
    "id": "NC-UI-1",
    "what": "a headline is not shown",
    "file": "radiotrace/errors.py",
    "old": '*map(shown, headline.split("\\n")),',
    "new": "",
}
# The one checklist whose rows point at no requirement.
CHECKLIST, CLAUSE = "iso14971.yaml", "iso14971@2019:4.1"
KEPT_TESTS = ("tests/__init__.py", "tests/requirement_plugin.py")
TEST = f'''"""What the smallest project asks of its code."""

import pytest

from radiotrace import errors


@pytest.mark.requirement("{TESTED}")
def test_a_fault_has_a_headline():
    assert "no data" in str(errors.StageError("no data"))


@pytest.mark.requirement("{TESTED}")
def test_a_fault_has_a_way_out():
    assert str(errors.StageError("no data", way_out="Bring some.")).splitlines() == ["no data", "Bring some."]
'''


def create(folder: Path) -> Path:
    """A project in which nothing has run: all of design/ is reviewed, everything is committed."""
    projects.create(folder)
    for path in sorted((folder / "tests").iterdir()):
        name = path.relative_to(folder).as_posix()
        if path.is_dir():
            shutil.rmtree(path)
        elif name not in KEPT_TESTS:
            path.unlink()
    (folder / "tests/test_small.py").write_text(TEST)
    for name in ("design/reviews.jsonl", "design/released_requirements.json"):
        (folder / name).unlink()
    for record in folder.glob("verification/*.json"):
        record.unlink()
    cut_design(folder / "design")
    review_all(folder / "design")
    shutil.rmtree(folder / ".git")  # in its history nothing may be missed: no requirement, no review
    projects.run(folder, "git", "init", "-q", "-b", "main")
    projects.commit(folder, "a small project")
    return folder


def cut_design(design: Path) -> None:
    """Leaves two requirements and what they need; other files no longer name the rest."""
    required = params.load_yaml(design / "requirements.yaml")
    rows = {row["id"]: row for row in required["requirements"] if row["id"] in (TESTED, JUDGED)}
    rows[TESTED]["verification"] |= {"min_tests": 2, "negative_controls": [FAULT["id"]]}
    rows[JUDGED]["verification"]["negative_controls"] = ["NC-SEG-1"]
    for row in rows.values():
        row["clauses"] = [CLAUSE]
    for path in design.glob("compliance/*.yaml"):
        if path.name != CHECKLIST:
            path.unlink()
    seeded = params.load_yaml(design / "negative_controls.yaml")
    of_predictions = [row for row in seeded["negative_controls"] if row["id"] == "NC-SEG-1"]
    plan, anomalies = params.load_yaml(design / "pccp.yaml"), params.load_yaml(design / "anomalies.yaml")
    for row in plan["modifications"]:
        limits = row["acceptance"]
        limits["requirements"] = [one for one in limits["requirements"] if one in rows]
        limits["margins"] = {one: margin for one, margin in limits["margins"].items() if one in rows}
    for row in anomalies["anomalies"]:
        row["requirements"] = [one for one in row["requirements"] if one in rows]
    for name, content in {
        "requirements": required | {"requirements": list(rows.values())},
        "negative_controls": seeded | {"negative_controls": [FAULT, *of_predictions]},
        "pccp": plan,
        "anomalies": anomalies,
    }.items():
        (design / f"{name}.yaml").write_text(json.dumps(content))  # JSON is YAML


def review_all(design: Path) -> None:
    """What people do with 'python -m radiotrace review'."""
    (design / "reviews.jsonl").touch()
    items = controls.items(controls.load(design))
    reviews.add(design / "reviews.jsonl", [reviews.line(name, content, 0) for name, content in items.items()])
