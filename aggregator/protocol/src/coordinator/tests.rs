//! The aggregator's core, one rule at a time, with its members played by hand.

use super::{Action, Coordinator, CoordinatorConfig, Phase, Record, Resume, Scored};
use crate::{
    Hash, Head, Keypair, Manifest, Message, Millis, Parameters, Reason, Reveal, Round, ScorePolicy, Signed, Term,
    message::{CommitRefusal, Refusal, RefusalReason, Timings},
    round::{AbandonReason, Countersign},
    testing::{SESSION, STATE, aggregator, commit, join, keypairs, measured, parameters, payload},
};

const NEXT_STATE: Hash = Hash([2; 32]);

/// A core and its members' keys; every action ends up in the log.
struct Stage {
    core: Coordinator,
    keypairs: Vec<Keypair>,
    now: u64,
    log: Vec<Action>,
}

impl Stage {
    fn config(parameters: Parameters) -> CoordinatorConfig {
        let (keypair, term) = (aggregator(), Term::FIRST);
        CoordinatorConfig { session: SESSION, term, keypair, parameters, genesis_state: STATE, elements: 1_000 }
    }

    /// `count` members, all connected, in the first round.
    fn training(count: u8) -> Self {
        Self::training_with(count, parameters(u32::from(count)))
    }

    fn training_with(count: u8, parameters: Parameters) -> Self {
        let (core, log) = Coordinator::resume(Millis(0), Self::config(parameters), Resume::default()).unwrap();
        let mut stage = Self { core, keypairs: keypairs(count), now: 0, log };
        for member in 0..count as usize {
            stage.arrive(member);
        }
        assert_eq!(stage.core.phase(), Phase::Training);
        stage
    }

    /// Goes on with a core built from the records alone, nobody connected.
    fn killed_and_resumed(&self) -> Self {
        let records = self.records();
        let config = Self::config(self.core.config.parameters.clone());
        let (core, log) = Coordinator::resume(Millis(self.now), config, Resume { head: None, records }).unwrap();
        Self { core, keypairs: self.keypairs.clone(), now: self.now, log }
    }

    fn arrive(&mut self, member: usize) {
        let keypair = self.keypairs[member].clone();
        let joined = self.core.joined(Millis(self.now), join(&keypair)).unwrap();
        self.log.extend(joined);
        self.log.extend(self.core.connected(Millis(self.now), keypair.worker()));
    }

    fn leave(&mut self, member: usize) {
        let worker = self.keypairs[member].worker();
        self.log.extend(self.core.disconnected(Millis(self.now), worker));
    }

    fn wait(&mut self, milliseconds: u64) {
        self.now += milliseconds;
        self.log.extend(self.core.tick(Millis(self.now)));
    }

    fn hear(&mut self, member: usize, message: Message) {
        let from = self.keypairs[member].worker();
        self.log.extend(self.core.message(Millis(self.now), from, message));
    }

    fn commit(&mut self, member: usize) {
        let commitment = commit(&self.keypairs[member], self.core.round(), &payload(member));
        self.hear(member, Message::Commit { commitment, timings: Timings::default() });
    }

    fn countersign(&mut self, member: usize) {
        let closed_hash = self.core.open.closed_hash.unwrap();
        let body = Countersign { session: SESSION, round: self.core.round(), term: Term::FIRST, closed_hash };
        self.hear(member, Message::Countersign(Signed::new(body, &self.keypairs[member])));
    }

    fn reveal_of(&self, member: usize) -> Reveal {
        let (keypair, round) = (&self.keypairs[member], self.core.round());
        let salt = keypair.salt(&SESSION, round);
        Reveal {
            round,
            worker: keypair.worker(),
            salt,
            payload_hash: payload(member),
            payload_bytes: 100,
            tokens: 1_000,
            inner_ms: 100,
        }
    }

    fn reveal(&mut self, member: usize) {
        self.hear(member, Message::Reveal(self.reveal_of(member)));
    }

