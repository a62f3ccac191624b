//! One call at a time, awaited: simulate, sign within the ceilings, send, and wait until the ledger says what became of
//! it.

use crate::error::{ClientError, Refusal};
use crate::receipt::{self, Receipt};
use crate::transaction::{self, EXPIRY_S, Limits, Signed};
use crate::transport::{SIGNED_TRANSACTION, Transport};
use crate::{Account, Call, Ceilings, Home, Offer, TransactionHash};
use contract::{Address, EXECUTED};
use serde_json::Value as Json;
use std::time::Duration;
use tracing::debug;

mod types;
mod views;

pub use types::{Asset, Config, Earning, LastAnchor, Node, Root, Session, Totals};

/// The pause between two looks at a transaction that has not landed.
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// How long a call is waited for beyond the time in which it can land.
const WAIT_MAX: Duration = Duration::from_secs(2 * EXPIRY_S);
/// The lowest limit that any chain takes.
const GAS_MIN: u64 = 100;
/// What the chain allows at most in one transaction.
const GAS_MAX: u64 = 2_000_000;

/// A client of one ledger; clones share its connections.
#[derive(Debug, Clone)]
pub struct Client {
    transport: Transport,
    ceilings: Ceilings,
}

/// What the ledger knows of a transaction.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    Landed(Box<Receipt>),
    /// It waits to be run.
    Waiting,
    /// The ledger, whose time was `chain_s`, does not have it.
    Absent {
        /// In whole seconds. From the transaction's expiry on, one that is absent never lands.
        chain_s: u64,
    },
}

impl Client {
    /// A client that has not asked the ledger yet.
    pub fn new(home: Home, ceilings: Ceilings) -> Result<Client, ClientError> {
        Ok(Client { transport: Transport::new(home)?, ceilings })
    }

    /// A client of a ledger that answers and is of the expected chain, with the contract at the expected address.
    pub async fn connect(home: Home, ceilings: Ceilings) -> Result<Client, ClientError> {
        let client = Client::new(home, ceilings)?;
        client.config().await?;
        Ok(client)
    }

    pub fn home(&self) -> &Home {
        self.transport.home()
    }

    /// What may be spent.
    pub fn ceilings(&self) -> Ceilings {
        self.ceilings
    }

    /// Makes a call and waits for it. A call that the contract refuses in simulation is an error, and costs nothing;
    /// one that it refuses when it runs has a receipt without success.
    pub async fn submit(&self, account: &Account, call: &Call) -> Result<Receipt, ClientError> {
        let signed = self.prepare(account, call).await?;
        self.send_and_wait(&signed).await
    }

    /// Simulates a call and signs it within the ceilings. Nothing is sent.
    pub async fn prepare(&self, account: &Account, call: &Call) -> Result<Signed, ClientError> {
        let price = self.price().await?;
        let sender = account.address();
        let (balance, chain_s) = self.balance_and_time(sender).await?;
        let target = self.home().target();
        let limits = Limits {
            max_gas: self.affordable(balance, price)?,
            gas_unit_price: price,
            expires_s: chain_s + EXPIRY_S,
            nonce: transaction::nonce(),
        };
        let raw = transaction::raw(target, sender, call, limits);
        let used = self.simulate(call.function(), transaction::unsigned(raw, account.public_key())?).await?;
        let ceiling = self.ceilings.gas_max;
        if used > ceiling {
            return Err(ClientError::GasAboveCeiling { function: call.function().into(), needed: used, ceiling });
        }
        // Others' calls may land first and make this one dearer.
        let max_gas = used.saturating_add(used / 2).min(ceiling).min(limits.max_gas);
        Ok(transaction::sign(transaction::raw(target, sender, call, Limits { max_gas, ..limits }), account, target)?)
    }

    /// Adds the sponsor's signature to a worker's offer, sends it and waits for it. What would fail is not paid for.
    pub async fn sponsor(&self, sponsor: &Account, offer: &Offer) -> Result<Receipt, ClientError> {
        let (balance, _) = self.balance_and_time(sponsor.address()).await?;
        let needed = self.ceilings.balance_low.max(offer.fee_max());
        if balance < needed {
            return Err(ClientError::BalanceLow { balance, needed });
        }
        self.simulate(offer.function(), offer.unsigned(sponsor)?).await?;
        self.send_and_wait(&offer.co_sign(sponsor)?).await
    }

    /// Sends a transaction. It may have been sent before: it lands once.
    pub async fn send(&self, signed: &Signed) -> Result<(), ClientError> {
        let sent = self.transport.post("/transactions", SIGNED_TRANSACTION, signed.bytes().to_vec()).await?;
        let answer = sent.map_err(|failure| failure.refusal)?;
        Ok(receipt::check_hash(signed.hash(), &answer.body["hash"])?)
    }

