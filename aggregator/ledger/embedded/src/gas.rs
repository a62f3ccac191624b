//! What a transaction costs: a table so simple that the cost is known before the call runs.
//!
//! The figures keep the chain's proportions (a new record costs far more than everything else), not its amounts: the
//! chain's schedule changes, and a client must ask by simulation on either home.

use contract::Address;

/// What every transaction costs, and so the least that its limit may be.
pub const TRANSACTION_GAS: u64 = 60;
/// How many bytes of a transaction cost one unit.
pub const BYTES_PER_GAS: u64 = 16;
/// What a call costs that makes a new record.
pub const RECORD_GAS: u64 = 4_500;
/// The highest limit that a transaction may set, as on the chain.
pub const MAX_GAS_MAX: u64 = 2_000_000;
/// The lowest price of a unit, as on the chain; what `estimate_gas_price` answers.
pub const PRICE_MIN: u64 = 100;
/// The highest price of a unit, as on the chain.
pub const PRICE_MAX: u64 = 10_000_000_000;
/// What the contract's own account holds at first: a million coins.
pub const ADMIN_GAS: u64 = 100_000_000_000_000;

/// The calls that make a new record each time.
const RECORD_CALLS: [&str; 2] = ["register_p2p_node", "create_session"];

/// The units that a call costs, whether it succeeds or aborts.
pub fn cost(transaction_bytes: usize, function: &str) -> u64 {
    let records = if RECORD_CALLS.contains(&function) { RECORD_GAS } else { 0 };
    TRANSACTION_GAS + transaction_bytes as u64 / BYTES_PER_GAS + records
}

/// The framework's address on the chain, `0x1`.
pub const FRAMEWORK: Address = framework(1);
/// The gas coin as a fungible asset, `0xa`.
pub const GAS_ASSET: Address = framework(10);

const fn framework(last: u8) -> Address {
    let mut bytes = [0; 32];
    bytes[31] = last;
    Address(bytes)
}
