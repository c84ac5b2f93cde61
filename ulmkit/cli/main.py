"""`ulmkit`: the group of commands, and how an error becomes one line and an exit code."""

import contextlib
import importlib
import os
import signal
import sys
from typing import Any, NoReturn

import click

import ulmkit
from ulmkit.cli.streams import STANDARD_OUTPUT, open_closed_streams, remark, silence
from ulmkit.errors import Interrupted, UlmkitError, missing_package, out_of_memory, system_error
from ulmkit.names import error_line, json_text, readable

# name → (module of ulmkit.cli, what --help says); a module is imported when its command is asked for
COMMANDS = {
    "demo": ("demo", "Everything below on a language's bundled samples, in a few minutes, without a network."),
    "corpus": ("corpus", "Sources → normalized, filtered, deduplicated Parquet shards."),
    "tokenizer": ("tokenizer", "Shards → SentencePiece model → token files."),
    "lm": ("lm", "Tokens → AWD-LSTM language model."),
    "classify": ("classify", "Labelled texts → classifier, and what it is worth."),
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
    On your own files:               ulmkit corpus build fa --input news.jsonl.zst
                                     ulmkit tokenizer train fa --vocab 30000
                                     ulmkit lm pretrain fa
    """


def fail(message: str, code: int, command: list[str], *, what: str = "Error") -> NoReturn:
    """End with one line on stderr, safe for a terminal; with `--json`, an object on stdout says the same."""
    line = error_line(message)
    if "--json" in command:
        with contextlib.suppress(OSError, ValueError):
            print(json_text({"error": line, "exit_code": code}), flush=True)
    remark(f"{what}: {line}")
    leave(code)


def stopped(message: str, code: int, command: list[str], *, more: tuple[str, ...] = ()) -> NoReturn:
    """End because somebody said so, with the one command that goes on."""
    rest = [option for option in more if option not in command]
    kept = "" if more else " What was finished is kept."
    fail(f"{message}{kept} Go on with: {again([*command, *rest])}", code, command, what="Stopped")


def leave(code: int) -> NoReturn:
    """End with this status: what was printed arrives, or the line that says that it did not."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read our output has seen enough
        silence(sys.stdout)
    except OSError as error:
        silence(sys.stdout)
        remark(f"Error: {system_error(error, STANDARD_OUTPUT, cannot='cannot be written')}")
        code = code or 1
    sys.exit(code)


def again(command: list[str]) -> str:
    """The command that goes on from here, as a shell takes it."""
    import shlex

    def word(text: str) -> str:
        plain = text.replace("\\", "\\\\").replace("'", "\\'")
        return shlex.quote(text) if text.isprintable() else f"$'{readable(plain, None)}'"

    return " ".join(["ulmkit", *map(word, command)])


def terminate(*_: Any) -> NoReturn:
    raise Interrupted("by SIGTERM.", signal.SIGTERM)


def unforeseen(error: BaseException) -> str:
    """The line for an error that no room has put into words; with `ULMKIT_TRACEBACK` set, its traceback goes before."""
    import traceback

    if os.environ.get("ULMKIT_TRACEBACK"):
        traceback.print_exception(error)
    if out_of_memory(error):
        return "Out of memory. Fewer --workers, or a smaller input at once, need less."
    if isinstance(error, OSError):
        return system_error(error)
    place = traceback.extract_tb(error.__traceback__)[-1:]
    where = f" at {os.path.basename(place[0].filename)}:{place[0].lineno}" if place else ""  # noqa: PTH119
    return (
        f"{type(error).__name__}{where}: {str(error) or 'no word of why'}. Nobody foresaw this: please report it, with "
        "what the same command prints with ULMKIT_TRACEBACK=1 before it. What was finished is kept."
    )


def main(args: list[str] | None = None) -> NoReturn:
    """Run one command. Exit codes: 0 done, 1 failed, 2 asked wrongly, 130 and 143 interrupted."""
    command = sys.argv[1:] if args is None else args
    signal.signal(signal.SIGTERM, terminate)
    open_closed_streams()
    code = 0
    if any("\0" in word for word in command):  # no shell gives one, but whoever calls `main` might
        fail("An argument holds a zero byte, which no name can. Leave it out.", 2, command)
    try:
        # what a command leaves with `Context.exit`
        code = cli.main(command, prog_name="ulmkit", standalone_mode=False) or 0
    except Interrupted as error:
        stopped(str(error), error.exit_code, command, more=error.more)
    except click.Abort as error:
        if isinstance(error.__cause__, EOFError):  # which click takes for an end of typing
            fail(unforeseen(error.__cause__), 1, command)
        stopped("interrupted.", 130, command)
    except KeyboardInterrupt:
        stopped("interrupted.", 130, command)
    except UlmkitError as error:
        fail(error.at_prompt or str(error), error.exit_code, command)
    except click.exceptions.NoArgsIsHelpError as error:  # `ulmkit` or `ulmkit corpus` alone: its text is the help
        error.show()
        leave(error.exit_code)
    except click.ClickException as error:
        where = f" Try `{error.ctx.command_path} --help`." if isinstance(error, click.UsageError) and error.ctx else ""
        fail(f"{error.format_message()}{where}", error.exit_code, command)
    except Exception as error:
        missing = missing_package(error) if isinstance(error, ModuleNotFoundError) else None
        fail(str(missing or unforeseen(error)), missing.exit_code if missing else 1, command)
    leave(code)
