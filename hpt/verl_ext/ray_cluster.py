# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A Ray cluster of named nodes: where its head may listen, and when all of it is there.

For the job scripts of a scheduler (``examples/slurm``), which start one Ray process per node:

    python -m hpt.verl_ext.ray_cluster place                 # 10.0.0.1 43211 36677: the head's address and two free ports
    python -m hpt.verl_ext.ray_cluster wait --address 10.0.0.1:43211 --nodes node01 node02 --gpus-per-node 8
"""

import argparse
import contextlib
import logging
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import ray

from hpt.common.errors import HPTError

POLL_SECONDS = 1.0
CONNECT_SECONDS = 5.0  # for one attempt to reach a port


class ClusterError(HPTError):
    """A cluster that is not what was expected."""


def free_ports(ip: str, count: int) -> list[int]:
    """Ports of this machine's address ``ip`` that nobody listens on now.

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
                    f"got the head's address {ip}, which cannot be listened on ({error.strerror}); expected one of this "
                    "machine's: set HEAD_IP, or unset it for Ray's own choice"
                ) from error
        return [item.getsockname()[1] for item in sockets]


def shortfalls(rows: Sequence[Mapping[str, Any]], nodes: Sequence[str], gpus_per_node: int) -> list[str]:
    """What a cluster lacks, one text per node; empty when it is complete.

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
    look: Callable[[], Sequence[Mapping[str, Any]]],
    nodes: Sequence[str],
    gpus_per_node: int,
    deadline: float,
) -> None:
    """Look at a cluster once a second until it is complete; prints each change of what it lacks.

    Args:
        look: gives the nodes as ``ray.nodes()`` does.
        deadline: of ``time.monotonic()``.

    Raises:
        ClusterError: it is not complete at the deadline; names what is missing.
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


def refusal(address: str) -> str | None:
    """Why nothing answers at ``address`` (host:port); None if something does.

    Ray itself tries a wrong address for many minutes.

    Raises:
        ClusterError: an address of another form.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ClusterError(f"got the address '{address}'; expected host:port")
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        return str(error)
    return None


def wait_for_port(address: str, deadline: float) -> None:
    """Return when something listens at ``address`` (host:port).

    Raises:
        ClusterError: nothing does at the deadline, or the address has another form.
    """
    while reason := refusal(address):
        if time.monotonic() >= deadline:
            raise ClusterError(
                f"no Ray head answers at {address} ({reason}); look at the head node's log, or wait longer with a "
                "larger --timeout"
            )
        time.sleep(POLL_SECONDS)


@contextlib.contextmanager
def connected(address: str, deadline: float) -> Iterator[None]:
    """A connection to the cluster at ``address``, from one of its nodes.

    Ray itself waits, but not for as long as a cluster may take to start: it is asked again.

    Raises:
        ClusterError: there is none at the deadline.
    """
    wait_for_port(address, deadline)
    while True:
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
            break
        except (ConnectionError, RuntimeError) as error:
            if time.monotonic() >= deadline:
                raise ClusterError(
                    f"cannot join Ray at {address}: {error}. Expected a cluster that this machine is a node of"
                ) from error
            time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        ray.shutdown()


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
        with connected(options.address, deadline):
            wait_until_complete(ray.nodes, options.nodes, options.gpus_per_node, deadline)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
