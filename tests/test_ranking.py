"""ranking: which cases are shown."""

from radiotrace.segmentation import ranking


def ranked(**dice) -> list[dict]:
    """Cases with the Dice of both labels."""
    return [
        {"case_id": case_id, "labels": {"anterior": {"dice": one}, "posterior": {"dice": other}}}
        for case_id, (one, other) in dice.items()
    ]


def test_worst_median_and_best_are_ranked_by_mean_dice():  # means 0.7, 0.2, 0.9, 0.5, 0.6
    cases = ranked(a=(0.6, 0.8), b=(0.1, 0.3), c=(0.9, 0.9), d=(0.0, 1.0), e=(0.5, 0.7))
    assert ranking.worst_median_best(cases) == {"worst": "b", "median": "e", "best": "c"}


def test_a_label_that_is_neither_there_nor_predicted_is_right():
    assert ranking.worst_median_best(ranked(a=(0.5, 0.5), b=(None, 0.3), c=(0.7, 0.7))) == {
        "worst": "a",
        "median": "b",
        "best": "c",
    }


def test_a_correctly_empty_case_is_never_the_worst():
    cases = ranked(a=(0.0, 0.0), b=(None, None), c=(0.6, 0.6))
    assert ranking.worst_median_best(cases) == {"worst": "a", "median": "c", "best": "b"}


def test_the_mean_of_labels_is_undefined_where_a_label_is():
    assert [ranking.macro(case, "dice") for case in ranked(a=(0.25, 0.75), b=(None, 0.9))] == [0.5, None]


def test_the_mean_of_no_label_is_undefined():
    assert ranking.mean_of_all([]) is None


def test_equal_cases_are_ranked_by_name():
    assert ranking.worst_median_best(ranked(c=(0.5, 0.5), a=(0.5, 0.5), b=(0.5, 0.5))) == {
        "worst": "a",
        "median": "b",
        "best": "c",
    }


def test_one_case_is_worst_median_and_best():
    assert set(ranking.worst_median_best(ranked(a=(0.5, 0.5))).values()) == {"a"}


def test_a_title_says_which_dice_is_undefined():
    assert ranking.dice_text(ranked(a=(None, 0.5))[0]["labels"]) == "anterior undefined, posterior 0.50"
