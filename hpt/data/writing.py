# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Writes question files and their manifests: whole or not at all, and never over another file by accident.

The same rows give the same bytes with the same pyarrow. ``FILE.manifest.json`` records how a file was made, and from
what; its sha256 is that of the parquet file.
"""

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hpt.common.digests import file_sha256
from hpt.common.files import read_json_object, write_json
from hpt.common.versions import versions

FORMAT_VERSION = 1
"""Increase it when the same source and settings give other rows."""
MANIFEST_SUFFIX = ".manifest.json"
# Rows of a row group: a demonstration reaches some 30 kB, so a group stays within 40 MB.
GROUP_ROWS = 1024

_MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
_ANSWER = pa.struct([("style", pa.string()), ("ground_truth", pa.string())])


def question_schema(info: Iterable[str], with_target: bool) -> pa.Schema:
    """The columns of a question file.

    Args:
        info: text fields of extra_info besides split, id and verifier_kind.
        with_target: add the column for demonstrations.
    """
    texts = [(name, pa.string()) for name in ("split", "id", "verifier_kind", *info)]
    fields = {
        "data_source": pa.string(),
        "prompt": _MESSAGES,
        "target": _MESSAGES,
        "ability": pa.string(),
        "reward_model": _ANSWER,
        "extra_info": pa.struct([("index", pa.int64()), *texts]),
    }
    return pa.schema([field for field in fields.items() if with_target or field[0] != "target"])


def question_row(
    index: int,
    name: str,
    question: str,
    answer: str,
    *,
    data_source: str,
    split: str,
    kind: str,
    info: Mapping[str, str | None],
    solution: str | None = None,
) -> dict[str, Any]:
    """A row of a question file.

    Args:
        index, name: the row's number and id.
        question: the user's message.
        answer, kind: the gold answer and the kind of verifier for it.
        info: further texts for extra_info.
        solution: the demonstration, for a file with a column for it.
    """
    target = {} if solution is None else {"target": [{"role": "assistant", "content": solution}]}
    return {
        "data_source": data_source,
        "prompt": [{"role": "user", "content": question}],
        **target,
        "ability": "math" if kind == "math" else "knowledge",
        "reward_model": {"style": "rule", "ground_truth": answer},
        "extra_info": {"index": index, "split": split, "id": name, "verifier_kind": kind, **info},
    }


def manifest_path(path: Path) -> Path:
    """Where the manifest of a question file is."""
    return path.with_name(path.name + MANIFEST_SUFFIX)


def read_manifest(path: Path) -> dict[str, Any] | None:
    """The manifest of a question file; None if there is none.

    Raises:
        ValueError: it is no JSON object.
    """
    return read_json_object(manifest_path(path), "remove it or make the file again")


def check_free(path: Path, overwrite: bool) -> None:
    """Check that a file may be written.

    Raises:
        ValueError: it is no parquet file's name, or it exists and ``overwrite`` is false.
    """
    if path.suffix != ".parquet":
        raise ValueError(f"got {path} to write; expected a name that ends in .parquet")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; expected the name of a file to write")
    if path.exists() and not overwrite:
        raise ValueError(f"{path} exists; name another file, or write over it with --overwrite")


class QuestionWriter:
    """Collects rows in a temporary file beside ``path``; ``finish`` moves it there, an exception removes it.

    Args:
        path: the parquet file to write.
        schema: the schema of the rows.
        overwrite: replace an existing file.

    Raises:
        ValueError: see :func:`check_free`.
    """

    def __init__(self, path: Path, schema: pa.Schema, overwrite: bool = False):
        check_free(path, overwrite)
        self.path, self.overwrite = path, overwrite
        self._schema = schema
        self._rows: list[dict[str, Any]] = []

    def __enter__(self) -> "QuestionWriter":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._folder = tempfile.TemporaryDirectory(dir=self.path.parent, prefix=f".{self.path.name}.")
        self._temporary = Path(self._folder.name) / self.path.name
        self._file = pq.ParquetWriter(self._temporary, self._schema, compression="zstd")
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._file.close()
        finally:
            self._folder.cleanup()

    def add(self, row: dict[str, Any]) -> None:
        """Add one row."""
        self._rows.append(row)
        if len(self._rows) == GROUP_ROWS:
            self._write_group()

    def _write_group(self) -> None:
        if self._rows:
            self._file.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
            self._rows = []

    def finish(self, record: dict[str, Any]) -> dict[str, Any]:
        """Move file and manifest into place.

        Args:
            record: source, settings and counts, as plain JSON.

        Returns:
            The manifest.
        """
        self._write_group()
        self._file.close()
        with open(self._temporary, "rb+") as file:
            os.fsync(file.fileno())
        manifest = {
            "format_version": FORMAT_VERSION,
            "file": self.path.name,
            "sha256": file_sha256(self._temporary),
            **record,
            "versions": versions("hpt", "pyarrow", "python"),
        }
        check_free(self.path, self.overwrite)  # another process may have made it
        # The manifest comes first: if it agrees with the file, the file is complete.
        write_json(manifest_path(self.path), manifest)
        os.replace(self._temporary, self.path)
        return manifest
