"""May this address be asked? What a server's robots.txt, or its absence, says to us (RFC 9309), and how often.

Protego matches paths; which lines are a group's, and which group is ours, is decided here: it takes a byte order mark
for a part of the first line and would then allow everything, it takes `ulm` for our name and `ulmkit/1.0` for
another's, it ends a group at a line it does not know, and it says nothing of a site's wishes for the use of its text.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urljoin

from protego import Protego

from ulmkit.formats.canonical import canonical
from ulmkit.formats.training_agents import PURPOSE, training_agents
from ulmkit.work.pool import Broken, Pool, Work

if TYPE_CHECKING:
    from ulmkit.acquire.client import Answer

TOKEN = "ulmkit"  # what we are called in a robots.txt
ROBOTS_BYTES = 512 << 10  # what RFC 9309 asks to read; the rest is left
ROBOTS_AGE_S = 86_400.0  # how long what was read holds, and a copy for a server that cannot be asked
ROBOTS_HOPS = 5
MOST_SITEMAPS = 100
MOST_SIGNALS = 100
_FIRST_RETRY_S = 3600.0
_RULES_AT_HAND = 1000  # of more, Protego reads in a process that can be stopped

# names of lines as people write them, without spaces and hyphens
_KINDS = {
    "useragent": "agent",
    "useragentpurpose": "purpose",  # draft-illyes-rep-purpose: who comes for something, whoever it is
    **dict.fromkeys(("disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw"), "disallow"),
    **dict.fromkeys(("sitemap", "sitemaps"), "sitemap"),
    **dict.fromkeys(("contentsignal", "contentsignals"), "content-signal"),
    "allow": "allow",
    "crawldelay": "delay",
    "requestrate": "rate",
    "visittime": "visit",
    "contentusage": "content-usage",
}
_BETWEEN = re.compile(r"[\s_-]+")
_NAME = re.compile(r"[^\s/*;,()]+")  # of `ulmkit/1.0 (…)` the name
_SECONDS = re.compile(r"[0-9]+(?:\.[0-9]*)?(?:e[0-9]{1,3})?|\.[0-9]+", re.I)
_RATE = re.compile(r"([0-9]{1,9})\s*/\s*([0-9]{1,9})\s*([smhd]?)\b.*", re.I)
_UNIT_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_HTML = re.compile(r"<(?:!doctype|html|head|body|script|meta)\b", re.I)
_NOT_UTF8 = re.compile("[\udc80-\udcff]")
_LINE_ENDS = re.compile("[\v\f\x1c-\x1e\x85\u2028\u2029]")  # to Protego, but to no server


@dataclass(frozen=True)
class RobotRules:
    """What a server lets us ask for. `why` says in a few words how `state` came about where it is not plain rules.

    `rules`: as they stand; `open`: everything, since there are none; `closed`: nothing for a day; `unreachable`:
    nothing until it can be asked (`next_try`). `delay_s` is the longest of Crawl-delay and Request-rate, 0 for none;
    `signals` are the lines (`content-signal` or `content-usage`, value) of the group that is ours.
    """

    state: Literal["rules", "open", "closed", "unreachable"]
    why: str = ""
    delay_s: float = 0.0
    sitemaps: tuple[str, ...] = ()
    signals: tuple[tuple[str, str], ...] = ()
    agents: tuple[str, ...] = ()  # training agents that the file names, and purposes of training
    matcher: Protego | None = field(default=None, repr=False, compare=False)
    # how the paths begin that may be refused, by the name of a group in `matcher`: of all others nothing is matched
    leads: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False, compare=False)
    groups: tuple[str, ...] = field(default=(), repr=False, compare=False)  # of each agent the name of its group

    def allows(self, url: str) -> bool:
        """Whether `url`, of the server whose rules these are, may be asked for by us."""
        if self.state == "open" or (url.endswith("/robots.txt") and urljoin(url, "/robots.txt") == url):
            return True
        if self.state != "rules":
            return False
        return self._lets(TOKEN, url)

    def refused_agents(self, url: str) -> tuple[str, ...]:
        """The crawlers of training data that the file names and keeps from `url`, whatever it says to us."""
        lets = {name: self._lets(name, url) for name in dict.fromkeys(self.groups)}
        return tuple(agent for agent, name in zip(self.agents, self.groups, strict=True) if not lets[name])

    def _lets(self, name: str, url: str) -> bool:
        """Whether the group called `name` may ask for `url`."""
        return self.matcher is None or surely_free(url, self.leads[name]) or self.matcher.can_fetch(url, name)


def rules_of(
    answer: "Answer", *, denied: Literal["disallow", "allow"] = "disallow", deadline_s: float = 10.0
) -> RobotRules:
    """The rules that the answer to a request for robots.txt gives, its redirects followed (`robots_target`).

    `denied` says what 401 and 403 mean; RFC 9309 would allow. A file of very many rules is read in a process of its
    own for at most `deadline_s` seconds; one that takes longer closes the server. Blocks: not for an event loop.
    """
    if answer.problem:
        return RobotRules("unreachable", answer.problem)
    status = answer.status
    if 200 <= status < 300:
        try:
            return _read(answer, deadline_s)
        except ValueError as error:  # what it unpacks to has no end
            return RobotRules("unreachable", f"{error}"[:80] or "cannot be unpacked")
    if status in (301, 302, 303, 307, 308):
        downgraded = answer.url.startswith("https:") and _target(answer).startswith("http:")
        return RobotRules("unreachable", "redirects to http") if downgraded else RobotRules("open", "redirects")
    if status in (401, 403) and denied == "disallow":
        return RobotRules("closed", f"answers {status}")
    if 400 <= status < 500 and status != 429:
        return RobotRules("open", f"answers {status}")
    return RobotRules("unreachable", f"answers {status}")


def robots_target(answer: "Answer", hops: int) -> str:
    """Where to ask for robots.txt after `hops` redirects and this answer; empty where `rules_of` is to judge it."""
    if answer.problem or answer.status not in (301, 302, 303, 307, 308) or hops >= ROBOTS_HOPS:
        return ""
    target = _target(answer)
    return "" if answer.url.startswith("https:") and not target.startswith("https:") else target


def _target(answer: "Answer") -> str:
    location = answer.header("location").strip()
    try:
        return canonical(urljoin(answer.url, location)) if location else ""
    except ValueError:
        return ""


def next_try(failures: int) -> float:
    """Seconds until a server whose robots.txt could not be had `failures` times in a row is asked again.

    >>> [next_try(failures) / 3600 for failures in (1, 2, 5, 6, 100)]
    [1.0, 2.0, 16.0, 24.0, 24.0]
    """
    return min(_FIRST_RETRY_S * 2.0 ** min(max(failures, 1) - 1, 10), ROBOTS_AGE_S)


def valid_rules(fresh: RobotRules, kept: RobotRules | None, kept_age_s: float) -> RobotRules:
    """`fresh`, or for a server that cannot be asked the rules `kept` from `kept_age_s` seconds ago, up to a day."""
    if fresh.state == "unreachable" and kept is not None and kept.state != "unreachable":
        return kept if 0 <= kept_age_s < ROBOTS_AGE_S else fresh
    return fresh


def _text(data: bytes) -> str:
    """The file as text: UTF-16 and UTF-32 by their marks, else UTF-8, with bytes that are none as `%XX`."""
    for mark, encoding in ((b"\xff\xfe\0\0", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            text = data.decode(encoding, "replace")
            break
    else:
        text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
        text = _NOT_UTF8.sub(lambda found: f"%{ord(found[0]) & 0xFF:02X}", text)
    return text.replace("\0", "").removeprefix("\ufeff")


@dataclass
class _Group:
    """Lines that are said to some crawlers."""

    names: set[str] = field(default_factory=set)
    rules: list[str] = field(default_factory=list)  # as Protego reads them
    delays: list[float] = field(default_factory=list)
    signals: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class _Parsed:
    """A file in groups. What is said of a text's use before any of them is said to everybody."""

    groups: list[_Group] = field(default_factory=list)
    sitemaps: list[str] = field(default_factory=list)
    everybody: list[tuple[str, str]] = field(default_factory=list)

    def add(self, kind: str, value: str) -> None:
        """A line of a group, into the last one."""
        if kind in ("content-signal", "content-usage"):
            signals = self.groups[-1].signals if self.groups else self.everybody
            signals.append((kind, value[:1000]))
        elif not self.groups:
            return
        elif kind in ("allow", "disallow") and value:
            value = _LINE_ENDS.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), value)
            self.groups[-1].rules.append(f"{kind}: {value}")
        elif kind == "delay" and _SECONDS.fullmatch(value):
            self.groups[-1].delays.append(float(value))
        elif kind == "rate" and (rate := _RATE.fullmatch(value)) and int(rate[1]):
            self.groups[-1].delays.append(int(rate[2]) * _UNIT_S[rate[3].lower()] / int(rate[1]))


