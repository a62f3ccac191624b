//! What an error means for a report: whether the ledger may have it already, whether time alone mends it, and what
//! somebody should do.

use super::durable::Durable;
use crate::ClientError;
use contract::Abort;

/// Whether an abort says that the report, or something newer, may be on the ledger already.
pub(crate) fn is_guard(abort: Abort) -> bool {
    use Abort::{RootPending, SessionClosed, SessionExists, SettlementOutOfOrder, StaleAnchor, StaleTerm};
    matches!(abort, SessionExists | SettlementOutOfOrder | StaleAnchor | StaleTerm | SessionClosed | RootPending)
}

/// What somebody should do about an error, and whether trying again alone will hardly do.
pub(crate) fn advice(error: &ClientError, durable: &Durable) -> (Option<String>, bool) {
    let account = durable.account;
    match error {
        ClientError::Aborts { abort, .. } => match abort {
            Abort::NotReporter => (Some(format!("the contract's admin must allow {account} by set_reporter")), true),
            Abort::Paused => (Some("the contract's admin must end the pause".into()), true),
            Abort::InsufficientBalance => {
                let pool = durable.session.as_ref().map_or(0, |conditions| conditions.pool);
                (Some(format!("{account} must hold the pool of {pool}")), true)
            }
            abort if is_guard(*abort) => (None, false),
            Abort::NotRegistered | Abort::NoSession => (None, false),
            _ => (Some("this call cannot succeed as things are".into()), true),
        },
        ClientError::GasAboveCeiling { .. } | ClientError::PriceAboveCeiling { .. } => {
            (Some("raise the ceiling if it is worth that".into()), true)
        }
        ClientError::BalanceLow { .. } => (Some(format!("the account is {account}")), true),
        ClientError::OtherChain { .. }
        | ClientError::OtherTime { .. }
        | ClientError::Url { .. }
        | ClientError::Fails { .. } => (None, true),
        _ => (None, false),
    }
}
