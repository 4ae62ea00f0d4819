# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Engines on Ray: the session, the number of engines, and the arguments that vLLM gets."""

import contextlib
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray

from hpt.common.errors import ConfigError
from hpt.evaluation.settings import EvaluationSettings
from hpt.evaluation.worker import GenerationWorker
from hpt.verl_ext.cpu import environment as cpu
from hpt.verl_ext.ray_cluster import session

# A worker has one core. More threads would also split sums differently, which changes last digits.
CPU_ENVIRONMENT = {**cpu.ENVIRONMENT, "OMP_NUM_THREADS": "1"}
# Only prompts and responses pass through the object store.
OBJECT_STORE_BYTES = 256 << 20
LOGS = "logs"
# The smallest number of tokens that an engine may compute in one step; a longer prompt gets a step of its own.
CPU_BATCHED_TOKENS = 2048


def worker_environment(settings: EvaluationSettings) -> dict[str, str]:
    """Environment variables of the engines' processes."""
    if settings.device == "cpu":
        return {name: os.environ.get(name, value) for name, value in CPU_ENVIRONMENT.items()}
    return {"VLLM_BATCH_INVARIANT": str(int(settings.batch_invariant))}


@contextlib.contextmanager
def cluster(settings: EvaluationSettings) -> Iterator[None]:
    """Connect to Ray for the time of an evaluation: to ``ray_address``, or to a new cluster on this machine."""
    # By default, Ray starts an idle interpreter per core.
    os.environ.setdefault("RAY_prestart_worker_first_driver", "0")
    # Workers without a GPU keep CUDA_VISIBLE_DEVICES as it is. Without this variable Ray warns about that.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    common: dict[str, Any] = {
        "runtime_env": {"env_vars": worker_environment(settings)},
        "log_to_driver": False,
        "logging_level": logging.ERROR,  # otherwise Ray writes into the progress bar
    }
    with contextlib.ExitStack() as stack:
        arguments = {"address": settings.ray_address, **common}
        if settings.ray_address is None:
            arguments |= {"address": "local", "include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
            arguments["_temp_dir"] = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="hpt-ray-", ignore_cleanup_errors=True)
            )
            if settings.device == "cpu":
                arguments["num_cpus"] = settings.workers or 1
        stack.enter_context(session(arguments, "ray_address"))
        yield


def number_of_workers(settings: EvaluationSettings) -> int:
    """The number of engines to start in the connected cluster.

    Raises:
        ConfigError: the cluster has too few GPUs (or cores).
    """
    resource, each = ("CPU", 1) if settings.device == "cpu" else ("GPU", settings.tensor_parallel)
    have = int(ray.cluster_resources().get(resource, 0))
    most = have // each
    workers = settings.workers or (1 if settings.device == "cpu" else most)
    if workers < 1 or workers > most:
        raise ConfigError(
            f"got workers={settings.workers or 'null'} of {each} {resource} each, and Ray sees {have}; expected at "
            f"most {most}" + (": set device=cpu to go without" if resource == "GPU" and not have else "")
        )
    return workers


def engine_arguments(settings: EvaluationSettings, model: Path, max_model_len: int) -> dict[str, Any]:
    """Arguments of vLLM's EngineArgs."""
    return {
        "model": str(model),
        "dtype": settings.dtype,
        "tensor_parallel_size": settings.tensor_parallel,
        "distributed_executor_backend": "mp" if settings.tensor_parallel > 1 else "uni",
        "max_model_len": max_model_len,
        "max_num_seqs": settings.max_num_seqs,
        "enforce_eager": settings.enforce_eager,
        # A prompt is short compared with its response, and computing it in two parts may change its last digits.
        "enable_prefix_caching": False,
        "disable_log_stats": True,
        **_device_arguments(settings, max_model_len),
    }


def _device_arguments(settings: EvaluationSettings, max_model_len: int) -> dict[str, Any]:
    if settings.device != "cpu":
        return {"gpu_memory_utilization": settings.gpu_memory_utilization}
    # vLLM 0.29 cannot compute a prompt in parts if its sample has a seed: it rewinds the generator, which works on GPUs
    # only ("CPU Generator does not use offset"). So each prompt is computed in one step.
    return {
        "enable_chunked_prefill": False,
        "max_num_batched_tokens": max(CPU_BATCHED_TOKENS, max_model_len),
    }


def sampling_arguments(settings: EvaluationSettings) -> dict[str, Any]:
    """Arguments of vLLM's SamplingParams. The model's own sampling defaults are not used."""
    return {name: getattr(settings, name) for name in ("temperature", "top_p", "max_tokens")}


def start_worker(settings: EvaluationSettings, number: int, out: Path) -> tuple[Any, Path]:
    """Start an actor; returns it and the file that takes its output."""
    log = out / LOGS / f"worker-{number}.log"
    gpus = 0 if settings.device == "cpu" else settings.tensor_parallel
    actor = ray.remote(num_cpus=1, num_gpus=gpus, max_restarts=0)(GenerationWorker)
    return actor.remote(str(log)), log
