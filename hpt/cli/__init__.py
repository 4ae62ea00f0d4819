# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The command ``hpt``: one way to every tool. Training itself is ``python -m recipe.hpt.main_hpt``."""

from hpt.cli.app import main

__all__ = ["main"]
