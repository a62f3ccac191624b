"""What the kernels do, written for PyTorch: for each the ways of writing it among which `kernels.py` takes the fastest.

A set of forms is {name: (function, how)} with how "eager", "compiled" or "both". A function changes its first vectors
in place and returns what it makes. Vectors are [elements], of whole chunks; sparse payloads are (index, value, …) of
[chunks, entries], dense ones (code, scale) of [blocks, 64] and [blocks, 1].
"""

import math

import torch
from torch.optim import _functional as functional

CHUNK, BLOCK, BETA, RHO = 4096, 64, 0.95, 0.2
PICKS = {"topk32-q2": 32, "topk64-q2": 64, "topk128-q2": 128, "topk256-q2": 256}
LARGEST = {"dense-int8": 127, "dense-int4": 7}
# Elements of each payload that a scan decodes at a time: for twenty payloads what a core's cache holds.
PIECE = 1 << 14


def pick(e, k, keys="float"):
    """The k largest magnitudes of each chunk and the two that stand for them. → index, value, low, high

    Bits of magnitudes are in the order of magnitudes, and integers are compared faster, but must be looked up again.
    """
    chunks = e.view(-1, CHUNK)
    if keys == "float":
        magnitude, index = chunks.abs().topk(k, dim=1, sorted=False)  # [chunks, k]
    else:
        index = (chunks.view(torch.int32) & 0x7FFFFFFF).topk(k, dim=1, sorted=False).indices
        magnitude = chunks.gather(1, index).abs()
    high = magnitude >= magnitude.mean(1, keepdim=True)
    highs = high.sum(1, keepdim=True)
    high_sum = (magnitude * high).sum(1, keepdim=True)
    low_mean = (magnitude.sum(1, keepdim=True) - high_sum) / (k - highs).clamp(min=1)
    low, up = low_mean.bfloat16(), (high_sum / highs).bfloat16()
    value = torch.where(high, up.float(), low.float()).copysign(chunks.gather(1, index))
    return index, value, low, up


def round_blocks(e, largest):
    """Codes of each block and their scale. → code [blocks, 64], scale [blocks, 1]"""
    blocks = e.view(-1, BLOCK)
    least, most = blocks.aminmax(dim=1, keepdim=True)
    scale = (torch.maximum(-least, most) / largest).bfloat16().float().clamp(min=1e-30)
    return (blocks / scale).round_().clamp_(-largest, largest).to(torch.int8), scale


def accumulate(e, base, local):
    """e ← β·e + (base − local) in two passes."""
    torch.add(base - local, e, alpha=BETA, out=e)


def accumulate_in_place(e, base, local):
    """The same for the compiler, which makes one pass of it."""
    e.copy_(BETA * e + (base - local))


def compressors(codec, feedback):
    """Forms of encode, or of compress: with error feedback before and the residual after."""

    def of(start, keys):
        def sparse(e, *delta):
            if feedback:
                start(e, *delta)
            index, value, low, high = pick(e, PICKS[codec], keys)
            if feedback:
                e.view(-1, CHUNK).scatter_add_(1, index, -value)
            return index, value.signbit(), low, high

        def dense(e, *delta):
            if feedback:
                start(e, *delta)
            code, scale = round_blocks(e, LARGEST[codec])
            if feedback:
                e.view(-1, BLOCK).sub_(code * scale)
            return code, scale.bfloat16()

        def plain(e, *delta):
            if feedback:
                start(e, *delta)
            sent = e.clone()
            if feedback:
                e.zero_()
            return (sent,)

        return sparse if codec in PICKS else dense if codec in LARGEST else plain

    forms = {}
    for keys in ("float", "integer") if codec in PICKS else ("float",):
        suffix = f", {keys} keys" if codec in PICKS else ""
        if feedback:
            forms[f"two passes{suffix}"] = (of(accumulate, keys), "eager")
            forms[f"one expression{suffix}"] = (of(accumulate_in_place, keys), "compiled")
        else:
            forms[f"plain{suffix}"] = (of(None, keys), "both")
    return forms


