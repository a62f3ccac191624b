//! The kernels on burn's tensors: shapes of their outputs and the launches.
//!
//! Invariants: an f32 tensor is bound as its bits, so no value changes on its way into a kernel; at most 65,535 cubes
//! lie along an axis; the units of a cube are what the device allows, at most [`UNITS_MAX`].

mod compress;
mod outer;
mod scan;

use burn::backend::{DType, Shape};
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::features::Plane;
use cubecl::prelude::*;

use crate::host::chunk::dense::Width;
pub(super) use compress::{Compress, Precision, compress, encode};
pub(super) use outer::{Aggregate, apply, move_by};
pub(super) use scan::{Scan, scan, scan_span};

/// Units of a cube at most, what WebGPU guarantees.
const UNITS_MAX: u32 = 256;

/// What kernels may use of a device; by default all that it has. Results are the same under any limits: with these, a
/// test walks the paths that its machine would not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Units of a cube at most, from 64 on; WebGPU guarantees 256.
    pub units: u32,
    /// Bytes of shared memory of a cube at most, from WebGPU's 16 KiB on.
    pub shared_bytes: usize,
    /// Whether units of a plane may add up in registers.
    pub planes: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { units: UNITS_MAX, shared_bytes: usize::MAX, planes: true }
    }
}

impl Limits {
    /// Units of a cube: a power of two that the device allows.
    fn units(self, client: &Client, wanted: u32) -> u32 {
        let allowed = client.properties().hardware.max_units_per_cube.min(self.units).clamp(1, wanted);
        1 << allowed.ilog2()
    }

    /// Whether so much shared memory is there for a cube.
    fn hold(self, client: &Client, bytes: usize) -> bool {
        bytes <= client.properties().hardware.max_shared_memory_size.min(self.shared_bytes)
    }

    /// Whether units of a plane can add up in registers.
    fn planes(self, client: &Client) -> bool {
        self.planes && client.properties().features.plane.contains(Plane::Ops)
    }
}

/// Cubes along an axis at most, what WebGPU guarantees.
const CUBES_MAX: usize = 65_535;

fn code_bits(width: Width) -> u32 {
    match width {
        Width::Eight => 8,
        Width::Four => 4,
    }
}

/// An empty contiguous vector on the device of `tensor`.
fn like(tensor: &CubeTensor, elements: usize, dtype: DType) -> CubeTensor {
    let (client, device) = (tensor.client.clone(), tensor.device.clone());
    empty_device_contiguous_dtype(client, device, Shape::new([elements]), dtype)
}

/// The tensor's buffer as 32-bit words; two values a word of 16 bits each.
fn argument(tensor: &CubeTensor) -> BufferArg {
    let words = (tensor.meta.shape().num_elements() * tensor.dtype.size()).div_ceil(4);
    // SAFETY: contiguous, so the buffer holds exactly that many words: allocations end at a multiple of four bytes.
    unsafe { BufferArg::from_raw_parts(tensor.handle.clone(), words) }
}

/// So many cubes, in rows of at most [`CUBES_MAX`].
fn cubes(count: usize) -> CubeCount {
    let row = count.clamp(1, CUBES_MAX);
    CubeCount::Static(row as u32, count.div_ceil(row) as u32, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_cubes_hold_them_all_within_the_limit() {
        for count in [1, 2, CUBES_MAX - 1, CUBES_MAX, CUBES_MAX + 1, 3 * CUBES_MAX + 5] {
            let CubeCount::Static(x, y, z) = cubes(count) else { panic!("a static count") };
            assert!(x as usize <= CUBES_MAX && y as usize <= CUBES_MAX && z == 1);
            assert!(x as usize * y as usize >= count);
        }
    }
}
