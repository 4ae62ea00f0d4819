# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Entry point of the setuptools group ``verl.plugins``: runs on every ``import verl``.

verl logs a failing plug-in at DEBUG only, so this module stays small, does nothing that can fail
on a GPU machine, and a test asserts that the platform is registered.
"""

import hpt.verl_ext.cpu.platform  # noqa: F401  (registers itself)
