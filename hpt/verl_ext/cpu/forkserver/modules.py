# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The modules that the processes of a training import."""

# The server imports these while the launching process still reads its configuration. Ray is not among them: it must be
# imported in a cluster's environment.
AT_ONCE = (
    "torch",
    "transformers",
    "tensordict",
    "datasets",
    "peft",
    "vllm.config",
    "vllm.v1.structured_output",
    "vllm.lora.lora_model",
    "vllm.v1.worker.cpu_worker",
    "fastapi",
)
IN_CLUSTER = (
    "hpt.verl_ext.trainer",
    "verl.workers.rollout.vllm_rollout.vllm_async_server",
    "hpt.verifier",
)
# Variables that these modules read on import, with the values that the CPU platform and verl set for workers.
ENVIRONMENT = {"VLLM_TARGET_DEVICE": "cpu", "VLLM_LOGGING_LEVEL": "WARN"}
