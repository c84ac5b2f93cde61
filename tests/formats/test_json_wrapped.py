"""Records that lie deeper in JSON: graphs of JSON-LD, exports of Ghost."""

import json
from pathlib import Path

from ulmkit.document import RawDocument
from ulmkit.formats.read import read_file

TEXT = "Kevadel tõuseb jões vesi ja lamm jääb vee alla."
ARTICLE = {"@type": "Article", "articleBody": TEXT, "headline": "Suurvesi", "url": "https://jogi.example/1"}


def _texts(folder: Path, value: object, name: str = "a.json") -> list[str]:
    (folder / name).write_text(json.dumps(value, ensure_ascii=False))
    return [str(found.content) for found in read_file(folder / name) if isinstance(found, RawDocument)]


def test_the_article_of_a_graph_is_one_record_with_its_facts(tmp_path: Path) -> None:
    graph = {"@context": "https://schema.org", "@graph": [{"@type": "WebSite", "name": "Jõgi"}, ARTICLE]}
    for name in ("a.json", "a.jsonl"):
        assert _texts(tmp_path, graph, name) == [TEXT]
        (found,) = read_file(tmp_path / name)
        assert isinstance(found, RawDocument)
        assert (found.title, found.url) == ("Suurvesi", "https://jogi.example/1")


def test_two_articles_of_a_graph_are_two_records(tmp_path: Path) -> None:
    assert _texts(tmp_path, {"@graph": [ARTICLE, {**ARTICLE, "articleBody": "Teine."}]}) == [TEXT, "Teine."]


def test_posts_of_an_export_are_the_records_though_another_list_is_longer(tmp_path: Path) -> None:
    posts = [{"title": "Jõgi", "html": f"<p>{TEXT}</p>"}, {"title": "Jää", "html": "<p>Jää läks.</p>"}]
    tags = [{"post_id": number, "tag_id": 1} for number in range(5)]
    found = _texts(tmp_path, {"db": [{"meta": {"version": "5"}, "data": {"posts": posts, "posts_tags": tags}}]})
    assert found == [f"<p>{TEXT}</p>", "<p>Jää läks.</p>"]


def test_a_single_record_with_a_text_stays_the_record_whatever_lies_in_it(tmp_path: Path) -> None:
    record = {"text": TEXT, "data": {"comments": [{"text": "Nõus."}]}}
    assert _texts(tmp_path, {"articles": [record]}) == [TEXT]
