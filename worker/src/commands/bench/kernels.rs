//! `bench kernels` and `bench compare`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use kernels::Codec;
use kernels::bench::{Arena, Case, Options, Row};
use models::{AdamWBench, ComputeDevice};
use serde::{Deserialize, Serialize};

use crate::cli::BenchKernelsArgs;
use crate::exit::WrongUse;
use crate::output;
use crate::output::text::count;

/// Vectors as long as an arena: three to read, one to write, and AdamW's two.
const ARENAS: usize = 6;
/// Bytes that the bodies of a row take at most, where memory allows.
const BODY_BYTES_MAX: usize = 4 << 30;
/// The largest file of rows that is compared, in bytes.
const ROWS_BYTES_MAX: u64 = 16 << 20;

/// One row of `bench kernels --json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Line {
    kernel: String,
    /// Empty where the kernel is of no codec.
    codec: String,
    device: String,
    threads: usize,
    elements: usize,
    logical_bytes: u64,
    moved_bytes: u64,
    median_ns: u64,
    spread: f64,
    copy_fraction: f64,
}

impl Line {
    fn new(row: &Row, device: &str) -> Self {
        Self {
            kernel: row.kernel.clone(),
            codec: row.codec.map_or("", Codec::name).to_owned(),
            device: device.to_owned(),
            threads: row.threads,
            elements: row.elements,
            logical_bytes: row.logical_bytes,
            moved_bytes: row.moved_bytes,
            median_ns: row.median_ns,
            spread: row.spread,
            copy_fraction: row.copy_fraction,
        }
    }

    fn text(&self) -> String {
        let rate = |bytes: u64| bytes as f64 / self.median_ns as f64;
        format!(
            "{:<10} {:<12} {:>12} {:>12.3} {:>7.1} {:>9.2} {:>9.2} {:>7.1}\n",
            self.kernel,
            self.codec,
            count(self.elements as f64),
            self.median_ns as f64 / 1e6,
            100.0 * self.spread,
            rate(self.logical_bytes),
            rate(self.moved_bytes),
            100.0 * self.copy_fraction
        )
    }
}

/// Times the kernels and prints a row for each.
///
/// # Errors
/// Vectors that do not fit the memory; a kernel that differs from the reference.
pub fn run(arguments: &BenchKernelsArgs) -> anyhow::Result<()> {
    let arena_bytes = arguments.arena_mib << 20;
    let longest = arguments.elements.iter().copied().max().unwrap_or(1).saturating_mul(size_of::<f32>());
    // The vectors, and as many bytes again for what is compared and for the vector that a body is made of.
    let needed = arena_bytes.max(longest).saturating_mul(ARENAS).saturating_add(longest.saturating_mul(2));
    let available = models::available_bytes();
    if needed as u64 > available {
        let message = format!("the vectors take {needed} bytes and {available} are free; name smaller --elements");
        return Err(WrongUse(message).into());
    }
    let body_bytes_max = usize::try_from(available).unwrap_or(usize::MAX).saturating_sub(needed) / 2;
    let options = Options {
        elements: arguments.elements.clone(),
        samples: arguments.samples,
        arena_bytes,
        body_bytes_max: body_bytes_max.min(BODY_BYTES_MAX),
    };
    let wanted = &arguments.device;
    let chosen = models::survey(&wanted.device, wanted.require_gpu, wanted.threads)?.chosen;
    let device = describe(&chosen);
    if !arguments.json {
        let arena = arguments.arena_mib;
        output::print(&format!(
            "{device}; medians of {} runs over {arena} MiB; copy % is of the copy's rate in this process\n\
             {:<10} {:<12} {:>12} {:>12} {:>7} {:>9} {:>9} {:>7}\n",
            arguments.samples, "kernel", "codec", "elements", "ms", "±%", "GB/s", "moved", "copy %"
        ))?;
    }
    let mut printed = Ok(());
    time(&chosen, &options, &mut |row| {
        let line = Line::new(&row, &device);
        let print = || if arguments.json { output::print_json(&line) } else { output::print(&line.text()) };
        if printed.is_ok() {
            printed = print();
        }
    })?;
    Ok(printed?)
}

