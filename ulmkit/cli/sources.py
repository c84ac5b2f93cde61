"""Sources as tables, and one that was probed as a block to paste into language.toml."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ulmkit.cli.common import text_table, word_table
from ulmkit.names import readable

if TYPE_CHECKING:
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
