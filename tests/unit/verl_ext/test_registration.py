# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The estimator and the loss under verl's names."""

import inspect

import pytest
import torch
from verl.trainer.ppo.core_algos import get_adv_estimator_fn, get_policy_loss_fn

from hpt.method.estimator.composite import Composite
from hpt.method.estimator.loss import hybrid_loss
from hpt.method.estimator.rows import Rows
from hpt.method.routing import RowKind
from hpt.verl_ext.registration import hpt_advantage, hpt_policy_loss, row_advantages

MASK = torch.tensor([[1, 1, 1], [1, 1, 0]])


def test_verl_finds_both_under_our_name():
    assert get_adv_estimator_fn("hpt") is hpt_advantage
    assert get_policy_loss_fn("hpt") is hpt_policy_loss


def test_the_estimator_returns_what_routing_decided_on_every_token_that_is_left():
    rewards = torch.zeros(2, 3, dtype=torch.float64)
    with row_advantages([0.5, -2.0]):
        advantages, returns = hpt_advantage(token_level_rewards=rewards, response_mask=MASK, index=["a", "a"])
    assert advantages.tolist() == returns.tolist() == [[0.5, 0.5, 0.5], [-2.0, -2.0, 0.0]]
    assert advantages.dtype == torch.float64


@pytest.mark.parametrize("values", [None, [1.0]])
def test_without_a_routed_batch_or_for_other_rows_the_estimator_refuses(values):
    with pytest.raises(ValueError, match=r"hpt_sync"):
        if values is None:
            hpt_advantage(torch.zeros(2, 3), MASK)
        else:
            with row_advantages(values):
                hpt_advantage(torch.zeros(2, 3), MASK)


def test_the_loss_has_no_way_in_without_kinds_and_weights():
    parameters = inspect.signature(hpt_policy_loss).parameters
    required = {"row_kind", "rl_weight", "sft_weight", "composite"}
    assert {name for name in required if parameters[name].default is inspect.Parameter.empty} == required
    with pytest.raises(TypeError, match="row_kind"):
        hpt_policy_loss(*[torch.zeros(2, 3)] * 3, MASK)


def test_importance_weights_multiply_the_advantages_of_rollouts_only():
    generator = torch.Generator().manual_seed(0)
    log_prob, old = (-torch.rand(2, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    log_prob.requires_grad_()
    advantages = torch.tensor([[0.5] * 3, [1.0] * 3], dtype=torch.float64)
    kinds = torch.tensor([RowKind.ROLLOUT, RowKind.DEMONSTRATION])
    rl, sft = torch.tensor([0.1, 0.2]).double(), torch.tensor([0.0, 0.3]).double()
    correction = torch.tensor([[2.0, 3.0, 4.0], [9.0, 9.0, 9.0]], dtype=torch.float64)
    loss = hpt_policy_loss(
        old, log_prob, advantages, MASK.bool(), rollout_is_weights=correction,
        row_kind=kinds, rl_weight=rl, sft_weight=sft, composite=Composite(),
    )  # fmt: skip
    corrected = advantages.clone()
    corrected[0] *= correction[0]
    expected = hybrid_loss(Rows(log_prob, old, corrected, MASK.bool(), kinds, rl, sft))
    assert loss.total.item() == expected.total.item()
    (gradient,) = torch.autograd.grad(loss.total, log_prob)
    # Dr. GRPO's slope on a rollout token: -weight * A * w * ratio.
    ratio = (log_prob - old).exp()
    assert torch.allclose(gradient[0], (-0.1 * 0.5 * correction[0] * ratio[0]).detach(), rtol=1e-6)
