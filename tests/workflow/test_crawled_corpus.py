"""A corpus from the web: from a site to shards, by name, under a licence, with what was refused left out."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from at_prompt import run
from commoncrawl_server import Page, commoncrawl_server
from site_server import Reply, Site, article, serving_site

from ulmkit.artifacts.shards import read_batches
from ulmkit.language.registry import get

OWN = Path(get("et").samples)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    monkeypatch.delenv("ULMKIT_CONTACT", raising=False)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving_site() as found:
        yield found


def samples(count: int) -> list[tuple[str, str]]:
    """Title and text of articles that pass the language's filters."""
    found = []
    for path in sorted(OWN.glob("*.txt"))[:count]:
        title, _, text = path.read_text(encoding="utf-8").partition("\n")
        found.append((title, "\n".join(line for line in text.split("\n") if line)))
    return found


def put_samples(site: Site, count: int, licence: str = "") -> list[str]:
    paths = []
    for number, (title, text) in enumerate(samples(count)):
        mark = f'<a rel="license" href="{licence}">licence</a>' if licence and number % 2 else ""
        site.put(f"/a/{number}", article(title, text).replace("</article>", f"</article>{mark}"))
        paths.append(f"/a/{number}")
    site.put_sitemap(paths)
    return paths


def build(site: Site, root: Path, *more: object) -> int:
    return run(
        "corpus", "build", "et", "--root", root, "--allow-address", f"127.0.0.1:{site.port}", "--delay", "0",
        "--workers", "0", "--valid-share", "0", "--test-share", "0", "-q", *more,
    )  # fmt: skip


def rows(root: Path) -> list[dict[str, object]]:
    paths = sorted((root / "et" / "corpus").rglob("*.parquet"))
    return [row for batch in read_batches(paths) for row in batch.to_pylist()]


def manifest(root: Path) -> dict:
    return json.loads((root / "et" / "corpus" / "manifest.json").read_text())


def test_a_site_becomes_shards_under_its_licence_and_again_without_a_network(site: Site, tmp_path: Path) -> None:
    put_samples(site, 8)
    assert build(site, tmp_path, "--site", site.url, "--licence", "CC-BY-4.0") == 0
    kept = rows(tmp_path)
    assert len(kept) == 8
    assert {row["licence"] for row in kept} == {"CC-BY-4.0"}
    assert {row["consent"] for row in kept} == {"yes"}
    assert {row["url"] for row in kept} == {f"{site.url}/a/{number}" for number in range(8)}
    before, asked = manifest(tmp_path), site.asked.total()
    assert build(site, tmp_path, "--site", site.url, "--licence", "CC-BY-4.0", "--offline") == 0
    assert site.asked.total() == asked
    assert manifest(tmp_path)["signature"] == before["signature"]


def test_only_pages_that_name_an_open_licence_stay_where_the_source_leaves_it_to_them(
    site: Site, tmp_path: Path
) -> None:
    put_samples(site, 8, "https://creativecommons.org/licenses/by/4.0/")
    assert build(site, tmp_path, "--site", site.url, "--licence", "page") == 0
    assert {row["url"] for row in rows(tmp_path)} == {f"{site.url}/a/{number}" for number in (1, 3, 5, 7)}
    assert {row["licence"] for row in rows(tmp_path)} == {"CC-BY-4.0"}
    assert manifest(tmp_path)["counts"]["dropped"]["no licence"] == 4


def test_what_a_site_reserves_is_not_asked_for_and_recorded_only_where_that_is_wanted(
    site: Site, tmp_path: Path
) -> None:
    put_samples(site, 6)
    reserved = json.dumps([{"location": "/a/2", "tdm-reservation": 1}, {"location": "/a/4", "tdm-reservation": 1}])
    site.put("/.well-known/tdmrep.json", reserved, content_type="application/json")
    assert build(site, tmp_path / "strict", "--site", site.url, "--licence", "CC-BY-4.0") == 0
    assert len(rows(tmp_path / "strict")) == 4
    assert "/a/2" not in site.asked
    record = tmp_path / "record"
    assert build(site, record, "--site", site.url, "--licence", "CC-BY-4.0", "--consent", "record") == 0
    assert len(rows(record)) == 6
    # the same archive under another policy, without a network
    asked = site.asked.total()
    assert build(site, record, "--site", site.url, "--licence", "CC-BY-4.0", "--offline") == 0
    assert len(rows(record)) == 4
    assert site.asked.total() == asked


