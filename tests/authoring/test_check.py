"""`language check`: a folder that keeps its promises is graded by them, one that does not is told what it breaks."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from ulmkit.authoring.check import GRADES, SUITE, Conformance, Line, ask
from ulmkit.authoring.checks.subject import Outcome, Subject
from ulmkit.authoring.checks.trials import SampleArticle, TokenizerFigures
from ulmkit.document import KEEP, Verdict, count_joiners, drop
from ulmkit.language.load import load_language

WORDS = "ja on ei et see kui ka ning oli mis kas siis".split()  # noqa: SIM905
LONG = "mets kasvab " * 30
FOLDER = {
    "language.toml": """[language]
code = "xx"
iso639_3 = "xxx"
name = "Example"
native_name = "Example"
script = "Latn"

[alphabet]
letters = "abcdefghijklmnopqrstuvwxyz"
joiners = "\\u200D"

[normalization]
head = ["surrogates", "controls", "invisible", "space_forms", "word_boundary", "nfc", "protect"]
train = ["dashes", "rules.double_x"]
tail = ["nfc", "spaces", "restore"]

[identification]
labels = ["xx"]

[filters]
min_words = 20

[filters.origins]
min_words = "guessed"

[[lm.baselines]]
model = "AWD-LSTM"
bits_per_character = 1.5
signature = "evaluation|language:xx"
""",
    "rules.py": 'def double_x(text):\n    """xx is x."""\n    while "xx" in text:\n'
    '        text = text.replace("xx", "x")\n    return text\n',
    "examples.tsv": "\n".join(
        (
            "surrogates\ta\\ud800b\tab",
            "controls\ta\\u0000b\tab",
            "invisible\ta\\u200eb\tab",
            "space_forms\ta\\u00a0b\ta b",
            "word_boundary\ta▁b\ta_b",
            "nfc\te\\u0301\té",
            "dashes\ta\u2012b\ta–b",
            "rules.double_x\taxxxb\taxb",
            "spaces\ta  b\ta b",
        )
    ),
    "keep.txt": "# words\naeg\n#tag\n1,5\n",
    "stopwords.txt": "\n".join(
        [*WORDS, *(f"ja{letter}" for letter in "abcdefghijklmnopqrstuvwyz"), *"bcdefghijklmnop"]
    ),
    "relatives.tsv": f"Other\t{LONG}\n",
    "junk.txt": f"menu {LONG}\nmenu\n\nmenu {LONG}\n",
    "sentences.txt": "See on.| Ja nii.\n" * 10,
    "SOURCES.md": "| file | what | source | licence |\n| --- | --- | --- | --- |\n"
    "| rules.py, examples.tsv, keep.txt, stopwords.txt | all | own | Apache-2.0 |\n"
    "| relatives.tsv, junk.txt, sentences.txt, samples/ | all | own | Apache-2.0 |\n",
    "samples/one.txt": "x",
}


class Trial(Subject):
    """The folder under test with answers by hand in the place of the stages."""

    @property
    def samples(self) -> Sequence[SampleArticle]:
        text = f"{' '.join(WORDS)} kuu\u200dme taevas paistab metsade kohal ja varjud langevad. " * 20
        return [SampleArticle(f"{n}.txt", text, self.language.normalize(text), KEEP) for n in range(12)]

    @property
    def tokenizer(self) -> TokenizerFigures:
        joiners = count_joiners(sample.normal for sample in self.samples)
        return TokenizerFigures(300, 12, 12, "", 2.0, 0.0, joiners)

    def judge(self, text: str) -> Verdict:
        if text.startswith("mets"):
            return drop("close language", "Other")
        return drop("short lines") if text.startswith("menu") else KEEP

    def extract(self, page: str) -> str:
        return page.replace("&#8205;", "\u200d")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which every check passes."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "languages" / "xx"
    for name, text in FOLDER.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text, encoding="utf-8")
    return path


def outcome(folder: Path, name: str, trial: type[Subject] = Trial) -> Outcome:
    """What the check of that name says, asked alone: the whole suite takes seconds, and no check needs another."""
    (line,) = ask(trial(load_language(folder)), [check for check in SUITE if check.name == name]).lines
    return line.outcome


def test_a_folder_that_keeps_all_promises_is_l4(folder: Path) -> None:
    found = ask(Trial(load_language(folder)))
    assert [line.name for line in found.lines if not line.passed] == []
    assert not found.failed


# check, file, what is replaced in it, by what, what the evidence says
DAMAGE = [
    ("examples hold", "examples.tsv", "a_b", "a b", "examples.tsv:5"),
    ("examples hold", "examples.tsv", "dashes\ta\u2012b", "nfc\ta\u2012b", "examples.tsv:7: nfc did nothing"),
    ("keeps", "keep.txt", "1,5", "x\u2012y", "keep.txt:4"),
    ("keeps", "keep.txt", "aeg", "axxb", "keep.txt:2"),
    ("operations idempotent", "rules.py", "while", "if", "rules.double_x"),
    ("sequence idempotent", "rules.py", "return text", "return text.swapcase()", "on the second"),
    ("letters kept", "rules.py", "xx", "k", "→"),
    ("rules keep letters", "examples.tsv", "rules.double_x", "nfc", "rules.double_x deletes letters: "),
    ("alphabet covers", "language.toml", "klm", "kl", "not m"),
    ("stop words", "stopwords.txt", "ning", "ni\u2012ng", "not in normal form"),
    ("stop words", "stopwords.txt", "\nb\nc\nd\ne", "", "words"),
    ("every operation shown", "examples.tsv", "nfc\te\\u0301\té", "", "no example of nfc"),
    ("rules documented", "rules.py", '"""xx is x."""', "", "rules.double_x has no docstring"),
    ("relatives refused", "relatives.tsv", "mets", "meri", "relatives.tsv:1: Other is kept"),
    ("relatives refused", "relatives.tsv", LONG, "mets", "relatives.tsv:1 has 4 characters"),
    ("junk rejected", "junk.txt", "\n\nmenu", "\n\npage", "junk.txt:4 is kept"),
    ("sentences", "sentences.txt", ".| Ja", ".| ja| Ja", "sentences.txt:1 is split"),
    ("licences", "SOURCES.md", "Apache-2.0", "", "no licence"),
    ("licences", "SOURCES.md", "keep.txt", "kept", "does not name keep.txt"),
    ("limits explained", "language.toml", '= "guessed"', '= ""', "min_words"),
]


@pytest.mark.parametrize(("name", "file", "old", "new", "evidence"), DAMAGE)
def test_what_is_damaged_is_found_and_said(
    folder: Path, name: str, file: str, old: str, new: str, evidence: str
) -> None:
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new), encoding="utf-8")
    found = outcome(folder, name)
    assert found.status == "failed", found
    if evidence != "on the second":
        assert evidence in found.evidence
    assert found.todo


LABELLED = """
[[tasks]]
name = "mood"
kind = "classification"
locator = "mood.tsv"
licence = "Apache-2.0"
metric = "accuracy"
labels = ["good", "bad"]
"""
ROWS = "label\ttext\n" + "".join(
    f"{('good', 'bad')[n % 2]}\tmets {'abcdefghij'[n // 2]}{'kr'[n % 2]}\n" for n in range(20)
)
WRONG_ROWS = [
    (None, "no mood.tsv"),
    (ROWS.replace("label\ttext\n", ""), "mood.tsv:1: expected the heading label, text"),
    (ROWS.replace("good\tmets bk", "so-so\tmets bk"), "mood.tsv:4: label ‘so-so’ is not declared"),
    (ROWS.replace("mets bk", " "), "mood.tsv:4: no text"),
    (ROWS.replace("mets bk", "mets ar"), "mood.tsv:4 says what line 3 says"),
    (ROWS.replace("good\tmets bk\n", ""), "mood.tsv: ‘good’ 9, ‘bad’ 10"),
]


@pytest.mark.parametrize(("rows", "evidence"), WRONG_ROWS)
def test_a_labelled_set_that_cannot_be_learned_from_is_found(folder: Path, rows: str | None, evidence: str) -> None:
    assert outcome(folder, "labelled sets").status == "not applicable"
    with open(folder / "language.toml", "a", encoding="utf-8") as file:
        file.write(LABELLED)
    (folder / "mood.tsv").write_text(ROWS, encoding="utf-8")
    assert outcome(folder, "labelled sets") == Outcome("ok", "mood: 20 texts of 2 labels")
    (folder / "mood.tsv").unlink()
    if rows is not None:
        (folder / "mood.tsv").write_text(rows, encoding="utf-8")
    found = outcome(folder, "labelled sets")
    assert (found.status, evidence in found.evidence) == ("failed", True), found


ENDLESS = [
    ("segmentation", '[segmentation]\nno_break = ["(?:a+)+b"]', "[segmentation]"),
    ("segmentation", '[segmentation]\nword_patterns = ["(?:k+k+)+x"]', "[segmentation]"),
    ("filters", 'boilerplate = ["(?:q+ ?)+!"]', "[filters]"),
    ("pii", '[[pii]]\nname = "code"\npattern = "(?:[0-9]+-?)+x"\nmask = "M"\nhints = ["code"]', "[[pii]]"),
]


@pytest.mark.parametrize(
    ("section", "lines", "where"), ENDLESS, ids=["no_break", "word_patterns", "boilerplate", "pii"]
)
def test_a_pattern_that_does_not_end_is_found(
    folder: Path, section: str, lines: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On text that repeats what it looks for; all samples and examples pass it in no time."""
    monkeypatch.setattr("ulmkit.text.rules.RULE_SECONDS", 0.3)
    path = folder / "language.toml"
    text = path.read_text(encoding="utf-8")
    text = text.replace("[filters]\n", f"[filters]\n{lines}\n") if section == "filters" else f"{text}\n{lines}\n"
    path.write_text(text, encoding="utf-8")
    found = outcome(folder, "patterns end")
    assert found.status == "failed"
    assert found.evidence.startswith(f"{where}: a pattern")
    assert "took more than " in found.evidence


