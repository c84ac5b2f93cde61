"""Limits lie where a trusted sample lies, and are written with the sample's hash into a file that stays as it was."""

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmkit.authoring.calibrate import (
    IDENTIFICATION,
    TrustedSample,
    calibrate,
    calibrated_limits,
    passes,
    quantile_limit,
    wider,
    with_stop_words,
    write,
    write_stop_words,
)  # fmt: skip
from ulmkit.authoring.measure import describe_sample, frequent_words, measure_texts, read_sample
from ulmkit.corpus.filters import FILTERS, judge
from ulmkit.corpus.page import Page
from ulmkit.corpus.shingles import WordHasher
from ulmkit.errors import LanguageError, UsageError
from ulmkit.formats.inputs import named_inputs
from ulmkit.language import places, registry
from ulmkit.language.load import load_language

NAN = float("nan")
SAMPLE = TrustedSample("s.jsonl", 1000, "ab" * 32)

TOML = """# the very first line
[language]
code = "xx"
iso639_3 = "xxx"
name = "Example"
native_name = "Example"
script = "Latn"

[identification]
labels = ["xx"] # two letters

[filters]
min_words = 20 # mine
# a remark
mean_word_length = [1.0, 20.0]

[filters.origins]
min_words = "guessed"

[[sources]]
name = "w"
kind = "wikipedia"
locator = "xxwiki"
licence = "CC0-1.0"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "languages" / "xx"
    path.mkdir(parents=True)
    (path / "language.toml").write_text(TOML, encoding="utf-8")
    return path


# limit, values, share to keep, the limit found
QUANTILES = [
    ("min_line_punctuation", [0.1, 0.2, 0.3, 0.4, 0.5], 0.75, 0.2),
    ("max_short_lines", [0.1, 0.2, 0.3, 0.4, 0.5], 0.75, 0.4),
    ("max_short_lines", [0.12345, NAN, NAN], 0.99, 0.124),
    ("min_stop_words", [3.0, 8.0, 9.0, 9.0, 9.0], 0.75, 8),
    ("mean_word_length", [[4.0, 4.0], [5.0, 5.0], [6.0, 6.0], [7.0, 7.0], [8.0, 8.0]], 0.75, (5.0, 7.0)),
    ("max_top_ngram", [[0.1, 0.3, 0.0], [0.2, 0.4, 0.0]], 0.99, (0.199, 0.399, 0.0)),
]


def columns(values: object) -> np.ndarray:
    """What was measured, shape (documents, numbers of the limit)."""
    found = np.array(values, np.float64)
    return found.reshape(len(found), -1)


@pytest.mark.parametrize(("name", "values", "keep", "found"), QUANTILES)
def test_a_limit_is_a_quantile_rounded_to_where_it_keeps_more(
    name: str, values: list[float], keep: float, found: object
) -> None:
    assert quantile_limit(name, columns(values), keep) == pytest.approx(found, abs=0.0011)


@given(st.lists(st.floats(0, 1), min_size=5), st.sampled_from(["min_script_share", "max_digit_share"]))
def test_a_limit_keeps_the_share_it_was_asked_to_keep(values: list[float], name: str) -> None:
    column = columns(values)
    assert passes(name, column, quantile_limit(name, column, 0.8)).mean() >= 0.8 - 1e-9 - 1 / len(values)


def test_of_two_limits_the_wider_is_taken_part_by_part() -> None:
    assert wider("min_script_share", 0.5, 0.6) == 0.5
    assert wider("max_top_ngram", (0.2, 0.1, 0.1), (0.1, 0.3, 0.1)) == (0.2, 0.3, 0.1)
    assert wider("mean_word_length", (3.0, 6.0), (4.0, 7.0)) == (3.0, 7.0)


def test_a_limit_that_keeps_the_sample_stays_and_one_that_drops_is_widened(folder: Path) -> None:
    language = load_language(folder)
    measured = {
        "min_word_with_letter": columns(np.linspace(0.9, 1.0, 1000)),  # present 0.7 keeps all: it stays
        "min_script_share": columns(np.linspace(0.9, 1.0, 1000)),
        "max_digit_share": columns(np.linspace(0.0, 0.05, 1000)),
        "max_short_lines": columns(np.linspace(0.0, 1.0, 1000)),  # present 0.67 drops a third: it is widened
    }
    result = calibrate(language, SAMPLE, measured)
    found = {p.name: p for p in result.proposals}
    assert {name: p.changed for name, p in found.items()} == {name: name == "max_short_lines" for name in measured}
    assert found["min_script_share"].edge == pytest.approx(0.9, abs=0.002)
    assert found["max_short_lines"].proposed == pytest.approx(1.09, abs=0.01)  # with a margin
    assert found["max_short_lines"].keeps == pytest.approx(0.67, abs=0.002)
    assert result.lost == 0
    tight = {p.name: p for p in calibrate(language, SAMPLE, measured, tighten=True).proposals}
    assert tight["min_script_share"].proposed == pytest.approx(0.81, abs=0.002)
    assert not tight["max_digit_share"].changed
    alone = {p.name: p.changed for p in calibrate(language, SAMPLE, measured, only=["max_short_lines"]).proposals}
    assert alone == {name: name == "max_short_lines" for name in measured}
    with pytest.raises(UsageError, match=r"--only max_shorts: no such limit is measured here\. Known: min_word_with_l"):
        calibrate(language, SAMPLE, measured, only=["max_shorts"])


def test_a_limit_is_narrowed_where_junk_needs_it_and_what_that_costs_is_counted(folder: Path) -> None:
    language = load_language(folder)
    lengths = np.append(np.linspace(4.0, 6.0, 999), 1.5)  # one odd document among good ones
    measured = {"mean_word_length": np.stack([lengths, lengths], axis=1)}
    junk = {"mean_word_length": columns([(2.0, 2.0), (30.0, 30.0)])}  # of these the second is dropped already
    result = calibrate(language, SAMPLE, measured, junk=junk)
    assert result.proposals[0].proposed == pytest.approx((3.6, 6.6), abs=0.05)
    assert result.lost == 1


def test_limits_that_drop_too_much_together_are_widened(folder: Path) -> None:
    rng = np.random.default_rng(1)
    names = ["min_script_share", "min_stop_word_share", "min_word_with_letter", "min_line_punctuation", IDENTIFICATION]
    measured = {name: rng.random((1000, 1)) for name in names}
    result = calibrate(load_language(folder), SAMPLE, measured, each=0.97, jointly=0.95, tighten=True)
    assert result.together[""][1] >= 0.95
    assert result.each > 0.97
    assert all(p.would_keep >= 0.97 for p in result.proposals)


def test_a_small_sample_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"s.jsonl: 199 documents .* takes 200"):
        calibrate(load_language(folder), TrustedSample("s.jsonl", 199, ""), {"min_script_share": np.ones((199, 1))})


def calibrated(folder: Path) -> str:
    language = load_language(folder)
    measured = {
        "mean_word_length": columns([(n, n) for n in np.linspace(3, 7, 1000)]),
        "min_script_share": columns(np.full(1000, 0.97)),
        "max_top_ngram": np.full((1000, 3), 0.3),
        IDENTIFICATION: columns(np.full(1000, 0.9)),
        "min_stop_words": columns(np.full(1000, NAN)),  # no stop words: not asked, so not written
    }
    write(language, calibrate(language, SAMPLE, measured, tighten=True), date="2026-11-24")
    return (folder / "language.toml").read_text(encoding="utf-8")


def test_writing_keeps_comments_and_order_and_says_where_from(folder: Path) -> None:
    text = calibrated(folder)
    order = [
        "# the very first line",
        "# two letters",
        "min_words = 20 # mine",
        "# a remark",
        'min_words = "guessed"',
        "[[sources]]",
    ]
    assert sorted(map(text.index, order)) == list(map(text.index, order))
    language = load_language(folder)
    assert language.filters.min_script_share == pytest.approx(0.873, abs=0.001)
    assert language.filters.max_top_ngram == (0.33, 0.33, 0.33)
    assert language.filters.mean_word_length[0] == pytest.approx(2.73, abs=0.03)
    assert language.filters.min_words == 20
    assert language.identification.min_share == 0.81
    origin = language.filters.origins["min_script_share"]
    assert origin == f"calibrated: keeps 100.0% of 1,000 documents of s.jsonl (SHA-256 {'ab' * 32}), 2026-11-24"
    assert language.filters.origins["min_words"] == "guessed"
    assert "min_share = 0.81 # calibrated: keeps" in text
    assert "min_stop_words" not in text


def test_calibrating_twice_changes_nothing_more(folder: Path) -> None:
    assert calibrated(folder) == calibrated(folder)


def test_a_folder_that_would_not_load_is_left_as_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise LanguageError("no")

    monkeypatch.setattr("ulmkit.authoring.calibrate.load_language", refuse)
    with pytest.raises(LanguageError):
        calibrated(folder)
    assert (folder / "language.toml").read_text(encoding="utf-8") == TOML
    assert [path.name for path in folder.iterdir()] == ["language.toml"]


def articles(path: Path, count: int, between: str = "\n") -> Path:
    """A sample in JSON lines, of sentences made from a few words, `between` which stands a line's end or a space."""
    rng = random.Random(5)
    stems, ends = "linn jõg mets tee van suur väik kaun tõus lange voola seisa", "a i e u as is es us ale ile ele ule"
    words = [stem + end for stem in stems.split() for end in ends.split()]
    with open(path, "w", encoding="utf-8") as file:
        for number in range(count):
            said = [f"Ja {' '.join(rng.choices(words, k=9))} on, et see ei ole." for _ in range(12)]
            file.write(json.dumps({"id": number, "text": between.join(said)}, ensure_ascii=False) + "\n")
    return path


