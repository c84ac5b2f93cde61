"""A language is a value: what a build is given judges, in every process, whatever becomes of the folder."""

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ulmkit.artifacts.layout import Layout
from ulmkit.artifacts.shards import finished_corpus, read_batches, shard_paths
from ulmkit.corpus.build import BuildOptions, build_corpus
from ulmkit.errors import UsageError
from ulmkit.formats.inputs import named_inputs
from ulmkit.language.load import load_language
from ulmkit.language.registry import get
from ulmkit.language.spec import Language

TOML = """[language]
code = "xx"
iso639_3 = "xxx"
name = "Example"
native_name = "Example"
script = "Latn"

[normalization]
train = ["characters", "rules.soft"]

[filters]
min_characters = 60
min_words = 5
min_line_punctuation = 0.0
max_short_lines = 1.0
min_stop_words = 0

[filters.origins]
min_words = "guessed"
"""
FILES = {
    "language.toml": TOML,
    "characters.tsv": "U+0071\tU+006B\tq is k\n",
    "rules.py": "def soft(text):\n    return text.replace('zz', 'ss')\n",
}
# what makes another language of the folder
EDITS = {
    "language.toml": ("min_characters = 60", "min_characters = 6000"),
    "characters.tsv": ("U+006B", "U+0070"),
    "rules.py": ("'ss'", "'ff'"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "languages" / "xx"
    path.mkdir(parents=True)
    for name, text in FILES.items():
        (path / name).write_text(text, encoding="utf-8")
    return path


def edit(folder: Path, *names: str) -> None:
    for name in names:
        old, new = EDITS[name]
        path = folder / name
        assert old in path.read_text(encoding="utf-8")
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


def documents(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "pages.jsonl"
    path.parent.mkdir(exist_ok=True)
    words = ["aqua", "pizza", "onto", "under", "river", "stone", "quiet", "jazz", "morning", "evening"]
    texts = [
        f"Page {n} has {words[n % 10]} beside {words[n // 10]} and more of it, so that it is long enough to stay."
        for n in range(100)
    ]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in [*texts, "A qizz of a few short words."]))
    return path


WORKERS = [0, pytest.param(2, marks=pytest.mark.slow)]  # processes


def build(
    language: Language, tmp_path: Path, workers: int, root: str = "data", report: Any = lambda _: None
) -> tuple[dict[str, Any], list[str]]:
    """The manifest and the texts of a build of `language`."""
    options = BuildOptions(valid_share=0.2, test_share=0.2, workers=workers, near_duplicates=False)
    layout = Layout(tmp_path / root, language.code)
    inputs = named_inputs([str(documents(tmp_path))])
    manifest = build_corpus(language, layout, inputs, options=options, report=report)
    tables = [
        batch
        for split in ("train", "valid", "test")
        for batch in read_batches(shard_paths(finished_corpus(layout.corpus), split))
    ]
    return manifest, sorted(row["text"] for batch in tables for row in batch.to_pylist())


@pytest.mark.parametrize("workers", WORKERS)
def test_a_language_with_one_changed_limit_judges_by_it(folder: Path, tmp_path: Path, workers: int) -> None:
    language = load_language(folder)
    lenient = language.with_(filters={"min_characters": 10})
    first, texts = build(language, tmp_path, workers)
    again, more = build(lenient, tmp_path, workers)
    assert first["counts"]["dropped"] == {"too short": 1}
    assert "unchanged" not in again
    assert set(more) - set(texts) == {"A kiss of a few short words."}
    assert again["language_fingerprint"] == lenient.fingerprint != language.fingerprint


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("name", EDITS)
def test_a_folder_edited_while_a_build_runs_changes_nothing_for_it(
    folder: Path, tmp_path: Path, workers: int, name: str
) -> None:
    language = load_language(folder)
    expected, texts = build(language, tmp_path, 0, "before")
    edits = [name]

    def edit_once(_: object) -> None:
        if edits:
            edit(folder, edits.pop())

    manifest, found = build(language, tmp_path, workers, report=edit_once)
    assert not edits, "the build reported nothing: the folder was never edited"
    assert found == texts
    assert manifest["language_fingerprint"] == expected["language_fingerprint"] == language.fingerprint
    assert load_language(folder).fingerprint != language.fingerprint


def test_an_edited_rule_is_run_by_who_loads_the_folder_next(folder: Path) -> None:
    """In one process both stand side by side."""
    before = load_language(folder)
    edit(folder, "rules.py")
    after = load_language(folder)
    assert (before.normalize("jazz"), after.normalize("jazz")) == ("jass", "jaff")


def test_a_language_travels_as_its_fields_alone(folder: Path) -> None:
    language = load_language(folder)
    assert language.normalize("qazz") == "kass"
    packed = pickle.dumps(language)
    for name in FILES:
        (folder / name).unlink()
    other = pickle.loads(packed)  # noqa: S301 (made right above)
    assert other == language
    assert other.fingerprint == language.fingerprint
    assert other.normalize("qazz") == "kass"


@pytest.mark.parametrize("code", ["et", "fa"])
def test_a_bundled_language_is_small_on_its_way_to_a_worker(code: str) -> None:
    assert len(pickle.dumps(get(code))) < 100_000


def test_with_changes_what_is_named_and_keeps_the_rest() -> None:
    language = get("fa")
    changed = language.with_(
        filters={"min_characters": 100, "origins": {"min_characters": "asked for"}},
        normalization={"digits": "ascii", "profiles": {"social": {"letter_run_to": 1}}},
        identification={"relatives": [{"name": "Arabic", "letters": "ة"}]},
        pii=[],
    )
    assert changed.filters == replace(
        language.filters, min_characters=100, origins={**language.filters.origins, "min_characters": "asked for"}
    )
    assert changed.normalize("سال ۱۴۰۲") == "سال 1402"
    assert changed.normalizer("social")("آره" + "ه" * 9) == "آره"
    assert [relative.letters for relative in changed.identification.relatives] == ["ة"]
    assert changed.pii == ()
    assert changed.stop_words == language.stop_words
    assert language.normalize("سال 1402") == "سال ۱۴۰۲"


def test_every_change_that_shapes_a_text_changes_the_fingerprint() -> None:
    language = get("fa")
    changes: list[dict[str, Any]] = [
        {"filters": {"min_words": 31}},
        {"normalization": {"profiles": {"social": {"letter_run_to": 1}}}},
        {"dedup": {"threshold": 0.7}},
        {"alphabet": {"watched": ""}},
    ]
    prints = [language.with_(**change).fingerprint for change in changes]
    prints += [replace(language, listed_stop_words=("و",)).fingerprint, replace(language, characters=()).fingerprint]
    assert len({language.fingerprint, *prints}) == 7
    assert language.with_(lm={"prompts": ["تهران"]}).fingerprint == language.fingerprint
    assert language.with_().fingerprint == language.fingerprint


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"filter": {}}, "fa: no section 'filter'. Did you mean 'filters'?"),
    ({"filters": {"min_chars": 3}}, "fa: no setting 'min_chars' in [filters]. Did you mean 'min_characters'?"),
    ({"filters": {"min_characters": "3"}}, "fa, [filters]: 'min_characters' must be a whole number, not \"3\"."),
    ({"filters": 3}, "fa: [filters] must be a table."),
    ({"language": {"code": "fas"}}, "fa: 'code' names the folder. Copy the folder to make another language of it."),
    ({"normalization": {"train": ["dash"]}}, "fa, [normalization]: no operation 'dash'. Did you mean 'dashes'?"),
    (
        {"normalization": {"profiles": {"social": {"trian": []}}}},
        "fa: no setting 'trian' in [normalization.profiles.social]. Did you mean 'train'?",
    ),
    ({"pii": [{"name": "x"}]}, "fa: [pii] needs 'mask'."),
    (
        {"identification": {"relatives": [{}]}},
        "fa: [identification.relatives] needs 'name'.",
    ),
]


@pytest.mark.parametrize(("change", "said"), WRONG)
def test_what_nobody_knows_is_refused_with_the_nearest(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        get("fa").with_(**change)
    assert str(caught.value) == said


def test_there_is_one_door_to_every_form(folder: Path) -> None:
    language = load_language(folder)
    assert language.forms == ("standard", "match", "fold")
    assert language.normalizer() is language.normalizer("standard")
    assert language.normalizer("match")("Aqua Zz!") == language.normalizer("fold")("Akua ss!".replace("ss", "Zz"))
    with pytest.raises(UsageError, match=r"xx has no form 'mach'. Known: standard, match, fold"):
        language.normalizer("mach")


def test_two_languages_of_equal_forms_share_the_compiled_ones() -> None:
    language = get("fa")
    few, many = language.with_(filters={"min_words": 3}), language.with_(filters={"min_words": 30})
    assert few.normalizer() is many.normalizer()