    fn store(&mut self, member: usize) {
        let (round, worker) = (self.core.round(), self.keypairs[member].worker());
        self.log.extend(self.core.stored(Millis(self.now), round, worker, payload(member)));
    }

    fn score(&mut self) {
        let request = self
            .log
            .iter()
            .rev()
            .find_map(|action| if let Action::Score(request) = action { Some(request.clone()) } else { None });
        let measured = request.unwrap().candidates.iter().map(|candidate| (candidate.worker, measured())).collect();
        let scored = Scored { round: self.core.round(), base_loss_micronats: Some(2_000_000), measured };
        self.log.extend(self.core.scored(Millis(self.now), scored));
    }

    fn aggregate(&mut self) {
        let round = self.core.round();
        self.log.extend(self.core.aggregated(Millis(self.now), round, NEXT_STATE));
    }

    fn vote(&mut self, member: usize) {
        let ballot = self.proposal().body.ballot();
        self.hear(member, Message::Vote(Signed::new(ballot, &self.keypairs[member])));
    }

    fn proposal(&self) -> Signed<Manifest> {
        let proposals = self.log.iter().rev();
        let sent = proposals.filter_map(|action| match action {
            Action::Persist(Record::Proposal(manifest)) => Some(manifest.clone()),
            Action::Send { message: Message::Propose(manifest), .. } => Some(manifest.clone()),
            _ => None,
        });
        sent.into_iter().next().unwrap()
    }

    /// Everybody does their part up to the proposal.
    fn reach_proposal(&mut self) {
        let all = 0..self.keypairs.len();
        all.clone().for_each(|member| self.commit(member));
        all.clone().for_each(|member| {
            if self.core.phase() == Phase::Closing {
                self.countersign(member)
            }
        });
        all.clone().for_each(|member| self.reveal(member));
        all.for_each(|member| self.store(member));
        self.score();
        self.aggregate();
        assert_eq!(self.core.phase(), Phase::Voting);
    }

    fn records(&self) -> Vec<Record> {
        let persisted = self
            .log
            .iter()
            .filter_map(|action| if let Action::Persist(record) = action { Some(record.clone()) } else { None });
        persisted.collect()
    }

    /// Kinds of the messages sent since `from`, and records as "!kind".
    fn kinds(&self, from: usize) -> Vec<&'static str> {
        let kind = |action: &Action| match action {
            Action::Send { message, .. } => Some(message.kind()),
            Action::Persist(record) => Some(match record {
                Record::Genesis(_) => "!genesis",
                Record::Commit(_) => "!commit",
                Record::Closed(_) => "!closed",
                Record::Certified(_) => "!certified",
                Record::Proposal(_) => "!proposal",
                Record::Committed(_) => "!committed",
                Record::Abandoned(_) => "!abandoned",
            }),
            _ => None,
        };
        let mut kinds: Vec<_> = self.log[from..].iter().filter_map(kind).collect();
        kinds.dedup();
        kinds
    }

    fn abandoned(&self) -> Option<AbandonReason> {
        self.log
            .iter()
            .rev()
            .find_map(|action| if let Action::Abandon { reason, .. } = action { Some(reason.clone()) } else { None })
    }

    fn refusal(&self) -> Option<CommitRefusal> {
        self.log.iter().rev().find_map(|action| match action {
            Action::Send { message: Message::CommitRefused { reason, .. }, .. } => Some(*reason),
            _ => None,
        })
    }
}

#[test]
fn the_first_round_waits_for_enough_workers_and_all_of_them_vote() {
    let (core, log) = Coordinator::resume(Millis(0), Stage::config(parameters(3)), Resume::default()).unwrap();
    let mut stage = Stage { core, keypairs: keypairs(3), now: 0, log };
    stage.arrive(0);
    stage.arrive(1);
    stage.wait(1_000_000);
    assert_eq!((stage.core.phase(), stage.core.head()), (Phase::Waiting, None));
    stage.leave(0);
    stage.arrive(2);
    assert_eq!(stage.core.phase(), Phase::Waiting, "whoever left does not count");
    stage.arrive(0);
    assert_eq!((stage.core.phase(), stage.core.round()), (Phase::Training, Round(1)));
    assert_eq!(stage.core.head().unwrap().roster.voters().count(), 3);
}

