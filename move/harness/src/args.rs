//! Arguments of calls, in BCS (binary canonical serialization).

/// A number of 64 bits.
pub fn u64(value: u64) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

/// A truth value.
pub fn bool(value: bool) -> Vec<u8> {
    vec![u8::from(value)]
}

/// An account's address.
pub fn address(value: [u8; 32]) -> Vec<u8> {
    value.to_vec()
}

/// A string, or a vector of bytes: its length, then its bytes.
pub fn bytes(value: &[u8]) -> Vec<u8> {
    let mut out = length(value.len());
    out.extend_from_slice(value);
    out
}

pub fn string(value: &str) -> Vec<u8> {
    bytes(value.as_bytes())
}

/// A vector of values that are already in BCS.
pub fn vector(values: &[Vec<u8>]) -> Vec<u8> {
    let mut out = length(values.len());
    out.extend(values.iter().flatten());
    out
}

/// A length in ULEB128.
fn length(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// Reads BCS from the front of a slice; `None` when it ends early.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn length(&mut self) -> Option<usize> {
        let mut value = 0_usize;
        for shift in (0..35).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    pub(crate) fn string(&mut self) -> Option<&'a str> {
        let length = self.length()?;
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(head).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_above_a_byte_take_two() {
        let long = bytes(&[9; 300]);
        assert_eq!(long[..2], [0xac, 0x02]);
        assert_eq!(Reader(&long).length(), Some(300));
    }

    #[test]
    fn a_string_that_ends_early_is_refused() {
        assert_eq!(Reader(&[5, b'a']).string(), None);
        assert_eq!(Reader(&string("ab")).string(), Some("ab"));
    }
}
