# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpt.method.gate import (
    OFF_POLICY,
    RL,
    SCHEDULES,
    SFT,
    Coefficients,
    mean_score,
    schedule,
    switch,
)


def test_the_mean_score_is_the_share_of_solved_rollouts():
    assert mean_score([1.0, 0.0, 0.0, 0.0]) == 0.25
    assert mean_score([0.5]) == 0.5
    assert mean_score([1] * 8) == 1.0


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=64))
def test_the_mean_score_lies_between_the_lowest_and_the_highest_score(scores):
    assert min(scores) - 1e-12 <= mean_score(scores) <= max(scores) + 1e-12


@pytest.mark.parametrize("bad", [-0.001, 1.5, -1.0, float("nan"), float("inf")])
def test_a_score_outside_0_and_1_is_refused_and_named(bad):
    with pytest.raises(ValueError, match=rf"got a rollout score of {bad};.*return scores in \[0, 1"):
        mean_score([0.0, bad, 1.0])


def test_a_question_without_rollouts_is_refused():
    with pytest.raises(ValueError, match="without rollouts has no mean score; expected n >= 1"):
        mean_score([])


def test_the_default_gamma_of_0_sends_only_unsolved_questions_to_sft():
    feedback = switch(0.0)
    assert feedback(0.0) == SFT
    assert feedback(1 / 64) == RL
    assert feedback(1.0) == RL


def test_gamma_1_sends_every_question_to_sft():
    feedback = switch(1.0)
    assert [feedback(mean) for mean in (0.0, 0.5, 1.0)] == [SFT, SFT, SFT]


def test_p_equal_to_gamma_goes_to_sft():
    feedback = switch(0.5)
    assert feedback(mean_score([1, 0, 1, 0])) == SFT
    assert feedback(mean_score([1, 0, 1, 1])) == RL


@pytest.mark.parametrize("gamma", [1 / 3, 0.333333, 0.3333333])
def test_one_of_three_passes_a_third_however_it_is_written(gamma):
    assert switch(gamma)(mean_score([0.0, 1.0, 0.0])) == SFT
    assert switch(gamma)(mean_score([0.0, 1.0, 1.0])) == RL


def test_the_tolerance_is_far_below_the_step_between_two_shares():
    # 0.333 is a gamma below a third, not a way to write it.
    assert switch(0.333)(1 / 3) == RL


def test_the_switch_agrees_with_exact_fractions_for_all_group_sizes():
    """k of n solved against gamma = j / m: the float comparison decides as whole numbers do."""
    for n, m in itertools.product((1, 2, 3, 6, 7, 8, 10, 64), (1, 3, 4, 7, 8, 10)):
        for solved, j in itertools.product(range(n + 1), range(m + 1)):
            scores = [1.0] * solved + [0.0] * (n - solved)
            expected = SFT if Fraction(solved, n) <= Fraction(j, m) else RL
            assert switch(j / m)(mean_score(scores)) == expected, (solved, n, j, m)


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_exactly_one_of_the_two_terms_is_on_and_sft_only_at_or_below_gamma(gamma, mean):
    alpha, off, beta = switch(gamma)(mean)
    assert off == 0.0
    assert {alpha, beta} == {0.0, 1.0}
    if beta:
        assert mean <= gamma + 1e-5
    else:
        assert mean > gamma


@pytest.mark.parametrize("gamma", [-0.01, 1.01, float("nan")])
def test_a_gamma_outside_0_and_1_is_refused(gamma):
    with pytest.raises(ValueError, match=rf"got gamma={gamma}; expected .* in \[0, 1\]"):
        switch(gamma)


# ---- the middle band, other gated coefficients ----


def test_the_middle_band_is_off_policy_rl_on_the_demonstration():
    feedback = switch(0.25, gamma_off=0.5)
    means = (0.0, 0.25, 0.375, 0.5, 0.625, 1.0)
    assert [feedback(mean) for mean in means] == [SFT, SFT, OFF_POLICY, OFF_POLICY, RL, RL]
    assert OFF_POLICY == (0.0, 1.0, 0.0)


@pytest.mark.parametrize("bad", [0.2, 1.1, -1.0, float("nan")])
def test_a_band_below_gamma_or_above_1_is_refused(bad):
    with pytest.raises(ValueError, match=r"expected a mean rollout accuracy in \[gamma, 1\]"):
        switch(0.25, gamma_off=bad)


def test_what_a_gated_question_gets_can_be_chosen():
    mixed = Coefficients(0.0, 1.0, 0.5)
    assert switch(0.0, mixed)(0.0) == mixed
    assert switch(0.0, mixed)(0.5) == RL


# ---- schedules ----

# (on, off, sft) at 1 to 8 correct of 8, as the released trainer has them.
RELEASED = {
    "type_0": [
        (0, 0, 1),
        (0.125, 0.5, 0.5),
        (0.25, 1, 0.25),
        (0.5, 0.5, 0.125),
        (1, 0.25, 0),
        (1, 0.125, 0),
        (1, 0, 0),
        (1, 0, 0),
    ],
    "type_1": [(0, 1, 1), (0.125, 1, 0.5), (0.25, 1, 0.25), (0.5, 1, 0.125)] + [(1, 1, 0)] * 4,
    "type_2": [(0, 0, 1), (0.125, 0, 0.5), (0.25, 0, 0.25), (0.5, 0, 0.125)] + [(1, 0, 0)] * 4,
}


@pytest.mark.parametrize("name", RELEASED)
def test_a_released_table_is_met_at_its_eight_points(name):
    feedback = schedule(SCHEDULES[name])
    assert [feedback(count / 8) for count in range(1, 9)] == [pytest.approx(values) for values in RELEASED[name]]
    assert feedback(0.0) == pytest.approx(RELEASED[name][0])
    assert set(SCHEDULES) == set(RELEASED)


def test_between_knots_coefficients_lie_on_a_straight_line():
    feedback = schedule([(0, 0, 1, 2), (0.5, 1, 0, 2), (1, 3, 0, 0)])
    assert feedback(0.125) == pytest.approx((0.25, 0.75, 2))
    assert feedback(0.75) == pytest.approx((2, 0, 1))


@pytest.mark.parametrize(
    ("knots", "part"),
    [
        ([], "expected rows"),
        ([(0, 1, 1), (1, 1, 1)], "expected rows"),
        ([(0.1, 0, 0, 1), (1, 1, 0, 0)], "without a gap, from 0 to 1"),
        ([(0, 0, 0, 1), (0.9, 1, 0, 0)], "without a gap, from 0 to 1"),
        ([(0, 0, 0, 1), (0.5, 1, 0, 0), (0.5, 1, 0, 1), (1, 1, 0, 0)], "values that rise"),
        ([(0, 0, -0.1, 1), (1, 1, 0, 0)], r"coefficients \(0.0, -0.1, 1.0\) at P = 0.0"),
        ([(0, 0, float("nan"), 1), (1, 1, 0, 0)], "three finite numbers >= 0"),
    ],
)
def test_a_bad_schedule_is_refused(knots, part):
    with pytest.raises(ValueError, match=part):
        schedule(knots)
