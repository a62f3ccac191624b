//! Transactions: built with the client library's own types, orderless, so that no number has to be fetched and several
//! programs may use one key.
//!
//! A transaction's hash is computed here and decides what is ours: whatever a node says is compared with the signed
//! bytes.

use crate::home::Target;
use crate::{Account, Call};
use aptos_sdk::transaction::{
    AccountAuthenticator, EntryFunction, FeePayerRawTransaction, RawTransaction, SignedTransaction,
    TransactionAuthenticator, TransactionExecutable, TransactionExtraConfig, TransactionPayload,
    TransactionPayloadInner,
};
use aptos_sdk::types::{AccountAddress, ChainId};
use contract::{Address, MODULE, Value};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Debug, Display, Formatter};
use std::str::FromStr;
use std::sync::Arc;

/// How far ahead an orderless transaction may expire; the chain remembers nonces no longer.
pub const EXPIRY_S_MAX: u64 = 60;
/// How far ahead ours expire: somewhat less, since clocks differ.
pub(crate) const EXPIRY_S: u64 = 50;
/// What an orderless transaction has in place of a sequence number.
const ORDERLESS: u64 = u64::MAX;

/// The hash by which the ledger knows a transaction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionHash(pub [u8; 32]);

impl Display for TransactionHash {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(&Address(self.0), f)
    }
}

impl Debug for TransactionHash {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl FromStr for TransactionHash {
    type Err = contract::AddressError;

    /// A hash is written as an address is, but with all of its zeros.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let whole = text.strip_prefix("0x").is_some_and(|digits| digits.len() == 64);
        if whole { Ok(TransactionHash(text.parse::<Address>()?.0)) } else { Err(contract::AddressError) }
    }
}

impl Serialize for TransactionHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Address(self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for TransactionHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Address::deserialize(deserializer).map(|address| TransactionHash(address.0))
    }
}

/// What a transaction may cost and until when it may land.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) max_gas: u64,
    pub(crate) gas_unit_price: u64,
    pub(crate) expires_s: u64,
    pub(crate) nonce: u64,
}

/// A signed transaction; clones share it. Sending it again is harmless: it lands once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed(Arc<Inner>);

#[derive(Debug, PartialEq, Eq)]
struct Inner {
    transaction: SignedTransaction,
    bytes: Vec<u8>,
    hash: TransactionHash,
    call: Parts,
}

/// The call of a transaction, read back from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) function: &'static contract::Function,
    pub(crate) arguments: Vec<Value>,
    pub(crate) nonce: u64,
}

/// What is no transaction of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a transaction of the contract: {0}")]
pub struct TransactionError(pub(crate) String);

impl Signed {
    fn new(transaction: SignedTransaction, target: Target) -> Result<Signed, TransactionError> {
        let encode = |error: aptos_sdk::AptosError| TransactionError(error.to_string());
        let bytes = transaction.to_bcs().map_err(encode)?;
        let hash = TransactionHash(transaction.hash().map_err(encode)?.to_bytes());
        let call = parts(&transaction.raw_txn, target)?;
        Ok(Signed(Arc::new(Inner { transaction, bytes, hash, call })))
    }

    /// Reads a transaction of our own from where it was kept.
    pub(crate) fn read(bytes: &[u8], target: Target) -> Result<Signed, TransactionError> {
        let transaction = aptos_bcs::from_bytes(bytes).map_err(|error| TransactionError(error.to_string()))?;
        Signed::new(transaction, target)
    }

    /// As it is sent.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    pub fn hash(&self) -> TransactionHash {
        self.0.hash
    }

    /// Whose call it is.
    pub fn sender(&self) -> Address {
        Address(self.raw().sender.to_bytes())
    }

    /// From when on it can no longer land, in seconds of the chain's time.
    pub fn expires_s(&self) -> u64 {
        self.raw().expiration_timestamp_secs
    }

    /// The name of the entry function.
    pub fn function(&self) -> &'static str {
        self.0.call.function.name
    }

    pub(crate) fn call(&self) -> &Parts {
        &self.0.call
    }

    pub(crate) fn raw(&self) -> &RawTransaction {
        &self.0.transaction.raw_txn
    }
}

