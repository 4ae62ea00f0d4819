# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Lay rows out over ranks, optimizer steps and micro-batches; padding makes the counts equal."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from transfer_queue import KVBatchMeta
from verl.utils.seqlen_balancing import (
    calculate_workload,
    get_seqlen_balanced_partitions,
    log_seqlen_unbalance,
)

from hpt.method.routing import RowKind, micro_batches, rows_per_rank
from hpt.verl_ext.rows import PlacedRow, kind_of, put_padding

Entry = tuple[str, dict]
"""Key and tag of a row."""


@dataclass
class Layout:
    """Rows in the order in which verl deals them out to ranks.

    Attributes:
        keys, tags: all rows; the first 1/ranks of them is rank 0's, and so on; within a rank one
            optimizer step after the other.
        step_rows: rows per rank of each optimizer step.
        metrics: verl's balance of sequence lengths over ranks.
    """

    keys: list[str] = field(default_factory=list)
    tags: list[dict] = field(default_factory=list)
    step_rows: list[int] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)


def lay_out(
    steps: Sequence[Sequence[PlacedRow]],
    *,
    ranks: int,
    micro_batch_size: int | None,
    partition_id: str,
    eos_token_id: int,
    like: dict,
) -> Layout:
    """Spread each optimizer step's rows over the ranks by workload, padded to equal counts.

    Padding is at most ``ranks - 1`` rows of two tokens per step with dynamic batch size, and what
    equal micro-batches need without it. The worker leaves it out of its forward passes. A step without rows gets a
    padding row on each rank: its gradient is zero, and AdamW makes of that what it makes of any gradient.

    Args:
        steps: rows per optimizer step.
        ranks: data-parallel size.
        micro_batch_size: rows per micro-batch, or None with dynamic batch size.
        like: tag of any row of the batch, for what verl expects of every tag.
    """
    per_rank: list[list[Entry]] = [[] for _ in range(ranks)]
    step_rows = []
    for step in steps:
        dealt = _deal([(row.key, row.tag) for row in step], ranks, micro_batch_size, partition_id, eos_token_id, like)
        for rank, entries in enumerate(dealt):
            per_rank[rank] += entries
        step_rows.append(len(dealt[0]))
    return _layout_of(per_rank, step_rows)


def lay_out_by_rows(
    rows: Sequence[PlacedRow], *, ranks: int, step_size: int, partition_id: str, eos_token_id: int
) -> tuple[list[PlacedRow], Layout]:
    """Cut optimizer steps by rows, as the released code does: first over the ranks by tokens, then into steps in order.

    So a batch has as many optimizer steps as its rows fill, and rows that come last train last.

    Args:
        rows: of the batch, in order; at least one.
        ranks: data-parallel size.
        step_size: rows of a rank in an optimizer step.

    Returns:
        The rows with the steps they have now, and the layout.
    """
    entries = [(row.key, row.tag) for row in rows]
    padding = put_padding(-len(rows) % ranks, rows[0].tag, partition_id, eos_token_id)
    entries += zip(padding.keys, padding.tags, strict=True)
    count = len(entries) // ranks
    partitions = [list(range(count))]
    if ranks > 1:
        tokens = [tag["seq_len"] for _, tag in entries]
        partitions = get_seqlen_balanced_partitions(tokens, k_partitions=ranks, equal_size=True)
    steps = {member: place // step_size for members in partitions for place, member in enumerate(members)}
    recut = [replace(row, row=replace(row.row, step=steps[number])) for number, row in enumerate(rows)]
    step_rows = [min(step_size, count - first) for first in range(0, count, step_size)]
    return recut, _layout_of([[entries[member] for member in members] for members in partitions], step_rows)


def _layout_of(per_rank: Sequence[Sequence[Entry]], step_rows: list[int]) -> Layout:
    entries, size = [entry for rank in per_rank for entry in rank], len(per_rank[0])
    balance = log_seqlen_unbalance(
        seqlen_list=[tag["seq_len"] for _, tag in entries],
        partitions=[list(range(rank * size, (rank + 1) * size)) for rank in range(len(per_rank))],
        prefix="global_seqlen",
    )
    return Layout([key for key, _ in entries], [tag for _, tag in entries], step_rows, balance)


def pad_for_ranks(batch: KVBatchMeta, *, ranks: int, micro_batch_size: int | None, eos_token_id: int) -> KVBatchMeta:
    """Balance a batch for a forward pass over the ranks, and pad it to equal counts."""
    dealt = _deal(
        list(zip(batch.keys, batch.tags, strict=True)),
        ranks,
        micro_batch_size,
        str(batch.partition_id),
        eos_token_id,
        batch.tags[0],
    )
    entries = [entry for rank in dealt for entry in rank]
    extra_info = dict(batch.extra_info or {})
    if micro_batch_size is not None:
        _, extra_info["micro_batch_size_per_gpu"] = micro_batches(len(dealt[0]), micro_batch_size)
    return KVBatchMeta(
        keys=[key for key, _ in entries],
        tags=[tag for _, tag in entries],
        partition_id=batch.partition_id,
        extra_info=extra_info,
    )


def _deal(
    entries: Sequence[Entry],
    ranks: int,
    micro_batch_size: int | None,
    partition_id: str,
    eos_token_id: int,
    like: dict,
) -> list[list[Entry]]:
    """Return (key, tag) of each rank's rows, balanced by workload and padded to equal counts, at least one each."""
    count = rows_per_rank(max(len(entries), 1), ranks, micro_batch_size)
    padding = put_padding(count * ranks - len(entries), like, partition_id, eos_token_id)
    entries = [*entries, *zip(padding.keys, padding.tags, strict=True)]
    partitions = [list(range(count))]
    if ranks > 1:  # verl's search is slow, and with one rank it has nothing to find
        workload = calculate_workload(torch.tensor([tag["seq_len"] for _, tag in entries], dtype=torch.int64))
        partitions = get_seqlen_balanced_partitions(workload, k_partitions=ranks, equal_size=True)
    dealt = [[entries[member] for member in members] for members in partitions]
    if micro_batch_size is None:
        return dealt
    number = count // micro_batches(count, micro_batch_size)[1]
    return [spread_padding(rank, number) for rank in dealt]


def spread_padding(entries: Sequence[Entry], number: int) -> list[Entry]:
    """Order a rank's rows so that each of ``number`` equal micro-batches has a real row if there are enough."""
    real_first = sorted(entries, key=lambda entry: kind_of(entry[1]) == RowKind.PADDING)
    return [entry for first in range(number) for entry in real_first[first::number]]
