//! A39: whoever claims twice, with another's proof or in another's name is paid once and what is due, and nobody
//! else's.

use crate::world::{DELAY_S, EXPIRED_S, POOL, Person, SESSION, World, contribution, registration, session};
use contract::{Abort, Address};
use ledger_client::{Call, ClientError, SessionConditions};
use rewards::merkle::Tree;
use std::collections::BTreeMap;

const CLAIM: Call = Call::ClaimReward { session_number: SESSION };

/// A session whose pool was distributed among these, and may be claimed.
async fn distributed(world: &mut World, compute_times: &[u64]) -> (Person, Vec<Person>) {
    let reporter = world.reporter().await;
    world.does(&reporter, Call::CreateSession(session())).await;
    let mut workers = Vec::new();
    for _ in compute_times {
        workers.push(world.worker().await);
    }
    let entries = workers.iter().zip(compute_times).map(|(worker, time)| contribution(worker, *time)).collect();
    world.does(&reporter, Call::SubmitContributions { session_number: SESSION, settlement: 1, entries }).await;
    world.does(&reporter, Call::DistributeRewards { session_number: SESSION }).await;
    world.pass_s(DELAY_S);
    (reporter, workers)
}

/// A tree of what each of these has earned so far.
fn tree(session_number: u64, amounts: &[(&Person, u64)]) -> Tree {
    let amounts = amounts.iter().map(|(of, amount)| (of.address().0, *amount)).collect::<BTreeMap<_, _>>();
    Tree::new(session_number, amounts).unwrap()
}

/// A tree's root, claimable from now on.
async fn publish(world: &World, reporter: &Person, tree: &Tree) {
    let (session_number, root, total) = (tree.session_number(), tree.root(), tree.total().unwrap());
    world.does(reporter, Call::PublishRoot { session_number, root, total }).await;
    world.pass_s(DELAY_S);
}

/// The claim that a leaf allows.
fn claim(tree: &Tree, of: &Person) -> Call {
    let (cumulative, proof) = tree.proof(&of.address().0).unwrap();
    Call::Claim { session_number: tree.session_number(), cumulative, proof }
}

/// A session without contributions, to be paid by roots.
async fn by_roots(world: &mut World) -> (Person, Person, Person) {
    let reporter = world.reporter().await;
    world.does(&reporter, Call::CreateSession(session())).await;
    let workers = (world.worker().await, world.worker().await);
    (reporter, workers.0, workers.1)
}

/// Sends two transactions of one call that were both prepared while it was allowed; one alone succeeds.
async fn race(world: &World, who: &Person, call: &Call, loser: Abort) {
    let client = world.client();
    let (one, other) = (client.prepare(who, call).await.unwrap(), client.prepare(who, call).await.unwrap());
    let (one, other) = tokio::join!(client.send_and_wait(&one), client.send_and_wait(&other));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_ne!(one.success, other.success, "{one:?} {other:?}");
    assert_eq!(one.abort.or(other.abort), Some(loser));
    world.check_books().await;
}

#[tokio::test]
async fn a39_a_reward_is_claimed_once() {
    let mut world = World::start().await;
    let (_, workers) = distributed(&mut world, &[1, 2, 3]).await;
    let mut paid = 0;
    for worker in &workers {
        let before = world.holds(worker.address());
        world.does(worker, CLAIM).await;
        paid += world.holds(worker.address()) - before;
        world.is_refused(worker, CLAIM, Abort::NothingToClaim).await;
    }
    assert_eq!(paid, POOL);
    assert_eq!(world.vault(), 0);
    assert_eq!(world.successes()["claim_reward"], workers.len());
}

#[tokio::test]
async fn a39_two_claims_at_once_are_paid_once() {
    let mut world = World::start().await;
    let (_, workers) = distributed(&mut world, &[1, 1]).await;
    let before = world.holds(workers[0].address());
    race(&world, &workers[0], &CLAIM, Abort::NothingToClaim).await;
    let earned = world.client().earning(SESSION, workers[0].address()).await.unwrap().amount;
    assert_eq!(world.holds(workers[0].address()) - before, earned);
    assert_eq!(world.vault(), POOL - earned);
}

#[tokio::test]
async fn a39_nobody_claims_what_it_did_not_earn() {
    let mut world = World::start().await;
    let (reporter, workers) = distributed(&mut world, &[1]).await;
    let idle = world.worker().await;
    for stranger in [&reporter, &idle] {
        world.is_refused(stranger, CLAIM, Abort::NothingToClaim).await;
        world
            .is_refused(stranger, Call::Claim { session_number: SESSION, cumulative: 1, proof: vec![] }, Abort::NoRoot)
            .await;
    }
    world.is_refused(&workers[0], Call::ClaimReward { session_number: SESSION + 1 }, Abort::NoSession).await;
    assert_eq!(world.vault(), POOL);
}

