//! A worker's core, one rule at a time, with the aggregator played by hand.

use super::{
    Member, MemberAction, MemberConfig, MemberEvent, MemberRecord, MemberResume, Payload, Remeasured, Verification,
};
use crate::{
    Certificate, ClosedSet, CommittedManifest, Hash, Head, Keypair, Manifest, Message, Round, Signed, Term, WorkerId,
    message::{CommitRefusal, RefusalReason, Timings},
    round::{AbandonReason, Abandonment, CertifiedSet, Countersign},
    score::Entry,
    testing::{
        SESSION, STATE, aggregator, closed_set, delivered, head, keypairs, manifest, measured, parameters, payload,
    },
};

const NEXT_STATE: Hash = Hash([2; 32]);

/// The first of some workers, and what it did.
struct Stage {
    core: Member,
    keypairs: Vec<Keypair>,
    head: Head,
    log: Vec<MemberAction>,
}

impl Stage {
    fn config(keypair: &Keypair) -> MemberConfig {
        let (keypair, aggregator) = (keypair.clone(), aggregator().worker());
        MemberConfig { session: SESSION, keypair, aggregator, parameters: parameters(3) }
    }

    /// A worker that holds the state of the first head.
    fn ready(count: u8) -> Self {
        let keypairs = keypairs(count);
        let head = head(&keypairs);
        let resume = MemberResume { head: Some(head.clone()), records: Vec::new() };
        Self { core: Member::resume(Self::config(&keypairs[0]), resume), keypairs, head, log: Vec::new() }
    }

    /// In the first round, trained and committed.
    fn committed(count: u8) -> Self {
        let mut stage = Self::ready(count);
        stage.start();
        stage.train();
        stage
    }

    /// In the first round, its set certified.
    fn certified(count: u8) -> Self {
        let mut stage = Self::committed(count);
        stage.accept();
        stage.hear(Message::Closed(stage.certificate(&stage.set())));
        stage
    }

    /// Ready to vote: the manifest proposed and every payload here.
    fn verifying(count: u8) -> Self {
        let mut stage = Self::certified(count);
        stage.propose(stage.manifest());
        for number in 1..stage.keypairs.len() {
            stage.log.extend(stage.core.fetched(payload(number)));
        }
        stage
    }

    fn restarted(&self, with_head: bool) -> Self {
        let records = self.records();
        let resume = MemberResume { head: with_head.then(|| self.head.clone()), records };
        let core = Member::resume(Self::config(&self.keypairs[0]), resume);
        Self { core, keypairs: self.keypairs.clone(), head: self.head.clone(), log: Vec::new() }
    }

    fn hear(&mut self, message: Message) {
        self.log.extend(self.core.message(message));
    }

    fn start(&mut self) {
        self.hear(Message::Start { round: Round(1), term: Term::FIRST, head: self.head.clone() });
    }

    fn train(&mut self) {
        let payload = Payload { hash: payload(0), bytes: 100, tokens: 1_000, timings: Timings::default() };
        self.log.extend(self.core.trained(Round(1), payload));
    }

    fn own_commitment(&self) -> Hash {
        crate::testing::commit(&self.keypairs[0], Round(1), &payload(0)).body.commitment
    }

    fn accept(&mut self) {
        self.hear(Message::CommitAccepted { round: Round(1), commitment: self.own_commitment() });
    }

    fn set(&self) -> ClosedSet {
        closed_set(&self.keypairs, Round(1))
    }

    fn close(&mut self, set: ClosedSet) {
        self.hear(Message::Close(Signed::new(set, &aggregator())));
    }

    fn certificate(&self, set: &ClosedSet) -> CertifiedSet {
        let body = Countersign { session: SESSION, round: set.round, term: set.term, closed_hash: set.hash() };
        let signatures = self.keypairs[1..].iter().map(|keypair| (keypair.worker(), keypair.sign(&body))).collect();
        CertifiedSet { set: Signed::new(set.clone(), &aggregator()), signatures }
    }

