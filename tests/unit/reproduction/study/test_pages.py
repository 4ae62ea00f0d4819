# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The report of a study: its runs and its pages."""

import pytest

from recipe.hpt.reproduction.errors import StudyError
from recipe.hpt.reproduction.study import pages
from recipe.hpt.reproduction.study.settings import Settings
from tests.unit.reproduction.study.study_folders import SETTINGS, study_folder


@pytest.fixture
def out(tmp_path):
    return study_folder(tmp_path / "study")


def test_the_report_is_given_what_has_finished(out):
    model = {"model": "builtin"}
    stages = ["runs/sft_grpo-seed0-1-sft", "runs/sft_grpo-seed0-2-grpo"]
    hpt = {**model, "method": "hpt"}
    assert pages.entries(out, SETTINGS) == [
        {**model, "method": "sft_grpo", "seed": 0, "training": stages},
        {**hpt, "seed": 0, "training": ["runs/hpt-seed0"], "evaluation": "evaluations/hpt-seed0/results"},
        {**hpt, "seed": 1, "training": ["runs/hpt-seed1"]},
    ]


def test_pages_of_a_study(out):
    lines = pages.write_pages(out, SETTINGS)
    assert lines[-1] == str(out / "report.html")
    assert "43.8 ± " in (out / "tables" / "table2_builtin.md").read_text()  # 7 of 16
    data = (out / "figures" / "figure6_builtin.csv").read_text()
    assert "sft_grpo,3,0.5,,0\n" in data and "hpt,1,0.5,0,0 1\n" in data  # stages, seeds
    with pytest.raises(StudyError, match="nothing to report yet"):
        pages.write_pages(out, Settings(steps=2, seeds=(5,)))
