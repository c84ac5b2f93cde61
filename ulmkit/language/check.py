"""Does a language folder keep what a language promises? Checks, a grade from L0 to L4, and what would raise it.

`CHECKS` is the whole suite in order. A check is a function of a `Subject`: the language, its samples as the stages
took them in, and the stages themselves, which this room may not import and `cli` passes in. A check that cannot run
says what is missing and counts as not passed: a grade is proof, not absence of complaints.
"""

import html
import itertools
import random
import re
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from ulmkit.document import Verdict, count_joiners
from ulmkit.errors import LanguageError, UlmkitError
from ulmkit.language import cases
from ulmkit.language.load import read_text, read_words
from ulmkit.language.spec import Filters, Language
from ulmkit.progress import Progress, Report, silent
from ulmkit.text import script as scripts
from ulmkit.text.normalize import about_operation, make_operation
from ulmkit.text.operations import MATCH_ONLY, Operation

Grade = Literal["L0", "L1", "L2", "L3", "L4"]
# what each grade promises; a grade is reached when its own checks and those of all grades below are passed
GRADES: dict[Grade, tuple[str, str]] = {
    "L0": ("stub", "the folder is there"),
    "L1": ("normalizes", "loads; every text has one normal form, which its examples show and its keep-cases hold"),
    "L2": ("corpus-ready", "samples, alphabet, stop words, identification and filters agree with one another"),
    "L3": (
        "complete",
        "every part that the language needs is there, exemplified, licensed, and told from its relatives",
    ),
    "L4": ("trained baseline", "a language model's published result stands in the folder"),
}

# limits of the checks
MIN_SAMPLES = 10  # articles: fewer cannot show that 95 % are kept
MIN_SAMPLE_LETTERS = 10_000
MIN_COVERAGE = 0.999  # of the samples' letters in the language's script
MIN_STOP_WORDS = 50  # Gopher asks a page for two of eight; fifty are the closed classes of most languages
MIN_STOP_WORD_SHARE = 0.1  # of the samples' words; function words are a fifth to a half of running text
MIN_IDENTIFIED = 0.95
MIN_KEPT = 0.95
MIN_SENTENCE_CASES = 10
MAX_BYTE_SHARE = 0.03  # of the tokens of held-out samples: letters that no piece knows
MAX_FERTILITY = 4.0  # pieces a word, with a vocabulary of a few thousand
MIN_SPEED = 0.02  # of `unicodedata`'s NFC on the same text; less is a rule that should be guarded
FUZZ_CASES = 1_200

Status = Literal["ok", "warning", "failed", "missing", "not applicable"]
PASSED: tuple[Status, ...] = ("ok", "warning", "not applicable")


@dataclass(frozen=True)
class Outcome:
    """What a check found. `evidence` holds figures or the first failing case, `todo` what to do about it."""

    status: Status
    evidence: str
    todo: str = ""


@dataclass(frozen=True)
class Sample:
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


@dataclass(frozen=True)
class Stages:
    """What the checks ask of the stages. Each is a function, so that a test can pass its own."""

    samples: Callable[[Language, Report], Sequence[Sample]]
    judge: Callable[[Language, str], Verdict]  # what a build says of a text
    extract: Callable[[str], str]  # the text of an HTML page
    tokenize: Callable[[Language, Sequence[Sample], Report], TokenizerFigures]


def _absent(*_: Any) -> Any:
    raise UlmkitError("this check asks a stage, and none was passed in.")


NO_STAGES = Stages(_absent, _absent, _absent, _absent)  # for the quick checks


