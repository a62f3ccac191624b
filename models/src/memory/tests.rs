use super::*;

fn tiny() -> ModelConfig {
    ModelConfig::preset("tiny").unwrap()
}

#[test]
fn adds_up_and_says_how() {
    let estimate = memory_estimate(&tiny(), 8, 256, false);
    assert_eq!(estimate.vector_bytes, 919_680 * 32);
    assert_eq!(estimate.activation_bytes, 4 * 2048 * (4 * (8 * 128 + 4 * 64 + 4 * 448) + 2 * 264));
    assert_eq!(estimate.total_bytes, estimate.vector_bytes + estimate.activation_bytes);
    let text = estimate.to_string();
    assert!(text.contains("8 vectors × 919680 parameters × 4 bytes = 29.4 MB"), "{text}");
}

#[test]
fn refuses_what_does_not_fit_with_the_arithmetic() {
    let large = memory_estimate(&ModelConfig::preset("large").unwrap(), 1, 2048, false);
    let error = check_memory(&large, 3, 16 << 30).unwrap_err().to_string();
    assert!(error.contains("3 workers, each 8 vectors") && error.contains("smaller preset"), "{error}");
    assert!(check_memory(&memory_estimate(&tiny(), 8, 256, false), 3, 1 << 30).is_ok());
}

#[test]
fn absurd_sizes_saturate() {
    let estimate = memory_estimate(&tiny(), usize::MAX, usize::MAX, true);
    assert!(check_memory(&estimate, usize::MAX, u64::MAX - 1).is_err());
}

#[test]
fn the_micro_batch_is_halved_until_it_fits() {
    let device = ComputeDevice::Cpu { threads: 1 };
    let need = |micro_batch| memory_estimate(&tiny(), micro_batch, 256, false).total_bytes * 100 / 90 + 100;
    let fitting = |bytes| micro_batch_that_fits(&tiny(), &device, 12, 256, 1, bytes);
    assert_eq!(fitting(need(12)).unwrap(), 12);
    assert_eq!(fitting(need(12) - 200).unwrap(), 6);
    assert_eq!(fitting(need(3)).unwrap(), 3);
    assert_eq!(fitting(need(1)).unwrap(), 1);
    assert!(matches!(fitting(1000), Err(ModelError::OutOfMemory { .. })));
}

#[test]
fn this_machine_has_memory() {
    assert!(available_bytes() > 0);
}
