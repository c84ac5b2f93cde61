"""How many bits a small model needs for held-out texts: what the ledger asks of each variant of a normalizer.

The model is a unigram tokenizer and an interpolated Kneser-Ney model over its pieces, both learned from the texts as
the variant writes them: seconds to fit, so that every operation can be switched off in turn.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ulmkit.artifacts.tokens import DOCUMENT, TokenFile
from ulmkit.language.spec import Language
from ulmkit.lm.ngram import KneserNey
from ulmkit.progress import silent
from ulmkit.tokenizer.model import BOS, Tokenizer
from ulmkit.tokenizer.train import learn_pieces


@dataclass(frozen=True)
class Fit:
    """What a model made of the held-out documents: `tokens` in all, and `bits` by document, shape (documents,)."""

    tokens: int
    bits: np.ndarray


@dataclass(frozen=True)
class SmallModel:
    """A unigram tokenizer of `vocabulary` pieces, and Kneser-Ney of `order` over them."""

    language: Language
    vocabulary: int = 4_000
    order: int = 3

    def fit(self, learn: Sequence[str], spell: Sequence[str]) -> Fit:
        """Learn from the texts `learn`, and count what the texts `spell` cost; both in a variant's normal form."""
        tokenizer = learn_pieces(self.language, learn, vocabulary=self.vocabulary, report=silent)
        model, held_out = KneserNey(self._tokens(tokenizer, learn), self.order), self._tokens(tokenizer, spell)
        starts = np.concatenate(([0], held_out.documents["end"][:-1]))
        bits = -np.add.reduceat(model.log_probabilities(held_out), starts) / np.log(2)
        return Fit(len(held_out.ids) - len(spell), bits)

    def _tokens(self, tokenizer: Tokenizer, texts: Sequence[str]) -> TokenFile:
        ids = [np.concatenate(([BOS], part)) for part in tokenizer.encode_normalized(texts)]
        documents = np.zeros(len(ids), DOCUMENT)
        documents["end"] = np.cumsum([len(part) for part in ids])
        whole = np.concatenate(ids).astype(np.int64)
        return TokenFile(whole, documents, tokenizer.vocabulary, BOS, "", self.language.code, (), self.language.folder)
