"""What the stages make of a language's own samples: the very steps of a build, and a small tokenizer."""

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ulmkit.artifacts.layout import SPLITS
from ulmkit.artifacts.manifest import describe_files, write_manifest
from ulmkit.artifacts.shards import ShardRow, write_shard
from ulmkit.corpus.chain import Chain, Part
from ulmkit.corpus.extract.dispatch import extract
from ulmkit.document import KEEP, Document, RawDocument, Verdict, count_joiners, drop
from ulmkit.errors import VocabularyError
from ulmkit.formats.inputs import named_inputs, read_input
from ulmkit.formats.origin import Reading
from ulmkit.language.spec import Language
from ulmkit.progress import Progress, Report, silent
from ulmkit.tokenizer.evaluate import evaluate_tokenizer
from ulmkit.tokenizer.marks import glued_punctuation
from ulmkit.tokenizer.model import Tokenizer
from ulmkit.tokenizer.train import train_tokenizer

TRIAL_HELD_OUT = 7  # every seventh sample is not trained on


@dataclass(frozen=True)
class SampleArticle:
    """An article of samples/ on its way: as extracted, in normal form, and what the build said of it."""

    name: str
    text: str
    normal: str
    verdict: Verdict


@dataclass(frozen=True)
class TokenizerFigures:
    """A tokenizer trained on most of the samples, and what it made of all of them."""

    vocabulary: int
    exact: int
    total: int
    first_failing: str
    fertility: float  # tokens a word, on held-out samples
    byte_share: float  # of held-out tokens
    joiners: Counter[str]  # as `count_joiners` counts, after decoding
    glued: Counter[str] = field(default_factory=Counter)  # punctuation → tokens that hold it with a letter


def sample_articles(language: Language, *, report: Report = silent) -> list[SampleArticle]:
    """Every article of the language's samples/: extracted, normalized, and what the build says of it."""
    chain, reading = Chain(language, near_duplicates=False), Reading.of(language)
    found = []
    inputs = named_inputs([str(language.samples)]) if any(language.samples.iterdir()) else []
    for number, item in enumerate(inputs):
        report(Progress("samples", number, len(inputs), "files", item.key))
        for record in read_input(item, reading):
            if not isinstance(record, RawDocument):
                found.append(SampleArticle(item.key, "", "", drop(record.reason, record.detail)))
                continue
            doc = extract(record, language.extraction, decode=chain.decode)
            text = doc.text if isinstance(doc, Document) else ""
            part = chain([record])
            normal = part.rows[0]["text"] if part.rows else language.normalize(text)
            found.append(SampleArticle(item.key, text, normal, _verdict(part)))
    return found


def build_verdict(language: Language, text: str) -> Verdict:
    """What a build says of `text` as a plain document."""
    return _verdict(Chain(language, near_duplicates=False)([RawDocument("case", text, "text", "cases")]))


def _verdict(part: Part) -> Verdict:
    """Of the one document that `part` is of."""
    return KEEP if part.rows else drop(part.samples[0]["reason"], part.samples[0]["detail"])


def tokenizer_figures(
    language: Language, articles: Sequence[SampleArticle], *, report: Report = silent
) -> TokenizerFigures:
    """A tokenizer of the language's demo size, trained on the articles but every seventh, and what it makes of them."""
    texts = [article.normal for article in articles if article.normal]
    train = [text for number, text in enumerate(texts, 1) if number % TRIAL_HELD_OUT]
    held_out = texts[TRIAL_HELD_OUT - 1 :: TRIAL_HELD_OUT]
    with tempfile.TemporaryDirectory(prefix="ulmkit-check-") as place:
        corpus, folder = Path(place) / "corpus", Path(place) / "tokenizer"
        _write_corpus(corpus, language.code, {"train": train, "valid": held_out, "test": []})
        train_demo_tokenizer(language, corpus, folder, report=report)
        tokenizer = Tokenizer.load(folder, language)
        measures = evaluate_tokenizer(language, tokenizer, corpus, ("valid",), report).whole
    encoded = tokenizer.encode_batch(texts)
    decoded = [tokenizer.decode(ids) for ids in encoded]
    pieces = (tokenizer.inventory[number] for ids in encoded for number in ids)
    inside = language.segmentation.word_joiners + language.alphabet.letters + language.alphabet.joiners
    wrong = [text for text, back in zip(texts, decoded, strict=True) if back != text]
    return TokenizerFigures(
        vocabulary=tokenizer.vocabulary,
        exact=len(texts) - len(wrong),
        total=len(texts),
        first_failing=wrong[0][:40] if wrong else "",
        fertility=measures.fertility,
        byte_share=measures.byte_share,
        joiners=count_joiners(decoded),
        glued=glued_punctuation(pieces, inside),
    )


def train_demo_tokenizer(language: Language, corpus: Path, folder: Path, *, report: Report = silent) -> None:
    """A tokenizer of the language's demo size, or of as many pieces as the few texts in `corpus` carry."""
    asked = language.tokenizer.demo_vocabulary
    try:
        train_tokenizer(language, corpus, folder, vocabulary=asked, report=report)
    except VocabularyError as error:
        train_tokenizer(language, corpus, folder, vocabulary=error.most, report=report)


def _write_corpus(folder: Path, code: str, splits: dict[str, list[str]]) -> None:
    """Texts in normal form as a finished corpus, so that the tokenizer is trained as on any other."""
    for split in SPLITS:
        rows: list[ShardRow] = [
            {
                "id": f"{split}-{number}",
                "text": text,
                "title": "",
                "url": "",
                "source": "samples",
                "licence": "unknown",
                "consent": "",
                "consent_ground": "",
                "language": code,
                "fetched_at": None,
                "published_at": None,
                "content_hash": bytes(16),
                "cluster": number,
                "cluster_size": 1,
                "characters": len(text),
                "words": len(text.split()),
            }
            for number, text in enumerate(splits[split])
        ]
        write_shard(folder / split / "part-00000.parquet", rows)
    write_manifest(folder, "corpus", {"files": describe_files(folder, folder.rglob("*.parquet"))})
