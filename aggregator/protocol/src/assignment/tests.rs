//! Every sequence once a pass, in an order that the seed fixes.

use super::{Assignment, permutation::Permutation};
use crate::{
    Hash, Head, Parameters, Round,
    testing::{head, keypairs, parameters},
};
use std::collections::BTreeSet;

impl Assignment {
    /// Windows of all workers in an inner step: the union batch, in the order of workers.
    fn union(&self, inner_step: u32) -> Vec<u64> {
        self.stretch(self.step_start(inner_step), self.step_sequences())
    }
}

fn assignment(head: &Head, windows: u64) -> Assignment {
    head.assignment(Round(1), &parameters(3), windows)
}

fn sorted(mut windows: Vec<u64>) -> Vec<u64> {
    windows.sort_unstable();
    windows
}

#[test]
fn a_permutation_takes_each_number_to_another() {
    for n in [1, 2, 3, 4, 5, 63, 64, 65, 1_000] {
        let order = Permutation::new(n, &Hash([3; 32]));
        let images: BTreeSet<u64> = (0..n).map(|position| order.at(position)).collect();
        assert_eq!(images, (0..n).collect(), "below {n}");
    }
}

#[test]
fn a_permutation_follows_its_seed() {
    let (one, other) = (Permutation::new(1_000, &Hash([3; 32])), Permutation::new(1_000, &Hash([4; 32])));
    let same = (0..1_000).filter(|position| one.at(*position) == other.at(*position)).count();
    assert!(same < 20, "{same} of 1000 stay");
}

#[test]
fn the_batches_of_the_workers_are_the_union_in_their_order() {
    let keypairs = keypairs(3);
    let assignment = assignment(&head(&keypairs), 500);
    let parts: Vec<u64> = keypairs.iter().flat_map(|keypair| assignment.windows_of(&keypair.worker(), 1)).collect();
    assert_eq!(parts, assignment.union(1));
    assert_eq!(parts.len(), 12);
}

#[test]
fn the_union_does_not_depend_on_how_many_share_it() {
    let one = parameters(1);
    let wide = Parameters { batch_sequences: 12, ..one.clone() };
    let three = head(&keypairs(3)).assignment(Round(1), &one, 500);
    let alone = head(&keypairs(1)).assignment(Round(1), &wide, 500);
    assert_eq!((three.union(0), three.union(1)), (alone.union(0), alone.union(1)));
}

#[test]
fn a_pass_takes_every_window_once_over_round_borders() {
    let mut head = head(&keypairs(3));
    let mut taken = Vec::new();
    for round in 1..=5 {
        let assignment = head.assignment(Round(round), &parameters(3), 60);
        taken.extend((0..2).flat_map(|step| assignment.union(step)));
        head.cursor = assignment.next_cursor();
    }
    assert_eq!(sorted(taken[..60].to_vec()), (0..60).collect::<Vec<_>>());
    assert_eq!(sorted(taken[60..].to_vec()), (0..60).collect::<Vec<_>>());
    assert_ne!(taken[..60], taken[60..], "each pass has an order of its own");
}

#[test]
fn speed_steps_take_larger_batches() {
    let keypairs = keypairs(3);
    let mut head = head(&keypairs);
    head.roster.members[1].speed_step = 3;
    let assignment = assignment(&head, 500);
    let batches: Vec<u64> = keypairs.iter().map(|keypair| assignment.batch(&keypair.worker())).collect();
    assert_eq!(batches, [4, 12, 4]);
    assert_eq!(assignment.round_sequences(), 40);
}

#[test]
fn those_in_quarantine_and_strangers_get_nothing() {
    let all = keypairs(4);
    let mut head = head(&all[..3]);
    head.roster.members[0].quarantined_until = Some(Round(5));
    let assignment = assignment(&head, 500);
    assert_eq!(assignment.windows_of(&all[0].worker(), 0), Vec::<u64>::new());
    assert_eq!(assignment.windows_of(&all[3].worker(), 0), Vec::<u64>::new());
    assert_eq!(assignment.step_sequences(), 8);
}

#[test]
fn scoring_windows_are_distinct_and_were_assigned_to_nobody() {
    let assignment = assignment(&head(&keypairs(3)), 100);
    let taken: BTreeSet<u64> = (0..2).flat_map(|step| assignment.union(step)).collect();
    let scoring = assignment.scoring_windows(&Hash([9; 32]), 50);
    assert_eq!(scoring.iter().collect::<BTreeSet<_>>().len(), 50);
    assert!(scoring.iter().all(|window| !taken.contains(window)));
    assert_ne!(scoring, assignment.scoring_windows(&Hash([8; 32]), 50));
}

#[test]
fn a_short_text_gives_fewer_scoring_windows_and_a_used_up_one_repeats() {
    let head = head(&keypairs(3));
    assert_eq!(assignment(&head, 30).scoring_windows(&Hash([9; 32]), 50).len(), 6);
    assert_eq!(assignment(&head, 24).scoring_windows(&Hash([9; 32]), 8).len(), 8);
    assert_eq!(assignment(&head, 0).scoring_windows(&Hash([9; 32]), 8), [0]);
}

#[test]
fn the_order_follows_the_seed_and_nothing_else() {
    let one = head(&keypairs(3));
    let mut other = one.clone();
    other.session = crate::SessionId([9; 32]);
    assert_eq!(assignment(&one, 500).union(0), assignment(&other, 500).union(0));
    let reseeded = Parameters { seed: 1, ..parameters(3) };
    assert_ne!(assignment(&one, 500).union(0), one.assignment(Round(1), &reseeded, 500).union(0));
}
