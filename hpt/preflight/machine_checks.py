# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of the machine: versions, GPUs, memory, disk and write rights."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from packaging.specifiers import SpecifierSet

from hpt.preflight import environment, memory
from hpt.preflight.context import Context
from hpt.preflight.memory import GIB, Estimate
from hpt.preflight.run_record import folder_of
from hpt.preflight.table import Check, failed, passed, warned

NO_FLASH_ATTENTION = ("sdpa", "eager")
SMALLER = (
    "more GPUs (trainer.n_gpus_per_node, trainer.nnodes), a smaller model, or "
    "actor_rollout_ref.actor.fsdp_config.offload_policy=true"
)


def gib(size: float) -> str:
    return f"{size / GIB:.1f} GiB" if size >= GIB / 10 else f"{size / (1 << 20):.1f} MiB"


# ---- versions ----


def versions(context: Context) -> list[Check]:
    """The stack against what the project was made for: missing packages and another verl fail, other versions warn.

    On a machine without a GPU a training for GPUs will not run, so that its packages may be missing there.
    """
    device = "cpu" if context.on_cpu else "gpu"
    pins = environment.pins(device, context.requirements)
    lacking = failed if context.on_cpu or environment.gpus() else warned
    names = [*environment.STACK]
    if needs_flash_attention(context.config):
        names.append(environment.FLASH_ATTENTION)
    lines, good = [], []
    for name in names:
        installed = environment.version_of(environment.distribution(name, device))
        wanted = pins.get(environment.distribution(name, device))
        expected = f"expected {name} {_exact(wanted)}" if wanted else f"install {name}"
        if installed is None:
            lines.append(lacking("versions", f"{name} is not installed", expected))
        elif wanted is None or wanted.contains(installed, prereleases=True):
            good.append(f"{name} {installed}" + ("" if wanted else " (not pinned)"))
        elif name == "verl":  # its internals are what is extended
            lines.append(failed("versions", f"verl {installed}", expected))
        else:
            told = f"{expected}; others were not tested"
            lines.append(warned("versions", f"{name} {installed}", told))
    return [*lines, passed("versions", ", ".join(good))] if good else lines


def _exact(wanted: SpecifierSet) -> str:
    """The one version that is asked for, or else the whole range."""
    return next((item.version for item in wanted if item.operator == "=="), str(wanted))


def needs_flash_attention(config: DictConfig) -> bool:
    """verl packs rows without padding with flash-attn's functions, and transformers takes its attention unless told."""
    if config.trainer.device == "cpu":
        return False
    model = config.actor_rollout_ref.model
    attention = OmegaConf.select(model, "override_config.attn_implementation")
    return bool(model.use_remove_padding) or attention not in NO_FLASH_ATTENTION


# ---- memory of the ranks ----


def gpus_elsewhere(config: DictConfig) -> bool:
    """Whether Ray may place ranks on other machines than this one."""
    address = OmegaConf.select(config, "ray_kwargs.ray_init.address")
    return bool(address or os.environ.get("RAY_ADDRESS") or config.trainer.nnodes > 1)


def devices(context: Context) -> list[Check]:
    """The GPUs of this machine against those of the run."""
    config = context.config
    wanted = config.trainer.n_gpus_per_node
    if context.on_cpu:
        return [passed("GPUs", f"none needed: ranks are processes of this machine ({wanted})")]
    found = environment.gpus()
    if not found:
        advice = f"run it where the training will run; {environment.BUDGET}=80 compares the estimate with 80 GiB"
        return [warned("GPUs", "this machine has none that nvidia-smi shows", advice)]
    names = ", ".join(sorted({gpu.name for gpu in found}))
    told = f"{len(found)} x {names}, {gib(min(gpu.total for gpu in found))} each"
    if len(found) < wanted:
        line = warned if gpus_elsewhere(config) else failed
        advice = f"expected trainer.n_gpus_per_node={wanted}: set it to {len(found)}"
        return [line("GPUs", told, advice)]
    busy = [gpu for gpu in found if gpu.free < 0.95 * gpu.total]
    if busy:
        least = gib(min(gpu.free for gpu in busy))
        advice = "end the processes that nvidia-smi shows"
        return [warned("GPUs", f"{told}; {len(busy)} in use, {least} free on the fullest", advice)]
    return [passed("GPUs", told)]


@dataclass(frozen=True)
class Device:
    """What a rank may take.

    Attributes:
        total, free: bytes it has, and those that nobody else uses now.
        whose: in words.
    """

    total: int
    free: int
    whose: str


