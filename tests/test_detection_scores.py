"""detection_scores: against pycocotools, by hand, and classes that are not there."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from radiotrace.statistics import detection_scores as scores
from radiotrace.statistics import resampling

NAMES = ["red", "white", "platelet"]


def drawn(n_images=20, seed=0, n_classes=3, dimensions=2) -> list[scores.Image]:
    """Images with boxes of all sizes; most are predicted, some twice or as another class, and some boxes are
    of nothing."""
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(n_images):
        n = rng.integers(0, 9)
        low = rng.uniform(0, 400, (n, dimensions))
        truth = np.concatenate(
            [low, low + rng.choice([15, 60, 150], (n, 1)) * rng.uniform(0.7, 1.3, (n, dimensions))], 1
        )
        truth_labels = rng.integers(0, n_classes, n)
        found = rng.random(n) < 0.8
        again = rng.random(n) < 0.3
        near = np.concatenate([truth[found], truth[again]])
        near = near + rng.normal(0, 0.06, near.shape) * (near[:, dimensions:] - near[:, :dimensions]).mean(
            1, keepdims=True
        )
        n_wrong = rng.integers(0, 4)
        low = rng.uniform(0, 400, (n_wrong, dimensions))
        wrong = np.concatenate([low, low + rng.uniform(5, 120, (n_wrong, dimensions))], 1)
        labels = np.concatenate(
            [truth_labels[found], truth_labels[again], rng.integers(0, n_classes, n_wrong)]
        )
        swapped = rng.random(len(labels)) < 0.1
        labels = np.where(swapped, (labels + 1) % n_classes, labels)
        predicted = np.concatenate([near, wrong])
        corners = np.sort(predicted.reshape(-1, 2, dimensions), 1).reshape(-1, 2 * dimensions)
        # of two digits: some stand twice
        sure = np.round(rng.beta(3 - 2 * (np.arange(len(labels)) >= len(near)), 2), 2)
        images.append(scores.Image(truth, truth_labels, corners, labels, sure))
    return images


def coco(images, n_classes=3, detections=100) -> COCOeval:
    """The evaluation of pycocotools."""

    def wide(box):
        return [*map(float, box[:2]), *map(float, box[2:] - box[:2])]

    annotations, predictions = [], []
    for number, image in enumerate(images):
        for box, label in zip(image.truth, image.truth_labels, strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": int(label),
                    "bbox": wide(box),
                    "area": float(np.prod(box[2:] - box[:2])),
                    "iscrowd": 0,
                }
            )
        for box, label, score in zip(image.predicted, image.labels, image.scores, strict=True):
            predictions.append(
                {"image_id": number, "category_id": int(label), "bbox": wide(box), "score": float(score)}
            )
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "info": {},
            "images": [{"id": number} for number in range(len(images))],
            "categories": [{"id": label, "name": str(label)} for label in range(n_classes)],
            "annotations": annotations,
        }
        truth.createIndex()
        found = COCOeval(truth, truth.loadRes(predictions), "bbox")
        found.params.maxDets = [1, detections]
        found.evaluate()
        found.accumulate()
    return found


@pytest.mark.requirement("SRS-BOX-1")
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("detections", [100, 2])
def test_precision_is_that_of_pycocotools(seed, detections):
    images = drawn(seed=seed)
    theirs = coco(images, detections=detections).eval
    found = scores.evaluate(images, NAMES, detections=detections)
    assert found.absent == {}
    for label, name in enumerate(NAMES):
        precision, recall = theirs["precision"][:, :, label, :, -1], theirs["recall"][:, label, :, -1]
        mine = found.by_class[name]
        assert mine.ap == pytest.approx(precision[:, :, 0].mean())
        assert mine.ap50 == pytest.approx(precision[0, :, 0].mean())
        assert mine.ap75 == pytest.approx(precision[5, :, 0].mean())
        assert mine.recall == pytest.approx(recall[:, 0].mean())
        for place, size in enumerate(scores.AREAS, 1):
            assert mine.by_size[size] == pytest.approx(precision[:, :, place].mean()), size
    assert found.mean.ap == pytest.approx(theirs["precision"][:, :, :, 0, -1].mean())


@pytest.mark.requirement("SRS-BOX-2")
def test_a_class_that_is_absent_is_named_and_not_averaged():
    """COCO's -1 of an absent class in the mean: two perfect classes and an absent one gave .333."""
    truth = np.array([[0, 0, 10, 10], [20, 20, 40, 40.0]])
    image = scores.Image(truth, np.array([0, 1]), truth, np.array([0, 1]), np.ones(2))
    found = scores.evaluate([image], NAMES)
    assert (found.mean.ap, found.mean.ap50, found.absent) == (1, 1, {"platelet": 0})
    more = scores.Image(truth, np.array([0, 1]), truth, np.array([0, 2]), np.ones(2))
    found = scores.evaluate([more], NAMES)
    assert (found.by_class["white"].ap, found.absent, found.mean.ap) == (0, {"platelet": 1}, 0.5)
    assert found.by_class["red"].by_size == {"small": 1, "medium": None, "large": None}


