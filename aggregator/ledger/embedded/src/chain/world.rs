//! The accounts and the contract: what transactions change.

use super::block::Mint;
use crate::gas::{self, FRAMEWORK, GAS_ASSET};
use crate::transaction::{Replay, Transaction};
use aptos_sdk::transaction::EntryFunction;
use contract::{Address, ArgumentError, CallError, EXECUTED, GAS_COIN, MODULE, State, Type, Value};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// What an account has besides the contract's records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Account {
    /// The next sequence number.
    pub sequence: u64,
    /// What it holds of the gas coin.
    pub gas: u64,
}

/// An event: its type and its fields as JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Emitted {
    /// As the chain writes it: address, module, name.
    pub kind: String,
    pub data: Json,
}

/// What a transaction did.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Whether the call succeeded; what it costs is paid either way.
    pub success: bool,
    /// The chain's sentence about it.
    pub vm_status: String,
    /// The units paid for.
    pub gas_used: u64,
    /// In the order of emission; none but the fee's after an abort.
    pub events: Vec<Emitted>,
}

impl Outcome {
    /// That of something which costs nothing and emits nothing.
    pub(crate) fn free(done: Result<(), String>) -> Self {
        let (success, vm_status) = done.map_or_else(|status| (false, status), |()| (true, EXECUTED.to_owned()));
        Outcome { success, vm_status, gas_used: 0, events: Vec::new() }
    }
}

/// Everything that transactions change, besides nonces.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) module: Address,
    pub(crate) contract: State,
    pub(crate) accounts: BTreeMap<Address, Account>,
}

impl World {
    pub(crate) fn new(module: Address) -> Self {
        let accounts = BTreeMap::from([(module, Account { sequence: 0, gas: gas::ADMIN_GAS })]);
        World { module, contract: State::new(module), accounts }
    }

    pub(crate) fn account(&self, address: &Address) -> Account {
        self.accounts.get(address).copied().unwrap_or_default()
    }

    /// Gives what the faucet gives, all of it or nothing: the contract bounds how much of its asset there is.
    pub(crate) fn give(&mut self, mint: &Mint) -> Outcome {
        if mint.reward > 0
            && let Err(abort) = self.contract.mint(mint.to, mint.reward)
        {
            return Outcome::free(Err(status(&self.module, &CallError::Abort(abort))));
        }
        let account = self.accounts.entry(mint.to).or_default();
        account.gas = account.gas.saturating_add(mint.gas);
        Outcome::free(Ok(()))
    }

    /// Runs a transaction that passed the rules and takes its fee.
    pub(crate) fn run(&mut self, transaction: &Transaction, now_s: u64) -> Outcome {
        let raw = &transaction.signed.raw_txn;
        let name = transaction.call().map_or("", |call| call.function.as_str());
        let cost = gas::cost(transaction.bytes.len(), name);
        if let Replay::Sequence(number) = transaction.replay {
            self.accounts.entry(transaction.sender).or_default().sequence = number + 1;
        } else {
            self.accounts.entry(transaction.sender).or_default();
        }
        let gas_used = cost.min(raw.max_gas_amount);
        // The fee goes first: the rules have made sure of it, and a transfer must not spend it.
        let payer = self.accounts.entry(transaction.payer).or_default();
        payer.gas = payer.gas.saturating_sub(gas_used.saturating_mul(raw.gas_unit_price));
        let called = if cost > raw.max_gas_amount {
            Err("Out of gas".to_owned())
        } else {
            transaction
                .call()
                .map_or_else(|| Err("LINKER_ERROR".into()), |call| self.call(call, transaction.sender, now_s))
        };
        let (success, vm_status, mut events) = match called {
            Ok(events) => (true, EXECUTED.to_owned(), events),
            Err(status) => (false, status, Vec::new()),
        };
        events.push(fee_statement(gas_used));
        Outcome { success, vm_status, gas_used, events }
    }

    /// What a call emits, or the chain's sentence about its failure.
    fn call(&mut self, call: &EntryFunction, sender: Address, now_s: u64) -> Result<Vec<Emitted>, String> {
        let (address, module) = (Address(call.module.address.to_bytes()), call.module.name.as_str());
        if address == self.module && module == MODULE {
            if !call.type_args.is_empty() {
                return Err("NUMBER_OF_TYPE_ARGUMENTS_MISMATCH".into());
            }
            let done = self.contract.execute(&call.function, &call.args, sender, now_s);
            let events = done.map_err(|error| status(&self.module, &error))?;
            return Ok(events.iter().map(|event| self.emitted(event)).collect());
        }
        match (address == FRAMEWORK, module, call.function.as_str()) {
            (true, "aptos_account", "transfer") | (true, "coin", "transfer") => self.transfer(&call.args, sender),
            (true, "aptos_account" | "coin", _) => Err("FUNCTION_RESOLUTION_FAILURE".into()),
            _ => Err("LINKER_ERROR".into()),
        }
    }

