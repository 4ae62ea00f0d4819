# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Tiny instruct models with random weights, of any architecture, as many are on the hub: without a padding token.

Their answers make no sense, but end: each token of a Llama or Qwen is EOS with a probability of about 5 %.
"""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
EOS = 2
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


# Architectures that vLLM computes on a CPU, with what their configuration needs beside the sizes below.
ARCHITECTURES = {
    "llama": {"num_key_value_heads": 1},
    "qwen2": {"num_key_value_heads": 1},
    "qwen3": {"num_key_value_heads": 1, "head_dim": 32},
    "olmo2": {"num_key_value_heads": 1},
    "gemma3_text": {"num_key_value_heads": 1, "head_dim": 32},
    "gpt_neox": {},
}


def instruct_model(
    folder: Path, architecture: str = "llama", *, tied: bool = True, vocabulary: int = 50_000, pad: str | None = None
) -> Path:
    """Write model and tokenizer into a folder.

    Args:
        architecture: one of ``ARCHITECTURES``, transformers' ``model_type``.
        tied: whether the output layer is the embedding.
        vocabulary: tokens; those beyond the bytes and the special ones occur in no text.
        pad: the padding token.
    """
    used = [*SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    words = [*used, *(f"unused{number}" for number in range(vocabulary - len(used)))]
    tokenizer = Tokenizer(models.BPE({word: number for number, word in enumerate(words)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=SPECIAL[EOS],
        pad_token=pad,
        extra_special_tokens=list(SPECIAL),
        chat_template=TEMPLATE,
    ).save_pretrained(folder)
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    ends = {"bos_token_id": None, "eos_token_id": EOS, "pad_token_id": None}
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        architecture,
        vocab_size=vocabulary,
        max_position_embeddings=2048,
        tie_word_embeddings=tied,
        **{**sizes, **ends, **ARCHITECTURES[architecture]},
    )
    model = AutoModelForCausalLM.from_config(config)
    # Every hidden state points in one direction, and so does EOS: its logit is sqrt(hidden_size) = 8, others near 0.
    direction = torch.tensor([1.0, -1.0]).repeat(config.hidden_size // 2) / config.hidden_size**0.5
    with torch.no_grad():
        model.get_input_embeddings().weight += direction
        model.get_output_embeddings().weight[EOS] += direction
    model.save_pretrained(folder)
    return folder
