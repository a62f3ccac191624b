//! Any safetensors file as one flat vector, and back.
//!
//! Invariant: a file's own order is that of its tensors' names, so whoever reads it comes to the same vector.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use safetensors::SafeTensors;

use super::weights::{self, HEADER_BYTES_MAX, Loader};
use super::{CheckpointError, damaged, read_error};
use crate::layout::Layout;

/// Bytes before a file's header: its length.
const LENGTH_BYTES: u64 = 8;

/// The layout of a safetensors file: its tensors in the order of their names.
///
/// # Errors
/// A file that cannot be read or is none; one without a value.
pub fn file_layout(path: &Path) -> Result<Layout, CheckpointError> {
    let mut head = Vec::new();
    let file = File::open(path).map_err(read_error(path))?;
    file.take(LENGTH_BYTES + HEADER_BYTES_MAX).read_to_end(&mut head).map_err(read_error(path))?;
    let (_, metadata) = SafeTensors::read_metadata(&head).map_err(|error| damaged(path, error))?;
    let mut tensors: Vec<_> = metadata.tensors().into_iter().collect();
    tensors.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
    let layout = Layout::from_tensors(tensors.into_iter().map(|(name, info)| (name, info.shape.clone())));
    layout.filter(|layout| layout.elements > 0).ok_or_else(|| damaged(path, "it holds no values"))
}

/// The values of a safetensors file in the order of `layout`, which must name all of its tensors. [elements]
///
/// # Errors
/// A file that cannot be read, or holds other tensors, shapes or numbers than f32, f16 and bf16.
pub fn read_file(path: &Path, layout: &Layout) -> Result<Vec<f32>, CheckpointError> {
    let mut loader = Loader::new(layout, false);
    loader.read(path)?;
    loader.finish(path)
}

/// Writes `flat` as one safetensors file of f32, and waits until it is on the disk. [elements]
///
/// # Errors
/// A file that cannot be written.
pub fn write_file(path: &Path, layout: &Layout, flat: &[f32]) -> Result<(), CheckpointError> {
    weights::write(path, &layout.tensors, flat)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_comes_back_in_the_order_of_names() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("delta.safetensors");
        let tensors = [("b", vec![2]), ("a", vec![2, 2]), ("c", vec![])];
        let written = Layout::from_tensors(tensors.map(|(name, shape)| (name.to_owned(), shape))).unwrap();
        write_file(&path, &written, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]).unwrap();
        let layout = file_layout(&path).unwrap();
        let names: Vec<_> = layout.tensors.iter().map(|spec| (spec.name.as_str(), spec.shape.clone())).collect();
        assert_eq!(names, [("a", vec![2, 2]), ("b", vec![2]), ("c", vec![])]);
        assert_eq!(read_file(&path, &layout).unwrap(), [3.0, 4.0, 5.0, 6.0, 1.0, 2.0, 7.0]);
        assert_eq!(read_file(&path, &written).unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    }

    #[test]
    fn a_file_that_is_none_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("not.safetensors");
        for bytes in [&b""[..], b"text", &[0xff; 64], b"\x02\0\0\0\0\0\0\0{}"] {
            std::fs::write(&path, bytes).unwrap();
            let error = file_layout(&path).unwrap_err().to_string();
            assert!(error.contains("not.safetensors"), "{error}");
        }
        assert!(file_layout(&directory.path().join("missing")).is_err());
    }

    #[test]
    fn shapes_that_no_machine_holds_are_no_layout() {
        assert!(Layout::from_tensors([("a".to_owned(), vec![usize::MAX, 2])]).is_none());
        assert!(Layout::from_tensors([("a".to_owned(), vec![usize::MAX]), ("b".to_owned(), vec![1])]).is_none());
    }
}