#[test]
fn a_record_precedes_every_message_that_depends_on_it() {
    let mut stage = Stage::training(3);
    stage.reach_proposal();
    stage.vote(0);
    stage.vote(1);
    let expected = [
        "!genesis",
        "start",
        "!commit",
        "commit-accepted",
        "!commit",
        "commit-accepted",
        "!commit",
        "commit-accepted",
        "!closed",
        "close",
        "!certified",
        "closed",
        "revealed",
        "!proposal",
        "propose",
        "!committed",
        "committed",
        "start",
    ];
    assert_eq!(stage.kinds(0), expected);
}

#[test]
fn a_quorum_of_votes_commits_and_the_next_round_begins() {
    let mut stage = Stage::training(4);
    stage.reach_proposal();
    stage.vote(0);
    stage.vote(1);
    assert_eq!(stage.core.phase(), Phase::Voting, "2 of 4 are no quorum");
    stage.vote(1);
    assert_eq!(stage.core.phase(), Phase::Voting, "nobody counts twice");
    stage.vote(3);
    let head = stage.core.head().unwrap();
    assert_eq!((head.round, head.outer_steps, head.state_hash), (Round(1), 1, NEXT_STATE));
    assert_eq!((stage.core.phase(), stage.core.round()), (Phase::Training, Round(2)));
}

#[test]
fn a_live_member_is_waited_for_until_the_deadline() {
    let mut stage = Stage::training(3);
    stage.commit(0);
    stage.commit(1);
    stage.wait(9_999);
    assert_eq!(stage.core.phase(), Phase::Training);
    stage.wait(1);
    assert_eq!(stage.core.phase(), Phase::Closing);
}

#[test]
fn a_lost_member_is_waited_for_until_its_grace_is_over() {
    let mut stage = Stage::training(3);
    stage.commit(0);
    stage.commit(1);
    stage.leave(2);
    stage.wait(500);
    assert_eq!(stage.core.phase(), Phase::Training);
    stage.wait(1);
    assert_eq!(stage.core.phase(), Phase::Closing);
}

#[test]
fn a_restart_counts_everybody_as_live_for_a_while() {
    let mut stage = Stage::training(3);
    stage.commit(0);
    let mut stage = stage.killed_and_resumed();
    stage.arrive(0);
    stage.arrive(1);
    stage.commit(1);
    stage.wait(5_000);
    assert_eq!(stage.core.phase(), Phase::Training, "the third may still come");
    stage.wait(1);
    assert_eq!(stage.core.phase(), Phase::Closing);
    assert!(stage.core.open.commits.len() == 2, "the recorded commit is not asked for again");
}

#[test]
fn without_a_quorum_of_live_voters_no_round_begins() {
    let mut stage = Stage::training(3);
    stage.leave(0);
    stage.leave(1);
    stage.wait(10_000);
    assert_eq!(stage.abandoned(), Some(AbandonReason::NoCommits));
    assert_eq!((stage.core.phase(), stage.core.round()), (Phase::Waiting, Round(2)));
    stage.wait(1_000_000);
    assert_eq!(stage.core.phase(), Phase::Waiting);
    stage.arrive(0);
    assert_eq!((stage.core.phase(), stage.core.round()), (Phase::Training, Round(2)));
}

#[test]
fn one_of_three_alone_does_not_close_before_the_deadline() {
    let mut stage = Stage::training(3);
    stage.commit(0);
    stage.leave(1);
    stage.leave(2);
    stage.wait(9_000);
    assert_eq!(stage.core.phase(), Phase::Training, "the others may come back");
}

