//! Invites survive being typed, and say what is wrong when they do not.

use super::{Invite, InviteError};
use crate::{
    NetworkId,
    testing::{SESSION, aggregator},
};

fn invite() -> Invite {
    Invite {
        addresses: vec!["/ip4/127.0.0.1/tcp/4001".to_owned(), "/dns4/example.org/tcp/4001".to_owned()],
        aggregator: aggregator().worker(),
        network: NetworkId([5; 32]),
        session: SESSION,
        token: [6; 16],
    }
}

#[test]
fn an_invite_survives_its_text() {
    let text = invite().to_string();
    assert!(text.starts_with("cotrain1") && text.chars().all(|letter| letter.is_ascii_alphanumeric()), "{text}");
    assert_eq!(text.parse(), Ok(invite()));
}

#[test]
fn upper_case_and_white_space_are_forgiven() {
    let text = format!("  {}\n", invite().to_string().to_uppercase());
    assert_eq!(text.parse(), Ok(invite()));
}

#[test]
fn any_single_typing_error_is_noticed() {
    let text = invite().to_string();
    for place in "cotrain1".len()..text.len() {
        let mut letters: Vec<char> = text.chars().collect();
        letters[place] = if letters[place] == 'a' { 'b' } else { 'a' };
        let mistyped: String = letters.into_iter().collect();
        // The last letter may hold bits that belong to no byte.
        let read = mistyped.parse::<Invite>();
        assert!(read.is_err() || read == Ok(invite()), "letter {place}");
    }
}

#[test]
fn a_cut_off_invite_is_noticed() {
    let text = invite().to_string();
    assert_eq!(text[..text.len() - 2].parse::<Invite>(), Err(InviteError::Checksum));
    assert_eq!("cotrain1".parse::<Invite>(), Err(InviteError::Checksum));
}

#[test]
fn another_beginning_is_named() {
    assert_eq!("https://example.org".parse::<Invite>(), Err(InviteError::Prefix("https://".to_owned())));
}

#[test]
fn a_foreign_character_is_named_with_its_place() {
    let text = format!("{}!{}", &invite().to_string()[..20], &invite().to_string()[21..]);
    assert_eq!(text.parse::<Invite>(), Err(InviteError::Character { character: '!', position: 21 }));
}

#[test]
fn an_endless_text_is_refused_unread() {
    assert!(matches!(format!("cotrain1{}", "a".repeat(100_000)).parse::<Invite>(), Err(InviteError::TooLong(_))));
}
