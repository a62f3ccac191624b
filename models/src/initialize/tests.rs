use super::*;

fn tiny() -> ModelConfig {
    ModelConfig::preset("tiny").unwrap()
}

fn deviation_of(flat: &[f32], layout: &Layout, name: &str) -> f64 {
    let values = &flat[layout.find(name).unwrap().range()];
    (values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}

#[test]
fn repeats_for_the_same_seed_only() {
    assert_eq!(initialize(&tiny(), 1), initialize(&tiny(), 1));
    assert_ne!(initialize(&tiny(), 1), initialize(&tiny(), 2));
}

#[test]
fn is_the_vector_that_every_release_starts_from() {
    let flat = initialize(&tiny(), 1);
    let bytes: Vec<u8> = flat.iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(blake3::hash(&bytes).to_hex()[..16], *EXPECTED);
}

const EXPECTED: &str = "102151c9d4abc272";

#[test]
fn deviations_follow_the_place_in_the_block() {
    let (config, layout) = (tiny(), Layout::of(&tiny()));
    let flat = initialize(&config, 5);
    let scaled = 0.02 / 8f64.sqrt();
    assert!((deviation_of(&flat, &layout, "model.layers.1.self_attn.q_proj.weight") / 0.02 - 1.0).abs() < 0.03);
    assert!((deviation_of(&flat, &layout, "model.layers.1.self_attn.o_proj.weight") / scaled - 1.0).abs() < 0.03);
    assert!((deviation_of(&flat, &layout, "model.layers.2.mlp.down_proj.weight") / scaled - 1.0).abs() < 0.03);
    assert!(flat[layout.find("model.norm.weight").unwrap().range()].iter().all(|&value| value == 1.0));
}
