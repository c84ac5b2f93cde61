"""What came of a crawl, and what each source is worth, as tables that fit a screen of 80 columns."""

from collections.abc import Iterable, Mapping
from typing import Any

from ulmkit.cli.common import text_table
from ulmkit.names import readable

_NAME = 20  # characters of a source's name
_REASONS = 5  # of each source, the commonest
_STATUSES = 3
_PAIRS = 12  # of sources that say the same
_WHY = 48  # characters of a reason


def crawl_tables(pins: Mapping[str, Mapping[str, Any]]) -> str:
    """What this run asked for, by source: what came, how fast, and why not more; empty where nothing was crawled."""
    crawls = {name: each["crawl"] for name, each in pins.items() if each.get("crawl")}
    found = [_asked(crawls), _not_kept(crawls)] if crawls else []
    found += [_archive(name, each) for name, each in pins.items() if each.get("kind") == "commoncrawl"]
    return "".join(f"{table}\n\n" for table in found if table)


def _asked(crawls: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        (
            readable(name, _NAME),
            f"{_known(crawl):,}",
            f"{crawl['asked']:,}",
            f"{crawl['kept']:,}",
            f"{crawl['revisits']:,}",
            f"{crawl['bytes'] / 1e6:,.1f}",
            f"{crawl['largest_rate']:,.1f}",
            "–" if crawl["promised_rate"] is None else f"{crawl['promised_rate']:,.1f}",
        )
        for name, crawl in crawls.items()
    ]
    headers = ("source", "known", "asked", "kept", "as before", "MB", "a minute", "at most")
    lines = [line for name, crawl in crawls.items() for line in _told(readable(name, _NAME), crawl)]
    return "\n".join((text_table(headers, rows), "", *lines))


def _told(name: str, crawl: Mapping[str, Any]) -> list[str]:
    """What servers answered, how long that took, and why there was no more."""
    answers = sorted(crawl["statuses"].items(), key=lambda each: -each[1])
    shown = ", ".join(f"{status} {count:,}" for status, count in answers[:_STATUSES])
    lines = [f"{name}: {shown}; {crawl['answer_seconds']:,.0f} of {crawl['seconds']:,.0f} s for them"]
    if not shown:
        lines = [f"{name}: nothing asked for; what is here is asked again after refresh_days"]
    return [*lines, f"{name}: stopped by {crawl['stopped']}"] if crawl["stopped"] else lines


def _known(crawl: Mapping[str, Any]) -> int:
    """URLs of pages that the source has."""
    return sum(crawl["urls"].get("page", {}).values())


def _not_kept(crawls: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        (readable(name, _NAME), readable(reason, _WHY), f"{count:,}")
        for name, crawl in crawls.items()
        for kind in ("not_kept", "left", "list_problems")
        for reason, count in crawl[kind].items()
    ]
    return text_table(("source", "not kept because", "URLs"), rows, words=2) if rows else ""


def _archive(name: str, pins: Mapping[str, Any]) -> str:
    """What pages of somebody else's crawl cost: their index, and their records."""
    run = pins["run"]
    rows = [
        (what, f"{run[key]['requests']:,}", f"{run[key]['bytes'] / 1e6:,.2f}")
        for what, key in (("index, by range", "index"), ("records", "records"))
    ]
    rows.append(("robots.txt, of today", f"{run['robots_asked']:,}", ""))
    wanted = ", ".join(f"{key} {_words(value)}" for key, value in pins["selection"].items())
    tables = [
        text_table((readable(name, _NAME), "requests", "MB"), rows),
        text_table(
            (readable(f"{pins['resolved']}, {wanted}", _WHY), "pages"), _counts(run["urls"].get("page", {}), _WHY)
        ),
    ]
    for key, what in (("tld", "top-level domain"), ("language", "language")):
        if counts := run.get("rows", {}).get(key):
            tables.append(_index_rows(what, counts))
    if run["not_kept"]:
        tables.append(text_table(("not kept because", "URLs"), _counts(run["not_kept"], _WHY)))
    if run["stopped"]:
        tables.append(f"stopped by {readable(run['stopped'], 60)}")
    return "\n\n".join(tables)


