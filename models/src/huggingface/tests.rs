use std::fs;
use std::path::Path;

use half::{bf16, f16};
use proptest::prelude::*;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

use super::*;
use crate::config::ModelConfig;
use crate::initialize::initialize;
use crate::layout::Layout;
use crate::tokenizer::Tokenizer;

fn model(tied: bool) -> ModelConfig {
    ModelConfig {
        hidden_size: 16,
        intermediate_size: 24,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 4,
        rms_norm_eps: 1e-5,
        rope_theta: 500_000.0,
        tie_word_embeddings: tied,
        ..ModelConfig::preset("tiny").unwrap()
    }
}

fn exported(config: &ModelConfig, shard_bytes_max: u64) -> (tempfile::TempDir, Vec<f32>) {
    let directory = tempfile::tempdir().unwrap();
    let flat = initialize(config, 4);
    export(directory.path(), config, &flat, &Tokenizer::Bytes, shard_bytes_max).unwrap();
    (directory, flat)
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn edit_config(directory: &Path, key: &str, value: Value) {
    let path = directory.join(CONFIG_FILE);
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    if value.is_null() {
        config.as_object_mut().unwrap().remove(key);
    } else {
        config[key] = value;
    }
    fs::write(&path, config.to_string()).unwrap();
}

fn error_of(directory: &Path) -> String {
    import(directory).map(drop).unwrap_err().to_string()
}

/// Writes tensors of any type as `model.safetensors`.
fn write_weights(directory: &Path, tensors: &[(String, Dtype, Vec<usize>, Vec<u8>)]) {
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, data)| (name.as_str(), TensorView::new(*dtype, shape.clone(), data).unwrap()));
    fs::write(directory.join(WEIGHTS_FILE), safetensors::serialize(views, None).unwrap()).unwrap();
}

fn as_f32(config: &ModelConfig, flat: &[f32]) -> Vec<(String, Dtype, Vec<usize>, Vec<u8>)> {
    let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let tensors = Layout::of(config).tensors.into_iter();
    tensors.map(|spec| (spec.name.clone(), Dtype::F32, spec.shape.clone(), bytes(&flat[spec.range()]))).collect()
}

/// Name, type, shape and bytes.
type RawTensor = (String, Dtype, Vec<usize>, Vec<u8>);

#[test]
fn comes_back_as_it_was_written() {
    for tied in [true, false] {
        let (directory, flat) = exported(&model(tied), SHARD_BYTES_MAX);
        let back = import(directory.path()).unwrap();
        assert_eq!(back.config, model(tied));
        assert_eq!(back.parameters, flat);
        assert!(matches!(back.tokenizer, Some(Tokenizer::Bytes)));
        assert_eq!(
            names(directory.path()),
            [CONFIG_FILE, GENERATION_FILE, WEIGHTS_FILE, "tokenizer.json", "tokenizer_config.json"]
        );
    }
}

#[test]
fn large_models_are_written_in_shards_with_an_index() {
    let (directory, flat) = exported(&model(false), 8192);
    let files = names(directory.path());
    let shards: Vec<_> = files.iter().filter(|name| name.starts_with("model-0")).collect();
    assert!(shards.len() > 2 && shards[0].ends_with(&format!("-of-{:05}.safetensors", shards.len())), "{files:?}");
    let index: Value = serde_json::from_slice(&fs::read(directory.path().join(INDEX_FILE)).unwrap()).unwrap();
    assert_eq!(index["metadata"]["total_size"], 4 * flat.len());
    assert_eq!(index["weight_map"].as_object().unwrap().len(), Layout::of(&model(false)).tensors.len());
    assert_eq!(import(directory.path()).unwrap().parameters, flat);
}

#[test]
fn half_precision_is_read() {
    let (directory, flat) = exported(&model(true), SHARD_BYTES_MAX);
    for dtype in [Dtype::BF16, Dtype::F16] {
        let convert = |value: f32| match dtype {
            Dtype::BF16 => bf16::from_f32(value).to_le_bytes(),
            _ => f16::from_f32(value).to_le_bytes(),
        };
        let layout = Layout::of(&model(true));
        let halves: Vec<_> = layout
            .tensors
            .iter()
            .map(|spec| {
                let data = flat[spec.range()].iter().flat_map(|&value| convert(value)).collect();
                (spec.name.clone(), dtype, spec.shape.clone(), data)
            })
            .collect();
        write_weights(directory.path(), &halves);
        let back = import(directory.path()).unwrap().parameters;
        let close = back.iter().zip(&flat).all(|(a, b)| (a - b).abs() <= b.abs() / 256.0 + 1e-6);
        assert!(close, "{dtype:?}");
        assert_ne!(back, flat);
    }
}

