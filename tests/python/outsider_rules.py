"""The rules that the outsider of outsider.py applies again: who trains on what, how contributions are judged, and which
roster follows. Section numbers are those of PROTOCOL.md; `job` is job.toml.
"""

from outsider_values import plain

ONE = 1_000_000
MEMBERS_MAX = 64


# --- assignment (13) ---


def mix(x):
    for shift, factor in [(30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)]:
        x = (x ^ x >> shift) * factor % 2**64
    return x ^ x >> 31


def permutation(count, seed):
    half = min(31, (max(2, (count - 1).bit_length()) + 1) // 2)
    keys = [bytes.fromhex(plain("cotrain/permutation/1", seed, bytes([i])))[:8] for i in range(6)]

    def shuffled(value):
        left, right = divmod(value, 2**half)
        for key in keys:
            left, right = right, left ^ mix(right ^ int.from_bytes(key, "little")) % 2**half
        return left * 2**half + right

    def at(index):
        value = shuffled(index)
        while value >= count:
            value = shuffled(value)
        return value

    return at


def contributors(job, head, round):
    """The batch of each contributor of a round from this head, in the order of workers."""
    inside = [m for m in head["roster"] if m["quarantined_until"] is None or m["quarantined_until"] <= round]
    return {m["worker"]: m["speed_step"] * job["train"]["batch_sequences"] for m in inside}


def cursor_after(job, head, round):
    return head["cursor"] + job["train"]["inner_steps"] * sum(contributors(job, head, round).values())


def assigned(job, windows, head, round, worker):
    """The windows of each inner step of a contributor, of so many that there are."""
    sizes = contributors(job, head, round)
    order, orders = list(sizes), {}

    def window(place):
        turn, at = divmod(place, windows)
        if turn not in orders:
            orders[turn] = permutation(windows, plain("cotrain/pass/1", job["train"]["seed"], turn))
        return orders[turn](at)

    before = sum(sizes[other] for other in order[: order.index(worker)])
    begins = [head["cursor"] + h * sum(sizes.values()) + before for h in range(job["train"]["inner_steps"])]
    return [[window(place) for place in range(begin, begin + sizes[worker])] for begin in begins]


# --- score (15) ---


def lower_median(numbers):
    numbers = sorted(numbers)
    return numbers[(len(numbers) - 1) // 2] if numbers else 0


def clamp(number, low, high):
    return max(low, min(high, number))


def standing_after(job, standing, score):
    memory = job["score"]["standing_memory_percent"]
    if standing is None or job["score"]["policy"] == "gates":
        return 100 * score
    return (memory * standing + (100 - memory) * 100 * score + 50) // 100


class Round:
    """What the payloads of a round that passed their gates have in common."""

    def __init__(self, job, roster, entries):
        self.job, self.rule = job, job["score"]
        self.member = {member["worker"]: member for member in roster}
        passed = [entry for entry in entries if entry["measured"] and entry["measured"]["gate"] is None]
        self.norm = lower_median(entry["measured"]["norm_nanos"] for entry in passed)
        passed = [entry for entry in passed if not self.out_of_range(entry)]
        proven = [entry for entry in passed if self.proven(entry)]
        without = [entry for entry in passed if self.standing(entry) is None]
        trusted = [entry["measured"] for entry in proven or without or passed]
        self.gain = lower_median(measured["gain_micronats"] for measured in trusted)
        self.error = lower_median(measured["gain_error_micronats"] for measured in trusted)
        cosines = [measured["cosine_millionths"] for measured in trusted]
        self.cosine = lower_median(cosine for cosine in cosines if cosine is not None)

    def standing(self, entry):
        return self.member[entry["worker"]]["standing"]

    def proven(self, entry):
        return self.standing(entry) is not None and self.standing(entry) >= 100 * self.rule["standing_min"]

    def norm_ratio(self, entry):
        low, high = sorted([entry["measured"]["norm_nanos"], self.norm])
        return ONE * low // high if low > 0 else 0

    def out_of_range(self, entry):
        low = self.norm_ratio(entry) < 10_000 * self.rule["norm_ratio_min_percent"]
        return low or entry["measured"]["norm_nanos"] == 0

    def usefulness(self, entry):
        gain = entry["measured"]["gain_micronats"]
        if self.gain > 0 and self.gain >= 2 * self.error:
            return clamp((gain + 2 * self.error) * ONE // self.gain, 0, ONE)
        return 0 if gain < -3 * self.error else ONE

    def agreement(self, entry):
        cosine = entry["measured"]["cosine_millionths"]
        if cosine is None:
            return ONE
        return clamp(cosine * ONE // max(self.cosine, 10_000 * self.rule["cosine_floor_percent"], 1), 0, ONE)

    def score(self, u, c, nu):
        weights = [self.rule[f"{name}_weight"] for name in ["usefulness", "agreement", "norm"]]
        whole = max(1, sum(weights)) * ONE
        return (200 * sum(w * x for w, x in zip(weights, [u, c, nu])) + whole) // (2 * whole)

    def scored(self, entry):
        """Reason and numbers of a payload that passed its gates, by the quality policy."""
        nu = self.norm_ratio(entry)
        if self.out_of_range(entry):
            return "norm_out_of_range", [nu, 0, 0, 0, 0]
        u, c = self.usefulness(entry), self.agreement(entry)
        score = self.score(u, c, nu)
        clip = min(256, 256 * self.norm // entry["measured"]["norm_nanos"])
        reason = "passed"
        if u < 10_000 * self.rule["usefulness_min_percent"]:
            reason = "low_usefulness"
        elif score < self.rule["score_min"]:
            reason = "low_score"
        elif standing_after(self.job, self.standing(entry), score) < 100 * self.rule["standing_min"]:
            reason = "low_standing"
        return reason, [nu, u, c, score, clip]

    def judged(self, entry):
        """Reason and numbers of any entry: norm ratio, usefulness, agreement, score, clip."""
        if entry["salt"] is None:
            mismatch = entry["reason"] == "commitment_mismatch"
            return "commitment_mismatch" if mismatch else "withheld", [0, 0, 0, 0, 0]
        if entry["measured"] is None:
            return "undelivered", [0, 0, 0, 0, 0]
        if entry["measured"]["gate"] is not None:
            return entry["measured"]["gate"], [0, 0, 0, 0, 0]
        if self.rule["policy"] == "gates":
            return "passed", [self.norm_ratio(entry), ONE, ONE, 100, 256]
        return self.scored(entry)

    def weight(self, entry, score, tokens_max):
        """The weight of an accepted entry."""
        if self.rule["policy"] == "gates":
            return max(1, 64 * entry["tokens"] // tokens_max)
        floor = 100 * self.rule["standing_min"]
        above = standing_after(self.job, self.standing(entry), score) - floor
        weight = clamp(64 * above * entry["tokens"] // ((10_000 - floor) * tokens_max), 1, 64)
        probation = self.member[entry["worker"]]["accepted_rounds"] < self.job["round"]["probation_rounds"]
        return max(1, weight // 2) if probation else weight


def judgements(job, roster, entries):
    """What the rule says of each entry, under the names of the record."""
    of = Round(job, roster, entries)
    found = [of.judged(entry) for entry in entries]
    tokens_max = max([entry["tokens"] for entry, (reason, _) in zip(entries, found) if reason == "passed"] + [1])
    for entry, (reason, (nu, u, c, score, clip)) in zip(entries, found):
        accepted = reason == "passed"
        yield {
            "verdict": "accepted" if accepted else "rejected",
            "reason": reason,
            "norm_ratio_millionths": nu,
            "usefulness_millionths": u,
            "agreement_millionths": c,
            "score": score,
            "weight": of.weight(entry, score, tokens_max) if accepted else 0,
            "clip": clip,
        }


# --- the next roster (16) ---


def succession(job, roster, round, entries, joins):
    before = [dict(member) for member in roster]
    members = [dict(member) for member in roster]
    for member in members:
        entry = next((entry for entry in entries if entry["worker"] == member["worker"]), None)
        after_round(job, member, round, entry)
    if job["train"]["balance"] == "speed":
        balance(members, entries)
    missed_max = job["round"]["missed_rounds_max"]
    members = [m for m in members if m["missed"] < missed_max or m["quarantined_until"] is not None]
    if not any(member["voter"] for member in members):
        voters = {member["worker"] for member in before if member["voter"]}
        for member in members:
            member["voter"] = member["worker"] in voters
        if not any(member["voter"] for member in members):
            members = before
    for join in joins:
        admit(members, join)
    members.sort(key=lambda member: member["worker"])
    promote(job, members)
    return members


def after_round(job, member, round, entry):
    """Step 1."""
    quality, rule = job["score"]["policy"] == "quality", job["score"]
    is_out = member["quarantined_until"] is not None and member["quarantined_until"] > round
    if entry:
        member["missed"] = 0
        member["standing"] = standing_after(job, member["standing"], entry["score"])
        member["accepted_rounds"] += entry["verdict"] == "accepted"
        if quality:
            member["low_streak"] = member["low_streak"] + 1 if entry["score"] < rule["low_score"] else 0
            low = member["standing"] < 100 * rule["standing_min"]
            if low or member["low_streak"] >= rule["low_streak_rounds_max"]:
                member["quarantines"] += 1
                rounds = rule["quarantine_rounds"] * 2 ** min(member["quarantines"] - 1, 5)
                member.update(voter=False, quarantined_until=round + 1 + rounds)
    elif not is_out:
        member["missed"] += 1
    if quality and is_out and member["quarantined_until"] <= round + 1:
        member.update(quarantined_until=None, standing=100 * rule["return_standing"])
        member.update(low_streak=0, missed=0, accepted_rounds=0)


def balance(members, entries):
    """Step 2."""
    by_worker = {member["worker"]: member for member in members}
    for entry in entries:
        speed = entry["tokens"] * 1000 // entry["inner_ms"] if entry["inner_ms"] else 0
        if entry["verdict"] == "accepted" and speed > 0:
            member = by_worker[entry["worker"]]
            member["tokens_per_s"] = ((member["tokens_per_s"] or speed) + speed) // 2
    known = [member for member in members if member["tokens_per_s"] > 0]
    unit = min((member["tokens_per_s"] for member in known), default=0)
    for member in known:
        if 4 * abs(member["tokens_per_s"] - unit * member["speed_step"]) > 3 * unit:
            member["speed_step"] = clamp((member["tokens_per_s"] + unit // 2) // unit, 1, 64)


def admit(members, join):
    """Step 5."""
    known = [member for member in members if member["worker"] == join["worker"]]
    if known:
        known[0]["addresses"] = join["addresses"]
    elif len(members) < MEMBERS_MAX:
        members.append(newcomer(join["worker"], join["addresses"], voter=False))


def newcomer(worker, addresses, voter):
    zeros = dict.fromkeys(["tokens_per_s", "accepted_rounds", "low_streak", "missed", "quarantines", "stage"], 0)
    nones = {"standing": None, "quarantined_until": None}
    return {"worker": worker, "voter": voter, "speed_step": 1, "addresses": addresses, **zeros, **nones}


def promote(job, members):
    """Step 6."""
    needed = job["round"]["probation_rounds"]
    ready = [m for m in members if not m["voter"] and m["quarantined_until"] is None and m["accepted_rounds"] >= needed]
    ready.sort(key=lambda member: (-member["accepted_rounds"], member["worker"]))
    for member in ready[: max(1, len(members) // 5)]:
        member["voter"] = True
