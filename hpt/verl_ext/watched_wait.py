# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""An end to waiting for rollouts that do not come.

verl's replay buffer looks for finished rollouts until there are enough. If the engine has died or hangs, that is for
ever: nothing tells the buffer.
"""

import time
from typing import Protocol

from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer

from hpt.verl_ext.sampling import RolloutError


class Engines(Protocol):
    """What a wait knows of the rollout engines; :class:`hpt.verl_ext.weight_sync.WatchedSync` is one."""

    def check(self) -> None:
        """Raise the error of an engine that has failed."""

    def kill(self) -> None:
        """End the engines, which may hang."""


class WatchedWait:
    """What a replay buffer does between two looks: verl's pause, after a check of the engines and of the time.

    Args:
        buffer: gets this object in place of its own pause.
        engines: those that the rollouts come from.
        stall_timeout: seconds without a new rollout after which the wait ends.
    """

    def __init__(self, buffer: ReplayBuffer, engines: Engines, stall_timeout: float) -> None:
        self.buffer, self.engines, self.stall_timeout = buffer, engines, stall_timeout
        self._mark, self._rollouts, self._since = 0.0, 0, 0.0
        self._pause = buffer._wait_for_next_poll
        buffer._wait_for_next_poll = self

    def __call__(self, partition_id: str, mark: float) -> float:
        """Pause.

        Args:
            partition_id: the rollouts' partition.
            mark: what the last call returned; another time where a new wait begins.

        Raises:
            RolloutError: an engine has failed, or no rollout has come for too long.
        """
        self.engines.check()
        rollouts, now = len(self.buffer.partitions[partition_id]), time.monotonic()
        if mark != self._mark or rollouts != self._rollouts:
            self._rollouts, self._since = rollouts, now
        if now - self._since > self.stall_timeout:
            self.engines.kill()
            raise RolloutError(
                f"no rollout has been finished for {self.stall_timeout:g} s (hpt.stall_timeout), and "
                f"{len(self.buffer.pending_keys[partition_id] | self.buffer.running_keys[partition_id])} questions are "
                "waited for; the log may have an error of an agent loop or of the reward function"
            )
        self._mark = self._pause(partition_id, mark)
        return self._mark
