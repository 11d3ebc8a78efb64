"""explain: maps that are known by hand, measures by arithmetic, maps back on their images, and a stage on
phantoms."""

import argparse
import contextlib
import copy
import dataclasses
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from safetensors.torch import save_file

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.imaging import volumes
from radiotrace.inference import windows
from radiotrace.inference.recipe import Recipe
from radiotrace.learning import architecture, grown, state
from radiotrace.records.network import NetworkSpec
from radiotrace.records.sections.segmentation.explain import ExplainParams
from radiotrace.segmentation import explain, losses, metrics
from stages.segmentation import explain as explain_stage
from tests import phantoms, projects, submitted

pytestmark = pytest.mark.usefixtures("deterministic")

SPEC = NetworkSpec("dynunet", (4, 8, 8), 3)
RECIPE = Recipe(
    orientation="LPS",
    spacing_mm=None,
    channels=phantoms.channels(0, 100),
    patch_voxels=(8, 8, 8),
    window_voxels=(32, 32, 32),
    multiple=4,
)
SETTINGS = ExplainParams(labels=None, level=1, near_mm=5, repetitions=2, threads=1, seed=0)
ISOTROPIC = (1.0, 1.0, 1.0)


def noise(*shape_zyx) -> torch.Tensor:
    return torch.randn((1, *shape_zyx), generator=torch.Generator().manual_seed(0))


def pointwise(features=(1.0, -1.0), head=((0, 0), (2.0, 0.5)), first=None) -> torch.nn.Sequential:
    """Features are multiples of the image, logits sums of features; `first` may come before."""
    network = torch.nn.Sequential(
        first or torch.nn.Identity(),
        torch.nn.Conv3d(1, len(features), 1, bias=False),
        torch.nn.Conv3d(len(features), len(head), 1, bias=False),
        torch.nn.Identity(),
    )
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor(features).view(-1, 1, 1, 1, 1))
        network[2].weight.copy_(torch.tensor(head)[:, :, None, None, None])
    return network.eval()


def box(*shape_zyx, of=(4, 4, 4)) -> np.ndarray:
    mask = np.zeros(shape_zyx, bool)
    mask[tuple(slice(0, edge) for edge in of)] = True
    return mask


# Features are x and -x, the logit of label 1 is 2x + 0.5(-x). Its sum over a mask of M of the N voxels has
# the mean gradients 2 M/N and 0.5 M/N, so that the map is ReLU(2 x - 0.5 x) M/N.
@pytest.mark.parametrize(
    ("mask", "share"), [(np.ones((4, 5, 6), bool), 1), (box(4, 5, 6, of=(2, 5, 6)), 0.5)], ids=["all", "half"]
)
def test_the_map_of_a_pointwise_network(mask, share):
    network, image = pointwise(), noise(4, 5, 6)
    assert explain.seg_grad_cam(network, network[1], image, 1, mask) == pytest.approx(
        1.5 * share * image[0].clamp(min=0).numpy(), abs=1e-6
    )


def test_a_map_is_of_the_label_that_is_asked_for():  # logits: 0 for label 0, and 2x - 0.5x
    network = pointwise()
    assert not explain.seg_grad_cam(network, network[1], noise(4, 5, 6), 0, np.ones((4, 5, 6), bool)).any()


def test_a_map_is_0_where_features_lower_the_score():  # the logit is -2x, the image 1: ReLU(-2)
    network = pointwise(features=(1.0,), head=((0.0,), (-2.0,)))
    assert not explain.seg_grad_cam(
        network, network[1], torch.ones(1, 4, 5, 6), 1, np.ones((4, 5, 6), bool)
    ).any()


# Means of 2 x 2 x 2 voxels: 8 then 0 along x, the feature is their identity, doubled to the image's size, and
# so is the logit. N is 2 voxels of the feature, the gradient of the sum over all 16 voxels is 8 in each of
# them: 8 · 8 and 8 · 0, interpolated at 1/4, 3/4, 5/4, 7/4: 64, 48, 16, 0.
def test_a_map_of_a_lower_level_is_interpolated_with_its_voxels_edges_on_those_of_the_image():
    network = pointwise(features=(1.0,), head=((0.0,), (1.0,)), first=torch.nn.AvgPool3d(2))
    network[3] = torch.nn.Upsample(scale_factor=2, mode="nearest")
    image = torch.zeros(1, 2, 2, 4)
    image[..., :2] = 8
    found = explain.seg_grad_cam(network, network[1], image, 1, np.ones((2, 2, 4), bool))
    assert np.array_equal(found, np.broadcast_to(np.float32([64, 48, 16, 0]), (2, 2, 4)))