def sparse_appliers(terms, scratch):
    """θ −= Σ w·v / max(Σ w of the senders, M). Payloads come as one list of all terms, chunk by chunk.

    The scratch is zero before and after.
    """
    sums, weights = scratch
    floor = math.ceil(RHO * 64 * terms)

    def over_all(theta, index, value, weight, flat):
        sums.scatter_add_(1, index, value)
        weights.scatter_add_(1, index, weight)
        theta.view(-1, CHUNK).addcdiv_(sums, weights.clamp_(min=floor), value=-1)
        sums.zero_(), weights.zero_()

    def over_senders(theta, index, value, weight, flat):
        # Two payloads that name one element write the same value there.
        chunks = theta.view(-1, CHUNK)
        sums.scatter_add_(1, index, value)
        weights.scatter_add_(1, index, weight)
        quotient = sums.gather(1, index).div_(weights.gather(1, index).clamp_(min=floor))
        chunks.scatter_(1, index, chunks.gather(1, index) - quotient)
        sums.scatter_(1, index, 0.0), weights.scatter_(1, index, 0.0)

    def flat_over_all(theta, index, value, weight, flat):
        sums.view(-1).index_add_(0, flat, value.view(-1))
        weights.view(-1).index_add_(0, flat, weight.view(-1))
        theta.view(-1, CHUNK).addcdiv_(sums, weights.clamp_(min=floor), value=-1)
        sums.zero_(), weights.zero_()

    return {"over all": (over_all, "both"), "flat": (flat_over_all, "both"), "over senders": (over_senders, "both")}


def dense_appliers(terms, scratch):
    """θ −= Σ w·code·scale / Σ w, with w/Σw in the scales."""

    def one_by_one(theta, code, scale):
        blocks = theta.view(-1, BLOCK)
        for term in range(terms):
            torch.mul(code[term], scale[term], out=scratch)
            blocks.sub_(scratch)

    def expression(theta, code, scale):
        blocks = theta.view(-1, BLOCK)
        total = code[0] * scale[0]
        for term in range(1, terms):
            total = total + code[term] * scale[term]
        blocks.sub_(total)

    return {"one by one": (one_by_one, "eager"), "one expression": (expression, "compiled")}


def plain_appliers(terms):
    def product(theta, values, weights):
        theta.addmv_(values.t(), weights, alpha=-1)

    def expression(theta, values, weights):
        theta.sub_((values * weights[:, None]).sum(0))

    return {"product": (product, "eager"), "one expression": (expression, "compiled")}


def cosines(dots, squares):
    """Norms and the cosine of each with the sum of the others, from D·T and |D|²; |T|² is the sum of the dots."""
    others = dots.sum() - 2 * dots + squares
    return squares.sqrt(), (dots - squares) / (squares * others).sqrt()


def sparse_scanners(terms, scratch):
    sums, _ = scratch

    def scan(index, value):
        # [chunks, terms · k], each payload's entries side by side
        sums.scatter_add_(1, index, value)
        products = (sums.gather(1, index) * value).view(len(index), terms, -1)
        sums.zero_()
        return cosines(products.sum((0, 2)), (value * value).view(len(index), terms, -1).sum((0, 2)))

    return {"plain": (scan, "both")}


def dense_scanners(terms, decode):
    def gram(*payload):
        total = torch.zeros(terms, terms, device=payload[0].device)
        for start in range(0, payload[0][0].numel(), PIECE):
            values = decode(start, *payload)
            total.addmm_(values, values.t())
        return cosines(total.sum(1), total.diagonal())

    def vectors(*payload):
        dots, squares = torch.zeros(2, terms, device=payload[0].device)
        for start in range(0, payload[0][0].numel(), PIECE):
            values = decode(start, *payload)
            dots.addmv_(values, values.sum(0))
            squares.add_(torch.linalg.vector_norm(values, dim=1).square_())
        return cosines(dots, squares)

    def two_passes(*payload):
        values = decode(None, *payload)
        total = values.sum(0)
        return cosines((values * total).sum(1), (values * values).sum(1))

    return {
        "products of pieces": (gram, "eager"),
        "sums of pieces": (vectors, "eager"),
        "two passes": (two_passes, "compiled"),
    }


def decode_dense(start, code, scale):
    if start is not None:
        blocks = slice(start // BLOCK, (start + PIECE) // BLOCK)
        code, scale = code[:, blocks], scale[:, blocks]
    return (code * scale).view(len(code), -1)


def decode_plain(start, values):
    return values if start is None else values[:, start : start + PIECE]


def adamw():
    """The optimiser's own kernel, and the same as one expression."""
    group = {"amsgrad": False, "beta1": 0.9, "beta2": 0.95, "lr": 1e-3, "weight_decay": 0.1, "eps": 1e-8}

    def fused(parameter, gradient, first, second, step):
        functional.adamw(
            [parameter], [gradient], [first], [second], [], [step], fused=True, maximize=False, **group
        )

    def expression(parameter, gradient, first, second, step):
        step.add_(1)
        mean = first.lerp(gradient, 0.1)
        square = 0.95 * second + 0.05 * gradient * gradient
        divisor = (square / (1 - 0.95**step)).sqrt() + 1e-8
        parameter.copy_(parameter * (1 - 1e-3 * 0.1) - 1e-3 / (1 - 0.9**step) * mean / divisor)
        first.copy_(mean), second.copy_(square)

    return {"torch.optim fused": (fused, "eager"), "one expression": (expression, "compiled")}
