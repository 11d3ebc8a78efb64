"""train: segmentation is repeatable, goes on after a kill, and stops at a loss that is not finite."""

import dataclasses
import json
import math
from dataclasses import replace

import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.precision import MixedPrecision

from radiotrace.errors import StageError
from radiotrace.inference import windows
from radiotrace.inference.recipe import Recipe
from radiotrace.learning import architecture, checkpoints, devices, order, state
from radiotrace.learning.fit import fit as learning_fit
from radiotrace.pipeline import randomness
from radiotrace.records.network import NetworkSpec
from radiotrace.records.sections.segmentation.train import TrainParams
from radiotrace.records.typed import picked
from radiotrace.segmentation import augmentation, losses
from radiotrace.segmentation.learner import SegmentationLearner
from stages.segmentation import train
from tests import entries, phantoms

pytestmark = pytest.mark.usefixtures("deterministic")

LABELS = {"0": "background", "1": "anterior", "2": "posterior"}
NETWORK = NetworkSpec("dynunet", (4, 8, 8), 3, dropout=0.25)
RECIPE = Recipe(
    orientation="LPS",
    spacing_mm=None,
    channels=phantoms.channels(),
    patch_voxels=(8, 8, 8),
    window_voxels=(32, 32, 32),
    multiple=4,
)
DATASET = entries.dataset()
SETTINGS = TrainParams.of(
    {
        "seed": 0,
        "network": "dynunet",
        "features": [4, 8, 8],
        "norm": "instance",
        "upsampling": "transposed",
        "strides": None,
        "kernels": None,
        "deep_supervision": None,
        "dropout": 0.25,
        "loss": "dice_ce",
        "class_weights": None,
        "tversky_alpha": 0.3,
        "tversky_beta": 0.7,
        "focal_tversky_gamma": 0.75,
        "focal_gamma": 2,
        "patch_voxels": [16, 20, 12],
        "window_voxels": [32, 32, 32],
        "clip_percentiles": [0.5, 99.5],
        "normalise_by": "image",
        "epochs": 2,
        "patience_epochs": None,
        "zero_epochs": 10,
        "batch_size": 1,
        "accumulate": 1,
        "patches_per_case": 1,
        "cache_mb": 100,
        "learning_rate": 0.002,
        "learning_rate_end": 0.3,
        "warm_up": 0.05,
        "weight_decay": 0.01,
        "gradient_clip": 5,
        "gradient_limit": 10000,
        "ema_share": 0.25,
        "balance_volumes": True,
        "numerics": "native",
        "precision": "bf16",
        "threads": 1,
        "accelerator": "cpu",
        "devices": 1,
        "nodes": 1,
        "strategy": "auto",
        "tensorboard": False,
        "augmentation": {
            "affine_share": 0.6,
            "rotation_degrees": 20,
            "scale_min": 0.85,
            "scale_max": 1.2,
            "shift_voxels": 2,
            "foreground_share": 0.33,
            "intensity": 1,
            "mirror_axes": [],
        },
    }
)


def learner(settings=SETTINGS, train_on="abc", validate_on="d", changed=None) -> SegmentationLearner:
    return SegmentationLearner(
        architecture.build(NETWORK, 0),
        losses.build(picked(losses.Settings, settings), len(LABELS)),
        phantoms.Cases(train_on, changed),
        phantoms.Cases(validate_on),
        LABELS,
        picked(augmentation.Settings, settings.augmentation),
        dataclasses.replace(RECIPE, patch_voxels=settings.patch_voxels),
        torch.device("cpu"),
    )


def fit(folder, settings=SETTINGS, tensorboard=None, **options) -> tuple[dict, list]:
    """Bytes of the averaged weights, and the history."""
    fabric = devices.launch(picked(devices.Hardware, settings))
    ema, history = learning_fit(
        learner(settings, **options), train.fit_settings(settings), fabric, folder, tensorboard
    )
    tensors = state.of(ema)
    return {name: value.detach().contiguous().numpy().tobytes() for name, value in tensors.items()}, history


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    return *fit(folder), folder


@pytest.fixture
def broken_fit(tmp_path, monkeypatch):
    """What training says when the image of one of three cases holds an infinity; and the step at which it
    comes in epoch 1."""
    step = int((randomness.generator(0, order.ORDER, 1, "").permutation(3) == 1).argmax()) + 1
    whole = phantoms.Cases.sample("b")
    image = whole.image_czyx.clone()
    image[:, :, 10:12, :] = math.inf
    with pytest.raises(StageError) as caught:
        fit(tmp_path, changed={"b": dataclasses.replace(whole, image_czyx=image)}, validate_on="")
    return caught.value, step


