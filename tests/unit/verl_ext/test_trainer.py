# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The trainers between verl's steps, with a fake queue and without workers: from finished rollouts to advantages.

verl's own advantage step runs here, too: what it writes is what the actor reads.
"""

import contextlib
import json
from types import SimpleNamespace

import pytest
import torch
from omegaconf import OmegaConf
from transfer_queue import KVBatchMeta
from verl.trainer.ppo.v1.trainer_base import PPOTrainer

from hpt.common.files import DATA_STATE, UNLOGGED
from hpt.method.config import HPTConfig
from hpt.method.estimator.composite import composite_of
from hpt.method.routing import Row, RowKind
from hpt.verl_ext import rows as row_io
from hpt.verl_ext.plain_sft import PlainSFTTrainer
from hpt.verl_ext.trainer import HybridTrainerSync

EOS, L_MAX = 0, 8
SOLUTIONS = {0: [5, 6, EOS], 1: [7, EOS], 2: None, 3: [8, EOS]}


class Data:
    """The parts of the data set that the trainers ask."""

    num_without_target, num_overlong_targets = 0, 0

    def __len__(self):
        return len(SOLUTIONS)

    def demonstration(self, number):
        return SOLUTIONS[number]

    def gold_answers(self, numbers):
        return [("1", None) for _ in numbers]

    def question_ids(self, numbers):
        return [f"question {number}" for number in numbers]


def config_for(tmp_path, questions_per_step=2, **algorithm):
    return OmegaConf.create(
        {
            "actor_rollout_ref": {
                "model": {},
                "actor": {
                    "ppo_mini_batch_size": questions_per_step, "ppo_epochs": 1, "entropy_coeff": 0.0,
                    "use_kl_loss": False, "use_dynamic_bsz": True, "calculate_entropy": False,
                },
                "rollout": {"temperature": 1.0, "n": 2, "calculate_log_probs": False, "max_model_len": None},
            },
            "algorithm": {
                "adv_estimator": "hpt", "use_kl_in_reward": False, "gamma": 1.0, "lam": 1.0, **algorithm,
            },
            "data": {"max_prompt_length": 4, "max_response_length": L_MAX, "train_batch_size": 4},
            "hpt": {},
            "trainer": {"default_local_dir": str(tmp_path), "test_freq": -1, "device": "cpu", "resume_mode": "auto"},
        }
    )  # fmt: skip


def trainer_of(cls, config, ranks=1, **settings):
    """A trainer as its own steps see it, without what verl builds around it."""
    trainer = cls.__new__(cls)
    trainer.config, trainer.settings = config, HPTConfig(**settings)
    trainer.composite = composite_of(trainer.settings)
    trainer.train_dataset, trainer.tokenizer = Data(), SimpleNamespace(eos_token_id=EOS)
    trainer.actor_rollout_wg = SimpleNamespace(_dispatch_info={"actor": list(range(ranks))})
    trainer.global_steps, trainer.steps_per_epoch, trainer.parameter_sync_step = 1, 10, 1
    trainer.total_training_steps = 10
    trainer.use_reference_policy = trainer.use_critic = False
    return trainer


SCORES = {"late": (0.0, 0.0), "early": (1.0, 0.0), "solved": (1.0, 1.0), "without": (0.0, 0.0)}
NUMBERS = {"late": 0, "early": 1, "without": 2, "solved": 3}
# Step and number: 10 comes after 2.
UIDS = {"early": "1-2", "late": "1-10", "without": "1-11", "solved": "1-12"}
EARLY, LATE = UIDS["early"], UIDS["late"]


def finished_rollouts(queue, uids=UIDS) -> KVBatchMeta:
    """Two rollouts of each question, in the order in which they finished."""
    keys, tags = [], []
    for name, scores in SCORES.items():
        uid = uids[name]
        for index, score in enumerate(scores):
            key, length = f"{uid}_{index}_0", 2 + index
            tag = {"prompt_len": 2, "response_len": length, "seq_len": 2 + length}
            fields = {
                **row_io.sequence_fields(torch.tensor([1, 2]), torch.full((length,), 3), score, masked=False),
                "uid": uid,
                "demonstration_id": torch.tensor(NUMBERS[name]),
                "old_log_probs": torch.full((length,), -0.5),
                "rollout_log_probs": torch.full((length,), -0.5 - index),
            }
            queue.put_rows({key: fields}, {key: tag})
            keys.append(key)
            tags.append(tag)
    return KVBatchMeta(keys=keys, tags=tags, partition_id="train", extra_info={})


@pytest.fixture
def routed(queue, tmp_path):
    trainer = trainer_of(HybridTrainerSync, config_for(tmp_path))
    metrics: dict = {}
    return trainer, trainer._balance_batch(finished_rollouts(queue), metrics), metrics


def test_steps_are_cut_in_the_order_in_which_the_questions_were_drawn(routed):
    trainer, _, _ = routed
    assert [question.uid for question in trainer.routed.questions] == list(UIDS.values())
    assert [question.id for question in trainer.routed.questions][:2] == ["question 1", "question 0"]
    assert {row.row.uid: row.row.step for row in trainer.routed.rows} == {EARLY: 0, LATE: 0}


def test_dropped_rollouts_leave_and_demonstrations_come(routed, queue):
    trainer, batch, metrics = routed
    (padding,) = (key for key in batch.keys if key.startswith("padding"))
    rows = {f"{EARLY}_0_0", f"{EARLY}_1_0", f"{LATE}-demonstration_0_0"}
    assert set(batch.keys) == {*rows, padding} == set(queue.fields)
    assert queue.fields[f"{LATE}-demonstration_0_0"]["responses"].tolist() == SOLUTIONS[0]
    # The second step has no row: its gradient is zero, and the optimizer makes of that what AdamW makes of a zero.
    assert trainer.routed.layout.step_rows == [3, 1] and batch.keys[-1] == padding
    assert metrics["hpt/steps_idle"] == 1
    assert metrics["hpt/rollout_accuracy"] == 3 / 8 and metrics["hpt/demonstrations_skipped"] == 1
    assert metrics["hpt/sft_share_questions"] == metrics["hpt/demonstration_share_questions"] == 1 / 4


def test_the_question_log_has_every_question(routed, tmp_path):
    line = json.loads((tmp_path / "questions.jsonl").read_text())
    assert line["id"] == ["question 1", "question 0", "question 2", "question 3"]
    assert line["mean"] == [0.5, 0.0, 0.0, 1.0] and line["route"] == ["rl", "sft", "sft", "rl"]


def test_verls_advantage_step_writes_what_routing_decided(routed, queue):
    trainer, batch, metrics = routed
    assert trainer._compute_advantage(batch, metrics) is batch
    written = {key: fields["advantages"].tolist() for key, fields in queue.fields.items()}
    assert [written.pop(key) for key in list(written) if key.startswith("padding")] == [[0.0]]
    assert written == {
        f"{EARLY}_0_0": [0.5, 0.5],
        f"{EARLY}_1_0": [-0.5, -0.5, -0.5],
        f"{LATE}-demonstration_0_0": [1.0, 1.0, 1.0],
    }
    planned = trainer.routed.advantages(list(written))
    assert [values[0] for values in written.values()] == planned


def test_verls_corrections_see_rollouts_only(queue, tmp_path):
    correction = {"rollout_is": "token", "rollout_is_threshold": 2.0, "rollout_rs": None, "bypass_mode": False}
    trainer = trainer_of(HybridTrainerSync, config_for(tmp_path, rollout_correction=correction))
    metrics: dict = {}
    batch = trainer._balance_batch(finished_rollouts(queue), metrics)
    trainer._compute_advantage(batch, metrics)
    weights = {key: fields["rollout_is_weights"] for key, fields in queue.fields.items()}
    # exp(log pi_old - log pi_rollout), cut at 2; the second rollout was sampled by another policy.
    assert weights[f"{EARLY}_0_0"].tolist() == [1.0, 1.0]
    assert weights[f"{EARLY}_1_0"].tolist() == [2.0, 2.0, 2.0]
    assert weights[f"{LATE}-demonstration_0_0"].tolist() == [1.0, 1.0, 1.0]
    # Over the 5 rollout tokens alone: 2 of weight 1 and 3 of weight 2.
    assert metrics["rollout_corr/rollout_is_mean"] == pytest.approx(8 / 5)
    assert "rollout_is_weights" in trainer._update_fields()


def test_a_batch_without_rollouts_to_train_on_has_no_metrics_of_verls_corrections(queue, tmp_path):
    correction = {"rollout_is": "token", "rollout_is_threshold": 2.0, "rollout_rs": None, "bypass_mode": False}
    config = config_for(tmp_path, rollout_correction=correction)
    trainer = trainer_of(HybridTrainerSync, config, gamma=1.0)
    metrics: dict = {}
    batch = trainer._balance_batch(finished_rollouts(queue), metrics)
    trainer._compute_advantage(batch, metrics)
    assert {row_io.kind_of(tag) for tag in batch.tags} == {RowKind.DEMONSTRATION}
    assert not [name for name in metrics if name.startswith("rollout_corr/")]
    assert all("rollout_is_weights" in fields for fields in queue.fields.values())


def test_a_batch_without_a_single_row_is_a_row_of_padding_per_step_and_rank(queue, tmp_path):
    trainer = trainer_of(HybridTrainerSync, config_for(tmp_path), ranks=2, gamma=1.0, sft_coef=0.0)
    metrics: dict = {}
    batch = trainer._balance_batch(finished_rollouts(queue), metrics)
    assert [row_io.kind_of(tag) for tag in batch.tags] == [RowKind.PADDING] * 4
    assert trainer.routed.layout.step_rows == [1, 1] and metrics["hpt/steps_idle"] == 2
    assert trainer._compute_advantage(batch, metrics) is batch


def test_sft_verifies_no_demonstration(queue, tmp_path):
    """Neither a tokenizer nor gold answers are asked: the scores of SFT's demonstrations are read by nobody."""
    trainer = trainer_of(HybridTrainerSync, config_for(tmp_path), demonstration_score="verified")
    trainer.train_dataset.gold_answers = None
    trainer._balance_batch(finished_rollouts(queue), {})
    assert {question.demonstration_score for question in trainer.routed.questions} == {1.0}


