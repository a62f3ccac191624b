//! The machine's storage: a map behind the library's callbacks.

use std::{collections::BTreeMap, ffi::c_void};

use crate::ffi::{Db, NewBytes, OwnedBytes, UNIMPLEMENTED, View};

/// Keys and values as the machine writes them.
pub(crate) struct Storage {
    map: BTreeMap<Vec<u8>, Vec<u8>>,
    new_bytes: NewBytes,
}

impl Storage {
    pub(crate) fn new(new_bytes: NewBytes) -> Self {
        Self { map: BTreeMap::new(), new_bytes }
    }

    /// The callbacks over this map, for one call of the machine.
    pub(crate) fn db(&mut self) -> Db {
        Db { state: std::ptr::from_mut(self).cast(), read, write, remove, scan }
    }
}

unsafe extern "C" fn read(state: *mut c_void, key: View, value: *mut OwnedBytes, _: *mut OwnedBytes) -> i32 {
    // SAFETY: `state` is the storage that `db` gave, borrowed for this call of the machine, which has one thread.
    let storage = unsafe { &*state.cast::<Storage>() };
    if let Some(found) = storage.map.get(key.bytes()) {
        // SAFETY: the library copies the bytes during the call, and `value` points at its slot for the answer, which holds
        // none and so needs no destruction.
        unsafe { value.write((storage.new_bytes)(false, found.as_ptr(), found.len())) };
    }
    0
}

unsafe extern "C" fn write(state: *mut c_void, key: View, value: View, _: *mut OwnedBytes) -> i32 {
    // SAFETY: as in `read`; nothing else refers to the storage while the machine runs.
    let storage = unsafe { &mut *state.cast::<Storage>() };
    storage.map.insert(key.bytes().to_vec(), value.bytes().to_vec());
    0
}

unsafe extern "C" fn remove(state: *mut c_void, key: View, _: *mut OwnedBytes) -> i32 {
    // SAFETY: as in `write`.
    let storage = unsafe { &mut *state.cast::<Storage>() };
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
