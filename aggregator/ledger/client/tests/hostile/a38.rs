//! A38: what a worker says of itself earns nothing. Contributions come from reporters alone, and an offer, which a
//! worker signs and a sponsor pays for, can do four things and nothing else.

use crate::world::{DELAY_S, FUNDS, POOL, Person, SESSION, World, contribution, registration, session};
use aptos_sdk::transaction::{
    AccountAuthenticator, EntryFunction, FeePayerRawTransaction, RawTransaction, TransactionExecutable,
    TransactionExtraConfig, TransactionPayload, TransactionPayloadInner,
};
use aptos_sdk::types::{AccountAddress, ChainId};
use contract::{Abort, Address, Value};
use ledger_client::{Call, Ceilings, Entry, Offer, OfferConditions, OfferError, Registration, sign_heartbeat};

/// What a worker that lies about itself would report.
fn inflated(of: &Person) -> Entry {
    Entry { compute_time: 1_000_000, data_transmitted: 1_000_000, gradient_quality: 100, ..contribution(of, 1) }
}

#[tokio::test]
async fn a38_a_participant_cannot_report_itself() {
    let mut world = World::start().await;
    let reporter = world.reporter().await;
    world.does(&reporter, Call::CreateSession(session())).await;
    let (liar, honest) = (world.worker().await, world.worker().await);
    let entries = vec![contribution(&liar, 1), contribution(&honest, 3)];
    world.does(&reporter, Call::SubmitContributions { session_number: SESSION, settlement: 1, entries }).await;
    let of_itself = inflated(&liar);
    let tree = rewards::merkle::Tree::new(SESSION, [(liar.address().0, POOL)].into()).unwrap();
    let reports = [
        Call::SubmitDetailedContribution { session_number: SESSION, entry: of_itself },
        Call::SubmitContributions { session_number: SESSION, settlement: 2, entries: vec![of_itself] },
        Call::SetReputation { node: liar.address(), reputation: 100 },
        Call::PublishRoot { session_number: SESSION, root: tree.root(), total: POOL },
        Call::DistributeRewards { session_number: SESSION },
        Call::CreateSession(ledger_client::SessionConditions { session_number: SESSION + 1, ..session() }),
    ];
    for report in reports {
        world.is_refused(&liar, report, Abort::NotReporter).await;
    }
    let rights = [
        Call::SetReporter { reporter: liar.address(), allowed: true },
        Call::SetClaimDelay { claim_delay_s: 0 },
        Call::ConfigureRewards { base_percentage: 0, bonus_percentage: 100, quality_threshold: 0 },
        Call::InvalidateEarning { session_number: SESSION, participant: honest.address(), evidence: b"x".to_vec() },
        Call::CloseSession { session_number: SESSION },
    ];
    for right in rights {
        world.is_refused(&liar, right, Abort::NotAdmin).await;
    }
    is_paid_as_reported(&world, &reporter, &[(&liar, 1), (&honest, 3)]).await;
}

/// Distributes, and compares the earnings with what the reporter's own numbers come to.
async fn is_paid_as_reported(world: &World, reporter: &Person, reported: &[(&Person, u64)]) {
    world.does(reporter, Call::DistributeRewards { session_number: SESSION }).await;
    let participant = |(of, time): &(&Person, u64)| rewards::Participant {
        address: of.address().0,
        compute_time: *time,
        data_transmitted: 10,
        quality_sum: 95,
        uptime_sum: 100,
        count: 1,
    };
    let participants: Vec<_> = reported.iter().map(participant).collect();
    let rules = rewards::Rules::new(80, 20, 90).unwrap();
    let split = rewards::split(POOL, rules, &participants).unwrap();
    let mut total = 0;
    for share in &split.shares {
        let earning = world.client().earning(SESSION, Address(share.address)).await.unwrap();
        assert_eq!(earning.amount, share.reward());
        total += earning.amount;
    }
    assert_eq!(total, POOL);
    world.pass_s(DELAY_S);
    for (of, _) in reported {
        world.does(of, Call::ClaimReward { session_number: SESSION }).await;
    }
    assert_eq!(world.vault(), 0);
    world.check_books().await;
}

#[tokio::test]
async fn a38_a_claimed_capacity_earns_nothing() {
    let mut world = World::start().await;
    let reporter = world.reporter().await;
    world.does(&reporter, Call::CreateSession(session())).await;
    let (boaster, honest) = (world.funded().await, world.worker().await);
    let claims = Registration { compute_capacity: u64::MAX, bandwidth: u64::MAX, ..registration("boaster") };
    world.does(&boaster, Call::RegisterNode(claims)).await;
    let entries = vec![contribution(&boaster, 2), contribution(&honest, 2)];
    world.does(&reporter, Call::SubmitContributions { session_number: SESSION, settlement: 1, entries }).await;
    is_paid_as_reported(&world, &reporter, &[(&boaster, 2), (&honest, 2)]).await;
}

