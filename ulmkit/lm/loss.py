"""Cross-entropy without ever holding all logits, and the two penalties on activations."""

from typing import Any

import torch

from ulmkit.lm.kernels import accurate
from ulmkit.lm.model import Output
from ulmkit.lm.pointer import mixed

IGNORE = -100  # a target that is padding; torch's own convention

# positions at a time. On a CPU with 30,000 pieces 64 and 128 are slower, and more than 512 gain under three percent
CPU_CHUNK = 512
GPU_CHUNK = 1024  # 61 MB of bfloat16 logits at 30,000 pieces, about one L2 cache


def _chunk(x: torch.Tensor) -> int:
    return CPU_CHUNK if x.device.type == "cpu" else GPU_CHUNK


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Mean cross-entropy of `hidden @ weight.T + bias`; the gradient is formed beside the loss, chunk by chunk.

    A chunk's logits are gone before the next chunk, so the memory is one chunk's. No value is read back on the host, so
    a GPU never waits. With `smoothing` s the target is worth 1 - s and every piece, the target too, s / V.
    With a pointer the target's probability is what decoder (its labels smoothed) and pointer give it together, and the
    decoder learns from each target by its part in that.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        targets: torch.Tensor,
        smoothing: float,
        decoder_weight: torch.Tensor | None,
        pointer_weight: torch.Tensor | None,
    ) -> torch.Tensor:
        """`hidden` (N, E), `weight` (V, E), `bias` (V,), `targets` (N,) -> a scalar.

        Of a pointer, `decoder_weight` (N,) is the logarithm of what it leaves to the decoder, `pointer_weight` (N,) of
        what it gives the target itself.
        Products are taken in the dtype of `hidden`; the loss, probabilities and sums of gradients in float32 or better.
        """
        exact, products = accurate(hidden.dtype), hidden.dtype
        decoder = weight.to(products)
        counted = (targets != IGNORE).to(products)
        targets = targets.clamp(min=0).unsqueeze(1)
        wanted = any(ctx.needs_input_grad[:3])
        d_hidden = torch.empty_like(hidden) if wanted else None
        d_weight = torch.zeros_like(weight) if wanted else None
        d_bias = torch.zeros_like(bias) if wanted else None
        d_decoder, d_pointer = (
            None if each is None else torch.empty_like(each) for each in (decoder_weight, pointer_weight)
        )
        loss = weight.new_zeros((), dtype=exact)
        for start in range(0, len(hidden), _chunk(hidden)):
            part = slice(start, start + _chunk(hidden))
            h, y, count = hidden[part], targets[part], counted[part]
            # (N, E) -> (N, V). In bfloat16 a bias of 8 would leave no room for what the context says, a hundredth at
            # first: it is added in float32, and the product is exact to a part of itself
            if products == exact:
                logits = torch.addmm(bias, h, decoder.T)
            else:
                logits = torch.mm(h, decoder.T).to(exact).add_(bias)
            # torch's softmax on a CPU takes a ninth of the time of its log_softmax; the largest probability is at
            # least 1 / V, so its logarithm is safe where the target's might not be
            p = logits.softmax(1)
            log_sum = logits.amax(1) - p.amax(1).log()
            losses = (1 - smoothing) * (log_sum - logits.gather(1, y).squeeze(1))
            if smoothing:
                losses += smoothing * (log_sum - logits.mean(1))
            own = None  # the decoder's part in the target's probability
            if decoder_weight is not None and pointer_weight is not None:
                assert d_decoder is not None
                assert d_pointer is not None
                losses, own = _with_pointer(losses, decoder_weight[part], pointer_weight[part])
                d_decoder[part] = -own * count
                d_pointer[part] = (own - 1) * count
            loss += losses @ count.to(exact)
            if d_hidden is None or d_weight is None or d_bias is None:
                continue
            if smoothing:
                p -= smoothing / p.shape[1]
            p.scatter_add_(1, y, p.new_full((), smoothing - 1).expand(y.shape))
            q = p.to(products)
            if own is not None:
                count = count * own.to(products)
            # padding meets (N, E) and (N,), never (N, V)
            torch.mm(q, decoder, out=d_hidden[part])
            d_hidden[part] *= count.unsqueeze(1)
            if products == weight.dtype:
                d_weight.addmm_(q.T, h * count.unsqueeze(1))
            else:
                d_weight += q.T @ (h * count.unsqueeze(1))
            d_bias += count @ q
        number = counted.sum(dtype=exact).clamp(min=1)
        if wanted:
            ctx.save_for_backward(d_hidden, d_weight, d_bias, d_decoder, d_pointer, number)
        return loss / number

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        *saved, number = ctx.saved_tensors
        factor = grads[0] / number
        d_hidden, d_weight, d_bias, *d_weights = (
            None if each is None else each * factor.to(each.dtype) for each in saved
        )
        return d_hidden, d_weight, d_bias, None, None, *d_weights


def _with_pointer(
    losses: torch.Tensor, decoder_weight: torch.Tensor, pointer_weight: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Losses (N,) of decoder and pointer together, and the decoder's part in each target's probability (N,)."""
    decoded = decoder_weight - losses
    losses = -torch.logaddexp(decoded, pointer_weight)
    return losses, (decoded + losses).exp()


def cross_entropy(output: Output, targets: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
    """Mean loss in nats over `targets` (T, B) that are not `IGNORE`, with labels smoothed by `smoothing`."""
    hidden = output.dropped.flatten(0, 1)  # (T, B, E) -> (T * B, E)
    pointed = output.pointed
    weights = (None, None) if pointed is None else [each.flatten() for each in pointed.log_probabilities(targets)]
    loss: torch.Tensor = _ChunkedCrossEntropy.apply(
        hidden, output.weight, output.bias, targets.flatten(), smoothing, *weights
    )
    return loss


@torch.no_grad()
def token_losses(output: Output, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss in nats of each target, and whether the best guess was right: both (T, B); 0 and False at `IGNORE`."""
    hidden, y, pointed = output.dropped.flatten(0, 1), targets.flatten(), output.pointed
    losses, right = torch.empty_like(hidden[:, 0]), torch.empty_like(y, dtype=torch.bool)
    mixture = None if pointed is None else pointed.flat()
    weights = None if pointed is None else [each.flatten() for each in pointed.log_probabilities(targets)]
    for start in range(0, len(hidden), _chunk(hidden)):
        part = slice(start, start + _chunk(hidden))
        logits = torch.addmm(output.bias, hidden[part], output.weight.T)
        chosen = logits.gather(1, y[part].clamp(min=0).unsqueeze(1)).squeeze(1)
        losses[part] = logits.logsumexp(1) - chosen
        if mixture is not None and weights is not None:
            losses[part] = -torch.logaddexp(weights[0][part] - losses[part], weights[1][part])
            logits = mixed(logits.softmax(1), *(each[part] for each in mixture))  # of which only the best is asked
        right[part] = logits.argmax(1) == y[part]
    losses *= y != IGNORE
    return losses.view(targets.shape), right.view(targets.shape)


def activation_penalty(output: Output, ar: float, tar: float) -> torch.Tensor:
    """AR on the dropped output and TAR on the raw one (Merity, McCann & Socher 2017), in float32 or better."""
    penalty = output.raw.new_zeros((), dtype=accurate(output.raw.dtype))
    if ar:
        penalty = penalty + ar * output.dropped.to(penalty.dtype).pow(2).mean()
    if tar and len(output.raw) > 1:
        raw = output.raw.to(penalty.dtype)
        penalty = penalty + tar * (raw[1:] - raw[:-1]).pow(2).mean()
    return penalty
