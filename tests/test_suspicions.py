"""Suspicions: each mistake that is planted in one case is named there, and sound cases give nothing."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from radiotrace.imaging import suspicions
from radiotrace.records import findings
from tests import phantoms

NAMES = {1: "anterior", 2: "posterior"}
SPACING_ZYX = phantoms.SPACING_XYZ[::-1]
N_CASES = 12


def arrays(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Image and label map, (z, y, x): the boxes lie elsewhere in each, on a ground that is its own."""
    rng = np.random.default_rng(seed)
    labels = phantoms.label_array(rng.integers(-1, 2, 3))
    ground = ndimage.zoom(rng.normal(0, 30, (4, 4, 4)), np.array(labels.shape) / 4, order=1)
    return (phantoms.image_array(labels, seed) + ground).astype(np.float32), labels


def look(seed: int, image=None, labels=None, subject: str = "") -> suspicions.Look:
    own_image, own_labels = arrays(seed)
    image, labels = (own if new is None else new for new, own in ((image, own_image), (labels, own_labels)))
    return suspicions.look(f"case_{seed:02d}", subject or f"S{seed}", {"image": image}, labels, SPACING_ZYX)


@pytest.fixture(scope="module")
def sound() -> list[suspicions.Look]:
    return [look(seed) for seed in range(N_CASES)]


def found(looks) -> list[tuple[str, str]]:
    """Case and check of what is suspected."""
    return sorted((one.case_id, one.check) for one in suspicions.across(looks, NAMES))


def beside(sound, changed: suspicions.Look) -> list[tuple[str, str]]:
    """What is suspected where one of the sound cases is another one."""
    return found([changed if one.case_id == changed.case_id else one for one in sound])


@pytest.mark.requirement("SRS-DATA-13")
def test_sound_cases_give_nothing(sound):
    assert found(sound) == []


@pytest.mark.requirement("SRS-DATA-13")
@pytest.mark.parametrize("axis", [0, 1])  # along x the boxes lie nearly where their mirror images do
def test_a_mirrored_label_map_is_named(sound, axis):
    _, labels = arrays(3)
    assert ("case_03", "mirrored") in beside(sound, look(3, labels=np.flip(labels, axis)))


@pytest.mark.requirement("SRS-DATA-13")
def test_swapped_labels_are_named(sound):
    labels = np.choose(arrays(4)[1], [0, 2, 1]).astype(np.uint8)
    assert beside(sound, look(4, labels=labels)) == [("case_04", "label_order")]
    (finding,) = suspicions.across([*sound[:4], look(4, labels=labels), *sound[5:]], NAMES)
    assert finding.found.startswith("posterior lies ")
    assert "are labels or sides swapped?" in finding.expected


@pytest.mark.requirement("SRS-DATA-13")
def test_an_image_of_two_subjects_is_named_in_both(sound):
    image, labels = arrays(5)
    again = replace(look(5, np.round(image * 1.7 + 40), labels, "another"), case_id="copy")
    assert found([*sound, again]) == [("case_05", "near_duplicate"), ("copy", "near_duplicate")]
    assert found([*sound, replace(again, subject_id="S5")]) == []


@pytest.mark.requirement("SRS-DATA-13")
def test_another_crop_of_the_image_of_another_subject_is_named(sound):
    image, labels = arrays(6)
    again = look(6, image[:, 1:, 1:], labels[:, 1:, 1:], "another")
    assert ("copy", "near_duplicate") in found([*sound, replace(again, case_id="copy")])


@pytest.mark.requirement("SRS-DATA-13")
def test_clipped_empty_and_repeated_are_named(sound):
    image, _ = arrays(7)
    clipped = np.minimum(image, np.percentile(image, 90))
    assert ("case_07", "clipped") in beside(sound, look(7, clipped))
    emptied = image.copy()
    emptied[6] = 0
    assert ("case_07", "empty_slices") in beside(sound, look(7, emptied))
    repeated = np.repeat(image[:, ::2], 2, 1)
    assert ("case_07", "repeated_slices") in beside(sound, look(7, repeated))


@pytest.mark.requirement("SRS-DATA-13")
def test_empty_slices_at_the_rim_are_usual_but_not_under_labels(sound):
    image, labels = arrays(7)
    image[0] = 0
    assert beside(sound, look(7, image)) == []
    labels[0, 5, 5] = 1
    assert ("case_07", "empty_slices") in beside(sound, look(7, image, labels))


def test_a_set_of_fewer_than_ten_has_no_usual_case(sound):
    labels = np.choose(arrays(4)[1], [0, 2, 1]).astype(np.uint8)
    assert found([*sound[:4], look(4, labels=labels)]) == []


def test_pictures_and_label_maps_without_a_label_pass():
    image, labels = arrays(0)
    picture = suspicions.look("a", "S1", {"image": image[6:7]}, labels[6:7], SPACING_ZYX)
    empty = suspicions.look("b", "S2", {"image": image}, np.zeros_like(labels), SPACING_ZYX)
    assert "z" not in picture.mirrored
    assert (empty.mirrored, len(empty.thumbnails)) == ({}, 1)
    assert found([picture, empty]) == []


@pytest.mark.requirement("SRS-DATA-13")
def test_a_large_image_is_thinned_and_keeps_its_millimetres():
    labels = np.zeros((60, 256, 256), np.uint8)
    labels[20:40, 100:140, 60:100] = 1
    image = labels * 10 + np.random.default_rng(0).normal(size=labels.shape).astype(np.float32)
    seen = suspicions.look("a", "S", {"image": image}, labels, (2.0, 1.0, 1.0))
    assert np.allclose(seen.centres_mm[1], [59, 119.5, 79.5], atol=1)


def test_each_check_is_known_to_need_voxels(sound):
    image, labels = arrays(7)
    image[6] = 0
    made = suspicions.across([look(7, image, labels)], NAMES)
    assert {one.check for one in made} <= set(findings.OF_VOXELS)
