"""What a notebook calls: its arguments are of the kinds that they say, and its errors name arguments, in one line.

At the prompt click sees to both. Here `front_door` does, from the annotations of the function that it stands before.
"""

import functools
import inspect
import math
import numbers
import re
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any, Literal

from ulmkit.errors import ArtifactError, Interrupted, UlmkitError, UsageError, missing_package, system_error
from ulmkit.names import error_line, readable

NAMED = {bool: "True or False", int: "a whole number", float: "a finite number", str: "text", types.NoneType: "None"}
# options whose argument has another name, or a value that no number is
OTHER_NAMES = {"vocab": "vocabulary", "input": "inputs", "from": "start", "out": "folder"}
FLAGS = ("resume", "force", "tensorboard")
_OPTION = re.compile(
    r"(?<![\w/-])--(?:set (?P<setting>\w+)=(?P<word>[\w.]*\w)"
    r"|(?P<name>[a-z]+(?:-[a-z]+)*)(?: (?P<value>\d+(?:\.\d+)?|small|cpu)\b)?)"
)


def front_door[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """`function`, which a notebook calls, with its arguments looked at before and its errors worded for Python.

    A number of numpy's becomes one of Python's. Raises `UsageError` for an argument of another kind than annotated;
    of classes, which say it better themselves, only where there is a choice between several.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def called(*args: P.args, **options: P.kwargs) -> R:
        given, expected = signature.bind(*args, **options), _annotations(function)
        for name, value in given.arguments.items():
            if name in expected:
                given.arguments[name] = _fitting(value, expected[name], f"{function.__name__}: {name}")
        try:
            return function(*given.args, **given.kwargs)
        except UlmkitError as error:
            _reword(error)
            raise
        except Interrupted as error:
            more = f" Go on with {' '.join(error.more)}." if error.more else ""
            error.args = (in_python(f"{error}{more}"), *error.args[1:])
            raise
        except OSError as error:
            raise _reword(ArtifactError(system_error(error))) from error
        except ModuleNotFoundError as error:
            raise missing_package(error) or error from error

    return called


def _reword(error: UlmkitError) -> UlmkitError:
    """`error` in the words of a notebook; what the prompt says of it is kept, since `corpus build` comes this way."""
    error.at_prompt = error.at_prompt or str(error)
    error.args = (in_python(str(error)), *error.args[1:])
    return error


def in_python(message: str) -> str:
    """An error's one line with the names of arguments in the place of options; commands in backquotes stay.

    >>> in_python("Add --resume, or choose another --run name. See `ulmkit verify --json`.")
    'Add resume=True, or choose another run name. See `ulmkit verify --json`.'
    >>> in_python("Use --batch-size 4, or --set backend=vendor.")
    "Use batch_size=4, or backend='vendor'."
    """
    parts = message.split("`")
    parts[::2] = [_OPTION.sub(_as_argument, part) for part in parts[::2]]
    return error_line("`".join(parts))


def _as_argument(option: re.Match[str]) -> str:
    name, value = option["name"] or "", option["value"]
    if option["setting"]:
        name, value = option["setting"], option["word"]
    if name in FLAGS:
        return f"{name}=True"
    name = OTHER_NAMES.get(name, name.replace("-", "_"))
    if value is None:
        return name
    return f"{name}={value if value[0].isdigit() else repr(value)}"


@functools.cache
def _annotations(function: Callable[..., Any]) -> dict[str, Any]:
    """What each argument may be; without those of one class alone, and those that take every other name."""
    hints = typing.get_type_hints(function)
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    taken = [name for name, each in inspect.signature(function).parameters.items() if each.kind not in kinds]
    return {
        name: hints[name]
        for name in taken
        if name in hints and (hints[name] in NAMED or not isinstance(hints[name], type))
    }


def _fitting(value: Any, hint: Any, what: str) -> Any:
    """`value` where it is what `hint` says, numbers as Python's own; else `UsageError`."""
    for each in _choices(hint):
        if _fits(value, each):
            return each(value) if each in (int, float) and not isinstance(value, int | float) else value
    expected = " or ".join(_named(each) for each in _choices(hint))
    raise UsageError(f"{what} is {readable(ascii(value), 60)}, expected {expected}.")


def _choices(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)


def _fits(value: Any, hint: Any) -> bool:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is int:
        return isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if hint is float:
        return isinstance(value, numbers.Real) and not isinstance(value, bool) and _finite(value)
    if origin is Literal:
        return isinstance(value, str) and value in inner
    if origin in (list, tuple, Sequence):
        return isinstance(value, origin) and all(any(_fits(v, each) for each in _choices(inner[0])) for v in value)
    if origin is Callable:
        return callable(value)
    return isinstance(value, hint) if isinstance(hint, type) else True


def _finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond all floats
        return False


def _named(hint: Any) -> str:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return " or ".join(map(repr, inner))
    if origin in (list, tuple, Sequence):
        return "a list of " + " or ".join(_named(each) for each in _choices(inner[0]))
    if origin is Callable:
        return "a function"
    return NAMED.get(hint, getattr(hint, "__name__", str(hint)))
