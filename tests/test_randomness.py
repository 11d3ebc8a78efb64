"""randomness: generators that depend on their purpose and on nothing else."""

import itertools

import numpy as np

from radiotrace.pipeline import randomness


def test_generators_do_not_depend_on_the_order_of_use():
    first = randomness.generator(0, 2, 1, "a").random(5)
    randomness.generator(0, 2, 1, "b").random(99)
    assert np.array_equal(randomness.generator(0, 2, 1, "a").random(5), first)


def test_generators_of_every_seed_purpose_and_name_differ():
    every = itertools.product((0, 1), (1, 2), (1, 2), ("", "a", "b"))
    assert len({randomness.generator(*which).random() for which in every}) == 24


# printf abc | sha256sum: ba7816bf8f01cfea…
def test_a_name_stands_for_the_first_64_bits_of_its_sha256():
    assert np.array_equal(
        randomness.generator(7, 3, "abc").random(5),
        np.random.default_rng([7, 3, 0xBA7816BF8F01CFEA]).random(5),
    )
