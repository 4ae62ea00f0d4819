# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The Hugging Face copy in the checkpoints of a LoRA model: the merged model, and the adapters beside it.

verl writes the state of the model that it trains. With LoRA that is PEFT's, whose names no plain model has.
"""

import copy
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, get_peft_model
from verl.utils.checkpoint.fsdp_checkpoint_manager import FSDPCheckpointManager
from verl.utils.fsdp_utils import get_fsdp_full_state_dict

MERGED, ADAPTER = "huggingface", "lora_adapter"
"""Folders in a checkpoint's folder ``actor``: the merged model, and the adapters in PEFT's format."""


class AdapterCheckpointManager(FSDPCheckpointManager):
    """verl's manager of FSDP checkpoints for a model with adapters; its Hugging Face copy is the merged model."""

    should_save_hf_model = False  # verl's own copy

    def save_checkpoint(
        self, local_path: str, hdfs_path: str | None = None, global_step: int = 0, max_ckpt_to_keep: int | None = None
    ) -> None:
        """Write a checkpoint into the folder ``local_path``, as verl does, and the copy if it is asked for."""
        super().save_checkpoint(local_path, hdfs_path, global_step, max_ckpt_to_keep)
        if "hf_model" in self.checkpoint_save_contents:
            state = get_fsdp_full_state_dict(self.model, offload_to_cpu=True, rank0_only=True)
            if self.rank == 0:
                save_merged(peft_model_of(self.model), state, Path(local_path))
            torch.distributed.barrier()


def peft_model_of(module: Any) -> Any:
    """The PEFT model that an engine's module is (FSDP2) or wraps (FSDP); None: it has no adapters."""
    model = getattr(module, "_fsdp_wrapped_module", module)
    return model if isinstance(model, PeftModel) else None


def use_adapter_checkpoints(engine: Any) -> None:
    """Give an engine whose model has adapters the manager above in place of verl's."""
    if peft_model_of(engine.module) is not None:
        verls = engine.checkpoint_manager
        engine.checkpoint_manager = AdapterCheckpointManager(
            verls.model,
            verls.optimizer,
            lr_scheduler=verls.lr_scheduler,
            processing_class=verls.processing_class,
            checkpoint_config=verls.checkpoint_config,
            trust_remote_code=verls.trust_remote_code,
        )


def save_merged(model: Any, state: dict[str, torch.Tensor], folder: Path) -> None:
    """Write the adapters and the merged model into ``folder``.

    PEFT merges in main memory, so the weights of the model in training stay as they are.

    Args:
        model: the PEFT model, for its configurations; its weights may be sharded.
        state: PEFT's name -> whole tensor in main memory; the merge changes them.
    """
    base = model.get_base_model()
    with torch.device("meta"):
        whole = get_peft_model(type(base)(base.config), copy.deepcopy(model.peft_config["default"]))
    whole.load_state_dict(state, assign=True)
    whole.get_base_model().tie_weights()
    whole.save_pretrained(folder / ADAPTER, save_embedding_layers=False)
    merged = whole.merge_and_unload(safe_merge=True)
    merged.generation_config = base.generation_config
    merged.save_pretrained(folder / MERGED)
