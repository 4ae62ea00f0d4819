# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Tables 2 to 6 of arXiv 2509.04419 (v2) as data: percent of samples that are correct. Imports no torch.

Averages are the published ones. Each follows from its published cells within rounding (at most 0.05 of exact
arithmetic), and the sums of Table 4 are exact. ``tests/unit/reproduction/paper/test_results.py`` checks them all.

Table 4 does not follow from Table 2, so the two tables do not count the same samples. In Table 4, HPT solves 43 of 500
questions more than GRPO and 27 more than LUFFY, which is 8.6 and 5.4 points of MATH-500. Table 2 has 7.4 and 0.8.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hpt.data.benchmarks import IN_DISTRIBUTION, OUT_OF_DISTRIBUTION

SOURCE = "arXiv 2509.04419"
BENCHMARKS = (*IN_DISTRIBUTION, *OUT_OF_DISTRIBUTION)
"""Columns of Tables 2 and 3, in the paper's order."""
BENCHMARK_LABELS: dict[str, str] = {
    "aime24": "AIME24",
    "aime25": "AIME25",
    "amc23": "AMC",
    "math500": "MATH-500",
    "minerva": "Minerva",
    "olympiadbench": "Olympiad",
    "arc_c": "ARC-c",
    "gpqa": "GPQA",
}
AVERAGE, AVERAGE_OOD = "in_distribution", "out_of_distribution"
"""Names of the two averages, as in :func:`hpt.evaluation.results.averages`."""


@dataclass(frozen=True)
class Published:
    """A row of Table 2 or 3.

    Attributes:
        model: key of :data:`MODELS`.
        method: key of ``recipe.hpt.reproduction.methods.METHODS`` or :data:`LABELS`.
        cells: benchmark -> percent.
        averages: ``AVERAGE`` and ``AVERAGE_OOD`` -> percent.
        quoted: whether the paper takes the row from another paper (its star).
    """

    model: str
    method: str
    cells: Mapping[str, float]
    averages: Mapping[str, float]
    quoted: bool = False


LABELS: dict[str, str] = {
    "instruct": "Instruct",
    "prime_zero": "PRIME-Zero",
    "simplerl_zero": "SimpleRL-Zero",
    "openreasoner_zero": "OpenReasoner-Zero",
    "oat_zero": "Oat-Zero",
}
"""Rows of Table 2 for models of other groups, which no experiment here trains."""

QWEN_7B, QWEN_1_5B, LLAMA_8B = "qwen2.5_math_7b", "qwen2.5_math_1.5b", "llama3.1_8b"
MODELS: dict[str, str] = {QWEN_7B: "Qwen2.5-Math-7B", QWEN_1_5B: "Qwen2.5-Math-1.5B", LLAMA_8B: "LLaMA-3.1-8B"}
"""Folder in config/experiment -> the model's name in the tables, which are in this order."""


def _row(model: str, method: str, numbers: Sequence[float], quoted: bool = False) -> Published:
    """A row of 7 numbers, six benchmarks and their average, or of 10: two more benchmarks and their average."""
    assert len(numbers) in (7, 10), (model, method)
    cells = dict(zip(IN_DISTRIBUTION, numbers[:6], strict=True))
    averages = {AVERAGE: numbers[6]}
    if len(numbers) == 10:
        cells |= zip(OUT_OF_DISTRIBUTION, numbers[7:9], strict=True)
        averages[AVERAGE_OOD] = numbers[9]
    return Published(model, method, cells, averages, quoted)


