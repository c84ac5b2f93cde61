"""Whether a tokenizer gives back the texts of files, letter by letter."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

from ulmkit.document import RawDocument
from ulmkit.formats.inputs import Input, named_inputs, read_input, telling_doubts
from ulmkit.formats.origin import Reading
from ulmkit.language.spec import Language
from ulmkit.text.encoding import Undecodable
from ulmkit.tokenizer.evaluate import RoundTrips, round_trip_texts
from ulmkit.tokenizer.model import Tokenizer


def round_trips_of_files(
    language: Language,
    tokenizer: Tokenizer,
    patterns: Sequence[str],
    *,
    table: str | None = None,
    remark: Callable[[str], None],
) -> Iterator[tuple[str, RoundTrips]]:
    """decode(encode(normalize(x))) over the raw text of files, folders and globs: each file's name and its count.

    `table` says the layout of tables; `remark` hears of those whose layout is not sure.
    """
    for item in named_inputs(patterns, table=table):
        yield item.path.name, round_trip_texts(tokenizer, _raw_texts(item, Reading.of(language), remark))


def _raw_texts(item: Input, reading: Reading, remark: Callable[[str], None]) -> Iterator[str]:
    """What stands in the records of `item`, markup and all; what is in no known encoding is left out."""
    for raw in telling_doubts(item, read_input(item, reading), remark):
        if not isinstance(raw, RawDocument):
            continue
        if isinstance(raw.content, str):
            yield raw.content
            continue
        with contextlib.suppress(Undecodable):
            yield reading.decode(raw.content, raw.encoding)[0]
