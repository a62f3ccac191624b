"""Times PyTorch on what the kernels of `cotrain bench kernels` do, so that the two can be set side by side row by row.

Prints the same JSON fields, one object a line, with "device" naming PyTorch; `cotrain bench compare` takes both files.
"form" says which way of writing it was the fastest and "compiled" whether torch.compile made it. The vectors are slices
of arenas larger than caches, taken in turn; medians over the same number of runs; a form is timed once its result agrees
with that of the first form.

PyTorch is given less to do than the kernels: payloads stay unpacked (indices of 64 bits, codes in bytes, magnitudes apart),
aggregates are float sums, and no payload is validated. "moved_bytes" counts what the kernels must move nevertheless.

Needs torch; torch.compile needs a C++ compiler.

    python kernels.py --threads 2 > pytorch.json
    python kernels.py --elements 1048576 --kernels compress,encode --codecs topk64-q2
    python kernels.py --device cuda
"""

import argparse
import json
import math
import os
import sys
import time

CHUNK, BLOCK, BETA, RHO, TERMS = 4096, 64, 0.95, 0.2, (8, 20)
PICKS = {"topk32-q2": 32, "topk64-q2": 64, "topk128-q2": 128, "topk256-q2": 256}
LARGEST = {"dense-int8": 127, "dense-int4": 7}
CODECS = [*PICKS, *LARGEST, "none"]
CHUNK_BYTES = dict(zip(CODECS, (48, 84, 148, 260, 4224, 2176, 4 * CHUNK)))
KERNELS = ["copy", "adamw", "encode", "compress", "apply", "scan"]
# Elements of each payload that a scan decodes at a time: for twenty payloads what a core's cache holds.
PIECE = 1 << 14


def parse():
    names = lambda text: text.split(",")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--elements", type=lambda text: [int(n) for n in text.split(",")], default=[1 << 16, 1 << 20, 1 << 24])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--samples", type=int, default=15)
    parser.add_argument("--arena-mib", type=int, default=256)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--kernels", type=names, default=KERNELS, help=",".join(KERNELS))
    parser.add_argument("--codecs", type=names, default=CODECS, help=",".join(CODECS))
    parser.add_argument("--no-compile", action="store_true", help="only what PyTorch does without torch.compile")
    options = parser.parse_args()
    unknown = [*set(options.kernels) - set(KERNELS), *set(options.codecs) - set(CODECS)]
    if unknown or options.samples < 1 or any(n < CHUNK or n % CHUNK for n in options.elements):
        parser.error(f"unknown: {unknown}" if unknown else f"elements are multiples of {CHUNK}, samples at least 1")
    return options


OPTIONS = parse()
os.environ["OMP_NUM_THREADS"] = str(OPTIONS.threads)
import torch  # noqa: E402, the variable must be set before
import torch._inductor.config  # noqa: E402
from torch.optim._functional import adamw as step_adamw  # noqa: E402

# The codecs, without a loop over chunks. Vectors are [elements], payloads (index, code, low, high) or (code, scale).


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


def adamw(parameter, gradient, first, second, step):
    """AdamW with weight decay as one expression, for the compiler."""
    step.add_(1)
    mean = first.lerp(gradient, 0.1)
    square = 0.95 * second + 0.05 * gradient * gradient
    divisor = (square / (1 - 0.95**step)).sqrt() + 1e-8
    parameter.copy_(parameter * (1 - 1e-3 * 0.1) - 1e-3 / (1 - 0.9**step) * mean / divisor)
    first.copy_(mean), second.copy_(square)


