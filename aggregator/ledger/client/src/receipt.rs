//! What a transaction did, believed only where it is ours: the node's rendering of a committed transaction is compared
//! with the signed bytes field by field, and its events with the call.

use crate::error::{ClientError, Lie, excerpt};
use crate::transaction::Signed;
use crate::{TransactionHash, home::Target};
use contract::{Abort, Address, EXECUTED, MODULE, Type, Value};
use serde_json::Value as Json;

mod ends;

use ends::{ENDS, ENTRY, Of};

/// A transaction that landed.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    pub hash: TransactionHash,
    /// Its place on the ledger.
    pub version: u64,
    /// The units of gas that were paid for.
    pub gas_used: u64,
    /// What a unit cost.
    pub gas_unit_price: u64,
    /// Whether the call did what it should; it was paid either way.
    pub success: bool,
    /// Why the contract refused, where it did.
    pub abort: Option<Abort>,
    /// The virtual machine's sentence.
    pub vm_status: String,
    /// What the contract reported, in order.
    pub events: Vec<Event>,
    /// When it landed, in whole seconds of the chain's time.
    pub timestamp_s: u64,
}

/// An event of the contract.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The name of the event's struct.
    pub name: String,
    /// The fields, as the node writes them: u64 as decimal strings.
    pub data: Json,
}

/// Reads the receipt of a transaction from the node's rendering of it; `None` while it waits.
pub(crate) fn read(signed: &Signed, target: Target, json: &Json) -> Result<Option<Receipt>, ClientError> {
    let check = Check { signed, json, target };
    check.identity()?;
    if json["type"] == "pending_transaction" {
        return Ok(None);
    }
    if json["type"] != "user_transaction" {
        return Err(check.lie("the type", "user_transaction", &json["type"].to_string()).into());
    }
    let success = json["success"].as_bool().ok_or_else(|| unreadable("success"))?;
    let vm_status = text(&json["vm_status"]).ok_or_else(|| unreadable("vm_status"))?;
    if success != (vm_status == EXECUTED) {
        return Err(check.lie("success", &format!("the one of {vm_status}"), &success.to_string()).into());
    }
    let receipt = Receipt {
        hash: signed.hash(),
        version: check.number("version")?,
        gas_used: check.number("gas_used")?,
        gas_unit_price: signed.raw().gas_unit_price,
        success,
        abort: abort(vm_status, &target.module),
        vm_status: excerpt(vm_status),
        events: check.events()?,
        timestamp_s: check.number("timestamp")? / 1_000_000,
    };
    if receipt.gas_used > signed.raw().max_gas_amount {
        let limit = signed.raw().max_gas_amount;
        return Err(check.lie("gas_used", &format!("at most {limit}"), &receipt.gas_used.to_string()).into());
    }
    if success {
        check.conclusion(&receipt.events)?;
    }
    Ok(Some(receipt))
}

/// The contract's reason in the virtual machine's sentence, in either of the forms that nodes write.
pub(crate) fn abort(status: &str, module: &Address) -> Option<Abort> {
    let (place, rest) = status.split_once("Move abort in ")?.1.split_once(": ")?;
    let (address, name) = place.split_once("::")?;
    if name != MODULE || address.parse() != Ok(*module) {
        return None;
    }
    let digits = rest.split_once("0x")?.1;
    let end = digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digits.len());
    Abort::from_code(u64::from_str_radix(&digits[..end], 16).ok()?)
}

struct Check<'a> {
    signed: &'a Signed,
    json: &'a Json,
    target: Target,
}

