# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from verl.trainer.ppo.core_algos import compute_grpo_outcome_advantage

from hpt.method.estimator.advantage import group_advantages

F64 = torch.float64


def test_scores_minus_the_groups_mean_by_hand():
    scores = torch.tensor([1.0, 0.0, 0.0, 1.0, 0.5, 0.25], dtype=F64)
    got = group_advantages(scores, ["a", "b", "a", "a", "b", "a"])
    # a: (1 + 0 + 1 + 0.25) / 4 = 0.5625; b: (0 + 0.5) / 2 = 0.25
    assert got.tolist() == [0.4375, -0.25, -0.5625, 0.4375, 0.25, -0.3125]


def test_a_group_of_one_keeps_its_score():
    """So a demonstration of score 1 has A = 1, as in Table 1 of the paper."""
    got = group_advantages(torch.tensor([1.0, 0.0, 1.0, 0.0]), ["demo", "q", "q", "lonely"])
    assert got.tolist() == [1.0, -0.5, 0.5, 0.0]


def test_unanimous_groups_have_no_advantage():
    scores = torch.tensor([1.0] * 8 + [0.0] * 8)
    assert group_advantages(scores, [0] * 8 + [1] * 8).tolist() == [0.0] * 16


def test_there_is_no_division_by_the_deviation():
    got = group_advantages(torch.tensor([1.0, 0.0, 0.0, 0.0]), [7] * 4)
    assert got.tolist() == [0.75, -0.25, -0.25, -0.25]


def test_grpo_divides_by_the_unbiased_deviation_by_hand():
    """Scores 1, 0, 0, 1: mean 1/2, variance (4 * 1/4) / 3 = 1/3, so +-(1/2) / (sqrt(1/3) + 1e-6)."""
    scores = torch.tensor([1.0, 0.0, 0.0, 1.0], dtype=F64)
    got = group_advantages(scores, ["q"] * 4, normalize=True)
    size = 0.5 / (math.sqrt(1 / 3) + 1e-6)
    assert got.tolist() == pytest.approx([size, -size, -size, size], rel=1e-14)


def test_a_normalized_group_of_one_keeps_its_score_up_to_verls_epsilon():
    scores = torch.tensor([1.0, 0.3, 0.9], dtype=F64)
    got = group_advantages(scores, ["demo", "q", "q"], normalize=True)
    assert got[0].item() == pytest.approx(1 / (1 + 1e-6), rel=1e-15)


@pytest.mark.parametrize("score", [0.1, 1.0, 0.7])
@pytest.mark.parametrize("size", [2, 3, 7, 8, 11])
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rounding_gives_unanimous_groups_no_advantage(score, size, normalize, dtype):
    """A mean of 7 times 0.1 off by one digit, divided by a deviation of one digit, would be order 1."""
    scores = torch.full((size,), score, dtype=dtype)
    assert group_advantages(scores, [0] * size, normalize=normalize).tolist() == [0.0] * size


@pytest.mark.parametrize("normalize", [False, True])
def test_demonstrations_in_the_group_of_their_rollouts_by_hand(normalize):
    """LUFFY, SRFT: seven rollouts of which one is correct, and a demonstration of score 1.

    Mean 2/8; variance (2 * (3/4)^2 + 6 * (1/4)^2) / 7 = 1.5 / 7.
    """
    scores = torch.tensor([1.0, *[0.0] * 6, 1.0], dtype=F64)
    got = group_advantages(scores, ["q"] * 8, normalize=normalize)
    by = math.sqrt(1.5 / 7) + 1e-6 if normalize else 1.0
    expected = [0.75 / by, *[-0.25 / by] * 6, 0.75 / by]
    assert got.tolist() == pytest.approx(expected, rel=1e-14)


def test_no_rows_give_no_advantages():
    assert group_advantages(torch.zeros(0), []).shape == (0,)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_dtype_is_that_of_the_scores(dtype):
    got = group_advantages(torch.tensor([1.0, 0.0], dtype=dtype), ["a", "a"])
    assert got.dtype == dtype
    assert got.tolist() == [0.5, -0.5]


@pytest.mark.parametrize(("shape", "labels"), [((3,), 2), ((3,), 4), ((2, 1), 2), ((), 0)], ids=str)
def test_a_wrong_shape_is_refused_with_both_sizes(shape, labels):
    with pytest.raises(ValueError) as error:
        group_advantages(torch.zeros(shape), ["a"] * labels)
    assert str(error.value) == (f"got scores of shape {shape} and {labels} group labels; expected (bs,) and bs labels")


@given(
    st.lists(st.tuples(st.sampled_from("abcde"), st.floats(0.0, 1.0)), min_size=1, max_size=24).flatmap(
        lambda rows: st.tuples(st.just(rows), st.permutations(range(len(rows))))
    )
)
def test_advantages_equal_a_loop_over_groups_whatever_the_order(rows_and_order):
    rows, order = rows_and_order
    groups: dict[str, list[float]] = {}
    for label, score in rows:
        groups.setdefault(label, []).append(score)
    expected = [
        score - math.fsum(groups[label]) / len(groups[label]) if len(groups[label]) > 1 else score
        for label, score in rows
    ]
    scores = torch.tensor([rows[i][1] for i in order], dtype=F64)
    got = group_advantages(scores, [rows[i][0] for i in order])
    assert got.tolist() == pytest.approx([expected[i] for i in order], abs=1e-14)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("normalize", [False, True])
def test_agrees_with_verls_grpo_advantage(seed, normalize):
    generator = torch.Generator().manual_seed(seed)
    groups = np.array([f"q{int(i)}" for i in torch.randint(0, 6, (20,), generator=generator)])
    mask = (torch.rand(20, 7, generator=generator) < 0.7).to(F64)
    rewards = torch.rand(20, 7, generator=generator, dtype=F64) / 7
    verls, _ = compute_grpo_outcome_advantage(rewards.clone(), mask, groups, norm_adv_by_std_in_grpo=normalize)
    scores = group_advantages(rewards.sum(-1), list(groups), normalize=normalize)
    ours = scores.unsqueeze(-1) * mask
    # The deviation of a group of one is a float32 in verl: 1 + epsilon is rounded.
    torch.testing.assert_close(ours, verls, rtol=0, atol=1e-7 if normalize else 1e-12)
    assert ours.abs().max() > 0.1
