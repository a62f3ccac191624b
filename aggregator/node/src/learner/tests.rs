use super::*;
use crate::job::Exchange;
use crate::testing::Session;
use kernels::decode;
use protocol::manifest::Summand;
use protocol::member::OwnVerdict;

/// Dense, so that what is put back into the residual is exact.
const DENSE: &str = "dense-int8";
const SPARSE: &str = "topk64-q2";

fn session(exchange: Exchange) -> Session {
    let mut session = Session::new(exchange);
    session.job.train.inner_steps = 2;
    session
}

/// A learner for the first worker that holds a state.
fn learner_at(session: &Session, state: &State, head: &Head) -> Learner {
    let facts = SessionFacts::new(session.head.session, session.job.clone(), session.split()).unwrap();
    let (worker, trainer, state) = (session.workers[0].worker(), session.trainer(), state.clone());
    Learner::new(LearnerParts { facts, worker, trainer, state, head: Some(head.clone()) }).unwrap()
}

fn learner(session: &Session) -> Learner {
    learner_at(session, &session.state, &session.head)
}

fn train(learner: &mut Learner, round: Round, codec: &str) -> Trained<Write> {
    let head = learner.head.clone().unwrap();
    learner.train(round, &head, codec, &CancellationToken::new(), &mut |_| ()).unwrap().unwrap()
}

/// A training that is stopped after its first step.
fn train_in_part(learner: &mut Learner, round: Round, codec: &str) {
    let (head, stop) = (learner.head.clone().unwrap(), CancellationToken::new());
    assert_eq!(learner.train(round, &head, codec, &stop, &mut |_| stop.cancel()).unwrap(), None);
}

/// The commit of a round that the first worker's payload entered or not.
fn committed(session: &Session, trained: &Trained<Write>, round: Round, accepted: bool) -> (ApplyRequest, Payloads) {
    let payload_hash = trained.payload.hash;
    let worker = session.workers[0].worker();
    let summands = if accepted { vec![Summand { worker, payload_hash, weight: 64, clip: 256 }] } else { Vec::new() };
    let payloads = Payloads::from([(payload_hash, trained.file.clone())]);
    let mut manifest = session.manifest(round, &[payload_hash], session.state.hash());
    manifest.codec = DENSE.to_owned();
    let next = measure::next_state(&session.rule, &session.state, DENSE, &summands, &payloads).unwrap();
    manifest.state_hash = next.hash();
    let head = Head::of(&manifest);
    let own = Some(OwnVerdict { payload_hash, accepted });
    (ApplyRequest { committed: session.certify(manifest), head, summands, own }, payloads)
}

fn residual(learner: &Learner) -> Vec<f32> {
    learner.compressor.save().unwrap()
}

fn said(session: &Session, trained: &Trained<Write>) -> Vec<f32> {
    let (header, body) = kernels::parse(&trained.file).unwrap();
    decode(header.codec, session.state.elements(), body).unwrap()
}

/// All that the next training starts from.
fn assert_alike(left: &Learner, right: &Learner) {
    assert!(residual(left) == residual(right), "residuals differ");
    assert!(left.optimizer == right.optimizer, "optimisers differ");
    assert_eq!(left.state.hash(), right.state.hash());
    assert_eq!(left.judged, right.judged);
}

/// The one snapshot among what is to be written.
fn snapshot_of(writes: &[Write]) -> Snapshot {
    let Some(Write::Snapshot(snapshot)) = writes.first() else { panic!("no snapshot first in {writes:?}") };
    snapshot.clone()
}

#[test]
fn the_same_work_from_the_same_state_gives_the_same_payload() {
    for exchange in [Exchange::PseudoGradient, Exchange::Gradient] {
        let session = session(exchange);
        let trained = train(&mut learner(&session), Round(1), SPARSE);
        assert_eq!(trained.payload.hash, Hash::of(&trained.file));
        assert_eq!(train(&mut learner(&session), Round(1), SPARSE).file, trained.file, "{exchange:?}");
    }
}

