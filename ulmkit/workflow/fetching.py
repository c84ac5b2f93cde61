"""Sources brought to disk, without a build."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ulmkit.acquire.sources import CONTACT, Brought, Fetching, fetch_sources, forget_hosts
from ulmkit.artifacts.layout import Layout
from ulmkit.language.spec import Language
from ulmkit.progress import Report, silent


def bring_sources(
    language: Language, root: Path, how: Fetching, *, forget: Sequence[str] = (), report: Report = silent
) -> Brought:
    """The chosen sources of `language` under `<root>/<code>/raw`; hosts in `forget` are asked as for the first time.

    Raises what `fetch_sources` raises.
    """
    layout = Layout(root, language.code)
    if forget:
        forget_hosts(layout, forget)
    how = replace(how, contact=how.contact or os.environ.get(CONTACT, ""))
    return fetch_sources(language, layout, how, report=report)
