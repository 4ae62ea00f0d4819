# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The device of these tests, and what they are skipped for.

All of them use one CUDA device. With ``HPT_TEST_DEVICE=cpu`` the same code runs on the CPU, as far as it can: that is
how it is tried out where there is no such device.
"""

import os
from pathlib import Path

import pytest

VARIABLE = "HPT_TEST_DEVICE"
FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items) -> None:
    for item in items:
        if item.path.is_relative_to(FOLDER):
            item.add_marker(pytest.mark.gpu)


@pytest.fixture(scope="session", autouse=True)
def device() -> str:
    """cuda, or the value of the variable; skips where there is no CUDA device."""
    name = os.environ.get(VARIABLE, "cuda")
    if name not in ("cuda", "cpu"):
        pytest.fail(f"got {VARIABLE}={name}; expected cuda or cpu")
    if name == "cuda" and (missing := missing_for_cuda()):
        pytest.skip(missing)
    return name


def missing_for_cuda() -> str | None:
    """What is missing for CUDA, and how to get it; None if nothing is."""
    import torch

    if torch.version.cuda is None:
        return f"torch {torch.__version__} is built without CUDA: activate an environment with the extra 'gpu'"
    if not torch.cuda.is_available():
        return f"torch {torch.__version__} finds no CUDA device: see nvidia-smi and CUDA_VISIBLE_DEVICES"
    return None


@pytest.fixture(scope="session")
def environment(device) -> dict[str, str]:
    """Variables for a process that computes on the device, without a network."""
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    return offline | ({"VERL_PLATFORM": "cpu"} if device == "cpu" else {})
