# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Weights on their way from the actor to vLLM: a socket of the run's own, and an end where verl would wait for ever.

verl's actor sends the weights to its engine through a socket whose name holds Ray's job id. The first job of every
cluster has the same id, so two trainings on one machine would share the name. The sender also waits without a limit: if
the engine dies or hangs, nobody tells it.
"""

import functools
import time
from collections.abc import Sequence
from typing import Any

import ray
from ray.exceptions import RayTaskError
from verl.checkpoint_engine.base import CheckpointEngineManager

from hpt.verl_ext.sampling import RolloutError

JOB_ENV = "VERL_RAY_JOB_ID"
"""Where verl's vLLM workers read the part of the socket's name that stands for the job."""
GRACE_S = 5.0
"""Seconds in which a server is sure to have noticed that its engine is dead."""


def run_id() -> str:
    """A name of this run that no other training on the machine has: the cluster's address and the job's id."""
    context = ray.get_runtime_context()
    return f"{context.gcs_address}-{context.get_job_id()}"


def own_socket(name: str) -> str:
    """verl's name of a socket, for this run alone."""
    return name.replace(ray.get_runtime_context().get_job_id(), run_id())


class WatchedSync(CheckpointEngineManager):
    """verl's manager of colocated replicas, which also watches their engines.

    Args:
        manager: verl's own, to take its parts from.
        stall_timeout: seconds that one transfer may take.
    """

    def __init__(self, manager: CheckpointEngineManager, stall_timeout: float) -> None:
        super().__init__(manager.config, manager.actor_wg, manager.replicas)
        self.stall_timeout = stall_timeout

    @functools.cached_property
    def _failures(self) -> list[Any]:
        """Calls that never return. One of them raises when its server's engine has failed."""
        return [replica.server_handle.failure.remote() for replica in self.replicas]

    @property
    def _servers(self) -> list[Any]:
        return [server for replica in self.replicas for server in replica.servers]

    def check(self) -> None:
        """Look at the engines without waiting.

        Raises:
            RolloutError: one of them has failed.
        """
        failed, _ = ray.wait(self._failures, timeout=0)
        ray.get(failed)

    def kill(self) -> None:
        """Kill the engines' processes: one that hangs would outlive the run."""
        kills = [replica.server_handle.kill_engine.remote() for replica in self.replicas]
        ray.wait(kills, num_returns=len(kills), timeout=GRACE_S)

    def sleep_replicas(self) -> None:
        """Let all engines free their memory.

        Raises:
            RolloutError: an engine has failed, or does not answer in time.
        """
        self._finish([server.sleep.remote() for server in self._servers], "freed memory")

    def abort_replicas(self, reject_request: bool = False) -> None:
        """End all samples that are not finished, and take no new ones; raises as :meth:`sleep_replicas`."""
        calls = [server.abort_all_requests.remote(reject_request=reject_request) for server in self._servers]
        self._finish(calls, "ended their samples")

    def resume_generation_replicas(self) -> None:
        """Go on with samples that were ended; raises as :meth:`sleep_replicas`."""
        # All engines first: those that share their work must not get samples while one of them waits.
        self._finish([server.resume_engine_generation.remote() for server in self._servers], "resumed")
        self._finish([server.open_submission_gate.remote() for server in self._servers], "resumed")

    def update_weights(self, global_steps: int | None = None) -> dict:
        """Send the actor's weights to all engines.

        Args:
            global_steps: the step that made the weights.

        Raises:
            RolloutError: an engine has failed, or does not take the weights in time.
        """
        self._finish(self.actor_wg.update_weights(global_steps=global_steps, mode="naive"), "taken the weights")
        return {}

    def _finish(self, calls: Sequence[Any], what: str) -> None:
        pending, deadline = list(calls), time.monotonic() + self.stall_timeout
        while pending:
            watched = [*pending, *self._failures]
            done, _ = ray.wait(watched, timeout=max(0.0, deadline - time.monotonic()))
            if not done:
                self.kill()
                raise RolloutError(
                    f"the engines of the rollout servers have not {what} for {self.stall_timeout:g} s "
                    "(hpt.stall_timeout)"
                )
            try:
                ray.get(done)
            except RayTaskError:
                known, _ = ray.wait(self._failures, timeout=GRACE_S)
                ray.get(known)  # raises the server's own account, which says more
                raise
            pending = [call for call in pending if call not in done]
