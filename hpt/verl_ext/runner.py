# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Start Ray or join it, run verl's V1 task runner with the hybrid trainers, and leave nothing behind."""

import contextlib
import signal
from typing import Any, cast

import ray
from omegaconf import DictConfig, OmegaConf
from verl.trainer.constants_ppo import get_ppo_ray_runtime_env
from verl.trainer.main_ppo import TaskRunnerV1

from hpt.verl_ext import joining, logs
from hpt.verl_ext.cpu.forkserver import ForkServer


class HybridTaskRunner(TaskRunnerV1.__ray_metadata__.modified_class):
    """verl's task runner, unwrapped from its Ray actor, with the hybrid trainers registered.

    It runs in the launching process: one interpreter less to start, Ctrl-C reaches it, and its
    progress bar is the user's.
    """

    def run(self, config: DictConfig) -> None:
        """Train; raises what the training raised."""
        import hpt.verl_ext.trainer  # noqa: F401  (registers)

        super().run(config)


def ray_init_arguments(config: DictConfig) -> dict[str, Any]:
    """Arguments of ray.init: verl's runtime environment, the CPU platform's, the user's on top."""
    user = cast(dict[str, Any], OmegaConf.to_container(config.ray_kwargs.ray_init, resolve=True))
    runtime_env = get_ppo_ray_runtime_env(config)
    variables = runtime_env.setdefault("env_vars", {})
    variables["TRANSFER_QUEUE_ENABLE"] = "1"
    user_env = {name: value for name, value in (user.pop("runtime_env", None) or {}).items() if value is not None}
    variables.update(user_env.pop("env_vars", {}))
    return {**user, "runtime_env": {**runtime_env, **user_env}}


def _start_ray(config: DictConfig, server: ForkServer | None) -> None:
    arguments = ray_init_arguments(config)
    address = joining.address_of(config)
    if address is not None:
        assert server is None  # joining.check refuses it
        joining.join(config, joining.arguments(address, arguments))
        return
    if server is not None:
        arguments["runtime_env"]["py_executable"] = server.launcher
    if any(arguments.get(name) is not None for name in ("num_cpus", "num_gpus")):
        # Otherwise Ray takes the cluster that `ray start` made last on this machine, and refuses these.
        arguments["address"] = "local"
    ray.init(**arguments)


def _interrupt(signum: int, frame: Any) -> None:
    # A launch script and a scheduler may both send it.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt(f"signal {signum}")


def run(config: DictConfig, server: ForkServer | None = None) -> None:
    """Run the training that ``config`` describes, its workers forked by ``server`` if there is one.

    In the cluster that :mod:`hpt.verl_ext.joining` finds in the configuration, else in one of its own.

    A TERM signal (a scheduler's) ends the run as Ctrl-C does: workers are shut down, and a checkpoint
    that is being written is never taken for a finished one, because verl's tracker file names a
    checkpoint only once it is complete.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    logs.show()
    with contextlib.ExitStack() as stack:
        if not ray.is_initialized():
            _start_ray(config, server)
            stack.callback(ray.shutdown)
            if server is not None:
                stack.callback(server.closing.set)  # Ray's shutdown kills this process's children
        signal.signal(signal.SIGTERM, _interrupt)  # Ray has put one of its own in its place
        HybridTaskRunner().run(config)
