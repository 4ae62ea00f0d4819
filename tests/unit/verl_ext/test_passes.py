# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Passes over demonstrations and by a teacher, with a fake queue and a fake engine; and what routing remembers."""

from types import SimpleNamespace

import pytest
import torch
from omegaconf import OmegaConf
from transfer_queue import KVBatchMeta
from verl.trainer.ppo.v1.trainer_base import PPOTrainer

from hpt.common.errors import ConfigError
from hpt.method.routing import RowKind
from hpt.verl_ext import rows as row_io
from hpt.verl_ext.passes import teacher_messages
from hpt.verl_ext.trainer import HybridTrainerSync
from tests.unit.verl_ext.test_trainer import (
    EARLY,
    LATE,
    SOLUTIONS,
    UIDS,
    Data,
    config_for,
    finished_rollouts,
    trainer_of,
)

PASS = {"log_prob_use_dynamic_bsz": True}


class Engine:
    """Reports minus the length of a row's prompt as the log-probability of each of its tokens."""

    _dispatch_info = {"actor": [0]}  # noqa: RUF012  (verl's)

    def __init__(self, queue):
        self.queue, self.calls = queue, []

    def compute_log_prob(self, batch: KVBatchMeta) -> KVBatchMeta:
        self.calls.append(SimpleNamespace(keys=list(batch.keys), **batch.extra_info))
        for key in batch.keys:
            row = self.queue.fields[key]
            row["log_probs"] = torch.full((len(row["input_ids"]),), -float(len(row["prompts"])))
            row["entropy"] = torch.ones(len(row["input_ids"]))
        return batch

    compute_ref_log_prob = compute_log_prob


class Tokenizer:
    """One token per character."""

    eos_token_id = 0

    def decode(self, tokens, skip_special_tokens):
        return "".join(map(str, tokens[:-1]))

    def apply_chat_template(self, messages, add_generation_prompt, tokenize):
        return [ord(letter) for message in messages for letter in message["content"]]


class Questions(Data):
    def __getitem__(self, number):
        return {"raw_prompt": [{"role": "user", "content": f"Q{number}"}]}


@pytest.fixture
def trainer_for(queue, tmp_path):
    def build(questions_per_step=2, **settings):
        config = config_for(tmp_path, questions_per_step)
        OmegaConf.update(config, "actor_rollout_ref.actor.loss_agg_mode", "token-mean")
        OmegaConf.update(config, "actor_rollout_ref.actor.loss_scale_factor", None)
        config.actor_rollout_ref.rollout.update(PASS)
        config.actor_rollout_ref.ref = PASS
        trainer = trainer_of(HybridTrainerSync, config, **settings)
        trainer.actor_rollout_wg = trainer.ref_policy_wg = Engine(queue)
        trainer.tokenizer, trainer.train_dataset, trainer.ref_in_actor = Tokenizer(), Questions(), False
        return trainer

    return build


def written(queue, key: str, name: str) -> list[float]:
    return queue.fields[key][name].tolist()


DEMONSTRATION = f"{LATE}-demonstration_0_0"


@pytest.mark.parametrize("entry", ["psft", "sft"])
def test_a_demonstration_of_a_later_step_has_its_own_pi_old_where_it_is_read(queue, trainer_for, entry):
    trainer = trainer_for(questions_per_step=1, gamma=1.0, sft_algorithm=entry)
    batch = trainer._compute_old_log_prob(trainer._balance_batch(finished_rollouts(queue), {}), {})
    calls = trainer.actor_rollout_wg.calls
    if entry == "sft":
        assert calls == [] and "old_log_probs" not in trainer._update_fields()
        return
    # Three questions have a demonstration; that of the first step, EARLY, is trained on by the policy that is pi_old.
    (call,) = calls
    later = {f"{UIDS[name]}-demonstration_0_0" for name in ("late", "solved")}
    assert set(call.keys) == later and call.temperature == 1.0 and not call.calculate_entropy
    assert written(queue, DEMONSTRATION, "old_log_probs") == [-2.0] * 3
    assert written(queue, f"{EARLY}-demonstration_0_0", "old_log_probs") == [0.0] * 2
    on_policy = {key: queue.fields[key]["on_policy"].item() for key in batch.keys}
    assert {key for key, value in on_policy.items() if not value} == later
    assert {"old_log_probs", "on_policy"} <= set(trainer._update_fields())


