"""How good a model is beside n-gram models of the same pieces."""

from dataclasses import asdict, dataclass
from typing import Any

from ulmkit.artifacts.layout import Layout
from ulmkit.artifacts.manifest import signature
from ulmkit.artifacts.tokens import open_token_file
from ulmkit.errors import UsageError
from ulmkit.lm.checkpoint import load_model
from ulmkit.lm.evaluate import Evaluation, baselines, evaluate, with_ngrams
from ulmkit.lm.machine import pick_device
from ulmkit.notebook import html_table
from ulmkit.workflow.prepare import tokens_of_run


@dataclass(frozen=True)
class Comparison:
    """A model on one split, beside others: name → what each reached. `own` is the name of the model itself."""

    split: str
    own: str
    models: dict[str, Evaluation]
    signature: str

    @property
    def result(self) -> Evaluation:
        """Of the model itself: loss in nats a token, perplexity, accuracy, bits per character and per byte."""
        return self.models[self.own]

    def _repr_html_(self) -> str:
        rows = [
            (name, each.tokens, each.loss, each.perplexity, each.bits_per_character, each.bits_per_byte)
            for name, each in self.models.items()
        ]
        headers = ("model", "tokens", "loss (nats a token)", "perplexity", "bits per character", "bits per byte")
        return html_table(f"on {self.split}", rows, headers=headers)

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        models = {name: asdict(result) for name, result in self.models.items()}
        return {"split": self.split, "models": models, "signature": self.signature}


def evaluate_run(
    layout: Layout,
    run: str,
    *,
    split: str = "valid",
    checkpoint: str = "best",
    beside: bool = True,
    order: int = 3,
    batch_size: int | None = None,
    mix: bool = False,
    device: str = "auto",
) -> Comparison:
    """Evaluate run `run` on `split` (`valid` or `test`) of what it read, whole documents in a row.

    With `beside` stand a unigram and a Kneser-Ney model of `order`, counted on train. `batch_size` streams are read
    side by side; 1 reads the split as one text. `mix` adds the network and the Kneser-Ney model as one, their shares
    tuned on valid. Raises `ArtifactError` where run or token files are missing, or do not belong together.
    """
    model, saved = load_model(layout.run(run), checkpoint, device=str(pick_device(device)))
    folder = tokens_of_run(layout, run)
    if folder != layout.tokens and split == "test":
        raise UsageError(f"{folder.parent}: texts of its own, which have no test split. Use --split valid.")
    tokens = open_token_file(folder, split)
    models = baselines(open_token_file(folder, "train"), tokens, order=order) if beside else {}
    own = f"{run} ({checkpoint})"
    models[own] = evaluate(model, tokens, batch_size=batch_size)
    if mix:
        train = open_token_file(folder, "train")
        valid = tokens if split == "valid" else open_token_file(folder, "valid")
        share, mixed = with_ngrams(model, train, valid, tokens, order=order)
        models[f"{share:.0%} of it and kneser-ney-{order}"] = mixed
    line = signature(
        "evaluation",
        language=layout.code,
        split=split,
        tokens=models[own].tokens,
        tokenizer=tokens.tokenizer,
        run=run,
        step=saved.state.get("position", {}).get("step"),
        bpc=f"{models[own].bits_per_character:.4f}",
    )
    return Comparison(split, own, models, line)
