"""A published fastai language model as a run of ours, on a tokenizer of ours.

fastai's ids are its own: special words first, the rest by frequency, rare pieces thrown away. So rows are taken over
piece by piece, by spelling. A piece that the published model never had starts as fastai starts a new word when
it is fine-tuned: as the mean of all rows. Training goes on from there; what was taken is counted and kept.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ulmkit.artifacts.atomic import read_json, read_regular, write_json
from ulmkit.artifacts.manifest import MANIFEST, Manifest, package_versions, signature
from ulmkit.artifacts.stage import stage
from ulmkit.errors import ArtifactError, UsageError
from ulmkit.lm.checkpoint import build_model, model_sizes, save_checkpoint
from ulmkit.lm.config import LMConfig
from ulmkit.lm.identity import Identity
from ulmkit.publish.fastai import SPECIAL, from_fastai
from ulmkit.publish.pickles import Listed, read_pickle_file
from ulmkit.publish.source import PIECES, read_pieces
from ulmkit.publish.torch_files import read_torch_file

WORD_START = "▁"  # stands for the space before a piece that begins a word
LEAST_SHARE = 0.1  # of our pieces; below, the vocabulary is another language's or another file's

# fastai's settings → ours; its probabilities stand before its drop_mult
SIZES = {"emb_sz": "embedding_size", "n_hid": "hidden_size", "n_layers": "layers"}
FASTAI_DROPOUTS = ("output_p", "hidden_p", "input_p", "embed_p", "weight_p")
FIXED = {"bidir": False, "tie_weights": True}

# names of fastai before 1.0, whose decoder had no bias
BEFORE_1 = (
    ("0.encoder_with_dropout.embed.weight", "0.encoder_dp.emb.weight"),
    (".module.weight_hh_l0_raw", ".weight_hh_l0_raw"),
)


@dataclass(frozen=True)
class Imported:
    """What was taken over. `taken` + `missing` are our pieces; `unused` words of theirs have no piece of ours."""

    folder: Path
    pieces: int
    taken: int
    missing: int
    unused: int
    config: dict[str, Any]
    signature: str


def import_fastai(
    weights: Path, vocabulary: Path, tokenizer: Path, folder: Path, *, settings: Path | None = None
) -> Imported:
    """Take fastai's `weights` (.pth of fastai 0.7 to 2) and `vocabulary` (.pkl or .json) over into run `folder`.

    `tokenizer` is the folder of the tokenizer that the run will have; `settings` a JSON file of fastai's AWD_LSTM
    settings, for the dropouts (sizes are read from the weights, and must agree). Neither file is unpickled.

    Raises `ArtifactError` where a file is damaged, hostile, not an AWD-LSTM language model, or does not fit the
    others; `UsageError` where `folder` holds a run.
    """
    published = named_as_today(read_torch_file(weights))
    state = from_fastai(published, str(weights))
    words = read_vocabulary(vocabulary)
    sizes = model_sizes(state, weights)
    if len(words) != sizes["vocabulary"]:
        raise ArtifactError(
            f"{vocabulary}: {len(words):,} words, {weights.name} has {sizes['vocabulary']:,}. They are no pair."
        )
    manifest = Manifest.read(tokenizer, "tokenizer")
    if problems := manifest.problems():
        raise ArtifactError(f"{problems[0]}. Train the tokenizer again.")
    pieces = read_pieces(tokenizer / PIECES)
    rows = matching_rows(pieces, words)
    taken = sum(row is not None for row in rows)
    if taken < LEAST_SHARE * len(pieces):
        raise ArtifactError(
            f"{vocabulary}: has only {taken:,} of the {len(pieces):,} pieces in {tokenizer}. "
            "Is it of this language, and of pieces (▁word) or words?"
        )
    config = config_of(sizes, settings)
    state |= {name: moved_rows(state[name], rows) for name in ("embedding", "decoder_bias")}
    identity = Identity(manifest.fingerprint, len(pieces), manifest.ids["bos"] or 0, manifest.language)
    build_model(identity, config, state, weights)  # it fits, before anything is written
    used = {row for row in rows if row is not None}
    counts = {"pieces": len(pieces), "taken": taken, "missing": len(pieces) - taken, "unused": len(words) - len(used)}
    origin = {
        name: hashlib.sha256(read_regular(path)).hexdigest()
        for name, path in (("weights", weights), ("vocabulary", vocabulary))
    }
    line = signature(
        "import",
        language=identity.language or None,
        tokenizer=identity.tokenizer,
        weights=origin["weights"][:12],
        vocabulary=origin["vocabulary"][:12],
        taken=taken,
        missing=counts["missing"],
    )
    about = {"config": config.to_json(), "identity": asdict(identity), "imported": origin | counts}
    _write(folder, state, about, line)
    return Imported(folder, **counts, config=config.to_json(), signature=line)


def named_as_today(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Names of fastai 0.7 as those of 1 and 2. Its decoder had no bias, which is a bias of zeros."""
    old = any(BEFORE_1[0][0] in name for name in state)
    renamed = {}
    for name, tensor in state.items():
        for before, after in BEFORE_1 if old else ():
            name = name.replace(before, after)
        renamed[name] = tensor
    if old and "0.encoder.weight" in renamed:
        renamed.setdefault("1.decoder.bias", torch.zeros(len(renamed["0.encoder.weight"])))
    return renamed


