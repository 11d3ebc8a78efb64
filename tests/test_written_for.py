"""fit: design controls that were written for another data set are found, and block the release."""

import copy
import dataclasses
from pathlib import Path

import pytest

from radiotrace.evidence.design import controls, written_for
from radiotrace.evidence.pages import documents
from tests import submitted
from tests.traced import Project

ROOT = Path(__file__).resolve().parent.parent
OTHER = {"name": "Knees", "licence": "CC0", "modality": "CT", "labels": {"0": "background", "1": "femur"}}


@pytest.fixture(scope="module")
def written():
    return controls.load(ROOT / "design", ROOT / "software")


@pytest.fixture(scope="module")
def dataset():
    return submitted.json_of("evidence/dataset.json")["dataset"]


def items(rows):
    return [row["item"] for row in rows]


def test_the_design_of_this_repository_is_of_its_data(written, dataset):
    assert written_for.misfits(written, dataset) == []


def test_a_new_study_with_this_design_is_told_every_contradiction_at_once(written, dataset):
    found = written_for.misfits(written, dataset | OTHER)
    assert items(found) == ["dataset_card"] * 4 + [
        "requirements",
        "intended_use",
        "statistical_plan",
        "risks",
        "pccp",
        "intended_use",
    ]
    assert all(row["gap"].startswith(written_for.ANOTHER) for row in found)


@pytest.mark.parametrize(("key", "expected"), [("name", 6), ("licence", 1), ("modality", 2), ("labels", 1)])
def test_each_contradiction_names_the_file_and_both_values(written, dataset, key, expected):
    found = written_for.misfits(written, dataset | {key: OTHER[key]})
    assert len(found) == expected
    assert (
        found[0]["gap"]
        == {
            "name": "of another data set: design/dataset_card.yaml has dataset.name 'MSD Task04 Hippocampus "
            "(260 "
            "labelled training cases)', "
            "data/dataset.json has name 'Knees'",
            "licence": "of another data set: design/dataset_card.yaml has dataset.licence 'CC-BY-SA 4.0', "
            "data/dataset.json has licence 'CC0'",
            "modality": "of another data set: design/dataset_card.yaml has dataset.modality 'MRI', "
            "data/dataset.json has modality 'CT'",
            "labels": "of another data set: design/dataset_card.yaml has dataset.labels 0 background, 1 "
            "anterior, 2 posterior, data/dataset.json has "
            "labels 0 background, 1 femur",
        }[key]
    )


@pytest.mark.parametrize("name", [written_for.CARD, *written_for.NAMED])
def test_a_file_that_does_not_say_what_it_was_written_for_does_not_fit(written, dataset, name):
    told = {key: value for key, value in getattr(written, name).items() if key != "dataset"}
    changed = dataclasses.replace(written, **{name: told})
    found = written_for.misfits(changed, dataset)
    assert set(items(found)) == {name}
    assert " nothing, data/dataset.json has " in found[0]["gap"]


def test_a_data_set_without_a_licence_is_not_one_with_ours(written, dataset):
    [row] = written_for.misfits(written, dataset | {"licence": None})
    assert row["gap"].endswith("'CC-BY-SA 4.0', data/dataset.json has licence nothing")


def test_a_contradiction_blocks_the_release_and_is_a_gap(written, dataset):
    project = Project()
    assert not project.traced()["release_blocked"]
    misfits = written_for.misfits(written, dataset | {"licence": "CC0"})
    traced = project.traced(misfits=misfits)
    assert traced["release_blocked"]
    assert traced["gaps"] == misfits


def test_the_documents_say_at_their_top_that_design_is_of_other_data():
    found = {
        path.name: submitted.json_of(f"evidence/{path.name}")
        for path in sorted((submitted.folder() / "evidence").glob("*.json"))
    }
    found["traceability.json"] = copy.deepcopy(found["traceability.json"]) | {
        "release_blocked": True,
        "gaps": [{"item": "risks", "gap": f"{written_for.ANOTHER}: design/risks.yaml"}],
    }
    reasons = [span.text for span in documents.why_blocked(documents.Records(found))]
    assert "design/ was written for another data set (1 contradiction)" in reasons


TWO = {"channels": [{"name": "T2", "modality": "MRI"}, {"name": "ADC", "modality": "MRI"}]}
PET_CT = {"channels": [{"name": "CT", "modality": "CT"}, {"name": "PET", "modality": "other"}]}


def test_the_intended_use_states_how_many_channels_an_image_has(written, dataset):
    (row,) = written_for.misfits(written, dataset | TWO)
    assert row == {
        "item": "intended_use",
        "gap": "of another data set: design/intended_use.yaml has inputs[0].channels '1', "
        "data/dataset.json has channels '2'",
    }


def test_channels_of_several_modalities_are_other(written, dataset):
    gaps = [row["gap"] for row in written_for.misfits(written, dataset | PET_CT)]
    assert any("inputs[0].modality 'MRI', data/dataset.json has modality 'other'" in gap for gap in gaps)
