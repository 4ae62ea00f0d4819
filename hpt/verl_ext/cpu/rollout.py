# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Weight updates into vLLM's CPU workers.

vLLM's CPU linear layers repack their weights for the kernels and drop the original parameter. verl's in-place
``load_weights`` cannot refresh them: an update would be lost without an error. ``reload_weights`` repeats vLLM's own
loading, packing included.
"""

import logging

import torch
from verl.workers.rollout.vllm_rollout.bucketed_weight_transfer import BucketedWeightReceiver
from verl.workers.rollout.vllm_rollout.utils import vLLMColocateWorkerExtension

# vLLM warns at every update that a rotary embedding got no weights. It has a table only, which stays as it is.
logging.getLogger("vllm.model_executor.model_loader.reload.layerwise").addFilter(
    lambda record: "RotaryEmbedding: Failed to load weights" not in record.getMessage()
)


class CPUColocateWorkerExtension(vLLMColocateWorkerExtension):
    """Set as ``rollout.engine_kwargs.vllm.worker_extension_cls``; replaces the weight update only."""

    def update_weights_from_ipc(
        self, peft_config: dict | None = None, base_sync_done: bool = False, use_shm: bool = False
    ) -> None:
        """Receive all buckets, then reload the model once.

        Raises:
            NotImplementedError: LoRA adapters; merge them (``model.lora.merge=True``) instead.
        """
        if peft_config and base_sync_done:
            raise NotImplementedError(
                "LoRA adapters cannot be sent to vLLM on a CPU; set actor_rollout_ref.model.lora.merge=True."
            )
        weights: dict[str, torch.Tensor] = {}

        def on_bucket(bucket: list[tuple[str, torch.Tensor]], _is_last: bool) -> None:
            # A view would keep the shared-memory bucket from being closed, and the sender overwrites it with the next.
            weights.update((name, tensor.clone()) for name, tensor in bucket)

        receiver = BucketedWeightReceiver(
            zmq_handle=self._get_zmq_handle(), device=torch.device("cpu"), use_shm=use_shm
        )
        receiver.receive_weights(on_bucket_received=on_bucket)
        self.model_runner.reload_weights(weights_iterator=iter(weights.items()))
