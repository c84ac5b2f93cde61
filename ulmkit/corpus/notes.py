"""What a person should hear of a build beside its counts: the limit that took most, and where it is changed."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ulmkit.artifacts.layout import SPLITS
from ulmkit.corpus.filters import FILTERS
from ulmkit.corpus.split import wanted_splits
from ulmkit.corpus.tally import Tally
from ulmkit.errors import shown
from ulmkit.language.forms import STANDARD
from ulmkit.language.spec import Language

NEARLY_ALL = 0.9  # of a source's documents: a limit that takes so many was perhaps not made for such
WORTH_A_SHARE = 10  # documents that a share is said of


def limits_behind(reason: str) -> list[str]:
    """The limits of `[filters]` that documents are dropped by for `reason`, in order.

    >>> limits_behind("too short"), limits_behind("few stop words"), limits_behind("other language")
    (['min_characters'], ['min_stop_words', 'min_stop_word_share'], [])
    """
    return list(dict.fromkeys(row.limit for row in FILTERS if row.reason == reason))


def how_to_change(reason: str, language: Language) -> str:
    """Which limits stand behind `reason`, what they are, and where they are changed; empty where none does."""
    names = limits_behind(reason)
    if not names:
        return ""
    values = " and ".join(f"{name} is {_plain(getattr(language.filters, name))}" for name in names)
    file = shown(language.folder / "language.toml")
    return f"{values}: change it for one run with --filter {names[0]}=VALUE, or in [filters] of {file}"


def _plain(value: Any) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)


def limit_that_took_most(counts: Tally, language: Language) -> str:
    """A sentence about the limit that dropped most of all documents; empty where no limit dropped any."""
    for reason, count in counts.dropped.most_common():
        if how := how_to_change(reason, language):
            return f"Most went for one limit ({count:,} of {counts.read:,} {reason}). {how}."
    return ""


def _written_notes(counts: Tally, language: Language) -> Iterator[str]:
    """Of each source, texts whose lines were wrapped, look so, or that are cut into tokens."""
    for source, states in sorted(counts.written.items()):
        joined = {state.rpartition(" ")[2]: n for state, n in states.items() if state.startswith("joined")}
        looks = {state.rpartition(" ")[2]: n for state, n in states.items() if state.startswith("looks")}
        if joined:
            many = f"{sum(joined.values()):,} texts"
            yield f"{source}: lines of {many} were wrapped, at {_widths(joined)}: they were joined."
        if looks:
            yield (
                f"{source}: lines of {sum(looks.values()):,} texts look wrapped at {_widths(looks)}. They were kept, "
                "since it is not sure: join them before the build if they are."
            )
        if states["tokenized"] and language.profile_for("tokenized") == STANDARD:
            yield (
                f"{source}: {states['tokenized']:,} texts are cut into tokens, with a space before each comma. "
                f'{language.code} has no profile with when = "tokenized" that sets them right.'
            )


def _widths(counts: Mapping[str, int]) -> str:
    """The commonest widths, in characters."""
    common = sorted(counts, key=lambda width: (-counts[width], int(width)))[:3]
    return f"{', '.join(sorted(common, key=int))}{' and other' if len(counts) > 3 else ''} characters"


def notes_on(
    counts: Tally, splits: Mapping[str, Mapping[str, Any]], language: Language, shares: Sequence[float]
) -> list[str]:
    """Each a sentence: identification that is off, sources that one limit took nearly whole, texts that were
    wrapped or cut into tokens, and splits that are empty
    though they were wanted."""
    found = []
    if not language.identification.labels:
        refused = counts.dropped["other language"]
        found.append(
            "Identification is off: [identification] has no labels. Only what pycld2 is sure of as another language is "
            f"refused ({refused:,}); where it takes this language for that, give it as a label."
        )
    for source, dropped in sorted(counts.dropped_of.items()):
        read = counts.sources.get(source, Counter())["read"]
        reason, count = dropped.most_common(1)[0] if dropped else ("", 0)
        if read >= WORTH_A_SHARE and count > NEARLY_ALL * read and (how := how_to_change(reason, language)):
            found.append(f"{source}: {count:,} of {read:,} documents went as {reason}. {how}.")
    found += list(_written_notes(counts, language))
    empty = [split for split in SPLITS if split in wanted_splits(*shares) and not splits[split]["documents"]]
    if empty:
        clusters = sum(split["documents"] for split in splits.values())
        given = {"valid": "--valid-share 0", "test": "--test-share 0"}
        without = " ".join(given[split] for split in empty if split in given) or "other shares"
        found.append(
            f"{' and '.join(empty)}: no documents, since the corpus has {clusters} in all. Give more input; to build "
            f"without, say {without}."
        )
    return found
