//! Sponsorship: a worker signs a call, the sponsor checks it, adds its own signature and pays. A GPU's owner needs no
//! coins.
//!
//! What a worker sends is a stranger's bytes. An offer is taken only if it is one of four calls of the right contract
//! on the right chain, signed by its sender for this very sponsor, cheap, and about to expire.

use crate::home::Target;
use crate::transaction::{self, EXPIRY_S, EXPIRY_S_MAX, Limits, Parts, Signed};
use crate::{Account, Call, Ceilings, Registration, TransactionError};
use aptos_sdk::transaction::{AccountAuthenticator, RawTransaction, SignedTransaction, TransactionAuthenticator};
use aptos_sdk::types::AccountAddress;
use contract::limits::{PROOF_MAX, STRING_BYTES_MAX};
use contract::{Address, Value};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest offer.
pub const OFFER_BYTES_MAX: usize = 4 * 1024;
/// The units of gas that a worker allows for a registration or a claim, each of which makes a new record.
pub const OFFER_GAS_MAX: u64 = 20_000;
/// The units of gas that a worker allows for a heartbeat.
const HEARTBEAT_GAS: u64 = 5_000;
/// What a worker allows a unit to cost: the chain's lowest price.
const GAS_UNIT_PRICE: u64 = 100;

/// What a worker must know to sign for its sponsor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferConditions {
    /// The chain's number.
    pub chain_id: u8,
    /// The address at which the contract is.
    pub module: Address,
    pub sponsor: Address,
}

/// What a worker offers to have done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OfferKind {
    Registration(Registration),
    Heartbeat,
    /// The claim of what a session paid to it.
    ClaimReward {
        session_number: u64,
    },
    /// The claim of its leaf of a session's root.
    Claim {
        session_number: u64,
        /// The leaf's amount.
        cumulative: u64,
    },
}

/// A worker's signed call that passed every check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Who signed it: the account of the worker's key.
    pub sender: Address,
    pub kind: OfferKind,
    /// From when on it can no longer land.
    pub expires_s: u64,
    target: Target,
    raw: RawTransaction,
    signature: AccountAuthenticator,
}

/// Why an offer is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OfferError {
    #[error("an offer of {0} bytes, above {OFFER_BYTES_MAX}")]
    TooLong(usize),
    #[error("an offer that is not the encoding of one: {0}")]
    Encoding(String),
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    #[error("{0} is not a call that is sponsored")]
    Function(&'static str),
    #[error("an argument is outside of the contract's bounds")]
    Arguments,
    #[error("the offer is to {found}, not to {expected}")]
    Sponsor { expected: Address, found: Address },
    #[error("a gas limit of {found}, above {max}")]
    GasLimit { found: u64, max: u64 },
    #[error("a gas price of {found}, above {max}")]
    GasPrice { found: u64, max: u64 },
    #[error("an expiry at {expires_s}, not within {EXPIRY_S_MAX} s of {now_s}")]
    Expiry { expires_s: u64, now_s: u64 },
    #[error("the signature is not the sender's")]
    Signature,
    #[error("too many workers' calls wait already")]
    TooMany,
}

/// An offer's bytes, in BCS.
#[derive(Serialize, Deserialize)]
struct Wire {
    raw: RawTransaction,
    sponsor: AccountAddress,
    signature: AccountAuthenticator,
}

/// Signs the registration of an account's node, for the sponsor to pay.
pub fn sign_registration(
    conditions: &OfferConditions,
    account: &Account,
    now_s: u64,
    nonce: u64,
    registration: Registration,
) -> Result<Vec<u8>, TransactionError> {
    sign(conditions, account, now_s, nonce, &Call::RegisterNode(registration), OFFER_GAS_MAX)
}

/// Signs a heartbeat of an account's node, for the sponsor to pay.
pub fn sign_heartbeat(
    conditions: &OfferConditions,
    account: &Account,
    now_s: u64,
    nonce: u64,
) -> Result<Vec<u8>, TransactionError> {
    sign(conditions, account, now_s, nonce, &Call::Heartbeat, HEARTBEAT_GAS)
}

/// Signs the claim of what a session paid to an account, for the sponsor to pay the fee.
pub fn sign_claim_reward(
    conditions: &OfferConditions,
    account: &Account,
    now_s: u64,
    nonce: u64,
    session_number: u64,
) -> Result<Vec<u8>, TransactionError> {
    sign(conditions, account, now_s, nonce, &Call::ClaimReward { session_number }, OFFER_GAS_MAX)
}

/// Signs the claim of an account's leaf of a session's root, for the sponsor to pay the fee.
pub fn sign_claim(
    conditions: &OfferConditions,
    account: &Account,
    now_s: u64,
    nonce: u64,
    (session_number, cumulative, proof): (u64, u64, Vec<[u8; 32]>),
) -> Result<Vec<u8>, TransactionError> {
    sign(conditions, account, now_s, nonce, &Call::Claim { session_number, cumulative, proof }, OFFER_GAS_MAX)
}

fn sign(
    conditions: &OfferConditions,
    account: &Account,
    now_s: u64,
    nonce: u64,
    call: &Call,
    max_gas: u64,
) -> Result<Vec<u8>, TransactionError> {
    let limits = Limits { max_gas, gas_unit_price: GAS_UNIT_PRICE, expires_s: now_s + EXPIRY_S, nonce };
    let raw = transaction::raw(conditions.target(), account.address(), call, limits);
    let message = transaction::sponsored_message(&raw, conditions.sponsor)?;
    let signature = transaction::signature(account, &message);
    let wire = Wire { raw, sponsor: AccountAddress::new(conditions.sponsor.0), signature };
    aptos_bcs::to_bytes(&wire).map_err(|error| TransactionError(error.to_string()))
}

