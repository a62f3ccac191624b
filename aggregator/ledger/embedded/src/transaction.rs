//! A signed transaction, read with the client library's own types, so that what it signs is what is verified here.

use crate::Refused;
use aptos_sdk::transaction::{
    AccountAuthenticator, EntryFunction, SignedTransaction, TransactionAuthenticator, TransactionExecutable,
    TransactionExtraConfig, TransactionPayload, TransactionPayloadInner,
};
use contract::Address;

/// The longest transaction, as on the chain.
pub const TRANSACTION_BYTES_MAX: usize = 64 * 1024;

/// The hash by which a transaction is asked for.
pub type Hash = [u8; 32];

/// What keeps a transaction from landing twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Replay {
    /// The account's next number.
    Sequence(u64),
    /// A number that the sender uses once, remembered until the transaction expires.
    Nonce(u64),
}

/// A transaction of a kind that the ledger executes.
#[derive(Debug, Clone)]
pub struct Transaction {
    /// As it was signed.
    pub signed: SignedTransaction,
    /// As it came; its only encoding.
    pub bytes: Vec<u8>,
    /// The node's hash of it.
    pub hash: Hash,
    /// Whose call it is.
    pub sender: Address,
    /// Who pays: the fee payer, else the sender.
    pub payer: Address,
    /// What keeps it from landing twice.
    pub replay: Replay,
}

impl Transaction {
    /// Reads a transaction. Signatures are not verified yet.
    pub fn decode(bytes: &[u8]) -> Result<Self, Refused> {
        if bytes.len() > TRANSACTION_BYTES_MAX {
            return Err(Refused::TooLarge(bytes.len()));
        }
        let signed: SignedTransaction =
            aptos_bcs::from_bytes(bytes).map_err(|error| Refused::Encoding(error.to_string()))?;
        Self::from_signed(signed, bytes)
    }

    /// Checks that the ledger executes such a transaction and that it was written in its one encoding: the library
    /// reads some forms that it writes differently, whose hash would not be the client's.
    pub fn from_signed(signed: SignedTransaction, bytes: &[u8]) -> Result<Self, Refused> {
        let encoding = |error: aptos_sdk::AptosError| Refused::Encoding(error.to_string());
        if signed.to_bcs().map_err(encoding)? != bytes {
            return Err(Refused::Encoding("not the canonical encoding".into()));
        }
        let sender = Address(signed.raw_txn.sender.to_bytes());
        let payer = payer(&signed.authenticator)?.unwrap_or(sender);
        let replay = replay(&signed)?;
        let hash = signed.hash().map_err(encoding)?.to_bytes();
        Ok(Transaction { signed, bytes: bytes.to_vec(), hash, sender, payer, replay })
    }

    /// Whether every signature is by the key of its address. An account's key is always the one that its address is
    /// derived from, since this ledger has no rotation.
    pub fn verify(&self) -> Result<(), Refused> {
        self.signed.verify_signature().map_err(|error| Refused::Signature(error.to_string()))
    }

    /// The call, which `decode` has made sure of.
    pub fn call(&self) -> Option<&EntryFunction> {
        entry_function(&self.signed.raw_txn.payload)
    }

    /// The limit times the price, or `None` where that leaves u64.
    pub fn fee_max(&self) -> Option<u64> {
        self.signed.raw_txn.max_gas_amount.checked_mul(self.signed.raw_txn.gas_unit_price)
    }
}

fn entry_function(payload: &TransactionPayload) -> Option<&EntryFunction> {
    match payload {
        TransactionPayload::EntryFunction(call)
        | TransactionPayload::Payload(TransactionPayloadInner::V1 {
            executable: TransactionExecutable::EntryFunction(call),
            ..
        }) => Some(call),
        _ => None,
    }
}

/// Who pays instead of the sender. No call of the contract takes a second signer.
fn payer(authenticator: &TransactionAuthenticator) -> Result<Option<Address>, Refused> {
    let single = |sender: &AccountAuthenticator| match sender {
        AccountAuthenticator::SingleKey { .. } | AccountAuthenticator::MultiKey { .. } => {
            Err(Refused::Unsupported("unified keys"))
        }
        _ => Ok(()),
    };
    match authenticator {
        TransactionAuthenticator::Ed25519 { .. } | TransactionAuthenticator::MultiEd25519 { .. } => Ok(None),
        TransactionAuthenticator::SingleSender { sender } => single(sender).map(|()| None),
        TransactionAuthenticator::MultiAgent { .. } => Err(Refused::Unsupported("transactions of several signers")),
        TransactionAuthenticator::FeePayer { secondary_signer_addresses, secondary_signers, .. }
            if !secondary_signer_addresses.is_empty() || !secondary_signers.is_empty() =>
        {
            Err(Refused::Unsupported("transactions of several signers"))
        }
        TransactionAuthenticator::FeePayer { sender, fee_payer_address, fee_payer_signer, .. } => {
            single(sender)?;
            single(fee_payer_signer)?;
            Ok(Some(Address(fee_payer_address.to_bytes())))
        }
    }
}

fn replay(signed: &SignedTransaction) -> Result<Replay, Refused> {
    let nonce = match &signed.raw_txn.payload {
        TransactionPayload::EntryFunction(_) => None,
        TransactionPayload::Payload(TransactionPayloadInner::V1 {
            executable: TransactionExecutable::EntryFunction(_),
            extra_config: TransactionExtraConfig::V1 { multisig_address: None, replay_protection_nonce },
        }) => *replay_protection_nonce,
        TransactionPayload::Script(_) => return Err(Refused::Unsupported("scripts")),
        _ => return Err(Refused::Unsupported("payloads other than entry functions")),
    };
    match (nonce, signed.raw_txn.sequence_number) {
        (Some(nonce), u64::MAX) => Ok(Replay::Nonce(nonce)),
        (None, number) if number != u64::MAX => Ok(Replay::Sequence(number)),
        _ => Err(Refused::SequenceTooBig),
    }
}
