"""`ulmkit corpus`: sources to shards."""

import json
from typing import Any

import click

from ulmkit.cli.common import CELL_LIMIT, Commands, FiniteRange, Terminal, shared, table_option, text_table
from ulmkit.cli.completion import language_code
from ulmkit.cli.crawl_report import crawl_tables, yield_tables
from ulmkit.cli.fetching import addresses, allowing, chosen_fetching, failures_shown, fetching, show_failures
from ulmkit.document import JOINERS
from ulmkit.errors import UsageError
from ulmkit.names import readable

_DECLARED = "declared"  # --probe without a URL
JOINER_STAGES = ("extracted", "normalized", "kept")


@click.group(cls=Commands)
def command() -> None:
    """Sources → normalized, filtered, deduplicated Parquet shards."""


@command.command()
@language_code
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="PATH",
    help="A file, a folder or a glob to read instead of the language's own sources. May be given again.",
)
@click.option("--text-field", help="Field or column that holds the text (JSON, CSV, Parquet), if not found by itself.")
@click.option(
    "--documents",
    type=click.Choice(["line", "blank-line", "file"]),
    help="What is one document of a plain text; the file, unless it is too long for one and plainly many.",
)
@table_option
@click.option(
    "--licence", default="unknown", show_default=True, help="SPDX licence of the inputs, or of --site and --feed."
)
@click.option("--name", default="", help="Name of the source, if not the file's or folder's own.")
@fetching
@click.option("--valid-share", type=FiniteRange(0, 0.5), default=0.02, show_default=True)
@click.option("--test-share", type=FiniteRange(0, 0.5), default=0.02, show_default=True)
@click.option(
    "--near-duplicates/--exact-duplicates",
    default=True,
    help="Which duplicates to find. Exact ones agree in every word and number, but for case, marks and punctuation.",
)
@click.option(
    "--pii",
    type=click.Choice(["keep", "mask", "drop"]),
    default="keep",
    show_default=True,
    help="Personal data (e-mail addresses, telephone and identity numbers …): leave it, mask it, or drop the document.",
)
@click.option(
    "--filter",
    "limits",
    multiple=True,
    metavar="NAME=VALUE",
    help="Another limit for this run, by its name in [filters], such as min_characters=100. May be given again.",
)
@click.option("--keep-gone", is_flag=True, help="Keep crawled pages that have left the web since.")
@click.option("--workers", type=click.IntRange(min=0), help="Processes; all cores unless told. 0: this process alone.")
@shared
def build(terminal: Terminal, code: str, inputs: tuple[str, ...], licence: str, **options: Any) -> None:
    """Build the corpus of LANGUAGE from its declared sources, from a site or a feed, or from files.

    Reads JSON lines, CSV, text, Markdown, HTML, Parquet, MediaWiki dumps, WARC, WET and ARC, packed or not. Run it
    again after an interruption and it goes on where it was.

    \b
    ulmkit corpus build fa --limit 1000 --contact you@example.org
    ulmkit corpus build fa --site https://example.org --licence CC-BY-4.0 \\
        --contact you@example.org
    ulmkit corpus build fa --input news.jsonl.zst --input pages/ \\
        --licence CC-BY-4.0
    """
    from ulmkit.corpus.tally import read_samples
    from ulmkit.workflow import corpus as workflow

    language = terminal.language(code)
    how = chosen_fetching(options, licence)
    options["filters"] = filters_told(options.pop("limits"))
    options["table"] = options.pop("table_layout")
    with failures_shown(terminal), terminal.progress() as report:
        corpus = workflow.build(
            language, inputs or None, root=terminal.root, licence=licence, fetching=how, report=report, **options
        )
    manifest = corpus.manifest
    show_failures(terminal, corpus.failed)
    samples = read_samples(corpus.folder / "dropped" / "unread.jsonl")
    told = (
        crawl_tables(manifest["pins"]),
        unread_table(manifest["counts"]["unread"], samples),
        yield_tables(manifest["yields"]),
        corpus_tables(manifest, language),  # last, where a screen that scrolls leaves it
    )
    for table in filter(None, told):
        terminal.print(table)
    for note in manifest.get("notes", ()):
        terminal.note(note)
    if manifest.get("unchanged"):
        terminal.note(f"{corpus.folder} is up to date.")
    terminal.finish(manifest)


def filters_told(limits: tuple[str, ...]) -> dict[str, Any]:
    """Limits as they are told at the prompt, NAME=VALUE with a value in JSON."""
    found: dict[str, Any] = {}
    for limit in limits:
        name, equals, value = limit.partition("=")
        if not equals or not name:
            raise UsageError(f"--filter {limit}: expected NAME=VALUE, such as min_characters=100.")
        try:
            found[name.strip()] = json.loads(value)
        except (ValueError, RecursionError):  # no JSON, or an integer or a nesting without end
            found[name.strip()] = value
    return found


