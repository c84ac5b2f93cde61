"""A language model as a value: trained on a corpus, loaded from its run, asked for text, figures and states."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np

from ulmkit.arguments import front_door
from ulmkit.artifacts.layout import Layout
from ulmkit.artifacts.manifest import Manifest
from ulmkit.artifacts.tokens import open_token_file
from ulmkit.errors import ArtifactError, UsageError
from ulmkit.language.spec import Language
from ulmkit.lm import run as room
from ulmkit.lm.checkpoint import Checkpoint, load_model
from ulmkit.lm.config import LMConfig
from ulmkit.lm.config import preset as preset_config
from ulmkit.lm.loop import TrainProgress
from ulmkit.lm.machine import pick_device
from ulmkit.lm.model import AWDLSTM
from ulmkit.lm.records import LM_STAGE
from ulmkit.names import home_expanded
from ulmkit.notebook import html_table
from ulmkit.progress import Progress, Report, paced, silent
from ulmkit.publish.export import Exported, export_model
from ulmkit.tokenizer.encode import encode_corpus
from ulmkit.tokenizer.words import Words
from ulmkit.workflow.corpus import REPORT_SECONDS, Corpus
from ulmkit.workflow.evaluate import Comparison, evaluate_run
from ulmkit.workflow.prepare import stage_language, tokens_of_run
from ulmkit.workflow.tokenizer import Tokenizer, refuse_other_language
from ulmkit.workflow.write import continuations, refuse_other_tokenizer, states_of_text


class LM:
    """A trained language model with its tokenizer.

    `folder` is its run (`<root>/<code>/lm/<run>`), `model` the torch module, in evaluation mode, `tokenizer` what it
    was trained with, `language` None where that is a benchmark of words, `checkpoint` which of the run's weights they
    are.
    """

    def __init__(
        self,
        folder: Path,
        model: AWDLSTM,
        saved: Checkpoint,
        tokenizer: Tokenizer | Words,
        language: Language | None,
        checkpoint: str,
    ) -> None:
        self.folder, self.model, self.tokenizer, self.language = folder, model, tokenizer, language
        self.checkpoint, self._saved = checkpoint, saved

    @classmethod
    @front_door
    def load(
        cls,
        folder: str | Path,
        *,
        checkpoint: Literal["best", "last"] = "best",
        device: str = "cpu",
        language: Language | None = None,
    ) -> "LM":
        """The model in the run folder `<root>/<code>/lm/<run>`; its tokenizer is found beside it.

        `checkpoint`: `best` had the lowest validation loss, `last` is the latest. `device`: `cpu`, `cuda`, `auto`.
        `language`, if not given, is found by the code in the folder's path.

        Raises `ArtifactError` where run or tokenizer are missing, damaged, or do not belong together.

        `LM.load("data/fa/lm/pretrained")`
        """
        folder = home_expanded(folder)
        layout = layout_of_run(folder)
        language = language or stage_language(layout)
        model, saved = load_model(folder, checkpoint, device=str(pick_device(device)))
        tokenizer = Words.load(layout.tokenizer) if language is None else Tokenizer.load(layout.tokenizer, language)
        refuse_other_tokenizer(saved, tokenizer)
        return cls(folder, model, saved, tokenizer, language, checkpoint)

    @property
    def layout(self) -> Layout:
        """The folders it lies among: corpus, tokenizer, token files, other runs."""
        return layout_of_run(self.folder)

    @property
    def run(self) -> str:
        """The run's name."""
        return self.folder.name

    @property
    def config(self) -> LMConfig:
        """Sizes, dropouts, rates and schedule that it was trained with."""
        return self._saved.config

    @property
    def backward(self) -> bool:
        """Whether it reads each text from its end: the document's start, then the pieces in reverse order."""
        return self.config.backward

    @property
    def result(self) -> dict[str, Any]:
        """What the run reached: steps, tokens, seconds, losses in nats a token; empty while it is not finished."""
        try:
            return dict(Manifest.read(self.folder, LM_STAGE).content["result"])
        except (ArtifactError, KeyError):
            return {}

    @overload
    def generate(
        self,
        prompt: str = "",
        *,
        length: int = ...,
        temperature: float = ...,
        top_k: int = ...,
        top_p: float = ...,
        no_repeat: int = ...,
        seed: int = ...,
    ) -> str: ...

    @overload
    def generate(
        self,
        prompt: list[str] | tuple[str, ...],
        *,
        length: int = ...,
        temperature: float = ...,
        top_k: int = ...,
        top_p: float = ...,
        no_repeat: int = ...,
        seed: int = ...,
    ) -> list[str]: ...

    @front_door
    def generate(
        self,
        prompt: str | list[str] | tuple[str, ...] = "",
        *,
        length: int = 60,
        temperature: float = 0.8,
        top_k: int = 0,
        top_p: float = 0.9,
        no_repeat: int = 4,
        seed: int = 0,
    ) -> str | list[str]:
        """The prompt with what the model writes on, as text; of a list of prompts, a list.

        At most `length` pieces are added. `temperature` 0 takes the likeliest each time; `top_k` and `top_p` leave
        only the likeliest (0 and 1 switch them off); no run of `no_repeat` pieces comes twice. The same seed and
        prompts give the same text. Raises `UsageError` for a setting out of its range.
        """
        texts = continuations(
            self.model,
            self.tokenizer,
            [prompt] if isinstance(prompt, str) else prompt,
            length=length,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            no_repeat=no_repeat,
            seed=seed,
        )
        return texts[0] if isinstance(prompt, str) else texts

    @front_door
    def evaluate(
        self,
        split: Literal["valid", "test"] = "valid",
        *,
        baselines: bool = True,
        order: int = 3,
        batch_size: int | None = None,
        mix: bool = False,
    ) -> Comparison:
        """Loss, perplexity, accuracy and bits on `split`, beside n-gram models of the same pieces.

        `result.result` is the model's own: `loss` in nats a token, `bits_per_character` and `bits_per_byte`, which
        compare across tokenizers. `result.models` has a Kneser-Ney model of `order` and a unigram too, with `mix`
        network and n-grams as one. `batch_size`: streams read side by side. Raises `ArtifactError` where token files
        are missing.
        """
        return evaluate_run(
            self.layout,
            self.run,
            split=split,
            checkpoint=self.checkpoint,
            beside=baselines,
            order=order,
            batch_size=batch_size,
            mix=mix,
            device=str(self.model.embedding.device),
        )

    @front_door
    def hidden(self, text: str) -> np.ndarray:
        """What the last layer holds after each piece of `text`; shape (T, H), float32, values between -1 and 1.

        T is `len(lm.tokenizer.encode(text))`, H the size of the embedding. Row t has read the document's start and the
        pieces up to t (of a model that reads backward, those from t to the end). No dropout, an empty state before.
        """
        return states_of_text(self.model, self.tokenizer, text)

    @front_door
    def learner(self, **changes: Any) -> Any:
        """A fastai Learner over the run's token files, with these weights: `lm.learner().fit_one_cycle(1, 1e-3)`.

        `changes` are settings of the run's config. What it trains is the Learner's own copy of the model.
        """
        from ulmkit.learner.learner import learner  # and fastai with it
        from ulmkit.lm.config import replace_config

        train, valid = (open_token_file(tokens_of_run(self.layout, self.run), split) for split in ("train", "valid"))
        learn = learner(train, valid, replace_config(self.config, changes), device=str(self.model.embedding.device))
        learn.model.load_state_dict(self.model.state_dict())
        return learn

    @front_door
    def export(
        self, folder: str | Path | None = None, *, format: Literal["safetensors", "fastai", "onnx"] = "safetensors"
    ) -> Exported:
        """Write model and tokenizer to `folder` (`<root>/<code>/export/…` if not given), loaded again and compared.

        `result.folder` says where. Raises `UsageError` where something else lies in the folder, `UlmkitError` where
        what was written gives other logits: nothing is kept then.
        """
        target = self.layout.exported(self.run, format) if folder is None else home_expanded(folder)
        name = f"{self.layout.code}-{self.run}"
        return export_model(self.folder, self.layout.tokenizer, target, format=format, which=self.checkpoint, name=name)

    def __repr__(self) -> str:
        size = sum(parameter.numel() for parameter in self.model.parameters())
        return f"<LM {self.folder} ({self.checkpoint}): {size:,} parameters>"

    def _repr_html_(self) -> str:
        config, result = self.config, self.result
        rows: list[tuple[object, ...]] = [
            ("checkpoint", self.checkpoint),
            ("sizes", f"{config.layers} layers, embedding {config.embedding_size}, hidden {config.hidden_size}"),
            ("parameters", sum(parameter.numel() for parameter in self.model.parameters())),
        ]
        rows += [(name.replace("_", " "), result[name]) for name in FIGURES_SHOWN if name in result]
        direction = self.language.identity.direction if self.language else "ltr"
        return html_table(str(self.folder), rows, direction=direction)


