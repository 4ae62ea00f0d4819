# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Copies of checkpoint folders: byte for byte, or hard links."""

import os
from pathlib import Path

from tqdm import tqdm

_BLOCK = 1 << 24


def checkpoint_files(folder: Path) -> list[Path]:
    """A checkpoint's files relative to its folder, without hidden ones such as .git and .cache."""
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        here = Path(parent).relative_to(folder)
        found += [here / name for name in sorted(names) if not name.startswith(".")]
    return found


def _real_files(folder: Path, skip: set[str]) -> dict[Path, Path]:
    """File, relative to the folder -> where its bytes are: a downloaded snapshot consists of symbolic links."""
    files = (file for file in checkpoint_files(folder) if str(file) not in skip)
    return {file: Path(os.path.realpath(folder / file)) for file in files}


def link_checkpoint(source: Path, target: Path, skip: set[str]) -> None:
    """Symbolic links in the folder ``target`` to all files of ``source`` but ``skip``."""
    for file, origin in _real_files(source, skip).items():
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        (target / file).symlink_to(origin)


def copy_checkpoint(source: Path, target: Path, skip: set[str], link: bool, progress: bool = True) -> None:
    """Fill the folder ``target`` with the files of ``source`` but ``skip``.

    Args:
        link: make hard links, which take no space; both folders are on one file system. Whoever writes into such a
            file changes both.
        progress: show a progress bar in bytes.

    Raises:
        OSError: no space, or a link across file systems.
    """
    real = _real_files(source, skip)
    total = sum(file.stat().st_size for file in real.values())
    with tqdm(total=total, desc="copying", unit="B", unit_scale=True, disable=not progress) as bar:
        for file, origin in real.items():
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            if link:
                os.link(origin, target / file)
                bar.update(origin.stat().st_size)
            else:
                _copy(origin, target / file, bar)


def _copy(origin: Path, target: Path, bar: tqdm) -> None:
    with open(origin, "rb") as reader, open(target, "wb") as writer:
        while block := reader.read(_BLOCK):
            writer.write(block)
            bar.update(len(block))
        writer.flush()
        os.fsync(writer.fileno())
