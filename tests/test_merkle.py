"""The root hash, computed again by hand with hashlib."""

import hashlib

import pytest

from radiotrace.records import merkle

FILES = {
    name: hashlib.sha256(name.encode()).hexdigest() for name in ("a.nii", "b.nii", "c.nii", "d.nii", "e.nii")
}


def some(count):
    return dict(list(FILES.items())[:count])


def sha256(content):
    return hashlib.sha256(content).digest()


def leaf(name):
    return sha256(b"\0" + name.encode() + b"\0" + sha256(name.encode()))


def node(left, right):
    return sha256(b"\1" + left + right)


A, B, C, D, E = map(leaf, FILES)


@pytest.mark.parametrize(
    ("count", "by_hand"),
    [
        (1, A),
        (2, node(A, B)),
        (3, node(node(A, B), C)),
        (4, node(node(A, B), node(C, D))),
        (5, node(node(node(A, B), node(C, D)), E)),
    ],
)
def test_root_is_the_tree_by_hand(count, by_hand):  # an odd node is carried up
    assert merkle.root(some(count)) == by_hand.hex()


def test_root_of_no_files():  # SHA-256 of nothing, as RFC 6962 has it
    assert merkle.root({}) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_root_does_not_depend_on_the_order_of_listing():
    assert merkle.root(dict(reversed(FILES.items()))) == merkle.root(FILES)


@pytest.mark.parametrize("name", FILES)
def test_root_changes_with_each_file(name):
    assert merkle.root(FILES | {name: hashlib.sha256(b"other").hexdigest()}) != merkle.root(FILES)


@pytest.mark.parametrize("name", FILES)
def test_root_changes_when_a_file_is_missing(name):
    assert merkle.root({path: digest for path, digest in FILES.items() if path != name}) != merkle.root(FILES)


def test_root_changes_when_a_file_is_renamed():
    renamed = {name.replace("e.nii", "f.nii"): digest for name, digest in FILES.items()}
    assert merkle.root(renamed) != merkle.root(FILES)


def test_root_changes_when_two_files_are_swapped():
    assert merkle.root(FILES | {"a.nii": FILES["b.nii"], "b.nii": FILES["a.nii"]}) != merkle.root(FILES)


def test_last_file_does_not_count_twice():  # the fault of trees that pair an odd node with itself
    assert merkle.root(some(3)) != node(node(A, B), node(C, C)).hex()
