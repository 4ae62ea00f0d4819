# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of a training that joins a running Ray; tests/integration/test_slurm.py joins one."""

import pytest
from omegaconf import OmegaConf

from hpt.common.errors import ConfigError
from hpt.verl_ext import joining
from hpt.verl_ext import validation as preflight
from recipe.hpt.launch import compose


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    for name in ("RAY_ADDRESS", *joining.VARIABLES):
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
    assert joining.address_of(config()) is None
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:1")
    assert joining.address_of(config()) == "10.0.0.1:1"
    assert joining.address_of(config(address="10.0.0.2:2")) == "10.0.0.2:2"
    assert joining.address_of(config(address="local")) is None


def test_rays_client_is_refused():
    with pytest.raises(ConfigError, match=r"got the Ray address ray://h:1; .* expected host:port"):
        joining.address_of(config(address="ray://h:1"))


def test_a_fork_server_and_a_cluster_to_join_exclude_each_other(monkeypatch):
    joining.check(config(fork_workers=True, num_gpus=2), ranks=2)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:1")
    with pytest.raises(ConfigError, match=r"Ray cluster at 10\.0\.0\.1:1 to join; .*fork_workers="):
        joining.check(config(fork_workers=True), ranks=2)


def test_slots_are_counted_only_for_a_cluster_of_its_own():
    with pytest.raises(ConfigError, match="num_gpus=1 on a CPU with 2 ranks"):
        joining.check(config(num_gpus=1), ranks=2)
    joining.check(config(num_gpus=1, address="10.0.0.1:1"), ranks=2)
    joining.check(config(device="cuda"), ranks=2)


def test_what_describes_a_new_cluster_is_left_out_and_the_platform_is_forwarded(monkeypatch):
    monkeypatch.setenv("VERL_PLATFORM", "cpu")
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "2")
    given = {
        "num_cpus": 16,
        "num_gpus": 1,
        "include_dashboard": False,
        "_node_ip_address": "10.0.0.3",
        "runtime_env": {"working_dir": None, "env_vars": {"A": "1", "VLLM_CPU_KVCACHE_SPACE": "4"}},
    }
    assert joining.arguments("10.0.0.1:1", given) == {
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
        preflight.check_pairing(compose(two_nodes))
    joined = compose([*two_nodes, "ray_kwargs.ray_init.address=10.0.0.1:1"])
    preflight.check_pairing(joined)
    assert joining.address_of(joined) == "10.0.0.1:1"


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1:x", "expected host:port"),
        ("127.0.0.1:1", "refused"),
        ("127.0.0.2:1", "refused"),
    ],
)
def test_a_cluster_that_is_not_there_is_named_at_once(address, reason):
    with pytest.raises(ConfigError, match=f"cannot join the Ray cluster at {address}: .*{reason}"):
        joining.join(config(), joining.arguments(address, {"runtime_env": {}}))
