"""Texts that editors keep as trees of nodes."""

import json

import pytest

from ulmkit.formats.fields import choose, text_at

RUNS = [{"text": "Kevad tu"}, {"text": "leb", "bold": True}, {"text": " taas."}]
SAID = "Kevad tuleb taas.\nJõed on vee all."
SLATE = [{"type": "paragraph", "children": RUNS}, {"type": "paragraph", "children": [{"text": "Jõed on vee all."}]}]
OLD_SLATE = {
    "object": "value",
    "document": {
        "object": "document",
        "nodes": [
            {"object": "block", "type": "p", "nodes": [{"object": "text", "leaves": RUNS}]},
            {"object": "block", "type": "p", "nodes": [{"object": "text", "leaves": [{"text": "Jõed on vee all."}]}]},
        ],
    },
}
LEXICAL = {
    "root": {
        "type": "root",
        "children": [
            {
                "type": "paragraph",
                "children": [
                    {"type": "text", "text": "Kevad "},
                    {"type": "link", "url": "/k", "children": [{"type": "text", "text": "tuleb"}]},
                    {"type": "text", "text": " taas."},
                ],
            },
            {"type": "horizontalrule"},
            {"type": "paragraph", "children": [{"type": "text", "text": "Jõed on vee all."}]},
        ],
    }
}


def _contentful(*runs: str) -> dict[str, object]:
    return {"nodeType": "paragraph", "content": [{"nodeType": "text", "value": run, "marks": []} for run in runs]}


CONTENTFUL = {
    "nodeType": "document",
    "content": [_contentful("Kevad tu", "leb", " taas."), _contentful("Jõed on vee all.")],
}
MOBILEDOC = {
    "version": "0.3.1",
    "atoms": [],
    "cards": [],
    "markups": [["b"]],
    "sections": [
        [1, "p", [[0, [], 0, "Kevad tu"], [0, [0], 1, "leb"], [0, [], 0, " taas."]]],
        [3, "ul", [[[0, [], 0, "Jõed on vee all."]]]],
    ],
}
TREES = {"slate": SLATE, "old slate": OLD_SLATE, "lexical": LEXICAL, "contentful": CONTENTFUL, "mobiledoc": MOBILEDOC}


def _text(record: dict[str, object]) -> object:
    choice = choose([record], None)
    return choice and text_at(record, choice.path)


@pytest.mark.parametrize("field", ["body", "lexical"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("tree", TREES.values(), ids=TREES)
def test_trees_are_blocks_of_joined_runs_as_such_and_as_strings(tree: object, packed: bool, field: str) -> None:
    assert _text({"title": "Kevad", field: json.dumps(tree) if packed else tree}) == SAID


def test_draft_and_prosemirror_in_strings_are_read_like_those_outside() -> None:
    draft = {"blocks": [{"type": "unstyled", "text": line} for line in SAID.split("\n")], "entityMap": {}}
    prose = {"type": "doc", "content": [{"type": "paragraph", "content": [{"type": "text", "text": "Kevad."}]}]}
    assert _text({"body": json.dumps(draft)}) == SAID
    assert _text({"body": json.dumps(prose)}) == "Kevad."


@pytest.mark.parametrize(
    "held", ['{"name": "Mari", "children": 2}', "[1, 2, 3]", '{"text": "Tere"}', "{{Mall}} tekst", '[{"children": [']
)
def test_a_string_that_is_other_json_stays_as_it_is(held: str) -> None:
    assert _text({"text": held}) == held


def test_comments_with_answers_below_them_are_no_tree() -> None:
    answer = {"text": "Mina ka.", "children": []}
    record = {"text": "Esimene jutt.", "comments": [{"text": "Nõus.", "children": [answer]}]}
    assert _text(record) == "Esimene jutt."
