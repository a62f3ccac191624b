//! What a call did to the machine and to its storage.

use std::collections::BTreeMap;

/// After the 32 bytes of an address, a key's byte that says what it names; code and its hash have the two lowest.
const RESOURCE: u8 = 2;
const ADDRESS_BYTES: usize = 32;

/// A resource or an entry of a table that a call touched; lengths in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// The key's length.
    pub key: usize,
    /// Whether the call wrote it.
    pub written: bool,
    /// The value's length before the call, if there was one.
    pub before: Option<usize>,
    /// The value's length after the call, if there is one.
    pub after: Option<usize>,
}

impl Slot {
    pub(crate) fn new(key: &[u8], before: Option<usize>) -> Self {
        Self { key: key.len(), written: false, before, after: before }
    }
}

/// What one call did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// What the machine's own meter counted.
    pub metered: u64,
    /// The slots, without those of code.
    pub slots: Vec<Slot>,
}

impl Usage {
    pub(crate) fn new(metered: u64, touched: BTreeMap<Vec<u8>, Slot>) -> Self {
        let is_code = |key: &[u8]| key.get(ADDRESS_BYTES).is_none_or(|kind| *kind < RESOURCE);
        let slots = touched.into_iter().filter(|(key, _)| !is_code(key)).map(|(_, slot)| slot).collect();
        Self { metered, slots }
    }
}
