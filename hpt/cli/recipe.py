# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Commands that live in the checkout's ``recipe``, which is not installed: they are found there and started by name."""

import runpy
import sys
from pathlib import Path

from hpt.common.errors import HPTError

COMMANDS = {
    "report": ("recipe.hpt.reproduction.report", "make the paper's tables and figures from your runs"),
    "diagnose": ("recipe.hpt.reproduction.diagnose", "measure variance and bias of the gradient estimators"),
    "study": ("recipe.hpt.reproduction.study", "compare all methods on the built-in task"),
}
"""Name -> (module, summary)."""


def checkout() -> Path:
    """The folder that holds ``recipe/hpt``: the one this package was installed from, else the current one.

    Raises:
        HPTError: neither does.
    """
    for folder in (Path(__file__).resolve().parents[2], Path.cwd()):
        if (folder / "recipe" / "hpt" / "main_hpt.py").is_file():
            return folder
    names = ", ".join(COMMANDS)
    raise HPTError(f"got no checkout with recipe/hpt, which {names} need; run the command in the checkout's folder")


def run(name: str, *arguments: str) -> int:
    """Start a command in this process as ``python -m MODULE`` does.

    Raises:
        HPTError: there is no checkout.
    """
    sys.path.insert(0, str(checkout()))  # first: verl has a package `recipe`, too
    before, sys.argv = sys.argv, [name, *arguments]
    try:
        runpy.run_module(COMMANDS[name][0], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.argv = before
        del sys.path[0]
    return 0