impl OfferConditions {
    fn target(&self) -> Target {
        Target { chain_id: self.chain_id, module: self.module }
    }
}

impl Offer {
    /// Reads an offer and checks all that a hostile worker may have put into it.
    pub fn decode(
        bytes: &[u8],
        conditions: &OfferConditions,
        ceilings: &Ceilings,
        now_s: u64,
    ) -> Result<Offer, OfferError> {
        if bytes.len() > OFFER_BYTES_MAX {
            return Err(OfferError::TooLong(bytes.len()));
        }
        let encoding = |error: aptos_bcs::Error| OfferError::Encoding(error.to_string());
        let wire: Wire = aptos_bcs::from_bytes(bytes).map_err(encoding)?;
        // The library reads some forms that it writes differently.
        if aptos_bcs::to_bytes(&wire).map_err(encoding)? != bytes {
            return Err(OfferError::Encoding("not the canonical one".into()));
        }
        let found = Address(wire.sponsor.to_bytes());
        if found != conditions.sponsor {
            return Err(OfferError::Sponsor { expected: conditions.sponsor, found });
        }
        let kind = kind(transaction::parts(&wire.raw, conditions.target())?)?;
        check_limits(&wire.raw, ceilings, now_s)?;
        check_signature(&wire)?;
        let (sender, expires_s) = (Address(wire.raw.sender.to_bytes()), wire.raw.expiration_timestamp_secs);
        Ok(Offer { sender, kind, expires_s, target: conditions.target(), raw: wire.raw, signature: wire.signature })
    }

    /// The transaction with the sponsor's signature added: the sponsor pays once it lands.
    pub fn co_sign(&self, sponsor: &Account) -> Result<Signed, TransactionError> {
        transaction::sponsored(self.raw.clone(), self.signature.clone(), sponsor, self.target)
    }

    /// The entry function.
    pub(crate) fn function(&self) -> &'static str {
        match self.kind {
            OfferKind::Registration(_) => "register_p2p_node",
            OfferKind::Heartbeat => "update_node_heartbeat",
            OfferKind::ClaimReward { .. } => "claim_reward",
            OfferKind::Claim { .. } => "claim",
        }
    }

    /// The transaction as it may be simulated: without a signature that could be submitted.
    pub(crate) fn unsigned(&self, sponsor: &Account) -> Result<Vec<u8>, TransactionError> {
        let payer = AccountAuthenticator::ed25519(sponsor.public_key().to_vec(), vec![0; 64]);
        let address = AccountAddress::new(sponsor.address().0);
        let sender = self.signature.clone();
        let authenticator = TransactionAuthenticator::fee_payer(sender, Vec::new(), Vec::new(), address, payer);
        let transaction = SignedTransaction::new(self.raw.clone(), authenticator).for_simulate_endpoint();
        transaction.to_bcs().map_err(|error| TransactionError(error.to_string()))
    }

    /// The most that the sponsor pays.
    pub fn fee_max(&self) -> u64 {
        self.raw.max_gas_amount.saturating_mul(self.raw.gas_unit_price)
    }
}

fn kind(parts: Parts) -> Result<OfferKind, OfferError> {
    use Value::{List, String as S, U64 as N};
    let bounded = |text: &String| (1..=STRING_BYTES_MAX).contains(&text.len());
    match (parts.function.name, parts.arguments.as_slice()) {
        ("register_p2p_node", [S(id), S(key), N(capacity), N(bandwidth)]) if bounded(id) && bounded(key) => {
            let (node_id, public_key) = (id.clone(), key.clone());
            let (compute_capacity, bandwidth) = (*capacity, *bandwidth);
            Ok(OfferKind::Registration(Registration { node_id, public_key, compute_capacity, bandwidth }))
        }
        ("update_node_heartbeat", []) => Ok(OfferKind::Heartbeat),
        ("claim_reward", [N(session_number)]) => Ok(OfferKind::ClaimReward { session_number: *session_number }),
        ("claim", [N(session_number), N(cumulative), List(proof)]) if proof.len() <= PROOF_MAX => {
            Ok(OfferKind::Claim { session_number: *session_number, cumulative: *cumulative })
        }
        ("register_p2p_node" | "claim", _) => Err(OfferError::Arguments),
        (other, _) => Err(OfferError::Function(other)),
    }
}

fn check_limits(raw: &RawTransaction, ceilings: &Ceilings, now_s: u64) -> Result<(), OfferError> {
    let max = ceilings.gas_max.min(OFFER_GAS_MAX);
    if raw.max_gas_amount > max {
        return Err(OfferError::GasLimit { found: raw.max_gas_amount, max });
    }
    let max = ceilings.gas_unit_price_max;
    if raw.gas_unit_price > max {
        return Err(OfferError::GasPrice { found: raw.gas_unit_price, max });
    }
    let expires_s = raw.expiration_timestamp_secs;
    if expires_s <= now_s || expires_s > now_s.saturating_add(EXPIRY_S_MAX) {
        return Err(OfferError::Expiry { expires_s, now_s });
    }
    Ok(())
}

/// The sender's own Ed25519 key signed the call for this sponsor.
fn check_signature(wire: &Wire) -> Result<(), OfferError> {
    let AccountAuthenticator::Ed25519 { public_key, .. } = &wire.signature else { return Err(OfferError::Signature) };
    if crate::address_of(&public_key.0).0 != wire.raw.sender.to_bytes() {
        return Err(OfferError::Signature);
    }
    let message = transaction::sponsored_message(&wire.raw, Address(wire.sponsor.to_bytes()))?;
    wire.signature.verify(&message).map_err(|_| OfferError::Signature)
}

#[cfg(test)]
mod tests;
