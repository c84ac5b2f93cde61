"""Subtitles and message files: their cues and messages as text, without numbers, times and marks.

SubRip (.srt), WebVTT (https://www.w3.org/TR/webvtt1/), SubStation Alpha (.ass, .ssa), SubViewer (.sbv), MicroDVD
(.sub), lyrics with times (.lrc), TTML (https://www.w3.org/TR/ttml2/; .ttml, .dfxp), gettext
(https://www.gnu.org/software/gettext/manual/html_node/PO-Files.html).
"""

import html
import re
from collections.abc import Iterator

from ulmkit.document import Unreadable
from ulmkit.formats import reasons
from ulmkit.formats.origin import Origin, Record, decoded
from ulmkit.formats.streams import Stream

_TIME = r"(?:(\d{1,3}): ?)?(\d{1,2}): ?(\d{1,2}) ?[,.] ?(\d{1,3})"  # translators' programs put spaces into it
CUE_TIME = re.compile(rf"\s*{_TIME}(?:\s*-->\s*{_TIME}[^\n]*|,{_TIME}\s*)")
_FRAMES = re.compile(r"\{(\d{1,7})\}\{(\d{0,7})\}(.*)")
_RATE = 25.0  # frames a second, where the first cue does not say
_SUNG = re.compile(r"((?:\[\d{1,3}:\d\d(?:[.:]\d{1,3})?\])+)(.*)")
_MARK = re.compile(r"</?[A-Za-z][^<>\n]*>|</?\d[\d:.]*>|\{\\[^{}\n]*\}|\{[yYfFsScC]:[^{}\n]*\}")
_SOUND = re.compile(r"[-–—]?\s*(?:\[[^\[\]]*\]|\([^()]*\)|[♪♫#*\s]*)\s*|.*[♪♫].*")
_SPEAKS = re.compile(r"[-–—‐]\s*(?=\S)")
_ENDED = re.compile(r"[.!?…؟۔。][\"'»”’)\]]*\Z")
_SPOKEN = re.compile(r"Dialogue:[ \t]*(.*)")
_CLOCK = re.compile(r"(\d{1,2}):(\d\d):(\d\d(?:\.\d{1,3})?)")
_DRAWN = re.compile(r"\{[^{}]*\\p[1-9]")  # shapes instead of words
_TIMED_TEXT = re.compile(r"\s*(?:<\?xml[^>]*>\s*|<!--.*?-->\s*)*<(?:\w+:)?tt[\s>]", re.S)
_TOLD = re.compile(r"<((?:\w+:)?)p\b([^<>]*[^<>/])?>(.*?)</\1p\s*>", re.S)
_TOLD_TIME = re.compile(r"\b(begin|end|dur)\s*=\s*[\"']([^\"']*)[\"']")
_TICKS = re.compile(r"([\d.]+)(h|ms|m|s|f|t)")
_TICK_RATE = re.compile(r"\b(?:ttp:)?(tickRate|frameRate)\s*=\s*[\"'](\d{1,9})[\"']")
_HEAD = re.compile(r"<((?:\w+:)?)(head|metadata)\b[^<>]*[^<>/]?>.*?</\1\2\s*>", re.S)
_PAUSE = 2.0  # seconds without a cue, after which a paragraph begins
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_MESSAGE = re.compile(r"(msgctxt|msgid_plural|msgid|msgstr)(?:\[(\d+)\])?[ \t]*(?=\")")
_ESCAPES = {"n": "\n", "t": "\t", "r": "", '"': '"', "\\": "\\"}


def read_subtitles(stream: Stream, origin: Origin) -> Iterator[Record]:
    """One document: what is said, a paragraph a line, ended by a pause; who speaks in turn has a line of his own."""
    data = origin.whole(stream)
    text = data if isinstance(data, Unreadable) else decoded(origin, data)
    yield text if isinstance(text, Unreadable) else origin.document(said(text), "text")


def said(source: str) -> str:
    """The speech of subtitles: cues joined into sentences, marks and sounds left out. Lyrics keep their lines.

    >>> said("1\\n0:00:01,0 --> 0:00:02,0\\n<i>Kas sa</i>\\n\\n2\\n0:00:02,5 --> 0:00:04,0\\ntuled? Jah.\\n")
    'Kas sa tuled? Jah.'
    """
    source = source.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    if sung := [match[2] for match in map(_SUNG.fullmatch, source.split("\n")) if match]:
        return "\n".join(" ".join(_MARK.sub("", line).split()) for line in sung).strip()
    lines: list[str] = []
    ended = 0.0
    for start, end, cue in _cues(source):
        for place, line in enumerate(cue):
            speaks = _SPEAKS.match(line)
            line = line[speaks.end() :] if speaks else line
            if (lines and not _ENDED.search(lines[-1]) and not (speaks and place == 0)) or (
                lines and not speaks and (place or start - ended < _PAUSE)
            ):
                lines[-1] += f" {line}"
            else:
                lines.append(line)
        ended = end
    return "\n".join(lines)


def _cues(source: str) -> Iterator[tuple[float, float, list[str]]]:
    """Start, end and lines of each cue; the same words again, as captions roll, only once."""
    last: list[str] = []
    read = (
        _timed_text
        if _TIMED_TEXT.match(source)
        else _substation
        if "\nDialogue:" in source
        else _by_frames
        if _FRAMES.match(source.lstrip())
        else _timed
    )
    for start, end, lines in read(source):
        shown = [" ".join(_MARK.sub("", line).split()) for line in lines]
        shown = [line for line in shown if line and not _SOUND.fullmatch(line)]
        new = shown[1:] if shown and last and shown[0] == last[-1] else shown
        if new:
            yield start, end, new
        last = shown or last


