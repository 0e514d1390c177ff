"""Small random networks of Hugging Face's transformers."""

from __future__ import annotations

from typing import Any

import torch
import transformers as hf
from foreign_cases import Case, Make, randn

WORDS = 30
SMALL: dict[str, Any] = {
    "vocab_size": WORDS,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 24,
}


def tokens() -> dict[str, Any]:
    return {"input_ids": torch.randint(3, WORDS, (2, 6))}


def encoder(kind: Any, config: Any, **options: Any) -> Make:
    return lambda: Case(kind(config(**{**SMALL, "max_position_embeddings": 32, **options})), tokens())


def decoder(kind: Any, config: Any, **options: Any) -> Make:
    values = {**SMALL, "max_position_embeddings": 32, "use_cache": False, "pad_token_id": 0, **options}
    return lambda: Case(kind(config(**values)), tokens())


def gpt2() -> Case:
    sizes = {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 32, "bos_token_id": 0, "eos_token_id": 0}
    config = hf.GPT2Config(vocab_size=WORDS, use_cache=False, **sizes)
    return Case(hf.GPT2LMHeadModel(config), tokens(), options={"reset": "parent"}, said='reset="parent"')


def t5() -> Case:
    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 1, "num_heads": 2, "decoder_start_token_id": 0}
    config = hf.T5Config(vocab_size=WORDS, use_cache=False, **sizes)
    return Case(hf.T5ForConditionalGeneration(config), {**tokens(), "labels": torch.randint(3, WORDS, (2, 4))})


def distilbert() -> Case:
    config = hf.DistilBertConfig(vocab_size=WORDS, dim=16, hidden_dim=24, n_layers=1, n_heads=2)
    return Case(hf.DistilBertForSequenceClassification(config), tokens())


def vit() -> Case:
    sizes = {key: value for key, value in SMALL.items() if key != "vocab_size"}
    config = hf.ViTConfig(image_size=8, patch_size=4, num_channels=1, **sizes)
    return Case(hf.ViTForImageClassification(config), {"pixel_values": randn(2, 1, 8, 8)})


CASES: dict[str, Make] = {
    "BERT": encoder(hf.BertForSequenceClassification, hf.BertConfig),
    "RoBERTa": encoder(hf.RobertaForSequenceClassification, hf.RobertaConfig),
    "ELECTRA": encoder(hf.ElectraForSequenceClassification, hf.ElectraConfig, embedding_size=16),
    "ALBERT, shared layers": encoder(hf.AlbertForSequenceClassification, hf.AlbertConfig, embedding_size=16),
    "DistilBERT": distilbert,
    "GPT-2": gpt2,
    "GPT-NeoX": decoder(hf.GPTNeoXForCausalLM, hf.GPTNeoXConfig),
    "Llama": decoder(hf.LlamaForCausalLM, hf.LlamaConfig, num_key_value_heads=1),
    "T5": t5,
    "ViT": vit,
}
