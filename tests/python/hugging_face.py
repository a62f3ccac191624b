"""Opens checkpoints in Hugging Face transformers, for the tests in `tests/tests/hugging_face.rs`.

  hugging_face.py read DIR PROMPT NEW_TOKENS   one JSON line: token ids of the prompt, logits, greedy continuation
  hugging_face.py make DIR TOKENIZER_DIR       writes a small random LlamaForCausalLM beside a copy of the tokenizer
"""

import json
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM


def read(directory, prompt, new_tokens):
    """Prints what transformers computes from the checkpoint in `directory`."""
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=False).input_ids
    with torch.no_grad():
        logits = model(ids).logits[0]
        generated = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=new_tokens, do_sample=False
        )[0]
    print(
        json.dumps(
            {
                "architecture": type(model).__name__,
                "ids": ids[0].tolist(),
                "logits": logits.flatten().tolist(),
                "generated": generated.tolist(),
                "text": tokenizer.decode(generated, skip_special_tokens=True),
            }
        )
    )


def make(directory, tokenizer_directory):
    """Writes a model as transformers initialises it, with grouped queries and untied embeddings."""
    torch.manual_seed(7)
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_directory)
    config = LlamaConfig(
        vocab_size=264,
        hidden_size=64,
        intermediate_size=160,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        tie_word_embeddings=False,
        bos_token_id=tokenizer.eos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    print(json.dumps({"parameters": sum(p.numel() for p in LlamaForCausalLM(config).parameters())}))


if __name__ == "__main__":
    torch.set_num_threads(1)
    match sys.argv[1:]:
        case ["read", directory, prompt, new_tokens]:
            read(directory, prompt, int(new_tokens))
        case ["make", directory, tokenizer_directory]:
            make(directory, tokenizer_directory)
        case _:
            sys.exit(__doc__)