def read_vocabulary(path: Path) -> list[str]:
    """The words by row: a list in a .json, or in a pickle that is read without being run."""
    if path.suffix == ".json":
        read_regular(path, limit=1 << 28)
        words = read_json(path)
    else:
        words = read_pickle_file(path, names={"fastcore.foundation.L": Listed})
    if isinstance(words, dict) and all(type(number) is int for number in words.values()):
        words = [word for word, _ in sorted(words.items(), key=lambda item: item[1])]
    if not isinstance(words, list | tuple) or not all(type(word) is str for word in words):
        raise ArtifactError(f"{path}: no list of words.")
    return list(words)


def matching_rows(pieces: Sequence[str], words: Sequence[str]) -> list[int | None]:
    """For each of our pieces the row of theirs with its spelling, or None.

    A vocabulary of whole words (none is written with ▁) has a word where we have the piece `▁word`.
    """
    row: dict[str, int] = {}
    for number, word in enumerate(words):
        row.setdefault(word, number)
    whole_words = not any(word.startswith(WORD_START) for word in words)
    own = set(pieces)

    def find(piece: str) -> int | None:
        if piece not in SPECIAL:
            return row.get(piece.removeprefix(WORD_START) if whole_words and piece != WORD_START else piece)
        word = SPECIAL[piece]
        # fastai's own SentencePiece has each special word twice, and only the one with ▁ ever occurs in its texts
        return row.get(WORD_START + word, row.get(word)) if WORD_START + word not in own else row.get(word)

    return [find(piece) for piece in pieces]


def moved_rows(table: torch.Tensor, rows: Sequence[int | None]) -> torch.Tensor:
    """The rows of `table` in a new order; None is the mean of all, as in fastai's `match_embeds`."""
    mean = table.mean(0, keepdim=True)
    last = len(table)
    return torch.cat([table, mean])[torch.tensor([last if row is None else row for row in rows])]


def config_of(sizes: Mapping[str, int], settings: Path | None) -> LMConfig:
    """Our config for a model of `sizes`, with the dropouts of fastai's `settings` where they are given."""
    found: dict[str, Any] = {name: size for name, size in sizes.items() if name != "vocabulary"}
    if settings is not None:
        read_regular(settings, limit=1 << 20)
        theirs = read_json(settings)
        if not isinstance(theirs, dict):
            raise ArtifactError(f"{settings}: no settings of fastai's AWD_LSTM.")
        for name, value in theirs.items():
            expected = found.get(SIZES[name]) if name in SIZES else FIXED.get(name)
            if expected is not None and value != expected:
                raise ArtifactError(f"{settings}: {name} is {str(value)[:40]}, the weights have {expected}.")
        for name in FASTAI_DROPOUTS:
            if name in theirs:
                if not isinstance(theirs[name], int | float) or not 0 <= theirs[name] < 1:
                    raise ArtifactError(f"{settings}: {name} is {str(theirs[name])[:40]!r}, expected 0 to 1.")
                found[name] = float(theirs[name])
        found["drop_mult"] = 1.0
    return LMConfig(**found)


def _write(folder: Path, state: Mapping[str, torch.Tensor], about: Mapping[str, Any], line: str) -> None:
    with stage(folder, "lm", doing="importing") as work:
        names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
        # what lies there without a manifest and is all of an import's own was cut short, and is written again
        if MANIFEST in names or not names <= {"best", "config.json"}:
            raise UsageError(f"{folder}: holds a run. Choose another --run name.")
        save_checkpoint(work.new / "best", state, None, {**about, "position": {"step": 0}})
        write_json(work.new / "config.json", about)
        work.finish({**about, "versions": package_versions(["torch", "safetensors"]), "signature": line})
