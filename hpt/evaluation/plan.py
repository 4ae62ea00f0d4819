# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Plan a launch. All mistakes in its input are found here, before anything starts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpt.common.errors import ConfigError
from hpt.evaluation import prompts
from hpt.evaluation.manifest import Manifest, benchmark_entry, check_benchmark, manifest_for
from hpt.evaluation.model import Model, find_model
from hpt.evaluation.questions import Benchmark, load_benchmarks
from hpt.evaluation.settings import EvaluationSettings
from hpt.evaluation.store import SampleStore
from hpt.method.strategies import import_plugins
from hpt.verifier.extract import opening_of


@dataclass(frozen=True)
class Part:
    """One benchmark of a launch.

    Attributes:
        prompts: token ids of its questions.
        openings: per question the tag with which its prompt opens the reasoning, or nothing.
        n: samples per question: as the settings say, or more if the folder has more already.
        entry: its entry in the manifest.
        store: its samples.
    """

    benchmark: Benchmark
    prompts: list[list[int]]
    openings: list[str]
    n: int
    entry: dict[str, Any]
    store: SampleStore

    @property
    def total(self) -> int:
        """Number of samples when the launch is done."""
        return self.n * len(self.benchmark.questions)


@dataclass(frozen=True)
class Plan:
    """A launch whose input is valid."""

    settings: EvaluationSettings
    out: Path
    model: Model
    max_model_len: int
    manifest: Manifest
    parts: tuple[Part, ...]

    def described(self) -> str:
        """A line per benchmark."""
        lines = [f"model {self.model.name} (fingerprint {self.model.fingerprint[:12]}), results in {self.out}"]
        for part in self.parts:
            lines.append(
                f"{part.benchmark.name:<20}{len(part.benchmark.questions):>6} questions x {part.n:>4} samples, "
                f"{part.total - len(part.store.missing(part.n)):>6} of {part.total} exist; "
                f"gold answers: {part.benchmark.comparison()}"
            )
        return "\n".join(lines)


def prepare(settings: EvaluationSettings, check_gold: bool = True) -> Plan:
    """Check everything that needs no engine, without writing anything.

    Args:
        check_gold: under ``unverifiable: fail``, check that every gold answer can be verified.

    Raises:
        ValueError: plugins that cannot be imported.
        ConfigError: settings that cannot work.
        hpt.common.errors.DataError: benchmark files with bad rows.
        hpt.evaluation.manifest.FolderError, hpt.evaluation.store.StoreError: a results folder that does not fit.
    """
    import_plugins(settings.plugins, "plugins")
    out = Path(settings.out).expanduser().resolve()
    keep = settings.unverifiable == "fail" and not check_gold
    benchmarks = load_benchmarks(settings.benchmarks, "keep" if keep else settings.unverifiable)
    _check_n(settings, benchmarks)
    model = find_model(settings.model)
    manifest = manifest_for(out, model.to_json(), settings.sampling())
    tokenizer = prompts.load_tokenizer(model, settings.prompt_template)
    rendered = [prompts.render(benchmark, tokenizer) for benchmark in benchmarks]
    longest = max(len(ids) for each in rendered for ids in each)
    length = prompts.context_length(longest, settings.max_tokens, settings.max_model_len, model)
    parts = []
    for benchmark, ids in zip(benchmarks, rendered, strict=True):
        known = manifest.benchmarks.get(benchmark.name, {"n": 0})
        n = max(settings.samples_of(benchmark.name), known["n"])
        entry = benchmark_entry(benchmark, prompts.digest(ids), n)
        check_benchmark(out, manifest, benchmark.name, entry)
        manifest.benchmarks[benchmark.name] = entry
        names = [question.id for question in benchmark.questions]
        store = SampleStore(out, benchmark.name, names, settings.seed)
        openings = [opening_of(prompt, tokenizer) for prompt in ids]
        parts.append(Part(benchmark, ids, openings, n, entry, store))
    return Plan(settings, out, model, length, manifest, tuple(parts))


def _check_n(settings: EvaluationSettings, benchmarks: Sequence[Benchmark]) -> None:
    """Refuse a number of samples for a benchmark that is not in the files."""
    names = [benchmark.name for benchmark in benchmarks]
    if isinstance(settings.n, int) or settings.n is None:
        return
    for name in settings.n:
        if name not in names:
            raise ConfigError(
                f"got n.{name}={settings.n[name]}, but no file has questions of {name!r}; expected some of: "
                f"{', '.join(names)}"
            )
