"""reviews: what was reviewed as it stands, and which criteria stood before the test part was opened."""

import json

import pytest

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.evidence.design import reviews
from tests.traced import OTHER_PART, PART, example, opening

PERFORMANCE, INTERFACE = example("requirements/valid/performance_and_test")["requirements"]


def criterion(**changes):
    return PERFORMANCE | {"acceptance": PERFORMANCE["acceptance"] | changes}


def line(content=PERFORMANCE, n_openings=0):
    return reviews.line(content["id"], content, n_openings)


@pytest.fixture
def ledger(tmp_path):
    return tmp_path / "reviews.jsonl"


def test_without_a_file_nothing_was_reviewed(ledger):
    assert reviews.read(ledger) == []


def test_lines_are_added_behind_those_that_are_there(ledger):
    reviews.add(ledger, [line()])
    before = ledger.read_bytes()
    reviews.add(ledger, [line(INTERFACE, 3), line(n_openings=3)])
    assert ledger.read_bytes().startswith(before)
    assert [(one["item"], one["n_openings"]) for one in reviews.read(ledger)] == [
        ("SRS-SEG-1", 0),
        ("SRS-UI-1", 3),
        ("SRS-SEG-1", 3),
    ]


def test_every_broken_line_is_named(ledger):
    ledger.write_text(
        "\n".join([json.dumps(line()), "{", json.dumps(line() | {"n_openings": -1}), json.dumps(line())])
        + "\n"
    )
    with pytest.raises(StageError) as caught:
        reviews.read(ledger)
    assert [fault.split(":")[0] for fault in caught.value.findings] == ["line 2", "line 3"]


def test_nothing_is_added_to_a_broken_ledger(ledger):
    ledger.write_text("{\n")
    with pytest.raises(StageError, match="is broken"):
        reviews.add(ledger, [line()])
    assert ledger.read_text() == "{\n"


@pytest.mark.parametrize("content", [PERFORMANCE, INTERFACE], ids=["performance", "interface"])
def test_a_line_satisfies_its_schema(content):
    assert records.faults(line(content), "review") == []


def test_an_item_is_reviewed_as_it_stands():
    assert reviews.status("SRS-SEG-1", PERFORMANCE, [line()]) == "reviewed"
    assert reviews.status("SRS-SEG-1", PERFORMANCE | {"title": "Dice of the head"}, [line()]) == "suspect"
    assert reviews.status("SRS-UI-1", INTERFACE, [line()]) == "never reviewed"


def test_the_last_review_of_an_item_counts():
    edited = PERFORMANCE | {"title": "Dice of the head"}
    assert reviews.status("SRS-SEG-1", PERFORMANCE, [line(), line(edited)]) == "suspect"
    assert reviews.status("SRS-SEG-1", edited, [line(), line(edited)]) == "reviewed"


def test_only_what_decides_a_verdict_is_in_the_digest_of_a_criterion():
    now = reviews.criterion_sha256(PERFORMANCE)
    assert {
        key: reviews.criterion_sha256(criterion(**{key: value})) == now
        for key, value in {
            "metric": "dice.posterior",
            "part": "validation",
            "bound": "upper",
            "op": "<=",
            "threshold": 0.8,
            "min_subjects": 29,
            "justification": "better words",
            "population": "all cases",
        }.items()
    } == {
        "metric": False,
        "part": False,
        "bound": False,
        "op": False,
        "threshold": False,
        "min_subjects": False,
        "justification": True,
        "population": True,
    }


def test_an_item_without_a_criterion_has_no_digest_of_it():
    assert reviews.criterion_sha256(INTERFACE) is None
    assert reviews.criterion_sha256({"id": "MOD-1", "acceptance": ["no statement"]}) is None


def test_a_criterion_that_was_reviewed_before_the_opening_is_prespecified():
    assert reviews.prespecified(PERFORMANCE, [line(n_openings=0)])


def test_words_around_a_criterion_may_change_afterwards():
    edited = criterion(justification="other words, reviewed again")
    assert reviews.prespecified(edited, [line(n_openings=0), line(edited, n_openings=3)])


@pytest.mark.requirement("SRS-EVI-3")
@pytest.mark.parametrize(
    "reviewed",
    [
        [],
        [line(n_openings=1)],
        [line(criterion(threshold=0.9), 0)],
        [line(criterion(threshold=0.9), 0), line(n_openings=1)],
        [line(INTERFACE, 0)],
    ],
    ids=[
        "never reviewed",
        "after the opening",
        "another criterion",
        "edited, and reviewed again",
        "another item",
    ],
)
def test_a_criterion_is_not_prespecified(reviewed):
    assert not reviews.prespecified(PERFORMANCE, reviewed)


# it stood before the opening, whatever was tried in between
def test_a_criterion_that_came_back_is_prespecified():
    assert reviews.prespecified(PERFORMANCE, [line(), line(criterion(threshold=0.9), 1), line(n_openings=2)])


@pytest.mark.parametrize(
    "opened",
    [[], [opening()], [opening(), opening(OTHER_PART, 60)]],
    ids=["none", "this part", "another part later"],
)
def test_cases_that_were_left_out_before_the_first_opening_do_no_harm(opened):
    assert reviews.left_out(opened, PART, [{"case_id": "p_01", "reason": "cut off"}]) is None


def test_a_test_part_may_grow():  # new subjects join, those that were seen stay
    assert reviews.left_out([opening(OTHER_PART, 49), opening(PART, 55)], PART, []) is None


@pytest.mark.requirement("SRS-EVI-3")
def test_cases_that_are_left_out_after_an_opening_are_told():
    found = reviews.left_out(
        [opening(OTHER_PART, 49), opening(PART, 48)], PART, [{"case_id": "p_01", "reason": "cut off"}]
    )
    assert found == "cases left out: 1, and a test part with other cases was opened before"


@pytest.mark.requirement("SRS-EVI-3")
def test_a_test_part_that_shrank_without_a_word_is_told():  # their files were taken out of the data
    assert (
        reviews.left_out([opening(OTHER_PART, 49), opening(PART, 48)], PART, [])
        == "a test part of 49 cases was opened before this one of 48"
    )
