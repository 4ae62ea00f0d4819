# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Memory of one rank, estimated from the model's sizes and the settings.

Symbols: P parameters in L layers of P_l each, S ranks that share them (FSDP), h, f, k the widths of the residual
stream, the feed-forward part and the keys, V the vocabulary, T tokens of the largest micro-batch on a rank, b the bytes
of a number in which the actor is kept (``model_dtype``), c of one in which it computes (``param_dtype``).

    weights        P b / S
    gradients      P b / S
    Adam           2 P b / S
    gathered       c (2 P_l + V h) + 4 P_l   two layers and the output embedding whole, one layer's gradient whole
    activations    c T h L + one layer's T (c (6 h + 2 k + 4 f) + 8 h)     with gradient checkpointing
                   L times one layer's                                     without
    logits         copies x c T V     1, 2 with their gradient where flash-attn does not overwrite them, 2 more for an
                                      entropy that is not compiled; the pass for log pi_old has its own T
    vLLM           its share of the device, while rollouts are sampled; at all times where it does not sleep
    overhead       3 GiB of a GPU: CUDA context, NCCL, allocator (an assumption); on a CPU vLLM's weights and cache

One layer's activations are what a pre-norm decoder with a gated feed-forward part, 32-bit norms and an attention that
does not store its scores keeps for the backward pass, counted in the way of arXiv 2205.05198, section 4.

The update needs weights, gradients, Adam, gathered, activations, logits and overhead; sampling needs weights, Adam,
vLLM's share and overhead. Limits: fragmentation, other architectures (mixtures of experts, images), LoRA, fused
kernels, activation offload and attention kernels that store scores are not in it, so that only weights, gradients and
Adam together are a certain lower bound. Activations were compared with autograd's on a CPU, nothing with a GPU: expect
some 30 % more or less.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from omegaconf import DictConfig, OmegaConf

from hpt.preflight.model import ModelSizes

GIB = 1 << 30
OVERHEAD_BYTES = 3 * GIB
NOTE = (
    "Memory: P parameters of b bytes over S ranks: weights P b / S, gradients P b / S, Adam 2 P b / S; whole layers, "
    "activations, logits (tokens x vocabulary) and 3 GiB of overhead on top. An estimate, some 30 % more "
    "or less; certain are the first three only. Not in it: LoRA, experts, fused kernels, fragmentation; see hpt/preflight/memory.py."
)
_BYTES = {
    "fp32": 4, "float32": 4, "float": 4, "32": 4, "bf16": 2, "bfloat16": 2, "fp16": 2, "float16": 2, "16": 2,
}  # fmt: skip
_REDUCED_BYTES = 4  # gradients are summed over ranks in 32 bits


@dataclass(frozen=True)
class Estimate:
    """Bytes of one rank.

    Attributes:
        weights, gradients, adam: this rank's share; on the host where ``on_host``.
        gathered, activations, logits, overhead: see the module.
        vllm_weights: vLLM's own copy, in its share of the device.
        on_host: weights, gradients and Adam live in main memory (``offload_policy``).
        adam_moves, weights_move: they leave the device while rollouts are sampled.
        vllm_stays: vLLM keeps its share during the update.
        vllm_share: of the device's memory.
        certain: weights, gradients and Adam are a lower bound (not with LoRA).
    """

    weights: float
    gradients: float
    adam: float
    gathered: float
    activations: float
    logits: float
    overhead: float
    vllm_weights: float
    vllm_share: float
    on_host: bool = False
    adam_moves: bool = False
    weights_move: bool = False
    vllm_stays: bool = False
    certain: bool = True

    @property
    def least(self) -> float:
        """What an optimizer step needs on the device whatever the batch; 0 where nothing is certain."""
        if self.on_host or not self.certain:
            return 0.0
        return self.weights + self.gradients + self.adam

    def update(self, device: float | None = None) -> float:
        """The peak of an optimizer step; ``device``: its bytes, for vLLM's share where that stays."""
        kept = 0.0 if self.on_host else self.weights + self.gradients + self.adam
        vllm = self.vllm_share * device if self.vllm_stays and device else 0.0
        return kept + self.gathered + self.activations + self.logits + self.overhead + vllm

    @property
    def beside_vllm(self) -> float:
        """What stays on the device while rollouts are sampled."""
        weights = 0.0 if self.on_host or self.weights_move else self.weights
        adam = 0.0 if self.on_host or self.adam_moves else self.adam
        return weights + adam + self.overhead


