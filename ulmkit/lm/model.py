"""AWD-LSTM (Merity et al. 2017) in one file: tied embeddings around a stack of LSTM layers."""

from typing import NamedTuple

import torch
from torch import nn

from ulmkit.lm.config import LMConfig
from ulmkit.lm.identity import Identity
from ulmkit.lm.kernels import LayerState, LayerWeights, lstm_stack, refusal
from ulmkit.lm.layers import dropped_weight, embed, locked_mask, masked

NARROW = {"bf16": torch.bfloat16, "fp16": torch.float16}
INIT_RANGE = 0.1  # of the embedding, as in the paper and fastai


class Output(NamedTuple):
    """What the loss needs. Logits are not here: (T, B, V) of them would be most of the memory of a step."""

    dropped: torch.Tensor  # (T, B, E): what the decoder reads, and AR measures
    raw: torch.Tensor  # (T, B, E): what TAR measures
    weight: torch.Tensor  # (V, E): the decoder, which is the embedding
    bias: torch.Tensor  # (V,)


class LSTMLayer(nn.Module):
    """The weights of one layer, in torch's layout and with torch's initial distribution."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        bound = hidden**-0.5

        def uniform(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))

        self.weight_ih = uniform(4 * hidden, inputs)
        self.weight_hh = uniform(4 * hidden, hidden)
        self.bias_ih = uniform(4 * hidden)
        self.bias_hh = uniform(4 * hidden)

    def weights(self, weight_p: float) -> LayerWeights:
        """The weights as this batch uses them: hidden-to-hidden ones with DropConnect."""
        return LayerWeights(self.weight_ih, dropped_weight(self.weight_hh, weight_p), self.bias_ih, self.bias_hh)


class AWDLSTM(nn.Module):
    """A language model over `vocabulary` pieces. It remembers its state from one call to the next until `reset`."""

    def __init__(self, vocabulary: int, config: LMConfig) -> None:
        super().__init__()
        self.vocabulary, self.config = vocabulary, config
        E, H, n = config.embedding_size, config.hidden_size, config.layers
        self.embedding = nn.Parameter(torch.empty(vocabulary, E).uniform_(-INIT_RANGE, INIT_RANGE))
        self.rnns = nn.ModuleList(LSTMLayer(E if i == 0 else H, E if i == n - 1 else H) for i in range(n))
        self.decoder_bias = nn.Parameter(torch.zeros(vocabulary))
        self.state: list[LayerState] | None = None
        self.identity: Identity | None = None  # of the tokenizer; known once trained or loaded

    def layers(self) -> list[LSTMLayer]:
        """The LSTM layers, first to last."""
        return [rnn for rnn in self.rnns if isinstance(rnn, LSTMLayer)]

    def reset(self) -> None:
        """Forget what was read."""
        self.state = None

    def start(self, B: int) -> list[LayerState]:
        """The carried state, or zeros where there is none for a batch of this width."""
        if self.state is not None and self.state[0].h.shape[0] == B:
            return self.state
        widths = [rnn.weight_hh.shape[1] for rnn in self.layers()]
        return [LayerState(*(self.embedding.new_zeros(B, H) for _ in range(2))) for H in widths]

    def forward(self, x: torch.Tensor) -> Output:
        """Read ids `x` (T, B), continuing from the state that the last call left."""
        config, p, B = self.config, self._probability, x.shape[1]
        E, H = config.embedding_size, config.hidden_size
        # what products are taken in; evaluation is always in the weights' own
        like = self.embedding.new_empty((), dtype=NARROW[config.precision]) if self._narrow else self.embedding
        h = embed(x, self.embedding, p("embed")).to(like.dtype)  # (T, B) -> (T, B, E)
        h = masked(h, locked_mask(like, B, E, p("input")))
        masks = [locked_mask(like, B, H, p("hidden")) for _ in range(config.layers - 1)]
        weights = [rnn.weights(p("weight")).to(like.dtype) for rnn in self.layers()]
        backend = config.backend
        # a model that nobody trains asks for no speed, and one trained on a GPU is read elsewhere, too
        if backend == "auto" or (not self.training and refusal(backend, x.device)):
            backend = "vendor"
        raw, state = lstm_stack(h, self.start(B), weights, masks, backend=backend)  # (T, B, E) -> (T, B, E)
        self.state = [layer.detach() for layer in state]
        dropped = masked(raw, locked_mask(like, B, E, p("output")))
        return Output(dropped, raw, self.embedding, self.decoder_bias)

    @property
    def _narrow(self) -> bool:
        return self.training and self.config.precision in NARROW

    def _probability(self, name: str) -> float:
        return self.config.dropout(name) if self.training else 0.0

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Scores of every piece after each id of `x` (T, B) -> (T, B, V); for few ids, not for training."""
        output = self(x)
        return output.dropped @ output.weight.T + output.bias
