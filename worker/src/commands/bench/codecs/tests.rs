use super::*;
use kernels::Header;
use protocol::Stage;

fn payload(codec: Codec, round: u64, values: &[f32]) -> Vec<u8> {
    let header = Header {
        version: kernels::VERSION,
        codec,
        stage: Stage::WHOLE.index,
        stages: Stage::WHOLE.of,
        elements: values.len() as u64,
        round,
        tokens: 0,
        layout_hash: [0; 32],
        base_hash: [0; 32],
        session: [0; 32],
        worker: [0; 32],
    };
    kernels::seal(&header, &kernels::encode(codec, values).unwrap())
}

fn error_of(codec: Codec, bytes: &[u8]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(codec.name());
    std::fs::write(&path, bytes).unwrap();
    format!("{:#}", read(&path).err().unwrap())
}

#[test]
fn a_payload_without_loss_is_read_with_its_round() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.ctg");
    std::fs::write(&path, payload(Codec::None, 22, &[1.0, -2.5])).unwrap();
    let vector = read(&path).unwrap();
    assert_eq!((vector.round, vector.values.as_slice()), (Some(22), [1.0, -2.5].as_slice()));
}

#[test]
fn a_lossy_payload_and_a_damaged_one_are_refused() {
    let values = [1.0; 100];
    let message = error_of(Codec::TopK64, &payload(Codec::TopK64, 1, &values));
    assert!(message.contains("topk64-q2") && message.contains("--codec none"), "{message}");
    let whole = payload(Codec::None, 1, &values);
    assert!(!error_of(Codec::None, &whole[..whole.len() - 1]).is_empty());
    assert!(!error_of(Codec::None, b"").is_empty());
}

#[test]
fn feedback_carries_what_was_not_said() {
    let mut delta = vec![0.0; 4096];
    delta[..100].fill(1.0);
    let mut residual = Vec::new();
    let first = measure(Codec::TopK64, &delta, Some(0.5), &mut residual).unwrap();
    assert_eq!(first[0].1.selected, 0.64);
    assert_eq!(residual[..100].iter().filter(|&&left| left == 1.0).count(), 36);
    // What was left counts for half, and the new ones are as large as before.
    let second = measure(Codec::TopK64, &delta, Some(0.5), &mut residual).unwrap();
    assert_eq!(second[0].1.norm, (64.0f64 + 36.0 * 2.25).sqrt());
    assert_eq!(measure(Codec::TopK64, &delta, None, &mut residual).unwrap(), first);
}

#[test]
fn feedback_needs_one_length() {
    let mut residual = Vec::new();
    measure(Codec::DenseInt8, &[1.0; 3], Some(0.95), &mut residual).unwrap();
    let message = measure(Codec::DenseInt8, &[1.0; 4], Some(0.95), &mut residual).unwrap_err().to_string();
    assert!(message.contains("4 values") && message.contains("have 3"), "{message}");
}

#[test]
fn a_row_counts_the_header() {
    let fidelity = Fidelity { norm: 1.0, selected: 0.5, quantiser_loss: 0.25, error: 0.625 };
    let row = Row::new("a.ctg", None, None, (Codec::TopK64, Some(Split::Best)), 8192, fidelity);
    assert_eq!(row.payload_bytes, 168 + 2 * 84);
    let json = serde_json::to_value(&row).unwrap();
    assert_eq!((json["split"].as_str(), json["error"].as_f64()), (Some("best"), Some(0.625)));
    assert!(row.text().contains("97.5"), "{}", row.text());
}
