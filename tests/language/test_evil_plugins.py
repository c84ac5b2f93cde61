"""Language folders that somebody got wrong, or meant ill: each is refused or named, and none stops another language."""

import json
import os
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from at_prompt import run

from ulmkit.authoring.check import check_language
from ulmkit.errors import LanguageError, RuleError, UlmkitError
from ulmkit.language import places, registry
from ulmkit.language.load import load_language
from ulmkit.text import rules as own_rules

TOML = """[language]
code = "xx"
iso639_3 = "xxx"
name = "Example"
native_name = "Example"
script = "Latn"

[alphabet]
letters = "abc"

[normalization]
train = ["dashes", "characters"]

[[sources]]
name = "w"
kind = "wikipedia"
locator = "xxwiki"
licence = "CC0-1.0"
"""
WITH_RULE = TOML.replace('"characters"', '"characters", "rules.evil"')


def rule(body: str, head: str = "") -> str:
    return f"{head}def evil(text):\n{textwrap.indent(body, '    ')}\n"


@dataclass(frozen=True)
class Evil:
    """A folder's files, and what is said of it when it is loaded."""

    said: str
    toml: str | bytes = TOML
    files: tuple[tuple[str, str | bytes], ...] = ()


def toml(old: str, new: str, said: str) -> Evil:
    assert old in TOML
    return Evil(f"language.toml:{said}", TOML.replace(old, new, 1))


def rules(source: str, said: str) -> Evil:
    return Evil(said, WITH_RULE, (("rules.py", source),))


def tsv(text: str | bytes, said: str) -> Evil:
    return Evil(said, files=(("characters.tsv", text),))


# refused when loaded: file, line where there is one, and what is wrong
REFUSED = {
    "duplicate mapping": tsv("U+0061\tU+0062\tx\nU+0061\tU+0063\ty\n", "characters.tsv:2: U+0061 is mapped twice"),
    "table in a circle": tsv("U+0061\tU+0062\tx\nU+0062\tU+0061\ty\n", "characters.tsv:1: U+0061 leads back to itself"),
    "table that grows": tsv("U+0061\tU+0061 U+0062\tx\n", "characters.tsv:1: U+0061 leads back to itself"),
    "table of letters": tsv("a\tb\tx\n", "characters.tsv:1: 'a' is not a code point"),
    "table without reasons": tsv("# c\nU+0061\tU+0062\n", "characters.tsv:2: expected source, target and reason"),
    "table in Latin-1": tsv(b"# c\nU+0061\tU+0062\t\xe9\n", "characters.tsv:2: not UTF-8 (byte 18)"),
    "unknown key": toml("letters =", "leters =", "9: no setting 'leters' in [alphabet]. Did you mean 'letters'?"),
    "unknown section": toml("[alphabet]", "[alfabet]", "8: no section [alfabet]. Did you mean 'alphabet'?"),
    "unknown key at the top": toml("[language]", "x = 1\n[language]", "1: no section [x]."),
    "missing licence": toml('licence = "CC0-1.0"\n', "", "14: [sources] needs 'licence'."),
    "empty licence": toml('"CC0-1.0"', '" "', "18: source 'w' has no licence"),
    "wrong type": toml('"abc"', "['a', 'b']", "9: 'letters' must be a string, not"),
    "section that is a value": Evil("language.toml:1: [alphabet] must be a table", "alphabet = 3\n" + TOML.replace(
        '[alphabet]\nletters = "abc"\n', "")),
    "sources that are a table": toml("[[sources]]", "[sources]", "14: write [[sources]], one block for each."),
    "bad UTF-8": Evil("language.toml:3: not UTF-8", TOML.encode().replace(b'"xxx"', b'"\xff\xfe"')),
    "bad TOML": toml('"xxx"', '"xxx', "3: "),
    "no language": Evil("language.toml:1: no [language] section", "[alphabet]\n"),
    "nested without end": Evil("language.toml:1: nested too deeply", f"x = {'[' * 20_000}\n"),
    "code of another": toml('code = "xx"', 'code = "yy"', "2: code 'yy' in a folder called 'xx'"),
    "unknown script": toml('"Latn"', '"Latin"', "6: no script 'Latin'."),
    "eleven digits": toml("letters =", 'digits = "0123456789a"\nletters =', "9: 'digits' must be ten"),
    "letters for digits": toml("letters =", 'digits = "abcdefghij"\nletters =', "9: 'digits' must be"),
    "bad regular expression": toml("[alphabet]", "[filters]\nboilerplate = ['a', '(']\n[alphabet]", "9: '(' is no"),
    "unknown operation": toml('"dashes"', '"dashs"', "12: no operation 'dashs'. Did you mean 'dashes'?"),
    "required operation left out": toml("train =", 'tail = ["nfc", "spaces"]\ntrain =', "12: operation 'restore'"),
    "inherits from itself": toml("script", 'inherits = "xx"\nscript', "6: 'inherits' goes in a circle: xx → xx."),
    "inherits from nobody": toml("script", 'inherits = "etx"\nscript', "6: no language 'etx' to inherit from."),
    "no rules.py": Evil("language.toml:12: operation 'rules.evil': the folder has no rules.py", WITH_RULE),
    "no such rule": rules("def good(text):\n    return text\n", "rules.py has no function 'evil'"),
    "rule that is no function": rules("evil = 3\n", "rules.py has no function 'evil'"),
    "missing module": rules("import nonexistent_module\n", "rules.py:1: ModuleNotFoundError: No module named"),
    "syntax error": rules("x = 1\ndef evil(text:\n", "rules.py:2: SyntaxError: "),
    "rules that exit": rules("import sys\nsys.exit(0)\n", "rules.py:2: SystemExit: 0"),
    "rules that load without end": rules("x = 1\nwhile True:\n    pass\n", "takes more than 0.2 s of the processor to"),
    "rules in Latin-1": Evil("rules.py:1: not UTF-8", WITH_RULE, (("rules.py", b"# \xe9\n"),)),
    "huge settings": Evil("language.toml: 8,000,", TOML + "#" * 8_000_000),
    "huge word list": Evil("stopwords.txt: 8,000,", files=(("stopwords.txt", "word\n" * 1_600_100),)),
}  # fmt: skip

