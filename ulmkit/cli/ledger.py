"""What `language ledger` asks the stages: raw documents, and how well a small model spells a variant of them.

`language.ledger` may import no stage; here they meet.
"""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ulmkit.progress import Progress, Report, silent

if TYPE_CHECKING:
    from ulmkit.authoring.ledger import Entry, Fit, Fitter, Ledger
    from ulmkit.formats.inputs import Input
    from ulmkit.language.spec import Language


def sample_texts(language: "Language", inputs: Sequence["Input"], count: int, report: Report) -> dict[str, list[str]]:
    """About `count` raw texts in all, as many from each source where it has them, by the hash of the text."""
    from ulmkit.authoring.measure import read_documents
    from ulmkit.tokenizer.train import balanced_shares

    found: dict[str, dict[bytes, str]] = {}
    for number, doc in enumerate(read_documents(language, inputs), 1):
        digest = hashlib.blake2b(doc.text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        found.setdefault(doc.source, {})[digest] = doc.text
        report(Progress("read", number, None, "documents", doc.id))
    shares = balanced_shares({source: len(texts) for source, texts in found.items()}, count)
    return {
        source: [texts[key] for key in sorted(texts)][: round(shares[source] * len(texts))]
        for source, texts in sorted(found.items())
    }


def fitter(language: "Language", *, vocabulary: int, order: int) -> "Fitter":
    """A unigram tokenizer of `vocabulary` pieces and Kneser-Ney of `order` over them, both learned from the variant."""
    import numpy as np

    from ulmkit.artifacts.tokens import DOCUMENT, TokenFile
    from ulmkit.authoring.ledger import Fit
    from ulmkit.lm.ngram import KneserNey
    from ulmkit.tokenizer.model import BOS, Tokenizer
    from ulmkit.tokenizer.train import learn_pieces

    def tokens(tokenizer: Tokenizer, texts: Sequence[str]) -> TokenFile:
        ids = [np.concatenate(([BOS], part)) for part in tokenizer.encode_normalized(texts)]
        documents = np.zeros(len(ids), DOCUMENT)
        documents["end"] = np.cumsum([len(part) for part in ids])
        whole = np.concatenate(ids).astype(np.int64)
        return TokenFile(whole, documents, tokenizer.vocabulary, BOS, "", language.code, (), language.folder)

    def fit(learn: Sequence[str], spell: Sequence[str]) -> "Fit":
        tokenizer = learn_pieces(language, learn, vocabulary=vocabulary, report=silent)
        model, held_out = KneserNey(tokens(tokenizer, learn), order), tokens(tokenizer, spell)
        starts = np.concatenate(([0], held_out.documents["end"][:-1]))
        bits = -np.add.reduceat(model.log_probabilities(held_out), starts) / np.log(2)
        return Fit(len(held_out.ids) - len(spell), bits)

    return fit


HEADERS = ("operation", "hits", "documents", "bytes", "words", "tokens/word", "bits/byte", "±", "verdict")


def rows(ledger: "Ledger") -> list[tuple[str, ...]]:
    """The table's rows: what each operation did, and what changes where it alone is switched off."""
    return [_row(ledger, entry) for entry in ledger.entries]


def _row(ledger: "Ledger", entry: "Entry") -> tuple[str, ...]:
    did = (entry.operation, f"{entry.hits:,}", f"{entry.documents:,}", f"{entry.bytes:,}")
    change = ledger.change(entry)
    without = ("", "", "", "") if change is None else (*(f"{part:+.3%}" for part in change[:3]), f"{change[3]:.3%}")
    return (*did, *without, ledger.verdict(entry))


def summary(ledger: "Ledger") -> str:
    """What the table is of, in a line or two."""
    line = f"{ledger.documents:,} different documents, {ledger.bytes / 1e6:,.1f} MB"
    if ledger.whole is None:
        return f"{line}."
    whole = ledger.whole
    return (
        f"{line}; {ledger.held_out:,} held out. With every operation: {whole.words:,} different words, "
        f"{whole.tokens_per_word:.3f} tokens a word, {whole.bits_per_byte:.4f} bits a byte.\n"
        "words, tokens/word, bits/byte: the change where the operation alone is switched off; ± its standard error."
    )


def page(ledger: "Ledger", title: str) -> str:
    """The ledger as Markdown, with the examples."""
    lines = [f"# {title}", "", summary(ledger).replace("\n", "  \n"), ""]
    lines += ["| " + " | ".join(line) + " |" for line in (HEADERS, ("---",) * len(HEADERS), *rows(ledger))]
    for entry in ledger.entries:
        if entry.examples:
            lines += ["", f"## {entry.operation}", ""]
            lines += [f"- {_code(before)} → {_code(after)}" for before, after in entry.examples]
    return "\n".join(lines) + "\n"


def _code(text: str) -> str:
    """`text` as a span of code that backticks in it do not end."""
    fence = "`" * (1 + max((len(run) for run in text.split() if "`" in run), default=0))
    return f"{fence} {text} {fence}"
