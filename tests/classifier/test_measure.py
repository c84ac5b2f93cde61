"""Figures with known answers: accuracy, F1, calibration, intervals, McNemar, the mix and its temperature."""

import numpy as np
import pytest

from ulmkit.classifier.check import majority_warning
from ulmkit.classifier.measure import (
    accuracy_difference,
    calibration_error,
    chance_error,
    class_scores,
    confusion_of,
    interval_of,
    mcnemar,
    mean_f1,
    measured,
)
from ulmkit.classifier.mix import Mix, fit_mix, fit_stack, log_loss, softmax

RNG = np.random.default_rng(0)


def test_mcnemar_of_twelve_against_four():
    true = np.zeros(100, int)
    called, other = true.copy(), true.copy()
    other[:12], called[12:16] = 1, 1
    assert mcnemar(true, called, other) == pytest.approx(0.0768, abs=5e-5)
    assert mcnemar(true, called, called) == 1.0


def test_equal_predictions_differ_by_nothing():
    true = RNG.integers(0, 2, 300)
    called = np.where(RNG.random(300) < 0.8, true, 1 - true)
    difference = accuracy_difference(true, called, called)
    assert (difference.value, difference.low, difference.high) == (0.0, 0.0, 0.0)
    assert not difference.shown


def test_the_interval_is_the_binomials():
    found = interval_of(np.array([1.0] * 837 + [0.0] * 163))
    error = 1.96 * (0.837 * 0.163 / 1_000) ** 0.5
    assert (found.low, found.high) == pytest.approx((0.837 - error, 0.837 + error), abs=0.003)


def test_precision_recall_and_f1_by_hand():
    """Of class 0: 3 right, 1 missed; of class 1: 2 right, 2 missed; class 2 stands nowhere."""
    true, called = np.array([0, 0, 0, 0, 1, 1, 1, 1]), np.array([0, 0, 0, 1, 1, 1, 0, 0])
    confusion = confusion_of(true, called, 3)
    zero, one, two = class_scores(confusion)
    assert (zero.precision, zero.recall, zero.f1) == pytest.approx((3 / 5, 3 / 4, 2 / 3))
    assert (one.precision, one.recall, one.f1) == pytest.approx((2 / 3, 2 / 4, 4 / 7))
    assert (two.precision, two.recall, two.f1, two.rows) == (0, 0, 0, 0)
    assert mean_f1(confusion, "macro") == pytest.approx((2 / 3 + 4 / 7) / 2)
    assert mean_f1(confusion, "weighted") == pytest.approx((2 / 3 + 4 / 7) / 2)


def test_true_probabilities_are_calibrated():
    p = RNG.beta(0.4, 0.4, 10_000)
    true = (RNG.random(10_000) < p).astype(int)
    both = np.stack((1 - p, p), axis=1)
    assert calibration_error(both, true) < 0.01
    assert calibration_error(np.where(both > 0.5, 0.99, 0.01), true) > 0.1


def test_what_chance_leaves_of_right_probabilities_is_the_binomials():
    """A thousand rows at .8 stand in one bin, whose share is off by .0101 on average: a normal's mean distance."""
    likely = np.tile([0.2, 0.8], (1_000, 1))
    assert chance_error(likely, draws=400) == pytest.approx((2 / np.pi * 0.16 / 1_000) ** 0.5, rel=0.1)
    assert chance_error(likely[:50]) > 2 * chance_error(likely)
    assert chance_error(np.tile([0.0, 1.0], (9, 1))) == 0
    assert chance_error(likely[:0]) == 0
    p = RNG.beta(0.4, 0.4, 3_000)
    both = np.stack((1 - p, p), axis=1)
    seen = [calibration_error(both, (RNG.random(3_000) < p).astype(int)) for _ in range(20)]
    assert chance_error(both) == pytest.approx(np.mean(seen), rel=0.25)


def test_a_temperature_of_two_is_found():
    logits = RNG.normal(size=(20_000, 3)) * 3
    true = (softmax(logits).cumsum(axis=1) < RNG.random((20_000, 1))).sum(axis=1)
    mix = fit_mix({"one": logits * 2}, true)
    assert mix.weights["one"] == pytest.approx(0.5, rel=0.02)


def test_a_member_that_brings_nothing_is_left_out():
    true = RNG.integers(0, 2, 2_000)
    one, two = (2 * true - 1) + RNG.normal(size=(2, 2_000)) * 1.5
    noise = RNG.normal(size=2_000)
    scores = {name: np.stack((-s, s), axis=1) for name, s in (("one", one), ("two", two), ("noise", noise))}
    mix = fit_stack(scores, true)
    assert set(mix.weights) == {"one", "two"}
    alone = fit_stack({"one": scores["one"]}, true)
    assert log_loss(mix.probabilities(scores), true) < log_loss(alone.probabilities(scores), true)


def test_one_class_for_nearly_all_is_warned_of():
    true = np.array([0] * 50 + [1] * 50)
    assert majority_warning(np.zeros(100, int), true, ("SAD", "HAPPY")) == (
        "100 of 100 texts are called SAD, and 50 are: one answer for nearly all is no classifier."
    )
    assert not majority_warning(true, true, ("SAD", "HAPPY"))
    assert not majority_warning(np.zeros(100, int), np.zeros(100, int), ("SAD", "HAPPY"))


def test_figures_of_the_majority_are_its_share():
    true = np.array([0] * 60 + [1] * 40)
    found = measured(true, np.zeros(100, int), 2, np.tile([0.6, 0.4], (100, 1)))
    assert found.accuracy.value == 0.6
    assert found.log_loss == pytest.approx(-(0.6 * np.log(0.6) + 0.4 * np.log(0.4)))
    assert found.calibration_error == pytest.approx(0, abs=1e-9)
    assert found.called_share == 1.0


def rows_surer_than_right(rows, seed):
    """Scores of two classes, and classes drawn as their square root, times two, would have them."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 3, rows)
    right = 1 / (1 + np.exp(-2 * np.sign(z) * np.sqrt(np.abs(z))))
    return np.stack((-z, z), axis=1), (rng.random(rows) < right).astype(int)


def test_the_power_that_makes_sums_as_sure_as_they_are_right_is_found():
    """A half, as drawn; one factor alone leaves an error that no number of rows takes away."""
    (scores, classes), (others, of_others) = rows_surer_than_right(20_000, 0), rows_surer_than_right(20_000, 1)
    found, plain = fit_stack({"a": scores}, classes), fit_mix({"a": scores}, classes)
    assert found.power == pytest.approx(0.5, abs=0.06)
    errors = [calibration_error(each.probabilities({"a": others}), of_others) for each in (found, plain)]
    assert errors[0] < 0.012 < 0.02 < errors[1]
    few = fit_stack({"a": scores[:199]}, classes[:199])
    assert few.power == 1
    assert few.shift is None


def test_sums_of_nothing_stay_nothing():
    mix = Mix({"a": 1.0}, np.zeros(2), power=0.1, size=3.0, shift=np.array([0.5, -0.5]))
    assert mix.logits({"a": np.zeros((1, 2))}).tolist() == [[0.5, -0.5]]
    assert mix.logits({"a": np.array([[3.0, -3.0]])})[0] == pytest.approx([3.5, -3.5])
