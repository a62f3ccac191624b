"""What the outsider of outsider.py reads with: values and their encoding, hashes, signatures, and the files that hold
them. Section numbers are those of PROTOCOL.md, or of RUN.md where that is named. Hashes, ids and signatures are
hexadecimal text, as in the JSON.
"""

import collections
import json

import blake3
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

COUNTS = collections.Counter()


class Refused(Exception):
    """What differs from the pages or from the rest of the run directory."""


def require(condition, message):
    if not condition:
        raise Refused(message)


def same(what, found, recorded):
    require(found == recorded, f"{what}: {found}, recorded {recorded}")


def differing(what, found, recorded):
    """Holds a record against the fields that were found, so that the field is named which differs."""
    if isinstance(found, dict) and isinstance(recorded, dict):
        for name, value in found.items():
            differing(f"{what}: {name}", value, recorded.get(name))
    elif isinstance(found, list) and isinstance(recorded, list) and len(found) == len(recorded):
        for number, (value, other) in enumerate(zip(found, recorded), 1):
            named = isinstance(value, dict) and "worker" in value
            differing(f"{what}, {value['worker'] if named else number}", value, other)
    else:
        same(what, found, recorded)


# --- encoding (2): a type is how a value is written and how it is read ---

Type = collections.namedtuple("Type", "write read")


class Reader:
    def __init__(self, what, data):
        self.what, self.data, self.at = what, data, 0

    def take(self, count):
        require(self.at + count <= len(self.data), f"{self.what}: bytes that end early")
        self.at += count
        return self.data[self.at - count : self.at]


def write_varint(number):
    out = bytearray()
    while number >= 128:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out) + bytes([number])


def read_varint(reader):
    number, shift = 0, 0
    while True:
        (byte,) = reader.take(1)
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return number


def read_signed(reader):
    number = read_varint(reader)
    return number >> 1 if number % 2 == 0 else -(number >> 1) - 1


def exactly(count):
    return Type(bytes.fromhex, lambda reader: reader.take(count).hex())


def option(of):
    def read(reader):
        return of.read(reader) if BOOL.read(reader) else None

    return Type(lambda value: b"\0" if value is None else b"\1" + of.write(value), read)


def many(of):
    def read(reader):
        return [of.read(reader) for _ in range(read_varint(reader))]

    return Type(lambda values: write_varint(len(values)) + b"".join(map(of.write, values)), read)


def fields(**types):
    def write(value):
        return b"".join(of.write(value[name]) for name, of in types.items())

    return Type(write, lambda reader: {name: of.read(reader) for name, of in types.items()})


def variants(*names, **with_fields):
    """An enum; a variant that has fields is an object of one key, as in the JSON."""

    def write(value):
        (name, inside), *_ = value.items() if isinstance(value, dict) else [(value, None)]
        return write_varint(names.index(name)) + (with_fields[name].write(inside) if name in with_fields else b"")

    def read(reader):
        number = read_varint(reader)
        require(number < len(names), f"{reader.what}: an unknown variant {number}")
        name = names[number]
        return {name: with_fields[name].read(reader)} if name in with_fields else name

    return Type(write, read)


def decoded(what, of, data):
    """A value that is all of `data`, in its shortest form."""
    value = of.read(Reader(what, data))
    require(of.write(value) == data, f"{what} is not the encoding of what it says")
    return value


U = Type(write_varint, read_varint)
I = Type(lambda number: write_varint(2 * number if number >= 0 else -2 * number - 1), read_signed)
BOOL = Type(lambda value: bytes([value]), lambda reader: reader.take(1) == b"\1")
HASH, SIGNATURE = exactly(32), exactly(64)
TEXT = Type(lambda text: write_varint(len(text.encode())) + text.encode(), lambda r: r.take(read_varint(r)).decode())
PAIR = Type(lambda pair: U.write(pair[0]) + U.write(pair[1]), lambda reader: [U.read(reader), U.read(reader)])


def signed(of):
    return fields(body=of, signer=HASH, signature=SIGNATURE)


# --- what is signed and recorded (8, 11, 12; RUN.md 3, 6, 10, 12) ---

REASONS = ["passed", "withheld", "undelivered", "commitment_mismatch", "wrong_size", "wrong_header", "wrong_tokens",
           "invalid_encoding", "not_finite", "duplicate", "norm_out_of_range", "low_usefulness", "low_score",
           "low_standing"]
REASON = variants(*REASONS, duplicate=fields(of=HASH))
MEASURED = fields(gate=option(REASON), norm_nanos=U, loss_micronats=I, gain_micronats=I, gain_error_micronats=U,
                  cosine_millionths=option(I))
JUDGEMENT = dict(norm_ratio_millionths=U, usefulness_millionths=U, agreement_millionths=U, score=U, weight=U, clip=U)
CONTRIBUTION = fields(worker=HASH, commitment=HASH, salt=option(HASH), payload_hash=option(HASH), bytes=U, tokens=U,
                      inner_ms=U, verdict=variants("accepted", "rejected"), reason=REASON, measured=option(MEASURED),
                      **JUDGEMENT)
