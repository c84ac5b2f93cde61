"""`ulmkit corpus sources`: what is declared, what is here, and what a site would give."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from at_prompt import run
from site_server import Reply, Site, article, serving_site

from ulmkit.language.registry import get
from ulmkit.language.source_mistakes import mistake_in
from ulmkit.language.sources import SOURCE_TYPES

BY = "https://creativecommons.org/licenses/by/4.0/"


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    monkeypatch.delenv("ULMKIT_CONTACT", raising=False)
    with serving_site() as found:
        yield found


def put_articles(site: Site) -> None:
    paths = []
    for path in sorted(get("et").samples.glob("*.txt"))[:5]:
        title, _, text = path.read_text(encoding="utf-8").partition("\n")
        site.put(f"/{path.stem}", article(title, text).replace("</body>", f"<a rel=license href='{BY}'>CC</a></body>"))
        paths.append(f"/{path.stem}")
    site.put_sitemap(paths, dates=dict.fromkeys(paths, "2024-05-06"))
    site.put("/", "<html><body><a href='/et-01'>x</a></body></html>")


@pytest.mark.parametrize("code", ["fa", "et"])
def test_every_declared_source_is_listed_with_its_licence(code: str, tmp_path: Path, capsys) -> None:
    assert run("corpus", "sources", code, "--root", tmp_path, "--json") == 0
    listed = json.loads(capsys.readouterr().out)["sources"]
    assert [each["name"] for each in listed] == [source.name for source in get(code).sources]
    assert all(each["licence"] and (each["ground"] or not each["enabled"]) for each in listed)
    assert not any(each["licence"] == "unknown" for each in listed if each["enabled"])


def test_a_probe_tells_what_a_site_would_give_in_a_dozen_requests(site: Site, tmp_path: Path, capsys) -> None:
    put_articles(site)
    options = ("--allow-address", f"127.0.0.1:{site.port}", "--delay", "0", "--root", tmp_path)
    assert run("corpus", "sources", "et", "--probe", site.url, *options, "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)["probed"]
    assert found["pages"] == 5
    assert found["newest"] == "2024-05-06"
    assert found["licences"] == ["CC-BY-4.0"]
    assert found["in_language"]
    assert found["characters"] > 500
    assert site.asked.total() <= 12
    assert not list(tmp_path.iterdir())  # nothing is kept


def test_a_probe_prints_a_block_that_can_be_pasted(site: Site, tmp_path: Path, capsys) -> None:
    put_articles(site)
    options = ("--allow-address", f"127.0.0.1:{site.port}", "--delay", "0", "--root", tmp_path, "-q")
    assert run("corpus", "sources", "et", "--probe", site.url, *options) == 0
    out = capsys.readouterr().out
    (block,) = tomllib.loads(out[out.index("[[sources]]") :])["sources"]
    public = {**block, "locator": "https://example.org/"}
    assert mistake_in(SOURCE_TYPES[block["kind"]](**public)) is None
    assert block["licence"] == "CC-BY-4.0"


def test_a_site_that_cannot_be_asked_says_why(site: Site, tmp_path: Path, capsys) -> None:
    site.pages["/robots.txt"] = Reply(b"User-agent: *\nDisallow: /", content_type="text/plain")
    options = ("--allow-address", f"127.0.0.1:{site.port}", "--delay", "0", "--root", tmp_path, "--json")
    assert run("corpus", "sources", "et", "--probe", site.url, *options) == 0
    (found,) = json.loads(capsys.readouterr().out)["probed"]
    assert (found["allowed"], found["problem"]) == (False, "robots.txt forbids it")
    assert set(site.asked) == {"/robots.txt"}


def test_an_address_inside_of_a_network_is_refused_with_the_option_that_opens_it(tmp_path: Path, capsys) -> None:
    for host in ("127.0.0.1", "localhost"):
        assert run("corpus", "fetch", "et", "--root", tmp_path, "--site", f"http://{host}:8765",
                   "--licence", "CC-BY-4.0") == 2  # fmt: skip
        assert "If it is yours: --allow-address 127.0.0.1:8765." in capsys.readouterr().err