FIGURES_SHOWN = ("step", "tokens", "seconds", "best_valid_loss", "valid_perplexity")


def layout_of_run(folder: Path) -> Layout:
    """The layout that a run's folder `<root>/<code>/lm/<run>` lies in. Raises `ArtifactError` for another folder."""
    folder = folder.absolute()
    if folder.parent.name != "lm":
        raise ArtifactError(f"{folder}: no run. Runs lie in <root>/<language>/lm/<run>.")
    return Layout(folder.parent.parent.parent, folder.parent.parent.name)


@front_door
def pretrain(
    language: Language,
    corpus: Corpus,
    tokenizer: Tokenizer,
    *,
    preset: str = "default",
    minutes: float | None = None,
    run: str = "pretrained",
    resume: bool = False,
    start: str | None = None,
    device: str = "auto",
    tensorboard: bool = False,
    report: Report = silent,
    **settings: Any,
) -> LM:
    """Train a language model on `corpus`, and load the best of its checkpoints.

    The corpus is encoded first, where it was not yet. `preset` and `settings` (epochs, steps, batch_size, lr,
    drop_mult, seed …) are those of docs/training.md; `minutes` fits the whole schedule into that time. The run lies in
    `<root>/<code>/lm/<run>`, which is `lm.folder`: with `resume` it goes on from its last checkpoint, or is only
    loaded where it is finished. `start` names another run whose best weights this one begins with. `report` hears of
    progress: `report=print` shows loss, perplexity and speed.

    Raises `UsageError` for an unknown preset or setting and where `run` is there already and `resume` is not given;
    `ArtifactError` where corpus, tokenizer and language do not fit; `Interrupted` when it was stopped, everything
    saved.
    """
    refuse_other_language(language, corpus)
    if not isinstance(tokenizer, Tokenizer):
        raise UsageError(f"{tokenizer!r} is no Tokenizer. Open one: ulmkit.Tokenizer.load(folder).")
    layout = corpus.layout
    if tokenizer.folder.resolve() != layout.tokenizer.resolve():
        raise UsageError(
            f"{tokenizer.folder}: not the tokenizer beside {corpus.folder}, where the run would look for it. "
            "Train it on this corpus."
        )
    config = preset_config(preset, **settings)
    report = paced(report, REPORT_SECONDS)
    encode_corpus(language, tokenizer, corpus.folder, layout.tokens, report=report)
    train, valid = (open_token_file(layout.tokens, split) for split in ("train", "valid"))
    room.pretrain(
        train,
        valid,
        layout.run(run),
        config,
        resume=resume,
        device=device,
        time_budget_s=None if minutes is None else 60 * minutes,
        start=None if start is None else layout.run(start),
        tensorboard=tensorboard,
        watch_plateau=True,
        progress=training_report(report),
    )
    model, saved = load_model(layout.run(run), "best")
    return LM(layout.run(run), model, saved, tokenizer, language, "best")


def training_report(report: Report) -> Callable[[TrainProgress], None]:
    """`report`, told of a run as of any other long stage: steps done, and how good it is in the detail."""

    def told(now: TrainProgress) -> None:
        report(Progress("train", now.step, now.steps, "steps", now.summary))

    return told