#[test]
fn abandons_below_quorum() {
    let mut stage = Stage::training(3);
    stage.reach_proposal();
    stage.vote(0);
    stage.wait(3_000);
    assert_eq!(stage.abandoned(), Some(AbandonReason::NoQuorum { have: 1, need: 2, refused: 0 }));
    let head = stage.core.head().unwrap();
    assert_eq!((head.round, head.state_hash, stage.core.round()), (Round(0), STATE, Round(2)));
}

#[test]
fn a_vote_that_comes_after_the_abandonment_commits_nothing() {
    let mut stage = Stage::training(3);
    stage.reach_proposal();
    stage.vote(0);
    stage.wait(3_000);
    let mut stage = stage.killed_and_resumed_with_log();
    for member in 0..3 {
        stage.arrive(member);
        stage.vote(member);
    }
    assert_eq!(stage.core.head().unwrap().round, Round(0));
}

#[test]
fn abandons_when_the_closed_set_is_not_countersigned() {
    let mut stage = Stage::training(3);
    (0..3).for_each(|member| stage.commit(member));
    stage.countersign(0);
    stage.wait(1_000);
    assert_eq!(stage.abandoned(), Some(AbandonReason::NotCountersigned { have: 1, need: 2 }));
}

#[test]
fn abandons_at_once_when_refusals_leave_no_quorum() {
    let mut stage = Stage::training(4);
    stage.reach_proposal();
    let subject = stage.core.open.proposal_hash.unwrap();
    for member in 0..2 {
        let reason = RefusalReason::StateDiffers(Hash([9; 32]));
        stage.hear(member, Message::Refused(Refusal { round: Round(1), term: Term::FIRST, subject, reason }));
    }
    assert_eq!(stage.abandoned(), Some(AbandonReason::NoQuorum { have: 0, need: 3, refused: 2 }));
}

#[test]
fn a_missing_payload_is_no_final_refusal() {
    let mut stage = Stage::training(3);
    stage.reach_proposal();
    let subject = stage.core.open.proposal_hash.unwrap();
    for member in 0..3 {
        let reason = RefusalReason::PayloadMissing(payload(0));
        stage.hear(member, Message::Refused(Refusal { round: Round(1), term: Term::FIRST, subject, reason }));
    }
    assert_eq!(stage.abandoned(), None);
}

#[test]
fn commits_are_refused_with_their_reason() {
    let mut stage = Stage::training(3);
    let round = Round(1);
    let send = |stage: &mut Stage, member: usize, commitment| {
        stage.hear(member, Message::Commit { commitment, timings: Timings::default() });
    };
    let mut forged = commit(&stage.keypairs[1], round, &payload(1));
    forged.signature.0[0] ^= 1;
    send(&mut stage, 1, forged);
    assert_eq!(stage.refusal(), Some(CommitRefusal::Invalid));
    let others = commit(&stage.keypairs[1], round, &payload(1));
    send(&mut stage, 0, others);
    assert_eq!(stage.refusal(), Some(CommitRefusal::Invalid), "a commit of somebody else");
    let mut stale = commit(&stage.keypairs[0], round, &payload(0)).body;
    stale.base = Hash([9; 32]);
    let stale = Signed::new(stale, &stage.keypairs[0]);
    send(&mut stage, 0, stale);
    assert_eq!(stage.refusal(), Some(CommitRefusal::WrongBase));
    stage.commit(0);
    let second = commit(&stage.keypairs[0], round, &payload(7));
    send(&mut stage, 0, second);
    assert_eq!(stage.refusal(), Some(CommitRefusal::Conflicting));
    stage.commit(1);
    stage.wait(10_000);
    stage.commit(2);
    assert_eq!((stage.core.phase(), stage.refusal()), (Phase::Closing, Some(CommitRefusal::Late)));
    stage.keypairs.push(crate::testing::keypair(99));
    stage.commit(3);
    assert_eq!(stage.refusal(), Some(CommitRefusal::NotContributor));
}

