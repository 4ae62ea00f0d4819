# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Every setting of an evaluation, typed and validated at construction. Imports no torch."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from hpt.common.errors import ConfigError
from hpt.common.prompts import PLACEHOLDER
from hpt.common.settings import Names, Positive, Settings

SAMPLES = {"aime24": 32, "aime25": 32, "amc23": 32}
"""Samples per question where the paper reports avg@32. It reports pass@1 of one sample everywhere else."""


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("a text that is not blank")
    return text


def _with_placeholder(text: str | None) -> str | None:
    if text is not None and text.count(PLACEHOLDER) != 1:
        raise ValueError(f"null, or a text with {PLACEHOLDER} exactly once, in place of the question")
    return text


Given = Annotated[str, AfterValidator(_not_blank)]
Share = Annotated[float, Field(gt=0, le=1)]


class VerifierSettings(Settings):
    """The processes that check answers while the engines generate."""

    section: ClassVar[str] = "verifier"

    workers: Positive = 2
    """Processes that check answers."""
    timeout_s: Annotated[float, Field(gt=0)] = 5.0
    """Seconds for one check."""
    memory_mb: Positive | None = None
    """MiB for one check; null: the verifier's own limit."""

    def arguments(self) -> dict[str, Any]:
        """Arguments of :class:`hpt.verifier.VerifierPool`."""
        return self.model_dump(exclude_none=True)


class EvaluationSettings(Settings):
    """An evaluation of one model on some benchmarks."""

    model: Given
    """Folder of a Hugging Face checkpoint (a training's is global_step_*/actor/huggingface), or a hub id."""
    benchmarks: Annotated[Names, Field(min_length=1)]
    """Parquet file of questions, or a list of them. Questions with the same data_source are one benchmark."""
    out: Given
    """Folder of the results: one model and one way of sampling. Each launch adds benchmarks or samples to it."""
    n: Positive | Mapping[str, Positive] | None = None
    """Samples per question: a number, or {benchmark: number}; null: 32 on aime24, aime25 and amc23, else 1 (paper)."""
    temperature: Annotated[float, Field(ge=0)] = 0.6
    """Sampling temperature; 0 decodes greedily, with one sample per question."""
    top_p: Share = 0.95
    """Probability mass that nucleus sampling keeps."""
    max_tokens: Positive = 8192
    """Longest response in tokens."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the evaluation. A sample's own seed follows from it, the benchmark, the question's id and its index."""
    prompt_template: Annotated[str | None, AfterValidator(_with_placeholder)] = None
    """Text with {prompt} in place of the question, as in training; null: the tokenizer's chat template."""
    unverifiable: Literal["fail", "keep", "drop"] = "fail"
    """Gold answers that are not understood: refuse the files, compare them as they are written, or leave them out."""
    device: Literal["cuda", "cpu"] = "cuda"
    """Where vLLM runs."""
    workers: Positive | None = None
    """vLLM engines, each on tensor_parallel GPUs or one core; null: as many as there are GPUs for, 1 on a CPU."""
    tensor_parallel: Positive = 1
    """GPUs per engine."""
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """Type of weights and activations; auto: the checkpoint's own."""
    max_model_len: Positive | None = None
    """Longest prompt and response together in tokens; null: what this launch's questions need."""
    max_num_seqs: Positive = 256
    """Responses that an engine generates at a time."""
    gpu_memory_utilization: Share = 0.9
    """Share of a GPU's memory for an engine."""
    enforce_eager: bool = False
    """Whether vLLM runs without CUDA graphs."""
    batch_invariant: bool = True
    """Whether vLLM uses kernels whose results do not depend on the batch (GPUs only)."""
    ray_address: str | None = None
    """Address of a running Ray cluster to join (auto, or host:port); null: a new one on this machine."""
    verifier: Annotated[VerifierSettings, BeforeValidator(lambda value: {} if value is None else value)] = (
        VerifierSettings()
    )
    """The processes that check answers."""
    plugins: Names = ()
    """Modules to import, which may register kinds of answers."""
    bootstrap_resamples: Positive = 10_000
    """Resamples of every bootstrap interval."""

    @model_validator(mode="after")
    def _check_device(self) -> "EvaluationSettings":
        if self.device == "cpu" and self.tensor_parallel > 1:
            raise ConfigError(f"got tensor_parallel={self.tensor_parallel} and device=cpu; expected 1: use workers")
        if self.device == "cpu" and self.batch_invariant:
            raise ConfigError(
                "got batch_invariant=True and device=cpu; vLLM has these kernels for GPUs only: set "
                "batch_invariant=false"
            )
        return self

    def samples_of(self, benchmark: str) -> int:
        """Samples per question of a benchmark.

        Raises:
            ConfigError: more than one with greedy decoding.
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
        """What decides a sample besides model and question. All samples of a folder share it."""
        names = ("temperature", "top_p", "max_tokens", "seed", "prompt_template", "dtype")
        return {name: getattr(self, name) for name in names}


def known_keys(section: str = "") -> list[str]:
    """The names of all settings of a section."""
    return (VerifierSettings if section == "verifier" else EvaluationSettings).known()
