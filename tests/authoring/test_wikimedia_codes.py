"""The wikis of a language, whatever they are called; and never another's that is called as it is."""

import pytest

from ulmkit.authoring.wikimedia_codes import is_variety, tag_of, wikis_of_tag


@pytest.mark.parametrize(
    ("code", "tag", "has", "never"),
    [
        ("fa", "fa", "fa", "pnb"),
        ("zh-yue", "yue", "zh-yue", "zh"),
        ("zh", "zh", "zh", "zh-yue"),
        ("zh-min-nan", "nan", "zh-min-nan", "zh"),
        ("zh-classical", "lzh", "zh-classical", "zh"),
        ("be-tarask", "be-tarask", "be-x-old", "be"),
        ("be", "be", "be", "be-tarask"),
        ("nds-nl", "nds-NL", "nds-nl", "nds"),
        ("nds", "nds", "nds", "nds-nl"),
        ("simple", "en-simple", "simple", "en"),
        ("en", "en", "en", "simple"),
        ("roa-rup", "rup", "roa-rup", "ro"),
        ("roa_rup", "rup", "roa-rup", "ro"),
        ("roa-tara", "nap-x-tara", "roa-tara", "nap"),
        ("nap", "nap", "nap", "roa-tara"),
        ("map-bms", "jv-x-bms", "map-bms", "jv"),
        ("bat-smg", "sgs", "bat-smg", "lt"),
        ("fiu-vro", "vro", "fiu-vro", "et"),
        ("et", "et", "et", "fiu-vro"),
        ("cbk-zam", "cbk", "cbk-zam", "es"),
        ("no", "no", "no", "nn"),
        ("nb", "nb", "no", "nn"),
        ("gsw", "gsw", "als", "sq"),
        ("als", "als", "", "als"),  # Tosk Albanian's in ISO 639-3
        ("nrf", "nrf", "nrm", "fr"),
        ("nrm", "nrm", "", "nrm"),  # Narom's
        ("bho", "bho", "bh", "hi"),
        ("fil", "fil", "tl", "en"),
        ("pa-Arab", "pa-Arab", "pnb", "pa"),
        ("az-arab", "az-Arab", "azb", "az"),
        ("az-Latn", "az-Latn", "az", "azb"),
        ("uz-Cyrl", "uz-Cyrl", "uz-Cyrl", "uz"),
        ("sr-Latn", "sr-Latn", "sr-Latn", "sh"),
    ],
)
def test_a_language_has_its_wikis_and_no_other(code: str, tag: str, has: str, never: str) -> None:
    assert tag_of(code) == tag
    found = wikis_of_tag(tag)
    assert (has in found) if has else not found
    assert never not in found


def test_a_region_an_orthography_and_a_dialect_are_varieties_and_a_script_is_none() -> None:
    varieties = ("nds-NL", "be-tarask", "en-simple", "jv-x-bms")
    assert [is_variety(tag) for tag in (*varieties, "fa", "az-Arab")] == [True] * 4 + [False] * 2
