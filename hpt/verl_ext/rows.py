# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Training rows in TransferQueue: reading, adding and removing them.

A row is a key with a tag (a dict on the driver) and fields (tensors in the storage). Fields of our
own are one number per row, so that they never disagree with a row's length:

    row_kind     int64    RowKind
    rl_weight    float32  weight of each response token in the RL term, see hpt.method.routing
    sft_weight   float32  the same in the SFT term
    mean_score   float32  P of the row's question
    prefix_length  int64  first response tokens that were given, not sampled
    temperature  float32  only where rollouts are sampled at a temperature other than 1
    on_policy    int64    whether log pi_old is that of the update itself; only where some row has another one
"""

import copy
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import transfer_queue as tq
from tensordict import TensorDict
from transfer_queue import KVBatchMeta
from verl.utils.tensordict_utils import list_of_dict_to_tensordict

from hpt.method.routing import Row, RowKind

KIND_TAG = "hpt_kind"
# What the update reads; everything else stays in the storage.
UPDATE_FIELDS = (
    "prompts",
    "responses",
    "input_ids",
    "position_ids",
    "response_mask",
    "loss_mask",
    "advantages",
    "row_kind",
    "rl_weight",
    "sft_weight",
    "mean_score",
    "prefix_length",
)


@dataclass(frozen=True)
class PlacedRow:
    """A planned row that is in TransferQueue."""

    row: Row
    key: str
    tag: dict


@dataclass(frozen=True)
class Source:
    """What a question's demonstration row takes over.

    Attributes:
        prompt: (P,) token ids.
        tag: of one of its rollouts, for what verl expects of every tag.
        reward_model: verl's column, which holds the ground truth.
    """

    prompt: torch.Tensor
    tag: dict
    reward_model: Any


def read(keys: Sequence[str], partition_id: str, fields: Sequence[str]) -> TensorDict:
    """Read fields of rows from the storage."""
    return tq.kv_batch_get(keys=list(keys), partition_id=partition_id, select_fields=list(fields))


def row_fields(rows: Sequence[Row], temperature: float) -> dict:
    """The fields of our own; the temperature is the one that the rows were sampled at."""
    return {
        "row_kind": torch.tensor([int(row.kind) for row in rows], dtype=torch.int64),
        "rl_weight": torch.tensor([row.rl_weight for row in rows], dtype=torch.float32),
        "sft_weight": torch.tensor([row.sft_weight for row in rows], dtype=torch.float32),
        "mean_score": torch.tensor([row.mean_score for row in rows], dtype=torch.float32),
        "prefix_length": torch.zeros(len(rows), dtype=torch.int64),
        "temperature": torch.full((len(rows),), temperature, dtype=torch.float32),
    }


def mark_rollouts(
    rows: Sequence[Row], tags: Mapping[str, dict], partition_id: str, temperature: float
) -> list[PlacedRow]:
    """Write kind, weights and temperature beside the rollouts that are trained on."""
    if not rows:
        return []
    fields = row_fields(rows, temperature)
    keys = [str(row.key) for row in rows]
    fields["prefix_length"] = torch.tensor([tags[key].get("prefix_len", 0) for key in keys], dtype=torch.int64)
    tq.kv_batch_put(keys=keys, partition_id=partition_id, fields=TensorDict(fields, batch_size=len(rows)))
    return [
        PlacedRow(row, key, {**tags[key], KIND_TAG: int(RowKind.ROLLOUT)}) for row, key in zip(rows, keys, strict=True)
    ]


def sequence_fields(prompt: torch.Tensor, response: torch.Tensor, score: float, masked: bool) -> dict:
    """Build the token fields of one row, as verl's agent loop writes them.

    Args:
        prompt: (P,) token ids.
        response: (R,) token ids.
        score: verifier score, put on the last response token.
        masked: whether the response counts for nothing (a padding row).
    """
    length = len(response)
    mask = torch.zeros(length, dtype=torch.int64) if masked else torch.ones(length, dtype=torch.int64)
    scores = torch.zeros(length, dtype=torch.float32)
    scores[-1] = score
    return {
        "prompts": prompt,
        "responses": response,
        "input_ids": torch.cat([prompt, response]),
        "position_ids": torch.arange(len(prompt) + length),
        "response_mask": mask,
        "loss_mask": mask.clone(),
        "rm_scores": scores,
        # Not used by these rows' surrogate; verl reads the fields of a batch for all its rows.
        "rollout_log_probs": torch.zeros(length, dtype=torch.float32),
        "num_turns": 0,
    }


def sources_of(rollouts: Mapping[str, str], tags: Mapping[str, dict], partition_id: str) -> dict:
    """Read sources from one rollout per question, so that both are trained on the same prompt tokens.

    Call it before dropped rollouts leave.

    Args:
        rollouts: key of one rollout per uid.
        tags: tag per rollout key.
    """
    if not rollouts:
        return {}
    data = read(list(rollouts.values()), partition_id, ["prompts", "reward_model"])
    reward_models = list(data["reward_model"]) if "reward_model" in data else [None] * len(rollouts)
    return {
        uid: Source(prompt, tags[key], reward_model)
        for (uid, key), prompt, reward_model in zip(
            rollouts.items(), data["prompts"].unbind(), reward_models, strict=True
        )
    }


def put_demonstrations(
    rows: Sequence[Row],
    demonstrations: Mapping[str, Sequence[int] | None],
    sources: Mapping[str, Source],
    partition_id: str,
) -> list[PlacedRow]:
    """Add demonstration rows.

    A demonstration is always trained at temperature 1: it was not sampled.

    Args:
        rows: planned demonstration rows.
        demonstrations: token ids per uid.
        sources: what they share with their questions, per uid.
    """
    if not rows:
        return []
    placed, fields = [], []
    for row in rows:
        source, solution = sources[row.uid], torch.tensor(demonstrations[row.uid], dtype=torch.int64)
        label = f"{row.uid}-demonstration"  # a group of its own: its score is its advantage
        tag = copy.deepcopy(source.tag)
        tag.update(length_tags(len(source.prompt), len(solution)))
        tag[KIND_TAG] = int(RowKind.DEMONSTRATION)
        fields.append(
            {
                **sequence_fields(source.prompt, solution, score=1.0, masked=False),
                "uid": label,
                "reward_model": source.reward_model,
            }
        )
        placed.append(PlacedRow(row, f"{label}_0_0", tag))
    batch = list_of_dict_to_tensordict(fields)
    batch.update(row_fields(rows, 1.0))
    tq.kv_batch_put(
        keys=[row.key for row in placed],
        partition_id=partition_id,
        fields=batch,
        tags=[row.tag for row in placed],
    )
    return placed


def length_tags(prompt: int, response: int) -> dict:
    """The lengths in tokens that verl expects in a row's tag."""
    return {"prompt_len": prompt, "response_len": response, "seq_len": prompt + response}


