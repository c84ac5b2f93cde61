"""A new language folder, filled with what CLDR and Unicode know; nothing is invented.

Every value says in a comment where it is from. What nobody knows is left out, with a comment that says how to find it.
"""

import os
import shutil
import unicodedata
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ulmkit.artifacts.atomic import atomic_write, storage_errors
from ulmkit.authoring.cldr import Facts, facts, own_words
from ulmkit.authoring.template import language_toml, script_toml, sources_md
from ulmkit.authoring.to_decide import character_rows, match_rows
from ulmkit.corpus.identify import likeliest_labels
from ulmkit.errors import UsageError
from ulmkit.language.load import load_language
from ulmkit.language.places import bundled
from ulmkit.language.spec import Language
from ulmkit.language.toml import TomlFile
from ulmkit.text.script import letter_list

CHARACTERS = """\
# Which characters become which. Columns: source, target, reason; code points; an empty target deletes. As in
# U+0643	U+06A9	kaf, typed for keheh
"""
MATCH = """\
# Letters that count as one when texts are compared, in files of the same form as characters.tsv.
"""
TO_DECIDE = "# For a speaker to decide; take the `# ` away from what holds for the language:"


def _to_decide(rows: list[str]) -> list[str]:
    return [TO_DECIDE, *rows, ""] if rows else []


# raw texts that make the shared operations act, whatever the language: α and β stand for two of its letters
TRIALS = {
    "surrogates": "αβ\ud800 βα",
    "entities": "α &amp; β",
    "line_ends": "αβ\r\nβα",
    "controls": "α\u0001β βα",
    "invisible": "α\u034fβ βα\ufff9",
    "space_forms": "αβ\u00a0βα",
    "word_boundary": "αβ\u2581βα",
    "zero_width": "α\u200bβ",
    "widths": "αβ １２",
    "emoji_joiners": "α\u200dβ",
    "nfc": "cafe\u0301",
    "virama_joiners": "α\u200cβ",
    "presentation_forms": "αβ \ufefb",
    "pseudo_joiners": "α\u200b β",
    "tatweel": "α\u0640\u0640β",
    "joiners": "αβ\u200c βα",
    "dashes": "αβ \u2015 βα",
    "ellipsis": "αβ...",
    "repeats": "αβ!!!!! βα",
    "broken_entities": "α &\u0001lt; β",
    "spaces": " αβ  βα \n\n\n αβ ",
}
UNCHANGED = (
    "https://example.org/a.b?x=1.5", "name@example.org", "192.168.1.10", "2.7.19", "10.5", "2024-11-30", "#tag_1",
    "👨\u200d👩\u200d👧",
)  # fmt: skip


def create(code: str, into: Path, *, labels: Collection[str] = (), date: str) -> Language:
    """Write the folder of a new language into `into`, and a file for its script where there is none; the language.

    `labels` are all that the identifiers know. Raises `UsageError` for an unknown code and where there is such a
    folder already.
    """
    found = facts(code)
    folder = into / code
    if os.path.lexists(folder):
        raise UsageError(f"{folder}: there already. Remove it, or choose another --into.")
    name = f"{found.script}.toml"
    with storage_errors(folder):
        script = next((p for p in (into / "_scripts" / name, bundled() / "_scripts" / name) if p.is_file()), None)
        if script is None:
            script = into / "_scripts" / name
            with atomic_write(script, "w", encoding="utf-8") as file:
                file.write(script_toml(found))
        folder.mkdir(parents=True)
        try:
            return _filled(folder, found, labels, date, TomlFile(script).data.get("segmentation", {}))
        except BaseException:  # half of a folder would be in the way of the next try
            shutil.rmtree(folder, ignore_errors=True)
            raise


def _filled(folder: Path, found: Facts, labels: Collection[str], date: str, shared: dict[str, Any]) -> Language:
    """Write every file of the new `folder`; `shared` is what its script's file says of sentences."""
    (folder / "samples").mkdir()
    heard = likeliest_labels(own_words(found.code)) if labels else ()
    (folder / "language.toml").write_text(language_toml(found, labels, date, shared, heard), encoding="utf-8")
    offered, compared = list(character_rows(found)), list(match_rows(found))
    (folder / "characters.tsv").write_text("\n".join([CHARACTERS, *_to_decide(offered)]), encoding="utf-8")
    if compared:
        (folder / "match.tsv").write_text("\n".join([MATCH, *_to_decide(compared)]), encoding="utf-8")
    (folder / "SOURCES.md").write_text(sources_md(found), encoding="utf-8")
    language = load_language(folder)
    (folder / "examples.tsv").write_text(examples_tsv(language, found), encoding="utf-8")
    (folder / "keep.txt").write_text(keep_txt(language), encoding="utf-8")
    return language


def two_letters(found: Facts) -> str:
    """Two letters of the alphabet, of those that are no composition: a sign may stand between them."""
    script = frozenset(letter_list(found.script))
    own = [c for c in found.exemplars.letters if c in script] or letter_list(found.script)
    plain = [c for c in own if unicodedata.normalize("NFD", c) == c]
    return "".join((plain or own)[-12:][:2])


def escaped(text: str) -> str:
    """`text` as a cell of examples.tsv."""
    named = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return "".join(
        named.get(c)
        or (c if c == " " or (unicodedata.category(c)[0] not in "CZ" and c != "\u0301") else f"\\u{ord(c):04x}")
        for c in text
    )


def examples_tsv(language: Language, found: Facts) -> str:
    """examples.tsv: an example of each shared operation that acts on the language's letters, as it acts now."""
    first, second = two_letters(found)[0], two_letters(found)[1]
    lines = [
        "# What each operation does: operation, raw text, text in normal form. \\uXXXX, \\n and \\t stand for the",
        "# characters they name. These lines were made from two letters; write your own with real words.",
    ]
    train = language.normalizer("standard")
    for name in dict.fromkeys(train.operations):
        raw = TRIALS.get(name, "").replace("α", first).replace("β", second)
        if (raw and any(change.operation == name for change in train.explain(raw))) or name == "surrogates":
            lines.append(f"{name}\t{escaped(raw)}\t{escaped(train(raw))}")
    return "\n".join(lines) + "\n"


def keep_txt(language: Language) -> str:
    """keep.txt: what no language's normalization touches; and the language's own words, to be written."""
    cases = [text for text in UNCHANGED if language.normalize(text) == text]
    return (
        "\n".join(["# Strings that must pass unchanged, one a line. Add words that a wrong rule would hurt.", *cases])
        + "\n"
    )
