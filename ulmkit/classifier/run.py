"""Tables to a classifier in its folder, measured where a test is given."""

import csv
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ulmkit.artifacts.atomic import atomic_write, write_json
from ulmkit.artifacts.manifest import Manifest, fingerprint, signature
from ulmkit.artifacts.stage import Stage, differences, stage
from ulmkit.classifier.check import class_order, few_to_choose_on, refuse_unknown, refuse_unlearnable, remarks
from ulmkit.classifier.copies import have_copies
from ulmkit.classifier.form import TextForm
from ulmkit.classifier.learn import PLAINLY, SELF_TRAINED, How, Learned, Material, learn
from ulmkit.classifier.measure import accuracy_difference, mcnemar
from ulmkit.classifier.model import CLASSIFY_STAGE, TextClassifier, made_classifier, read_classifier, write_classifier
from ulmkit.classifier.results import Against, ClassifierEvaluation, evaluated
from ulmkit.classifier.table import Examples
from ulmkit.errors import InputError, UsageError
from ulmkit.language.spec import Language
from ulmkit.names import readable
from ulmkit.progress import Report, silent

if TYPE_CHECKING:
    from ulmkit.classifier.reader import TextReader

RECIPE = 5  # raised when the same tables give another classifier
MOST_UNLABELLED = 50_000  # texts: more cost time and change little


@dataclass(frozen=True)
class Trained:
    """A classifier, what it is worth where that was measured, and what was remarked on the way."""

    classifier: TextClassifier
    evaluation: ClassifierEvaluation | None
    lines: list[str]  # what was read
    remarks: list[str]


def train_classifier(
    language: Language | None,
    train: Examples,
    *,
    unlabelled: Sequence[str] = (),
    test: Examples | None = None,
    valid: Examples | None = None,
    labels: Sequence[str] = (),
    readers: Sequence["TextReader"] = (),
    how: How = PLAINLY,
    seed: int = 0,
    report: Report = silent,
) -> Trained:
    """A classifier of `train`, and its figures on `test`. `readers` are the language models that it reads with.

    On `valid`, where it is given, are chosen how strongly members are drawn to zero, what each weighs, and the
    probabilities; what has a near copy in `train` is left out of it. Texts of the test, and labelled ones, are left out
    of `unlabelled`. Raises `InputError` for labels that nothing can be made of, and for one of the test, or of `valid`,
    that training does not know.
    """
    tables = _tables(language, train, valid, test, labels, unlabelled)
    learned = learn(tables.material, readers=readers, how=how, seed=seed, report=report)
    line = _signature(language, tables, labels, seed, readers, how, learned.shortened)
    classifier = tables.classifier(learned, _about(tables, learned, readers, how, line))
    evaluation = None
    if test:
        copies = have_copies(tables.test_forms, tables.material.forms)
        known = tables.numbers(test.labels)
        evaluation = evaluated(
            classifier, test.texts, known, name=test.name, copies=copies, copies_are="near copies", signature=line
        )
    lines, found = _read_lines(tables, learned, bool(unlabelled)), _remarks(tables, learned)
    if readers and (cut := readers[0].cut(train.texts)):
        found.append(f"{cut:,} of the texts have over {readers[0].most_pieces:,} pieces: language models read no more.")
    return Trained(classifier, evaluation, lines, found)


@dataclass(frozen=True)
class _Tables:
    """The tables as they are learned from: forms, numbers of classes, and what was left out."""

    train: Examples
    valid: Examples | None
    test: Examples | None
    classes: tuple[str, ...]
    form: TextForm
    material: Material
    test_forms: list[str]
    copied: int  # rows of `valid` with a near copy in training
    left_out: int  # unlabelled texts

    @property
    def forms(self) -> Sequence[str]:
        """Of training."""
        return self.material.forms[: self.material.labels]

    @property
    def valid_forms(self) -> Sequence[str]:
        return self.material.forms[self.material.labels :]

    def numbers(self, labels: Sequence[str]) -> np.ndarray:
        """The class of each label."""
        return _numbers(self.classes, labels)

    def classifier(self, learned: Learned, about: dict[str, Any]) -> TextClassifier:
        """What was learned, with all texts that it has seen, and the classes' shares in training."""
        of_training = self.material.classes[: self.material.labels]
        return made_classifier(learned, self.classes, self.form, self.material.forms, of_training, about)


