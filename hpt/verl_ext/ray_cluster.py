# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Ray clusters: start one on this machine, join one that is running, or wait for one that a job script starts.

A training joins the cluster that ``ray_kwargs.ray_init.address`` or ``RAY_ADDRESS`` names. The job scripts of a
scheduler (``examples/slurm``) start one Ray process per node and use two commands:

    python -m hpt.verl_ext.ray_cluster place         # 10.0.0.1 43211 36677: the head's address and two free ports
    python -m hpt.verl_ext.ray_cluster wait --address 10.0.0.1:43211 --nodes node01 node02 --gpus-per-node 8

Nothing here imports verl.
"""

import argparse
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import ray
from omegaconf import DictConfig, OmegaConf

from hpt.common.errors import ConfigError, HPTError
from hpt.verl_ext.cpu import environment as cpu

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
CONNECT_SECONDS = 5.0  # for one attempt to reach a port
ADDRESS_KEY = "ray_kwargs.ray_init.address"
# Arguments of ray.init that describe a cluster it starts. With the address of another cluster, Ray refuses or ignores
# them.
NEW_CLUSTER_ONLY = ("num_cpus", "num_gpus", "resources", "labels", "object_store_memory", "include_dashboard")
LOOPBACK = ("localhost", "127.0.0.1")  # Ray takes these for this machine's address
# Workers of a new cluster inherit the launching process's environment, workers of a running one do not. A training
# sets these variables for them.
FORWARDED = (cpu.PLATFORM_ENV, *cpu.ENVIRONMENT, "TQ_NUM_THREADS")


class ClusterError(HPTError):
    """A cluster that is not what was expected."""


# ---- joining ----


def _endpoint(address: str, setting: str) -> tuple[str, int]:
    """Host and port of ``host:port``, the host as Ray reads it."""
    host, _, port = address.rpartition(":")
    if not host or "://" in host or not port.isdecimal():
        raise ConfigError(f"got the Ray address '{address}'; expected host:port in {setting}")
    return ray.util.get_node_ip_address() if host in LOOPBACK else host, int(port)


def _join(arguments: Mapping[str, Any], setting: str, deadline: float) -> None:
    """Call ray.init as soon as something listens at the address; Ray itself tries a wrong address for many minutes."""
    address = arguments["address"]
    endpoint = None if address == "auto" else _endpoint(address, setting)
    while True:
        try:
            if endpoint is not None:
                socket.create_connection(endpoint, CONNECT_SECONDS).close()
            ray.init(**arguments)
            return
        except (OSError, OverflowError, RuntimeError) as error:
            if time.monotonic() >= deadline:
                raise ConfigError(
                    f"cannot join the Ray cluster at {address}: {error}. Expected the address of a cluster that this "
                    f"machine is a node of: correct {setting}, or look at the log of the cluster's head"
                ) from error
        time.sleep(POLL_SECONDS)


@contextlib.contextmanager
def session(arguments: Mapping[str, Any], setting: str, deadline: float = 0.0) -> Iterator[None]:
    """Connect to Ray for as long as the block runs. A cluster that was running before keeps running.

    Args:
        arguments: arguments of ray.init. Without an address, or with "local", Ray starts a cluster on this machine.
        setting: name of the setting that holds the address, for messages.
        deadline: until when to wait for the cluster at the address, in seconds of ``time.monotonic()``.

    Raises:
        ConfigError: the cluster cannot be joined.
    """
    on_term = signal.getsignal(signal.SIGTERM)
    if arguments.get("address") in (None, "local"):
        ray.init(**arguments)
    else:
        _join(arguments, setting, deadline)
    signal.signal(signal.SIGTERM, on_term)  # Ray replaces the handler by one that aborts
    try:
        yield
    finally:
        ray.shutdown()


# ---- a training's cluster ----


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


def check_settings(config: DictConfig) -> None:
    """Check the settings of a training that starts a cluster or joins one; needs no Ray.

    Raises:
        ConfigError: settings that cannot work together.
    """
    address, ranks = address_of(config), config.trainer.nnodes * config.trainer.n_gpus_per_node
    if address is not None and config.hpt.fork_workers:
        raise ConfigError(
            f"got hpt.fork_workers=True and the Ray cluster at {address} to join; its nodes cannot reach this "
            f"process's fork server: set hpt.fork_workers=false, or unset {ADDRESS_KEY} and RAY_ADDRESS for a Ray of "
            "its own"
        )
    slots = OmegaConf.select(config, "ray_kwargs.ray_init.num_gpus")
    if address is None and config.trainer.device == "cpu" and slots != ranks:
        raise ConfigError(
            f"got ray_kwargs.ray_init.num_gpus={slots} on a CPU with {ranks} ranks; expected one logical slot per "
            f"rank: set ray_kwargs.ray_init.num_gpus={ranks}"
        )


def joining_arguments(address: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the arguments of ray.init for a new cluster into those for joining the one at ``address``."""
    dropped = [name for name in NEW_CLUSTER_ONLY if given.get(name) is not None]
    if dropped:
        logger.info("the Ray cluster at %s is running: ray_kwargs.ray_init.%s are not used", address, dropped)
    kept = {name: value for name, value in given.items() if name not in NEW_CLUSTER_ONLY}
    environment = kept["runtime_env"]
    forwarded = {name: os.environ[name] for name in FORWARDED if name in os.environ}
    variables = {**forwarded, **environment.get("env_vars", {})}
    return {**kept, "address": address, "runtime_env": {**environment, "env_vars": variables}}


