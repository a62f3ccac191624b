//! The whole of these tests once more below what the processor has: every instruction set gives the same bits.

use std::process::Command;

use simd::{Level, level};

/// Runs the other tests of this program in a process that is kept at a level.
fn pass_at(wanted: Level) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--skip", "levels::", "--skip", "vectors::"])
        .env("KERNELS_SIMD", wanted.name())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "at {}:\n{text}", wanted.name());
    assert!(text.contains("test codecs::every_hard_case_has_the_same_bytes_by_three_ways ... ok"), "{text}");
}

#[test]
fn the_baseline_passes_all_tests() {
    pass_at(Level::Baseline);
}

#[test]
fn avx2_passes_all_tests() {
    // Where the processor has no more, this is what the tests run on anyway.
    if level() > Level::Avx2 {
        pass_at(Level::Avx2);
    }
}
