"""The front door: what `import ulmkit` gives, what it costs, and that each name is what it says."""

import inspect
import subprocess
import sys
from operator import attrgetter

import click
import pytest

import ulmkit
from ulmkit import errors
from ulmkit.cli.main import cli

DOOR = (
    "load", "languages", "build", "train_tokenizer", "pretrain", "finetune", "classify", "Corpus", "Tokenizer", "LM",
    "Classifier",
)  # fmt: skip
ERRORS = tuple(
    name for name, value in vars(errors).items() if isinstance(value, type) and value.__module__ == "ulmkit.errors"
)
HEAVY = ("torch", "numpy", "pyarrow", "fastai", "sentencepiece", "click", "ulmkit.workflow", "ulmkit.errors")


def test_the_door_has_these_names_and_no_others():
    assert sorted(ulmkit.__all__) == sorted((*DOOR, *ERRORS))
    assert set(DOOR) <= set(dir(ulmkit))


def test_each_name_leads_somewhere_and_is_called_so():
    for name in ulmkit.__all__:
        value = getattr(ulmkit, name)
        assert value.__name__ == name
        assert value.__doc__, name


def test_a_name_that_is_not_there_is_an_attribute_error():
    assert not hasattr(ulmkit, "train_model")


def test_importing_loads_nothing_and_takes_no_time():
    """At most 50 ms of processor time, and none of the packages that take seconds."""
    program = (
        "import sys, time; start = time.process_time(); import ulmkit; "
        f"print(time.process_time() - start, *[name for name in {HEAVY} if name in sys.modules])"
    )
    seconds, *loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert float(seconds) < 0.05
    assert not loaded


# a function of the door, the command that does the same, options of other names
SAME = [
    ("build", ("corpus", "build"), {}),
    ("train_tokenizer", ("tokenizer", "train"), {}),
    ("pretrain", ("lm", "pretrain"), {"run_name": "run"}),
    ("finetune", ("lm", "finetune"), {"run_name": "run"}),
    ("LM.generate", ("lm", "generate"), {}),
    ("LM.evaluate", ("lm", "evaluate"), {}),
]


@pytest.mark.parametrize(("function", "words", "other"), SAME, ids=[name for name, _, _ in SAME])
def test_defaults_are_those_of_the_command_line(function, words, other):
    command = cli
    for word in words:
        command = command.get_command(click.Context(command), word)
    defaults = {
        other.get(option.name, option.name): option.get_default(click.Context(command)) for option in command.params
    }
    for name, parameter in inspect.signature(attrgetter(function)(ulmkit)).parameters.items():
        if name in defaults and name not in ("inputs", "root") and parameter.default is not parameter.empty:
            given = defaults[name]
            assert parameter.default == given or (parameter.default is None and not isinstance(given, int | float)), (
                name
            )


def test_the_package_says_that_it_is_typed():
    from importlib.resources import files

    assert (files("ulmkit") / "py.typed").is_file()
