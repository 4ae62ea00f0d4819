# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Every setting of an evaluation, typed and validated at construction. Imports no torch."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hpt.common.errors import ConfigError
from hpt.method.config import check_keys, one_of
from hpt.method.strategies import is_number, plain

SAMPLES = {"aime24": 32, "aime25": 32, "amc23": 32}
"""Samples per question where the paper reports avg@32; it is pass@1, one sample, everywhere else."""
DEVICES = ("cuda", "cpu")
DTYPES = ("auto", "bfloat16", "float16", "float32")


def _number(name: str, value: Any, expected: str, accept: Callable[[Any], bool]) -> None:
    if not is_number(value) or not accept(value):
        raise ConfigError(f"got {name}={value!r}; expected {expected}")


def _whole(name: str, value: Any, least: int, or_null: bool = False) -> None:
    if value is None and or_null:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        null = "null or " if or_null else ""
        raise ConfigError(f"got {name}={value!r}; expected {null}a whole number >= {least}")


def _flag(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise ConfigError(f"got {name}={value!r}; expected true or false")


@dataclass(frozen=True)
class VerifierSettings:
    """The processes that check answers beside generation.

    Attributes:
        workers: processes, >= 1.
        timeout_s: seconds for one check, > 0.
        memory_mb: MiB a worker may use, > 0; None: the pool's own limit.
    """

    workers: int = 2
    timeout_s: float = 5.0
    memory_mb: int | None = None

    def __post_init__(self):
        _whole("verifier.workers", self.workers, 1)
        _number("verifier.timeout_s", self.timeout_s, "seconds > 0", lambda x: x > 0)
        _whole("verifier.memory_mb", self.memory_mb, 1, or_null=True)

    def arguments(self) -> dict[str, Any]:
        """Of :class:`hpt.verifier.VerifierPool`."""
        given = dataclasses.asdict(self)
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class EvaluationSettings:
    """An evaluation.

    Attributes:
        model: folder of a Hugging Face checkpoint, or a hub id.
        benchmarks: parquet files of questions.
        out: folder of the results; one model and one way of sampling per folder.
        n: samples per question: a number, benchmark -> number, or None for the paper's (SAMPLES).
        temperature: >= 0; 0 is greedy, with one sample per question.
        top_p: nucleus, in (0, 1].
        max_tokens: longest response in tokens.
        seed: every sample's own seed follows from it, the benchmark, the question's id and the sample's index.
        prompt_template: text with {prompt} in place of the question; None: the tokenizer's chat template.
        device: ``cuda`` or ``cpu``.
        workers: vLLM engines; None: as many as there are GPUs for, or one on a CPU.
        tensor_parallel: GPUs per engine.
        dtype: of weights and activations; ``auto`` is the checkpoint's own.
        max_model_len: longest prompt and response in tokens; None: what this launch's questions need.
        max_num_seqs: responses that an engine generates at a time.
        gpu_memory_utilization: share of a GPU's memory for an engine, in (0, 1].
        enforce_eager: no CUDA graphs.
        batch_invariant: vLLM's kernels whose results do not depend on the batch (GPUs only).
        ray_address: of a running Ray cluster to join; None: one of its own on this machine.
        verifier: see :class:`VerifierSettings`.
        plugins: modules to import, which may register kinds of answers.
        bootstrap_resamples: of every interval.
    """

    model: str
    benchmarks: tuple[str, ...]
    out: str
    n: int | Mapping[str, int] | None = None
    temperature: float = 0.6
    top_p: float = 0.95
    max_tokens: int = 8192
    seed: int = 0
    prompt_template: str | None = None
    device: str = "cuda"
    workers: int | None = None
    tensor_parallel: int = 1
    dtype: str = "auto"
    max_model_len: int | None = None
    max_num_seqs: int = 256
    gpu_memory_utilization: float = 0.9
    enforce_eager: bool = False
    batch_invariant: bool = True
    ray_address: str | None = None
    verifier: VerifierSettings = field(default_factory=VerifierSettings)
    plugins: tuple[str, ...] = ()
    bootstrap_resamples: int = 10_000

    def __post_init__(self):
        self._check_what()
        self._check_sampling()
        self._check_engines()

    def _check_what(self) -> None:
        for name, what in (("model", "a checkpoint's folder or a hub id"), ("out", "a folder")):
            value = getattr(self, name)
            if not isinstance(value, str) or not value.strip():
                raise ConfigError(f"got {name}={value!r}; expected {what}")
        if not self.benchmarks or not all(isinstance(each, str) for each in self.benchmarks):
            raise ConfigError(f"got benchmarks={list(self.benchmarks)}; expected at least one parquet file")
        if isinstance(self.n, Mapping):
            for name, value in self.n.items():
                _whole(f"n.{name}", value, 1)
        else:
            _whole("n", self.n, 1, or_null=True)
        _whole("bootstrap_resamples", self.bootstrap_resamples, 1)

    def _check_sampling(self) -> None:
        _number("temperature", self.temperature, "a number >= 0", lambda x: x >= 0)
        _number("top_p", self.top_p, "a number in (0, 1]", lambda x: 0 < x <= 1)
        _whole("max_tokens", self.max_tokens, 1)
        _whole("seed", self.seed, 0)
        template = self.prompt_template
        if template is not None and (not isinstance(template, str) or template.count("{prompt}") != 1):
            raise ConfigError(
                f"got prompt_template={template!r}; expected null, or a text with {{prompt}} exactly once, in place of "
                "the question"
            )

    def _check_engines(self) -> None:
        one_of("device", self.device, DEVICES)
        one_of("dtype", self.dtype, DTYPES)
        _whole("workers", self.workers, 1, or_null=True)
        for name in ("tensor_parallel", "max_num_seqs"):
            _whole(name, getattr(self, name), 1)
        _whole("max_model_len", self.max_model_len, 1, or_null=True)
        _number(
            "gpu_memory_utilization",
            self.gpu_memory_utilization,
            "a number in (0, 1]",
            lambda x: 0 < x <= 1,
        )
        for name in ("enforce_eager", "batch_invariant"):
            _flag(name, getattr(self, name))
        if self.device == "cpu" and self.tensor_parallel > 1:
            raise ConfigError(f"got tensor_parallel={self.tensor_parallel} and device=cpu; expected 1: use workers")
        if self.device == "cpu" and self.batch_invariant:
            raise ConfigError(
                "got batch_invariant=True and device=cpu; vLLM has these kernels for GPUs only: set batch_invariant=false"
            )

    @classmethod
    def from_mapping(cls, config: Mapping[str, Any]) -> "EvaluationSettings":
        """Build from a plain mapping or a composed configuration.

        Raises:
            ConfigError: unknown keys (with the nearest known ones), missing ones, or bad values.
        """
        check_keys("", config, known_keys())
        values = plain(config)
        missing = [name for name in ("model", "benchmarks", "out") if values.get(name) is None]
        if missing:
            raise ConfigError(f"{', '.join(missing)} must be given: {missing[0]}=...")
        files = values["benchmarks"]
        values["benchmarks"] = tuple(files) if isinstance(files, list) else (files,)
        plugins = values.get("plugins") or ()
        values["plugins"] = (plugins,) if isinstance(plugins, str) else tuple(plugins)
        section = values.pop("verifier", None) or {}
        if not isinstance(section, Mapping):
            raise ConfigError(f"got verifier={section!r}; expected its settings")
        check_keys("verifier", section, known_keys("verifier"))
        return cls(verifier=VerifierSettings(**section), **values)

    def samples_of(self, benchmark: str) -> int:
        """Samples per question of a benchmark.

        Raises:
            ConfigError: several, of greedy decoding.
        """
        if isinstance(self.n, int):
            n = self.n
        else:
            default = SAMPLES.get(benchmark, 1) if self.temperature else 1
            n = (self.n or {}).get(benchmark, default)
        if n > 1 and self.temperature == 0:
            raise ConfigError(
                f"got temperature=0 and n={n} for {benchmark}; greedy decoding gives {n} equal samples: set n=1, or a "
                "temperature"
            )
        return n

    def sampling(self) -> dict[str, Any]:
        """What decides a sample beside model and question: one folder, one value."""
        names = ("temperature", "top_p", "max_tokens", "seed", "prompt_template", "dtype")
        return {name: getattr(self, name) for name in names}


def known_keys(section: str = "") -> list[str]:
    """The names of all settings of a section."""
    kind: type = VerifierSettings if section == "verifier" else EvaluationSettings
    return [each.name for each in dataclasses.fields(kind)]
