"""AWD-LSTM (Merity et al. 2017) in one file: tied embeddings around a stack of LSTM layers; beyond it, a pointer."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import nn

from ulmkit.lm.config import LMConfig
from ulmkit.lm.identity import Identity
from ulmkit.lm.kernels import LAYERS, LayerState, LayerWeights, lstm_layers, lstm_stack, refusal
from ulmkit.lm.layers import dropped_weight, embed, locked_mask, masked
from ulmkit.lm.pointer import Memory, Pointed, Pointer, mixed

NARROW = {"bf16": torch.bfloat16, "fp16": torch.float16}
INIT_RANGE = 0.1  # of the embedding, as in the paper and fastai


class Output(NamedTuple):
    """What the loss needs. Logits are not here: (T, B, V) of them would be most of the memory of a step."""

    dropped: torch.Tensor  # (T, B, E): what the decoder reads, and AR measures
    raw: torch.Tensor  # (T, B, E): what TAR measures
    weight: torch.Tensor  # (V, E): the decoder, which is the embedding
    bias: torch.Tensor  # (V,)
    pointed: Pointed | None = None  # what the pointer adds, where there is one


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
        # last, so that the weights before it begin as they do without
        self.pointer = Pointer(E, config.memory) if config.memory else None
        self.state: list[LayerState] | None = None
        self.memory: Memory | None = None
        self.identity: Identity | None = None  # of the tokenizer; known once trained or loaded

    def layers(self) -> list[LSTMLayer]:
        """The LSTM layers, first to last."""
        return [rnn for rnn in self.rnns if isinstance(rnn, LSTMLayer)]

    def reset(self) -> None:
        """Forget what was read."""
        self.state = self.memory = None

    def carried(self) -> dict[str, torch.Tensor]:
        """What is remembered, by name: tensors with a row for each row of the batch."""
        layers = {
            f"{n}.{part}": t for n, layer in enumerate(self.state or []) for part, t in zip("hc", layer, strict=True)
        }
        return layers | ({} if self.memory is None else {f"memory.{n}": t for n, t in self.memory._asdict().items()})

    def carry(self, remembered: Mapping[str, torch.Tensor]) -> None:
        """Remember what `carried` gave, instead of what was read."""
        layers = range(sum(name.endswith(".h") for name in remembered))
        self.state = [LayerState(remembered[f"{n}.h"], remembered[f"{n}.c"]) for n in layers] or None
        memory = [remembered[f"memory.{name}"] for name in Memory._fields if f"memory.{name}" in remembered]
        self.memory = Memory(*memory) if memory else None

    def start(self, B: int) -> list[LayerState]:
        """The carried state, or zeros where there is none for a batch of this width."""
        if self.state is not None and self.state[0].h.shape[0] == B:
            return self.state
        widths = [rnn.weight_hh.shape[1] for rnn in self.layers()]
        return [LayerState(*(self.embedding.new_zeros(B, H) for _ in range(2))) for H in widths]

    def recall(self, B: int) -> list[Memory]:
        """The carried memory, or an empty one where there is none for a batch this wide; of a plain model nothing."""
        if self.pointer is None:
            return []
        return [self.memory if self.memory is not None and len(self.memory.ids) == B else self.pointer.nothing(B)]

    def forward(self, x: torch.Tensor) -> Output:
        """Read ids `x` (T, B), continuing from the state that the last call left."""
        B, E, backend = x.shape[1], self.config.embedding_size, self.config.backend
        # a model that nobody trains asks for no speed, and one trained on a GPU is read elsewhere, too
        if backend == "auto" or (not self.training and refusal(backend, x.device)):
            backend = "vendor"
        h = self.embedded(x)
        raw, state = lstm_stack(h, self.start(B), *self._drawn(B), backend=backend)  # (T, B, E) -> (T, B, E)
        self.state = [layer.detach() for layer in state]
        dropped = masked(raw, locked_mask(self._like, B, E, self._probability("output")))
        pointed = None
        if self.pointer is not None:
            pointed, self.memory = self.pointer(x, dropped, raw, *self.recall(B))
        return Output(dropped, raw, self.embedding, self.decoder_bias, pointed)

    def embedded(self, x: torch.Tensor) -> torch.Tensor:
        """What the first layer reads of ids `x` (T, B): (T, B, E), in training with words and inputs dropped."""
        p, like = self._probability, self._like
        h = embed(x, self.embedding, p("embed")).to(like.dtype)  # (T, B) -> (T, B, E)
        return masked(h, locked_mask(like, x.shape[1], self.config.embedding_size, p("input")))

    def layers_of(self, x: torch.Tensor) -> list[torch.Tensor]:
        """The outputs (T, B, H) of every layer for ids `x` (T, B), or for what `embedded` made of them (T, B, E).

        As `forward` reads them: on from the state that the last call left, in training with dropout between layers and
        on recurrent weights. The last layer's are as wide as the embedding.
        """
        h = x if x.is_floating_point() else self.embedded(x)
        B = h.shape[1]
        backend = self.config.backend if self.config.backend in LAYERS else "vendor"  # of the fused one only the last
        outputs, state = lstm_layers(h, self.start(B), *self._drawn(B), backend=backend)
        self.state = [layer.detach() for layer in state]
        return outputs

    def _drawn(self, B: int) -> tuple[list[LayerWeights], list[torch.Tensor | None]]:
        """Every layer's weights and the masks between layers, as this batch drops them."""
        config, p, like = self.config, self._probability, self._like
        masks = [locked_mask(like, B, config.hidden_size, p("hidden")) for _ in range(config.layers - 1)]
        return [rnn.weights(p("weight")).to(like.dtype) for rnn in self.layers()], masks

    @property
    def _like(self) -> torch.Tensor:
        """What products are taken in; evaluation is always in the weights' own."""
        return self.embedding.new_empty((), dtype=NARROW[self.config.precision]) if self._narrow else self.embedding

    @property
    def _narrow(self) -> bool:
        return self.training and self.config.precision in NARROW

    def _probability(self, name: str) -> float:
        return self.config.dropout(name) if self.training else 0.0

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Scores of every piece after each id of `x` (T, B) -> (T, B, V); for few ids, not for training.

        With a pointer they are logarithms of probabilities.
        """
        output = self(x)
        scores = output.dropped @ output.weight.T + output.bias
        if output.pointed is None:
            return scores
        p = mixed(scores.softmax(2).flatten(0, 1), *output.pointed.flat()).view_as(scores)
        return p.clamp(min=torch.finfo(p.dtype).tiny).log()
