"""What can go wrong, as few kinds as the prompt has to tell apart."""

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