#[tokio::test]
async fn a38_a_report_of_a_stranger_is_refused_whole() {
    let mut world = World::start().await;
    let reporter = world.reporter().await;
    world.does(&reporter, Call::CreateSession(session())).await;
    let (worker, stranger) = (world.worker().await, world.funded().await);
    let batch = |entries| Call::SubmitContributions { session_number: SESSION, settlement: 1, entries };
    let entries = vec![contribution(&worker, 1), contribution(&stranger, 1)];
    world.is_refused(&reporter, batch(entries), Abort::NotRegistered).await;
    for (quality, uptime) in [(101, 100), (100, 101), (u64::MAX, 0)] {
        let above = Entry { gradient_quality: quality, uptime_ratio: uptime, ..contribution(&worker, 1) };
        world.is_refused(&reporter, batch(vec![contribution(&worker, 1), above]), Abort::InvalidRatio).await;
    }
    world.does(&reporter, batch(vec![contribution(&worker, 1)])).await;
    world.is_refused(&reporter, batch(vec![contribution(&worker, 1)]), Abort::SettlementOutOfOrder).await;
    let skips =
        Call::SubmitContributions { session_number: SESSION, settlement: 3, entries: vec![contribution(&worker, 1)] };
    world.is_refused(&reporter, skips, Abort::SettlementOutOfOrder).await;
    assert_eq!(world.client().contribution(SESSION, worker.address()).await.unwrap().count, 1);
}

/// What a hostile worker may choose of an offer.
struct Forgery {
    entry: EntryFunction,
    sender: Address,
    sponsor: Address,
    chain_id: u8,
    max_gas: u64,
    price: u64,
    expires_s: u64,
    sequence: u64,
}

impl Forgery {
    /// An offer that is in order.
    fn of(world: &World, worker: &Person, sponsor: &Person) -> Forgery {
        Forgery {
            entry: entry(world, &Call::Heartbeat),
            sender: worker.address(),
            sponsor: sponsor.address(),
            chain_id: 4,
            max_gas: 5_000,
            price: 100,
            expires_s: world.now_s() + 30,
            sequence: u64::MAX,
        }
    }

    /// The offer's bytes, signed by someone's key.
    fn signed_by(&self, signer: &Person) -> Vec<u8> {
        let raw = RawTransaction::new(
            AccountAddress::new(self.sender.0),
            self.sequence,
            TransactionPayload::Payload(TransactionPayloadInner::V1 {
                executable: TransactionExecutable::EntryFunction(self.entry.clone()),
                extra_config: TransactionExtraConfig::V1 { multisig_address: None, replay_protection_nonce: Some(1) },
            }),
            self.max_gas,
            self.price,
            self.expires_s,
            ChainId::new(self.chain_id),
        );
        let sponsor = AccountAddress::new(self.sponsor.0);
        let message = FeePayerRawTransaction::new_simple(raw.clone(), sponsor).signing_message().unwrap();
        let signature: AccountAuthenticator = signer.sign(&message);
        aptos_bcs::to_bytes(&(raw, sponsor, signature)).unwrap()
    }
}

fn entry(world: &World, call: &Call) -> EntryFunction {
    let name = format!("{}::training_rewards::{}", world.ledger().module(), call.function());
    let args = call.arguments().iter().map(Value::bcs).collect();
    EntryFunction::from_function_id(&name, Vec::new(), args).unwrap()
}

fn conditions(world: &World, sponsor: &Person) -> OfferConditions {
    OfferConditions { chain_id: 4, module: world.ledger().module(), sponsor: sponsor.address() }
}

fn decoded(world: &World, sponsor: &Person, bytes: &[u8]) -> Result<Offer, OfferError> {
    Offer::decode(bytes, &conditions(world, sponsor), &Ceilings::default(), world.now_s())
}

