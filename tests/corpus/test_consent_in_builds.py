"""A corpus of crawled pages holds what may be in it, says why, and is another one under another policy, offline."""

from pathlib import Path
from typing import Any

import pytest
from corpus_text import articles

from ulmkit.acquire.archive import HTTP, http_block, warc_member
from ulmkit.artifacts.layout import SPLITS, Layout
from ulmkit.artifacts.shards import finished_corpus, read_batches, shard_paths
from ulmkit.corpus.build import BuildOptions, build_corpus
from ulmkit.errors import ArtifactError, UsageError
from ulmkit.formats.host_signals import HostSignals
from ulmkit.formats.inputs import Input
from ulmkit.language.registry import get

PERSIAN = get("fa")
TEXTS = articles(8)
WHEN = 1_796_000_000.0
ND = '<link rel="license" href="https://creativecommons.org/licenses/by-nd/4.0/">'
BY = '<link rel="license" href="https://creativecommons.org/licenses/by/4.0/">'
TRAINING = HostSignals(robots=(("content-signal", "ai-train=no"),)).to_json()
AGENTS = HostSignals(agents=("GPTBot",)).to_json()

# name of a page: what its head, its answer's header and its host say
PAGES: dict[str, tuple[str, tuple[tuple[bytes, bytes], ...], str]] = {
    "silent": ("", (), ""),
    "open": (BY, (), ""),
    "nd": (ND, (), ""),
    "noai": ("", ((b"X-Robots-Tag", b"all"), (b"X-Robots-Tag", b"noai")), ""),
    "signal": ("", (), TRAINING),
    "agents": ("", (), AGENTS),
    "noindex": ('<meta name="robots" content="noindex">', (), ""),
    "reserved": (BY, ((b"TDM-Reservation", b"1"),), ""),
}


def page(head: str, text: str) -> bytes:
    paragraphs = "".join(f"<p>{part}</p>" for part in text.split("\n\n"))
    return f"<!doctype html><html><head>{head}</head><body><article>{paragraphs}</article></body></html>".encode()


def archive(folder: Path) -> Path:
    path = folder / "pages-00000.warc.gz"
    with path.open("wb") as file:
        for (name, (head, fields, signals)), text in zip(PAGES.items(), TEXTS, strict=True):
            own = ((b"Content-Type", b"text/html; charset=utf-8"), *fields)
            about = {
                "WARC-Target-URI": f"https://example.org/{name}",
                "Content-Type": HTTP,
                "WARC-Ulmkit-Role": "page",
                "WARC-Ulmkit-Signals": signals,
            }
            file.write(warc_member("response", WHEN, http_block(200, b"OK", own, page(head, text)), about))
    return path


def build(tmp_path: Path, licence: str = "unknown", root: str = "data", **options: Any) -> dict[str, Any]:
    path = tmp_path / "pages-00000.warc.gz"
    path = path if path.exists() else archive(tmp_path)
    agents = options.pop("ai_agents", "two")
    inputs = [Input(path, "site", path.name, licence, crawled=True, ai_agents=agents)]
    chosen = BuildOptions(valid_share=0.2, test_share=0.2, workers=0, **options)
    return build_corpus(PERSIAN, Layout(tmp_path / root, "fa"), inputs, options=chosen)


def rows(tmp_path: Path, root: str = "data") -> dict[str, tuple[str, str, str]]:
    """Licence, consent and ground of each page that is in the corpus, by the page's name."""
    corpus = finished_corpus(Layout(tmp_path / root, "fa").corpus)
    return {
        row["url"].rpartition("/")[2]: (row["licence"], row["consent"], row["consent_ground"])
        for split in SPLITS
        for batch in read_batches(shard_paths(corpus, split))
        for row in batch.to_pylist()
    }


def test_a_page_says_in_the_corpus_what_was_said_of_it(tmp_path: Path) -> None:
    manifest = build(tmp_path)
    assert rows(tmp_path) == {
        "silent": ("unknown", "silent", ""),
        "open": ("CC-BY-4.0", "yes", "licence on the page: CC-BY-4.0"),
        "agents": ("unknown", "silent", ""),
    }
    assert manifest["counts"]["dropped"] == {"no consent": 4, "noindex": 1}
    assert manifest["counts"]["consent"]["site"] == {
        "silent": 2,
        "yes: licence on the page": 1,
        "no: licence on the page": 1,
        "no: noai": 1,
        "no: robots.txt": 1,
        "no: tdm-reservation": 1,
    }
    card = (Layout(tmp_path / "data", "fa").corpus / "README.md").read_text(encoding="utf-8")
    assert "| site | no: tdm-reservation | 1 |" in card
    assert "--consent record" not in card


POLICIES = [
    ({"consent": "open-only"}, {"open"}, {"no consent": 6, "noindex": 1}),
    ({"consent": "record"}, set(PAGES) - {"noindex"}, {"noindex": 1}),
    ({"ai_agents": "any"}, {"silent", "open"}, {"no consent": 5, "noindex": 1}),
    ({"licence": "page"}, {"open"}, {"no consent": 4, "no licence": 2, "noindex": 1}),
    ({"licence": "page", "consent": "record"}, set(PAGES) - {"noindex"}, {"noindex": 1}),
    ({"licence": "CC-BY-4.0", "consent": "open-only"}, {"silent", "open", "agents"}, {"no consent": 4, "noindex": 1}),
]


