//! Deaths of processes at any instant: of one worker, of everything, by Ctrl-C.

#![allow(clippy::unwrap_used, reason = "tests may, also in their helpers")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tests::{Place, Up, micro, process, python, run, text};

/// How long every process of a swarm may take to be gone after Ctrl-C.
const STOP_MAX: Duration = Duration::from_secs(5);
/// How often everything is killed or, every other time, interrupted.
const KILLS: u32 = 3;
/// How long a swarm may take to end once its last round is committed: less than any deadline of the job.
const END_MAX: Duration = Duration::from_secs(20);

#[test]
fn kill_of_one_worker_mid_round_lets_the_others_finish() {
    let place = Place::new();
    let job = micro(place.path(), |job| {
        // Long enough that the worker dies among its inner steps; and nobody is to wait for it for long.
        job.train.inner_steps = 200;
        job.train.outer_steps = 4;
        job.train.warmup_steps = 20;
        job.round.reconnect_grace_ms = 1_000;
    });
    let run = place.join("run");
    let mut up = Up::start(&run, &job, &text(), &["--max-failures", "0"]);
    let inner = up.wait_for("inner steps of worker 1 in round 2", |event| {
        event["event"] == "inner" && event["process"] == "worker-1" && event["round"].as_u64() >= Some(2)
    });
    process::signal("KILL", &[up.worker(1)]);
    let killed_in = inner["round"].as_u64().unwrap();
    let _ = up.finish().finished();

    let rounds = run::rounds(&run);
    let counts: Vec<(u64, usize)> = rounds.iter().map(|round| (round.round.0, round.contributions.len())).collect();
    assert_eq!(rounds.len(), 4, "{counts:?}");
    assert_eq!(counts[0].1, 3, "all took part at first: {counts:?}");
    let after = counts.iter().filter(|(round, _)| *round >= killed_in);
    assert!(after.clone().all(|(_, count)| *count == 2), "killed in round {killed_in}: {counts:?}");
    for round in rounds.iter().filter(|round| round.round.0 >= killed_in) {
        assert!(round.accepted().next().is_some(), "round {} moved nothing", round.round);
    }
}

#[test]
fn kill_of_everything_and_resume_ends_in_the_state_of_an_undisturbed_run() {
    let place = Place::new();
    let job = micro(place.path(), |job| {
        job.train.outer_steps = 10;
        job.train.inner_steps = 200;
    });
    let begun = place.join("begun");
    let mut up = Up::start(&begun, &job, &text(), &[]);
    up.wait_for("the first round", |event| event["event"] == "round");
    up.kill_everything();

    let (undisturbed, disturbed) = (place.join("undisturbed"), place.join("disturbed"));
    run::copy(&begun, &undisturbed);
    run::copy(&begun, &disturbed);
    let _ = Up::resume(&undisturbed, &[]).finish().finished();
    kill_at_random_instants(&disturbed);
    let _ = Up::resume(&disturbed, &[]).finish().finished();

    let (expected, found) = (run::state_hashes(&undisturbed), run::state_hashes(&disturbed));
    assert_eq!(expected.len(), 10, "{expected:?}");
    assert_eq!(found, expected);
    python("replay.py", &[&"run", &disturbed]);
}

/// Resumes and kills, or interrupts, over and over; the seed of the instants is printed.
fn kill_at_random_instants(run: &Path) {
    let mut random = Random::seeded();
    for kill in 0..KILLS {
        let mut up = Up::resume(run, &[]);
        // Half of the kills come while the processes still find each other, half in the rounds.
        if random.below(2) == 1 {
            up.wait_for("the run to go on", |event| event["event"] == "inner" || event["event"] == "finished");
        }
        let after = Duration::from_millis(random.below(900));
        let runs = up.watch_for(after);
        println!("stopped after {after:?}, {} rounds were there, still running: {runs}", run::rounds(run).len());
        if kill % 2 == 0 {
            up.kill_everything();
        } else {
            let (took, _) = up.interrupt();
            assert!(took < STOP_MAX, "{took:?}");
        }
    }
}