impl Check<'_> {
    fn lie(&self, what: &str, expected: &str, found: &str) -> Lie {
        let (expected, found) = (excerpt(expected), excerpt(found));
        Lie::Field { hash: self.signed.hash(), what: what.into(), expected, found }
    }

    fn number(&self, name: &str) -> Result<u64, ClientError> {
        number(&self.json[name]).ok_or_else(|| unreadable(name))
    }

    /// The hash, the sender and the call, the limits and what keeps it from landing twice.
    fn identity(&self) -> Result<(), ClientError> {
        check_hash(self.signed.hash(), &self.json["hash"])?;
        let raw = self.signed.raw();
        self.value("sender", &Type::Address, &self.signed.sender().into(), &self.json["sender"])?;
        let limits = [
            ("max_gas_amount", raw.max_gas_amount),
            ("gas_unit_price", raw.gas_unit_price),
            ("expiration_timestamp_secs", raw.expiration_timestamp_secs),
            ("replay_protection_nonce", self.signed.call().nonce),
        ];
        for (name, expected) in limits {
            self.value(name, &Type::U64, &expected.into(), &self.json[name])?;
        }
        self.payload(&self.json["payload"])
    }

    fn payload(&self, payload: &Json) -> Result<(), ClientError> {
        let call = self.signed.call();
        let found = text(&payload["function"]).unwrap_or("");
        let ours = found.split_once("::").is_some_and(|(address, rest)| {
            address.parse() == Ok(self.target.module) && rest == format!("{MODULE}::{}", call.function.name)
        });
        if !ours {
            return Err(self.lie("the function", call.function.name, found).into());
        }
        let types = call.function.params.iter().filter(|ty| **ty != Type::Signer);
        let arguments = payload["arguments"].as_array().map_or(&[][..], Vec::as_slice);
        if arguments.len() != call.arguments.len() {
            let (expected, found) = (call.arguments.len().to_string(), arguments.len().to_string());
            return Err(self.lie("the number of arguments", &expected, &found).into());
        }
        for (place, ((ty, expected), json)) in types.zip(&call.arguments).zip(arguments).enumerate() {
            self.value(&format!("argument {place}"), ty, expected, json)?;
        }
        Ok(())
    }

    fn value(&self, what: &str, ty: &Type, expected: &Value, json: &Json) -> Result<(), Lie> {
        if Value::from_json(ty, json).as_ref() == Ok(expected) {
            return Ok(());
        }
        Err(self.lie(what, &expected.json().to_string(), &json.to_string()))
    }

    /// The contract's events; those of the framework are left out.
    fn events(&self) -> Result<Vec<Event>, ClientError> {
        let events = self.json["events"].as_array().ok_or_else(|| unreadable("events"))?;
        let ours = |event: &Json| {
            let (address, rest) = text(&event["type"])?.split_once("::")?;
            let (module, name) = rest.split_once("::")?;
            let is_ours = address.parse() == Ok(self.target.module) && module == MODULE;
            is_ours.then(|| Event { name: excerpt(name), data: event["data"].clone() })
        };
        Ok(events.iter().filter_map(ours).collect())
    }

    /// A call that succeeded emitted what the contract emits for it, with the arguments that were signed.
    fn conclusion(&self, events: &[Event]) -> Result<(), Lie> {
        let name = self.signed.function();
        let Some((_, end, fields)) = ENDS.iter().find(|(function, ..)| *function == name) else { return Ok(()) };
        let missing = |event: &str| Lie::Event { hash: self.signed.hash(), event: event.into() };
        let last = events.last().filter(|event| event.name == *end).ok_or_else(|| missing(end))?;
        if !fields.iter().all(|(field, of)| self.holds(*of, &last.data[*field])) {
            return Err(missing(end));
        }
        if name == "submit_contributions" && !self.has_entries(&events[..events.len() - 1]) {
            return Err(missing("ContributionSubmitted"));
        }
        Ok(())
    }

    fn holds(&self, of: Of, json: &Json) -> bool {
        let arguments = &self.signed.call().arguments;
        let expected = match of {
            Of::Sender => self.signed.sender().into(),
            Of::Argument(place) => arguments[place].clone(),
            Of::Length(place) => match &arguments[place] {
                Value::List(values) => (values.len() as u64).into(),
                _ => return false,
            },
        };
        is(&expected, json)
    }

    /// Whether there is one event for each row of a batch, in order.
    fn has_entries(&self, events: &[Event]) -> bool {
        let arguments = &self.signed.call().arguments;
        let column = |place: usize| if let Value::List(values) = &arguments[place] { values.as_slice() } else { &[] };
        let row = |(row, event): (usize, &Event)| {
            let fields = ENTRY.iter().all(|(field, place)| is(&column(*place)[row], &event.data[*field]));
            event.name == "ContributionSubmitted" && is(&arguments[0], &event.data["session_id"]) && fields
        };
        events.len() == column(2).len() && events.iter().enumerate().all(row)
    }
}

/// Compares the hash that a node names with the one that was computed here.
pub(crate) fn check_hash(expected: TransactionHash, found: &Json) -> Result<(), Lie> {
    if text(found).and_then(|text| text.parse().ok()) == Some(expected) {
        return Ok(());
    }
    Err(Lie::Hash { expected, found: excerpt(&found.to_string()) })
}

/// Whether JSON is a value, in the value's own type.
fn is(expected: &Value, json: &Json) -> bool {
    let ty = match expected {
        Value::Bool(_) => Type::Bool,
        Value::U8(_) => Type::U8,
        Value::U64(_) => Type::U64,
        Value::Address(_) => Type::Address,
        Value::String(_) => Type::String,
        Value::Bytes(_) => Type::Bytes,
        Value::List(_) => return false,
    };
    Value::from_json(&ty, json).as_ref() == Ok(expected)
}

fn text(json: &Json) -> Option<&str> {
    json.as_str()
}

/// A number as nodes write them: a decimal string, or a number where they are small.
pub(crate) fn number(json: &Json) -> Option<u64> {
    json.as_u64().or_else(|| match Value::from_json(&Type::U64, json) {
        Ok(Value::U64(number)) => Some(number),
        _ => None,
    })
}

fn unreadable(what: &str) -> ClientError {
    ClientError::Unreadable(format!("the transaction's {what}"))
}

#[cfg(test)]
mod tests;
