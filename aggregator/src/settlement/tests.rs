use disk::{read_json_lines, read_json_lines_if_any};
use protocol::{Hash, NetworkId, Reason, Round, Verdict};
use record::{ContributionRecord, RoundsLog, Start, TimingsMs};

use super::*;

const WORKER: WorkerId = WorkerId([7; 32]);
const OTHER: WorkerId = WorkerId([9; 32]);

/// A run whose job settles every two rounds and pays a pool of 1,000.
struct Fixture {
    _directory: tempfile::TempDir,
    run: RunDirectory,
    genesis: Genesis,
    job: Job,
    log: RoundsLog,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let run = RunDirectory::create(directory.path()).unwrap();
        let mut job = Job::default();
        (job.rewards.pool, job.rewards.settle_every) = (1_000, 2);
        let start = Start { state_hash: Hash([1; 32]), elements: 1_000_000, layout_hash: Hash([2; 32]) };
        let network = NetworkId(job.fingerprint().unwrap());
        let genesis = Genesis::new(network, WorkerId([3; 32]), Hash([4; 32]), &start, Vec::new());
        let (log, _) = RoundsLog::open(&run.rounds_log()).unwrap();
        Self { _directory: directory, run, genesis, job, log }
    }

    fn open(&self) -> Result<Books, SettlementError> {
        let rounds: Vec<RoundRecord> = read_json_lines_if_any(&self.run.rounds_log()).unwrap();
        Books::open(&self.run, &self.genesis, &self.job, &rounds)
    }

    /// Commits a round as the driver does: its line first, then the books.
    fn commit(&mut self, books: &mut Books, line: &RoundRecord) -> Option<Settled> {
        self.log.append(line).unwrap();
        books.committed(line).unwrap()
    }
}

fn entry(worker: WorkerId, score: u32, verdict: Verdict, reason: Reason) -> ContributionRecord {
    ContributionRecord {
        worker,
        payload_hash: Some(Hash([0xab; 32])),
        bytes: 500,
        tokens: 10_000,
        score,
        weight: 0,
        clip: 0,
        verdict,
        reason,
    }
}

/// A hash whose hexadecimal digits end in this number.
fn hash(number: u64) -> Hash {
    let mut bytes = [0; 32];
    bytes[24..].copy_from_slice(&number.to_be_bytes());
    Hash(bytes)
}

fn line(round: u64) -> RoundRecord {
    RoundRecord {
        state_hash: hash(round),
        manifest_hash: hash(100 + round),
        eval_loss: (round == 1).then_some(2.5),
        contributions: vec![
            entry(WORKER, 90, Verdict::Accepted, Reason::Passed),
            entry(OTHER, 10, Verdict::Rejected, Reason::LowScore),
        ],
        timings_ms: TimingsMs { inner: 100.0, exchange: 20.5, ..TimingsMs::default() },
        ..RoundRecord::empty(Round(round))
    }
}

#[test]
fn a_settlement_comes_with_every_second_round_and_the_rest_at_the_end() {
    let mut fixture = Fixture::new();
    let mut books = fixture.open().unwrap();
    assert_eq!(fixture.commit(&mut books, &line(1)), None);
    let settled = fixture.commit(&mut books, &line(2)).unwrap();
    assert_eq!((settled.settlement.first_round, settled.settlement.last_round), (1, 2));
    let interval = settled.interval;
    assert_eq!((interval.round, interval.tokens, interval.duration_ms), (Round(2), 20_000, 240));
    assert_eq!(interval.loss_micronats, 2_500_000);
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"cotrain/manifest-root/1");
    for hash in ["65", "66"] {
        hasher.update(format!("{hash:0>64}").parse::<Hash>().unwrap().as_bytes());
    }
    assert_eq!(interval.manifest_root().0, *hasher.finalize().as_bytes());

    fixture.commit(&mut books, &line(3));
    let (rest, payout) = books.finish().unwrap();
    assert_eq!(rest.unwrap().settlement.last_round, 3);
    assert_eq!((payout.total + payout.returned, payout.amounts.len()), (1_000, 2));
    let written: Payout = disk::read_json(&fixture.run.payout(), 1 << 20).unwrap();
    assert_eq!(written, payout);
}