def _substation(source: str) -> Iterator[tuple[float, float, list[str]]]:
    """Cues of SubStation Alpha, in the order in which they are shown: a line each, its columns named above."""
    columns = 10
    found: list[tuple[float, float, list[str]]] = []
    for line in source.split("\n"):
        if line.startswith("Format:") and line.rstrip().lower().endswith("text"):
            columns = line.count(",") + 1
        spoken = _SPOKEN.match(line)
        cells = spoken[1].split(",", columns - 1) if spoken else []
        times = [_CLOCK.fullmatch(cell.strip()) for cell in cells[1:3]]
        if len(cells) == columns and len(times) == 2 and all(times) and not _DRAWN.search(cells[-1]):
            start, end = (int(t[1]) * 3600 + int(t[2]) * 60 + float(t[3]) for t in times if t)
            found.append((start, end, re.split(r"\\[Nn]", cells[-1].replace("\\h", " "))))
    yield from sorted(found, key=lambda cue: cue[0])


def _timed_text(source: str) -> Iterator[tuple[float, float, list[str]]]:
    """Cues of TTML: a `p` each, its `br` ends a line; what has no time stands where the cue before it ended."""
    rates = {name: float(rate) for name, rate in _TICK_RATE.findall(source[:10_000]) if int(rate)}
    ended = 0.0
    for match in _TOLD.finditer(_HEAD.sub("", source)):
        times = dict(_TOLD_TIME.findall(match[2] or ""))
        start = _told_time(times.get("begin", ""), rates)
        start = ended if start is None else start
        end = _told_time(times.get("end", ""), rates)
        ended = start + (_told_time(times.get("dur", ""), rates) or 0.0) if end is None else end
        lines = re.split(r"<(?:\w+:)?br\b[^<>]*>", match[3])
        yield start, ended, [html.unescape(re.sub(r"<!--.*?-->|<[^<>]*>", "", line, flags=re.S)) for line in lines]


def _told_time(said_time: str, rates: dict[str, float]) -> float | None:
    """Seconds of a time in TTML: a clock, with frames behind it or parts of seconds, or a number with its unit."""
    rate = rates.get("frameRate", _RATE)
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "f": 1 / rate, "t": 1 / rates.get("tickRate", rate)}
    try:
        if match := _TICKS.fullmatch(said_time.strip()):
            return float(match[1]) * units[match[2]]
        hours, minutes, seconds, *frames = said_time.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds) + (float(frames[0]) / rate if frames else 0.0)
    except ValueError:
        return None


def _timed(source: str) -> Iterator[tuple[float, float, list[str]]]:
    """Cues of SubRip, WebVTT and SubViewer, below a line with their time; blank lines between them may be missing."""
    for block in re.split(r"\n[^\S\n]*\n+", source):
        lines = block.split("\n")
        at = next((place for place, line in enumerate(lines[:3]) if CUE_TIME.fullmatch(line)), None)
        if at is None:
            continue  # the file's head, a note, a style
        marks = [place for place in range(at, len(lines)) if CUE_TIME.fullmatch(lines[place])]
        for place, following in zip(marks, [*marks[1:], len(lines) + 1], strict=True):
            times = CUE_TIME.fullmatch(lines[place])
            assert times is not None
            groups = times.groups()
            start, end = (
                int(h or 0) * 3600 + int(m) * 60 + int(s) + int(f.ljust(3, "0")) / 1000
                for h, m, s, f in (groups[:4], groups[4:8] if groups[5] else groups[8:12])
            )
            # the number of the next cue stands over its time
            numbered = following <= len(lines) and lines[following - 1].strip().isdecimal()
            yield start, end, lines[place + 1 : following - 1 if numbered else following]


def _by_frames(source: str) -> Iterator[tuple[float, float, list[str]]]:
    """Cues of MicroDVD, one a line, timed by the pictures of the film; the first may say how many a second has."""
    rate = _RATE
    for place, match in enumerate(filter(None, map(_FRAMES.match, source.lstrip().split("\n")))):
        start, end, text = int(match[1]), int(match[2] or match[1]), match[3]
        if place == 0 and start <= 1 and re.fullmatch(r"\d{2}(?:\.\d{1,3})?", text.strip()) and float(text) > 0:
            rate = float(text)
        else:
            yield start / rate, end / rate, text.split("|")


def read_messages(stream: Stream, origin: Origin) -> Iterator[Record]:
    """One document: the translated messages of a gettext file, a message a line. A file of questions alone has none."""
    data = origin.whole(stream)
    text = data if isinstance(data, Unreadable) else decoded(origin, data)
    if isinstance(text, Unreadable):
        yield text
    elif found := "\n".join(dict.fromkeys(_translations(text))):
        yield origin.document(found, "text")
    else:
        yield origin.unreadable(reasons.EMPTY_TEXT, "no message in it is translated")


def _translations(source: str) -> Iterator[str]:
    for entry in re.split(r"\n[^\S\n]*\n+", source.replace("\r\n", "\n")):
        if re.search(r"^#,[^\n]*\bfuzzy\b|^#~", entry, re.M):
            continue
        fields: dict[str, str] = {}
        field = ""
        for line in entry.split("\n"):
            if match := _MESSAGE.match(line):
                field = f"{match[1]}{match[2] or ''}"
            if field and not line.startswith("#"):
                fields[field] = fields.get(field, "") + "".join(_STRING.findall(line))
        if fields.get("msgid") == "" and "msgctxt" not in fields:
            continue  # the file's own head
        for name, message in fields.items():
            if name.startswith("msgstr") and message.strip():
                yield re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), message).strip()
