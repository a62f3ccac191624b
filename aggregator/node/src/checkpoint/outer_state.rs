//! `outer_state.safetensors`: the outer optimiser's buffers `m` and `v` and its step; without buffers a file without
//! tensors, so that every checkpoint has the same set of files.

use std::collections::HashMap;
use std::path::Path;

use disk::FileError;
use models::OptimizerState;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use super::CheckpointError;
use crate::state::{State, floats};

const STEP_KEY: &str = "step";
/// Room for the header beside the two buffers.
const HEADER_BYTES_MAX: u64 = 1 << 20;

/// Writes the buffers of a state.
pub(super) fn write(path: &Path, state: &State) -> Result<(), FileError> {
    let refuse = |message: String| FileError::Encode { path: path.to_path_buf(), message };
    let step = state.moments.as_ref().map_or(0, |moments| moments.step);
    let metadata = HashMap::from([(STEP_KEY.to_owned(), step.to_string())]);
    let buffers: Vec<(&str, Vec<u8>)> = state
        .moments
        .iter()
        .flat_map(|moments| [("m", &moments.m), ("v", &moments.v)])
        .map(|(name, values)| (name, values.iter().flat_map(|value| value.to_le_bytes()).collect()))
        .collect();
    let mut views = Vec::new();
    for (name, bytes) in &buffers {
        let view = TensorView::new(Dtype::F32, vec![state.theta.len()], bytes).map_err(|e| refuse(e.to_string()))?;
        views.push((*name, view));
    }
    let bytes = serialize(views, Some(metadata)).map_err(|e| refuse(e.to_string()))?;
    disk::write_synced(path, &bytes)
}

/// Reads the buffers, when there are any.
pub(super) fn read(path: &Path, elements: usize) -> Result<Option<OptimizerState>, CheckpointError> {
    let refuse = |what: String| CheckpointError::Damaged { path: path.to_path_buf(), what };
    let bytes_max = HEADER_BYTES_MAX.saturating_add(8 * elements as u64);
    let bytes = disk::read_bounded(path, bytes_max)?;
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|e| refuse(e.to_string()))?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| refuse(e.to_string()))?;
    if tensors.is_empty() {
        return Ok(None);
    }
    let step = metadata.metadata().as_ref().and_then(|pairs| pairs.get(STEP_KEY)).and_then(|text| text.parse().ok());
    let step = step.ok_or_else(|| refuse("it names no step".to_owned()))?;
    let buffer = |name: &str| {
        let view = tensors.tensor(name).map_err(|e| refuse(e.to_string()))?;
        if view.dtype() != Dtype::F32 || view.shape() != [elements] {
            return Err(refuse(format!("{name} is {:?} {:?}, not F32 [{elements}]", view.dtype(), view.shape())));
        }
        Ok(floats(view.data()))
    };
    Ok(Some(OptimizerState { step, m: buffer("m")?, v: buffer("v")? }))
}