/// Times the kernels of a device.
fn time(device: &ComputeDevice, options: &Options, done: &mut (dyn FnMut(Row) + Send)) -> anyhow::Result<()> {
    match device {
        ComputeDevice::Cpu { threads } => {
            let pool =
                rayon::ThreadPoolBuilder::new().num_threads(*threads).build().context("no threads to compute on")?;
            Ok(pool.install(|| kernels::bench::run(options, done, |arena| vec![adamw(arena)]))?)
        }
        ComputeDevice::Burn { device, .. } => Ok(kernels::bench::device::run(options, device, done)?),
    }
}

/// The device and its instructions or driver.
fn describe(device: &ComputeDevice) -> String {
    match device {
        ComputeDevice::Cpu { .. } => {
            format!("{}, {}, {}", processor(), device.description(), simd::level().name())
        }
        ComputeDevice::Burn { device: burn, .. } => match kernels::bench::device::identity(burn) {
            Some((name, compiler)) => format!("{}, {name}, {compiler}", device.description()),
            None => device.description(),
        },
    }
}

/// The processor's name where the system tells it, else its architecture.
fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let named = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    named.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

/// A step of AdamW: nothing of a payload, but what an inner step ends with.
fn adamw(arena: &Arena) -> Case {
    let mut bench = AdamWBench::new(arena.elements(), arena.slices());
    let moved = AdamWBench::BYTES_PER_ELEMENT * arena.elements();
    Case::new("adamw", None, moved, move |slices| bench.step(slices.target, slices.sources[0]))
}

/// Prints each row that both files have with the ratio of its medians.
///
/// # Errors
/// Files that cannot be read, or hold no rows in common.
pub fn compare(before: &Path, after: &Path) -> anyhow::Result<()> {
    let (before_rows, after_rows) = (rows(before)?, rows(after)?);
    let mut text = format!(
        "{:<10} {:<12} {:>12} {:>8} {:>12} {:>12} {:>8}\n",
        "kernel", "codec", "elements", "threads", "before ms", "after ms", "times"
    );
    let mut common = 0;
    for (key, line) in &after_rows {
        let Some(earlier) = before_rows.get(key) else { continue };
        common += 1;
        let (was, is) = (earlier.median_ns as f64, line.median_ns as f64);
        text += &format!(
            "{:<10} {:<12} {:>12} {:>8} {:>12.3} {:>12.3} {:>8.2}\n",
            line.kernel,
            line.codec,
            count(line.elements as f64),
            line.threads,
            was / 1e6,
            is / 1e6,
            was / is
        );
    }
    if common == 0 {
        anyhow::bail!("{} and {} have no row in common", before.display(), after.display());
    }
    output::print(&text)?;
    Ok(())
}

type Key = (usize, String, String, usize);

fn rows(path: &Path) -> anyhow::Result<BTreeMap<Key, Line>> {
    let bytes = disk::read_bounded(path, ROWS_BYTES_MAX)?;
    let mut rows = BTreeMap::new();
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        let line: Line = serde_json::from_slice(line)
            .with_context(|| format!("{} line {} is no row of bench kernels --json", path.display(), number + 1))?;
        rows.insert((line.elements, line.kernel.clone(), line.codec.clone(), line.threads), line);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_back_from_its_json() {
        let row = Row {
            kernel: "encode".to_owned(),
            codec: Some(Codec::TopK64),
            threads: 2,
            elements: 65_536,
            logical_bytes: 262_144,
            moved_bytes: 263_488,
            median_ns: 100_000,
            spread: 0.05,
            copy_fraction: 0.5,
        };
        let line = Line::new(&row, "CPU");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rows.json");
        std::fs::write(&path, serde_json::to_string(&line).unwrap() + "\n").unwrap();
        assert_eq!(rows(&path).unwrap().into_values().collect::<Vec<_>>(), [line]);
        compare(&path, &path).unwrap();
        std::fs::write(&path, "text\n").unwrap();
        let error = format!("{:#}", rows(&path).unwrap_err());
        assert!(error.contains("rows.json") && error.contains("line 1"), "{error}");
    }
}
