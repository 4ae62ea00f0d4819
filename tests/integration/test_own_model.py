# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A model of one's own on a CPU: the guide's code from the first block to the last, and models of other architectures.

All models are tiny and random. Those of other architectures have a vocabulary of a real model's size.
"""

import json
import os
import re
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hpt.common.training_log import read_run
from tests.helpers.models import SPECIAL, instruct_model
from tests.helpers.processes import LOG_END, ROOT, start
from tests.unit.docs.pages import BLOCK

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]

PAGE = (ROOT / "docs" / "guides" / "own-model.md").read_text()
(SECTION,) = re.findall(r"^## On a CPU\n(.*?)^## ", PAGE, re.M | re.S)
RUN = {"python": (sys.executable, "-c"), "bash": ("bash", "-euo", "pipefail", "-c")}
COMMANDS = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
BATCHES = 2


def run(arguments, log: Path, folder: Path) -> str:
    """Run a command, fail unless it succeeds and leaves nothing running; returns its output."""
    command = start(arguments, log, folder=folder, PATH=COMMANDS)
    try:
        assert command.wait(600) == 0, command.log[-LOG_END:]
        command.assert_nothing_is_left()
    finally:
        command.kill()
    return command.log


def test_the_code_of_the_guide_runs_as_it_stands(tmp_path):
    """The model is where the page has the path of the reader's own."""
    instruct_model(tmp_path / "models" / "RAW", vocabulary=5_000)  # most of the time is sampling from the vocabulary
    outputs = [
        run((*RUN[language], body), tmp_path / f"{number}.log", tmp_path)
        for number, (language, body) in enumerate(BLOCK.findall(SECTION))
    ]
    steps = read_run(tmp_path / "runs" / "my_model_hpt").steps
    assert sorted(steps) == list(range(7))
    assert steps[6]["hpt/loss_sft"] < steps[1]["hpt/loss_sft"] - 0.01
    for name in ("base", "hpt"):
        results = json.loads((tmp_path / "runs" / "eval" / f"my_model_{name}" / "results.json").read_text())
        (figures,) = results["benchmarks"].values()
        assert (figures["questions"], figures["n"]) == (10, 4)
    assert "my_model" in (tmp_path / "runs" / "report" / "report.html").read_text()
    assert outputs[-1].strip()


@pytest.mark.parametrize(("architecture", "tied"), [("qwen2", False), ("gemma3_text", True)])
def test_another_architecture_samples_with_the_weights_that_were_trained(tmp_path, architecture, tied):
    instruct_model(tmp_path / "model", architecture, tied=tied, pad=SPECIAL[0])
    question = {
        "prompt": [{"role": "user", "content": "What is 2 + 3?"}],
        "data_source": "own",
        "reward_model": {"style": "rule", "ground_truth": "5"},
        "target": "\\boxed{5}",
    }
    pq.write_table(pa.Table.from_pylist([question] * 4), tmp_path / "data.parquet")
    overrides = {
        "actor_rollout_ref.model.path": tmp_path / "model",
        "data.train_files": tmp_path / "data.parquet",
        "data.val_files": tmp_path / "data.parquet",
        "data.train_batch_size": 4,
        "data.max_response_length": 16,
        "hpt.strategy": "luffy",  # rollouts and demonstration in one group: both kinds of rows in every step
        "actor_rollout_ref.rollout.n": 3,
        "actor_rollout_ref.rollout.calculate_log_probs": "true",
        "actor_rollout_ref.actor.optim.lr": 1e-2,  # what is not sent to vLLM shows
        "trainer.default_local_dir": tmp_path / "run",
        "trainer.val_before_train": "false",
        "trainer.total_training_steps": BATCHES,
        "trainer.test_freq": -1,
        "trainer.save_freq": -1,
    }
    arguments = (f"{key}={value}" for key, value in overrides.items())
    run(
        (sys.executable, "-m", "recipe.hpt.main_hpt", "--config-name", "small_model", *arguments),
        tmp_path / "log",
        tmp_path,
    )
    steps = read_run(tmp_path / "run").steps
    # Both engines' mean log-probability of a sampled row. A probability alone is tiny with this vocabulary.
    gaps = [steps[step]["rollout_corr/log_ppl_abs_diff"] for step in range(1, BATCHES + 1)]
    assert max(gaps) < 1e-4
