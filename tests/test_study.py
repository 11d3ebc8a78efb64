"""Studies: where they lie, and that a stage works in the folder of its own."""

import argparse

import pytest

from radiotrace.errors import StageError
from radiotrace.pipeline import stage, study


@pytest.fixture
def repository(tmp_path):
    for name in ("liver", "brain"):
        folder = tmp_path / "studies" / name
        folder.mkdir(parents=True)
        (folder / "dvc.yaml").write_text("stages: {}\n")
    return tmp_path


def test_studies_of_a_repository_begin_with_its_root(repository):
    assert [one.place for one in study.every(repository)] == [".", "studies/brain", "studies/liver"]


def test_paths_of_a_study_are_below_its_folder(repository):
    found = study.at("studies/liver/", repository)
    assert found.path("train") == repository / "studies/liver/build/train/train.json"
    assert study.at(".", repository).path("train") == repository / "build/train/train.json"


def test_what_studies_share_is_two_folders_up(repository):
    found = study.at("studies/liver", repository)
    assert found.seen("schemas/split.schema.json") == "../../schemas/split.schema.json"
    assert found.seen("metrics/cases.json") == "metrics/cases.json"
    assert study.at(".", repository).seen("schemas") == "schemas"


def test_records_name_what_is_shared_as_the_repository_does(repository):
    assert study.named("../../requirements/core.txt") == "requirements/core.txt"
    assert study.named("metrics/cases.json") == "metrics/cases.json"


def test_names_of_records_lead_to_files(repository):
    found = study.at("studies/liver", repository)
    assert found.located("Makefile") == repository / "Makefile"
    assert found.located("metrics/cases.json") == repository / "studies/liver/metrics/cases.json"
    assert study.at(".", repository).in_repository("metrics/cases.json") == "metrics/cases.json"


def test_nothing_of_a_study_is_named_as_what_is_shared():
    assert [path for path in study.PATHS.values() if study.is_shared(path)] == []


@pytest.mark.parametrize("place", ["..", "/usr", "studies", "studies/a/b", "studies/A", "build"])
def test_other_places_are_refused(repository, place):
    with pytest.raises(StageError, match=r"expected '\.' or studies/NAME"):
        study.at(place, repository)


def test_missing_study_is_named_with_those_there_are(repository):
    with pytest.raises(StageError) as caught:
        study.at("studies/lung", repository)
    assert caught.value.findings == ["there is .", "there is studies/brain", "there is studies/liver"]


@pytest.mark.parametrize("link", ["studies/linked", "studies"])
def test_links_are_refused(repository, link, tmp_path):
    place = f"{link}/linked" if link == "studies" else link
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "linked").mkdir(parents=True)
    if link == "studies":
        (repository / "studies").rename(tmp_path / "moved")
    (repository / link).symlink_to(elsewhere)
    with pytest.raises(StageError, match=f"{link} is a link, expected a folder"):
        study.at(place, repository)


def test_stage_works_in_the_folder_of_its_study(repository, monkeypatch):
    monkeypatch.chdir(repository)
    (repository / "requirements.txt").write_text("")
    seen = []

    def main(args):
        seen.append((args.study.place, args.out))
        with stage.output_folder(args.out) as out:
            (out / "made").write_text("")

    parser = argparse.ArgumentParser("some")
    parser.add_argument("--out")
    words = [
        "--params",
        "params.yaml",
        "--requirements",
        str(repository / "requirements.txt"),
        "--out",
        "build/some",
    ]
    assert stage.run(main, parser, ["--study", "studies/liver", *words]) == 0
    assert seen == [("studies/liver", "build/some")]
    assert (repository / "studies/liver/build/some/made").is_file()


def test_stage_of_a_missing_study_says_so(repository, monkeypatch, capsys):
    monkeypatch.chdir(repository)
    words = ["--study", "studies/lung", "--params", "p", "--requirements", "r"]
    assert stage.run(lambda args: None, argparse.ArgumentParser("some"), words) == 1
    assert "some: --study: there is no studies/lung/" in capsys.readouterr().err
