# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The built-in task: arithmetic, splits, files."""

import random
import re
import subprocess
import sys
from collections import Counter

import pyarrow.parquet as pq
import pytest

from hpt.data import builtin_task as task

SMALL_TRAIN = {1: 120, 2: 60, 3: 60, 4: 60, 5: 60, 6: 60}
SMALL_VAL = {1: 30, 2: 30, 3: 30, 4: 30, 5: 30, 6: 30, 8: 30}


def questions(rows):
    return [row["prompt"][0]["content"] for row in rows]


def test_the_documented_example():
    terms = (37, 5, 8, 2)
    assert task.question_text(terms) == "37+5+8+2="
    assert task.solution_text(terms) == r"37+5:42,42+8:50,50+2:52 \boxed{52}"
    assert task.answer_text(terms) == "52"


def test_level_one_is_the_box_alone_and_sums_wrap_at_one_hundred():
    assert task.solution_text((7,)) == r"\boxed{07}"
    assert task.question_text((7,)) == "07="
    assert task.question_text((7, 5)) == "07+5="
    assert task.solution_text((97, 5, 0)) == r"97+5:02,02+0:02 \boxed{02}"


@pytest.mark.parametrize("split, counts", [("train", SMALL_TRAIN), ("val", SMALL_VAL)])
def test_every_solution_is_right_step_by_step(split, counts):
    for row in task.make_split(split, counts, seed=3):
        terms = [int(term) for term in row["prompt"][0]["content"].rstrip("=").split("+")]
        steps = [tuple(map(int, step)) for step in re.findall(r"(\d+)\+(\d+):(\d+)", row["target"])]
        assert len(steps) == len(terms) - 1
        carried = terms[0]
        for (left, right, result), term in zip(steps, terms[1:], strict=True):
            assert (left, right) == (carried, term)
            assert result == (left + right) % 100
            carried = result
        answer = row["reward_model"]["ground_truth"]
        assert int(answer) == carried == sum(terms) % 100
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


def test_sampled_questions_stay_on_their_side():
    rng = random.Random(0)
    for held_out in (False, True):
        for level in (1, 2, 5):
            terms = task.sample_terms(level, rng, held_out)
            assert len(terms) == level and task.is_held_out(terms) == held_out
            assert 0 <= terms[0] < 100 and all(0 <= term < 10 for term in terms[1:])


def test_documented_size_of_the_held_out_pools():
    assert len(task.all_terms(1, True)) == 22
    assert len(task.all_terms(1, False)) == 78
    assert len(task.all_terms(2, True)) == 194
    assert len(task.all_terms(2, False)) == 806


def test_only_exhausted_levels_repeat_questions_and_only_in_training():
    train = task.make_split("train", SMALL_TRAIN, seed=0)
    times = Counter(questions(train))
    assert len(train) == sum(SMALL_TRAIN.values())
    for question, count in times.items():
        assert count <= (2 if "+" not in question else 1)
    val = task.make_split("val", SMALL_VAL, seed=0)
    assert max(Counter(questions(val)).values()) == 1
    levels = Counter(row["extra_info"]["level"] for row in val)
    assert levels == {**SMALL_VAL, 1: 22}


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
    with pytest.raises(ValueError, match=r"Unknown split 'test'\. Available: train, val"):
        task.make_split("test", {1: 1}, seed=0)
    with pytest.raises(ValueError, match="at least 1"):
        task.make_split("train", {0: 1}, seed=0)
    with pytest.raises(ValueError, match="distinct questions of level 4"):
        task.make_split("val", {4: 50_000}, seed=0)
    with pytest.raises(ValueError, match="must be positive"):
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
    assert [row["extra_info"]["level"] for row in val] == [
        level for level in task.VAL_LEVELS for _ in range(5)
    ]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    train, _ = task.write_task(tmp_path, seed=1, train_size=12, val_per_level=2)
    before = train.read_bytes()

    def interrupted(table, path):
        with open(path, "wb") as file:
            file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(task.pq, "write_table", interrupted)
    with pytest.raises(KeyboardInterrupt):
        task.write_task(tmp_path, seed=2, train_size=12, val_per_level=2)
    assert train.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


def test_importing_the_task_does_not_import_torch():
    code = "import sys, hpt.data.builtin_task; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
