"""What `language check` and the demo ask of the stages, on the bundled samples."""

from dataclasses import replace

from ulmkit.cli.stages import samples, tokenize
from ulmkit.language.registry import get
from ulmkit.progress import silent


def test_few_samples_carry_few_pieces() -> None:
    """A folder that has only begun is measured with what it has."""
    language = get("et")
    articles = samples(language, silent)[:8]
    asked = tokenize(replace(language, tokenizer=replace(language.tokenizer, demo_vocabulary=600)), articles, silent)
    assert (asked.vocabulary, asked.exact) == (600, asked.total)
    most = tokenize(replace(language, tokenizer=replace(language.tokenizer, demo_vocabulary=50_000)), articles, silent)
    assert 600 < most.vocabulary < 50_000
    assert most.exact == most.total == 8
