"""A language without labels refuses what an identifier is sure of, and no more."""

from ulmkit.corpus.identify import identify, sure_label
from ulmkit.language import registry

ENGLISH = "The old town lies on the river, and the people who live there have worked in the mills for a long time. " * 4
UNKNOWN = "Zub mlok trane biv, plon zadu mik ranta velu. " * 8


def test_what_is_surely_another_language_goes_and_what_nobody_knows_stays() -> None:
    language = registry.get("et").with_(identification={"labels": [], "relatives": []})
    verdict = identify(ENGLISH, language)
    assert (verdict.reason, verdict.detail.split(" ")[0]) == ("other language", "en")
    assert identify(UNKNOWN, language).keep
    assert sure_label("The old town.") == ""  # too short to be sure
