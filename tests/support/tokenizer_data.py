"""A small language in Persian letters and a corpus of made-up words for it."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from altered_language import with_normalizers

from ulmkit.artifacts.manifest import describe_files, write_manifest
from ulmkit.artifacts.shards import write_shard
from ulmkit.language.sections import (
    Alphabet,
    Dedup,
    Extraction,
    Filters,
    Identification,
    LanguageIdentity,
    LMSettings,
    Normalization,
    Segmentation,
    TokenizerSettings,
)
from ulmkit.language.spec import Language

LETTERS = "ابپتجدرزژسشفقکگلمنوهی"
ZWNJ = "\u200c"


@dataclass(frozen=True)
class NormalForm:
    """A normalizer that knows two letters; its fingerprint is whatever a test says."""

    fingerprint: str = "aaaaaa000000"

    def __call__(self, text: str) -> str:
        return text.replace("ي", "ی").replace("ك", "ک")


def language(*, fingerprint: str = "aaaaaa000000", letters: str = LETTERS, **settings: Any) -> Language:
    form: Any = NormalForm(fingerprint)
    example = Language(
        identity=LanguageIdentity("xx", "xxx", "Example", "نمونه", "Arab", "rtl"),
        alphabet=Alphabet(letters, "۰۱۲۳۴۵۶۷۸۹", ZWNJ),
        normalization=Normalization(),
        segmentation=Segmentation(),
        identification=Identification(),
        filters=Filters(),
        dedup=Dedup(),
        extraction=Extraction(),
        sources=(),
        tokenizer=TokenizerSettings(**settings),
        lm=LMSettings(),
        folder=Path(),
    )
    return with_normalizers(example, standard=form, match=form)


def words(seed: int, count: int) -> list[str]:
    """Words with prefixes behind a U+200C and suffixes, so that there is something to share."""
    rng = random.Random(seed)
    stems = ["".join(rng.choices(LETTERS, k=rng.randint(2, 6))) for _ in range(count)]
    return [
        rng.choice(["", "", "می" + ZWNJ, "ن"]) + stem + rng.choice(["", "", ZWNJ + "ها", "ان", "ند"]) for stem in stems
    ]


def documents(count: int, *, seed: int = 0, source: str = "news", vocabulary: int = 400) -> list[dict[str, Any]]:
    """Rows of a shard: paragraphs of words, years and punctuation."""
    rng = random.Random(seed)
    known = words(seed, vocabulary)
    rows = []
    for number in range(count):
        paragraphs = []
        for _ in range(rng.randint(1, 4)):
            line = " ".join(rng.choices(known, k=rng.randint(5, 30)))
            paragraphs.append(
                f"{line} سال ۱۳{rng.randint(10, 99)}، {line[:9].strip()} (ABC {rng.randint(1990, 2030)})."
            )
        rows.append(row(f"{source}-{number}", "\n".join(paragraphs), source))
    return rows


def row(name: str, text: str, source: str = "news") -> dict[str, Any]:
    return {
        "id": name,
        "text": text,
        "title": "",
        "url": "",
        "source": source,
        "licence": "CC0-1.0",
        "consent": "",
        "consent_ground": "",
        "language": "xx",
        "content_hash": bytes(16),
        "cluster": 0,
        "cluster_size": 1,
        "characters": len(text),
        "words": len(text.split()),
    }


def write_corpus(
    folder: Path, splits: dict[str, Sequence[Sequence[dict[str, Any]]]] | None = None, *, shards: int = 2
) -> Path:
    """A finished corpus: by default two sources, a train split of `shards` shards, and small held-out splits."""
    if splits is None:
        train = documents(150) + documents(60, seed=1, source="verse")
        splits = {
            "train": [train[i::shards] for i in range(shards)],
            "valid": [documents(12, seed=2)],
            "test": [documents(9, seed=3, source="verse")],
        }
    for split in ("train", "valid", "test"):
        for number, rows in enumerate(splits.get(split, [])):
            write_shard(folder / split / f"part-{number:05d}.parquet", rows)
    write_manifest(folder, "corpus", {"files": describe_files(folder, folder.rglob("*.parquet"))})
    return folder