def _parsed(text: str) -> _Parsed:
    """The groups of a file. A line that nobody knows ends none; a known one that is no agent's does."""
    parsed = _Parsed()
    names_follow = False
    for line in re.split(r"[\r\n]+", text):
        kind, value = _field(line.partition("#")[0])
        if kind == "sitemap":
            parsed.sitemaps.append(value)
        elif kind in ("agent", "purpose"):
            if not names_follow:
                parsed.groups.append(_Group())
                names_follow = True
            parsed.groups[-1].names |= _names(value) if kind == "agent" else {f"{PURPOSE}{value.lower()}"}
        elif kind:
            names_follow = False
            parsed.add(kind, value)
    return parsed


def _field(line: str) -> tuple[str, str]:
    """What a line is, or nothing, and its value; a colon may be left out, as people do."""
    name, _, value = line.partition(":")
    if kind := _KINDS.get(_BETWEEN.sub("", name).lower(), ""):
        return kind, value.strip()
    words = line.split()
    for count in (1, 2):
        kind, value = _KINDS.get(_BETWEEN.sub("", "".join(words[:count])).lower(), ""), " ".join(words[count:])
        if kind and (kind != "sitemap" or value.startswith("http")):
            return kind, value
    return "", ""


def _names(value: str) -> set[str]:
    """What a group's line calls its crawler: the name before a version, and all of it, for names of two words."""
    whole = value.lower()
    if whole == "*":
        return {"*"}
    token = _NAME.match(whole.lstrip("*"))
    return {token[0], whole.partition("/")[0].strip("* ")} if token else set()


