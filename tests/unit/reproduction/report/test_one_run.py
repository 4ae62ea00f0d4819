# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The summary and the figure of one run."""

import pytest

from hpt.common.training_log import read_run
from recipe.hpt.reproduction.report.one_run import plot, stretches, summary
from tests.unit.reproduction.report.folders import metrics

LEVELS = (1, 2)


def accuracy(*values):
    return {f"val-core/builtin/level_{level}/acc/mean@1": value for level, value in zip((1, 2, 7), values, strict=True)}


@pytest.fixture
def folder(tmp_path):
    share = "hpt/demonstration_share_questions"
    rows = {
        0: accuracy(1.0, 0.0, 0.0),
        1: {share: 0.8},
        2: {share: 0.4},
        3: {share: 0.2, "hpt/loss_sft": 1.0, "hpt/loss_rl": -0.1, **accuracy(0.9, 0.6, 0.1)},
    }
    return metrics(tmp_path / "run", rows)


def test_summary_shows_before_after_and_the_share_over_time(folder):
    text = summary(read_run(folder), LEVELS).splitlines()
    assert text[0].split() == [
        "Held-out",
        "accuracy",
        "(greedy)",
        "step",
        "0",
        "step",
        "3",
        "change",
    ]
    assert text[1].split()[-3:] == ["1.000", "0.900", "-0.100"]
    assert "(not in training)" in text[3] and text[3].split()[-3:] == ["0.000", "0.100", "+0.100"]
    assert text[4].split()[-3:] == ["0.500", "0.750", "+0.250"]  # of levels 1 and 2
    assert text[-1].split() == ["share", "0.80", "0.40", "0.20"]


def test_summary_of_a_run_without_validation_is_refused(tmp_path):
    metrics(tmp_path, {1: {"hpt/demonstration_share_questions": 0.8}})
    with pytest.raises(ValueError, match="no validation"):
        summary(read_run(tmp_path), LEVELS)


def test_stretches_are_means_over_equal_parts():
    series = {step: float(step) for step in range(1, 11)}
    assert stretches(series, 5) == [
        ("1-2", 1.5),
        ("3-4", 3.5),
        ("5-6", 5.5),
        ("7-8", 7.5),
        ("9-10", 9.5),
    ]


def test_plot_writes_a_picture(folder, tmp_path):
    plot(read_run(folder), LEVELS, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