#[test]
fn who_does_not_reveal_is_recorded_as_withheld_and_scores_nothing() {
    let mut stage = Stage::training(3);
    (0..3).for_each(|member| stage.commit(member));
    (0..2).for_each(|member| stage.countersign(member));
    (0..2).for_each(|member| stage.reveal(member));
    (0..2).for_each(|member| stage.store(member));
    assert_eq!(stage.core.phase(), Phase::Revealing);
    stage.wait(2_000);
    stage.score();
    stage.aggregate();
    let manifest = stage.proposal().body;
    let withheld = manifest.contribution(&stage.keypairs[2].worker()).unwrap();
    assert_eq!((withheld.reason, withheld.score, withheld.weight), (Reason::Withheld, 0, 0));
    assert_eq!(manifest.summands().len(), 2);
}

#[test]
fn a_reveal_that_does_not_open_its_commitment_is_a_verdict() {
    let mut stage = Stage::training(3);
    (0..3).for_each(|member| stage.commit(member));
    (0..2).for_each(|member| stage.countersign(member));
    let bent = Reveal { payload_hash: payload(9), ..stage.reveal_of(0) };
    stage.hear(0, Message::Reveal(bent));
    stage.reveal(0);
    for member in 1..3 {
        stage.reveal(member);
        stage.store(member);
    }
    stage.score();
    stage.aggregate();
    let manifest = stage.proposal().body;
    assert_eq!(manifest.contribution(&stage.keypairs[0].worker()).unwrap().reason, Reason::CommitmentMismatch);
}

#[test]
fn announced_and_never_delivered_is_a_verdict() {
    let mut stage = Stage::training(3);
    (0..3).for_each(|member| stage.commit(member));
    (0..2).for_each(|member| stage.countersign(member));
    (0..3).for_each(|member| stage.reveal(member));
    (0..2).for_each(|member| stage.store(member));
    let (worker, now) = (stage.keypairs[2].worker(), Millis(stage.now));
    let fetches =
        |stage: &Stage| stage.log.iter().filter(|action| matches!(action, Action::FetchPayload { .. })).count();
    stage.log.extend(stage.core.fetch_failed(now, Round(1), worker, payload(2)));
    assert_eq!((stage.core.phase(), fetches(&stage)), (Phase::Revealing, 3));
    stage.wait(200);
    assert_eq!(fetches(&stage), 4, "a live owner is asked again");
    stage.wait(2_000);
    stage.score();
    stage.aggregate();
    assert_eq!(stage.proposal().body.contribution(&worker).unwrap().reason, Reason::Undelivered);
}

#[test]
fn nothing_revealed_commits_an_unchanged_state() {
    let mut stage = Stage::training(3);
    (0..3).for_each(|member| stage.commit(member));
    (0..2).for_each(|member| stage.countersign(member));
    stage.wait(2_000);
    assert_eq!(stage.core.phase(), Phase::Voting);
    let manifest = stage.proposal().body;
    assert_eq!((manifest.state_hash, manifest.summands().len(), manifest.outer_step), (STATE, 0, 1));
}

#[test]
fn a_restart_in_any_phase_says_the_same_bytes_again() {
    let mut stage = Stage::training(3);
    (0..3).for_each(|member| stage.commit(member));
    let closed = |stage: &Stage| stage.core.open.closed.clone().unwrap();
    let mut again = stage.killed_and_resumed();
    (0..3).for_each(|member| again.arrive(member));
    assert_eq!((again.core.phase(), closed(&again)), (Phase::Closing, closed(&stage)));
    (0..2).for_each(|member| stage.countersign(member));
    let again = stage.killed_and_resumed();
    assert_eq!(
        (again.core.phase(), again.core.open.certified.clone()),
        (Phase::Revealing, stage.core.open.certified.clone())
    );
    (0..3).for_each(|member| stage.reveal(member));
    (0..3).for_each(|member| stage.store(member));
    stage.score();
    stage.aggregate();
    let mut again = stage.killed_and_resumed();
    (0..3).for_each(|member| again.arrive(member));
    assert_eq!((again.core.phase(), again.proposal()), (Phase::Voting, stage.proposal()));
    again.vote(0);
    again.vote(2);
    assert_eq!(again.core.head().unwrap().state_hash, NEXT_STATE);
}