def _alias(number: int) -> str:
    """A training agent's name in what Protego reads: Protego would take a shorter name for part of a longer one."""
    return f"agent{number:04}"


def _rules(groups: Iterable[_Group]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(line for group in groups for line in group.rules))


def _lines(name: str, rules: Iterable[str]) -> list[str]:
    """A group for Protego. A line that is no rule ends it: one without any would be taken together with the next."""
    return [f"user-agent: {name}", *rules, "crawl-delay: 0"]


# characters that are the same whatever percent-encoding a path and a pattern are written in
_SAME = "[A-Za-z0-9_.~/=-]*+"
_LEAD = re.compile(rf"disallow: (?!https?://)({_SAME})")
_PATH = re.compile(rf"https?://[^/?#\\\s]+({_SAME})(?:(%[89A-Fa-f][0-9A-Fa-f]|[\x80-\U0010ffff])|(\Z))?", re.I)


def _leads(rules: Iterable[str]) -> tuple[str, ...]:
    """How a path begins that one of the rules may refuse, as far as it is written in one way only."""
    found = {lead[1] if (lead := _LEAD.match(rule)) else "" for rule in rules if rule.startswith("disallow")}
    return tuple(sorted(found))


def surely_free(url: str, leads: tuple[str, ...]) -> bool:
    """Whether no rule that begins with one of `leads` can refuse `url`; False where that has to be looked at.

    A rule's matching takes its address's percent-encoding apart, letter by letter, which costs more than all else that
    is done before a page is asked for; and most pages are of no rule's.

    >>> surely_free("https://a.ir/%D8%A7", ("/wp-admin/",)), surely_free("https://a.ir/wp-%61dmin/", ("/wp-admin/",))
    (True, False)
    """
    found = _PATH.match(url)
    if not leads or found is None:
        return not leads
    path = found[1]
    if path.startswith(leads):
        return False
    # up to here the path is as it is matched; a letter beyond ASCII or the end is no part of a lead, another may be
    ended = found[2] is not None or (found[3] is not None and path != "")
    return ended or not any(lead.startswith(path) for lead in leads)