@pytest.mark.requirement("SRS-BOX-1")
def test_precision_by_hand():
    """Two true boxes; hit, miss, hit: recall 1/2 at precision 1 and 1 at 2/3: 51 of 101 recalls, and 50."""
    truth = np.array([[0, 0, 10, 10], [20, 20, 30, 30.0]])
    predicted = np.concatenate([truth[:1], [[50, 50, 60, 60]], truth[1:]])
    image = scores.Image(truth, np.zeros(2, int), predicted, np.zeros(3, int), np.array([0.9, 0.8, 0.7]))
    found = scores.evaluate([image], ["red"])
    assert found.mean.ap == pytest.approx((51 + 50 * 2 / 3) / 101)


@pytest.mark.requirement("SRS-BOX-2")
def test_images_without_anything():
    nothing = np.zeros((0, 4)), np.zeros(0, int)
    empty = scores.Image(*nothing, *nothing, np.zeros(0))
    found = scores.evaluate([empty], NAMES)
    assert (found.mean.ap, found.by_class, list(found.absent)) == (None, {}, NAMES)
    assert scores.evaluate([], NAMES).mean.ap is None
    images = drawn()
    assert scores.evaluate([*images, empty], NAMES) == scores.evaluate(images, NAMES)


def test_a_monotone_transform_of_scores_changes_nothing():
    images = drawn()
    other = [scores.Image(*list(vars(image).values())[:-1], image.scores**3) for image in images]
    assert scores.evaluate(other, NAMES) == scores.evaluate(images, NAMES)


def test_volumes_are_scored_as_areas_are():
    images = drawn(dimensions=3)
    found = scores.evaluate(images, NAMES, {"small": (0, 32**3), "large": (32**3, np.inf)})
    assert 0.2 < found.mean.ap < found.mean.ap50 < 1
    flat = drawn()
    deep = [
        scores.Image(
            _deep(image.truth), image.truth_labels, _deep(image.predicted), image.labels, image.scores
        )
        for image in flat
    ]
    assert scores.evaluate(deep, NAMES) == scores.evaluate(flat, NAMES)


def _deep(side):
    """Boxes with one unit of depth."""
    zeros = np.zeros((len(side), 1))
    return np.concatenate([side[:, :2], zeros, side[:, 2:], zeros + 1], 1)


def test_counts_are_images_that_stand_several_times():
    images = drawn()
    counts = np.random.default_rng(0).integers(0, 3, (20, 4))
    matches = scores.matched(images, 0)
    one = scores.matched(images, 0, np.array([0.5]))
    found, points = scores.average_precisions(matches, counts), scores.sensitivities(one, [0.2, 1.0], counts)
    recalls = scores.recalls(matches, counts)
    for place, column in enumerate(counts.T):
        # score by score, as the images stand: equal scores of one image stay together
        again = [image for image, number in zip(images, column, strict=True) for _ in range(number)]
        of_again = scores.matched(again, 0)
        assert found[:, place] == pytest.approx(scores.average_precisions(of_again), abs=0.02)
        assert recalls[:, place] == pytest.approx(scores.recalls(of_again))
        froc = scores.froc(scores.matched(again, 0, np.array([0.5])), points=[0.2, 1.0])
        assert points[:, place] == pytest.approx(list(froc.at.values()))


