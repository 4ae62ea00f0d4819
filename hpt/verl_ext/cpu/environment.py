# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The environment of a run on the CPU platform. Imports neither torch nor verl."""

import os

NAME = "cpu"
PLATFORM_ENV = "VERL_PLATFORM"
# Set by :func:`hpt.verl_ext.cpu.platform.select` and inherited by every process of the run; the user's own values win.
ENVIRONMENT = {
    "VLLM_TARGET_DEVICE": "cpu",
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB; vLLM would take half of the memory
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # pinning to cores fights with the trainer's threads
    # Otherwise vLLM starts a second process for its single worker, to bind threads.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    # Ray would start an idle interpreter per logical slot, and there are more slots than cores.
    "RAY_prestart_worker_first_driver": "0",
    # Ray's head would keep a record of each call, up to 100,000, for its dashboard.
    "RAY_task_events_report_interval_ms": "0",
}


def is_selected() -> bool:
    """Whether this process belongs to a run on the CPU platform."""
    return os.environ.get(PLATFORM_ENV, "").strip().lower() == NAME
