# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The fork server, with everything that a training imports."""

import os
import subprocess

import pytest

from hpt.verl_ext.cpu.forkserver import modules, serving

pytestmark = pytest.mark.ray


def test_rays_random_ids_differ_between_children_of_the_whole_stack():
    """No module of verl or vLLM draws a random id on import, other than remote_class.py of the fork server's tests."""
    code = "import ray; print(ray.ObjectID.from_random().hex(), ray.ActorClassID.from_random().hex())"
    environment = {**os.environ, "VERL_PLATFORM": "cpu", "VLLM_TARGET_DEVICE": "cpu"}
    with serving(modules.AT_ONCE, modules.IN_CLUSTER, modules.ENVIRONMENT) as server:
        answers = [
            subprocess.run(
                [server.launcher, "-c", code],
                env=environment, capture_output=True, text=True, timeout=200,
            ).stdout.split()[-2:]
            for _ in range(2)
        ]  # fmt: skip
    assert [len(answer) for answer in answers] == [2, 2]
    assert not set(answers[0]) & set(answers[1])