def test_the_released_arithmetic_verifies_demonstrations_and_cuts_rows(queue, tmp_path):
    config = config_for(tmp_path, questions_per_step=1)
    config.reward = {"custom_reward_function": {"reward_kwargs": {"verifier_workers": 1}}}
    trainer = trainer_of(
        HybridTrainerSync, config, strategy="luffy", normalization="released", demonstration_score="verified"
    )
    texts = {5: "so \\boxed{1}", 7: "\\boxed{2}", 8: "cut off"}
    trainer.tokenizer.batch_decode = lambda rows, skip_special_tokens: [texts[ids[0]] if ids else "" for ids in rows]
    batch = trainer._balance_batch(finished_rollouts(queue), {})
    scores = {question.uid: question.demonstration_score for question in trainer.routed.questions}
    # The gold answer of each is 1.
    assert scores == {UIDS["late"]: 1.0, UIDS["early"]: 0.0, UIDS["solved"]: 0.0, UIDS["without"]: 0.0}
    advantages = {
        row.row.uid: row.row.advantage for row in trainer.routed.rows if row.row.kind == RowKind.DEMONSTRATION
    }
    assert advantages == {
        LATE: pytest.approx(2 / 3),
        EARLY: pytest.approx(-1 / 3),
        UIDS["solved"]: pytest.approx(-2 / 3),
    }
    # One question of 2 rollouts and a demonstration per step: 3 rows, the demonstration first.
    assert trainer.routed.layout.step_rows == [3, 3, 3]  # with the unanimous question, whose demonstration differs
    assert batch.keys[:3] == [f"{EARLY}-demonstration_0_0", f"{EARLY}_0_0", f"{EARLY}_1_0"]