class Bench:
    """The vectors of one length and the rows of it."""

    def __init__(self, elements):
        self.elements = elements
        self.slices = max(1, OPTIONS.arena_mib * (1 << 20) // 4 // elements)
        self.source, self.target = self.arena(1e-3), self.arena(1e-3)
        self.turn, self.copy_rate = 0, None

    def arena(self, scale):
        return torch.randn(self.slices, self.elements, device=OPTIONS.device).mul_(scale)

    def time(self, form, arenas, fixed):
        """Quartiles in ns, of one slice after the other."""
        times = []
        for sample in range(OPTIONS.samples + 1):
            place = self.turn % self.slices
            self.turn += 1
            vectors = [arena[place] for arena in arenas]
            settle()
            start = time.perf_counter_ns()
            form(*vectors, *fixed)
            settle()
            if sample > 0:
                times.append(time.perf_counter_ns() - start)
        times.sort()
        return [times[(len(times) - 1) * quarter // 4] for quarter in (1, 2, 3)]

    def row(self, kernel, codec, vectors, moved, forms, arenas, fixed=()):
        """Times every form, with and without the compiler where it is for both, and prints the fastest."""
        best, expected = None, None
        # Timing a form changes what it works on; each is compared from here.
        start = [arena[0].clone() for arena in arenas], [tensor.clone() if tensor.dim() == 0 else tensor for tensor in fixed]
        for name, compiled, form in candidates(forms):
            try:
                found = outcome(form, *start)
            except Exception as error:  # what the compiler cannot do is no result
                complain(f"{kernel} {codec} {name}, compiled {compiled}: {type(error).__name__}: {str(error)[:200]}")
                continue
            expected = expected or found
            if not agree(found, expected):
                complain(f"{kernel} {codec} {name}, compiled {compiled}: differs from the first form, and was not timed")
                continue
            quartiles = self.time(form, arenas, fixed)
            if best is None or quartiles[1] < best[0][1]:
                best = (quartiles, name, compiled)
        (first, median, third), name, compiled = best
        self.copy_rate = self.copy_rate or moved / median
        print(
            json.dumps(
                {
                    "kernel": kernel,
                    "codec": codec,
                    "device": f"PyTorch {torch.__version__} {device_name()}",
                    "threads": OPTIONS.threads,
                    "elements": self.elements,
                    "logical_bytes": 4 * vectors * self.elements,
                    "moved_bytes": moved,
                    "median_ns": median,
                    "spread": (third - first) / median,
                    "copy_fraction": moved / median / self.copy_rate,
                    "form": name,
                    "compiled": compiled,
                }
            ),
            flush=True,
        )

    def run(self):
        self.copy()
        if "adamw" in OPTIONS.kernels:
            self.adamw()
        for codec in OPTIONS.codecs:
            body = CHUNK_BYTES[codec] * self.elements // CHUNK
            if "encode" in OPTIONS.kernels:
                moved = 4 * self.elements + body
                self.row("encode", codec, 1, moved, compressors(codec, False), [self.source])
            if "compress" in OPTIONS.kernels:
                self.compress(codec, body)
            for terms in TERMS:
                self.aggregate(codec, terms, body)

    def copy(self):
        forms = {
            "copy_": (lambda source, target: target.copy_(source), "both"),
            "product": (lambda source, target: torch.mul(source, 1.0, out=target), "eager"),
        }
        if OPTIONS.device == "cpu":
            forms["numpy"] = (lambda source, target: target.numpy().__setitem__(slice(None), source.numpy()), "eager")
        self.row("copy", "", 1, 8 * self.elements, forms, [self.source, self.target])

    def compress(self, codec, body):
        """base and local differ by what a few inner steps change."""
        base = self.arena(2e-2)
        arenas = [self.target, base, base - self.source]
        self.row("compress", codec, 1, 16 * self.elements + body, compressors(codec, True), arenas)

    def adamw(self):
        arenas = [self.arena(2e-2), self.source, torch.zeros_like(self.source), torch.zeros_like(self.source)]
        step = torch.zeros((), device=OPTIONS.device)
        group = {"amsgrad": False, "beta1": 0.9, "beta2": 0.95, "lr": 1e-3, "weight_decay": 0.1, "eps": 1e-8}

        def fused(parameter, gradient, first, second, step):
            step_adamw(
                [parameter], [gradient], [first], [second], [], [step], fused=True, maximize=False, **group
            )

        forms = {"torch.optim fused": (fused, "eager"), "one expression": (adamw, "compiled")}
        self.row("adamw", "", 1, 28 * self.elements, forms, arenas, [step])

    def aggregate(self, codec, terms, body):
        """apply and scan of so many payloads, which differ from each other and stay the same from run to run."""
        apply, scan = ("apply" in OPTIONS.kernels), ("scan" in OPTIONS.kernels)
        if not apply and not scan:
            return
        if codec in PICKS:
            payloads = self.sparse_payloads(codec, terms)
            scratch = [torch.zeros(self.elements // CHUNK, CHUNK, device=OPTIONS.device) for _ in range(2)]
            appliers, scanners = sparse_appliers(terms, scratch), sparse_scanners(terms, scratch)
            scanned, payloads[1] = payloads[:2], payloads[1] * payloads[2]
        elif codec in LARGEST:
            parts = [round_blocks(self.vector(), LARGEST[codec]) for _ in range(terms)]
            code, scale = (torch.stack(part) for part in zip(*parts))
            scratch = torch.empty(self.elements // BLOCK, BLOCK, device=OPTIONS.device)
            appliers, scanners = dense_appliers(terms, scratch), dense_scanners(terms, decode_dense)
            payloads, scanned = [code, scale / terms], [code, scale]
        else:
            values = torch.stack([self.vector() for _ in range(terms)])
            appliers, scanners = plain_appliers(terms), dense_scanners(terms, decode_plain)
            payloads, scanned = [values, torch.full((terms,), 1 / terms, device=OPTIONS.device)], [values]
        if apply:
            moved = 8 * self.elements + terms * body
            self.row(f"apply{terms}", codec, 1, moved, appliers, [self.target], payloads)
        if scan:
            self.row(f"scan{terms}", codec, terms, terms * body, scanners, [], scanned)

    def sparse_payloads(self, codec, terms):
        """All entries of all terms, chunk by chunk: index in the chunk, value, weight, index in the vector."""
        picks = [pick(self.vector(), PICKS[codec])[:2] for _ in range(terms)]
        index, value = (torch.cat(part, dim=1) for part in zip(*picks))  # [chunks, terms · k]
        first = torch.arange(0, self.elements, CHUNK, device=OPTIONS.device)[:, None]
        return [index, value, torch.full_like(value, 64.0), (index + first).view(-1)]

    def vector(self):
        return torch.randn(self.elements, device=OPTIONS.device).mul_(1e-3)


def candidates(forms):
    """(name, compiled, function) of everything that is to be tried."""
    for name, (form, how) in forms.items():
        if how != "compiled":
            yield name, False, form
        if how != "eager" and not OPTIONS.no_compile:
            # Other lengths and codecs are other functions; what was compiled for them counts against a limit.
            torch._dynamo.reset()
            yield name, True, torch.compile(form, dynamic=False, fullgraph=True)


def outcome(form, vectors, fixed):
    """What a form makes of copies of the vectors: all that it changed and returned."""
    vectors = [vector.clone() for vector in vectors]
    returned = form(*vectors, *(tensor.clone() if tensor.dim() == 0 else tensor for tensor in fixed))
    returned = returned if isinstance(returned, tuple) else ()
    return [tensor.double() for tensor in (*vectors, *returned)]


def agree(found, expected):
    """Sums of floats in another order: a code may fall to the other side of a tie, and small cosines are differences."""
    pairs = list(zip(found, expected, strict=False))
    return all((a - b).norm() <= 1e-3 * b.norm() + 1e-4 for a, b in pairs)


def settle():
    if OPTIONS.device == "cuda":
        torch.cuda.synchronize()


def device_name():
    return "CPU" if OPTIONS.device == "cpu" else torch.cuda.get_device_name()


def complain(text):
    print(text, file=sys.stderr, flush=True)


def main():
    torch.set_num_threads(OPTIONS.threads)
    torch.set_grad_enabled(False)
    torch.manual_seed(1)
    # What a payload holds in bf16 must be rounded to it, also where the compiler would rather keep f32.
    torch._inductor.config.emulate_precision_casts = True
    for elements in OPTIONS.elements:
        Bench(elements).run()


if __name__ == "__main__":
    main()
