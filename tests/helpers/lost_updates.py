# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A rollout worker extension that receives weight updates and discards them."""

from verl.workers.rollout.vllm_rollout.bucketed_weight_transfer import BucketedWeightReceiver

from hpt.verl_ext.cpu.rollout import CPUColocateWorkerExtension


class LosesUpdates(CPUColocateWorkerExtension):
    def update_weights_from_ipc(self, peft_config=None, base_sync_done=False, use_shm=False):
        receiver = BucketedWeightReceiver(self._get_zmq_handle(), device=self.device, use_shm=use_shm)
        receiver.receive_weights(on_bucket_received=lambda bucket, is_last: bucket.clear())
