"""A language is found and loaded; whatever is wrong with its folder is said with file and line."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ulmkit.errors import LanguageError, UsageError
from ulmkit.language import places, registry
from ulmkit.language.cases import read_examples, read_junk, read_keep, read_relatives, read_sentences
from ulmkit.language.load import load_language

TOML = """[language]
code = "xx"
iso639_3 = "xxx"
name = "Example"
native_name = "Example"
script = "Latn"

[normalization]
train = ["dashes", "characters"]

[[sources]]
name = "w"
kind = "wikipedia"
locator = "xxwiki"
licence = "CC0-1.0"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "languages" / "xx"
    path.mkdir(parents=True)
    (path / "language.toml").write_text(TOML, encoding="utf-8")
    return path


MISTAKES = [
    ("train =", "trian =", "9: no setting 'trian' in [normalization]. Did you mean 'train'?"),
    ("[normalization]", "[normalisation]", "8: no section [normalisation]. Did you mean 'normalization'?"),
    ('"dashes"', '"dash"', "9: no operation 'dash'. Did you mean 'dashes'?"),
    (
        '"dashes"',
        '"rules.x"',
        "9: operation 'rules.x': the folder has no rules.py. Write one, or remove the operation.",
    ),
    ('code = "xx"', 'code = "yy"', "2: code 'yy' in a folder called 'xx'. Rename one."),
    ('name = "Example"\nn', "n", "1: [language] needs 'name'."),
    ('"Latn"', '"Latin"', "6: no script 'Latin'. Did you mean 'Latn'?"),
    ('"CC0-1.0"', '""', "15: source 'w' has no licence. Name it (SPDX)."),
    ('licence = "CC0-1.0"\n', "", "11: [sources] needs 'licence'."),
    ('train = ["dashes", "characters"]', "train = 3", "9: 'train' must be a list, not 3."),
    (
        'train = ["dashes"',
        'digits = "roman"\ntrain = ["dashes"',
        "9: 'digits' must be 'native' or 'ascii' or 'keep', not \"roman\".",
    ),
    ('train = ["dashes"', 'dash = "-"\ntrain = ["dashes"', "9: 'dash' must be – (U+2013), — (U+2014), or empty"),
    (
        "[normalization]",
        "[extraction]\ntext_templates = { iw = 0 }\n[normalization]",
        "9: 'iw': arguments are counted from 1.",
    ),
    (
        "[normalization]",
        '[segmentation]\nabbreviations = ["dr", "prof."]\n[normalization]',
        "9: 'prof.' can never be found: leave its last dot out.",
    ),
    ('train = ["dashes"', 'protect = ["urls"]\ntrain = ["dashes"', "9: no protected span 'urls'. Did you mean 'url'?"),
    (
        'train = ["dashes"',
        'tail = ["nfc"]\ntrain = ["dashes"',
        "9: operation 'spaces' is needed by every language. Put it back.",
    ),
    ("[normalization]", "[filters]\nboilerplate = ['(']\n[normalization]", "9: '(' is no regular expression"),
    ("[normalization]", "[filters]\nmean_word_length = [9, 2]\n[normalization]", "9: 'mean_word_length' keeps nothing"),
    ("[normalization]", "[segmentation]\nsentence_ends = ''\n[normalization]", "9: 'sentence_ends' is empty"),
    ("[normalization]", "[segmentation]\nno_break = ['']\n[normalization]", "9: '' matches nothing at all"),
    ("[normalization]", "[segmentation]\nword_patterns = ['x*']\n[normalization]", "9: 'x*' matches nothing at all"),
    ("[normalization]", "[segmentation]\nword_patterns = ['(a)1']\n[normalization]", "9: '(a)1' has a group"),
    (
        "[normalization]",
        "[filters]\nmin_words = 1.5\n[normalization]",
        "9: 'min_words' must be a whole number, not 1.5.",
    ),
    ("[normalization]", "[normalization", "8: "),
    (
        "[[sources]]",
        "[normalization.profiles.p]\ntrian = []\n[[sources]]",
        "12: no setting 'trian' in [normalization.profiles.p]. Did you mean 'train'?",
    ),
    (
        "[[sources]]",
        "[normalization.profiles.p]\ntrain = ['dash']\n[[sources]]",
        "12: no operation 'dash'. Did you mean 'dashes'?",
    ),
    (
        "[[sources]]",
        "[normalization.profiles.p]\nmatch = []\n[[sources]]",
        "12: a profile is a form of raw text, 'match' is no part of it. Remove it.",
    ),
    (
        "[[sources]]",
        "[normalization.profiles.match]\nquotes = '«»'\n[[sources]]",
        "11: 'match' is no name for a profile, it has a meaning. Choose another.",
    ),
    (
        "[[sources]]",
        "[normalization.profiles.p]\nquotes = '«'\n[[sources]]",
        "12: 'quotes' must be two characters, the opening and the closing mark.",
    ),
    (
        "[[sources]]",
        "[normalization.profiles.p]\nkeep_characters = 'é'\n[[sources]]",
        "12: characters.tsv has no line for U+00E9. Nothing to keep.",
    ),
    (
        "[[sources]]",
        "[normalization.profiles.p]\nmax_letter_run = 2\n[[sources]]",
        "12: runs of 2 letters cannot shrink to 2. Use 0 for never, or 3 or more and a smaller number.",
    ),
    (
        "[[sources]]",
        "[normalization.profiles.p]\nextends = 'lod'\n[[sources]]",
        "12: no profile 'lod' to extend. Known: standard.",
    ),
    (
        "[[sources]]",
        "[normalization.profiles.p]\nextends = 'q'\n[normalization.profiles.q]\nextends = 'p'\n[[sources]]",
        "14: 'extends' goes in a circle: q → p → q. Take it out of one of them.",
    ),
    (
        "[[sources]]",
        "[normalization.profiles.p]\nwithout = ['dashs']\n[[sources]]",
        "12: 'dashs' is not among the operations of 'train' here. Did you mean 'dashes'?",
    ),
    (
        "[[sources]]",
        "[normalization.profiles.p]\nafter = { dashes = ['ellipsi'] }\n[[sources]]",
        "12: no operation 'ellipsi'. Did you mean 'ellipsis'?",
    ),
    ("[[sources]]", "[normalization.profiles]\np = 3\n[[sources]]", "12: profile 'p' must be a table, not 3."),
]


