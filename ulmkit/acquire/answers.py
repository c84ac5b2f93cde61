"""What does an answer mean for the page that was asked for: is it kept, does it lead on, is it asked again, and when?

What it means for the server is told by hosts.py.
"""

import email.utils
import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import urljoin

import xxhash

from ulmkit.formats.canonical import canonical

if TYPE_CHECKING:
    from ulmkit.acquire.client import Answer

MOST_HOPS = 5  # redirects in a row
BUSY = frozenset({429, 503})  # the whole server asks for a pause
FORBIDDEN = {401: 1, 402: 2, 403: 2, 407: 1}  # how much each counts; 402 and 403 are what walls against robots answer
LOST = frozenset({"timeout", "broken off", "no such host", "unreachable", "certificate"})  # problems of the network
_MOVED = frozenset({301, 302, 303, 307, 308})
_GONE = frozenset({404, 410, 451})
_FAILING = frozenset({408, 425, 500, 502, 504, *range(520, 530)})
_FAILING_WAITS_S = (60.0, 240.0, 960.0)
_LOST_WAITS_S = (60.0, 600.0, 3600.0)
_BUSY_TRIES = 10  # the server asked for patience, not the page
_SPREAD = 0.2  # of a wait: pages that failed together do not come back together
_LEAST_PAUSE_S, _MOST_PAUSE_S = 1.0, 86_400.0


@dataclass(frozen=True)
class PageOutcome:
    """What becomes of a page. `reason` is one of few words or a status, `target` where a redirect leads.

    `kept`: a page; `revisit`: as it was; `redirect`: ask for `target`; `gone`: 404, 410 or 451; `refused`: not for us;
    `retry`: ask again in `again_s` seconds, and not before its server is ready; `failed`: not again in this run.
    """

    state: Literal["kept", "revisit", "redirect", "gone", "refused", "retry", "failed"]
    reason: str = ""
    target: str = ""
    again_s: float = 0.0


def page_outcome(
    answer: "Answer", tries: int, *, conditional: bool, hops: int = 0, busy: AbstractSet[int] = BUSY
) -> PageOutcome:
    """What `answer` means for a page that was asked for `tries` times before.

    `conditional` says that the request was to be answered with 304 for what has not changed, `hops` by how many
    redirects in a row the page was reached, `busy` which statuses ask the server's guests to wait.
    """
    if answer.problem:
        return _without_answer(answer, tries)
    status = answer.status
    if status == 200:
        return PageOutcome("kept") if answer.body else PageOutcome("failed", "empty")
    if status == 304:
        return PageOutcome("revisit") if conditional else PageOutcome("failed", "304 unasked")
    if status in busy:
        return PageOutcome("retry", "busy") if tries < _BUSY_TRIES else PageOutcome("failed", "busy")
    if status in _MOVED:
        return _moved(answer, hops)
    if status in _GONE:
        return PageOutcome("gone", str(status))
    if status in FORBIDDEN:
        return PageOutcome("refused", "forbidden")
    if status in _FAILING:
        return _again(answer, tries, str(status), _FAILING_WAITS_S)
    return PageOutcome("failed", str(status))


def _without_answer(answer: "Answer", tries: int) -> PageOutcome:
    if answer.problem in ("forbidden address", "bad address"):
        return PageOutcome("refused", answer.problem)
    if answer.problem in LOST or answer.problem == "too slow":
        return _again(answer, tries, answer.problem, _LOST_WAITS_S)
    return PageOutcome("failed", answer.problem)


def _again(answer: "Answer", tries: int, reason: str, waits: tuple[float, ...]) -> PageOutcome:
    if tries >= len(waits):
        return PageOutcome("failed", reason)
    dice = xxhash.xxh3_64_intdigest(f"{answer.url} {tries}".encode("utf-8", "surrogatepass")) / 2**64
    return PageOutcome("retry", reason, again_s=waits[tries] * (1 - _SPREAD + 2 * _SPREAD * dice))


def _moved(answer: "Answer", hops: int) -> PageOutcome:
    location = answer.header("location").strip()
    if hops >= MOST_HOPS:
        return PageOutcome("failed", "redirects")
    try:
        target = canonical(urljoin(answer.url, location)) if location else ""
    except ValueError:
        target = ""
    if not target:
        return PageOutcome("failed", "redirect to no address")
    if answer.url.startswith("https:") and not target.startswith("https:"):
        return PageOutcome("refused", "redirect to http")
    return PageOutcome("redirect", target=target)


def asked_pause(answer: "Answer", now: float) -> float | None:
    """Seconds that a server asks us to wait, from a second to a day; None where it says nothing that can be meant.

    A date is taken by the server's own clock where it tells its time, else by `now`, seconds since 1970.
    """
    value = answer.header("retry-after").strip()
    if re.fullmatch(r"[0-9]{1,300}", value):
        seconds = float(value)
    else:
        when, date = _seconds(value), _seconds(answer.header("date"))
        if when is None:
            return None
        seconds = when - (now if date is None else date)
        if seconds <= 0:
            return None
    return min(max(seconds, _LEAST_PAUSE_S), _MOST_PAUSE_S)


def _seconds(date: str) -> float | None:
    """A date of HTTP as seconds since 1970."""
    try:
        return email.utils.parsedate_to_datetime(date.strip()).timestamp()
    except (ValueError, TypeError, OverflowError, OSError):
        return None
