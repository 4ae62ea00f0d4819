# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Rows of a dataset, from a local file or folder or from the hub, readable as often as needed.

A file is JSON (one list of objects), JSONL (one object per line) or parquet. A folder, such as a downloaded copy
of a hub dataset, and a hub id are read by ``datasets``.
"""

import hashlib
import json
import os
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hpt.common.digests import file_sha256
from hpt.common.errors import SourceError, first_line
from hpt.common.tokenizers import is_local
from hpt.data.checks import iter_rows

FORMATS = (".json", ".jsonl", ".parquet")
MANIFEST_SUFFIX = ".manifest.json"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
# The hub's errors have several lines, the first of which says little.
_REASON_CHARACTERS = 200


@dataclass(frozen=True)
class Source:
    """Rows to prepare a file from.

    Attributes:
        name: as the user named it.
        columns: names, in no particular order.
        count: number of rows, at least 1.
        description: for the manifest: file name and hash, or hub id and revision. Plain JSON.
    """

    name: str
    columns: frozenset[str]
    count: int
    description: dict[str, Any]
    _read: Callable[[Sequence[str] | None], Iterator[dict[str, Any]]] = field(repr=False)

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        """All rows from the first on; ``columns`` spares the reading of others where the format allows it."""
        return self._read(columns)

    def require(self, columns: Sequence[str]) -> None:
        """Raise SourceError unless all ``columns`` are there."""
        missing = [name for name in columns if name not in self.columns]
        if missing:
            raise SourceError(
                f"{self.name} has no column {', '.join(missing)}; its columns are {', '.join(sorted(self.columns))}. "
                f"Expected {', '.join(columns)}"
            )


def open_source(
    location: str, *, config: str | None = None, split: str = "train", revision: str | None = None
) -> Source:
    """Open a local file, a local folder or a hub dataset.

    Args:
        location: path of a file or folder; otherwise a hub id, ``owner/name``.
        config, split: of a folder or hub dataset.
        revision: branch, tag or commit of a hub dataset; None: the newest commit, which is looked up and recorded.

    Raises:
        SourceError: nothing there, no rows, broken or of an unknown format, or not reachable.
    """
    path = Path(os.path.expanduser(location))
    local = path.exists() or path.suffix in FORMATS
    if local and revision is not None:
        raise SourceError(f"got revision {revision} with the local {location}; leave it out")
    if path.is_dir():
        _refuse_prepared(location, path)
        return _dataset(str(path), config, split, None)
    if local:
        return _file(location, path)
    if is_local(location) or not _HUB_ID.fullmatch(location):
        raise SourceError(
            f"{location} does not exist; expected a {', '.join(FORMATS)} file, a folder or a hub id owner/name"
        )
    return _dataset(location, config, split, commit_of(location, revision))


def _refuse_prepared(location: str, folder: Path) -> None:
    """A folder of files with manifests is what the commands here write: several data sets, not one."""
    written = sorted(file.name.removesuffix(MANIFEST_SUFFIX) for file in folder.glob(f"*{MANIFEST_SUFFIX}"))
    if written:
        raise SourceError(
            f"got the folder {location}, which holds files with manifests ({', '.join(written[:5])}"
            f"{', ...' if len(written) > 5 else ''}); expected the copy of one dataset: name one of these files"
        )


def commit_of(hub_id: str, revision: str | None) -> str:
    """The commit that a hub dataset's branch or tag points to; None: that of its main branch.

    Raises:
        SourceError: the hub cannot be reached, or does not show this dataset or revision.
    """
    import httpx
    from huggingface_hub import HfApi

    try:
        commit = HfApi().dataset_info(hub_id, revision=revision).sha
    except (OSError, httpx.TransportError) as error:
        raise SourceError(_unreachable(hub_id, error)) from error
    assert commit is not None
    return commit


def _unreachable(location: str, error: Exception) -> str:
    reason = textwrap.shorten(str(error), _REASON_CHARACTERS, placeholder=" ...").rstrip(".")
    return (
        f"cannot read the dataset {location}: {reason}. Check the name, the network and, for a gated dataset, the login "
        "(hf auth login); or download it elsewhere and give its local path"
    )


def _dataset(location: str, config: str | None, split: str, revision: str | None) -> Source:
    import datasets

    local = os.path.isdir(location)
    try:
        if local:
            data, config, split = _load_folder(location, config, split)
        else:
            data = datasets.load_dataset(location, name=config, split=split, revision=revision)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        if isinstance(error, SourceError):
            raise
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        raise SourceError(_unreachable(location, cause)) from error
    if not len(data):
        raise SourceError(f"{location}, split {split}, has no rows; expected at least one")

    def read(columns: Sequence[str] | None) -> Iterator[dict[str, Any]]:
        yield from data if columns is None else data.select_columns(list(columns))

    description = {
        "dataset": Path(location).name if local else location,
        "config": config,
        "split": split,
        # A folder has no revision: its files stand for it.
        **({"sha256": _folder_sha256(Path(location))} if local else {"revision": revision}),
    }
    return Source(location, frozenset(data.column_names), len(data), description, read)


def _load_folder(location: str, config: str | None, split: str) -> tuple[Any, str | None, str]:
    """A folder's rows, its config and split; a folder of plain files has neither of the hub's names."""
    import datasets

    if config is not None and config not in datasets.get_dataset_config_names(location):
        config = None
    splits = datasets.load_dataset(location, name=config)
    if split not in splits and len(splits) == 1:
        (split,) = splits
    if split not in splits:
        raise SourceError(f"{location} has no split {split!r}; its splits are {', '.join(splits)}")
    return splits[split], config, split


def _folder_sha256(folder: Path) -> str:
    """Of the names and contents of a folder's files, hidden ones apart."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder)
        if file.is_file() and not any(part.startswith(".") for part in name.parts):
            digest.update(f"{name.as_posix()} {file_sha256(file)}\n".encode())
    return digest.hexdigest()


