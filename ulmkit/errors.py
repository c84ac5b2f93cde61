"""What can go wrong, as few kinds as the prompt has to tell apart, and how what the system refuses is said."""

import errno
import os
import re
import shutil
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
    at_prompt = ""  # the line with the names of options, where a notebook is told those of arguments


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
    """A function of a language's rules.py raised, hung, or returned no text, or a pattern of its language.toml hung.

    The document is set aside.
    """


class InputError(UlmkitError):
    """An input cannot be read at all (one bad record inside a good file is an `Unreadable`)."""


class ArtifactError(UlmkitError):
    """A file under the data root is missing, damaged, or made for something else."""


class MissingPackageError(UsageError, ImportError):
    """A package that this needs is not installed, as in the light set of `requirements/corpus.txt`."""


class BusyError(UlmkitError):
    """Another process is writing the same artifact; the message names its pid and host."""


class Interrupted(BaseException):
    """Stopped by a signal after the state was saved; the same command goes on, where needed with the options `more`.

    As KeyboardInterrupt, it is no `Exception`: what catches every fault of somebody's code lets it through.
    """

    def __init__(self, message: str, signal_number: int = 2, *, more: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number
        self.more = more


# packages that are installed by another name than they are imported by, or need a word with it
_INSTALLED_AS = {
    "backports": "backports.zstd",
    "fastcore": "fastai",
    "google": "protobuf",
    "hazm": "--no-deps hazm",  # two lists of it are read; what it needs to be imported is not
    "iso639": "python-iso639",
    "sklearn": "scikit-learn",
}


def missing_package(error: ModuleNotFoundError) -> MissingPackageError | None:
    """What to install where a package is missing; None where what is missing is a module of ours.

    >>> print(missing_package(ModuleNotFoundError("No module named 'sklearn'", name="sklearn.svm")))
    The package 'sklearn' is not installed, and this needs it. Install it: `pip install scikit-learn` (docs/install.md).
    """
    package = (error.name or "").partition(".")[0]
    if package in ("", "ulmkit"):
        return None
    return MissingPackageError(
        f"The package '{package}' is not installed, and this needs it. Install it: "
        f"`pip install {_INSTALLED_AS.get(package, package)}` (docs/install.md)."
    )


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


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)

# what to do about an error of the system, where it is not said by whoever met it
_ADVICE = {
    errno.ENOENT: "See whether it is still there, and whether its folder is.",
    errno.ENOTDIR: "A part of this path is a file: give another.",
    errno.EISDIR: "Give a file instead of a folder.",
    errno.EEXIST: "Remove it, or give another.",
    errno.ENOTEMPTY: "Something else writes here: stop it, then run the same command again.",
    errno.ENAMETOOLONG: "Give a shorter name.",
    errno.ELOOP: "A link on this path leads back to itself, or is not followed: give the place itself.",
    errno.EINVAL: "Give another file or place.",
    errno.EMFILE: "Raise the limit on open files (ulimit -n), or use fewer --workers.",
    errno.ENFILE: "The machine has too many files open: close other programs, then run the same command again.",
    errno.EAGAIN: "The system starts no more processes: use fewer --workers, or close other programs.",
    errno.ENOMEM: "The system has no memory left: use fewer --workers, or close other programs.",
    errno.EIO: "The disk does not answer as it should: look at its health, then run the same command again.",
    errno.ENXIO: "No program is at the other end of it: give a file.",
    errno.ENODEV: "The disk is gone: connect it, then run the same command again.",
    errno.ESTALE: "The network folder was replaced meanwhile: run the same command again.",
    errno.EBUSY: "Something else uses it: wait for that or stop it, then run the same command again.",
    errno.ETXTBSY: "Something else uses it: wait for that or stop it, then run the same command again.",
    errno.EBADF: "It is closed: leave it open, or lead it to a file.",
    errno.ENOLCK: "This file system has no locks: give another place.",
    errno.ENOTSUP: "This file system cannot do it: give another place.",
}


def system_error(
    error: OSError, path: object = None, *, cannot: str = "cannot be used", advice: str = "Change its rights."
) -> str:
    """One line for what the system refused: where, what and why, and what next.

    `path` is what was worked on, and is said unless the error itself names another file. `cannot` says what could not
    be done, `advice` what to do where rights are missing; for other reasons it is known here.

    >>> system_error(OSError(errno.ENAMETOOLONG, "File name too long", "a"))
    'a: cannot be used (File name too long). Give a shorter name.'
    """
    named = [os.fsdecode(n) for n in (error.filename2, error.filename) if isinstance(n, str | bytes | os.PathLike)]
    where = next((name for name in named if not name.endswith(".part")), str(path or ""))
    if error.errno in FULL:
        return (
            f"{where or 'the disk'}: no space left ({_free(where)}{error.strerror}). What was finished is kept; "
            "make room or choose another --root, then run the same command again."
        )
    reason = " ".join(str(error.strerror or error or type(error).__name__).split())
    if error.errno and "[errno" in reason:  # Arrow's, which tells the path once more
        reason = os.strerror(error.errno)
    then = advice if error.errno in CLOSED else _ADVICE.get(error.errno or 0, "Run the same command again.")
    if "temporary directory" in reason:  # Python's own search for one found none
        then = "Set TMPDIR to a folder that can be written."
    return f"{where + ': ' if where else ''}{cannot} ({reason}). {then}"


def _free(where: str) -> str:
    """How many bytes are free where the file would lie; the folder itself may never have come into being."""
    try:
        path = Path(where).absolute()
        existing = next(str(p) for p in (path, *path.parents) if os.path.exists(p))  # noqa: PTH110 — never raises
        return f"{shutil.disk_usage(existing).free:,} bytes free; "
    except (OSError, StopIteration):
        return ""
