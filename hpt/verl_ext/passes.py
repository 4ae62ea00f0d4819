# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Forward passes before an update: log-probabilities that the loss reads and the update itself does not give.

Which passes there are follows from what the entries of the composite read
(:meth:`hpt.method.estimator.composite.Composite.inputs`); no row is passed over for nothing.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from omegaconf import DictConfig
from transfer_queue import KVBatchMeta
from verl.utils.tokenizer import normalize_token_ids

from hpt.method.estimator.algorithms import find
from hpt.method.estimator.composite import TEACHER
from hpt.method.routing import RowKind
from hpt.verl_ext import pass_rows
from hpt.verl_ext import rows as row_io
from hpt.verl_ext.layout import pad_for_ranks
from hpt.verl_ext.routed_trainer import RoutedTrainerMixin

Pass = Callable[[KVBatchMeta, dict], Any]
"""Writes a token field of a batch's rows, and metrics."""


def teacher_messages(messages: Sequence[Mapping[str, Any]], template: str, demonstration: str) -> list[dict[str, Any]]:
    """The question's messages with the demonstration in the last one of the user.

    Args:
        messages: with ``role`` and ``content``.
        template: ``hpt.teacher_prompt``.
        demonstration: as text.
    """
    copied = [dict(message) for message in messages]
    last = next(message for message in reversed(copied) if message["role"] == "user")
    parts = template.split("{question}")
    last["content"] = str(last["content"]).join(part.replace("{demonstration}", demonstration) for part in parts)
    return copied


