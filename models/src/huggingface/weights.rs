//! Flat vector to safetensors files and back.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorView, View};
use safetensors::{SafeTensors, serialize_to_file};

use super::{CheckpointError, damaged, read_error, write_error};
use crate::files::read_bounded;
use crate::layout::{Layout, TensorSpec};

/// Largest header that a file may have, before its tensors: ten times that of a model of a thousand layers.
pub(super) const HEADER_BYTES_MAX: u64 = 16 << 20;

/// A tensor of the flat vector, turned into bytes when it is written.
struct FlatView<'a> {
    spec: &'a TensorSpec,
    values: &'a [f32],
}

impl View for FlatView<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.spec.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    fn data_len(&self) -> usize {
        4 * self.values.len()
    }
}

/// Writes some tensors of the flat vector as one file and waits until it is on the disk.
pub(super) fn write(path: &Path, tensors: &[TensorSpec], flat: &[f32]) -> Result<(), CheckpointError> {
    let views = tensors.iter().map(|spec| (spec.name.as_str(), FlatView { spec, values: &flat[spec.range()] }));
    // transformers refuses files that do not say which framework's layout they have.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    serialize_to_file(views, Some(metadata), path)
        .map_err(|error| write_error(path)(std::io::Error::other(error.to_string())))?;
    let file = OpenOptions::new().write(true).open(path).map_err(write_error(path))?;
    file.sync_all().map_err(write_error(path))
}

/// Fills the flat vector from files.
pub(super) struct Loader<'a> {
    /// Tensors that are still to come.
    missing: BTreeMap<&'a str, &'a TensorSpec>,
    known: BTreeMap<&'a str, &'a TensorSpec>,
    flat: Vec<f32>,
    /// Whether the head is the embedding, so that a file's copy of it is not read.
    tied: bool,
}

impl<'a> Loader<'a> {
    pub(super) fn new(layout: &'a Layout, tied: bool) -> Self {
        let known: BTreeMap<_, _> = layout.tensors.iter().map(|spec| (spec.name.as_str(), spec)).collect();
        Self { missing: known.clone(), known, flat: vec![0.0; layout.elements], tied }
    }

    /// Reads one file's tensors.
    pub(super) fn read(&mut self, path: &Path) -> Result<(), CheckpointError> {
        let bytes = self.bytes(path)?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| damaged(path, error))?;
        for (name, view) in file.iter() {
            if !self.is_left_out(name) {
                self.tensor(path, name, &view)?;
            }
        }
        Ok(())
    }

    /// The vector, once every tensor has come.
    pub(super) fn finish(self, directory: &Path) -> Result<Vec<f32>, CheckpointError> {
        match self.missing.keys().next() {
            None => Ok(self.flat),
            Some(&name) => Err(CheckpointError::MissingTensor { path: directory.to_owned(), name: name.to_owned() }),
        }
    }

    /// A file's bytes, refused before they are read where it is longer than all tensors can be.
    fn bytes(&self, path: &Path) -> Result<Vec<u8>, CheckpointError> {
        let head = self.known.get("model.embed_tokens.weight").map_or(0, |spec| spec.elements());
        let bytes_max = 4 * (self.flat.len() + head) as u64 + HEADER_BYTES_MAX;
        let length = File::open(path).and_then(|file| file.metadata()).map_err(read_error(path))?.len();
        if length > bytes_max {
            return Err(damaged(path, format!("its {length} bytes exceed the {bytes_max} that this model can have")));
        }
        read_bounded(path, bytes_max).map_err(read_error(path))
    }

    /// The embedding's copy as a head, and tables that older exports carried along.
    fn is_left_out(&self, name: &str) -> bool {
        (self.tied && name == "lm_head.weight") || name.ends_with("rotary_emb.inv_freq")
    }

    fn tensor(&mut self, path: &Path, name: &str, view: &TensorView<'_>) -> Result<(), CheckpointError> {
        let (path_owned, name_owned) = (|| path.to_owned(), || name.to_owned());
        let Some(&spec) = self.known.get(name) else {
            return Err(CheckpointError::UnexpectedTensor { path: path_owned(), name: name_owned() });
        };
        if self.missing.remove(name).is_none() {
            return Err(CheckpointError::RepeatedTensor { path: path_owned(), name: name_owned() });
        }
        if view.shape() != spec.shape {
            let (found, expected) = (view.shape().to_vec(), spec.shape.clone());
            return Err(CheckpointError::Shape { path: path_owned(), name: name_owned(), found, expected });
        }
        convert(view, &mut self.flat[spec.range()]).map_err(|found| CheckpointError::Numbers {
            path: path_owned(),
            name: name_owned(),
            found,
        })
    }
}

/// Converts a tensor's bytes; safetensors has checked that there are as many as its shape says.
fn convert(view: &TensorView<'_>, values: &mut [f32]) -> Result<(), String> {
    match view.dtype() {
        Dtype::F32 => fill(values, view.data().as_chunks().0, f32::from_le_bytes),
        Dtype::BF16 => fill(values, view.data().as_chunks().0, |bytes| bf16::from_le_bytes(bytes).to_f32()),
        Dtype::F16 => fill(values, view.data().as_chunks().0, |bytes| f16::from_le_bytes(bytes).to_f32()),
        other => return Err(format!("{other:?}")),
    }
    Ok(())
}

fn fill<const N: usize>(values: &mut [f32], chunks: &[[u8; N]], convert: impl Fn([u8; N]) -> f32) {
    for (value, &bytes) in values.iter_mut().zip(chunks) {
        *value = convert(bytes);
    }
}