#[test]
fn a_copy_of_a_tied_head_and_old_rotary_tables_are_left_out() {
    let (directory, flat) = exported(&model(true), SHARD_BYTES_MAX);
    let mut tensors = as_f32(&model(true), &flat);
    let head = ("lm_head.weight".into(), Dtype::F32, tensors[0].2.clone(), tensors[0].3.clone());
    let table = ("model.layers.0.self_attn.rotary_emb.inv_freq".into(), Dtype::F32, vec![2], vec![0; 8]);
    tensors.extend([head, table]);
    write_weights(directory.path(), &tensors);
    assert_eq!(import(directory.path()).unwrap().parameters, flat);
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let (directory, flat) = exported(&model(false), SHARD_BYTES_MAX);
    let check = |change: &dyn Fn(&mut Vec<RawTensor>), expected: &[&str]| {
        let mut tensors = as_f32(&model(false), &flat);
        change(&mut tensors);
        write_weights(directory.path(), &tensors);
        let error = error_of(directory.path());
        assert!(expected.iter().all(|part| error.contains(part)), "{error}");
    };
    check(&|tensors| drop(tensors.pop()), &["lacks the tensor lm_head.weight"]);
    check(&|tensors| tensors[3].0 = "model.layers.0.self_attn.q_proj.bias".into(), &["q_proj.bias", WEIGHTS_FILE]);
    check(&|tensors| tensors[3].2 = vec![16, 8], &["k_proj.weight has shape [16, 8] instead of [8, 16]"]);
    check(&|tensors| tensors[3].1 = Dtype::I32, &["k_proj.weight is I32", "bf16"]);
}

#[test]
fn a_tensor_in_two_shards_is_refused() {
    let (directory, _) = exported(&model(true), 8192);
    let index_path = directory.path().join(INDEX_FILE);
    let mut index: Value = serde_json::from_slice(&fs::read(&index_path).unwrap()).unwrap();
    fs::copy(directory.path().join(names(directory.path())[2].clone()), directory.path().join("again.safetensors"))
        .unwrap();
    index["weight_map"]["again"] = "again.safetensors".into();
    fs::write(&index_path, index.to_string()).unwrap();
    assert!(error_of(directory.path()).contains("a second time"), "{}", error_of(directory.path()));
}

#[test]
fn an_index_cannot_lead_out_of_its_directory() {
    for name in ["../x.safetensors", "/etc/passwd", "a/b", "..", "", "a\\b"] {
        let (directory, _) = exported(&model(true), 8192);
        let index = json!({ "weight_map": { "model.norm.weight": name } });
        fs::write(directory.path().join(INDEX_FILE), index.to_string()).unwrap();
        let error = error_of(directory.path());
        assert!(error.contains(INDEX_FILE) && error.contains("plain file"), "{name}: {error}");
    }
}

#[test]
fn configurations_that_mean_something_else_are_refused_by_key() {
    let unsupported = [
        ("rope_scaling", json!({ "rope_type": "llama3", "factor": 8.0 })),
        ("rope_parameters", json!({ "rope_type": "yarn", "rope_theta": 1e4 })),
        ("attention_bias", json!(true)),
        ("mlp_bias", json!(true)),
        ("hidden_act", json!("gelu")),
        ("head_dim", json!(8)),
        ("model_type", json!("mistral")),
        ("architectures", json!(["MistralForCausalLM"])),
        ("quantization_config", json!({ "bits": 4 })),
        ("partial_rotary_factor", json!(0.5)),
    ];
    for (key, value) in unsupported {
        let (directory, _) = exported(&model(true), SHARD_BYTES_MAX);
        edit_config(directory.path(), key, value);
        let error = error_of(directory.path());
        assert!(error.contains(CONFIG_FILE) && error.contains(key), "{key}: {error}");
    }
}

