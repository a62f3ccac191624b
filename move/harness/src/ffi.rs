//! The C interface of the two libraries: who owns which bytes.

use std::{ffi::c_void, marker::PhantomData};

use libloading::Library;

use crate::{Error, tools};

/// Bytes that a library allocated and only that library may free.
#[repr(C)]
pub(crate) struct OwnedBytes {
    is_none: bool,
    ptr: *mut u8,
    len: usize,
    cap: usize,
}

impl OwnedBytes {
    pub(crate) const NONE: Self = Self { is_none: true, ptr: std::ptr::null_mut(), len: 0, cap: 0 };
}

/// Bytes lent to a library for one call, or by it for one callback. The same layout serves both directions.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    is_none: bool,
    ptr: *const u8,
    len: usize,
    lent: PhantomData<&'a [u8]>,
}

impl<'a> View<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { is_none: false, ptr: bytes.as_ptr(), len: bytes.len(), lent: PhantomData }
    }

    pub(crate) fn bytes(&self) -> &'a [u8] {
        if self.is_none || self.len == 0 {
            return &[];
        }
        // SAFETY: a view that is not none points at `len` bytes that its maker keeps alive and unchanged for `'a`.
        unsafe { std::slice::from_raw_parts(self.ptr, self.len) }
    }
}

pub(crate) type NewBytes = unsafe extern "C" fn(bool, *const u8, usize) -> OwnedBytes;
type DestroyBytes = unsafe extern "C" fn(OwnedBytes);

/// A loaded library with its allocator.
pub(crate) struct Module {
    pub(crate) new_bytes: NewBytes,
    destroy_bytes: DestroyBytes,
    library: Library,
}

impl Module {
    pub(crate) fn load(name: &str) -> Result<Self, Error> {
        let path = tools::library(name)?;
        // SAFETY: the file has the hash of the package that was reviewed; its initialisers are those of a Rust library.
        let library = unsafe { Library::new(path)? };
        // SAFETY: both functions have these signatures in the package's header.
        let (new_bytes, destroy_bytes) = unsafe {
            (
                *library.get::<NewBytes>(b"new_unmanaged_vector\0")?,
                *library.get::<DestroyBytes>(b"destroy_unmanaged_vector\0")?,
            )
        };
        Ok(Self { new_bytes, destroy_bytes, library })
    }

    /// A function of the library.
    ///
    /// # Safety
    ///
    /// `F` must be the function's type, and the copy must not outlive the module.
    pub(crate) unsafe fn function<F: Copy>(&self, name: &[u8]) -> Result<F, Error> {
        // SAFETY: the caller answers for the type and for the lifetime.
        Ok(unsafe { *self.library.get::<F>(name)? })
    }

    /// Copies what a call returned and frees the original; the call's error when it set one.
    pub(crate) fn result(&self, value: OwnedBytes, error: OwnedBytes) -> Result<Vec<u8>, String> {
        let value = self.take(value).unwrap_or_default();
        match self.take(error) {
            Some(error) => Err(String::from_utf8_lossy(&error).into_owned()),
            None => Ok(value),
        }
    }

    fn take(&self, bytes: OwnedBytes) -> Option<Vec<u8>> {
        if bytes.is_none {
            return None;
        }
        let empty = bytes.len == 0;
        // SAFETY: the library gave up these `len` bytes, and they are copied before they are freed. A vector without
        // bytes may hold a dangling pointer and is not read.
        let copy =
            if empty { Vec::new() } else { unsafe { std::slice::from_raw_parts(bytes.ptr, bytes.len) }.to_vec() };
        // SAFETY: this module's library allocated it, and it is consumed here for the only time.
        unsafe { (self.destroy_bytes)(bytes) };
        Some(copy)
    }
}

/// The callbacks through which the machine reads and writes its storage; `state` is ours.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Db {
    pub(crate) state: *mut c_void,
    pub(crate) read: unsafe extern "C" fn(*mut c_void, View, *mut OwnedBytes, *mut OwnedBytes) -> i32,
    pub(crate) write: unsafe extern "C" fn(*mut c_void, View, View, *mut OwnedBytes) -> i32,
    pub(crate) remove: unsafe extern "C" fn(*mut c_void, View, *mut OwnedBytes) -> i32,
    pub(crate) scan: unsafe extern "C" fn(*mut c_void, View, View, View, i32, *mut c_void, *mut OwnedBytes) -> i32,
}

/// The machine's questions to its chain. Our contract asks none, so every one is answered with "not implemented".
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Api {
    state: *const c_void,
    query: extern "C" fn(*const c_void, View, u64, *mut OwnedBytes, *mut u64, *mut OwnedBytes) -> i32,
    account_info:
        extern "C" fn(*const c_void, View, *mut bool, *mut u64, *mut u64, *mut u8, *mut bool, *mut OwnedBytes) -> i32,
    amount_to_share: extern "C" fn(*const c_void, View, View, u64, *mut u64, *mut OwnedBytes) -> i32,
    share_to_amount: extern "C" fn(*const c_void, View, View, u64, *mut u64, *mut OwnedBytes) -> i32,
    unbond_timestamp: extern "C" fn(*const c_void, *mut u64, *mut OwnedBytes) -> i32,
    price: extern "C" fn(*const c_void, View, *mut OwnedBytes, *mut u64, *mut u64, *mut OwnedBytes) -> i32,
}

pub(crate) const UNIMPLEMENTED: i32 = 5;

impl Api {
    pub(crate) const SILENT: Self = Self {
        state: std::ptr::null(),
        query,
        account_info,
        amount_to_share: share,
        share_to_amount: share,
        unbond_timestamp,
        price,
    };
}

extern "C" fn query(_: *const c_void, _: View, _: u64, _: *mut OwnedBytes, _: *mut u64, _: *mut OwnedBytes) -> i32 {
    UNIMPLEMENTED
}

extern "C" fn account_info(
    _: *const c_void,
    _: View,
    _: *mut bool,
    _: *mut u64,
    _: *mut u64,
    _: *mut u8,
    _: *mut bool,
    _: *mut OwnedBytes,
) -> i32 {
    UNIMPLEMENTED
}

extern "C" fn share(_: *const c_void, _: View, _: View, _: u64, _: *mut u64, _: *mut OwnedBytes) -> i32 {
    UNIMPLEMENTED
}

extern "C" fn unbond_timestamp(_: *const c_void, _: *mut u64, _: *mut OwnedBytes) -> i32 {
    UNIMPLEMENTED
}

extern "C" fn price(
    _: *const c_void,
    _: View,
    _: *mut OwnedBytes,
    _: *mut u64,
    _: *mut u64,
    _: *mut OwnedBytes,
) -> i32 {
    UNIMPLEMENTED
}