def faults(patch, window=(16, 16, 16)) -> list[str]:
    settings = replace(SETTINGS, patch_voxels=patch, window_voxels=window, features=(4, 8, 8, 8))
    return train.shape_faults(settings, (8, 8, 8))


@pytest.mark.parametrize("patch", [(24, 24, 24), (40, 56, 40)])
def test_a_patch_of_multiples_fits(patch):
    assert faults(patch) == []


@pytest.mark.parametrize("patch", [(36, 40, 40), (40, 42, 40), (40, 40, 44), (8, 40, 40)])
def test_a_patch_that_the_network_cannot_halve_is_named(patch):
    (fault,) = faults(patch)
    assert fault.startswith(f"train.patch_voxels: found {list(patch)}, expected multiples of 8")


# oneDNN's bf16 weight gradient is garbage there; test_numerics
def test_a_patch_of_two_voxels_at_the_lowest_level_does_not_fit():
    assert len(faults((24, 24, 16))) == 1


def test_every_shape_that_does_not_fit_is_named():
    assert [fault.split(":")[0] for fault in faults((41, 40, 40), (16, 20, 16))] == [
        "train.patch_voxels",
        "train.window_voxels",
    ]


@pytest.mark.requirement("SRS-TRAIN-1")
def test_training_twice_gives_the_same_weights(uninterrupted, tmp_path):
    assert fit(tmp_path)[0] == uninterrupted[0]


def test_training_twice_gives_the_same_history(uninterrupted, tmp_path):
    assert fit(tmp_path)[1] == uninterrupted[1]


@pytest.mark.requirement("SRS-TRAIN-1")
def test_another_seed_gives_other_weights(uninterrupted, tmp_path):
    assert fit(tmp_path, replace(SETTINGS, seed=1))[0] != uninterrupted[0]


def test_the_history_has_a_row_for_each_epoch(uninterrupted):
    assert [row["epoch"] for row in uninterrupted[1]] == [1, 2]


# steps 2 and 5 of 6, one to warm up: angles π/5 and 4π/5
def test_the_history_has_the_learning_rate_of_the_last_step(uninterrupted):
    assert [row["learning_rate"] for row in uninterrupted[1]] == pytest.approx(
        [0.002 * (0.3 + 0.35 * (1 + math.cos(math.pi * turn))) for turn in (0.2, 0.8)], rel=1e-8
    )


def test_the_history_has_the_validation_dice_of_each_label(uninterrupted):
    assert {tuple(row["validation_dice"]) for row in uninterrupted[1]} == {("anterior", "posterior")}


def test_an_empty_validation_part_has_no_dice(tmp_path):
    assert fit(tmp_path, replace(SETTINGS, epochs=1), validate_on="")[1][0]["validation_dice"] == {}


def test_validation_does_not_change_the_weights(uninterrupted, tmp_path):
    assert fit(tmp_path, validate_on="")[0] == uninterrupted[0]


def test_training_lowers_the_loss(tmp_path):
    history = fit(tmp_path, replace(SETTINGS, epochs=10), validate_on="")[1]
    assert history[-1]["train_loss"] < 0.8 * history[0]["train_loss"]


class Killed(Exception):
    pass


def killed_after_saving(epoch: int, monkeypatch):
    """Makes training die once the checkpoint of an epoch is written."""
    save_epoch = checkpoints.save_epoch

    def save_and_die(folder, number, *rest):
        save_epoch(folder, number, *rest)
        if number == epoch:
            raise Killed
        return save_epoch(folder, number, *rest)

    monkeypatch.setattr(checkpoints, "save_epoch", save_and_die)


@pytest.fixture
def killed(tmp_path, monkeypatch):
    """The checkpoint folder of a run that was killed after epoch 1."""
    with monkeypatch.context() as patch:
        killed_after_saving(1, patch)
        with pytest.raises(Killed):
            fit(tmp_path)
    return tmp_path


@pytest.mark.requirement("SRS-TRAIN-2")
def test_a_killed_run_ends_in_the_same_weights(uninterrupted, killed):
    assert fit(killed)[0] == uninterrupted[0]


