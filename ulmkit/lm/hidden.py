"""What a model holds in its state while it reads."""

from collections.abc import Sequence

import numpy as np
import torch

from ulmkit.lm.model import AWDLSTM


@torch.no_grad()
def hidden_states(model: AWDLSTM, ids: Sequence[int]) -> np.ndarray:
    """The last layer's output after each of `ids`, from an empty state, without dropout; shape (T, E), float32.

    The model's own carried state is forgotten.
    """
    training = model.training
    model.eval()
    model.reset()
    x = torch.tensor(ids, dtype=torch.long, device=model.embedding.device)[:, None]  # (T, 1)
    states = model(x).raw[:, 0].float().cpu().numpy()  # (T, 1, E) -> (T, E)
    model.reset()
    model.train(training)
    return states