#[tokio::test]
async fn a39_a_root_pays_each_claim_once() {
    let mut world = World::start().await;
    let (reporter, one, other) = by_roots(&mut world).await;
    let tree = tree(SESSION, &[(&one, 60_000), (&other, POOL - 60_000)]);
    publish(&world, &reporter, &tree).await;
    let before = world.holds(one.address());
    world.does(&one, claim(&tree, &one)).await;
    assert_eq!(world.holds(one.address()) - before, 60_000);
    world.is_refused(&one, claim(&tree, &one), Abort::NothingToClaim).await;
    race(&world, &other, &claim(&tree, &other), Abort::NothingToClaim).await;
    assert_eq!(world.vault(), 0);
    assert_eq!(world.client().session(SESSION).await.unwrap().unwrap().claimed, POOL);
}

#[tokio::test]
async fn a39_a_proof_serves_its_own_leaf_alone() {
    let mut world = World::start().await;
    let (reporter, one, other) = by_roots(&mut world).await;
    world.does(&reporter, Call::CreateSession(SessionConditions { session_number: SESSION + 1, ..session() })).await;
    let amounts = [(&one, 600), (&other, 400)];
    let (here, there) = (tree(SESSION, &amounts), tree(SESSION + 1, &amounts));
    publish(&world, &reporter, &here).await;
    publish(&world, &reporter, &there).await;
    let (_, proof) = here.proof(&one.address().0).unwrap();
    let (_, elsewhere) = there.proof(&one.address().0).unwrap();
    let with = |session_number, cumulative, proof: &[[u8; 32]]| Call::Claim {
        session_number,
        cumulative,
        proof: proof.to_vec(),
    };
    let wrong = [
        // Another's leaf, another amount, another session's proof, a proof cut short, made longer or with a leaf for a
        // node.
        (&other, with(SESSION, 600, &proof)),
        (&one, with(SESSION, 601, &proof)),
        (&one, with(SESSION, u64::MAX, &proof)),
        (&one, with(SESSION, 600, &elsewhere)),
        (&one, with(SESSION + 1, 600, &proof)),
        (&one, with(SESSION, 600, &[])),
        (&one, with(SESSION, 600, &[proof[0], proof[0]])),
        (&one, with(SESSION, 600, &[here.root()])),
    ];
    for (who, call) in wrong {
        world.is_refused(who, call, Abort::InvalidProof).await;
    }
    world.is_refused(&one, with(SESSION, 600, &[[0; 32]; 33]), Abort::TooMany).await;
    world.does(&one, claim(&here, &one)).await;
    world.does(&one, claim(&there, &one)).await;
    assert_eq!(world.vault(), 2 * POOL - 1_200);
    world.check_books().await;
}

#[tokio::test]
async fn a39_an_older_proof_is_worth_nothing_under_a_newer_root() {
    let mut world = World::start().await;
    let (reporter, one, other) = by_roots(&mut world).await;
    let first = tree(SESSION, &[(&one, 600), (&other, 400)]);
    publish(&world, &reporter, &first).await;
    let before = world.holds(one.address());
    world.does(&one, claim(&first, &one)).await;
    let second = tree(SESSION, &[(&one, 900), (&other, 500)]);
    publish(&world, &reporter, &second).await;
    // Claimed or not, what the first root allowed is in the second.
    for who in [&one, &other] {
        world.is_refused(who, claim(&first, who), Abort::InvalidProof).await;
        world.does(who, claim(&second, who)).await;
        world.is_refused(who, claim(&second, who), Abort::NothingToClaim).await;
    }
    assert_eq!(world.holds(one.address()) - before, 900);
    assert_eq!(world.vault(), POOL - 1_400);
    world.does(&world.admin(), Call::CloseSession { session_number: SESSION }).await;
    assert_eq!(world.vault(), 0);
    world.check_books().await;
}

#[tokio::test]
async fn a39_a_root_of_more_than_its_total_stops_at_the_total() {
    let mut world = World::start().await;
    let (reporter, one, other) = by_roots(&mut world).await;
    // A root that promises 1,000, published as one of 600.
    let tree = tree(SESSION, &[(&one, 600), (&other, 400)]);
    world.does(&reporter, Call::PublishRoot { session_number: SESSION, root: tree.root(), total: 600 }).await;
    world.pass_s(DELAY_S);
    world.does(&one, claim(&tree, &one)).await;
    world.is_refused(&other, claim(&tree, &other), Abort::PoolExceeded).await;
    assert_eq!(world.vault(), POOL - 600);
    let more = |total| Call::PublishRoot { session_number: SESSION, root: [1; 32], total };
    world.is_refused(&reporter, more(POOL + 1), Abort::PoolExceeded).await;
    world.is_refused(&reporter, more(599), Abort::PoolExceeded).await;
}

