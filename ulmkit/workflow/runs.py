"""Which language models stand under a root, and how far each has come: read from their records, without torch."""

import json
from dataclasses import dataclass

from ulmkit.artifacts.layout import Layout, names_in


@dataclass(frozen=True)
class RunState:
    """A run as its last lines of metrics say. `valid_loss` is the best one, in nats a token; None before the first."""

    name: str
    step: int
    tokens: int
    valid_loss: float | None
    seconds: float
    ended: bool


def run_states(layout: Layout) -> list[RunState]:
    """Every run of a language by name; what is no run, or holds no whole line, counts as one that has not begun."""
    return [_state(layout, name) for name in names_in(layout.lm)]


def _state(layout: Layout, name: str) -> RunState:
    folder = layout.lm / name
    lines = []
    try:
        with open(folder / "metrics.jsonl", encoding="utf-8", errors="replace") as file:
            for text in file:
                try:
                    line = json.loads(text)
                except ValueError:  # the line that is being written
                    continue
                if isinstance(line, dict):
                    lines.append(line)
    except OSError:
        pass
    losses = [line["valid_loss"] for line in lines if isinstance(line.get("valid_loss"), float)]
    last = lines[-1] if lines else {}
    return RunState(
        name,
        int(last.get("step", 0)),
        int(last.get("tokens", 0)),
        min(losses, default=None),
        float(last.get("seconds", 0.0)),
        (folder / "manifest.json").is_file(),
    )
