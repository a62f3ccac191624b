use super::*;

fn tiny() -> ModelConfig {
    ModelConfig::preset("tiny").unwrap()
}

#[test]
fn tensors_follow_each_other_without_gaps() {
    for name in ModelConfig::preset_names() {
        let config = ModelConfig::preset(name).unwrap();
        let layout = Layout::of(&config);
        let mut next = 0;
        for tensor in &layout.tensors {
            assert_eq!(tensor.offset, next, "{}", tensor.name);
            next = tensor.range().end;
        }
        assert_eq!(layout.elements, next);
        assert_eq!(layout.elements, config.parameters());
    }
}

#[test]
fn the_order_is_that_of_the_checkpoint() {
    let names: Vec<String> = Layout::of(&tiny()).tensors.into_iter().map(|tensor| tensor.name).collect();
    assert_eq!(names.len(), 2 + 4 * 9);
    assert_eq!(names[0], "model.embed_tokens.weight");
    assert_eq!(
        names[1..10].iter().map(|name| name.trim_start_matches("model.layers.0.")).collect::<Vec<_>>(),
        [
            "input_layernorm.weight",
            "self_attn.q_proj.weight",
            "self_attn.k_proj.weight",
            "self_attn.v_proj.weight",
            "self_attn.o_proj.weight",
            "post_attention_layernorm.weight",
            "mlp.gate_proj.weight",
            "mlp.up_proj.weight",
            "mlp.down_proj.weight",
        ]
    );
    assert_eq!(names.last().unwrap(), "model.norm.weight");
}

#[test]
fn an_untied_head_comes_last() {
    let layout = Layout::of(&ModelConfig { tie_word_embeddings: false, ..tiny() });
    assert_eq!(layout.tensors.last().unwrap().name, "lm_head.weight");
    assert_eq!(layout.find("lm_head.weight").unwrap().shape, [264, 128]);
}

#[test]
fn key_and_value_shapes_follow_the_shared_heads() {
    let layout = Layout::of(&tiny());
    assert_eq!(layout.find("model.layers.3.self_attn.k_proj.weight").unwrap().shape, [64, 128]);
    assert_eq!(layout.find("model.layers.3.mlp.down_proj.weight").unwrap().shape, [128, 448]);
}

#[test]
fn the_hash_tells_layouts_apart() {
    let hash = Layout::of(&tiny()).hash();
    assert_eq!(hash, Layout::of(&tiny()).hash());
    assert_ne!(hash, Layout::of(&ModelConfig { tie_word_embeddings: false, ..tiny() }).hash());
    assert_ne!(hash, Layout::of(&ModelConfig { intermediate_size: 449, ..tiny() }).hash());
}

#[test]
fn only_matrices_decay() {
    let layout = Layout::of(&tiny());
    assert!(layout.find("model.embed_tokens.weight").unwrap().decays());
    assert!(!layout.find("model.norm.weight").unwrap().decays());
}
