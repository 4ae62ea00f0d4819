# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What the processes of a training import."""

# Without Ray, which must be imported under a cluster's environment: the server starts on these while
# the launching process still reads its configuration.
AT_ONCE = (
    "torch",
    "transformers",
    "tensordict",
    "datasets",
    "peft",
    "math_verify",
    "vllm.config",
    "vllm.v1.structured_output",
)
IN_CLUSTER = (
    "hpt.verl_ext.trainer",
    "verl.workers.rollout.vllm_rollout.vllm_async_server",
    "vllm.v1.worker.cpu_worker",
    "hpt.verifier",
)
# What these read when they are imported; as the CPU platform and verl set it for workers.
ENVIRONMENT = {"VLLM_TARGET_DEVICE": "cpu", "VLLM_LOGGING_LEVEL": "WARN"}
