# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Routing against a real TransferQueue over many steps: what enters leaves."""

import asyncio
import random

import pytest
import torch

from hpt.method.gate import switch
from hpt.method.normalization import PromptNormalization
from hpt.method.routing import Question, RowKind, route
from tests.helpers.terms import DR_GRPO, LUFFY

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

STEPS, QUESTIONS, ROLLOUTS, RANKS = 200, 8, 4, 2
PARTITION, EOS = "train", 1


def put_rollouts(tq, rng: random.Random, step: int) -> tuple[dict[str, dict], dict[str, list[str]]]:
    """A batch of rollouts as verl's agent loop writes them."""
    from verl.utils.tensordict_utils import list_of_dict_to_tensordict

    from hpt.verl_ext.rows import sequence_fields

    fields, tags, groups = [], {}, {}
    for number in range(QUESTIONS):
        uid = f"step{step}q{number}"
        prompt = torch.randint(2, 20, (rng.randint(1, 5),))
        groups[uid] = [f"{uid}_{session}_0" for session in range(ROLLOUTS)]
        for key in groups[uid]:
            response = torch.randint(2, 20, (rng.randint(1, 9),))
            fields.append({**sequence_fields(prompt, response, score=0.0, masked=False), "uid": uid})
            tags[key] = {
                "prompt_len": len(prompt),
                "response_len": len(response),
                "seq_len": len(prompt) + len(response),
            }
    tq.kv_batch_put(
        keys=list(tags),
        partition_id=PARTITION,
        fields=list_of_dict_to_tensordict(fields),
        tags=list(tags.values()),
    )
    return tags, groups


def train_step(tq, rng: random.Random, step: int) -> set[RowKind]:
    """What the trainer does to the queue in one step; returns the kinds of rows it would train on."""
    from hpt.verl_ext import rows as row_io
    from hpt.verl_ext.layout import lay_out

    tags, groups = put_rollouts(tq, rng, step)
    questions = [
        Question(
            uid,
            keys,
            [float(rng.random() < rng.choice((0, 0.5, 1))) for _ in keys],
            rng.choice((None, [5, 5, EOS], [5] * 6 + [EOS])),
        )
        for uid, keys in groups.items()
    ]
    plan = route(
        questions,
        switch(0.0),
        rollouts=DR_GRPO,
        demonstrations=LUFFY,
        normalization=PromptNormalization(questions_per_step=4, max_response_length=9),
        keep_idle=False,
    )
    kept = [row for row in plan.rows if row.kind == RowKind.ROLLOUT]
    added = [row for row in plan.rows if row.kind == RowKind.DEMONSTRATION]
    placed = row_io.mark_rollouts(kept, tags, PARTITION, temperature=1.0)
    placed += row_io.put_demonstrations(
        added,
        {question.uid: question.demonstration for question in questions},
        row_io.sources_of({row.uid: groups[row.uid][0] for row in added}, tags, PARTITION),
        PARTITION,
    )
    row_io.clear(plan.dropped, PARTITION)
    layout = lay_out(
        [[row for row in placed if row.row.step == number] for number in range(2)],
        ranks=RANKS,
        micro_batch_size=rng.choice((None, 3)),
        partition_id=PARTITION,
        eos_token_id=EOS,
        like=next(iter(tags.values())),
    )
    held = tq.kv_list(PARTITION).get(PARTITION, {})
    assert set(held) == set(layout.keys)
    assert len(layout.keys) == RANKS * sum(layout.step_rows)
    check_rows(row_io, layout, placed)
    row_io.clear(layout.keys, PARTITION)
    return {row.row.kind for row in placed}


def check_rows(row_io, layout, placed) -> None:
    fields = ["input_ids", "responses", "response_mask", "row_kind", "rl_weight"]
    data = row_io.read(layout.keys, PARTITION, fields)
    weights = {row.key: row.row.rl_weight for row in placed}
    for index, key in enumerate(layout.keys):
        kind = RowKind(int(data["row_kind"].reshape(-1)[index]))
        assert kind == row_io.kind_of(layout.tags[index])
        assert data["rl_weight"].reshape(-1)[index].item() == pytest.approx(weights.get(key, 0.0))
        mask = data["response_mask"].unbind()[index]
        assert mask.sum().item() == (0 if kind == RowKind.PADDING else len(mask))
        assert len(data["input_ids"].unbind()[index]) == layout.tags[index]["seq_len"]
        if kind == RowKind.DEMONSTRATION:
            assert data["responses"].unbind()[index][-1].item() == EOS


def test_nothing_leaks_over_200_steps(queue):
    rng, seen = random.Random(0), set()
    for step in range(STEPS):
        seen |= train_step(queue, rng, step)
    assert seen == {RowKind.ROLLOUT, RowKind.DEMONSTRATION}
    assert not any((queue.kv_list() or {}).values())


def test_a_field_that_one_row_lacks_is_missing_for_all(queue):
    """So the worker is given the names of the fields, and checks that they are there."""
    from tensordict import TensorDict
    from transfer_queue import KVBatchMeta
    from verl.utils.transferqueue_utils import _async_meta_to_realdata

    from hpt.verl_ext import rows as row_io

    keys = ["a", "b"]
    for key, fields in zip(keys, (["row_kind", "old_log_probs"], ["row_kind"]), strict=True):
        values = TensorDict({name: torch.ones(1, dtype=torch.int64) for name in fields}, batch_size=1)
        queue.kv_batch_put(keys=[key], partition_id=PARTITION, fields=values)
    request = row_io.for_update(KVBatchMeta(keys, [{}, {}], PARTITION), {}, 1.0, ["old_log_probs"])
    data = asyncio.run(_async_meta_to_realdata(request))
    assert "old_log_probs" in data["fields"] and "row_kind" in data and "old_log_probs" not in data
    row_io.clear(keys, PARTITION)