def _numbers(classes: Sequence[str], labels: Sequence[str]) -> np.ndarray:
    places = {label: number for number, label in enumerate(classes)}
    return np.array([places[label] for label in labels])


def _tables(
    language: Language | None,
    train: Examples,
    valid: Examples | None,
    test: Examples | None,
    labels: Sequence[str],
    unlabelled: Sequence[str],
) -> _Tables:
    """The tables, refused where nothing can be learned from them."""
    refuse_unlearnable(train, labels)
    classes = class_order(train.labels, labels)
    for table in (test, valid):
        if table:
            refuse_unknown(table, classes)
    form = TextForm(language)
    forms, test_forms = form.all_of(train.texts), form.all_of(test.texts if test else ())
    texts, given, copied = train.texts, train.labels, 0
    if valid:
        valid, valid_forms, copied = _unseen(valid, form.all_of(valid.texts), forms)
        texts, given, forms = texts + valid.texts, given + valid.labels, forms + valid_forms
    unlabelled_forms = form.all_of(unlabelled)
    kept, left_out = _pool(unlabelled_forms, forms, test_forms)
    material = Material(
        texts,
        forms,
        _numbers(classes, given),
        len(classes),
        [unlabelled[place] for place in kept],
        [unlabelled_forms[place] for place in kept],
        len(texts) - len(train.texts),
    )
    return _Tables(train, valid, test, classes, form, material, test_forms, copied, left_out)


def _about(tables: _Tables, learned: Learned, readers: Sequence["TextReader"], how: How, line: str) -> dict[str, Any]:
    """What config.json says of how a classifier was made."""
    train, pool = tables.train, tables.material.unlabelled
    read = {"files": train.name, "rows": len(train.texts), "classes": dict(Counter(train.labels))}
    about = {
        "signature": line,
        "train": read | ({"table": train.layout} if train.layout else {}),
        "unlabelled": {"texts": len(pool), "learned_from": learned.learned_from, "left_out": tables.left_out},
        "recipe": learned.recipe,
        "language_models": {reader.direction: reader.source for reader in readers},
        "weighed_on": list(learned.weighed_on),
    }
    if learned.shortened:
        about["shares_of_steps"] = dict(learned.shortened)
    if valid := tables.valid:
        about["valid"] = {"files": valid.name, "rows": len(valid.texts), "copies_left_out": tables.copied}
    return about | ({"tuning": how.settings.changed} if how.settings.changed else {})


def _read_lines(tables: _Tables, learned: Learned, unlabelled: bool) -> list[str]:
    """What was read, a line or two for each table."""
    lines = [_read("train", tables.train, tables.forms)]
    if tables.valid:
        left = f"; {tables.copied:,} near copies of training texts left out" if tables.copied else ""
        lines.append(_read("valid", tables.valid, tables.valid_forms) + left)
    if unlabelled:
        used = f"{learned.learned_from:,} learned from" if SELF_TRAINED in learned.members else "none learned from"
        pool = len(tables.material.unlabelled)
        lines.append(
            f"unlabelled  {pool:,} texts  {used}, {tables.left_out:,} that are in the tables or repeated left out"
        )
    return lines + ([_read("test", tables.test, tables.test_forms)] if tables.test else [])


def _remarks(tables: _Tables, learned: Learned) -> list[str]:
    """What to beware of in the tables, and in what was learned."""
    found = remarks(tables.train.labels, tables.forms) + list(learned.remarks)
    if tables.valid:
        found += few_to_choose_on(tables.valid.labels, tables.classes)
    if tables.test:
        of_test = remarks(tables.test.labels, tables.test_forms)
        found += [f"in the test, {each}" for each in of_test if "two labels" in each]
    return found


