"""L3: every part that the language needs is there, exemplified, licensed, and told from its relatives; L4: a result."""

import html
import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from ulmkit.authoring.checks.corpus_ready import IDENTIFIED_OTHERWISE
from ulmkit.authoring.checks.normalizes import acting
from ulmkit.authoring.checks.subject import (
    NO_SAMPLES,
    Outcome,
    Subject,
    as_evidence,
    failed,
    missing,
    not_applicable,
    ok,
)
from ulmkit.document import count_joiners
from ulmkit.language import cases
from ulmkit.language.places import folder_text
from ulmkit.language.sections import Filters
from ulmkit.language.spec import Language
from ulmkit.text.operations import MATCH_ONLY
from ulmkit.text.operations.make import about_operation

MIN_SENTENCE_CASES = 10
MIN_LABELLED = 10  # rows of a label: fewer teach nothing
MAX_BYTE_SHARE = 0.03  # of the tokens of held-out samples: letters that no piece knows
MAX_FERTILITY = 4.0  # pieces a word, with a vocabulary of a few thousand


def every_operation_shown(subject: Subject) -> Outcome:
    """Every operation of the train form that can act at all does so in some example; an empty table cannot."""
    shown = set().union(*(acting(subject, example) for example in subject.examples)) if subject.examples else set()
    wanted = set(subject.language.normalizer("standard").operations) - {"protect", "restore"} - set(MATCH_ONLY)
    wanted = {name for name in wanted if subject.operations[name].acts}
    silent = [name for name in subject.language.normalizer("standard").operations if name in wanted - shown]
    if silent:
        first = list(dict.fromkeys(silent))
        return failed(f"no example of {', '.join(first[:4])}", f"Add a line to examples.tsv for {first[0]}.")
    return ok(f"{len(wanted)} operations act in {len(subject.examples):,} examples")


def rules_documented(subject: Subject) -> Outcome:
    """Each function of rules.py that is an operation says in its docstring what it does."""
    own = [name for name in subject.operations if name.startswith("rules.")]
    if not own:
        return not_applicable("no rules of its own")
    settings = subject.language.normalizer("match").settings
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
    if short := shorter_than_a_page(cases.RELATIVES, texts, language):
        return short
    taken = []
    for case in texts:
        verdict = subject.judge(case.text)
        if verdict.reason not in IDENTIFIED_OTHERWISE:
            said = "kept" if verdict.keep else f"dropped as {verdict.reason}"
            taken.append(f"{cases.RELATIVES}:{case.line}: {case.name} is {said}")
    if taken:
        return failed(and_more(taken), "Give its letters or words: [[identification.relatives]].")
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
    if short := shorter_than_a_page(cases.JUNK, pages, language):
        return short
    verdicts = [(page, subject.judge(page.text)) for page in pages]
    if kept := [
        f"{cases.JUNK}:{page.line} is kept: {as_evidence(page.text)}" for page, verdict in verdicts if verdict.keep
    ]:
        return failed(and_more(kept), "Tighten [filters], or add to its boilerplate.")
    reasons = Counter(verdict.reason for _, verdict in verdicts)
    return ok(f"{len(pages)} pages: {', '.join(f'{reason} {n}' for reason, n in reasons.most_common(4))}")


def shorter_than_a_page(file: str, pages: Sequence[cases.Case], language: Language) -> Outcome | None:
    """What is shorter than any page, and so would be dropped whatever it holds."""
    least = language.filters.min_characters
    short = [f"{file}:{page.line} has {len(page.text)} characters" for page in pages if len(page.text) < least]
    return failed(and_more(short), f"Make each at least {least} characters long, as pages are.") if short else None


def and_more(faults: Sequence[str]) -> str:
    """The first fault, and how many others there are."""
    return f"{faults[0]} (and {len(faults) - 1} more)" if len(faults) > 1 else faults[0]


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
    extracted = count_joiners(map(subject.extract, map(html_page, texts)))
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
    """SOURCES.md says of every file and crawl source where it comes from, and under which licence.

    An enabled source says in `ground` where its licence or its terms stand, and when somebody read them.
    """
    folder = subject.language.folder
    path = folder / "SOURCES.md"
    if not path.is_file():
        return missing("no SOURCES.md", "Write SOURCES.md: a table of what, source and licence for each file.")
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in folder_text(path).split("\n")
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
    silent = [source.name for source in subject.language.sources if source.enabled and not source.ground]
    if silent:
        return missing(
            f"source '{silent[0]}' does not say where its licence stands",
            f'Give {", ".join(silent)} a ground: ground = "https://… read YYYY-MM-DD".',
        )
    return ok(f"{len(wanted)} files and sources")


