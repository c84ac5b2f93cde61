"""What `language check` asks the stages: the bundled samples taken through the very steps of a build.

`language.check` may import no stage; here they meet.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ulmkit.progress import Progress, Report

if TYPE_CHECKING:
    from ulmkit.authoring.checks.subject import Sample, Stages, TokenizerFigures
    from ulmkit.document import Verdict
    from ulmkit.language.spec import Language

HELD_OUT = 7  # every seventh sample is not trained on


def stages() -> "Stages":
    """The stages, for `language.check`."""
    from ulmkit.authoring.checks.subject import Stages

    return Stages(samples, judge, extract_page, tokenize)


def samples(language: "Language", report: Report) -> list["Sample"]:
    """Every article of the language's samples/: extracted, normalized, and what the build says of it."""
    from ulmkit.authoring.checks.subject import Sample
    from ulmkit.corpus.chain import Chain
    from ulmkit.corpus.extract.dispatch import extract
    from ulmkit.document import KEEP, Document, RawDocument, drop
    from ulmkit.formats.inputs import named_inputs, read_input
    from ulmkit.formats.origin import Reading

    chain = Chain(language, near_duplicates=False)
    found = []
    inputs = named_inputs([str(language.samples)]) if any(language.samples.iterdir()) else []
    for number, item in enumerate(inputs):
        report(Progress("samples", number, len(inputs), "files", item.key))
        for record in read_input(item, Reading.of(language)):
            if not isinstance(record, RawDocument):
                found.append(Sample(item.key, "", "", drop(record.reason, record.detail)))
                continue
            doc = extract(record, language.extraction, decode=chain.decode)
            text = doc.text if isinstance(doc, Document) else ""
            part = chain([record])
            normal = part.rows[0]["text"] if part.rows else language.normalize(text)
            found.append(Sample(item.key, text, normal, _reason(part) if not part.rows else KEEP))
    return found


def _reason(part: Any) -> "Verdict":
    """Why the one document of `part` was dropped."""
    from ulmkit.document import drop

    sample = part.samples[0]
    return drop(sample["reason"], sample["detail"])


def judge(language: "Language", text: str) -> "Verdict":
    """What a build says of `text` as a plain document."""
    from ulmkit.corpus.chain import Chain
    from ulmkit.document import KEEP, RawDocument

    part = Chain(language, near_duplicates=False)([RawDocument("case", text, "text", "cases")])
    return KEEP if part.rows else _reason(part)


def extract_page(page: str) -> str:
    """The main text of an HTML page."""
    from ulmkit.corpus.extract.html import html_to_text

    return html_to_text(page).text


def tokenize(language: "Language", articles: Sequence["Sample"], report: Report) -> "TokenizerFigures":
    """A tokenizer of the language's demo size, trained on the samples but every seventh, and what it makes of them."""
    import tempfile

    from ulmkit.authoring.checks.subject import TokenizerFigures
    from ulmkit.document import count_joiners
    from ulmkit.tokenizer.evaluate import evaluate_tokenizer
    from ulmkit.tokenizer.model import Tokenizer

    texts = [article.normal for article in articles if article.normal]
    train = [text for number, text in enumerate(texts, 1) if number % HELD_OUT]
    held_out = texts[HELD_OUT - 1 :: HELD_OUT]
    with tempfile.TemporaryDirectory(prefix="ulmkit-check-") as place:
        corpus, folder = Path(place) / "corpus", Path(place) / "tokenizer"
        _write_corpus(corpus, language.code, {"train": train, "valid": held_out, "test": []})
        train_demo(language, corpus, folder, report)
        tokenizer = Tokenizer.load(folder, language)
        measures = evaluate_tokenizer(language, tokenizer, corpus, ("valid",), report).whole
    decoded = [tokenizer.decode(ids) for ids in tokenizer.encode_batch(texts)]
    wrong = [text for text, back in zip(texts, decoded, strict=True) if back != text]
    return TokenizerFigures(
        vocabulary=tokenizer.vocabulary,
        exact=len(texts) - len(wrong),
        total=len(texts),
        first_failing=wrong[0][:40] if wrong else "",
        fertility=measures.fertility,
        byte_share=measures.byte_share,
        joiners=count_joiners(decoded),
    )


def train_demo(language: "Language", corpus: Path, folder: Path, report: Report) -> None:
    """A tokenizer of the language's demo size, or of as many pieces as the few texts in `corpus` carry."""
    from ulmkit.errors import VocabularyError
    from ulmkit.tokenizer.train import train_tokenizer

    asked = language.tokenizer.demo_vocabulary
    try:
        train_tokenizer(language, corpus, folder, vocabulary=asked, report=report)
    except VocabularyError as error:
        train_tokenizer(language, corpus, folder, vocabulary=error.most, report=report)


def _write_corpus(folder: Path, code: str, splits: dict[str, list[str]]) -> None:
    """Texts in normal form as a finished corpus, so that the tokenizer is trained as on any other."""
    from ulmkit.artifacts.layout import SPLITS
    from ulmkit.artifacts.manifest import describe_files, write_manifest
    from ulmkit.artifacts.shards import write_shard

    for split in SPLITS:
        rows = [
            {
                "id": f"{split}-{number}",
                "text": text,
                "title": "",
                "url": "",
                "source": "samples",
                "licence": "unknown",
                "language": code,
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