def test_the_network_is_left_as_it_was():
    network = pointwise()
    before = copy.deepcopy(network.state_dict())
    explain.seg_grad_cam(network, network[1], noise(4, 5, 6), 1, np.ones((4, 5, 6), bool))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(value.requires_grad and value.grad is None for value in network.parameters())
    assert not any(module._forward_hooks or module._backward_hooks for module in network.modules())


def test_a_map_can_be_had_where_gradients_are_off():
    network = pointwise()
    with torch.no_grad():
        assert explain.seg_grad_cam(
            network, network[1], torch.ones(1, 4, 5, 6), 1, np.ones((4, 5, 6), bool)
        ).all()


@pytest.mark.parametrize("name", grown.described(architecture.NAMES))
def test_every_network_has_maps_of_all_its_levels_in_the_same_bytes_twice(name):
    spec, image = dataclasses.replace(SPEC, name=name, features=(8, 16, 32)), noise(8, 16, 12)
    network = architecture.build(spec, seed=0).eval()
    for level in architecture.levels(spec):
        layer = architecture.level(network, spec, level)
        first, again = (
            explain.seg_grad_cam(network, layer, image, 1, box(8, 16, 12)).tobytes() for _ in range(2)
        )
        assert first == again
        assert np.frombuffer(first, np.float32).size == image.numel()
        assert np.isfinite(np.frombuffer(first, np.float32)).all()


LEARNER = dataclasses.replace(SPEC, features=(8, 16, 32))
LOSS = losses.Settings(
    "dice_ce", None, tversky_alpha=0.3, tversky_beta=0.7, focal_tversky_gamma=0.75, focal_gamma=2
)


@pytest.fixture(scope="module")
def trained(deterministic):
    """A network that has learnt a phantom, what it sees of it, and its labels."""
    sample, network = phantoms.Cases.sample("a"), architecture.build(LEARNER, seed=0)
    patch, _, inside = windows.one_pass(sample.image_czyx, RECIPE, (0, 0, 0))
    labels = torch.zeros(patch.shape[1:], dtype=torch.long)
    labels[inside] = sample.label_zyx.long()
    target = torch.nn.functional.one_hot(labels, 3).movedim(-1, 0)[None].float()
    criterion, optimizer = (
        losses.build(LOSS, 3),
        torch.optim.AdamW(network.parameters(), lr=0.01),
    )
    for _ in range(25):
        optimizer.zero_grad()
        criterion(network.train()(patch[None]), target).mean().backward()
        optimizer.step()
    with torch.no_grad():
        network.eval()(patch[None])
    return network, patch, labels.numpy()


def test_the_phantom_was_learnt(trained):
    network, patch, labels = trained
    with torch.no_grad():
        found = network(patch[None])[0].argmax(0).numpy()
    assert min(metrics.dice(labels == label, found == label) for label in (1, 2)) > 0.7


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("label", [1, 2])
# Adebayo et al. 2018; the same weights would give 1
def test_other_weights_give_another_map(trained, level, label):
    network, patch, labels = trained
    own, same, *others = [
        explain.seg_grad_cam(one, architecture.level(one, LEARNER, level), patch, label, labels == label)
        for one in (network, network, *(architecture.build(LEARNER, seed).eval() for seed in (1, 2, 3)))
    ]
    assert explain.rank_correlation(own, same) == pytest.approx(1)
    assert np.mean([explain.rank_correlation(own, other) for other in others]) < 0.5


def test_a_scaled_map_lies_between_0_and_1_in_steps_of_a_255th():
    found = explain.scaled(noise(4, 5, 6).clamp(min=0).numpy())
    assert (found.min(), found.max(), found.dtype) == (0, 1, np.float32)
    assert np.array_equal(found, np.round(found.astype(float) * 255).astype(np.float32) / np.float32(255))


