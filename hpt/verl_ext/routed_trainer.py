# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What every trainer of ours shares: rows that routing has weighted, from their layout to the metrics.

A mixin over verl's V1 trainer. How questions become a plan is the subclass's: :mod:`hpt.verl_ext.trainer` asks the
gate about their rollouts, :mod:`hpt.verl_ext.plain_sft` has none.
"""

from collections import Counter
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import ray
import torch
from omegaconf import DictConfig, OmegaConf, open_dict
from tensordict import NonTensorStack, TensorDict
from transfer_queue import KVBatchMeta
from verl.checkpoint_engine.base import CheckpointEngineManager
from verl.trainer.ppo.utils import Role
from verl.trainer.ppo.v1.trainer_base import PPOTrainer
from verl.utils.config import omega_conf_to_dataclass
from verl.utils.metric import reduce_metrics
from verl.workers.rollout.llm_server import LLMServerClient

from hpt.common import routing_state
from hpt.common.errors import ConfigError
from hpt.common.files import UNLOGGED
from hpt.method.config import HPTConfig
from hpt.method.demonstration_queue import DemonstrationQueue
from hpt.method.estimator.composite import composite_of, reads_teacher, terms_of
from hpt.method.gate import Gate, gate_of
from hpt.method.metrics import BatchMetrics, update_metrics
from hpt.method.normalization import Normalization
from hpt.method.routing import Imitation, Plan, Question, RowKind, route
from hpt.verl_ext import rows as row_io
from hpt.verl_ext.layout import lay_out, lay_out_by_rows
from hpt.verl_ext.loss import actor_loss
from hpt.verl_ext.registration import row_advantages
from hpt.verl_ext.rollouts import DEMONSTRATION, BatchClient
from hpt.verl_ext.routed_batch import RoutedBatch
from hpt.verl_ext.sampling import has_our_server, is_ours
from hpt.verl_ext.watched_wait import WatchedWait
from hpt.verl_ext.weight_sync import WatchedSync
from hpt.verl_ext.worker import HybridActorRolloutRefWorker

ACTOR_ROLES = (Role.Actor, Role.ActorRollout, Role.ActorRolloutRef)
OTHER_KINDS = (RowKind.DEMONSTRATION, RowKind.PADDING)


def place_of(uid: str) -> tuple[int, ...]:
    """Step and number of the question whose uid is "step-number"."""
    return tuple(map(int, uid.split("-")))


class RoutedTrainerMixin(PPOTrainer):
    """Optimizer steps of questions, in a trainer of verl; goes before it in the bases.

    ``base_mode`` names verl's own trainer mode: verl compares the configured mode with the literal
    "sync" in several places, so the trainer shows the base mode to everything it inherits.
    """

    base_mode: str
    checkpoint_manager: CheckpointEngineManager
    routed: RoutedBatch
    """The batch of the current step."""

    def __init__(self, config: DictConfig):
        self.settings = HPTConfig.from_mapping(config.hpt)
        self.composite = composite_of(self.settings)
        self._drawn: Counter[int] = Counter()  # questions per step
        self._unlogged: Path | None = None  # the checkpoint of this step
        with open_dict(config):
            config.trainer.v1.trainer_mode = self.base_mode
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
        loss = partial(actor_loss, config=actor_config, composite=self.composite, plugins=self.settings.plugins)
        self.actor_rollout_wg.set_loss_fn(loss)
        if has_our_server(self.config.actor_rollout_ref.rollout):
            self.checkpoint_manager = WatchedSync(self.checkpoint_manager, self.settings.stall_timeout)
            WatchedWait(self.replay_buffer, self.checkpoint_manager, self.settings.stall_timeout)

    def _init_dataloader(self):
        super()._init_dataloader()
        data = self.train_dataset
        lacking = data.num_without_target + data.num_overlong_targets
        if (self.settings.method.needs_demonstrations or reads_teacher(self.settings)) and lacking:
            raise ConfigError(
                f"got {lacking} of {len(data)} questions without a demonstration ({data.num_overlong_targets} of them "
                f"with a longer one than data.max_target_length); hpt.strategy={self.settings.strategy} needs one for "
                "every question: leave these questions out, or raise data.max_target_length"
            )

    def get_llm_client(self) -> LLMServerClient:
        """verl's client, which knows its servers where the rollouts are our own."""
        if not is_ours(self.config):
            return super().get_llm_client()
        manager = self.llm_server_manager
        return manager.get_client(BatchClient, servers=manager.server_handles)

    def _next_train_batch(self, num_prompts: int | None = None) -> TensorDict:
        """verl's questions. A uid is the step and the question's number in it: a repeated step has the same ones."""
        batch = super()._next_train_batch(num_prompts)
        first = self._drawn[self.global_steps]
        self._drawn[self.global_steps] += len(batch)
        if self.settings.draws is not None:
            known = [self.train_dataset.demonstration(int(number)) for number in batch["demonstration_id"]]
            batch[DEMONSTRATION] = NonTensorStack(*[each or [] for each in known])
        batch["uid"] = NonTensorStack(*[f"{self.global_steps}-{first + number}" for number in range(len(batch))])
        return batch

    def _data_parallel_size(self) -> int:
        group = self.actor_rollout_wg
        if "actor" not in group._dispatch_info:
            group._dispatch_info["actor"] = group._query_dispatch_info("actor")
        return max(group._dispatch_info["actor"]) + 1

    # ---- from questions to rows over ranks and steps ----

    @cached_property
    def gate(self) -> Gate:
        """The strategy's gate, with what it remembers."""
        return gate_of(self.settings.feedback, self.config.actor_rollout_ref.rollout.n)

    @cached_property
    def waiting(self) -> DemonstrationQueue | None:
        """The demonstrations that wait for an SFT step of their own; None where none does."""
        size = self.settings.sft_batch
        return None if size is None else DemonstrationQueue(size)

    def _plan(self, questions: Sequence[Question]) -> Plan:
        actor = self.config.actor_rollout_ref.actor
        rollouts, demonstrations = terms_of(self.settings)
        return route(
            questions,
            self.gate,
            rollouts=rollouts,
            demonstrations=demonstrations,
            normalization=self._normalization,
            sft_coef=self.settings.sft_coef,
            off_coef=self.settings.off_coef,
            keep_idle=actor.entropy_coeff != 0.0 or self._penalizes_kl,
            imitation=Imitation(self.composite.imitated, self.settings.method.pooled_sft, self.waiting is not None),
            step=self.global_steps,
            total_steps=self.total_training_steps,
        )

    @property
    def _penalizes_kl(self) -> bool:
        """Whether a KL term acts; a reference policy may be there for log pi_0 alone."""
        actor = self.config.actor_rollout_ref.actor
        return bool(self.config.algorithm.use_kl_in_reward or (actor.use_kl_loss and actor.kl_loss_coef != 0.0))

    @property
    def _normalization(self) -> Normalization:
        size, length = self.config.actor_rollout_ref.actor.ppo_mini_batch_size, self.config.data.max_response_length
        return self.settings.normalization_with(size, length, self._data_parallel_size())

    def _lay_out(
        self,
        questions: Sequence[Question],
        plan: Plan,
        placed: Sequence[row_io.PlacedRow],
        rollouts: BatchMetrics,
        batch: KVBatchMeta,
        metrics: dict,
    ) -> KVBatchMeta:
        """Spread placed rows over ranks and optimizer steps; ``self.routed`` is this batch from here on.

        Args:
            batch: for its partition and what verl has noted beside it.
        """
        actor, rollout = self.config.actor_rollout_ref.actor, self.config.actor_rollout_ref.rollout
        where = {
            "ranks": self._data_parallel_size(),
            "partition_id": str(batch.partition_id),
            "eos_token_id": self.tokenizer.eos_token_id,
        }
        if self.settings.normalization_class.cuts_rows and placed:
            group_rows = rollout.n + self.settings.method.in_group
            placed, layout = lay_out_by_rows(
                self._in_released_order(placed),
                step_size=actor.ppo_mini_batch_size * group_rows // where["ranks"],
                **where,
            )
            idle = 0
        else:
            num_steps = max(-(-len(questions) // actor.ppo_mini_batch_size), *(row.row.step + 1 for row in placed), 0)
            by_step = [[row for row in placed if row.row.step == step] for step in range(num_steps)]
            micro_batch_size = None if actor.use_dynamic_bsz else actor.ppo_micro_batch_size_per_gpu
            layout = lay_out(by_step, micro_batch_size=micro_batch_size, like=batch.tags[0], **where)
            idle = by_step.count([])
        self.routed = RoutedBatch(questions, plan, placed, layout, rollouts)
        metrics.update(rollouts.of_plan(plan, row_io.tokens_by_kind(placed), actor.ppo_epochs))
        metrics.update(layout.metrics)
        metrics["hpt/steps_idle"] = idle * actor.ppo_epochs
        if self.waiting is not None:
            metrics["hpt/demonstrations_waiting"] = len(self.waiting)
        return KVBatchMeta(
            keys=layout.keys, tags=layout.tags, partition_id=batch.partition_id, extra_info=batch.extra_info
        )

    def _in_released_order(self, placed: Sequence[row_io.PlacedRow]) -> Sequence[row_io.PlacedRow]:
        """The released code's order: rollouts, then demonstrations; in a group the demonstration comes first."""
        if not self.settings.method.in_group:
            return sorted(placed, key=lambda row: row.row.kind)
        return sorted(placed, key=lambda row: (place_of(row.row.uid), row.row.kind != RowKind.DEMONSTRATION))

    # ---- advantage and update ----

    def _compute_advantage(self, batch: KVBatchMeta, metrics: dict) -> KVBatchMeta:
        """Run verl's step with its corrections over the rollouts; demonstrations were not sampled and keep theirs."""
        # verl returns what TransferQueue answers, without the tags that say what a row is.
        rollouts = row_io.select(batch, [RowKind.ROLLOUT])
        if len(rollouts):
            with row_advantages(self.routed.advantages(rollouts.keys)):
                super()._compute_advantage(rollouts, metrics)
        others = row_io.select(batch, OTHER_KINDS)
        advantages = self.routed.advantages(others.keys)
        row_io.put_tokens(others, {name: (advantages, torch.float32) for name in ("advantages", "returns")})
        if self._corrects_rollouts:
            dtype = row_io.dtype_of("rollout_is_weights", rollouts) if len(rollouts) else torch.float32
            row_io.put_tokens(others, {"rollout_is_weights": ([1.0] * len(others), dtype)})
        return batch

    @property
    def _corrects_rollouts(self) -> bool:
        """Whether verl's importance weights for rollouts go with the rows."""
        return OmegaConf.select(self.config, "algorithm.rollout_correction.rollout_is") is not None

    @property
    def _calculates_entropy(self) -> bool:
        actor = self.config.actor_rollout_ref.actor
        return bool(actor.calculate_entropy or self.composite.reads_entropy or actor.entropy_coeff != 0.0)

    def _update_fields(self) -> list[str]:
        """Token fields that the update reads beside those that every row has."""
        fields = ["ref_log_prob"] if self.use_reference_policy else []
        return [*fields, "rollout_is_weights"] if self._corrects_rollouts else fields

    def _update_actor(self, batch: KVBatchMeta, metrics: dict) -> KVBatchMeta:
        """One optimizer step per N questions, each over its own rows."""
        extra_info = {
            "skip_grad_norm": self.settings.skip_grad_norm,
            "calculate_entropy": self._calculates_entropy,
            "epochs": self.config.actor_rollout_ref.actor.ppo_epochs,
            "step_rows": self.routed.layout.step_rows,
        }
        temperature = self.config.actor_rollout_ref.rollout.temperature
        output = self.actor_rollout_wg.update_actor(
            row_io.for_update(batch, extra_info, temperature, self._update_fields())
        )
        update = update_metrics(output["metrics"], reduce_metrics, self.settings.skip_grad_norm)
        self.gate.observe(update)
        metrics.update(update)
        return batch

    # ---- metrics, checkpoints, the end ----

    def fit(self, agent_loop_manager: Any) -> None:
        """verl's training loop; afterwards nothing may be left in TransferQueue."""
        try:
            super().fit(agent_loop_manager)
        finally:  # an interrupted run rather lacks a line of metrics than its last checkpoint
            self._commit_checkpoint()
        rows = row_io.all_rows()
        if rows and self.base_mode == "sync":
            raise RuntimeError(
                f"{len(rows)} rows were left in TransferQueue, {sorted(rows)[:3]} among them; in synchronous "
                "training every row leaves with its step: this is a bug, please report it"
            )
        print(f"TransferQueue holds {len(rows)} rows" if rows else "TransferQueue is empty")

    def _compute_metrics(self, batch: KVBatchMeta, metrics: dict, timing_raw: dict, global_steps: int, epoch: int):
        """verl's metrics over the trained rows; scores and lengths over all rollouts, dropped ones too."""
        if self.routed.rows:
            super()._compute_metrics(row_io.demonstrations_as_padding(batch), metrics, timing_raw, global_steps, epoch)
        else:
            metrics.update({"training/global_step": global_steps, "training/epoch": epoch})
            metrics.update({f"timing_s/{name}": seconds for name, seconds in timing_raw.items()})
        trained = sum(tag["seq_len"] for tag in row_io.select(batch, [RowKind.ROLLOUT]).tags)
        self.routed.rollouts.replace_row_metrics(metrics, timing_raw, self.config.data.max_prompt_length, trained)
        questions, rows = row_io.besides(str(batch.partition_id), batch.keys)
        metrics["hpt/questions_in_flight"], metrics["hpt/leftover_rows"] = len(questions), len(rows)

    def _save_checkpoint(self):
        folder = Path(self.config.trainer.default_local_dir, f"global_step_{self.global_steps}")
        # A folder that is written again must not look complete meanwhile, and a checkpoint counts when its step's
        # metrics are logged: a run that continues from it would never log them.
        folder.mkdir(parents=True, exist_ok=True)
        (folder / UNLOGGED).touch()
        routing_state.save(folder, self.settings.strategy, self._routing_state())
        super()._save_checkpoint()
        self._unlogged = folder

    def _load_checkpoint(self):
        super()._load_checkpoint()
        if self.global_steps:
            folder = Path(
                self.config.trainer.resume_from_path
                if self.config.trainer.resume_mode == "resume_path"
                else Path(self.config.trainer.default_local_dir, f"global_step_{self.global_steps}")
            )
            state = routing_state.load(folder, self.settings.strategy, expected=self.settings.remembers)
            if "gate" in state:
                self.gate.load_state_dict(state["gate"])
            if self.waiting is not None:
                self.waiting.load_state_dict(state["waiting"])

    def _routing_state(self) -> dict[str, Any]:
        gate = self.gate.state_dict()
        state: dict[str, Any] = {"gate": gate} if gate else {}
        return state if self.waiting is None else {**state, "waiting": self.waiting.state_dict()}

    def _commit_checkpoint(self) -> None:
        if self._unlogged is not None:
            (self._unlogged / UNLOGGED).unlink()
            self._unlogged = None

    def on_step_begin(self):
        self._commit_checkpoint()
        super().on_step_begin()
