"""design: the files that people wrote fit together, and every name that leads nowhere is found."""

import shutil
from pathlib import Path

import pytest

from radiotrace.errors import StageError
from radiotrace.evidence.design import controls

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(ROOT / "design", tmp_path / "design")


@pytest.fixture(scope="module")
def found():
    return controls.load(ROOT / "design")


def edit(folder, name, old, new):
    text = (folder / name).read_text("utf-8")
    assert text.count(old), f"{name} has no {old}"
    (folder / name).write_text(text.replace(old, new, 1), "utf-8")


def findings(folder) -> list[str]:
    with pytest.raises(StageError) as caught:
        controls.load(folder)
    return caught.value.findings


def test_files_of_this_repository_fit_together(found):
    assert controls.contradictions(found) == []
    assert {*controls.WHOLE, "requirements", "negative_controls", "reviews", "compliance", "folder"} == set(
        found
    )
    assert len(found["compliance"]) == len(list((ROOT / "design/compliance").glob("*.yaml"))) > 0


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        (
            "requirements.yaml",
            "parents: [UN-3, UN-4]",
            "parents: [UN-3, UN-9]",
            ["SRS-DATA-1: parent UN-9 is no user need"],
        ),
        (
            "requirements.yaml",
            "negative_controls: [NC-DATA-1]",
            "negative_controls: [NC-DATA-99]",
            ["SRS-DATA-1: NC-DATA-99 is not in negative_controls.yaml"],
        ),
        (
            "requirements.yaml",
            "fda-aidsf@2025-01-draft:VIII/storage",
            "fda-aidsf@2025-01-draft:VIII/nothing",
            ["SRS-DATA-1: clause fda-aidsf@2025-01-draft:VIII/nothing is in no checklist"],
        ),
        (
            "requirements.yaml",
            "negative_controls: [NC-DATA-1]",
            "negative_controls: [NC-SEG-1]",
            ["SRS-DATA-1: NC-SEG-1 is a fault of predictions, which cannot move it"],
        ),
        (
            "requirements.yaml",
            "negative_controls: [NC-SEG-1, NC-SEG-2]",
            "negative_controls: [NC-SEG-1, NC-UI-1]",
            ["SRS-SEG-1: NC-UI-1 is a fault of code, which cannot move it"],
        ),
        (
            "requirements.yaml",
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
    changed = {**found, name: edited(found[name], key, value)}
    assert any(expected in line for line in controls.contradictions(changed))


def test_a_checklist_that_contradicts_itself_is_found(found):
    standard = found["compliance"][0]
    changed = {**found, "compliance": [{**standard, "edition": "0"}, *found["compliance"][1:]]}
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
        *(f"{name}.yaml" for name in controls.WHOLE),
        "requirements.yaml",
        "negative_controls.yaml",
        "compliance/gmlp.yaml",
    ],
)
def test_a_key_that_is_not_described_stops(folder, name):
    with open(folder / name, "a") as file:
        file.write("\nmisspelt_key: 1\n")
    assert any("misspelt_key" in line for line in findings(folder))


def test_a_key_that_stands_twice_stops(folder):
    edit(folder, "requirements.yaml", "    threshold: 0.85\n", "    threshold: 0.85\n    threshold: 0.5\n")
    with pytest.raises(StageError, match="is not YAML") as caught:
        controls.load(folder)
    assert any("threshold" in line for line in caught.value.findings)


def test_a_missing_file_is_named(folder):
    (folder / "risks.yaml").unlink()
    with pytest.raises(StageError, match=r"risks.yaml is missing"):
        controls.load(folder)


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
    } <= names
    assert {
        one["id"] for key in ("user_needs", "requirements") for one in found["requirements"][key]
    } <= names
    assert {one["id"] for one in found["pccp"]["modifications"]} | {
        one["id"] for one in found["anomalies"]["anomalies"]
    } <= names


def test_no_two_items_share_an_id(found):  # one would be reviewed by the name of the other
    entries = [
        *found["requirements"]["user_needs"],
        *found["requirements"]["requirements"],
        *found["negative_controls"].values(),
        *found["risks"]["hazards"],
        *found["risks"]["controls"],
        *found["anomalies"]["anomalies"],
        *found["pccp"]["modifications"],
    ]
    assert len({one["id"] for one in entries}) == len(entries)


def test_files_are_all_of_the_folder_sorted(folder):
    (folder / "zz.txt").write_text("")
    listed = controls.files(folder)
    assert listed == sorted(listed)
    assert {path.name for path in listed} >= {"zz.txt", "requirements.yaml", "gmlp.yaml"}
