"""L2: samples, alphabet, stop words, identification and filters agree with one another."""

import re
from collections import Counter
from collections.abc import Callable, Sequence

import regex

from ulmkit.authoring.checks.subject import MIN_SAMPLES, NO_SAMPLES, Outcome, Subject, as_evidence, failed, missing, ok
from ulmkit.language import cases
from ulmkit.language.places import read_words
from ulmkit.text import script as scripts

MIN_SAMPLE_LETTERS = 10_000
MIN_COVERAGE = 0.999  # of the samples' letters in the language's script
MIN_STOP_WORDS = 50  # Gopher asks a page for two of eight; fifty are the closed classes of most languages
MIN_STOP_WORD_SHARE = 0.1  # of the samples' words; function words are a fifth to a half of running text
MIN_IDENTIFIED = 0.95
MIN_KEPT = 0.95


def samples_enough(subject: Subject) -> Outcome:
    """samples/ holds articles enough for the checks that count on them."""
    if not subject.samples:
        return NO_SAMPLES
    letters = sum(sum(map(str.isalpha, sample.text)) for sample in subject.samples)
    evidence = f"{len(subject.samples):,} articles, {letters:,} letters"
    if len(subject.samples) < MIN_SAMPLES or letters < MIN_SAMPLE_LETTERS:
        return failed(
            evidence, f"Write more samples: {MIN_SAMPLES} articles and {MIN_SAMPLE_LETTERS:,} letters at least."
        )
    return ok(evidence)


def alphabet_covers(subject: Subject) -> Outcome:
    """[alphabet] holds 99.9 % of the letters that the samples write in the language's script.

    Ideographs are not asked for: no list of them is whole.
    """
    if not subject.samples:
        return NO_SAMPLES
    language = subject.language
    known = set(language.alphabet.letters)
    counts: Counter[str] = Counter()
    for sample in subject.samples:
        counts.update(sample.normal)
    script = unicode_script_letters(language.identity.script)
    written = Counter({c: n for c, n in counts.items() if script(c)})
    unknown = Counter({c: n for c, n in written.items() if c not in known})
    share = 1 - unknown.total() / max(written.total(), 1)
    evidence = f"{share:.3%} of {written.total():,} letters"
    if unknown:
        evidence += ", not " + " ".join(c for c, _ in unknown.most_common(5))
    if share < MIN_COVERAGE:
        return failed(evidence, "Add the missing letters to [alphabet], or map them in characters.tsv.")
    return ok(evidence)


def unicode_script_letters(script: str) -> Callable[[str], bool]:
    """Whether a character is a letter of `script` and no ideograph."""
    pattern, ideograph = re.compile(f"[{scripts.letters(script)}]"), regex.compile(r"\p{Ideographic}")
    return lambda c: c.isalpha() and bool(pattern.match(c)) and not ideograph.match(c)


def stop_words_fill_text(subject: Subject) -> Outcome:
    """stopwords.txt is in normal form and long enough, and running text is full of its words."""
    language = subject.language
    written = read_words(language.file("stopwords.txt"))
    if not written:
        return missing("no stopwords.txt", f"Write stopwords.txt: {MIN_STOP_WORDS} function words or more, one a line.")
    changed = next((word for word in written if language.normalize(word) != word), None)
    if changed is not None:
        normal = language.normalize(changed)
        return failed(f"{as_evidence(changed)} is not in normal form", f"Write {as_evidence(normal)} in stopwords.txt.")
    if len(language.stop_words) < MIN_STOP_WORDS:
        return failed(f"{len(language.stop_words)} words", f"Add function words: {MIN_STOP_WORDS} at least.")
    if not subject.samples:
        return NO_SAMPLES
    hits = language.stop_word_share(list(subject.words.elements()))
    evidence = f"{len(language.stop_words)} words, {hits:.1%} of the samples' words"
    if hits < MIN_STOP_WORD_SHARE:
        return failed(
            evidence, f"Add the commonest function words: they should be {MIN_STOP_WORD_SHARE:.0%} of a text."
        )
    return ok(evidence)


IDENTIFIED_OTHERWISE = ("other language", "mixed languages", "close language")


def identified(subject: Subject) -> Outcome:
    """The samples are taken for this language."""
    settings = subject.language.identification
    if not subject.samples:
        return NO_SAMPLES
    if not settings.labels and not cases.read_relatives(subject.language.file(cases.RELATIVES)):
        return missing(
            "no labels: what no identifier is sure of passes",
            "Name the identifiers' labels in [identification] labels; where they know none, write relatives.tsv.",
        )
    return share_of_samples(
        subject,
        IDENTIFIED_OTHERWISE,
        MIN_IDENTIFIED,
        "identified",
        "Correct [identification]: labels, min_share, relatives.",
    )


def samples_kept(subject: Subject) -> Outcome:
    """The filters keep 95 % of the samples that are in the language."""
    if not subject.samples:
        return NO_SAMPLES
    reasons = tuple({s.verdict.reason for s in subject.samples if not s.verdict.keep} - set(IDENTIFIED_OTHERWISE))
    return share_of_samples(
        subject, reasons, MIN_KEPT, "kept", "Widen the limit in [filters], or exchange the sample if it is no article."
    )


def share_of_samples(subject: Subject, reasons: Sequence[str], least: float, word: str, todo: str) -> Outcome:
    """How many samples were not dropped for one of `reasons`, with the first that was."""
    dropped = [sample for sample in subject.samples if sample.verdict.reason in reasons]
    share = 1 - len(dropped) / len(subject.samples)
    evidence = f"{len(subject.samples) - len(dropped)} of {len(subject.samples)} {word}"
    if dropped:
        first = dropped[0]
        evidence += f"; samples/{first.name}: {first.verdict.reason} ({first.verdict.detail})"
    return ok(evidence) if share >= least else failed(evidence, todo)