def test_a_bootstrap_draws_images_of_a_subject_together():
    images = drawn(120)
    plan = resampling.Plan(np.arange(120) // 2, seed=0, resamples=100)
    found = scores.mean_precision_interval(images, 3, plan, np.array([0.5]))
    assert found.value == pytest.approx(scores.evaluate(images, NAMES).mean.ap50)
    assert found.interval.low < found.value < found.interval.high
    assert (found.n_subjects, found.n_undefined) == (60, 0)
    assert found == scores.mean_precision_interval(images, 3, plan, np.array([0.5]))
    nobody = [scores.Image(i.truth[:0], i.truth_labels[:0], i.predicted, i.labels, i.scores) for i in images]
    assert scores.mean_precision_interval(nobody, 3, plan).value is None


def test_the_size_of_a_block_changes_nothing(monkeypatch):
    images, counts = drawn(), np.random.default_rng(0).integers(0, 3, (20, 6))
    matches = scores.matched(images, 0)
    whole = scores.average_precisions(matches, counts)
    monkeypatch.setattr(resampling, "BLOCK", 4 * len(matches.scores))
    assert (scores.average_precisions(matches, counts) == whole).all()


def lesions() -> list[scores.Image]:
    """Two images with two true boxes each. From the highest score: hit, false, hit, false and hit at once,
    false (a second box on the first)."""
    truth = np.array([[0, 0, 10, 10], [50, 50, 150, 150.0]])
    elsewhere = np.array([[300, 300, 310, 310.0]])
    first = np.concatenate([truth, elsewhere, truth[:1]])
    second = np.concatenate([elsewhere, truth[1:]])
    return [
        scores.Image(truth, np.zeros(2, int), first, np.zeros(4, int), np.array([0.9, 0.7, 0.6, 0.1])),
        scores.Image(truth, np.zeros(2, int), second, np.zeros(2, int), np.array([0.8, 0.6])),
    ]


@pytest.mark.requirement("SRS-BOX-1")
def test_froc_by_hand():
    found = scores.froc(scores.matched(lesions(), 0, np.array([0.1])), points=(0.25, 0.5, 1, 2))
    assert found.thresholds.tolist() == [0.9, 0.8, 0.7, 0.6, 0.1]
    assert found.false_positives.tolist() == [0, 0.5, 0.5, 1, 1.5]
    assert found.sensitivity.tolist() == [0.25, 0.25, 0.5, 0.75, 0.75]
    assert found.at == {0.25: 0.25, 0.5: 0.5, 1: 0.75, 2: 0.75}
    assert found.threshold_at == {0.25: 0.9, 0.5: 0.7, 1: 0.6, 2: 0.1}
    assert found.score == pytest.approx((0.25 + 0.5 + 0.75 + 0.75) / 4)
    assert found.by_size["small"] == {0.25: 0.5, 0.5: 0.5, 1: 0.5, 2: 0.5}
    assert found.by_size["large"] == {0.25: 0, 0.5: 0.5, 1: 1, 2: 1}
    assert found.by_size["medium"] == dict.fromkeys((0.25, 0.5, 1, 2))


@pytest.mark.requirement("SRS-BOX-2")
def test_froc_where_the_first_is_false_and_where_nothing_is_true():
    truth, other = np.array([[0, 0, 10, 10.0]]), np.array([[50, 50, 60, 60.0]])
    image = scores.Image(truth, np.zeros(1, int), other, np.zeros(1, int), np.ones(1))
    found = scores.froc(scores.matched([image], 0, np.array([0.1])), points=(0.5, 1))
    assert (found.at, found.threshold_at) == ({0.5: 0, 1: 0}, {0.5: None, 1: 1})
    nobody = scores.Image(truth[:0], np.zeros(0, int), other, np.zeros(1, int), np.ones(1))
    found = scores.froc(scores.matched([nobody], 0, np.array([0.1])), points=(0.5, 1))
    assert (found.at, found.score, found.n_true) == ({0.5: None, 1: None}, None, 0)
    silent = scores.Image(truth, np.zeros(1, int), other[:0], np.zeros(0, int), np.zeros(0))
    assert scores.froc(scores.matched([silent], 0, np.array([0.1])), points=(0.5,)).at == {0.5: 0}


def test_sizes_share_out_what_froc_finds():
    found = scores.froc(scores.matched(drawn(), 0, np.array([0.3])))
    matches = scores.matched(drawn(), 0, np.array([0.3]))
    numbers = {
        size: ((matches.truth_sizes >= low) & (matches.truth_sizes <= high)).sum()
        for size, (low, high) in scores.AREAS.items()
    }
    for point, value in found.at.items():
        assert value * found.n_true == pytest.approx(
            sum(found.by_size[size][point] * number for size, number in numbers.items())
        )


def test_froc_takes_one_overlap_and_all_sizes():
    with pytest.raises(ValueError, match="matches of 20 images, 10 overlaps"):
        scores.froc(scores.matched(drawn(), 0))


def test_all_faults_of_all_images_are_named():
    flat = np.array([[1, 1, 1, 5.0]])
    images = [
        scores.Image(flat, np.zeros(1, int), flat, np.array([7]), np.array([np.nan])),
        scores.Image(flat[:, ::-1], np.zeros(1, int), flat, np.zeros(1, int), np.ones(2)),
    ]
    with pytest.raises(ValueError, match="image 0") as fault:
        scores.evaluate(images, NAMES)
    assert str(fault.value).splitlines() == [
        "image 0: 1 true boxes have no size",
        "image 0: predictions of class [7], expected 0 to 2",
        "image 0: 1 scores for 1 predictions, expected as many, none NaN",
        "image 1: true boxes: of 1 the lower corner is above the upper one",
        "image 1: 2 scores for 1 predictions, expected as many, none NaN",
    ]
