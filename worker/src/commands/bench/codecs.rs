//! `bench codecs`: what each codec keeps of real pseudo-gradients, and what it takes to say so.
//!
//! Invariants: what is measured of a codec is measured on the values that its payload decodes to. The other splits of
//! a sparse codec, which would fit the same bytes, are computed here alone; nothing writes them, and with feedback the
//! residual is always that of the codec itself.

use std::path::Path;

use anyhow::Context;
use kernels::Codec;
use models::huggingface::tensors;
use serde::Serialize;

use crate::cli::BenchCodecsArgs;
use crate::commands::codec::FILE_BYTES_MAX;
use crate::output;
use crate::output::text::{bytes, count};

mod fidelity;
mod split;

use fidelity::Fidelity;
use split::Split;

/// How a payload file begins.
const PAYLOAD_MAGIC: &[u8] = b"CTGP";

/// One row of `bench codecs --json`.
#[derive(Debug, Serialize)]
struct Row<'a> {
    file: &'a str,
    /// The round of a payload; a file of tensors is of none.
    round: Option<u64>,
    /// β, when the residuals of the files before are part of the vector.
    feedback: Option<f32>,
    codec: &'static str,
    /// How the two magnitudes are chosen, where the codec has two.
    split: Option<Split>,
    elements: usize,
    payload_bytes: usize,
    bytes_per_parameter: f64,
    times_smaller_than_f32: f64,
    #[serde(flatten)]
    fidelity: Fidelity,
}

/// A vector and where it is from.
struct Vector {
    round: Option<u64>,
    values: Vec<f32>,
}

/// Encodes every file's vector with every codec and prints rows for each.
///
/// # Errors
/// A file that holds no vector; a lossy payload; a NaN or an infinity; with feedback, vectors of different lengths.
pub fn run(arguments: &BenchCodecsArgs) -> anyhow::Result<()> {
    let beta = arguments.feedback.then_some(arguments.beta);
    let mut residuals = vec![Vec::new(); Codec::ALL.len()];
    for path in &arguments.files {
        let file = path.display().to_string();
        let vector = read(path).with_context(|| file.clone())?;
        if !arguments.json {
            output::print(&heading(&file, &vector))?;
        }
        for (codec, residual) in Codec::ALL.into_iter().zip(&mut residuals) {
            let measured = measure(codec, &vector.values, beta, residual).with_context(|| file.clone())?;
            for (split, fidelity) in measured {
                let row = Row::new(&file, vector.round, beta, (codec, split), vector.values.len(), fidelity);
                if arguments.json { output::print_json(&row) } else { output::print(&row.text()) }?;
            }
        }
    }
    Ok(())
}

/// Encodes one vector, with the residual of the ones before where β is given, and leaves what was not said there.
fn measure(
    codec: Codec,
    delta: &[f32],
    beta: Option<f32>,
    residual: &mut Vec<f32>,
) -> anyhow::Result<Vec<(Option<Split>, Fidelity)>> {
    let Some(beta) = beta else {
        let body = kernels::encode(codec, delta)?;
        return Ok(fidelity::measure(codec, delta, &kernels::decode(codec, delta.len(), &body)?));
    };
    if residual.is_empty() {
        residual.resize(delta.len(), 0.0);
    }
    if residual.len() != delta.len() {
        anyhow::bail!(
            "{} values, where the files before have {}; feedback needs one worker's rounds",
            delta.len(),
            residual.len()
        );
    }
    kernels::accumulate(residual, delta, &vec![0.0; delta.len()], beta);
    let body = kernels::encode(codec, residual)?;
    let measured = fidelity::measure(codec, residual, &kernels::decode(codec, delta.len(), &body)?);
    kernels::subtract(codec, &body, residual)?;
    Ok(measured)
}

/// The vector of a payload that lost nothing, or of a file of tensors.
fn read(path: &Path) -> anyhow::Result<Vector> {
    if !begins_as_payload(path)? {
        let layout = tensors::file_layout(path)?;
        return Ok(Vector { round: None, values: tensors::read_file(path, &layout)? });
    }
    let file = disk::read_bounded(path, FILE_BYTES_MAX)?;
    let (header, body) = kernels::parse(&file)?;
    if header.codec != Codec::None {
        anyhow::bail!(
            "a payload of {} has lost what is to be measured; take one of a run with --codec none",
            header.codec
        );
    }
    let elements = usize::try_from(header.elements)?;
    Ok(Vector { round: Some(header.round), values: kernels::decode(header.codec, elements, body)? })
}

fn begins_as_payload(path: &Path) -> anyhow::Result<bool> {
    use std::io::Read;
    let mut head = Vec::new();
    let file = std::fs::File::open(path).context("cannot open the file")?;
    file.take(PAYLOAD_MAGIC.len() as u64).read_to_end(&mut head).context("cannot read the file")?;
    Ok(head == PAYLOAD_MAGIC)
}

fn heading(file: &str, vector: &Vector) -> String {
    let round = vector.round.map_or_else(String::new, |round| format!("round {round}, "));
    format!(
        "{file}: {round}{} values\n{:<12} {:<6} {:>10} {:>12} {:>8} {:>11} {:>11} {:>9}\n",
        count(vector.values.len() as f64),
        "codec",
        "split",
        "payload",
        "bytes/param",
        "times",
        "selected %",
        "quantiser %",
        "error %"
    )
}

impl<'a> Row<'a> {
    fn new(
        file: &'a str,
        round: Option<u64>,
        feedback: Option<f32>,
        (codec, split): (Codec, Option<Split>),
        elements: usize,
        fidelity: Fidelity,
    ) -> Self {
        let payload_bytes = kernels::HEADER_BYTES + codec.body_bytes(elements);
        Self {
            file,
            round,
            feedback,
            codec: codec.name(),
            split,
            elements,
            payload_bytes,
            bytes_per_parameter: payload_bytes as f64 / elements as f64,
            times_smaller_than_f32: (size_of::<f32>() * elements) as f64 / payload_bytes as f64,
            fidelity,
        }
    }

    fn text(&self) -> String {
        format!(
            "{:<12} {:<6} {:>10} {:>12.5} {:>8.1} {:>11.2} {:>11.3} {:>9.3}\n",
            self.codec,
            self.split.map_or("", Split::name),
            bytes(self.payload_bytes as f64),
            self.bytes_per_parameter,
            self.times_smaller_than_f32,
            100.0 * self.fidelity.selected,
            100.0 * self.fidelity.quantiser_loss,
            100.0 * self.fidelity.error
        )
    }
}

#[cfg(test)]
mod tests;
