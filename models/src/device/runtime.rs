//! The devices that compiled-in runtimes reach, and opening one.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::Tensor;
use burn::tensor::Device;

use super::{ComputeDevice, DeviceChoice, FoundDevice, FoundKind};

/// A device that can be opened.
pub(super) struct Candidate {
    pub(super) found: FoundDevice,
    /// `None` for the CPU path.
    device: Option<Device>,
}

impl Candidate {
    /// Opens the device and lets it compute a sum.
    pub(super) fn open(&self, threads: Option<usize>) -> Result<ComputeDevice, String> {
        let Some(device) = &self.device else {
            return Ok(ComputeDevice::cpu(threads));
        };
        // A runtime without its libraries panics at the first kernel instead of returning an error.
        catch_unwind(AssertUnwindSafe(|| self_test(device))).map_err(|_| "its runtime panicked".to_owned())??;
        Ok(ComputeDevice::Burn { device: device.clone(), description: self.description(device) })
    }

    fn description(&self, device: &Device) -> String {
        let maker = card_name(device).unwrap_or_else(|| self.found.description.clone());
        format!("{maker} ({})", self.found.name)
    }
}

/// Everything that this build reaches, the CPU first.
///
/// Where Linux shows no card (`gpu_visible`) and none is asked for by name, the runtimes are not started: no driver
/// works without a device file, and graphics libraries complain on the terminal of a machine without a screen.
pub(super) fn candidates(choice: &DeviceChoice, gpu_visible: bool) -> Vec<Candidate> {
    let cpu = match ComputeDevice::cpu(None) {
        ComputeDevice::Cpu { threads } => format!("{threads} cores, fused operations"),
        ComputeDevice::Burn { description, .. } => description,
    };
    let mut candidates = vec![Candidate {
        found: FoundDevice { name: "cpu".into(), description: cpu, kind: FoundKind::Cpu },
        device: None,
    }];
    let skip = match choice {
        DeviceChoice::Auto => cfg!(target_os = "linux") && !gpu_visible,
        DeviceChoice::Cpu => true,
        DeviceChoice::Wgpu(_) | DeviceChoice::Cuda(_) => false,
    };
    if !skip {
        candidates.extend(cuda_candidates());
        candidates.extend(wgpu_candidates());
    }
    candidates
}

fn self_test(device: &Device) -> Result<(), String> {
    let ones = Tensor::<1>::ones([4], device);
    let sum = (ones.clone() + ones).sum();
    let value: f32 = sum.try_into_scalar().map_err(|error| error.to_string())?;
    if value == 8.0 { Ok(()) } else { Err(format!("four times 1 + 1 gave {value}")) }
}

#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn card_name(device: &Device) -> Option<String> {
    device.identity().map(|identity| identity.name)
}

#[cfg(not(any(feature = "wgpu", feature = "cuda")))]
fn card_name(_device: &Device) -> Option<String> {
    None
}

#[cfg(feature = "cuda")]
fn cuda_candidates() -> Vec<Candidate> {
    use burn::tensor::DeviceType;
    let devices = Device::enumerate(DeviceType::Cuda).into_vec();
    let candidate = |(index, device)| Candidate {
        found: FoundDevice {
            name: format!("cuda:{index}"),
            description: "NVIDIA GPU through CUDA".into(),
            kind: FoundKind::Cuda,
        },
        device: Some(device),
    };
    devices.into_iter().enumerate().map(candidate).collect()
}

#[cfg(not(feature = "cuda"))]
fn cuda_candidates() -> Vec<Candidate> {
    Vec::new()
}

#[cfg(feature = "wgpu")]
fn wgpu_candidates() -> Vec<Candidate> {
    use burn::tensor::DeviceType;
    let devices = Device::enumerate(DeviceType::Wgpu).into_vec();
    devices.into_iter().enumerate().map(|(index, device)| wgpu_candidate(index, device)).collect()
}

#[cfg(not(feature = "wgpu"))]
fn wgpu_candidates() -> Vec<Candidate> {
    Vec::new()
}

#[cfg(feature = "wgpu")]
fn wgpu_candidate(index: usize, device: Device) -> Candidate {
    let kind = wgpu_kind(&device);
    let description = match kind {
        FoundKind::Discrete => "discrete GPU through wgpu",
        FoundKind::Integrated => "integrated GPU through wgpu",
        FoundKind::Virtual => "virtual GPU through wgpu",
        FoundKind::Software => "software adapter through wgpu",
        _ => "adapter of unknown kind through wgpu",
    };
    let found = FoundDevice { name: format!("wgpu:{index}"), description: description.into(), kind };
    Candidate { found, device: Some(device) }
}

/// Devices compare by hardware, so the kind is found by naming each one that could be meant.
#[cfg(feature = "wgpu")]
fn wgpu_kind(device: &Device) -> FoundKind {
    use burn::tensor::DeviceKind;
    /// Adapters of one kind that are told apart.
    const ADAPTERS_MAX: usize = 64;
    if *device == Device::wgpu(DeviceKind::Cpu) {
        return FoundKind::Software;
    }
    let is = |kind: fn(usize) -> DeviceKind| (0..ADAPTERS_MAX).any(|index| *device == Device::wgpu(kind(index)));
    if is(DeviceKind::DiscreteGpu) {
        FoundKind::Discrete
    } else if is(DeviceKind::IntegratedGpu) {
        FoundKind::Integrated
    } else if is(DeviceKind::VirtualGpu) {
        FoundKind::Virtual
    } else {
        FoundKind::Other
    }
}
