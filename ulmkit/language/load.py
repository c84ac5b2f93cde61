"""From a folder of data to a `Language`; what is wrong with the folder is said with file and line."""

import dataclasses
import hashlib
import json
import os
import re
import tomllib
import types
import typing
import unicodedata
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from ulmkit.errors import LanguageError, shown
from ulmkit.language import spec
from ulmkit.text.characters import CharacterTable, Row, parse_rows, show
from ulmkit.text.normalize import Normalizer
from ulmkit.text.operations import REQUIRED, VERSION, Settings
from ulmkit.text.pii import Pii, compiled
from ulmkit.text.protect import KINDS
from ulmkit.text.script import KNOWN

SECTIONS: dict[str, tuple[str, type]] = {
    # TOML key -> field of Language, its type
    "language": ("identity", spec.Identity),
    "alphabet": ("alphabet", spec.Alphabet),
    "normalization": ("normalization", spec.Normalization),
    "segmentation": ("segmentation", spec.Segmentation),
    "identification": ("identification", spec.Identification),
    "filters": ("filters", spec.Filters),
    "dedup": ("dedup", spec.Dedup),
    "extraction": ("extraction", spec.Extraction),
    "sources": ("sources", spec.SourceSpec),
    "tokenizer": ("tokenizer", spec.TokenizerSettings),
    "lm": ("lm", spec.LMSettings),
    "tasks": ("tasks", spec.Task),
    "pii": ("pii", Pii),
}
LISTS = {"sources", "tasks", "pii"}
SHAPING = ("characters.tsv", "match.tsv", "rules.py", "stopwords.txt")  # files that shape what a stage makes of a text
MAX_BYTES = 8_000_000  # of a file in a language folder; the largest word lists have a tenth of it


def read_text(path: Path) -> str:
    """The text of a file of a language folder, with `\\n` at line ends and without a byte order mark.

    Raises `LanguageError` for a file that is not there, cannot be read, is no UTF-8, or is larger than any folder's.
    """
    name = shown(path)
    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise LanguageError(
                f"{name}: {size:,} bytes, at most {MAX_BYTES:,} are read. Keep data like this elsewhere."
            )
        data = path.read_bytes()
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError as error:
        raise LanguageError(f"{name}: not there. A language folder needs one.") from error
    except OSError as error:
        raise LanguageError(
            f"{name}: cannot be read ({error.strerror}). Look at what it links to, and its rights."
        ) from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise LanguageError(f"{name}:{line}: not UTF-8 (byte {error.start}). Save it as UTF-8.") from error


class _File:
    """A TOML file that knows on which line a key stands."""

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, shown(path)
        self.text = read_text(path)
        try:
            self.data = tomllib.loads(self.text)
        except RecursionError as error:
            raise LanguageError(f"{self.name}:1: nested too deeply. A language needs three levels.") from error
        except tomllib.TOMLDecodeError as error:
            found = re.search(r"\(at line (\d+), column \d+\)", str(error))
            message = re.sub(r"\s*\(at .*\)", "", str(error))
            raise LanguageError(f"{self.name}:{found[1] if found else '1'}: {message}.") from error

    def line(self, section: str, key: str = "", index: int = 0) -> int:
        """Where `key` stands under the `index`-th `[section]` or `[[section]]`; the section's own line without it."""
        current, seen, header = "", -1, 0
        for number, line in enumerate(self.text.splitlines(), 1):
            match = re.match(r"\s*\[\[?\s*([\w.\-]+)\s*\]\]?", line)
            if match:
                current = match[1]
                if current == section:
                    seen, header = seen + 1, number
                    if not key and seen == index:
                        return number
                continue
            if current == section and seen == index and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
                return number
            if not section and not current and re.match(rf"\s*{re.escape(key)}\s*=", line):
                return number
        return header or 1

    def fail(self, section: str, key: str, message: str, index: int = 0) -> LanguageError:
        return LanguageError(f"{self.name}:{self.line(section, key, index)}: {message}")


