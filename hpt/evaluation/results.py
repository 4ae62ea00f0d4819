# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What the samples of a results folder say: one record per question, and figures per benchmark.

Shares are in [0, 1]. Intervals are 95 % percentile bootstrap intervals over questions; see
:mod:`hpt.evaluation.metrics`.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd

from hpt.data.benchmarks import IN_DISTRIBUTION, OUT_OF_DISTRIBUTION
from hpt.evaluation import metrics, voting
from hpt.evaluation.manifest import Manifest, read_manifest, read_questions
from hpt.evaluation.questions import Benchmark, Question
from hpt.evaluation.store import Judged, SampleStore

BOOTSTRAP_SEED = 0
OTHER = "other"
GROUPS = {"in_distribution": IN_DISTRIBUTION, "out_of_distribution": OUT_OF_DISTRIBUTION}


@dataclass(frozen=True)
class Measured:
    """One benchmark of a folder.

    Attributes:
        n: samples per question.
        samples: question id -> its n samples; None while some are missing.
        present: how many of the n x questions samples exist.
    """

    benchmark: Benchmark
    n: int
    samples: dict[str, list[Judged]] | None
    present: int

    @property
    def shares(self) -> dict[str, float]:
        """Question id -> share of its samples that are correct."""
        assert self.samples is not None
        return {question: _correct(samples) / len(samples) for question, samples in self.samples.items()}


def read_folder(out: Path) -> tuple[Manifest, dict[str, Measured]]:
    """Read a folder's manifest and benchmarks, in the paper's order, without writing anything.

    Raises:
        hpt.evaluation.manifest.FolderError, hpt.evaluation.store.StoreError: no results, or damaged ones.
    """
    manifest = read_manifest(out)
    found = {}
    for name in sorted(manifest.benchmarks, key=_place):
        benchmark = read_questions(out, manifest, name)
        ids = [question.id for question in benchmark.questions]
        n = manifest.benchmarks[name]["n"]
        store = SampleStore(out, name, ids, manifest.sampling["seed"])
        samples = store.judged(n) if store.complete(n) else None
        found[name] = Measured(benchmark, n, samples, n * len(ids) - len(store.missing(n)))
    return manifest, found


def _place(name: str) -> tuple[int, str]:
    order = (*IN_DISTRIBUTION, *OUT_OF_DISTRIBUTION)
    return (order.index(name) if name in order else len(order), name)


def question_records(measured: Measured) -> list[dict[str, Any]]:
    """One record per question, in the benchmark's order."""
    assert measured.samples is not None
    return [
        _question_record(measured.benchmark.name, question, measured.samples[question.id])
        for question in measured.benchmark.questions
    ]


def _question_record(name: str, question: Question, samples: Sequence[Judged]) -> dict[str, Any]:
    votes = _votes(samples)
    return {
        "benchmark": name,
        "question": question.id,
        "level": question.level,
        "subject": question.subject,
        "answer": question.answer,
        "n": len(samples),
        "correct": _correct(samples),
        "accuracy": _correct(samples) / len(samples),
        "majority": votes.winner,
        "majority_score": voting.majority_score(votes),
        **_lengths_and_reasons(samples),
    }


def _correct(samples: Sequence[Judged]) -> int:
    return sum(sample.score == 1.0 for sample in samples)


def _votes(samples: Sequence[Judged]) -> voting.Votes:
    return voting.tally([each.extracted for each in samples], [each.score for each in samples])


def _lengths_and_reasons(samples: Sequence[Judged]) -> dict[str, Any]:
    length = metrics.lengths([each.tokens for each in samples], [each.finish_reason for each in samples])
    return {**length._asdict(), "reasons": dict(sorted(Counter(sample.reason for sample in samples).items()))}


def benchmark_figures(measured: Measured, records: Sequence[Mapping[str, Any]], resamples: int) -> dict[str, Any]:
    """Compute all figures of one benchmark.

    Args:
        records: its :func:`question_records`.
        resamples: number of bootstrap resamples.
    """
    assert measured.samples is not None
    frame = pd.DataFrame(records, columns=["level", "n", "correct", "accuracy"])
    curve = metrics.pass_at_k_curve(frame.n.tolist(), frame.correct.tolist(), resamples, BOOTSTRAP_SEED)
    tallies = [_votes(samples) for samples in measured.samples.values()]
    return {
        "questions": len(frame),
        "n": measured.n,
        "metric": metric_name(measured.n),
        **_mean(frame.accuracy),
        "pass_at_k": {str(k): point._asdict() for k, point in curve.items()},
        "maj_at_k": {
            str(k): fmean(voting.majority_at_k(votes, k, seed=number) for number, votes in enumerate(tallies))
            for k in dict.fromkeys([*curve, measured.n])
        },
        **_lengths_and_reasons([sample for samples in measured.samples.values() for sample in samples]),
        "levels": {
            level: {"questions": len(accuracy), **_mean(accuracy)}
            for level, accuracy in frame.groupby("level").accuracy
        },
    }


def metric_name(n: int) -> str:
    """The paper's name of the mean share of correct samples."""
    return f"avg@{n}" if n > 1 else "pass@1"


def _mean(values: pd.Series) -> dict[str, Any]:
    mean = metrics.mean_over_questions(values.tolist())
    return {"value": mean.value, "standard_error": mean.error}


def averages(benchmarks: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Average over benchmarks with equal weights, as the paper's two averages do.

    Args:
        benchmarks: name -> figures.

    Returns:
        Group -> value, standard error (benchmarks are independent), the benchmarks it covers, and those of the paper
        that are missing. Benchmarks that the paper does not use are in the group "other".
    """
    known = {name for names in GROUPS.values() for name in names}
    groups = {**GROUPS, OTHER: tuple(name for name in benchmarks if name not in known)}
    found = {}
    for group, names in groups.items():
        have = [name for name in names if name in benchmarks]
        if not have:
            continue
        errors = [benchmarks[name]["standard_error"] for name in have]
        found[group] = {
            "value": fmean(benchmarks[name]["value"] for name in have),
            "standard_error": None if None in errors else math.hypot(*errors) / len(have),
            "benchmarks": have,
            "missing": [name for name in names if name not in benchmarks],
        }
    return found


def results_of(out: Path, resamples: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The contents of results.json, and one record per question. A benchmark with missing samples is only named."""
    manifest, found = read_folder(out)
    complete = {name: question_records(each) for name, each in found.items() if each.samples is not None}
    benchmarks = {name: benchmark_figures(found[name], records, resamples) for name, records in complete.items()}
    results = {
        "model": manifest.model,
        "sampling": manifest.sampling,
        "engines": manifest.engines,
        "benchmarks": benchmarks,
        "averages": averages(benchmarks),
        "incomplete": {
            name: {"samples": each.present, "of": each.n * len(each.benchmark.questions)}
            for name, each in found.items()
            if name not in complete
        },
        "bootstrap": {"resamples": resamples, "confidence": metrics.CONFIDENCE},
    }
    return results, [record for records in complete.values() for record in records]
