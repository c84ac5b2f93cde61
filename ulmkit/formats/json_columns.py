"""Tables that one JSON object holds column by column, as pandas and Hugging Face's datasets write them."""

from collections.abc import Mapping
from typing import Any

from ulmkit.formats.fields import known_text

FEWEST = 3  # rows of a table whose columns are lists: shorter ones may be paragraphs of one text


def rows_by_column(value: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The rows of a table that `value` is; None where it is none.

    Columns are mappings whose keys number the rows, or lists of one length, and one of them is called a text; or the
    columns are named once, and the rows below them are lists.

    >>> rows_by_column({"text": {"0": "Tere", "1": "Head aega"}, "label": {"0": 1, "1": 0}})
    [{'text': 'Tere', 'label': 1}, {'text': 'Head aega', 'label': 0}]
    >>> rows_by_column({"columns": ["id", "text"], "data": [[1, "Tere"]]})
    [{'id': 1, 'text': 'Tere'}]
    """
    names, data = value.get("columns"), value.get("data")
    if isinstance(names, list) and isinstance(data, list) and _are_rows(names, data):
        return [dict(zip(names, row, strict=True)) for row in data]
    columns = list(value.values())
    if not any(known_text(name) and _holds_texts(column) for name, column in value.items()):
        return None
    if all(isinstance(column, Mapping) for column in columns):
        keys = list(columns[0])
        if all(key.isdecimal() for key in keys) and all(list(column) == keys for column in columns):
            return [{name: column[key] for name, column in value.items()} for key in keys]
        return None
    lists = [column for column in columns if isinstance(column, list) and len(column) >= FEWEST]
    if len(lists) == len(columns) > 1 and len({len(column) for column in lists}) == 1:
        return [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)]
    return None


def _are_rows(names: list[Any], data: list[Any]) -> bool:
    """Whether `data` are lists of as many values as there are `names`."""
    named = names and all(isinstance(name, str) for name in names) and len(set(names)) == len(names)
    return bool(named and data) and all(isinstance(row, list) and len(row) == len(names) for row in data)


def _holds_texts(column: Any) -> bool:
    """Whether a column is texts, and some of them missing perhaps."""
    values = list(column.values()) if isinstance(column, Mapping) else column
    return isinstance(values, list) and bool(values) and all(isinstance(each, str | None) for each in values)