def _read(answer: "Answer", deadline_s: float) -> RobotRules:
    """The rules in a file. Raises `ValueError` where it unpacks to too much."""
    data = answer.content()
    text = _text(data[:ROBOTS_BYTES])
    why = ""
    if len(data) > ROBOTS_BYTES or answer.truncated:
        why = f"cut at {min(len(data), ROBOTS_BYTES):,} bytes"
        text = text[: max(text.rfind("\n"), text.rfind("\r")) + 1]  # half a line may mean anything
    parsed = _parsed(text)
    if not parsed.groups and _HTML.search(text):
        return RobotRules("open", "an HTML page")
    sitemaps = _addresses(parsed.sitemaps, answer.url)
    ours = [group for group in parsed.groups if TOKEN in group.names]
    ours = ours or [group for group in parsed.groups if "*" in group.names]
    named = {name for group in parsed.groups for name in group.names}
    purposes = sorted(name for name in named if name.startswith(PURPOSE) and "train" in name)[:MOST_SIGNALS]
    agents = (*purposes, *(agent for agent in training_agents() if agent.lower() in named))
    signals = (*parsed.everybody, *(signal for group in ours for signal in group.signals))[:MOST_SIGNALS]
    named_rules = {_rules(ours): TOKEN}  # crawlers to whom the same is said are asked about once
    groups = tuple(
        named_rules.setdefault(_rules(each for each in parsed.groups if agent.lower() in each.names), _alias(number))
        for number, agent in enumerate(agents)
    )
    if not (ours or agents or signals):
        return RobotRules("open", why or ("empty" if not text.strip() else "no rules for us"), sitemaps=sitemaps)
    matcher = _matcher([line for rules, name in named_rules.items() for line in _lines(name, rules)], deadline_s)
    if matcher is None:
        return RobotRules("closed", "takes too long to read")
    delay_s = max((delay for group in ours for delay in group.delays), default=0.0)
    leads = {name: _leads(rules) for rules, name in named_rules.items()}
    return RobotRules("rules", why, delay_s, sitemaps, signals, agents, matcher, leads, groups)


def _addresses(values: list[str], url: str) -> tuple[str, ...]:
    """The first hundred sitemaps, resolved; whether one may be asked for is its own server's to say."""
    found: dict[str, None] = {}
    for value in values:
        try:
            found[canonical(urljoin(url, value))] = None
        except ValueError:
            continue
        if len(found) == MOST_SITEMAPS:
            break
    return tuple(found)


def _matcher(lines: list[str], deadline_s: float) -> Protego | None:
    """Protego with these rules; None where it takes too long."""
    if len(lines) <= _RULES_AT_HAND:
        return _protego(lines)
    with Pool(_reader, workers=1, deadline_s=deadline_s) as pool:
        (found,) = pool.map_units(_read_by, [lines])
    return None if isinstance(found, Broken) else found


def _protego(lines: list[str]) -> Protego:
    return Protego.parse("\n".join(lines))


def _reader() -> Work:
    return _protego


def _read_by(work: Work, lines: list[str], hear: Callable[[Any], None]) -> Protego:
    return work(lines)
