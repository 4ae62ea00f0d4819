# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Where a cluster's head may listen, and what a cluster lacks; tests/integration/test_slurm.py asks a real one."""

import socket
import time

import pytest

from hpt.verl_ext import ray_cluster as cluster
from hpt.verl_ext.ray_cluster import ClusterError


def node(name: str, gpus: float = 8.0, alive: bool = True) -> dict:
    """A row as ``ray.nodes()`` has it."""
    return {"NodeName": name, "Alive": alive, "Resources": {"CPU": 64.0, "GPU": gpus}}


@pytest.fixture
def listener():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening


def test_a_complete_cluster_lacks_nothing():
    rows = [node("a"), node("b", gpus=9.0), node("not-ours", gpus=0.0)]
    assert cluster.shortfalls(rows, ["a", "b"], 8) == []


def test_what_a_cluster_lacks_is_named_node_by_node():
    bare = {"NodeName": "d", "Alive": True, "Resources": {"CPU": 64.0}}
    rows = [node("a"), node("b", gpus=7.0), node("c", alive=False), bare]
    assert cluster.shortfalls(rows, ["a", "b", "c", "d", "e"], 8) == [
        "b (7 of 8 GPUs)",
        "c (left)",
        "d (0 of 8 GPUs)",
        "e (not seen)",
    ]


def test_a_node_that_came_back_under_its_name_counts():
    assert cluster.shortfalls([node("a", alive=False), node("a")], ["a"], 8) == []


def test_waiting_tells_each_change_once(monkeypatch, capsys):
    monkeypatch.setattr(cluster, "POLL_SECONDS", 0.0)
    looks = iter([[], [], [node("a")], [node("a"), node("b")]])
    cluster.wait_until_complete(lambda: next(looks), ["a", "b"], 8, time.monotonic() + 60)
    assert capsys.readouterr().out == ("waiting for a (not seen), b (not seen)\nwaiting for b (not seen)\n")


def test_waiting_ends_in_time_and_names_what_is_missing(monkeypatch):
    monkeypatch.setattr(cluster, "POLL_SECONDS", 0.0)
    with pytest.raises(ClusterError, match=r"got 1 of 2 nodes .*missing: b \(not seen\)\. Look at"):
        cluster.wait_until_complete(lambda: [node("a")], ["a", "b"], 8, time.monotonic() + 0.05)


def test_ports_are_free_and_different():
    ports = cluster.free_ports("127.0.0.1", 2)
    assert len(set(ports)) == 2
    for port in ports:
        with socket.socket() as server:
            server.bind(("127.0.0.1", port))


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(ClusterError, match=r"got the head's address 198\.51\.100\.1, which cannot"):
        cluster.free_ports("198.51.100.1", 2)  # kept for documentation (RFC 5737), nobody's


def test_a_port_is_waited_for(listener, monkeypatch):
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    cluster.wait_for_port(address, deadline=0.0)
    listener.close()
    with pytest.raises(ClusterError, match=f"no Ray head answers at {address}"):
        cluster.wait_for_port(address, deadline=0.0)


def test_place_prints_address_and_ports(capsys):
    assert cluster.main(["place", "--ip", "127.0.0.1"]) == 0
    ip, *ports = capsys.readouterr().out.split()
    assert ip == "127.0.0.1" and len(ports) == 2
    assert cluster.main(["place", "--ip", "198.51.100.1"]) == 1
    assert "unset it for Ray's own choice" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["127.0.0.1", ":1", "127.0.0.1:", "127.0.0.1:x"])
def test_an_address_of_another_form_is_refused(address, capsys):
    arguments = ["wait", "--address", address, "--nodes", "a", "--gpus-per-node", "1"]
    assert cluster.main(arguments) == 1
    assert f"got the address '{address}'; expected host:port" in capsys.readouterr().err
