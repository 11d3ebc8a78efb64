"""The command review: what is waiting, what was reviewed, and what came too late."""

import argparse
import html
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from radiotrace.commands import review
from radiotrace.errors import StageError
from radiotrace.evidence.design import controls, reviews
from radiotrace.pipeline.study import Study
from tests.traced import opening

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory):
    """This repository's design controls, of which everything was reviewed before anything was opened."""
    made = tmp_path_factory.mktemp("reviewed")
    for name in ("design", "software"):
        shutil.copytree(ROOT / name, made / name)
    (made / "design/test_openings.jsonl").unlink()
    for ledger in (made / "design/reviews.jsonl", made / "software/design/reviews.jsonl"):
        ledger.unlink()
    written = loaded(made / "design")
    for name, content in controls.items(written).items():
        reviews.add(written.ledger(name), [reviews.line(name, content, 0)])
    return made


@pytest.fixture
def folder(reviewed, tmp_path):
    """The study's design controls; those of the software lie beside them."""
    shutil.copytree(reviewed, tmp_path, dirs_exist_ok=True)
    return tmp_path / "design"


def loaded(folder):
    return controls.load(folder, folder.parent / "software")


def run(folder, *words):
    parser = argparse.ArgumentParser()
    review.options(parser)
    folders = ["--design", str(folder), "--software", str(folder.parent / "software")]
    args = parser.parse_args([*words, *folders, "--openings", str(folder / "test_openings.jsonl")])
    args.study = Study(Path())
    review.review(args)


def edit(folder, old, new):
    path = folder / "requirements.yaml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def lines(folder):
    return reviews.read(folder / "reviews.jsonl")


def lines_of_software(folder):
    return reviews.read(folder.parent / "software/design/reviews.jsonl")


def open_test_part(folder):
    (folder / "test_openings.jsonl").write_text(json.dumps(opening()) + "\n")


def page(folder, capsys, *words) -> tuple[str, str]:
    """The page of what waits, and its digest, which the command says."""
    capsys.readouterr()
    run(folder, *(words or ["--all"]), "--page", str(folder.parent / "page.html"))
    said = capsys.readouterr().out
    return (folder.parent / "page.html").read_text("utf-8"), said.split("--shown ")[1].split()[0]


def test_all_reviews_every_item_as_it_stands(folder, capsys):
    for ledger in (folder / "reviews.jsonl", folder.parent / "software/design/reviews.jsonl"):
        ledger.unlink()
    _, digest = page(folder, capsys)
    run(folder, "--all", "--as", "Ada Lovelace", "--shown", digest)
    written = loaded(folder)
    items, both = controls.items(written), lines(folder) + lines_of_software(folder)
    assert {(one["by"], one["shown_sha256"]) for one in both} == {("Ada Lovelace", digest)}
    assert {one["item"] for one in lines_of_software(folder)} == written.of_software
    assert {one["item"] for one in lines(folder)} == set(items) - written.of_software
    assert {reviews.status(name, content, both) for name, content in items.items()} == {"reviewed"}
    capsys.readouterr()
    run(folder)
    assert capsys.readouterr().out == f"all {len(items)} items are reviewed\n"


def test_all_says_that_nothing_waits_where_nothing_does(folder, capsys):
    capsys.readouterr()
    run(folder, "--all")
    assert capsys.readouterr().out == f"all {len(controls.items(loaded(folder)))} items are reviewed\n"


def test_what_is_refused_is_not_said_to_be_reviewed(folder, capsys):
    edit(folder, "title: Dice of the anterior hippocampus", "title: Dice of the head")
    _, digest = page(folder, capsys)
    run(folder, "--all", "--as", "Ada Lovelace", "--shown", digest, "--refuse", "SRS-SEG-1")
    out = capsys.readouterr().out
    assert "0 items reviewed" in out
    assert "1 items were refused and go on waiting: SRS-SEG-1" in out


def test_what_was_edited_is_listed_and_nothing_is_written(folder, capsys):
    edit(folder, "title: Dice of the anterior hippocampus", "title: Dice of the head")
    before = (folder / "reviews.jsonl").read_bytes()
    capsys.readouterr()
    run(folder)
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["item", "state"],
        ["SRS-SEG-1", "suspect"],
    ]
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
    assert capsys.readouterr().out == "0 items reviewed\n1 items were reviewed already\n"


def test_a_review_goes_to_the_ledger_of_the_folder_where_the_item_is(folder, capsys):
    text = (folder.parent / "software/design/requirements.yaml").read_text("utf-8")
    (folder.parent / "software/design/requirements.yaml").write_text(
        text.replace("title: Damaged volumes are found", "title: Volumes that are damaged are found"), "utf-8"
    )
    edit(folder, "title: Dice of the anterior hippocampus", "title: Dice of the head")
    before = len(lines(folder)), len(lines_of_software(folder))
    capsys.readouterr()
    run(folder, "SRS-DATA-2", "SRS-SEG-1")
    assert (len(lines(folder)), len(lines_of_software(folder))) == (before[0] + 1, before[1] + 1)
    assert (lines(folder)[-1]["item"], lines_of_software(folder)[-1]["item"]) == ("SRS-SEG-1", "SRS-DATA-2")
    run(folder)
    assert capsys.readouterr().out.endswith(f"all {len(controls.items(loaded(folder)))} items are reviewed\n")


