# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Rows of a dataset, from a local file or folder or from the hub; they can be read several times.

A file is JSON (one list of objects), JSONL (one object per line) or parquet. ``datasets`` reads a hub id, and a folder
such as a downloaded copy of a hub dataset.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hpt.common.digests import file_sha256
from hpt.common.errors import SourceError, first_line
from hpt.common.files import visible_files
from hpt.common.tokenizers import is_local
from hpt.data.checks import iter_rows
from hpt.data.writing import MANIFEST_SUFFIX

FORMATS = (".json", ".jsonl", ".parquet")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")

Row = dict[str, Any]
Reader = Callable[[Sequence[str] | None], Iterator[Row]]


@dataclass(frozen=True)
class Source:
    """Rows to prepare a file from.

    Attributes:
        name: the source, as the user named it.
        columns: names of the columns, in no particular order.
        count: number of rows, at least 1.
        description: plain JSON for the manifest: file name and hash, or hub id and revision.
    """

    name: str
    columns: frozenset[str]
    count: int
    description: dict[str, Any]
    _read: Reader = field(repr=False)

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[Row]:
        """All rows from the first one on; if the format allows it, only ``columns`` are read."""
        return self._read(columns)

    def require(self, columns: Sequence[str]) -> None:
        """Raise SourceError unless the source has all ``columns``."""
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
        config, split: names within a folder or hub dataset.
        revision: branch, tag or commit of a hub dataset; None: the newest commit, which is looked up and recorded.

    Raises:
        SourceError: the source does not exist, has no rows, is broken, has an unknown format, or cannot be reached.
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
    """Refuse a folder of question files with manifests: it holds several data sets, not one."""
    written = sorted(file.name.removesuffix(MANIFEST_SUFFIX) for file in folder.glob(f"*{MANIFEST_SUFFIX}"))
    if written:
        raise SourceError(
            f"got the folder {location}, which holds files with manifests ({', '.join(written[:5])}"
            f"{', ...' if len(written) > 5 else ''}); expected the copy of one dataset: name one of these files"
        )


# ---- the hub, and folders ----


def commit_of(hub_id: str, revision: str | None) -> str:
    """The commit of a hub dataset's branch or tag; None: of its main branch.

    Raises:
        SourceError: the hub cannot be reached, or it has no such dataset or revision.
    """
    import httpx
    from huggingface_hub import HfApi

    try:
        commit = HfApi().dataset_info(hub_id, revision=revision).sha
    except (OSError, httpx.TransportError) as error:
        raise _unreachable(hub_id, error) from error
    assert commit is not None
    return commit


def _unreachable(location: str, error: Exception) -> SourceError:
    # The hub's errors have several lines, and the first one says little.
    reason = " ".join(str(error).split())[:200].rstrip(".")
    return SourceError(
        f"cannot read the dataset {location}: {reason}. Check the name, the network and, for a gated dataset, the "
        "login (hf auth login); or download it elsewhere and give its local path"
    )


def _dataset(location: str, config: str | None, split: str, revision: str | None) -> Source:
    import datasets

    local = os.path.isdir(location)
    try:
        if local:
            data, config, split = _load_folder(location, config, split)
        else:
            data = datasets.load_dataset(location, name=config, split=split, revision=revision)
    except SourceError:
        raise
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        raise _unreachable(location, cause) from error

    def read(columns: Sequence[str] | None) -> Iterator[Row]:
        yield from data if columns is None else data.select_columns(list(columns))

    # A folder has no revision: the digest of its files replaces it.
    version = {"sha256": _folder_sha256(Path(location))} if local else {"revision": revision}
    name = Path(location).name if local else location
    description = {"dataset": name, "config": config, "split": split, **version}
    return _with_rows(Source(location, frozenset(data.column_names), len(data), description, read))


def _with_rows(source: Source) -> Source:
    if not source.count:
        raise SourceError(f"{source.name} has no rows; expected at least one")
    return source


def _load_folder(location: str, config: str | None, split: str) -> tuple[Any, str | None, str]:
    """A folder's rows, config and split; a folder of plain files has none of the hub's names for these."""
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
    """SHA-256 over the names and contents of a folder's files without the hidden ones."""
    lines = (f"{file.as_posix()} {file_sha256(folder / file)}\n" for file in visible_files(folder))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


# ---- files ----


def _file(location: str, path: Path) -> Source:
    if not path.exists():
        raise SourceError(f"{location} does not exist")
    if path.suffix not in FORMATS:
        raise SourceError(f"{location} is not one of {', '.join(FORMATS)}; convert it to one of them")
    if path.stat().st_size == 0:
        raise SourceError(f"{location} is empty; expected at least one row")
    columns, count, read = _open_parquet(location, path) if path.suffix == ".parquet" else _open_json(location, path)
    description = {"file": path.name, "bytes": path.stat().st_size, "sha256": file_sha256(path)}
    return _with_rows(Source(location, frozenset(columns), count, description, read))


_Opened = tuple[set[str], int, Reader]


def _open_parquet(location: str, path: Path) -> _Opened:
    def read(columns: Sequence[str] | None) -> Iterator[Row]:
        try:
            for _, row in iter_rows(str(path), list(columns or names)):
                yield row
        except (pa.ArrowException, OSError) as error:
            raise _broken(location, "parquet", error) from error

    try:
        with pq.ParquetFile(path) as file:
            names, count = file.schema_arrow.names, file.metadata.num_rows
    except (pa.ArrowException, OSError) as error:
        raise _broken(location, "parquet", error) from error
    return set(names), count, read


def _open_json(location: str, path: Path) -> _Opened:
    """Open JSON or JSONL; all rows are read once, so that a broken one is found before anything is written."""
    values = _json_values if path.suffix == ".json" else _jsonl_values

    def read(_: Sequence[str] | None) -> Iterator[Row]:
        for where, row in values(location, path):
            if not isinstance(row, dict):
                raise SourceError(f"{location}, {where}: expected a JSON object, got {type(row).__name__}")
            yield row

    columns: set[str] = set()
    count = 0
    for row in read(None):
        columns.update(row)
        count += 1
    return columns, count, read


def _json_values(location: str, path: Path) -> Iterator[tuple[str, Any]]:
    try:
        rows = json.loads(path.read_bytes())
    except ValueError as error:
        raise _broken(location, "JSON", error) from error
    if not isinstance(rows, list):
        raise SourceError(f"{location} holds a JSON {type(rows).__name__}; expected a list of objects")
    yield from ((f"row {index}", row) for index, row in enumerate(rows))


def _jsonl_values(location: str, path: Path) -> Iterator[tuple[str, Any]]:
    with open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                try:
                    yield f"line {number}", json.loads(line)
                except ValueError as error:
                    raise _broken(f"{location}, line {number}", "JSONL", error) from error


def _broken(where: str, format_name: str, error: Exception) -> SourceError:
    return SourceError(f"{where}: cannot be read as {format_name}, it may be truncated: {first_line(error)}")
