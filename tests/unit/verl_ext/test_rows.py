# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Rows in TransferQueue: what is written, what is read, what leaves."""

import pytest
import torch
from transfer_queue import KVBatchMeta

from hpt.method.routing import Row, RowKind
from hpt.verl_ext import rows as row_io

PROMPT = torch.tensor([1, 2, 3])
ROLLOUT_TAG = {"prompt_len": 3, "response_len": 2, "seq_len": 5, "min_global_steps": 4}
ROLLOUT = Row(RowKind.ROLLOUT, "a", "a_0_0", 0, 0.5, 0.25)
DEMONSTRATION = Row(RowKind.DEMONSTRATION, "a", None, 0, 1.0, 0.0, 0.125)


@pytest.fixture
def rollout(queue):
    fields = {"prompts": PROMPT, "responses": torch.tensor([4, 5]), "reward_model": {"ground_truth": "1"}}
    queue.put_rows({"a_0_0": fields}, {"a_0_0": ROLLOUT_TAG})
    return queue


def demonstration(queue):
    sources = row_io.sources_of({"a": "a_0_0"}, {"a_0_0": ROLLOUT_TAG}, "train")
    return row_io.put_demonstrations([DEMONSTRATION], {"a": [7, 8, 9]}, sources, "train")


def test_a_demonstration_is_trained_on_its_questions_prompt_at_temperature_1(rollout):
    (placed,) = demonstration(rollout)
    assert placed.key == "a-demonstration_0_0"
    assert placed.tag == {
        "prompt_len": 3, "response_len": 3, "seq_len": 6, "min_global_steps": 4, "hpt_kind": int(RowKind.DEMONSTRATION),
    }  # fmt: skip
    row = rollout.fields[placed.key]
    assert row["input_ids"].tolist() == [1, 2, 3, 7, 8, 9]
    assert row["position_ids"].tolist() == [0, 1, 2, 3, 4, 5]
    assert row["response_mask"].tolist() == row["loss_mask"].tolist() == [1, 1, 1]
    assert row["rm_scores"].tolist() == [0, 0, 1]
    assert (row["row_kind"], row["rl_weight"], row["sft_weight"], row["temperature"]) == (1, 0.0, 0.125, 1.0)
    assert row["reward_model"] == {"ground_truth": "1"}
    assert rollout.tags["a_0_0"] == ROLLOUT_TAG  # a copy was made of it


def test_rollouts_get_kind_weights_and_their_temperature(rollout):
    (placed,) = row_io.mark_rollouts([ROLLOUT], {"a_0_0": ROLLOUT_TAG}, "train", temperature=0.7)
    assert row_io.kind_of(placed.tag) is RowKind.ROLLOUT
    row = rollout.fields["a_0_0"]
    assert (row["row_kind"], row["rl_weight"], row["sft_weight"]) == (0, 0.25, 0.0)
    assert row["temperature"].item() == pytest.approx(0.7)
    assert row["responses"].tolist() == [4, 5]


def test_padding_is_two_tokens_that_count_for_nothing(rollout):
    padding = row_io.put_padding(2, ROLLOUT_TAG, "train", eos_token_id=0)
    assert len(padding) == 2 and padding.tags[0]["seq_len"] == 2 and padding.tags[0]["is_padding"]
    for key in padding.keys:
        row = rollout.fields[key]
        assert row["input_ids"].tolist() == [0, 0] and row["response_mask"].tolist() == [0]
        assert (row["row_kind"], row["rl_weight"], row["sft_weight"]) == (int(RowKind.PADDING), 0.0, 0.0)
    assert len(row_io.put_padding(0, ROLLOUT_TAG, "train", eos_token_id=0)) == 0


def batch_of(queue) -> KVBatchMeta:
    placed = row_io.mark_rollouts([ROLLOUT], {"a_0_0": ROLLOUT_TAG}, "train", 1.0) + demonstration(queue)
    return KVBatchMeta(keys=[row.key for row in placed], tags=[row.tag for row in placed], partition_id="train")


def test_rows_are_selected_by_kind_and_token_fields_fill_their_responses(rollout):
    batch = batch_of(rollout)
    others = row_io.select(batch, [RowKind.DEMONSTRATION, RowKind.PADDING])
    assert others.keys == ["a-demonstration_0_0"]
    row_io.put_tokens(others, {"advantages": ([2.0], torch.float32), "old_log_probs": ([0.0], torch.bfloat16)})
    row = rollout.fields["a-demonstration_0_0"]
    assert row["advantages"].tolist() == [2.0, 2.0, 2.0]
    assert row["old_log_probs"].dtype == torch.bfloat16 and len(row["old_log_probs"]) == 3
    assert "advantages" not in rollout.fields["a_0_0"]
    row_io.put_tokens(row_io.select(batch, [RowKind.PADDING]), {"advantages": ([], torch.float32)})


def test_tokens_are_counted_per_kind(rollout):
    placed = row_io.mark_rollouts([ROLLOUT], {"a_0_0": ROLLOUT_TAG}, "train", 1.0) + demonstration(rollout)
    assert row_io.tokens_by_kind(placed) == {RowKind.ROLLOUT: 2, RowKind.DEMONSTRATION: 3}


@pytest.mark.parametrize(("temperature", "per_row"), [(1.0, False), (0.6, True)])
def test_the_update_reads_a_temperature_per_row_only_where_they_differ(rollout, temperature, per_row):
    request = row_io.for_update(batch_of(rollout), {"epochs": 2}, temperature, ["old_log_probs"])
    assert ("temperature" in request.fields) is per_row
    whole = {"epochs": 2, "fields": request.fields}
    assert request.extra_info == (whole if per_row else whole | {"temperature": 1.0})
    assert {"advantages", "row_kind", "rl_weight", "sft_weight", "old_log_probs"} <= set(request.fields)


def test_verls_metrics_leave_demonstrations_out_unless_there_is_nothing_else(rollout):
    batch = batch_of(rollout)
    seen = row_io.demonstrations_as_padding(batch)
    assert [tag.get("is_padding", False) for tag in seen.tags] == [False, True]
    alone = row_io.select(batch, [RowKind.DEMONSTRATION])
    assert row_io.demonstrations_as_padding(alone) is alone


def test_rows_that_belong_neither_to_the_step_nor_to_a_question_in_flight_are_left_over(rollout):
    batch = batch_of(rollout)
    assert row_io.besides("train", batch.keys) == ([], [])
    assert row_io.besides("train", row_io.select(batch, [RowKind.ROLLOUT]).keys) == ([], ["a-demonstration_0_0"])
    rollout.put_rows({"b_0_0": {}, "c_0_0": {}}, {"b_0_0": {}, "c_0_0": {}})
    rollout.kv_batch_put(["b"], "train", tags=[{"is_prompt": True, "status": "running"}])
    assert row_io.besides("train", batch.keys) == (["b"], ["c_0_0"])
    row_io.clear([], "train")
    row_io.clear(list(rollout.tags), "train")
    assert row_io.all_rows() == []
