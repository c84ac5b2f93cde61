"""Which rows are held out together: folds of equal make, near copies in one."""

import numpy as np

FOLDS = 5


def stratified_folds(classes: np.ndarray, groups: np.ndarray, *, seed: int = 0, count: int = FOLDS) -> np.ndarray:
    """A fold below `count` for each row: classes are spread evenly, and rows of one group stand in one fold."""
    rng = np.random.default_rng(seed)
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.argsort(group, kind="stable")
    ends = np.cumsum(sizes)
    turn = np.lexsort((rng.permutation(len(sizes)), -sizes))  # large ones first
    of_class = np.zeros((int(classes.max()) + 1, count), np.int64)
    folds = np.zeros(len(classes), np.int64)
    for each in turn:
        rows = order[ends[each] - sizes[each] : ends[each]]
        label = np.bincount(classes[rows]).argmax()
        total = of_class.sum(axis=0)
        fold = np.lexsort((total, of_class[label]))[0]
        folds[rows] = fold
        np.add.at(of_class[:, fold], classes[rows], 1)
    return folds
