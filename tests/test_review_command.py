"""The command review: what is waiting, what was reviewed, and what came too late."""
import argparse
import json
import shutil
from pathlib import Path

import pytest

from radiotrace.commands import review
from radiotrace.evidence import design, reviews
from radiotrace.stage import StageError
from tests.traced import opening

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def folder(tmp_path):
    """This repository's design, of which everything was reviewed before anything was opened."""
    made = shutil.copytree(ROOT / "design", tmp_path / "design")
    (made / "reviews.jsonl").unlink()
    (made / "test_openings.jsonl").unlink()
    run(made, "--all")
    return made


def run(folder, *words):
    parser = argparse.ArgumentParser()
    review.options(parser)
    review.review(parser.parse_args([*words, "--design", str(folder), "--openings", str(folder / "test_openings.jsonl")]))


def edit(folder, old, new):
    path = folder / "requirements.yaml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def lines(folder):
    return reviews.read(folder / "reviews.jsonl")


def open_test_part(folder):
    (folder / "test_openings.jsonl").write_text(json.dumps(opening()) + "\n")


def test_all_reviews_every_item_as_it_stands(folder, capsys):
    items = design.items(design.load(folder))
    assert {one["item"] for one in lines(folder)} == set(items)
    assert {reviews.status(name, content, lines(folder)) for name, content in items.items()} == {"reviewed"}
    capsys.readouterr()
    run(folder)
    assert capsys.readouterr().out == f"all {len(items)} items are reviewed\n"


def test_what_was_edited_is_listed_and_nothing_is_written(folder, capsys):
    edit(folder, "title: Dice of the anterior hippocampus", "title: Dice of the head")
    before = (folder / "reviews.jsonl").read_bytes()
    capsys.readouterr()
    run(folder)
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [["item", "state"], ["SRS-SEG-1", "suspect"]]
    assert (folder / "reviews.jsonl").read_bytes() == before


def test_a_review_adds_one_line_behind_the_others(folder):
    edit(folder, "title: Dice of the anterior hippocampus", "title: Dice of the head")
    before = (folder / "reviews.jsonl").read_text("utf-8")
    run(folder, "SRS-SEG-1")
    assert (folder / "reviews.jsonl").read_text("utf-8").startswith(before)
    assert len(lines(folder)) == before.count("\n") + 1
    assert (lines(folder)[-1]["item"], lines(folder)[-1]["n_openings"]) == ("SRS-SEG-1", 0)


def test_an_item_that_is_reviewed_already_adds_nothing(folder, capsys):
    before = (folder / "reviews.jsonl").read_bytes()
    run(folder, "SRS-SEG-1")
    assert (folder / "reviews.jsonl").read_bytes() == before
    assert "0 items reviewed, 1 were so already" in capsys.readouterr().out


def test_unknown_items_are_all_named_and_nothing_is_written(folder):
    before = (folder / "reviews.jsonl").read_bytes()
    with pytest.raises(StageError) as caught:
        run(folder, "SRS-SEG-1", "SRS-SEG-9", "srs-seg-1")
    assert caught.value.findings == ["SRS-SEG-9", "srs-seg-1"]
    assert (folder / "reviews.jsonl").read_bytes() == before


@pytest.mark.requirement("SRS-EVI-3")
@pytest.mark.parametrize(("old", "new", "late"), [
    ("    threshold: 0.85\n", "    threshold: 0.8\n", True), ("title: Dice of the anterior hippocampus", "title: Dice of the head", False)])
def test_a_criterion_that_comes_after_the_opening_is_said_to_be_too_late(folder, capsys, old, new, late):
    open_test_part(folder)
    edit(folder, old, new)
    run(folder, "SRS-SEG-1")
    assert ("SRS-SEG-1: the criterion changed after the test part was opened" in capsys.readouterr().out) is late
    requirement = design.items(design.load(folder))["SRS-SEG-1"]
    assert lines(folder)[-1]["n_openings"] == 1
    assert reviews.prespecified(requirement, lines(folder)) is not late


def test_a_criterion_that_changes_before_the_opening_is_in_time(folder, capsys):
    edit(folder, "    threshold: 0.85\n", "    threshold: 0.8\n")
    run(folder, "SRS-SEG-1")
    assert "changed after" not in capsys.readouterr().out
    assert reviews.prespecified(design.items(design.load(folder))["SRS-SEG-1"], lines(folder))


def test_a_broken_ledger_stops_before_anything_is_written(folder):
    (folder / "test_openings.jsonl").write_text("{\n")
    edit(folder, "title: Dice of the anterior hippocampus", "title: Dice of the head")
    before = (folder / "reviews.jsonl").read_bytes()
    with pytest.raises(StageError, match="is broken"):
        run(folder, "--all")
    assert (folder / "reviews.jsonl").read_bytes() == before
