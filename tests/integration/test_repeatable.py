# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A run can be repeated exactly: launched twice, or killed and launched again."""

import random
import signal
import statistics
import time
from pathlib import Path

import pytest
import torch

from hpt.common.files import complete_checkpoints
from hpt.method import question_log
from tests.helpers.checkpoints import parameters

pytestmark = [pytest.mark.ray, pytest.mark.timeout(1500)]

# A launch makes 5 checkpoints and is killed. An epoch has 12 steps, so the last launch resumes in the second.
KILLS, STEPS_EACH = 3, 5
# A launch may get to one checkpoint more before it is killed.
STEPS = (STEPS_EACH + 1) * KILLS + 2
# Timings, memory and what follows from them differ between any two launches.
VARYING = ("timing_", "perf/", "actor/perf/")
EVERY_STEP = ("trainer.save_freq=1", "trainer.test_freq=5", "trainer.val_before_train=false")


def settings(steps: int, *further: str) -> list[str]:
    """Settings with a gate that remembers every question, unless ``further`` names another strategy."""
    return ["hpt.strategy=curriculum", f"trainer.total_training_steps={steps}", *EVERY_STEP, *further]


def comparable(steps: dict[int, dict]) -> dict[int, dict]:
    return {
        step: {name: value for name, value in row.items() if not name.startswith(VARYING)}
        for step, row in steps.items()
    }


def assert_same(one, other, last: int) -> None:
    """The two runs have the same metrics, question log and final weights, bit for bit."""
    assert comparable(one.steps()) == comparable(other.steps())
    logs = [(run.folder / question_log.FILE).read_bytes() for run in (one, other)]
    assert logs[0] == logs[1]
    weights = [parameters(run.folder / f"global_step_{last}" / "actor" / "huggingface") for run in (one, other)]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.fixture(scope="module")
def uninterrupted(launch, tmp_path_factory):
    run = launch(tmp_path_factory.mktemp("uninterrupted"), *settings(STEPS))
    assert run.wait(600) == 0, run.log[-3000:]
    return run


def test_a_run_that_is_killed_at_random_moments_ends_as_one_that_was_not(uninterrupted, launch, tmp_path):
    """Each time it is killed somewhere between the ends of two checkpoints."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    moments, folder = random.Random(seed), tmp_path / "killed"
    step_s = statistics.median(row["timing_s/step"] for row in uninterrupted.steps().values())
    for _ in range(KILLS):
        run, done = launch(folder, *settings(STEPS), own_interpreter=True), _last(folder)
        run.wait_until(lambda goal=done + STEPS_EACH: _last(folder) >= goal, 300, poll=0.01)
        time.sleep(moments.uniform(0, step_s))  # some of the next step: generation, update or checkpoint
        run.signal_all(signal.SIGKILL)
        run.process.wait()
        run.assert_nothing_is_left()
    assert _last(folder) < STEPS
    run = launch(folder, *settings(STEPS))
    assert run.wait(600) == 0, run.log[-3000:]
    assert_same(run, uninterrupted, STEPS)
    again = launch(folder, *settings(STEPS))
    assert again.wait(120) == 0
    assert f"nothing to do: the run has made {STEPS} of trainer.total_training_steps={STEPS} steps" in again.log


def _last(folder: Path) -> int:
    """The step of the last complete checkpoint."""
    return max(complete_checkpoints(folder), default=0)


def test_two_launches_on_two_ranks_are_the_same_beside_each_other(launch, tmp_path):
    # Further rounds of rollouts have seeds of their own, too.
    overrides = settings(3, "hpt.strategy=bread", "trainer.n_gpus_per_node=2", "trainer.test_freq=3")
    runs = [launch(tmp_path / name, *overrides) for name in ("first", "second")]
    for run in runs:
        assert run.wait(400) == 0, run.log[-3000:]
    assert_same(*runs, 3)