@dataclass(frozen=True)
class Subject:
    """A language under test. What several checks ask for is made once."""

    language: Language
    stages: Stages
    report: Report = silent

    @cached_property
    def samples(self) -> Sequence[Sample]:
        """The articles of samples/: what holds text (a redirect of a wiki does not)."""
        if not self.language.samples.is_dir():
            return ()
        return [sample for sample in self.stages.samples(self.language, self.report) if sample.text]

    @cached_property
    def tokenizer(self) -> TokenizerFigures:
        return self.stages.tokenize(self.language, self.samples, self.report)

    @cached_property
    def operations(self) -> dict[str, Operation]:
        """Every operation of the train and match forms, by name."""
        normalizer = self.language.normalizers["match"]
        names = dict.fromkeys(normalizer.operations)
        return {name: make_operation(name, normalizer.settings) for name in names}

    @cached_property
    def examples(self) -> tuple[cases.Example, ...]:
        return cases.read_examples(self.language.file(cases.EXAMPLES))

    @cached_property
    def fuzz(self) -> tuple[str, ...]:
        """Texts of the folder, whole and in pieces, mixed with what breaks normalizers; the same on every run."""
        return tuple(fuzz_texts(self))

    @cached_property
    def words(self) -> Counter[str]:
        """How often each word of the match form occurs in the samples."""
        words: Counter[str] = Counter()
        for sample in self.samples:
            words.update(self.language.fold(sample.normal).split())
        return words


def ok(evidence: str) -> Outcome:
    return Outcome("ok", evidence)


def failed(evidence: str, todo: str) -> Outcome:
    return Outcome("failed", evidence, todo)


def missing(evidence: str, todo: str) -> Outcome:
    return Outcome("missing", evidence, todo)


def not_applicable(evidence: str) -> Outcome:
    return Outcome("not applicable", evidence)


NO_SAMPLES = missing(
    "no samples/", f"Write samples/: {MIN_SAMPLES} articles or more, in files of any kind a build reads."
)


def quoted(text: str, limit: int = 40) -> str:
    """`text` as evidence: bounded, with what cannot be seen spelled out."""
    shown = "".join(c if c == " " or (c.isprintable() and not unicodedata.combining(c)) else _code(c) for c in text)
    return f"‘{shown if len(shown) <= limit else shown[: limit - 1] + '…'}’"


def _code(character: str) -> str:
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"


def differing(before: str, after: str) -> str:
    """The first place where two texts differ, as evidence."""
    pairs = zip(before, after, strict=False)
    place = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(before), len(after)))
    low = max(0, place - 12)
    return f"{quoted(before[low : place + 12])} → {quoted(after[low : place + 12])}"


# ---------------------------------------------------------------- texts that break normalizers

# pieces real pages are made of and pieces that break rules, whatever the language
_PIECES = (
    "0 12 1.5 2,5 10:30 2024-05-12 5% % 2.7.19 192.168.1.10 fe80::1 v1.0-rc.1 http://a.b/c?d=1,2 www.x.org a.b@c.org "
    "@user #tag &amp; &zwnj; &nbsp; &#8204; &amp;lt; `a` ` . .. ... …. , ; ? ! !!!! : « » ( ) [ ] { } \" ' ’ “ ” „ ‹ "
    "› - – — ‑ / _ ▁ * = | \\ ~ < > a Z İ ß ŉ ﬁ Ａ ① ½ é 가 कि ক য় ကို ไทย"
)
_INVISIBLE = (
    " |  |\n|\n\n\n|\t|\r\n|\r|\u00a0|\u2028|\u2029|\x85|\u3000|\x00|\x01|\u200b|\u200c|\u200d|\u200e|\u200f|\u202b|"
    "\u2066|\u2060|\ufeff|\u00ad|\u034f|\u061c|\ufe0f|\ufdd0|\uffff|\ufffd|\ue000|\ud800|\udc00|\U0001f600|\U000e0041|"
    "\u0301|\u0308|\u0323|\u0327|\u0654|\u093c|\u1161"
)