def put_padding(count: int, like: dict, partition_id: str, eos_token_id: int) -> KVBatchMeta:
    """Add ``count`` rows that add nothing to any term: a prompt token and a response token, as verl's unpadding needs.

    Args:
        like: tag of a real row, for the entries that verl's metrics expect of every tag.
    """
    if count == 0:
        return KVBatchMeta(partition_id=partition_id)
    label = f"padding-{uuid.uuid4().hex}"
    token = torch.tensor([eos_token_id], dtype=torch.int64)
    tag = copy.deepcopy(like)
    tag.update(length_tags(1, 1), is_padding=True, **{KIND_TAG: int(RowKind.PADDING)})
    fields = [
        {
            **sequence_fields(token, token.clone(), score=0.0, masked=True),
            "uid": label,
            "reward_model": {"ground_truth": None},  # read where verl dumps a batch
        }
        for _ in range(count)
    ]
    batch = list_of_dict_to_tensordict(fields)
    nothing = Row(RowKind.PADDING, label, None, step=-1, advantage=0.0, rl_weight=0.0)
    batch.update(row_fields([nothing] * count, 1.0))
    keys, tags = (
        [f"{label}_{number}_0" for number in range(count)],
        [dict(tag) for _ in range(count)],
    )
    tq.kv_batch_put(keys=keys, partition_id=partition_id, fields=batch, tags=tags)
    return KVBatchMeta(keys=keys, tags=tags, partition_id=partition_id)


def kind_of(tag: dict) -> RowKind:
    """Return the kind of a row from its tag."""
    return RowKind(tag[KIND_TAG])


def tokens_by_kind(rows: Sequence[PlacedRow]) -> dict[RowKind, int]:
    """Count the response tokens in the rows of each kind that is trained on."""
    return {
        kind: sum(row.tag["response_len"] for row in rows if row.row.kind == kind)
        for kind in (RowKind.ROLLOUT, RowKind.DEMONSTRATION)
    }


