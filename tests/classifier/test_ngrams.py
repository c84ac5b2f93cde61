"""n-grams: what is counted, log-count ratios by hand, the fit beside scikit-learn's own, and scores of unseen rows."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.svm import LinearSVC

import ulmkit
from ulmkit.classifier.features import counted, strings_of
from ulmkit.classifier.folds import stratified_folds
from ulmkit.classifier.form import TextForm
from ulmkit.classifier.learn import NGRAMS, SELF_TRAINED, Material, learn
from ulmkit.classifier.ngrams import (
    INTERPOLATION,
    LEAST_EVEN,
    PENALTIES,
    NGramModel,
    Recipe,
    choose_recipe,
    fit,
    log_count_ratios,
    matrix_of,
    unseen_scores,
)
from ulmkit.classifier.selftrain import sure_texts

GOOD = [
    "very good food",
    "good and warm",
    "a good evening",
    "warm and tasty",
    "tasty, very tasty!",
    "warm evening food",
]
BAD = ["very cold food", "cold and late", "a bad evening", "late and cold", "bad, very bad!", "late evening food"]
TEXTS = [*GOOD, *BAD]
CLASSES = np.array([1] * len(GOOD) + [0] * len(BAD))


def test_every_ngram_of_a_text_is_counted_once():
    found = counted(["ab ab", "ba"])
    names = strings_of(["ab ab", "ba"], found.keys)
    first = {names[column] for row, column in zip(found.rows, found.columns, strict=True) if row == 0}
    words = {"ab", "ab ab"}
    whole = " ab ab "
    characters = {whole[i : i + n] for n in (2, 3, 4, 5) for i in range(len(whole) - n + 1)}
    assert first == words | characters
    held = list(zip(found.rows.tolist(), found.columns.tolist(), strict=True))
    assert len(held) == len(set(held))


def test_no_ngram_reaches_from_one_text_into_the_next():
    together, alone = counted(["abc", "xyz"]), counted(["abc"])
    assert set(alone.keys) == set(together.keys[together.columns[together.rows == 0]])


def test_a_word_is_no_run_of_characters():
    found = counted(["ab"])
    assert sorted(strings_of(["ab"], found.keys)) == sorted(["ab", "ab", " a", "b ", " ab", "ab ", " ab "])


def test_log_count_ratios_of_four_texts_by_hand():
    """Two n-grams: in both texts of the class and one of the rest; in one of the rest alone."""
    found = counted(["x", "x", "x", "y"])
    rows = matrix_of(found)
    column = strings_of(["x", "x", "x", "y"], found.keys).index("x")
    words = [column, strings_of(["x", "x", "x", "y"], found.keys).index("y")]
    ratios = log_count_ratios(rows[:, words], np.array([True, True, False, False]))
    # of the class 2 + 1 and 0 + 1 of 4, of the rest 1 + 1 and 1 + 1 of 4
    assert ratios == pytest.approx([np.log(3 / 4 / (2 / 4)), np.log(1 / 4 / (2 / 4))])


def test_the_fit_is_scikit_learns_own_with_interpolated_weights():
    """Decision values on unseen texts, from its vectorizers and machine, step by step as in Wang & Manning."""
    words = CountVectorizer(analyzer="word", ngram_range=(1, 2), token_pattern=r"\w+|[^\w\s]", binary=True)
    characters = CountVectorizer(analyzer="char", ngram_range=(2, 5), binary=True)
    unseen = ["good, but late", "a warm and very bad evening", "cold"]
    padded, new = [f" {text} " for text in TEXTS], [f" {text} " for text in unseen]
    theirs = np.hstack((words.fit_transform(TEXTS).toarray(), characters.fit_transform(padded).toarray()))
    beside = np.hstack((words.transform(unseen).toarray(), characters.transform(new).toarray()))
    positive, negative = theirs[CLASSES == 1].sum(0) + 1, theirs[CLASSES == 0].sum(0) + 1
    ratios = np.log(positive / positive.sum()) - np.log(negative / negative.sum())
    machine = LinearSVC(C=0.03, random_state=0, tol=1e-8, max_iter=100_000).fit(theirs * ratios, CLASSES)
    weights = machine.coef_[0]
    weights = (1 - INTERPOLATION) * np.abs(weights).mean() + INTERPOLATION * weights
    expected = (beside * ratios) @ weights + machine.intercept_[0]

    found = counted([*TEXTS, *unseen])
    rows = matrix_of(found)
    columns = np.flatnonzero(rows[: len(TEXTS)].getnnz(axis=0))
    linear = fit(rows[: len(TEXTS)][:, columns], CLASSES, 2, Recipe("svm", 0.03))
    assert linear.scores(rows[len(TEXTS) :][:, columns])[:, 1] == pytest.approx(expected, abs=2e-4)


def three_classes() -> tuple[list[str], np.ndarray]:
    """The texts above and a third, rarer class."""
    return [*TEXTS, "rain and wind", "wind, rain, wind"], np.array([*CLASSES, 2, 2])


@pytest.mark.parametrize("count", [2, 3])
def test_the_fit_of_tf_idf_is_scikit_learns_own(count):
    """Decision values on unseen texts, from its tf-idf of whether an n-gram stands in a text, classes alike."""
    texts, classes = (TEXTS, CLASSES) if count == 2 else three_classes()
    unseen = ["good, but late", "a warm and very bad evening", "rain", "0"]
    found = counted([*texts, *unseen])
    rows = matrix_of(found)
    columns = np.flatnonzero(rows[: len(texts)].getnnz(axis=0))
    seen, beside = rows[: len(texts)][:, columns], rows[len(texts) :][:, columns]
    tfidf = TfidfTransformer().fit(seen)
    expected = np.stack(
        [
            LinearSVC(C=0.3, class_weight="balanced", random_state=0, tol=1e-8, max_iter=100_000)
            .fit(tfidf.transform(seen), classes == each)
            .decision_function(tfidf.transform(beside))
            for each in ([1] if count == 2 else range(3))
        ],
        axis=1,
    )
    linear = fit(seen, classes, count, Recipe("tf-idf", 0.3))
    assert linear.scores(beside)[:, -expected.shape[1] :] == pytest.approx(expected, abs=1e-3)

    model = NGramModel(found.keys[columns], strings_of(texts, found.keys[columns]), linear)
    scores = model.scores(unseen)
    assert scores == pytest.approx(linear.scores(beside), abs=1e-9)
    assert (scores == np.vstack([model.scores([text]) for text in unseen])).all()
    said = sum(added for _, added in model.spoken(unseen[1]))
    assert said + (scores[3] - model.scores([""])[0]) == pytest.approx(scores[1] - model.scores([""])[0])


def test_a_class_that_stands_in_no_row_has_no_weights():
    """As of a fold that holds all that there is of it."""
    found = counted(TEXTS)
    linear = fit(matrix_of(found), CLASSES, 3, Recipe("tf-idf", 0.3))
    assert not linear.weights[:, 2].any()
    assert linear.bias[2] == -1.0


def test_tf_idf_is_chosen_of_many_rows_whose_ngrams_say_the_same_thing_often():
    """A word that is right in four texts of five, and in every third text thirty more that are right in .65."""

    def chosen(count: int) -> str:
        rng = np.random.default_rng(0)
        classes = rng.integers(0, 2, count)
        said = np.where(rng.random(count) < 0.8, classes, 1 - classes)
        often = np.where(rng.random(count) < 0.65, classes, 1 - classes)
        texts = [
            f"k{said[row]} " + " ".join(f"{'uv'[often[row]]}{n}" for n in range(30 * (row % 3 == 0)))
            for row in range(count)
        ]
        found = counted(texts, least=3)
        folds = stratified_folds(classes, np.arange(count))
        return choose_recipe(matrix_of(found), found.words, classes, 2, folds)[0].kind

    assert chosen(LEAST_EVEN) == "tf-idf"
    assert chosen(LEAST_EVEN - 1) == "svm"


def test_a_texts_scores_do_not_depend_on_its_neighbours():
    model = learn(Material(TEXTS, TEXTS, CLASSES, 2)).members[NGRAMS]
    together = model.scores([*TEXTS, "", "never seen: 42"])
    alone = np.vstack([model.scores([text]) for text in [*TEXTS, "", "never seen: 42"]])
    assert (together == alone).all()


def test_scores_of_a_row_never_saw_it():
    """Turning the label of one row around changes no score of its own fold."""
    found = counted(TEXTS)
    rows, folds = matrix_of(found), stratified_folds(CLASSES, np.arange(len(TEXTS)))
    before = unseen_scores(rows, found.words, CLASSES, 2, folds, Recipe("svm", 0.03))
    turned = CLASSES.copy()
    turned[0] = 1 - turned[0]
    after = unseen_scores(rows, found.words, turned, 2, folds, Recipe("svm", 0.03))
    own = folds == folds[0]
    assert (before[own] == after[own]).all()
    assert (before[~own] != after[~own]).any()


def test_folds_are_even_and_keep_groups_together():
    classes = np.repeat([0, 1, 2], (50, 30, 5))
    groups = np.arange(85)
    groups[:4] = 0
    folds = stratified_folds(classes, groups)
    assert len(set(folds[:4].tolist())) == 1
    for each in range(3):
        of_class = np.bincount(folds[classes == each], minlength=5)
        assert of_class.max() - of_class.min() <= 4 if each == 0 else of_class.max() - of_class.min() <= 1


def test_of_the_texts_the_surer_half_of_each_class_is_taken_at_the_labels_shares():
    margins = np.array([-4.0, -3.0, -2.0, -1.0, 1.0, 2.0, 3.0, 4.0]) - 10  # all of one class, but for the threshold
    rows, classes = sure_texts(np.stack((-margins, margins), axis=1), np.array([0.5, 0.5]), share=0.5)
    assert rows.tolist() == [0, 1, 6, 7]
    assert classes.tolist() == [0, 0, 1, 1]
    rows, _ = sure_texts(np.stack((-margins, margins), axis=1), np.array([0.5, 0.5]), share=0.25)
    assert rows.tolist() == [0, 7]


def test_shares_of_several_classes_are_those_of_the_labels():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(3_000, 3)) * 4 + [5, 0, 0]
    rows, classes = sure_texts(scores, np.array([0.2, 0.3, 0.5]), share=0.25)
    assert np.bincount(classes) / len(rows) == pytest.approx([0.2, 0.3, 0.5], abs=0.03)


def test_self_training_finds_words_that_no_label_has_shown():
    labelled, classes = ["good", "good food", "bad", "bad food"] * 3, np.array([1, 1, 0, 0] * 3)
    pool = [f"good tasty dish {n}" for n in range(150)] + [f"bad rotten dish {n}" for n in range(150)]
    learned = learn(Material(labelled, labelled, classes, 2, pool, pool))
    assert learned.learned_from > 100
    scores = learned.members[SELF_TRAINED].scores(["tasty", "rotten"])
    assert scores.argmax(axis=1).tolist() == [1, 0]


def test_texts_are_read_in_the_languages_form_and_lower_case():
    form = TextForm(ulmkit.load("fa"))
    assert form("كتاب  BBC\nعلي") == "کتاب bbc علی"
    assert TextForm(None)("  Tere\tHOMMIKUST ") == "tere hommikust"
    assert form.fingerprint != TextForm(None).fingerprint


def test_of_few_rows_no_strength_is_chosen():
    """A choice among a hundred rows is chance: on comments the least was best in seven samples of eight."""
    texts = [f"{word} {n}" for n in range(60) for word in ("soup", "cake")]
    classes = np.arange(120) % 2
    found = counted(texts)
    recipe, _ = choose_recipe(matrix_of(found), found.words, classes, 2, np.arange(120) // 2 % 5)
    assert recipe == Recipe("svm", PENALTIES[0])
