"""A language and its parts: every setting once, with its default and the reason for it.

A folder's `language.toml` holds only what differs from here (and from its script's file). The field names are the
TOML keys; `language.load` refuses a key that no field here knows.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from ulmkit.errors import UsageError
from ulmkit.notebook import html_table
from ulmkit.text.normalize import Change, Normalizer
from ulmkit.text.pii import Pii, PiiFinder
from ulmkit.text.segment import Segmenter

STANDARD = "standard"  # the profile that needs no name: [normalization] as it stands


@dataclass(frozen=True)
class Identity:
    """`[language]`: who it is."""

    code: str  # BCP-47, the folder's name
    iso639_3: str  # three letters
    name: str  # in English
    native_name: str  # in the language itself
    script: str  # ISO 15924: Arab, Latn, Deva …; also names the file it inherits from
    direction: Literal["ltr", "rtl"] = "ltr"  # in which it is written
    has_case: bool = True  # whether letters come large and small
    inherits: str = ""  # code of a close variety whose settings and files hold where this folder says nothing

    @property
    def full_name(self) -> str:
        """In English, and in the language itself where that is known."""
        return f"{self.name} ({self.native_name})" if self.native_name else self.name


@dataclass(frozen=True)
class Alphabet:
    """`[alphabet]`: what the script may hold."""

    letters: str = ""  # every letter of the standard alphabet; upper case too where there is case
    digits: str = "0123456789"  # the ten of the script, from zero on
    joiners: str = ""  # characters that must survive every stage, such as U+200C
    joiner_forms: str = ""  # other characters that stand for a joiner in real text
    non_joining: str = ""  # letters that never join the next one: a joiner after them shows nothing
    zwj_after: str = ""  # letters that keep U+200D after them, to show their initial form
    # share of joiners that normalization may delete (edges, doubles); more than this fails the build
    max_joiner_loss: float = 0.05
    watched: str = ""  # never folded but counted, beside U+FFFD and private use: letters of close languages


@dataclass(frozen=True)
class Normalization:
    """`[normalization]`: ordered lists of operations, each a shared one's name or `rules.<function>`."""

    # before `train`; what every text needs: only characters that can be written, shown and kept
    head: tuple[str, ...] = (
        "surrogates",
        "entities",
        "line_ends",
        "controls",
        "invisible",
        "space_forms",
        "word_boundary",
        "nfc",
        "protect",
    )
    train: tuple[str, ...] = ()  # the language's own, in order
    tail: tuple[str, ...] = ("broken_entities", "nfc", "spaces", "restore")  # after `train`
    # applied after the three: for deduplication, counting and metrics
    match: tuple[str, ...] = ("match_characters", "lower", "drop_joiners", "drop_marks", "digits_to_zero")
    match_tail: tuple[str, ...] = ("drop_punctuation", "spaces")  # after `match`
    # kinds of span that no operation touches
    protect: tuple[str, ...] = ("url", "email", "ip", "version", "user", "hashtag", "code", "number")
    digits: Literal["native", "ascii", "keep"] = "keep"  # one choice per corpus
    quotes: str = ""  # the opening and the closing mark that `quotes` writes
    punctuation: Mapping[str, str] = field(default_factory=dict)  # ASCII mark -> the script's own
    native_marks: str = ""  # closing marks of the script: no space before them, one after
    dash: str = ""  # what `dashes` writes for all longer ones, – or —; empty: each stays
    max_letter_run: int = 0  # a run of so many equal letters is shortened (0: never) ...
    letter_run_to: int = 2  # ... to this many
    keep_characters: str = ""  # what characters.tsv would change or delete, and is kept
    # named variations, `[normalization.profiles.<name>]`: settings of this part that are other there
    profiles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Segmentation:
    """`[segmentation]`: where sentences end and what a word is. Patterns are regular expressions (Python's `re`)."""

    sentence_ends: str = ".!?…"  # characters that may end one
    spaceless_ends: str = ""  # those of them after which no space need follow: 。
    openers: str = "«„“\"'([{"  # may stand between the space and the next sentence's first letter
    closers: str = "»”’\"')]}"  # may stand between the end mark and the space, or alone after it
    abbreviations: tuple[str, ...] = ()  # without their last dot; never end a sentence
    ending_abbreviations: tuple[str, ...] = ()  # may end one: they do, unless a lower-case letter or a digit follows
    never_first: tuple[str, ...] = ()  # words that no sentence begins with, where no letter case tells
    ordinal_dot: bool = False  # "26. juulil": digits and a dot do not end a sentence before a lower-case letter
    no_break: tuple[str, ...] = ()  # patterns; no sentence ends inside a match
    break_after: tuple[str, ...] = ()  # patterns; a sentence ends where a match does, if a space follows
    whole_quotes: str = ""  # pairs of an opening and a closing mark; no sentence ends between them ...
    max_whole_quote: int = 150  # ... unless they are farther apart than this: an interview is many sentences
    spaced: bool = True  # spaces stand between words; false: between phrases, and stop words are sought inside them
    word_joiners: str = "'’\u200c\u200d"  # hold a word together between two letters or digits
    word_patterns: tuple[str, ...] = ()  # further patterns of one word, tried first: 20%ni


