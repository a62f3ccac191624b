//! Values of the contract's calls: their types, their bytes (BCS) and their JSON, as a node of the chain reads and
//! writes them.
//!
//! The bytes come from anyone. Decoding never panics, allocates no more than a small multiple of what it was given, and
//! refuses whatever a node would refuse: bytes left over, lengths that are not the shortest, strings that are not
//! UTF-8.

use crate::Address;
use serde_json::Value as Json;
use thiserror::Error;

/// The longest argument that is decoded, in bytes: that of a whole transaction on the chain.
pub const ARGUMENT_BYTES_MAX: usize = 64 * 1024;

/// A type of the contract's ABI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// `signer`, or a reference to one: given by the transaction, never among its arguments.
    Signer,
    Bool,
    U8,
    U64,
    Address,
    /// `0x1::string::String`
    String,
    Bytes,
    /// `vector<T>` of any other `T`
    List(&'static Type),
}

/// An argument or result of a call, or a field of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Bool(bool),
    U8(u8),
    U64(u64),
    Address(Address),
    /// `0x1::string::String`
    String(String),
    Bytes(Vec<u8>),
    /// `vector<T>` of any other `T`
    List(Vec<Value>),
}

/// An argument that is not one of its type.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ArgumentError {
    /// The call has more or fewer arguments than its function.
    #[error("{found} arguments where the function takes {expected}")]
    Count {
        /// What the function takes, without the signer.
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// A signer is given by the transaction alone.
    #[error("a signer cannot be given as an argument")]
    Signer,
    /// Longer than [`ARGUMENT_BYTES_MAX`].
    #[error("an argument of {0} bytes, above {ARGUMENT_BYTES_MAX}")]
    TooLong(usize),
    /// The bytes end before the value does.
    #[error("the bytes end before the value does")]
    UnexpectedEnd,
    /// Bytes are left over.
    #[error("{0} bytes are left after the value")]
    TrailingBytes(usize),
    /// A length is above 32 bits or not written in the fewest bytes.
    #[error("a length that is not the shortest ULEB128 of 32 bits")]
    InvalidLength,
    /// A truth value is neither 0 nor 1.
    #[error("{0} is neither 0 nor 1")]
    InvalidBool(u8),
    /// A string is not UTF-8.
    #[error("a string is not UTF-8")]
    InvalidUtf8,
    /// The JSON is not what the type is written as.
    #[error("expected {expected}, not {found}")]
    InvalidJson {
        /// How values of the type are written.
        expected: &'static str,
        /// What was found, cut to a readable length.
        found: String,
    },
}

impl Type {
    /// The type as the chain's ABI writes it.
    pub fn name(&self) -> String {
        match self {
            Type::Signer => "&signer".into(),
            Type::Bool => "bool".into(),
            Type::U8 => "u8".into(),
            Type::U64 => "u64".into(),
            Type::Address => "address".into(),
            Type::String => "0x1::string::String".into(),
            Type::Bytes => "vector<u8>".into(),
            Type::List(of) => format!("vector<{}>", of.name()),
        }
    }
}

impl Value {
    /// The value as the chain's REST interface writes it: u64 as decimal strings, bytes as `0x` and hexadecimal digits.
    pub fn json(&self) -> Json {
        match self {
            Value::Bool(value) => Json::from(*value),
            Value::U8(value) => Json::from(*value),
            Value::U64(value) => Json::from(value.to_string()),
            Value::Address(value) => Json::from(value.to_string()),
            Value::String(value) => Json::from(value.as_str()),
            Value::Bytes(value) => Json::from(format!("0x{}", hex::encode(value))),
            Value::List(values) => values.iter().map(Value::json).collect(),
        }
    }

