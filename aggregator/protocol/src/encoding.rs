//! Serde helpers that keep decoding bounded: lists and strings refuse to grow past their limit, bytes are copied once,
//! fixed arrays are hex where a human reads them and raw bytes where a machine does.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, marker::PhantomData};

/// Reads a list of at most `MAX` items; stops at the first one too many.
pub(crate) fn list<'de, D, T, const MAX: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_seq(ListVisitor::<T, MAX>(PhantomData))
}

struct ListVisitor<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> de::Visitor<'de> for ListVisitor<T, MAX> {
    type Value = Vec<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a list of at most {MAX} items")
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        if items.size_hint().is_some_and(|hint| hint > MAX) {
            return Err(de::Error::custom(format_args!("list of more than {MAX} items")));
        }
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            if list.len() == MAX {
                return Err(de::Error::custom(format_args!("list of more than {MAX} items")));
            }
            list.push(item);
        }
        Ok(list)
    }
}

/// Reads a string of at most `MAX` bytes.
pub(crate) fn text<'de, D, const MAX: usize>(deserializer: D) -> Result<String, D::Error>
where
    D: Deserializer<'de>,
{
    deserializer.deserialize_str(TextVisitor::<MAX>)
}

struct TextVisitor<const MAX: usize>;

impl<const MAX: usize> de::Visitor<'_> for TextVisitor<MAX> {
    type Value = String;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a text of at most {MAX} bytes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        if text.len() > MAX {
            return Err(E::custom(format_args!("text of {} bytes, more than {MAX}", text.len())));
        }
        Ok(text.to_owned())
    }
}

/// One text of a bounded list of texts.
struct Text<const MAX: usize>(String);

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::<D, MAX>(deserializer).map(Self)
    }
}

/// Reads a list of at most `MAX` strings of at most `BYTES` bytes each.
pub(crate) fn texts<'de, D, const MAX: usize, const BYTES: usize>(deserializer: D) -> Result<Vec<String>, D::Error>
where
    D: Deserializer<'de>,
{
    let texts = list::<D, Text<BYTES>, MAX>(deserializer)?;
    Ok(texts.into_iter().map(|text| text.0).collect())
}

/// Bytes as bytes: serde's own vector would go through them one by one.
pub(crate) fn serialize_bytes<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

/// Reads at most `MAX` bytes.
pub(crate) fn bytes<'de, D, const MAX: usize>(deserializer: D) -> Result<Vec<u8>, D::Error>
where
    D: Deserializer<'de>,
{
    deserializer.deserialize_bytes(BytesVisitor::<MAX>)
}

struct BytesVisitor<const MAX: usize>;

impl<const MAX: usize> de::Visitor<'_> for BytesVisitor<MAX> {
    type Value = Vec<u8>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "at most {MAX} bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        if bytes.len() > MAX {
            return Err(E::custom(format_args!("{} bytes, more than {MAX}", bytes.len())));
        }
        Ok(bytes.to_vec())
    }
}

/// Hex in JSON, the bare bytes elsewhere.
pub(crate) fn serialize_array<const N: usize, S: Serializer>(
    array: &[u8; N],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() {
        return serializer.serialize_str(&to_hex(array));
    }
    ArrayTuple(array).serialize(serializer)
}

struct ArrayTuple<'a, const N: usize>(&'a [u8; N]);

impl<const N: usize> Serialize for ArrayTuple<'_, N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeTuple;
        let mut tuple = serializer.serialize_tuple(N)?;
        for byte in self.0 {
            tuple.serialize_element(byte)?;
        }
        tuple.end()
    }
}

/// The reverse of [`serialize_array`].
pub(crate) fn array<'de, const N: usize, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; N], D::Error> {
    if deserializer.is_human_readable() {
        return deserializer.deserialize_str(ArrayVisitor::<N>);
    }
    deserializer.deserialize_tuple(N, ArrayVisitor::<N>)
}

struct ArrayVisitor<const N: usize>;

impl<'de, const N: usize> de::Visitor<'de> for ArrayVisitor<N> {
    type Value = [u8; N];

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{N} bytes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        from_hex(text).map_err(E::custom)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut array = [0; N];
        for (index, byte) in array.iter_mut().enumerate() {
            *byte = items.next_element()?.ok_or_else(|| de::Error::invalid_length(index, &self))?;
        }
        Ok(array)
    }
}

/// Why a text is not the hex form of `N` bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HexError {
    /// Not two digits a byte.
    #[error("{found} hex digits where {expected} belong")]
    Length {
        /// Digits found.
        found: usize,
        /// Digits that belong.
        expected: usize,
    },
    /// A character outside 0–9, a–f, A–F.
    #[error("'{digit}' at position {position} is no hex digit")]
    Digit {
        /// The character.
        digit: char,
        /// Its place, from 0.
        position: usize,
    },
}

pub(crate) use hex::encode as to_hex;

pub(crate) fn from_hex<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
    let length = HexError::Length { found: text.chars().count(), expected: 2 * N };
    if text.chars().count() != 2 * N {
        return Err(length);
    }
    let mut array = [0; N];
    hex::decode_to_slice(text, &mut array).map_err(|_| {
        // Counted in characters, as people count.
        let mut digits = text.chars().enumerate();
        let wrong = digits.find(|(_, digit)| !digit.is_ascii_hexdigit());
        wrong.map_or(length, |(position, digit)| HexError::Digit { digit, position })
    })?;
    Ok(array)
}

/// A 32-byte newtype: hex text for people, raw bytes on the wire.
macro_rules! identifier {
    ($(#[$attribute:meta])* $name:ident) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// The bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The first eight hex digits, for people.
            #[must_use]
            pub fn short(&self) -> String {
                $crate::encoding::to_hex(&self.0[..4])
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(&$crate::encoding::to_hex(&self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(formatter, "{}({}…)", stringify!($name), self.short())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::encoding::HexError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::encoding::from_hex(text).map(Self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $crate::encoding::serialize_array(&self.0, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::encoding::array(deserializer).map(Self)
            }
        }
    };
}
pub(crate) use identifier;
