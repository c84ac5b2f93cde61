"""`ulmkit doctor`: is this machine, and is this data, fit to train with?"""

import dataclasses

import click

from ulmkit.cli.common import Terminal, shared
from ulmkit.cli.completion import language_code
from ulmkit.names import readable


@click.command()
@language_code
@shared
def command(terminal: Terminal, code: str) -> None:
    """Look at this machine and at everything built for LANGUAGE, and say what would spoil a training.

    Each line names what was found and what to do. Exit code 1 where there is an error.

    \b
    ulmkit doctor fa
    """
    from ulmkit.workflow.doctor import examine

    findings = examine(terminal.layout(code), terminal.stage_language(code))
    for finding in findings:
        advice = f" → {finding.advice}" if finding.advice else ""
        terminal.print(readable(f"{finding.level:7} {finding.check}: {finding.found}{advice}", 1_000))
    errors = [finding for finding in findings if finding.level == "error"]
    if terminal.as_json:
        terminal.finish({"findings": [dataclasses.asdict(finding) for finding in findings], "errors": len(errors)})
    if errors:
        click.get_current_context().exit(1)