def test_a_killed_run_ends_in_the_same_history(uninterrupted, killed):
    assert fit(killed)[1] == uninterrupted[1]


def test_a_killed_run_says_where_it_goes_on(killed, capsys):
    fit(killed)
    assert "going on after epoch 1\n" in capsys.readouterr().err


@pytest.mark.requirement("SRS-TRAIN-2")
def test_a_killed_run_does_not_repeat_an_epoch(killed, capsys):
    capsys.readouterr()
    fit(killed)
    assert "epoch 1/2" not in capsys.readouterr().err


def test_a_finished_run_is_not_trained_further(uninterrupted):
    assert fit(uninterrupted[2]) == uninterrupted[:2]


@pytest.fixture
def fp16(monkeypatch):
    """Makes fit train in fp16 on the processor, which devices.faults would refuse, with a loss scale that
    is far too high at first."""

    def launch(p):
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**19, growth_interval=2)
        return Fabric(
            accelerator="cpu", devices=1, plugins=[MixedPrecision("16-mixed", "cpu", scaler=scaler)]
        )

    monkeypatch.setattr(devices, "launch", launch)
    return replace(SETTINGS, precision="fp16")


def left_out(history: list[dict]) -> list[tuple[int, int]]:
    return [
        (row["epoch"], event["step"])
        for row in history
        for event in row["events"]
        if event["kind"] == "step_left_out"
    ]


def test_fp16_leaves_out_steps_until_the_loss_scale_fits(fp16, tmp_path):
    _, history = fit(tmp_path, fp16)
    assert left_out(history)[0] == (1, 1)
    # steps were taken in each epoch
    assert all(row["gradient_norm_max"] < SETTINGS.gradient_limit for row in history)


def test_a_killed_fp16_run_goes_on_with_its_loss_scale(fp16, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        killed_after_saving(1, patch)
        with pytest.raises(Killed):
            fit(tmp_path / "killed", fp16)
    assert fit(tmp_path / "killed", fp16) == fit(tmp_path / "whole", fp16)


@pytest.mark.requirement("SRS-TRAIN-3")
def test_a_loss_that_is_not_finite_names_epoch_and_step(broken_fit):
    error, step = broken_fit
    assert error.headline == f"loss is nan in epoch 1, step {step} of 3"


@pytest.mark.requirement("SRS-TRAIN-3")
def test_a_loss_that_is_not_finite_names_the_cases(broken_fit):
    assert broken_fit[0].findings[0] == "cases b"


def test_a_loss_that_is_not_finite_names_the_partial_history(broken_fit, tmp_path):
    assert broken_fit[0].findings[1] == f"the epochs before are in {tmp_path / 'history.json'}"


@pytest.mark.requirement("SRS-TRAIN-3")
def test_exploding_gradients_stop_the_run(tmp_path):
    with pytest.raises(StageError, match=r"gradient norm is .* in epoch 1, step 1 of 3"):
        fit(tmp_path, replace(SETTINGS, gradient_limit=1e-6))


@pytest.mark.requirement("SRS-TRAIN-3")
def test_a_validation_dice_that_stays_0_stops_the_run_and_keeps_the_history(tmp_path, monkeypatch):
    monkeypatch.setattr(SegmentationLearner, "scores", lambda *args: {"anterior": 0.0, "posterior": 0.0})
    with pytest.raises(StageError, match="validation dice has been 0 for 2 epochs in epoch 2"):
        fit(tmp_path, replace(SETTINGS, epochs=3, zero_epochs=2))
    assert [row["epoch"] for row in json.loads((tmp_path / "history.json").read_text())] == [1, 2]


def test_a_run_out_of_patience_ends_early_and_in_one_piece(tmp_path, monkeypatch):
    monkeypatch.setattr(SegmentationLearner, "scores", lambda *args: {"anterior": 0.5, "posterior": 0.5})
    assert len(fit(tmp_path, replace(SETTINGS, epochs=9, patience_epochs=2))[1]) == 3
    # found again, not trained further
    assert len(fit(tmp_path, replace(SETTINGS, epochs=9, patience_epochs=2))[1]) == 3


def test_tensorboard_gets_an_event_file(tmp_path):
    fit(tmp_path / "checkpoints", replace(SETTINGS, epochs=1), tensorboard=tmp_path / "events")
    assert len(list((tmp_path / "events").glob("events.out.tfevents.*"))) == 1


# fp32: rounding is then the only difference, 2^-24 = 6e-8 a step, which AdamW's division by small moments
# enlarges.
@pytest.mark.parametrize("accumulate", [2, 4])
def test_accumulated_micro_batches_train_as_the_whole_batch_does(tmp_path, accumulate):
    settings = replace(SETTINGS, batch_size=4, precision="fp32", epochs=3)
    whole, parts = (
        fit(tmp_path / str(parts), replace(settings, accumulate=parts), train_on="abcdefgh")[1]
        for parts in (1, accumulate)
    )
    assert [row["train_loss"] for row in parts] == pytest.approx(
        [row["train_loss"] for row in whole], rel=1e-5
    )


def faults_of(cases=(8, 2), **changes) -> list[str]:
    counts = dict(zip(("train", "validation"), cases, strict=True))
    return train.faults(replace(SETTINGS, **changes), DATASET, 3, counts)


def test_the_default_has_no_faults():
    assert faults_of() == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": "unet", "deep_supervision": 2}, "train.deep_supervision: found 2, expected 0 for unet"),
        ({"class_weights": [1, 2]}, "train.class_weights: found 2 values, expected 3 (background first)"),
        (
            {"patch_voxels": [16, 20, 13]},
            "train.patch_voxels: found [16, 20, 13], expected multiples of 4 from "
            "12 on for dynunet with 3 levels",
        ),
        (
            {"batch_size": 3, "accumulate": 2},
            "train.batch_size: found 3, expected a multiple of 2 (devices x nodes x accumulate)",
        ),
        (
            {"precision": "fp16"},
            "train.precision: found fp16 on a processor, expected bf16 or fp32; fp16 is for GPUs",
        ),
        (
            {"patience_epochs": 3, "cases": (8, 0)},
            "train.patience_epochs: found 3, expected null where no case is for validation",
        ),
        (
            {"batch_size": 4, "accumulate": 4, "cases": (3, 1)},
            "train.accumulate: 3 samples an epoch, expected at least 4 (devices x nodes x accumulate)",
        ),
    ],
    ids=["network", "loss", "shape", "shares", "fp16", "patience", "patches"],
)
def test_what_does_not_fit_together_is_named(changes, message):
    assert faults_of(**changes) == [message]


