"""What can go wrong, as few kinds as the prompt has to tell apart."""

import errno
import re
from collections.abc import Iterator
from pathlib import Path


def shown(path: Path) -> str:
    """`path` as an error names it: from the working directory where it lies inside."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError, RuntimeError):  # outside of it, or a link that leads back to itself
        return str(path)


class UlmkitError(Exception):
    """Something failed. The message says where, what, and what to do next, in one line."""

    exit_code = 1


class UsageError(UlmkitError):
    """Asked wrongly: an unknown language, an option out of range, a file that is not there."""

    exit_code = 2


class VocabularyError(UsageError):
    """More pieces were asked for than the text carries, which is `most`."""

    def __init__(self, message: str, most: int) -> None:
        super().__init__(message)
        self.most = most


class LanguageError(UlmkitError):
    """A language folder is broken; the message starts with file and line."""


class RuleError(LanguageError):
    """A function of a language's rules.py raised, hung, or returned no text; the document is set aside."""


class InputError(UlmkitError):
    """An input cannot be read at all (one bad record inside a good file is an `Unreadable`)."""


class ArtifactError(UlmkitError):
    """A file under the data root is missing, damaged, or made for something else."""


class BusyError(UlmkitError):
    """Another process is writing the same artifact; the message names its pid and host."""


class Interrupted(UlmkitError):  # noqa: N818 — nothing went wrong
    """Stopped by a signal after the state was saved; the message names the command that resumes."""

    def __init__(self, message: str, signal_number: int = 2) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


# How torch's allocator, the C++ library, the kernel, the loader and oneDNN say it, which have no class for it. oneDNN
# gives no reason: a primitive whose descriptor was accepted, or a memory object, fails where there is no room for it,
# while a descriptor that cannot be made ("a primitive descriptor") is an operation that it does not have.
NO_MEMORY = re.compile(
    r"not enough memory|DefaultCPUAllocator|(can't|cannot) allocate memory|std::bad_alloc|out of memory"
    r"|could not (create|execute) a primitive(?! desc)|could not create a memory|can't start new thread"
    r"|failed to map segment",  # of a library that is loaded when it is first needed
    re.IGNORECASE,
)


def out_of_memory(error: BaseException) -> bool:
    """Whether `error`, or what it was raised from, says that there was no memory left, on a GPU or a CPU."""
    return any(_says_no_memory(each) for each in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _says_no_memory(error: BaseException) -> bool:
    # torch's own class is known by its name: this module loads no torch
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError | ImportError | OSError) and NO_MEMORY.search(str(error)) is not None
