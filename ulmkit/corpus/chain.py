"""Steps 2 to 5, extract to filter: what becomes of one chunk of documents.

A pure function of the chunk, which is what runs in a worker process.
"""

import functools
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import xxhash

from ulmkit.artifacts.shards import DocumentRow
from ulmkit.corpus.dedup import signatures
from ulmkit.corpus.extract.dispatch import extract
from ulmkit.corpus.extract.wrapped import Wrapping, words_whole
from ulmkit.corpus.filters import judge, without_boilerplate
from ulmkit.corpus.genre import without_chords
from ulmkit.corpus.identify import identify
from ulmkit.corpus.page import Page
from ulmkit.corpus.shingles import WordHasher
from ulmkit.corpus.tally import LeftOut, Tally, document_sample
from ulmkit.document import KEEP, Document, RawDocument, Unreadable, Verdict, drop
from ulmkit.errors import LanguageError, RuleError
from ulmkit.formats.consent import (
    DEFAULT_RULES,
    NO_LICENCE,
    PAGE_LICENCE,
    Consent,
    ConsentRules,
    Said,
    consent_of,
    header_robots,
)
from ulmkit.formats.excerpt import excerpt
from ulmkit.formats.host_signals import HostSignals
from ulmkit.formats.page_marks import NO_MARKS, page_marks
from ulmkit.language.forms import STANDARD
from ulmkit.language.sections import TextState
from ulmkit.language.spec import Language
from ulmkit.text.encoding import decode
from ulmkit.text.mojibake import repair
from ulmkit.text.tokenized import is_tokenized

CHAIN = 17  # raised when the chain changes what it makes of the same input
CHUNK_DOCUMENTS = 64
CHUNK_CHARACTERS = 1_000_000  # a chunk is what a worker gets at once
RULE_FAILED = "rule failed"
OF_COPIES = ("duplicate ", "said again")  # reasons that a passage that stands twice may give
OF_LISTS = (  # and such as a list in an article or at its end may give
    "short lines", "few lines end in punctuation", "few words with letters", "mostly digits", "short words",
    "said again", "top ", "duplicate ",
)  # fmt: skip
MAX_FAILURES = 20  # documents that a rule may fail on before more than half are too many

PiiPolicy = Literal["keep", "mask", "drop"]  # what becomes of personal data

_DIGIT = re.compile(r"\d+")
NO_WORDS = np.empty(0, np.uint64)


@dataclass(slots=True)
class Article:
    """A document on its way through the steps: each reads what the one before left, and leaves its own."""

    doc: RawDocument | Document
    text: str  # in its newest form
    hashes: np.ndarray = field(default_factory=lambda: NO_WORDS)  # of the words of its match form
    consent: Consent | None = None  # of a crawled page
    wrapping: Wrapping | None = None  # of plain text whose lines were, or look, broken at a column

    def wrapped_as(self, wrapping: Wrapping) -> None:
        self.wrapping = wrapping


class StagedRow(DocumentRow):
    """A document that stays, as its unit is staged."""

    match: int  # hash of its words in match form and of its digits, by which exact duplicates are found


@dataclass
class Part:
    """What became of one chunk: rows that stay (with their signatures), samples of what went, and the counts."""

    rows: list[StagedRow] = field(default_factory=list)
    signature: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.uint32))
    samples: list[LeftOut] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)

    def read(self, raw: RawDocument) -> None:
        self.tally.read += 1
        self.tally.source(raw.source)["read"] += 1

    def drop(self, doc: RawDocument | Document, reason: str, detail: str, text: str) -> None:
        self.tally.drop(doc.source, reason)
        self.tally.source(doc.source)["dropped"] += 1
        self.samples.append(document_sample(doc, reason, detail, text))

    def keep(self, row: StagedRow) -> None:
        self.tally.kept += 1
        self.tally.characters_kept += row["characters"]
        self.tally.source(row["source"])["kept"] += 1
        self.rows.append(row)


@dataclass(frozen=True)
class Judged:
    """How many documents were judged, how many of them a rule of the language failed on, and what it said last."""

    documents: int = 0
    failed: int = 0
    error: str = ""

    @classmethod
    def of(cls, part: Part) -> "Judged":
        errors = [sample["detail"] for sample in part.samples if sample["reason"] == RULE_FAILED]
        return cls(part.tally.read, len(errors), errors[-1] if errors else "")

    def and_then(self, more: "Judged") -> "Judged":
        """The sum of both. Raises `LanguageError` where rules fail on most documents: that ends the build."""
        both = Judged(self.documents + more.documents, self.failed + more.failed, more.error or self.error)
        if more.failed and both.failed > MAX_FAILURES and 2 * both.failed > both.documents:
            raise LanguageError(
                f"{both.error} It failed on {both.failed} of the first {both.documents} documents. "
                "Correct it, or take it out of [normalization]."
            )
        return both