ABSENT = [
    ("examples hold", "examples.tsv"),
    ("keeps", "keep.txt"),
    ("stop words", "stopwords.txt"),
    ("relatives refused", "relatives.tsv"),
    ("junk rejected", "junk.txt"),
    ("licences", "SOURCES.md"),
]


@pytest.mark.parametrize(("name", "file"), ABSENT)
def test_what_is_absent_counts_as_missing_and_is_said(folder: Path, name: str, file: str) -> None:
    (folder / file).unlink()
    found = outcome(folder, name)
    assert (found.status, found.evidence) == ("missing", f"no {file}")
    assert file in found.todo


def test_what_needs_a_package_that_is_missing_is_said_and_the_rest_is_asked(folder: Path) -> None:
    """A lexicon of one profile: the light set has none, and the other examples hold without it."""
    (folder / "rules.py").write_text(
        FOLDER["rules.py"] + "\n\ndef lexicon():\n    import nowhere_to_be_found\n\n\ndouble_x.prepare = lexicon\n"
    )
    settings = (
        FOLDER["language.toml"]
        .replace('"rules.double_x"]', "]")
        .replace(
            "[identification]",
            '[normalization.profiles.wide]\nafter = { dashes = ["rules.double_x"] }\n\n[identification]',
            1,
        )
    )
    (folder / "language.toml").write_text(settings)
    (folder / "examples.tsv").write_text(FOLDER["examples.tsv"].replace("\taxb", "\taxb\twide"))
    subject = Trial(load_language(folder, limited=True))
    found = ask(subject, [check for check in SUITE if check.name in ("examples hold", "every operation shown")])
    examples, shown = (line.outcome for line in found.lines)
    assert (examples.status, shown.status) == ("missing", "ok")
    assert examples.evidence.startswith("1 of 9 examples were not asked: The package 'nowhere_to_be_found'")
    assert "pip install nowhere_to_be_found" in examples.todo
    assert not found.failed


