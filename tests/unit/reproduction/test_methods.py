# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The methods of a study."""

import runpy

import pytest

from hpt.method.normalization import PromptNormalization
from hpt.method.routing import step_of_demonstrations
from hpt.method.strategies import STRATEGIES
from recipe.hpt.reproduction.errors import StudyError
from recipe.hpt.reproduction.methods import (
    DROPPED,
    MEAN_OF_MEANS,
    METHODS,
    MICRO_BATCHES,
    STAGES,
    check_methods,
    swept_as,
)


def test_an_unknown_method_lists_the_options():
    with pytest.raises(StudyError, match=r"Unknown method 'gpro'\. Available: base, sft, grpo, "):
        check_methods(["hpt", "gpro"])
    assert check_methods(["hpt", "base"]) == ("base", "hpt")


def test_every_stage_of_a_method_is_one_and_ablations_are_swept_as_hpt():
    assert {stage for method in METHODS.values() for stage in method.stages} == set(STAGES)
    assert {
        swept_as(stage) for method in METHODS.values() if method.group == "ablation" for stage in method.stages
    } == {"hpt"}


LENGTHS = {str(number): length for number, length in enumerate((10, 10, 10, 10, 40, 40, 40, 40, *[20] * 8))}
"""Tokens of the 16 demonstrations of an optimizer step."""


def weights(lengths, questions, coefficient=1.0, strategy="sft_only"):
    normalization = PromptNormalization(questions, 64, pooled_sft=STRATEGIES[strategy].pooled_sft)
    return [row.sft_weight for row in step_of_demonstrations(lengths, normalization, coefficient, 0)]


def test_a_dropped_micro_batch_leaves_a_mean_over_the_kept_one_and_a_quarter_of_it():
    kept = dict(list(LENGTHS.items())[: 16 // MICRO_BATCHES])
    faulty = weights(kept, DROPPED["actor_rollout_ref.actor.ppo_mini_batch_size"], DROPPED["hpt.sft_coef"])
    assert faulty == [1 / MICRO_BATCHES / sum(kept.values())] * len(kept)
    assert weights(LENGTHS, 16) == [1 / sum(LENGTHS.values())] * 16


def test_a_mean_of_means_weighs_a_token_of_a_short_demonstration_more():
    runpy.run_module("recipe.hpt.reproduction.faulty_sft")
    try:
        found = weights(LENGTHS, 16, strategy=MEAN_OF_MEANS["hpt.strategy"])
    finally:
        del STRATEGIES[MEAN_OF_MEANS["hpt.strategy"]]  # other tests compare the table with the pages
    assert found == [1 / (16 * length) for length in LENGTHS.values()]
