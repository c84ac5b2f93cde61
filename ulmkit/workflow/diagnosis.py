"""One answer of the doctor: which question, how bad, what was found, and what to do about it."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "warning", "error"]


@dataclass(frozen=True)
class Diagnosis:
    """`check` names the question; `advice` is empty where nothing is to be done."""

    check: str
    level: Level
    found: str
    advice: str = ""
