//! A machine with the package published, for tests.

use std::{ffi::c_void, fmt};

use crate::{
    Error, args,
    args::Reader,
    compiler,
    ffi::{Api, Db, Module, OwnedBytes, View},
    storage::Storage,
    usage::Usage,
};

/// The address `cotrain` of `Move.toml`, whose account deploys and so is the first admin.
pub const ADMIN: [u8; 32] = address(1);
const FRAMEWORK: [u8; 32] = address(1);
const PAYOUT_ASSET: [u8; 32] = address(0xa);
/// No call of a test costs as much; a loop without an end does.
const GAS_MAX: u64 = 1_000_000_000_000;

const fn address(low: u16) -> [u8; 32] {
    let mut bytes = [0; 32];
    [bytes[30], bytes[31]] = low.to_be_bytes();
    bytes
}

/// A module event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The struct's name, such as `NodeRegistered`.
    pub name: String,
    /// The fields; numbers of 64 bits are strings, bytes are hexadecimal.
    pub data: serde_json::Value,
}

/// A call that was refused; it changed nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// The code, when the code was reached and aborted; none when the machine refused the call.
    code: Option<u64>,
    /// What the machine said.
    message: String,
}

impl Failure {
    pub fn abort_code(&self) -> Option<u64> {
        self.code
    }