def fuzz_texts(subject: Subject) -> Iterator[str]:
    """`FUZZ_CASES` texts: the folder's own strings and pieces of its samples, shuffled with what breaks rules."""
    language = subject.language
    own = [example.raw for example in subject.examples] + [
        case.text for case in cases.read_keep(language.file(cases.KEEP))
    ]
    yield from own
    rng = random.Random(language.code)
    alphabet = language.alphabet
    letters = [*alphabet.letters, *alphabet.digits, *alphabet.joiners * 4, *alphabet.joiner_forms, *alphabet.zwj_after]
    marks = [*language.normalization.native_marks, *language.normalization.quotes]
    pieces = [*_PIECES.split(" "), *_INVISIBLE.split("|"), *own, *marks]
    samples = subject.samples
    for _ in range(FUZZ_CASES):
        text = []
        for _ in range(rng.randint(1, 20)):
            kind = rng.random()
            if kind < 0.45:
                text.append(rng.choice(pieces))
            elif kind < 0.75 and letters:
                text.append("".join(rng.choices(letters, k=rng.randint(1, 5))))
            elif kind < 0.85 and samples:
                sample = rng.choice(samples).text
                start = rng.randrange(len(sample) + 1)
                text.append(sample[start : start + rng.randint(1, 60)])
            else:
                text.append(chr(rng.randrange(0x3000 if kind < 0.97 else 0x110000)))
        yield "".join(text)


# ---------------------------------------------------------------- L1: normalizes


def schema(subject: Subject) -> Outcome:
    """language.toml and every table parse, and name only what exists."""
    language = subject.language
    count = len(subject.operations)
    return ok(f"{count} operations, fingerprint {language.fingerprint}")


def operations_idempotent(subject: Subject) -> Outcome:
    """Each operation alone: what it has done once it does not do again."""
    for text in subject.fuzz:
        for name, operation in subject.operations.items():
            once, _ = operation.apply(text)
            twice, _ = operation.apply(once)
            if twice != once:
                return failed(f"{name}: {differing(once, twice)} on the second pass", f"Make {name} idempotent.")
    return ok(f"{len(subject.operations)} operations, {len(subject.fuzz):,} texts")


def sequence_idempotent(subject: Subject) -> Outcome:
    """All operations in order: a second pass changes nothing, in the train form and in the match form."""
    language = subject.language
    texts = [*subject.fuzz, *(sample.text for sample in subject.samples)]
    for text in texts:
        normal = language.normalize(text)
        for form, once, twice in (
            ("train", normal, language.normalize(normal)),
            ("match", matched := language.match(text), language.fold(matched)),
        ):
            if twice != once:
                where = differing(once, twice)
                return failed(
                    f"{form}: {where}, from {quoted(text, 60)}", "Find the operation with `ulmkit normalize --explain`."
                )
    return ok(f"{len(texts):,} texts, {len(subject.samples):,} of them samples")


def composed(subject: Subject) -> Outcome:
    """The normal form is NFC, and one text composed and decomposed has one normal form."""
    language = subject.language
    for text in subject.fuzz:
        normal = language.normalize(text)
        if not unicodedata.is_normalized("NFC", normal):
            return failed(f"{quoted(normal)} is not in NFC", "Put `nfc` behind the operation that leaves marks apart.")
    real = [
        *(sample.text for sample in subject.samples),
        *(case.text for case in cases.read_keep(language.file(cases.KEEP))),
    ]
    for text in real:
        apart, together = (language.normalize(unicodedata.normalize(form, text)) for form in ("NFD", "NFC"))
        if apart != together:
            return failed(
                f"NFD and NFC part: {differing(together, apart)}", "Map decomposed spellings too (characters.tsv)."
            )
    return ok(f"{len(subject.fuzz):,} texts in NFC; {len(real):,} the same from NFD")


def examples_hold(subject: Subject) -> Outcome:
    """Every line of examples.tsv comes out as written, and the operation it names had a hand in it."""
    language = subject.language
    if not subject.examples:
        return missing(
            "no examples.tsv", "Write examples.tsv: operation, raw text, normal text; one line an operation."
        )
    for example in subject.examples:
        where = f"{cases.EXAMPLES}:{example.line}"
        if example.form not in (*language.profiles, "match"):
            return failed(f"{where}: no profile '{example.form}'", f"Name a profile of [normalization] in {where}.")
        made = language.form(example.form)(example.raw)
        if made != example.normal:
            return failed(
                f"{where}: made {quoted(made)}, not {quoted(example.normal)}", f"Correct {where} or the rules."
            )
        if example.operation not in acting(subject, example):
            return failed(f"{where}: {example.operation} did nothing", f"Name the operation that acts in {where}.")
    return ok(f"{len(subject.examples):,} examples")