#[tokio::test]
async fn a39_a_session_is_paid_in_one_way() {
    let mut world = World::start().await;
    let (reporter, one, other) = by_roots(&mut world).await;
    let entries = vec![contribution(&one, 1), contribution(&other, 1)];
    world.does(&reporter, Call::SubmitContributions { session_number: SESSION, settlement: 1, entries }).await;
    let tree = tree(SESSION, &[(&one, POOL)]);
    publish(&world, &reporter, &tree).await;
    let distribute = Call::DistributeRewards { session_number: SESSION };
    world.is_refused(&reporter, distribute, Abort::SessionClosed).await;
    world.does(&one, claim(&tree, &one)).await;
    world.is_refused(&one, CLAIM, Abort::NothingToClaim).await;
    assert_eq!(world.vault(), 0);
}

#[tokio::test]
async fn a39_a_distribution_happens_once() {
    let mut world = World::start().await;
    let (reporter, workers) = distributed(&mut world, &[5, 7]).await;
    world.is_refused(&reporter, Call::DistributeRewards { session_number: SESSION }, Abort::SessionClosed).await;
    let root = Call::PublishRoot { session_number: SESSION, root: [1; 32], total: 1 };
    world.is_refused(&reporter, root, Abort::SessionClosed).await;
    let more = Call::SubmitContributions {
        session_number: SESSION,
        settlement: 2,
        entries: vec![contribution(&workers[0], 9)],
    };
    world.is_refused(&reporter, more, Abort::SessionClosed).await;
    world.is_refused(&world.admin(), Call::CloseSession { session_number: SESSION }, Abort::SessionClosed).await;
    assert_eq!(world.vault(), POOL);
}

#[tokio::test]
async fn a39_a_node_registers_once() {
    let mut world = World::start().await;
    let worker = world.funded().await;
    let call = |id| Call::RegisterNode(registration(id));
    race(&world, &worker, &call("first"), Abort::AlreadyRegistered).await;
    world.is_refused(&worker, call("second"), Abort::AlreadyRegistered).await;
    assert_eq!(world.client().node(worker.address()).await.unwrap().unwrap().node_id, "first");
}

#[tokio::test]
async fn a39_nobody_signs_for_another() {
    let mut world = World::start().await;
    let (_, workers) = distributed(&mut world, &[1, 1]).await;
    let [one, other] = &workers[..] else { panic!("two workers") };
    // The thief's key over the victim's transaction, and the victim's signature over another one.
    let stolen = world.signed(one, other, &CLAIM);
    let mut altered = world.signed(one, one, &Call::ClaimReward { session_number: SESSION + 1 });
    altered.raw_txn.payload = stolen.raw_txn.payload.clone();
    for forged in [stolen, altered] {
        let refused = world.ledger().submit(&forged.to_bcs().unwrap()).unwrap_err();
        assert!(matches!(refused, ledger_embedded::Refused::Signature(_)), "{refused}");
    }
    assert_eq!(world.vault(), POOL);
    world.does(one, CLAIM).await;
    world.check_books().await;
}

#[tokio::test]
async fn a39_a_transaction_that_is_sent_again_lands_once() {
    let mut world = World::start().await;
    let (_, workers) = distributed(&mut world, &[1, 1]).await;
    let client = world.client();
    let signed = client.prepare(&workers[0], &CLAIM).await.unwrap();
    let first = client.send_and_wait(&signed).await.unwrap();
    for _ in 0..3 {
        assert_eq!(client.send_and_wait(&signed).await.unwrap(), first);
    }
    world.pass_s(EXPIRED_S);
    assert_eq!(client.send_and_wait(&signed).await.unwrap(), first);
    assert_eq!(world.successes()["claim_reward"], 1);
    world.check_books().await;
}

