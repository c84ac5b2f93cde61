"""What a build reads: files, under names that do not depend on where they lie, gathered into units of work."""

import contextlib
import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import xxhash

from ulmkit.artifacts.steady import FileState, state_of
from ulmkit.document import Unreadable
from ulmkit.errors import InputError, UsageError, system_error
from ulmkit.files import open_regular, require_regular
from ulmkit.formats import reasons
from ulmkit.formats.origin import Reading, Record
from ulmkit.formats.plain_text import DOCUMENTS
from ulmkit.formats.read import expand_inputs, input_names, leads_nowhere, read_file, source_name
from ulmkit.formats.table_told import told_layout
from ulmkit.names import home_expanded, readable, stored_name

ATTEMPTS = 3  # at reading a file that changes meanwhile
UNIT_BYTES = 8_000_000  # small files are gathered up to this; a larger one is a unit of its own


@dataclass(frozen=True)
class Input:
    """One file to read. `source` is the name its documents carry; `key` tells it apart within the build.

    `crawled`: a web archive of our own, whose documents are called by their URL and not by their place in it;
    `ai_agents`: how many crawlers of training data a robots.txt must keep from a page of it for that to be a no.
    """

    path: Path
    source: str
    key: str
    licence: str = "unknown"
    text_field: str | None = None
    documents: str = ""  # what is one document of a plain text: `line`, `blank-line`, `file`; empty: it is guessed
    table: str = ""  # what a person says of a table's layout, as `table_told` writes it
    licence_field: str = ""
    crawled: bool = False
    ai_agents: Literal["any", "two", "ignore"] = "two"


def named_inputs(
    patterns: Sequence[str],
    *,
    name: str = "",
    licence: str = "unknown",
    text_field: str | None = None,
    documents: str | None = None,
    table: str | None = None,
) -> list[Input]:
    """The files that `patterns` stand for, with names that do not depend on where they lie.

    A file's source is its own bare name; the files of a folder carry the folder's name; `name` replaces both. `table`
    says the layout of tables, such as `delimiter=tab,quote=none`.
    """
    if documents and documents not in DOCUMENTS:
        raise UsageError(f"documents is {readable(documents, 40)}, expected {' or '.join(DOCUMENTS)}.")
    layout = str(told_layout(table or ""))
    result = []
    for pattern in patterns:
        files = expand_inputs([pattern])
        root = home_expanded(pattern)
        if root.is_dir():
            keys = {path: path.relative_to(root).as_posix() for path in files}
            sources = dict.fromkeys(files, name or root.resolve().name)
        else:
            keys = input_names(files)
            sources = {path: name or source_name(path.name) for path in files}
        result += [
            Input(path, sources[path], keys[path], licence, text_field, documents or "", layout) for path in files
        ]
    return [
        dataclasses.replace(
            item,
            source=stored_name(item.source),
            key=stored_name(item.key),
            licence=stored_name(item.licence),
            text_field=item.text_field and stored_name(item.text_field),
        )
        for item in distinct(result)
    ]


def distinct(inputs: list[Input]) -> list[Input]:
    """`inputs` with as much of the path in the key as tells two of one name apart; the same file only once."""
    unique = list({os.path.realpath(item.path): item for item in inputs}.values())
    names = Counter((item.source, item.key) for item in unique)
    longer = input_names([item.path for item in unique if names[item.source, item.key] > 1])
    return [dataclasses.replace(item, key=longer.get(item.path, item.key)) for item in unique]


def in_units(inputs: Sequence[Input]) -> list[list[Input]]:
    """Inputs in units, in the order of their names: each large file alone, small neighbours together."""
    result: list[list[Input]] = []
    size = 0
    for item in sorted(inputs, key=lambda item: (item.source, item.key)):
        bytes_ = file_size(item.path)
        if result and size + bytes_ <= UNIT_BYTES and result[-1][-1].source == item.source:
            result[-1].append(item)
            size += bytes_
        else:
            result.append([item])
            size = bytes_
    return result


