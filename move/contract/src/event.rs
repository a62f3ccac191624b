//! What a call reports.

use crate::{Address, Value};
use serde_json::Value as Json;

/// An event of the module: its struct's name and its fields, in the order of the contract's page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The name of the event's struct.
    pub name: &'static str,
    /// The fields, in order.
    pub fields: Vec<(&'static str, Value)>,
}

impl Event {
    /// The fields as the chain's REST interface writes an event's data.
    pub fn json(&self) -> Json {
        Json::Object(self.fields.iter().map(|(name, value)| ((*name).to_owned(), value.json())).collect())
    }

    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value)
    }
}

/// An event of a name with fields of anything that becomes a value.
pub(crate) fn event<const N: usize>(name: &'static str, fields: [(&'static str, Value); N]) -> Event {
    Event { name, fields: fields.into() }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl From<u8> for Value {
    fn from(value: u8) -> Self {
        Value::U8(value)
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Value::U64(value)
    }
}

impl From<Address> for Value {
    fn from(value: Address) -> Self {
        Value::Address(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value::String(value.into())
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Value::Bytes(value.into())
    }
}

impl From<[u8; 32]> for Value {
    fn from(value: [u8; 32]) -> Self {
        Value::Bytes(value.into())
    }
}
