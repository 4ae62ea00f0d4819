# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The published numbers of arXiv 2604.23747: they fit together, and the formula gives its FLOPs."""

from statistics import fmean

import pytest

from hpt.data.benchmarks import IN_DISTRIBUTION
from recipe.hpt.reproduction.paper.results import QWEN_7B, published_row
from recipe.hpt.reproduction.paper.sft_then_rl import RERUNS, columns_of, rerun_of, training_flops


@pytest.mark.parametrize("row", [row for row in RERUNS if row.cells], ids=lambda row: row.method)
def test_the_published_averages_follow_from_the_published_cells(row):
    # A mean over seeds of rounded means: the average may be a rounding off.
    assert fmean(row.cells[name][0] for name in IN_DISTRIBUTION) == pytest.approx(row.average[0], abs=0.11)
    assert set(columns_of(row)) == {*row.cells, "average_in_distribution"}


def test_the_formula_gives_the_published_flops():
    assert rerun_of(QWEN_7B, "sft_rl_50").flops == pytest.approx(3.63e19, abs=0.01e19)
    assert rerun_of(QWEN_7B, "sft").flops == pytest.approx(2.43e19, abs=0.006e19)
    assert training_flops(7e9, 0, 128 * 8 * 4200) / 128 == 2 * 8 * 7e9 * 4200
    # 8 rollouts of 4,200 tokens, sampled and trained on: 1.88e15 per question.
    assert training_flops(7e9, 8 * 4200, 8 * 4200) == pytest.approx(1.88e15, abs=0.005e15)


def test_every_rerun_of_a_published_row_is_far_from_it_or_below():
    """SFT is trained to more than the paper's, LUFFY to less."""
    sft, luffy = (
        rerun_of(QWEN_7B, name).average[0] - published_row(QWEN_7B, name).averages["in_distribution"]
        for name in ("sft", "luffy")
    )
    assert sft == pytest.approx(7.7) and luffy == pytest.approx(-3.5)