def test_a_blogs_posts_come_through_its_platforms_list(site: Site, tmp_path: Path, capsys) -> None:
    posts = [
        {
            "id": number,
            "link": f"{site.url}/post/{number}",
            "date_gmt": "2024-03-01T10:00:00",
            "modified_gmt": "2024-03-02T10:00:00",
            "title": {"rendered": title},
            "content": {"rendered": "".join(f"<p>{part}</p>" for part in text.split("\n")), "protected": False},
        }
        for number, (title, text) in enumerate(samples(12))
    ]
    site.put("/", f'<html><head><link rel="https://api.w.org/" href="{site.url}/wp-json/"></head><body></body></html>')
    query = "/wp-json/wp/v2/posts?per_page=100&page=1&_fields=id,link,date_gmt,modified_gmt,title,content,license"
    site.put(query, json.dumps(posts), content_type="application/json", headers={"X-WP-TotalPages": "1"})
    folder = tmp_path / "languages" / "et"
    folder.parent.mkdir()
    shutil.copytree(get("et").folder, folder)
    block = '\n[[sources]]\nname = "blog"\nkind = "blog"\nlocator = "http://blog.example.org/"\nlicence = "CC-BY-4.0"\n'
    text = (folder / "language.toml").read_text(encoding="utf-8") + block
    (folder / "language.toml").write_text(text, encoding="utf-8")
    from dataclasses import replace

    import ulmkit
    from ulmkit.acquire.sources import Fetching

    language = ulmkit.load(folder)
    (spec,) = [each for each in language.sources if each.name == "blog"]
    how = Fetching(
        names=("own",), extra=(replace(spec, name="own", locator=f"{site.url}/", delay_s=0.0),), allowed=site.allowed
    )
    corpus = ulmkit.build(language, root=tmp_path, fetching=how, workers=0, valid_share=0.0, test_share=0.0)
    assert {doc.url for doc in corpus} == {f"{site.url}/post/{number}" for number in range(12)}
    assert not any(path.startswith("/post/") for path in site.asked)
    assert corpus.manifest["pins"]["own"]["crawl"]["kept"] == 12


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--site", "https://news.example", "--licence", "CC-BY-4.0"), "no contact. Sites such as news.example"),
        (("--site", "https://news.example.org"), "under which licence? --licence CC-BY-4.0"),
        (("--site", "ftp://news.example.org", "--licence", "CC-BY-4.0"), "is no URL of the web"),
        (("--site", "http://10.0.0.1/", "--licence", "CC-BY-4.0"), "is an address inside of a network"),
        (("--source", "nowhere"), "has no source 'nowhere'. Known:"),
        (("--site", "https://a.example", "--licence", "CC0-1.0", "--offline"), "nothing was fetched yet, and"),
        (("--allow-address", "everything"), "give an address and a port, such as 127.0.0.1:8000"),
    ],
)  # fmt: skip
def test_what_cannot_be_brought_is_one_line(tmp_path: Path, capsys, options: tuple[str, ...], said: str) -> None:
    assert run("corpus", "build", "et", "--root", tmp_path, *options) in (1, 2)
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_a_source_that_fails_is_named_and_the_rest_goes_on(site: Site, tmp_path: Path, capsys) -> None:
    put_samples(site, 8)
    with serving_site() as broken:
        broken.pages["/robots.txt"] = Reply(b"", 500)
        code = build(
            site, tmp_path, "--site", site.url, "--site", broken.url, "--licence", "CC-BY-4.0",
            "--allow-address", f"127.0.0.1:{broken.port}",
        )  # fmt: skip
        assert code == 0
        assert len(rows(tmp_path)) == 8
        assert build(broken, tmp_path / "b", "--site", broken.url, "--licence", "CC-BY-4.0") == 1
    assert "robots.txt answers 500, asked again in 60 min" in capsys.readouterr().err


