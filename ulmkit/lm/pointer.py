"""A pointer over what was read last: the next piece is often one that stood behind a similar place a little earlier.

Text repeats its names. After each piece a query is compared with the model's own outputs at the last `memory`
positions; the softmax of the scores gives each position a weight, for the piece that followed it, and a sentinel the
rest, for the decoder (Merity et al. 2016, arXiv 1609.07843). Two more things are known of a position, and weighed by
learned numbers: how far back it is, and how many of the pieces that end there are the very ones that end here. That is
one matrix and a few numbers, no step of it waits for another, and the decoder runs once.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import nn

from ulmkit.lm.kernels import accurate

NO_ID = -1  # in place of an id where nothing was read yet
NO_SCORE = -1e30  # a score whose weight is 0; finite, so that no gradient is a nan
CONTEXT = 3  # pieces that are compared
DECODER_FIRST = 2.0  # logarithm of how much more weight the decoder has in a fresh model than a full memory


class Memory(NamedTuple):
    """What is carried from one call to the next, oldest first."""

    keys: torch.Tensor  # (B, memory, E): outputs at the last positions
    ids: torch.Tensor  # (B, memory + CONTEXT - 1): the ids there, and those before that comparing needs


class Pointed(NamedTuple):
    """What the weight of every position is made of. S is memory + T: what was carried, then the window.

    The weight of position i is for the id that followed it, which is the one at i + 1.
    """

    query: torch.Tensor  # (B, T, E)
    window: torch.Tensor  # (T, B, E): the keys of this window, by which the gradient goes back
    sentinel: torch.Tensor  # (T, B): the decoder's score
    fading: torch.Tensor  # (1,): what a position loses with the logarithm of its distance
    worth: torch.Tensor  # (CONTEXT,): what each further piece in common adds
    keys: torch.Tensor  # (B, S, E): all of them
    distance: torch.Tensor  # (T, S): logarithm of how far back; -1 where the query may not look
    common: torch.Tensor  # (B, T, S) int8: how many pieces that end there are those that end here, up to CONTEXT
    following: torch.Tensor  # (B, S), `NO_ID` where nothing followed yet

    def log_probabilities(self, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logarithms of the decoder's weight, and of the weight that positions give `targets` (T, B): both (T, B).

        The second is -inf where no position is followed by the target.
        """
        decoder, pointed = _LogProbabilities.apply(*self, targets)
        return decoder, pointed

    def attention(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The weight of every position, (B, T, S), and of the decoder, (B, T): one softmax."""
        exact = accurate(self.query.dtype)
        scores = torch.bmm(self.query, self.keys.transpose(1, 2)).to(exact)  # (B, T, E) @ (B, E, S)
        scores += torch.where(self.distance < 0, NO_SCORE, -self.fading * self.distance)
        scores += torch.where(self.following == NO_ID, NO_SCORE, 0.0).unsqueeze(1)
        for n in range(CONTEXT):
            scores.addcmul_((self.common > n).to(exact), self.worth[n])
        decoder = self.sentinel.T
        top = torch.maximum(scores.amax(2), decoder)
        weights, decoder = scores.sub_(top.unsqueeze(2)).exp_(), (decoder - top).exp()
        total = weights.sum(2) + decoder
        return weights.div_(total.unsqueeze(2)), decoder / total

    @torch.no_grad()
    def flat(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """For each place of (T, B), flat: the decoder's weight (N,), the positions' (N, S), for which ids (N, S)."""
        weights, decoder = self.attention()
        following = self.following.clamp(min=0).expand(len(self.window), -1, -1)  # (T, B, S)
        return decoder.T.flatten(), weights.transpose(0, 1).flatten(0, 1), following.flatten(0, 1)


def mixed(p: torch.Tensor, decoder: torch.Tensor, weights: torch.Tensor, following: torch.Tensor) -> torch.Tensor:
    """The distribution (N, V) that both give, from the decoder's `p`, which is overwritten, and `Pointed.flat`."""
    return p.mul_(decoder.unsqueeze(1)).scatter_add_(1, following, weights.to(p.dtype))


class _LogProbabilities(torch.autograd.Function):
    """`Pointed.log_probabilities`, with its gradient: a handful of passes over (B, T, S) and two products."""

    @staticmethod
    def forward(ctx: Any, *inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        pointed, targets = Pointed(*inputs[:-1]), inputs[-1]
        weights, decoder = pointed.attention()
        right = weights * (pointed.following.unsqueeze(1) == targets.T.unsqueeze(2))  # (B, T, S)
        hit = right.sum(2)
        ctx.save_for_backward(*pointed, weights, decoder, right, hit)
        return decoder.T.log(), hit.T.log()

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        *saved, weights, decoder, right, hit = ctx.saved_tensors
        pointed = Pointed(*saved)
        d_decoder, d_hit = (grad.T for grad in grads)  # (B, T)
        both = d_decoder + d_hit
        tiny = torch.finfo(hit.dtype).tiny  # where no position is for the target there is no gradient either
        d_scores = right * (d_hit / hit.clamp(min=tiny)).unsqueeze(2)
        d_scores.addcmul_(weights, both.unsqueeze(2), value=-1)
        d_sentinel = d_decoder - both * decoder
        products, T = pointed.query.dtype, len(pointed.window)
        d = d_scores.to(products)
        d_window = torch.bmm(d[:, :, -T:].transpose(1, 2), pointed.query).transpose(0, 1)  # (B, T, T) @ (B, T, E)
        d_fading = -(d_scores.sum(0) * pointed.distance).sum().view(1)
        # not by index: a GPU would have to tell the host how many there are, and no graph could capture it
        d_worth = torch.stack([d_scores.where(pointed.common > n, 0.0).sum() for n in range(CONTEXT)])
        return torch.bmm(d, pointed.keys), d_window, d_sentinel.T, d_fading, d_worth, *[None] * 5


class Pointer(nn.Module):
    """The parameters of a pointer over outputs of size `width`, and what it does with a window."""

    def __init__(self, width: int, memory: int) -> None:
        super().__init__()
        bound = width**-0.5
        self.memory = memory
        self.query = nn.Parameter(torch.empty(width, width).uniform_(-bound, bound))
        self.sentinel = nn.Parameter(torch.zeros(width))
        self.sentinel_bias = nn.Parameter(torch.full((1,), math.log(memory) + DECODER_FIRST))
        # named as in checkpoints that are out: what is lost by distance, and added for each further piece in common
        self.fading = nn.Parameter(torch.zeros(1))
        self.worth = nn.Parameter(torch.zeros(CONTEXT))

    def nothing(self, B: int) -> Memory:
        """An empty memory for `B` rows."""
        width = len(self.sentinel)
        ids = torch.full((B, self.memory + CONTEXT - 1), NO_ID, device=self.query.device)
        return Memory(self.query.new_zeros(B, self.memory, width), ids)

    def forward(
        self, x: torch.Tensor, dropped: torch.Tensor, raw: torch.Tensor, memory: Memory
    ) -> tuple[Pointed, Memory]:
        """Ids `x` (T, B) and the outputs after each (T, B, E): `dropped` ask, `raw` are asked."""
        T, M, products = len(raw), self.memory, raw.dtype
        keys = torch.cat([memory.keys.to(products), raw.detach().transpose(0, 1)], 1)  # (B, M, E) + (B, T, E)
        ids = torch.cat([memory.ids, x.T], 1)  # (B, CONTEXT - 1 + S)
        pointed = Pointed(
            query=dropped.transpose(0, 1) @ (self.query.T * raw.shape[2] ** -0.5).to(products),
            window=raw,
            sentinel=(dropped @ self.sentinel.to(products)).to(accurate(products)) + self.sentinel_bias,
            fading=self.fading,
            worth=self.worth,
            keys=keys,
            distance=_distance(T, M, keys),
            common=_common(ids, T, M),
            following=_following(ids),
        )
        return pointed, Memory(keys[:, T:].to(memory.keys.dtype), ids[:, T:])


def _distance(T: int, M: int, like: torch.Tensor) -> torch.Tensor:
    """Every query looks back over exactly `M` positions, so that windows of any length find the same: (T, M + T)."""
    back = M + torch.arange(T, device=like.device)[:, None] - torch.arange(M + T, device=like.device)
    return torch.where((back >= 1) & (back <= M), back.clamp(min=1).to(accurate(like.dtype)).log(), -1.0)


def _common(ids: torch.Tensor, T: int, M: int) -> torch.Tensor:
    """How many ids up to each position are those up to each query, at most CONTEXT: (B, T, M + T)."""
    ids, first = ids.to(torch.int32), CONTEXT - 1  # where position 0 is
    equal: torch.Tensor | None = None
    count: torch.Tensor | None = None
    for n in range(CONTEXT):
        there = ids[:, first - n : first - n + M + T].unsqueeze(1)
        here = ids[:, first - n + M : first - n + M + T].unsqueeze(2)
        equal = here == there if equal is None else equal & (here == there)
        count = equal.to(torch.int8) if count is None else count + equal
    assert count is not None
    return count


def _following(ids: torch.Tensor) -> torch.Tensor:
    """The id after each position; `NO_ID` after the last one, and where a position holds nothing: (B, S)."""
    ids = ids[:, CONTEXT - 1 :]
    after = torch.cat([ids[:, 1:], torch.full_like(ids[:, :1], NO_ID)], 1)
    return torch.where(ids == NO_ID, NO_ID, after)
