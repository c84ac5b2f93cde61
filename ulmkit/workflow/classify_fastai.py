"""A tuned classifier to fastai and back: its network in fastai's files, and theirs as a classifier of ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ulmkit.artifacts.atomic import temporary_beside
from ulmkit.artifacts.layout import Layout
from ulmkit.artifacts.manifest import MANIFEST, package_versions, signature, whole_files
from ulmkit.artifacts.stage import unlocked_stage
from ulmkit.classifier.form import TextForm
from ulmkit.classifier.learn import DIRECTIONS, TUNED
from ulmkit.classifier.mix import Mix
from ulmkit.classifier.model import TextClassifier, read_classifier
from ulmkit.classifier.reader import TextReader
from ulmkit.classifier.run import save_classifier
from ulmkit.classifier.tuned import TunedMember, net_scores, read_net
from ulmkit.errors import UlmkitError, UsageError
from ulmkit.language.spec import Language
from ulmkit.lm.checkpoint import build_model, model_sizes, write_bytes
from ulmkit.lm.config import LMConfig, replace_config
from ulmkit.lm.identity import Identity
from ulmkit.publish.export import EXPORT
from ulmkit.publish.fastai_classifier import (
    FastaiClassifier,
    fastai_scores,
    read_fastai_classifier,
    write_fastai_classifier,
)
from ulmkit.tokenizer.model import BOS, Tokenizer

ALLOWED = 1e-5  # between scores
_LENGTHS = (1, 7, 72, 73, 300)


@dataclass(frozen=True)
class ExportedClassifier:
    """What was written, and how far fastai's scores are from ours at most."""

    folder: Path
    difference: float
    signature: str


def export_classifier(run: Path, out: Path, language: Language, *, name: str = "model") -> ExportedClassifier:
    """Write the first network of the tuned member of the classifier in `run` to folder `out`, in fastai's files.

    What was written is loaded by fastai, and compared on texts that are read alone. Raises `UsageError` where the
    classifier has no tuned member or `out` holds something else, `ArtifactError` for another head than fastai's,
    `UlmkitError` where fastai says otherwise; nothing is kept then.
    """
    if out.exists() and any(out.iterdir()) and not (out / MANIFEST).exists():
        raise UsageError(f"{out}: is there and is no export. Choose another --out.")
    classifier = read_classifier(run, language)
    member = next((each for each in classifier.members.values() if isinstance(each, TunedMember)), None)
    if member is None:
        raise UsageError(f"{run}: no language model was tuned for it. Train with --lm RUN --recipe fastai.")
    net, reader = member.nets[0], member.reader
    weights = {n: value for n, value in net.encoder.state_dict().items() if n != "decoder_bias"}
    with unlocked_stage(out, EXPORT, temporary_beside(out)) as work:
        order = write_fastai_classifier(
            work.new,
            FastaiClassifier(weights, net.head.state_dict()),
            reader.tokenizer.inventory,
            classifier.classes,
            name=name,
            backward=reader.direction == "backward",
        )
        for file, content in reader.files.items():
            (work.new / "tokenizer").mkdir(exist_ok=True)
            write_bytes(work.new / "tokenizer" / file, content)
        rng = np.random.default_rng(0)
        texts = [rng.integers(BOS, reader.tokenizer.vocabulary, length) for length in _LENGTHS]
        theirs = fastai_scores(work.new, name, texts, order)
        difference = float(np.abs(np.vstack([net_scores(net, [t]) for t in texts]) - theirs).max())
        if not difference <= ALLOWED:
            raise UlmkitError(f"{out}: fastai's scores differ by {difference:.1e}, allowed are {ALLOWED:.0e}.")
        line = signature(EXPORT, language=language.code, format="fastai", tokenizer=reader.tokenizer.fingerprint)
        versions = package_versions(["torch", "fastai"])
        work.finish({"export": "fastai", "difference": difference, "versions": versions, "signature": line})
    return ExportedClassifier(out, difference, line)


def import_classifier(
    weights: Path, vocabulary: Path, classes: Sequence[str], layout: Layout, run: str, language: Language,
    *, backward: bool = False,
) -> TextClassifier:  # fmt: skip
    """Take a text classifier of fastai's over into the classifier folder of `run`; neither file is unpickled.

    Its pieces have to be those of the tokenizer in `layout`. Its scores are taken as they are: nothing calibrates them.
    Raises `ArtifactError` where a file is damaged, hostile, or does not fit the others, `UsageError` where `run` holds
    a classifier.
    """
    folder = layout.classifier(run)
    if (folder / MANIFEST).exists():
        raise UsageError(f"{folder}: holds a classifier. Choose another --run name.")
    tokenizer = Tokenizer.load(layout.tokenizer, language)
    files = whole_files(layout.tokenizer, "tokenizer")
    found = read_fastai_classifier(weights, vocabulary, tokenizer.inventory)
    sizes = model_sizes(found.encoder, weights)
    found_sizes = {name: size for name, size in sizes.items() if name != "vocabulary"}
    config = replace_config(LMConfig(backward=backward), found_sizes)
    identity = Identity(tokenizer.fingerprint, tokenizer.vocabulary, tokenizer.bos, language.code)
    encoder = build_model(identity, config, found.encoder, weights)
    net = read_net(encoder, found.head, len(classes), weights)
    member = TunedMember(TextReader(encoder, tokenizer, files, weights.name, ""), (net,))
    name = f"{TUNED} {DIRECTIONS[backward]}"
    mix = Mix({name: 1.0}, np.zeros(len(classes)))
    shares = np.full(len(classes), 1 / len(classes))
    about = {"recipe": f"imported from {weights.name}", "language_models": {DIRECTIONS[backward]: weights.name}}
    form, seen = TextForm(language), np.empty(0, np.uint64)
    classifier = TextClassifier(tuple(classes), form, {name: member}, mix, {name: mix}, shares, seen, about)
    save_classifier(folder, classifier)
    return classifier
