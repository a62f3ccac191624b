use super::*;
use crate::config::ModelConfig;
use crate::layout::Layout;

fn shape(heads: usize, kv_heads: usize, head_dim: usize) -> Shape {
    let config = ModelConfig {
        vocab_size: 8,
        hidden_size: heads * head_dim,
        intermediate_size: 8,
        num_hidden_layers: 1,
        num_attention_heads: heads,
        num_key_value_heads: kv_heads,
        head_dim,
        max_position_embeddings: 4096,
        rope_theta: 100.0,
        rms_norm_eps: 1e-5,
        tie_word_embeddings: true,
    };
    Shape::new(&config, &Layout::of(&config)).unwrap()
}

fn wave(count: usize, phase: f32) -> Vec<f32> {
    (0..count).map(|i| (i as f32 * 0.731 + phase).sin() * 2.0).collect()
}

/// Runs one key-value head over `qkv`; returns its outputs [group, length, head_dim].
fn attend(shape: &Shape, kv_head: usize, length: usize, qkv: &[f32]) -> Vec<f32> {
    let rope = {
        let mut rope = rope::Rope::new(shape.head_dim, 100.0);
        rope.reserve(length);
        rope
    };
    let (cosines, sines) = rope.tables(length);
    let geometry = Geometry { length, head_dim: shape.head_dim, group: shape.group(), cosines, sines };
    let mut scratch = Scratch::default();
    scratch.reserve(length, shape.head_dim);
    let mut unit = vec![f32::NAN; geometry.unit()];
    let mut output = vec![f32::NAN; shape.group() * geometry.head()];
    let mut log_sums = vec![f32::NAN; shape.group() * length];
    let group = Group { geometry: &geometry, shape, kv_head };
    group.forward(qkv, &mut unit, &mut output, &mut log_sums, &mut scratch);
    output
}

#[test]
fn no_query_sees_a_later_token() {
    let (shape, length) = (shape(2, 1, 8), 600);
    let qkv = wave(length * shape.qkv(), 0.3);
    let output = attend(&shape, 0, length, &qkv);
    for changed in [0, 1, 63, 64, 65, 511, 512, 513, 599] {
        let mut other = qkv.clone();
        other[changed * shape.qkv()..].iter_mut().for_each(|x| *x = 1.0 - *x);
        let found = attend(&shape, 0, length, &other);
        for (position, (a, b)) in output.chunks_exact(8).zip(found.chunks_exact(8)).enumerate() {
            let earlier = position % length < changed;
            assert_eq!(a == b, earlier, "position {position} with tokens changed from {changed} on");
        }
    }
}

#[test]
fn equal_values_come_out_unchanged_and_the_first_token_sees_itself() {
    let (shape, length) = (shape(4, 2, 6), 130);
    let mut qkv = wave(length * shape.qkv(), 1.0);
    let values = (shape.heads + shape.kv_heads + 1) * 6;
    for row in qkv.chunks_exact_mut(shape.qkv()) {
        row[values..values + 6].copy_from_slice(&[1.0, -2.0, 3.0, 0.5, 0.25, 7.0]);
    }
    for row in attend(&shape, 1, length, &qkv).chunks_exact(6) {
        for (found, expected) in row.iter().zip([1.0, -2.0, 3.0, 0.5, 0.25, 7.0f32]) {
            assert!((found - expected).abs() < 1e-5);
        }
    }
    let first = attend(&shape, 0, length, &qkv);
    let expected = &qkv[(shape.heads + shape.kv_heads) * 6..][..6];
    assert!(first[..6].iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6));
}

#[test]
fn huge_scores_stay_finite() {
    let (shape, length) = (shape(1, 1, 4), 700);
    let qkv: Vec<f32> = wave(length * shape.qkv(), 2.0).iter().map(|x| x * 1e4).collect();
    assert!(attend(&shape, 0, length, &qkv).iter().all(|x| x.is_finite()));
}
