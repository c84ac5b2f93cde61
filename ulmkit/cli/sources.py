"""Sources as tables, and one that was probed as a block to paste into language.toml."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ulmkit.cli.common import text_table, word_table
from ulmkit.names import readable

if TYPE_CHECKING:
    from ulmkit.acquire.candidates import Sample
    from ulmkit.language.sources import SourceSpec
    from ulmkit.workflow.discover import Discovery
    from ulmkit.workflow.probe import Probe
    from ulmkit.workflow.sources import SourceState


LANGUAGE_FOUND = {True: "this one", False: "another", None: "no text found"}


def sources_table(states: "Sequence[SourceState]") -> str:
    """A row a source: whether it is fetched unasked, its licence, what is here."""
    rows = [
        (
            state.spec.name,
            "on" if state.spec.enabled else "off",
            state.spec.kind,
            state.spec.locator,
            state.spec.licence,
            state.last[:10] or "never",
            f"{state.pages:,}",
        )
        for state in states
    ]
    return text_table(("source", "", "kind", "locator", "licence", "last visit", "pages"), rows, words=6) + "\n"


def probe_table(probes: "Sequence[Probe]") -> str:
    """What was found of each, a block a source."""
    blocks = []
    for probe in probes:
        rows = [("address", probe.locator)]
        if probe.problem:
            rows.append(("problem", probe.problem))
        rows.append(("delay", f"{probe.delay_s:g} s between two requests"))
        if probe.platform:
            rows.append(("platform", probe.platform))
        rows += [("list", f"{address}: {count:,} pages") for address, count in probe.lists.items()]
        if probe.newest:
            rows.append(("newest", probe.newest))
        rows.append(("licence marks", ", ".join(probe.licences) or "none seen"))
        if probe.page:
            rows.append(("page", probe.page))
            rows.append(
                ("its language", {True: "this one", False: "another", None: "no text found"}[probe.in_language])
            )
            rows.append(("its text", f"{probe.characters:,} characters, {probe.joiners:.1f} U+200C in 1,000"))
        if probe.pages:
            rows.append(("to fetch", f"{probe.pages:,} pages in the lists seen, {probe.hours:.1f} h at this delay"))
        rows.append(("requests", str(probe.requests)))
        blocks.append(word_table((probe.name, ""), rows))
    return "\n\n".join(blocks) + "\n"


def source_block(probe: "Probe") -> str:
    """The `[[sources]]` block for a site that was probed; what only a person can know is left to them."""
    from ulmkit.authoring.template import toml_string

    platform = probe.platform if probe.platform in ("wordpress", "blogger") else ""
    kind = "blog" if platform else "site"
    licence = probe.licences[0] if probe.licences else "unknown"
    lines = [
        "[[sources]]",
        f"name = {toml_string(readable(probe.name))}",
        f'kind = "{kind}"',
        f"locator = {toml_string(probe.locator)}",
        f"licence = {toml_string(licence)}  # as its page says: read its terms",
        'ground = ""  # where the licence or the terms stand, and when you read them',
    ]
    if platform:
        lines.append(f'platform = "{platform}"')
    if licence == "unknown":
        lines.append("enabled = false  # until its licence is known")
    return "\n".join(lines) + "\n"


def declaration(spec: "SourceSpec", remark: str = "") -> str:
    """The `[[sources]]` block that declares `spec`, with a remark: what is as it is anyway is left out."""
    lines = [f"[[sources]] # {readable(remark, None)}" if remark else "[[sources]]"]
    for each in dataclasses.fields(spec):
        value = getattr(spec, each.name)
        if value not in ("", (), {}, each.default):
            lines.append(f"{each.name} = {_toml(value)}")
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    from ulmkit.authoring.template import toml_string

    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return toml_string(readable(value, None)) if isinstance(value, str) else str(value)


def discovered(found: "Discovery") -> str:
    """What was found, a part a place: its sample, and its candidates as blocks to paste."""
    parts = []
    for place, candidates in found.candidates.items():
        parts.append(f"# {place}: {len(candidates)} candidates")
        if place == "common crawl" and found.sample is not None:
            parts.append(sample_table(found.sample))
        parts += [declaration(each.spec, each.remark) for each in candidates]
    return "\n".join(parts)


def sample_table(sample: "Sample") -> str:
    """Pages in the language by top-level domain, as comments: the whole stays TOML."""
    head = (
        f"{sample.crawl}: {sample.files} files of its index, {sample.requests} requests, {sample.bytes / 1e6:,.1f} MB"
    )
    rows = [(f".{tld}", f"{count:,}") for tld, count in sample.by_tld.most_common(10)]
    lines = [head, *text_table(("top-level domain", "pages in the language"), rows).split("\n")]
    return "".join(f"# {line}\n" for line in lines)
