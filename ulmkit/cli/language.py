"""`ulmkit language`: what languages there are."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ulmkit.cli.common import Commands, FilePath, FiniteRange, Terminal, shared, table_option, text_table, word_table
from ulmkit.cli.completion import language_code
from ulmkit.names import home_expanded, readable

if TYPE_CHECKING:
    from ulmkit.authoring.calibrate import Calibration
    from ulmkit.authoring.check import Conformance


@click.group(cls=Commands)
def command() -> None:
    """What languages there are, and what they hold."""


@command.command("list")
@shared
def list_(terminal: Terminal) -> None:
    """Every language that can be found, and what is wrong with those that are broken.

    The grade comes from the checks that take no time, so it is the highest that `ulmkit language check` can give.

    \b
    ulmkit language list --languages ~/languages
    """
    from ulmkit.authoring.check import grade_at_most
    from ulmkit.language.registry import known

    found = []
    for entry in known(terminal.languages):
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
    terminal.print(word_table(("code", "grade", "name", "script", "direction", "sources"), rows))
    for one in found:
        if one["error"]:
            terminal.print(f"\n{one['code']} is broken: {readable(one['error'], 300)}")
        for hidden in one["hides"]:
            terminal.note(f"{one['code']}: {one['folder']} is used, not {hidden}.")
    terminal.finish({"languages": found} if terminal.as_json else {})


@command.command()
@language_code
@shared
def show(terminal: Terminal, code: str) -> None:
    """The resolved language: operations in order with an example each, and where every number comes from.

    \b
    ulmkit language show fa
    """
    from ulmkit.authoring.resolved import profile_changes, resolved
    from ulmkit.language.forms import changed_in

    language = terminal.language(code)
    shown = resolved(language)
    if terminal.as_json:
        terminal.finish(shown)
        return
    identity = language.identity
    terminal.print(f"{identity.code}  {identity.full_name}, {identity.script}, {identity.direction}")
    terminal.print(f"fingerprint {language.fingerprint}, read from {language.folder}")
    for folder in language.inherited:
        terminal.print(f"inherits from {folder}")
    for form, title in (("standard", "standard form, in order:"), ("fold", "match form: the same, and then")):
        rows = [(each["name"], example_of(each), each["about"]) for each in shown["operations"][form]]
        terminal.print(f"\n{title}\n" + word_table(("operation", "for example", "what it does"), rows))
    normalization = language.normalization
    for profile in normalization.profiles:
        changes = profile_changes(changed_in(normalization, profile), normalization.train)
        terminal.print(f"\nprofile {profile}: {'; '.join(changes)}")
    terminal.print(f"\nprotected: {', '.join(language.normalization.protect)}\n")
    limits = [
        (name, readable(str(each["limit"])), readable(", ".join(each["drops"]), 40), each["from"])
        for name, each in shown["filters"].items()
    ]
    terminal.print(word_table(("filter", "limit", "drops a page as", "from"), limits))
    for section in SETTINGS:
        terminal.print(f"\n[{section}]\n" + settings(shown[section]))
    for section, columns in TABLES.items():
        cells = [[readable(str(each[column])) for column in columns] for each in shown[section]]
        terminal.print(f"\n[[{section}]]\n" + (word_table(columns, cells) if cells else "none"))


# sections that `show` prints as they are, and lists with the columns that it prints
SETTINGS = ("alphabet", "segmentation", "identification", "dedup", "tokenizer", "lm")
TABLES = {"sources": ("name", "kind", "locator", "licence"), "tasks": ("name", "kind", "metric", "locator", "licence")}


def example_of(operation: dict[str, str]) -> str:
    from ulmkit.authoring.checks.subject import as_evidence

    return f"{as_evidence(operation['raw'], 30)} → {as_evidence(operation['normal'], 30)}" if "raw" in operation else ""


def settings(section: dict[str, Any]) -> str:
    """A section's settings, one a line; long ones are cut."""
    from ulmkit.authoring.checks.subject import as_evidence

    width = max(len(name) for name in section)
    shown = {
        name: as_evidence(value, 90) if isinstance(value, str) else readable(str(value), 90)
        for name, value in section.items()
    }
    return "\n".join(f"  {name.ljust(width)}  {value}" for name, value in shown.items())


@command.command()
@language_code
@shared
def check(terminal: Terminal, code: str) -> None:
    """Whether the folder of LANGUAGE keeps what a language promises: checks, a grade, and what would raise it.

    Grades: L0 stub, L1 normalizes, L2 corpus-ready, L3 complete, L4 trained baseline. Takes under a minute; nothing
    is left on disk. Exit code 1 where a check failed.

    \b
    ulmkit language check fa
    """
    from ulmkit.authoring.check import broken, check_language
    from ulmkit.errors import LanguageError
    from ulmkit.language.load import load_language
    from ulmkit.language.places import find

    folder = find(code, terminal.languages)
    try:
        language = load_language(folder, limited=True)
    except LanguageError as error:
        result = broken(code, error)
    else:
        with terminal.progress() as report:
            result = check_language(language, report=report)
    terminal.print(check_page(result))
    terminal.finish(result.to_json())
    if result.failed:
        click.get_current_context().exit(1)