#[test]
fn a_training_that_is_cut_short_leaves_optimiser_and_residual_as_they_were() {
    let session = session(Exchange::PseudoGradient);
    let (mut cut, mut whole) = (learner(&session), learner(&session));
    for round in [1, 2] {
        train_in_part(&mut cut, Round(round), SPARSE);
        assert_alike(&cut, &whole);
        let (again, undisturbed) = (train(&mut cut, Round(round), SPARSE), train(&mut whole, Round(round), SPARSE));
        assert_eq!(again.file, undisturbed.file);
        let (request, payloads) = committed(&session, &again, Round(round), false);
        cut.apply(&request, &payloads).unwrap();
        whole.apply(&request, &payloads).unwrap();
        assert_alike(&cut, &whole);
    }
}

#[test]
fn a_payload_left_out_comes_back() {
    let session = session(Exchange::PseudoGradient);
    let (mut accepted, mut left_out) = (learner(&session), learner(&session));
    let first = train(&mut accepted, Round(1), DENSE);
    train(&mut left_out, Round(1), DENSE);
    let said = said(&session, &first);
    let (request, payloads) = committed(&session, &first, Round(1), true);
    let applied = accepted.apply(&request, &payloads).unwrap();
    assert_eq!([request.head.state_hash, Hash::of(&applied.state)], [applied.state_hash; 2]);
    assert_ne!(applied.state_hash, session.state.hash());
    let (request, payloads) = committed(&session, &first, Round(1), false);
    assert_eq!(left_out.apply(&request, &payloads).unwrap().state_hash, session.state.hash());
    let (kept, back) = (residual(&accepted), residual(&left_out));
    assert!(said.iter().any(|value| *value != 0.0));
    assert!((0..said.len()).all(|i| back[i] == kept[i] + said[i]));
    assert_eq!((accepted.judged, left_out.judged), (Some(first.payload.hash), Some(first.payload.hash)));
}

#[test]
fn what_is_to_be_written_is_the_snapshot_before_what_was_trained_from_it() {
    let session = session(Exchange::PseudoGradient);
    let mut learner = learner(&session);
    let start = snapshot_of(&learner.snapshot().unwrap());
    assert_eq!((start.residual.len(), start.optimizer.step, start.judged), (0, 0, None));
    assert_eq!((start.head, start.state), (session.head.clone(), Arc::new(session.state.to_bytes())));
    let trained = train(&mut learner, Round(1), DENSE);
    let [Write::Payload { facts, file }] = &trained.writes[..] else { panic!("{:?}", trained.writes) };
    assert_eq!((facts.payload, file), (trained.payload, &trained.file));
    let (request, payloads) = committed(&session, &trained, Round(1), true);
    let applied = learner.apply(&request, &payloads).unwrap();
    let snapshot = snapshot_of(&applied.writes);
    assert_eq!((applied.writes.len(), snapshot.head, snapshot.state), (1, request.head, applied.state));
    assert_eq!((snapshot.judged, snapshot.optimizer.step), (Some(trained.payload.hash), 2));
    assert_eq!(snapshot.residual, residual(&learner));
}

#[test]
fn another_state_than_the_heads_changes_nothing() {
    let session = session(Exchange::PseudoGradient);
    let (mut learner, mut other) = (learner(&session), learner(&session));
    let trained = train(&mut learner, Round(1), DENSE);
    train(&mut other, Round(1), DENSE);
    let (mut request, payloads) = committed(&session, &trained, Round(1), true);
    let head = std::mem::replace(&mut request.head.state_hash, Hash([9; 32]));
    let applied = learner.apply(&request, &payloads).unwrap();
    assert_eq!((applied.state_hash, applied.writes), (head, Vec::new()));
    assert_alike(&learner, &other);
    assert!(learner.pending.is_some());
}