def test_all_that_does_not_fit_together_is_named_at_once():
    assert len(faults_of(class_weights=[1], batch_size=3, accumulate=2, precision="fp16")) == 3


@pytest.mark.parametrize("name", losses.NAMES)
def test_every_loss_trains(tmp_path, name):
    history = fit(tmp_path, replace(SETTINGS, loss=name, epochs=6), validate_on="")[1]
    assert history[-1]["train_loss"] < history[0]["train_loss"]


@pytest.mark.parametrize(("validation", "training"), [("de", "f"), ("", "ab")])
def test_volumes_are_balanced_over_both_parts(validation, training):
    network, said = architecture.build(NETWORK, 0).eval(), []
    parts = {"validation": phantoms.Cases(validation), "train": phantoms.Cases(training)}
    cases = [*parts["validation"], *parts["train"]]
    spec = train.balanced(network, parts, LABELS, RECIPE, "cpu", said.append)
    before, after = (
        sum(
            torch.bincount(windows.predict(sample.image_czyx, network, one).argmax(0).flatten(), minlength=3)
            for sample in cases
        )
        for one in (RECIPE, spec)
    )
    wanted = sum(torch.bincount(sample.label_zyx.flatten().long(), minlength=3) for sample in cases)
    assert (after - wanted)[1:].abs().sum() < (before - wanted)[1:].abs().sum()
    assert [line.split(" in sum")[0] for line in said if "warning" not in line] == [
        f"train: volume of {name} {int(before[value]) / int(wanted[value]) - 1:+.1%}"
        for value, name in ((1, "anterior"), (2, "posterior"))
    ]


def test_volumes_that_no_offset_balances_are_told(monkeypatch):
    said = []
    monkeypatch.setattr(train.balance, "offsets", lambda cases: ([0.0, -0.9998, 0.5], [None, 0.3, 0.1]))
    parts = {"validation": phantoms.Cases("de"), "train": phantoms.Cases("")}
    train.balanced(None, parts, LABELS, RECIPE, "cpu", said.append)
    assert [line.split(":")[1] for line in said if "may be shifted" in line] == [" warning"]
    assert "logits of anterior" in said[1]
