//! Signatures hold for what was signed, by whom, for which purpose, and nothing else.

use crate::{
    Hash, Round, Signable, Signed, Term, WorkerId,
    round::{Ballot, Countersign},
    testing::{SESSION, commit, keypair},
};

fn ballot() -> Ballot {
    Ballot { session: SESSION, round: Round(3), term: Term::FIRST, manifest_hash: Hash([9; 32]) }
}

#[test]
fn a_signature_verifies() {
    assert_eq!(Signed::new(ballot(), &keypair(1)).verify(), Ok(()));
}

#[test]
fn a_changed_value_does_not_verify() {
    let mut signed = Signed::new(ballot(), &keypair(1));
    signed.body.round = Round(4);
    assert!(signed.verify().is_err());
}

#[test]
fn another_signer_does_not_verify() {
    let mut signed = Signed::new(ballot(), &keypair(1));
    signed.signer = keypair(2).worker();
    assert!(signed.verify().is_err());
}

#[test]
fn a_signer_that_is_no_key_is_refused() {
    let mut signed = Signed::new(ballot(), &keypair(1));
    signed.signer = WorkerId([0xff; 32]);
    assert!(signed.verify().is_err());
}

#[test]
fn a_vote_is_no_countersignature() {
    // The same bytes in both kinds: only the domain tells them apart.
    let body = Countersign { session: SESSION, round: Round(3), term: Term::FIRST, closed_hash: Hash([9; 32]) };
    assert_eq!(crate::encode(&body), crate::encode(&ballot()));
    assert_ne!(Ballot::DOMAIN, Countersign::DOMAIN);
    let signature = keypair(1).sign(&ballot());
    assert!(signature.verify(&keypair(1).worker(), &body).is_err());
}

#[test]
fn the_salt_is_the_same_after_a_restart_and_differs_by_key_round_and_session() {
    let salt = keypair(1).salt(&SESSION, Round(1));
    assert_eq!(salt, keypair(1).salt(&SESSION, Round(1)));
    assert_ne!(salt, keypair(2).salt(&SESSION, Round(1)));
    assert_ne!(salt, keypair(1).salt(&SESSION, Round(2)));
    assert_ne!(salt, keypair(1).salt(&crate::SessionId([8; 32]), Round(1)));
}

#[test]
fn a_commitment_made_twice_is_the_same_bytes() {
    let payload = Hash::of(b"payload");
    assert_eq!(commit(&keypair(1), Round(1), &payload), commit(&keypair(1), Round(1), &payload));
}

#[test]
fn a_key_is_not_shown() {
    let shown = format!("{:?}", keypair(1));
    assert!(!shown.contains(&crate::encoding::to_hex(keypair(1).secret())));
}