#[test]
fn a_round_applied_after_a_restart_ends_as_without_one() {
    for accepted in [true, false] {
        let session = session(Exchange::PseudoGradient);
        let mut whole = learner(&session);
        let trained = train(&mut whole, Round(1), DENSE);
        let [Write::Payload { facts, file }] = &trained.writes[..] else { panic!("{:?}", trained.writes) };
        let mut restarted = learner(&session);
        assert!(restarted.announce(facts.clone(), file.clone()));
        let (request, payloads) = committed(&session, &trained, Round(1), accepted);
        let undisturbed = whole.apply(&request, &payloads).unwrap();
        let applied = restarted.apply(&request, &payloads).unwrap();
        assert_eq!(applied, undisturbed);
        assert_alike(&restarted, &whole);

        // A second restart, from what was written then.
        let snapshot = snapshot_of(&applied.writes);
        let state = session.rule.parse_state(&snapshot.state, &snapshot.head.state_hash, 1).unwrap();
        let mut second = learner_at(&session, &state, &snapshot.head);
        second.restore(snapshot).unwrap();
        assert_alike(&second, &whole);
        // Its verdict came.
        assert!(!second.announce(facts.clone(), file.clone()));
        assert_eq!(train(&mut second, Round(2), SPARSE).file, train(&mut whole, Round(2), SPARSE).file);
    }
}

#[test]
fn an_announced_payload_is_served_again_and_trained_again_when_it_must_be() {
    let session = session(Exchange::PseudoGradient);
    let mut before = learner(&session);
    let first = train(&mut before, Round(1), SPARSE);
    let [Write::Payload { facts, file }] = &first.writes[..] else { panic!("{:?}", first.writes) };
    let mut after = learner(&session);
    assert!(after.announce(facts.clone(), file.clone()));
    // The same round: no step is made, and the payload is that of before with its timings.
    let head = session.head.clone();
    let again = after.train(Round(1), &head, SPARSE, &CancellationToken::new(), &mut |_| panic!("a step")).unwrap();
    assert_eq!(again, Some(first.clone()));
    assert_eq!(after.optimizer.step, 0);
    // Other work: now the verdict is that it was left out, and only who has trained it knows what that leaves.
    let (next, undisturbed) = (train(&mut after, Round(2), DENSE), train(&mut before, Round(2), DENSE));
    assert_eq!(next.file, undisturbed.file);
    assert_alike(&after, &before);
    let foreign = TrainingFacts { base: Hash([8; 32]), ..facts.clone() };
    assert!(!after.announce(foreign, file.clone()));
}

#[test]
fn an_abandoned_rounds_payload_is_sealed_again() {
    let session = session(Exchange::PseudoGradient);
    let mut learner = learner(&session);
    let first = train(&mut learner, Round(1), SPARSE);
    let step = learner.optimizer.step;
    let head = session.head.clone();
    let never = CancellationToken::new();
    for round in [2, 2, 3] {
        let again = learner.train(Round(round), &head, SPARSE, &never, &mut |_| panic!("a step")).unwrap().unwrap();
        let ((old, old_body), (new, new_body)) =
            (kernels::parse(&first.file).unwrap(), kernels::parse(&again.file).unwrap());
        assert_eq!((old.round, new.round), (1, round));
        assert_eq!((new_body, new.tokens, new.worker), (old_body, old.tokens, old.worker));
        assert_eq!((again.payload.hash, again.payload.timings), (Hash::of(&again.file), first.payload.timings));
        let [Write::Payload { facts, file }] = &again.writes[..] else { panic!("{:?}", again.writes) };
        assert_eq!((facts.round, facts.payload, file), (Round(round), again.payload, &again.file));
    }
    assert_eq!(learner.optimizer.step, step);
    assert_eq!(learner.judged, None);
}

