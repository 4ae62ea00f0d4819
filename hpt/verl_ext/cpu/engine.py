# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""verl's FSDP engine, whose merged LoRA weights go to vLLM in the precision in which vLLM computes on a CPU."""

from collections.abc import Iterator

import torch
from torch.distributed.tensor import DTensor
from verl.utils.fsdp_utils import merged_lora_context, normalize_peft_param_name
from verl.workers.engine.fsdp.transformer_impl import FSDPEngineWithLMHead


class CPUEngine(FSDPEngineWithLMHead):
    """The engine of language models."""

    def _merged_lora_per_tensor_param(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield plain names and whole merged weights; verl's would round them to bfloat16."""
        with merged_lora_context(self.module, backup_adapters=True):
            for name, weight in normalize_peft_param_name(self.module.state_dict()).items():
                whole = weight.full_tensor() if isinstance(weight, DTensor) else weight
                yield name, whole.clone()  # on one rank it is the actor's own, which the context restores