MEMBER = fields(worker=HASH, voter=BOOL, speed_step=U, tokens_per_s=U, accepted_rounds=U, standing=option(U),
                low_streak=U, missed=U, quarantined_until=option(U), quarantines=U, stage=U, addresses=many(TEXT))
HEAD = fields(session=HASH, round=U, outer_steps=U, state_hash=HASH, elements=U, cursor=U, roster=many(MEMBER),
              manifest_hash=HASH, parent_hash=HASH)
MANIFEST = fields(session=HASH, round=U, term=U, outer_step=U, stage=U, stages=U, base_hash=HASH, parent_hash=HASH,
                  state_hash=HASH, elements=U, cursor=U, codec=TEXT, alpha=U, rho=PAIR, closed_hash=HASH,
                  eval_seed=HASH, base_loss_micronats=option(I), contributions=many(CONTRIBUTION),
                  joins=many(fields(worker=HASH, addresses=many(TEXT))), next_roster=many(MEMBER))
COMMITMENT = fields(session=HASH, round=U, term=U, worker=HASH, base=HASH, commitment=HASH)
COUNTERSIGN = fields(session=HASH, round=U, term=U, closed_hash=HASH)
BALLOT = fields(session=HASH, round=U, term=U, manifest_hash=HASH)
SESSION = fields(network=HASH, aggregator=HASH, nonce=HASH, state_hash=HASH, elements=U, layout_hash=HASH,
                 data_shards=many(fields(hash=HASH, bytes=U, tokens=U)))
GENESIS = fields(session=HASH, state_hash=HASH, elements=U, roster=many(MEMBER))
AUDIT_HEAD = fields(sequence=U, hash=HASH)
PAYLOAD = fields(payload_hash=HASH, bytes=U, tokens=U, inner_ms=U, encode_ms=U)
FIRST_RECORD = variants("head", head=signed(HEAD))
MEMBER_RECORD = variants("commit", "countersign", "ballot", commit=fields(signed=signed(COMMITMENT), payload=PAYLOAD),
                         countersign=signed(COUNTERSIGN), ballot=signed(BALLOT))
PROMISES = {"commit": (COMMITMENT, "cotrain/commitment/1", "commitment"),
            "countersign": (COUNTERSIGN, "cotrain/countersign/1", "closed_hash"),
            "ballot": (BALLOT, "cotrain/ballot/1", "manifest_hash")}
SNAPSHOT = fields(head=HEAD, adam_steps=U, judged=option(HASH))
LAST_PAYLOAD = fields(round=U, base=HASH, codec=TEXT, payload=PAYLOAD, work=HASH)
WORK = fields(outer_steps=U, windows=many(many(U)))


# --- hashes and signatures (3) ---


def blob(data):
    return blake3.blake3(data).hexdigest()


def valued(domain, of, value):
    return blob(domain.encode() + b"\0" + of.write(value))


def part(value):
    """An integer, a hash or bytes, as they stand in a plain hash."""
    if isinstance(value, int):
        return value.to_bytes(8, "little")
    return bytes.fromhex(value) if isinstance(value, str) else value


def plain(domain, *values):
    return blob(domain.encode() + b"".join(map(part, values)))


def verify(what, domain, of, body, signer, signature):
    try:
        message = domain.encode() + b"\0" + of.write(body)
        VerifyKey(bytes.fromhex(signer)).verify(message, bytes.fromhex(signature))
    except BadSignatureError:
        raise Refused(f"{what}: the signature of {signer} does not hold") from None
    COUNTS["signatures"] += 1


def verify_signed(what, domain, of, value, signer):
    same(f"{what}: the signer", value["signer"], signer)
    verify(what, domain, of, value["body"], value["signer"], value["signature"])


# --- files (RUN.md 1, 9, 12) ---


def load(path):
    return json.loads(path.read_text())


def lines(path):
    text = path.read_text()
    require(text.endswith("\n"), f"{path}: the last line has no end")
    return text.split("\n")[:-1]


def records(path):
    """The bodies of a log of records; a finished run has none that is incomplete."""
    reader, bodies = Reader(path, path.read_bytes()), []
    while reader.at < len(reader.data):
        length = reader.take(4)
        require(blake3.blake3(length).digest()[:4] == reader.take(4), f"{path}: the check of a length")
        of_body = reader.take(32).hex()
        bodies.append(reader.take(int.from_bytes(length, "little")))
        same(f"{path}: the hash of a body", blob(bodies[-1]), of_body)
    COUNTS["records"] += len(bodies)
    return bodies


def parts(path, count):
    data = path.read_bytes()
    same(f"{path}: the hash at the end", blob(data[:-32]), data[-32:].hex())
    reader, found = Reader(path, data[:-32]), []
    while reader.at < len(reader.data):
        found.append(reader.take(int.from_bytes(reader.take(8), "little")))
    same(f"{path}: the number of parts", len(found), count)
    COUNTS["worker_files"] += 1
    return found


def public_key(secret):
    return bytes(SigningKey(secret.read_bytes()).verify_key).hex()


def salt(secret, session, round):
    message = b"cotrain/salt/1" + part(session) + part(round)
    return blake3.blake3(message, key=secret.read_bytes()).hexdigest()
