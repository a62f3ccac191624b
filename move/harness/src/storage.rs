//! The machine's storage: a map behind the library's callbacks.

use std::{collections::BTreeMap, ffi::c_void};

use crate::{
    ffi::{Db, NewBytes, OwnedBytes, UNIMPLEMENTED, View},
    usage::Slot,
};

/// Keys and values as the machine writes them.
pub(crate) struct Storage {
    map: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What the call that runs has touched.
    touched: BTreeMap<Vec<u8>, Slot>,
    new_bytes: NewBytes,
}

impl Storage {
    pub(crate) fn new(new_bytes: NewBytes) -> Self {
        Self { map: BTreeMap::new(), touched: BTreeMap::new(), new_bytes }
    }

    /// What was touched since the last time, by key.
    pub(crate) fn take_touched(&mut self) -> BTreeMap<Vec<u8>, Slot> {
        std::mem::take(&mut self.touched)
    }

    /// The place of a key among what was touched, as it is before this touch.
    fn touch(&mut self, key: &[u8]) -> &mut Slot {
        let before = self.map.get(key).map(Vec::len);
        self.touched.entry(key.to_vec()).or_insert_with(|| Slot::new(key, before))
    }

    /// The callbacks over this map, for one call of the machine.
    pub(crate) fn db(&mut self) -> Db {
        Db { state: std::ptr::from_mut(self).cast(), read, write, remove, scan }
    }
}

unsafe extern "C" fn read(state: *mut c_void, key: View, value: *mut OwnedBytes, _: *mut OwnedBytes) -> i32 {
    // SAFETY: `state` is the storage that `db` gave, borrowed for this call of the machine, which has one thread.
    let storage = unsafe { &mut *state.cast::<Storage>() };
    storage.touch(key.bytes());
    if let Some(found) = storage.map.get(key.bytes()) {
        // SAFETY: the library copies the bytes during the call, and `value` points at its slot for the answer, which
        // holds none and so needs no destruction.
        unsafe { value.write((storage.new_bytes)(false, found.as_ptr(), found.len())) };
    }
    0
}

unsafe extern "C" fn write(state: *mut c_void, key: View, value: View, _: *mut OwnedBytes) -> i32 {
    // SAFETY: as in `read`; nothing else refers to the storage while the machine runs.
    let storage = unsafe { &mut *state.cast::<Storage>() };
    let slot = storage.touch(key.bytes());
    (slot.written, slot.after) = (true, Some(value.bytes().len()));
    storage.map.insert(key.bytes().to_vec(), value.bytes().to_vec());
    0
}

unsafe extern "C" fn remove(state: *mut c_void, key: View, _: *mut OwnedBytes) -> i32 {
    // SAFETY: as in `write`.
    let storage = unsafe { &mut *state.cast::<Storage>() };
    let slot = storage.touch(key.bytes());
    (slot.written, slot.after) = (true, None);
    storage.map.remove(key.bytes());
    0
}

/// The contract iterates over no table.
unsafe extern "C" fn scan(
    _: *mut c_void,
    _: View,
    _: View,
    _: View,
    _: i32,
    _: *mut c_void,
    _: *mut OwnedBytes,
) -> i32 {
    UNIMPLEMENTED
}
