"""What tests of acquiring share: a server on loopback, asked directly."""

from collections.abc import Iterator

import pytest
from site_server import Site, serving_site


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")


@pytest.fixture
def site() -> Iterator[Site]:
    with serving_site() as found:
        yield found
