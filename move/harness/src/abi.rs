//! What the bytecode offers to callers, as a node would show it.

use crate::{
    Error,
    ffi::{Module, OwnedBytes, View},
};

/// The interface of a module: its name and its exposed functions with the types of their parameters and results.
pub fn abi(code: &[u8]) -> Result<serde_json::Value, Error> {
    let module = Module::load("libmovevm")?;
    type Decode = unsafe extern "C" fn(*mut OwnedBytes, View) -> OwnedBytes;
    // SAFETY: the type is the header's, and the copy is used before the module goes.
    let decode = unsafe { module.function::<Decode>(b"decode_module_bytes\0")? };
    let mut error = OwnedBytes::NONE;
    // SAFETY: the view lives through the call, and `error` is a slot that holds none.
    let value = unsafe { decode(&raw mut error, View::new(code)) };
    let value = module.result(value, error).map_err(Error::Move)?;
    serde_json::from_slice(&value).map_err(|error| Error::Move(format!("the interface is not JSON: {error}")))
}
