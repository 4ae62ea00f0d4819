# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The hybrid trainer: verl's V1 trainer with a gate between the rollouts and the update.

Per batch it asks the gate about each question, drops the rollouts that are not trained on, puts demonstration rows
beside the kept ones, and cuts the rows into optimizer steps by questions. Everything before (generation, scoring) and
after (FSDP, weight sync, checkpoints, validation) is verl's.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain

import torch
from transfer_queue import KVBatchMeta
from verl.trainer.ppo.v1.trainer_base import register_trainer
from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync
from verl.utils.debug import marked_timer

from hpt.common.settings import plain
from hpt.method import question_log
from hpt.method.demonstration_queue import Waiting
from hpt.method.metrics import BatchMetrics
from hpt.method.routing import Plan, Question, RowKind, step_of_demonstrations
from hpt.verifier.reward import score_many
from hpt.verl_ext import rows as row_io
from hpt.verl_ext.passes import PassesMixin
from hpt.verl_ext.routed_trainer import place_of
from hpt.verl_ext.sampling import response_limit, room_for
from hpt.verl_ext.sessions import rows_of_sessions, with_all_rows


class HybridTrainerMixin(PassesMixin):
    """Gate and routing for a trainer of verl; goes before it in the bases."""

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
        questions = self._questions(sessions, tags, partition_id)
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
        every = [row for rows in sessions for row in rows]
        prefixes = sum(row.get("prefix_len", 0) for row in every) if self.composite.prefixes == "alike" else 0
        discarded = sum(row.get("discarded_len", 0) for row in every)
        sampled = sum(length for question in questions for length in question.lengths) - prefixes + discarded
        return BatchMetrics(
            scores=[score for question in questions for score in question.scores],
            response_lengths=responses,
            prompt_lengths=prompts,
            at_limit=at_limit,
            truncated=[rows[-1].get("truncated", full) for rows, full in zip(sessions, at_limit, strict=True)],
            sampled=sampled if self.base_mode == "sync" else 0,
            discarded=sum(row.get("discarded", 0) for row in every),
            discarded_tokens=discarded,
        )

    def _questions(
        self, sessions: Mapping[str, list[str]], tags: Mapping[str, dict], partition_id: str
    ) -> list[Question]:
        """The batch as questions, in the order in which the sampler drew them: optimizer steps are cut in it.

        Rollouts come in the order in which they finish where verl's own manager makes them: short ones first.

        Args:
            sessions: of :func:`rows_of_sessions`; each is one rollout, with the score of its last row.
            tags: of all rows.
        """
        keys = list(chain.from_iterable(sessions.values()))
        data = row_io.read(keys, partition_id, ["uid", "rm_scores", "demonstration_id", "response_mask"])
        scores = dict(zip(keys, data["rm_scores"].sum(dim=1).tolist(), strict=True))
        tokens = dict(zip(keys, data["response_mask"].sum(dim=1).tolist(), strict=True))
        if self.composite.prefixes != "alike":  # the RL term acts on what was sampled
            tokens = {key: count - tags[key].get("prefix_len", 0) for key, count in tokens.items()}
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
                number=numbers[uid],
                imitated=[tags[key].get("imitated_len", 0) for key in rollouts[uid]],
                shown=any(tags[key].get("shown") for key in rollouts[uid]),
            )
            for uid, name, demonstration, score in zip(uids, ids, demonstrations, verified, strict=True)
        ]

    def _demonstration_scores(
        self, numbers: Sequence[int], demonstrations: Sequence[Sequence[int] | None]
    ) -> list[float]:
        """The demonstrations' scores in their groups: 1, or the verifier's, as ``hpt.demonstration_score`` says."""
        # SFT reads no score, so verifying for it would be work for nothing.
        if self.settings.demonstration_score == "one" or "off" not in self.gate.terms:
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
        demonstrations = {question.uid: question.demonstration for question in questions}
        needed = [*(row.uid for row in added), *plan.deferred]
        sources = row_io.sources_of({uid: prompts[uid] for uid in needed}, tags, partition_id)
        placed = row_io.mark_rollouts(kept, tags, partition_id, temperature)
        placed += row_io.put_demonstrations(added, demonstrations, sources, partition_id)
        if self.waiting is not None:
            for uid in plan.deferred:
                self.waiting.add(Waiting(uid, sources[uid].prompt.tolist(), list(demonstrations[uid] or [])))
            first = -(-len(questions) // self._normalization.questions_per_step)
            placed += self._place_waiting(plan, first, next(iter(tags.values())), partition_id)
        row_io.clear(plan.dropped, partition_id)
        return placed

    def _place_waiting(self, plan: Plan, first: int, like: dict, partition_id: str) -> list[row_io.PlacedRow]:
        """Optimizer steps of demonstrations that have waited, as many as there are enough demonstrations for.

        Args:
            plan: takes up the rows.
            first: index of the first such step.
            like: tag of any row of the batch.
        """
        assert self.waiting is not None
        placed: list[row_io.PlacedRow] = []
        while taken := self.waiting.take():
            lengths = {each.uid: len(each.demonstration) for each in taken}
            rows = step_of_demonstrations(lengths, self._normalization, self.settings.sft_coef, first)
            sources = {each.uid: row_io.Source(torch.tensor(each.prompt), like, None) for each in taken}
            demonstrations = {each.uid: each.demonstration for each in taken}
            placed += row_io.put_demonstrations(rows, demonstrations, sources, partition_id)
            plan.rows += rows
            plan.demonstrated += list(lengths)
            first += 1
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


@register_trainer("hpt_sync")
class HybridTrainerSync(HybridTrainerMixin, PPOTrainerSync):
    """Hybrid post-training with colocated, synchronous rollouts; beside verl's ``sync``."""

    base_mode = "sync"