@contextlib.contextmanager
def training_session(config: DictConfig, given: Mapping[str, Any]) -> Iterator[None]:
    """Connect a training to the cluster that ``config`` names, or to one that starts with the arguments ``given``.

    Raises:
        ConfigError: the cluster cannot be joined, or has too few accelerators.
    """
    address = address_of(config)
    if address is not None:
        arguments = joining_arguments(address, given)
    elif any(given.get(name) is not None for name in ("num_cpus", "num_gpus")):
        # Otherwise Ray takes the cluster that `ray start` made last on this machine, and refuses these arguments.
        arguments = {**given, "address": "local"}
    else:
        arguments = dict(given)
    with session(arguments, f"{ADDRESS_KEY} or RAY_ADDRESS"):
        if address is not None:
            check_accelerators(config, address)
        yield


def check_accelerators(config: DictConfig, address: str) -> None:
    """Raise ConfigError unless the cluster at ``address``, which is joined, has the accelerators of ``config``."""
    nodes, each = config.trainer.nnodes, config.trainer.n_gpus_per_node
    slots = [int(row["Resources"].get("GPU", 0)) for row in ray.nodes() if row["Alive"]]
    if sum(count // each for count in slots) < nodes:
        raise ConfigError(
            f"got a Ray cluster at {address} whose nodes have {slots} GPUs; expected {nodes} x {each}: change "
            "trainer.nnodes and trainer.n_gpus_per_node, or start it with more (on CPUs: ray start --num-gpus=...)"
        )


# ---- commands for job scripts ----


def free_ports(ip: str, count: int) -> list[int]:
    """Find ports of this machine's address ``ip`` that nobody listens on now.

    Raises:
        ClusterError: the address is not this machine's.
    """
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for item in sockets:
            try:
                item.bind((ip, 0))
            except OSError as error:
                raise ClusterError(
                    f"got the head's address {ip}, which cannot be listened on ({error.strerror}); expected one of "
                    "this machine's: set HEAD_IP, or unset it for Ray's own choice"
                ) from error
        return [item.getsockname()[1] for item in sockets]


def shortfalls(rows: Sequence[Mapping[str, Any]], nodes: Sequence[str], gpus_per_node: int) -> list[str]:
    """List what a cluster lacks, one text per node; empty when it is complete.

    Args:
        rows: as ``ray.nodes()`` gives them; a node that left stays in the list and is not alive.
        nodes: names (``ray start --node-name``) of the nodes that should be there.
        gpus_per_node: accelerators that each of them should offer.
    """
    alive = {row["NodeName"]: row["Resources"] for row in rows if row["Alive"]}
    left = {row["NodeName"] for row in rows if not row["Alive"]}
    lacks = []
    for name in nodes:
        if name not in alive:
            lacks.append(f"{name} ({'left' if name in left else 'not seen'})")
        elif (gpus := int(alive[name].get("GPU", 0))) < gpus_per_node:
            lacks.append(f"{name} ({gpus} of {gpus_per_node} GPUs)")
    return lacks


def wait_until_complete(
    look: Callable[[], Sequence[Mapping[str, Any]]], nodes: Sequence[str], gpus_per_node: int, deadline: float
) -> None:
    """Look at a cluster once a second until it is complete; print each change of what it lacks.

    Args:
        look: gives the nodes as ``ray.nodes()`` does.
        deadline: in seconds of ``time.monotonic()``.

    Raises:
        ClusterError: the cluster is not complete at the deadline; the message names what is missing.
    """
    before: list[str] = []
    while lacks := shortfalls(look(), nodes, gpus_per_node):
        if time.monotonic() >= deadline:
            raise ClusterError(
                f"got {len(nodes) - len(lacks)} of {len(nodes)} nodes with {gpus_per_node} GPUs each in time; missing: "
                f"{', '.join(lacks)}. Look at their logs, or wait longer with a larger --timeout"
            )
        if lacks != before:
            print(f"waiting for {', '.join(lacks)}", flush=True)
            before = lacks
        time.sleep(POLL_SECONDS)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hpt.verl_ext.ray_cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    place = commands.add_parser("place", help="print an address for the head and two free ports")
    place.add_argument("--ip", help="this machine's address; by default Ray's choice")
    wait = commands.add_parser("wait", help="wait until all nodes and their GPUs are there")
    wait.add_argument("--address", required=True, help="the head's, host:port")
    wait.add_argument("--nodes", nargs="+", required=True, help="names of all nodes")
    wait.add_argument("--gpus-per-node", type=int, required=True)
    wait.add_argument("--timeout", type=float, default=600.0, help="seconds; default 600")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 the cluster is not complete, 2 wrong arguments."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "place":
            ip = options.ip or ray.util.get_node_ip_address()
            print(ip, *free_ports(ip, 2))
            return 0
        deadline = time.monotonic() + options.timeout
        joining = {"address": options.address, "log_to_driver": False, "logging_level": logging.ERROR}
        with session(joining, "--address", deadline):
            wait_until_complete(ray.nodes, options.nodes, options.gpus_per_node, deadline)
    except HPTError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
