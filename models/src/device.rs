//! Where the model computes: what the machine has, what is chosen and why not the rest.
//!
//! Invariants: nothing is chosen silently (every device that was found and not taken comes with its reason); `auto`
//! never takes a software adapter, which computes on the same cores as the CPU path, only slower; a device is used only
//! after it has computed a sum correctly. burn's default device is never asked for: with a GPU runtime compiled in it
//! names that GPU whether or not the machine has one.

use burn::tensor::{Device, FloatDType};

use crate::plain::Precision;

mod choice;
mod decision;
mod error;
mod runtime;
mod system;

pub use choice::DeviceChoice;
pub use decision::{Built, Decision, FoundDevice, FoundKind, decide};
pub use error::DeviceError;
pub use system::{SystemGpu, system_gpus};

/// A device ready to compute.
#[derive(Clone, Debug)]
pub enum ComputeDevice {
    /// The fused CPU operations.
    Cpu {
        /// Threads that share a batch.
        threads: usize,
    },
    /// A device of a burn runtime (or burn's own CPU backend, in tests).
    Burn {
        /// The device, without autodiff.
        device: Device,
        /// What to call it.
        description: String,
    },
}

impl ComputeDevice {
    /// The CPU with as many threads as the machine has cores, or as many as given.
    pub fn cpu(threads: Option<usize>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::Cpu { threads: threads.unwrap_or(cores).max(1) }
    }

    /// A line for people.
    pub fn description(&self) -> String {
        match self {
            Self::Cpu { threads: 1 } => "CPU, 1 thread".into(),
            Self::Cpu { threads } => format!("CPU, {threads} threads"),
            Self::Burn { description, .. } => description.clone(),
        }
    }

    /// Threads that compute: those of the CPU path, otherwise one that feeds the device.
    pub fn threads(&self) -> usize {
        match self {
            Self::Cpu { threads } => *threads,
            Self::Burn { .. } => 1,
        }
    }

    /// In what to train here: bf16 products where an accelerator computes in bf16, else f32 throughout.
    pub fn best_precision(&self) -> Precision {
        match self {
            Self::Burn { device, .. } if device.supports_dtype(FloatDType::BF16) => Precision::Mixed,
            _ => Precision::Full,
        }
    }

    /// Whether this is the CPU path.
    pub fn is_cpu(&self) -> bool {
        matches!(self, Self::Cpu { .. })
    }
}

/// What was found and what was chosen.
#[derive(Clone, Debug)]
pub struct DeviceReport {
    /// Every device seen, the CPU first.
    pub found: Vec<FoundDevice>,
    /// The device to use.
    pub chosen: ComputeDevice,
    /// Its name: `cpu`, `wgpu:0`, `cuda:1`.
    pub chosen_name: String,
    /// One line for each device that was not chosen, and what to do to use it.
    pub reasons: Vec<String>,
}

/// Looks at the machine and chooses.
///
/// A device that fails its first computation is left out with that as its reason, and `auto` takes the next.
///
/// # Errors
///
/// [`DeviceError`] when the choice names what is not there, was not built in or does not work, or when
/// `require_gpu` and there is no GPU.
pub fn survey(choice: &DeviceChoice, require_gpu: bool, threads: Option<usize>) -> Result<DeviceReport, DeviceError> {
    let gpus = system_gpus();
    let mut candidates = runtime::candidates(choice, !gpus.is_empty());
    let mut failures = Vec::new();
    loop {
        let found: Vec<FoundDevice> = candidates.iter().map(|candidate| candidate.found.clone()).collect();
        let decision = decide(choice, require_gpu, &found, &gpus, Built::here(), &failures)?;
        match candidates[decision.index].open(threads) {
            Ok(chosen) => return Ok(report(found, decision, chosen, failures)),
            Err(message) if *choice == DeviceChoice::Auto => {
                let failed = candidates.remove(decision.index).found;
                failures.push(format!("{} ({}) does not work: {message}", failed.name, failed.description));
            }
            Err(message) => return Err(DeviceError::Failed { name: found[decision.index].name.clone(), message }),
        }
    }
}

fn report(found: Vec<FoundDevice>, decision: Decision, chosen: ComputeDevice, failures: Vec<String>) -> DeviceReport {
    let chosen_name = found[decision.index].name.clone();
    let reasons = failures.into_iter().chain(decision.reasons).collect();
    DeviceReport { found, chosen, chosen_name, reasons }
}

#[cfg(test)]
mod tests;