def _nearest(word: str, known: typing.Iterable[str]) -> str:
    known = sorted(known)
    near = get_close_matches(word, known, 1, 0.5)
    return f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(known)}."


def _convert(value: Any, wanted: Any, where: "tuple[_File, str, str, int]") -> Any:
    """`value` of a TOML file as the type `wanted` of a field of `spec`."""
    file, section, key, index = where
    origin, arguments = get_origin(wanted), get_args(wanted)

    def wrong(expected: str) -> LanguageError:
        return file.fail(section, key, f"'{key}' must be {expected}, not {json.dumps(value, default=str)}.", index)

    if dataclasses.is_dataclass(wanted):
        if not isinstance(value, dict):
            raise wrong("a table")
        return _record(value, typing.cast(type, wanted), file, f"{section}.{key}", index)
    if origin is tuple:
        if not isinstance(value, list):
            raise wrong("a list")
        if arguments[-1] is Ellipsis:
            if dataclasses.is_dataclass(arguments[0]):
                return tuple(
                    _record(item, typing.cast(type, arguments[0]), file, f"{section}.{key}", number)
                    for number, item in enumerate(value)
                )
            return tuple(_convert(item, arguments[0], where) for item in value)
        if len(value) != len(arguments):
            raise wrong(f"a list of {len(arguments)}")
        return tuple(_convert(item, kind, where) for item, kind in zip(value, arguments, strict=True))
    if origin is Literal:
        if value not in arguments:
            raise wrong(" or ".join(repr(argument) for argument in arguments))
        return value
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            raise wrong("a table")
        return types.MappingProxyType({name: _convert(item, arguments[1], where) for name, item in value.items()})
    if wanted is Any:
        return value
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        raise wrong({str: "a string", int: "a whole number", float: "a number", bool: "true or false"}[wanted])
    return value


def _record(data: Mapping[str, Any], kind: type, file: _File, section: str, index: int = 0) -> Any:
    """A dataclass of `spec` from a TOML table."""
    if not isinstance(data, Mapping):
        raise file.fail(section, "", f"[{section}] must be a table.", index)
    return kind(**_values(data, kind, file, section, index))


