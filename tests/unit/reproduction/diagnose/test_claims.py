# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Verdicts follow the numbers. Each claim gets made-up measurements that support it, refute it, or decide nothing."""

import re

import pytest

from recipe.hpt.reproduction.diagnose.claims import FAILS, HOLDS, OPEN, claims
from recipe.hpt.reproduction.diagnose.results import Diagnosis, Entry, Folds
from recipe.hpt.reproduction.diagnose.variants import (
    CLIPPED,
    GRPO,
    PI_OLD,
    PI_ONE,
    PI_THETA,
    PI_THETA_ON_DEMONSTRATIONS,
    REINFORCE,
    STD,
)

EVERY = (CLIPPED, GRPO, PI_OLD, PI_ONE, PI_THETA, PI_THETA_ON_DEMONSTRATIONS, REINFORCE, STD)
N, L_MAX = 8, 10
UNBIASED = (N - 1) / (N * L_MAX)
# Three folds and questions differ by 1 %, so errors are about that large.
SPREAD = (0.99, 1.0, 1.01)


def entry(variant, variance=1.0, cosine=0.9, questions=1.0, weights=(1.0, 1.0, 1.0), turn=0, **fields):
    """An entry with squared norm 1 and ``variance`` of a step on three questions; ``turn`` changes the noise."""
    spread = SPREAD[turn:] + SPREAD[:turn]
    defaults = {
        "label": variant.label, "entry": variant.entry, "advantage": variant.advantage,
        "rows": variant.rows, "params": {}, "norm": 1.0, "squared_norm": 1.0,
        "variance_rollouts": variance, "variance_questions": questions,
        "relative_rollouts": variance, "relative_questions": questions, "blocks": {},
        "effective_sample_size": 1.0, "tokens": 2, "ess_share": 0.5, "largest_weight": 1.0,
        "stabilised": 0.0, "variance_per_question": [3 * variance * s for s in spread],
        "weight_per_question": list(weights), "cosine": cosine, "cosine_error": 0.01,
        "step_cosine": 0.5, "slope": UNBIASED, "slope_error": 0.05 * UNBIASED,
        "folds": Folds([1.0] * 3, [cosine * s for s in spread], [cosine] * 3),
    }  # fmt: skip
    return Entry(**(defaults | fields))


def diagnosis(*changed: Entry) -> Diagnosis:
    entries = {variant.label: entry(variant) for variant in EVERY}
    entries |= {each.label: each for each in changed}
    accuracy = [0.1, 0.5, 0.9]
    return Diagnosis(3, 3, N, L_MAX, accuracy, None, entries, {}, 1.0, 0.99, 3)


def verdict(argument: str, *changed: Entry) -> str:
    found = claims(diagnosis(*changed), diagnosis(*changed))
    (claim,) = [each for each in found if re.search(argument, each.argument)]
    return claim.verdict


def test_claims_follow_the_measurements():
    assert verdict("unbiased on") == HOLDS
    assert verdict("unbiased on", entry(PI_THETA, slope=1.3 * UNBIASED)) == FAILS
    assert verdict("unbiased on", entry(PI_THETA, slope_error=UNBIASED)) == OPEN


@pytest.mark.parametrize(
    ("argument", "left", "right"),
    [
        ("lower variance than 1/pi_theta, off-policy", PI_OLD, PI_THETA),
        ("^clipping lowers variance$", CLIPPED, PI_OLD),
        ("as published", GRPO, REINFORCE),
    ],
)
def test_variances_are_compared_in_the_right_direction(argument, left, right):
    assert verdict(argument, entry(left, 1.0), entry(right, 2.0)) == HOLDS
    assert verdict(argument, entry(left, 2.0), entry(right, 1.0)) == FAILS
    assert verdict(argument, entry(left, 1.0, turn=1), entry(right, 1.001)) == OPEN


def test_the_same_computation_has_no_lower_variance():
    assert verdict("lower variance than 1/pi_theta, on-policy") == FAILS


def test_relative_variance_counts_the_noise_of_the_norm():
    """Variances that are known to 1 % do not separate 1 from 2 if the norm is unknown."""
    noisy = Folds([0.3, 1.0, 3.0], [0.9] * 3, [0.9] * 3)
    entries = entry(GRPO, 1.0, folds=noisy), entry(REINFORCE, 2.0)
    assert verdict("as published", *entries) == OPEN


@pytest.mark.parametrize(
    ("argument", "left", "right"),
    [
        ("due to pi_ref = 1", PI_ONE, PI_THETA_ON_DEMONSTRATIONS),
        ("clipping adds bias", CLIPPED, PI_OLD),
        ("dividing by std adds bias", STD, PI_OLD),
        ("1/pi_old is less biased", PI_THETA, PI_OLD),
    ],
)
def test_cosines_are_compared_in_the_right_direction(argument, left, right):
    assert verdict(argument, entry(left, cosine=0.5), entry(right, cosine=0.9)) == HOLDS
    assert verdict(argument, entry(left, cosine=0.9), entry(right, cosine=0.5)) == FAILS
    nearly = entry(left, cosine=0.9, turn=1), entry(right, cosine=0.9001)
    assert verdict(argument, *nearly) == OPEN


@pytest.mark.parametrize(("cosine", "expected"), [(0.3, HOLDS), (0.7, FAILS), (0.495, OPEN)])
def test_heavily_biased_is_a_cosine_clearly_below_one_half(cosine, expected):
    assert verdict("is heavily biased", entry(PI_ONE, cosine=cosine)) == expected


@pytest.mark.parametrize(("questions", "expected"), [(0.5, HOLDS), (1.5, FAILS), (0.9, OPEN)])
def test_stable_looks_at_questions_as_well(questions, expected):
    assert verdict("is stable", entry(PI_ONE, questions=questions)) == expected


@pytest.mark.parametrize(("weights", "expected"), [((2.0, 1.0, 2.0), HOLDS), ((1.0, 2.0, 1.0), FAILS)])
def test_difficulty_bias_is_weight_on_easy_and_hard_questions(weights, expected):
    assert verdict("difficulty bias", entry(STD, weights=weights)) == expected


def test_what_was_not_measured_or_not_resolved_is_not_claimed():
    lost = entry(PI_OLD, folds=None)
    arguments = [each.argument for each in claims(diagnosis(lost), diagnosis(lost))]
    assert any("unbiased" in each for each in arguments)
    assert not any("clipping" in each for each in arguments)
    assert claims(Diagnosis(3, 3, N, L_MAX, [], None, {}), diagnosis()) != []
