"""An encoder that was tuned to classes with its head: the network, and the member that it is in a classifier."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ulmkit.classifier.pooling import pooled_levels
from ulmkit.classifier.reader import TextReader, sizes_alone
from ulmkit.classifier.reading import read_features
from ulmkit.classifier.settings import USUAL, TuningSettings
from ulmkit.errors import ArtifactError
from ulmkit.lm.checkpoint import LARGEST_WEIGHT, refuse_no_numbers
from ulmkit.lm.config import replace_config
from ulmkit.lm.model import AWDLSTM

HIDDEN = 50  # of the head, as in ULMFiT
_LAST_DROPOUT = 0.1
_AT_ONCE = 4_096  # texts whose features are in memory: of a `default` encoder 140 MB


class TextNet(nn.Module):
    """Ids to scores of classes: an encoder, what `pooled_levels` makes of it, and a head of two linear layers.

    As fastai's, with `batchnorm`: of the last layer alone, each linear layer behind a BatchNorm and without bias. Else
    of every layer and the mean embedding, without BatchNorm, which costs a small model more than it brings.
    """

    def __init__(
        self, encoder: AWDLSTM, classes: int, *, batchnorm: bool = False, settings: TuningSettings = USUAL
    ) -> None:
        super().__init__()
        self.encoder, self.batchnorm = encoder, batchnorm
        widths = [rnn.weight_hh.shape[1] for rnn in encoder.layers()]
        # the last of an encoder's features
        self.inputs = 3 * widths[-1] if batchnorm else encoder.embedding.shape[1] + 3 * sum(widths)
        first = settings.output_p * settings.drop_mult
        self.head = nn.Sequential(
            *_linear(self.inputs, HIDDEN, first, batchnorm),
            nn.ReLU(),
            *_linear(HIDDEN, classes, _LAST_DROPOUT, batchnorm),
        )

    @property
    def groups(self) -> list[list[nn.Parameter]]:
        """Parameters from the embedding to the head, as fastai's `awd_lstm_clas_split` groups them."""
        layers = [list(rnn.parameters()) for rnn in self.encoder.layers()]
        return [[self.encoder.embedding], *layers, list(self.head.parameters())]

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Ids (T, B), padded at the end, of texts of `lengths` (B,) -> scores (B, classes)."""
        levels = pooled_levels(self.encoder, x, lengths)
        scores: torch.Tensor = self.head(levels[-1] if self.batchnorm else torch.cat(levels, 1))
        return scores


def _linear(inputs: int, outputs: int, dropout: float, batchnorm: bool) -> list[nn.Module]:
    if not batchnorm:
        return [nn.Dropout(dropout), nn.Linear(inputs, outputs)]
    norm = nn.BatchNorm1d(inputs)
    nn.init.constant_(norm.bias, 1e-3)  # as fastai begins
    return [norm, nn.Dropout(dropout), nn.Linear(inputs, outputs, bias=False)]


def fresh_net(
    reader: TextReader, classes: int, *, batchnorm: bool, seed: int, settings: TuningSettings = USUAL
) -> TextNet:
    """A network with the weights of `reader`'s encoder, dropouts for tuning, and a head that knows nothing.

    It lies on the encoder's device, with the same weights on each.
    """
    config = replace_config(sizes_alone(reader.encoder.config), settings.dropouts)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = AWDLSTM(reader.encoder.vocabulary, config)
        encoder.load_state_dict(reader.encoder.state_dict())
        encoder.identity = reader.encoder.identity
        net = TextNet(encoder, classes, batchnorm=batchnorm, settings=settings)
    return net.to(reader.device)


def read_net(encoder: AWDLSTM, head: Mapping[str, torch.Tensor], classes: int, where: Path) -> TextNet:
    """The network of an encoder and the weights of a head, which say themselves whose form they have."""
    with torch.device("meta"):
        net = TextNet(encoder, classes, batchnorm="0.running_mean" in head)
    own = net.head.state_dict()
    for name in sorted(own.keys() | head.keys()):
        expected, found = own.get(name), head.get(name)
        if expected is None or found is None or expected.shape != found.shape or expected.dtype != found.dtype:
            raise ArtifactError(f"{where}: '{name}' is no weight of a head of {classes} classes. Train again.")
    refuse_no_numbers(head, where, LARGEST_WEIGHT)
    if any(name.endswith("running_var") and bool((value < 0).any()) for name, value in head.items()):
        raise ArtifactError(f"{where}: a variance below 0. Use another copy, or train again.")
    net.head.load_state_dict(dict(head), assign=True)
    return net.eval()


@dataclass(frozen=True)
class TunedMember:
    """`scores(texts)` is the mean of what its networks say; `reader` makes ids of texts."""

    reader: TextReader
    nets: tuple[TextNet, ...]

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        """Shape (texts, classes)."""
        return self.scores_by_seed(texts).mean(axis=0)

    def scores_by_seed(self, texts: Sequence[str]) -> np.ndarray:
        """What each network says, shape (networks, texts, classes)."""
        ids = self.reader.ids_of(texts)
        return np.stack([net_scores(net, ids) for net in self.nets])


@torch.no_grad()
def net_scores(net: TextNet, ids: Sequence[np.ndarray]) -> np.ndarray:
    """What `net`, evaluated, says of texts; shape (texts, classes), float64, the mean of each row 0."""
    net.eval()
    parts = []
    for begin in range(0, max(1, len(ids)), _AT_ONCE):
        features = torch.from_numpy(read_features(net.encoder, ids[begin : begin + _AT_ONCE])[:, -net.inputs :])
        parts.append(net.head(features.to(net.encoder.embedding.device)).double().cpu().numpy())
    found = np.concatenate(parts)
    return found - found.mean(axis=1, keepdims=True)
