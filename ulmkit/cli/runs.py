"""`ulmkit lm runs` and `ulmkit lm settings`: which models there are, and what a recipe can be told."""

import dataclasses
import json
import math

import click

from ulmkit.cli.common import Terminal, shared, text_table, word_table
from ulmkit.cli.completion import language_code, preset_names
from ulmkit.names import readable


@click.command("runs")
@language_code
@shared
def runs_command(terminal: Terminal, code: str) -> None:
    """The language models of LANGUAGE, and how far each has come.

    \b
    ulmkit lm runs fa
    """
    from ulmkit.workflow.runs import run_states

    layout = terminal.layout(code)
    found = run_states(layout)
    rows = [
        (
            run.name,
            "done" if run.ended else "not done",
            f"{run.step:,}",
            f"{run.tokens:,}",
            "–" if run.valid_loss is None else f"{run.valid_loss:.4f}",
            "–" if run.valid_loss is None else f"{math.exp(min(run.valid_loss, 700)):,.1f}",
            f"{run.seconds / 60:,.1f}",
        )
        for run in found
    ]
    if rows:
        headers = ("run", "", "steps", "tokens", "valid loss", "perplexity", "minutes")
        terminal.print(text_table(headers, rows, words=2))
    else:
        terminal.print(f"{layout.lm}: no run yet. Train one with `ulmkit lm pretrain {readable(code)}`.")
    terminal.finish({"runs": [dataclasses.asdict(run) for run in found]})


@click.command("settings")
@click.argument("preset", default="default", shell_complete=preset_names)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for machines.")
def settings_command(preset: str, as_json: bool) -> None:
    """What `--set NAME=VALUE` can change, with the values of PRESET ('default' unless told), and the names of presets.

    \b
    ulmkit lm settings small
    """
    from ulmkit.language.schema import field_comments
    from ulmkit.lm.config import PRESETS, LMConfig
    from ulmkit.lm.config import preset as named

    values, told = named(preset).to_json(), field_comments(LMConfig)
    terminal = Terminal.plain(as_json)
    rows = [(name, json.dumps(value), told.get(name, "")) for name, value in values.items()]
    terminal.print(word_table(("setting", preset, "what it is"), rows))
    terminal.print(f"\npresets: {', '.join(PRESETS)}")
    terminal.finish({"preset": preset, "settings": values, "presets": list(PRESETS)})