@command.command()
@language_code
@click.option("--licence", default="unknown", show_default=True, help="SPDX licence of --site and --feed.")
@click.option("--forget", multiple=True, metavar="HOST", help="Forget what is known of a host, and ask it anew.")
@fetching
@shared
def fetch(terminal: Terminal, code: str, licence: str, forget: tuple[str, ...], **options: Any) -> None:
    """Bring the sources of LANGUAGE to disk, and build nothing.

    Pages are kept as they were sent, as WARC under <root>/<code>/raw/<source>/. Run it again to go on, or, after days,
    to ask for what is new.

    \b
    ulmkit corpus fetch fa --contact you@example.org --max-hours 2
    ulmkit corpus fetch fa --source global-voices --refresh \\
        --contact you@example.org
    """
    from ulmkit.workflow.fetching import bring_sources

    language = terminal.language(code)
    with failures_shown(terminal), terminal.progress() as report:
        brought = bring_sources(
            language, terminal.root, chosen_fetching(options, licence), forget=forget, report=report
        )
    show_failures(terminal, brought.failed)
    if told := crawl_tables(brought.pins):
        terminal.print(told)
    files = [str(item.path) for item in brought.inputs]
    terminal.note(f"{len(files):,} files under {terminal.layout(code).raw}.")
    terminal.finish({"files": files, "pins": brought.pins, "failed": brought.failed})


@command.command()
@language_code
@click.option(
    "--probe",
    is_flag=False,
    flag_value=_DECLARED,
    metavar="[URL]",
    help="Ask each a dozen times what it would give; with a URL, that site, and print a block to declare it.",
)
@click.option("--licence", default="unknown", show_default=True, help="SPDX licence of --site and --feed.")
@fetching
@shared
def sources(terminal: Terminal, code: str, probe: str | None, licence: str, **options: Any) -> None:
    """The sources of LANGUAGE: what is declared, under which licence, and what is here of it.

    \b
    ulmkit corpus sources fa
    ulmkit corpus sources fa --probe --source global-voices \\
        --contact you@example.org
    ulmkit corpus sources fa --probe https://example.org --contact you@example.org
    """
    from ulmkit.cli.sources import probe_table, source_block, sources_table
    from ulmkit.workflow import sources as workflow

    language = terminal.language(code)
    if probe is None:
        states = workflow.source_states(language, terminal.root)
        terminal.print(sources_table(states))
        terminal.finish({"sources": [workflow.as_row(state) for state in states]})
        return
    if probe != _DECLARED:
        options["sites"] = (*options["sites"], probe)
        licence = "page" if licence == "unknown" else licence
    with terminal.progress() as report:
        found = workflow.probe(language, chosen_fetching(options, licence), report=report)
    terminal.print(probe_table(found))
    if probe != _DECLARED:
        for each in found:
            terminal.print("\n" + source_block(each))
    terminal.finish({"probed": [each.to_json() for each in found]})


@command.command()
@language_code
@click.option(
    "--contact",
    envvar="ULMKIT_CONTACT",
    show_envvar=True,
    default="",
    help="Mail address or URL at which the owners of servers reach you.",
)
@click.option("--crawl", default="latest", show_default=True, help="Crawl of Common Crawl whose index is sampled.")
@click.option(
    "--files",
    type=click.IntRange(0, 100),
    default=12,
    show_default=True,
    help="Files of its index to look at; 0: none.",
)
@click.option(
    "--look", type=click.IntRange(0, 20), default=5, show_default=True, help="Front pages of sites to look at; 0: none."
)
@click.option("--wikis", envvar="ULMKIT_WIKIMEDIA_API", show_envvar=True, help="Server that lists Wikimedia's wikis.")
@click.option("--hub", envvar="HF_ENDPOINT", show_envvar=True, help="Hub of data sets.")
@click.option("--mirror", metavar="URL", help="Server to use instead of Common Crawl's own.")
@allowing
@shared
def discover(terminal: Terminal, code: str, contact: str, allow_addresses: tuple[str, ...], **options: Any) -> None:
    """Where text of LANGUAGE could come from, as [[sources]] blocks to paste; it needs no folder yet.

    Asks Wikimedia for its wikis, the hub for data sets that name the language, and a sample of Common Crawl's index for
    the sites with most pages in it; of some of those the front page. What cannot be asked is named, the rest goes on.

    \b
    ulmkit corpus discover fa --contact you@example.org
    ulmkit corpus discover sw --files 4 --look 0 --contact you@example.org
    """
    from ulmkit.acquire.sources import Fetching
    from ulmkit.cli.sources import discovered
    from ulmkit.workflow.discover import Places
    from ulmkit.workflow.discover import discover as found_by

    places = Places(**{name: value for name, value in options.items() if value is not None})
    how = Fetching(contact=contact, allowed=addresses(allow_addresses))
    with terminal.progress() as report:
        found = found_by(code, how, places, languages=terminal.languages, report=report)
    for place, why in found.failed.items():
        terminal.note(f"{place}: {why}")
    for place, problems in found.problems.items():
        for problem in problems:
            terminal.note(f"{place}: {problem}")
    terminal.print(discovered(found))
    terminal.finish(found.to_json())


