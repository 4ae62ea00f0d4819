# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Folders of evaluations and trainings as the real writers leave them, without an engine."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from hpt.common.seeds import sample_seed
from hpt.evaluation.manifest import Manifest, benchmark_entry, write_questions
from hpt.evaluation.outputs import QUESTIONS, RESULTS
from hpt.evaluation.questions import Benchmark, Question
from hpt.evaluation.results import results_of
from hpt.evaluation.store import Sample, SampleStore
from hpt.method import question_log
from hpt.method.gate import RL, SFT

SAMPLING = {"temperature": 0.6, "top_p": 0.95, "max_tokens": 64, "seed": 0}
Counts = Mapping[str, Sequence[int]]
"""Benchmark -> correct samples of each question."""


def evaluation(
    out: Path, correct: Counts, n: int = 4, levels: Sequence[str] | None = None,
    sampling: Mapping[str, Any] = SAMPLING, gold: str = "1", finished: bool = True,
) -> Path:  # fmt: skip
    """A results folder; its results.json and questions.jsonl are those of ``python -m hpt.evaluation report``."""
    manifest = Manifest({"name": "m", "fingerprint": "a" * 64}, dict(sampling))
    for name, counts in correct.items():
        questions = tuple(
            Question(
                f"{name}/{i}",
                ({"role": "user", "content": f"question {i}"},),
                gold,
                level=levels[i] if levels else None,
            )
            for i in range(len(counts))
        )
        benchmark = Benchmark(name, "file.parquet", questions)
        manifest.benchmarks[name] = benchmark_entry(benchmark, "0" * 64, n)
        manifest.save(out)
        write_questions(out, benchmark)
        _fill(out, benchmark, counts, n, finished, sampling["seed"])
    results, records = results_of(out, 50)
    (out / RESULTS).write_text(json.dumps(results, indent=1) + "\n")
    (out / QUESTIONS).write_text("".join(json.dumps(record) + "\n" for record in records))
    return out


def _fill(out: Path, benchmark: Benchmark, counts: Sequence[int], n: int, finished: bool, run_seed: int) -> None:
    ids = [question.id for question in benchmark.questions]
    with SampleStore(out, benchmark.name, ids, run_seed) as store:
        for id, right in zip(ids, counts, strict=True):
            for number in range(n if finished else 1):
                seed = sample_seed(run_seed, benchmark.name, id, number)
                sample = Sample(id, number, seed, "...", 5, "stop")
                store.add(sample)
                good = number < right
                verdict = (1.0, "1", "correct") if good else (0.0, "2", "wrong")
                store.judge(sample.key, *verdict)
        if finished:
            store.finish(n)


def metrics(folder: Path, rows: Mapping[int, Mapping[str, Any]]) -> Path:
    """A training's metrics.jsonl."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps({"step": step, "data": data}) + "\n" for step, data in rows.items())
    (folder / "metrics.jsonl").write_text("".join(lines))
    return folder


def questions(folder: Path, steps: Mapping[tuple[int, int], Mapping[str, int]], n: int = 4) -> Path:
    """A training's questions.jsonl: (step, epoch) -> question -> correct rollouts."""
    for (step, epoch), of_step in steps.items():
        scores = [[1.0] * correct + [0.0] * (n - correct) for correct in of_step.values()]
        routes = [RL if correct else SFT for correct in of_step.values()]
        question_log.append(folder, step, epoch, list(of_step), scores, routes)
    return folder


def runs_file(folder: Path, *runs: Mapping[str, Any]) -> Path:
    """A file of runs; paths in it are relative to it."""
    file = folder / "runs.yaml"
    file.write_text(yaml.safe_dump({"runs": [dict(run) for run in runs]}))
    return file
