"""The program as at the prompt, in this process."""

import pytest

from ulmkit.cli.main import main


def run(*words: object) -> int:
    """The exit status of `ulmkit` with these words."""
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in words])
    return int(left.value.code or 0)