#[test]
fn other_work_begins_from_a_residual_that_is_written_before_its_payload() {
    let session = session(Exchange::PseudoGradient);
    let mut learner = learner(&session);
    let first = train(&mut learner, Round(1), DENSE);
    let optimizer = learner.optimizer.clone();
    // What was left out moved the residual; cut short, nothing tells of it yet.
    train_in_part(&mut learner, Round(2), SPARSE);
    let moved = residual(&learner);
    assert_eq!(learner.judged, Some(first.payload.hash));
    let second = train(&mut learner, Round(2), SPARSE);
    let snapshot = snapshot_of(&second.writes);
    assert_eq!((snapshot.residual, snapshot.judged), (moved, Some(first.payload.hash)));
    assert!(snapshot.optimizer == optimizer && learner.optimizer.step > optimizer.step);
    assert!(matches!(&second.writes[1..], [Write::Payload { facts, .. }] if facts.payload == second.payload));

    // Whoever starts from these two files goes on alike.
    let mut restarted = self::learner(&session);
    restarted.restore(snapshot_of(&second.writes)).unwrap();
    let [_, Write::Payload { facts, file }] = &second.writes[..] else { panic!("{:?}", second.writes) };
    assert!(restarted.announce(facts.clone(), file.clone()));
    let third = train(&mut learner, Round(3), DENSE);
    assert_eq!(train(&mut restarted, Round(3), DENSE).file, third.file);
    assert_alike(&restarted, &learner);
}

#[test]
fn a_fetched_state_begins_with_a_zero_residual_and_keeps_adamw() {
    let session = session(Exchange::PseudoGradient);
    let mut learner = learner(&session);
    let trained = train(&mut learner, Round(1), DENSE);
    let (request, payloads) = committed(&session, &trained, Round(1), true);
    let next = measure::next_state(&session.rule, &session.state, DENSE, &request.summands, &payloads).unwrap();
    let optimizer = learner.optimizer.clone();
    let writes = learner.replace(&request.head, Arc::new(next.to_bytes())).unwrap();
    assert!(residual(&learner).iter().all(|value| *value == 0.0));
    assert!(learner.pending.is_none() && learner.optimizer == optimizer);
    let snapshot = snapshot_of(&writes);
    assert_eq!((snapshot.head, snapshot.residual.len()), (request.head.clone(), 0));
    let mut bytes = next.to_bytes();
    bytes[0] ^= 1;
    assert!(matches!(learner.replace(&request.head, Arc::new(bytes)), Err(Fault::Data(_))));
}

#[test]
fn the_same_state_under_another_head_keeps_the_payload_that_waits() {
    let session = session(Exchange::PseudoGradient);
    let mut whole = learner(&session);
    let trained = train(&mut whole, Round(1), DENSE);
    let [Write::Payload { facts, file }] = &trained.writes[..] else { panic!("{:?}", trained.writes) };
    let mut restarted = learner(&session);
    restarted.announce(facts.clone(), file.clone());
    let (request, _) = committed(&session, &trained, Round(1), false);
    let writes = restarted.replace(&request.head, Arc::new(session.state.to_bytes())).unwrap();
    assert_eq!(writes, Vec::new());
    // It was repeated while the head that it was trained from was still known.
    assert_eq!(restarted.optimizer, whole.optimizer);
    assert!(restarted.pending.as_ref().is_some_and(|pending| pending.trained));
}

#[test]
fn a_verified_state_is_not_computed_twice() {
    let session = session(Exchange::PseudoGradient);
    let mut learner = learner(&session);
    let trained = train(&mut learner, Round(1), DENSE);
    let (request, payloads) = committed(&session, &trained, Round(1), true);
    let manifest = request.committed.manifest.body.clone();
    let verify = VerifyRequest {
        manifest_hash: manifest.hash(),
        manifest,
        head: session.head.clone(),
        remeasure: None,
        summands: request.summands.clone(),
    };
    let verification = learner.verify(&verify, &payloads).unwrap();
    assert_eq!(verification.state_hash, request.head.state_hash);
    // The payloads may be gone by then.
    assert_eq!(learner.apply(&request, &Payloads::new()).unwrap().state_hash, request.head.state_hash);
    assert!(matches!(learner.verify(&verify, &Payloads::new()), Err(Fault::Data(_) | Fault::Bug(_))));
}
