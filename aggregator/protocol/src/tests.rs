//! Decoding: canonical, bounded, and never a panic.

use crate::{EncodingError, Roster, Signed, Term, roster::RosterMember};
use crate::{
    Hash, Hello, HelloReply, Invite, Message, PieceReply, PieceRequest, Round, WorkerId,
    coordinator::Record,
    decode, encode,
    limits::{MEMBERS_MAX, MESSAGE_BYTES_MAX, OFFER_BYTES_MAX, OFFERS_MAX},
    member::MemberRecord,
    message::Offer,
    testing::{aggregator, closed_set, head, keypair, keypairs},
};
use proptest::prelude::*;

fn decode_all(bytes: &[u8]) {
    let _ = decode::<Message>(bytes, MESSAGE_BYTES_MAX);
    let _ = decode::<Record>(bytes, MESSAGE_BYTES_MAX);
    let _ = decode::<MemberRecord>(bytes, MESSAGE_BYTES_MAX);
    let _ = decode::<Hello>(bytes, MESSAGE_BYTES_MAX);
    let _ = decode::<HelloReply>(bytes, MESSAGE_BYTES_MAX);
    let _ = decode::<PieceRequest>(bytes, MESSAGE_BYTES_MAX);
    let _ = decode::<PieceReply>(bytes, MESSAGE_BYTES_MAX);
    let _ = decode::<Invite>(bytes, MESSAGE_BYTES_MAX);
}

fn a_message() -> Message {
    Message::Start { round: Round(1), term: Term::FIRST, head: head(&keypairs(4)) }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        decode_all(&bytes);
    }

    #[test]
    fn a_message_with_changed_bytes_never_panics(
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        length in any::<prop::sample::Index>(),
    ) {
        for message in [a_message(), Message::Close(Signed::new(closed_set(&keypairs(3), Round(1)), &aggregator()))] {
            let mut bytes = encode(&message);
            let place = place.index(bytes.len());
            bytes[place] = byte;
            decode_all(&bytes);
            bytes.truncate(length.index(bytes.len()));
            decode_all(&bytes);
        }
    }

    #[test]
    fn random_text_is_no_invite(text in ".{0,200}") {
        prop_assert!(text.parse::<Invite>().is_err());
        let prefixed = ["cotrain1", &text].concat();
        prop_assert!(prefixed.parse::<Invite>().is_err());
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(request) = decode::<PieceRequest>(&bytes, 80) {
            prop_assert_eq!(decode::<PieceRequest>(&encode(&request), 80), Ok(request));
        }
    }
}

#[test]
fn a_message_survives_the_wire() {
    let message = a_message();
    assert_eq!(decode::<Message>(&encode(&message), MESSAGE_BYTES_MAX), Ok(message));
}

#[test]
fn bytes_that_follow_are_refused() {
    let mut bytes = encode(&a_message());
    bytes.push(0);
    assert_eq!(decode::<Message>(&bytes, MESSAGE_BYTES_MAX), Err(EncodingError::Trailing(1)));
}

#[test]
fn a_value_longer_than_its_kind_is_refused_unread() {
    let bytes = encode(&a_message());
    let refused = decode::<Message>(&bytes, bytes.len() - 1);
    assert_eq!(refused, Err(EncodingError::TooLong { bytes: bytes.len(), bytes_max: bytes.len() - 1 }));
}

#[test]
fn a_roster_of_more_than_64_is_refused() {
    let member = head(&keypairs(1)).roster.members[0].clone();
    let members = |count| -> Vec<RosterMember> { vec![member.clone(); count] };
    assert!(decode::<Roster>(&encode(&members(MEMBERS_MAX)), MESSAGE_BYTES_MAX).is_ok());
    assert!(decode::<Roster>(&encode(&members(MEMBERS_MAX + 1)), MESSAGE_BYTES_MAX).is_err());
}

#[test]
fn a_list_that_claims_a_huge_length_is_refused_at_once() {
    let claim = [0xff, 0xff, 0xff, 0xff, 0x0f]; // a list of 2^32 − 1
    assert!(decode::<Roster>(&claim, MESSAGE_BYTES_MAX).is_err());
}

#[test]
fn an_address_longer_than_its_bound_is_refused() {
    let mut member = head(&keypairs(1)).roster.members[0].clone();
    member.addresses = vec!["x".repeat(257)];
    assert!(decode::<RosterMember>(&encode(&member), MESSAGE_BYTES_MAX).is_err());
    member.addresses = vec!["x".repeat(256); 16];
    assert!(decode::<RosterMember>(&encode(&member), MESSAGE_BYTES_MAX).is_ok());
    member.addresses.push("y".to_owned());
    assert!(decode::<RosterMember>(&encode(&member), MESSAGE_BYTES_MAX).is_err());
}

#[test]
fn offers_are_few_and_short() {
    let offers = |count, bytes| encode(&Message::Offers(vec![Offer(vec![1; bytes]); count]));
    assert!(decode::<Message>(&offers(OFFERS_MAX, OFFER_BYTES_MAX), MESSAGE_BYTES_MAX).is_ok());
    assert!(decode::<Message>(&offers(OFFERS_MAX + 1, 1), MESSAGE_BYTES_MAX).is_err());
    assert!(decode::<Message>(&offers(1, OFFER_BYTES_MAX + 1), MESSAGE_BYTES_MAX).is_err());
}

#[test]
fn the_largest_messages_fit_the_limit() {
    let mut head = head(&keypairs(64));
    for member in &mut head.roster.members {
        member.addresses = vec!["x".repeat(256); 16];
    }
    let start = encode(&Message::Start { round: Round(1), term: Term::FIRST, head });
    // A manifest holds the roster, as many joins, and entries below 512 bytes.
    assert!(2 * start.len() + MEMBERS_MAX * 512 < MESSAGE_BYTES_MAX, "{} bytes", start.len());
}

#[test]
fn ids_are_hex_for_people_and_bytes_for_machines() {
    let worker = keypair(1).worker();
    let json = serde_json::to_string(&worker).unwrap();
    assert_eq!(json, format!("\"{worker}\""));
    assert_eq!(serde_json::from_str::<WorkerId>(&json).unwrap(), worker);
    assert_eq!(encode(&worker).len(), 32);
    assert_eq!(worker.to_string().parse::<WorkerId>(), Ok(worker));
}

#[test]
fn bad_hex_says_where() {
    assert_eq!("12".parse::<Hash>().unwrap_err().to_string(), "2 hex digits where 64 belong");
    let text = format!("{}g{}", "0".repeat(10), "0".repeat(53));
    assert_eq!(text.parse::<Hash>().unwrap_err().to_string(), "'g' at position 10 is no hex digit");
}
