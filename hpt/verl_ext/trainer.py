# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The hybrid trainer: verl's V1 trainer with a gate between the rollouts and the update.

Per batch it asks the gate about each question, drops the rollouts that are not trained on, puts demonstration rows
beside the kept ones, and cuts the rows into optimizer steps by questions. Everything before (generation, scoring) and
after (FSDP, weight sync, checkpoints, validation) is verl's.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import chain

import torch
from omegaconf import DictConfig
from transfer_queue import KVBatchMeta
from verl.trainer.ppo.v1.trainer_base import register_trainer
from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync
from verl.utils.debug import marked_timer

from hpt.common.settings import plain
from hpt.method import question_log
from hpt.method.metrics import BatchMetrics
from hpt.method.routing import Plan, Question, RowKind
from hpt.method.strategies import reinforces_demonstrations
from hpt.verifier.reward import score_many
from hpt.verl_ext import rows as row_io
from hpt.verl_ext.layout import pad_for_ranks
from hpt.verl_ext.routed_trainer import RoutedTrainerMixin, place_of
from hpt.verl_ext.sampling import response_limit, room_for
from hpt.verl_ext.sessions import rows_of_sessions, with_all_rows


class HybridTrainerMixin(RoutedTrainerMixin):
    """Gate and routing for a trainer of verl; goes before it in the bases."""

    def __init__(self, config: DictConfig):
        self._log_prob_dtype = torch.float32  # until the actor has reported some
        super().__init__(config)

    # ---- from rollouts to rows ----

    def prepare_step(self) -> dict:
        with marked_timer("gen", self.timing_raw):  # rollouts of our own are there when it returns
            return super().prepare_step()

    def _balance_batch(
        self, batch: KVBatchMeta, metrics: dict, logging_prefix: str = "global_seqlen", keep_minibatch: bool = False
    ) -> KVBatchMeta:
        """Route the batch's questions, then lay the rows out over steps and ranks.

        verl's ``keep_minibatch`` keeps mini-batches of rows together; ours are of questions, and always are.
        """
        partition_id = str(batch.partition_id)
        tags = dict(zip(batch.keys, batch.tags, strict=True))
        sessions = rows_of_sessions(batch.keys)
        questions = self._questions(sessions, partition_id)
        plan = with_all_rows(self._plan(questions), sessions)
        prompts = {question.uid: sessions[question.rollouts[0]][0] for question in questions}
        placed = self._place(questions, plan, prompts, tags, partition_id)
        self._log_questions(questions, plan)
        rollouts = self._batch_metrics(questions, [[tags[key] for key in rows] for rows in sessions.values()])
        return self._lay_out(questions, plan, placed, rollouts, batch, metrics)

    def _batch_metrics(self, questions: Sequence[Question], sessions: Sequence[Sequence[dict]]) -> BatchMetrics:
        """Scores and lengths of all rollouts.

        Args:
            sessions: the tags of each rollout's rows. Rows of verl's own manager do not say whether they were cut.
        """
        limit, context = response_limit(self.config), self.config.actor_rollout_ref.rollout.max_model_len
        prompts = [rows[0]["prompt_len"] for rows in sessions]
        responses = [sum(row["response_len"] for row in rows) for rows in sessions]
        at_limit = [
            response >= room_for(prompt, limit, context) for prompt, response in zip(prompts, responses, strict=True)
        ]
        prefixes = sum(row.get("prefix_len", 0) for rows in sessions for row in rows)
        sampled = sum(length for question in questions for length in question.lengths) - prefixes
        return BatchMetrics(
            scores=[score for question in questions for score in question.scores],
            response_lengths=responses,
            prompt_lengths=prompts,
            at_limit=at_limit,
            truncated=[rows[-1].get("truncated", full) for rows, full in zip(sessions, at_limit, strict=True)],
            sampled=sampled if self.base_mode == "sync" else 0,
        )

    def _questions(self, sessions: Mapping[str, list[str]], partition_id: str) -> list[Question]:
        """The batch as questions, in the order in which the sampler drew them: optimizer steps are cut in it.

        Rollouts come in the order in which they finish where verl's own manager makes them: short ones first.

        Args:
            sessions: of :func:`rows_of_sessions`; each is one rollout, with the score of its last row.
        """
        keys = list(chain.from_iterable(sessions.values()))
        data = row_io.read(keys, partition_id, ["uid", "rm_scores", "demonstration_id", "response_mask"])
        scores = dict(zip(keys, data["rm_scores"].sum(dim=1).tolist(), strict=True))
        tokens = dict(zip(keys, data["response_mask"].sum(dim=1).tolist(), strict=True))
        uids_of_rows = list(data["uid"])
        numbers = dict(zip(uids_of_rows, map(int, data["demonstration_id"]), strict=True))
        rollouts = defaultdict(list)
        for key, uid in zip(keys, uids_of_rows, strict=True):
            if key in sessions:
                rollouts[uid].append(key)
        uids = sorted(rollouts, key=place_of)
        ids = self.train_dataset.question_ids([numbers[uid] for uid in uids])
        demonstrations = [self.train_dataset.demonstration(numbers[uid]) for uid in uids]
        verified = self._demonstration_scores([numbers[uid] for uid in uids], demonstrations)
        return [
            Question(
                uid=uid,
                rollouts=rollouts[uid],
                scores=[scores[key] for key in rollouts[uid]],
                demonstration=demonstration,
                lengths=[sum(tokens[row] for row in sessions[key]) for key in rollouts[uid]],
                id=name,
                demonstration_score=score,
            )
            for uid, name, demonstration, score in zip(uids, ids, demonstrations, verified, strict=True)
        ]

    def _demonstration_scores(
        self, numbers: Sequence[int], demonstrations: Sequence[Sequence[int] | None]
    ) -> list[float]:
        """The demonstrations' scores in their groups: 1, or the verifier's, as ``hpt.demonstration_score`` says."""
        reinforced = reinforces_demonstrations(self.settings.feedback, self.config.actor_rollout_ref.rollout.n)
        # SFT reads no score, so verifying for it would be work for nothing.
        if self.settings.demonstration_score == "one" or not reinforced:
            return [1.0] * len(numbers)
        texts = self.tokenizer.batch_decode([ids or [] for ids in demonstrations], skip_special_tokens=True)
        answers, extras = zip(*self.train_dataset.gold_answers(numbers), strict=True)
        options = plain(self.config.reward.custom_reward_function.get("reward_kwargs") or {})
        return [float(result["score"]) for result in score_many(texts, answers, extras, **options)]

    def _place(
        self,
        questions: Sequence[Question],
        plan: Plan,
        prompts: Mapping[str, str],
        tags: dict[str, dict],
        partition_id: str,
    ) -> list[row_io.PlacedRow]:
        """Write the plan into TransferQueue: marks on rollouts, new demonstration rows, no dropped rollouts.

        Args:
            prompts: per uid the key of a row whose prompt is the question alone.
        """
        temperature = self.config.actor_rollout_ref.rollout.temperature
        kept = [row for row in plan.rows if row.kind == RowKind.ROLLOUT]
        added = [row for row in plan.rows if row.kind == RowKind.DEMONSTRATION]
        by_uid = {question.uid: question for question in questions}
        sources = row_io.sources_of({row.uid: prompts[row.uid] for row in added}, tags, partition_id)
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

    def _off_policy_rollouts(self) -> set[str]:
        """The rollouts whose pi_old needs a pass of its own.

        In a batch's first optimizer step pi_old is pi_theta itself, unless the rows are trained on more than once.
        """
        rows = self.routed.rows
        rollouts = {row.key: row.row.step for row in rows if row.row.kind == RowKind.ROLLOUT}
        config = self.config.actor_rollout_ref
        repeats = config.actor.ppo_epochs > 1 or self.parameter_sync_step > 1 or self.base_mode != "sync"
        if self.settings.old_log_probs == "always" or config.rollout.calculate_log_probs or repeats:
            return set(rollouts)
        first = min((row.row.step for row in rows), default=0)
        return {key for key, step in rollouts.items() if step > first}

    @property
    def _calculates_entropy(self) -> bool:
        # Without a pass for pi_old the update is the only place that sees the entropy. On a GPU the logits' gradient
        # makes it expensive there, so it has to be asked for.
        unseen = self.config.trainer.device == "cpu" and not self._off_policy_rollouts()
        return super()._calculates_entropy or unseen

    def _update_fields(self) -> list[str]:
        fields = super()._update_fields()
        return ["old_log_probs", "on_policy", *fields] if self._off_policy_rollouts() else fields

    def _compute_old_log_prob(self, batch: KVBatchMeta, metrics: dict) -> KVBatchMeta:
        """verl's pass over those rollouts whose pi_old is not pi_theta; a demonstration has no use for it either."""
        off_policy = self._off_policy_rollouts()
        if off_policy:
            section = self.config.actor_rollout_ref.rollout
            self._pass_over("old_log_probs", super()._compute_old_log_prob, section, batch, off_policy, metrics)
            row_io.put_numbers(batch, "on_policy", [key not in off_policy for key in batch.keys])
            if "actor/entropy" in metrics:
                metrics["hpt/entropy_rollout"] = metrics["actor/entropy"]
        return batch

    def _compute_ref_log_prob(self, batch: KVBatchMeta, metrics: dict) -> KVBatchMeta:
        """verl's pass over the rollout rows only: the KL term does not act on demonstrations."""
        references = self.config.actor_rollout_ref
        section = references.rollout if self.ref_in_actor else references.ref
        rollouts = set(row_io.select(batch, [RowKind.ROLLOUT]).keys)
        self._pass_over("ref_log_prob", super()._compute_ref_log_prob, section, batch, rollouts, metrics)
        return batch

    def _pass_over(
        self,
        name: str,
        forward_pass: Callable,
        section: DictConfig,
        batch: KVBatchMeta,
        keys: Collection[str],
        metrics: dict,
    ) -> None:
        """Run a pass of verl over some rows that writes the token field ``name``; other rows get zeros there.

        Args:
            section: holds the pass's batch size, ``log_prob_*``.
            keys: of the rows to pass over.
        """
        rollouts = batch.select_keys([key for key in batch.keys if key in keys])
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
        others = batch.select_keys([key for key in batch.keys if key not in keys])
        row_io.put_tokens(others, {name: ([0.0] * len(others), self._log_prob_dtype)})


@register_trainer("hpt_sync")
class HybridTrainerSync(HybridTrainerMixin, PPOTrainerSync):
    """Hybrid post-training with colocated, synchronous rollouts; beside verl's ``sync``."""

    base_mode = "sync"
