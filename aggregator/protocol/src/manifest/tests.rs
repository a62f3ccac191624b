//! A manifest follows from its record, and each lie in it is found.

use super::{CommittedManifest, Manifest, ManifestDocument, ManifestError, check};
use crate::{
    Certificate, CertificateError, ClosedSet, Hash, Head, Keypair, Parameters, Reason, Round, Signed, Verdict,
    score::Outcome,
    testing::{aggregator, closed_set, delivered, head, join, keypair, keypairs, manifest, measured, parameters},
};

struct Fixture {
    keypairs: Vec<Keypair>,
    head: Head,
    parameters: Parameters,
    set: ClosedSet,
    manifest: Manifest,
}

fn fixture() -> Fixture {
    let keypairs = keypairs(4);
    let (head, parameters) = (head(&keypairs), parameters(4));
    let set = closed_set(&keypairs, Round(1));
    let mut entries: Vec<_> =
        keypairs.iter().enumerate().map(|(number, keypair)| delivered(keypair, number, measured())).collect();
    entries[3].outcome = Outcome::Withheld;
    let manifest = manifest(&head, &parameters, &set, &entries, vec![join(&keypair(99))]);
    Fixture { keypairs, head, parameters, set, manifest }
}

fn committed(fixture: &Fixture, signers: &[Keypair]) -> CommittedManifest {
    let ballot = fixture.manifest.ballot();
    let signatures: Certificate = signers.iter().map(|keypair| (keypair.worker(), keypair.sign(&ballot))).collect();
    CommittedManifest { manifest: Signed::new(fixture.manifest.clone(), &aggregator()), signatures }
}

/// What is said of the manifest after a change.
fn changed(change: impl FnOnce(&mut Manifest)) -> Result<(), ManifestError> {
    let mut fixture = fixture();
    change(&mut fixture.manifest);
    check(&fixture.manifest, &fixture.head, &fixture.parameters, &fixture.set)
}

#[test]
fn an_honest_manifest_follows() {
    assert_eq!(changed(|_| {}), Ok(()));
}

#[test]
fn every_lie_is_found() {
    let worker = fixture().keypairs[1].worker();
    let judgement = Err(ManifestError::Judgement(worker));
    assert_eq!(changed(|manifest| manifest.contributions[1].score = 99), judgement);
    assert_eq!(changed(|manifest| manifest.contributions[1].weight += 1), judgement);
    assert_eq!(changed(|manifest| manifest.contributions[1].clip = 255), judgement);
    assert_eq!(changed(|manifest| manifest.contributions[1].verdict = Verdict::Rejected), judgement);
    assert_eq!(changed(|manifest| manifest.contributions[1].reason = Reason::LowScore), judgement);
    assert_eq!(
        changed(|manifest| manifest.contributions[1].salt = Some(Hash([9; 32]))),
        Err(ManifestError::Reveal(worker))
    );
    assert_eq!(
        changed(|manifest| manifest.contributions[1].payload_hash = Some(Hash([9; 32]))),
        Err(ManifestError::Reveal(worker))
    );
    assert_eq!(changed(|manifest| manifest.contributions.truncate(3)), Err(ManifestError::Entries));
    assert_eq!(changed(|manifest| manifest.contributions.swap(0, 1)), Err(ManifestError::Entries));
    assert_eq!(changed(|manifest| manifest.contributions[1].commitment = Hash([9; 32])), Err(ManifestError::Entries));
    assert_eq!(changed(|manifest| manifest.closed_hash = Hash([9; 32])), Err(ManifestError::Entries));
    assert_eq!(changed(|manifest| manifest.eval_seed = Hash([9; 32])), Err(ManifestError::Seed));
    assert_eq!(changed(|manifest| manifest.next_roster.members[0].voter = false), Err(ManifestError::Roster));
    assert_eq!(changed(|manifest| manifest.joins.clear()), Err(ManifestError::Roster));
    assert_eq!(changed(|manifest| manifest.joins.push(manifest.joins[0].clone())), Err(ManifestError::Joins));
    assert_eq!(changed(|manifest| manifest.parent_hash = Hash([9; 32])), Err(ManifestError::Head));
    assert_eq!(changed(|manifest| manifest.base_hash = Hash([9; 32])), Err(ManifestError::Head));
    assert_eq!(changed(|manifest| manifest.outer_step = 2), Err(ManifestError::Head));
    assert_eq!(changed(|manifest| manifest.cursor += 1), Err(ManifestError::Head));
    assert_eq!(changed(|manifest| manifest.round = Round(2)), Err(ManifestError::Round));
    assert_eq!(changed(|manifest| manifest.alpha = 1), Err(ManifestError::Parameters));
    assert_eq!(changed(|manifest| manifest.rho = (1, 1)), Err(ManifestError::Parameters));
    assert_eq!(changed(|manifest| manifest.codec = "other".to_owned()), Err(ManifestError::Parameters));
}