def corpus_tables(manifest: dict[str, Any], language: Any) -> str:
    """What was read, kept and dropped, as tables."""
    counts, splits = manifest["counts"], manifest["splits"]
    sources = [
        (name, f"{c.get('read', 0):,}", f"{c.get('dropped', 0):,}", f"{c.get('duplicate', 0):,}",
         f"{c.get('kept', 0):,}")
        for name, c in sorted(counts["sources"].items())
    ]  # fmt: skip
    reasons = sorted(counts["dropped"].items(), key=lambda item: -item[1])
    joiners = counts["joiners"]
    shown = [joiner for joiner in JOINERS if any(joiners[stage].get(joiner) for stage in JOINER_STAGES)]
    nothing = "none found" if language.pii else "not looked for: the language has no [[pii]]"
    blocks = [
        text_table(("source", "read", "dropped", "duplicate", "kept"), sources),
        *([text_table(("dropped because", "documents"), [(why, f"{n:,}") for why, n in reasons])] if reasons else []),
        text_table(
            ("split", "documents", "words", "characters", *shown),
            [
                (
                    split,
                    f"{s['documents']:,}",
                    f"{s['words']:,}",
                    f"{s['characters']:,}",
                    *(f"{s['joiners'].get(joiner, 0):,}" for joiner in shown),
                )
                for split, s in splits.items()
            ],
        ),
        *hidden_table(counts.get("hidden", {})),
        "personal data: " + (", ".join(f"{kind} {n:,}" for kind, n in counts["pii"].items()) or nothing),
        *(
            f"{joiner}: " + ", ".join(f"{stage} {joiner_counts(joiners[stage], joiner)}" for stage in JOINER_STAGES)
            for joiner in shown
        ),
    ]
    return "\n\n".join(blocks) + "\n"


def hidden_table(hidden: dict[str, dict[str, int]]) -> list[str]:
    """What stood between letters and showed nothing: made a joiner of, or lost; no table where there was none."""
    rows = [
        (source, name, f"{n:,}", f"{n - counts.get(f'{name} lost', 0):,}", f"{counts.get(f'{name} lost', 0):,}")
        for source, counts in sorted(hidden.items())
        for name, n in sorted(counts.items())
        if not name.endswith(" lost")
    ]
    return [text_table(("source", "between letters", "read", "made joiners", "lost"), rows)] if rows else []


def joiner_counts(counts: dict[str, int], joiner: str) -> str:
    """How many there are; and how many of them in words, where others stand beside spaces and marks."""
    every, inside = counts.get(joiner, 0), counts.get(f"{joiner} in words", 0)
    return f"{every:,}" if every == inside else f"{every:,} ({inside:,} in words)"


def unread_table(unread: dict[str, dict[str, int]], samples: list[dict[str, str]]) -> str:
    """What could not be read, by reason, faults first, and what was said of the first file; empty for nothing."""
    from ulmkit.formats.reasons import UNWANTED

    first: dict[str, str] = {}
    for sample in samples:
        first.setdefault(
            sample["reason"], f"{sample['source']}/{sample['file']}: {sample['detail']}".removesuffix(": ")
        )
    records: dict[str, int] = {}
    files: dict[str, list[str]] = {}
    for file, reasons in unread.items():
        for reason, count in reasons.items():
            records[reason] = records.get(reason, 0) + count
            files.setdefault(reason, []).append(file)
    rows = [
        (reason, readable(first.get(reason, files[reason][0]), CELL_LIMIT), f"{len(files[reason]):,}", f"{count:,}")
        for reason, count in sorted(records.items(), key=lambda row: (row[0] in UNWANTED, -row[1], row[0]))
    ]
    return text_table(("not read because", "the first", "files", "records"), rows, words=2) + "\n" if rows else ""
