# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What the trainer does while weights are on their way, with actors in place of the worker and of the servers."""

import asyncio
import sys
from types import SimpleNamespace

import pytest
import ray
from ray.exceptions import RayTaskError

from hpt.verl_ext.sampling import RolloutError
from hpt.verl_ext.weight_sync import WatchedSync, own_socket, run_id

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]


class Server:
    """A rollout server whose engine may fail or hang."""

    def __init__(self, number: int):
        self.number = number
        self.failed, self.hangs, self.killed = False, False, False
        self.done: list[str] = []

    async def failure(self):
        while not self.failed:
            await asyncio.sleep(0.05)
        raise RolloutError(f"the engine of rollout server {self.number} has died")

    async def fail(self):
        self.failed = True

    async def sleep(self):
        return "asleep"

    async def abort_all_requests(self, reject_request: bool):
        self.done.append("abort")
        await asyncio.sleep(600 if self.hangs else 0)

    async def resume_engine_generation(self):
        await asyncio.sleep(0.1 * self.number)
        self.done.append("resume")

    async def open_submission_gate(self):
        self.done.append("open")

    async def hang(self):
        self.hangs = True

    async def what_it_did(self):
        return self.done

    async def kill_engine(self):
        self.killed = True

    async def was_killed(self):
        return self.killed


class Actor:
    """The side that sends."""

    async def send(self, seconds: float):
        await asyncio.sleep(seconds)

    async def break_off(self):
        raise AssertionError("the other side is gone")


def names() -> tuple[str, str]:
    return run_id(), own_socket("ipc:///tmp/rl-01000000-replica-0.sock")


@pytest.fixture(scope="module")
def cluster():
    module = sys.modules[__name__]
    ray.cloudpickle.register_pickle_by_value(module)  # Ray's workers cannot import a test
    ray.init("local", num_cpus=8, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()
    ray.cloudpickle.unregister_pickle_by_value(module)


@pytest.fixture
def sync(cluster, monkeypatch):
    """sync(call) -> a manager of two replicas; ``call`` is the actor's method for an update, with its arguments."""

    def make(method: str, *arguments, stall_timeout: float = 60.0) -> WatchedSync:
        actor = ray.remote(Actor).remote()
        servers = [ray.remote(Server).remote(number) for number in range(2)]
        ray.get([server.sleep.remote() for server in servers])  # they are there
        replicas = [SimpleNamespace(server_handle=server, servers=[server]) for server in servers]
        group = SimpleNamespace(update_weights=lambda **_: [getattr(actor, method).remote(*arguments)])
        config = SimpleNamespace(backend="naive", custom_backend_module=None)
        return WatchedSync(SimpleNamespace(config=config, actor_wg=group, replicas=replicas), stall_timeout)

    return make


def test_it_returns_when_all_have_taken_the_weights_and_when_all_sleep(sync):
    made = sync("send", 0.1)
    assert made.update_weights(1) == {}
    made.sleep_replicas()
    assert made.update_weights(2) == {}


def test_samples_are_ended_and_gone_on_with_on_all_servers(sync):
    made = sync("send", 0.1)
    made.abort_replicas()
    made.resume_generation_replicas()
    done = ray.get([replica.server_handle.what_it_did.remote() for replica in made.replicas])
    assert done == [["abort", "resume", "open"]] * 2


def test_an_engine_that_does_not_end_its_samples_ends_the_run(sync):
    made = sync("send", 0.1, stall_timeout=0.5)
    ray.get(made.replicas[1].server_handle.hang.remote())
    with pytest.raises(RolloutError, match=r"have not ended their samples for 0.5 s \(hpt.stall_timeout\)"):
        made.abort_replicas()
    assert ray.get([replica.server_handle.was_killed.remote() for replica in made.replicas]) == [True, True]


def test_a_look_at_the_engines_does_not_wait(sync):
    made = sync("send", 0.1)
    made.check()
    ray.get(made.replicas[1].server_handle.fail.remote())
    ray.wait(made._failures, timeout=30)
    with pytest.raises(RayTaskError) as raised:
        made.check()
    assert str(raised.value.cause) == "the engine of rollout server 1 has died"


def test_the_failure_of_an_engine_ends_the_wait(sync):
    made = sync("send", 600)
    ray.get(made.replicas[1].server_handle.fail.remote())
    with pytest.raises(RayTaskError) as raised:
        made.update_weights(1)
    assert str(raised.value.cause) == "the engine of rollout server 1 has died"


def test_the_server_says_more_than_the_actor(sync):
    made = sync("break_off")
    made.replicas[0].server_handle.fail.remote()
    with pytest.raises(RayTaskError) as raised:
        made.update_weights(1)
    assert str(raised.value.cause) == "the engine of rollout server 0 has died"


def test_an_error_of_the_actor_alone_is_raised(sync, monkeypatch):
    monkeypatch.setattr("hpt.verl_ext.weight_sync.GRACE_S", 0.2)
    with pytest.raises(AssertionError, match="the other side is gone"):
        sync("break_off").update_weights(1)


def test_weights_that_are_not_taken_in_time_end_the_run_and_the_engines(sync):
    made = sync("send", 600, stall_timeout=0.5)
    with pytest.raises(RolloutError, match=r"have not taken the weights for 0.5 s \(hpt.stall_timeout\)"):
        made.update_weights(1)
    assert ray.get([replica.server_handle.was_killed.remote() for replica in made.replicas]) == [True, True]


def test_the_socket_has_the_clusters_address_and_is_the_same_in_every_process(cluster):
    remote = ray.get(ray.remote(names).remote())
    context = ray.get_runtime_context()
    assert remote[0] == run_id() == f"{context.gcs_address}-{context.get_job_id()}"
    assert remote[1] == f"ipc:///tmp/rl-{run_id()}-replica-0.sock"