TABLE_2: tuple[Published, ...] = (
    _row(QWEN_7B, "base", (12.3, 4.7, 33.0, 43.6, 8.8, 13.6, 19.3, 30.9, 28.3, 29.6)),
    _row(QWEN_7B, "sft", (25.1, 22.8, 56.1, 84.2, 33.8, 44.7, 44.5, 67.4, 25.3, 46.4)),
    _row(QWEN_7B, "grpo", (19.4, 13.8, 59.1, 81.8, 38.2, 46.2, 43.1, 81.2, 36.4, 58.8)),
    _row(QWEN_7B, "sft_grpo", (25.7, 21.6, 62.2, 84.6, 38.2, 46.8, 46.5, 67.7, 30.8, 49.3)),
    _row(QWEN_7B, "luffy", (26.1, 21.8, 66.2, 88.4, 41.9, 54.1, 49.8, 80.8, 39.4, 60.1)),
    _row(QWEN_7B, "srft", (18.4, 15.5, 55.9, 83.8, 42.6, 48.9, 44.2, 80.5, 36.8, 58.7)),
    _row(QWEN_7B, "hpt", (33.0, 21.9, 69.4, 89.2, 46.0, 56.9, 52.7, 81.6, 42.9, 62.3)),
    _row(QWEN_7B, "instruct", (11.8, 9.8, 48.3, 83.2, 34.2, 39.3, 37.8, 72.7, 29.3, 51.0)),
    _row(QWEN_7B, "prime_zero", (17.0, 12.8, 54.0, 81.4, 39.0, 40.3, 40.8, 73.3, 18.2, 45.8), True),
    _row(QWEN_7B, "simplerl_zero", (27.0, 6.8, 54.9, 76.0, 25.0, 34.7, 37.4, 30.2, 23.2, 26.7), True),
    _row(
        QWEN_7B,
        "openreasoner_zero",
        (16.5, 15.0, 52.1, 82.4, 33.1, 47.1, 41.0, 66.2, 29.8, 48.0),
        True,
    ),
    _row(QWEN_7B, "oat_zero", (33.4, 11.9, 61.2, 78.0, 34.6, 43.4, 43.8, 70.1, 23.7, 46.9), True),
)

TABLE_3: tuple[Published, ...] = (
    _row(LLAMA_8B, "base", (0.4, 0.1, 4.7, 13.8, 4.8, 3.9, 4.6)),
    _row(LLAMA_8B, "sft", (0.5, 0.1, 5.4, 20.2, 4.0, 5.3, 5.9), True),
    _row(LLAMA_8B, "grpo", (0.3, 0.5, 9.4, 23.4, 17.6, 6.1, 9.6), True),
    _row(LLAMA_8B, "luffy", (1.9, 0.1, 13.5, 39.0, 15.1, 9.6, 13.2), True),
    _row(LLAMA_8B, "hpt", (2.1, 1.2, 18.6, 47.8, 18.8, 20.4, 18.2)),
    _row(QWEN_1_5B, "base", (2.8, 6.1, 24.5, 32.8, 11.0, 16.4, 15.6)),
    _row(QWEN_1_5B, "sft", (14.7, 17.6, 45.4, 78.4, 29.4, 35.7, 36.9)),
    _row(QWEN_1_5B, "grpo", (12.2, 8.5, 43.8, 71.0, 33.1, 35.3, 34.0)),
    _row(QWEN_1_5B, "luffy", (14.1, 9.4, 43.5, 75.2, 26.1, 39.7, 34.7)),
    _row(QWEN_1_5B, "hpt", (16.6, 17.8, 51.0, 81.0, 37.5, 47.3, 41.9)),
)


@dataclass(frozen=True)
class ExclusiveSolves:
    """A cell of Table 4: how many questions of MATH-500 only HPT solves, and how many only the other method."""

    questions: int
    only_hpt: int
    only_other: int


ALL = "all"


def _levels(*pairs: tuple[int, int], total: tuple[int, int]) -> dict[str, ExclusiveSolves]:
    cells = {
        str(level): ExclusiveSolves(questions, *pair)
        for level, (questions, pair) in enumerate(zip(_LEVEL_SIZES, pairs, strict=True), start=1)
    }
    return {**cells, ALL: ExclusiveSolves(sum(_LEVEL_SIZES), *total)}


_LEVEL_SIZES = (43, 90, 105, 128, 134)
TABLE_4_MODEL, TABLE_4_BENCHMARK = QWEN_7B, "math500"
TABLE_4: dict[str, dict[str, ExclusiveSolves]] = {
    "grpo": _levels((0, 0), (5, 1), (9, 2), (17, 4), (27, 8), total=(58, 15)),
    "luffy": _levels((1, 0), (5, 1), (5, 3), (10, 5), (22, 7), total=(43, 16)),
}
"""Method that HPT is compared with -> level of MATH-500 -> exclusive solves."""

ABLATION_MODEL = QWEN_1_5B
TABLE_5: dict[str, float] = {"off_on": 38.1, "mix_on": 40.3, "hpt": 41.9}
"""The term for gated questions -> average; ``hpt`` is SFT/ON."""
TABLE_6: dict[str, float] = {"hpt": 41.9, "hpt_gamma_1_8": 38.7, "hpt_gamma_2_8": 39.0}
"""Gate -> average; ``hpt`` is gamma = 0."""


def published_row(model: str, method: str) -> Published | None:
    """The row of Table 2 or 3; None if the paper has none."""
    for row in (*TABLE_2, *TABLE_3):
        if (row.model, row.method) == (model, method):
            return row
    return None
