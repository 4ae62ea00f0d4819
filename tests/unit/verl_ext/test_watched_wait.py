# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""verl's own replay buffer, with rollouts in a fake queue and engines that fail."""

import pytest
from omegaconf import OmegaConf
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer, ReplayBufferAsync

from hpt.verl_ext import watched_wait
from hpt.verl_ext.sampling import RolloutError
from hpt.verl_ext.watched_wait import WatchedWait


class Engines:
    """Engines that fail at some look at them."""

    def __init__(self, looks=None, at_look=lambda look: None):
        self.looks, self.failing, self.at_look, self.killed = 0, looks, at_look, False

    def check(self):
        self.looks += 1
        self.at_look(self.looks)
        if self.looks == self.failing:
            raise RolloutError("the engine has died")

    def kill(self):
        self.killed = True


@pytest.fixture
def clock(monkeypatch):
    """[seconds], which only a test moves on."""
    now = [0.0]
    monkeypatch.setattr(watched_wait.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture(params=[ReplayBuffer, ReplayBufferAsync])
def buffer(request, queue):
    """Two questions whose rollouts are waited for."""
    queue.kv_batch_put(["1-0", "1-1"], "train", tags=[{"is_prompt": True, "status": "running", "global_steps": 1}] * 2)
    mode = "sync" if request.param is ReplayBuffer else "colocate_async"
    return request.param(mode, OmegaConf.create(), None, "drop", OmegaConf.create(), poll_interval=0.001)


def sample(buffer):
    return buffer.sample(global_steps=1, partition_id="train", batch_size=1)


def finish(queue, uid):
    queue.put_rows({f"{uid}_0_0": {}}, {f"{uid}_0_0": {"status": "success"}})
    queue.kv_batch_put([uid], "train", tags=[{"status": "finished"}])


def test_an_engine_that_fails_ends_the_wait(buffer):
    WatchedWait(buffer, Engines(looks=3), stall_timeout=60.0)
    with pytest.raises(RolloutError, match="the engine has died"):
        sample(buffer)


def test_a_wait_ends_where_no_rollout_comes(buffer, clock):
    def one_second(look):
        clock[0] += 1.0

    engines = Engines(at_look=one_second)
    WatchedWait(buffer, engines, stall_timeout=4.0)
    with pytest.raises(RolloutError, match=r"no rollout .* for 4 s \(hpt.stall_timeout\), and 2 questions"):
        sample(buffer)
    assert engines.killed and engines.looks == 1 + 5


def test_a_wait_goes_on_while_rollouts_come(buffer, queue, clock):
    def one_second(look):
        clock[0] += 1.0
        if look % 3 == 0:
            queue.put_rows({f"1-0_{look}_0": {}}, {f"1-0_{look}_0": {"status": "success"}})
        if look == 20:
            finish(queue, "1-0")

    engines = Engines(at_look=one_second)
    WatchedWait(buffer, engines, stall_timeout=4.0)
    batch, _ = sample(buffer)
    assert "1-0_18_0" in batch.keys and not engines.killed


def test_time_between_two_waits_does_not_count(buffer, queue, clock):
    WatchedWait(buffer, Engines(at_look=lambda look: finish(queue, f"1-{look - 1}")), stall_timeout=1.0)
    for _ in range(2):
        sample(buffer)
        clock[0] += 100.0  # an update of the weights
