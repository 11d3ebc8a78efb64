"""The four sentences of the report and the line above them; and places of records that a page quotes."""

import json

import pytest

from radiotrace.records.dataset import Dataset
from radiotrace.records.metrics import Metrics
from radiotrace.segmentation import in_short
from radiotrace.segmentation.quotes import Quotes
from tests import projects

CASES = projects.ROOT / "tests/schema_cases"
INTENDED = {
    "population": {"unknown": ["age", "TO DECIDE: what else"]},
    "must_not_be_used": ["For diagnosis. No result may decide.", "On children.", "TO DECIDE: the rest"],
}


def record(schema: str, name: str) -> dict:
    return json.loads((CASES / schema / "valid" / f"{name}.json").read_text("utf-8"))


def text_of(about: str, metrics: dict | None = None, intended_use: dict | None = None) -> str:
    made = in_short.sentences(
        Metrics.of(metrics or record("metrics", "all_defined")),
        Dataset.of(record("dataset", "one_case")).dataset,
        intended_use or INTENDED,
        "dropout",
    )
    assert len(made) == 4
    return next(sentence.text for sentence in made if sentence.about == about)


def test_a_release_that_is_blocked_is_said_with_its_drafts_in_the_same_line():
    state = in_short.state(record("acceptance", "cannot_say"), ["SRS-SEG-1"], is_draft=True)
    assert not state.is_good
    assert state.text == (
        "The release is blocked: 1 of 1 performance criteria are missed or undecided. Draft: not reviewed as "
        "they stand: SRS-SEG-1; the intended use is a draft that nobody approved."
    )


@pytest.mark.parametrize(("unreviewed", "is_draft"), [(["SRS-SEG-1"], False), ([], True)])
def test_criteria_that_are_met_are_not_good_news_above_a_draft(unreviewed, is_draft):
    state = in_short.state(record("acceptance", "met"), unreviewed, is_draft)
    assert not state.is_good
    assert "criteria are met. Draft: " in state.text


def test_nothing_says_that_a_release_is_free():
    state = in_short.state(record("acceptance", "met"), [], is_draft=False)
    assert state == in_short.State(is_good=True, text="All 1 performance criteria are met.")


def test_a_criterion_met_after_the_fact_blocks():
    acceptance = record("acceptance", "met")
    acceptance["results"][0]["verdict"] = "post-hoc"
    state = in_short.state(acceptance, [], is_draft=False)
    assert state.text == (
        "The release is blocked: 1 of 1 performance criteria are met only after the fact (post-hoc)."
    )


def test_how_good_has_its_interval_where_there_is_one():
    metrics = record("metrics", "all_defined")
    row = metrics["dice"]["mean_of_labels"]
    row |= {"mean": 0.891, "ci95_low": 0.874, "ci95_high": 0.903, "no_interval": None}
    assert "a mean Dice of 0.89 (95 % interval 0.87 to 0.90), where 1" in text_of("How good", metrics)
    row |= {"ci95_low": None, "ci95_high": None}
    assert "a mean Dice of 0.89, where 1" in text_of("How good", metrics)


def test_where_it_fails_names_the_worst_case_and_the_label_whose_volume_errs_most():
    metrics = record("metrics", "all_defined")
    for label, mean in (("anterior", 4.0), ("posterior", 6.5)):
        metrics["volume_error_absolute_percent"][label]["mean"] = mean
        metrics["volume_agreement"][label]["slope"] |= {"value": -0.3, "ci95_low": -0.5, "ci95_high": -0.1}
    text = text_of("Where it fails", metrics)
    assert text.startswith(f"The worst case, {metrics['worst_cases'][0]['case_id']}, has a Dice of ")
    assert "volumes err most for posterior, by 6.5 % on average, with large ones shown too small" in text


def test_what_it_must_not_be_used_for_is_what_people_wrote():
    assert text_of("Not to be used") == (
        "It must not be used for diagnosis; on children, and what a person has still to decide."
    )
    nothing = INTENDED | {"must_not_be_used": ["TO DECIDE: what for"]}
    assert "before a person has said for what" in text_of("Not to be used", intended_use=nothing)


def test_on_whom_says_what_is_not_known_of_them():
    assert "alone; not known of these people: age, so that" in text_of("On whom")


def test_a_place_is_quoted_once_and_a_name_cannot_become_code():
    quotes = Quotes({"metrics": ("metrics/metrics.json", {"dice": {'<b>/~"': [1, {"mean": 0.5}]}})})
    link = quotes.link("<i>", "metrics", "dice", '<b>/~"', 1)
    quotes.link("again", "metrics", "dice", '<b>/~"', 1)
    [quotation] = quotes.all()
    assert quotation.place == 'metrics/metrics.json#/dice/<b>~1~0"/1'  # RFC 6901
    assert quotation.text == '{"mean": 0.5}'
    assert "<b>" not in link
    assert link.endswith(">&lt;i&gt;</a>")


@pytest.mark.parametrize("place", [("none",), ("dice", 7), ("dice", "0")])
def test_a_place_that_is_not_there_is_no_link(place):
    quotes = Quotes({"metrics": ("metrics/metrics.json", {"dice": [1]})})
    assert quotes.link("0.5", "metrics", *place) == "0.5"
    assert quotes.all() == []
