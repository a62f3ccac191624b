//! How fast this machine runs the kernels on the host, beside its own copy in the same process.
//!
//! Invariants: nothing is timed whose result was not compared with [`crate::reference`] first; the vectors are slices
//! of more memory than caches hold, taken in turn; a row's copy is the fastest of three, of vectors of the same length.

mod arena;
mod cases;
pub mod device;
mod index_work;

use crate::format::Codec;
pub use arena::{Arena, Slices};
pub use cases::Case;

/// Summands of the aggregates and members of the scans that are timed.
pub const SUMMANDS: [usize; 2] = [8, 20];

/// Elements whose results are compared with the reference, which is slow: chunks are independent, so some stand for
/// all.
pub(crate) const CHECKED_ELEMENTS: usize = 1 << 16;
/// The residual's decay in what is timed.
pub(crate) const BETA: f32 = 0.95;

/// What is timed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Lengths of the vectors.
    pub elements: Vec<usize>,
    /// Timed runs of each row, after one that warms up.
    pub samples: usize,
    /// Bytes that each of four vectors is taken from in turn: several times the last cache together.
    pub arena_bytes: usize,
    /// Bytes that the bodies of a row may take; a row that needs more is left out.
    pub body_bytes_max: usize,
}

/// One kernel on vectors of one length.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What ran: `copy`, `compress`, `apply8`, `scan8`, `hash`, ….
    pub kernel: String,
    /// Of which codec, where it is of one.
    pub codec: Option<Codec>,
    /// Threads of the pool.
    pub threads: usize,
    /// Length of a vector.
    pub elements: usize,
    /// Bytes of the f32 vectors that the kernel is for, each counted once: 4 · elements for an encoding.
    pub logical_bytes: u64,
    /// Bytes that must cross the memory bus at least: what is read and what is written.
    pub moved_bytes: u64,
    /// Median time.
    pub median_ns: u64,
    /// Distance between the quartiles in parts of the median.
    pub spread: f64,
    /// The kernel's rate of moved bytes in parts of the copy's.
    pub copy_fraction: f64,
}

/// Why nothing was timed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BenchError {
    /// A length without elements, or no runs.
    #[error("vectors need elements and rows need samples")]
    Nothing,
    /// A kernel's result is not the reference's.
    #[error("{kernel} of {codec} differs from the reference: it is wrong, and was not timed")]
    Wrong { kernel: &'static str, codec: Codec },
    /// The device failed.
    #[error("the device failed: {reason}")]
    Device {
        /// In its words.
        reason: String,
    },
    /// A device was named, and this build has no kernels for one.
    #[error("this build has no device but the CPU")]
    NoDevice,
}

/// Times every kernel on vectors of every length and hands over each row as it is done. `more` gives kernels that live
/// elsewhere, for vectors of an arena.
///
/// # Errors
/// [`BenchError`] before anything wrong is timed.
pub fn run(
    options: &Options,
    mut done: impl FnMut(Row),
    mut more: impl FnMut(&Arena) -> Vec<Case>,
) -> Result<(), BenchError> {
    if options.samples == 0 || options.elements.contains(&0) {
        return Err(BenchError::Nothing);
    }
    for &elements in &options.elements {
        let mut arena = Arena::new(elements, options);
        done(arena.copy());
        for mut case in more(&arena) {
            done(arena.row(&mut case));
        }
        each_case(&mut arena, options, |arena, mut case| done(arena.row(&mut case)))?;
    }
    Ok(())
}

/// Prepares one kernel after the other for vectors of an arena; each is dropped before the next is made.
///
/// # Errors
/// [`BenchError::Wrong`] for a kernel that is wrong.
pub fn each_case(
    arena: &mut Arena,
    options: &Options,
    mut visit: impl FnMut(&mut Arena, Case),
) -> Result<(), BenchError> {
    let case = cases::hash(arena);
    visit(arena, case);
    for codec in Codec::ALL {
        for prepare in [cases::encode, cases::compress] {
            let case = prepare(arena, codec)?;
            visit(arena, case);
        }
        for case in cases::pack_indices(arena, codec) {
            visit(arena, case);
        }
        let fits = |summands: &usize| summands * codec.body_bytes(arena.elements()) <= options.body_bytes_max;
        for summands in SUMMANDS.iter().copied().filter(fits).collect::<Vec<_>>() {
            let bodies = cases::new_bodies(codec, summands, arena.elements());
            for prepare in [cases::mean, cases::apply, cases::scan] {
                let case = prepare(arena, codec, &bodies)?;
                visit(arena, case);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(elements: &[usize]) -> Options {
        Options { elements: elements.to_vec(), samples: 3, arena_bytes: 1 << 16, body_bytes_max: 200_000 }
    }

    #[test]
    fn every_kernel_of_every_codec_has_a_row_beside_the_copy() {
        let mut rows = Vec::new();
        let more = |arena: &Arena| vec![Case::new("more", None, arena.bytes(), |_| ())];
        run(&options(&[5000, 64]), |row| rows.push(row), more).unwrap();
        // Twenty bodies of `none` for 5000 elements are more than the bound.
        let (each, sparse) = (2 + 3 * SUMMANDS.len(), 2);
        assert_eq!(rows.len(), 2 * (3 + each * Codec::ALL.len() + 4 * sparse) - 3);
        assert_eq!((rows[0].kernel.as_str(), rows[0].copy_fraction), ("copy", 1.0));
        assert!(rows.iter().all(|row| row.median_ns > 0 && row.copy_fraction > 0.0 && row.spread >= 0.0), "{rows:?}");
        assert_eq!((rows[3].kernel.as_str(), rows[3].logical_bytes), ("encode", 20_000));
    }

    #[test]
    fn nothing_to_time_is_an_error() {
        let nothing = |options: &Options| run(options, |_| (), |_| Vec::new());
        assert_eq!(nothing(&options(&[0])), Err(BenchError::Nothing));
        assert_eq!(nothing(&Options { samples: 0, ..options(&[1]) }), Err(BenchError::Nothing));
    }
}
