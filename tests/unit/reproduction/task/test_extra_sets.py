# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The held-out sets beside the validation: what is in them, and that no training question is."""

import pyarrow.parquet as pq
import pytest

from hpt.common.errors import ConfigError
from recipe.hpt.reproduction.task import extra_sets
from recipe.hpt.reproduction.task import questions as task
from recipe.hpt.reproduction.task.model import BaseModelSettings
from tests.unit.reproduction.task.tiny import encode


def questions(rows):
    return {row["prompt"][0]["content"] for row in rows}


def test_levels_are_harder_than_any_other_or_those_of_the_base_model():
    assert min(extra_sets.LEVELS["ood_level"]) > max(task.VAL_LEVELS)
    assert extra_sets.LEVELS["forgetting"] == BaseModelSettings.levels
    assert extra_sets.in_parentheses("37+8x3=") == "37+(8x3)="


@pytest.mark.parametrize("name", extra_sets.NAMES)
def test_rows_are_a_question_file_of_their_own_source(name, tokenizer):
    rows = extra_sets.make_extra_set(name, 5, seed=0)
    assert [row["extra_info"]["level"] for row in rows] == [
        level for level in extra_sets.LEVELS[name] for _ in range(5)
    ]
    for row in rows:
        assert row["data_source"] == f"builtin/{name}/level_{row['extra_info']['level']}"
        assert row["extra_info"]["split"] == name
        assert task.boxed_answer(row["target"]) == row["reward_model"]["ground_truth"]
        (message,) = row["prompt"]
        assert tokenizer.decode(encode(tokenizer, message["content"])) == message["content"]
        assert ("(" in message["content"]) == (name == "ood_notation")


@pytest.mark.parametrize("name", extra_sets.NAMES)
def test_questions_are_held_out_and_not_those_of_the_development_set(name):
    other = task.make_split("train", dict.fromkeys(range(1, 10), 700), 1)
    other += task.make_split("dev", dict.fromkeys(range(1, 10), 100), 1)
    shown = {
        question.replace("(", "").replace(")", "") for question in questions(extra_sets.make_extra_set(name, 64, 0))
    }
    assert len(shown) == 64 * len(extra_sets.LEVELS[name])
    assert not shown & questions(other)


def test_the_same_arguments_give_the_same_files(tmp_path):
    first = extra_sets.write_extra_sets(tmp_path / "a", 3, 4)
    second = extra_sets.write_extra_sets(tmp_path / "b", 3, 4)
    assert [path.name for path in first] == ["ood_level.parquet", "ood_notation.parquet", "forgetting.parquet"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert pq.read_table(first[0]).to_pylist() == extra_sets.make_extra_set("ood_level", 4, 3)


def test_unknown_sets_and_sizes_are_refused():
    with pytest.raises(ConfigError, match=r"Unknown extra set 'hard'\. Available: forgetting, ood_level, ood_notation"):
        extra_sets.make_extra_set("hard", 4, 0)
    with pytest.raises(ConfigError, match="got 0 questions per level"):
        extra_sets.make_extra_set("forgetting", 0, 0)