def _file(location: str, path: Path) -> Source:
    if not path.exists():
        raise SourceError(f"{location} does not exist")
    openers = {".json": _open_json, ".jsonl": _open_jsonl, ".parquet": _open_parquet}
    if path.suffix not in openers:
        raise SourceError(f"{location} is not one of {', '.join(FORMATS)}; convert it to one of them")
    if path.stat().st_size == 0:
        raise SourceError(f"{location} is empty; expected at least one row")
    columns, count, read = openers[path.suffix](location, path)
    if not count:
        raise SourceError(f"{location} has no rows; expected at least one")
    description = {"file": path.name, "bytes": path.stat().st_size, "sha256": file_sha256(path)}
    return Source(location, columns, count, description, read)


_Opened = tuple[frozenset[str], int, Callable[[Sequence[str] | None], Iterator[dict[str, Any]]]]


def _open_parquet(location: str, path: Path) -> _Opened:
    try:
        with pq.ParquetFile(path) as file:
            names, count = file.schema_arrow.names, file.metadata.num_rows
    except (pa.ArrowException, OSError) as error:
        raise SourceError(_broken(location, "parquet", error)) from error

    def read(columns: Sequence[str] | None) -> Iterator[dict[str, Any]]:
        try:
            for _, row in iter_rows(str(path), list(columns or names)):
                yield row
        except (pa.ArrowException, OSError) as error:
            raise SourceError(_broken(location, "parquet", error)) from error

    return frozenset(names), count, read


def _open_json(location: str, path: Path) -> _Opened:
    try:
        rows = json.loads(path.read_bytes())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SourceError(_broken(location, "JSON", error)) from error
    if not isinstance(rows, list):
        raise SourceError(f"{location} holds a JSON {type(rows).__name__}; expected a list of objects")
    for index, row in enumerate(rows):
        _check_object(location, f"row {index}", row)
    return frozenset(key for row in rows for key in row), len(rows), lambda _: iter(rows)


def _open_jsonl(location: str, path: Path) -> _Opened:
    def read(_: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        with open(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except (json.JSONDecodeError, UnicodeDecodeError) as error:
                    raise SourceError(_broken(location, "JSONL", error, f", line {number}")) from error
                _check_object(location, f"line {number}", row)
                yield row

    columns: set[str] = set()
    count = 0
    for row in read():  # once in full, so that a broken line is found before anything is written
        columns.update(row)
        count += 1
    return frozenset(columns), count, read


def _check_object(location: str, where: str, row: object) -> None:
    if not isinstance(row, dict):
        raise SourceError(f"{location}, {where}: expected a JSON object, got {type(row).__name__}")


def _broken(location: str, format_name: str, error: Exception, where: str = "") -> str:
    return f"{location}{where}: cannot be read as {format_name}, it may be truncated: {first_line(error)}"
