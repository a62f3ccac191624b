//! What the chain calls things.

/// The contract's module.
pub const MODULE: &str = "training_rewards";
/// What the chain says of a call that succeeded.
pub const EXECUTED: &str = "Executed successfully";
/// The type of the coin that pays for gas.
pub const GAS_COIN: &str = "0x1::aptos_coin::AptosCoin";
