"""`ulmkit corpus discover`: sources that a language could have, asked of servers that answer as the public ones do."""

import json
import tomllib
from collections.abc import Iterator

import pytest
from at_prompt import run
from commoncrawl_server import Page, commoncrawl_server
from site_server import Site, serving_site

from ulmkit.acquire.sources import Fetching
from ulmkit.language.source_mistakes import mistake_in
from ulmkit.language.sources import SOURCE_TYPES, SiteSource
from ulmkit.workflow.probe import look_at

PAGES = [
    *(Page(f"https://www.habari.co.tz/{n}", "swa" if n % 4 else "eng,swa", "Habari.") for n in range(40)),
    *(Page(f"https://gazeti.tz/{n}", "swa,eng", "Gazeti.") for n in range(10)),
    *(Page(f"https://other.org/{n}", "swa", "Mengine.") for n in range(5)),
]
SITEINFO = "/w/api.php?action=query&meta=siteinfo&siprop=general%7Cstatistics%7Crightsinfo&format=json"
RIGHTS = {"url": "https://creativecommons.org/licenses/by-sa/4.0/", "text": "Creative Commons Attribution-ShareAlike"}


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    for name in ("ULMKIT_CONTACT", "HF_ENDPOINT", "ULMKIT_WIKIMEDIA_API"):
        monkeypatch.delenv(name, raising=False)
    with serving_site() as found:
        yield found


def put_json(site: Site, path: str, value: object) -> None:
    site.put(path, json.dumps(value), content_type="application/json")


def put_wikis(site: Site) -> None:
    def wiki(code: str, name: str, **more: object) -> dict[str, object]:
        return {"url": f"{site.url}/{name}", "dbname": name, "code": code, "sitename": "Wiki", **more}

    sites = [
        wiki("wiki", "swwiki"),
        wiki("wiktionary", "swwiktionary"),
        wiki("wikibooks", "swwikibooks", closed=True),
        wiki("wikiquote", "swwikiquote") | {"url": "http://10.0.0.1"},
    ]
    matrix = {
        "count": 3,
        "0": {"code": "sw", "name": "Kiswahili", "site": sites, "localname": "Swahili"},
        "1": {"code": "swx", "name": "Other", "site": [wiki("wiki", "swxwiki")]},
        "specials": [{"dbname": "commonswiki", "url": site.url, "code": "commons"}],
    }
    put_json(site, "/w/api.php?action=sitematrix&smtype=language&format=json", {"sitematrix": matrix})
    query = {"statistics": {"articles": 98_765}, "rightsinfo": RIGHTS}
    put_json(site, f"/swwiki{SITEINFO}", {"query": query | {"general": {"lang": "sw"}}})


def put_sets(site: Site) -> None:
    def listed(name: str, downloads: int) -> dict[str, object]:
        return {"id": name, "downloads": downloads, "tags": []}

    end = "&filter=modality:text&sort=downloads&direction=-1&limit=32"
    put_json(site, f"/api/datasets?filter=language:sw{end}", [listed("a/web", 9), listed("b/own", 90)])
    put_json(site, f"/api/datasets?filter=language:swa{end}", [listed("a/web", 9), listed("../x", 1)])
    files = ["README.md", *(f"data/{name}/train/0.parquet" for name in ("swh_Latn", "eng_Latn", "swc_Latn"))]
    put_json(site, "/api/datasets/a/web", {
        "id": "a/web", "downloads": 9, "gated": "auto", "siblings": [{"rfilename": name} for name in files],
        "tags": ["language:sw", "language:en", "license:odc-by", "size_categories:1M<n<10M"],
    })  # fmt: skip
    put_json(site, "/api/datasets/b/own", {
        "id": "b/own", "downloads": 90, "siblings": [{"rfilename": "train.jsonl"}],
        "tags": ["language:sw", "license:cc-by-4.0"],
    })  # fmt: skip


def discover(site: Site, *more: object) -> int:
    return run("corpus", "discover", "sw", "--wikis", site.url, "--hub", site.url, "--look", "0",
               "--allow-address", f"127.0.0.1:{site.port}", "--contact", "me@example.org", *more)  # fmt: skip


