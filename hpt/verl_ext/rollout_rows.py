# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Rollouts as rows of TransferQueue, as verl's agent loop writes them."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from tensordict import NonTensorData, NonTensorStack, TensorDict

from hpt.verl_ext import rows as row_io
from hpt.verl_ext.rollout_scores import Answer

_NO_INPUTS: dict[str, Any] = {}


def as_dicts(prompts: TensorDict) -> list[dict[str, Any]]:
    """The rows of a batch; what the batch has as a whole is in each of them."""
    rows: list[dict[str, Any]] = [{} for _ in range(len(prompts))]
    for name, values in prompts.items():
        for number, row in enumerate(rows):
            if isinstance(values, NonTensorData):
                row[name] = values.data
            else:
                row[name] = values[number].data if isinstance(values, NonTensorStack) else values[number]
    return rows


def row_of(answer: Answer, score: Mapping[str, Any] | None) -> dict[str, Any]:
    """The fields of one row, as verl's agent loop writes them, and ``prefix_length``."""
    tokens = row_io.sequence_fields(
        torch.tensor(answer.prompt, dtype=torch.int64),
        torch.tensor(answer.response, dtype=torch.int64),
        score=0.0 if score is None else score["score"],
        masked=False,
    )
    del tokens["rollout_log_probs"]
    if answer.log_probs is not None:
        tokens["rollout_log_probs"] = torch.tensor(answer.log_probs, dtype=torch.float32)
    if score is None:  # a colocated reward model scores later
        del tokens["rm_scores"]
    versions = {"min_global_steps": answer.version, "max_global_steps": answer.version}
    extra: dict[str, Any] = {"turn_scores": [], "tool_rewards": [], **versions}
    if score is not None:
        extra["reward_extra_info"] = score["info"]
    return {
        **answer.fields,
        **tokens,
        "num_turns": 2,
        "prefix_length": torch.tensor(answer.prefix_length),
        "multi_modal_inputs": _NO_INPUTS,
        "extra_fields": extra,
    }


def wrapped_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with what is no tensor as tensordict holds it. Rows with the same object share its wrapper."""
    wrappers: dict[int, NonTensorData] = {}

    def wrapped(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return value
        if id(value) not in wrappers:
            wrappers[id(value)] = NonTensorData(value)
        return wrappers[id(value)]

    return [{name: wrapped(value) for name, value in row.items()} for row in rows]


def tag_of(answer: Answer, step: int) -> dict[str, Any]:
    return {
        "status": "success",
        **row_io.length_tags(len(answer.prompt), len(answer.response)),
        "prefix_len": answer.prefix_length,
        "imitated_len": answer.imitated,
        "truncated": answer.truncated,
        "global_steps": step,
        "min_global_steps": answer.version,
        "max_global_steps": answer.version,
    }
