"""Subtitles and message files are text: cues and messages, without numbers, times, marks."""

import re
from pathlib import Path

import pytest

from ulmkit.document import RawDocument, Unreadable
from ulmkit.formats import reasons
from ulmkit.formats.read import read_file
from ulmkit.formats.spoken import said

SRT = """1
00:00:00,000 --> 00:00:01,900
{\\an8}Läksime vara

2
00:00:02,000 --> 00:00:03,900
<i>majast välja.</i> Oli külm.

3
00:00:04,000 --> 00:00:05,000
- Kas võtsid vihmavarju?
- Ei!

4
00:00:05,100 --> 00:00:05,900
[muusika]

5
00:01:04,000 --> 00:01:06,900
Pärast ootasime rongi.
"""
SAID = "Läksime vara majast välja. Oli külm.\nKas võtsid vihmavarju?\nEi!\nPärast ootasime rongi."
VTT = "WEBVTT\n\nNOTE märkus\n\nSTYLE\n::cue {}\n\n" + SRT.replace(",", ".").replace(
    "00:00:00.000", "00:00.000"
).replace("Oli", "<v Mari>Oli")
ASS = """[Script Info]
Title: näide

[V4+ Styles]
Format: Name, Fontname
Style: Default,Arial

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Comment: 0,0:00:00.00,0:00:01.00,Default,,0,0,0,,märkus
Dialogue: 0,0:00:02.00,0:00:03.90,Default,,0,0,0,,{\\i1}majast välja.{\\i0} Oli külm.
Dialogue: 0,0:00:00.00,0:00:01.90,Default,,0,0,0,,{\\an8}Läksime\\hvara
Dialogue: 0,0:00:02.00,0:00:03.90,Default,,0,0,0,,{\\p1}m 0 0 l 100 0{\\p0}
Dialogue: 0,0:00:04.00,0:00:05.00,Default,Mari,0,0,0,,- Kas võtsid vihmavarju?\\N- Ei!
Dialogue: 0,0:00:05.10,0:00:05.90,Default,,0,0,0,,[muusika]
Dialogue: 0,0:01:04.00,0:01:06.90,Default,,0,0,0,,Pärast ootasime rongi.
"""
PO = """# märkus
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\\n"

#: a.c:1
msgid "The file"
msgstr "Faili ei "
"saa \\"avada\\"."

msgid "%d note"
msgid_plural "%d notes"
msgstr[0] "%d märge leiti."
msgstr[1] "%d märget leiti."

#, fuzzy
msgid "Close"
msgstr "Ava"

msgid "Open"
msgstr ""

#~ msgid "Old"
#~ msgstr "Vana"
"""


def read(path: Path, data: bytes) -> list[RawDocument | Unreadable]:
    path.write_bytes(data)
    return list(read_file(path))


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.srt", SRT), ("b.vtt", VTT), ("noname", SRT.replace("\n", "\r\n")), ("c", VTT), ("d.ass", ASS), ("e", ASS)],
)
def test_subtitles_are_what_is_said(tmp_path: Path, name: str, text: str) -> None:
    (document,) = read(tmp_path / name, text.encode())
    assert isinstance(document, RawDocument)
    assert document.content == SAID


SBV = "0:00:00.000,0:00:01.900\nLäksime vara\n\n0:00:02.000,0:00:03.900\nmajast välja. Oli külm.\n"
FRAMES = "{1}{1}25\n{2}{45}Läksime vara\n{50}{95}{Y:i}majast välja.|Oli külm.\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.sbv", SBV), ("b", SBV), ("c.sub", FRAMES), ("d", FRAMES)],
)
def test_other_subtitles_are_what_is_said(tmp_path: Path, name: str, text: str) -> None:
    (document,) = read(tmp_path / name, text.encode())
    assert isinstance(document, RawDocument)
    assert document.content == "Läksime vara majast välja. Oli külm."


