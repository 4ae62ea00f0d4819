# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The smallest base model, and the task's texts as tokens."""

from recipe.hpt.reproduction.task.model import BaseModelSettings

TINY = BaseModelSettings(
    steps=3, batch_size=4, hidden_size=32, num_layers=1, num_heads=1, eval_per_level=2
)  # fmt: skip
FULL_TEXT = r"37+8x3=3:37+8,2:45+8,1:53+8,0:61 \boxed{61}"


def encode(tokenizer, text):
    return tokenizer.encode(text, add_special_tokens=False)