def check_page(result: "Conformance") -> str:
    """The table of checks, the grade, and what to do first."""
    from ulmkit.authoring.check import GRADES

    rows = [(line.name, line.grade, line.outcome.status, readable(line.outcome.evidence, 120)) for line in result.lines]
    name, promise = GRADES[result.grade]
    blocks = [
        word_table(("check", "grade", "result", "found"), rows),
        f"{result.code}: {result.grade} {name} ({promise}).",
    ]
    if result.todo:
        blocks.append("To do, first things first:\n" + "\n".join(f"  {readable(todo, 200)}" for todo in result.todo))
    return "\n\n".join(blocks)


@command.command()
@click.argument("code", metavar="CODE")
@click.option(
    "--into",
    type=FilePath(path_type=Path, file_okay=False),
    help="Folder of languages to write it into.  [default: --languages, else ./languages]",
)
@functools.partial(shared, languages_exist=False)
def new(terminal: Terminal, code: str, into: Path | None) -> None:
    """Write a new language folder, filled from CLDR, Unicode and ISO 639-3; what they do not know is marked so.

    CODE is BCP-47: a language, and a script where it is not the usual one (sr-Latn).

    \b
    ulmkit language new sw --into ~/languages
    """
    from datetime import UTC, datetime

    from ulmkit.authoring.check import check_language
    from ulmkit.authoring.new import create
    from ulmkit.corpus.identify import known_labels

    into = home_expanded(into or terminal.languages or Path("languages"))
    language = create(code, into, labels=known_labels(), date=datetime.now(UTC).date().isoformat())
    identity, files = language.identity, sorted(path.name for path in language.folder.iterdir())
    with terminal.progress() as report:
        result = check_language(language, report=report)
    terminal.print(f"{language.folder}: {', '.join(files)}")
    terminal.print(f"{identity.full_name}, {identity.script}, {identity.direction}; grade {result.grade}.")
    terminal.print("To do, first things first:\n" + "\n".join(f"  {readable(todo, 200)}" for todo in result.todo))
    terminal.note(f"Use it with --languages {into}, or set ULMKIT_LANGUAGES. The walk: docs/add-a-language.md")
    terminal.finish({"folder": str(language.folder), "files": files} | result.to_json())


@command.command()
@language_code
@click.option(
    "--sample",
    "samples",
    multiple=True,
    required=True,
    metavar="PATH",
    help="Text you trust: a file, a folder or a glob of any kind a build reads. May be given again.",
)
@click.option("--text-field", help="Field or column that holds the text (JSON, CSV, Parquet), if not found by itself.")
@table_option
@click.option(
    "--keep", type=FiniteRange(0.5, 0.9999), default=0.99, show_default=True, help="What each limit shall keep."
)
@click.option("--jointly", type=FiniteRange(0.5, 0.9999), default=0.95, show_default=True, help="What all shall keep.")
@click.option("--tighten", is_flag=True, help="Narrow limits to where the sample lies: for one as mixed as the corpus.")
@click.option("--only", multiple=True, metavar="LIMIT", help="Change this limit alone. May be given again.")
@click.option("--stop-words", type=click.IntRange(min=1), help="Propose so many, where the folder has none.")
@click.option("--write", "writes", is_flag=True, help="Write into language.toml, with the sample's hash.")
@shared
def calibrate(
    terminal: Terminal,
    code: str,
    samples: tuple[str, ...],
    text_field: str | None,
    table_layout: str,
    stop_words: int | None,
    writes: bool,
    **how: Any,
) -> None:
    """Limits of the filters of LANGUAGE from text you trust: each keeps 99 % of it, all together 95 %.

    Measured with the functions that judge in a build. A limit that keeps the sample stays, unless a page of junk.txt
    passes all of them; one that does not is widened, with a margin. That holds for each source of the sample: give it
    all kinds of text.

    \b
    ulmkit language calibrate fa --sample news.jsonl.zst
    ulmkit language calibrate mr --sample articles/ --stop-words 100 --write
    """
    from ulmkit.authoring.from_sample import calibrate_on
    from ulmkit.formats.inputs import named_inputs

    language = terminal.language(code)
    inputs = named_inputs(samples, text_field=text_field, table=table_layout)
    remarks: list[str] = []
    with terminal.progress() as report:
        found = calibrate_on(language, inputs, stop_words=stop_words, remark=remarks.append, report=report, **how)
    terminal.warn(remarks)
    result, sample, words = found.calibration, found.calibration.sample, found.stop_words
    terminal.print(f"{sample.documents:,} documents of {sample.name}, SHA-256 {sample.sha256}\n")
    terminal.print(limits_table(result))
    if result.lost:
        terminal.print(f"\n{result.lost:,} documents of the sample stay now, and would go with what is proposed.")
    if words:
        terminal.print(f"\n{len(words)} words that stand in most documents: {' '.join(words)}")
    written: list[str] = []
    if writes:
        present = {proposal.name: proposal.present for proposal in result.proposals}
        for name, origin in found.overruled.items():
            terminal.note(f"{name} was {shown_limit(present[name])}: {origin}")
        written = [str(path) for path in found.write()]
        terminal.note(f"Written: {', '.join(written)}")
    else:
        terminal.note("Nothing is written without --write.")
    terminal.finish(
        {
            "sample": {"name": sample.name, "documents": sample.documents, "sha256": sample.sha256},
            "each": result.each,
            "together": result.together,
            "limits": [vars(proposal) | {"changed": proposal.changed} for proposal in result.proposals],
            "stop_words": words,
            "written": written,
            "remarks": remarks,
        }
    )