def acting(subject: Subject, example: cases.Example) -> set[str]:
    """The operations that change or count something in the example's raw text."""
    raw = example.raw
    found = {change.operation for change in subject.language.form(example.form).explain(raw)}
    # reading a text as UTF-16 drops lone surrogates before any operation is asked
    return found | ({"surrogates"} if any("\ud800" <= c <= "\udfff" for c in raw) else set())


def keeps(subject: Subject) -> Outcome:
    """Every string of keep.txt passes unchanged, alone and between words."""
    language = subject.language
    kept = cases.read_keep(language.file(cases.KEEP))
    if not kept:
        return missing("no keep.txt", "Write keep.txt: words, numbers and addresses that must pass unchanged.")
    around = next(iter(language.lm.prompts), "") or "a"
    for case in kept:
        for text in (case.text, f"{around} {case.text} {around}"):
            made = language.normalize(text)
            if made != text:
                where = f"{cases.KEEP}:{case.line}"
                return failed(f"{where}: {differing(text, made)}", f"Correct {where} or the rules.")
    return ok(f"{len(kept):,} strings, alone and between words")


def letters_kept(subject: Subject) -> Outcome:
    """Every letter of the alphabet is in normal form, and no sample loses one but where characters.tsv says so."""
    language = subject.language
    if not language.alphabet.letters:
        return missing("[alphabet] has no letters", "List every letter of the standard alphabet: [alphabet] letters.")
    alphabet = " ".join(dict.fromkeys(language.alphabet.letters))
    if language.normalize(alphabet) != alphabet:
        return failed(differing(alphabet, language.normalize(alphabet)), "Do not map letters that [alphabet] names.")
    known = set(language.alphabet.letters)
    table = subject.operations.get("characters", Operation("characters"))
    for sample in subject.samples:
        # a joiner inside a sequence of the table is no letter, and may be gone before the table is asked
        declared, _ = table.apply(unicodedata.normalize("NFC", re.sub("[\u200c\u200d]", "", sample.text)))
        composed = Counter(declared)
        written = sum(count for letter, count in composed.items() if letter in known)
        kept = sum(letter in known for letter in language.normalize(sample.text))
        if kept < written:
            return failed(f"samples/{sample.name}: {written - kept} letters gone", "See `ulmkit normalize --explain`.")
    return ok(f"{len(set(language.alphabet.letters))} letters, {len(subject.samples):,} samples")


def rules_keep_letters(subject: Subject) -> Outcome:
    """No function of rules.py loses a letter of the alphabet, unless an example of it shows that it does."""
    own = {name: operation for name, operation in subject.operations.items() if name.startswith("rules.")}
    if not own:
        return not_applicable("no rules of its own")
    letters = set(subject.language.alphabet.letters)

    def lost(operation: Operation, text: str) -> int:
        return sum(c in letters for c in text) - sum(c in letters for c in operation.apply(text)[0])

    for name, operation in own.items():
        if any(example.operation == name and lost(operation, example.raw) > 0 for example in subject.examples):
            continue
        for text in (*subject.fuzz, *(sample.text for sample in subject.samples)):
            if lost(operation, text) > 0:
                where = differing(text, operation.apply(text)[0])
                return failed(f"{name} deletes letters: {where}", f"Correct {name}, or show the loss in examples.tsv.")
    return ok(f"{len(own)} rules")


def speed(subject: Subject) -> Outcome:
    """Megabytes a second beside `unicodedata`'s NFC on the same text. Only ever a warning: machines differ."""
    texts = [sample.text for sample in subject.samples] or list(subject.fuzz)
    text = "\n".join(texts).encode("utf-8", "ignore").decode()[:400_000]
    chunks = [text[start : start + 4_000] for start in range(0, len(text), 4_000)]
    # U+0344 is never in NFC: without it a script whose letters never compose is not looked at, at 2 GB/s
    nfc = seconds(lambda: [unicodedata.normalize("NFC", "\u0344" + chunk) for chunk in chunks])
    ours = seconds(lambda: [subject.language.normalize(chunk) for chunk in chunks])
    size = len(text.encode()) / 1e6
    evidence = f"{size / ours:.1f} MB/s, {nfc / ours:.2f} of NFC's {size / nfc:.0f}"
    if nfc / ours < MIN_SPEED:
        return Outcome("warning", evidence, "Give slow rules triggers, so that they run only where they can act.")
    return ok(evidence)


