"""A run directory as an outsider reads it, written from aggregator/protocol/PROTOCOL.md and aggregator/record/RUN.md
alone, for the tests in `tests/tests/outsider.rs`.

  outsider.py RUN   computes again what the files of a finished run say of the session, manifests, judgements, rosters,
                    assignment, the chained log, checkpoints and the workers' own files, and prints one JSON line with
                    counts of what was computed; says what differs, and exits with 1, where something does

Encoding and files are read in outsider_values.py, the rules stand in outsider_rules.py. What payloads hold and the
states that follow from them are the part of replay.py. Section numbers are those of PROTOCOL.md, or of RUN.md where
that is named.
"""

import json
import pathlib
import struct
import sys
import tomllib

import outsider_rules as rules
import outsider_values as values
from outsider_values import COUNTS, Refused, blob, differing, load, plain, require, same, valued


# --- job, genesis, data (1, 13; RUN.md 3, 8) ---


class Session:
    """What all rounds share: job, genesis and the number of training windows."""

    def __init__(self, run):
        text = (run / "job.toml").read_bytes()
        self.genesis = load(run / "genesis.json")
        same("genesis.json: the version", 1, self.genesis["version"])
        same("genesis.json: the network id", plain("cotrain/job/1", text), self.genesis["network"])
        self.job = tomllib.loads(text.decode())
        self.id = valued("cotrain/session/1", values.SESSION, self.genesis)
        same("genesis.json: the session id", self.id, self.genesis["session"])
        self.aggregator = self.genesis["aggregator"]
        same("genesis.json: the aggregator", values.public_key(run / "state/identity.secret"), self.aggregator)
        tokens = sum(shard_tokens(run / "data", shard) for shard in self.genesis["data_shards"])
        count = (tokens - 1) // self.job["train"]["sequence_length"]
        self.windows = count - max(count // 20, min(64, count // 4))

    def codec(self, outer_steps):
        codec = self.job["codec"]
        stages = [(codec["warmup"], codec["warmup_rounds"])]
        for name, rounds in stages + [(stage["codec"], stage["rounds"]) for stage in codec["schedule"]]:
            if outer_steps < rounds:
                return name
            outer_steps -= rounds
        return codec["name"]


def shard_tokens(directory, shard):
    what = directory / f"{shard['hash']}.tokens"
    data = what.read_bytes()
    same(f"{what}: its hash", blob(data), shard["hash"])
    letters, version, width, vocabulary, tokens = struct.unpack_from("<4sHHIQ", data)
    require((letters, version) == (b"CTDS", 1), f"{what} is no file of tokens")
    same(f"{what}: bytes a token", 2 if vocabulary <= 65_536 else 4, width)
    same(f"{what}: its length", 20 + tokens * width, len(data))
    same(f"{what}: length and tokens", (len(data), tokens), (shard["bytes"], shard["tokens"]))
    COUNTS["data_shards"] += 1
    return tokens


def first_head(run, session):
    """The head of round 0, which the journal alone has (RUN.md 10)."""
    what, genesis = "the first head", session.genesis
    first = values.decoded(what, values.FIRST_RECORD, values.records(run / "state/round.records")[0])["head"]
    values.verify_signed(what, "cotrain/head/1", values.HEAD, first, session.aggregator)
    head = first["body"]
    # Whoever is there at the start has nothing but a vote (6).
    founders = [rules.newcomer(member["worker"], member["addresses"], voter=True) for member in head["roster"]]
    founders.sort(key=lambda member: member["worker"])
    differing(what, {
        "session": session.id, "round": 0, "outer_steps": 0, "state_hash": genesis["state_hash"],
        "elements": genesis["elements"], "cursor": 0, "roster": founders, "parent_hash": bytes(32).hex(),
        "manifest_hash": valued("cotrain/genesis/1", values.GENESIS, {**genesis, "roster": founders}),
    }, head)
    return head


# --- manifests (8, 10, 11; RUN.md 4, 5) ---


def committed(directory, session, head):
    """Checks the manifest of a round that started from `head`; returns it with the head that it leaves."""
    manifest, what = load(directory / "manifest.json"), f"round {int(directory.name)}"
    entries, round = manifest["contributions"], manifest["round"]
    require(round == int(directory.name) and round > head["round"], f"{what}: its number is {round}")
    follows(what, session, head, manifest)
    for entry in entries:
        opens(f"{what}, {entry['worker']}", session, directory, manifest, entry)
    judged(what, session, head, manifest)
    measured = any(entry["measured"] for entry in entries) and session.job["score"]["policy"] == "quality"
    same(f"{what}: that the base has a loss", measured, manifest["base_loss_micronats"] is not None)
    if all(entry["verdict"] == "rejected" for entry in entries):
        same(f"{what}: the state that nothing changed", head["state_hash"], manifest["state_hash"])
    roster = rules.succession(session.job, head["roster"], round, entries, manifest["joins"])
    in_order(f"{what}: the joins", manifest["joins"])
    in_order(f"{what}: the next roster", manifest["next_roster"])
    differing(f"{what}: the next roster", roster, manifest["next_roster"])
    signatures(what, session, head, manifest)
    COUNTS["rounds"] += 1
    names = ["session", "round", "state_hash", "elements", "cursor", "manifest_hash", "parent_hash"]
    kept = {name: manifest[name] for name in names}
    return manifest, {**kept, "outer_steps": manifest["outer_step"], "roster": roster}


def in_order(what, entries):
    workers = [entry["worker"] for entry in entries]
    same(f"{what}, in order", sorted(set(workers)), workers)


def follows(what, session, head, manifest):
    """What head, job, commitments and salts say of the manifest."""
    entries, round, base = manifest["contributions"], manifest["round"], head["state_hash"]
    in_order(f"{what}: the contributions", entries)
    strangers = {entry["worker"] for entry in entries} - set(rules.contributors(session.job, head, round))
    require(not strangers, f"{what}: no contributors of it: {strangers}")
    commits = [value for entry in entries for value in (entry["worker"], entry["commitment"])]
    closed = plain("cotrain/closed/1", session.id, round, manifest["term"], base, *commits)
    salts = [entry["salt"] for entry in entries if entry["salt"] is not None]
    differing(what, {
        "session": session.id, "term": 1, "outer_step": head["outer_steps"] + 1, "stage": 0, "stages": 1,
        "base_hash": base, "parent_hash": head["manifest_hash"], "elements": head["elements"],
        "cursor": rules.cursor_after(session.job, head, round), "codec": session.codec(head["outer_steps"]),
        "alpha": session.job["outer"]["alpha"], "rho": session.job["outer"]["rho"],
        "closed_hash": closed, "eval_seed": plain("cotrain/eval/1", closed, *salts),
    }, manifest)


def opens(what, session, directory, manifest, entry):
    """The commitment that was opened, and the payload file that it promised."""
    same(f"{what}: that salt and payload hash go together", entry["salt"] is None, entry["payload_hash"] is None)
    if entry["salt"] is None:
        same(f"{what}: what was not revealed", (0, 0, 0), (entry["bytes"], entry["tokens"], entry["inner_ms"]))
        return
    promise = commitment(session, manifest["round"], entry["worker"], manifest["base_hash"], entry)
    same(f"{what}: the commitment", promise, entry["commitment"])
    if entry["measured"]:
        payload = (directory / f"{entry['payload_hash']}.ctg").read_bytes()
        same(f"{what}: the hash of the payload's file", blob(payload), entry["payload_hash"])
        COUNTS["payloads"] += 1


def commitment(session, round, worker, base, opened):
    return plain("cotrain/commit/1", session.id, round, worker, base, opened["payload_hash"], opened["salt"])


def judged(what, session, head, manifest):
    entries, train = manifest["contributions"], session.job["train"]
    batches = rules.contributors(session.job, head, manifest["round"])
    for entry, judgement in zip(entries, rules.judgements(session.job, head["roster"], entries)):
        of = f"{what}, {entry['worker']}"
        differing(of, judgement, entry)
        most = batches[entry["worker"]] * train["inner_steps"] * train["sequence_length"]
        if entry["measured"] and entry["measured"]["gate"] is None:
            require(0 < entry["tokens"] <= most, f"{of}: {entry['tokens']} tokens, assigned were {most}")
        COUNTS["judgements"] += 1
        COUNTS["rejections"] += judgement["verdict"] == "rejected"


def signatures(what, session, head, manifest):
    """The manifest's hash, the aggregator's signature, and those of a quorum of the voters over the ballot."""
    found = valued("cotrain/manifest/1", values.MANIFEST, manifest)
    same(f"{what}: the manifest hash", found, manifest["manifest_hash"])
    same(f"{what}: the aggregator", session.aggregator, manifest["aggregator"])
    signature = manifest["aggregator_signature"]
    values.verify(what, "cotrain/manifest/1", values.MANIFEST, manifest, session.aggregator, signature)
    votes, voters = manifest["signatures"], {member["worker"] for member in head["roster"] if member["voter"]}
    in_order(f"{what}: the signatures", votes)
    strangers = {vote["worker"] for vote in votes} - voters
    require(not strangers, f"{what}: signed without a vote by {strangers}")
    quorum = max(1, -(-2 * len(voters) // 3))
    require(len(votes) >= quorum, f"{what}: {len(votes)} signatures, a quorum is {quorum}")
    for vote in votes:
        values.verify(what, "cotrain/ballot/1", values.BALLOT, manifest, vote["worker"], vote["signature"])


def round_line(manifest, line):
    """A line of rounds.jsonl: all but its loss and timings follows from the manifest."""
    names = ["worker", "payload_hash", "bytes", "tokens", "score", "weight", "clip", "verdict", "reason"]
    entries = [{name: entry[name] for name in names} for entry in manifest["contributions"]]
    hashes = {name: manifest[name] for name in ["round", "base_hash", "state_hash", "manifest_hash"]}
    differing(f"rounds.jsonl, round {manifest['round']}", {**hashes, "contributions": entries}, line)


# --- the chained log (RUN.md 6) ---


def chained_log(run, session, recorded):
    """`recorded` are the lines of rounds.jsonl by their rounds."""
    hashes = [bytes(32).hex()]
    for text in values.lines(run / "audit.jsonl"):
        line, what = json.loads(text), f"audit.jsonl, line {len(hashes)}"
        body, hashed = line["body"], plain("cotrain/audit/1", text[: text.rindex(',"hash":')].encode())
        differing(what, {"sequence": len(hashes), "previous": hashes[-1], "hash": hashed}, line)
        if line["kind"] == "round":
            same(f"{what}: the body", recorded.get(body["round"]), body)
        else:
            same(f"{what}: the kind", "abandoned", line["kind"])
            require(body["round"] not in recorded, f"{what}: round {body['round']} was committed")
        hashes.append(hashed)
    head = load(run / "audit.head.json")
    values.verify_signed("audit.head.json", "cotrain/audit-head/1", values.AUDIT_HEAD, head, session.aggregator)
    named = head["body"]["sequence"]
    require(0 < named < len(hashes), f"audit.head.json: line {named} of {len(hashes) - 1}")
    same("audit.head.json: the hash", hashes[named], head["body"]["hash"])
    COUNTS["chained_lines"] += len(hashes) - 1


# --- checkpoints (17; RUN.md 7) ---


def checkpoint(directory, session, heads):
    manifest = load(directory / "manifest.json")
    what, layout = f"checkpoint {directory.name}", [len(manifest["layout"])]
    for tensor in manifest["layout"]:
        name = tensor["name"].encode()
        layout += [len(name), name, len(tensor["shape"]), *tensor["shape"]]
    same(f"{what}: the layout hash", plain("cotrain/layout/1", *layout), session.genesis["layout_hash"])
    head = heads[int(directory.name)]
    differing(what, {
        "version": 1, "session": session.id, "round": head["round"], "outer_steps": head["outer_steps"],
        "state_hash": head["state_hash"], "elements": head["elements"],
        "layout_hash": session.genesis["layout_hash"], "head": head if head["round"] > 0 else None,
    }, manifest)
    for file in manifest["files"]:
        data = (directory / file["name"]).read_bytes()
        same(f"{what}: {file['name']}", (len(data), blob(data)), (file["bytes"], file["blake3"]))
    COUNTS["checkpoints"] += 1


# --- a worker's directory (RUN.md 12) ---


def worker(directory, session, heads, manifests):
    what, key = f"worker {directory.name}", values.public_key(directory / "identity.secret")
    (micro_batch,) = values.parts(directory / "micro_batch.bin", 1)
    require(values.decoded(what, values.U, micro_batch) > 0, f"{what}: a micro-batch of nothing")
    for shard in session.genesis["data_shards"] if (directory / "data").exists() else []:
        shard_tokens(directory / "data", shard)
    if (directory / "payload.bin").exists():
        last_payload(f"{what}, payload.bin", directory / "payload.bin", key, session, heads)
    if (directory / "snapshot.bin").exists():
        snapshot(f"{what}, snapshot.bin", directory / "snapshot.bin", session, heads)
    for body in values.records(directory / "member.records"):
        ((kind, record),) = values.decoded(f"{what}, member.records", values.MEMBER_RECORD, body).items()
        promise(f"{what}, {kind}", kind, record, directory / "identity.secret", session, manifests)


def last_payload(what, path, key, session, heads):
    facts, payload = values.parts(path, 2)
    facts = values.decoded(what, values.LAST_PAYLOAD, facts)
    stated, round = facts["payload"], facts["round"]
    same(f"{what}: hash and length", (blob(payload), len(payload)), (stated["payload_hash"], stated["bytes"]))
    # Rounds between this head and the payload's own were abandoned.
    head = heads[max(before for before in heads if before < round)]
    require(key in rules.contributors(session.job, head, round), f"{what}: {key} is no contributor of round {round}")
    windows = rules.assigned(session.job, session.windows, head, round, key)
    work = {"outer_steps": head["outer_steps"], "windows": windows}
    differing(what, {
        "base": head["state_hash"], "codec": session.codec(head["outer_steps"]),
        "work": valued("cotrain/work/1", values.WORK, work),
    }, facts)
    COUNTS["windows"] += sum(map(len, windows))


def snapshot(what, path, session, heads):
    facts, state, *others = values.parts(path, 5)
    head = values.decoded(what, values.SNAPSHOT, facts)["head"]
    differing(what, heads[head["round"]], head)
    same(f"{what}: the hash of the state", blob(state), head["state_hash"])
    vectors = 3 if session.job["train"]["exchange"] == "gradient" else 1
    same(f"{what}: the length of the state", vectors * 4 * head["elements"], len(state))
    for other in others:
        require(len(other) in (0, 4 * head["elements"]), f"{what}: a vector of {len(other)} bytes")


def promise(what, kind, record, secret, session, manifests):
    """What a worker signed; of a round that was committed it must be what the manifest says."""
    signed, (of, domain, name) = record["signed"] if kind == "commit" else record, values.PROMISES[kind]
    said, key = signed["body"], values.public_key(secret)
    values.verify_signed(what, domain, of, signed, key)
    same(f"{what}: the session", session.id, said["session"])
    manifest = manifests.get(said["round"], {"contributions": []})
    if kind == "commit":
        salt = values.salt(secret, session.id, said["round"])
        found = commitment(session, said["round"], key, said["base"], {**record["payload"], "salt": salt})
        same(f"{what}: the commitment", found, said["commitment"])
        manifest = next((entry for entry in manifest["contributions"] if entry["worker"] == key), {})
    same(f"{what}: {name}", manifest.get(name, said[name]), said[name])
    COUNTS["promises"] += 1


# --- a run ---


def outsider(run):
    session = Session(run)
    head = first_head(run, session)
    heads, manifests, recorded = {0: head}, {}, {}
    lines = [json.loads(line) for line in values.lines(run / "rounds.jsonl")]
    numbers = sorted(int(path.parent.name) for path in run.glob("rounds/*/manifest.json"))
    same("rounds.jsonl: the rounds", numbers, [line["round"] for line in lines])
    for line in lines:
        manifest, head = committed(run / "rounds" / f"{line['round']:06}", session, head)
        round_line(manifest, line)
        heads[line["round"]], manifests[line["round"]], recorded[line["round"]] = head, manifest, line
    same("the outer steps of the run", session.job["train"]["outer_steps"], head["outer_steps"])
    chained_log(run, session, recorded)
    checkpoints = sorted(path.parent for path in run.glob("checkpoints/*/manifest.json"))
    for directory in checkpoints:
        checkpoint(directory, session, heads)
    same("checkpoints/latest", f"{checkpoints[-1].name}\n", (run / "checkpoints/latest").read_text())
    for directory in sorted(run.glob("workers/*")):
        worker(directory, session, heads, manifests)
    print(json.dumps(COUNTS))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        outsider(pathlib.Path(sys.argv[1]))
    except (Refused, OSError, ValueError) as refused:
        sys.exit(str(refused))
