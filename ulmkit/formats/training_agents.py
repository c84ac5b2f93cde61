"""Which crawlers gather text to train models, by the names that a robots.txt gives them."""

from functools import cache
from pathlib import Path

PURPOSE = "purpose: "  # before what a group of a robots.txt is for, where it is for all who come for that


@cache
def training_agents() -> tuple[str, ...]:
    """The names in training_agents.tsv, which says who runs each and when that was read."""
    lines = Path(__file__).with_name("training_agents.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return tuple(row[0] for row in rows[1:])
