//! A ledger that is opened again has exactly what was committed, wherever its last write ended.

use crate::support::{FUNDS, builder, committed, funded, heartbeat, open, register, signed};
use ledger_embedded::{FileError, Found, KEY_FILE, LOG_FILE, Ledger, OpenError, Options, Refused};
use std::path::Path;
use std::time::Duration;

/// Everything of a ledger that must come back.
fn image(ledger: &Ledger) -> (u64, [u8; 32], u64) {
    ledger.read(|chain| (chain.version(), chain.digest(), chain.height()))
}

/// A folder with a ledger in which a node registered and sent `beats` heartbeats, each in a block of its own; the
/// images after each.
async fn filled(folder: &Path, beats: u64) -> Vec<((u64, [u8; 32], u64), u64)> {
    let (ledger, _) = open(folder);
    let size = || std::fs::metadata(folder.join(LOG_FILE)).unwrap().len();
    let worker = funded(&ledger).await;
    let mut images = vec![(image(&ledger), size())];
    for number in 0..=beats {
        let payload = if number == 0 { register(&ledger, "n") } else { heartbeat(&ledger) };
        let transaction = signed(builder(&ledger, &worker, payload, number), &worker);
        let accepted = ledger.submit(&transaction.to_bcs().unwrap()).unwrap();
        assert!(committed(&ledger, &accepted.transaction.hash).await.outcome.success);
        images.push((image(&ledger), size()));
    }
    images
}

#[tokio::test]
async fn reopens_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let images = filled(folder.path(), 3).await;
    let (ledger, _) = open(folder.path());
    assert_eq!(image(&ledger), images.last().unwrap().0);
    let worker = funded(&ledger).await;
    let address = contract::Address(worker.address().to_bytes());
    assert_eq!(ledger.read(|chain| chain.account(&address).gas), FUNDS);
    let refused = Ledger::open(folder.path(), Options::default()).err().unwrap();
    assert!(matches!(refused, OpenError::Log(FileError::InUse(_))), "{refused}");
}

#[tokio::test]
async fn a_log_cut_anywhere_in_its_last_record_keeps_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let images = filled(folder.path(), 2).await;
    let log = std::fs::read(folder.path().join(LOG_FILE)).unwrap();
    let (before, last) = (images[images.len() - 2], images[images.len() - 1]);
    assert_eq!(log.len() as u64, last.1);
    for end in before.1..=last.1 {
        let copy = tempfile::tempdir().unwrap();
        std::fs::copy(folder.path().join(KEY_FILE), copy.path().join(KEY_FILE)).unwrap();
        std::fs::write(copy.path().join(LOG_FILE), &log[..end as usize]).unwrap();
        let expected = if end == last.1 { last } else { before };
        {
            let (ledger, _) = open(copy.path());
            assert_eq!(image(&ledger), expected.0, "cut at {end}");
        }
        assert_eq!(std::fs::metadata(copy.path().join(LOG_FILE)).unwrap().len(), expected.1, "cut at {end}");
    }
}

#[tokio::test]
async fn a_last_record_of_which_only_a_part_was_written_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let images = filled(folder.path(), 1).await;
    let path = folder.path().join(LOG_FILE);
    let log = std::fs::read(&path).unwrap();
    let (before, last) = (images[images.len() - 2], images[images.len() - 1]);
    // The length of the file was safe, what was in it was not. The last bytes of a signature are hardly zeros.
    for written in before.1..last.1 - 4 {
        let mut zeroed = log.clone();
        zeroed[written as usize..].fill(0);
        std::fs::write(&path, zeroed).unwrap();
        let (ledger, _) = open(folder.path());
        assert_eq!(image(&ledger), before.0, "written up to {written}");
    }
}

#[tokio::test]
async fn a_torn_tail_is_cut_and_the_ledger_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let images = filled(folder.path(), 1).await;
    let path = folder.path().join(LOG_FILE);
    for tail in [vec![0; 5_000], vec![7; 3]] {
        let mut log = std::fs::read(&path).unwrap();
        log.extend(tail);
        std::fs::write(&path, log).unwrap();
        let (ledger, _) = open(folder.path());
        assert!(image(&ledger).0 >= images.last().unwrap().0.0);
        funded(&ledger).await;
    }
    let (ledger, _) = open(folder.path());
    assert_eq!(image(&ledger).0, images.last().unwrap().0.0 + 2);
}

