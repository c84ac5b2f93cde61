"""Language models as members: read texts, are weighed on rows they did not see, and travel in the folder."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ulmkit
from tests.classifier.test_classifier import TEST, TRAIN, resealed, sealed
from ulmkit.classifier.batches import by_length
from ulmkit.classifier.folds import stratified_folds
from ulmkit.classifier.frozen import frozen_member, scale_of
from ulmkit.classifier.linear import logistic
from ulmkit.classifier.model import read_classifier
from ulmkit.classifier.pooling import READ_WINDOW
from ulmkit.classifier.reader import reader_of_run
from ulmkit.classifier.run import train_classifier, train_run
from ulmkit.errors import ArtifactError, UlmkitError, UsageError


@pytest.fixture(scope="module")
def run(et, readers, home):
    folder = home.classifier("food")
    return folder, train_run(et, folder, TRAIN, test=TEST, readers=readers)


def test_a_backward_reader_reads_bos_and_the_pieces_from_the_last(readers):
    ahead, back = (reader.ids_of(["kook oli soe"])[0].tolist() for reader in readers)
    assert ahead[0] == back[0] == 2
    assert ahead[1:] == back[:0:-1]
    assert len(ahead) > 3


def test_features_are_a_texts_own_and_half_a_surrogate_does_not_stop_them(readers):
    texts = [*TRAIN.texts[:20], "", "kook \ud800", "a" * 3_000]
    together = readers[0].features(texts)
    assert together.shape == (23, 16 + 3 * 24 + 3 * 16)
    alone = np.vstack([readers[0].features([text]) for text in texts])
    assert np.abs(together - alone).max() < 1e-6
    kept = replace(readers[0], features_kept={})
    assert (kept.features(texts[:5]) == kept.features(texts[:5])).all()


def test_of_a_long_text_as_many_pieces_are_read_as_was_said(readers):
    short = replace(readers[1], most_pieces=7)
    assert len(short.ids_of(["kook " * 50])[0]) == 8


def test_a_text_of_a_million_characters_is_read_in_windows_and_pads_no_neighbour(readers):
    few = replace(readers[0], most_pieces=1_500)
    long = ["kook oli soe ja " * 62_500, "!?" * 500_000]
    assert [len(ids) for ids in few.ids_of(long)] == [1_501] * 2
    assert few.cut([*long, *TRAIN.texts]) == 2
    lengths = np.array([3, 1_501, 800, 20, 1_501])
    batches = [rows.tolist() for rows in by_length(lengths, READ_WINDOW)]
    assert batches == [[1, 4, 2], [3, 0]]
    features = few.features([*long, *TRAIN.texts[:3]])
    assert np.abs(features[2:] - few.features(TRAIN.texts[:3])).max() < 1e-6
    assert np.isfinite(features).all()


def test_each_block_is_centred_and_has_one_scale_and_single_places_count_half():
    features = np.random.default_rng(0).normal(3, [[1, 2, 50, 4, 7]], (500, 5)).astype(np.float32)
    scaled = scale_of(features, [2, 1, 1, 1])(features)
    assert np.abs(scaled.mean(axis=0)).max() < 1e-4
    lengths = [(scaled[:, block] ** 2).sum(axis=1).mean() ** 0.5 for block in ([0, 1], [2], [3], [4])]
    assert lengths == pytest.approx([1, 0.5, 0.5, 1], abs=1e-3)
    assert scaled[:, 1].std() / scaled[:, 0].std() == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize(("rows", "width", "count"), [(60, 90, 2), (90, 8, 3)])
def test_logistic_regression_is_scikit_learns(rows, width, count):
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(rows + count)
    X, y = rng.normal(0, 1, (rows, width)).astype(np.float32), np.arange(rows) % count
    X[:, 0] += y
    found = logistic(X, y, count, np.arange(rows) // 2 % 5)
    theirs = LogisticRegression(C=found.strength, max_iter=2_000, tol=1e-8).fit(X.astype(np.float64), y)
    weights = np.hstack((-found.linear.weights, found.linear.weights)) if count == 2 else found.linear.weights
    ours = X @ weights + (np.array([-1, 1]) * found.linear.bias if count == 2 else found.linear.bias)
    ours = np.exp(ours - ours.max(axis=1, keepdims=True))
    assert np.abs(ours / ours.sum(axis=1, keepdims=True) - theirs.predict_proba(X)).max() < 5e-3


def test_scores_of_held_out_rows_never_saw_them(readers):
    """Labels without any sense: by heart they are known, unseen they are not."""
    classes = np.random.default_rng(3).integers(0, 2, 60)
    texts = [f"{text} {n}" for n, text in enumerate(TRAIN.texts)]
    member, fit = frozen_member(readers[0], texts, classes, 2, stratified_folds(classes, np.arange(60)))
    assert (fit.unseen.argmax(axis=1) == classes).mean() < 0.75
    assert member.scores(texts).shape == (60, 2)


def test_the_page_has_a_row_for_each_reader_and_fits_the_screen(run):
    _, trained = run
    rows = list(trained.evaluation.rows)
    assert rows == ["majority", "n-grams", "frozen forward", "frozen backward", "mix"]
    assert max(map(len, trained.evaluation.summary().splitlines())) <= 80
    left = [name for name in rows[1:-1] if name not in trained.classifier.mix.weights]
    assert list(trained.evaluation.left_out) == left
    assert all(name in trained.evaluation.summary().split("mix: no better with, so without: ")[1] for name in left)
    assert trained.classifier.about["language_models"] == {"forward": "ahead", "backward": "back"}


def test_the_folder_loads_alone_and_says_the_same_bits(run, et, tmp_path):
    folder, trained = run
    moved = tmp_path / "elsewhere"
    folder.rename(moved)
    loaded = read_classifier(moved, et)
    moved.rename(folder)
    assert (loaded.probabilities(TEST.texts) == trained.classifier.probabilities(TEST.texts)).all()
    kinds = {path.suffix for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}
    assert kinds == {".json", ".safetensors", ".csv", ".model"}


def test_trained_again_it_is_the_same_bytes_and_another_model_is_another_classifier(run, et, readers, home):
    folder, _ = run
    again = home.classifier("again")
    train_run(et, again, TRAIN, test=TEST, readers=readers)
    for path in folder.rglob("*"):
        if path.is_file() and path.name != ".lock":
            assert path.read_bytes() == (again / path.relative_to(folder)).read_bytes()
    with pytest.raises(UsageError, match="language models changed"):
        train_run(et, again, TRAIN, test=TEST)


def test_what_a_word_is_worth_to_a_reader_is_what_goes_with_it(run):
    classifier = run[1].classifier
    only = replace(classifier, mix=replace(classifier.mix, weights={"frozen forward": 2.0}))
    spoken = dict(only.reasons("kook oli külm", 0, 10))
    assert set(spoken) == {"kook", "oli", "külm"}
    both = only.scores(["kook oli külm", "kook oli"])["frozen forward"]
    assert spoken["külm"] == pytest.approx(2 * (both[0] - both[1])[0], rel=1e-5)


def test_a_model_that_reads_the_other_way_or_is_not_there_is_refused(home, et):
    with pytest.raises(UsageError, match=r"--lm back: that model reads backward. Give it with --backward-lm."):
        reader_of_run(home, "back", et)
    with pytest.raises(ArtifactError, match=r"no language model here. Runs: ahead, back."):
        reader_of_run(home, "nowhere", et)


@pytest.mark.parametrize("name", ["vocab.json", "manifest.json"])
def test_no_damaged_file_of_a_tokenizer_gets_into_a_classifier(home, et, name):
    path = home.tokenizer / name
    before = path.read_bytes()
    path.write_bytes(before[:-20])
    try:
        with pytest.raises(ArtifactError, match=rf"tokenizer[/\\]{name}: "):
            reader_of_run(home, "ahead", et)
    finally:
        path.write_bytes(before)


HOSTILE = {
    "a pickle in the place of weights": lambda f: (f / "forward/frozen.safetensors").write_bytes(
        b"\x80\x04cos\nsystem\n"
    ),
    "an encoder of another": lambda f: (f / "forward/encoder/state.json").write_bytes(
        (f / "backward/encoder/state.json").read_bytes()
    ),
    "no encoder": lambda f: sealed_without(f, "forward/encoder/state.json"),
    "another tokenizer": lambda f: (f / "tokenizer/spm.model").write_bytes(b"pieces"),
    "the other's fit": lambda f: (f / "forward/frozen.safetensors").write_bytes(b""),
}


def sealed_without(folder, name):
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    del content["files"][name]
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_folder_that_is_not_as_it_was_is_refused_in_one_line(run, et, tmp_path, name):
    folder = tmp_path / "hostile"
    shutil.copytree(run[0], folder)
    HOSTILE[name](folder)
    resealed(folder)
    with pytest.raises(UlmkitError) as said:
        read_classifier(folder, et)
    assert "\n" not in str(said.value)


def test_a_member_of_a_direction_that_nobody_kept_is_refused(run, et, tmp_path):
    folder = tmp_path / "hostile"
    shutil.copytree(run[0], folder)
    sealed(folder, "config.json", lambda content: content["members"].append("frozen sideways"))
    with pytest.raises(ArtifactError, match="no list of names"):
        read_classifier(folder, et)


def test_in_python_a_language_model_comes_first_or_by_name(home, tmp_path):
    lm, back = ulmkit.LM.load(home.run("ahead")), ulmkit.LM.load(home.run("back"))
    texts, labels = list(TRAIN.texts), list(TRAIN.labels)
    classifier = ulmkit.classify(lm, texts, labels, backward_lm=back)
    assert classifier.about["language_models"] == {"forward": "ahead", "backward": "back"}
    loaded = ulmkit.Classifier.load(classifier.save(tmp_path / "kept"))
    assert (loaded.predict(texts).probabilities == classifier.predict(texts).probabilities).all()
    with pytest.raises(UsageError, match="reads backward"):
        ulmkit.classify(lm.language, texts, labels, lm=back)
    with pytest.raises(UsageError, match="classify: lm is 'ahead', expected a language model"):
        ulmkit.classify(lm.language, texts, labels, lm="ahead")


def test_a_text_that_is_not_read_to_its_end_is_remarked(et, readers):
    short = [replace(reader, most_pieces=9) for reader in readers]
    long = replace(TRAIN, texts=("kook oli soe ja kallis ja hiline", *TRAIN.texts[1:]))
    remarks = train_classifier(et, long, readers=short).remarks
    assert any("over 9 pieces: language models read no more" in each for each in remarks)


KILLED = """
import os, sys
from pathlib import Path
import ulmkit
from tests.classifier.test_classifier import TRAIN, TEST
from ulmkit.artifacts.layout import Layout
from ulmkit.classifier import tuning
from ulmkit.classifier.learn import How
from ulmkit.classifier.reader import reader_of_run
from ulmkit.classifier.run import train_run