@dataclass(frozen=True)
class Relative:
    """`[[identification.relatives]]`: a close language and the letters or words that give it away."""

    name: str  # in English
    letters: str = ""  # that only it uses
    max_share: float = 0.01  # of the text's letters
    words: tuple[str, ...] = ()  # its function words; more of these than of ours, shared ones apart, and it is it
    endings: tuple[str, ...] = ()  # a word of three letters and more that ends so counts as one of them


@dataclass(frozen=True)
class Identification:
    """`[identification]`: what the identifiers call it, and who it is mistaken for."""

    labels: tuple[str, ...] = ()  # labels of pycld2 and py3langid that mean this language
    min_share: float = 0.35  # of the page's bytes; pycld2 gives plain text with foreign names as little as 0.4
    relatives: tuple[Relative, ...] = ()


@dataclass(frozen=True)
class Filters:
    """`[filters]`: limits a document must keep. `origins` says for each where its number comes from."""

    min_characters: int = 200  # guessed: two sentences; shorter pages are captions and stubs
    min_words: int = 30  # of the match form
    max_characters: int = 2_000_000  # longer pages are dumps of data
    min_script_share: float = 0.6  # of letters that are in the script
    min_stop_words: int = 2  # Gopher (Rae et al. 2021): two of eight function words
    min_stop_word_share: float = 0.0  # of the words; 0: not asked
    mean_word_length: tuple[float, float] = (2.0, 12.0)  # least and most, in characters
    max_symbol_word_ratio: float = 0.1  # Gopher: # and … per word
    max_bullet_lines: float = 0.9  # Gopher
    max_ellipsis_lines: float = 0.3  # Gopher
    min_line_punctuation: float = 0.12  # FineWeb: share of lines that end in punctuation
    max_short_lines: float = 0.67  # FineWeb: lines of at most 30 characters
    max_duplicate_lines: float = 0.3  # Gopher
    max_duplicate_line_characters: float = 0.2  # Gopher
    max_top_ngram: tuple[float, float, float] = (0.20, 0.18, 0.16)  # Gopher, 2-, 3- and 4-grams
    # Gopher, 5- to 10-grams
    max_duplicate_ngrams: tuple[float, float, float, float, float, float] = (0.15, 0.14, 0.13, 0.12, 0.11, 0.10)
    min_word_with_letter: float = 0.7  # Gopher has 0.8; tables of numbers are common in news
    max_digit_share: float = 0.3  # of the characters
    max_replacement_characters: float = 0.0005  # U+FFFD and private use, per character
    boilerplate: tuple[str, ...] = ()  # regular expressions; a line that matches whole is removed
    line_ends: str = ".!?…:;»”\"'"  # what counts as punctuation at a line's end
    origins: Mapping[str, str] = field(default_factory=dict)  # limit -> where its number comes from


@dataclass(frozen=True)
class Dedup:
    """`[dedup]`: when two texts are one."""

    ngram: int = 5  # words in a shingle
    permutations: int = 128  # numbers in a signature
    bands: int = 16  # 16 bands of 8: half of the pairs at Jaccard 0.71, nearly all at 0.85
    threshold: float = 0.8  # estimated Jaccard of the signatures from which a pair is a near-duplicate


