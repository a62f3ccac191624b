//! The calls of a whole session, in a machine with storage.

use std::error::Error;

use move_harness::{ADMIN, Vm, args};
use serde_json::json;

type Outcome = Result<(), Box<dyn Error>>;

const WORKER: [u8; 32] = [0xa1; 32];
const OTHER: [u8; 32] = [0xa2; 32];
const DAY: u64 = 86_400;
const ENOT_CLAIMABLE_YET: u64 = 3 * 65_536 + 22;
const ENOT_REPORTER: u64 = 5 * 65_536 + 2;

/// A machine with two nodes and session 7, whose pool is 1,000.
fn session() -> Result<Vm, Box<dyn Error>> {
    let mut vm = Vm::new()?;
    vm.mint(ADMIN, 10_000)?;
    for (who, name) in [(WORKER, "first"), (OTHER, "second")] {
        let call = [args::string(name), args::string("key"), args::u64(10), args::u64(20)];
        let events = vm.execute("training_rewards::register_p2p_node", &call, who, 1_000)?;
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].name, "NodeRegistered");
        assert_eq!(events[0].data["node_id"], name);
        assert_eq!(events[0].data["at"], "1000");
    }
    let call = [args::u64(7), args::bytes(&[1; 32]), args::u64(1_000)];
    vm.execute("training_rewards::create_session", &call, ADMIN, 1_000)?;
    Ok(vm)
}

/// Adds a contribution with an uptime of 100.
fn submit(vm: &mut Vm, who: [u8; 32], time: u64, quality: u64, data: u64) -> Outcome {
    let call = [args::u64(7), args::address(who), args::u64(time), args::u64(quality), args::u64(data), args::u64(100)];
    vm.execute("training_rewards::submit_detailed_contribution", &call, ADMIN, 1_100)?;
    Ok(())
}

#[test]
fn a_session_goes_from_its_pool_to_its_claims() -> Outcome {
    let mut vm = session()?;
    submit(&mut vm, OTHER, 100, 50, 50)?;
    submit(&mut vm, WORKER, 50, 100, 100)?;
    let events = vm.execute("training_rewards::distribute_rewards", &[args::u64(7)], ADMIN, 2_000)?;
    let names: Vec<_> = events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["RewardEarned", "RewardEarned", "RewardsDistributed"]);
    assert_eq!(events[0].data["amount"], "632");
    assert_eq!(events[2].data, json!({ "session_id": "7", "total": "1000", "returned": "0" }));

    let claim = |vm: &mut Vm, now_s| vm.execute("training_rewards::claim_reward", &[args::u64(7)], WORKER, now_s);
    let early = claim(&mut vm, 1_999 + DAY).expect_err("the delay has not passed");
    assert_eq!(early.abort_code(), Some(ENOT_CLAIMABLE_YET), "{early}");
    assert_eq!(vm.view("training_rewards::vault_balance", &[])?, json!("1000"));
    assert_eq!(claim(&mut vm, 2_000 + DAY)?[0].data["amount"], "632");
    assert_eq!(vm.view("training_rewards::vault_balance", &[])?, json!("368"));
    let earning = vm.view("training_rewards::get_earning", &[args::u64(7), args::address(WORKER)])?;
    assert_eq!(earning, json!(["632", "88400", true]));
    Ok(())
}

#[test]
fn a_refused_call_changes_nothing() -> Outcome {
    let mut vm = session()?;
    let call = [args::u64(8), args::bytes(&[1; 32]), args::u64(1)];
    let refused = vm.execute("training_rewards::create_session", &call, WORKER, 1_200).expect_err("not a reporter");
    assert_eq!(refused.abort_code(), Some(ENOT_REPORTER), "{refused}");
    assert_eq!(vm.view("training_rewards::vault_balance", &[])?, json!("1000"));
    let unknown = vm.execute("training_rewards::no_such_call", &[], WORKER, 1_200).expect_err("no such function");
    assert_eq!(unknown.abort_code(), None, "{unknown}");
    Ok(())
}

#[test]
fn machines_share_nothing() -> Outcome {
    let (mut first, mut second) = (Vm::new()?, Vm::new()?);
    first.execute("training_rewards::set_paused", &[args::bool(true)], ADMIN, 5)?;
    assert_eq!(first.view("training_rewards::get_config", &[])?[1], json!(true));
    assert_eq!(second.view("training_rewards::get_config", &[])?[1], json!(false));
    Ok(())
}
