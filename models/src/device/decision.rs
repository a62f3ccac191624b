//! The choice itself: a pure function of what was asked, what was found and what is built in.

use super::{DeviceChoice, DeviceError, SystemGpu};

/// What to type for a build with wgpu.
const BUILD_WGPU: &str = "cargo build --release";

/// What to type for a build with CUDA.
const BUILD_CUDA: &str = "cargo build --release --features cuda";

/// What sort of device it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundKind {
    Cpu,
    /// A GPU of its own, through CUDA.
    Cuda,
    /// A GPU of its own, through wgpu.
    Discrete,
    /// A GPU that shares the processor's memory.
    Integrated,
    /// A GPU lent by a hypervisor.
    Virtual,
    /// An adapter that does not say what it is.
    Other,
    /// A software adapter: a GPU's interface computed on the CPU.
    Software,
}

impl FoundKind {
    /// Order of preference, lower first; `None` for what `auto` does not take.
    fn rank(self) -> Option<u8> {
        match self {
            Self::Cuda => Some(0),
            Self::Discrete => Some(1),
            Self::Integrated => Some(2),
            Self::Virtual => Some(3),
            Self::Cpu => Some(9),
            Self::Other | Self::Software => None,
        }
    }

    fn is_wgpu(self) -> bool {
        !matches!(self, Self::Cpu | Self::Cuda)
    }

    fn is_gpu(self) -> bool {
        !matches!(self, Self::Cpu | Self::Software)
    }
}

/// A device that a compiled-in runtime reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundDevice {
    /// `cpu`, `wgpu:0`, `cuda:1`: what `--device` takes.
    pub name: String,
    /// A line for people.
    pub description: String,
    /// What sort of device it is.
    pub kind: FoundKind,
}

/// Which runtimes are compiled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Built {
    pub wgpu: bool,
    pub cuda: bool,
}

impl Built {
    /// This build.
    pub fn here() -> Self {
        Self { wgpu: cfg!(feature = "wgpu"), cuda: cfg!(feature = "cuda") }
    }
}

/// Which of the found devices, and why not the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Index into what was found.
    pub index: usize,
    /// One line for each device not chosen or not reached.
    pub reasons: Vec<String>,
}

/// Chooses among `found`, which holds the CPU; `gpus` are the cards that the operating system sees, `failures` says
/// what was tried already.
///
/// # Errors
///
/// [`DeviceError`] when nothing satisfies the choice.
pub fn decide(
    choice: &DeviceChoice,
    require_gpu: bool,
    found: &[FoundDevice],
    gpus: &[SystemGpu],
    built: Built,
    failures: &[String],
) -> Result<Decision, DeviceError> {
    let unreached = unreached(found, gpus, built);
    let picked = match choice {
        DeviceChoice::Auto => best(found, |kind| kind.rank().is_some()),
        DeviceChoice::Cpu => best(found, |kind| kind == FoundKind::Cpu),
        DeviceChoice::Wgpu(index) => {
            check_built(built.wgpu, "wgpu", BUILD_WGPU)?;
            named(found, choice, *index, FoundKind::is_wgpu)
        }
        DeviceChoice::Cuda(index) => {
            check_built(built.cuda, "cuda", BUILD_CUDA)?;
            named(found, choice, *index, |kind| kind == FoundKind::Cuda)
        }
    };
    let Some(index) = picked else {
        return Err(DeviceError::NotFound { name: choice.to_string(), found: names(found), reasons: unreached });
    };
    if require_gpu && !found[index].kind.is_gpu() {
        let reasons = failures.iter().cloned().chain(gpu_advice(found, unreached, built)).collect();
        return Err(DeviceError::GpuRequired { reasons });
    }
    let reasons = reasons(choice, index, found).chain(unreached).collect();
    Ok(Decision { index, reasons })
}

/// The preferred one of those that `accept` takes; the first of equals.
fn best(found: &[FoundDevice], accept: impl Fn(FoundKind) -> bool) -> Option<usize> {
    let accepted = (0..found.len()).filter(|&index| accept(found[index].kind));
    accepted.min_by_key(|&index| found[index].kind.rank().unwrap_or(u8::MAX))
}

fn named(
    found: &[FoundDevice],
    choice: &DeviceChoice,
    index: Option<usize>,
    accept: impl Fn(FoundKind) -> bool,
) -> Option<usize> {
    match index {
        None => best(found, accept),
        Some(_) => found.iter().position(|device| accept(device.kind) && device.name == choice.to_string()),
    }
}

fn check_built(built: bool, runtime: &'static str, command: &'static str) -> Result<(), DeviceError> {
    if built { Ok(()) } else { Err(DeviceError::NotBuilt { runtime, command }) }
}

fn names(found: &[FoundDevice]) -> String {
    found.iter().map(|device| format!("{} ({})", device.name, device.description)).collect::<Vec<_>>().join(", ")
}

/// Why each found device other than the chosen one was not taken.
fn reasons(choice: &DeviceChoice, chosen: usize, found: &[FoundDevice]) -> impl Iterator<Item = String> {
    let explicit = *choice != DeviceChoice::Auto;
    let winner = found[chosen].name.clone();
    let others = found.iter().enumerate().filter(move |&(index, _)| index != chosen);
    others.map(move |(_, device)| {
        let why = match device.kind {
            _ if explicit => format!("--device {winner} was asked for"),
            FoundKind::Software => "a software adapter computes on the CPU, slower than the CPU path".into(),
            FoundKind::Other => "it does not say what it is".into(),
            _ => format!("{winner} is preferred"),
        };
        let how = if explicit { String::new() } else { format!("; take it with --device {}", device.name) };
        format!("{} ({}): {why}{how}", device.name, device.description)
    })
}

/// The cards that the operating system sees and no compiled-in runtime reaches, with what would reach them.
fn unreached(found: &[FoundDevice], gpus: &[SystemGpu], built: Built) -> Vec<String> {
    let reached = found.iter().any(|device| device.kind.is_gpu());
    let mut reasons = Vec::new();
    if gpus.is_empty() && found.len() == 1 {
        reasons.push("no GPU is visible to the operating system".into());
    }
    for gpu in gpus {
        if !reached && !built.wgpu && !built.cuda {
            let how = format!("build for it with `{BUILD_WGPU}`");
            reasons.push(format!("{gpu} is present, but this build is for the CPU only; {how}"));
        } else if !reached {
            reasons.push(format!(
                "{gpu} is present, but no driver for computing on it was found; {}",
                gpu.driver_advice()
            ));
        }
    }
    if !built.cuda && gpus.iter().any(SystemGpu::is_nvidia) {
        reasons.push(format!("cuda is not in this build; on NVIDIA it is the faster runtime: `{BUILD_CUDA}`"));
    }
    reasons
}

/// What to do when a GPU is required and none was chosen.
fn gpu_advice(found: &[FoundDevice], unreached: Vec<String>, built: Built) -> Vec<String> {
    let mut advice: Vec<String> = found
        .iter()
        .filter(|device| device.kind == FoundKind::Software)
        .map(|device| format!("{} ({}) is a software adapter", device.name, device.description))
        .collect();
    advice.extend(unreached);
    if !built.wgpu && !built.cuda {
        advice.push(format!("this build is for the CPU only; build with `{BUILD_WGPU}`"));
    }
    advice.push("install the card's driver, or leave --require-gpu out".into());
    advice
}

#[cfg(test)]
mod tests;
