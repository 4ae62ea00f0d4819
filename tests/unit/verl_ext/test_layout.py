# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
from hypothesis import given
from hypothesis import strategies as st

from hpt.method.routing import RowKind, micro_batches
from hpt.verl_ext.layout import spread_padding
from hpt.verl_ext.rows import KIND_TAG


def entry(number: int, kind: RowKind) -> tuple[str, dict]:
    return f"row{number}", {KIND_TAG: int(kind)}


@given(real=st.integers(0, 20), room=st.integers(1, 8), extra=st.integers(0, 3))
def test_padding_never_fills_a_micro_batch_while_another_has_two_real_rows(real, room, extra):
    count, size = micro_batches(max(real, 1) + extra, room)
    rows = [entry(i, RowKind.PADDING) for i in range(count - real)]
    rows += [entry(i + count, RowKind.ROLLOUT) for i in range(real)]
    spread = spread_padding(rows, count // size)
    assert sorted(spread, key=str) == sorted(rows, key=str)
    in_each = [
        sum(tag[KIND_TAG] == RowKind.ROLLOUT for _, tag in spread[start : start + size])
        for start in range(0, count, size)
    ]
    assert max(in_each) - min(in_each) <= 1
