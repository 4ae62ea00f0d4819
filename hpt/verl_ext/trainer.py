# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The hybrid trainer: verl's V1 trainer with a gate between the rollouts and the update.

Per batch it asks the gate about each question, drops the rollouts that are not trained on, puts demonstration rows
beside the kept ones, and cuts the rows into optimizer steps by questions. Everything before (generation, scoring) and
after (FSDP, weight sync, checkpoints, validation) is verl's.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence

import torch
from omegaconf import DictConfig
from tensordict import TensorDict
from transfer_queue import KVBatchMeta
from verl.trainer.ppo.v1.trainer_base import register_trainer
from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync
from verl.utils.debug import marked_timer

from hpt.method import question_log
from hpt.method.metrics import BatchMetrics
from hpt.method.routing import Plan, Question, RowKind
from hpt.verl_ext import rows as row_io
from hpt.verl_ext.layout import pad_for_ranks
from hpt.verl_ext.routed_trainer import OTHER_KINDS, RoutedTrainerMixin


class HybridTrainerMixin(RoutedTrainerMixin):
    """Gate and routing for a trainer of verl; goes before it in the bases."""

    def __init__(self, config: DictConfig):
        self._submitted: list[str] = []  # uids of the questions that are being answered, in the sampler's order
        self._log_prob_dtype = torch.float32  # until the actor has reported some
        super().__init__(config)

    # ---- from rollouts to rows ----

    def prepare_step(self) -> dict:
        with marked_timer("gen", self.timing_raw):  # rollouts of our own are there when it returns
            return super().prepare_step()

    def _submit_batch_to_rollout(self, batch: TensorDict) -> int:
        # Rollouts come back in the order in which they finish: short ones first. Optimizer steps are
        # cut in the order in which the sampler drew the questions.
        self._submitted += list(batch["uid"])
        return super()._submit_batch_to_rollout(batch)

    def _balance_batch(
        self, batch: KVBatchMeta, metrics: dict, logging_prefix: str = "global_seqlen", keep_minibatch: bool = False
    ) -> KVBatchMeta:
        """Route the batch's questions, then lay the rows out over steps and ranks.

        verl's ``keep_minibatch`` keeps mini-batches of rows together; ours are of questions, and always are.
        """
        partition_id = str(batch.partition_id)
        tags = dict(zip(batch.keys, batch.tags, strict=True))
        questions = self._questions(batch, tags)
        plan = self._plan(questions)
        placed = self._place(questions, plan, tags, partition_id)
        self._log_questions(questions, plan)
        scores = [score for question in questions for score in question.scores]
        rollouts = BatchMetrics(scores=scores, response_lengths=[tag["response_len"] for tag in batch.tags])
        return self._lay_out(questions, plan, placed, rollouts, batch, metrics)

    def _questions(self, batch: KVBatchMeta, tags: dict[str, dict]) -> list[Question]:
        """The batch as questions, in the order in which they were submitted."""
        data = row_io.read(batch.keys, str(batch.partition_id), ["uid", "rm_scores", "demonstration_id"])
        keys, scores, numbers = defaultdict(list), defaultdict(list), {}
        for key, uid, score, number in zip(
            batch.keys,
            list(data["uid"]),
            data["rm_scores"].sum(dim=1).tolist(),
            list(data["demonstration_id"]),
            strict=True,
        ):
            keys[uid].append(key)
            scores[uid].append(score)
            numbers[uid] = int(number)
        return [
            Question(
                uid=uid,
                rollouts=keys[uid],
                scores=scores[uid],
                demonstration=self.train_dataset.demonstration(numbers[uid]),
                lengths=[tags[key]["response_len"] for key in keys[uid]],
                id=self.train_dataset.question_id(numbers[uid]),
            )
            for uid in self._in_order(keys)
        ]

    def _in_order(self, uids: Collection[str]) -> list[str]:
        """The uids in the order of submission, which forgets them.

        A batch restored from a checkpoint was submitted by another process: its uids are random, a fair order.
        """
        position = {uid: place for place, uid in enumerate(self._submitted)}
        # In synchronous training, who is left here has not a single rollout.
        self._submitted = [] if self.base_mode == "sync" else [uid for uid in self._submitted if uid not in uids]
        return sorted(uids, key=lambda uid: (position.get(uid, -1), uid))

    def _place(
        self, questions: Sequence[Question], plan: Plan, tags: dict[str, dict], partition_id: str
    ) -> list[row_io.PlacedRow]:
        """Write the plan into TransferQueue: marks on rollouts, new demonstration rows, no dropped rollouts."""
        temperature = self.config.actor_rollout_ref.rollout.temperature
        kept = [row for row in plan.rows if row.kind == RowKind.ROLLOUT]
        added = [row for row in plan.rows if row.kind == RowKind.DEMONSTRATION]
        by_uid = {question.uid: question for question in questions}
        first = {row.uid: by_uid[row.uid].rollouts[0] for row in added}
        sources = row_io.sources_of(first, tags, partition_id)
        placed = row_io.mark_rollouts(kept, tags, partition_id, temperature)
        placed += row_io.put_demonstrations(added, by_uid, sources, partition_id)
        row_io.clear(plan.dropped, partition_id)
        return placed

    def _log_questions(self, questions: Sequence[Question], plan: Plan) -> None:
        question_log.append(
            self.config.trainer.default_local_dir,
            step=self.global_steps,
            epoch=(self.global_steps - 1) // self.steps_per_epoch,
            ids=[question.id for question in questions],
            scores=[question.scores for question in questions],
            coefficients=plan.coefficients,
        )

    # ---- the passes over the rollouts ----

    @property
    def _is_on_policy(self) -> bool:
        """Whether the batch makes one optimizer step, so that pi_old is pi_theta."""
        actor = self.config.actor_rollout_ref.actor
        one_step = self.config.data.train_batch_size == actor.ppo_mini_batch_size and actor.ppo_epochs == 1
        return one_step and self.parameter_sync_step == 1 and self.base_mode == "sync"

    @property
    def _recomputes_old_log_probs(self) -> bool:
        return self.settings.old_log_probs == "always" or not self._is_on_policy

    @property
    def _calculates_entropy(self) -> bool:
        # Without a pass for pi_old the update is the only place that sees the entropy.
        return super()._calculates_entropy or not self._recomputes_old_log_probs

    def _update_fields(self) -> list[str]:
        fields = super()._update_fields()
        return ["old_log_probs", *fields] if self._recomputes_old_log_probs else fields

    def _compute_old_log_prob(self, batch: KVBatchMeta, metrics: dict) -> KVBatchMeta:
        """verl's pass over the rollout rows only: a demonstration's surrogate has no use for pi_old."""
        if self._recomputes_old_log_probs:
            section = self.config.actor_rollout_ref.rollout
            self._pass_over_rollouts("old_log_probs", super()._compute_old_log_prob, section, batch, metrics)
            if "actor/entropy" in metrics:
                metrics["hpt/entropy_rollout"] = metrics["actor/entropy"]
        return batch

    def _compute_ref_log_prob(self, batch: KVBatchMeta, metrics: dict) -> KVBatchMeta:
        """verl's pass over the rollout rows only: the KL term does not act on demonstrations."""
        references = self.config.actor_rollout_ref
        section = references.rollout if self.ref_in_actor else references.ref
        self._pass_over_rollouts("ref_log_prob", super()._compute_ref_log_prob, section, batch, metrics)
        return batch

    def _pass_over_rollouts(
        self, name: str, forward_pass: Callable, section: DictConfig, batch: KVBatchMeta, metrics: dict
    ) -> None:
        """Run a pass of verl that writes the token field ``name``; other rows get zeros there.

        Args:
            section: holds the pass's batch size, ``log_prob_*``.
        """
        rollouts = row_io.select(batch, [RowKind.ROLLOUT])
        if len(rollouts):
            dynamic = section.log_prob_use_dynamic_bsz
            padded = pad_for_ranks(
                rollouts,
                ranks=self._data_parallel_size(),
                micro_batch_size=None if dynamic else section.log_prob_micro_batch_size_per_gpu,
                eos_token_id=self.tokenizer.eos_token_id,
            )
            forward_pass(padded, metrics)
            self._log_prob_dtype = row_io.dtype_of(name, rollouts)
            row_io.clear(sorted(set(padded.keys) - set(batch.keys)), str(batch.partition_id))
        others = row_io.select(batch, OTHER_KINDS)
        row_io.put_tokens(others, {name: ([0.0] * len(others), self._log_prob_dtype)})


@register_trainer("hpt_sync")
class HybridTrainerSync(HybridTrainerMixin, PPOTrainerSync):
    """Hybrid post-training with colocated, synchronous rollouts; beside verl's ``sync``."""

    base_mode = "sync"
