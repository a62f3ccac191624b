use super::*;
use crate::SessionConditions;
use crate::reporter::record::Report;

fn records() -> Vec<Record> {
    let conditions =
        |session_number| SessionConditions { session_number, job_fingerprint: [session_number as u8; 32], pool: 5 };
    let mut records: Vec<_> = (0..3).map(|id| Record::Report(Report::Open(conditions(id)))).collect();
    records.push(Record::Signed { bytes: vec![3; 200] });
    records
}

/// What a folder's log holds.
fn read(folder: &Path) -> Result<(Store, Vec<Record>), FileError> {
    let mut found = Vec::new();
    let store = Store::open(folder, |record| {
        found.push(record);
        Ok(())
    })?;
    Ok((store, found))
}

fn filled(folder: &Path) -> Vec<u64> {
    let (mut store, _) = read(folder).unwrap();
    let append = |record: &Record| {
        store.append(record).unwrap();
        store.log.end()
    };
    records().iter().map(append).collect()
}

fn landed(key: &str) -> Landed {
    let (hash, version, gas_used, gas_unit_price, timestamp_s) = (None, Some(1), Some(2), Some(3), None);
    Landed { call: "c".into(), key: key.into(), hash, version, gas_used, gas_unit_price, timestamp_s }
}

#[test]
fn a_log_cut_anywhere_in_its_last_record_keeps_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let ends = filled(folder.path());
    let path = folder.path().join(LOG_FILE);
    let log = std::fs::read(&path).unwrap();
    let (before, last) = (ends[ends.len() - 2], ends[ends.len() - 1]);
    assert_eq!(log.len() as u64, last);
    for end in before..=last {
        std::fs::write(&path, &log[..end as usize]).unwrap();
        let kept = if end == last { 4 } else { 3 };
        let (mut store, found) = read(folder.path()).unwrap();
        assert_eq!(found, records()[..kept], "cut at {end}");
        // It goes on from there.
        store.append(&Record::Dead).unwrap();
        drop(store);
        assert_eq!(read(folder.path()).unwrap().1.len(), kept + 1, "cut at {end}");
    }
}

#[test]
fn zeros_at_the_end_are_cut() {
    let folder = tempfile::tempdir().unwrap();
    let ends = filled(folder.path());
    let path = folder.path().join(LOG_FILE);
    let log = std::fs::read(&path).unwrap();
    for written in ends[ends.len() - 2] as usize..log.len() {
        let mut zeroed = log.clone();
        zeroed[written..].fill(0);
        std::fs::write(&path, zeroed).unwrap();
        assert_eq!(read(folder.path()).unwrap().1, records()[..3], "written up to {written}");
    }
}

#[test]
fn damage_before_the_last_record_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let ends = filled(folder.path());
    let path = folder.path().join(LOG_FILE);
    let log = std::fs::read(&path).unwrap();
    for place in 0..ends[ends.len() - 2] as usize {
        let mut damaged = log.clone();
        damaged[place] ^= 0x40;
        std::fs::write(&path, &damaged).unwrap();
        let refused = read(folder.path()).err().unwrap();
        assert!(matches!(refused, FileError::DamagedRecord { .. }), "byte {place}: {refused}");
        assert_eq!(std::fs::read(&path).unwrap(), damaged, "nothing is cut from a damaged log");
    }
}

#[test]
fn one_process_has_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = read(folder.path()).unwrap();
    assert!(matches!(read(folder.path()).err().unwrap(), FileError::InUse(_)));
    drop(store);
    assert!(read(folder.path()).is_ok());
}

#[test]
fn receipts_follow_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = read(folder.path()).unwrap();
    let path = folder.path().join(RECEIPTS_FILE);
    let all = [landed("a"), landed("b"), landed("c")];
    let whole: String = all.iter().map(line).collect();
    store.append_receipt(&all[0]).unwrap();
    store.complete_receipts(&all).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);
    for cut in 0..whole.len() {
        std::fs::write(&path, &whole[..cut]).unwrap();
        store.complete_receipts(&all).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), whole, "cut at {cut}");
    }
    std::fs::write(&path, "something else\n").unwrap();
    store.complete_receipts(&all).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);
}
