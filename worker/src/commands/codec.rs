//! Payload files from tensors and back, for whoever looks into the format (`kernels/FORMAT.md`).

use std::path::Path;

use anyhow::Context;
use kernels::{Codec, Header};
use models::huggingface::{self, tensors};
use models::{Layout, TensorSpec};
use protocol::Stage;
use serde::Serialize;

use crate::cli::{
    CodecArchiveArgs, CodecDecodeArgs, CodecEncodeArgs, CodecInspectArgs, CodecRestoreArgs, OutputFormat,
};
use crate::commands::checkpoint::newest;
use crate::output;
use crate::output::text::{bytes, count};

/// The longest file that is read, in bytes: more than any machine's memory, so that what it says of its own length
/// decides.
pub(super) const FILE_BYTES_MAX: u64 = 1 << 40;

/// What is said of a payload.
#[derive(Serialize)]
struct Described {
    path: String,
    form: &'static str,
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
        stage: Stage::WHOLE.index,
        stages: Stage::WHOLE.of,
        elements: values.len() as u64,
        round: 0,
        tokens: 0,
        layout_hash: layout.hash(),
        base_hash: [0; 32],
        session: [0; 32],
        worker: [0; 32],
    };
    disk::write_atomic(&arguments.out, &kernels::seal(&header, &body))?;
    describe(&arguments.out, Form::Payload, &header, &body, arguments.output.output)
}

/// Decodes a payload into a safetensors file.
///
/// # Errors
/// A payload that is not valid, tensors that are not the payload's, a full disk.
pub fn decode(arguments: &CodecDecodeArgs) -> anyhow::Result<()> {
    let file = disk::read_bounded(&arguments.input, FILE_BYTES_MAX)?;
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
    let temporary = disk::temporary_name(&arguments.out);
    tensors::write_file(&temporary, &layout, &values)?;
    std::fs::rename(&temporary, &arguments.out).map_err(disk::FileError::io("rename a file to", &arguments.out))?;
    disk::sync_parent(&arguments.out)?;
    describe(&arguments.input, Form::Payload, &header, body, arguments.output.output)
}

/// Writes the archive of a payload: the same payload in fewer bytes.
///
/// # Errors
/// A payload that is not valid, a full disk.
pub fn archive(arguments: &CodecArchiveArgs) -> anyhow::Result<()> {
    let file = disk::read_bounded(&arguments.input, FILE_BYTES_MAX)?;
    let name = || arguments.input.display().to_string();
    let (header, body) = kernels::parse(&file).with_context(name)?;
    let archive = kernels::seal_archive(&header, body).with_context(name)?;
    disk::write_atomic(&arguments.out, &archive)?;
    let kept = Form::Archive { bytes: archive.len() };
    describe(&arguments.out, kept, &header, body, arguments.output.output)
}

/// Writes the payload of an archive, bit for bit the one that was archived.
///
/// # Errors
/// An archive that is not valid, a full disk.
pub fn restore(arguments: &CodecRestoreArgs) -> anyhow::Result<()> {
    let file = disk::read_bounded(&arguments.input, FILE_BYTES_MAX)?;
    let (header, body) = open_archive(&arguments.input, &file)?;
    disk::write_atomic(&arguments.out, &kernels::seal(&header, &body))?;
    describe(&arguments.out, Form::Payload, &header, &body, arguments.output.output)
}

/// Says what a payload or its archive holds, once its whole body is proven valid.
///
/// # Errors
/// A payload or an archive that is not valid, with the first fault.
pub fn inspect(arguments: &CodecInspectArgs) -> anyhow::Result<()> {
    let (path, format) = (&arguments.input, arguments.output.output);
    let file = disk::read_bounded(path, FILE_BYTES_MAX)?;
    if kernels::is_archive(&file) {
        let (header, body) = open_archive(path, &file)?;
        return describe(path, Form::Archive { bytes: file.len() }, &header, &body, format);
    }
    let (header, body) = kernels::parse(&file).with_context(|| path.display().to_string())?;
    describe(path, Form::Payload, &header, body, format)
}

fn open_archive(path: &Path, file: &[u8]) -> anyhow::Result<(Header, Vec<u8>)> {
    let limit = usize::try_from(FILE_BYTES_MAX).unwrap_or(usize::MAX);
    kernels::open_archive(file, limit).with_context(|| path.display().to_string())
}

/// Which of the two files a payload is in.
#[derive(Clone, Copy)]
enum Form {
    Payload,
    Archive { bytes: usize },
}

impl Form {
    const fn name(self) -> &'static str {
        match self {
            Self::Payload => "payload",
            Self::Archive { .. } => "archive",
        }
    }

    const fn bytes(self, body: &[u8]) -> u64 {
        match self {
            Self::Payload => (kernels::HEADER_BYTES + body.len()) as u64,
            Self::Archive { bytes } => bytes as u64,
        }
    }
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

fn describe(path: &Path, form: Form, header: &Header, body: &[u8], format: OutputFormat) -> anyhow::Result<()> {
    let elements = usize::try_from(header.elements)?;
    let Header { version, codec, stage, stages, round, tokens, .. } = *header;
    let length = form.bytes(body);
    let described = Described {
        path: path.display().to_string(),
        form: form.name(),
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
            (self.form, self.path.clone()),
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
