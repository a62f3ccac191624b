use std::fs;

use super::*;

struct Place {
    _directory: tempfile::TempDir,
    log: PathBuf,
    head: PathBuf,
}

fn written(lines: usize) -> Place {
    let directory = tempfile::tempdir().unwrap();
    let place = Place {
        log: directory.path().join("audit.jsonl"),
        head: directory.path().join("head.json"),
        _directory: directory,
    };
    let mut log = open(&place).unwrap();
    for number in 0..lines {
        log.append("round", &serde_json::json!({ "round": number })).unwrap();
    }
    place
}

fn open(place: &Place) -> Result<ChainedLog, ChainedLogError> {
    ChainedLog::open(&place.log, &place.head, Keypair::from_secret(&[1; 32]))
}

#[test]
fn a_log_goes_on_where_it_ended() {
    let place = written(2);
    let mut log = open(&place).unwrap();
    log.append("finished", &()).unwrap();
    assert_eq!(log.head().sequence, 3);
    let head = verify(&place.log, &place.head).unwrap();
    assert_eq!((head.body.sequence, head.signer), (3, Keypair::from_secret(&[1; 32]).worker()));
}

#[test]
fn a_crash_between_the_line_and_its_signature_is_no_tampering() {
    let place = written(2);
    let signed_before = fs::read(&place.head).unwrap();
    open(&place).unwrap().append("round", &2).unwrap();
    fs::write(&place.head, signed_before).unwrap();
    assert_eq!(open(&place).unwrap().head().sequence, 3);
}

#[test]
fn a_log_that_is_shorter_than_its_head_is_refused() {
    let place = written(3);
    let text = fs::read_to_string(&place.log).unwrap();
    let cut: String = text.split_inclusive('\n').take(2).collect();
    fs::write(&place.log, cut).unwrap();
    assert!(matches!(open(&place), Err(ChainedLogError::Head { sequence: 3, .. })));
}

#[test]
fn an_altered_line_is_refused() {
    let place = written(3);
    let text = fs::read_to_string(&place.log).unwrap().replace("\"round\":1", "\"round\":7");
    fs::write(&place.log, text).unwrap();
    assert!(matches!(open(&place), Err(ChainedLogError::Chain { sequence: 2, .. })));
}

#[test]
fn a_head_by_another_hand_is_refused() {
    let place = written(2);
    let mut head: Signed<ChainedHead> = disk::read_json(&place.head, HEAD_BYTES_MAX).unwrap();
    head.signer = Keypair::from_secret(&[2; 32]).worker();
    disk::write_json(&place.head, &head).unwrap();
    assert!(matches!(open(&place), Err(ChainedLogError::Signature { .. })));
}

#[test]
fn a_torn_last_line_is_dropped() {
    let place = written(2);
    let mut bytes = fs::read(&place.log).unwrap();
    bytes.extend_from_slice(b"{\"sequence\":3,\"prev");
    fs::write(&place.log, bytes).unwrap();
    assert_eq!(open(&place).unwrap().head().sequence, 2);
}
