"""A classifier as a value: trained on texts and their labels, loaded from its folder, asked for classes and figures."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ulmkit.arguments import front_door
from ulmkit.classifier.learn import How, refuse_pieces_unread
from ulmkit.classifier.model import TextClassifier, read_classifier
from ulmkit.classifier.results import ClassifierEvaluation
from ulmkit.classifier.run import evaluate_classifier, save_classifier, train_classifier
from ulmkit.classifier.settings import changed_settings
from ulmkit.classifier.stages import RECIPES
from ulmkit.classifier.table import Examples
from ulmkit.errors import UsageError
from ulmkit.language.spec import Language
from ulmkit.names import home_expanded, readable
from ulmkit.notebook import html_table
from ulmkit.progress import Report, paced, silent
from ulmkit.workflow.corpus import REPORT_SECONDS
from ulmkit.workflow.languages import expect_language

if TYPE_CHECKING:
    from ulmkit.classifier.reader import TextReader

_SHOWN = 10  # rows in a notebook


class Predictions(Sequence[str]):
    """The label of each text, in their order; `probabilities` has shape (texts, classes), columns as in `classes`."""

    def __init__(self, texts: Sequence[str], classes: tuple[str, ...], probabilities: np.ndarray) -> None:
        self.texts, self.classes, self.probabilities = tuple(texts), classes, probabilities

    @property
    def labels(self) -> list[str]:
        """The likeliest class of each text."""
        return [self.classes[k] for k in self.probabilities.argmax(axis=1)]

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, place: Any) -> Any:
        return self.labels[place]

    def __repr__(self) -> str:
        return f"<Predictions: {len(self):,} texts of {len(self.classes):,} classes>"

    def _repr_html_(self) -> str:
        sure = self.probabilities.max(axis=1)
        rows = list(zip(map(_short, self.texts[:_SHOWN]), self.labels[:_SHOWN], map(float, sure), strict=False))
        title = f"{len(self):,} texts" + (f", the first {_SHOWN}" if len(self) > _SHOWN else "")
        return html_table(title, rows, headers=("text", "label", "probability"))


class ClassifierFigures:
    """What a classifier is worth on labelled texts: `accuracy` with its interval, `f1_macro`, and the whole `page`."""

    def __init__(self, evaluation: ClassifierEvaluation) -> None:
        self.evaluation = evaluation

    @property
    def accuracy(self) -> float:
        return self.evaluation.result.accuracy.value

    @property
    def f1_macro(self) -> float:
        """Mean F1 over the classes."""
        return self.evaluation.result.macro_f1

    @property
    def page(self) -> str:
        """All figures as text, as the prompt prints them."""
        return self.evaluation.summary()

    def to_json(self) -> dict[str, Any]:
        """All figures, for machines."""
        return self.evaluation.to_json()

    def __repr__(self) -> str:
        return self.page

    def _repr_html_(self) -> str:
        rows = [
            (name, each.accuracy.value, f"{each.accuracy.low:.3f} to {each.accuracy.high:.3f}", each.macro_f1)
            for name, each in self.evaluation.rows.items()
        ]
        headers = ("", "accuracy", "95 %", "F1 macro")
        return html_table(f"{self.evaluation.result.rows:,} texts", rows, headers=headers)


class Classifier:
    """Texts to classes. `classes` are their names in order, `language` whose normal form is read; None of any."""

    def __init__(self, inner: TextClassifier, language: Language | None) -> None:
        self._inner, self.language = inner, language

    @classmethod
    @front_door
    def load(cls, folder: str | Path, *, language: Language | None = None, device: str = "cpu") -> "Classifier":
        """The classifier in `folder` (`<root>/<code>/classify/<run>`, or where `save` put it); every byte is checked.

        `language`, if not given, is found by its code; language models compute on `device`. Raises `ArtifactError`
        where there is none, where it is damaged, and where its language normalizes otherwise now.

        `Classifier.load("data/fa/classify/classifier")`
        """
        return cls(read_classifier(home_expanded(folder), language, device=device), language)

    @property
    def classes(self) -> tuple[str, ...]:
        return self._inner.classes

    @property
    def about(self) -> dict[str, Any]:
        """Of what it was made, and how."""
        return self._inner.about

    @front_door
    def predict(self, texts: str | list[str] | tuple[str, ...]) -> Predictions:
        """A label for each text, with probabilities. An empty text gets the shares that classes had in training."""
        given = _texts(texts)
        return Predictions(given, self.classes, self._inner.probabilities(given))

    @front_door
    def explain(self, text: str, *, label: str | None = None, most: int = 10) -> list[tuple[str, float]]:
        """The n-grams of `text` that spoke loudest for `label` (the likeliest, if not given) or, below 0, against it.

        Each with what it adds to the logit. Raises `UsageError` for a label that is no class.
        """
        if label is not None and label not in self.classes:
            raise UsageError(f"label '{readable(label)}' is no class. Known: {', '.join(self.classes[:10])}.")
        called = self.classes.index(label) if label else int(self._inner.probabilities([text])[0].argmax())
        return self._inner.reasons(text, called, most)

    @front_door
    def evaluate(self, texts: list[str] | tuple[str, ...], labels: list[str] | tuple[str, ...]) -> ClassifierFigures:
        """ClassifierFigures on texts whose labels are known, beside the majority's; texts of training are counted.

        Raises `InputError` for a label that is no class.
        """
        return ClassifierFigures(evaluate_classifier(self._inner, _examples(texts, labels)))

    @front_door
    def save(self, folder: str | Path) -> Path:
        """Put it into `folder`, which then loads alone, and holds nothing that can run."""
        path = home_expanded(folder)
        save_classifier(path, self._inner)
        return path

    def __repr__(self) -> str:
        return f"<Classifier of {len(self.classes):,} classes: {', '.join(map(_short, self.classes[:4]))}>"

    def _repr_html_(self) -> str:
        train = self.about.get("train", {})
        rows = [("classes", ", ".join(map(_short, self.classes[:20]))), ("learned from", train.get("rows", ""))]
        rows += [("recipe", self.about.get("recipe", "")), ("signature", self.about.get("signature", ""))]
        return html_table("classifier", rows)


@front_door
def classify(
    language: Any,
    texts: list[str] | tuple[str, ...],
    labels: list[str] | tuple[str, ...],
    *,
    lm: Any = None,
    backward_lm: Any = None,
    recipe: str = "auto",
    seeds: int = 1,
    balance: str | None = None,
    smoothing: float = 0.0,
    minutes: float | None = None,
    max_pieces: int | None = None,
    valid: tuple[list[str] | tuple[str, ...], ...] | None = None,
    unlabelled: list[str] | tuple[str, ...] = (),
    classes: list[str] | tuple[str, ...] = (),
    seed: int = 0,
    device: str = "auto",
    report: Report = silent,
    **settings: Any,
) -> Classifier:
    """A classifier, learned from `texts` and their `labels`, one each: of n-grams, and of what language models read.

    `language` says the normal form in which texts are read; with None every text is read as it stands, in lower case; a
    language model in its place is `lm`. `lm` reads forward, `backward_lm` from the end; both have one tokenizer.
    `unlabelled` texts are learned from, too, below 2,000 labels. `classes` names the labels in order; else numbers
    stand by value, others by code points. The same arguments give the same classifier. `report` hears of progress.
    `valid=(texts, labels)` are rows on which strengths, the mix and the probabilities are chosen.

    `recipe` says what is done with language models: `auto`, `ngrams`, `frozen`, or tuned by `1cycle`, `gradual`,
    `fastai`, so many `seeds` times. They read the first `max_pieces` of a text (10,000, if not given) and compute on
    `device`. Of tuned ones: `balance` classes by `weights` of rows or by a `sample`, `smoothing` of labels (.1 in
    MultiFiT), `minutes` that all tuning may take, and any of the `settings` of docs/classify.md.

    Raises `InputError` for labels that nothing can be made of: one class, one row of a class, two spellings of one, and
    `UsageError` for a language model that reads in the other direction or another language.

    `ulmkit.classify(ulmkit.load("fa"), texts, labels).predict(["…"]).labels`
    """
    if language is not None and not isinstance(language, Language) and hasattr(language, "checkpoint"):
        language, lm = language.language, lm or language
    if language is not None:
        expect_language(language)
    readers = _readers(language, lm, backward_lm, max_pieces, device)
    how = _how(recipe, seeds, balance, smoothing, minutes, settings)
    how.refuse_without_effect(len(texts), len(readers))
    trained = train_classifier(
        language,
        _examples(texts, labels),
        valid=None if valid is None else _examples(*_pair(valid)),
        unlabelled=[text for text in unlabelled if text.strip()],
        labels=tuple(classes),
        readers=readers,
        how=how,
        seed=seed,
        report=paced(report, REPORT_SECONDS),
    )
    return Classifier(trained.classifier, language)


def _how(
    recipe: str, seeds: int, balance: str | None, smoothing: float, minutes: float | None, settings: dict[str, Any]
) -> How:
    """What is done with language models; refused where it is none of what can be done."""
    if recipe not in RECIPES:
        raise UsageError(f"classify: recipe {readable(recipe)} is none of {', '.join(RECIPES)}.")
    if minutes is not None and not 0 < minutes < math.inf:
        raise UsageError(f"classify: minutes is {minutes:g}, expected a number above 0.")
    asked = {"label_smoothing": smoothing} | ({"balance": balance} if balance is not None else {})
    return How(recipe, seeds, changed_settings(asked | settings), minutes)


def _pair(valid: tuple[Any, ...]) -> tuple[Any, Any]:
    if len(valid) != 2:
        raise UsageError(f"classify: valid holds {len(valid)} lists, expected two: texts and their labels.")
    return valid[0], valid[1]


def _readers(
    language: Language | None, lm: Any, backward_lm: Any, max_pieces: int | None, device: str
) -> "list[TextReader]":
    """The language models that were given; torch is loaded for them alone."""
    given = {"lm": lm, "backward_lm": backward_lm}
    refuse_pieces_unread(max_pieces, any(given.values()))
    if not any(given.values()):
        return []
    from ulmkit.classifier.reader import MOST_PIECES, reader_of_run
    from ulmkit.workflow.model import LM

    found = []
    for name, model in given.items():
        if model is None:
            continue
        if not isinstance(model, LM):
            raise UsageError(
                f"classify: {name} is {readable(ascii(model), 60)}, expected a language model, as LM.load gives."
            )
        if language is None or model.language is None or model.language.code != language.code:
            raise UsageError(f"classify: {name} reads another language. Give one of the texts' language, or none.")
        found.append(
            reader_of_run(
                model.layout,
                model.run,
                language,
                backward=name == "backward_lm",
                which=model.checkpoint,
                most_pieces=max_pieces or MOST_PIECES,
                device=device,
            )
        )
    return found


def _texts(texts: str | Sequence[str]) -> Sequence[str]:
    return [texts] if isinstance(texts, str) else texts


def _examples(texts: Sequence[str], labels: Sequence[str]) -> Examples:
    if len(texts) != len(labels):
        raise UsageError(f"{len(texts):,} texts and {len(labels):,} labels. Give one label for each text.")
    for row, (text, label) in enumerate(zip(texts, labels, strict=True), 1):
        if not text.strip() or not label.strip():
            raise UsageError(f"text {row:,} or its label is empty. Leave it out.")
    if not texts:
        raise UsageError("no texts. Give some, with a label for each.")
    return Examples("the texts", tuple(texts), tuple(labels))


def _short(text: str) -> str:
    return readable(text, 80)