    fn entries(&self) -> Vec<Entry> {
        self.keypairs.iter().enumerate().map(|(number, keypair)| delivered(keypair, number, measured())).collect()
    }

    fn manifest(&self) -> Manifest {
        manifest(&self.head, &parameters(3), &self.set(), &self.entries(), Vec::new())
    }

    fn propose(&mut self, manifest: Manifest) {
        self.hear(Message::Propose(Signed::new(manifest, &aggregator())));
    }

    /// What an honest driver measures.
    fn verification(&self) -> Verification {
        let request = self.log.iter().rev().find_map(|action| match action {
            MemberAction::Verify(request) => Some(request.clone()),
            _ => None,
        });
        let request = request.expect("a verification was asked for");
        let numbers = measured();
        let remeasured = request.remeasure.map(|worker| Remeasured {
            worker,
            base_loss_micronats: 2_000_000,
            loss_micronats: numbers.loss_micronats,
            gain_micronats: numbers.gain_micronats,
            cosine_millionths: numbers.cosine_millionths,
        });
        let gates = self.keypairs.iter().map(|keypair| (keypair.worker(), None, numbers.norm_nanos)).collect();
        Verification {
            round: Round(1),
            manifest_hash: request.manifest_hash,
            gates,
            remeasured,
            state_hash: NEXT_STATE,
        }
    }

    fn verify(&mut self, change: impl FnOnce(&mut Verification)) {
        let mut verification = self.verification();
        change(&mut verification);
        self.log.extend(self.core.verified(&verification));
    }

    fn committed_manifest(&self, manifest: Manifest) -> CommittedManifest {
        let ballot = manifest.ballot();
        let signatures: Certificate =
            self.keypairs[1..].iter().map(|keypair| (keypair.worker(), keypair.sign(&ballot))).collect();
        CommittedManifest { manifest: Signed::new(manifest, &aggregator()), signatures }
    }

    fn records(&self) -> Vec<MemberRecord> {
        let persisted = self
            .log
            .iter()
            .filter_map(|action| if let MemberAction::Persist(record) = action { Some(record.clone()) } else { None });
        persisted.collect()
    }

    fn kinds(&self) -> Vec<&'static str> {
        let kind = |action: &MemberAction| match action {
            MemberAction::Send(message) => Some(message.kind()),
            MemberAction::Persist(MemberRecord::Committed(_)) => Some("!commit"),
            MemberAction::Persist(MemberRecord::Countersigned(_)) => Some("!countersign"),
            MemberAction::Persist(MemberRecord::Voted(_)) => Some("!vote"),
            MemberAction::Train { .. } => Some("train"),
            MemberAction::Fetch { .. } => Some("fetch"),
            MemberAction::Verify(_) => Some("verify"),
            MemberAction::Apply(_) => Some("apply"),
            MemberAction::Refetch { .. } => Some("refetch"),
            MemberAction::Rejoin => Some("rejoin"),
            MemberAction::Done { .. } => Some("done"),
            MemberAction::Note(MemberEvent::LeftOut { .. }) => Some("left out"),
            MemberAction::Note(_) => None,
        };
        self.log.iter().filter_map(kind).collect()
    }

    /// The kinds of what happened since the last call.
    fn news(&mut self) -> Vec<&'static str> {
        let kinds = self.kinds();
        self.log.clear();
        kinds
    }

    fn refusal(&self) -> Option<RefusalReason> {
        self.log.iter().rev().find_map(|action| match action {
            MemberAction::Send(Message::Refused(refusal)) => Some(refusal.reason.clone()),
            _ => None,
        })
    }

    fn other(&self) -> WorkerId {
        self.keypairs[1].worker()
    }
}