class PassesMixin(RoutedTrainerMixin):
    """log pi_old and log pi_0 of rows, and log pi_T of rollouts; goes before a trainer of verl in the bases."""

    _log_prob_dtype = torch.float32  # until the actor has reported some

    @cached_property
    def _initial_log_probs(self) -> dict[bytes, torch.Tensor]:
        """log pi_0 of the demonstrations so far, (L,) by digest."""
        return {}

    # ---- log pi_old ----

    def _off_policy_rows(self) -> set[str]:
        """The rows whose pi_old needs a pass of its own; of demonstrations those whose terms read it.

        In a batch's first optimizer step pi_old is pi_theta itself, unless the rows are trained on more than once.
        """
        kinds = {RowKind.ROLLOUT}
        if "old_log_prob" in self.composite.inputs(RowKind.DEMONSTRATION):
            kinds.add(RowKind.DEMONSTRATION)
        rows = self.routed.rows
        steps = {row.key: row.row.step for row in rows if row.row.kind in kinds}
        config = self.config.actor_rollout_ref
        repeats = config.actor.ppo_epochs > 1 or self.parameter_sync_step > 1 or self.base_mode != "sync"
        if self.settings.old_log_probs == "always" or config.rollout.calculate_log_probs or repeats:
            return set(steps)
        first = min((row.row.step for row in rows), default=0)
        return {key for key, step in steps.items() if step > first}

    @property
    def _calculates_entropy(self) -> bool:
        # Without a pass for pi_old the update is the only place that sees the entropy. On a GPU the logits' gradient
        # makes it expensive there, so it has to be asked for.
        unseen = self.config.trainer.device == "cpu" and self.settings.method.generates and not self._off_policy_rows()
        return super()._calculates_entropy or unseen

    def _update_fields(self) -> list[str]:
        fields = super()._update_fields()
        if TEACHER in self.composite.inputs(RowKind.ROLLOUT):
            fields = [TEACHER, *fields]
        return ["old_log_probs", "on_policy", *fields] if self._off_policy_rows() else fields

    def _compute_old_log_prob(self, batch: KVBatchMeta, metrics: dict) -> KVBatchMeta:
        """verl's pass over those rollouts whose pi_old is not pi_theta, and ours over such demonstrations."""
        off_policy = self._off_policy_rows()
        if off_policy:
            demonstrations = off_policy & set(row_io.select(batch, [RowKind.DEMONSTRATION]).keys)
            section = self.config.actor_rollout_ref.rollout
            passes = [
                (off_policy - demonstrations, super()._compute_old_log_prob),
                (demonstrations, self._log_probs("old_log_probs", temperature=1.0)),
            ]
            self._pass_over("old_log_probs", passes, section, batch, metrics)
            row_io.put_numbers(batch, "on_policy", [key not in off_policy for key in batch.keys])
            if "actor/entropy" in metrics:
                metrics["hpt/entropy_rollout"] = metrics["actor/entropy"]
        if TEACHER in self.composite.inputs(RowKind.ROLLOUT):
            self._score_by_teacher(batch, metrics)
        return batch

    # ---- log pi_0 ----

    def _compute_ref_log_prob(self, batch: KVBatchMeta, metrics: dict) -> KVBatchMeta:
        """verl's pass over the rollouts, where a KL term acts on them, and ours over demonstrations that need log pi_0.

        A demonstration's log pi_0 never changes, so it is computed once and kept.
        """
        references, partition = self.config.actor_rollout_ref, str(batch.partition_id)
        section = references.rollout if self.ref_in_actor else references.ref
        rollouts = set(row_io.select(batch, [RowKind.ROLLOUT]).keys) if self._penalizes_kl else set()
        names: dict[str, bytes] = {}
        if "initial_log_prob" in self.composite.inputs(RowKind.DEMONSTRATION):
            names = pass_rows.digests(row_io.select(batch, [RowKind.DEMONSTRATION]))
        new = {key for key, name in names.items() if name not in self._initial_log_probs}
        passes = [
            (rollouts, super()._compute_ref_log_prob),
            (new, self._log_probs("ref_log_prob", temperature=1.0, reference=True)),
        ]
        self._pass_over("ref_log_prob", passes, section, batch, metrics)
        computed = pass_rows.values_of(sorted(new), partition, "ref_log_prob")
        self._initial_log_probs |= {names[key]: values for key, values in computed.items()}
        kept = {key: self._initial_log_probs[name] for key, name in names.items() if key not in new}
        pass_rows.put_values(kept, partition, "ref_log_prob")
        return batch

    # ---- log pi_T ----

    def _score_by_teacher(self, batch: KVBatchMeta, metrics: dict) -> None:
        """log pi_T of the rollouts that read it: the policy's own, with the demonstration in the prompt.

        The rows that it passes over hold the same responses behind other prompts, and leave afterwards.
        """
        reads = TEACHER in find(self.composite.rollouts).inputs
        uids = {
            row.key: row.row.uid
            for row in self.routed.rows
            if row.row.kind == RowKind.ROLLOUT and (reads or row.row.sft_weight)
        }
        values: dict[str, torch.Tensor] = {}
        if uids:
            section = self.config.actor_rollout_ref.rollout
            prompts = self._teacher_prompts(set(uids.values()))
            copies = pass_rows.put_behind_prompts(
                batch.select_keys(list(uids)), [prompts[uid] for uid in uids.values()]
            )
            run = self._log_probs(TEACHER, temperature=section.temperature)
            self._pass_over(TEACHER, [(set(copies.keys), run)], section, copies, metrics)
            scored = pass_rows.values_of(copies.keys, str(batch.partition_id), TEACHER)
            values = dict(zip(uids, scored.values(), strict=True))
            pass_rows.put_values(values, str(batch.partition_id), TEACHER)
            row_io.clear(copies.keys, str(batch.partition_id))
        others = batch.select_keys([key for key in batch.keys if key not in values])
        row_io.put_tokens(others, {TEACHER: ([0.0] * len(others), self._log_prob_dtype)})

    def _teacher_prompts(self, uids: Collection[str]) -> dict[str, torch.Tensor]:
        """Per uid the tokens of its question with the demonstration in it, (P,)."""
        template = dict(self.config.data.get("apply_chat_template_kwargs") or {})
        prompts = {}
        for question in self.routed.questions:
            if question.uid in uids:
                text = self.tokenizer.decode(question.demonstration, skip_special_tokens=True)
                asked = self.train_dataset[question.number]["raw_prompt"]
                messages = teacher_messages(asked, self.settings.teacher_prompt, text)
                tokens = self.tokenizer.apply_chat_template(
                    messages, add_generation_prompt=True, tokenize=True, **template
                )
                prompts[question.uid] = torch.tensor(normalize_token_ids(tokens), dtype=torch.int64)
        return prompts

    # ---- a pass ----

    def _log_probs(self, name: str, *, temperature: float, reference: bool = False) -> Pass:
        """Our own pass, which writes log-probabilities alone.

        Args:
            name: of the token field.
            reference: whether it is of the reference policy, which is the policy before the training.
        """

        def run(batch: KVBatchMeta, metrics: dict) -> None:
            apart = reference and not self.ref_in_actor
            batch.extra_info.update(calculate_entropy=False, compute_loss=False, temperature=temperature)
            if reference and self.ref_in_actor:
                batch.extra_info["no_lora_adapter"] = True
            forward = self.ref_policy_wg.compute_ref_log_prob if apart else self.actor_rollout_wg.compute_log_prob
            forward(batch)
            pass_rows.keep_log_probs(batch, name)

        return run

    def _pass_over(
        self,
        name: str,
        passes: Sequence[tuple[Collection[str], Pass]],
        section: DictConfig,
        batch: KVBatchMeta,
        metrics: dict,
    ) -> None:
        """Run passes over some rows that write the token field ``name``; other rows get zeros there.

        Args:
            passes: keys of rows, and the pass over them.
            section: holds the passes' batch size, ``log_prob_*``.
        """
        for keys, forward_pass in passes:
            rows = batch.select_keys([key for key in batch.keys if key in keys])
            if not len(rows):
                continue
            dynamic = section.log_prob_use_dynamic_bsz
            padded = pad_for_ranks(
                rows,
                ranks=self._data_parallel_size(),
                micro_batch_size=None if dynamic else section.log_prob_micro_batch_size_per_gpu,
                eos_token_id=self.tokenizer.eos_token_id,
            )
            forward_pass(padded, metrics)
            self._log_prob_dtype = row_io.dtype_of(name, rows)
            row_io.clear(sorted(set(padded.keys) - set(batch.keys)), str(batch.partition_id))
        passed = set().union(*(keys for keys, _ in passes))
        others = batch.select_keys([key for key in batch.keys if key not in passed])
        row_io.put_tokens(others, {name: ([0.0] * len(others), self._log_prob_dtype)})