def seconds(work: Callable[[], object]) -> float:
    """The least process time of three runs."""
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return max(best, 1e-6)


# ---------------------------------------------------------------- L2: corpus-ready


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
    """[alphabet] holds 99.9 % of the letters that the samples write in the language's script."""
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
    """Whether a character is a letter of `script`."""
    pattern = re.compile(f"[{scripts.letters(script)}]")
    return lambda character: character.isalpha() and bool(pattern.match(character))


def stop_words(subject: Subject) -> Outcome:
    """stopwords.txt is in normal form and long enough, and running text is full of its words."""
    language = subject.language
    written = read_words(language.file("stopwords.txt"))
    if not written:
        return missing("no stopwords.txt", f"Write stopwords.txt: {MIN_STOP_WORDS} function words or more, one a line.")
    changed = next((word for word in written if language.normalize(word) != word), None)
    if changed is not None:
        normal = language.normalize(changed)
        return failed(f"{quoted(changed)} is not in normal form", f"Write {quoted(normal)} in stopwords.txt.")
    if len(language.stop_words) < MIN_STOP_WORDS:
        return failed(f"{len(language.stop_words)} words", f"Add function words: {MIN_STOP_WORDS} at least.")
    if not subject.samples:
        return NO_SAMPLES
    hits = sum(subject.words[word] for word in language.stop_words) / max(subject.words.total(), 1)
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
            "no labels: any language passes",
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
        subject, reasons, MIN_KEPT, "kept", "Set [filters] from these samples (`language calibrate`)."
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


# ---------------------------------------------------------------- L3: complete


def every_operation_shown(subject: Subject) -> Outcome:
    """Every operation of the train form acts in some example."""
    shown = set().union(*(acting(subject, example) for example in subject.examples)) if subject.examples else set()
    wanted = set(subject.language.normalizers["train"].operations) - {"protect", "restore"} - set(MATCH_ONLY)
    silent = [name for name in subject.language.normalizers["train"].operations if name in wanted - shown]
    if silent:
        first = list(dict.fromkeys(silent))
        return failed(f"no example of {', '.join(first[:4])}", f"Add a line to examples.tsv for {first[0]}.")
    return ok(f"{len(wanted)} operations act in {len(subject.examples):,} examples")


def rules_documented(subject: Subject) -> Outcome:
    """Each function of rules.py that is an operation says in its docstring what it does."""
    own = [name for name in subject.operations if name.startswith("rules.")]
    if not own:
        return not_applicable("no rules of its own")
    settings = subject.language.normalizers["match"].settings
    bare = [name for name in own if not about_operation(name, settings)]
    if bare:
        return failed(f"{bare[0]} has no docstring", f"Say in a sentence what {bare[0]} does, with an example.")
    return ok(f"{len(own)} rules")


def relatives_refused(subject: Subject) -> Outcome:
    """Texts in close languages are not taken for this one."""
    language = subject.language
    texts = cases.read_relatives(language.file(cases.RELATIVES))
    if not texts:
        return missing(
            "no relatives.tsv", "Write relatives.tsv: a close language's name, a paragraph in it; one a line."
        )
    for case in texts:
        where = f"{cases.RELATIVES}:{case.line}"
        if len(case.text) < language.filters.min_characters:
            short = f"{where}: {len(case.text)} characters, shorter than any page"
            return failed(short, f"Make {where} at least {language.filters.min_characters} characters long.")
        verdict = subject.stages.judge(language, case.text)
        if verdict.reason not in IDENTIFIED_OTHERWISE:
            said = "kept" if verdict.keep else f"dropped as {verdict.reason}"
            return failed(f"{where}: {case.name} is {said}", "Give its letters or words: [[identification.relatives]].")
    told = {case.name for case in texts}
    untold = [relative.name for relative in language.identification.relatives if relative.name not in told]
    return ok(f"{len(texts)} texts in {len(told)} languages" + (f", none in {', '.join(untold)}" if untold else ""))