    fn emitted(&self, event: &contract::Event) -> Emitted {
        Emitted { kind: format!("{}::{MODULE}::{}", self.module, event.name), data: event.json() }
    }

    fn transfer(&mut self, args: &[Vec<u8>], sender: Address) -> Result<Vec<Emitted>, String> {
        let [to, amount] = args else { return Err("NUMBER_OF_ARGUMENTS_MISMATCH".into()) };
        let (Ok(Value::Address(to)), Ok(Value::U64(amount))) =
            (Value::from_bcs(&Type::Address, to), Value::from_bcs(&Type::U64, amount))
        else {
            return Err("FAILED_TO_DESERIALIZE_ARGUMENT".into());
        };
        let insufficient =
            "Move abort in 0x1::coin: EINSUFFICIENT_BALANCE(0x10006): Not enough coins to complete transaction";
        let left = self.account(&sender).gas.checked_sub(amount).ok_or(insufficient)?;
        self.accounts.entry(sender).or_default().gas = left;
        let receiver = self.accounts.entry(to).or_default();
        receiver.gas = receiver.gas.saturating_add(amount);
        let event = |name, account: &Address| Emitted {
            kind: format!("0x1::coin::{name}"),
            data: json!({ "account": account.to_string(), "amount": amount.to_string(), "coin_type": GAS_COIN }),
        };
        Ok(vec![event("CoinWithdraw", &sender), event("CoinDeposit", &to)])
    }

    /// What a view answers, or the chain's sentence about its failure.
    pub(crate) fn view(&self, call: &EntryFunction, now_s: u64) -> Result<Vec<Value>, String> {
        let (address, module) = (Address(call.module.address.to_bytes()), call.module.name.as_str());
        if address == self.module && module == MODULE {
            return self.contract.view(&call.function, &call.args, now_s).map_err(|error| status(&self.module, &error));
        }
        let of = match call.args.first().map(|bytes| Value::from_bcs(&Type::Address, bytes)) {
            Some(Ok(Value::Address(of))) => of,
            _ => return Err("FAILED_TO_DESERIALIZE_ARGUMENT".into()),
        };
        match (address == FRAMEWORK, module, call.function.as_str()) {
            (true, "coin", "balance") => Ok(vec![Value::U64(self.account(&of).gas)]),
            (true, "account", "get_sequence_number") => Ok(vec![Value::U64(self.account(&of).sequence)]),
            (true, "account", "exists_at") => Ok(vec![Value::Bool(self.accounts.contains_key(&of))]),
            (true, "coin" | "account", _) => Err("FUNCTION_RESOLUTION_FAILURE".into()),
            _ => Err("LINKER_ERROR".into()),
        }
    }

    /// What an account holds of an asset: the gas coin by its type or as `0xa`, the reward asset by the module's
    /// address.
    pub(crate) fn balance(&self, of: &Address, asset: &str) -> Option<u64> {
        if asset == GAS_COIN {
            return Some(self.account(of).gas);
        }
        match asset.parse::<Address>().ok()? {
            asset if asset == GAS_ASSET => Some(self.account(of).gas),
            asset if asset == self.module => Some(self.contract.balance(*of)),
            _ => None,
        }
    }
}

/// The chain's sentence about a call of the contract that failed.
fn status(module: &Address, error: &CallError) -> String {
    match error {
        CallError::Abort(abort) => {
            format!("Move abort in {module}::{MODULE}: {}({:#x}): {}", abort.name(), abort.code(), abort.doc())
        }
        CallError::NoFunction(_) => "FUNCTION_RESOLUTION_FAILURE".into(),
        CallError::Arguments(ArgumentError::Count { .. }) => "NUMBER_OF_ARGUMENTS_MISMATCH".into(),
        CallError::Arguments(_) => "FAILED_TO_DESERIALIZE_ARGUMENT".into(),
    }
}

fn fee_statement(gas_used: u64) -> Emitted {
    Emitted {
        kind: "0x1::transaction_fee::FeeStatement".into(),
        data: json!({
            "execution_gas_units": gas_used.to_string(), "io_gas_units": "0", "storage_fee_octas": "0",
            "storage_fee_refund_octas": "0", "total_charge_gas_units": gas_used.to_string(),
        }),
    }
}
