use super::*;
use crate::{Account, Ceilings, OfferConditions, Registration, sign_heartbeat, sign_registration};

const NOW_S: u64 = 1_800_000_000;
const EVERY_MS: u64 = 600_000;

fn conditions() -> OfferConditions {
    OfferConditions { chain_id: 4, module: Address([9; 32]), sponsor: Address([8; 32]) }
}

fn worker(number: u8) -> Account {
    Account::from_secret(&[number; 32])
}

fn decode(bytes: &[u8], now_s: u64) -> Offer {
    Offer::decode(bytes, &conditions(), &Ceilings::default(), now_s).unwrap()
}

fn beat(of: u8, now_s: u64) -> Offer {
    decode(&sign_heartbeat(&conditions(), &worker(of), now_s, 1).unwrap(), now_s)
}

fn registration(of: u8, id: &str, now_s: u64) -> Offer {
    let node = Registration { node_id: id.into(), public_key: "k".into(), compute_capacity: 1, bandwidth: 2 };
    decode(&sign_registration(&conditions(), &worker(of), now_s, 1, node).unwrap(), now_s)
}

#[test]
fn registrations_go_first_and_the_newest_replaces_the_rest() {
    let mut offers = Offers::default();
    for offer in [beat(1, NOW_S), registration(2, "new", NOW_S + 1), registration(2, "old", NOW_S)] {
        assert!(offers.put(offer, 0, NOW_S, EVERY_MS));
    }
    assert_eq!(offers.take(0, NOW_S, EVERY_MS), Some(registration(2, "new", NOW_S + 1)));
    assert_eq!(offers.take(0, NOW_S, EVERY_MS), Some(beat(1, NOW_S)));
    assert_eq!(offers.take(0, NOW_S, EVERY_MS), None);
    assert_eq!(offers.due_ms(), None);
}

#[test]
fn one_sender_is_looked_at_every_other_second() {
    let mut offers = Offers::default();
    offers.put(registration(1, "a", NOW_S), 0, NOW_S, EVERY_MS);
    assert!(offers.take(0, NOW_S, EVERY_MS).is_some());
    offers.put(registration(1, "b", NOW_S), 0, NOW_S, EVERY_MS);
    assert_eq!(offers.take(SENDER_EVERY_MS - 1, NOW_S, EVERY_MS), None);
    assert_eq!(offers.due_ms(), Some(SENDER_EVERY_MS));
    assert!(offers.take(SENDER_EVERY_MS, NOW_S, EVERY_MS).is_some());
}

#[test]
fn heartbeats_keep_their_distance() {
    let mut offers = Offers::default();
    offers.put(beat(1, NOW_S), 0, NOW_S, EVERY_MS);
    let sender = offers.take(0, NOW_S, EVERY_MS).unwrap().sender;
    offers.note_beat(sender, 0);
    offers.put(beat(1, NOW_S), 10_000, NOW_S, EVERY_MS);
    assert_eq!(offers.take(10_000, NOW_S, EVERY_MS), None);
    assert_eq!(offers.due_ms(), None, "what comes too early is dropped");
    offers.put(beat(1, NOW_S + 600), EVERY_MS, NOW_S + 600, EVERY_MS);
    assert!(offers.take(EVERY_MS, NOW_S + 600, EVERY_MS).is_some());
}

#[test]
fn what_expired_is_dropped() {
    let mut offers = Offers::default();
    offers.put(beat(1, NOW_S), 0, NOW_S, EVERY_MS);
    assert_eq!(offers.take(0, beat(1, NOW_S).expires_s, EVERY_MS), None);
    assert_eq!(offers.due_ms(), None);
}

#[test]
fn senders_are_bounded() {
    let mut offers = Offers::default();
    let template = beat(1, NOW_S);
    let of = |number: usize| {
        let mut offer = template.clone();
        offer.sender.0[..8].copy_from_slice(&(number as u64).to_le_bytes());
        offer
    };
    for number in 0..SENDERS_MAX {
        assert!(offers.put(of(number), 0, NOW_S, EVERY_MS));
    }
    assert!(!offers.put(of(SENDERS_MAX), 0, NOW_S, EVERY_MS));
    assert!(offers.put(of(1), 0, NOW_S, EVERY_MS), "one that is known may go on");
    // Once they have expired there is room.
    assert!(offers.put(of(SENDERS_MAX), 0, NOW_S + 60, EVERY_MS));
}