@dataclass(frozen=True)
class Extraction:
    """`[extraction]`: words of the language that extraction must know."""

    drop_sections: tuple[str, ...] = ()  # wikitext headings whose sections are left out (references, see also …)
    file_namespaces: tuple[str, ...] = ("File", "Image", "Media")  # of the wiki: what [[File:…]] is called
    category_namespaces: tuple[str, ...] = ("Category",)  # of the wiki
    redirect_words: tuple[str, ...] = ("REDIRECT",)  # what follows # on a redirect page
    # of the wiki: templates that show one of their arguments in the sentence, and which, from 1
    text_templates: Mapping[str, int] = field(default_factory=dict)
    encodings: tuple[str, ...] = ()  # what its pages were written in before UTF-8, likeliest first


@dataclass(frozen=True)
class SourceSpec:
    """`[[sources]]`: where pages come from."""

    name: str  # what its documents are counted under
    kind: str  # a module of acquire.kinds: wikipedia, …
    locator: str  # what the kind needs: a wiki's database name, a URL, a folder
    licence: str  # SPDX
    attribution: str = ""  # who is to be named
    delay_s: float = 1.0  # politeness
    options: Mapping[str, Any] = field(default_factory=dict)  # what the kind takes besides


@dataclass(frozen=True)
class TokenizerSettings:
    """`[tokenizer]`: what `tokenizer train` does unless told otherwise."""

    vocabulary: int = 30_000  # pieces, bytes and special ids included
    model: Literal["unigram", "bpe"] = "unigram"  # SentencePiece's
    split_by_script: bool = True  # no piece crosses from one script to another
    split_digits: bool = True  # each digit is a piece of its own
    character_coverage: float = 0.9998  # the rest is spelled in bytes
    # 50 million, balanced over sources, fitted modern prose better than 97 million unbalanced, at half time and memory
    sample_characters: int = 50_000_000
    demo_vocabulary: int = 2_000  # pieces that a few dozen samples carry


@dataclass(frozen=True)
class Baseline:
    """`[[lm.baselines]]`: a language model's published result, which the next one is compared with."""

    model: str  # what it is and where it can be had
    bits_per_character: float  # on the test split; compares across tokenizers
    signature: str  # the line that `lm evaluate` prints: how to get the figure again
    source: str = ""  # where it is published


@dataclass(frozen=True)
class LMSettings:
    """`[lm]`: prompts that `lm generate` starts from when none is given, and results to compare with."""

    prompts: tuple[str, ...] = ()  # beginnings of sentences
    baselines: tuple[Baseline, ...] = ()


@dataclass(frozen=True)
class Score:
    """`[[tasks.scores]]`: what another system reached on a task, and where that is said."""

    model: str  # the system
    value: float  # of the task's metric
    source: str  # paper, page or repository


@dataclass(frozen=True)
class Task:
    """`[[tasks]]`: a labelled set that a classifier is trained and measured on."""

    name: str  # of the set
    kind: Literal["classification", "regression", "tagging", "sentence-pairs"]  # what is asked of a text
    locator: str  # where it lies: a URL, a hub's name, a folder
    licence: str  # SPDX, or what its authors say
    metric: Literal[
        "accuracy", "f1-macro", "f1-micro", "f1-weighted", "mcc", "pearson", "spearman"
    ]  # that scores are in
    labels: tuple[str, ...] = ()  # as the set writes them
    attribution: str = ""  # who is to be named
    scores: tuple[Score, ...] = ()


