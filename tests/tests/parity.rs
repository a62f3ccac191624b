//! Synchronous training by four workers is training in one process on the union batch.

#![allow(clippy::unwrap_used, reason = "tests may, also in their helpers")]

use node::job::Job;
use tests::{Place, Up, parity, run, text};

/// The largest difference between the two runs' held-out losses, in nats per token.
const LOSS_DIFFERENCE_MAX: f64 = 1e-4;

fn losses(name: &str, change: impl FnOnce(&mut Job)) -> Vec<f64> {
    let place = Place::new();
    let job = parity(place.path(), change);
    let run = place.join(name);
    let ended = Up::start(&run, &job, &text(), &[]).finish().finished();
    let start = ended.named("run").next().unwrap()["initial_loss"].as_f64().unwrap();
    let rounds = run::rounds(&run);
    let workers: Vec<usize> = rounds.iter().map(|round| round.contributions.len()).collect();
    assert!(workers.iter().all(|count| *count == workers[0]), "{workers:?}");
    std::iter::once(start).chain(rounds.iter().map(|round| round.eval_loss.unwrap())).collect()
}

#[test]
fn four_workers_equal_one_with_the_union_batch() {
    let four = losses("four", |_| {});
    let one = losses("one", |job| {
        job.round.workers_min = 1;
        job.train.batch_sequences *= 4;
    });
    assert_eq!((four.len(), one.len()), (51, 51));
    let difference = four.iter().zip(&one).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    println!("largest difference {difference:e}, loss {:.4} to {:.4}", four[0], four[50]);
    assert!(difference <= LOSS_DIFFERENCE_MAX, "{difference:e}\n{four:?}\n{one:?}");
    assert!(four[50] < four[0] - 0.5, "nothing was learned, so the comparison says nothing: {four:?}");
}
