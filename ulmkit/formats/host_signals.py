"""What a server said, beside its pages, of the use of a page's text: robots.txt, tdmrep.json, ai.txt.

What was said when a page was fetched is stored with the page, as JSON in the header `WARC-Ulmkit-Signals` of its
record: so it can be decided anew, without a network, what follows from it.

Content-Usage: draft-ietf-aipref-attach-05. TDM Reservation Protocol:
https://www.w3.org/community/reports/tdmrep/CG-FINAL-tdmrep-20240202/ . ai.txt: https://site.spawning.ai/spawning-ai-txt
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from ulmkit.formats.canonical import canonical, percent_encoded

MOST_VALUES = 20  # lines or agents that are stored for one page
LONGEST_VALUE = 300
_RULE = re.compile(r"\s*(user-agent|allow|disallow|training)\s*:\s*(.*?)\s*", re.I)
_DENIED = frozenset(("deny", "denied", "disallow", "disallowed", "no", "none", "false", "forbidden", "not allowed"))
_TEXTS = ("/text.txt", "/text.html")  # what an ai.txt that goes by kinds of files says of text


@dataclass(frozen=True)
class HostSignals:
    """What was said about one page. Empty fields: nothing.

    `robots`: (`content-signal` or `content-usage`, its preferences) of our group, as far as they are for this page;
    `agents`: crawlers of training data that robots.txt keeps from it; `tdm` and `tdm_policy`: what tdmrep.json says of
    it, "1" for reserved, "0" for not; `ai`: `allow` or `disallow`, what ai.txt says of its text.
    """

    robots: tuple[tuple[str, str], ...] = ()
    agents: tuple[str, ...] = ()
    tdm: str = ""
    tdm_policy: str = ""
    ai: str = ""

    def to_json(self) -> str:
        """As one line of ASCII; empty where nothing was said."""
        said = {name: value for name, value in vars(self).items() if value}
        return json.dumps(said, separators=(",", ":")) if said else ""

    @classmethod
    def from_json(cls, text: str) -> "HostSignals":
        """What `to_json` wrote. Of anything else, as much as can be understood."""
        try:
            said = json.loads(text) if text else {}
        except (ValueError, RecursionError):
            return cls()
        if not isinstance(said, dict):
            return cls()
        robots, agents = said.get("robots"), said.get("agents")
        return cls(
            robots=tuple(
                (each[0], each[1])
                for each in (robots if isinstance(robots, list) else [])
                if isinstance(each, list) and len(each) == 2 and all(isinstance(part, str) for part in each)
            ),
            agents=tuple(each for each in (agents if isinstance(agents, list) else []) if isinstance(each, str)),
            **{key: said[key] for key in ("tdm", "tdm_policy", "ai") if isinstance(said.get(key), str)},
        )


def host_signals(
    url: str,
    *,
    robots: Iterable[tuple[str, str]] = (),
    agents: Iterable[str] = (),
    tdmrep: str = "",
    ai_txt: str = "",
) -> HostSignals:
    """What is said about `url` by `RobotRules.signals` and `.refused_agents(url)`, and by the texts of two files.

    A file that cannot be understood says nothing.
    """
    robots, agents = tuple(robots), tuple(agents)[:MOST_VALUES]
    if not (robots or tdmrep or ai_txt):
        return HostSignals(agents=agents) if agents else NOTHING_SAID
    path = _path_of(url)
    reserved, policy = _tdm(tdmrep, path)
    said = [(name, value[:LONGEST_VALUE]) for name, value in _longest(robots, path)]
    return HostSignals(tuple(said[:MOST_VALUES]), agents, reserved, policy, _ai(ai_txt, path))


def path_matches(pattern: str, path: str) -> bool:
    """Whether `path` with its query begins as `pattern`, in which `*` is anything and `$` at the end the end.

    >>> path_matches("/a*.html$", "/a/b.html"), path_matches("/a", "/b/a")
    (True, False)
    """
    whole = pattern.endswith("$")
    first, *rest = re.sub(r"\*+", "*", pattern.removesuffix("$")).split("*")
    if not path.startswith(first):
        return False
    at = len(first)
    if not rest:
        return not whole or at == len(path)
    for part in rest[:-1]:
        found = path.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    if whole:
        return len(path) - len(rest[-1]) >= at and path.endswith(rest[-1])
    return path.find(rest[-1], at) >= 0


def _pattern(text: str) -> str:
    """A pattern in the percent-encoding of addresses."""
    return percent_encoded(text.encode("utf-8", "replace").decode())


def _path_of(url: str) -> str:
    """Path and query in one percent-encoding."""
    try:
        parts = urlsplit(canonical(url))
    except ValueError:
        return "/"
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _longest(lines: Iterable[tuple[str, str]], path: str) -> list[tuple[str, str]]:
    """Preferences for `path`: of each name those with the longest path that it begins with, which may be none."""
    found: dict[str, tuple[int, list[str]]] = {}
    for name, value in lines:
        pattern = ""
        if value.startswith("/"):
            pattern, *rest = value.split(None, 1)
            value = rest[0] if rest else ""
        if not value or not path_matches(_pattern(pattern), path):
            continue
        length = len(pattern)
        if length > found.get(name, (-1, []))[0]:
            found[name] = (length, [])
        if length == found[name][0]:
            found[name][1].append(value)
    return [(name, value) for name, (_, values) in found.items() for value in values]


def _tdm(text: str, path: str) -> tuple[str, str]:
    """What a tdmrep.json says of `path`: of its rules the first that fits counts."""
    try:
        rules = json.loads(text) if text.strip() else []
    except (ValueError, RecursionError):
        return "", ""
    for rule in rules if isinstance(rules, list) else [rules]:
        if not isinstance(rule, dict) or not isinstance(rule.get("location"), str):
            continue
        location = rule["location"]
        if path_matches(_pattern(location if location.startswith(("/", "*")) else f"/{location}"), path):
            reserved, policy = str(rule.get("tdm-reservation", "")), rule.get("tdm-policy", "")
            if reserved in ("0", "1"):
                return reserved, policy[:LONGEST_VALUE] if isinstance(policy, str) else ""
    return "", ""


def _ai(text: str, path: str) -> str:
    """What an ai.txt says of a page's text: by its address, and by kinds of files where it names those."""
    groups: list[tuple[set[str], list[tuple[str, bool]]]] = []
    names_follow = False
    for line in text.splitlines():
        found = _RULE.fullmatch(line.partition("#")[0])
        if not found:
            continue
        name, value = found[1].lower(), found[2]
        if name == "training":
            if value.lower() in _DENIED:
                return "disallow"
            continue
        if name == "user-agent":
            if not names_follow:
                groups.append((set(), []))
            groups[-1][0].add(value.lower().partition("/")[0].strip())
        elif groups and value:
            groups[-1][1].append((_pattern(value), name == "allow"))
        names_follow = name == "user-agent"
    ours = [rules for names, rules in groups if "ulmkit" in names] or [rules for names, rules in groups if "*" in names]
    rules = [rule for each in ours for rule in each]
    if not rules:
        return ""
    by_kind = [verdict for verdict in (_decided(rules, each) for each in _TEXTS) if verdict[0] > 1]
    decided = [verdict for verdict in (_decided(rules, path), *by_kind) if verdict[0] > 1]
    if not decided:
        decided = [_decided(rules, path)]
    return "allow" if all(allowed for _, allowed in decided) else "disallow"


def _decided(rules: list[tuple[str, bool]], path: str) -> tuple[int, bool]:
    """Length of the longest pattern that fits, and whether it allows; of equals the one that allows."""
    return max(
        ((len(pattern), allowed) for pattern, allowed in rules if path_matches(pattern, path)), default=(0, True)
    )


NOTHING_SAID = HostSignals()
