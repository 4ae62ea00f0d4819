# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Joining and waiting for a Ray cluster; tests/integration/test_slurm.py does both with a real one."""

import socket
import subprocess
import sys
import time

import pytest
from omegaconf import OmegaConf

from hpt.common.errors import ConfigError
from hpt.verl_ext import ray_cluster as cluster
from hpt.verl_ext.ray_cluster import ClusterError
from hpt.verl_ext.supported import check_pairing
from recipe.hpt.configs import compose


def node(name: str, gpus: float = 8.0, alive: bool = True) -> dict:
    """A row as ``ray.nodes()`` has it."""
    return {"NodeName": name, "Alive": alive, "Resources": {"CPU": 64.0, "GPU": gpus}}


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


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.2:1", "127.0.0.2:70000"])
def test_a_head_that_does_not_answer_in_time_is_named(address, capsys):
    arguments = ["wait", "--address", address, "--nodes", "a", "--gpus-per-node", "1", "--timeout", "0.1"]
    assert cluster.main(arguments) == 1
    assert f"cannot join the Ray cluster at {address}: " in capsys.readouterr().err


def test_place_prints_address_and_ports(capsys):
    assert cluster.main(["place", "--ip", "127.0.0.1"]) == 0
    ip, *ports = capsys.readouterr().out.split()
    assert ip == "127.0.0.1" and len(ports) == 2
    assert cluster.main(["place", "--ip", "198.51.100.1"]) == 1
    assert "unset it for Ray's own choice" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["127.0.0.1", ":1", "127.0.0.1:", "127.0.0.1:x", "ray://127.0.0.1:1"])
def test_an_address_of_another_form_is_refused(address, capsys):
    arguments = ["wait", "--address", address, "--nodes", "a", "--gpus-per-node", "1"]
    assert cluster.main(arguments) == 1
    assert f"got the Ray address '{address}'; expected host:port in --address" in capsys.readouterr().err


def test_importing_it_imports_neither_verl_nor_torch():
    code = "import sys, hpt.verl_ext.ray_cluster as _; sys.exit(bool({'verl', 'torch', 'vllm'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# ---- a training's cluster ----


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    for name in ("RAY_ADDRESS", *cluster.FORWARDED):
        monkeypatch.delenv(name, raising=False)


def config(device="cpu", fork_workers=False, **ray_init):
    return OmegaConf.create(
        {
            "trainer": {"device": device, "nnodes": 2, "n_gpus_per_node": 1},
            "hpt": {"fork_workers": fork_workers},
            "ray_kwargs": {"ray_init": ray_init},
        }
    )


def test_the_address_is_the_settings_then_the_environments(monkeypatch):
    assert cluster.address_of(config()) is None
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:1")
    assert cluster.address_of(config()) == "10.0.0.1:1"
    assert cluster.address_of(config(address="10.0.0.2:2")) == "10.0.0.2:2"
    assert cluster.address_of(config(address="local")) is None


def test_rays_client_is_refused():
    with pytest.raises(ConfigError, match=r"got the Ray address ray://h:1; .* expected host:port"):
        cluster.address_of(config(address="ray://h:1"))


def test_a_fork_server_and_a_cluster_to_join_exclude_each_other(monkeypatch):
    cluster.check_settings(config(fork_workers=True, num_gpus=2))
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:1")
    with pytest.raises(ConfigError, match=r"Ray cluster at 10\.0\.0\.1:1 to join; .*fork_workers="):
        cluster.check_settings(config(fork_workers=True))


def test_slots_are_counted_only_for_a_cluster_of_its_own():
    with pytest.raises(ConfigError, match="num_gpus=1 on a CPU with 2 ranks"):
        cluster.check_settings(config(num_gpus=1))
    cluster.check_settings(config(num_gpus=1, address="10.0.0.1:1"))
    cluster.check_settings(config(device="cuda"))


def test_arguments_of_a_new_cluster_are_left_out_and_the_platform_is_forwarded(monkeypatch):
    monkeypatch.setenv("VERL_PLATFORM", "cpu")
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "2")
    given = {
        "num_cpus": 16,
        "num_gpus": 1,
        "include_dashboard": False,
        "_node_ip_address": "10.0.0.3",
        "runtime_env": {"working_dir": None, "env_vars": {"A": "1", "VLLM_CPU_KVCACHE_SPACE": "4"}},
    }
    assert cluster.joining_arguments("10.0.0.1:1", given) == {
        "address": "10.0.0.1:1",
        "_node_ip_address": "10.0.0.3",
        "runtime_env": {
            "working_dir": None,
            "env_vars": {"A": "1", "VLLM_CPU_KVCACHE_SPACE": "4", "VERL_PLATFORM": "cpu"},
        },
    }
    assert given["num_cpus"] == 16 and "VERL_PLATFORM" not in given["runtime_env"]["env_vars"]


def test_the_shipped_configuration_joins_by_an_override():
    two_nodes = ["trainer.nnodes=2", "hpt.fork_workers=false"]
    with pytest.raises(ConfigError, match="num_gpus=1 on a CPU with 2 ranks"):
        check_pairing(compose(two_nodes))
    joined = compose([*two_nodes, "ray_kwargs.ray_init.address=10.0.0.1:1"])
    check_pairing(joined)
    assert cluster.address_of(joined) == "10.0.0.1:1"


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1:x", "expected host:port"),
        ("127.0.0.1:1", "cannot join the Ray cluster at 127.0.0.1:1: .*refused"),
        ("127.0.0.2:1", "cannot join the Ray cluster at 127.0.0.2:1: .*refused"),
    ],
)
def test_a_cluster_that_is_not_there_is_named_at_once(address, reason):
    joining = cluster.training_session(config(address=address), {"runtime_env": {}})
    with pytest.raises(ConfigError, match=reason), joining:
        pass
