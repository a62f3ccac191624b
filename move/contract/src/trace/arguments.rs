//! Which function is called, by whom, with which arguments. Each of them is now and then beside its bound.

use super::{GRANT, Generator, STAFF, Seen, WORKERS, account, has_earning, has_pending_root, is_paused};
use crate::limits::{BATCH_MAX, CLAIM_DELAY_S_MAX, EVIDENCE_BYTES_MAX, HASH_BYTES, PROOF_MAX, STRING_BYTES_MAX};
use crate::{Address, State, Value};

type Chosen = (&'static str, Address, Vec<Value>);

impl Generator {
    pub(super) fn choose(&mut self, state: &State) -> Chosen {
        if is_paused(state) && self.random.one_in(4) {
            return ("set_paused", super::admin(state), vec![false.into()]);
        }
        match self.random.below(100) {
            0..10 => self.administration(state),
            10..25 => self.node(state),
            25..30 => self.create_session(state),
            30..60 => self.report(state),
            60..98 => self.reward(state),
            _ => ("close_session", self.admin(state), vec![self.session().into()]),
        }
    }

    fn administration(&mut self, state: &State) -> Chosen {
        let admin = self.admin(state);
        match self.random.below(7) {
            0 => ("set_paused", admin, vec![self.random.one_in(4).into()]),
            1 => ("propose_admin", admin, vec![self.random.pick(&STAFF).into()]),
            2 => ("accept_admin", self.random.pick(&STAFF), vec![]),
            3 | 4 => {
                let allowed = !self.random.one_in(4);
                ("set_reporter", admin, vec![self.random.pick(&STAFF).into(), allowed.into()])
            }
            5 => {
                let base = self.random.below(101);
                let bonus = if self.random.one_in(6) { self.random.next() } else { 100 - base };
                let thresholds = if self.random.one_in(6) { 200 } else { 101 };
                let threshold = self.random.below(thresholds);
                ("configure_rewards", admin, vec![base.into(), bonus.into(), threshold.into()])
            }
            _ => {
                let delay_s = self.random.pick(&[0, 5, 20, 60, 60, 200, CLAIM_DELAY_S_MAX + 1]);
                ("set_claim_delay", admin, vec![delay_s.into()])
            }
        }
    }

    fn node(&mut self, state: &State) -> Chosen {
        let node = self.worker();
        match self.random.below(10) {
            0..5 => {
                let (id, key) = (self.string(), self.string());
                let (capacity, bandwidth) = (self.random.next(), self.random.below(1000));
                let strings = [Value::String(id), Value::String(key)];
                ("register_p2p_node", node, strings.into_iter().chain([capacity.into(), bandwidth.into()]).collect())
            }
            5..7 => ("update_node_heartbeat", node, vec![]),
            7 => ("deactivate_node", node, vec![]),
            _ => {
                let reputation = self.ratio();
                ("set_reputation", self.reporter(state), vec![node.into(), reputation.into()])
            }
        }
    }

    fn create_session(&mut self, state: &State) -> Chosen {
        let repeated = self.random.one_in(12);
        let id = if repeated { self.session() } else { self.next_session };
        let pool = match self.random.below(20) {
            0 => GRANT * 4,
            1 => 0,
            2..6 => self.random.below(100),
            _ => self.random.below(1_000_000),
        };
        // A number is used up even when the call is refused: sessions may have gaps.
        self.next_session += u64::from(!repeated);
        let job = self.hash();
        ("create_session", self.reporter(state), vec![id.into(), job, pool.into()])
    }

    fn report(&mut self, state: &State) -> Chosen {
        let reporter = self.reporter(state);
        let id = self.session();
        let seen = Seen::of(state, id, self.now_s);
        match self.random.below(12) {
            0..4 => {
                let mut args = vec![id.into(), self.worker().into()];
                args.extend(self.factors().map(Value::from));
                ("submit_detailed_contribution", reporter, args)
            }
            4..8 => ("submit_contributions", reporter, self.batch(id, seen.settlement)),
            8..10 => {
                let term = self.after(seen.term);
                let hash = self.hash();
                ("record_term", reporter, vec![id.into(), term.into(), self.worker().into(), hash])
            }
            _ => {
                let round = self.after(seen.round);
                let mut args = vec![id.into(), round.into(), self.hash(), self.hash(), self.hash()];
                args.extend([(); 3].map(|()| Value::from(self.random.next())));
                ("record_anchor", reporter, args)
            }
        }
    }

    fn batch(&mut self, id: u64, settlement: u64) -> Vec<Value> {
        let length = match self.random.below(40) {
            0 => 0,
            1 => BATCH_MAX + 1,
            2 => BATCH_MAX,
            _ => 1 + self.random.below(8) as usize,
        };
        let participants = (0..length).map(|_| self.worker().into()).collect();
        let mut columns = [(); 4].map(|()| Vec::with_capacity(length));
        for _ in 0..length {
            // A long batch of factors that are seldom invalid would seldom be valid.
            let factors = if length > 8 { [1, 100, 1, 100] } else { self.factors() };
            columns.iter_mut().zip(factors).for_each(|(column, factor)| column.push(factor.into()));
        }
        if self.random.one_in(20) {
            let uneven = self.random.below(4) as usize;
            columns[uneven].push(Value::U64(0));
        }
        let number = if self.random.one_in(12) { self.random.below(3) } else { settlement + 1 };
        let head = [id.into(), number.into(), Value::List(participants)];
        head.into_iter().chain(columns.map(Value::List)).collect()
    }

    fn reward(&mut self, state: &State) -> Chosen {
        let id = self.session();
        match self.random.below(20) {
            0 => ("distribute_rewards", self.reporter(state), vec![id.into()]),
            1..6 => {
                let (id, participant) = self.earning(state, id);
                ("claim_reward", participant, vec![id.into()])
            }
            6..9 => {
                let (id, participant) = self.earning(state, id);
                let evidence = self.evidence();
                ("invalidate_earning", self.admin(state), vec![id.into(), participant.into(), evidence])
            }
            9..12 => self.publish_root(state, id),
            12 => {
                let last = self.next_session.saturating_sub(12)..self.next_session;
                let waiting: Vec<u64> = last.filter(|id| has_pending_root(state, *id, self.now_s)).collect();
                let id = if waiting.is_empty() { id } else { self.random.pick(&waiting) };
                let evidence = self.evidence();
                ("invalidate_root", self.admin(state), vec![id.into(), evidence])
            }
            _ => self.claim(state, id),
        }
    }

    /// A session and one whose earning in it is unclaimed, among the last sessions; often none is, or another is taken.
    fn earning(&mut self, state: &State, id: u64) -> (u64, Address) {
        let participant = self.worker();
        if self.random.one_in(8) {
            return (id, participant);
        }
        let last = self.next_session.saturating_sub(12)..self.next_session;
        let all = last.flat_map(|id| (1..=WORKERS).map(move |worker| (id, account(worker))));
        let unclaimed: Vec<_> = all.filter(|(id, who)| has_earning(state, *id, *who)).collect();
        if unclaimed.is_empty() { (id, participant) } else { self.random.pick(&unclaimed) }
    }

    fn publish_root(&mut self, state: &State, id: u64) -> Chosen {
        let reporter = self.reporter(state);
        let seen = Seen::of(state, id, self.now_s);
        // Most sessions are left to be paid by their contributions.
        if id.is_multiple_of(3) && seen.root.is_empty() && !self.random.one_in(20) {
            return ("distribute_rewards", reporter, vec![id.into()]);
        }
        let tree = self.grow_tree(id, &seen);
        let root = tree.as_ref().map_or([0; 32], |tree| tree.root());
        let sum = tree.and_then(|tree| tree.total()).unwrap_or(0);
        let total = match self.random.below(12) {
            0 => seen.pool.saturating_add(1),
            1 => seen.root_total.saturating_sub(1),
            // Less than its leaves: the last to claim finds the total used up.
            2..4 => seen.root_total.max(sum / 2),
            _ => sum,
        };
        let root = if self.random.one_in(25) { self.hash() } else { root.into() };
        ("publish_root", reporter, vec![id.into(), root, total.into()])
    }

    fn claim(&mut self, state: &State, id: u64) -> Chosen {
        let seen = Seen::of(state, id, self.now_s);
        let accounts: Vec<[u8; 32]> =
            self.tree(id, &seen.root).map_or(vec![], |tree| tree.amounts().keys().copied().collect());
        if accounts.is_empty() {
            return ("claim", self.worker(), vec![id.into(), self.random.below(10).into(), Value::List(vec![])]);
        }
        let account = self.random.pick(&accounts);
        let (mut cumulative, mut proof) =
            self.tree(id, &seen.root).and_then(|tree| tree.proof(&account)).unwrap_or_default();
        let mut spoilt = None;
        match self.random.below(25) {
            0 => cumulative += 1,
            1 => proof = vec![[0; 32]; PROOF_MAX + 1],
            2 => spoilt = Some(self.random.bytes(HASH_BYTES - 1).as_slice().into()),
            3 => proof.push([1; 32]),
            _ => {}
        }
        let proof = proof.into_iter().map(Value::from).chain(spoilt).collect();
        ("claim", Address(account), vec![id.into(), cumulative.into(), Value::List(proof)])
    }

    fn factors(&mut self) -> [u64; 4] {
        let mut amount = || match self.random.below(60) {
            0 => u64::MAX,
            1..8 => 0,
            _ => self.random.below(1_000_000),
        };
        let (time, data) = (amount(), amount());
        [time, self.ratio(), data, self.ratio()]
    }

    /// 0 to 100, seldom above.
    fn ratio(&mut self) -> u64 {
        match self.random.below(80) {
            0 => 101 + self.random.next() / 2,
            1..10 => 0,
            10..30 => 91 + self.random.below(10),
            _ => self.random.below(101),
        }
    }

    /// Mostly above the last.
    fn after(&mut self, last: u64) -> u64 {
        if self.random.one_in(8) { self.random.below(last + 1) } else { last + 1 + self.random.below(3) }
    }

    fn string(&mut self) -> String {
        let length = self.length(STRING_BYTES_MAX);
        self.random.text(length)
    }

    fn evidence(&mut self) -> Value {
        let length = self.length(EVIDENCE_BYTES_MAX);
        Value::Bytes(self.random.bytes(length))
    }

    /// 1 to a bound, seldom 0 or one more.
    fn length(&mut self, bound: usize) -> usize {
        match self.random.below(40) {
            0 => 0,
            1 => bound + 1,
            2 => bound,
            _ => 1 + self.random.below(20) as usize,
        }
    }

    fn hash(&mut self) -> Value {
        let length = if self.random.one_in(30) { self.random.pick(&[0, 31, 33]) } else { HASH_BYTES };
        Value::Bytes(self.random.bytes(length))
    }
}
