"""A build counts what stood between letters and showed nothing, and what was lost of it."""

from ulmkit.corpus.tally import Tally
from ulmkit.language import registry


def test_what_becomes_no_joiner_is_lost_by_source() -> None:
    tally = Tally()
    persian = registry.get("fa").normalize
    tally.count_hidden("books", "می\u200fشود و می\u200fرود، سلام\u200f دو\u00adنفر", persian)
    assert tally.hidden == {"books": {"U+200F": 2, "U+200F lost": 0, "U+00AD": 1, "U+00AD lost": 1}}
    tally.count_hidden("page", "raa\u00admat", registry.get("et").normalize)
    assert tally.hidden["page"] == {"U+00AD": 1, "U+00AD lost": 1}
    assert Tally.from_json(tally.to_json()).hidden == tally.hidden


def test_whatever_shows_nothing_is_counted() -> None:
    tally = Tally()
    tally.count_hidden(
        "converted", "می\u009dرود می\u001fرود می\u0003رود می\u180eرود م\ufe00ن", registry.get("fa").normalize
    )
    counts = {name: count for name, count in tally.hidden["converted"].items() if count}
    assert counts == {
        "U+009D": 1, "U+001F": 1, "U+180E": 1, "U+0003": 1, "U+0003 lost": 1, "U+FE00": 1, "U+FE00 lost": 1,
    }  # fmt: skip
