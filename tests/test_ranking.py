"""ranking: which cases are shown."""
from radiotrace.evaluation import ranking


def ranked(**dice) -> list[dict]:
    """Cases with the Dice of both labels."""
    return [{"case_id": case_id, "labels": {"anterior": {"dice": one}, "posterior": {"dice": other}}} for case_id, (one, other) in dice.items()]


def test_worst_median_and_best_are_ranked_by_mean_dice():      # means 0.7, 0.2, 0.9, 0.5, 0.6
    cases = ranked(a=(0.6, 0.8), b=(0.1, 0.3), c=(0.9, 0.9), d=(0.0, 1.0), e=(0.5, 0.7))
    assert ranking.worst_median_best(cases) == {"worst": "b", "median": "e", "best": "c"}


def test_an_undefined_label_is_left_out_of_a_rank():
    assert ranking.worst_median_best(ranked(a=(0.5, 0.5), b=(None, 0.9), c=(0.6, 0.6)))["best"] == "b"


def test_a_case_without_any_dice_is_the_worst():
    assert ranking.worst_median_best(ranked(a=(0.0, 0.0), b=(None, None), c=(0.6, 0.6)))["worst"] == "b"


def test_equal_cases_are_ranked_by_name():
    assert ranking.worst_median_best(ranked(c=(0.5, 0.5), a=(0.5, 0.5), b=(0.5, 0.5))) == {"worst": "a", "median": "b", "best": "c"}


def test_one_case_is_worst_median_and_best():
    assert set(ranking.worst_median_best(ranked(a=(0.5, 0.5))).values()) == {"a"}


def test_a_title_says_which_dice_is_undefined():
    assert ranking.dice_text(ranked(a=(None, 0.5))[0]["labels"]) == "anterior undefined, posterior 0.50"