@pytest.mark.requirement("SRS-EVI-6")
@pytest.mark.parametrize(("item", "ledger"), [("SRS-DATA-2", "design"), ("SRS-SEG-1", "software/design")])
def test_a_review_in_the_ledger_of_the_other_folder_does_not_count(folder, item, ledger):
    content = controls.items(loaded(folder))[item]
    home = loaded(folder).ledger(item)
    kept = [one for one in reviews.read(home) if one["item"] != item]
    home.unlink()
    reviews.add(home, kept)
    reviews.add(folder.parent / ledger / "reviews.jsonl", [reviews.line(item, content, 0)])
    assert reviews.status(item, content, loaded(folder).reviews) == "never reviewed"


def test_the_page_knows_what_an_item_was_before_it_moved_to_the_software(folder, capsys):
    risks, moved = folder / "risks.yaml", folder.parent / "software/design/risk_controls.yaml"
    text, new = moved.read_text("utf-8"), "title: Raw data are those that somebody accepted"
    entry = text[text.index("- id: RC-1\n") : text.index("- id: RC-2\n")]
    risks.write_text(risks.read_text("utf-8").replace("controls:\n", f"controls:\n{entry}", 1), "utf-8")
    moved.write_text(text.replace(entry, ""), "utf-8")
    commit(folder)
    risks.write_text(risks.read_text("utf-8").replace(entry, ""), "utf-8")
    moved.write_text(text.replace("title: Raw data are those that were accepted", new), "utf-8")
    shown = html.unescape(page(folder, capsys)[0])
    assert "<del>-title: Raw data are those that were accepted</del>" in shown
    assert f"<ins>+{new}</ins>" in shown


def test_unknown_items_are_all_named_and_nothing_is_written(folder):
    before = (folder / "reviews.jsonl").read_bytes()
    with pytest.raises(StageError) as caught:
        run(folder, "SRS-SEG-1", "SRS-SEG-9", "srs-seg-1")
    assert caught.value.findings == ["SRS-SEG-9", "srs-seg-1"]
    assert (folder / "reviews.jsonl").read_bytes() == before


@pytest.mark.requirement("SRS-EVI-3")
@pytest.mark.parametrize(
    ("old", "new", "late"),
    [
        ("    threshold: 0.85\n", "    threshold: 0.8\n", True),
        ("title: Dice of the anterior hippocampus", "title: Dice of the head", False),
    ],
)
def test_a_criterion_that_comes_after_the_opening_is_said_to_be_too_late(folder, capsys, old, new, late):
    open_test_part(folder)
    edit(folder, old, new)
    run(folder, "SRS-SEG-1")
    assert (
        "SRS-SEG-1: the criterion changed after the test part was opened" in capsys.readouterr().out
    ) is late
    requirement = controls.items(loaded(folder))["SRS-SEG-1"]
    assert lines(folder)[-1]["n_openings"] == 1
    assert reviews.prespecified(requirement, lines(folder)) is not late


def test_a_criterion_that_changes_before_the_opening_is_in_time(folder, capsys):
    edit(folder, "    threshold: 0.85\n", "    threshold: 0.8\n")
    run(folder, "SRS-SEG-1")
    assert "changed after" not in capsys.readouterr().out
    assert reviews.prespecified(controls.items(loaded(folder))["SRS-SEG-1"], lines(folder))


def test_a_broken_ledger_stops_before_anything_is_written(folder):
    (folder / "test_openings.jsonl").write_text("{\n")
    edit(folder, "title: Dice of the anterior hippocampus", "title: Dice of the head")
    before = (folder / "reviews.jsonl").read_bytes()
    with pytest.raises(StageError, match="is broken"):
        run(folder, "SRS-SEG-1")
    assert (folder / "reviews.jsonl").read_bytes() == before


# Many items, signed from a page

OLD, NEW = "title: Dice of the anterior hippocampus", "title: Dice of the <b>head</b> & 'tail'"


def commit(folder):
    for words in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "design"],
    ):
        subprocess.run(["git", *words], cwd=folder.parent, check=True)


def test_the_page_shows_each_text_whole_and_what_changed_since_its_review(folder, capsys):
    commit(folder)
    edit(folder, OLD, NEW)
    text, _ = page(folder, capsys)
    assert "<del>-title: Dice of the anterior hippocampus</del>" in text
    assert f"<ins>+{html.escape(NEW).replace('&#x27;', '&#39;')}</ins>" in text
    statement = controls.items(loaded(folder))["SRS-SEG-1"]["statement"]
    assert " ".join(statement.split()) in " ".join(html.unescape(text).split())


