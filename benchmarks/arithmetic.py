# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""How much the SFT term weighs against the RL term, in the arithmetic of the text and in the released code's; no Ray.

A batch is the paper's: 128 questions, 8 rollouts, 8 ranks, 64 questions, or 64 rows of a rank, in an optimizer step.
Lengths are drawn, because the data is not needed: log-normal, 1,000 tokens for a rollout and 3,500 for a demonstration.

Under hpt.normalization=prompt the weight of SFT in a batch is the number of demonstrations / 64, and a token of RL
weighs 1 / (64 * 8 * 8192). Under released it is the number of micro-batches with a demonstration / ranks, and a token
of RL weighs 1 / (8192 * ranks), so the ratio depends on packing. Each column is SFT's weight relative to RL's, divided
by that of the released code.

    python -m benchmarks.arithmetic
"""

import math
import random
from collections.abc import Sequence
from statistics import fmean

import torch
from verl.utils.seqlen_balancing import calculate_workload, get_seqlen_balanced_partitions

from benchmarks.common import finish, parser

QUESTIONS, ROLLOUTS, RANKS, STEP, L_MAX = 128, 8, 8, 64, 8192
SHARES = (0.02, 0.1, 0.25, 0.5, 0.8)
ROLLOUT_TOKENS, DEMONSTRATION_TOKENS, PROMPT_TOKENS, SIGMA = 1000, 3500, 150, 0.5
BATCHES = 20
Row = tuple[int, bool]
"""Tokens, and whether it is a demonstration."""


def batch(share: float, rng: random.Random) -> list[Row]:
    """Rollouts, then demonstrations, padded to a multiple of the ranks."""

    def tokens(mean: float) -> int:
        drawn = rng.lognormvariate(math.log(mean) - SIGMA**2 / 2, SIGMA)
        return PROMPT_TOKENS + max(1, min(int(drawn), L_MAX))

    demonstrations = round(share * QUESTIONS)
    rows = [(tokens(ROLLOUT_TOKENS), False) for _ in range(ROLLOUTS * (QUESTIONS - demonstrations))]
    rows += [(tokens(DEMONSTRATION_TOKENS), True) for _ in range(demonstrations)]
    return rows + [(2, False)] * (-len(rows) % RANKS)


def micro_batches(ranks: Sequence[Sequence[Row]], budget: int, by_workload: bool) -> int:
    """Count the micro-batches with a demonstration, of all ranks in one optimizer step."""
    tokens = [[length for length, _ in rows] for rows in ranks]
    number = max(-(-sum(each) // budget) for each in tokens)
    while True:
        sizes = [calculate_workload(torch.tensor(each)).tolist() if by_workload else each for each in tokens]
        parts = [get_seqlen_balanced_partitions(each, min(number, len(each)), equal_size=False) for each in sizes]
        fits = all(
            sum(each[row] for row in part) <= budget for each, of in zip(tokens, parts, strict=True) for part in of
        )
        if fits or not by_workload:  # the released code does not look
            break
        number += 1
    return sum(any(rows[row][1] for row in part) for rows, of in zip(ranks, parts, strict=True) for part in of)


def sft_weight(rows: Sequence[Row], budget: int, by_workload: bool = True, by_rows: bool = True) -> float:
    """Total weight of SFT in a batch under the released arithmetic, sft_coef aside."""
    steps: list[list[list[Row]]]
    if by_rows:
        dealt = get_seqlen_balanced_partitions([length for length, _ in rows], RANKS, equal_size=True)
        per_rank = [[rows[row] for row in part] for part in dealt]
        steps = [[each[start : start + STEP] for each in per_rank] for start in range(0, len(per_rank[0]), STEP)]
    else:  # by questions: every other rollout and demonstration
        steps = []
        for half in (rows[0::2], rows[1::2]):
            padded = [*half, *[(2, False)] * (-len(half) % RANKS)]
            dealt = get_seqlen_balanced_partitions([length for length, _ in padded], RANKS, equal_size=True)
            steps.append([[padded[row] for row in part] for part in dealt])
    return sum(micro_batches(step, budget, by_workload) for step in steps) / RANKS


def main() -> None:
    given = parser(__doc__, repeat=BATCHES).parse_args()
    rows = {}
    for share in SHARES:
        rng = random.Random(0)
        batches = [batch(share, rng) for _ in range(given.repeat)]
        theirs = [sft_weight(each, 32768, by_workload=False) for each in batches]
        text = round(share * QUESTIONS) / STEP * (STEP * ROLLOUTS / RANKS)
        columns = {
            "the text": [text] * len(batches),
            "verl's micro-batches": [sft_weight(each, 32768) for each in batches],
            "steps by questions, too": [sft_weight(each, 32768, by_rows=False) for each in batches],
            "18,432 tokens, too": [sft_weight(each, 18432, by_rows=False) for each in batches],
        }
        rows[f"{share:.0%} SFT"] = {
            name: fmean(value / known for value, known in zip(values, theirs, strict=True))
            for name, values in columns.items()
        }
    finish("arithmetic", given.out, rows)


if __name__ == "__main__":
    main()