    /// The value's bytes in BCS.
    pub fn bcs(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        bytes
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Value::Bool(value) => out.push(u8::from(*value)),
            Value::U8(value) => out.push(*value),
            Value::U64(value) => out.extend(value.to_le_bytes()),
            Value::Address(value) => out.extend(value.0),
            Value::String(value) => write_bytes(out, value.as_bytes()),
            Value::Bytes(value) => write_bytes(out, value),
            Value::List(values) => {
                write_length(out, values.len());
                values.iter().for_each(|value| value.write(out));
            }
        }
    }

    /// Reads a value of a type that fills `bytes`.
    pub fn from_bcs(ty: &Type, bytes: &[u8]) -> Result<Value, ArgumentError> {
        if bytes.len() > ARGUMENT_BYTES_MAX {
            return Err(ArgumentError::TooLong(bytes.len()));
        }
        let mut input = Input(bytes);
        let value = input.value(ty)?;
        if input.0.is_empty() { Ok(value) } else { Err(ArgumentError::TrailingBytes(input.0.len())) }
    }

    /// Reads a value of a type as the chain's REST interface takes it.
    pub fn from_json(ty: &Type, json: &Json) -> Result<Value, ArgumentError> {
        let text = json.as_str();
        let (value, expected) = match ty {
            Type::Signer => return Err(ArgumentError::Signer),
            Type::Bool => (json.as_bool().map(Value::Bool), "true or false"),
            Type::U8 => (json.as_u64().and_then(|n| n.try_into().ok()).map(Value::U8), "a number of 0 to 255"),
            Type::U64 => (text.and_then(decimal).map(Value::U64), "a u64 as a decimal string"),
            Type::Address => (text.and_then(|t| t.parse().ok()).map(Value::Address), "an address as 0x and digits"),
            Type::String => (text.map(|t| Value::String(t.into())), "a string"),
            Type::Bytes => (text.and_then(unhex).map(Value::Bytes), "bytes as 0x and hexadecimal digits"),
            Type::List(of) => {
                let list = json.as_array().map(|l| l.iter().map(|item| Value::from_json(of, item)).collect());
                (list.transpose()?.map(Value::List), "a list")
            }
        };
        value.ok_or_else(|| ArgumentError::InvalidJson { expected, found: excerpt(json) })
    }
}

/// What is left to read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn value(&mut self, ty: &Type) -> Result<Value, ArgumentError> {
        Ok(match ty {
            Type::Signer => return Err(ArgumentError::Signer),
            Type::Bool => match self.array::<1>()? {
                [0] => Value::Bool(false),
                [1] => Value::Bool(true),
                [other] => return Err(ArgumentError::InvalidBool(other)),
            },
            Type::U8 => Value::U8(self.array::<1>()?[0]),
            Type::U64 => Value::U64(u64::from_le_bytes(self.array()?)),
            Type::Address => Value::Address(Address(self.array()?)),
            Type::String => {
                let bytes = self.bytes()?.to_vec();
                Value::String(String::from_utf8(bytes).map_err(|_| ArgumentError::InvalidUtf8)?)
            }
            Type::Bytes => Value::Bytes(self.bytes()?.to_vec()),
            Type::List(of) => {
                // Nothing is reserved for a length that a stranger wrote; each entry takes at least one byte.
                let length = self.length()?;
                Value::List((0..length).map(|_| self.value(of)).collect::<Result<_, _>>()?)
            }
        })
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], ArgumentError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(ArgumentError::UnexpectedEnd)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ArgumentError> {
        self.take(N)?.try_into().map_err(|_| ArgumentError::UnexpectedEnd)
    }

    fn bytes(&mut self) -> Result<&'a [u8], ArgumentError> {
        let length = self.length()?;
        self.take(length)
    }

    fn length(&mut self) -> Result<usize, ArgumentError> {
        let mut length = 0_u64;
        for place in 0..5 {
            let [byte] = self.array::<1>()?;
            length |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                let shortest = place == 0 || byte != 0;
                let length = u32::try_from(length).ok().filter(|_| shortest).ok_or(ArgumentError::InvalidLength)?;
                return Ok(length as usize);
            }
        }
        Err(ArgumentError::InvalidLength)
    }
}

fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_length(out, bytes.len());
    out.extend(bytes);
}

fn write_length(out: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    hex::decode(text.strip_prefix("0x").unwrap_or(text)).ok()
}

/// Digits alone: Rust would also take a plus sign.
fn decimal(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn excerpt(json: &Json) -> String {
    const CHARS_MAX: usize = 60;
    let text = json.to_string();
    if text.chars().count() <= CHARS_MAX { text } else { text.chars().take(CHARS_MAX).chain(['…']).collect() }
}

#[cfg(test)]
mod tests;
