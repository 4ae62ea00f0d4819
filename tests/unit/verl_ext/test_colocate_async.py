# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The trainer that samples ahead, with a fake queue and without workers."""

import pytest
from omegaconf import OmegaConf
from transfer_queue import KVBatchMeta
from verl.trainer.ppo.v1.trainer_base import PPOTrainer
from verl.trainer.ppo.v1.trainer_colocate_async import PPOTrainerColocateAsync

from hpt.method.metrics import DEFINITIONS
from hpt.method.routing import RowKind
from hpt.verl_ext import rows as row_io
from hpt.verl_ext.colocate_async import HybridTrainerColocateAsync
from hpt.verl_ext.sampling import RolloutError
from hpt.verl_ext.trainer import HybridTrainerSync
from tests.unit.verl_ext.test_trainer import config_for, finished_rollouts, trainer_of

CORRECTION = {"rollout_is": "token", "rollout_is_threshold": 2.0, "rollout_rs": None, "bypass_mode": False}
STEP = 3  # trains version 2 of the weights


@pytest.fixture
def trainer(tmp_path):
    config = config_for(tmp_path, rollout_correction=CORRECTION)
    OmegaConf.update(config, "trainer.v1.colocate_async.num_warmup_batches", 1, force_add=True)
    OmegaConf.update(config, "actor_rollout_ref.rollout.log_prob_use_dynamic_bsz", True, force_add=True)
    trainer = trainer_of(HybridTrainerColocateAsync, config)
    trainer.global_steps, trainer._replaced = STEP, 0
    return trainer


def sampled_by(batch: KVBatchMeta, versions) -> KVBatchMeta:
    """The batch's rollouts, with the versions of the weights that sampled their first and last tokens."""
    for tag, (first, last) in zip(batch.tags, versions, strict=True):
        tag.update(min_global_steps=first, max_global_steps=last)
    return batch


def test_ages_are_those_of_all_rollouts(trainer, queue):
    metrics: dict = {}
    versions = [(2, 2)] * 5 + [(0, 2), (1, 1), (1, 2)]
    trainer._balance_batch(sampled_by(finished_rollouts(queue), versions), metrics)
    ages = {
        name: value for name, value in metrics.items() if name in DEFINITIONS and ("age_" in name or "share" in name)
    }
    assert metrics["hpt/rows_rollout"] == 2  # the others' ages count, too
    assert {name: ages[name] for name in ("hpt/age_mean", "hpt/age_max", "hpt/stale_share", "hpt/partial_share")} == {
        "hpt/age_mean": 4 / 8, "hpt/age_max": 2, "hpt/stale_share": 3 / 8, "hpt/partial_share": 2 / 8,
    }  # fmt: skip


def test_pi_old_of_every_rollout_comes_from_a_pass_before_the_first_optimizer_step(trainer, queue, monkeypatch):
    """Weights that correct for the sampling need it, whatever the age; in sync mode the first step does without."""
    passed_over = []

    def forward_pass(self, batch, metrics):
        passed_over.extend(batch.keys)

    monkeypatch.setattr(PPOTrainer, "_compute_old_log_prob", forward_pass)
    batch = trainer._balance_batch(sampled_by(finished_rollouts(queue), [(2, 2)] * 8), {})
    trainer._compute_old_log_prob(batch, {})
    rollouts = row_io.select(batch, [RowKind.ROLLOUT]).keys
    assert sorted(passed_over) == sorted(rollouts) and rollouts
    assert {key: int(queue.fields[key]["on_policy"]) for key in batch.keys} == {
        key: int(key not in rollouts) for key in batch.keys
    }
    assert {"old_log_probs", "on_policy", "rollout_is_weights"} <= set(trainer._update_fields())
    synchronous = trainer_of(HybridTrainerSync, trainer.config)
    synchronous.routed = trainer.routed
    assert synchronous._off_policy_rows() == set()


def test_fresh_rollouts_become_the_same_rows_as_in_synchronous_training(trainer, queue, tmp_path):
    metrics, batches = {}, {}
    for each in (trainer_of(HybridTrainerSync, trainer.config), trainer):
        batch = sampled_by(finished_rollouts(queue), [(2, 2)] * 8)
        each.global_steps, metrics[each] = STEP, {}
        batch = each._compute_advantage(each._balance_batch(batch, metrics[each]), metrics[each])
        batches[each] = (batch.keys, {key: {**queue.fields[key]} for key in batch.keys}, each.routed.layout.step_rows)
        row_io.clear(list(queue.tags), "train")
    (keys, rows, steps), (keys_ahead, rows_ahead, steps_ahead) = batches.values()
    # The second step has no row; its padding has a name of its own.
    assert keys[:-1] == keys_ahead[:-1] and steps == steps_ahead
    assert keys[-1].startswith("padding") and keys_ahead[-1].startswith("padding")
    for key in keys[:-1]:
        assert rows[key].keys() == rows_ahead[key].keys()
        for name, value in rows[key].items():
            same = value == rows_ahead[key][name]
            assert same if isinstance(same, bool) else same.all(), (key, name)
    synchronous, ahead = metrics.values()
    assert {name: value for name, value in ahead.items() if name in synchronous} == synchronous
    assert set(ahead) - set(synchronous) == {
        "hpt/age_mean", "hpt/age_max", "hpt/stale_share", "hpt/partial_share",
    }  # fmt: skip


def test_a_restored_queue_keeps_what_is_in_flight_and_drops_what_the_checkpoint_has_trained_on(
    trainer, queue, monkeypatch
):
    def load(self):
        finished_rollouts(queue)  # of the checkpoint's own step
        queue.put_rows({"3-4_0_0": {}, "3-5_0_0": {}}, {"3-4_0_0": {}, "3-5_0_0": {}})
        tags = [{"is_prompt": True, "status": status} for status in ("finished", "running", "pending")]
        queue.kv_batch_put(["3-4", "3-5", "3-6"], "train", tags=tags)

    monkeypatch.setattr(PPOTrainer, "_load_checkpoint", load)
    trainer._load_checkpoint()
    assert set(queue.tags) == {"3-4", "3-4_0_0", "3-5", "3-5_0_0", "3-6"}


def test_replacing_more_questions_than_are_in_flight_ends_the_run(trainer, monkeypatch):
    drawn = []
    monkeypatch.setattr(PPOTrainer, "_add_prompts_to_generate", lambda self, count: drawn.append(count) or count)
    monkeypatch.setattr(PPOTrainerColocateAsync, "on_sample_begin", lambda self: None)
    for _ in range(3):  # steps with some that fail
        trainer.on_sample_begin()
        assert [trainer._replace(count) for count in (5, 3)] == [5, 3]
    with pytest.raises(RolloutError, match="9 questions of step 3 had to be replaced, and at most 8 are in flight"):
        trainer._replace(1)
    assert drawn == [5, 3] * 3
