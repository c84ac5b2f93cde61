"""May a page's text go into a corpus? What was said about it, in order: the first that speaks decides.

Pure, so that a corpus can be built anew from the same archive under another policy. The rows of `CONSENT_TABLE` read
what robots.txt and its like said when the page was fetched (`HostSignals`), the header of its answer, the page, and the
declaration of its source.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from ulmkit.errors import UsageError, shown, system_error
from ulmkit.files import open_regular
from ulmkit.formats.host_signals import NOTHING_SAID, HostSignals
from ulmkit.formats.licences import forbids_changes, forbids_trade, is_open, spdx_of
from ulmkit.formats.page_marks import NO_MARKS, PageMarks
from ulmkit.formats.training_agents import PURPOSE

CONSENT = 1  # version of the table below; raised when a row reads anything otherwise
NO_CONSENT, NO_LICENCE = "no consent", "no licence"  # why a document does not stay
PAGE_LICENCE = "page"  # declared: each page must say its licence itself

ConsentPolicy = Literal["strict", "open-only", "record"]
LicencePolicy = Literal["open", "noncommercial"]
AgentsPolicy = Literal["any", "two", "ignore"]

# header fields that say something of a text's use, or of its licence
USAGE_FIELDS = frozenset(("tdm-reservation", "tdm-policy", "x-robots-tag", "content-usage", "content-signal", "link"))
_TRAINING = frozenset(("ai-train", "train-ai", "train-genai"))
_NO = frozenset(("no", "n", "?0", "0", "false"))
_LICENCE_LINK = re.compile(r"<([^<>]{1,2000})>[^<]*?;\s*rel\s*=\s*\"?[^\",;]*\blicense\b", re.I)
_FOR_AGENT = re.compile(r"\s*([a-z0-9_.-]+)\s*:\s*(.*)", re.I | re.S)
_VALUED = frozenset(("max-snippet", "max-image-preview", "max-video-preview", "unavailable_after"))  # of X-Robots-Tag


@dataclass(frozen=True)
class Consent:
    """What was found: `yes`, `no` or `silent`, which row said so, and the licence that the text is under."""

    verdict: Literal["yes", "no", "silent"]
    ground: str = ""
    licence: str = "unknown"


@dataclass(frozen=True)
class HostConsent:
    """A line of the operator's list: what someone who may said of a host, and when. `*.host` takes its subdomains."""

    host: str
    verdict: Literal["yes", "no"]
    who: str
    when: str

    def covers(self, host: str) -> bool:
        """Whether it is about `host`."""
        return host == self.host or (self.host.startswith("*.") and f".{host}".endswith(self.host[1:]))


@dataclass(frozen=True)
class ConsentRules:
    """What is to be done with verdicts.

    `strict` leaves what was refused, `open-only` takes what was granted alone, `record` takes all and says so. Under
    `noncommercial`, licences that forbid trade are open.
    """

    policy: ConsentPolicy = "strict"
    licences: LicencePolicy = "open"
    listed: tuple[HostConsent, ...] = ()

    def refuses(self, consent: Consent) -> str:
        """Why a document with this consent does not stay; empty where it does."""
        if self.policy == "record":
            return ""
        if consent.verdict == "no" or (consent.verdict == "silent" and self.policy == "open-only"):
            return NO_CONSENT
        return ""


DEFAULT_RULES = ConsentRules()


@dataclass(frozen=True)
class Said:
    """All that was said about one page. `declared` is its source's licence, `fields` are those in `USAGE_FIELDS`."""

    url: str
    signals: HostSignals = NOTHING_SAID
    fields: tuple[tuple[str, str], ...] = ()
    marks: PageMarks = NO_MARKS
    own_licence: str = ""  # what the entry of a feed says of itself
    declared: str = "unknown"
    agents: AgentsPolicy = "two"
    rules: ConsentRules = DEFAULT_RULES

    def values(self, name: str) -> list[str]:
        """The header fields of this name."""
        return [value for key, value in self.fields if key.lower() == name]