@pytest.mark.parametrize(("old", "new", "message"), MISTAKES)
def test_a_mistake_is_named_with_file_and_line(folder: Path, old: str, new: str, message: str) -> None:
    assert old in TOML
    (folder / "language.toml").write_text(TOML.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(LanguageError) as caught:
        load_language(folder)
    assert str(caught.value).startswith(f"languages/xx/language.toml:{message}")


def test_a_character_mapped_twice_is_named_with_both_lines(folder: Path) -> None:
    (folder / "characters.tsv").write_text("U+0061\tU+0062\tx\n# c\nU+0061\tU+0063\ty\n", encoding="utf-8")
    with pytest.raises(LanguageError) as caught:
        load_language(folder)
    assert str(caught.value) == "languages/xx/characters.tsv:3: U+0061 is mapped twice (first on line 1)."


def test_an_error_in_rules_is_named_with_its_line(folder: Path) -> None:
    (folder / "rules.py").write_text("x = 1\ny = nothing\n", encoding="utf-8")
    (folder / "language.toml").write_text(TOML.replace('"dashes"', '"rules.f"'), encoding="utf-8")
    with pytest.raises(LanguageError, match=r"rules.py:2: NameError"):
        load_language(folder)


def test_a_language_inherits_its_script_and_the_defaults(folder: Path) -> None:
    language = load_language(folder)
    assert "zero_width" in language.normalization.head  # Latn.toml
    assert language.filters.min_words == 30  # sections.py
    assert language.normalize("a\u2012b") == "a–b"


def test_the_fingerprint_follows_all_data_that_shapes_output_and_no_comment(folder: Path) -> None:
    first = load_language(folder).fingerprint
    (folder / "language.toml").write_text(TOML + "# remark\n", encoding="utf-8")
    assert load_language(folder).fingerprint == first
    (folder / "characters.tsv").write_text("U+0061\tU+0062\tx\n", encoding="utf-8")
    second = load_language(folder).fingerprint
    (folder / "characters.tsv").write_text("# remark\nU+0061\tU+0062\tanother reason\n", encoding="utf-8")
    assert load_language(folder).fingerprint == second
    (folder / "stopwords.txt").write_text("ja\n", encoding="utf-8")
    third = load_language(folder).fingerprint
    assert len({first, second, third}) == 3


PROFILE = '[normalization.profiles.loud]\ntrain = ["dashes", "repeats"]\nmax_letter_run = 3\nletter_run_to = 1\n'


def test_a_profile_changes_what_it_names_and_inherits_the_rest(folder: Path) -> None:
    (folder / "language.toml").write_text(TOML.replace("[[sources]]", f"{PROFILE}\n[[sources]]"), encoding="utf-8")
    language = load_language(folder)
    assert language.profiles == ("standard", "loud")
    assert language.normalizer("standard") is language.normalizer("standard")
    assert language.normalizer("standard")("aaa\u2012b\u200b") == "aaa–b"
    assert language.normalizer("loud")("aaa\u2012b\u200b") == "a–b"
    with pytest.raises(UsageError, match=r"xx has no form 'quiet'. Known: standard, match, fold, loud."):
        language.normalizer("quiet")


def test_a_profile_says_what_it_adds_to_another(folder: Path) -> None:
    profiles = PROFILE + '[normalization.profiles.louder]\nextends = "loud"\nwithout = ["dashes"]\n'
    profiles += 'after = { repeats = ["ellipsis", "quotes"] }\nquotes = "«»"\n'
    (folder / "language.toml").write_text(TOML.replace("[[sources]]", f"{profiles}\n[[sources]]"), encoding="utf-8")
    language = load_language(folder)
    own = [name for name in language.operations("louder") if name in ("dashes", "repeats", "ellipsis", "quotes")]
    assert own == ["repeats", "ellipsis", "quotes"]
    assert language.normalizer("louder")('aaa\u2012 "b"...') == "a\u2012 «b»…"
    follows = language.with_(normalization={"profiles": {"loud": {"letter_run_to": 2}}})
    assert follows.normalizer("louder")("aaa") == "aa"


def test_how_a_profile_says_it_is_no_part_of_the_fingerprint(folder: Path) -> None:
    prints = set()
    for said in ('train = ["dashes", "ellipsis", "characters"]', 'after = { dashes = ["ellipsis"] }'):
        text = TOML.replace("[[sources]]", f"[normalization.profiles.p]\n{said}\n[[sources]]")
        (folder / "language.toml").write_text(text, encoding="utf-8")
        prints.add(load_language(folder).fingerprint)
    assert len(prints) == 1


def test_the_fingerprint_follows_the_profiles_and_the_standard_normalizer_does_not(folder: Path) -> None:
    before = load_language(folder)
    (folder / "language.toml").write_text(TOML.replace("[[sources]]", f"{PROFILE}\n[[sources]]"), encoding="utf-8")
    after = load_language(folder)
    assert after.fingerprint != before.fingerprint
    assert after.normalizer("standard").fingerprint == before.normalizer("standard").fingerprint


def test_kept_characters_are_left_to_no_table(folder: Path) -> None:
    (folder / "characters.tsv").write_text("U+0061\tU+0062\tx\nU+0063\t\ty\n", encoding="utf-8")
    kept = TOML.replace("[[sources]]", "[normalization.profiles.kept]\nkeep_characters = 'c'\n\n[[sources]]")
    (folder / "language.toml").write_text(kept, encoding="utf-8")
    language = load_language(folder)
    assert language.normalize("ac") == "b"
    assert language.normalizer("kept")("ac") == "bc"


def test_a_rule_of_the_language_is_run(folder: Path) -> None:
    (folder / "rules.py").write_text("def f(text):\n    return text.replace('q', 'k')\n", encoding="utf-8")
    (folder / "language.toml").write_text(TOML.replace('"dashes"', '"rules.f"'), encoding="utf-8")
    assert load_language(folder).normalize("aqua") == "akua"


def test_unknown_language_names_the_nearest_and_all() -> None:
    with pytest.raises(UsageError) as caught:
        places.find("fas")
    assert str(caught.value).startswith("no language 'fas'. Did you mean 'fa'? Known: ")
    assert caught.value.exit_code == 2


def test_a_broken_folder_is_listed_and_stops_nobody(folder: Path) -> None:
    shutil.copytree(folder, folder.parent / "zz")
    found = {known.code: known for known in registry.known(folder.parent)}
    assert found["xx"].language is not None
    assert found["fa"].language is not None
    assert found["zz"].language is None
    assert "code 'xx' in a folder called 'zz'" in found["zz"].error


def test_a_named_folder_wins_over_the_environment_and_the_bundled_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(places.VARIABLE, str(folder.parent))
    assert places.find("xx") == folder
    other = folder.parent.parent / "others" / "fa"
    other.mkdir(parents=True)
    (other / "language.toml").write_text("", encoding="utf-8")
    assert places.find("fa", other.parent) == other
    with pytest.raises(UsageError, match="no language 'xx'"):
        places.find("xx", other.parent)


def test_a_folder_that_is_not_there_is_asked_wrongly(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder of languages"):
        places.find("fa", tmp_path / "none")


def test_a_language_is_loaded_once() -> None:
    assert registry.get("fa") is registry.get("fa")


# ---------------------------------------------------------------- inheritance, tasks, baselines, fingerprints


def variety(folder: Path, extra: str = "") -> Path:
    """A folder beside `folder` that says who it is and inherits the rest."""
    path = folder.parent / "yy"
    path.mkdir()
    head = TOML.split("[normalization]")[0].replace('"xx"', '"yy"')
    (path / "language.toml").write_text(f'{head}inherits = "xx"\n{extra}', encoding="utf-8")
    return path


def test_a_variety_takes_settings_and_files_where_it_says_nothing(folder: Path) -> None:
    text = TOML.replace('"characters"]', '"characters", "rules.f"]').replace(
        "[[sources]]", '[filters]\nmin_words = 7\nmax_words_x = 1\n[lm]\nprompts = ["a"]\n[[sources]]'
    )
    (folder / "language.toml").write_text(text.replace("max_words_x = 1\n", ""), encoding="utf-8")
    (folder / "characters.tsv").write_text("U+0071\tU+006B\tx\n", encoding="utf-8")
    (folder / "rules.py").write_text("def f(text):\n    return text.replace('z', 's')\n", encoding="utf-8")
    (folder / "stopwords.txt").write_text("ja\n", encoding="utf-8")
    language = load_language(variety(folder, "[filters]\nmax_characters = 9\n"))
    assert language.normalize("q\u2012z") == "k–s"
    assert (language.filters.min_words, language.filters.max_characters) == (7, 9)
    assert language.stop_words == {"ja"}
    assert language.lm.prompts == ("a",)
    assert language.sources == ()  # another language's pages are not its own
    assert language.inherited == (folder,)
    assert language.file("characters.tsv") == folder / "characters.tsv"


def test_a_variety_has_its_own_files_before_those_it_inherits(folder: Path) -> None:
    (folder / "characters.tsv").write_text("U+0071\tU+006B\tx\n", encoding="utf-8")
    own = variety(folder)
    (own / "characters.tsv").write_text("U+0071\tU+0067\tx\n", encoding="utf-8")
    assert load_language(own).normalize("q") == "g"


def test_a_variety_may_inherit_a_bundled_language(folder: Path) -> None:
    own = variety(folder)
    text = (own / "language.toml").read_text(encoding="utf-8")
    (own / "language.toml").write_text(text.replace('inherits = "xx"', 'inherits = "et"'), encoding="utf-8")
    language = load_language(own)
    assert language.normalize("garaaþ") == "garaaž"
    assert language.inherited == (places.bundled() / "et",)


def test_a_variety_changes_when_what_it_inherits_changes(folder: Path) -> None:
    own = variety(folder)
    before = load_language(own).fingerprint
    (folder / "stopwords.txt").write_text("ja\n", encoding="utf-8")
    assert load_language(own).fingerprint != before


TASK = """
[[tasks]]
name = "mood"
kind = "classification"
locator = "https://example.org/mood"
licence = "CC0-1.0"
metric = "f1-macro"
labels = ["good", "bad"]

[[tasks.scores]]
model = "LASER"
value = 0.81
source = "A paper"

[[lm.baselines]]
model = "AWD-LSTM"
bits_per_character = 1.9
signature = "evaluation|language:xx"
"""


def test_tasks_and_baselines_are_read_with_their_scores(folder: Path) -> None:
    (folder / "language.toml").write_text(TOML + TASK, encoding="utf-8")
    language = load_language(folder)
    (task,) = language.tasks
    assert (task.name, task.labels, task.scores[0].value) == ("mood", ("good", "bad"), 0.81)
    assert language.lm.baselines[0].bits_per_character == 1.9
    (folder / "language.toml").write_text(TOML + TASK.replace('"CC0-1.0"', '""'), encoding="utf-8")
    with pytest.raises(LanguageError, match=r":21: task 'mood' has no licence"):
        load_language(folder)


def test_a_recorded_result_is_no_reason_to_build_the_corpus_again(folder: Path) -> None:
    before = load_language(folder).fingerprint
    (folder / "language.toml").write_text(TOML + TASK, encoding="utf-8")
    assert load_language(folder).fingerprint == before


@pytest.mark.parametrize("name", ["language.toml", "rules.py", "stopwords.txt", "characters.tsv", "match.tsv"])
def test_a_pipe_in_a_folder_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    with pytest.raises(LanguageError, match=f"{name}: cannot be read \\(not a regular file but a pipe\\)"):
        load_language(folder)


@pytest.mark.parametrize("read", [read_examples, read_keep, read_relatives, read_sentences, read_junk])
def test_a_list_of_cases_that_is_a_pipe_is_refused(tmp_path: Path, read: Callable[[Path], object]) -> None:
    os.mkfifo(tmp_path / "cases")
    with pytest.raises(LanguageError, match="not a regular file but a pipe"):
        read(tmp_path / "cases")


NO_NUMBERS = ["9" * 5000, "0x" + "f" * 5000, str(1 << 63), "inf", "-inf", "nan", "1e999", "-" + "1_" * 3000 + "1"]


@pytest.mark.parametrize("number", NO_NUMBERS)
@pytest.mark.parametrize(
    ("section", "key"),
    [("filters", "min_characters"), ("filters", "min_script_share"), ("dedup", "threshold"), ("lm", "prompts")],
)
def test_a_number_that_nothing_holds_is_said_with_its_line(folder: Path, number: str, section: str, key: str) -> None:
    text = f"{TOML}\n[{section}]\n# a remark\n{key} = {number}\n"
    (folder / "language.toml").write_text(text, encoding="utf-8")
    with pytest.raises(LanguageError) as error:
        load_language(folder)
    assert str(error.value).startswith(f"languages/xx/language.toml:{text.count(chr(10))}: ")
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("where", ["options = {{ a = [[{0}]] }}", "delay_s = {0}"])
@pytest.mark.parametrize("number", NO_NUMBERS)
def test_a_number_that_nothing_holds_is_found_wherever_it_stands(folder: Path, where: str, number: str) -> None:
    (folder / "language.toml").write_text(TOML + where.format(number) + "\n", encoding="utf-8")
    with pytest.raises(LanguageError, match=r"language.toml:\d+: .*finite"):
        load_language(folder)


@pytest.mark.parametrize(
    "value", ["2024-01-01", "12:00:00", "2024-01-01T00:00:00Z", "[" * 5000, "true", '"' + "x" * 9000 + '"']
)
def test_what_is_no_number_is_one_short_line(folder: Path, value: str) -> None:
    (folder / "language.toml").write_text(f"{TOML}\n[filters]\nmin_characters = {value}\n", encoding="utf-8")
    with pytest.raises(LanguageError, match=r"^languages/xx/language.toml:\d+: ") as error:
        load_language(folder)
    assert len(str(error.value)) < 400


def test_a_number_that_nothing_holds_is_refused_from_python_too() -> None:
    for number in (10**400, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="finite"):
            registry.get("et").with_(filters={"min_script_share": number})


def test_an_escape_of_no_character_stays(tmp_path: Path) -> None:
    (tmp_path / "examples.tsv").write_text("nfc\t\\Uffffffff\\u0041\tx\n")
    assert read_examples(tmp_path / "examples.tsv")[0].raw == "\\UffffffffA"
