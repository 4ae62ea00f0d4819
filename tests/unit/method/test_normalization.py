# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Both normalizations by hand: N = 4 questions, L_max = 10."""

import pytest
import torch

from hpt.method.config import HPTConfig
from hpt.method.normalization import NORMALIZATIONS, PromptNormalization, ReleasedNormalization

# A row of 3 tokens in a group of 2 rows and 8 tokens, in a step of 50.
ROW = {"row_tokens": 3, "group_rows": 2, "group_tokens": 8, "step_tokens": 50}


@pytest.mark.parametrize(
    ("length", "expected"),
    [("constant", 4 * 2 * 10), ("row", 4 * 2 * 3), ("group", 4 * 8), ("step", 50)],
)
def test_prompt_divides_rl_by_questions_and_the_groups_tokens(length, expected):
    assert PromptNormalization(4, 10).rl(length, **ROW) == expected


def test_prompt_divides_sft_by_questions_and_their_tokens_or_by_all_tokens_of_the_step():
    assert PromptNormalization(4, 10).sft(3, 50) == 4 * 3
    assert PromptNormalization(4, 10, pooled_sft=True).sft(3, 50) == 50
    assert PromptNormalization.sft_in_micro_batch(torch.ones(2, 5)) == 1.0


@pytest.mark.parametrize("length", ["constant", "row", "group", "step"])
def test_released_divides_rl_by_length_and_ranks_whatever_the_entry(length):
    assert ReleasedNormalization(4, 10, ranks=8).rl(length, **ROW) == 80


def test_released_divides_sft_in_the_micro_batch():
    assert ReleasedNormalization(4, 10, ranks=8).sft(3, 50) == 8
    assert ReleasedNormalization.sft_in_micro_batch(torch.ones(2, 5)) == 10
    assert ReleasedNormalization.sft_in_micro_batch(torch.zeros(0, 5)) == 1  # no demonstration, no division by 0


def test_what_the_released_code_does_beside_dividing():
    assert not ReleasedNormalization.standardizes and ReleasedNormalization.averages_entropy
    assert ReleasedNormalization.demonstration_entry == "luffy_offline"
    assert ReleasedNormalization.cuts_rows and not PromptNormalization.cuts_rows
    assert PromptNormalization.standardizes and not PromptNormalization.averages_entropy


def test_settings_choose_the_class_and_give_it_its_sizes():
    assert {"prompt": PromptNormalization, "released": ReleasedNormalization} == NORMALIZATIONS
    assert HPTConfig().normalization_with(4, 10, 8) == PromptNormalization(4, 10)
    assert HPTConfig(strategy="sft_only").normalization_with(4, 10, 8) == PromptNormalization(4, 10, True)
    assert HPTConfig(normalization="released").normalization_with(4, 10, 8) == ReleasedNormalization(4, 10, 8)


@pytest.mark.parametrize("cls", NORMALIZATIONS.values())
def test_a_step_has_a_question(cls):
    with pytest.raises(ValueError, match="questions_per_step=0"):
        cls(0, 10)
