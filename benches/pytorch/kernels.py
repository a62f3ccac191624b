"""Times PyTorch on what the kernels of `cotrain bench kernels` do, so that the two can be set side by side row by row.

Prints the same JSON fields, one object a line, with "device" naming PyTorch; `cotrain bench compare` takes both files.
"form" says which way of writing it was the fastest and "compiled" whether torch.compile made it. The vectors are slices
of arenas larger than caches, taken in turn; medians over the same number of runs; a form is timed once its result
agrees with that of the first form.

PyTorch is given less to do than the kernels: payloads stay unpacked (indices of 64 bits, codes in bytes, magnitudes
apart), aggregates are float sums, and no payload is validated. "moved_bytes" counts what the kernels must move
nevertheless.

Needs torch; torch.compile needs a C++ compiler.

    python kernels.py --threads 2 > pytorch.json
    python kernels.py --elements 1048576 --kernels compress,encode --codecs topk64-q2
    python kernels.py --device cuda
"""

import argparse
import json
import os
import sys
import time

CODECS = ["topk32-q2", "topk64-q2", "topk128-q2", "topk256-q2", "dense-int8", "dense-int4", "none"]
CHUNK, CHUNK_BYTES = 4096, dict(zip(CODECS, (48, 84, 148, 260, 4224, 2176, 4 * 4096)))
TERMS = (8, 20)
KERNELS = ["copy", "adamw", "encode", "compress", "apply", "scan"]


def parse():
    names = lambda text: text.split(",")
    numbers = lambda text: [int(number) for number in text.split(",")]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--elements", type=numbers, default=[1 << 16, 1 << 20, 1 << 24])
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
# The variable counts when torch starts its threads.
import torch  # noqa: E402
import torch._inductor.config  # noqa: E402

import forms  # noqa: E402


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

    def row(self, kernel, codec, vectors, moved, ways, arenas, fixed=()):
        """Times every form, with and without the compiler where it is for both, and prints the fastest."""
        best, expected = None, None
        # Timing a form changes what it works on; each is compared from here.
        start = [arena[0].clone() for arena in arenas]
        counters = [tensor.clone() if tensor.dim() == 0 else tensor for tensor in fixed]
        for name, compiled, form in candidates(ways):
            try:
                found = outcome(form, start, counters)
            except Exception as error:  # what the compiler cannot do is no result
                complain(f"{kernel} {codec} {name}, compiled {compiled}: {type(error).__name__}: {str(error)[:200]}")
                continue
            expected = expected or found
            if not agree(found, expected):
                complain(f"{kernel} {codec} {name}, compiled {compiled}: not timed, for it differs from the first form")
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
                self.row("encode", codec, 1, moved, forms.compressors(codec, False), [self.source])
            if "compress" in OPTIONS.kernels:
                self.compress(codec, body)
            for terms in TERMS:
                self.aggregate(codec, terms, body)

    def copy(self):
        ways = {
            "copy_": (lambda source, target: (target.copy_(source),), "both"),
            "product": (lambda source, target: (torch.mul(source, 1.0, out=target),), "eager"),
        }
        if OPTIONS.device == "cpu":
            ways["numpy"] = (lambda source, target: target.numpy().__setitem__(slice(None), source.numpy()), "eager")
        self.row("copy", "", 1, 8 * self.elements, ways, [self.source, self.target])

    def compress(self, codec, body):
        """base and local differ by what a few inner steps change."""
        base = self.arena(2e-2)
        arenas = [self.target, base, base - self.source]
        self.row("compress", codec, 1, 16 * self.elements + body, forms.compressors(codec, True), arenas)

    def adamw(self):
        arenas = [self.arena(2e-2), self.source, torch.zeros_like(self.source), torch.zeros_like(self.source)]
        step = torch.zeros((), device=OPTIONS.device)
        self.row("adamw", "", 1, 28 * self.elements, forms.adamw(), arenas, [step])

    def aggregate(self, codec, terms, body):
        """apply and scan of so many payloads, which differ from each other and stay the same from run to run."""
        apply, scan = ("apply" in OPTIONS.kernels), ("scan" in OPTIONS.kernels)
        if not apply and not scan:
            return
        if codec in forms.PICKS:
            payloads = self.sparse_payloads(codec, terms)
            scratch = [torch.zeros(self.elements // CHUNK, CHUNK, device=OPTIONS.device) for _ in range(2)]
            appliers, scanners = forms.sparse_appliers(terms, scratch), forms.sparse_scanners(terms, scratch)
            scanned, payloads[1] = payloads[:2], payloads[1] * payloads[2]
        elif codec in forms.LARGEST:
            parts = [forms.round_blocks(self.vector(), forms.LARGEST[codec]) for _ in range(terms)]
            code, scale = (torch.stack(part) for part in zip(*parts))
            scratch = torch.empty(self.elements // forms.BLOCK, forms.BLOCK, device=OPTIONS.device)
            appliers, scanners = forms.dense_appliers(terms, scratch), forms.dense_scanners(terms, forms.decode_dense)
            payloads, scanned = [code, scale / terms], [code, scale]
        else:
            values = torch.stack([self.vector() for _ in range(terms)])
            appliers, scanners = forms.plain_appliers(terms), forms.dense_scanners(terms, forms.decode_plain)
            payloads, scanned = [values, torch.full((terms,), 1 / terms, device=OPTIONS.device)], [values]
        if apply:
            moved = 8 * self.elements + terms * body
            self.row(f"apply{terms}", codec, 1, moved, appliers, [self.target], payloads)
        if scan:
            self.row(f"scan{terms}", codec, terms, terms * body, scanners, [], scanned)

    def sparse_payloads(self, codec, terms):
        """All entries of all terms, chunk by chunk: index in the chunk, value, weight, index in the vector."""
        picks = [forms.pick(self.vector(), forms.PICKS[codec])[:2] for _ in range(terms)]
        index, value = (torch.cat(part, dim=1) for part in zip(*picks))  # [chunks, terms · k]
        first = torch.arange(0, self.elements, CHUNK, device=OPTIONS.device)[:, None]
        return [index, value, torch.full_like(value, 64.0), (index + first).view(-1)]

    def vector(self):
        return torch.randn(self.elements, device=OPTIONS.device).mul_(1e-3)


def candidates(ways):
    """(name, compiled, function) of everything that is to be tried."""
    for name, (form, how) in ways.items():
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
    # The entries of a chunk come in any order.
    returned = [tensor.sort(-1).values if tensor.dim() > 1 else tensor for tensor in returned or ()]
    return [tensor.double() for tensor in (*vectors, *returned)]


def agree(found, expected):
    """Sums of floats in another order: a code may fall to the other side of a tie, and small cosines are
    differences."""
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
