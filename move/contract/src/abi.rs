//! The functions of the module, with the types of their parameters and results, as `move/CONTRACT.md` lists them.

use crate::{ArgumentError, Type, Value};
use Type::{Address, Bool, Bytes, List, Signer, String, U64};

/// A public function of the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Function {
    /// The name within the module.
    pub name: &'static str,
    /// Whether a transaction may call it.
    pub is_entry: bool,
    /// Whether it may be called without a transaction.
    pub is_view: bool,
    /// The types of the parameters; an entry function's first is [`Type::Signer`].
    pub params: &'static [Type],
    /// The types of the results.
    pub returns: &'static [Type],
}

impl Function {
    /// Reads the arguments of a call, given in BCS without the signer.
    pub fn arguments(&self, args: &[Vec<u8>]) -> Result<Vec<Value>, ArgumentError> {
        let params = self.params.iter().filter(|ty| **ty != Signer);
        let expected = params.clone().count();
        if args.len() != expected {
            return Err(ArgumentError::Count { expected, found: args.len() });
        }
        params.zip(args).map(|(ty, bytes)| Value::from_bcs(ty, bytes)).collect()
    }
}

/// Every public function: the entry functions, then the views.
pub fn abi() -> &'static [Function] {
    &ABI
}

/// The function of a name.
pub fn function(name: &str) -> Option<&'static Function> {
    ABI.iter().find(|function| function.name == name)
}

const U64S: Type = List(&U64);

const ABI: [Function; 33] = [
    entry("set_paused", &[Signer, Bool]),
    entry("propose_admin", &[Signer, Address]),
    entry("accept_admin", &[Signer]),
    entry("set_reporter", &[Signer, Address, Bool]),
    entry("configure_rewards", &[Signer, U64, U64, U64]),
    entry("set_claim_delay", &[Signer, U64]),
    entry("register_p2p_node", &[Signer, String, String, U64, U64]),
    entry("update_node_heartbeat", &[Signer]),
    entry("deactivate_node", &[Signer]),
    entry("set_reputation", &[Signer, Address, U64]),
    entry("create_session", &[Signer, U64, Bytes, U64]),
    entry("submit_detailed_contribution", &[Signer, U64, Address, U64, U64, U64, U64]),
    entry("submit_contributions", &[Signer, U64, U64, List(&Address), U64S, U64S, U64S, U64S]),
    entry("record_term", &[Signer, U64, U64, Address, Bytes]),
    entry("record_anchor", &[Signer, U64, U64, Bytes, Bytes, Bytes, U64, U64, U64]),
    entry("distribute_rewards", &[Signer, U64]),
    entry("claim_reward", &[Signer, U64]),
    entry("invalidate_earning", &[Signer, U64, Address, Bytes]),
    entry("publish_root", &[Signer, U64, Bytes, U64]),
    entry("invalidate_root", &[Signer, U64, Bytes]),
    entry("claim", &[Signer, U64, U64, List(&Bytes)]),
    entry("close_session", &[Signer, U64]),
    view("get_p2p_node", &[Address], &[String, String, U64, U64, U64, U64, Bool, U64]),
    view("calculate_contribution_score", &[U64, U64, U64, U64], &[U64]),
    view("get_config", &[], &[Address, Bool, U64, U64, U64, U64]),
    view("is_reporter", &[Address], &[Bool]),
    view("get_session", &[U64], &[Address, U64, Bool, U64, U64, U64, Address, U64, U64]),
    view("get_contribution", &[U64, Address], &[U64, U64, U64, U64, U64]),
    view("get_earning", &[U64, Address], &[U64, U64, Bool]),
    view("get_root", &[U64], &[Bytes, U64, Bytes, U64, U64]),
    view("get_claimed", &[U64, Address], &[U64]),
    view("get_anchor", &[U64], &[U64, Bytes, Bytes, Bytes, U64, U64, U64]),
    view("vault_balance", &[], &[U64]),
];

const fn entry(name: &'static str, params: &'static [Type]) -> Function {
    Function { name, is_entry: true, is_view: false, params, returns: &[] }
}

const fn view(name: &'static str, params: &'static [Type], returns: &'static [Type]) -> Function {
    Function { name, is_entry: false, is_view: true, params, returns }
}

#[cfg(test)]
mod tests;