#[test]
fn a_round_from_the_start_to_the_next_head() {
    let mut stage = Stage::ready(3);
    stage.start();
    stage.train();
    assert_eq!(stage.news(), ["train", "!commit", "commit"]);
    stage.accept();
    stage.close(stage.set());
    assert_eq!(stage.news(), ["!countersign", "countersign"]);
    stage.hear(Message::Closed(stage.certificate(&stage.set())));
    assert_eq!(stage.news(), ["reveal"]);
    stage.propose(stage.manifest());
    assert_eq!(stage.news(), ["fetch", "fetch"]);
    stage.log.extend(stage.core.fetched(payload(1)));
    assert!(stage.news().is_empty());
    stage.log.extend(stage.core.fetched(payload(2)));
    assert_eq!(stage.kinds(), ["verify"]);
    stage.verify(|_| {});
    assert_eq!(stage.news(), ["verify", "!vote", "vote"]);
    stage.hear(Message::Committed(stage.committed_manifest(stage.manifest())));
    let own =
        stage.log.iter().find_map(|action| if let MemberAction::Apply(request) = action { request.own } else { None });
    assert!(own.is_some_and(|own| own.accepted && own.payload_hash == payload(0)));
    stage.log.extend(stage.core.applied(Round(1), NEXT_STATE));
    assert_eq!(stage.news(), ["apply", "applied"]);
    assert_eq!(stage.core.head(), Some(&Head::of(&stage.manifest())));
}

#[test]
fn a_new_worker_takes_the_first_state_and_then_trains() {
    let mut stage = Stage::ready(3);
    stage.core = Member::resume(Stage::config(&stage.keypairs[0]), MemberResume::default());
    stage.start();
    assert_eq!(stage.news(), ["refetch"]);
    stage.start();
    assert!(stage.news().is_empty(), "asked for once");
    stage.log.extend(stage.core.refetched(STATE));
    assert_eq!(stage.news(), ["applied", "train"]);
}

#[test]
fn a_restarted_worker_sends_the_same_commit_without_training_again() {
    let stage = Stage::committed(3);
    let sent = |stage: &Stage| {
        stage.log.iter().find_map(|action| match action {
            MemberAction::Send(message @ Message::Commit { .. }) => Some(message.clone()),
            _ => None,
        })
    };
    let mut again = stage.restarted(true);
    again.start();
    assert_eq!(again.kinds(), ["commit"]);
    assert_eq!(sent(&again), sent(&stage));
}

#[test]
fn a_set_without_the_own_acknowledged_commit_is_not_countersigned() {
    let mut stage = Stage::committed(3);
    stage.accept();
    let mut set = stage.set();
    set.commits.remove(0);
    stage.close(set);
    assert_eq!(stage.refusal(), Some(RefusalReason::CommitMissing));
    assert!(!stage.kinds().contains(&"countersign"));
}

#[test]
fn while_the_answer_to_the_own_commit_is_open_a_set_without_it_is_not_countersigned() {
    let mut stage = Stage::committed(3);
    let mut set = stage.set();
    set.commits.remove(0);
    stage.news();
    stage.close(set.clone());
    assert_eq!(stage.news(), ["commit"], "asks once more");
    let (round, commitment, reason) = (Round(1), stage.own_commitment(), CommitRefusal::Late);
    stage.hear(Message::CommitRefused { round, commitment, reason });
    stage.close(set);
    assert_eq!(stage.news(), ["!countersign", "countersign"]);
}

#[test]
fn a_second_closed_set_of_the_round_is_not_countersigned_even_after_a_restart() {
    let mut stage = Stage::committed(3);
    stage.accept();
    stage.close(stage.set());
    let mut smaller = stage.set();
    smaller.commits.pop();
    for mut stage in [stage.restarted(true), stage] {
        stage.start();
        stage.accept();
        stage.close(smaller.clone());
        assert_eq!(stage.refusal(), Some(RefusalReason::AlreadySigned));
    }
}