def test_a_scaled_map_of_zeros_is_zeros():
    assert not explain.scaled(np.zeros((2, 3, 4), np.float32)).any()


# A row of voxels along z, 2 mm high: the mask is the second of five, and the third lies 2 mm away.
@pytest.mark.parametrize(
    ("values", "near_mm", "expected"),
    [
        ((1, 1, 1, 1, 1), 0, (0.2, 0.2)),
        ((1, 1, 1, 1, 1), 1.9, (0.2, 0.2)),
        ((1, 1, 1, 1, 1), 2, (0.2, 0.6)),
        ((0, 3, 0, 1, 0), 3, (0.75, 0.75)),
        ((0, 0, 0, 0, 1), 4, (0, 0)),
        ((0, 0, 0, 0, 0), 4, (None, None)),
    ],
    ids=["0 mm", "1.9 mm", "2 mm", "weighed", "elsewhere", "nothing"],
)
def test_focus_is_the_share_of_a_map_in_and_near_a_mask(values, near_mm, expected):
    mask = np.array([0, 1, 0, 0, 0], bool)
    assert explain.focus(
        np.array(values, float).reshape(5, 1, 1), mask.reshape(5, 1, 1), (2.0, 1.0, 1.0), near_mm
    ) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("other", "expected"), [((1, 4, 9, 16), 1), ((4, 3, 2, 1), -1), ((1, 2, 4, 3), 0.8), ((5, 5, 5, 5), None)]
)
def test_rank_correlation(other, expected):  # 1 - 6 Σd²/(n(n² - 1)): 1 - 6 · 2/60
    assert explain.rank_correlation(np.array([[1, 2], [3, 4]]), np.reshape(other, (2, 2))) == (
        expected and pytest.approx(expected)
    )


# mean z 1, x 2/3: (1, 0) is 2/3 away, the others more than 1
def test_the_centre_of_a_hollow_mask_is_one_of_its_voxels():
    mask = np.zeros((3, 1, 3), bool)
    mask[[0, 2, 1], 0, [1, 1, 0]] = True
    assert explain.centre(mask, ISOTROPIC) == (1, 0, 0)


@pytest.mark.parametrize(("spacing", "expected"), [(ISOTROPIC, (0, 0, 2)), ((10.0, 1.0, 1.0), (1, 0, 0))])
# around z 1, x 2: two are 1 voxel away along z, two 2 voxels along x
def test_the_centre_is_the_nearest_in_mm(spacing, expected):
    mask = np.zeros((3, 1, 5), bool)
    mask[[0, 2, 1, 1], 0, [2, 2, 0, 4]] = True
    assert explain.centre(mask, spacing) == expected


def test_the_highest_voxels_are_those_of_highest_value_and_of_equal_ones_the_first():
    assert explain.highest(np.array([[3, 1, 2], [2, 5, 2]]), 3).tolist() == [
        [True, False, True],
        [False, True, False],
    ]


@pytest.mark.parametrize(("above_0", "expected"), [(100, 20), (20, 20), (7, 7), (0, 0)])
def test_a_tenth_of_the_voxels_counts_most_and_none_that_is_0(above_0, expected):
    found = np.zeros(200)
    found[:above_0] = np.arange(above_0) + 1
    chosen = explain.counting_most(found.reshape(5, 5, 8))
    assert chosen.sum() == expected
    assert found[chosen.ravel()].sum() == sum(range(above_0 - expected + 1, above_0 + 1))


# beside the one of the mask: 1 mm away along x, 3 mm along z
def test_the_nearest_voxels_begin_with_the_mask_and_go_on_in_mm():
    mask = np.zeros((3, 1, 3), bool)
    mask[1, 0, 1] = True
    assert np.argwhere(explain.nearest(mask, (3.0, 1.0, 1.0), 3)).tolist() == [
        [1, 0, 0],
        [1, 0, 1],
        [1, 0, 2],
    ]


def test_moved_voxels_keep_their_number_and_shape():
    moved = explain.moved(box(8, 9, 10), np.random.default_rng(4))
    assert moved.sum() == 4 * 4 * 4
    assert [moved.any(tuple(other for other in range(3) if other != axis)).sum() for axis in range(3)] == [
        4,
        4,
        4,
    ]
    assert not np.array_equal(moved, box(8, 9, 10))


