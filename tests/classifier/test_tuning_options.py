"""What `classify train` can be told: how classes count, how long, how much of a text, and on what to choose."""

import csv
from dataclasses import replace
from math import log

import numpy as np
import pytest
import torch
from at_prompt import run
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

import ulmkit
from tests.classifier.test_classifier import TEST, TRAIN, comments, resealed
from ulmkit.classifier.batches import balanced
from ulmkit.classifier.frozen import frozen_member
from ulmkit.classifier.learn import NGRAMS, How, Material, learn
from ulmkit.classifier.linear import logistic
from ulmkit.classifier.model import read_classifier
from ulmkit.classifier.reader import reader_of_run
from ulmkit.classifier.run import evaluate_classifier, train_classifier, train_run
from ulmkit.classifier.settings import USUAL, TuningSettings, changed_settings
from ulmkit.classifier.stages import STAGES, TuningStage
from ulmkit.classifier.table import Examples
from ulmkit.classifier.tuned import fresh_net
from ulmkit.classifier.tuning import Kept, Tuning, TuningRun, affordable_share, tune, tuned_member, tuning_loss
from ulmkit.errors import ArtifactError, InputError, UsageError
from ulmkit.lm.machine import pick_device

CLASSES = np.array([0, 0, 0, 1] * 5)
LONG = "kook oli soe ja maitsev supp oli kiire kala oli vana leib oli hiline"


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setitem(STAGES, "1cycle", (TuningStage(1, 1e-2, steps=2), TuningStage(None, 1e-2, steps=4)))


def of_texts(reader, settings=USUAL):
    return Tuning(reader.ids_of(TRAIN.texts[:20]), CLASSES, 3, settings)


# -- classes and labels


def test_a_weighted_loss_is_what_is_worked_out_by_hand():
    """Three rows of one class count 4 / (2 * 3) each, one of the other 4 / (2 * 1); its probability is 1/4."""
    weights = Tuning([], np.array([0, 0, 0, 1]), 0, TuningSettings(balance="weights")).row_weights
    assert weights.tolist() == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2])
    scores = torch.tensor([[0.0, 0.0], [log(3), 0.0]])
    loss = tuning_loss(scores, torch.tensor([0, 1]), torch.from_numpy(weights[[0, 3]]), 0.0)
    assert loss.item() == pytest.approx((2 / 3 * log(2) + 2 * log(4)) / 2)


def test_without_balance_every_row_counts_one_and_a_class_that_is_not_there_changes_nothing():
    assert (Tuning([], np.array([0, 2, 2]), 0).row_weights == 1).all()
    weights = Tuning([], np.array([0, 2, 2, 2]), 0, TuningSettings(balance="weights")).row_weights
    assert weights.tolist() == pytest.approx([2, 2 / 3, 2 / 3, 2 / 3])


def test_smoothed_labels_are_torchs_and_what_is_worked_out_by_hand():
    scores, classes = torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]]), torch.tensor([2, 1])
    loss = tuning_loss(scores, classes, torch.ones(2), 0.1)
    assert loss.item() == pytest.approx(cross_entropy(scores, classes, label_smoothing=0.1).item(), abs=1e-6)
    logs = -torch.log_softmax(scores, 1)
    by_hand = [0.9 * logs[row, int(classes[row])] + 0.1 * logs[row].mean() for row in range(2)]
    assert loss.item() == pytest.approx(float(sum(by_hand)) / 2)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(0, 5))
def test_a_balanced_draw_has_every_class_as_often_and_no_row_much_more_often_than_its_like(labels, seed):
    classes = np.array(labels)
    drawn = balanced(classes, np.random.default_rng(seed))
    assert len(drawn) == len(classes)
    times = np.bincount(classes[drawn], minlength=5)[np.unique(classes)]
    assert times.max() - times.min() <= 1
    for each in np.unique(classes):
        of_rows = np.bincount(drawn, minlength=len(classes))[classes == each]
        assert of_rows.max() - of_rows.min() <= 1


