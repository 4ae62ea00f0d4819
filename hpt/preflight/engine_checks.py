# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What vLLM needs from the model: positions for its sequences, and a way for its weights."""

import math
import shutil

from hpt.preflight import memory
from hpt.preflight.machine_checks import gib
from hpt.preflight.table import Check, Context, failed, passed

_ROLLOUT = "actor_rollout_ref.rollout"
_BUCKET = f"{_ROLLOUT}.checkpoint_engine.update_weights_bucket_megabytes"
SHARED_MEMORY = "/dev/shm"
MIB = 1 << 20


def context_length(context: Context) -> list[Check]:
    """vLLM's longest sequence is not longer than what the model has positions for; verl's server refuses it late."""
    assert context.sizes is not None
    name, positions = "context", context.sizes.positions
    length = context.config.actor_rollout_ref.rollout.max_model_len
    if positions is not None and length > positions:
        found = f"got {_ROLLOUT}.max_model_len={length} and a model of {positions} positions"
        return [failed(name, found, "expected no more: lower data.max_prompt_length or data.max_response_length")]
    return [passed(name, f"sequences of up to {length} tokens")]


def weight_transfer(context: Context) -> list[Check]:
    """On a CPU, each tensor fits into the bucket in which verl sends weights, and the bucket into shared memory.

    GPUs have no such limit: a tensor that is larger than the bucket goes from process to process directly.
    """
    if not context.on_cpu:
        return []
    assert context.sizes is not None
    name, sizes, config = "weights to vLLM", context.sizes, context.config
    given = config.actor_rollout_ref.rollout.checkpoint_engine.update_weights_bucket_megabytes
    needed = math.ceil(memory.transfer_bytes(sizes.largest, config) / MIB)
    tensor = f"the model's largest tensor has {needed} MiB"
    if needed > given:
        return [failed(name, f"got {_BUCKET}={given}, and {tensor}", f"expected at least {needed}")]
    sent = min(given * MIB, memory.transfer_bytes(sizes.sent, config))
    free = shutil.disk_usage(SHARED_MEMORY).free
    if sent > free:
        found = f"{gib(sent)} of shared memory needed, {gib(free)} free in {SHARED_MEMORY}"
        return [failed(name, found, f"give the container more (docker run --shm-size), or lower {_BUCKET}")]
    return [passed(name, f"{tensor}, a bucket {given} MiB")]