def test_without_samples_the_grade_is_what_can_be_shown_without(folder: Path) -> None:
    (folder / "samples" / "one.txt").unlink()
    (folder / "samples").rmdir()
    found = ask(Subject(load_language(folder)))
    assert found.grade == "L1"
    assert not found.failed
    assert next(line.outcome.evidence for line in found.lines if line.name == "samples kept") == "no samples/"


def test_an_empty_table_needs_no_example_and_no_licence_and_one_with_a_row_both(folder: Path) -> None:
    """A language may need no folds of its own: nobody asks it to show one."""
    settings = folder / "language.toml"
    written = settings.read_text(encoding="utf-8")
    settings.write_text(written.replace('"dashes"', '"characters", "dashes"', 1), encoding="utf-8")
    assert settings.read_text(encoding="utf-8") != written
    (folder / "characters.tsv").write_text("# source, target, reason\n", encoding="utf-8")
    assert outcome(folder, "every operation shown").status == outcome(folder, "licences").status == "ok"
    (folder / "characters.tsv").write_text("U+0142\tU+006C\tno letter here\n", encoding="utf-8")
    assert outcome(folder, "every operation shown").evidence == "no example of characters"
    assert outcome(folder, "licences").evidence == "SOURCES.md does not name characters.tsv"


# what a stage does wrong, the check that sees it
FAULTS = [
    ("joiners survive", "extract", lambda _, page: page.replace("\u200d", "")),
    ("joiners survive", "tokenizer", TokenizerFigures(300, 12, 12, "", 2.0, 0.0, Counter())),
    ("round trip", "tokenizer", TokenizerFigures(300, 11, 12, "ja", 2.0, 0.0, Counter())),
    ("fertility", "tokenizer", TokenizerFigures(300, 12, 12, "", 9.0, 0.0, Counter())),
    ("fertility", "tokenizer", TokenizerFigures(300, 12, 12, "", 2.0, 0.5, Counter())),
    ("samples kept", "samples", [SampleArticle("a", "a", "a", drop("too short"))] * 12),
    ("identified", "samples", [SampleArticle("a", "a", "a", drop("other language", "yy"))] * 12),
    ("samples enough", "samples", [SampleArticle("a", "a", "a", KEEP)] * 12),
]


