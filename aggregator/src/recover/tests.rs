use std::fs;

use node::job::Exchange;
use record::RunDirectory;

use super::*;
use crate::testing::{Reach, Swarm};

/// The state hash after four undisturbed rounds.
fn undisturbed(exchange: Exchange) -> Hash {
    let mut swarm = Swarm::new(exchange);
    (0..4).for_each(|_| swarm.round(Reach::Line));
    swarm.state.hash()
}

/// The same session after its process died: what the disk holds, recovered.
fn reopened(mut swarm: Swarm) -> Swarm {
    swarm.run = RunDirectory::open(swarm.run.root()).unwrap();
    let Recovered { head, state, mut journal, records, rounds_log, .. } = swarm.recovered().unwrap();
    // What the protocol's core does with the records: a committed round among them is the head already.
    for record in &records {
        if let Record::Committed(committed) = record {
            journal.commit(committed).unwrap();
        }
    }
    (swarm.session.head, swarm.session.state) = (head.unwrap(), state);
    (swarm.journal, swarm.rounds_log) = (Some(journal), rounds_log);
    swarm
}

#[test]
fn a_run_killed_at_any_point_of_any_round_ends_in_the_state_of_an_undisturbed_one() {
    for exchange in [Exchange::PseudoGradient, Exchange::Gradient] {
        let expected = undisturbed(exchange);
        for killed_in in 1..=3 {
            for reach in [Reach::Payloads, Reach::Record, Reach::Manifest, Reach::Line, Reach::Checkpoint] {
                let mut swarm = Swarm::new(exchange);
                (1..killed_in).for_each(|_| swarm.round(Reach::Line));
                swarm.round(reach);
                let mut swarm = reopened(swarm);
                while swarm.head.outer_steps < 4 {
                    swarm.round(Reach::Line);
                }
                assert_eq!(swarm.state.hash(), expected, "{exchange:?} killed in round {killed_in} after {reach:?}");
            }
        }
    }
}

#[test]
fn a_damaged_newest_checkpoint_costs_a_replay_and_no_round() {
    let mut swarm = Swarm::new(Exchange::PseudoGradient);
    swarm.round(Reach::Checkpoint);
    swarm.round(Reach::Checkpoint);
    swarm.round(Reach::Line);
    fs::write(swarm.run.checkpoints().join("000002/model.safetensors"), b"torn").unwrap();
    let recovered = swarm.recovered().unwrap();
    assert_eq!(recovered.checkpoint_round, Round(1));
    assert_eq!(recovered.state.hash(), swarm.state.hash());
    assert_eq!(recovered.head, Some(swarm.head.clone()));
    assert!(recovered.notes[0].contains("model.safetensors"), "{:?}", recovered.notes);
}

#[test]
fn rounds_without_a_line_are_told() {
    let mut swarm = Swarm::new(Exchange::PseudoGradient);
    swarm.round(Reach::Line);
    swarm.round(Reach::Manifest);
    let recovered = swarm.recovered().unwrap();
    let unlogged: Vec<Round> = recovered.unlogged.iter().map(|committed| committed.manifest.body.round).collect();
    assert_eq!((unlogged, recovered.rounds.len()), (vec![Round(2)], 1));
}

#[test]
fn a_run_that_never_began_a_round_recovers_its_start() {
    let mut swarm = Swarm::new(Exchange::PseudoGradient);
    fs::remove_file(swarm.run.open_round()).unwrap();
    let recovered = swarm.recovered().unwrap();
    assert_eq!((recovered.head, recovered.state.hash()), (None, swarm.state.hash()));
}

#[test]
fn a_missing_or_changed_payload_is_named() {
    let mut swarm = Swarm::new(Exchange::PseudoGradient);
    swarm.round(Reach::Line);
    let committed = manifests::read(&swarm.run, Round(1)).unwrap();
    let hash = committed.manifest.body.contributions[1].payload_hash.unwrap();
    let path = swarm.run.payload(Round(1), &hash);
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!(swarm.recovered().unwrap_err().to_string().contains(&hash.to_string()));
    fs::remove_file(path).unwrap();
    assert!(swarm.recovered().unwrap_err().to_string().contains(&hash.to_string()));
}

#[test]
fn a_manifest_without_its_quorum_or_out_of_the_chain_is_refused() {
    let mut swarm = Swarm::new(Exchange::PseudoGradient);
    swarm.round(Reach::Line);
    swarm.round(Reach::Line);
    let path = swarm.run.manifest(Round(2));
    let whole = manifests::read(&swarm.run, Round(2)).unwrap();
    swarm.journal = None;
    let rewrite = |committed: CommittedManifest| {
        fs::remove_file(&path).unwrap();
        manifests::write(&swarm.run, &committed).unwrap();
        recover(&swarm.run).unwrap_err()
    };
    let mut below = whole.clone();
    below.signatures.attestations.truncate(1);
    assert!(matches!(rewrite(below), RecoverError::Certificate { round: Round(2), .. }));
    let mut elsewhere = whole.manifest.body.clone();
    elsewhere.parent_hash = Hash::ZERO;
    assert!(matches!(rewrite(swarm.certify(elsewhere)), RecoverError::Chain { what: "the manifest before", .. }));
    let mut other = whole.manifest.body.clone();
    other.state_hash = Hash::ZERO;
    assert!(matches!(rewrite(swarm.certify(other)), RecoverError::Replay { round: Round(2), .. }));
}

#[test]
fn an_altered_manifest_file_is_refused() {
    let mut swarm = Swarm::new(Exchange::PseudoGradient);
    swarm.round(Reach::Line);
    let path = swarm.run.manifest(Round(1));
    let text = fs::read_to_string(&path).unwrap().replacen("\"weight\": 64", "\"weight\": 63", 1);
    fs::write(&path, text).unwrap();
    assert!(matches!(swarm.recovered(), Err(RecoverError::File(FileError::Damaged { .. }))));
}

#[test]
fn a_changed_job_is_refused() {
    let mut swarm = Swarm::new(Exchange::PseudoGradient);
    let mut job = Job::read(&swarm.run.job()).unwrap();
    job.train.outer_steps += 1;
    fs::write(swarm.run.job(), job.to_toml().unwrap()).unwrap();
    assert!(matches!(swarm.recovered(), Err(RecoverError::Fingerprint { .. })));
}

#[test]
fn abandoned_rounds_leave_nothing_behind() {
    let mut swarm = Swarm::new(Exchange::PseudoGradient);
    swarm.round(Reach::Line);
    swarm.round(Reach::Payloads);
    assert!(swarm.run.round(Round(2)).exists());
    swarm.journal().discard(Round(2)).unwrap();
    swarm.journal().discard(Round(1)).unwrap();
    assert!(!swarm.run.round(Round(2)).exists());
    assert!(swarm.run.manifest(Round(1)).exists());
}
