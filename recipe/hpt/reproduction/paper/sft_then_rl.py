# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What arXiv 2604.23747 (v1) publishes for the paper's models: percent of samples that are correct, and FLOPs.

It trains SFT, and RL after SFT, with three seeds of all stages, and reports mean and standard deviation. It runs LUFFY
once, in its own implementation. The numbers are taken from a third party's extraction of the paper.

FLOPs are those of a training, by its formula (Appendix B): 6 N per trained token and 2 N per sampled one, with N
parameters; response tokens alone count.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hpt.data.benchmarks import IN_DISTRIBUTION, OUT_OF_DISTRIBUTION
from recipe.hpt.reproduction.paper.results import AVERAGE, LLAMA_8B, QWEN_1_5B, QWEN_7B

SOURCE = "arXiv 2604.23747"
Number = tuple[float, float | None]
"""Mean and standard deviation over seeds; None: a single seed."""


@dataclass(frozen=True)
class Rerun:
    """A row.

    Attributes:
        model: key of :data:`recipe.hpt.reproduction.paper.results.MODELS`.
        method: ``sft``, ``sft_rl`` (500 steps), ``sft_rl_50`` or ``luffy``.
        cells: benchmark -> percent.
        average: over the benchmarks in distribution.
        flops: of the training; None: not known.
    """

    model: str
    method: str
    cells: Mapping[str, Number]
    average: Number
    flops: float | None = None


def training_flops(parameters: float, trained_tokens: float, sampled_tokens: float) -> float:
    """FLOPs of a training: a forward and a backward pass per trained token, a forward pass per sampled one."""
    return parameters * (6 * trained_tokens + 2 * sampled_tokens)


PARAMETERS = {QWEN_7B: 7e9, QWEN_1_5B: 1.5e9, LLAMA_8B: 8e9}
"""N as the formula takes it; 7e9 is published."""
DEMONSTRATION_TOKENS = ROLLOUT_TOKENS = 4200
"""Mean lengths that arXiv 2604.23747 takes for its SFT -> RL."""
_SFT_TOKENS = 3 * 46_000 * DEMONSTRATION_TOKENS  # 3 epochs


def _sft_then_rl_flops(steps: int) -> float:
    sampled = steps * 128 * 8 * ROLLOUT_TOKENS
    return training_flops(PARAMETERS[QWEN_7B], _SFT_TOKENS + sampled, sampled)


def _row(
    method: str, means: Sequence[float], deviations: Sequence[float], average: Number, flops: float | None
) -> Rerun:
    names = (*IN_DISTRIBUTION, *OUT_OF_DISTRIBUTION)
    return Rerun(QWEN_7B, method, dict(zip(names, zip(means, deviations, strict=True), strict=True)), average, flops)


RERUNS: tuple[Rerun, ...] = (
    _row(
        "sft",
        (33.6, 28.2, 65.4, 90.0, 40.6, 55.7, 82.5, 24.6),
        (1.4, 0.7, 0.9, 0.9, 0.6, 0.6, 0.6, 2.9),
        (52.2, 0.2),
        _sft_then_rl_flops(0),
    ),
    _row(
        "sft_rl",
        (40.4, 29.8, 73.2, 92.0, 43.9, 62.8, 84.0, 40.6),
        (0.3, 0.7, 1.2, 0.2, 0.6, 0.6, 0.7, 1.8),
        (57.0, 0.3),
        _sft_then_rl_flops(500),
    ),
    _row(
        "sft_rl_50",
        (37.1, 29.4, 70.3, 91.7, 44.1, 61.3, 84.0, 39.6),
        (2.7, 0.6, 1.5, 0.8, 0.0, 0.9, 0.5, 1.0),
        (55.6, 0.5),
        _sft_then_rl_flops(50),
    ),
    Rerun(QWEN_7B, "luffy", {}, (46.3, None), 6.65e19),
)


def rerun_of(model: str, method: str) -> Rerun | None:
    """The row; None if arXiv 2604.23747 has none."""
    return next((row for row in RERUNS if (row.model, row.method) == (model, method)), None)


def columns_of(row: Rerun) -> dict[str, Number]:
    """Column of the report -> number."""
    return {**row.cells, f"average_{AVERAGE}": row.average}
