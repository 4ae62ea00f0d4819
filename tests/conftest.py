# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Shared test configuration."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest
import yaml

from hpt.verl_ext.cpu import forkserver
from tests.helpers.hub import serving

# One thread per process: the tests start several processes on few cores, and OpenMP's waiting threads
# would take the time of those that work.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# OmegaConf reads YAML in Python, which takes two thirds of the time of composing a configuration. The tests compose
# hundreds of them.
yaml.SafeLoader = yaml.CSafeLoader

# Hypothesis fails an example that takes 200 ms, which a busy machine does at any time.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")

# A shell starts background jobs with SIGINT ignored. What the tests start and interrupt would inherit that.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parents[1]
# What commands spend their first seconds on. Our own modules are not among them, nor are verl and vLLM, which read the
# environment when they are imported. Ray has to wait for the first command.
LIBRARIES = ("torch", "transformers", "tensordict", "datasets", "peft", "hydra")
# The files that take longest come first: with the others behind them, all workers end at about the same time.
LONGEST = (
    "unit/cli/test_prepare.py",
    "unit/verl_ext/test_validation.py",
    "unit/reproduction/study/test_command.py",
    "unit/verl_ext/test_worker.py",
    "unit/verl_ext/cpu/test_platform.py",
    "unit/examples/test_scripts.py",
    "unit/verifier/test_hostile.py",
    "unit/examples/test_slurm.py",
    "unit/preflight/test_command.py",
    "unit/verifier/test_pool.py",
    "unit/verifier/test_pairs.py",
    "unit/verifier/test_rules.py",
    "unit/recipe/test_extending.py",
    "unit/recipe/test_results.py",
    "unit/preflight/test_checks.py",
    "unit/reproduction/report/test_page.py",
    "unit/reproduction/diagnose/test_estimate.py",
    "unit/verl_ext/cpu/forkserver/test_forkserver.py",
    "integration/test_failures.py",
    "integration/test_study.py",
    "integration/test_own_model.py",
    "integration/test_training.py",
    "integration/test_slurm.py",
    "integration/test_repeatable.py",
    "integration/test_methods.py",
    "integration/test_colocate_async.py",
    "integration/test_strategies.py",
    "integration/test_launch_scripts.py",
    "integration/test_evaluation.py",
)


def pytest_collection_modifyitems(items) -> None:
    """Sort the longest files to the front; tests/unit/test_longest.py checks that they exist."""
    places = {ROOT / "tests" / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@dataclass(frozen=True)
class Hub:
    """A data and model hub on this machine.

    Attributes:
        folder: folder of its repositories, see tests/helpers/hub.py.
        environment: variables by which huggingface_hub and datasets find this hub and no other.
    """

    folder: Path
    environment: dict[str, str]


@pytest.fixture(scope="session")
def hub(tmp_path_factory) -> Iterator[Hub]:
    """An empty hub; a test puts repositories into its folder."""
    root = tmp_path_factory.mktemp("hub")
    with serving(root / "repositories") as (address, _):
        variables = {"HF_ENDPOINT": address, "HF_HOME": str(root / "home")}
        yield Hub(root / "repositories", variables)


@pytest.fixture(scope="session")
def interpreter(hub) -> Iterator[str]:
    """Path of an interpreter that has the libraries imported already.

    Each of its processes is new in every other respect. Its hub libraries know only the hub on this machine.
    """
    if sys.platform != "linux":
        yield sys.executable
        return
    with contextlib.ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
            for name, value in hub.environment.items():
                patch.setenv(name, value)
            server = stack.enter_context(forkserver.serving(LIBRARIES, ["ray"]))
        yield server.launcher
