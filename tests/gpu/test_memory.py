# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The peak of an update on the device, against what the check before a run says that it certainly needs."""

import sys

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra

from hpt.preflight.memory import needed
from hpt.preflight.model import read_sizes
from recipe.hpt.configs import FOLDER
from tests.helpers.worker_runs import run_ranks
from tests.helpers.worker_scenarios import Group, Scenario, Setup, make_model, make_step

pytestmark = pytest.mark.timeout(300)

GIB = 2**30
# 29 M parameters: their weights, gradients and moments are large beside what the device holds for itself.
SIZES = {"hidden_size": 512, "intermediate_size": 1536, "num_hidden_layers": 6, "vocab_size": 16384}


def test_an_update_takes_at_least_what_the_check_says(device, environment, tmp_path, capsys):
    model = make_model(tmp_path, **SIZES)
    groups = [
        Group(
            "bfloat16",
            Setup(packed=True, compute_dtype="bfloat16", checkpointing=True, optimizer="AdamW"),
            1e-3,
            {"update": Scenario([[make_step(model, 1)]])},
        )
    ]
    del model
    result = run_ranks(sys.executable, tmp_path, {1: groups}, 200, environment)["bfloat16", 1, "update"]
    (peak,) = result.metrics["perf/max_memory_allocated_gb"]
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(config_dir=str(FOLDER), version_base=None):
        config = hydra.compose("hpt_trainer", ["trainer.n_gpus_per_node=1", "trainer.nnodes=1"])
    least = needed(read_sizes(tmp_path / "model"), config).step / GIB
    with capsys.disabled():
        print(f"\nupdate on {device}: peak {peak:.3f} GiB, at least needed {least:.3f} GiB")
    assert result.device == device
    assert peak >= least
