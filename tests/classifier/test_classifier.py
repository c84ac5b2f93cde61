"""A classifier from the table to the label: kept, loaded, refused where it is not as it was, and asked."""

import csv
import json
import shutil
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import ulmkit
from ulmkit.artifacts.manifest import with_checksum
from ulmkit.classifier.curve import learning_curve, sampled
from ulmkit.classifier.learn import NGRAMS
from ulmkit.classifier.model import read_classifier, write_classifier
from ulmkit.classifier.predict import Wanted, label_table
from ulmkit.classifier.run import evaluate_classifier, train_run
from ulmkit.classifier.table import Examples
from ulmkit.errors import InputError, UlmkitError, UsageError

WORDS = {"hea": ["soe", "maitsev", "kiire", "sõbralik"], "halb": ["külm", "hiline", "vana", "kallis"]}
DISHES = ["supp", "kook", "salat", "pirukas", "kala", "puder", "leib"]


def comments(count, start=0):
    texts, labels = [], []
    for n in range(start, start + count):
        label = ("hea", "halb")[n % 2]
        words = WORDS[label]
        texts.append(f"{DISHES[n % 7]} nr {n} oli {words[n % 4]} ja {words[(n // 3) % 4]}.")
        labels.append(label)
    return Examples("train.csv", tuple(texts), tuple(labels), (), tuple(range(2, count + 2)), ("train.csv",) * count)


TRAIN, TEST = comments(60), comments(30, 100)


@pytest.fixture(scope="module")
def run(et, tmp_path_factory):
    folder = tmp_path_factory.mktemp("classify") / "et" / "classify" / "food"
    return folder, train_run(et, folder, TRAIN, test=TEST)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != ".lock"}


def test_it_learns_and_its_page_fits_the_screen(run):
    _, trained = run
    assert trained.evaluation.result.accuracy.value > 0.9
    page = trained.evaluation.summary()
    assert max(map(len, page.splitlines())) <= 80
    assert "majority" in page
    assert "F1 macro" in page
    assert "McNemar" in page


def test_loaded_it_says_the_same_bits(run, et):
    folder, trained = run
    loaded = read_classifier(folder, et)
    assert (loaded.probabilities(TEST.texts) == trained.classifier.probabilities(TEST.texts)).all()
    assert loaded.classes == ("halb", "hea")


def test_texts_have_lengths_where_tf_idf_was_chosen(run, et, tmp_path):
    """As `squares` in the folder, checked as all else is."""
    folder = tmp_path / "even"
    classifier = run[1].classifier
    member = classifier.members[NGRAMS]
    squares = np.random.default_rng(0).uniform(1, 9, len(member.keys)).astype(np.float32)
    even = replace(member, linear=replace(member.linear, squares=squares))
    shutil.copytree(run[0], folder)
    write_classifier(folder, replace(classifier, members={NGRAMS: even}))
    resealed(folder)
    loaded = read_classifier(folder, et)
    assert (loaded.scores(TEST.texts)[NGRAMS] == even.scores(classifier.form.all_of(TEST.texts))).all()
    assert (loaded.scores(TEST.texts)[NGRAMS] != classifier.scores(TEST.texts)[NGRAMS]).any()
    for wrong in (squares[:-1], squares * 0, squares * np.float32("nan"), squares.astype(np.float64)):
        tensors_changed(set_to("squares", wrong))(folder)
        with pytest.raises(UlmkitError, match="'squares' is damaged"):
            read_classifier(folder, et)


def test_trained_again_it_is_the_same_bytes(run, et, tmp_path):
    folder, _ = run
    train_run(et, tmp_path / "again", TRAIN, test=TEST)
    assert bytes_of(folder) == bytes_of(tmp_path / "again")


def test_labels_of_the_test_change_nothing_that_is_learned(run, et, tmp_path):
    folder, _ = run
    turned = Examples(TEST.name, TEST.texts, TEST.labels[::-1], (), TEST.lines, TEST.files)
    train_run(et, tmp_path / "turned", TRAIN, test=turned)
    for name in ("config.json", "mix.json", "ngrams.safetensors"):
        assert (folder / name).read_bytes() == (tmp_path / "turned" / name).read_bytes()