#[test]
fn older_configurations_are_read() {
    let (directory, flat) = exported(&model(true), SHARD_BYTES_MAX);
    for key in ["rope_parameters", "head_dim", "dtype", "mlp_bias"] {
        edit_config(directory.path(), key, Value::Null);
    }
    edit_config(directory.path(), "rope_scaling", json!({ "type": "default" }));
    let back = import(directory.path()).unwrap();
    assert_eq!((back.config, back.parameters), (model(true), flat));
}

#[test]
fn missing_and_senseless_numbers_are_named() {
    let (directory, _) = exported(&model(true), SHARD_BYTES_MAX);
    edit_config(directory.path(), "vocab_size", json!("many"));
    assert!(error_of(directory.path()).contains("vocab_size"));
    edit_config(directory.path(), "vocab_size", json!(264));
    edit_config(directory.path(), "num_key_value_heads", json!(3));
    assert!(error_of(directory.path()).contains("num_key_value_heads 3"));
}

#[test]
fn missing_files_are_named() {
    let (directory, _) = exported(&model(true), SHARD_BYTES_MAX);
    fs::remove_file(directory.path().join("tokenizer.json")).unwrap();
    assert!(import(directory.path()).unwrap().tokenizer.is_none());
    fs::remove_file(directory.path().join(WEIGHTS_FILE)).unwrap();
    assert!(error_of(directory.path()).contains("neither model.safetensors"));
    fs::remove_file(directory.path().join(CONFIG_FILE)).unwrap();
    assert!(error_of(directory.path()).contains(CONFIG_FILE));
}

#[test]
fn a_file_that_is_far_too_long_is_not_read() {
    let (directory, _) = exported(&model(true), SHARD_BYTES_MAX);
    let file = fs::OpenOptions::new().write(true).open(directory.path().join(WEIGHTS_FILE)).unwrap();
    file.set_len(1 << 40).unwrap();
    let error = error_of(directory.path());
    assert!(error.contains(WEIGHTS_FILE) && error.contains("exceed"), "{error}");
}

#[test]
fn a_vector_of_another_model_is_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let outcome = export(directory.path(), &model(true), &[0.0; 3], &Tokenizer::Bytes, SHARD_BYTES_MAX);
    assert!(matches!(outcome, Err(CheckpointError::Length { found: 3, .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damaged_weights_are_refused_or_are_other_numbers(
        cut in any::<prop::sample::Index>(),
        at in 0usize..4096,
        byte in any::<u8>(),
        truncate in any::<bool>(),
    ) {
        let (directory, flat) = exported(&model(true), SHARD_BYTES_MAX);
        let path = directory.path().join(WEIGHTS_FILE);
        let mut bytes = fs::read(&path).unwrap();
        let unchanged = bytes[at] == byte;
        if truncate {
            bytes.truncate(cut.index(bytes.len()));
        } else {
            bytes[at] = byte;
        }
        fs::write(&path, &bytes).unwrap();
        match import(directory.path()) {
            Err(CheckpointError::MissingTensor { .. }) => prop_assert!(!truncate),
            Err(error) => prop_assert!(error.to_string().contains(WEIGHTS_FILE), "{}", error),
            Ok(back) => {
                prop_assert!(!truncate);
                prop_assert!(!unchanged || back.parameters == flat);
            }
        }
    }

    #[test]
    fn hostile_configurations_are_refused_or_valid(key in 0usize..40, value in 0usize..8, number in any::<i64>()) {
        let (directory, _) = exported(&model(true), SHARD_BYTES_MAX);
        let path = directory.path().join(CONFIG_FILE);
        let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let keys: Vec<String> = config.as_object().unwrap().keys().cloned().collect();
        let key = &keys[key % keys.len()];
        let values = [json!(number), json!(-1), json!(0), json!(1e300), json!("x"), json!([]), json!({}), json!(true)];
        config[key] = values[value].clone();
        fs::write(&path, config.to_string()).unwrap();
        if let Ok(back) = import(directory.path()) {
            prop_assert!(back.config.validate().is_ok());
        }
    }

    #[test]
    fn hostile_bytes_are_no_configuration(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (directory, _) = exported(&model(true), SHARD_BYTES_MAX);
        fs::write(directory.path().join(CONFIG_FILE), bytes).unwrap();
        prop_assert!(error_of(directory.path()).contains(CONFIG_FILE));
    }
}