@pytest.mark.parametrize(("options", "kept", "dropped"), POLICIES)
def test_a_policy_says_which_pages_stay(
    tmp_path: Path, options: dict[str, Any], kept: set[str], dropped: dict[str, int]
) -> None:
    manifest = build(tmp_path, **options)
    assert set(rows(tmp_path)) == kept
    assert manifest["counts"]["dropped"] == dropped


def test_the_card_warns_of_texts_whose_owners_refused(tmp_path: Path) -> None:
    build(tmp_path, consent="record")
    assert rows(tmp_path)["nd"] == ("CC-BY-ND-4.0", "no", "licence on the page: CC-BY-ND-4.0")
    assert "--consent record" in (Layout(tmp_path / "data", "fa").corpus / "README.md").read_text(encoding="utf-8")


def test_equal_archives_and_policies_are_equal_corpora(tmp_path: Path) -> None:
    one, two, other = build(tmp_path), build(tmp_path, root="again"), build(tmp_path, root="open", consent="open-only")
    assert one["signature"] == two["signature"] != other["signature"]
    assert one["splits"] == two["splits"]
    assert build(tmp_path)["unchanged"]


def test_what_was_said_to_the_operator_counts_before_all_else(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "consent.toml"
    block = '[[hosts]]\nhost = "example.org"\nverdict = "{}"\nwho = "editor@example.org"\nwhen = 2026-11-30\n'
    path.write_text(block.format("yes"))
    build(tmp_path, licence="page")
    assert set(rows(tmp_path)) == set(PAGES) - {"noindex"}
    assert {consent for _, consent, _ in rows(tmp_path).values()} == {"yes"}
    path.write_text(block.format("no"))
    with pytest.raises(ArtifactError, match="7 no consent"):
        build(tmp_path)
    path.write_text("[[hosts]]\n")
    with pytest.raises(UsageError, match=r"consent.toml: block 1"):
        build(tmp_path)


def test_files_that_were_not_crawled_are_asked_for_no_consent(tmp_path: Path) -> None:
    path = archive(tmp_path)
    inputs = [Input(path, "site", path.name)]
    options = BuildOptions(workers=0, consent="open-only")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "consent.toml").write_text("no list")
    build_corpus(PERSIAN, Layout(tmp_path / "data", "fa"), inputs, options=options)
    assert set(rows(tmp_path).values()) == {("unknown", "", "")}
    assert len(rows(tmp_path)) == len(PAGES)


FEED = """<?xml version="1.0"?><rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"
xmlns:cl="http://backend.userland.com/creativeCommonsRssModule">
<channel><title>x</title>{}</channel></rss>"""
ENTRY = """<item><link>https://blog.example.org/{name}</link><title>{name}</title>{licence}
<content:encoded><![CDATA[{html}]]></content:encoded></item>"""
CC = "<cl:license>http://creativecommons.org/licenses/{}/4.0/</cl:license>"


def feed_archive(folder: Path, fields: tuple[tuple[bytes, bytes], ...] = (), signals: str = "") -> None:
    """Entries of a feed: the feed says a licence of two, one says its own in its text, one none."""
    said = {"open": CC.format("by"), "nd": CC.format("by-nd"), "own": "", "silent": ""}
    marked = {"own": '<p><a rel="license" href="https://creativecommons.org/licenses/by-sa/4.0/">CC</a></p>'}
    entries = "".join(
        ENTRY.format(
            name=name,
            licence=said[name],
            html="".join(f"<p>{p}</p>" for p in text.split("\n\n")) + marked.get(name, ""),
        )
        for name, text in zip(said, TEXTS, strict=False)
    )
    block = http_block(200, b"OK", ((b"Content-Type", b"application/rss+xml"), *fields), FEED.format(entries).encode())
    about = {
        "WARC-Target-URI": "https://blog.example.org/feed",
        "Content-Type": HTTP,
        "WARC-Ulmkit-Role": "posts",
        "WARC-Ulmkit-Signals": signals,
    }
    (folder / "pages-00000.warc.gz").write_bytes(warc_member("response", WHEN, block, about))


def test_an_entry_of_a_feed_has_the_licence_that_the_feed_says(tmp_path: Path) -> None:
    """That a feed is not to be indexed is said of the feed: blogs say so of every one."""
    feed_archive(tmp_path, ((b"X-Robots-Tag", b"noindex, follow"),))
    manifest = build(tmp_path, licence="page")
    assert rows(tmp_path) == {
        "open": ("CC-BY-4.0", "yes", "licence on the page: CC-BY-4.0"),
        "own": ("CC-BY-SA-4.0", "yes", "licence on the page: CC-BY-SA-4.0"),
    }
    assert manifest["counts"]["dropped"] == {"no consent": 1, "no licence": 1}


def test_what_is_said_of_a_feed_is_said_of_its_entries(tmp_path: Path) -> None:
    feed_archive(tmp_path, ((b"Content-Usage", b"train-ai=n"),))
    with pytest.raises(ArtifactError, match="4 no consent"):
        build(tmp_path)
    feed_archive(tmp_path, signals=TRAINING)
    with pytest.raises(ArtifactError, match="4 no consent"):
        build(tmp_path)


@pytest.mark.parametrize("option", ["consent", "licences"])
def test_an_unknown_policy_is_refused(tmp_path: Path, option: str) -> None:
    with pytest.raises(UsageError, match=f"{option} is 'lenient', expected"):
        build(tmp_path, **{option: "lenient"})
