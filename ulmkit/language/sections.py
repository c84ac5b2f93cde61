"""The sections of language.toml: every setting once, with its default and the reason for it.

A folder's `language.toml` holds only what differs from here (and from its script's file). The field names are the
TOML keys; a key that no field here knows is refused.
"""

import copyreg
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from ulmkit.language.sources import SourceSpec
from ulmkit.text.pii import Pii


def frozen(mapping: Mapping[str, Any]) -> MappingProxyType[str, Any]:
    """A copy of `mapping` that nobody can change; unlike a bare mapping proxy it can be pickled."""
    return MappingProxyType(dict(mapping))


copyreg.pickle(MappingProxyType, lambda proxy: (frozen, (dict(proxy),)))


@dataclass(frozen=True)
class LanguageIdentity:
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
    match_tail: tuple[str, ...] = ("hold_words", "drop_punctuation", "spaces")  # after `match`
    # kinds of span that no operation touches
    protect: tuple[str, ...] = ("url", "email", "ip", "version", "user", "hashtag", "code", "placeholder", "number")
    digits: Literal["native", "ascii", "keep"] = "keep"  # one choice per corpus
    quotes: str = ""  # the opening and the closing mark that `quotes` writes
    punctuation: Mapping[str, str] = field(default_factory=dict)  # ASCII mark -> the script's own
    native_marks: str = ""  # closing marks of the script: no space before them, one after
    dash: str = ""  # what `dashes` writes for all longer ones, – or —; empty: each stays
    unspaced: str = ""  # marks that `spacing` sets no space behind: ? where it writes a letter
    max_letter_run: int = 0  # a run of so many equal letters is shortened (0: never) ...
    letter_run_to: int = 2  # ... to this many
    keep_characters: str = ""  # what characters.tsv would change or delete, and is kept
    # named variations, `[normalization.profiles.<name>]`: settings of this part that are other there, and `Profile`'s
    profiles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


TextState = Literal["", "wrapped", "tokenized"]  # what a build tells of a text by its look
NO_PART_OF_A_PROFILE = ("match", "match_tail", "profiles")  # a profile is a form of raw text


@dataclass(frozen=True)
class Profile:
    """`[normalization.profiles.<name>]`: what a profile adds; besides, any setting of `[normalization]` but `match`."""

    extends: str = "standard"  # the profile that it starts from
    after: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # operation of `train` -> what follows it here
    without: tuple[str, ...] = ()  # operations of `train` that are left out here
    # a build reads in it what is plainly so: texts whose lines were wrapped at a column, or that were cut into tokens
    when: TextState = ""


@dataclass(frozen=True)
class Segmentation:
    """`[segmentation]`: where sentences end and what a word is. Patterns are regular expressions (Python's `re`)."""

    sentence_ends: str = ".!?…"  # characters that may end one
    spaceless_ends: str = ""  # those of them after which no space need follow: 。
    space_ends: bool = False  # a space between two letters of the script ends one, where it has no mark that does
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
    # what identifiers call it, where they take our short verse for it: its share counts as ours unless the signs speak
    labels: tuple[str, ...] = ()


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
    max_ellipsis_lines: float = 0.3  # Gopher; lines of one sentence that breaks off
    min_line_punctuation: float = 0.12  # FineWeb: share of lines that end in punctuation
    min_sentence_ends: float = 0.8  # for each hundred words of a page of fewer than five lines; front pages have 0.6
    max_short_lines: float = 0.67  # FineWeb: lines of at most 30 characters
    verse_line_starts: float = 0.2  # share of lines that begin with a stop word, from which short ones are verse
    prose_stop_word_share: float = 0.25  # share of stop words from which paragraphs without marks are running text
    max_duplicate_lines: float = 0.3  # Gopher
    max_duplicate_line_characters: float = 0.3  # Gopher has 0.2, over which 14 of 15 texts that were read are good
    # 2-, 3- and 4-grams, from the third time on. Gopher has 0.2 to 0.16; up to these 13 of 19 texts that were read are
    # good, five are lists and one is junk
    max_top_ngram: tuple[float, float, float] = (0.25, 0.22, 0.20)
    max_said_again: float = (
        0.45  # of the characters, in 5-grams that occurred before: a text that is there twice has 0.5
    )
    # 5- to 10-grams, from the third time on. Gopher has 0.15 to 0.10; up to 0.33 51 of 55 texts that were read are good
    max_duplicate_ngrams: tuple[float, float, float, float, float, float] = (0.33, 0.31, 0.29, 0.27, 0.26, 0.25)
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
    # of the wiki: templates that show more: their form, $1 for the first argument; "{{convert}}" is as that template
    text_forms: Mapping[str, str] = field(default_factory=dict)
    # of the wiki: templates that show nothing in the sentence, notes and requests, and all "name …" of one name
    silent_templates: tuple[str, ...] = ()
    encodings: tuple[str, ...] = ()  # what its pages were written in before UTF-8, likeliest first


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
class LabelledSet:
    """`[[tasks]]`: a labelled set that a classifier is trained and measured on."""

    name: str  # of the set
    kind: Literal["classification", "regression", "tagging", "sentence-pairs"]  # what is asked of a text
    locator: str  # where it lies: a URL, a hub's name, a folder, or a .tsv file beside language.toml
    licence: str  # SPDX, or what its authors say
    metric: Literal[
        "accuracy", "f1-macro", "f1-micro", "f1-weighted", "mcc", "pearson", "spearman"
    ]  # that scores are in
    labels: tuple[str, ...] = ()  # as the set writes them
    attribution: str = ""  # who is to be named
    scores: tuple[Score, ...] = ()

    @property
    def bundled(self) -> bool:
        """Whether it is a file of the language's folder."""
        return self.locator.endswith(".tsv") and "/" not in self.locator and "\\" not in self.locator


SECTIONS: dict[str, tuple[str, type]] = {
    # TOML key -> field of Language, its type
    "language": ("identity", LanguageIdentity),
    "alphabet": ("alphabet", Alphabet),
    "normalization": ("normalization", Normalization),
    "segmentation": ("segmentation", Segmentation),
    "identification": ("identification", Identification),
    "filters": ("filters", Filters),
    "dedup": ("dedup", Dedup),
    "extraction": ("extraction", Extraction),
    "sources": ("sources", SourceSpec),
    "tokenizer": ("tokenizer", TokenizerSettings),
    "lm": ("lm", LMSettings),
    "tasks": ("tasks", LabelledSet),
    "pii": ("pii", Pii),
}
LISTS = {"sources", "tasks", "pii"}  # `[[section]]`: one block for each
