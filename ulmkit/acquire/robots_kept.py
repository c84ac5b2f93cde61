"""How an answer to a request for robots.txt stands in the frontier, so that it is not asked for twice within a day."""

from typing import Any

from ulmkit.acquire.client import ROBOTS, Answer
from ulmkit.acquire.robots import next_try

_TELLING = (b"content-encoding", b"content-type", b"location")  # header fields that its rules are made with


def robots_row(answer: Answer, asked: float, *, failures: int = 0) -> dict[str, Any]:
    """The answer without its body, asked for at `asked` (seconds since 1970), after so many failures in a row.

    `retry_at` is when it is asked for again, where it could not be had.
    """
    return {
        "asked": asked,
        "url": answer.url,
        "status": answer.status,
        "problem": answer.problem,
        "fields": [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in answer.fields
            if name.lower() in _TELLING
        ],
        "failures": failures,
        "retry_at": asked + next_try(failures) if failures else None,
    }


def kept_answer(row: dict[str, Any], body: bytes) -> Answer:
    """The answer of which `robots_row` made `row`."""
    fields = tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in row["fields"])
    return Answer(row["url"], row["status"], fields=fields, body=body, problem=row["problem"], bounds=ROBOTS)