def test_with_a_sample_each_epoch_draws_anew_in_as_many_batches(readers):
    tuning = of_texts(readers[0], TuningSettings(balance="sample", batch_size=4))
    epochs = [tuning.batches(0, epoch) for epoch in range(3)]
    assert [len(batches) for batches in epochs] == [5] * 3
    drawn = [np.sort(np.concatenate(batches)) for batches in epochs]
    assert [np.bincount(CLASSES[rows]).tolist() for rows in drawn] == [[10, 10]] * 3
    assert not (drawn[0] == drawn[1]).all()
    assert [rows.tolist() for rows in tuning.batches(0, 1)] == [rows.tolist() for rows in epochs[1]]


# -- settings


def test_settings_reach_the_network_its_rates_and_its_length(readers, monkeypatch):
    from ulmkit.classifier import tuning as module

    settings = changed_settings({"output_p": 0.6, "drop_mult": 1, "layer_rate": 0.5, "lr_mult": 3, "length_mult": 0.5})
    net = fresh_net(readers[0], 2, batchnorm=False, seed=0, settings=settings)
    assert net.encoder.config.dropout("output") == 0.6
    assert net.head[0].p == 0.6
    rates = []
    step = module.Adam.step
    monkeypatch.setattr(
        module.Adam, "step", lambda self: (rates.append([hyper["lr"] for hyper in self.hypers]), step(self))
    )
    tune(net, of_texts(readers[0], settings), [TuningStage(None, 1e-2, steps=8)])
    assert len(rates) == 4
    assert np.array(rates)[:, -1].max() == pytest.approx(3e-2)
    assert (np.array(rates)[:, 1:] / np.array(rates)[:, :-1]) == pytest.approx(2)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("dropmult", 1, "no setting 'dropmult'. Did you mean 'drop_mult'?"),
        ("x", 1, "no setting 'x'. Known: balance, batch_size, clip"),
        ("balance", "equal", "balance is equal, expected one of none, weights, sample."),
        ("label_smoothing", 1.0, "label_smoothing is 1.0, expected a number of at least 0 and below 1."),
        ("label_smoothing", float("nan"), "label_smoothing is nan"),
        ("lr_mult", 0, "lr_mult is 0, expected a number above 0."),
        pytest.param("lr_mult", 10**400, "lr_mult is 1000", id="no float"),
        ("batch_size", 1, "batch_size is 1, expected 0, or 2 to 65536."),
        ("batch_size", True, "batch_size is True"),
        ("wd", "much", "wd is much"),
    ],
)
def test_a_setting_that_is_none_is_refused_in_one_line(name, value, said):
    with pytest.raises(UsageError) as error:
        changed_settings({name: value})
    assert str(error.value).startswith(f"tuning: {said}")
    assert "\n" not in str(error.value)


def test_settings_that_differ_are_another_classifier_and_stand_in_its_folder(quick, et, readers, tmp_path):
    few, how = replace(comments(12), lines=(), files=()), How("1cycle", settings=changed_settings({"wd": 0.1}))
    first = train_run(et, tmp_path / "food", few, readers=readers[:1], how=how)
    assert first.classifier.about["tuning"]["wd"] == 0.1
    with pytest.raises(UsageError, match=r"other tables or settings is here \(settings of tuning changed\)"):
        train_run(et, tmp_path / "food", few, readers=readers[:1], how=How("1cycle"))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (How(settings=TuningSettings(label_smoothing=0.1)), "--smoothing: nothing to change, since with --recipe auto"),
        (How(settings=TuningSettings(drop_mult=1)), "--set drop_mult=1: nothing"),
        (How("frozen", minutes=2), "--minutes: nothing to change, since with --recipe frozen and 60 labels"),
        (How("frozen", seeds=2), "--seeds: nothing"),
    ],
)
def test_an_option_that_would_change_nothing_is_refused(et, readers, tmp_path, how, said):
    with pytest.raises(UsageError, match=said):
        train_run(et, tmp_path / "food", TRAIN, readers=readers, how=how)
    with pytest.raises(UsageError, match="since without a language model no encoder is tuned"):
        train_run(et, tmp_path / "food", TRAIN, how=how)
    assert not list((tmp_path / "food").glob("*.json"))


