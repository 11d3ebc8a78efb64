"""The envelope: every corruption and every attack, the criterion, and nothing that changes from run to
run."""

import re
from xml.etree import ElementTree

import pytest

from radiotrace.imaging import corruptions
from radiotrace.imaging.channels import named
from radiotrace.segmentation import figures_robustness


def row(mean, half=0.05) -> dict:
    low, high = (None, None) if mean is None or half is None else (mean - half, mean + half)
    return {
        label: {
            "n_cases": 8,
            "n_subjects": 6,
            "n_undefined": 0,
            "mean": mean,
            "ci95_low": low,
            "ci95_high": high,
            "no_interval": "fewer than 10 subjects" if low is None else None,
        }
        for label in ("anterior", "mean_of_labels")
    }


def summary(names=None, means=(0.9, 0.88, 0.85, 0.7, 0.5), half=0.05) -> dict:
    attack = [{"eps_sd": eps, "dice": row(mean, half)} for eps, mean in ((0.1, 0.8), (0.3, 0.4))]
    return {
        "n_cases": 8,
        "n_subjects": 6,
        "criterion_dice": 0.85,
        "clean": row(0.9),
        "corruptions": {
            name: {
                "unit": corruptions.TABLE[name].unit,
                "strengths": corruptions.TABLE[name].strengths,
                "severities": [{"dice": row(mean, half)} for mean in means],
            }
            for name in names or corruptions.names([named("MRI")])
        },
        "adversarial": {
            "n_cases": 2,
            "n_subjects": 2,
            "clean": row(0.9),
            "attacks": dict.fromkeys(("noise", "fgsm", "pgd", "segpgd"), attack),
        },
    }


def comments(content: bytes) -> set[str]:
    """The texts of a figure: matplotlib draws them as shapes and repeats each in a comment."""
    return set(re.findall(r"<!-- (.*?) -->", content.decode()))


@pytest.fixture(scope="module")
def mri() -> bytes:
    return figures_robustness.envelope(summary())


def test_it_is_svg_and_the_same_bytes_twice(mri):
    assert ElementTree.fromstring(mri).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - written a line above
    assert mri == figures_robustness.envelope(summary())


def test_it_is_small(mri):
    assert len(mri) < 120_000


@pytest.mark.parametrize(
    "text",
    [
        "rician noise",
        "missing slices",
        "SD, mm",
        "0.75",
        "12",
        "attacks, 2 of the cases",
        "SegPGD",
        "random signs",
        "mean Dice, 8 test cases of 6 subjects",
        "criterion, Dice 0.85",
        "eps, SD of the image",
    ],
)
def test_it_names(mri, text):
    assert text in comments(mri)


def test_without_intervals_there_are_points_and_the_reason():
    few = summary(half=None) | {"clean": row(0.9, None)}
    found = comments(figures_robustness.envelope(few))
    assert "no interval: fewer than 10 subjects" in found
    assert "95 % interval over subjects" not in found


@pytest.mark.parametrize(
    "changes",
    [
        {"names": ["blur"]},
        {"names": corruptions.names([named("CT")])},
        {"means": (0.9, None, None, None, None)},
        {"half": None},
    ],
    ids=["one corruption", "CT", "undefined", "one subject"],
)
def test_it_works_with(changes):
    assert "FGSM" in comments(figures_robustness.envelope(summary(**changes)))
