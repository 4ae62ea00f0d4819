# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Start Ray or join it, run verl's V1 task runner with the hybrid trainers, and leave nothing behind."""

import contextlib
import os
import signal
import threading
from pathlib import Path
from typing import Any, cast

import ray
from omegaconf import DictConfig, OmegaConf
from ray.exceptions import RayActorError, RayTaskError
from verl.trainer.constants_ppo import get_ppo_ray_runtime_env
from verl.trainer.main_ppo import TaskRunnerV1
from verl.workers.rollout.replica import RolloutReplica, RolloutReplicaRegistry

from hpt.common.errors import RunError
from hpt.common.files import what_is_kept
from hpt.method.config import HPTConfig
from hpt.verl_ext import logs, ray_cluster
from hpt.verl_ext.cpu.forkserver import ForkServer
from hpt.verl_ext.sampling import RolloutError


class HybridTaskRunner(TaskRunnerV1.__ray_metadata__.modified_class):
    """verl's task runner, unwrapped from its Ray actor, with the hybrid trainers registered.

    It runs in the launching process: one interpreter less to start, Ctrl-C reaches it, and its
    progress bar is the user's.
    """

    def run(self, config: DictConfig) -> None:
        """Train; raises what the training raised."""
        import hpt.verl_ext.colocate_async  # noqa: F401  (registers, as does the trainer that it imports)
        from hpt.verl_ext import plain_sft

        if not HPTConfig.from_mapping(config.hpt).method.generates:
            config.trainer.v1.trainer_mode = plain_sft.MODE
        RolloutReplicaRegistry.register("vllm", _batch_replica)
        super().run(config)


def _import_early() -> threading.Thread:
    """Import in a thread what the run needs next; Ray's start is mostly waiting. The run repeats what fails here."""

    def imports() -> None:
        with contextlib.suppress(Exception):
            import hpt.verl_ext.trainer  # noqa: F401

            _batch_replica()

    thread = threading.Thread(target=imports, daemon=True)
    thread.start()
    return thread


def _batch_replica() -> type[RolloutReplica]:
    from hpt.verl_ext.rollout_server import BatchReplica  # imports vLLM

    return BatchReplica


def _set_environment(config: DictConfig) -> None:
    """Set what verl's launcher sets before Ray; its runtime environment hands the variables on to all processes."""
    rollout, model = config.actor_rollout_ref.rollout, config.reward.reward_model
    if rollout.full_determinism or (model.enable and model.rollout.full_determinism):
        variables = {"VERL_FULL_DETERMINISM": "1", "VLLM_BATCH_INVARIANT": "1", "PYTHONHASHSEED": str(rollout.seed)}
        os.environ.update(variables)
    loggers = config.trainer.logger
    if "rl_insight" in ([loggers] if isinstance(loggers, str) else loggers):
        os.environ["VERL_RL_INSIGHT_ENABLE"] = "1"


def ray_init_arguments(config: DictConfig) -> dict[str, Any]:
    """Return the arguments of ray.init: verl's runtime environment, the CPU platform's, and the user's on top."""
    _set_environment(config)
    user = cast(dict[str, Any], OmegaConf.to_container(config.ray_kwargs.ray_init, resolve=True))
    runtime_env = get_ppo_ray_runtime_env(config)
    variables = runtime_env.setdefault("env_vars", {})
    variables["TRANSFER_QUEUE_ENABLE"] = "1"
    user_env = {name: value for name, value in (user.pop("runtime_env", None) or {}).items() if value is not None}
    variables.update(user_env.pop("env_vars", {}))
    return {**user, "runtime_env": {**runtime_env, **user_env}}


def cause_of(error: RayActorError) -> str:
    """Ray's reason for an actor's death, without its advice; the actor's class is part of it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("class_name:")), "")
    reason = next((line for line in lines if line.startswith("The actor")), lines[-1] if lines else "no reason given")
    return f"{name.rpartition('.')[2]}: {reason.partition(' Some common causes')[0]}" if name else reason


def _interrupt(signum: int, frame: Any) -> None:
    # A launch script and a scheduler may both send it.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt(f"signal {signum}")


def run(config: DictConfig, server: ForkServer | None = None) -> None:
    """Run the training that ``config`` describes, its workers forked by ``server`` if there is one.

    It runs in the cluster that :func:`hpt.verl_ext.ray_cluster.address_of` finds, else in one of its own.

    A TERM signal (a scheduler's) ends the run as Ctrl-C does: workers are shut down, and a checkpoint
    that is being written is never taken for a finished one, because verl's tracker file names a
    checkpoint only once it is complete.

    Raises:
        RunError: why the run failed, and what is left of it.
    """
    folder = Path(config.trainer.default_local_dir)
    signal.signal(signal.SIGTERM, _interrupt)
    logs.show()
    with contextlib.ExitStack() as stack:
        if not ray.is_initialized():
            arguments = ray_init_arguments(config)
            if server is not None:  # never together with a cluster to join, see ray_cluster.check_settings
                arguments["runtime_env"]["py_executable"] = server.launcher
                imports = _import_early()
            stack.enter_context(ray_cluster.training_session(config, arguments))
            if server is not None:
                stack.callback(server.closing.set)  # Ray's shutdown kills this process's children
                imports.join()
        try:
            HybridTaskRunner().run(config)
            if file := OmegaConf.select(config, "ray_kwargs.timeline_json_file"):
                ray.timeline(filename=file)
        except RayActorError as error:
            raise RunError(f"a worker process has died: {cause_of(error)}; {what_is_kept(folder)}") from error
        except RayTaskError as error:
            if isinstance(error.cause, RunError):  # Ray's copy of it has a traceback for its message
                raise RunError(f"{error.cause}; {what_is_kept(folder)}") from error
            raise
        except RolloutError as error:
            raise RunError(f"{error}; {what_is_kept(folder)}") from error
