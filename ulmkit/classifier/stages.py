"""How an encoder is tuned to classes: recipes as lists of stages, each with groups that change, a rate and a length.

Groups are counted from the head down: the head, the last layer, the one before it, …, the embedding. A stage is a
1cycle of its own, and each group has 1 / 2.6 of the rate of the one above it (Howard & Ruder 2018). Lengths are steps
or epochs, whichever is longer: of a hundred texts an epoch is seven steps, of three thousand fifty, and a network of
two hundred steps calls all of them one class (benchmarks/2026-12-03-models.md).
"""

from dataclasses import dataclass

LOWER = 2.6  # by which a group's rate is divided for the one below
PCT_START, DIV, DIV_FINAL = 0.25, 25.0, 1e5  # of each 1cycle, as in fastai
MOMS = (0.8, 0.7, 0.8)
SQR_MOM, EPS, WD, CLIP = 0.99, 1e-5, 0.01, 0.4


@dataclass(frozen=True)
class TuningStage:
    """So many `groups` change (None: all), at the highest rate `lr` for the head, for `steps` or `epochs`.

    The steps are no more than `rounds` epochs have, where that is said.
    """

    groups: int | None
    lr: float
    steps: int = 0
    epochs: int = 0
    rounds: int | None = None

    def length(self, batches: int, share: float = 1.0) -> int:
        """In steps, of an epoch of so many `batches`; of a `share` of these, one at least."""
        steps = self.steps if self.rounds is None else min(self.steps, self.rounds * batches)
        return max(1, int(max(steps, self.epochs * batches) * share))


STAGES: dict[str, tuple[TuningStage, ...]] = {
    "1cycle": (TuningStage(None, 1e-2, steps=1_000, epochs=4, rounds=15),),
    "gradual": (
        TuningStage(1, 1e-2, steps=100),
        TuningStage(2, 5e-3, steps=60),
        TuningStage(3, 5e-3, steps=60),
        TuningStage(None, 2e-3, steps=120, epochs=2),
    ),
    # fastai's documented way with reviews (its tutorial "ULMFiT"), and its head
    "fastai": (
        TuningStage(1, 2e-2, steps=60, epochs=1),
        TuningStage(2, 1e-2, steps=60, epochs=1),
        TuningStage(3, 5e-3, steps=60, epochs=1),
        TuningStage(None, 1e-3, steps=120, epochs=2),
    ),
}

RECIPES = ("auto", "ngrams", "frozen", *STAGES)  # what can be asked for


def batch_size(rows: int) -> int:
    """Texts a step: fewer where there are few, so that an epoch has some steps."""
    return 16 if rows < 200 else 32 if rows < 2_000 else 64
