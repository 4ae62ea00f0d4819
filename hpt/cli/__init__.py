# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The command ``hpt``: one way to every tool. Training is ``python -m recipe.hpt.main_hpt``, as verl's users know it."""

from hpt.cli.app import main

__all__ = ["main"]