#[test]
fn a_restart_after_the_commit_goes_on_from_there() {
    let mut stage = Stage::training(3);
    stage.reach_proposal();
    stage.vote(0);
    stage.vote(1);
    let mut again = stage.killed_and_resumed();
    assert_eq!((again.core.head(), again.core.round()), (stage.core.head(), Round(2)));
    let from = again.log.len();
    again.arrive(2);
    assert_eq!(again.kinds(from), ["committed", "start"], "whoever missed the commit gets it");
}

#[test]
fn records_of_another_session_or_with_a_gap_are_refused() {
    let mut stage = Stage::training(3);
    stage.commit(0);
    let mut config = Stage::config(parameters(3));
    config.session = crate::SessionId([9; 32]);
    let records = stage.records();
    let resume = |config, records| {
        Coordinator::resume(Millis(0), config, Resume { head: None, records }).err().unwrap().to_string()
    };
    assert_eq!(resume(config, records.clone()), format!("the records are those of session {SESSION}"));
    let mut later = commit(&stage.keypairs[1], Round(3), &payload(1));
    later.body.round = Round(3);
    let gap = vec![records[0].clone(), Record::Commit(later)];
    assert_eq!(resume(Stage::config(parameters(3)), gap), "record of round 3 does not follow a head of round 0");
}

#[test]
fn a_later_joiner_is_in_the_next_roster_without_a_vote_and_gets_the_next_round() {
    let mut stage = Stage::training(3);
    stage.keypairs.push(crate::testing::keypair(99));
    stage.arrive(3);
    stage.keypairs.pop();
    stage.reach_proposal();
    let from = stage.log.len();
    stage.vote(0);
    stage.vote(1);
    let worker = crate::testing::keypair(99).worker();
    let head = stage.core.head().unwrap();
    assert!(head.roster.member(&worker).is_some() && !head.roster.votes(&worker));
    let started = stage.log[from..]
        .iter()
        .any(|action| matches!(action, Action::Send { to, message: Message::Start { .. } } if *to == worker));
    assert!(started);
}

#[test]
fn a_joiner_that_left_again_is_in_no_roster() {
    let mut stage = Stage::training(3);
    stage.keypairs.push(crate::testing::keypair(99));
    stage.arrive(3);
    stage.leave(3);
    stage.keypairs.pop();
    stage.reach_proposal();
    assert!(stage.proposal().body.joins.is_empty());
}

#[test]
fn a_full_session_takes_nobody_more_and_a_leaver_makes_room() {
    let mut stage = Stage::training(3);
    for number in 10..71 {
        stage.keypairs.push(crate::testing::keypair(number));
        stage.arrive(stage.keypairs.len() - 1);
    }
    let late = join(&crate::testing::keypair(99));
    assert_eq!(stage.core.joined(Millis(0), late.clone()).err(), Some(super::JoinRefusal::Full));
    assert!(stage.core.joined(Millis(0), join(&stage.keypairs[0].clone())).is_ok(), "members may always come back");
    stage.leave(40);
    assert!(stage.core.joined(Millis(0), late).is_ok());
}

