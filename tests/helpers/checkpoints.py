# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Read checkpoints back, and write what makes a folder one; small random models to train from."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig, PreTrainedTokenizerFast

from hpt.common.files import DATA_STATE, TRACKER
from hpt.models.templates import TEMPLATES

ENDOFTEXT, IM_START, IM_END = SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def write_checkpoint(run: Path, step: int, complete: bool = True, tracked: bool = True) -> Path:
    """Write a checkpoint as far as its completeness shows; returns its folder."""
    folder = run / f"global_step_{step}"
    (folder / "actor" / "huggingface").mkdir(parents=True)
    (folder / "actor" / "fsdp_config.json").write_text(json.dumps({"FSDP_version": 2, "world_size": 1}))
    (folder / "actor" / "model_world_size_1_rank_0.pt").touch()
    if complete:
        torch.save({}, folder / DATA_STATE)
        if tracked:
            (run / TRACKER).write_text(str(step))
    return folder


def parameters(folder: Path) -> dict[str, torch.Tensor]:
    """Name -> value for every parameter of a Hugging Face checkpoint."""
    return dict(AutoModelForCausalLM.from_pretrained(folder).state_dict())


def write_model(
    folder: Path,
    architecture: str = "llama",
    *,
    eos: str | None = IM_END,
    pad: str | None = ENDOFTEXT,
    ends: int | Sequence[int] | None = SPECIALS.index(IM_END),
    generation: int | Sequence[int] | None = None,
    template: str | None = TEMPLATES["chatml"],
    **config: Any,
) -> Path:
    """Write a small random instruct model, with a token per character, into the new folder ``folder``.

    Args:
        architecture: model_type, as transformers names it.
        eos, pad: the tokenizer's tokens.
        ends: config.json's eos_token_id; ``generation``: generation_config.json's, the same unless given.
        config: further entries of config.json.
    """
    pieces = [*SPECIALS, "[UNK]", *map(chr, range(32, 127)), "\n"]
    raw = Tokenizer(models.WordLevel({piece: number for number, piece in enumerate(pieces)}, unk_token="[UNK]"))
    raw.pre_tokenizer, raw.decoder = pre_tokenizers.Split("", "isolated"), decoders.Fuse()
    raw.add_special_tokens(list(SPECIALS))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token=eos, pad_token=pad, chat_template=template)
    sizes = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    ids = {"eos_token_id": ends, "bos_token_id": None, "pad_token_id": None}
    further = {"num_key_value_heads": 2, "head_dim": 32, "max_position_embeddings": 256, "vocab_size": len(tokenizer)}
    torch.manual_seed(0)
    settings = AutoConfig.for_model(architecture, **{**sizes, **further, **ids, **config})
    model = AutoModelForCausalLM.from_config(settings, dtype=torch.float32)
    model.generation_config = GenerationConfig(eos_token_id=ends if generation is None else generation)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
