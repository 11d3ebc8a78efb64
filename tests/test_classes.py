"""classes: against scikit-learn, and classes that nobody has."""

import numpy as np
import pytest
from sklearn import metrics

from radiotrace.statistics import classes, discrimination

NAMES = ["a", "b", "c"]


def drawn(n=300, seed=0):
    """Scores of three classes, and the number of each case's class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    return rng.normal(np.eye(3)[labels], 1), labels


def test_one_against_the_rest_is_that_of_scikit_learn():
    scores, labels = drawn()
    truth = classes.one_hot(labels, 3)
    for statistic, expected in (
        (discrimination.auroc, metrics.roc_auc_score),
        (discrimination.auprc, metrics.average_precision_score),
    ):
        found = classes.one_vs_rest(statistic, scores, truth, NAMES)
        assert list(found.by_class.values()) == pytest.approx(expected(truth, scores, average=None))
        assert found.macro == pytest.approx(expected(truth, scores, average="macro"))
        assert found.micro == pytest.approx(expected(truth, scores, average="micro"))
        assert found.n_undefined == 0


def test_a_class_without_a_case_is_none_and_counted():
    scores, labels = drawn()
    truth = classes.one_hot(np.where(labels == 2, 0, labels), 3)
    found = classes.one_vs_rest(discrimination.auroc, scores, truth, NAMES)
    assert (found.by_class["c"], found.n_undefined) == (None, 1)
    assert found.macro == pytest.approx((found.by_class["a"] + found.by_class["b"]) / 2)
    nobody = classes.one_vs_rest(discrimination.auroc, scores, np.zeros_like(truth), NAMES)
    assert (nobody.macro, nobody.micro, nobody.n_undefined) == (None, None, 3)


def test_labels_that_are_not_known_are_left_out():
    rng = np.random.default_rng(0)
    scores, truth, known = rng.random((100, 3)), rng.random((100, 3)) < 0.5, rng.random((100, 3)) < 0.8
    found = classes.one_vs_rest(discrimination.auroc, scores, truth, NAMES, known)
    expected = discrimination.auroc(scores[known[:, 1], 1], truth[known[:, 1], 1])
    assert found.by_class["b"] == expected
    turned = classes.one_vs_rest(discrimination.auroc, scores, truth ^ ~known, NAMES, known)
    assert turned == found


def test_measures_of_a_matrix_are_those_of_scikit_learn():
    scores, labels = drawn()
    called = scores.argmax(1)
    matrix = classes.confusion_matrix(labels, called, 3)
    assert (matrix == metrics.confusion_matrix(labels, called)).all()
    found = classes.of_matrix(matrix, NAMES)
    assert found.accuracy == pytest.approx(metrics.accuracy_score(labels, called))
    assert found.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(labels, called))
    assert found.macro_f1 == pytest.approx(metrics.f1_score(labels, called, average="macro"))
    assert found.kappa == pytest.approx(metrics.cohen_kappa_score(labels, called))
    assert list(found.ppv.values()) == pytest.approx(metrics.precision_score(labels, called, average=None))


def test_a_matrix_with_empty_rows_and_columns():
    found = classes.of_matrix(np.array([[3, 1, 0], [0, 0, 0], [0, 0, 0]]), NAMES)
    assert found.sensitivity == {"a": 0.75, "b": None, "c": None}
    assert found.ppv == {"a": 1, "b": 0, "c": None}
    assert (found.accuracy, found.balanced_accuracy, found.n_without_case) == (0.75, 0.75, 2)
    assert found.macro_f1 == pytest.approx((6 / 7 + 0) / 2)
    empty = classes.of_matrix(np.zeros((3, 3), int), NAMES)
    assert (empty.accuracy, empty.balanced_accuracy, empty.macro_f1, empty.kappa) == (None,) * 4
    sure = classes.of_matrix(np.diag([4, 0, 0]), NAMES)
    assert (sure.accuracy, sure.kappa) == (1, None)


def test_faults_name_what_was_found():
    with pytest.raises(ValueError, match=r"classes \[0, 3\], expected 0 to 2"):
        classes.one_hot(np.array([0, 3]), 3)
    with pytest.raises(ValueError, match=r"\(4, 2\).*3 names"):
        classes.one_vs_rest(discrimination.auroc, np.zeros((4, 2)), np.zeros((4, 2), bool), NAMES)