def consent_of(said: Said) -> Consent:
    """What the rows of the table make of `said`."""
    licence = said.declared if said.declared != PAGE_LICENCE else "unknown"
    if marked := page_licence(said):
        licence = marked
    for row in CONSENT_TABLE:
        if found := row(said):
            return Consent(found[0], found[1], licence)
    return Consent("silent", "", licence)


def refused_unseen(said: Said) -> str:
    """On what ground a page need not even be asked for, with nothing known of its answer; empty where it may be.

    A reservation in tdmrep.json counts although the page might take it back: who reserves a site means its pages.
    """
    found = consent_of(said)
    return found.ground if found.verdict == "no" and said.rules.policy != "record" else ""


def page_licence(said: Said) -> str:
    """The licence that the page names for itself, as SPDX; of several the one that allows least. Empty for none."""
    linked = [spdx_of(found[1]) for value in said.values("link") for found in _LICENCE_LINK.finditer(value)]
    named = [name for name in (*said.marks.licences, *linked, spdx_of(said.own_licence)) if name]
    return max(named, key=lambda name: (forbids_changes(name), forbids_trade(name), not is_open(name)), default="")


_Spoken = tuple[Literal["yes", "no"], str] | None


def operators_list(said: Said) -> _Spoken:
    """1: who may said so to the operator, by mail or on paper."""
    host = (urlsplit(said.url).hostname or "").rstrip(".").lower()
    # of several that cover it the longest, which is the nearest
    lines = sorted((line for line in said.rules.listed if line.covers(host)), key=lambda line: -len(line.host))
    return (lines[0].verdict, f"the operator's list: {lines[0].who}, {lines[0].when}") if lines else None


# 2, the rules of robots.txt, is held when a page is asked for: what they refuse is not here


def training_agents_refused(said: Said) -> _Spoken:
    """3: robots.txt keeps crawlers of training data from the page; all that come for it count as more than one."""
    least = {"any": 1, "two": 2, "ignore": 0}[said.agents]
    if least and sum(2 if agent.startswith(PURPOSE) else 1 for agent in said.signals.agents) >= least:
        return "no", f"robots.txt refuses: {', '.join(said.signals.agents[:4])}"
    return None


def usage_preferences(said: Said) -> _Spoken:
    """4: Content-Signal and Content-Usage, in robots.txt and in the answer's header."""
    for where, lines in (("robots.txt", said.signals.robots), ("header", said.fields)):
        for name, value in lines:
            if name.lower() in ("content-signal", "content-usage"):
                for use, wish in _preferences(value):
                    if use in _TRAINING and wish in _NO:
                        return "no", f"{where}: {name.lower()} {use}={wish}"
    return None


def _preferences(value: str) -> Iterator[tuple[str, str]]:
    """`use=wish` of a list, parameters left out."""
    for part in value.split(","):
        use, equals, wish = part.partition(";")[0].partition("=")
        if equals:
            yield use.strip().lower(), wish.strip().strip('"').lower()


def mining_reserved(said: Said) -> _Spoken:
    """5: the TDM Reservation Protocol; the page beats the header, and the header the file.

    A policy that a reservation points to says how to ask: who was granted it stands in the operator's list.
    """
    header = next((value.strip() for value in said.values("tdm-reservation") if value.strip() in ("0", "1")), "")
    page = said.marks.tdm if said.marks.tdm in ("0", "1") else ""
    for where, reserved in (("page", page), ("header", header), ("tdmrep.json", said.signals.tdm)):
        if reserved:
            return ("no", f"tdm-reservation: {where}") if reserved == "1" else None
    return None


def no_ai(said: Said) -> _Spoken:
    """6: `noai` for robots, in the header or on the page. `noimageai` is not about text."""
    if "noai" in header_robots(said.fields):
        return "no", "noai: header"
    return ("no", "noai: page") if "noai" in said.marks.robots else None


def ai_txt(said: Said) -> _Spoken:
    """7: ai.txt refuses text."""
    return ("no", "ai.txt") if said.signals.ai == "disallow" else None


