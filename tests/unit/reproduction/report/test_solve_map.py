# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Maps of solved questions and their difference."""

import csv
import io

import numpy as np
import pytest

from recipe.hpt.reproduction.report.runs import RunEntry, RunsError
from recipe.hpt.reproduction.report.solve_map import (
    EPOCH,
    STEP,
    grid_of,
    layout_of,
    solve_map_figures,
    visits_of,
)
from tests.unit.reproduction.report.folders import metrics, questions


def training(tmp_path, steps, method="hpt", seed=0):
    folder = metrics(tmp_path / f"{method}-{seed}", {step: {} for step, _ in steps})
    questions(folder, steps)
    return RunEntry("builtin", method, seed, (folder,))


EPOCHS = {(1, 0): {"a": 0, "b": 4}, (2, 0): {"c": 1}, (3, 1): {"b": 4, "c": 3}, (4, 1): {"a": 2}}


def data(figure):
    return list(csv.DictReader(io.StringIO(figure.csv)))


def test_questions_that_come_back_are_rows_over_epochs(tmp_path):
    visits = visits_of(training(tmp_path, EPOCHS))
    assert layout_of(visits) == EPOCH
    shares = {(visit.question, visit.epoch): visit.share for visit in visits}
    assert grid_of(shares, EPOCH).tolist() == [[0.0, 0.5], [0.25, 0.75], [1.0, 1.0]]  # a, c, b


def test_a_question_that_was_not_seen_leaves_a_gap():
    grid = grid_of({("a", 0): 1.0, ("b", 0): 0.0, ("b", 1): 0.5}, EPOCH)
    np.testing.assert_equal(grid, [[0.0, 0.5], [1.0, np.nan]])


def test_of_one_epoch_every_step_is_sorted(tmp_path):
    steps = {(1, 0): {"a": 4, "b": 0, "c": 2}, (2, 0): {"d": 1, "e": 0}}
    visits = visits_of(training(tmp_path, steps))
    assert layout_of(visits) == STEP
    shares = {(visit.question, visit.step): visit.share for visit in visits}
    np.testing.assert_equal(grid_of(shares, STEP), [[0.0, 0.0], [0.5, 0.25], [1.0, np.nan]])


def test_stages_go_on_where_the_first_stopped(tmp_path):
    first = training(tmp_path, {(1, 0): {"a": 1}, (2, 0): {"b": 2}}, "grpo")
    second = training(tmp_path, {(1, 0): {"c": 3}}, "luffy")
    both = RunEntry("builtin", "sft_grpo", 0, (*first.training, *second.training))
    assert [(v.step, v.question, v.correct) for v in visits_of(both)] == [
        (1, "a", 1), (2, "b", 2), (3, "c", 3),
    ]  # fmt: skip


def test_map_and_difference(tmp_path):
    other = {(1, 0): {"a": 1, "b": 4}, (2, 0): {"c": 3}, (3, 1): {"b": 0, "z": 3}, (4, 1): {"a": 2}}
    maps, difference = solve_map_figures("m", "M", [training(tmp_path, EPOCHS), training(tmp_path, other, "grpo")])
    mine = [row for row in data(maps) if row["method"] == "hpt"]
    assert len(mine) == 6 and mine[0] == {
        "method": "hpt", "seed": "0", "step": "1", "epoch": "0", "question": "a", "n": "4",
        "correct": "0", "share": "0",
    }  # fmt: skip
    found = {(r["question"], r["column"]): float(r["difference"]) for r in data(difference)}
    assert found == {
        ("a", "0"): -0.25, ("b", "0"): 0.0, ("c", "0"): -0.5, ("b", "1"): 1.0, ("a", "1"): 0.0,
    }  # fmt: skip
    assert "GRPO: 5 of HPT's 6 answers are to the same questions" in difference.notes[-1]
    assert "mean difference is +0.050" in difference.notes[-1]


def test_the_lowest_seed_that_two_methods_share(tmp_path):
    runs = [
        training(tmp_path, EPOCHS, seed=0),
        training(tmp_path, EPOCHS, seed=1),
        training(tmp_path, EPOCHS, "luffy", seed=1),
        training(tmp_path, EPOCHS, "grpo", seed=2),
    ]
    maps, _ = solve_map_figures("m", "M", runs)
    assert maps.notes[0] == "Seed 1." and {row["method"] for row in data(maps)} == {"hpt", "luffy"}


def test_what_is_missing_is_named(tmp_path):
    alone = [training(tmp_path, EPOCHS)]
    figures = solve_map_figures("m", "M", alone)
    assert all("questions.jsonl in the folders of trainings" in each.missing for each in figures)
    other = training(tmp_path, {(1, 0): {"x": 1}, (2, 1): {"x": 1}}, "grpo")
    maps, difference = solve_map_figures("m", "M", [*alone, other])
    assert maps.svg and "none in common" in difference.missing


def test_a_line_that_was_cut_off_is_left_out_and_a_damaged_one_named(tmp_path):
    entry = training(tmp_path, EPOCHS)
    file = entry.training[0] / "questions.jsonl"
    whole = visits_of(entry)
    with open(file, "a") as half:
        half.write('{"step": 5, "ep')
    assert visits_of(entry) == whole
    for damaged in (
        '{"step": 5}',
        '{"step": 5, "epoch": 1, "id": ["a"], "n": [4], "correct": []}',
        "7",
    ):
        file.write_text(damaged + "\n")
        with pytest.raises(RunsError, match=r"questions\.jsonl, which cannot be read"):
            visits_of(entry)
