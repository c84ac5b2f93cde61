"""Corpus, Tokenizer and LM as values: made from Python, read lazily, shown in a notebook."""

import itertools
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import ulmkit
from ulmkit.document import Document
from ulmkit.notebook import html_table
from ulmkit.workflow import corpus as corpus_module
from ulmkit.workflow.finetune import TextSource

SIZES = {"embedding_size": 16, "hidden_size": 24, "layers": 2, "batch_size": 8}
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def fa():
    return ulmkit.load("fa")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("root")


@pytest.fixture(scope="module")
def corpus(fa, root: Path) -> ulmkit.Corpus:
    return ulmkit.build(fa, fa.samples, root=root, valid_share=0.15, test_share=0.1, workers=0)


@pytest.fixture(scope="module")
def tok(fa, corpus) -> ulmkit.Tokenizer:
    return ulmkit.train_tokenizer(fa, corpus, vocabulary=700)


@pytest.fixture(scope="module")
def lm(fa, corpus, tok) -> ulmkit.LM:
    heard: list[str] = []
    lm = ulmkit.pretrain(
        fa, corpus, tok, preset="tiny", steps=12, device="cpu", report=lambda p: heard.append(str(p)), **SIZES
    )
    assert all(line.count("\n") == 0 for line in heard)
    return lm


def test_a_corpus_says_where_it_lies_and_is_found_again(corpus, root: Path):
    assert corpus.folder == root / "fa" / "corpus"
    for found in (ulmkit.Corpus.load(corpus.folder), ulmkit.Corpus.load("fa", root=root)):
        assert (found.folder, found.counts) == (corpus.folder, corpus.counts)
    with pytest.raises(ulmkit.ArtifactError, match="no finished corpus"):
        ulmkit.Corpus.load(root / "nowhere")


def test_a_split_is_asked_for_its_documents_by_number(corpus):
    documents = list(corpus.train)
    assert corpus.train[0] == documents[0]
    assert corpus.train[-1] == documents[-1]
    assert corpus.train[1:3] == documents[1:3]
    assert corpus.train[::-4] == documents[::-4]
    assert corpus.train[5:2] == []
    with pytest.raises(IndexError):
        corpus.train[len(documents)]


def test_a_list_of_texts_is_encoded_text_by_text(tok):
    texts = ["سلام", "", "خوب است."]
    encoded = tok.encode(texts)
    assert [ids.tolist() for ids in encoded] == [tok.encode(text).tolist() for text in texts]
    assert [tok.decode(ids) for ids in encoded] == texts


def test_iterating_gives_every_document_once_in_the_order_of_the_splits(corpus):
    documents = list(corpus)
    assert len(documents) == len(corpus) == sum(map(len, (corpus.train, corpus.valid, corpus.test)))
    assert all(isinstance(doc, Document) for doc in documents)
    assert len({doc.id for doc in documents}) == len(documents)
    assert [doc.id for doc in documents][: len(corpus.train)] == [doc.id for doc in corpus.train]
    assert list(corpus.valid.texts()) == [doc.text for doc in corpus.valid]
    assert {doc.language for doc in documents} == {"fa"}


def test_documents_are_read_when_they_are_asked_for(corpus, monkeypatch: pytest.MonkeyPatch):
    """The first document of ten million costs a few hundred rows."""
    read = []
    real = corpus_module.read_batches

    def counting(*arguments):
        for batch in real(*arguments):
            read.append(batch.num_rows)
            yield batch

    monkeypatch.setattr(corpus_module, "read_batches", counting)
    monkeypatch.setattr(corpus_module, "ROWS", 4)
    assert len(list(itertools.islice(corpus.train, 3))) == 3
    assert read == [4]


def test_a_corpus_as_a_frame(corpus):
    frame = corpus.to_pandas()
    assert len(frame) == len(corpus)
    assert frame["split"].value_counts().to_dict() == {
        split: each["documents"] for split, each in corpus.counts.items() if each["documents"]
    }
    assert list(corpus.valid.to_pandas()["text"]) == list(corpus.valid.texts())


