//! The launches that make a body.

use burn::backend::DType;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::{Limits, argument, code_bits, cubes, like};
use crate::cube::dense::{self, Dense};
use crate::cube::input::Input;
use crate::cube::select::Sparse;
use crate::cube::sparse;
use crate::format::{Codec, chunks};
use crate::host::Rounding;
use crate::host::body::Form;

/// Units of a cube that compresses a sparse chunk at most: 16 values each.
const SPARSE_UNITS: u32 = 256;
/// Units of a cube that compresses half a dense chunk at most: a quarter of a block each.
const DENSE_UNITS: u32 = 128;

/// How vectors are held: 32 bits a value, or 16 and two of them a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cube) enum Precision {
    /// f32.
    Whole,
    /// bf16.
    Half,
}

/// What compressing needs besides its vectors.
#[derive(Clone, Copy, Debug)]
pub(in crate::cube) struct Compress {
    /// How the body is encoded.
    pub codec: Codec,
    /// How dense codes are rounded.
    pub rounding: Rounding,
    /// How the vectors are held.
    pub precision: Precision,
    /// Values of the vectors.
    pub elements: usize,
    /// The decay of the residual.
    pub beta: f32,
    /// What may be used of the device.
    pub limits: Limits,
}

impl Compress {
    /// Words of the body, then status words.
    pub(in crate::cube) fn words(&self) -> (usize, usize) {
        let count = chunks(self.elements);
        let status = if self.codec.is_sparse() { count } else { 2 * count };
        (count * self.codec.chunk_bytes() / 4, status)
    }
}

/// Body and status words of values as they are. [elements] → [words]
pub(in crate::cube) fn encode(values: CubeTensor, task: &Compress) -> CubeTensor {
    let values = into_contiguous(values);
    let unused = like(&values, 1, DType::U32);
    let input = Input { fused: false, halves: false };
    launch([&values, &values, &values], &unused, task, input)
}

/// Body and status words of β·e + (base − local), and what is left of it. 3 · [elements] → [words], [elements]
pub(in crate::cube) fn compress(
    residual: CubeTensor,
    base: CubeTensor,
    local: CubeTensor,
    task: &Compress,
) -> (CubeTensor, CubeTensor) {
    let (residual, base, local) = (into_contiguous(residual), into_contiguous(base), into_contiguous(local));
    let left = like(&residual, residual.meta.shape().num_elements(), residual.dtype);
    let input = Input { fused: true, halves: task.precision == Precision::Half };
    let words = launch([&residual, &base, &local], &left, task, input);
    (words, left)
}

fn launch(inputs: [&CubeTensor; 3], left: &CubeTensor, task: &Compress, input: Input) -> CubeTensor {
    let (words, status) = task.words();
    let output = like(inputs[0], words + status, DType::U32);
    let client = inputs[0].client.clone();
    let [values, base, local] = inputs.map(argument);
    let (rest, out) = (argument(left), argument(&output));
    let count = chunks(task.elements);
    let (beta, elements, number) = (task.beta, task.elements as u32, count as u32);
    match Form::of(task.codec) {
        Form::Sparse(shape) => {
            let units = task.limits.units(&client, SPARSE_UNITS);
            let planes = task.limits.planes(&client);
            let shape = Sparse { k: shape.k as u32, units, planes, input };
            let (cubes, dim) = (cubes(count), CubeDim::new_1d(units));
            sparse::compress_sparse::launch(
                &client, cubes, dim, values, base, local, rest, out, beta, elements, number, shape,
            );
        }
        Form::Dense(width) => {
            let units = task.limits.units(&client, DENSE_UNITS);
            let (scale_max, code_bits) = (u32::from(width.scale_max()), code_bits(width));
            let seed = match task.rounding {
                Rounding::Nearest => None,
                Rounding::Stochastic { seed } => Some(seed),
            };
            let (low, high) = (seed.unwrap_or(0) as u32, (seed.unwrap_or(0) >> 32) as u32);
            let shape = Dense { code_bits, scale_max, units, stochastic: seed.is_some(), input };
            let (cubes, dim) = (cubes(2 * count), CubeDim::new_1d(units));
            dense::compress_dense::launch(
                &client, cubes, dim, values, base, local, rest, out, beta, elements, number, low, high, shape,
            );
        }
        // The wrappers send codec `none` over the host.
        Form::Plain => {}
    }
    output
}
