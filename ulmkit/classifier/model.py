"""A classifier as a value: its classes, its members, how they are mixed, and how it is kept in a folder."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from ulmkit.artifacts.atomic import atomic_write, read_json, write_json
from ulmkit.artifacts.layout import names_beside
from ulmkit.artifacts.manifest import Manifest, fits_checksum, with_checksum
from ulmkit.classifier.features import once
from ulmkit.classifier.form import TextForm
from ulmkit.classifier.learn import NEURAL, NGRAMS, SELF_TRAINED, ClassifierMember, Learned
from ulmkit.classifier.mix import MOST_POWER, TINY, Mix
from ulmkit.classifier.ngrams import Linear, NGramModel
from ulmkit.classifier.tensors import LARGEST, LEAST_SIZE, tensors_of
from ulmkit.corpus.shingles import WordHasher
from ulmkit.errors import ArtifactError
from ulmkit.language.registry import get
from ulmkit.language.spec import Language

CLASSIFY_STAGE = "classify"
_FORMAT = 1
_CONFIG, _MIX = "config.json", "mix.json"
_FILES = {NGRAMS: "ngrams.safetensors", SELF_TRAINED: "self-trained.safetensors"}
KNOWN = {*_FILES, *NEURAL}
_EXPLAINED = 1_000  # characters of a text that words are left out of one by one
_SEEN = "seen"  # tensor: a hash of every text of training
_SQUARES = "squares"  # tensor: what an n-gram adds to the square of a text's length, where texts have lengths
_TENSORS = {"keys": np.uint64, "text": np.uint8, "offsets": np.int64, "weights": np.float32, "bias": np.float64}


@dataclass(frozen=True)
class TextClassifier:
    """What `learn` made, with the names of its classes. `about` is what config.json says of how it was made."""

    classes: tuple[str, ...]
    form: TextForm
    members: Mapping[str, ClassifierMember]
    mix: Mix
    alone: dict[str, Mix]  # each member's own calibration
    shares: np.ndarray  # of the classes in training
    seen: np.ndarray  # hashes of the texts of training, sorted
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Of training; 0 where that is not known."""
        train = self.about.get("train")
        rows = train.get("rows") if isinstance(train, dict) else 0
        return rows if isinstance(rows, int) else 0

    @property
    def least_weighed_on(self) -> float:
        """How many rows of its rarest class the probabilities come from."""
        times = self.about.get("weighed_on")
        if isinstance(times, list) and len(times) == len(self.classes) and all(type(each) is int for each in times):
            return min(times)
        return self.rows * float(self.shares.min())

    def scores(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """Each member's scores of `texts`, shape (texts, classes)."""
        return self._scores_by(self.members, texts, self.form.all_of(texts))

    def _scores_by(self, names: Iterable[str], texts: Sequence[str], forms: Sequence[str]) -> dict[str, np.ndarray]:
        members = {name: self.members[name] for name in names}
        return {n: each.scores(forms if isinstance(each, NGramModel) else texts) for n, each in members.items()}

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """Shape (texts, classes); of a text without any character, the shares of the classes in training."""
        forms = self.form.all_of(texts)
        found = self.mix.probabilities(self._scores_by(self.mix.weights, texts, forms))
        found[[not form for form in forms]] = self.shares
        return found

    def reasons(self, text: str, class_: int, most: int) -> list[tuple[str, float]]:
        """The n-grams and words of `text` that spoke loudest for or against a class: what each adds to its logit.

        Of an n-gram that is its weight, of a word to a language model what goes when the word is left out. What either
        says of all classes alike is taken off.
        """
        added: dict[str, float] = {}
        scores = self._scores_by(self.mix.weights, [text], [self.form(text)])
        factor = float(self.mix.factors(self.mix.total(scores))[0])
        for name, weight in self.mix.weights.items():
            member = self.members[name]
            if isinstance(member, NGramModel):
                spoken = member.spoken(self.form(text))
            else:
                spoken = _left_out(member, text[:_EXPLAINED])
            for gram, each in spoken:
                added[gram] = added.get(gram, 0.0) + factor * weight * float(each[class_] - each.mean())
        return sorted(added.items(), key=lambda item: (-abs(item[1]), item[0]))[:most]

    def known_texts(self, forms: Sequence[str]) -> np.ndarray:
        """Which of `forms`, texts in form, were trained with."""
        return np.isin(hashes_of(forms), self.seen)


def _left_out(member: ClassifierMember, text: str) -> list[tuple[str, np.ndarray]]:
    """Each word of `text`, and what it adds to the scores of a member that reads whole texts."""
    words = list(dict.fromkeys(text.split()))
    without = [" ".join(each for each in text.split() if each != word) for word in words]
    scores = member.scores([text, *without])
    return [(word, scores[0] - each) for word, each in zip(words, scores[1:], strict=True)]


def hashes_of(forms: Sequence[str]) -> np.ndarray:
    """A number for each text in form, shape (texts,)."""
    return WordHasher()([form.replace(" ", "_") or "_" for form in forms])


def made_classifier(
    learned: Learned,
    classes: Sequence[str],
    form: TextForm,
    forms: Sequence[str],
    labels: np.ndarray,
    about: Mapping[str, Any],
) -> TextClassifier:
    """The classifier of what was learned and chosen with texts in `forms`; the first of them had the `labels`."""
    shares = np.bincount(labels, minlength=len(classes)) / len(labels)
    seen = once(hashes_of(forms))
    return TextClassifier(tuple(classes), form, learned.members, learned.mix, learned.alone, shares, seen, dict(about))


def write_classifier(folder: Path, classifier: TextClassifier) -> None:
    """Write its files into `folder`; whoever calls puts them in their place and seals them."""
    neural = {name: each for name, each in classifier.members.items() if not isinstance(each, NGramModel)}
    if neural:
        from ulmkit.classifier.neural import write_neural

        write_neural(folder, neural)
    for name, member in classifier.members.items():
        if not isinstance(member, NGramModel):
            continue
        encoded = [gram.encode("utf-8", "surrogatepass") for gram in member.names]
        tensors = {
            "keys": member.keys,
            "text": np.frombuffer(b"".join(encoded), np.uint8),
            "offsets": np.cumsum([0, *map(len, encoded)], dtype=np.int64),
            "weights": np.ascontiguousarray(member.linear.weights),
            "bias": member.linear.bias,
        }
        if member.linear.squares is not None:
            tensors[_SQUARES] = member.linear.squares
        if name == NGRAMS:
            tensors[_SEEN] = classifier.seen
        with atomic_write(folder / _FILES[name]) as file:
            file.write(safetensors.numpy.save(tensors))
    config = {
        "format": _FORMAT,
        "language": classifier.form.code,
        "form": classifier.form.fingerprint,
        "classes": list(classifier.classes),
        "shares": classifier.shares.tolist(),
        "members": list(classifier.members),
        "about": classifier.about,
    }
    write_json(folder / _CONFIG, with_checksum(config))
    mixes = {"mix": _mix_json(classifier.mix)} | {name: _mix_json(mix) for name, mix in classifier.alone.items()}
    write_json(folder / _MIX, with_checksum(mixes))


def _mix_json(mix: Mix) -> dict[str, Any]:
    plain = {"weights": mix.weights, "bias": mix.bias.tolist()}
    if mix.shift is None:
        return plain
    return plain | {"power": mix.power, "size": mix.size, "shift": mix.shift.tolist()}


def read_classifier(folder: Path, language: Language | None = None, *, device: str = "cpu") -> TextClassifier:
    """The classifier in `folder`, every byte and every field checked. Nothing in it can run.

    Its language models compute on `device`. `language` is found by the code in config.json, if it is not given. Raises
    `ArtifactError` where there is none, where it is damaged, and where its language normalizes otherwise now.
    """
    if not folder.is_dir():
        beside = names_beside(folder)
        raise ArtifactError(f"{folder}: no classifier here.{beside} Train one with `ulmkit classify train`.")
    manifest = Manifest.read(folder, CLASSIFY_STAGE)
    if wrong := manifest.problems():
        raise ArtifactError(f"{wrong[0]}. Use another copy, or train again.")
    config, mixes = (_sealed(folder / name, manifest) for name in (_CONFIG, _MIX))
    where = folder / _CONFIG
    if config.get("format") != _FORMAT:
        raise ArtifactError(f"{where}: format {str(config.get('format'))[:20]}, this version reads {_FORMAT}.")
    classes: Any = config.get("classes")
    members: Any = config.get("members")
    shares: Any = config.get("shares")
    if not _names(classes, 2) or not _names(members, 1) or not set(members) <= KNOWN:
        raise ArtifactError(f"{where}: its classes or members are no list of names. Use another copy, or train again.")
    if not _numbers(shares, len(classes)) or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        raise ArtifactError(f"{where}: 'shares' is damaged. Use another copy, or train again.")
    code = config.get("language")
    form = TextForm((language or get(code)) if isinstance(code, str) and code else None)
    if form.fingerprint != config.get("form"):
        raise ArtifactError(
            f"{where}: trained with another normal form of '{form.code}' than it has now. Train again, or take the "
            "language folder of then."
        )
    found: dict[str, ClassifierMember] = {}
    seen = np.empty(0, np.uint64)
    neural = [name for name in members if name not in _FILES]
    read_members: Mapping[str, ClassifierMember] = {}
    if neural:
        from ulmkit.classifier.neural import move_neural, read_neural

        read_members = read_neural(folder, neural, len(classes), manifest, form.language)
        move_neural(read_members, device)
    for name in members:
        if name in read_members:
            found[name] = read_members[name]
            continue
        tensors = tensors_of(folder, _FILES[name], manifest)
        found[name] = _member(tensors, len(classes), folder / _FILES[name])
        seen = tensors.get(_SEEN, seen)
        if seen.dtype != np.uint64 or seen.ndim != 1:
            raise ArtifactError(f"{folder / _FILES[name]}: '{_SEEN}' is damaged. Use another copy, or train again.")
    read = {name: _mix(mixes.get(name), members, len(classes), folder / _MIX) for name in ("mix", *members)}
    about = config.get("about")
    return TextClassifier(
        tuple(classes), form, found, read.pop("mix"), read, np.array(shares, float), seen,
        about if isinstance(about, dict) else {},
    )  # fmt: skip


def _sealed(path: Path, manifest: Manifest) -> dict[str, Any]:
    if path.name not in manifest.files:
        raise ArtifactError(f"{path}: not named in the manifest. Use another copy, or train again.")
    content = read_json(path)
    if not fits_checksum(content):
        raise ArtifactError(f"{path}: damaged (its checksum does not fit). Use another copy, or train again.")
    return content


def _names(value: Any, least: int) -> bool:
    return (
        isinstance(value, list) and len(value) >= least and all(isinstance(each, str) for each in value)
        and len(set(value)) == len(value)
    )  # fmt: skip


def _numbers(value: Any, count: int) -> bool:
    """Whether `value` is a list of so many numbers, each finite, and so small that sums of them are, too."""
    return (
        isinstance(value, list) and len(value) == count and all(type(each) in (int, float) for each in value)
        and all(abs(each) < LARGEST for each in value)
    )  # fmt: skip


def _mix(value: Any, members: Sequence[str], classes: int, path: Path) -> Mix:
    weights = value.get("weights") if isinstance(value, dict) else None
    if (
        not isinstance(weights, dict) or not weights or not weights.keys() <= set(members)
        or not _numbers(list(weights.values()), len(weights)) or not _numbers(value.get("bias"), classes)
    ):  # fmt: skip
        raise ArtifactError(f"{path}: weights or bias are damaged. Use another copy, or train again.")
    found = Mix({name: float(weight) for name, weight in weights.items()}, np.array(value["bias"], float))
    if "power" not in value:
        return found
    power, size, shift = (value.get(name) for name in ("power", "size", "shift"))
    if not (
        _numbers([power, size], 2) and 0 <= power <= MOST_POWER and size >= TINY and _numbers(shift, classes)
    ):  # fmt: skip
        raise ArtifactError(f"{path}: power, size or shift are damaged. Use another copy, or train again.")
    return replace(found, power=float(power), size=float(size), shift=np.array(shift, float))


def _member(tensors: Mapping[str, np.ndarray], classes: int, path: Path) -> NGramModel:
    for name, kind in _TENSORS.items():
        if name not in tensors or tensors[name].dtype != kind:
            raise ArtifactError(f"{path}: '{name}' is missing or of another type. Use another copy, or train again.")
    keys, offsets, weights, bias = (tensors[name] for name in ("keys", "offsets", "weights", "bias"))
    columns, text = 1 if classes == 2 else classes, tensors["text"].tobytes()
    fits = (
        keys.ndim == 1 and weights.shape == (len(keys), columns) and bias.shape == (columns,)
        and offsets.shape == (len(keys) + 1,) and bool((np.diff(offsets) >= 0).all())
        and bool((keys[1:] > keys[:-1]).all()) and offsets[0] == 0 and offsets[-1] == len(text)
    )  # fmt: skip
    if not fits:
        raise ArtifactError(f"{path}: its tensors do not fit each other. Use another copy, or train again.")
    if not ((abs(weights) < LARGEST).all() and (abs(bias) < LARGEST).all()):
        raise ArtifactError(f"{path}: holds values that are no numbers. Use another copy, or train again.")
    squares = tensors.get(_SQUARES)
    if squares is not None and not (
        squares.dtype == np.float32 and squares.shape == keys.shape
        and bool(((squares >= LEAST_SIZE) & (squares < LARGEST)).all())
    ):  # fmt: skip
        raise ArtifactError(f"{path}: '{_SQUARES}' is damaged. Use another copy, or train again.")
    places = offsets.tolist()
    names = [text[a:b].decode("utf-8", "replace") for a, b in pairwise(places)]
    return NGramModel(keys, names, Linear(weights, bias, squares))
