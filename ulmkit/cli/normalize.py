"""`ulmkit normalize`: the language's normalizer as a filter."""

from dataclasses import asdict
from typing import Any

import click

from ulmkit.cli.common import Terminal, shared
from ulmkit.cli.completion import language_code
from ulmkit.cli.streams import input_lines, write_out
from ulmkit.errors import UsageError


@click.command()
@language_code
@click.option("--match", is_flag=True, help="The aggressive form for deduplication and counting.")
@click.option("--profile", default=None, help="A named variation of the language, such as social.  [default: standard]")
@click.option("--explain", is_flag=True, help="Say which operation changed what, instead of the text.")
@click.option("--sentences", is_flag=True, help="A sentence a line, as the language's [segmentation] splits them.")
@shared
def command(terminal: Terminal, code: str, match: bool, profile: str | None, explain: bool, sentences: bool) -> None:
    """Normalize text from stdin to stdout, paragraph by paragraph.

    \b
    ulmkit normalize fa < in.txt > out.txt
    ulmkit normalize fa --explain < in.txt
    ulmkit normalize fa --profile social < comments.txt
    ulmkit normalize fa --sentences < article.txt
    """
    from ulmkit.language.forms import STANDARD

    if match and profile:
        raise UsageError("--match is a form of its own: give it or --profile, not both.")
    if sentences and (match or explain):
        raise UsageError("--sentences splits the normalized text: leave --match and --explain out.")
    language = terminal.language(code)
    normalizer = language.normalizer("match") if match else language.normalizer(profile or STANDARD)
    lines: list[str | list[str]] = []
    changes: list[dict[str, Any]] = []
    # bytes that are no UTF-8 become U+FFFD, and newlines stay as they are
    for number, line in enumerate(input_lines(errors="replace", newline="\n"), 1):
        text = line.removesuffix("\n")
        if not explain:
            normal = normalizer(text)
            made = language.sentences(normal) if sentences else normal
            if terminal.as_json:
                lines.append(made)
            elif made or not sentences:
                write_out("\n".join(made) if isinstance(made, list) else made)
            continue
        for change in normalizer.explain(text):
            terminal.print(f"{number}\t{change.operation}\t{change.count}\t{change.before}\t{change.after}")
            if terminal.as_json:
                changes.append({"line": number} | asdict(change))
    if terminal.as_json:
        terminal.finish({"changes": changes} if explain else {"lines": lines})