# loads, and is named by the first text or by `language check`
BEHAVES = {
    "raises": ("raise KeyError('x')", "rules.py:2: rule 'evil' raised KeyError"),
    "hangs": ("while True:\n    pass", "rules.py:2: rule 'evil' took more than 0.2"),
    "backtracks": ("import re\nre.match('(a|a)*$', 'a' * 80 + 'b')\nreturn text", "rules.py:3: rule 'evil' took more"),
    "returns bytes": ("return text.encode('utf-8', 'ignore')", "rules.py:1: rule 'evil' returned bytes"),
    "is not idempotent": ("return text + 'a'", "rules.evil: "),
    "deletes letters": ("return text.replace('b', '')", "rules.evil deletes letters: "),
}


def write(folder: Path, evil: Evil) -> Path:
    folder.mkdir(parents=True)
    for name, content in (("language.toml", evil.toml), *evil.files):
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of languages with a good one in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(own_rules, "RULE_SECONDS", 0.2)
    monkeypatch.setattr(own_rules, "IMPORT_SECONDS", 0.2)
    monkeypatch.setattr(own_rules, "WAITING", 600)
    write(tmp_path / "languages" / "good", Evil("", TOML.replace('"xx"', '"good"')))
    return tmp_path / "languages"


def errors(home: Path) -> dict[str, str]:
    """What `language list` says of each broken language; the good one must be there and whole."""
    found = {known.code: known for known in registry.known(home)}
    assert found["good"].language is not None
    return {code: known.error for code, known in found.items() if known.language is None}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_file_and_line(home: Path, name: str) -> None:
    evil = REFUSED[name]
    folder = write(home / "xx", evil)
    with pytest.raises(LanguageError) as caught:
        load_language(folder)
    assert evil.said in str(caught.value)
    assert "\n" not in str(caught.value)
    if not evil.said.startswith("rules.py has no"):
        assert str(caught.value).startswith("languages/xx/")
    assert errors(home) == {"xx": str(caught.value)}