def describable(entry: Path) -> bool:
    """Whether a folder's entry is data that somebody may own: not an empty folder, nor a table of remarks alone."""
    if entry.name.startswith((".", "_")) or entry.name in ("SOURCES.md", "language.toml"):
        return False
    if entry.is_dir():
        return any(entry.iterdir())
    return entry.suffix != ".tsv" or any(line and not line.startswith("#") for line in folder_text(entry).split("\n"))


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
    wrong = []
    for case in lines:
        wanted = [language.normalize(sentence) for sentence in case.sentences]
        found = language.sentences(language.normalize(case.text))
        if found != wanted:
            wrong.append(f"sentences.txt:{case.line} is split {as_evidence(' | '.join(found), 120)}")
    if wrong:
        return failed(
            and_more(wrong),
            "Correct [segmentation]: abbreviations, no_break, ordinal_dot …; or the line if it is wrong.",
        )
    ends = sum(len(case.sentences) - 1 for case in lines)
    evidence = f"{len(lines)} cases, {ends} ends inside them"
    if min(len(lines), ends) < MIN_SENTENCE_CASES:
        return missing(evidence, f"Write {MIN_SENTENCE_CASES} cases or more into sentences.txt, most of two sentences.")
    return ok(evidence)


def labelled_sets(subject: Subject) -> Outcome:
    """Each labelled set of the folder can be read, has the labels that it declares, and says nothing twice."""
    language = subject.language
    found = []
    for task in (task for task in language.tasks if task.bundled):
        path = language.file(task.locator)
        if not path.is_file():
            return failed(f"no {task.locator}", f"Write {task.locator}, or take task '{task.name}' out.")
        rows = cases.read_labelled(path)
        todo = f"Correct {task.locator}, or the labels of task '{task.name}'."
        first: dict[str, int] = {}
        for row in rows:
            if task.labels and row.name not in task.labels:
                return failed(f"{task.locator}:{row.line}: label {as_evidence(row.name)} is not declared", todo)
            if (line := first.setdefault(language.match(row.text), row.line)) != row.line:
                return failed(f"{task.locator}:{row.line} says what line {line} says", todo)
        counts = Counter(dict.fromkeys(task.labels, 0))
        counts.update(row.name for row in rows)
        few = [label for label in task.labels or counts if counts[label] < MIN_LABELLED]
        if few or len(counts) < 2:
            evidence = f"{task.locator}: " + ", ".join(f"{as_evidence(name)} {n:,}" for name, n in counts.items())
            return failed(evidence, f"Write {MIN_LABELLED} rows or more of each label, of two labels at least.")
        found.append(f"{task.name}: {len(rows):,} texts of {len(counts)} labels")
    return ok("; ".join(found)) if found else not_applicable("no labelled set in the folder")


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
    spaced = subject.language.segmentation.spaced
    unit = "word" if spaced else "phrase"
    evidence = f"{figures.fertility:.2f} pieces a {unit}, {figures.byte_share:.2%} bytes, {figures.vocabulary:,} pieces"
    if figures.byte_share > MAX_BYTE_SHARE:
        return failed(
            evidence,
            "Letters are spelled in bytes: add them to [alphabet], or write more samples, which carry more pieces.",
        )
    if spaced and figures.fertility > MAX_FERTILITY:
        return failed(evidence, "Write more samples, or raise [tokenizer] demo_vocabulary.")
    return ok(evidence)


def marks_apart(subject: Subject) -> Outcome:
    """Punctuation that shares a piece with a letter: an end mark of its script that the language does not name."""
    if not subject.samples:
        return NO_SAMPLES
    glued = subject.tokenizer.glued
    if not glued:
        return ok("no punctuation shares a piece with a letter")
    found = ", ".join(f"{mark} (U+{ord(mark):04X}) {count:,} times" for mark, count in glued.most_common(3))
    return Outcome(
        "warning",
        f"shares a piece with a letter: {found}",
        "Name it in sentence_ends or native_marks, or in word_joiners where it stands inside words.",
    )


def baseline(subject: Subject) -> Outcome:
    """A language model's result, with the signature that says how to get it again."""
    found = subject.language.lm.baselines
    if not found:
        return missing(
            "no [[lm.baselines]]", "Train (`ulmkit lm pretrain`) and record model, bits_per_character and signature."
        )
    best = min(found, key=lambda each: each.bits_per_character)
    return ok(f"{best.model}: {best.bits_per_character:.4f} bits per character")
