"""`ulmkit verify`: every file against its manifest."""

import click

from ulmkit.cli.common import Terminal, shared
from ulmkit.cli.completion import language_code
from ulmkit.errors import ArtifactError


@click.command()
@language_code
@shared
def command(terminal: Terminal, code: str) -> None:
    """Compare every file of LANGUAGE under --root with what was written of it.

    Looked at are downloads, the staged units of builds, corpus, tokenizer, token files, language models (unfinished
    ones, too) and the exports under --root. Files that nobody wrote are named as well. Your own files under raw, and
    what was exported elsewhere with --out, are not looked at.

    \b
    ulmkit verify fa
    """
    from ulmkit.workflow.verify import verify_stages

    found = verify_stages(terminal.layout(code))
    for item in found:
        terminal.print(item.summary)
    problems = [line for item in found for line in item.problems]
    if not terminal.as_json:
        for line in problems:
            terminal.note(line)
    checked = [{"folder": str(item.folder), "problems": len(item.problems), "note": item.note} for item in found]
    terminal.finish({"checked": checked, "problems": problems})
    if problems:
        raise ArtifactError(f"{problems[0]}. Build that stage again, or bring the file back.")