def junk_rejected(subject: Subject) -> Outcome:
    """What a crawl brings home and no corpus wants (junk.txt) is dropped by a filter."""
    language = subject.language
    pages = cases.read_junk(language.file(cases.JUNK))
    if not pages:
        return missing(
            "no junk.txt", "Write junk.txt: a menu, a cookie notice, a list of keywords …; empty lines between."
        )
    reasons: Counter[str] = Counter()
    for page in pages:
        where = f"{cases.JUNK}:{page.line}"
        if len(page.text) < language.filters.min_characters:
            short = f"{where}: {len(page.text)} characters, which any page's length would drop"
            return failed(short, f"Make {where} at least {language.filters.min_characters} characters long.")
        verdict = subject.stages.judge(language, page.text)
        if verdict.keep:
            return failed(f"{where} is kept: {quoted(page.text)}", "Tighten [filters], or add to its boilerplate.")
        reasons[verdict.reason] += 1
    return ok(f"{len(pages)} pages: {', '.join(f'{reason} {n}' for reason, n in reasons.most_common(4))}")


def joiners_survive(subject: Subject) -> Outcome:
    """Joiners inside words come through extraction, normalization and the tokenizer."""
    language = subject.language
    joiners = [f"U+{ord(joiner):04X}" for joiner in language.alphabet.joiners]
    if not joiners:
        return not_applicable("the language has none")
    if not subject.samples:
        return NO_SAMPLES
    texts = [sample.normal for sample in subject.samples]
    written = count_joiners(texts)
    extracted = count_joiners(map(subject.stages.extract, map(html_page, texts)))
    evidence = []
    for joiner in joiners:
        key = f"{joiner} in words"
        counts = [written[key], extracted[key], subject.tokenizer.joiners[key]]
        evidence.append(f"{joiner}: {counts[0]:,} written, {counts[1]:,} extracted, {counts[2]:,} decoded")
        if not counts[0]:
            return missing(f"no {joiner} in the samples", "Write samples with words that hold it.")
        if len(set(counts)) > 1:
            return failed(evidence[-1], "A stage loses it: see `ulmkit normalize --explain`.")
        raw = count_joiners(sample.text for sample in subject.samples)[key]
        if raw - written[key] > language.alphabet.max_joiner_loss * raw:
            return failed(
                f"{joiner}: {raw:,} in the samples, {written[key]:,} normalized", "Keep joiners between letters."
            )
    return ok("; ".join(evidence))


def html_page(text: str) -> str:
    """`text` as an article of a page, its joiners in turn written plainly and as a reference."""
    turn = itertools.cycle((False, True))
    paragraphs = "".join(f"<p>{html.escape(line)}</p>" for line in text.split("\n") if line)
    joined = re.sub("[\u200c\u200d]", lambda m: f"&#{ord(m[0])};" if next(turn) else m[0], paragraphs)
    return f"<html><head><meta charset=utf-8></head><body><main><article>{joined}</article></main></body></html>"


def licences(subject: Subject) -> Outcome:
    """SOURCES.md says of every file and crawl source where it comes from, and under which licence."""
    folder = subject.language.folder
    path = folder / "SOURCES.md"
    if not path.is_file():
        return missing("no SOURCES.md", "Write SOURCES.md: a table of what, source and licence for each file.")
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in read_text(path).split("\n")
        if "|" in line
    ]
    if bare := next((row for row in rows if not row[-1]), None):
        return failed(
            f"SOURCES.md: {bare[0]} has no licence", "Name its licence, or `facts` where there is nothing to own."
        )
    told = "\n".join(row[0] for row in rows)
    wanted = [entry.name for entry in sorted(folder.iterdir()) if describable(entry)]
    wanted += [source.name for source in subject.language.sources]
    wanted += [task.name for task in subject.language.tasks]
    absent = [name for name in wanted if name not in told]
    if absent:
        return failed(
            f"SOURCES.md does not name {absent[0]}", f"Say where {', '.join(absent)} comes from, and its licence."
        )
    return ok(f"{len(wanted)} files and sources")


