# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The proof holds for every entry, sees every region, and finds what is wrong."""

import math
from dataclasses import replace

import pytest
import torch

from hpt.method.proof.check import (
    ADVANTAGES,
    COEFFICIENT,
    PUBLISHED,
    PUBLISHED_WITNESS,
    TOLERANCE,
    Witness,
    check,
    check_entry,
    random_batch,
    random_inputs,
    settings,
)
from hpt.method.proof.witnesses import PUBLISHED_LOSSES
from hpt.upge import ALGORITHMS, parts

WITNESSES = {PUBLISHED: PUBLISHED_WITNESS}
STABILISED = {"ppo", "grpo", "dr_grpo", "cispo", "gspo", "iw_sft", "psft", "nft", "max_rl", "rlsd", "prefix_rft"}


def test_every_entry_has_a_published_loss():
    assert set(PUBLISHED_LOSSES) == set(ALGORITHMS)


@pytest.mark.parametrize("seed", range(3))
def test_every_entry_agrees_with_its_coefficient_and_its_published_loss(seed):
    results = {result.name: result for result in check(seed, rows=15, tokens=16)}
    assert list(results) == [*ALGORITHMS, *(f"advantage of {name}" for name in ADVANTAGES)]
    for result in results.values():
        assert result.largest <= TOLERANCE, result
    for name in ALGORITHMS:
        assert set(results[name].deviations) == {COEFFICIENT, PUBLISHED}
        assert (results[name].stabilised > 0) == (name in STABILISED)


@pytest.mark.parametrize("seed", range(3))
def test_the_batches_reach_every_region(seed):
    """Otherwise agreement would say nothing about the clips and clamps."""
    log_prob, old_log_prob, advantages, mask = random_batch(seed, 15, 16)
    log_ratio = log_prob - old_log_prob
    length = mask.sum(-1, keepdim=True)
    log_s = (log_ratio * mask).sum(-1, keepdim=True) / length.clamp(min=1)
    up, down = advantages > 0, advantages < 0
    regions = {
        "clipped above": up & (log_ratio > math.log(1.4)),
        "clipped below": down & (log_ratio < math.log(0.8)),
        "dual clip": down & (log_ratio > math.log(3)) & (log_ratio < 20),
        "unclipped": log_ratio.abs() < math.log(1.1),
        "clamped, large": log_ratio > 20,
        "clamped, small": log_ratio < -20,
        "sequence clipped above": up & (log_s > math.log(1.4)),
        "sequence clipped below": down & (log_s < math.log(0.8)),
        "sequence clamped": down & (log_s > 10),
        "sequence unclipped": (log_s.abs() < math.log(1.1)) & (length > 1),
        "improbable": log_prob < -40,
        "probable": log_prob > -0.1,
    }
    assert [name for name, tokens in regions.items() if not (tokens & mask).any()] == []
    assert {0, 16} <= set(length.flatten().tolist())
    assert log_prob.max() < 0 and old_log_prob.max() < 0
    assert torch.equal(advantages, advantages[:, :1].expand(15, 16))
    assert not torch.equal(*random_batch(seed, 2, 2, per_token=True).advantages.T)


@pytest.mark.parametrize("seed", range(3))
def test_what_else_entries_read_reaches_every_region(seed):
    batch = random_batch(seed, 15, 16)
    log_prob, old_log_prob, advantages, mask = batch
    entropy, initial, teacher, share = (
        random_inputs(name, batch, seed)[key]
        for name, key in (
            ("eaft", "entropy"),
            ("iw_sft", "initial_log_prob"),
            ("rlsd", "teacher_log_prob"),
            ("nft", "mean_score"),
        )
    )
    log_ratio, log_trust = log_prob - old_log_prob, advantages.sign() * (teacher - old_log_prob)
    length = mask.sum(-1, keepdim=True).clamp(min=1)
    log_s = ((log_prob - initial) * mask).sum(-1, keepdim=True) / length
    proxy = (1 - share.clamp(0.02, 0.98) * log_ratio.exp()) / (1 - share.clamp(0.02, 0.98))
    up, down = advantages > 0, advantages < 0
    regions = {
        "entropy below 3": entropy < 3,
        "entropy above 3": entropy > 3,
        "likelier than before, bounded": log_s > math.log(16),
        "less likely than before": log_s < -1,
        "probability above alpha": log_prob > math.log(0.1),
        "probability below alpha": log_prob < math.log(0.1),
        "all right": share == 1,
        "all wrong": share == 0,
        "some right": up & (share > 0) & (share < 1),
        "some wrong": down & (share > 0) & (share < 1),
        "implied policy below its floor": down & (proxy < 0.2),
        "implied policy above its floor": down & (proxy > 1),
        "the teacher trusts more": log_trust > math.log(1.2),
        "the teacher trusts less": log_trust < math.log(0.8),
        "the teacher trusts as much": log_trust.abs() < math.log(1.2),
        "less likely than pi_old, and wrong": down & (log_ratio < 0),
        "truncated above": log_ratio > math.log(2),
    }
    assert [name for name, tokens in regions.items() if not (tokens & mask).any()] == []