def _signature(
    language: Language | None,
    tables: _Tables,
    labels: Sequence[str],
    seed: int,
    readers: Sequence["TextReader"],
    how: How,
    shortened: Mapping[str, float],
) -> str:
    """What names a classifier: of the same line the same one is made. How many steps fit into minutes the clock says,
    so that the share of them stands beside the minutes."""
    train, valid, pool = tables.train, tables.valid, tables.material.unlabelled_forms
    return signature(
        "classify",
        language=f"{language.code}@{language.fingerprint}" if language else "none",
        form=tables.form.fingerprint,
        train=fingerprint([train.texts, train.labels]),
        rows=len(train.texts),
        valid=fingerprint([valid.texts, valid.labels]) if valid else None,
        unlabelled=fingerprint(list(pool)) if pool else None,
        labels=fingerprint(list(labels)) if labels else None,
        models="+".join(f"{reader.direction}@{reader.fingerprint}" for reader in readers) or None,
        tuned=how.stages(len(train.texts)) or None if readers else None,
        seeds=how.seeds if how.seeds > 1 else None,
        tuning=fingerprint(how.settings.changed) if how.settings.changed else None,
        minutes=how.minutes,
        steps="+".join(f"{name.split()[-1]}@{share!r}" for name, share in shortened.items()) or None,
        seed=seed,
        recipe=RECIPE,
    )


def _unseen(valid: Examples, forms: list[str], train: Sequence[str]) -> tuple[Examples, list[str], int]:
    """Those rows of `valid` that have no near copy among the texts of training, their forms, and how many had one."""
    copied = have_copies(forms, train)
    rows = np.flatnonzero(~copied).tolist()
    if not rows:
        raise InputError(
            f"{valid.name}: every text is a near copy of one of training: nothing is left to choose on. Give other "
            "rows, or none."
        )
    return valid.part(rows), [forms[row] for row in rows], int(copied.sum())


def _pool(unlabelled: Sequence[str], train: Sequence[str], test: Sequence[str]) -> tuple[list[int], int]:
    """Which unlabelled texts are read, each once and none that is in another table, and how many were left out.

    Few of too many.
    """
    known = {*train, *test, ""}
    first = {text: place for place, text in reversed(list(enumerate(unlabelled)))}
    kept = sorted(place for text, place in first.items() if text not in known)
    left_out = len(unlabelled) - len(kept)
    if len(kept) > MOST_UNLABELLED:
        chosen = np.sort(np.random.default_rng(0).permutation(len(kept))[:MOST_UNLABELLED])
        kept = [kept[place] for place in chosen]
    return kept, left_out


def _read(name: str, examples: Examples, forms: Sequence[str]) -> str:
    """What a table holds, in a line or two."""
    counts = sorted(Counter(examples.labels).items(), key=lambda item: (-item[1], item[0]))
    lengths = sorted(map(len, forms))
    total = len(forms)
    shares = "  ".join(f"{readable(label, 20)} {100 * times / total:.1f} %" for label, times in counts[:3])
    more = f"  and {len(counts) - 3:,} more" if len(counts) > 3 else ""
    return (
        f"{name:10}  {total:,} texts  {shares}{more}\n{'':12}characters: median {lengths[total // 2]:,}, longest "
        f"{lengths[-1]:,}; {total - len(set(forms)):,} repeated"
    )