class Chain:
    """The steps for one language, run on a chunk at a time; one per worker process."""

    def __init__(
        self,
        language: Language,
        near_duplicates: bool,
        pii: PiiPolicy = "keep",
        consent: ConsentRules = DEFAULT_RULES,
    ) -> None:
        self.language = language
        self.near_duplicates = near_duplicates
        self.pii = pii
        self.consent = consent
        self.hasher = WordHasher()
        self.decode = functools.partial(
            decode, candidates=language.extraction.encodings, letters=language.alphabet.letters
        )

    def __call__(self, raws: list[RawDocument]) -> Part:
        part = Part()
        hashes = []
        for raw in raws:
            part.read(raw)
            article = Article(raw, raw.content if isinstance(raw.content, str) else excerpt(raw.content))
            try:
                verdict = self.judged(article, part.tally)
                row = self.row(article) if verdict.keep else None
            except RuleError as error:
                verdict, row = drop(RULE_FAILED, str(error)), None
            if row is not None:
                part.keep(row)
                hashes.append(article.hashes)
            else:
                part.drop(article.doc, verdict.reason, verdict.detail, article.text)
        if self.near_duplicates:
            part.signature = signatures(hashes, self.language.dedup)
        return part

    def judged(self, article: Article, tally: Tally) -> Verdict:
        """Take `article` through `STEPS` up to the first that drops it."""
        for step, counted in STEPS:
            verdict = step(self, article, tally)
            if not verdict.keep:
                return verdict
            if counted:
                tally.count_joiners(counted, [article.text])
        return KEEP

    def refused(self, text: str) -> str:
        """Which other language a page's whole text is in, menus and all, and who says so; nothing where it can hold an
        article in this one."""
        verdict = identify(text, self.language)
        return verdict.detail if verdict.reason == "other language" else ""

    def row(self, article: Article) -> StagedRow:
        """The article as a row of a staged unit."""
        doc, text = article.doc, article.text
        return {
            "id": doc.id,
            "text": text,
            "title": self.language.normalize(doc.title).replace("\n", " ") if doc.title else "",
            "url": doc.url,
            "source": doc.source,
            "licence": doc.licence,
            "consent": article.consent.verdict if article.consent else "",
            "consent_ground": article.consent.ground if article.consent else "",
            "language": self.language.code,
            "fetched_at": doc.fetched_at,
            "published_at": doc.published_at,
            "content_hash": xxhash.xxh3_128_digest(text.encode()),
            "characters": len(text),
            "words": len(article.hashes),
            "match": match_hash(article.hashes, text),
        }


def match_hash(words: np.ndarray, text: str) -> int:
    """What exact duplicates agree in: the hashes of their `words` in match form, and the digits of the `text`.

    The match form has zeros for digits, as many, so near-duplicate notices of one form meet; in an exact duplicate each
    number is the same, in whatever digits it is written.
    """
    digits = "".join(_DIGIT.findall(text))
    if not digits.isascii():
        digits = digits.translate({ord(digit): str(unicodedata.decimal(digit)) for digit in set(digits)})
    return xxhash.xxh3_64_intdigest(words.tobytes() + digits.encode())


def usage_allowed(chain: Chain, article: Article, tally: Tally) -> Verdict:
    """Whether a crawled page may be in a corpus, by what was said of its use; and the licence that it names itself."""
    doc = article.doc
    assert isinstance(doc, RawDocument)
    if doc.terms is None:
        return KEEP
    terms = doc.terms
    marks = page_marks(doc.content) if doc.kind == "html" or terms.listed else NO_MARKS
    robots = marks.robots if terms.listed else marks.robots | header_robots(terms.fields)
    if not robots.isdisjoint(("noindex", "none")):
        return drop("noindex")
    said = Said(
        url=doc.url,
        signals=HostSignals.from_json(terms.signals),
        fields=terms.fields,
        marks=marks,
        own_licence=terms.own_licence,
        declared=terms.declared,
        agents=terms.agents,
        rules=chain.consent,
    )
    article.consent = found = consent_of(said)
    article.doc = replace(doc, licence=found.licence)
    tally.consents(doc.source)[": ".join(filter(None, (found.verdict, found.ground.partition(":")[0])))] += 1
    if reason := chain.consent.refuses(found):
        return drop(reason, found.ground or found.verdict)
    if terms.declared == PAGE_LICENCE and found.verdict == "silent" and chain.consent.policy != "record":
        return drop(NO_LICENCE)
    return KEEP


