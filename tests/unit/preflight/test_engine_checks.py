# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Models of real architectures pass the checks, and what vLLM would refuse late is refused."""

import json
import os
import re
import subprocess
from types import SimpleNamespace

import pytest

from hpt.preflight import command, engine_checks, environment
from hpt.preflight.table import Context, Status, run_steps
from tests.helpers.models import SPECIAL, instruct_model

pytestmark = pytest.mark.slow

BUCKET = "actor_rollout_ref__rollout__checkpoint_engine__update_weights_bucket_megabytes"
EMBEDDING = (50_000, 64)  # 12.2 MiB in float32
LENGTHS = {"data__max_prompt_length": 64, "data__max_response_length": 64}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """models(architecture, tied) -> its folder."""
    root, made = tmp_path_factory.mktemp("models"), {}

    def make(architecture="llama", tied=True):
        folder = root / f"{architecture}_{tied}"
        if folder not in made:
            made[folder] = instruct_model(folder, architecture, tied=tied, pad=SPECIAL[0])
        return made[folder]

    return make


@pytest.fixture
def lines(configure, models, monkeypatch):
    """lines(name, model, changes) -> the table's lines by their names."""
    monkeypatch.setattr(environment, "gpus", lambda: None)

    def make(name="small_model", model=None, **changes):
        config = configure(name, actor_rollout_ref__model__path=str(model or models()), **changes)
        return {line.name: line for line in run_steps(command.STEPS, Context(config))}

    return make


# Their real models tie their embeddings, or do not.
@pytest.mark.parametrize(
    ("architecture", "tied"),
    [("llama", True), ("qwen2", True), ("qwen3", True), ("olmo2", False), ("gemma3_text", True), ("gpt_neox", False)],
)
def test_a_model_passes_all_checks(lines, models, architecture, tied):
    found = lines(model=models(architecture, tied))
    assert {line.name: line.found for line in found.values() if line.status is not Status.PASS} == {}
    assert found["context"].found == "sequences of up to 512 tokens"
    assert "has 13 MiB, a bucket 1024 MiB" in found["weights to vLLM"].found


@pytest.fixture(scope="module")
def transfers(interpreter, tmp_path_factory) -> str:
    """What came of sending an embedding as verl's actor does, per bucket, in a process on the CPU platform."""
    code = f"folder, EMBEDDING = {str(tmp_path_factory.mktemp('sockets'))!r}, {EMBEDDING}\n{TRANSFERS}"
    done = subprocess.run(
        [interpreter, "-c", code], env={**os.environ, "VERL_PLATFORM": "cpu"}, capture_output=True, text=True,
        timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


TRANSFERS = """
import asyncio, contextlib, threading
import torch, zmq
from hpt.verl_ext.cpu import platform
platform.select()
# Only now: verl looks for vLLM when it is imported, and the build for CPUs is found on the CPU platform.
from verl.workers.rollout.vllm_rollout import bucketed_weight_transfer as verls

def transfer(bucket):
    handle = f"ipc://{folder}/{bucket}"
    receiver = verls.BucketedWeightReceiver(handle, torch.device("cpu"), use_shm=True)
    receiver.zmq_context = zmq.Context()
    receiver.zmq_context.setsockopt(zmq.RCVTIMEO, 5000)  # it gives up when nothing comes

    def receive():
        with contextlib.suppress(zmq.Again):
            receiver.receive_weights(lambda weights, is_last: None)

    thread = threading.Thread(target=receive)
    thread.start()
    try:
        sender = verls.BucketedWeightSender(handle, bucket, use_shm=True)
        asyncio.run(sender.async_send_weights([("embedding", torch.ones(EMBEDDING))]))
    finally:
        thread.join()
        receiver.zmq_context.destroy()

for bucket in (12, 13):
    try:
        transfer(bucket)
        print(f"bucket {bucket}: sent")
    except AssertionError as error:
        print(f"bucket {bucket}: {error}")
"""


def test_a_bucket_that_verl_cannot_use_is_refused(lines, transfers):
    small, large = (lines(**{BUCKET: bucket})["weights to vLLM"] for bucket in (12, 13))
    assert re.search("bucket 12: .*too large", transfers) and "bucket 13: sent" in transfers
    assert (small.status, large.status) == (Status.FAIL, Status.PASS)
    assert small.found.startswith(f"got {BUCKET.replace('__', '.')}=12, ") and small.advice == "expected at least 13"


def test_gpus_send_any_tensor(lines):
    found = lines("hpt_trainer", **LENGTHS, **{BUCKET: 1})
    assert "weights to vLLM" not in found and found["model"].status is Status.PASS


def test_shared_memory_has_to_hold_what_is_sent(lines, monkeypatch):
    monkeypatch.setattr(
        engine_checks.shutil, "disk_usage", lambda _: SimpleNamespace(free=64 << 20)
    )  # docker's default
    assert lines()["weights to vLLM"].status is Status.PASS
    monkeypatch.setattr(engine_checks.shutil, "disk_usage", lambda _: SimpleNamespace(free=24 << 20))
    found = lines()["weights to vLLM"]  # the tied embedding is sent twice
    assert found.status is Status.FAIL and "/dev/shm" in found.found and "--shm-size" in found.advice
    assert lines(**{BUCKET: 13})["weights to vLLM"].status is Status.PASS


def test_sequences_have_to_fit_into_the_models_positions(lines, tmp_path):
    model = instruct_model(tmp_path / "model", pad=SPECIAL[0])
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 127}))
    found = lines(model=model, **LENGTHS)["context"]
    assert found.status is Status.FAIL and "actor_rollout_ref.rollout.max_model_len=128" in found.found
    assert lines(model=model, **LENGTHS, actor_rollout_ref__rollout__max_model_len=127)["context"].status is Status.PASS
