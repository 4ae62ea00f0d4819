# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The built-in task: arithmetic, splits, files."""

import re
import subprocess
import sys
from collections import Counter

import pyarrow.parquet as pq
import pytest

from hpt.common.errors import ConfigError
from recipe.hpt.reproduction.task import questions as task

SMALL_TRAIN = {1: 800, 2: 60, 3: 60, 4: 60, 5: 60, 6: 60}
SMALL_VAL = {1: 30, 2: 30, 3: 30, 4: 30, 5: 30, 6: 30, 7: 30}


def questions(rows):
    return [row["prompt"][0]["content"] for row in rows]


def test_the_documented_example():
    problem = task.Problem(37, 8, 3)
    assert task.question_text(problem) == "37+8x3="
    assert task.solution_text(problem) == r"3:37+8,2:45+8,1:53+8,0:61 \boxed{61}"
    assert task.answer_text(problem) == "61"


def test_numbers_have_two_digits_and_wrap_at_one_hundred():
    assert task.question_text(task.Problem(7, 5, 1)) == "07+5x1="
    assert task.solution_text(task.Problem(97, 5, 2)) == r"2:97+5,1:02+5,0:07 \boxed{07}"


@pytest.mark.parametrize("split, counts", [("train", SMALL_TRAIN), ("val", SMALL_VAL)])
def test_every_solution_is_right_step_by_step(split, counts):
    for row in task.make_split(split, counts, seed=3):
        start, addend, level = map(int, re.findall(r"\d+", row["prompt"][0]["content"]))
        steps = re.findall(r"(\d):(\d\d)\+(\d)", row["target"])
        total = start
        for done, (left, before, added) in enumerate(steps):
            assert (int(left), int(before), int(added)) == (level - done, total, addend)
            total = (total + addend) % 100
        assert len(steps) == level == row["extra_info"]["level"]
        answer = row["reward_model"]["ground_truth"]
        assert int(answer) == total == (start + addend * level) % 100
        assert len(answer) == 2
        assert task.boxed_answer(row["target"]) == answer


def test_rows_have_verls_columns():
    (row,) = task.make_split("val", {3: 1}, seed=0)
    assert list(row) == [
        "data_source", "prompt", "ability", "reward_model", "extra_info", "target"
    ]  # fmt: skip
    assert row["data_source"] == "builtin/level_3"
    assert row["prompt"][0]["role"] == "user" and len(row["prompt"]) == 1
    assert row["ability"] == "arithmetic"
    assert row["reward_model"]["style"] == "rule"
    assert row["extra_info"] == {"index": 0, "level": 3, "split": "val"}


def test_boxed_answer_takes_the_last_box():
    assert task.boxed_answer(r"\boxed{1} \boxed{23}") == "23"
    assert task.boxed_answer(r"\boxed{12") is None
    assert task.boxed_answer("") is None


@pytest.mark.parametrize("train_seed, val_seed", [(0, 0), (0, 1)])
def test_splits_are_disjoint_even_across_seeds(train_seed, val_seed):
    train = questions(task.make_split("train", SMALL_TRAIN, train_seed))
    val = questions(task.make_split("val", SMALL_VAL, val_seed))
    assert not set(train) & set(val)


def test_documented_size_of_the_held_out_pools():
    for level in task.VAL_LEVELS:
        held, rest = task.all_problems(level, True), task.all_problems(level, False)
        assert len(held) + len(rest) == 900 and 150 < len(held) < 210
        assert all(task.is_held_out(problem) for problem in held)


def test_only_exhausted_levels_repeat_questions_and_only_in_training():
    train = task.make_split("train", SMALL_TRAIN, seed=0)
    times = Counter(questions(train))
    assert len(train) == sum(SMALL_TRAIN.values())
    for question, count in times.items():
        assert count <= (2 if question.endswith("x1=") else 1)
    val = task.make_split("val", {**SMALL_VAL, 1: 500}, seed=0)
    assert max(Counter(questions(val)).values()) == 1
    levels = Counter(row["extra_info"]["level"] for row in val)
    assert levels == {**SMALL_VAL, 1: len(task.all_problems(1, True))}


def test_the_seed_decides_everything():
    first = task.make_split("train", SMALL_TRAIN, seed=5)
    assert first == task.make_split("train", SMALL_TRAIN, seed=5)
    assert questions(first) != questions(task.make_split("train", SMALL_TRAIN, seed=6))


def test_levels_draw_independently():
    both = task.make_split("val", {3: 10, 4: 10}, seed=0, shuffle=False)
    alone = task.make_split("val", {4: 10}, seed=0, shuffle=False)
    assert questions(both)[10:] == questions(alone)


def test_spread_is_even():
    assert task.spread(8, (1, 2, 3)) == {1: 3, 2: 3, 3: 2}


def test_errors_name_the_problem():
    with pytest.raises(ConfigError, match=r"Unknown split 'tets'\. Available: dev, test, train, val"):
        task.make_split("tets", {1: 1}, seed=0)
    for level in (0, 10):
        with pytest.raises(ConfigError, match=f"got level {level}; expected .* from 1 to 9"):
            task.make_split("train", {level: 1}, seed=0)
    with pytest.raises(ConfigError, match="must be positive"):
        task.write_task("unused", train_size=0)


def test_files_are_reproducible_and_readable(tmp_path):
    first = task.write_task(tmp_path / "a", seed=1, train_size=60, val_per_level=5)
    second = task.write_task(tmp_path / "b", seed=1, train_size=60, val_per_level=5)
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    before = first[0].read_bytes()
    task.write_task(tmp_path / "a", seed=1, train_size=60, val_per_level=5)
    assert first[0].read_bytes() == before
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [
        "train.parquet", "val.parquet"
    ]  # fmt: skip

    train, val = (pq.read_table(path).to_pylist() for path in first)
    assert train == task.make_split("train", task.spread(60, task.TRAIN_LEVELS), seed=1)
    assert [row["extra_info"]["level"] for row in val] == [level for level in task.VAL_LEVELS for _ in range(5)]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    train, _ = task.write_task(tmp_path, seed=1, train_size=12, val_per_level=2)
    before = train.read_bytes()

    def interrupted(table, file):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(task.pq, "write_table", interrupted)
    with pytest.raises(KeyboardInterrupt):
        task.write_task(tmp_path, seed=2, train_size=12, val_per_level=2)
    assert train.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


def test_importing_the_task_does_not_import_torch():
    code = "import sys, recipe.hpt.reproduction.task.questions; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