# -- how long


def steps_as_time(monkeypatch, seconds):
    """A clock that stands still between the steps of an optimizer."""
    from ulmkit.classifier import tuning as module

    now, step = [0.0], module.Adam.step

    def counted(self):
        now[0] += seconds
        step(self)

    monkeypatch.setattr(module.Adam, "step", counted)
    return lambda: now[0]


def test_what_fits_into_the_time_is_worked_out_from_what_a_step_takes(readers, monkeypatch):
    """Steps of 10 s: two are tried, nine tenths of 500 s less these 20 are 430, and 100 steps would take 1,000."""
    clock = steps_as_time(monkeypatch, 10.0)
    net = fresh_net(readers[0], 2, batchnorm=False, seed=0)
    assert affordable_share(net, of_texts(readers[0]), STAGES["gradual"], 100, 500.0, clock) == pytest.approx(0.43)
    assert affordable_share(net, of_texts(readers[0]), STAGES["gradual"], 10, 500.0, clock) == 1.0
    assert affordable_share(net, of_texts(readers[0]), STAGES["gradual"], 10, 1.0, clock) == 0.0


def test_stages_are_shortened_alike_and_have_a_step_each():
    assert [TuningStage(None, 1.0, steps=n).length(7, 0.43) for n in (100, 10, 1)] == [43, 4, 1]
    assert TuningStage(None, 1.0, epochs=4).length(7) == 28
    long = TuningStage(None, 1.0, steps=1_000, epochs=4, rounds=15)
    assert [long.length(batches) for batches in (1, 7, 50, 79, 353)] == [15, 105, 750, 1000, 1412]


def test_a_member_is_tuned_for_as_many_steps_as_fit_and_a_resumed_one_keeps_to_the_plan(readers, monkeypatch, tmp_path):
    monkeypatch.setitem(STAGES, "1cycle", (TuningStage(None, 1e-2, steps=40),))
    clock = steps_as_time(monkeypatch, 1.0)
    folds = np.arange(20) // 10
    # three networks of 40 steps; 21 are tried in 30 s of which 27 count, so 6 of 120 are left: two for each
    run = TuningRun("1cycle", seconds=30.0, kept=tmp_path / "kept", clock=clock)
    steps = []
    member, _, share = tuned_member(
        readers[0], TRAIN.texts[:20], CLASSES, 2, folds, run, report=lambda each: steps.append(each.total)
    )
    assert share == pytest.approx((27 - 2) / 120)
    whole = [total for total in steps if total != 21]
    assert whole == [8] * 24
    told = []
    # the machine is a thousand times as fast now: the plan that was made holds
    later = replace(run, clock=lambda: clock() / 1000, told=told.append)
    again, _, same = tuned_member(readers[0], TRAIN.texts[:20], CLASSES, 2, folds, later)
    assert same == share
    assert told == [f"kept/{name}: a tuning that was killed goes on behind stage 1." for name in
                    ("fold-0", "fold-1", "seed-0")]  # fmt: skip
    one, two = (net.state_dict() for net in (member.nets[0], again.nets[0]))
    assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_a_plan_that_is_damaged_or_of_another_tuning_is_made_anew(readers, monkeypatch, tmp_path):
    monkeypatch.setitem(STAGES, "1cycle", (TuningStage(None, 1e-2, steps=40),))
    run = TuningRun("1cycle", seconds=30.0, kept=tmp_path, clock=steps_as_time(monkeypatch, 1.0))
    parts = [of_texts(readers[0])]

    def net():
        return fresh_net(readers[0], 2, batchnorm=False, seed=0)

    found = run.share("key", net, parts)
    (tmp_path / "plan.json").write_text('{"key": "key", "share": 0.25}')
    assert run.share("key", net, parts) == 0.25
    for content in ("", "[]", '{"key": "key", "share": 7.0}', '{"key": "other", "share": 0.25}'):
        (tmp_path / "plan.json").write_text(content)
        assert run.share("key", net, parts) == found


