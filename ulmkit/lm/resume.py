"""A run is taken up where its last checkpoint left it: all of it is looked at before any of it is put in place."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ulmkit.errors import ArtifactError, UsageError
from ulmkit.lm.checkpoint import Checkpoint, load_weights, read_checkpoint, refuse_no_numbers
from ulmkit.lm.config import LMConfig, config_from_json
from ulmkit.lm.identity import Identity
from ulmkit.lm.loop import Loop
from ulmkit.lm.metrics import MetricsFile
from ulmkit.lm.model import AWDLSTM
from ulmkit.lm.optimizer import restore_optimizer
from ulmkit.lm.pointer import NO_ID
from ulmkit.lm.records import AVERAGE, CARRIED, LAST, METRICS, RunFolder
from ulmkit.lm.settings_kept import MEASURED, refuse_other_settings
from ulmkit.lm.state import OPTIMIZER, STATE


def resumed_config(about: dict[str, Any], saved: dict[str, Any], start: Path | None, folder: Path) -> LMConfig:
    """Complete `about` from the checkpoint of the run that is resumed; its config.

    The first difference between the two is refused by name.
    """
    where = folder / LAST
    for name in MEASURED:
        if about["config"][name] == "auto":
            about["config"][name] = saved["config"][name]
    about["probe"] = saved["probe"]
    about["start"] = _begun_with(saved.get("start"), start, folder)
    Identity.from_json(saved["identity"], where).refuse_other(Identity(**about["identity"]), where)
    for name in ("train", "valid"):
        if saved["data"][name] != about["data"][name]:
            raise ArtifactError(
                f"{where}: trained on {name} tokens {saved['data'][name]}, these are {about['data'][name]}. "
                "Start a new run for them."
            )
    for name in ("time_budget_s", "clock"):
        if saved[name] != about[name]:
            raise UsageError(f"{where}: began with {name} {saved[name]}, now {about[name]}. Start a new run.")
    refuse_other_settings(config_from_json(saved["config"]), about["config"], where)
    return config_from_json(about["config"])


def _begun_with(saved: dict[str, Any] | None, start: Path | None, folder: Path) -> dict[str, Any] | None:
    """What a run that is resumed began with; to ask for something else is refused."""
    if start is not None and (saved is None or saved["run"] != start.name):
        before = "with random weights" if saved is None else f"with --from {saved['run']}"
        raise UsageError(f"{folder}: began {before}, now --from {start.name}. Start a new run for it.")
    return saved


def restore(loop: Loop, records: RunFolder) -> None:
    """Take up what `save_last` left. Random numbers come last: nothing may draw between here and the first step."""
    checkpoint = read_checkpoint(records.folder / LAST, training=True)
    _refuse_foreign_tensors(loop, checkpoint)
    _refuse_other_length(loop, checkpoint)
    state, tensors, step = checkpoint.state, checkpoint.training, loop.step
    step.go_on(state["way"])
    load_weights(step.model, checkpoint.model, checkpoint.folder)
    loop.training.settle()  # this may be another machine
    restore_optimizer(step.optimizer, step.model.named_parameters(), tensors)
    if step.average is not None:
        average = {name: t.to(loop.device) for name, t in _below(tensors, AVERAGE).items()}
        step.average.load_state(state["average"], average)
    if step.scale is not None and "scaling.scale" in tensors:
        step.scale.scale.copy_(tensors["scaling.scale"])
        step.scale.quiet.copy_(tensors["scaling.quiet"])
    _restore_counts(loop, state, writes=records.writes)
    records.saved_step = loop.position.step
    # what an earlier life said stays said in the manifest; what this one has said already comes after it
    records.remarks = list(dict.fromkeys([*state["remarks"], *records.remarks]))
    if records.writes:
        records.metrics = MetricsFile(records.folder / METRICS, state["metrics_bytes"])
    if loop.position.batch:
        rows = loop.world.rows(loop.config.batch_size)
        loop.carried = {name: t[rows].to(loop.device) for name, t in _below(tensors, CARRIED).items()}
    _restore_random(loop, checkpoint)


def _refuse_other_length(loop: Loop, checkpoint: Checkpoint) -> None:
    """Raise `ArtifactError` where the run would be longer than its settings say: patience only makes one shorter."""
    planned, total = loop.position.total, checkpoint.state["position"]["total"]
    if planned is not None and total > planned:
        raise ArtifactError(
            f"{checkpoint.folder / STATE}: {total:,} steps in all, its settings make {planned:,}. Use another copy."
        )


def _restore_counts(loop: Loop, state: Mapping[str, Any], *, writes: bool) -> None:
    """How far the run was, and what it had reached."""
    for name, value in state["position"].items():
        setattr(loop.position, name, value)
    if loop.budget and state["budget"]:
        loop.budget.fixed, loop.budget.next_look = state["budget"]["fixed"], state["budget"]["next_look"]
    loop.sum, loop.count = state["losses"] if writes else (0.0, 0)
    loop.valid_loss, loop.worse = state["valid_loss"], state["worse"]
    best, loop.best_step = state["best"]
    loop.best_loss = math.inf if best is None else best
    loop.skipped, loop.skipped_in_a_row = state["skipped"]
    loop.started -= state["seconds"]
    loop.line_tokens = loop.position.tokens


def _restore_random(loop: Loop, checkpoint: Checkpoint) -> None:
    world, tensors = loop.world, checkpoint.training
    if len(tensors["random.cpu"]) != world.size:
        world.seed(loop.config.seed + loop.position.step)  # another number of processes: other random numbers
        return
    try:
        # a copy: torch reads a view of another row from where it does not begin
        torch.set_rng_state(tensors["random.cpu"][world.rank].clone())
        if "random.cuda" in tensors and loop.device.type == "cuda":
            torch.cuda.set_rng_state(tensors["random.cuda"][world.rank].clone(), loop.device)
    except RuntimeError as error:
        raise ArtifactError(
            f"{checkpoint.folder / OPTIMIZER}: no state of torch's random numbers. Use another copy."
        ) from error


def _below(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _refuse_foreign_tensors(loop: Loop, checkpoint: Checkpoint) -> None:
    """Raise `ArtifactError` where what lies beside the weights does not belong to this model, or is no number."""
    where, found, model = checkpoint.folder / OPTIMIZER, checkpoint.training, loop.step.model
    refuse_no_numbers(found, where)
    groups = _known_tensors(model, loop.config.batch_size)
    shapes = {name: shape for group in groups for name, shape in group.items()}
    for name, value in found.items():
        if not name.startswith("random.") and (name not in shapes or value.shape != shapes[name]):
            raise ArtifactError(f"{where}: {name} of shape {tuple(value.shape)} is not of this run. Use another copy.")
    for group in groups:
        missing = [name for name in group if name not in found]
        if 0 < len(missing) < len(group):
            raise ArtifactError(f"{where}: {missing[0]} is missing. Use another copy.")
    random = found.get("random.cpu")
    if random is None or random.dtype != torch.uint8 or random.shape[1:] != torch.get_rng_state().shape:
        raise ArtifactError(f"{where}: no state of torch's random numbers. Use another copy.")
    ids = found.get(f"{CARRIED}memory.ids")
    if ids is not None and bool(((ids < NO_ID) | (ids >= model.vocabulary)).any()):
        raise ArtifactError(f"{where}: {CARRIED}memory.ids has ids beyond the vocabulary. Use another copy.")


def _known_tensors(model: AWDLSTM, B: int) -> list[dict[str, tuple[int, ...]]]:
    """The shapes of all that a checkpoint may hold beside weights and random numbers, in groups of all or none."""
    parameters = dict(model.named_parameters())
    moments = [
        {f"grad_avg.{name}": tuple(p.shape), f"sqr_avg.{name}": tuple(p.shape), f"step.{name}": ()}
        for name, p in parameters.items()
    ]
    average = {f"{AVERAGE}{name}": tuple(p.shape) for name, p in parameters.items()}
    carried: dict[str, tuple[int, ...]] = {
        f"{CARRIED}{number}.{part}": (B, layer.weight_hh.shape[1])
        for number, layer in enumerate(model.layers())
        for part in "hc"
    }
    if model.pointer is not None:
        carried |= {f"{CARRIED}memory.{n}": tuple(t.shape) for n, t in model.pointer.nothing(B)._asdict().items()}
    return [*moments, average, carried, {"scaling.scale": (), "scaling.quiet": ()}]
