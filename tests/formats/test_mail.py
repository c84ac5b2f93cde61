"""Mails, alone and in boxes: what the writer wrote, whatever it was packed in, and nothing of what he answers to."""

import base64
import quopri
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmkit.document import RawDocument, Unreadable
from ulmkit.formats import reasons
from ulmkit.formats.mail import written
from ulmkit.formats.origin import Record
from ulmkit.formats.read import read_file
from ulmkit.formats.recognise import recognise
from ulmkit.formats.streams import Limits

FIELDS = "From: Mari <m@a.ee>\nTo: k@a.ee\nDate: Tue, 3 Mar 2020 10:00:00 +0200\nSubject: {}\n"
TEXT = "Tänane jõgi oli üle kallaste.\nSild jäi terveks."


def mail(body: bytes, *fields: str, subject: str = "Jõgi") -> bytes:
    return (FIELDS.format(subject) + "".join(f"{field}\n" for field in fields) + "\n").encode() + body


def read(tmp_path: Path, data: bytes, name: str = "a.eml", **options: Limits) -> list[Record]:
    (tmp_path / name).write_bytes(data)
    return list(read_file(tmp_path / name, **options))


def texts(records: list[Record]) -> list[str | bytes]:
    return [record.content for record in records if isinstance(record, RawDocument)]


PLAIN = "Content-Type: text/plain; charset={}"


@pytest.mark.parametrize(
    "data",
    [
        mail(TEXT.encode()),
        mail(TEXT.encode(), PLAIN.format("utf-8"), "Content-Transfer-Encoding: 8bit"),
        mail(quopri.encodestring(TEXT.encode()), PLAIN.format("utf-8"), "Content-Transfer-Encoding: quoted-printable"),
        mail(base64.encodebytes(TEXT.encode()), PLAIN.format("UTF-8"), "Content-Transfer-Encoding: base64"),
        mail(TEXT.encode("iso-8859-15"), PLAIN.format("iso-8859-15"), "Content-Transfer-Encoding: 8bit"),
        mail(TEXT.encode(), PLAIN.format("no-such-charset"), "Content-Transfer-Encoding: 8bit"),
        mail(TEXT.encode() + b"\n-- \nMari Maasikas\nJ\xc3\xb5e 3\n"),
        mail(TEXT.encode() + b"\n\nOn Tue, 3 Mar 2020 Karl wrote:\n> Kuidas j\xc3\xb5gi on?\n>\n>> ja sild\n"),
        mail(TEXT.encode().replace(b"\n", b"\r\n")),
    ],
    ids=["bare", "8bit", "quoted-printable", "base64", "old charset", "unknown charset", "signature", "quoted", "CRLF"],
)  # fmt: skip
def test_what_the_writer_wrote_is_the_text(tmp_path: Path, data: bytes) -> None:
    (record,) = read(tmp_path, data)
    assert isinstance(record, RawDocument)
    assert (record.content, record.title) == (TEXT, "Jõgi")
    assert record.published_at is not None
    assert record.published_at.isoformat() == "2020-03-03T08:00:00+00:00"


@pytest.mark.parametrize("subject", ["=?utf-8?B?SsO1Z2k=?=", "=?iso-8859-1?Q?J=F5gi?=", "Jõgi"])
def test_a_subject_is_read_however_it_is_spelled(tmp_path: Path, subject: str) -> None:
    (record,) = read(tmp_path, mail(TEXT.encode(), subject=subject))
    assert isinstance(record, RawDocument)
    assert record.title == "Jõgi"


def test_of_several_parts_the_plain_text_is_read_and_else_the_page(tmp_path: Path) -> None:
    def part(kind: str, text: str, more: str = "") -> str:
        return f"--x\nContent-Type: {kind}; charset=utf-8\n{more}\n{text}\n"

    page, name = "<p>Tere, jõgi.</p>", "Content-Disposition: attachment; filename=a.txt\n"
    boundary = 'Content-Type: multipart/mixed; boundary="x"'
    both = part("text/plain", "fail", name) + part("text/html", page) + part("text/plain", TEXT) + "--x--\n"
    assert texts(read(tmp_path, mail(both.encode(), boundary))) == [TEXT]
    (record,) = read(tmp_path, mail((part("text/html", page) + "--x--\n").encode(), boundary))
    assert isinstance(record, RawDocument)
    assert (record.kind, record.content, record.encoding) == ("html", page.encode(), "utf-8")
    (none,) = read(tmp_path, mail((part("image/png", "x") + "--x--\n").encode(), boundary))
    assert isinstance(none, Unreadable)
    assert (none.reason, none.detail) == (reasons.EMPTY_TEXT, "a mail without text")


BOX = b"".join(
    b"From m@a.ee Tue Mar  3 10:00:00 2020\n" + mail(f"Kiri {n}.\n\n>From siit algab uus rida.\n\n".encode())
    for n in range(3)
)
LETTERS = [f"Kiri {n}.\n\nFrom siit algab uus rida." for n in range(3)]


