# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A change of the rows' weights that a strategy names."""

import math

import pytest
import torch

from hpt.common.errors import ConfigError
from hpt.method import strategies
from hpt.method.config import HPTConfig
from hpt.method.estimator import rows as module
from hpt.method.estimator.composite import composite_of
from hpt.method.estimator.loss import hybrid_loss
from hpt.method.estimator.rows import REWEIGHTINGS, Rows, register_reweighting, srft_weights
from hpt.method.gate import RL, constant
from hpt.method.routing import RowKind
from hpt.method.strategies import Strategy


def batch() -> Rows:
    """A correct rollout, a wrong one, a demonstration and padding, of two tokens each."""
    mask = torch.tensor([[1, 1], [1, 0], [1, 1], [0, 0]]).bool()
    advantages = torch.tensor([[1.0, 1.0], [-1.0, -1.0], [0.5, 0.5], [0.0, 0.0]], dtype=torch.float64)
    kinds = [RowKind.ROLLOUT, RowKind.ROLLOUT, RowKind.DEMONSTRATION, RowKind.PADDING]
    log_prob = torch.full((4, 2), math.log(0.5), dtype=torch.float64, requires_grad=True)
    weights = torch.tensor([2.0, 2.0, 2.0, 0.0], dtype=torch.float64)
    sft = torch.tensor([0.0, 0.0, 4.0, 0.0], dtype=torch.float64)
    return Rows(log_prob, log_prob.detach(), advantages, mask, torch.tensor(kinds), weights, sft)


def test_srft_weighs_correct_rollouts_and_demonstrations_by_their_mean_entropy():
    entropy = torch.tensor([[0.2, 0.4], [3.0, 9.0], [0.5, 0.7], [9.0, 9.0]], dtype=torch.float64, requires_grad=True)
    weighted = srft_weights(batch(), entropy)
    assert weighted.rl_weight.tolist() == pytest.approx([2 * 0.1 * math.exp(0.3), 2.0, 2.0, 0.0])
    assert weighted.sft_weight.tolist() == pytest.approx([0.0, 0.0, 4 * 0.5 * math.exp(-0.6), 0.0])
    assert not weighted.rl_weight.requires_grad and not weighted.sft_weight.requires_grad


def test_a_reweighting_changes_the_rl_and_sft_terms_and_not_the_entropy_term():
    entropy = torch.tensor([[0.2, 0.4]] * 4, dtype=torch.float64)
    plain = hybrid_loss(batch(), entropy=entropy, entropy_coeff=0.1)
    srft = hybrid_loss(batch(), composite_of(HPTConfig(strategy="srft")), entropy=entropy, entropy_coeff=0.1)
    assert srft.entropy.item() == plain.entropy.item() != 0.0
    assert srft.sft.item() == pytest.approx(plain.sft.item() * 0.5 * math.exp(-0.3))


def test_a_registered_reweighting_can_be_named_by_a_strategy(monkeypatch):
    monkeypatch.setattr(module, "REWEIGHTINGS", dict(REWEIGHTINGS))
    register_reweighting("twice", lambda rows, entropy: rows._replace(rl_weight=2 * rows.rl_weight))
    assert set(module.REWEIGHTINGS) == {"srft", "twice"}
    with pytest.raises(ValueError, match="'twice' is registered already"):
        register_reweighting("twice", srft_weights)


def test_an_unknown_reweighting_lists_the_known_ones(monkeypatch):
    own = Strategy("own", lambda settings: constant(RL), reweighting="srtf")
    monkeypatch.setitem(strategies.STRATEGIES, "own", own)
    with pytest.raises(ConfigError, match=r"Unknown reweighting of hpt.strategy=own: 'srtf'\. Available: srft\."):
        composite_of(HPTConfig(strategy="own"))
