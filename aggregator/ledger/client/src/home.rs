//! Where a ledger is, and what may be spent on it.

use contract::Address;

/// A ledger: the embedded one, Aptos's testnet or its mainnet. Nothing else tells them apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// The node's address, with or without `/v1` at its end.
    pub url: String,
    /// The chain's number; every answer must name it, and every transaction does.
    pub chain_id: u8,
    /// The address at which the contract is.
    pub module: Address,
}

/// What may be spent. A call that would need more is refused and never signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ceilings {
    /// The most units of gas that one transaction may use.
    pub gas_max: u64,
    /// The most that one unit may cost.
    pub gas_unit_price_max: u64,
    /// Calls are refused while the payer holds less than this.
    pub balance_low: u64,
}

impl Default for Ceilings {
    /// The chain's own bound on gas, ten times the usual price, a tenth of a coin.
    fn default() -> Self {
        Ceilings { gas_max: 2_000_000, gas_unit_price_max: 1_000, balance_low: 10_000_000 }
    }
}

impl Home {
    /// The address without `/v1`: the faucet's.
    pub(crate) fn base(&self) -> &str {
        let url = self.url.trim_end_matches('/');
        url.strip_suffix("/v1").unwrap_or(url).trim_end_matches('/')
    }

    /// What transactions of this ledger name.
    pub(crate) fn target(&self) -> Target {
        Target { chain_id: self.chain_id, module: self.module }
    }
}

/// The chain and the contract that a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) chain_id: u8,
    pub(crate) module: Address,
}