def test_a_text_of_design_cannot_become_part_of_the_page(folder, capsys):
    edit(folder, OLD, NEW)
    text, _ = page(folder, capsys)
    assert "<b>head" not in text
    assert "&lt;b&gt;head" in text


def test_the_page_opens_offline(folder, capsys):
    edit(folder, OLD, NEW)
    text, _ = page(folder, capsys)
    assert not any(word in text for word in ("<script", "src=", "@import", "url("))
    assert 'href="http' not in text


def test_a_text_that_the_history_does_not_know_is_said_to_be_unknown(folder, capsys):
    edit(folder, OLD, NEW)
    assert "The text that was reviewed is not in this history" in page(folder, capsys)[0]


def test_to_write_the_page_signs_nothing(folder, capsys):
    edit(folder, OLD, NEW)
    before = (folder / "reviews.jsonl").read_bytes()
    run(folder, "--all", "--as", "Ada", "--page", str(folder.parent / "page.html"))
    assert "Nothing is signed yet" in capsys.readouterr().out
    assert (folder / "reviews.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: edit(folder, NEW, "title: Dice of the tail"),
        lambda folder: edit(folder, "title: Dice of the posterior hippocampus", "title: Dice of the tail"),
        open_test_part,
    ],
    ids=["the item", "another item", "the test part was opened"],
)
def test_what_was_not_shown_cannot_be_signed(folder, capsys, change):
    edit(folder, OLD, NEW)
    _, digest = page(folder, capsys)
    change(folder)
    before = (folder / "reviews.jsonl").read_bytes()
    with pytest.raises(StageError, match="what waits now is not what was shown") as caught:
        run(folder, "--all", "--as", "Ada", "--shown", digest)
    assert "SRS-SEG-1" in caught.value.findings[0]
    assert (folder / "reviews.jsonl").read_bytes() == before


def test_nobody_cannot_sign(folder, capsys):
    edit(folder, OLD, NEW)
    _, digest = page(folder, capsys)
    with pytest.raises(StageError, match="nobody is named who signs"):
        run(folder, "--all", "--shown", digest)


def test_items_that_are_refused_go_on_waiting(folder, capsys):
    edit(folder, OLD, NEW)
    edit(folder, "title: Dice of the posterior hippocampus", "title: Dice of the tail")
    _, digest = page(folder, capsys)
    run(folder, "--all", "--as", "Ada", "--shown", digest, "--refuse", "SRS-SEG-2")
    assert "1 items were refused and go on waiting: SRS-SEG-2" in capsys.readouterr().out
    assert [one["item"] for one in lines(folder) if "by" in one] == ["SRS-SEG-1"]
    run(folder)
    assert [line.split() for line in capsys.readouterr().out.splitlines()][1:] == [["SRS-SEG-2", "suspect"]]


def test_a_page_of_some_items_signs_those(folder, capsys):
    edit(folder, OLD, NEW)
    edit(folder, "title: Dice of the posterior hippocampus", "title: Dice of the tail")
    text, digest = page(folder, capsys, "SRS-SEG-2")
    assert 'id="SRS-SEG-2"' in text
    assert 'id="SRS-SEG-1"' not in text
    run(folder, "SRS-SEG-2", "--as", "Ada", "--shown", digest)
    assert [(one["item"], one["shown_sha256"]) for one in lines(folder) if "by" in one] == [
        ("SRS-SEG-2", digest)
    ]


def test_one_item_is_reviewed_without_a_page_and_may_name_who(folder):
    edit(folder, OLD, NEW)
    run(folder, "SRS-SEG-1", "--as", "Ada")
    assert (lines(folder)[-1]["item"], lines(folder)[-1]["by"]) == ("SRS-SEG-1", "Ada")


@pytest.mark.parametrize("name", ["Ada\nLovelace", " ", ""])
def test_a_name_that_could_forge_a_line_or_that_nobody_sees_is_refused(folder, name):
    edit(folder, OLD, NEW)
    before = (folder / "reviews.jsonl").read_bytes()
    with pytest.raises(StageError, match="--as"):
        run(folder, "SRS-SEG-1", "--as", name)
    assert (folder / "reviews.jsonl").read_bytes() == before


def test_the_page_says_which_criterion_comes_too_late(folder, capsys):
    open_test_part(folder)
    edit(folder, "    threshold: 0.85\n", "    threshold: 0.8\n")
    assert "it can only be post-hoc" in page(folder, capsys)[0]


def test_all_and_names_together_are_refused(folder):
    with pytest.raises(StageError, match="--all and names of items"):
        run(folder, "SRS-SEG-1", "--all")