def estimate(sizes: ModelSizes, config: DictConfig) -> Estimate:
    """The estimate for a configuration that has passed :func:`hpt.verl_ext.validation.check_batch`."""
    actor, rollout = config.actor_rollout_ref.actor, config.actor_rollout_ref.rollout
    kept, computed = _precisions(actor)
    shards = shards_of(config)
    parallel = actor.get("ulysses_sequence_parallel_size") or 1
    layer, head = sizes.layer_parameters, sizes.vocabulary * sizes.hidden
    on_cpu = config.trainer.device == "cpu"
    fsdp = actor.fsdp_config
    vllm_weights = sizes.parameters * _bytes(rollout.dtype, 2) / rollout.tensor_model_parallel_size
    return Estimate(
        weights=sizes.parameters * kept / shards,
        gradients=sizes.parameters * kept / shards,
        adam=2 * sizes.parameters * kept / shards,
        gathered=computed * (2 * layer + head) + _REDUCED_BYTES * layer,
        activations=_activations(sizes, config, micro_batch_tokens(config) / parallel, computed),
        logits=_logits(sizes, config, parallel, computed),
        overhead=_cpu_cache() + vllm_weights if on_cpu else OVERHEAD_BYTES,
        vllm_weights=vllm_weights,
        # On a CPU vLLM takes what it is told, not a share.
        vllm_share=0.0 if on_cpu else float(rollout.gpu_memory_utilization),
        on_host=bool(fsdp.offload_policy),
        adam_moves=bool(fsdp.optimizer_offload),
        weights_move=bool(fsdp.param_offload),
        vllm_stays=not rollout.free_cache_engine,
        certain=not config.actor_rollout_ref.model.lora_rank,
    )


def shards_of(config: DictConfig) -> int:
    """Ranks that share one copy of the actor."""
    ranks = config.trainer.nnodes * config.trainer.n_gpus_per_node
    size = config.actor_rollout_ref.actor.fsdp_config.fsdp_size
    return size if 0 < size < ranks else ranks


def longest_row(config: DictConfig) -> int:
    """Tokens of the longest row: prompt and response, or gold solution."""
    data = config.data
    target = OmegaConf.select(config, "data.max_target_length") or 0
    return data.max_prompt_length + max(data.max_response_length, target)


def micro_batch_tokens(config: DictConfig) -> int:
    """Tokens of the largest micro-batch of an update."""
    actor = config.actor_rollout_ref.actor
    if actor.use_dynamic_bsz:
        return actor.ppo_max_token_len_per_gpu
    return (actor.ppo_micro_batch_size_per_gpu or 1) * longest_row(config)


def checkpoint_bytes(sizes: ModelSizes, config: DictConfig) -> int:
    """One checkpoint of all ranks: weights, Adam and the Hugging Face copy, as far as they are saved.

    verl writes the copy in the precision in which the actor is kept.
    """
    actor = config.actor_rollout_ref.actor
    kept, _ = _precisions(actor)
    contents = set(actor.checkpoint.save_contents)
    share = {"model": 1, "optimizer": 2, "hf_model": 1}
    return sizes.parameters * kept * sum(share.get(content, 0) for content in contents)


def host_bytes(sizes: ModelSizes, config: DictConfig) -> int:
    """Main memory of a node: the model while it is loaded, and what is kept there on purpose.

    With tied embeddings every rank loads the whole model, otherwise one does.
    """
    kept, _ = _precisions(config.actor_rollout_ref.actor)
    fsdp, ranks = config.actor_rollout_ref.actor.fsdp_config, config.trainer.n_gpus_per_node
    loaded = sizes.parameters * kept * (ranks if sizes.tied else 1)
    both = bool(fsdp.offload_policy)
    copies = 2 * (both or fsdp.param_offload) + 2 * (both or fsdp.optimizer_offload)
    offloaded = copies * sizes.parameters * kept * ranks // shards_of(config)
    return max(loaded, offloaded)


def _precisions(actor: DictConfig) -> tuple[int, int]:
    """Bytes of a number of the actor: as it is kept, and as it computes."""
    mixed = OmegaConf.select(actor, "fsdp_config.mixed_precision")
    computed = mixed.get("param_dtype") if isinstance(mixed, DictConfig | Mapping) else None
    return _bytes(actor.fsdp_config.model_dtype, 4), _bytes(computed, 2)


def _cpu_cache() -> float:
    """Bytes of vLLM's cache on a CPU; its variable counts GiB."""
    return float(os.environ.get("VLLM_CPU_KVCACHE_SPACE") or 1) * GIB


def _bytes(name: object, default: int) -> int:
    return _BYTES.get(str(name), default)


def _activations(sizes: ModelSizes, config: DictConfig, tokens: float, computed: int) -> float:
    stored = computed * (6 * sizes.hidden + 2 * sizes.key_value + 4 * sizes.intermediate)
    layer = tokens * (stored + 8 * sizes.hidden)
    if not config.actor_rollout_ref.model.enable_gradient_checkpointing:
        return sizes.layers * layer
    return computed * tokens * sizes.hidden * sizes.layers + layer


def _logits(sizes: ModelSizes, config: DictConfig, parallel: int, computed: int) -> float:
    """The larger of an update's and of the pass for log pi_old."""
    model, rollout = config.actor_rollout_ref.model, config.actor_rollout_ref.rollout
    actor = config.actor_rollout_ref.actor
    if model.use_fused_kernels:
        return 0.0
    overwrites = config.trainer.device != "cpu" and model.use_remove_padding
    entropy = 0 if actor.fsdp_config.use_torch_compile else 2
    in_update = entropy if actor.calculate_entropy or actor.entropy_coeff else 0
    update = (1 if overwrites else 2) + in_update
    tokens = micro_batch_tokens(config)
    if rollout.log_prob_use_dynamic_bsz:
        before = rollout.log_prob_max_token_len_per_gpu
    else:
        before = (rollout.log_prob_micro_batch_size_per_gpu or 1) * longest_row(config)
    # That pass always computes the entropy.
    return computed * sizes.vocabulary * max(update * tokens, (1 + entropy) * before) / parallel