def test_a_page_that_left_the_web_leaves_the_corpus(site: Site, tmp_path: Path) -> None:
    import sqlite3

    paths = put_samples(site, 8)
    options = ("--site", site.url, "--licence", "CC-BY-4.0")
    assert build(site, tmp_path, *options) == 0
    del site.pages[paths[3]]
    frontier = tmp_path / "et" / "raw" / "frontier.sqlite"
    for _ in range(2):  # fetched, and gone, ten days before
        with sqlite3.connect(frontier) as db:
            db.execute("UPDATE urls SET fetched = fetched - 864000, gone_since = gone_since - 864000")
        db.close()
        assert build(site, tmp_path, *options, "--refresh") == 0
    assert len(rows(tmp_path)) == 7
    assert manifest(tmp_path)["counts"]["dropped"]["gone from the web"] == 1
    assert build(site, tmp_path, *options, "--offline", "--keep-gone") == 0
    assert len(rows(tmp_path)) == 8


def test_the_report_says_what_each_source_brought_and_what_two_of_them_share(
    site: Site, tmp_path: Path, capsys
) -> None:
    put_samples(site, 8)
    with serving_site() as other:
        paths = put_samples(other, 3)
        title, text = samples(9)[8]
        other.put("/own", article(title, text))
        other.put("/short", article("Lühike", "Tere!"))
        other.put_sitemap([*paths, "/own", "/short", "/nowhere"], dates={"/own": "2024-05-06"})
        options = ("--site", site.url, "--site", other.url, "--licence", "CC-BY-4.0",
                   "--allow-address", f"127.0.0.1:{other.port}")  # fmt: skip
        assert build(site, tmp_path, *options) == 0
        out = capsys.readouterr().out
        names = [f"127.0.0.1-{each.port}" for each in (site, other)]
    first, second = (manifest(tmp_path)["yields"][name] for name in names)
    assert (first["overlap"], second["overlap"]) == ({names[1]: 3}, {names[0]: 3})
    assert first["documents"] + second["documents"] == 9
    alone = dict.fromkeys(names, 0)
    for row in rows(tmp_path):
        if row["url"] not in {f"{each}/a/{number}" for each in (site.url, other.url) for number in range(3)}:
            alone[row["source"]] += row["characters"]
    assert {names[0]: first["own_characters"], names[1]: second["own_characters"]} == alone
    assert first["dropped"].get("duplicate", 0) + second["dropped"].get("duplicate", 0) == 3
    assert second["dropped"]["no main text"] == 1
    assert second["licences"] == {"CC-BY-4.0": second["documents"]}
    assert second["consent"] == {"yes": second["documents"]}
    # robots.txt, tdmrep.json and ai.txt are answers as well, and so is the page that was not there
    assert second["answers"] == other.asked.total()
    assert second["characters_per_answer"] == round(second["characters"] / second["answers"], 1)
    crawl = manifest(tmp_path)["pins"][names[1]]["crawl"]
    assert crawl["requests"] == other.asked.total()
    assert crawl["largest_rate"] > 0
    assert crawl["promised_rate"] is None
    card = (tmp_path / "et" / "corpus" / "README.md").read_text(encoding="utf-8")
    matrix = {tuple(sorted(names)).index(name): name for name in names}
    assert f"| {matrix[0]} | 0 | 3 |\n| {matrix[1]} | 3 | 0 |" in card.replace("\\", "")
    assert max(len(line) for line in out.splitlines() if not line.startswith("corpus|")) <= 80, out


def own_folder(tmp_path: Path, block: str) -> Path:
    """A folder of languages, in which one declares one more source."""
    folders = tmp_path / "languages"
    for name in ("et", "_scripts"):
        shutil.copytree(get("et").folder.parent / name, folders / name)
    path = folders / "et" / "language.toml"
    path.write_text(f"{path.read_text(encoding='utf-8')}\n{block}", encoding="utf-8")
    return folders