def test_spread_counts_what_is_undefined():
    assert explain.spread([0.25, None, 0.75]) == {
        "n": 2,
        "n_undefined": 1,
        "mean": 0.5,
        "min": 0.25,
        "max": 0.75,
    }


def test_spread_of_nothing():
    assert explain.spread([None]) == {"n": 0, "n_undefined": 1, "mean": None, "min": None, "max": None}


@pytest.fixture(scope="module")
def measured():
    """A bright box of 40 voxels in an image of 400, segmented by a threshold; level 0 points at it, level
    1 at nothing in the ground."""
    mask = box(4, 10, 10, of=(4, 5, 2))
    image = torch.from_numpy(mask.astype(np.float32))[None]
    elsewhere = np.zeros(mask.shape)
    elsewhere[:, 5:, 8:] = 1
    return explain.measures(
        {0: mask * 1.0, 1: elsewhere},
        0,
        [mask * 1.0, mask * -1.0, elsewhere * 0],
        mask,
        ISOTROPIC,
        1,
        image,
        lambda one: (one[0] > 0.5).numpy(),
        [np.random.default_rng(seed) for seed in range(3)],
    )


def test_taking_out_what_a_prediction_needs_leaves_nothing_of_it(measured):  # the tenth is the box
    assert [row["dice_without_highest"] for row in measured["levels"]] == [0, 1]
    assert (measured["voxels_taken_out"], measured["dice_without_nearest"]) == (40, 0)


def test_a_hole_elsewhere_leaves_most_of_a_prediction(measured):
    assert measured["dice_without_moved"]["n"] == 3
    assert measured["dice_without_moved"]["min"] > 0.3


# near: and 4 · 2 behind, 4 · 5 beside
def test_mass_stands_beside_the_volume_that_it_would_have_by_chance(measured):
    assert [(row["mass_inside"], row["mass_near"]) for row in measured["levels"]] == [(1, 1), (0, 0)]
    assert (measured["volume_inside"], measured["volume_near"]) == pytest.approx(
        (0.1, (40 + 4 * (2 + 5)) / 400)
    )


def test_maps_are_compared_with_those_of_random_weights(measured):
    assert measured["spearman_random_weights"] == pytest.approx(
        {"n": 2, "n_undefined": 1, "mean": 0, "min": -1, "max": 1}
    )


def test_every_measure_is_defined(measured):
    told = measured | measured["levels"][0]
    assert explain.DEFINITIONS.keys() == told.keys() - {"levels", "level", "voxels_taken_out"}


def test_what_params_ask_for_and_a_run_has_not_is_named():
    found = explain_stage.faults(
        replace(
            SETTINGS,
            labels=(
                "posterior",
                "tail",
                "head",
            ),
            level=3,
        ),
        {"0": "background", "1": "posterior"},
        SPEC,
    )
    assert found == [
        "explain.labels: found head, tail, expected some of posterior",
        "explain.level: found 3, expected 0 to 2 for dynunet with 3 levels",
    ]


def test_params_that_fit_have_no_faults():
    assert (
        explain_stage.faults(
            replace(SETTINGS, labels=("posterior",), level=2), {"0": "background", "1": "posterior"}, SPEC
        )
        == []
    )


@pytest.fixture
def transparent(monkeypatch):
    """A model whose map is the positive part of the image."""
    network = pointwise(head=((0, 0), (2.0, 0.5), (1.0, 0)))
    monkeypatch.setattr(architecture, "levels", lambda spec: range(1))
    monkeypatch.setattr(architecture, "level", lambda network, spec, level: network[1])
    return explain_stage.Model(network, [pointwise(head=((0, 0), (0, 1.0), (0, 1.0)))], SPEC, RECIPE)


@pytest.mark.parametrize("shape", [(10, 17, 13), (5, 8, 9)])
def test_a_map_comes_back_on_its_image_whatever_was_added_around_it(transparent, shape):
    image = noise(*shape)
    row, found = explain_stage.explain_label(
        transparent, image, box(*shape), ISOTROPIC, 1, replace(SETTINGS, level=0), [0]
    )
    assert np.array_equal(found, explain.scaled(image[0].clamp(min=0).numpy()))
    assert (row["whole_image"], row["window_start_voxels"], row["window_voxels"]) == (
        True,
        (0, 0, 0),
        shape[::-1],
    )