def refusing_storage(item: Input, records: Iterable[Record]) -> Iterator[Record]:
    """`records` of `item`; an `InputError` where the disk does not give them, which is its fault and not the file's."""
    for record in records:
        if isinstance(record, Unreadable) and record.reason == reasons.STORAGE:
            raise InputError(f"{item.path}: cannot be read ({record.detail}). Leave it out or mend the disk.")
        yield record


def telling_doubts(item: Input, records: Iterable[Record], remark: Callable[[str], None]) -> Iterator[Record]:
    """`records` of `item`, but for what says that a table's layout is not sure: `remark` hears that, a line each."""
    for record in records:
        if isinstance(record, Unreadable) and record.reason == reasons.UNSURE:
            remark(f"{item.path.name}: {record.reason} ({record.detail})")
        else:
            yield record


def read_input(item: Input, reading: Reading, *, progress: Callable[[int], None] | None = None) -> Iterator[Record]:
    """The documents of one input, and a complaint for each record that is none (see `read_file`)."""
    return read_file(
        item.path,
        name=item.source,
        key=item.key,
        licence=item.licence,
        text_field=item.text_field,
        documents=item.documents,
        table=item.table,
        licence_field=item.licence_field,
        crawled=item.crawled,
        ai_agents=item.ai_agents,
        reading=reading,
        progress=progress,
    )


@dataclass(frozen=True)
class DescribedInput:
    """An input as it was when its bytes were hashed.

    `entry` is how it stands in the manifest: its names and its content's hash, not its place.
    """

    input: Input
    entry: dict[str, Any]
    state: FileState | None

    @property
    def still(self) -> bool:
        """Whether the file is as it was; false also where it is gone."""
        return state_of(self.input.path) == self.state


def describe_input(item: Input) -> DescribedInput:
    """The input with its size in bytes and its hash, which are of one state of the file.

    Raises `InputError` where it cannot be read, or is being written while it is hashed.
    """
    for _ in range(ATTEMPTS):
        state = state_of(item.path)
        entry = {
            "key": item.key,
            "source": item.source,
            "licence": item.licence,
            "text_field": item.text_field,
            **({"documents": item.documents} if item.documents else {}),
            **({"table": item.table} if item.table else {}),
            **({"licence_field": item.licence_field} if item.licence_field else {}),
            **({"crawled": True, "ai_agents": item.ai_agents} if item.crawled else {}),
            "bytes": file_size(item.path),
            "xxh3": file_hash(item.path),
        }
        if (described := DescribedInput(item, entry, state)).still:
            return described
    raise unsteady(item.path)


def unsteady(path: Path) -> InputError:
    """What to say of a file that is written while it is read."""
    return InputError(
        f"{path}: changed each of the {ATTEMPTS} times it was read. Wait until it is whole, then run the same command "
        "again."
    )


@contextlib.contextmanager
def input_errors(path: Path) -> Iterator[None]:
    """Turn a file that is gone or closed to us into one line that names it."""
    try:
        yield
    except OSError as error:
        advice = "Leave it out or change its rights."
        raise InputError(system_error(error, path, cannot="cannot be read", advice=advice)) from error


def file_size(path: Path) -> int:
    """The file's size in bytes; none where it is no regular file, which is counted when it is read."""
    with input_errors(path):
        try:
            return require_regular(path).st_size
        except OSError as error:
            if leads_nowhere(path, error):
                return 0
            raise


def file_hash(path: Path) -> str:
    """xxh3 of the file's bytes: names an input's content, at the disk's speed."""
    digest = xxhash.xxh3_128()
    with input_errors(path):
        try:
            with open_regular(path) as file:
                while block := file.read(1 << 20):
                    digest.update(block)
        except OSError as error:
            if not leads_nowhere(path, error):
                raise
    return digest.hexdigest()
