"""What a pickle says, read and not run.

Python's unpickler calls whatever a file names. Here the opcodes are read one by one into plain values; a name that is
not expected ends the reading, and even an expected one is only looked up in a table of our own functions. So a file of
fastai's or torch's can be understood without importing, calling or constructing anything that it asks for.
"""

import io
import pickletools
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from ulmkit.artifacts.atomic import read_regular
from ulmkit.errors import ArtifactError

# a vocabulary takes about 20 bytes a piece; the tensors of a .pth are no part of its pickle
MAX_PICKLE_BYTES = 256 << 20
MAX_STEPS = 20_000_000  # opcodes

PLAIN = (str, int, float, bool, type(None))  # also what a key may be: hashing deep tuples can exhaust the stack


class Name(NamedTuple):
    """A global that the file named and `names` knows: `module.name`."""

    path: str


class Inert(NamedTuple):
    """What an expected but unwanted construction left: a note of its name."""

    path: str


# what reading a call of that name gives, from its arguments; None: an `Inert`
Names = Mapping[str, Callable[..., Any] | None]

_VALUES = {
    "INT", "LONG", "LONG1", "LONG4", "BININT", "BININT1", "BININT2", "FLOAT", "BINFLOAT",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
}  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MARK = object()


class _Reader:
    """The unpickler's stack machine, without the part that calls."""

    def __init__(self, names: Names, persistent: Callable[[Any], Any] | None) -> None:
        self.names, self.persistent = names, persistent
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def read(self, stream: IO[bytes]) -> Any:
        for steps, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if steps > MAX_STEPS:
                raise ValueError("too long")
            if opcode.name == "STOP":
                return self.stack.pop()
            self.step(opcode.name, argument)
        raise ValueError("no end")

    def step(self, opcode: str, argument: Any) -> None:
        stack = self.stack
        if opcode in _VALUES:
            stack.append(argument)
        elif opcode in _CONSTANTS:
            stack.append(_CONSTANTS[opcode])
        elif opcode in _EMPTY:
            stack.append(_EMPTY[opcode]())
        elif opcode in ("PROTO", "FRAME"):
            pass
        elif opcode == "MARK":
            stack.append(_MARK)
        elif opcode in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.top()
        elif opcode == "MEMOIZE":
            self.memo[len(self.memo)] = self.top()
        elif opcode in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif opcode in _TUPLES:
            stack.append(tuple(self.pop(_TUPLES[opcode])))
        elif opcode == "TUPLE":
            stack.append(tuple(self.since_mark()))
        elif opcode == "LIST":
            stack.append(self.since_mark())
        elif opcode == "DICT":
            items = self.since_mark()
            stack.append({})
            self.set_items(items)
        elif opcode in ("APPEND", "APPENDS"):
            items = self.pop(1) if opcode == "APPEND" else self.since_mark()
            target = self.top()
            if type(target) is not list:
                raise ValueError("appends to what is no list")
            target.extend(items)
        elif opcode in ("SETITEM", "SETITEMS"):
            self.set_items(self.pop(2) if opcode == "SETITEM" else self.since_mark())
        elif opcode == "GLOBAL":
            stack.append(self.name(argument.replace(" ", ".", 1)))
        elif opcode == "STACK_GLOBAL":
            module, name = self.pop(2)
            stack.append(self.name(f"{module}.{name}"))
        elif opcode in ("REDUCE", "NEWOBJ"):
            named, arguments = self.pop(2)
            stack.append(self.made(named, arguments))
        elif opcode == "BUILD":
            (state,) = self.pop(1)
            stack.append(_built(self.pop(1)[0], state))
        elif opcode == "BINPERSID" and self.persistent is not None:
            stack.append(self.persistent(self.pop(1)[0]))
        else:
            raise _Refused(f"uses {opcode}, which has no place in such a file")

    def top(self) -> Any:
        if not self.stack or self.stack[-1] is _MARK:
            raise ValueError("an empty stack")
        return self.stack[-1]

    def pop(self, count: int) -> list[Any]:
        taken = self.stack[len(self.stack) - count :]
        if len(self.stack) < count or any(value is _MARK for value in taken):
            raise ValueError("an empty stack")
        del self.stack[-count:]
        return taken

    def since_mark(self) -> list[Any]:
        place = len(self.stack) - 1
        while self.stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise ValueError("no mark")
        taken = self.stack[place + 1 :]
        del self.stack[place:]
        return taken

    def set_items(self, items: Sequence[Any]) -> None:
        target, keys = self.top(), items[::2]
        if isinstance(target, Inert):
            return
        if type(target) is not dict or len(items) % 2 or any(type(key) not in PLAIN for key in keys):
            raise ValueError("sets what is no entry of a dictionary")
        target.update(zip(keys, items[1::2], strict=True))

    def name(self, path: str) -> Name:
        if path not in self.names:
            raise _Refused(f"names {path[:80]!r}, which has no place in such a file")
        return Name(path)

    def made(self, named: Any, arguments: Any) -> Any:
        if not isinstance(named, Name) or type(arguments) is not tuple:
            raise ValueError("calls what is no name")
        function = self.names[named.path]
        return Inert(named.path) if function is None else function(*arguments)


class _Refused(Exception):  # noqa: N818 (a message on its way to an ArtifactError)
    pass


def _built(value: Any, state: Any) -> Any:
    """`value` after its state was set. Attributes of a dictionary (an OrderedDict's metadata) are of no use here."""
    if isinstance(value, Listed) and type(state) is dict and type(state.get("items")) is list:
        value.extend(state["items"])
    elif not isinstance(value, dict | Inert):
        raise ValueError("sets the state of what has none")
    return value


class Listed(list[Any]):
    """fastcore's `L`: a list that gets its items as state."""


def ordered_dict(pairs: Sequence[Any] = ()) -> dict[Any, Any]:
    """`collections.OrderedDict` as a plain dictionary, which keeps its order too."""
    if any(type(pair) not in (list, tuple) or len(pair) != 2 or type(pair[0]) not in PLAIN for pair in pairs):
        raise ValueError("a dictionary of what are no pairs")
    return dict(pairs)


def read_pickle(
    source: bytes | IO[bytes],
    where: Path | str,
    *,
    names: Names | None = None,
    persistent: Callable[[Any], Any] | None = None,
) -> Any:
    """The value of one pickle: lists, tuples and dictionaries of text, numbers, booleans and None.

    `names` are the globals that may stand in it, each with the function that reads a call of it (None: noted and
    passed over); `persistent` reads torch's references to storages. From a stream, exactly one pickle is taken.

    Raises `ArtifactError` for any other global or opcode, before anything is done with it, and for a damaged file.
    """
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        return _Reader(names or {}, persistent).read(stream)
    except _Refused as refused:
        raise ArtifactError(f"{where}: a pickle that {refused}. Nothing of it was run.") from None
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, AttributeError, struct.error) as error:
        raise ArtifactError(f"{where}: not a pickle that can be read ({_short(error)}).") from error


def read_pickle_file(path: Path, *, names: Names | None = None) -> Any:
    """`read_pickle` of a whole file of reasonable size."""
    return read_pickle(read_regular(path, MAX_PICKLE_BYTES), path, names=names)


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:100]}"
