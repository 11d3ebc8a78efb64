"""dataset: what is in a batch, and that (seed, epoch) alone decides it."""
import itertools

import numpy as np
import pytest
import torch

from radiotrace import records
from radiotrace.images import volumes
from radiotrace.learning import dataset
from tests import phantoms

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = {"affine_share": 1, "rotation_degrees": 20, "scale_min": 0.85, "scale_max": 1.2, "shift_voxels": 2,
            "foreground_share": 0.5, "intensity": 1}
PATCH_ZYX = (8, 12, 10)


def samples(names: str) -> list[dataset.Sample]:
    found = []
    for name in names:
        label = phantoms.label_array()
        image = phantoms.image_array(label, seed=ord(name), scale=1.0)
        found.append(dataset.Sample(name, torch.from_numpy(image), torch.from_numpy(label), torch.from_numpy(label).nonzero(), (1.7, 1.1, 0.9)))
    return found


def drawn(cases, batch_size=2, seed=0, epoch=1) -> list:
    return list(dataset.batches(cases, batch_size, PATCH_ZYX, SETTINGS, seed, epoch))


def order(names: str, batch_size=2, seed=0, epoch=1) -> list[str]:
    return list(itertools.chain(*(case_ids for case_ids, _, _ in drawn(samples(names), batch_size, seed, epoch))))


def patches(*args, **options) -> dict[str, bytes]:
    """Bytes of image and label map of each case."""
    return {case_id: image.numpy().tobytes() + label_map.numpy().tobytes()
            for batch in drawn(*args, **options) for case_id, image, label_map in zip(*batch, strict=True)}


@pytest.fixture
def stored(tmp_path):
    """A folder of canonical volumes and the entry of its one case."""
    entry = {"case_id": "phantom"}
    for kind, volume in zip(("image", "label_map"), phantoms.pair(5), strict=True):
        path = tmp_path / f"{kind}.nii.gz"
        volumes.write(volume, path)
        entry[kind] = {"volume": path.name, "volume_sha256": records.sha256(path)}
    return tmp_path, entry


def test_an_epoch_has_every_case_once():
    assert sorted(order("abcdef")) == list("abcdef")


def test_a_last_incomplete_batch_is_left_out():                # 5 = 2 + 2 + 1
    assert [len(case_ids) for case_ids, _, _ in drawn(samples("abcde"))] == [2, 2]


def test_what_is_left_out_differs_between_epochs():
    assert len({frozenset(order("abcde", epoch=epoch)) for epoch in range(1, 9)}) > 1


def test_fewer_cases_than_a_batch_make_one_batch():
    assert sorted(order("abc", batch_size=8)) == list("abc")


def test_a_batch_has_images_and_label_maps_of_the_patch_size():
    _, images, label_maps = drawn(samples("ab"))[0]
    assert images.shape == label_maps.shape == (2, 1, *PATCH_ZYX)


@pytest.mark.parametrize(("cases", "batch_size"), [(5, 2), (6, 2), (3, 8), (1, 4)])
def test_steps_per_epoch_is_the_number_of_batches(cases, batch_size):
    chosen = samples("abcdef"[:cases])
    assert dataset.steps_per_epoch(chosen, batch_size) == len(drawn(chosen, batch_size))


def test_one_epoch_has_one_order():
    assert order("abcdef", epoch=3) == order("abcdef", epoch=3)


@pytest.mark.parametrize("other", [{"epoch": 2}, {"seed": 1}], ids=["epoch", "seed"])
def test_the_order_changes_with(other):
    assert order("abcdefgh") != order("abcdefgh", **other)


def test_the_order_does_not_depend_on_the_batch_size():
    assert order("abcdef", batch_size=2) == order("abcdef", batch_size=3)


def test_an_epoch_has_the_same_bytes_every_time():
    assert patches(samples("abcd")) == patches(samples("abcd"))


def test_a_patch_does_not_depend_on_the_other_cases():
    alone, together = patches(samples("bc")), patches(samples("abcd"))
    assert {name: together[name] for name in alone} == alone


@pytest.mark.parametrize("other", [{"epoch": 2}, {"seed": 1}], ids=["epoch", "seed"])
def test_the_patch_of_a_case_changes_with(other):
    assert patches(samples("ab"))["a"] != patches(samples("ab"), **other)["a"]


def test_equal_cases_of_different_names_get_different_patches():
    one = samples("a")[0]
    twin = dataset.Sample("twin", one.image_zyx, one.label_zyx, one.foreground_nzyx, one.spacing_zyx)
    assert len(set(patches([one, twin]).values())) == 2


def test_generators_do_not_depend_on_the_order_of_use():
    first = dataset.generator(0, dataset.PATCH, 1, "a").random(5)
    dataset.generator(0, dataset.PATCH, 1, "b").random(99)
    assert np.array_equal(dataset.generator(0, dataset.PATCH, 1, "a").random(5), first)


def test_generators_of_every_purpose_epoch_and_case_differ():
    every = itertools.product((0, 1), (dataset.ORDER, dataset.PATCH), (1, 2), ("", "a", "b"))
    assert len({dataset.generator(*which).random() for which in every}) == 24


def test_load_gives_the_foreground_in_array_order(stored):
    sample = dataset.load(stored[0], [stored[1]], (0.5, 99.5))[0]
    expected = np.argwhere(volumes.array_zyx(phantoms.pair(5)[1]) > 0)
    assert np.array_equal(sample.foreground_nzyx, expected)


def test_load_gives_the_spacing_in_array_order(stored):
    assert dataset.load(stored[0], [stored[1]], (0.5, 99.5))[0].spacing_zyx == pytest.approx((1.7, 1.1, 0.9))


def test_load_normalises(stored):                              # mean 0, SD 1
    image = dataset.load(stored[0], [stored[1]], (0.5, 99.5))[0].image_zyx
    assert (image.mean().item(), image.std(correction=0).item()) == pytest.approx((0, 1), abs=1e-5)
