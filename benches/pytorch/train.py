"""Times PyTorch on the training step that `cotrain bench train` times: the same model, batch, optimiser and threads.

Prints one JSON object a line: {"model", "device", "threads", "batch", "seq", "tokens_per_s", "peak_bytes"} and, so that
the figure can be judged, "variant", "compiled", "parameters" and "loss". A step is the gradient of the mean
cross-entropy, the clip to a global norm of 1 and AdamW. The reported rate is that of the median step.

Needs torch; transformers only for the variant that uses its LlamaForCausalLM.

    python train.py --preset bench --threads 2 --steps 20
    python train.py --preset tiny --variant huggingface --compile
"""

import argparse
import json
import os
import resource
import statistics
import time

PRESETS = {
    # vocabulary, width, feed-forward, layers, heads, key-value heads, tied, batch, sequence
    "tiny": (264, 128, 448, 4, 4, 2, True, 8, 128),
    "bench": (264, 256, 684, 4, 8, 8, False, 8, 256),
    "small": (50304, 768, 2048, 12, 12, 12, True, 2, 512),
}


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=PRESETS, default="bench")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--warmup", type=int, default=4)
    parser.add_argument("--batch", type=int, help="sequences; the preset's by default")
    parser.add_argument("--seq", type=int, help="tokens of a sequence; the preset's by default")
    parser.add_argument("--variant", choices=["plain", "huggingface"], default="plain")
    parser.add_argument("--compile", action="store_true", help="torch.compile; needs a C++ compiler")
    parser.add_argument("--optimizer", choices=["fused", "foreach"], default="fused")
    return parser.parse_args()


def plain_model(vocab, d, ffn, layers, heads, kv_heads, tied, seq):
    """Llama as one would write it for speed: one product for q, k, v, one for gate and up, PyTorch's fused
    attention."""
    import torch
    from torch import nn
    from torch.nn import functional

    dim = d // heads

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.input_norm = nn.RMSNorm(d, eps=1e-5)
            self.qkv = nn.Linear(d, (heads + 2 * kv_heads) * dim, bias=False)
            self.out = nn.Linear(d, d, bias=False)
            self.post_norm = nn.RMSNorm(d, eps=1e-5)
            self.gate_up = nn.Linear(d, 2 * ffn, bias=False)
            self.down = nn.Linear(ffn, d, bias=False)

        def forward(self, x, cos, sin):
            batch, length, _ = x.shape
            qkv = self.qkv(self.input_norm(x)).view(batch, length, heads + 2 * kv_heads, dim).transpose(1, 2)
            q, k, v = qkv.split([heads, kv_heads, kv_heads], dim=1)
            q, k = rotate(q, cos, sin), rotate(k, cos, sin)
            grouped = {"enable_gqa": True} if kv_heads != heads else {}
            y = functional.scaled_dot_product_attention(q, k, v, is_causal=True, **grouped)
            x = x + self.out(y.transpose(1, 2).reshape(batch, length, d))
            gate, up = self.gate_up(self.post_norm(x)).chunk(2, dim=-1)
            return x + self.down(functional.silu(gate) * up)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(vocab, d)
            self.blocks = nn.ModuleList(Block() for _ in range(layers))
            self.norm = nn.RMSNorm(d, eps=1e-5)
            self.head = nn.Linear(d, vocab, bias=False)
            if tied:
                self.head.weight = self.embedding.weight
            frequencies = 10000.0 ** (-torch.arange(0, dim, 2).float() / dim)
            angles = torch.arange(seq).float()[:, None] * frequencies
            angles = torch.cat([angles, angles], dim=-1)
            self.register_buffer("cos", angles.cos(), persistent=False)
            self.register_buffer("sin", angles.sin(), persistent=False)

        def forward(self, tokens, targets):
            x = self.embedding(tokens)
            for block in self.blocks:
                x = block(x, self.cos, self.sin)
            logits = self.head(self.norm(x))
            return functional.cross_entropy(logits.view(-1, vocab), targets.reshape(-1))

    def rotate(x, cos, sin):
        first, second = x.chunk(2, dim=-1)
        return x * cos + torch.cat([-second, first], dim=-1) * sin

    model = Model()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.02)
    return model


def huggingface_model(vocab, d, ffn, layers, heads, kv_heads, tied, seq):
    """transformers' LlamaForCausalLM with PyTorch's fused attention."""
    from torch import nn
    from torch.nn import functional
    from transformers import LlamaConfig, LlamaForCausalLM

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.llama = LlamaForCausalLM(
                LlamaConfig(
                    vocab_size=vocab,
                    hidden_size=d,
                    intermediate_size=ffn,
                    num_hidden_layers=layers,
                    num_attention_heads=heads,
                    num_key_value_heads=kv_heads,
                    max_position_embeddings=seq,
                    tie_word_embeddings=tied,
                    attn_implementation="sdpa",
                    use_cache=False,
                )
            )

        def forward(self, tokens, targets):
            logits = self.llama(tokens).logits
            return functional.cross_entropy(logits.view(-1, vocab), targets.reshape(-1))

    return Model()


def main():
    options = parse()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    import torch

    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    *widths, tied, batch, seq = PRESETS[options.preset]
    batch, seq = options.batch or batch, options.seq or seq
    build = plain_model if options.variant == "plain" else huggingface_model
    model = build(*widths, tied, seq)
    parameters = sum(p.numel() for p in model.parameters())
    decayed = [p for p in model.parameters() if p.dim() > 1]
    rest = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), eps=1e-8, **{options.optimizer: True})
    run = torch.compile(model) if options.compile else model
    tokens = torch.randint(0, widths[0], (batch, seq + 1))

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = run(tokens[:, :-1], tokens[:, 1:])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    for _ in range(options.warmup):
        step()
    times, cpu = [], time.process_time()
    for _ in range(options.steps):
        start = time.perf_counter()
        loss = step()
        times.append(time.perf_counter() - start)
    cpu = (time.process_time() - cpu) / options.steps
    print(
        json.dumps(
            {
                "model": options.preset,
                "device": "cpu",
                "threads": options.threads,
                "batch": batch,
                "seq": seq,
                "tokens_per_s": round(batch * seq / statistics.median(times), 1),
                "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                "cpu_s_per_step": round(cpu, 4),
                "variant": options.variant,
                "compiled": options.compile,
                "optimizer": options.optimizer,
                "parameters": parameters,
                "loss": loss,
                "torch": torch.__version__,
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    main()
