"""`ulmkit normalize`: the language's normalizer as a filter."""

import sys

import click

from ulmkit.cli.common import Scene, shared


@click.command()
@click.argument("code", metavar="LANGUAGE")
@click.option("--match", is_flag=True, help="The aggressive form for deduplication and counting.")
@click.option("--explain", is_flag=True, help="Say which operation changed what, instead of the text.")
@shared
def command(scene: Scene, code: str, match: bool, explain: bool) -> None:
    """Normalize text from stdin to stdout, paragraph by paragraph.

    \b
    ulmkit normalize fa < in.txt > out.txt
    ulmkit normalize fa --explain < in.txt
    """
    normalizer = scene.language(code).normalizers["match" if match else "train"]
    # bytes that are no UTF-8 become U+FFFD, and newlines stay as they are
    source = open(sys.stdin.fileno(), encoding="utf-8", errors="replace", newline="\n", closefd=False)  # noqa: SIM115
    for number, line in enumerate(source, 1):
        text = line.removesuffix("\n")
        if not explain:
            click.echo(normalizer(text))
            continue
        for change in normalizer.explain(text):
            scene.say(f"{number}\t{change.operation}\t{change.count}\t{change.before}\t{change.after}")