@pytest.mark.parametrize(
    ("old_log_probs", "questions_per_step", "recomputes"),
    [("always", 4, True), ("when_off_policy", 4, False), ("when_off_policy", 1, True)],
)
def test_old_log_probs_are_read_where_they_were_computed(
    queue, tmp_path, old_log_probs, questions_per_step, recomputes
):
    config = config_for(tmp_path, questions_per_step)
    trainer = trainer_of(HybridTrainerSync, config, old_log_probs=old_log_probs)
    # The second one's rollouts are trained on.
    order = {name: f"1-{number}" for number, name in enumerate(("late", "early", "without", "solved"))}
    trainer._balance_batch(finished_rollouts(queue, order), {})
    assert ({"old_log_probs", "on_policy"} <= set(trainer._update_fields())) is recomputes
    assert trainer._calculates_entropy is not recomputes  # else the update is the only place that sees it


@pytest.mark.parametrize(
    ("changes", "passed_over"),
    [
        ({}, {"later"}),
        ({"actor_rollout_ref.actor.ppo_epochs": 2}, {"first", "later"}),
        ({"actor_rollout_ref.rollout.calculate_log_probs": True}, {"first", "later"}),
    ],
)
def test_only_rollouts_of_later_steps_need_a_pass_for_pi_old(tmp_path, changes, passed_over):
    config = config_for(tmp_path)
    for key, value in changes.items():
        OmegaConf.update(config, key, value)
    trainer = trainer_of(HybridTrainerSync, config)
    steps = {"first": 1, "later": 2}  # the optimizer step 0 has no row
    rows = [
        row_io.PlacedRow(Row(RowKind.ROLLOUT, "q", key, step=step, advantage=1.0, rl_weight=1.0), key, {})
        for key, step in steps.items()
    ]
    trainer.routed = SimpleNamespace(rows=rows)
    assert trainer._off_policy_rows() == passed_over


