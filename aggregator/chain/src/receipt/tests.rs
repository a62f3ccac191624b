use super::*;

const MODULE_AT: Address = Address([9; 32]);

#[test]
fn every_entry_function_has_its_event() {
    let named: Vec<_> = ENDS.iter().map(|(function, ..)| *function).collect();
    let entries: Vec<_> = contract::abi().iter().filter(|of| of.is_entry).map(|of| of.name).collect();
    assert_eq!(named, entries);
}

#[test]
fn reads_the_contracts_aborts_alone() {
    let read = |status: &str| abort(status, &MODULE_AT);
    for expected in Abort::ALL {
        assert_eq!(read(&format!("Move abort in {MODULE_AT}::training_rewards: {expected}")), Some(expected));
        let bare = format!("Move abort in {MODULE_AT}::training_rewards: {:#x}", expected.code());
        assert_eq!(read(&bare), Some(expected));
    }
    for status in [
        "Executed successfully".to_owned(),
        "Out of gas".to_owned(),
        format!("Move abort in {MODULE_AT}::other: EPAUSED(0x30003): x"),
        "Move abort in 0x1::training_rewards: EPAUSED(0x30003): x".to_owned(),
        format!("Move abort in {MODULE_AT}::training_rewards: EPAUSED(0x3ffff): x"),
    ] {
        assert_eq!(read(&status), None, "{status}");
    }
}