def limits_table(result: "Calibration") -> str:
    """Each limit as it is and as proposed, and what all keep together: of the sample, and of each of its sources."""
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
    rows += [
        (f"all, {source}" if source else "all together", "", f"{now:.2%}", "", "", f"{then:.2%}")
        for source, (now, then) in result.together.items()
    ]
    return text_table(("limit", "present", "keeps", "edge", "proposed", "keeps"), rows)


def shown_limit(limit: "float | tuple[float, ...]") -> str:
    return " ".join(f"{part:g}" for part in (limit if isinstance(limit, tuple) else (limit,)))


@command.command("ledger")
@language_code
@click.option(
    "--input",
    "paths",
    multiple=True,
    required=True,
    metavar="PATH",
    help="A file, a folder or a glob of any kind a build reads. May be given again.",
)
@click.option("--text-field", help="Field or column that holds the text (JSON, CSV, Parquet), if not found by itself.")
@table_option
@click.option("--profile", default=None, help="A named variation of the language, such as social.  [default: standard]")
@click.option("--sample", "count", type=click.IntRange(min=2), default=2000, show_default=True, help="Documents.")
@click.option("--vocab", "vocabulary", type=click.IntRange(min=300), default=4000, show_default=True, help="Pieces.")
@click.option("--order", type=click.IntRange(1, 5), default=3, show_default=True, help="Of the n-gram model.")
@click.option("--ablate/--no-ablate", default=True, help="Switch each operation off in turn; without, only count.")
@click.option("--out", type=FilePath(path_type=Path, file_okay=False), help="Write ledger.md and ledger.json there.")
@shared
def ledger_(
    terminal: Terminal,
    code: str,
    paths: tuple[str, ...],
    text_field: str | None,
    table_layout: str,
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
    ulmkit language ledger fa --input news.jsonl.zst --sample 2000 --out ledger/
    ulmkit language ledger fa --input comments.csv --profile social --no-ablate
    """
    from ulmkit.artifacts.atomic import atomic_write, write_json
    from ulmkit.authoring.ledger import LEDGER_COLUMNS, keep_ledger, sample_texts
    from ulmkit.formats.inputs import named_inputs
    from ulmkit.language.forms import STANDARD

    language = terminal.language(code)
    normalizer = language.normalizer(profile or STANDARD)
    inputs = named_inputs(paths, text_field=text_field, table=table_layout)
    remarks: list[str] = []
    with terminal.progress() as report:
        sample = sample_texts(language, inputs, count, remark=remarks.append, report=report)
        terminal.warn(remarks)
        texts = [text for part in sample.values() for text in part]
        model = None
        if ablate:
            from ulmkit.authoring.ablation import SmallModel

            model = SmallModel(language, vocabulary, order)
        kept = keep_ledger(normalizer, texts, model=model, report=report)
    terminal.print(text_table(LEDGER_COLUMNS, kept.rows()))
    terminal.print(kept.summary())
    result = {
        "language": language.code,
        "normalization": normalizer.fingerprint,
        "profile": profile or STANDARD,
        "sample": {source: len(part) for source, part in sample.items()},
        "vocabulary": vocabulary,
        "order": order,
        "remarks": remarks,
    } | kept.to_json()
    if out is not None:
        title = f"Ledger of {language.code}, {profile or STANDARD}, {normalizer.fingerprint}"
        with atomic_write(out / "ledger.md") as file:
            file.write(kept.to_markdown(title).encode())
        write_json(out / "ledger.json", result)
        terminal.note(f"Written: {out / 'ledger.md'}, {out / 'ledger.json'}")
    terminal.finish(result)


@command.command()
@shared
def schema(terminal: Terminal) -> None:
    """The JSON Schema of language.toml, for editors: they complete its keys and mark mistakes.

    \b
    ulmkit language schema > ~/languages/language.schema.json
    Then write in the first line of a language.toml:
    #:schema ../language.schema.json
    """
    from ulmkit.language.schema import json_schema, text

    terminal.print(text().rstrip("\n"))
    terminal.finish(json_schema() if terminal.as_json else {})
