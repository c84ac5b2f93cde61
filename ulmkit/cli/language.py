"""`ulmkit language`: what languages there are."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ulmkit.cli.common import Scene, readable, shared, table

if TYPE_CHECKING:
    from ulmkit.authoring.calibrate import Calibration
    from ulmkit.authoring.check import Conformance
    from ulmkit.language.spec import Language


@click.group()
def command() -> None:
    """What languages there are, and what they hold."""


@command.command("list")
@shared
def list_(scene: Scene) -> None:
    """Every language that can be found, and what is wrong with those that are broken.

    The grade comes from the checks that take no time, so it is the highest that `ulmkit language check` can give.

    \b
    ulmkit language list --languages ~/languages
    """
    from ulmkit.authoring.check import grade_at_most
    from ulmkit.language.registry import known

    found = []
    for entry in known(scene.languages):
        one: dict[str, Any] = {"code": entry.code, "folder": str(entry.folder), "error": entry.error}
        one["hides"] = [str(folder) for folder in entry.hides]
        if language := entry.language:
            one |= {key: getattr(language.identity, key) for key in ("name", "native_name", "script", "direction")}
            one |= {"grade_at_most": grade_at_most(language), "fingerprint": language.fingerprint}
            one["sources"] = [source.name for source in language.sources]
        found.append(one)
    rows = [
        (
            one["code"],
            f"≤ {one['grade_at_most']}",
            one["name"],
            one["script"],
            one["direction"],
            ", ".join(one["sources"]),
        )
        for one in found
        if not one["error"]
    ]
    scene.say(listed(("code", "grade", "name", "script", "direction", "sources"), rows))
    for one in found:
        if one["error"]:
            scene.say(f"\n{one['code']} is broken: {readable(one['error'], 300)}")
        for hidden in one["hides"]:
            scene.remark(f"{one['code']}: {one['folder']} is used, not {hidden}.")
    scene.finish({"languages": found} if scene.as_json else {})


@command.command()
@click.argument("code", metavar="LANGUAGE")
@shared
def show(scene: Scene, code: str) -> None:
    """The resolved language: operations in order with an example each, and where every number comes from.

    \b
    ulmkit language show fa
    """
    language = scene.language(code)
    shown = resolved(language)
    if scene.as_json:
        scene.finish(shown)
        return
    identity = language.identity
    scene.say(f"{identity.code}  {identity.full_name}, {identity.script}, {identity.direction}")
    scene.say(f"fingerprint {language.fingerprint}, read from {language.folder}")
    for folder in language.inherited:
        scene.say(f"inherits from {folder}")
    for form, title in (("train", "train form, in order:"), ("fold", "match form: the same, and then")):
        rows = [(each["name"], example_of(each), each["about"]) for each in shown["operations"][form]]
        scene.say(f"\n{title}\n" + listed(("operation", "for example", "what it does"), rows))
    for profile, changes in language.normalization.profiles.items():
        scene.say(f"\nprofile {profile}: {'; '.join(_changes(changes, language.normalization.train))}")
    scene.say(f"\nprotected: {', '.join(language.normalization.protect)}\n")
    limits = [(name, readable(str(each["limit"])), each["from"]) for name, each in shown["filters"].items()]
    scene.say(listed(("filter", "limit", "from"), limits))
    for section in SETTINGS:
        scene.say(f"\n[{section}]\n" + settings(shown[section]))
    for section, columns in TABLES.items():
        cells = [[readable(str(each[column])) for column in columns] for each in shown[section]]
        scene.say(f"\n[[{section}]]\n" + (listed(columns, cells) if cells else "none"))


# sections that `show` prints as they are, and lists with the columns that it prints
SETTINGS = ("alphabet", "segmentation", "identification", "dedup", "tokenizer", "lm")
TABLES = {"sources": ("name", "kind", "locator", "licence"), "tasks": ("name", "kind", "metric", "locator", "licence")}


def resolved(language: "Language") -> dict[str, Any]:
    """The whole language as JSON values: every section, operations with what they do and an example each."""
    from dataclasses import fields

    from ulmkit.language.load import SECTIONS, plain

    sections = {section: plain(getattr(language, name)) for section, (name, _) in SECTIONS.items()}
    origins = language.filters.origins
    sections["filters"] = {
        field.name: {"limit": sections["filters"][field.name], "from": origins.get(field.name, "default")}
        for field in fields(language.filters)
        if field.name != "origins"
    }
    return sections | {
        "code": language.code,
        "fingerprint": language.fingerprint,
        "folder": str(language.folder),
        "inherited": [str(folder) for folder in language.inherited],
        "forms": {form: list(normalizer.operations) for form, normalizer in language.normalizers.items()},
        "operations": {form: described(language, form) for form in ("train", "fold")},
    }


def described(language: "Language", form: str) -> list[dict[str, str]]:
    """The operations of a form in order: name, what it does, and the first example that names it."""
    from ulmkit.language.cases import EXAMPLES, read_examples
    from ulmkit.language.spec import STANDARD
    from ulmkit.text.normalize import about_operation

    standard = [each for each in read_examples(language.file(EXAMPLES)) if each.form == STANDARD]
    examples = {each.operation: each for each in reversed(standard)}
    normalizer = language.normalizers[form]
    found = []
    for name in normalizer.operations:
        example = examples.get(name)
        one = {"name": name, "about": about_operation(name, normalizer.settings)}
        found.append(one | ({"raw": example.raw, "normal": example.normal} if example else {}))
    return found


def example_of(operation: dict[str, str]) -> str:
    from ulmkit.authoring.checks.subject import quoted

    return f"{quoted(operation['raw'], 30)} → {quoted(operation['normal'], 30)}" if "raw" in operation else ""


def settings(section: dict[str, Any]) -> str:
    """A section's settings, one a line; long ones are cut."""
    from ulmkit.authoring.checks.subject import quoted

    width = max(len(name) for name in section)
    shown = {
        name: quoted(value, 90) if isinstance(value, str) else readable(str(value), 90)
        for name, value in section.items()
    }
    return "\n".join(f"  {name.ljust(width)}  {value}" for name, value in shown.items())