def _index_rows(what: str, counts: Mapping[str, Mapping[str, int]]) -> str:
    """Rows of the index that are wanted, those that are here beside; of many values the commonest."""
    rows = [(readable(value, _NAME), f"{each['rows']:,}", f"{each['here']:,}") for value, each in counts.items()]
    more = list(counts.values())[_PAIRS:]
    if more:
        rest, here = (sum(each[key] for each in more) for key in ("rows", "here"))
        rows = [*rows[:_PAIRS], (f"{len(more):,} more", f"{rest:,}", f"{here:,}")]
    return text_table((what, "rows of the index", "here"), rows)


def yield_tables(yields: Mapping[str, Mapping[str, Any]]) -> str:
    """What each source brought: the most for an answer first, then licences, reasons and what several sources say."""
    order = sorted(yields, key=lambda name: -(yields[name]["characters_per_answer"] or 0.0))
    blocks = [_worth(yields, order), _licences(yields), _dropped(yields), _overlap(yields)]
    return "\n\n".join(filter(None, blocks)) + "\n"


def _worth(yields: Mapping[str, Mapping[str, Any]], order: Iterable[str]) -> str:
    rows = []
    for name in order:
        each = yields[name]
        age = each["published"] or each["fetched"]
        alone = each["own_characters"] / each["characters"] if each["characters"] else 0.0
        worth = each["characters_per_answer"]
        rows.append(
            (
                readable(name, _NAME),
                f"{each['characters']:,}",
                f"{alone:.0%}",
                "–" if worth is None else f"{worth:,.0f}",
                f"{each['joiners_per_1000']:.1f}",
                age.get("median", "–"),
                age.get("newest", "–"),
            )
        )
    headers = ("source", "characters", "own", "an answer", "ZWNJ ‰", "median", "newest")
    return text_table(headers, rows)


def _licences(yields: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        (readable(name, _NAME), kind, readable(value, 40), f"{count:,}")
        for name, each in sorted(yields.items())
        for kind, counts in (("licence", each["licences"]), ("consent", each["consent"]))
        for value, count in sorted(counts.items(), key=lambda each: -each[1])
    ]
    return text_table(("source", "", "", "documents"), rows, words=3)


def _dropped(yields: Mapping[str, Mapping[str, Any]]) -> str:
    """By source; of a single one the table over all says it."""
    if len(yields) < 2:
        return ""
    rows = []
    for name, each in sorted(yields.items()):
        reasons = _counts(each["dropped"], _WHY)
        rows += [(readable(name, _NAME), *reason) for reason in reasons[:_REASONS]]
        if left := sum(sorted(each["dropped"].values(), reverse=True)[_REASONS:]):
            rows.append((readable(name, _NAME), "for other reasons", f"{left:,}"))
    return text_table(("source", "dropped because", "documents"), rows, words=2) if rows else ""


def _overlap(yields: Mapping[str, Mapping[str, Any]]) -> str:
    """Pairs of sources, those that share the most first: a matrix of many sources fits no screen."""
    pairs = sorted(
        ((count, name, other) for name, each in yields.items() for other, count in each["overlap"].items()),
        key=lambda pair: (-pair[0], pair[1:]),
    )
    rows = [
        (readable(name, _NAME), "itself" if name == other else readable(other, _NAME), f"{count:,}")
        for count, name, other in pairs[:_PAIRS]
    ]
    if len(pairs) > _PAIRS:
        rows.append((f"{len(pairs) - _PAIRS:,} more", "", ""))
    return text_table(("documents of", "that stand in", "how many"), rows, words=2) if rows else ""


def _words(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _counts(counts: Mapping[str, int], width: int) -> list[tuple[str, str]]:
    """Names with their counts, the commonest first."""
    order = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    return [(readable(name, width), f"{count:,}") for name, count in order]