def test_minutes_that_do_not_hold_the_recipe_are_said(et, readers, tmp_path, monkeypatch):
    from ulmkit.classifier import tuning as module

    monkeypatch.setitem(STAGES, "1cycle", (TuningStage(1, 1e-2, steps=8),))
    monkeypatch.setattr(module, "affordable_share", lambda *rest: 0.25)
    few = replace(comments(12), lines=(), files=())
    trained = train_run(et, tmp_path / "food", few, readers=readers[:1], how=How("1cycle", minutes=0.5))
    assert "tuned forward: 25 % of the steps of 1cycle fit into --minutes." in trained.remarks
    about = trained.classifier.about
    assert "tuned forward, 1cycle, 25 % of its steps" in about["recipe"]
    assert about["shares_of_steps"] == {"tuned forward": 0.25}
    assert "|minutes:0.5|steps:forward@0.25|" in about["signature"]


def test_two_trainings_with_minutes_that_did_more_and_fewer_steps_have_two_signatures(et, readers, monkeypatch):
    from ulmkit.classifier import tuning as module

    monkeypatch.setitem(STAGES, "1cycle", (TuningStage(1, 1e-2, steps=8),))
    few, found = replace(comments(12), lines=(), files=()), []
    for share in (0.25, 0.5, 0.25, 1.0):
        monkeypatch.setattr(module, "affordable_share", lambda *rest, share=share: share)
        about = train_classifier(et, few, readers=readers[:1], how=How("1cycle", minutes=0.5)).classifier.about
        found.append(about["signature"])
    assert len(set(found)) == 3
    assert found[0] == found[2]
    assert "steps" not in found[3]


def test_who_begins_a_killed_tuning_again_is_told_where_it_goes_on(readers, tmp_path):
    def killed(stage, step):
        if (stage, step) == (1, 1):
            raise KeyboardInterrupt

    stages = [TuningStage(1, 1e-2, steps=2), TuningStage(None, 1e-2, steps=3)]
    told = []
    kept = Kept(tmp_path / "forward" / "seed-0", "key", every_s=0.0, told=told.append)
    with pytest.raises(KeyboardInterrupt):
        tune(fresh_net(readers[0], 2, batchnorm=False, seed=0), of_texts(readers[0]), stages, kept=kept,
             after_step=killed)  # fmt: skip
    assert told == []
    tune(fresh_net(readers[0], 2, batchnorm=False, seed=0), of_texts(readers[0]), stages, kept=kept)
    assert told.pop() == "forward/seed-0: a tuning that was killed goes on in stage 2, behind step 2."
    other = replace(kept, key="other")
    tune(fresh_net(readers[0], 2, batchnorm=False, seed=0), of_texts(readers[0]), stages, kept=other)
    assert told == ["forward/seed-0: a tuning of other tables or settings was killed here; this one begins anew."]


# -- how much of a text