def extract_text(chain: Chain, article: Article, tally: Tally) -> Verdict:
    """The page's text, in the letters it was written in."""
    assert isinstance(article.doc, RawDocument)
    holes: list[str] = []
    doc = extract(
        article.doc,
        chain.language.extraction,
        decode=chain.decode,
        refused=chain.refused,
        sentences=chain.language.segmenter.sentences,
        left_out=holes.append,
        wrapped=article.wrapped_as,
    )
    tally.sentences_with_holes += len(holes)
    if isinstance(doc, Unreadable):
        article.text = doc.excerpt or article.text
        return drop(doc.reason, doc.detail)
    language = chain.language
    mended = functools.partial(repair, encodings=language.extraction.encodings, letters=language.alphabet.letters)
    article.doc = replace(doc, title=mended(doc.title)) if doc.title and not doc.title.isascii() else doc
    article.text = mended(doc.text)
    tally.characters_read += len(article.text)
    tally.bytes_read += len(article.text.encode("utf-8", "surrogatepass"))
    return KEEP


def identify_language(chain: Chain, article: Article, _: Tally) -> Verdict:
    """Whether it is in this language, which folded letters would no longer show."""
    least = chain.language.filters.min_characters
    if len(article.text) < least:
        # a few words are no ground to call a language by, and would go for their length anyway
        return drop("too short", f"{len(article.text)} < {least}")
    return identify(article.text, chain.language)


def normalize_text(chain: Chain, article: Article, tally: Tally) -> Verdict:
    """The one form in which the corpus is written."""
    source, language = article.doc.source, chain.language
    tally.count_hidden(source, article.text, language.normalize)
    wrapping = article.wrapping
    if wrapping is not None:
        tally.states(source)[f"{'joined' if wrapping.sure else 'looks wrapped'} {wrapping.width}"] += 1
    kind: TextState = ""
    if wrapping is not None and wrapping.sure:
        kind = "wrapped"
    if is_tokenized(article.text):
        kind = "tokenized"
    profile = language.profile_for(kind)
    article.text = language.normalizer(profile)(article.text)
    if kind == "tokenized" and (profile != STANDARD or is_tokenized(article.text)):
        tally.states(source)[kind] += 1  # not where the standard form sets spaces right
    if kind == "wrapped":
        article.text = words_whole(article.text)
    return KEEP


def remove_boilerplate(chain: Chain, article: Article, tally: Tally) -> Verdict:
    """What the language's pages say on every page, and the chords over a song's verses."""
    text, chords = without_chords(article.text)
    article.text, removed = without_boilerplate(text, chain.language)
    tally.boilerplate_lines += removed + chords
    return KEEP


def personal_data(chain: Chain, article: Article, tally: Tally) -> Verdict:
    """E-mail addresses, telephone numbers and what else the language declares: counted always, masked or not."""
    masked, counts = chain.language.pii_finder.masked(article.text)
    tally.pii.update(counts)
    if counts and chain.pii == "drop":
        return drop("personal data", ", ".join(f"{count} {name}" for name, count in counts.most_common()))
    if counts and chain.pii == "mask":
        article.text = chain.language.normalize(masked)
    return KEEP


def filter_page(chain: Chain, article: Article, tally: Tally) -> Verdict:
    """Whether what is left is an article worth learning from."""
    page = Page.of(article.text, chain.language, chain.hasher)
    verdict = judge(page)
    if verdict.reason.startswith(OF_COPIES) and (once := page.said_once()) is not page.text:
        # an article that was stored twice; manuals say steps again under other headings, and pass as they are
        alone = Page.of(once, chain.language, chain.hasher)
        if judge(alone).keep:
            verdict, page, article.text = KEEP, alone, once
            tally.copies_cut += 1
    if verdict.reason.startswith(OF_LISTS) and (article_alone := page.article_alone()) is not page.text:
        # an article that holds captions, names or results, or ends in them, is good without
        page = Page.of(article_alone, chain.language, chain.hasher)
        if judge(page).keep:
            verdict, article.text = KEEP, article_alone
            tally.lists_cut += 1
    if verdict.keep:
        # which texts are one is asked of all their words, addresses among them
        whole = page.said is article.text
        article.hashes = page.hashes if whole else chain.hasher(chain.language.fold(article.text).split())
    return verdict


# in order; the first that drops an article gives the reason. After some of them the joiners in the text are counted
STEPS: tuple[tuple[Callable[[Chain, Article, Tally], Verdict], str], ...] = (
    (usage_allowed, ""),
    (extract_text, ""),
    (identify_language, "extracted"),
    (normalize_text, "normalized"),
    (remove_boilerplate, ""),
    (personal_data, ""),
    (filter_page, "kept"),
)


def chunked(documents: Iterable[RawDocument]) -> Iterator[list[RawDocument]]:
    """Documents in chunks of bounded size."""
    chunk: list[RawDocument] = []
    size = 0
    for document in documents:
        chunk.append(document)
        size += len(document.content)
        if len(chunk) >= CHUNK_DOCUMENTS or size >= CHUNK_CHARACTERS:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
