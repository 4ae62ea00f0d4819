# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The published tables: their averages follow from their cells, and they fit together."""

import math
from decimal import ROUND_HALF_UP, Decimal

import pytest

from hpt.data.benchmarks import IN_DISTRIBUTION, OUT_OF_DISTRIBUTION
from recipe.hpt.configs import choices
from recipe.hpt.reproduction.paper import results
from recipe.hpt.reproduction.paper.results import (
    AVERAGE,
    AVERAGE_OOD,
    TABLE_2,
    TABLE_3,
    published_row,
)

ROWS = [*TABLE_2, *TABLE_3]


def mean(cells, names):
    """The exact mean of decimal numbers; a tie is rounded up, as in the paper."""
    total = sum(Decimal(str(cells[name])) for name in names)
    return float((total / len(names)).quantize(Decimal("0.1"), ROUND_HALF_UP))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.model}-{row.method}")
def test_the_published_averages_follow_from_the_published_cells(row):
    assert row.averages[AVERAGE] == mean(row.cells, IN_DISTRIBUTION)
    if row in TABLE_2:
        assert row.averages[AVERAGE_OOD] == mean(row.cells, OUT_OF_DISTRIBUTION)
    else:
        assert row.averages.keys() == {AVERAGE} and row.cells.keys() == {*IN_DISTRIBUTION}
    assert all(0 < value < 100 for value in row.cells.values())


def test_column_sums_of_the_tables():
    """Sums over the rows, taken from the printed tables and not from the rows here: no two cells are exchanged."""
    sums = [math.fsum(row.cells[name] for row in TABLE_2) for name in results.BENCHMARKS]
    assert sums == pytest.approx([265.7, 178.4, 672.4, 956.6, 415.4, 516.0, 802.6, 364.1])
    sums = [math.fsum(row.cells[name] for row in TABLE_3) for name in IN_DISTRIBUTION]
    assert sums == pytest.approx([65.6, 61.4, 259.8, 482.6, 197.4, 219.7])


def test_rows():
    assert len(TABLE_2) == 12 and len(TABLE_3) == 10
    assert len({(row.model, row.method) for row in ROWS}) == len(ROWS)
    assert {row.model for row in ROWS} == {*results.MODELS}
    hpt = published_row("qwen2.5_math_7b", "hpt")
    assert (hpt.cells["aime24"], hpt.cells["gpqa"]) == (33.0, 42.9) and not hpt.quoted
    assert published_row("llama3.1_8b", "hpt").cells["olympiadbench"] == 20.4
    assert published_row("llama3.1_8b", "srft") is None
    assert published_row("builtin", "hpt") is None
    assert [row.method for row in TABLE_2 if row.quoted] == [
        "prime_zero", "simplerl_zero", "openreasoner_zero", "oat_zero",
    ]  # fmt: skip


def test_every_row_that_a_training_makes_has_an_experiment():
    trained = {(row.model, row.method) for row in ROWS if row.method not in ("base", *results.LABELS)}
    trained |= {(results.ABLATION_MODEL, method) for method in (*results.TABLE_5, *results.TABLE_6)}
    trained |= {(results.TABLE_4_MODEL, method) for method in results.TABLE_4}
    methods = {"sft_then_grpo": "sft_grpo"}
    experiments = {(model, methods.get(method, method)) for model, method, *_ in map(_split, choices("experiment"))}
    assert trained <= experiments


def _split(name):
    return name.split("/")


def test_three_rows_of_llama_are_quoted_from_another_paper():
    assert {(row.model, row.method) for row in TABLE_3 if row.quoted} == {
        ("llama3.1_8b", "sft"), ("llama3.1_8b", "grpo"), ("llama3.1_8b", "luffy"),
    }  # fmt: skip


def test_exclusive_solves_add_up():
    for levels in results.TABLE_4.values():
        assert list(levels) == ["1", "2", "3", "4", "5", "all"]
        parts = [levels[str(level)] for level in range(1, 6)]
        assert levels["all"].questions == sum(each.questions for each in parts) == 500
        assert levels["all"].only_hpt == sum(each.only_hpt for each in parts)
        assert levels["all"].only_other == sum(each.only_other for each in parts)
    assert results.TABLE_4["grpo"]["5"] == results.ExclusiveSolves(134, 27, 8)
    assert results.TABLE_4["luffy"]["3"] == results.ExclusiveSolves(105, 5, 3)


def test_net_exclusive_solves_differ_from_table_2():
    """On the same samples, HPT's exclusive solves minus the other's would be the difference of the cells."""
    cells = {row.method: row.cells["math500"] for row in TABLE_2}
    net = {other: (levels["all"].only_hpt - levels["all"].only_other) / 5 for other, levels in results.TABLE_4.items()}
    assert net == pytest.approx({"grpo": 8.6, "luffy": 5.4})
    assert cells["hpt"] - cells["grpo"] == pytest.approx(7.4)
    assert cells["hpt"] - cells["luffy"] == pytest.approx(0.8)


def test_ablations_share_hpts_row():
    average = published_row("qwen2.5_math_1.5b", "hpt").averages[AVERAGE]
    assert results.TABLE_5["hpt"] == results.TABLE_6["hpt"] == average == 41.9