@dataclass(frozen=True, repr=False)
class Language:
    """Everything a stage asks a language, frozen, with a fingerprint of all that shapes its output.

    `normalizers` holds `train`, `match` and `fold`, and one of raw text for each profile. `stop_words` are in normal
    form. `folder` is where it was read.
    """

    identity: Identity
    alphabet: Alphabet
    normalization: Normalization
    segmentation: Segmentation
    identification: Identification
    filters: Filters
    dedup: Dedup
    extraction: Extraction
    sources: tuple[SourceSpec, ...]
    tokenizer: TokenizerSettings
    lm: LMSettings
    normalizers: Mapping[str, Normalizer]  # train; match (of raw text); fold (of text in train form); profiles
    stop_words: frozenset[str]
    folder: Path
    fingerprint: str
    tasks: tuple[Task, ...] = ()
    pii: tuple[Pii, ...] = ()
    inherited: tuple[Path, ...] = ()  # folders that this one inherits from, the nearest first

    def file(self, name: str) -> Path:
        """The folder's own `name`, or that of the nearest folder it inherits from that has one."""
        return next(
            (path for path in (f / name for f in (self.folder, *self.inherited)) if path.exists()), self.folder / name
        )

    @property
    def code(self) -> str:
        return self.identity.code

    @property
    def profiles(self) -> tuple[str, ...]:
        """The names that `profile` knows: `standard`, which the corpus is written in, then the folder's own."""
        return (STANDARD, *self.normalization.profiles)

    def profile(self, name: str) -> Normalizer:
        """The normalizer called `name`; a `UsageError` names those there are."""
        if name not in self.profiles:
            raise UsageError(f"{self.code} has no profile '{name}'. Known: {', '.join(self.profiles)}.")
        return self.normalizers["train" if name == STANDARD else name]

    def form(self, name: str) -> Normalizer:
        """The normalizer of the profile `name`, or of `match`."""
        return self.normalizers["match"] if name == "match" else self.profile(name)

    def normalize(self, text: str) -> str:
        """`text` in the form the corpus is written in; twice is once."""
        return self.normalizers["train"](text)

    def explain(self, text: str) -> list[Change]:
        """What each operation of `normalize` did to `text`, in order: its name, how often, the first place."""
        return self.normalizers["train"].explain(text)

    def match(self, text: str) -> str:
        """`text` in the aggressive form for deduplication, counting and metrics; takes raw or normalized text."""
        return self.normalizers["match"](text)

    def fold(self, text: str) -> str:
        """`match` of a text that is in normal form already: the same, without normalizing it again."""
        return self.normalizers["fold"](text)

    @cached_property
    def matched_stop_words(self) -> frozenset[str]:
        """`stop_words` in match form, as the words of a folded text are."""
        return frozenset(self.fold(word) for word in self.stop_words)

    @cached_property
    def _stop_word(self) -> re.Pattern[str]:
        """Any stop word in match form, the longest first."""
        known = sorted(self.matched_stop_words - {""}, key=lambda word: (-len(word), word))
        return re.compile("|".join(map(re.escape, known)) or "(?!)")

    def stop_words_of(self, words: Iterable[str]) -> list[str]:
        """Those of `words`, in match form, that are stop words; those inside `words` where they are phrases."""
        if self.segmentation.spaced or not self.stop_words:
            return list(filter(self.matched_stop_words.__contains__, words))
        return self._stop_word.findall(" ".join(words))

    def stop_word_share(self, words: Sequence[str]) -> float:
        """The share of `words`, in match form, that are stop words; of their characters where they are phrases."""
        found = self.stop_words_of(words)
        if self.segmentation.spaced:
            return len(found) / max(len(words), 1)
        return sum(map(len, found)) / max(sum(map(len, words)), 1)

    @cached_property
    def segmenter(self) -> Segmenter:
        return Segmenter(**{each.name: getattr(self.segmentation, each.name) for each in fields(Segmenter)})

    def sentences(self, text: str) -> list[str]:
        """The sentences of `text` in normal form, without the spaces between them."""
        return self.segmenter.sentences(text)

    def words(self, text: str) -> list[str]:
        """The words of `text` in normal form, without punctuation."""
        return self.segmenter.words(text)

    @cached_property
    def pii_finder(self) -> PiiFinder:
        """What finds the language's kinds of personal data."""
        return PiiFinder(self.pii, self.folder / "rules.py")

    @property
    def samples(self) -> Path:
        """The folder of short articles that came with the language."""
        return self.folder / "samples"

    def __repr__(self) -> str:
        return f"<Language {self.code}: {self.identity.name}, {self.fingerprint}, {self.folder}>"

    def _repr_html_(self) -> str:
        identity = self.identity
        rows: list[tuple[str, object]] = [
            ("name", f"{identity.name}, {identity.native_name}"),
            ("script", f"{identity.script}, {identity.direction}"),
            ("fingerprint", self.fingerprint),
            ("profiles", ", ".join(self.profiles)),
            ("sources", ", ".join(source.name for source in self.sources)),
        ]
        return html_table(str(self.folder), rows, direction=identity.direction)