#[tokio::test]
async fn a38_an_offer_reports_nothing_and_changes_no_rights() {
    let mut world = World::start().await;
    // The sponsor is the reporter: signed by it as well, these calls would be its own.
    let (sponsor, liar) = (world.reporter().await, world.worker().await);
    world.does(&sponsor, Call::CreateSession(session())).await;
    let calls = [
        Call::SubmitDetailedContribution { session_number: SESSION, entry: inflated(&liar) },
        Call::SubmitContributions { session_number: SESSION, settlement: 1, entries: vec![inflated(&liar)] },
        Call::DistributeRewards { session_number: SESSION },
        Call::PublishRoot { session_number: SESSION, root: [1; 32], total: POOL },
        Call::SetReporter { reporter: liar.address(), allowed: true },
        Call::SetReputation { node: liar.address(), reputation: 100 },
        Call::CreateSession(ledger_client::SessionConditions { session_number: 9, ..session() }),
        Call::DeactivateNode,
        Call::AcceptAdmin,
    ];
    for call in calls {
        let forged = Forgery { entry: entry(&world, &call), ..Forgery::of(&world, &liar, &sponsor) };
        let refused = decoded(&world, &sponsor, &forged.signed_by(&liar)).unwrap_err();
        assert_eq!(refused, OfferError::Function(call.function()));
    }
    let transfer = |module: &str| EntryFunction::from_function_id(module, Vec::new(), vec![]).unwrap();
    for other in ["0x1::aptos_account::transfer", "0x2::training_rewards::claim_reward"] {
        let forged = Forgery { entry: transfer(other), ..Forgery::of(&world, &liar, &sponsor) };
        let refused = decoded(&world, &sponsor, &forged.signed_by(&liar)).unwrap_err();
        assert!(matches!(refused, OfferError::Transaction(_)), "{other}: {refused}");
    }
    assert_eq!(world.client().contribution(SESSION, liar.address()).await.unwrap().count, 0);
    world.check_books().await;
}

#[tokio::test]
async fn a38_an_offer_in_anothers_name_or_dearer_is_refused() {
    let mut world = World::start().await;
    let (sponsor, worker, victim) = (world.funded().await, world.worker().await, world.worker().await);
    let good = || Forgery::of(&world, &worker, &sponsor);
    assert!(decoded(&world, &sponsor, &good().signed_by(&worker)).is_ok());
    let now_s = world.now_s();
    let forged = [
        (good().signed_by(&victim), "signature"),
        (Forgery { sender: victim.address(), ..good() }.signed_by(&worker), "signature"),
        (Forgery { sponsor: victim.address(), ..good() }.signed_by(&worker), "not to"),
        (Forgery { chain_id: 1, ..good() }.signed_by(&worker), "another chain"),
        (Forgery { max_gas: 20_001, ..good() }.signed_by(&worker), "gas limit"),
        (Forgery { price: 1_001, ..good() }.signed_by(&worker), "gas price"),
        (Forgery { expires_s: now_s, ..good() }.signed_by(&worker), "expiry"),
        (Forgery { expires_s: now_s + 120, ..good() }.signed_by(&worker), "expiry"),
        (Forgery { sequence: 0, ..good() }.signed_by(&worker), "sequence"),
        (vec![0; 4_097], "4097 bytes"),
        ([good().signed_by(&worker), vec![0]].concat(), "encoding"),
    ];
    for (bytes, expected) in forged {
        let refused = decoded(&world, &sponsor, &bytes).unwrap_err().to_string();
        assert!(refused.contains(expected), "{expected}: {refused}");
    }
    // Whatever bit is turned, the offer is another's or none.
    let bytes = good().signed_by(&worker);
    for place in 0..8 * bytes.len() {
        let mut turned = bytes.clone();
        turned[place / 8] ^= 1 << (place % 8);
        assert!(decoded(&world, &sponsor, &turned).is_err(), "bit {place}");
    }
}

#[tokio::test]
async fn a38_arguments_out_of_bounds_are_not_paid_for() {
    let mut world = World::start().await;
    let (sponsor, worker) = (world.funded().await, world.poor());
    let long = |node_id: String| Call::RegisterNode(Registration { node_id, ..registration("n") });
    let claim = |hashes| Call::Claim { session_number: SESSION, cumulative: 1, proof: vec![[0; 32]; hashes] };
    for call in [long(String::new()), long("n".repeat(129)), claim(33)] {
        let forged = Forgery { entry: entry(&world, &call), max_gas: 20_000, ..Forgery::of(&world, &worker, &sponsor) };
        let refused = decoded(&world, &sponsor, &forged.signed_by(&worker)).unwrap_err();
        assert_eq!(refused, OfferError::Arguments, "{call:?}");
    }
    let mut entry = entry(&world, &Call::ClaimReward { session_number: SESSION });
    entry.args.push(vec![1]);
    let forged = Forgery { entry, ..Forgery::of(&world, &worker, &sponsor) };
    let refused = decoded(&world, &sponsor, &forged.signed_by(&worker)).unwrap_err();
    assert!(matches!(refused, OfferError::Transaction(_)), "{refused}");
    // Well-formed, but it would fail: the sponsor asks first and does not pay.
    let bytes = sign_heartbeat(&conditions(&world, &sponsor), &worker, world.now_s(), 1).unwrap();
    let offer = decoded(&world, &sponsor, &bytes).unwrap();
    assert!(world.client().sponsor(&sponsor, &offer).await.is_err(), "its node is not registered");
    assert_eq!(world.client().balance(sponsor.address()).await.unwrap(), FUNDS);
}
