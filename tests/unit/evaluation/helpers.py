# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Make question files, and results folders as an evaluation leaves them, without an engine."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hpt.common.seeds import sample_seed
from hpt.evaluation.manifest import Manifest, benchmark_entry, write_questions
from hpt.evaluation.questions import Benchmark, Question
from hpt.evaluation.store import Sample, SampleStore
from hpt.verifier.extract import extract_answer

SAMPLING = {
    "temperature": 0.6,
    "top_p": 0.95,
    "max_tokens": 64,
    "seed": 0,
    "prompt_template": None,
    "dtype": "float32",
}


def row(number: int, name: str = "tiny", **changes: Any) -> dict[str, Any]:
    """A row of a benchmark file. The answer of question ``number`` is that number."""
    return {
        "data_source": name,
        "prompt": [{"role": "user", "content": f"{number:02d}+1x1="}],
        "reward_model": {"style": "rule", "ground_truth": str(number)},
        "extra_info": {
            "index": number,
            "id": f"q{number}",
            "verifier_kind": "math",
            "level": str(1 + number % 2),
        },
        **changes,
    }


def write(path: Path, rows: list[dict[str, Any]], schema: pa.Schema | None = None) -> Path:
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    return path


def sample(store: SampleStore, question: str, number: int, answer: str | None, tokens: int = 5) -> Sample:
    seed = sample_seed(store.run_seed, store.benchmark, question, number)
    text = "no idea" if answer is None else rf"so \boxed{{{answer}}}"
    return Sample(question, number, seed, text, tokens, "stop" if tokens < 64 else "length")


def fill(store: SampleStore, answers: dict[str, list[str | None]], gold: dict[str, str]) -> None:
    """Add samples with these answers, and their verdicts."""
    for question, given in answers.items():
        for number, answer in enumerate(given):
            each = sample(store, question, number, answer, tokens=5 + number)
            store.add(each)
            reason = "no_answer" if answer is None else "correct" if answer == gold[question] else "wrong"
            store.judge(each.key, float(reason == "correct"), extract_answer(each.text), reason)


def results_folder(
    out: Path,
    answers: dict[str, list[str | None]],
    name: str = "tiny",
    model: str = "a",
    last: bool = True,
) -> Path:
    """Make a finished folder from question id -> answers of its samples. Every gold answer is 1."""
    questions = tuple(
        Question(id, ({"role": "user", "content": f"question {id}"},), "1", level=str(1 + i % 2))
        for i, id in enumerate(answers)
    )
    benchmark = Benchmark(name, "tiny.parquet", questions)
    n = len(next(iter(answers.values())))
    manifest = Manifest({"name": model, "fingerprint": model * 64}, dict(SAMPLING))
    manifest.benchmarks[name] = benchmark_entry(benchmark, "0" * 64, n)
    manifest.save(out)
    write_questions(out, benchmark)
    with SampleStore(out, name, list(answers), 0) as store:
        fill(store, answers, dict.fromkeys(answers, "1"))
        if last:
            store.finish(n)
    return out