def describable(entry: Path) -> bool:
    """Whether a folder's entry is data that somebody may own."""
    return not entry.name.startswith((".", "_")) and entry.name not in ("SOURCES.md", "language.toml")


def limits_explained(subject: Subject) -> Outcome:
    """Each filter that differs from the default says where its number comes from."""
    filters = subject.language.filters
    default = Filters()
    changed = [
        f.name for f in fields(filters) if f.name != "origins" and getattr(filters, f.name) != getattr(default, f.name)
    ]
    silent = [name for name in changed if not filters.origins.get(name)]
    if silent:
        return failed(
            f"no origin of {', '.join(silent[:4])}", f"Say in [filters.origins] where {silent[0]} comes from."
        )
    return ok(f"{len(changed)} limits of its own, each with its origin")


def sentences(subject: Subject) -> Outcome:
    """Sentences end where sentences.txt says."""
    language = subject.language
    lines = cases.read_sentences(language.file(cases.SENTENCES))
    if not lines:
        return missing("no sentences.txt", "Write sentences.txt: a text a line, | where a sentence ends.")
    for case in lines:
        wanted = [language.normalize(sentence) for sentence in case.sentences]
        found = language.sentences(language.normalize(case.text))
        if found != wanted:
            shown_as = quoted(" | ".join(found), 120)
            return failed(
                f"sentences.txt:{case.line} is split {shown_as}", "Correct [segmentation], or the line if it is wrong."
            )
    ends = sum(len(case.sentences) - 1 for case in lines)
    evidence = f"{len(lines)} cases, {ends} ends inside them"
    if min(len(lines), ends) < MIN_SENTENCE_CASES:
        return missing(evidence, f"Write {MIN_SENTENCE_CASES} cases or more into sentences.txt, most of two sentences.")
    return ok(evidence)


def round_trip(subject: Subject) -> Outcome:
    """A small tokenizer, trained on the samples, gives every one of them back exactly."""
    if not subject.samples:
        return NO_SAMPLES
    figures = subject.tokenizer
    evidence = f"{figures.exact} of {figures.total} texts, {figures.vocabulary:,} pieces"
    if figures.exact < figures.total:
        return failed(f"{evidence}; not {figures.first_failing}", "Report it: the tokenizer is lossless by design.")
    return ok(evidence)


def fertility(subject: Subject) -> Outcome:
    """Pieces a word on samples that the tokenizer was not trained on, and how many are bytes."""
    if not subject.samples:
        return NO_SAMPLES
    figures = subject.tokenizer
    evidence = f"{figures.fertility:.2f} pieces a word, {figures.byte_share:.2%} bytes, {figures.vocabulary:,} pieces"
    if figures.byte_share > MAX_BYTE_SHARE:
        return failed(evidence, "Letters are spelled in bytes: add them to [alphabet], or write more samples.")
    if figures.fertility > MAX_FERTILITY:
        return failed(evidence, "Write more samples, or raise [tokenizer] demo_vocabulary.")
    return ok(evidence)


# ---------------------------------------------------------------- L4: trained baseline


def baseline(subject: Subject) -> Outcome:
    """A language model's result, with the signature that says how to get it again."""
    found = subject.language.lm.baselines
    if not found:
        return missing(
            "no [[lm.baselines]]", "Train (`ulmkit lm pretrain`) and record model, bits_per_character and signature."
        )
    best = min(found, key=lambda each: each.bits_per_character)
    return ok(f"{best.model}: {best.bits_per_character:.4f} bits per character")


# ---------------------------------------------------------------- the suite


@dataclass(frozen=True)
class Check:
    """A question, and the grade that it counts towards. `quick`: it needs neither samples nor a dictionary that
    an example of a profile may load, so `list` asks it too."""

    question: Callable[[Subject], Outcome]
    grade: Grade
    quick: bool = False

    @property
    def name(self) -> str:
        return self.question.__name__.replace("_", " ")

    @property
    def about(self) -> str:
        return (self.question.__doc__ or "").split("\n")[0]


