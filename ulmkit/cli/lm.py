"""`ulmkit lm`: token files to a language model."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ulmkit.cli.common import Commands, FilePath, FiniteRange, Terminal, shared, text_table
from ulmkit.cli.completion import language_code, run_names
from ulmkit.cli.finetune import finetune
from ulmkit.cli.runs import runs_command, settings_command
from ulmkit.cli.training import (
    DEVICE_OPTION,
    RUN_OPTION,
    SEED_OPTION,
    audit_told,
    configure,
    course,
    reached,
    recipe,
    training_progress,
)
from ulmkit.errors import UsageError
from ulmkit.names import readable

if TYPE_CHECKING:
    from ulmkit.lm.evaluate import Evaluation


@click.group(cls=Commands)
def command() -> None:
    """Tokens → AWD-LSTM language model."""


command.add_command(finetune)
command.add_command(runs_command)
command.add_command(settings_command)


@command.command()
@language_code
@recipe
@click.option(
    "--from",
    "start",
    metavar="RUN",
    shell_complete=run_names,
    help="Begin with the best weights of this run instead of random ones.",
)
@course
@RUN_OPTION
@shared
def pretrain(
    terminal: Terminal,
    code: str,
    preset: str,
    settings: tuple[str, ...],
    minutes: float | None,
    resume: bool,
    start: str | None,
    tensorboard: bool,
    device: str,
    verbose: bool,
    run_name: str,
    **given: Any,
) -> None:
    """Train a language model for LANGUAGE on its token files.

    \b
    ulmkit lm pretrain fa
    ulmkit lm pretrain fa --preset small --minutes 20
    ulmkit lm pretrain fa --run news --from pretrained \\
        --epochs 3 --lr 1e-3 --patience 2
    torchrun --nproc-per-node 2 -m ulmkit lm pretrain fa
    """
    from ulmkit.lm.settings_kept import refuse_other_settings_of

    config = configure(preset, settings, **given)
    if resume:  # what follows loads torch
        refuse_other_settings_of(terminal.layout(code).run(run_name) / "last", config)
    from ulmkit.artifacts.tokens import open_token_file
    from ulmkit.lm.distributed import launched
    from ulmkit.lm.run import pretrain as train
    from ulmkit.workflow.prepare import prepare_tokens

    world = launched()
    if not world.first:  # one voice is enough
        terminal = dataclasses.replace(terminal, quiet=True, as_json=False)
    layout = terminal.layout(code)
    with terminal.progress() as report:
        tokens = prepare_tokens(layout, terminal.stage_language(code), wait=not world.alone, report=report)
    folder = layout.run(run_name)
    with training_progress(terminal) as progress:
        result = train(
            open_token_file(tokens, "train"),
            open_token_file(tokens, "valid"),
            folder,
            config,
            resume=resume,
            device=device,
            time_budget_s=None if minutes is None else 60 * minutes,
            start=None if start is None else layout.run(start),
            tensorboard=tensorboard,
            watch_plateau=True,
            progress=progress,
            audited=audit_told(terminal, verbose),
            remark=lambda line: terminal.warn([line]),
        )
    if not world.first:
        return
    terminal.print(reached(result, config.patience))
    terminal.note(f"Next: ulmkit lm evaluate {code}, ulmkit lm generate {code}")
    terminal.finish(dataclasses.asdict(result))


@command.command()
@language_code
@click.option("--split", type=click.Choice(["valid", "test"]), default="valid", show_default=True)
@click.option("--checkpoint", type=click.Choice(["best", "last"]), default="best", show_default=True)
@click.option("--order", type=click.IntRange(1, 5), default=3, show_default=True, help="Of the Kneser-Ney model.")
@click.option("--baselines/--no-baselines", default=True, help="Whether to count n-gram models beside it.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Streams read side by side; 1: the split as one text.")
@click.option("--mix", is_flag=True, help="Also network and Kneser-Ney model as one; their shares are tuned on valid.")
@DEVICE_OPTION
@RUN_OPTION
@shared
def evaluate(
    terminal: Terminal,
    code: str,
    baselines: bool,
    run_name: str,
    **how: Any,
) -> None:
    """Loss, perplexity, accuracy and bits per character and byte, beside n-gram models of the same pieces.

    \b
    ulmkit lm evaluate fa --split test
    ulmkit lm evaluate fa --split test --order 5 --mix
    """
    from ulmkit.workflow.evaluate import evaluate_run

    found = evaluate_run(terminal.layout(code), run_name, beside=baselines, **how)
    terminal.print(evaluation_table(found.models) + "\n")
    if len(found.result.sources) > 1:
        terminal.print(evaluation_table(found.result.sources, "source") + "\n")
    terminal.finish(found.to_json())


def evaluation_table(results: "dict[str, Evaluation]", first: str = "model") -> str:
    rows = [
        (
            readable(name, 30),
            f"{r.tokens:,}",
            f"{r.loss:.4f}",
            f"{r.perplexity:,.2f}",
            "" if r.accuracy is None else f"{r.accuracy:.4f}",
            f"{r.bits_per_character:.4f}",
            f"{r.bits_per_byte:.4f}",
        )
        for name, r in results.items()
    ]
    return text_table((first, "tokens", "loss", "perplexity", "accuracy", "bits/char", "bits/byte"), rows)


@command.command()
@language_code
@click.option("--prompt", "prompts", multiple=True, help="Text to go on from; the language's own prompts if not given.")
@click.option("--length", type=click.IntRange(min=1), default=60, show_default=True, help="Most pieces to add.")
@click.option("--temperature", type=FiniteRange(min=0), default=0.8, show_default=True)
@click.option("--top-k", type=click.IntRange(min=0), default=0, show_default=True, help="0: all pieces.")
@click.option("--top-p", type=FiniteRange(0, 1, min_open=True), default=0.9, show_default=True)
@click.option(
    "--no-repeat",
    type=click.IntRange(min=0),
    default=4,
    show_default=True,
    help="No run of so many pieces twice; 0: any.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--checkpoint", type=click.Choice(["best", "last"]), default="best", show_default=True)
@RUN_OPTION
@shared
def generate(
    terminal: Terminal,
    code: str,
    prompts: tuple[str, ...],
    checkpoint: str,
    run_name: str,
    **how: Any,
) -> None:
    """Let the model write on from a prompt.

    \b
    ulmkit lm generate fa --prompt "امروز هوا" --temperature 0.7
    """
    from ulmkit.lm.checkpoint import load_model
    from ulmkit.workflow.prepare import open_tokenizer
    from ulmkit.workflow.write import continuations, refuse_other_tokenizer

    layout, language = terminal.layout(code), terminal.stage_language(code)
    tokenizer = open_tokenizer(layout, language)
    model, saved = load_model(layout.run(run_name), checkpoint)
    refuse_other_tokenizer(saved, tokenizer)
    texts = continuations(model, tokenizer, prompts or (language and language.lm.prompts) or ("",), **how)
    for text in texts:
        terminal.print(text + "\n")
    if terminal.as_json:
        terminal.finish({"texts": texts})


@command.command("find-lr")
@language_code
@recipe
@click.option(
    "--plot", type=FilePath(path_type=Path, dir_okay=False), help="Also draw loss over rate into this .svg file."
)
@SEED_OPTION
@DEVICE_OPTION
@shared
def find_lr(
    terminal: Terminal,
    code: str,
    preset: str,
    settings: tuple[str, ...],
    plot: Path | None,
    device: str,
    **given: Any,
) -> None:
    """Raise the learning rate over a hundred steps and suggest one; nothing is kept.

    \b
    ulmkit lm find-lr fa --preset small --plot rates.svg
    """
    from ulmkit.artifacts.atomic import atomic_write
    from ulmkit.artifacts.tokens import open_token_file
    from ulmkit.learner.find_lr import find_lr as find
    from ulmkit.progress import Progress
    from ulmkit.report.curve import log_curve
    from ulmkit.workflow.prepare import prepare_tokens

    if plot is not None and plot.suffix != ".svg":
        raise UsageError(f"--plot {plot}: draws SVG. Choose a name that ends in .svg.")
    config = configure(preset, settings, **given)
    with terminal.progress() as report:
        tokens = prepare_tokens(terminal.layout(code), terminal.stage_language(code), report=report)
    with terminal.progress() as report:
        found = find(
            open_token_file(tokens, "train"),
            config,
            device=device,
            progress=lambda done, total: report(Progress("find rate", done, total, "steps")),
        )
    shown = range(0, len(found.lrs), max(1, len(found.lrs) // 20))
    terminal.print(text_table(("rate", "loss"), [(f"{found.lrs[i]:.2e}", f"{found.losses[i]:.3f}") for i in shown]))
    terminal.print(f"\nsuggested: --lr {found.suggestion:.2e}")
    if plot is not None:
        drawn = log_curve(
            found.lrs,
            found.losses,
            title=f"Learning rate for {code}, preset {preset}",
            x_label="learning rate",
            y_label="training loss (nats a token, smoothed)",
            marked=found.suggestion,
            mark_label=f"suggested {found.suggestion:.2e}",
        )
        with atomic_write(plot, "w", encoding="utf-8") as file:
            file.write(drawn)
        terminal.note(f"{plot}: drawn")
    if terminal.as_json:
        terminal.finish(dataclasses.asdict(found))


@command.command()
@language_code
@click.option(
    "--format",
    "form",
    type=click.Choice(["safetensors", "fastai", "onnx"]),
    default="safetensors",
    show_default=True,
    help="For load_exported and others, for fastai's AWD_LSTM, or for onnxruntime.",
)
@click.option(
    "--out", type=FilePath(path_type=Path, file_okay=False), help="Folder; <root>/LANGUAGE/export/… if not given."
)
@click.option("--checkpoint", type=click.Choice(["best", "last"]), default="best", show_default=True)
@RUN_OPTION
@shared
def export(terminal: Terminal, code: str, form: str, out: Path | None, checkpoint: str, run_name: str) -> None:
    """Write the model with its tokenizer in one folder for others to load, and check that it is still the same.

    What was written is loaded again (by fastai, by onnxruntime) and given random ids over two batches; where its logits
    are not the model's, nothing is kept. With fastai the vocabulary is written twice: as vocab.json, and as
    models/vocab.pkl because fastai's own load_pretrained reads nothing else. It unpickles that file, and a pickle can
    hold code: whoever loads it with fastai must trust who made it. ulmkit never unpickles anything.

    \b
    ulmkit lm export fa
    ulmkit lm export fa --format fastai --out my-lm
    """
    from ulmkit.publish.export import export_model

    layout = terminal.layout(code)
    target = out or layout.exported(run_name, form)
    result = export_model(
        layout.run(run_name), layout.tokenizer, target, format=form, which=checkpoint, name=f"{code}-{run_name}"
    )
    terminal.print(
        f"{result.folder}: {', '.join(result.files)}\n"
        f"largest difference between its logits and ours: {result.difference:.1e} (allowed: {result.allowed:.0e})"
    )
    terminal.finish(dataclasses.asdict(result))


@command.command("import")
@language_code
@click.argument("weights", type=FilePath(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--vocab",
    "vocabulary",
    required=True,
    type=FilePath(path_type=Path, exists=True, dir_okay=False),
    help="Its words by row, .pkl or .json.",
)
@click.option(
    "--config",
    "settings",
    type=FilePath(path_type=Path, exists=True, dir_okay=False),
    help="fastai's AWD_LSTM settings as JSON, for the dropouts; sizes are read from the weights.",
)
@click.option(
    "--tokenizer", type=FilePath(path_type=Path, file_okay=False), help="Folder; LANGUAGE's own if not given."
)
@click.option("--run", "run_name", default="imported", show_default=True, help="Name of the new run's folder.")
@shared
def import_(
    terminal: Terminal,
    code: str,
    weights: Path,
    vocabulary: Path,
    settings: Path | None,
    tokenizer: Path | None,
    run_name: str,
) -> None:
    """Take a published fastai language model (.pth and its vocabulary) over as a run, without running its pickles.

    Rows go to the pieces of LANGUAGE's tokenizer by their spelling. A piece that the published model lacks gets the
    mean of all rows, as fastai gives a new word when it is fine-tuned; how many is said and kept.

    \b
    ulmkit lm import fa fwd.pth --vocab itos.pkl
    """
    from ulmkit.publish.importing import import_fastai

    layout = terminal.layout(code)
    result = import_fastai(weights, vocabulary, tokenizer or layout.tokenizer, layout.run(run_name), settings=settings)
    terminal.print(
        f"{result.folder}: {result.taken:,} of {result.pieces:,} pieces taken over, {result.missing:,} start as the "
        f"mean of all; {result.unused:,} of the published words have no piece here"
    )
    terminal.note(f"Next: ulmkit lm evaluate {code} --run {run_name}")
    terminal.finish(dataclasses.asdict(result))
