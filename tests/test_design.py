"""design: the files that people wrote fit together, and every name that leads nowhere is found."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from radiotrace.errors import StageError
from radiotrace.evidence.design import controls
from radiotrace.pipeline import params

ROOT = Path(__file__).resolve().parent.parent
SOFTWARE, STUDY = "software/design/requirements.yaml", "design/requirements.yaml"


@pytest.fixture
def folder(tmp_path):
    """A folder with software/ and design/ in it."""
    for name in ("software", "design"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.fixture(scope="module")
def found():
    return controls.load(ROOT / "design", ROOT / "software")


def edit(folder, name, old, new):
    text = (folder / name).read_text("utf-8")
    assert text.count(old), f"{name} has no {old}"
    (folder / name).write_text(text.replace(old, new, 1), "utf-8")


def load(folder) -> controls.Design:
    return controls.load(folder / "design", folder / "software")


def findings(folder) -> list[str]:
    with pytest.raises(StageError) as caught:
        load(folder)
    return caught.value.findings


def test_files_of_this_repository_fit_together(found):
    assert controls.contradictions(found) == []
    checklists = [
        path for name in ("software", "design") for path in (ROOT / name).rglob("compliance/*.yaml")
    ]
    assert len(found.compliance) == len(checklists) > 0


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        (
            SOFTWARE,
            "parents: [UN-3, UN-4]",
            "parents: [UN-3, UN-9]",
            ["SRS-DATA-1: parent UN-9 is no user need"],
        ),
        (
            SOFTWARE,
            "negative_controls: [NC-DATA-1]",
            "negative_controls: [NC-DATA-99]",
            ["SRS-DATA-1: NC-DATA-99 is not in negative_controls.yaml"],
        ),
        (
            SOFTWARE,
            "fda-aidsf@2025-01-draft:VIII/storage",
            "fda-aidsf@2025-01-draft:VIII/nothing",
            ["SRS-DATA-1: clause fda-aidsf@2025-01-draft:VIII/nothing is in no checklist"],
        ),
        (
            SOFTWARE,
            "negative_controls: [NC-DATA-1]",
            "negative_controls: [NC-SEG-1]",
            ["SRS-DATA-1: NC-SEG-1 is a fault of predictions, which cannot move it"],
        ),
        (
            STUDY,
            "negative_controls: [NC-SEG-1, NC-SEG-2]",
            "negative_controls: [NC-SEG-1, NC-UI-1]",
            ["SRS-SEG-1: NC-UI-1 is a fault of code, which cannot move it"],
        ),
        (
            SOFTWARE,
            "risk_controls: [RC-1]",
            "risk_controls: [RC-99]",
            ["SRS-DATA-1 names RC-99, which is no control"],
        ),
    ],
)
def test_a_name_that_leads_nowhere_is_found(folder, name, old, new, expected):
    edit(folder, name, old, new)
    assert findings(folder) == expected


@pytest.mark.parametrize(
    ("name", "key", "value", "expected"),
    [
        (
            "anomalies",
            ("anomalies", 0, "requirements"),
            ["SRS-UI-99"],
            "requirements names SRS-UI-99, which is not there",
        ),
        ("anomalies", ("anomalies", 0, "hazards"), ["HAZ-99"], "hazards names HAZ-99, which is not there"),
        ("risks", ("hazards", 0, "controls"), ["RC-99"], "names RC-99, which is no control"),
        ("pccp", ("modifications", 0, "activities"), ["PA-99"], "M-1 names PA-99, which is no activity"),
        (
            "pccp",
            ("modifications", 0, "acceptance", "requirements"),
            ["SRS-UI-99"],
            "M-1 names SRS-UI-99, which is no requirement",
        ),
        ("dataset_card", ("sources",), {}, "is not under sources"),
    ],
)
def test_a_name_in_another_file_that_leads_nowhere_is_found(found, name, key, value, expected):
    changed = dataclasses.replace(found, **{name: edited(getattr(found, name), key, value)})
    assert any(expected in line for line in controls.contradictions(changed))


def test_a_checklist_that_contradicts_itself_is_found(found):
    standard = found.compliance[0]
    changed = dataclasses.replace(found, compliance=[{**standard, "edition": "0"}, *found.compliance[1:]])
    assert [line.split(":")[0] for line in controls.contradictions(changed)] == [standard["id"]]


def edited(record, key, value):
    """A copy in which something else stands at one place."""
    if not key:
        return value
    made = dict(record) if isinstance(record, dict) else list(record)
    made[key[0]] = edited(record[key[0]], key[1:], value)
    return made


@pytest.mark.parametrize(
    "name",
    [
        *(f"design/{name}.yaml" for name in controls.OF_STUDY),
        *(f"software/design/{name}.yaml" for name in controls.OF_SOFTWARE),
        *(f"{name}/requirements.yaml" for name in ("design", "software/design")),
        *(f"{name}/negative_controls.yaml" for name in ("design", "software/design")),
        "software/design/compliance/gmlp.yaml",
    ],
)
def test_a_key_that_is_not_described_stops(folder, name):
    with open(folder / name, "a") as file:
        file.write("\nmisspelt_key: 1\n")
    assert any("misspelt_key" in line for line in findings(folder))


def test_a_key_that_stands_twice_stops(folder):
    old = "    threshold: 0.85\n"
    edit(folder, "design/requirements.yaml", old, f"{old}    threshold: 0.5\n")
    with pytest.raises(StageError, match="is not YAML") as caught:
        load(folder)
    assert any("threshold" in line for line in caught.value.findings)


def test_a_missing_file_is_named(folder):
    (folder / "design/risks.yaml").unlink()
    with pytest.raises(StageError, match=r"risks.yaml is missing"):
        load(folder)


def test_everything_that_decides_is_reviewed(found):
    names = set(controls.items(found))
    assert {
        "UN-1",
        "SRS-SEG-1",
        "NC-EVI-6A",
        "HAZ-1",
        "RC-1",
        "intended_use",
        "statistical_plan",
        "dataset_card",
        "compliance_gmlp",
        controls.WEIGHED,
    } <= names
    assert {one["id"] for key in ("user_needs", "requirements") for one in found.requirements[key]} <= names
    assert {one["id"] for one in found.pccp["modifications"]} | {
        one["id"] for one in found.anomalies["anomalies"]
    } <= names


def test_no_two_items_share_an_id(found):  # one would be reviewed by the name of the other
    entries = [
        *found.requirements["user_needs"],
        *found.requirements["requirements"],
        *found.negative_controls.values(),
        *found.risks["hazards"],
        *found.risks["controls"],
        *found.anomalies["anomalies"],
        *found.pccp["modifications"],
    ]
    assert len({one["id"] for one in entries}) == len(entries)


def test_files_are_all_of_the_folder_sorted(folder):
    (folder / "zz.txt").write_text("")
    listed = controls.files(folder)  # of software/ and of design/
    assert listed == sorted(listed)
    assert {path.name for path in listed} >= {"zz.txt", "requirements.yaml", "gmlp.yaml"}


# Two folders


def replaced(name, old, new):
    return lambda folder: edit(folder, name, old, new)


def moved(name, origin, target, key):
    """The first entry of a list goes into the file of the same name in the other folder."""

    def act(folder):
        source, aim = (params.load_yaml(folder / one / name) for one in (origin, target))
        aim[key].append(source[key].pop(0))
        for one, content in ((origin, source), (target, aim)):
            (folder / one / name).write_text(json.dumps(content), "utf-8")

    return act


OURS, THEIRS = "software/design", "design"
MISPLACED = {
    "a criterion of the software": (
        moved("requirements.yaml", THEIRS, OURS, "requirements"),
        "SRS-SEG-1: has a criterion, which is a study's",
    ),
    "tests of a study": (
        moved("requirements.yaml", OURS, THEIRS, "requirements"),
        "SRS-DATA-1: has no criterion",
    ),
    "a fault of predictions of the software": (
        moved("negative_controls.yaml", THEIRS, OURS, "negative_controls"),
        "NC-SEG-1: is a fault of predictions",
    ),
    "a fault of code of a study": (
        moved("negative_controls.yaml", OURS, THEIRS, "negative_controls"),
        "NC-DATA-1: is a fault of code",
    ),
    "a need of a study behind the software": (
        replaced(SOFTWARE, "parents: [UN-3, UN-4]", "parents: [UN-1, UN-4]"),
        "SRS-DATA-1 of the software names UN-1 of the study",
    ),
    "a control of a study behind the software": (
        replaced(SOFTWARE, "risk_controls: [RC-1]", "risk_controls: [RC-33]"),
        "SRS-DATA-1 of the software names RC-33 of the study",
    ),
    "an anomaly of the software that names a criterion": (
        replaced("software/design/anomalies.yaml", "requirements: [SRS-UI-2]", "requirements: [SRS-SEG-1]"),
        "ANO-1 of the software names SRS-SEG-1 of the study",
    ),
    "an anomaly of the software that names a hazard": (
        replaced(
            "software/design/anomalies.yaml",
            "  requirements: [SRS-UI-2]\n",
            "  requirements: [SRS-UI-2]\n  hazards: [HAZ-1]\n",
        ),
        "ANO-1 of the software has hazards",
    ),
    "the software written for a data set": (
        replaced(SOFTWARE, "\nuser_needs:", "\ndataset: Knees\nuser_needs:"),
        "requirements.yaml of the software names a data set",
    ),
    "hazards of a study in the software's anomalies": (
        replaced("software/design/anomalies.yaml", "\nanomalies:", "\nof_software: {}\nanomalies:"),
        "anomalies.yaml of the software has of_software",
    ),
    "an anomaly of the software that was not weighed": (
        replaced("design/anomalies.yaml", "  ANO-2: [HAZ-5, HAZ-11]\n", ""),
        "ANO-2: an anomaly of the software; say in the study's anomalies.yaml",
    ),
    "an anomaly that the software does not have": (
        replaced("design/anomalies.yaml", "  ANO-2: [HAZ-5, HAZ-11]\n", "  ANO-2: []\n  ANO-99: [HAZ-5]\n"),
        "of_software names ANO-99, which is no anomaly of the software",
    ),
    "an anomaly weighed for a hazard that is not there": (
        replaced("design/anomalies.yaml", "  ANO-2: [HAZ-5, HAZ-11]\n", "  ANO-2: [HAZ-99]\n"),
        "ANO-2.hazards names HAZ-99, which is not there",
    ),
    "an anomaly of the study without a hazard": (
        replaced("design/anomalies.yaml", "hazards: [HAZ-5, HAZ-10, HAZ-15]", "hazards: []"),
        "ANO-9 names no hazard",
    ),
    "an id that both have": (
        replaced("design/risks.yaml", "- id: RC-28\n", "- id: RC-1\n"),
        "RC-1 stands twice, of the software and of the study",
    ),
}


@pytest.mark.requirement("SRS-EVI-6")
@pytest.mark.parametrize(("change", "expected"), MISPLACED.values(), ids=MISPLACED)
def test_what_stands_in_the_wrong_folder_stops(folder, change, expected):
    change(folder)
    assert [line for line in findings(folder) if line.startswith(expected)]


@pytest.mark.parametrize(
    ("name", "target"), [("software/design/wheels.json", "design"), ("design/risks.yaml", "software/design")]
)
def test_a_file_that_nothing_reads_where_it_is_stops(folder, name, target):
    copied = shutil.copy(folder / name, folder / target)
    assert findings(folder) == [f"{copied}: nothing reads it there, it belongs into the other design/"]


def test_an_id_that_both_have_is_told_once(folder):
    edit(folder, "design/risks.yaml", "- id: RC-28\n", "- id: RC-1\n")
    assert len([line for line in findings(folder) if "RC-1 stands twice" in line]) == 1


def test_each_item_knows_whose_it_is_and_where_it_is_reviewed(found):
    names = set(controls.items(found))
    assert {"SRS-DATA-1", "UN-3", "RC-1", "NC-UI-1", "ANO-1", "compliance_gmlp"} <= found.of_software <= names
    for name in ("SRS-SEG-1", "UN-1", "RC-33", "NC-SEG-1", "ANO-9", "HAZ-1", "M-1", "intended_use", "pccp"):
        assert (name in names, found.owner(name)) == (True, "study")
    assert found.ledger("SRS-DATA-1") == ROOT / "software/design/reviews.jsonl"
    assert found.ledger("SRS-SEG-1") == ROOT / "design/reviews.jsonl"


def test_an_anomaly_of_the_software_has_the_hazards_that_the_study_gives_it(found):
    [one] = [one for one in found.anomalies["anomalies"] if one["id"] == "ANO-2"]
    assert one["hazards"] == ["HAZ-5", "HAZ-11"]
    assert "hazards" not in controls.items(found)["ANO-2"]  # so that no study makes its review suspect
    assert controls.items(found)[controls.WEIGHED]["of_software"]["ANO-2"] == ["HAZ-5", "HAZ-11"]


def test_a_checklist_of_a_study_s_own_is_read_beside_those_of_the_software(folder, found):
    own = params.load_yaml(folder / "software/design/compliance/gmlp.yaml")
    own |= {"id": "own", "prefix": "own@1", "edition": "1"}
    own["rows"] = [own["rows"][0] | {"clause": "1", "id": "own@1:1"}]
    (folder / "design/compliance").mkdir()
    (folder / "design/compliance/own.yaml").write_text(json.dumps(own), "utf-8")
    loaded = load(folder)
    assert [one["id"] for one in loaded.compliance] == [*(one["id"] for one in found.compliance), "own"]
    assert (loaded.owner("compliance_own"), loaded.owner("compliance_gmlp")) == ("study", "software")


@pytest.mark.requirement("SRS-EVI-4")
def test_two_studies_that_stand_on_one_verification_name_one_digest(folder, found):
    edit(folder, "design/intended_use.yaml", "No result may decide", "No one result may decide")
    (folder / "software/README.md").write_text("Other words.")  # says nothing of what was verified
    assert load(folder).software_sha256 == found.software_sha256


@pytest.mark.requirement("SRS-EVI-4")
@pytest.mark.parametrize(
    "name", ["verification/tests.json", "verification/negative_controls.json", "design/soup.yaml"]
)
def test_another_verification_of_the_software_has_another_digest(folder, found, name):
    with open(folder / "software" / name, "a") as file:
        file.write("\n")
    assert load(folder).software_sha256 != found.software_sha256


def test_outcomes_count_where_the_fault_is(found):
    of_code, of_predictions = {"NC-UI-1": {"a": 1}}, {"NC-SEG-1": {"b": 2}}
    both = controls.outcomes(found, {"controls": of_code}, {"controls": of_predictions})
    assert both == {"controls": of_code | of_predictions}


@pytest.mark.requirement("SRS-EVI-6")
@pytest.mark.parametrize(
    ("of_software", "of_study", "expected"),
    [
        ({}, {"NC-UI-1": {}}, "NC-UI-1: an outcome of the software, in the record of the study"),
        ({"NC-SEG-1": {}}, {}, "NC-SEG-1: an outcome of the study, in the record of the software"),
    ],
)
def test_an_outcome_that_stands_beside_the_other_is_refused(found, of_software, of_study, expected):
    with pytest.raises(StageError) as caught:
        controls.outcomes(found, {"controls": of_software}, {"controls": of_study})
    assert caught.value.findings == [expected]
