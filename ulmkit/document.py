"""The records that travel from a source to a shard."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Literal

from ulmkit.notebook import html_table

SHOWN_CHARACTERS = 600  # characters of a text that a notebook shows

Kind = Literal["text", "markdown", "asciidoc", "restructured", "org", "html", "wikitext"]


@dataclass(frozen=True, slots=True)
class UsageTerms:
    """What was said of the use of a crawled page, beside the page itself: what a consent is found by.

    `signals`: what its server said of it, as JSON; `fields`: header fields of its answer, in order, doubles kept;
    `declared`: the licence of its source; `agents`: what it means there that robots.txt keeps crawlers of training data
    out; `own_licence`: what an entry of a list says of itself; `listed`: it is such an entry, so that what the answer's
    header asks of search engines is meant for the list.
    """

    signals: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    declared: str = "unknown"
    agents: Literal["any", "two", "ignore"] = "two"
    own_licence: str = ""
    listed: bool = False


@dataclass(frozen=True, slots=True)
class RawDocument:
    """One page, article or record as a source delivers it, before any text is taken out of it.

    `content` is bytes where the encoding still has to be found (HTML, plain text from disk), and a string where
    the container fixed it (JSON, Parquet, XML). `id` is unique within its input and does not depend on the order
    in which inputs are read. `encoding` is what the transport declared, if anything. `terms` has what came out of a
    crawl.
    """

    id: str
    content: str | bytes
    kind: Kind
    source: str
    licence: str = "unknown"
    url: str = ""
    title: str = ""
    encoding: str = ""
    fetched_at: datetime | None = None
    published_at: datetime | None = None
    terms: UsageTerms | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that a source could not deliver: where it stands, and the reason from a closed list.

    `where` is written like an id: input, member, and `#` with the number of the line or record. `excerpt` shows on
    one line what stands there, as far as it can be shown.
    """

    where: str
    reason: str
    detail: str = ""
    excerpt: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """One article as text. Paragraphs are separated by newlines; `text` does not repeat the title."""

    id: str
    text: str
    source: str
    licence: str = "unknown"
    url: str = ""
    title: str = ""
    language: str = ""
    fetched_at: datetime | None = None
    published_at: datetime | None = None

    def _repr_html_(self) -> str:
        text = self.text if len(self.text) <= SHOWN_CHARACTERS else f"{self.text[:SHOWN_CHARACTERS]}…"
        facts = [(name, getattr(self, name)) for name in ("title", "source", "licence", "url", "published_at")]
        rows = [*((name, fact) for name, fact in facts if fact), ("characters", len(self.text)), ("text", text)]
        return html_table(self.id, rows)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Keep, or drop with a reason. `detail` holds the measured value beside its limit."""

    keep: bool
    reason: str = ""
    detail: str = ""


KEEP = Verdict(True)


def drop(reason: str, detail: str = "") -> Verdict:
    """The verdict that turns a document away for `reason`."""
    return Verdict(False, reason, detail)


JOINERS = {"U+200C": "\u200c", "U+200D": "\u200d"}


def count_joiners(texts: Iterable[str]) -> Counter[str]:
    """How many U+200C and U+200D a stage saw, and how many of each stood inside a word, where they act.

    A stage that loses more than the language allows fails.

    >>> count_joiners(["می\u200cروم ، \u200c"])["U+200C"], count_joiners(["می\u200cروم \u200c"])["U+200C in words"]
    (2, 1)
    """
    counts: Counter[str] = Counter()
    for text in texts:
        for name, joiner in JOINERS.items():
            if joiner in text:
                counts[name] += text.count(joiner)
                counts[f"{name} in words"] += sum(
                    [_in_word(left[-1:]) and _in_word(right[:1]) for left, right in pairwise(text.split(joiner))]
                )
    return counts


# what shows nothing, beside the joiners: controls that end no line, direction marks, soft hyphens, zero width spaces,
# byte order marks, selectors of variants
_HIDDEN = re.compile(
    "[\u0000-\u0008\u000e-\u001f\u007f-\u0084\u0086-\u009f\u00ad\u034f\u061c\u180b-\u180f\u200b\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\ufe00-\ufe0e\ufeff\ufff0-\ufffb\U000e0000-\U000e0fff]+"
)


def hidden_in_words(text: str) -> Iterator[re.Match[str]]:
    """The runs of invisible characters, other than joiners, that stand between two letters of `text`."""
    for match in _HIDDEN.finditer(text):
        if _in_word(text[max(0, match.start() - 1) : match.start()]) and _in_word(text[match.end() : match.end() + 1]):
            yield match


def _in_word(character: str) -> bool:
    """Whether it is a letter, or a mark on one: a joiner of India's scripts stands behind a virama."""
    return character.isalpha() or (character != "" and unicodedata.category(character)[0] == "M")
