"""dataset and learner: what is in a batch, and that (seed, epoch) alone decides it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from radiotrace import records
from radiotrace.imaging import volumes
from radiotrace.inference.recipe import Recipe
from radiotrace.learning import fit
from radiotrace.learning.cases import Cases
from radiotrace.learning.order import Order
from radiotrace.segmentation import augmentation, dataset, learner
from radiotrace.segmentation.learner import SegmentationLearner
from tests import entries, phantoms

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = augmentation.Settings(
    affine_share=1,
    rotation_degrees=20,
    scale_min=0.85,
    scale_max=1.2,
    shift_voxels=2,
    foreground_share=0.5,
    intensity=1,
    mirror_axes=(),
)
PATCH_ZYX = (8, 12, 10)


def drawn(cases, batch_size=2, seed=0, epoch=1, process=0, **shares) -> list[list[fit.MicroBatch]]:
    """The steps of an epoch on one process."""
    labels = {"0": "background", "1": "anterior", "2": "posterior"}
    segmenter = SegmentationLearner(
        network=torch.nn.Identity(),
        criterion=torch.nn.Identity(),
        training=cases,
        validation=phantoms.Cases(""),
        labels=labels,
        variation=SETTINGS,
        recipe=Recipe("LPS", None, phantoms.channels(), PATCH_ZYX[::-1], (32, 32, 32), multiple=2),
        device=torch.device("cpu"),
    )
    return list(fit.micro_batches(segmenter, Order(batch_size, **shares), process, seed, epoch))


def order(names: str, batch_size=2, seed=0, epoch=1, **plan) -> list[str]:
    steps = drawn(phantoms.Cases(names), batch_size, seed, epoch, **plan)
    return [case_id for step in steps for part in step for case_id in part.case_ids]


def patches(*args, **options) -> dict[str, bytes]:
    """Bytes of image and target of each case."""
    found = {}
    for step in drawn(*args, **options):
        for part in step:
            pairs = zip(part.batch.inputs, part.batch.targets, strict=True)
            for case_id, (image, target) in zip(part.case_ids, pairs, strict=True):
                found[case_id] = image.numpy().tobytes() + target.numpy().tobytes()
    return found


@pytest.fixture
def stored(tmp_path):
    """A folder of canonical volumes and the entry of its one case."""
    found = {}
    for kind, volume in zip(("image", "label_map"), phantoms.pair(5), strict=True):
        path = tmp_path / f"{kind}.nii.gz"
        volumes.write(volume, path)
        found[kind] = {"volume": path.name, "volume_sha256": records.sha256(path)}
    return tmp_path, entries.case("phantom", **found)


def test_an_epoch_has_every_case_once():
    assert sorted(order("abcdef")) == list("abcdef")


def test_a_last_incomplete_batch_is_left_out():  # 5 = 2 + 2 + 1
    assert [len(part.case_ids) for [part] in drawn(phantoms.Cases("abcde"))] == [2, 2]


def test_what_is_left_out_differs_between_epochs():
    assert len({frozenset(order("abcde", epoch=epoch)) for epoch in range(1, 9)}) > 1


def test_fewer_cases_than_a_batch_make_one_batch():
    assert sorted(order("abc", batch_size=8)) == list("abc")


def test_a_batch_has_images_and_targets_of_the_patch_size():
    [part] = drawn(phantoms.Cases("ab"))[0]
    assert (part.batch.inputs.shape, part.batch.targets.shape) == ((2, 1, *PATCH_ZYX), (2, 3, *PATCH_ZYX))


@pytest.mark.parametrize(("cases", "batch_size"), [(5, 2), (6, 2), (3, 8), (1, 4)])
def test_the_order_knows_the_number_of_steps(cases, batch_size):
    assert Order(batch_size).steps(cases) == len(drawn(phantoms.Cases("abcdef"[:cases]), batch_size))


def test_a_case_has_its_patches_in_an_epoch():
    assert sorted(order("abc", samples_per_case=2)) == list("aabbcc")


def test_the_patches_of_a_case_differ():
    steps = drawn(phantoms.Cases("a"), batch_size=1, samples_per_case=2)
    assert not torch.equal(steps[0][0].batch.inputs, steps[1][0].batch.inputs)


@pytest.mark.parametrize(
    "plan", [{"processes": 2}, {"accumulate": 2}, {"processes": 2, "accumulate": 2}], ids=str
)
def test_sharing_out_a_step_changes_none_of_its_patches(plan):
    cases, processes = phantoms.Cases("abcdefgh"), plan.get("processes", 1)
    shared = {}
    for process in range(processes):
        for [whole], step in zip(drawn(cases, 4), drawn(cases, 4, process=process, **plan), strict=True):
            for part in step:
                images = part.batch.inputs
                own = part.case_ids[process * len(images) : (process + 1) * len(images)]
                shared |= dict(zip(own, images, strict=True))
            assert {case_id for part in step for case_id in part.case_ids} == set(whole.case_ids)
    expected = {}
    for [part] in drawn(cases, 4):
        expected |= dict(zip(part.case_ids, part.batch.inputs, strict=True))
    assert {name: image.tolist() for name, image in shared.items()} == {
        name: image.tolist() for name, image in expected.items()
    }


def test_a_step_that_shares_cannot_divide_shrinks():  # 5 patches for 2 shares: 4
    assert Order(8, processes=2).size(5) == 4


def test_fewer_patches_than_shares_are_refused():
    with pytest.raises(ValueError, match="1 samples for 2 shares"):
        Order(8, processes=2).size(1)


def test_one_epoch_has_one_order():
    assert order("abcdef", epoch=3) == order("abcdef", epoch=3)


@pytest.mark.parametrize("other", [{"epoch": 2}, {"seed": 1}], ids=["epoch", "seed"])
def test_the_order_changes_with(other):
    assert order("abcdefgh") != order("abcdefgh", **other)


def test_the_order_does_not_depend_on_the_batch_size():
    assert order("abcdef", batch_size=2) == order("abcdef", batch_size=3)


def test_an_epoch_has_the_same_bytes_every_time():
    assert patches(phantoms.Cases("abcd")) == patches(phantoms.Cases("abcd"))


def test_a_patch_does_not_depend_on_the_other_cases():
    alone, together = patches(phantoms.Cases("bc")), patches(phantoms.Cases("abcd"))
    assert {name: together[name] for name in alone} == alone


@pytest.mark.parametrize("other", [{"epoch": 2}, {"seed": 1}], ids=["epoch", "seed"])
def test_the_patch_of_a_case_changes_with(other):
    assert patches(phantoms.Cases("ab"))["a"] != patches(phantoms.Cases("ab"), **other)["a"]


def test_equal_cases_of_different_names_get_different_patches():
    cases = phantoms.Cases(["a", "another"])
    assert torch.equal(cases[0].image_czyx, cases[1].image_czyx)
    assert len(set(patches(cases).values())) == 2


@pytest.fixture
def sample(stored):
    return dataset.read(stored[0], stored[1], phantoms.channels())


def test_read_gives_the_foreground_of_each_label_in_array_order(sample):
    label_zyx = volumes.array_zyx(phantoms.pair(5)[1])
    assert all(
        np.array_equal(voxels, np.argwhere(label_zyx == label))
        for label, voxels in zip((1, 2), sample.foreground, strict=True)
    )


def test_a_large_label_keeps_some_of_its_voxels(monkeypatch):
    monkeypatch.setattr(dataset, "FOREGROUND_VOXELS", 10)
    label = torch.zeros(9, 9, 9, dtype=torch.uint8)
    label[2:7, 2:7, 2:7] = 1
    (voxels,) = dataset.foreground(label, "a")
    assert len(voxels.unique(dim=0)) == 10
    assert (label[tuple(voxels.T.long())] == 1).all()


def test_read_gives_the_spacing_in_array_order(sample):
    assert sample.spacing_zyx == pytest.approx((1.7, 1.1, 0.9))


def test_read_normalises(sample):  # mean 0, SD 1
    assert (sample.image_czyx.mean().item(), sample.image_czyx.std(correction=0).item()) == pytest.approx(
        (0, 1), abs=1e-5
    )


def cache(stored, cases: float) -> Cases[dataset.Sample]:
    """Three cases, of which `cases` fit into memory."""
    folder, entry = stored
    one = dataset.read(folder, entry, phantoms.channels()).bytes
    return learner.cases(
        folder, [replace(entry, case_id=name) for name in "abc"], phantoms.channels(), cases * one / 1e6
    )


@pytest.mark.parametrize(("fit", "held"), [(0, 1), (1, 1), (2.5, 2), (3, 3), (9, 3)])
def test_the_cache_holds_what_fits_and_the_one_in_use(stored, fit, held):
    cases = cache(stored, fit)
    for index in (0, 1, 2, 0, 1):
        assert cases[index].case_id == "abc"[index]
    assert len(cases.cached) == held


def test_the_case_used_longest_ago_goes_first(stored):
    cases = cache(stored, 2)
    for index in (0, 1, 0, 2):
        assert cases[index]
    assert sorted(cases.cached) == [0, 2]


def test_a_cached_case_is_not_read_again(stored, monkeypatch):
    cases = cache(stored, 3)
    assert cases[1]
    monkeypatch.setattr(dataset, "read", lambda *args: pytest.fail("read again"))
    assert cases[1].case_id == "b"


def test_a_small_cache_changes_no_patch(stored):
    assert patches(cache(stored, 0)) == patches(cache(stored, 3))
