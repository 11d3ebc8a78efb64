"""Balanced: offsets of the logits that do not follow from the validation part are named."""

import pytest

from radiotrace.segmentation.verification import balanced


@pytest.mark.requirement("SRS-EVI-5")
@pytest.mark.parametrize(
    ("stated", "made", "expected"),
    [
        ([0.0, -0.1, 0.2], [0.0, -0.1, 0.2], []),
        ([0.0, -0.1, 0.2], [0.0, -0.1002, 0.2], []),
        (None, None, []),
        (
            [0.0, -0.1, 0.2],
            [0.0, -0.3, 0.2],
            ["train.json: logit_offsets of label 1 state -0.100, found -0.300"],
        ),
        ([0.0, 0.2], None, ["train.json: logit_offsets state +0.000, +0.200, found none"]),
        (None, [0.0, 0.2], ["train.json: logit_offsets state none, found +0.000, +0.200"]),
        ([0.0], [0.0, 0.2], ["train.json: logit_offsets state +0.000, found +0.000, +0.200"]),
        ([0.0, float("nan")], [0.0, 0.2], ["train.json: logit_offsets of label 1 state +nan, found +0.200"]),
    ],
    ids=[
        "the same",
        "rounded otherwise",
        "none",
        "another",
        "some where none belong",
        "none where some belong",
        "fewer",
        "no number",
    ],
)
def test_offsets_that_were_not_found_again_are_named(stated, made, expected):
    assert balanced.unlike(stated, made) == expected
