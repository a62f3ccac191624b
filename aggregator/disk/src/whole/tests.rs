use super::*;
use std::fs;

#[test]
fn a_failed_write_leaves_the_old_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("head.json");
    write_atomic(&path, b"old").unwrap();
    // A directory in the place of the temporary file makes the write fail before the rename.
    fs::create_dir(temporary_name(&path)).unwrap();
    assert!(write_atomic(&path, b"new").is_err());
    assert_eq!(fs::read(&path).unwrap(), b"old");
}

#[test]
fn leftovers_of_a_crash_are_swept_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("head.json");
    write_atomic(&path, b"kept").unwrap();
    fs::write(directory.path().join(".head.json.tmp-1"), b"torn").unwrap();
    fs::create_dir(directory.path().join(".000001.tmp-1")).unwrap();
    sweep_temporaries(directory.path()).unwrap();
    let names: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["head.json"]);
}

#[test]
fn a_longer_file_than_allowed_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("long");
    fs::write(&path, [0; 11]).unwrap();
    assert_eq!(read_bounded(&path, 11).unwrap().len(), 11);
    assert!(matches!(read_bounded(&path, 10), Err(FileError::TooLong { bytes_max: 10, .. })));
}