@pytest.mark.parametrize("recipe", ["frozen", "1cycle"])
def test_of_a_long_text_as_much_counts_as_of_one_that_is_cut_by_hand(quick, et, readers, tmp_path, recipe):
    """Learned from, evaluated, predicted, and in a folder that is loaded: what stands behind the limit is nothing."""
    cut, most = "kook oli soe ja maitsev", len(readers[0].ids_of(["kook oli soe ja maitsev"])[0]) - 1
    assert LONG.startswith(cut)
    assert readers[0].ids_of([LONG])[0][: most + 1].tolist() == readers[0].ids_of([cut])[0].tolist()
    short = [replace(reader, most_pieces=most) for reader in readers]
    few = replace(comments(12), lines=(), files=())
    long = replace(few, texts=(LONG, *few.texts[1:]))
    of_long, of_cut = (
        train_classifier(et, replace(few, texts=(text, *few.texts[1:])), readers=short, how=How(recipe)).classifier
        for text in (LONG, cut)
    )
    folder = tmp_path / "food"
    train_run(et, folder, long, readers=short, how=How(recipe))
    loaded = read_classifier(folder, et)
    names = [f"{'frozen' if recipe == 'frozen' else 'tuned'} {direction}" for direction in ("forward", "backward")]
    said = loaded.scores([LONG, cut])
    for name in names:
        assert loaded.members[name].reader.most_pieces == most
        assert said[name][0] == pytest.approx(said[name][1], abs=1e-6)
        assert (said[name] == of_long.scores([LONG, cut])[name]).all()
        assert (said[name] == of_cut.scores([LONG, cut])[name]).all()
    test = Examples("t", (LONG, cut), (few.labels[0],) * 2)
    figures = evaluate_classifier(replace(loaded, mix=loaded.alone[names[0]]), test)
    assert figures.probabilities[0] == pytest.approx(figures.probabilities[1])


def test_how_much_is_read_is_checked_where_a_tuned_member_is_loaded(quick, et, readers, tmp_path):
    import safetensors.numpy

    train_run(et, tmp_path / "food", replace(comments(12), lines=(), files=()), readers=readers[:1], how=How("1cycle"))
    path = tmp_path / "food" / "forward" / "tuned-0" / "head.safetensors"
    tensors = safetensors.numpy.load(path.read_bytes())
    for value in (np.array([0]), np.array([10**9]), np.array([5.0]), np.array([5, 5])):
        path.write_bytes(safetensors.numpy.save(tensors | {"most_pieces": value}))
        resealed(tmp_path / "food")
        with pytest.raises(ArtifactError, match="'most_pieces' is missing or damaged"):
            read_classifier(tmp_path / "food", et)
    del tensors["most_pieces"]  # as folders of before have it
    path.write_bytes(safetensors.numpy.save(tensors))
    resealed(tmp_path / "food")
    assert read_classifier(tmp_path / "food", et).members["tuned forward"].reader.most_pieces == 10_000


# -- on what to choose


VALID = replace(
    comments(40, 200),
    texts=tuple(f"Täna lõunaks {each.split(' oli ')[1]} {n * n * 7}" for n, each in enumerate(comments(40, 200).texts)),
)


def test_no_weight_is_learned_from_rows_to_choose_on_and_the_mix_is_learned_from_them_alone(et, readers):
    found = train_classifier(et, TRAIN, valid=VALID, readers=readers[:1])
    turned = train_classifier(et, TRAIN, valid=replace(VALID, labels=VALID.labels[::-1]), readers=readers[:1])
    one, two = found.classifier, turned.classifier
    assert (one.members[NGRAMS].keys == two.members[NGRAMS].keys).all()
    assert (one.members[NGRAMS].linear.weights == two.members[NGRAMS].linear.weights).all()
    assert one.alone[NGRAMS].weights[NGRAMS] > 0
    assert two.alone[NGRAMS].weights[NGRAMS] == 0  # what it says of them is wrong each time
    assert one.about["weighed_on"] == [20, 20]
    assert one.about["valid"] == {"files": "train.csv", "rows": 40, "copies_left_out": 0}
    assert one.shares.tolist() == [0.5, 0.5]
    assert found.lines[1].startswith("valid       40 texts")
    assert one.known_texts(one.form.all_of(VALID.texts)).all()


