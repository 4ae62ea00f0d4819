# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Plain SFT in the hybrid trainer: questions become demonstration rows without being sampled from."""

import torch
from tensordict import TensorDict
from transfer_queue import KVBatchMeta
from verl.trainer.ppo.v1.trainer_base import PPOTrainer
from verl.utils.debug import marked_timer
from verl.utils.tokenizer import normalize_token_ids

from hpt.method.metrics import BatchMetrics
from hpt.method.routing import Question
from hpt.verl_ext import rows as row_io


class PlainSFTMixin(PPOTrainer):
    """The steps of a strategy that generates no rollouts; base of the hybrid mixin, whose routing it uses.

    The rollout engines sleep from the first step on and are woken for validations only.
    """

    _engines_awake = True

    def prepare_step(self) -> dict:
        if self.settings.method.generates:
            return super().prepare_step()
        return {}

    def _step_once(self, metrics: dict, timing_raw: dict, sample_batch_size: int) -> KVBatchMeta:
        if self.settings.method.generates:
            return super()._step_once(metrics, timing_raw, sample_batch_size)
        if self._engines_awake:  # they make room, as after a generation
            self.on_sample_end()
            self._engines_awake = False
        batch = self._next_train_batch(sample_batch_size)
        self._read_demonstrations(dict(zip(batch["uid"], map(int, batch["demonstration_id"]), strict=True)))
        questions = [Question(uid, [], [], self._demonstration_length(uid)) for uid in list(batch["uid"])]
        plan = self._plan(questions)
        placed = self._place_demonstrations(plan.rows, self._prompt_sources(batch), "train")
        self._batch_metrics = BatchMetrics(scores=[], response_lengths=[])
        metrics.update(self._batch_metrics.of_plan(plan, row_io.tokens_by_kind(placed)))
        rows = KVBatchMeta(
            keys=[row.key for row in placed],
            tags=[row.tag for row in placed],
            partition_id="train",
            extra_info={},
        )
        rows = self._lay_out(placed, len(questions), rows, metrics)
        row_io.put_zeros("old_log_probs", rows, torch.float32)  # verl's corrections read them
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
        validates = every > 0 and (last or self.global_steps % every == 0)
        if self.settings.method.generates or validates:
            super().on_step_end()
            self._engines_awake = True