def test_two_ranks_hold_equally_many_rows(queue, tmp_path):
    trainer = trainer_of(HybridTrainerSync, config_for(tmp_path), ranks=2)
    batch = trainer._balance_batch(finished_rollouts(queue), {})
    assert trainer.routed.layout.step_rows == [2, 1] and len(batch) == 6  # the second step has no row
    assert sum(row_io.kind_of(tag) == RowKind.PADDING for tag in batch.tags) == 3
    assert trainer.routed.advantages([key for key in batch.keys if key.startswith("padding")]) == [0.0] * 3


@pytest.fixture
def saving(tmp_path, monkeypatch):
    """A trainer whose checkpoints are verl's last file alone."""
    trainer = trainer_of(HybridTrainerSync, config_for(tmp_path))
    trainer._unlogged = None

    def save(self):
        folder = tmp_path / f"global_step_{self.global_steps}"
        assert (folder / UNLOGGED).exists(), "a checkpoint must not look complete at any moment of its writing"
        (folder / DATA_STATE).touch()

    monkeypatch.setattr(PPOTrainer, "_save_checkpoint", save)
    return trainer


def test_a_checkpoint_counts_when_the_next_step_begins(saving, tmp_path):
    marker = tmp_path / "global_step_1" / UNLOGGED
    for _ in range(2):  # the second time over the first
        saving._save_checkpoint()
        assert marker.exists()
        saving.on_step_begin()
        assert not marker.exists()
    saving.on_step_begin()  # a step without a checkpoint before it


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_a_run_that_ends_or_is_interrupted_keeps_its_last_checkpoint(saving, tmp_path, monkeypatch, error):
    def fit(self, agent_loop_manager):
        self._save_checkpoint()
        if error is not None:
            raise error

    monkeypatch.setattr(PPOTrainer, "fit", fit)
    monkeypatch.setattr(row_io, "all_rows", list)
    with pytest.raises(error) if error is not None else contextlib.nullcontext():
        saving.fit(None)
    assert not (tmp_path / "global_step_1" / UNLOGGED).exists()


