# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Failures in the middle of a run: it ends in time, says why in its last lines, and leaves no process."""

import re
import signal

import psutil
import pytest

from hpt.common.files import complete_checkpoints

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

# Steps until something happens.
LONG = (
    "trainer.total_training_steps=500",
    "trainer.save_freq=1",
    "trainer.test_freq=-1",
    "trainer.val_before_train=false",
)
# The first samples of a run took 30 s once, on a slow machine that had nothing compiled yet.
STALL_S = 60
STALL = f"hpt.stall_timeout={STALL_S}"
LAST_LINES = 10
SOCKET = "/tmp/rl-colocate-zmq-"
REWARDS = '''
from pathlib import Path

def compute_score(data_source, solution_str, ground_truth, extra_info):
    """Scores until the file beside it is there."""
    if Path(__file__).with_name("raise").exists():
        raise KeyError("no such answer")
    return 0.0
'''


def end_of(run, timeout: float) -> str:
    """The last lines of a run that has to fail by itself within ``timeout`` seconds."""
    status = run.wait(timeout)
    assert status == 1, (status, run.log[-3000:])
    run.assert_nothing_is_left()
    assert complete_checkpoints(run.folder), "the checkpoint before the failure is kept"
    return "\n".join(run.log.rstrip().replace("\r", "\n").splitlines()[-LAST_LINES:])


def wait_for_transfer(run) -> None:
    """Wait until the actor sends weights to the engine: it has the socket for as long as that takes."""
    actor = process(run, "WorkerDict")
    run.wait_until(lambda: any(SOCKET in each.laddr for each in actor.net_connections("unix")), 60, poll=0.0)


def process(run, name: str):
    """The run's worker process of this name; "engine": the rollout server's, which its log names."""
    if name == "engine":
        return psutil.Process(int(re.findall(r"EngineCore pid=(\d+)", run.log)[-1]))
    (found,) = [each for each in run.relatives() if f"ray::{name}" in " ".join(each.cmdline())]
    return found


@pytest.mark.parametrize(
    ("victim", "message"),
    [
        ("engine", "error: the engine of rollout server 0 has died"),
        ("WorkerDict", "error: a worker process has died: WorkerDict"),
    ],
)
def test_a_process_that_dies_is_named(launch, tmp_path, victim, message):
    run = launch(tmp_path / "run", *LONG, own_interpreter=True)
    run.wait_for_step(1, 300)
    process(run, victim).kill()
    assert message in end_of(run, 90)


AHEAD = ("+trainer_mode=colocate_async", "reward.num_workers=1")


@pytest.mark.parametrize(
    ("signal_number", "message"),
    [
        (signal.SIGKILL, "error: the engine of rollout server 0 has died"),
        (signal.SIGSTOP, f"for {STALL_S} s (hpt.stall_timeout)"),
    ],
)
def test_an_engine_that_fails_while_verls_manager_samples_ahead_ends_the_run(launch, tmp_path, signal_number, message):
    run = launch(tmp_path / "run", *LONG, *AHEAD, STALL, own_interpreter=True)
    run.wait_for_step(1, 300)
    process(run, "engine").send_signal(signal_number)
    assert message in end_of(run, 150)


def test_an_engine_that_hangs_while_it_takes_weights_ends_the_run_in_the_stated_time(launch, tmp_path):
    run = launch(tmp_path / "run", *LONG, STALL, own_interpreter=True)
    run.wait_for_step(1, 300)
    engine = process(run, "engine")
    wait_for_transfer(run)
    engine.send_signal(signal.SIGSTOP)
    message = f"the engines of the rollout servers have not taken the weights for {STALL_S} s (hpt.stall_timeout)"
    assert message in end_of(run, 150)


def test_an_engine_that_hangs_ends_the_run_in_the_stated_time(launch, tmp_path):
    run = launch(tmp_path / "run", *LONG, STALL, own_interpreter=True)
    run.wait_for_step(1, 300)
    process(run, "engine").send_signal(signal.SIGSTOP)
    message = f"has not finished one of its 32 samples for {STALL_S} s (hpt.stall_timeout)"
    assert message in end_of(run, 150)


def test_a_reward_function_that_raises_is_named(launch, tmp_path):
    (tmp_path / "rewards.py").write_text(REWARDS)
    run = launch(
        tmp_path / "run",
        *LONG,
        f"reward.custom_reward_function.path={tmp_path / 'rewards.py'}",
        "reward.num_workers=1",
        own_interpreter=True,
    )
    run.wait_for_step(1, 300)
    (tmp_path / "raise").touch()
    assert "rewards.py:compute_score raised KeyError: 'no such answer'" in end_of(run, 120)


def test_questions_that_fail_again_and_again_end_a_run_that_samples_ahead(launch, tmp_path):
    (tmp_path / "rewards.py").write_text(REWARDS)
    rewards = f"reward.custom_reward_function.path={tmp_path / 'rewards.py'}"
    run = launch(tmp_path / "run", *LONG, *AHEAD, rewards, own_interpreter=True)
    run.wait_for_step(1, 300)
    (tmp_path / "raise").touch()
    end = end_of(run, 120)
    assert "questions of step" in end and "had to be replaced" in end and "KeyError: 'no such answer'" in run.log