@pytest.mark.parametrize(
    "damaged",
    [
        re.sub(r"\n\n", "\n", SRT),
        re.sub(r"\n\n\d\n", "\n", SRT),
        re.sub(r"(\d\d):(\d\d):(\d\d),", r"\1: \2: \3, ", SRT),
    ],
    ids=["no blank lines", "neither blank lines nor numbers", "spaces in times"],
)
def test_damaged_subtitles_are_what_is_said(tmp_path: Path, damaged: str) -> None:
    """No time and no number of a cue is text, and no cue is swallowed by the one above it."""
    (document,) = read(tmp_path / "a.srt", damaged.encode())
    assert isinstance(document, RawDocument)
    assert document.content == SAID


def test_lyrics_keep_their_lines_and_a_chat_its_times(tmp_path: Path) -> None:
    lyrics = "[ti:Laul]\n[ar:Koor]\n[00:01.00]Sadas vihma\n[00:03.50][00:09.00]<00:03.50>kogu <00:04.00>öö.\n"
    for name in ("a.lrc", "b"):
        (document,) = read(tmp_path / name, lyrics.encode())
        assert isinstance(document, RawDocument)
        assert document.content == "Sadas vihma\nkogu öö."
    chat = "[12:00] Mari: tere\n[12:01] Jüri: tere ise\n"
    (document,) = read(tmp_path / "c.txt", chat.encode())
    assert isinstance(document, RawDocument)
    assert document.content == chat


def test_captions_that_roll_are_said_once() -> None:
    rolling = "".join(
        f"{n}\n00:00:0{n},000 --> 00:00:0{n},900\n{a}\n{b}\n\n"
        for n, (a, b) in enumerate([("esimene", "teine"), ("teine", "kolmas"), ("kolmas", "neljas.")])
    )
    assert said(rolling) == "esimene teine kolmas neljas."


def test_messages_are_their_translations(tmp_path: Path) -> None:
    """No questions, nothing doubtful, nothing out of use; a file without a translation says so."""
    (document,) = read(tmp_path / "a.po", PO.encode())
    assert isinstance(document, RawDocument)
    assert document.content == 'Faili ei saa "avada".\n%d märge leiti.\n%d märget leiti.'
    (complaint,) = read(tmp_path / "a.pot", b'msgid ""\nmsgstr ""\n\nmsgid "Open"\nmsgstr ""\n')
    assert isinstance(complaint, Unreadable)
    assert complaint.reason == reasons.EMPTY_TEXT


TTML = """<?xml version="1.0" encoding="UTF-8"?>
<tt xmlns="http://www.w3.org/ns/ttml" xml:lang="et"><head><metadata><desc>Näide</desc></metadata></head>
<body><div>
<p begin="00:00:00.000" end="00:00:01.900">Läksime vara</p>
<p begin="2s" dur="1.9s"><span tts:fontStyle="italic">majast välja.</span> Oli külm.</p>
<p begin="00:00:04:00" end="00:00:05:00">- Kas võtsid vihmavarju?<br/>- Ei!</p>
<p begin="5100ms" end="5900ms">[muusika]</p>
<p begin="00:01:04.000" end="00:01:06.900">Pärast ootasime rongi.</p>
</div></body></tt>
"""


@pytest.mark.parametrize("name", ["a.ttml", "a.dfxp", "a.xml"])
@pytest.mark.parametrize("prefix", ["", "tt:"])
def test_timed_text_is_read_like_other_subtitles(tmp_path: Path, name: str, prefix: str) -> None:
    told = re.sub(r"(</?)(?=\w)", rf"\1{prefix}", TTML)
    (tmp_path / name).write_text(told)
    (document,) = read_file(tmp_path / name)
    assert isinstance(document, RawDocument)
    assert document.content == SAID


def test_xml_whose_root_only_begins_like_timed_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text('<?xml version="1.0"?><ttx><p begin="1s">Tere</p></ttx>')
    (told,) = read_file(tmp_path / "a.xml")
    assert isinstance(told, Unreadable)
    assert told.reason == reasons.UNSUPPORTED
