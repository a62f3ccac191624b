//! Writing and reading the index fields alone, for the bench.
//!
//! Invariant: what was packed unpacks to the same indices, which is checked before anything is timed.

use rayon::prelude::*;

use crate::format::CHUNK;
use crate::host::body::CHUNKS_PER_TASK;
use crate::host::chunk::topk::{Entries, Shape, pack_indices};
use crate::host::rounding::threefry;

/// Indices of many chunks and their packed form.
pub(crate) struct IndexWork {
    shape: Shape,
    /// [chunks · k]
    indices: Vec<u16>,
    /// [chunks · bytes of a chunk]
    packed: Vec<u8>,
}

/// Random indices for so many chunks.
pub(crate) fn index_work(shape: Shape, chunks: usize) -> IndexWork {
    let of_chunk = |chunk: usize| {
        // One of each group of neighbours, so that they rise.
        let span = (CHUNK / shape.k) as u32;
        (0..shape.k as u32).map(move |entry| (entry * span + threefry([7, chunk as u32], [entry, 0])[0] % span) as u16)
    };
    let indices: Vec<u16> = (0..chunks).flat_map(of_chunk).collect();
    let packed = vec![0; chunks * (shape.magnitudes_at() + 4)];
    let mut work = IndexWork { shape, indices, packed };
    work.pack();
    let mut entries = Entries::new();
    let size = work.size();
    for (chunk, indices) in work.packed.chunks(size).zip(work.indices.chunks(shape.k)) {
        let read = entries.read(shape, chunk, CHUNK, 0);
        assert!(read.is_ok() && entries.coded().map(|(index, _)| index as u16).eq(indices.iter().copied()));
    }
    work
}

impl IndexWork {
    fn size(&self) -> usize {
        self.shape.magnitudes_at() + 4
    }

    /// Bytes of a chunk's indices as 16-bit numbers and packed.
    pub(crate) fn bytes_per_chunk(&self) -> usize {
        2 * self.shape.k + self.shape.index_bytes()
    }

    /// Writes the low and high fields of every chunk.
    pub(crate) fn pack(&mut self) {
        let (shape, size) = (self.shape, self.size());
        let chunks = self.packed.par_chunks_mut(size).zip(self.indices.par_chunks(shape.k));
        chunks.with_min_len(CHUNKS_PER_TASK).for_each(|(bytes, indices)| pack_indices(shape, indices, bytes));
    }

    /// Reads and proves the fields of every chunk.
    pub(crate) fn unpack(&self) {
        let (shape, size) = (self.shape, self.size());
        self.packed.par_chunks(size).with_min_len(CHUNKS_PER_TASK).for_each_init(Entries::new, |entries, bytes| {
            std::hint::black_box(entries.read(shape, bytes, CHUNK, 0).is_ok());
        });
    }
}