def test_a_member_beside_rows_to_choose_on_is_the_one_of_training_rows_alone(et):
    """With 60 rows C is the least whatever is chosen on, so the two are the same to the bit."""
    forms = [text.lower() for text in (*TRAIN.texts, *VALID.texts)]
    classes = np.array([label == "hea" for label in (*TRAIN.labels, *VALID.labels)]).astype(int)
    alone = learn(Material(forms[:60], forms[:60], classes[:60], 2)).members[NGRAMS]
    beside = learn(Material(forms, forms, classes, 2, valid=40)).members[NGRAMS]
    assert (alone.keys == beside.keys).all()
    assert (alone.linear.weights == beside.linear.weights).all()


def test_logistic_regression_learns_from_rows_of_no_fold_and_chooses_on_the_others():
    rng = np.random.default_rng(1)
    X, y = rng.normal(0, 1, (90, 6)).astype(np.float32), np.arange(90) % 3
    X[:, 0] += y
    folds = np.where(np.arange(90) < 60, -1, 0)
    found = logistic(X, y, 3, folds)
    assert np.isnan(found.unseen[:60]).all()
    scores = X[60:] @ found.linear.weights + found.linear.bias
    assert found.unseen[60:] == pytest.approx(scores, abs=1e-2)
    other = logistic(X, np.where(folds < 0, y, (y + 1) % 3), 3, folds)
    assert other.strength <= found.strength


def test_a_frozen_member_scores_rows_to_choose_on_and_no_others(readers):
    classes = np.arange(60) % 2
    _, fit = frozen_member(readers[0], TRAIN.texts, classes, 2, np.where(np.arange(60) < 40, -1, 0))
    assert np.isfinite(fit.unseen).all(axis=1).tolist() == [False] * 40 + [True] * 20


def test_tuned_members_learn_from_all_of_training_where_rows_to_choose_on_are_given(quick, et, readers, monkeypatch):
    from ulmkit.classifier import tuning as module

    seen, real = [], module.tune
    monkeypatch.setattr(
        module, "tune", lambda net, part, *rest, **more: (seen.append(len(part.ids)), real(net, part, *rest, **more))
    )
    train_classifier(et, TRAIN, valid=VALID, readers=readers[:1], how=How("1cycle"))
    assert seen == [60]


def test_near_copies_of_training_are_no_rows_to_choose_on(et):
    both = Examples("valid.csv", (*VALID.texts, *TRAIN.texts[:7]), (*VALID.labels, *TRAIN.labels[:7]))
    found = train_classifier(et, TRAIN, valid=both)
    assert "7 near copies of training texts left out" in found.lines[1]
    assert found.classifier.about["weighed_on"] == [20, 20]
    with pytest.raises(InputError, match="every text is a near copy of one of training"):
        train_classifier(et, TRAIN, valid=Examples("valid.csv", TRAIN.texts[:7], TRAIN.labels[:7]))


def test_few_rows_to_choose_on_and_unknown_labels_are_said(et):
    found = train_classifier(et, TRAIN, valid=Examples("valid.csv", VALID.texts[:6], VALID.labels[:6]))
    assert "in --valid, under 10 rows of halb, hea: what is chosen is rough." in found.remarks
    with pytest.raises(InputError, match="label 'angry' is not in training"):
        train_classifier(et, TRAIN, valid=Examples("valid.csv", ("kook",), ("angry",)))


# -- at the prompt, and in Python


