# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A run read back from its metrics files."""

import json

import pytest

from hpt.common.training_log import read_run


def write(path, rows):
    path.write_text("".join(json.dumps({"step": step, "data": data}) + "\n" for step, data in rows))


def accuracy(*values):
    return {f"val-core/builtin/level_{level}/acc/mean@1": value for level, value in zip((1, 2, 7), values, strict=True)}


@pytest.fixture
def folder(tmp_path):
    write(
        tmp_path / "metrics.1.jsonl",
        [(0, accuracy(1.0, 0.0, 0.0)), (1, {"hpt/sft_share_questions": 0.8})],
    )
    write(tmp_path / "metrics.2.jsonl", [(2, {"hpt/sft_share_questions": 0.9})])
    last = {
        "hpt/sft_share_questions": 0.2,
        "hpt/loss_sft": 1.0,
        "hpt/loss_rl": -0.1,
        **accuracy(0.9, 0.6, 0.1),
    }
    write(tmp_path / "metrics.jsonl", [(2, {"hpt/sft_share_questions": 0.4}), (3, last)])
    return tmp_path


def test_launches_are_read_as_one_run_and_the_last_has_the_last_word(folder):
    assert read_run(folder).series("hpt/sft_share_questions") == {1: 0.8, 2: 0.4, 3: 0.2}


def test_a_line_that_was_cut_off_is_left_out(folder):
    with open(folder / "metrics.jsonl", "a") as file:
        file.write('{"step": 4, "da')
    assert max(read_run(folder).steps) == 3


def test_a_folder_without_metrics_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"no metrics.jsonl in {tmp_path}"):
        read_run(tmp_path)


def test_older_runs_get_todays_names(tmp_path):
    old = {"hpt/offline_ratio": 0.5, "hpt/sft_share_tokens": 0.25, "hpt/loss_offline": -1.0}
    shares = {"hpt/sft_share_questions": 0.75, "hpt/coefficient_off": 0.75, "hpt/coefficient_sft": 0.0}
    mixed = {**shares, "hpt/coefficient_sft": 0.75}
    write(tmp_path / "metrics.jsonl", [(1, {**old, **shares}), (2, mixed)])
    run = read_run(tmp_path)
    assert run.steps[1] == {
        "hpt/demonstration_share_rows": 0.5, "hpt/demonstration_share_tokens": 0.25, "hpt/loss_off": -1.0,
        "hpt/demonstration_share_questions": 0.75, "hpt/sft_share_questions": 0.0,
        "hpt/coefficient_off": 0.75, "hpt/coefficient_sft": 0.0,
    }  # fmt: skip
    assert run.series("hpt/sft_share_questions") == {1: 0.0, 2: 0.75}


def test_todays_shares_stay_as_they_are(tmp_path):
    row = {"hpt/demonstration_share_questions": 0.75, "hpt/sft_share_questions": 0.5, "hpt/coefficient_sft": 0.5}
    write(tmp_path / "metrics.jsonl", [(1, row)])
    assert read_run(tmp_path).steps == {1: row}
