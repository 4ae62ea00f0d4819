# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The memory that a training certainly needs on a rank, and the size of its checkpoints.

P parameters of b bytes (``fsdp_config.model_dtype``), T of them trained, are shared by S ranks (FSDP). An optimizer
step then holds, whatever the batch:

    weights P b / S,  gradients T b / S,  Adam's two moments 2 T b / S

LoRA trains the adapters alone, which verl keeps in the precision of the weights.
``fsdp_config.offload_policy`` keeps them in main memory, otherwise they are on the rank's device. Everything else
(whole layers, activations, logits, vLLM's cache) depends on lengths and kernels and is not estimated.
"""

from dataclasses import dataclass

from omegaconf import DictConfig

from hpt.preflight.model import ModelSizes

_BYTES = {
    "fp32": 4, "float32": 4, "float": 4, "32": 4, "bf16": 2, "bfloat16": 2, "fp16": 2, "float16": 2, "16": 2,
}  # fmt: skip
_ADAM = ("Adam", "AdamW")


@dataclass(frozen=True)
class Needed:
    """Bytes that one rank certainly needs.

    Attributes:
        weights, gradients, adam: this rank's share; ``adam`` is 0 with another optimizer.
        vllm_weights: vLLM's own copy of the weights, which its share of the device has to hold.
        offloaded: weights, gradients and moments are in main memory, not on the device.
    """

    weights: float
    gradients: float
    adam: float
    vllm_weights: float
    offloaded: bool

    @property
    def step(self) -> float:
        """Bytes that an optimizer step holds."""
        return self.weights + self.gradients + self.adam


def needed(sizes: ModelSizes, config: DictConfig) -> Needed:
    """Compute what a rank needs."""
    actor, rollout = config.actor_rollout_ref.actor, config.actor_rollout_ref.rollout
    share = _actor_bytes(config) / shards_of(config)
    trained = _trained(sizes) * share
    moments = 2 if actor.optim.optimizer in _ADAM else 0
    vllm = sizes.parameters * _BYTES.get(str(rollout.dtype), 2) / rollout.tensor_model_parallel_size
    return Needed(_held(sizes) * share, trained, moments * trained, vllm, bool(actor.fsdp_config.offload_policy))


def shards_of(config: DictConfig) -> int:
    """Number of ranks that share one copy of the actor."""
    ranks = config.trainer.nnodes * config.trainer.n_gpus_per_node
    size = config.actor_rollout_ref.actor.fsdp_config.fsdp_size
    return size if 0 < size < ranks else ranks


def checkpoint_bytes(sizes: ModelSizes, config: DictConfig) -> int:
    """Size of one checkpoint of all ranks: weights, Adam's moments and the Hugging Face copy, as far as they are saved.

    The copy, with LoRA the merged model and the adapters, is in the precision in which the actor is kept.
    """
    settings = config.actor_rollout_ref.actor.checkpoint
    alone = sizes.adapters if settings.get("save_lora_only") else 0
    numbers = {"model": alone or _held(sizes), "optimizer": 2 * _trained(sizes), "hf_model": _held(sizes)}
    return _actor_bytes(config) * sum(numbers.get(content, 0) for content in set(settings.save_contents))


def transfer_bytes(numbers: int, config: DictConfig) -> int:
    """Bytes of that many values on their way to vLLM: verl sends them in the precision of the actor's weights."""
    return _actor_bytes(config) * numbers


def _held(sizes: ModelSizes) -> int:
    return sizes.parameters + sizes.adapters


def _trained(sizes: ModelSizes) -> int:
    return sizes.adapters or sizes.parameters


def _actor_bytes(config: DictConfig) -> int:
    return _BYTES.get(str(config.actor_rollout_ref.actor.fsdp_config.model_dtype), 4)