# 32 of 50 voxels; the label's centre is 39, and 50 - 32 is 18
def test_a_map_of_a_large_image_is_of_the_window_around_the_label(transparent):
    image, mask = noise(10, 50, 13), np.zeros((10, 50, 13), bool)
    mask[3:5, 38:41, 4:9] = True
    row, found = explain_stage.explain_label(
        transparent, image, mask, ISOTROPIC, 1, replace(SETTINGS, level=0), [0]
    )
    assert (row["whole_image"], row["window_start_voxels"], row["window_voxels"]) == (
        False,
        (0, 18, 0),
        (13, 32, 10),
    )
    assert not found[:, :18].any()
    assert np.array_equal(found[:, 18:], explain.scaled(image[0, :, 18:].clamp(min=0).numpy()))


def test_a_case_is_explained_on_the_canonical_grid(transparent):  # stored as PIR; the network sees LPS
    image, label_map = (sitk.DICOMOrient(one, "PIR") for one in phantoms.pair(3))
    said, maps, turned = explain_stage.explain_case(
        transparent,
        phantoms.image(image),
        label_map,
        {"1": "anterior", "2": "posterior"},
        replace(SETTINGS, level=0),
        [0],
    )
    expected = phantoms.pair(3)
    assert turned.grid.size_voxels == phantoms.SIZE_XYZ
    for value, name in ((1, "anterior"), (2, "posterior")):
        mask, found = maps[name]
        assert np.array_equal(mask, volumes.array_zyx(expected[1]) == value)
        _, normalised = windows.prepare(phantoms.image(expected[0]), RECIPE)
        assert np.array_equal(found, explain.scaled(normalised[0].clamp(min=0).numpy()))
        assert said[name]["predicted_voxels"] == mask.sum()


def test_a_label_that_is_predicted_nowhere_is_not_explained(transparent):
    image, label_map = phantoms.pair(3)
    said, maps, _ = explain_stage.explain_case(
        transparent,
        phantoms.image(image),
        label_map * 0,
        {"1": "anterior"},
        replace(SETTINGS, level=0),
        [0],
    )
    assert (said, maps) == ({"anterior": None}, {"anterior": None})


def test_a_figure_row_is_turned_to_lps():
    image, label_map = (sitk.DICOMOrient(one, "RAS") for one in phantoms.pair(3))
    mask = volumes.array_zyx(label_map) == 1
    row = explain_stage.figure_row("a case", phantoms.image(image), volumes.array_zyx(image), mask)
    expected = [volumes.array_zyx(one) for one in phantoms.pair(3)]
    assert all(np.array_equal(row[name], expected[0]) for name in ("image_zyx", "map_zyx"))
    assert np.array_equal(row["mask_zyx"], expected[1] == 1)
    assert row["spacing_zyx"] == pytest.approx(phantoms.SPACING_XYZ[::-1])
    assert row["mask_zyx"][row["centre_zyx"]]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """What the stage reads: three phantoms, of which b is the worst case and has no anterior label, a and
    c the median and the best."""
    folder = tmp_path_factory.mktemp("project")
    examples = projects.ROOT / "tests/schema_cases"
    train, dataset, cases = (
        json.loads((examples / path).read_text())
        for path in (
            "train/valid/one_epoch.json",
            "dataset/valid/one_case.json",
            "cases/valid/undefined_dice.json",
        )
    )
    (folder / "predictions").mkdir()
    described, evaluated = dataset["cases"][0], cases["cases"][0]
    label = evaluated["labels"]["anterior"]
    dataset["cases"], cases["cases"] = [], []
    for number, (case_id, dice) in enumerate({"a": 0.75, "b": 0.25, "c": 0.875}.items()):
        image, label_map = phantoms.pair(number, phantoms.rotation(3 * number))
        volumes.write(image, folder / f"{case_id}.nii.gz")
        volumes.write(
            sitk.ChangeLabel(label_map, {1: 0}) if case_id == "b" else label_map,
            folder / "predictions" / f"{case_id}.nii.gz",
        )
        dataset["cases"].append(
            described
            | {
                "case_id": case_id,
                "image": described["image"]
                | {"path": f"{case_id}.nii.gz", "sha256": records.sha256(folder / f"{case_id}.nii.gz")},
            }
        )
        cases["cases"].append(
            evaluated
            | {
                "case_id": case_id,
                "prediction": f"{case_id}.nii.gz",
                "prediction_sha256": records.sha256(folder / "predictions" / f"{case_id}.nii.gz"),
                "labels": {
                    "anterior": label | {"dice": None if case_id == "b" else dice},
                    "posterior": label | {"dice": dice},
                },
            }
        )
    save_file(state.of(architecture.build(SPEC, seed=7)), folder / "weights.safetensors")
    train |= {
        "network": SPEC.record(),
        "preprocessing": RECIPE.preprocessing().record(),
        "weights_sha256": records.sha256(folder / "weights.safetensors"),
    }
    for name, record in (("train", train), ("dataset", dataset), ("cases", cases)):
        records.write(folder / f"{name}.json", record, name)
    shutil.copyfile(projects.ROOT / "params.yaml", folder / "params.yaml")
    projects.set_params(
        folder, explain={key: value for key, value in SETTINGS.record().items() if key != "seed"}
    )
    return folder