    /// Asks for a transaction, and lets the node wait a moment for it.
    pub async fn look_up(&self, signed: &Signed) -> Result<Found, ClientError> {
        let path = format!("/transactions/wait_by_hash/{}", signed.hash());
        match self.transport.get(&path).await? {
            Ok(answer) => Ok(match receipt::read(signed, self.home().target(), &answer.body)? {
                Some(receipt) => Found::Landed(Box::new(receipt)),
                None => Found::Waiting,
            }),
            Err(failure) if failure.refusal.code == "transaction_not_found" => {
                Ok(Found::Absent { chain_s: failure.chain_s })
            }
            Err(failure) => Err(failure.refusal.into()),
        }
    }

    /// Sends a transaction and waits until it has landed or never will.
    pub async fn send_and_wait(&self, signed: &Signed) -> Result<Receipt, ClientError> {
        let refused = match self.send(signed).await {
            Err(ClientError::Refused(refusal)) => Some(refusal),
            // The answer may have been lost, not the transaction.
            Err(ClientError::Unreachable { .. } | ClientError::Unreadable(_)) | Ok(()) => None,
            Err(error) => return Err(error),
        };
        let wait = self.wait(signed, refused);
        tokio::time::timeout(WAIT_MAX, wait).await.unwrap_or(Err(ClientError::Unknown(signed.hash())))
    }

    async fn wait(&self, signed: &Signed, refused: Option<Refusal>) -> Result<Receipt, ClientError> {
        loop {
            match self.look_up(signed).await {
                Ok(Found::Landed(receipt)) => return Ok(*receipt),
                // It was never sent before, so a refusal means that nobody has it.
                Ok(Found::Absent { .. }) if refused.is_some() => {
                    return Err(refused.map_or(ClientError::Unknown(signed.hash()), ClientError::Refused));
                }
                Ok(Found::Absent { chain_s }) if chain_s > signed.expires_s() => {
                    return Err(ClientError::Expired(signed.hash()));
                }
                Ok(_) => {}
                Err(error @ (ClientError::Unreachable { .. } | ClientError::Unreadable(_))) => {
                    debug!(%error, "waiting for a transaction");
                }
                Err(error) => return Err(error),
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// What the units cost that the node advises.
    async fn price(&self) -> Result<u64, ClientError> {
        let answer = self.transport.get("/estimate_gas_price").await?.map_err(|failure| failure.refusal)?;
        let price = receipt::number(&answer.body["gas_estimate"]);
        let price = price.filter(|price| *price > 0).ok_or(ClientError::Unreadable("the price of gas".into()))?;
        let ceiling = self.ceilings.gas_unit_price_max;
        if price > ceiling { Err(ClientError::PriceAboveCeiling { price, ceiling }) } else { Ok(price) }
    }

    /// How many units the payer can pay for, and the chain allows.
    pub(crate) fn affordable(&self, balance: u64, price: u64) -> Result<u64, ClientError> {
        let needed = self.ceilings.balance_low.max(price.saturating_mul(GAS_MIN));
        if balance < needed {
            return Err(ClientError::BalanceLow { balance, needed });
        }
        // Not bounded by the ceiling, so that a call that needs more is told by how much; it is not signed.
        Ok((balance / price).min(GAS_MAX))
    }

    /// The units that a transaction would use; an error where it would not succeed.
    pub(crate) async fn simulate(&self, function: &str, unsigned: Vec<u8>) -> Result<u64, ClientError> {
        let sent = self.transport.post("/transactions/simulate", SIGNED_TRANSACTION, unsigned).await?;
        let answer = sent.map_err(|failure| failure.refusal)?;
        let outcome = answer.body.get(0).unwrap_or(&Json::Null);
        let status = outcome["vm_status"].as_str().ok_or(ClientError::Unreadable("a simulation".into()))?;
        let used = receipt::number(&outcome["gas_used"]).ok_or(ClientError::Unreadable("a simulation".into()))?;
        if outcome["success"] == true && status == EXECUTED {
            return Ok(used);
        }
        Err(self.failure(function, status))
    }

    fn failure(&self, function: &str, status: &str) -> ClientError {
        let function = function.to_owned();
        match receipt::abort(status, &self.home().module) {
            Some(abort) => ClientError::Aborts { function, abort },
            None => ClientError::Fails { function, status: crate::error::excerpt(status) },
        }
    }

    /// Gives an account coins of the embedded ledger, whose faucet answers programs of its own machine.
    pub async fn mint(&self, to: Address, amount: u64, asset: Asset) -> Result<Vec<TransactionHash>, ClientError> {
        let asset = match asset {
            Asset::Gas => "gas",
            Asset::Reward => "reward",
        };
        let path = format!("/mint?address={to}&amount={amount}&asset={asset}");
        let answer = self.transport.post_base(&path).await?.map_err(|failure| failure.refusal)?;
        let hash = |json: &Json| format!("0x{}", json.as_str()?).parse().ok();
        let hashes = answer.body.as_array().map(|hashes| hashes.iter().map(hash).collect());
        hashes.flatten().ok_or(ClientError::Unreadable("the faucet's answer".into()))
    }
}