def test_without_the_package_datasets_one_line_says_so(corpus, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(ulmkit.UsageError, match="'datasets' is not installed") as error:
        corpus.to_datasets()
    assert "\n" not in str(error.value)


def test_the_same_build_again_is_found_finished(fa, corpus, root: Path):
    again = ulmkit.build(fa, [str(fa.samples)], root=root, valid_share=0.15, test_share=0.1, workers=0)
    assert again.manifest["unchanged"]
    assert again.signature == corpus.signature


def test_a_tokenizer_gives_back_what_it_was_given(fa, tok, root: Path):
    text = "كتاب‌هاي علي\nنمی‌دانم؛ 🙂"
    assert tok.folder == root / "fa" / "tokenizer"
    assert tok.decode(tok.encode(text)) == fa.normalize(text)
    assert len(tok.pieces(text)) == len(tok.encode(text))
    assert "".join(tok.pieces("كتاب")).replace("▁", "") == "کتاب"
    assert ulmkit.Tokenizer.load(tok.folder).fingerprint == tok.fingerprint


def test_a_tokenizer_is_measured_on_held_out_documents(tok, corpus):
    measured = tok.evaluate(corpus)
    assert measured.whole.documents == len(corpus.valid) + len(corpus.test)
    assert measured.round_trips.exact == measured.round_trips.total


def test_a_corpus_of_another_language_is_refused(corpus):
    with pytest.raises(ulmkit.UsageError, match="a corpus of 'fa', not of 'et'"):
        ulmkit.train_tokenizer(ulmkit.load("et"), corpus)


def test_what_is_asked_wrongly_is_said_in_a_line(fa, corpus, tok, tmp_path: Path):
    """A code, a path or a misspelt policy in the place of a value is refused before anything is written."""
    for asked, says in (
        (lambda: ulmkit.build("fa", fa.samples, root=tmp_path), "'fa' is no Language"),
        (
            lambda: ulmkit.build(fa, fa.samples, root=tmp_path, pii="hide"),
            "pii is 'hide', expected 'keep' or 'mask' or 'drop'",
        ),
        (lambda: ulmkit.train_tokenizer(fa, str(corpus.folder)), "is no Corpus"),
        (lambda: ulmkit.pretrain(fa, corpus, str(tok.folder)), "is no Tokenizer"),
    ):
        with pytest.raises(ulmkit.UsageError, match=says):
            asked()
    assert not list(tmp_path.iterdir())


NAN, INFINITE = float("nan"), float("inf")
# arguments of the front door, and what none of them is
WRONG_FOR_BUILD = {
    "root": [5, "", "a\0b", "x" * 5000], "name": [5, None], "licence": [5, None], "text_field": [5],
    "workers": ["2", 1.5, NAN, -1], "valid_share": ["x", NAN, 10**400], "near_duplicates": ["x", None],
    "limit": ["x", NAN], "mirror": [5], "pii": [None, [], 5], "report": [None, 5],
    "inputs": [5, "", [5], [None], [""], b"x", "x" * 5000, {"a": 1}],
}  # fmt: skip
WRONG_FOR_PRETRAIN = {
    "minutes": ["x", NAN, -1, 0, INFINITE], "run": [5, None, "", "../x"], "start": [5, ""], "preset": [5, "x"],
    "device": [5, "x"], "resume": ["x"], "tensorboard": [5], "lr": ["x", NAN], "epochs": [1.5, "x"],
}  # fmt: skip
WRONG_FOR_FINETUNE = {
    "texts": [5, "a", [5], [], [" "], ["a"]], "lm": [5, "pretrained"], "test": ["x", [5]], "preset": [5, "x", "small"],
    "run": [5, "../x"], "minutes": ["x", 0], "lr": ["x"], "hidden_size": [20], "backward": [True, 5],
}  # fmt: skip
WRONG_FOR_GENERATE = {
    "length": ["x", NAN, 1.5, -1, None], "temperature": ["x", NAN, INFINITE, -1], "top_k": ["x", 1.5, -1],
    "top_p": ["x", NAN, 0, 2], "no_repeat": ["x", -1], "seed": ["x", NAN, -1, 10**40], "prompt": [5, [5], None],
}  # fmt: skip


def test_every_argument_of_another_kind_is_said_in_a_line(fa, corpus, tok, lm, tmp_path: Path):
    """Text for a number, numbers for text, no number at all: nothing of Python's own comes out."""
    build = partial(ulmkit.build, fa, inputs=fa.samples, root=tmp_path)
    pretrain = partial(ulmkit.pretrain, fa, corpus, tok, preset="tiny", run="other", **SIZES)
    train_tokenizer = partial(ulmkit.train_tokenizer, fa, corpus)
    asked = [
        (f"{name}={value!r}", partial(function, **{name: value}))
        for function, wrong in (
            (build, WRONG_FOR_BUILD),
            (pretrain, WRONG_FOR_PRETRAIN),
            (partial(ulmkit.finetune, fa, texts=comments(9), lm=lm, run="other"), WRONG_FOR_FINETUNE),
            (lm.generate, WRONG_FOR_GENERATE),
            (train_tokenizer, {"vocabulary": ["x", NAN, 1.5, -1], "model": ["x", 5], "force": ["x"]}),
        )
        for name, values in wrong.items()
        for value in values
    ]
    asked += [
        (f"{function.__qualname__} {value!r}", partial(function, value))
        for function in (ulmkit.load, ulmkit.Corpus.load, ulmkit.Tokenizer.load, ulmkit.LM.load)
        for value in (5, None, "", "a\0b", "x" * 5000, "/dev/null")
    ]
    asked += [
        (f"{f.__qualname__} 5", partial(f, 5)) for f in (lm.hidden, lm.evaluate, lm.export, tok.encode, tok.evaluate)
    ]
    for what, call in asked:
        with pytest.raises(ulmkit.UlmkitError) as error:
            call()
        line = str(error.value)
        assert line.isprintable(), what
        assert len(line) < 700, what
        assert "--" not in line, line
    assert not (tmp_path / "fa/corpus").exists()


def test_numbers_of_numpy_are_numbers(lm):
    asked = {"length": np.int64(5), "top_k": np.int32(3), "seed": np.uint8(1), "temperature": np.float32(0.5)}
    assert lm.generate("", **asked) == lm.generate("", length=5, top_k=3, seed=1, temperature=0.5)


def test_an_error_names_arguments_not_options(fa, corpus, tok, lm):
    with pytest.raises(ulmkit.UsageError, match="Add resume=True to go on with it, or choose another run name"):
        ulmkit.pretrain(fa, corpus, tok, preset="tiny", **SIZES)
    with pytest.raises(ulmkit.UsageError, match="inputs nowhere: no such file"):
        ulmkit.build(fa, "nowhere")


def test_a_model_is_found_again_beside_its_tokenizer(lm, tok, root: Path):
    assert lm.folder == root / "fa" / "lm" / "pretrained"
    again = ulmkit.LM.load(lm.folder)
    assert again.tokenizer.fingerprint == tok.fingerprint
    assert again.generate("امروز", length=9, seed=3) == lm.generate("امروز", length=9, seed=3)
    assert again.result["step"] == 12
    with pytest.raises(ulmkit.ArtifactError, match="no run"):
        ulmkit.LM.load(root)


def test_a_prompt_gives_a_text_and_a_list_of_them_a_list(lm):
    text = lm.generate("كتاب", length=5)
    assert text.startswith("کتاب")
    assert [each.split()[0] for each in lm.generate(["آب نان", "نان آب"], length=5)] == ["آب", "نان"]


def test_evaluation_is_the_one_of_the_command_line(lm):
    found = lm.evaluate("test")
    assert set(found.models) == {"unigram", "kneser-ney-3", "pretrained (best)"}
    assert found.result is found.models[found.own]
    assert found.signature.startswith("evaluation|language:fa|split:test|")
    assert set(lm.evaluate(baselines=False).models) == {"pretrained (best)"}


def test_hidden_states_are_one_row_a_piece_and_depend_on_what_was_read_alone(lm, tok):
    text = "امروز هوا خوب است."
    states = lm.hidden(text)
    assert states.shape == (len(tok.encode(text)), lm.config.embedding_size)
    assert states.dtype == np.float32
    assert np.abs(states).max() < 1
    longer = lm.hidden(text + " فردا نه.")
    np.testing.assert_allclose(longer[: len(states) - 1], states[:-1], atol=1e-6)
    np.testing.assert_array_equal(lm.hidden(text), states)


def comments(many: int, first: int = 0) -> list[str]:
    return [f"سفارش {number} {'خوب' if number % 2 else 'سرد'} رسید، ممنون از پیک" for number in range(first, many)]


def test_a_model_goes_on_with_texts_of_ones_own(fa, lm, tok):
    texts = [*comments(60), comments(1)[0], "  ", "نان"]
    with pytest.warns(UserWarning, match="counting pieces alone reaches"):
        own = ulmkit.finetune(fa, texts, lm, test=["نان"], epochs=1, batch_size=4, run="own", device="cpu")
    counts = json.loads((own.folder / "texts.json").read_text())["counts"]
    assert {name: counts[name] for name in ("given", "empty", "repeated", "left_out")} == {
        "given": 63, "empty": 1, "repeated": 1, "left_out": 1,
    }  # fmt: skip
    assert (own.config.hidden_size, own.config.drop_mult, own.config.batch_size) == (24, 0.15, 4)
    assert own.evaluate().result.documents == counts["valid"]  # of its own texts
    assert json.loads((own.folder / "config.json").read_text())["start"]["run"] == "pretrained"
    with pytest.raises(ulmkit.UsageError, match="texts of its own, which have no test split"):
        own.evaluate("test")
    with pytest.raises(ulmkit.UsageError, match="began with other texts than these"):
        ulmkit.finetune(fa, texts[1:], lm, run="own", resume=True)
    again = ulmkit.finetune(fa, texts, lm, test=["نان"], run="own", resume=True)
    assert again.result == own.result


def test_rows_that_hold_no_text_are_left_out_and_the_first_named(tmp_path: Path):
    table = tmp_path / "t.jsonl"
    lines = [{"text": text} for text in ('a b, "c', ["a", "b"], {"a": 1}, 7, None)]
    table.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"text": \n', encoding="utf-8")
    plain = tmp_path / "t.txt"
    plain.write_text('one, "two\n\nthree\tfour, five\n', encoding="utf-8")
    source = TextSource((table, plain))
    assert list(source) == ['a b, "c', "7", "", 'one, "two', "three\tfour, five"]
    assert (source.unread, source.reasons[0]) == (3, "t.jsonl:2: several values in one cell, and no text")


def test_a_backward_model_begins_with_none_or_with_a_backward_one(fa, lm, tok):
    sizes = {"preset": "tiny", "embedding_size": 16, "hidden_size": 24, "batch_size": 4, "device": "cpu"}
    with pytest.warns(UserWarning, match="So few steps"):
        own = ulmkit.finetune(fa, comments(60), tok, backward=True, steps=2, run="from-the-end", **sizes)
    assert own.backward
    assert not lm.backward
    with pytest.raises(ulmkit.UsageError, match="reads texts from the beginning, this run from the end"):
        ulmkit.finetune(fa, comments(60), lm, backward=True, run="turned")
    assert not own.layout.run("turned").exists()


def test_a_learner_has_the_models_weights_and_trains_a_copy(lm):
    before = lm.model.embedding.detach().clone()
    learn = lm.learner()
    np.testing.assert_array_equal(learn.model.embedding.detach().numpy(), before.numpy())
    learn.fit(1, 1e-3)
    assert not np.array_equal(learn.model.embedding.detach().numpy(), before.numpy())
    np.testing.assert_array_equal(lm.model.embedding.detach().numpy(), before.numpy())


def test_an_export_says_where_it_lies(lm, tmp_path: Path):
    exported = lm.export(tmp_path / "out")
    assert (tmp_path / "out" / "model.safetensors").is_file()
    assert exported.folder == tmp_path / "out"


def test_a_run_that_is_there_is_an_error_and_with_resume_it_is_loaded(fa, corpus, tok, lm):
    sizes = {"embedding_size": 16, "hidden_size": 24, "layers": 2, "batch_size": 8}
    with pytest.raises(ulmkit.UsageError, match="holds a run"):
        ulmkit.pretrain(fa, corpus, tok, preset="tiny", steps=12, device="cpu", **sizes)
    again = ulmkit.pretrain(fa, corpus, tok, preset="tiny", steps=12, device="cpu", resume=True, **sizes)
    assert again.generate("آب", length=5) == lm.generate("آب", length=5)
    with pytest.raises(ulmkit.UsageError, match="Did you mean 'drop_mult'"):
        ulmkit.pretrain(fa, corpus, tok, preset="tiny", run="other", dropmult=1.0)


def test_a_folder_that_was_edited_is_read_as_it_is(fa, tmp_path: Path):
    import shutil

    folder = Path(shutil.copytree(fa.folder, tmp_path / "fa"))
    before = ulmkit.load(folder)
    words = folder / "stopwords.txt"
    words.write_text(words.read_text(encoding="utf-8") + "زززز\n", encoding="utf-8")
    assert ulmkit.load(folder).fingerprint != before.fingerprint


def test_every_language_is_listed_and_a_broken_one_says_why(tmp_path: Path):
    (tmp_path / "xx").mkdir()
    (tmp_path / "xx" / "language.toml").write_text("[language]\n", encoding="utf-8")
    found = ulmkit.languages(tmp_path)
    assert {"fa", "et"} <= set(found)
    assert found["fa"].code == "fa"
    assert "language.toml" in found.errors["xx"]
    with pytest.raises(ulmkit.LanguageError):
        found["xx"]


def test_values_show_themselves_and_write_from_right_to_left(fa, corpus, tok, lm):
    for value in (fa, corpus, corpus.train, tok, lm):
        assert value._repr_html_().startswith('<table dir="rtl">')
        assert len(repr(value)) < 200
    for value in (ulmkit.languages(), lm.evaluate(), tok.evaluate(corpus)):
        assert value._repr_html_().startswith('<table dir="ltr">')


def test_a_document_shows_its_facts_and_the_beginning_of_its_text():
    article = Document("a.html", "ب" * 5_000, "blog", title="<b>A</b>", url="https://example.org/a")
    shown = article._repr_html_()
    for fact in ("https://example.org/a", "5,000", "&lt;b&gt;A"):
        assert fact in shown
    assert "<b>" not in shown
    assert shown.count("ب") < 1_000


def test_nothing_from_outside_is_markup(fa, root: Path, corpus, tmp_path: Path):
    html = html_table(HOSTILE, [(HOSTILE, 1, 2.5)], headers=(HOSTILE,), direction='rtl"><script>')
    assert "<img" not in html
    assert "<script" not in html
    manifest = {**corpus.manifest, "counts": {**corpus.manifest["counts"], "dropped": {HOSTILE: 1}}}
    assert "<img" not in ulmkit.Corpus(corpus.folder, manifest, fa)._repr_html_()