def _values(data: Mapping[str, Any], kind: type, file: _File, section: str, index: int = 0) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    values = {}
    for key, value in data.items():
        if key not in hints:
            raise file.fail(section, key, f"no setting '{key}' in [{section}]. {_nearest(key, hints)}", index)
        values[key] = _convert(value, hints[key], (file, section, key, index))
    missing = [
        field.name
        for field in dataclasses.fields(kind)
        if field.name not in data
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if missing and section != "":
        raise file.fail(section, "", f"[{section}] needs '{missing[0]}'.", index)
    return values


def _profiles(file: _File) -> Mapping[str, Mapping[str, Any]]:
    """What each `[normalization.profiles.<name>]` of a file changes."""
    profiles = {}
    for name, changes in file.data["normalization"].get("profiles", {}).items():
        section = f"normalization.profiles.{name}"
        if not isinstance(changes, dict):
            message = f"profile '{name}' must be a table, not {json.dumps(changes, default=str)}."
            raise file.fail("normalization.profiles", name, message)
        for key in ("match", "match_tail", "profiles"):
            if key in changes:
                raise file.fail(section, key, f"a profile is a form of raw text, '{key}' is no part of it. Remove it.")
        profiles[name] = types.MappingProxyType(_values(changes, spec.Normalization, file, section))
    return types.MappingProxyType(profiles)


def _script_file(folder: Path, script: str) -> _File | None:
    """The script's own settings: beside the folder, else among the languages that came with the package."""
    from ulmkit.language.registry import bundled

    for root in (folder.parent, bundled()):
        path = root / "_scripts" / f"{script}.toml"
        if path.is_file():
            return _File(path)
    return None


def _open(folder: Path) -> tuple[_File, spec.Identity]:
    """The language.toml of `folder`, its sections known, and who it says that it is."""
    file = _File(folder / "language.toml")
    for section in file.data:
        if section not in SECTIONS:
            line = file.line(section) if isinstance(file.data[section], dict | list) else file.line("", section)
            raise LanguageError(f"{file.name}:{line}: no section [{section}]. {_nearest(section, SECTIONS)}")
    if "language" not in file.data:
        raise LanguageError(f"{file.name}:1: no [language] section. It says code, names and script.")
    return file, _record(file.data["language"], spec.Identity, file, "language")


def _bases(folder: Path, file: _File, identity: spec.Identity) -> list[_File]:
    """The language.toml of each folder that this one inherits from, the nearest first.

    A base is looked for beside the folder that names it, then among all languages.
    """
    from ulmkit.language.registry import folders

    found: list[_File] = []
    path = [identity.code]
    while code := identity.inherits:
        if code in path:
            circle = " → ".join([*path, code])
            raise file.fail(
                "language", "inherits", f"'inherits' goes in a circle: {circle}. Take it out of one of them."
            )
        path.append(code)
        beside = folder.parent / code
        known = {} if (beside / "language.toml").is_file() else folders()
        if known and code not in known:
            raise file.fail("language", "inherits", f"no language '{code}' to inherit from. {_nearest(code, known)}")
        folder = known.get(code, beside)
        file, identity = _open(folder)
        found.append(file)
    return found


def read_words(path: Path) -> tuple[str, ...]:
    """The words of a list, one a line, as they are written; lines that start with `#` are remarks."""
    if not os.path.lexists(path):
        return ()
    lines = read_text(path).split("\n")
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def _table(path: Path) -> tuple[Row, ...]:
    """The closed rows of a table; what only explains them is left behind, so that it is no part of a fingerprint."""
    if not os.path.lexists(path):
        return ()
    table = CharacterTable.of(parse_rows(read_text(path), shown(path)), shown(path))
    return tuple(Row(row.source, row.target) for row in table.rows)


def _nearest_file(folders: typing.Sequence[Path], name: str) -> Path:
    return next((folder / name for folder in folders if os.path.lexists(folder / name)), folders[0] / name)


def _kept(rows: tuple[Row, ...], keep: str, fail: Callable[[str, str], LanguageError]) -> tuple[Row, ...]:
    """`rows` without those of the characters in `keep`."""
    sources = {row.source for row in rows}
    for character in keep:
        if character not in sources:
            raise fail("keep_characters", f"characters.tsv has no line for {show(character)}. Nothing to keep.")
    return tuple(row for row in rows if row.source not in keep)


def _normalizers(
    language: dict[str, Any], files: Mapping[str, Path], file: _File, limited: bool
) -> dict[str, Normalizer]:
    """`train`, `match`, `fold`, and one for each profile."""
    normalization = language["normalization"]
    make = partial(_forms, language, files=files, limited=limited)
    built = make(normalization, fail=partial(file.fail, "normalization"))
    for name, changes in normalization.profiles.items():
        section = f"normalization.profiles.{name}"
        if name in (*built, spec.STANDARD):
            raise file.fail(section, "", f"'{name}' is no name for a profile, it has a meaning. Choose another.")
        profile = dataclasses.replace(normalization, **changes)
        _check_normalization(profile, file, section)
        built[name] = make(profile, fail=partial(file.fail, section), wanted=("train",))["train"]
    return built


def _forms(
    language: dict[str, Any],
    normalization: spec.Normalization,
    *,
    files: Mapping[str, Path],
    limited: bool,
    fail: Callable[[str, str], LanguageError],
    wanted: tuple[str, ...] = ("train", "match", "fold"),
) -> dict[str, Normalizer]:
    """The normalizers of one `[normalization]`; `fail(key, message)` makes the error with its line."""
    identity, alphabet = language["identity"], language["alphabet"]
    rules = files["rules.py"]
    if os.path.lexists(rules):
        read_text(rules)  # says what is wrong with the file before Python does
    settings = Settings(
        script=identity.script,
        native_digits=alphabet.digits,
        digits=normalization.digits,
        joiners=alphabet.joiners,
        non_joining=alphabet.non_joining,
        joiner_forms=alphabet.joiner_forms,
        zwj_after=alphabet.zwj_after,
        quotes=normalization.quotes,
        punctuation=tuple(normalization.punctuation.items()),
        native_marks=normalization.native_marks,
        dash=normalization.dash,
        max_letter_run=normalization.max_letter_run,
        letter_run_to=normalization.letter_run_to,
        protect=normalization.protect,
        watched=alphabet.watched,
        characters=_kept(_table(files["characters.tsv"]), normalization.keep_characters, fail),
        match_characters=_table(files["match.tsv"]),
        rules=str(rules) if os.path.lexists(rules) else "",
        limited=limited,
    )
    train = normalization.head + normalization.train + normalization.tail
    fold = normalization.match + normalization.match_tail
    missing = [name for name in REQUIRED if name not in train]
    if missing:
        key = "tail" if missing[0] in spec.Normalization.tail else "head"
        raise fail(key, f"operation '{missing[0]}' is needed by every language. Put it back.")
    built = {}
    operations = {"train": train, "match": train + fold, "fold": fold}
    for name in wanted:
        try:
            built[name] = Normalizer(operations[name], settings)
        except LanguageError as error:
            if str(error).startswith("operation ") or str(error).startswith("no operation "):
                key = next(k for k in ("train", "match", "head", "tail") if _names(error, getattr(normalization, k)))
                raise fail(key, str(error)) from error
            raise
    return built


def _names(error: LanguageError, operations: tuple[str, ...]) -> bool:
    return any(f"'{name}'" in str(error) for name in operations)


def _check(language: dict[str, Any], folder: Path, file: _File) -> None:
    """What the types alone cannot say."""
    identity, alphabet = language["identity"], language["alphabet"]
    if identity.code != folder.name:
        raise file.fail("language", "code", f"code '{identity.code}' in a folder called '{folder.name}'. Rename one.")
    if identity.script not in KNOWN:
        raise file.fail("language", "script", f"no script '{identity.script}'. {_nearest(identity.script, KNOWN)}")
    if len(alphabet.digits) != 10:
        raise file.fail("alphabet", "digits", f"'digits' must be ten characters, not {len(alphabet.digits)}.")
    if [unicodedata.decimal(c, None) for c in alphabet.digits] != list(range(10)):
        raise file.fail("alphabet", "digits", "'digits' must be the script's digits from zero to nine.")
    _check_normalization(language["normalization"], file, "normalization")
    for index, source in enumerate(language["sources"]):
        if not source.licence.strip():
            raise file.fail("sources", "licence", f"source '{source.name}' has no licence. Name it (SPDX).", index)
    for index, task in enumerate(language["tasks"]):
        if not task.licence.strip():
            raise file.fail("tasks", "licence", f"task '{task.name}' has no licence. Name it (SPDX).", index)
    for index, kind in enumerate(language["pii"]):
        try:
            compiled(kind, folder / "rules.py")
        except LanguageError as error:
            key = str(error).partition(" ")[0].rstrip(":")
            raise file.fail("pii", key, str(error), index) from error
    segmentation = language["segmentation"]
    if len(segmentation.whole_quotes) % 2:
        raise file.fail(
            "segmentation", "whole_quotes", "'whole_quotes' must be pairs of an opening and a closing mark."
        )
    if wrong := next((name for name, place in language["extraction"].text_templates.items() if place < 1), None):
        raise file.fail("extraction", "text_templates", f"'{wrong}': arguments are counted from 1.")
    for key in ("abbreviations", "ending_abbreviations"):
        if dotted := next((word for word in getattr(segmentation, key) if word.endswith(".")), None):
            raise file.fail("segmentation", key, f"'{dotted}' can never be found: leave its last dot out.")
    patterns = [("filters", "boilerplate", language["filters"].boilerplate)]
    patterns += [
        ("segmentation", key, getattr(segmentation, key)) for key in ("no_break", "break_after", "word_patterns")
    ]
    for section, key, expressions in patterns:
        for expression in expressions:
            try:
                re.compile(expression)
            except re.error as error:
                raise file.fail(section, key, f"'{expression}' is no regular expression ({error}).") from error


def _check_normalization(normalization: spec.Normalization, file: _File, section: str) -> None:
    if len(normalization.quotes) not in (0, 2):
        raise file.fail(section, "quotes", "'quotes' must be two characters, the opening and the closing mark.")
    if normalization.dash not in ("", "\u2013", "\u2014"):
        raise file.fail(section, "dash", "'dash' must be – (U+2013), — (U+2014), or empty for both.")
    for kind in normalization.protect:
        if kind not in KINDS:
            raise file.fail(section, "protect", f"no protected span '{kind}'. {_nearest(kind, KINDS)}")
    most, to = normalization.max_letter_run, normalization.letter_run_to
    if most and not (most >= 3 and 1 <= to < most):
        message = f"runs of {most} letters cannot shrink to {to}. Use 0 for never, or 3 or more and a smaller number."
        raise file.fail(section, "max_letter_run", message)


def _fingerprint(parts: Mapping[str, Any], normalizers: Mapping[str, Normalizer], stop_words: frozenset[str]) -> str:
    """Twelve hexadecimal digits of a hash of all that shapes what a corpus holds of a text.

    Where pages come from and what is made of the corpus later (tokenizer, model, tasks) is recorded by those stages.
    """
    later = ("sources", "tokenizer", "lm", "tasks")
    shaping = {name: plain(value) for name, value in parts.items() if name not in later}
    shaping["normalizers"] = {name: normalizer.fingerprint for name, normalizer in normalizers.items()}
    shaping["stop_words"] = sorted(stop_words)
    shaping["version"] = VERSION
    return hashlib.blake2b(json.dumps(shaping, sort_keys=True).encode("utf-8"), digest_size=6).hexdigest()


def plain(value: Any) -> Any:
    """`value` of a part of a language as JSON knows it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value


def load_language(folder: Path, *, limited: bool = False) -> spec.Language:
    """The language in `folder`: the defaults of `spec`, its script's file, what it inherits, then its own file.

    The functions of its rules.py are stopped when they run for too long where they did not come with ulmkit, or where
    it is `limited`.
    Raises `LanguageError`, with file and line, for whatever is wrong in the folder.
    """
    from ulmkit.language.registry import bundled

    folder = Path(folder)
    file, identity = _open(folder)
    bases = _bases(folder, file, identity)
    inherited = tuple(base.path.parent for base in bases)
    script = _script_file(folder, identity.script)
    parts: dict[str, Any] = {"identity": identity}
    for section, (name, kind) in SECTIONS.items():
        if section == "language":
            continue
        if section in LISTS:
            items = file.data.get(section, [])
            if not isinstance(items, list):
                raise file.fail(section, "", f"write [[{section}]], one block for each.")
            parts[name] = tuple(_record(item, kind, file, section, index) for index, item in enumerate(items))
            continue
        values: dict[str, Any] = {}
        for each in (script, *reversed(bases), file):
            if each and section in each.data:
                if not isinstance(each.data[section], dict):
                    raise each.fail(section, "", f"[{section}] must be a table.")
                profiles = {"profiles": _profiles(each)} if section == "normalization" else {}
                own = _values(each.data[section], kind, each, section) | profiles
                if each is not file:
                    own.pop("baselines", None)  # results of another language
                if "origins" in own:  # each file tells of its own numbers
                    own["origins"] = types.MappingProxyType({**values.get("origins", {}), **own["origins"]})
                values |= own
        parts[name] = kind(**values)
    _check(parts, folder, file)
    files = {name: _nearest_file((folder, *inherited), name) for name in SHAPING}
    normalizers = _normalizers(parts, files, file, limited or folder.parent.resolve() != bundled())
    words = read_words(files["stopwords.txt"])
    stop_words = frozenset(normalizers["train"](word) for word in words)
    return spec.Language(
        **parts,
        normalizers=types.MappingProxyType(normalizers),
        stop_words=stop_words,
        folder=folder,
        fingerprint=_fingerprint(parts, normalizers, stop_words),
        inherited=inherited,
    )