@pytest.mark.parametrize(("name", "asked", "answer"), FAULTS)
def test_what_a_stage_loses_is_found(folder: Path, name: str, asked: str, answer: object) -> None:
    faulty = type("Faulty", (Trial,), {asked: answer})
    assert outcome(folder, name).status == "ok"
    assert outcome(folder, name, faulty).status == "failed"


def test_an_end_mark_that_the_language_does_not_name_is_warned_of(folder: Path) -> None:
    glued = TokenizerFigures(300, 12, 12, "", 2.0, 0.0, Counter(), Counter({"۔": 7}))
    found = outcome(folder, "marks apart", type("Glued", (Trial,), {"tokenizer": glued}))
    assert (found.status, found.evidence) == ("warning", "shares a piece with a letter: ۔ (U+06D4) 7 times")
    assert "sentence_ends" in found.todo
    assert outcome(folder, "marks apart").status == "ok"


def test_a_grade_needs_all_checks_of_it_and_below() -> None:
    ok, missing = Outcome("ok", ""), Outcome("missing", "", "Do it.")
    names = ("L1", "L2", "L3", "L4")
    for place, grade in enumerate(("L0", "L1", "L2", "L3")):
        lines = tuple(Line(name, name, missing if n == place else ok) for n, name in enumerate(names))
        assert Conformance("xx", lines).grade == grade
    assert Conformance("xx", tuple(Line(name, name, ok) for name in names)).grade == "L4"


def test_what_to_do_comes_lowest_grade_first_and_each_thing_once() -> None:
    lines = (
        Line("a", "L3", Outcome("missing", "", "third")),
        Line("b", "L2", Outcome("missing", "", "second")),
        Line("c", "L2", Outcome("failed", "", "first")),
        Line("d", "L3", Outcome("missing", "", "second")),
    )
    assert Conformance("xx", lines).todo == ("L2  first", "L2  second", "L3  third")


def test_every_grade_has_a_check_and_a_promise() -> None:
    assert {each.grade for each in SUITE} == set(GRADES) - {"L0"}
    assert all(each.about for each in SUITE)


def test_letters_that_the_table_joins_are_not_lost(folder: Path) -> None:
    """Two letters written for one, as characters.tsv declares, count as that one."""
    (folder / "characters.tsv").write_text("U+0075 U+0075\tU+0075\tdoubled u\n", encoding="utf-8")
    toml = (folder / "language.toml").read_text(encoding="utf-8")
    (folder / "language.toml").write_text(toml.replace("train = [", 'train = ["characters", '), encoding="utf-8")
    assert outcome(folder, "letters kept").status == "ok"
