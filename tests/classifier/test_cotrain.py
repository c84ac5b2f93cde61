"""Co-training: what a teacher of two views says, what its students learn, and that folds stay honest."""

from dataclasses import replace

import numpy as np
import pytest

from tests.classifier.test_classifier import TRAIN, comments
from ulmkit.classifier.cotrain import (
    MOST_TAUGHT,
    RIDGE,
    FrozenView,
    RidgeStudent,
    Teacher,
    frozen_student,
    soft_targets,
    taken_of,
)
from ulmkit.classifier.features import counted
from ulmkit.classifier.form import TextForm
from ulmkit.classifier.frozen import FrozenMember, Scale
from ulmkit.classifier.learn import NGRAMS, SELF_TRAINED, Material, learn
from ulmkit.classifier.linear import fits_without, logistic
from ulmkit.classifier.ngrams import Linear, Recipe, matrix_of
from ulmkit.classifier.selftrain import NO_FOLD, GramRows, together

FOLDS = np.arange(40) % 5


def test_members_count_alike_in_their_sum_whatever_their_size():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 50, 2))
    assert together([one, 1_000 * other]) == pytest.approx(together([7 * one, other]))


def test_targets_are_what_the_teacher_makes_likely_at_the_labels_shares():
    margins = np.array([-3.0, -1.0, 1.0, 3.0]) + 20  # all of one class, but for the threshold
    found = soft_targets(np.stack((-margins, margins), axis=1), np.array([0.5, 0.5]))
    assert found.shape == (4, 1)
    assert found[::-1, 0] == pytest.approx(-found[:, 0])
    assert (np.diff(found[:, 0]) >= 0).all()
    assert found[3, 0] == pytest.approx(1, abs=1e-3)
    several = soft_targets(np.random.default_rng(0).normal([4, 0, 0], 1, (900, 3)), np.array([0.2, 0.3, 0.5]))
    assert several.sum(axis=1) == pytest.approx(np.zeros(900))
    assert several.mean(axis=0) + 1 / 3 == pytest.approx([0.2, 0.3, 0.5], abs=1e-3)


def test_the_ridge_is_the_closest_line_with_a_free_bias():
    rng = np.random.default_rng(0)
    pool = rng.normal(3, 1, (400, 6)).astype(np.float32)
    targets = (pool @ rng.normal(size=(6, 2))) + 5
    linear = RidgeStudent(pool).learned(targets)
    wide = np.vstack((np.column_stack((pool, np.ones(400))), np.sqrt(RIDGE) * np.eye(7)[:6]))
    right = np.vstack((targets, np.zeros((6, 2))))
    expected = np.linalg.lstsq(wide, right, rcond=None)[0]
    assert linear.weights == pytest.approx(expected[:6], abs=1e-3)
    assert linear.bias == pytest.approx(expected[6], abs=5e-3)


def test_weights_without_a_fold_are_those_that_gave_its_rows_their_scores():
    rows = np.random.default_rng(1).normal(size=(40, 60)).astype(np.float32)
    classes = np.arange(40) % 2
    fit = logistic(rows, classes, 2, FOLDS)
    fits = fits_without(rows, classes, 2, FOLDS, fit.strength)
    for fold, linear in fits.items():
        held = fold == FOLDS
        assert rows[held] @ linear.weights[:, 0] + linear.bias == pytest.approx(fit.unseen[held, 1], abs=5e-3)


def taught(classes: np.ndarray) -> tuple[FrozenView, Teacher]:
    """Both views of 40 texts with labels and 300 without."""
    rng = np.random.default_rng(0)
    right = np.concatenate((np.arange(40) // 5 % 2, rng.integers(0, 2, 300)))
    texts = [f"{('bad sour', 'good sweet')[each]} {number}" for number, each in enumerate(right.tolist())]
    found = counted(texts)
    features = (rng.normal(size=(340, 8)) + right[:, None]).astype(np.float32)
    fits = fits_without(features[:40], classes, 2, FOLDS, 1.0)
    linear = Linear(np.zeros((8, 1), np.float32), np.zeros(1))
    scale = Scale(np.zeros(8, np.float32), np.ones(8, np.float32))
    member = FrozenMember(None, scale, linear)  # type: ignore[arg-type]  # nothing is read
    view = FrozenView(member, features[:40], features[40:], {**fits, NO_FOLD: linear})
    rows = GramRows(matrix_of(found), found.words, classes, 2)
    return view, Teacher(rows, Recipe("svm", 0.003), {"frozen": view})


def test_a_rows_own_label_changes_no_score_that_is_called_unseen():
    classes = np.arange(40) // 5 % 2
    turned = classes.copy()
    turned[3] = 1 - turned[3]
    before, after = (frozen_student(*taught(each), FOLDS)[1] for each in (classes, turned))
    own = FOLDS[3] == FOLDS
    assert (before[own] == after[own]).all()
    assert (before != after).any()
    assert (before.argmax(axis=1) == classes).mean() > 0.8


def test_rows_to_choose_on_are_never_learned_from():
    view, teacher = taught(np.arange(40) // 5 % 2)
    folds = np.where(np.arange(40) < 30, -1, 0)
    view = replace(view, fits={0: view.fits[0], NO_FOLD: view.fits[0]})
    teacher = replace(teacher, views={"frozen": view})
    member, unseen = frozen_student(view, teacher, folds)
    assert np.isnan(unseen[:30]).all()
    assert unseen[30:] == pytest.approx(member.scores_of(view.rows[30:]))


def test_of_very_many_texts_evenly_spread_ones_are_taken():
    assert taken_of(5).tolist() == [0, 1, 2, 3, 4]
    many = taken_of(10 * MOST_TAUGHT + 1)
    assert len(many) <= MOST_TAUGHT
    assert (np.diff(many) == 11).all()
    assert taken_of(0).tolist() == []


def test_both_views_are_learned_and_equal_inputs_give_equal_members(readers):
    form = TextForm(None)
    pool = comments(260, 1_000).texts
    names = sorted(set(TRAIN.labels))
    classes = np.array([names.index(label) for label in TRAIN.labels])
    material = Material(TRAIN.texts, form.all_of(TRAIN.texts), classes, len(names), pool, form.all_of(pool))
    one, other = (learn(material, readers=readers) for _ in range(2))
    assert one.recipe == other.recipe
    assert set(one.members) == {NGRAMS, SELF_TRAINED, "frozen forward", "frozen backward"}
    for name, member in one.members.items():
        if isinstance(member, FrozenMember):
            assert member.reader.features_kept is None
        assert (member.linear.weights == other.members[name].linear.weights).all()