def licence_on_page(said: Said) -> _Spoken:
    """8: the licence that the page names: a corpus is a change, and may be traded with."""
    name = page_licence(said)
    if not name:
        return None
    if forbids_changes(name) or (forbids_trade(name) and said.rules.licences != "noncommercial"):
        return "no", f"licence on the page: {name}"
    return ("yes", f"licence on the page: {name}") if is_open(name) or forbids_trade(name) else None


def declared_licence(said: Said) -> _Spoken:
    """9: the licence that the source is declared under, where it is an open one."""
    allowed = is_open(said.declared) or (
        said.rules.licences == "noncommercial" and forbids_trade(said.declared) and not forbids_changes(said.declared)
    )
    return ("yes", f"declared: {said.declared}") if allowed else None


# in order: the first that speaks decides
CONSENT_TABLE = (
    operators_list,
    training_agents_refused,
    usage_preferences,
    mining_reserved,
    no_ai,
    ai_txt,
    licence_on_page,
    declared_licence,
)


def header_robots(fields: Iterable[tuple[str, str]]) -> frozenset[str]:
    """The words of X-Robots-Tag that are meant for us, in lower case: those for all, and those for `ulmkit`."""
    words: set[str] = set()
    for name, value in fields:
        if name.lower() != "x-robots-tag":
            continue
        found = _FOR_AGENT.fullmatch(value)
        agent = found[1].lower() if found and found[1].lower() not in _VALUED else ""
        if found and agent:
            value = found[2]
        if agent in ("", "ulmkit"):
            words |= set(re.split(r"[\s,]+", value.lower())) - {""}
    return frozenset(words)


def consent_list(path: Path) -> tuple[HostConsent, ...]:
    """The operator's list: `[[hosts]]` blocks of host, verdict, who and when; nothing where there is no file.

    Raises `UsageError`, with the file and the block, for what is no such list.
    """
    try:
        with open_regular(path) as file:
            data = tomllib.loads(file.read().decode("utf-8"))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise UsageError(system_error(error, path, cannot="cannot be read")) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{shown(path)}: no TOML ({str(error)[:120]}). Correct it.") from error
    blocks = data.get("hosts", [])
    if set(data) - {"hosts"} or not isinstance(blocks, list):
        raise UsageError(f"{shown(path)}: only [[hosts]] blocks stand here, of host, verdict, who and when.")
    return tuple(_host_consent(path, number, block) for number, block in enumerate(blocks, 1))


def _host_consent(path: Path, number: int, block: Any) -> HostConsent:
    where = f"{shown(path)}: block {number}"
    if not isinstance(block, dict) or set(block) != {"host", "verdict", "who", "when"}:
        raise UsageError(f"{where}: host, verdict, who and when must stand in it, and nothing else.")
    when = block["when"].isoformat() if isinstance(block["when"], date | datetime) else block["when"]
    texts = [block["host"], block["verdict"], block["who"], when]
    if not all(isinstance(text, str) and text.strip() and text.isprintable() for text in texts):
        raise UsageError(f"{where}: each of host, verdict, who and when is a line of text.")
    if block["verdict"] not in ("yes", "no"):
        raise UsageError(f"{where}: verdict is '{block['verdict'][:20]}', expected yes or no.")
    if not re.fullmatch(r"(?:\*\.)?[^\s*/:@]+", block["host"].strip()):
        raise UsageError(
            f"{where}: host is '{block['host'][:40]}', expected a name as in example.org or *.example.org."
        )
    return HostConsent(_ascii(block["host"].strip().lower()), block["verdict"], block["who"].strip(), when.strip())


def _ascii(host: str) -> str:
    """An international name as addresses have it."""
    if host.isascii():
        return host
    import idna

    star, name = ("*.", host[2:]) if host.startswith("*.") else ("", host)
    try:
        return star + idna.encode(name, uts46=True).decode()
    except UnicodeError:
        return host
