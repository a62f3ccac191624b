use super::*;
use std::fs;

#[test]
fn a_log_cut_at_any_byte_keeps_its_complete_lines_and_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rounds.jsonl");
    let (mut log, _) = JsonLines::open::<u64>(&path).unwrap();
    for value in [7_u64, 123, 99999] {
        log.append(&value).unwrap();
    }
    let whole = fs::read(&path).unwrap();
    for cut in 0..=whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let complete = whole[..cut].iter().filter(|b| **b == b'\n').count();
        let (mut log, values) = JsonLines::open::<u64>(&path).unwrap();
        assert_eq!(values, [7, 123, 99999][..complete]);
        log.append(&5_u64).unwrap();
        let read: Vec<u64> = read_json_lines(&path).unwrap();
        assert_eq!(read.len(), complete + 1, "cut at {cut}");
        assert_eq!(read.last(), Some(&5));
    }
}

#[test]
fn unwritten_blocks_at_the_end_are_dropped_and_damage_in_the_middle_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rounds.jsonl");
    fs::write(&path, b"1\n2\n\0\0\0\n").unwrap();
    assert_eq!(JsonLines::open::<u64>(&path).unwrap().1, [1, 2]);
    assert_eq!(fs::read(&path).unwrap(), b"1\n2\n");
    fs::write(&path, b"1\nx\n3\n").unwrap();
    let error = JsonLines::open::<u64>(&path).unwrap_err();
    assert!(matches!(error, FileError::Damaged { line: 2, .. }), "{error}");
}
