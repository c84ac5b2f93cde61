"""How a value shows itself in a notebook: a small table, in which nothing that came from outside is markup."""

import html
from collections.abc import Sequence

from ulmkit.names import readable_lines


def html_table(
    title: str, rows: Sequence[Sequence[object]], *, headers: Sequence[str] = (), direction: str = "ltr"
) -> str:
    """A table as HTML: every string escaped, and every cell in the direction of its own first letter.

    `direction` is that of the table: `rtl` for a language written from the right.

    >>> html_table("a < b", [("x", 1)])
    '<table dir="ltr"><caption>a &lt; b</caption><tbody><tr><td dir="auto">x</td><td>1</td></tr></tbody></table>'
    """
    head = "".join(f"<th>{_escape(header)}</th>" for header in headers)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return (
        f'<table dir="{"rtl" if direction == "rtl" else "ltr"}"><caption>{_escape(title)}</caption>'
        + (f"<thead><tr>{head}</tr></thead>" if head else "")
        + f"<tbody>{body}</tbody></table>"
    )


def _cell(value: object) -> str:
    """Numbers with separators between thousands; text isolated, so that it turns no neighbour around."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"<td>{value:,}</td>"
    if isinstance(value, float):
        return f"<td>{value:,.4g}</td>"
    return f'<td dir="auto">{_escape(str(value))}</td>'


def _escape(text: str) -> str:
    """No markup, and no character that turns what stands around it."""
    return html.escape(readable_lines(text))
