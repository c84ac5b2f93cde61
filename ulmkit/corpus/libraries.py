"""Which releases of libraries decide what a staged unit holds: their names and what tells two of them apart.

A unit is reused wherever its key is equal, so what a release may change stands in the key: by its version, or, where
what we use of it is a function with one right answer, by what that function makes of a fixed sample. A library that
only reads or writes (pyarrow, fastwarc) changes no document that it does not fail on.
"""

import functools
import importlib.metadata
import unicodedata
from collections.abc import Callable, Mapping

import numpy as np
import xxhash

from ulmkit.artifacts.manifest import fingerprint
from ulmkit.corpus.dedup import signatures
from ulmkit.language.forms import MATCH, STANDARD
from ulmkit.language.sections import Dedup
from ulmkit.language.spec import Language

VERSIONED = ("chardet", "ftfy", "py3langid", "pycld2", "resiliparse")  # models and rules, not functions


def sketch_mark() -> str:
    """What MinHash makes of fixed word hashes; rensa 0.5 makes another sketch of them than 0.4 did."""
    words = [np.arange(first, first + 40, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) for first in (1, 9)]
    return fingerprint(signatures(words, Dedup()).tolist())


def digest_mark() -> str:
    """What the hashes of texts make of a fixed text."""
    return fingerprint([xxhash.xxh3_64_hexdigest(b"a fixed text"), xxhash.xxh3_128_hexdigest(b"a fixed text")])


# what is known by what it makes of a sample
SAMPLED: Mapping[str, Callable[[], str]] = {"rensa": sketch_mark, "xxhash": digest_mark}


@functools.cache
def _marks_of_all() -> Mapping[str, str]:
    """The mark of each library that every language's corpus depends on, and the Unicode version of this Python."""
    return {
        **{name: importlib.metadata.version(name) for name in VERSIONED},
        **{name: mark() for name, mark in SAMPLED.items()},
        "unicode": unicodedata.unidata_version,
    }


def library_marks(language: Language) -> dict[str, str]:
    """Name → mark of every library whose release decides which documents of `language` are kept, and as what.

    The language's own are those that a function of its rules.py names as its attribute `packages`.
    """
    return {**_marks_of_all(), **{name: _version(name) for name in packages_of(language)}}


def packages_of(language: Language) -> tuple[str, ...]:
    """The packages that the rules of the corpus's two forms of a text say they look things up in."""
    found: set[str] = set()
    for form in (STANDARD, MATCH):
        for name in language.operations(form):
            if name.startswith("rules."):
                found.update(getattr(language.rules.function(name, "operation"), "packages", ()))
    return tuple(sorted(found))


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "missing"
