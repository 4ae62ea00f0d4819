# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A training in a Ray cluster that is running, in place of one that it starts on this machine.

Named by ``ray_kwargs.ray_init.address`` or, as everywhere with Ray, by ``RAY_ADDRESS``.
"""

import logging
import os
from typing import Any

import ray
from omegaconf import DictConfig, OmegaConf

from hpt.common.errors import ConfigError
from hpt.verl_ext.cpu import platform as cpu_platform
from hpt.verl_ext.ray_cluster import ClusterError, refusal

logger = logging.getLogger(__name__)

ADDRESS_KEY = "ray_kwargs.ray_init.address"
# Of ray.init, for a cluster that it starts; with the address of another one Ray refuses or ignores them.
OF_A_NEW_CLUSTER = (
    "num_cpus",
    "num_gpus",
    "resources",
    "labels",
    "object_store_memory",
    "include_dashboard",
)
LOOPBACK = ("localhost", "127.0.0.1")  # Ray takes these for this machine's address
# Workers of a new cluster inherit the launching process's environment. Those of a running one do not: these are
# what a training sets for them.
VARIABLES = (cpu_platform.PLATFORM_ENV, *cpu_platform.ENVIRONMENT, "TQ_NUM_THREADS")


def address_of(config: DictConfig) -> str | None:
    """Address of the cluster to join; None: the training starts one of its own.

    Raises:
        ConfigError: an address of Ray's client protocol.
    """
    address = OmegaConf.select(config, ADDRESS_KEY) or os.environ.get("RAY_ADDRESS")
    if not address or address == "local":
        return None
    if "://" in address:
        raise ConfigError(
            f"got the Ray address {address}; a training runs on one of the cluster's nodes, not through Ray's client: "
            f"expected host:port of its head in {ADDRESS_KEY} or RAY_ADDRESS"
        )
    return address


def check(config: DictConfig, ranks: int) -> None:
    """What a training on ``ranks`` ranks asks of its own cluster, or of joining one.

    Raises:
        ConfigError: settings that cannot work together.
    """
    address = address_of(config)
    if address is not None and config.hpt.fork_workers:
        raise ConfigError(
            f"got hpt.fork_workers=True and the Ray cluster at {address} to join; its nodes cannot reach this "
            f"process's fork server: set hpt.fork_workers=false, or unset {ADDRESS_KEY} and RAY_ADDRESS for a Ray of "
            "its own"
        )
    if address is not None or config.trainer.device != "cpu":
        return
    have = OmegaConf.select(config, "ray_kwargs.ray_init.num_gpus")
    if have != ranks:
        raise ConfigError(
            f"got ray_kwargs.ray_init.num_gpus={have} on a CPU with {ranks} ranks; expected one logical slot per "
            f"rank: set ray_kwargs.ray_init.num_gpus={ranks}"
        )


def arguments(address: str, given: dict[str, Any]) -> dict[str, Any]:
    """Arguments of ray.init that joins ``address``, from those for a new cluster."""
    dropped = [name for name in OF_A_NEW_CLUSTER if given.get(name) is not None]
    if dropped:
        logger.info("joining the Ray cluster at %s: ray_kwargs.ray_init.%s are its own", address, dropped)
    kept = {name: value for name, value in given.items() if name not in OF_A_NEW_CLUSTER}
    environment = kept["runtime_env"]
    forwarded = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    variables = {**forwarded, **environment.get("env_vars", {})}
    return {**kept, "address": address, "runtime_env": {**environment, "env_vars": variables}}


def _as_ray_reads(address: str) -> str:
    host, _, port = address.rpartition(":")
    return f"{ray.util.get_node_ip_address()}:{port}" if host in LOOPBACK else address


def join(config: DictConfig, given: dict[str, Any]) -> None:
    """Connect to the cluster that ``given`` (of :func:`arguments`) names.

    Raises:
        ConfigError: none answers there, this machine is no node of it, or it has too few accelerators.
    """
    address = given["address"]
    try:
        reason = None if address == "auto" else refusal(_as_ray_reads(address))
        if reason is not None:
            raise ConnectionError(reason)
        ray.init(**given)
    except (ClusterError, ConnectionError, RuntimeError) as error:
        raise ConfigError(
            f"cannot join the Ray cluster at {address}: {error}. Expected the address of a cluster that this machine is a "
            f"node of: correct {ADDRESS_KEY} or RAY_ADDRESS, or unset both for a Ray of its own"
        ) from error
    nodes, each = config.trainer.nnodes, config.trainer.n_gpus_per_node
    slots = [int(row["Resources"].get("GPU", 0)) for row in ray.nodes() if row["Alive"]]
    if sum(count // each for count in slots) < nodes:
        ray.shutdown()
        raise ConfigError(
            f"got a Ray cluster at {address} whose nodes have {slots} GPUs; expected {nodes} x {each}: change "
            "trainer.nnodes and trainer.n_gpus_per_node, or start it with more (on CPUs: ray start --num-gpus=...)"
        )