def test_settings_are_all_combinations():
    assert settings("sft") == [{}]
    assert settings("cispo") == [{"clip_ratio": c} for c in (0.2, None, (0.1, 0.4))]
    assert len(settings("ppo")) == 6
    assert {"clip_ratio": None, "clip_ratio_c": 3.0} in settings("ppo")


def test_a_batch_depends_on_its_seed_and_on_nothing_else():
    first, again, other = random_batch(1, 4, 5), random_batch(1, 4, 5), random_batch(2, 4, 5)
    assert all(map(torch.equal, first, again))
    assert not torch.equal(first.log_prob, other.log_prob)


@pytest.mark.parametrize(("rows", "tokens"), [(1, 1), (1, 5), (2, 1), (3, 2)])
def test_small_batches_agree_too(rows, tokens):
    for result in check(0, rows, tokens):
        assert result.largest <= TOLERANCE


@pytest.mark.parametrize(
    ("name", "part", "wrong", "by"),
    [
        # Parts that fit together and are not the algorithm's: the published loss tells.
        ("grpo", "reference", parts.current_policy, PUBLISHED),
        ("grpo", "stabilisation", parts.unstabilised, PUBLISHED),
        ("grpo", "advantage", parts.unit_advantage, PUBLISHED),
        ("grpo", "constant", parts.no_constant, PUBLISHED),
        ("sft", "advantage", parts.given_advantage("A"), PUBLISHED),
        ("reinforce", "reference", parts.no_reference, PUBLISHED),
        ("cispo", "stabilisation", parts.unstabilised, PUBLISHED),
        ("gspo", "reference", parts.old_policy, PUBLISHED),
        ("gspo", "stabilisation", parts.unstabilised, PUBLISHED),
        ("gspo", "constant", parts.no_constant, PUBLISHED),
        ("srft_offline", "reference", parts.old_policy, PUBLISHED),
        ("srft_offline", "likelihood", parts.log_probability, PUBLISHED),
        ("dft", "reference", parts.current_policy, PUBLISHED),
        ("chord_phi", "advantage", parts.unit_advantage, PUBLISHED),
        ("trsft", "reference", parts.no_reference, PUBLISHED),
        ("eaft", "reference", parts.no_reference, PUBLISHED),
        ("iw_sft", "stabilisation", parts.unstabilised, PUBLISHED),
        ("psft", "stabilisation", parts.unstabilised, PUBLISHED),
        ("psft", "constant", parts.no_constant, PUBLISHED),
        ("rl_plus_offline", "reference", parts.old_policy, PUBLISHED),
        ("rl_plus_offline", "advantage", parts.given_advantage("A"), PUBLISHED),
        ("raft", "advantage", parts.unit_advantage, PUBLISHED),
        ("topr", "reference", parts.current_policy, PUBLISHED),
        ("nft", "stabilisation", parts.unstabilised, PUBLISHED),
        ("nft", "constant", parts.no_constant, PUBLISHED),
        ("nft", "advantage", parts.given_advantage("A"), PUBLISHED),
        ("max_rl", "reference", parts.current_policy, PUBLISHED),
        ("self_distill", "reference", parts.current_policy, PUBLISHED),
        ("rlsd", "stabilisation", parts.unstabilised, PUBLISHED),
        # Parts that do not fit together: the coefficient tells.
        ("luffy_offline", "factor", parts.unshaped, COEFFICIENT),
        ("luffy_offline", "likelihood", parts.probability, COEFFICIENT),
    ],
)
def test_a_wrong_part_is_found(monkeypatch, name, part, wrong, by):
    assert check_entry(name, 0, 15, 16, WITNESSES).deviations[by] <= TOLERANCE
    monkeypatch.setitem(ALGORITHMS, name, replace(ALGORITHMS[name], **{part: wrong}))
    assert check_entry(name, 0, 15, 16, WITNESSES).deviations[by] > 1e-3


def test_what_is_not_a_number_counts_as_an_infinite_deviation(monkeypatch):
    @parts.part("NaN")
    def broken(tokens):
        return torch.full_like(tokens.log_prob, math.nan)

    monkeypatch.setitem(ALGORITHMS, "sft", replace(ALGORITHMS["sft"], reference=broken))
    result = check_entry("sft", 0, 3, 3, WITNESSES)
    assert result.deviations == {COEFFICIENT: math.inf, PUBLISHED: math.inf}


def test_a_wrong_advantage_is_found():
    wrong = Witness({}, lambda scores, groups, *, normalize: scores)
    results = {result.name: result for result in check(0, 8, 2, {"wrong": wrong})}
    for name in ADVANTAGES:
        assert results[f"advantage of {name}"].largest > 1e-3
    assert "wrong" not in results["sft"].deviations
