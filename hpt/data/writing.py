# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Question files and their manifests, written whole or not at all, never over something else by accident.

The same rows give the same bytes with the same pyarrow. ``FILE.manifest.json`` says what a file was made from and
how; its sha256 is that of the parquet file.
"""

import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hpt.common.digests import file_sha256
from hpt.common.files import write_whole
from hpt.common.versions import versions
from hpt.data.sources import MANIFEST_SUFFIX

FORMAT_VERSION = 1
"""Raise it when the same source and settings would give other rows."""
# Rows of a row group: solutions reach some 30 kB, so a group stays within 40 MB.
GROUP_ROWS = 1024

_MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
_ANSWER = pa.struct([("style", pa.string()), ("ground_truth", pa.string())])


def question_schema(info: Iterable[str], with_target: bool) -> pa.Schema:
    """The columns of a question file.

    Args:
        info: text fields of extra_info beside index, split, id and verifier_kind.
        with_target: a column for gold solutions.
    """
    texts = ["split", "id", "verifier_kind", *info]
    fields = [
        ("data_source", pa.string()),
        ("prompt", _MESSAGES),
        *([("target", _MESSAGES)] if with_target else []),
        ("ability", pa.string()),
        ("reward_model", _ANSWER),
        (
            "extra_info",
            pa.struct([("index", pa.int64()), *((name, pa.string()) for name in texts)]),
        ),
    ]
    return pa.schema(fields)


def manifest_path(path: Path) -> Path:
    return path.with_name(path.name + MANIFEST_SUFFIX)


def read_manifest(path: Path) -> dict[str, Any] | None:
    """The manifest of a question file, or None where there is none.

    Raises:
        ValueError: it is there and no JSON object.
    """
    file = manifest_path(path)
    if not file.exists():
        return None
    try:
        record = json.loads(file.read_bytes())
    except ValueError as error:
        raise ValueError(f"{file} is not JSON ({error}); remove it or make the file again") from error
    if not isinstance(record, dict):
        raise ValueError(f"{file} is not a JSON object; remove it or make the file again")
    return record


def check_free(path: Path, overwrite: bool) -> None:
    """Raise ValueError if something would be overwritten against the user's word."""
    if path.suffix != ".parquet":
        raise ValueError(f"got --out {path}; expected a name that ends in .parquet")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; expected the name of a file to write")
    if path.exists() and not overwrite:
        raise ValueError(f"{path} exists; name another file, or write over it with --overwrite")


class QuestionWriter:
    """Collects rows in a temporary file beside ``path``; ``finish`` puts it in place, an exception removes it.

    Args:
        path: the parquet file to write.
        schema: of the rows.
        overwrite: replace an existing file.

    Raises:
        ValueError: ``path`` exists, is a folder or is not named .parquet.
    """

    def __init__(self, path: Path, schema: pa.Schema, overwrite: bool = False):
        check_free(path, overwrite)
        self.path, self.overwrite = path, overwrite
        self._schema = schema
        self._rows: list[dict[str, Any]] = []
        self._temporary: Path | None = None

    def __enter__(self) -> "QuestionWriter":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        os.close(handle)
        self._temporary = Path(name)
        self._file = pq.ParquetWriter(name, self._schema, compression="zstd")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._file.close()
        finally:
            if self._temporary is not None:
                self._temporary.unlink(missing_ok=True)

    def add(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        if len(self._rows) == GROUP_ROWS:
            self._write_group()

    def _write_group(self) -> None:
        if self._rows:
            self._file.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
            self._rows = []

    def finish(self, record: dict[str, Any]) -> dict[str, Any]:
        """Put file and manifest in place; returns the manifest.

        Args:
            record: source, settings and counts; plain JSON.
        """
        assert self._temporary is not None
        self._write_group()
        self._file.close()
        with open(self._temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.chmod(self._temporary, 0o644)  # mkstemp makes the file private to its owner
        manifest = {
            "format_version": FORMAT_VERSION,
            "file": self.path.name,
            "sha256": file_sha256(self._temporary),
            **record,
            "versions": versions("hpt", "pyarrow", "python"),
        }
        check_free(self.path, self.overwrite)  # it may have been made in the meantime
        # The manifest first: where both are there and agree, the file is complete.
        write_whole(manifest_path(self.path), json.dumps(manifest, indent=2) + "\n")
        os.replace(self._temporary, self.path)
        self._temporary = None
        return manifest