#[test]
fn an_announced_payload_outlives_its_training() {
    let place = Place::new();
    // So long that no worker is done when the first one is, which makes the kill fall into the round.
    let job = micro(place.path(), |job| (job.train.outer_steps, job.train.inner_steps) = (4, 100));
    let begun = place.join("begun");
    let mut up = Up::start(&begun, &job, &text(), &[]);
    while payloads(&begun).is_empty() {
        assert!(up.watch_for(Duration::from_millis(1)), "the run ended without a payload: {}", up.story());
    }
    up.kill_everything();
    assert_eq!(run::rounds(&begun).len(), 0, "no round was over");

    // One run goes on with what was announced, the other one has lost it and trains as if for the first time.
    let (announced, anew) = (place.join("announced"), place.join("anew"));
    run::copy(&begun, &announced);
    run::copy(&begun, &anew);
    for payload in payloads(&anew) {
        std::fs::remove_file(payload.with_file_name("member.records")).unwrap();
        std::fs::remove_file(payload).unwrap();
    }
    let _ = Up::resume(&announced, &[]).finish().finished();
    let _ = Up::resume(&anew, &[]).finish().finished();
    let (found, expected) = (run::state_hashes(&announced), run::state_hashes(&anew));
    assert_eq!((found.len(), found), (4, expected));
}

/// The payloads that the workers of a run keep.
fn payloads(run: &Path) -> Vec<PathBuf> {
    let Ok(workers) = std::fs::read_dir(run.join("workers")) else { return Vec::new() };
    workers.map(|worker| worker.unwrap().path().join("payload.bin")).filter(|path| path.exists()).collect()
}

#[test]
fn a_finished_run_waits_for_nobody() {
    let place = Place::new();
    let job = micro(place.path(), |_| {});
    let mut up = Up::start(&place.join("run"), &job, &text(), &[]);
    up.wait_for("the last round", |event| event["event"] == "round" && event["round"] == 6);
    let committed = Instant::now();
    let _ = up.finish().finished();
    assert!(committed.elapsed() < END_MAX, "{:?}", committed.elapsed());
}

#[test]
fn ctrl_c_ends_every_process_and_resume_goes_on() {
    let place = Place::new();
    let job = micro(place.path(), |job| job.train.inner_steps = 40);
    let run = place.join("run");
    let mut up = Up::start(&run, &job, &text(), &[]);
    up.wait_for("the second round", |event| event["event"] == "round" && event["round"] == 2);
    let (took, ended) = up.interrupt();
    assert!(took < STOP_MAX, "{took:?}");
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let stopped = ended.named("stopped").next().unwrap();
    assert_eq!(stopped["resumable"], true, "{stopped}");
    let before = run::state_hashes(&run);
    assert!((2..6).contains(&before.len()), "{before:?}");

    let _ = Up::resume(&run, &[]).finish().finished();
    let after = run::state_hashes(&run);
    assert_eq!((after.len(), &after[..before.len()]), (6, &before[..]));
}

#[test]
fn ctrl_c_before_the_first_round_ends_every_process() {
    let place = Place::new();
    let job = micro(place.path(), |_| {});
    let mut up = Up::start(&place.join("run"), &job, &text(), &[]);
    up.wait_for("the last worker to start", |event| event["event"] == "process" && event["ordinal"] == 2);
    let (took, ended) = up.interrupt();
    assert!(took < STOP_MAX, "{took:?}");
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
}

/// splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
struct Random(u64);

impl Random {
    /// Seeded by COTRAIN_TEST_SEED, or by the clock.
    fn seeded() -> Self {
        let named = std::env::var("COTRAIN_TEST_SEED").ok().map(|seed| seed.parse().unwrap());
        let seed = named.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64);
        println!("COTRAIN_TEST_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}