#[test]
fn an_unsound_set_is_not_countersigned() {
    let refused = |change: &dyn Fn(&mut ClosedSet, &[Keypair])| {
        let mut stage = Stage::committed(3);
        stage.accept();
        let mut set = stage.set();
        change(&mut set, &stage.keypairs);
        stage.close(set);
        stage.refusal()
    };
    assert_eq!(refused(&|_, _| {}), None);
    let invalid = Some(RefusalReason::InvalidSet);
    assert_eq!(refused(&|set, _| set.commits.swap(1, 2)), invalid);
    assert_eq!(refused(&|set, _| set.commits.push(set.commits[2].clone())), invalid);
    assert_eq!(refused(&|set, _| set.commits[1].signature.0[3] ^= 1), invalid);
    assert_eq!(refused(&|set, _| set.base = Hash([9; 32])), invalid);
    assert_eq!(refused(&|set, _| set.commits[1].body.base = Hash([9; 32])), invalid);
    let foreign = |set: &mut ClosedSet, _: &[Keypair]| {
        let commit = crate::testing::commit(&crate::testing::keypair(99), Round(1), &payload(5));
        set.commits.push(commit);
        set.commits.sort_by_key(|commit| commit.body.worker);
    };
    assert_eq!(refused(&foreign), invalid);
}

#[test]
fn nothing_is_revealed_before_a_quorum_has_countersigned() {
    let mut stage = Stage::committed(3);
    stage.accept();
    let mut certificate = stage.certificate(&stage.set());
    certificate.signatures.attestations.pop();
    stage.hear(Message::Closed(certificate));
    stage.close(stage.set());
    assert!(!stage.kinds().contains(&"reveal"));
    stage.hear(Message::Closed(stage.certificate(&stage.set())));
    assert!(stage.kinds().contains(&"reveal"));
}

#[test]
fn a_commit_that_is_not_in_the_set_is_not_revealed() {
    let mut stage = Stage::committed(3);
    let mut set = stage.set();
    set.commits.remove(0);
    stage.hear(Message::Closed(stage.certificate(&set)));
    assert!(!stage.kinds().contains(&"reveal"));
}

#[test]
fn a_vote_is_durable_before_it_is_sent_and_the_same_after_a_restart() {
    let mut stage = Stage::verifying(3);
    stage.verify(|_| {});
    let kinds = stage.kinds();
    assert_eq!(kinds[kinds.len() - 2..], ["!vote", "vote"]);
    let vote = |stage: &Stage| {
        stage.log.iter().rev().find_map(|action| match action {
            MemberAction::Send(Message::Vote(vote)) => Some(vote.clone()),
            _ => None,
        })
    };
    let mut again = stage.restarted(true);
    again.start();
    again.propose(stage.manifest());
    assert_eq!((again.kinds(), vote(&again)), (vec!["commit", "vote"], vote(&stage)));
}

#[test]
fn a_second_manifest_of_the_round_and_term_gets_no_vote() {
    let mut stage = Stage::verifying(3);
    stage.verify(|_| {});
    let mut other = stage.manifest();
    other.state_hash = Hash([3; 32]);
    for mut stage in [stage.restarted(true), stage] {
        stage.start();
        stage.news();
        stage.propose(other.clone());
        assert_eq!(stage.refusal(), Some(RefusalReason::AlreadySigned));
    }
}

#[test]
fn a_manifest_that_does_not_follow_gets_no_vote() {
    let mut stage = Stage::certified(3);
    let mut manifest = stage.manifest();
    manifest.contributions[1].score = 7;
    stage.propose(manifest);
    let expected = RefusalReason::Manifest(crate::manifest::ManifestError::Judgement(stage.other()));
    assert_eq!(stage.refusal(), Some(expected));
}

#[test]
fn without_the_certified_set_there_is_no_vote() {
    let mut stage = Stage::committed(3);
    stage.accept();
    stage.news();
    stage.propose(stage.manifest());
    assert!(stage.news().is_empty());
}