/// The transaction that makes a call.
pub(crate) fn raw(target: Target, sender: Address, call: &Call, limits: Limits) -> RawTransaction {
    let module = format!("{}::{MODULE}::{}", target.module, call.function());
    let args = call.arguments().iter().map(Value::bcs).collect();
    let entry = EntryFunction::from_function_id(&module, Vec::new(), args);
    let executable = TransactionExecutable::EntryFunction(entry.expect("the name of a function of the contract"));
    let extra_config =
        TransactionExtraConfig::V1 { multisig_address: None, replay_protection_nonce: Some(limits.nonce) };
    RawTransaction::new(
        AccountAddress::new(sender.0),
        ORDERLESS,
        TransactionPayload::Payload(TransactionPayloadInner::V1 { executable, extra_config }),
        limits.max_gas,
        limits.gas_unit_price,
        limits.expires_s,
        ChainId::new(target.chain_id),
    )
}

/// Signs a transaction that its sender pays for.
pub(crate) fn sign(raw: RawTransaction, account: &Account, target: Target) -> Result<Signed, TransactionError> {
    let message = raw.signing_message().map_err(|error| TransactionError(error.to_string()))?;
    let authenticator =
        TransactionAuthenticator::ed25519(account.public_key().to_vec(), account.sign(&message).to_vec());
    Signed::new(SignedTransaction::new(raw, authenticator), target)
}

/// What both the sender and the payer of a sponsored transaction sign.
pub(crate) fn sponsored_message(raw: &RawTransaction, sponsor: Address) -> Result<Vec<u8>, TransactionError> {
    let sponsored = FeePayerRawTransaction::new_simple(raw.clone(), AccountAddress::new(sponsor.0));
    sponsored.signing_message().map_err(|error| TransactionError(error.to_string()))
}

/// An account's signature of a message, as transactions carry it.
pub(crate) fn signature(account: &Account, message: &[u8]) -> AccountAuthenticator {
    AccountAuthenticator::ed25519(account.public_key().to_vec(), account.sign(message).to_vec())
}

/// Joins the signatures of the sender and of the payer.
pub(crate) fn sponsored(
    raw: RawTransaction,
    sender: AccountAuthenticator,
    sponsor: &Account,
    target: Target,
) -> Result<Signed, TransactionError> {
    let payer = signature(sponsor, &sponsored_message(&raw, sponsor.address())?);
    let address = AccountAddress::new(sponsor.address().0);
    let authenticator = TransactionAuthenticator::fee_payer(sender, Vec::new(), Vec::new(), address, payer);
    Signed::new(SignedTransaction::new(raw, authenticator), target)
}

/// The transaction as it may be simulated: without a signature that could be submitted.
pub(crate) fn unsigned(raw: RawTransaction, public_key: [u8; 32]) -> Result<Vec<u8>, TransactionError> {
    let authenticator = TransactionAuthenticator::ed25519(public_key.to_vec(), vec![0; 64]);
    let transaction = SignedTransaction::new(raw, authenticator);
    transaction.to_bcs().map_err(|error| TransactionError(error.to_string()))
}

/// Reads the call of a transaction for a ledger. Anything but an orderless call of the contract is refused.
pub(crate) fn parts(raw: &RawTransaction, target: Target) -> Result<Parts, TransactionError> {
    let refuse = |what: &str| TransactionError(what.to_owned());
    let TransactionPayload::Payload(TransactionPayloadInner::V1 {
        executable: TransactionExecutable::EntryFunction(entry),
        extra_config: TransactionExtraConfig::V1 { multisig_address: None, replay_protection_nonce: Some(nonce) },
    }) = &raw.payload
    else {
        return Err(refuse("not an orderless call"));
    };
    if raw.sequence_number != ORDERLESS {
        return Err(refuse("a nonce with a sequence number"));
    }
    if raw.chain_id.id() != target.chain_id {
        return Err(refuse("another chain"));
    }
    let module = (Address(entry.module.address.to_bytes()), entry.module.name.as_str());
    if module != (target.module, MODULE) || !entry.type_args.is_empty() {
        return Err(refuse("another module"));
    }
    let function = contract::function(&entry.function).filter(|function| function.is_entry);
    let function = function.ok_or_else(|| refuse("another function"))?;
    let arguments = function.arguments(&entry.args).map_err(|error| TransactionError(error.to_string()))?;
    Ok(Parts { function, arguments, nonce: *nonce })
}

/// A number that nobody guesses, for a transaction that lands once.
///
/// # Panics
/// When the system gives no random numbers.
#[must_use]
pub fn nonce() -> u64 {
    getrandom::u64().expect("the system gives random numbers")
}
