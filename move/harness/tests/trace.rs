//! The Move module and the Rust state machine, call by call on the same random traces: a difference is a defect of one.

use std::error::Error;

use contract::{Address, CallError, State, Type, Value, abi, trace};
use move_harness::{ADMIN, Event, Failure, Vm, args};
use serde_json::Value as Json;

type Outcome = Result<(), Box<dyn Error>>;

/// Of a trace. About a third is accepted.
const CALLS: usize = 2_000;
/// Calls between two comparisons of every view.
const LOOK_EVERY: usize = 250;

/// A machine in the state of a trace's beginning: the deployer of the traces is the admin, the staff hold their grants.
fn genesis() -> Result<Vm, Box<dyn Error>> {
    let mut vm = Vm::new()?;
    for staff in trace::STAFF {
        vm.mint(staff.0, trace::GRANT)?;
    }
    vm.execute("training_rewards::propose_admin", &[args::address(trace::DEPLOYER.0)], ADMIN, 0)?;
    vm.execute("training_rewards::accept_admin", &[], trace::DEPLOYER.0, 0)?;
    Ok(vm)
}

/// Whether the machine shows this value: it may leave out an address's leading zeros and the `0x` of bytes, and
/// shows no bytes as an empty list.
fn shows(shown: &Json, value: &Value) -> bool {
    match value {
        Value::Address(address) => shown.as_str().and_then(|text| text.parse().ok()) == Some(*address),
        Value::Bytes(bytes) if bytes.is_empty() => shown.as_array().is_some_and(Vec::is_empty) || shown == "0x",
        Value::Bytes(_) => bare(shown) == bare(&value.json()),
        _ => *shown == value.json(),
    }
}

fn bare(json: &Json) -> Option<String> {
    json.as_str().map(|text| text.trim_start_matches("0x").to_owned())
}

fn same_event(shown: &Event, event: &contract::Event) -> bool {
    let fields = shown.data.as_object().is_some_and(|data| data.len() == event.fields.len());
    fields && shown.name == event.name && event.fields.iter().all(|(name, value)| shows(&shown.data[*name], value))
}

fn same_outcome(shown: &Result<Vec<Event>, Failure>, outcome: &Result<Vec<contract::Event>, CallError>) -> bool {
    match (shown, outcome) {
        (Ok(shown), Ok(events)) => {
            shown.len() == events.len() && shown.iter().zip(events).all(|(shown, event)| same_event(shown, event))
        }
        (Err(failure), Err(CallError::Abort(abort))) => failure.abort_code() == Some(abort.code()),
        (Err(failure), Err(_)) => failure.abort_code().is_none(),
        _ => false,
    }
}

/// The arguments with which a view is looked at: every session that was made and one more, every account.
fn questions(params: &[Type], sessions: u64) -> Vec<Vec<Vec<u8>>> {
    let accounts = || {
        (1..=26).chain(0xc0..=0xc2).map(|last| {
            let mut bytes = [0; 32];
            bytes[31] = last;
            args::address(Address(bytes).0)
        })
    };
    match params {
        [] => vec![Vec::new()],
        [Type::Address] => accounts().map(|account| vec![account]).collect(),
        [Type::U64] => (1..=sessions).map(|id| vec![args::u64(id)]).collect(),
        [Type::U64, Type::Address] => {
            // The last few only: earlier ones were looked at before and seldom change.
            let recent = sessions.saturating_sub(5).max(1)..=sessions;
            recent.flat_map(|id| accounts().map(move |account| vec![args::u64(id), account])).collect()
        }
        _ => vec![vec![args::u64(70), args::u64(80), args::u64(90), args::u64(100)]],
    }
}

fn compare_views(vm: &mut Vm, state: &State, sessions: u64, now_s: u64) {
    for function in abi().iter().filter(|function| function.is_view) {
        for question in questions(function.params, sessions) {
            let shown = vm.view(&format!("training_rewards::{}", function.name), &question);
            let same = match (&shown, state.view(function.name, &question, now_s)) {
                (Ok(shown), Ok(values)) if values.len() == 1 => shows(shown, &values[0]),
                (Ok(shown), Ok(values)) => {
                    let all = shown.as_array().is_some_and(|shown| shown.len() == values.len());
                    all && values.iter().enumerate().all(|(place, value)| shows(&shown[place], value))
                }
                (Err(failure), Err(CallError::Abort(abort))) => failure.abort_code() == Some(abort.code()),
                _ => false,
            };
            let expected = state.view(function.name, &question, now_s);
            assert!(same, "{}({question:?})\nMove {shown:?}\nRust {expected:?}", function.name);
        }
    }
}

fn run(seed: u64) -> Outcome {
    let (mut vm, mut state) = (genesis()?, trace::genesis());
    let (mut sessions, mut accepted) = (1, 0);
    for (number, call) in trace::calls(seed, CALLS).enumerate() {
        let shown = vm.execute(&format!("training_rewards::{}", call.function), &call.args, call.sender.0, call.now_s);
        let outcome = state.execute(call.function, &call.args, call.sender, call.now_s);
        assert!(
            same_outcome(&shown, &outcome),
            "seed {seed}, call {number}: {call:?}\nMove {shown:?}\nRust {outcome:?}"
        );
        accepted += usize::from(outcome.is_ok());
        sessions += u64::from(call.function == "create_session" && outcome.is_ok());
        if number % LOOK_EVERY == LOOK_EVERY - 1 {
            compare_views(&mut vm, &state, sessions, call.now_s);
        }
    }
    assert!(accepted > CALLS / 4, "only {accepted} of {CALLS} calls of seed {seed} were accepted");
    Ok(())
}

#[test]
fn traces_of_seed_1_agree() -> Outcome {
    run(1)
}

#[test]
fn traces_of_seed_2_agree() -> Outcome {
    run(2)
}
