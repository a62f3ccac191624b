//! Ed25519 keys and signatures over canonical bytes.
//!
//! A signature covers domain ‖ 0 ‖ canonical bytes, so that nothing signed for one purpose passes for another.

use crate::{
    Hash, Round, SessionId, WorkerId,
    encoding::{array, serialize_array, to_hex},
};
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// What can be signed; the domain names its kind and version.
pub trait Signable: Serialize {
    /// Distinct for each kind of signed value.
    const DOMAIN: &'static str;
}

/// A worker's or the aggregator's secret key.
#[derive(Clone)]
pub struct Keypair {
    signing: SigningKey,
    worker: WorkerId,
}

/// A detached Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

/// A value, who signed it, and the signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed<T> {
    /// What was signed.
    pub body: T,
    /// Who signed it.
    pub signer: WorkerId,
    /// Over the body.
    pub signature: Signature,
}

/// A signature that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The signer's id is no Ed25519 public key.
    #[error("{0} is no ed25519 public key")]
    Key(WorkerId),
    /// The signature is not the signer's over this value.
    #[error("signature of {signer} over {domain} does not verify")]
    Signature {
        /// Who is said to have signed.
        signer: WorkerId,
        /// The kind of value.
        domain: &'static str,
    },
}

impl Keypair {
    /// The key pair of 32 secret bytes.
    #[must_use]
    pub fn from_secret(secret: &[u8; 32]) -> Self {
        let signing = SigningKey::from_bytes(secret);
        let worker = WorkerId(signing.verifying_key().to_bytes());
        Self { signing, worker }
    }

    /// The secret bytes, for the owner's key file and the transport's identity.
    #[must_use]
    pub fn secret(&self) -> [u8; 32] {
        self.signing.to_bytes()
    }

    /// The public name.
    #[must_use]
    pub const fn worker(&self) -> WorkerId {
        self.worker
    }

    /// Signs a value.
    pub fn sign<T: Signable>(&self, body: &T) -> Signature {
        Signature(self.signing.sign(&signed_bytes(body)).to_bytes())
    }

    /// The salt of this key's commitment in a round: a pseudo-random function of the secret key, so that nobody can
    /// guess it and a restarted worker makes the same commitment again.
    #[must_use]
    pub fn salt(&self, session: &SessionId, round: Round) -> Hash {
        self.derive("cotrain/salt/1", &[session.as_bytes(), &round.0.to_le_bytes()])
    }

    /// A number that only this key's owner can foretell, from a domain and parts of fixed sizes.
    #[must_use]
    pub fn derive(&self, domain: &str, parts: &[&[u8]]) -> Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret());
        hasher.update(domain.as_bytes());
        for part in parts {
            hasher.update(part);
        }
        Hash(*hasher.finalize().as_bytes())
    }
}

impl fmt::Debug for Keypair {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Keypair({})", self.worker) // never the secret
    }
}

impl Signature {
    /// Checks that `signer` signed `body`.
    ///
    /// # Errors
    /// [`SignatureError`] when it did not.
    pub fn verify<T: Signable>(&self, signer: &WorkerId, body: &T) -> Result<(), SignatureError> {
        let key = VerifyingKey::from_bytes(&signer.0).map_err(|_| SignatureError::Key(*signer))?;
        let signature = ed25519_dalek::Signature::from_bytes(&self.0);
        key.verify_strict(&signed_bytes(body), &signature)
            .map_err(|_| SignatureError::Signature { signer: *signer, domain: T::DOMAIN })
    }
}

impl<T: Signable> Signed<T> {
    /// Signs `body`.
    #[must_use]
    pub fn new(body: T, keypair: &Keypair) -> Self {
        let signature = keypair.sign(&body);
        Self { body, signer: keypair.worker(), signature }
    }

    /// Checks the signature against the named signer.
    ///
    /// # Errors
    /// [`SignatureError`] when it does not hold.
    pub fn verify(&self) -> Result<(), SignatureError> {
        self.signature.verify(&self.signer, &self.body)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Signature({}…)", to_hex(&self.0[..4]))
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_array(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        array(deserializer).map(Self)
    }
}

fn signed_bytes<T: Signable>(body: &T) -> Vec<u8> {
    let mut bytes = Vec::from(T::DOMAIN.as_bytes());
    bytes.push(0);
    bytes.extend(crate::encode(body));
    bytes
}

#[cfg(test)]
mod tests;
