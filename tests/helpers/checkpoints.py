# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Read checkpoints back, and write what makes a folder one."""

import json
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

from hpt.common.files import DATA_STATE, TRACKER


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
