"""A second decoder and aggregator, written from kernels/FORMAT.md alone, for the tests in
`tests/tests/numpy_replay.rs`.

  replay.py run RUN       starts from RUN/checkpoints/000000, applies every round's manifest to the payload files, and
                          prints one JSON line with the state hash of each round; fails where one is not as recorded
  replay.py vectors DIR   decodes and aggregates the test vectors that DIR/index.json lists

All arithmetic is on integers, but for the one subtraction in float32 that the format names. Section numbers are those
of the format's page.
"""

import json
import pathlib
import struct
import sys

import blake3
import numpy as np

CHUNK = 4096
BLOCK = 64
HEADER = struct.Struct("<4sHHHHIQQQ32s32s32s32s")
TOPK = {1: 32, 2: 64, 3: 128, 4: 256}
DENSE = {8: 127, 9: 7}
NUMBERS = {"none": 0, "topk32-q2": 1, "topk64-q2": 2, "topk128-q2": 3, "topk256-q2": 4,
           "dense-int8": 8, "dense-int4": 9}
SCALE_MAX = {8: 0x7C01, 9: 0x7E12}
INFINITY = 0x7F80  # of a bf16
EXPONENT_MIN = 27  # of the smallest bf16 that counts, 2^-100


class Refused(Exception):
    """What the format does not allow, or what differs from the run directory."""


def require(condition, message):
    if not condition:
        raise Refused(message)


# --- the payload (1) ---


def payload(data):
    """The header's fields and the body."""
    require(len(data) >= HEADER.size, "shorter than a header")
    names = "magic version codec stage stages reserved elements round tokens layout_hash base_hash session worker"
    header = dict(zip(names.split(), HEADER.unpack_from(data)))
    require(header["magic"] == b"CTGP" and header["version"] == 1 and header["reserved"] == 0, "not a payload")
    require(header["codec"] in NUMBERS.values(), f"codec {header['codec']}")
    require(header["stage"] < header["stages"] and header["elements"] > 0, "stage or elements")
    return header, data[HEADER.size :]