#[test]
fn a_round_without_an_accepted_contribution_leaves_the_state() {
    let fixture = fixture();
    let entries = fixture.manifest.contributions.iter().map(super::Contribution::entry);
    let withheld: Vec<_> = entries.map(|entry| crate::score::Entry { outcome: Outcome::Withheld, ..entry }).collect();
    let mut manifest = manifest(&fixture.head, &fixture.parameters, &fixture.set, &withheld, Vec::new());
    assert_eq!(check(&manifest, &fixture.head, &fixture.parameters, &fixture.set), Ok(()));
    manifest.state_hash = Hash([2; 32]);
    assert_eq!(check(&manifest, &fixture.head, &fixture.parameters, &fixture.set), Err(ManifestError::State));
}

#[test]
fn the_next_head_is_what_the_manifest_says() {
    let fixture = fixture();
    let next = Head::of(&fixture.manifest);
    assert_eq!((next.round, next.outer_steps, next.state_hash), (Round(1), 1, Hash([2; 32])));
    assert_eq!((next.parent_hash, next.manifest_hash), (fixture.head.manifest_hash, fixture.manifest.hash()));
    assert_eq!(next.cursor, 4 * 4 * 2);
    assert!(next.is_valid());
}

#[test]
fn a_quorum_commits_and_less_does_not() {
    let fixture = fixture();
    let verify =
        |signers: &[Keypair]| committed(&fixture, signers).verify(&aggregator().worker(), &fixture.head.roster);
    assert_eq!(verify(&fixture.keypairs), Ok(()));
    assert_eq!(verify(&fixture.keypairs[..3]), Ok(()));
    assert_eq!(verify(&fixture.keypairs[..2]), Err(CertificateError::BelowQuorum { have: 2, need: 3 }));
}

#[test]
fn no_signature_counts_twice_and_no_stranger_counts() {
    let fixture = fixture();
    let verify =
        |signers: &[Keypair]| committed(&fixture, signers).verify(&aggregator().worker(), &fixture.head.roster);
    let [a, b, ..] = &fixture.keypairs[..] else { unreachable!() };
    assert_eq!(verify(&[a.clone(), b.clone(), b.clone()]), Err(CertificateError::Order(b.worker())));
    let mut strangers = vec![a.clone(), b.clone(), keypair(99)];
    strangers.sort_by_key(Keypair::worker);
    assert_eq!(verify(&strangers), Err(CertificateError::NoVote(keypair(99).worker())));
    let mut forged = committed(&fixture, &fixture.keypairs[..3]);
    forged.signatures.attestations[2].signature = forged.signatures.attestations[1].signature;
    assert!(matches!(forged.verify(&aggregator().worker(), &fixture.head.roster), Err(CertificateError::Signature(_))));
    let honest = committed(&fixture, &fixture.keypairs);
    assert!(honest.verify(&keypair(99).worker(), &fixture.head.roster).is_err(), "another aggregator");
}

#[test]
fn the_json_form_has_its_fields_at_the_top_and_reads_back() {
    let fixture = fixture();
    let committed = committed(&fixture, &fixture.keypairs);
    let document = ManifestDocument::from(committed.clone());
    let json: serde_json::Value = serde_json::from_str(&serde_json::to_string(&document).unwrap()).unwrap();
    assert_eq!((json["round"].as_u64(), json["alpha"].as_u64()), (Some(1), Some(256)));
    assert_eq!(json["rho"], serde_json::json!([1, 5]));
    assert_eq!(json["base_hash"], serde_json::json!("01".repeat(32)));
    assert_eq!(json["state_hash"], serde_json::json!("02".repeat(32)));
    let first = &json["contributions"][0];
    assert_eq!(first["worker"], serde_json::json!(fixture.keypairs[0].worker().to_string()));
    assert_eq!(first["payload_hash"].as_str().map(str::len), Some(64));
    assert_eq!((first["weight"].as_u64(), first["clip"].as_u64()), (Some(32), Some(256)));
    assert_eq!((&first["verdict"], &first["reason"]), (&serde_json::json!("accepted"), &serde_json::json!("passed")));
    assert_eq!(json["contributions"][3]["reason"], serde_json::json!("withheld"));
    assert_eq!(json["signatures"][0]["signature"].as_str().map(str::len), Some(128));
    let back: ManifestDocument = serde_json::from_value(json).unwrap();
    assert_eq!(CommittedManifest::from(back), committed);
}

#[test]
fn the_commitment_and_the_seed_follow_the_formulas() {
    let fixture = fixture();
    let (worker, payload, salt) = (fixture.keypairs[0].worker(), Hash([3; 32]), Hash([4; 32]));
    let mut bytes = b"cotrain/commit/1".to_vec();
    bytes.extend([7; 32]);
    bytes.extend(5_u64.to_le_bytes());
    for part in [worker.0, [1; 32], payload.0, salt.0] {
        bytes.extend(part);
    }
    let digest =
        crate::Commitment::digest(&crate::testing::SESSION, Round(5), &worker, &Hash([1; 32]), &payload, &salt);
    assert_eq!(digest, Hash::of(&bytes));
    let mut bytes = b"cotrain/eval/1".to_vec();
    bytes.extend(fixture.set.hash().0);
    for keypair in &fixture.keypairs[..3] {
        bytes.extend(keypair.salt(&crate::testing::SESSION, Round(1)).0);
    }
    assert_eq!(fixture.manifest.eval_seed, Hash::of(&bytes));
}
