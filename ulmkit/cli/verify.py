"""`ulmkit verify`: every file against its manifest."""

import click

from ulmkit.cli.common import Terminal, shared
from ulmkit.errors import ArtifactError


@click.command()
@click.argument("code", metavar="LANGUAGE")
@shared
def command(terminal: Terminal, code: str) -> None:
    """Compare every file of LANGUAGE under --root with the manifest that was written with it.

    \b
    ulmkit verify fa
    """
    from ulmkit.workflow.verify import verify_stages

    found = verify_stages(terminal.layout(code))
    for folder, wrong in found.items():
        terminal.print(f"{folder}: {'whole' if not wrong else f'{len(wrong)} changed'}")
    problems = [line for wrong in found.values() for line in wrong]
    if not terminal.as_json:
        for line in problems:
            terminal.note(line)
    terminal.finish({"checked": [str(folder) for folder in found], "problems": problems})
    if problems:
        raise ArtifactError(f"{problems[0]}. Build that stage again.")
