"""The smallest project that a release can be made of: phantoms and a tiny network, two requirements, two
seeded faults, two tests; one of each is the software's, one the study's, but both tests are the software's.
All stages, schemas and checks are those of this repository.
"""

import json
import shutil
from pathlib import Path

from radiotrace.evidence.design import baseline, controls, reviews
from radiotrace.pipeline import params
from tests import projects

# One that tests verify, by a fault of code; one that a criterion judges, by a fault of predictions.
TESTED, JUDGED = "SRS-UI-1", "SRS-SEG-1"
FAULT_OF_PREDICTIONS = "NC-SEG-1"
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
    """A project in which nothing has run: all that is designed is reviewed, everything is committed."""
    projects.create(folder)
    for path in sorted((folder / "tests").iterdir()):
        name = path.relative_to(folder).as_posix()
        if path.is_dir():
            shutil.rmtree(path)
        elif name not in KEPT_TESTS:
            path.unlink()
    (folder / "tests/test_small.py").write_text(TEST)
    software, study = controls.design_of(folder / "software"), folder / "design"
    for design in (software, study):
        (design / controls.LEDGER).unlink()
        (design / baseline.FILE).unlink()
    for record in (*folder.glob("software/verification/*.json"), *folder.glob("verification/*.json")):
        record.unlink()
    cut_software(software)
    cut_study(study)
    review_all(study, folder / "software")
    shutil.rmtree(folder / ".git")  # in its history nothing may be missed: no requirement, no review
    projects.run(folder, "git", "init", "-q", "-b", "main")
    projects.commit(folder, "a small project")
    return folder


def cut_software(design: Path) -> None:
    """Leaves the requirement with tests, its fault, and the checklist; anomalies no longer name the rest."""
    for path in design.glob("compliance/*.yaml"):
        if path.name != CHECKLIST:
            path.unlink()
    _keep(design, TESTED, FAULT, min_tests=2)


def cut_study(design: Path) -> None:
    """Leaves the criterion and its fault; plan and anomalies no longer name the rest."""
    seeded = params.load_yaml(design / "negative_controls.yaml")["negative_controls"]
    (fault,) = (row for row in seeded if row["id"] == FAULT_OF_PREDICTIONS)
    _keep(design, JUDGED, fault)
    plan = params.load_yaml(design / "pccp.yaml")
    for row in plan["modifications"]:
        limits = row["acceptance"]
        limits["requirements"] = [one for one in limits["requirements"] if one == JUDGED]
        limits["margins"] = {one: margin for one, margin in limits["margins"].items() if one == JUDGED}
    _write(design / "pccp.yaml", plan)


def _keep(design: Path, requirement_id: str, fault: dict, **verification) -> None:
    """Leaves one requirement of a folder, and its one fault.

    Args:
        verification: what else changes in how the requirement is verified.
    """
    required = params.load_yaml(design / "requirements.yaml")
    (row,) = (row for row in required["requirements"] if row["id"] == requirement_id)
    row["clauses"] = [CLAUSE]
    row["verification"] |= {"negative_controls": [fault["id"]], **verification}
    seeded = params.load_yaml(design / "negative_controls.yaml")
    anomalies = params.load_yaml(design / "anomalies.yaml")
    for anomaly in anomalies["anomalies"]:
        named = anomaly["requirements"]
        anomaly["requirements"] = [one for one in named if one in (TESTED, JUDGED)]
    _write(design / "requirements.yaml", required | {"requirements": [row]})
    _write(design / "negative_controls.yaml", seeded | {"negative_controls": [fault]})
    _write(design / "anomalies.yaml", anomalies)


def _write(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content))  # JSON is YAML


def review_all(study: Path, software: Path) -> None:
    """What people do with 'python -m radiotrace review': each item in the ledger of its folder."""
    for design in (study, controls.design_of(software)):
        (design / controls.LEDGER).touch()
    written = controls.load(study, software)
    for name, content in controls.items(written).items():
        reviews.add(written.ledger(name), [reviews.line(name, content, 0)])
