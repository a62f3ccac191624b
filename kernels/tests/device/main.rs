//! The device path against the scalar reference, on the best adapter that this machine has; a software Vulkan driver
//! will do. Without any adapter these tests fail: a kernel that is never run proves nothing.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod bench;
#[path = "../shared/cases.rs"]
mod cases;
mod codecs;
mod compressor;
mod limits;
mod outer;
mod rounding;
mod scan;

use std::sync::OnceLock;

use burn::tensor::wgpu::WgpuBackend;
use burn::tensor::{Device, Tensor};

/// The adapter under test, over Vulkan where there is one.
pub(crate) fn device() -> Device {
    static DEVICE: OnceLock<Result<Device, String>> = OnceLock::new();
    let found = DEVICE.get_or_init(|| {
        let vulkan = Device::wgpu_options().graphics_api(WgpuBackend::Vulkan).init();
        let any = vulkan.or_else(|_| Device::wgpu_options().init());
        any.map_err(|error| error.to_string())
    });
    match found {
        Ok(device) => device.clone(),
        Err(error) => panic!(
            "no adapter for wgpu: {error}\nOn a machine without a GPU a software driver will do: \
             apt-get install mesa-vulkan-drivers libvulkan1"
        ),
    }
}

pub(crate) fn upload(values: &[f32]) -> Tensor<1> {
    kernels::cube::upload(values.to_vec(), &device())
}

pub(crate) fn download(tensor: Tensor<1>) -> Vec<f32> {
    kernels::cube::read_floats(tensor).unwrap()
}

/// Equal bit for bit, −0 and all.
pub(crate) fn assert_same(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let different = (0..found.len()).find(|&i| found[i].to_bits() != expected[i].to_bits());
    if let Some(i) = different {
        panic!("{what}: element {i} is {:e}, not {:e}", found[i], expected[i]);
    }
}
