//! Which ledger a command speaks to: the one that is named, or the one that a run reported to.

use std::net::SocketAddr;

use aggregator::driver::LedgerConfig;
use anyhow::Context;
use disk::read_json;
use ledger_client::{Account, Ceilings, Client, Home};
use ledger_embedded::Options;
use record::RunDirectory;
use record::pay::LedgerPlace;

use super::node::Node;
use crate::cli::LedgerArgs;
use crate::commands::wallet::read_key;
use crate::exit::{WrongUse, wrong_use};

/// The variable that may hold the key that signs and pays.
const KEY_VARIABLE: &str = "COTRAIN_LEDGER_KEY";
/// The longest `place.json`.
const PLACE_BYTES_MAX: u64 = 64 << 10;
/// The least that a payer must hold, in octas: a tenth of a coin.
const BALANCE_LOW: u64 = 10_000_000;

/// A ledger to speak to, and the process's own one where it had to be started.
pub struct Access {
    pub home: Home,
    /// Where the run's embedded ledger was not served, this process serves it.
    pub node: Option<Node>,
}

impl LedgerArgs {
    /// The ledger that was named, and who pays there; none when none was.
    ///
    /// # Errors
    /// Wrong use for an address or a key that is none.
    pub fn config(&self) -> anyhow::Result<Option<LedgerConfig>> {
        let Some(home) = self.home()? else { return Ok(None) };
        Ok(Some(LedgerConfig { home, account: self.account()?, ceilings: self.ceilings() }))
    }

    /// The ledger that was named.
    fn home(&self) -> anyhow::Result<Option<Home>> {
        let Some(url) = &self.url else { return Ok(None) };
        let Some(module) = &self.ledger_module else {
            let message = "--ledger needs the contract's address: --ledger-module ADDRESS, or COTRAIN_LEDGER_MODULE";
            return Err(WrongUse(message.to_owned()).into());
        };
        let module = module.parse().with_context(|| format!("the contract's address {module:?}")).map_err(wrong_use)?;
        Ok(Some(Home { url: url.clone(), chain_id: self.ledger_chain_id, module }))
    }

    /// The account that pays, where a key was given.
    pub fn account(&self) -> anyhow::Result<Option<Account>> {
        if self.ledger_key_file.is_none() && std::env::var_os(KEY_VARIABLE).is_none_or(|value| value.is_empty()) {
            return Ok(None);
        }
        let secret = read_key(self.ledger_key_file.as_deref(), KEY_VARIABLE, "key of the ledger's account")?;
        Ok(Some(Account::from_secret(&secret)))
    }

    /// What may be spent.
    #[must_use]
    pub fn ceilings(&self) -> Ceilings {
        let (gas_max, gas_unit_price_max) = (self.ledger_gas_max, self.ledger_gas_price_max);
        Ceilings { gas_max, gas_unit_price_max, balance_low: BALANCE_LOW }
    }

    /// The same flags as arguments for another process of this program; variables reach it by themselves.
    #[must_use]
    pub fn to_arguments(&self) -> Vec<std::ffi::OsString> {
        let (Some(url), Some(module)) = (&self.url, &self.ledger_module) else { return Vec::new() };
        let mut line = Vec::new();
        let mut push = |flag: &str, value: std::ffi::OsString| line.extend([flag.into(), value]);
        push("--ledger", url.into());
        push("--ledger-module", module.into());
        push("--ledger-chain-id", self.ledger_chain_id.to_string().into());
        push("--ledger-gas-max", self.ledger_gas_max.to_string().into());
        push("--ledger-gas-price-max", self.ledger_gas_price_max.to_string().into());
        if let Some(file) = &self.ledger_key_file {
            push("--ledger-key-file", file.into());
        }
        line
    }
}

impl Access {
    /// The named ledger, else the one of the run; an embedded one that is not served any more is served from here.
    ///
    /// # Errors
    /// Wrong use when neither is there; when the run's ledger cannot be reached.
    pub async fn open(arguments: &LedgerArgs, run: Option<&RunDirectory>) -> anyhow::Result<Self> {
        if let Some(home) = arguments.home()? {
            return Ok(Self { home, node: None });
        }
        let Some(run) = run else {
            let message = "name the session's ledger with --ledger URL, or its run with --run-dir RUN";
            return Err(WrongUse(message.to_owned()).into());
        };
        if !run.ledger_place().is_file() {
            let message = format!("{} reported to no ledger; name one with --ledger", run.root().display());
            return Err(WrongUse(message).into());
        }
        let LedgerPlace { url, chain_id, module, .. } = read_json(&run.ledger_place(), PLACE_BYTES_MAX)?;
        let home = Home { url, chain_id, module };
        match Client::connect(home.clone(), arguments.ceilings()).await {
            Err(_) if run.ledger_node().is_dir() => Self::embedded(run),
            answers => {
                answers.with_context(|| format!("the ledger {} does not answer as it should", home.url))?;
                Ok(Self { home, node: None })
            }
        }
    }

    fn embedded(run: &RunDirectory) -> anyhow::Result<Self> {
        let node = Node::start(&run.ledger_node(), Options::default(), SocketAddr::from(([127, 0, 0, 1], 0)))?;
        Ok(Self { home: node.home(), node: Some(node) })
    }

    /// Ends what was started.
    pub async fn end(self) {
        if let Some(node) = self.node {
            node.end().await;
        }
    }
}