def chunk_bytes(codec):
    if codec in TOPK:
        k = TOPK[codec]
        return k * low_bits(k) // 8 + k // 2 + 4
    return {8: 128 + CHUNK, 9: 128 + CHUNK // 2}[codec]


def chunks(codec, elements, body):
    """Each chunk's bytes with its number of real elements."""
    size, count = chunk_bytes(codec), -(-elements // CHUNK)
    require(len(body) == size * count, f"a body of {len(body)} bytes, not {size * count}")
    for t in range(count):
        yield body[t * size : (t + 1) * size], min(CHUNK, elements - t * CHUNK)


# --- numbers (2) ---


def exponent(bits):
    return np.maximum(np.asarray(bits, np.int64) >> 7, 1)


def significand(bits):
    bits = np.asarray(bits, np.int64)
    return (bits & 127) + np.where(bits >> 7 == 0, 0, 128)


def value(bits):
    """A bf16 as the f32 whose upper half it is."""
    return (np.asarray(bits, np.uint32) << 16).astype(np.uint32).view(np.float32)


def shifted(numbers, shift):
    """numbers / 2^shift, rounded to nearest, ties to even; for numbers below 2^32."""
    numbers = np.asarray(numbers, np.int64)
    shift = np.minimum(np.asarray(shift, np.int64), 40)  # beyond 32 every quotient rounds to 0
    whole, rest, half = numbers >> shift, numbers & ((1 << shift) - 1), np.int64(1) << (shift - 1)
    return whole + ((rest > half) | ((rest == half) & (whole & 1 == 1)))


def divided(numbers, divisors):
    """numbers / divisors, rounded to nearest, ties to even."""
    whole = numbers // divisors
    twice = 2 * (numbers - whole * divisors)
    return whole + ((twice > divisors) | ((twice == divisors) & (whole & 1 == 1)))


# --- sparse bodies (3) ---


def low_bits(k):
    return 12 - (k.bit_length() - 1)


def bits_of(data):
    return np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little").astype(np.int64)


def sparse_chunk(k, data, real):
    """Indices, signs and high flags of the real entries, and the two magnitudes."""
    b = low_bits(k)
    low_end, high_end, code_end = k * b // 8, k * b // 8 + k // 4, k * b // 8 + k // 2
    low = bits_of(data[:low_end]).reshape(k, b) @ (1 << np.arange(b))
    ones = np.flatnonzero(bits_of(data[low_end:high_end]))
    require(len(ones) == k and ones[-1] != 2 * k - 1, "the high field")
    index = ((ones - np.arange(k)) << b) | low
    require((np.diff(index) > 0).all(), "indices that do not increase")
    codes = bits_of(data[high_end:code_end]).reshape(k, 2)
    if real < k:
        require((index == np.arange(k)).all() and not codes[real:].any(), "fillers")
        index, codes = index[:real], codes[:real]
    require((index < real).all(), "an index beyond the end")
    low_value, high_value = struct.unpack_from("<HH", data, code_end)
    require(low_value < INFINITY and high_value < INFINITY, "a magnitude that is negative or not finite")
    require(low_value <= high_value, "L above H")
    require(low_value == 0 or (codes[:, 1] == 0).any(), "L without a low entry")
    return index, np.where(codes[:, 0] == 1, -1, 1), codes[:, 1] == 1, low_value, high_value


def decode_sparse(codec, elements, body):
    decoded = np.zeros(elements, np.float32)
    for t, (data, real) in enumerate(chunks(codec, elements, body)):
        index, sign, is_high, low, high = sparse_chunk(TOPK[codec], data, real)
        decoded[t * CHUNK + index] = sign.astype(np.float32) * np.where(is_high, value(high), value(low))
    return decoded


def scaled_magnitude(bits, factor, top):
    """V of a magnitude; `factor` is α·c, `top` the exponent of the largest H."""
    own = int(exponent(bits))
    if own < EXPONENT_MIN:
        return 0
    return int(shifted(factor * int(significand(bits)), 6 + top - own))


def apply_sparse(codec, theta, terms, alpha, quorum):
    parts = [list(chunks(codec, len(theta), body)) for body, _, _ in terms]
    for t in range(len(parts[0])):
        entries = [sparse_chunk(TOPK[codec], *part[t]) for part in parts]
        tops = [int(exponent(entry[4])) for entry in entries if int(exponent(entry[4])) >= EXPONENT_MIN]
        top = max(tops, default=EXPONENT_MIN - 1)  # E = -100 when all are 0
        sums, senders = np.zeros(CHUNK, np.int64), np.zeros(CHUNK, np.int64)
        for (index, sign, is_high, low, high), (_, weight, clip) in zip(entries, terms):
            magnitudes = [scaled_magnitude(bits, alpha * clip, top) for bits in (low, high)]
            sums[index] += weight * sign * np.where(is_high, magnitudes[1], magnitudes[0])
            senders[index] += weight
        sent = np.flatnonzero(senders)
        q = divided(sums[sent], np.maximum(senders[sent], quorum))
        step(theta, t * CHUNK + sent, q, np.int64(top - 126))


# --- dense bodies (4) ---


def dense_chunk(codec, data, real):
    """Scales of the blocks and codes of the elements."""
    scales = np.frombuffer(data[:128], "<u2").astype(np.int64)
    if codec == 8:
        codes = np.frombuffer(data[128:], np.int8).astype(np.int64)
    else:
        pairs = np.frombuffer(data[128:], np.uint8).astype(np.int64)
        codes = np.stack([pairs & 15, pairs >> 4], axis=1).reshape(CHUNK)
        codes = np.where(codes > 7, codes - 16, codes)
    require((scales <= SCALE_MAX[codec]).all(), "a scale that is negative, not finite or too large")
    require((codes >= -DENSE[codec]).all(), "the code that has no positive")
    require(not codes.reshape(BLOCK, BLOCK)[scales == 0].any(), "a code under scale 0")
    require(not codes[real:].any() and not scales[-(-real // BLOCK) :].any(), "padding that is not 0")
    return scales, codes


def decode_dense(codec, elements, body):
    decoded = []
    for data, real in chunks(codec, elements, body):
        scales, codes = dense_chunk(codec, data, real)
        decoded.append((codes.astype(np.float32) * np.repeat(value(scales), BLOCK))[:real])
    return np.concatenate(decoded)


def apply_dense(codec, theta, terms, alpha):
    shift, offset = (13, 119) if codec == 8 else (9, 123)
    weights = sum(weight for _, weight, _ in terms)
    parts = [list(chunks(codec, len(theta), body)) for body, _, _ in terms]
    for t in range(len(parts[0])):
        real = parts[0][t][1]
        entries = [dense_chunk(codec, *part[t]) for part in parts]
        counted = [np.where(exponent(scales) >= EXPONENT_MIN, exponent(scales), 0) for scales, _ in entries]
        top = np.max(counted, axis=0)
        sums = np.zeros((BLOCK, BLOCK), np.int64)
        for (scales, codes), own, (_, weight, clip) in zip(entries, counted, terms):
            factor = alpha * clip * significand(scales)
            magnitudes = shifted(np.abs(codes.reshape(BLOCK, BLOCK)) * factor[:, None], (shift + top - own)[:, None])
            magnitudes = np.where((own > 0)[:, None], magnitudes, 0)
            sums += weight * np.sign(codes.reshape(BLOCK, BLOCK)) * magnitudes
        q = divided(sums, weights)
        moved = np.flatnonzero(np.repeat(top > 0, BLOCK)[:real])
        step(theta, t * CHUNK + moved, q.reshape(CHUNK)[moved], np.repeat(top - offset, BLOCK)[moved])


# --- the outer step (6) ---


def step(theta, where, q, e):
    """θ ← θ − q·2^(E−18); the product is exact."""
    theta[where] -= np.ldexp(q.astype(np.float64), e - 18).astype(np.float32)


def apply_none(theta, terms, alpha):
    sums = np.zeros(len(theta), np.float64)
    weights = sum(weight for _, weight, _ in terms)
    for body, weight, clip in terms:
        sums += float(weight * alpha * clip) * decode(0, len(theta), body).astype(np.float64)
    theta -= (sums / float(65536 * weights)).astype(np.float32)


def apply(codec, theta, terms, alpha, rho):
    """The outer step in place; terms are (body, weight, clip)."""
    terms = [term for term in terms if term[1] > 0]
    require(len(terms) <= 64 and all(w <= 64 and 0 <= c <= 256 for _, w, c in terms), "terms out of bounds")
    if not terms:
        return
    if codec in TOPK:
        quorum = -(-rho[0] * sum(weight for _, weight, _ in terms) // rho[1])
        apply_sparse(codec, theta, terms, alpha, quorum)
    elif codec in DENSE:
        apply_dense(codec, theta, terms, alpha)
    else:
        apply_none(theta, terms, alpha)
    require(np.isfinite(theta).all(), "a state that is not finite")


def decode(codec, elements, body):
    if codec in TOPK:
        return decode_sparse(codec, elements, body)
    if codec in DENSE:
        return decode_dense(codec, elements, body)
    require(len(body) == 4 * elements, "a body of another length")
    decoded = np.frombuffer(body, "<f4")
    require(np.isfinite(decoded).all(), "a number that is not finite")
    return decoded


def state_hash(theta):
    return blake3.blake3(theta.astype("<f4").tobytes()).hexdigest()


# --- archives (9) ---

WHOLE = 1 << 24
WORD, STATE = (1 << 32) - 1, (1 << 64) - 1


class Range:
    """The range decoder: a point, and the interval that it lies in."""

    def __init__(self, data):
        require(len(data) % 4 == 0, "a part of a word")
        self.words = list(struct.unpack(f"<{len(data) // 4}I", data)) + [0]
        self.lower, self.range, self.at = 0, STATE, 2
        self.point = self.words[0] << 32 | self.words[1]

    def quantile(self):
        found = ((self.point - self.lower) & STATE) // (self.range >> 24)
        require(found < WHOLE, "outside the range")
        return found

    def take(self, left, width):
        scale = self.range >> 24
        self.lower, self.range = (self.lower + scale * left) & STATE, scale * width
        if self.range <= WORD:
            require(self.at < len(self.words), "the words end too early")
            self.lower, self.range = (self.lower << 32) & STATE, self.range << 32
            self.point = (self.point << 32) & STATE | self.words[self.at]
            self.at += 1

    def flag(self, yes):
        found = self.quantile() < yes
        self.take(*((0, yes) if found else (yes, WHOLE - yes)))
        return found

    def choose(self, wanted, left):
        return wanted != 0 if wanted in (0, left) else self.flag(wanted * WHOLE // left)


class Model:
    def __init__(self, coder, symbols, step):
        self.coder, self.counts, self.step = coder, [1] * symbols, step
        self.refresh()

    def __call__(self):
        quantile = self.coder.quantile()
        symbol = next(s for s, end in enumerate(self.ends[1:]) if end > quantile)
        self.coder.take(self.ends[symbol], self.ends[symbol + 1] - self.ends[symbol])
        self.counts[symbol] += self.step
        return symbol

    def refresh(self):
        while sum(self.counts) > 1 << 16:
            self.counts = [(count + 1) // 2 for count in self.counts]
        total, sums = sum(self.counts), np.concatenate([[0], np.cumsum(self.counts)])
        self.ends = [int(s) * WHOLE // total for s in sums]


class Magnitude:
    def __init__(self, coder):
        self.upper, self.lower = Model(coder, 128, 32), Model(coder, 256, 1)

    def __call__(self):
        upper = self.upper()
        return upper << 8 | self.lower()

    def refresh(self):
        self.upper.refresh()
        self.lower.refresh()


def restored_sparse(codec, elements, coder):
    k, b = TOPK[codec], low_bits(TOPK[codec])
    highs, low, high = Model(coder, k + 1, 8), Magnitude(coder), Magnitude(coder)
    for begin in range(0, elements, CHUNK):
        real = min(CHUNK, elements - begin)
        m, indices = min(k, real), []
        for i in range(real):
            if coder.choose(m - len(indices), real - i):
                indices.append(i)
        g = highs()
        require(g <= m, "more high entries than entries")
        left, codes = g, []
        for j in range(m):
            negative = coder.flag(WHOLE // 2)
            is_high = coder.choose(left, m - j)
            left -= is_high
            codes.append(negative | is_high << 1)
        magnitudes = [low() if g < m else 0, high()]
        for model in [highs, low, high]:
            model.refresh()
        bits = 0
        for j, i in enumerate(indices + list(range(m, k))):
            bits |= (i % (1 << b)) << b * j | 1 << (k * b + (i >> b) + j)
        for j, code in enumerate(codes):
            bits |= code << (k * b + 2 * k + 2 * j)
        yield bits.to_bytes(chunk_bytes(codec) - 4, "little") + struct.pack("<HH", *magnitudes)


def restored_dense(codec, elements, coder):
    largest = DENSE[codec]
    scale, code = Magnitude(coder), Model(coder, 2 * largest + 1, 1)
    for begin in range(0, elements, CHUNK):
        real = min(CHUNK, elements - begin)
        scales, codes = [0] * (CHUNK // BLOCK), [0] * CHUNK
        for block in range(-(-real // BLOCK)):
            scales[block] = scale()
            if scales[block] != 0:
                for i in range(block * BLOCK, min(real, (block + 1) * BLOCK)):
                    codes[i] = code() - largest
            if begin == 0:
                scale.refresh()
                code.refresh()
        scale.refresh()
        code.refresh()
        if codec == 9:
            codes = [(a & 15) | (b & 15) << 4 for a, b in zip(codes[::2], codes[1::2])]
        yield struct.pack("<64H", *scales) + bytes(c & 255 for c in codes)


def restored_plain(elements, coder):
    models = [Model(coder, 256, 1) for _ in range(4)]
    for begin in range(0, elements, CHUNK):
        yield bytes(model() for _ in range(min(CHUNK, elements - begin)) for model in models)
        for model in models:
            model.refresh()


def restored(codec, elements, data):
    """The body of an archive. That no other archive has this body is not checked here."""
    coder = Range(data)
    if codec == 0:
        return b"".join(restored_plain(elements, coder))
    return b"".join((restored_sparse if codec in TOPK else restored_dense)(codec, elements, coder))


# --- a run directory ---


def load(path):
    return json.loads(pathlib.Path(path).read_text())


def initial_state(checkpoint):
    """The flat vector of a checkpoint: its tensors in the order of the manifest's layout."""
    tensors = {}
    for file in sorted(checkpoint.glob("model*.safetensors")):
        data = file.read_bytes()
        (length,) = struct.unpack_from("<Q", data)
        for name, tensor in json.loads(data[8 : 8 + length]).items():
            if name != "__metadata__":
                require(tensor["dtype"] == "F32", f"{name} is {tensor['dtype']}")
                begin, end = tensor["data_offsets"]
                tensors[name] = np.frombuffer(data[8 + length + begin : 8 + length + end], "<f4")
    manifest = load(checkpoint / "manifest.json")
    theta = np.concatenate([tensors[tensor["name"]] for tensor in manifest["layout"]]).astype(np.float32)
    require(state_hash(theta) == manifest["state_hash"], "the first checkpoint's state hash")
    return theta, manifest


def contribution(directory, manifest, first, entry):
    """The body of one payload, whose name and header must be what the manifest says."""
    data = (directory / f"{entry['payload_hash']}.ctg").read_bytes()
    require(blake3.blake3(data).hexdigest() == entry["payload_hash"], f"{entry['payload_hash']}.ctg is another file")
    header, body = payload(data)
    for name in ["base_hash", "session"]:
        require(header[name].hex() == manifest[name], f"{name} of {entry['payload_hash']}")
    require(header["layout_hash"].hex() == first["layout_hash"], "the layout hash")
    require(header["worker"].hex() == entry["worker"] and header["round"] == manifest["round"], "worker or round")
    require(header["codec"] == NUMBERS[manifest["codec"]], "the codec")
    require(header["elements"] == first["elements"], "the number of elements")
    return body


def run(directory):
    theta, first = initial_state(directory / "checkpoints" / "000000")
    recorded = [json.loads(line) for line in (directory / "rounds.jsonl").read_text().splitlines()]
    rounds, before = [], first["state_hash"]
    for line in recorded:
        place = directory / "rounds" / f"{line['round']:06}"
        manifest = load(place / "manifest.json")
        require(manifest["base_hash"] == line["base_hash"] == before, f"round {line['round']} begins elsewhere")
        entries = [entry for entry in manifest["contributions"] if entry["weight"] > 0]
        terms = [(contribution(place, manifest, first, e), e["weight"], e["clip"]) for e in entries]
        apply(NUMBERS[manifest["codec"]], theta, terms, manifest["alpha"], manifest["rho"])
        before = state_hash(theta)
        require(before == line["state_hash"], f"round {line['round']}: {before}, recorded {line['state_hash']}")
        require(before == manifest["state_hash"], f"round {line['round']}: {before}, signed {manifest['state_hash']}")
        found = {"round": line["round"], "codec": manifest["codec"], "summands": len(terms), "state_hash": before}
        rounds.append(found)
    print(json.dumps({"rounds": rounds}))


# --- test vectors (10) ---


def vectors(directory):
    def floats(name):
        return np.frombuffer((directory / name).read_bytes(), "<f4").astype(np.float32)

    index = load(directory / "index.json")
    for row in index["bodies"]:
        decoded = decode(NUMBERS[row["codec"]], row["elements"], (directory / row["body"]).read_bytes())
        if "archive" in row:
            coded = (directory / row["archive"]).read_bytes()
            body = restored(NUMBERS[row["codec"]], row["elements"], coded)
            require(body == (directory / row["body"]).read_bytes(), f"{row['archive']} restores something else")
        exact = row["input"] if row["codec"] == "none" else row.get("decoded")
        require(exact is None or np.array_equal(decoded, floats(exact)), f"{row['body']} decodes to something else")
    for row in index["aggregates"]:
        theta = floats(row["before"]).copy()
        terms = [((directory / term["body"]).read_bytes(), term["weight"], term["clip"]) for term in row["summands"]]
        apply(NUMBERS[row["codec"]], theta, terms, row["alpha"], row["rho"])
        require(theta.tobytes() == floats(row["after"]).tobytes(), f"{row['after']} comes out otherwise")
        require(state_hash(theta) == row["state_hash"], f"the hash of {row['after']}")
    header, body = payload((directory / index["payload"]["file"]).read_bytes())
    expected = index["payload"]
    for name in ["version", "stage", "stages", "elements", "round", "tokens"]:
        require(header[name] == expected[name], f"{name} of the payload")
    for name in ["layout_hash", "base_hash", "session", "worker"]:
        require(header[name].hex() == expected[name], f"{name} of the payload")
    require(header["codec"] == NUMBERS[expected["codec"]], "codec of the payload")
    require(body == (directory / expected["body"]).read_bytes(), "body of the payload")
    kept = (directory / expected["archive"]).read_bytes()
    require(kept[:8] == b"CTGA" + struct.pack("<HH", 1, 0), "the archive's own header")
    inside = kept[40:208] + restored(header["codec"], header["elements"], kept[208:])
    require(blake3.blake3(inside).digest() == kept[8:40], "the hash of the archived payload")
    require(inside == (directory / expected["file"]).read_bytes(), "the archived payload")
    archives = sum("archive" in row for row in index["bodies"])
    print(json.dumps({"bodies": len(index["bodies"]), "archives": archives, "aggregates": len(index["aggregates"])}))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["run", directory]:
            run(pathlib.Path(directory))
        case ["vectors", directory]:
            vectors(pathlib.Path(directory))
        case _:
            sys.exit(__doc__)
