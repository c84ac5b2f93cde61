"""The classifier of n-grams: NB-SVM, complement naive Bayes, or an SVM of tf-idf, which unseen rows say is best.

NB-SVM (Wang & Manning 2012): whether an n-gram stands in a text, times how much more often it does in one class; a
linear SVM on these, one class against the rest, drawn towards the mean of its weights. Complement naive Bayes (Rennie
et al. 2003) asks how often an n-gram stands in all other classes, which rare classes gain by. An SVM of tf-idf takes
each n-gram for as much as it is rare, each text for the same length, and classes for alike: of thousands of rows in
several classes it says more, and with probabilities that are closer to how often they are right.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from ulmkit.classifier.features import Chunk, Counted, chunks, looked_up, once
from ulmkit.classifier.mix import fit_mix, losses_of

INTERPOLATION = 0.25  # Wang & Manning's beta
PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3)  # C of the SVM
SMOOTHINGS = (0.1, 0.3, 1.0, 3.0)  # of complement naive Bayes
EVEN_PENALTIES = (0.03, 0.1, 0.3, 1.0)  # C of the SVM of tf-idf
LEAST_CHOSEN = 200  # rows; below, C is not chosen but the least: a choice among so few is chance
LEAST_EVEN = 1_000  # rows; below, an SVM of tf-idf was never the better one
FEW_ROWS = 2_000  # below, an n-gram that was seen once counts, too
LEAST = 3  # texts that an n-gram of characters stands in from there on; two for words
MANY_CLASSES = 50  # beyond, an SVM for each takes too long
MOST_WEIGHTS = 40_000_000
_AT_ONCE = 32  # classes whose sums are taken column by column


@dataclass(frozen=True)
class Recipe:
    """How weights are found: `svm` and `tf-idf` with C, or `bayes` with its smoothing."""

    kind: str
    strength: float

    def __str__(self) -> str:
        named = {"svm": "NB-SVM, C", "tf-idf": "SVM of tf-idf, C", "bayes": "complement naive Bayes,"}
        return f"{named[self.kind]} {self.strength:g}"


@dataclass(frozen=True)
class Linear:
    """Weights of n-grams, shape (n-grams, classes) or (n-grams, 1) for two classes, and a bias for each column.

    With `squares`, shape (n-grams,), a text's sum of weights is divided by the root of its sum of these.
    """

    weights: np.ndarray  # float32
    bias: np.ndarray  # float64
    squares: np.ndarray | None = None  # float32, above 0

    def scores(self, rows: csr_matrix) -> np.ndarray:
        """Shape (rows, classes)."""
        sums = np.asarray(rows @ self.weights.astype(np.float64))
        if self.squares is not None:
            sums = sums / lengths_of(rows @ self.squares.astype(np.float64))[:, None]
        return both_sides(sums + self.bias)


def lengths_of(squares: np.ndarray) -> np.ndarray:
    """The root of each sum of `squares`; 1 of a text that holds nothing known, whose sum of weights is 0."""
    return np.sqrt(np.where(squares > 0, squares, 1.0))


def both_sides(scores: np.ndarray) -> np.ndarray:
    """Of two classes one column says all: it becomes a column for each."""
    return np.hstack((-scores, scores)) if scores.shape[1] == 1 else scores


@dataclass(frozen=True)
class NGramModel:
    """n-grams and what each says for each class. `keys` are sorted, `names` are their strings."""

    keys: np.ndarray
    names: Sequence[str]
    linear: Linear

    def held(self, texts: Sequence[str]) -> Iterator[tuple[Chunk, np.ndarray, np.ndarray]]:
        """Chunk by chunk: which text of it holds which n-gram, each pair once, sorted by text."""
        for chunk in chunks(texts):
            found = []
            for window in chunk.windows():
                places, held = looked_up(self.keys, window.keys)
                found.append(window.rows[held] * len(self.keys) + places[held])
            pairs = once(np.concatenate(found))
            yield chunk, *np.divmod(pairs, max(len(self.keys), 1))

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        """Shape (texts, classes). `texts` are in form; each one's scores are its own, whatever stands beside it."""
        weights, bias, squares = self.linear.weights, self.linear.bias, self.linear.squares
        scores = np.zeros((len(texts), len(bias)))
        for chunk, rows, columns in self.held(texts):
            part = scores[chunk.first : chunk.first + len(chunk.texts)]
            if len(bias) <= _AT_ONCE:
                for place in range(len(bias)):
                    part[:, place] = np.bincount(rows, weights[columns, place], len(part))
            else:
                ends = np.searchsorted(rows, np.arange(len(part) + 1))
                for row in range(len(part)):
                    part[row] = weights[columns[ends[row] : ends[row + 1]]].sum(0, dtype=np.float64)
            if squares is not None:
                part /= lengths_of(np.bincount(rows, squares[columns], len(part)))[:, None]
        return both_sides(scores + bias)

    def spoken(self, text: str) -> list[tuple[str, np.ndarray]]:
        """The n-grams of `text`, in form, that the model knows, each with what it adds for each class."""
        _, _, columns = next(self.held([text]))
        weights, squares = self.linear.weights[columns].astype(np.float64), self.linear.squares
        if squares is not None:
            weights = weights / lengths_of(squares[columns].sum(dtype=np.float64))
        added = both_sides(weights)
        return [(self.names[column], added[place]) for place, column in enumerate(columns.tolist())]


