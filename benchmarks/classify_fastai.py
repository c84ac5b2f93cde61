"""fastai's own classifier beside ours: its documented ULMFiT recipe from the same language model, on the same rows.

Run with `python benchmarks/classify_fastai.py FOLDER --root ROOT --backward-lm RUN [--sizes 100,1000] [--times 1,8]`.
`text_classifier_learner` gets the encoder's weights under fastai's names, and the pieces that our reader reads. The
recipe is that of its text tutorial: one epoch of the head at 2e-2, one from the last layer on at 1e-2, one from the
next at 5e-3, two of all at 1e-3, lower groups at 1/2.6. `--times` has every one of these so many times as long: an
epoch of a hundred rows is one step. Ours learns from the same rows before each sample, with the other rows as
unlabelled texts; differences are ours less fastai's, paired by test row.
"""

import argparse
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from classify import part, snappfood

import ulmkit
import ulmkit.learner.fastai_imports  # before fastai itself: holds back its warnings
from ulmkit.artifacts.layout import Layout
from ulmkit.classifier.curve import sampled
from ulmkit.classifier.learn import NEURAL, How
from ulmkit.classifier.measure import accuracy_difference
from ulmkit.classifier.reader import TextReader, reader_of_run
from ulmkit.classifier.run import train_classifier
from ulmkit.classifier.table import Examples

DECAY = 2.6**4


def fastai_learner(reader: TextReader, train: Examples, test: Examples, classes: list[str]) -> tuple[Any, Any]:
    """Its classifier with the encoder of `reader`, and a loader of the test's rows in their order."""
    from fastai.data.core import DataLoaders
    from fastai.text.core import L
    from fastai.text.data import SortedDL, TensorText, pad_input_chunk
    from fastai.text.learner import text_classifier_learner
    from fastai.text.models.awdlstm import AWD_LSTM, awd_lstm_clas_config
    from fastai.torch_core import TensorCategory

    pad = int(reader.tokenizer.pad)

    def rows(examples: Examples) -> list[tuple[Any, Any]]:
        ids = reader.ids_of(examples.texts)
        return [
            (TensorText(torch.from_numpy(each.astype(np.int64))), TensorCategory(classes.index(label)))
            for each, label in zip(ids, examples.labels, strict=True)
        ]

    padded = partial(pad_input_chunk, pad_idx=pad, seq_len=72)
    size = min(64, len(train.texts))
    loaders = [
        SortedDL(L(rows(each)), bs=size, shuffle=shuffle, drop_last=shuffle, before_batch=padded, num_workers=0)
        for each, shuffle in ((train, True), (test, False))
    ]
    dls = DataLoaders(*loaders)
    dls.vocab = L([list(range(reader.tokenizer.vocabulary)), classes])
    encoder = reader.encoder
    config = awd_lstm_clas_config | {
        "emb_sz": encoder.embedding.shape[1],
        "n_hid": encoder.config.hidden_size,
        "n_layers": encoder.config.layers,
        "pad_token": pad,
    }
    learner = text_classifier_learner(
        dls,
        AWD_LSTM,
        config=config,
        n_out=len(classes),
        drop_mult=0.5,
        pretrained=False,
        loss_func=torch.nn.functional.cross_entropy,
    )
    theirs = learner.model[0].module
    state = theirs.state_dict()
    for name in state:
        if name in ("encoder.weight", "encoder_dp.emb.weight"):
            state[name] = encoder.embedding.detach()
        else:  # rnns.0.weight_hh_l0_raw, rnns.0.module.weight_ih_l0
            _, layer, *rest = name.split(".")
            kind = rest[-1].removesuffix("_raw").removesuffix("_l0")
            state[name] = getattr(encoder.layers()[int(layer)], kind).detach()
    theirs.load_state_dict(state)
    return learner, loaders[1]


def recipe(learner: Any, times: int) -> None:
    learner.freeze()
    for depth, epochs, rate in ((-1, 1, 2e-2), (-2, 1, 1e-2), (-3, 1, 5e-3), (None, 2, 1e-3)):
        learner.unfreeze() if depth is None else learner.freeze_to(depth)
        learner.fit_one_cycle(epochs * times, slice(rate / DECAY, rate) if depth != -1 else rate)


def ours(
    reader: TextReader, train: Examples, test: Examples, unlabelled: list[str], recipe: str
) -> dict[str, np.ndarray]:
    """The classes that our mix calls, and its member of the language model alone; prints what they cost."""
    began = time.process_time()
    trained = train_classifier(
        ulmkit.load("fa"), train, unlabelled=unlabelled, readers=[reader], how=How(recipe)
    ).classifier
    seconds = time.process_time() - began
    scores = trained.scores(test.texts)
    called = {name: each.probabilities(scores).argmax(1) for name, each in trained.alone.items() if name in NEURAL}
    called["mix"] = trained.mix.probabilities(scores).argmax(1)
    print(f"    ours, {recipe}: {seconds:.0f} CPU s", flush=True)
    return called


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--backward-lm", required=True)
    parser.add_argument("--sizes", default="100,1000")
    parser.add_argument("--times", default="1,8")
    parser.add_argument("--samples", type=int, default=3)
    parser.add_argument("--recipe", default="auto", help="of ours")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    fa = ulmkit.load("fa")
    reader = reader_of_run(Layout(asked.root, "fa"), asked.backward_lm, fa, backward=True)
    train, test = snappfood(asked.folder)
    classes = sorted(set(train.labels))
    numbers = np.array([classes.index(label) for label in train.labels])
    true = np.array([classes.index(label) for label in test.labels])
    for size in map(int, asked.sizes.split(",")):
        for sample in range(asked.samples):
            rows = sampled(numbers, size, sample).tolist()
            mine = ours(reader, part(train, rows), test, list(train.texts), asked.recipe)
            for times in map(int, asked.times.split(",")):
                torch.manual_seed(sample)
                learner, tested = fastai_learner(reader, part(train, rows), test, classes)
                began = time.process_time()
                with learner.no_bar(), learner.no_logging():
                    learner._do_epoch_validate = _nothing
                    recipe(learner, times)
                seconds = time.process_time() - began
                del learner._do_epoch_validate
                with learner.no_bar():
                    scores, _ = learner.get_preds(dl=tested, act=torch.nn.Identity())
                called = scores.numpy().argmax(1)
                print(f"{size} {sample} x{times}: {(called == true).mean():.4f}, {seconds:.0f} CPU s", flush=True)
                for name, each in mine.items():
                    apart = accuracy_difference(true, each, called)
                    print(
                        f"    {name:16} {(each == true).mean():.4f} less fastai's {apart.value:+.4f} "
                        f"[{apart.low:+.4f}, {apart.high:+.4f}]",
                        flush=True,
                    )


def _nothing(*_: Any, **__: Any) -> None:
    """In the place of validation: nothing of the test is read before the end."""


if __name__ == "__main__":
    main()
