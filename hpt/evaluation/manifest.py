# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Record what a results folder was made with, and refuse another model or another way of sampling.

manifest.json              model, sampling, benchmarks with their n, engines
benchmarks/NAME.jsonl      the questions, so that the folder stands alone
"""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpt.common import lock
from hpt.common.errors import HPTError
from hpt.common.files import write_json, write_json_lines
from hpt.evaluation.questions import Benchmark, Question
from hpt.evaluation.store import file_stem

MANIFEST, BENCHMARKS, LOCK = "manifest.json", "benchmarks", ".lock"
# Raise this when the same settings would give other samples.
FORMAT_VERSION = 1


class FolderError(HPTError):
    """A results folder that does not fit the launch; the message says why, and what to do."""


@dataclass
class Manifest:
    """The contents of manifest.json.

    Attributes:
        model: name and fingerprint.
        sampling: see :meth:`hpt.evaluation.settings.EvaluationSettings.sampling`.
        benchmarks: name -> file, questions, sha256 of the questions, sha256 of the prompts' token ids, n.
        engines: what generated the samples (device, versions, ...); one entry unless that changed between launches.
    """

    model: dict[str, Any]
    sampling: dict[str, Any]
    benchmarks: dict[str, dict[str, Any]] = field(default_factory=dict)
    engines: list[dict[str, Any]] = field(default_factory=list)

    def save(self, out: Path) -> None:
        write_json(out / MANIFEST, {"format_version": FORMAT_VERSION, **self.__dict__})


def read_manifest(out: Path) -> Manifest:
    """Read the manifest of a folder.

    Raises:
        FolderError: there is none, or it has another format.
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
            f"got {file} of format {version}; expected {FORMAT_VERSION}: the code has changed, so name another folder "
            "with out="
        )
    return Manifest(**record)


def manifest_for(out: Path, model: Mapping[str, Any], sampling: Mapping[str, Any]) -> Manifest:
    """The folder's manifest, or a manifest for a new folder. Nothing is written.

    Raises:
        FolderError: the folder belongs to another model or another way of sampling, or holds other files.
    """
    if out.exists() and not out.is_dir():
        raise FolderError(f"got out={out}, a file; expected a folder, or a path that does not exist")
    if not (out / MANIFEST).exists():
        others = sorted(path.name for path in out.iterdir() if path.name != LOCK) if out.exists() else []
        if others:
            raise FolderError(
                f"got out={out}, which has no {MANIFEST} but holds {', '.join(others[:5])}; expected an empty folder, "
                "or the results of an evaluation"
            )
        return Manifest(dict(model), dict(sampling))
    manifest = read_manifest(out)
    before, now = dict(manifest.sampling), dict(sampling)
    if manifest.model["fingerprint"] != model["fingerprint"]:
        before["model"], now["model"] = _described(manifest.model), _described(model)
    changes = [
        f"{name}: {_shown(now.get(name))} instead of {_shown(before.get(name))}"
        for name in {**before, **now}
        if before.get(name) != now.get(name)
    ]
    if changes:
        raise FolderError(
            f"got out={out}, whose samples were made with other settings ({'; '.join(changes)}); nothing was changed. "
            "Continue with the folder's own settings, or name another folder with out="
        )
    return manifest


def _described(model: Mapping[str, Any]) -> str:
    return f"{model['name']} (fingerprint {model['fingerprint'][:12]})"


def _shown(value: Any) -> str:
    return "null" if value is None else str(value)


def benchmark_entry(benchmark: Benchmark, prompts_sha256: str, n: int) -> dict[str, Any]:
    """A benchmark's entry in the manifest."""
    return {
        "file": benchmark.file,
        "questions": len(benchmark.questions),
        "sha256": benchmark.digest(),
        "prompts_sha256": prompts_sha256,
        "n": n,
    }


def check_benchmark(out: Path, manifest: Manifest, name: str, entry: Mapping[str, Any]) -> None:
    """Raise FolderError if the folder's samples of a benchmark belong to other questions or prompts."""
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
    """Write the questions into the folder, beside the samples."""
    write_json_lines(_questions_file(out, benchmark.name), (question.to_json() for question in benchmark.questions))


def read_questions(out: Path, manifest: Manifest, name: str) -> Benchmark:
    """Read the questions of a benchmark from a folder.

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
    """Hold the lock of a folder, so that one launch at a time works in it.

    Raises:
        FolderError: another launch holds the lock.
    """
    return lock.locked(
        out / LOCK,
        lambda holder: FolderError(
            f"got out={out}, where another launch is running ({holder}); wait for it, or name another folder"
        ),
    )