def test_a_run_that_is_interrupted_while_it_writes_a_checkpoint_does_not_keep_it(saving, tmp_path, monkeypatch):
    def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(PPOTrainer, "_save_checkpoint", interrupted)
    monkeypatch.setattr(PPOTrainer, "fit", lambda self, manager: self._save_checkpoint())
    monkeypatch.setattr(row_io, "all_rows", list)
    with pytest.raises(KeyboardInterrupt):
        saving.fit(None)
    assert (tmp_path / "global_step_1" / UNLOGGED).exists()


# ---- plain SFT ----


@pytest.fixture
def plain(queue, tmp_path):
    trainer = trainer_of(PlainSFTTrainer, config_for(tmp_path), strategy="sft_only")
    trainer.tokenizer.apply_chat_template = lambda messages, **_: [1, len(messages[0]["content"])]
    trainer.calls = []
    trainer.on_sample_end = lambda: trainer.calls.append("sleep")
    numbers = [0, 1, 3]
    batch = {
        "uid": ["a", "b", "c"],
        "demonstration_id": numbers,
        "raw_prompt": [[{"role": "user", "content": "x" * number}] for number in numbers],
    }
    trainer._next_train_batch = lambda count: batch

    def update(request):
        trainer.calls.append(request)
        return {"metrics": {"grad_norm": [1.0, 1.0], "hpt/loss_sft": [2.0, 4.0]}}

    trainer.actor_rollout_wg.update_actor = update
    return trainer


def test_plain_sft_trains_on_every_demonstration_without_a_rollout(plain, queue):
    metrics: dict = {}
    batch = plain._step_once(metrics, {}, 3)
    slept, request = plain.calls
    assert slept == "sleep"
    assert {key: fields["input_ids"].tolist() for key, fields in queue.fields.items()} == {
        "a-demonstration_0_0": [1, 0, 5, 6, EOS],
        "b-demonstration_0_0": [1, 1, 7, EOS],
        "c-demonstration_0_0": [1, 3, 8, EOS],
    }
    # A mean over all demonstration tokens of an optimizer step: 5 in the first, 2 in the second.
    weights = {key: fields["sft_weight"].item() for key, fields in queue.fields.items()}
    assert weights == pytest.approx(
        {"a-demonstration_0_0": 1 / 5, "b-demonstration_0_0": 1 / 5, "c-demonstration_0_0": 1 / 2}
    )
    assert request.extra_info["step_rows"] == [2, 1] and request.keys == batch.keys
    assert "old_log_probs" not in request.fields and set(request.fields) <= {
        *row_io.UPDATE_FIELDS, "temperature",
    }  # fmt: skip
    assert metrics["hpt/sft_share_questions"] == 1.0 and metrics["hpt/loss_sft"] == 3.0
    assert not [name for name in metrics if name.startswith("hpt/p_hist")]


def test_plain_sft_lets_the_engines_sleep_once_and_wakes_them_for_a_validation(plain, monkeypatch):
    from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync

    monkeypatch.setattr(PPOTrainerSync, "on_step_end", lambda self: self.calls.append("update weights"))
    plain.config.trainer.test_freq, plain.total_training_steps = 2, 3
    for plain.global_steps in (1, 2, 3):
        plain._step_once({}, {}, 3)
        plain.on_step_end()
    words = [call for call in plain.calls if isinstance(call, str)]
    assert words == ["sleep", "update weights", "sleep", "update weights"]
    assert plain.prepare_step() == {}