def written(path, examples):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *zip(examples.texts, examples.labels, strict=True)])
    return path


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--max-pieces", 9), "--max-pieces: of what language models read, and none is given."),
        (("--lm", "ahead", "--max-pieces", 0), "--max-pieces is 0, expected 1 to 100,000."),
        (("--lm", "ahead", "--device", "cuda:99"), "Use --device"),
        (("--lm", "ahead", "--device", "gpu"), "no device 'gpu'. Use auto, cpu or cuda."),
        (("--lm", "ahead", "--device", "meta"), "no device 'meta' on this machine. Use --device auto, cpu or cuda."),
        (("--balance", "sample"), "--balance: nothing to change, since without a language model"),
        (("--lm", "ahead", "--set", "drop=1"), "tuning: no setting 'drop'. Did you mean 'drop_mult'?"),
        (("--lm", "ahead", "--minutes", "nan"), "'nan' is no number"),
        (("--lm", "ahead", "--recipe", "1cycle", "--minutes", "inf"), "'inf' is no number"),
        (("--lm", "ahead", "--recipe", "1cycle", "--smoothing", "nan"), "label_smoothing is nan, expected a number"),
        (("--lm", "ahead", "--smoothing", 0.1), "--smoothing: nothing to change, since with --recipe auto and 60"),
    ],
)
def test_what_cannot_be_done_is_one_line(home, tmp_path, capsys, options, said):
    table = written(tmp_path / "train.csv", TRAIN)
    assert run("classify", "train", "et", "--root", home.root, "--train", table, "-q", *options) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_device_that_is_not_there_is_refused():
    for name in ("meta", "cuda:4096", "mps" if not torch.backends.mps.is_available() else "xla"):
        with pytest.raises(UsageError, match=r"no .*device"):
            pick_device(name)
    assert pick_device("cpu").type == "cpu"


def test_all_options_together_at_the_prompt_and_in_python(quick, home, tmp_path, capsys):
    paths = [written(tmp_path / f"{name}.csv", each) for name, each in (("train", TRAIN), ("valid", VALID))]
    options = (
        "--train", paths[0], "--valid", paths[1], "--lm", "ahead", "--recipe", "1cycle", "--minutes", 5, "--balance",
        "weights", "--smoothing", ".1", "--max-pieces", 12, "--set", "drop_mult=.2", "--device", "cpu",
    )  # fmt: skip
    assert run("classify", "train", "et", "--root", home.root, "--run", "all", *options) == 0
    assert "valid       40 texts" in capsys.readouterr().out
    made = read_classifier(home.classifier("all"))
    tuned = made.members["tuned forward"]
    assert tuned.reader.most_pieces == 12
    found = ulmkit.classify(
        ulmkit.LM.load(home.run("ahead")), list(TRAIN.texts), list(TRAIN.labels), recipe="1cycle", minutes=5,
        balance="weights", smoothing=0.1, max_pieces=12, valid=(list(VALID.texts), list(VALID.labels)), drop_mult=0.2,
        device="cpu",
    )  # fmt: skip
    assert (found.predict(list(TEST.texts)).probabilities == made.probabilities(TEST.texts)).all()
    with pytest.raises(UsageError, match="smoothing: nothing to change"):
        ulmkit.classify(None, list(TRAIN.texts), list(TRAIN.labels), smoothing=0.1)
    with pytest.raises(UsageError, match="valid holds 1 lists, expected two"):
        ulmkit.classify(None, list(TRAIN.texts), list(TRAIN.labels), valid=(list(TRAIN.texts),))
    with pytest.raises(UsageError, match="minutes is 0"):
        ulmkit.classify(None, list(TRAIN.texts), list(TRAIN.labels), minutes=0)
    with pytest.raises(UsageError, match="minutes is nan"):
        ulmkit.classify(None, list(TRAIN.texts), list(TRAIN.labels), minutes=float("nan"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="wants a CUDA device")
def test_on_a_gpu_members_say_what_they_say_on_a_cpu(quick, et, home, readers, tmp_path):
    few = replace(comments(12), lines=(), files=())
    there = [reader_of_run(home, "ahead", et, device="cuda")]
    for recipe in ("frozen", "1cycle"):
        trained = train_classifier(et, few, readers=there, how=How(recipe)).classifier
        folder = tmp_path / recipe
        train_run(et, folder, few, readers=there, how=How(recipe))
        name = next(each for each in trained.members if each != NGRAMS)
        on_cpu = read_classifier(folder, et).scores(TEST.texts)[name]
        assert read_classifier(folder, et, device="cuda").scores(TEST.texts)[name] == pytest.approx(on_cpu, abs=1e-4)