def device_of_rank(config: DictConfig) -> Device | None:
    """The smallest device of this machine, or what the environment names in its place; None: not known."""
    if config.trainer.device == "cpu":
        total, available = environment.host_memory()
        ranks = config.trainer.n_gpus_per_node
        return Device(total // ranks, available // ranks, f"main memory / {ranks}")
    if (budget := environment.budget()) is not None:
        return Device(budget, budget, environment.BUDGET)
    found = environment.gpus()
    if not found:
        return None
    total = min(gpu.total for gpu in found)
    return Device(total, total, "this machine's GPUs")


def certain_problem(config: DictConfig, found: Estimate, device: Device) -> str | None:
    """Why a device of this size cannot hold the training whatever the batch; None: it may."""
    if found.least > device.total:
        parts = ", ".join(gib(part) for part in (found.weights, found.gradients, found.adam))
        return (
            f"weights, gradients and Adam take {gib(found.least)} per rank ({parts}) on "
            f"{memory.shards_of(config)} ranks, the device has {gib(device.total)} ({device.whose})"
        )
    share = found.vllm_share * device.total
    if config.trainer.device != "cpu" and found.vllm_weights > share:
        return (
            f"vLLM's weights take {gib(found.vllm_weights)} per GPU, its share is {gib(share)} "
            f"(actor_rollout_ref.rollout.gpu_memory_utilization={found.vllm_share:g})"
        )
    return None


def device_memory(context: Context) -> list[Check]:
    """The estimate, and whether it fits."""
    assert context.sizes is not None
    name, config = "memory per rank", context.config
    found = context.estimate = memory.estimate(context.sizes, config)
    context.notes.append(memory.NOTE)
    device = device_of_rank(config)
    lines = [_estimate_line(name, found, device)]
    if device is None:
        advice = f"set {environment.BUDGET} to compare it with a GPU's memory"
        return [*lines, warned(name, "not compared: no GPU here", advice)]
    if problem := certain_problem(config, found, device):
        return [*lines, failed(name, problem, SMALLER)]
    return [*lines, *_fits(name, config, found, device)]


def _estimate_line(name: str, found: Estimate, device: Device | None) -> Check:
    parts = {
        "weights": found.weights,
        "gradients": found.gradients,
        "Adam": found.adam,
        "gathered": found.gathered,
        "activations": found.activations,
        "logits": found.logits,
        "overhead": found.overhead,
    }
    where = " (weights, gradients and Adam in main memory)" if found.on_host else ""
    told = ", ".join(f"{part} {gib(size)}" for part, size in parts.items())
    return passed(name, f"update about {gib(found.update(device.total if device else None))}: {told}{where}")


def _fits(name: str, config: DictConfig, found: Estimate, device: Device) -> list[Check]:
    lines, has = [], f"{gib(device.free)} ({device.whose})"
    if found.update(device.total) > device.free:
        advice = (
            "lower actor_rollout_ref.actor.ppo_max_token_len_per_gpu (not below the longest row), "
            "actor_rollout_ref.rollout.log_prob_max_token_len_per_gpu or the lengths; or set "
            "actor_rollout_ref.actor.fsdp_config.offload_policy=true"
        )
        lines.append(warned(name, f"the update may not fit into {has}", advice))
    share = found.vllm_share * device.total
    if config.trainer.device != "cpu" and found.beside_vllm + share > device.free:
        room = max(0.0, 1 - found.beside_vllm / device.total)
        advice = (
            f"actor_rollout_ref.rollout.gpu_memory_utilization={room:.2f} or less, or "
            "actor_rollout_ref.actor.fsdp_config.optimizer_offload=true"
        )
        told = f"sampling may not fit: {gib(found.beside_vllm)} stay beside vLLM's {gib(share)}"
        lines.append(warned(name, f"{told}, of {has}", advice))
    return lines or [passed(name, f"fits into {has}")]


def host(context: Context) -> list[Check]:
    """Main memory for loading and for what is offloaded; on a CPU the ranks' memory is compared instead."""
    assert context.sizes is not None
    _, available = environment.host_memory()
    if context.on_cpu:
        return [passed("main memory", f"{gib(available)} available; compared above")]
    needed = memory.host_bytes(context.sizes, context.config)
    told = f"about {gib(needed)} for loading and offloading, {gib(available)} available here"
    if needed > available:
        return [warned("main memory", told, "ask for nodes with more memory, or offload less")]
    return [passed("main memory", told)]


# ---- the output folder ----


def output(context: Context) -> list[Check]:
    """Whether the run's folder can be made and written to."""
    folder = folder_of(context.config)
    place = existing(folder)
    if not place.is_dir():
        return [failed("output folder", f"{place} is a file", "name another trainer.default_local_dir")]
    try:
        # Gone when closed. Rights alone do not tell: root has them all, and quotas and mounts have their say.
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        advice = "name another trainer.default_local_dir, or ask for the right to write"
        return [failed("output folder", f"{place} cannot be written to ({error.strerror})", advice)]
    new = "" if place == folder else " (will be made)"
    return [passed("output folder", f"{folder}{new}")]


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    while not folder.exists():
        folder = folder.parent
    return folder


def disk(context: Context) -> list[Check]:
    """Checkpoints that will be kept against free space."""
    assert context.sizes is not None
    config, trainer = context.config, context.config.trainer
    free = shutil.disk_usage(existing(folder_of(config))).free
    if trainer.save_freq <= 0:
        return [
            warned(
                "disk",
                f"no checkpoints (trainer.save_freq={trainer.save_freq}); {gib(free)} free",
                "set trainer.save_freq to be able to resume",
            )
        ]
    one = memory.checkpoint_bytes(context.sizes, config)
    keep = trainer.max_actor_ckpt_to_keep
    total = trainer.total_training_steps
    saved = -(-total // trainer.save_freq) if total else None
    count = min((number for number in (keep, saved) if number), default=None)
    if count is None:
        advice = "set trainer.max_actor_ckpt_to_keep"
        return [warned("disk", f"{gib(one)} per checkpoint, all are kept; {gib(free)} free", advice)]
    told = f"{count} checkpoints of {gib(one)}, {gib(free)} free"
    if count * one > free:
        advice = (
            "free some space, name another trainer.default_local_dir, lower trainer.max_actor_ckpt_to_keep, or leave hf_model "
            "out of actor_rollout_ref.actor.checkpoint.save_contents"
        )
        return [failed("disk", told, advice)]
    return [passed("disk", told)]