def test_a_sample_is_measured_by_the_functions_that_judge(tmp_path: Path) -> None:
    language = registry.get("et")
    inputs = named_inputs([str(articles(tmp_path / "s.jsonl", 30))])
    texts = read_sample(language, inputs)
    assert describe_sample(inputs, texts).documents == 30
    measured = measure_texts(language, texts)
    assert set(measured) == {*calibrated_limits(), IDENTIFICATION}
    assert measured["max_duplicate_ngrams"].shape == (30, 6)
    hasher = WordHasher()
    for number, text in enumerate(texts):
        words = language.fold(text.normal).split()
        kept = judge(Page(text.normal, words, hasher(words), language)).keep
        within = all(
            passes(n, measured[n][number : number + 1], getattr(language.filters, n))[0] for n in calibrated_limits()
        )
        assert kept == within


def test_what_is_a_choice_is_not_calibrated() -> None:
    choices = {"min_characters", "min_words", "max_characters", "max_replacement_characters"}
    assert {row.limit for row in FILTERS} - set(calibrated_limits()) == choices


def test_stop_words_are_those_of_most_documents(tmp_path: Path) -> None:
    found = places.find("et")
    folder = tmp_path / "languages" / "et"
    shutil.copytree(found, folder)
    (folder / "stopwords.txt").unlink()
    language = load_language(folder)
    texts = read_sample(language, named_inputs([str(articles(tmp_path / "s.jsonl", 20, between=" "))]))
    words = frequent_words(language, texts, 6)
    assert set(words) == {"ei", "et", "ja", "ole", "on", "see"}
    shortened = replace(language, segmentation=replace(language.segmentation, abbreviations=("s.o", "on.See")))
    assert {"on", "see"}.isdisjoint(frequent_words(shortened, texts, 6))  # parts of an abbreviation are no words
    assert measure_texts(with_stop_words(language, words), texts)["min_stop_words"].tolist() == [[6.0]] * 20
    assert np.isnan(measure_texts(language, texts)["min_stop_words"]).all()
    write_stop_words(language, words, SAMPLE, date="2026-11-24")
    assert load_language(folder).stop_words == set(words)
    with pytest.raises(UsageError, match="there already"):
        write_stop_words(language, words, SAMPLE, date="2026-11-24")


