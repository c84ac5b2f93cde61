"""A tuned classifier in fastai and back: the same scores for texts that are read alone."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.support.interchange_data import CONFIG, PIECES
from ulmkit.classifier.tuned import TextNet, net_scores, read_net
from ulmkit.errors import ArtifactError
from ulmkit.lm.model import AWDLSTM
from ulmkit.publish.fastai_classifier import (
    FastaiClassifier,
    fastai_scores,
    read_fastai_classifier,
    write_fastai_classifier,
)

LENGTHS = (1, 5, 71, 72, 73, 144, 200, 500, 1_440)
CLASSES = ["bad", "fine", "good"]


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(9)
    found = TextNet(AWDLSTM(len(PIECES), replace(CONFIG, drop_mult=0.5)), 3, batchnorm=True)
    for norm in found.head:
        if isinstance(norm, torch.nn.BatchNorm1d):  # statistics of nothing in particular
            norm.running_mean.normal_(0, 0.3)
            norm.running_var.uniform_(0.5, 2.0)
            torch.nn.init.normal_(norm.weight)
            torch.nn.init.normal_(norm.bias)
    return found.eval()


@pytest.fixture(scope="module")
def folder(net, tmp_path_factory):
    new = tmp_path_factory.mktemp("out") / "new"
    found = FastaiClassifier(net.encoder.state_dict(), net.head.state_dict())
    order = write_fastai_classifier(new, found, PIECES, CLASSES, name="taste", backward=False)
    return new, order


def texts():
    return [np.concatenate(([2], np.random.default_rng(n).integers(5, len(PIECES), n)))[:n] for n in LENGTHS]


def centred(scores):
    return scores.numpy().astype(np.float64) - scores.numpy().mean(axis=1, keepdims=True)


def test_fastai_gives_our_scores_of_texts_read_alone(net, folder):
    ours = np.vstack([net_scores(net, [text]) for text in texts()])
    theirs = fastai_scores(folder[0], "taste", texts(), folder[1])
    assert np.abs(ours - theirs).max() < 1e-6


def test_there_and_back_it_is_the_same_to_the_bit(net, folder):
    found = read_fastai_classifier(folder[0] / "models/taste.pth", folder[0] / "vocab.json", PIECES)
    back = read_net(net.encoder, found.head, 3, folder[0])
    for name, value in back.head.state_dict().items():
        assert torch.equal(value, net.head.state_dict()[name])
    for name, value in found.encoder.items():
        assert name == "decoder_bias" or torch.equal(value, net.encoder.state_dict()[name])


def test_pieces_that_they_lack_and_other_vocabularies_are_refused(folder, tmp_path):
    weights = folder[0] / "models/taste.pth"
    words = json.loads((folder[0] / "vocab.json").read_text())
    (tmp_path / "short.json").write_text(json.dumps(words[:-1]))
    with pytest.raises(ArtifactError, match="They are no pair"):
        read_fastai_classifier(weights, tmp_path / "short.json", PIECES)
    with pytest.raises(ArtifactError, match="more pieces of the tokenizer here"):
        read_fastai_classifier(weights, folder[0] / "vocab.json", [*PIECES, "▁another"])


def test_a_head_without_batchnorm_has_no_place_there(net, tmp_path):
    plain = TextNet(net.encoder, 3)
    found = FastaiClassifier(net.encoder.state_dict(), plain.head.state_dict())
    with pytest.raises(ArtifactError, match="Train with --recipe fastai"):
        write_fastai_classifier(tmp_path / "new", found, PIECES, CLASSES, name="x", backward=False)


def test_a_payload_in_the_place_of_weights_is_not_run(folder, tmp_path):
    (tmp_path / "evil.pth").write_bytes(b"cos\nsystem\n(S'touch run'\ntR.")
    with pytest.raises(ArtifactError):
        read_fastai_classifier(tmp_path / "evil.pth", folder[0] / "vocab.json", PIECES)


@pytest.mark.slow
def test_fastais_learner_loads_it(net, folder, monkeypatch):
    from fastai.data.core import DataLoaders, L
    from fastai.data.load import DataLoader
    from fastai.text.all import AWD_LSTM, text_classifier_learner

    words = json.loads((folder[0] / "vocab.json").read_text())
    dls = DataLoaders(*(DataLoader([(torch.tensor([2, 5]), 0)] * 2, bs=2) for _ in "ab"))
    dls.vocab = L([words, CLASSES])
    config = json.loads((folder[0] / "config.json").read_text())
    options = {"path": folder[0], "n_out": 3, "loss_func": torch.nn.CrossEntropyLoss()}
    learn = text_classifier_learner(dls, AWD_LSTM, config=config, pretrained=False, **options)
    learn.load("taste")
    learn.model.eval()
    with torch.no_grad():
        place = torch.tensor(folder[1]).argsort()
        theirs = torch.cat([learn.model(place[torch.from_numpy(text)][None])[0] for text in texts()])
    assert np.abs(np.vstack([net_scores(net, [text]) for text in texts()]) - centred(theirs)).max() < 1e-6
    learn.save("theirs", with_opt=False)
    found = read_fastai_classifier(folder[0] / "models/theirs.pth", folder[0] / "vocab.json", PIECES)
    assert torch.equal(found.head["6.weight"], net.head.state_dict()["6.weight"])
