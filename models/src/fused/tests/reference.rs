//! The Llama architecture in f64, one scalar loop after the other, straight from its description.

use crate::batch::Batch;
use crate::config::ModelConfig;
use crate::layout::Layout;

pub(super) struct Reference<'a> {
    config: &'a ModelConfig,
    layout: Layout,
}

/// Central differences of the mean loss for every `stride`th parameter.
pub(super) fn differences(reference: &Reference<'_>, flat: &[f64], batch: &Batch, stride: usize) -> Vec<(usize, f64)> {
    let step = 1e-5;
    let mean = |flat: &[f64]| {
        let losses = reference.sequence_losses(flat, batch);
        losses.iter().sum::<f64>() / losses.len() as f64
    };
    let mut moved = flat.to_vec();
    let mut derivative = |index: usize| {
        moved[index] = flat[index] + step;
        let above = mean(&moved);
        moved[index] = flat[index] - step;
        let below = mean(&moved);
        moved[index] = flat[index];
        (index, (above - below) / (2.0 * step))
    };
    (0..flat.len()).step_by(stride).map(&mut derivative).collect()
}

impl<'a> Reference<'a> {
    pub(super) fn new(config: &'a ModelConfig) -> Self {
        Self { config, layout: Layout::of(config) }
    }

    fn weight<'b>(&self, flat: &'b [f64], name: &str) -> &'b [f64] {
        let tensor = self.layout.tensors.iter().find(|t| t.name == name).unwrap();
        &flat[tensor.offset..][..tensor.shape.iter().product()]
    }

    pub(super) fn sequence_losses(&self, flat: &[f64], batch: &Batch) -> Vec<f64> {
        let loss = |row: &[u32]| {
            let logits = self.logits(flat, &row[..batch.length]);
            let rows = logits.chunks_exact(self.config.vocab_size).zip(&row[1..]);
            let losses = rows.map(|(logits, target)| {
                let maximum = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = logits.iter().map(|x| (x - maximum).exp()).sum();
                maximum + sum.ln() - logits[*target as usize]
            });
            losses.sum::<f64>() / batch.length as f64
        };
        batch.tokens.chunks_exact(batch.length + 1).map(loss).collect()
    }

    pub(super) fn logits(&self, flat: &[f64], tokens: &[u32]) -> Vec<f64> {
        let d = self.config.hidden_size;
        let embedding = self.weight(flat, "model.embed_tokens.weight");
        let mut x: Vec<f64> = tokens.iter().flat_map(|t| embedding[*t as usize * d..][..d].to_vec()).collect();
        for layer in 0..self.config.num_hidden_layers {
            let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
            let n = self.norm(&x, self.weight(flat, &name("input_layernorm")));
            let [q, k, v] = ["q_proj", "k_proj", "v_proj"]
                .map(|part| linear(&n, d, self.weight(flat, &name(&format!("self_attn.{part}")))));
            let attended = self.attention(
                &self.rotate(&q, self.config.num_attention_heads),
                &self.rotate(&k, self.config.num_key_value_heads),
                &v,
            );
            add(&mut x, &linear(&attended, d, self.weight(flat, &name("self_attn.o_proj"))));
            let n = self.norm(&x, self.weight(flat, &name("post_attention_layernorm")));
            let gate = linear(&n, d, self.weight(flat, &name("mlp.gate_proj")));
            let up = linear(&n, d, self.weight(flat, &name("mlp.up_proj")));
            let act: Vec<f64> = gate.iter().zip(&up).map(|(g, u)| g / (1.0 + (-g).exp()) * u).collect();
            add(&mut x, &linear(&act, self.config.intermediate_size, self.weight(flat, &name("mlp.down_proj"))));
        }
        let n = self.norm(&x, self.weight(flat, "model.norm.weight"));
        let tied = self.config.tie_word_embeddings;
        linear(&n, d, if tied { embedding } else { self.weight(flat, "lm_head.weight") })
    }

    fn norm(&self, x: &[f64], gain: &[f64]) -> Vec<f64> {
        let row = |row: &[f64]| {
            let mean = row.iter().map(|x| x * x).sum::<f64>() / row.len() as f64;
            let scale = 1.0 / (mean + f64::from(self.config.rms_norm_eps)).sqrt();
            row.iter().zip(gain).map(|(x, g)| x * scale * g).collect::<Vec<_>>()
        };
        x.chunks_exact(gain.len()).flat_map(row).collect()
    }

    fn rotate(&self, x: &[f64], heads: usize) -> Vec<f64> {
        let dim = self.config.head_dim;
        let mut out = x.to_vec();
        for (index, head) in out.chunks_exact_mut(dim).enumerate() {
            let position = (index / heads) as f64;
            for i in 0..dim / 2 {
                let angle = position * f64::from(self.config.rope_theta).powf(-2.0 * i as f64 / dim as f64);
                let (a, b) = (head[i], head[i + dim / 2]);
                head[i] = a * angle.cos() - b * angle.sin();
                head[i + dim / 2] = b * angle.cos() + a * angle.sin();
            }
        }
        out
    }

    fn attention(&self, q: &[f64], k: &[f64], v: &[f64]) -> Vec<f64> {
        let (heads, kv_heads, dim) =
            (self.config.num_attention_heads, self.config.num_key_value_heads, self.config.head_dim);
        let head_of = |x: &[f64], of: usize, row: usize, head: usize| x[(row * of + head) * dim..][..dim].to_vec();
        let mut out = vec![0.0; q.len()];
        for (index, target) in out.chunks_exact_mut(dim).enumerate() {
            let (row, head) = (index / heads, index % heads);
            let kv = head / (heads / kv_heads);
            let query = head_of(q, heads, row, head);
            let score = |key: usize| dot(&query, &head_of(k, kv_heads, key, kv)) / (dim as f64).sqrt();
            let scores: Vec<f64> = (0..=row).map(score).collect();
            let maximum = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = scores.iter().map(|s| (s - maximum).exp()).collect();
            let sum: f64 = weights.iter().sum();
            for (key, weight) in weights.iter().enumerate() {
                let value = head_of(v, kv_heads, key, kv);
                target.iter_mut().zip(&value).for_each(|(t, v)| *t += weight / sum * v);
            }
        }
        out
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn linear(x: &[f64], width: usize, weight: &[f64]) -> Vec<f64> {
    let row = |row: &[f64]| weight.chunks_exact(width).map(|w| dot(row, w)).collect::<Vec<_>>();
    x.chunks_exact(width).flat_map(row).collect()
}

fn add(x: &mut [f64], y: &[f64]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}