#[test]
fn what_measures_otherwise_gets_no_vote() {
    let refused = |change: &dyn Fn(&mut Verification)| {
        let mut stage = Stage::verifying(3);
        stage.verify(|verification| change(verification));
        assert_eq!(stage.kinds().contains(&"vote"), stage.refusal().is_none());
        stage.refusal()
    };
    assert_eq!(refused(&|_| {}), None);
    let differs = Some(RefusalReason::StateDiffers(Hash([9; 32])));
    assert_eq!(refused(&|verification| verification.state_hash = Hash([9; 32])), differs);
    let tolerance = parameters(3).tolerances.loss_micronats as i64;
    let shift = |by: i64| {
        move |verification: &mut Verification| {
            if let Some(found) = &mut verification.remeasured {
                found.gain_micronats += by;
            }
        }
    };
    assert_eq!(refused(&shift(tolerance)), None, "at the tolerance");
    assert!(matches!(refused(&shift(tolerance + 1)), Some(RefusalReason::Reevaluation { .. })));
    assert!(matches!(refused(&|verification| verification.remeasured = None), Some(RefusalReason::Failed(_))));
    let gate = |verification: &mut Verification| verification.gates[2].1 = Some(crate::Reason::NotFinite);
    assert!(matches!(refused(&gate), Some(RefusalReason::MeasuredOtherwise(_))));
    assert!(matches!(refused(&|verification| verification.gates[1].2 += 2), Some(RefusalReason::MeasuredOtherwise(_))));
    assert_eq!(refused(&|verification| verification.gates[1].2 += 1), None, "a millionth of the norm");
    assert!(matches!(
        refused(&|verification| verification.gates.truncate(2)),
        Some(RefusalReason::MeasuredOtherwise(_))
    ));
}

#[test]
fn another_worker_is_evaluated_again_and_not_always_the_same() {
    let drawn = |number: u8| {
        let mut stage = Stage::verifying(5);
        let mut manifest = stage.manifest();
        manifest.state_hash = Hash([number; 32]);
        stage.core.open.proposal_hash = None;
        stage.core.open.verifying = None;
        stage.news();
        stage.propose(manifest);
        let drawn = stage.verification().remeasured.map(|found| found.worker);
        assert_ne!(drawn, Some(stage.core.me()));
        drawn
    };
    let workers: std::collections::BTreeSet<_> = (10..40).map(drawn).collect();
    assert!(workers.len() > 2, "{workers:?}");
}

#[test]
fn a_payload_that_cannot_be_had_is_said_and_asked_for_again() {
    let mut stage = Stage::certified(3);
    stage.propose(stage.manifest());
    stage.log.extend(stage.core.fetch_failed(payload(1)));
    assert_eq!(stage.refusal(), Some(RefusalReason::PayloadMissing(payload(1))));
    stage.news();
    stage.propose(stage.manifest());
    assert_eq!(stage.news(), ["fetch"]);
}

#[test]
fn a_manifest_without_a_quorum_is_not_applied() {
    let mut stage = Stage::certified(3);
    let mut committed = stage.committed_manifest(stage.manifest());
    committed.signatures.attestations.pop();
    stage.news();
    stage.hear(Message::Committed(committed));
    assert!(stage.news().is_empty());
}

#[test]
fn a_committed_manifest_is_applied_once() {
    let mut stage = Stage::verifying(3);
    let committed = stage.committed_manifest(stage.manifest());
    stage.news();
    stage.hear(Message::Committed(committed.clone()));
    stage.hear(Message::Committed(committed.clone()));
    stage.log.extend(stage.core.applied(Round(1), NEXT_STATE));
    stage.log.extend(stage.core.applied(Round(1), NEXT_STATE));
    stage.hear(Message::Committed(committed));
    assert_eq!(stage.news(), ["apply", "applied", "applied"]);
}

