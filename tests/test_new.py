"""new: a study of own data is laid out whole, and says what a person must still decide."""

import dataclasses
import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from radiotrace import __main__ as command
from radiotrace import records
from radiotrace.commands import new
from radiotrace.evidence.design import controls, undecided
from radiotrace.evidence.verify import workflow
from radiotrace.imaging import formats
from radiotrace.pipeline import params, splits, tasks
from radiotrace.pipeline.study import Study
from radiotrace.records.sections.split import Fractions
from tests import clones, phantoms, second_task

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own") / "data"
    phantoms.write_dataset(folder, 4)
    (folder / ".DS_Store").touch()
    return folder


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """What the command reads of a clone."""
    clones.sources(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def laid_out(repository, data, name="liver") -> Path:
    assert command.main(["new", name, "--data", str(data)]) == 0
    return repository / "studies" / name


def test_study_has_everything_that_the_first_one_has(repository, data, capsys):
    folder = laid_out(repository, data)
    assert sorted(path.name for path in folder.iterdir()) == [
        ".gitignore",
        "README.md",
        "data",
        "design",
        "dvc.yaml",
        "members",
        "params.yaml",
        "verification",
    ]
    assert (folder / "design/test_openings.jsonl").read_bytes() == b""
    assert (folder / "design/reviews.jsonl").read_bytes() == b""
    assert not (folder / "data/.DS_Store").exists()
    assert "make run STUDY=studies/liver" in capsys.readouterr().out


def test_pipeline_of_the_study_is_that_of_the_code(repository, data):
    laid_out(repository, data)
    assert workflow.check(Study(repository, "studies/liver")).faults == []


def test_parameters_of_the_study_are_those_of_the_first_one(repository, data):
    folder = laid_out(repository, data)
    ours, theirs = ROOT / "params.yaml", folder / "params.yaml"
    drafted, usual = params.load_yaml(theirs), params.load_yaml(ours)
    del drafted["split"]["fractions"], usual["split"]["fractions"]  # which follow the subjects
    nothing_said = {"labels": {}, "licence": None, "golden_cases": 0}
    assert drafted == usual | {"export": usual["export"] | nothing_said}
    comments = [line for line in ours.read_text().splitlines() if line.lstrip().startswith("#")]
    assert [line for line in theirs.read_text().splitlines() if line.lstrip().startswith("#")] == comments


def test_few_subjects_get_shares_that_leave_no_part_empty():
    usual, few = Fractions(0.65, 0.1, 0.25), tuple(f"patient{number:02d}" for number in range(10))
    drafted = {seed: new.shares(few, usual, seed) for seed in range(30)}
    for seed, fractions in drafted.items():
        assert set(splits.assign_parts(list(few), fractions, seed).values()) == set(splits.PARTS)
        kept = set(splits.assign_parts(list(few), usual, seed).values()) == set(splits.PARTS)
        assert (fractions == usual) == kept
    assert len(set(drafted.values())) > 1  # some seeds need them
    many = tuple(f"patient{number:03d}" for number in range(200))
    assert {new.shares(many, usual, seed) for seed in range(30)} == {usual}
    assert new.shares(("one", "two"), usual, 1) == usual


def test_subjects_are_those_of_the_table_and_cases_where_there_is_none(data, tmp_path):
    declared = formats.read_declaration(data)
    table = ["case_id,subject_id", *(f"{case.case_id},all" for case in declared.cases)]
    assert new.subjects_of(tmp_path, declared) == tuple(sorted(case.case_id for case in declared.cases))
    (tmp_path / "cases.csv").write_text("\n".join(table))
    assert new.subjects_of(tmp_path, declared) == ("all",)


def test_study_does_not_change_what_the_first_one_depends_on(repository, data):
    before = workflow.expected(Study(repository))
    laid_out(repository, data)
    assert workflow.expected(Study(repository)) == before


@pytest.mark.parametrize("name", ["intended_use", "dataset_card", "statistical_plan", "risks", "pccp"])
def test_drafts_hold_their_schemas_and_say_what_to_decide(repository, data, name):
    written = params.load_yaml(laid_out(repository, data) / f"design/{name}.yaml")
    assert records.faults(written, name) == []
    design = SimpleNamespace(**({key: {} for key in undecided.LOOKED_AT} | {name: written}))
    assert [row["item"] for row in undecided.gaps(design)] == [name]


@pytest.mark.parametrize(
    ("name", "keys"), [("intended_use", ["release_date"]), ("dataset_card", ["url", "licence_url"])]
)
def test_a_date_or_an_address_that_nobody_decided_is_a_gap(repository, data, name, keys):
    drafted = params.load_yaml(laid_out(repository, data) / f"design/{name}.yaml")

    def n_gaps(written: dict) -> int:
        design = SimpleNamespace(**({key: {} for key in undecided.LOOKED_AT} | {name: written}))
        [row] = undecided.gaps(design)
        return int(row["gap"].split()[0])

    decided = drafted | dict.fromkeys(keys, "2026-11-27")
    assert n_gaps(drafted) - n_gaps(decided) == len(keys)


def test_criteria_are_drafted_for_each_label(repository, data):
    written = params.load_yaml(laid_out(repository, data) / "design/requirements.yaml")
    assert records.faults(written, "requirements") == []
    labels = [name for name in formats.read_declaration(data).labels.values() if name != "background"]
    assert [row["acceptance"]["metric"] for row in written["requirements"]] == [
        f"dice.{name}" for name in labels
    ]
    assert {row["status"] for row in written["requirements"]} == {"draft"}


def test_subjects_that_are_not_told_are_drafted_under_another_name(
    repository, data, tmp_path_factory, capsys
):
    plain = shutil.copytree(data, tmp_path_factory.mktemp("plain") / "data")
    (plain / "cases.csv").unlink()
    folder = laid_out(repository, plain)
    assert not (folder / "data/cases.csv").exists()  # ingest stops until a person has looked
    assert (folder / "data/cases.draft.csv").read_text().splitlines()[:2] == [
        "case_id,subject_id",
        "phantom_00,phantom_00",
    ]
    assert "Then name it cases.csv" in capsys.readouterr().out


def test_everything_that_is_wrong_is_said_at_once_and_nothing_is_made(repository, tmp_path, capsys):
    assert command.main(["new", "Big Liver", "--task", "magic", "--data", str(tmp_path / "nowhere")]) == 1
    said = capsys.readouterr().err
    assert "no study was made" in said
    assert "NAME: found 'Big Liver', expected small letters" in said
    assert f"--task: found magic, expected one of {', '.join(tasks.known())}" in said
    assert "nowhere is no folder" in said
    assert not (repository / "studies").exists()


def test_study_that_is_there_stays_as_it_is(repository, data, capsys):
    folder = laid_out(repository, data)
    (folder / "README.md").write_text("ours")
    assert command.main(["new", "liver", "--data", str(data)]) == 1
    assert "studies/liver/ is there already" in capsys.readouterr().err
    assert (folder / "README.md").read_text() == "ours"


def test_data_that_cannot_be_read_leave_no_study(repository, tmp_path, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert command.main(["new", "liver", "--data", str(empty)]) == 1
    assert "dataset.json is missing" in capsys.readouterr().err
    assert not (repository / "studies/liver").exists()


def test_design_of_the_study_fits_the_software(repository, data):
    folder = laid_out(repository, data)
    design = controls.load(folder / "design", repository / "software")
    assert {row["item"] for row in undecided.gaps(design)} == {*undecided.LOOKED_AT}


@pytest.mark.parametrize(
    ("organs", "expected"), [(["liver"], ["NC-SEG-2"]), (["liver", "spleen"], ["NC-SEG-1", "NC-SEG-2"])]
)
def test_fault_that_swaps_labels_is_drafted_where_there_are_several(organs, expected):
    draft = new.Draft("phantoms", tuple(organs), tasks.declared("segmentation"))
    assert list(draft.faults.values()) == expected


@pytest.mark.parametrize(
    ("task", "criterion", "faults"),
    [
        ("segmentation", "SRS-SEG-1", ["NC-SEG-2"]),
        ("imported_segmentation", "SRS-SEG-1", ["NC-SEG-2"]),
        ("classification", "SRS-CLA-1", ["NC-CLA-1", "NC-CLA-2"]),
    ],
)
def test_ids_of_a_draft_say_the_task(task, criterion, faults):
    draft = new.Draft("phantoms", ("lesion",), tasks.declared(task))
    assert draft.criteria == [criterion]
    assert list(draft.faults.values()) == faults


def test_study_with_one_label_is_drafted_without_the_fault_that_swaps_labels(repository, data, monkeypatch):
    declared = formats.read_declaration(data)
    one_label = dataclasses.replace(declared, labels={"0": "background", "1": "liver"})
    monkeypatch.setattr(formats, "read_declaration", lambda folder: one_label)
    folder = laid_out(repository, data)
    drafted = params.load_yaml(folder / "design/negative_controls.yaml")["negative_controls"]
    [required] = params.load_yaml(folder / "design/requirements.yaml")["requirements"]
    assert [row["id"] for row in drafted] == required["verification"]["negative_controls"] == ["NC-SEG-2"]


def test_data_without_a_name_are_refused(repository, data, tmp_path_factory, capsys):
    nameless = shutil.copytree(data, tmp_path_factory.mktemp("nameless") / "data")
    declared = json.loads((nameless / "dataset.json").read_text())
    (nameless / "dataset.json").write_text(json.dumps({**declared, "name": ""}))
    assert command.main(["new", "liver", "--data", str(nameless)]) == 1
    assert "dataset.json has no name" in capsys.readouterr().err
    assert not (repository / "studies").exists()


def test_two_studies_of_the_same_data_are_the_same_bytes_but_for_their_place(repository, data):
    one, other = laid_out(repository, data, "one"), laid_out(repository, data, "two")
    for path in sorted(path for path in one.rglob("*") if path.is_file()):
        text = path.read_bytes().replace(b"studies/one", b"studies/two")
        assert text == (other / path.relative_to(one)).read_bytes(), path


def test_study_of_several_channels_says_how_many(repository, tmp_path_factory):
    own = tmp_path_factory.mktemp("channels") / "data"
    phantoms.write_channels(own, 2)
    folder = laid_out(repository, own)
    written = params.load_yaml(folder / "design/intended_use.yaml")
    assert [(one["channels"], one["modality"]) for one in written["inputs"]] == [(2, "MRI")]
    assert params.load_yaml(folder / "design/dataset_card.yaml")["dataset"]["modality"] == "T2, ADC"


def test_channels_of_several_modalities_are_drafted_as_other(repository, tmp_path_factory):
    own = tmp_path_factory.mktemp("channels") / "data"
    phantoms.write_channels(own, 2, names=("CT", "PET"))
    written = params.load_yaml(laid_out(repository, own) / "design/intended_use.yaml")
    assert [one["modality"] for one in written["inputs"]] == ["other"]


def test_study_of_pictures_goes_through_the_network_a_slice_at_a_time(repository, tmp_path_factory):
    own = tmp_path_factory.mktemp("pictures") / "data"
    phantoms.write_pictures(own, 2)
    train = params.read(laid_out(repository, own) / "params.yaml")["train"]
    assert (train["patch_voxels"], train["window_voxels"]) == ([24, 24, 1], [24, 24, 1])  # of 18 x 22


@pytest.mark.parametrize(("voxels", "edge"), [(18, 24), (100, 104), (159, 160), (1000, 160)])
def test_patches_of_pictures_are_multiples_of_eight_within_limits(voxels, edge):
    assert new._edge(voxels, 160) == edge


@pytest.mark.parametrize("name", ["intended_use", "statistical_plan"])
def test_drafts_of_another_task_speak_of_what_it_predicts(repository, data, monkeypatch, name):
    study, declared = Study(repository, "studies/liver"), formats.read_declaration(data)
    task = second_task.declare(repository, monkeypatch)
    draft = new.Draft("pictures", ("disc", "ring"), task)
    limits = params.load_yaml(ROOT / "params.yaml")["validate"]
    text = new.rendered(f"{name}.yaml", new.values_of(draft, study, declared, limits)).decode()
    (repository / "drafted.yaml").write_text(text)
    assert records.faults(params.load_yaml(repository / "drafted.yaml"), name) == []
    assert [word for word in ("label map", "outline", "segment", "voxels add up") if word in text] == []


def test_data_with_links_and_what_is_no_file_are_refused_and_each_is_named(
    repository, data, tmp_path_factory, capsys
):
    bad = shutil.copytree(data, tmp_path_factory.mktemp("bad") / "data")
    (bad / "host").symlink_to("/etc/hostname")
    (bad / "imagesTr/loop").symlink_to(bad)
    os.mkfifo(bad / "pipe")
    assert command.main(["new", "liver", "--data", str(bad)]) == 1
    said = capsys.readouterr().err
    assert f"{bad}/host is a link, expected a file" in said
    assert f"{bad}/imagesTr/loop is a link, expected a file" in said
    assert f"{bad}/pipe is neither file nor folder" in said
    assert not (repository / "studies").exists()


def test_studies_that_lead_elsewhere_are_refused(repository, data, tmp_path_factory, capsys):
    (repository / "studies").symlink_to(tmp_path_factory.mktemp("elsewhere"))
    assert command.main(["new", "liver", "--data", str(data)]) == 1
    assert "studies is a link, expected a folder" in capsys.readouterr().err


def test_a_link_in_the_place_of_the_study_is_there_already(repository, data, capsys):
    (repository / "studies").mkdir()
    (repository / "studies/liver").symlink_to("nowhere")
    assert command.main(["new", "liver", "--data", str(data)]) == 1
    assert "studies/liver/ is there already; it has no dvc.yaml" in capsys.readouterr().err


def test_a_study_is_laid_out_from_the_root_alone(repository, data, capsys):
    folder = laid_out(repository, data)
    assert command.main(["--study", "studies/liver", "new", "lung", "--data", str(data)]) == 1
    assert "this is not the root of the repository" in capsys.readouterr().err
    assert not (folder / "studies").exists()


def test_a_study_beside_it_whose_parameters_are_broken_is_no_hindrance(repository, data):
    folder = laid_out(repository, data)
    (folder / "params.yaml").write_text("- a list\n")
    assert new.beginning("segmentation", repository) == repository / "params.yaml"
    assert new.beginning("magic", repository) is None


def test_a_table_of_subjects_that_ingest_would_refuse_is_told(repository, data, tmp_path_factory, capsys):
    bad = shutil.copytree(data, tmp_path_factory.mktemp("bad") / "data")
    (bad / "cases.csv").write_bytes(b"\xff\xfe\0")
    laid_out(repository, bad)
    assert "cases.csv" in capsys.readouterr().out.split("came along", 1)[1].split("make manifest")[0]
