//! The kernels on burn's tensors: shapes of their outputs and the launches.
//!
//! Invariants: an f32 tensor is bound as its bits, so no float ever enters a kernel; at most 65,535 cubes lie along an axis;
//! the units of a cube are what the device allows, at most [`UNITS_MAX`].

mod compress;

use burn::backend::{DType, Shape};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::features::Plane;
use cubecl::prelude::*;

use super::{outer, residual};
use crate::Codec;
use crate::body::Form;
use crate::chunk::dense::Width;
use crate::codec::chunks;
pub(super) use compress::{Compress, Precision, compress, encode};

/// Units of a cube at most, what WebGPU guarantees.
const UNITS_MAX: u32 = 256;

/// Cubes along an axis at most, what WebGPU guarantees.
const CUBES_MAX: usize = 65_535;

/// Elements of a segment, the work of one cube that applies.
pub(super) const SEGMENT: usize = 1024;

/// Segments of so many elements.
pub(super) fn segments(elements: usize) -> usize {
    elements.div_ceil(SEGMENT)
}

/// What an aggregate needs besides the state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aggregate {
    /// How the bodies are encoded.
    pub codec: Codec,
    /// How many bodies there are.
    pub terms: usize,
    /// M, the least divisor of a sparse sum.
    pub divisor_min: u32,
    /// Σ of the weights, the divisor of a dense one.
    pub weight_sum: u32,
}

/// The next state, and a status word a segment. [elements] → [elements], [segments]
pub(super) fn apply(
    theta: CubeTensor,
    bodies: CubeTensor,
    factors: CubeTensor,
    aggregate: &Aggregate,
) -> (CubeTensor, CubeTensor) {
    let (theta, bodies, factors) = (into_contiguous(theta), into_contiguous(bodies), into_contiguous(factors));
    let elements = theta.meta.shape().num_elements();
    let next = like(&theta, elements, DType::F32);
    let status = like(&theta, segments(elements), DType::U32);
    let units = units(&theta.client, 64);
    let (client, cubes, dim) = (theta.client.clone(), cubes(segments(elements)), CubeDim::new_1d(units));
    let (own, bodies, factors) = (argument(&theta), argument(&bodies), argument(&factors));
    let (out, faults) = (argument(&next), argument(&status));
    let (number, terms, elements) = (chunks(elements) as u32, aggregate.terms as u32, elements as u32);
    match Form::of(aggregate.codec) {
        Form::Sparse(shape) => {
            let (least, k) = (aggregate.divisor_min, shape.k as u32);
            outer::apply_sparse::launch(
                &client, cubes, dim, own, bodies, factors, out, faults, elements, number, terms, least, k, units,
            );
        }
        Form::Dense(width) => {
            let (sum, bits) = (aggregate.weight_sum, code_bits(width));
            outer::apply_dense::launch(
                &client, cubes, dim, own, bodies, factors, out, faults, elements, number, terms, sum, bits, units,
            );
        }
        Form::Plain => {}
    }
    (next, status)
}

/// e − v. [elements] → [elements]
pub(super) fn subtract(values: CubeTensor, body: CubeTensor, codec: Codec) -> CubeTensor {
    let (values, body) = (into_contiguous(values), into_contiguous(body));
    let elements = values.meta.shape().num_elements();
    let next = like(&values, elements, DType::F32);
    let units = units(&values.client, 64);
    let client = values.client.clone();
    let (own, body, out) = (argument(&values), argument(&body), argument(&next));
    let (number, elements) = (chunks(elements) as u32, elements as u32);
    match Form::of(codec) {
        Form::Sparse(shape) => {
            let (cubes, dim) = (cubes(segments(elements as usize)), CubeDim::new_1d(units));
            let k = shape.k as u32;
            residual::subtract_sparse::launch(&client, cubes, dim, own, body, out, elements, number, k, units);
        }
        Form::Dense(width) => {
            let (cubes, dim) = (cubes((elements as usize).div_ceil(units as usize)), CubeDim::new_1d(units));
            residual::subtract_dense::launch(&client, cubes, dim, own, body, out, elements, code_bits(width));
        }
        Form::Plain => {}
    }
    next
}

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

/// The tensor's buffer as 32-bit words.
fn argument(tensor: &CubeTensor) -> BufferArg {
    let words = tensor.meta.shape().num_elements();
    // SAFETY: contiguous tensors of 32-bit elements, so the buffer holds exactly that many words.
    unsafe { BufferArg::from_raw_parts(tensor.handle.clone(), words) }
}

/// Units of a cube: a power of two that the device allows.
fn units(client: &Client, wanted: u32) -> u32 {
    let allowed = client.properties().hardware.max_units_per_cube.clamp(1, wanted);
    1 << allowed.ilog2()
}

/// Whether units of a plane can add up in registers.
fn has_planes(client: &Client) -> bool {
    client.properties().features.plane.contains(Plane::Ops)
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
