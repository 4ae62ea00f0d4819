# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Read checkpoints back."""

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM


def parameters(folder: Path) -> dict[str, torch.Tensor]:
    """Name -> value for every parameter of a Hugging Face checkpoint."""
    return dict(AutoModelForCausalLM.from_pretrained(folder).state_dict())
