"""Write docs/cli.md from `--help`, and the schema of language.toml: `make docs`. Tests notice what is stale."""

import os
from pathlib import Path

import click

from ulmkit.cli.main import cli
from ulmkit.language import schema

PAGE = Path(__file__).with_name("cli.md")


def sections(command: click.Command, path: str, parent: click.Context | None = None) -> list[str]:
    """The help of `command` and of everything below it, as Markdown."""
    # made as a call makes it, so that the group's settings hold; the width is ours, not the terminal's
    context = command.make_context(path.split()[-1], [], parent=parent, resilient_parsing=True, terminal_width=100)
    found = [f"## {path}", "", "```", command.get_help(context), "```", ""]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            found += sections(child, f"{path} {name}", context)
    return found


def page() -> str:
    os.environ.pop("ULMKIT_ROOT", None)
    head = ["# The command line", "", "Made from `--help` by `make docs`; do not edit.", ""]
    return "\n".join(head + sections(cli, "ulmkit"))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    schema.path().write_text(schema.text(), encoding="utf-8")