def matrix_of(found: Counted) -> csr_matrix:
    """A row for each text, a column for each n-gram: 1 where it holds it."""
    ends = np.concatenate(([0], np.cumsum(np.bincount(found.rows, minlength=found.texts))))
    return csr_matrix((np.ones(len(found.rows)), found.columns, ends), shape=(found.texts, len(found.keys)))


def counting_columns(rows: csr_matrix, words: np.ndarray, classes: int) -> np.ndarray:
    """Which n-grams count for a model of `rows`: those seen, or where there are many rows, seen often enough."""
    times = rows.getnnz(axis=0)
    wanted = times >= (1 if rows.shape[0] < FEW_ROWS else np.where(words, 2, LEAST))
    most = MOST_WEIGHTS // (1 if classes == 2 else classes)
    columns = np.flatnonzero(wanted)
    if len(columns) > most:  # the most frequent
        columns = np.sort(columns[np.argsort(-times[columns], kind="stable")[:most]])
    return columns


def fit(rows: csr_matrix, classes: np.ndarray, count: int, recipe: Recipe) -> Linear:
    """The weights of `rows`, whose classes are numbers below `count`."""
    if recipe.kind == "bayes":
        return _complement_bayes(rows, classes, count, recipe.strength)
    if recipe.kind == "tf-idf":
        return _even_svm(rows, classes, count, recipe.strength)
    columns = [_one_against_rest(rows, classes == k, recipe.strength) for k in ([1] if count == 2 else range(count))]
    weights, bias = zip(*columns, strict=True)
    return Linear(np.stack(weights, axis=1).astype(np.float32), np.array(bias))


def log_count_ratios(rows: csr_matrix, inside: np.ndarray) -> np.ndarray:
    """How much likelier each n-gram is in the rows that are `inside`, as the difference of logarithms."""
    of_class = np.asarray(rows[inside].sum(axis=0)).ravel() + 1.0
    of_rest = np.asarray(rows[~inside].sum(axis=0)).ravel() + 1.0
    return np.log(of_class / of_class.sum()) - np.log(of_rest / of_rest.sum())