@pytest.mark.parametrize("name", ["a.mbox", "kirjad", "kirjad.txt"])
@pytest.mark.parametrize("ends", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_a_box_is_a_document_a_mail(tmp_path: Path, name: str, ends: bytes) -> None:
    found = read(tmp_path, BOX.replace(b"\n", ends), name)
    assert texts(found) == LETTERS
    assert [record.id for record in found] == [f"{name}#{n}" for n in (1, 2, 3)]


def test_a_mail_too_large_costs_itself_alone(tmp_path: Path) -> None:
    fat = b"From m@a.ee Tue Mar  3 10:00:00 2020\n" + mail(b"pikk rida\n" * 500 + b"\n")
    found = read(tmp_path, fat + BOX + fat + BOX, "a.mbox", limits=Limits(record=2_000))
    assert texts(found) == LETTERS * 2
    assert [r.reason for r in found if isinstance(r, Unreadable)] == [reasons.TOO_LARGE] * 2


def test_parts_of_parts_without_end_are_one_complaint(tmp_path: Path) -> None:
    deep = "".join(f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n' for n in range(5_000))
    (record,) = read(tmp_path, mail(b"")[:-1] + deep.encode() + b"Content-Type: text/plain\n\nTere\n")
    assert isinstance(record, Unreadable)
    assert record.reason in (reasons.NESTING, reasons.EMPTY_TEXT)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (FIELDS.format("x") + "\nTere", "mail"),
        ("From: a\nSubject: b\nOrganization: c\nLines: 3\n\nTere", "mail"),
        ("From a@b Tue Mar  3 10:00:00 2020\nFrom: a\n\nTere", "mailbox"),
        ("From: Tallinn\nTo: Tartu\n\nSõit oli pikk.", "text"),
        (FIELDS.format("x") + "Ja kohe tekst, ilma tühja reata.", "text"),
        ("From here to 2020\nall was quiet", "text"),
        ("Küsimus: a\nVastus: b\nTeema: c\n\nTere", "text"),
    ],
)
def test_a_mail_is_known_by_its_fields(text: str, kind: str) -> None:
    assert recognise(text.encode(), "a.txt").name == kind


@given(
    st.lists(st.sampled_from(["Tere.", "", "> tsitaat", "Mari kirjutas:", "-- ", "rida", "_" * 40, "|x"]), max_size=30)
)
def test_no_line_is_invented_and_quotations_go(lines: list[str]) -> None:
    kept = written("\n".join(lines)).split("\n")
    left = iter(lines)
    assert all(line in left for line in kept if line)
    assert not any(line.startswith(">") for line in kept)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_complained_of(data: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        for start in (mail(b""), mail(b"", 'Content-Type: multipart/mixed; boundary="x"') + b"--x\n", b""):
            read(Path(folder), start + data)
            read(Path(folder), b"From m@a.ee Tue Mar  3 10:00:00 2020\n" + start + data, "a.mbox")


def test_a_text_that_flows_is_whole_paragraphs(tmp_path: Path) -> None:
    """RFC 3676: a line that ends in a space goes on, what is quoted does not, and some delete the space."""
    flowing = "Tänane jõgi oli \nüle kallaste.\nSild jäi terveks.\n\n> Kas \n> sild?\n-- \nMari\n"
    kind = "Content-Type: text/plain; charset=utf-8; format=flowed"
    assert texts(read(tmp_path, mail(flowing.encode(), kind))) == [TEXT]
    parted = "Tänane jõ \ngi oli üle kallaste.\nSild jäi terveks.\n"
    assert texts(read(tmp_path, mail(parted.encode(), f"{kind}; delsp=yes"))) == [TEXT]


@pytest.mark.parametrize(
    "passed_on",
    [
        "-------- Edastatud kiri --------\nTeema: Vana\nSaatja: Kalle\n\nVana lugu.",
        "From: Kalle <k@a.ee>\nSent: Friday, March 1, 2024 9:00 AM\nTo: m@a.ee\nSubject: RE: Vana\n\nVana lugu.",
        "از: علی <a@b.ir>\nتاریخ: ۱ مارس ۲۰۲۴ ۰۹:۰۰\nبه: مریم\n\nVana lugu.",
    ],
    ids=["dashes", "Outlook", "Persian"],
)
def test_what_is_passed_on_below_its_fields_is_another_mail(passed_on: str) -> None:
    assert written(f"{TEXT}\n\n{passed_on}\n") == TEXT


def test_an_invitation_is_no_mail_that_is_passed_on() -> None:
    for told in ("Aeg: teisipäev kell 10.00\nKoht: raamatukogu\nInfo: m@a.ee", "-- ja --\nKoht: raamatukogu"):
        assert written(f"{TEXT}\n\n{told}\n\nTulge!") == f"{TEXT}\n\n{told}\n\nTulge!"


def test_a_blank_text_beside_a_page_leaves_the_page(tmp_path: Path) -> None:
    both = "--x\nContent-Type: text/plain\n\n \n--x\nContent-Type: text/html; charset=utf-8\n\n<p>Jõgi.</p>\n--x--\n"
    (record,) = read(tmp_path, mail(both.encode(), 'Content-Type: multipart/alternative; boundary="x"'))
    assert isinstance(record, RawDocument)
    assert record.kind == "html"


DIGEST = (
    b"--m\nContent-Type: text/plain\n\nSaada kirjad siia.\n--m\nContent-Type: multipart/digest; boundary=d\n\n"
    + b"".join(b"--d\n\n" + mail(f"Kiri {n}.".encode(), subject=f"Teema {n}") + b"\n" for n in (1, 2))
    + b"--d--\n--m--\n"
)


def test_a_digest_is_the_mails_in_it(tmp_path: Path) -> None:
    digest = mail(DIGEST, "MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="m"')
    records = read(tmp_path, digest)
    assert [(r.content, r.title) for r in records if isinstance(r, RawDocument)] == [
        ("Kiri 1.", "Teema 1"), ("Kiri 2.", "Teema 2"),
    ]  # fmt: skip
    start = b"From m@a.ee Tue Mar  3 10:00:00 2020\n"
    box = read(tmp_path, start + digest + b"\n" + start + mail(b"Kiri 3."), "a.mbox")
    assert texts(box) == ["Kiri 1.", "Kiri 2.", "Kiri 3."]
    assert [record.id for record in box] == ["a.mbox#1", "a.mbox#2", "a.mbox#3"]