#[tokio::test]
async fn a39_totals_near_the_end_of_their_numbers_neither_wrap_nor_pay_more() {
    let mut world = World::start().await;
    let (reporter, one, other) = by_roots(&mut world).await;
    let batch = |settlement, entries| Call::SubmitContributions { session_number: SESSION, settlement, entries };
    let mut most = contribution(&one, u64::MAX);
    most.data_transmitted = u64::MAX;
    let mut least = contribution(&other, 1);
    least.data_transmitted = 1;
    world.does(&reporter, batch(1, vec![most, least])).await;
    let (mut time, mut data) = (contribution(&one, 1), contribution(&one, 0));
    (time.data_transmitted, data.data_transmitted) = (0, 1);
    for more in [time, data] {
        // The batch's first entry is in order, and lands no more than the second.
        world.is_refused(&reporter, batch(2, vec![contribution(&other, 1), more]), Abort::Overflow).await;
    }
    world.does(&reporter, Call::DistributeRewards { session_number: SESSION }).await;
    world.pass_s(DELAY_S);
    let before = world.holds(one.address()) + world.holds(other.address());
    world.does(&one, CLAIM).await;
    world.does(&other, CLAIM).await;
    assert_eq!(world.holds(one.address()) + world.holds(other.address()) - before, POOL);
    assert_eq!(world.vault(), 0);
}

#[tokio::test]
async fn a39_bad_evidence_and_late_doubts_take_nothing_away() {
    let mut world = World::start().await;
    let reporter = world.reporter().await;
    world.does(&reporter, Call::CreateSession(session())).await;
    let (cheat, honest) = (world.worker().await, world.worker().await);
    let entries = vec![contribution(&cheat, 1), contribution(&honest, 1)];
    world.does(&reporter, Call::SubmitContributions { session_number: SESSION, settlement: 1, entries }).await;
    world.does(&reporter, Call::DistributeRewards { session_number: SESSION }).await;
    let doubt = |participant: Address, evidence: &[u8]| Call::InvalidateEarning {
        session_number: SESSION,
        participant,
        evidence: evidence.to_vec(),
    };
    let admin = world.admin();
    world.is_refused(&cheat, CLAIM, Abort::NotClaimableYet).await;
    for evidence in [&[][..], &[1; 257]] {
        world.is_refused(&admin, doubt(cheat.address(), evidence), Abort::InvalidEvidence).await;
    }
    // Neither the one who reports nor the one who competes may take an earning away.
    for other in [&reporter, &honest] {
        world.is_refused(other, doubt(cheat.address(), b"x"), Abort::NotAdmin).await;
    }
    let (before, earned) =
        (world.holds(reporter.address()), world.client().earning(SESSION, cheat.address()).await.unwrap());
    world.does(&admin, doubt(cheat.address(), &[1; 256])).await;
    assert_eq!(world.holds(reporter.address()) - before, earned.amount);
    world.is_refused(&admin, doubt(cheat.address(), b"again"), Abort::TooLate).await;
    world.pass_s(DELAY_S);
    world.is_refused(&cheat, CLAIM, Abort::NothingToClaim).await;
    world.is_refused(&admin, doubt(honest.address(), b"late"), Abort::TooLate).await;
    world.does(&honest, CLAIM).await;
    assert_eq!(world.vault(), 0);
    world.check_books().await;
}

#[tokio::test]
async fn a39_an_invalidated_root_pays_nothing() {
    let mut world = World::start().await;
    let (reporter, one, _) = by_roots(&mut world).await;
    let tree = tree(SESSION, &[(&one, POOL)]);
    world.does(&reporter, Call::PublishRoot { session_number: SESSION, root: tree.root(), total: POOL }).await;
    world.is_refused(&one, claim(&tree, &one), Abort::NoRoot).await;
    world.does(&world.admin(), Call::InvalidateRoot { session_number: SESSION, evidence: b"inflated".to_vec() }).await;
    world.pass_s(DELAY_S);
    world.is_refused(&one, claim(&tree, &one), Abort::NoRoot).await;
    publish(&world, &reporter, &tree).await;
    let late = Call::InvalidateRoot { session_number: SESSION, evidence: b"late".to_vec() };
    world.is_refused(&world.admin(), late, Abort::TooLate).await;
    world.does(&one, claim(&tree, &one)).await;
    assert_eq!(world.vault(), 0);
}

#[tokio::test]
async fn a39_the_sponsor_of_nothing_is_told_so() {
    let mut world = World::start().await;
    let reporter = world.funded().await;
    world.is_refused(&reporter, Call::CreateSession(session()), Abort::NotReporter).await;
    let poor = world.poor();
    let refused = world.client().submit(&poor, &CLAIM).await.unwrap_err();
    assert!(matches!(refused, ClientError::BalanceLow { balance: 0, .. }), "{refused}");
    let reporter = world.reporter().await;
    let call = Call::CreateSession(SessionConditions { pool: u64::MAX, ..session() });
    world.is_refused(&reporter, call, Abort::InsufficientBalance).await;
}
