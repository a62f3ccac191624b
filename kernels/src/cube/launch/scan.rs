//! The launch that scoring's integers come from.

use burn::backend::DType;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::{Limits, UNITS_MAX, argument, code_bits, cubes, like};
use crate::cube::outer::Sums;
use crate::cube::scan;
use crate::format::{BLOCKS, CHUNK, Codec, chunks};
use crate::host::body::Form;
use crate::host::chunk::dense::Width;

/// What a scan needs besides bodies and clips.
#[derive(Clone, Copy, Debug)]
pub(in crate::cube) struct Scan {
    /// How the bodies are encoded.
    pub codec: Codec,
    /// Elements that the bodies stand for.
    pub elements: usize,
    /// How many bodies there are.
    pub members: usize,
    /// Elements that a result is for.
    pub span: usize,
    /// What may be used of the device.
    pub limits: Limits,
}

impl Scan {
    /// Words of a result: P and Q of each member, S, the exponent.
    pub(in crate::cube) fn part_words(&self) -> usize {
        4 * self.members + scan::REST as usize
    }

    /// Words of the results of a chunk.
    pub(in crate::cube) fn chunk_words(&self) -> usize {
        CHUNK / self.span * self.part_words()
    }

    /// Words of all results.
    pub(in crate::cube) fn words(&self) -> usize {
        chunks(self.elements) * self.chunk_words()
    }

    /// What a result's exponent exceeds E by.
    pub(in crate::cube) fn bias(&self) -> i32 {
        match Form::of(self.codec) {
            Form::Dense(Width::Eight) => 119,
            Form::Dense(Width::Four) => 123,
            Form::Sparse(_) | Form::Plain => 126,
        }
    }
}

/// Elements that a result is for: a block of a dense codec; of a sparse one a chunk where shared memory holds its sums,
/// else half of one.
pub(in crate::cube) fn scan_span(client: &Client, codec: Codec, limits: Limits) -> usize {
    let Form::Sparse(shape) = Form::of(codec) else {
        return CHUNK / BLOCKS;
    };
    let whole = Sums { k: shape.k as u32, span: CHUNK as u32, units: UNITS_MAX };
    if limits.hold(client, whole.scan_bytes()) { CHUNK } else { CHUNK / 2 }
}

/// The integers of every part of every chunk. [members · words], [members · 2] → [words]
pub(in crate::cube) fn scan(bodies: CubeTensor, factors: CubeTensor, task: &Scan) -> CubeTensor {
    let (bodies, factors) = (into_contiguous(bodies), into_contiguous(factors));
    let output = like(&bodies, task.words(), DType::U32);
    let client = bodies.client.clone();
    let (bodies, factors, out) = (argument(&bodies), argument(&factors), argument(&output));
    let (number, members) = (chunks(task.elements), task.members as u32);
    let units = task.limits.units(&client, UNITS_MAX);
    let dim = CubeDim::new_1d(units);
    match Form::of(task.codec) {
        Form::Sparse(shape) => {
            let cubes = cubes(number * CHUNK / task.span);
            let (elements, number) = (task.elements as u32, number as u32);
            let shape = Sums { k: shape.k as u32, span: task.span as u32, units };
            scan::scan_sparse::launch(&client, cubes, dim, bodies, factors, out, elements, number, members, shape);
        }
        Form::Dense(width) => {
            let cubes = cubes(number * BLOCKS / scan::dense::BLOCKS as usize);
            let (number, bits) = (number as u32, code_bits(width));
            scan::dense::scan_dense::launch(&client, cubes, dim, bodies, factors, out, number, members, bits, units);
        }
        Form::Plain => {}
    }
    output
}
