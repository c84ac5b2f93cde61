"""What `language check` and the demo make of the bundled samples."""

from dataclasses import replace

from ulmkit.authoring.checks.trials import sample_articles, tokenizer_figures
from ulmkit.language.registry import get
from ulmkit.language.spec import Language


def test_few_samples_carry_few_pieces() -> None:
    """A folder that has only begun is measured with what it has."""

    def asking(pieces: int) -> Language:
        return replace(language, tokenizer=replace(language.tokenizer, demo_vocabulary=pieces))

    language = get("et")
    articles = sample_articles(language)[:8]
    asked = tokenizer_figures(asking(600), articles)
    assert (asked.vocabulary, asked.exact) == (600, asked.total)
    most = tokenizer_figures(asking(50_000), articles)
    assert 600 < most.vocabulary < 50_000
    assert most.exact == most.total == 8