def test_a_language_without_a_folder_gets_blocks_to_paste_from_each_place(site: Site, capsys) -> None:
    put_wikis(site)
    put_sets(site)
    with commoncrawl_server(PAGES, filler=600) as crawl:
        options = ("--mirror", crawl.url, "--allow-address", crawl.url.removeprefix("http://"), "--files", 2)
        assert discover(site, *options, "-q") == 0
        out = capsys.readouterr().out
        assert discover(site, *options, "--json") == 0
        told = json.loads(capsys.readouterr().out)
        assert all(span for path, span in crawl.requests if path.endswith(".parquet"))
    blocks = {block["name"]: block for block in tomllib.loads(out)["sources"]}
    assert list(blocks) == [
        "wikipedia",
        "own",
        "web",
        "common-crawl",
        "common-crawl-tz",
        "co.tz",
        "gazeti.tz",
        "other.org",
    ]
    assert all(mistake_in(SOURCE_TYPES[block["kind"]](**_typed(block))) is None for block in blocks.values())
    wiki = blocks["wikipedia"]
    assert (wiki["locator"], wiki["licence"]) == ("swwiki", "CC-BY-SA-4.0")
    assert "enabled" not in wiki
    assert "# 98,765 articles" in out
    assert blocks["web"]["files"] == ["data/swh_Latn/train/*.parquet", "data/swc_Latn/train/*.parquet"]
    assert (blocks["web"]["licence"], blocks["own"]["licence"]) == ("ODC-By-1.0", "CC-BY-4.0")
    assert not any(block.get("enabled", True) for name, block in blocks.items() if name != "wikipedia")
    assert blocks["common-crawl"]["content_language"] == "swa"
    assert blocks["common-crawl-tz"]["tld"] == ["tz"]
    assert told["sample"]["by_tld"] == {"tz": 40, "org": 5}
    assert told["sample"]["domains"]["co.tz"] == {"pages": 30, "share": 0.75}
    assert told["failed"] == {}
    assert "is not connected to" in told["problems"]["wikimedia"][0]  # a wiki that is said to lie inside of a network
    agents = {headers["User-Agent"] for _, headers in site.heard}
    assert all("me@example.org" in agent for agent in agents)


def _typed(block: dict[str, object]) -> dict[str, object]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in block.items()}


def test_a_place_that_does_not_answer_is_one_line_and_the_rest_goes_on(site: Site, capsys) -> None:
    put_sets(site)
    assert discover(site, "--files", 0) == 0
    shown = capsys.readouterr()
    assert [line for line in shown.err.splitlines() if "wikimedia: " in line and "answers 404" in line]
    assert "Traceback" not in shown.err
    assert len(tomllib.loads(shown.out)["sources"]) == 2
    site.pages.clear()
    assert discover(site, "--files", 0) == 1
    assert "no place could be asked" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("no json", "does not answer with JSON"),
        ('{"sitematrix": []}', "does not list wikis"),
        ('{"sitematrix": {"0": {"code": "sw", "site": [{"code": "wiki", "dbname": "../x", "url": 3}]}}}', ""),
        ("[" * 100_000, "does not answer with JSON"),
    ],
)
def test_what_a_place_answers_is_believed_in_nothing(site: Site, capsys, answer: str, said: str) -> None:
    put_sets(site)
    site.put("/w/api.php?action=sitematrix&smtype=language&format=json", answer, content_type="application/json")
    assert discover(site, "--files", 0, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert said in told["failed"].get("wikimedia", "")
    assert {each["place"] for each in told["candidates"]} == {"hub"}


def test_strangers_are_not_asked_by_nobody_and_a_code_that_nobody_knows_is_none(site: Site, capsys) -> None:
    assert run("corpus", "discover", "sw") == 2
    assert "no contact. Sites such as meta.wikimedia.org" in capsys.readouterr().err
    assert run("corpus", "discover", "qqq", "--contact", "me@example.org") == 2
    assert "no language 'qqq'" in capsys.readouterr().err


def test_a_front_page_tells_platform_and_licence(site: Site) -> None:
    mark = '<a rel="license" href="https://creativecommons.org/licenses/by/4.0/">CC</a>'
    head = f'<link rel="https://api.w.org/" href="{site.url}/wp-json/">'
    site.put("/", f"<html><head>{head}</head><body>{mark}</body></html>")
    spec = SiteSource("s", "site", f"{site.url}/", "unknown", enabled=False, delay_s=0.0)
    (found,) = look_at("sw", [spec], Fetching(allowed=site.allowed))
    assert (found.platform, found.licences) == ("wordpress", ("CC-BY-4.0",))
    assert site.asked.total() <= 7


def test_a_wiki_that_is_called_as_a_language_and_written_in_another_is_left(site: Site, capsys) -> None:
    def group(code: str, name: str) -> dict[str, object]:
        return {"code": code, "site": [{"url": f"{site.url}/{name}", "dbname": name, "code": "wiki"}]}

    groups = {
        str(n): group(*each) for n, each in enumerate((("zh-yue", "zh_yuewiki"), ("zh", "zhwiki"), ("yue", "xywiki")))
    }
    put_json(site, "/w/api.php?action=sitematrix&smtype=language&format=json", {"sitematrix": groups})
    for name, tongue in (("zh_yuewiki", "yue"), ("zhwiki", "zh"), ("xywiki", "fr")):
        query = {"statistics": {"articles": 9}, "rightsinfo": RIGHTS, "general": {"lang": tongue}}
        put_json(site, f"/{name}{SITEINFO}", {"query": query})
    assert run("corpus", "discover", "zh-yue", "--wikis", site.url, "--hub", site.url, "--look", "0", "--files", 0,
               "--allow-address", f"127.0.0.1:{site.port}", "--contact", "me@example.org", "--json") == 0  # fmt: skip
    told = json.loads(capsys.readouterr().out)
    assert [each["locator"] for each in told["candidates"]] == ["zh_yuewiki"]
    assert "written in 'fr'" in told["problems"]["wikimedia"][0]
    assert all("zhwiki" not in path for path, _ in site.heard)
