//! The launches that read bodies into a vector.

use burn::backend::DType;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::{Limits, UNITS_MAX, argument, code_bits, cubes, like};
use crate::cube::outer::{self, Sums};
use crate::cube::residual;
use crate::format::{CHUNK, Codec, chunks};
use crate::host::body::Form;

/// What an aggregate needs besides the state.
#[derive(Clone, Copy, Debug)]
pub(in crate::cube) struct Aggregate {
    /// How the bodies are encoded.
    pub codec: Codec,
    /// How many bodies there are.
    pub summands: usize,
    /// M, the least divisor of a sparse sum.
    pub divisor_min: u32,
    /// Σ of the weights, the divisor of a dense one.
    pub weight_sum: u32,
    /// What may be used of the device.
    pub limits: Limits,
}

/// The next state; the status, all ones before, brought down to the lowest fault. [elements], [1] → [elements], [1]
pub(in crate::cube) fn apply(
    theta: CubeTensor,
    bodies: CubeTensor,
    factors: CubeTensor,
    status: CubeTensor,
    aggregate: &Aggregate,
) -> (CubeTensor, CubeTensor) {
    let (theta, bodies, factors) = (into_contiguous(theta), into_contiguous(bodies), into_contiguous(factors));
    let elements = theta.meta.shape().num_elements();
    let next = like(&theta, elements, DType::F32);
    let client = theta.client.clone();
    let (own, bodies, factors) = (argument(&theta), argument(&bodies), argument(&factors));
    let (out, faults) = (argument(&next), argument(&status));
    let (number, summands) = (chunks(elements) as u32, aggregate.summands as u32);
    let units = aggregate.limits.units(&client, UNITS_MAX);
    let dim = CubeDim::new_1d(units);
    match Form::of(aggregate.codec) {
        Form::Sparse(shape) => {
            let whole = Sums { k: shape.k as u32, span: CHUNK as u32, units };
            // A cube for a chunk where shared memory holds its sums, else for half of one.
            let half = Sums { span: whole.span / 2, ..whole };
            let shape = if aggregate.limits.hold(&client, whole.bytes()) { whole } else { half };
            let cubes = cubes(elements.div_ceil(shape.span as usize));
            let (least, elements) = (aggregate.divisor_min, elements as u32);
            outer::apply_sparse::launch(
                &client, cubes, dim, own, bodies, factors, out, faults, elements, number, summands, least, shape,
            );
        }
        Form::Dense(width) => {
            let cubes = cubes(elements.div_ceil(4).div_ceil(units as usize));
            let (sum, bits, elements) = (aggregate.weight_sum, code_bits(width), elements as u32);
            outer::apply_dense::launch(
                &client, cubes, dim, own, bodies, factors, out, faults, elements, number, summands, sum, bits,
            );
        }
        Form::Plain => {}
    }
    (next, status)
}

/// e − v, or e + v. [elements] → [elements]
pub(in crate::cube) fn move_by(values: CubeTensor, body: CubeTensor, codec: Codec, add: bool) -> CubeTensor {
    let (values, body) = (owned(into_contiguous(values)), into_contiguous(body));
    let elements = values.meta.shape().num_elements();
    let client = values.client.clone();
    let units = Limits::default().units(&client, UNITS_MAX);
    let dim = CubeDim::new_1d(units);
    let (own, body, number) = (argument(&values), argument(&body), chunks(elements));
    match Form::of(codec) {
        Form::Sparse(shape) => {
            let cubes = cubes((2 * shape.k * number).div_ceil(units as usize));
            let (k, number, elements) = (shape.k as u32, number as u32, elements as u32);
            residual::move_sparse::launch(&client, cubes, dim, own, body, elements, number, k, add);
        }
        Form::Dense(width) => {
            let cubes = cubes(elements.div_ceil(4).div_ceil(units as usize));
            residual::move_dense::launch(&client, cubes, dim, own, body, elements as u32, code_bits(width), add);
        }
        Form::Plain => {}
    }
    values
}

/// The tensor itself where no one else holds its buffer, or a copy, made as words so that no float operation touches
/// it.
fn owned(tensor: CubeTensor) -> CubeTensor {
    if tensor.can_mut() {
        return tensor;
    }
    let dtype = tensor.dtype;
    let mut copy = CubeTensor { dtype: DType::U32, ..tensor }.copy();
    copy.dtype = dtype;
    copy
}
