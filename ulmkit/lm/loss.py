"""Cross-entropy without ever holding all logits, and the two penalties on activations."""

from typing import Any

import torch

from ulmkit.lm.model import Output

IGNORE = -100  # a target that is padding; torch's own convention

CPU_CHUNK = 256  # positions at a time: 64, 128, 512 and 1,024 were slower on a CPU with 30,000 pieces
GPU_CHUNK = 1024  # 61 MB of bfloat16 logits at 30,000 pieces, about one L2 cache


def _chunk(x: torch.Tensor) -> int:
    return CPU_CHUNK if x.device.type == "cpu" else GPU_CHUNK


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Mean cross-entropy of `hidden @ weight.T + bias`; the gradient is formed beside the loss, chunk by chunk.

    A chunk's logits become its probabilities in place and are gone before the next chunk, so the memory is one
    chunk's. No value is read back on the host, so a GPU never waits. With `smoothing` s the target is worth 1 - s and
    every piece, the target too, s / V.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        targets: torch.Tensor,
        smoothing: float,
    ) -> torch.Tensor:
        """`hidden` (N, E), `weight` (V, E), `bias` (V,), `targets` (N,) -> a scalar."""
        counted = targets != IGNORE
        scale = counted.to(hidden.dtype) / counted.sum().clamp(min=1)
        targets = targets.clamp(min=0).unsqueeze(1)
        wanted = any(ctx.needs_input_grad[:3])
        d_hidden = torch.empty_like(hidden) if wanted else None
        d_weight = torch.zeros_like(weight) if wanted else None
        d_bias = torch.zeros_like(bias) if wanted else None
        loss = hidden.new_zeros(())
        for start in range(0, len(hidden), _chunk(hidden)):
            part = slice(start, start + _chunk(hidden))
            h, y, share = hidden[part], targets[part], scale[part]
            log_p = torch.log_softmax(torch.addmm(bias, h, weight.T), 1)  # (N, E) -> (N, V)
            nats = (1 - smoothing) * log_p.gather(1, y).squeeze(1)
            if smoothing:
                nats += smoothing * log_p.mean(1)
            loss -= nats @ share
            if d_hidden is None or d_weight is None or d_bias is None:
                continue
            p = log_p.exp_()
            if smoothing:
                p -= smoothing / p.shape[1]
            p.scatter_add_(1, y, p.new_full((), smoothing - 1).expand(y.shape))
            # the mean's 1/n meets (N, E) and (N,), never (N, V)
            torch.mm(p, weight, out=d_hidden[part])
            d_hidden[part] *= share.unsqueeze(1)
            d_weight.addmm_(p.T, h * share.unsqueeze(1))
            d_bias.addmv_(p.T, share)
        if wanted:
            ctx.save_for_backward(d_hidden, d_weight, d_bias)
        return loss

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return *(saved * grads[0] for saved in ctx.saved_tensors), None, None


def cross_entropy(output: Output, targets: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
    """Mean loss in nats over `targets` (T, B) that are not `IGNORE`, with labels smoothed by `smoothing`."""
    hidden = output.dropped.flatten(0, 1)  # (T, B, E) -> (T * B, E)
    loss: torch.Tensor = _ChunkedCrossEntropy.apply(hidden, output.weight, output.bias, targets.flatten(), smoothing)
    return loss


@torch.no_grad()
def token_losses(output: Output, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss in nats of each target, and whether the best guess was right: both (T, B); 0 and False at `IGNORE`."""
    hidden, y = output.dropped.flatten(0, 1), targets.flatten()
    losses, right = torch.empty_like(hidden[:, 0]), torch.empty_like(y, dtype=torch.bool)
    for start in range(0, len(hidden), _chunk(hidden)):
        part = slice(start, start + _chunk(hidden))
        logits = torch.addmm(output.bias, hidden[part], output.weight.T)
        right[part] = logits.argmax(1) == y[part]
        chosen = logits.gather(1, y[part].clamp(min=0).unsqueeze(1)).squeeze(1)
        losses[part] = logits.logsumexp(1) - chosen
    losses *= y != IGNORE
    return losses.view(targets.shape), right.view(targets.shape)


def activation_penalty(output: Output, ar: float, tar: float) -> torch.Tensor:
    """AR on the dropped output and TAR on the raw one (Merity, McCann & Socher 2017), in float32 or better."""
    penalty = output.raw.new_zeros((), dtype=_accurate(output.raw.dtype))
    if ar:
        penalty = penalty + ar * output.dropped.to(penalty.dtype).pow(2).mean()
    if tar and len(output.raw) > 1:
        raw = output.raw.to(penalty.dtype)
        penalty = penalty + tar * (raw[1:] - raw[:-1]).pow(2).mean()
    return penalty


def _accurate(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32


class LMLoss:
    """The loss function that `Learner` calls: cross-entropy alone, so that training and validation compare.

    In training labels are smoothed by `smoothing`. In validation it also counts: `total`, `right` and `count` belong
    to the last batch.
    """

    def __init__(self, smoothing: float = 0.0) -> None:
        self.smoothing = smoothing
        self.total: torch.Tensor | None = None
        self.right: torch.Tensor | None = None
        self.count: torch.Tensor | None = None

    def __call__(self, output: Output, targets: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled():
            return cross_entropy(output, targets, self.smoothing)
        losses, right = token_losses(output, targets)
        self.total = losses.sum(dtype=torch.float64)
        self.right, self.count = right.sum(), (targets != IGNORE).sum()
        return (self.total / self.count.clamp(min=1)).to(losses.dtype)