@pytest.mark.parametrize("name", BEHAVES)
def test_a_rule_that_misbehaves_is_named(home: Path, name: str) -> None:
    body, said = BEHAVES[name]
    folder = write(home / "xx", Evil("", WITH_RULE, (("rules.py", rule(body)), ("keep.txt", "ab\n"))))
    found = check_language(load_language(folder))
    told = [line.outcome.evidence for line in found.lines if line.outcome.status == "failed"]
    assert any(said in evidence for evidence in told), told
    assert found.grade == "L0"
    assert errors(home) == {}  # it loads: only a text shows what it does


def test_a_rule_that_raises_ends_the_command_with_one_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(home / "xx", Evil("", WITH_RULE, (("rules.py", rule("raise KeyError('x')")), ("stopwords.txt", "a\n"))))
    assert run("language", "show", "xx", "--languages", home) == 1
    error = capsys.readouterr().err
    assert error.startswith(
        "Error: languages/xx/rules.py:2: rule 'evil' raised KeyError ('x') on a text of 1 characters."
    )
    assert run("language", "show", "good", "--languages", home) == 0


def test_inheritance_in_a_circle_names_the_chain(home: Path) -> None:
    codes = ("aa", "bb", "cc")
    for code, base in zip(codes, ("bb", "cc", "aa"), strict=True):
        write(
            home / code, Evil("", TOML.replace('"xx"', f'"{code}"').replace("script", f'inherits = "{base}"\nscript'))
        )
    with pytest.raises(LanguageError) as caught:
        load_language(home / "aa")
    assert str(caught.value).startswith("languages/cc/language.toml:6: 'inherits' goes in a circle: aa → bb → cc → aa.")
    assert set(errors(home)) == set(codes)


def test_a_table_whose_target_is_a_source_is_closed(home: Path) -> None:
    table = ("characters.tsv", "U+0061\tU+0062\tx\nU+0062\tU+0063\ty\n")
    language = load_language(write(home / "xx", Evil("", TOML.replace('"abc"', '"c"'), (table,))))
    assert language.normalize("ab") == "cc"


def test_files_of_another_system_are_read(home: Path) -> None:
    """A byte order mark and CR LF, as Notepad writes them."""
    files = (("characters.tsv", "U+0071\tU+006B\tx\n"), ("stopwords.txt", "qa\non\n"), ("keep.txt", "bc\n"))
    mark = "\ufeff".encode()

    def windows(text: str) -> bytes:
        return mark + text.replace("\n", "\r\n").encode()

    evil = Evil("", windows(TOML), tuple((name, windows(text)) for name, text in files))
    language = load_language(write(home / "xx", evil))
    assert language.normalize("q") == "k"
    assert language.stop_words == {"ka", "on"}
    found = check_language(language)
    assert next(line for line in found.lines if line.name == "keeps").passed


def test_an_empty_folder_is_no_language_and_asking_for_it_says_so(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "xx").mkdir()
    assert errors(home) == {}
    assert run("language", "show", "xx", "--languages", home) == 2
    assert "xx has no language.toml." in capsys.readouterr().err


LINKS: dict[str, Callable[[Path], None]] = {
    "language.toml": lambda folder: (folder / "language.toml").unlink(),
    "characters.tsv": lambda _: None,
    "stopwords.txt": lambda _: None,
    "rules.py": lambda _: None,
}


@pytest.mark.parametrize("name", LINKS)
def test_a_link_that_leads_to_itself_is_named(home: Path, name: str) -> None:
    folder = write(home / "xx", Evil(""))
    LINKS[name](folder)
    (folder / name).symlink_to(folder / name)
    (error,) = errors(home).values()
    assert name in error
    assert "cannot be read" in error


