# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What this machine has: versions, GPUs, memory. Nothing here imports torch or touches a GPU."""

import contextlib
import importlib.metadata
import os
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from hpt.common.errors import ConfigError

STACK = ("verl", "torch", "vllm", "ray", "transformers", "tensordict")
FLASH_ATTENTION = "flash-attn"
BUDGET = "GPU_MEMORY_GIB"
"""Environment variable: a GPU's memory in GiB, for a check on a machine without the run's GPUs."""
DRIVER = Version("580")
"""The first driver for CUDA 13, with which the pinned torch and vLLM are built; all of CUDA 13 runs on it.

Source: docs.nvidia.com/deploy/cuda-compatibility, "Minor Version Compatibility".
"""
# The extras of verl that setup.py's extra `gpu` takes, and those that they take.
_GPU_EXTRAS = ("vllm", "fsdp", "verl-core", "flash-attn-cu130torch211")
REQUIREMENTS = Path(__file__).parents[2] / "requirements"
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Gpu:
    """A GPU of this machine: memory in bytes, and the driver's version."""

    name: str
    total: int
    free: int
    driver: str


def pins(on_cpu: bool) -> dict[str, SpecifierSet]:
    """Read the versions of the stack that this project names.

    requirements/cpu.txt and gpu.txt pin them all. Where hpt is installed without the checkout, those for a GPU come
    from the extras of verl that setup.py names.

    Returns:
        distribution -> versions; empty if neither the file nor the metadata is there.
    """
    file = REQUIREMENTS / ("cpu.txt" if on_cpu else "gpu.txt")
    if file.exists():
        return _specifiers(line for line in file.read_text().splitlines() if line and not line.startswith("#"))
    if on_cpu:
        return {}
    try:
        lines = [*(importlib.metadata.requires("hpt") or []), *(importlib.metadata.requires("verl") or [])]
    except importlib.metadata.PackageNotFoundError:
        return {}
    return _specifiers(lines, ("gpu", *_GPU_EXTRAS))


def _specifiers(requirements: Iterable[str], extras: Sequence[str] = ()) -> dict[str, SpecifierSet]:
    found: dict[str, SpecifierSet] = {}
    for line in requirements:
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            name = canonicalize_name(requirement.name)
            found[name] = found.get(name, SpecifierSet()) & requirement.specifier
    return found


def gpus() -> list[Gpu] | None:
    """Ask nvidia-smi for this machine's GPUs that CUDA_VISIBLE_DEVICES names; None without a working nvidia-smi.

    CUDA itself would take some memory of a GPU for as long as this process lives.
    """
    command = [
        "nvidia-smi",
        "--query-gpu=name,driver_version,memory.total,memory.free",
        "--format=csv,noheader,nounits",
    ]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and not visible.strip():
        return []
    if visible:
        command += ["-i", visible]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (FileNotFoundError, PermissionError, subprocess.TimeoutExpired):
        return None
    return _parsed(done.stdout) if done.returncode == 0 else None


def _parsed(answer: str) -> list[Gpu]:
    """Parse nvidia-smi's lines "name, driver, total, free", in MiB."""
    found = []
    for line in answer.strip().splitlines():
        name, driver, total, free = (part.strip() for part in line.rsplit(",", 3))
        if total.isdigit() and free.isdigit():  # [N/A]: it shares the main memory
            found.append(Gpu(name, int(total) << 20, int(free) << 20, driver))
    return found


def budget() -> int | None:
    """Bytes of a GPU as the environment gives them; None: it does not.

    Raises:
        ConfigError: the variable is no positive number.
    """
    text = os.environ.get(BUDGET)
    if not text:
        return None
    with contextlib.suppress(ValueError, OverflowError):
        if (value := int(float(text) * (1 << 30))) > 0:
            return value
    raise ConfigError(f"got {BUDGET}={text}; expected GiB of one GPU, a number > 0")


def main_memory() -> int:
    """Bytes of main memory that the machine, or this process's cgroup, has."""
    total = psutil.virtual_memory().total
    try:
        return min(total, int((_CGROUP / "memory.max").read_text()))
    except (OSError, ValueError):  # "max": no limit
        return total
