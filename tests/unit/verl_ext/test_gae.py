# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch

from hpt.verl_ext.gae import gae_advantages

F64 = torch.float64


def test_by_hand():
    """gamma = 1/2, lam = 1/2; values 1, 2 and a reward of 4 at the end; the last place is padding.

    delta_2 = 4 - 2 = 2, delta_1 = 0 + 2/2 - 1 = 0; A_2 = 2, A_1 = 0 + 2/4 = 1/2; returns A + V.
    The second row is one token: delta = 1 - 0 = 1. Whitened: mean 7/6, variance
    ((2/3)^2 + (5/6)^2 + (1/6)^2) / 2 = 7/12.
    """
    rewards = torch.tensor([[0.0, 4.0, math.nan], [1.0, math.inf, 9.0]], dtype=F64)
    values = torch.tensor([[1.0, 2.0, math.nan], [0.0, 5.0, 9.0]], dtype=F64)
    mask = torch.tensor([[1, 1, 0], [1, 0, 0]])
    advantages, returns = gae_advantages(rewards, values, mask, gamma=0.5, lam=0.5)
    assert returns.tolist() == [[1.5, 4.0, 0.0], [1.0, 0.0, 0.0]]
    std = math.sqrt(7 / 12)
    expected = [[(0.5 - 7 / 6) / std, (2 - 7 / 6) / std, 0.0], [(1 - 7 / 6) / std, 0.0, 0.0]]
    for got, row in zip(advantages.tolist(), expected, strict=True):
        assert got == pytest.approx(row, rel=1e-6)


def test_with_gamma_and_lam_1_the_return_is_the_sum_of_rewards_to_come():
    rewards = torch.rand(3, 5, dtype=F64, generator=torch.Generator().manual_seed(0))
    values = torch.rand(3, 5, dtype=F64, generator=torch.Generator().manual_seed(1))
    advantages, returns = gae_advantages(rewards, values, torch.ones(3, 5, dtype=torch.bool))
    torch.testing.assert_close(returns, rewards.flip(-1).cumsum(-1).flip(-1))
    assert advantages.mean().item() == pytest.approx(0.0, abs=1e-9)
    assert advantages.var().item() == pytest.approx(1.0, rel=1e-6)


def test_the_inputs_are_left_alone():
    rewards, values = torch.ones(2, 2), torch.zeros(2, 2)
    gae_advantages(rewards, values, torch.tensor([[1, 1], [1, 0]]))
    assert rewards.tolist() == [[1, 1], [1, 1]]
    assert values.tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("place", range(3))
def test_unequal_shapes_are_refused(place):
    inputs = [torch.ones(2, 3)] * 3
    inputs[place] = torch.ones(2, 4)
    with pytest.raises(ValueError, match=r"expected one shape \(bs, T\)"):
        gae_advantages(*inputs)


@pytest.mark.parametrize("setting", [{"gamma": 1.1}, {"lam": -0.1}, {"gamma": math.nan}])
def test_a_discount_out_of_range_is_refused(setting):
    ones = torch.ones(2, 3)
    with pytest.raises(ValueError, match=r"got (gamma|lam)=.*; expected a number in \[0, 1\]"):
        gae_advantages(ones, ones, ones, **setting)


def test_fewer_than_two_tokens_cannot_be_whitened():
    ones = torch.ones(1, 1)
    with pytest.raises(ValueError, match="mask is one"):
        gae_advantages(ones, ones, ones)
