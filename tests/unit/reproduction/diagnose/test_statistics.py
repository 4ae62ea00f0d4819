# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Streamed statistics agree with direct computation.

Shapes: Q questions, K groups, P parameters in B blocks.
"""

import itertools
import math

import pytest
import torch

from recipe.hpt.reproduction.diagnose.statistics import (
    MAX_FOLDS,
    FoldMeans,
    Layout,
    NestedMoments,
    WeightMass,
    Welford,
    cosine,
    jackknife_error,
    leave_one_out_means,
    leave_one_out_squares,
    paired_difference,
)

F64 = torch.float64
# Block 0 is not contiguous: it has the elements 0, 1 and 5.
LAYOUT = Layout(sizes=(2, 3, 1), block=(0, 1, 0), names=("a", "b"))
BLOCKS = ([0, 1, 5], [2, 3, 4])


def by_block(per_element: torch.Tensor) -> torch.Tensor:
    return torch.stack([per_element[block].sum() for block in BLOCKS])


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


def one_block(size: int) -> Layout:
    return Layout((size,), (0,), ("all",))


def nested(layout: Layout, gradients: torch.Tensor) -> NestedMoments:
    """The moments of g_qk, (Q, K, P)."""
    moments = NestedMoments(layout)
    for question in gradients:
        groups = Welford(layout)
        for vector in question:
            groups.add(vector)
        moments.add(groups)
    return moments


def test_block_dots_by_hand():
    left = torch.tensor([1.0, 2, 3, 4, 5, 6], dtype=F64)
    assert LAYOUT.block_dots(left, torch.ones(6, dtype=F64)).tolist() == [9, 12]
    assert LAYOUT.total == 6


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_welford_equals_the_two_pass_variance_even_far_from_zero(offset):
    vectors = normal(7, 6) + offset
    streamed = Welford(LAYOUT)
    for vector in vectors:
        streamed.add(vector)
    torch.testing.assert_close(streamed.mean, vectors.mean(0), rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(streamed.variance(), by_block(vectors.var(0)), rtol=1e-8, atol=0)


def test_components_by_their_formulas():
    gradients = normal(4, 3, 6)
    moments = nested(LAYOUT, gradients)
    within = torch.stack([by_block(question.var(0)) for question in gradients])
    means = gradients.mean(1)
    torch.testing.assert_close(moments.within, within)
    torch.testing.assert_close(moments.rollout_variance, within.mean(0) / 4)
    between = by_block(means.var(0)) - within.mean(0) / 3
    torch.testing.assert_close(moments.question_variance, between / 4)
    corrected = by_block(means.mean(0).square()) - within.mean(0) / 12
    torch.testing.assert_close(moments.squared_norm, corrected)
    torch.testing.assert_close(moments.mean, means.mean(0))


def test_components_of_a_known_estimator():
    """Here g_qk = mu + a_q + e_qk with known variances. P independent elements average chance away."""
    size, questions, groups, of_a, of_e = 200_000, 5, 3, 0.5, 2.0
    signal = 0.3 * normal(size, seed=1)
    a = of_a * normal(questions, 1, size, seed=2)
    gradients = signal + a + of_e * normal(questions, groups, size, seed=3)
    moments = nested(one_block(size), gradients)
    assert moments.rollout_variance.item() == pytest.approx(size * of_e**2 / questions, rel=0.02)
    assert moments.question_variance is not None
    # The groups' noise is 5 times the question's own variance here. Uncorrected, the result would be 6 times too large.
    assert moments.question_variance.item() == pytest.approx(size * of_a**2 / questions, rel=0.1)
    truth = (signal + a.mean((0, 1))).square().sum().item()
    assert moments.squared_norm.item() == pytest.approx(truth, rel=0.05)


def test_a_single_question_has_no_variance_over_questions():
    assert nested(LAYOUT, normal(1, 3, 6)).question_variance is None


def test_effective_sample_size_by_hand():
    mass = WeightMass()
    mass.add(torch.tensor([1.0, -1.0]))
    mass.add(torch.tensor([[2.0], [0.0]]))
    assert mass.effective_sample_size == pytest.approx(16 / 6)
    assert (mass.tokens, mass.largest, mass.total) == (4, 2.0, 4.0)


def test_effective_sample_size_of_equal_weights_is_their_number_and_of_none_is_zero():
    equal, zero = WeightMass(), WeightMass()
    equal.add(torch.full((5,), -3e-9))
    zero.add(torch.zeros(5))
    assert equal.effective_sample_size == pytest.approx(5)
    assert zero.effective_sample_size == 0


def test_cosine_by_hand():
    assert cosine(3.0, 9.0, 4.0) == pytest.approx(0.5)
    assert cosine(-3.0, 9.0, 4.0) == pytest.approx(-0.5)
    assert cosine(1.0, -0.1, 4.0) is None
    assert cosine(1.0, 0.1, 0.0) is None


@pytest.mark.parametrize("groups", [3, MAX_FOLDS, MAX_FOLDS + 3])
def test_folds_hold_the_means_of_their_groups(groups):
    vectors = normal(2, groups, 6)  # two questions
    folds = FoldMeans(LAYOUT, groups)
    for question, k in itertools.product(range(2), range(groups)):
        folds.add(k, vectors[question, k])
    count = min(groups, MAX_FOLDS)
    means = torch.stack([vectors[:, f::count].mean((0, 1)) for f in range(count)])
    probe = normal(6, seed=4)
    torch.testing.assert_close(folds.projections(probe), means @ probe, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(folds.gram(), means @ means.T, rtol=1e-5, atol=1e-6)


def test_leaving_one_out_equals_a_loop():
    vectors = normal(5, 6)
    found = leave_one_out_squares(vectors @ vectors.T)
    for left_out in range(5):
        rest = [v for i, v in enumerate(vectors) if i != left_out]
        pairs = [torch.dot(a, b) for a, b in itertools.permutations(rest, 2)]
        torch.testing.assert_close(found[left_out], torch.stack(pairs).mean())
    values = normal(5)
    expected = [torch.cat([values[:i], values[i + 1 :]]).mean() for i in range(5)]
    torch.testing.assert_close(leave_one_out_means(values), torch.stack(expected))


def test_the_jackknife_of_a_mean_is_its_standard_error():
    values, others = normal(9), normal(4, seed=1)
    error = jackknife_error(leave_one_out_means(values))
    assert error == pytest.approx(values.std().item() / 3)
    both = jackknife_error(leave_one_out_means(values), leave_one_out_means(others))
    assert both == pytest.approx(math.hypot(error, others.std().item() / 2))


def test_paired_difference_by_hand():
    left, right = torch.tensor([1.0, 5.0, 3.0], dtype=F64), torch.tensor([0.0, 2.0, 1.0], dtype=F64)
    assert paired_difference(left, right) == pytest.approx((2.0, 1 / math.sqrt(3)))