def test_log_pi_0_is_computed_once_per_demonstration_and_kept(queue, trainer_for):
    trainer = trainer_for(gamma=1.0, sft_algorithm="iw_sft")
    trainer.config.actor_rollout_ref.actor.use_kl_loss, trainer.use_reference_policy = True, True
    OmegaConf.update(trainer.config, "actor_rollout_ref.actor.kl_loss_coef", 0.0)
    for step in (1, 2):
        uids = {name: f"{step}-{number}" for number, name in enumerate(UIDS)}
        batch = trainer._balance_batch(finished_rollouts(queue, uids), {})
        trainer._compute_ref_log_prob(batch, {})
        for name in ("late", "early", "solved"):
            key = f"{uids[name]}-demonstration_0_0"
            assert written(queue, key, "ref_log_prob") == [-2.0] * len(queue.fields[key]["responses"])
        assert all("ref_log_prob" in queue.fields[key] for key in batch.keys)
    (call,) = trainer.ref_policy_wg.calls  # the second step knows all of them
    assert len(call.keys) == 3 and call.temperature == 1.0


def test_a_teacher_scores_the_rollouts_behind_the_question_with_its_demonstration(queue, trainer_for):
    trainer = trainer_for(questions_per_step=4, strategy="self_distill", teacher_prompt="{question}|{demonstration}")
    batch = trainer._balance_batch(finished_rollouts(queue), {})
    held = set(queue.fields)
    trainer._compute_old_log_prob(batch, {})
    (call,) = trainer.actor_rollout_wg.calls
    assert len(call.keys) == 2 and set(queue.fields) == held  # both rollouts of the unsolved question; copies have left
    for index in range(2):  # "Q0|56": five tokens
        assert written(queue, f"{LATE}_{index}_0", "teacher_log_prob") == [-5.0] * (2 + index)
        assert queue.fields[f"{LATE}_{index}_0"]["sft_weight"] > 0 == queue.fields[f"{LATE}_{index}_0"]["rl_weight"]
        assert written(queue, f"{EARLY}_{index}_0", "teacher_log_prob") == [0.0] * (2 + index)
    assert f"{UIDS['without']}_0_0" not in queue.fields  # nothing to show a teacher
    assert "teacher_log_prob" in trainer._update_fields()
    assert trainer.routed.plan.skipped == [UIDS["without"]] and trainer.routed.plan.sft == [LATE]
    rows = trainer.routed.rows
    assert all(row.row.kind == RowKind.ROLLOUT for row in rows) and len(rows) == 4


def test_rlsd_asks_the_teacher_about_every_rollout_that_is_trained_on(queue, trainer_for):
    trainer = trainer_for(questions_per_step=4, strategy="rl_only", rollout_algorithm="rlsd")
    trainer._compute_old_log_prob(trainer._balance_batch(finished_rollouts(queue), {}), {})
    (call,) = trainer.actor_rollout_wg.calls
    assert len(call.keys) == 2  # EARLY's; all others are unanimous


def test_the_teacher_reads_the_last_question_of_the_user_and_braces_stay():
    messages = [
        {"role": "system", "content": "{question}"},
        {"role": "user", "content": "What is {x}?"},
    ]
    asked = teacher_messages(messages, "{question} Known: {demonstration}.", "\\frac{1}{2} {question}")
    assert asked == [messages[0], {"role": "user", "content": "What is {x}? Known: \\frac{1}{2} {question}."}]
    assert messages[1]["content"] == "What is {x}?"


# ---- demonstrations that wait ----


def batch_of_step(queue, step: int) -> tuple[dict[str, str], KVBatchMeta]:
    uids = {name: f"{step}-{number}" for number, name in enumerate(UIDS)}
    return uids, finished_rollouts(queue, uids)