def select(batch: KVBatchMeta, kinds: Iterable[RowKind]) -> KVBatchMeta:
    """Select the batch's rows of some kinds."""
    wanted = set(kinds)
    return batch.select_keys([key for key, tag in zip(batch.keys, batch.tags, strict=True) if kind_of(tag) in wanted])


def clear(keys: Sequence[str], partition_id: str) -> None:
    """Remove rows; TransferQueue refuses an empty list."""
    if keys:
        tq.kv_clear(keys=list(keys), partition_id=partition_id)


def dtype_of(name: str, rows: KVBatchMeta) -> torch.dtype:
    """Return the dtype of a token field, such as the one in which the actor reported log-probabilities."""
    return read(rows.keys[:1], str(rows.partition_id), [name])[name].dtype


def put_tokens(rows: KVBatchMeta, fields: Mapping[str, tuple[Sequence[float], torch.dtype]]) -> None:
    """Write token fields that hold one value over all response tokens of a row.

    verl reads a field for all rows of a batch, also for rows that have no use for it.

    Args:
        rows: the rows; none is fine.
        fields: per name, a value for each row and the dtype, of which TransferQueue allows one per field.
    """
    if not len(rows):
        return
    lengths = [tag["response_len"] for tag in rows.tags]
    tokens = {
        name: torch.nested.as_nested_tensor(
            [torch.full((length,), value, dtype=dtype) for length, value in zip(lengths, values, strict=True)],
            layout=torch.jagged,
        )
        for name, (values, dtype) in fields.items()
    }
    tq.kv_batch_put(keys=rows.keys, partition_id=rows.partition_id, fields=TensorDict(tokens, batch_size=len(rows)))


def put_numbers(rows: KVBatchMeta, name: str, values: Sequence[float]) -> None:
    """Write one number per row."""
    fields = TensorDict({name: torch.tensor(values, dtype=torch.int64)}, batch_size=len(rows))
    tq.kv_batch_put(keys=rows.keys, partition_id=rows.partition_id, fields=fields)


def for_update(
    batch: KVBatchMeta, extra_info: Mapping[str, Any], temperature: float, optional: Iterable[str]
) -> KVBatchMeta:
    """Build the request for the update: rows, the fields that it reads, and what goes with the batch as a whole.

    The names of the fields are part of the latter, because TransferQueue leaves out those that some row lacks.
    """
    fields, info = [*UPDATE_FIELDS, *optional], dict(extra_info)
    if temperature == 1.0:
        info["temperature"] = 1.0  # one number lets the engine skip a copy of the logits
    else:
        fields.append("temperature")
    info["fields"] = list(fields)
    return KVBatchMeta(
        keys=batch.keys,
        tags=batch.tags,
        partition_id=batch.partition_id,
        fields=fields,
        extra_info=info,
    )


def demonstrations_as_padding(batch: KVBatchMeta) -> KVBatchMeta:
    """Return the batch as verl's metrics should see it: they leave out rows that are tagged as padding.

    verl's metrics of advantages, turns and ages are about rollouts. A batch without any keeps its
    demonstrations, because those metrics fail on nothing at all; they are taken out afterwards.
    """
    kinds = [kind_of(tag) for tag in batch.tags]
    if RowKind.ROLLOUT not in kinds:
        return batch
    tags = [
        {**tag, "is_padding": True} if kind == RowKind.DEMONSTRATION else tag
        for tag, kind in zip(batch.tags, kinds, strict=True)
    ]
    return KVBatchMeta(keys=batch.keys, tags=tags, partition_id=batch.partition_id, extra_info=batch.extra_info)


def besides(partition_id: str, keys: Iterable[str] = ()) -> tuple[list[str], list[str]]:
    """List what a partition holds besides some rows.

    Args:
        keys: of rows to leave out, such as those of the batch that is trained on.

    Returns:
        Uids of the questions in flight, which are sampled from or wait to be trained on, and keys of rows that belong
        to none of them.
    """
    held = (tq.kv_list(partition_id) or {}).get(partition_id, {})
    questions = [key for key, tag in held.items() if tag.get("is_prompt")]
    theirs = {*questions, *keys}
    return questions, [key for key in held if key not in theirs and key.split("_")[0] not in theirs]


def all_rows() -> list[str]:
    """List the keys in TransferQueue, of all partitions."""
    return [key for rows in (tq.kv_list() or {}).values() for key in rows]
