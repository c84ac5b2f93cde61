"""Encoders tuned to classes: what changes, at which rate, and that a kill on the way changes nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.classifier.test_classifier import TEST, TRAIN, comments
from ulmkit.classifier.learn import How
from ulmkit.classifier.model import read_classifier
from ulmkit.classifier.reader import reader_of_run
from ulmkit.classifier.run import evaluate_classifier, train_run
from ulmkit.classifier.stages import LOWER, RECIPES, STAGES, TuningStage
from ulmkit.classifier.tuned import fresh_net, net_scores
from ulmkit.classifier.tuning import Kept, Tuning, TuningRun, tune, tuned_member
from ulmkit.cli.classifying import ASKED
from ulmkit.errors import UsageError
from ulmkit.workflow.classify_fastai import export_classifier, import_classifier

STEPS = (TuningStage(1, 1e-2, steps=3), TuningStage(2, 5e-3, steps=3), TuningStage(None, 5e-3, epochs=1))


@pytest.fixture(scope="module")
def reader(et, home):
    return reader_of_run(home, "ahead", et)


@pytest.fixture(scope="module")
def tuning(reader):
    classes = np.array([label == "hea" for label in TRAIN.labels]).astype(int)
    return Tuning(reader.ids_of(TRAIN.texts), classes, 4)


def weights(net):
    return {name: value.clone() for name, value in net.state_dict().items()}


def groups_changed(before, after):
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    return {name[:14] if "rnns" in name else name.split(".")[0] for name in changed}


@pytest.mark.parametrize(
    ("groups", "changed"),
    [(1, {"head"}), (2, {"head", "encoder.rnns.1"}), (None, {"head", "encoder.rnns.0", "encoder.rnns.1", "encoder"})],
)
def test_the_named_groups_change_alone(reader, tuning, groups, changed):
    net = fresh_net(reader, 2, batchnorm=False, seed=0)
    before = weights(net)
    tune(net, tuning, [TuningStage(groups, 1e-2, steps=2)])
    assert groups_changed(before, weights(net)) == changed


def test_each_group_has_the_rate_of_the_one_above_it_over_2_6(reader, tuning, monkeypatch):
    """Plain descent in the place of Adam: of equal gradients, steps are rates."""
    from ulmkit.classifier import tuning as module

    rates = []
    step = module.Adam.step
    monkeypatch.setattr(
        module.Adam, "step", lambda self: (rates.append([hyper["lr"] for hyper in self.hypers]), step(self))
    )
    tune(fresh_net(reader, 2, batchnorm=False, seed=0), tuning, [TuningStage(None, 1e-2, steps=4)])
    assert np.array(rates)[:, -1].max() == pytest.approx(1e-2)
    assert (np.array(rates)[:, 1:] / np.array(rates)[:, :-1]) == pytest.approx(LOWER)


@pytest.mark.slow
@pytest.mark.parametrize("batchnorm", [False, True])
def test_killed_anywhere_and_run_again_it_has_the_same_bits(reader, tuning, tmp_path, batchnorm):
    whole = fresh_net(reader, 2, batchnorm=batchnorm, seed=0)
    tune(whole, tuning, STEPS)
    for kill in ((0, 1), (2, 1)):

        def killed(stage, step, kill=kill):
            if (stage, step) == kill:
                raise KeyboardInterrupt

        kept = Kept(tmp_path / f"{kill}", "key", every_s=0.0)
        with pytest.raises(KeyboardInterrupt):
            tune(fresh_net(reader, 2, batchnorm=batchnorm, seed=0), tuning, STEPS, kept=kept, after_step=killed)
        taken = []
        net = fresh_net(reader, 2, batchnorm=batchnorm, seed=0)
        tune(net, tuning, STEPS, kept=kept, after_step=lambda *place, taken=taken: taken.append(place))
        assert taken[0] == (kill[0], kill[1] + 1)
        assert all(torch.equal(value, weights(net)[name]) for name, value in weights(whole).items())


def test_a_place_of_another_tuning_is_forgotten(reader, tuning, tmp_path):
    kept = Kept(tmp_path / "k", "one", every_s=0.0)
    tune(fresh_net(reader, 2, batchnorm=False, seed=0), tuning, STEPS[:1], kept=kept)
    taken = []
    net = fresh_net(reader, 2, batchnorm=False, seed=0)
    tune(net, tuning, STEPS[:1], kept=Kept(tmp_path / "k", "two"), after_step=lambda *place: taken.append(place))
    assert taken == [(0, 0), (0, 1), (0, 2)]


def test_the_callers_random_numbers_stay_as_they_were(reader, tuning):
    torch.manual_seed(8)
    first = torch.rand(1)
    torch.manual_seed(8)
    tune(fresh_net(reader, 2, batchnorm=False, seed=0), tuning, STEPS[:1])
    assert torch.equal(torch.rand(1), first)


def test_rows_of_a_fold_are_scored_by_a_network_that_never_saw_them(reader, monkeypatch):
    from ulmkit.classifier import tuning as module

    monkeypatch.setitem(module.STAGES, "1cycle", (TuningStage(1, 1e-2, steps=2),))
    seen = []
    real = module.tune

    def counted(net, part, *rest, **options):
        seen.append(len(part.ids))
        real(net, part, *rest, **options)

    monkeypatch.setattr(module, "tune", counted)
    classes, folds = np.arange(20) % 2, np.arange(20) // 4
    run = TuningRun("1cycle", [3, 4])
    member, unseen, _ = tuned_member(reader, TRAIN.texts[:20], classes, 2, folds, run)
    assert seen == [16] * 5 + [20] * 2
    assert np.isfinite(unseen).all()
    assert len(member.nets) == 2
    seen.clear()
    run = TuningRun("1cycle")
    member, unseen, _ = tuned_member(reader, TRAIN.texts[:20], classes, 2, np.where(folds == 0, 0, -1), run)
    assert seen == [16]
    assert np.isfinite(unseen).all(axis=1).tolist() == [True] * 4 + [False] * 16
    assert member.scores(TRAIN.texts[:4]) == pytest.approx(unseen[:4], abs=1e-6)


@pytest.fixture
def quick(monkeypatch):
    for name in STAGES:
        monkeypatch.setitem(STAGES, name, (TuningStage(1, 1e-2, steps=2), TuningStage(None, 1e-2, steps=2)))


def test_a_tuned_classifier_loads_alone_and_says_the_same_bits(quick, et, reader, tmp_path):
    folder = tmp_path / "et" / "classify" / "food"
    few = replace(comments(12), lines=(), files=())
    trained = train_run(et, folder, few, test=few, readers=[reader], how=How("fastai", seeds=2))
    assert "tuned forward, seed by seed: " in trained.evaluation.summary()
    loaded = read_classifier(folder, et)
    said = loaded.scores(TEST.texts[:4])["tuned forward"]
    assert (said == trained.classifier.scores(TEST.texts[:4])["tuned forward"]).all()
    assert not (tmp_path / "et" / "work" / "classify" / "food").exists()


@pytest.mark.slow
def test_word_order_is_learned_where_single_words_stand_at_chance(reader):
    """Two classes that differ in nothing but which of two words comes first."""
    rng = np.random.default_rng(0)
    words = ["kook", "supp", "kala", "leib", "salat"]
    classes = np.arange(240) % 2
    pairs = [sorted(rng.choice(len(words), 2, replace=False)) for _ in classes]
    texts = [
        " ".join([words[first], words[second]][:: -1 if backwards else 1])
        for (first, second), backwards in zip(pairs, classes, strict=True)
    ]
    net = fresh_net(reader, 2, batchnorm=False, seed=0)
    tune(net, Tuning(reader.ids_of(texts), classes, 32), [TuningStage(None, 1e-2, steps=300)])
    assert (net_scores(net, reader.ids_of(texts)).argmax(axis=1) == classes).mean() > 0.95


@pytest.mark.slow
def test_a_classifier_goes_to_fastai_and_comes_back_with_its_scores(quick, et, home, reader, tmp_path):
    few = replace(comments(12), lines=(), files=())
    trained = train_run(et, home.classifier("there"), few, readers=[reader], how=How("fastai"))
    done = export_classifier(home.classifier("there"), tmp_path / "out", et, name="taste")
    assert done.difference <= 1e-6
    weights, words = tmp_path / "out/models/taste.pth", tmp_path / "out/vocab.json"
    import_classifier(weights, words, trained.classifier.classes, home, "back", et)
    back = read_classifier(home.classifier("back"), et)
    ours, theirs = (each.scores(TEST.texts)["tuned forward"] for each in (trained.classifier, back))
    assert np.abs(ours - theirs).max() < 1e-6
    assert evaluate_classifier(back, TEST).result.rows == 30
    with pytest.raises(UsageError, match="holds a classifier"):
        import_classifier(weights, words, trained.classifier.classes, home, "back", et)


def test_the_prompt_knows_every_recipe():
    assert ASKED == RECIPES
