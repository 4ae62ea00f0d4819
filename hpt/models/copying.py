# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Fills a folder with a checkpoint's files: symbolic links first, then copies or hard links in their place."""

import os
import shutil
from pathlib import Path

from tqdm import tqdm

from hpt.common.files import visible_files

_BLOCK = 1 << 24


def link_checkpoint(source: Path, target: Path) -> None:
    """Make symbolic links in ``target`` to all visible files of ``source`` that ``target`` does not have.

    The links lead to where the bytes are, because a downloaded snapshot consists of symbolic links itself.
    """
    for file in visible_files(source):
        if not (target / file).exists():
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            (target / file).symlink_to(os.path.realpath(source / file))


def copy_links(folder: Path, hard: bool, progress: bool = True) -> None:
    """Replace all symbolic links in ``folder`` by the files to which they lead.

    Args:
        hard: make hard links, which take no space. The files must be on the folder's file system, and whoever writes
            into such a file changes the other one, too.
        progress: show a progress bar for each file.

    Raises:
        OSError: there is no space, or a hard link would cross file systems.
    """
    for link in (folder / file for file in visible_files(folder)):
        if link.is_symlink():
            origin = link.readlink()
            link.unlink()
            if hard:
                os.link(origin, link)
            else:
                _copy(origin, link, progress)


def _copy(origin: Path, target: Path, progress: bool) -> None:
    options = {"total": origin.stat().st_size, "desc": f"copying {target.name}", "disable": not progress}
    with open(origin, "rb") as file, tqdm.wrapattr(file, "read", **options) as reader, open(target, "wb") as writer:
        shutil.copyfileobj(reader, writer, _BLOCK)
        writer.flush()
        os.fsync(writer.fileno())
