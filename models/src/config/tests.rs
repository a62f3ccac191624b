use super::*;

#[test]
fn presets_are_valid_and_grow() {
    let sizes: Vec<usize> = ModelConfig::preset_names()
        .iter()
        .map(|name| {
            let config = ModelConfig::preset(name).unwrap();
            config.validate().unwrap();
            config.parameters()
        })
        .collect();
    assert!(sizes.windows(2).all(|pair| pair[0] < pair[1]), "{sizes:?}");
    assert_eq!(ModelConfig::preset("huge"), None);
}

#[test]
fn presets_have_the_sizes_that_they_are_named_for() {
    let count = |name: &str| ModelConfig::preset(name).unwrap().parameters();
    assert_eq!(count("tiny"), 919_680);
    assert_eq!(count("bench"), 3_287_296);
    assert!((123_000_000..125_000_000).contains(&count("small")));
    assert!((340_000_000..365_000_000).contains(&count("medium")));
    assert!((950_000_000..1_050_000_000).contains(&count("large")));
}

#[test]
fn each_broken_field_is_named() {
    let good = ModelConfig::preset("tiny").unwrap();
    let broken = |change: &dyn Fn(&mut ModelConfig)| {
        let mut config = good.clone();
        change(&mut config);
        config.validate().unwrap_err().to_string()
    };
    assert!(broken(&|c| c.vocab_size = 0).contains("vocab_size"));
    assert!(broken(&|c| c.hidden_size = usize::MAX).contains("hidden_size"));
    assert!(broken(&|c| c.num_key_value_heads = 3).contains("num_key_value_heads 3"));
    assert!(broken(&|c| c.head_dim = 16).contains("head_dim 16"));
    assert!(broken(&|c| c.rope_theta = f32::NAN).contains("rope_theta"));
    assert!(broken(&|c| c.rms_norm_eps = 0.0).contains("rms_norm_eps"));
    assert!(
        broken(&|c| {
            c.hidden_size = DIMENSION_MAX;
            c.head_dim = DIMENSION_MAX / 4;
            c.intermediate_size = DIMENSION_MAX;
        })
        .contains("parameters")
    );
    assert!(
        broken(&|c| {
            c.num_attention_heads = 128;
            c.head_dim = 1;
        })
        .contains("odd")
    );
}

#[test]
fn a_vocabulary_is_padded_to_eight() {
    let config = ModelConfig::preset("tiny").unwrap().with_vocabulary(257);
    assert_eq!(config.vocab_size, 264);
}

#[test]
fn survives_json() {
    let config = ModelConfig::preset("small").unwrap();
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<ModelConfig>(&text).unwrap(), config);
}
