"""L1: every text has one normal form, which the examples show and the keep-cases hold."""

import re
import time
import unicodedata
from collections import Counter
from collections.abc import Callable

from ulmkit.authoring.checks.hostile import own_patterns, repetitive_texts
from ulmkit.authoring.checks.subject import (
    Outcome,
    Subject,
    as_evidence,
    differing,
    failed,
    missing,
    not_applicable,
    ok,
)
from ulmkit.corpus.filters import without_boilerplate
from ulmkit.errors import MissingPackageError, RuleError
from ulmkit.language import cases
from ulmkit.text.operations import Operation
from ulmkit.text.rules import pattern_limit

MIN_SPEED = 0.02  # of `unicodedata`'s NFC on the same text; less is a rule that should be guarded


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
                    f"{form}: {where}, from {as_evidence(text, 60)}",
                    "Find the operation with `ulmkit normalize --explain`.",
                )
    return ok(f"{len(texts):,} texts, {len(subject.samples):,} of them samples")


def composed(subject: Subject) -> Outcome:
    """The normal form is NFC, and one text composed and decomposed has one normal form."""
    language = subject.language
    for text in subject.fuzz:
        normal = language.normalize(text)
        if not unicodedata.is_normalized("NFC", normal):
            return failed(
                f"{as_evidence(normal)} is not in NFC", "Put `nfc` behind the operation that leaves marks apart."
            )
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
    not_asked: list[MissingPackageError] = []
    for example in subject.examples:
        where = f"{cases.EXAMPLES}:{example.line}"
        if example.form not in (*language.profiles, "match"):
            return failed(f"{where}: no profile '{example.form}'", f"Name a profile of [normalization] in {where}.")
        try:
            made = language.normalizer(example.form)(example.raw)
        except MissingPackageError as error:
            not_asked.append(error)
            continue
        if made != example.normal:
            return failed(
                f"{where}: made {as_evidence(made)}, not {as_evidence(example.normal)}",
                f"Correct {where} or the rules.",
            )
        if example.operation not in acting(subject, example):
            return failed(f"{where}: {example.operation} did nothing", f"Name the operation that acts in {where}.")
    if not_asked:
        said = f"{len(not_asked)} of {len(subject.examples):,} examples were not asked"
        return missing(f"{said}: {not_asked[0]}", str(not_asked[0]))
    return ok(f"{len(subject.examples):,} examples")


def acting(subject: Subject, example: cases.Example) -> set[str]:
    """The operations that change or count something in the example's raw text; none where a package is missing."""
    raw = example.raw
    try:
        found = {change.operation for change in subject.language.normalizer(example.form).explain(raw)}
    except MissingPackageError:
        return set()
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


def patterns_end(subject: Subject) -> Outcome:
    """The folder's patterns come to an end on texts that repeat what they look for, in the time that rules have."""
    language = subject.language
    patterns = own_patterns(language)
    if not patterns:
        return not_applicable("no patterns of its own")
    searches: tuple[tuple[str, Callable[[str], object]], ...] = (
        ("[segmentation]", language.sentences),
        ("[segmentation]", language.words),
        ("[[pii]]", language.pii_finder.find),
        ("[filters]", lambda text: without_boilerplate(text, language)),
    )
    texts = list(repetitive_texts(patterns, language))
    for text in texts:
        for where, search in searches:
            try:
                with pattern_limit(f"{where}: a pattern", text):
                    search(text)
            except RuleError as error:
                return failed(
                    f"{error} It was {as_evidence(text, 12)} again and again.",
                    "Let no part repeat itself that repeats: (a+)+ is a+; or make it atomic, (?>a+).",
                )
    return ok(f"{len(patterns)} patterns, {len(texts)} texts")


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