def test_another_classifier_is_not_written_over(run, et):
    folder, _ = run
    before = bytes_of(folder)
    with pytest.raises(UsageError, match=r"other tables or settings is here \(train changed, test changed\)"):
        train_run(et, folder, comments(40))
    assert bytes_of(folder) == before


def test_prediction_loads_neither_torch_nor_scikit_learn(run):
    folder, _ = run
    program = (
        "import sys, ulmkit; c = ulmkit.Classifier.load(sys.argv[1]); print(c.predict(['supp oli soe'])[0], "
        "*[name for name in ('torch', 'sklearn', 'fastai', 'click') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["hea"]


def sealed(folder, name, change):
    """Change a JSON file, and make every seal fit again, as somebody who means harm would."""
    path = folder / name
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(with_checksum(content)))
    resealed(folder)


def resealed(folder):
    import hashlib

    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    for name in content["files"]:
        data = (folder / name).read_bytes()
        content["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    path.write_text(json.dumps(with_checksum(content)))


def tensors_changed(change):
    def changed(folder):
        path = folder / "ngrams.safetensors"
        tensors = safetensors.numpy.load(path.read_bytes())
        change(tensors)
        path.write_bytes(safetensors.numpy.save({name: np.ascontiguousarray(t) for name, t in tensors.items()}))
        resealed(folder)

    return changed


def set_to(name, value):
    return lambda content: content.__setitem__(name, value)


HOSTILE = {
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "a byte turned": lambda folder: (folder / "ngrams.safetensors").write_bytes(b"x" * 100),
    "a pickle": lambda folder: (
        (folder / "ngrams.safetensors").write_bytes(b"\x80\x04\x95cos\nsystem\n"),
        resealed(folder),
    ),
    "no list of classes": lambda folder: sealed(folder, "config.json", set_to("classes", {"a": 1})),
    "a class twice": lambda folder: sealed(folder, "config.json", set_to("classes", ["a", "a"])),
    "a class more": lambda folder: sealed(folder, "config.json", set_to("classes", ["a", "b", "c"])),
    "a member elsewhere": lambda folder: sealed(folder, "config.json", set_to("members", ["../../x"])),
    "another format": lambda folder: sealed(folder, "config.json", set_to("format", [2])),
    "another form": lambda folder: sealed(folder, "config.json", set_to("form", "0" * 12)),
    "a language nobody knows": lambda folder: sealed(folder, "config.json", set_to("language", "../../etc")),
    "shares beyond the whole": lambda folder: sealed(folder, "config.json", set_to("shares", [-0.5, 1.5])),
    "a share that no number holds": lambda folder: sealed(folder, "config.json", set_to("shares", [10**400, 0])),
    "shares of text": lambda folder: sealed(folder, "config.json", set_to("shares", ["1", "2"])),
    "weights of text": lambda folder: sealed(
        folder, "mix.json", set_to("mix", {"weights": {"n-grams": "1"}, "bias": [0, 0]})
    ),
    "an unknown member": lambda folder: sealed(
        folder, "mix.json", set_to("mix", {"weights": {"x": 1.0}, "bias": [0, 0]})
    ),
    "an endless bias": lambda folder: sealed(
        folder, "mix.json", set_to("mix", {"weights": {"n-grams": 1.0}, "bias": [float("inf"), 0]})
    ),
    "no keys": tensors_changed(lambda tensors: tensors.pop("keys")),
    "too few weights": tensors_changed(lambda tensors: tensors.update(weights=tensors["weights"][:5])),
    "no numbers": tensors_changed(lambda tensors: tensors.update(weights=tensors["weights"] * np.float32("nan"))),
    "offsets beyond": tensors_changed(lambda tensors: tensors.update(offsets=tensors["offsets"] * 1_000_000)),
    "offsets backwards": tensors_changed(lambda tensors: tensors.update(offsets=tensors["offsets"][::-1])),
    "keys out of order": tensors_changed(lambda tensors: tensors.update(keys=tensors["keys"][::-1])),
    "weights that sum to no number": tensors_changed(
        lambda tensors: tensors.update(weights=np.full_like(tensors["weights"], 3e38))
    ),
    "texts seen that are no numbers of texts": tensors_changed(
        lambda tensors: tensors.update(seen=tensors["seen"].astype(np.float32))
    ),
    "doubles": tensors_changed(lambda tensors: tensors.update(weights=tensors["weights"].astype(np.float64))),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_folder_that_is_not_as_it_was_is_refused_in_one_line(run, tmp_path, name):
    folder = tmp_path / "copy"
    shutil.copytree(run[0], folder)
    HOSTILE[name](folder)
    with pytest.raises(UlmkitError) as error:
        read_classifier(folder)
    assert "\n" not in str(error.value)


def written(path, rows, names=("text", "label")):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([names, *rows])
    return path


def predicted(classifier, table, tmp_path, form="csv", **wanted):
    out = tmp_path / f"out.{form}"
    with open(out, "w", encoding="utf-8", newline="") as file:
        done = label_table(classifier, table, nullcontext(file), form=form, wanted=Wanted(**wanted))
    return done, out.read_text(encoding="utf-8")


def test_a_table_keeps_its_order_and_its_columns(run, tmp_path):
    rows = [(text, label) for text, label in zip(TEST.texts, TEST.labels, strict=True)] * 40
    done, text = predicted(run[1].classifier, written(tmp_path / "t.csv", rows), tmp_path)
    found = list(csv.DictReader(text.splitlines()))
    assert [row["text"] for row in found] == [text for text, _ in rows]
    assert done.rows == len(rows)
    assert np.mean([row["predicted"] == row["label"] for row in found]) > 0.9


def test_a_table_of_many_rows_or_long_ones_is_labelled_a_bounded_part_at_a_time(run, tmp_path, monkeypatch):
    from ulmkit.classifier import predict

    path = written(tmp_path / "t.csv", [("supp oli soe", "x")] * 50 + [("kook " * 40, "y")] * 5)
    whole = predicted(run[1].classifier, path, tmp_path)[1]
    monkeypatch.setattr(predict, "_ROWS", 20)
    monkeypatch.setattr(predict, "_CHARACTERS", 300)
    parts, real = [], predict.Labeller.said
    monkeypatch.setattr(predict.Labeller, "said", lambda self, texts: (parts.append(len(texts)), real(self, texts))[1])
    assert predicted(run[1].classifier, path, tmp_path)[1] == whole
    assert parts == [20, 20, 11, 2, 2]


def test_empty_and_unreadable_rows_stay_in_their_place(run, tmp_path):
    path = written(tmp_path / "t.csv", [("supp oli soe", "x"), ("", "y"), ("kook oli vana", "z")])
    with open(path, "a", encoding="utf-8") as file:
        file.write("one cell\n")
    done, text = predicted(run[1].classifier, path, tmp_path)
    found = list(csv.DictReader(text.splitlines()))
    assert [row["note"] for row in found] == ["", "empty", "", "line 5: bad record 1 cells instead of 2"]
    assert (done.empty, done.unreadable) == (1, 1)
    assert float(found[1]["probability"]) == 0.5


def test_labels_of_a_table_whose_layout_is_not_sure_come_with_a_remark(run, tmp_path):
    table = tmp_path / "t.tsv"
    table.write_text('index_id\tcategory\ttext\n5\tsport\tsupp oli soe\n6\tilm\t"supp oli vana\n', encoding="utf-8")
    done, text = predicted(run[1].classifier, table, tmp_path)
    assert [row["note"] for row in csv.DictReader(text.splitlines())] == ["", ""]
    assert [remark.split(" (")[0] for remark in done.remarks] == ["t.tsv: layout not sure"]


def test_below_the_threshold_there_is_no_label(run, tmp_path):
    table = written(tmp_path / "t.csv", [("midagi muud", "x"), ("supp oli soe ja maitsev", "y")])
    done, text = predicted(run[1].classifier, table, tmp_path, form="jsonl", threshold=0.8, top=2)
    first, second = map(json.loads, text.splitlines())
    assert first["predicted"] == ""
    assert second["predicted"] == "hea"
    assert second["predicted2"] == "halb"
    assert done.unsure == 1


def test_what_spoke_is_said_with_its_weight(run, tmp_path):
    reasons = run[1].classifier.reasons("supp oli külm", 0, 50)
    assert dict(reasons)["külm"] > 0
    whole = run[1].classifier.reasons("supp oli külm", 0, 10_000)
    known = sum(weight for _, weight in whole)
    logits = run[1].classifier.mix.logits(run[1].classifier.scores(["supp oli külm"]))[0]
    bare = run[1].classifier.mix.logits(run[1].classifier.scores([""]))[0]
    assert known == pytest.approx((logits - bare)[0], abs=1e-6)


def test_sums_are_raised_to_a_power_in_the_folder_too_and_what_spoke_adds_up_to_them(et, tmp_path):
    many = comments(240)
    train_run(et, tmp_path / "many", many)
    found = read_classifier(tmp_path / "many", et)
    text, mix = "supp oli külm", found.mix
    assert mix.power != 1
    assert (found.probabilities(TEST.texts) == train_run(et, tmp_path / "other", many).classifier.probabilities(
        TEST.texts)).all()  # fmt: skip
    total, bare = mix.total(found.scores([text])), mix.total(found.scores([""]))
    factor = mix.factors(total)[0]
    assert mix.logits(found.scores([text]))[0] == pytest.approx(factor * total[0] + mix.shift)
    known = sum(weight for _, weight in found.reasons(text, 0, 10_000))
    assert known == pytest.approx(factor * (total - bare)[0, 0], abs=1e-6)
    for change in ({"power": 2.5}, {"power": -0.1}, {"size": 0.0}, {"shift": [0.0]}, {"power": None}, {"size": "1"}):
        folder = tmp_path / "damaged"
        shutil.copytree(tmp_path / "many", folder)
        content = json.loads((folder / "mix.json").read_text(encoding="utf-8"))
        content["mix"] |= change
        (folder / "mix.json").write_text(json.dumps(with_checksum(content)), encoding="utf-8")
        resealed(folder)
        with pytest.raises(UlmkitError, match="power, size or shift are damaged"):
            read_classifier(folder, et)
        shutil.rmtree(folder)


def test_texts_of_training_are_counted_and_left_out_in_a_second_figure(run):
    both = Examples("test.csv", (*TEST.texts, *TRAIN.texts[:10]), (*TEST.labels, *TRAIN.labels[:10]))
    found = evaluate_classifier(run[1].classifier, both)
    assert found.copies == 10
    assert "10 of 40 rows are copies of training texts\nwithout them: accuracy" in found.summary()


def test_a_thousand_classes_are_learned(et, tmp_path):
    count = 1_000
    texts = [f"sõna{n}x ja sõna{n}y" for n in range(count)] * 2
    examples = Examples("t", tuple(texts), tuple(str(n) for n in range(count)) * 2)
    with pytest.raises(InputError, match="under 5 rows each"):
        train_run(et, tmp_path / "x", examples)


def test_a_curve_takes_stratified_samples(et):
    classes = np.repeat([0, 1, 2], (500, 80, 20))
    assert np.bincount(classes[sampled(classes, 100, 0)]).tolist() == [83, 14, 3]
    assert sampled(classes, 100, 0).tolist() != sampled(classes, 100, 1).tolist()
    assert len(sampled(classes, 6, 0)) == 6
    found = learning_curve(et, TRAIN, TEST, [20, None], samples=2)
    assert {size: len(each) for size, each in found.sizes.items()} == {20: 2, 60: 1}
    with pytest.raises(UsageError, match=r"--sizes 61: train.csv has 60 rows of 2 classes"):
        learning_curve(et, TRAIN, TEST, [61])


def test_in_python_it_is_one_line_from_texts_to_labels(tmp_path):
    found = ulmkit.classify(None, list(TRAIN.texts), list(TRAIN.labels))
    said = found.predict(["supp oli soe", "kook oli külm ja vana"])
    assert said.labels == ["hea", "halb"]
    assert said.probabilities.shape == (2, 2)
    assert found.evaluate(list(TEST.texts), list(TEST.labels)).accuracy > 0.9
    again = ulmkit.Classifier.load(found.save(tmp_path / "kept"))
    assert again.predict(TEST.texts[0])[0] == TEST.labels[0]
    assert "<table" in said._repr_html_()
    assert "<table" in found._repr_html_()
    assert "<script" not in found.predict(["<script>x</script>"])._repr_html_()


def test_texts_and_labels_of_two_lengths_are_refused():
    with pytest.raises(UsageError, match="2 texts and 1 labels"):
        ulmkit.classify(None, ["a", "b"], ["x"])
