"""What the filters ask, measured on documents that are trusted: what `authoring.calibrate` makes limits of.

The documents go the way of a build (extract, normalize, without boilerplate) and meet the very functions that judge
there. Nothing is dropped: what a limit would say is for the caller to count.
"""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ulmkit.authoring.calibrate import IDENTIFICATION, TrustedSample, calibrated_limits
from ulmkit.corpus.extract.dispatch import extract
from ulmkit.corpus.filters import filters_of, without_boilerplate
from ulmkit.corpus.identify import own_share
from ulmkit.corpus.page import Page
from ulmkit.corpus.shingles import WordHasher
from ulmkit.document import Document, RawDocument
from ulmkit.errors import InputError
from ulmkit.files import open_regular
from ulmkit.formats.inputs import Input, read_input, refusing_storage, telling_doubts
from ulmkit.formats.origin import Reading
from ulmkit.language import cases
from ulmkit.language.spec import Language
from ulmkit.progress import Progress, Report, silent
from ulmkit.text.mojibake import repair


@dataclass(frozen=True)
class Text:
    """A document of the sample: in normal form, and how much of it the identifiers take for the language."""

    normal: str
    identified: float
    source: str


def unheard(line: str) -> None:
    """Nobody hears of `line`."""


def read_sample(
    language: Language, inputs: Sequence[Input], *, remark: Callable[[str], None] = unheard, report: Report = silent
) -> list[Text]:
    """The documents of `inputs` long enough for a build to ask more of them, in normal form and order."""
    found = []
    for doc in read_documents(language, inputs, remark):
        text = doc.text
        if len(text) < language.filters.min_characters:
            continue
        normal, _ = without_boilerplate(language.normalize(text), language)
        if len(normal) >= language.filters.min_characters:
            found.append(Text(normal, own_share(text, language), doc.source))
        report(Progress("measure", len(found), None, "documents", doc.id))
    return found


def read_junk_pages(language: Language) -> list[Text]:
    """The pages of the folder's junk.txt, in normal form."""
    pages = cases.read_junk(language.file(cases.JUNK))
    return [Text(language.normalize(page.text), float("nan"), cases.JUNK) for page in pages]


def read_documents(
    language: Language, inputs: Sequence[Input], remark: Callable[[str], None] = unheard
) -> Iterator[Document]:
    """Every document of `inputs` that has a text, extracted, with its characters repaired and nothing else.

    `remark` hears of tables whose layout is not sure.
    """
    for raw in _records(language, inputs, remark):
        doc = extract(raw, language.extraction, decode=Reading.of(language).decode)
        if isinstance(doc, Document) and doc.text.strip():
            yield dataclasses.replace(
                doc, text=repair(doc.text, language.extraction.encodings, language.alphabet.letters)
            )


def _records(language: Language, inputs: Sequence[Input], remark: Callable[[str], None]) -> Iterator[RawDocument]:
    for item in inputs:
        records = telling_doubts(item, refusing_storage(item, read_input(item, Reading.of(language))), remark)
        yield from (record for record in records if isinstance(record, RawDocument))


def measure_texts(language: Language, texts: Sequence[Text]) -> dict[str, np.ndarray]:
    """Limit -> what each of its numbers is a limit of, for each text, shape (texts, numbers); NaN where not asked."""
    hasher = WordHasher()
    rows = {limit: filters_of(limit) for limit in calibrated_limits()}
    values: dict[str, list[list[float]]] = {limit: [] for limit in rows}
    for text in texts:
        page = Page.of(text.normal, language, hasher)
        for limit, of_limit in rows.items():
            values[limit].append([row.applied(page) if page.words else float("nan") for row in of_limit])
    measured = {limit: np.array(found, np.float64).reshape(-1, len(rows[limit])) for limit, found in values.items()}
    return measured | {IDENTIFICATION: np.array([[text.identified] for text in texts], np.float64)}


def frequent_words(language: Language, texts: Sequence[Text], count: int) -> list[str]:
    """The `count` words that stand in most documents, most frequent first.

    Words of the script's letters alone, and no parts of abbreviations: of i.e. those are the letters.
    """
    shortened = {part for short in language.segmentation.abbreviations for part in short.lower().split(".")}
    own = frozenset(letters_and_marks(language))
    documents: Counter[str] = Counter()
    for text in texts:
        documents.update(set(language.words(text.normal.lower() if language.identity.has_case else text.normal)))
    spelled = ((word, n) for word, n in documents.items() if own.issuperset(word) and word not in shortened)
    return [word for word, _ in sorted(spelled, key=lambda pair: (-pair[1], pair[0]))[:count]]


def letters_and_marks(language: Language) -> set[str]:
    from ulmkit.text.script import letter_list, mark_list

    script = language.identity.script
    return {*letter_list(script), *mark_list(script), *language.alphabet.letters, *language.alphabet.joiners}


def describe_sample(inputs: Sequence[Input], texts: Sequence[Text]) -> TrustedSample:
    """The sample's name, size and hash, which go into the origins of what is calibrated on it."""
    digest = hashlib.sha256()
    for item in inputs:
        try:
            with open_regular(item.path) as file:
                while block := file.read(1 << 20):
                    digest.update(block)
        except OSError as error:
            raise InputError(f"{item.path}: cannot be read ({error.strerror}).") from error
    names = ", ".join(item.key for item in inputs)
    return TrustedSample(names, len(texts), digest.hexdigest(), tuple(text.source for text in texts))
