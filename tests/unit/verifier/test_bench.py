# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark's figures are consistent. No test depends on the machine's speed."""

import json

import pytest

from hpt.cli import main
from hpt.verifier.bench import ENDLESS, benign_pairs, described, measure, with_endless
from hpt.verifier.judge import judge, screen


def test_pairs_follow_from_the_seed_and_are_right_and_wrong():
    pairs = benign_pairs(300, seed=1)
    assert pairs == benign_pairs(300, seed=1) != benign_pairs(300, seed=2)
    screened = sum(screen(*pair) is not None for pair in pairs)
    assert 0.3 < screened / len(pairs) < 0.7
    reasons = {judge(*pair).reason for pair in pairs[:60]}
    assert reasons == {"correct", "wrong"}


def test_endless_answers_come_in_the_share_asked_for():
    mixed = with_endless([("1/2", "0.5")] * 200, 0.05, seed=0)
    assert sum(answer in ENDLESS for answer, _ in mixed) == 10
    assert with_endless([("1/2", "0.5")], 0.0, seed=0) == [("1/2", "0.5")]


def test_figures_fit_together():
    figures = measure(workers=1, pairs=12, hostile=0.2, timeout_s=0.3, seed=0, rounds=1)
    assert figures.pool_per_s > 0 and figures.ratio > 0 and figures.ratio_algebra > 0
    # One of six answers is endless and takes 0.3 s, so the bound is below 1 / (0.2 x 0.3), and no pool exceeds it.
    assert figures.bound_per_s < 1 / (0.2 * 0.3)
    assert 0 < figures.hostile_per_s <= 1 / (0.3 / 6)
    assert f"{figures.of_bound:.0%} of the bound" in described(figures)


def test_the_command(capsys):
    assert main(["verify", "check", r"so \boxed{042}", "42"]) == 0
    assert capsys.readouterr().out == "score 1, correct, extracted '042'\n"
    small = ["--pairs", "4", "--rounds", "1", "--hostile", "0", "--workers", "1"]
    assert main(["verify", "bench", *small, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pairs"] == 4


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "x", "y", "--kind", "poem"],
        ["bench", "--pairs", "0"],
        ["bench", "--hostile", "1"],
        ["bench", "--workers", "0"],
    ],
)
def test_a_mistake_gets_one_line(arguments, capsys):
    assert main(["verify", *arguments]) == 2
    assert capsys.readouterr().err.startswith("error: ")
