# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from transfer_queue import KVBatchMeta

from hpt.method.routing import Plan, Row, RowKind
from hpt.verl_ext import rows as row_io
from hpt.verl_ext.sessions import rows_of_sessions, with_all_rows
from hpt.verl_ext.trainer import HybridTrainerSync
from tests.unit.verl_ext.test_trainer import EARLY, LATE, SCORES, UIDS, config_for, finished_rollouts, trainer_of

KEYS = ["1-2_10_0", "1-2_2_1", "1-2_2_10", "1-2_2_2", "1-3_0_0"]


def test_a_sessions_last_row_stands_for_it():
    rows = rows_of_sessions(KEYS)
    assert rows == {
        "1-2_2_10": ["1-2_2_1", "1-2_2_2", "1-2_2_10"],
        "1-2_10_0": ["1-2_10_0"],
        "1-3_0_0": ["1-3_0_0"],
    }
    assert list(rows) == ["1-2_2_10", "1-2_10_0", "1-3_0_0"]


@pytest.mark.parametrize("key", ["a", "a_0", "a_x_0"])
def test_a_key_of_another_form_is_refused(key):
    with pytest.raises(ValueError, match=f"got a rollout with the key '{key}'; expected uid_session_index"):
        rows_of_sessions([key])


def test_all_rows_of_a_session_share_its_advantage_and_its_fate():
    kept = Row(RowKind.ROLLOUT, "1-2", "1-2_2_10", step=1, advantage=0.5, rl_weight=0.25)
    demonstration = Row(RowKind.DEMONSTRATION, "1-3", None, step=0, advantage=1.0, rl_weight=0.0, sft_weight=1.0)
    plan = Plan(rows=[kept, demonstration], dropped=["1-2_10_0", "1-3_0_0"], rl=["1-2"])
    whole = with_all_rows(plan, rows_of_sessions(KEYS))
    assert [row.key for row in whole.rows] == ["1-2_2_1", "1-2_2_2", "1-2_2_10", None]
    assert {(row.step, row.advantage, row.rl_weight) for row in whole.rows[:3]} == {(1, 0.5, 0.25)}
    assert whole.rows[3] is demonstration and whole.rl == ["1-2"]
    assert whole.dropped == ["1-2_10_0", "1-3_0_0"]


def test_a_session_of_several_rows_is_one_rollout(queue, tmp_path):
    """An agent loop may return several outputs per session, each with the session's score."""
    batch = finished_rollouts(queue)
    for name in ("early", "late"):  # the second row continues the first; two of its four tokens are a tool's
        key, length = f"{UIDS[name]}_0_1", 4
        prompt, score = torch.tensor([1, 2, 3, 3]), SCORES[name][0]
        fields = row_io.sequence_fields(prompt, torch.full((length,), 3), score, masked=False)
        fields["response_mask"][:2] = 0
        tag = {"prompt_len": 4, "response_len": length, "seq_len": 8}
        queue.put_rows({key: {**queue.fields[f"{UIDS[name]}_0_0"], **fields}}, {key: tag})
        batch = KVBatchMeta([*batch.keys, key], [*batch.tags, tag], partition_id="train", extra_info={})
    trainer, metrics = trainer_of(HybridTrainerSync, config_for(tmp_path), rollout_algorithm="grpo"), {}
    trained = trainer._balance_batch(batch, metrics)
    trainer._compute_advantage(trained, metrics)
    early = trainer.routed.questions[0]
    assert early.rollouts == [f"{EARLY}_0_1", f"{EARLY}_1_0"]
    assert early.scores == [1.0, 0.0] and early.lengths == [2 + 2, 3]  # as the loss sees them
    assert metrics["hpt/rollout_accuracy"] == 3 / 8 and metrics["hpt/response_length_rollout"] == (20 + 4 + 4) / 8
    advantages = {key: fields["advantages"].tolist() for key, fields in queue.fields.items() if key.startswith(EARLY)}
    first, second, other = (advantages[f"{EARLY}_{name}"] for name in ("0_0", "0_1", "1_0"))
    assert first[0] > 0 and first == [first[0]] * 2 and second == [0.0, 0.0, first[0], first[0]] and other[0] < 0
    weights = {key: queue.fields[key]["rl_weight"].item() for key in advantages}
    # A mean over the tokens of a session, over 2 sessions and over 2 questions.
    assert list(weights.values()) == pytest.approx([1 / 16, 1 / 12, 1 / 16])
    # The gated question's rows all leave, and its demonstration is trained on its prompt alone.
    assert {key for key in queue.fields if key.startswith(LATE)} == {f"{LATE}-demonstration_0_0"}
    assert queue.fields[f"{LATE}-demonstration_0_0"]["prompts"].tolist() == [1, 2]
