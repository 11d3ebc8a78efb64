"""The classifier: preparation, variation, networks, losses, learner, calibration and entries."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Picture
from scipy import special
from torch.nn import functional

from radiotrace.classification import (
    augmentation,
    calibrated,
    entries,
    features,
    losses,
    networks,
    pictures,
    results,
    telling,
)
from radiotrace.classification.calibrated import Calibrator
from radiotrace.classification.learner import ClassificationLearner
from radiotrace.classification.losses import Criterion
from radiotrace.classification.pictures import Sample, Target
from radiotrace.imaging import channels
from radiotrace.imaging.image import Grid, Image
from radiotrace.inference import picture
from radiotrace.learning import dropout
from radiotrace.learning.cases import Cases
from radiotrace.records.classification.metrics import Line
from radiotrace.records.classification.network import ClassifierSpec
from radiotrace.records.dataset import Case
from radiotrace.records.sections.classification.evaluate import OperatingSection
from tests import class_pictures

ONE = Target("class", "class", {"0": "clear", "1": "shadow"})
THREE = Target("class", "class", {"0": "clear", "1": "shadow", "2": "fracture"})
SEVERAL = Target("findings", "classes", {"0": "none", "1": "shadow", "2": "fracture"})
SPECS = {
    "resnet": ClassifierSpec("resnet", (8, 16), 1, 1, 0.2, 1, 2),
    "densenet": ClassifierSpec("densenet", (8, 8), 2, 1, 0.2, 1, 2),
    "convnext": ClassifierSpec("convnext", (8, 16), 1, 1, 0.2, 1, 2),
}


def rng(number: int = 0) -> np.random.Generator:
    return np.random.default_rng(number)


def case(case_id: str, value: Any, target: Target = ONE) -> Case:
    return Case(case_id, case_id, {}, None, values={target.column: value})  # type: ignore[arg-type]


# From a picture to what the network takes


def test_a_picture_of_the_right_size_stays_as_it_is():
    values = rng().normal(size=(2, 9, 7)).astype(np.float32)
    assert picture.resized(values, (9, 7)) is values


@pytest.mark.parametrize("size", [(5, 4), (18, 14), (9, 14)])
def test_a_constant_picture_stays_constant_at_another_size(size):
    found = picture.resized(np.full((1, 9, 7), 3.25, np.float32), size)
    assert found.shape == (1, *size)
    assert np.allclose(found, 3.25, atol=1e-6)


@pytest.mark.parametrize("size", [(32, 32), (12, 20), (7, 64)])
def test_resizing_is_that_of_pillow(size):
    values = rng().normal(size=(24, 40)).astype(np.float32)
    expected = np.asarray(Picture.fromarray(values).resize(size[::-1], Picture.Resampling.BILINEAR))
    assert np.allclose(picture.resized(values[None], size)[0], expected, atol=1e-5)


def test_probabilities_are_of_the_labels_after_the_first():
    logits = rng().normal(size=(4, 3))
    found = picture.probabilities(logits, "class")
    assert found.shape == (4, 2)
    assert np.allclose(found, np.exp(logits[:, 1:]) / np.exp(logits).sum(1, keepdims=True))
    assert np.allclose(picture.probabilities(logits, "classes"), 1 / (1 + np.exp(-logits)))


# Targets


def test_a_target_is_one_of_all_labels_or_each_of_those_after_the_first():
    assert THREE.vector(case("a", "fracture")).tolist() == [0, 0, 1]
    assert SEVERAL.vector(case("a", ("shadow",), SEVERAL)).tolist() == [1, 0]
    assert SEVERAL.vector(case("a", (), SEVERAL)).tolist() == [0, 0]
    assert SEVERAL.positives(case("a", ("fracture", "shadow"), SEVERAL)) == (True, True)
    assert SEVERAL.of(case("a", ("none",), SEVERAL)) == ()


def test_a_rare_class_is_drawn_more_often():
    cases = [case(f"a{number}", "shadow") for number in range(90)]
    cases += [case(f"b{number}", "clear") for number in range(10)]
    assert set(pictures.repeats(cases, ONE, 0)) == {1}
    assert pictures.repeats(cases, ONE, 0.5)[-1] == 3
    assert pictures.repeats(cases, ONE, 1)[-1] == 9
    assert pictures.repeats(cases, ONE, 1)[0] == 1


# Variation


SETTINGS = augmentation.Settings(12, 0.2, 0.1, (), 1)
STILL = augmentation.Settings(0, 0, 0, (), 0)


def test_a_picture_that_is_not_varied_is_what_it_was():
    pixels = rng().normal(size=(1, 12, 12)).astype(np.float32)
    assert np.allclose(augmentation.varied(pixels, STILL, rng()).numpy(), pixels, atol=1e-5)


def test_variation_follows_from_its_generator():
    pixels = rng().normal(size=(1, 12, 12)).astype(np.float32)
    one, same, other = (augmentation.varied(pixels, SETTINGS, rng(number)) for number in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_a_mirrored_picture_is_turned_round_half_of_the_time():
    pixels = np.tile(np.arange(8, dtype=np.float32), (1, 8, 1))
    mirrored = replace(STILL, mirror=("x",))
    found = [augmentation.varied(pixels, mirrored, rng(number)).numpy() for number in range(40)]
    turned = [bool(np.allclose(one, pixels[..., ::-1], atol=1e-4)) for one in found]
    still = [bool(np.allclose(one, pixels, atol=1e-4)) for one in found]
    assert 8 < sum(turned) < 32
    assert sum(turned) + sum(still) == 40


# Networks


@pytest.mark.parametrize("name", SPECS)
def test_logits_of_a_picture_do_not_depend_on_those_beside_it(name):
    network = networks.build(SPECS[name], 0).eval()
    images = torch.randn(3, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    together = network(images)
    alone = torch.cat([network(image[None]) for image in images])
    assert together.shape == (3, 2)
    assert torch.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("name", SPECS)
def test_every_weight_of_a_network_learns(name):
    network = networks.build(SPECS[name], 0)
    network(torch.randn(4, 1, 16, 16)).square().sum().backward()
    unmoved = [key for key, value in network.named_parameters() if value.grad is None]
    assert unmoved == []
    assert not [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]


def test_a_seed_decides_the_initial_weights():
    one, same, other = (networks.build(SPECS["resnet"], seed) for seed in (1, 1, 2))
    pairs = zip(one.state_dict().values(), same.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(one.head.weight, other.head.weight)


def test_dropout_takes_features_of_each_picture_by_its_own_generator():
    network = networks.build(SPECS["resnet"], 0).eval()
    images = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    without = network(images)
    dropout.draw(network, [rng(1), rng(2)])
    first = network(images)
    dropout.draw(network, [rng(1), rng(3)])
    second = network(images)
    dropout.draw(network, None)
    assert torch.equal(first[0], second[0])
    assert not torch.equal(first[1], second[1])
    assert torch.equal(network(images), without)


def test_stages_of_densenet_grow_alike():
    spec = replace(SPECS["densenet"], widths=(8, 16))
    assert networks.faults(spec) == [
        "train.widths: found [8, 16], expected one growth for all stages of densenet"
    ]


# Losses


def test_one_class_without_focus_and_weights_is_cross_entropy():
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    number = torch.tensor([0, 2, 1, 1, 0])
    target = functional.one_hot(number, 3).float()
    found = Criterion("class", 0, 0.1, (1.0, 1.0, 1.0))(logits, target)
    expected = functional.cross_entropy(logits, number, label_smoothing=0.1, reduction="none")
    assert torch.allclose(found, expected, atol=1e-6)


def test_several_classes_without_focus_and_weights_are_binary_cross_entropies():
    logits = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    target = torch.tensor([[0, 1], [1, 1], [0, 0], [1, 0], [0, 1]]).float()
    found = Criterion("classes", 0, 0, (1.0, 1.0))(logits, target)
    expected = functional.binary_cross_entropy_with_logits(logits, target, reduction="none").mean(1)
    assert torch.allclose(found, expected, atol=1e-6)


def test_focus_lets_what_is_sure_count_for_less():
    logits, target = torch.tensor([[4.0, 0.0], [0.5, 0.0]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    plain = Criterion("class", 0, 0, (1.0, 1.0))(logits, target)
    focal = Criterion("class", 2, 0, (1.0, 1.0))(logits, target)
    p = torch.softmax(logits, 1)[:, 0]
    assert torch.allclose(focal, (1 - p) ** 2 * plain)
    assert focal[0] / plain[0] < focal[1] / plain[1]


def test_weights_of_classes_have_the_mean_1_over_cases():
    weights = losses.weights([10, 90], 100, "class", 1)
    assert weights[0] / weights[1] == pytest.approx(9)
    assert (10 * weights[0] + 90 * weights[1]) / 100 == pytest.approx(1)
    assert losses.weights([10, 90], 100, "class", 0) == (1, 1)
    assert losses.weights([10], 100, "classes", 1) == (9,)


# The learner


def learner(labels: list[str], drawn: tuple[int, ...]) -> ClassificationLearner:
    cases = [case(f"case_{number}", label) for number, label in enumerate(labels)]
    samples = [
        Sample(
            (class_pictures.picture("train", number, (int(label == "shadow"),))[None] / 255).astype(
                np.float32
            ),
            ONE.vector(one),
        )
        for number, (label, one) in enumerate(zip(labels, cases, strict=True))
    ]
    read = Cases([one.case_id for one in cases], samples.__getitem__, 100)
    return ClassificationLearner(
        networks.build(SPECS["resnet"], 0).eval(),
        Criterion("class", 0, 0, (1.0, 1.0)),
        read,
        read,
        drawn,
        ONE,
        STILL,
        torch.device("cpu"),
    )


def test_a_case_that_is_drawn_twice_has_two_names():
    assert learner(["clear", "shadow"], (0, 0, 1)).case_ids == ["case_0", "case_0#2", "case_1"]


def test_a_batch_has_the_pictures_that_were_drawn():
    of = learner(["clear", "shadow"], (0, 1, 1))
    batch = of.batch([2, 0], [rng(), rng()])
    assert batch.targets.tolist() == [[0, 1], [1, 0]]
    assert np.allclose(batch.inputs[1, 0], of.training[0].pixels_cyx[0], atol=1e-5)


def test_scores_are_the_area_under_the_curve():
    of = learner(["clear", "shadow"], (0, 1))
    rows: list = [((0.1,), (0.0,)), ((0.4,), (1.0,)), ((0.35,), (0.0,)), ((0.8,), (1.0,))]
    assert of.scores(rows) == {"shadow": 1.0}
    assert of.scores([((0.4,), (0.0,)), ((0.4,), (1.0,))]) == {"shadow": 0.5}
    assert of.scores([((0.1,), (0.0,))]) == {"shadow": None}
    assert of.scores([]) == {}


def test_validation_tells_every_picture():
    of = learner(["clear", "shadow", "shadow"], (0,))
    rows = of.validate(of.network, [0, 1, 2])
    assert [has for _, has in rows] == [(0.0,), (1.0,), (1.0,)]
    assert all(0 < p[0] < 1 for p, _ in rows)


# Calibration and entries


def test_log_odds_are_those_of_the_probability():
    logits = rng().normal(size=(6, 3)) * 3
    p = picture.probabilities(logits, "class")
    assert np.allclose(calibrated.log_odds(logits, "class"), special.logit(p))
    assert np.allclose(calibrated.log_odds(logits, "classes"), logits)


def test_a_line_mends_what_is_too_sure():
    truth = rng(1).normal(size=4000)
    positive = rng(2).random(4000) < special.expit(truth)
    logits = np.stack([np.zeros(4000), 3 * truth + 1], 1)
    found, said = calibrated.fitted("platt", logits, positive[:, None], "class", ("shadow",))
    assert said == []
    assert found.lines[0].slope == pytest.approx(1 / 3, abs=0.03)
    assert found.lines[0].intercept == pytest.approx(-1 / 3, abs=0.1)
    assert np.abs(found(logits)[:, 0] - special.expit(truth)).max() < 0.05


def test_a_temperature_keeps_three_classes_a_whole():
    logits = rng(1).normal(size=(3000, 3))
    p = special.softmax(logits, 1)
    number = np.array([rng(10 + row).choice(3, p=one) for row, one in enumerate(p)])
    positive = np.stack([number == 1, number == 2], 1)
    found, _ = calibrated.fitted("platt", 4 * logits, positive, "class", ("shadow", "fracture"))
    assert found.lines == ()
    assert found.temperature == pytest.approx(4, rel=0.1)
    assert np.allclose(found(4 * logits).sum(1) + special.softmax(4 * logits / found.temperature, 1)[:, 0], 1)


@pytest.mark.requirement("SRS-CLS-1")
def test_nothing_is_calibrated_where_nothing_is_asked_or_known():
    logits = rng().normal(size=(4, 2))
    for how, rows in (("none", logits), ("platt", logits[:0])):
        found, _ = calibrated.fitted(how, rows, np.zeros((len(rows), 1), bool), "class", ("shadow",))
        assert np.allclose(found(logits), picture.probabilities(logits, "class"))


def test_a_label_that_nobody_has_keeps_its_probabilities_and_that_is_said():
    logits = rng().normal(size=(5, 2))
    found, said = calibrated.fitted("platt", logits, np.zeros((5, 1), bool), "class", ("shadow",))
    assert len(said) == 1
    assert said[0].startswith("shadow: no line of calibration (")
    assert np.allclose(found(logits), picture.probabilities(logits, "class"))


def test_what_is_told_is_the_label_that_is_called_or_the_most_probable():
    labels = ("clear", "shadow")
    assert telling.told(np.array([0.4]), np.array([True]), labels, "class") == ("shadow",)
    assert telling.told(np.array([0.9]), np.array([False]), labels, "class") == ("clear",)
    three = ("clear", "shadow", "fracture")
    assert telling.told(np.array([0.2, 0.5]), np.array([True, False]), three, "class") == ("fracture",)
    assert telling.told(np.array([0.2, 0.1]), np.array([True, True]), three, "class") == ("clear",)
    assert telling.told(np.array([0.9, 0.1]), np.array([True, False]), three, "classes") == ("shadow",)


def test_passes_that_agree_are_as_unsure_as_one_and_know_no_more():
    one = np.array([[0.3]])
    same = telling.scores(np.repeat(one, 5, 0), "class")
    assert same["score"] == pytest.approx(telling.scores(one, "class")["score"])
    assert same["mutual_information"] == pytest.approx(0, abs=1e-12)
    assert telling.scores(one, "class")["mutual_information"] is None


def test_the_least_sure_score_is_1_and_the_surest_0():
    assert telling.scores(np.array([[0.5]]), "class")["score"] == pytest.approx(1)
    assert telling.scores(np.array([[1 / 3, 1 / 3]]), "class")["score"] == pytest.approx(1)
    assert telling.scores(np.array([[0.5, 0.5]]), "classes")["score"] == pytest.approx(1)
    assert telling.scores(np.array([[1.0]]), "class")["score"] == 0
    apart = telling.scores(np.array([[0.0], [1.0]]), "class")
    assert apart["mutual_information"] == pytest.approx(np.log(2))


def test_an_entry_says_what_was_told_of_a_case():
    decided = {
        "operating_points": {"shadow": {"threshold": 0.6}},
        "flag_above": {"prediction": 0.5, "dropout": None},
    }
    prediction = {
        "logits": [0.0, 1.0],
        "dropout": [[0.0, 1.0], [0.0, 2.0]],
        "augmentation": [],
        "ensemble": [],
    }
    about = {"case_id": "a", "subject_id": "b", "prediction": "a.json", "prediction_sha256": "0" * 64}
    calibrator = Calibrator("class", lines=(Line(2.0, -1.0),))
    found = entries.entry(about, prediction, ("clear",), ("clear", "shadow"), calibrator, decided)
    row = found["labels"]["shadow"]
    assert row["probability"] == pytest.approx(special.expit(1.0))
    assert row["uncalibrated"] == pytest.approx(special.expit(1.0))
    assert (row["positive"], row["called"], row["accuracy"]) == (False, True, 0.0)
    assert row["brier"] == pytest.approx(special.expit(1.0) ** 2)
    assert row["log_loss_nats"] == pytest.approx(-np.log(1 - special.expit(1.0)))
    assert (found["reference"], found["told"]) == (["clear"], ["shadow"])
    assert set(found["uncertainty"]) == {"prediction", "dropout"}
    assert found["flagged"] == {"prediction": True, "dropout": None}


@pytest.mark.requirement("SRS-CLS-1")
def test_a_threshold_is_a_half_where_there_is_none_to_choose():
    rule = results.rule_of(OperatingSection("youden", None, None))
    found = results.chosen(np.array([0.2, 0.9]), np.array([True, True]), rule)
    assert found.threshold == 0.5
    assert found.rule.startswith("0.5: ")
    assert found.sensitivity is None


def test_a_rule_without_its_number_is_refused():
    with pytest.raises(ValueError, match="sensitivity"):
        results.rule_of(OperatingSection("sensitivity", None, None))


# Features


def of_pixels(values_yx: np.ndarray) -> Image:
    size = (values_yx.shape[1], values_yx.shape[0], 1)
    grid = Grid(size, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    return Image(values_yx[None, None], (channels.named(None),), grid)


def test_features_of_a_picture_by_hand():
    values = np.array([[0, 2, 4], [4, 2, 0]])
    found = features.describe(of_pixels(values), [0.25], ("shadow",), 0.5)
    assert found["output"] == {"probability.shadow": 0.25, "uncertainty": 0.5}
    assert found["input"]["intensity_mean"] == 2
    assert found["input"]["intensity_sd"] == pytest.approx((16 / 6) ** 0.5)
    assert found["input"]["intensity_p50"] == 2
    assert (found["input"]["width_pixels"], found["input"]["height_pixels"]) == (3, 2)
    # squared differences: 16, 0, 16 down, and four times 4 across; over twice the variance
    assert found["input"]["fine_share"] == pytest.approx((48 / 7) / (2 * 16 / 6))


def test_noise_alone_is_fine_and_a_picture_of_one_value_has_no_such_share():
    noise = np.random.default_rng(0).normal(size=(200, 170))
    assert features.of_channel(noise)["fine_share"] == pytest.approx(1, abs=0.02)
    assert features.of_channel(np.full((4, 5), 7))["fine_share"] is None