#[test]
fn a_failure_of_the_driver_abandons_the_round() {
    let mut stage = Stage::training(3);
    (0..3).for_each(|member| stage.commit(member));
    (0..2).for_each(|member| stage.countersign(member));
    (0..3).for_each(|member| stage.reveal(member));
    (0..3).for_each(|member| stage.store(member));
    stage.log.extend(stage.core.failed(Millis(stage.now), Round(1), &"é".repeat(600)));
    let Some(AbandonReason::AggregatorFailed(why)) = stage.abandoned() else { panic!("not abandoned") };
    assert_eq!(why.len(), 512);
}

#[test]
fn a_measurement_that_lacks_a_payload_abandons_the_round() {
    let mut stage = Stage::training(3);
    (0..3).for_each(|member| stage.commit(member));
    (0..2).for_each(|member| stage.countersign(member));
    (0..3).for_each(|member| stage.reveal(member));
    (0..3).for_each(|member| stage.store(member));
    let scored = Scored {
        round: Round(1),
        base_loss_micronats: Some(1),
        measured: vec![(stage.keypairs[0].worker(), measured())],
    };
    stage.log.extend(stage.core.scored(Millis(0), scored));
    assert!(matches!(stage.abandoned(), Some(AbandonReason::AggregatorFailed(_))));
}

#[test]
fn the_run_ends_when_the_live_members_hold_the_last_state() {
    let single = Parameters { outer_steps: 1, score: ScorePolicy::GatesOnly, ..parameters(3) };
    let mut stage = Stage::training_with(3, single);
    stage.reach_proposal();
    stage.vote(0);
    stage.vote(1);
    assert_eq!(stage.core.phase(), Phase::Finishing);
    let applied = Message::Applied { round: Round(1), state_hash: NEXT_STATE };
    stage.hear(0, applied.clone());
    stage.hear(1, Message::Applied { round: Round(1), state_hash: STATE });
    stage.hear(1, applied.clone());
    assert_eq!(stage.core.phase(), Phase::Finishing);
    stage.hear(2, applied);
    assert_eq!(stage.core.phase(), Phase::Done);
    assert!(matches!(stage.log.last(), Some(Action::Finish { head: Head { round: Round(1), .. } })));
}

#[test]
fn nobody_is_waited_for_at_the_end_for_ever() {
    let mut stage = Stage::training_with(3, Parameters { outer_steps: 1, ..parameters(3) });
    stage.reach_proposal();
    stage.vote(0);
    stage.vote(1);
    stage.wait(3_000);
    assert_eq!(stage.core.phase(), Phase::Done);
}

#[test]
fn what_stays_unanswered_is_said_again() {
    let mut stage = Stage::training(3);
    stage.commit(0);
    let from = stage.log.len();
    stage.wait(99);
    assert!(stage.kinds(from).is_empty());
    stage.wait(1);
    let told: Vec<_> = stage.log[from..]
        .iter()
        .filter_map(|action| if let Action::Send { to, .. } = action { Some(*to) } else { None })
        .collect();
    assert_eq!(told, [stage.keypairs[1].worker(), stage.keypairs[2].worker()]);
}

#[test]
fn strangers_and_workers_in_the_wrong_place_change_nothing() {
    let mut stage = Stage::training(3);
    stage.keypairs.push(crate::testing::keypair(99));
    stage.reach_proposal_without(3);
    stage.vote(3);
    stage.hear(0, Message::Finished { head: stage.core.head().unwrap().clone() });
    let ballot = Signed::new(stage.proposal().body.ballot(), &stage.keypairs[1]);
    stage.hear(0, Message::Vote(ballot));
    assert!(stage.core.open.votes.is_empty());
}

impl Stage {
    fn reach_proposal_without(&mut self, member: usize) {
        let stranger = self.keypairs.remove(member);
        self.reach_proposal();
        self.keypairs.insert(member, stranger);
    }

    /// Like [`Stage::killed_and_resumed`], but the log of before stays, for looking things up.
    fn killed_and_resumed_with_log(&self) -> Self {
        let mut again = self.killed_and_resumed();
        again.log = self.log.iter().cloned().chain(again.log).collect();
        again
    }
}