def test_new_tables_stand_apart_from_what_follows(folder: Path) -> None:
    bare = TOML.replace('[filters.origins]\nmin_words = "guessed"\n\n', "")
    (folder / "language.toml").write_text(bare, encoding="utf-8")
    assert "\n\n[[sources]]" in calibrated(folder)


def test_a_small_source_of_another_kind_is_kept_as_well_as_a_large_one(folder: Path) -> None:
    """Word lengths of two sources: one by itself would drop the other, together both stay."""
    rng = np.random.default_rng(2)
    lengths = np.concatenate([rng.normal(4.2, 0.2, 5000), rng.normal(3.0, 0.9, 250)])
    sources = ("news",) * 5000 + ("prose",) * 250
    one = TrustedSample("s", 5250, "00")
    both = TrustedSample("s", 5250, "00", sources)
    measured = {"mean_word_length": np.stack([lengths, lengths], axis=1)}
    (alone,) = calibrate(load_language(folder), one, measured, tighten=True).proposals
    result = calibrate(load_language(folder), both, measured, tighten=True)
    (mixed,) = result.proposals
    assert passes("mean_word_length", measured["mean_word_length"][5000:], alone.proposed).mean() < 0.9
    assert passes("mean_word_length", measured["mean_word_length"][5000:], mixed.proposed).mean() >= 0.95
    assert set(result.together) == {"", "news", "prose"}


def test_a_text_in_another_language_does_not_pull_the_limit_down(tmp_path: Path) -> None:
    path = articles(tmp_path / "s.jsonl", 5)
    english = "The old town lies on the river, and the people who live there have worked in the mills for ages. " * 8
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps({"id": "en", "text": english}) + "\n")
    language = registry.get("et")
    shares = measure_texts(language, read_sample(language, named_inputs([str(path)])))[IDENTIFICATION]
    assert np.isnan(shares[5])
    assert (shares[:5] > 0.5).all()
