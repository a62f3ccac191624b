//! Accounts of the ledger: Ed25519 keys. A worker's account is its libp2p identity, so it needs no wallet.

use aptos_sdk::account::Ed25519Account;
use aptos_sdk::crypto::Ed25519PrivateKey;
use contract::Address;
use std::fmt::{self, Debug, Formatter};
use thiserror::Error;

/// An account with its key.
#[derive(Clone)]
pub struct Account(Ed25519Account);

/// A text that is no private key. It does not repeat the text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a private key is 64 hexadecimal digits, with or without 0x or ed25519-priv-0x before them")]
pub struct AccountError;

impl Account {
    /// The account of a secret: the 32 bytes that a libp2p identity's Ed25519 key is made from.
    pub fn from_secret(secret: &[u8; 32]) -> Account {
        let key = Ed25519PrivateKey::from_bytes(secret).expect("32 bytes are the secret of a key");
        Account(Ed25519Account::from_private_key(key))
    }

    /// The account of a private key as text, as wallets and the embedded ledger's key file write it.
    pub fn from_hex(text: &str) -> Result<Account, AccountError> {
        let text = text.trim();
        let digits = text.strip_prefix("ed25519-priv-").unwrap_or(text);
        let key = Ed25519PrivateKey::from_hex(digits).map_err(|_| AccountError)?;
        Ok(Account(Ed25519Account::from_private_key(key)))
    }

    pub fn generate() -> Account {
        Account(Ed25519Account::generate())
    }

    /// The account's address.
    pub fn address(&self) -> Address {
        Address(self.0.address().to_bytes())
    }

    /// The account's public key.
    pub fn public_key(&self) -> [u8; 32] {
        self.0.public_key().to_bytes()
    }

    /// Signs a message.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign_message(message).to_bytes()
    }
}

impl Debug for Account {
    /// The address alone.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Account({})", self.address())
    }
}

/// The address of the account of a public key whose key was never rotated.
pub fn address_of(public_key: &[u8; 32]) -> Address {
    Address(rewards::session::own_address(public_key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_that_of_its_key() {
        let account = Account::from_secret(&[7; 32]);
        assert_eq!(account.address(), address_of(&account.public_key()));
        let digits = "07".repeat(32);
        for text in [digits.clone(), format!("0x{digits}"), format!("ed25519-priv-0x{digits}\n")] {
            assert_eq!(Account::from_hex(&text).map(|of| of.address()), Ok(account.address()));
        }
    }

    #[test]
    fn no_text_shows_the_secret() {
        let shown = format!("{:?}", Account::from_secret(&[7; 32]));
        assert!(!shown.contains("0707"), "{shown}");
        for text in ["", "07", &"0g".repeat(32), &"07".repeat(33)] {
            assert_eq!(Account::from_hex(text).err(), Some(AccountError));
        }
    }
}