@command.command()
@click.argument("code", metavar="LANGUAGE")
@shared
def check(scene: Scene, code: str) -> None:
    """Whether the folder of LANGUAGE keeps what a language promises: checks, a grade, and what would raise it.

    Grades: L0 stub, L1 normalizes, L2 corpus-ready, L3 complete, L4 trained baseline. Takes under a minute; nothing
    is left on disk. Exit code 1 where a check failed.

    \b
    ulmkit language check fa
    """
    from ulmkit.authoring.check import broken, check_language
    from ulmkit.cli.stages import stages
    from ulmkit.errors import LanguageError
    from ulmkit.language.load import load_language
    from ulmkit.language.registry import find

    folder = find(code, scene.languages)
    try:
        language = load_language(folder, limited=True)
    except LanguageError as error:
        result = broken(code, error)
    else:
        with scene.progress() as report:
            result = check_language(language, stages(), report=report)
    scene.say(check_page(result))
    scene.finish(result.to_json())
    if result.failed:
        click.get_current_context().exit(1)


def listed(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of words: every column to the left."""
    widths = [max(len(row[i]) for row in (headers, *rows)) for i in range(len(headers))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (headers, *rows)]
    lines.insert(1, "  ".join("─" * width for width in widths))
    return "\n".join(line.rstrip() for line in lines)


def check_page(result: "Conformance") -> str:
    """The table of checks, the grade, and what to do first."""
    from ulmkit.authoring.check import GRADES

    rows = [(line.name, line.grade, line.outcome.status, readable(line.outcome.evidence, 120)) for line in result.lines]
    name, promise = GRADES[result.grade]
    blocks = [listed(("check", "grade", "result", "found"), rows), f"{result.code}: {result.grade} {name} ({promise})."]
    if result.todo:
        blocks.append("To do, first things first:\n" + "\n".join(f"  {readable(todo, 200)}" for todo in result.todo))
    return "\n\n".join(blocks)


@command.command()
@click.argument("code", metavar="CODE")
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of languages to write it into.  [default: --languages, else ./languages]",
)
@shared
def new(scene: Scene, code: str, into: Path | None) -> None:
    """Write a new language folder, filled from CLDR, Unicode and ISO 639-3; what they do not know is marked so.

    CODE is BCP-47: a language, and a script where it is not the usual one (sr-Latn).

    \b
    ulmkit language new sw --into ~/languages
    """
    from datetime import UTC, datetime

    from ulmkit.authoring.check import check_language
    from ulmkit.authoring.new import create
    from ulmkit.cli.stages import stages
    from ulmkit.corpus.identify import known_labels

    into = (into or scene.languages or Path("languages")).expanduser()
    language = create(code, into, labels=known_labels(), date=datetime.now(UTC).date().isoformat())
    identity, files = language.identity, sorted(path.name for path in language.folder.iterdir())
    with scene.progress() as report:
        result = check_language(language, stages(), report=report)
    scene.say(f"{language.folder}: {', '.join(files)}")
    scene.say(f"{identity.full_name}, {identity.script}, {identity.direction}; grade {result.grade}.")
    scene.say("To do, first things first:\n" + "\n".join(f"  {readable(todo, 200)}" for todo in result.todo))
    scene.remark(f"Use it with --languages {into}, or set ULMKIT_LANGUAGES. The walk: docs/add-a-language.md")
    scene.finish({"folder": str(language.folder), "files": files} | result.to_json())


@command.command()
@click.argument("code", metavar="LANGUAGE")
@click.option(
    "--sample",
    "samples",
    multiple=True,
    required=True,
    metavar="PATH",
    help="Text you trust: a file, a folder or a glob of any kind a build reads. May be given again.",
)
@click.option("--text-field", help="Field or column that holds the text (JSON, CSV, Parquet), if not found by itself.")
@click.option(
    "--keep", type=click.FloatRange(0.5, 0.9999), default=0.99, show_default=True, help="What each limit shall keep."
)
@click.option(
    "--jointly", type=click.FloatRange(0.5, 0.9999), default=0.95, show_default=True, help="What all shall keep."
)
@click.option(
    "--tighten", is_flag=True, help="Narrow too what pages may be made of: for a sample as mixed as the corpus."
)
@click.option("--only", multiple=True, metavar="LIMIT", help="Change this limit alone. May be given again.")
@click.option("--stop-words", type=click.IntRange(min=1), help="Propose so many, where the folder has none.")
@click.option("--write", "writes", is_flag=True, help="Write into language.toml, with the sample's hash.")
@shared
def calibrate(
    scene: Scene,
    code: str,
    samples: tuple[str, ...],
    text_field: str | None,
    keep: float,
    jointly: float,
    tighten: bool,
    only: tuple[str, ...],
    stop_words: int | None,
    writes: bool,
) -> None:
    """Limits of the filters of LANGUAGE from text you trust: each keeps 99 % of it, all together 95 %.

    Measured with the functions that judge in a build. What the language decides (words) is set where the sample lies;
    what pages are made of is only widened. Both hold for each source of the sample: give it all kinds of text.

    \b
    ulmkit language calibrate fa --sample news.jsonl.zst
    ulmkit language calibrate mr --sample articles/ --stop-words 100 --write
    """
    from datetime import UTC, datetime

    from ulmkit.authoring import calibrate as limits
    from ulmkit.authoring.measure import describe, frequent_words, measure, read_texts
    from ulmkit.errors import UsageError
    from ulmkit.formats.inputs import named_inputs

    language = scene.language(code)
    if stop_words and not language.segmentation.spaced:
        raise UsageError(f"'{code}' has no spaces between its words, so none can be counted: write its stopwords.txt.")
    if stop_words and language.stop_words:
        raise UsageError(f"'{code}' has stop words: leave --stop-words out, or remove its stopwords.txt.")
    inputs = named_inputs(samples, text_field=text_field)
    date, written = datetime.now(UTC).date().isoformat(), []
    with scene.progress() as report:
        texts = read_texts(language, inputs, report=report)
        sample = describe(inputs, texts)
        words = frequent_words(language, texts, stop_words) if stop_words else []
        measured = measure(limits.with_stop_words(language, words) if words else language, texts)
    result = limits.calibrate(language, sample, measured, each=keep, jointly=jointly, tighten=tighten, only=only)
    scene.say(f"{sample.documents:,} documents of {sample.name}, SHA-256 {sample.sha256}\n")
    rows = [
        (
            p.name,
            shown_limit(p.present),
            f"{p.keeps:.2%}",
            shown_limit(p.edge),
            shown_limit(p.proposed) if p.changed else "",
            f"{p.would_keep:.2%}",
        )
        for p in result.proposals
    ]
    scene.say(table(("limit", "present", "keeps", "edge", "proposed", "keeps"), [*rows, *totals(result)]))
    if words:
        scene.say(f"\n{len(words)} words that stand in most documents: {' '.join(words)}")
    if writes:
        if words:
            written.append(str(limits.write_stop_words(language, words, sample, date=date)))
        for proposal in result.changes:
            origin = language.filters.origins.get(proposal.name, "calibrated")
            if not origin.startswith("calibrated"):
                scene.remark(f"{proposal.name} was {shown_limit(proposal.present)}: {origin}")
        written.append(str(limits.write(language, result, date=date)))
        scene.remark(f"Written: {', '.join(written)}")
    else:
        scene.remark("Nothing is written without --write.")
    scene.finish(
        {
            "sample": {"name": sample.name, "documents": sample.documents, "sha256": sample.sha256},
            "each": result.each,
            "together": result.together,
            "limits": [vars(proposal) | {"changed": proposal.changed} for proposal in result.proposals],
            "stop_words": words,
            "written": written,
        }
    )


@command.command("ledger")
@click.argument("code", metavar="LANGUAGE")
@click.option(
    "--input",
    "paths",
    multiple=True,
    required=True,
    metavar="PATH",
    help="A file, a folder or a glob of any kind a build reads. May be given again.",
)
@click.option("--text-field", help="Field or column that holds the text (JSON, CSV, Parquet), if not found by itself.")
@click.option("--profile", default=None, help="A named variation of the language, such as social.  [default: standard]")
@click.option("--sample", "count", type=click.IntRange(min=2), default=2000, show_default=True, help="Documents.")
@click.option("--vocab", "vocabulary", type=click.IntRange(min=300), default=4000, show_default=True, help="Pieces.")
@click.option("--order", type=click.IntRange(1, 5), default=3, show_default=True, help="Of the n-gram model.")
@click.option("--ablate/--no-ablate", default=True, help="Switch each operation off in turn; without, only count.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write ledger.md and ledger.json there.")
@shared
def ledger_(
    scene: Scene,
    code: str,
    paths: tuple[str, ...],
    text_field: str | None,
    profile: str | None,
    count: int,
    vocabulary: int,
    order: int,
    ablate: bool,
    out: Path | None,
) -> None:
    """What each operation of LANGUAGE did to a body of text, and what happens where it alone is switched off.

    Hits, documents, bytes and examples; then the change in different words, tokens per word and bits per byte of an
    n-gram model. What other operations require is counted and stays on. `pays`: the text costs more bits without it;
    `costs`: less; `even`: no difference beyond two standard errors; `idle`: it did nothing here.

    \b
    ulmkit language ledger fa --input news.jsonl.zst --input comments.csv --sample 2000 --out ledger/
    ulmkit language ledger fa --input comments.csv --profile social --no-ablate
    """
    from ulmkit.artifacts.atomic import atomic_write, write_json
    from ulmkit.authoring.ledger import keep_ledger
    from ulmkit.cli import ledger as book
    from ulmkit.formats.inputs import named_inputs
    from ulmkit.language.spec import STANDARD

    language = scene.language(code)
    normalizer = language.profile(profile or STANDARD)
    inputs = named_inputs(paths, text_field=text_field)
    with scene.progress() as report:
        sample = book.sample_texts(language, inputs, count, report)
        texts = [text for part in sample.values() for text in part]
        fit = book.fitter(language, vocabulary=vocabulary, order=order) if ablate else None
        kept = keep_ledger(normalizer, texts, fit=fit, report=report)
    scene.say(table(book.HEADERS, book.rows(kept)))
    scene.say(book.summary(kept))
    result = {
        "language": language.code,
        "normalization": normalizer.fingerprint,
        "profile": profile or STANDARD,
        "sample": {source: len(part) for source, part in sample.items()},
        "vocabulary": vocabulary,
        "order": order,
    } | kept.to_json()
    if out is not None:
        title = f"Ledger of {language.code}, {profile or STANDARD}, {normalizer.fingerprint}"
        with atomic_write(out / "ledger.md") as file:
            file.write(book.page(kept, title).encode())
        write_json(out / "ledger.json", result)
        scene.remark(f"Written: {out / 'ledger.md'}, {out / 'ledger.json'}")
    scene.finish(result)


def shown_limit(limit: "float | tuple[float, ...]") -> str:
    return " ".join(f"{part:g}" for part in (limit if isinstance(limit, tuple) else (limit,)))


def totals(result: "Calibration") -> list[tuple[str, ...]]:
    """What all limits keep together: of the whole sample, and of each of its sources."""
    return [
        (f"all, {source}" if source else "all together", "", f"{now:.2%}", "", "", f"{then:.2%}")
        for source, (now, then) in result.together.items()
    ]


def _changes(changes: Mapping[str, Any], train: Sequence[str]) -> Iterator[str]:
    """What a profile does differently: operations beside the standard's as + and -, other settings as they are."""
    for key, value in changes.items():
        if key != "train":
            yield f"{key} = {value!r}"
            continue
        yield from (f"+ {name}" for name in dict.fromkeys(value) if name not in train)
        yield from (f"- {name}" for name in train if name not in value)


@command.command()
@shared
def schema(scene: Scene) -> None:
    """The JSON Schema of language.toml, for editors: they complete its keys and mark mistakes.

    \b
    ulmkit language schema > ~/languages/language.schema.json
    Then write in the first line of a language.toml:  #:schema ../language.schema.json
    """
    from ulmkit.language.schema import json_schema, text

    scene.say(text().rstrip("\n"))
    scene.finish(json_schema() if scene.as_json else {})
