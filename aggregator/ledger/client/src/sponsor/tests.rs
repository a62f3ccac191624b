use super::*;
use crate::{Home, TransactionHash};
use proptest::prelude::*;

const NOW_S: u64 = 1_800_000_000;

fn worker() -> Account {
    Account::from_secret(&[1; 32])
}

fn sponsor() -> Account {
    Account::from_secret(&[2; 32])
}

fn conditions() -> OfferConditions {
    OfferConditions { chain_id: 4, module: Address([9; 32]), sponsor: sponsor().address() }
}

fn registration() -> Registration {
    Registration { node_id: "node".into(), public_key: "key".into(), compute_capacity: 7, bandwidth: 8 }
}

fn decode(bytes: &[u8]) -> Result<Offer, OfferError> {
    Offer::decode(bytes, &conditions(), &Ceilings::default(), NOW_S)
}

/// An offer whose transaction is spoilt before the worker signs it.
fn spoilt(call: &Call, spoil: impl Fn(&mut RawTransaction)) -> Result<Offer, OfferError> {
    let limits = Limits { max_gas: 1_000, gas_unit_price: 100, expires_s: NOW_S + 30, nonce: 5 };
    let mut raw = transaction::raw(conditions().target(), worker().address(), call, limits);
    spoil(&mut raw);
    let message = transaction::sponsored_message(&raw, conditions().sponsor).unwrap();
    let signature = transaction::signature(&worker(), &message);
    let wire = Wire { raw, sponsor: AccountAddress::new(conditions().sponsor.0), signature };
    decode(&aptos_bcs::to_bytes(&wire).unwrap())
}

#[test]
fn every_signed_call_is_taken() {
    let (conditions, worker) = (conditions(), worker());
    let offers = [
        (sign_registration(&conditions, &worker, NOW_S, 1, registration()), OfferKind::Registration(registration())),
        (sign_heartbeat(&conditions, &worker, NOW_S, 2), OfferKind::Heartbeat),
        (sign_claim_reward(&conditions, &worker, NOW_S, 3, 6), OfferKind::ClaimReward { session_number: 6 }),
        (
            sign_claim(&conditions, &worker, NOW_S, 4, (6, 70, vec![[1; 32]; PROOF_MAX])),
            OfferKind::Claim { session_number: 6, cumulative: 70 },
        ),
    ];
    for (bytes, kind) in offers {
        let bytes = bytes.unwrap();
        let offer = decode(&bytes).unwrap();
        assert_eq!((offer.sender, &offer.kind), (worker.address(), &kind));
        let signed = offer.co_sign(&sponsor()).unwrap();
        assert_eq!(signed.sender(), worker.address());
        let home = Home { url: String::new(), chain_id: 4, module: conditions.module };
        assert_eq!(Signed::read(signed.bytes(), home.target()).as_ref(), Ok(&signed));
        assert_ne!(signed.hash(), TransactionHash([0; 32]));
    }
}

#[test]
fn refuses_each_thing_that_is_wrong() {
    let beat = Call::Heartbeat;
    let refused = |spoil: fn(&mut RawTransaction)| spoilt(&beat, spoil).unwrap_err();
    assert!(spoilt(&beat, |_| {}).is_ok());
    assert!(matches!(refused(|raw| raw.max_gas_amount = OFFER_GAS_MAX + 1), OfferError::GasLimit { .. }));
    assert!(matches!(refused(|raw| raw.gas_unit_price = 1_001), OfferError::GasPrice { found: 1_001, max: 1_000 }));
    assert!(matches!(refused(|raw| raw.expiration_timestamp_secs = NOW_S), OfferError::Expiry { .. }));
    assert!(matches!(refused(|raw| raw.expiration_timestamp_secs = NOW_S + 61), OfferError::Expiry { .. }));
    assert!(matches!(refused(|raw| raw.chain_id = aptos_sdk::types::ChainId::new(5)), OfferError::Transaction(_)));
    assert!(matches!(refused(|raw| raw.sequence_number = 0), OfferError::Transaction(_)));
    assert!(matches!(refused(|raw| raw.sender = AccountAddress::new([7; 32])), OfferError::Signature));
    let other = |call: Call| spoilt(&call, |_| {}).unwrap_err();
    assert_eq!(other(Call::SetPaused { paused: true }), OfferError::Function("set_paused"));
    assert_eq!(other(Call::CloseSession { session_number: 1 }), OfferError::Function("close_session"));
    let long = Registration { node_id: "n".repeat(129), ..registration() };
    assert_eq!(other(Call::RegisterNode(long)), OfferError::Arguments);
    let proof = vec![[0; 32]; PROOF_MAX + 1];
    assert_eq!(other(Call::Claim { session_number: 1, cumulative: 1, proof }), OfferError::Arguments);
}

#[test]
fn refuses_an_offer_to_another() {
    let bytes = |of: &OfferConditions| sign_heartbeat(of, &worker(), NOW_S, 1).unwrap();
    let other = OfferConditions { sponsor: worker().address(), ..conditions() };
    assert!(matches!(decode(&bytes(&other)).unwrap_err(), OfferError::Sponsor { .. }));
    let other = OfferConditions { module: Address([8; 32]), ..conditions() };
    assert!(matches!(decode(&bytes(&other)).unwrap_err(), OfferError::Transaction(_)));
    let other = OfferConditions { chain_id: 1, ..conditions() };
    assert!(matches!(decode(&bytes(&other)).unwrap_err(), OfferError::Transaction(_)));
    assert_eq!(decode(&vec![0; OFFER_BYTES_MAX + 1]).unwrap_err(), OfferError::TooLong(OFFER_BYTES_MAX + 1));
}

#[test]
fn an_offer_changed_or_cut_anywhere_is_refused() {
    let bytes = sign_registration(&conditions(), &worker(), NOW_S, 1, registration()).unwrap();
    assert!(decode(&bytes).is_ok());
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        assert!(decode(&changed).is_err(), "byte {place}");
        assert!(decode(&bytes[..place]).is_err(), "cut at {place}");
    }
    assert!(decode(&[bytes.as_slice(), &[0]].concat()).is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_decoding_panic(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        prop_assert!(decode(&bytes).is_err());
    }
}
