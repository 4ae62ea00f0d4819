# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What forward passes read from TransferQueue and write there, beside :mod:`hpt.verl_ext.rows`."""

import copy
import hashlib
import uuid
from collections.abc import Mapping, Sequence

import torch
import transfer_queue as tq
from tensordict import TensorDict
from transfer_queue import KVBatchMeta
from verl.utils.tensordict_utils import list_of_dict_to_tensordict
from verl.workers.utils.padding import response_from_nested

from hpt.method.routing import Row, RowKind
from hpt.verl_ext import rows as row_io


def values_of(keys: Sequence[str], partition_id: str, name: str) -> dict[str, torch.Tensor]:
    """Read a token field, (L,) per key."""
    if not keys:
        return {}
    return dict(zip(keys, row_io.read(keys, partition_id, [name])[name].unbind(), strict=True))


def put_values(values: Mapping[str, torch.Tensor], partition_id: str, name: str) -> None:
    """Write a token field, (L,) per key."""
    if values:
        nested = torch.nested.as_nested_tensor(list(values.values()), layout=torch.jagged)
        fields = TensorDict({name: nested}, batch_size=len(values))
        tq.kv_batch_put(keys=list(values), partition_id=partition_id, fields=fields)


def keep_log_probs(batch: KVBatchMeta, name: str) -> None:
    """Write the log-probabilities that the engine has just reported, of the responses alone, as the field ``name``."""
    data = row_io.read(batch.keys, str(batch.partition_id), ["log_probs", "response_mask"])
    fields = TensorDict({name: response_from_nested(data["log_probs"], data["response_mask"])}, batch_size=len(batch))
    tq.kv_batch_put(keys=batch.keys, partition_id=batch.partition_id, fields=fields)


def digests(rows: KVBatchMeta) -> dict[str, bytes]:
    """Per key a digest of its prompt and its response."""
    if not len(rows):
        return {}
    data = row_io.read(rows.keys, str(rows.partition_id), ["prompts", "responses"])
    tokens = zip(data["prompts"].unbind(), data["responses"].unbind(), strict=True)
    return {
        key: hashlib.sha256(f"{prompt.tolist()} {response.tolist()}".encode()).digest()
        for key, (prompt, response) in zip(rows.keys, tokens, strict=True)
    }


def put_behind_prompts(rows: KVBatchMeta, prompts: Sequence[torch.Tensor]) -> KVBatchMeta:
    """Add copies of rollouts for a pass: the same responses behind other prompts.

    Args:
        rows: the rollouts, at least one.
        prompts: (P,) token ids for each of them.

    Returns:
        The copies, in the rollouts' order.
    """
    label, partition_id = f"teacher-{uuid.uuid4().hex}", str(rows.partition_id)
    responses = row_io.read(rows.keys, partition_id, ["responses"])["responses"].unbind()
    tags = copy.deepcopy(rows.tags)
    fields = []
    for tag, prompt, response in zip(tags, prompts, responses, strict=True):
        tag.update(row_io.length_tags(len(prompt), len(response)))
        fields.append(
            {
                **row_io.sequence_fields(prompt, response, score=0.0, masked=False),
                "uid": label,
                "reward_model": {"ground_truth": None},
            }
        )
    batch = list_of_dict_to_tensordict(fields)
    nothing = Row(RowKind.ROLLOUT, label, None, step=-1, advantage=0.0, rl_weight=0.0)
    batch.update(row_io.row_fields([nothing] * len(fields), 1.0))
    keys = [f"{label}_{number}_0" for number in range(len(fields))]
    tq.kv_batch_put(keys=keys, partition_id=partition_id, fields=batch, tags=tags)
    return KVBatchMeta(keys=keys, tags=tags, partition_id=partition_id, extra_info={})
