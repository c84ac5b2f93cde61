"""What is wrong with labelled texts: what no classifier can be made of is refused, what to beware of is said."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from ulmkit.classifier.table import Examples
from ulmkit.errors import InputError
from ulmkit.names import readable

HARDLY_ENOUGH_ROWS = 10  # of a class: hardly enough to learn it
ROUGH_ROWS = 50  # of a class: below, probabilities are rough
RARE_ROWS = 5
MOST_RARE = 50  # classes with fewer rows than that: these are no classes
MAJORITY = 0.98
_SEVERAL = re.compile(r"\s*[,;|]\s*")


def class_order(labels: Sequence[str], named: Sequence[str] = ()) -> tuple[str, ...]:
    """Classes in order: as `named`, else numbers by value, else by code points.

    >>> class_order(["10", "2", "-1"]), class_order(["b", "a", "10"])
    (('-1', '2', '10'), ('10', 'a', 'b'))
    >>> class_order(["nan", "2", "1"])  # no order holds between numbers and what is none
    ('1', '2', 'nan')
    """
    if named:
        return tuple(named)
    found = set(labels)
    try:
        values = {label: float(label) for label in found}
    except ValueError:
        return tuple(sorted(found))
    if any(math.isnan(value) for value in values.values()):
        return tuple(sorted(found))
    return tuple(sorted(found, key=lambda label: (values[label], label)))


def refuse_unlearnable(examples: Examples, named: Sequence[str] = ()) -> None:
    """Raise `InputError`, one line, for labels that no classifier can be made of."""
    counts = Counter(examples.labels)
    for check in (_unnamed, _spelled_twice, _several, _too_few):
        if wrong := check(examples, counts, named):
            raise InputError(wrong)


def _unnamed(examples: Examples, counts: Counter[str], named: Sequence[str]) -> str:
    if not named:
        return ""
    for row, label in enumerate(examples.labels):
        if label not in named:
            return f"{examples.where(row)}: label '{readable(label)}' is not one of --labels ({_list(named)})."
    absent = [label for label in named if label not in counts]
    return f"{examples.name}: no row has the label '{readable(absent[0])}' of --labels." if absent else ""


def _spelled_twice(examples: Examples, counts: Counter[str], named: Sequence[str]) -> str:
    spelled: dict[str, list[str]] = defaultdict(list)
    for label in counts:
        spelled[" ".join(label.casefold().split())].append(label)
    for each in spelled.values():
        if len(each) > 1 and not named:
            one, two = sorted(each, key=lambda label: (-counts[label], label))[:2]
            return (
                f"{examples.name}: labels '{readable(one)}' ({_rows(counts[one])}) and '{readable(two)}' "
                f"({_rows(counts[two])}). One label? Clean it or name all with --labels."
            )
    return ""


def _several(examples: Examples, counts: Counter[str], named: Sequence[str]) -> str:
    for row, label in enumerate(examples.labels):
        parts = _SEVERAL.split(label)
        if not named and len(parts) > 1 and all(part in counts for part in parts):
            return (
                f"{examples.where(row)}: '{readable(label)}' is several labels; one of each text is learned. "
                "Keep one, or name all with --labels."
            )
    return ""


def _too_few(examples: Examples, counts: Counter[str], named: Sequence[str]) -> str:
    if len(counts) < 2:
        return f"{examples.name}: one class only, '{readable(next(iter(counts)))}'. At least two are told apart."
    single = sorted(label for label, rows in counts.items() if rows < 2)
    rare = [label for label, rows in counts.items() if rows < RARE_ROWS]
    if len(rare) > MOST_RARE:
        return (
            f"{examples.name}: {len(rare):,} of {len(counts):,} labels have under {RARE_ROWS} rows each "
            f"({_list(sorted(rare))}). Is this the right column?"
        )
    return f"{examples.name}: one row only of {_list(single)}. Add rows, or leave it out." if single else ""


def refuse_unknown(examples: Examples, classes: Sequence[str], trained: str = "training") -> None:
    """Raise `InputError` for a label that is none of `classes`."""
    for row, label in enumerate(examples.labels):
        if label not in classes:
            raise InputError(
                f"{examples.where(row)}: label '{readable(label)}' is not in {trained} ({_list(classes)})."
            )


def remarks(labels: Sequence[str], forms: Sequence[str]) -> list[str]:
    """What to beware of: classes with few rows, the same text under two labels. `forms` are the texts in form."""
    found = []
    few = sorted((label for label, rows in Counter(labels).items() if rows < HARDLY_ENOUGH_ROWS))
    if few:
        found.append(
            f"under {HARDLY_ENOUGH_ROWS} rows of {_list(few)}: hardly enough to learn"
            f" {'it' if len(few) == 1 else 'them'}."
        )
    held: dict[str, set[str]] = defaultdict(set)
    for form, label in zip(forms, labels, strict=True):
        held[form].add(label)
    if torn := sum(len(each) > 1 for each in held.values()):
        found.append(f"{torn:,} {'text stands' if torn == 1 else 'texts stand'} under two labels: see which is right.")
    return found


def few_to_choose_on(labels: Sequence[str], classes: Sequence[str]) -> list[str]:
    """What to beware of where strengths, weights and probabilities are chosen on rows with these `labels`."""
    counts = Counter(labels)
    few = sorted(label for label in classes if counts[label] < HARDLY_ENOUGH_ROWS)
    return [f"in --valid, under {HARDLY_ENOUGH_ROWS} rows of {_list(few)}: what is chosen is rough."] if few else []


def majority_warning(called: np.ndarray, true: np.ndarray, classes: Sequence[str]) -> str:
    """The warning where nearly every row is called one class that not nearly every row is; else nothing."""
    times = np.bincount(called, minlength=len(classes))
    most = int(times.argmax())
    if len(called) < 2 or times[most] <= MAJORITY * len(called) or (true == most).mean() >= MAJORITY:
        return ""
    return (
        f"{times[most]:,} of {len(called):,} texts are called {readable(classes[most])}, and "
        f"{int((true == most).sum()):,} are: one answer for nearly all is no classifier."
    )


def _rows(count: int) -> str:
    return f"{count:,} {'row' if count == 1 else 'rows'}"


def _list(labels: Sequence[str]) -> str:
    shown = ", ".join(readable(label, 30) for label in labels[:8])
    return f"{shown} and {len(labels) - 8:,} more" if len(labels) > 8 else shown
