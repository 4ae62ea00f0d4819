# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What the samples of a results folder say: one record per question, and figures per benchmark.

Shares are in [0, 1]. Intervals are 95 % percentile bootstrap intervals over questions, see :mod:`hpt.evaluation.metrics`.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
        samples: question id -> its n samples; None where some are still missing.
        present: samples that are there, of n x questions.
    """

    benchmark: Benchmark
    n: int
    samples: dict[str, list[Judged]] | None
    present: int

    @property
    def shares(self) -> dict[str, float]:
        """Question id -> share of its samples that are correct."""
        assert self.samples is not None
        return {
            question: math.fsum(sample.score for sample in samples) / len(samples)
            for question, samples in self.samples.items()
        }


def read_folder(out: Path) -> tuple[Manifest, dict[str, Measured]]:
    """The manifest and benchmarks of a folder, in the paper's order. Nothing is written.

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
        present = n * len(ids) - len(store.missing(n))
        found[name] = Measured(benchmark, n, samples, present)
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
    length = _lengths(samples)
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
        "mean_tokens": length.mean_tokens,
        "truncated": length.truncated,
        "reasons": dict(sorted(Counter(sample.reason for sample in samples).items())),
    }


def _correct(samples: Sequence[Judged]) -> int:
    return sum(sample.score == 1.0 for sample in samples)


def _votes(samples: Sequence[Judged]) -> voting.Votes:
    return voting.tally([each.extracted for each in samples], [each.score for each in samples])


def _lengths(samples: Sequence[Judged]) -> metrics.Lengths:
    return metrics.lengths([each.tokens for each in samples], [each.finish_reason for each in samples])


def benchmark_figures(measured: Measured, resamples: int) -> dict[str, Any]:
    """Everything about one benchmark.

    Args:
        resamples: of the bootstrap.
    """
    assert measured.samples is not None
    groups = list(measured.samples.values())
    curve = metrics.pass_at_k_curve(
        [measured.n] * len(groups), [_correct(group) for group in groups], resamples, BOOTSTRAP_SEED
    )
    every = [sample for group in groups for sample in group]
    length = _lengths(every)
    ks = dict.fromkeys([*curve.ks, measured.n]) if measured.n > 1 else curve.ks
    tallies = [_votes(group) for group in groups]
    return {
        "questions": len(groups),
        "n": measured.n,
        "metric": metric_name(measured.n),
        **_mean(list(measured.shares.values())),
        "pass_at_k": {
            str(k): {"value": value, "low": _plain(low), "high": _plain(high)}
            for k, value, low, high in zip(curve.ks, curve.values, curve.low, curve.high, strict=True)
        },
        "maj_at_k": {
            str(k): math.fsum(voting.majority_at_k(votes, k, seed=number) for number, votes in enumerate(tallies))
            / len(tallies)
            for k in ks
        },
        "mean_tokens": length.mean_tokens,
        "truncated": length.truncated,
        "reasons": dict(sorted(Counter(sample.reason for sample in every).items())),
        "levels": _per_level(measured),
    }


def metric_name(n: int) -> str:
    """The paper's name of the mean share of correct samples."""
    return f"avg@{n}" if n > 1 else "pass@1"


def _mean(values: Sequence[float]) -> dict[str, Any]:
    mean = metrics.mean_over_questions(values)
    return {"value": mean.value, "standard_error": mean.error}


def _plain(value: float) -> float | None:
    """JSON has no NaN: of one question there is no interval."""
    return None if math.isnan(value) else value


def _per_level(measured: Measured) -> dict[str, Any]:
    levels: dict[str, list[float]] = {}
    for question in measured.benchmark.questions:
        if question.level is not None:
            levels.setdefault(question.level, []).append(measured.shares[question.id])
    return {level: {"questions": len(levels[level]), **_mean(levels[level])} for level in sorted(levels)}


def averages(benchmarks: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Means over benchmarks, each with the same weight, as the paper's two averages.

    Args:
        benchmarks: name -> figures.

    Returns:
        Group -> value, standard error (benchmarks are independent), the benchmarks it is over, and those of the paper's that
        are missing. What is in neither of the paper's groups is under "other".
    """
    known = {name for names in GROUPS.values() for name in names}
    groups = {**GROUPS, OTHER: tuple(name for name in benchmarks if name not in known)}
    found = {}
    for group, names in groups.items():
        have = [name for name in names if name in benchmarks]
        if not have:
            continue
        errors = [benchmarks[name]["standard_error"] for name in have]
        known_errors = [error for error in errors if error is not None]
        complete = len(known_errors) == len(errors)
        found[group] = {
            "value": math.fsum(benchmarks[name]["value"] for name in have) / len(have),
            "standard_error": math.hypot(*known_errors) / len(have) if complete else None,
            "benchmarks": have,
            "missing": [name for name in names if name not in benchmarks],
        }
    return found


def results_of(out: Path, resamples: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """(what goes into results.json, one record per question); benchmarks with missing samples are only named."""
    manifest, found = read_folder(out)
    complete = {name: each for name, each in found.items() if each.samples is not None}
    benchmarks = {name: benchmark_figures(each, resamples) for name, each in complete.items()}
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
    return results, [record for each in complete.values() for record in question_records(each)]
