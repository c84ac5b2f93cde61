"""`ulmkit`: the group of commands, and how an error becomes one line and an exit code."""

import importlib
import os
import signal
import sys
from typing import Any, NoReturn

import click

import ulmkit
from ulmkit.errors import Interrupted, UlmkitError, out_of_memory

# name → (module of ulmkit.cli, what --help says); a module is imported when its command is asked for
COMMANDS = {
    "demo": ("demo", "Everything below on a language's bundled samples, in a few minutes, without a network."),
    "corpus": ("corpus", "Sources → normalized, filtered, deduplicated Parquet shards."),
    "tokenizer": ("tokenizer", "Shards → SentencePiece model → token files."),
    "lm": ("lm", "Tokens → AWD-LSTM language model."),
    "normalize": ("normalize", "Normalize text from stdin to stdout."),
    "language": ("language", "What languages there are, and what they hold."),
    "verify": ("verify", "Compare every file of a language with its manifest."),
    "doctor": ("doctor", "Whether this machine, and a language's data, are fit to train with."),
}


class LazyGroup(click.Group):
    """A group that imports a command's module when it runs, so that `--help` answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return importlib.import_module(f"ulmkit.cli.{COMMANDS[cmd_name][0]}").command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(ulmkit.__version__, message="ulmkit %(version)s")
def cli() -> None:
    """Web text to a clean corpus, a tokenizer and a language model, for one language after another.

    \b
    Try it on the bundled samples:   ulmkit demo fa
    On your own files:               ulmkit corpus build fa --input news.jsonl.zst --input dump.xml.bz2
                                     ulmkit tokenizer train fa --vocab 30000
                                     ulmkit lm pretrain fa
    """


def fail(message: str, code: int, command: list[str]) -> NoReturn:
    """End with one line on stderr; with `--json`, an object on stdout says the same."""
    line = " ".join(message.split())
    if "--json" in command:
        import json

        print(json.dumps({"error": line, "exit_code": code}, ensure_ascii=False))
    print(f"Error: {line}", file=sys.stderr)
    sys.exit(code)


def again(command: list[str]) -> str:
    """The command that goes on from here, as it was typed."""
    import shlex

    return shlex.join(["ulmkit", *command])


def terminate(*_: Any) -> NoReturn:
    raise Interrupted("Stopped by SIGTERM.", signal.SIGTERM)


def main(args: list[str] | None = None) -> NoReturn:
    """Run one command. Exit codes: 0 done, 1 failed, 2 asked wrongly, 130 and 143 interrupted."""
    command = sys.argv[1:] if args is None else args
    signal.signal(signal.SIGTERM, terminate)
    code = 0
    try:
        # what a command leaves with `Context.exit`
        code = cli.main(command, prog_name="ulmkit", standalone_mode=False) or 0
    except Interrupted as error:
        fail(f"{error} What was finished is kept; go on with: {again(command)}", error.exit_code, command)
    except (KeyboardInterrupt, click.Abort):
        fail(f"Interrupted. What was finished is kept; go on with: {again(command)}", 130, command)
    except UlmkitError as error:
        fail(str(error), error.exit_code, command)
    except click.ClickException as error:
        where = f" Try `{error.ctx.command_path} --help`." if isinstance(error, click.UsageError) and error.ctx else ""
        fail(f"{error.format_message()}{where}", error.exit_code, command)
    except BrokenPipeError:
        # whoever read our output has seen enough; keep Python from complaining on the way out
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if not out_of_memory(error):
            raise
        fail("Out of memory. Fewer --workers, or a smaller input at once, need less.", 1, command)
    sys.exit(code)
