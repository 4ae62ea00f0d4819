# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""TransferQueue in a dictionary, for tests that are not about Ray; tests/integration has the real one."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from tensordict import TensorDict
from transfer_queue import KVBatchMeta
from verl.utils.tensordict_utils import list_of_dict_to_tensordict


class FakeQueue:
    """Rows of one partition: fields and tags by key, answered in the shapes that the real queue answers in."""

    def __init__(self):
        self.fields: dict[str, dict[str, Any]] = {}
        self.tags: dict[str, dict] = {}

    def put_rows(self, rows: Mapping[str, Mapping[str, Any]], tags: Mapping[str, dict]) -> None:
        for key, values in rows.items():
            self.fields[key], self.tags[key] = dict(values), dict(tags[key])

    def kv_batch_put(
        self, keys: Sequence[str], partition_id: str, fields: TensorDict | None = None, tags: Any = None
    ) -> KVBatchMeta:
        columns = {name: _rows_of(fields[name], len(keys)) for name in (fields.keys() if fields is not None else ())}
        for number, key in enumerate(keys):
            self.fields.setdefault(key, {}).update({name: rows[number] for name, rows in columns.items()})
            if tags is not None:
                self.tags.setdefault(key, {}).update(tags[number])
        return KVBatchMeta(keys=list(keys), tags=[{} for _ in keys], partition_id=partition_id)

    def kv_batch_get(self, keys: Sequence[str], partition_id: str, select_fields: Sequence[str]) -> TensorDict:
        present = [name for name in select_fields if all(name in self.fields[key] for key in keys)]
        batch = list_of_dict_to_tensordict([{name: self.fields[key][name] for name in present} for key in keys])
        # Rows of equal lengths, too, are nested in the real queue's answers.
        equal = {
            name: column for name, column in batch.items() if isinstance(column, torch.Tensor) and column.dim() > 1
        }
        for name, column in equal.items():
            batch[name] = torch.nested.as_nested_tensor(list(column.unbind()), layout=torch.jagged)
        return batch

    def kv_clear(self, keys: Sequence[str], partition_id: str) -> None:
        assert keys
        for key in keys:
            self.fields.pop(key, None)  # a question in flight may have a tag alone
            del self.tags[key]

    def kv_list(self, partition_id: str | None = None) -> dict[str, dict[str, Any]]:
        return {"train": dict(self.tags)}


def _rows_of(column: Any, count: int) -> list:
    if isinstance(column, torch.Tensor):
        return list(column.unbind())
    return [column[number] for number in range(count)]
