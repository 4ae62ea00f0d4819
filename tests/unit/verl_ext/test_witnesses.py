# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Our entries against verl's losses, clipped regions included."""

from dataclasses import replace

import pytest
import torch

from hpt.method.proof.check import (
    ADVANTAGE_TOLERANCE,
    ADVANTAGES,
    TOLERANCE,
    check_advantage,
    check_entry,
)
from hpt.upge import ALGORITHMS, parts
from hpt.verl_ext.witnesses import VERL_WITNESS, policy_loss

WITNESSES = {"verl": VERL_WITNESS}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", VERL_WITNESS.losses)
def test_losses_and_gradients_equal_verls(name, seed):
    result = check_entry(name, seed, 15, 16, WITNESSES)
    assert result.deviations["verl"] <= TOLERANCE
    # 1_stable acts, and does not act, on a fair share of the tokens.
    if name != "reinforce":
        assert 0.1 < result.stabilised / result.tokens < 0.9


@pytest.mark.parametrize(
    ("name", "part", "wrong"),
    [
        ("ppo", "constant", parts.no_constant),
        ("dr_grpo", "stabilisation", parts.unstabilised),
        ("cispo", "stabilisation", parts.token_clip),
        ("gspo", "reference", parts.old_policy),
        ("reinforce", "reference", parts.old_policy),
    ],
)
def test_a_wrong_part_deviates_from_verl(monkeypatch, name, part, wrong):
    monkeypatch.setitem(ALGORITHMS, name, replace(ALGORITHMS[name], **{part: wrong}))
    assert check_entry(name, 0, 15, 16, WITNESSES).deviations["verl"] > 1e-3


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ADVANTAGES)
def test_advantages_equal_verls(name, seed):
    assert check_advantage(name, seed, 24, WITNESSES).largest <= ADVANTAGE_TOLERANCE


def test_the_witness_hands_its_settings_on():
    """r = 4, A = -1: -A r = 4 without the dual clip that verl has by default, else c."""
    log_prob = torch.tensor([[4.0]], dtype=torch.float64).log() - 3
    inputs = (log_prob, torch.full((1, 1), -3.0, dtype=torch.float64), torch.tensor([[-1.0]]))
    mask = torch.ones(1, 1)
    for mode, settings, expected in (
        ("vanilla", {}, 4.0),
        ("vanilla", {"clip_ratio_c": 3.0}, 3.0),
        ("vanilla", {"clip_ratio": None, "clip_ratio_c": 2.0}, 2.0),
        ("gspo", {"clip_ratio": (0.1, 5.0)}, 4.0),
        ("cispo", {"clip_ratio": (0.1, 0.4)}, 1.4 * log_prob.item()),
    ):
        loss = policy_loss(mode, *inputs, mask, **settings)
        assert loss.item() == pytest.approx(expected)
