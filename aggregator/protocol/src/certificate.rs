//! Signatures of a quorum over one value.

use crate::{Roster, Signable, Signature, SignatureError, WorkerId, encoding, limits::MEMBERS_MAX};
use serde::{Deserialize, Serialize};

/// One voter's signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attestation {
    /// Who signed.
    pub worker: WorkerId,
    /// Over the value that the certificate belongs to.
    pub signature: Signature,
}

/// Signatures of distinct voters over one value, sorted by worker.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Certificate {
    /// The signatures.
    #[serde(deserialize_with = "encoding::list::<_, _, MEMBERS_MAX>")]
    pub attestations: Vec<Attestation>,
}

/// Why signatures are not those of a quorum.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Someone without a vote.
    #[error("{0} has no vote")]
    NoVote(WorkerId),
    /// Not sorted by worker, or a worker twice.
    #[error("{0} is out of order or twice")]
    Order(WorkerId),
    /// A signature does not hold.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// Too few.
    #[error("{have} signatures where the quorum is {need}")]
    BelowQuorum {
        /// Signatures that hold.
        have: usize,
        /// The quorum of the roster.
        need: usize,
    },
}

impl Certificate {
    /// Checks that a quorum of `roster`'s voters signed `body`.
    ///
    /// # Errors
    /// [`CertificateError`] names the first fault.
    pub fn verify<T: Signable>(&self, body: &T, roster: &Roster) -> Result<(), CertificateError> {
        let mut before: Option<WorkerId> = None;
        for Attestation { worker, signature } in &self.attestations {
            if before.is_some_and(|before| before >= *worker) {
                return Err(CertificateError::Order(*worker));
            }
            if !roster.votes(worker) {
                return Err(CertificateError::NoVote(*worker));
            }
            signature.verify(worker, body)?;
            before = Some(*worker);
        }
        let (have, need) = (self.attestations.len(), roster.quorum());
        if have < need { Err(CertificateError::BelowQuorum { have, need }) } else { Ok(()) }
    }
}

impl FromIterator<(WorkerId, Signature)> for Certificate {
    /// From signatures in the order of workers.
    fn from_iter<I: IntoIterator<Item = (WorkerId, Signature)>>(signatures: I) -> Self {
        let attestations =
            signatures.into_iter().map(|(worker, signature)| Attestation { worker, signature }).collect();
        Self { attestations }
    }
}