@pytest.mark.parametrize("selection", ['domains = ["0.1"]', 'content_language = "est"'])
def test_pages_of_common_crawl_become_shards_and_the_report_says_what_they_cost(
    site: Site, tmp_path: Path, capsys, selection: str
) -> None:
    site.put("/robots.txt", "User-agent: ulmkit\nDisallow: /a/7", content_type="text/plain")
    texts = [text for _, text in samples(8)]
    pages = [Page(f"{site.url}/a/{number}", "est", text) for number, text in enumerate(texts)]
    pages += [Page(f"http://x.org/{number}", "eng", "Other.") for number in range(4)]
    block = '[[sources]]\nname = "cc"\nkind = "commoncrawl"\nlocator = "latest"\nlicence = "CC-BY-4.0"\ndelay_s = 0.0\n'
    with commoncrawl_server(pages, filler=60) as crawl:
        options = ("--source", "cc", "--mirror", crawl.url, "--contact", "me@example.org",
                   "--languages", own_folder(tmp_path, f"{block}{selection}\n"))  # fmt: skip
        assert build(site, tmp_path, *options) == 0
        out = capsys.readouterr().out
        sent, requests = crawl.sent, len(crawl.requests)
    assert {row["url"] for row in rows(tmp_path)} == {f"{site.url}/a/{number}" for number in range(7)}
    pins = manifest(tmp_path)["pins"]["cc"]
    assert (pins["resolved"], pins["answers"]) == ("CC-MAIN-2026-43", 7)
    assert pins["run"]["urls"]["page"] == {"done": 7, "refused: robots.txt refuses today": 1}
    assert pins["run"]["requests"] == requests
    assert pins["run"]["index"]["bytes"] + pins["run"]["records"]["bytes"] < sent  # and two lists
    assert (pins["run"]["robots_asked"], pins["run"]["servers_refusing"]) == (1, 1)
    assert [path for path, _ in site.heard] == ["/robots.txt"]
    assert site.heard[0][1]["From"] == "me@example.org"
    assert "me@example.org" in site.heard[0][1]["User-Agent"]
    lines = out.splitlines()
    assert next(line.split()[1] for line in lines if line.startswith("records")) == "7"
    assert any(line.startswith("CC-MAIN-2026-43, ") for line in lines)
    assert max(len(line) for line in lines if not line.startswith("corpus|")) <= 80, out


def test_rows_of_an_index_are_counted_by_top_level_domain_and_language(site: Site, tmp_path: Path, capsys) -> None:
    texts = [text for _, text in samples(6)]
    pages = [Page(f"http://a{n % 2}.ee/{n}", "est" if n < 4 else "eng,est", text) for n, text in enumerate(texts)]
    pages += [Page(f"http://x.fi/{n}", "est", texts[n]) for n in range(3)]
    block = (
        '[[sources]]\nname = "cc"\nkind = "commoncrawl"\nlocator = "latest"\nlicence = "CC-BY-4.0"\ndelay_s = 0.0\n'
        'tld = ["ee"]\nrespect_robots_now = false\n'
    )
    with commoncrawl_server(pages, filler=60) as crawl:
        options = ("--source", "cc", "--mirror", crawl.url, "--contact", "me@example.org",
                   "--languages", own_folder(tmp_path, block))  # fmt: skip
        assert build(site, tmp_path, *options, "--max-hours", 1) == 0
        out = capsys.readouterr().out
        assert all(span for path, span in crawl.requests if path.endswith((".parquet", ".warc.gz")))
    told = manifest(tmp_path)["pins"]["cc"]["run"]["rows"]
    assert told == {
        "tld": {"ee": {"rows": 6, "here": 6}},
        "language": {"est": {"rows": 4, "here": 4}, "eng": {"rows": 2, "here": 2}},
    }
    assert [line.split() for line in out.splitlines() if line.startswith(("ee ", "eng "))] == [
        ["ee", "6", "6"],
        ["eng", "2", "2"],
    ]
    assert max(len(line) for line in out.splitlines() if not line.startswith("corpus|")) <= 80, out
    card = (tmp_path / "et" / "corpus" / "README.md").read_text(encoding="utf-8")
    assert "| est | 4 | 4 |" in card
