"""A language model as a reader of texts: what its encoder makes of each, and how both are kept in a folder."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from ulmkit.artifacts.layout import Layout, folder_name
from ulmkit.artifacts.manifest import fingerprint, whole_files
from ulmkit.classifier.reading import read_features
from ulmkit.errors import ArtifactError, UsageError
from ulmkit.language.spec import Language
from ulmkit.lm.checkpoint import (
    LARGEST_WEIGHT,
    Checkpoint,
    build_model,
    load_model,
    read_checkpoint,
    refuse_no_numbers,
    save_checkpoint,
)
from ulmkit.lm.config import LMConfig
from ulmkit.lm.machine import pick_device
from ulmkit.lm.model import AWDLSTM
from ulmkit.lm.state import MODEL
from ulmkit.progress import Progress, Report, silent
from ulmkit.tokenizer.model import Tokenizer

MOST_PIECES = 10_000  # of one text that are read, where nobody says another number: some 7,000 words
_CHARACTERS = 16  # for each piece that is read: of a text that is longer the rest is not even encoded
ENCODER, TOKENIZER = "encoder", "tokenizer"  # folders
_TEXTS = 4_096  # that are encoded at once


@dataclass(frozen=True)
class TextReader:
    """An encoder, in evaluation mode, with the tokenizer of its pieces and that one's `files`.

    `source` says whose it is, `weights` is the SHA-256 of the file that they came in.

    A forward one reads [bos] and a text's pieces, a backward one [bos] and the pieces from the last to the first.
    `features_kept`, where it is given, remembers what each text was read as.
    """

    encoder: AWDLSTM
    tokenizer: Tokenizer
    files: Mapping[str, bytes]
    source: str
    weights: str
    most_pieces: int = MOST_PIECES
    features_kept: dict[str, np.ndarray] | None = field(default=None, compare=False)

    @property
    def direction(self) -> str:
        return "backward" if self.encoder.config.backward else "forward"

    @property
    def blocks(self) -> list[int]:
        """How wide each part of the features is: the mean embedding, then last, maximum and mean of each layer."""
        widths = [rnn.weight_hh.shape[1] for rnn in self.encoder.layers()]
        return [self.encoder.embedding.shape[1], *(width for width in widths for _ in range(3))]

    @property
    def device(self) -> torch.device:
        """Where the encoder computes."""
        return self.encoder.embedding.device

    @cached_property
    def fingerprint(self) -> str:
        """Names what texts are read as: weights, direction, tokenizer."""
        return fingerprint([self.weights, self.direction, self.tokenizer.fingerprint, self.most_pieces])

    def ids_of(self, texts: Sequence[str]) -> list[np.ndarray]:
        """The ids that are read of each text, bos first, and at most `most_pieces` behind it."""
        found = []
        for begin in range(0, len(texts), _TEXTS):
            for ids in self.tokenizer.encode_batch([self._begun(text) for text in texts[begin : begin + _TEXTS]]):
                ids = ids[: self.most_pieces]
                found.append(np.concatenate(([self.tokenizer.bos], ids[::-1] if self.encoder.config.backward else ids)))
        return found

    def cut(self, texts: Sequence[str]) -> int:
        """How many of `texts` are not read to their end."""
        most = _CHARACTERS * self.most_pieces
        long = [text for text in texts if self.most_pieces < 4 * len(text)]  # a character has four bytes at most
        return sum(
            len(t) > most or len(self.tokenizer.encode_batch([self._begun(t)])[0]) > self.most_pieces for t in long
        )

    def _begun(self, text: str) -> str:
        """As much of `text` as is read; half a surrogate pair becomes U+FFFD, since no tokenizer knows it."""
        text = text[: _CHARACTERS * self.most_pieces]
        try:
            text.encode()
        except UnicodeEncodeError:
            return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return text

    def features(self, texts: Sequence[str], report: Report = silent) -> np.ndarray:
        """What the encoder makes of each text, shape (texts, sum of `blocks`), float32."""
        kept = self.features_kept
        if kept is None:
            return self._read(texts, report)
        if new := [text for text in dict.fromkeys(texts) if text not in kept]:
            kept |= zip(new, self._read(new, report), strict=True)
        return np.stack([kept[text] for text in texts])

    def _read(self, texts: Sequence[str], report: Report) -> np.ndarray:
        found = np.zeros((len(texts), sum(self.blocks)), np.float32)
        done = 0

        def told(more: int) -> None:
            nonlocal done
            done += more
            report(Progress(f"read {self.direction}", done, len(texts), "texts"))

        for begin in range(0, len(texts), _TEXTS):
            found[begin : begin + _TEXTS] = read_features(
                self.encoder, self.ids_of(texts[begin : begin + _TEXTS]), told
            )
        return found


def reader_of_run(
    layout: Layout,
    run: str,
    language: Language,
    *,
    backward: bool = False,
    which: str = "best",
    most_pieces: int = MOST_PIECES,
    device: str = "cpu",
) -> TextReader:
    """The reader of language model `run` (its `best` or `last` weights), which has to read in the direction asked for.

    It reads at most `most_pieces` of a text, and computes on `device`: auto, cpu, cuda, cuda:1.

    Raises `ArtifactError` where run or tokenizer are missing or damaged, or do not belong together.
    """
    option = "--backward-lm" if backward else "--lm"
    folder = layout.lm / folder_name(run, option)
    if not folder.is_dir() and layout.lm.is_dir():
        names = sorted(path.name for path in layout.lm.iterdir() if not path.name.startswith("."))
        known = f" Runs: {', '.join(names[:8])}." if names else ""
        raise ArtifactError(f"{folder}: no language model here.{known} Train one with `ulmkit lm pretrain`.")
    picked = pick_device(device)
    _, checkpoint = load_model(folder, which)
    reader = replace(made_reader(checkpoint, layout.tokenizer, language, run), most_pieces=most_pieces)
    reader.encoder.to(picked)
    if (reader.direction == "backward") != backward:
        other = "--lm" if backward else "--backward-lm"
        raise UsageError(f"{option} {run}: that model reads {reader.direction}. Give it with {other}.")
    return reader


def made_reader(checkpoint: Checkpoint, tokenizer: Path, language: Language, source: str) -> TextReader:
    """The reader of a checkpoint's weights and the tokenizer in its folder, compared with each other."""
    loaded = Tokenizer.load(tokenizer, language)
    if checkpoint.identity.tokenizer != loaded.fingerprint:
        raise ArtifactError(
            f"{checkpoint.folder}: trained with tokenizer {checkpoint.identity.tokenizer}, in {tokenizer} is "
            f"{loaded.fingerprint}. Bring that one back, or take a model of this one."
        )
    refuse_no_numbers(checkpoint.model, checkpoint.folder, LARGEST_WEIGHT)
    files = whole_files(tokenizer, "tokenizer")
    # a pointer looks for the next piece: to an encoder it is nothing
    weights = {name: value for name, value in checkpoint.model.items() if not name.startswith("pointer.")}
    config = sizes_alone(checkpoint.config)
    encoder = build_model(checkpoint.identity, config, weights, checkpoint.folder / MODEL)
    return TextReader(encoder, loaded, files, source, checkpoint.state["files"][MODEL])


def sizes_alone(config: LMConfig) -> LMConfig:
    """The sizes and the direction of `config`: how a model was trained is nothing to who reads with it."""
    return LMConfig(
        embedding_size=config.embedding_size,
        hidden_size=config.hidden_size,
        layers=config.layers,
        backward=config.backward,
    )


def write_encoder(folder: Path, encoder: AWDLSTM) -> None:
    """Keep an encoder in `folder`, as a checkpoint of a language model."""
    assert encoder.identity is not None
    config = sizes_alone(encoder.config)
    state = {"config": config.to_json(), "identity": asdict(encoder.identity)}
    save_checkpoint(folder, encoder.state_dict(), None, state)


def read_encoder(folder: Path, tokenizer: Path, language: Language, source: str) -> TextReader:
    """The reader of an encoder that `write_encoder` kept, and of the tokenizer in its folder."""
    return made_reader(read_checkpoint(folder), tokenizer, language, source)