    fn new(message: String) -> Self {
        let message = without_backtrace(&message);
        let code = message.split_once("code=").map(|(_, rest)| rest);
        let code = code.and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
        Self { code: code.filter(|_| message.contains("abort")), message }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

type Execute = unsafe extern "C" fn(*mut c_void, *mut u64, Db, Api, View, View, View, *mut OwnedBytes) -> OwnedBytes;
type ExecuteView = unsafe extern "C" fn(*mut c_void, *mut u64, Db, Api, View, View, *mut OwnedBytes) -> OwnedBytes;
type Initialize = unsafe extern "C" fn(*mut c_void, Db, Api, View, View, View, *mut OwnedBytes) -> OwnedBytes;
type Release = unsafe extern "C" fn(*mut c_void);

/// A machine in which the package is published.
pub struct Vm {
    vm: *mut c_void,
    execute: Execute,
    view: ExecuteView,
    release: Release,
    module: Module,
    /// Boxed, so that its address stays while the machine moves.
    storage: Box<Storage>,
    usage: Usage,
    calls: u64,
    now_s: u64,
}

impl Vm {
    /// Builds the package and publishes it in a machine of its own.
    pub fn new() -> Result<Self, Error> {
        let out = tempfile::tempdir().map_err(|source| Error::Io { what: "no temporary folder".into(), source })?;
        let code: Vec<_> = compiler::build(out.path())?.iter().map(|code| args::bytes(code)).collect();
        let module = Module::load("libmovevm")?;
        type Allocate = unsafe extern "C" fn(View) -> *mut c_void;
        // SAFETY: the types are the header's; the copies live in `Self` beside the module, or are used here.
        let (allocate, initialize, execute, view, release) = unsafe {
            (
                module.function::<Allocate>(b"allocate_vm\0")?,
                module.function::<Initialize>(b"initialize\0")?,
                module.function::<Execute>(b"execute_contract\0")?,
                module.function::<ExecuteView>(b"execute_view_function\0")?,
                module.function::<Release>(b"release_vm\0")?,
            )
        };
        // Unstable bytecode is refused, as on mainnet; then the capacities of two caches.
        let config = [args::bool(false), args::u64(100), args::u64(500)].concat();
        // SAFETY: the view lives through the call.
        let vm = unsafe { allocate(View::new(&config)) };
        let storage = Box::new(Storage::new(module.new_bytes));
        let mut this =
            Self { vm, execute, view, release, module, storage, usage: Usage::default(), calls: 0, now_s: 0 };
        let (env, bundle, publishers) = (this.environment(), args::vector(&code), args::vector(&[]));
        let mut error = OwnedBytes::NONE;
        // SAFETY: `vm` is the machine just made; the views live through the call, and `error` holds none.
        let value = unsafe {
            initialize(
                vm,
                this.storage.db(),
                Api::SILENT,
                View::new(&env),
                View::new(&bundle),
                View::new(&publishers),
                &raw mut error,
            )
        };
        this.module.result(value, error).map_err(|message| Error::Move(without_backtrace(&message)))?;
        Ok(this)
    }

    /// Calls an entry function, such as `training_rewards::set_paused`, signed by `sender` at `now_s`; `args` are the
    /// arguments after the signer. The events in their order.
    pub fn execute(
        &mut self,
        function: &str,
        args: &[Vec<u8>],
        sender: [u8; 32],
        now_s: u64,
    ) -> Result<Vec<Event>, Failure> {
        self.now_s = now_s;
        self.execute_at(ADMIN, function, args, sender)
    }

    /// The results of a view, at the time of the last call: one value, or an array of several.
    pub fn view(&mut self, function: &str, args: &[Vec<u8>]) -> Result<serde_json::Value, Failure> {
        let (env, payload) = (self.environment(), payload(ADMIN, function, args));
        let (mut error, mut gas) = (OwnedBytes::NONE, GAS_MAX);
        // SAFETY: as in `new`; `gas` lives through the call.
        let value = unsafe {
            (self.view)(
                self.vm,
                &raw mut gas,
                self.storage.db(),
                Api::SILENT,
                View::new(&env),
                View::new(&payload),
                &raw mut error,
            )
        };
        let value = self.module.result(value, error).map_err(Failure::new)?;
        let json = Reader(&value).string().and_then(|text| serde_json::from_str(text).ok());
        json.ok_or_else(|| Failure::new("the machine's answer is not JSON".into()))
    }

    /// What the last call of an entry function did.
    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    /// Gives an account some of the payout asset.
    pub fn mint(&mut self, owner: [u8; 32], amount: u64) -> Result<(), Failure> {
        let args = [args::address(PAYOUT_ASSET), args::address(owner), args::u64(amount)];
        self.execute_at(FRAMEWORK, "stub_faucet::mint", &args, FRAMEWORK).map(|_| ())
    }

    fn execute_at(
        &mut self,
        module: [u8; 32],
        function: &str,
        args: &[Vec<u8>],
        sender: [u8; 32],
    ) -> Result<Vec<Event>, Failure> {
        let (env, payload) = (self.environment(), payload(module, function, args));
        let senders = args::vector(&[args::address(sender)]);
        let (mut error, mut gas) = (OwnedBytes::NONE, GAS_MAX);
        // What a view read is no part of the call.
        self.storage.take_touched();
        // SAFETY: as in `view`.
        let value = unsafe {
            (self.execute)(
                self.vm,
                &raw mut gas,
                self.storage.db(),
                Api::SILENT,
                View::new(&env),
                View::new(&senders),
                View::new(&payload),
                &raw mut error,
            )
        };
        self.usage = Usage::new(GAS_MAX - gas, self.storage.take_touched());
        let value = self.module.result(value, error).map_err(Failure::new)?;
        events(&value).ok_or_else(|| Failure::new("the machine's events could not be read".into()))
    }

    /// The block and the transaction: height, time, next account, hash and session. The last seeds the names of new
    /// tables and so differs in every call.
    fn environment(&mut self) -> Vec<u8> {
        self.calls += 1;
        let mut id = [0; 32];
        id[..8].copy_from_slice(&self.calls.to_le_bytes());
        [args::u64(self.calls), args::u64(self.now_s), args::u64(1), id.to_vec(), id.to_vec()].concat()
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        // SAFETY: `allocate_vm` made it, and nothing uses it any more.
        unsafe { (self.release)(self.vm) };
    }
}

/// The machine appends its own call stack when the environment asks for backtraces.
fn without_backtrace(message: &str) -> String {
    message.split_once("\nBacktrace").map_or(message, |(head, _)| head).to_owned()
}

/// A call: the module, the function, no type arguments, the arguments in BCS and not in JSON.
fn payload(module: [u8; 32], function: &str, args: &[Vec<u8>]) -> Vec<u8> {
    let (name, function) = function.split_once("::").unwrap_or(("training_rewards", function));
    let args: Vec<_> = args.iter().map(|arg| args::bytes(arg)).collect();
    [
        args::address(module),
        args::string(name),
        args::string(function),
        args::vector(&[]),
        args::vector(&args),
        args::bool(false),
    ]
    .concat()
}

/// The events stand first in an execution's result: pairs of a type and its JSON.
fn events(result: &[u8]) -> Option<Vec<Event>> {
    let mut reader = Reader(result);
    let count = reader.length()?;
    let mut events = Vec::new();
    for _ in 0..count {
        let name = reader.string()?.rsplit("::").next()?.to_owned();
        let data = serde_json::from_str(reader.string()?).ok()?;
        events.push(Event { name, data });
    }
    Some(events)
}