def test_a_folder_that_is_a_link_to_itself_stops_nobody(home: Path) -> None:
    (home / "xx").symlink_to(home / "xx")
    assert errors(home) == {}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_closed_to_us_is_named(home: Path) -> None:
    (write(home / "xx", Evil("")) / "language.toml").chmod(0)
    assert "language.toml: cannot be read" in errors(home)["xx"]


# ---------------------------------------------------------------- installed packages


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A function that puts a package with an entry point where Python finds it."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    places._installed.cache_clear()

    def package(name: str, code: str, *, init: str = "", inside: str = "") -> Path:
        folder = site / name / inside
        write(folder / code, Evil("", TOML.replace('"xx"', f'"{code}"')))
        (site / name / "__init__.py").write_text(init, encoding="utf-8")
        dist = site / f"{name}-1.0.dist-info"
        dist.mkdir()
        (dist / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
        (dist / "entry_points.txt").write_text(f"[{places.ENTRY_POINTS}]\n{code} = {name}.{code}\n", encoding="utf-8")
        return folder / code

    yield package
    places._installed.cache_clear()
    for name in [name for name in sys.modules if name.startswith("plugin_")]:
        del sys.modules[name]


def test_an_installed_language_is_found_by_its_entry_point(home: Path, install: Callable[..., Path]) -> None:
    folder = install("plugin_one", "xx")
    assert places.find("xx") == folder
    assert registry.get("xx").code == "xx"
    assert errors(home) == {}


def test_a_package_that_raises_on_import_is_named(home: Path, install: Callable[..., Path]) -> None:
    install("plugin_bad", "xx", init="raise ValueError('boom')\n")
    assert errors(home) == {
        "xx": "package 'plugin_bad' declares language 'xx' in 'plugin_bad.xx', which is not found "
        "(ValueError: boom). Mend or uninstall it."
    }
    with pytest.raises(LanguageError, match="boom"):
        places.find("xx")


def test_a_package_that_is_not_there_is_named(home: Path, install: Callable[..., Path]) -> None:
    folder = install("plugin_gone", "xx")
    (folder / "language.toml").unlink()
    folder.rmdir()
    assert "'plugin_gone.xx', which is not found (there is no such package)" in errors(home)["xx"]


def test_two_packages_with_one_code_are_refused_with_both_paths(home: Path, install: Callable[..., Path]) -> None:
    first, second = install("plugin_one", "xx"), install("plugin_two", "xx")
    error = errors(home)["xx"]
    assert error.startswith("language 'xx' comes with two packages, ")
    assert str(first) in error
    assert str(second) in error
    with pytest.raises(LanguageError, match="two packages"):
        places.find("xx")
    named = write(home / "xx", Evil(""))
    assert places.find("xx", home) == named  # a folder that is named wins over both


def test_which_of_two_wins_is_said_with_both_paths(home: Path, install: Callable[..., Path]) -> None:
    installed, named = install("plugin_one", "xx"), write(home / "xx", Evil(""))
    found = {known.code: known for known in registry.known(home)}
    assert (found["xx"].folder, found["xx"].hides) == (named, (installed,))


# ---------------------------------------------------------------- at the prompt


def test_a_broken_language_is_listed_checked_and_stops_nobody(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(home / "xx", REFUSED["unknown key"])
    assert run("language", "list", "--languages", home, "--json") == 0
    listed = {entry["code"]: entry for entry in json.loads(capsys.readouterr().out)["languages"]}
    assert listed["xx"]["error"] == "languages/xx/" + REFUSED["unknown key"].said
    assert listed["good"]["error"] == ""
    assert run("language", "check", "xx", "--languages", home, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["grade"], found["failed"], len(found["checks"])) == ("L0", True, 1)
    assert run("language", "show", "good", "--languages", home) == 0


def test_all_errors_are_of_the_kind_that_the_prompt_turns_into_a_line() -> None:
    assert issubclass(RuleError, LanguageError)
    assert issubclass(LanguageError, UlmkitError)
