# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The plain SFT trainer: questions become demonstration rows without being sampled from."""

import torch
from tensordict import TensorDict
from transfer_queue import KVBatchMeta
from verl.trainer.ppo.v1.trainer_base import register_trainer
from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync
from verl.utils.debug import marked_timer
from verl.utils.tokenizer import normalize_token_ids

from hpt.method.metrics import BatchMetrics
from hpt.method.routing import Question
from hpt.verl_ext import rows as row_io
from hpt.verl_ext.passes import PassesMixin

MODE = "hpt_plain_sft"
PARTITION = "train"  # verl's, of training rows


@register_trainer(MODE)
class PlainSFTTrainer(PassesMixin, PPOTrainerSync):
    """For strategies that generate no rollouts.

    The rollout engines sleep from the first step on and are woken for validations only.
    """

    base_mode = "sync"
    _engines_awake = True

    def prepare_step(self) -> dict:
        return {}  # verl's asks for rollouts

    def _step_once(self, metrics: dict, timing_raw: dict, sample_batch_size: int) -> KVBatchMeta:
        if self._engines_awake:  # they make room, as after a generation
            self.on_sample_end()
            self._engines_awake = False
        batch = self._next_train_batch(sample_batch_size)
        numbers = list(map(int, batch["demonstration_id"]))
        names = zip(list(batch["uid"]), self.train_dataset.question_ids(numbers), numbers, strict=True)
        questions = [
            Question(uid, [], [], self.train_dataset.demonstration(number), id=name, number=number)
            for uid, name, number in names
        ]
        plan = self._plan(questions)
        demonstrations = {question.uid: question.demonstration for question in questions}
        placed = row_io.put_demonstrations(plan.rows, demonstrations, self._prompt_sources(batch), PARTITION)
        rows = KVBatchMeta(
            keys=[row.key for row in placed],
            tags=[row.tag for row in placed],
            partition_id=PARTITION,
            extra_info={},
        )
        rows = self._lay_out(questions, plan, placed, BatchMetrics(), rows, metrics)
        rows = self._compute_old_log_prob(rows, metrics)
        if self.use_reference_policy:
            rows = self._compute_ref_log_prob(rows, metrics)
        rows = self._compute_advantage(rows, metrics)
        with marked_timer("update_actor", timing_raw, color="red"):
            return self._update_actor(rows, metrics)

    def _prompt_sources(self, batch: TensorDict) -> dict[str, row_io.Source]:
        """Prompts tokenised as the agent loop tokenises them, for questions it never sees."""
        template = dict(self.config.data.get("apply_chat_template_kwargs") or {})
        version = self.global_steps - 1  # of the weights, as verl counts it
        reward_models = batch["reward_model"] if "reward_model" in batch else [None] * len(batch)
        sources = {}
        for uid, messages, reward_model in zip(
            list(batch["uid"]), list(batch["raw_prompt"]), list(reward_models), strict=True
        ):
            tokens = self.tokenizer.apply_chat_template(
                list(messages), add_generation_prompt=True, tokenize=True, **template
            )
            prompt = torch.tensor(normalize_token_ids(tokens), dtype=torch.int64)
            tag = {"min_global_steps": version, "max_global_steps": version}
            sources[uid] = row_io.Source(prompt, tag, reward_model)
        return sources

    def on_step_end(self):
        # Without generation the rollout engines need the weights for a validation only.
        every = self.config.trainer.test_freq
        last = self.global_steps >= self.total_training_steps
        if every > 0 and (last or self.global_steps % every == 0):
            super().on_step_end()
            self._engines_awake = True