#[test]
fn a_drifted_state_is_fetched() {
    let mut stage = Stage::verifying(3);
    stage.hear(Message::Committed(stage.committed_manifest(stage.manifest())));
    stage.news();
    stage.log.extend(stage.core.applied(Round(1), Hash([9; 32])));
    assert!(stage.log.iter().any(|action| matches!(action, MemberAction::Note(MemberEvent::Drifted { .. }))));
    assert_eq!(stage.news(), ["refetch"]);
    assert_eq!(stage.core.head().map(|head| head.round), Some(Round(0)));
    stage.log.extend(stage.core.refetched(NEXT_STATE));
    assert_eq!(stage.core.head().map(|head| head.round), Some(Round(1)));
}

#[test]
fn whoever_missed_manifests_fetches_the_state() {
    let mut stage = Stage::ready(3);
    let mut ahead = stage.head.clone();
    (ahead.round, ahead.manifest_hash, ahead.parent_hash) = (Round(5), Hash([8; 32]), Hash([7; 32]));
    stage.hear(Message::Start { round: Round(6), term: Term::FIRST, head: ahead.clone() });
    assert_eq!(stage.news(), ["refetch"]);
    stage.log.extend(stage.core.refetch_failed(STATE));
    stage.hear(Message::Start { round: Round(6), term: Term::FIRST, head: ahead });
    assert_eq!(stage.news(), ["refetch"], "asked for again");
    stage.log.extend(stage.core.refetched(STATE));
    assert_eq!(stage.news(), ["applied", "train"]);
}

#[test]
fn whoever_lacks_one_manifest_waits_for_it() {
    let mut stage = Stage::committed(3);
    let next = Head::of(&stage.manifest());
    stage.news();
    stage.hear(Message::Start { round: Round(2), term: Term::FIRST, head: next });
    assert!(stage.news().is_empty());
    stage.hear(Message::Committed(stage.committed_manifest(stage.manifest())));
    for number in 1..3 {
        stage.log.extend(stage.core.fetched(payload(number)));
    }
    stage.log.extend(stage.core.applied(Round(1), NEXT_STATE));
    assert_eq!(stage.news(), ["fetch", "fetch", "apply", "applied", "train"]);
}

#[test]
fn payloads_of_a_committed_round_that_cannot_be_had_cost_the_whole_state_in_the_end() {
    let mut stage = Stage::committed(3);
    stage.news();
    for _ in 0..5 {
        stage.hear(Message::Committed(stage.committed_manifest(stage.manifest())));
        stage.log.extend(stage.core.fetch_failed(payload(1)));
        stage.log.extend(stage.core.fetch_failed(payload(2)));
    }
    assert_eq!(stage.kinds().iter().filter(|kind| **kind == "refetch").count(), 1);
    assert_eq!(stage.kinds().last(), Some(&"refetch"));
}

#[test]
fn an_abandoned_round_leaves_the_payload_out_and_the_next_one_trains_from_the_same_head() {
    let abandonment =
        Abandonment { session: SESSION, round: Round(1), term: Term::FIRST, reason: AbandonReason::NoCommits };
    let mut stage = Stage::committed(3);
    stage.news();
    stage.hear(Message::Abandoned(Signed::new(abandonment.clone(), &stage.keypairs[1].clone())));
    assert!(stage.news().is_empty(), "only the aggregator abandons");
    stage.hear(Message::Abandoned(Signed::new(abandonment, &aggregator())));
    stage.hear(Message::Start { round: Round(2), term: Term::FIRST, head: stage.head.clone() });
    assert_eq!(stage.news(), ["left out", "train"]);
}

#[test]
fn a_round_that_was_abandoned_unheard_left_it_out_too() {
    let mut stage = Stage::committed(3).restarted(true);
    stage.hear(Message::Start { round: Round(2), term: Term::FIRST, head: stage.head.clone() });
    assert_eq!(stage.news(), ["left out", "train"]);
}

