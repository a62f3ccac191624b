//! Why a call aborts, as `move/CONTRACT.md` lists it.

use std::fmt::{self, Display, Formatter};

/// The reason of an abort; its number is the variant's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Abort {
    NotAdmin = 1,
    NotReporter,
    Paused,
    AlreadyRegistered,
    NotRegistered,
    InvalidString,
    SessionExists,
    NoSession,
    SessionClosed,
    InvalidRatio,
    Overflow,
    LengthsDiffer,
    TooMany,
    SettlementOutOfOrder,
    InvalidPercentages,
    InvalidHash,
    StaleTerm,
    StaleAnchor,
    NotPendingAdmin,
    InvalidDelay,
    NothingToClaim,
    NotClaimableYet,
    TooLate,
    InvalidProof,
    NoRoot,
    RootPending,
    PoolExceeded,
    InvalidEvidence,
    InsufficientBalance,
    NodeInactive,
}

/// Categories of `std::error`.
const INVALID_ARGUMENT: u64 = 1;
const OUT_OF_RANGE: u64 = 2;
const INVALID_STATE: u64 = 3;
const PERMISSION_DENIED: u64 = 5;
const NOT_FOUND: u64 = 6;
const ALREADY_EXISTS: u64 = 8;

impl Abort {
    /// Every reason, in the order of their numbers.
    pub const ALL: [Abort; 30] = [
        Abort::NotAdmin,
        Abort::NotReporter,
        Abort::Paused,
        Abort::AlreadyRegistered,
        Abort::NotRegistered,
        Abort::InvalidString,
        Abort::SessionExists,
        Abort::NoSession,
        Abort::SessionClosed,
        Abort::InvalidRatio,
        Abort::Overflow,
        Abort::LengthsDiffer,
        Abort::TooMany,
        Abort::SettlementOutOfOrder,
        Abort::InvalidPercentages,
        Abort::InvalidHash,
        Abort::StaleTerm,
        Abort::StaleAnchor,
        Abort::NotPendingAdmin,
        Abort::InvalidDelay,
        Abort::NothingToClaim,
        Abort::NotClaimableYet,
        Abort::TooLate,
        Abort::InvalidProof,
        Abort::NoRoot,
        Abort::RootPending,
        Abort::PoolExceeded,
        Abort::InvalidEvidence,
        Abort::InsufficientBalance,
        Abort::NodeInactive,
    ];

    /// The number of the reason, 1 to 30.
    pub fn reason(self) -> u64 {
        self as u64
    }

    /// The code that the chain reports: the category above the lower 16 bits, the reason in them.
    pub fn code(self) -> u64 {
        self.row().1 << 16 | self.reason()
    }

    /// The abort of a code that the chain reported.
    pub fn from_code(code: u64) -> Option<Abort> {
        Abort::ALL.into_iter().find(|abort| abort.code() == code)
    }

    /// The name that a client sees.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// When a call aborts so, in one line.
    pub fn doc(self) -> &'static str {
        self.row().2
    }

    /// The name, the category and the description.
    #[rustfmt::skip]
    fn row(self) -> (&'static str, u64, &'static str) {
        match self {
            Abort::NotAdmin => ("ENOT_ADMIN", PERMISSION_DENIED, "the signer is not the admin"),
            Abort::NotReporter => ("ENOT_REPORTER", PERMISSION_DENIED,
                "the signer is neither the admin nor a reporter"),
            Abort::Paused => ("EPAUSED", INVALID_STATE, "the contract is paused"),
            Abort::AlreadyRegistered => ("EALREADY_REGISTERED", ALREADY_EXISTS, "the signer's node is registered"),
            Abort::NotRegistered => ("ENOT_REGISTERED", NOT_FOUND, "no node of this address is registered"),
            Abort::InvalidString => ("EINVALID_STRING", INVALID_ARGUMENT, "a string is empty or too long"),
            Abort::SessionExists => ("ESESSION_EXISTS", ALREADY_EXISTS, "a session has this number"),
            Abort::NoSession => ("ENO_SESSION", NOT_FOUND, "no session has this number"),
            Abort::SessionClosed => ("ESESSION_CLOSED", INVALID_STATE, "the session was closed or paid"),
            Abort::InvalidRatio => ("EINVALID_RATIO", INVALID_ARGUMENT,
                "a number of 0–100 is above 100, or a reputation is"),
            Abort::Overflow => ("EOVERFLOW", OUT_OF_RANGE, "a total would leave u64"),
            Abort::LengthsDiffer => ("ELENGTHS_DIFFER", INVALID_ARGUMENT, "the columns of a batch differ in length"),
            Abort::TooMany => ("ETOO_MANY", INVALID_ARGUMENT,
                "a batch, proof or session has more entries than its bound, or a batch has none"),
            Abort::SettlementOutOfOrder => ("ESETTLEMENT_OUT_OF_ORDER", INVALID_STATE,
                "a settlement's number is not the last one's successor"),
            Abort::InvalidPercentages => ("EINVALID_PERCENTAGES", INVALID_ARGUMENT,
                "base and bonus do not add to 100, or the threshold is above 100"),
            Abort::InvalidHash => ("EINVALID_HASH", INVALID_ARGUMENT, "a hash has not 32 bytes"),
            Abort::StaleTerm => ("ESTALE_TERM", INVALID_STATE, "the term is not above the recorded one"),
            Abort::StaleAnchor => ("ESTALE_ANCHOR", INVALID_STATE, "the round is not above that of the last anchor"),
            Abort::NotPendingAdmin => ("ENOT_PENDING_ADMIN", PERMISSION_DENIED, "the signer was not proposed as admin"),
            Abort::InvalidDelay => ("EINVALID_DELAY", INVALID_ARGUMENT, "the delay is above its bound"),
            Abort::NothingToClaim => ("ENOTHING_TO_CLAIM", INVALID_STATE,
                "no earning, none left, or the cumulative amount is not above what was claimed"),
            Abort::NotClaimableYet => ("ENOT_CLAIMABLE_YET", INVALID_STATE, "the delay has not passed"),
            Abort::TooLate => ("ETOO_LATE", INVALID_STATE,
                "the delay has passed, so nothing can be invalidated, or there is nothing pending"),
            Abort::InvalidProof => ("EINVALID_PROOF", INVALID_ARGUMENT,
                "the leaf and the proof do not lead to the root"),
            Abort::NoRoot => ("ENO_ROOT", NOT_FOUND, "the session has no claimable root"),
            Abort::RootPending => ("EROOT_PENDING", INVALID_STATE, "a root waits for its delay"),
            Abort::PoolExceeded => ("EPOOL_EXCEEDED", OUT_OF_RANGE, "more would be paid than the session's pool"),
            Abort::InvalidEvidence => ("EINVALID_EVIDENCE", INVALID_ARGUMENT, "the evidence is empty or too long"),
            Abort::InsufficientBalance => ("EINSUFFICIENT_BALANCE", INVALID_STATE,
                "the signer holds less of the asset than the pool"),
            Abort::NodeInactive => ("ENODE_INACTIVE", INVALID_STATE, "the node was deactivated already"),
        }
    }
}

impl std::error::Error for Abort {}

impl Display for Abort {
    /// As the chain writes it: name, code, description.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}({:#x}): {}", self.name(), self.code(), self.doc())
    }
}