def train_run(
    language: Language,
    folder: Path,
    train: Examples,
    *,
    unlabelled: Sequence[str] = (),
    test: Examples | None = None,
    valid: Examples | None = None,
    labels: Sequence[str] = (),
    readers: Sequence["TextReader"] = (),
    how: How = PLAINLY,
    seed: int = 0,
    force: bool = False,
    report: Report = silent,
) -> Trained:
    """`train_classifier` into `folder`, with evaluation.json and predictions.csv where there is a test.

    What stands there from the same tables is made again to the same bytes, but for what fits into minutes. A tuning
    that was killed goes on where it was, since its place is kept in `<root>/<code>/work/classify/<run>` until the
    classifier stands. Raises `UsageError` where another classifier stands there, unless `force`, and for what `how`
    asks of tuned members where none is tuned; nothing is half-written.
    """
    how.refuse_without_effect(len(train.texts), len(readers))
    inputs = {
        "train": fingerprint([train.texts, train.labels]),
        "unlabelled": fingerprint(list(unlabelled)),
        "test": fingerprint([test.texts, test.labels] if test else []),
        "settings": {"labels": list(labels), "seed": seed, "recipe": RECIPE},
        "form": TextForm(language).fingerprint,
        "valid": fingerprint([valid.texts, valid.labels]) if valid else None,
        **how.inputs(readers),
    }
    with stage(folder, CLASSIFY_STAGE, doing="training a classifier") as work:
        standing = work.standing()
        changed = differences(standing.inputs, inputs) if standing else []
        if changed and not force:
            raise UsageError(
                f"{folder}: a classifier of other tables or settings is here ({', '.join(changed)}). "
                "Choose another --run, or --force."
            )
        kept = folder.parent.parent / "work" / CLASSIFY_STAGE / folder.name
        trained = train_classifier(
            language,
            train,
            unlabelled=unlabelled,
            test=test,
            valid=valid,
            labels=labels,
            readers=readers,
            how=replace(how, kept=kept),
            seed=seed,
            report=report,
        )
        write_classifier(work.new, trained.classifier)
        if trained.evaluation and test:
            write_json(work.new / "evaluation.json", trained.evaluation.to_json())
            _write_predictions(work.new / "predictions.csv", test, trained.evaluation)
        _finish(work, {"inputs": inputs, "language": language.code, "signature": trained.classifier.about["signature"]})
    shutil.rmtree(kept, ignore_errors=True)
    return trained


def _finish(work: Stage, content: dict[str, Any]) -> Manifest:
    return work.finish({**content, "fingerprint": fingerprint(content)})


def _write_predictions(path: Path, test: Examples, evaluation: ClassifierEvaluation) -> None:
    """What each row of the test was called, and how probable that was."""
    with atomic_write(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("file", "line", "id", "label", "predicted", "probability"))
        for row, p in enumerate(evaluation.probabilities):
            best = int(p.argmax())
            id_ = test.ids[row] if test.ids else ""
            place = (test.files[row], test.lines[row]) if test.lines else ("", row + 1)
            writer.writerow((*place, id_, test.labels[row], evaluation.classes[best], f"{p[best]:.4f}"))


def save_classifier(folder: Path, classifier: TextClassifier) -> None:
    """Put `classifier` into `folder`, whole or not at all; what stood there goes."""
    with stage(folder, CLASSIFY_STAGE, doing="saving a classifier") as work:
        write_classifier(work.new, classifier)
        content = {"inputs": {}, "language": classifier.form.code, "signature": classifier.about.get("signature", "")}
        _finish(work, content)


def evaluate_classifier(classifier: TextClassifier, test: Examples) -> ClassifierEvaluation:
    """Figures of a classifier on `test`; texts of its training are counted, and left out in a second figure."""
    refuse_unknown(test, classifier.classes)
    numbers = {label: number for number, label in enumerate(classifier.classes)}
    forms = classifier.form.all_of(test.texts)
    true = np.array([numbers[label] for label in test.labels])
    line = f"{classifier.about.get('signature', '')}|test:{fingerprint([test.texts, test.labels])}"
    return evaluated(classifier, test.texts, true, name=test.name, copies=classifier.known_texts(forms), signature=line)


def open_run(folder: Path, language: Language, *, device: str = "cpu") -> TextClassifier:
    """The classifier of a run of `language`. Raises `ArtifactError` where it is of another one."""
    return read_classifier(folder, language, device=device)


def runs_compared(found: ClassifierEvaluation, other: ClassifierEvaluation, name: str) -> Against:
    """One classifier less another, called `name`, on the same rows of one test."""
    called, others = (
        np.array([each.classes[best] for best in each.probabilities.argmax(axis=1)]) for each in (found, other)
    )
    true = np.array([found.classes[k] for k in found.true])
    return Against(name, accuracy_difference(true, called, others), mcnemar(true, called, others))
