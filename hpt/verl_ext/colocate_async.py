# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The hybrid trainer that samples ahead: rollouts of later batches are in progress while a batch is trained on.

What is sampled is verl's: it keeps ``num_warmup_batches`` of questions in flight beyond the batch, ends the sampling of
unfinished rollouts before an update, and goes on with them under the new weights. So a rollout may be older than the
weights that train on it, and its tokens of several ages. Everything after the rollouts is :mod:`hpt.verl_ext.trainer`.
"""

import math

from omegaconf import DictConfig
from transfer_queue import KVBatchMeta
from verl.trainer.ppo.v1.trainer_base import register_trainer
from verl.trainer.ppo.v1.trainer_colocate_async import PPOTrainerColocateAsync

from hpt.method.metrics import age_metrics
from hpt.verl_ext import rows as row_io
from hpt.verl_ext.sampling import RolloutError
from hpt.verl_ext.trainer import HybridTrainerMixin
from hpt.verl_ext.trainer_modes import COLOCATE_ASYNC


@register_trainer(COLOCATE_ASYNC)
class HybridTrainerColocateAsync(HybridTrainerMixin, PPOTrainerColocateAsync):
    """Hybrid post-training with colocated rollouts of later batches; beside verl's ``colocate_async``."""

    base_mode = "colocate_async"

    def __init__(self, config: DictConfig):
        super().__init__(config)
        self._replaced = 0  # questions, in this step
        self.replay_buffer.refill_fn = self._replace

    def on_sample_begin(self):
        super().on_sample_begin()
        self._replaced = 0

    def _replace(self, count: int) -> int:
        """Draw questions in place of those that the buffer removes: too old ones, and those whose rollouts failed.

        Raises:
            RolloutError: new ones fail, too. verl would go through the data for ever.
        """
        self._replaced += count
        ahead = self.config.trainer.v1.colocate_async.num_warmup_batches
        if self._replaced > (in_flight := math.ceil((1 + ahead) * self.config.data.train_batch_size)):
            raise RolloutError(
                f"{self._replaced} questions of step {self.global_steps} had to be replaced, and at most {in_flight} "
                "are in flight: the rollouts of new questions fail as well, for the reason that the log gives under "
                "'Error in _run_prompt'"
            )
        return self._add_prompts_to_generate(count)

    def _balance_batch(
        self, batch: KVBatchMeta, metrics: dict, logging_prefix: str = "global_seqlen", keep_minibatch: bool = False
    ) -> KVBatchMeta:
        trained = self.global_steps - 1  # the weights' version, as verl counts it
        versions = [(tag["min_global_steps"], tag["max_global_steps"]) for tag in batch.tags]
        metrics.update(age_metrics(versions, trained))
        return super()._balance_batch(batch, metrics, logging_prefix, keep_minibatch)

    def _load_checkpoint(self):
        super()._load_checkpoint()
        # verl saves TransferQueue before the rows of the checkpoint's own step leave it.
        _, trained_on = row_io.besides("train")
        row_io.clear(trained_on, "train")