#[tokio::test]
async fn damage_before_the_last_record_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let images = filled(folder.path(), 2).await;
    let path = folder.path().join(LOG_FILE);
    let log = std::fs::read(&path).unwrap();
    let last_begins = images[images.len() - 2].1 as usize;
    for place in (0..last_begins).step_by(7) {
        let mut damaged = log.clone();
        damaged[place] ^= 0x40;
        std::fs::write(&path, &damaged).unwrap();
        let refused = Ledger::open(folder.path(), Options::default()).err().unwrap();
        assert!(matches!(refused, OpenError::Log(FileError::DamagedRecord { .. })), "byte {place}: {refused}");
        assert_eq!(std::fs::read(&path).unwrap(), damaged, "nothing is cut from a damaged log");
    }
}

#[tokio::test]
async fn a_log_of_another_ledger_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 1).await;
    let refused = Ledger::open(folder.path(), Options { chain_id: 5, ..Options::default() }).err().unwrap();
    assert!(matches!(refused, OpenError::Other { found_chain_id: 4, .. }), "{refused}");
    std::fs::remove_file(folder.path().join(KEY_FILE)).unwrap();
    let refused = Ledger::open(folder.path(), Options::default()).err().unwrap();
    assert!(matches!(refused, OpenError::Other { .. }), "{refused}");
}

#[cfg(unix)]
#[test]
fn only_the_owner_reads_the_key() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let module = Ledger::open(folder.path(), Options::default()).unwrap().module();
    let mode = std::fs::metadata(folder.path().join(KEY_FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(Ledger::open(folder.path(), Options::default()).unwrap().module(), module);
}

/// The child of `a_killed_process_loses_nothing_that_it_reported`: registers and beats, and reports each on its output.
#[tokio::test]
async fn child_that_is_killed() {
    let Some(folder) = std::env::var_os("LEDGER_TEST_FOLDER") else { return };
    let (ledger, _) = open(Path::new(&folder));
    let worker = funded(&ledger).await;
    for number in 0.. {
        let payload = if number == 0 { register(&ledger, "n") } else { heartbeat(&ledger) };
        let transaction = signed(builder(&ledger, &worker, payload, number), &worker);
        let accepted = ledger.submit(&transaction.to_bcs().unwrap()).unwrap();
        let version = committed(&ledger, &accepted.transaction.hash).await.version;
        println!("committed {version}");
    }
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_it_reported() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};
    let folder = tempfile::tempdir().unwrap();
    let mut reported = 0;
    for round in 1..=5 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child_that_is_killed", "--nocapture"])
            .env("LEDGER_TEST_FOLDER", folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let versions = lines.by_ref().filter_map(|line| line.unwrap().split("committed ").nth(1)?.parse::<u64>().ok());
        reported = versions.take(20 * round).last().unwrap();
        child.kill().unwrap();
        let unread = lines.filter_map(|line| line.ok()?.split("committed ").nth(1)?.parse::<u64>().ok());
        reported = unread.last().unwrap_or(reported).max(reported);
        child.wait().unwrap();
        let (ledger, _) = open(folder.path());
        let version = ledger.read(|chain| chain.version());
        assert!((reported..=reported + 1).contains(&version), "reported {reported}, found {version}");
    }
    assert!(reported >= 300);
}

/// The child of `a_full_disk_stops_the_ledger`: submits until nothing more is taken.
#[tokio::test]
async fn child_whose_disk_is_full() {
    let Some(folder) = std::env::var_os("LEDGER_FULL_FOLDER") else { return };
    let (ledger, _) = open(Path::new(&folder));
    let worker = funded(&ledger).await;
    for number in 0..1_000 {
        let transaction = signed(builder(&ledger, &worker, heartbeat(&ledger), number), &worker);
        let Ok(accepted) = ledger.submit(&transaction.to_bcs().unwrap()) else { break };
        match ledger.wait(&accepted.transaction.hash, Duration::from_millis(500)).await {
            Some(Found::Committed(committed)) => println!("committed {}", committed.version),
            _ => assert!(ledger.stopped().is_some()),
        }
    }
    let more = ledger.mint(ledger.module(), 1, 0).unwrap_err();
    assert!(matches!(more, Refused::Stopped(_)), "{more}");
    println!("stopped: {more}");
}

#[cfg(unix)]
#[test]
fn a_full_disk_stops_the_ledger() {
    use std::process::Command;
    let folder = tempfile::tempdir().unwrap();
    // A limit on the size of files stands for the disk: 16 blocks, some dozens of transactions.
    let script = "trap '' XFSZ; ulimit -f 16; exec \"$0\" --exact crash::child_whose_disk_is_full --nocapture";
    let child = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env("LEDGER_FULL_FOLDER", folder.path())
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && output.contains("stopped: "), "{output}");
    let reported =
        output.lines().filter_map(|line| line.split("committed ").nth(1)?.parse::<u64>().ok()).next_back().unwrap();
    let (ledger, _) = open(folder.path());
    assert_eq!(ledger.read(|chain| chain.version()), reported);
}