#[test]
fn a_delayed_start_of_an_earlier_round_is_passed_over() {
    let mut stage = Stage::ready(3);
    stage.hear(Message::Start { round: Round(2), term: Term::FIRST, head: stage.head.clone() });
    stage.news();
    stage.start();
    assert!(stage.news().is_empty());
    assert_eq!(stage.core.round(), Round(2));
}

#[test]
fn payload_of_a_round_that_went_on_is_left_out_and_not_committed() {
    let mut stage = Stage::ready(3);
    stage.start();
    stage.hear(Message::Start { round: Round(2), term: Term::FIRST, head: stage.head.clone() });
    stage.news();
    stage.train();
    assert_eq!(stage.news(), ["left out"]);
}

#[test]
fn a_fork_of_the_chain_is_passed_over() {
    let mut stage = Stage::ready(3);
    let mut fork = stage.head.clone();
    fork.manifest_hash = Hash([9; 32]);
    stage.hear(Message::Start { round: Round(1), term: Term::FIRST, head: fork });
    assert!(stage.news().is_empty());
}

#[test]
fn those_in_quarantine_do_not_train() {
    let mut stage = Stage::ready(3);
    stage.head.roster.members[0].quarantined_until = Some(Round(4));
    stage.start();
    assert!(stage.news().is_empty());
}

#[test]
fn whoever_is_no_longer_listed_says_hello_again() {
    let mut stage = Stage::verifying(3);
    let me = stage.core.me();
    let mut manifest = stage.manifest();
    manifest.next_roster.members.retain(|member| member.worker != me);
    stage.news();
    stage.hear(Message::Committed(stage.committed_manifest(manifest)));
    stage.log.extend(stage.core.applied(Round(1), NEXT_STATE));
    assert_eq!(stage.news(), ["apply", "applied", "rejoin"]);
}

#[test]
fn the_end_of_the_run_is_reached_with_its_last_state() {
    let mut stage = Stage::verifying(3);
    let last = Head::of(&stage.manifest());
    stage.news();
    stage.hear(Message::Finished { head: last });
    assert!(stage.news().is_empty(), "the last manifest is still to come");
    stage.hear(Message::Committed(stage.committed_manifest(stage.manifest())));
    stage.log.extend(stage.core.applied(Round(1), NEXT_STATE));
    assert_eq!(stage.news(), ["apply", "applied", "applied", "done"]);
    assert!(stage.core.done);
}

#[test]
fn the_last_manifest_alone_ends_the_run() {
    let mut stage = Stage::verifying(3);
    stage.core.config.parameters.outer_steps = 1;
    stage.news();
    stage.hear(Message::Committed(stage.committed_manifest(stage.manifest())));
    stage.log.extend(stage.core.applied(Round(1), NEXT_STATE));
    assert_eq!(stage.news(), ["apply", "applied", "applied", "done"]);
    stage.log.extend(stage.core.connected());
    assert_eq!(stage.news(), ["applied"]);
}

#[test]
fn a_head_with_impossible_numbers_is_passed_over() {
    let mut stage = Stage::ready(3);
    let mut head = stage.head.clone();
    (head.round, head.cursor, head.manifest_hash) = (Round(1), u64::MAX, Hash([9; 32]));
    stage.hear(Message::Start { round: Round(2), term: Term::FIRST, head: head.clone() });
    (head.cursor, head.roster.members[0].speed_step) = (0, u32::MAX);
    stage.hear(Message::Start { round: Round(2), term: Term::FIRST, head });
    assert!(stage.news().is_empty());
}

#[test]
fn a_new_connection_repeats_what_was_said() {
    let mut stage = Stage::verifying(3);
    stage.verify(|_| {});
    stage.news();
    stage.log.extend(stage.core.connected());
    assert_eq!(stage.news(), ["reveal", "vote"]);
}
