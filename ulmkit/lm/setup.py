"""What a training needs before its first step: batches of both splits, a model with fresh weights, and its step."""

from dataclasses import dataclass

import torch

from ulmkit.artifacts.tokens import TokenFile
from ulmkit.lm.batches import EvaluationBatches, TrainBatches, backward
from ulmkit.lm.config import LMConfig
from ulmkit.lm.distributed import ALONE, World
from ulmkit.lm.identity import Identity
from ulmkit.lm.model import AWDLSTM
from ulmkit.lm.step import Step, make_step


@dataclass(frozen=True)
class Training:
    """One model, the step that trains it, and what it reads."""

    step: Step
    batches: TrainBatches
    validation: EvaluationBatches
    world: World

    @property
    def model(self) -> AWDLSTM:
        return self.step.model

    @property
    def config(self) -> LMConfig:
        """As it is now: with a backend and a precision in the place of `auto` once they were chosen."""
        return self.step.model.config

    @property
    def device(self) -> torch.device:
        return self.step.device

    def settle(self) -> None:
        """Make sure that the LSTM that was chosen computes what it should, on the first batch."""
        if not self.step.plain:
            self.step.settle(*self.first_batch(), self.world)

    def first_batch(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids and targets of the first window, both (T, B)."""
        self.batches.seek(0)
        return next(iter(self.batches))


def set_up(
    train: TokenFile, valid: TokenFile, config: LMConfig, device: torch.device, *, world: World = ALONE
) -> Training:
    """Everything for `config` with fresh weights, which come from torch's random numbers: seed them before.

    In a `world` of several processes it reads this one's rows. Raises `ArtifactError` where the two splits were made by
    different tokenizers, hold ids that it does not have, or do not fill one batch.
    """
    Identity.of(train).refuse_other(Identity.of(valid), valid.path)
    for tokens in (train, valid):
        tokens.refuse_damage()
    if config.backward:
        train, valid = backward(train), backward(valid)
    batches = TrainBatches(
        train,
        config.batch_size,
        config.bptt,
        seed=config.seed,
        variable_bptt=config.variable_bptt,
        mine=world.rows(config.batch_size),
    ).to(device)
    validation = EvaluationBatches(valid, config.valid_batch_size, config.bptt, part=world.rank, parts=world.size)
    model = AWDLSTM(train.vocabulary, config).to(device)
    model.identity = Identity.of(train)
    return Training(make_step(model, config, world=world), batches, validation.to(device), world)