def test_demonstrations_wait_over_batches_for_a_step_of_their_own(queue, trainer_for):
    trainer = trainer_for(questions_per_step=2, strategy="relift", params={"sft_data_size": 2}, sft_coef=0.5)
    uids, batch = batch_of_step(queue, 1)
    metrics: dict = {}
    trainer._balance_batch(batch, metrics)
    # P = 0 twice, once without a demonstration; the other's waits.
    assert metrics["hpt/demonstrations_waiting"] == 1 and metrics["hpt/rows_demonstration"] == 0
    assert trainer.routed.layout.step_rows[:1] == [2] and len(trainer.routed.layout.step_rows) == 2
    first, (later, batch) = uids["late"], batch_of_step(queue, 2)
    trainer._balance_batch(batch, metrics)
    assert metrics["hpt/demonstrations_waiting"] == 0 and metrics["hpt/rows_demonstration"] == 2
    rows = {row.key: row.row for row in trainer.routed.rows if row.row.kind == RowKind.DEMONSTRATION}
    assert set(rows) == {f"{first}-demonstration_0_0", f"{later['late']}-demonstration_0_0"}
    assert len(trainer.routed.layout.step_rows) == 3 and {row.step for row in rows.values()} == {2}
    # A mean over the tokens of both demonstrations, times lambda.
    assert [row.sft_weight for row in rows.values()] == pytest.approx([0.5 / (2 * len(SOLUTIONS[0]))] * 2)
    key = f"{first}-demonstration_0_0"
    assert queue.fields[key]["input_ids"].tolist() == [1, 2, *SOLUTIONS[0]]
    assert queue.fields[key]["sft_weight"].item() == pytest.approx(1 / 12)


def test_what_waits_goes_through_a_checkpoint(queue, trainer_for, tmp_path, monkeypatch):
    folder = tmp_path / "global_step_1"
    monkeypatch.setattr(PPOTrainer, "_save_checkpoint", lambda self: None)
    monkeypatch.setattr(PPOTrainer, "_load_checkpoint", lambda self: setattr(self, "global_steps", 1))
    trainer = trainer_for(strategy="relift", params={"sft_data_size": 2})
    trainer._balance_batch(batch_of_step(queue, 1)[1], {})
    trainer._save_checkpoint()
    resumed = trainer_for(strategy="relift", params={"sft_data_size": 2})
    resumed._load_checkpoint()
    assert resumed.waiting.waiting == trainer.waiting.waiting != []
    with pytest.raises(ConfigError, match=r"got hpt.strategy=chord and .*routing.json holds the state of relift"):
        trainer_for(strategy="chord")._load_checkpoint()
    (folder / "routing.json").unlink()
    with pytest.raises(ConfigError, match=r"global_step_1 without routing.json; hpt.strategy=relift goes on from"):
        trainer_for(strategy="relift")._load_checkpoint()
    trainer_for(strategy="chord")._load_checkpoint()  # has no state


def test_a_gates_state_goes_through_a_checkpoint(queue, trainer_for, tmp_path, monkeypatch):
    monkeypatch.setattr(PPOTrainer, "_save_checkpoint", lambda self: None)
    monkeypatch.setattr(PPOTrainer, "_load_checkpoint", lambda self: setattr(self, "global_steps", 1))
    trainer = trainer_for(strategy="curriculum")
    trainer._balance_batch(batch_of_step(queue, 1)[1], {})
    trainer._save_checkpoint()
    resumed = trainer_for(strategy="curriculum")
    resumed._load_checkpoint()
    assert (
        resumed.gate.means
        == trainer.gate.means
        == {f"question {number}": mean for number, mean in enumerate((0, 0.5, 0, 1))}
    )


def test_the_gate_sees_the_step_and_the_question(queue, trainer_for):
    trainer = trainer_for(strategy="chord", params={"mu_decay_steps": 10})
    trainer.global_steps = 10
    trainer._balance_batch(finished_rollouts(queue), {})
    assert {tuple(each) for each in trainer.routed.plan.coefficients} == {(0.95, 0.0, 0.05)}


def test_rows_carry_the_mean_score_of_their_question(queue, trainer_for):
    trainer = trainer_for(strategy="rl_only", rollout_algorithm="nft")
    trainer._balance_batch(finished_rollouts(queue), {})
    assert queue.fields[f"{EARLY}_0_0"]["mean_score"].item() == 0.5
    assert "mean_score" in row_io.UPDATE_FIELDS
