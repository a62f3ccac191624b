//! The client of the ledger: how the aggregator and the program's commands speak to the contract, wherever it is. The
//! embedded ledger and Aptos's networks differ by a [`Home`] and a key alone.
//!
//! [`Client`] makes one call at a time and waits for it; [`Reporter`] is the durable queue through which a run reports,
//! which an outage of the ledger never stops; [`Offer`] is a worker's signed call that a sponsor pays for. Invariants:
//!
//! - No answer is believed that contradicts what was signed; the hash of a transaction is computed here.
//! - A call that would cost more than the [`Ceilings`] is not signed.
//! - A report is on the disk before it is acknowledged, a signed transaction before it is sent, and each lands once.
//! - Every answer, wait, queue and record is bounded.

mod account;
mod call;
mod client;
mod error;
mod home;
mod receipt;
mod reporter;
mod sponsor;
mod transaction;
mod transport;

pub use account::{Account, AccountError, address_of};
pub use call::{Anchor, Call, Registration, SessionConditions, Term};
pub use client::{Asset, Client, Config, Earning, Found, LastAnchor, Node, Root, Session, Totals};
pub use error::{ClientError, Lie, Refusal};
pub use home::{Ceilings, Home};
pub use receipt::{Event, Receipt};
pub use reporter::{Landed, Pace, ReportError, Reporter, StartError, Status, Untaken};
pub use rewards::session::Entry;
pub use sponsor::{
    OFFER_BYTES_MAX, OFFER_GAS_MAX, Offer, OfferConditions, OfferError, OfferKind, sign_claim, sign_claim_reward,
    sign_heartbeat, sign_registration,
};
pub use transaction::{EXPIRY_S_MAX, Signed, TransactionError, TransactionHash, nonce};
pub use transport::now_s;
