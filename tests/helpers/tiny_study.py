# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The study's command on a tiny task that was made before: python tiny_study.py TASK [arguments]."""

import shutil
import sys
from pathlib import Path

from recipe.hpt.reproduction.study import command as study
from recipe.hpt.reproduction.study.settings import Settings


def main() -> int:
    task, *arguments = sys.argv[1:]

    def make_task(folder: Path, seed: int, settings: Settings) -> None:
        if not folder.exists():
            shutil.copytree(task, folder)

    return study.main(arguments, make_task=make_task)


if __name__ == "__main__":
    sys.exit(main())
