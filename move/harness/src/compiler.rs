//! Builds the package and runs its unit tests.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    Error, args,
    ffi::{Module, OwnedBytes, View},
    package_dir,
};

/// What mainnet accepts: 2.1 as the compiler's version would mark the bytecode unstable.
const COMPILER_VERSION: &str = "2.0";
const LANGUAGE_VERSION: &str = "2.1";
const BYTECODE_VERSION: u32 = 7;

/// Builds the package and its stand-in framework into `out`; the bytecode of both, dependencies first.
pub fn build(out: &Path) -> Result<Vec<Vec<u8>>, Error> {
    let module = Module::load("libcompiler")?;
    type Build = unsafe extern "C" fn(*mut OwnedBytes, View) -> OwnedBytes;
    // SAFETY: the type is the header's, and the copy is used before the module goes.
    let build = unsafe { module.function::<Build>(b"build_move_package\0")? };
    let arguments = arguments(out, false);
    let mut error = OwnedBytes::NONE;
    // SAFETY: the view lives through the call, and `error` is a slot that holds none.
    let value = unsafe { build(&raw mut error, View::new(&arguments)) };
    module.result(value, error).map_err(Error::Move)?;
    let modules = out.join("build/CoTrain/bytecode_modules");
    let mut code = read_modules(&modules.join("dependencies/AptosFramework"))?;
    code.extend(read_modules(&modules)?);
    Ok(code)
}

/// Runs the package's unit tests, whose report goes to this process's standard output. An error when one fails.
pub fn run_unit_tests(out: &Path, filter: &str) -> Result<(), Error> {
    let module = Module::load("libcompiler")?;
    type Test = unsafe extern "C" fn(*mut OwnedBytes, View, View) -> OwnedBytes;
    // SAFETY: as in `build`.
    let test = unsafe { module.function::<Test>(b"test_move_package\0")? };
    let arguments = arguments(out, true);
    let options = [option(filter), args::bool(false), args::bool(false), args::bool(false), args::bool(false)].concat();
    let mut error = OwnedBytes::NONE;
    // SAFETY: as in `build`.
    let value = unsafe { test(&raw mut error, View::new(&arguments), View::new(&options)) };
    module.result(value, error).map_err(Error::Move)?;
    Ok(())
}

/// The compiler's arguments, field by field in the order of its own struct.
fn arguments(out: &Path, test: bool) -> Vec<u8> {
    [
        option(&package_dir().to_string_lossy()),
        args::bool(false), // verbose
        args::bool(test),  // dev mode
        args::bool(test),
        args::bool(false), // docs
        args::bool(false), // ABIs
        option(&out.to_string_lossy()),
        args::bool(true),  // recompile
        args::bool(false), // fetch only
        args::bool(true),  // skip fetching
        BYTECODE_VERSION.to_le_bytes().to_vec(),
        args::string(COMPILER_VERSION),
        args::string(LANGUAGE_VERSION),
        args::vector(&[]), // further named addresses
    ]
    .concat()
}

fn option(value: &str) -> Vec<u8> {
    [vec![1], args::string(value)].concat()
}

fn read_modules(dir: &Path) -> Result<Vec<Vec<u8>>, Error> {
    let io = |source| Error::Io { what: format!("{} could not be read", dir.display()), source };
    let entries = fs::read_dir(dir).map_err(io)?.collect::<Result<Vec<_>, _>>().map_err(io)?;
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "mv"));
    paths.sort();
    paths.iter().map(|path| fs::read(path).map_err(io)).collect()
}
