# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What a results folder was made with; another model or another way of sampling is refused.

manifest.json              model, sampling, benchmarks with their n, engines
benchmarks/NAME.jsonl      the questions, so that the folder stands alone
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpt.common import lock
from hpt.common.errors import HPTError
from hpt.common.files import write_whole
from hpt.evaluation.questions import Benchmark, Question
from hpt.evaluation.store import file_stem

MANIFEST, BENCHMARKS, LOCK = "manifest.json", "benchmarks", ".lock"
FORMAT_VERSION = 1
"""Raise it when the same settings would give other samples."""


class FolderError(HPTError):
    """A results folder that does not fit; the message says why, and what to do."""


@dataclass
class Manifest:
    """The contents of manifest.json.

    Attributes:
        model: name and fingerprint.
        sampling: see :meth:`hpt.evaluation.settings.EvaluationSettings.sampling`.
        benchmarks: name -> file, questions, sha256 of the questions, sha256 of the prompts' token ids, n.
        engines: what generated the samples: device, versions, ...; one entry unless it changed on the way.
    """

    model: dict[str, Any]
    sampling: dict[str, Any]
    benchmarks: dict[str, dict[str, Any]] = field(default_factory=dict)
    engines: list[dict[str, Any]] = field(default_factory=list)

    def save(self, out: Path) -> None:
        record = {"format_version": FORMAT_VERSION, **self.__dict__}
        write_whole(out / MANIFEST, json.dumps(record, indent=2) + "\n")


def read_manifest(out: Path) -> Manifest:
    """The manifest of a folder.

    Raises:
        FolderError: there is none, or of another format.
    """
    file = out / MANIFEST
    try:
        record = json.loads(file.read_text())
        version = record.pop("format_version")
    except FileNotFoundError:
        raise FolderError(f"got {out}, which has no {MANIFEST}; expected the results of an evaluation") from None
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise FolderError(
            f"got {file}, which cannot be read as a manifest ({error}); restore it, or name another folder with out="
        ) from None
    if version != FORMAT_VERSION:
        raise FolderError(
            f"got {file} of format {version}; expected {FORMAT_VERSION}: the code has changed, name another folder with out="
        )
    return Manifest(**record)


def manifest_for(out: Path, model: Mapping[str, Any], sampling: Mapping[str, Any]) -> Manifest:
    """The folder's manifest, or that of a new folder; nothing is written.

    Raises:
        FolderError: the folder is of another model or another way of sampling, or holds other things.
    """
    if out.exists() and not out.is_dir():
        raise FolderError(f"got out={out}, a file; expected a folder, or a path that is free")
    if not (out / MANIFEST).exists():
        others = sorted(path.name for path in out.iterdir() if path.name != LOCK) if out.exists() else []
        if others:
            raise FolderError(
                f"got out={out}, which has no {MANIFEST} but holds {', '.join(others[:5])}; expected an empty folder, or "
                "the results of an evaluation"
            )
        return Manifest(dict(model), dict(sampling))
    manifest = read_manifest(out)
    found = [
        f"{name}: {_shown(now)} instead of {_shown(before)}"
        for name, before, now in _differences(manifest, model, sampling)
    ]
    if found:
        raise FolderError(
            f"got out={out}, which holds samples made otherwise than now ({'; '.join(found)}); nothing was changed. Go on "
            "with the folder's own settings, or name another folder with out="
        )
    return manifest


def _differences(
    manifest: Manifest, model: Mapping[str, Any], sampling: Mapping[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    """(setting, the folder's value, this launch's)."""
    if manifest.model["fingerprint"] != model["fingerprint"]:
        yield "model", _described(manifest.model), _described(model)
    for name in dict.fromkeys([*manifest.sampling, *sampling]):
        before, now = manifest.sampling.get(name), sampling.get(name)
        if before != now:
            yield name, before, now


def _described(model: Mapping[str, Any]) -> str:
    return f"{model['name']} (fingerprint {model['fingerprint'][:12]})"


def _shown(value: Any) -> str:
    return "null" if value is None else str(value)


def benchmark_entry(benchmark: Benchmark, prompts_sha256: str, n: int) -> dict[str, Any]:
    """What the manifest keeps of a benchmark."""
    return {
        "file": benchmark.file,
        "questions": len(benchmark.questions),
        "sha256": benchmark.digest(),
        "prompts_sha256": prompts_sha256,
        "n": n,
    }


def check_benchmark(out: Path, manifest: Manifest, name: str, entry: Mapping[str, Any]) -> None:
    """Raise FolderError if the folder's samples of a benchmark are of other questions or prompts."""
    known = manifest.benchmarks.get(name)
    taken = {file_stem(other): other for other in manifest.benchmarks if other != name}
    if file_stem(name) in taken:
        raise FolderError(
            f"got benchmarks {taken[file_stem(name)]!r} and {name!r}, which would share a file; rename one of them"
        )
    if known is None:
        return
    for key, what in (("sha256", "questions"), ("prompts_sha256", "prompts (template, tokenizer)")):
        if known[key] != entry[key]:
            raise FolderError(
                f"got {name} from {entry['file']} with other {what} than the samples in {out} were made with "
                f"({known['file']}); nothing was changed. Name another folder with out="
            )


def write_questions(out: Path, benchmark: Benchmark) -> None:
    """Keep the questions beside the samples."""
    lines = [json.dumps(question.to_json()) + "\n" for question in benchmark.questions]
    write_whole(_questions_file(out, benchmark.name), "".join(lines))


def read_questions(out: Path, manifest: Manifest, name: str) -> Benchmark:
    """The questions of a benchmark in a folder.

    Raises:
        FolderError: they are missing or damaged.
    """
    file = _questions_file(out, name)
    try:
        questions = tuple(Question.from_json(json.loads(line)) for line in file.read_text().splitlines())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FolderError(f"got {file}, which cannot be read ({error}); evaluate {name} again") from None
    return Benchmark(name, manifest.benchmarks[name]["file"], questions)


def _questions_file(out: Path, name: str) -> Path:
    return out / BENCHMARKS / f"{file_stem(name)}.jsonl"


def locked(out: Path) -> contextlib.AbstractContextManager[None]:
    """One launch per folder at a time.

    Raises:
        FolderError: another launch holds the lock.
    """
    return lock.locked(
        out / LOCK,
        lambda holder: FolderError(
            f"got out={out}, where another launch is running ({holder}); wait for it, or name another folder"
        ),
    )