# in order of what to do first
CHECKS: tuple[Check, ...] = (
    Check(schema, "L1", quick=True),
    Check(examples_hold, "L1"),
    Check(keeps, "L1", quick=True),
    Check(operations_idempotent, "L1"),
    Check(sequence_idempotent, "L1"),
    Check(composed, "L1"),
    Check(letters_kept, "L1"),
    Check(rules_keep_letters, "L1"),
    Check(speed, "L1"),
    Check(samples_enough, "L2"),
    Check(alphabet_covers, "L2"),
    Check(stop_words, "L2"),
    Check(identified, "L2"),
    Check(samples_kept, "L2"),
    Check(every_operation_shown, "L3"),
    Check(rules_documented, "L3", quick=True),
    Check(sentences, "L3", quick=True),
    Check(joiners_survive, "L3"),
    Check(relatives_refused, "L3"),
    Check(junk_rejected, "L3"),
    Check(licences, "L3", quick=True),
    Check(limits_explained, "L3", quick=True),
    Check(round_trip, "L3"),
    Check(fertility, "L3"),
    Check(baseline, "L4", quick=True),
)


@dataclass(frozen=True)
class Line:
    """A check and what it found."""

    name: str
    grade: Grade
    outcome: Outcome

    @property
    def passed(self) -> bool:
        return self.outcome.status in PASSED


@dataclass(frozen=True)
class Conformance:
    """What all checks found, the grade that follows, and what would raise it, first things first."""

    code: str
    lines: tuple[Line, ...]
    fingerprint: str = ""
    seconds: float = field(default=0.0, compare=False)

    @property
    def grade(self) -> Grade:
        """The highest grade that all checks of it and below it passed."""
        reached: Grade = "L0"
        for grade in GRADES:
            if any(line.grade == grade and not line.passed for line in self.lines):
                return reached
            reached = grade
        return reached

    @property
    def failed(self) -> bool:
        return any(line.outcome.status == "failed" for line in self.lines)

    @property
    def todo(self) -> tuple[str, ...]:
        """What to do, each once: the lowest grade first, in it what is wrong before what is missing."""
        rank = {"failed": 0, "missing": 1, "warning": 2}
        open_ = [line for line in self.lines if line.outcome.todo]
        open_.sort(key=lambda line: (line.grade, rank[line.outcome.status]))
        said: dict[str, Grade] = {}
        for line in open_:
            said.setdefault(line.outcome.todo, line.grade)
        return tuple(f"{grade}  {todo}" for todo, grade in said.items())

    def to_json(self) -> dict[str, Any]:
        name, promise = GRADES[self.grade]
        return {
            "code": self.code,
            "grade": self.grade,
            "grade_name": name,
            "grade_promise": promise,
            "failed": self.failed,
            "fingerprint": self.fingerprint,
            "checks": [
                {
                    "name": line.name,
                    "grade": line.grade,
                    "status": line.outcome.status,
                    "evidence": line.outcome.evidence,
                }
                for line in self.lines
            ],
            "todo": list(self.todo),
            "seconds": round(self.seconds, 1),
        }


def check_language(
    language: Language, stages: Stages, *, checks: Sequence[Check] = CHECKS, report: Report = silent
) -> Conformance:
    """Ask `checks` of `language`. A check that raises has failed with what it raised; the others are still asked."""
    subject = Subject(language, stages, report)
    started = time.monotonic()
    lines = []
    for number, check in enumerate(checks):
        report(Progress("check", number, len(checks), "checks", check.name))
        try:
            outcome = check.question(subject)
        except UlmkitError as error:
            outcome = failed(str(error), "Correct what the message names.")
        lines.append(Line(check.name, check.grade, outcome))
    report(Progress("check", len(checks), len(checks), "checks"))
    return Conformance(language.code, tuple(lines), language.fingerprint, time.monotonic() - started)


def grade_at_most(language: Language) -> Grade:
    """The grade that `language` can have by the checks that need no samples: found in milliseconds."""
    quick = [check for check in CHECKS if check.quick]
    return check_language(language, NO_STAGES, checks=quick).grade


def broken(code: str, error: LanguageError) -> Conformance:
    """What can be said of a folder that does not load."""
    return Conformance(code, (Line("schema", "L1", failed(str(error), "Correct what the message names.")),))