def run(folder, out: str = "out"):
    with contextlib.chdir(folder):
        explain_stage.main(
            argparse.Namespace(
                params="params.yaml",
                requirements=["requirements.txt"],
                data=".",
                dataset="dataset.json",
                train="train.json",
                weights="weights.safetensors",
                predictions="predictions",
                cases="cases.json",
                out=out,
                metrics=f"{out}_metrics",
                openings=f"{out}.jsonl",
            )
        )
    return folder / out


@pytest.fixture(scope="module")
def written(project, deterministic):
    return run(project)


def test_the_stage_explains_the_worst_and_the_median_case(written):
    record = records.read(written / "explain.json", "explain")
    assert [(case["rank"], case["case_id"]) for case in record["cases"]] == [("worst", "b"), ("median", "a")]
    assert (record["n_maps"], record["n_undefined"], record["cases"][0]["labels"]["anterior"]) == (3, 1, None)


def test_the_stage_writes_a_map_of_each_label_on_the_grid_of_its_image(written, project):
    assert sorted(path.name for path in (written / "maps").iterdir()) == [
        "a_1.nii.gz",
        "a_2.nii.gz",
        "b_2.nii.gz",
    ]
    found, image = volumes.read(written / "maps/a_2.nii.gz"), volumes.read(project / "a.nii.gz")
    assert volumes.grid_faults(volumes.grid(found), volumes.grid(image), 1e-4, 1e-6) == []
    said = records.read(written / "explain.json", "explain")["cases"][1]["labels"]["posterior"]
    assert records.sha256(written / "maps/a_2.nii.gz") == said["map_sha256"]


def test_the_stage_draws_what_it_found(written, project):
    content = (project / "out_metrics/explanations.svg").read_text()
    assert "worst of 3 test cases: b, Dice anterior undefined; it is predicted nowhere" in content
    assert "Not a proof of reasoning" in content


def test_the_stage_writes_the_same_bytes_twice(written, project):
    again = run(project, "again")
    for path in ("explain.json", "maps/a_1.nii.gz", "provenance.json", "../{}_metrics/explanations.svg"):
        assert (again / path.format("again")).read_bytes() == (written / path.format("out")).read_bytes()


def test_the_stage_refuses_a_label_that_is_not_there(project, tmp_path):
    shutil.copytree(project, tmp_path / "project")
    projects.set_params(tmp_path / "project", explain={"labels": ["tail"]})
    with pytest.raises(StageError, match=r"explain.labels: found tail, expected some of anterior, posterior"):
        run(tmp_path / "project")


def test_the_submitted_network_s_maps_come_from_what_it_has_learnt():
    record = records.read(submitted.folder() / "evidence/explain.json", "explain")
    found = [
        label["spearman_random_weights"]["mean"]
        for case in record["cases"]
        for label in case["labels"].values()
    ]
    assert max(map(abs, found)) < 0.5
