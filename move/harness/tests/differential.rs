//! Random traces through the contract's two writings: the Move module in its machine, and the Rust state machine of the
//! embedded ledger. Events, abort codes and views must agree call by call.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use contract::trace::{GRANT, Generator, STAFF, genesis};
use contract::{Address, CallError, State};
use move_harness::{Vm, args};
use serde_json::{Value, json};

type Outcome = Result<(), Box<dyn Error>>;

/// What a call did: its events, or the code of its abort; none where its arguments are no arguments.
type Did = Result<Vec<(String, Value)>, Option<u64>>;

/// Calls of the whole test, over all seeds.
const CALLS: usize = 10_000;
/// Calls between two comparisons of all views.
const VIEWS_EVERY: usize = 250;

/// A value as the machine shows it: addresses without leading zeros, bytes without 0x.
fn shown(value: &contract::Value) -> Value {
    match value {
        contract::Value::Address(address) => {
            let digits = address.to_string();
            let digits = digits.trim_start_matches("0x").trim_start_matches('0');
            json!(format!("0x{}", if digits.is_empty() { "0" } else { digits }))
        }
        contract::Value::Bytes(bytes) => json!(hex::encode(bytes)),
        contract::Value::List(values) => values.iter().map(shown).collect(),
        other => other.json(),
    }
}

/// The machine shows no bytes as an empty list.
fn without_empty(value: Value) -> Value {
    match value {
        Value::Array(values) if values.is_empty() => json!(""),
        Value::Array(values) => values.into_iter().map(without_empty).collect(),
        other => other,
    }
}

/// Both ledgers, given the same calls.
struct Pair {
    vm: Vm,
    state: State,
}

impl Pair {
    fn new() -> Result<Self, Box<dyn Error>> {
        let mut vm = Vm::new()?;
        for account in STAFF {
            vm.mint(account.0, GRANT)?;
        }
        Ok(Self { vm, state: genesis() })
    }

    fn execute(&mut self, function: &str, args: &[Vec<u8>], sender: Address, now_s: u64) -> (Did, Did) {
        let in_rust = self.state.execute(function, args, sender, now_s);
        let in_rust = in_rust.map_err(|error| match error {
            CallError::Abort(abort) => Some(abort.code()),
            _ => None,
        });
        let in_rust = in_rust.map(|events| {
            let fields = |event: &contract::Event| {
                event.fields.iter().map(|(name, value)| ((*name).to_owned(), shown(value))).collect()
            };
            events.iter().map(|event| (event.name.to_owned(), Value::Object(fields(event)))).collect()
        });
        let in_move = self.vm.execute(&format!("training_rewards::{function}"), args, sender.0, now_s);
        let in_move = in_move.map_err(|failure| failure.abort_code());
        let in_move = in_move.map(|events| events.into_iter().map(|event| (event.name, event.data)).collect());
        (in_rust, in_move)
    }

    /// Compares a view, with results or an abort.
    fn compare_view(&mut self, function: &str, args: &[Vec<u8>], now_s: u64) {
        let in_rust = self.state.view(function, args, now_s);
        let in_rust = in_rust.map_err(|error| match error {
            CallError::Abort(abort) => Some(abort.code()),
            _ => None,
        });
        // The machine shows one result by itself and several as a list.
        let in_rust = in_rust.map(|values| match &values[..] {
            [value] => shown(value),
            several => several.iter().map(shown).collect(),
        });
        let in_move = self.vm.view(&format!("training_rewards::{function}"), args).map(without_empty);
        assert_eq!(in_rust, in_move.map_err(|failure| failure.abort_code()), "view {function} of {args:02x?}");
    }

    fn compare_views(&mut self, accounts: &BTreeSet<Address>, sessions: u64, now_s: u64) {
        for function in ["get_config", "vault_balance"] {
            self.compare_view(function, &[], now_s);
        }
        for account in accounts {
            for function in ["get_p2p_node", "is_reporter"] {
                self.compare_view(function, &[args::address(account.0)], now_s);
            }
        }
        for session in 0..=sessions {
            for function in ["get_session", "get_root", "get_anchor"] {
                self.compare_view(function, &[args::u64(session)], now_s);
            }
        }
        for session in sessions.saturating_sub(3)..=sessions {
            for account in accounts {
                for function in ["get_contribution", "get_earning", "get_claimed"] {
                    self.compare_view(function, &[args::u64(session), args::address(account.0)], now_s);
                }
            }
        }
        for score in [[0, 0, 0, 0], [100, 100, 100, 100], [7, 0, 9, 1], [33, 67, 1, 99], [101, 1, 1, 1], [1, 1, 1, 101]]
        {
            self.compare_view("calculate_contribution_score", &score.map(args::u64), now_s);
        }
    }
}

/// How often each call ended how.
type Coverage = BTreeMap<(&'static str, String), usize>;

fn trace(seed: u64, calls: usize, coverage: &mut Coverage) -> Outcome {
    let (mut pair, mut generator) = (Pair::new()?, Generator::new(seed));
    let (mut accounts, mut sessions) = (BTreeSet::from(STAFF), 0);
    for number in 1..=calls {
        let call = generator.next(&pair.state);
        accounts.insert(call.sender);
        let (in_rust, in_move) = pair.execute(call.function, &call.args, call.sender, call.now_s);
        let shown = json!({ "rust": format!("{in_rust:?}"), "move": format!("{in_move:?}") });
        assert_eq!(in_rust, in_move, "seed {seed}, call {number}: {call:?} {shown:#}");
        if call.function == "create_session" && in_rust.is_ok() {
            sessions += 1;
        }
        let end = match in_rust {
            Ok(_) => "ok".to_owned(),
            Err(Some(code)) => format!("abort {}", code & 0xffff),
            Err(None) => "malformed".to_owned(),
        };
        *coverage.entry((call.function, end)).or_default() += 1;
        if number % VIEWS_EVERY == 0 || number == calls {
            pair.compare_views(&accounts, sessions + 1, call.now_s);
        }
    }
    Ok(())
}

#[test]
fn the_module_and_the_embedded_contract_agree_on_random_traces() -> Outcome {
    let mut coverage = Coverage::new();
    for seed in 1..=4 {
        trace(seed, CALLS / 4, &mut coverage)?;
    }
    for ((function, end), count) in &coverage {
        println!("{function:32} {end:12} {count:6}");
    }
    for function in contract::abi().iter().filter(|function| function.is_entry) {
        assert!(coverage.contains_key(&(function.name, "ok".to_owned())), "{} never succeeded", function.name);
    }
    for abort in contract::Abort::ALL {
        let end = format!("abort {}", abort.reason());
        assert!(coverage.keys().any(|(_, found)| *found == end), "{} was never reached", abort.name());
    }
    Ok(())
}

#[test]
fn a_planted_difference_is_caught() -> Outcome {
    let mut pair = Pair::new()?;
    // One unit more in one of the two: the same call no longer does the same.
    let account = Address([0xee; 32]);
    pair.state.mint(account, 10).map_err(|abort| abort.name())?;
    pair.vm.mint(account.0, 9)?;
    let (in_rust, in_move) =
        pair.execute("set_reporter", &[args::address(account.0), args::bool(true)], STAFF[0], 1_800_000_000);
    assert_eq!(in_rust, in_move);
    let session = [args::u64(1), args::bytes(&[1; 32]), args::u64(10)];
    let (in_rust, in_move) = pair.execute("create_session", &session, account, 1_800_000_000);
    assert_ne!(in_rust, in_move);
    Ok(())
}