def _one_against_rest(rows: csr_matrix, inside: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
    if inside.all() or not inside.any():
        return _nothing_to_part(rows, inside)
    ratios = log_count_ratios(rows, inside)
    scaled = csr_matrix((rows.data * ratios[rows.indices], rows.indices, rows.indptr), shape=rows.shape)
    weights, bias = _svm(scaled, inside, penalty)
    weights = (1 - INTERPOLATION) * np.abs(weights).mean() + INTERPOLATION * weights
    return weights * ratios, bias


def _nothing_to_part(rows: csr_matrix, inside: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights of nothing: one fold may hold all that there is of a class."""
    return np.zeros(rows.shape[1]), 1.0 if inside.all() else -1.0


def _svm(rows: csr_matrix, inside: np.ndarray, penalty: float, balance: str | None = None) -> tuple[np.ndarray, float]:
    from sklearn.svm import LinearSVC

    machine = LinearSVC(C=penalty, class_weight=balance, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged: with a high C, which then loses
        machine.fit(rows, inside)
    return machine.coef_.ravel(), float(machine.intercept_[0])


def _even_svm(rows: csr_matrix, classes: np.ndarray, count: int, penalty: float) -> Linear:
    """One class against the rest, both alike: n-grams by the logarithm of how rare they are, texts of one length."""
    rarity = np.log((1 + rows.shape[0]) / (1 + rows.getnnz(axis=0))) + 1.0
    squares = (rarity**2).astype(np.float32)
    lengths = lengths_of(rows @ squares.astype(np.float64))
    data = rarity[rows.indices] / np.repeat(lengths, np.diff(rows.indptr))
    scaled = csr_matrix((data, rows.indices, rows.indptr), shape=rows.shape)
    columns = []
    for each in [1] if count == 2 else range(count):
        inside = classes == each
        parted = not inside.all() and inside.any()
        columns.append(_svm(scaled, inside, penalty, "balanced") if parted else _nothing_to_part(rows, inside))
    weights, bias = zip(*columns, strict=True)
    return Linear((np.stack(weights, axis=1) * rarity[:, None]).astype(np.float32), np.array(bias), squares)


def _complement_bayes(rows: csr_matrix, classes: np.ndarray, count: int, smoothing: float) -> Linear:
    member = csr_matrix((np.ones(len(classes)), (classes, np.arange(len(classes)))), shape=(count, len(classes)))
    of_class = (member @ rows).toarray()
    others = of_class.sum(axis=0) - of_class + smoothing
    weights = -np.log(others / others.sum(axis=1, keepdims=True)).T
    weights -= weights.mean(axis=1, keepdims=True)  # what says the same of all classes says nothing
    if count == 2:
        weights = (weights[:, 1:] - weights[:, :1]) / 2
    return Linear(weights.astype(np.float32), np.zeros(weights.shape[1]))


def unseen_scores(
    rows: csr_matrix, words: np.ndarray, classes: np.ndarray, count: int, folds: np.ndarray, recipe: Recipe
) -> np.ndarray:
    """The scores of each row from a model that never saw it, nor any of its fold; shape (rows, classes).

    Rows of no fold (-1) are seen by all models: no number is theirs.
    """
    scores = np.full((len(classes), count), np.nan)
    for fold in np.unique(folds[folds >= 0]):
        held = folds == fold
        seen = rows[~held]
        columns = counting_columns(seen, words, count)
        model = fit(seen[:, columns], classes[~held], count, recipe)
        scores[held] = model.scores(rows[held][:, columns])
    return scores


def choose_recipe(
    rows: csr_matrix, words: np.ndarray, classes: np.ndarray, count: int, folds: np.ndarray
) -> tuple[Recipe, np.ndarray]:
    """The recipe whose scores of unseen rows, calibrated, have the lowest log loss, and these scores.

    A strength is raised for as long as that helps, and taken over a lower one, or one kind over the other, where it is
    better by more than the standard error: of few rows a loss is known no better.
    """
    held = folds >= 0
    penalties = PENALTIES if held.sum() >= LEAST_CHOSEN else PENALTIES[:1]
    kinds: list[tuple[str, tuple[float, ...]]] = [("svm", penalties)] if count <= MANY_CLASSES else []
    kinds += [("bayes", SMOOTHINGS)] if count > 2 else []
    kinds += [("tf-idf", EVEN_PENALTIES)] if count <= MANY_CLASSES and held.sum() >= LEAST_EVEN else []
    best: tuple[np.ndarray, Recipe, np.ndarray] | None = None
    for kind, strengths in kinds:
        means: list[float] = []
        for strength in strengths:
            recipe = Recipe(kind, strength)
            scores = unseen_scores(rows, words, classes, count, folds, recipe)
            known = {kind: scores[held]}
            losses = losses_of(fit_mix(known, classes[held]).probabilities(known), classes[held])
            means.append(float(losses.mean()))
            if best is None or (gain := best[0] - losses).mean() > gain.std() / np.sqrt(len(gain)):
                best = losses, recipe, scores
            if len(means) > 2 and means[-1] > means[-2] > means[-3]:
                break
    assert best is not None
    return best[1], best[2]