#[test]
fn opened_again_the_books_are_as_they_were() {
    let mut fixture = Fixture::new();
    let mut books = fixture.open().unwrap();
    assert!(books.link(WORKER, [5; 32]).unwrap());
    for round in 1..=5 {
        fixture.commit(&mut books, &line(round));
    }
    let (_, payout) = books.finish().unwrap();
    let settled = books.settled().to_vec();
    drop(books);
    // What the aggregator wrote last may not have been reported: it is all there again, and the end adds nothing.
    let mut again = fixture.open().unwrap();
    assert_eq!(again.settled(), &settled[..2]);
    assert_eq!(again.finish().unwrap().1, payout);
    assert_eq!(again.settled(), settled);
    let lines: Vec<Settlement> = read_json_lines(&fixture.run.settlements()).unwrap();
    assert_eq!(lines.len(), 3, "no settlement is written twice");
}

#[test]
fn a_round_that_reached_the_log_alone_is_settled_after_the_restart() {
    let mut fixture = Fixture::new();
    let mut books = fixture.open().unwrap();
    fixture.commit(&mut books, &line(1));
    fixture.log.append(&line(2)).unwrap();
    drop(books);
    assert_eq!(fixture.open().unwrap().settled().len(), 1);
    let lines: Vec<Settlement> = read_json_lines(&fixture.run.settlements()).unwrap();
    assert_eq!(lines.len(), 1);
}

#[test]
fn a38_bytes_that_never_arrived_count_for_nothing() {
    for (reason, delivered) in [(Reason::Withheld, false), (Reason::WrongSize, false), (Reason::LowScore, true)] {
        let mut claimed = line(1);
        claimed.contributions[1].reason = reason;
        assert_eq!(pay::counted(&claimed).contributions[1].delivered, delivered, "{reason}");
    }
}

#[test]
fn a_worker_keeps_the_account_that_it_began_with() {
    let mut fixture = Fixture::new();
    let mut books = fixture.open().unwrap();
    assert!(books.link(WORKER, [5; 32]).unwrap());
    assert!(books.link(WORKER, [5; 32]).unwrap(), "its heartbeats come from the same account");
    assert!(!books.link(WORKER, [6; 32]).unwrap(), "another account");
    fixture.commit(&mut books, &line(1));
    assert!(!books.link(OTHER, [6; 32]).unwrap(), "it has contributed for its own account");
    let settled = fixture.commit(&mut books, &line(2)).unwrap();
    let addresses: Vec<Address> = settled.settlement.entries.iter().map(|entry| entry.address).collect();
    assert_eq!(addresses, [[5; 32], rewards::session::own_address(&OTHER.0)]);
    drop(books);
    assert!(!fixture.open().unwrap().link(WORKER, [6; 32]).unwrap(), "and after a restart");
}

#[test]
fn a_settlement_that_was_altered_is_named() {
    let mut fixture = Fixture::new();
    let mut books = fixture.open().unwrap();
    fixture.commit(&mut books, &line(1));
    fixture.commit(&mut books, &line(2));
    drop(books);
    let path = fixture.run.settlements();
    let text =
        std::fs::read_to_string(&path).unwrap().replacen("\"gradient_quality\":90", "\"gradient_quality\":99", 1);
    std::fs::write(&path, text).unwrap();
    assert!(matches!(fixture.open(), Err(SettlementError::Altered(1))));
}

#[test]
fn a_loss_beyond_all_numbers_is_not_anchored() {
    let mut interval = Interval::default();
    for loss in [f64::NAN, f64::INFINITY, -1.0] {
        interval.push(&RoundRecord { eval_loss: Some(loss), ..line(2) });
    }
    assert_eq!(interval.loss_micronats, 0);
    interval.push(&RoundRecord { eval_loss: Some(1e300), ..line(3) });
    assert_eq!(interval.loss_micronats, u64::MAX);
}
