//! What a call would cost on Aptos: the chain's gas schedule applied to what the call did in the test machine.
//!
//! The schedule is that of mid-2025 (aptos-core's `transaction.rs` at gas feature version 30); since March 2026 each of
//! its figures is ten times as high (AIP-141), which changes no proportion. Instructions and natives need no table
//! here: the test machine meters them by the same one. What it charges for its own chain's storage is taken off.

use std::ops::Add;

use crate::usage::{Slot, Usage};

/// Internal units in a unit of gas.
const INTERNAL_PER_UNIT: u64 = 1_000_000;
/// The price of a unit, in octas, at which storage fees are counted in units here: the chain's lowest.
pub const PRICE: u64 = 100;
/// Octas in an APT.
pub const OCTAS_PER_APT: u64 = 100_000_000;
/// What a transaction may use of instructions, in units.
pub const EXECUTION_MAX: u64 = 920;
/// What a transaction may use of reads and writes, in units.
pub const IO_MAX: u64 = 1_000;
/// What a transaction may use in all, in units.
pub const UNITS_MAX: u64 = 2_000_000;

const TRANSACTION: u64 = 2_760_000;
const TRANSACTION_BYTES_FREE: u64 = 600;
const TRANSACTION_BYTE: u64 = 1_158;
const TRANSACTION_BYTE_WRITE: u64 = 89;
const SLOT_READ: u64 = 302_385;
const BYTE_READ: u64 = 151;
/// Bytes are read by the page.
const PAGE: u64 = 4_096;
const SLOT_WRITE: u64 = 89_568;
const BYTE_WRITE: u64 = 89;
const MODULE: u64 = 74_460;
const MODULE_BYTE: u64 = 42;
const SLOT_OCTAS: u64 = 40_000;
const BYTE_OCTAS: u64 = 40;

/// The test machine's unit, and what it charges for its own chain: each call, each resource and its bytes, each slot
/// written and its bytes above a kilobyte.
mod machine {
    pub(super) const INTERNAL_PER_UNIT: u64 = 100;
    pub(super) const CALL: u64 = 5_000;
    pub(super) const WRITE: u64 = 2_000;
    pub(super) const WRITE_BYTE: u64 = 30;
    pub(super) const WRITE_BYTES_FREE: u64 = 1_024;
}

/// The parts of what a call costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Instructions, natives, the transaction itself and the code that it loads, in internal units.
    pub execution: u64,
    /// Reads and writes, in internal units.
    pub io: u64,
    /// New slots and new bytes, in octas.
    pub storage: u64,
}

impl Cost {
    /// The units of gas, rounded up.
    pub fn units(&self) -> u64 {
        (self.execution + self.io + self.storage * INTERNAL_PER_UNIT / PRICE).div_ceil(INTERNAL_PER_UNIT)
    }

    /// The units of execution, rounded up; a transaction has at most [`EXECUTION_MAX`].
    pub fn execution_units(&self) -> u64 {
        self.execution.div_ceil(INTERNAL_PER_UNIT)
    }

    /// The units of reads and writes, rounded up; a transaction has at most [`IO_MAX`].
    pub fn io_units(&self) -> u64 {
        self.io.div_ceil(INTERNAL_PER_UNIT)
    }
}

impl Add for Cost {
    type Output = Cost;

    fn add(self, other: Cost) -> Cost {
        Cost {
            execution: self.execution + other.execution,
            io: self.io + other.io,
            storage: self.storage + other.storage,
        }
    }
}

/// What a call costs that did so much, as a transaction of so many bytes whose events have so many, in code of these
/// modules' lengths.
pub fn cost(usage: &Usage, transaction_bytes: u64, event_bytes: u64, modules: &[usize]) -> Cost {
    let excess = transaction_bytes.saturating_sub(TRANSACTION_BYTES_FREE);
    let code: u64 = modules.iter().map(|bytes| MODULE + MODULE_BYTE * *bytes as u64).sum();
    let sum = |price: fn(&Slot) -> u64| usage.slots.iter().map(price).sum::<u64>();
    Cost {
        execution: TRANSACTION + TRANSACTION_BYTE * excess + code + instructions(usage),
        io: TRANSACTION_BYTE_WRITE * transaction_bytes + BYTE_WRITE * event_bytes + sum(read) + sum(write),
        storage: sum(storage),
    }
}

/// What the machine metered, without what it charges for its own chain.
fn instructions(usage: &Usage) -> u64 {
    let own = |slot: &Slot| match (slot.written, slot.after) {
        (true, Some(value)) => {
            let above = (slot.key as u64 + value as u64).saturating_sub(machine::WRITE_BYTES_FREE);
            machine::WRITE + machine::WRITE_BYTE * above
        }
        _ => 0,
    };
    let own = machine::CALL + usage.slots.iter().map(own).sum::<u64>();
    usage.metered.saturating_sub(own) * machine::INTERNAL_PER_UNIT
}

fn read(slot: &Slot) -> u64 {
    SLOT_READ + BYTE_READ * (slot.before.unwrap_or(0) as u64).next_multiple_of(PAGE)
}

fn write(slot: &Slot) -> u64 {
    let bytes = (slot.key + slot.after.unwrap_or(0)) as u64;
    if slot.written { SLOT_WRITE + BYTE_WRITE * bytes } else { 0 }
}

fn storage(slot: &Slot) -> u64 {
    match (slot.before, slot.after) {
        (None, Some(value)) => SLOT_OCTAS + BYTE_OCTAS * (slot.key + value) as u64,
        (Some(before), Some(after)) => BYTE_OCTAS * after.saturating_sub(before) as u64,
        (_, None) => 0,
    }
}

/// The bytes of a signed transaction by one Ed25519 key that calls a function of `training_rewards` with arguments in
/// BCS.
pub fn transaction_bytes(function: &str, args: &[Vec<u8>]) -> u64 {
    const ADDRESS: usize = 32;
    const MODULE: usize = 1 + "training_rewards".len();
    // The payload's kind, the types, and the count of the arguments.
    const PAYLOAD: usize = 1 + 1 + 1;
    // The sequence number, the limit, the price, the expiry; the chain.
    const FIELDS: usize = 4 * 8 + 1;
    // The authenticator's kind, the key and the signature, each behind its length.
    const AUTHENTICATOR: usize = 1 + (1 + 32) + (1 + 64);
    let args: usize = args.iter().map(|arg| crate::args::bytes(arg).len()).sum();
    let call = ADDRESS + MODULE + 1 + function.len() + args;
    (ADDRESS + PAYLOAD + call + FIELDS + AUTHENTICATOR) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(before: Option<usize>, after: Option<usize>) -> Slot {
        Slot { key: 60, written: true, before, after }
    }

    #[test]
    fn a_new_slot_costs_its_fee_and_its_bytes() {
        let usage = Usage { metered: 7_000, slots: vec![slot(None, Some(40))] };
        let cost = cost(&usage, 600, 0, &[]);
        assert_eq!(cost, Cost { execution: 2_760_000, io: 53_400 + 302_385 + 98_468, storage: 44_000 });
        assert_eq!(cost.units(), 444);
    }

    #[test]
    fn a_known_slot_costs_its_growth_alone() {
        let storage = |before, after| storage(&slot(Some(before), Some(after)));
        assert_eq!([storage(40, 40), storage(40, 50), storage(50, 40)], [0, 400, 0]);
        assert_eq!(read(&slot(Some(40), Some(40))), 302_385 + 151 * 4_096);
        assert_eq!(read(&slot(Some(4_097), None)), 302_385 + 151 * 8_192);
    }
}
