use super::{Call, Generator, calls, genesis};
use crate::{Abort, CallError, abi};
use std::collections::BTreeMap;

#[test]
fn ten_thousand_calls_reach_every_function_and_every_abort() {
    let mut state = genesis();
    let mut generator = Generator::new(7);
    let mut succeeded: BTreeMap<&str, usize> = BTreeMap::new();
    let mut aborted: BTreeMap<Abort, usize> = BTreeMap::new();
    let mut pairs: BTreeMap<(&str, Abort), usize> = BTreeMap::new();
    let mut malformed = 0;
    for _ in 0..10_000 {
        let Call { function, args, sender, now_s } = generator.next(&state);
        match state.execute(function, &args, sender, now_s) {
            Ok(_) => *succeeded.entry(function).or_default() += 1,
            Err(CallError::Abort(abort)) => {
                *aborted.entry(abort).or_default() += 1;
                *pairs.entry((function, abort)).or_default() += 1;
            }
            Err(CallError::Arguments(_)) => malformed += 1,
            Err(CallError::NoFunction(name)) => panic!("no function {name}"),
        }
    }
    println!("{succeeded:#?}\n{malformed} malformed");
    aborted.iter().for_each(|(abort, count)| println!("{:26} {count}", abort.name()));
    println!("{} pairs of a function and an abort", pairs.len());
    let missed: Vec<_> =
        abi().iter().filter(|f| f.is_entry && !succeeded.contains_key(f.name)).map(|f| f.name).collect();
    assert!(missed.is_empty(), "never succeeded: {missed:?}");
    let missed: Vec<_> = Abort::ALL.into_iter().filter(|abort| !aborted.contains_key(abort)).collect();
    assert!(missed.is_empty(), "never aborted: {missed:?}");
    assert!(malformed > 0);
}

#[test]
fn a_seed_makes_one_trace() {
    let trace = |seed| calls(seed, 300).collect::<Vec<_>>();
    assert_eq!(trace(1), trace(1));
    assert_ne!(trace(1), trace(2));
    assert!(trace(3).is_sorted_by_key(|call| call.now_s));
}
