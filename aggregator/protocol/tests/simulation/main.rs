//! Whole sessions in virtual time, one seed after the other: what may never happen is checked while it would, and the seed
//! of a failure is printed. `SIMULATION_SEEDS=n` runs n of each kind, `SIMULATION_SEED=s` only that one.

mod oracle;
mod random;
mod toy;
mod world;

use protocol::{
    Parameters, ScorePolicy,
    parameters::{CodecFrom, Tolerances},
    score::QualityRule,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use world::{Faults, Figures, World};

const HOURS: u64 = 3_600_000;

/// The default job's rule.
fn rule() -> QualityRule {
    QualityRule {
        usefulness_weight: 50,
        agreement_weight: 25,
        norm_weight: 10,
        norm_ratio_min_millionths: 100_000,
        cosine_floor_millionths: 20_000,
        score_min: 50,
        usefulness_min_millionths: 200_000,
        standing_min: 30,
        standing_memory_percent: 70,
        low_score: 20,
        low_streak_rounds_max: 3,
        quarantine_rounds: 10,
        return_standing: 50,
    }
}

/// Nothing is given up: what is down comes back in time.
fn patient(outer_steps: u64, workers: u32) -> Parameters {
    Parameters {
        seed: 0,
        workers_min: workers,
        outer_steps,
        inner_steps: 30,
        batch_sequences: 8,
        balanced: false,
        round_deadline_ms: 10 * HOURS,
        close_deadline_ms: 10 * HOURS,
        reveal_deadline_ms: 10 * HOURS,
        vote_deadline_ms: 10 * HOURS,
        join_deadline_ms: 10 * HOURS,
        reconnect_grace_ms: 10 * HOURS,
        resend_ms: 1_000,
        alpha: 256,
        rho: (1, 5),
        codecs: vec![CodecFrom { outer_step: 0, codec: "topk64-q2".to_owned() }],
        score: ScorePolicy::Quality(rule()),
        tolerances: Tolerances { loss_micronats: 2_000, cosine_millionths: 1_000, norm_millionths: 1 },
        missed_rounds_max: 3,
        probation_rounds: 5,
    }
}

/// Whoever is late is left behind.
fn impatient(outer_steps: u64, workers: u32) -> Parameters {
    Parameters {
        round_deadline_ms: 1_500,
        close_deadline_ms: 800,
        reveal_deadline_ms: 800,
        vote_deadline_ms: 1_200,
        join_deadline_ms: 1_000,
        reconnect_grace_ms: 400,
        resend_ms: 300,
        score: ScorePolicy::Quality(QualityRule { quarantine_rounds: 2, ..rule() }),
        ..patient(outer_steps, workers)
    }
}

fn count(default: u64) -> u64 {
    std::env::var("SIMULATION_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Runs each seed and names those that fail.
fn for_each_seed(default: u64, run: impl Fn(u64) -> Figures) -> Figures {
    let only = std::env::var("SIMULATION_SEED").ok().and_then(|text| text.parse().ok());
    let seeds: Vec<u64> = only.map_or_else(|| (0..count(default)).collect(), |seed| vec![seed]);
    let mut figures = Figures::default();
    for seed in &seeds {
        match catch_unwind(AssertUnwindSafe(|| run(*seed))) {
            Ok(some) => figures += some,
            Err(_) => panic!("seed {seed} fails; run it alone with SIMULATION_SEED={seed}"),
        }
    }
    println!("{} seeds: {figures:?}", seeds.len());
    figures
}

#[test]
fn a_session_that_is_killed_and_resumed_ends_as_an_undisturbed_one() {
    for_each_seed(40, |seed| {
        let workers = 2 + (seed % 3) as usize;
        let parameters = patient(4, workers as u32);
        let mut undisturbed =
            World::new(seed, parameters.clone(), workers, 0, Faults { delay_ms: 20, ..Faults::default() });
        undisturbed.run(HOURS);
        assert!(undisturbed.is_over(), "undisturbed run does not end: {}", undisturbed.describe());
        let faults = Faults {
            loss: 50_000,
            duplicates: 50_000,
            delay_ms: 300,
            deaths: 8_000,
            every_ms: 1_500,
            down_ms: 2_000,
            until_ms: 40_000,
            partitions: false,
        };
        let mut disturbed = World::new(seed, parameters, workers, 0, faults);
        disturbed.run(9 * HOURS);
        assert!(disturbed.is_over(), "disturbed run does not end: {}", disturbed.describe());
        assert!(disturbed.oracle.abandoned.is_empty(), "a round was abandoned");
        assert_eq!(undisturbed.oracle.chain(), disturbed.oracle.chain(), "the chains differ");
        disturbed.figures
    });
}

#[test]
fn chaos_commits_no_two_manifests_and_loses_no_acknowledged_commit() {
    for_each_seed(40, |seed| {
        let (workers, late) = (3 + (seed % 5) as usize, (seed % 2) as usize);
        let faults = Faults {
            loss: 80_000,
            duplicates: 80_000,
            delay_ms: 400,
            deaths: 4_000,
            every_ms: 700,
            down_ms: 2_500,
            until_ms: 30_000,
            partitions: true,
        };
        let mut world = World::new(seed, impatient(12, (workers - late) as u32), workers, late, faults);
        world.run(HOURS);
        assert!(world.is_over(), "no progress after the faults ended: {}", world.describe());
        world.figures
    });
}

#[test]
fn a_quiet_network_commits_every_round() {
    for_each_seed(20, |seed| {
        let workers = 1 + (seed % 8) as usize;
        let faults = Faults { delay_ms: 10, ..Faults::default() };
        let mut world = World::new(seed, impatient(6, workers as u32), workers, 0, faults);
        world.run(HOURS);
        assert!(world.is_over() && world.oracle.abandoned.is_empty(), "{}", world.describe());
        world.figures
    });
}
