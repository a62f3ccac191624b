use super::*;
use std::fs;

const BOUNDS: Bounds = Bounds { body_bytes_max: 1 << 10, log_bytes_max: 1 << 12 };

fn open(path: &Path) -> Result<(RecordLog, Vec<(u64, String)>), FileError> {
    RecordLog::open_all(path, BOUNDS)
}

fn written(directory: &Path) -> (PathBuf, Vec<(u64, String)>) {
    let path = directory.join("round.records");
    let records = vec![(1, "closed".to_owned()), (2, "proposed".to_owned()), (3, String::new())];
    let (mut log, none) = open(&path).unwrap();
    assert!(none.is_empty());
    for record in &records {
        log.append(record).unwrap();
    }
    (path, records)
}

#[test]
fn a_log_cut_at_any_byte_keeps_its_whole_records_and_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let (path, records) = written(directory.path());
    let whole = fs::read(&path).unwrap();
    for cut in 0..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let (mut log, kept) = open(&path).unwrap();
        assert_eq!(kept, records[..kept.len()], "cut at {cut}");
        assert!(kept.len() < records.len());
        log.append(&(9_u64, "next".to_owned())).unwrap();
        drop(log);
        let (_, again) = open(&path).unwrap();
        assert_eq!(again.len(), kept.len() + 1, "cut at {cut}");
    }
}

#[test]
fn damage_before_the_last_record_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let (path, _) = written(directory.path());
    let mut bytes = fs::read(&path).unwrap();
    bytes[HEAD_BYTES] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(open(&path), Err(FileError::DamagedRecord { at: 0, .. })));
}

#[test]
fn a_last_record_without_its_bytes_is_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let (path, records) = written(directory.path());
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert_eq!(open(&path).unwrap().1, records[..2]);
}

#[test]
fn replacing_forgets_the_old_round() {
    let directory = tempfile::tempdir().unwrap();
    let (path, _) = written(directory.path());
    let (mut log, _) = open(&path).unwrap();
    log.replace(&[(7_u64, "head".to_owned())]).unwrap();
    log.append(&(8_u64, "vote".to_owned())).unwrap();
    drop(log);
    assert_eq!(open(&path).unwrap().1, [(7_u64, "head".to_owned()), (8_u64, "vote".to_owned())]);
}

#[test]
fn zeros_that_a_file_system_left_at_the_end_are_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let (path, records) = written(directory.path());
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend([0; 100]);
    fs::write(&path, &bytes).unwrap();
    assert_eq!(open(&path).unwrap().1, records);
}

#[test]
fn a_log_has_one_owner_also_after_it_was_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let (path, _) = written(directory.path());
    let (mut log, _) = open(&path).unwrap();
    assert!(matches!(open(&path), Err(FileError::InUse(_))));
    log.replace(&[(7_u64, "head".to_owned())]).unwrap();
    assert!(matches!(open(&path), Err(FileError::InUse(_))));
    drop(log);
    assert_eq!(open(&path).unwrap().1, [(7_u64, "head".to_owned())]);
}

#[test]
fn a_record_or_a_log_beyond_its_bound_is_refused_and_leaves_the_log_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let (path, records) = written(directory.path());
    let (mut log, _) = open(&path).unwrap();
    assert!(matches!(log.append(&(4_u64, "x".repeat(1 << 10))), Err(FileError::Encode { .. })));
    while log.append(&(5_u64, "y".repeat(500))).is_ok() {}
    assert!(matches!(log.append(&(5_u64, "y".repeat(500))), Err(FileError::Full(_))));
    drop(log);
    assert_eq!(open(&path).unwrap().1[..3], records);
}