tuning.Kept.due = True  # at each step
tuning.STAGES["1cycle"] = (tuning.TuningStage(1, 1e-2, steps=3), tuning.TuningStage(None, 1e-2, steps=3))
home, run, left = Layout(Path(sys.argv[1]), "et"), sys.argv[2], int(sys.argv[3])
et = ulmkit.load("et")

def report(progress):
    global left
    left -= 1
    if left == 0:
        os._exit(9)

readers = [reader_of_run(home, "ahead", et)]
train_run(et, home.classifier(run), TRAIN, test=TEST, readers=readers, how=How("1cycle"), report=report)
"""


@pytest.mark.slow
def test_killed_at_any_stage_and_run_again_it_has_the_same_bytes(home):
    def run(name, kill):
        command = [sys.executable, "-c", KILLED, str(home.root), name, str(kill)]
        return subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])

    assert run("whole", 10**6).returncode == 0
    kills = 0
    while run("killed", 9).returncode == 9:
        assert not (home.classifier("killed") / "manifest.json").exists()
        kills += 1
    assert 3 < kills < 20
    for path in home.classifier("whole").rglob("*"):
        if path.is_file() and path.name != ".lock":
            same = home.classifier("killed") / path.relative_to(home.classifier("whole"))
            assert path.read_bytes() == same.read_bytes()
    assert not (home.home / "work/classify/killed").exists()
