//! Payload files from tensors and back, for whoever looks into the format (`kernels/FORMAT.md`).

use std::path::Path;

use aggregator::files;
use anyhow::Context;
use kernels::{Codec, Header};
use models::huggingface::{self, tensors};
use models::{Layout, TensorSpec};
use serde::Serialize;

use crate::cli::{CodecDecodeArgs, CodecEncodeArgs, CodecInspectArgs, OutputFormat};
use crate::generate::newest;
use crate::output;
use crate::output::text::{bytes, count};

/// The longest file that is read, in bytes: more than any machine's memory, so that the header's own length decides.
const FILE_BYTES_MAX: u64 = 1 << 40;

/// What is said of a payload.
#[derive(Serialize)]
struct Described {
    path: String,
    version: u16,
    codec: &'static str,
    elements: u64,
    bytes: u64,
    bits_per_element: f64,
    times_smaller_than_f32: f64,
    round: u64,
    tokens: u64,
    stage: u16,
    stages: u16,
    layout_hash: String,
    base_hash: String,
    session: String,
    worker: String,
    coordinates: u64,
    norm: f64,
}

/// Encodes a safetensors file into a payload that belongs to no session: all its hashes are zero but the layout's.
///
/// # Errors
/// A file that is none, tensors that are not those of `--like`, a NaN or an infinity, a full disk.
pub fn encode(arguments: &CodecEncodeArgs) -> anyhow::Result<()> {
    let layout = match &arguments.like {
        Some(directory) => layout_like(directory)?,
        None => tensors::file_layout(&arguments.input)?,
    };
    let values = tensors::read_file(&arguments.input, &layout)?;
    let body = kernels::encode(arguments.codec, &values).with_context(|| arguments.input.display().to_string())?;
    let header = Header {
        version: kernels::VERSION,
        codec: arguments.codec,
        stage: 0,
        stages: 1,
        elements: values.len() as u64,
        round: 0,
        tokens: 0,
        layout_hash: layout.hash(),
        base_hash: [0; 32],
        session: [0; 32],
        worker: [0; 32],
    };
    files::write_atomic(&arguments.out, &kernels::seal(&header, &body))?;
    describe(&arguments.out, &header, &body, arguments.output.output)
}

/// Decodes a payload into a safetensors file.
///
/// # Errors
/// A payload that is not valid, tensors that are not the payload's, a full disk.
pub fn decode(arguments: &CodecDecodeArgs) -> anyhow::Result<()> {
    let file = files::read_bounded(&arguments.input, FILE_BYTES_MAX)?;
    let name = || arguments.input.display().to_string();
    let (header, body) = kernels::parse(&file).with_context(name)?;
    let elements = usize::try_from(header.elements).with_context(name)?;
    let layout = match &arguments.like {
        Some(like) => layout_like(like)?,
        None => flat_layout(elements),
    };
    if arguments.like.is_some() && layout.hash() != header.layout_hash {
        anyhow::bail!(
            "{} has another layout than --like: {} values against {}; leave --like out for one flat tensor",
            name(),
            elements,
            layout.elements
        );
    }
    let values = kernels::decode(header.codec, elements, body).with_context(name)?;
    let temporary = files::temporary_name(&arguments.out);
    tensors::write_file(&temporary, &layout, &values)?;
    std::fs::rename(&temporary, &arguments.out).map_err(files::FileError::io("rename a file to", &arguments.out))?;
    files::sync_parent(&arguments.out)?;
    describe(&arguments.input, &header, body, arguments.output.output)
}

/// Says what a payload holds, once its whole body is proven valid.
///
/// # Errors
/// A payload that is not valid, with the first fault.
pub fn inspect(arguments: &CodecInspectArgs) -> anyhow::Result<()> {
    let file = files::read_bounded(&arguments.input, FILE_BYTES_MAX)?;
    let (header, body) = kernels::parse(&file).with_context(|| arguments.input.display().to_string())?;
    describe(&arguments.input, &header, body, arguments.output.output)
}

/// The layout of a checkpoint or of a safetensors file.
fn layout_like(like: &Path) -> anyhow::Result<Layout> {
    if like.is_dir() {
        return Ok(Layout::of(&huggingface::read_config(&newest(like)?)?));
    }
    Ok(tensors::file_layout(like)?)
}

fn flat_layout(elements: usize) -> Layout {
    let values = TensorSpec { name: "values".to_owned(), shape: vec![elements], offset: 0 };
    Layout { tensors: vec![values], elements }
}

fn describe(path: &Path, header: &Header, body: &[u8], format: OutputFormat) -> anyhow::Result<()> {
    let elements = usize::try_from(header.elements)?;
    let Header { version, codec, stage, stages, round, tokens, .. } = *header;
    let length = (kernels::HEADER_BYTES + body.len()) as u64;
    let described = Described {
        path: path.display().to_string(),
        version,
        codec: Codec::name(codec),
        elements: header.elements,
        bytes: length,
        bits_per_element: 8.0 * length as f64 / elements as f64,
        times_smaller_than_f32: 4.0 * elements as f64 / length as f64,
        round,
        tokens,
        stage,
        stages,
        layout_hash: protocol::Hash(header.layout_hash).to_string(),
        base_hash: protocol::Hash(header.base_hash).to_string(),
        session: protocol::Hash(header.session).to_string(),
        worker: protocol::Hash(header.worker).to_string(),
        coordinates: kernels::coordinates(codec, elements),
        norm: kernels::norm(codec, elements, body).with_context(|| path.display().to_string())?,
    };
    match format {
        OutputFormat::Json => output::print_json(&described)?,
        OutputFormat::Text => output::print(&described.text())?,
    }
    Ok(())
}

impl Described {
    fn text(&self) -> String {
        let lines = [
            ("payload", self.path.clone()),
            ("codec", format!("{}, format {}", self.codec, self.version)),
            (
                "values",
                format!("{}, of which {} are sent", count(self.elements as f64), count(self.coordinates as f64)),
            ),
            (
                "size",
                format!(
                    "{}, {:.3} bits a value, {:.1} times smaller than f32",
                    bytes(self.bytes as f64),
                    self.bits_per_element,
                    self.times_smaller_than_f32
                ),
            ),
            ("norm", format!("{:.6e}", self.norm)),
            ("round", format!("{}, stage {} of {}, {} tokens", self.round, self.stage, self.stages, self.tokens)),
            ("layout", self.layout_hash.clone()),
            ("base", self.base_hash.clone()),
            ("session", self.session.clone()),
            ("worker", self.worker.clone()),
        ];
        lines.iter().map(|(name, value)| format!("{name:<9}{value}\n")).collect()
    }
}
