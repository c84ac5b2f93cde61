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
