# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The hybrid trainer: verl's V1 trainer with a gate between the rollouts and the update.

A mixin over verl's trainers. Per batch it asks the gate about each question, drops the rollouts that
are not trained on, puts demonstration rows beside the kept ones, and cuts the rows into optimizer
steps by questions. Everything before (generation, scoring) and after (FSDP, weight sync,
checkpoints, validation) is verl's.
"""

import itertools
import logging
import os
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import ray
import torch
from omegaconf import DictConfig, OmegaConf, open_dict
from tensordict import TensorDict
from transfer_queue import KVBatchMeta
from verl.trainer.ppo.utils import Role
from verl.trainer.ppo.v1.trainer_base import register_trainer
from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync
from verl.utils.config import omega_conf_to_dataclass
from verl.utils.metric import reduce_metrics

import hpt.verl_ext.registration  # noqa: F401  (the driver looks up the advantage estimator by name)
from hpt.common.errors import ConfigError
from hpt.method import question_log
from hpt.method.config import HPTConfig
from hpt.method.estimator.composite import composite_of, terms_of
from hpt.method.metrics import BatchMetrics, update_metrics
from hpt.method.routing import Denominators, Plan, Question, Row, RowKind, route
from hpt.method.strategies import import_plugins
from hpt.verl_ext import rows as row_io
from hpt.verl_ext.layout import lay_out, pad_for_ranks
from hpt.verl_ext.loss import actor_loss
from hpt.verl_ext.plain_sft import PlainSFTMixin
from hpt.verl_ext.worker import HybridActorRolloutRefWorker

logger = logging.getLogger(__name__)

ACTOR_ROLES = (Role.Actor, Role.ActorRollout, Role.ActorRolloutRef)


class HybridTrainerMixin(PlainSFTMixin):
    """Gate and routing for a trainer of verl; goes before it in the bases.

    ``base_mode`` names verl's own trainer mode: verl compares the configured mode with the literal
    "sync" in several places, so the trainer shows the base mode to everything it inherits.
    """

    base_mode: str

    def __init__(self, config: DictConfig):
        self.settings = HPTConfig.from_mapping(config.hpt)
        import_plugins(self.settings.plugins)
        self._composite = composite_of(self.settings)
        with open_dict(config):
            config.trainer.v1.trainer_mode = self.base_mode
        self._arrival: dict[str, int] = {}
        self._arrivals = itertools.count()
        self._demonstrations: dict[str, list[int] | None] = {}
        self._log_prob_dtype = torch.float32  # until the actor has reported some
        super().__init__(config)

    # ---- what verl builds, with our parts in it ----

    def _build_replay_buffer(self):
        buffer = super()._build_replay_buffer()
        buffer.poll_interval = self.settings.poll_interval  # verl's 2 s would be most of a short step
        return buffer

    def _init_resource_pool_mgr(self):
        super()._init_resource_pool_mgr()
        for role in ACTOR_ROLES:
            if role in self.role_worker_mapping:
                self.role_worker_mapping[role] = ray.remote(HybridActorRolloutRefWorker)

    def _setup(self):
        super()._setup()
        actor_config = omega_conf_to_dataclass(self.config.actor_rollout_ref.actor)
        plugins = self.settings.plugins
        self.actor_rollout_wg.set_loss_fn(
            partial(actor_loss, config=actor_config, composite=self._composite, plugins=plugins)
        )

    def _init_dataloader(self):
        super()._init_dataloader()
        data = self.train_dataset
        lacking = data.num_without_target + data.num_overlong_targets
        if self.settings.method.needs_demonstrations and lacking:
            raise ConfigError(
                f"got {lacking} of {len(data)} questions without a demonstration ({data.num_overlong_targets} of them "
                f"with a longer one than data.max_target_length); hpt.strategy={self.settings.strategy} needs one for "
                "every question: leave these questions out, or raise data.max_target_length"
            )

    def _submit_batch_to_rollout(self, batch: TensorDict) -> int:
        # Rollouts come back in the order in which they finish: short ones first. Optimizer steps are
        # cut in the order in which the sampler drew the questions.
        self._arrival.update(zip(list(batch["uid"]), self._arrivals, strict=False))
        return super()._submit_batch_to_rollout(batch)

    # ---- gate and routing ----

    def _balance_batch(self, batch: KVBatchMeta, metrics: dict, **_: Any) -> KVBatchMeta:
        """Route the batch's questions, then lay the rows out over steps and ranks."""
        questions, tags = self._questions(batch, metrics)
        plan = self._plan(questions)
        self._log_questions(questions, plan)
        first = {question.uid: question.rollouts[0] for question in questions}
        demonstrations = [row for row in plan.rows if row.kind == RowKind.DEMONSTRATION]
        partition_id = str(batch.partition_id)
        sources = row_io.sources_of({row.uid: first[row.uid] for row in demonstrations}, tags, partition_id)
        temperature = self.config.actor_rollout_ref.rollout.temperature
        rollouts = [row for row in plan.rows if row.kind == RowKind.ROLLOUT]
        placed = row_io.mark_rollouts(rollouts, tags, partition_id, temperature)
        placed += self._place_demonstrations(demonstrations, sources, partition_id)
        row_io.clear(plan.dropped, partition_id)
        metrics.update(self._batch_metrics.of_plan(plan, row_io.tokens_by_kind(placed)))
        return self._lay_out(placed, len(questions), batch, metrics)

    def _log_questions(self, questions: list[Question], plan: Plan) -> None:
        question_log.append(
            self.config.trainer.default_local_dir,
            step=self.global_steps,
            epoch=(self.global_steps - 1) // self.steps_per_epoch,
            ids=[self._ids[question.uid] for question in questions],
            scores=[question.scores for question in questions],
            coefficients=plan.coefficients,
        )

    def _plan(self, questions: list[Question]) -> Plan:
        actor = self.config.actor_rollout_ref.actor
        released = self.settings.normalization == "released"
        rollouts, demonstrations = terms_of(self.settings)
        return route(
            questions,
            self.settings.feedback,
            rollouts=rollouts,
            demonstrations=demonstrations,
            denominators=Denominators(
                questions_per_step=actor.ppo_mini_batch_size,
                max_response_length=self.config.data.max_response_length,
                sft_coef=self.settings.sft_coef,
                off_coef=self.settings.off_coef,
                ranks=self._data_parallel_size() if released else None,
                pooled_sft=not self.settings.method.generates,
            ),
            keep_idle=actor.entropy_coeff != 0.0 or bool(actor.use_kl_loss),
        )

    def _place_demonstrations(
        self, rows: list[Row], sources: Mapping[str, row_io.Source], partition_id: str
    ) -> list[row_io.PlacedRow]:
        tokens = {row.uid: self._demonstrations[row.uid] or [] for row in rows}
        self._demonstrations = {}
        return row_io.put_demonstrations(rows, tokens, sources, partition_id)

    def _questions(self, batch: KVBatchMeta, metrics: dict) -> tuple[list[Question], dict[str, dict]]:
        """The batch as questions in order of arrival, and each rollout's tag."""
        data = row_io.read(batch.keys, batch.partition_id, ["uid", "rm_scores", "demonstration_id"])
        scores = data["rm_scores"].sum(dim=1).tolist()
        tags = dict(zip(batch.keys, batch.tags, strict=True))
        keys, group_scores, demonstration_ids = defaultdict(list), defaultdict(list), {}
        for key, uid, score, number in zip(
            batch.keys, list(data["uid"]), scores, list(data["demonstration_id"]), strict=True
        ):
            keys[uid].append(key)
            group_scores[uid].append(score)
            demonstration_ids[uid] = int(number)
        # A batch restored from a checkpoint has no order of arrival: its uids are random, a fair one.
        order = sorted(keys, key=lambda uid: (self._arrival.pop(uid, -1), uid))
        if self.base_mode == "sync":
            self._arrival.clear()  # of questions without a single rollout
        self._read_demonstrations({uid: demonstration_ids[uid] for uid in order})
        self._ids = {uid: self.train_dataset.question_id(demonstration_ids[uid]) for uid in order}
        questions = [
            Question(
                uid=uid,
                rollouts=keys[uid],
                scores=group_scores[uid],
                demonstration_length=self._demonstration_length(uid),
                lengths=[tags[key]["response_len"] for key in keys[uid]],
            )
            for uid in order
        ]
        self._batch_metrics = BatchMetrics(scores=scores, response_lengths=[tag["response_len"] for tag in batch.tags])
        return questions, tags

    def _read_demonstrations(self, ids: Mapping[str, int]) -> None:
        """Gold solutions per uid, None where there is none; kept for this step only."""
        self._demonstrations = {uid: self.train_dataset.demonstration(number) for uid, number in ids.items()}

    def _demonstration_length(self, uid: str) -> int | None:
        tokens = self._demonstrations[uid]
        return None if tokens is None else len(tokens)

    def _lay_out(
        self, rows: list[row_io.PlacedRow], num_questions: int, batch: KVBatchMeta, metrics: dict
    ) -> KVBatchMeta:
        actor = self.config.actor_rollout_ref.actor
        num_steps = -(-num_questions // actor.ppo_mini_batch_size)
        by_step = [[row for row in rows if row.row.step == step] for step in range(num_steps)]
        filled = [step for step in by_step if step]
        metrics["hpt/steps_skipped"] = (num_steps - len(filled)) * actor.ppo_epochs
        layout = lay_out(
            filled,
            ranks=self._data_parallel_size(),
            micro_batch_size=(None if actor.use_dynamic_bsz else actor.ppo_micro_batch_size_per_gpu),
            partition_id=batch.partition_id,
            eos_token_id=self.tokenizer.eos_token_id,
        )
        metrics.update(layout.metrics)
        self._step_rows, self._placed = layout.step_rows, rows
        if not filled:  # verl clears the batch it gets back, and cannot clear nothing
            like, partition_id = batch.tags[0], str(batch.partition_id)
            return row_io.put_padding(1, like, partition_id, self.tokenizer.eos_token_id)
        return KVBatchMeta(
            keys=layout.keys,
            tags=layout.tags,
            partition_id=batch.partition_id,
            extra_info=batch.extra_info,
        )

    def _data_parallel_size(self) -> int:
        group = self.actor_rollout_wg
        if "actor" not in group._dispatch_info:
            group._dispatch_info["actor"] = group._query_dispatch_info("actor")
        return max(group._dispatch_info["actor"]) + 1

    # ---- the passes over the rows ----

    @property
    def _is_on_policy(self) -> bool:
        """Whether the batch makes one optimizer step, so that pi_old is pi_theta."""
        actor = self.config.actor_rollout_ref.actor
        one_step = self.config.data.train_batch_size == actor.ppo_mini_batch_size and actor.ppo_epochs == 1
        return one_step and self.parameter_sync_step == 1 and self.base_mode == "sync"

    @property
    def _recomputes_old_log_probs(self) -> bool:
        return self.settings.old_log_probs == "always" or not self._is_on_policy

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
        self,
        name: str,
        forward_pass: Callable,
        section: DictConfig,
        batch: KVBatchMeta,
        metrics: dict,
    ) -> None:
        """Run a pass of verl that writes the token field ``name``; other rows get zeros there.

        ``section`` holds the pass's batch size, ``log_prob_*``.
        """
        rollouts = row_io.select(batch, [RowKind.ROLLOUT])
        if len(rollouts):
            padded = pad_for_ranks(
                rollouts,
                ranks=self._data_parallel_size(),
                micro_batch_size=(
                    None if section.log_prob_use_dynamic_bsz else section.log_prob_micro_batch_size_per_gpu
                ),
                eos_token_id=self.tokenizer.eos_token_id,
            )
            forward_pass(padded, metrics)
            self._log_prob_dtype = row_io.dtype_of(name, rollouts)
            row_io.clear(sorted(set(padded.keys) - set(batch.keys)), str(batch.partition_id))
        others = row_io.select(batch, set(RowKind) - {RowKind.ROLLOUT})
        row_io.put_zeros(name, others, self._log_prob_dtype)

    def _compute_advantage(self, batch: KVBatchMeta, metrics: dict) -> KVBatchMeta:
        """verl's step, with its corrections and returns; the advantages are the plan's."""
        # verl returns what TransferQueue answers, without the tags that say what a row is.
        if self._step_rows:
            super()._compute_advantage(batch, metrics)
            row_io.put_advantages(self._placed, str(batch.partition_id))
        return batch

    def _update_actor(self, batch: KVBatchMeta, metrics: dict) -> KVBatchMeta:
        """One optimizer step per N questions, each over its own rows."""
        if not self._step_rows:
            logger.warning("step %d: no row to train on, the optimizer steps are skipped", self.global_steps)
            return batch
        actor = self.config.actor_rollout_ref.actor
        extra_info = {
            # Without a pass for pi_old the update is the only place that sees the entropy.
            "skip_grad_norm": self.settings.skip_grad_norm,
            "calculate_entropy": actor.calculate_entropy
            or self._composite.entropy_weights
            or actor.entropy_coeff != 0.0
            or not self._recomputes_old_log_probs,
            "epochs": actor.ppo_epochs,
            "step_rows": self._step_rows,
        }
        optional = ["old_log_probs"] if self._recomputes_old_log_probs else []
        if self.use_reference_policy:
            optional.append("ref_log_prob")
        if OmegaConf.select(self.config, "algorithm.rollout_correction.rollout_is") is not None:
            optional.append("rollout_is_weights")
        temperature = self.config.actor_rollout_ref.rollout.temperature
        output = self.actor_rollout_wg.update_actor(row_io.for_update(batch, extra_info, temperature, optional))
        update = update_metrics(output["metrics"], reduce_metrics, self.settings.skip_grad_norm)
        update["hpt/steps_skipped"] += metrics["hpt/steps_skipped"]
        metrics.update(update)
        return batch

    # ---- metrics, checkpoints, the end ----

    def fit(self, agent_loop_manager: Any) -> None:
        """verl's training loop; afterwards nothing may be left in TransferQueue."""
        super().fit(agent_loop_manager)
        rows = row_io.all_rows()
        if rows and self.base_mode == "sync":
            raise RuntimeError(
                f"{len(rows)} rows were left in TransferQueue, {sorted(rows)[:3]} among them; in synchronous "
                "training every row leaves with its step: this is a bug, please report it"
            )
        print(f"TransferQueue holds {len(rows)} rows" if rows else "TransferQueue is empty")

    def _compute_metrics(self, batch: KVBatchMeta, metrics: dict, timing_raw: dict, global_steps: int, epoch: int):
        """verl's metrics over the trained rows; scores and lengths over all rollouts, dropped ones too."""
        if self._step_rows:
            super()._compute_metrics(row_io.demonstrations_as_padding(batch), metrics, timing_raw, global_steps, epoch)
        else:
            metrics.update({"training/global_step": global_steps, "training/epoch": epoch})
            metrics.update({f"timing_s/{name}": seconds for name, seconds in timing_raw.items()})
        self._batch_metrics.replace_row_metrics(metrics)
        metrics["hpt/leftover_rows"] = row_io.leftover_rows(batch)

    def _save_checkpoint(self):
        # The tracker file is verl's commit mark. It must not name a folder that is being rewritten.
        tracker = os.path.join(self.config.trainer.default_local_dir, "latest_checkpointed_iteration.txt")
        if os.path.exists(tracker):
            with open(tracker) as file:
                if file.read().strip() == str(self.global_steps):
                    os.remove(tracker)
        super()._save_checkpoint()


@register_trainer("hpt_sync")
class HybridTrainerSync(HybridTrainerMixin, PPOTrainerSync):
    """Hybrid post-training with colocated, synchronous rollouts; beside verl's ``sync``."""

    base_mode = "sync"
